/* gemm.c: Lloyd's pass with the scores of a tile from one matrix product. OpenBLAS never decides a
 * label: its product only screens, and integers decide what the bound leaves open, so the labels do
 * not depend on its version, its threads or the kernel that OPENBLAS_CORETYPE names.
 *
 * The scores are those of the dot form in kernel.h, s = |c'|^2 / 2 - x'.c', as a product of the points
 * (x', 1) with the columns (-c', |c'|^2 / 2): a sum of d + 1 products, and the same bound holds for it.
 * x' and c' are rounded once each, which changes a product by at most two factors 1 + e, |e| <= u;
 * |c'|^2 / 2 is rounded at most twice. sgemm forms the d + 1 products, each rounded or, with fused
 * multiply-add, not, and adds them in an order of its own, perhaps as several partial sums (lanes,
 * unrolled loops, blocks along d): a binary tree with d + 1 leaves, possibly with further leaves 0
 * where a sum starts from zero or from C scaled by beta = 0; adding 0 is exact. On its way to the root
 * a leaf passes through at most d additions that round. alpha = 1 multiplies the sum, exactly.
 * So a term meets at most 2 + 1 + d < d + 4 roundings (the one of |c'|^2 / 2: 2 + d, times 1 is exact),
 *     |s_computed - s| <= g(d + 4) (|c'|^2 / 2 + sum |x'_f| |c'_f|) <= g(d + 4) (C^2 / 2 + R C) = E
 * by Cauchy-Schwarz, and the test of kernel.h applies as it stands. Every partial sum is a multiple of
 * one half, so nothing underflows. This is true of any library that multiplies and adds in float32
 * (it would not be of Strassen's algorithm, or of one that shortens its inputs). */
#include <cblas.h>
#include <string.h>

#include "cluster/sums.h"
#include "strata/memory.h"

/* The scores of one call stay in the second-level cache. */
enum { SCORES = 32768 };

typedef struct gemm {
    const strata_problem *problem;
    strata_screen screen;
    float *columns;  /* [k][d + 1] -c', |c'|^2 / 2; owned */
    float *shifted;  /* [d + 1][batch] x', 1; owned */
    float *scores;   /* [k][batch] owned */
    uint8_t *labels; /* [stride] borrowed */
    int64_t batch;   /* points of one product: whole blocks, a divisor of STRATA_TILE */
    int32_t k;
    int64_t moved;       /* in the pass before */
    int64_t doubtful[STRATA_SCREEN_FORMS]; /* see strata_exact_float_form */
} gemm;

static void destroy(void **state)
{
    gemm *self = *state;
    if (self) {
        strata_screen_release(&self->screen);
        strata_free(&self->columns);
        strata_free(&self->shifted);
        strata_free(&self->scores);
    }
    strata_free(state);
}

static int64_t batch_of(int32_t k)
{
    int64_t batch = STRATA_TILE;
    while (batch > STRATA_BLOCK && batch * k > SCORES)
        batch /= 2;
    return batch;
}

static strata_status create(const strata_problem *problem, int32_t k, uint8_t *labels, void **state)
{
    strata_status rc = STRATA_OK;
    strata_context *ctx = problem->ctx;
    const int64_t width = problem->d + 1;
    gemm *self = NULL;
    STRATA_TRY(strata_calloc(ctx, 1, sizeof *self, &self));
    *self = (gemm){
        .problem = problem, .labels = labels, .batch = batch_of(k), .k = k, .doubtful = {-1, -1, -1}};
    STRATA_TRY(strata_screen_init(ctx, k, problem->d, &self->screen));
    STRATA_TRY(strata_alloc(ctx, k * width, sizeof *self->columns, &self->columns));
    STRATA_TRY(strata_alloc(ctx, self->batch * width, sizeof *self->shifted, &self->shifted));
    STRATA_TRY(strata_alloc(ctx, self->batch * k, sizeof *self->scores, &self->scores));
    openblas_set_num_threads(1); /* the ranks are the parallelism */
    *state = self;
    self = NULL;
done:
    if (self) {
        void *unfinished = self;
        destroy(&unfinished);
    }
    return rc;
}

