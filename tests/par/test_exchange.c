#include "par/exchange.h"
#include "par_test.h"

#include <limits.h>

/* Record i from rank a to rank b is a function of the three, so that any mix-up shows. */
static void fill(char *record, int64_t size, int from, int to, int64_t i)
{
    for (int64_t byte = 0; byte < size; byte++)
        record[byte] = (char)(from * 31 + to * 17 + i * 7 + byte * 3 + (i >> 8));
}

/* How many records a sends to b, in several shapes. */
static int64_t amount(int shape, int from, int to)
{
    switch (shape) {
    case 0:
        return 0;
    case 1:
        return 100;
    case 2:
        return to == 0 ? 1000 : 0; /* all to one */
    case 3:
        return from == ctx.size - 1 ? 777 : 0; /* all from one */
    case 4:
        return from == to ? 50 : 0; /* to itself only */
    default:
        return (from * 5 + to * 3) % 7 * 41;
    }
}

static void check_shape(int shape, int64_t record_size, int64_t round_bytes)
{
    int64_t *counts = test_malloc(sizeof *counts * (size_t)ctx.size), total = 0, at = 0;
    for (int r = 0; r < ctx.size; r++)
        total += counts[r] = amount(shape, ctx.rank, r);
    char *send = test_malloc((size_t)(total * record_size) + 1);
    char *expected = test_malloc((size_t)record_size);
    for (int r = 0; r < ctx.size; r++)
        for (int64_t i = 0; i < counts[r]; i++)
            fill(send + at++ * record_size, record_size, ctx.rank, r, i);
    strata_exchange exchange = {.send = send,
                                .send_counts = counts,
                                .record_size = record_size,
                                .round_bytes = round_bytes};
    assert_ok(strata_exchange_run(&ctx, &exchange));
    at = 0;
    for (int r = 0; r < ctx.size; r++) {
        assert_int_equal(exchange.receive_counts[r], amount(shape, r, ctx.rank));
        for (int64_t i = 0; i < exchange.receive_counts[r]; i++) {
            fill(expected, record_size, r, ctx.rank, i);
            assert_memory_equal((char *)exchange.received + at++ * record_size, expected,
                                (size_t)record_size);
        }
    }
    assert_int_equal(at, exchange.n_received);
    strata_free(&exchange.received);
    strata_free(&exchange.receive_counts);
    test_free(expected);
    test_free(send);
    test_free(counts);
}

/* Rounds from one record a pair to everything at once. */
static void shapes_and_rounds(void **state)
{
    static const int64_t rounds[] = {1, 64, 1000, 4096, STRATA_EXCHANGE_ROUND_BYTES};
    static const int64_t sizes[] = {1, 16, 48, 333};
    (void)state;
    for (int shape = 0; shape < 6; shape++)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
            for (size_t r = 0; r < sizeof rounds / sizeof *rounds; r++)
                check_shape(shape, sizes[s], rounds[r]);
}

static void public_call(void **state)
{
    int64_t *counts = test_calloc((size_t)ctx.size, sizeof *counts), n = -1, value = ctx.rank;
    int64_t *got = NULL;
    (void)state;
    counts[(ctx.rank + 1) % ctx.size] = 1;
    assert_ok(strata_par_exchange(&ctx, &value, counts, sizeof value, &got, &n, NULL));
    assert_int_equal(n, 1);
    assert_int_equal(got[0], (ctx.rank + ctx.size - 1) % ctx.size);
    strata_free(&got);
    test_free(counts);
}

/* One rank alone is wrong: all leave with its error. */
static void wrong_counts(void **state)
{
    int64_t *counts = test_calloc((size_t)ctx.size, sizeof *counts), n = -1;
    void *got = NULL;
    (void)state;
    if (ctx.rank == ctx.size - 1)
        counts[0] = -1;
    assert_int_equal(strata_par_exchange(&ctx, "", counts, 8, &got, &n, NULL), STRATA_ERR_INTERNAL);
    assert_null(got);
    assert_int_equal(n, -1);
    strata_context_clear_error(&ctx);
    test_free(counts);
}

