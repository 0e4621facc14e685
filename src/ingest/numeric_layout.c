/* How a file of numbers is laid out, told from its beginning. */
#include <string.h>

#include "ingest/job.h"
#include "strata/memory.h"
#include "strata/par.h"
#include "strata/text.h"

/* The first two lines of the first file, cut into fields. */
typedef struct beginning {
    strata_context *ctx;
    const strata_config *config;
    const char *path;
    char *text; /* [bytes + 16] */
    int64_t at, end;
    bool complete;           /* text is the whole file */
    strata_field *fields[2]; /* [STRATA_COLUMNS_LIMIT + 1] */
    uint8_t *escaped;
    int64_t n[2]; /* fields; 0 = there is no such line */
} beginning;

static strata_status read_beginning(beginning *b, const strata_source *source)
{
    enum { BLOCKS = 3 }; /* two rows as long as a row may be */
    strata_status rc = STRATA_OK;
    strata_stream *stream = NULL;
    const int64_t block = strata_ingest_default_tuning.block_bytes;
    strata_segment whole = {.end = INT64_MAX};
    strata_read_plan plan = {.ctx = b->ctx,
                             .config = b->config,
                             .sources = source,
                             .tuning = &strata_ingest_default_tuning};
    int64_t got = 1;
    STRATA_TRY(strata_calloc(b->ctx, BLOCKS * block + 16, 1, &b->text));
    STRATA_TRY(strata_stream_open(&plan, &whole, 0, &stream));
    while (got > 0 && b->end <= (BLOCKS - 1) * block) {
        STRATA_TRY(strata_stream_read(stream, b->text + b->end, &got));
        b->end += got;
    }
    b->complete = got == 0;
    if (b->end >= 3 && memcmp(b->text, "\xef\xbb\xbf", 3) == 0)
        b->at = 3;
done:
    strata_stream_close(&stream);
    return rc;
}

/* The first of the usual signs that stands in the first line, outside quotes. */
static char detect_delimiter(const beginning *b)
{
    static const char signs[] = "\t;|,";
    bool there[sizeof signs] = {false}, quoted = false;
    for (int64_t i = b->at; i < b->end; i++) {
        const char c = b->text[i];
        quoted = quoted != (c == '"');
        if (!quoted && (c == '\n' || c == '\r'))
            break;
        const char *sign = !quoted && c ? strchr(signs, c) : NULL;
        if (sign)
            there[sign - signs] = true;
    }
    for (size_t i = 0; i + 1 < sizeof signs; i++)
        if (there[i])
            return signs[i];
    return ' ';
}

static void skip_empty_lines(beginning *b)
{
    while (b->at < b->end && (b->text[b->at] == '\n' || b->text[b->at] == '\r'))
        b->at++;
}

static void strip_blanks(strata_field *f)
{
    for (; f->length > 0 && (*f->text == ' ' || *f->text == '\t'); f->length--)
        f->text++;
    while (f->length > 0 && (f->text[f->length - 1] == ' ' || f->text[f->length - 1] == '\t'))
        f->length--;
}

/* Cuts the line at b->at into fields[which]; n[which] is 0 at the end. Lines of blanks only are no rows.
 * False: it cannot be cut. */
static bool cut_line(beginning *b, char delimiter, int which)
{
    strata_cut_row row = {
        .delimiter = delimiter, .fields = b->fields[which], .escaped = b->escaped};
    b->n[which] = 0;
    do {
        skip_empty_lines(b);
        if (b->at == b->end)
            return true;
        row.at = b->text + b->at;
        row.end = b->text + b->end;
        row.complete = b->complete;
        if (strata_cut_quoted(&row) != STRATA_CUT_DONE || row.bad_quote)
            return false;
        b->at = row.next - b->text;
    } while (row.n_fields == 0);
    b->n[which] = row.n_fields;
    for (int64_t i = 0; i < row.n_fields && row.n_fields <= STRATA_COLUMNS_LIMIT; i++) {
        if (b->escaped[i])
            strata_cut_unescape(&b->fields[which][i]);
        strip_blanks(&b->fields[which][i]);
    }
    return true;
}

/* One of the first two lines, which must be right. */
static strata_status first_line(beginning *b, char delimiter, int which)
{
    strata_status rc = STRATA_OK;
    if (!cut_line(b, delimiter, which))
        STRATA_FAIL(b->ctx, STRATA_ERR_INPUT,
                    "%s: its first rows cannot be read: a quote is not closed or misplaced, or "
                    "they are longer than %lld bytes",
                    b->path, (long long)STRATA_INGEST_ROW_LIMIT);
    if (b->n[which] > STRATA_COLUMNS_LIMIT)
        STRATA_FAIL(b->ctx, STRATA_ERR_INPUT,
                    "%s: has %lld columns, more than %d; is the delimiter right?", b->path,
                    (long long)b->n[which], (int)STRATA_COLUMNS_LIMIT);
done:
    return rc;
}

static bool is_number(const strata_field *field)
{
    double value = 0;
    return strata_text_to_double(field->text, field->length, &value);
}

