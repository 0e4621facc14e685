/* seeding_parallel.c: k-means|| (Bahmani et al. 2012, doi 10.14778/2180912.2180915). A few rounds
 * each draw about 2k points with probability proportional to their squared distance from the
 * candidates so far; then the candidates, weighted by the points they are nearest to, are clustered
 * by k-means++, swaps (swaps.h) and a few steps of Lloyd.
 *
 * Whether a row is drawn depends on its key, its exact distance and the exact global sum only. So
 * nothing changes when the points have been put in space order already, but most of the work goes
 * away: whole boxes of points are nearest to one candidate and their sums are known, and a row's
 * distance matters only where its number is small enough to be drawn at all. Where the equal rows
 * are known (distinct.h), each distinct one is looked at once, with the weight of all its rows. */
#include <math.h>
#include <string.h>

#include "cluster/distinct.h"
#include "cluster/draws.h"
#include "cluster/masses.h"
#include "cluster/swaps.h"
#include "strata/hash.h"
#include "strata/memory.h"
#include "strata/par.h"

enum {
    ROUNDS = 5,            /* the paper finds no gain beyond */
    ROUNDS_MAX = 100,      /* for tiny data, until there are k candidates */
    OVERSAMPLE = 2,        /* candidates a round, times k */
    CANDIDATES_MAX = 65535 /* near[] is uint16_t */
};

typedef struct candidates {
    const strata_problem *p;
    const strata_problem *points; /* what is folded: p's rows, or its distinct ones */
    const uint32_t *point;        /* [n_local] which of these a row is; NULL = as numbered */
    bool ordered;                 /* by the space order; else point by point */
    int64_t *sums;  /* [STRATA_K_MAX, d + 1] global, of the points nearest to each; if ordered;
                          owned */
    strata_masses masses; /* if ordered, from more than STRATA_K_MAX on */
    uint16_t *near; /* [stride] each point's nearest, unless ordered; borrowed by masses otherwise */
    int64_t
        *farthest;  /* [tiles of points] bound of the distances to the nearest candidate; owned */
    int64_t utmost; /* the largest of these */
    int32_t *c;     /* [count, d] */
    int64_t count;
    strata_screen screen;
    __int128 mass;   /* global sum of weight * distance */
    double heaviest; /* no weight of this rank is larger */
} candidates;

/* Folds the candidates [first, first + screen.k) into near of one tile; with the last of them the
 * tile's mass and farthest distance are known. */
static void fold_tile(candidates *s, int64_t tile, int64_t first, bool last)
{
    const strata_problem *p = s->points;
    const int32_t *fresh = s->c + first * p->d;
    _Alignas(64) uint8_t labels[STRATA_TILE];
    int64_t start = tile * STRATA_TILE, points = strata_tile_points(p, tile), farthest = 0;
    __int128 mass = 0;
    (void)strata_exact_tile(p, &s->screen, tile, labels, NULL);
    for (int64_t i = start; i < start + points; i++) {
        int32_t j = labels[i - start];
        int64_t least = strata_exact_distance(p, i, fresh + (int64_t)j * p->d);
        int64_t before =
            first == 0 ? INT64_MAX : strata_exact_distance(p, i, s->c + (int64_t)s->near[i] * p->d);
        if (least < before)
            s->near[i] = (uint16_t)(first + j);
        else
            least = before;
        mass += (__int128)least * strata_problem_weight(p, i);
        farthest = least > farthest ? least : farthest;
    }
    if (last) {
        s->mass += mass;
        s->farthest[tile] = farthest;
        s->utmost = farthest > s->utmost ? farthest : s->utmost;
    }
}

/* Bounds the distances of each tile: a point is at most as far from the candidate next to the origin
 * as both are from the origin. */
static void bound_tiles(candidates *s)
{
    const strata_problem *p = s->p;
    double least = INFINITY;
    for (int64_t j = 0; j < s->count; j++) {
        double squared = 0;
        for (int32_t f = 0; f < p->d; f++) {
            const double apart = (double)s->c[j * p->d + f] - (double)p->origin[f];
            squared += apart * apart;
        }
        least = squared < least ? squared : least;
    }
    for (int64_t t = 0; t < p->n_tiles; t++) {
        const double reach = ((double)p->radius[t] + sqrt(least)) * (1 + 1e-6) + 1;
        s->farthest[t] = (int64_t)(reach * reach);
    }
}