/* Memory short on one rank: all leave, nothing leaks, and the next exchange works. */
static void out_of_memory(void **state)
{
    (void)state;
    for (int skip = 0; skip < 6; skip++) {
        int64_t *counts = test_calloc((size_t)ctx.size, sizeof *counts), n = -1;
        void *got = NULL;
        strata_fault fault = {
            .point = "alloc", .action = "fail", .skip = skip, .rank = ctx.size - 1};
        ctx.fault = fault;
        strata_status rc = strata_par_exchange(&ctx, "", counts, 8, &got, &n, NULL);
        ctx.fault = (strata_fault){.rank = -1};
        assert_int_equal(rc, skip < 5 ? STRATA_ERR_MEMORY : STRATA_OK);
        strata_context_clear_error(&ctx);
        strata_free(&got);
        test_free(counts);
    }
    public_call(NULL);
}

static void redistribution(void **state)
{
    (void)state;
    for (int64_t n = 0; n <= 1000; n = n < 5 ? n + 1 : n * 5)
        for (int from_how = 0; from_how < SPREADS; from_how++)
            for (int to_how = 0; to_how < SPREADS; to_how++) {
                strata_partition from = {0}, to = {0};
                int64_t first = 0, end = 0, to_first = 0, to_end = 0;
                spread(from_how, n, &first, &end);
                spread(to_how, n, &to_first, &to_end);
                assert_ok(strata_partition_gather(&ctx, end - first, &from));
                assert_ok(strata_partition_gather(&ctx, to_end - to_first, &to));
                int64_t *rows = test_malloc(sizeof *rows * (size_t)(end - first + 1)),
                        *moved = NULL;
                for (int64_t i = first; i < end; i++)
                    rows[i - first] = i * i;
                assert_ok(strata_par_redistribute(&ctx, rows, sizeof *rows, &from, &to, &moved));
                for (int64_t i = to_first; i < to_end; i++)
                    assert_int_equal(moved[i - to_first], i * i);
                strata_free(&moved);
                test_free(rows);
                strata_partition_release(&from);
                strata_partition_release(&to);
            }
}

static void redistribution_of_different_tables(void **state)
{
    strata_partition from = {0}, to = {0};
    void *moved = NULL;
    (void)state;
    assert_ok(strata_partition_blocks(&ctx, 10, 1, &from));
    assert_ok(strata_partition_blocks(&ctx, 11, 1, &to));
    assert_int_equal(strata_par_redistribute(&ctx, "", 1, &from, &to, &moved), STRATA_ERR_INTERNAL);
    strata_context_clear_error(&ctx);
    strata_partition_release(&from);
    strata_partition_release(&to);
}

static void huge_counts(void **state)
{
    int narrow = 77;
    (void)state;
    assert_ok(strata_narrow(&ctx, INT_MAX, &narrow));
    assert_int_equal(narrow, INT_MAX);
    narrow = 77;
    assert_int_equal(strata_narrow(&ctx, INT64_C(4294967297), &narrow), STRATA_ERR_INTERNAL);
    strata_context_clear_error(&ctx);
    assert_int_equal(strata_narrow(&ctx, INT64_C(1) + INT_MAX, &narrow), STRATA_ERR_INTERNAL);
    strata_context_clear_error(&ctx);
    assert_int_equal(strata_narrow(&ctx, -1, &narrow), STRATA_ERR_INTERNAL);
    strata_context_clear_error(&ctx);
    assert_int_equal(narrow, 77);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(shapes_and_rounds), cmocka_unit_test(public_call),
    cmocka_unit_test(wrong_counts),      cmocka_unit_test(out_of_memory),
    cmocka_unit_test(redistribution),    cmocka_unit_test(redistribution_of_different_tables),
    cmocka_unit_test(huge_counts),
};
PAR_TEST_MAIN("par/exchange", tests)
