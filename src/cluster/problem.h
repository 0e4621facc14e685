/* problem.h: what the parts of the clustering room share: the points in tiles, the exact decisions,
 * and the interface that every variant implements. */
#ifndef STRATA_CLUSTER_PROBLEM_H
#define STRATA_CLUSTER_PROBLEM_H

#include "cluster/kernel.h"
#include "strata/cluster.h"

typedef unsigned __int128 strata_u128;

/* Points with what is computed once and shared by seeding, restarts and every k. */
typedef struct strata_problem {
    strata_context *ctx;
    int64_t n_local, n_global, first_row;
    int32_t d;
    int64_t stride;         /* multiple of STRATA_BLOCK */
    const float *x;         /* [d, stride], borrowed */
    const int64_t *weights; /* [n_local] >= 0, borrowed; NULL = 1 each */
    const uint64_t *key64;  /* [n_local], borrowed; NULL = the global row */
    int32_t step_exponent;
    const strata_kernel *kernel;
    int64_t n_tiles;
    float origin[STRATA_D_MAX];  /* this rank's; only screens use it */
    float *radius;               /* [n_tiles] upper bound of |x - origin|; owned */
    struct strata_order **order; /* space order, made on first use and shared; owned */
    struct strata_distinct **distinct; /* equal rows as one, likewise; owned */
    struct strata_draws *draws;        /* rows with small random numbers, likewise; owned */
    int64_t distinct_about;            /* of all ranks together, each by itself: see problem.c */
    int64_t largest_local;             /* rows of the largest rank */
    bool coarse;                       /* every rank's processor has the coarse screen */
    __int128 squares;            /* global sum of weight |x|^2 */
    int64_t weight_global;       /* sum of weights */
} strata_problem;

/* Collective. Checks the points' shape and computes the above. */
strata_status strata_problem_init(strata_context *ctx, const strata_points *points,
                                  const int64_t *weights, const char *kernel,
                                  strata_problem *out) STRATA_MUST_USE;
void strata_problem_release(strata_problem *problem);
/* Not collective. Drops what fits share: after a failure some ranks may have made it and others not. */
void strata_problem_forget(const strata_problem *problem);

/* Not collective. n points x [d, stride] made from those of a problem, for variants that work on other
 * points than its own; it knows this rank only. x and weights are borrowed. */
strata_status strata_problem_view(const strata_problem *problem, int64_t n, int64_t stride,
                                  const float *x, const int64_t *weights,
                                  strata_problem *out) STRATA_MUST_USE;

static inline int64_t strata_problem_weight(const strata_problem *p, int64_t i)
{
    return p->weights ? p->weights[i] : 1;
}

static inline uint64_t strata_problem_key(const strata_problem *p, int64_t i)
{
    return p->key64 ? p->key64[i] : (uint64_t)(p->first_row + i);
}

/* Points of tile t, and the same rounded up to whole blocks. */
static inline int64_t strata_tile_points(const strata_problem *p, int64_t tile)
{
    int64_t left = p->n_local - tile * STRATA_TILE;
    return left < STRATA_TILE ? left : STRATA_TILE;
}

static inline int64_t strata_tile_padded(int64_t points)
{
    return (points + STRATA_BLOCK - 1) / STRATA_BLOCK * STRATA_BLOCK;
}

/* Not collective. An upper bound of |x - origin| over the points of a tile. */
float strata_problem_radius(const strata_problem *p, int64_t tile);

/* Random bits [points] of the rows of a tile. */
static inline void strata_tile_random(const strata_problem *p, int64_t tile, uint64_t seed,
                                      strata_purpose purpose, uint64_t round, uint64_t *bits)
{
    uint64_t rows[STRATA_TILE];
    rows[0] = 0;
    const int64_t first = tile * STRATA_TILE, points = strata_tile_points(p, tile);
    for (int64_t i = 0; i < points && !p->key64; i++)
        rows[i] = (uint64_t)(p->first_row + first + i);
    p->kernel->hash_keys(seed, strata_kernel_counter(purpose, round),
                      p->key64 ? p->key64 + first : rows, points, bits);
}

/* Bit i of below[] says whether the random number of row i of a tile is below limit. */
static inline void strata_tile_below(const strata_problem *p, int64_t tile, uint64_t seed,
                                     strata_purpose purpose, uint64_t round, uint64_t limit,
                                     uint64_t *below)
{
    uint64_t rows[STRATA_TILE];
    rows[0] = 0;
    const int64_t first = tile * STRATA_TILE, points = strata_tile_points(p, tile);
    for (int64_t i = 0; i < points && !p->key64; i++)
        rows[i] = (uint64_t)(p->first_row + first + i);
    p->kernel->keys_below(seed, strata_kernel_counter(purpose, round),
                          p->key64 ? p->key64 + first : rows, points, limit, below);
}

