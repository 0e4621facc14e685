/* Real transaction logs, from the text to segments and grid, with independently computed answers. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "strata/features.h"
#include "strata/ingest.h"
#include "strata/stratify.h"

static strata_context ctx;

typedef struct answers {
    const char *yaml, *file;
    int64_t segment_users[5];
    double mean_recency; /* of all users; NaN = not known */
} answers;

static void path_of(const char *file, char path[1024])
{
    const char *folder = getenv("STRATA_SHARED_DATA");
    snprintf(path, 1024, "%s/%s", folder ? folder : ".", file);
}

/* The data is not part of the sources; without it the test must not look passed. */
static bool is_here(const char *file)
{
    char path[1024];
    path_of(file, path);
    FILE *found = fopen(path, "rb");
    if (found)
        fclose(found);
    else if (ctx.rank == 0)
        print_message("%s is not here: skipped\n", path);
    return found != NULL;
}

static void load(strata_config *config, const answers *known)
{
    char path[1024];
    path_of(known->file, path);
    const char *files[] = {path}, *yaml = known->yaml;
    assert_int_equal(strata_config_init(&ctx, config), STRATA_OK);
    assert_int_equal(strata_config_load_text(&ctx, config, yaml, (int64_t)strlen(yaml), "test"),
                     STRATA_OK);
    assert_int_equal(strata_config_set_list(&ctx, config, "input.files", files, 1, "-i"),
                     STRATA_OK);
    assert_int_equal(strata_config_validate(&ctx, config), STRATA_OK);
}

static void check_segments(const strata_stratification *s, const strata_population *p,
                           const answers *known)
{
    int64_t users = 0;
    double recency = 0;
    assert_int_equal(s->n_segments, 5);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(s->segments[i].users, known->segment_users[i]);
        users += s->segments[i].users;
        recency += s->segments[i].mean_recency_days * (double)s->segments[i].users;
    }
    assert_int_equal(users, strata_partition_global(&p->partition));
    if (!isnan(known->mean_recency))
        assert_true(fabs(recency / (double)users / known->mean_recency - 1) < 1e-14);
    for (int t = 0; t < 3; t++) {
        int64_t scored = 0;
        for (int b = 0; b < 5; b++)
            scored += s->ties[t].bin_users[b];
        assert_int_equal(scored, users);
    }
}

/* Mean and deviation of log1p, rounded from 50-digit arithmetic: the same bits on every partition. */
static void check_scaler(const strata_users *users, const double (*known)[2])
{
    char names[3][16] = {"recency_days", "frequency", "monetary"};
    char *chosen[] = {names[0], names[1], names[2]};
    strata_feature_set set;
    strata_scaler scaler;
    assert_int_equal(strata_users_features(&ctx, users, chosen, 3, &set), STRATA_OK);
    assert_int_equal(
        strata_scaler_fit_set(&ctx, &set, STRATA_TRANSFORM_LOG1P, STRATA_SCALE_ZSCORE, &scaler),
        STRATA_OK);
    for (int f = 0; f < 3; f++) {
        assert_true(scaler.center[f] == known[f][0]);
        assert_true(scaler.scale[f] == known[f][1]);
    }
    strata_scaler_release(&scaler);
}

static void check(const answers *known, const double (*scales)[2])
{
    strata_config config = {0};
    strata_population p = {0};
    strata_users users;
    strata_stratification s;
    load(&config, known);
    assert_int_equal(strata_ingest(&ctx, &config, &p), STRATA_OK);
    assert_int_equal(strata_features_compute(&ctx, &p, &p.whole, p.window_start, p.as_of,
                                             config.money.decimals, &users),
                     STRATA_OK);
    assert_int_equal(strata_stratify(&ctx, &config, &users, &s), STRATA_OK);
    check_segments(&s, &p, known);
    if (scales)
        check_scaler(&users, scales);
    strata_stratification_release(&s);
    strata_users_release(&users);
    strata_population_release(&p);
    strata_config_release(&config);
}

static void cdnow(void **state)
{
    (void)state;
    static const answers known = {
        "config_version: 1\n"
        "input:\n  delimiter: ' '\n  header: skip\n  names: [id, date, cds, dollars]\n"
        "  columns: {user: id, time: date, amount: dollars}\n  time_format: yyyymmdd\n"
        "window: {as_of: 1998-07-01}\nprivacy: {mode: plain}\n",
        "cdnow_master.txt.gz",
        {2, 50, 38, 15190, 8222},
        367.81763254191134};
    static const double scales[3][2] = {{0x1.66abb0cd310dbp+2, 0x1.0b61c623bf174p+0},
                                        {0x1.23abab4c4f924p+0, 0x1.2d6bbc6a3c759p-1},
                                        {0x1.f9141a0c879d8p+1, 0x1.1ac36470a6910p+0}};
    check(&known, scales);
}

static void online_retail(void **state)
{
    (void)state;
    static const answers known = {
        "config_version: 1\n"
        "input:\n  columns: {user: CustomerID, time: InvoiceDate, quantity: Quantity,\n"
        "    unit_price: UnitPrice, order: InvoiceNo, region: Country, amount: null}\n"
        "  time_format: '%Y-%m-%d %H:%M:%S'\n  max_rejected_share: 0.25\n"
        "window: {as_of: 2011-12-10}\n"
        "clean: {refunds: drop, skip_orders_prefix: C}\nprivacy: {mode: plain}\n",
        "online_retail_2010_2011.csv.gz",
        {360, 1766, 641, 80, 1491},
        NAN};
    check(&known, NULL);
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    if (strata_context_init(&ctx, MPI_COMM_WORLD) != STRATA_OK)
        return 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test(cdnow), cmocka_unit_test(online_retail)};
    const bool here = is_here("cdnow_master.txt.gz") && is_here("online_retail_2010_2011.csv.gz");
    const int failed = here ? cmocka_run_group_tests(tests, NULL, NULL) : 77;
    strata_context_release(&ctx);
    MPI_Finalize();
    return failed;
}
