/* context.h: what every function of strata needs to know about where it runs.
 *
 * There are no mutable globals. The context comes first in every call; it holds a duplicated
 * communicator, the log, the injected fault (tests only) and the first error met. */
#ifndef STRATA_CONTEXT_H
#define STRATA_CONTEXT_H

#include <mpi.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "strata/status.h"

typedef enum strata_log_level {
    STRATA_LOG_ERROR,
    STRATA_LOG_WARNING,
    STRATA_LOG_INFO,
    STRATA_LOG_DEBUG
} strata_log_level;

typedef struct strata_error {
    strata_status status;
    int rank;           /* where it was met */
    int line;           /* source line */
    const char *file;   /* source file, static text */
    char message[1024]; /* one line that says what to do, without a line break */
} strata_error;

/* One injected fault, from the environment variable STRATA_FAULT (see fault.h). */
typedef struct strata_fault {
    char point[48]; /* "" = none */
    char action[12];
    int64_t skip; /* passes over the point before it strikes */
    int rank;     /* -1 = every rank */
} strata_fault;

typedef struct strata_context {
    MPI_Comm comm; /* owned duplicate; MPI_COMM_NULL in a serial command */
    int rank;
    int size;
    strata_log_level log_level; /* messages above it are not printed */
    bool log_json;              /* one JSON object a line instead of text */
    bool quiet;                 /* no progress, no summary */
    bool progress;              /* a progress line may be redrawn on a terminal */
    bool progress_open;         /* such a line is on the screen now */
    double progress_last;       /* when it was last drawn, seconds */
    strata_fault fault;
    strata_error error;
} strata_context;

/* Collective over comm. Duplicates comm and sets MPI_ERRORS_RETURN on the duplicate. With
 * MPI_COMM_NULL the context is serial: rank 0 of 1, and no MPI call is ever made through it. */
strata_status strata_context_init(strata_context *ctx, MPI_Comm comm) STRATA_MUST_USE;

/* Collective over the context. Safe twice. */
void strata_context_release(strata_context *ctx);

/* Records a failure (the first one stays) and returns status. Not collective. Use STRATA_FAIL. */
strata_status strata_context_fail(strata_context *ctx, strata_status status, const char *file,
                                  int line, const char *format, ...) STRATA_PRINTF(5, 6);

/* Forgets the recorded error, for callers that handled it. Not collective. */
void strata_context_clear_error(strata_context *ctx);

/* Turns the return code of an MPI call into a status. Not collective. */
strata_status strata_context_mpi(strata_context *ctx, int code, const char *file, int line);
#define STRATA_MPI(ctx, call) STRATA_TRY(strata_context_mpi((ctx), (call), __FILE__, __LINE__))

/* The one place that calls MPI_Abort: ends every rank with exit code 1..125. Not collective. For
 * failures after which no agreement is possible any more. Does not return. */
_Noreturn void strata_context_abort(strata_context *ctx, int exit_code);

/* Prints one line on stderr, if level <= ctx->log_level; all levels but errors on rank 0 only.
 * Not collective. */
void strata_log(strata_context *ctx, strata_log_level level, const char *format, ...)
    STRATA_PRINTF(3, 4);

/* Says how far a phase has come: redraws one line on a terminal, at most ten times a second; in a
 * log prints a plain line at most every ten seconds. share in [0, 1], negative = unknown. Rank 0
 * only prints. Not collective. */
void strata_progress(strata_context *ctx, const char *phase, double share, const char *detail);

/* Ends the progress line, before anything else is printed. Not collective. */
void strata_progress_end(strata_context *ctx);

/* Seconds on a steady clock; only differences mean something. Not collective. */
double strata_now(void);

#endif
