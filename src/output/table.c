/* Small tables in memory: described by fields, filled cell by cell. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "output/writer.h"
#include "strata/memory.h"

strata_status output_copy_text(strata_context *ctx, const char *text, char **out)
{
    strata_status rc = STRATA_OK;
    const char *from = text ? text : "";
    char *copy = NULL;
    STRATA_TRY(strata_alloc(ctx, (int64_t)strlen(from) + 1, 1, &copy));
    memcpy(copy, from, strlen(from) + 1);
    *out = copy;
done:
    return rc;
}

static void fill_missing(output_column *column, int64_t rows)
{
    const double missing = __builtin_nan(""); /* 7ff8000000000000 */
    double *reals = column->owned;
    if (column->type == STRATA_F64)
        for (int64_t i = 0; i < rows; i++)
            reals[i] = missing;
    else /* all bits set is -1 in every integer type */
        memset(column->owned, column->type == STRATA_TEXT ? 0 : 0xff,
               (size_t)(rows * h5_element_size(column->type, column->width)));
}

static strata_status make_column(strata_context *ctx, const strata_table *table,
                                 const strata_field *field, output_column *column)
{
    strata_status rc = STRATA_OK;
    size_t length = strlen(table->path) + strlen(field->name) + 2;
    column->type = field->type;
    column->width =
        field->type == STRATA_TEXT ? field->width : (int32_t)h5_element_size(field->type, 0);
    if (column->width < 1 || !*field->name || strchr(field->name, '/'))
        STRATA_FAIL(ctx, STRATA_ERR_INTERNAL, "column %s/%s has no width or no plain name",
                    table->path, field->name);
    STRATA_TRY(strata_alloc(ctx, (int64_t)length, 1, &column->path));
    snprintf(column->path, length, "%s/%s", table->path, field->name);
    STRATA_TRY(output_copy_text(ctx, field->long_name, &column->long_name));
    STRATA_TRY(output_copy_text(ctx, field->units, &column->units));
    column->values = field->values;
done:
    return rc;
}

strata_status strata_table_create(strata_context *ctx, const char *path, int64_t rows,
                                  const strata_field *fields, int32_t n_fields,
                                  strata_table **table)
{
    strata_status rc = STRATA_OK;
    strata_table *made = NULL;
    STRATA_TRY(strata_calloc(ctx, 1, sizeof *made, &made));
    made->rows = rows;
    STRATA_TRY(output_copy_text(ctx, path, &made->path));
    STRATA_TRY(strata_calloc(ctx, n_fields, sizeof *made->columns, &made->columns));
    made->n_columns = n_fields;
    for (int32_t c = 0; c < n_fields; c++) {
        output_column *column = &made->columns[c];
        STRATA_TRY(make_column(ctx, made, &fields[c], column));
        STRATA_TRY(strata_alloc(ctx, rows, column->width, &column->owned));
        column->values = column->owned;
        fill_missing(column, rows);
    }
    *table = made;
    made = NULL;
done:
    strata_table_destroy(&made);
    return rc;
}

void strata_table_destroy(strata_table **table)
{
    strata_table *t = *table;
    *table = NULL;
    if (!t)
        return;
    for (int32_t c = 0; t->columns && c < t->n_columns; c++) {
        strata_free(&t->columns[c].path);
        strata_free(&t->columns[c].long_name);
        strata_free(&t->columns[c].units);
        strata_free(&t->columns[c].owned);
    }
    strata_free(&t->columns);
    strata_free(&t->path);
    strata_free(&t);
}

/* The column a setter may write to, or NULL after noting the misuse. */
static output_column *cell(strata_table *table, int32_t column, int64_t row)
{
    if (column >= 0 && column < table->n_columns && row >= 0 && row < table->rows)
        return &table->columns[column];
    if (!table->problem[0])
        snprintf(table->problem, sizeof table->problem, "no column %d, row %" PRId64, column, row);
    return NULL;
}

static void misuse(strata_table *table, const output_column *column, const char *what)
{
    if (!table->problem[0])
        snprintf(table->problem, sizeof table->problem, "%.100s: %s", column->path, what);
}

