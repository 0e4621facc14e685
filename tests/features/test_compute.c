#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "strata/features.h"
#include "strata/memory.h"

static strata_context ctx;

/* One user of the global table, and what is expected of it. */
typedef struct expected {
    int32_t first_day, last_day, orders;
    int64_t net, positive, largest;
    int32_t recency;
    double monetary, aov, monthly_mean, max_order;
} expected;

enum { as_of = 10400, start = 10000, decimals = 4, users_global = 6 };

static const expected truth[users_global] = {
    /* tenure of 33 days: 110 / 1.1 months is 100 exactly, though 1.1 is no double */
    {10367, 10390, 2, 1100000, 1100000, 700000, 10, 110, 55, 100, 70},
    /* less than a month counts as one */
    {10399, 10399, 1, 5001234, 5001234, 5001234, 1, 500.1234, 500.1234, 500.1234, 500.1234},
    {10000, 10000, 1, 4000000, 4000000, 4000000, 400, 400, 400, 30, 400},
    /* refunds above the purchases */
    {10100, 10340, 3, -300000, 900000, 400000, 60, -30, 30, -3, 40},
    /* nothing bought in the period; a refund alone */
    {STRATA_NO_DAY, STRATA_NO_DAY, 0, 0, 0, 0, 400, 0, 0, 0, 0},
    {STRATA_NO_DAY, STRATA_NO_DAY, 0, -70000, 0, 0, 400, -7, 0, 0, 0},
};

/* Hands the users out as offsets say and checks every local row. */
static void check_partition(const int64_t *offsets)
{
    int32_t first[users_global], last[users_global], orders[users_global];
    int64_t net[users_global], positive[users_global], largest[users_global];
    int16_t region[users_global];
    int64_t here = 0;
    for (int64_t g = offsets[ctx.rank]; g < offsets[ctx.rank + 1]; g++, here++) {
        first[here] = truth[g].first_day;
        last[here] = truth[g].last_day;
        orders[here] = truth[g].orders;
        net[here] = truth[g].net;
        positive[here] = truth[g].positive;
        largest[here] = truth[g].largest;
        region[here] = (int16_t)(g - 1);
    }
    strata_population population = {.partition = {.size = ctx.size, .offsets = NULL},
                                    .region_code = region};
    population.partition.offsets = test_malloc((size_t)(ctx.size + 1) * sizeof *offsets);
    memcpy(population.partition.offsets, offsets, (size_t)(ctx.size + 1) * sizeof *offsets);
    const strata_activity activity = {first, last, orders, net, positive, largest};
    strata_users users;
    assert_int_equal(
        strata_features_compute(&ctx, &population, &activity, start, as_of, decimals, &users), 0);
    assert_int_equal(users.n_local, here);
    for (int64_t i = 0; i < here; i++) {
        const int64_t g = offsets[ctx.rank] + i;
        const expected *e = &truth[g];
        assert_true(strata_users_value(&users, STRATA_REGION_CODE, i) == (double)(g - 1));
        assert_true(strata_users_value(&users, STRATA_FIRST_DAY, i) == e->first_day);
        assert_true(strata_users_value(&users, STRATA_LAST_DAY, i) == e->last_day);
        assert_true(strata_users_value(&users, STRATA_RECENCY_DAYS, i) == e->recency);
        assert_true(strata_users_value(&users, STRATA_FREQUENCY, i) == e->orders);
        assert_true(strata_users_value(&users, STRATA_MONETARY, i) == e->monetary);
        assert_true(strata_users_value(&users, STRATA_AOV, i) == e->aov);
        assert_true(strata_users_value(&users, STRATA_MONTHLY_MEAN, i) == e->monthly_mean);
        assert_true(strata_users_value(&users, STRATA_MAX_ORDER, i) == e->max_order);
        assert_true(users.money[i] == e->net);
    }
    assert_null(users.column[STRATA_R_SCORE]);
    strata_users_release(&users);
    strata_users_release(&users);
    test_free(population.partition.offsets);
}

