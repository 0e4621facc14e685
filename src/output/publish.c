/* Publishing: written under a private name, read back, compared, sealed, renamed. A full disk, a
 * lost write or a killed rank ends before the rename. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "output/writer.h"
#include "strata/fault.h"
#include "strata/io.h"
#include "strata/memory.h"
#include "strata/par.h"

/* ---- room ------------------------------------------------------------------------------------ */

static strata_status need_room(strata_context *ctx, const strata_output *out, int64_t bytes)
{
    strata_status rc = STRATA_OK;
    struct rlimit limit;
    STRATA_TRY(strata_io_need_space(ctx, out->path, bytes));
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
        limit.rlim_cur < (rlim_t)bytes)
        STRATA_FAIL(ctx, STRATA_ERR_SPACE,
                    "output %s may take %.1f MiB and the file size limit (ulimit -f) is %.1f MiB",
                    out->path, (double)bytes / 1048576.0, (double)limit.rlim_cur / 1048576.0);
done:
    return rc;
}

/* Sets blocks aside for the file without changing its size, so that a disk that fills up meanwhile
 * cannot hurt. */
static strata_status reserve(strata_context *ctx, const strata_output *out, int64_t bytes,
                             bool *reserved)
{
    strata_status rc = STRATA_OK;
    int fd = open(out->partial, O_RDWR | O_CLOEXEC | O_NOFOLLOW), code = 0;
    if (fd < 0)
        STRATA_FAIL(ctx, STRATA_ERR_IO, "%s: %s", out->partial, strerror(errno));
    do
        code = fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, bytes);
    while (code != 0 && errno == EINTR);
    if (code != 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG))
        STRATA_FAIL(ctx, STRATA_ERR_SPACE, "output %s: no room for %.1f MiB: %s", out->path,
                    (double)bytes / 1048576.0, strerror(errno));
    *reserved = code == 0; /* with any other error this file system cannot */
done:
    if (fd >= 0)
        close(fd);
    return rc;
}

/* Gives back what was reserved beyond the end. Truncating to the size a file has does nothing,
 * so it grows by a byte first. */
static strata_status give_back(strata_context *ctx, const strata_output *out)
{
    strata_status rc = STRATA_OK;
    struct stat info;
    int fd = open(out->partial, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &info) != 0)
        STRATA_FAIL(ctx, STRATA_ERR_IO, "%s: %s", out->partial, strerror(errno));
    if (ftruncate(fd, info.st_size + 1) == 0 && ftruncate(fd, info.st_size) != 0)
        STRATA_FAIL(ctx, STRATA_ERR_IO, "%s: %s", out->partial, strerror(errno));
done:
    if (fd >= 0)
        close(fd);
    return rc;
}

/* ---- rank 0: structure, seals, end ----------------------------------------------------------- */

static strata_status add_seals(strata_context *ctx, strata_output *out)
{
    strata_status rc = STRATA_OK;
    static const char zeros[] = "00000000000000000000000000000000";
    STRATA_TRY(strata_output_add_text(ctx, out, "/", "content_digest", zeros));
    STRATA_TRY(strata_output_add_integer(ctx, out, "/", "complete", 0));
    STRATA_TRY(strata_output_add_text(ctx, out, "/provenance", "checksum", zeros));
    manifest_sort(&out->meant);
done:
    return rc;
}

static strata_status begin_file(strata_context *ctx, strata_output *out, bool *reserved)
{
    strata_status rc = STRATA_OK;
    int fd = -1;
    int64_t bytes = output_estimate(out);
    bool careful = !strata_fault_shortens(ctx, "output.reserve");
    if (careful)
        STRATA_TRY(need_room(ctx, out, bytes));
    if (strata_fault_strikes(ctx, "output.create"))
        STRATA_FAIL(ctx, STRATA_ERR_IO, "%s: cannot create it (injected)", out->partial);
    STRATA_TRY(strata_io_create(ctx, out->partial, &fd));
    out->partial_exists = true;
    STRATA_TRY(strata_io_close(ctx, &fd, out->partial));
    STRATA_TRY(output_write_structure(ctx, out));
    if (careful)
        STRATA_TRY(reserve(ctx, out, bytes, reserved));
    if (strata_fault_strikes(ctx, "output.reserve"))
        STRATA_FAIL(ctx, STRATA_ERR_SPACE, "output %s: no room (injected)", out->path);
done:
    return rc;
}

