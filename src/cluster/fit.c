/* fit.c: restarts of seeding and walk, and what is told about the best one. */
#include <string.h>

#include "cluster/problem.h"
#include "strata/memory.h"
#include "strata/par.h"

static strata_status check_start(strata_context *ctx, const strata_cluster_options *o, int32_t d)
{
    strata_status rc = STRATA_OK;
    if (!o->start)
        STRATA_FAIL(ctx, STRATA_ERR_USAGE, "init = centroids needs %d starting centroids",
                    (int)o->k);
    for (int64_t v = 0; v < (int64_t)o->k * d; v++)
        if (o->start[v] <= -STRATA_GRID_LIMIT || o->start[v] >= STRATA_GRID_LIMIT)
            STRATA_FAIL(ctx, STRATA_ERR_INPUT,
                        "starting centroid %lld lies outside the grid in feature %lld",
                        (long long)(v / d), (long long)(v % d));
done:
    return rc;
}

static strata_status check_options(strata_context *ctx, const strata_cluster_options *o, int32_t d)
{
    strata_status rc = STRATA_OK;
    static const char *const inits[] = {"kmeans_parallel", "kmeans_plus_plus", "random",
                                        "centroids"};
    bool known = false;
    for (size_t i = 0; i < sizeof inits / sizeof inits[0] && o->init; i++)
        known = known || strcmp(o->init, inits[i]) == 0;
    if (o->k < 1 || o->k > STRATA_K_MAX)
        STRATA_FAIL(ctx, STRATA_ERR_USAGE, "cluster.k must be 1 to %d, not %d", (int)STRATA_K_MAX,
                    (int)o->k);
    if (!known)
        STRATA_FAIL(
            ctx, STRATA_ERR_USAGE,
            "cluster.init '%s' is unknown; use kmeans_parallel, kmeans_plus_plus, random or "
            "centroids",
            o->init ? o->init : "");
    if (o->restarts < 1 || o->max_iterations < 0)
        STRATA_FAIL(ctx, STRATA_ERR_USAGE,
                    "cluster.restarts must be at least 1 and max_iterations at least 0");
    if (!o->variant || (strcmp(o->variant, "auto") != 0 && !strata_variant_find(o->variant)))
        STRATA_FAIL(ctx, STRATA_ERR_USAGE, "cluster.variant '%s' is unknown",
                    o->variant ? o->variant : "");
    if (strcmp(o->init, "centroids") == 0)
        STRATA_TRY(check_start(ctx, o, d));
done:
    return rc;
}

/* What one fit works with; the bytes of labels serve the seeding as uint16_t, the walk as
 * uint8_t and at last hold the labels that are returned. */
typedef struct fit {
    const strata_cluster_options *options;
    const strata_problem *problem;
    const strata_variant_ops *ops;
    void *state;
    int16_t *labels; /* [stride] */
    int32_t *trial;  /* [k, d] */
    int64_t *sums, *global;
    strata_history history;
    __int128 best;
} fit;

static void fit_release(fit *f)
{
    if (f->ops)
        f->ops->destroy(&f->state);
    strata_free(&f->labels);
    strata_free(&f->trial);
    strata_free(&f->sums);
    strata_free(&f->global);
    strata_free(&f->history.rows);
}

static strata_status fit_memory(strata_context *ctx, fit *f, strata_clustering *out)
{
    strata_status rc = STRATA_OK;
    const int64_t k = f->options->k, d = f->problem->d;
    STRATA_TRY(strata_alloc(ctx, f->problem->stride, sizeof *f->labels, &f->labels));
    STRATA_TRY(strata_alloc(ctx, k * d, sizeof *f->trial, &f->trial));
    STRATA_TRY(strata_alloc(ctx, k * (d + 1), sizeof *f->sums, &f->sums));
    STRATA_TRY(strata_alloc(ctx, k * (d + 1) + 2, sizeof *f->global, &f->global));
    STRATA_TRY(strata_alloc(ctx, k * d, sizeof *out->centroids, &out->centroids));
    STRATA_TRY(strata_calloc(ctx, k, sizeof *out->sizes, &out->sizes));
    STRATA_TRY(strata_calloc(ctx, k, sizeof *out->inertias, &out->inertias));
    STRATA_TRY(f->ops->create(f->problem, f->options->k, (uint8_t *)f->labels, &f->state));
done:
    return rc;
}

