/* cluster: K-means on features that exist already. */
#include <math.h>
#include <string.h>

#include "cluster_memory.h"
#include "command.h"
#include "feature_table.h"
#include "fit.h"
#include "outputs.h"
#include "phases.h"

#include "strata/console.h"
#include "strata/memory.h"
#include "strata/par.h"

static const strata_option options[] = {
    {"--input", 'i', STRATA_OPTION_MANY, "PATH",
     "a result or another HDF5 file, or text files of numbers; globs; instead of input.files",
     .config_key = "input.files"},
    {"--output", 'o', STRATA_OPTION_TEXT, "OUT.h5", "the result", .required = true},
    {"--features", 0, STRATA_OPTION_LIST, "A,B,C",
     "columns to cluster by; see below for the default", .config_key = "cluster.features"},
    {"--clusters", 'k', STRATA_OPTION_TEXT, "K", "number of clusters, or auto",
     .config_key = "cluster.k"},
    {"--transform", 0, STRATA_OPTION_WORD, "T", "none or log1p", .config_key = "cluster.transform",
     .words = "none|log1p"},
    {"--scale", 0, STRATA_OPTION_WORD, "S", "none, zscore or robust", .config_key = "cluster.scale",
     .words = "none|zscore|robust"},
    {"--init", 0, STRATA_OPTION_WORD, "I", "kmeans_parallel, kmeans_plus_plus, random or centroids",
     .config_key = "cluster.init", .words = "kmeans_parallel|kmeans_plus_plus|random|centroids"},
    {"--centroids", 0, STRATA_OPTION_TEXT, "F.csv",
     "a given start: K rows in the units of the features", .config_key = "cluster.centroids",
     .implies = "cluster.init=centroids"},
    {"--variant", 0, STRATA_OPTION_TEXT, "V", "K-means algorithm, or auto",
     .config_key = "cluster.variant"},
    {"--restarts", 0, STRATA_OPTION_TEXT, "R", "number of starts, the best inertia wins",
     .config_key = "cluster.restarts"},
    {"--max-iterations", 0, STRATA_OPTION_TEXT, "M", "a start ends here if it has not converged",
     .config_key = "cluster.max_iterations"},
    {"--table", 0, STRATA_OPTION_TEXT, "/GROUP", "table of an HDF5 file (default /users)",
     .config_key = "input.table"},
    {"--key", 0, STRATA_OPTION_TEXT, "COLUMN",
     "column of keys of the rows (default: user_key of an HDF5 table that has it)",
     .config_key = "input.key"},
    {"--delimiter", 0, STRATA_OPTION_TEXT, "D", "of text files; found by itself without",
     .config_key = "input.delimiter"},
    {"--header", 0, STRATA_OPTION_FLAG, NULL, "the first line of text files names the columns"},
    {"--no-header", 0, STRATA_OPTION_FLAG, NULL,
     "it does not; they are c1, c2, ... (without either flag the line itself tells)"},
    {0},
};

/* What the command holds while it works. */
typedef struct job {
    const strata_command_line *line;
    strata_config config;
    feature_source source;
    feature_table table;
    strata_scaler scaler;
    strata_points points;
    strata_clustering clustering;
    strata_k_selection selection;
    int16_t *ids;      /* [n_local] */
    double *distances; /* [n_local] */
    strata_phases phases;
    int64_t peak_memory;
    char digest[33];
} job;

static void release(job *j)
{
    strata_free(&j->distances);
    strata_free(&j->ids);
    strata_k_selection_release(&j->selection);
    strata_clustering_release(&j->clustering);
    strata_points_release(&j->points);
    strata_scaler_release(&j->scaler);
    feature_table_release(&j->table);
    feature_source_release(&j->source);
    strata_config_release(&j->config);
}

/* ---- the request ----------------------------------------------------------------------------- */

