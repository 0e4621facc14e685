/* variants.c: the table of variants. A new one is a file of its own and a line here. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cluster/bounds.h"

static const strata_variant_ops *const table[] = {
    &strata_variant_lloyd, &strata_variant_filter,   &strata_variant_hamerly,
    &strata_variant_gemm,  &strata_variant_yinyang,  &strata_variant_elkan,
    &strata_variant_merge, &strata_variant_minibatch};
enum { VARIANTS = sizeof table / sizeof table[0] };

int32_t strata_cluster_variant_count(void)
{
    return VARIANTS;
}

const strata_cluster_variant *strata_cluster_variant_at(int32_t index)
{
    return index >= 0 && index < VARIANTS ? &table[index]->info : NULL;
}

int64_t strata_cluster_variant_bytes(const strata_cluster_variant *v, int32_t k, int32_t d)
{
    const int64_t bounds = v->bounds == STRATA_BOUNDS_NONE
                               ? 0
                               : strata_crowds_width(k, v->bounds == STRATA_BOUNDS_EACH);
    return v->bytes_per_point + (int64_t)v->bytes_per_point_d * d +
           bounds * (int64_t)sizeof(float);
}

const char *strata_cluster_kernel(const char *name)
{
    const strata_kernel *kernel = strata_kernel_find(name);
    return kernel ? kernel->name : NULL;
}

const strata_variant_ops *strata_variant_find(const char *name)
{
    for (int32_t i = 0; i < VARIANTS; i++)
        if (strcmp(table[i]->info.name, name) == 0)
            return table[i];
    return NULL;
}

/* ---- the cost model of auto ------------------------------------------------------------------------
 *
 * Nanoseconds a point and core, measured on a Zen 5 core with AVX-512 at n = 2 10^6 to 4 10^6:
 *   lloyd    an iteration: 0.01 k (d + 4) with the float screen, 0.0045 k (d + 8) with the coarse one,
 *            but not below the memory's (4 d + 1) / 25
 *   filter   the order, once: 14 + 5 d; an iteration: that of the float screen times the share below at
 *            2 10^6 points a rank, growing as boxes do with fewer points, n^(-1/d); with d > 6 boxes own
 *            too little. benchmarks/filter_cost.py measures both
 *   merge    finding equal rows, once: 3 + 1.2 d, and 50 + 7 d a distinct row; the rows' labels, once a
 *            restart: 1; an iteration: twice that of lloyd on the distinct rows, as they have weights
 *   yinyang  from 48 features and 128 clusters on, for walks that may be long: 0.7 to 0.8 of lloyd over
 *            40 iterations where points come in groups, 1.0 to 1.2 in one cloud
 * Iterations: 20 a restart, unless max_iterations is less. Where the order or the distinct rows are
 * there already (a sweep over k) they cost nothing. The number of distinct rows is the estimate of
 * problem.c, which rather is too large. The choice is about time only: every variant it may take is
 * exact. */
enum { FILTER_D_MAX = 6, USUAL_ITERATIONS = 20, YINYANG_D = 48, YINYANG_K = 128 };
static const double filter_share[FILTER_D_MAX + 1] = {0, 0.01, 0.07, 0.15, 0.25, 0.5, 0.8};
static const double filter_least_points = 1e5; /* a rank; below, an iteration is over in no time */

static double float_cost(int32_t k, int32_t d)
{
    const double compute = 0.01 * k * (d + 4), memory = (4 * d + 1) / 25.0;
    return compute > memory ? compute : memory;
}

static double lloyd_cost(const strata_problem *p, int32_t k)
{
    const double compute = 0.0045 * k * (p->d + 8), memory = (4 * p->d + 1) / 25.0;
    if (!p->coarse || strata_exact_form(p, k, NULL) != STRATA_SCREEN_COARSE)
        return float_cost(k, p->d);
    return compute > memory ? compute : memory;
}

