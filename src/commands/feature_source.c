/* What an input holds, and which of its columns are the features. */
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "feature_table.h"
#include "inputs.h"

#include "strata/io.h"
#include "strata/memory.h"
#include "strata/par.h"
#include "strata/text.h"

/* ---- HDF5 ------------------------------------------------------------------------------------ */

/* The inputs, and the first of them that is HDF5. */
typedef struct survey {
    strata_context *ctx;
    strata_status rc;
    int64_t n;
    char hdf5[PATH_MAX];
} survey;

static void look_at(const char *path, void *data)
{
    static const unsigned char signature[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
    survey *s = data;
    unsigned char start[8] = {0};
    int64_t got = 0;
    int fd = -1;
    s->n++;
    if (s->rc != STRATA_OK || s->hdf5[0] || access(path, R_OK) != 0)
        return;
    s->rc = strata_io_open_read(s->ctx, path, &fd);
    if (s->rc == STRATA_OK)
        s->rc = strata_io_pread(s->ctx, fd, path, start, sizeof start, 0, &got);
    if (got == (int64_t)sizeof start && memcmp(start, signature, sizeof start) == 0)
        snprintf(s->hdf5, sizeof s->hdf5, "%s", path);
    if (fd >= 0)
        close(fd);
}

static strata_status find_hdf5(const strata_config *config, survey *s)
{
    strata_context *ctx = s->ctx;
    strata_status rc = STRATA_OK;
    each_input(config, look_at, s);
    STRATA_TRY(s->rc);
    if (s->hdf5[0] && s->n > 1)
        STRATA_FAIL(ctx, STRATA_ERR_USAGE,
                    "%s: is an HDF5 file, of which one is read at a time; %lld inputs are named",
                    s->hdf5, (long long)s->n);
done:
    return rc;
}

/* Collective. Whether the input is one HDF5 file; then its name takes the place of a pattern. Rank 0
 * looks. */
static strata_status is_hdf5(strata_context *ctx, strata_config *config, bool *out)
{
    strata_status rc = STRATA_OK;
    survey s = {.ctx = ctx};
    const char *path = s.hdf5;
    STRATA_AGREE(ctx, ctx->rank == 0 ? find_hdf5(config, &s) : STRATA_OK);
    STRATA_TRY(strata_par_bcast(ctx, s.hdf5, sizeof s.hdf5, 0));
    *out = s.hdf5[0] != 0;
    if (*out && strcmp(s.hdf5, config->input.files[0]) != 0)
        STRATA_AGREE(ctx, strata_config_set_list(ctx, config, "input.files", &path, 1, "--input"));
done:
    return rc;
}

static const char *result_text(const feature_source *source, const char *path, const char *name)
{
    const char *value = "";
    if (!source->is_result || !strata_reader_attribute_text(source->reader, path, name, &value))
        return "";
    return value;
}

/* A result of strata is checked as one: it must be complete. */
static strata_status open_file(strata_context *ctx, const char *path, feature_source *source)
{
    strata_status rc = STRATA_OK;
    const char *schema = "";
    STRATA_TRY(strata_reader_open(ctx, path, STRATA_READ_TABLE, "/", &source->reader));
    source->is_result = strata_reader_attribute_text(source->reader, "/", "schema_name", &schema) &&
                        strcmp(schema, STRATA_SCHEMA_NAME) == 0;
    strata_reader_close(&source->reader);
    STRATA_TRY(strata_reader_open(ctx, path,
                                  source->is_result ? STRATA_READ_RESULT : STRATA_READ_TABLE,
                                  source->is_result ? NULL : source->table, &source->reader));
    source->as_of = result_text(source, "/", "as_of");
    source->window_start = result_text(source, "/", "window_start");
    source->currency = result_text(source, "/", "currency");
    source->key_id = result_text(source, "/provenance", "key_id");
done:
    return rc;
}

/* Not collective. */
static strata_status list_hdf5(strata_context *ctx, const char *path, feature_source *source)
{
    strata_status rc = STRATA_OK;
    const strata_table_view *view = NULL;
    STRATA_TRY(open_file(ctx, path, source));
    STRATA_TRY(strata_reader_table(ctx, source->reader, source->table, &view));
    source->rows = view->rows;
    source->left_out = view->left_out;
    source->n_left_out = view->n_left_out;
    STRATA_TRY(strata_calloc(ctx, view->n_columns, sizeof *source->columns, &source->columns));
    for (int32_t i = 0; i < view->n_columns; i++) {
        const strata_column_view *from = &view->columns[i];
        feature_column *to = &source->columns[source->n_columns];
        if (strlen(from->name) > STRATA_NUMERIC_NAME_LIMIT)
            continue; /* cannot be named in the result */
        snprintf(to->name, sizeof to->name, "%s", from->name);
        to->type = from->type;
        to->width = from->type == STRATA_TEXT ? from->width : 0;
        to->numbers = from->type != STRATA_TEXT;
        source->n_columns++;
        STRATA_TRY(strata_text_copy(ctx, from->long_name, (int64_t)strlen(from->long_name),
                                    &to->long_name));
        STRATA_TRY(strata_text_copy(ctx, from->units, (int64_t)strlen(from->units), &to->units));
    }
done:
    return rc;
}

/* ---- text ------------------------------------------------------------------------------------ */

/* Not collective. */
static strata_status list_text(strata_context *ctx, feature_source *source)
{
    strata_status rc = STRATA_OK;
    const strata_numeric_layout *layout = &source->layout;
    char long_name[STRATA_NUMERIC_NAME_LIMIT + 32];
    STRATA_TRY(strata_calloc(ctx, layout->n, sizeof *source->columns, &source->columns));
    for (int32_t i = 0; i < layout->n; i++) {
        feature_column *to = &source->columns[i];
        snprintf(to->name, sizeof to->name, "%s", layout->names[i]);
        int n = snprintf(long_name, sizeof long_name, "Column %s of the input", layout->names[i]);
        to->type = STRATA_F64; /* what stands there decides, when the rows are read */
        to->numbers = layout->numbers[i];
        source->n_columns++;
        STRATA_TRY(strata_text_copy(ctx, long_name, n, &to->long_name));
        STRATA_TRY(strata_text_copy(ctx, "1", 1, &to->units));
    }
done:
    return rc;
}

/* Not collective. What was detected goes into the configuration, so that it reads the files alike when
 * it is used again. */
static strata_status settle_layout(strata_context *ctx, const strata_numeric_layout *layout,
                                   strata_config *config)
{
    const bool from_file = layout->header == STRATA_HEADER_NAMES;
    config->input.delimiter = layout->delimiter;
    config->input.header = layout->header;
    return strata_config_set_list(ctx, config, "input.names", (const char *const *)layout->names,
                                  from_file ? 0 : layout->n, "--no-header");
}

/* ---- features -------------------------------------------------------------------------------- */

static int32_t find_column(const feature_source *source, const char *name)
{
    for (int32_t i = 0; i < source->n_columns; i++)
        if (strcmp(source->columns[i].name, name) == 0)
            return i;
    return -1;
}

static strata_status no_such_column(strata_context *ctx, const strata_config *config,
                                    const feature_source *source, const char *name)
{
    strata_status rc = STRATA_OK;
    const char **names = NULL;
    char list[400] = "";
    for (int32_t i = 0; i < source->n_left_out; i++)
        if (strcmp(source->left_out[i].name, name) == 0)
            STRATA_FAIL(ctx, STRATA_ERR_USAGE, "%s %s: column %s cannot be read: it %s",
                        config->input.files[0], source->table, name, source->left_out[i].why);
    STRATA_TRY(strata_alloc(ctx, source->n_columns, sizeof *names, &names));
    for (int32_t i = 0; i < source->n_columns; i++)
        names[i] = source->columns[i].name;
    for (int32_t i = 0; i < source->n_columns; i++) {
        const size_t used = strlen(list), room = sizeof list - used;
        const bool fits = strlen(names[i]) + 8 < room;
        snprintf(list + used, room, "%s%s", i ? ", " : "", fits ? names[i] : "...");
        if (!fits)
            break;
    }
    const char *near = strata_text_nearest(name, names, source->n_columns);
    STRATA_FAIL(ctx, STRATA_ERR_USAGE, "%s%s%s: no column is named \"%.80s\"%s%s%s; it has: %s",
                config->input.files[0], source->is_hdf5 ? " " : "",
                source->is_hdf5 ? source->table : "", name, near ? ", did you mean \"" : "",
                near ? near : "", near ? "\"?" : "", list);
done:
    strata_free(&names);
    return rc;
}

static strata_status find_key(strata_context *ctx, strata_config *config, feature_source *source)
{
    strata_status rc = STRATA_OK;
    const bool asked = config->input.key != NULL;
    const char *name = asked ? config->input.key : "user_key";
    const int32_t i = find_column(source, name);
    const bool is_text = i >= 0 && source->columns[i].type == STRATA_TEXT;
    if (asked && i < 0)
        return no_such_column(ctx, config, source, name);
    if (asked && source->is_hdf5 && !is_text)
        STRATA_FAIL(ctx, STRATA_ERR_USAGE, "--key: column %s of %s holds numbers, not text keys",
                    name, source->table);
    if (!asked && source->is_hdf5 && is_text)
        STRATA_TRY(strata_config_set(ctx, config, "input.key", name, STRATA_FROM_FLAG, "--key"));
    source->key = config->input.key;
done:
    return rc;
}

/* Whether the result has a column of that name beside the features. */
static bool is_taken(const feature_source *source, const char *name)
{
    return strcmp(name, "cluster_id") == 0 || strcmp(name, "cluster_distance") == 0 ||
           strcmp(name, source->key ? "user_key" : "row") == 0;
}

static strata_status take_asked(strata_context *ctx, const strata_config *config,
                                feature_source *source)
{
    strata_status rc = STRATA_OK;
    for (int32_t f = 0; f < config->cluster.n_features; f++) {
        const char *name = config->cluster.features[f];
        int32_t i = find_column(source, name);
        if (i < 0)
            return no_such_column(ctx, config, source, name);
        if (source->columns[i].type == STRATA_TEXT)
            STRATA_FAIL(ctx, STRATA_ERR_USAGE, "%s %s: column %s holds text, which is no feature",
                        config->input.files[0], source->table, name);
        if (source->key && strcmp(source->key, name) == 0)
            STRATA_FAIL(ctx, STRATA_ERR_USAGE, "column %s cannot be both key and feature", name);
        if (is_taken(source, name))
            STRATA_FAIL(ctx, STRATA_ERR_USAGE,
                        "column %s cannot be a feature: the result has a column of that name itself; "
                        "rename it in the input",
                        name);
        source->feature[source->d++] = i;
    }
done:
    return rc;
}

static strata_status take_all(strata_context *ctx, strata_config *config, feature_source *source)
{
    strata_status rc = STRATA_OK;
    const char *names[STRATA_FEATURES_MAX];
    int32_t n = 0;
    for (int32_t i = 0; i < source->n_columns; i++) {
        const feature_column *column = &source->columns[i];
        if (!column->numbers || is_taken(source, column->name) ||
            (source->key && strcmp(source->key, column->name) == 0))
            continue;
        if (n < STRATA_FEATURES_MAX) {
            source->feature[n] = i;
            names[n] = column->name;
        }
        n++;
    }
    if (n == 0)
        STRATA_FAIL(ctx, STRATA_ERR_INPUT, "%s: there is no column of numbers in it%s",
                    config->input.files[0],
                    source->is_hdf5 ? "" : " (a number is written as 1.5 or 1.5e3, with a point)");
    for (int32_t i = 1; i < n && i < STRATA_FEATURES_MAX; i++)
        for (int32_t j = 0; j < i; j++)
            if (strcmp(names[i], names[j]) == 0)
                STRATA_FAIL(ctx, STRATA_ERR_INPUT, "%s: two columns are named %s; rename one",
                            config->input.files[0], names[i]);
    if (n > STRATA_FEATURES_MAX)
        STRATA_FAIL(
            ctx, STRATA_ERR_USAGE,
            "%s: has %d columns of numbers, but %d features are the most; choose with --features",
            config->input.files[0], (int)n, STRATA_FEATURES_MAX);
    source->d = n;
    source->chosen = true;
    STRATA_TRY(strata_config_set_list(ctx, config, "cluster.features", names, n, "--features"));
done:
    return rc;
}

/* A result is clustered by what it was clustered by before. */
static strata_status take_model(strata_context *ctx, strata_config *config, feature_source *source)
{
    enum { NAME = STRATA_NUMERIC_NAME_LIMIT };
    strata_status rc = STRATA_OK;
    const strata_table_view *model = NULL;
    char raw[STRATA_FEATURES_MAX * NAME], text[STRATA_FEATURES_MAX][NAME + 1];
    const char *names[STRATA_FEATURES_MAX];
    int32_t width = 0;
    STRATA_TRY(strata_reader_table(ctx, source->reader, "/model", &model));
    for (int32_t i = 0; i < model->n_columns; i++)
        if (strcmp(model->columns[i].name, "feature") == 0)
            width = model->columns[i].width;
    if (width < 1 || width > NAME || model->rows < 1 || model->rows > STRATA_FEATURES_MAX)
        STRATA_FAIL(ctx, STRATA_ERR_INPUT, "%s: its /model is damaged; choose with --features",
                    config->input.files[0]);
    STRATA_TRY(strata_reader_texts(ctx, source->reader, "/model/feature", 0, model->rows, raw));
    for (int32_t f = 0; f < model->rows; f++) {
        snprintf(text[f], sizeof text[f], "%.*s", (int)width, raw + (int64_t)f * width);
        names[f] = text[f];
    }
    source->chosen = true;
    STRATA_TRY(strata_config_set_list(ctx, config, "cluster.features", names, (int32_t)model->rows,
                                      "--features"));
    STRATA_TRY(take_asked(ctx, config, source));
done:
    return rc;
}

static strata_status choose_features(strata_context *ctx, strata_config *config,
                                     feature_source *source)
{
    strata_status rc = STRATA_OK;
    const bool asked = strata_config_origin(config, "cluster.features") != STRATA_FROM_DEFAULT;
    const bool has_model = source->is_result && strcmp(source->table, "/users") == 0 &&
                           strata_reader_has(source->reader, "/model/feature");
    STRATA_TRY(find_key(ctx, config, source));
    STRATA_TRY(asked       ? take_asked(ctx, config, source)
               : has_model ? take_model(ctx, config, source)
                           : take_all(ctx, config, source));
done:
    return rc;
}

/* What was not taken though nobody chose. */
static void tell_left_out(strata_context *ctx, const strata_config *config,
                          const feature_source *source)
{
    const char *path = config->input.files[0], *table = source->is_hdf5 ? source->table : "";
    const char *blank = source->is_hdf5 ? " " : "";
    for (int32_t i = 0; i < source->n_left_out; i++)
        strata_log(ctx, STRATA_LOG_WARNING, "%s%s%s: %s is left out: it %s", path, blank, table,
                   source->left_out[i].name, source->left_out[i].why);
    for (int32_t i = 0; i < source->n_columns && !source->is_result; i++) {
        const feature_column *column = &source->columns[i];
        if (source->key && strcmp(source->key, column->name) == 0)
            continue;
        if (!column->numbers || is_taken(source, column->name))
            strata_log(ctx, STRATA_LOG_WARNING, "%s%s%s: %s is left out: %s", path, blank, table,
                       column->name,
                       column->numbers ? "the result has a column of that name itself"
                                       : "it holds text, no numbers");
    }
}

strata_status feature_source_judge(strata_context *ctx, strata_status rc)
{
    if (rc != STRATA_ERR_VERIFY)
        return rc;
    ctx->error.status = STRATA_ERR_INPUT;
    return STRATA_ERR_INPUT;
}

strata_status feature_source_open(strata_context *ctx, strata_config *config,
                                  feature_source *source)
{
    strata_status rc = STRATA_OK;
    source->rows = -1;
    source->as_of = source->window_start = source->currency = source->key_id = "";
    if (config->input.n_files == 0)
        STRATA_FAIL(ctx, STRATA_ERR_USAGE, "no input file is named");
    STRATA_TRY(is_hdf5(ctx, config, &source->is_hdf5));
    if (config->input.table && !source->is_hdf5)
        STRATA_FAIL(ctx, STRATA_ERR_USAGE,
                    "input.table or --table is for an HDF5 file, but %s is none",
                    config->input.files[0]);
    if (source->is_hdf5) {
        if (!config->input.table)
            STRATA_AGREE(ctx, strata_config_set(ctx, config, "input.table", "/users",
                                                STRATA_FROM_FLAG, "--table"));
        source->table = config->input.table;
        STRATA_AGREE(ctx,
                     feature_source_judge(ctx, list_hdf5(ctx, config->input.files[0], source)));
    } else {
        STRATA_TRY(strata_numeric_look(ctx, config, &source->layout));
        STRATA_AGREE(ctx, list_text(ctx, source));
        STRATA_AGREE(ctx, settle_layout(ctx, &source->layout, config));
    }
    STRATA_AGREE(ctx, feature_source_judge(ctx, choose_features(ctx, config, source)));
    if (source->chosen)
        tell_left_out(ctx, config, source);
done:
    return rc;
}

void feature_source_release(feature_source *source)
{
    for (int32_t i = 0; i < source->n_columns; i++) {
        strata_free(&source->columns[i].long_name);
        strata_free(&source->columns[i].units);
    }
    strata_free(&source->columns);
    source->n_columns = 0;
    strata_numeric_layout_release(&source->layout);
    strata_reader_close(&source->reader);
}
