/* The CDNOW log from the file to the tests, segments by the default rules, a hold-out of 90 days,
 * against SciPy's f_oneway and kruskal and a plain Welch in NumPy. Skipped where the data are
 * missing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "strata/memory.h"
#include "strata/significance.h"

static strata_context ctx;

static const struct {
    strata_sample sample;
    const char *variable, *test;
    double statistic;
    int64_t n;
} known[] = {
    {STRATA_SAMPLE_HOLDOUT, "recency_days", "welch_anova", 7828.52349945, 14115},
    {STRATA_SAMPLE_HOLDOUT, "recency_days", "anova", 848.690794393, 14115},
    {STRATA_SAMPLE_HOLDOUT, "recency_days", "kruskal_wallis", 1433.7589917, 14115},
    {STRATA_SAMPLE_HOLDOUT, "monetary", "welch_anova", 27.7461175023, 14115},
    {STRATA_SAMPLE_HOLDOUT, "monetary", "anova", 9404.24417283, 14115},
    {STRATA_SAMPLE_HOLDOUT, "monetary", "kruskal_wallis", 1454.18291071, 14115},
    {STRATA_SAMPLE_HOLDOUT, "aov", "welch_anova", 33.8423041723, 14115},
    {STRATA_SAMPLE_HOLDOUT, "aov", "anova", 1124.31338053, 14115},
    {STRATA_SAMPLE_HOLDOUT, "aov", "kruskal_wallis", 1431.27231778, 14115},
    {STRATA_SAMPLE_DESCRIPTIVE, "recency_days", "welch_anova", 208169.635791, 15280},
    {STRATA_SAMPLE_DESCRIPTIVE, "recency_days", "anova", 4545.46377905, 15280},
    {STRATA_SAMPLE_DESCRIPTIVE, "frequency", "welch_anova", 209.577315346, 15280},
    {STRATA_SAMPLE_DESCRIPTIVE, "frequency", "anova", 13758.068123, 15280},
    {STRATA_SAMPLE_DESCRIPTIVE, "monetary", "welch_anova", 90.0821934282, 15280},
    {STRATA_SAMPLE_DESCRIPTIVE, "monetary", "anova", 16819.0269246, 15280},
    {STRATA_SAMPLE_DESCRIPTIVE, "monthly_mean", "welch_anova", 91.7107464506, 15280},
    {STRATA_SAMPLE_DESCRIPTIVE, "monthly_mean", "anova", 16480.1079781, 15280},
};

/* Everything between the file and the tests. */
typedef struct job {
    strata_config config;
    strata_population population;
    strata_users whole, fit, later;
    strata_stratification strat;
    int16_t *frozen;
} job;

static void must(strata_status rc)
{
    if (rc != STRATA_OK)
        print_error("%s\n", ctx.error.message);
    assert_int_equal(rc, STRATA_OK);
}

static void configure(job *j)
{
    char text[4096];
    snprintf(text, sizeof text,
             "config_version: 1\n"
             "input: {files: [\"%s/cdnow_master.txt.gz\"], delimiter: \" \", header: skip,\n"
             "  names: [id, date, n, value], time_format: yyyymmdd,\n"
             "  columns: {user: id, time: date, amount: value}}\n"
             "window: {as_of: 1998-07-01, holdout_days: 90}\n"
             "privacy: {mode: plain}\n",
             getenv("STRATA_SHARED_DATA"));
    must(strata_config_init(&ctx, &j->config));
    must(strata_config_load_text(&ctx, &j->config, text, (int64_t)strlen(text), "cdnow"));
}

static void prepare(job *j)
{
    const strata_population *p = &j->population;
    int32_t decimals = j->config.money.decimals;
    must(strata_ingest(&ctx, &j->config, &j->population));
    must(strata_features_compute(&ctx, p, &p->whole, p->window_start, p->as_of, decimals,
                                 &j->whole));
    must(strata_stratify(&ctx, &j->config, &j->whole, &j->strat));
    must(strata_features_compute(&ctx, p, &p->fit, p->window_start, p->holdout_start, decimals,
                                 &j->fit));
    must(strata_features_compute(&ctx, p, &p->holdout, p->holdout_start, p->as_of, decimals,
                                 &j->later));
    must(strata_alloc(&ctx, j->fit.n_local, sizeof *j->frozen, &j->frozen));
    must(strata_segments_apply(&ctx, &j->config, &j->fit, j->frozen));
    for (int64_t i = 0; i < j->fit.n_local; i++)
        if (p->fit.orders[i] == 0)
            j->frozen[i] = STRATA_NOT_IN_FIT;
}

static void release(job *j)
{
    strata_free(&j->frozen);
    strata_stratification_release(&j->strat);
    strata_users_release(&j->later);
    strata_users_release(&j->fit);
    strata_users_release(&j->whole);
    strata_population_release(&j->population);
    strata_config_release(&j->config);
}

static void check_known(const strata_significance *s, size_t which)
{
    for (int32_t t = 0; t < s->n_tests; t++) {
        const strata_test *test = &s->tests[t];
        if (test->sample != known[which].sample || test->grouping != STRATA_BY_SEGMENT ||
            strcmp(test->variable, known[which].variable) != 0 ||
            strcmp(test->test, known[which].test) != 0)
            continue;
        double wanted = known[which].statistic, error = test->statistic / wanted - 1;
        if (!(error < 1e-10 && error > -1e-10))
            print_error("%s %s: %.15g, wanted %.15g\n", test->variable, test->test, test->statistic,
                        wanted);
        assert_true(error < 1e-10 && error > -1e-10);
        assert_int_equal(test->n, known[which].n);
        return;
    }
    fail_msg("no row for %s %s", known[which].variable, known[which].test);
}

static void test_segments(void **state)
{
    (void)state;
    job j = {0};
    configure(&j);
    prepare(&j);
    strata_holdout holdout = {.later = &j.later, .segment_codes = j.frozen};
    strata_significance s = {0};
    must(strata_significance_run(&ctx, &j.config, &j.population, &j.whole, 0, &holdout, &s));
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        check_known(&s, i);
    strata_significance_release(&s);
    release(&j);
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    char path[4096];
    const char *folder = getenv("STRATA_SHARED_DATA");
    snprintf(path, sizeof path, "%s/cdnow_master.txt.gz", folder ? folder : "");
    FILE *file = fopen(path, "rb");
    if (!file) {
        puts("skipped: no cdnow_master.txt.gz in STRATA_SHARED_DATA");
        MPI_Finalize();
        return 77;
    }
    fclose(file);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_segments)};
    if (strata_context_init(&ctx, MPI_COMM_WORLD) != STRATA_OK)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    strata_context_release(&ctx);
    MPI_Finalize();
    return failed;
}
