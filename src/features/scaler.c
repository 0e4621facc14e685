#include <math.h>
#include <stdio.h>
#include <string.h>

#include "features/values.h"
#include "strata/features.h"
#include "strata/memory.h"
#include "strata/par.h"
#include "strata/stats.h"

/* Bits of a fixed-point value besides its sign: what strata_cell takes, whole. */
enum { moment_bits = 62 };

enum { fine_exponent = -20, finest_exponent = -500, grid_bits = 24, stride_multiple = 64 };

static double transformed(strata_transform transform, double x)
{
    return transform == STRATA_TRANSFORM_LOG1P ? strata_log1p_signed(x) : x;
}

/* Fixed point: value * 2^bits as an integer, rounded half to even. */
typedef struct fixed {
    int bits;
    double first, second; /* two powers of two, since 2^bits may pass the range of a double */
} fixed;

/* Enough fraction bits that the largest |value| just stays below 2^moment_bits. */
static fixed fixed_for(double largest)
{
    int exponent = 0;
    frexp(largest, &exponent); /* largest < 2^exponent */
    fixed point = {.bits = largest > 0 ? moment_bits - exponent : 0};
    point.first = ldexp(1, point.bits / 2);
    point.second = ldexp(1, point.bits - point.bits / 2);
    return point;
}

/* ---- fit ------------------------------------------------------------------------------------- */

static strata_status fit_zscore(strata_context *ctx, const strata_feature_set *set,
                                const double *largest, strata_scaler *scaler)
{
    strata_status rc = STRATA_OK;
    double buffer[STRATA_VALUES_BLOCK];
    int64_t snapped[STRATA_VALUES_BLOCK];
    strata_cell cells[STRATA_FEATURES_MAX] = {{0}};
    fixed point[STRATA_FEATURES_MAX];
    for (int32_t f = 0; f < set->d; f++) {
        point[f] = fixed_for(transformed(scaler->transform, largest[f]));
        for (int64_t at = 0; at < set->n_local; at += STRATA_VALUES_BLOCK) {
            const int64_t n = strata_values_block(set->n_local, at);
            const double *x = strata_values_read(&set->feature[f], at, n, buffer);
            for (int64_t i = 0; i < n; i++) {
                const double t = transformed(scaler->transform, x[i]);
                snapped[i] = llrint(t * point[f].first * point[f].second);
            }
            strata_cells_add_local(&cells[f], NULL, snapped, n);
        }
    }
    STRATA_TRY(strata_cells_reduce(ctx, cells, set->d));
    for (int32_t f = 0; f < set->d; f++) {
        scaler->center[f] = ldexp(strata_cell_mean(&cells[f]), -point[f].bits);
        scaler->scale[f] = ldexp(strata_cell_deviation(&cells[f]), -point[f].bits);
    }
done:
    return rc;
}

/* Doubles in the order of int64; -0 counts as 0. Its own inverse. */
static int64_t order_bits(int64_t bits)
{
    return bits >= 0 ? bits : bits ^ INT64_MAX;
}

static int64_t to_order(double value)
{
    int64_t bits;
    value += 0.0; /* -0 becomes 0 */
    memcpy(&bits, &value, sizeof bits);
    return order_bits(bits);
}

