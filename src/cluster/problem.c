#include "cluster/problem.h"

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
        STRATA_FAIL(ctx, STRATA_ERR_USAGE,
                    "kernel '%s' is unknown or not for this processor; use auto, avx512, avx2 or plain",
                    name);
    if (points->n_local < 0 || points->stride < points->n_local ||
        points->stride % STRATA_BLOCK != 0)
        STRATA_FAIL(ctx, STRATA_ERR_INTERNAL, "points: %lld rows with a stride of %lld",
                    (long long)points->n_local, (long long)points->stride);
done:
    return rc;
}

/* A place in the middle of this rank's points, on the grid. Any value gives the same labels; a good one
 * keeps the screen's error small, so a floating mean is enough. */
static void find_origin(strata_problem *p)
{
    for (int32_t f = 0; f < p->d; f++) {
        const float *row = p->x + f * p->stride;
        double sum = 0;
        for (int64_t i = 0; i < p->n_local; i++)
            sum += (double)row[i];
        p->origin[f] = p->n_local > 0 ? rintf((float)(sum / (double)p->n_local)) : 0.0f;
    }
}

static strata_status measure_tiles(strata_problem *p)
{
    for (int64_t t = 0; t < p->n_tiles; t++) {
        int64_t points = strata_tile_points(p, t), first = t * STRATA_TILE;
        double squared[STRATA_TILE] = {0}, largest = 0;
        for (int32_t f = 0; f < p->d; f++) {
            const float *row = p->x + f * p->stride + first;
            const double origin = (double)p->origin[f];
            for (int64_t i = 0; i < points; i++) {
                double apart = (double)row[i] - origin;
                squared[i] += apart * apart;
                if (!(fabs((double)row[i]) < STRATA_GRID_LIMIT))
                    return strata_context_fail(
                        p->ctx, STRATA_ERR_INPUT, __FILE__, __LINE__,
                        "feature %d of row %lld is not on the grid (NaN, infinite or too large)",
                        (int)f, (long long)(p->first_row + first + i));
            }
        }
        for (int64_t i = 0; i < points; i++)
            largest = squared[i] > largest ? squared[i] : largest;
        p->radius[t] = (float)(sqrt(largest) * (1 + 1e-6));
    }
    return STRATA_OK;
}

static strata_status sum_squares(strata_problem *p)
{
    __int128 totals[2] = {0, 0};
    for (int64_t i = 0; i < p->n_local; i++) {
        int64_t squared = 0, weight = strata_problem_weight(p, i);
        for (int32_t f = 0; f < p->d; f++) {
            int64_t value = (int64_t)p->x[f * p->stride + i];
            squared += value * value;
        }
        totals[0] += (__int128)squared * weight;
        totals[1] += weight;
    }
    strata_status rc = strata_par_allreduce_i128(p->ctx, totals, 2);
    p->squares = totals[0];
    p->weight_global = (int64_t)totals[1];
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
    p.n_tiles = (p.n_local + STRATA_TILE - 1) / STRATA_TILE;
    STRATA_AGREE(ctx, strata_alloc(ctx, p.n_tiles, sizeof *p.radius, &p.radius));
    find_origin(&p);
    STRATA_AGREE(ctx, measure_tiles(&p));
    STRATA_TRY(sum_squares(&p));
    *out = p;
    p.radius = NULL;
done:
    strata_problem_release(&p);
    return rc;
}

void strata_problem_release(strata_problem *problem)
{
    strata_free(&problem->radius);
}
