/* job.h: the state of one ingest and the pieces it is made of. A *pass* reads all segments once;
 * the scan pass only looks (last day, outlier limits), the main pass aggregates. A pass that a
 * wrongly guessed range start has spoilt is run again, so everything a pass collects can be
 * reset. */
#ifndef STRATA_INGEST_JOB_H
#define STRATA_INGEST_JOB_H

#include <string.h>

#include "ingest/reader.h"
#include "strata/hash.h"
#include "strata/partition.h"

/* ---- regions (regions.c) --------------------------------------------------------------------- */

enum { STRATA_REGIONS_LIMIT = 32767 }; /* codes are int16 */

/* Names numbered in order of arrival. */
typedef struct strata_names {
    char **items;  /* [n] */
    int32_t *hash; /* [2^bits] index + 1 */
    int32_t n, bits;
    int64_t capacity;
} strata_names;

/* The number of a name, entered if new; -1 when it would pass STRATA_REGIONS_LIMIT. Not
 * collective. */
strata_status strata_names_enter(strata_context *ctx, strata_names *names, const char *text,
                                 int64_t length, int32_t *number) STRATA_MUST_USE;
void strata_names_release(strata_names *names);

/* The regions of this rank's rows, and those of all ranks: a table every rank holds alike. */
typedef struct strata_regions {
    strata_names local, shared;
    int32_t *to_shared; /* [local.n as of the last share] */
    int64_t to_shared_capacity;
    int32_t n_told; /* local names that the other ranks know */
} strata_regions;

/* Collective. Tells all ranks the names met since the last call. STRATA_ERR_INPUT beyond the
 * limit. */
strata_status strata_regions_share(strata_context *ctx, strata_regions *regions) STRATA_MUST_USE;
void strata_regions_release(strata_regions *regions);

/* ---- records (table.c) ----------------------------------------------------------------------- */

/* What a row, or many merged ones, say. who is the user: the raw id while on the rank that read
 * it (its length in the first byte if at most 15, else a reference into the table's arena), the
 * token (hash.h) from the exchange on. part tells the records of one user apart.
 *
 * Without an order column every row with a positive amount is an order:
 *   part = region << 1 | period
 * With one, a record is an order, or the part of it in one period:
 *   part = hash of the order id with the lowest bit replaced by the period */
typedef struct strata_record_key {
    uint8_t who[16];
    uint64_t part;
} strata_record_key;

typedef struct strata_visits {
    strata_record_key key;
    int64_t net, positive, largest;
    int64_t last_time; /* seconds since 1970, INT64_MIN without a purchase */
    int32_t first_day; /* INT32_MAX without a purchase */
    int32_t orders;
} strata_visits;

typedef struct strata_order {
    strata_record_key key;
    int64_t total;
    int64_t time;   /* of the earliest row with a positive amount, INT64_MAX for none */
    int32_t region; /* of that row */
    int32_t unused;
} strata_order;

/* Follows each record over the network when duplicates are looked for. */
typedef struct strata_row_tail {
    uint64_t hash[2]; /* of the row's text */
    int64_t clipped;  /* 1: an outlier, cut to the limit */
} strata_row_tail;

/* A record table: records in pages that never move, found through an open-addressing index. */
typedef struct strata_table {
    strata_context *ctx;
    int64_t record_size, n, limit; /* limit: most records; 0 = grows */
    bool is_orders;
    bool is_set;     /* records of one key are the same: the first one stays */
    bool keeps_rows; /* no merging: duplicates are told apart later */
    char **pages;
    int64_t n_pages, pages_capacity;
    uint64_t *slots; /* [2^bits] tag << 32 | index + 1 */
    int32_t bits;
    char *arena; /* long ids */
    int64_t arena_used, arena_capacity;
    strata_row_tail *tails;    /* [limit] with keeps_rows */
    const strata_names *names;  /* of the region numbers in the records, for ties */
    struct strata_table *donor; /* takes pages over from this table of the same record size: */
    int64_t donated, spare;     /* pages taken; pages that may be taken */
} strata_table;

/* Large enough that pages are huge pages, without which most of the time goes into address
 * translation. */
enum { STRATA_TABLE_PAGE_BITS = 18 };

