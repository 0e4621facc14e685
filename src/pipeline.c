/* pipeline.c: the tour. What the main job does, in the order it does it; each step is a room. */
#include "pipeline.h"

#include <string.h>

#include "fit.h"

#include "strata/memory.h"
#include "strata/par.h"

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
    __int128 *money = NULL;
    STRATA_TRY(make_points(ctx, config, users, &stratum->scaler, &points));
    STRATA_TRY(strata_fit(ctx, config, &stratum->scaler, &points, &stratum->clustering,
                          &stratum->selection));
    STRATA_AGREE(ctx, strata_calloc(ctx, stratum->clustering.k, sizeof *money, &money));
    for (int64_t i = 0; i < users->n_local; i++)
        money[stratum->clustering.labels[i]] += users->money[i];
    STRATA_TRY(strata_clustering_order(ctx, &points, money, &stratum->clustering));
    STRATA_AGREE(ctx, label_users(ctx, &points, &stratum->clustering, users));
done:
    strata_free(&money);
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
    STRATA_AGREE(ctx, strata_phase_begin(ctx, name, &p->phases));
    STRATA_TRY(strata_features_compute(ctx, population, &population->whole,
                                       population->window_start, population->as_of,
                                       config->money.decimals, &stratum->users));
    STRATA_TRY(strata_phase_end(ctx, name, n, &p->phases));

    snprintf(name, sizeof name, "stratify%s", suffix);
    STRATA_AGREE(ctx, strata_phase_begin(ctx, name, &p->phases));
    STRATA_TRY(strata_stratify(ctx, config, &stratum->users, &stratum->stratification));
    STRATA_TRY(strata_phase_end(ctx, name, n, &p->phases));

    snprintf(name, sizeof name, "cluster%s", suffix);
    STRATA_AGREE(ctx, strata_phase_begin(ctx, name, &p->phases));
    STRATA_TRY(cluster_users(ctx, config, stratum));
    STRATA_TRY(strata_phase_end(ctx, name, n, &p->phases));
done:
    return rc;
}

static void release_stratum(strata_stratum *stratum)
{
    strata_k_selection_release(&stratum->selection);
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
    STRATA_AGREE(ctx, strata_phase_begin(ctx, "significance", &p->phases));
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
    STRATA_AGREE(ctx, strata_phase_begin(ctx, "ingest", &p->phases));
    STRATA_TRY(strata_ingest(ctx, config, &p->population));
    STRATA_TRY(strata_phase_end(ctx, "ingest", p->population.accounting.read, &p->phases));
    const int64_t n = strata_partition_global(&p->population.partition);

    STRATA_TRY(stratify_period(ctx, config, &p->population, "", &p->whole, p));

    if (p->population.has_holdout) {
        STRATA_TRY(test_holdout(ctx, config, p));
    } else {
        STRATA_AGREE(ctx, strata_phase_begin(ctx, "significance", &p->phases));
        STRATA_TRY(strata_significance_run(ctx, config, &p->population, &p->whole.users,
                                           p->whole.clustering.k, NULL, &p->significance));
    }
    STRATA_AGREE(ctx, strata_gates_evaluate(ctx, config, &p->population.accounting,
                                            &p->whole.stratification, p->whole.clustering.sizes,
                                            p->whole.clustering.k, &p->significance, &p->gates,
                                            &p->n_gates));
    STRATA_TRY(strata_phase_end(ctx, "significance", n, &p->phases));
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
                           .selection = p->whole.selection.n > 0 ? &p->whole.selection : NULL,
                           .significance = &p->significance,
                           .gates = p->gates,
                           .n_gates = p->n_gates,
                           .timings = p->phases.timings,
                           .n_timings = p->phases.n};
}

strata_status strata_pipeline_publish(strata_context *ctx, const strata_result *result,
                                      strata_output **out, strata_pipeline *p)
{
    strata_status rc = STRATA_OK;
    STRATA_AGREE(ctx, strata_phase_begin(ctx, "output", &p->phases));
    STRATA_TRY(strata_output_add_result(ctx, *out, result));
    STRATA_TRY(strata_output_publish(ctx, out, p->digest));
    STRATA_TRY(strata_phase_end(ctx, "output", strata_partition_global(&p->population.partition), &p->phases));
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
