#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "strata/io.h"

static strata_context ctx;
static char folder[] = "/tmp/strata_io_XXXXXX";
static char path[64], other[64];

static void fault(const char *point, const char *action, int skip)
{
    ctx.fault = (strata_fault){.skip = skip, .rank = -1};
    snprintf(ctx.fault.point, sizeof ctx.fault.point, "%s", point);
    snprintf(ctx.fault.action, sizeof ctx.fault.action, "%s", action);
}

/* Expects a failure that names the path, and forgets it. */
static void failed(strata_status got, strata_status expected, const char *said)
{
    ctx.fault = (strata_fault){.rank = -1};
    if (got != expected || !strstr(ctx.error.message, said))
        fail_msg("status %d, '%s' lacks '%s'", (int)got, ctx.error.message, said);
    strata_context_clear_error(&ctx);
}

static int fresh_file(const char *bytes)
{
    int fd = -1;
    unlink(path);
    assert_int_equal(strata_io_create(&ctx, path, &fd), STRATA_OK);
    assert_int_equal(strata_io_write(&ctx, fd, path, bytes, (int64_t)strlen(bytes)), STRATA_OK);
    return fd;
}

static void round_trip(void **state)
{
    char bytes[32] = "";
    int64_t got = -1, size = -1;
    struct stat info;
    (void)state;
    int fd = fresh_file("hello ");
    assert_int_equal(strata_io_write(&ctx, fd, path, "world", 5), STRATA_OK);
    assert_int_equal(strata_io_pwrite(&ctx, fd, path, "W", 1, 6), STRATA_OK);
    assert_int_equal(strata_io_pwrite(&ctx, fd, path, "end", 3, 13), STRATA_OK);
    assert_int_equal(strata_io_sync(&ctx, fd, path), STRATA_OK);
    assert_int_equal(strata_io_size(&ctx, fd, path, &size), STRATA_OK);
    assert_int_equal(size, 16);
    assert_int_equal(strata_io_close(&ctx, &fd, path), STRATA_OK);
    assert_int_equal(fd, -1);
    assert_int_equal(strata_io_close(&ctx, &fd, path), STRATA_OK);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(strata_io_open_read(&ctx, path, &fd), STRATA_OK);
    assert_int_equal(strata_io_pread(&ctx, fd, path, bytes, 32, 0, &got), STRATA_OK);
    assert_int_equal(got, 16);
    assert_memory_equal(bytes, "hello World\0\0end", 16);
    assert_int_equal(strata_io_pread(&ctx, fd, path, bytes, 3, 6, &got), STRATA_OK);
    assert_true(got == 3 && memcmp(bytes, "Wor", 3) == 0);
    assert_int_equal(strata_io_pread(&ctx, fd, path, bytes, 3, 100, &got), STRATA_OK);
    assert_int_equal(got, 0);
    assert_int_equal(strata_io_close(&ctx, &fd, path), STRATA_OK);
    assert_int_equal(strata_io_open_write(&ctx, path, &fd), STRATA_OK);
    failed(strata_io_pwrite(&ctx, fd, path, "x", 1, -1), STRATA_ERR_INTERNAL, path);
    assert_int_equal(strata_io_close(&ctx, &fd, path), STRATA_OK);
}

static void unreadable(void **state)
{
    int fd = -1;
    (void)state;
    unlink(path);
    failed(strata_io_open_read(&ctx, path, &fd), STRATA_ERR_INPUT, "No such file");
    failed(strata_io_open_read(&ctx, folder, &fd), STRATA_ERR_INPUT, "is a directory");
    failed(strata_io_open_read(&ctx, "/dev/null", &fd), STRATA_ERR_INPUT, "not a regular file");
    assert_int_equal(mkfifo(path, 0600), 0); /* must not wait for a writer */
    failed(strata_io_open_read(&ctx, path, &fd), STRATA_ERR_INPUT, "not a regular file");
    failed(strata_io_open_secret(&ctx, path, &fd), STRATA_ERR_USAGE, "not a regular file");
    unlink(path);
    failed(strata_io_open_write(&ctx, path, &fd), STRATA_ERR_IO, "No such file");
    fd = fresh_file("x");
    assert_int_equal(strata_io_close(&ctx, &fd, path), STRATA_OK);
    failed(strata_io_create(&ctx, path, &fd), STRATA_ERR_IO, "File exists");
    assert_int_equal(symlink(path, other), 0);
    failed(strata_io_create(&ctx, other, &fd), STRATA_ERR_IO, other);
    failed(strata_io_open_write(&ctx, other, &fd), STRATA_ERR_IO, other);
    unlink(other);
    assert_int_equal(fd, -1);
    failed(strata_io_create(&ctx, "/nonexistent/x", &fd), STRATA_ERR_IO, "/nonexistent/x");
}

