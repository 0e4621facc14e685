#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ingest/job.h"
#include "strata/io.h"
#include "strata/memory.h"
#include "strata/par.h"

static const char header_line[] = "file,byte_offset,line,reason\n";

/* Text on its way to rank 0, and the rows it is made of. */
enum { CHUNK_BYTES = 1 << 20, CHUNK_ROWS = 4096 };

void strata_rejects_init(strata_rejects *rejects, bool keep)
{
    *rejects = (strata_rejects){.spill = -1, .keep = keep};
}

void strata_rejects_release(strata_rejects *rejects)
{
    strata_free(&rejects->items);
    if (rejects->spill >= 0)
        close(rejects->spill);
    strata_rejects_init(rejects, false);
}

/* "<rejects_file><suffix>" in *path, owned by the caller. */
static strata_status beside(strata_context *ctx, const char *file, const char *suffix, char **path)
{
    size_t length = strlen(file), extra = strlen(suffix);
    strata_status rc = strata_alloc(ctx, (int64_t)(length + extra) + 1, 1, path);
    if (rc != STRATA_OK)
        return rc;
    memcpy(*path, file, length);
    memcpy(*path + length, suffix, extra + 1);
    return STRATA_OK;
}

/* Creates a new file beside the rejects file; what an earlier, killed run left there is removed. */
static strata_status create_beside(strata_context *ctx, const char *file, const char *suffix,
                                   char **path, int *fd)
{
    strata_status rc = beside(ctx, file, suffix, path);
    if (rc != STRATA_OK)
        return rc;
    unlink(*path);
    return strata_io_create(ctx, *path, fd);
}

static strata_status spill(strata_job *job)
{
    strata_rejects *r = &job->rejects;
    strata_status rc = STRATA_OK;
    char *path = NULL, suffix[32];
    if (r->spill < 0) {
        snprintf(suffix, sizeof suffix, ".%d.tmp", job->ctx->rank);
        STRATA_TRY(
            create_beside(job->ctx, job->config->input.rejects_file, suffix, &path, &r->spill));
        unlink(path); /* gone with the process, however that ends */
    }
    STRATA_TRY(strata_io_write(job->ctx, r->spill, job->config->input.rejects_file, r->items,
                               r->n * (int64_t)sizeof *r->items));
    r->n_spilled += r->n;
    r->n = 0;
done:
    strata_free(&path);
    return rc;
}

strata_status strata_rejects_add(strata_job *job, int32_t segment, const strata_row *row)
{
    strata_status rc = STRATA_OK;
    strata_rejects *r = &job->rejects;
    const strata_rejected_row rejected = {
        .offset = row->offset, .line = row->line, .segment = segment, .reason = row->reject};
    if (!r->any) { /* a rank reads its rows in the order of file and offset */
        r->first = rejected;
        r->any = true;
        if (row->reject == STRATA_REJECT_COLUMNS) {
            r->n_found = row->n_found;
            r->n_expected = row->n_expected;
        }
    }
    if (!r->keep)
        return STRATA_OK;
    if (r->n >= job->tuning.rejects_in_memory)
        STRATA_TRY(spill(job));
    STRATA_TRY(strata_reserve(job->ctx, &r->items, &r->capacity, r->n + 1, sizeof *r->items));
    r->items[r->n++] = rejected;
done:
    return rc;
}

/* ---- writing --------------------------------------------------------------------------------- */

/* Rows [from, from + n) of this rank, wherever they are kept. */
static strata_status load(strata_job *job, int64_t from, int64_t n, strata_rejected_row *rows)
{
    strata_rejects *r = &job->rejects;
    int64_t spilled = r->n_spilled - from < n ? r->n_spilled - from : n, got = 0;
    if (spilled < 0)
        spilled = 0;
    if (spilled > 0) {
        int64_t bytes = spilled * (int64_t)sizeof *rows;
        strata_status rc = strata_io_pread(job->ctx, r->spill, job->config->input.rejects_file,
                                           rows, bytes, from * (int64_t)sizeof *rows, &got);
        if (rc != STRATA_OK)
            return rc;
        if (got != bytes)
            return strata_context_fail(job->ctx, STRATA_ERR_IO, __FILE__, __LINE__,
                                       "%s: its temporary file lost data",
                                       job->config->input.rejects_file);
    }
    if (n > spilled)
        memcpy(rows + spilled, r->items + (from + spilled - r->n_spilled),
               (size_t)(n - spilled) * sizeof *rows);
    return STRATA_OK;
}

/* A path as a CSV field; returns its length. */
static int64_t quote_path(const char *path, char *out)
{
    int64_t n = 0;
    if (!strpbrk(path, ",\"\r\n")) {
        n = (int64_t)strlen(path);
        memcpy(out, path, (size_t)n);
        return n;
    }
    out[n++] = '"';
    for (; *path; path++) {
        if (*path == '"')
            out[n++] = '"';
        out[n++] = *path;
    }
    out[n++] = '"';
    return n;
}

static int64_t line_number(const strata_job *job, const strata_rejected_row *row)
{
    return 1 + job->segments[row->segment].line_base + row->line;
}

