/* kernel_avx512.c: the kernels, compiled for avx512; reached only where the processor has it. */
#if defined(__x86_64__)
#include "cluster/kernel.h"

#define LANE static inline __attribute__((always_inline))
#include "cluster/lanes_avx512.h"

static bool usable(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

#define KERNEL      strata_kernel_avx512
#define KERNEL_NAME "avx512"
#include "cluster/kernel_body.h"
#else
typedef int strata_no_kernel_here;
#endif
