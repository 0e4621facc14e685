#include "strata/context.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "strata/fault.h"

strata_status strata_context_init(strata_context *ctx, MPI_Comm comm)
{
    *ctx = (strata_context){.comm = MPI_COMM_NULL, .size = 1, .log_level = STRATA_LOG_INFO};
    ctx->fault.rank = -1;
    if (comm != MPI_COMM_NULL) {
        if (MPI_Comm_dup(comm, &ctx->comm) != MPI_SUCCESS ||
            MPI_Comm_set_errhandler(ctx->comm, MPI_ERRORS_RETURN) != MPI_SUCCESS ||
            MPI_Comm_rank(ctx->comm, &ctx->rank) != MPI_SUCCESS ||
            MPI_Comm_size(ctx->comm, &ctx->size) != MPI_SUCCESS)
            return strata_context_fail(ctx, STRATA_ERR_MPI, __FILE__, __LINE__,
                                       "the communicator could not be set up");
    }
    return strata_fault_configure(ctx);
}

void strata_context_release(strata_context *ctx)
{
    strata_progress_end(ctx);
    if (ctx->comm != MPI_COMM_NULL)
        MPI_Comm_free(&ctx->comm);
}

strata_status strata_context_fail(strata_context *ctx, strata_status status, const char *file,
                                  int line, const char *format, ...)
{
    if (ctx->error.status != STRATA_OK) /* the first failure is the cause; later ones follow */
        return status;
    va_list args;
    va_start(args, format);
    vsnprintf(ctx->error.message, sizeof ctx->error.message, format, args);
    va_end(args);
    for (char *c = ctx->error.message; *c; c++) /* one line, whatever a file name or value holds */
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    ctx->error.status = status;
    ctx->error.rank = ctx->rank;
    ctx->error.file = file;
    ctx->error.line = line;
    return status;
}

void strata_context_clear_error(strata_context *ctx)
{
    ctx->error = (strata_error){0};
}

strata_status strata_context_mpi(strata_context *ctx, int code, const char *file, int line)
{
    if (code == MPI_SUCCESS)
        return STRATA_OK;
    char text[MPI_MAX_ERROR_STRING] = "";
    int length = 0;
    MPI_Error_string(code, text, &length);
    return strata_context_fail(ctx, STRATA_ERR_MPI, file, line, "MPI: %s", text);
}

_Noreturn void strata_context_abort(strata_context *ctx, int exit_code)
{
    if (exit_code < 1 || exit_code > 125) /* mpirun turns 256 into 0 and 128+ into signals */
        exit_code = 1;
    fflush(NULL);
    if (ctx->comm != MPI_COMM_NULL)
        MPI_Abort(ctx->comm, exit_code);
    _exit(exit_code);
}

double strata_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
