/* fit.h: how a command's configuration becomes a clustering; shared by run and cluster. */
#ifndef STRATA_FIT_H
#define STRATA_FIT_H

#include "strata/cluster.h"
#include "strata/config.h"

/* Collective. Clusters points as config->cluster says: from given centroids or a seeding, with the k
 * asked for or, with k: auto, one that is chosen. selection: how it was chosen; n = 0 with a given k;
 * its clustering is empty in any case. Errors of strata_cluster_fit, strata_cluster_select_k and
 * strata_centroids_load. Release both. */
strata_status strata_fit(strata_context *ctx, const strata_config *config,
                         const strata_scaler *scaler, const strata_points *points,
                         strata_clustering *clustering,
                         strata_k_selection *selection) STRATA_MUST_USE;

#endif
