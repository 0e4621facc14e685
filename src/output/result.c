/* A whole result: users, clusters and model; the root's attributes. */
#include "output/result.h"

#include <math.h>
#include <string.h>

#include "output/schema.h"
#include "strata/build.h"
#include "strata/dates.h"
#include "strata/memory.h"
#include "strata/par.h"

int32_t result_widest(int32_t width, const char *text)
{
    size_t length = text ? strlen(text) : 0;
    return length > (size_t)width ? (int32_t)length : width;
}

static const char how_to_load[] =
    "Python: import h5py, pandas as pd; f = h5py.File('FILE.h5', 'r'); "
    "users = pd.DataFrame({c: f['users'][c][:] for c in f['users']})\n"
    "R: library(rhdf5); users <- as.data.frame(h5read('FILE.h5', '/users'))\n"
    "Octave: pkg load hdf5oct; cluster = h5read('FILE.h5', '/users/cluster_id');\n"
    "Shell: strata inspect FILE.h5; strata verify FILE.h5";

static strata_status add_root(strata_context *ctx, strata_output *out, const strata_result *r)
{
    strata_status rc = STRATA_OK;
    char day[11] = "", producer[64];
    snprintf(producer, sizeof producer, "strata %s", strata_version());
    STRATA_TRY(strata_output_add_text(ctx, out, "/", "schema_name", STRATA_SCHEMA_NAME));
    STRATA_TRY(strata_output_add_integer(ctx, out, "/", "schema_version", STRATA_SCHEMA_VERSION));
    STRATA_TRY(strata_output_add_text(ctx, out, "/", "producer", producer));
    STRATA_TRY(strata_output_add_text(ctx, out, "/", "how_to_load", how_to_load));
    if (r->population)
        strata_day_format(r->population->as_of, day);
    STRATA_TRY(strata_output_add_text(ctx, out, "/", "as_of", r->rows ? r->rows->as_of : day));
    if (r->population)
        strata_day_format(r->population->window_start, day);
    STRATA_TRY(strata_output_add_text(ctx, out, "/", "window_start",
                                      r->rows ? r->rows->window_start : day));
    if (r->population || r->rows)
        STRATA_TRY(strata_output_add_text(ctx, out, "/", "currency",
                                          r->rows ? r->rows->currency : r->population->currency));
done:
    return rc;
}

static strata_status add_users(strata_context *ctx, strata_output *out, const strata_result *r)
{
    strata_status rc = STRATA_OK;
    const strata_users *users = r->users;
    const strata_column_info *columns = strata_column_table();
    strata_field fields[STRATA_COLUMN_COUNT + 1];
    bool keyed = r->config->privacy.mode == STRATA_PRIVACY_KEYED;
    int32_t n = 0;
    fields[n++] = (strata_field){.name = "user_key",
                                 .type = STRATA_TEXT,
                                 .width = users->key_width > 0 ? users->key_width : 1,
                                 .long_name = keyed ? "user, as a keyed pseudonym" : "user id",
                                 .units = "",
                                 .values = users->user_key};
    for (int c = 0; c < STRATA_COLUMN_COUNT; c++)
        if (users->column[c])
            fields[n++] = (strata_field){.name = columns[c].name,
                                         .type = columns[c].type,
                                         .long_name = columns[c].long_name,
                                         .units = columns[c].units,
                                         .values = users->column[c]};
    STRATA_TRY(strata_output_add_distributed(ctx, out, "/users", users->partition, fields, n));
done:
    return rc;
}

/* ---- clusters -------------------------------------------------------------------------------- */

enum { CLUSTER_FIXED = 3, NAME_ROOM = 128 };

typedef struct cluster_names {
    strata_field *fields;    /* [3 + 2 d] */
    char (*text)[NAME_ROOM]; /* [4 d]: name, long name, scaled name, its long name */
} cluster_names;

/* The unit of feature f in its original form. */
static const char *units_of(const strata_result *r, int32_t f)
{
    strata_column column = strata_column_find(r->config->cluster.features[f]);
    if (r->rows)
        return r->rows->features[f].units;
    return column < STRATA_COLUMN_COUNT ? strata_column_table()[column].units : "1";
}

