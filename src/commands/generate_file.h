/* generate_file.h: one text file written by all ranks, in rank order, round by round. */
#ifndef STRATA_COMMANDS_GENERATE_FILE_H
#define STRATA_COMMANDS_GENERATE_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "strata/context.h"

/* {.fd = -1} is a file that is not open; every function but open does nothing with it. */
typedef struct generate_file {
    const char *path; /* borrowed */
    char *temporary;  /* owned */
    int fd;
    int64_t bytes;         /* written so far by all ranks */
    strata_status pending; /* of this rank's last write; agreed on by the next call */
    bool force, made;      /* replace path; the temporary file exists */
} generate_file;

/* Collective. Starts a file beside path under a temporary name. STRATA_ERR_USAGE when path exists and
 * force is not given. */
strata_status generate_file_open(strata_context *ctx, const char *path, bool force,
                                 generate_file *out) STRATA_MUST_USE;

/* Collective. Appends every rank's bytes [n] in rank order. local: whether this rank could make its
 * bytes. */
strata_status generate_file_put(strata_context *ctx, generate_file *file, strata_status local,
                                const char *bytes, int64_t n) STRATA_MUST_USE;

/* Collective. Syncs, checks the size and closes. */
strata_status generate_file_settle(strata_context *ctx, generate_file *file) STRATA_MUST_USE;

/* Collective. Gives a settled file its name. */
strata_status generate_file_publish(strata_context *ctx, generate_file *file) STRATA_MUST_USE;

/* Not collective. Closes, and removes what was not finished. Safe twice. */
void generate_file_release(strata_context *ctx, generate_file *file);

#endif