/* The columns of the product, from a screen that is set. */
static void set_columns(gemm *self)
{
    const int32_t d = self->problem->d;
    for (int32_t j = 0; j < self->k; j++) {
        float *column = self->columns + (int64_t)j * (d + 1);
        for (int32_t f = 0; f < d; f++)
            column[f] = -self->screen.c[(int64_t)(j / 4) * 4 * d + 4 * f + j % 4];
        column[d] = self->screen.h[j];
    }
}

/* x' of n points from x [d][stride] on; the rows after them repeat what was there. */
static void shift(gemm *self, const float *x, int64_t n)
{
    const strata_problem *p = self->problem;
    for (int32_t f = 0; f < p->d; f++) {
        const float *from = x + f * p->stride, origin = self->screen.origin[f];
        float *restrict to = self->shifted + f * self->batch;
        for (int64_t i = 0; i < n; i++)
            to[i] = from[i] - origin;
    }
    float *restrict ones = self->shifted + p->d * self->batch;
    for (int64_t i = 0; i < n; i++)
        ones[i] = 1.0f;
}

/* Labels [padded] of one tile, exact; returns how many points needed integers. */
static int64_t label_tile(gemm *self, int64_t tile, uint8_t *found)
{
    const strata_problem *p = self->problem;
    const int64_t first = tile * STRATA_TILE, points = strata_tile_points(p, tile);
    const int64_t padded = strata_tile_padded(points);
    const float offset = strata_screen_offset(&self->screen, (double)p->radius[tile]);
    uint64_t unsure[STRATA_TILE / STRATA_BLOCK] = {0};
    for (int64_t at = 0; at < padded; at += self->batch) {
        const int64_t n = padded - at < self->batch ? padded - at : self->batch;
        shift(self, p->x + first + at, n);
        cblas_sgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, (int)n, self->k, p->d + 1, 1.0f,
                    self->shifted, (int)self->batch, self->columns, p->d + 1, 0.0f, self->scores,
                    (int)self->batch);
        p->kernel->decide(&self->screen, self->scores, self->batch, n, offset, found + at,
                          unsure + at / STRATA_BLOCK);
    }
    return strata_exact_unsure(p, &self->screen, first, points, unsure, found);
}

static void assign(void *state, strata_pass *pass)
{
    gemm *self = state;
    const strata_problem *p = self->problem;
    const strata_screen_form form = strata_exact_float_form(self->doubtful);
    strata_screen_set(&self->screen, pass->centroids, pass->rest, self->k, p->origin, form);
    set_columns(self);
    const bool anew = pass->first || strata_sums_anew(p, self->k, self->moved);
    if (anew)
        memset(pass->sums, 0, (size_t)(self->k * (p->d + 1)) * sizeof *pass->sums);
    pass->moved = pass->redecided = 0;
    for (int64_t t = 0; t < p->n_tiles; t++) {
        _Alignas(64) uint8_t found[STRATA_TILE];
        const int64_t first = t * STRATA_TILE, points = strata_tile_points(p, t);
        pass->redecided += form == STRATA_SCREEN_DOT /* a product has no difference form */
                               ? label_tile(self, t, found)
                               : strata_exact_tile(p, &self->screen, t, found, NULL);
        pass->moved +=
            strata_sums_points(p, first, points, self->k, anew, self->labels, found, pass->sums);
    }
    pass->distances = (p->n_local + pass->redecided) * self->k;
    if (pass->first)
        pass->moved = p->n_local;
    self->moved = pass->moved;
    if (p->n_local > 0)
        self->doubtful[form] = pass->redecided * 1000 / p->n_local;
}

const strata_variant_ops strata_variant_gemm = {.info = {.name = "gemm",
                                                         .exact = true,
                                                         .bytes_per_point = 1,
                                                         .keeps = "labels",
                                                         .regime = "d >= 16",
                                                         .d_min = 16,
                                                         .d_max = STRATA_D_MAX},
                                                .create = create,
                                                .assign = assign,
                                                .destroy = destroy};
