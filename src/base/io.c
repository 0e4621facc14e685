#include "strata/io.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "strata/fault.h"

/* A transfer the kernel takes in one call; Linux moves at most 2 GiB - 4 KiB. */
static const int64_t transfer_bytes = INT64_C(1) << 30;

strata_status strata_io_open_read(strata_context *ctx, const char *path, int *fd)
{
    strata_status rc = STRATA_OK;
    struct stat info;
    int handle = -1;
    if (strata_fault_strikes(ctx, "io.open"))
        errno = EIO;
    else
        handle =
            open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not block, see below */
    if (handle < 0)
        STRATA_FAIL(ctx, STRATA_ERR_INPUT, "%s: %s", path, strerror(errno));
    if (fstat(handle, &info) != 0)
        STRATA_FAIL(ctx, STRATA_ERR_INPUT, "%s: %s", path, strerror(errno));
    if (S_ISDIR(info.st_mode))
        STRATA_FAIL(ctx, STRATA_ERR_INPUT, "%s: is a directory, not a file", path);
    if (!S_ISREG(info.st_mode)) /* pipes cannot be cut into byte ranges or read twice */
        STRATA_FAIL(ctx, STRATA_ERR_INPUT, "%s: is not a regular file", path);
    *fd = handle;
    handle = -1;
done:
    if (handle >= 0)
        close(handle);
    return rc;
}

strata_status strata_io_open_secret(strata_context *ctx, const char *path, int *fd)
{
    strata_status rc = STRATA_OK;
    struct stat info;
    int handle = -1;
    if (strata_fault_strikes(ctx, "io.open"))
        errno = EIO;
    else /* a pipe would block an open for reading until somebody writes */
        handle = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (handle < 0 && errno == ELOOP)
        STRATA_FAIL(ctx, STRATA_ERR_USAGE, "%s: is a link; name the file itself", path);
    if (handle < 0 || fstat(handle, &info) != 0)
        STRATA_FAIL(ctx, STRATA_ERR_USAGE, "%s: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        STRATA_FAIL(ctx, STRATA_ERR_USAGE, "%s: is not a regular file", path);
    if (info.st_uid != geteuid())
        STRATA_FAIL(ctx, STRATA_ERR_USAGE, "%s: belongs to another user (uid %ld, not %ld)", path,
                    (long)info.st_uid, (long)geteuid());
    if ((info.st_mode & 07777) != 0600 && (info.st_mode & 07777) != 0400)
        STRATA_FAIL(ctx, STRATA_ERR_USAGE,
                    "%s: mode %04o lets others in; only 0400 and 0600 are taken: chmod 600 %s",
                    path, (unsigned)info.st_mode & 07777, path);
    *fd = handle;
    handle = -1;
done:
    if (handle >= 0)
        close(handle);
    return rc;
}

strata_status strata_io_create(strata_context *ctx, const char *path, int *fd)
{
    int handle = -1;
    if (strata_fault_strikes(ctx, "io.create"))
        errno = EIO;
    else
        handle = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (handle < 0)
        return strata_context_fail(ctx, errno == ENOSPC ? STRATA_ERR_SPACE : STRATA_ERR_IO,
                                   __FILE__, __LINE__, "%s: cannot create it: %s", path,
                                   strerror(errno));
    *fd = handle;
    return STRATA_OK;
}

strata_status strata_io_open_write(strata_context *ctx, const char *path, int *fd)
{
    int handle = -1;
    if (strata_fault_strikes(ctx, "io.open"))
        errno = EIO;
    else
        handle = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (handle < 0)
        return strata_context_fail(ctx, STRATA_ERR_IO, __FILE__, __LINE__,
                                   "%s: cannot open it for writing: %s", path, strerror(errno));
    *fd = handle;
    return STRATA_OK;
}

strata_status strata_io_size(strata_context *ctx, int fd, const char *path, int64_t *size)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return strata_context_fail(ctx, STRATA_ERR_IO, __FILE__, __LINE__, "%s: %s", path,
                                   strerror(errno));
    *size = info.st_size;
    return STRATA_OK;
}

strata_status strata_io_pread(strata_context *ctx, int fd, const char *path, void *buffer,
                              int64_t bytes, int64_t offset, int64_t *got)
{
    int64_t total = 0;
    while (total < bytes) {
        int64_t ask = bytes - total < transfer_bytes ? bytes - total : transfer_bytes;
        ssize_t n = -1;
        if (strata_fault_strikes(ctx, "io.read"))
            errno = EIO;
        else
            n = pread(fd, (char *)buffer + total, (size_t)ask, offset + total);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return strata_context_fail(ctx, STRATA_ERR_IO, __FILE__, __LINE__,
                                       "%s: reading at byte %lld failed: %s", path,
                                       (long long)(offset + total), strerror(errno));
        if (n == 0)
            break;
        total += n;
    }
    *got = total;
    return STRATA_OK;
}

/* Writes up to bytes at offset, or at the file's position if offset is negative; as write(2). */
static ssize_t write_some(strata_context *ctx, int fd, const void *buffer, int64_t bytes,
                          int64_t offset)
{
    int64_t ask = bytes < transfer_bytes ? bytes : transfer_bytes;
    bool half = strata_fault_shortens(ctx, "io.write"); /* a disk that fills up in the middle */
    if (strata_fault_strikes(ctx, "io.write")) {
        errno = EIO;
        return -1;
    }
    if (half)
        ask /= 2;
    ssize_t n =
        offset < 0 ? write(fd, buffer, (size_t)ask) : pwrite(fd, buffer, (size_t)ask, offset);
    if (half || n == 0) {
        errno = ENOSPC;
        return -1;
    }
    return n;
}

