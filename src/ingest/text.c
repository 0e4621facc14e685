/* The reader of delimited text. A block is read, the positions of all structural bytes in it are
 * collected at SIMD speed, and rows without quotes are cut by walking those positions. Rows with
 * quotes, or separated by blanks, go through the state machine in text_row.c.
 *
 * Where a row ends is a function of the file and of where the row starts, and of nothing else
 * (not of blocks, not of ranges): the first line end outside quotes within row_limit bytes; for
 * lack of one the first line end of any kind, and then the row is rejected (quote: the line
 * itself fits the limit, so a quote was never closed; too_long otherwise) and reading goes on
 * with the next line. So a stray quote costs one line, not the rest of the file, and no row has
 * to be held in memory beyond the limit. */
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "ingest/reader.h"
#include "strata/memory.h"
#include "strata/money.h"
#include "strata/text.h"

enum { PADDING = 128 }; /* readable bytes after the data, for 64-byte loads */

/* Identifiers: 64 bytes is the fixed field that plain mode carries over the network. */
enum { USER_LIMIT_PLAIN = 64, USER_LIMIT_KEYED = 4096, REGION_LIMIT = 256, CURRENCY_LIMIT = 15 };

struct strata_reader {
    strata_read_plan *plan;
    strata_segment *segment;
    const char *path;
    strata_stream *stream;
    strata_columns columns;
    char *buffer;    /* [carry_room + block_bytes + PADDING]; data is [at, end) */
    uint32_t *marks; /* [carry_room + block_bytes] positions of structural bytes in [at, end) */
    uint32_t *ends;  /* [STRATA_COLUMNS_LIMIT + 1] ends of the fields of one row */
    char *scratch;   /* the mapped fields of a row end to end, when duplicates are looked for */
    strata_cut_row cut;
    int32_t slot[STRATA_WANTED_LIMIT];   /* the wanted fields: roles, or 0, 1, ... of a numeric table */
    int32_t column[STRATA_WANTED_LIMIT]; /* where each stands in the row */
    int32_t n_wanted;
    strata_field field[STRATA_WANTED_LIMIT]; /* of one row, by slot; not wanted: empty */
    const strata_row *batch;                 /* the rows that are being filled */
    int64_t carry_room, at, end, base; /* buffer[i] is byte base + i of the plain file */
    int64_t mark, n_marks, lines, user_limit;
    char delimiter, scan_for;
    bool high, eof, skipping, done;
};

typedef enum row_state { ROW_READY, ROW_NONE, ROW_MORE } row_state;

/* ---- data ------------------------------------------------------------------------------------ */

static void scan(strata_reader *r)
{
    memset(r->buffer + r->end, 0, PADDING); /* later loads may look there; keep it defined */
    r->n_marks = strata_scan_marks(r->buffer, r->at, r->end, r->scan_for, r->marks, &r->high);
    r->mark = 0;
}

/* Counts line ends of [begin, end) apart from the parser, on the first pass. */
static void count_apart(strata_reader *r, const char *bytes, int64_t got, int64_t offset)
{
    strata_segment *segment = r->segment;
    if (!r->plan->hashes)
        return;
    int64_t from = offset < segment->begin ? segment->begin - offset : 0;
    int64_t to = segment->end - offset < got ? segment->end - offset : got;
    if (from < to) /* the byte before is the carried one, or was read with the block */
        segment->line_ends +=
            strata_scan_line_ends(bytes + from, to - from, offset + from > 0 ? bytes[from - 1] : 0);
}

/* Moves what is left in front of the next block and reads that block. */
static strata_status fill(strata_reader *r)
{
    strata_status rc = STRATA_OK;
    int64_t carry = r->end - r->at, offset = r->base + r->at, got = 0;
    char before = r->end > r->carry_room ? r->buffer[r->end - 1] : 0;
    memmove(r->buffer + r->carry_room - carry, r->buffer + r->at, (size_t)carry);
    r->at = r->carry_room - carry;
    r->base = offset - r->at;
    if (carry == 0 && r->at > 0)
        r->buffer[r->at - 1] = before; /* CRLF may be cut by the block */
    r->end = r->carry_room;
    STRATA_TRY(strata_stream_read(r->stream, r->buffer + r->carry_room, &got));
    count_apart(r, r->buffer + r->carry_room, got, r->base + r->carry_room);
    r->end = r->carry_room + got;
    r->eof = got == 0;
    scan(r);
done:
    return rc;
}

