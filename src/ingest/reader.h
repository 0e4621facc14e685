/* reader.h: how the ingest room reads. A reader turns one segment of one file into batches of
 * typed rows; delimited text is one kind of reader, further formats join by filling in the same
 * struct. */
#ifndef STRATA_INGEST_READER_H
#define STRATA_INGEST_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "strata/config.h"
#include "strata/context.h"
#include "strata/dates.h"
#include "strata/ingest.h"

/* Sizes that bound the memory of ingest. Tests shrink them to reach every edge with small files. */
typedef struct strata_ingest_tuning {
    int64_t block_bytes;       /* one read, and one block of the digest */
    int64_t row_limit;         /* longest row in bytes */
    int64_t table_entries;     /* of the first aggregation; reaching it starts a round */
    int64_t slice_entries;     /* records a rank sends in one exchange */
    int64_t rejects_in_memory; /* beyond it they spill into a temporary file */
} strata_ingest_tuning;

typedef struct strata_source {
    char *path;
    int64_t bytes; /* as stored */
    bool gzip;
} strata_source;

/* What one rank reads of one file. Rows whose first byte lies in [begin, end) belong to it. */
typedef struct strata_segment {
    int32_t source;
    int64_t begin, end; /* bytes of a plain file; a gzip file is always whole: 0, INT64_MAX */
    int64_t forced;     /* where its first row starts, from the left neighbour; -1 = speculate */
    /* Results, valid when the reader reached the end: */
    int64_t first; /* where its first row starts; >= end: no row starts here */
    int64_t next;  /* where the row after its last one starts */
    int64_t lines; /* line ends in [first, next), with begin = 0 also those of the header */
    int64_t
        line_ends; /* line ends in [begin, end), counted apart from the parser; first pass only */
    int64_t line_base; /* lines of the file before first, once the ranges are proven */
} strata_segment;

typedef struct strata_field {
    const char *text; /* not terminated; at least 16 readable bytes follow */
    int64_t length;
} strata_field;

/* One row. Text points into the reader's buffer and lives until the next call of next. */
typedef struct strata_row {
    int64_t offset; /* of its first byte in the plain text of the file */
    int64_t line;   /* line ends of the segment before it */
    int64_t amount; /* 10^-decimals units */
    int32_t day, second; /* numeric table: second is the wanted column of that field */
    int32_t n_found, n_expected; /* columns, of a row that is rejected for their number */
    int32_t reject; /* strata_reject, or STRATA_REJECT_COUNT for a readable row */
    bool clipped;   /* set by the check of outliers */
    strata_field user, order, region, currency; /* numeric table: key, the field that is no number */
    uint64_t hash[2]; /* of the text of all mapped columns; only when duplicates are looked for */
} strata_row;

enum { STRATA_BATCH_ROWS = 512 };

typedef struct strata_batch {
    strata_row rows[STRATA_BATCH_ROWS];
    int32_t n;
} strata_batch;

/* Hashes of the blocks of stored files that this rank read first (see digest.c). */
typedef struct strata_block_hash {
    int64_t block;
    int32_t source;
    uint8_t hash[16];
    int32_t unused;
} strata_block_hash;

typedef struct strata_block_hashes {
    strata_block_hash *items;
    int64_t n, capacity;
} strata_block_hashes;

/* A numeric table instead of transactions (numeric.c): which columns, and where their numbers go. */
enum { STRATA_WANTED_LIMIT = STRATA_NUMERIC_VALUES_LIMIT + 1 };

typedef struct strata_numeric_plan {
    const char *const *names; /* [n_wanted], the key last */
    int32_t n_wanted, n_values; /* n_wanted = n_values, or one more with a key */
    double *values;           /* [STRATA_BATCH_ROWS, n_values] of the batch in hand */
} strata_numeric_plan;

/* What readers need to know; borrowed by them. */
typedef struct strata_read_plan {
    strata_context *ctx;
    const strata_config *config;
    const strata_source *sources;
    const strata_ingest_tuning *tuning;
    strata_time_format time_format;
    const strata_numeric_plan *numbers; /* NULL: transactions */
    strata_block_hashes *hashes; /* NULL once every block is hashed */
    int64_t bytes_read;          /* of stored files, for the progress line */
} strata_read_plan;

