#include "output/manifest.h"

#include <stdlib.h>
#include <string.h>

#include "strata/memory.h"

int64_t manifest_blocks(int64_t rows)
{
    return rows / STRATA_BLOCK_ROWS + (rows % STRATA_BLOCK_ROWS != 0);
}

static strata_status copy_text(strata_context *ctx, const char *text, char **out)
{
    size_t length = strlen(text);
    char *copy = NULL;
    strata_status rc = strata_alloc(ctx, (int64_t)length + 1, 1, &copy);
    if (rc != STRATA_OK)
        return rc;
    memcpy(copy, text, length + 1);
    *out = copy;
    return STRATA_OK;
}

strata_status manifest_add(strata_context *ctx, manifest *m, const char *path,
                           manifest_entry **entry)
{
    strata_status rc = STRATA_OK;
    char *copy = NULL;
    STRATA_TRY(strata_reserve(ctx, &m->entries, &m->capacity, m->n + 1, sizeof *m->entries));
    STRATA_TRY(copy_text(ctx, path, &copy));
    m->entries[m->n] = (manifest_entry){.path = copy};
    *entry = &m->entries[m->n++];
done:
    return rc;
}

strata_status manifest_attribute_add(strata_context *ctx, manifest_entry *entry,
                                     const manifest_attribute *attribute)
{
    strata_status rc = STRATA_OK;
    manifest_attribute *grown = NULL, copy = *attribute;
    int32_t at = 0;
    copy.name = copy.value = NULL;
    while (at < entry->n_attributes && strcmp(entry->attributes[at].name, attribute->name) < 0)
        at++;
    if (at < entry->n_attributes && strcmp(entry->attributes[at].name, attribute->name) == 0)
        STRATA_FAIL(ctx, STRATA_ERR_INTERNAL, "%s: attribute %s is set twice", entry->path,
                    attribute->name);
    STRATA_TRY(copy_text(ctx, attribute->name, &copy.name));
    STRATA_TRY(strata_calloc(ctx, (int64_t)copy.width + 1, 1, &copy.value));
    memcpy(copy.value, attribute->value, (size_t)copy.width);
    STRATA_TRY(strata_alloc(ctx, entry->n_attributes + 1, sizeof *grown, &grown));
    for (int32_t i = 0; i < entry->n_attributes; i++)
        grown[i + (i >= at)] = entry->attributes[i];
    grown[at] = copy;
    strata_free(&entry->attributes);
    entry->attributes = grown;
    entry->n_attributes++;
    return STRATA_OK;
done:
    strata_free(&copy.name);
    strata_free(&copy.value);
    return rc;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const manifest_entry *)a)->path, ((const manifest_entry *)b)->path);
}

void manifest_sort(manifest *m)
{
    if (m->n > 1)
        qsort(m->entries, (size_t)m->n, sizeof *m->entries, by_path);
}

manifest_entry *manifest_find(const manifest *m, const char *path)
{
    int64_t low = 0, high = m->n - 1;
    while (low <= high) {
        int64_t middle = low + (high - low) / 2;
        int order = strcmp(m->entries[middle].path, path);
        if (order == 0)
            return &m->entries[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle - 1;
    }
    return NULL;
}

const manifest_attribute *manifest_attribute_find(const manifest_entry *entry, const char *name)
{
    for (int32_t i = 0; entry && i < entry->n_attributes; i++)
        if (strcmp(entry->attributes[i].name, name) == 0)
            return &entry->attributes[i];
    return NULL;
}

void manifest_release(manifest *m)
{
    for (int64_t i = 0; i < m->n; i++) {
        manifest_entry *entry = &m->entries[i];
        for (int32_t a = 0; a < entry->n_attributes; a++) {
            strata_free(&entry->attributes[a].name);
            strata_free(&entry->attributes[a].value);
        }
        strata_free(&entry->attributes);
        strata_free(&entry->blocks);
        strata_free(&entry->path);
    }
    strata_free(&m->entries);
    *m = (manifest){0};
}
