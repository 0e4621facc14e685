#include <stdio.h>

#include "command.h"

#include "strata/build.h"

static strata_status run(strata_context *ctx, const strata_command_line *line)
{
    strata_build_item items[STRATA_BUILD_ITEMS];
    int32_t n = strata_build_items(items);
    (void)ctx;
    (void)line;
    for (int32_t i = 0; i < n; i++)
        printf("%-10s %s\n", items[i].name, items[i].value);
    return STRATA_OK;
}

const strata_command strata_command_build_info = {
    .name = "build-info",
    .usage = "",
    .summary = "show compiler, libraries and processor",
    .run = run,
};
