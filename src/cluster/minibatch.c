/* minibatch.c: K-means on small random batches (Sculley 2010, doi 10.1145/1772690.1772862). NOT exact:
 * its centroids are not lloyd's. All the rest of the contract holds: the same bits for every partition
 * and processor, and labels, sizes and inertia at the end are the true ones of its centroids.
 *
 * Batches are slices of an epoch. In each epoch the random number of a row, a function of (seed, key,
 * restart, epoch), names its slice; there are n / batch of them, with batch = max(1024, 16 k) rows
 * expected. So a batch is drawn without a look at all rows: these are hashed once an epoch, and only
 * rows of slices that max_iterations leaves time for are kept.
 *
 * A cluster's centroid is round_half_even(sum / count) over all batches so far, which is Sculley's
 * learning rate 1 / count without its rounding. (Sums beyond 2^61 are halved with their count, so
 * that any weights fit.) A cluster that no batch has met keeps its seed.
 *
 * The end: after max_iterations batches, or when the mean squared distance of ten batches to the
 * centroids that met them is not below that of the ten before. One exact pass over all rows
 * follows. In the history a batch counts as an iteration, its inertia is scaled up to all rows and its
 * rows count as moved; the last row of the history is the exact pass. */
#include <string.h>

#include "cluster/sums.h"
#include "strata/memory.h"
#include "strata/par.h"

enum { BATCH_LEAST = 1024, BATCH_PER_K = 16, LOOK_BACK = 10, LOW_BITS = 40 };

typedef struct minibatch {
    const strata_problem *problem;
    void *whole; /* lloyd's state, for the pass over all rows */
    strata_screen screen;
    strata_problem batch; /* the rows of a batch as points */
    float *x;             /* [d, room] of the batch; owned */
    int64_t *weights;     /* [room] or NULL; owned */
    float *radius;        /* [room in tiles]; owned */
    uint8_t *labels;      /* [room]; owned */
    int64_t room;
    int64_t *totals; /* [k, d + 1] sums over all batches; owned */
    uint32_t *rows;  /* of the slices of an epoch, slice by slice; owned */
    int64_t *first;  /* [slices kept + 1] where each begins; owned */
    int64_t slices, kept;
    int32_t k;
} minibatch;

static void release_batch(minibatch *self)
{
    strata_free(&self->x);
    strata_free(&self->weights);
    strata_free(&self->radius);
    strata_free(&self->labels);
}

static void release_epoch(minibatch *self)
{
    strata_free(&self->rows);
    strata_free(&self->first);
}

static void destroy(void **state)
{
    minibatch *self = *state;
    if (self) {
        strata_variant_lloyd.destroy(&self->whole);
        strata_screen_release(&self->screen);
        release_batch(self);
        release_epoch(self);
        strata_free(&self->totals);
    }
    strata_free(state);
}

static strata_status create(const strata_problem *problem, int32_t k, uint8_t *labels, void **state)
{
    strata_status rc = STRATA_OK;
    strata_context *ctx = problem->ctx;
    const int64_t rows = BATCH_PER_K * k > BATCH_LEAST ? BATCH_PER_K * k : BATCH_LEAST;
    minibatch *self = NULL;
    STRATA_TRY(strata_calloc(ctx, 1, sizeof *self, &self));
    *self =
        (minibatch){.problem = problem, .k = k, .slices = (problem->n_global + rows - 1) / rows};
    if (problem->n_local > UINT32_MAX)
        STRATA_FAIL(ctx, STRATA_ERR_USAGE,
                    "the variant minibatch holds up to 2^32 points a rank; use more ranks");
    STRATA_TRY(strata_variant_lloyd.create(problem, k, labels, &self->whole));
    STRATA_TRY(strata_screen_init(ctx, k, problem->d, &self->screen));
    STRATA_TRY(
        strata_alloc(ctx, (int64_t)k * (problem->d + 1), sizeof *self->totals, &self->totals));
    *state = self;
    self = NULL;
done:
    if (self) {
        void *unfinished = self;
        destroy(&unfinished);
    }
    return rc;
}

/* ---- batches ----------------------------------------------------------------------------------- */

typedef struct drawn_row {
    uint32_t row, slice;
} drawn_row;

