/* stratify.h: the stratify room. Scores, the composite, the ordered segment rules, and the check of
 * the rules themselves for gaps and overlaps. */
#ifndef STRATA_STRATIFY_H
#define STRATA_STRATIFY_H

#include <stdint.h>

#include "strata/config.h"
#include "strata/context.h"
#include "strata/features.h"

#define STRATA_UNASSIGNED (-1)

/* One segment over all ranks; the last entry is `unassigned` (code -1). Shares are NaN without users or
 * revenue. */
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

/* Collective. Fills r_score, f_score, m_score, composite, composite_std and segment_code of users
 * (replacing what stood there) and sums the segments up. O(n log n), 24 bytes a row while it lasts.
 *   score          1 + floor(bins * users with a smaller value / users), recency counted backwards
 *   composite      w0 (last_day - base) / unit + w1 frequency + w2 monetary, literally; the last day of
 *                  a user without a purchase counts as the window's start
 *   composite_std  the same weights on mid-rank percentiles (smaller + equal / 2) / users
 * Rules may name every is_feature column, scores and composites included. STRATA_ERR_USAGE as
 * strata_rules_validate; STRATA_ERR_INPUT when a segment's revenue passes 63 bits. */
strata_status strata_stratify(strata_context *ctx, const strata_config *config, strata_users *users,
                              strata_stratification *out) STRATA_MUST_USE;
/* Not collective. */
void strata_stratification_release(strata_stratification *stratification);

/* Not collective. Segment codes [n_local] of users by the rules alone, for frozen labels. The columns
 * that the rules name must be computed, else STRATA_ERR_INTERNAL. */
strata_status strata_segments_apply(strata_context *ctx, const strata_config *config,
                                    const strata_users *users, int16_t *codes) STRATA_MUST_USE;

/* Not collective. Examines the ordered rules without data and prints to out: each rule in words with
 * an example customer, each overlap (who is taken by an earlier rule although a later one fits too),
 * each gap (the regions that stay unassigned, with an example), rules that can never match or take
 * anybody. Every example is checked against the rules themselves, and its columns belong together
 * (largest order between average and sum, and so on); scores and composites count as independent. The
 * space is cut at every threshold; above 100,000 cells a fixed sample of them is looked at and the
 * report says so. STRATA_ERR_USAGE as strata_rules_validate. */
strata_status strata_rules_explain(strata_context *ctx, const strata_config *config, FILE *out)
    STRATA_MUST_USE;

/* Not collective. Validates the rules against the column table: unknown column (with a suggestion),
 * bounds that no value meets, a bound that is not finite, code < 1, codes or names used twice. The
 * message names the segment and its line. STRATA_ERR_USAGE. */
strata_status strata_rules_validate(strata_context *ctx, const strata_config *config) STRATA_MUST_USE;

#endif
