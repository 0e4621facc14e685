/* cluster.h: the clustering room. Exact distributed K-means on grid points.
 *
 * The contract (same bits for every rank count, batch size, processor and exact variant):
 *   labels      the nearest centroid in exact integer arithmetic, the lowest index on a tie: while
 *               centroids move by the order of seeding, at last by the order that is published
 *   centroids   round_half_even(sum / count) on the grid. While they move, labels go by the means to
 *               the 65536th part of a step: rounded ones would lead long walks of many points away
 *               from those in real numbers. The labels returned are by the centroids on the grid
 *   end         when no label changes, or after max_iterations
 *   empty       an empty cluster takes the point farthest from its centroid (ties: smallest global row)
 *   randomness  a function of (seed, purpose, row key, round); never of rank or row order
 */
#ifndef STRATA_CLUSTER_H
#define STRATA_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>

#include "strata/context.h"
#include "strata/features.h"

/* Lower bounds that a variant keeps of each point. */
typedef enum strata_bounds_kept {
    STRATA_BOUNDS_NONE,
    STRATA_BOUNDS_SIXTEENTH, /* one for each sixteen centroids */
    STRATA_BOUNDS_EACH       /* one for each centroid */
} strata_bounds_kept;

/* One way to find the labels. All exact ones give the same bits in everything but time and
 * memory. */
typedef struct strata_cluster_variant {
    const char *name;
    bool exact;               /* false: the centroids may differ from lloyd's; the labels are still the
                                 nearest of them, and every partition has the same bits */
    int32_t bytes_per_point;   /* see strata_cluster_variant_bytes */
    int32_t bytes_per_point_d; /* for each feature */
    strata_bounds_kept bounds;
    const char *keeps;  /* what it keeps from one iteration to the next */
    const char *regime; /* where it pays */
    int32_t d_min, d_max, k_min; /* outside it runs too, with a note */
} strata_cluster_variant;

/* The table of variants, lloyd first. Not collective. NULL beyond the end. */
int32_t strata_cluster_variant_count(void);
const strata_cluster_variant *strata_cluster_variant_at(int32_t index);

/* Not collective. Bytes of memory that a variant takes for each point of d features and k clusters,
 * beside the 4 d of the points and the labels that are returned; of merge without its distinct rows. */
int64_t strata_cluster_variant_bytes(const strata_cluster_variant *variant, int32_t k, int32_t d);

/* Not collective. The kernel that options.kernel = name means on this processor ("avx512vnni",
 * "avx512", "avx2", "plain"); NULL when the name is unknown or the processor cannot run it. Static
 * text. */
const char *strata_cluster_kernel(const char *name);

/* How a restart's starting centroids are found (init); all are weighted:
 *   kmeans_parallel   k-means|| (Bahmani et al. 2012, doi 10.14778/2180912.2180915): five rounds draw some
 *                     10 k rows in all; these, weighted by the rows next to them, are clustered by k-means++,
 *                     then by swaps of any centre for any of them (Schubert & Rousseeuw 2021, doi
 *                     10.1016/j.is.2021.101804), then by Lloyd's steps
 *   kmeans_plus_plus  greedy k-means++ (Arthur & Vassilvitskii 2007) on all rows
 *   random            the k rows with the smallest random numbers
 *   centroids         those that are given
 *
 * Fields that are not named in an initialiser (weights, kernel) keep their usual meaning as 0. */
typedef struct strata_cluster_options {
    int32_t k;              /* 1..256 */
    const char *init;       /* kmeans_parallel | kmeans_plus_plus | random | centroids */
    const char *variant;    /* auto or a name of the table above */
    const int32_t *start;   /* [k, d] grid steps, with init = centroids (which runs one restart) */
    int32_t restarts;       /* >= 1; the best inertia wins, the first of equals */
    int32_t max_iterations; /* >= 0: how often the centroids may move; 0 = label by the start only */
    uint64_t seed;
    const int64_t *weights; /* [n_local] >= 0, how often each row counts, below 2^38 in all; NULL =
                               once. Borrowed */
    const char *kernel;     /* NULL or auto: the best for this processor; or a name of those above */
} strata_cluster_options;

typedef struct strata_iteration {
    int32_t restart;
    int32_t iteration; /* how often the centroids had moved before these labels were found */
    double inertia;    /* scaled units, of these labels and the centroids that gave them */
    int64_t moved;     /* rows whose label changed; all of them in iteration 0 */
    /* (minibatch: of a batch, its inertia scaled up to all rows; the last one is of all rows) */
    /* What it took this rank; measurements, no part of the result. */
    double seconds;          /* from the end of the iteration before (0: from the start of the walk) */
    int64_t distances_local; /* distances from points and boxes to centroids; 0 = not counted */
} strata_iteration;

typedef struct strata_clustering {
    int32_t k, d;
    int32_t *centroids; /* [k, d] grid steps; owned */
    int16_t *labels;    /* [n_local], 0..k-1, in order of the seeding; owned */
    int64_t *sizes;     /* [k] global, weighted; owned */
    double *inertias;   /* [k] scaled units, per cluster; owned */
    double inertia;     /* scaled units */
    int32_t iterations; /* of the winning restart: how often its centroids moved */
    bool converged;     /* its last labels were those before */
    int32_t restart; /* which one won */
    const char *variant; /* the one that ran; static text */
    bool exact;          /* what the table says of it */
    char reason[160];    /* why auto chose it, or a note */
    strata_iteration *history; /* [n_history], all restarts; owned */
    int64_t n_history;
    int64_t allreduce_bytes, allreduce_calls; /* in the iterations, over all restarts */
    int64_t redecided_local; /* labels that integers had to decide, of this rank, over all restarts */
} strata_clustering;