/* The rows of the first slices of an epoch, in row order; counts [kept] of each slice. */
static strata_status draw_rows(const minibatch *self, uint64_t seed, uint64_t round,
                               drawn_row **drawn, int64_t *counts)
{
    strata_status rc = STRATA_OK;
    const strata_problem *p = self->problem;
    int64_t n = 0, room = 0;
    uint64_t bits[STRATA_TILE];
    /* the first number that belongs to a slice that is not kept */
    const unsigned __int128 end =
        (((unsigned __int128)self->kept << 64) + (uint64_t)self->slices - 1) /
        (uint64_t)self->slices;
    const uint64_t last = (uint64_t)(end - 1);
    for (int64_t t = 0; t < p->n_tiles; t++) {
        const int64_t points = strata_tile_points(p, t);
        strata_tile_random(p, t, seed, STRATA_RANDOM_BATCH, round, bits);
        STRATA_TRY(strata_reserve(p->ctx, drawn, &room, n + points, sizeof **drawn));
        for (int64_t i = 0; i < points; i++) {
            if (bits[i] > last)
                continue;
            const uint32_t slice =
                (uint32_t)((unsigned __int128)bits[i] * (uint64_t)self->slices >> 64);
            (*drawn)[n++] = (drawn_row){.row = (uint32_t)(t * STRATA_TILE + i), .slice = slice};
            counts[slice]++;
        }
    }
done:
    return rc;
}

/* Room for the largest batch of an epoch. */
static strata_status make_room(minibatch *self, int64_t largest)
{
    strata_status rc = STRATA_OK;
    const strata_problem *p = self->problem;
    const int64_t room = strata_tile_padded(largest);
    if (room <= self->room && self->x)
        return STRATA_OK;
    release_batch(self);
    self->room = room;
    STRATA_TRY(strata_alloc(p->ctx, room * p->d, sizeof *self->x, &self->x));
    STRATA_TRY(strata_alloc(p->ctx, room / STRATA_TILE + 1, sizeof *self->radius, &self->radius));
    STRATA_TRY(strata_alloc(p->ctx, room, 1, &self->labels));
    if (p->weights)
        STRATA_TRY(strata_alloc(p->ctx, room, sizeof *self->weights, &self->weights));
done:
    return rc;
}

/* Draws the first kept slices of an epoch. */
static strata_status draw_epoch(minibatch *self, const strata_run *run, int32_t epoch, int64_t kept)
{
    strata_status rc = STRATA_OK;
    strata_context *ctx = self->problem->ctx;
    drawn_row *drawn = NULL;
    int64_t largest = 0;
    release_epoch(self);
    self->kept = kept < self->slices ? kept : self->slices;
    STRATA_TRY(strata_calloc(ctx, self->kept + 2, sizeof *self->first, &self->first));
    int64_t *at =
        self->first + 1; /* at[s]: where the next row of slice s goes, in the end its end */
    const uint64_t round = (uint64_t)(run->restart & 0xffffff) << 31 | (uint64_t)epoch;
    STRATA_TRY(draw_rows(self, run->seed, round, &drawn, at + 1));
    for (int64_t s = 0; s < self->kept; s++) {
        largest = at[s + 1] > largest ? at[s + 1] : largest;
        at[s + 1] += at[s];
    }
    const int64_t total = at[self->kept];
    STRATA_TRY(strata_alloc(ctx, total, sizeof *self->rows, &self->rows));
    for (int64_t i = 0; i < total; i++)
        self->rows[at[drawn[i].slice]++] = drawn[i].row;
    STRATA_TRY(make_room(self, largest));
done:
    strata_free(&drawn);
    return rc;
}

/* The rows of a slice as the points of the batch. */
static void take_slice(minibatch *self, int64_t slice)
{
    const strata_problem *p = self->problem;
    const uint32_t *rows = self->rows + self->first[slice];
    const int64_t n = self->first[slice + 1] - self->first[slice], padded = strata_tile_padded(n);
    self->batch = (strata_problem){.ctx = p->ctx,
                                   .n_local = n,
                                   .d = p->d,
                                   .stride = self->room,
                                   .x = self->x,
                                   .weights = self->weights,
                                   .kernel = p->kernel,
                                   .n_tiles = (n + STRATA_TILE - 1) / STRATA_TILE,
                                   .radius = self->radius};
    memcpy(self->batch.origin, p->origin, sizeof p->origin);
    for (int32_t f = 0; f < p->d; f++) {
        const float *from = p->x + f * p->stride;
        float *to = self->x + f * self->room;
        for (int64_t i = 0; i < n; i++)
            to[i] = from[rows[i]];
        for (int64_t i = n; i < padded; i++)
            to[i] = 0;
    }
    for (int64_t i = 0; i < n && p->weights; i++)
        self->weights[i] = p->weights[rows[i]];
    for (int64_t t = 0; t < self->batch.n_tiles; t++)
        self->radius[t] = strata_problem_radius(&self->batch, t);
}