static inline void *strata_table_record(const strata_table *table, int64_t index)
{
    return table->pages[index >> STRATA_TABLE_PAGE_BITS] +
           (index & ((1 << STRATA_TABLE_PAGE_BITS) - 1)) * table->record_size;
}

strata_status strata_table_init(strata_context *ctx, bool is_orders, int64_t limit,
                                strata_table *table) STRATA_MUST_USE;
void strata_table_release(strata_table *table);
/* Keeps the memory, but for the long ids, which are wiped. */
void strata_table_clear(strata_table *table);
/* Frees the index: nothing more will be added or merged. */
void strata_table_close(strata_table *table);

/* A candidate for a table of raw ids: the record to be merged, with the id beside it. */
typedef struct strata_candidate {
    union {
        strata_record_key key;
        strata_visits visits;
        strata_order order;
    } record; /* who: filled in for ids of at most 15 bytes */
    strata_field id;
    uint64_t hash;
    strata_row_tail tail;
} strata_candidate;

/* Fills who and hash from id and part. */
void strata_candidate_seal(strata_candidate *candidate);

/* Merges candidates by raw id; the table must have room for n more. */
strata_status strata_table_add(strata_table *table, const strata_candidate *candidates,
                               int32_t n) STRATA_MUST_USE;

/* Merges records [n] whose who is a token. The table gets new records for those at the places
 * fresh [*n_fresh] (room for n), in this order. */
strata_status strata_table_merge(strata_table *table, const char *records, int64_t n,
                                 int64_t *fresh, int64_t *n_fresh) STRATA_MUST_USE;

/* Adds records [n] as they are. */
strata_status strata_table_append(strata_table *table, const char *records,
                                  int64_t n) STRATA_MUST_USE;

/* The raw id of a record of a table of raw ids. */
strata_field strata_table_id(const strata_table *table, const uint8_t *who);

/* ---- sets of 128-bit keys (table.c) ---------------------------------------------------------- */

typedef struct strata_key_set {
    uint64_t *keys; /* [2 << bits] pairs; 0,0 = empty */
    int64_t n;
    int32_t bits;
    bool has_zero;
} strata_key_set;

/* *fresh tells whether the key was new. */
strata_status strata_key_set_add(strata_context *ctx, strata_key_set *set, const uint64_t key[2],
                                 bool *fresh) STRATA_MUST_USE;
void strata_key_set_release(strata_key_set *set);

/* ---- outliers (outliers.c) ------------------------------------------------------------------- */

/* 2^12 buckets an octave: exact counts, whatever the order of rows and ranks. Values 1 .. 2^53. */
enum { STRATA_OCTAVE_BITS = 12, STRATA_HISTOGRAM_BUCKETS = (54 - 12 + 1) << 12 };

static inline int32_t strata_histogram_bucket(int64_t value)
{
    int shift =
        63 - STRATA_OCTAVE_BITS - __builtin_clzll((uint64_t)value | (1 << STRATA_OCTAVE_BITS));
    return (int32_t)(((int64_t)shift << STRATA_OCTAVE_BITS) + (value >> shift));
}

/* The amounts that are no outliers: [low, high]. */
typedef struct strata_amount_limits {
    int64_t low, high;
    bool spread; /* false: the median deviation is 0, so nothing is called an outlier */
} strata_amount_limits;

/* counts [STRATA_HISTOGRAM_BUCKETS] are global. *beyond: how many counted amounts lie outside. */
void strata_outlier_limits(const int64_t *counts, double threshold, strata_amount_limits *limits);
int64_t strata_outlier_count(const int64_t *counts, const strata_amount_limits *limits);

/* ---- rejected rows (rejects.c) --------------------------------------------------------------- */

typedef struct strata_rejected_row {
    int64_t offset, line;
    int32_t segment; /* of this rank; turned into the file when told to others */
    int32_t reason;
} strata_rejected_row;

typedef struct strata_rejects {
    strata_rejected_row *items;
    int64_t n, capacity, n_spilled;
    int spill; /* an unlinked file, -1 = none yet */
    bool keep; /* a rejects file is wanted; otherwise only the first one is remembered */
    bool any;
    strata_rejected_row first;
    int32_t n_found, n_expected; /* columns, when they are its reason */
} strata_rejects;

