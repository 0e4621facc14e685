/* config.h: the configuration of a run, as one plain struct.
 *
 * Keys, defaults, ranges and help texts stand in one table (src/base/config_table.c); the strict YAML
 * reader, the environment, --set, --print-config and `inspect --config` all walk that table. Strings
 * and arrays are owned by the configuration. */
#ifndef STRATA_CONFIG_H
#define STRATA_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "strata/context.h"

#define STRATA_CONFIG_VERSION 1
/* "not set" for optional days: no date of the supported range (1900..2199) is this small. */
#define STRATA_NO_DAY INT32_MIN

typedef enum strata_header { STRATA_HEADER_NAMES, STRATA_HEADER_NONE, STRATA_HEADER_SKIP } strata_header;
typedef enum strata_refunds { STRATA_REFUNDS_NET, STRATA_REFUNDS_DROP, STRATA_REFUNDS_REJECT } strata_refunds;
typedef enum strata_duplicates { STRATA_DUPLICATES_KEEP, STRATA_DUPLICATES_DROP } strata_duplicates;
typedef enum strata_outlier_method { STRATA_OUTLIER_NONE, STRATA_OUTLIER_MAD } strata_outlier_method;
typedef enum strata_outlier_action {
    STRATA_OUTLIER_FLAG,
    STRATA_OUTLIER_CLIP,
    STRATA_OUTLIER_DROP
} strata_outlier_action;
typedef enum strata_composite_base { STRATA_BASE_WINDOW_START, STRATA_BASE_AS_OF } strata_composite_base;
typedef enum strata_transform { STRATA_TRANSFORM_NONE, STRATA_TRANSFORM_LOG1P } strata_transform;
typedef enum strata_scale { STRATA_SCALE_NONE, STRATA_SCALE_ZSCORE, STRATA_SCALE_ROBUST } strata_scale;
typedef enum strata_adjust { STRATA_ADJUST_HOLM, STRATA_ADJUST_NONE } strata_adjust;
typedef enum strata_privacy { STRATA_PRIVACY_KEYED, STRATA_PRIVACY_PLAIN } strata_privacy;

/* The meanings a column of the input can have, in the order of config_columns' members. */
typedef enum strata_role {
    STRATA_ROLE_USER,
    STRATA_ROLE_TIME,
    STRATA_ROLE_AMOUNT,
    STRATA_ROLE_QUANTITY,
    STRATA_ROLE_UNIT_PRICE,
    STRATA_ROLE_ORDER,
    STRATA_ROLE_REGION,
    STRATA_ROLE_CURRENCY,
    STRATA_ROLE_COUNT
} strata_role;

/* One bound of a segment rule: `<column>_min`, `_max` (inclusive), `_above`, `_below` (strict). */
typedef enum strata_bound {
    STRATA_BOUND_MIN,
    STRATA_BOUND_MAX,
    STRATA_BOUND_ABOVE,
    STRATA_BOUND_BELOW
} strata_bound;

typedef struct strata_condition {
    char *column; /* a numeric /users column; checked against the column table in stratify */
    strata_bound bound;
    double value;
} strata_condition;

typedef struct strata_segment_rule {
    char *name;
    int16_t code;          /* > 0, unique */
    double expected_share; /* [0, 1]; NaN = none given */
    strata_condition *conditions;
    int32_t n_conditions;
    int32_t line; /* where the rule stands in the file, 0 = default */
} strata_segment_rule;

typedef struct strata_config {
    struct {
        char **files; /* paths or globs, as written */
        int32_t n_files;
        char delimiter; /* ',' ';' '\t' '|' or ' ' (any run of blanks and tabs) */
        strata_header header;
        char **names; /* the columns' names in order, with header none or skip */
        int32_t n_names;
        char *columns[STRATA_ROLE_COUNT]; /* NULL = not mapped */
        char *time_format; /* iso8601 | yyyymmdd | epoch_s | epoch_ms | a strptime pattern */
        double max_rejected_share;
        char *rejects_file; /* NULL = none */
    } input;
    struct {
        int32_t start;        /* days since 1970-01-01, STRATA_NO_DAY = the first transaction */
        int32_t as_of;        /* STRATA_NO_DAY = the day after the last transaction */
        int32_t holdout_days; /* 0 = no hold-out test */
    } window;
    struct {
        int32_t decimals; /* 0..9 */
    } money;
    struct {
        strata_refunds refunds;
        strata_duplicates duplicates;
        char *skip_orders_prefix; /* NULL = none */
        struct {
            strata_outlier_method method;
            double threshold;        /* in robust standard deviations, 1.4826 * MAD */
            double max_source_share; /* above it the source is rejected as a whole */
            strata_outlier_action action;
        } outliers;
    } clean;
    struct {
        int32_t bins; /* 2..100 */
    } rfm;            /* ties: together is the only value there is */
    struct {
        double weights[3]; /* recency term, frequency, monetary */
        double recency_unit_days;
        strata_composite_base base;
    } composite;
    strata_segment_rule *segments; /* in order, the first match wins */
    int32_t n_segments;
    struct {
        int32_t k;
        char **features;
        int32_t n_features;
        strata_transform transform;
        strata_scale scale;
        char *init;      /* kmeans_parallel | kmeans_plus_plus | random | centroids */
        char *variant;   /* auto or a name of the variant table in cluster.h */
        char *centroids; /* the CSV file of init: centroids, NULL = none */
        int32_t restarts;
        int32_t max_iterations;
        uint64_t seed;
    } cluster;
    struct {
        double alpha, min_effect;
        strata_adjust adjust;
    } significance;
    struct {
        int64_t min_group_size;
        double min_coverage, min_valid_rows, drift, retention;
    } gates;
    struct {
        strata_privacy mode;
        char *key_file; /* NULL = none */
        int64_t min_cell;
    } privacy;
    struct {
        int32_t compression; /* deflate level 0..9 */
    } output;
} strata_config;

/* Where a value came from, weakest first. */
typedef enum strata_origin {
    STRATA_FROM_DEFAULT,
    STRATA_FROM_FILE,
    STRATA_FROM_ENVIRONMENT,
    STRATA_FROM_SET,
    STRATA_FROM_FLAG
} strata_origin;

#endif
