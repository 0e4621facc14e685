#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "features/log_reference.h"
#include "strata/features.h"

/* Distance of result from head + tail in units of the last place of head. */
static double error_in_ulp(double result, const double reference[3])
{
    const double ulp = nextafter(fabs(reference[1]), INFINITY) - fabs(reference[1]);
    return fabs(((result - reference[1]) - reference[2]) / ulp);
}

static void close_to_the_truth(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof log_reference / sizeof *log_reference; i++) {
        const double *r = log_reference[i], result = strata_log1p_signed(r[0]);
        if (!(error_in_ulp(result, r) < 0.51))
            fail_msg("log1p(%a) = %a is %.3f ulp off", r[0], result, error_in_ulp(result, r));
        if (strata_log1p_signed(-r[0]) != -result)
            fail_msg("log1p is not odd at %a", r[0]);
    }
    for (size_t i = 0; i < sizeof exp_reference / sizeof *exp_reference; i++) {
        const double *r = exp_reference[i], result = strata_expm1_signed(r[0]);
        if (!(error_in_ulp(result, r) < 0.51))
            fail_msg("expm1(%a) = %a is %.3f ulp off", r[0], result, error_in_ulp(result, r));
        if (strata_expm1_signed(-r[0]) != -result)
            fail_msg("expm1 is not odd at %a", r[0]);
    }
}

/* Neighbouring doubles from many places, on both sides of every table entry and power of two. */
static void monotone(void **state)
{
    (void)state;
    for (int exponent = -60; exponent < 1023; exponent += exponent < 12 ? 1 : 37)
        for (int entry = 0; entry < 128; entry++) {
            double x = ldexp(1 + entry / 128.0, exponent) - (exponent >= 0 ? 1 : 0);
            for (int i = 0; i < 40; i++)
                x = nextafter(x, 0);
            double before = strata_log1p_signed(x), inverse = strata_expm1_signed(x);
            for (int i = 0; i < 80; i++) {
                x = nextafter(x, INFINITY);
                const double now = strata_log1p_signed(x), now_inverse = strata_expm1_signed(x);
                if (now < before || now_inverse < inverse)
                    fail_msg("not monotone at %a", x);
                before = now;
                inverse = now_inverse;
            }
        }
}

static void there_and_back(void **state)
{
    (void)state;
    for (double x = 1e-12; x < 1e12; x *= 1.0137) {
        const double back = strata_expm1_signed(strata_log1p_signed(x));
        /* half an ulp of the logarithm is this much of x */
        const double allowed = x * 2.3e-16 * (1 + strata_log1p_signed(x) * (1 + x) / x);
        if (!(fabs(back - x) <= allowed))
            fail_msg("%a came back as %a", x, back);
    }
}

static void at_the_ends(void **state)
{
    (void)state;
    assert_true(strata_log1p_signed(0) == 0 && !signbit(strata_log1p_signed(0)));
    assert_true(signbit(strata_log1p_signed(-0.0)));
    assert_true(strata_log1p_signed(INFINITY) == INFINITY);
    assert_true(strata_log1p_signed(-INFINITY) == -INFINITY);
    assert_true(isnan(strata_log1p_signed(NAN)));
    assert_true(strata_expm1_signed(0) == 0);
    assert_true(strata_expm1_signed(710) == INFINITY);
    assert_true(strata_expm1_signed(-710) == -INFINITY);
    assert_true(isnan(strata_expm1_signed(NAN)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(close_to_the_truth),
        cmocka_unit_test(monotone),
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(at_the_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
