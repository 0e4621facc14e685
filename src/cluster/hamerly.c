/* hamerly.c: one bound a point (Hamerly 2010, doi 10.1137/1.9781611972801.12), in the form of
 * filter.c. `safe` is the total drift of the centroids up to which a point's label must stay. In
 * each pass the points that are past it are gathered into blocks and screened together; the
 * others are not read. */
#include <string.h>

#include "cluster/sums.h"
#include "strata/memory.h"

typedef struct hamerly {
    const strata_problem *problem;
    strata_screen screen;
    uint8_t *labels; /* [stride] borrowed */
    float *safe;     /* [stride] owned */
    int32_t *before; /* [k, d] centroids of the pass before; owned */
    float *gathered; /* [d][STRATA_BLOCK] owned */
    double drift;
    int32_t k;
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
            found[q] = (uint8_t)strata_exact_nearest(p, i, self->pass->centroids, self->k, NULL);
            margin[q] = -1;
            self->pass->redecided++;
        }
        strata_sums_label(p, self->pass, i, self->labels, found[q]);
        self->safe[i] = safe_until(self->drift, margin[q]);
    }
}

/* The rows of a tile that are past their bound. */
static int64_t find_due(const hamerly *self, int64_t tile, int32_t *rows)
{
    const int64_t points = strata_tile_points(self->problem, tile);
    const float *safe = self->safe + tile * STRATA_TILE;
    const float now = (float)(self->drift * (1 + 2e-7));
    int64_t due = 0;
    for (int32_t i = 0; i < points; i++) {
        rows[due] = i;
        due += self->pass->first || !(now < safe[i]);
    }
    return due;
}

static void look_at_tile(hamerly *self, int64_t tile)
{
    const strata_problem *p = self->problem;
    const float *x = p->x + tile * STRATA_TILE;
    int32_t rows[STRATA_TILE + 1];
    const int64_t points = strata_tile_points(p, tile);
    int64_t due = find_due(self, tile, rows);
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

static void assign(void *state, strata_pass *pass)
{
    hamerly *self = state;
    const strata_problem *p = self->problem;
    const size_t bytes = (size_t)self->k * (size_t)p->d * sizeof *self->before;
    self->pass = pass;
    self->drift = pass->first ? 0
                              : self->drift + strata_longest_move(self->k, p->d, self->before,
                                                                  pass->centroids);
    memcpy(self->before, pass->centroids, bytes);
    strata_screen_set(&self->screen, pass->centroids, self->k, p->origin, STRATA_SCREEN_DOT);
    pass->moved = pass->redecided = 0;
    if (pass->first)
        memset(pass->sums, 0, (size_t)(self->k * (p->d + 1)) * sizeof *pass->sums);
    for (int64_t tile = 0; tile < p->n_tiles; tile++)
        look_at_tile(self, tile);
    if (pass->first)
        pass->moved = p->n_local;
}

static void sync(void *state)
{
    (void)state; /* the labels are always current */
}

static void relabel(void *state, int64_t row, uint8_t label)
{
    hamerly *self = state;
    self->labels[row] = label;
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
    .sync = sync,
    .relabel = relabel,
    .destroy = destroy};