static strata_status overwrite(strata_context *ctx, const strata_output *out, hid_t h5,
                               const char *object, const char *name, const void *value)
{
    strata_status rc = STRATA_OK;
    /* not H5Aopen_by_name: in 1.10.8 an attribute opened so cannot be written */
    hid_t holder = H5Oopen(h5, object, H5P_DEFAULT), id = -1, type = -1;
    H5_CHECK(ctx, STRATA_ERR_IO, out->path, name, holder);
    H5_CHECK(ctx, STRATA_ERR_IO, out->path, name, id = H5Aopen(holder, name, H5P_DEFAULT));
    H5_CHECK(ctx, STRATA_ERR_IO, out->path, name, type = H5Aget_type(id));
    H5_CHECK(ctx, STRATA_ERR_IO, out->path, name, H5Awrite(id, type, value));
done:
    h5_release(&type);
    h5_release(&id);
    h5_release(&holder);
    return rc;
}

static strata_status open_again(strata_context *ctx, const strata_output *out, bool write,
                                hid_t *h5)
{
    strata_status rc = STRATA_OK;
    hid_t access = h5_access(MPI_COMM_NULL), opened = -1;
    H5_CHECK(ctx, STRATA_ERR_IO, out->path, "opening it again", access);
    H5_CHECK(ctx, STRATA_ERR_VERIFY, out->path, "opening it again",
             opened = H5Fopen(out->partial, write ? H5F_ACC_RDWR : H5F_ACC_RDONLY, access));
    *h5 = opened;
done:
    h5_release(&access);
    return rc;
}

static strata_status close_again(strata_context *ctx, const strata_output *out, hid_t *h5)
{
    strata_status rc = STRATA_OK;
    herr_t code = *h5 >= 0 ? H5Fclose(*h5) : 0;
    *h5 = -1;
    H5_CHECK(ctx, STRATA_ERR_IO, out->path, "closing it failed", code);
done:
    return rc;
}

/* Checksums and digests, over the place holders of the structure: nothing grows any more. */
static strata_status write_seals(strata_context *ctx, strata_output *out, char digest[33])
{
    strata_status rc = STRATA_OK;
    hid_t h5 = -1;
    char hex[33];
    if (strata_fault_strikes(ctx, "output.finish"))
        STRATA_FAIL(ctx, STRATA_ERR_IO, "%s: finishing it failed (injected)", out->path);
    STRATA_TRY(open_again(ctx, out, true, &h5));
    for (int64_t i = 0; i < out->meant.n; i++) {
        const manifest_entry *entry = &out->meant.entries[i];
        if (!entry->is_column)
            continue;
        manifest_checksum(entry, hex);
        STRATA_TRY(overwrite(ctx, out, h5, entry->path, "checksum", hex));
    }
    STRATA_TRY(manifest_digest(ctx, &out->meant, true, hex));
    STRATA_TRY(overwrite(ctx, out, h5, "/provenance", "checksum", hex));
    STRATA_TRY(manifest_digest(ctx, &out->meant, false, digest));
    STRATA_TRY(overwrite(ctx, out, h5, "/", "content_digest", digest));
    STRATA_TRY(close_again(ctx, out, &h5));
done:
    h5_release(&h5);
    return rc;
}

/* Rank 0's share of the read-back: the structure, all attributes and the small tables. The
 * blocks of the big tables were compared by all ranks. */
