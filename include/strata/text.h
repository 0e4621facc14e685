/* text.h: small things with text that several rooms need: exact conversion of numbers without a
 * locale, a growing text, the nearest of some words. Nothing here is collective. */
#ifndef STRATA_TEXT_H
#define STRATA_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "strata/context.h"

/* ---- numbers --------------------------------------------------------------------------------- */

/* Reads text[0..length) completely: [+-] digits. False for anything else and out of range. Not
 * collective. */
bool strata_text_to_int64(const char *text, int64_t length, int64_t *out);
/* Not collective. The same without a sign. */
bool strata_text_to_uint64(const char *text, int64_t length, uint64_t *out);

/* Reads text[0..length) completely: a decimal with an optional exponent ("-1.5", ".5", "1e-3"), rounded
 * to the nearest double whatever the locale. False for anything else, for hexadecimal, nan, infinity,
 * numbers beyond the range of double, and more than 400 characters. Not collective. */
bool strata_text_to_double(const char *text, int64_t length, double *out);

/* The shortest of 15, 16 or 17 significant digits that read back as value; "nan", "inf", "-inf" for
 * what is not finite. Returns buffer. Not collective. */
char *strata_text_of_double(double value, char buffer[32]);

/* ---- a growing text -------------------------------------------------------------------------- */

/* {0} is an empty text. bytes always ends with a zero byte once something was added; owned:
 * strata_free(&text.bytes). */
typedef struct strata_text {
    char *bytes;
    int64_t length, capacity;
} strata_text;

/* Not collective. STRATA_ERR_MEMORY. */
strata_status strata_text_add(strata_context *ctx, strata_text *text, const char *bytes,
                              int64_t length) STRATA_MUST_USE;
/* Not collective. As printf, any length. STRATA_ERR_MEMORY. */
strata_status strata_text_addf(strata_context *ctx, strata_text *text, const char *format, ...)
    STRATA_PRINTF(3, 4) STRATA_MUST_USE;
/* Not collective. As a JSON string with its quotes; invalid UTF-8 becomes U+FFFD. */
strata_status strata_text_add_json(strata_context *ctx, strata_text *text,
                                   const char *value) STRATA_MUST_USE;

/* Not collective. A copy of text[0..length) with a zero byte at its end; *out is owned by the caller. */
strata_status strata_text_copy(strata_context *ctx, const char *text, int64_t length,
                               char **out) STRATA_MUST_USE;

/* ---- nearest words --------------------------------------------------------------------------- */

/* The candidate [n] with the fewest edits (insert, delete, replace, swap neighbours; upper and lower
 * case are alike) from word, the first of equals; NULL when none is near enough to be meant. Not
 * collective. */
const char *strata_text_nearest(const char *word, const char *const *candidates, int32_t n);

/* Decodes one UTF-8 character of text[0..length), length >= 1. Returns its bytes 1..4 and the code
 * point, or 0 when the bytes are not valid UTF-8. Not collective. */
int strata_text_decode(const char *text, int64_t length, uint32_t *code_point);

#endif
