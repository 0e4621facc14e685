/* pipeline.c: the tour. What the main job does, in the order it does it; each step is a room. */
#include "pipeline.h"

#include <string.h>

#include "strata/fault.h"
#include "strata/memory.h"
#include "strata/par.h"

/* ---- phases ---------------------------------------------------------------------------------- */

static strata_status begin_phase(strata_context *ctx, const char *name, strata_pipeline *p)
{
    char point[48];
    snprintf(point, sizeof point, "phase.%s", name);
    if (strata_fault_strikes(ctx, point))
        return strata_context_fail(ctx, STRATA_ERR_INTERNAL, __FILE__, __LINE__,
                                   "injected fault in phase %s", name);
    p->phase_began = strata_now();
    strata_progress(ctx, name, -1, "");
    return STRATA_OK;
}

/* Collective. Ends the phase that runs: its time on this rank becomes min, mean and max over all. */
static strata_status end_phase(strata_context *ctx, const char *name, int64_t rows,
                               strata_pipeline *p)
{
    strata_status rc = STRATA_OK;
    double spent = strata_now() - p->phase_began, extremes[2] = {-spent, spent};
    int64_t nanoseconds = (int64_t)(1e9 * spent);
    STRATA_TRY(strata_par_allreduce_f64(ctx, extremes, 2, STRATA_MAX));
    STRATA_TRY(strata_par_allreduce_i64(ctx, &nanoseconds, 1, STRATA_SUM));
    if (p->n_timings == STRATA_PHASES_MAX)
        STRATA_FAIL(ctx, STRATA_ERR_INTERNAL, "more phases than the table has rows");
    strata_timing *t = &p->timings[p->n_timings++];
    *t = (strata_timing){.min = -extremes[0],
                         .mean = 1e-9 * (double)nanoseconds / ctx->size,
                         .max = extremes[1],
                         .rows = rows};
    snprintf(t->phase, sizeof t->phase, "%s", name);
    strata_log(ctx, STRATA_LOG_DEBUG, "%s: %.3f s", name, t->max);
done:
    return rc;
}

/* ---- clusters -------------------------------------------------------------------------------- */

static strata_status make_points(strata_context *ctx, const strata_config *config,
                                 const strata_users *users, strata_scaler *scaler,
                                 strata_points *points)
{
    strata_status rc = STRATA_OK;
    strata_feature_set set;
    STRATA_AGREE(ctx, strata_users_features(ctx, users, config->cluster.features,
                                            config->cluster.n_features, &set));
    STRATA_TRY(strata_scaler_fit_set(ctx, &set, config->cluster.transform, config->cluster.scale,
                                     scaler));
    STRATA_TRY(strata_scaler_apply_set(ctx, scaler, &set, points));
    points->key64 = users->key64;
    points->partition = users->partition;
done:
    return rc;
}

/* Cluster ids and distances become columns of the user table. */
static strata_status label_users(strata_context *ctx, const strata_points *points,
                                 const strata_clustering *clustering, strata_users *users)
{
    strata_status rc = STRATA_OK;
    int16_t *ids = NULL;
    double *distances = NULL;
    STRATA_TRY(strata_alloc(ctx, users->n_local, sizeof *ids, &ids));
    STRATA_TRY(strata_alloc(ctx, users->n_local, sizeof *distances, &distances));
    memcpy(ids, clustering->labels, (size_t)users->n_local * sizeof *ids);
    strata_clustering_distances(points, clustering, distances);
    users->column[STRATA_CLUSTER_ID] = ids;
    users->column[STRATA_CLUSTER_DISTANCE] = distances;
    ids = NULL;
    distances = NULL;
done:
    strata_free(&distances);
    strata_free(&ids);
    return rc;
}