static void every_partition(void **state)
{
    (void)state;
    int64_t offsets[17];
    for (int r = 0; r <= ctx.size; r++)
        offsets[r] = users_global * r / ctx.size;
    check_partition(offsets);
    for (int r = 0; r <= ctx.size; r++) /* all on the last rank */
        offsets[r] = r == ctx.size ? users_global : 0;
    check_partition(offsets);
    for (int r = 0; r <= ctx.size; r++) /* one user on the first rank */
        offsets[r] = r > 0;
    check_partition(offsets);
}

static void column_table(void **state)
{
    (void)state;
    static const char *const names[] = {"region_code",  "first_day",       "last_day",
                                        "recency_days", "frequency",       "monetary",
                                        "aov",          "monthly_mean",    "max_order",
                                        "r_score",      "f_score",         "m_score",
                                        "composite",    "composite_std",   "segment_code",
                                        "cluster_id",   "cluster_distance"};
    const strata_column_info *table = strata_column_table();
    assert_int_equal(sizeof names / sizeof *names, STRATA_COLUMN_COUNT);
    for (int c = 0; c < STRATA_COLUMN_COUNT; c++) {
        assert_string_equal(table[c].name, names[c]);
        assert_int_equal(strata_column_find(names[c]), c);
        assert_true(strlen(table[c].long_name) > 0 && strlen(table[c].units) > 0);
    }
    assert_int_equal(strata_column_find("tenure"), STRATA_COLUMN_COUNT);
    assert_string_equal(strata_column_suggest("recency"), "recency_days");
    assert_string_equal(strata_column_suggest("monthly_maen"), "monthly_mean");
    assert_string_equal(strata_column_suggest("frequncy"), "frequency");
    assert_null(strata_column_suggest("colour"));
    assert_null(strata_column_suggest("a_name_that_is_longer_than_any_column"));
}

static void choosing_features(void **state)
{
    (void)state;
    int32_t days[2] = {3, 4};
    double money[2] = {1, 2};
    strata_users users = {.n_local = 2};
    users.column[STRATA_RECENCY_DAYS] = days;
    users.column[STRATA_MONETARY] = money;
    strata_feature_set set;
    char *good[] = {(char[]){"monetary"}, (char[]){"recency_days"}};
    assert_int_equal(strata_users_features(&ctx, &users, good, 2, &set), STRATA_OK);
    assert_ptr_equal(set.feature[0].values, money);
    assert_int_equal(set.feature[1].type, STRATA_I32);
    char *twice[] = {good[0], good[0]}, *unknown[] = {(char[]){"recensy_days"}};
    char *label[] = {(char[]){"segment_code"}}, *missing[] = {(char[]){"r_score"}};
    assert_int_equal(strata_users_features(&ctx, &users, twice, 2, &set), STRATA_ERR_USAGE);
    strata_context_clear_error(&ctx);
    assert_int_equal(strata_users_features(&ctx, &users, unknown, 1, &set), STRATA_ERR_USAGE);
    assert_non_null(strstr(ctx.error.message, "did you mean recency_days?"));
    strata_context_clear_error(&ctx);
    assert_int_equal(strata_users_features(&ctx, &users, label, 1, &set), STRATA_ERR_USAGE);
    strata_context_clear_error(&ctx);
    assert_int_equal(strata_users_features(&ctx, &users, missing, 1, &set), STRATA_ERR_INTERNAL);
    strata_context_clear_error(&ctx);
    assert_int_equal(strata_users_features(&ctx, &users, NULL, 0, &set), STRATA_ERR_USAGE);
    strata_context_clear_error(&ctx);
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    if (strata_context_init(&ctx, MPI_COMM_WORLD) != STRATA_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_partition),
        cmocka_unit_test(column_table),
        cmocka_unit_test(choosing_features),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    strata_context_release(&ctx);
    MPI_Finalize();
    return failed;
}
