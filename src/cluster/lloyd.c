/* lloyd.c: the plain variant. Every pass reads every point once: a float32 screen proposes labels,
 * integers decide the doubtful ones, and the sums follow the labels that changed. */
#include <string.h>

#include "cluster/sums.h"
#include "strata/memory.h"

typedef struct lloyd {
    const strata_problem *problem;
    strata_screen screen;
    uint8_t *labels; /* [stride] borrowed */
    int32_t k;
    int64_t moved; /* in the pass before */
    int64_t doubtful[STRATA_SCREEN_FORMS]; /* see strata_exact_form */
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
    *self = (lloyd){.problem = problem, .labels = labels, .k = k, .doubtful = {-1, -1, -1}};
    STRATA_TRY(strata_screen_init(problem->ctx, k, problem->d, &self->screen));
    *state = self;
    self = NULL;
done:
    strata_free(&self);
    return rc;
}

/* Keeps how many points the pass left undecided. */
static void remember(lloyd *self, int64_t open, int64_t redecided)
{
    const int64_t n = self->problem->n_local;
    const strata_screen_form form = self->screen.form;
    if (n > 0)
        self->doubtful[form] = (form == STRATA_SCREEN_COARSE ? open : redecided) * 1000 / n;
}

static void assign(void *state, strata_pass *pass)
{
    lloyd *self = state;
    const strata_problem *p = self->problem;
    int64_t open = 0;
    strata_screen_set(&self->screen, pass->centroids, pass->rest, self->k, p->origin,
                      strata_exact_form(p, self->k, self->doubtful));
    const bool anew = pass->first || strata_sums_anew(p, self->k, self->moved);
    if (anew)
        memset(pass->sums, 0, (size_t)(self->k * (p->d + 1)) * sizeof *pass->sums);
    pass->moved = pass->redecided = 0;
    for (int64_t t = 0; t < p->n_tiles; t++) {
        _Alignas(64) uint8_t found[STRATA_TILE];
        int64_t first = t * STRATA_TILE, points = strata_tile_points(p, t);
        pass->redecided += strata_exact_tile(p, &self->screen, t, found, &open);
        pass->moved +=
            strata_sums_points(p, first, points, self->k, anew, self->labels, found, pass->sums);
    }
    pass->distances = (p->n_local + open + pass->redecided) * self->k;
    if (pass->first)
        pass->moved = p->n_local;
    self->moved = pass->moved;
    remember(self, open, pass->redecided);
}

const strata_variant_ops strata_variant_lloyd = {.info = {.name = "lloyd",
                                                          .exact = true,
                                                          .bytes_per_point = 1,
                                                          .keeps = "labels",
                                                          .regime = "everywhere",
                                                          .d_max = STRATA_D_MAX},
                                                 .create = create,
                                                 .assign = assign,
                                                 .destroy = destroy};
