/* ingest.h: the ingest room. Files in, one row a user out, each user on one rank, every input
 * row accounted for.
 *
 * Rows flow: read (byte range of this rank) -> parse -> check -> aggregate locally -> exchange
 * by token (hash.h) in bounded rounds -> aggregate again -> one row a user -> to the rank that
 * owns the pseudonym. A pseudonym is made once for each user, where its first row was read: in
 * keyed mode no raw id leaves the rank that read it. All sums are integers, so neither the
 * partition nor the arrival order can change a bit. The same log split into several files, or
 * packed, gives the same users.
 *
 * Rows. A row ends at LF, CRLF or CR outside quotes. Empty lines are no rows. Quotes follow RFC
 * 4180; a quote inside an unquoted field is misplaced. Mapped fields are trimmed of blanks and
 * tabs. A row that does not end within STRATA_INGEST_ROW_LIMIT bytes ends at its first line end
 * and is rejected: too_long if that line is longer than the limit, else quote (one was never
 * closed). So a stray quote costs one line, not the rest of the file. Byte ranges start by guess
 * after a line end; that the rows of all ranks chain without gap or overlap is proven
 * afterwards, and a pass with a wrong guess (the range began inside a quoted field) is run
 * again.
 *
 * Verdicts, the first that fits: rejected (too_long, encoding (NUL), quote, columns; then
 * encoding, too_long, user, time, amount, order of the mapped fields) - outside the window -
 * dropped by order prefix - rejected or dropped as a refund - dropped as an outlier - duplicate
 * - accepted.
 *
 * Orders. With an order column, the rows of one user with one order id are an order: its total
 * is their sum, it counts if that is > 0, and it has the time and region of its earliest row
 * with a positive amount (ties: smallest region name). Without one, each row with a positive
 * amount is an order; other rows count in net. A user's region is the one with most orders, ties
 * to the latest order, then to the smallest name; an empty region is called "unknown". Times
 * count to the second.
 *
 * Outliers. |amount - median| > threshold * 1.4826 * MAD over the amounts > 0 of rows that no
 * other rule took, duplicates included; all transaction rows of a run are one source. Median and
 * MAD come from a histogram with 4096 buckets an octave (a bucket is in or out as a whole), so
 * they do not depend on the order of rows. A MAD of 0 calls nothing an outlier. flag needs one
 * pass over the files, clip and drop two; so does holdout_days with window.as_of: null.
 *
 * Duplicates (clean.duplicates: drop) are rows with the same text, trimmed, in every mapped
 * column, told by 128-bit hashes on the owner rank; memory is then proportional to the rows, 16
 * to 43 bytes each. */
#ifndef STRATA_INGEST_H
#define STRATA_INGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "strata/config.h"
#include "strata/context.h"
#include "strata/partition.h"

/* A row may have this many bytes; a longer one is rejected without being held in memory. */
#define STRATA_INGEST_ROW_LIMIT (INT64_C(1) << 20)
/* Files are read, and their digests made, in blocks of this size. */
#define STRATA_INGEST_BLOCK (INT64_C(1) << 20)

/* Why a row is not readable as a transaction. Texts and codes: strata_reject_text. */
typedef enum strata_reject {
    STRATA_REJECT_COLUMNS,  /* too few or too many columns */
    STRATA_REJECT_QUOTE,    /* unbalanced or misplaced quote */
    STRATA_REJECT_ENCODING, /* NUL byte or invalid UTF-8 in a mapped column */
    STRATA_REJECT_TOO_LONG, /* row or identifier beyond the limit */
    STRATA_REJECT_USER,     /* user empty */
    STRATA_REJECT_TIME,     /* not a valid date or time in the format, or out of 1900..2199 */
    STRATA_REJECT_AMOUNT,   /* not a decimal, too many digits, or out of range */
    STRATA_REJECT_ORDER,    /* order id empty */
    STRATA_REJECT_REFUND,   /* amount <= 0 under clean.refunds: reject */
    STRATA_REJECT_COUNT
} strata_reject;