static void injected(void **state)
{
    char bytes[8];
    int64_t got = 77;
    (void)state;
    int fd = fresh_file("0123456789"), none = -1;
    fault("io.open", "fail", 0);
    failed(strata_io_open_read(&ctx, path, &none), STRATA_ERR_INPUT, path);
    fault("io.open", "fail", 0);
    failed(strata_io_open_write(&ctx, path, &none), STRATA_ERR_IO, path);
    fault("io.create", "fail", 0);
    failed(strata_io_create(&ctx, other, &none), STRATA_ERR_IO, other);
    assert_int_equal(none, -1);
    fault("io.read", "fail", 0);
    failed(strata_io_pread(&ctx, fd, path, bytes, 8, 0, &got), STRATA_ERR_IO, "byte 0");
    assert_int_equal(got, 77);
    fault("io.fsync", "fail", 0);
    failed(strata_io_sync(&ctx, fd, path), STRATA_ERR_IO, "fsync");
    fault("io.write", "fail", 0);
    failed(strata_io_write(&ctx, fd, path, "abcd", 4), STRATA_ERR_IO, path);
    assert_int_equal(lseek(fd, 0, SEEK_END), 10);
    fault("io.write", "short", 0);
    failed(strata_io_write(&ctx, fd, path, "abcd", 4), STRATA_ERR_SPACE, "No space");
    assert_int_equal(lseek(fd, 0, SEEK_END), 12); /* half of it is there */
    fault("io.write", "short", 1);
    assert_int_equal(strata_io_pwrite(&ctx, fd, path, "ab", 2, 12), STRATA_OK);
    failed(strata_io_pwrite(&ctx, fd, path, "cdef", 4, 14), STRATA_ERR_SPACE, "No space");
    assert_int_equal(lseek(fd, 0, SEEK_END), 16);
    fault("io.rename", "fail", 0);
    failed(strata_io_rename(&ctx, path, other), STRATA_ERR_IO, "renaming");
    fault("io.rename", "fail", 0);
    failed(strata_io_rename_new(&ctx, path, other), STRATA_ERR_IO, "renaming");
    assert_int_equal(access(other, F_OK), -1);
    fault("io.space", "fail", 0);
    failed(strata_io_need_space(&ctx, path, 1), STRATA_ERR_SPACE, "needed");
    assert_int_equal(strata_io_close(&ctx, &fd, path), STRATA_OK);
}

static void renames(void **state)
{
    char bytes[8] = "";
    int64_t got = 0;
    (void)state;
    int fd = fresh_file("one");
    assert_int_equal(strata_io_close(&ctx, &fd, path), STRATA_OK);
    assert_int_equal(strata_io_rename_new(&ctx, path, other), STRATA_OK);
    assert_int_equal(access(path, F_OK), -1);
    fd = fresh_file("two");
    assert_int_equal(strata_io_close(&ctx, &fd, path), STRATA_OK);
    failed(strata_io_rename_new(&ctx, path, other), STRATA_ERR_IO, "File exists");
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(strata_io_rename(&ctx, path, other), STRATA_OK);
    assert_int_equal(strata_io_open_read(&ctx, other, &fd), STRATA_OK);
    assert_int_equal(strata_io_pread(&ctx, fd, other, bytes, 8, 0, &got), STRATA_OK);
    assert_true(got == 3 && memcmp(bytes, "two", 3) == 0);
    assert_int_equal(strata_io_close(&ctx, &fd, other), STRATA_OK);
    unlink(other);
    failed(strata_io_rename(&ctx, path, other), STRATA_ERR_IO, "No such file");
}

