#include "strata/text.h"

#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "strata/memory.h"

/* ---- numbers --------------------------------------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool strata_text_to_uint64(const char *text, int64_t length, uint64_t *out)
{
    uint64_t value = 0;
    for (int64_t i = 0; i < length; i++) {
        if (!is_digit(text[i]) || __builtin_mul_overflow(value, UINT64_C(10), &value) ||
            __builtin_add_overflow(value, (uint64_t)(text[i] - '0'), &value))
            return false;
    }
    if (length <= 0)
        return false;
    *out = value;
    return true;
}

bool strata_text_to_int64(const char *text, int64_t length, int64_t *out)
{
    bool sign = length > 0 && (text[0] == '-' || text[0] == '+');
    bool negative = sign && text[0] == '-';
    uint64_t magnitude = 0;
    if (!strata_text_to_uint64(text + sign, length - sign, &magnitude) ||
        magnitude > (uint64_t)INT64_MAX + negative)
        return false;
    *out = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return true;
}

/* [+-] (digits [. digits*] | . digits) [(e|E) [+-] digits] */
static bool is_decimal(const char *text, int64_t length)
{
    int64_t i = 0, digits = 0, exponent = 0;
    if (i < length && (text[i] == '+' || text[i] == '-'))
        i++;
    for (; i < length && is_digit(text[i]); i++)
        digits++;
    if (i < length && text[i] == '.')
        for (i++; i < length && is_digit(text[i]); i++)
            digits++;
    if (digits == 0)
        return false;
    if (i < length && (text[i] == 'e' || text[i] == 'E')) {
        i++;
        if (i < length && (text[i] == '+' || text[i] == '-'))
            i++;
        for (; i < length && is_digit(text[i]); i++)
            exponent++;
        if (exponent == 0)
            return false;
    }
    return i == length;
}

/* A decimal of at most 19 characters whose value is digits * 10^power with both exact in a double: then one
 * multiplication or division rounds once, as it must (Clinger, doi:10.1145/93542.93557). Takes what
 * is_decimal takes; false when the long way is needed. */
static bool to_double_fast(const char *text, int64_t length, double *out)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    const bool sign = text[0] == '-' || text[0] == '+';
    uint64_t digits = 0;
    int64_t i = sign, point = -1, power = 0;
    if (length > 19) /* so many digits cannot pass 64 bits */
        return false;
    for (; i < length && text[i] != 'e' && text[i] != 'E'; i++) {
        if (text[i] == '.')
            point = i;
        else
            digits = 10 * digits + (uint64_t)(text[i] - '0');
    }
    if (point >= 0)
        power = point + 1 - i;
    if (i < length) {
        int64_t exponent = 0;
        if (length - i > 4 || !strata_text_to_int64(text + i + 1, length - i - 1, &exponent))
            return false;
        power += exponent;
    }
    if (digits > UINT64_C(1) << 53 || power < -22 || power > 22)
        return false;
    double value = (double)digits;
    value = power < 0 ? value / powers[-power] : value * powers[power];
    *out = text[0] == '-' ? -value : value;
    return true;
}

bool strata_text_to_double(const char *text, int64_t length, double *out)
{
    char copy[401];
    if (length <= 0 || length >= (int64_t)sizeof copy || !is_decimal(text, length))
        return false;
    if (to_double_fast(text, length, out))
        return true;
    memcpy(copy, text, (size_t)length);
    copy[length] = 0;
    /* the built-in "C" locale: never freed, and nothing the environment says can change it */
    locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (c_locale == (locale_t)0)
        return false;
    double value = strtod_l(copy, NULL, c_locale);
    freelocale(c_locale);
    if (!isfinite(value))
        return false;
    *out = value;
    return true;
}

char *strata_text_of_double(double value, char buffer[32])
{
    double back = 0;
    if (isnan(value))
        return memcpy(buffer, "nan", 4);
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(buffer, 32, "%.*g", digits, value);
        if (strata_text_to_double(buffer, (int64_t)strlen(buffer), &back) && back == value)
            break;
    }
    return buffer;
}

/* ---- a growing text -------------------------------------------------------------------------- */

strata_status strata_text_add(strata_context *ctx, strata_text *text, const char *bytes,
                              int64_t length)
{
    strata_status rc = STRATA_OK;
    STRATA_TRY(strata_reserve(ctx, &text->bytes, &text->capacity, text->length + length + 1, 1));
    if (length > 0)
        memcpy(text->bytes + text->length, bytes, (size_t)length);
    text->length += length;
    text->bytes[text->length] = 0;
done:
    return rc;
}

