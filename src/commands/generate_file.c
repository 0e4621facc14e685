#include "generate_file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "strata/io.h"
#include "strata/memory.h"
#include "strata/par.h"
#include "strata/text.h"

/* On rank 0: the new file, or why there cannot be one. */
static strata_status start(strata_context *ctx, generate_file *file)
{
    strata_status rc = STRATA_OK;
    struct stat info;
    strata_text name = {0};
    if (!file->force && lstat(file->path, &info) == 0)
        STRATA_FAIL(ctx, STRATA_ERR_USAGE, "%s: exists already; --force replaces it", file->path);
    STRATA_TRY(strata_text_addf(ctx, &name, "%s.partial-%ld", file->path, (long)getpid()));
    STRATA_TRY(strata_io_create(ctx, name.bytes, &file->fd));
    file->made = true;
    file->temporary = name.bytes;
    name.bytes = NULL;
done:
    strata_free(&name.bytes);
    return rc;
}

/* Tells the name of the temporary file to all ranks. */
static strata_status share_name(strata_context *ctx, generate_file *file)
{
    strata_status rc = STRATA_OK;
    int64_t length = file->temporary ? (int64_t)strlen(file->temporary) + 1 : 0;
    STRATA_TRY(strata_par_bcast(ctx, &length, (int64_t)sizeof length, 0));
    STRATA_AGREE(ctx, ctx->rank == 0 ? STRATA_OK : strata_alloc(ctx, length, 1, &file->temporary));
    STRATA_TRY(strata_par_bcast(ctx, file->temporary, length, 0));
done:
    return rc;
}

strata_status generate_file_open(strata_context *ctx, const char *path, bool force,
                                 generate_file *out)
{
    strata_status rc = STRATA_OK;
    generate_file file = {.path = path, .fd = -1, .force = force};
    STRATA_AGREE(ctx, ctx->rank == 0 ? start(ctx, &file) : STRATA_OK);
    STRATA_TRY(share_name(ctx, &file));
    STRATA_AGREE(ctx,
                 ctx->rank == 0 ? STRATA_OK : strata_io_open_write(ctx, file.temporary, &file.fd));
    *out = file;
    file = (generate_file){.fd = -1};
done:
    generate_file_release(ctx, &file);
    return rc;
}

strata_status generate_file_put(strata_context *ctx, generate_file *file, strata_status local,
                                const char *bytes, int64_t n)
{
    strata_status rc = STRATA_OK;
    int64_t first = 0, total = 0;
    if (file->fd < 0)
        return STRATA_OK;
    STRATA_AGREE(ctx, local != STRATA_OK ? local : file->pending);
    STRATA_TRY(strata_par_exscan_i64(ctx, n, &first, &total));
    if (n > 0)
        file->pending = strata_io_pwrite(ctx, file->fd, file->path, bytes, n, file->bytes + first);
    file->bytes += total;
done:
    return rc;
}

/* On every rank: this rank's part is on the disk. */
static strata_status settle(strata_context *ctx, generate_file *file)
{
    strata_status rc = file->pending;
    int64_t size = 0;
    if (rc != STRATA_OK)
        goto done;
    STRATA_TRY(strata_io_sync(ctx, file->fd, file->path));
    STRATA_TRY(strata_io_size(ctx, file->fd, file->path, &size));
    if (ctx->rank == 0 && size != file->bytes)
        STRATA_FAIL(ctx, STRATA_ERR_VERIFY, "%s: holds %lld bytes instead of %lld", file->path,
                    (long long)size, (long long)file->bytes);
    STRATA_TRY(strata_io_close(ctx, &file->fd, file->path));
done:
    return rc;
}

strata_status generate_file_settle(strata_context *ctx, generate_file *file)
{
    strata_status rc = STRATA_OK;
    if (file->fd < 0)
        return STRATA_OK;
    /* two steps: rank 0 looks at the size only when everybody's part is written */
    STRATA_AGREE(ctx, file->pending);
    STRATA_AGREE(ctx, settle(ctx, file));
done:
    return rc;
}

strata_status generate_file_publish(strata_context *ctx, generate_file *file)
{
    strata_status rc = STRATA_OK, local = STRATA_OK;
    if (!file->temporary)
        return STRATA_OK;
    if (ctx->rank == 0)
        local = file->force ? strata_io_rename(ctx, file->temporary, file->path)
                            : strata_io_rename_new(ctx, file->temporary, file->path);
    STRATA_AGREE(ctx, local);
    file->made = false;
done:
    return rc;
}

void generate_file_release(strata_context *ctx, generate_file *file)
{
    if (file->fd >= 0 && strata_io_close(ctx, &file->fd, file->path) != STRATA_OK)
        strata_log(ctx, STRATA_LOG_WARNING, "%s: closing failed", file->path);
    if (file->made && file->temporary && unlink(file->temporary) != 0)
        strata_log(ctx, STRATA_LOG_WARNING, "%s: could not be removed: %s", file->temporary,
                   strerror(errno));
    file->made = false;
    strata_free(&file->temporary);
}