static double from_order(int64_t order)
{
    double value;
    const int64_t bits = order_bits(order);
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The quartile between two order statistics, as NumPy's linear method evaluates it. */
static double between(double low, double high, int64_t quarters)
{
    const double share = (double)quarters / 4, step = high - low;
    return share >= 0.5 ? high - step * (1 - share) : low + step * share;
}

static strata_status fit_robust(strata_context *ctx, const strata_feature_set *set,
                                int64_t n_global, strata_scaler *scaler)
{
    strata_status rc = STRATA_OK;
    int64_t *order = NULL, positions[6], selected[6];
    double buffer[STRATA_VALUES_BLOCK], quartile[3];
    STRATA_AGREE(ctx, strata_alloc(ctx, set->n_local, sizeof *order, &order));
    for (int q = 0; q < 3; q++) {
        const int64_t low = (int64_t)((__int128)(n_global - 1) * (q + 1) / 4);
        positions[2 * q] = low;
        positions[2 * q + 1] = low + 1 < n_global ? low + 1 : low;
    }
    for (int32_t f = 0; f < set->d; f++) {
        for (int64_t at = 0; at < set->n_local; at += STRATA_VALUES_BLOCK) {
            const int64_t n = strata_values_block(set->n_local, at);
            const double *x = strata_values_read(&set->feature[f], at, n, buffer);
            for (int64_t i = 0; i < n; i++)
                order[at + i] = to_order(transformed(scaler->transform, x[i]));
        }
        STRATA_TRY(strata_par_select(ctx, order, set->n_local, positions, 6, selected));
        for (int q = 0; q < 3; q++)
            quartile[q] = between(from_order(selected[2 * q]), from_order(selected[2 * q + 1]),
                                  (int64_t)((__int128)(n_global - 1) * (q + 1) % 4));
        scaler->center[f] = quartile[1];
        scaler->scale[f] = quartile[2] - quartile[0];
    }
done:
    strata_free(&order);
    return rc;
}

/* The smallest g that puts the largest value inside the grid, and squares of steps within doubles. */
static int32_t exponent_for(const strata_scaler *scaler, const double *largest)
{
    double all = 0;
    for (int32_t f = 0; f < scaler->d; f++)
        all = fmax(all, transformed(scaler->transform, largest[f]));
    if (all <= 0)
        return fine_exponent;
    int exponent = 0;
    frexp(all, &exponent); /* all < 2^exponent */
    int32_t g = exponent - grid_bits > finest_exponent ? exponent - grid_bits : finest_exponent;
    /* just below a power of two the value may round up to the edge */
    if (rint(ldexp(all, -g)) >= ldexp(1, grid_bits))
        g++;
    return g;
}

static strata_status allocate(strata_context *ctx, int32_t d, strata_scaler *scaler)
{
    strata_status rc = STRATA_OK;
    STRATA_TRY(strata_calloc(ctx, d, sizeof *scaler->center, &scaler->center));
    STRATA_TRY(strata_calloc(ctx, d, sizeof *scaler->scale, &scaler->scale));
    STRATA_TRY(strata_calloc(ctx, d, sizeof *scaler->limited, &scaler->limited));
    for (int32_t f = 0; f < d; f++)
        scaler->scale[f] = 1;
done:
    return rc;
}

strata_status strata_scaler_fit_set(strata_context *ctx, const strata_feature_set *set,
                                    strata_transform transform, strata_scale scale,
                                    strata_scaler *out)
{
    strata_status rc = STRATA_OK;
    double largest[STRATA_FEATURES_MAX];
    int64_t n_global = 0;
    strata_scaler made = {
        .d = set->d, .transform = transform, .scale_kind = scale, .step_exponent = fine_exponent};
    if (set->d < 1 || set->d > STRATA_FEATURES_MAX)
        STRATA_FAIL(ctx, STRATA_ERR_USAGE, "%d features, but 1 to %d are possible", (int)set->d,
                    STRATA_FEATURES_MAX);
    STRATA_AGREE(ctx, allocate(ctx, set->d, &made));
    STRATA_TRY(strata_values_largest(ctx, set, largest, &n_global));
    if (scale == STRATA_SCALE_NONE)
        made.step_exponent = exponent_for(&made, largest);
    else if (n_global > 0 && scale == STRATA_SCALE_ZSCORE)
        STRATA_TRY(fit_zscore(ctx, set, largest, &made));
    else if (n_global > 0)
        STRATA_TRY(fit_robust(ctx, set, n_global, &made));
    for (int32_t f = 0; f < set->d; f++)
        if (!(made.scale[f] > 0 && made.scale[f] < INFINITY))
            made.scale[f] = 1;
    *out = made;
    memset(&made, 0, sizeof made);
done:
    strata_scaler_release(&made);
    return rc;
}

/* ---- apply ----------------------------------------------------------------------------------- */

/* One block of one feature onto the grid; returns how many values were limited. */
static int64_t snap(const strata_scaler *scaler, int32_t f, const double *x, int64_t n,
                    float *steps)
{
    const double center = scaler->center[f], scale = scaler->scale[f];
    const double per_step = ldexp(1, -scaler->step_exponent);
    const double edge = (double)((1 << grid_bits) - 1), beyond = edge + 1;
    const double magic = 6755399441055744.0; /* 1.5 * 2^52: adding it rounds half to even */
    double t[STRATA_VALUES_BLOCK];
    int64_t limited = 0;
    for (int64_t i = 0; i < n; i++)
        t[i] = transformed(scaler->transform, x[i]);
    for (int64_t i = 0; i < n; i++) {
        double scaled = (t[i] - center) / scale * per_step;
        scaled = scaled < beyond ? scaled : beyond;
        scaled = scaled > -beyond ? scaled : -beyond;
        double step = (scaled + magic) - magic;
        limited += step > edge || step < -edge;
        step = step < edge ? step : edge;
        step = step > -edge ? step : -edge;
        steps[i] = (float)step;
    }
    return limited;
}

strata_status strata_scaler_apply_set(strata_context *ctx, strata_scaler *scaler,
                                      const strata_feature_set *set, strata_points *points)
{
    strata_status rc = STRATA_OK;
    double buffer[STRATA_VALUES_BLOCK], largest[STRATA_FEATURES_MAX];
    int64_t limited[STRATA_FEATURES_MAX] = {0}, n_global = 0;
    strata_points made = {.n_local = set->n_local, .d = set->d};
    if (set->d != scaler->d)
        STRATA_FAIL(ctx, STRATA_ERR_INTERNAL, "%d features for a scaler of %d", (int)set->d,
                    (int)scaler->d);
    made.stride = (set->n_local + stride_multiple - 1) / stride_multiple * stride_multiple;
    made.step_exponent = scaler->step_exponent;
    STRATA_TRY(strata_values_largest(ctx, set, largest, &n_global));
    STRATA_AGREE(ctx, strata_alloc(ctx, made.stride * set->d, sizeof *made.steps, &made.steps));
    for (int32_t f = 0; f < set->d; f++) {
        float *steps = made.steps + f * made.stride;
        for (int64_t at = 0; at < set->n_local; at += STRATA_VALUES_BLOCK) {
            const int64_t n = strata_values_block(set->n_local, at);
            const double *x = strata_values_read(&set->feature[f], at, n, buffer);
            limited[f] += snap(scaler, f, x, n, steps + at);
        }
        for (int64_t i = set->n_local; i < made.stride; i++)
            steps[i] = 0;
    }
    STRATA_TRY(strata_par_allreduce_i64(ctx, limited, set->d, STRATA_SUM));
    memcpy(scaler->limited, limited, (size_t)set->d * sizeof *limited);
    *points = made;
    memset(&made, 0, sizeof made);
done:
    strata_points_release(&made);
    return rc;
}

/* ---- columns of doubles ---------------------------------------------------------------------- */

typedef struct numbered {
    strata_feature_set set;
    char names[STRATA_FEATURES_MAX][4];
} numbered;

static strata_status number(strata_context *ctx, int64_t n_local, int32_t d, const double *const *x,
                            numbered *out)
{
    if (d < 1 || d > STRATA_FEATURES_MAX)
        return strata_context_fail(ctx, STRATA_ERR_USAGE, __FILE__, __LINE__,
                                   "%d features, but 1 to %d are possible", (int)d,
                                   STRATA_FEATURES_MAX);
    out->set.n_local = n_local;
    out->set.d = d;
    for (int32_t f = 0; f < d; f++) {
        snprintf(out->names[f], sizeof out->names[f], "%d", (int)((f + 1) % 1000));
        out->set.feature[f] = (strata_feature){out->names[f], STRATA_F64, x[f]};
    }
    return STRATA_OK;
}

strata_status strata_scaler_fit(strata_context *ctx, int64_t n_local, int32_t d,
                                const double *const *x, strata_transform transform,
                                strata_scale scale, strata_scaler *out)
{
    strata_status rc = STRATA_OK;
    numbered columns;
    STRATA_TRY(number(ctx, n_local, d, x, &columns));
    STRATA_TRY(strata_scaler_fit_set(ctx, &columns.set, transform, scale, out));
done:
    return rc;
}

strata_status strata_scaler_apply(strata_context *ctx, strata_scaler *scaler, int64_t n_local,
                                  const double *const *x, strata_points *points)
{
    strata_status rc = STRATA_OK;
    numbered columns;
    STRATA_TRY(number(ctx, n_local, scaler->d, x, &columns));
    STRATA_TRY(strata_scaler_apply_set(ctx, scaler, &columns.set, points));
done:
    return rc;
}

double strata_scaler_original(const strata_scaler *scaler, int32_t f, double steps)
{
    const double t = ldexp(steps, scaler->step_exponent) * scaler->scale[f] + scaler->center[f];
    return scaler->transform == STRATA_TRANSFORM_LOG1P ? strata_expm1_signed(t) : t;
}

void strata_scaler_release(strata_scaler *scaler)
{
    strata_free(&scaler->center);
    strata_free(&scaler->scale);
    strata_free(&scaler->limited);
    scaler->d = 0;
}

void strata_points_release(strata_points *points)
{
    strata_free(&points->steps);
    points->n_local = 0;
}
