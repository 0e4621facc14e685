/* Claiming the name of a result before the work that it takes, and giving it up. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "output/writer.h"
#include "strata/memory.h"
#include "strata/par.h"

enum { RANDOM_DIGITS = 16, NAME_LIMIT = 220 }; /* 255 less dot, digits and ".partial" */

static const char partial_suffix[] = ".partial";

/* Where the last component of path begins. */
static const char *leaf_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static strata_status check_name(strata_context *ctx, const char *path)
{
    strata_status rc = STRATA_OK;
    const char *leaf = leaf_of(path);
    if (!*path || !*leaf || strcmp(leaf, ".") == 0 || strcmp(leaf, "..") == 0)
        STRATA_FAIL(ctx, STRATA_ERR_USAGE, "output %s: name a file, not a folder", path);
    if (strlen(leaf) > NAME_LIMIT || strlen(path) > PATH_MAX - 64)
        STRATA_FAIL(ctx, STRATA_ERR_USAGE, "output %.60s...: the name is too long", path);
done:
    return rc;
}

strata_status strata_output_check(strata_context *ctx, const char *path, bool force)
{
    strata_status rc = STRATA_OK;
    struct stat info;
    char folder[PATH_MAX];
    STRATA_TRY(check_name(ctx, path));
    memcpy(folder, path, strlen(path) + 1);
    const char *parent = dirname(folder);
    if (stat(parent, &info) != 0)
        STRATA_FAIL(ctx, STRATA_ERR_IO, "output folder %s: %s", parent, strerror(errno));
    if (!S_ISDIR(info.st_mode))
        STRATA_FAIL(ctx, STRATA_ERR_IO, "output folder %s is not a folder", parent);
    if (faccessat(AT_FDCWD, parent, W_OK | X_OK, AT_EACCESS) != 0)
        STRATA_FAIL(ctx, STRATA_ERR_IO, "output folder %s: %s", parent, strerror(errno));
    if (lstat(path, &info) != 0) {
        if (errno != ENOENT)
            STRATA_FAIL(ctx, STRATA_ERR_IO, "output %s: %s", path, strerror(errno));
        goto done;
    }
    if (S_ISDIR(info.st_mode))
        STRATA_FAIL(ctx, STRATA_ERR_USAGE, "output %s is a folder; name a file", path);
    if (S_ISLNK(info.st_mode))
        STRATA_FAIL(ctx, STRATA_ERR_USAGE, "output %s is a symbolic link; name the file itself",
                    path);
    if (!S_ISREG(info.st_mode))
        STRATA_FAIL(ctx, STRATA_ERR_USAGE, "output %s is not a regular file", path);
    if (!force)
        STRATA_FAIL(ctx, STRATA_ERR_USAGE,
                    "output %s exists; --force replaces it once the new one is complete", path);
done:
    return rc;
}

/* ---- the lock -------------------------------------------------------------------------------- */

/* Whether the locked file is still the one under the name: the holder before may have removed it
 * between our open and our lock. */
static bool still_there(int fd, const char *path)
{
    struct stat held, named;
    return fstat(fd, &held) == 0 && lstat(path, &named) == 0 && held.st_dev == named.st_dev &&
           held.st_ino == named.st_ino;
}

/* *locked: false where the file system has no locks. */
static strata_status take_lock(strata_context *ctx, strata_output *out, bool *locked)
{
    strata_status rc = STRATA_OK;
    int fd = -1;
    *locked = false;
    for (int attempt = 0; attempt < 100 && !*locked; attempt++) {
        fd = open(out->lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
            STRATA_FAIL(ctx, STRATA_ERR_IO, "output %s: cannot write in its folder: %s", out->path,
                        strerror(errno));
        if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
            if (errno == EWOULDBLOCK)
                STRATA_FAIL(ctx, STRATA_ERR_USAGE,
                            "output %s: another job is about to write it; wait for it or name "
                            "another file",
                            out->path);
            break;
        }
        *locked = still_there(fd, out->lock);
        if (!*locked) {
            close(fd);
            fd = -1;
        }
    }
    out->lock_fd = fd;
    fd = -1;
done:
    if (fd >= 0)
        close(fd);
    return rc;
}

