#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ingest/job.h"
#include "strata/ingest.h"
#include "strata/io.h"
#include "strata/memory.h"
#include "strata/par.h"

typedef struct file_list {
    char *packed; /* the paths, each with its terminator, end to end */
    int64_t bytes, capacity;
    int32_t n;
} file_list;

static strata_status append_path(strata_context *ctx, file_list *list, const char *path)
{
    int64_t length = (int64_t)strlen(path) + 1;
    strata_status rc = strata_reserve(ctx, &list->packed, &list->capacity, list->bytes + length, 1);
    if (rc != STRATA_OK)
        return rc;
    memcpy(list->packed + list->bytes, path, (size_t)length);
    list->bytes += length;
    list->n++;
    return STRATA_OK;
}

static strata_status expand(strata_context *ctx, const char *pattern, file_list *list)
{
    strata_status rc = STRATA_OK;
    glob_t found = {0};
    struct stat info;
    if (stat(pattern, &info) == 0) /* an existing name is taken as it is, whatever signs it holds */
        return append_path(ctx, list, pattern);
    if (!strpbrk(pattern, "*?["))
        STRATA_FAIL(ctx, STRATA_ERR_INPUT, "%s: %s", pattern, strerror(errno));
    int code = glob(pattern, GLOB_ERR, NULL, &found);
    if (code == GLOB_NOSPACE)
        STRATA_FAIL(ctx, STRATA_ERR_MEMORY, "%s: no memory to list the files", pattern);
    if (code == GLOB_ABORTED)
        STRATA_FAIL(ctx, STRATA_ERR_INPUT, "%s: a folder cannot be read: %s", pattern,
                    strerror(errno));
    if (code != 0 || found.gl_pathc == 0)
        STRATA_FAIL(ctx, STRATA_ERR_INPUT, "%s: no file has such a name (input.files)", pattern);
    for (size_t i = 0; i < found.gl_pathc; i++)
        STRATA_TRY(append_path(ctx, list, found.gl_pathv[i]));
done:
    globfree(&found);
    return rc;
}

static int compare_paths(const void *a, const void *b)
{
    const strata_source *x = a, *y = b;
    return strcmp(x->path, y->path);
}

/* Formats told by their first bytes that this reader does not unpack: better refused by name than
 * read as broken text. */
static const char *foreign_format(const uint8_t *head, int64_t n)
{
    static const struct {
        uint8_t magic[4];
        int64_t length;
        const char *name;
    } formats[] = {{{0x28, 0xb5, 0x2f, 0xfd}, 4, "zstd"}, {{'B', 'Z', 'h', 0}, 3, "bzip2"},
                   {{0xfd, '7', 'z', 'X'}, 4, "xz"},      {{'P', 'K', 3, 4}, 4, "zip"},
                   {{0x89, 'H', 'D', 'F'}, 4, "HDF5"},    {{'P', 'A', 'R', '1'}, 4, "Parquet"}};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (n >= formats[i].length &&
            memcmp(head, formats[i].magic, (size_t)formats[i].length) == 0)
            return formats[i].name;
    return NULL;
}

/* Size and kind of a file, by its first bytes and not its name. */
static strata_status examine(strata_context *ctx, strata_source *source)
{
    strata_status rc = STRATA_OK;
    uint8_t head[4] = {0};
    int64_t n = 0;
    int fd = -1;
    STRATA_TRY(strata_io_open_read(ctx, source->path, &fd));
    STRATA_TRY(strata_io_size(ctx, fd, source->path, &source->bytes));
    STRATA_TRY(strata_io_pread(ctx, fd, source->path, head, sizeof head, 0, &n));
    source->gzip = n >= 2 && head[0] == 0x1f && head[1] == 0x8b;
    const char *format = foreign_format(head, n);
    if (format)
        STRATA_FAIL(ctx, STRATA_ERR_INPUT, "%s: holds %s; only text and gzip are read",
                    source->path, format);
done:
    if (fd >= 0)
        close(fd);
    return rc;
}

/* A name that two globs found is one file. */
static void drop_twins(strata_context *ctx, strata_source *sources, int32_t *n)
{
    int32_t kept = 0;
    for (int32_t i = 0; i < *n; i++) {
        if (kept > 0 && strcmp(sources[kept - 1].path, sources[i].path) == 0) {
            strata_log(ctx, STRATA_LOG_WARNING, "%s is named twice and read once", sources[i].path);
            strata_free(&sources[i].path);
            continue;
        }
        sources[kept++] = sources[i];
    }
    for (int32_t i = kept; i < *n; i++)
        sources[i].path = NULL;
    *n = kept;
}

static strata_status unpack(strata_context *ctx, const char *packed, int32_t n,
                            strata_source **sources)
{
    strata_status rc = strata_calloc(ctx, n, sizeof **sources, sources);
    for (int32_t i = 0; i < n && rc == STRATA_OK; i++) {
        int64_t length = (int64_t)strlen(packed) + 1;
        rc = strata_alloc(ctx, length, 1, &(*sources)[i].path);
        if (rc == STRATA_OK)
            memcpy((*sources)[i].path, packed, (size_t)length);
        packed += length;
    }
    return rc;
}

typedef struct file_fact {
    int64_t bytes, gzip;
    int64_t device, inode, number; /* number: which file, for sorting */
} file_fact;

