/* A child process around the HDF5 library: a hostile file may crash or hang it, not us. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "strata/output.h"

/* CPU seconds for a file of that size: two orders of magnitude above what an honest one takes. */
static rlim_t time_for(const char *path)
{
    struct stat info;
    const rlim_t base = 60, bytes_a_second = 1000000;
    return stat(path, &info) == 0 ? base + (rlim_t)info.st_size / bytes_a_second : base;
}

static bool send_all(int fd, const void *data, size_t bytes)
{
    const char *from = data;
    while (bytes > 0) {
        ssize_t n = write(fd, from, bytes);
        if (n < 0 && errno != EINTR)
            return false;
        from += n > 0 ? n : 0;
        bytes -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

static bool receive_all(int fd, void *data, size_t bytes)
{
    char *to = data;
    while (bytes > 0) {
        ssize_t n = read(fd, to, bytes);
        if (n == 0 || (n < 0 && errno != EINTR))
            return false;
        to += n > 0 ? n : 0;
        bytes -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

typedef struct guarded {
    const char *path;
    strata_guarded body;
    void *argument, *result;
    size_t result_bytes;
} guarded;

static _Noreturn void run_child(strata_context *ctx, const guarded *g, int fd)
{
    struct rlimit limit = {time_for(g->path), time_for(g->path) + 5}, none = {0, 0};
    setrlimit(RLIMIT_CPU, &limit);
    setrlimit(RLIMIT_CORE, &none);
    strata_status status = g->body(ctx, g->argument);
    fflush(NULL);
    bool told =
        send_all(fd, &status, sizeof status) && send_all(fd, &ctx->error, sizeof ctx->error);
    if (told && status == STRATA_OK)
        told = send_all(fd, g->result, g->result_bytes);
    _exit(told ? 0 : 1);
}

static strata_status hear_child(strata_context *ctx, const guarded *g, int fd, pid_t child)
{
    strata_status rc = STRATA_OK, status = STRATA_OK;
    strata_error error;
    int end = 0;
    bool heard = receive_all(fd, &status, sizeof status) && receive_all(fd, &error, sizeof error);
    if (heard && status == STRATA_OK)
        heard = receive_all(fd, g->result, g->result_bytes);
    while (waitpid(child, &end, 0) < 0 && errno == EINTR)
        ;
    if (!heard && WIFSIGNALED(end) && WTERMSIG(end) == SIGXCPU)
        STRATA_FAIL(ctx, STRATA_ERR_VERIFY, "%s: reading it does not end; damaged or hostile",
                    g->path);
    if (!heard)
        STRATA_FAIL(ctx, STRATA_ERR_VERIFY, "%s: reading it crashes (%s); damaged or hostile",
                    g->path, WIFSIGNALED(end) ? strsignal(WTERMSIG(end)) : "without a word");
    if (status != STRATA_OK) {
        error.file = __FILE__; /* the child's pointer means nothing here */
        ctx->error = error;
    }
    rc = status;
done:
    return rc;
}

strata_status strata_guard(strata_context *ctx, const char *path, strata_guarded body,
                           void *argument, void *result, int64_t result_bytes)
{
    strata_status rc = STRATA_OK;
    const guarded g = {path, body, argument, result, (size_t)result_bytes};
    int ends[2] = {-1, -1};
    if (pipe(ends) != 0)
        STRATA_FAIL(ctx, STRATA_ERR_MEMORY, "no pipe: %s", strerror(errno));
    fflush(NULL); /* what is buffered now must not be printed twice */
    pid_t child = fork();
    if (child < 0)
        STRATA_FAIL(ctx, STRATA_ERR_MEMORY, "no child process: %s", strerror(errno));
    if (child == 0) {
        close(ends[0]);
        run_child(ctx, &g, ends[1]);
    }
    close(ends[1]);
    ends[1] = -1;
    STRATA_TRY(hear_child(ctx, &g, ends[0], child));
done:
    if (ends[0] >= 0)
        close(ends[0]);
    if (ends[1] >= 0)
        close(ends[1]);
    return rc;
}