/* Fills text with as many rows from *next on as fit; *bytes = 0 when all are through. */
static strata_status format_chunk(strata_job *job, int64_t *next, char *text, int64_t *bytes)
{
    strata_rejected_row rows[CHUNK_ROWS / 16];
    const int64_t batch = CHUNK_ROWS / 16;
    int64_t all = job->rejects.n_spilled + job->rejects.n, at = 0;
    bool full = false;
    while (!full && *next < all) {
        int64_t n = all - *next < batch ? all - *next : batch;
        strata_status rc = load(job, *next, n, rows);
        if (rc != STRATA_OK)
            return rc;
        for (int64_t i = 0; i < n && !full; i++) {
            const char *path = job->sources[job->segments[rows[i].segment].source].path;
            full = at + 2 * (int64_t)strlen(path) + 128 > CHUNK_BYTES;
            if (full)
                break;
            at += quote_path(path, text + at);
            at += snprintf(text + at, 96, ",%lld,%lld,%s\n", (long long)rows[i].offset,
                           (long long)line_number(job, &rows[i]),
                           strata_reject_text((strata_reject)rows[i].reason));
            ++*next;
        }
    }
    *bytes = at;
    return STRATA_OK;
}

/* Sends this rank's text to rank 0 in chunks; an empty one says that all is sent. A failure ends
 * the text early, so that rank 0 never waits, and is agreed on afterwards. */
static strata_status send_text(strata_job *job, char *text)
{
    strata_status local = STRATA_OK;
    int64_t next = 0, bytes = 0;
    do {
        if (local == STRATA_OK)
            local = format_chunk(job, &next, text, &bytes);
        if (local != STRATA_OK)
            bytes = 0;
        int code = MPI_Send(text, (int)bytes, MPI_BYTE, 0, 2, job->ctx->comm);
        if (code != MPI_SUCCESS)
            return strata_context_mpi(job->ctx, code, __FILE__, __LINE__);
    } while (bytes > 0);
    return local;
}

/* Takes the text of one rank; goes on receiving after a failed write, so that nobody hangs. */
static strata_status receive_text(strata_job *job, int from, int fd, char *text)
{
    strata_status local = STRATA_OK;
    int bytes = 0;
    do {
        MPI_Status status;
        int code = MPI_Recv(text, CHUNK_BYTES, MPI_BYTE, from, 2, job->ctx->comm, &status);
        if (code == MPI_SUCCESS)
            code = MPI_Get_count(&status, MPI_BYTE, &bytes);
        if (code != MPI_SUCCESS)
            return strata_context_mpi(job->ctx, code, __FILE__, __LINE__);
        if (local == STRATA_OK)
            local = strata_io_write(job->ctx, fd, job->config->input.rejects_file, text, bytes);
    } while (bytes > 0);
    return local;
}

static strata_status write_own(strata_job *job, int fd, char *text)
{
    strata_status rc = STRATA_OK;
    const char *path = job->config->input.rejects_file;
    int64_t next = 0, bytes = 0;
    STRATA_TRY(strata_io_write(job->ctx, fd, path, header_line, (int64_t)sizeof header_line - 1));
    do {
        STRATA_TRY(format_chunk(job, &next, text, &bytes));
        STRATA_TRY(strata_io_write(job->ctx, fd, path, text, bytes));
    } while (bytes > 0);
done:
    return rc;
}

/* Rank 0 alone writes, its own rows first; ranks read in the order of files and offsets. */
static strata_status collect(strata_job *job, int fd, char *text)
{
    if (job->ctx->rank != 0)
        return send_text(job, text);
    strata_status local = write_own(job, fd, text);
    for (int r = 1; r < job->ctx->size; r++) {
        strata_status other = receive_text(job, r, fd, text);
        local = local == STRATA_OK ? other : local;
    }
    return local;
}

strata_status strata_rejects_write(strata_job *job)
{
    strata_status rc = STRATA_OK, local = STRATA_OK;
    strata_context *ctx = job->ctx;
    const char *path = job->config->input.rejects_file;
    char *text = NULL, *temporary = NULL;
    int fd = -1;
    if (!path)
        return STRATA_OK;
    local = strata_alloc(ctx, CHUNK_BYTES, 1, &text);
    if (local == STRATA_OK && ctx->rank == 0)
        local = create_beside(ctx, path, ".tmp", &temporary, &fd);
    STRATA_AGREE(ctx, local);
    STRATA_AGREE(ctx, collect(job, fd, text));
    if (ctx->rank == 0) {
        local = strata_io_sync(ctx, fd, path);
        if (local == STRATA_OK)
            local = strata_io_close(ctx, &fd, path);
        if (local == STRATA_OK)
            local = strata_io_rename(ctx, temporary, path);
    }
    STRATA_AGREE(ctx, local);
done:
    if (fd >= 0)
        close(fd);
    if (rc != STRATA_OK && temporary)
        unlink(temporary);
    strata_free(&temporary);
    strata_free(&text);
    return rc;
}

strata_status strata_rejects_first(strata_job *job, char *text, int64_t room)
{
    strata_status rc = STRATA_OK;
    strata_context *ctx = job->ctx;
    const strata_rejects *r = &job->rejects;
    char columns[64] = "";
    int64_t facts[5] = {0}, lowest = r->any ? ctx->rank : ctx->size;
    STRATA_TRY(strata_par_allreduce_i64(ctx, &lowest, 1, STRATA_MIN));
    text[0] = '\0';
    if (lowest == ctx->size)
        goto done;
    if (ctx->rank == lowest) {
        facts[0] = job->segments[r->first.segment].source;
        facts[1] = line_number(job, &r->first);
        facts[2] = r->first.reason;
        facts[3] = r->n_found;
        facts[4] = r->n_expected;
    }
    STRATA_TRY(strata_par_bcast(ctx, facts, sizeof facts, (int)lowest));
    if (facts[2] == STRATA_REJECT_COLUMNS)
        snprintf(columns, sizeof columns, " (%lld found, %lld expected)", (long long)facts[3],
                 (long long)facts[4]);
    snprintf(text, (size_t)room, "%s:%lld: %s%s", job->sources[facts[0]].path, (long long)facts[1],
             strata_reject_text((strata_reject)facts[2]), columns);
done:
    return rc;
}
