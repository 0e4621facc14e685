/* Big columns by way of rank 0. Each rank lets HDF5 filter its chunks into a file in memory,
 * takes the finished chunks out and sends them; rank 0 puts them into the file as they are. The
 * costly part is parallel, and every error of the disk is told to the one who writes. */
#include <string.h>

#include "output/writer.h"
#include "strata/fault.h"
#include "strata/memory.h"
#include "strata/par.h"

typedef struct chunks {
    int64_t n;
    int64_t *sizes;    /* [n] bytes */
    uint32_t *filters; /* [n] filters that were left out, as a mask */
    char *bytes;       /* one after the other */
} chunks;

enum { TAG_SIZES = 71, TAG_FILTERS, TAG_BYTES };

static void release(chunks *c)
{
    strata_free(&c->sizes);
    strata_free(&c->filters);
    strata_free(&c->bytes);
    *c = (chunks){0};
}

static strata_status create_in_memory(strata_context *ctx, const big_writer *w,
                                      const output_column *column, int64_t rows, hid_t *file,
                                      hid_t *set)
{
    strata_status rc = STRATA_OK;
    const char *path = w->out->path;
    const size_t growth = (size_t)16 << 20;
    hsize_t now = (hsize_t)rows,
            later = H5S_UNLIMITED; /* a chunk may be longer than what is here */
    hid_t access = H5Pcreate(H5P_FILE_ACCESS), properties = -1, space = -1, type = -1;
    H5_CHECK(ctx, STRATA_ERR_INTERNAL, path, column->path, access);
    H5_CHECK(ctx, STRATA_ERR_INTERNAL, path, column->path, H5Pset_fapl_core(access, growth, 0));
    H5_CHECK(ctx, STRATA_ERR_INTERNAL, path, column->path,
             *file = H5Fcreate("strata-chunks-in-memory", H5F_ACC_TRUNC, H5P_DEFAULT, access));
    STRATA_TRY(
        output_column_properties(ctx, w->out, strata_partition_global(&w->blocks), &properties));
    H5_CHECK(ctx, STRATA_ERR_INTERNAL, path, column->path,
             space = H5Screate_simple(1, &now, &later));
    H5_CHECK(ctx, STRATA_ERR_INTERNAL, path, column->path,
             type = h5_type(column->type, column->width));
    H5_CHECK(ctx, STRATA_ERR_INTERNAL, path, column->path,
             *set = H5Dcreate2(*file, "c", type, space, H5P_DEFAULT, properties, H5P_DEFAULT));
done:
    h5_release(&type);
    h5_release(&space);
    h5_release(&properties);
    h5_release(&access);
    return rc;
}

static strata_status take_out(strata_context *ctx, const char *path, hid_t set, chunks *c)
{
    strata_status rc = STRATA_OK;
    int64_t total = 0, at = 0;
    for (int64_t i = 0; i < c->n; i++) {
        hsize_t offset = (hsize_t)(i * STRATA_BLOCK_ROWS), size = 0;
        H5_CHECK(ctx, STRATA_ERR_MEMORY, path, "a chunk",
                 H5Dget_chunk_storage_size(set, &offset, &size));
        c->sizes[i] = (int64_t)size;
        total += c->sizes[i];
    }
    STRATA_TRY(strata_alloc(ctx, total, 1, &c->bytes));
    for (int64_t i = 0; i < c->n; i++) {
        hsize_t offset = (hsize_t)(i * STRATA_BLOCK_ROWS);
        H5_CHECK(ctx, STRATA_ERR_MEMORY, path, "a chunk",
                 H5Dread_chunk(set, H5P_DEFAULT, &offset, &c->filters[i], c->bytes + at));
        at += c->sizes[i];
    }
done:
    return rc;
}

static strata_status filter_chunks(strata_context *ctx, const big_writer *w,
                                   const output_column *column, const void *values, chunks *c)
{
    strata_status rc = STRATA_OK;
    int64_t rows = strata_partition_local(&w->blocks, ctx->rank);
    hid_t file = -1, set = -1, type = -1;
    c->n = manifest_blocks(rows);
    STRATA_TRY(strata_alloc(ctx, c->n, sizeof *c->sizes, &c->sizes));
    STRATA_TRY(strata_alloc(ctx, c->n, sizeof *c->filters, &c->filters));
    if (rows == 0)
        goto done;
    STRATA_TRY(create_in_memory(ctx, w, column, rows, &file, &set));
    H5_CHECK(ctx, STRATA_ERR_INTERNAL, w->out->path, column->path,
             type = h5_memory_type(column->type, column->width));
    H5_CHECK(ctx, STRATA_ERR_MEMORY, w->out->path, column->path,
             H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values));
    H5_CHECK(ctx, STRATA_ERR_MEMORY, w->out->path, column->path, H5Fflush(file, H5F_SCOPE_LOCAL));
    STRATA_TRY(take_out(ctx, w->out->path, set, c));
done:
    h5_release(&type);
    h5_release(&set);
    h5_release(&file);
    return rc;
}

/* Rank 0: chunks of one rank, from global row first on. */
static strata_status put(strata_context *ctx, const big_writer *w, hid_t set,
                         const output_column *column, int64_t first, const chunks *c)
{
    strata_status rc = STRATA_OK;
    const char *at = c->bytes;
    for (int64_t i = 0; i < c->n; i++) {
        hsize_t offset = (hsize_t)(first + i * STRATA_BLOCK_ROWS);
        H5_CHECK(ctx, STRATA_ERR_IO, w->out->path, column->path,
                 H5Dwrite_chunk(set, H5P_DEFAULT, c->filters[i], &offset, (size_t)c->sizes[i], at));
        at += c->sizes[i];
    }
done:
    return rc;
}

