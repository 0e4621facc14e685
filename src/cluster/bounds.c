#include "cluster/bounds.h"

#include <math.h>
#include <string.h>

#include "strata/memory.h"

enum { SCOUTS = 32 };

typedef struct bounds {
    const strata_problem *problem;
    strata_screen screen; /* for tiles without bounds */
    strata_crowds crowds;
    uint8_t *labels;               /* [stride] borrowed */
    float *safe;                   /* [stride] owned */
    float *lower;                  /* [stride][width] and 64 bytes; owned */
    float *rows;                   /* [stride][d] the points; owned */
    int32_t *before;               /* [k, d] centroids of the pass before; owned */
    double drift[STRATA_K_MAX];    /* of a row of bounds */
    double own[STRATA_K_MAX];      /* of a label */
    bool scouts, all;              /* which tiles have bounds */
    bool fresh, settling;          /* since this pass; since the one before */
    int64_t demand;                /* see bounds_pay */
    int64_t looked, crowds_looked; /* of the scouts in this pass */
    strata_pass *pass;
} bounds;

void strata_bounds_destroy(void **state)
{
    bounds *self = *state;
    if (self) {
        strata_screen_release(&self->screen);
        strata_crowds_release(&self->crowds);
        strata_free(&self->safe);
        strata_free(&self->lower);
        strata_free(&self->rows);
        strata_free(&self->before);
    }
    strata_free(state);
}

strata_status strata_bounds_create(const strata_problem *problem, int32_t k, bool each,
                                   uint8_t *labels, void **state)
{
    strata_status rc = STRATA_OK;
    strata_context *ctx = problem->ctx;
    bounds *self = NULL;
    STRATA_TRY(strata_calloc(ctx, 1, sizeof *self, &self));
    *self = (bounds){.problem = problem, .labels = labels};
    STRATA_TRY(strata_screen_init(ctx, k, problem->d, &self->screen));
    STRATA_TRY(strata_crowds_init(ctx, k, problem->d, each, &self->crowds));
    STRATA_TRY(strata_alloc(ctx, problem->stride, sizeof *self->safe, &self->safe));
    STRATA_TRY(strata_alloc(ctx, problem->stride * self->crowds.width + STRATA_CROWD,
                            sizeof *self->lower, &self->lower));
    STRATA_TRY(strata_alloc(ctx, problem->stride * problem->d, sizeof *self->rows, &self->rows));
    STRATA_TRY(strata_alloc(ctx, (int64_t)k * problem->d, sizeof *self->before, &self->before));
    *state = self;
    self = NULL;
done:
    if (self) {
        void *unfinished = self;
        strata_bounds_destroy(&unfinished);
    }
    return rc;
}

/* ---- drift ----------------------------------------------------------------------------------- */

static void add_drift(bounds *self)
{
    const strata_crowds *s = &self->crowds;
    const bool each = s->half != NULL;
    double moves[STRATA_K_MAX], longest = 0, next = 0, by_row[STRATA_K_MAX] = {0};
    for (int32_t j = 0; j < s->k; j++) {
        moves[j] = strata_exact_move(s->d, self->before + j * s->d,
                                     self->pass->centroids + j * s->d);
        const int32_t row = each ? s->place[j] : s->place[j] / STRATA_CROWD;
        by_row[row] = moves[j] > by_row[row] ? moves[j] : by_row[row];
        next = moves[j] > longest ? longest : moves[j] > next ? moves[j] : next;
        longest = moves[j] > longest ? moves[j] : longest;
    }
    for (int32_t row = 0; row < STRATA_K_MAX; row++)
        self->drift[row] = (self->drift[row] + by_row[row]) * (1 + 1e-15);
    for (int32_t j = 0; j < s->k; j++)
        self->own[j] =
            (self->own[j] + moves[j] + (moves[j] == longest ? next : longest)) * (1 + 1e-15);
}

/* As float, rounded up and down. */
static void publish_drift(bounds *self)
{
    for (int32_t j = 0; j < STRATA_K_MAX; j++) {
        self->crowds.up[j] = (float)(self->drift[j] * (1 + 2e-7));
        self->crowds.down[j] = (float)(self->drift[j] * (1 - 2e-7));
        self->crowds.own_up[j] = (float)(self->own[j] * (1 + 2e-7));
        self->crowds.own_down[j] = (float)(self->own[j] * (1 - 2e-7));
    }
}

