/* The safe way into a file: examined as a whole first, then columns and attributes by name. */
#include <string.h>
#include <unistd.h>

#include "output/reader.h"
#include "strata/io.h"
#include "strata/memory.h"

/* A regular file that begins like HDF5. */
static strata_status open_file(strata_context *ctx, strata_reader *reader)
{
    strata_status rc = STRATA_OK;
    static const unsigned char signature[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
    unsigned char start[8] = {0};
    int fd = -1;
    int64_t got = 0;
    hid_t access = -1;
    STRATA_TRY(strata_io_open_read(ctx, reader->path, &fd));
    STRATA_TRY(strata_io_size(ctx, fd, reader->path, &reader->bytes));
    STRATA_TRY(strata_io_pread(ctx, fd, reader->path, start, sizeof start, 0, &got));
    if (got != sizeof start || memcmp(start, signature, sizeof start) != 0)
        STRATA_FAIL(ctx, reader->foreign, "%s: is not an HDF5 file", reader->path);
    access = h5_access(MPI_COMM_NULL);
    H5_CHECK(ctx, STRATA_ERR_INTERNAL, reader->path, "cannot be opened", access);
    H5_READ(ctx, reader->path, "", reader->file = H5Fopen(reader->path, H5F_ACC_RDONLY, access));
done:
    h5_release(&access);
    if (fd >= 0)
        close(fd);
    return rc;
}

/* Before anything else of the file is looked at. */
static strata_status check_root(strata_context *ctx, const strata_reader *reader)
{
    strata_status rc = STRATA_OK;
    const char *schema = "", *digest = "";
    int64_t version = 0, complete = 0;
    if (!strata_reader_attribute_text(reader, "/", "schema_name", &schema) ||
        strcmp(schema, STRATA_SCHEMA_NAME) != 0)
        STRATA_FAIL(ctx, STRATA_ERR_VERIFY, "%s: is not a result of strata (no schema_name)",
                    reader->path);
    if (!strata_reader_attribute_integer(reader, "/", "schema_version", &version) ||
        version != STRATA_SCHEMA_VERSION)
        STRATA_FAIL(ctx, STRATA_ERR_VERIFY,
                    "%s: has schema version %lld, this program reads %d; make it anew",
                    reader->path, (long long)version, STRATA_SCHEMA_VERSION);
    if (!strata_reader_attribute_integer(reader, "/", "complete", &complete) || complete != 1)
        STRATA_FAIL(ctx, STRATA_ERR_VERIFY,
                    "%s: is not complete; its job was interrupted, run it again", reader->path);
    if (!strata_reader_attribute_text(reader, "/", "content_digest", &digest) ||
        strlen(digest) != 32)
        STRATA_FAIL(ctx, STRATA_ERR_VERIFY, "%s: has no content_digest", reader->path);
done:
    return rc;
}

strata_status strata_reader_open(strata_context *ctx, const char *path, strata_trust trust,
                                 const char *table, strata_reader **out)
{
    strata_status rc = STRATA_OK;
    strata_reader *reader = NULL;
    h5_begin();
    STRATA_TRY(strata_calloc(ctx, 1, sizeof *reader, &reader));
    reader->file = -1;
    STRATA_TRY(output_copy_text(ctx, path, &reader->path));
    reader->foreign = trust == STRATA_READ_RESULT ? STRATA_ERR_VERIFY : STRATA_ERR_INPUT;
    STRATA_TRY(open_file(ctx, reader));
    if (trust == STRATA_READ_RESULT) {
        /* The root group alone, then the rest: a foreign file is told as such. */
        STRATA_TRY(manifest_read_root(ctx, path, reader->file, &reader->content));
        STRATA_TRY(check_root(ctx, reader));
        manifest_release(&reader->content);
        STRATA_TRY(manifest_read(ctx, path, reader->file, NULL, &reader->content));
    } else {
        STRATA_TRY(manifest_read(ctx, path, reader->file, table ? table : "/", &reader->content));
    }
    *out = reader;
    reader = NULL;
done:
    strata_reader_close(&reader);
    return rc;
}

void strata_reader_close(strata_reader **reader)
{
    strata_reader *r = *reader;
    *reader = NULL;
    if (!r)
        return;
    for (int32_t t = 0; t < r->n_tables; t++) {
        strata_free(&r->tables[t]->view.columns);
        strata_free(&r->tables[t]->view.left_out);
        strata_free(&r->tables[t]->path);
        strata_free(&r->tables[t]);
    }
    strata_free(&r->tables);
    h5_release(&r->file);
    manifest_release(&r->content);
    strata_free(&r->path);
    strata_free(&r);
}

bool strata_reader_has(const strata_reader *reader, const char *path)
{
    return manifest_find(&reader->content, path) != NULL;
}

/* ---- tables ---------------------------------------------------------------------------------- */

/* The name of entry in table, or NULL when it lies elsewhere or deeper. */
static const char *name_in(const manifest_entry *entry, const char *table)
{
    size_t length = strcmp(table, "/") == 0 ? 0 : strlen(table);
    if (strncmp(entry->path, table, length) != 0 || entry->path[length] != '/')
        return NULL;
    const char *name = entry->path + length + 1;
    return strchr(name, '/') ? NULL : name;
}

static const char *attribute_text(const manifest_entry *entry, const char *name)
{
    const manifest_attribute *attribute = manifest_attribute_find(entry, name);
    return attribute && attribute->type == STRATA_TEXT ? attribute->value : "";
}

static strata_status add_column(strata_context *ctx, const strata_reader *reader, const char *name,
                                const manifest_entry *entry, reader_table *table)
{
    strata_status rc = STRATA_OK;
    strata_table_view *view = &table->view;
    if (view->n_columns > 0 && view->rows != entry->rows)
        STRATA_FAIL(ctx, reader->foreign,
                    "%s: the columns of %s are not of one length: %s has %lld rows, %s %lld",
                    reader->path, table->path, view->columns[0].name, (long long)view->rows, name,
                    (long long)entry->rows);
    view->rows = entry->rows;
    STRATA_TRY(strata_reserve(ctx, &view->columns, &table->columns_capacity, view->n_columns + 1,
                              sizeof *view->columns));
    view->columns[view->n_columns++] =
        (strata_column_view){.name = name,
                             .long_name = attribute_text(entry, "long_name"),
                             .units = attribute_text(entry, "units"),
                             .type = entry->type,
                             .width = entry->width};
done:
    return rc;
}

static strata_status view_table(strata_context *ctx, const strata_reader *reader,
                                reader_table *table)
{
    strata_status rc = STRATA_OK;
    strata_table_view *view = &table->view;
    for (int64_t i = 0; i < reader->content.n; i++) {
        const manifest_entry *entry = &reader->content.entries[i];
        const char *name = name_in(entry, table->path);
        if (name && entry->is_column)
            STRATA_TRY(add_column(ctx, reader, name, entry, table));
        if (!name || !entry->left_out)
            continue;
        STRATA_TRY(strata_reserve(ctx, &view->left_out, &table->left_out_capacity,
                                  view->n_left_out + 1, sizeof *view->left_out));
        view->left_out[view->n_left_out++] = (strata_left_out){name, entry->left_out};
    }
    if (view->n_columns == 0 && view->n_left_out > 0)
        STRATA_FAIL(ctx, reader->foreign, "%s: the table %s has no column that can be read; %s %s",
                    reader->path, table->path, view->left_out[0].name, view->left_out[0].why);
    if (view->n_columns == 0)
        STRATA_FAIL(ctx, reader->foreign,
                    "%s: there is no table %s in it (a group of columns; --table names another)",
                    reader->path, table->path);
done:
    return rc;
}

strata_status strata_reader_table(strata_context *ctx, strata_reader *reader, const char *path,
                                  const strata_table_view **view)
{
    strata_status rc = STRATA_OK;
    reader_table *made = NULL;
    for (int32_t t = 0; t < reader->n_tables; t++)
        if (strcmp(reader->tables[t]->path, path) == 0) {
            *view = &reader->tables[t]->view;
            return STRATA_OK;
        }
    STRATA_TRY(strata_reserve(ctx, &reader->tables, &reader->tables_capacity, reader->n_tables + 1,
                              sizeof *reader->tables));
    STRATA_TRY(strata_calloc(ctx, 1, sizeof *made, &made));
    STRATA_TRY(output_copy_text(ctx, path, &made->path));
    STRATA_TRY(view_table(ctx, reader, made));
    reader->tables[reader->n_tables++] = made;
    *view = &made->view;
    made = NULL;
done:
    if (made) {
        strata_free(&made->view.columns);
        strata_free(&made->view.left_out);
        strata_free(&made->path);
    }
    strata_free(&made);
    return rc;
}

/* ---- columns --------------------------------------------------------------------------------- */

static strata_status find_column(strata_context *ctx, const strata_reader *reader, const char *path,
                                 int64_t first, int64_t count, const manifest_entry **column)
{
    strata_status rc = STRATA_OK;
    const manifest_entry *entry = manifest_find(&reader->content, path);
    if (!entry || !entry->is_column)
        STRATA_FAIL(ctx, STRATA_ERR_INPUT, "%s: there is no column %s in it", reader->path, path);
    if (first < 0 || count < 0 || first > entry->rows || count > entry->rows - first)
        STRATA_FAIL(ctx, STRATA_ERR_INPUT, "%s: %s has %lld rows only", reader->path, path,
                    (long long)entry->rows);
    *column = entry;
done:
    return rc;
}

strata_status strata_reader_integers(strata_context *ctx, strata_reader *reader, const char *column,
                                     int64_t first, int64_t count, int64_t *out)
{
    strata_status rc = STRATA_OK;
    const manifest_entry *entry = NULL;
    STRATA_TRY(find_column(ctx, reader, column, first, count, &entry));
    if (entry->type == STRATA_F64 || entry->type == STRATA_TEXT)
        STRATA_FAIL(ctx, STRATA_ERR_INPUT, "%s: %s does not hold integers", reader->path, column);
    STRATA_TRY(manifest_read_rows(ctx, reader->path, reader->file, entry, H5T_NATIVE_INT64, first,
                                  count, out));
done:
    return rc;
}

strata_status strata_reader_reals(strata_context *ctx, strata_reader *reader, const char *column,
                                  int64_t first, int64_t count, double *out)
{
    strata_status rc = STRATA_OK;
    const manifest_entry *entry = NULL;
    STRATA_TRY(find_column(ctx, reader, column, first, count, &entry));
    if (entry->type == STRATA_TEXT)
        STRATA_FAIL(ctx, STRATA_ERR_INPUT, "%s: %s holds text, not numbers", reader->path, column);
    STRATA_TRY(manifest_read_rows(ctx, reader->path, reader->file, entry, H5T_NATIVE_DOUBLE, first,
                                  count, out));
done:
    return rc;
}

strata_status strata_reader_texts(strata_context *ctx, strata_reader *reader, const char *column,
                                  int64_t first, int64_t count, char *out)
{
    strata_status rc = STRATA_OK;
    const manifest_entry *entry = NULL;
    hid_t set = -1, type = -1, memory = -1;
    STRATA_TRY(find_column(ctx, reader, column, first, count, &entry));
    if (entry->type != STRATA_TEXT)
        STRATA_FAIL(ctx, STRATA_ERR_INPUT, "%s: %s does not hold text", reader->path, column);
    /* The file's own character set, whatever it is, padded as ours. */
    H5_READ(ctx, reader->path, column, set = H5Dopen2(reader->file, entry->path, H5P_DEFAULT));
    H5_READ(ctx, reader->path, column, type = H5Dget_type(set));
    H5_READ(ctx, reader->path, column, memory = H5Tcopy(type));
    H5_READ(ctx, reader->path, column, H5Tset_strpad(memory, H5T_STR_NULLPAD));
    STRATA_TRY(
        manifest_read_rows(ctx, reader->path, reader->file, entry, memory, first, count, out));
done:
    h5_release(&memory);
    h5_release(&type);
    h5_release(&set);
    return rc;
}

/* ---- attributes ------------------------------------------------------------------------------ */

static const manifest_attribute *attribute_of(const strata_reader *reader, const char *path,
                                              const char *name, strata_type type)
{
    const manifest_attribute *attribute =
        manifest_attribute_find(manifest_find(&reader->content, path), name);
    return attribute && attribute->type == type ? attribute : NULL;
}

bool strata_reader_attribute_text(const strata_reader *reader, const char *path, const char *name,
                                  const char **value)
{
    const manifest_attribute *attribute = attribute_of(reader, path, name, STRATA_TEXT);
    if (attribute)
        *value = attribute->value;
    return attribute != NULL;
}

bool strata_reader_attribute_integer(const strata_reader *reader, const char *path,
                                     const char *name, int64_t *value)
{
    const manifest_attribute *attribute = attribute_of(reader, path, name, STRATA_I64);
    if (attribute)
        memcpy(value, attribute->value, sizeof *value);
    return attribute != NULL;
}

bool strata_reader_attribute_real(const strata_reader *reader, const char *path, const char *name,
                                  double *value)
{
    const manifest_attribute *attribute = attribute_of(reader, path, name, STRATA_F64);
    if (attribute)
        memcpy(value, attribute->value, sizeof *value);
    return attribute != NULL;
}
