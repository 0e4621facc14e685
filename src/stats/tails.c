/* Log tails. GSL has none, and its F tail is 1 - P for df1 < 20 and large df2, that is: zero or
 * noise where the job works. */
#include "stats/quad.h"

/* Some sqrt(df) terms are needed near the mean: 1e6 at the end of the stated range. */
enum { TERMS_MAX = 1 << 24 };
static const double df_max = 1e12;

static const quad converged = 1e-32f128;
static const quad smallest = 1e-4000f128; /* stands in for a zero denominator */

/* One step of Lentz's method: the fraction continues with a / (b + ...). Returns the factor by
 * which the value changes. */
static quad lentz_step(quad a, quad b, quad *c, quad *d)
{
    *c = b + a / *c;
    if (*c == 0)
        *c = smallest;
    *d = b + a * *d;
    if (*d == 0)
        *d = smallest;
    *d = 1 / *d;
    return *c * *d;
}

/* 1 / (1 + d1 / (1 + d2 / ...)) of the incomplete beta function, DLMF 8.17.22; quick for
 * y < (a + 1) / (a + b + 2). NaN when it does not converge. */
static quad beta_fraction(quad a, quad b, quad y)
{
    quad c = 1, d = 0, value = 1;
    for (int m = 1; m < TERMS_MAX; m++) {
        quad k = m;
        quad odd = -(a + k - 1) * (a + b + k - 1) * y / ((a + 2 * k - 2) * (a + 2 * k - 1));
        quad even = k * (b - k) * y / ((a + 2 * k - 1) * (a + 2 * k));
        quad factor = lentz_step(odd, 1, &c, &d);
        if (even == 0) /* whole b: the fraction ends here */
            return 1 / (value * factor);
        quad second = lentz_step(even, 1, &c, &d);
        value *= factor * second;
        if (fabsf128(factor - 1) < converged && fabsf128(second - 1) < converged)
            return 1 / value;
    }
    return (quad)NAN;
}

/* ln of x^a y^b / B(a, b) with x + y = 1, each given to full precision. */
static quad ln_beta_density(quad a, quad b, quad x, quad y)
{
    int sign;
    quad ln_beta = lgammaf128_r(a, &sign) + lgammaf128_r(b, &sign) - lgammaf128_r(a + b, &sign);
    quad ln_x = x > 0.5f128 ? log1pf128(-y) : logf128(x);
    quad ln_y = y > 0.5f128 ? log1pf128(-x) : logf128(y);
    return a * ln_x + b * ln_y - ln_beta;
}

/* ln I_x(a, b), the regularised incomplete beta function; y = 1 - x. */
static quad ln_beta_regularised(quad a, quad b, quad x, quad y)
{
    if (x <= 0)
        return -(quad)INFINITY;
    if (y <= 0)
        return 0;
    quad density = ln_beta_density(a, b, x, y);
    if (x * (a + b + 2) < a + 1)
        return density + logf128(beta_fraction(a, b, x) / a);
    return log1pf128(-expf128(density) * beta_fraction(b, a, y) / b);
}

/* P(a, x) / (x^a e^-x / Gamma(a)), DLMF 8.11.4; quick for x < a + 1. */
static quad gamma_series(quad a, quad x)
{
    quad term = 1 / a, sum = term;
    for (int n = 1; n < TERMS_MAX; n++) {
        term *= x / (a + n);
        sum += term;
        if (term < sum * converged)
            return sum;
    }
    return (quad)NAN;
}

/* Q(a, x) / (x^a e^-x / Gamma(a)), DLMF 8.9.2; quick for x > a + 1. */
static quad gamma_fraction(quad a, quad x)
{
    quad b = x + 1 - a, c = b, d = 0, value = b;
    for (int n = 1; n < TERMS_MAX; n++) {
        quad k = n;
        b += 2;
        quad factor = lentz_step(-k * (k - a), b, &c, &d);
        value *= factor;
        if (fabsf128(factor - 1) < converged)
            return 1 / value;
    }
    return (quad)NAN;
}

/* ln Q(a, x), the regularised upper incomplete gamma function. */
static quad ln_gamma_upper(quad a, quad x)
{
    int sign;
    if (x <= 0)
        return 0;
    quad density = a * logf128(x) - x - lgammaf128_r(a, &sign);
    if (x > a + 1)
        return density + logf128(gamma_fraction(a, x));
    return log1pf128(-expf128(density) * gamma_series(a, x));
}

static bool df_is_valid(double df)
{
    return df > 0 && df <= df_max;
}

double strata_stats_ln_tail_chi_squared(double x, double df)
{
    if (isnan(x) || !df_is_valid(df))
        return NAN;
    if (isinf(x))
        return x > 0 ? -INFINITY : 0;
    return (double)ln_gamma_upper((quad)df / 2, (quad)x / 2);
}

double strata_stats_ln_tail_f(double f, double df1, double df2)
{
    if (isnan(f) || !df_is_valid(df1) || !(df_is_valid(df2) || df2 == INFINITY))
        return NAN;
    if (f <= 0)
        return 0;
    if (isinf(f))
        return -INFINITY;
    if (isinf(df2))
        return (double)ln_gamma_upper((quad)df1 / 2, (quad)df1 * (quad)f / 2);
    quad between = (quad)df1 * (quad)f, within = (quad)df2, all = between + within;
    return (double)ln_beta_regularised((quad)df2 / 2, (quad)df1 / 2, within / all, between / all);
}

/* ln (Q / 2) for a positive and ln (1 - Q / 2) for a negative argument of a symmetric distribution,
 * from ln Q of both tails together. */
static double one_side(quad ln_both, bool positive)
{
    if (positive)
        return (double)(ln_both - ln_2);
    return (double)log1pf128(-expf128(ln_both) / 2);
}

double strata_stats_ln_tail_normal(double z)
{
    if (isnan(z))
        return NAN;
    if (isinf(z))
        return z > 0 ? -INFINITY : 0;
    return one_side(ln_gamma_upper(0.5f128, (quad)z * (quad)z / 2), z > 0);
}

double strata_stats_ln_tail_t(double t, double df)
{
    if (isnan(t) || !(df_is_valid(df) || df == INFINITY))
        return NAN;
    if (isinf(df))
        return strata_stats_ln_tail_normal(t);
    if (isinf(t))
        return t > 0 ? -INFINITY : 0;
    quad square = (quad)t * (quad)t, all = square + (quad)df;
    return one_side(ln_beta_regularised((quad)df / 2, 0.5f128, (quad)df / all, square / all),
                    t > 0);
}

double strata_stats_log10_from_ln(double ln_p)
{
    return (double)((quad)ln_p / ln_10);
}

double strata_stats_p_from_log10(double log10_p)
{
    return (double)expf128((quad)log10_p * ln_10);
}
