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
/* cluster.k: auto */
#define STRATA_K_AUTO 0
/* A configuration text may be this long. */
#define STRATA_CONFIG_MAX_BYTES (INT64_C(1) << 20)

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
typedef enum strata_k_selecting {
    STRATA_K_SELECTION_AUTO,
    STRATA_K_SELECTION_ALWAYS
} strata_k_selecting;

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

/* Where a value came from, weakest first. */
typedef enum strata_origin {
    STRATA_FROM_DEFAULT,
    STRATA_FROM_FILE,
    STRATA_FROM_ENVIRONMENT,
    STRATA_FROM_SET,
    STRATA_FROM_FLAG
} strata_origin;

/* The origin of one key's value; one for each entry of the key table. */
typedef struct strata_config_mark {
    strata_origin origin;
    int32_t line, column; /* from 1, in a file; else 0 */
    char *where;          /* file, environment variable or flag; NULL = default; owned */
} strata_config_mark;

typedef struct strata_config {
    struct {
        char **files; /* paths or globs, as written */
        int32_t n_files;
        char delimiter; /* ',' ';' '\t' '|' or ' ' (any run of blanks and tabs) */
        strata_header header;
        char **names; /* the columns' names in order, with header none or skip */
        int32_t n_names;
        char *table; /* of an HDF5 file of features, NULL = /users */
        char *key;   /* column of keys of features, NULL = user_key where an HDF5 table has it */
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
        int32_t k;     /* 1..256, STRATA_K_AUTO = choose between k_min and k_max */
        int32_t k_min; /* 2..256 */
        int32_t k_max; /* k_min..256 */
        strata_k_selecting k_selection; /* auto: the table is made with k: auto; always: also with a k */
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
    strata_config_mark *marks; /* [keys of the table]; private to config*.c; owned */
} strata_config;

/* The configuration is built in this order, each step over the one before:
 *
 *     strata_config config = {0};
 *     strata_config_init                  the defaults
 *     strata_config_load_text             the file (rank 0 reads it, all ranks parse the same text)
 *     strata_config_apply_environment     STRATA_A_B
 *     strata_config_set                   --set, then flags
 *     strata_config_validate              what involves more than one key
 *
 * strata_command_config (src/commands/command.h) does all of it for a command. After a failure of
 * init, load or apply the configuration may only be released. Every message says where the value
 * stands (file:line:column, the variable or the flag), what was expected and what was found. All
 * failures are STRATA_ERR_USAGE unless memory is short. */

/* Not collective. The defaults. config: zeroed or released. */
strata_status strata_config_init(strata_context *ctx, strata_config *config) STRATA_MUST_USE;

/* Not collective. Safe on zeroed structs and twice. */
void strata_config_release(strata_config *config);

/* Not collective. Reads a whole file of at most STRATA_CONFIG_MAX_BYTES. *text [length + 1], ends with
 * a zero byte, is owned by the caller. */
strata_status strata_config_read_file(strata_context *ctx, const char *path, char **text,
                                      int64_t *length) STRATA_MUST_USE;

/* Not collective. Parses YAML text [length] over what config holds; name is the file's name in
 * messages. Strict: unknown and repeated keys, wrong types, values out of range, anchors, aliases,
 * tags and a second document are errors. Depth and number of nodes are bounded. */
strata_status strata_config_load_text(strata_context *ctx, strata_config *config, const char *text,
                                      int64_t length, const char *name) STRATA_MUST_USE;

/* Not collective. strata_config_read_file and strata_config_load_text. */
strata_status strata_config_load_file(strata_context *ctx, strata_config *config, const char *path)
    STRATA_MUST_USE;

/* Not collective. Sets the value of one key (for instance "cluster.k") from text: YAML (lists in
 * brackets), but the value of a text key is taken as it stands unless it starts with a quote or a
 * bracket. where names the source in messages, for instance "--seed"; NULL for --set. The key's value
 * is untouched on failure. */
strata_status strata_config_set(strata_context *ctx, strata_config *config, const char *key,
                                const char *value, strata_origin origin, const char *where)
    STRATA_MUST_USE;

/* Not collective. "key=value", as --set has it. */
strata_status strata_config_assign(strata_context *ctx, strata_config *config,
                                   const char *assignment) STRATA_MUST_USE;

/* Not collective. Sets a key that holds a list of texts from values [n], each taken as it stands. */
strata_status strata_config_set_list(strata_context *ctx, strata_config *config, const char *key,
                                     const char *const *values, int32_t n, const char *flag)
    STRATA_MUST_USE;

/* Not collective. Applies every STRATA_A_B=value of environment (ends with NULL), for instance
 * STRATA_CLUSTER_K=5. An unknown STRATA_ variable is an error, but for the reserved ones that the
 * program, its tests and its job scripts use for something else. Others are ignored. */
strata_status strata_config_apply_environment(strata_context *ctx, strata_config *config,
                                              const char *const *environment) STRATA_MUST_USE;

/* Not collective. Checks what involves several keys: the mapped columns, window, segments, k range,
 * start centroids. Settles one default: with quantity and unit_price mapped, amount is not. */
strata_status strata_config_validate(strata_context *ctx, strata_config *config) STRATA_MUST_USE;

/* Not collective. The same for an input of features, not of transactions: there input.names need not
 * hold what input.columns maps. */
strata_status strata_config_validate_features(strata_context *ctx,
                                              strata_config *config) STRATA_MUST_USE;

/* Not collective. The whole configuration as YAML that parses back to the same one; a function of the
 * values alone. *yaml is owned by the caller (strata_free). */
strata_status strata_config_to_yaml(strata_context *ctx, const strata_config *config, char **yaml)
    STRATA_MUST_USE;

/* Not collective. The same YAML with a comment at each value that says where it came from. */
strata_status strata_config_print(strata_context *ctx, const strata_config *config, FILE *out)
    STRATA_MUST_USE;

/* Not collective. XXH3-128 of strata_config_to_yaml as 32 hex digits and a terminator: equal for equal
 * configurations, so that a checkpoint can be refused that belongs to another one. */
strata_status strata_config_hash(strata_context *ctx, const strata_config *config, char out[33])
    STRATA_MUST_USE;

/* Not collective. Every key with its type, default and meaning, for `strata help config`. */
strata_status strata_config_explain(strata_context *ctx, FILE *out) STRATA_MUST_USE;

/* Not collective. Where the value of key came from; STRATA_FROM_DEFAULT for unknown keys. */
strata_origin strata_config_origin(const strata_config *config, const char *key);

#endif
