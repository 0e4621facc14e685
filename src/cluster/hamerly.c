/* hamerly.c: one bound a point (Hamerly 2010, doi 10.1137/1.9781611972801.12), in the form of
 * filter.c. A pass shrinks the difference of a point's distances to its label and to any other
 * centroid by at most what the label moved and what the longest other one moved; their sum over
 * the passes, in double and rounded up each time, is the label's drift. `safe` is the drift of its
 * label up to which a point's label must stay: the drift when it was looked at + margin, a lower
 * bound of that difference, rounded down. While the drift, rounded up, is below it, every other
 * centroid is strictly farther, whatever the rule for ties. In each pass the points that are past
 * it are gathered into blocks and screened together; the others are not read.
 *
 * While centroids move far nearly all points are past it, and margins are computed in vain. So
 * tiles are scanned as lloyd does, but for one in SCOUTS; when fewer than two fifths of the
 * scouts' points are past their bounds, all tiles get bounds. */
#include <math.h>
#include <string.h>

#include "cluster/sums.h"
#include "strata/memory.h"

enum { SCOUTS = 32 };

typedef struct hamerly {
    const strata_problem *problem;
    strata_screen screen;
    uint8_t *labels;              /* [stride] borrowed */
    float *safe;                  /* [stride] owned */
    int32_t *before;              /* [k, d] centroids of the pass before; owned */
    float *gathered;              /* [d][STRATA_BLOCK] owned */
    double drift[STRATA_K_MAX];   /* by label */
    float drift_up[STRATA_K_MAX]; /* the same, rounded up */
    int64_t due;                  /* points of the scouts that were looked at */
    int32_t k;
    bool all, fresh; /* all tiles have bounds; since this pass */
    strata_pass *pass;
} hamerly;

static void destroy(void **state)
{
    hamerly *self = *state;
    if (self) {
        strata_screen_release(&self->screen);
        strata_free(&self->safe);
        strata_free(&self->before);
        strata_free(&self->gathered);
    }
    strata_free(state);
}

static strata_status create(const strata_problem *problem, int32_t k, uint8_t *labels, void **state)
{
    strata_status rc = STRATA_OK;
    strata_context *ctx = problem->ctx;
    hamerly *self = NULL;
    STRATA_TRY(strata_calloc(ctx, 1, sizeof *self, &self));
    *self = (hamerly){.problem = problem, .labels = labels, .k = k};
    STRATA_TRY(strata_screen_init(ctx, k, problem->d, &self->screen));
    STRATA_TRY(strata_alloc(ctx, problem->stride, sizeof *self->safe, &self->safe));
    STRATA_TRY(strata_alloc(ctx, (int64_t)k * problem->d, sizeof *self->before, &self->before));
    STRATA_TRY(strata_alloc(ctx, (int64_t)problem->d * STRATA_BLOCK, sizeof *self->gathered,
                            &self->gathered));
    *state = self;
    self = NULL;
done:
    if (self) {
        void *unfinished = self;
        destroy(&unfinished);
    }
    return rc;
}

/* drift + margin as float, rounded down */
static float safe_until(double drift, float margin)
{
    double until = drift + (double)margin * (1 - 1e-6) - 1e-3;
    return margin < 0 || until < 0 ? -1.0f : (float)(until * (1 - 2e-7));
}

/* Looks at n points x [d][stride] (n padded to blocks), point q of them being row rows[q]. */
static void look(hamerly *self, const float *x, int64_t stride, const int32_t *rows, int64_t n,
                 int64_t tile)
{
    const strata_problem *p = self->problem;
    const int64_t first = tile * STRATA_TILE, padded = strata_tile_padded(n);
    const float offset = strata_screen_offset(&self->screen, (double)p->radius[tile]);
    _Alignas(64) uint8_t found[STRATA_TILE];
    _Alignas(64) float two[2 * STRATA_TILE], margin[STRATA_TILE];
    uint64_t unsure[STRATA_TILE / STRATA_BLOCK] = {0};
    self->pass->distances += n * self->k;
    p->kernel->screen(&self->screen, x, stride, padded, offset, found, unsure, two);
    p->kernel->margins(&self->screen, x, stride, padded, offset, two, margin);
    for (int64_t q = 0; q < n; q++) {
        const int64_t i = first + rows[q];
        if (unsure[q / STRATA_BLOCK] >> (q % STRATA_BLOCK) & 1) {
            found[q] = (uint8_t)strata_exact_nearest_mean(p, i, self->pass->centroids,
                                                          self->pass->rest, self->k);
            margin[q] = -1;
            self->pass->redecided++;
        }
        self->safe[i] = safe_until(self->drift[found[q]], margin[q]);
        if (self->pass->first || found[q] != self->labels[i])
            strata_sums_label(p, self->pass, i, self->labels, found[q]);
    }
}