/* Collective. All candidates, by the space order: the mass is the inertia of their clusters. */
static strata_status fold_ordered(candidates *s)
{
    strata_status rc = STRATA_OK;
    const strata_problem *p = s->p;
    const int32_t count = (int32_t)s->count;
    STRATA_AGREE(p->ctx, strata_order_sum(p, count, s->c, s->sums));
    STRATA_TRY(strata_par_allreduce_i64(p->ctx, s->sums, count * (int64_t)(p->d + 1), STRATA_SUM));
    s->mass = p->squares + strata_exact_inertia(count, p->d, s->c, s->sums);
    bound_tiles(s);
done:
    return rc;
}

/* Collective. Too many for that: each point keeps its nearest one, and those from first on go down the
 * tree. */
static strata_status fold_more(candidates *s, int64_t first)
{
    strata_status rc = STRATA_OK;
    const strata_problem *p = s->p;
    if (!s->masses.near) {
        STRATA_AGREE(p->ctx, strata_masses_init_near(*p->order, s->near, &s->masses));
        first = 0;
    }
    strata_masses_fold(&s->masses, s->c, first, s->count - first);
    s->mass = s->masses.sum;
    bound_tiles(s);
    STRATA_TRY(strata_par_allreduce_i128(p->ctx, &s->mass, 1));
done:
    return rc;
}

/* Collective. Takes the candidates from first on into account. */
static strata_status fold_candidates(candidates *s, int64_t first)
{
    const strata_problem *p = s->points;
    if (s->ordered && s->count <= STRATA_K_MAX)
        return fold_ordered(s);
    if (s->ordered)
        return fold_more(s, first);
    s->mass = 0;
    s->utmost = 0;
    for (int64_t at = first; at < s->count; at += STRATA_K_MAX) {
        int64_t end = at + STRATA_K_MAX < s->count ? at + STRATA_K_MAX : s->count;
        strata_screen_set(&s->screen, s->c + at * p->d, NULL, (int32_t)(end - at), p->origin,
                          strata_exact_form(p, (int32_t)(end - at), NULL));
        for (int64_t tile = 0; tile < p->n_tiles; tile++)
            fold_tile(s, tile, at, end == s->count);
    }
    return strata_par_allreduce_i128(s->p->ctx, &s->mass, 1);
}

typedef struct drawn_points {
    int32_t *x; /* [count, d] */
    int64_t count, capacity;
} drawn_points;

static strata_status take_row(const strata_problem *p, int64_t i, drawn_points *drawn)
{
    strata_status rc = STRATA_OK;
    STRATA_TRY(strata_reserve(p->ctx, &drawn->x, &drawn->capacity, (drawn->count + 1) * p->d,
                              sizeof *drawn->x));
    for (int32_t f = 0; f < p->d; f++)
        drawn->x[drawn->count * p->d + f] = (int32_t)p->x[f * p->stride + i];
    drawn->count++;
done:
    return rc;
}

/* Whether u is below the row's probability. That grows with the distance, also as computed, so the
 * first candidate that is near enough to say no is as good as the nearest. */
static bool is_drawn(const candidates *s, int64_t i, double u, double rate)
{
    const strata_problem *p = s->p;
    const double weight = (double)strata_problem_weight(p, i);
    if (!s->ordered) {
        const int32_t *c = s->c + (int64_t)s->near[s->point ? s->point[i] : i] * p->d;
        return u < rate * (double)strata_exact_distance(p, i, c) * weight;
    }
    for (int64_t j = 0; j < s->count; j++)
        if (!(u < rate * (double)strata_exact_distance(p, i, s->c + j * p->d) * weight))
            return false;
    return true;
}

/* A row whose number is bits is taken if it is drawn. */
static strata_status try_row(const candidates *s, int64_t i, uint64_t bits, double rate,
                             drawn_points *drawn)
{
    const double u = (double)(bits >> 11) * 0x1p-53;
    return is_drawn(s, i, u, rate) ? take_row(s->p, i, drawn) : STRATA_OK;
}

/* The rows of a tile by the numbers of all of them, as limit is above those listed. */
static strata_status draw_tile(const candidates *s, int64_t tile, const strata_draw *draw,
                               double rate, uint64_t limit, drawn_points *drawn)
{
    strata_status rc = STRATA_OK;
    const strata_problem *p = s->p;
    const int64_t start = tile * STRATA_TILE, points = strata_tile_points(p, tile);
    uint64_t bits[STRATA_TILE];
    strata_tile_random(p, tile, draw->seed, STRATA_RANDOM_SEEDING, draw->round, bits);
    for (int64_t i = 0; i < points; i++)
        if (bits[i] <= limit)
            STRATA_TRY(try_row(s, start + i, bits[i], rate, drawn));
done:
    return rc;
}

/* Rows of this rank drawn in one round. IEEE operations on exact integers, so alike everywhere. A
 * bound of each tile's probabilities spares most distances, and mostly all numbers but those listed. */
