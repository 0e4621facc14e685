/* bench_machine.c: what the machine can do, to set the figures of strata bench against. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "bench.h"

#include "strata/memory.h"
#include "strata/par.h"
#include "strata/text.h"

/* The beginning of a file of the kernel (their sizes are not known before). */
static bool read_kernel_file(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, out, size - 1) : -1;
    if (fd >= 0)
        close(fd);
    out[got > 0 ? got : 0] = 0;
    return got > 0;
}

/* What stands behind "name ... :" on its line. */
static const char *behind(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    at = at ? strchr(at, ':') : NULL;
    return at ? at + 1 + strspn(at + 1, " \t") : NULL;
}

void bench_processor(char *out, size_t size)
{
    char text[4096];
    struct utsname machine;
    const char *name = NULL;
    if (read_kernel_file("/proc/cpuinfo", text, sizeof text))
        name = behind(text, "model name");
    if (name)
        snprintf(out, size, "%.*s", (int)strcspn(name, "\n"), name);
    else
        snprintf(out, size, "%s", uname(&machine) == 0 ? machine.machine : "unknown");
}

/* ---- memory ---------------------------------------------------------------------------------- */

/* A figure in kB of /proc/self/status, as bytes. */
static int64_t status_bytes(const char *name)
{
    char text[8192];
    int64_t kilobytes = 0;
    if (!read_kernel_file("/proc/self/status", text, sizeof text))
        return -1;
    const char *value = behind(text, name);
    if (!value || !strata_text_to_int64(value, (int64_t)strspn(value, "0123456789"), &kilobytes))
        return -1;
    return kilobytes * 1024;
}

int64_t bench_memory_mark(void)
{
    strata_memory_trim(); /* what earlier fits left must not serve the next one unseen */
    int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    bool reset = fd >= 0 && write(fd, "5", 1) == 1;
    if (fd >= 0)
        close(fd);
    return reset ? status_bytes("VmRSS") : -1;
}

int64_t bench_memory_growth(int64_t mark)
{
    int64_t peak = status_bytes("VmHWM");
    return mark >= 0 && peak >= mark ? peak - mark : -1;
}

/* ---- bandwidth and latency ------------------------------------------------------------------- */

/* Eight sums, so that no addition waits for the one before. */
static uint64_t read_once(const uint64_t *words, int64_t n)
{
    uint64_t sum[8] = {0};
    for (int64_t i = 0; i < n; i += 8)
        for (int j = 0; j < 8; j++)
            sum[j] += words[i + j];
    return sum[0] + sum[1] + sum[2] + sum[3] + sum[4] + sum[5] + sum[6] + sum[7];
}

strata_status bench_bandwidth(strata_context *ctx, bench_samples *seconds_a_byte)
{
    enum { PASSES = 7 };
    strata_status rc = STRATA_OK;
    uint64_t *words = NULL;
    volatile uint64_t sink = 0;
    double all = 0;
    const int64_t n =
        (INT64_C(256) << 20) / ctx->size / 64 * 8; /* far beyond the caches together */
    STRATA_AGREE(ctx, strata_alloc(ctx, n, sizeof *words, &words));
    memset(words, 1, (size_t)n * sizeof *words);
    for (int pass = 0; pass < PASSES; pass++) {
        int64_t nothing = 0; /* from a common start to a common end: the passes overlap */
        STRATA_TRY(strata_par_allreduce_i64(ctx, &nothing, 1, STRATA_MAX));
        double begin = strata_now();
        sink += read_once(words, n);
        STRATA_TRY(strata_par_allreduce_i64(ctx, &nothing, 1, STRATA_MAX));
        double seconds = strata_now() - begin;
        STRATA_TRY(strata_par_allreduce_f64(ctx, &seconds, 1, STRATA_MAX));
        all += seconds;
    }
    seconds_a_byte->seconds[seconds_a_byte->n++] =
        all / PASSES / ((double)n * (double)sizeof *words * ctx->size);
done:
    strata_free(&words);
    return rc;
}

static int ascending(const void *a, const void *b)
{
    const double *left = a, *right = b;
    return *left < *right ? -1 : *left > *right;
}

strata_status bench_reduce(strata_context *ctx, int64_t count, double *out)
{
    enum { ROUNDS = 101 };
    strata_status rc = STRATA_OK;
    int64_t *values = NULL;
    double seconds[ROUNDS];
    STRATA_AGREE(ctx, strata_calloc(ctx, count, sizeof *values, &values));
    for (int r = 0; r < ROUNDS; r++) {
        double begin = strata_now();
        STRATA_TRY(strata_par_allreduce_i64(ctx, values, count, STRATA_SUM));
        seconds[r] = strata_now() - begin;
    }
    qsort(seconds, ROUNDS, sizeof *seconds, ascending);
    double median = seconds[ROUNDS / 2];
    STRATA_TRY(strata_par_allreduce_f64(ctx, &median, 1, STRATA_MAX));
    *out = median;
done:
    strata_free(&values);
    return rc;
}
