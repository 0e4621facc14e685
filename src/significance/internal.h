/* internal.h: what the files of the significance room share.
 *
 * The room works in two steps. Collecting (collective) turns users into exact global sums;
 * everything after that (emitting) is a function of those sums, runs alike on every rank and calls
 * no MPI. */
#ifndef STRATA_SIGNIFICANCE_INTERNAL_H
#define STRATA_SIGNIFICANCE_INTERNAL_H

#include "strata/significance.h"
#include "strata/stats.h"

/* What is tested: a user-level number as an exact integer. A new one is added here and in
 * variables.c. */
typedef enum variable {
    VARIABLE_RECENCY,
    VARIABLE_FREQUENCY,
    VARIABLE_MONETARY,
    VARIABLE_AOV,
    VARIABLE_MONTHLY_MEAN,
    VARIABLE_MAX_ORDER,
    VARIABLE_TENURE,
    VARIABLE_COUNT
} variable;

const char *variable_name(variable v);

/* True when the hold-out period has this variable for every user, active or not. */
bool variable_in_holdout(variable v);

/* True when users carries the columns that the variable is made of. */
bool variable_present(const strata_users *users, variable v);

/* True when a grouping made from the user columns `made_from` (by strata_column) cannot have used
 * what the variable is made of, so that it may be tested on the same data. */
bool variable_is_external(variable v, const bool made_from[STRATA_COLUMN_COUNT]);

/* Fills x [n_local]. Ratios are rounded to multiples of 2^-shift, see variable_shifts. */
void variable_fill(const strata_users *users, variable v, int32_t decimals, int shift, int64_t *x);

/* Collective. For the variables that are ratios, the largest shift with which every user's value
 * fits 62 bits, 0 for the others: shifts [VARIABLE_COUNT]. So a ratio keeps all the bits of its
 * double. */
strata_status variable_shifts(strata_context *ctx, const strata_users *users,
                              int *shifts) STRATA_MUST_USE;

/* One way to divide the users of a sample into groups. */
typedef struct labelling {
    strata_grouping grouping;
    bool present;
    int32_t groups;
    int16_t *index;       /* [n_local] 0..groups-1, negative = left out; owned */
    int64_t n;            /* users tested (global) */
    int64_t unassigned;   /* users of the sample without a group (global) */
    int64_t small_groups; /* groups of one user, which are left out */
    strata_sample kind[VARIABLE_COUNT];
    strata_cell *cells; /* [VARIABLE_COUNT, groups] of values (global); owned */
    strata_cell *ranks; /* the same of doubled mid-ranks; empty for descriptive variables */
} labelling;

enum { LABELLINGS = 2 };

typedef struct sample_data {
    labelling by[LABELLINGS]; /* segment, cluster */
    bool tested[VARIABLE_COUNT];
} sample_data;

/* Where the labels of a sample are. Rows that carry STRATA_NOT_IN_FIT are no part of it. */
typedef struct sample_source {
    const strata_users *users;
    const int16_t *segment_codes, *cluster_ids; /* [n_local]; NULL = none */
    int32_t k;
    /* [LABELLINGS][STRATA_COLUMN_COUNT]: which columns of the same data made the groups; NULL:
     * labels were frozen before, this is the hold-out */
    bool (*made_from)[STRATA_COLUMN_COUNT];
} sample_source;

/* Collective. */
strata_status sample_collect(strata_context *ctx, const strata_config *config,
                             const sample_source *source, sample_data *out) STRATA_MUST_USE;
void sample_release(sample_data *sample);

/* Collective. counts of users by (row index, column index); both [n_local], values outside their
 * range land in the last row or column. */
strata_status crosstab_count(strata_context *ctx, const int16_t *rows, const int16_t *columns,
                             int64_t n_local, strata_crosstab *tab) STRATA_MUST_USE;
void crosstab_release(strata_crosstab *tab);

/* The rows of /tests, growing. */
typedef struct test_list {
    strata_test *tests;
    int64_t n, capacity;
} test_list;

/* Appends a row made from a result. effect NaN = none. Not collective. */
strata_status test_list_add(strata_context *ctx, test_list *list, strata_test row,
                            const strata_test_result *result) STRATA_MUST_USE;

/* Appends the tests of a sample. Not collective. */
strata_status sample_emit(strata_context *ctx, const strata_config *config,
                          const sample_data *sample, test_list *list) STRATA_MUST_USE;

/* Adjusts for multiplicity within each sample and decides what is significant. Not collective. */
strata_status tests_decide(strata_context *ctx, const strata_config *config,
                           test_list *list) STRATA_MUST_USE;

#endif
