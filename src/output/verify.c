/* Does a file hold what it says? Structure, checksum of every column, both digests. */
#include <string.h>

#include "output/reader.h"
#include "output/schema.h"
#include "strata/memory.h"

/* The group that an entry lies in. */
static bool lies_in(const char *path, const char *group)
{
    size_t length = strlen(group);
    return strncmp(path, group, length) == 0 && path[length] == '/' &&
           !strchr(path + length + 1, '/');
}

static strata_status check_column(strata_context *ctx, const strata_reader *reader,
                                  const manifest_entry *entry)
{
    strata_status rc = STRATA_OK;
    static const char *const wanted[] = {"long_name", "units", "checksum"};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        const manifest_attribute *attribute = manifest_attribute_find(entry, wanted[i]);
        if (!attribute || attribute->type != STRATA_TEXT)
            STRATA_FAIL(ctx, STRATA_ERR_VERIFY, "%s: %s has no %s", reader->path, entry->path,
                        wanted[i]);
    }
done:
    return rc;
}

/* A table that the schema fixes has all its columns with their types; it may have more. */
static strata_status check_fixed(strata_context *ctx, const strata_reader *reader,
                                 const schema_table *schema)
{
    strata_status rc = STRATA_OK;
    char path[256];
    if (!manifest_find(&reader->content, schema->path))
        return STRATA_OK;
    for (int32_t f = 0; f < schema->n_fields; f++) {
        snprintf(path, sizeof path, "%s/%s", schema->path, schema->fields[f].name);
        const manifest_entry *entry = manifest_find(&reader->content, path);
        if (!entry || !entry->is_column)
            STRATA_FAIL(ctx, STRATA_ERR_VERIFY, "%s: %s is missing", reader->path, path);
        if (entry->type != schema->fields[f].type)
            STRATA_FAIL(ctx, STRATA_ERR_VERIFY, "%s: %s is not of its type", reader->path, path);
    }
done:
    return rc;
}

/* What tells the rows of /users apart: keys, or, of a table that had none, row numbers. */
static const manifest_entry *identity_column(const strata_reader *reader)
{
    const manifest_entry *keys = manifest_find(&reader->content, "/users/user_key");
    return keys ? keys : manifest_find(&reader->content, "/users/row");
}

static strata_status check_users(strata_context *ctx, const strata_reader *reader)
{
    strata_status rc = STRATA_OK;
    const strata_column_info *columns = strata_column_table();
    char path[256];
    if (!identity_column(reader))
        STRATA_FAIL(ctx, STRATA_ERR_VERIFY, "%s: /users/user_key is missing", reader->path);
    for (int c = 0; c < STRATA_COLUMN_COUNT; c++) {
        snprintf(path, sizeof path, "/users/%s", columns[c].name);
        const manifest_entry *entry = manifest_find(&reader->content, path);
        if (entry && entry->type != columns[c].type)
            STRATA_FAIL(ctx, STRATA_ERR_VERIFY, "%s: %s is not of its type", reader->path, path);
    }
done:
    return rc;
}

static strata_status check_structure(strata_context *ctx, const strata_reader *reader)
{
    strata_status rc = STRATA_OK;
    static const char *const texts[] = {"producer", "as_of", "window_start", "how_to_load"};
    int32_t n_fixed = 0;
    const schema_table *fixed = schema_all(&n_fixed);
    const manifest *m = &reader->content;
    const char *text = "";
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (!strata_reader_attribute_text(reader, "/", texts[i], &text))
            STRATA_FAIL(ctx, STRATA_ERR_VERIFY, "%s: the attribute %s is missing", reader->path,
                        texts[i]);
    if (!manifest_find(m, "/provenance"))
        STRATA_FAIL(ctx, STRATA_ERR_VERIFY, "%s: /provenance is missing", reader->path);
    for (int64_t i = 0; i < m->n; i++) {
        if (m->entries[i].is_column) {
            STRATA_TRY(check_column(ctx, reader, &m->entries[i]));
            continue;
        }
        int64_t rows = -1;
        for (int64_t j = i + 1; j < m->n; j++) {
            const manifest_entry *column = &m->entries[j];
            if (!column->is_column || !lies_in(column->path, m->entries[i].path))
                continue;
            if (rows >= 0 && column->rows != rows)
                STRATA_FAIL(ctx, STRATA_ERR_VERIFY, "%s: %s has another length than its table",
                            reader->path, column->path);
            rows = column->rows;
        }
    }
    for (int32_t t = 0; t < n_fixed; t++)
        STRATA_TRY(check_fixed(ctx, reader, &fixed[t]));
    STRATA_TRY(check_users(ctx, reader));
done:
    return rc;
}

static strata_status check_data(strata_context *ctx, strata_reader *reader, int64_t *data_sets)
{
    strata_status rc = STRATA_OK;
    manifest *m = &reader->content;
    char hex[33];
    int64_t n = 0;
    for (int64_t i = 0; i < m->n; i++) {
        manifest_entry *entry = &m->entries[i];
        if (!entry->is_column)
            continue;
        int64_t blocks = manifest_blocks(entry->rows);
        STRATA_TRY(strata_alloc(ctx, blocks, sizeof *entry->blocks, &entry->blocks));
        STRATA_TRY(
            manifest_read_blocks(ctx, reader->path, reader->file, entry, 0, blocks, entry->blocks));
        manifest_checksum(entry, hex);
        if (strcmp(hex, manifest_attribute_find(entry, "checksum")->value) != 0)
            STRATA_FAIL(ctx, STRATA_ERR_VERIFY, "%s: %s does not fit its checksum", reader->path,
                        entry->path);
        n++;
    }
    *data_sets = n;
done:
    return rc;
}

static strata_status check_digests(strata_context *ctx, const strata_reader *reader,
                                   char digest[33])
{
    strata_status rc = STRATA_OK;
    const char *seal = "";
    char hex[33];
    STRATA_TRY(manifest_digest(ctx, &reader->content, true, hex));
    if (!strata_reader_attribute_text(reader, "/provenance", "checksum", &seal) ||
        strcmp(seal, hex) != 0)
        STRATA_FAIL(ctx, STRATA_ERR_VERIFY, "%s: /provenance does not fit its checksum",
                    reader->path);
    STRATA_TRY(manifest_digest(ctx, &reader->content, false, hex));
    if (!strata_reader_attribute_text(reader, "/", "content_digest", &seal) ||
        strcmp(seal, hex) != 0)
        STRATA_FAIL(
            ctx, STRATA_ERR_VERIFY,
            "%s: the content digest does not fit; an attribute, a name or a column was changed",
            reader->path);
    memcpy(digest, hex, sizeof hex);
done:
    return rc;
}

strata_status strata_verify(strata_context *ctx, const char *path, strata_verdict *out)
{
    strata_status rc = STRATA_OK;
    strata_reader *reader = NULL;
    strata_verdict verdict = {.digest = ""};
    STRATA_TRY(strata_reader_open(ctx, path, STRATA_READ_RESULT, NULL, &reader));
    STRATA_TRY(check_structure(ctx, reader));
    STRATA_TRY(check_data(ctx, reader, &verdict.data_sets));
    STRATA_TRY(check_digests(ctx, reader, verdict.digest));
    verdict.users = identity_column(reader)->rows;
    verdict.bytes = reader->bytes;
    *out = verdict;
done:
    strata_reader_close(&reader);
    return rc;
}
