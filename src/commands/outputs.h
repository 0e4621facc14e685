/* outputs.h: the files that a command is about to write, before it does any work. */
#ifndef STRATA_COMMANDS_OUTPUTS_H
#define STRATA_COMMANDS_OUTPUTS_H

#include <stdint.h>

#include "command.h"

enum { OUTPUTS_MAX = 8 };

typedef enum output_way {
    OUTPUT_RESULT,   /* by strata_output_create, which looks at its place itself */
    OUTPUT_REPLACED, /* a finished file is renamed to it */
    OUTPUT_IN_PLACE  /* opened and written; "-" is the screen */
} output_way;

typedef struct output_file {
    const char *what; /* the option or key that names it: "--json" */
    const char *path; /* NULL = not asked for. Borrowed */
    output_way way;
} output_file;

/* Collective. Whether outputs [n], n <= OUTPUTS_MAX, can be written and destroy nothing.
 * STRATA_ERR_USAGE when one is a folder, or is also a file that is read (input.files, --config,
 * cluster.centroids, privacy.key_file) or another output, under whatever name: links are followed, and
 * a file that is not there yet is known by its folder and name. What is no regular file (/dev/null) may
 * be named twice. STRATA_ERR_IO when one has no place. config NULL: a command that reads nothing.
 * Rank 0 looks. */
strata_status check_outputs(strata_context *ctx, const strata_command_line *line,
                            const strata_config *config, const output_file *outputs,
                            int32_t n) STRATA_MUST_USE;

#endif
