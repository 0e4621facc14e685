#include "par/radix.h"
#include "par_test.h"

/* ---- values ---------------------------------------------------------------------------------- */

enum { KINDS = 9 };

/* Value i of a table of n, by kind: narrow and wide ranges, heavy ties, the ends of the type. */
static int64_t value_of(int kind, int64_t n, int64_t i)
{
    uint64_t x = strata_random_bits(3, STRATA_RANDOM_TEST, (uint64_t)i, (uint64_t)kind);
    switch (kind) {
    case 0:
        return 42;
    case 1:
        return (int64_t)(x % 7) - 3;
    case 2:
        return (int64_t)x; /* the whole type */
    case 3:
        return (int64_t)(x % 1000000) * 100003 - 50000000000;
    case 4:
        return i; /* sorted already */
    case 5:
        return (n - i) * 1000000007; /* falling */
    case 6:
        return x % 10 ? 5000000000 : (int64_t)(x >> 20); /* one value is most of the table */
    case 7:
        return x % 3 == 0 ? INT64_MIN : x % 3 == 1 ? INT64_MAX : 0;
    default:
        return (int64_t)(x % 70000); /* a little beyond the table that is always counted */
    }
}

static int by_value(const void *a, const void *b)
{
    int64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

typedef struct table {
    int64_t *all, *sorted; /* [n] */
    int64_t n, first, end; /* this rank holds [first, end) of all */
} table;

static table make_table(int kind, int64_t n)
{
    table t = {.n = n};
    t.all = test_malloc(sizeof *t.all * (size_t)(n + 1));
    t.sorted = test_malloc(sizeof *t.sorted * (size_t)(n + 1));
    for (int64_t i = 0; i < n; i++)
        t.sorted[i] = t.all[i] = value_of(kind, n, i);
    qsort(t.sorted, (size_t)n, sizeof *t.sorted, by_value);
    return t;
}

static void free_table(table *t)
{
    test_free(t->all);
    test_free(t->sorted);
}

static int64_t below(const table *t, int64_t value)
{
    int64_t low = 0, high = t->n;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (t->sorted[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void check_ranks(const table *t, int kind, int how)
{
    int64_t n_local = t->end - t->first;
    int64_t *smaller = test_malloc(sizeof *smaller * (size_t)(n_local + 1));
    int64_t *equal = test_malloc(sizeof *equal * (size_t)(n_local + 1));
    assert_ok(strata_par_rank_values(&ctx, t->all + t->first, n_local, smaller, equal));
    for (int64_t i = 0; i < n_local; i++) {
        int64_t v = t->all[t->first + i], before = below(t, v);
        int64_t up_to = v == INT64_MAX ? t->n : below(t, v + 1);
        if (smaller[i] != before || equal[i] != up_to - before)
            fail_msg("kind %d n %lld how %d row %lld: smaller %lld (%lld), equal %lld (%lld)", kind,
                     (long long)t->n, how, (long long)(t->first + i), (long long)smaller[i],
                     (long long)before, (long long)equal[i], (long long)(up_to - before));
        smaller[i] = equal[i] = -1;
    }
    assert_ok(strata_par_rank_values(&ctx, t->all + t->first, n_local, NULL, equal));
    assert_ok(strata_par_rank_values(&ctx, t->all + t->first, n_local, smaller, NULL));
    for (int64_t i = 0; i < n_local; i++)
        assert_true(equal[i] > 0 && smaller[i] == below(t, t->all[t->first + i]));
    test_free(smaller);
    test_free(equal);
}

static const int64_t table_sizes[] = {0, 1, 2, 3, 5, 100, 3000, 80000};
enum { TABLE_SIZES = sizeof table_sizes / sizeof *table_sizes };

static void check_select(const table *t, int kind, int how)
{
    int64_t n = t->n, positions[6] = {0, n - 1, n / 2, (n - 1) / 2, n / 4, n / 10}, out[6];
    assert_ok(strata_par_select(&ctx, t->all + t->first, t->end - t->first, positions, 6, out));
    for (int q = 0; q < 6; q++)
        if (out[q] != t->sorted[positions[q]])
            fail_msg("kind %d n %lld how %d: position %lld", kind, (long long)n, how,
                     (long long)positions[q]);
}

static void ranks_and_order_statistics(void **state)
{
    (void)state;
    for (int kind = 0; kind < KINDS; kind++)
        for (int s = 0; s < TABLE_SIZES; s++) {
            table t = make_table(kind, table_sizes[s]);
            for (int how = 0; how < SPREADS; how++) {
                spread(how, t.n, &t.first, &t.end);
                check_ranks(&t, kind, how);
                if (t.n > 0)
                    check_select(&t, kind, how);
            }
            free_table(&t);
        }
}

static void positions_outside(void **state)
{
    int64_t value = ctx.rank, position = ctx.size, out = 77;
    (void)state;
    assert_int_equal(strata_par_select(&ctx, &value, 1, &position, 1, &out), STRATA_ERR_INTERNAL);
    strata_context_clear_error(&ctx);
    position = -1;
    assert_int_equal(strata_par_select(&ctx, &value, 1, &position, 1, &out), STRATA_ERR_INTERNAL);
    strata_context_clear_error(&ctx);
    assert_int_equal(out, 77);
    assert_ok(strata_par_select(&ctx, NULL, 0, NULL, 0, NULL)); /* nothing asked of nothing */
    position = 0;
    assert_int_equal(strata_par_select(&ctx, NULL, 0, &position, 1, &out), STRATA_ERR_INTERNAL);
    strata_context_clear_error(&ctx);
}

/* ---- records --------------------------------------------------------------------------------- */

enum { RECORD_KINDS = 6 };

static void make_record(char *record, int64_t size, int kind, int64_t i)
{
    uint64_t x = strata_random_bits(4, STRATA_RANDOM_TEST, (uint64_t)i, (uint64_t)kind);
    for (int64_t byte = 0; byte < size; byte++) {
        uint64_t noise = strata_random_bits(5, STRATA_RANDOM_TEST, (uint64_t)i, (uint64_t)byte);
        switch (kind) {
        case 0:
            record[byte] = (char)noise;
            break;
        case 1: /* a few bytes differ late, and many records are equal */
            record[byte] = (char)(byte == size - 1 ? noise % 3 : 7);
            break;
        case 2: /* text ids with a common beginning */
            record[byte] = "user-000000000000000000000"[byte < 25 ? byte : 25];
            break;
        case 3: /* one key has most of the records */
            record[byte] = (char)(x % 10 ? 0x80 : noise);
            break;
        case 4: /* bytes above 0x7f must order as unsigned */
            record[byte] = (char)(noise & 1 ? 0xff : 0);
            break;
        default:
            record[byte] = (char)(noise % 4 + 'a');
        }
    }
    if (kind == 2)
        for (int64_t byte = 0, rest = (int64_t)(x % 1000); byte < 4 && size - 1 - byte >= 0;
             byte++) {
            record[size - 1 - byte] = (char)('0' + rest % 10);
            rest /= 10;
        }
}

static int64_t compared_bytes; /* of the qsort below: a test runs in one thread */
static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, (size_t)compared_bytes);
}

/* all [n, size] as made, expected the same in order. */
static void check_sort(const char *all, const char *expected, int kind, int how,
                       const int64_t shape[3])
{
    const int64_t size = shape[0], key = shape[1], n = shape[2];
    int64_t first = 0, end = 0;
    char *sorted = NULL;
    strata_partition partition = {0};
    spread(how, n, &first, &end);
    assert_ok(strata_par_sort_records(&ctx, all + first * size, end - first, size, key, &sorted,
                                      &partition));
    assert_int_equal(strata_partition_global(&partition), n);
    int64_t at = strata_partition_first(&partition, ctx.rank);
    int64_t n_local = strata_partition_local(&partition, ctx.rank);
    if (n_local > 0 && memcmp(sorted, expected + at * size, (size_t)(n_local * size)) != 0)
        fail_msg("kind %d n %lld how %d size %lld key %lld: wrong order", kind, (long long)n, how,
                 (long long)size, (long long)key);
    /* equal keys stay together: no key continues on the next rank */
    for (int r = 1; r < ctx.size; r++) {
        int64_t cut = partition.offsets[r];
        if (cut > 0 && cut < n)
            assert_true(memcmp(expected + (cut - 1) * size, expected + cut * size, (size_t)key) <
                        0);
    }
    if (kind == 0 && n >= 3000 && size >= 8 && key >= 8) /* evenly: within a quarter of the mean */
        for (int r = 0; r < ctx.size; r++) {
            int64_t part = strata_partition_local(&partition, r), mean = n / ctx.size;
            assert_true(part > mean * 3 / 4 && part < mean * 5 / 4);
        }
    strata_partition_release(&partition);
    strata_free(&sorted);
}

static void check_sorts(int kind, int64_t n, int64_t size, int64_t key)
{
    const int64_t shape[3] = {size, key, n};
    char *all = test_malloc((size_t)(n * size + 1)),
         *expected = test_malloc((size_t)(n * size + 1));
    for (int64_t i = 0; i < n; i++)
        make_record(all + i * size, size, kind, i);
    memcpy(expected, all, (size_t)(n * size));
    compared_bytes = size;
    qsort(expected, (size_t)n, (size_t)size, by_bytes);
    for (int how = 0; how < SPREADS; how++)
        check_sort(all, expected, kind, how, shape);
    test_free(expected);
    test_free(all);
}

static void sorted_records(void **state)
{
    static const int64_t shapes[][2] = {{1, 1}, {5, 3}, {8, 8}, {16, 16}, {48, 32}, {27, 9}};
    (void)state;
    for (int kind = 0; kind < RECORD_KINDS; kind++)
        for (size_t shape = 0; shape < sizeof shapes / sizeof *shapes; shape++)
            for (int s = 0; s < TABLE_SIZES - 1; s++)
                check_sorts(kind, table_sizes[s], shapes[shape][0], shapes[shape][1]);
    check_sorts(0, 30000, 48, 32);
}

static void wrong_key(void **state)
{
    void *sorted = NULL;
    strata_partition partition = {0};
    (void)state;
    assert_int_equal(strata_par_sort_records(&ctx, "", 0, 4, 5, &sorted, &partition),
                     STRATA_ERR_INTERNAL);
    strata_context_clear_error(&ctx);
    assert_null(sorted);
    assert_null(partition.offsets);
}

/* Memory runs out at each allocation in turn on one rank: all ranks say so, none hangs or leaks. */
static void out_of_memory(void **state)
{
    int64_t values[50], smaller[50], out = 0, position = 3;
    (void)state;
    for (int i = 0; i < 50; i++)
        values[i] = value_of(2, 50, i + 50 * ctx.rank);
    for (int what = 0; what < 3; what++) {
        strata_status rc = STRATA_ERR_MEMORY;
        int skip = 0;
        for (; rc != STRATA_OK && skip < 100; skip++) {
            void *sorted = NULL;
            strata_partition partition = {0};
            ctx.fault = (strata_fault){.point = "alloc", .action = "fail", .skip = skip};
            ctx.fault.rank = ctx.size - 1;
            rc = what == 0   ? strata_par_rank_values(&ctx, values, 50, smaller, NULL)
                 : what == 1 ? strata_par_select(&ctx, values, 50, &position, 1, &out)
                             : strata_par_sort_records(&ctx, values, 50, 8, 8, &sorted, &partition);
            ctx.fault = (strata_fault){.rank = -1};
            if (rc != STRATA_OK && rc != STRATA_ERR_MEMORY)
                fail_msg("%s", ctx.error.message);
            strata_context_clear_error(&ctx);
            strata_free(&sorted);
            strata_partition_release(&partition);
        }
        assert_int_equal(rc, STRATA_OK);
        assert_true(skip > 3);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(ranks_and_order_statistics),
    cmocka_unit_test(positions_outside),
    cmocka_unit_test(sorted_records),
    cmocka_unit_test(wrong_key),
    cmocka_unit_test(out_of_memory),
};
PAR_TEST_MAIN("par/order", tests)