static strata_status cluster_users(strata_context *ctx, const strata_config *config,
                                   strata_stratum *stratum)
{
    strata_status rc = STRATA_OK;
    strata_points points = {0};
    strata_users *users = &stratum->users;
    const strata_cluster_options options = {.k = config->cluster.k,
                                            .init = config->cluster.init,
                                            .variant = config->cluster.variant,
                                            .restarts = config->cluster.restarts,
                                            .max_iterations = config->cluster.max_iterations,
                                            .seed = config->cluster.seed};
    STRATA_TRY(make_points(ctx, config, users, &stratum->scaler, &points));
    STRATA_TRY(strata_cluster_fit(ctx, &points, &options, &stratum->clustering));
    STRATA_TRY(strata_clustering_order(ctx, users->n_local, users->money, &stratum->clustering));
    STRATA_AGREE(ctx, label_users(ctx, &points, &stratum->clustering, users));
done:
    strata_points_release(&points);
    return rc;
}

/* ---- one period, from activity to clusters --------------------------------------------------- */

static strata_status stratify_period(strata_context *ctx, const strata_config *config,
                                     const strata_population *population, const char *suffix,
                                     strata_stratum *stratum, strata_pipeline *p)
{
    strata_status rc = STRATA_OK;
    char name[32];
    const int64_t n = strata_partition_global(&population->partition);
    snprintf(name, sizeof name, "features%s", suffix);
    STRATA_AGREE(ctx, begin_phase(ctx, name, p));
    STRATA_TRY(strata_features_compute(ctx, population, &population->whole,
                                       population->window_start, population->as_of,
                                       config->money.decimals, &stratum->users));
    STRATA_TRY(end_phase(ctx, name, n, p));

    snprintf(name, sizeof name, "stratify%s", suffix);
    STRATA_AGREE(ctx, begin_phase(ctx, name, p));
    STRATA_TRY(strata_stratify(ctx, config, &stratum->users, &stratum->stratification));
    STRATA_TRY(end_phase(ctx, name, n, p));

    snprintf(name, sizeof name, "cluster%s", suffix);
    STRATA_AGREE(ctx, begin_phase(ctx, name, p));
    STRATA_TRY(cluster_users(ctx, config, stratum));
    STRATA_TRY(end_phase(ctx, name, n, p));
done:
    return rc;
}

static void release_stratum(strata_stratum *stratum)
{
    strata_clustering_release(&stratum->clustering);
    strata_scaler_release(&stratum->scaler);
    strata_stratification_release(&stratum->stratification);
    strata_users_release(&stratum->users);
}

/* ---- hold-out -------------------------------------------------------------------------------- */

/* Labels found on the fit period [n_local of view] at the rows of the whole population. */
static void spread_labels(const strata_stratum *fit, const int64_t *rows, int64_t n_all,
                          int16_t *segments, int16_t *clusters)
{
    const int16_t *codes = fit->users.column[STRATA_SEGMENT_CODE];
    const int16_t *ids = fit->users.column[STRATA_CLUSTER_ID];
    for (int64_t i = 0; i < n_all; i++)
        segments[i] = clusters[i] = STRATA_NOT_IN_FIT;
    for (int64_t i = 0; i < fit->users.n_local; i++) {
        segments[rows[i]] = codes[i];
        clusters[rows[i]] = ids[i];
    }
}

/* The same procedure on the window without its last part; its labels, frozen, are tested on what the
 * same users did afterwards. The published stratification still uses the whole window. */