typedef struct strata_reader strata_reader;

typedef struct strata_reader_kind {
    const char *name;
    /* Not collective. */
    strata_status (*open)(strata_read_plan *plan, strata_segment *segment, strata_reader **out);
    /* Fills the batch; n = 0 at the end of the segment, whose results are then set. */
    strata_status (*next)(strata_reader *reader, strata_batch *batch);
    void (*close)(strata_reader **reader); /* safe on NULL */
} strata_reader_kind;

extern const strata_reader_kind strata_reader_text;

/* ---- pieces of the text reader --------------------------------------------------------------- */

/* Positions of the structural bytes (delimiter, line ends, quote, NUL) of buffer[from, to) in
 * marks; returns their number. *high tells whether a byte >= 0x80 was met. buffer must be
 * readable to the next multiple of 64 bytes after from. */
int64_t strata_scan_marks(const char *buffer, int64_t from, int64_t to, char delimiter,
                          uint32_t *marks, bool *high);

/* Line ends (LF, CRLF, CR) in text[0, length), where previous is the byte before text (0: none). */
int64_t strata_scan_line_ends(const char *text, int64_t length, char previous);

bool strata_scan_utf8(const char *text, int64_t length);

enum { STRATA_COLUMNS_LIMIT = 4096 };

/* Which column of a file means what. */
typedef struct strata_columns {
    int32_t n;                          /* columns of a row */
    int32_t of_role[STRATA_ROLE_COUNT]; /* -1 = not mapped */
} strata_columns;

/* Maps roles to the columns named names[n]. STRATA_ERR_USAGE names what is missing. Not
 * collective. */
strata_status strata_columns_map(strata_context *ctx, const strata_config *config, const char *path,
                                 const strata_field *names, int64_t n,
                                 strata_columns *out) STRATA_MUST_USE;

/* The places columns [n_wanted] of the wanted names among names [n] of a row. STRATA_ERR_INPUT names
 * what is missing or there twice. Not collective. */
strata_status strata_numeric_place(const strata_read_plan *plan, const char *path,
                                   const strata_field *names, int64_t n, strata_columns *columns,
                                   int32_t *places) STRATA_MUST_USE;

/* The bytes of one file in blocks, unpacked. */
typedef struct strata_stream strata_stream;

/* begin: first plain byte wanted (0 for gzip). Hashes the blocks that start in the segment. */
strata_status strata_stream_open(strata_read_plan *plan, const strata_segment *segment,
                                 int64_t begin, strata_stream **out) STRATA_MUST_USE;
/* Up to block_bytes plain bytes into buffer; *got = 0 at the end. STRATA_ERR_INPUT for a broken
 * gzip. */
strata_status strata_stream_read(strata_stream *stream, char *buffer, int64_t *got) STRATA_MUST_USE;
void strata_stream_close(strata_stream **stream);

/* A row cut into fields by the state machine that knows quotes (text_row.c). */
typedef enum strata_cut { STRATA_CUT_DONE, STRATA_CUT_MORE } strata_cut;

typedef struct strata_cut_row {
    const char *at, *end; /* in: row start and end of the data */
    char delimiter;       /* ' ' = runs of blanks and tabs */
    bool complete;        /* in: no further data will come */
    strata_field *fields; /* [STRATA_COLUMNS_LIMIT + 1] */
    int64_t n_fields;     /* out; fields beyond the limit are counted only */
    const char *row_end;  /* out: the line end */
    const char *next;     /* out: the first byte after the line end */
    bool bad_quote;
    uint8_t *escaped; /* [STRATA_COLUMNS_LIMIT + 1] the field holds doubled quotes */
} strata_cut_row;

strata_cut strata_cut_quoted(strata_cut_row *row);

/* Undoes doubled quotes in place; the field's bytes must be writable. */
void strata_cut_unescape(strata_field *field);

#endif
