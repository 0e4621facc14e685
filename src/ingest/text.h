/* text.h: private to the reader of delimited text. What is shared by text.c, which reads rows, and
 * text_open.c, which finds where they begin. */
#ifndef STRATA_INGEST_TEXT_H
#define STRATA_INGEST_TEXT_H

#include "ingest/reader.h"

enum { STRATA_PADDING = 128 }; /* readable bytes after the data, for 64-byte loads */

struct strata_reader {
    strata_read_plan *plan;
    strata_segment *segment;
    const char *path;
    strata_stream *stream;
    strata_columns columns;
    char *buffer;    /* [carry_room + block_bytes + STRATA_PADDING]; data is [at, end) */
    uint32_t *marks; /* [carry_room + block_bytes] positions of structural bytes in [at, end) */
    uint32_t *ends;  /* [STRATA_COLUMNS_LIMIT + 1] ends of the fields of one row */
    char *scratch;   /* the mapped fields of a row end to end, when duplicates are looked for */
    strata_cut_row cut;
    int32_t slot[STRATA_WANTED_LIMIT];   /* wanted fields: roles, or 0, 1, ... of a numeric table */
    int32_t column[STRATA_WANTED_LIMIT]; /* where each stands in the row */
    int32_t n_wanted;
    strata_field field[STRATA_WANTED_LIMIT]; /* of one row, by slot; not wanted: empty */
    const strata_row *batch;                 /* the rows that are being filled */
    int64_t carry_room, at, end, base;       /* buffer[i] is byte base + i of the plain file */
    int64_t mark, n_marks, lines, user_limit;
    char delimiter, scan_for;
    bool high, eof, skipping, done;
};

/* All not collective.
 *
 * Moves what is left in front of the next block and reads that block. */
strata_status strata_ingest_fill(strata_reader *r) STRATA_MUST_USE;

typedef enum strata_line_end { LINE_END_FOUND, LINE_END_NONE, LINE_END_HALF } strata_line_end;

/* The first line end from the current mark on: *pos is its first byte, *next the byte after it.
 * HALF: a CR is the last byte and a LF may follow; *pos is set. NONE: *pos is the end of the
 * data. */
strata_line_end strata_ingest_line_end(const strata_reader *r, int64_t *pos, int64_t *next);

/* What strata_reader_text does next. */
strata_status strata_ingest_next_rows(strata_reader *r, strata_batch *batch);

/* Goes on at byte next of the buffer. */
static inline void strata_ingest_set_place(strata_reader *r, int64_t next)
{
    r->at = next;
    while (r->mark < r->n_marks && r->marks[r->mark] < next)
        r->mark++;
}

/* Without blanks and tabs around it. */
static inline strata_field strata_ingest_trimmed(const char *text, int64_t length)
{
    while (length > 0 && (*text == ' ' || *text == '\t')) {
        text++;
        length--;
    }
    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t'))
        length--;
    return (strata_field){text, length};
}

#endif
