/* inspect_sheet.h: a small table of a result in memory, its cells by column name. */
#ifndef STRATA_COMMANDS_INSPECT_SHEET_H
#define STRATA_COMMANDS_INSPECT_SHEET_H

#include "strata/json.h"
#include "strata/output.h"

typedef struct sheet {
    const strata_table_view *view; /* borrowed from the reader; NULL = the file has no such table */
    void **cells;                  /* [n_columns]: int64_t, double, or text with a zero byte each */
    int64_t rows;                  /* 0 without the table */
} sheet;

/* Loads the table at path; a missing one is an empty sheet. STRATA_ERR_VERIFY beyond a million
 * rows. Release in every case. */
strata_status sheet_load(strata_context *ctx, strata_reader *reader, const char *path,
                         sheet *out) STRATA_MUST_USE;
void sheet_release(sheet *s);

/* Cells; -1, NaN and "" where there is no such column of that kind. */
int64_t sheet_integer(const sheet *s, const char *column, int64_t row);
double sheet_real(const sheet *s, const char *column, int64_t row);
const char *sheet_text(const sheet *s, const char *column, int64_t row);

/* The text of column `name` in the row whose `code` is code; fallback without one. */
const char *sheet_name_of(const sheet *dictionary, int64_t code, const char *fallback);

/* All rows as an array of objects. */
void sheet_json(strata_context *ctx, strata_json *json, const char *key, const sheet *s);

#endif
