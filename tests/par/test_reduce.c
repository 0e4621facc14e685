#include "par_test.h"

#include <math.h>

static void agreement(void **state)
{
    (void)state;
    assert_ok(strata_par_agree(&ctx, STRATA_OK));
    /* one failing rank, each in turn */
    for (int bad = 0; bad < ctx.size; bad++) {
        strata_status local = STRATA_OK;
        if (ctx.rank == bad)
            local =
                strata_context_fail(&ctx, STRATA_ERR_INPUT, __FILE__, __LINE__, "bad on %d", bad);
        char expected[32];
        snprintf(expected, sizeof expected, "bad on %d", bad);
        assert_int_equal(strata_par_agree(&ctx, local), STRATA_ERR_INPUT);
        assert_string_equal(ctx.error.message, expected);
        assert_int_equal(ctx.error.status, STRATA_ERR_INPUT);
        assert_int_equal(ctx.error.rank, bad);
        strata_context_clear_error(&ctx);
    }
    /* all but rank 0 fail, each in its own way: the lowest one is heard */
    if (ctx.size > 1) {
        strata_status local = STRATA_OK;
        if (ctx.rank > 0)
            local = strata_context_fail(&ctx, ctx.rank == 1 ? STRATA_ERR_IO : STRATA_ERR_MEMORY,
                                        __FILE__, __LINE__, "rank %d", ctx.rank);
        assert_int_equal(strata_par_agree(&ctx, local), STRATA_ERR_IO);
        assert_string_equal(ctx.error.message, "rank 1");
        strata_context_clear_error(&ctx);
    }
    /* a status without a record still gets a text */
    assert_int_equal(strata_par_agree(&ctx, ctx.rank == 0 ? STRATA_ERR_VERIFY : STRATA_OK),
                     STRATA_ERR_VERIFY);
    assert_string_equal(ctx.error.message, "verification failed");
    strata_context_clear_error(&ctx);
}

static void integers(void **state)
{
    int64_t n = ctx.size, r = ctx.rank;
    int64_t sum[3] = {r + 1, -r, INT64_C(1) << 40};
    int64_t low[2] = {r - 5, INT64_MAX - r}, high[2] = {r - 5, INT64_MIN + r};
    (void)state;
    assert_ok(strata_par_allreduce_i64(&ctx, sum, 3, STRATA_SUM));
    assert_int_equal(sum[0], n * (n + 1) / 2);
    assert_int_equal(sum[1], -n * (n - 1) / 2);
    assert_int_equal(sum[2], n << 40);
    assert_ok(strata_par_allreduce_i64(&ctx, low, 2, STRATA_MIN));
    assert_true(low[0] == -5 && low[1] == INT64_MAX - (n - 1));
    assert_ok(strata_par_allreduce_i64(&ctx, high, 2, STRATA_MAX));
    assert_true(high[0] == n - 6 && high[1] == INT64_MIN + (n - 1));
    assert_ok(strata_par_allreduce_i64(&ctx, NULL, 0, STRATA_SUM));
}

static void check_i128(__int128 (*of)(int rank, int i), int count)
{
    __int128 *values = test_malloc(sizeof *values * (size_t)count);
    for (int i = 0; i < count; i++)
        values[i] = of(ctx.rank, i);
    assert_ok(strata_par_allreduce_i128(&ctx, values, count));
    for (int i = 0; i < count; i++) {
        unsigned __int128 expected = 0;
        for (int r = 0; r < ctx.size; r++)
            expected += (unsigned __int128)of(r, i);
        assert_true((unsigned __int128)values[i] == expected);
    }
    test_free(values);
}

static __int128 negative(int rank, int i)
{
    return -((__int128)1 << 100) / (rank + 1) - i;
}

static __int128 mixed(int rank, int i)
{
    return (rank + i) % 2 ? ((__int128)i << 90) + 1 : -((__int128)(i + rank) << 88) - 3;
}

static __int128 carries(int rank, int i)
{
    return ((__int128)1 << (i % 126)) - 1 - rank; /* all limbs full */
}

static __int128 wraps(int rank, int i)
{
    (void)i;
    return rank % 2 ? (__int128)1 << 126 : -((__int128)1 << 126);
}

static void wide_integers(void **state)
{
    static const int counts[] = {1, 3, 64, 65, 1000};
    (void)state;
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        check_i128(negative, counts[c]);
        check_i128(mixed, counts[c]);
        check_i128(carries, counts[c]);
        check_i128(wraps, counts[c]);
    }
}

static void doubles(void **state)
{
    double values[2] = {ctx.rank, -0.5 * ctx.rank};
    (void)state;
    assert_ok(strata_par_allreduce_f64(&ctx, values, 2, STRATA_MAX));
    assert_true(values[0] == ctx.size - 1 && values[1] == 0);
    assert_ok(strata_par_allreduce_f64(&ctx, values, 2, STRATA_MIN));
    assert_int_equal(strata_par_allreduce_f64(&ctx, values, 2, STRATA_SUM), STRATA_ERR_INTERNAL);
    strata_context_clear_error(&ctx);
}

