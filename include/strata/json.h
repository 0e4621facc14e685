/* json.h: a small writer of JSON (RFC 8259), for summaries that programs read. Nothing is
 * collective.
 *
 *     strata_json json = {0};
 *     strata_json_open(ctx, &json, NULL, '{');
 *     strata_json_integer(ctx, &json, "users", 23502);
 *     strata_json_open(ctx, &json, "gates", '[');
 *     ...
 *     strata_json_close(ctx, &json);
 *     strata_json_close(ctx, &json);
 *     STRATA_TRY(strata_json_write(ctx, &json, path));
 *
 * Calls never fail; running out of memory or closing too much is remembered for
 * strata_json_write. */
#ifndef STRATA_JSON_H
#define STRATA_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "strata/context.h"
#include "strata/text.h"

enum { STRATA_JSON_DEPTH = 32 };

typedef struct strata_json {
    strata_text text;
    int depth;
    char closers[STRATA_JSON_DEPTH];
    bool filled[STRATA_JSON_DEPTH]; /* something stands in the open object or array */
    strata_status rc;
} strata_json;

/* key: the name inside an object, NULL inside an array and at the top. bracket: '{' or '['. Not
 * collective. */
void strata_json_open(strata_context *ctx, strata_json *json, const char *key, char bracket);
void strata_json_close(strata_context *ctx, strata_json *json);

/* Values; Not collective. Text: escaped, invalid UTF-8 becomes U+FFFD, NULL is null. Real: the
 * shortest digits that read back as the same value; NaN and infinities are null, as JSON has
 * none. */
void strata_json_text(strata_context *ctx, strata_json *json, const char *key, const char *value);
void strata_json_integer(strata_context *ctx, strata_json *json, const char *key, int64_t value);
void strata_json_unsigned(strata_context *ctx, strata_json *json, const char *key, uint64_t value);
void strata_json_real(strata_context *ctx, strata_json *json, const char *key, double value);
void strata_json_boolean(strata_context *ctx, strata_json *json, const char *key, bool value);

/* Not collective. Writes what was built to path, or to standard output for "-" (with a line
 * break at the end), replacing a file that is there. STRATA_ERR_INTERNAL when brackets are open,
 * STRATA_ERR_MEMORY, STRATA_ERR_IO. */
strata_status strata_json_write(strata_context *ctx, strata_json *json,
                                const char *path) STRATA_MUST_USE;

/* Not collective. Safe twice. */
void strata_json_release(strata_json *json);

#endif