static strata_status draw_rows(const candidates *s, double expected, uint64_t seed, uint64_t round,
                               drawn_points *drawn)
{
    strata_status rc = STRATA_OK;
    const strata_problem *p = s->p;
    const strata_draw *draw = NULL;
    const double rate = expected / (double)s->mass;
    STRATA_TRY(strata_draws_get(p, seed, round, &draw));
    const strata_draw_row *entry = draw->rows, *last = draw->rows + draw->n;
    for (int64_t tile = 0; tile < p->n_tiles; tile++) {
        const int64_t end = tile * STRATA_TILE + strata_tile_points(p, tile);
        const double bound =
            rate * (double)(s->point ? s->utmost : s->farthest[tile]) * s->heaviest * (1 + 1e-9);
        const uint64_t limit = bound < 0.99 ? (uint64_t)(bound * 0x1p64) + 4096 : UINT64_MAX;
        const bool listed = limit < draw->limit;
        for (; entry < last && entry->row < end; entry++)
            if (listed && entry->high <= limit >> 32)
                STRATA_TRY(
                    try_row(s, entry->row, strata_draws_number(p, draw, entry->row), rate, drawn));
        if (!listed)
            STRATA_TRY(draw_tile(s, tile, draw, rate, limit, drawn));
    }
done:
    return rc;
}

/* Collective. Appends every rank's rows to the candidates, in global row order. */
static strata_status append_rows(candidates *s, const drawn_points *drawn)
{
    strata_status rc = STRATA_OK;
    const strata_problem *p = s->p;
    int32_t *all = NULL, *joined = NULL;
    int64_t bytes = 0, width = p->d * (int64_t)sizeof *s->c;
    STRATA_TRY(strata_par_gather(p->ctx, drawn->x, drawn->count * width, -1, &all, &bytes, NULL));
    int64_t more = bytes / width;
    if (s->count + more > CANDIDATES_MAX)
        more = CANDIDATES_MAX - s->count;
    STRATA_AGREE(p->ctx, strata_alloc(p->ctx, (s->count + more) * p->d, sizeof *joined, &joined));
    if (s->count > 0)
        memcpy(joined, s->c, (size_t)(s->count * width));
    if (more > 0)
        memcpy(joined + s->count * p->d, all, (size_t)(more * width));
    strata_free(&s->c);
    s->c = joined;
    s->count += more;
done:
    strata_free(&all);
    return rc;
}

/* Collective. The rounds of drawing. */
static strata_status draw_candidates(candidates *s, int32_t k, uint64_t seed, uint64_t round)
{
    strata_status rc = STRATA_OK;
    drawn_points drawn = {0};
    int32_t first[STRATA_D_MAX];
    STRATA_TRY(strata_seed_random(s->p, 1, seed, round, first));
    STRATA_AGREE(s->p->ctx, strata_alloc(s->p->ctx, s->p->d, sizeof *s->c, &s->c));
    memcpy(s->c, first, (size_t)s->p->d * sizeof *s->c);
    s->count = 1;
    STRATA_TRY(fold_candidates(s, 0));
    for (uint64_t r = 1; s->mass > 0 && (r <= ROUNDS || (s->count < k && r <= ROUNDS_MAX)); r++) {
        int64_t before = s->count;
        drawn.count = 0;
        STRATA_AGREE(s->p->ctx, draw_rows(s, OVERSAMPLE * (double)k, seed, round + r, &drawn));
        STRATA_TRY(append_rows(s, &drawn));
        if (s->count > before)
            STRATA_TRY(fold_candidates(s, before));
    }
done:
    strata_free(&drawn.x);
    return rc;
}

/* ---- the candidates become k centroids, on every rank alike ---------------------------------- */

/* A second round of swaps finds what the first one opened; a third finds nothing worth its time. */
enum { SWAP_ROUNDS = 2, STEPS = 20 };

/* k-means++, swaps, and Lloyd on the candidates. A start without the swaps has two centres in one
 * cluster and one in two somewhere as soon as there are some dozen clusters, and keeps them. */
static strata_status refine(const strata_problem *few, int32_t k, uint64_t seed, uint64_t round,
                            int32_t *start)
{
    strata_status rc = STRATA_OK;
    strata_context *ctx = few->ctx;
    const strata_variant_ops *ops = &strata_variant_lloyd;
    strata_run run = {
        .problem = few, .ops = ops, .k = k, .max_iterations = STEPS, .centroids = start};
    STRATA_TRY(strata_seed_plus_plus(few, k, seed, round + 0x10000, start));
    if (k > 1)
        STRATA_TRY(strata_swaps_improve(few, k, SWAP_ROUNDS, start));
    STRATA_TRY(strata_alloc(ctx, few->stride, 1, &run.labels));
    STRATA_TRY(strata_alloc(ctx, (int64_t)k * (few->d + 1), sizeof *run.sums, &run.sums));
    STRATA_TRY(strata_alloc(ctx, (int64_t)k * (few->d + 1) + 2, sizeof *run.global, &run.global));
    STRATA_TRY(ops->create(few, k, run.labels, &run.state));
    STRATA_TRY(strata_run_walk(&run));
done:
    ops->destroy(&run.state);
    strata_free(&run.labels);
    strata_free(&run.sums);
    strata_free(&run.global);
    return rc;
}

