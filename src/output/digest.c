/* The walk that content_digest is defined by (output.h). */
#include <xxhash.h>

#include <inttypes.h>
#include <string.h>

#include "output/manifest.h"
#include "strata/hash.h"

manifest_hash manifest_hash_of(const void *elements, int64_t n, int64_t size)
{
    XXH128_canonical_t canonical;
    manifest_hash hash;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(elements, (size_t)(n * size)));
    memcpy(hash.bytes, canonical.digest, sizeof hash.bytes);
    return hash;
}

static void hex_of(const uint8_t bytes[16], char hex[33])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < 16; i++) {
        hex[2 * i] = digits[bytes[i] >> 4];
        hex[2 * i + 1] = digits[bytes[i] & 15];
    }
    hex[32] = '\0';
}

void manifest_checksum(const manifest_entry *entry, char hex[33])
{
    manifest_hash hash =
        manifest_hash_of(entry->blocks, manifest_blocks(entry->rows), sizeof *entry->blocks);
    hex_of(hash.bytes, hex);
}

bool manifest_is_seal(const char *path, const char *name)
{
    if (strcmp(name, "checksum") == 0)
        return true;
    return strcmp(path, "/") == 0 &&
           (strcmp(name, "content_digest") == 0 || strcmp(name, "complete") == 0);
}

static bool below_provenance(const char *path)
{
    static const char top[] = "/provenance";
    size_t length = sizeof top - 1;
    return strncmp(path, top, length) == 0 && (path[length] == '\0' || path[length] == '/');
}

static void type_name(strata_type type, int32_t width, char name[16])
{
    static const char *const names[] = {
        [STRATA_I16] = "i2", [STRATA_I32] = "i4", [STRATA_I64] = "i8", [STRATA_F64] = "f8"};
    if (type == STRATA_TEXT)
        snprintf(name, 16, "S%" PRId32, width);
    else
        snprintf(name, 16, "%s", names[type]);
}

static void feed(XXH3_state_t *state, const char *text)
{
    XXH3_128bits_update(state, text, strlen(text));
}

static void feed_entry(XXH3_state_t *state, const manifest_entry *entry)
{
    char type[16], rows[24];
    feed(state, entry->is_column ? "D " : "G ");
    feed(state, entry->path);
    if (entry->is_column) {
        type_name(entry->type, entry->width, type);
        snprintf(rows, sizeof rows, " %" PRId64, entry->rows);
        feed(state, " ");
        feed(state, type);
        feed(state, rows);
    }
    feed(state, "\n");
    for (int32_t a = 0; a < entry->n_attributes; a++) {
        const manifest_attribute *attribute = &entry->attributes[a];
        if (manifest_is_seal(entry->path, attribute->name))
            continue;
        type_name(attribute->type, attribute->width, type);
        feed(state, "A ");
        feed(state, attribute->name);
        feed(state, " ");
        feed(state, type);
        feed(state, "\n");
        XXH3_128bits_update(state, attribute->value, (size_t)attribute->width);
        feed(state, "\n");
    }
    if (entry->is_column)
        XXH3_128bits_update(state, entry->blocks,
                            (size_t)manifest_blocks(entry->rows) * sizeof *entry->blocks);
}

strata_status manifest_digest(strata_context *ctx, const manifest *m, bool provenance, char hex[33])
{
    XXH3_state_t *state = XXH3_createState();
    if (!state)
        return strata_context_fail(ctx, STRATA_ERR_MEMORY, __FILE__, __LINE__, "out of memory");
    XXH3_128bits_reset(state);
    for (int64_t i = 0; i < m->n; i++)
        if (below_provenance(m->entries[i].path) == provenance)
            feed_entry(state, &m->entries[i]);
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state));
    XXH3_freeState(state);
    hex_of(canonical.digest, hex);
    return STRATA_OK;
}

/* ---- comparing ------------------------------------------------------------------------------- */

static bool same_attributes(const manifest_entry *meant, const manifest_entry *found,
                            const char **name)
{
    int32_t a = 0, b = 0;
    for (;;) {
        while (a < meant->n_attributes && manifest_is_seal(meant->path, meant->attributes[a].name))
            a++;
        while (b < found->n_attributes && manifest_is_seal(found->path, found->attributes[b].name))
            b++;
        if (a == meant->n_attributes && b == found->n_attributes)
            return true;
        const manifest_attribute *x = a < meant->n_attributes ? &meant->attributes[a++] : NULL;
        const manifest_attribute *y = b < found->n_attributes ? &found->attributes[b++] : NULL;
        *name = x ? x->name : y->name;
        if (!x || !y || strcmp(x->name, y->name) != 0 || x->type != y->type ||
            x->width != y->width || memcmp(x->value, y->value, (size_t)x->width) != 0)
            return false;
    }
}

static strata_status compare_entry(strata_context *ctx, const char *file,
                                   const manifest_entry *meant, const manifest_entry *found)
{
    strata_status rc = STRATA_OK;
    const char *name = "";
    if (meant->is_column != found->is_column || meant->rows != found->rows ||
        meant->type != found->type || meant->width != found->width)
        STRATA_FAIL(ctx, STRATA_ERR_VERIFY, "%s: %s is not of the type and length written", file,
                    meant->path);
    if (!same_attributes(meant, found, &name))
        STRATA_FAIL(ctx, STRATA_ERR_VERIFY, "%s: attribute %s of %s is not what was written", file,
                    name, meant->path);
    for (int64_t b = 0; meant->is_column && b < manifest_blocks(meant->rows); b++)
        if (memcmp(&meant->blocks[b], &found->blocks[b], sizeof *meant->blocks) != 0)
            STRATA_FAIL(ctx, STRATA_ERR_VERIFY,
                        "%s: rows from %" PRId64 " of %s are not what was written", file,
                        b * STRATA_BLOCK_ROWS, meant->path);
done:
    return rc;
}

strata_status manifest_compare(strata_context *ctx, const char *file, const manifest *meant,
                               const manifest *found)
{
    strata_status rc = STRATA_OK;
    for (int64_t i = 0; i < meant->n && i < found->n; i++) {
        if (strcmp(meant->entries[i].path, found->entries[i].path) != 0)
            STRATA_FAIL(ctx, STRATA_ERR_VERIFY, "%s: %s was written and %s found", file,
                        meant->entries[i].path, found->entries[i].path);
        STRATA_TRY(compare_entry(ctx, file, &meant->entries[i], &found->entries[i]));
    }
    if (meant->n != found->n)
        STRATA_FAIL(ctx, STRATA_ERR_VERIFY, "%s: %lld objects were written and %lld found", file,
                    (long long)meant->n, (long long)found->n);
done:
    return rc;
}
