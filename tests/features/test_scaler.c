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
#include "strata/hash.h"
#include "strata/memory.h"
#include "strata/par.h"

enum { columns = 5, rows_max = 700 };

static strata_context ctx, serial;

/* The global table: money with cents and negatives, small counts, days, one constant, one tiny. */
static void fill(double x[columns][rows_max], int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const uint64_t key = (uint64_t)i;
        const double u = strata_random_uniform(1, STRATA_RANDOM_TEST, key, 0);
        const double v = strata_random_uniform(1, STRATA_RANDOM_TEST, key, 1);
        x[0][i] = (double)(int64_t)(100 * (u * u * u * 90000 - 500)) / 100;
        x[1][i] = (double)(1 + (int64_t)(v * v * 9));
        x[2][i] = (double)(int64_t)(u * 500);
        x[3][i] = 0.1;
        x[4][i] = (u - v) * 1e-12;
    }
}

static void local_part(double x[columns][rows_max], int64_t first, const double *part[columns])
{
    for (int c = 0; c < columns; c++)
        part[c] = x[c] + first;
}

static void deal(int64_t n, int way, int64_t *first, int64_t *count)
{
    if (way == 0) { /* even */
        *first = n * ctx.rank / ctx.size;
        *count = n * (ctx.rank + 1) / ctx.size - *first;
    } else { /* all on one rank */
        const int owner = way == 1 ? 0 : ctx.size - 1;
        *first = ctx.rank <= owner ? 0 : n;
        *count = ctx.rank == owner ? n : 0;
    }
}

/* What the definition says, in 64-bit mantissas and by sorting. */
static void oracle_zscore(const double *t, int64_t n, double *mean, double *deviation)
{
    long double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++)
        sum += t[i];
    for (int64_t i = 0; i < n; i++)
        squares += (t[i] - sum / n) * (t[i] - sum / n);
    *mean = (double)(sum / n);
    *deviation = (double)sqrtl(squares / n);
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(const double *sorted, int64_t n, double q)
{
    const double place = (double)(n - 1) * q;
    const int64_t low = (int64_t)place;
    const double high = low + 1 < n ? sorted[low + 1] : sorted[low];
    return sorted[low] + (high - sorted[low]) * (place - (double)low);
}

static void close_to(double value, double expected, double scale)
{
    if (!(fabs(value - expected) <= 4e-16 * fmax(fabs(expected), scale)))
        fail_msg("%a where %a is expected", value, expected);
}

static void check_oracle(const strata_scaler *scaler, double x[columns][rows_max], int64_t n)
{
    static double t[rows_max];
    for (int c = 0; c < columns; c++) {
        double center = 0, scale = 1, largest = 0;
        for (int64_t i = 0; i < n; i++) {
            t[i] = scaler->transform == STRATA_TRANSFORM_LOG1P ? strata_log1p_signed(x[c][i])
                                                               : x[c][i];
            largest = fmax(largest, fabs(t[i]));
        }
        if (scaler->scale_kind == STRATA_SCALE_ZSCORE)
            oracle_zscore(t, n, &center, &scale);
        if (scaler->scale_kind == STRATA_SCALE_ROBUST) {
            qsort(t, (size_t)n, sizeof *t, ascending);
            center = quantile(t, n, 0.5);
            scale = quantile(t, n, 0.75) - quantile(t, n, 0.25);
        }
        if (scale < 1e-25)
            scale = 1;
        close_to(scaler->center[c], center, largest);
        close_to(scaler->scale[c], scale, 0);
    }
}

static void check_steps(const strata_scaler *scaler, const strata_points *points,
                        const double *const *x, int64_t *limited)
{
    for (int c = 0; c < columns; c++)
        for (int64_t i = 0; i < points->stride; i++) {
            const double step = points->steps[c * points->stride + i];
            double t = i < points->n_local ? x[c][i] : 0, expected = 0;
            if (i < points->n_local) {
                if (scaler->transform == STRATA_TRANSFORM_LOG1P)
                    t = strata_log1p_signed(t);
                expected =
                    rint(ldexp((t - scaler->center[c]) / scaler->scale[c], -scaler->step_exponent));
                if (fabs(expected) > 16777215) {
                    limited[c]++;
                    expected = copysign(16777215, expected);
                }
            }
            if (step != expected || (step == 0 && signbit(step)))
                fail_msg("column %d row %d: %a where %a is expected", c, (int)i, step, expected);
        }
}