/* Collective. The labels are always the nearest of the returned centroids. Iteration: label by
 * the means (at first the starting centroids), move them, until no label changes or max_iterations
 * moves were made; one allreduce of 8 (k (d + 1) + 2) bytes each (plus one gather when a cluster is empty).
 * Memory a point: 4 d of the points + 2 with lloyd. STRATA_ERR_INPUT when there are no points, one
 * is off the grid or weights are, STRATA_ERR_USAGE for k, d or names out of range. With fewer distinct
 * points than k the surplus clusters end empty (size 0, their centroid kept) and that is not an
 * error. */
strata_status strata_cluster_fit(strata_context *ctx, const strata_points *points,
                                 const strata_cluster_options *options, strata_clustering *out)
    STRATA_MUST_USE;

/* Points prepared once for many fits: their checks and the space order are shared. */
typedef struct strata_problem strata_cluster_problem;

/* Collective. points and weights [n_local] (NULL = once each) are borrowed until the close; kernel as in
 * the options. *out: strata_cluster_close. Statuses as of the fit. */
strata_status strata_cluster_open(strata_context *ctx, const strata_points *points,
                                  const int64_t *weights, const char *kernel,
                                  strata_cluster_problem **out) STRATA_MUST_USE;
/* Collective. strata_cluster_fit on opened points; weights and kernel of the options are not looked
 * at. */
strata_status strata_cluster_fit_open(const strata_cluster_problem *problem,
                                      const strata_cluster_options *options,
                                      strata_clustering *out) STRATA_MUST_USE;
/* Not collective. Safe on NULL and twice. */
void strata_cluster_close(strata_cluster_problem **problem);

/* Collective. Labels [n_local] of points under given centroids [k, d], and each point's squared
 * distance to its own in scaled units (distance may be NULL). Exact like the fit. */
strata_status strata_cluster_assign(strata_context *ctx, const strata_points *points, int32_t k,
                                    const int32_t *centroids, int16_t *labels, double *distance)
    STRATA_MUST_USE;

/* Collective. Renumbers the clusters of a fit of points without weights by falling mean of a value (exact;
 * empty ones last, equal means by the old number): centroids, labels, sizes and inertias. Then points
 * that are as near to another centroid go to the one with the lowest new number, so that the labels are
 * what strata_cluster_assign says of the new centroids. sums [k]: of the value over this rank's rows of
 * each cluster, over all ranks below 2^127; used up. */
strata_status strata_clustering_order(strata_context *ctx, const strata_points *points,
                                      __int128 *sums, strata_clustering *clustering) STRATA_MUST_USE;

/* Not collective. Distance of each point to the centroid of its label, scaled units, [n_local].
 * Exact integers up to one square root. O(n_local d). */
void strata_clustering_distances(const strata_points *points, const strata_clustering *clustering,
                                 double *distance);

/* Not collective. Safe twice. */
void strata_clustering_release(strata_clustering *clustering);

/* ---- choice of k ----------------------------------------------------------------------------- */

typedef struct strata_k_options {
    int32_t k_min, k_max;       /* 2 <= k_min <= k_max <= 256 */
    int32_t k;                  /* the user's k, which wins (k_min..k_max); 0 = choose */
    strata_cluster_options fit; /* its k, start and weights are not used; init not centroids */
    int32_t replicates;         /* bootstrap replicates, >= 1 (20 is usual) */
    double min_share;           /* a cluster holds at least this share of the rows (0.01) */
    int64_t min_size;           /* and more rows than this */
    double min_stability;       /* and its mean Jaccard is at least this (0.75) */
} strata_k_options;

/* One row of the k_selection table. */
typedef struct strata_k_row {
    int32_t k;
    double inertia;               /* scaled units */
    double calinski_harabasz;     /* larger is better; infinite without spread inside clusters */
    double davies_bouldin;        /* smaller is better */
    double simplified_silhouette; /* by distances to centroids, all rows; reads high */
    double silhouette;            /* true silhouette on a sample stratified by cluster */
    double silhouette_error;      /* its standard error */
    double stability;             /* mean Jaccard of the least stable cluster */
    int64_t smallest;             /* rows of the smallest cluster */
    bool stable;                  /* every cluster is */
    bool eligible;                /* and large enough */
    bool chosen;
} strata_k_row;

typedef struct strata_k_selection {
    strata_k_row *rows; /* [n] by rising k; owned */
    int32_t n;
    int32_t k;          /* the chosen one */
    char reason[240];   /* one line */
    strata_clustering clustering; /* of the chosen k; owned */
} strata_k_selection;

/* Collective. Fits every k of the range on shared seeds and one space order, and judges them:
 * Calinski-Harabasz (doi 10.1080/03610927408827101), Davies-Bouldin (doi
 * 10.1109/TPAMI.1979.4766909) and the simplified silhouette over all rows; the silhouette (doi
 * 10.1016/0377-0427(87)90125-7) on up to 2048 rows, and stability (Hennig 2007, doi
 * 10.1016/j.csda.2006.11.025: bootstrap with Poisson(1) weights, mean of the best Jaccard
 * similarity of each cluster) on up to 32768 rows, both drawn by hash of the row key, all rows
 * when there are no more. The choice is the smallest eligible k whose silhouette lies within one
 * standard error of the best eligible one; without an eligible k the best silhouette, and the
 * reason says so. Same bits for every partition. STRATA_ERR_USAGE for a bad range. *out:
 * strata_k_selection_release. */
strata_status strata_cluster_select_k(strata_context *ctx, const strata_points *points,
                                      const strata_k_options *options,
                                      strata_k_selection *out) STRATA_MUST_USE;

/* Not collective. Safe twice. */
void strata_k_selection_release(strata_k_selection *selection);

#endif