static strata_status compare_file(strata_context *ctx, const strata_output *out, const char *digest)
{
    strata_status rc = STRATA_OK;
    manifest found = {0};
    hid_t h5 = -1;
    char hex[33];
    STRATA_TRY(open_again(ctx, out, false, &h5));
    STRATA_TRY(manifest_read(ctx, out->path, h5, NULL, &found));
    for (int64_t t = 0; t < out->n_tables; t++)
        for (int32_t c = 0; c < out->tables[t]->n_columns; c++) {
            const char *path = out->tables[t]->columns[c].path;
            const manifest_entry *meant = manifest_find(&out->meant, path);
            manifest_entry *entry = manifest_find(&found, path);
            int64_t n = entry ? manifest_blocks(entry->rows) : 0;
            if (!entry || !entry->is_column || entry->rows != meant->rows)
                STRATA_FAIL(ctx, STRATA_ERR_VERIFY, "%s: %s is missing", out->path, path);
            STRATA_TRY(strata_alloc(ctx, n, sizeof *entry->blocks, &entry->blocks));
            if (out->tables[t]->partition)
                memcpy(entry->blocks, meant->blocks, (size_t)n * sizeof *entry->blocks);
            else
                STRATA_TRY(manifest_read_blocks(ctx, out->path, h5, entry, 0, n, entry->blocks));
        }
    STRATA_TRY(manifest_compare(ctx, out->path, &out->meant, &found));
    STRATA_TRY(manifest_digest(ctx, &found, false, hex));
    const manifest_attribute *seal =
        manifest_attribute_find(manifest_find(&found, "/"), "content_digest");
    if (strcmp(hex, digest) != 0 || !seal || strcmp(seal->value, digest) != 0)
        STRATA_FAIL(ctx, STRATA_ERR_VERIFY, "%s: the content digest does not fit", out->path);
done:
    h5_release(&h5);
    manifest_release(&found);
    return rc;
}

static strata_status sync_file(strata_context *ctx, const strata_output *out)
{
    strata_status rc = STRATA_OK;
    int fd = -1;
    STRATA_TRY(strata_io_open_read(ctx, out->partial, &fd));
    STRATA_TRY(strata_io_sync(ctx, fd, out->path));
    /* What is read back next shall come from the device, not from the cache. */
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    STRATA_TRY(strata_io_close(ctx, &fd, out->path));
done:
    if (fd >= 0)
        close(fd);
    return rc;
}

static strata_status complete_file(strata_context *ctx, const strata_output *out)
{
    strata_status rc = STRATA_OK;
    hid_t h5 = -1, id = -1;
    int64_t one = 1, found = 0;
    STRATA_TRY(open_again(ctx, out, true, &h5));
    STRATA_TRY(overwrite(ctx, out, h5, "/", "complete", &one));
    STRATA_TRY(close_again(ctx, out, &h5));
    STRATA_TRY(sync_file(ctx, out));
    STRATA_TRY(open_again(ctx, out, false, &h5));
    H5_CHECK(ctx, STRATA_ERR_VERIFY, out->path, "complete",
             id = H5Aopen(h5, "complete", H5P_DEFAULT));
    H5_CHECK(ctx, STRATA_ERR_VERIFY, out->path, "complete", H5Aread(id, H5T_NATIVE_INT64, &found));
    if (found != 1)
        STRATA_FAIL(ctx, STRATA_ERR_VERIFY, "%s: the mark of completeness was lost", out->path);
done:
    h5_release(&id);
    h5_release(&h5);
    return rc;
}

static strata_status take_name(strata_context *ctx, strata_output *out)
{
    strata_status rc = STRATA_OK;
    struct stat info;
    /* The lock keeps other jobs away; anything else may have put a file, folder or link here. */
    if (lstat(out->path, &info) == 0 && (!out->force || !S_ISREG(info.st_mode)))
        STRATA_FAIL(ctx, STRATA_ERR_USAGE,
                    "output %s was put there by somebody else meanwhile; it was left alone",
                    out->path);
    STRATA_TRY(out->force ? strata_io_rename(ctx, out->partial, out->path)
                          : strata_io_rename_new(ctx, out->partial, out->path));
    out->partial_exists = false;
done:
    return rc;
}

/* ---- all ranks ------------------------------------------------------------------------------- */

/* For tests: the middle byte of the file changes after it was written and synced. */
static strata_status damage(strata_context *ctx, const strata_output *out)
{
    struct stat info;
    unsigned char byte = 0;
    int fd = open(out->partial, O_RDWR | O_CLOEXEC);
    bool done = fd >= 0 && fstat(fd, &info) == 0 && pread(fd, &byte, 1, info.st_size / 2) == 1;
    byte ^= 0x10;
    done = done && pwrite(fd, &byte, 1, info.st_size / 2) == 1;
    if (fd >= 0)
        close(fd);
    return done ? STRATA_OK
                : strata_context_fail(ctx, STRATA_ERR_INTERNAL, __FILE__, __LINE__,
                                      "%s: the fault could not be injected", out->path);
}