/* Labels the batch; sums [k, d + 1] of it. Returns the weighted sum of squared distances. */
static __int128 label_batch(minibatch *self, strata_run *run, int64_t *sums)
{
    const strata_problem *b = &self->batch;
    __int128 squares = 0;
    strata_screen_set(&self->screen, run->centroids, NULL, self->k, b->origin, STRATA_SCREEN_DOT);
    memset(sums, 0, (size_t)(self->k * (b->d + 1)) * sizeof *sums);
    for (int64_t t = 0; t < b->n_tiles; t++) {
        _Alignas(64) uint8_t found[STRATA_TILE];
        const int64_t first = t * STRATA_TILE, points = strata_tile_points(b, t);
        run->redecided += strata_exact_tile(b, &self->screen, t, found, NULL);
        for (int64_t i = 0; i < points; i++)
            squares += (__int128)strata_exact_distance(b, first + i,
                                                       run->centroids + (int64_t)found[i] * b->d) *
                       strata_problem_weight(b, first + i);
        (void)strata_sums_points(b, first, points, self->k, true, self->labels, found, sums);
    }
    return squares;
}

/* ---- the walk ---------------------------------------------------------------------------------- */

/* Adds a batch's sums to a cluster's totals. */
static void add_totals(int64_t *totals, const int64_t *sums, int32_t d)
{
    bool large = false;
    for (int32_t f = 0; f <= d; f++)
        large = large || totals[f] > INT64_C(1) << 61 || totals[f] < -(INT64_C(1) << 61);
    for (int32_t f = 0; f <= d; f++)
        totals[f] = (large ? totals[f] / 2 : totals[f]) + sums[f];
}

typedef struct batch_mean {
    __int128 squares;
    int64_t weight;
} batch_mean;

/* Collective. One batch: labels, sums over all ranks, centroids. */
static strata_status walk_batch(minibatch *self, strata_run *run, int32_t number, batch_mean *out)
{
    strata_status rc = STRATA_OK;
    const strata_problem *p = self->problem;
    const int64_t width = p->d + 1, length = self->k * width;
    const int64_t slice = number % self->slices;
    if (slice == 0)
        STRATA_AGREE(p->ctx, draw_epoch(self, run, (int32_t)(number / self->slices),
                                        run->max_iterations - number));
    take_slice(self, slice);
    const __int128 mine = label_batch(self, run, run->global);
    run->global[length] = (int64_t)(mine >> LOW_BITS); /* in two parts, to be added as integers */
    run->global[length + 1] = (int64_t)(mine & ((INT64_C(1) << LOW_BITS) - 1));
    STRATA_TRY(strata_run_reduce(run));
    *out = (batch_mean){.squares =
                            ((__int128)run->global[length] << LOW_BITS) + run->global[length + 1]};
    for (int32_t j = 0; j < self->k; j++) {
        int64_t *totals = self->totals + j * width;
        out->weight += run->global[j * width + p->d];
        add_totals(totals, run->global + j * width, p->d);
        for (int32_t f = 0; f < p->d && totals[p->d] > 0; f++)
            run->centroids[(int64_t)j * p->d + f] = strata_exact_mean(totals[f], totals[p->d]);
    }
    double inertia = strata_exact_scaled(out->squares, p->step_exponent);
    if (out->weight > 0)
        inertia = inertia / (double)out->weight * (double)p->weight_global;
    STRATA_TRY(
        strata_run_remember(run, number, inertia, out->weight, self->batch.n_local * self->k));
done:
    return rc;
}

static double mean_of(const batch_mean *of)
{
    return of->weight > 0 ? (double)of->squares / (double)of->weight : 0;
}

static strata_status walk(strata_run *run)
{
    strata_status rc = STRATA_OK;
    minibatch *self = run->state;
    const int64_t width = self->problem->d + 1;
    batch_mean before = {0}, now = {0};
    int64_t moved = 0;
    memset(self->totals, 0, (size_t)(self->k * width) * sizeof *self->totals);
    run->converged = false;
    for (run->iterations = 0; run->iterations < run->max_iterations && !run->converged;) {
        batch_mean batch = {0};
        STRATA_TRY(walk_batch(self, run, run->iterations, &batch));
        run->iterations++;
        now.squares += batch.squares;
        now.weight += batch.weight;
        if (run->iterations % LOOK_BACK != 0)
            continue;
        run->converged = run->iterations > LOOK_BACK && mean_of(&now) >= mean_of(&before);
        before = now;
        now = (batch_mean){0};
    }
    STRATA_TRY(strata_run_label(run, run->iterations, true, &moved));
done:
    return rc;
}

static void assign(void *state, strata_pass *pass)
{
    minibatch *self = state;
    strata_variant_lloyd.assign(self->whole, pass);
}

const strata_variant_ops strata_variant_minibatch = {
    .info = {.name = "minibatch",
             .exact = false,
             .bytes_per_point = 13,
             .keeps = "sums over all batches, the numbers of the rows to be drawn",
             .regime = "a rough answer soon: n large against max(1024, 16 k) max_iterations",
             .d_max = STRATA_D_MAX},
    .create = create,
    .assign = assign,
    .destroy = destroy,
    .walk = walk};
