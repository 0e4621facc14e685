#include <stdio.h>

#include "command.h"

#include "strata/build.h"

static strata_status run(strata_context *ctx, const strata_command_line *line)
{
    (void)ctx;
    (void)line;
    printf("strata %s (%s)\n", strata_version(), strata_commit());
    return STRATA_OK;
}

const strata_command strata_command_version = {
    .name = "version",
    .usage = "",
    .summary = "show the version",
    .run = run,
};
