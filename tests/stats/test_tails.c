/* Log tails against published values, against values computed at 60 digits, and against GSL where
 * GSL is right. */
#include <gsl/gsl_cdf.h>

#include "stats/stats_test.h"

typedef struct known_tail {
    enum { F, C, N, T } kind;
    double x, df1, df2, ln_q;
} known_tail;

static double ln_tail(const known_tail *known)
{
    switch (known->kind) {
    case F:
        return strata_stats_ln_tail_f(known->x, known->df1, known->df2);
    case C:
        return strata_stats_ln_tail_chi_squared(known->x, known->df1);
    case N:
        return strata_stats_ln_tail_normal(known->x);
    default:
        return strata_stats_ln_tail_t(known->x, known->df1);
    }
}

static void check(const known_tail *known, size_t count)
{
    double worst = 0;
    for (size_t i = 0; i < count; i++) {
        double got = ln_tail(&known[i]), error = relative_error(got, known[i].ln_q);
        if (!(error < 4e-16))
            print_error("kind %d x %.17g df %g %g: ln Q = %.17g, wanted %.17g, error %.2g\n",
                        (int)known[i].kind, known[i].x, known[i].df1, known[i].df2, got,
                        known[i].ln_q, error);
        worst = fmax(worst, error);
    }
    assert_true(worst < 4e-16);
}

static void test_published(void **state)
{
    (void)state;
    static const known_tail known[] = {
        {F, 21, 8, 180, -49.707818199682475},  {F, 2001, 8, 18000, -5702.7525985499085},
        {F, 10, 4, 1e8, -16.955473943229945},  {F, 100, 4, 1e8, -194.69629907309909},
        {F, 1e6, 4, 1e8, -1961021.1882265194}, {F, 3, 24, 1e8, -13.73472658164585},
        {C, 100, 4, 0, -46.068174367275674},   {C, 2000, 4, 0, -993.09124522068478},
        {N, 38, 0, 0, -726.55721601882013},    {N, 1000, 0, 0, -500007.82669481218},
        {T, 40, 1e8, 0, -804.6020340845712},   {T, 100, 50, 0, -135.46017476523577},
    };
    check(known, sizeof known / sizeof *known);
}

static void test_grid(void **state)
{
    (void)state;
    static const known_tail known[] = {
#include "stats/tail_values.inc"
    };
    check(known, sizeof known / sizeof *known);
}

static void test_gsl_agrees_in_the_middle(void **state)
{
    (void)state;
    for (double df1 = 1; df1 < 30; df1 += 4.5)
        for (double df2 = 2; df2 < 400; df2 *= 2.7)
            for (double x = 0.05; x < 8; x *= 1.7) {
                ASSERT_NEAR(exp(strata_stats_ln_tail_f(x, df1, df2)), gsl_cdf_fdist_Q(x, df1, df2),
                            1e-9);
                ASSERT_NEAR(exp(strata_stats_ln_tail_chi_squared(x * df1, df1)),
                            gsl_cdf_chisq_Q(x * df1, df1), 1e-9);
                ASSERT_NEAR(exp(strata_stats_ln_tail_t(x - 2, df2)), gsl_cdf_tdist_Q(x - 2, df2),
                            1e-9);
            }
}

static void test_edges(void **state)
{
    (void)state;
    assert_true(strata_stats_ln_tail_f(0, 3, 5) == 0);
    assert_true(strata_stats_ln_tail_f(-1, 3, 5) == 0);
    assert_true(strata_stats_ln_tail_chi_squared(0, 3) == 0);
    assert_true(strata_stats_ln_tail_f(INFINITY, 3, 5) == -INFINITY);
    assert_true(strata_stats_ln_tail_chi_squared(INFINITY, 3) == -INFINITY);
    assert_true(strata_stats_ln_tail_t(INFINITY, 3) == -INFINITY);
    assert_true(strata_stats_ln_tail_t(-INFINITY, 3) == 0);
    assert_true(strata_stats_ln_tail_normal(-INFINITY) == 0);
    ASSERT_NEAR(strata_stats_ln_tail_t(0, 17), -0.69314718055994531, 0);
    ASSERT_NEAR(strata_stats_ln_tail_f(2, 3, INFINITY), strata_stats_ln_tail_chi_squared(6, 3), 0);
    ASSERT_NEAR(strata_stats_ln_tail_t(2, INFINITY), strata_stats_ln_tail_normal(2), 0);
    /* Past the range where it must work the fraction still does. */
    assert_true(isfinite(strata_stats_ln_tail_f(1.0000001, 1e9, 1e9)));
    assert_true(isfinite(strata_stats_ln_tail_f(1e308, 1e-3, 1e-3)));
}

static void test_nan_policy(void **state)
{
    (void)state;
    assert_true(isnan(strata_stats_ln_tail_f(NAN, 3, 5)));
    assert_true(isnan(strata_stats_ln_tail_f(1, 0, 5)));
    assert_true(isnan(strata_stats_ln_tail_f(1, 3, -1)));
    assert_true(isnan(strata_stats_ln_tail_f(1, 3, NAN)));
    assert_true(isnan(strata_stats_ln_tail_f(1, INFINITY, 5)));
    assert_true(isnan(strata_stats_ln_tail_f(1, 3, 2e12)));
    assert_true(isnan(strata_stats_ln_tail_chi_squared(1, 0)));
    assert_true(isnan(strata_stats_ln_tail_chi_squared(NAN, 2)));
    assert_true(isnan(strata_stats_ln_tail_t(1, NAN)));
    assert_true(isnan(strata_stats_ln_tail_t(NAN, 2)));
    assert_true(isnan(strata_stats_ln_tail_normal(NAN)));
}

static void test_monotone(void **state)
{
    (void)state;
    /* Across the point where the fraction changes sides, too. */
    double before = 0;
    for (double x = 0.5; x < 2; x += 0.001) {
        double now = strata_stats_ln_tail_f(x, 24, 5e4);
        assert_true(now < before);
        before = now;
    }
}

static void test_p_values(void **state)
{
    (void)state;
    ASSERT_NEAR(strata_stats_p_from_log10(-3), 1e-3, 1e-16);
    assert_true(strata_stats_p_from_log10(0) == 1);
    assert_true(strata_stats_p_from_log10(-307) > 0);
    assert_true(strata_stats_p_from_log10(-400) == 0);
    assert_true(strata_stats_p_from_log10(-INFINITY) == 0);
    assert_true(isnan(strata_stats_p_from_log10(NAN)));
    ASSERT_NEAR(strata_stats_log10_from_ln(-2302.585092994045684), -1000, 1e-16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published),
        cmocka_unit_test(test_grid),
        cmocka_unit_test(test_gsl_agrees_in_the_middle),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_nan_policy),
        cmocka_unit_test(test_monotone),
        cmocka_unit_test(test_p_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