static void check(int64_t n, strata_transform transform, strata_scale kind)
{
    static double x[columns][rows_max];
    const double *part[columns];
    strata_scaler alone;
    fill(x, n);
    local_part(x, 0, part);
    assert_int_equal(strata_scaler_fit(&serial, n, columns, part, transform, kind, &alone), 0);
    if (n > 0)
        check_oracle(&alone, x, n);
    for (int way = 0; way < 3; way++) {
        strata_scaler scaler;
        strata_points points;
        int64_t first, count, limited[columns] = {0};
        deal(n, way, &first, &count);
        local_part(x, first, part);
        assert_int_equal(strata_scaler_fit(&ctx, count, columns, part, transform, kind, &scaler),
                         0);
        assert_memory_equal(scaler.center, alone.center, sizeof(double[columns]));
        assert_memory_equal(scaler.scale, alone.scale, sizeof(double[columns]));
        assert_int_equal(scaler.step_exponent, alone.step_exponent);
        assert_int_equal(strata_scaler_apply(&ctx, &scaler, count, part, &points), 0);
        assert_int_equal(points.stride % 64, 0);
        assert_true(points.stride >= count && points.stride < count + 64);
        check_steps(&scaler, &points, part, limited);
        assert_int_equal(strata_par_allreduce_i64(&ctx, limited, columns, STRATA_SUM), 0);
        assert_memory_equal(scaler.limited, limited, sizeof limited);
        if (kind == STRATA_SCALE_NONE)
            for (int c = 0; c < columns; c++)
                assert_int_equal(limited[c], 0);
        strata_points_release(&points);
        strata_scaler_release(&scaler);
    }
    strata_scaler_release(&alone);
}

static void every_partition(void **state)
{
    (void)state;
    static const int64_t sizes[] = {0, 1, 2, 3, 64, 513, rows_max};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int transform = 0; transform < 2; transform++)
            for (int kind = 0; kind < 3; kind++)
                check(sizes[s], (strata_transform)transform, (strata_scale)kind);
}

/* One column on rank 0. */
static strata_scaler fit_one(const double *x, int64_t n, strata_transform transform,
                             strata_scale kind)
{
    strata_scaler scaler;
    assert_int_equal(
        strata_scaler_fit(&ctx, ctx.rank == 0 ? n : 0, 1, &x, transform, kind, &scaler), STRATA_OK);
    return scaler;
}

static int32_t exponent_of(double largest)
{
    const double x[2] = {-largest, 0};
    strata_scaler scaler = fit_one(x, 2, STRATA_TRANSFORM_NONE, STRATA_SCALE_NONE);
    const int32_t g = scaler.step_exponent;
    strata_scaler_release(&scaler);
    return g;
}

static void step_without_scale(void **state)
{
    (void)state;
    assert_int_equal(exponent_of(0), -20);
    assert_int_equal(exponent_of(1), -23);
    assert_int_equal(exponent_of(7.9), -21);
    assert_int_equal(exponent_of(1e-12), -63);
    assert_int_equal(exponent_of(1e-300), -500);
    assert_int_equal(exponent_of(15.9), -20);
    assert_int_equal(exponent_of(16 - ldexp(1, -20)), -20); /* the last step of the grid */
    assert_int_equal(exponent_of(nextafter(16, 0)), -19);   /* would round beyond it */
    assert_int_equal(exponent_of(16), -19);
    assert_int_equal(exponent_of(16777215), 0); /* whole numbers stay exact */
    assert_int_equal(exponent_of(16777216), 1);
    assert_int_equal(exponent_of(1e300), 973);
    assert_int_equal(exponent_of(1.7976931348623157e308), 1001);
}

static void known_deviations(void **state)
{
    (void)state;
    const double x[8] = {2, 4, 4, 4, 5, 5, 7, 9}; /* mean 5, population deviation 2 */
    strata_scaler scaler = fit_one(x, 8, STRATA_TRANSFORM_NONE, STRATA_SCALE_ZSCORE);
    assert_true(scaler.center[0] == 5 && scaler.scale[0] == 2);
    assert_true(strata_scaler_original(&scaler, 0, 1048576) == 7);
    strata_scaler_release(&scaler);
    /* the spread survives a large offset, where the textbook formula in doubles gives 0 */
    const double far[4] = {1e15 + 1, 1e15 + 2, 1e15 + 3, 1e15 + 4};
    scaler = fit_one(far, 4, STRATA_TRANSFORM_NONE, STRATA_SCALE_ZSCORE);
    assert_true(scaler.center[0] == 1e15 + 2.5 && scaler.scale[0] == sqrt(1.25));
    strata_scaler_release(&scaler);
    const double huge[2] = {1.7e308, -1.7e308};
    scaler = fit_one(huge, 2, STRATA_TRANSFORM_NONE, STRATA_SCALE_ZSCORE);
    assert_true(scaler.center[0] == 0 && scaler.scale[0] == 1.7e308);
    strata_scaler_release(&scaler);
    const double same[3] = {0.1, 0.1, 0.1};
    for (int kind = 0; kind < 3; kind++) {
        scaler = fit_one(same, 3, STRATA_TRANSFORM_NONE, (strata_scale)kind);
        assert_true(scaler.scale[0] == 1 && scaler.center[0] == (kind ? 0.1 : 0));
        strata_scaler_release(&scaler);
    }
    /* NumPy: median 3.5, quartiles 1.75 and 5.5 of 0..7 with a gap */
    const double gap[8] = {0, 1, 2, 3, 4, 5, 7, 100};
    scaler = fit_one(gap, 8, STRATA_TRANSFORM_NONE, STRATA_SCALE_ROBUST);
    assert_true(scaler.center[0] == 3.5 && scaler.scale[0] == 5.5 - 1.75);
    strata_scaler_release(&scaler);
}

