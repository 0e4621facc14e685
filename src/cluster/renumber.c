#include "strata/cluster.h"

#include <math.h>
#include <string.h>

#include "strata/memory.h"
#include "strata/par.h"

/* Is cluster a (of sums and sizes) to stand before b? By falling mean, empty clusters last, then
 * by the old number, so that the order is total. Means are compared by cross products in 128
 * bits: sums fit 64 bits (ingest bounds all money) and sizes 31. */
static bool stands_before(const __int128 *sums, const int64_t *sizes, int32_t a, int32_t b)
{
    if ((sizes[a] == 0) != (sizes[b] == 0))
        return sizes[a] != 0;
    __int128 left = sums[a] * sizes[b], right = sums[b] * sizes[a];
    return left != right ? left > right : a < b;
}

static void insertion_order(const __int128 *sums, const int64_t *sizes, int32_t k, int32_t *order)
{
    for (int32_t c = 0; c < k; c++) {
        int32_t at = c;
        while (at > 0 && stands_before(sums, sizes, c, order[at - 1])) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = c;
    }
}

/* Rewrites everything that is indexed by cluster: order[new] = old. */
static strata_status apply_order(strata_context *ctx, const int32_t *order, int64_t n_local,
                                 strata_clustering *clustering)
{
    strata_status rc = STRATA_OK;
    const int32_t k = clustering->k, d = clustering->d;
    int32_t *centroids = NULL;
    int64_t *sizes = NULL;
    double *inertias = NULL;
    int16_t *renamed = NULL;
    STRATA_TRY(strata_alloc(ctx, (int64_t)k * d, sizeof *centroids, &centroids));
    STRATA_TRY(strata_alloc(ctx, k, sizeof *sizes, &sizes));
    STRATA_TRY(strata_alloc(ctx, k, sizeof *inertias, &inertias));
    STRATA_TRY(strata_alloc(ctx, k, sizeof *renamed, &renamed));
    for (int32_t c = 0; c < k; c++) {
        const int32_t old = order[c];
        memcpy(centroids + (int64_t)c * d, clustering->centroids + (int64_t)old * d,
               (size_t)d * sizeof *centroids);
        sizes[c] = clustering->sizes[old];
        inertias[c] = clustering->inertias[old];
        renamed[old] = (int16_t)c;
    }
    memcpy(clustering->centroids, centroids, (size_t)((int64_t)k * d) * sizeof *centroids);
    memcpy(clustering->sizes, sizes, (size_t)k * sizeof *sizes);
    memcpy(clustering->inertias, inertias, (size_t)k * sizeof *inertias);
    for (int64_t i = 0; i < n_local; i++)
        clustering->labels[i] = renamed[clustering->labels[i]];
done:
    strata_free(&renamed);
    strata_free(&inertias);
    strata_free(&sizes);
    strata_free(&centroids);
    return rc;
}

strata_status strata_clustering_order(strata_context *ctx, int64_t n_local, const int64_t *value,
                                      strata_clustering *clustering)
{
    strata_status rc = STRATA_OK;
    __int128 *sums = NULL;
    int32_t *order = NULL;
    strata_status local = strata_calloc(ctx, clustering->k, sizeof *sums, &sums);
    if (local == STRATA_OK)
        local = strata_alloc(ctx, clustering->k, sizeof *order, &order);
    STRATA_AGREE(ctx, local);
    for (int64_t i = 0; i < n_local; i++)
        sums[clustering->labels[i]] += value[i];
    STRATA_TRY(strata_par_allreduce_i128(ctx, sums, clustering->k));
    insertion_order(sums, clustering->sizes, clustering->k, order);
    STRATA_AGREE(ctx, apply_order(ctx, order, n_local, clustering));
done:
    strata_free(&order);
    strata_free(&sums);
    return rc;
}

void strata_clustering_distances(const strata_points *points, const strata_clustering *clustering,
                                 double *distance)
{
    const double step = ldexp(1.0, points->step_exponent);
    for (int64_t i = 0; i < points->n_local; i++) {
        const int32_t *centre = clustering->centroids + (int64_t)clustering->labels[i] * points->d;
        int64_t squares = 0; /* 64 features of 2^50 fit */
        for (int32_t f = 0; f < points->d; f++) {
            int64_t difference = (int64_t)points->steps[f * points->stride + i] - centre[f];
            squares += difference * difference;
        }
        distance[i] = sqrt((double)squares) * step;
    }
}
