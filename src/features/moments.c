#include "features/moments.h"

#include <math.h>

#include "features/twofold.h"
#include "strata/memory.h"
#include "strata/par.h"

typedef unsigned __int128 u128;

enum { sum_limbs = 4, square_limbs = 6, limbs_each = sum_limbs + square_limbs };

void strata_moments_add(strata_moments *moments, const int64_t *values, int64_t n)
{
    strata_moments m = *moments;
    for (int64_t i = 0; i < n; i++) {
        const u128 square = (u128)((__int128)values[i] * values[i]);
        m.sum += values[i];
        m.squares += square;
        m.squares_carry += m.squares < square;
    }
    *moments = m;
}

/* Limbs of 32 bits in int64 leave 31 bits for carries: room for 2^31 ranks. */
strata_status strata_moments_reduce(strata_context *ctx, strata_moments *moments, int64_t count)
{
    strata_status rc = STRATA_OK;
    int64_t *limbs = NULL;
    STRATA_AGREE(ctx, strata_alloc(ctx, count * limbs_each, sizeof *limbs, &limbs));
    for (int64_t i = 0; i < count; i++) {
        int64_t *at = limbs + i * limbs_each;
        for (int l = 0; l < sum_limbs; l++) {
            at[l] = (uint32_t)((u128)moments[i].sum >> (32 * l));
            at[sum_limbs + l] = (uint32_t)(moments[i].squares >> (32 * l));
        }
        at[limbs_each - 2] = (uint32_t)moments[i].squares_carry;
        at[limbs_each - 1] = (int64_t)(moments[i].squares_carry >> 32);
    }
    STRATA_TRY(strata_par_allreduce_i64(ctx, limbs, count * limbs_each, STRATA_SUM));
    for (int64_t i = 0; i < count; i++) {
        const int64_t *at = limbs + i * limbs_each;
        u128 sum = 0, squares = 0;
        uint64_t carry = 0;
        for (int l = 0; l < sum_limbs; l++) {
            const u128 part = (u128)at[sum_limbs + l] << (32 * l);
            sum += (u128)at[l] << (32 * l);
            squares += part;
            carry += squares < part;
            carry += l == sum_limbs - 1 ? (uint64_t)at[sum_limbs + l] >> 32 : 0;
        }
        moments[i].sum = (__int128)sum;
        moments[i].squares = squares;
        moments[i].squares_carry =
            carry + (uint64_t)at[limbs_each - 2] + ((uint64_t)at[limbs_each - 1] << 32);
    }
done:
    strata_free(&limbs);
    return rc;
}

/* result [4] = n * squares - sum^2 in 256 bits, lowest limb first: n^2 times the variance. */
static void scaled_variance(const strata_moments *moments, uint64_t n, uint64_t result[4])
{
    const uint64_t squares[3] = {(uint64_t)moments->squares, (uint64_t)(moments->squares >> 64),
                                 moments->squares_carry};
    const u128 sum = moments->sum < 0 ? -(u128)moments->sum : (u128)moments->sum;
    const uint64_t low = (uint64_t)sum, high = (uint64_t)(sum >> 64);
    const u128 cross = (u128)low * high; /* counts twice, one limb up */
    u128 carry = 0;
    for (int l = 0; l < 3; l++) {
        carry += (u128)squares[l] * n;
        result[l] = (uint64_t)carry;
        carry >>= 64;
    }
    result[3] = (uint64_t)carry;
    const u128 low_square = (u128)low * low, high_square = (u128)high * high;
    uint64_t square[4] = {(uint64_t)low_square};
    carry = (low_square >> 64) + (uint64_t)(cross << 1);
    square[1] = (uint64_t)carry;
    carry = (carry >> 64) + (uint64_t)high_square + (uint64_t)(cross >> 63);
    square[2] = (uint64_t)carry;
    carry = (carry >> 64) + (high_square >> 64) + (uint64_t)(cross >> 127);
    square[3] = (uint64_t)carry;
    uint64_t borrow = 0;
    for (int l = 0; l < 4; l++) {
        const u128 difference = (u128)result[l] - square[l] - borrow;
        result[l] = (uint64_t)difference;
        borrow = (uint64_t)(difference >> 64) & 1;
    }
}

/* sqrt(value) / n for a 256-bit value. */
static double root_over(uint64_t value[4], int64_t n)
{
    int exponent = 256 - 53;
    for (int shift = 0; shift < 3 && value[3] == 0; shift++) {
        for (int l = 3; l > 0; l--)
            value[l] = value[l - 1];
        value[0] = 0;
        exponent -= 64;
    }
    if (value[3] == 0)
        return 0;
    const int zeros = __builtin_clzll(value[3]);
    if (zeros > 0)
        for (int l = 3; l >= 0; l--)
            value[l] = value[l] << zeros | (l > 0 ? value[l - 1] >> (64 - zeros) : 0);
    exponent -= zeros;
    /* 106 leading bits: value = (head + tail) 2^exponent */
    double head = (double)(value[3] >> 11);
    double tail = ldexp((double)((value[3] & 0x7ff) << 42 | value[2] >> 22), -53);
    if (exponent & 1) {
        head *= 2;
        tail *= 2;
        exponent--;
    }
    double error;
    const double root = sqrt(head);
    const double square = strata_two_product(root, root, &error);
    const double rest = ((head - square) - error + tail) / (2 * root);
    return ldexp(strata_two_quotient(root, rest, (double)n), exponent / 2);
}

void strata_moments_finish(const strata_moments *moments, int64_t n, double *mean,
                           double *deviation)
{
    uint64_t value[4];
    const double head = (double)moments->sum;
    const double tail = (double)(moments->sum - (__int128)head);
    *mean = strata_two_quotient(head, tail, (double)n);
    scaled_variance(moments, (uint64_t)n, value);
    *deviation = root_over(value, n);
}