/* ---- exact decisions (exact.c), not collective ----------------------------------------------- */

/* |x_i - c|^2 < 2^57 */
static inline int64_t strata_exact_distance(const strata_problem *p, int64_t i, const int32_t *c)
{
    int64_t sum = 0;
    for (int32_t f = 0; f < p->d; f++) {
        int64_t apart = (int32_t)p->x[f * p->stride + i] - c[f];
        sum += apart * apart;
    }
    return sum;
}

/* The nearest of k centroids to point i, the lowest index on a tie; *distance may be NULL. */
int32_t strata_exact_nearest(const strata_problem *p, int64_t i, const int32_t *centroids,
                             int32_t k, int64_t *distance);

/* The same for the centroids of a pass or screen, between the steps unless rest is NULL. */
int32_t strata_exact_nearest_mean(const strata_problem *p, int64_t i, const int32_t *centroids,
                                  const int32_t *rest, int32_t k);

/* Labels [padded] of one tile by a screen that is set, exact; returns how many points needed integers. *open grows by how
 * many the coarse form left open; it may be NULL. */
int64_t strata_exact_tile(const strata_problem *p, const strata_screen *screen, int64_t tile,
                          uint8_t *labels, int64_t *open);

/* Decides the points first + i, i < points, whose bit in unsure is set, by the centroids of a screen;
 * labels [points] of them. Returns how many. */
int64_t strata_exact_unsure(const strata_problem *p, const strata_screen *screen, int64_t first,
                            int64_t points, const uint64_t *unsure, uint8_t *labels);

/* The form of the next float screen, from how many points each form left undecided when it was last
 * used, per mille (-1 = never): the dot form costs half; the difference form is tried once when more
 * than 1 % stay undecided and kept if it leaves less than half of them. Ties of coarse data stay
 * undecided in both. */
strata_screen_form strata_exact_float_form(const int64_t doubtful[STRATA_SCREEN_FORMS]);

/* The same with the coarse form where it is there and pays, unless it left more than a tenth open.
 * doubtful NULL = never any. */
strata_screen_form strata_exact_form(const strata_problem *p, int32_t k, const int64_t *doubtful);

/* round_half_even(sum / count), count > 0 */
int32_t strata_exact_mean(int64_t sum, int64_t count);
/* round_half_even((sum / count - mean) 2^STRATA_REST_BITS) */
int32_t strata_exact_rest(int64_t sum, int64_t count, int32_t mean);

/* sum over clusters of -2 c.S + n |c|^2; sums [k, d + 1] with the count last. Add the squares
 * for the inertia. */
__int128 strata_exact_inertia(int32_t k, int32_t d, const int32_t *centroids, const int64_t *sums);

/* How far a centroid [d] went, rounded up. */
double strata_exact_move(int32_t d, const int32_t *before, const int32_t *after);

/* A squared length in grid steps as scaled units. */
double strata_exact_scaled(__int128 squared, int32_t step_exponent);

/* ---- variants -------------------------------------------------------------------------------- */

/* Centroids are means that are rounded to the grid, half to even. A walk goes by means that are known
 * to 2^-STRATA_REST_BITS of a step: rounded ones let two walks part for good over a point that lies
 * within half a step of a border, which happens in each longer walk of some ten thousand points.
 * What a fit returns is on the grid, and so are the labels by it. */
enum { STRATA_REST_BITS = 16 };

typedef struct strata_pass {
    const int32_t *centroids; /* [k, d] */
    const int32_t *rest;      /* [k, d] means - centroids, times 2^STRATA_REST_BITS; NULL = 0 */
    bool first;               /* no labels yet: every point counts as moved */
    int64_t *sums;     /* [k, d + 1] of this rank, kept from pass to pass; 0 before the first */
    int64_t moved;     /* out: rows whose label changed */
    int64_t redecided; /* out: points decided in integers */
    int64_t distances; /* out: distances from points and boxes to centroids; 0 = not counted */
} strata_pass;

/* One way to find the labels. Memory is taken in create; the passes cannot fail and do not
 * communicate. labels [stride] belongs to the caller and holds the labels in row order after
 * strata_variant_sync. */
struct strata_run;
typedef struct strata_variant_ops {
    strata_cluster_variant info;
    strata_status (*create)(const strata_problem *problem, int32_t k, uint8_t *labels,
                            void **state);
    void (*assign)(void *state, strata_pass *pass);
    void (*sync)(void *state); /* brings labels up to date; NULL = they always are */
    /* After sync: the caller gave a row another label; NULL = nothing hangs on it. */
    void (*relabel)(void *state, int64_t row, uint8_t label);
    void (*destroy)(void **state);
    strata_status (*walk)(struct strata_run *run); /* collective; NULL = Lloyd's in run.c */
} strata_variant_ops;

