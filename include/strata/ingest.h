/* ingest.h: the ingest room. Files in, one row a user out, each user on one rank, every input row
 * accounted for.
 *
 * Rows flow: read (byte range of this rank) -> parse -> check -> aggregate locally -> exchange to the
 * owner rank in bounded rounds -> aggregate again. All sums are integers, so neither the partition nor
 * the arrival order can change a bit. */
#ifndef STRATA_INGEST_H
#define STRATA_INGEST_H

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
    STRATA_REJECT_COLUMNS,     /* too few or too many columns */
    STRATA_REJECT_QUOTE,       /* unbalanced or misplaced quote */
    STRATA_REJECT_ENCODING,    /* NUL byte or invalid UTF-8 in a mapped column */
    STRATA_REJECT_TOO_LONG,    /* row or identifier beyond the limit */
    STRATA_REJECT_USER,        /* user empty */
    STRATA_REJECT_TIME,        /* not a valid date or time in the format, or out of 1900..2199 */
    STRATA_REJECT_AMOUNT,      /* not a decimal, too many digits, or out of range */
    STRATA_REJECT_ORDER,       /* order id empty */
    STRATA_REJECT_REFUND,      /* amount <= 0 under clean.refunds: reject */
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

/* Where every row went; global, the same on all ranks. read = accepted + rejected + dropped + outside
 * + duplicate, checked against an independent count of line ends. */
typedef struct strata_accounting {
    int64_t read, accepted, outside, duplicate;
    int64_t rejected[STRATA_REJECT_COUNT], dropped[STRATA_DROP_COUNT];
    int64_t bytes;   /* of the files as stored */
    int64_t flagged; /* outliers flagged or clipped, a part of accepted */
    double outlier_low, outlier_high; /* amounts beyond these are outliers; NaN = not looked for */
} strata_accounting;

/* What the transactions of one period say about each user: arrays [n_local], owned. Money in
 * 10^-decimals units. */
typedef struct strata_activity {
    int32_t *first_day;  /* day of the first purchase; STRATA_NO_DAY without one */
    int32_t *last_day;   /* day of the last purchase */
    int32_t *orders;     /* orders with a positive total */
    int64_t *net;        /* sum of all amounts */
    int64_t *positive;   /* sum of the orders with a positive total */
    int64_t *largest;    /* largest order total, 0 without a purchase */
} strata_activity;

typedef struct strata_dictionary {
    int32_t n;
    char **names; /* [n], in byte order; code = index; owned */
} strata_dictionary;

/* One input file, for /provenance/inputs; global. */
typedef struct strata_input_file {
    char *path;
    int64_t bytes, rows;
    char digest[33]; /* XXH3-128 of the stored bytes, hex */
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

/* Collective. The whole of ingest. Errors: STRATA_ERR_INPUT (a file cannot be used, too many rejected
 * rows, no users left, outlier share), STRATA_ERR_USAGE (a mapped column is missing from the header;
 * key file), STRATA_ERR_MEMORY, STRATA_ERR_IO. Memory: users (and orders, with an order column) owned
 * plus the rounds in flight. */
strata_status strata_ingest(strata_context *ctx, const strata_config *config,
                            strata_population *population) STRATA_MUST_USE;

/* Collective. The users of population that bought in the period of activity, as a population of their
 * own: partition, key64, region_code and whole (= that period's activity) are copies, user_key is
 * NULL, the dictionary of regions and the rest are left empty. rows [n_local of view] receives each
 * one's row in population; both are owned by the caller. start and as_of bound the period. */
strata_status strata_population_view(strata_context *ctx, const strata_population *population,
                                     const strata_activity *activity, int32_t start, int32_t as_of,
                                     strata_population *view, int64_t **rows) STRATA_MUST_USE;

/* Not collective. Safe twice. */
void strata_population_release(strata_population *population);

#endif
