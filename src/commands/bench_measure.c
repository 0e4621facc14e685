/* bench_measure.c: fits under the clock. Repetitions go round the variants, so that a slow minute
 * of the machine hits all of them alike. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#include "strata/hash.h"
#include "strata/memory.h"
#include "strata/par.h"
#include "strata/text.h"

/* ---- samples --------------------------------------------------------------------------------- */

double bench_min(const bench_samples *samples)
{
    double least = NAN;
    for (int32_t i = 0; i < samples->n; i++)
        least = i == 0 || samples->seconds[i] < least ? samples->seconds[i] : least;
    return least;
}

/* The value of a rank, from 0; repetitions are few. */
static double ranked(const bench_samples *samples, int32_t rank)
{
    for (int32_t i = 0; i < samples->n; i++) {
        int32_t below = 0, equal = 0;
        for (int32_t j = 0; j < samples->n; j++) {
            below += samples->seconds[j] < samples->seconds[i];
            equal += samples->seconds[j] == samples->seconds[i];
        }
        if (below <= rank && rank < below + equal)
            return samples->seconds[i];
    }
    return NAN;
}

double bench_median(const bench_samples *samples)
{
    return (ranked(samples, (samples->n - 1) / 2) + ranked(samples, samples->n / 2)) / 2;
}

static strata_status samples_init(strata_context *ctx, const bench_plan *plan, bench_samples *out)
{
    return strata_alloc(ctx, plan->repetitions, sizeof *out->seconds, &out->seconds);
}

void bench_case_release(bench_case *c)
{
    for (int32_t v = 0; v < BENCH_VARIANTS; v++) {
        strata_free(&c->cell[v].iteration.seconds);
        strata_free(&c->cell[v].total.seconds);
    }
    strata_free(&c->read.seconds);
    strata_free(&c->seeding_time.seconds);
    strata_free(&c->start);
}

static strata_status case_init(strata_context *ctx, const bench_plan *plan, bench_case *c)
{
    strata_status rc = STRATA_OK;
    STRATA_TRY(samples_init(ctx, plan, &c->read));
    STRATA_TRY(samples_init(ctx, plan, &c->seeding_time));
    for (int32_t v = 0; v < plan->n_variants; v++) {
        c->cell[v] = (bench_cell){.name = plan->variants[v],
                                  .same = true,
                                  .exact = true,
                                  .saved = NAN,
                                  .bytes_measured = NAN};
        STRATA_TRY(samples_init(ctx, plan, &c->cell[v].iteration));
        STRATA_TRY(samples_init(ctx, plan, &c->cell[v].total));
    }
    c->n_cells = plan->n_variants;
    if (c->k > 0)
        STRATA_TRY(strata_alloc(ctx, (int64_t)c->k * c->d, sizeof *c->start, &c->start));
done:
    return rc;
}

/* ---- what a result is ------------------------------------------------------------------------ */

