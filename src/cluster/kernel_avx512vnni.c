/* kernel_avx512vnni.c: the avx512 kernels and a coarse screen in 16-bit integers; reached only where
 * the processor has both. */
#if defined(__x86_64__)
#include "cluster/kernel.h"

#define LANE static inline __attribute__((always_inline))
#include "cluster/lanes_avx512.h"

static bool usable(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vnni");
}

#define COARSE      coarse_points
#define KERNEL      strata_kernel_avx512vnni
#define KERNEL_NAME "avx512vnni"
#include "cluster/kernel_coarse.h"
#include "cluster/kernel_body.h"
#else
typedef int strata_no_kernel_here;
#endif
