/* space.h: the space of all customers, cut at every threshold of the rules. Inside one cell every
 * customer meets the same rules. Private to the stratify room. */
#ifndef STRATA_STRATIFY_SPACE_H
#define STRATA_STRATIFY_SPACE_H

#include "stratify/customer.h"

/* The cells of one column, in ascending order. */
typedef struct strata_axis {
    strata_column column;
    int32_t n;
    strata_interval *cell; /* [n], owned */
    bool *allows;          /* [n, n_rules]: the rule lets this cell of the column through; owned */
} strata_axis;

typedef struct strata_space {
    int32_t n_rules, n_axes;
    strata_axis axis[STRATA_COLUMN_COUNT]; /* the columns that some rule names */
    double cells;                          /* product over the axes; may pass 2^63 */
} strata_space;

/* Not collective. Cuts the space; *space: release. */
strata_status strata_space_create(strata_context *ctx, const strata_config *config,
                                  const strata_nature *nature, strata_space *space) STRATA_MUST_USE;

/* The rules [n_rules] that fit the cell at place [n_axes]; returns the first one, n_rules if none. */
int32_t strata_space_rules(const strata_space *space, const int32_t *place, bool *fits);

/* The bounds [STRATA_COLUMN_COUNT] of the cells from low to high [n_axes], both included. */
void strata_space_box(const strata_space *space, const int32_t *low, const int32_t *high,
                      strata_interval *box);

/* Safe twice. */
void strata_space_release(strata_space *space);

#endif
