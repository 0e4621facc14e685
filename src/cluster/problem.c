#include "cluster/distinct.h"
#include "cluster/draws.h"
#include "cluster/order.h"

#include <math.h>
#include <string.h>

#include "strata/memory.h"
#include "strata/par.h"

static strata_status check_points(strata_context *ctx, const strata_points *points,
                                  const strata_kernel *kernel, const char *name)
{
    strata_status rc = STRATA_OK;
    if (points->d < 1 || points->d > STRATA_D_MAX)
        STRATA_FAIL(ctx, STRATA_ERR_USAGE, "clustering takes 1 to %d features, not %d",
                    (int)STRATA_D_MAX, (int)points->d);
    if (!kernel)
        STRATA_FAIL(
            ctx, STRATA_ERR_USAGE,
            "kernel '%s' is unknown or not for this processor; use auto, avx512vnni, avx512, "
            "avx2 or plain",
            name);
    if (points->n_local < 0 || points->stride < points->n_local ||
        points->stride % STRATA_BLOCK != 0)
        STRATA_FAIL(ctx, STRATA_ERR_INTERNAL, "points: %lld rows with a stride of %lld",
                    (long long)points->n_local, (long long)points->stride);
done:
    return rc;
}

/* A place in the middle of this rank's points, on the grid. Any value gives the same labels; a
 * good one keeps the screen's error small, so a floating mean of some points is enough. */
static void find_origin(strata_problem *p)
{
    const int64_t step = p->n_local / 16384 + 1;
    for (int32_t f = 0; f < p->d; f++) {
        const float *row = p->x + f * p->stride;
        double sum = 0, count = 0;
        for (int64_t i = 0; i < p->n_local; i += step) {
            sum += (double)row[i];
            count++;
        }
        double mean = count > 0 ? rint(sum / count) : 0;
        p->origin[f] = fabs(mean) < STRATA_GRID_LIMIT ? (float)mean : 0.0f; /* NaN: 0 */
    }
}

static strata_status check_tile(const strata_problem *p, int64_t first, int64_t points)
{
    for (int32_t f = 0; f < p->d; f++) {
        const float *row = p->x + f * p->stride + first;
        if (p->kernel->on_grid(row, points))
            continue;
        for (int64_t i = 0; i < points; i++)
            if (!(fabsf(row[i]) < STRATA_GRID_LIMIT))
                return strata_context_fail(
                    p->ctx, STRATA_ERR_INPUT, __FILE__, __LINE__,
                    "feature %d of row %lld is not on the grid (NaN, infinite or too large)",
                    (int)f, (long long)(p->first_row + first + i));
    }
    return STRATA_OK;
}

float strata_problem_radius(const strata_problem *p, int64_t tile)
{
    int32_t origin[STRATA_D_MAX];
    int64_t distance[STRATA_TILE], largest = 0;
    const int64_t points = strata_tile_points(p, tile);
    for (int32_t f = 0; f < p->d; f++)
        origin[f] = (int32_t)p->origin[f];
    p->kernel->distances(p->x + tile * STRATA_TILE, p->stride, strata_tile_padded(points), p->d,
                         origin, distance);
    for (int64_t i = 0; i < points; i++)
        largest = distance[i] > largest ? distance[i] : largest;
    return (float)(sqrt((double)largest) * (1 + 1e-6));
}

/* Sums of weight times value stay below 2^62. */
static const int64_t weight_limit = INT64_C(1) << 38;

static strata_status check_weights(const strata_problem *p)
{
    for (int64_t i = 0; i < p->n_local && p->weights; i++)
        if (p->weights[i] < 0 || p->weights[i] >= weight_limit)
            return strata_context_fail(p->ctx, STRATA_ERR_INPUT, __FILE__, __LINE__,
                                       "the weight of row %lld is %lld, not from 0 to below 2^38",
                                       (long long)(p->first_row + i), (long long)p->weights[i]);
    return STRATA_OK;
}

/* One look at the points: are they on the grid, how far from the origin does each tile reach,
 * and the sum of squares. A tile's sum stays below 2^64: 1024 times 64 squares below 2^48. */
static strata_status survey(strata_problem *p, __int128 *squares)
{
    const int32_t zero[STRATA_D_MAX] = {0};
    for (int64_t t = 0; t < p->n_tiles; t++) {
        int64_t distance[STRATA_TILE];
        int64_t points = strata_tile_points(p, t), first = t * STRATA_TILE;
        uint64_t sum = 0;
        strata_status rc = check_tile(p, first, points);
        if (rc != STRATA_OK)
            return rc;
        p->radius[t] = strata_problem_radius(p, t);
        p->kernel->distances(p->x + first, p->stride, strata_tile_padded(points), p->d, zero,
                             distance);
        for (int64_t i = 0; i < points && !p->weights; i++)
            sum += (uint64_t)distance[i];
        for (int64_t i = 0; i < points && p->weights; i++)
            *squares += (__int128)distance[i] * p->weights[first + i];
        *squares += (__int128)sum;
    }
    return STRATA_OK;
}

