/* The rows of a feature source, each rank its part. */
#include "feature_table.h"

#include <math.h>
#include <string.h>

#include "strata/hash.h"
#include "strata/memory.h"
#include "strata/par.h"
#include "strata/text.h"

enum { PIECE = STRATA_BLOCK_ROWS }; /* rows read from an HDF5 file at once */

/* ---- HDF5 ------------------------------------------------------------------------------------ */

enum { PATH_BYTES = 2048 + STRATA_NUMERIC_NAME_LIMIT };

static const char *column_path(const feature_source *source, const char *name,
                               char path[PATH_BYTES])
{
    const bool root = strcmp(source->table, "/") == 0;
    snprintf(path, PATH_BYTES, "%.2040s/%s", root ? "" : source->table, name);
    return path;
}

/* Integers keep the width that they have in the file. */
static strata_status read_integers(strata_context *ctx, strata_reader *reader, const char *path,
                                   strata_type type, int64_t first, int64_t n, void *values)
{
    strata_status rc = STRATA_OK;
    int64_t *piece = NULL;
    STRATA_TRY(strata_alloc(ctx, n < PIECE ? n : PIECE, sizeof *piece, &piece));
    for (int64_t at = 0; at < n; at += PIECE) {
        const int64_t count = n - at < PIECE ? n - at : PIECE;
        STRATA_TRY(strata_reader_integers(ctx, reader, path, first + at, count, piece));
        for (int64_t i = 0; i < count; i++) {
            if (type == STRATA_I16)
                ((int16_t *)values)[at + i] = (int16_t)piece[i];
            else if (type == STRATA_I32)
                ((int32_t *)values)[at + i] = (int32_t)piece[i];
            else
                ((int64_t *)values)[at + i] = piece[i];
        }
    }
done:
    strata_free(&piece);
    return rc;
}

/* Not collective. The first row of this rank that is NaN or infinite; ranks hold rows in order, so the
 * lowest one that fails names the first of all. */
static strata_status refuse_infinite(strata_context *ctx, const strata_config *config,
                                     const feature_source *source, const feature_table *table)
{
    strata_status rc = STRATA_OK;
    const int64_t first = strata_partition_first(&table->partition, ctx->rank);
    int64_t bad = strata_partition_local(&table->partition, ctx->rank);
    const char *name = NULL;
    char path[PATH_BYTES];
    for (int32_t f = 0; f < source->d; f++) {
        const feature_column *column = &source->columns[source->feature[f]];
        const double *values = table->values[f];
        for (int64_t i = 0; column->type == STRATA_F64 && i < bad; i++) {
            if (isfinite(values[i]))
                continue;
            bad = i;
            name = column->name;
        }
    }
    if (name)
        STRATA_FAIL(ctx, STRATA_ERR_INPUT, "%s: %s of row %lld (from 0) is not a finite number",
                    config->input.files[0], column_path(source, name, path),
                    (long long)(first + bad));
done:
    return rc;
}

/* Not collective. */
static strata_status read_hdf5(strata_context *ctx, feature_source *source, feature_table *table)
{
    strata_status rc = STRATA_OK;
    const strata_table_view *view = NULL;
    char path[PATH_BYTES];
    const int64_t first = strata_partition_first(&table->partition, ctx->rank);
    const int64_t n = strata_partition_local(&table->partition, ctx->rank);
    STRATA_TRY(strata_reader_table(ctx, source->reader, source->table, &view));
    for (int32_t f = 0; f < source->d; f++) {
        const feature_column *column = &source->columns[source->feature[f]];
        column_path(source, column->name, path);
        STRATA_TRY(strata_alloc(ctx, n, strata_type_size(column->type), &table->values[f]));
        if (column->type == STRATA_F64)
            STRATA_TRY(strata_reader_reals(ctx, source->reader, path, first, n, table->values[f]));
        else
            STRATA_TRY(
                read_integers(ctx, source->reader, path, column->type, first, n, table->values[f]));
    }
    for (int32_t i = 0; source->key && i < view->n_columns; i++)
        if (strcmp(view->columns[i].name, source->key) == 0)
            table->key_width = view->columns[i].width;
    if (source->key) {
        STRATA_TRY(strata_alloc(ctx, n, table->key_width, &table->user_key));
        STRATA_TRY(strata_reader_texts(ctx, source->reader, column_path(source, source->key, path),
                                       first, n, table->user_key));
    }
done:
    return rc;
}