/* A point, for some iterations over that many points a rank; infinite outside its regime. */
static double filter_cost(double points, int32_t k, int32_t d, double iterations, bool ordered)
{
    if (d > FILTER_D_MAX || k < 2 || points < filter_least_points)
        return INFINITY;
    const double share = filter_share[d] * pow(2e6 / points, 1.0 / d);
    return (ordered ? 0 : 14 + 5 * d) + iterations * float_cost(k, d) * share;
}

/* A row. */
static double merge_cost(const strata_problem *p, int32_t k, double restarts, double iterations)
{
    const double share = (double)p->distinct_about / (double)p->n_global;
    const double find = *p->distinct ? 0 : 3 + 1.2 * p->d + share * (50 + 7 * p->d);
    return find + restarts + share * 2 * iterations * lloyd_cost(p, k);
}

const strata_variant_ops *strata_variant_inner(const strata_problem *view, int32_t k)
{
    const double filter =
        filter_cost((double)view->n_local, k, view->d, USUAL_ITERATIONS, *view->order);
    return filter < USUAL_ITERATIONS * lloyd_cost(view, k) ? &strata_variant_filter
                                                              : &strata_variant_lloyd;
}

static const strata_variant_ops *choose_by_cost(const strata_problem *p,
                                                const strata_cluster_options *o, char *reason,
                                                size_t reason_size)
{
    const double points = (double)p->n_global / p->ctx->size;
    const int32_t a_restart =
        o->max_iterations < USUAL_ITERATIONS ? o->max_iterations : USUAL_ITERATIONS;
    const double iterations = (double)o->restarts * (a_restart + 1);
    const double lloyd = iterations * lloyd_cost(p, o->k);
    const double filter = filter_cost(points, o->k, p->d, iterations, *p->order);
    const double merge = merge_cost(p, o->k, o->restarts, iterations);
    if (merge < lloyd && merge < filter) {
        snprintf(reason, reason_size,
                 "merge: about %lld distinct rows of %lld, each rank by itself; %.0f ns a row, %.0f "
                 "without, for %.0f iterations",
                 (long long)p->distinct_about, (long long)p->n_global, merge,
                 lloyd < filter ? lloyd : filter, iterations);
        return &strata_variant_merge;
    }
    if (p->d >= YINYANG_D && o->k >= YINYANG_K && a_restart >= USUAL_ITERATIONS &&
        points >= filter_least_points) {
        snprintf(reason, reason_size,
                 "yinyang: bounds spare most of %d distances a point once centroids move little",
                 (int)o->k);
        return &strata_variant_yinyang;
    }
    if (isinf(filter)) {
        snprintf(reason, reason_size, "lloyd: %s",
                 p->d > FILTER_D_MAX ? "boxes own too little beyond 6 features"
                                     : "too few points or clusters for an order to pay");
        return &strata_variant_lloyd;
    }
    snprintf(reason, reason_size,
             "%s: about %.0f ns a point with the space order, %.0f without, for %.0f iterations",
             filter < lloyd ? "filter" : "lloyd", filter, lloyd, iterations);
    return filter < lloyd ? &strata_variant_filter : &strata_variant_lloyd;
}

const strata_variant_ops *strata_variant_choose(const strata_problem *problem,
                                                const strata_cluster_options *options, char *reason,
                                                size_t reason_size)
{
    const strata_variant_ops *ops = strata_variant_find(options->variant);
    if (!ops)
        return choose_by_cost(problem, options, reason, reason_size);
    const strata_cluster_variant *v = &ops->info;
    const bool few = (double)problem->n_global / problem->ctx->size < filter_least_points;
    if (!v->exact)
        snprintf(reason, reason_size, "as asked; not exact: its centroids are not those of lloyd");
    else if (problem->d < v->d_min || problem->d > v->d_max || options->k < v->k_min ||
             (ops == &strata_variant_filter && few))
        snprintf(reason, reason_size, "as asked, outside its regime (%s)", v->regime);
    else if (ops == &strata_variant_merge && 2 * problem->distinct_about > problem->n_global)
        snprintf(reason, reason_size,
                 "as asked, outside its regime (equal rows): about %lld of %lld are distinct",
                 (long long)problem->distinct_about, (long long)problem->n_global);
    else
        snprintf(reason, reason_size, "as asked");
    return ops;
}