/* Collective. */
static strata_status add_over_ranks(strata_problem *p, __int128 squares)
{
    strata_status rc = STRATA_OK;
    __int128 totals[2] = {squares, p->weights ? 0 : p->n_local};
    for (int64_t i = 0; i < p->n_local && p->weights; i++)
        totals[1] += p->weights[i];
    STRATA_TRY(strata_par_allreduce_i128(p->ctx, totals, 2));
    if (totals[1] >= weight_limit)
        STRATA_FAIL(p->ctx, STRATA_ERR_INPUT,
                    "the rows weigh %.0f together; clustering takes less than 2^38",
                    (double)totals[1]);
    p->squares = totals[0];
    p->weight_global = (int64_t)totals[1];
done:
    return rc;
}

/* Collective. What decisions that all ranks must take alike may look at: nodes and ranks differ. */
static strata_status compare_ranks(strata_problem *p)
{
    strata_status rc = STRATA_OK;
    int64_t most[2] = {p->n_local, p->kernel->coarse == NULL};
    STRATA_TRY(strata_par_allreduce_i64(p->ctx, most, 2, STRATA_MAX));
    p->largest_local = most[0];
    p->coarse = most[1] == 0;
done:
    return rc;
}

/* Collective. How many distinct rows there are, each rank by itself, so that the variant merge knows
 * what it would gain: from 4096 rows a rank; where at least a tenth of the rows seem to have equals, from
 * 65536 again, as a small sample misses equals. Continuous data never comes to the second look. */
static strata_status estimate_distinct(strata_problem *p)
{
    strata_status rc = STRATA_OK;
    for (int64_t limit = 4096; limit <= 65536; limit *= 16) {
        int64_t about = 0;
        STRATA_AGREE(p->ctx, strata_distinct_estimate(p, limit, &about));
        STRATA_TRY(strata_par_allreduce_i64(p->ctx, &about, 1, STRATA_SUM));
        p->distinct_about = about;
        if (about > p->n_global / 10 * 9)
            break;
    }
done:
    return rc;
}

/* Not collective. What hangs on the points alone. */
static strata_status prepare(strata_problem *p)
{
    strata_status rc = STRATA_OK;
    p->n_tiles = (p->n_local + STRATA_TILE - 1) / STRATA_TILE;
    STRATA_TRY(strata_alloc(p->ctx, p->n_tiles, sizeof *p->radius, &p->radius));
    STRATA_TRY(strata_calloc(p->ctx, 1, sizeof *p->order, &p->order));
    STRATA_TRY(strata_calloc(p->ctx, 1, sizeof *p->distinct, &p->distinct));
    STRATA_TRY(strata_calloc(p->ctx, 1, sizeof *p->draws, &p->draws));
    find_origin(p);
done:
    return rc;
}

strata_status strata_problem_view(const strata_problem *problem, int64_t n, int64_t stride,
                                  const float *x, const int64_t *weights, strata_problem *out)
{
    strata_status rc = STRATA_OK;
    __int128 squares = 0;
    strata_problem view = {.ctx = problem->ctx,
                           .n_local = n,
                           .n_global = n,
                           .largest_local = n,
                           .coarse = problem->coarse,
                           .d = problem->d,
                           .stride = stride,
                           .x = x,
                           .weights = weights,
                           .step_exponent = problem->step_exponent,
                           .kernel = problem->kernel};
    STRATA_TRY(prepare(&view));
    STRATA_TRY(survey(&view, &squares));
    *out = view;
    view = (strata_problem){0};
done:
    strata_problem_release(&view);
    return rc;
}

strata_status strata_problem_init(strata_context *ctx, const strata_points *points,
                                  const int64_t *weights, const char *kernel, strata_problem *out)
{
    strata_status rc = STRATA_OK;
    strata_problem p = {.ctx = ctx,
                        .n_local = points->n_local,
                        .d = points->d,
                        .stride = points->stride,
                        .x = points->steps,
                        .weights = weights,
                        .key64 = points->key64,
                        .step_exponent = points->step_exponent,
                        .kernel = strata_kernel_find(kernel)};
    STRATA_AGREE(ctx, check_points(ctx, points, p.kernel, kernel));
    STRATA_TRY(strata_par_exscan_i64(ctx, p.n_local, &p.first_row, &p.n_global));
    STRATA_AGREE(ctx, prepare(&p));
    __int128 squares = 0;
    STRATA_AGREE(ctx, check_weights(&p));
    STRATA_AGREE(ctx, survey(&p, &squares));
    STRATA_TRY(add_over_ranks(&p, squares));
    STRATA_TRY(compare_ranks(&p));
    STRATA_TRY(estimate_distinct(&p));
    *out = p;
    p = (strata_problem){0};
done:
    strata_problem_release(&p);
    return rc;
}

void strata_problem_forget(const strata_problem *problem)
{
    if (problem->order)
        strata_order_destroy(problem->order);
    if (problem->distinct)
        strata_distinct_destroy(problem->distinct);
}

void strata_problem_release(strata_problem *problem)
{
    strata_problem_forget(problem);
    strata_free(&problem->radius);
    strata_free(&problem->order);
    strata_free(&problem->distinct);
    strata_draws_destroy(&problem->draws);
}
