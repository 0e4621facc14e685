/* significance.h: the significance room. Hold-out tests as the headline, descriptive and external
 * tests beside them, agreement of segments and clusters, and the gates.
 *
 * Each variable is tested by segment and by cluster with Welch's ANOVA (the headline;
 * Brown-Forsythe's F* where a group does not vary), and beside it the one-way ANOVA and, where p is
 * valid, Kruskal-Wallis on ranks (it sorts every user, which a descriptive number is not worth).
 * Variables are exact integers: days, orders, money in 10^-decimals units; the ratios aov and
 * monthly_mean are snapped to 62-bit fixed point, which keeps their doubles. Who takes part: users
 * whom a rule took (unassigned is no group), in groups of at least two users; n and the note say
 * how many that leaves. Contingency tables and agreement count every user, the unassigned as a
 * class of their own.
 *
 * descriptive   the variables of /users on the data that made the groups
 * external      region by segment and by cluster, unless a rule or feature uses it; tenure (as_of -
 *               first_day), unless first_day or monthly_mean made the groups
 * holdout       recency_days, frequency, monetary, aov, max_order of the later period by frozen
 *               label; who bought nothing there stays, with zeros and its length as recency
 *
 * Holm's adjustment takes all rows of one sample that carry a p-value as one family. */
#ifndef STRATA_SIGNIFICANCE_H
#define STRATA_SIGNIFICANCE_H

#include <stdint.h>

#include "strata/config.h"
#include "strata/context.h"
#include "strata/features.h"
#include "strata/ingest.h"
#include "strata/stratify.h"

typedef enum strata_sample {
    STRATA_SAMPLE_DESCRIPTIVE, /* on the data that made the groups: p is not valid */
    STRATA_SAMPLE_HOLDOUT,     /* frozen labels, later period: the headline */
    STRATA_SAMPLE_EXTERNAL     /* variables that took no part in making the groups */
} strata_sample;

typedef enum strata_grouping {
    STRATA_BY_SEGMENT,
    STRATA_BY_CLUSTER,
    STRATA_BY_REGION
} strata_grouping;

/* Not collective. */
const char *strata_sample_name(strata_sample sample);       /* descriptive | holdout | external */
const char *strata_grouping_name(strata_grouping grouping); /* segment | cluster | region */

/* One row of /tests. Of adjusted_rand and normalised_mutual_information the value is statistic and
 * effect, and there is no p. */
typedef struct strata_test {
    strata_sample sample;
    strata_grouping grouping;
    char variable[32];
    char test[32]; /* welch_anova | brown_forsythe | anova | kruskal_wallis | chi_squared |
                    * adjusted_rand | normalised_mutual_information */
    char effect_name[32]; /* omega_squared | eta_squared | cramers_v | ... | "" */
    double statistic, df1, df2; /* NaN = not defined */
    double log10_p, p_value, log10_p_adjusted;
    double effect_size;
    bool significant; /* adjusted p < alpha and effect >= min_effect; never for descriptive */
    int64_t n;
    char note[96]; /* why a statistic is undefined or what to beware of; "" */
} strata_test;

/* One row of /gates:
 *   min_group_size        users of the smallest segment or cluster (not unassigned) > threshold
 *   min_coverage          share of users that some rule took >= threshold
 *   min_valid_rows        share of the rows read that were not rejected >= threshold
 *   outlier_share         share of purchases flagged or dropped as outliers <= threshold
 *   holdout_significance  share of the hold-out headline tests that are significant = 1
 * A gate that was not measured (no hold-out, no outlier rule, no row, no user) does not fail:
 * passed is true. */
typedef struct strata_gate {
    char name[48];
    double value, threshold; /* value NaN = not measured */
    bool passed;
    bool measured;
    char note[96]; /* which group or how many tests; "" */
} strata_gate;

typedef struct strata_crosstab {
    int32_t rows, columns;
    int16_t *row_codes, *column_codes; /* owned */
    int64_t *counts;                   /* [rows, columns] global; owned */
} strata_crosstab;

typedef struct strata_significance {
    strata_test *tests; /* owned */
    int32_t n_tests;
    strata_crosstab segment_cluster, region_segment; /* region_segment has 0 rows without regions */
    double adjusted_rand, normalised_mutual_information;
} strata_significance;

/* What the hold-out test needs: labels frozen on the fit period and what the same users did
 * later. */
typedef struct strata_holdout {
    const strata_users *later;    /* features of the hold-out period, same rows as the population */
    const int16_t *segment_codes; /* [n_local] frozen; who did not buy in the fit period ... */
    const int16_t *cluster_ids;   /* ... carries STRATA_NOT_IN_FIT in both and is left out */
    int32_t k;
} strata_holdout;
#define STRATA_NOT_IN_FIT INT16_MIN

/* Collective. Tests users (the whole window, labelled) and the later period of holdout, if not
 * NULL. k = clusters, 0 = none. The result is the same for every partition. O(n), with a hold-out
 * O(n log n); 34 bytes a user of scratch. STRATA_ERR_MEMORY, STRATA_ERR_MPI. */
strata_status strata_significance_run(strata_context *ctx, const strata_config *config,
                                      const strata_population *population, const strata_users *users,
                                      int32_t k, const strata_holdout *holdout,
                                      strata_significance *out) STRATA_MUST_USE;
/* Not collective. */
void strata_significance_release(strata_significance *significance);

/* Not collective (all inputs are global). The gates of the run, in the order they are shown.
 * cluster_sizes [k], NULL without clusters; significance may be NULL. *gates is owned by the
 * caller: strata_free. */
strata_status strata_gates_evaluate(strata_context *ctx, const strata_config *config,
                                    const strata_accounting *accounting,
                                    const strata_stratification *stratification,
                                    const int64_t *cluster_sizes, int32_t k,
                                    const strata_significance *significance, strata_gate **gates,
                                    int32_t *n_gates) STRATA_MUST_USE;

#endif