static uint64_t mixed(uint64_t row, uint64_t label)
{
    uint64_t h =
        (row + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ (label + 1) * UINT64_C(0xbf58476d1ce4e5b9);
    h = (h ^ (h >> 31)) * UINT64_C(0x94d049bb133111eb);
    return h ^ (h >> 29);
}

/* Collective. The digest does not depend on the partition. */
static strata_status take_digest(strata_context *ctx, int64_t first_row, int64_t n_local,
                                 const strata_clustering *c, char out[33])
{
    strata_status rc = STRATA_OK;
    strata_text text = {0};
    __int128 labels = 0;
    for (int64_t i = 0; i < n_local; i++)
        labels += (__int128)mixed((uint64_t)(first_row + i), (uint64_t)c->labels[i]);
    STRATA_TRY(strata_par_allreduce_i128(ctx, &labels, 1));
    strata_status local =
        strata_text_addf(ctx, &text, "%llx %d %d %a\n", (unsigned long long)labels,
                         (int)c->iterations, (int)c->restart, c->inertia);
    for (int32_t j = 0; j < c->k * c->d && local == STRATA_OK; j++)
        local = strata_text_addf(ctx, &text, "%d ", (int)c->centroids[j]);
    for (int32_t j = 0; j < c->k && local == STRATA_OK; j++)
        local = strata_text_addf(ctx, &text, "%lld %a\n", (long long)c->sizes[j], c->inertias[j]);
    for (int64_t h = 0; h < c->n_history && local == STRATA_OK; h++)
        local = strata_text_addf(ctx, &text, "%d %d %a %lld\n", (int)c->history[h].restart,
                                 (int)c->history[h].iteration, c->history[h].inertia,
                                 (long long)c->history[h].moved);
    STRATA_AGREE(ctx, local);
    strata_content_hash(text.bytes, text.length, out);
done:
    strata_free(&text.bytes);
    return rc;
}

static int32_t history_differs(const strata_clustering *a, const strata_clustering *b)
{
    bool differs = a->n_history != b->n_history;
    for (int64_t h = 0; h < a->n_history && !differs; h++)
        differs = a->history[h].restart != b->history[h].restart ||
                  a->history[h].iteration != b->history[h].iteration ||
                  a->history[h].moved != b->history[h].moved ||
                  memcmp(&a->history[h].inertia, &b->history[h].inertia, sizeof(double)) != 0;
    return differs ? BENCH_HISTORY : 0;
}

/* Collective. What of b differs from a, on any rank. */
static strata_status compare(strata_context *ctx, int64_t n_local, const strata_clustering *a,
                             const strata_clustering *b, int32_t *out)
{
    strata_status rc = STRATA_OK;
    const size_t k = (size_t)a->k, d = (size_t)a->d;
    const bool differs[] = {memcmp(a->labels, b->labels, (size_t)n_local * sizeof *a->labels) != 0,
                            memcmp(a->centroids, b->centroids, k * d * sizeof *a->centroids) != 0,
                            memcmp(a->sizes, b->sizes, k * sizeof *a->sizes) != 0,
                            memcmp(&a->inertia, &b->inertia, sizeof a->inertia) != 0 ||
                                memcmp(a->inertias, b->inertias, k * sizeof *a->inertias) != 0,
                            a->iterations != b->iterations || a->converged != b->converged};
    int64_t found[6] = {0};
    for (int i = 0; i < 5; i++)
        found[i] = differs[i];
    found[5] = history_differs(a, b) != 0;
    STRATA_TRY(strata_par_allreduce_i64(ctx, found, 6, STRATA_MAX));
    *out = 0;
    for (int i = 0; i < 6; i++)
        *out |= found[i] ? 1 << i : 0;
done:
    return rc;
}

/* ---- one fit --------------------------------------------------------------------------------- */

typedef struct bench_fit {
    strata_clustering result;
    double seconds, iteration; /* the slowest rank */
    int32_t counted;
    double growth; /* of the resident set, in bytes a point, the largest of the ranks; -1 = unknown */
} bench_fit;

/* Collective. Mean seconds of the iterations after the first ones, each as its slowest rank saw. */
static strata_status iteration_seconds(strata_context *ctx, int32_t after, bench_fit *fit)
{
    strata_status rc = STRATA_OK;
    const strata_clustering *r = &fit->result;
    double *seconds = NULL, sum = 0;
    int64_t first = after + 1 < r->n_history ? after + 1 : r->n_history - 1;
    STRATA_AGREE(ctx, strata_alloc(ctx, r->n_history, sizeof *seconds, &seconds));
    for (int64_t h = 0; h < r->n_history; h++)
        seconds[h] = r->history[h].seconds;
    STRATA_TRY(strata_par_allreduce_f64(ctx, seconds, r->n_history, STRATA_MAX));
    for (int64_t h = first; h < r->n_history; h++)
        sum += seconds[h];
    fit->counted = (int32_t)(r->n_history - first);
    fit->iteration = sum / (double)fit->counted;
done:
    strata_free(&seconds);
    return rc;
}

/* Collective. weigh: watch the resident set too (it costs a little, so once a variant). */
static strata_status timed_fit(strata_context *ctx, const strata_points *points,
                               const strata_cluster_options *options, bool weigh, bench_fit *out)
{
    strata_status rc = STRATA_OK;
    int64_t mark = weigh ? bench_memory_mark() : -1, nothing = 0;
    STRATA_TRY(strata_par_allreduce_i64(ctx, &nothing, 1, STRATA_MAX)); /* all start together */
    double begin = strata_now();
    STRATA_TRY(strata_cluster_fit(ctx, points, options, &out->result));
    out->seconds = strata_now() - begin;
    out->growth = (double)bench_memory_growth(mark);
    if (out->growth > 0)
        out->growth = points->n_local > 0 ? out->growth / (double)points->n_local : 0;
    STRATA_TRY(strata_par_allreduce_f64(ctx, &out->seconds, 1, STRATA_MAX));
    STRATA_TRY(strata_par_allreduce_f64(ctx, &out->growth, 1, STRATA_MAX));
done:
    return rc;
}

static strata_cluster_options options_of(const bench_plan *plan, const bench_case *c,
                                         const char *variant)
{
    return (strata_cluster_options){.k = c->k,
                                    .init = "centroids",
                                    .variant = variant,
                                    .start = c->start,
                                    .restarts = 1,
                                    .max_iterations = plan->iterations,
                                    .seed = plan->seed,
                                    .kernel = plan->kernel};
}

/* ---- a case from one start ------------------------------------------------------------------- */

/* Collective. The start, and what finding it takes: with the seeding less without it. */
static strata_status measure_seeding(strata_context *ctx, const bench_plan *plan,
                                     const strata_points *points, bench_case *c)
{
    strata_status rc = STRATA_OK;
    bench_fit with = {0}, without = {0};
    for (int32_t r = 0; r < plan->repetitions; r++) {
        strata_cluster_options o = options_of(plan, c, "lloyd");
        o.max_iterations = 0;
        o.init = c->seeding;
        STRATA_TRY(timed_fit(ctx, points, &o, false, &with));
        memcpy(c->start, with.result.centroids, (size_t)c->k * (size_t)c->d * sizeof *c->start);
        c->seeding_inertia = with.result.inertia;
        o.init = "centroids";
        STRATA_TRY(timed_fit(ctx, points, &o, false, &without));
        c->seeding_time.seconds[r] = fmax(with.seconds - without.seconds, 0);
        c->seeding_time.n = r + 1;
        strata_clustering_release(&with.result);
        strata_clustering_release(&without.result);
    }
done:
    strata_clustering_release(&with.result);
    strata_clustering_release(&without.result);
    return rc;
}

static const strata_cluster_variant *variant_named(const char *name)
{
    for (int32_t i = 0; i < strata_cluster_variant_count(); i++)
        if (strcmp(strata_cluster_variant_at(i)->name, name) == 0)
            return strata_cluster_variant_at(i);
    return NULL;
}

/* Collective. What the first repetition says about a variant. */
static strata_status describe(strata_context *ctx, const bench_fit *fit, const bench_case *c,
                              bench_cell *cell)
{
    strata_status rc = STRATA_OK;
    const strata_clustering *r = &fit->result;
    const strata_cluster_variant *v = variant_named(r->variant);
    int64_t counts[2] = {0, r->redecided_local};
    for (int64_t h = 0; h < r->n_history; h++)
        counts[0] += r->history[h].distances_local;
    STRATA_TRY(strata_par_allreduce_i64(ctx, counts, 2, STRATA_SUM));
    const double passes = (double)c->n * (double)r->n_history;
    cell->ran = v ? v->name : r->variant;
    cell->exact = v ? v->exact : true;
    snprintf(cell->reason, sizeof cell->reason, "%s", r->reason);
    cell->saved = counts[0] == 0 ? NAN : 1 - (double)counts[0] / (passes * c->k);
    cell->redecided = (double)counts[1] / passes;
    cell->bytes = r->allreduce_bytes;
    cell->calls = r->allreduce_calls;
    cell->bytes_per_point = 4.0 * c->d + 2;
    if (v)
        cell->bytes_per_point =
            4.0 * c->d + 1 + (double)strata_cluster_variant_bytes(v, c->k, c->d);
    if (fit->growth >= 0)
        cell->bytes_measured = 4.0 * c->d + fit->growth;
done:
    return rc;
}

/* Collective. One repetition of one variant; reference: lloyd's first result, NULL for itself. */
static strata_status measure_once(strata_context *ctx, const bench_plan *plan,
                                  const strata_points *points, bench_case *c, int32_t v,
                                  strata_clustering *reference)
{
    strata_status rc = STRATA_OK;
    bench_cell *cell = &c->cell[v];
    bench_fit fit = {0};
    const bool first = cell->iteration.n == 0;
    const strata_cluster_options o = options_of(plan, c, cell->name);
    int32_t differs = 0;
    STRATA_TRY(timed_fit(ctx, points, &o, first, &fit));
    STRATA_TRY(iteration_seconds(ctx, plan->after, &fit));
    cell->iteration.seconds[cell->iteration.n++] = fit.iteration;
    cell->total.seconds[cell->total.n++] = fit.seconds;
    cell->counted = fit.counted;
    cell->iterations = fit.result.iterations;
    cell->converged = fit.result.converged;
    cell->inertia = fit.result.inertia;
    if (first) {
        int64_t first_row = strata_partition_first(points->partition, ctx->rank);
        STRATA_TRY(describe(ctx, &fit, c, cell));
        STRATA_TRY(take_digest(ctx, first_row, points->n_local, &fit.result, cell->digest));
    }
    if (reference->labels) {
        STRATA_TRY(compare(ctx, points->n_local, reference, &fit.result, &differs));
    } else {
        *reference = fit.result;
        fit.result = (strata_clustering){0};
    }
    cell->differs |= differs;
    cell->same = cell->differs == 0;
done:
    strata_clustering_release(&fit.result);
    return rc;
}

strata_status bench_measure(strata_context *ctx, const bench_plan *plan,
                            const strata_points *points, bench_case *out)
{
    strata_status rc = STRATA_OK;
    strata_clustering reference = {0};
    STRATA_AGREE(ctx, case_init(ctx, plan, out));
    STRATA_TRY(measure_seeding(ctx, plan, points, out));
    STRATA_TRY(bench_reduce(ctx, (int64_t)out->k * (out->d + 1) + 2, &out->reduce));
    for (int32_t r = 0; r < plan->repetitions; r++) {
        STRATA_TRY(bench_bandwidth(ctx, &out->read)); /* it changes from minute to minute, too */
        for (int32_t v = 0; v < plan->n_variants; v++) {
            strata_progress(ctx, "bench",
                            (double)(r * plan->n_variants + v) /
                                (plan->repetitions * plan->n_variants),
                            plan->variants[v]);
            STRATA_TRY(measure_once(ctx, plan, points, out, v, &reference));
        }
    }
    strata_progress_end(ctx);
done:
    strata_clustering_release(&reference);
    return rc;
}

/* ---- a sweep over k -------------------------------------------------------------------------- */

/* Collective. All k of the plan on one set of points, order included; the digest covers each k. */
static strata_status sweep_once(strata_context *ctx, const bench_plan *plan,
                                const strata_points *points, const bench_case *c, bench_cell *cell)
{
    strata_status rc = STRATA_OK;
    strata_cluster_problem *problem = NULL;
    strata_clustering result = {0};
    char digests[BENCH_KS * 32 + 1] = "", digest[33];
    double seconds = 0, spent = 0;
    int64_t calls = 0, bytes = 0, first_row = strata_partition_first(points->partition, ctx->rank);
    int32_t iterations = 0;
    STRATA_TRY(strata_par_allreduce_i64(ctx, &calls, 1, STRATA_MAX));
    double begin = strata_now();
    STRATA_TRY(strata_cluster_open(ctx, points, NULL, plan->kernel, &problem));
    spent = strata_now() - begin;
    for (int32_t i = 0; i < plan->n_k; i++) {
        strata_cluster_options o = options_of(plan, c, cell->name);
        o.k = plan->k[i];
        o.init = c->seeding;
        o.restarts = plan->restarts;
        begin = strata_now();
        STRATA_TRY(strata_cluster_fit_open(problem, &o, &result));
        spent += strata_now() - begin;
        STRATA_TRY(take_digest(ctx, first_row, points->n_local, &result, digest));
        memcpy(digests + 32 * i, digest, sizeof digest);
        const strata_cluster_variant *v = variant_named(result.variant);
        cell->exact = cell->exact && (!v || v->exact);
        cell->ran = v ? v->name : cell->name;
        snprintf(cell->reason, sizeof cell->reason, "%s", result.reason);
        iterations += (int32_t)result.n_history;
        calls += result.allreduce_calls;
        bytes += result.allreduce_bytes;
        cell->inertia = result.inertia;
        cell->converged = result.converged;
        strata_clustering_release(&result);
    }
    seconds = spent;
    STRATA_TRY(strata_par_allreduce_f64(ctx, &seconds, 1, STRATA_MAX));
    strata_content_hash(digests, (int64_t)strlen(digests), digest);
    cell->differs |= cell->total.n > 0 && strcmp(digest, cell->digest) != 0 ? BENCH_DIGEST : 0;
    memcpy(cell->digest, digest, sizeof digest);
    cell->iterations = cell->counted = iterations;
    cell->calls = calls;
    cell->bytes = bytes;
    cell->total.seconds[cell->total.n++] = seconds;
    cell->iteration.seconds[cell->iteration.n++] = seconds / iterations;
done:
    strata_clustering_release(&result);
    strata_cluster_close(&problem);
    return rc;
}

strata_status bench_measure_sweep(strata_context *ctx, const bench_plan *plan,
                                  const strata_points *points, bench_case *out)
{
    strata_status rc = STRATA_OK;
    STRATA_AGREE(ctx, case_init(ctx, plan, out));
    for (int32_t r = 0; r < plan->repetitions; r++) {
        STRATA_TRY(bench_bandwidth(ctx, &out->read)); /* it changes from minute to minute, too */
        for (int32_t v = 0; v < plan->n_variants; v++) {
            strata_progress(ctx, "bench",
                            (double)(r * plan->n_variants + v) /
                                (plan->repetitions * plan->n_variants),
                            plan->variants[v]);
            STRATA_TRY(sweep_once(ctx, plan, points, out, &out->cell[v]));
        }
    }
    strata_progress_end(ctx);
    for (int32_t v = 0; v < plan->n_variants; v++) {
        bench_cell *cell = &out->cell[v];
        if (strcmp(cell->digest, out->cell[0].digest) != 0)
            cell->differs |= BENCH_DIGEST;
        cell->same = cell->differs == 0;
        cell->bytes_per_point = NAN;
    }
done:
    return rc;
}