strata_status strata_text_addf(strata_context *ctx, strata_text *text, const char *format, ...)
{
    strata_status rc = STRATA_OK;
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0)
        STRATA_FAIL(ctx, STRATA_ERR_INTERNAL, "a text could not be formatted");
    STRATA_TRY(strata_reserve(ctx, &text->bytes, &text->capacity, text->length + length + 1, 1));
    va_start(args, format);
    vsnprintf(text->bytes + text->length, (size_t)length + 1, format, args);
    va_end(args);
    text->length += length;
done:
    return rc;
}

strata_status strata_text_add_json(strata_context *ctx, strata_text *text, const char *value)
{
    strata_status rc = STRATA_OK;
    int64_t length = (int64_t)strlen(value);
    STRATA_TRY(strata_text_add(ctx, text, "\"", 1));
    for (int64_t i = 0; i < length;) {
        uint32_t code = 0;
        int bytes = strata_text_decode(value + i, length - i, &code);
        if (bytes == 0)
            STRATA_TRY(strata_text_add(ctx, text, "\xef\xbf\xbd", 3));
        else if (code == '"' || code == '\\')
            STRATA_TRY(strata_text_addf(ctx, text, "\\%c", (int)code));
        else if (code < 0x20 || code == 0x7f)
            STRATA_TRY(strata_text_addf(ctx, text, "\\u%04x", (unsigned)code));
        else
            STRATA_TRY(strata_text_add(ctx, text, value + i, bytes));
        i += bytes ? bytes : 1;
    }
    STRATA_TRY(strata_text_add(ctx, text, "\"", 1));
done:
    return rc;
}

strata_status strata_text_copy(strata_context *ctx, const char *text, int64_t length, char **out)
{
    char *copy = NULL;
    strata_status rc = strata_alloc(ctx, length + 1, 1, &copy);
    if (rc != STRATA_OK)
        return rc;
    if (length > 0)
        memcpy(copy, text, (size_t)length);
    copy[length] = 0;
    *out = copy;
    return STRATA_OK;
}

int strata_text_decode(const char *text, int64_t length, uint32_t *code_point)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t first = (unsigned char)text[0];
    int bytes = first < 0x80       ? 1
                : first >> 5 == 6  ? 2
                : first >> 4 == 14 ? 3
                : first >> 3 == 30 ? 4
                                   : 0;
    if (bytes == 0 || bytes > length)
        return 0;
    uint32_t code = bytes == 1 ? first : first & (0x7fU >> bytes);
    for (int i = 1; i < bytes; i++) {
        uint32_t c = (unsigned char)text[i];
        if (c >> 6 != 2)
            return 0;
        code = code << 6 | (c & 0x3f);
    }
    if (code < smallest[bytes] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return 0;
    *code_point = code;
    return bytes;
}

/* ---- nearest words --------------------------------------------------------------------------- */

enum { MAX_WORD = 63 };

static char folded(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c == '-' ? '_' : c;
}

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

/* Restricted Damerau-Levenshtein distance of two words of at most MAX_WORD characters. O(n m). */
static int edits(const char *a, int n, const char *b, int m)
{
    int row[3][MAX_WORD + 1];
    for (int j = 0; j <= m; j++)
        row[0][j] = j;
    for (int i = 1; i <= n; i++) {
        int *now = row[i % 3], *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];
        now[0] = i;
        for (int j = 1; j <= m; j++) {
            char x = folded(a[i - 1]), y = folded(b[j - 1]);
            now[j] = smaller(smaller(last[j], now[j - 1]) + 1, last[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == folded(b[j - 2]) && y == folded(a[i - 2]))
                now[j] = smaller(now[j], before[j - 2] + 1);
        }
    }
    return row[n % 3][m];
}

const char *strata_text_nearest(const char *word, const char *const *candidates, int32_t n)
{
    const char *best = NULL;
    int length = (int)strnlen(word, MAX_WORD + 1);
    int limit = length < 3 ? 1 : length < 7 ? 2 : length / 3; /* more edits: another word */
    if (length > MAX_WORD)
        return NULL;
    for (int32_t i = 0; i < n; i++) {
        int other = (int)strnlen(candidates[i], MAX_WORD + 1);
        if (other > MAX_WORD)
            continue;
        int distance = edits(word, length, candidates[i], other);
        if (distance <= limit && distance < (length > other ? length : other)) {
            best = candidates[i];
            limit = distance - 1;
        }
    }
    return best;
}
