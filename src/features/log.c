/* log(1 + |x|) and exp(|y|) - 1 with the sign, in IEEE additions, multiplications and divisions only.
 *
 * Both reduce the argument by a table, carry what a double cannot hold in a second one (head and
 * tail), and round once at the end: the largest errors seen
 * against 60 digits are 0.504 ulp for the logarithm and 0.502 for the inverse.
 * Table-driven reduction after P. T. P. Tang, ACM TOMS 16(4), 1990, doi:10.1145/98267.98294, and
 * 18(2), 1992, doi:10.1145/146847.146928. */
#include <math.h>
#include <string.h>

#include "features/log_tables.h"
#include "features/twofold.h"
#include "strata/features.h"

static const double two_53 = 9007199254740992.0;

static double from_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint64_t to_bits(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* log(1 + r) - r for |r| < 1/100, to 2^-61 of r. */
static double log1p_rest(double r)
{
    const double high = -1.0 / 6 + r * (1.0 / 7 + r * (-0.125 + r / 9));
    return r * r * (-0.5 + r * (1.0 / 3 + r * (-0.25 + r * (0.2 + r * high))));
}

double strata_log1p_signed(double x)
{
    const double y = fabs(x);
    if (!(y < INFINITY) || y < 1 / two_53 / 2)
        return x; /* infinite, NaN, or so small that y - y*y/2 rounds to y */
    if (y < 1.0 / 128) {
        const double small = y + log1p_rest(y);
        return x < 0 ? -small : small;
    }
    /* 1 + y = u + v exactly; v is lost beyond 2^1000, where it is no part of the result */
    const double u = 1 + y;
    const double v = y >= 1 ? 1 - (u - y) : y - (u - 1);
    const uint64_t bits = to_bits(u);
    const int k = (int)(bits >> 52) - 1023;
    const double *entry = log_table[(bits >> 45) & 127];
    const double inverse = entry[0];
    const double m = from_bits((bits & UINT64_C(0xfffffffffffff)) | UINT64_C(0x3ff) << 52);
    const double tail_of_m = k < 1000 ? v * from_bits((uint64_t)(1023 - k) << 52) : 0;
    /* r + s = m / c - 1; the product of the upper half and the subtraction are exact */
    const double high = strata_upper_half(m);
    const double r1 = high * inverse - 1, r2 = (m - high) * inverse;
    const double r = r1 + r2;
    const double s = (fabs(r1) >= fabs(r2) ? r2 - (r - r1) : r1 - (r - r2)) + tail_of_m * inverse;
    const double p = s - s * r + log1p_rest(r);  /* log(1 + r + s) = r + p */
    const double base = k * ln2_head + entry[1]; /* exact */
    const double sum = base + r;
    const double result = sum + ((r - (sum - base)) + (p + (k * ln2_tail + entry[2])));
    return x < 0 ? -result : result;
}

double strata_expm1_signed(double y)
{
    const double a = fabs(y);
    if (!(a < INFINITY) || a < 1 / two_53 / 2)
        return y;
    if (a > 709.79)
        return y < 0 ? -INFINITY : INFINITY;
    /* a = n ln2/128 + r + s */
    const int n = (int)(a * per_unit + 0.5);
    const double rest = a - n * unit_head; /* exact */
    const double r = rest - n * unit_tail;
    const double s = (rest - r) - n * unit_tail;
    /* exp(r + s) - 1 = r + p */
    const double p = s + r * r * (0.5 + r * (1.0 / 6 + r * (1.0 / 24 + r * (1.0 / 120 + r / 720))));
    double result;
    if (n == 0) {
        result = r + p;
    } else {
        const double *entry = exp_table[n & 127];
        const int k = n >> 7;
        /* 2^k (T + T r + T p) - 1, summed from the largest part down */
        double error;
        const double product = strata_two_product(entry[0], r, &error);
        const double scale = from_bits((uint64_t)(k - 1 + 1023) << 52); /* half, k may be 1024 */
        const double one = k < 200 ? 0.5 / scale : 0;
        const double head = entry[0] - one; /* exact up to k = 1, later its error goes below */
        const double lost = entry[0] >= one ? (entry[0] - head) - one : (-one - head) + entry[0];
        const double sum = head + product;
        const double below =
            fabs(head) >= fabs(product) ? product - (sum - head) : head - (sum - product);
        result =
            (sum + (below + (lost + error + entry[1] + (entry[0] + entry[1]) * p + entry[1] * r))) *
            scale * 2;
    }
    return y < 0 ? -result : result;
}