/* Stands where a number belongs: one, an empty field, or what programs write for a missing one. */
static bool may_be_number(const strata_field *field)
{
    static const char *const missing[] = {"nan", "na", "inf", "infinity", "null"};
    const int64_t sign = field->length > 0 && (*field->text == '-' || *field->text == '+');
    if (field->length == 0 || is_number(field))
        return true;
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++)
        if ((int64_t)strlen(missing[i]) == field->length - sign &&
            strncasecmp(field->text + sign, missing[i], strlen(missing[i])) == 0)
            return true;
    return false;
}

static strata_status detect_header(const beginning *b, strata_header *header)
{
    strata_status rc = STRATA_OK;
    bool any_number = false, any_name = false;
    for (int64_t i = 0; i < b->n[0]; i++) {
        if (may_be_number(&b->fields[0][i])) {
            any_number = any_number || b->fields[0][i].length > 0;
            continue;
        }
        /* text over text is a column of text, for instance keys */
        any_name = any_name || i >= b->n[1] || may_be_number(&b->fields[1][i]);
    }
    if (any_name && any_number)
        STRATA_FAIL(b->ctx, STRATA_ERR_INPUT,
                    "%s: its first line holds numbers, and text where numbers follow; say whether it "
                    "names the columns: --no-header or --set input.header=true",
                    b->path);
    *header = any_name || (!any_number && b->n[0] > 0) ? STRATA_HEADER_NAMES : STRATA_HEADER_NONE;
done:
    return rc;
}

/* What one row says about the columns: numbers, and fields that can be none. */
static void judge_row(const beginning *b, int which, bool *number, bool *text, int32_t n)
{
    for (int32_t i = 0; i < n && i < b->n[which]; i++) {
        number[i] = number[i] || is_number(&b->fields[which][i]);
        text[i] = text[i] || !may_be_number(&b->fields[which][i]);
    }
}

/* A column is one of text when none of its first fields is a number and some are not missing. The rows
 * are looked at as far as they can be cut. */
static strata_status tell_numbers(beginning *b, strata_numeric_layout *layout)
{
    enum { ROWS = 256 };
    strata_status rc = STRATA_OK;
    bool *text = NULL, *number = layout->numbers;
    STRATA_TRY(strata_calloc(b->ctx, layout->n, sizeof *text, &text));
    if (layout->header == STRATA_HEADER_NONE)
        judge_row(b, 0, number, text, layout->n);
    for (int row = 0; row < ROWS && b->n[1] > 0 && b->n[1] <= STRATA_COLUMNS_LIMIT; row++) {
        judge_row(b, 1, number, text, layout->n);
        if (!cut_line(b, layout->delimiter, 1))
            break;
    }
    for (int32_t i = 0; i < layout->n; i++)
        number[i] = number[i] || !text[i];
done:
    strata_free(&text);
    return rc;
}

/* Names become data sets of the result, so they are plain text without the path's sign. */
static bool is_plain_name(const char *name, int64_t length)
{
    if (length > STRATA_NUMERIC_NAME_LIMIT || !strata_scan_utf8(name, length))
        return false;
    for (int64_t i = 0; i < length; i++)
        if ((unsigned char)name[i] < ' ' || name[i] == 0x7f || name[i] == '/')
            return false;
    return name[0] != '.';
}

static strata_status name_column(const beginning *b, int32_t i, strata_header header, char **out)
{
    strata_status rc = STRATA_OK;
    const bool from_file = header == STRATA_HEADER_NAMES;
    const bool configured = !from_file && b->config->input.n_names > 0;
    char number[16];
    const char *name = number;
    int64_t length = snprintf(number, sizeof number, "c%d", (int)i + 1);
    if (configured) {
        name = b->config->input.names[i];
        length = (int64_t)strlen(name);
    } else if (from_file && b->fields[0][i].length > 0) {
        name = b->fields[0][i].text;
        length = b->fields[0][i].length;
    }
    if (!is_plain_name(name, length))
        STRATA_FAIL(
            b->ctx, STRATA_ERR_INPUT,
            "%s: the name of column %d is longer than %d bytes, holds a slash, begins with a "
            "point or is not plain text",
            b->path, (int)i + 1, STRATA_NUMERIC_NAME_LIMIT);
    STRATA_TRY(strata_text_copy(b->ctx, name, length, out));
done:
    return rc;
}

