/* Are our own tests honest? On pure noise, labels frozen on one period and tested on a later one
 * must raise a false alarm in 5 of 100 cases or so; tested on the data that made them they always
 * do. Random numbers are a function of the seed, so the counts below are the same in every run. */
#include "significance/world.h"

enum { USERS = 400 };

static strata_context ctx;
static int repetitions = 600;

static int64_t exponential(uint64_t seed, int64_t row, uint64_t which)
{
    return (int64_t)(-log(1 - world_uniform(seed, row, which)) * 1e5);
}

/* Groups are the quarters of the first period's money; nothing connects the two periods. */
static world_row noise(int64_t row, uint64_t seed)
{
    world_row r = {.region = (int16_t)(row % 3), .tenure = 1 + (int32_t)(row * 7919 % 600)};
    r.money = exponential(seed, row, 0);
    r.largest = exponential(seed, row, 1);
    r.frequency = 1 + (int32_t)(world_uniform(seed, row, 2) * 20);
    r.recency = (int32_t)(world_uniform(seed, row, 3) * 365);
    r.later_money = exponential(seed, row, 4);
    r.later_largest = exponential(seed, row, 5);
    r.later_frequency = 1 + (int32_t)(world_uniform(seed, row, 6) * 9);
    r.later_recency = (int32_t)(world_uniform(seed, row, 7) * HOLDOUT_DAYS);
    double share = 1 - exp(-(double)r.money / 1e5);
    r.cluster = r.frozen_cluster = (int16_t)(share * 4);
    r.segment = r.frozen_segment = (int16_t)(10 * (1 + r.cluster));
    return r;
}

static bool alarms(const strata_significance *s, strata_sample sample, const char *variable,
                   const char *test)
{
    const strata_test *t = find_test(s, sample, STRATA_BY_CLUSTER, variable, test);
    assert_non_null(t);
    return t->p_value < 0.05;
}

static bool claims_anything(const strata_significance *s, strata_sample sample)
{
    for (int32_t t = 0; t < s->n_tests; t++)
        if (s->tests[t].sample == sample && s->tests[t].significant)
            return true;
    return false;
}

/* Of m honest tests at 0.05, at most 0.05 m + 3.3 standard deviations raise an alarm (1 in
 * 1000). */
static void assert_honest(const char *what, int alarms_seen, int m)
{
    double expected = 0.05 * m, deviation = sqrt(m * 0.05 * 0.95);
    print_message("%-28s %d of %d below 0.05 (%.1f %%)\n", what, alarms_seen, m,
                  100.0 * alarms_seen / m);
    assert_true(alarms_seen < expected + 3.3 * deviation);
    assert_true(alarms_seen > expected - 3.3 * deviation);
}

static void test_false_alarms(void **state)
{
    (void)state;
    int money = 0, orders = 0, ranks = 0, classic = 0, tenure = 0, same_data = 0;
    int claims[3] = {0};
    for (int i = 0; i < repetitions; i++) {
        world w;
        world_make(&w, noise, 1000 + (uint64_t)i, 0, USERS);
        strata_significance s = world_run(&ctx, &w, true);
        money += alarms(&s, STRATA_SAMPLE_HOLDOUT, "monetary", "welch_anova");
        orders += alarms(&s, STRATA_SAMPLE_HOLDOUT, "frequency", "welch_anova");
        classic += alarms(&s, STRATA_SAMPLE_HOLDOUT, "max_order", "anova");
        ranks += alarms(&s, STRATA_SAMPLE_HOLDOUT, "max_order", "kruskal_wallis");
        tenure += alarms(&s, STRATA_SAMPLE_EXTERNAL, "tenure", "welch_anova");
        same_data += alarms(&s, STRATA_SAMPLE_DESCRIPTIVE, "monetary", "welch_anova");
        for (int sample = 0; sample < 3; sample++)
            claims[sample] += claims_anything(&s, (strata_sample)sample);
        strata_significance_release(&s);
        world_free(&w);
    }
    assert_honest("hold-out, money, Welch", money, repetitions);
    assert_honest("hold-out, orders, Welch", orders, repetitions);
    assert_honest("hold-out, largest, ANOVA", classic, repetitions);
    assert_honest("hold-out, largest, ranks", ranks, repetitions);
    assert_honest("external, tenure, Welch", tenure, repetitions);
    assert_int_equal(same_data, repetitions);
    /* Holm's promise: in all the tests of a sample together, a false claim in 5 of 100 runs at
     * most. */
    print_message("runs with a false claim: hold-out %d, external %d, descriptive %d\n",
                  claims[STRATA_SAMPLE_HOLDOUT], claims[STRATA_SAMPLE_EXTERNAL],
                  claims[STRATA_SAMPLE_DESCRIPTIVE]);
    assert_true(claims[STRATA_SAMPLE_HOLDOUT] <= 0.05 * repetitions);
    assert_true(claims[STRATA_SAMPLE_EXTERNAL] <= 0.05 * repetitions);
    assert_int_equal(claims[STRATA_SAMPLE_DESCRIPTIVE], 0);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        repetitions = atoi(argv[1]);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_false_alarms)};
    if (strata_context_init(&ctx, MPI_COMM_NULL) != STRATA_OK)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    strata_context_release(&ctx);
    return failed;
}
