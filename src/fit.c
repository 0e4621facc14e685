#include "fit.h"

#include <string.h>

#include "centroids.h"

#include "strata/memory.h"

/* k: auto; or a k that is named and wins, while the others are judged beside it. */
static strata_status choose_k(strata_context *ctx, const strata_config *config,
                              const strata_points *points, const strata_cluster_options *fit,
                              strata_clustering *clustering, strata_k_selection *selection)
{
    strata_status rc = STRATA_OK;
    const bool any = config->cluster.k == STRATA_K_AUTO;
    const strata_k_options options = {.k_min = config->cluster.k_min,
                                      .k_max = config->cluster.k_max,
                                      .k = any ? 0 : config->cluster.k,
                                      .fit = *fit,
                                      .replicates = 20,
                                      .min_share = 0.01,
                                      .min_size = config->gates.min_group_size,
                                      .min_stability = 0.75};
    STRATA_TRY(strata_cluster_select_k(ctx, points, &options, selection));
    *clustering = selection->clustering;
    selection->clustering = (strata_clustering){0};
done:
    return rc;
}

strata_status strata_fit(strata_context *ctx, const strata_config *config,
                         const strata_scaler *scaler, const strata_points *points,
                         strata_clustering *clustering, strata_k_selection *selection)
{
    strata_status rc = STRATA_OK;
    int32_t *start = NULL;
    strata_cluster_options options = {.k = config->cluster.k,
                                      .init = config->cluster.init,
                                      .variant = config->cluster.variant,
                                      .restarts = config->cluster.restarts,
                                      .max_iterations = config->cluster.max_iterations,
                                      .seed = config->cluster.seed};
    if (config->cluster.k == STRATA_K_AUTO ||
        config->cluster.k_selection == STRATA_K_SELECTION_ALWAYS) {
        STRATA_TRY(choose_k(ctx, config, points, &options, clustering, selection));
        goto done;
    }
    if (strcmp(config->cluster.init, "centroids") == 0)
        STRATA_TRY(strata_centroids_load(ctx, config, scaler, &options.k, &start));
    options.start = start;
    STRATA_TRY(strata_cluster_fit(ctx, points, &options, clustering));
done:
    strata_free(&start);
    return rc;
}
