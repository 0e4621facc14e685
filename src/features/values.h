/* values.h: numeric columns of any type, read as doubles block by block. Private to the features
 * room. */
#ifndef STRATA_FEATURES_VALUES_H
#define STRATA_FEATURES_VALUES_H

#include "strata/features.h"

/* Values handled at a time: fits the first-level cache several times over. */
#define STRATA_VALUES_BLOCK 512

/* Length of the block that starts at row `at`. */
static inline int64_t strata_values_block(int64_t n_local, int64_t at)
{
    return n_local - at < STRATA_VALUES_BLOCK ? n_local - at : STRATA_VALUES_BLOCK;
}

/* Values [n] from row `at` on: the column's own memory, or buffer [n] filled. */
const double *strata_values_read(const strata_feature *feature, int64_t at, int64_t n,
                                 double *buffer);

/* Collective. largest[d] = global maximum of |value| of each feature (0 without rows); *n_global.
 * STRATA_ERR_INPUT when a value is not finite. */
strata_status strata_values_largest(strata_context *ctx, const strata_feature_set *set,
                                    double *largest, int64_t *n_global) STRATA_MUST_USE;

#endif
