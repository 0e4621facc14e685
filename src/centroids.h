/* centroids.h: a start that the user gives, for `run` and `cluster` with init: centroids. */
#ifndef STRATA_CENTROIDS_H
#define STRATA_CENTROIDS_H

#include "strata/features.h"

/* Collective. Reads config->cluster.centroids: k rows of numbers in the units of the features, a column
 * for each of cluster.features; with a header the columns may stand in any order (and others beside
 * them), without one they are the features in their order. The rows are transformed and scaled by
 * scaler onto the grid: *start [k, d] steps, owned by the caller. *k is the number of rows, which
 * must be cluster.k if that was asked for. STRATA_ERR_USAGE for a wrong shape, STRATA_ERR_INPUT for a
 * file that cannot be read, with file, line and column. */
strata_status strata_centroids_load(strata_context *ctx, const strata_config *config,
                                    const strata_scaler *scaler, int32_t *k,
                                    int32_t **start) STRATA_MUST_USE;

#endif
