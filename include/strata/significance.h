/* significance.h: the significance room. Hold-out tests as the headline, descriptive and external
 * tests beside them, agreement of segments and clusters, and the gates. */
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

typedef enum strata_grouping { STRATA_BY_SEGMENT, STRATA_BY_CLUSTER, STRATA_BY_REGION } strata_grouping;

const char *strata_sample_name(strata_sample sample);       /* descriptive | holdout | external */
const char *strata_grouping_name(strata_grouping grouping); /* segment | cluster | region */

/* One row of /tests. */
typedef struct strata_test {
    strata_sample sample;
    strata_grouping grouping;
    char variable[32];
    char test[32];        /* welch_anova | brown_forsythe | anova | chi_squared | adjusted_rand ... */
    char effect_name[32]; /* omega_squared | eta_squared | cramers_v | ... | "" */
    double statistic, df1, df2; /* NaN = not defined */
    double log10_p, p_value, log10_p_adjusted;
    double effect_size;
    bool significant; /* adjusted p < alpha and effect >= min_effect; never for descriptive */
    int64_t n;
    char note[96]; /* why a statistic is undefined or what to beware of; "" */
} strata_test;

typedef struct strata_gate {
    char name[48];
    double value, threshold; /* value NaN = not measured */
    bool passed;
    bool measured;
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

/* What the hold-out test needs: labels frozen on the fit period and what the same users did later. */
typedef struct strata_holdout {
    const strata_users *later;      /* features of the hold-out period, same rows as the population */
    const int16_t *segment_codes;   /* [n_local] frozen; rows that did not buy in the fit period ... */
    const int16_t *cluster_ids;     /* ... carry STRATA_NOT_IN_FIT in both and are left out */
    int32_t k;
} strata_holdout;
#define STRATA_NOT_IN_FIT INT16_MIN

/* Collective. holdout may be NULL. The result is the same for every partition. */
strata_status strata_significance_run(strata_context *ctx, const strata_config *config,
                                      const strata_population *population, const strata_users *users,
                                      int32_t k, const strata_holdout *holdout,
                                      strata_significance *out) STRATA_MUST_USE;
void strata_significance_release(strata_significance *significance);

/* Not collective (all inputs are global). The gates of the run, in the order they are shown. *gates is
 * owned by the caller. */
strata_status strata_gates_evaluate(strata_context *ctx, const strata_config *config,
                                    const strata_accounting *accounting,
                                    const strata_stratification *stratification,
                                    const int64_t *cluster_sizes, int32_t k,
                                    const strata_significance *significance, strata_gate **gates,
                                    int32_t *n_gates) STRATA_MUST_USE;

#endif