static bool is_partial(const char *name, const char *leaf)
{
    size_t length = strlen(leaf);
    if (name[0] != '.' || strncmp(name + 1, leaf, length) != 0 || name[1 + length] != '.')
        return false;
    const char *digits = name + length + 2;
    for (int i = 0; i < RANDOM_DIGITS; i++)
        if (!isdigit((unsigned char)digits[i]) && (digits[i] < 'a' || digits[i] > 'f'))
            return false;
    return strcmp(digits + RANDOM_DIGITS, partial_suffix) == 0;
}

/* While the lock is ours nobody else writes this output, so other partial files of it are dead. */
static void remove_stale(strata_context *ctx, const strata_output *out)
{
    char folder[PATH_MAX];
    memcpy(folder, out->path, strlen(out->path) + 1);
    DIR *directory = opendir(dirname(folder));
    if (!directory)
        return;
    for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory))
        if (is_partial(entry->d_name, leaf_of(out->path)) &&
            unlinkat(dirfd(directory), entry->d_name, 0) == 0)
            strata_log(ctx, STRATA_LOG_INFO, "removed %s, left over by a job that was killed",
                       entry->d_name);
    closedir(directory);
}

/* ---- create and discard ---------------------------------------------------------------------- */

static strata_status name_files(strata_context *ctx, strata_output *out, uint64_t random)
{
    strata_status rc = STRATA_OK;
    const char *leaf = leaf_of(out->path);
    int folder = (int)(leaf - out->path);
    int64_t room = (int64_t)strlen(out->path) + 64;
    STRATA_TRY(strata_alloc(ctx, room, 1, &out->partial));
    STRATA_TRY(strata_alloc(ctx, room, 1, &out->lock));
    snprintf(out->partial, (size_t)room, "%.*s.%s.%016llx%s", folder, out->path, leaf,
             (unsigned long long)random, partial_suffix);
    snprintf(out->lock, (size_t)room, "%.*s.%s.lock", folder, out->path, leaf);
done:
    return rc;
}

static strata_status claim(strata_context *ctx, strata_output *out)
{
    strata_status rc = STRATA_OK;
    bool locked = false;
    STRATA_TRY(strata_output_check(ctx, out->path, out->force));
    STRATA_TRY(take_lock(ctx, out, &locked));
    if (locked)
        remove_stale(ctx, out);
    else
        strata_log(ctx, STRATA_LOG_DEBUG, "%s: no file locks here", out->lock);
done:
    return rc;
}

strata_status strata_output_create(strata_context *ctx, const char *path, bool force,
                                   int32_t compression, strata_output **out)
{
    strata_status rc = STRATA_OK, local = STRATA_OK;
    strata_output *made = NULL;
    uint64_t random = 0;
    if (ctx->rank == 0 && getrandom(&random, sizeof random, 0) != sizeof random)
        local = strata_context_fail(ctx, STRATA_ERR_IO, __FILE__, __LINE__, "no random bytes: %s",
                                    strerror(errno));
    if (local == STRATA_OK)
        local = check_name(ctx, path);
    STRATA_AGREE(ctx, local);
    STRATA_TRY(strata_par_bcast(ctx, &random, sizeof random, 0));
    local = strata_calloc(ctx, 1, sizeof *made, &made);
    if (local == STRATA_OK) {
        made->lock_fd = -1;
        made->force = force;
        made->compression = compression;
        local = output_copy_text(ctx, path, &made->path);
    }
    if (local == STRATA_OK)
        local = name_files(ctx, made, random);
    STRATA_AGREE(ctx, local);
    STRATA_AGREE(ctx, ctx->rank == 0 ? claim(ctx, made) : STRATA_OK);
    *out = made;
    made = NULL;
done:
    strata_output_discard(ctx, &made);
    return rc;
}

void strata_output_discard(strata_context *ctx, strata_output **out)
{
    strata_output *o = *out;
    *out = NULL;
    if (!o)
        return;
    if (o->partial_exists && unlink(o->partial) != 0 && errno != ENOENT)
        strata_log(ctx, STRATA_LOG_WARNING, "%s: cannot remove it: %s", o->partial,
                   strerror(errno));
    if (o->lock_fd >= 0) {
        unlink(
            o->lock); /* before the lock goes: who waits for it looks whether the name is there */
        close(o->lock_fd);
    }
    for (int64_t t = 0; t < o->n_tables; t++)
        strata_table_destroy(&o->tables[t]);
    strata_free(&o->tables);
    manifest_release(&o->meant);
    strata_free(&o->path);
    strata_free(&o->partial);
    strata_free(&o->lock);
    strata_free(&o);
}
