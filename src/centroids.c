#include "centroids.h"

#include <string.h>

#include "strata/ingest.h"
#include "strata/memory.h"
#include "strata/par.h"

enum { K_LIMIT = 256 };

static bool has_column(const strata_numeric_layout *layout, const char *name)
{
    for (int32_t i = 0; i < layout->n; i++)
        if (strcmp(layout->names[i], name) == 0)
            return true;
    return false;
}

/* The columns of the file that are the features, in the order of the features. */
static strata_status choose_columns(strata_context *ctx, const strata_config *config,
                                    const strata_numeric_layout *layout, const char **names)
{
    strata_status rc = STRATA_OK;
    const char *path = config->cluster.centroids;
    const int32_t d = config->cluster.n_features;
    const bool named = layout->header == STRATA_HEADER_NAMES;
    if (!named && layout->n != d)
        STRATA_FAIL(
            ctx, STRATA_ERR_USAGE,
            "%s: has %d columns, but cluster.features names %d; give the columns a header or "
            "leave out what is no feature",
            path, (int)layout->n, (int)d);
    for (int32_t f = 0; f < d; f++) {
        names[f] = named ? config->cluster.features[f] : layout->names[f];
        if (!has_column(layout, names[f]))
            STRATA_FAIL(ctx, STRATA_ERR_USAGE, "%s: there is no column for the feature %s", path,
                        names[f]);
    }
done:
    return rc;
}

static strata_status check_rows(strata_context *ctx, const strata_config *config, int64_t rows)
{
    strata_status rc = STRATA_OK;
    const char *path = config->cluster.centroids;
    const bool asked = strata_config_origin(config, "cluster.k") != STRATA_FROM_DEFAULT;
    if (rows > K_LIMIT)
        STRATA_FAIL(ctx, STRATA_ERR_USAGE,
                    "%s: has %lld rows, but at most %d clusters are possible", path,
                    (long long)rows, K_LIMIT);
    if (asked && rows != config->cluster.k)
        STRATA_FAIL(ctx, STRATA_ERR_USAGE, "%s: has %lld rows, but cluster.k is %d", path,
                    (long long)rows, (int)config->cluster.k);
done:
    return rc;
}

/* Rows [k] of every feature on every rank, by the scaler onto the grid. */
static strata_status to_grid(strata_context *ctx, const strata_scaler *scaler, int32_t k,
                             const double *const *values, int32_t *start)
{
    strata_status rc = STRATA_OK;
    strata_points points = {0};
    int64_t limited[STRATA_FEATURES_MAX] = {0}, beyond = 0;
    strata_scaler own = *scaler; /* a view that counts for itself */
    own.limited = limited;
    STRATA_TRY(strata_scaler_apply(ctx, &own, k, values, &points));
    for (int32_t f = 0; f < scaler->d; f++) {
        beyond += limited[f] / ctx->size;
        for (int32_t c = 0; c < k; c++)
            start[(int64_t)c * scaler->d + f] = (int32_t)points.steps[f * points.stride + c];
    }
    if (beyond > 0)
        strata_log(
            ctx, STRATA_LOG_WARNING,
            "%lld coordinates of the given centroids lie beyond the grid and were moved to its "
            "edge",
            (long long)beyond);
done:
    strata_points_release(&points);
    return rc;
}

strata_status strata_centroids_load(strata_context *ctx, const strata_config *config,
                                    const strata_scaler *scaler, int32_t *k, int32_t **start)
{
    strata_status rc = STRATA_OK;
    strata_config own = *config; /* a view: another file, everything about it detected */
    char *path = config->cluster.centroids;
    const char *names[STRATA_FEATURES_MAX];
    strata_numeric_layout layout = {0};
    strata_numeric_table table = {0};
    double *values[STRATA_FEATURES_MAX] = {NULL};
    int32_t *made = NULL;
    own.input.files = &path;
    own.input.n_files = 1;
    own.input.n_names = 0;
    own.input.rejects_file = NULL;
    own.marks = NULL;
    STRATA_TRY(strata_numeric_look(ctx, &own, &layout));
    STRATA_TRY(choose_columns(ctx, config, &layout, names));
    STRATA_TRY(
        strata_numeric_read(ctx, &own, &layout, names, config->cluster.n_features, NULL, &table));
    const int64_t rows = strata_partition_global(&table.partition);
    STRATA_TRY(check_rows(ctx, config, rows));
    for (int32_t f = 0; f < table.d; f++) {
        int64_t bytes = 0;
        STRATA_TRY(strata_par_gather(ctx, table.values[f], table.n_local * (int64_t)sizeof(double),
                                     -1, &values[f], &bytes, NULL));
    }
    STRATA_AGREE(ctx, strata_alloc(ctx, rows * table.d, sizeof *made, &made));
    STRATA_TRY(to_grid(ctx, scaler, (int32_t)rows, (const double *const *)values, made));
    *k = (int32_t)rows;
    *start = made;
    made = NULL;
done:
    strata_free(&made);
    for (int32_t f = 0; f < STRATA_FEATURES_MAX; f++)
        strata_free(&values[f]);
    strata_numeric_table_release(&table);
    strata_numeric_layout_release(&layout);
    return rc;
}