/* ---- one pass (tally.c, pass.c) -------------------------------------------------------------- */

/* What a rank counts while it reads; integers all, so that sums over ranks are exact. */
typedef struct strata_tally {
    int64_t read, accepted, outside, duplicate;
    int64_t rejected[STRATA_REJECT_COUNT], dropped[STRATA_DROP_COUNT];
    int64_t flagged;
    int32_t first_day, last_day; /* of readable rows in the window; INT32_MAX, INT32_MIN for none */
    unsigned __int128 volume;    /* sum of |amount| of accepted rows */
    char currency_low[16],
        currency_high[16]; /* smallest and largest one; valid with has_currency */
    bool has_currency;
} strata_tally;

typedef struct strata_job {
    strata_context *ctx;
    const strata_config *config;
    strata_ingest_tuning tuning;
    strata_read_plan plan;
    strata_source *sources;
    int32_t n_sources;
    strata_segment *segments; /* of this rank, in order */
    int32_t n_segments;
    strata_pseudonymiser *pseudonymiser;
    strata_block_hashes hashes;
    /* the window as far as it is known; INT32_MIN and INT32_MAX where it is open */
    int32_t start, as_of, holdout_start;
    strata_amount_limits limits; /* of outliers, for clip and drop */
    bool apply_limits;
    /* collected by a pass */
    bool aggregates; /* false in a scan pass */
    strata_tally tally;
    int64_t *amounts;       /* [STRATA_HISTOGRAM_BUCKETS] of candidate rows, NULL = not wanted */
    int64_t *amounts_taken; /* the same of accepted rows, with duplicates dropped */
    int64_t *source_rows;   /* [n_sources] */
    strata_rejects rejects;
    strata_regions regions;
    strata_table local, owned;
    strata_table users; /* who those of owned are: strata_alias, in plain mode strata_identity */
    strata_key_set seen;     /* duplicates */
} strata_job;

/* Keyed mode: the pseudonym of the user behind a token. */
typedef struct strata_alias {
    strata_record_key key; /* part 0 */
    uint8_t pseudonym[16];
} strata_alias;

/* Plain mode: the id behind a token, which is the pseudonym. */
typedef struct strata_identity {
    strata_record_key key; /* part 0 */
    char id[64];    /* zero-padded */
    int64_t length;
} strata_identity;

static inline bool strata_job_has_orders(const strata_job *job)
{
    return job->config->input.columns[STRATA_ROLE_ORDER] != NULL;
}

/* Whether all records of a user merge into one. */
static inline bool strata_job_has_one_part(const strata_job *job)
{
    return !job->config->input.columns[STRATA_ROLE_ORDER] &&
           !job->config->input.columns[STRATA_ROLE_REGION] && job->config->window.holdout_days == 0;
}

static inline bool strata_job_has_region(const strata_job *job)
{
    return job->config->input.columns[STRATA_ROLE_REGION] != NULL;
}

static inline bool strata_job_drops_duplicates(const strata_job *job)
{
    return job->config->clean.duplicates == STRATA_DUPLICATES_DROP;
}

static inline bool strata_job_is_plain(const strata_job *job)
{
    return job->config->privacy.mode == STRATA_PRIVACY_PLAIN;
}

/* Collective. Expands, checks and sizes the files of the configuration. */
strata_status strata_files_list(strata_context *ctx, const strata_config *config,
                                strata_source **sources, int32_t *n) STRATA_MUST_USE;
void strata_files_release(strata_source **sources, int32_t n);

/* Not collective. Deals the bytes of all files out; the segments of rank. */
strata_status strata_ranges_deal(strata_context *ctx, const strata_source *sources, int32_t n,
                                 strata_segment **segments, int32_t *n_segments) STRATA_MUST_USE;
/* Collective. After a pass: *proven tells whether the rows of all ranks chain without gap or
 * overlap. If not, segments carry better starts for another pass; if so, their line_base. */
strata_status strata_ranges_prove(strata_job *job, bool *proven) STRATA_MUST_USE;

