/* select.h: the parts of the choice of k. */
#ifndef STRATA_CLUSTER_SELECT_H
#define STRATA_CLUSTER_SELECT_H

#include "cluster/problem.h"

enum {
    STRATA_POOL = 32768, /* rows that silhouette and stability look at, at most */
    STRATA_SAMPLE = 2048 /* of those, rows of the silhouette */
};

/* Rows drawn by hash, alike on every rank, in rising order of their random number. */
typedef struct strata_pool {
    strata_context alone; /* serial */
    strata_points points; /* [n_local] of the pool; steps and key64 owned */
    strata_problem problem;
} strata_pool;

/* Collective. */
strata_status strata_pool_draw(const strata_problem *problem, uint64_t seed,
                               strata_pool *out) STRATA_MUST_USE;
void strata_pool_release(strata_pool *pool);

/* Collective. Calinski-Harabasz, Davies-Bouldin and simplified silhouette from all rows. */
strata_status strata_judge_rows(const strata_problem *problem, const strata_clustering *clustering,
                                strata_k_row *row) STRATA_MUST_USE;

/* Not collective, the same on every rank. Silhouette and its standard error. */
strata_status strata_judge_silhouette(strata_context *ctx, const strata_pool *pool,
                                      const strata_clustering *clustering,
                                      strata_k_row *row) STRATA_MUST_USE;

/* Collective: the replicates are dealt out over the ranks. */
strata_status strata_judge_stability(strata_context *ctx, const strata_pool *pool,
                                     const strata_clustering *clustering,
                                     const strata_k_options *options,
                                     strata_k_row *row) STRATA_MUST_USE;

#endif