static void not_finite(void **state)
{
    (void)state;
    static double x[columns][rows_max];
    const double *part[columns];
    for (int way = 0; way < 3; way++) {
        int64_t first, count;
        strata_scaler scaler;
        strata_points points;
        fill(x, 100);
        x[4][71] = NAN;
        x[1][72] = NAN;
        x[3][71] = -INFINITY;
        x[0][99] = INFINITY;
        deal(100, way, &first, &count);
        local_part(x, first, part);
        assert_int_equal(strata_scaler_fit(&ctx, count, columns, part, STRATA_TRANSFORM_NONE,
                                           STRATA_SCALE_ZSCORE, &scaler),
                         STRATA_ERR_INPUT);
        assert_string_equal(ctx.error.message, "feature 4 of row 71 is not a finite number");
        strata_context_clear_error(&ctx);
        fill(x, 100);
        assert_int_equal(strata_scaler_fit(&ctx, count, columns, part, STRATA_TRANSFORM_NONE,
                                           STRATA_SCALE_ZSCORE, &scaler),
                         STRATA_OK);
        x[2][5] = NAN;
        assert_int_equal(strata_scaler_apply(&ctx, &scaler, count, part, &points),
                         STRATA_ERR_INPUT);
        assert_string_equal(ctx.error.message, "feature 3 of row 5 is not a finite number");
        strata_context_clear_error(&ctx);
        strata_scaler_release(&scaler);
        assert_int_equal(strata_scaler_fit(&ctx, count, 65, part, STRATA_TRANSFORM_NONE,
                                           STRATA_SCALE_ZSCORE, &scaler),
                         STRATA_ERR_USAGE);
        strata_context_clear_error(&ctx);
    }
}

/* Typed columns give what their doubles give. */
static void typed_columns(void **state)
{
    (void)state;
    enum { n = 1200 };
    static int16_t a[n];
    static int32_t b[n];
    static int64_t c[n];
    static double d[n], as_double[3][n];
    for (int i = 0; i < n; i++) {
        a[i] = (int16_t)(i % 7 - 3);
        b[i] = i * 1000;
        c[i] = (int64_t)i << 40;
        d[i] = i / 7.0;
        as_double[0][i] = a[i];
        as_double[1][i] = b[i];
        as_double[2][i] = (double)c[i];
    }
    strata_feature_set set = {.n_local = n,
                              .d = 4,
                              .feature = {{"a", STRATA_I16, a},
                                          {"b", STRATA_I32, b},
                                          {"c", STRATA_I64, c},
                                          {"d", STRATA_F64, d}}};
    const double *x[4] = {as_double[0], as_double[1], as_double[2], d};
    strata_scaler one, two;
    strata_points p, q;
    assert_int_equal(
        strata_scaler_fit_set(&ctx, &set, STRATA_TRANSFORM_LOG1P, STRATA_SCALE_ROBUST, &one), 0);
    assert_int_equal(
        strata_scaler_fit(&ctx, n, 4, x, STRATA_TRANSFORM_LOG1P, STRATA_SCALE_ROBUST, &two), 0);
    assert_int_equal(strata_scaler_apply_set(&ctx, &one, &set, &p), 0);
    assert_int_equal(strata_scaler_apply(&ctx, &two, n, x, &q), 0);
    assert_memory_equal(p.steps, q.steps, (size_t)(4 * p.stride) * sizeof(float));
    strata_scaler_release(&one);
    strata_scaler_release(&two);
    strata_points_release(&p);
    strata_points_release(&q);
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    if (strata_context_init(&ctx, MPI_COMM_WORLD) != STRATA_OK ||
        strata_context_init(&serial, MPI_COMM_NULL) != STRATA_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_partition), cmocka_unit_test(step_without_scale),
        cmocka_unit_test(known_deviations), cmocka_unit_test(not_finite),
        cmocka_unit_test(typed_columns),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    strata_context_release(&serial);
    strata_context_release(&ctx);
    MPI_Finalize();
    return failed;
}