/* Bytes in messages that an int counts. */
static strata_status send_bytes(strata_context *ctx, const chunks *c)
{
    strata_status rc = STRATA_OK;
    const char *at = c->bytes;
    for (int64_t i = 0; i < c->n; i++) {
        int bytes = 0;
        STRATA_TRY(strata_narrow(ctx, c->sizes[i], &bytes));
        STRATA_MPI(ctx, MPI_Send(at, bytes, MPI_BYTE, 0, TAG_BYTES, ctx->comm));
        at += bytes;
    }
done:
    return rc;
}

static strata_status send_chunks(strata_context *ctx, const chunks *c)
{
    strata_status rc = STRATA_OK;
    int n = 0;
    STRATA_TRY(strata_narrow(ctx, c->n, &n));
    STRATA_MPI(ctx, MPI_Send(c->sizes, n, MPI_INT64_T, 0, TAG_SIZES, ctx->comm));
    STRATA_MPI(ctx, MPI_Send(c->filters, n, MPI_UINT32_T, 0, TAG_FILTERS, ctx->comm));
    STRATA_TRY(send_bytes(ctx, c));
done:
    return rc;
}

/* Rank 0: where the chunks of the others arrive. */
typedef struct inlet {
    const big_writer *w;
    hid_t set;
    const output_column *column;
    chunks room;
    int capacity; /* bytes of one chunk at most */
} inlet;

/* Rank 0: room for the chunks of any rank, one at a time, before anybody sends: later there is
 * no way to say that memory is short. */
static strata_status make_room(strata_context *ctx, inlet *in)
{
    strata_status rc = STRATA_OK;
    const big_writer *w = in->w;
    int64_t raw = STRATA_BLOCK_ROWS * in->column->width, most = 0;
    int64_t bytes = raw + raw / 64 + 4096; /* deflate grows what it cannot compress by less */
    for (int r = 0; r < ctx->size; r++) {
        int64_t n = manifest_blocks(strata_partition_local(&w->blocks, r));
        most = n > most ? n : most;
    }
    STRATA_TRY(strata_alloc(ctx, most, sizeof *in->room.sizes, &in->room.sizes));
    STRATA_TRY(strata_alloc(ctx, most, sizeof *in->room.filters, &in->room.filters));
    STRATA_TRY(strata_alloc(ctx, bytes, 1, &in->room.bytes));
    STRATA_TRY(strata_narrow(ctx, bytes, &in->capacity));
done:
    return rc;
}

/* Receives the chunks of a rank one by one and puts them into the file. After a failure it goes on
 * receiving, so that the sender gets away. */
static strata_status receive_chunks(strata_context *ctx, const inlet *in, int rank,
                                    strata_status before)
{
    strata_status rc = STRATA_OK, local = before;
    const big_writer *w = in->w;
    const chunks *room = &in->room;
    int64_t first = strata_partition_first(&w->blocks, rank);
    int n = (int)manifest_blocks(strata_partition_local(&w->blocks, rank));
    STRATA_MPI(
        ctx, MPI_Recv(room->sizes, n, MPI_INT64_T, rank, TAG_SIZES, ctx->comm, MPI_STATUS_IGNORE));
    STRATA_MPI(ctx, MPI_Recv(room->filters, n, MPI_UINT32_T, rank, TAG_FILTERS, ctx->comm,
                             MPI_STATUS_IGNORE));
    for (int64_t i = 0; i < n; i++) {
        STRATA_MPI(ctx, MPI_Recv(room->bytes, in->capacity, MPI_BYTE, rank, TAG_BYTES, ctx->comm,
                                 MPI_STATUS_IGNORE));
        const chunks one = {1, &room->sizes[i], &room->filters[i], room->bytes};
        if (local == STRATA_OK)
            local = put(ctx, w, in->set, in->column, first + i * STRATA_BLOCK_ROWS, &one);
    }
    rc = local;
done:
    return rc;
}

strata_status output_funnel_column(strata_context *ctx, const big_writer *w, hid_t set,
                                   const output_column *column, const void *values)
{
    strata_status rc = STRATA_OK, local = STRATA_OK;
    chunks mine = {0};
    inlet in = {.w = w, .set = set, .column = column};
    if (strata_fault_strikes(ctx, "output.write"))
        local = strata_context_fail(ctx, STRATA_ERR_IO, __FILE__, __LINE__,
                                    "%s: writing %s failed (injected)", w->out->path, column->path);
    if (local == STRATA_OK && ctx->rank == 0)
        local = make_room(ctx, &in);
    if (local == STRATA_OK)
        local = filter_chunks(ctx, w, column, values, &mine);
    STRATA_AGREE(ctx, local);
    if (ctx->rank != 0) {
        local = send_chunks(ctx, &mine);
    } else {
        local = put(ctx, w, set, column, 0, &mine);
        for (int r = 1; r < ctx->size; r++)
            local = receive_chunks(ctx, &in, r, local);
    }
    STRATA_AGREE(ctx, local);
done:
    release(&in.room);
    release(&mine);
    return rc;
}