/* Which cleaning rule dropped a row. */
typedef enum strata_drop {
    STRATA_DROP_ORDER_PREFIX, /* clean.skip_orders_prefix */
    STRATA_DROP_REFUND,       /* clean.refunds: drop */
    STRATA_DROP_OUTLIER,      /* clean.outliers.action: drop */
    STRATA_DROP_COUNT
} strata_drop;

/* Not collective. */
const char *strata_reject_text(strata_reject reason);
const char *strata_drop_text(strata_drop rule);

/* Where every row went; global, the same on all ranks. read = accepted + rejected + dropped +
 * outside + duplicate, checked against an independent count of line ends. */
typedef struct strata_accounting {
    int64_t read, accepted, outside, duplicate;
    int64_t rejected[STRATA_REJECT_COUNT], dropped[STRATA_DROP_COUNT];
    int64_t bytes;   /* of the files as stored */
    int64_t flagged; /* outliers flagged or clipped, a part of accepted */
    /* Amounts beyond these are outliers. NaN: not looked for; -infinity and infinity: the median
     * absolute deviation is 0, so nothing is called an outlier. */
    double outlier_low, outlier_high;
} strata_accounting;

/* What the transactions of one period say about each user: arrays [n_local], owned. Money in
 * 10^-decimals units. */
typedef struct strata_activity {
    int32_t *first_day; /* day of the first purchase; STRATA_NO_DAY without one */
    int32_t *last_day;  /* day of the last purchase */
    int32_t *orders;    /* orders with a positive total */
    int64_t *net;       /* sum of all amounts */
    int64_t *positive;  /* sum of the orders with a positive total */
    int64_t *largest;   /* largest order total, 0 without a purchase */
} strata_activity;

typedef struct strata_dictionary {
    int32_t n;
    char **names; /* [n], in byte order; code = index; owned */
} strata_dictionary;

/* One input file, for /provenance/inputs; global. */
typedef struct strata_input_file {
    char *path;
    int64_t bytes, rows;
    /* XXH3-128, hex: of the stored bytes when they fit STRATA_INGEST_BLOCK, else of the hashes
     * (16 bytes each, in order) of the blocks of that size. */
    char digest[33];
} strata_input_file;

typedef struct strata_population {
    strata_partition partition; /* users by rank; global order by user_key */
    int32_t key_width;          /* 32 in keyed mode, else the longest id */
    char *user_key;             /* [n_local, key_width], zero-padded */
    uint64_t *key64;            /* [n_local] */
    int16_t *region_code;       /* [n_local]; -1 without a region column */
    strata_dictionary regions;
    int32_t window_start, as_of; /* resolved: never STRATA_NO_DAY */
    int32_t holdout_start;       /* as_of - holdout_days */
    bool has_holdout;
    strata_activity whole;   /* [window_start, as_of): every user here has orders >= 1 */
    strata_activity fit;     /* [window_start, holdout_start), with a hold-out only */
    strata_activity holdout; /* [holdout_start, as_of), with a hold-out only */
    strata_accounting accounting;
    strata_input_file *inputs;
    int32_t n_inputs;
    char currency[16]; /* the one currency, "" when no column is mapped */
} strata_population;

/* Collective. The whole of ingest. Errors: STRATA_ERR_INPUT (a file cannot be used, too many
 * rejected rows, no users left, outlier share, several currencies, more than 32767 regions,
 * amounts that add up to 2^63), STRATA_ERR_USAGE (a mapped column is missing from the header;
 * key file), STRATA_ERR_MEMORY, STRATA_ERR_IO. input.rejects_file is written before too many
 * rejected rows are refused. Memory a rank: 64 bytes a user, region and period owned (48 an
 * order with an order column) and 40 a user (96 in plain mode), 11 to 32 more each for finding
 * them, about 200 MiB for the rounds in flight, then the result. Fault points: phase.ingest, those
 * of io.h, alloc. */
strata_status strata_ingest(strata_context *ctx, const strata_config *config,
                            strata_population *population) STRATA_MUST_USE;

/* Collective. The files that an ingest of config would read, in its order, checked and sized but not
 * read: *inputs [*n] with path and bytes (rows 0, no digest), the same on all ranks; release with
 * strata_inputs_release. Errors: as strata_ingest for files that cannot be used. */