typedef enum line_end { LINE_END_FOUND, LINE_END_NONE, LINE_END_HALF } line_end;

/* The first line end from the current mark on: *pos is its first byte, *next the byte after it.
 * HALF: a CR is the last byte and a LF may follow; *pos is set. NONE: *pos is the end of the
 * data. */
static line_end find_line_end(const strata_reader *r, int64_t *pos, int64_t *next)
{
    for (int64_t mark = r->mark; mark < r->n_marks; mark++) {
        int64_t at = r->marks[mark];
        if (r->buffer[at] != '\n' && r->buffer[at] != '\r')
            continue;
        *pos = at;
        if (r->buffer[at] == '\r' && at + 1 == r->end && !r->eof)
            return LINE_END_HALF;
        *next =
            at + (r->buffer[at] == '\r' && at + 1 < r->end && r->buffer[at + 1] == '\n' ? 2 : 1);
        return LINE_END_FOUND;
    }
    *pos = r->end;
    return LINE_END_NONE;
}

static void set_place(strata_reader *r, int64_t next)
{
    r->at = next;
    while (r->mark < r->n_marks && r->marks[r->mark] < next)
        r->mark++;
}

/* ---- one row --------------------------------------------------------------------------------- */

static inline strata_field trimmed(const char *text, int64_t length)
{
    while (length > 0 && (*text == ' ' || *text == '\t')) {
        text++;
        length--;
    }
    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t'))
        length--;
    return (strata_field){text, length};
}

static bool read_amount(const strata_reader *r, const strata_field *field, int64_t *amount)
{
    const strata_config *config = r->plan->config;
    const strata_field *quantity = &field[STRATA_ROLE_QUANTITY],
                       *price = &field[STRATA_ROLE_UNIT_PRICE];
    if (r->columns.of_role[STRATA_ROLE_AMOUNT] >= 0)
        return strata_money_parse(field[STRATA_ROLE_AMOUNT].text, field[STRATA_ROLE_AMOUNT].length,
                                  config->money.decimals, amount);
    return strata_money_parse_product(quantity->text, quantity->length, price->text, price->length,
                                      config->money.decimals, amount);
}

static void hash_row(strata_reader *r, strata_row *row)
{
    char *to = r->scratch;
    for (int32_t i = 0; i < r->n_wanted; i++) {
        const strata_field *field = &r->field[r->slot[i]];
        memcpy(to, &field->length, sizeof field->length);
        to += sizeof field->length;
        memcpy(to, field->text, (size_t)field->length);
        to += field->length;
    }
    XXH128_hash_t hash = XXH3_128bits(r->scratch, (size_t)(to - r->scratch));
    row->hash[0] = hash.high64;
    row->hash[1] = hash.low64;
}

static bool texts_valid(const strata_reader *r, const strata_row *row)
{
    return !r->high || (strata_scan_utf8(row->user.text, row->user.length) &&
                        strata_scan_utf8(row->order.text, row->order.length) &&
                        strata_scan_utf8(row->region.text, row->region.length) &&
                        strata_scan_utf8(row->currency.text, row->currency.length));
}

/* Reads the mapped fields. The first check that fails names the reason. */
static void read_fields(strata_reader *r, strata_row *row)
{
    strata_field *field = r->field;
    for (int32_t i = 0; i < r->n_wanted; i++) {
        strata_field *f = &field[r->slot[i]];
        *f = trimmed(f->text, f->length);
    }
    row->user = field[STRATA_ROLE_USER];
    row->order = field[STRATA_ROLE_ORDER];
    row->region = field[STRATA_ROLE_REGION];
    row->currency = field[STRATA_ROLE_CURRENCY];
    row->reject = STRATA_REJECT_COUNT;
    if (!texts_valid(r, row))
        row->reject = STRATA_REJECT_ENCODING;
    else if (row->user.length > r->user_limit || row->region.length > REGION_LIMIT ||
             row->currency.length > CURRENCY_LIMIT)
        row->reject = STRATA_REJECT_TOO_LONG;
    else if (row->user.length == 0)
        row->reject = STRATA_REJECT_USER;
    else if (!strata_time_parse(&r->plan->time_format, field[STRATA_ROLE_TIME].text,
                                field[STRATA_ROLE_TIME].length, &row->day, &row->second))
        row->reject = STRATA_REJECT_TIME;
    else if (!read_amount(r, field, &row->amount))
        row->reject = STRATA_REJECT_AMOUNT;
    else if (row->order.length == 0 && r->columns.of_role[STRATA_ROLE_ORDER] >= 0)
        row->reject = STRATA_REJECT_ORDER;
    else if (r->scratch)
        hash_row(r, row);
}