static strata_status write_all(strata_context *ctx, int fd, const char *path, const void *buffer,
                               int64_t bytes, int64_t offset)
{
    for (int64_t total = 0; total < bytes;) {
        ssize_t n = write_some(ctx, fd, (const char *)buffer + total, bytes - total,
                               offset < 0 ? -1 : offset + total);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            bool full = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;
            return strata_context_fail(ctx, full ? STRATA_ERR_SPACE : STRATA_ERR_IO, __FILE__,
                                       __LINE__, "%s: writing failed: %s", path, strerror(errno));
        }
        total += n;
    }
    return STRATA_OK;
}

strata_status strata_io_write(strata_context *ctx, int fd, const char *path, const void *buffer,
                              int64_t bytes)
{
    return write_all(ctx, fd, path, buffer, bytes, -1);
}

strata_status strata_io_pwrite(strata_context *ctx, int fd, const char *path, const void *buffer,
                               int64_t bytes, int64_t offset)
{
    if (offset < 0)
        return strata_context_fail(ctx, STRATA_ERR_INTERNAL, __FILE__, __LINE__,
                                   "%s: a write at byte %lld", path, (long long)offset);
    return write_all(ctx, fd, path, buffer, bytes, offset);
}

strata_status strata_io_sync(strata_context *ctx, int fd, const char *path)
{
    int code = -1;
    if (strata_fault_strikes(ctx, "io.fsync"))
        errno = EIO;
    else
        code = fsync(fd);
    if (code != 0)
        return strata_context_fail(ctx, STRATA_ERR_IO, __FILE__, __LINE__,
                                   "%s: fsync failed, what was written may be lost: %s", path,
                                   strerror(errno));
    return STRATA_OK;
}

strata_status strata_io_close(strata_context *ctx, int *fd, const char *path)
{
    int handle = *fd;
    *fd = -1;
    if (handle >= 0 && close(handle) != 0 && errno != EINTR)
        return strata_context_fail(ctx, STRATA_ERR_IO, __FILE__, __LINE__, "%s: closing failed: %s",
                                   path, strerror(errno));
    return STRATA_OK;
}

static strata_status sync_directory_of(strata_context *ctx, const char *path)
{
    strata_status rc = STRATA_OK;
    char copy[PATH_MAX];
    int fd = -1;
    if (strlen(path) >= sizeof copy)
        STRATA_FAIL(ctx, STRATA_ERR_USAGE, "%s: the path is too long", path);
    memcpy(copy, path, strlen(path) + 1);
    const char *folder = dirname(copy);
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* Some network file systems refuse fsync on a directory; there the rename is durable anyway. */
    if (fd < 0 || (fsync(fd) != 0 && errno != EINVAL && errno != ENOTSUP))
        STRATA_FAIL(ctx, STRATA_ERR_IO, "%s: syncing the folder failed: %s", path, strerror(errno));
done:
    if (fd >= 0)
        close(fd);
    return rc;
}

strata_status strata_io_rename(strata_context *ctx, const char *from, const char *to)
{
    int code = -1;
    if (strata_fault_strikes(ctx, "io.rename"))
        errno = EIO;
    else
        code = rename(from, to);
    if (code != 0)
        return strata_context_fail(ctx, STRATA_ERR_IO, __FILE__, __LINE__,
                                   "renaming %s to %s failed: %s", from, to, strerror(errno));
    return sync_directory_of(ctx, to);
}

strata_status strata_io_rename_new(strata_context *ctx, const char *from, const char *to)
{
    int code = -1;
    if (strata_fault_strikes(ctx, "io.rename")) {
        errno = EIO;
    } else {
        code = renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);
        if (code != 0 && (errno == EINVAL || errno == ENOSYS)) { /* not every file system can */
            code = link(from, to);
            if (code == 0)
                code = unlink(from);
        }
    }
    if (code != 0)
        return strata_context_fail(ctx, STRATA_ERR_IO, __FILE__, __LINE__,
                                   "renaming %s to %s failed: %s", from, to, strerror(errno));
    return sync_directory_of(ctx, to);
}

strata_status strata_io_need_space(strata_context *ctx, const char *path, int64_t bytes)
{
    struct statvfs info;
    char copy[PATH_MAX];
    if (strlen(path) >= sizeof copy)
        return strata_context_fail(ctx, STRATA_ERR_USAGE, __FILE__, __LINE__,
                                   "%s: the path is too long", path);
    memcpy(copy, path, strlen(path) + 1);
    const char *folder = dirname(copy);
    if (statvfs(folder, &info) != 0)
        return strata_context_fail(ctx, STRATA_ERR_IO, __FILE__, __LINE__, "%s: %s", folder,
                                   strerror(errno));
    double free_bytes = (double)info.f_bavail * (double)info.f_frsize;
    if (strata_fault_strikes(ctx, "io.space") || free_bytes < (double)bytes)
        return strata_context_fail(ctx, STRATA_ERR_SPACE, __FILE__, __LINE__,
                                   "%s: %.1f MiB are needed and %.1f MiB are free", folder,
                                   (double)bytes / 1048576.0, free_bytes / 1048576.0);
    return STRATA_OK;
}
