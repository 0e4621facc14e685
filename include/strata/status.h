/* status.h: how every fallible function of strata reports what happened.
 *
 * The pattern, everywhere:
 *
 *     strata_status strata_room_verb(strata_context *ctx, ..., result *out)
 *     {
 *         strata_status rc = STRATA_OK;
 *         ...
 *         STRATA_TRY(strata_other(ctx, ...));            // passes a failure on
 *         if (bad)
 *             STRATA_FAIL(ctx, STRATA_ERR_INPUT, "file %s: ...", path);
 *     done:
 *         release everything local; releases are safe on NULL and twice
 *         return rc;
 *     }
 *
 * Results leave through trailing pointers, which are untouched on failure. Place and message of the
 * first failure stay in the context. A failure that one rank alone can meet is *local*: a function
 * tagged Collective has agreed on it (strata_par_agree) before it returns, so that all ranks return
 * the same status.
 */
#ifndef STRATA_STATUS_H
#define STRATA_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

typedef enum strata_status {
    STRATA_OK = 0,
    STRATA_ERR_INTERNAL,   /* a broken invariant: our mistake */
    STRATA_ERR_USAGE,      /* command line or configuration */
    STRATA_ERR_GATE,       /* a gate failed under --strict; the output is written */
    STRATA_ERR_REBUILD,    /* drift: rebuild recommended; the output is written */
    STRATA_ERR_INPUT,      /* the input cannot be used */
    STRATA_ERR_MEMORY,     /* not enough memory */
    STRATA_ERR_SPACE,      /* not enough disk space */
    STRATA_ERR_IO,         /* reading or writing failed */
    STRATA_ERR_MPI,        /* the message layer failed */
    STRATA_ERR_VERIFY,     /* a file does not hold what it should */
    STRATA_ERR_CHECKPOINT, /* stopped at a checkpoint on request: requeue me */
    STRATA_STATUS_COUNT
} strata_status;

/* A short English name, for instance "input unusable". Not collective. Never NULL. */
const char *strata_status_text(strata_status status);

/* The process exit code of a status (0..125; the table is in the README). Not collective. */
int strata_status_exit_code(strata_status status);

#define STRATA_MUST_USE     __attribute__((warn_unused_result))
#define STRATA_PRINTF(f, a) __attribute__((format(printf, f, a)))

/* Both need a variable `strata_status rc` and a label `done:` in the calling function. */
#define STRATA_TRY(expression)                                                                     \
    do {                                                                                           \
        rc = (expression);                                                                         \
        if (rc != STRATA_OK)                                                                       \
            goto done;                                                                             \
    } while (0)

#define STRATA_FAIL(ctx, status, ...)                                                              \
    do {                                                                                           \
        rc = strata_context_fail((ctx), (status), __FILE__, __LINE__, __VA_ARGS__);                \
        goto done;                                                                                 \
    } while (0)

#ifdef __cplusplus
}
#endif
#endif
