/* radix.h: local sorting inside the par room. Nothing here is collective. */
#ifndef STRATA_PAR_RADIX_H
#define STRATA_PAR_RADIX_H

#include <stdint.h>

#include "strata/context.h"

typedef struct strata_pair {
    uint64_t key, index;
} strata_pair;

/* Sorts pairs [n] by key, stably; scratch [n] is overwritten. The cost follows the bits of the largest
 * key: about 2 ns a pair for every 11 bits. */
void strata_radix_pairs(strata_pair *pairs, strata_pair *scratch, int64_t n);

/* Sorts values [n_local] with their places: pairs[i].key = value - base of the i-th smallest,
 * pairs[i].index = its place; base <= all values. *pairs [n_local] is owned by the caller. */
strata_status strata_radix_values(strata_context *ctx, const int64_t *values, int64_t n_local,
                                  int64_t base, strata_pair **pairs) STRATA_MUST_USE;

/* Sorts records [n, size] by memcmp over all bytes into sorted, which must not overlap them. */
strata_status strata_radix_records(strata_context *ctx, const void *records, int64_t n,
                                   int64_t size, void *sorted) STRATA_MUST_USE;

#endif