static strata_status check_files(strata_context *ctx, const strata_command_line *line,
                                 const strata_config *config)
{
    const output_file outputs[] = {
        {"--output", strata_option_text(line, "--output", NULL), OUTPUT_RESULT},
        {"--json", strata_option_text(line, "--json", NULL), OUTPUT_IN_PLACE}};
    return check_outputs(ctx, line, config, outputs, sizeof outputs / sizeof *outputs);
}

/* The two flags say what input.header cannot say without input.names. */
static strata_status settle_header(strata_context *ctx, const strata_command_line *line,
                                   strata_config *config)
{
    strata_status rc = STRATA_OK;
    const bool with = strata_option_flag(line, "--header");
    const bool without = strata_option_flag(line, "--no-header");
    if (with && without)
        STRATA_FAIL(ctx, STRATA_ERR_USAGE, "--header and --no-header exclude each other");
    if (with || without)
        STRATA_TRY(strata_config_set(ctx, config, "input.header", with ? "true" : "false",
                                     STRATA_FROM_FLAG, with ? "--header" : "--no-header"));
done:
    return rc;
}

/* What is said of text files is a mistake where there are none. */
static strata_status refuse_text_flags(strata_context *ctx, const job *j)
{
    strata_status rc = STRATA_OK;
    static const char *const flags[] = {"--header", "--no-header", "--delimiter"};
    for (int i = 0; i < 3 && j->source.is_hdf5; i++)
        if (strata_option_flag(j->line, flags[i]))
            STRATA_FAIL(ctx, STRATA_ERR_USAGE, "%s is for text files, but %s is an HDF5 file",
                        flags[i], j->config.input.files[0]);
done:
    return rc;
}

/* ---- the work -------------------------------------------------------------------------------- */

/* value 2^shift as a whole number, rounded down. */
static __int128 fixed_point(double value, int shift)
{
    int exponent = 0;
    const int64_t mantissa = (int64_t)ldexp(frexp(value, &exponent), 53);
    shift += exponent - 53;
    if (shift >= 0)
        return mantissa * ((__int128)1 << shift);
    return shift > -63 ? mantissa >> -shift : mantissa >> 63;
}

/* By falling mean of monetary, else of the first feature: in whole numbers that keep the sum of all
 * below 2^126 and the bits of values far smaller than the largest. */
static strata_status order_clusters(strata_context *ctx, job *j)
{
    strata_status rc = STRATA_OK;
    const strata_feature_set *set = &j->table.set;
    __int128 *sums = NULL;
    double largest = 0;
    int exponent = 0, bits = 0;
    int32_t f = 0;
    for (int32_t i = 0; i < set->d; i++)
        if (strcmp(set->feature[i].name, "monetary") == 0)
            f = i;
    STRATA_AGREE(ctx, strata_calloc(ctx, j->clustering.k, sizeof *sums, &sums));
    for (int64_t i = 0; i < set->n_local; i++)
        largest = fmax(largest, fabs(strata_feature_value(&set->feature[f], i)));
    STRATA_TRY(strata_par_allreduce_f64(ctx, &largest, 1, STRATA_MAX));
    frexp(largest, &exponent); /* largest < 2^exponent */
    for (int64_t n = strata_partition_global(&j->table.partition); n > 0; n >>= 1)
        bits++;
    for (int64_t i = 0; i < set->n_local; i++)
        sums[j->clustering.labels[i]] +=
            fixed_point(strata_feature_value(&set->feature[f], i), 126 - bits - exponent);
    STRATA_TRY(strata_clustering_order(ctx, &j->points, sums, &j->clustering));
done:
    strata_free(&sums);
    return rc;
}

static strata_status label_rows(strata_context *ctx, job *j)
{
    strata_status rc = STRATA_OK;
    const int64_t n = j->points.n_local;
    STRATA_TRY(strata_alloc(ctx, n, sizeof *j->ids, &j->ids));
    STRATA_TRY(strata_alloc(ctx, n, sizeof *j->distances, &j->distances));
    memcpy(j->ids, j->clustering.labels, (size_t)n * sizeof *j->ids);
    strata_clustering_distances(&j->points, &j->clustering, j->distances);
done:
    return rc;
}

