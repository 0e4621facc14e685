#include "strata/fault.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static strata_status malformed(strata_context *ctx, const char *spec)
{
    return strata_context_fail(ctx, STRATA_ERR_USAGE, __FILE__, __LINE__,
                               "STRATA_FAULT=%s is not point[:action[:skip[:rank]]]", spec);
}

static bool read_number(const char *text, long low, long *out)
{
    char *end = NULL;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno || end == text || *end || value < low)
        return false;
    *out = value;
    return true;
}

strata_status strata_fault_configure(strata_context *ctx)
{
    static const char *const actions[] = {"fail", "short", "kill", "segv", "exit", "term"};
    const char *spec = getenv("STRATA_FAULT");
    if (!spec || !*spec)
        return STRATA_OK;
    char copy[128], *rest = copy;
    if (strlen(spec) >= sizeof copy)
        return malformed(ctx, spec);
    memcpy(copy, spec, strlen(spec) + 1);
    const char *point = strsep(&rest, ":");
    const char *action = rest ? strsep(&rest, ":") : "fail";
    const char *skip = rest ? strsep(&rest, ":") : "0";
    const char *rank = rest ? rest : "-1";
    long skip_value = 0, rank_value = -1;
    bool known = false;
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        known = known || strcmp(action, actions[i]) == 0;
    if (!known || !*point || strlen(point) >= sizeof ctx->fault.point ||
        !read_number(skip, 0, &skip_value) || !read_number(rank, -1, &rank_value))
        return malformed(ctx, spec);
    memcpy(ctx->fault.point, point, strlen(point) + 1);
    memcpy(ctx->fault.action, action, strlen(action) + 1);
    ctx->fault.skip = skip_value;
    ctx->fault.rank = (int)rank_value;
    return STRATA_OK;
}

static bool reached(strata_context *ctx, const char *point)
{
    if (!ctx->fault.point[0] || strcmp(ctx->fault.point, point) != 0)
        return false;
    if (ctx->fault.rank >= 0 && ctx->fault.rank != ctx->rank)
        return false;
    return ctx->fault.skip-- <= 0;
}

bool strata_fault_strikes(strata_context *ctx, const char *point)
{
    if (!ctx->fault.point[0] || strcmp(ctx->fault.action, "short") == 0 || !reached(ctx, point))
        return false;
    if (strcmp(ctx->fault.action, "kill") == 0)
        kill(getpid(), SIGKILL);
    if (strcmp(ctx->fault.action, "segv") == 0) {
        signal(SIGSEGV, SIG_DFL);
        raise(SIGSEGV);
    }
    if (strcmp(ctx->fault.action, "term") == 0)
        raise(SIGTERM);
    if (strcmp(ctx->fault.action, "exit") == 0)
        _exit(0);
    return true;
}

bool strata_fault_shortens(strata_context *ctx, const char *point)
{
    return ctx->fault.point[0] && strcmp(ctx->fault.action, "short") == 0 && reached(ctx, point);
}
