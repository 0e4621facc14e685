/* lloyd.c: the plain variant. Every pass reads every point once: a float32 screen proposes labels,
 * integers decide the doubtful ones, and the sums follow the labels that changed. */
#include <string.h>

#include "cluster/problem.h"
#include "strata/memory.h"

typedef struct lloyd {
    const strata_problem *problem;
    strata_screen screen;
    uint8_t *labels; /* [stride] borrowed */
    int32_t k;
    int64_t moved; /* in the pass before */
    /* How many points each form of the screen left undecided, per mille; -1 = not tried. */
    int64_t doubtful[2];
} lloyd;

static void destroy(void **state)
{
    lloyd *self = *state;
    if (self)
        strata_screen_release(&self->screen);
    strata_free(state);
}

static strata_status create(const strata_problem *problem, int32_t k, uint8_t *labels, void **state)
{
    strata_status rc = STRATA_OK;
    lloyd *self = NULL;
    STRATA_TRY(strata_calloc(problem->ctx, 1, sizeof *self, &self));
    *self = (lloyd){.problem = problem, .labels = labels, .k = k, .doubtful = {-1, -1}};
    STRATA_TRY(strata_screen_init(problem->ctx, k, problem->d, &self->screen));
    *state = self;
    self = NULL;
done:
    strata_free(&self);
    return rc;
}

/* The dot form costs half; the difference form is tried once when more than 1 % stay undecided and
 * kept if it leaves less than half of them. Ties of coarse data stay undecided in both. */
static strata_screen_form choose_form(const lloyd *self)
{
    if (self->doubtful[STRATA_SCREEN_DOT] <= 10)
        return STRATA_SCREEN_DOT;
    if (self->doubtful[STRATA_SCREEN_DIFFERENCE] < 0 ||
        self->doubtful[STRATA_SCREEN_DIFFERENCE] * 2 < self->doubtful[STRATA_SCREEN_DOT])
        return STRATA_SCREEN_DIFFERENCE;
    return STRATA_SCREEN_DOT;
}

static inline void add_point(const strata_problem *p, int64_t i, int64_t weight, int64_t *sums)
{
    for (int32_t f = 0; f < p->d; f++)
        sums[f] += weight * (int64_t)p->x[f * p->stride + i];
    sums[p->d] += weight;
}

static inline void move_point(const strata_problem *p, int64_t i, int64_t *from, int64_t *to)
{
    const int64_t weight = strata_problem_weight(p, i);
    for (int32_t f = 0; f < p->d; f++) {
        int64_t value = weight * (int64_t)p->x[f * p->stride + i];
        from[f] -= value;
        to[f] += value;
    }
    from[p->d] -= weight;
    to[p->d] += weight;
}

/* Marks the points whose label changes; returns how many. */
static int64_t mark_changes(const lloyd *self, int64_t first, int64_t points, const uint8_t *found,
                            uint64_t *changed)
{
    int64_t moved = 0, blocks = strata_tile_padded(points) / STRATA_BLOCK;
    self->problem->kernel->differ(self->labels + first, found, blocks * STRATA_BLOCK, changed);
    if (points % STRATA_BLOCK != 0) /* the padding is nobody's */
        changed[blocks - 1] &= (UINT64_C(1) << (points % STRATA_BLOCK)) - 1;
    for (int64_t b = 0; b < blocks; b++)
        moved += __builtin_popcountll(changed[b]);
    return moved;
}

/* Few labels change: move their points from sum to sum. */
static int64_t follow_changes(lloyd *self, int64_t first, int64_t points, const uint8_t *found,
                              int64_t *sums)
{
    const strata_problem *p = self->problem;
    uint8_t *labels = self->labels + first;
    uint64_t changed[STRATA_TILE / STRATA_BLOCK];
    int64_t moved = mark_changes(self, first, points, found, changed);
    for (int64_t at = 0; at < points && moved > 0; at += STRATA_BLOCK) {
        uint64_t bits = changed[at / STRATA_BLOCK];
        if (bits == 0)
            continue;
        for (; bits != 0; bits &= bits - 1) {
            int64_t i = at + __builtin_ctzll(bits);
            move_point(p, first + i, sums + (int64_t)labels[i] * (p->d + 1),
                       sums + (int64_t)found[i] * (p->d + 1));
        }
        memcpy(labels + at, found + at, STRATA_BLOCK);
    }
    return moved;
}

/* Many labels change: sum all points anew. */
static int64_t sum_anew(lloyd *self, int64_t first, int64_t points, uint8_t *found, int64_t *sums)
{
    const strata_problem *p = self->problem;
    uint64_t changed[STRATA_TILE / STRATA_BLOCK];
    int64_t padded = strata_tile_padded(points);
    int64_t moved = mark_changes(self, first, points, found, changed);
    memcpy(self->labels + first, found, (size_t)padded);
    if (self->k <= 16 && !p->weights) {
        memset(found + points, 255, (size_t)(padded - points));
        p->kernel->accumulate(p->x + first, p->stride, padded, found, self->k, p->d, sums);
        return moved;
    }
    for (int64_t i = 0; i < points; i++)
        add_point(p, first + i, strata_problem_weight(p, first + i),
                  sums + (int64_t)found[i] * (p->d + 1));
    return moved;
}

static void assign(void *state, strata_pass *pass)
{
    lloyd *self = state;
    const strata_problem *p = self->problem;
    strata_screen_form form = choose_form(self);
    strata_screen_set(&self->screen, pass->centroids, self->k, p->origin, form);
    /* Below about one in sixteen it is cheaper to follow the points that moved. */
    bool anew = pass->first || self->moved > p->n_local / 16;
    if (anew)
        memset(pass->sums, 0, (size_t)(self->k * (p->d + 1)) * sizeof *pass->sums);
    pass->moved = pass->redecided = 0;
    for (int64_t t = 0; t < p->n_tiles; t++) {
        _Alignas(64) uint8_t found[STRATA_TILE];
        int64_t first = t * STRATA_TILE, points = strata_tile_points(p, t);
        pass->redecided += strata_exact_tile(p, &self->screen, pass->centroids, t, found);
        if (anew)
            pass->moved += sum_anew(self, first, points, found, pass->sums);
        else
            pass->moved += follow_changes(self, first, points, found, pass->sums);
    }
    pass->distances = (p->n_local + pass->redecided) * self->k;
    if (pass->first)
        pass->moved = p->n_local;
    self->moved = pass->moved;
    if (p->n_local > 0)
        self->doubtful[form] = pass->redecided * 1000 / p->n_local;
}

static void sync(void *state)
{
    (void)state; /* the labels are always current */
}

static void relabel(void *state, int64_t row, uint8_t label)
{
    lloyd *self = state;
    self->labels[row] = label;
}

const strata_variant_ops strata_variant_lloyd = {.info = {.name = "lloyd",
                                                          .exact = true,
                                                          .bytes_per_point = 1,
                                                          .keeps = "labels",
                                                          .regime = "everywhere",
                                                          .d_max = STRATA_D_MAX},
                                                 .create = create,
                                                 .assign = assign,
                                                 .sync = sync,
                                                 .relabel = relabel,
                                                 .destroy = destroy};