/* The same for a numeric table: numbers go into the plan's array, the key into user. */
static void read_numbers(strata_reader *r, strata_row *row)
{
    const strata_numeric_plan *plan = r->plan->numbers;
    double *values = plan->values + (row - r->batch) * plan->n_values;
    row->reject = STRATA_REJECT_COUNT;
    for (int32_t i = 0; i < plan->n_values; i++) {
        strata_field f = trimmed(r->field[i].text, r->field[i].length);
        if (strata_text_to_double(f.text, f.length, &values[i]))
            continue;
        row->reject = STRATA_REJECT_AMOUNT;
        row->order = f;
        row->second = i;
        return;
    }
    if (r->n_wanted == plan->n_values)
        return;
    row->user = trimmed(r->field[plan->n_values].text, r->field[plan->n_values].length);
    if (row->user.length == 0)
        row->reject = STRATA_REJECT_USER;
    else if (row->user.length > STRATA_NUMERIC_KEY_LIMIT)
        row->reject = STRATA_REJECT_TOO_LONG;
    else if (r->high && !strata_scan_utf8(row->user.text, row->user.length))
        row->reject = STRATA_REJECT_ENCODING;
}

static void reject_columns(const strata_reader *r, int64_t n, strata_row *row)
{
    row->reject = STRATA_REJECT_COLUMNS;
    row->n_found = (int32_t)n; /* a row has at most as many as bytes */
    row->n_expected = r->columns.n;
}

static inline void read_row(strata_reader *r, strata_row *row)
{
    if (r->plan->numbers)
        read_numbers(r, row);
    else
        read_fields(r, row);
}

/* A row whose end was not found within the limit, or whose quote is never closed: ends at its first
 * line end (see the top of this file). */
static row_state give_up_row(strata_reader *r, strata_row *row)
{
    int64_t pos = 0, next = 0, start = r->at;
    line_end state = find_line_end(r, &pos, &next);
    row->reject =
        pos - start > r->plan->tuning->row_limit ? STRATA_REJECT_TOO_LONG : STRATA_REJECT_QUOTE;
    r->skipping = state != LINE_END_FOUND && !r->eof;
    r->lines += state == LINE_END_FOUND;
    set_place(r, state == LINE_END_FOUND ? next : pos);
    return ROW_READY;
}

static row_state cut_slowly(strata_reader *r, strata_row *row)
{
    strata_cut_row *cut = &r->cut;
    cut->at = r->buffer + r->at;
    cut->end = r->buffer + r->end;
    cut->complete = r->eof;
    strata_cut state = strata_cut_quoted(cut);
    /* With two bytes beyond the limit in view, a row that ends within it is complete, CRLF
     * included. */
    if (state == STRATA_CUT_MORE && !r->eof && r->end - r->at <= r->plan->tuning->row_limit + 2)
        return ROW_MORE;
    if (state == STRATA_CUT_MORE || cut->row_end - cut->at > r->plan->tuning->row_limit)
        return give_up_row(r, row);
    r->lines += strata_scan_line_ends(cut->at, cut->next - cut->at, 0);
    set_place(r, cut->next - r->buffer);
    if (cut->n_fields == 0)
        return ROW_NONE; /* blanks only */
    row->reject = STRATA_REJECT_COUNT;
    if (memchr(cut->at, 0, (size_t)(cut->row_end - cut->at)))
        row->reject = STRATA_REJECT_ENCODING;
    else if (cut->bad_quote)
        row->reject = STRATA_REJECT_QUOTE;
    else if (cut->n_fields != r->columns.n)
        reject_columns(r, cut->n_fields, row);
    if (row->reject != STRATA_REJECT_COUNT)
        return ROW_READY;
    for (int32_t i = 0; i < r->n_wanted; i++) {
        int32_t column = r->column[i];
        r->field[r->slot[i]] = cut->fields[column];
        if (cut->escaped[column])
            strata_cut_unescape(&r->field[r->slot[i]]);
    }
    read_row(r, row);
    return ROW_READY;
}

