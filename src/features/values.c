#include "features/values.h"

#include <math.h>
#include <string.h>

#include "strata/par.h"

const double *strata_values_read(const strata_feature *feature, int64_t at, int64_t n,
                                 double *buffer)
{
    switch (feature->type) {
    case STRATA_I16:
        for (int64_t i = 0; i < n; i++)
            buffer[i] = ((const int16_t *)feature->values)[at + i];
        break;
    case STRATA_I32:
        for (int64_t i = 0; i < n; i++)
            buffer[i] = ((const int32_t *)feature->values)[at + i];
        break;
    case STRATA_I64:
        for (int64_t i = 0; i < n; i++)
            buffer[i] = (double)((const int64_t *)feature->values)[at + i];
        break;
    case STRATA_F64:
        return (const double *)feature->values + at;
    case STRATA_TEXT: /* refused before */
        break;
    }
    return buffer;
}

/* Bits of |value| are ordered as the values are; from these on it is infinite or no number. */
static const uint64_t infinite_bits = UINT64_C(0x7ff) << 52;

static uint64_t magnitude_bits(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits & (UINT64_MAX >> 1);
}

static uint64_t largest_bits(const strata_feature *feature, int64_t n_local)
{
    double buffer[STRATA_VALUES_BLOCK];
    uint64_t largest = 0;
    for (int64_t at = 0; at < n_local; at += STRATA_VALUES_BLOCK) {
        const int64_t n = strata_values_block(n_local, at);
        const double *x = strata_values_read(feature, at, n, buffer);
        for (int64_t i = 0; i < n; i++) {
            const uint64_t bits = magnitude_bits(x[i]);
            largest = bits > largest ? bits : largest;
        }
    }
    return largest;
}

/* The first row of the feature that is not finite, n_local if none. Only doubles can be such. */
static int64_t first_bad(const strata_feature *feature, int64_t n_local)
{
    const double *x = feature->values;
    int64_t i = 0;
    while (i < n_local && magnitude_bits(x[i]) < infinite_bits)
        i++;
    return i;
}

strata_status strata_values_largest(strata_context *ctx, const strata_feature_set *set,
                                    double *largest, int64_t *n_global)
{
    strata_status rc = STRATA_OK;
    int64_t first = 0, bad = INT64_MAX;
    STRATA_TRY(strata_par_exscan_i64(ctx, set->n_local, &first, n_global));
    for (int32_t f = 0; f < set->d; f++) {
        uint64_t bits = largest_bits(&set->feature[f], set->n_local);
        if (bits >= infinite_bits) {
            const int64_t row = first + first_bad(&set->feature[f], set->n_local);
            const int64_t place = row * STRATA_FEATURES_MAX + f;
            bad = place < bad ? place : bad;
            bits = 0; /* NaN must not enter the reduction; the place says it all */
        }
        memcpy(&largest[f], &bits, sizeof bits);
    }
    STRATA_TRY(strata_par_allreduce_i64(ctx, &bad, 1, STRATA_MIN));
    if (bad < INT64_MAX) /* every rank knows the same place, so all fail alike */
        STRATA_FAIL(ctx, STRATA_ERR_INPUT, "feature %s of row %lld is not a finite number",
                    set->feature[bad % STRATA_FEATURES_MAX].name,
                    (long long)(bad / STRATA_FEATURES_MAX));
    STRATA_TRY(strata_par_allreduce_f64(ctx, largest, set->d, STRATA_MAX));
done:
    return rc;
}
