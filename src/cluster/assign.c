/* assign.c: labels of points under centroids that do not move. */
#include "cluster/problem.h"
#include "strata/memory.h"
#include "strata/par.h"

strata_status strata_cluster_label(const strata_problem *p, int32_t k, const int32_t *centroids,
                                   int16_t *labels, double *distance)
{
    strata_status rc = STRATA_OK;
    strata_screen screen = {0};
    STRATA_AGREE(p->ctx, strata_screen_init(p->ctx, k, p->d, &screen));
    strata_screen_set(&screen, centroids, NULL, k, p->origin, strata_exact_form(p, k, NULL));
    for (int64_t tile = 0; tile < p->n_tiles; tile++) {
        _Alignas(64) uint8_t found[STRATA_TILE];
        int64_t first = tile * STRATA_TILE, points = strata_tile_points(p, tile);
        (void)strata_exact_tile(p, &screen, tile, found, NULL);
        for (int64_t i = 0; i < points; i++)
            labels[first + i] = found[i];
        for (int64_t i = first; i < first + points && distance; i++)
            distance[i] = strata_exact_scaled(
                strata_exact_distance(p, i, centroids + (int64_t)labels[i] * p->d),
                p->step_exponent);
    }
done:
    strata_screen_release(&screen);
    return rc;
}

static strata_status check_centroids(strata_context *ctx, int32_t k, int32_t d,
                                     const int32_t *centroids)
{
    strata_status rc = STRATA_OK;
    if (k < 1 || k > STRATA_K_MAX)
        STRATA_FAIL(ctx, STRATA_ERR_USAGE, "there must be 1 to %d centroids, not %d",
                    (int)STRATA_K_MAX, (int)k);
    for (int64_t v = 0; v < (int64_t)k * d; v++)
        if (centroids[v] <= -STRATA_GRID_LIMIT || centroids[v] >= STRATA_GRID_LIMIT)
            STRATA_FAIL(ctx, STRATA_ERR_INPUT, "centroid %lld lies outside the grid",
                        (long long)(v / d));
done:
    return rc;
}

strata_status strata_cluster_assign(strata_context *ctx, const strata_points *points, int32_t k,
                                    const int32_t *centroids, int16_t *labels, double *distance)
{
    strata_status rc = STRATA_OK;
    strata_problem problem = {0};
    STRATA_AGREE(ctx, check_centroids(ctx, k, points->d, centroids));
    STRATA_TRY(strata_problem_init(ctx, points, NULL, NULL, &problem));
    STRATA_TRY(strata_cluster_label(&problem, k, centroids, labels, distance));
done:
    strata_problem_release(&problem);
    return rc;
}