/* Cuts a row without quotes along the marks; everything out of the ordinary goes the slow way. */
static row_state cut_row(strata_reader *r, strata_row *row)
{
    const char *buffer = r->buffer;
    const int32_t n = r->columns.n;
    int64_t mark = r->mark, pos = 0, column = 0;
    if (r->delimiter == ' ')
        return cut_slowly(r, row);
    for (;; column++) {
        if (mark == r->n_marks)
            return !r->eof && r->end - r->at <= r->plan->tuning->row_limit ? ROW_MORE
                                                                           : cut_slowly(r, row);
        pos = r->marks[mark++];
        if (buffer[pos] != r->delimiter)
            break;
        if (column < n)
            r->ends[column] = (uint32_t)pos;
    }
    if (buffer[pos] == '\r') {
        if (pos + 1 == r->end)
            return cut_slowly(r, row);
        mark += buffer[pos + 1] == '\n';
    } else if (buffer[pos] != '\n') {
        return cut_slowly(r, row); /* a quote or a NUL */
    }
    int64_t start = r->at;
    if (column < n)
        r->ends[column] = (uint32_t)pos;
    r->at = pos + 1 + (buffer[pos] == '\r' && buffer[pos + 1] == '\n');
    r->mark = mark;
    r->lines++;
    if (pos - start > r->plan->tuning->row_limit) {
        row->reject = STRATA_REJECT_TOO_LONG;
    } else if (column + 1 != n) {
        reject_columns(r, column + 1, row);
    } else {
        for (int32_t i = 0; i < r->n_wanted; i++) {
            int32_t k = r->column[i];
            int64_t from = k ? r->ends[k - 1] + 1 : start;
            r->field[r->slot[i]] = (strata_field){buffer + from, r->ends[k] - from};
        }
        read_row(r, row);
    }
    return ROW_READY;
}

static row_state next_row(strata_reader *r, strata_row *row)
{
    int64_t pos = 0, next = 0;
    line_end state = LINE_END_NONE;
    if (r->skipping) {
        state = find_line_end(r, &pos, &next);
        set_place(r, state == LINE_END_FOUND ? next : pos);
        if (state != LINE_END_FOUND && !r->eof)
            return ROW_MORE;
        r->lines += state == LINE_END_FOUND;
        r->skipping = false;
    }
    if (r->base + r->at >= r->segment->end || (r->at == r->end && r->eof)) {
        r->done = true;
        return ROW_NONE;
    }
    if (r->at == r->end)
        return ROW_MORE;
    char c = r->buffer[r->at];
    if (c == '\n' || c == '\r') { /* an empty line is no row */
        state = find_line_end(r, &pos, &next);
        if (state != LINE_END_FOUND)
            return ROW_MORE;
        r->lines++;
        set_place(r, next);
        return ROW_NONE;
    }
    row->offset = r->base + r->at;
    row->line = r->lines;
    return cut_row(r, row);
}

static strata_status text_next(strata_reader *r, strata_batch *batch)
{
    batch->n = 0;
    r->batch = batch->rows;
    while (!r->done && batch->n < STRATA_BATCH_ROWS) {
        row_state state = next_row(r, &batch->rows[batch->n]);
        if (state == ROW_READY) {
            batch->n++;
        } else if (state == ROW_MORE) {
            if (batch->n > 0) /* rows point into the buffer */
                break;
            strata_status rc = fill(r);
            if (rc != STRATA_OK)
                return rc;
        }
    }
    if (r->done) {
        r->segment->next = r->base + r->at;
        r->segment->lines = r->lines;
    }
    return STRATA_OK;
}

/* ---- opening --------------------------------------------------------------------------------- */

static strata_status start_stream(strata_reader *r, int64_t begin)
{
    strata_stream_close(&r->stream);
    r->at = r->end = r->carry_room;
    r->base = begin - r->carry_room;
    r->mark = r->n_marks = 0;
    r->eof = false;
    return strata_stream_open(r->plan, r->segment, begin, &r->stream);
}

/* Skips a byte order mark; other encodings than UTF-8 are refused. */
static strata_status skip_mark(strata_reader *r)
{
    const unsigned char *b = (const unsigned char *)r->buffer + r->at;
    int64_t n = r->end - r->at;
    if (n >= 4 && ((b[0] == 0xff && b[1] == 0xfe && b[3] == 0) ||
                   (b[0] == 0xfe && b[1] == 0xff && b[2] == 0)))
        return strata_context_fail(r->plan->ctx, STRATA_ERR_INPUT, __FILE__, __LINE__,
                                   "%s: is UTF-16; convert it to UTF-8 (iconv -f UTF-16 -t UTF-8)",
                                   r->path);
    if (n >= 3 && b[0] == 0xef && b[1] == 0xbb && b[2] == 0xbf)
        set_place(r, r->at + 3);
    return STRATA_OK;
}

