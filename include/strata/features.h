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

/* Collective. The RFM columns (region_code .. max_order) of every user with a purchase in the period
 * described by activity; rows without one are left out only by ingest (whole window), here frequency
 * may be 0 for the hold-out period. as_of is the day recency looks back from. The remaining columns
 * stay NULL. *users: release. O(n_local). */
strata_status strata_features_compute(strata_context *ctx, const strata_population *population,
                                      const strata_activity *activity, int32_t start, int32_t as_of,
                                      int32_t decimals, strata_users *users) STRATA_MUST_USE;

/* Not collective. Safe twice. */
void strata_users_release(strata_users *users);

/* ---- the grid -------------------------------------------------------------------------------- */

/* What turns raw feature values into grid steps; part of the model. scaled = (t(x) - center) / scale,
 * steps = round_half_even(scaled / 2^step_exponent). */
typedef struct strata_scaler {
    int32_t d;
    strata_transform transform;
    strata_scale scale_kind;
    int32_t step_exponent; /* g; -20 with zscore and robust */
    double *center;        /* [d], 0 with scale none; owned */
    double *scale;         /* [d], 1 with scale none or a constant feature; owned */
    int64_t *limited;      /* [d], values beyond the grid, limited to its edge (global count); owned */
} strata_scaler;

/* Points on the grid: what the clustering sees. Value (i, f) is steps[f * stride + i], an integer
 * |steps| < 2^24 that float32 holds exactly. */
typedef struct strata_points {
    int64_t n_local;
    int32_t d;      /* 1..64 */
    int64_t stride; /* >= n_local, multiple of 64; the padding is 0 */
    float *steps;   /* [d, stride], 64-byte aligned; owned */
    const uint64_t *key64;             /* [n_local], borrowed: identity of a row for randomness */
    const strata_partition *partition; /* borrowed: global row index = offsets[rank] + i */
    int32_t step_exponent;
} strata_points;

/* Collective. Fits a scaler on columns x[d][n_local] (double, finite) and returns it. Means and
 * deviations come from exact sums of the transformed values on a 2^-k fixed-point grid, quantiles from
 * exact global ranks, so the same bits for every partition. A constant feature gets scale 1.
 * STRATA_ERR_INPUT for NaN or infinity (message names feature and global row). */
strata_status strata_scaler_fit(strata_context *ctx, int64_t n_local, int32_t d,
                                const double *const *x, strata_transform transform,
                                strata_scale scale, strata_scaler *out) STRATA_MUST_USE;

/* Collective. Applies a scaler; counts limited values into scaler->limited (global). points->key64 and
 * partition are set by the caller. */
strata_status strata_scaler_apply(strata_context *ctx, strata_scaler *scaler, int64_t n_local,
                                  const double *const *x, strata_points *points) STRATA_MUST_USE;

/* A grid value of feature f (in steps, may be fractional) in original units. Not collective. */
double strata_scaler_original(const strata_scaler *scaler, int32_t f, double steps);

void strata_scaler_release(strata_scaler *scaler);
void strata_points_release(strata_points *points);

/* log(1 + |x|) with the sign of x, and its inverse, in IEEE basic operations only: libm picks FMA
 * variants by processor, which would give other bits on another node. Error below 1 ulp. */
double strata_log1p_signed(double x);
double strata_expm1_signed(double y);

#endif
