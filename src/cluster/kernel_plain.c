/* kernel_plain.c: the kernels for any processor. */
#include "cluster/kernel.h"

#define LANE static inline __attribute__((always_inline))
#include "cluster/lanes_plain.h"

static bool usable(void)
{
    return true;
}

#define KERNEL      strata_kernel_plain
#define KERNEL_NAME "plain"
#include "cluster/kernel_body.h"
