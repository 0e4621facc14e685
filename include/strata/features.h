/* features.h: the features room. One user a row: what the window's transactions say about each user
 * (the /users table), and the fixed grid that the clustering walks on.
 *
 * The column table below is the one list of /users columns: segment rules, cluster.features,
 * significance variables, the output table and the dictionary of units all read it. A new user-level
 * column is added here and computed in one place. */
#ifndef STRATA_FEATURES_H
#define STRATA_FEATURES_H

#include <stdint.h>

#include "strata/config.h"
#include "strata/context.h"
#include "strata/ingest.h"
#include "strata/partition.h"

typedef enum strata_type { STRATA_I16, STRATA_I32, STRATA_I64, STRATA_F64, STRATA_TEXT } strata_type;

typedef enum strata_column {
    STRATA_REGION_CODE,
    STRATA_FIRST_DAY,
    STRATA_LAST_DAY,
    STRATA_RECENCY_DAYS,
    STRATA_FREQUENCY,
    STRATA_MONETARY,
    STRATA_AOV,
    STRATA_MONTHLY_MEAN,
    STRATA_MAX_ORDER,
    STRATA_R_SCORE,
    STRATA_F_SCORE,
    STRATA_M_SCORE,
    STRATA_COMPOSITE,
    STRATA_COMPOSITE_STD,
    STRATA_SEGMENT_CODE,
    STRATA_CLUSTER_ID,
    STRATA_CLUSTER_DISTANCE,
    STRATA_COLUMN_COUNT
} strata_column;

typedef struct strata_column_info {
    const char *name; /* the HDF5 data set */
    strata_type type;
    const char *long_name; /* one line for humans */
    const char *units;     /* "d", "1", "currency", "days since 1970-01-01" */
    bool is_feature;       /* may be named by segment rules and cluster.features */
} strata_column_info;

/* The table, [STRATA_COLUMN_COUNT]. Not collective. */
const strata_column_info *strata_column_table(void);

/* The column named name, or STRATA_COLUMN_COUNT when there is none. Not collective. */
strata_column strata_column_find(const char *name);

/* Bytes of one element of a type; 0 for STRATA_TEXT. Not collective. */
int64_t strata_type_size(strata_type type);

/* The user table: rows of this rank, in the global order by user_key (bytes, ascending). */
typedef struct strata_users {
    int64_t n_local;
    const strata_partition *partition; /* borrowed from the population */
    const char *user_key;              /* [n_local, key_width], borrowed; zero-padded, no terminator */
    int32_t key_width;
    const uint64_t *key64; /* [n_local], borrowed: 64 bits of each user's pseudonym, for randomness */
    int32_t window_start, as_of;
    int64_t *money; /* [n_local] exact monetary, in 10^-decimals units; owned */
    void *column[STRATA_COLUMN_COUNT]; /* [n_local] each, typed by the table; owned; NULL until computed */
} strata_users;

/* Value of a numeric column as double. Not collective, no checks. */
double strata_users_value(const strata_users *users, strata_column column, int64_t row);

/* The column of is_feature whose name is closest to name, NULL when none is close. Static text. For
 * "did you mean". Not collective. */
const char *strata_column_suggest(const char *name);

/* Collective. The RFM columns (region_code .. max_order) of every user of the population, as the
 * period [start, as_of) described by activity shows them. A user without a purchase in the period (of
 * a part of the window only, the population has none for the whole) keeps its row: frequency, aov,
 * monthly_mean and max_order 0, recency_days the length of the period, first_day and last_day
 * STRATA_NO_DAY, monetary what refunds leave. Quotients are rounded once: aov = positive / orders,
 * monthly_mean = 30 net / tenure from 31 days of tenure on, else monetary. as_of is the day recency
 * looks back from. The remaining columns stay NULL. *users: release. O(n_local). */
strata_status strata_features_compute(strata_context *ctx, const strata_population *population,
                                      const strata_activity *activity, int32_t start, int32_t as_of,
                                      int32_t decimals, strata_users *users) STRATA_MUST_USE;

/* Not collective. Safe twice. */
void strata_users_release(strata_users *users);

/* ---- the grid -------------------------------------------------------------------------------- */

/* Most features that one set may have. */
#define STRATA_FEATURES_MAX 64

/* A numeric column of any source: a /users column, a column of a table that was read. */
typedef struct strata_feature {
    const char *name;   /* borrowed, for messages */
    strata_type type;   /* every type but text */
    const void *values; /* [n_local], borrowed */
} strata_feature;

