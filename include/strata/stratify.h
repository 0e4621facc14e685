/* stratify.h: the stratify room. Scores, the composite, the ordered segment rules, and the check of
 * the rules themselves for gaps and overlaps. */
#ifndef STRATA_STRATIFY_H
#define STRATA_STRATIFY_H

#include <stdint.h>

#include "strata/config.h"
#include "strata/context.h"
#include "strata/features.h"

#define STRATA_UNASSIGNED (-1)

/* One segment over all ranks; the last entry is `unassigned` (code -1). */
typedef struct strata_segment_summary {
    const char *name; /* borrowed from the configuration */
    int16_t code;
    int64_t users;
    double share, expected_share; /* NaN = none given */
    int64_t revenue;              /* exact net money, 10^-decimals units */
    double revenue_share, mean_recency_days, mean_frequency, mean_monetary; /* NaN without users */
} strata_segment_summary;

/* Ties of one score: how many distinct values, and the largest group of users that shares one. */
typedef struct strata_tie_report {
    int64_t distinct, largest_group;
    int64_t bin_users[100]; /* users by score, rfm.bins entries */
} strata_tie_report;

typedef struct strata_stratification {
    strata_segment_summary *segments; /* [n_segments], rules in order, then unassigned; owned */
    int32_t n_segments;
    double coverage;           /* share of users that some rule took */
    strata_tie_report ties[3]; /* recency, frequency, monetary */
} strata_stratification;

/* Collective. Fills r_score, f_score, m_score, composite, composite_std and segment_code of users and
 * sums the segments up. O(n log n). STRATA_ERR_USAGE when a rule names an unknown column. */
strata_status strata_stratify(strata_context *ctx, const strata_config *config, strata_users *users,
                              strata_stratification *out) STRATA_MUST_USE;
void strata_stratification_release(strata_stratification *stratification);

/* Not collective. Segment codes of users [n_local] by the rules alone, for frozen labels. */
strata_status strata_segments_apply(strata_context *ctx, const strata_config *config,
                                    const strata_users *users, int16_t *codes) STRATA_MUST_USE;

/* Not collective. Examines the ordered rules without data and prints to out: each rule with an example
 * customer, each overlap (who is taken by an earlier rule although a later one fits too), each gap
 * (an example that stays unassigned), rules that can never match. STRATA_ERR_USAGE for rules that
 * cannot work (unknown column, contradiction). */
strata_status strata_rules_explain(strata_context *ctx, const strata_config *config, FILE *out)
    STRATA_MUST_USE;

/* Not collective. Validates the rules against the column table. */
strata_status strata_rules_validate(strata_context *ctx, const strata_config *config) STRATA_MUST_USE;

#endif
