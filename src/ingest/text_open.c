/* Opening delimited text: the byte order mark, the header, and where the first row of a byte range
 * begins. */
#include <string.h>

#include "ingest/text.h"
#include "strata/memory.h"

/* Bytes of a user's id: 64 is the fixed field that plain mode carries over the network. */
enum { USER_LIMIT_PLAIN = 64, USER_LIMIT_KEYED = 4096 };

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
        strata_ingest_set_place(r, r->at + 3);
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
        if (empty_line && strata_ingest_line_end(r, &pos, &next) == LINE_END_FOUND) {
            r->lines++;
            strata_ingest_set_place(r, next);
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
        STRATA_TRY(strata_ingest_fill(r));
    }
    r->lines += strata_scan_line_ends(cut->at, cut->next - cut->at, 0);
    strata_ingest_set_place(r, cut->next - r->buffer);
    if (r->plan->config->input.header != STRATA_HEADER_NAMES)
        goto done;
    for (int64_t i = 0; i < cut->n_fields && i <= STRATA_COLUMNS_LIMIT; i++) {
        if (cut->escaped[i])
            strata_cut_unescape(&cut->fields[i]);
        cut->fields[i] = strata_ingest_trimmed(cut->fields[i].text, cut->fields[i].length);
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
            strata_ingest_set_place(r, at);
            if (at < r->end)
                break;
        } else {
            strata_line_end state = strata_ingest_line_end(r, &pos, &next);
            strata_ingest_set_place(r, state == LINE_END_FOUND ? next : pos);
            if (state == LINE_END_FOUND)
                break;
        }
        strata_status rc = strata_ingest_fill(r);
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
        rc = strata_ingest_fill(r);
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
    STRATA_TRY(strata_alloc(ctx, r->carry_room + block + STRATA_PADDING, 1, &r->buffer));
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
    .name = "text", .open = text_open, .next = strata_ingest_next_rows, .close = text_close};