typedef struct strata_feature_set {
    int64_t n_local;
    int32_t d; /* 1..STRATA_FEATURES_MAX */
    strata_feature feature[STRATA_FEATURES_MAX];
} strata_feature_set;

/* Not collective, no checks. The value of a row as double. */
double strata_feature_value(const strata_feature *feature, int64_t row);

/* Not collective. The named columns of users as a feature set, without copying. STRATA_ERR_USAGE for a
 * name that is no feature (with a suggestion), named twice, more than STRATA_FEATURES_MAX or none;
 * STRATA_ERR_INTERNAL for a column that is not computed yet. */
strata_status strata_users_features(strata_context *ctx, const strata_users *users,
                                    char *const *names, int32_t d,
                                    strata_feature_set *set) STRATA_MUST_USE;

/* What turns raw feature values into grid steps; part of the model. scaled = (t(x) - center) / scale,
 * steps = round_half_even(scaled / 2^step_exponent). */
typedef struct strata_scaler {
    int32_t d;
    strata_transform transform;
    strata_scale scale_kind;
    int32_t step_exponent; /* g; -20 with zscore and robust */
    double *center;        /* [d], 0 with scale none; owned */
    double *scale;         /* [d] > 0; 1 with scale none, a constant feature, or an interquartile
                              range of 0; owned */
    int64_t *limited;      /* [d], values beyond the grid, limited to its edge (global count); owned */
} strata_scaler;

/* Points on the grid: what the clustering sees. Value (i, f) is steps[f * stride + i], an integer
 * |steps| < 2^24 that float32 holds exactly (never -0). */
typedef struct strata_points {
    int64_t n_local;
    int32_t d;      /* 1..64 */
    int64_t stride; /* >= n_local, multiple of 64; the padding is 0 */
    float *steps;   /* [d, stride], 64-byte aligned; owned */
    const uint64_t *key64;             /* [n_local], borrowed: identity of a row for randomness */
    const strata_partition *partition; /* borrowed: global row index = offsets[rank] + i */
    int32_t step_exponent;
} strata_points;

/* Collective. Fits a scaler; the same bits for every partition.
 *   none    step_exponent is the smallest g >= -500 for which the largest |t(x)| of all features stays
 *           below 2^24 steps: nothing is limited, and whole numbers below 2^24 are exact. -20 when all
 *           values are 0.
 *   zscore  mean and population deviation from exact sums of t(x) in fixed point, 62 bits for the
 *           largest |t(x)| of the feature; each correct to 1 ulp of the fixed-point values.
 *   robust  median and interquartile range, linear quantiles, from exact global order statistics.
 * STRATA_ERR_INPUT for NaN or infinity (the message names the feature and the lowest global row,
 * counted from 0). Without any rows center is 0 and scale 1. Cost: zscore two passes, robust one
 * global selection a feature and 8 bytes a row while it lasts. */
strata_status strata_scaler_fit_set(strata_context *ctx, const strata_feature_set *set,
                                    strata_transform transform, strata_scale scale,
                                    strata_scaler *out) STRATA_MUST_USE;

/* Collective. Applies a scaler, fitted here or frozen; counts limited values into scaler->limited
 * (global). points->key64 and partition are set by the caller. Refuses NaN and infinity as the fit
 * does. O(n_local d). */
strata_status strata_scaler_apply_set(strata_context *ctx, strata_scaler *scaler,
                                      const strata_feature_set *set,
                                      strata_points *points) STRATA_MUST_USE;

/* The same two for columns x[d][n_local] of doubles; messages call the features by number from 1.
 * Collective. */
strata_status strata_scaler_fit(strata_context *ctx, int64_t n_local, int32_t d,
                                const double *const *x, strata_transform transform,
                                strata_scale scale, strata_scaler *out) STRATA_MUST_USE;
/* Collective. */
strata_status strata_scaler_apply(strata_context *ctx, strata_scaler *scaler, int64_t n_local,
                                  const double *const *x, strata_points *points) STRATA_MUST_USE;

/* A grid value of feature f (in steps, may be fractional) in original units. Not collective. */
double strata_scaler_original(const strata_scaler *scaler, int32_t f, double steps);

/* Safe twice. Not collective. */
void strata_scaler_release(strata_scaler *scaler);
void strata_points_release(strata_points *points);

/* log(1 + |x|) with the sign of x, and its inverse, in IEEE basic operations only: libm picks FMA
 * variants by processor, which would give other bits on another node. Error below 0.51 ulp.
 * Not collective. */
double strata_log1p_signed(double x);
double strata_expm1_signed(double y);

#endif
