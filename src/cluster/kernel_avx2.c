/* kernel_avx2.c: the kernels, compiled for avx2; reached only where the processor has it. */
#if defined(__x86_64__)
#include "cluster/kernel.h"

#define LANE static inline __attribute__((always_inline))
#include "cluster/lanes_avx2.h"

static bool usable(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

#define KERNEL      strata_kernel_avx2
#define KERNEL_NAME "avx2"
#include "cluster/kernel_body.h"
#else
typedef int strata_no_kernel_here;
#endif