static void name_clusters(const strata_result *r, int32_t d, cluster_names *names)
{
    const strata_config *config = r->config;
    bool by_money = !r->rows;
    for (int32_t f = 0; f < d; f++)
        by_money = by_money || strcmp(config->cluster.features[f], "monetary") == 0;
    names->fields[0] =
        (strata_field){.name = "cluster_id",
                       .type = STRATA_I16,
                       .units = "1",
                       .long_name = by_money ? "Cluster, by falling mean monetary"
                                             : "Cluster, by falling mean of the first feature"};
    names->fields[1] = (strata_field){
        .name = "users", .type = STRATA_I64, .units = "1", .long_name = "Users in the cluster"};
    names->fields[2] =
        (strata_field){.name = "inertia",
                       .type = STRATA_F64,
                       .units = "1",
                       .long_name = "Sum of squared distances to the centre, in scaled units"};
    for (int32_t f = 0; f < d; f++) {
        const char *feature = config->cluster.features[f];
        const char *units = units_of(r, f);
        char(*text)[NAME_ROOM] = names->text + 4 * (int64_t)f;
        snprintf(text[0], NAME_ROOM, "%.90s_center", feature);
        snprintf(text[1], NAME_ROOM, "Centre of the cluster in %.60s", feature);
        snprintf(text[2], NAME_ROOM, "%.90s_center_scaled", feature);
        snprintf(text[3], NAME_ROOM, "Centre in %.60s, transformed and scaled", feature);
        names->fields[CLUSTER_FIXED + 2 * f] = (strata_field){
            .name = text[0], .type = STRATA_F64, .long_name = text[1], .units = units};
        names->fields[CLUSTER_FIXED + 2 * f + 1] =
            (strata_field){.name = text[2], .type = STRATA_F64, .long_name = text[3], .units = "1"};
    }
}

static void fill_clusters(const strata_result *r, strata_table *table)
{
    const strata_clustering *fit = r->clustering;
    for (int32_t k = 0; k < fit->k; k++) {
        strata_table_integer(table, 0, k, k);
        strata_table_integer(table, 1, k, fit->sizes[k]);
        strata_table_real(table, 2, k, fit->inertias[k]);
        for (int32_t f = 0; f < fit->d; f++) {
            double steps = fit->centroids[(int64_t)k * fit->d + f];
            strata_table_real(table, CLUSTER_FIXED + 2 * f, k,
                              strata_scaler_original(r->scaler, f, steps));
            strata_table_real(table, CLUSTER_FIXED + 2 * f + 1, k,
                              ldexp(steps, r->scaler->step_exponent));
        }
    }
}

static strata_status add_clusters(strata_context *ctx, strata_output *out, const strata_result *r)
{
    strata_status rc = STRATA_OK;
    int32_t d = r->clustering->d;
    cluster_names names = {0};
    strata_table *table = NULL;
    STRATA_TRY(strata_alloc(ctx, CLUSTER_FIXED + 2 * d, sizeof *names.fields, &names.fields));
    STRATA_TRY(strata_alloc(ctx, 4 * d, sizeof *names.text, &names.text));
    name_clusters(r, d, &names);
    STRATA_TRY(strata_table_create(ctx, "/clusters", r->clustering->k, names.fields,
                                   CLUSTER_FIXED + 2 * d, &table));
    fill_clusters(r, table);
    STRATA_TRY(strata_output_add_table(ctx, out, &table));
done:
    strata_table_destroy(&table);
    strata_free(&names.text);
    strata_free(&names.fields);
    return rc;
}

/* ---- model ----------------------------------------------------------------------------------- */

static strata_status add_model_attributes(strata_context *ctx, strata_output *out,
                                          const strata_result *r)
{
    strata_status rc = STRATA_OK;
    static const char *const transforms[] = {
        [STRATA_TRANSFORM_NONE] = "none", [STRATA_TRANSFORM_LOG1P] = "log1p"};
    static const char *const scales[] = {[STRATA_SCALE_NONE] = "none",
                                         [STRATA_SCALE_ZSCORE] = "zscore",
                                         [STRATA_SCALE_ROBUST] = "robust"};
    const strata_clustering *fit = r->clustering;
    STRATA_TRY(
        strata_output_add_text(ctx, out, "/model", "transform", transforms[r->scaler->transform]));
    STRATA_TRY(strata_output_add_text(ctx, out, "/model", "scale", scales[r->scaler->scale_kind]));
    STRATA_TRY(strata_output_add_text(ctx, out, "/model", "init", r->config->cluster.init));
    const struct {
        const char *name;
        int64_t value;
    } integers[] = {
        {"k", fit->k},
        {"seed", (int64_t)r->config->cluster.seed},
        {"iterations", fit->iterations},
        {"converged", fit->converged},
        {"exact", fit->exact}, /* of the variant; all exact ones give the same file */
        {"restart", fit->restart},
        {"restarts", r->config->cluster.restarts},
        {"step_exponent", r->scaler->step_exponent},
    };
    for (size_t i = 0; i < sizeof integers / sizeof *integers; i++)
        STRATA_TRY(
            strata_output_add_integer(ctx, out, "/model", integers[i].name, integers[i].value));
    STRATA_TRY(strata_output_add_real(ctx, out, "/model", "inertia", fit->inertia));
done:
    return rc;
}

