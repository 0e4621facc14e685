/* Tests of means against published values; the data are small and stand here. */
#include <stdlib.h>
#include <string.h>

#include "stats/stats_test.h"

enum { SPRAYS = 6, PLANTS = 3 };
static const int64_t insect_sprays[SPRAYS][12] = {
    {10, 7, 20, 14, 14, 12, 10, 23, 17, 20, 14, 13},
    {11, 17, 21, 11, 16, 14, 17, 17, 19, 21, 7, 13},
    {0, 1, 7, 2, 3, 1, 2, 1, 3, 0, 1, 4},
    {3, 5, 12, 6, 4, 3, 5, 5, 5, 5, 2, 4},
    {3, 5, 3, 5, 3, 6, 1, 1, 3, 2, 6, 4},
    {11, 9, 15, 22, 15, 16, 13, 10, 26, 26, 24, 13},
};
static const int64_t plant_growth[PLANTS][10] = {
    {417, 558, 518, 611, 450, 461, 517, 453, 533, 514},
    {481, 417, 441, 359, 587, 383, 603, 489, 432, 469},
    {631, 512, 554, 550, 537, 529, 492, 615, 580, 526},
};

static void fill(strata_cell *cells, const int64_t *x, int groups, int each)
{
    memset(cells, 0, (size_t)groups * sizeof *cells);
    for (int g = 0; g < groups; g++)
        strata_cells_add_local(&cells[g], NULL, x + g * each, each);
}

static void test_insect_sprays(void **state)
{
    (void)state;
    strata_cell cells[SPRAYS];
    strata_anova anova;
    strata_test_result welch, forsythe;
    fill(cells, &insect_sprays[0][0], SPRAYS, 12);
    strata_stats_anova(cells, SPRAYS, &anova);
    ASSERT_NEAR(anova.test.statistic, 34.7022820554917, 1e-14);
    assert_true(anova.test.df1 == 5 && anova.test.df2 == 66);
    ASSERT_NEAR(anova.test.effect, anova.ss_between / (anova.ss_between + anova.ss_within), 1e-15);
    ASSERT_NEAR(anova.omega_squared,
                (anova.ss_between - 5 * anova.ms_within) /
                    (anova.ss_between + anova.ss_within + anova.ms_within),
                1e-15);
    strata_stats_welch(cells, SPRAYS, &welch);
    ASSERT_NEAR(welch.statistic, 36.0654438935773, 1e-14);
    ASSERT_NEAR(welch.df2, 30.0425605087674, 1e-14);
    ASSERT_NEAR(welch.effect, anova.omega_squared, 0);
    strata_stats_brown_forsythe(cells, SPRAYS, &forsythe);
    /* With equal group sizes F* is F. */
    ASSERT_NEAR(forsythe.statistic, anova.test.statistic, 1e-15);
    assert_true(forsythe.df2 < anova.test.df2);
}

static int64_t doubled_midrank(const int64_t *x, int n, int64_t value)
{
    int64_t smaller = 0, equal = 0;
    for (int i = 0; i < n; i++) {
        smaller += x[i] < value;
        equal += x[i] == value;
    }
    return 2 * smaller + equal + 1;
}

static void test_kruskal_wallis(void **state)
{
    (void)state;
    int64_t ranks[SPRAYS][12];
    for (int g = 0; g < SPRAYS; g++)
        for (int i = 0; i < 12; i++)
            ranks[g][i] = doubled_midrank(&insect_sprays[0][0], 72, insect_sprays[g][i]);
    strata_cell cells[SPRAYS];
    strata_test_result kruskal;
    fill(cells, &ranks[0][0], SPRAYS, 12);
    strata_stats_kruskal_wallis(cells, SPRAYS, &kruskal);
    ASSERT_NEAR(kruskal.statistic, 54.6913446223714, 1e-14);
    ASSERT_NEAR(exp(kruskal.ln_p), 1.510844e-10, 1e-6);
    ASSERT_NEAR(kruskal.effect, 54.6913446223714 / 71, 1e-14);
    assert_true(kruskal.df1 == 5 && isnan(kruskal.df2));
}

static void test_plant_growth(void **state)
{
    (void)state;
    static const double wanted[] = {.2503825085875476, .0957985112039386, .0278952141518095};
    strata_cell cells[PLANTS];
    strata_test_result welch, pair;
    strata_context ctx;
    assert_int_equal(strata_context_init(&ctx, MPI_COMM_NULL), STRATA_OK);
    fill(cells, &plant_growth[0][0], PLANTS, 10);
    strata_stats_welch(cells, PLANTS, &welch);
    ASSERT_NEAR(welch.statistic, 5.18097240811319, 1e-14);
    ASSERT_NEAR(welch.df2, 17.1284186166441, 1e-14);
    double log10_p[3];
    int pairs = 0;
    for (int a = 0; a < PLANTS; a++)
        for (int b = a + 1; b < PLANTS; b++) {
            strata_stats_welch_t(&cells[a], &cells[b], &pair);
            log10_p[pairs++] = strata_stats_log10_from_ln(pair.ln_p);
        }
    assert_int_equal(strata_stats_holm(&ctx, log10_p, 3, log10_p), STRATA_OK);
    for (int i = 0; i < 3; i++)
        ASSERT_NEAR(strata_stats_p_from_log10(log10_p[i]), wanted[i], 1e-13);
    strata_context_release(&ctx);
}