void strata_table_integer(strata_table *table, int32_t column, int64_t row, int64_t value)
{
    output_column *c = cell(table, column, row);
    if (!c)
        return;
    if (c->type == STRATA_I16 && value >= INT16_MIN && value <= INT16_MAX)
        ((int16_t *)c->owned)[row] = (int16_t)value;
    else if (c->type == STRATA_I32 && value >= INT32_MIN && value <= INT32_MAX)
        ((int32_t *)c->owned)[row] = (int32_t)value;
    else if (c->type == STRATA_I64)
        ((int64_t *)c->owned)[row] = value;
    else
        misuse(table, c, "an integer that the type cannot hold");
}

void strata_table_real(strata_table *table, int32_t column, int64_t row, double value)
{
    output_column *c = cell(table, column, row);
    if (c && c->type == STRATA_F64)
        ((double *)c->owned)[row] = isnan(value) ? __builtin_nan("") : value;
    else if (c)
        misuse(table, c, "a real number in a column of another type");
}

void strata_table_text(strata_table *table, int32_t column, int64_t row, const char *value)
{
    output_column *c = cell(table, column, row);
    size_t length = value ? strlen(value) : 0;
    if (c && c->type == STRATA_TEXT && length <= (size_t)c->width && length > 0)
        memcpy((char *)c->owned + row * c->width, value, length);
    else if (c && (c->type != STRATA_TEXT || length > 0))
        misuse(table, c, "text that is too wide, or in a column of another type");
}

/* ---- into the output ------------------------------------------------------------------------- */

/* The groups on the way to path, and path itself. */
static strata_status ensure_group(strata_context *ctx, strata_output *out, const char *path,
                                  manifest_entry **group)
{
    strata_status rc = STRATA_OK;
    char prefix[512];
    size_t length = strlen(path);
    if (path[0] != '/' || length >= sizeof prefix || (length > 1 && path[length - 1] == '/'))
        STRATA_FAIL(ctx, STRATA_ERR_INTERNAL, "%s is not the path of a group", path);
    for (size_t end = 1; end <= length; end++) {
        if (end != 1 && end != length && path[end] != '/')
            continue;
        memcpy(prefix, path, end);
        prefix[end] = '\0';
        *group = NULL;
        for (int64_t i = 0; i < out->meant.n && !*group; i++)
            if (strcmp(out->meant.entries[i].path, prefix) == 0)
                *group = &out->meant.entries[i];
        if (*group && (*group)->is_column)
            STRATA_FAIL(ctx, STRATA_ERR_INTERNAL, "%s is a column, not a group", prefix);
        if (!*group)
            STRATA_TRY(manifest_add(ctx, &out->meant, prefix, group));
    }
done:
    return rc;
}

static strata_status add_attribute(strata_context *ctx, strata_output *out, const char *path,
                                   const manifest_attribute *attribute)
{
    strata_status rc = STRATA_OK;
    manifest_entry *group = NULL;
    STRATA_TRY(ensure_group(ctx, out, path, &group));
    STRATA_TRY(manifest_attribute_add(ctx, group, attribute));
done:
    return rc;
}

static manifest_attribute text_attribute(char *name, char *value)
{
    size_t length = strlen(value); /* an empty text is one zero byte: HDF5 has no width 0 */
    return (manifest_attribute){.name = name,
                                .type = STRATA_TEXT,
                                .value = value,
                                .width = length > 0 ? (int32_t)length : 1};
}

strata_status strata_output_add_text(strata_context *ctx, strata_output *out, const char *path,
                                     const char *name, const char *value)
{
    strata_status rc = STRATA_OK;
    char *name_copy = NULL, *value_copy = NULL;
    STRATA_TRY(output_copy_text(ctx, name, &name_copy));
    STRATA_TRY(output_copy_text(ctx, value, &value_copy));
    manifest_attribute attribute = text_attribute(name_copy, value_copy);
    STRATA_TRY(add_attribute(ctx, out, path, &attribute));
done:
    strata_free(&name_copy);
    strata_free(&value_copy);
    return rc;
}

static strata_status add_scalar(strata_context *ctx, strata_output *out, const char *path,
                                const char *name, manifest_attribute attribute)
{
    strata_status rc = STRATA_OK;
    STRATA_TRY(output_copy_text(ctx, name, &attribute.name));
    STRATA_TRY(add_attribute(ctx, out, path, &attribute));
done:
    strata_free(&attribute.name);
    return rc;
}

strata_status strata_output_add_integer(strata_context *ctx, strata_output *out, const char *path,
                                        const char *name, int64_t value)
{
    char bytes[sizeof value];
    memcpy(bytes, &value, sizeof value);
    return add_scalar(ctx, out, path, name,
                      (manifest_attribute){.type = STRATA_I64, .width = 8, .value = bytes});
}

