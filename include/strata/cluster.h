/* cluster.h: the clustering room. Exact distributed K-means on grid points.
 *
 * The contract (same bits for every rank count, batch size, processor and exact variant):
 *   labels      the nearest centroid in exact integer arithmetic, the lowest index on a tie
 *   centroids   round_half_even(sum / count) on the grid
 *   end         when no label changes, or after max_iterations
 *   empty       an empty cluster takes the point farthest from its centroid (ties: smallest global row)
 *   randomness  a function of (seed, purpose, row key, round); never of rank or row order
 */
#ifndef STRATA_CLUSTER_H
#define STRATA_CLUSTER_H

#include <stdint.h>

#include "strata/context.h"
#include "strata/features.h"

typedef struct strata_cluster_options {
    int32_t k;              /* 1..256 */
    const char *init;       /* kmeans_parallel | kmeans_plus_plus | random | centroids */
    const char *variant;    /* auto or a name from strata_cluster_variants */
    const int32_t *start;   /* [k, d] grid steps, with init = centroids */
    int32_t restarts;       /* >= 1; the best inertia wins, the first of equals */
    int32_t max_iterations; /* >= 0; 0 = label by the start only */
    uint64_t seed;
} strata_cluster_options;

typedef struct strata_iteration {
    int32_t restart, iteration;
    double inertia; /* scaled units, of the labels found in this iteration */
    int64_t moved;  /* labels that changed */
} strata_iteration;

typedef struct strata_clustering {
    int32_t k, d;
    int32_t *centroids; /* [k, d] grid steps; owned */
    int16_t *labels;    /* [n_local], 0..k-1, in order of the seeding; owned */
    int64_t *sizes;     /* [k] global; owned */
    double *inertias;   /* [k] scaled units, per cluster; owned */
    double inertia;     /* scaled units */
    int32_t iterations; /* of the winning restart */
    bool converged;
    int32_t restart; /* which one won */
    const char *variant; /* the one that ran; static text */
    char reason[160];    /* why auto chose it, or a note */
    strata_iteration *history; /* [n_history], all restarts; owned */
    int64_t n_history;
    int64_t allreduce_bytes, allreduce_calls; /* in the iterations, over all restarts */
} strata_clustering;

/* Collective. STRATA_ERR_INPUT when there are no points; with fewer distinct points than k the surplus
 * clusters end empty (size 0, their centroid kept) and that is not an error. */
strata_status strata_cluster_fit(strata_context *ctx, const strata_points *points,
                                 const strata_cluster_options *options, strata_clustering *out)
    STRATA_MUST_USE;

/* Collective. Labels [n_local] of points under given centroids [k, d], and each point's squared
 * distance to its own in scaled units (distance may be NULL). Exact like the fit. */
strata_status strata_cluster_assign(strata_context *ctx, const strata_points *points, int32_t k,
                                    const int32_t *centroids, int16_t *labels, double *distance)
    STRATA_MUST_USE;

/* Not collective. Safe twice. */
void strata_clustering_release(strata_clustering *clustering);

#endif
