/* twofold.h: a double carried together with what it lost. Private to the features room. */
#ifndef STRATA_FEATURES_TWOFOLD_H
#define STRATA_FEATURES_TWOFOLD_H

#include <stdint.h>
#include <string.h>

/* The upper 26 bits of the mantissa; 27 at most remain. */
static inline double strata_upper_half(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    bits &= ~UINT64_C(0x7ffffff);
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* a * b = result + *error to 2^-106 of the product (T. J. Dekker, Numer. Math. 18, 1971,
 * doi:10.1007/BF01397083). Neither factor beyond 2^500. */
static inline double strata_two_product(double a, double b, double *error)
{
    const double a1 = strata_upper_half(a), a2 = a - a1, b1 = strata_upper_half(b), b2 = b - b1;
    const double product = a * b;
    *error = ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2;
    return product;
}

#endif