/* Finds the wanted columns among names [n]; path NULL: input.names. */
static strata_status place_columns(strata_reader *r, const char *path, const strata_field *names,
                                   int64_t n)
{
    strata_status rc = STRATA_OK;
    if (r->plan->numbers)
        return strata_numeric_place(r->plan, path, names, n, &r->columns, r->column);
    STRATA_TRY(strata_columns_map(r->plan->ctx, r->plan->config, path, names, n, &r->columns));
    for (int32_t i = 0; i < r->n_wanted; i++)
        r->column[i] = r->columns.of_role[r->slot[i]];
done:
    return rc;
}

/* Reads the first row, which names the columns or is skipped. */
static strata_status read_header(strata_reader *r)
{
    strata_status rc = STRATA_OK;
    int64_t pos = 0, next = 0;
    strata_cut_row *cut = &r->cut;
    for (;;) {
        if (r->at == r->end && r->eof)
            goto done; /* an empty file has no rows and needs no names */
        bool empty_line = r->at < r->end && (r->buffer[r->at] == '\n' || r->buffer[r->at] == '\r');
        if (empty_line && find_line_end(r, &pos, &next) == LINE_END_FOUND) {
            r->lines++;
            set_place(r, next);
            continue;
        }
        cut->at = r->buffer + r->at;
        cut->end = r->buffer + r->end;
        cut->complete = r->eof;
        if (!empty_line && strata_cut_quoted(cut) == STRATA_CUT_DONE)
            break;
        if (r->eof || r->end - r->at > r->plan->tuning->row_limit + 2)
            STRATA_FAIL(r->plan->ctx, STRATA_ERR_INPUT,
                        "%s:1: the header row does not end: a quote is not closed, or it is longer "
                        "than %lld bytes",
                        r->path, (long long)r->plan->tuning->row_limit);
        STRATA_TRY(fill(r));
    }
    r->lines += strata_scan_line_ends(cut->at, cut->next - cut->at, 0);
    set_place(r, cut->next - r->buffer);
    if (r->plan->config->input.header != STRATA_HEADER_NAMES)
        goto done;
    for (int64_t i = 0; i < cut->n_fields && i <= STRATA_COLUMNS_LIMIT; i++) {
        if (cut->escaped[i])
            strata_cut_unescape(&cut->fields[i]);
        cut->fields[i] = trimmed(cut->fields[i].text, cut->fields[i].length);
    }
    STRATA_TRY(place_columns(r, r->path, cut->fields, cut->n_fields));
done:
    return rc;
}

static strata_status map_configured_names(strata_reader *r)
{
    const strata_config *config = r->plan->config;
    strata_status rc = STRATA_OK;
    if (config->input.header == STRATA_HEADER_NAMES)
        return STRATA_OK;
    if (config->input.n_names > STRATA_COLUMNS_LIMIT)
        STRATA_FAIL(r->plan->ctx, STRATA_ERR_USAGE, "input.names: more than %d columns",
                    (int)STRATA_COLUMNS_LIMIT);
    for (int32_t i = 0; i < config->input.n_names; i++)
        r->cut.fields[i] =
            (strata_field){config->input.names[i], (int64_t)strlen(config->input.names[i])};
    STRATA_TRY(place_columns(r, NULL, r->cut.fields, config->input.n_names));
done:
    return rc;
}

/* From the byte before begin on, finds where the first row starts: after the first line end.
 * That is right unless begin lies inside a quoted field; the ranges are proven afterwards
 * (ranges.c). */
static strata_status speculate(strata_reader *r, int64_t data_start)
{
    strata_segment *segment = r->segment;
    int64_t pos = 0, next = 0;
    for (;;) {
        if (r->base + r->at >= segment->end || (r->at == r->end && r->eof)) {
            segment->first = INT64_MAX;
            r->done = true;
            return STRATA_OK;
        }
        if (data_start >= segment->begin) { /* the rows begin within or after the segment */
            int64_t at = data_start - r->base < r->end ? data_start - r->base : r->end;
            set_place(r, at);
            if (at < r->end)
                break;
        } else {
            line_end state = find_line_end(r, &pos, &next);
            set_place(r, state == LINE_END_FOUND ? next : pos);
            if (state == LINE_END_FOUND)
                break;
        }
        strata_status rc = fill(r);
        if (rc != STRATA_OK)
            return rc;
    }
    segment->first = r->base + r->at;
    return STRATA_OK;
}