static strata_status describe(beginning *b, strata_numeric_layout *layout)
{
    strata_status rc = STRATA_OK;
    const strata_config *config = b->config;
    layout->delimiter = strata_config_origin(config, "input.delimiter") == STRATA_FROM_DEFAULT
                            ? detect_delimiter(b)
                            : config->input.delimiter;
    STRATA_TRY(first_line(b, layout->delimiter, 0));
    if (b->n[0] == 0)
        STRATA_FAIL(b->ctx, STRATA_ERR_INPUT, "%s: is empty", b->path);
    STRATA_TRY(first_line(b, layout->delimiter, 1));
    layout->header = config->input.header;
    if (strata_config_origin(config, "input.header") == STRATA_FROM_DEFAULT)
        STRATA_TRY(detect_header(b, &layout->header));
    if (layout->header != STRATA_HEADER_NAMES && config->input.n_names > 0 &&
        config->input.n_names != b->n[0])
        STRATA_FAIL(b->ctx, STRATA_ERR_INPUT, "%s: has %lld columns, but input.names has %d",
                    b->path, (long long)b->n[0], (int)config->input.n_names);
    STRATA_TRY(strata_calloc(b->ctx, b->n[0], sizeof *layout->names, &layout->names));
    STRATA_TRY(strata_calloc(b->ctx, b->n[0], sizeof *layout->numbers, &layout->numbers));
    layout->n = (int32_t)b->n[0];
    for (int32_t i = 0; i < layout->n; i++)
        STRATA_TRY(name_column(b, i, layout->header, &layout->names[i]));
    STRATA_TRY(tell_numbers(b, layout));
done:
    return rc;
}

static strata_status look(strata_context *ctx, const strata_config *config,
                          const strata_source *source, strata_numeric_layout *layout)
{
    strata_status rc = STRATA_OK;
    beginning b = {.ctx = ctx, .config = config, .path = source->path};
    const int64_t room = STRATA_COLUMNS_LIMIT + 1;
    STRATA_TRY(strata_alloc(ctx, room, sizeof *b.fields[0], &b.fields[0]));
    STRATA_TRY(strata_alloc(ctx, room, sizeof *b.fields[1], &b.fields[1]));
    STRATA_TRY(strata_alloc(ctx, room, 1, &b.escaped));
    STRATA_TRY(read_beginning(&b, source));
    STRATA_TRY(describe(&b, layout));
done:
    strata_free(&b.escaped);
    strata_free(&b.fields[1]);
    strata_free(&b.fields[0]);
    strata_free(&b.text);
    return rc;
}

/* ---- to all ranks ---------------------------------------------------------------------------- */

/* Names with a zero byte each, and a byte that tells columns of numbers. */
static strata_status pack(strata_context *ctx, const strata_numeric_layout *layout,
                          strata_text *text)
{
    strata_status rc = STRATA_OK;
    for (int32_t i = 0; i < layout->n; i++) {
        STRATA_TRY(strata_text_add(ctx, text, layout->numbers[i] ? "n" : "t", 1));
        STRATA_TRY(
            strata_text_add(ctx, text, layout->names[i], (int64_t)strlen(layout->names[i]) + 1));
    }
done:
    return rc;
}

static strata_status unpack(strata_context *ctx, const char *bytes, strata_numeric_layout *layout)
{
    strata_status rc = STRATA_OK;
    STRATA_TRY(strata_calloc(ctx, layout->n, sizeof *layout->names, &layout->names));
    STRATA_TRY(strata_calloc(ctx, layout->n, sizeof *layout->numbers, &layout->numbers));
    for (int32_t i = 0; i < layout->n; i++) {
        layout->numbers[i] = *bytes++ == 'n';
        STRATA_TRY(strata_text_copy(ctx, bytes, (int64_t)strlen(bytes), &layout->names[i]));
        bytes += strlen(bytes) + 1;
    }
done:
    return rc;
}

strata_status strata_numeric_look(strata_context *ctx, const strata_config *config,
                                  strata_numeric_layout *layout)
{
    strata_status rc = STRATA_OK, local = STRATA_OK;
    strata_numeric_layout made = {.n = 0};
    strata_text text = {0};
    STRATA_TRY(strata_files_list(ctx, config, &made.sources, &made.n_sources));
    if (ctx->rank == 0)
        local = look(ctx, config, &made.sources[0], &made);
    if (ctx->rank == 0 && local == STRATA_OK)
        local = pack(ctx, &made, &text);
    STRATA_AGREE(ctx, local);
    int64_t facts[4] = {made.delimiter, made.header, made.n, text.length};
    STRATA_TRY(strata_par_bcast(ctx, facts, sizeof facts, 0));
    if (ctx->rank != 0)
        local = strata_alloc(ctx, facts[3], 1, &text.bytes);
    STRATA_AGREE(ctx, local);
    STRATA_TRY(strata_par_bcast(ctx, text.bytes, facts[3], 0));
    if (ctx->rank != 0) {
        made.delimiter = (char)facts[0];
        made.header = (strata_header)facts[1];
        made.n = (int32_t)facts[2];
        local = unpack(ctx, text.bytes, &made);
    }
    STRATA_AGREE(ctx, local);
    *layout = made;
    made = (strata_numeric_layout){.n = 0};
done:
    strata_numeric_layout_release(&made);
    strata_free(&text.bytes);
    return rc;
}

void strata_numeric_layout_release(strata_numeric_layout *layout)
{
    for (int32_t i = 0; layout->names && i < layout->n; i++)
        strata_free(&layout->names[i]);
    strata_free(&layout->names);
    strata_free(&layout->numbers);
    strata_files_release(&layout->sources, layout->n_sources);
    layout->n = layout->n_sources = 0;
}
