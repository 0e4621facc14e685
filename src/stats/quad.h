/* quad.h: 113-bit floating point and 256-bit integers, private to the stats room.
 *
 * _Float128 is computed in software (libgcc, and glibc's *f128 functions on top of it), hence the
 * same bits on every processor; the numbers of tests are small, so its cost does not matter. */
#ifndef STRATA_STATS_QUAD_H
#define STRATA_STATS_QUAD_H

#include <math.h>
#include <stdint.h>

#include "strata/stats.h"

typedef _Float128 quad;

static const quad ln_2 = 0.693147180559945309417232121458176568f128;
static const quad ln_10 = 2.302585092994045684017991454684364208f128;

static inline strata_i256 wide_from_i128(__int128 value)
{
    uint64_t sign = value < 0 ? UINT64_MAX : 0;
    return (strata_i256){{(uint64_t)value, (uint64_t)(value >> 64), sign, sign}};
}

static inline strata_i256 wide_add(strata_i256 a, strata_i256 b)
{
    strata_i256 sum;
    unsigned __int128 carry = 0;
    for (int i = 0; i < 4; i++) {
        carry += (unsigned __int128)a.limb[i] + b.limb[i];
        sum.limb[i] = (uint64_t)carry;
        carry >>= 64;
    }
    return sum;
}

static inline strata_i256 wide_negate(strata_i256 a)
{
    for (int i = 0; i < 4; i++)
        a.limb[i] = ~a.limb[i];
    return wide_add(a, wide_from_i128(1));
}

static inline strata_i256 wide_subtract(strata_i256 a, strata_i256 b)
{
    return wide_add(a, wide_negate(b));
}

/* Modulo 2^256; the callers' bounds keep true products below 2^255. */
static inline strata_i256 wide_multiply(strata_i256 a, strata_i256 b)
{
    strata_i256 product = {{0}};
    for (int i = 0; i < 4; i++) {
        unsigned __int128 carry = 0;
        for (int j = 0; i + j < 4; j++) {
            carry += (unsigned __int128)a.limb[i] * b.limb[j] + product.limb[i + j];
            product.limb[i + j] = (uint64_t)carry;
            carry >>= 64;
        }
    }
    return product;
}

static inline bool wide_is_zero(strata_i256 a)
{
    return (a.limb[0] | a.limb[1] | a.limb[2] | a.limb[3]) == 0;
}

/* Within two units in the 113th bit. */
static inline quad wide_to_quad(strata_i256 a)
{
    const quad limb_base = (quad)18446744073709551616.0; /* 2^64 */
    bool negative = a.limb[3] >> 63;
    if (negative)
        a = wide_negate(a);
    quad value = 0;
    for (int i = 3; i >= 0; i--)
        value = value * limb_base + (quad)a.limb[i];
    return negative ? -value : value;
}

/* n * squares - sum^2, exactly: n times the sum of squared deviations, >= 0. */
static inline strata_i256 cell_deviation(const strata_cell *cell)
{
    strata_i256 sum = wide_from_i128(cell->sum);
    return wide_subtract(wide_multiply(wide_from_i128(cell->n), cell->squares),
                         wide_multiply(sum, sum));
}

/* n >= 1. */
static inline quad cell_mean(const strata_cell *cell)
{
    return (quad)cell->sum / (quad)cell->n;
}

/* Sum of squared deviations from the cell's mean; n >= 1. */
static inline quad cell_sum_of_squares(const strata_cell *cell)
{
    return wide_to_quad(cell_deviation(cell)) / (quad)cell->n;
}

/* n >= 2. */
static inline quad cell_variance(const strata_cell *cell)
{
    return cell_sum_of_squares(cell) / (quad)(cell->n - 1);
}

#endif