/* Places the reader on the first row of the segment. */
static strata_status seek_first(strata_reader *r)
{
    strata_status rc = STRATA_OK;
    strata_segment *segment = r->segment;
    strata_block_hashes *hashes = r->plan->hashes;
    if (segment->begin > 0)
        r->plan->hashes = NULL; /* the start of the file is another rank's to hash */
    rc = start_stream(r, 0);
    if (rc == STRATA_OK)
        rc = fill(r);
    if (rc == STRATA_OK)
        rc = skip_mark(r);
    if (rc == STRATA_OK && r->plan->config->input.header != STRATA_HEADER_NONE)
        rc = read_header(r);
    r->plan->hashes = hashes;
    STRATA_TRY(rc);
    int64_t data_start = r->base + r->at;
    segment->first = data_start;
    if (segment->begin == 0)
        goto done;
    r->lines = 0;
    if (segment->forced >= segment->end) {
        segment->first = segment->forced;
        r->done = true;
    } else if (segment->forced >= 0) {
        segment->first = segment->forced;
        STRATA_TRY(start_stream(r, segment->forced));
    } else {
        STRATA_TRY(start_stream(r, segment->begin - 1));
        STRATA_TRY(speculate(r, data_start));
    }
done:
    return rc;
}

static void text_close(strata_reader **reader)
{
    strata_reader *r = *reader;
    if (!r)
        return;
    strata_stream_close(&r->stream);
    strata_free(&r->buffer);
    strata_free(&r->marks);
    strata_free(&r->ends);
    strata_free(&r->scratch);
    strata_free(&r->cut.fields);
    strata_free(&r->cut.escaped);
    strata_free(reader);
}

static strata_status text_open(strata_read_plan *plan, strata_segment *segment, strata_reader **out)
{
    strata_status rc = STRATA_OK;
    strata_reader *r = NULL;
    strata_context *ctx = plan->ctx;
    const int64_t block = plan->tuning->block_bytes, limit = plan->tuning->row_limit;
    STRATA_TRY(strata_calloc(ctx, 1, sizeof *r, &r));
    r->plan = plan;
    r->segment = segment;
    r->path = plan->sources[segment->source].path;
    r->delimiter = plan->config->input.delimiter;
    r->scan_for = r->delimiter == ' ' ? '\n' : r->delimiter;
    r->cut.delimiter = r->delimiter;
    r->user_limit =
        plan->config->privacy.mode == STRATA_PRIVACY_PLAIN ? USER_LIMIT_PLAIN : USER_LIMIT_KEYED;
    r->carry_room = (limit + 2 + 63) / 64 * 64 + 64;
    STRATA_TRY(strata_alloc(ctx, r->carry_room + block + PADDING, 1, &r->buffer));
    STRATA_TRY(strata_alloc(ctx, r->carry_room + block, sizeof *r->marks, &r->marks));
    STRATA_TRY(strata_alloc(ctx, STRATA_COLUMNS_LIMIT + 1, sizeof *r->ends, &r->ends));
    STRATA_TRY(strata_alloc(ctx, STRATA_COLUMNS_LIMIT + 1, sizeof *r->cut.fields, &r->cut.fields));
    STRATA_TRY(strata_alloc(ctx, STRATA_COLUMNS_LIMIT + 1, 1, &r->cut.escaped));
    if (plan->config->clean.duplicates == STRATA_DUPLICATES_DROP)
        STRATA_TRY(strata_alloc(ctx, limit + 16 * STRATA_ROLE_COUNT, 1, &r->scratch));
    for (int32_t i = 0; plan->numbers && i < plan->numbers->n_wanted; i++)
        r->slot[r->n_wanted++] = i;
    for (int32_t role = 0; !plan->numbers && role < STRATA_ROLE_COUNT; role++)
        if (plan->config->input.columns[role])
            r->slot[r->n_wanted++] = role;
    STRATA_TRY(map_configured_names(r));
    STRATA_TRY(seek_first(r));
    *out = r;
    r = NULL;
done:
    text_close(&r);
    return rc;
}

const strata_reader_kind strata_reader_text = {
    .name = "text", .open = text_open, .next = text_next, .close = text_close};
