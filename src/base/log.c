#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "strata/context.h"

static const char *const level_name[] = {"error", "warning", "info", "debug"};

/* Writes text as a JSON string body; bytes below 0x20, quotes and backslashes are escaped. */
static void json_escape(FILE *out, const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\')
            fprintf(out, "\\%c", *c);
        else if (*c < 0x20)
            fprintf(out, "\\u%04x", *c);
        else
            fputc(*c, out);
    }
}

static void print_line(strata_context *ctx, strata_log_level level, const char *text)
{
    strata_progress_end(ctx);
    if (!ctx->log_json) {
        fprintf(stderr, level == STRATA_LOG_INFO ? "strata: %s%s\n" : "strata: %s: %s\n",
                level == STRATA_LOG_INFO ? "" : level_name[level], text);
        return;
    }
    struct timespec now;
    struct tm utc;
    char stamp[32] = "";
    clock_gettime(CLOCK_REALTIME, &now);
    if (gmtime_r(&now.tv_sec, &utc))
        strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", &utc);
    fprintf(stderr, "{\"time\":\"%s\",\"level\":\"%s\",\"rank\":%d,\"message\":\"", stamp,
            level_name[level], ctx->rank);
    json_escape(stderr, text);
    fputs("\"}\n", stderr);
}

void strata_log(strata_context *ctx, strata_log_level level, const char *format, ...)
{
    if (level > ctx->log_level || (ctx->rank != 0 && level != STRATA_LOG_ERROR))
        return;
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    print_line(ctx, level, text);
}

void strata_progress(strata_context *ctx, const char *phase, double share, const char *detail)
{
    const double redraw_seconds = 0.1, line_seconds = 10.0;
    if (ctx->rank != 0 || ctx->quiet)
        return;
    double now = strata_now();
    if (ctx->progress_last == 0 && !ctx->progress)
        ctx->progress_last = now; /* a log gets its first line only when a phase takes long */
    if (now - ctx->progress_last < (ctx->progress ? redraw_seconds : line_seconds))
        return;
    ctx->progress_last = now;
    char percent[16] = "";
    if (share >= 0)
        snprintf(percent, sizeof percent, " %3.0f %%", 100 * (share > 1 ? 1 : share));
    if (ctx->progress) {
        fprintf(stderr, "\r\033[K%s%s %s", phase, percent, detail ? detail : "");
        fflush(stderr);
        ctx->progress_open = true;
    } else {
        strata_log(ctx, STRATA_LOG_INFO, "%s%s %s", phase, percent, detail ? detail : "");
    }
}

void strata_progress_end(strata_context *ctx)
{
    if (!ctx->progress_open)
        return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    ctx->progress_open = false;
}