/* Not collective: a serial problem of its own. weights [count]. */
static strata_status cluster_candidates(const candidates *s, const int64_t *weights, int32_t k,
                                        uint64_t seed, uint64_t round, int32_t *start)
{
    strata_status rc = STRATA_OK;
    const strata_problem *p = s->p;
    strata_problem few = {0};
    strata_context alone = {.comm = MPI_COMM_NULL, .size = 1};
    strata_points points = {.n_local = s->count,
                            .d = p->d,
                            .stride = strata_tile_padded(s->count),
                            .step_exponent = p->step_exponent};
    STRATA_TRY(strata_calloc(&alone, points.stride * p->d, sizeof *points.steps, &points.steps));
    for (int64_t i = 0; i < s->count; i++)
        for (int32_t f = 0; f < p->d; f++)
            points.steps[f * points.stride + i] = (float)s->c[i * p->d + f];
    STRATA_TRY(strata_problem_init(&alone, &points, weights, p->kernel->name, &few));
    STRATA_TRY(refine(&few, k, seed, round, start));
done:
    if (rc != STRATA_OK)
        strata_context_fail(p->ctx, rc, __FILE__, __LINE__, "%s", alone.error.message);
    strata_problem_release(&few);
    strata_free(&points.steps);
    return rc;
}

/* Global numbers alone decide, so that all ranks do alike. */
static void choose_points(candidates *s)
{
    const strata_problem *p = s->p;
    const strata_distinct *distinct = *p->distinct;
    s->points = p;
    s->ordered = *p->order != NULL;
    if (!distinct || (s->ordered && p->distinct_about > p->n_global / 8))
        return;
    s->ordered = false;
    s->points = &distinct->view;
    s->point = distinct->point;
}

/* Collective. What the candidates stand for, over all ranks. */
static strata_status weigh(const candidates *s, int64_t *weights)
{
    const int64_t width = s->p->d + 1;
    for (int64_t q = 0; q < s->points->n_local && !s->ordered; q++)
        weights[s->near[q]] += strata_problem_weight(s->points, q);
    const strata_order *order = s->masses.order; /* NULL: the sums know */
    for (int64_t i = 0; i < s->p->n_local && order; i++)
        weights[s->near[i]] += order->weights ? order->weights[i] : 1;
    for (int64_t j = 0; j < s->count && s->ordered && !order && s->p->ctx->rank == 0; j++)
        weights[j] = s->sums[j * width + width - 1];
    return strata_par_allreduce_i64(s->p->ctx, weights, s->count, STRATA_SUM);
}

strata_status strata_seed_parallel(const strata_problem *problem, int32_t k, uint64_t seed,
                                   uint64_t round, uint16_t *near, int32_t *start)
{
    strata_status rc = STRATA_OK;
    candidates s = {.p = problem, .near = near, .heaviest = 1};
    int64_t *weights = NULL;
    choose_points(&s);
    strata_status local =
        strata_alloc(problem->ctx, s.points->n_tiles, sizeof *s.farthest, &s.farthest);
    if (local == STRATA_OK)
        local = strata_screen_init(problem->ctx, STRATA_K_MAX, problem->d, &s.screen);
    if (local == STRATA_OK && s.ordered)
        local = strata_alloc(problem->ctx, STRATA_K_MAX * (int64_t)(problem->d + 1), sizeof *s.sums,
                             &s.sums);
    STRATA_AGREE(problem->ctx, local);
    for (int64_t i = 0; i < problem->n_local && problem->weights; i++)
        s.heaviest =
            (double)problem->weights[i] > s.heaviest ? (double)problem->weights[i] : s.heaviest;
    STRATA_TRY(draw_candidates(&s, k, seed, round));
    STRATA_AGREE(problem->ctx, strata_calloc(problem->ctx, s.count, sizeof *weights, &weights));
    STRATA_TRY(weigh(&s, weights));
    STRATA_AGREE(problem->ctx, cluster_candidates(&s, weights, k, seed, round, start));
done:
    strata_masses_release(&s.masses);
    strata_free(&weights);
    strata_free(&s.farthest);
    strata_free(&s.sums);
    strata_free(&s.c);
    strata_screen_release(&s.screen);
    return rc;
}