/* The rows of a tile that are past their bound. */
static int64_t find_due(const hamerly *self, int64_t tile, int32_t *rows)
{
    const int64_t points = strata_tile_points(self->problem, tile), first = tile * STRATA_TILE;
    uint64_t past[STRATA_TILE / STRATA_BLOCK];
    int64_t due = 0;
    self->problem->kernel->overdue(self->labels + first, self->safe + first, self->drift_up, points,
                                   past);
    for (int64_t at = 0; at < points; at += STRATA_BLOCK)
        for (uint64_t bits = past[at / STRATA_BLOCK]; bits != 0; bits &= bits - 1)
            rows[due++] = (int32_t)at + __builtin_ctzll(bits);
    return due;
}

static void look_at_tile(hamerly *self, int64_t tile)
{
    const strata_problem *p = self->problem;
    const float *x = p->x + tile * STRATA_TILE;
    int32_t rows[STRATA_TILE];
    const int64_t points = strata_tile_points(p, tile);
    const bool fresh = self->pass->first || (self->fresh && tile % SCOUTS != 0);
    const int64_t due = fresh ? points : find_due(self, tile, rows);
    if (tile % SCOUTS == 0)
        self->due += due;
    if (due > points * 3 / 4) { /* gathering would cost more than it spares */
        for (int32_t i = 0; i < points; i++)
            rows[i] = i;
        look(self, x, p->stride, rows, points, tile);
        return;
    }
    for (int64_t at = 0; at < due; at += STRATA_BLOCK) {
        const int64_t n = due - at < STRATA_BLOCK ? due - at : STRATA_BLOCK;
        for (int32_t f = 0; f < p->d; f++)
            for (int64_t q = 0; q < STRATA_BLOCK; q++)
                self->gathered[f * STRATA_BLOCK + q] =
                    x[f * p->stride + rows[at + (q < n ? q : 0)]];
        look(self, self->gathered, STRATA_BLOCK, rows + at, n, tile);
    }
}

static void scan_tile(hamerly *self, int64_t tile)
{
    const strata_problem *p = self->problem;
    strata_pass *pass = self->pass;
    _Alignas(64) uint8_t found[STRATA_TILE];
    const int64_t points = strata_tile_points(p, tile);
    int64_t open = 0;
    const int64_t redecided =
        strata_exact_tile(p, &self->screen, tile, found, &open);
    pass->redecided += redecided;
    pass->distances += (points + open + redecided) * self->k;
    pass->moved += strata_sums_points(p, tile * STRATA_TILE, points, self->k, pass->first,
                                      self->labels, found, pass->sums);
}

static void add_drift(hamerly *self)
{
    const int32_t d = self->problem->d;
    double moves[STRATA_K_MAX], longest = 0, next = 0;
    for (int32_t j = 0; j < self->k; j++) {
        moves[j] = strata_exact_move(d, self->before + (int64_t)j * d,
                                     self->pass->centroids + (int64_t)j * d);
        next = moves[j] > longest ? longest : moves[j] > next ? moves[j] : next;
        longest = moves[j] > longest ? moves[j] : longest;
    }
    for (int32_t j = 0; j < self->k; j++) {
        const double other = moves[j] == longest ? next : longest;
        self->drift[j] = (self->drift[j] + moves[j] + other) * (1 + 1e-15);
        self->drift_up[j] = (float)(self->drift[j] * (1 + 2e-7));
    }
}

static bool bounds_pay(const hamerly *self)
{
    int64_t points = 0;
    for (int64_t tile = 0; tile < self->problem->n_tiles; tile += SCOUTS)
        points += strata_tile_points(self->problem, tile);
    return 5 * self->due < 2 * points;
}

static void assign(void *state, strata_pass *pass)
{
    hamerly *self = state;
    const strata_problem *p = self->problem;
    self->pass = pass;
    self->fresh = false;
    pass->moved = pass->redecided = pass->distances = 0;
    if (pass->first) {
        memset(pass->sums, 0, (size_t)(self->k * (p->d + 1)) * sizeof *pass->sums);
        memset(self->drift, 0, sizeof self->drift);
        memset(self->drift_up, 0, sizeof self->drift_up);
        self->all = false;
    } else {
        add_drift(self);
        self->fresh = !self->all && bounds_pay(self);
        self->all = self->all || self->fresh;
    }
    memcpy(self->before, pass->centroids, (size_t)self->k * (size_t)p->d * sizeof *self->before);
    strata_screen_set(&self->screen, pass->centroids, pass->rest, self->k, p->origin,
                      strata_exact_form(p, self->k, NULL));
    self->due = 0;
    for (int64_t tile = 0; tile < p->n_tiles; tile++)
        if (self->all || tile % SCOUTS == 0)
            look_at_tile(self, tile);
        else
            scan_tile(self, tile);
    if (pass->first)
        pass->moved = p->n_local;
}

static void relabel(void *state, int64_t row, uint8_t label)
{
    hamerly *self = state;
    (void)label;
    self->safe[row] = -1;
}

const strata_variant_ops strata_variant_hamerly = {
    .info = {.name = "hamerly",
             .exact = true,
             .bytes_per_point = 5,
             .keeps = "labels, one bound a point",
             .regime = "d >= 6, k >= 64, many iterations",
             .d_min = 6,
             .d_max = STRATA_D_MAX,
             .k_min = 64},
    .create = create,
    .assign = assign,
    .relabel = relabel,
    .destroy = destroy};