static inline void strata_variant_sync(const strata_variant_ops *ops, void *state)
{
    if (ops->sync)
        ops->sync(state);
}

extern const strata_variant_ops strata_variant_lloyd, strata_variant_filter, strata_variant_hamerly,
    strata_variant_gemm, strata_variant_yinyang, strata_variant_elkan,
    strata_variant_merge, strata_variant_minibatch;

/* The operations of a variant by name; NULL when there is none. */
const strata_variant_ops *strata_variant_find(const char *name);

/* The variant for points that another one made of the rows: lloyd or filter, by the cost model. Not
 * collective: ranks may choose differently. */
const strata_variant_ops *strata_variant_inner(const strata_problem *view, int32_t k);

/* The variant that options ask for, or the one that auto prefers; reason says why, or that it
 * runs outside its regime. Not collective; the same on every rank, as it looks at global numbers
 * only. */
const strata_variant_ops *strata_variant_choose(const strata_problem *problem,
                                                const strata_cluster_options *options, char *reason,
                                                size_t reason_size);

/* Collective. Exact labels [n_local] and scaled squared distances (NULL allowed) of all points. */
strata_status strata_cluster_label(const strata_problem *problem, int32_t k,
                                   const int32_t *centroids, int16_t *labels,
                                   double *distance) STRATA_MUST_USE;

/* ---- one run from a given start (run.c) ------------------------------------------------------ */

typedef struct strata_history {
    strata_iteration *rows; /* owned */
    int64_t count, capacity;
} strata_history;

typedef struct strata_run {
    const strata_problem *problem;
    const strata_variant_ops *ops;
    void *state; /* of the variant */
    int32_t k, max_iterations, restart;
    uint64_t seed;
    int32_t *centroids;      /* [k, d] in: start, out: end; borrowed */
    int32_t *rest;           /* [k, d] as of strata_pass; NULL = 0; of the walk */
    uint8_t *labels;         /* [stride] borrowed */
    int64_t *sums;           /* [k, d + 1] local; borrowed */
    int64_t *global;         /* [k, d + 1] and two more: moved, stop; borrowed */
    strata_history *history; /* may be NULL */
    __int128 inertia;
    int32_t iterations;
    bool converged;
    int64_t bytes, calls, redecided;
    double clock; /* when the iteration before ended */
} strata_run;

/* Collective. The variant's walk from run->centroids to the end. */
strata_status strata_run_walk(strata_run *run) STRATA_MUST_USE;

/* For walks. Collective. Labels all rows by run->centroids and reduces the sums: run->global and
 * run->inertia are theirs, and the history grows by a row. first: as in strata_pass. */
strata_status strata_run_label(strata_run *run, int32_t iteration, bool first,
                               int64_t *moved) STRATA_MUST_USE;
/* Collective. One sum over ranks of run->global, counted. */
strata_status strata_run_reduce(strata_run *run) STRATA_MUST_USE;
/* Logically collective. Another row of the history. */
strata_status strata_run_remember(strata_run *run, int32_t iteration, double inertia, int64_t moved,
                                  int64_t distances) STRATA_MUST_USE;

/* Collective. strata_cluster_fit on a problem that is shared by several fits (the space order
 * too). */
strata_status strata_fit_problem(const strata_problem *problem,
                                 const strata_cluster_options *options,
                                 strata_clustering *out) STRATA_MUST_USE;

/* ---- seeding --------------------------------------------------------------------------------- */

/* Collective. k starting centroids [k, d]. scratch [2 * stride] bytes. */
strata_status strata_seed(const strata_problem *problem, const strata_cluster_options *options,
                          int32_t restart, void *scratch, int32_t *start) STRATA_MUST_USE;

/* Collective. Greedy k-means++; 8 bytes a point while it runs. */
strata_status strata_seed_plus_plus(const strata_problem *problem, int32_t k, uint64_t seed,
                                    uint64_t round, int32_t *start) STRATA_MUST_USE;

/* Collective. k-means||; near [stride] holds each point's nearest candidate. */
strata_status strata_seed_parallel(const strata_problem *problem, int32_t k, uint64_t seed,
                                   uint64_t round, uint16_t *near, int32_t *start) STRATA_MUST_USE;

/* Collective. The k rows with the smallest random numbers; the last one again when rows are
 * short. */
strata_status strata_seed_random(const strata_problem *problem, int32_t k, uint64_t seed,
                                 uint64_t round, int32_t *start) STRATA_MUST_USE;

#endif
