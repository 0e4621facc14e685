/* generate_model.h: the synthetic market behind `strata generate`. Every transaction is a function of
 * (options, seed, user index) alone, in integer and basic floating-point operations only, so it is the
 * same on every rank count and processor. Nothing here is collective. */
#ifndef STRATA_COMMANDS_GENERATE_MODEL_H
#define STRATA_COMMANDS_GENERATE_MODEL_H

#include <stdbool.h>
#include <stdint.h>

enum { GENERATE_GROUPS = 4, GENERATE_REGIONS = 24, GENERATE_ITEMS = 8 };

/* What a row is. The kinds from GENERATE_DIRTY on cannot be read as a transaction. */
typedef enum generate_kind {
    GENERATE_PURCHASE,
    GENERATE_REFUND,
    GENERATE_CANCELLED,
    GENERATE_DIRTY,
    GENERATE_DIRTY_COLUMNS = GENERATE_DIRTY, /* a column is missing */
    GENERATE_DIRTY_QUOTE,                    /* text behind a closing quote */
    GENERATE_DIRTY_ENCODING,                 /* a byte that is not UTF-8 */
    GENERATE_DIRTY_USER,                     /* no user */
    GENERATE_DIRTY_TIME,                     /* a day that does not exist */
    GENERATE_DIRTY_AMOUNT,                   /* not a decimal */
    GENERATE_DIRTY_ORDER,                    /* no order id; with order ids only */
    GENERATE_KINDS
} generate_kind;

typedef struct generate_market {
    int64_t users;
    uint64_t seed;
    int32_t start, as_of; /* days; transactions lie in [start, as_of) */
    int32_t regions;
    bool full; /* all columns; else user_id, order_date, amount */
    double rows_per_user, refund_share, cancelled_share, dirty_share, quoted_share;
    int user_digits; /* of a user id, from users */
} generate_market;

/* One row of the log. The key comes first and orders by memcmp: second since start, user, place. */
typedef struct generate_row {
    uint64_t key[2]; /* big-endian: second << 32 | user >> 32, user << 32 | place */
    int64_t amount;  /* 10^-2 */
    uint32_t order;  /* number within the user */
    uint16_t region;
    uint8_t kind, item; /* item | 128: the user id is quoted */
} generate_row;

/* What is true of one user. Money in 10^-2. */
typedef struct generate_user {
    int32_t group, region;
    int32_t first_day, last_day; /* of purchases */
    int64_t rows, orders, monetary, largest, refunds, refunded, cancelled;
    int64_t kinds[GENERATE_KINDS]; /* rows by kind */
} generate_user;

/* Rows one user can have at most. */
int64_t generate_most_rows(const generate_market *market);

/* Writes the rows of a user in order of their place into rows [generate_most_rows] and sets *n. */
void generate_user_rows(const generate_market *market, int64_t user, generate_row *rows, int64_t *n,
                        generate_user *truth);

const char *generate_group_name(int32_t group);
const char *generate_region_name(int32_t region);
const char *generate_kind_name(int32_t kind);

/* ---- text ------------------------------------------------------------------------------------ */

/* Bytes one row or line of truth can have at most. */
enum { GENERATE_LINE = 192 };

/* The header line, a row, each with its line end; returns the end. */
char *generate_header(const generate_market *market, char *to);
char *generate_line(const generate_market *market, const generate_row *row, char *to);

char *generate_truth_header(char *to);
char *generate_truth_line(const generate_market *market, int64_t user, const generate_user *truth,
                          char *to);

#endif
