/* merge.c: equal rows as one weighted point. Another exact variant labels the distinct points; a row
 * has the label of its point. Equal rows have equal distances, so labels, sums and inertia are those
 * of lloyd; rows that move are counted by rows.
 *
 * The one moment at which equal rows part is when a row is given to an empty cluster. Such rows are
 * remembered until the next pass: before it the sums take them back, so that the inner variant finds
 * sums that fit its labels, and after it each counts as moved from the label it was given. */
#include <string.h>

#include "cluster/distinct.h"
#include "cluster/sums.h"
#include "strata/memory.h"

typedef struct parted_row {
    int64_t row;
    uint8_t label;
} parted_row;

typedef struct merge {
    const strata_problem *problem;
    const strata_distinct *distinct;
    const strata_variant_ops *inner;
    void *state;              /* of the inner variant */
    uint8_t *labels;          /* [stride] borrowed; up to date after sync */
    uint8_t *inside, *before; /* [view.stride] of the points, now and in the pass before; owned */
    parted_row parted[STRATA_K_MAX]; /* a row for each empty cluster */
    int32_t n_parted;
} merge;

static void destroy(void **state)
{
    merge *self = *state;
    if (self) {
        if (self->inner)
            self->inner->destroy(&self->state);
        strata_free(&self->inside);
        strata_free(&self->before);
    }
    strata_free(state);
}

static strata_status create(const strata_problem *problem, int32_t k, uint8_t *labels, void **state)
{
    strata_status rc = STRATA_OK;
    merge *self = NULL;
    STRATA_TRY(strata_calloc(problem->ctx, 1, sizeof *self, &self));
    *self = (merge){.problem = problem, .labels = labels};
    STRATA_TRY(strata_distinct_get(problem, &self->distinct));
    const strata_problem *view = &self->distinct->view;
    STRATA_TRY(strata_alloc(problem->ctx, view->stride, 1, &self->inside));
    STRATA_TRY(strata_alloc(problem->ctx, view->stride, 1, &self->before));
    self->inner = strata_variant_inner(view, k);
    STRATA_TRY(self->inner->create(view, k, self->inside, &self->state));
    *state = self;
    self = NULL;
done:
    if (self) {
        void *unfinished = self;
        destroy(&unfinished);
    }
    return rc;
}

/* Rows whose label changed, by the points' labels before and now. */
static int64_t count_moved(const merge *self)
{
    const strata_distinct *distinct = self->distinct;
    int64_t moved = 0;
    for (int64_t q = 0; q < distinct->view.n_local; q++)
        moved += self->inside[q] != self->before[q] ? distinct->rows[q] : 0;
    for (int32_t e = 0; e < self->n_parted; e++) {
        const uint32_t q = distinct->point[self->parted[e].row];
        moved += (self->inside[q] != self->parted[e].label) - (self->inside[q] != self->before[q]);
    }
    return moved;
}

static void assign(void *state, strata_pass *pass)
{
    merge *self = state;
    const strata_problem *view = &self->distinct->view;
    for (int32_t e = 0; e < self->n_parted && !pass->first; e++) {
        const parted_row *parted = &self->parted[e];
        strata_sums_move(self->problem, parted->row, parted->label,
                         self->inside[self->distinct->point[parted->row]], pass->sums);
    }
    if (!pass->first)
        memcpy(self->before, self->inside, (size_t)view->n_local);
    self->inner->assign(self->state, pass);
    strata_variant_sync(self->inner, self->state);
    pass->moved = pass->first ? self->problem->n_local : count_moved(self);
    self->n_parted = 0;
}

static void sync(void *state)
{
    merge *self = state;
    const uint32_t *point = self->distinct->point;
    for (int64_t i = 0; i < self->problem->n_local; i++)
        self->labels[i] = self->inside[point[i]];
    for (int32_t e = 0; e < self->n_parted; e++)
        self->labels[self->parted[e].row] = self->parted[e].label;
}

static void relabel(void *state, int64_t row, uint8_t label)
{
    merge *self = state;
    self->parted[self->n_parted++] = (parted_row){.row = row, .label = label};
}

const strata_variant_ops strata_variant_merge = {
    .info = {.name = "merge",
             .exact = true,
             .bytes_per_point = 5,
             .keeps = "a number a row, each distinct row once with its weight and label",
             .regime = "scores and coarse values: many equal rows",
             .d_max = STRATA_D_MAX},
    .create = create,
    .assign = assign,
    .sync = sync,
    .relabel = relabel,
    .destroy = destroy};
