/* feature_table.h: features of any source as the clustering wants them: the /users table of a result, a
 * table of any HDF5 file, text files of numbers. Shared by cluster and bench.
 *
 *     feature_source source = {.rows = 0};
 *     feature_source_open      what kind of input, which columns, which features
 *     feature_table_read       this rank's part of the rows
 *     feature_table_release, feature_source_release
 */
#ifndef STRATA_COMMANDS_FEATURE_TABLE_H
#define STRATA_COMMANDS_FEATURE_TABLE_H

#include "strata/output.h"

typedef struct feature_column {
    char name[STRATA_NUMERIC_NAME_LIMIT + 1];
    char *long_name, *units; /* owned */
    strata_type type;        /* numbers or STRATA_TEXT */
    int32_t width;           /* of STRATA_TEXT in an HDF5 table, else 0 */
    bool numbers;            /* can be a feature */
} feature_column;

typedef struct feature_source {
    const char *table;            /* of an HDF5 file, else NULL; of the configuration, like key */
    const char *key;              /* the column of keys, NULL = rows are numbered */
    bool is_hdf5, is_result;      /* is_result: a complete result of strata */
    bool chosen;                  /* the features were not asked for but chosen */
    strata_reader *reader;        /* of an HDF5 file */
    strata_numeric_layout layout; /* of text files */
    feature_column *columns;      /* [n_columns], all there are; owned */
    int32_t n_columns;
    const strata_left_out *left_out; /* [n_left_out] what of an HDF5 table is no column; borrowed */
    int32_t n_left_out;
    int64_t rows;                         /* of an HDF5 table; -1 = not known yet */
    int32_t feature[STRATA_FEATURES_MAX]; /* [d] indices of columns */
    int32_t d;
    const char *as_of, *window_start, *currency, *key_id; /* of a result, else ""; borrowed */
} feature_source;

/* This rank's rows: of keyed text files in the order of the keys, else in the order of the source. */
typedef struct feature_table {
    strata_partition partition;
    strata_feature_set set;            /* names borrowed from the source, values from below */
    void *values[STRATA_FEATURES_MAX]; /* [d][n_local]; owned */
    char *user_key; /* [n_local, key_width] zero-padded; NULL without keys; owned */
    int32_t key_width;
    int64_t *row;              /* [n_local] from 0, without keys; owned */
    uint64_t *key64;           /* [n_local] identity for randomness; owned */
    int64_t shared_keys;       /* rows of all ranks whose key stands in another row too */
    strata_input_file *inputs; /* [n_inputs]; owned */
    int32_t n_inputs;
} feature_table;

/* Collective. Looks at config->input.files and settles table, key, layout of text files and features:
 * cluster.features as asked for; at its default, for /users of a result those of its model, else every
 * column of numbers but the key. What was found is written into config, which then gives the same rows
 * without looking; it must outlive source. STRATA_ERR_USAGE for a column that does not exist (with a
 * suggestion) or holds text, more than STRATA_FEATURES_MAX, a table of a text file, several HDF5 files;
 * STRATA_ERR_INPUT for files that cannot be used, among them a damaged HDF5 file and a result that is not
 * complete. Release in every case. */
strata_status feature_source_open(strata_context *ctx, strata_config *config,
                                  feature_source *source) STRATA_MUST_USE;
void feature_source_release(feature_source *source);

/* Not collective. STRATA_ERR_INPUT for STRATA_ERR_VERIFY, other statuses as they are: a reader refuses a
 * file, and where that file is the input of a job, the input is unusable. */
strata_status feature_source_judge(strata_context *ctx, strata_status rc) STRATA_MUST_USE;

/* Collective. Reads the rows; each rank its part. Keys of a result stay as they are; others are treated
 * as privacy.mode says, and their rows are sorted by key, so that the order of the input does not
 * matter. key64 is a function of the key alone, for a result the very one that its run had; without keys
 * it is the row number. Errors of strata_numeric_read and strata_reader_reals, damage as above. */
strata_status feature_table_read(strata_context *ctx, const strata_config *config,
                                 feature_source *source, feature_table *table) STRATA_MUST_USE;
void feature_table_release(feature_table *table);

#endif