static strata_status add_model_columns(strata_context *ctx, strata_output *out,
                                       const strata_result *r)
{
    strata_status rc = STRATA_OK;
    char **features = r->config->cluster.features;
    int32_t widths[3] = {0}, d = r->scaler->d;
    strata_table *table = NULL;
    for (int32_t f = 0; f < d; f++)
        widths[0] = result_widest(widths[0], features[f]);
    STRATA_TRY(schema_create(ctx, "/model", d, widths, &table));
    for (int32_t f = 0; f < d; f++) {
        strata_table_text(table, 0, f, features[f]);
        strata_table_real(table, 1, f, r->scaler->center[f]);
        strata_table_real(table, 2, f, r->scaler->scale[f]);
    }
    STRATA_TRY(strata_output_add_table(ctx, out, &table));
done:
    strata_table_destroy(&table);
    return rc;
}

static strata_status add_centroids(strata_context *ctx, strata_output *out, const strata_result *r)
{
    strata_status rc = STRATA_OK;
    const strata_clustering *fit = r->clustering;
    strata_field *fields = NULL;
    strata_table *table = NULL;
    STRATA_TRY(strata_alloc(ctx, fit->d + 1, sizeof *fields, &fields));
    fields[0] = (strata_field){
        .name = "cluster_id", .type = STRATA_I16, .units = "1", .long_name = "Cluster"};
    for (int32_t f = 0; f < fit->d; f++)
        fields[f + 1] = (strata_field){.name = r->config->cluster.features[f],
                                       .type = STRATA_F64,
                                       .units = "1",
                                       .long_name = "Centre, transformed and scaled"};
    STRATA_TRY(strata_table_create(ctx, "/model/centroids", fit->k, fields, fit->d + 1, &table));
    for (int32_t k = 0; k < fit->k; k++) {
        strata_table_integer(table, 0, k, k);
        for (int32_t f = 0; f < fit->d; f++)
            strata_table_real(
                table, f + 1, k,
                ldexp(fit->centroids[(int64_t)k * fit->d + f], r->scaler->step_exponent));
    }
    STRATA_TRY(strata_output_add_table(ctx, out, &table));
done:
    strata_table_destroy(&table);
    strata_free(&fields);
    return rc;
}

static strata_status add_local_parts(strata_context *ctx, strata_output *out,
                                     const strata_result *r)
{
    strata_status rc = STRATA_OK;
    STRATA_TRY(add_root(ctx, out, r));
    if (r->clustering && r->scaler) {
        if (r->clustering->d != r->scaler->d || r->clustering->d != r->config->cluster.n_features)
            STRATA_FAIL(ctx, STRATA_ERR_INTERNAL, "the clustering has other features than the run");
        STRATA_TRY(add_clusters(ctx, out, r));
        STRATA_TRY(add_model_attributes(ctx, out, r));
        STRATA_TRY(add_model_columns(ctx, out, r));
        STRATA_TRY(add_centroids(ctx, out, r));
    }
    STRATA_TRY(result_add_segments(ctx, out, r));
    STRATA_TRY(result_add_crosstabs(ctx, out, r));
    STRATA_TRY(result_add_tests(ctx, out, r));
    STRATA_TRY(result_add_gates(ctx, out, r));
    STRATA_TRY(result_add_iterations(ctx, out, r));
    STRATA_TRY(result_add_selection(ctx, out, r));
    STRATA_TRY(result_add_quality(ctx, out, r));
    STRATA_TRY(result_add_dictionaries(ctx, out, r));
done:
    return rc;
}

strata_status strata_output_add_result(strata_context *ctx, strata_output *out,
                                       const strata_result *result)
{
    strata_status rc = STRATA_OK, local = add_local_parts(ctx, out, result);
    if (local == STRATA_OK && result->users)
        local = add_users(ctx, out, result);
    STRATA_AGREE(ctx, local);
    STRATA_TRY(result_add_provenance(ctx, out, result));
done:
    return rc;
}
