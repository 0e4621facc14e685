/* partition.h: which rank owns which rows. */
#ifndef STRATA_PARTITION_H
#define STRATA_PARTITION_H

#include <stdint.h>

#include "strata/context.h"

/* Rows [offsets[r], offsets[r + 1]) of a global table live on rank r. The array is replicated and
 * monotone; ranks may be empty. */
typedef struct strata_partition {
    int size;         /* ranks */
    int64_t *offsets; /* [size + 1], owned */
} strata_partition;

/* Collective. Builds the partition from each rank's number of rows. */
strata_status strata_partition_gather(strata_context *ctx, int64_t n_local,
                                      strata_partition *out) STRATA_MUST_USE;

/* Not collective. n_global rows in blocks of block rows (the last one may be short), the blocks dealt
 * out evenly in order, so that no block spans two ranks. */
strata_status strata_partition_blocks(strata_context *ctx, int64_t n_global, int64_t block,
                                      strata_partition *out) STRATA_MUST_USE;

/* Not collective. */
void strata_partition_release(strata_partition *partition);

static inline int64_t strata_partition_global(const strata_partition *p)
{
    return p->offsets[p->size];
}

static inline int64_t strata_partition_first(const strata_partition *p, int rank)
{
    return p->offsets[rank];
}

static inline int64_t strata_partition_local(const strata_partition *p, int rank)
{
    return p->offsets[rank + 1] - p->offsets[rank];
}

/* The rank that owns global row index, 0 <= index < global. O(log size). Not collective. */
int strata_partition_owner(const strata_partition *partition, int64_t index);

#endif