/* Not collective. Judges the rows of a batch and brings what is accepted into job->local. */
strata_status strata_tally_batch(strata_job *job, int32_t segment,
                                 strata_batch *batch) STRATA_MUST_USE;
void strata_tally_reset(strata_tally *tally);

/* Not collective. Counts a row as accepted: where it was read, or, when duplicates are dropped,
 * by the owner of its user. */
void strata_tally_accept(strata_job *job, int64_t amount, bool clipped);

/* Collective. Runs passes over the segments until one is proven. */
strata_status strata_pass_run(strata_job *job, bool aggregates) STRATA_MUST_USE;

/* Collective. Sends the records of job->local to the ranks that own their tokens, who merge them
 * and learn who the users are. */
strata_status strata_shuffle(strata_job *job) STRATA_MUST_USE;

/* Ranks own equal ranges of 16-byte keys, so their order is the order of the keys. */
static inline int strata_owner_of(const strata_context *ctx, const uint8_t who[16])
{
    uint64_t top = 0;
    memcpy(&top, who, 8);
    top = __builtin_bswap64(top); /* keys compare as bytes */
    return (int)((unsigned __int128)top * (unsigned)ctx->size >> 64);
}

/* Not collective. */
void strata_rejects_init(strata_rejects *rejects, bool keep);
strata_status strata_rejects_add(strata_job *job, int32_t segment,
                                 const strata_row *row) STRATA_MUST_USE;
void strata_rejects_release(strata_rejects *rejects);
/* Collective. Writes input.rejects_file, if configured. */
strata_status strata_rejects_write(strata_job *job) STRATA_MUST_USE;
/* Collective. "path:line: reason" of the first rejected row of all, with the numbers of
 * columns where they are it; "" for none. */
strata_status strata_rejects_first(strata_job *job, char *text, int64_t room) STRATA_MUST_USE;

/* Collective. Digests of the stored files, [n_sources][33] on all ranks. */
strata_status strata_digest_files(strata_job *job, char (*digests)[33]) STRATA_MUST_USE;

/* Not collective. Order of the records of a table by (who, part): *order [table->n], owned. */
strata_status strata_order_records(strata_context *ctx, const strata_table *table,
                                   uint32_t **order) STRATA_MUST_USE;

/* What holds for the whole input once a pass is proven (finish.c). All collective, except
 * volume. */
strata_status strata_finish_sum(strata_job *job, strata_tally *all) STRATA_MUST_USE;
strata_status strata_finish_reconcile(strata_job *job, const strata_tally *all) STRATA_MUST_USE;
strata_status strata_finish_rejects(strata_job *job, const strata_tally *all) STRATA_MUST_USE;
strata_status strata_finish_volume(strata_job *job, const strata_tally *all) STRATA_MUST_USE;
strata_status strata_finish_currency(strata_job *job, char currency[16]) STRATA_MUST_USE;
/* Sums job->amounts over all ranks, sets job->limits, refuses too large a share of outliers. */
strata_status strata_finish_outliers(strata_job *job) STRATA_MUST_USE;
strata_status strata_finish_flagged(strata_job *job, int64_t *flagged) STRATA_MUST_USE;
/* The list for provenance, owned by the caller; takes the paths out of job->sources. */
strata_status strata_finish_inputs(strata_job *job, strata_input_file **inputs, int32_t *n)
    STRATA_MUST_USE;

/* Collective. Turns the owned records into the population's users, each on the rank that owns its
 * pseudonym (plain mode: in the order of ids). Fills everything but accounting, inputs and
 * currency. Consumes job->owned and users. */
strata_status strata_fold(strata_job *job, strata_population *population) STRATA_MUST_USE;

/* Not collective. The six arrays [n] of a period. */
strata_status strata_activity_alloc(strata_context *ctx, int64_t n,
                                    strata_activity *activity) STRATA_MUST_USE;

/* Collective. strata_ingest with sizes of choice. */
strata_status strata_ingest_tuned(strata_context *ctx, const strata_config *config,
                                  const strata_ingest_tuning *tuning,
                                  strata_population *population) STRATA_MUST_USE;
extern const strata_ingest_tuning strata_ingest_default_tuning;

#endif
