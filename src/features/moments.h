/* moments.h: mean and population standard deviation of int64 values from exact integer sums, so that
 * neither the partition nor the order of the values can change a bit. Private to the features room. */
#ifndef STRATA_FEATURES_MOMENTS_H
#define STRATA_FEATURES_MOMENTS_H

#include <stdint.h>

#include "strata/context.h"

/* Bits of a value besides its sign. 2^40 values of 62 bits keep every sum below far from overflow. */
#define STRATA_MOMENT_BITS 62

typedef struct strata_moments {
    __int128 sum;
    unsigned __int128 squares; /* lower 128 bits of the sum of squares ... */
    uint64_t squares_carry;    /* ... and what passed beyond them */
} strata_moments;

/* Adds values [n], |value| <= 2^62. Not collective. */
void strata_moments_add(strata_moments *moments, const int64_t *values, int64_t n);

/* Collective. In place sums of moments [count] over all ranks. */
strata_status strata_moments_reduce(strata_context *ctx, strata_moments *moments,
                                    int64_t count) STRATA_MUST_USE;

/* Mean and deviation of n >= 1 values, each below one unit in the last place. deviation is 0 exactly
 * when all values are equal. Not collective. */
void strata_moments_finish(const strata_moments *moments, int64_t n, double *mean,
                           double *deviation);

#endif
