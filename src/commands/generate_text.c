#include <string.h>

#include "generate_model.h"
#include "strata/dates.h"

enum { SECONDS_A_DAY = 86400 };

/* As they stand in the file; some need quotes, some have quotes within. */
static const char *const items[GENERATE_ITEMS] = {
    "mug",         "poster",   "\"lamp, brass\"",  "notebook", "\"frame 8\"\" x 10\"\"\"",
    "tea (200 g)", "umbrella", "caf\xc3\xa9 press"};

static char *put_text(char *to, const char *text)
{
    size_t n = strlen(text);
    memcpy(to, text, n);
    return to + n;
}

/* value with at least so many digits, <= 20. */
static char *put_number(char *to, uint64_t value, int digits)
{
    char reversed[20];
    int n = 0;
    for (; value > 0 || n < digits; value /= 10)
        reversed[n++] = (char)('0' + value % 10);
    while (n > 0)
        *to++ = reversed[--n];
    return to;
}

static char *put_cents(char *to, int64_t amount)
{
    if (amount < 0)
        *to++ = '-';
    uint64_t size = amount < 0 ? -(uint64_t)amount : (uint64_t)amount;
    to = put_number(to, size / 100, 1);
    *to++ = '.';
    return put_number(to, size % 100, 2);
}

static char *put_day(char *to, int32_t day)
{
    char text[11];
    strata_day_format(day, text);
    memcpy(to, text, 10);
    return to + 10;
}

/* ---- a row ----------------------------------------------------------------------------------- */

static char *put_user(const generate_market *market, const generate_row *row, uint64_t user,
                      char *to)
{
    if (row->kind == GENERATE_DIRTY_USER)
        return to;
    bool quoted = row->item & 128 || row->kind == GENERATE_DIRTY_QUOTE;
    if (quoted)
        *to++ = '"';
    *to++ = 'u';
    to = put_number(to, user, market->user_digits);
    if (row->kind == GENERATE_DIRTY_ENCODING)
        *to++ = '\xff';
    if (quoted)
        *to++ = '"';
    if (row->kind == GENERATE_DIRTY_QUOTE)
        *to++ = 'x';
    return to;
}

/* Purchases O<user>-<order>; a refund R..., a cancelled order C... */
static char *put_order_id(const generate_market *market, const generate_row *row, uint64_t user,
                          char *to)
{
    if (row->kind == GENERATE_DIRTY_ORDER)
        return to;
    *to++ = row->kind == GENERATE_REFUND ? 'R' : row->kind == GENERATE_CANCELLED ? 'C' : 'O';
    to = put_number(to, user, market->user_digits);
    *to++ = '-';
    return put_number(to, row->order + UINT64_C(1), 4);
}

static char *put_time(const generate_market *market, const generate_row *row, char *to)
{
    uint32_t second = (uint32_t)(__builtin_bswap64(row->key[0]) >> 32);
    if (row->kind == GENERATE_DIRTY_TIME)
        return put_text(to, "2023-02-30");
    to = put_day(to, market->start + (int32_t)(second / SECONDS_A_DAY));
    if (!market->full)
        return to;
    second %= SECONDS_A_DAY;
    *to++ = 'T';
    to = put_number(to, second / 3600, 2);
    *to++ = ':';
    to = put_number(to, second / 60 % 60, 2);
    *to++ = ':';
    to = put_number(to, second % 60, 2);
    *to++ = 'Z';
    return to;
}

static char *put_amount(const generate_row *row, char *to)
{
    if (row->kind == GENERATE_DIRTY_AMOUNT)
        return put_text(to, row->amount % 2 ? "1e3" : "n/a");
    return put_cents(to, row->amount);
}

char *generate_header(const generate_market *market, char *to)
{
    return put_text(to, market->full ? "user_id,order_id,order_date,region,amount,currency,item\n"
                                     : "user_id,order_date,amount\n");
}

char *generate_line(const generate_market *market, const generate_row *row, char *to)
{
    uint64_t user = __builtin_bswap64(row->key[0]) << 32 | __builtin_bswap64(row->key[1]) >> 32;
    bool cut = row->kind == GENERATE_DIRTY_COLUMNS;
    to = put_user(market, row, user, to);
    *to++ = ',';
    if (market->full) {
        to = put_order_id(market, row, user, to);
        *to++ = ',';
    }
    to = put_time(market, row, to);
    if (!cut) { /* else the row ends here */
        *to++ = ',';
        if (market->full) {
            to = put_text(to, generate_region_name(row->region));
            *to++ = ',';
        }
        to = put_amount(row, to);
        if (market->full) {
            to = put_text(to, ",USD,");
            to = put_text(to, items[row->item & 127]);
        }
    }
    *to++ = '\n';
    return to;
}

/* ---- truth ----------------------------------------------------------------------------------- */

char *generate_truth_header(char *to)
{
    return put_text(to, "user_id,group,region,rows,frequency,monetary,max_order,refunds,refunded,"
                        "cancelled,first_day,last_day\n");
}

char *generate_truth_line(const generate_market *market, int64_t user, const generate_user *truth,
                          char *to)
{
    *to++ = 'u';
    to = put_number(to, (uint64_t)user, market->user_digits);
    *to++ = ',';
    to = put_text(to, generate_group_name(truth->group));
    *to++ = ',';
    to = put_text(to, generate_region_name(truth->region));
    *to++ = ',';
    to = put_number(to, (uint64_t)truth->rows, 1);
    *to++ = ',';
    to = put_number(to, (uint64_t)truth->orders, 1);
    *to++ = ',';
    to = put_cents(to, truth->monetary);
    *to++ = ',';
    to = put_cents(to, truth->largest);
    *to++ = ',';
    to = put_number(to, (uint64_t)truth->refunds, 1);
    *to++ = ',';
    to = put_cents(to, truth->refunded);
    *to++ = ',';
    to = put_number(to, (uint64_t)truth->cancelled, 1);
    *to++ = ',';
    to = put_day(to, truth->first_day);
    *to++ = ',';
    to = put_day(to, truth->last_day);
    *to++ = '\n';
    return to;
}
