/* Suppression against an oracle that tries to solve for every hidden cell. */
#include "output_test.h"

enum { ROWS_MAX = 7, COLUMNS_MAX = 6 };

/* With totals known, the hidden cells are the unknowns of linear equations; a cell is given away
 * when its value is the same in all solutions: Gauss elimination leaves its column as a unit
 * alone. */
static bool is_determined(const bool *hidden, int rows, int columns, int cell)
{
    double system[ROWS_MAX + COLUMNS_MAX][ROWS_MAX * COLUMNS_MAX] = {{0}};
    int unknown[ROWS_MAX * COLUMNS_MAX], n = 0, m = rows + columns, rank = 0, target = -1;
    for (int i = 0; i < rows * columns; i++) {
        if (!hidden[i])
            continue;
        target = i == cell ? n : target;
        unknown[n] = i;
        system[i / columns][n] = system[rows + i % columns][n] = 1;
        n++;
    }
    /* the target last: it is determined when the last pivot row names it alone */
    for (int r = 0; r < m && target >= 0; r++) {
        double keep = system[r][n - 1];
        system[r][n - 1] = system[r][target];
        system[r][target] = keep;
    }
    (void)unknown;
    for (int c = 0; c < n && rank < m; c++) {
        int pivot = rank;
        while (pivot < m && fabs(system[pivot][c]) < 1e-9)
            pivot++;
        if (pivot == m)
            continue;
        for (int j = 0; j < n; j++) {
            double keep = system[rank][j];
            system[rank][j] = system[pivot][j];
            system[pivot][j] = keep;
        }
        if (c == n - 1)
            return true; /* a pivot in the target's column: all others are eliminated from it */
        for (int r = rank + 1; r < m; r++) {
            double factor = system[r][c] / system[rank][c];
            for (int j = c; j < n; j++)
                system[r][j] -= factor * system[rank][j];
        }
        rank++;
    }
    return false;
}

static void check(const int64_t *counts, int rows, int columns, int64_t min_cell)
{
    bool hidden[ROWS_MAX * COLUMNS_MAX];
    assert_ok(strata_suppress(&ctx, counts, rows, columns, min_cell, hidden));
    bool whole = true;
    for (int i = 0; i < rows * columns; i++)
        whole = whole && hidden[i];
    for (int i = 0; i < rows * columns; i++) {
        if (counts[i] < min_cell)
            assert_true(hidden[i]);
        if (hidden[i] && !whole && rows > 1 && columns > 1)
            assert_false(is_determined(hidden, rows, columns, i));
    }
}

static void random_tables(void **state)
{
    (void)state;
    uint64_t seed = 12345;
    for (int round = 0; round < 20000; round++) {
        int64_t counts[ROWS_MAX * COLUMNS_MAX];
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407U;
        int rows = 2 + (int)(seed >> 33) % (ROWS_MAX - 1);
        int columns = 2 + (int)(seed >> 40) % (COLUMNS_MAX - 1);
        for (int i = 0; i < rows * columns; i++) {
            seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407U;
            counts[i] = (int64_t)(seed >> 33) % (round % 3 == 0 ? 12 : round % 3 == 1 ? 40 : 300);
        }
        check(counts, rows, columns, 10);
    }
}

static void known_tables(void **state)
{
    (void)state;
    bool hidden[12];
    const int64_t none[] = {10, 11, 12, 13};
    assert_ok(strata_suppress(&ctx, none, 2, 2, 10, hidden));
    for (int i = 0; i < 4; i++)
        assert_false(hidden[i]);
    /* one small cell takes the smallest of its row, its column and the corner with it */
    const int64_t one[] = {3, 50, 90, 60, 70, 95, 80, 85, 99};
    const bool expected[] = {true, true, false, true, true, false, false, false, false};
    assert_ok(strata_suppress(&ctx, one, 3, 3, 10, hidden));
    assert_memory_equal(hidden, expected, sizeof expected);
    /* two empty cells protect nobody: their sum would give both away */
    const int64_t empty[] = {0, 0, 20, 0, 0, 30, 40, 50, 60};
    assert_ok(strata_suppress(&ctx, empty, 3, 3, 10, hidden));
    assert_true(hidden[2] && hidden[5] && hidden[6]);
    /* one column: the cells are the totals */
    const int64_t column[] = {5, 20, 30};
    assert_ok(strata_suppress(&ctx, column, 3, 1, 10, hidden));
    assert_true(hidden[0] && !hidden[1] && !hidden[2]);
    assert_ok(strata_suppress(&ctx, column, 0, 0, 10, hidden));
}

/* Many regions, few of them large: it ends, and soon. */
static void many_regions(void **state)
{
    (void)state;
    enum { REGIONS = 20000, SEGMENTS = 5 };
    int64_t *counts = NULL;
    bool *hidden = NULL;
    assert_ok(strata_alloc(&ctx, REGIONS * SEGMENTS, sizeof *counts, &counts));
    assert_ok(strata_alloc(&ctx, REGIONS * SEGMENTS, sizeof *hidden, &hidden));
    for (int i = 0; i < REGIONS * SEGMENTS; i++)
        counts[i] = i * 7919 % 97 == 0 ? 3 : 20 + i % 1000;
    assert_ok(strata_suppress(&ctx, counts, REGIONS, SEGMENTS, 10, hidden));
    for (int r = 0; r < REGIONS; r++) {
        int n = 0;
        for (int s = 0; s < SEGMENTS; s++)
            n += hidden[r * SEGMENTS + s];
        assert_int_not_equal(n, 1);
    }
    strata_free(&hidden);
    strata_free(&counts);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(known_tables),
    cmocka_unit_test(random_tables),
    cmocka_unit_test(many_regions),
};
OUTPUT_TEST_MAIN("output/suppress", tests)