/* ---- tiles ----------------------------------------------------------------------------------- */

static bool is_scout(int64_t tile)
{
    return tile % SCOUTS == 0;
}

/* From here on these tiles have bounds; none says anything yet. */
static void begin_bounds(bounds *self, bool all)
{
    strata_crowds_group(&self->crowds, self->pass->centroids);
    memset(self->drift, 0, sizeof self->drift);
    memset(self->own, 0, sizeof self->own);
    self->scouts = self->fresh = true;
    self->all = all;
}

static void scan_tile(bounds *self, int64_t tile)
{
    const strata_problem *p = self->problem;
    strata_pass *pass = self->pass;
    _Alignas(64) uint8_t found[STRATA_TILE];
    const int64_t points = strata_tile_points(p, tile);
    int64_t open = 0;
    const int64_t redecided = strata_exact_tile(p, &self->screen, tile, found, &open);
    pass->redecided += redecided;
    pass->distances += (points + open + redecided) * self->crowds.k;
    pass->moved += strata_sums_points(p, tile * STRATA_TILE, points, self->crowds.k, pass->first,
                                      self->labels, found, pass->sums);
}

static void take_label(bounds *self, int64_t i, bool unsure, uint8_t label)
{
    const strata_problem *p = self->problem;
    if (unsure) {
        label = (uint8_t)strata_exact_nearest_mean(p, i, self->pass->centroids,
                                                   self->pass->rest, self->crowds.k);
        self->pass->redecided++;
        self->pass->distances += self->crowds.k;
    }
    if (label != self->labels[i])
        strata_sums_label(p, self->pass, i, self->labels, label);
}

/* Once a walk: the points of a tile as rows, which single points are read from. */
static void copy_rows(const bounds *self, int64_t tile)
{
    const strata_problem *p = self->problem;
    const int64_t first = tile * STRATA_TILE, points = strata_tile_points(p, tile);
    for (int64_t at = first; at < first + points; at += STRATA_CROWD)
        for (int32_t f = 0; f < p->d; f++)
            for (int64_t i = at; i < at + STRATA_CROWD; i++)
                self->rows[i * p->d + f] = p->x[f * p->stride + i];
}

/* The points of a tile that are past their bounds. */
typedef struct todo {
    int64_t points; /* of the tile; 0 = no such tile */
    uint64_t due[STRATA_TILE / 64];
} todo;

static void find_due(const bounds *self, int64_t tile, todo *out)
{
    const strata_problem *p = self->problem;
    const int64_t first = tile * STRATA_TILE;
    out->points = tile < p->n_tiles ? strata_tile_points(p, tile) : 0;
    if (!self->fresh) {
        p->kernel->overdue(self->labels + first, self->safe + first, self->crowds.own_up,
                           out->points, out->due);
        return;
    }
    for (int64_t at = 0; at < out->points; at += 64)
        out->due[at / 64] =
            out->points - at < 64 ? (UINT64_C(1) << (out->points - at)) - 1 : UINT64_MAX;
}

static int32_t list_due(const todo *of, uint16_t *list)
{
    int32_t n = 0;
    for (int64_t at = 0; at < of->points; at += 64)
        for (uint64_t bits = of->due[at / 64]; bits != 0; bits &= bits - 1)
            list[n++] = (uint16_t)(at + __builtin_ctzll(bits));
    return n;
}

static void look_at_tile(bounds *self, int64_t tile, const todo *now, const todo *next)
{
    const strata_problem *p = self->problem;
    const int64_t first = tile * STRATA_TILE, points = now->points;
    const uint64_t *due = now->due;
    uint64_t unsure[STRATA_TILE / 64] = {0};
    uint8_t found[STRATA_TILE];
    uint16_t ahead[STRATA_TILE];
    if (self->fresh)
        copy_rows(self, tile);
    memcpy(found, self->labels + first, (size_t)points);
    strata_look look = {.rows = self->rows + first * p->d,
                        .due = due,
                        .points = points,
                        .fresh = self->fresh,
                        .labels = found,
                        .lower = self->lower + first * self->crowds.width,
                        .safe = self->safe + first,
                        .unsure = unsure,
                        .ahead = ahead,
                        .n_ahead = list_due(next, ahead)};
    if (self->crowds.half)
        p->kernel->look_each(&self->crowds, &look);
    else
        p->kernel->look_crowds(&self->crowds, &look);
    for (int64_t at = 0; at < points; at += 64)
        for (uint64_t bits = due[at / 64]; bits != 0; bits &= bits - 1) {
            const int64_t q = at + __builtin_ctzll(bits);
            take_label(self, first + q, unsure[at / 64] >> (q - at) & 1, found[q]);
        }
    self->pass->distances += look.crowds * STRATA_CROWD;
    self->looked += look.looked;
    self->crowds_looked += look.crowds;
}