static int compare_places(const void *a, const void *b)
{
    const file_fact *x = a, *y = b;
    if (x->device != y->device)
        return x->device < y->device ? -1 : 1;
    if (x->inode != y->inode)
        return x->inode < y->inode ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

/* One file under two names (a link, another spelling of the folder) would count every row twice. */
static strata_status refuse_links(strata_context *ctx, const strata_source *sources,
                                  const file_fact *facts, int32_t n)
{
    strata_status rc = STRATA_OK;
    file_fact *sorted = NULL;
    STRATA_TRY(strata_alloc(ctx, n, sizeof *sorted, &sorted));
    memcpy(sorted, facts, (size_t)n * sizeof *sorted);
    qsort(sorted, (size_t)n, sizeof *sorted, compare_places);
    for (int32_t i = 1; i < n; i++)
        if (sorted[i - 1].device == sorted[i].device && sorted[i - 1].inode == sorted[i].inode)
            STRATA_FAIL(ctx, STRATA_ERR_INPUT,
                        "%s and %s are the same file; its rows would count twice",
                        sources[sorted[i - 1].number].path, sources[sorted[i].number].path);
done:
    strata_free(&sorted);
    return rc;
}

/* Rank 0 alone looks at the file system: a thousand ranks that each expand a glob are an attack
 * on a metadata server, and might see different folders. */
static strata_status look(strata_context *ctx, const strata_config *config, strata_source **sources,
                          int32_t *n, file_list *list, file_fact **facts)
{
    strata_status rc = STRATA_OK;
    for (int32_t i = 0; i < config->input.n_files; i++)
        STRATA_TRY(expand(ctx, config->input.files[i], list));
    if (list->n == 0)
        STRATA_FAIL(ctx, STRATA_ERR_USAGE, "input.files names no file");
    *n = list->n;
    STRATA_TRY(unpack(ctx, list->packed, list->n, sources));
    qsort(*sources, (size_t)*n, sizeof **sources, compare_paths);
    drop_twins(ctx, *sources, n);
    STRATA_TRY(strata_alloc(ctx, *n, sizeof **facts, facts));
    list->bytes = 0;
    list->n = 0;
    for (int32_t i = 0; i < *n; i++) {
        STRATA_TRY(examine(ctx, &(*sources)[i]));
        struct stat info = {0};
        (void)stat((*sources)[i].path, &info); /* it was just opened */
        (*facts)[i] = (file_fact){(*sources)[i].bytes, (*sources)[i].gzip, (int64_t)info.st_dev,
                                  (int64_t)info.st_ino, i};
        STRATA_TRY(append_path(ctx, list, (*sources)[i].path));
    }
    STRATA_TRY(refuse_links(ctx, *sources, *facts, *n));
done:
    return rc;
}

strata_status strata_files_list(strata_context *ctx, const strata_config *config,
                                strata_source **sources, int32_t *n)
{
    strata_status rc = STRATA_OK, local = STRATA_OK;
    strata_source *found = NULL;
    file_list list = {0};
    file_fact *facts = NULL;
    int32_t count = 0;
    if (ctx->rank == 0)
        local = look(ctx, config, &found, &count, &list, &facts);
    STRATA_AGREE(ctx, local);
    int64_t sizes[2] = {count, list.bytes};
    STRATA_TRY(strata_par_bcast(ctx, sizes, sizeof sizes, 0));
    count = (int32_t)sizes[0];
    if (ctx->rank != 0) {
        local = strata_reserve(ctx, &list.packed, &list.capacity, sizes[1], 1);
        if (local == STRATA_OK)
            local = strata_alloc(ctx, count, sizeof *facts, &facts);
    }
    STRATA_AGREE(ctx, local);
    STRATA_TRY(strata_par_bcast(ctx, list.packed, sizes[1], 0));
    STRATA_TRY(strata_par_bcast(ctx, facts, count * (int64_t)sizeof *facts, 0));
    STRATA_AGREE(ctx, ctx->rank == 0 ? STRATA_OK : unpack(ctx, list.packed, count, &found));
    for (int32_t i = 0; i < count; i++) {
        found[i].bytes = facts[i].bytes;
        found[i].gzip = facts[i].gzip != 0;
    }
    *sources = found;
    *n = count;
    found = NULL;
done:
    strata_files_release(&found, count);
    strata_free(&facts);
    strata_free(&list.packed);
    return rc;
}

strata_status strata_ingest_list(strata_context *ctx, const strata_config *config,
                                 strata_input_file **inputs, int32_t *n)
{
    strata_status rc = STRATA_OK;
    strata_source *sources = NULL;
    strata_input_file *list = NULL;
    int32_t count = 0;
    STRATA_TRY(strata_files_list(ctx, config, &sources, &count));
    STRATA_AGREE(ctx, strata_calloc(ctx, count, sizeof *list, &list));
    for (int32_t i = 0; i < count; i++) {
        list[i].path = sources[i].path; /* handed over */
        sources[i].path = NULL;
        list[i].bytes = sources[i].bytes;
    }
    *inputs = list;
    *n = count;
done:
    strata_files_release(&sources, count);
    return rc;
}

void strata_inputs_release(strata_input_file **inputs, int32_t n)
{
    for (int32_t i = 0; *inputs && i < n; i++)
        strata_free(&(*inputs)[i].path);
    strata_free(inputs);
}

void strata_files_release(strata_source **sources, int32_t n)
{
    for (int32_t i = 0; *sources && i < n; i++)
        strata_free(&(*sources)[i].path);
    strata_free(sources);
}
