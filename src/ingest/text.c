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

#include "ingest/text.h"
#include "strata/money.h"
#include "strata/text.h"

/* Bytes of an identifier. */
enum { REGION_LIMIT = 256, CURRENCY_LIMIT = 15 };

typedef enum row_state { ROW_READY, ROW_NONE, ROW_MORE } row_state;

/* ---- data ------------------------------------------------------------------------------------ */

static void scan(strata_reader *r)
{
    memset(r->buffer + r->end, 0, STRATA_PADDING); /* later loads may look there; keep it defined */
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

strata_status strata_ingest_fill(strata_reader *r)
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

strata_line_end strata_ingest_line_end(const strata_reader *r, int64_t *pos, int64_t *next)
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

/* ---- one row --------------------------------------------------------------------------------- */

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
        *f = strata_ingest_trimmed(f->text, f->length);
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
        strata_field f = strata_ingest_trimmed(r->field[i].text, r->field[i].length);
        if (strata_text_to_double(f.text, f.length, &values[i]))
            continue;
        row->reject = STRATA_REJECT_AMOUNT;
        row->order = f;
        row->second = i;
        return;
    }
    if (r->n_wanted == plan->n_values)
        return;
    row->user =
        strata_ingest_trimmed(r->field[plan->n_values].text, r->field[plan->n_values].length);
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
    strata_line_end state = strata_ingest_line_end(r, &pos, &next);
    row->reject =
        pos - start > r->plan->tuning->row_limit ? STRATA_REJECT_TOO_LONG : STRATA_REJECT_QUOTE;
    r->skipping = state != LINE_END_FOUND && !r->eof;
    r->lines += state == LINE_END_FOUND;
    strata_ingest_set_place(r, state == LINE_END_FOUND ? next : pos);
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
    strata_ingest_set_place(r, cut->next - r->buffer);
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
    strata_line_end state = LINE_END_NONE;
    if (r->skipping) {
        state = strata_ingest_line_end(r, &pos, &next);
        strata_ingest_set_place(r, state == LINE_END_FOUND ? next : pos);
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
        state = strata_ingest_line_end(r, &pos, &next);
        if (state != LINE_END_FOUND)
            return ROW_MORE;
        r->lines++;
        strata_ingest_set_place(r, next);
        return ROW_NONE;
    }
    row->offset = r->base + r->at;
    row->line = r->lines;
    return cut_row(r, row);
}

strata_status strata_ingest_next_rows(strata_reader *r, strata_batch *batch)
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
            strata_status rc = strata_ingest_fill(r);
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
