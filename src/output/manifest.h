/* manifest.h: private to the output room. What a file holds, in the one order that the digest is
 * defined on: made from memory before writing and from a file when reading, so that the two can be
 * compared entry by entry. */
#ifndef STRATA_OUTPUT_MANIFEST_H
#define STRATA_OUTPUT_MANIFEST_H

#include "output/h5.h"
#include "strata/output.h"

typedef struct manifest_hash {
    uint8_t bytes[16]; /* canonical XXH3-128 */
} manifest_hash;

typedef struct manifest_attribute {
    char *name;       /* owned */
    strata_type type; /* STRATA_I64, STRATA_F64 or STRATA_TEXT */
    int32_t width;    /* bytes of value */
    char *value;      /* [width + 1], owned; a zero byte follows */
} manifest_attribute;

typedef struct manifest_entry {
    char *path; /* absolute, owned */
    bool is_column;
    const char *left_out; /* of a foreign table: why this is no column; static text */
    strata_type type;
    int32_t width; /* bytes of one element */
    int64_t rows;
    manifest_attribute *attributes; /* in byte order of the names; owned */
    int32_t n_attributes;
    manifest_hash *blocks; /* [ceil(rows / STRATA_BLOCK_ROWS)], owned; NULL = not hashed yet */
} manifest_entry;

typedef struct manifest {
    manifest_entry *entries; /* in byte order of the paths once sorted; owned */
    int64_t n, capacity;
} manifest;

int64_t manifest_blocks(int64_t rows);

/* Appends an entry without attributes; *entry is valid until the next one. */
strata_status manifest_add(strata_context *ctx, manifest *m, const char *path,
                           manifest_entry **entry) STRATA_MUST_USE;

/* Puts an attribute in its place. STRATA_ERR_INTERNAL when the name is there already. */
strata_status manifest_attribute_add(strata_context *ctx, manifest_entry *entry,
                                     const manifest_attribute *attribute) STRATA_MUST_USE;

void manifest_sort(manifest *m);
manifest_entry *manifest_find(const manifest *m, const char *path); /* of a sorted one; NULL */
const manifest_attribute *manifest_attribute_find(const manifest_entry *entry, const char *name);
void manifest_release(manifest *m);

/* The hash of n elements of size bytes. */
manifest_hash manifest_hash_of(const void *elements, int64_t n, int64_t size);

/* `checksum` of a hashed column. */
void manifest_checksum(const manifest_entry *entry, char hex[33]);

/* content_digest, or with provenance the checksum of /provenance. All columns concerned are hashed,
 * and m is sorted. */
strata_status manifest_digest(strata_context *ctx, const manifest *m, bool provenance,
                              char hex[33]) STRATA_MUST_USE;

/* Attributes that are no part of a digest: checksum, and content_digest and complete of the
 * root. */
bool manifest_is_seal(const char *path, const char *name);

/* STRATA_ERR_VERIFY naming the first difference between what was meant and what is there, seals
 * aside. Both sorted and hashed. */
strata_status manifest_compare(strata_context *ctx, const char *file, const manifest *meant,
                               const manifest *found) STRATA_MUST_USE;

/* ---- from a file (manifest_read.c) ----------------------------------------------------------- */

/* Fills m (sorted, not hashed) from an open file, checking everything that strata_reader_open
 * promises. table: NULL, or the one group to look at leniently. */
strata_status manifest_read(strata_context *ctx, const char *file_path, hid_t file,
                            const char *table, manifest *m) STRATA_MUST_USE;

/* The entry of the root group alone. */
strata_status manifest_read_root(strata_context *ctx, const char *file_path, hid_t file,
                                 manifest *m) STRATA_MUST_USE;

/* Reads blocks [first, first + count) of a column and hashes them into hashes [count]. The fault
 * output.readback strikes here. */
strata_status manifest_read_blocks(strata_context *ctx, const char *file_path, hid_t file,
                                   const manifest_entry *column, int64_t first, int64_t count,
                                   manifest_hash *hashes) STRATA_MUST_USE;

/* Rows [first, first + count) of a column as memory_type. */
strata_status manifest_read_rows(strata_context *ctx, const char *file_path, hid_t file,
                                 const manifest_entry *column, hid_t memory_type, int64_t first,
                                 int64_t count, void *out) STRATA_MUST_USE;

#endif