static void prefix_sums(void **state)
{
    int64_t first = -1, total = -1, n = ctx.size, r = ctx.rank;
    (void)state;
    assert_ok(strata_par_exscan_i64(&ctx, r + 10, &first, &total));
    assert_int_equal(first, r * (r - 1) / 2 + 10 * r);
    assert_int_equal(total, n * (n - 1) / 2 + 10 * n);
    assert_ok(strata_par_exscan_i64(&ctx, INT64_C(1) << 50, &first, &total));
    assert_int_equal(first, r << 50);
}

static void broadcast(void **state)
{
    (void)state;
    for (int root = 0; root < ctx.size; root++) {
        char text[32] = "";
        if (ctx.rank == root)
            snprintf(text, sizeof text, "from %d", root);
        assert_ok(strata_par_bcast(&ctx, text, sizeof text, root));
        char expected[32];
        snprintf(expected, sizeof expected, "from %d", root);
        assert_string_equal(text, expected);
    }
    assert_ok(strata_par_bcast(&ctx, NULL, 0, 0));
}

static void check_gather(int root)
{
    /* rank r brings r bytes of the value r (rank 0 brings nothing) */
    char mine[64], *all = NULL;
    int64_t n = -1, *counts = test_malloc(sizeof *counts * (size_t)ctx.size), at = 0;
    memset(mine, ctx.rank, sizeof mine);
    assert_ok(strata_par_gather(&ctx, mine, ctx.rank, root, &all, &n, counts));
    for (int r = 0; r < ctx.size; r++)
        assert_int_equal(counts[r], r);
    if (root < 0 || root == ctx.rank) {
        assert_int_equal(n, (int64_t)ctx.size * (ctx.size - 1) / 2);
        for (int r = 0; r < ctx.size; r++)
            for (int i = 0; i < r; i++)
                assert_int_equal(all[at++], r);
    } else {
        assert_int_equal(n, 0);
        assert_null(all);
    }
    strata_free(&all);
    test_free(counts);
}

static void gathers(void **state)
{
    (void)state;
    for (int root = -1; root < ctx.size; root++)
        check_gather(root);
    void *all = NULL;
    int64_t n = -1;
    /* beyond what one rank can hold: refused by all, before anything is sent */
    assert_int_equal(strata_par_gather(&ctx, NULL, INT64_C(1) << 31, 0, &all, &n, NULL),
                     STRATA_ERR_INTERNAL);
    strata_context_clear_error(&ctx);
    assert_null(all);
}

static void partitions(void **state)
{
    strata_partition p = {0};
    (void)state;
    assert_ok(strata_partition_gather(&ctx, ctx.rank % 2 ? 10 : 0, &p));
    assert_int_equal(strata_partition_global(&p), ctx.size / 2 * 10);
    for (int r = 0; r < ctx.size; r++)
        assert_int_equal(strata_partition_local(&p, r), r % 2 ? 10 : 0);
    for (int64_t i = 0; i < strata_partition_global(&p); i++) {
        int owner = strata_partition_owner(&p, i);
        assert_true(i >= p.offsets[owner] && i < p.offsets[owner + 1]);
    }
    strata_partition_release(&p);
    strata_partition_release(&p);
    static const int64_t shapes[][2] = {
        {0, 1}, {1, 1}, {10, 3}, {10, 100}, {1000, 7}, {1000, 10}, {INT64_MAX, 131072}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        int64_t n = shapes[s][0], block = shapes[s][1];
        assert_ok(strata_partition_blocks(&ctx, n, block, &p));
        assert_int_equal(p.offsets[0], 0);
        assert_int_equal(p.offsets[ctx.size], n);
        for (int r = 0; r < ctx.size; r++) {
            assert_true(p.offsets[r] <= p.offsets[r + 1]);
            assert_true(p.offsets[r] % block == 0 || p.offsets[r] == n);
        }
        if (n > 0)
            assert_true(strata_partition_owner(&p, n - 1) < ctx.size);
        strata_partition_release(&p);
    }
    assert_int_equal(strata_partition_blocks(&ctx, 5, 0, &p), STRATA_ERR_INTERNAL);
    strata_context_clear_error(&ctx);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(agreement), cmocka_unit_test(integers),    cmocka_unit_test(wide_integers),
    cmocka_unit_test(doubles),   cmocka_unit_test(prefix_sums), cmocka_unit_test(broadcast),
    cmocka_unit_test(gathers),   cmocka_unit_test(partitions),
};
PAR_TEST_MAIN("par/reduce", tests)
