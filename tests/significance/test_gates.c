#include "significance/world.h"

static strata_context ctx;

static strata_config config;
static strata_accounting rows;
static strata_segment_summary segments[3];
static strata_stratification strat;
static int64_t sizes[2];

static int set_up(void **state)
{
    (void)state;
    world_configure(&config);
    config.gates.min_group_size = 300;
    config.gates.min_coverage = 0.9;
    config.gates.min_valid_rows = 0.992;
    config.clean.outliers.max_source_share = 0.05;
    config.clean.outliers.method = STRATA_OUTLIER_MAD;
    rows = (strata_accounting){.read = 1000, .accepted = 900, .outside = 50, .duplicate = 20};
    rows.dropped[STRATA_DROP_REFUND] = 22;
    rows.rejected[STRATA_REJECT_TIME] = 8;
    rows.outlier_low = rows.outlier_high = NAN;
    segments[0] = (strata_segment_summary){.name = "gold", .code = 1, .users = 301};
    segments[1] = (strata_segment_summary){.name = "lead", .code = 2, .users = 900};
    segments[2] = (strata_segment_summary){.name = "unassigned", .code = -1, .users = 5};
    strat = (strata_stratification){.segments = segments, .n_segments = 3, .coverage = 0.9};
    sizes[0] = 601;
    sizes[1] = 600;
    return 0;
}

static strata_gate gate_named(const char *name, int32_t k, const strata_significance *tests)
{
    strata_gate *gates = NULL, found = {0};
    int32_t n = 0;
    assert_int_equal(strata_gates_evaluate(&ctx, &config, &rows, &strat, k > 0 ? sizes : NULL, k,
                                           tests, &gates, &n),
                     STRATA_OK);
    for (int32_t g = 0; g < n; g++)
        if (strcmp(gates[g].name, name) == 0)
            found = gates[g];
    strata_free(&gates);
    assert_string_equal(found.name, name);
    return found;
}

static void test_group_size(void **state)
{
    (void)state;
    strata_gate gate = gate_named("min_group_size", 2, NULL);
    assert_true(gate.measured && gate.passed && gate.value == 301 && gate.threshold == 300);
    segments[0].users = 300; /* more than the threshold is asked for */
    gate = gate_named("min_group_size", 2, NULL);
    assert_true(!gate.passed && gate.value == 300);
    assert_string_equal(gate.note, "segment gold");
    sizes[1] = 0;
    gate = gate_named("min_group_size", 2, NULL);
    assert_true(!gate.passed && gate.value == 0);
    assert_string_equal(gate.note, "cluster 1, and 1 more too small");
    strat.n_segments = 0;
    gate = gate_named("min_group_size", 0, NULL);
    assert_true(!gate.measured && gate.passed && isnan(gate.value));
}

static void test_coverage_and_rows(void **state)
{
    (void)state;
    assert_true(gate_named("min_coverage", 2, NULL).passed);
    strat.coverage = 0.8999;
    assert_false(gate_named("min_coverage", 2, NULL).passed);
    strat.coverage = NAN;
    assert_false(gate_named("min_coverage", 2, NULL).measured);
    /* Dropped, outside and duplicate rows were readable. */
    strata_gate gate = gate_named("min_valid_rows", 2, NULL);
    assert_true(gate.passed && gate.value == 0.992);
    rows.rejected[STRATA_REJECT_USER] = 1;
    assert_false(gate_named("min_valid_rows", 2, NULL).passed);
    rows.read = 0;
    assert_false(gate_named("min_valid_rows", 2, NULL).measured);
}

static void test_outliers(void **state)
{
    (void)state;
    assert_false(gate_named("outlier_share", 2, NULL).measured);
    rows.outlier_low = rows.outlier_high = 1000;
    rows.flagged = 45;
    strata_gate gate = gate_named("outlier_share", 2, NULL);
    assert_true(gate.measured && gate.passed && gate.value == 0.05);
    rows.dropped[STRATA_DROP_OUTLIER] = 100;
    gate = gate_named("outlier_share", 2, NULL);
    assert_true(!gate.passed && gate.value == 0.145);
    config.clean.outliers.method = STRATA_OUTLIER_NONE;
    assert_false(gate_named("outlier_share", 2, NULL).measured);
}

static void test_holdout(void **state)
{
    (void)state;
    strata_test tests[] = {
        {.sample = STRATA_SAMPLE_HOLDOUT, .test = "welch_anova", .significant = true},
        {.sample = STRATA_SAMPLE_HOLDOUT, .test = "anova", .significant = false},
        {.sample = STRATA_SAMPLE_DESCRIPTIVE, .test = "welch_anova", .significant = false},
        {.sample = STRATA_SAMPLE_HOLDOUT, .test = "brown_forsythe", .significant = true},
    };
    strata_significance s = {.tests = tests, .n_tests = 4};
    strata_gate gate = gate_named("holdout_significance", 2, &s);
    assert_true(gate.measured && gate.passed && gate.value == 1);
    tests[3].significant = false;
    gate = gate_named("holdout_significance", 2, &s);
    assert_true(gate.measured && !gate.passed && gate.value == 0.5);
    assert_string_equal(gate.note, "1 of 2 tests significant");
    tests[0].sample = tests[3].sample = STRATA_SAMPLE_DESCRIPTIVE;
    gate = gate_named("holdout_significance", 2, &s);
    assert_true(!gate.measured && gate.passed);
    assert_false(gate_named("holdout_significance", 2, NULL).measured);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_group_size, set_up),
        cmocka_unit_test_setup(test_coverage_and_rows, set_up),
        cmocka_unit_test_setup(test_outliers, set_up),
        cmocka_unit_test_setup(test_holdout, set_up),
    };
    if (strata_context_init(&ctx, MPI_COMM_NULL) != STRATA_OK)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    strata_context_release(&ctx);
    return failed;
}
