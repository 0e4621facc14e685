/* Real transaction logs with independently computed answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "strata/ingest.h"
#include "strata/dates.h"
#include "strata/par.h"

static strata_context ctx;

static void load(strata_config *config, const char *yaml, const char *file)
{
    char path[1024];
    const char *folder = getenv("STRATA_SHARED_DATA");
    snprintf(path, sizeof path, "%s/%s", folder ? folder : ".", file);
    FILE *found = fopen(path, "rb");
    if (!found) {
        if (ctx.rank == 0)
            print_message("%s is not here: skipped\n", path);
        skip();
    }
    fclose(found);
    const char *files[] = {path};
    assert_int_equal(strata_config_init(&ctx, config), STRATA_OK);
    assert_int_equal(strata_config_load_text(&ctx, config, yaml, (int64_t)strlen(yaml), "test"),
                     STRATA_OK);
    assert_int_equal(strata_config_set_list(&ctx, config, "input.files", files, 1, "-i"),
                     STRATA_OK);
    assert_int_equal(strata_config_validate(&ctx, config), STRATA_OK);
}

typedef struct totals {
    int64_t users, orders, net, largest, recency, most_orders;
} totals;

static totals sum_up(const strata_population *p)
{
    int64_t sums[4] = {strata_partition_local(&p->partition, ctx.rank)}, most[2] = {0};
    for (int64_t i = 0; i < sums[0]; i++) {
        sums[1] += p->whole.orders[i];
        sums[2] += p->whole.net[i];
        sums[3] += p->as_of - p->whole.last_day[i];
        most[0] = most[0] > p->whole.largest[i] ? most[0] : p->whole.largest[i];
        most[1] = most[1] > p->whole.orders[i] ? most[1] : p->whole.orders[i];
    }
    assert_int_equal(strata_par_allreduce_i64(&ctx, sums, 4, STRATA_SUM), STRATA_OK);
    assert_int_equal(strata_par_allreduce_i64(&ctx, most, 2, STRATA_MAX), STRATA_OK);
    return (totals){sums[0], sums[1], sums[2], most[0], sums[3], most[1]};
}

static void cdnow(void **state)
{
    (void)state;
    strata_config config = {0};
    strata_population p = {0};
    load(&config,
         "config_version: 1\n"
         "input:\n  delimiter: ' '\n  header: skip\n  names: [id, date, cds, dollars]\n"
         "  columns: {user: id, time: date, amount: dollars}\n  time_format: yyyymmdd\n"
         "window: {as_of: 1998-07-01}\nprivacy: {mode: plain}\n",
         "cdnow_master.txt.gz");
    assert_int_equal(strata_ingest(&ctx, &config, &p), STRATA_OK);
    assert_int_equal(p.accounting.read, 69659);
    assert_int_equal(p.accounting.accepted, 69659);
    assert_int_equal(p.inputs[0].rows, 69659);
    totals t = sum_up(&p);
    assert_int_equal(t.users, 23502);
    assert_int_equal(t.orders, 69579);
    assert_int_equal(t.net, INT64_C(25003156300));
    assert_int_equal(t.most_orders, 217);
    assert_true((double)t.recency / 23502.0 == 367.81763254191134);
    double share = (double)p.accounting.flagged / 69579.0;
    assert_true(share > 0.0208 && share < 0.0210);
    assert_int_equal(p.key_width, 5);
    strata_population_release(&p);
    strata_config_release(&config);
}

static void online_retail(void **state)
{
    (void)state;
    strata_config config = {0};
    strata_population p = {0};
    load(&config,
         "config_version: 1\n"
         "input:\n  columns: {user: CustomerID, time: InvoiceDate, quantity: Quantity,\n"
         "    unit_price: UnitPrice, order: InvoiceNo, region: Country, amount: null}\n"
         "  time_format: '%Y-%m-%d %H:%M:%S'\n  max_rejected_share: 0.25\n"
         "window: {as_of: 2011-12-10}\n"
         "clean: {refunds: drop, skip_orders_prefix: C}\nprivacy: {mode: plain}\n",
         "online_retail_2010_2011.csv.gz");
    assert_int_equal(strata_ingest(&ctx, &config, &p), STRATA_OK);
    assert_int_equal(p.accounting.read, 541909);
    assert_int_equal(p.accounting.accepted, 397884);
    assert_int_equal(p.accounting.rejected[STRATA_REJECT_USER], 135080);
    assert_int_equal(p.accounting.dropped[STRATA_DROP_ORDER_PREFIX], 8905);
    assert_int_equal(p.accounting.dropped[STRATA_DROP_REFUND], 40);
    totals t = sum_up(&p);
    assert_int_equal(t.users, 4338);
    assert_int_equal(t.orders, 18532);
    assert_int_equal(t.net, INT64_C(89114079040));
    assert_int_equal(t.largest, INT64_C(1684696000));
    assert_int_equal(p.regions.n, 37);
    assert_string_equal(p.regions.names[0], "Australia");
    double share = (double)p.accounting.flagged / 397884.0;
    assert_true(share > 0.0395 && share < 0.0397);
    strata_population_release(&p);
    strata_config_release(&config);
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    if (strata_context_init(&ctx, MPI_COMM_WORLD) != STRATA_OK)
        return 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test(cdnow), cmocka_unit_test(online_retail)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    strata_context_release(&ctx);
    MPI_Finalize();
    return failed;
}