/* A common offset of 2^60 and a scale change nothing but rounding of the inputs, which there is
 * none. */
static void test_offset_changes_nothing(void **state)
{
    (void)state;
    int64_t moved[PLANTS][10];
    strata_cell here[PLANTS], there[PLANTS];
    for (int g = 0; g < PLANTS; g++)
        for (int i = 0; i < 10; i++)
            moved[g][i] = plant_growth[g][i] - (INT64_C(1) << 60);
    fill(here, &plant_growth[0][0], PLANTS, 10);
    fill(there, &moved[0][0], PLANTS, 10);
    strata_anova a, b;
    strata_test_result c, d;
    strata_stats_anova(here, PLANTS, &a);
    strata_stats_anova(there, PLANTS, &b);
    assert_memory_equal(&a, &b, sizeof a);
    strata_stats_welch(here, PLANTS, &c);
    strata_stats_welch(there, PLANTS, &d);
    ASSERT_NEAR(c.statistic, d.statistic, 0);
    ASSERT_NEAR(c.df2, d.df2, 0);
}

static void assert_nothing(const strata_test_result *result, strata_undefined why)
{
    assert_int_equal(result->undefined, why);
    assert_true(isnan(result->statistic) && isnan(result->ln_p) && isnan(result->df1));
    assert_true(strlen(strata_undefined_text(why)) > 0);
}

static void every_test(const strata_cell *cells, int groups, strata_undefined why)
{
    strata_anova anova;
    strata_test_result result;
    strata_stats_anova(cells, groups, &anova);
    assert_nothing(&anova.test, why);
    strata_stats_welch(cells, groups, &result);
    assert_nothing(&result, why);
    strata_stats_brown_forsythe(cells, groups, &result);
    assert_nothing(&result, why);
}

static void test_degenerate(void **state)
{
    (void)state;
    static const int64_t x[] = {5, 5, 5, 7, 7, 7, 1, 2, 3};
    strata_cell cells[4] = {{0}};
    strata_test_result result;
    every_test(cells, 0, STRATA_UNDEFINED_GROUPS);
    every_test(cells, 4, STRATA_UNDEFINED_GROUPS);
    strata_cells_add_local(&cells[0], NULL, x, 3);
    every_test(cells, 4, STRATA_UNDEFINED_GROUPS);
    strata_cells_add_local(&cells[2], NULL, x, 2);
    every_test(cells, 4, STRATA_UNDEFINED_EQUAL);
    strata_stats_welch_t(&cells[0], &cells[2], &result);
    assert_nothing(&result, STRATA_UNDEFINED_EQUAL);
    strata_cells_add_local(&cells[3], NULL, x + 3, 3);
    every_test(cells, 4, STRATA_UNDEFINED_WITHIN);
    strata_stats_welch(cells, 4, &result);
    ASSERT_NEAR(result.effect, 1, 0); /* the groups explain everything */
    strata_stats_welch_t(&cells[0], &cells[3], &result);
    assert_nothing(&result, STRATA_UNDEFINED_WITHIN);
    /* One group varies: Welch stays undefined, F* and ANOVA do not. */
    strata_cells_add_local(&cells[1], NULL, x + 6, 3);
    strata_stats_welch(cells, 4, &result);
    assert_nothing(&result, STRATA_UNDEFINED_VARIANCE);
    strata_stats_brown_forsythe(cells, 4, &result);
    assert_int_equal(result.undefined, STRATA_DEFINED);
    assert_true(isfinite(result.ln_p) && result.df2 > 0);
    /* Two single users: no degrees of freedom left. */
    strata_cell singles[2] = {{0}};
    strata_cells_add_local(&singles[0], NULL, x + 6, 1);
    strata_cells_add_local(&singles[1], NULL, x + 7, 1);
    every_test(singles, 2, STRATA_UNDEFINED_USERS);
    assert_true(isnan(strata_cell_mean(&(strata_cell){0})));
    assert_true(isnan(strata_cell_variance(&singles[0])));
    ASSERT_NEAR(strata_cell_mean(&singles[1]), 2, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_insect_sprays), cmocka_unit_test(test_kruskal_wallis),
        cmocka_unit_test(test_plant_growth),  cmocka_unit_test(test_offset_changes_nothing),
        cmocka_unit_test(test_degenerate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