/* A share of one big column: whole blocks, dealt out from the next rank on, so that with several
 * nodes nobody checks what its own cache still holds. */
static strata_status read_back_column(strata_context *ctx, const strata_output *out, hid_t h5,
                                      const char *path)
{
    strata_status rc = STRATA_OK;
    manifest_entry *entry = manifest_find(&out->meant, path);
    int64_t blocks = manifest_blocks(entry->rows);
    int share = (ctx->rank + 1) % ctx->size;
    int64_t first = (int64_t)((__int128)blocks * share / ctx->size);
    int64_t count = (int64_t)((__int128)blocks * (share + 1) / ctx->size) - first;
    manifest_hash *found = NULL;
    STRATA_TRY(strata_alloc(ctx, count, sizeof *found, &found));
    STRATA_TRY(manifest_read_blocks(ctx, out->path, h5, entry, first, count, found));
    for (int64_t b = 0; b < count; b++)
        if (memcmp(&found[b], &entry->blocks[first + b], sizeof *found) != 0)
            STRATA_FAIL(ctx, STRATA_ERR_VERIFY,
                        "%s: rows from %lld of %s do not read back as written; is the disk full?",
                        out->path, (long long)((first + b) * STRATA_BLOCK_ROWS), path);
done:
    strata_free(&found);
    return rc;
}

static strata_status read_back(strata_context *ctx, const strata_output *out)
{
    strata_status rc = STRATA_OK;
    hid_t h5 = -1;
    STRATA_TRY(open_again(ctx, out, false, &h5));
    for (int64_t t = 0; t < out->n_tables; t++)
        for (int32_t c = 0; out->tables[t]->partition && c < out->tables[t]->n_columns; c++) {
            strata_progress(ctx, "reading back", -1, out->tables[t]->columns[c].path);
            STRATA_TRY(read_back_column(ctx, out, h5, out->tables[t]->columns[c].path));
        }
done:
    h5_release(&h5);
    return rc;
}

static bool has_distributed(const strata_output *out)
{
    for (int64_t t = 0; t < out->n_tables; t++)
        if (out->tables[t]->partition && out->tables[t]->rows > 0)
            return true;
    return false;
}

static strata_status publish(strata_context *ctx, strata_output *out, char digest[33])
{
    strata_status rc = STRATA_OK;
    bool first = ctx->rank == 0, reserved = false;
    h5_begin();
    STRATA_AGREE(ctx, add_seals(ctx, out));
    STRATA_AGREE(ctx, first ? begin_file(ctx, out, &reserved) : STRATA_OK);
    STRATA_TRY(strata_par_bcast(ctx, &reserved, sizeof reserved, 0));
    if (has_distributed(out))
        STRATA_TRY(output_write_distributed(ctx, out, reserved));
    STRATA_AGREE(ctx, first ? write_seals(ctx, out, digest) : STRATA_OK);
    STRATA_AGREE(ctx, first && reserved ? give_back(ctx, out) : STRATA_OK);
    STRATA_AGREE(ctx, sync_file(ctx, out));
    STRATA_AGREE(ctx, first && strata_fault_strikes(ctx, "output.damage") ? damage(ctx, out)
                                                                          : STRATA_OK);
    strata_status local = read_back(ctx, out);
    if (local == STRATA_OK && first)
        local = compare_file(ctx, out, digest);
    STRATA_AGREE(ctx, local);
    STRATA_AGREE(ctx, first ? complete_file(ctx, out) : STRATA_OK);
    STRATA_AGREE(ctx, first ? take_name(ctx, out) : STRATA_OK);
    STRATA_TRY(strata_par_bcast(ctx, digest, 33, 0));
done:
    return rc;
}

strata_status strata_output_publish(strata_context *ctx, strata_output **out, char digest[33])
{
    char made[33] = "";
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    /* Passing the file size limit shall be an error that is told, not a signal that kills. */
    bool restored = sigaction(SIGXFSZ, &ignore, &before) == 0;
    strata_status rc = publish(ctx, *out, made);
    if (rc == STRATA_OK && digest)
        memcpy(digest, made, sizeof made);
    strata_progress_end(ctx);
    strata_output_discard(ctx, out);
    if (restored)
        sigaction(SIGXFSZ, &before, NULL);
    return rc;
}