static strata_status compute(strata_context *ctx, job *j)
{
    strata_status rc = STRATA_OK;
    const strata_config *config = &j->config;
    STRATA_AGREE(ctx, strata_phase_begin(ctx, "read", &j->phases));
    STRATA_TRY(feature_table_read(ctx, config, &j->source, &j->table));
    const int64_t n = strata_partition_global(&j->table.partition);
    STRATA_TRY(strata_phase_end(ctx, "read", n, &j->phases));

    STRATA_AGREE(ctx, strata_phase_begin(ctx, "scale", &j->phases));
    STRATA_TRY(strata_scaler_fit_set(ctx, &j->table.set, config->cluster.transform,
                                     config->cluster.scale, &j->scaler));
    STRATA_TRY(strata_scaler_apply_set(ctx, &j->scaler, &j->table.set, &j->points));
    j->points.key64 = j->table.key64;
    j->points.partition = &j->table.partition;
    STRATA_TRY(strata_phase_end(ctx, "scale", n, &j->phases));

    STRATA_AGREE(ctx, strata_phase_begin(ctx, "cluster", &j->phases));
    STRATA_TRY(strata_fit(ctx, config, &j->scaler, &j->points, &j->clustering, &j->selection));
    STRATA_TRY(order_clusters(ctx, j));
    STRATA_AGREE(ctx, label_rows(ctx, j));
    STRATA_TRY(strata_phase_end(ctx, "cluster", n, &j->phases));
done:
    return rc;
}

/* ---- the result ------------------------------------------------------------------------------ */

enum { OTHER_FIELDS = 3 }; /* identity, cluster, distance */

/* Columns of /users: what tells a row from others, the features as they were read, the cluster. */
static int32_t make_fields(const job *j, strata_field *fields)
{
    const strata_column_info *columns = strata_column_table();
    const feature_table *table = &j->table;
    int32_t n = 0;
    if (table->user_key)
        fields[n++] = (strata_field){.name = "user_key",
                                     .type = STRATA_TEXT,
                                     .width = table->key_width > 0 ? table->key_width : 1,
                                     .long_name = "Key of the row",
                                     .units = "",
                                     .values = table->user_key};
    else
        fields[n++] = (strata_field){.name = "row",
                                     .type = STRATA_I64,
                                     .units = "1",
                                     .long_name = "Row of the input, from 0",
                                     .values = table->row};
    for (int32_t f = 0; f < table->set.d; f++) {
        const feature_column *column = &j->source.columns[j->source.feature[f]];
        fields[n++] = (strata_field){.name = column->name,
                                     .type = column->type,
                                     .long_name = column->long_name,
                                     .units = column->units,
                                     .values = table->set.feature[f].values};
    }
    const strata_column_info *id = &columns[STRATA_CLUSTER_ID];
    const strata_column_info *distance = &columns[STRATA_CLUSTER_DISTANCE];
    fields[n++] = (strata_field){.name = id->name,
                                 .type = id->type,
                                 .long_name = id->long_name,
                                 .units = id->units,
                                 .values = j->ids};
    fields[n++] = (strata_field){.name = distance->name,
                                 .type = distance->type,
                                 .long_name = distance->long_name,
                                 .units = distance->units,
                                 .values = j->distances};
    return n;
}