/* ---- text ------------------------------------------------------------------------------------ */

/* Collective. */
static strata_status read_text(strata_context *ctx, const strata_config *config,
                               feature_source *source, feature_table *table)
{
    strata_status rc = STRATA_OK;
    const char *names[STRATA_FEATURES_MAX];
    strata_numeric_table numbers = {0};
    for (int32_t f = 0; f < source->d; f++)
        names[f] = source->columns[source->feature[f]].name;
    STRATA_TRY(
        strata_numeric_read(ctx, config, &source->layout, names, source->d, source->key, &numbers));
    for (int32_t f = 0; f < source->d; f++) {
        table->values[f] = numbers.values[f]; /* handed over, like the rest */
        numbers.values[f] = NULL;
    }
    table->partition = numbers.partition;
    table->user_key = numbers.keys;
    table->key_width = numbers.key_width;
    table->inputs = numbers.inputs;
    table->n_inputs = numbers.n_inputs;
    numbers = (strata_numeric_table){0};
done:
    strata_numeric_table_release(&numbers);
    return rc;
}

/* ---- moving rows ----------------------------------------------------------------------------- */

static int64_t even_share(int64_t n, int size)
{
    int64_t share = (n + size - 1) / size;
    return share < 1 ? 1 : share < STRATA_BLOCK_ROWS ? share : STRATA_BLOCK_ROWS;
}

/* Collective. A gzip file was read by one rank; the work that follows is for all. Every column is of
 * doubles here. */
static strata_status balance(strata_context *ctx, feature_table *table, int32_t d)
{
    strata_status rc = STRATA_OK;
    strata_partition even = {0};
    const int64_t n = strata_partition_global(&table->partition);
    int64_t most = 0;
    for (int r = 0; r < ctx->size; r++)
        if (strata_partition_local(&table->partition, r) > most)
            most = strata_partition_local(&table->partition, r);
    if (most <= n / ctx->size + n / ctx->size / 4 + 64)
        return STRATA_OK;
    STRATA_TRY(strata_partition_blocks(ctx, n, even_share(n, ctx->size), &even));
    for (int32_t f = 0; f < d; f++) {
        double *moved = NULL;
        STRATA_TRY(strata_par_redistribute(ctx, table->values[f], sizeof *moved, &table->partition,
                                           &even, &moved));
        strata_free(&table->values[f]);
        table->values[f] = moved;
    }
    strata_partition_release(&table->partition);
    table->partition = even;
    even = (strata_partition){0};
done:
    strata_partition_release(&even);
    return rc;
}

/* Rows as records: the key, then the values. */
static strata_status pack(strata_context *ctx, const feature_table *table, int32_t d,
                          char **records)
{
    const int64_t n = strata_partition_local(&table->partition, ctx->rank);
    const int64_t size = table->key_width + 8 * (int64_t)d;
    strata_status rc = strata_alloc(ctx, n, size, records);
    for (int64_t i = 0; rc == STRATA_OK && i < n; i++) {
        char *to = *records + i * size;
        memcpy(to, table->user_key + i * table->key_width, (size_t)table->key_width);
        for (int32_t f = 0; f < d; f++)
            memcpy(to + table->key_width + 8 * (int64_t)f, (const double *)table->values[f] + i, 8);
    }
    return rc;
}

static strata_status unpack(strata_context *ctx, const char *records, int64_t n, int32_t d,
                            feature_table *table)
{
    strata_status rc = STRATA_OK;
    const int64_t width = table->key_width, size = width + 8 * (int64_t)d;
    strata_free(&table->user_key);
    STRATA_TRY(strata_alloc(ctx, n, width, &table->user_key));
    for (int32_t f = 0; f < d; f++) {
        strata_free(&table->values[f]);
        STRATA_TRY(strata_alloc(ctx, n, sizeof(double), &table->values[f]));
    }
    for (int64_t i = 0; i < n; i++) {
        const char *from = records + i * size;
        memcpy(table->user_key + i * width, from, (size_t)width);
        for (int32_t f = 0; f < d; f++)
            memcpy((double *)table->values[f] + i, from + width + 8 * (int64_t)f, 8);
        if (i > 0) /* equal keys stay on one rank */
            table->shared_keys += memcmp(from, from - size, (size_t)width) == 0;
    }
done:
    return rc;
}