/* Collective. One restart; keeps its result when it is better than all before. */
static strata_status fit_restart(fit *f, int32_t restart, strata_clustering *out)
{
    strata_status rc = STRATA_OK;
    const strata_cluster_options *o = f->options;
    strata_run run = {.problem = f->problem,
                      .ops = f->ops,
                      .state = f->state,
                      .k = o->k,
                      .max_iterations = o->max_iterations,
                      .restart = restart,
                      .seed = o->seed,
                      .centroids = f->trial,
                      .labels = (uint8_t *)f->labels,
                      .sums = f->sums,
                      .global = f->global,
                      .history = &f->history};
    STRATA_TRY(strata_seed(f->problem, o, restart, f->labels, f->trial));
    STRATA_TRY(strata_run_walk(&run));
    out->allreduce_bytes += run.bytes;
    out->allreduce_calls += run.calls;
    out->redecided_local += run.redecided;
    if (restart == 0 || run.inertia < f->best) {
        f->best = run.inertia;
        memcpy(out->centroids, f->trial, (size_t)o->k * (size_t)f->problem->d * sizeof *f->trial);
        out->iterations = run.iterations;
        out->converged = run.converged;
        out->restart = restart;
    }
done:
    return rc;
}

/* Per cluster the weighted sum of |x|^2 of this rank. A tile's sums stay below 2^64 without
 * weights. */
static void sum_squares(const strata_problem *p, const int16_t *labels, int32_t k,
                        __int128 *squares)
{
    const int32_t zero[STRATA_D_MAX] = {0};
    for (int64_t t = 0; t < p->n_tiles; t++) {
        int64_t first = t * STRATA_TILE, points = strata_tile_points(p, t), squared[STRATA_TILE];
        uint64_t sums[STRATA_K_MAX] = {0};
        p->kernel->distances(p->x + first, p->stride, strata_tile_padded(points), p->d, zero,
                             squared);
        for (int64_t i = 0; i < points && !p->weights; i++)
            sums[labels[first + i]] += (uint64_t)squared[i];
        for (int64_t i = 0; i < points && p->weights; i++)
            squares[labels[first + i]] += (__int128)squared[i] * p->weights[first + i];
        for (int32_t j = 0; j < k; j++)
            squares[j] += (__int128)sums[j];
    }
}

/* Labels by centroids on the grid, and the sums of this rank. */
static strata_status label_on_grid(fit *f, const strata_clustering *out)
{
    strata_status rc = STRATA_OK;
    const strata_variant_ops *lloyd = &strata_variant_lloyd;
    strata_pass pass = {.centroids = out->centroids, .first = true, .sums = f->sums};
    void *state = NULL;
    STRATA_TRY(lloyd->create(f->problem, out->k, (uint8_t *)f->labels, &state));
    lloyd->assign(state, &pass);
    lloyd->destroy(&state);
    for (int64_t i = f->problem->n_local - 1; i >= 0; i--)
        f->labels[i] = ((const uint8_t *)f->labels)[i]; /* from the end: nothing unread is hit */
done:
    return rc;
}

/* Collective. What is told of the best restart follows from its centroids on the grid, not from the
 * means that its walk went by; so labels need not be kept through the other restarts either. */