static strata_status publish(strata_context *ctx, job *j, const strata_result *result,
                             const strata_field *fields, int32_t n_fields, strata_output **out)
{
    strata_status rc = STRATA_OK;
    STRATA_AGREE(ctx, strata_phase_begin(ctx, "output", &j->phases));
    STRATA_AGREE(ctx, strata_output_add_distributed(ctx, *out, "/users", &j->table.partition,
                                                    fields, n_fields));
    STRATA_TRY(strata_output_add_result(ctx, *out, result));
    STRATA_TRY(strata_output_publish(ctx, out, j->digest));
    STRATA_TRY(
        strata_phase_end(ctx, "output", strata_partition_global(&j->table.partition), &j->phases));
    j->peak_memory = strata_peak_memory();
    STRATA_TRY(strata_par_allreduce_i64(ctx, &j->peak_memory, 1, STRATA_MAX));
done:
    return rc;
}

static strata_status tell(strata_context *ctx, const job *j, const strata_result *result)
{
    strata_status rc = STRATA_OK;
    const char *json = strata_option_text(j->line, "--json", NULL);
    const strata_console console = {.path = strata_option_text(j->line, "--output", ""),
                                    .digest = j->digest,
                                    .ranks = ctx->size,
                                    .peak_memory = j->peak_memory};
    if (j->table.shared_keys > 0)
        strata_log(ctx, STRATA_LOG_WARNING, "%lld rows have the key of another row",
                   (long long)j->table.shared_keys);
    if (ctx->rank == 0) {
        strata_progress_end(ctx);
        if (strata_command_has_screen(ctx, j->line))
            strata_console_clustering(stdout, result, &console);
        if (json)
            rc = strata_console_clustering_json(ctx, json, result, &console);
    }
    STRATA_AGREE(ctx, rc);
done:
    return rc;
}

static strata_status run_job(strata_context *ctx, job *j)
{
    strata_status rc = STRATA_OK;
    strata_output *out = NULL;
    strata_field fields[STRATA_FEATURES_MAX + OTHER_FIELDS];
    char *command_text = NULL;
    STRATA_AGREE(ctx, strata_command_text(ctx, j->line, &command_text));
    STRATA_TRY(strata_output_create(ctx, strata_option_text(j->line, "--output", NULL),
                                    strata_option_flag(j->line, "--force"),
                                    j->config.output.compression, &out));
    STRATA_TRY(compute(ctx, j));
    const int32_t n_fields = make_fields(j, fields);
    const strata_rows rows = {.n = strata_partition_global(&j->table.partition),
                              .inputs = j->table.inputs,
                              .n_inputs = j->table.n_inputs,
                              .as_of = j->source.as_of,
                              .window_start = j->source.window_start,
                              .currency = j->source.currency,
                              .features = fields + 1};
    strata_result result = {.config = &j->config,
                            .rows = &rows,
                            .scaler = &j->scaler,
                            .clustering = &j->clustering,
                            .selection = j->selection.n > 0 ? &j->selection : NULL,
                            .timings = j->phases.timings,
                            .n_timings = j->phases.n,
                            .command_line = command_text,
                            .key_id = j->source.key_id};
    STRATA_TRY(publish(ctx, j, &result, fields, n_fields, &out));
    result.n_timings = j->phases.n;
    STRATA_TRY(tell(ctx, j, &result));
done:
    strata_output_discard(ctx, &out);
    strata_free(&command_text);
    return rc;
}

/* ---- dry run --------------------------------------------------------------------------------- */

static void print_columns(const job *j)
{
    const feature_source *s = &j->source;
    printf("Input: %s%s%s, ", j->config.input.files[0], s->is_hdf5 ? " table " : "",
           s->is_hdf5 ? s->table : "");
    if (s->is_hdf5)
        printf("%lld rows, %d columns.\n", (long long)s->rows, (int)s->n_columns);
    else
        printf("text, %s, %d columns, %s.\n",
               s->layout.delimiter == '\t'  ? "tab"
               : s->layout.delimiter == ' ' ? "blanks"
               : s->layout.delimiter == ';' ? "semicolon"
               : s->layout.delimiter == '|' ? "bar"
                                            : "comma",
               (int)s->n_columns,
               s->layout.header == STRATA_HEADER_NAMES ? "with a header" : "without a header");
    printf("Features%s:", s->chosen ? " (chosen)" : "");
    for (int32_t f = 0; f < s->d; f++)
        printf(" %s", s->columns[s->feature[f]].name);
    printf("\nKey: %s\n", s->key ? s->key : "none, rows are numbered");
}

