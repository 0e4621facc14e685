#include <limits.h>
#include <string.h>

#include "strata/par.h"

strata_status strata_par_agree(strata_context *ctx, strata_status local)
{
    if (local != STRATA_OK &&
        ctx->error.status == STRATA_OK) /* nobody should leave without a word */
        strata_context_fail(ctx, local, __FILE__, __LINE__, "%s", strata_status_text(local));
    if (ctx->comm == MPI_COMM_NULL || ctx->size == 1)
        return local;
    int mine = local == STRATA_OK ? INT_MAX : ctx->rank, lowest = INT_MAX;
    int code = MPI_Allreduce(&mine, &lowest, 1, MPI_INT, MPI_MIN, ctx->comm);
    if (code != MPI_SUCCESS)
        return strata_context_mpi(ctx, code, __FILE__, __LINE__);
    if (lowest == INT_MAX)
        return STRATA_OK;
    /* Everybody leaves with the error of the lowest failing rank, so that all print and exit alike. */
    struct {
        int status, line;
        char file[128], message[sizeof ctx->error.message];
    } told = {0};
    if (ctx->rank == lowest) {
        told.status = (int)local;
        told.line = ctx->error.line;
        if (ctx->error.file)
            strncpy(told.file, ctx->error.file, sizeof told.file - 1);
        memcpy(told.message, ctx->error.message, sizeof told.message);
    }
    code = MPI_Bcast(&told, (int)sizeof told, MPI_BYTE, lowest, ctx->comm);
    if (code != MPI_SUCCESS)
        return strata_context_mpi(ctx, code, __FILE__, __LINE__);
    if (ctx->rank != lowest) {
        strata_context_clear_error(ctx);
        strata_context_fail(ctx, (strata_status)told.status, "(another rank)", told.line, "%s",
                            told.message);
    }
    ctx->error.rank = lowest;
    return (strata_status)told.status;
}
