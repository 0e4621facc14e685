#include <string.h>

#include "ingest/reader.h"

/* Edit distance of two short names (Levenshtein), for a suggestion. Longer ones count as far
 * apart. */
static int64_t distance(const char *a, int64_t n, const char *b, int64_t m)
{
    enum { LONGEST = 63 };
    int64_t row[LONGEST + 1];
    if (n > LONGEST || m > LONGEST)
        return LONGEST;
    for (int64_t j = 0; j <= m; j++)
        row[j] = j;
    for (int64_t i = 1; i <= n; i++) {
        int64_t diagonal = row[0];
        row[0] = i;
        for (int64_t j = 1; j <= m; j++) {
            int64_t same = diagonal + ((a[i - 1] | 0x20) != (b[j - 1] | 0x20));
            int64_t gap = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = same < gap ? same : gap;
        }
    }
    return row[m];
}

/* "a, b, c" of the names, cut off where buffer ends. */
static void list_names(const strata_field *names, int64_t n, char *buffer, int64_t room)
{
    int64_t at = 0;
    buffer[0] = '\0';
    for (int64_t i = 0; i < n; i++) {
        int64_t need = names[i].length + 2;
        if (at + need + 8 > room) {
            memcpy(buffer + at, ", ...", 6);
            return;
        }
        if (i > 0) {
            memcpy(buffer + at, ", ", 2);
            at += 2;
        }
        memcpy(buffer + at, names[i].text, (size_t)names[i].length);
        at += names[i].length;
        buffer[at] = '\0';
    }
}

/* A number, a date or an address: nobody calls a column so. */
static bool looks_like_data(const strata_field *name)
{
    int64_t digits = 0, others = 0;
    for (int64_t i = 0; i < name->length; i++) {
        digits += name->text[i] >= '0' && name->text[i] <= '9';
        others += !memchr("0123456789+-.,:/TZ ", name->text[i], 19);
    }
    return (digits > 0 && others == 0) || memchr(name->text, '@', (size_t)name->length) != NULL;
}

/* The first row of a file without a header is a customer's: it must not be shown as names of columns. */
static strata_status no_header(strata_context *ctx, const char *path, const char *name)
{
    return strata_context_fail(ctx, STRATA_ERR_USAGE, __FILE__, __LINE__,
                               "%s:1: no column is named \"%s\"; the first row looks like data, not "
                               "like names: set input.header: false and input.names",
                               path, name);
}

static strata_status missing(strata_context *ctx, const char *path, const char *name,
                             const strata_field *names, int64_t n)
{
    char list[512];
    int64_t best = -1, nearest = 0, length = (int64_t)strlen(name);
    for (int64_t i = 0; i < n; i++)
        if (path && looks_like_data(&names[i]))
            return no_header(ctx, path, name);
    for (int64_t i = 0; i < n; i++) {
        int64_t d = distance(name, length, names[i].text, names[i].length);
        if (best < 0 || d < nearest) {
            best = i;
            nearest = d;
        }
    }
    list_names(names, n, list, sizeof list);
    bool close_by = best >= 0 && 3 * nearest <= length + 2;
    return strata_context_fail(
        ctx, STRATA_ERR_USAGE, __FILE__, __LINE__,
        "%s%s: no column is named \"%s\"%s%.*s%s; it has: %s (see input.columns)",
        path ? path : "input.names", path ? ":1" : "", name, close_by ? ", did you mean \"" : "",
        close_by ? (int)names[best].length : 0, close_by ? names[best].text : "",
        close_by ? "\"?" : "", list);
}

strata_status strata_columns_map(strata_context *ctx, const strata_config *config, const char *path,
                                 const strata_field *names, int64_t n, strata_columns *out)
{
    strata_status rc = STRATA_OK;
    strata_columns columns = {.n = (int32_t)n};
    if (n > STRATA_COLUMNS_LIMIT)
        STRATA_FAIL(ctx, STRATA_ERR_INPUT,
                    "%s: has %lld columns, more than %d; is the delimiter right?",
                    path ? path : "input.names", (long long)n, (int)STRATA_COLUMNS_LIMIT);
    for (int role = 0; role < STRATA_ROLE_COUNT; role++) {
        const char *name = config->input.columns[role];
        columns.of_role[role] = -1;
        if (!name)
            continue;
        for (int64_t i = 0; i < n; i++) {
            if (names[i].length != (int64_t)strlen(name) ||
                memcmp(names[i].text, name, (size_t)names[i].length) != 0)
                continue;
            if (columns.of_role[role] >= 0)
                STRATA_FAIL(ctx, STRATA_ERR_USAGE, "%s: two columns are named \"%s\"",
                            path ? path : "input.names", name);
            columns.of_role[role] = (int32_t)i;
        }
        if (columns.of_role[role] < 0)
            STRATA_TRY(missing(ctx, path, name, names, n));
    }
    *out = columns;
done:
    return rc;
}