strata_status strata_output_add_real(strata_context *ctx, strata_output *out, const char *path,
                                     const char *name, double value)
{
    char bytes[sizeof value];
    double canonical = isnan(value) ? __builtin_nan("") : value;
    memcpy(bytes, &canonical, sizeof canonical);
    return add_scalar(ctx, out, path, name,
                      (manifest_attribute){.type = STRATA_F64, .width = 8, .value = bytes});
}

static strata_status describe_column(strata_context *ctx, strata_output *out,
                                     const strata_table *table, const output_column *column)
{
    strata_status rc = STRATA_OK;
    manifest_entry *entry = NULL;
    char long_name[] = "long_name", units[] = "units", checksum[] = "checksum", zeros[33];
    memset(zeros, '0', sizeof zeros);
    zeros[32] = '\0';
    STRATA_TRY(manifest_add(ctx, &out->meant, column->path, &entry));
    entry->is_column = true;
    entry->type = column->type;
    entry->width = column->width;
    entry->rows = table->rows;
    manifest_attribute attribute = text_attribute(long_name, column->long_name);
    STRATA_TRY(manifest_attribute_add(ctx, entry, &attribute));
    attribute = text_attribute(units, column->units);
    STRATA_TRY(manifest_attribute_add(ctx, entry, &attribute));
    attribute = text_attribute(checksum, zeros);
    STRATA_TRY(manifest_attribute_add(ctx, entry, &attribute));
    int64_t n_blocks = manifest_blocks(table->rows);
    STRATA_TRY(strata_calloc(ctx, n_blocks, sizeof *entry->blocks, &entry->blocks));
    for (int64_t b = 0; column->owned && b < n_blocks; b++) {
        int64_t first = b * STRATA_BLOCK_ROWS, left = table->rows - first;
        entry->blocks[b] =
            manifest_hash_of((const char *)column->owned + first * column->width,
                             left < STRATA_BLOCK_ROWS ? left : STRATA_BLOCK_ROWS, column->width);
    }
done:
    return rc;
}

/* Takes the table over. */
static strata_status adopt(strata_context *ctx, strata_output *out, strata_table **table)
{
    strata_status rc = STRATA_OK;
    manifest_entry *group = NULL;
    strata_table *t = *table;
    if (t->problem[0])
        STRATA_FAIL(ctx, STRATA_ERR_INTERNAL, "table %s: %s", t->path, t->problem);
    for (int64_t i = 0; i < out->n_tables; i++)
        if (strcmp(out->tables[i]->path, t->path) == 0)
            STRATA_FAIL(ctx, STRATA_ERR_INTERNAL, "table %s is added twice", t->path);
    STRATA_TRY(ensure_group(ctx, out, t->path, &group));
    for (int32_t c = 0; c < t->n_columns; c++)
        STRATA_TRY(describe_column(ctx, out, t, &t->columns[c]));
    STRATA_TRY(strata_reserve(ctx, &out->tables, &out->tables_capacity, out->n_tables + 1,
                              sizeof *out->tables));
    out->tables[out->n_tables++] = t;
    *table = NULL;
done:
    strata_table_destroy(table);
    return rc;
}

strata_status strata_output_add_table(strata_context *ctx, strata_output *out, strata_table **table)
{
    return adopt(ctx, out, table);
}

strata_status strata_output_add_distributed(strata_context *ctx, strata_output *out,
                                            const char *path, const strata_partition *partition,
                                            const strata_field *fields, int32_t n_fields)
{
    strata_status rc = STRATA_OK;
    strata_table *made = NULL;
    STRATA_TRY(strata_calloc(ctx, 1, sizeof *made, &made));
    made->rows = strata_partition_global(partition);
    made->partition = partition;
    STRATA_TRY(output_copy_text(ctx, path, &made->path));
    STRATA_TRY(strata_calloc(ctx, n_fields, sizeof *made->columns, &made->columns));
    made->n_columns = n_fields;
    for (int32_t c = 0; c < n_fields; c++)
        STRATA_TRY(make_column(ctx, made, &fields[c], &made->columns[c]));
    STRATA_TRY(adopt(ctx, out, &made));
done:
    strata_table_destroy(&made);
    return rc;
}
