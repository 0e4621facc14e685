/* schema.h: private to the output room. The small tables of a result, listed once: the writer
 * fills them and verify checks files against them. A new table is added here and filled in one
 * function. */
#ifndef STRATA_OUTPUT_SCHEMA_H
#define STRATA_OUTPUT_SCHEMA_H

#include "strata/output.h"

enum { SCHEMA_FIELDS_LIMIT = 16 };

typedef struct schema_table {
    const char *path;
    int32_t n_fields;
    strata_field fields[SCHEMA_FIELDS_LIMIT]; /* width 0: as wide as its longest text */
} schema_table;

/* The table at path; NULL when the schema does not fix its columns. */
const schema_table *schema_find(const char *path);

/* All of them, [*n]. */
const schema_table *schema_all(int32_t *n);

/* A table of the schema with rows rows; widths [n_fields] for its text columns in their places. */
strata_status schema_create(strata_context *ctx, const char *path, int64_t rows,
                            const int32_t *widths, strata_table **table) STRATA_MUST_USE;

#endif