static void print_memory(const strata_context *ctx, const job *j)
{
    const cluster_memory need = cluster_memory_estimate(&j->config, &j->source, ctx->size);
    const char *variant = j->config.cluster.variant;
    const bool chosen = strcmp(variant, need.variant) != 0;
    printf("Memory: about %.1f MiB a rank: %d rank%s of %s%lld rows, variant %s%s%s%s.\n",
           (double)need.bytes / 1048576.0, ctx->size, ctx->size == 1 ? "" : "s",
           j->source.is_hdf5 ? "" : "about ", (long long)need.rows, variant,
           chosen ? ", which may take " : "", chosen ? need.variant : "",
           strcmp(variant, "merge") == 0 ? ", if few rows are distinct" : "");
}

static strata_status explain(strata_context *ctx, const job *j)
{
    strata_status rc = STRATA_OK;
    const char *path = strata_option_text(j->line, "--output", "");
    STRATA_TRY(strata_output_check(ctx, path, strata_option_flag(j->line, "--force")));
    print_columns(j);
    print_memory(ctx, j);
    printf("Result: %s can be written.\nDry run: nothing was computed.\n", path);
done:
    return rc;
}

/* ---- the command ----------------------------------------------------------------------------- */

static strata_status run(strata_context *ctx, const strata_command_line *line)
{
    strata_status rc = STRATA_OK, local = STRATA_OK;
    job j = {.line = line};
    bool finished = false;
    STRATA_TRY(strata_command_config(ctx, line, &j.config, &finished));
    if (finished)
        goto done;
    if (strata_config_origin(&j.config, "input.files") == STRATA_FROM_DEFAULT)
        STRATA_FAIL(ctx, STRATA_ERR_USAGE,
                    "--input PATH is missing, or input.files; usage: strata cluster %s",
                    line->command->usage);
    STRATA_TRY(check_files(ctx, line, &j.config));
    STRATA_AGREE(ctx, settle_header(ctx, line, &j.config));
    STRATA_AGREE(ctx,
                 strata_command_check_variant(ctx, "cluster.variant", j.config.cluster.variant));
    STRATA_TRY(feature_source_open(ctx, &j.config, &j.source));
    STRATA_AGREE(ctx, refuse_text_flags(ctx, &j));
    if (strata_option_flag(line, "--dry-run")) {
        if (ctx->rank == 0)
            local = explain(ctx, &j);
        STRATA_AGREE(ctx, local);
    } else {
        STRATA_TRY(run_job(ctx, &j));
    }
done:
    release(&j);
    return rc;
}

const strata_command strata_command_cluster = {
    .name = "cluster",
    .usage = "-i FEATURES -o OUT.h5 [--features A,B,C] [-k K]",
    .summary = "cluster features that exist already: of a result, an HDF5 table, a CSV file",
    .details =
        "FEATURES is a result of strata or another HDF5 file (--table names the group), or plain "
        "or\n"
        "gzip text files of numbers. Without --features: those of its model for a result, every\n"
        "column of numbers for anything else. The defaults of --transform and --scale are those of "
        "the\n"
        "configuration (log1p, zscore); for numbers as they stand say --transform none --scale "
        "none.\n"
        "Text keys (--key) are masked as privacy.mode says. The same rows give the same result on "
        "any\n"
        "number of ranks.",
    .uses_mpi = true,
    .common = STRATA_COMMON_CONFIG | STRATA_COMMON_OUTPUT | STRATA_COMMON_FEATURES,
    .options = options,
    .run = run,
};
