#include <string.h>

#include "strata/memory.h"
#include "strata/par.h"

/* Elements reduced in one MPI call: far below INT_MAX, and large enough that latency is lost in it. */
static const int64_t round_elements = INT64_C(1) << 24;

static strata_status allreduce(strata_context *ctx, void *values, int64_t count, int64_t size,
                               MPI_Datatype type, strata_op op)
{
    strata_status rc = STRATA_OK;
    if (ctx->comm == MPI_COMM_NULL || ctx->size == 1)
        return STRATA_OK;
    MPI_Op mpi_op = op == STRATA_SUM ? MPI_SUM : op == STRATA_MIN ? MPI_MIN : MPI_MAX;
    for (int64_t at = 0; at < count; at += round_elements) {
        int n = 0;
        STRATA_TRY(
            strata_narrow(ctx, count - at < round_elements ? count - at : round_elements, &n));
        STRATA_MPI(ctx, MPI_Allreduce(MPI_IN_PLACE, (char *)values + at * size, n, type, mpi_op,
                                      ctx->comm));
    }
done:
    return rc;
}

strata_status strata_par_allreduce_i64(strata_context *ctx, int64_t *values, int64_t count,
                                       strata_op op)
{
    return allreduce(ctx, values, count, sizeof *values, MPI_INT64_T, op);
}

strata_status strata_par_allreduce_f64(strata_context *ctx, double *values, int64_t count,
                                       strata_op op)
{
    if (op == STRATA_SUM)
        return strata_context_fail(ctx, STRATA_ERR_INTERNAL, __FILE__, __LINE__,
                                   "a floating-point sum over ranks depends on the partition");
    return allreduce(ctx, values, count, sizeof *values, MPI_DOUBLE, op);
}

strata_status strata_par_allreduce_i128(strata_context *ctx, __int128 *values, int64_t count)
{
    enum { FEW = 64 };
    strata_status rc = STRATA_OK;
    int64_t few[4 * FEW], *many = NULL, *limbs = few;
    if (ctx->comm == MPI_COMM_NULL || ctx->size == 1)
        return STRATA_OK;
    if (count > FEW) { /* a few sums need neither memory nor an agreement on it */
        STRATA_AGREE(ctx, strata_alloc(ctx, count, 4 * sizeof *limbs, &many));
        limbs = many;
    }
    /* Four limbs of 32 bits leave 31 bits for carries: room for 2^31 ranks. */
    for (int64_t i = 0; i < count; i++)
        for (int limb = 0; limb < 4; limb++)
            limbs[4 * i + limb] = (int64_t)(uint32_t)((unsigned __int128)values[i] >> (32 * limb));
    STRATA_TRY(strata_par_allreduce_i64(ctx, limbs, 4 * count, STRATA_SUM));
    for (int64_t i = 0; i < count; i++) {
        unsigned __int128 sum = 0;
        for (int limb = 0; limb < 4; limb++)
            sum += (unsigned __int128)limbs[4 * i + limb] << (32 * limb);
        values[i] = (__int128)sum;
    }
done:
    strata_free(&many);
    return rc;
}

strata_status strata_par_exscan_i64(strata_context *ctx, int64_t value, int64_t *first,
                                    int64_t *total)
{
    strata_status rc = STRATA_OK;
    int64_t before = 0, all = value;
    if (ctx->comm != MPI_COMM_NULL && ctx->size > 1) {
        STRATA_MPI(ctx, MPI_Exscan(&value, &before, 1, MPI_INT64_T, MPI_SUM, ctx->comm));
        if (ctx->rank == 0)
            before = 0; /* undefined there by the standard */
        STRATA_MPI(ctx, MPI_Allreduce(&value, &all, 1, MPI_INT64_T, MPI_SUM, ctx->comm));
    }
    *first = before;
    *total = all;
done:
    return rc;
}

strata_status strata_par_bcast(strata_context *ctx, void *buffer, int64_t bytes, int root)
{
    strata_status rc = STRATA_OK;
    const int64_t round_bytes = INT64_C(1) << 30;
    if (ctx->comm == MPI_COMM_NULL || ctx->size == 1)
        return STRATA_OK;
    for (int64_t at = 0; at < bytes; at += round_bytes) {
        int n = 0;
        STRATA_TRY(strata_narrow(ctx, bytes - at < round_bytes ? bytes - at : round_bytes, &n));
        STRATA_MPI(ctx, MPI_Bcast((char *)buffer + at, n, MPI_BYTE, root, ctx->comm));
    }
done:
    return rc;
}

/* Displacements of an MPI gather are int, so the whole must stay below 2 GiB; checked on all ranks. */
static strata_status gather_layout(strata_context *ctx, const int64_t *sizes, int *counts,
                                   int *places, int64_t *total)
{
    strata_status rc = STRATA_OK;
    int64_t sum = 0;
    for (int r = 0; r < ctx->size; r++) {
        STRATA_TRY(strata_narrow(ctx, sizes[r], &counts[r]));
        STRATA_TRY(strata_narrow(ctx, sum, &places[r]));
        sum += sizes[r];
    }
    int unused = 0;
    STRATA_TRY(strata_narrow(ctx, sum, &unused));
    *total = sum;
done:
    return rc;
}

strata_status strata_par_gather(strata_context *ctx, const void *bytes, int64_t n_local, int root,
                                void *out, int64_t *n_out, int64_t *counts)
{
    strata_status rc = STRATA_OK;
    int64_t *sizes = NULL, total = 0;
    int *mpi_counts = NULL, *places = NULL;
    char *whole = NULL;
    bool receives = root < 0 || root == ctx->rank;
    strata_status local = strata_alloc(ctx, ctx->size, sizeof *sizes, &sizes);
    if (local == STRATA_OK)
        local = strata_alloc(ctx, ctx->size, sizeof *mpi_counts, &mpi_counts);
    if (local == STRATA_OK)
        local = strata_alloc(ctx, ctx->size, sizeof *places, &places);
    STRATA_AGREE(ctx, local);
    sizes[0] = n_local;
    if (ctx->comm != MPI_COMM_NULL)
        STRATA_MPI(ctx, MPI_Allgather(&n_local, 1, MPI_INT64_T, sizes, 1, MPI_INT64_T, ctx->comm));
    STRATA_TRY(gather_layout(ctx, sizes, mpi_counts, places, &total));
    STRATA_AGREE(ctx, receives ? strata_alloc(ctx, total, 1, &whole) : STRATA_OK);
    if (ctx->comm == MPI_COMM_NULL) {
        if (n_local > 0)
            memcpy(whole, bytes, (size_t)n_local);
    } else if (root < 0) {
        STRATA_MPI(ctx, MPI_Allgatherv(bytes, mpi_counts[ctx->rank], MPI_BYTE, whole, mpi_counts,
                                       places, MPI_BYTE, ctx->comm));
    } else {
        STRATA_MPI(ctx, MPI_Gatherv(bytes, mpi_counts[ctx->rank], MPI_BYTE, whole, mpi_counts,
                                    places, MPI_BYTE, root, ctx->comm));
    }
    if (counts)
        memcpy(counts, sizes, (size_t)ctx->size * sizeof *counts);
    memcpy(out, &whole, sizeof whole);
    *n_out = receives ? total : 0;
    whole = NULL;
done:
    strata_free(&whole);
    strata_free(&places);
    strata_free(&mpi_counts);
    strata_free(&sizes);
    return rc;
}