/* Collective. Into the order of the keys, which then is that of the result. */
static strata_status sort_by_key(strata_context *ctx, feature_table *table, int32_t d)
{
    strata_status rc = STRATA_OK;
    char *records = NULL, *sorted = NULL;
    strata_partition partition = {0};
    STRATA_AGREE(ctx, pack(ctx, table, d, &records));
    STRATA_TRY(strata_par_sort_records(
        ctx, records, strata_partition_local(&table->partition, ctx->rank),
        table->key_width + 8 * (int64_t)d, table->key_width, &sorted, &partition));
    strata_free(&records);
    STRATA_AGREE(ctx, unpack(ctx, sorted, strata_partition_local(&partition, ctx->rank), d, table));
    STRATA_TRY(strata_par_allreduce_i64(ctx, &table->shared_keys, 1, STRATA_SUM));
    strata_partition_release(&table->partition);
    table->partition = partition;
    partition = (strata_partition){0};
done:
    strata_partition_release(&partition);
    strata_free(&sorted);
    strata_free(&records);
    return rc;
}

/* ---- keys ------------------------------------------------------------------------------------ */

static uint64_t first_bytes(const uint8_t pseudonym[16])
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value = value << 8 | pseudonym[i];
    return value;
}

/* The pseudonym that key [width] spells as 32 hex digits, as keyed results have it. */
static bool spelled_pseudonym(const char *key, int32_t width, uint8_t out[16])
{
    if (width != 32)
        return false;
    for (int i = 0; i < 32; i++) {
        const char c = key[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0)
            return false;
        out[i / 2] = (uint8_t)(i % 2 ? out[i / 2] | digit : digit << 4);
    }
    return true;
}

/* Not collective. key64 from the keys as they are; a pseudonym gives what it gave its run. */
static strata_status identify(strata_context *ctx, const strata_pseudonymiser *plain,
                              feature_table *table)
{
    strata_status rc = STRATA_OK;
    const int64_t n = strata_partition_local(&table->partition, ctx->rank);
    STRATA_TRY(strata_alloc(ctx, n, sizeof *table->key64, &table->key64));
    for (int64_t i = 0; i < n; i++) {
        const char *key = table->user_key + i * table->key_width;
        uint8_t pseudonym[16];
        if (!spelled_pseudonym(key, table->key_width, pseudonym))
            strata_pseudonym(plain, key, (int64_t)strnlen(key, (size_t)table->key_width),
                             pseudonym);
        table->key64[i] = first_bytes(pseudonym);
    }
done:
    return rc;
}

/* Not collective. Replaces the keys by their pseudonyms. */
static strata_status mask(strata_context *ctx, const strata_pseudonymiser *keyed,
                          feature_table *table)
{
    strata_status rc = STRATA_OK;
    enum { HEX = 32 };
    char *masked = NULL;
    const int64_t n = strata_partition_local(&table->partition, ctx->rank);
    STRATA_TRY(strata_alloc(ctx, n, HEX, &masked));
    for (int64_t i = 0; i < n; i++) {
        const char *key = table->user_key + i * table->key_width;
        uint8_t pseudonym[16];
        strata_pseudonym(keyed, key, (int64_t)strnlen(key, (size_t)table->key_width), pseudonym);
        strata_hex(pseudonym, masked + i * HEX);
    }
    strata_free(&table->user_key);
    table->user_key = masked;
    table->key_width = HEX;
    masked = NULL;
done:
    strata_free(&masked);
    return rc;
}

/* Collective. */
static strata_status settle_keys(strata_context *ctx, const strata_config *config,
                                 const feature_source *source, feature_table *table)
{
    strata_status rc = STRATA_OK;
    strata_config open = *config; /* a view */
    strata_pseudonymiser *keyed = NULL, *plain = NULL;
    open.privacy.mode = STRATA_PRIVACY_PLAIN;
    if (!source->is_result && config->privacy.mode == STRATA_PRIVACY_KEYED) {
        STRATA_TRY(strata_pseudonymiser_create(ctx, config, &keyed));
        STRATA_AGREE(ctx, mask(ctx, keyed, table));
    }
    if (!source->is_hdf5)
        STRATA_TRY(sort_by_key(ctx, table, source->d));
    STRATA_TRY(strata_pseudonymiser_create(ctx, &open, &plain));
    STRATA_AGREE(ctx, identify(ctx, plain, table));
done:
    strata_pseudonymiser_destroy(&plain);
    strata_pseudonymiser_destroy(&keyed);
    return rc;
}