strata_status strata_ingest_list(strata_context *ctx, const strata_config *config,
                                 strata_input_file **inputs, int32_t *n) STRATA_MUST_USE;

/* Not collective. Safe twice. */
void strata_inputs_release(strata_input_file **inputs, int32_t n);

/* Collective. The users of population that bought in the period of activity, as a population of
 * their own: partition, key64, region_code and whole (= that period's activity) are copies,
 * user_key is NULL, the dictionary of regions and the rest are left empty. rows [n_local of
 * view] receives each one's row in population; both are owned by the caller. start and as_of
 * bound the period. */
strata_status strata_population_view(strata_context *ctx, const strata_population *population,
                                     const strata_activity *activity, int32_t start, int32_t as_of,
                                     strata_population *view, int64_t **rows) STRATA_MUST_USE;

/* Not collective. Safe twice. */
void strata_population_release(strata_population *population);

/* ---- numeric tables -------------------------------------------------------------------------- */

/* Text files whose rows are numbers, and may be a key: the features of a reclustering, a file of start
 * centroids. The same files, quoting, byte ranges and line ends as transactions; no row is ever left
 * out: the first one that cannot be read fails the whole. */

#define STRATA_NUMERIC_VALUES_LIMIT 64 /* columns of numbers that are read at once */
#define STRATA_NUMERIC_KEY_LIMIT    64 /* bytes of a key */
#define STRATA_NUMERIC_NAME_LIMIT   90 /* bytes of a column's name */

/* How the files are laid out, by the beginning of the first one. */
typedef struct strata_numeric_layout {
    char delimiter;
    strata_header header;
    int32_t n;     /* columns */
    char **names;  /* [n]; c1, c2, ... where neither file nor configuration names them; owned */
    bool *numbers; /* [n] false: one of text, no number stands there in the first rows (256 at most,
                      as far as three blocks reach); owned */
    struct strata_source *sources; /* [n_sources] the files; strata_numeric_read takes them */
    int32_t n_sources;
} strata_numeric_layout;

/* Collective. Looks at the first file of config->input.files. Delimiter, header and names are those of
 * config->input, but what stands at its default there is detected:
 *   delimiter  the first of tab ; | , that the first line holds, else blanks
 *   header     the first line holds a field that is no number, NaN or empty, and it is not just a column
 *              of text, where the second line holds none either; with numbers beside it, nobody can tell
 * STRATA_ERR_INPUT for files that cannot be used, an empty one, a first line that may be a header or not,
 * names that are too long or not plain text. */
strata_status strata_numeric_look(strata_context *ctx, const strata_config *config,
                                  strata_numeric_layout *layout) STRATA_MUST_USE;
/* Not collective. Safe twice. */
void strata_numeric_layout_release(strata_numeric_layout *layout);

/* Rows in the order of the files (by path) and of their lines. */
typedef struct strata_numeric_table {
    strata_partition partition; /* as the byte ranges fell: a gzip file lies on one rank */
    int64_t n_local;
    int32_t d;
    double *values[STRATA_NUMERIC_VALUES_LIMIT]; /* [d][n_local]; owned */
    char *keys;                                  /* [n_local, key_width] zero-padded; NULL without; owned */
    int32_t key_width;
    strata_input_file *inputs; /* [n_inputs]; owned */
    int32_t n_inputs;
} strata_numeric_table;

/* Collective. Reads the files that layout was looked up in, which leave it: once only. Columns names [d] as
 * numbers, each rounded to the nearest double, and the column key (NULL = none) as text. STRATA_ERR_INPUT names file, line, column and what stands there for the first row (by
 * file and line) that has another number of columns, a field that is no finite decimal number, an empty
 * or overlong key; also for no rows at all, a name that a file does not have, a broken file.
 * Memory: 8 d bytes a row of this rank, once more for one column while it grows. */
strata_status strata_numeric_read(strata_context *ctx, const strata_config *config,
                                  strata_numeric_layout *layout, const char *const *names,
                                  int32_t d, const char *key, strata_numeric_table *table)
    STRATA_MUST_USE;
/* Not collective. Safe twice. */
void strata_numeric_table_release(strata_numeric_table *table);

#endif
