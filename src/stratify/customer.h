/* customer.h: a plausible customer inside given bounds, and how to say it in words. Private to the
 * stratify room. */
#ifndef STRATA_STRATIFY_CUSTOMER_H
#define STRATA_STRATIFY_CUSTOMER_H

#include "stratify/rules.h"

/* What nature and the configuration allow. */
typedef struct strata_nature {
    int32_t window;    /* days of the window, or the assumption when it is not known */
    bool window_known; /* both ends stand in the configuration */
    int32_t as_of;     /* STRATA_NO_DAY when not known */
    bool refunds;      /* monetary may be less than the orders' sum */
    strata_interval range[STRATA_COLUMN_COUNT]; /* of each column by itself */
} strata_nature;

/* One value a column. */
typedef struct strata_customer {
    double value[STRATA_COLUMN_COUNT];
} strata_customer;

strata_nature strata_nature_of(const strata_config *config);

/* Looks for a customer whose columns lie in box [STRATA_COLUMN_COUNT] and belong together: first
 * purchase before the last, largest order between average and sum, monthly mean from sum and tenure.
 * Scores and composites count as independent of the rest. False when the search finds none: it walks
 * over typical and extreme days and counts and is exact in the money, so that hardly ever misses. */
bool strata_customer_find(const strata_nature *nature, const strata_interval *box,
                          strata_customer *customer);

/* Words for a customer, naming scores and composites only where used says so
 * [STRATA_COLUMN_COUNT]. */
void strata_customer_print(const strata_customer *customer, const bool *used, FILE *out);

/* Words for the bounds of a box; "every customer" without any. */
void strata_box_print(const strata_nature *nature, const strata_interval *box, FILE *out);

#endif