static void look_at_all(bounds *self)
{
    todo turn[2];
    find_due(self, 0, &turn[0]);
    for (int64_t tile = 0; tile < self->problem->n_tiles; tile++) {
        find_due(self, tile + 1, &turn[(tile + 1) % 2]);
        look_at_tile(self, tile, &turn[tile % 2], &turn[(tile + 1) % 2]);
    }
}

static void look_at_scout(bounds *self, int64_t tile)
{
    todo now, none = {.points = 0};
    find_due(self, tile, &now);
    look_at_tile(self, tile, &now, &none);
}

/* ---- passes ---------------------------------------------------------------------------------- */

/* Whether demand times the looks of the pass before cost less than scanning, counted in points
 * times crowds; a look costs as much again as a crowd. Measured: level at about 6 (16 features), 4
 * (32 and more). */
static bool bounds_pay(const bounds *self, int64_t demand)
{
    int64_t points = 0;
    for (int64_t tile = 0; tile < self->problem->n_tiles; tile += self->all ? 1 : SCOUTS)
        points += strata_tile_points(self->problem, tile);
    return demand * (self->looked + self->crowds_looked) < points * self->crowds.count;
}

/* Which tiles have bounds in this pass. Where they once did not pay, more is demanded. */
static void choose_tiles(bounds *self)
{
    if (!self->scouts)
        begin_bounds(self, false);
    else if (self->all && !self->settling && !bounds_pay(self, self->demand - 1)) {
        self->all = false;
        self->demand += 2;
    } else if (!self->all && !self->settling && bounds_pay(self, self->demand))
        begin_bounds(self, true);
}

void strata_bounds_assign(void *state, strata_pass *pass)
{
    bounds *self = state;
    const strata_problem *p = self->problem;
    const size_t bytes = (size_t)self->crowds.k * (size_t)p->d * sizeof *self->before;
    self->pass = pass;
    self->fresh = false;
    pass->moved = pass->redecided = pass->distances = 0;
    if (pass->first) {
        memset(pass->sums, 0, (size_t)(self->crowds.k * (p->d + 1)) * sizeof *pass->sums);
        self->scouts = self->all = false;
        self->demand = p->d >= 32 ? 4 : 6;
    } else {
        choose_tiles(self);
    }
    if (!self->fresh && !pass->first)
        add_drift(self);
    publish_drift(self);
    memcpy(self->before, pass->centroids, bytes);
    strata_crowds_set(&self->crowds, pass->centroids);
    if (self->crowds.half && self->scouts) {
        p->kernel->apart(&self->crowds);
        pass->distances += (int64_t)self->crowds.k * self->crowds.k;
    }
    strata_screen_set(&self->screen, pass->centroids, pass->rest, self->crowds.k, p->origin,
                      strata_exact_form(p, self->crowds.k, NULL));
    self->looked = self->crowds_looked = 0;
    if (self->all)
        look_at_all(self);
    for (int64_t tile = 0; tile < p->n_tiles && !self->all; tile++)
        if (self->scouts && is_scout(tile))
            look_at_scout(self, tile);
        else
            scan_tile(self, tile);
    self->settling = self->fresh; /* such a pass says nothing of the next */
    if (pass->first)
        pass->moved = p->n_local;
}

void strata_bounds_relabel(void *state, int64_t row, uint8_t label)
{
    bounds *self = state;
    (void)label;
    self->safe[row] = -1;
    for (int64_t b = 0; b < self->crowds.width; b++)
        self->lower[row * self->crowds.width + b] = -3e38f;
}
