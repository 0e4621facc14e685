/* rules.h: the segment rules as intervals of columns. Private to the stratify room. */
#ifndef STRATA_STRATIFY_RULES_H
#define STRATA_STRATIFY_RULES_H

#include "strata/stratify.h"

/* The values of one column that a rule, or a cell of the rule space, lets through. For columns of
 * whole numbers the ends are whole and included. */
typedef struct strata_interval {
    double low, high; /* -INFINITY and INFINITY without a bound */
    bool low_open, high_open;
} strata_interval;

/* Every value. */
strata_interval strata_interval_all(void);

/* Narrows an interval by one condition on a column of that type. */
void strata_interval_narrow(strata_interval *interval, strata_type type, strata_bound bound,
                            double value);

bool strata_interval_empty(const strata_interval *interval);

/* Values in both. */
strata_interval strata_interval_meet(strata_interval a, strata_interval b);

bool strata_interval_holds(const strata_interval *interval, double value);

/* True for columns of whole numbers. */
bool strata_type_whole(strata_type type);

/* What a rule asks of one column. */
strata_interval strata_rule_interval(const strata_segment_rule *rule, strata_column column);

/* Index of the rule with that code, n_segments for unassigned. */
int32_t strata_rule_index(const strata_config *config, int16_t code);

#endif
