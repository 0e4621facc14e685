#include <string.h>

#include "ingest/reader.h"

static inline bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static inline bool is_line_end(char c)
{
    return c == '\n' || c == '\r';
}

static inline bool is_delimiter(const strata_cut_row *row, char c)
{
    return row->delimiter == ' ' ? is_blank(c) : c == row->delimiter;
}

/* The closing quote of a field whose text starts at text; NULL when more data is needed. */
static const char *closing_quote(const strata_cut_row *row, const char *text, bool *escaped)
{
    const char *at = text;
    while (at < row->end) {
        at = memchr(at, '"', (size_t)(row->end - at));
        if (!at || (at + 1 == row->end && !row->complete))
            return NULL;
        if (at + 1 == row->end || at[1] != '"')
            return at;
        *escaped = true;
        at += 2;
    }
    return NULL;
}

/* Cuts one field; returns the byte after it (delimiter or line end), NULL when more data is
 * needed. */
static const char *cut_field(strata_cut_row *row, const char *at)
{
    strata_field field = {.text = at};
    bool escaped = false;
    if (*at == '"') {
        field.text = at + 1;
        const char *quote = closing_quote(row, field.text, &escaped);
        if (!quote)
            return NULL;
        field.length = quote - field.text;
        at = quote + 1;
        /* What stands between the closing quote and the delimiter has no place in RFC 4180. */
        if (at < row->end && !is_delimiter(row, *at) && !is_line_end(*at))
            row->bad_quote = true;
    }
    const char *tail = at;
    while (at < row->end && !is_delimiter(row, *at) && !is_line_end(*at)) {
        if (*at == '"')
            row->bad_quote = true;
        at++;
    }
    if (at == row->end && !row->complete)
        return NULL;
    if (field.text == tail)
        field.length = at - tail;
    if (row->n_fields <= STRATA_COLUMNS_LIMIT) {
        row->escaped[row->n_fields] = escaped;
        row->fields[row->n_fields] = field;
    }
    row->n_fields++;
    return at;
}

static strata_cut finish(strata_cut_row *row, const char *at)
{
    row->row_end = at;
    if (at == row->end) { /* the last line has no line end */
        row->next = at;
        return STRATA_CUT_DONE;
    }
    if (*at == '\r' && at + 1 == row->end && !row->complete)
        return STRATA_CUT_MORE; /* a line feed may follow */
    row->next = at + (*at == '\r' && at + 1 < row->end && at[1] == '\n' ? 2 : 1);
    return STRATA_CUT_DONE;
}

strata_cut strata_cut_quoted(strata_cut_row *row)
{
    const char *at = row->at;
    row->n_fields = 0;
    row->bad_quote = false;
    for (;;) {
        if (row->delimiter == ' ') {
            while (at < row->end && is_blank(*at))
                at++;
            if (at < row->end ? is_line_end(*at) : row->complete)
                return finish(row, at);
        }
        if (at == row->end) {
            if (!row->complete)
                return STRATA_CUT_MORE;
            row->fields[row->n_fields <= STRATA_COLUMNS_LIMIT ? row->n_fields : 0] =
                (strata_field){.text = at};
            row->n_fields++;
            return finish(row, at);
        }
        at = cut_field(row, at);
        if (!at)
            return STRATA_CUT_MORE;
        if (at == row->end || is_line_end(*at))
            return finish(row, at);
        at++;
    }
}

void strata_cut_unescape(strata_field *field)
{
    char *to = NULL, *start = NULL;
    memcpy(&start, &field->text, sizeof start); /* the caller owns the bytes as writable ones */
    to = start;
    for (int64_t i = 0; i < field->length; i++) {
        *to++ = start[i];
        if (start[i] == '"')
            i++; /* a quote inside is always doubled */
    }
    field->length = to - start;
}
