/* strata verify: does a result hold what it says? */
#include <inttypes.h>
#include <stdio.h>

#include "command.h"

#include "strata/output.h"

typedef struct request {
    const char *path;
    strata_verdict verdict;
} request;

static strata_status verify_file(strata_context *ctx, void *argument)
{
    request *r = argument;
    return strata_verify(ctx, r->path, &r->verdict);
}

static strata_status run(strata_context *ctx, const strata_command_line *line)
{
    strata_status rc = STRATA_OK;
    request r = {.path = line->operands[0]};
    STRATA_TRY(strata_guard(ctx, r.path, verify_file, &r, &r, sizeof r));
    if (!ctx->quiet)
        printf("%s: verified: %" PRId64 " users, %" PRId64
               " columns, %.1f MiB, content digest %s\n",
               r.path, r.verdict.users, r.verdict.data_sets, (double)r.verdict.bytes / 1048576.0,
               r.verdict.digest);
done:
    return rc;
}

const strata_command strata_command_verify = {
    .name = "verify",
    .usage = "FILE.h5",
    .summary = "check structure, checksums and content digest of a result",
    .details =
        "Reads everything. Ends with 0 and one line when the file is complete and undamaged,\n"
        "with 8 and one line that names what is wrong when it is not.",
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
