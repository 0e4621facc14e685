/* io.h: the one layer through which files are opened, read, written, synced and renamed, so that
 * every failure is reported the same way and can be injected (points io.open, io.create, io.read,
 * io.write, io.fsync, io.rename, io.space). HDF5 does its own I/O between create and close; the publisher in
 * the output room guards it with space checks before and a read-back after. Nothing here is
 * collective. */
#ifndef STRATA_IO_H
#define STRATA_IO_H

#include <stdint.h>

#include "strata/context.h"

/* Opens a regular file for reading. STRATA_ERR_INPUT when it is missing, a directory or unreadable. */
strata_status strata_io_open_read(strata_context *ctx, const char *path, int *fd) STRATA_MUST_USE;

/* Opens a file that holds a secret: a regular file, not a link, owned by the user, mode 0400 or 0600.
 * STRATA_ERR_USAGE says which of these fails and what to do. */
strata_status strata_io_open_secret(strata_context *ctx, const char *path, int *fd) STRATA_MUST_USE;

/* Creates path (which must not exist), mode 0600 less the umask. STRATA_ERR_IO. */
strata_status strata_io_create(strata_context *ctx, const char *path, int *fd) STRATA_MUST_USE;

/* Opens a file that exists for writing at places of one's own (strata_io_pwrite); not a link.
 * STRATA_ERR_IO. */
strata_status strata_io_open_write(strata_context *ctx, const char *path, int *fd) STRATA_MUST_USE;

/* Size in bytes of an open file. STRATA_ERR_IO. */
strata_status strata_io_size(strata_context *ctx, int fd, const char *path,
                             int64_t *size) STRATA_MUST_USE;

/* Reads up to bytes at offset; *got < bytes only at the end of the file. STRATA_ERR_IO. */
strata_status strata_io_pread(strata_context *ctx, int fd, const char *path, void *buffer,
                              int64_t bytes, int64_t offset, int64_t *got) STRATA_MUST_USE;

/* Writes all bytes. STRATA_ERR_SPACE on a full disk, STRATA_ERR_IO otherwise. */
strata_status strata_io_write(strata_context *ctx, int fd, const char *path, const void *buffer,
                              int64_t bytes) STRATA_MUST_USE;

/* The same at offset, leaving the file's position alone; ranks may write their parts of one file. */
strata_status strata_io_pwrite(strata_context *ctx, int fd, const char *path, const void *buffer,
                               int64_t bytes, int64_t offset) STRATA_MUST_USE;

/* fsync of an open file. STRATA_ERR_IO. */
strata_status strata_io_sync(strata_context *ctx, int fd, const char *path) STRATA_MUST_USE;

/* Closes *fd and sets it to -1; safe on -1. A failing close is reported: on network file systems it
 * may be the first word of a lost write. */
strata_status strata_io_close(strata_context *ctx, int *fd, const char *path) STRATA_MUST_USE;

/* Renames and syncs the directory, so that the new name survives a crash. STRATA_ERR_IO. */
strata_status strata_io_rename(strata_context *ctx, const char *from,
                               const char *to) STRATA_MUST_USE;

/* As strata_io_rename, but never over a file that is there already: then STRATA_ERR_IO, and both stay.
 */
strata_status strata_io_rename_new(strata_context *ctx, const char *from,
                                   const char *to) STRATA_MUST_USE;

/* Fails with STRATA_ERR_SPACE when the file system of path (a file's path; it need not exist) has
 * fewer than bytes free for this user. */
strata_status strata_io_need_space(strata_context *ctx, const char *path,
                                   int64_t bytes) STRATA_MUST_USE;

#endif
