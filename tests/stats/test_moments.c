/* Moments: exact beyond 128 bits, and the same for every partition. Run at several rank counts. */
#include <stdlib.h>
#include <string.h>

#include "stats/stats_test.h"

enum { GROUPS = 5, ROWS = 10007 };

static strata_context ctx;

/* Values that use all 63 bits, and small ones; the same on every rank. */
static int64_t value_of(int64_t row)
{
    uint64_t bits = (uint64_t)row * 0x9E3779B97F4A7C15u;
    bits ^= bits >> 29;
    bits *= 0xBF58476D1CE4E5B9u;
    return (int64_t)(row % 3 ? bits >> 40 : bits);
}

static int16_t group_of(int64_t row)
{
    return (int16_t)(row % (GROUPS + 1) - 1); /* -1 is left out; group 3 stays empty below */
}

static void add_rows(strata_cell *cells, int64_t first, int64_t last)
{
    for (int64_t row = first; row < last; row++) {
        int64_t x = value_of(row);
        int16_t group = group_of(row);
        if (group != 3)
            strata_cells_add_local(cells, &group, &x, 1);
    }
}

static void check_rows(int64_t rows, bool only_last_rank)
{
    strata_cell serial[GROUPS] = {{0}}, cells[GROUPS] = {{0}};
    add_rows(serial, 0, rows);
    int64_t first = rows * ctx.rank / ctx.size, last = rows * (ctx.rank + 1) / ctx.size;
    if (only_last_rank) {
        first = ctx.rank == ctx.size - 1 ? 0 : rows;
        last = rows;
    }
    add_rows(cells, first, last);
    assert_int_equal(strata_cells_reduce(&ctx, cells, GROUPS), STRATA_OK);
    for (int g = 0; g < GROUPS; g++) {
        assert_true(cells[g].n == serial[g].n && cells[g].sum == serial[g].sum);
        assert_memory_equal(&cells[g].squares, &serial[g].squares, sizeof serial[g].squares);
    }
    assert_int_equal(cells[3].n, 0);
}

static void test_same_for_every_partition(void **state)
{
    (void)state;
    check_rows(ROWS, false);
    check_rows(ROWS, true); /* the other ranks bring nothing */
    check_rows(2, false);   /* fewer rows than ranks */
    check_rows(0, false);
}

/* Four values of -2^63 a rank: squares pass 2^127, the sum of them all 2^128 at 4 ranks. */
static void test_beyond_128_bits(void **state)
{
    (void)state;
    const int64_t x[] = {INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN};
    strata_cell cell = {0};
    strata_cells_add_local(&cell, NULL, x, 4);
    assert_int_equal(strata_cells_reduce(&ctx, &cell, 1), STRATA_OK);
    int64_t n = 4 * (int64_t)ctx.size;
    assert_int_equal(cell.n, n);
    assert_true(cell.sum == (__int128)INT64_MIN * n);
    /* n * 2^126 = (4 size) * 2^126 = size * 2^128 */
    assert_true(cell.squares.limb[0] == 0 && cell.squares.limb[1] == 0);
    assert_true(cell.squares.limb[2] == (uint64_t)ctx.size && cell.squares.limb[3] == 0);
    ASSERT_NEAR(strata_cell_mean(&cell), -0x1p63, 0);
    ASSERT_NEAR(strata_cell_variance(&cell), 0, 0);
}

/* 2^40 values of +-2^62 and of 2^62, spread over the ranks; and carries out of every limb. */
static void test_deviation_of_many(void **state)
{
    (void)state;
    strata_cell cells[2] = {{0}};
    if (ctx.rank == 0)
        for (int i = 0; i < 2; i++) {
            cells[i].n = INT64_C(1) << 40;
            cells[i].squares.limb[2] = UINT64_C(1) << 36; /* 2^40 * 2^124 = 2^164 */
            cells[i].sum = i == 0 ? 0 : (__int128)1 << 102;
        }
    assert_int_equal(strata_cells_reduce(&ctx, cells, 2), STRATA_OK);
    assert_true(strata_cell_mean(&cells[0]) == 0 && strata_cell_deviation(&cells[0]) == 0x1p62);
    assert_true(strata_cell_mean(&cells[1]) == 0x1p62 && strata_cell_deviation(&cells[1]) == 0);

    const int64_t edge = INT64_C(1) << 62, values[3] = {edge, edge - 1, -edge};
    strata_cell each = {0};
    for (int i = 0; i < 3000; i++)
        strata_cells_add_local(&each, NULL, values, 3);
    assert_int_equal(strata_cells_reduce(&ctx, &each, 1), STRATA_OK);
    assert_true(strata_cell_mean(&each) == 0x1p62 / 3);
    ASSERT_NEAR(strata_cell_deviation(&each), 0x1p62 * sqrt(8.0 / 9), 3e-16);
}

static void test_mean_and_variance(void **state)
{
    (void)state;
    /* 10^18 + {1, 2, 3, 4}: the variance of 5/3 survives. */
    const int64_t base = INT64_C(1000000000000000000);
    const int64_t x[] = {base + 1, base + 2, base + 3, base + 4};
    strata_cell cell = {0}, twice = {0};
    strata_cells_add_local(&cell, NULL, x, 4);
    ASSERT_NEAR(strata_cell_variance(&cell), 5.0 / 3, 1e-16);
    ASSERT_NEAR(strata_cell_mean(&cell), 1e18 + 2.5, 1e-16);
    strata_cell_merge(&twice, &cell);
    strata_cell_merge(&twice, &cell);
    assert_int_equal(twice.n, 8);
    ASSERT_NEAR(strata_cell_variance(&twice), 10.0 / 7, 1e-16);
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_for_every_partition),
        cmocka_unit_test(test_beyond_128_bits),
        cmocka_unit_test(test_deviation_of_many),
        cmocka_unit_test(test_mean_and_variance),
    };
    if (strata_context_init(&ctx, MPI_COMM_WORLD) != STRATA_OK)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    strata_context_release(&ctx);
    MPI_Finalize();
    return failed;
}