static void space(void **state)
{
    (void)state;
    assert_int_equal(strata_io_need_space(&ctx, path, 1), STRATA_OK);
    failed(strata_io_need_space(&ctx, path, INT64_MAX), STRATA_ERR_SPACE, folder);
    failed(strata_io_need_space(&ctx, "/nonexistent/x", 1), STRATA_ERR_IO, "/nonexistent");
    assert_int_equal(strata_io_need_space(&ctx, "bare_name", 1), STRATA_OK);
}

/* A limit on the size of files acts like a full disk, once its signal is ignored. */
static void file_size_limit(void **state)
{
    struct rlimit old, tight;
    (void)state;
    int fd = fresh_file("");
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    tight = old;
    tight.rlim_cur = 10;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    strata_status rc = strata_io_write(&ctx, fd, path, "0123456789abcdef", 16);
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, handler);
    failed(rc, STRATA_ERR_SPACE, path);
    assert_int_equal(strata_io_close(&ctx, &fd, path), STRATA_OK);
}

/* A real full disk: a tmpfs of 64 KiB, where mounting is allowed. */
static void full_disk(void **state)
{
    char file[80], bytes[4096];
    int fd = -1;
    (void)state;
    assert_int_equal(mkdir(other, 0700), 0);
    if (mount("none", other, "tmpfs", 0, "size=64k") != 0) {
        print_message("skipped: no right to mount a small file system (%s)\n", strerror(errno));
        rmdir(other);
        skip();
    }
    snprintf(file, sizeof file, "%s/x", other);
    memset(bytes, 'x', sizeof bytes);
    strata_status space_rc = strata_io_need_space(&ctx, file, 1 << 20), rc = STRATA_OK;
    strata_context_clear_error(&ctx);
    strata_status created = strata_io_create(&ctx, file, &fd);
    for (int i = 0; i < 32 && rc == STRATA_OK; i++)
        rc = strata_io_write(&ctx, fd, file, bytes, sizeof bytes);
    close(fd);
    umount(other);
    rmdir(other);
    assert_int_equal(created, STRATA_OK);
    assert_int_equal(space_rc, STRATA_ERR_SPACE);
    failed(rc, STRATA_ERR_SPACE, "No space");
}

static void secrets(void **state)
{
    (void)state;
    int fd = fresh_file("secret");
    assert_int_equal(strata_io_close(&ctx, &fd, path), STRATA_OK);
    assert_int_equal(strata_io_open_secret(&ctx, path, &fd), STRATA_OK);
    assert_int_equal(strata_io_close(&ctx, &fd, path), STRATA_OK);
    static const mode_t open_modes[] = {0644, 0660, 0606, 0700, 0000, 0200, 04600};
    for (size_t i = 0; i < sizeof open_modes / sizeof *open_modes; i++) {
        assert_int_equal(chmod(path, open_modes[i]), 0);
        strata_status rc = strata_io_open_secret(&ctx, path, &fd);
        failed(rc, STRATA_ERR_USAGE, path); /* 0000 and 0200 fail on opening unless root */
        assert_int_equal(fd, -1);
    }
    assert_int_equal(chmod(path, 0400), 0);
    assert_int_equal(strata_io_open_secret(&ctx, path, &fd), STRATA_OK);
    assert_int_equal(strata_io_close(&ctx, &fd, path), STRATA_OK);
    assert_int_equal(symlink(path, other), 0);
    failed(strata_io_open_secret(&ctx, other, &fd), STRATA_ERR_USAGE, "is a link");
    unlink(other);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip), cmocka_unit_test(unreadable),
        cmocka_unit_test(injected),   cmocka_unit_test(renames),
        cmocka_unit_test(space),      cmocka_unit_test(file_size_limit),
        cmocka_unit_test(secrets),    cmocka_unit_test(full_disk),
    };
    if (strata_context_init(&ctx, MPI_COMM_NULL) != STRATA_OK || !mkdtemp(folder))
        return 1;
    snprintf(path, sizeof path, "%s/file", folder);
    snprintf(other, sizeof other, "%s/other", folder);
    int failures = cmocka_run_group_tests_name("base/io", tests, NULL, NULL);
    unlink(path);
    unlink(other);
    rmdir(folder);
    return failures;
}