/* Not collective. Rows without keys are told apart by their number. */
static strata_status number_rows(strata_context *ctx, feature_table *table)
{
    strata_status rc = STRATA_OK;
    const int64_t first = strata_partition_first(&table->partition, ctx->rank);
    const int64_t n = strata_partition_local(&table->partition, ctx->rank);
    STRATA_TRY(strata_alloc(ctx, n, sizeof *table->row, &table->row));
    STRATA_TRY(strata_alloc(ctx, n, sizeof *table->key64, &table->key64));
    for (int64_t i = 0; i < n; i++) {
        table->row[i] = first + i;
        table->key64[i] = (uint64_t)(first + i);
    }
done:
    return rc;
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* Not collective. An HDF5 file as an input for provenance; a result is known by its content digest. */
static strata_status note_input(strata_context *ctx, const strata_config *config,
                                const feature_source *source, feature_table *table)
{
    strata_status rc = STRATA_OK;
    const char *path = config->input.files[0], *digest = "";
    STRATA_TRY(strata_calloc(ctx, 1, sizeof *table->inputs, &table->inputs));
    table->n_inputs = 1;
    table->inputs[0].bytes = -1;
    table->inputs[0].rows = source->rows;
    if (source->is_result &&
        strata_reader_attribute_text(source->reader, "/", "content_digest", &digest))
        snprintf(table->inputs[0].digest, sizeof table->inputs[0].digest, "%.32s", digest);
    STRATA_TRY(strata_text_copy(ctx, path, (int64_t)strlen(path), &table->inputs[0].path));
done:
    return rc;
}

static void settle_set(strata_context *ctx, const feature_source *source, feature_table *table)
{
    table->set.n_local = strata_partition_local(&table->partition, ctx->rank);
    table->set.d = source->d;
    for (int32_t f = 0; f < source->d; f++) {
        const feature_column *column = &source->columns[source->feature[f]];
        table->set.feature[f] = (strata_feature){column->name, column->type, table->values[f]};
    }
}

strata_status feature_table_read(strata_context *ctx, const strata_config *config,
                                 feature_source *source, feature_table *table)
{
    strata_status rc = STRATA_OK;
    feature_table made = {.n_inputs = 0};
    if (source->is_hdf5) {
        if (source->rows == 0)
            STRATA_FAIL(ctx, STRATA_ERR_INPUT, "%s: table %s has no rows", config->input.files[0],
                        source->table);
        STRATA_TRY(strata_partition_blocks(ctx, source->rows, even_share(source->rows, ctx->size),
                                           &made.partition));
        STRATA_AGREE(ctx, feature_source_judge(ctx, read_hdf5(ctx, source, &made)));
        STRATA_AGREE(ctx, refuse_infinite(ctx, config, source, &made));
        STRATA_AGREE(ctx, note_input(ctx, config, source, &made));
    } else {
        STRATA_TRY(read_text(ctx, config, source, &made));
        if (!source->key)
            STRATA_TRY(balance(ctx, &made, source->d));
    }
    if (source->key)
        STRATA_TRY(settle_keys(ctx, config, source, &made));
    else
        STRATA_AGREE(ctx, number_rows(ctx, &made));
    settle_set(ctx, source, &made);
    *table = made;
    made = (feature_table){.n_inputs = 0};
done:
    feature_table_release(&made);
    return rc;
}

void feature_table_release(feature_table *table)
{
    strata_partition_release(&table->partition);
    for (int32_t f = 0; f < STRATA_FEATURES_MAX; f++)
        strata_free(&table->values[f]);
    strata_free(&table->user_key);
    strata_free(&table->row);
    strata_free(&table->key64);
    strata_inputs_release(&table->inputs, table->n_inputs);
    *table = (feature_table){.n_inputs = 0};
}