static strata_status test_holdout(strata_context *ctx, const strata_config *config,
                                  strata_pipeline *p)
{
    strata_status rc = STRATA_OK;
    const strata_population *population = &p->population;
    strata_population view = {0};
    strata_stratum fit = {0};
    strata_users later = {0};
    int64_t *rows = NULL, n_all = strata_partition_local(&population->partition, ctx->rank);
    int16_t *segments = NULL, *clusters = NULL;
    STRATA_TRY(strata_population_view(ctx, population, &population->fit, population->window_start,
                                      population->holdout_start, &view, &rows));
    if (strata_partition_global(&view.partition) == 0)
        STRATA_FAIL(ctx, STRATA_ERR_USAGE,
                    "window.holdout_days leaves no user with a purchase before the hold-out period");
    STRATA_TRY(stratify_period(ctx, config, &view, " (fit)", &fit, p));
    STRATA_AGREE(ctx, begin_phase(ctx, "significance", p));
    STRATA_TRY(strata_features_compute(ctx, population, &population->holdout,
                                       population->holdout_start, population->as_of,
                                       config->money.decimals, &later));
    strata_status local = strata_alloc(ctx, n_all, sizeof *segments, &segments);
    if (local == STRATA_OK)
        local = strata_alloc(ctx, n_all, sizeof *clusters, &clusters);
    STRATA_AGREE(ctx, local);
    spread_labels(&fit, rows, n_all, segments, clusters);
    const strata_holdout holdout = {.later = &later,
                                    .segment_codes = segments,
                                    .cluster_ids = clusters,
                                    .k = fit.clustering.k};
    STRATA_TRY(strata_significance_run(ctx, config, population, &p->whole.users,
                                       p->whole.clustering.k, &holdout, &p->significance));
done:
    strata_free(&clusters);
    strata_free(&segments);
    strata_free(&rows);
    strata_users_release(&later);
    release_stratum(&fit);
    strata_population_release(&view);
    return rc;
}

/* ---- the tour -------------------------------------------------------------------------------- */

strata_status strata_pipeline_compute(strata_context *ctx, const strata_config *config,
                                      strata_pipeline *p)
{
    strata_status rc = STRATA_OK;
    STRATA_AGREE(ctx, begin_phase(ctx, "ingest", p));
    STRATA_TRY(strata_ingest(ctx, config, &p->population));
    STRATA_TRY(end_phase(ctx, "ingest", p->population.accounting.read, p));
    const int64_t n = strata_partition_global(&p->population.partition);

    STRATA_TRY(stratify_period(ctx, config, &p->population, "", &p->whole, p));

    if (p->population.has_holdout) {
        STRATA_TRY(test_holdout(ctx, config, p));
    } else {
        STRATA_AGREE(ctx, begin_phase(ctx, "significance", p));
        STRATA_TRY(strata_significance_run(ctx, config, &p->population, &p->whole.users,
                                           p->whole.clustering.k, NULL, &p->significance));
    }
    STRATA_AGREE(ctx, strata_gates_evaluate(ctx, config, &p->population.accounting,
                                            &p->whole.stratification, p->whole.clustering.sizes,
                                            p->whole.clustering.k, &p->significance, &p->gates,
                                            &p->n_gates));
    STRATA_TRY(end_phase(ctx, "significance", n, p));
done:
    return rc;
}

strata_result strata_pipeline_result(const strata_config *config, const strata_pipeline *p)
{
    return (strata_result){.config = config,
                           .population = &p->population,
                           .users = &p->whole.users,
                           .stratification = &p->whole.stratification,
                           .scaler = &p->whole.scaler,
                           .clustering = &p->whole.clustering,
                           .significance = &p->significance,
                           .gates = p->gates,
                           .n_gates = p->n_gates,
                           .timings = p->timings,
                           .n_timings = p->n_timings};
}

strata_status strata_pipeline_publish(strata_context *ctx, const strata_result *result,
                                      strata_output **out, strata_pipeline *p)
{
    strata_status rc = STRATA_OK;
    STRATA_AGREE(ctx, begin_phase(ctx, "output", p));
    STRATA_TRY(strata_output_add_result(ctx, *out, result));
    STRATA_TRY(strata_output_publish(ctx, out, p->digest));
    STRATA_TRY(end_phase(ctx, "output", strata_partition_global(&p->population.partition), p));
    p->peak_memory = strata_peak_memory();
    STRATA_TRY(strata_par_allreduce_i64(ctx, &p->peak_memory, 1, STRATA_MAX));
done:
    strata_output_discard(ctx, out);
    return rc;
}

void strata_pipeline_release(strata_pipeline *p)
{
    strata_free(&p->gates);
    strata_significance_release(&p->significance);
    release_stratum(&p->whole);
    strata_population_release(&p->population);
}