static strata_status fit_conclude(fit *f, strata_clustering *out)
{
    strata_status rc = STRATA_OK;
    const strata_problem *p = f->problem;
    const int64_t width = p->d + 1;
    __int128 squares[STRATA_K_MAX] = {0};
    STRATA_AGREE(p->ctx, label_on_grid(f, out));
    STRATA_TRY(strata_par_allreduce_i64(p->ctx, f->sums, out->k * width, STRATA_SUM));
    sum_squares(p, f->labels, out->k, squares);
    STRATA_TRY(strata_par_allreduce_i128(p->ctx, squares, out->k));
    for (int32_t j = 0; j < out->k; j++) {
        const int64_t *sums = f->sums + j * width;
        __int128 inertia =
            squares[j] + strata_exact_inertia(1, p->d, out->centroids + (int64_t)j * p->d, sums);
        out->inertias[j] = strata_exact_scaled(inertia, p->step_exponent);
        out->sizes[j] = sums[p->d];
    }
    out->inertia = strata_exact_scaled(
        p->squares + strata_exact_inertia(out->k, p->d, out->centroids, f->sums), p->step_exponent);
done:
    return rc;
}

strata_status strata_fit_problem(const strata_problem *problem,
                                 const strata_cluster_options *options, strata_clustering *out)
{
    strata_status rc = STRATA_OK;
    strata_context *ctx = problem->ctx;
    fit f = {.options = options, .problem = problem};
    strata_clustering result = {.k = options->k, .d = problem->d};
    STRATA_AGREE(ctx, check_options(ctx, options, problem->d));
    if (problem->weight_global < 1)
        STRATA_FAIL(ctx, STRATA_ERR_INPUT, "there are no points to cluster");
    f.ops = strata_variant_choose(problem, options, result.reason, sizeof result.reason);
    result.variant = f.ops->info.name;
    result.exact = f.ops->info.exact;
    STRATA_AGREE(ctx, fit_memory(ctx, &f, &result));
    /* given centroids walk the same way every time */
    int32_t restarts = strcmp(options->init, "centroids") == 0 ? 1 : options->restarts;
    for (int32_t restart = 0; restart < restarts; restart++)
        STRATA_TRY(fit_restart(&f, restart, &result));
    STRATA_TRY(fit_conclude(&f, &result));
    result.labels = f.labels;
    result.history = f.history.rows;
    result.n_history = f.history.count;
    f.labels = NULL;
    f.history.rows = NULL;
    *out = result;
    result = (strata_clustering){0};
done:
    strata_clustering_release(&result);
    fit_release(&f);
    if (rc != STRATA_OK)
        strata_problem_forget(problem);
    return rc;
}

strata_status strata_cluster_fit(strata_context *ctx, const strata_points *points,
                                 const strata_cluster_options *options, strata_clustering *out)
{
    strata_status rc = STRATA_OK;
    strata_problem problem = {0};
    STRATA_AGREE(ctx, check_options(ctx, options, points->d));
    STRATA_TRY(strata_problem_init(ctx, points, options->weights, options->kernel, &problem));
    STRATA_TRY(strata_fit_problem(&problem, options, out));
done:
    strata_problem_release(&problem);
    return rc;
}

strata_status strata_cluster_open(strata_context *ctx, const strata_points *points,
                                  const int64_t *weights, const char *kernel,
                                  strata_cluster_problem **out)
{
    strata_status rc = STRATA_OK;
    strata_problem *problem = NULL;
    STRATA_AGREE(ctx, strata_calloc(ctx, 1, sizeof *problem, &problem));
    STRATA_TRY(strata_problem_init(ctx, points, weights, kernel, problem));
    *out = problem;
    problem = NULL;
done:
    strata_free(&problem);
    return rc;
}

strata_status strata_cluster_fit_open(const strata_cluster_problem *problem,
                                      const strata_cluster_options *options, strata_clustering *out)
{
    return strata_fit_problem(problem, options, out);
}

void strata_cluster_close(strata_cluster_problem **problem)
{
    if (*problem)
        strata_problem_release(*problem);
    strata_free(problem);
}

void strata_clustering_release(strata_clustering *clustering)
{
    strata_free(&clustering->centroids);
    strata_free(&clustering->labels);
    strata_free(&clustering->sizes);
    strata_free(&clustering->inertias);
    strata_free(&clustering->history);
}
