#include <math.h>
#include <stdio.h>
#include <string.h>

#include "strata/dates.h"
#include "stratify/customer.h"

/* 1234.5 as "1,234.50", 30 as "30", 0.125 as "0.125". */
static const char *number_text(double value, char text[40])
{
    char plain[40];
    if (fabs(value) >= 1e12) {
        snprintf(text, 40, "%.6g", value);
        return text;
    }
    const bool whole = fabs(value - rint(value)) < 1e-9;
    const bool cents = fabs(value * 100 - rint(value * 100)) < 1e-6;
    snprintf(plain, sizeof plain, whole ? "%.0f" : cents ? "%.2f" : "%.4f", value);
    const size_t sign = plain[0] == '-', digits = strspn(plain + sign, "0123456789");
    size_t used = 0;
    for (size_t i = 0; plain[i] && used < 38; i++) {
        if (i > sign && i < sign + digits && (sign + digits - i) % 3 == 0)
            text[used++] = ',';
        text[used++] = plain[i];
    }
    text[used] = 0;
    return text;
}

/* Money of an example: hundredths will do. */
static const char *money_text(double value, char text[40])
{
    return number_text(rint(value * 100) / 100, text);
}

/* Days are dates in words. */
static const char *value_text(strata_column column, double value, char text[40])
{
    if ((column == STRATA_FIRST_DAY || column == STRATA_LAST_DAY) && value >= STRATA_DAY_FIRST &&
        value <= STRATA_DAY_LAST)
        return strata_day_format((int32_t)value, text);
    return number_text(value, text);
}

/* "more than 500", "100 to 500", "at most 30". */
static void print_range(strata_column column, const strata_interval *r, FILE *out)
{
    char low[40], high[40];
    value_text(column, r->low, low);
    value_text(column, r->high, high);
    const bool bounded_low = isfinite(r->low), bounded_high = isfinite(r->high);
    if (bounded_low && bounded_high && r->low == r->high)
        fprintf(out, "exactly %s", low);
    else if (bounded_low && bounded_high && !r->low_open && !r->high_open)
        fprintf(out, "%s to %s", low, high);
    else if (bounded_low && bounded_high)
        fprintf(out, "%s %s and %s %s", r->low_open ? "more than" : "at least", low,
                r->high_open ? "less than" : "at most", high);
    else if (bounded_low)
        fprintf(out, "%s %s", r->low_open ? "more than" : "at least", low);
    else
        fprintf(out, "%s %s", r->high_open ? "less than" : "at most", high);
}

static void print_recency(const strata_nature *nature, const strata_interval *r, FILE *out)
{
    char low[40], high[40];
    number_text(r->low, low);
    number_text(r->high, high);
    if (r->low <= 1)
        fprintf(out, "bought in the last %s", r->high == 1 ? "day" : high);
    else if (r->high >= nature->window)
        fprintf(out, "last bought %s or more days ago", low);
    else if (r->low == r->high)
        fprintf(out, "last bought %s days ago", low);
    else
        fprintf(out, "last bought %s to %s days ago", low, high);
    if (r->low <= 1 && r->high > 1)
        fputs(" days", out);
}

static const char *const before[STRATA_COLUMN_COUNT] = {[STRATA_FIRST_DAY] = "first purchase ",
                                                        [STRATA_LAST_DAY] = "last purchase ",
                                                        [STRATA_MONETARY] = "spent ",
                                                        [STRATA_AOV] = "an average order of ",
                                                        [STRATA_MONTHLY_MEAN] = "spends ",
                                                        [STRATA_MAX_ORDER] = "a largest order of ",
                                                        [STRATA_R_SCORE] = "r_score ",
                                                        [STRATA_F_SCORE] = "f_score ",
                                                        [STRATA_M_SCORE] = "m_score ",
                                                        [STRATA_COMPOSITE] = "composite ",
                                                        [STRATA_COMPOSITE_STD] = "composite_std "};
static const char *const after[STRATA_COLUMN_COUNT] = {[STRATA_FREQUENCY] = " orders",
                                                       [STRATA_MONETARY] = " in all",
                                                       [STRATA_MONTHLY_MEAN] = " a month"};

void strata_box_print(const strata_nature *nature, const strata_interval *box, FILE *out)
{
    int printed = 0;
    for (int c = 0; c < STRATA_COLUMN_COUNT; c++) {
        /* an end that nature sets anyway is no bound worth a word */
        strata_interval r = box[c];
        const strata_interval *range = &nature->range[c];
        if (r.low <= range->low && c != STRATA_RECENCY_DAYS)
            r.low = -INFINITY;
        if (r.high >= range->high && c != STRATA_RECENCY_DAYS)
            r.high = INFINITY;
        if (c == STRATA_RECENCY_DAYS ? r.low <= range->low && r.high >= range->high
                                     : !isfinite(r.low) && !isfinite(r.high))
            continue;
        fputs(printed++ ? ", " : "", out);
        if (c == STRATA_RECENCY_DAYS) {
            print_recency(nature, &r, out);
            continue;
        }
        fputs(before[c] ? before[c] : "", out);
        print_range((strata_column)c, &r, out);
        fputs(after[c] ? after[c] : "", out);
    }
    if (printed == 0)
        fputs("every customer", out);
}

void strata_customer_print(const strata_customer *customer, const bool *used, FILE *out)
{
    const double *v = customer->value;
    char text[5][40];
    const double tenure = v[STRATA_LAST_DAY] - v[STRATA_FIRST_DAY] + v[STRATA_RECENCY_DAYS];
    const bool once = v[STRATA_FREQUENCY] == 1;
    fprintf(out, "last bought %s day%s ago", number_text(v[STRATA_RECENCY_DAYS], text[0]),
            v[STRATA_RECENCY_DAYS] == 1 ? "" : "s");
    if (tenure > v[STRATA_RECENCY_DAYS])
        fprintf(out, " and first %s days ago", number_text(tenure, text[0]));
    if (once)
        fprintf(out, ", one order of %s", money_text(v[STRATA_MAX_ORDER], text[0]));
    else
        fprintf(out, ", %s orders, the largest %s", number_text(v[STRATA_FREQUENCY], text[0]),
                money_text(v[STRATA_MAX_ORDER], text[1]));
    if (used[STRATA_AOV] && !once)
        fprintf(out, " and %s on average", money_text(v[STRATA_AOV], text[2]));
    fprintf(out, ", %s in all", money_text(v[STRATA_MONETARY], text[3]));
    if (v[STRATA_MONETARY] < v[STRATA_AOV] * v[STRATA_FREQUENCY] * (1 - 1e-12))
        fputs(" after refunds", out);
    fprintf(out, " (%s a month)", money_text(v[STRATA_MONTHLY_MEAN], text[4]));
    for (int c = STRATA_R_SCORE; c <= STRATA_COMPOSITE_STD; c++)
        if (used[c])
            fprintf(out, ", %s%s", before[c], number_text(v[c], text[0]));
    for (int c = STRATA_FIRST_DAY; c <= STRATA_LAST_DAY; c++)
        if (used[c])
            fprintf(out, ", %s%s", before[c], value_text((strata_column)c, v[c], text[0]));
}
