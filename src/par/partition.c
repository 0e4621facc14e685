#include "strata/partition.h"

#include "strata/memory.h"
#include "strata/par.h"

strata_status strata_partition_gather(strata_context *ctx, int64_t n_local, strata_partition *out)
{
    strata_status rc = STRATA_OK;
    int64_t *offsets = NULL;
    STRATA_AGREE(ctx, strata_calloc(ctx, ctx->size + 1, sizeof *offsets, &offsets));
    if (ctx->comm == MPI_COMM_NULL)
        offsets[1] = n_local;
    else
        STRATA_MPI(ctx,
                   MPI_Allgather(&n_local, 1, MPI_INT64_T, offsets + 1, 1, MPI_INT64_T, ctx->comm));
    for (int r = 0; r < ctx->size; r++)
        offsets[r + 1] += offsets[r];
    *out = (strata_partition){.size = ctx->size, .offsets = offsets};
    offsets = NULL;
done:
    strata_free(&offsets);
    return rc;
}

strata_status strata_partition_blocks(strata_context *ctx, int64_t n_global, int64_t block,
                                      strata_partition *out)
{
    strata_status rc = STRATA_OK;
    int64_t *offsets = NULL;
    if (n_global < 0 || block < 1)
        STRATA_FAIL(ctx, STRATA_ERR_INTERNAL, "a partition of %lld rows in blocks of %lld",
                    (long long)n_global, (long long)block);
    STRATA_TRY(strata_alloc(ctx, ctx->size + 1, sizeof *offsets, &offsets));
    int64_t blocks = n_global / block + (n_global % block != 0);
    for (int r = 0; r <= ctx->size; r++) {
        /* 128 bits: products may pass 2^63 in principle, and it costs nothing here */
        __int128 first = (__int128)blocks * r / ctx->size * block;
        offsets[r] = first < n_global ? (int64_t)first : n_global;
    }
    *out = (strata_partition){.size = ctx->size, .offsets = offsets};
    offsets = NULL;
done:
    strata_free(&offsets);
    return rc;
}

void strata_partition_release(strata_partition *partition)
{
    strata_free(&partition->offsets);
    partition->size = 0;
}

int strata_partition_owner(const strata_partition *partition, int64_t index)
{
    int low = 0, high = partition->size - 1;
    while (low < high) {
        int middle = low + (high - low + 1) / 2;
        if (partition->offsets[middle] <= index)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}
