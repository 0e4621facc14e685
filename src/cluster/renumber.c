#include <math.h>
#include <string.h>

#include "cluster/problem.h"
#include "strata/memory.h"
#include "strata/par.h"

/* From a point to the centroid of its label, in steps; 64 features of 2^50 fit. */
static int64_t squared_distance(const strata_points *points, const strata_clustering *clustering,
                                int64_t i)
{
    const int32_t *centre = clustering->centroids + (int64_t)clustering->labels[i] * points->d;
    int64_t squares = 0;
    for (int32_t f = 0; f < points->d; f++) {
        const int64_t apart = (int64_t)points->steps[f * points->stride + i] - centre[f];
        squares += apart * apart;
    }
    return squares;
}

/* A mean as a whole number and a rest in 0..size - 1, both by floor division. */
typedef struct mean {
    __int128 whole, rest;
} mean;

static mean mean_of(__int128 sum, int64_t size)
{
    mean m = {.whole = sum / size, .rest = sum % size};
    if (m.rest < 0) {
        m.whole--;
        m.rest += size;
    }
    return m;
}

/* Is cluster a (of sums and sizes) to stand before b? By falling mean, empty clusters last, then by the
 * old number, so that the order is total. Rests are compared by cross products, below 2^126. */
static bool stands_before(const __int128 *sums, const int64_t *sizes, int32_t a, int32_t b)
{
    if ((sizes[a] == 0) != (sizes[b] == 0))
        return sizes[a] != 0;
    if (sizes[a] == 0)
        return a < b;
    const mean left = mean_of(sums[a], sizes[a]), right = mean_of(sums[b], sizes[b]);
    if (left.whole != right.whole)
        return left.whole > right.whole;
    const __int128 above = left.rest * sizes[b], below = right.rest * sizes[a];
    return above != below ? above > below : a < b;
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

/* Sizes and inertias of the clusters from the labels. */
static strata_status count_again(strata_context *ctx, const strata_points *points,
                                 strata_clustering *clustering)
{
    strata_status rc = STRATA_OK;
    __int128 totals[2 * STRATA_K_MAX] = {0};
    const int32_t k = clustering->k;
    for (int64_t i = 0; i < points->n_local; i++) {
        const int16_t label = clustering->labels[i];
        totals[label]++;
        totals[k + label] += squared_distance(points, clustering, i);
    }
    STRATA_TRY(strata_par_allreduce_i128(ctx, totals, 2 * k));
    for (int32_t j = 0; j < k; j++) {
        clustering->sizes[j] = (int64_t)totals[j];
        clustering->inertias[j] = strata_exact_scaled(totals[k + j], points->step_exponent);
    }
done:
    return rc;
}

/* Collective. Ties by the numbers that the clusters have now. */
static strata_status decide_ties(strata_context *ctx, const strata_points *points,
                                 strata_clustering *clustering)
{
    strata_status rc = STRATA_OK;
    int16_t *labels = NULL;
    int64_t changed = 0;
    STRATA_AGREE(ctx, strata_alloc(ctx, points->n_local, sizeof *labels, &labels));
    STRATA_TRY(strata_cluster_assign(ctx, points, clustering->k, clustering->centroids, labels, NULL));
    for (int64_t i = 0; i < points->n_local; i++)
        changed += labels[i] != clustering->labels[i];
    STRATA_TRY(strata_par_allreduce_i64(ctx, &changed, 1, STRATA_SUM));
    if (changed == 0)
        goto done;
    memcpy(clustering->labels, labels, (size_t)points->n_local * sizeof *labels);
    STRATA_TRY(count_again(ctx, points, clustering));
done:
    strata_free(&labels);
    return rc;
}

strata_status strata_clustering_order(strata_context *ctx, const strata_points *points,
                                      __int128 *sums, strata_clustering *clustering)
{
    strata_status rc = STRATA_OK;
    int32_t order[STRATA_K_MAX];
    STRATA_TRY(strata_par_allreduce_i128(ctx, sums, clustering->k));
    insertion_order(sums, clustering->sizes, clustering->k, order);
    STRATA_AGREE(ctx, apply_order(ctx, order, points->n_local, clustering));
    STRATA_TRY(decide_ties(ctx, points, clustering));
done:
    return rc;
}

void strata_clustering_distances(const strata_points *points, const strata_clustering *clustering,
                                 double *distance)
{
    const double step = ldexp(1.0, points->step_exponent);
    for (int64_t i = 0; i < points->n_local; i++)
        distance[i] = sqrt((double)squared_distance(points, clustering, i)) * step;
}
