/* Contingency tables and multiplicity against published values. */
#include "stats/stats_test.h"

static strata_context ctx;

static void test_agresti(void **state)
{
    (void)state;
    static const int64_t counts[] = {762, 327, 468, 484, 239, 477};
    /* The same with empty rows and columns in between. */
    static const int64_t sparse[] = {762, 0, 327, 468, 0, 0, 0, 0, 484, 0, 239, 477};
    strata_chi_squared chi, with_gaps;
    assert_int_equal(strata_stats_chi_squared(&ctx, counts, 2, 3, &chi), STRATA_OK);
    ASSERT_NEAR(chi.test.statistic, 30.0701490957547, 1e-14);
    ASSERT_NEAR(exp(chi.test.ln_p), 2.95358918321176e-07, 1e-13);
    ASSERT_NEAR(chi.test.effect, .104435802356468, 1e-14);
    assert_true(chi.test.df1 == 2 && chi.cells == 6 && chi.low_expected == 0);
    assert_int_equal(strata_stats_chi_squared(&ctx, sparse, 3, 4, &with_gaps), STRATA_OK);
    ASSERT_NEAR(with_gaps.test.statistic, chi.test.statistic, 0);
    assert_true(with_gaps.test.df1 == 2 && with_gaps.cells == 6);
}

static void test_chi_squared_edges(void **state)
{
    (void)state;
    static const int64_t one_row[] = {3, 4, 0, 0}, small[] = {1, 0, 0, 1}, zero[4] = {0};
    strata_chi_squared chi;
    assert_int_equal(strata_stats_chi_squared(&ctx, one_row, 2, 2, &chi), STRATA_OK);
    assert_int_equal(chi.test.undefined, STRATA_UNDEFINED_GROUPS);
    assert_true(isnan(chi.test.statistic) && isnan(chi.test.effect));
    assert_int_equal(strata_stats_chi_squared(&ctx, zero, 2, 2, &chi), STRATA_OK);
    assert_int_equal(chi.test.undefined, STRATA_UNDEFINED_GROUPS);
    assert_int_equal(strata_stats_chi_squared(&ctx, NULL, 0, 3, &chi), STRATA_OK);
    assert_int_equal(chi.test.undefined, STRATA_UNDEFINED_GROUPS);
    assert_int_equal(strata_stats_chi_squared(&ctx, small, 2, 2, &chi), STRATA_OK);
    ASSERT_NEAR(chi.test.statistic, 2, 0);
    ASSERT_NEAR(chi.test.effect, 1, 0);
    assert_int_equal(chi.low_expected, 4);
}

static void test_agreement(void **state)
{
    (void)state;
    /* {0,0,1,1} against {0,0,1,2}. */
    static const int64_t counts[] = {2, 0, 0, 0, 1, 1}, same[] = {0, 7, 3, 0}, one[] = {9};
    static const int64_t singles[] = {1, 0, 0, 1}, independent[] = {2, 4, 3, 6}, empty[] = {0, 0};
    double rand, mutual;
    assert_int_equal(strata_stats_agreement(&ctx, counts, 2, 3, &rand, &mutual), STRATA_OK);
    ASSERT_NEAR(rand, .5714285714285715, 4e-16);
    ASSERT_NEAR(mutual, 0.8, 4e-16); /* ln 2 / ((ln 2 + 1.5 ln 2) / 2) */
    assert_int_equal(strata_stats_agreement(&ctx, same, 2, 2, &rand, &mutual), STRATA_OK);
    ASSERT_NEAR(rand, 1, 0);
    ASSERT_NEAR(mutual, 1, 0);
    assert_int_equal(strata_stats_agreement(&ctx, one, 1, 1, &rand, &mutual), STRATA_OK);
    ASSERT_NEAR(rand, 1, 0);
    ASSERT_NEAR(mutual, 1, 0);
    assert_int_equal(strata_stats_agreement(&ctx, singles, 2, 2, &rand, &mutual), STRATA_OK);
    ASSERT_NEAR(rand, 1, 0);
    assert_int_equal(strata_stats_agreement(&ctx, independent, 2, 2, &rand, &mutual), STRATA_OK);
    assert_true(mutual == 0 && rand < 0);
    assert_int_equal(strata_stats_agreement(&ctx, empty, 1, 2, &rand, &mutual), STRATA_OK);
    assert_true(isnan(rand) && isnan(mutual));
}

/* The 3 clusters of iris against its species; scikit-learn gives the same two numbers. */
static void test_iris(void **state)
{
    (void)state;
    static const int64_t counts[] = {50, 0, 0, 0, 48, 2, 0, 14, 36};
    double rand, mutual;
    assert_int_equal(strata_stats_agreement(&ctx, counts, 3, 3, &rand, &mutual), STRATA_OK);
    ASSERT_NEAR(rand, .7302382722834697, 4e-16);
    ASSERT_NEAR(mutual, .7581756800057784, 1e-15);
}

/* Counts near the top of the stated range: products of pairs need 160 bits. */
static void test_agreement_of_many(void **state)
{
    (void)state;
    const int64_t big = INT64_C(1) << 38;
    const int64_t counts[] = {big, 0, 0, big}, halves[] = {big, big, big, big};
    double rand, mutual;
    assert_int_equal(strata_stats_agreement(&ctx, counts, 2, 2, &rand, &mutual), STRATA_OK);
    ASSERT_NEAR(rand, 1, 0);
    assert_int_equal(strata_stats_agreement(&ctx, halves, 2, 2, &rand, &mutual), STRATA_OK);
    assert_true(fabs(rand) < 1e-11 && mutual == 0);
}

static void test_holm(void **state)
{
    (void)state;
    /* R: p.adjust(c(.01, .04, .03, .005), "holm") = .03 .06 .06 .02 */
    const double p[] = {log10(.01), NAN, log10(.04), log10(.03), log10(.005)};
    const double wanted[] = {.03, NAN, .06, .06, .02};
    double adjusted[5];
    assert_int_equal(strata_stats_holm(&ctx, p, 5, adjusted), STRATA_OK);
    for (int i = 0; i < 5; i++) {
        if (isnan(wanted[i]))
            assert_true(isnan(adjusted[i]));
        else
            ASSERT_NEAR(strata_stats_p_from_log10(adjusted[i]), wanted[i], 1e-14);
    }
    /* Far below the smallest double the order stays, and nothing passes 1. */
    const double tiny[] = {-5000, -5000.2, -0.01, -0.2};
    assert_int_equal(strata_stats_holm(&ctx, tiny, 4, adjusted), STRATA_OK);
    ASSERT_NEAR(adjusted[1], -5000.2 + log10(4), 1e-15);
    ASSERT_NEAR(adjusted[0], -5000 + log10(3), 1e-15);
    assert_true(adjusted[2] == 0 && adjusted[3] == 0);
    assert_int_equal(strata_stats_holm(&ctx, NULL, 0, NULL), STRATA_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agresti),   cmocka_unit_test(test_chi_squared_edges),
        cmocka_unit_test(test_agreement), cmocka_unit_test(test_agreement_of_many),
        cmocka_unit_test(test_iris),      cmocka_unit_test(test_holm),
    };
    if (strata_context_init(&ctx, MPI_COMM_NULL) != STRATA_OK)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    strata_context_release(&ctx);
    return failed;
}
