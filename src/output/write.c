/* Writing: the structure and the small tables by one process, the big columns by all. */
#include <math.h>
#include <string.h>

#include "output/writer.h"
#include "strata/fault.h"
#include "strata/memory.h"
#include "strata/par.h"

/* Blocks a rank writes in one collective call: 64 MiB of doubles, and the same count on every
 * rank. */
static const int64_t round_blocks = 64;

/* ---- structure ------------------------------------------------------------------------------- */

static strata_status write_attribute(strata_context *ctx, const char *file, hid_t object,
                                     const manifest_attribute *attribute)
{
    strata_status rc = STRATA_OK;
    hid_t type = h5_type(attribute->type, attribute->width), space = -1, id = -1;
    H5_CHECK(ctx, STRATA_ERR_IO, file, attribute->name, type);
    H5_CHECK(ctx, STRATA_ERR_IO, file, attribute->name, space = H5Screate(H5S_SCALAR));
    H5_CHECK(ctx, STRATA_ERR_IO, file, attribute->name,
             id = H5Acreate2(object, attribute->name, type, space, H5P_DEFAULT, H5P_DEFAULT));
    H5_CHECK(ctx, STRATA_ERR_IO, file, attribute->name, H5Awrite(id, type, attribute->value));
done:
    h5_release(&id);
    h5_release(&space);
    h5_release(&type);
    return rc;
}

static strata_status write_attributes(strata_context *ctx, const char *file, hid_t object,
                                      const manifest_entry *entry)
{
    strata_status rc = STRATA_OK;
    for (int32_t a = 0; a < entry->n_attributes; a++)
        STRATA_TRY(write_attribute(ctx, file, object, &entry->attributes[a]));
done:
    return rc;
}

strata_status output_column_properties(strata_context *ctx, const strata_output *out, int64_t rows,
                                       hid_t *properties)
{
    strata_status rc = STRATA_OK;
    const char *file = out->path, *what = "data set properties";
    hsize_t chunk = (hsize_t)(rows < STRATA_BLOCK_ROWS ? rows : STRATA_BLOCK_ROWS);
    hid_t p = H5Pcreate(H5P_DATASET_CREATE);
    H5_CHECK(ctx, STRATA_ERR_IO, file, what, p);
    H5_CHECK(ctx, STRATA_ERR_IO, file, what, H5Pset_obj_track_times(p, 0));
    if (rows > 0) { /* a chunk has at least one row, so a table without rows is contiguous */
        H5_CHECK(ctx, STRATA_ERR_IO, file, what, H5Pset_chunk(p, 1, &chunk));
        H5_CHECK(ctx, STRATA_ERR_IO, file, what, H5Pset_shuffle(p));
        if (out->compression > 0)
            H5_CHECK(ctx, STRATA_ERR_IO, file, what, H5Pset_deflate(p, (unsigned)out->compression));
        H5_CHECK(ctx, STRATA_ERR_IO, file, what, H5Pset_fletcher32(p));
    }
    *properties = p;
    p = -1;
done:
    h5_release(&p);
    return rc;
}

static strata_status create_column(strata_context *ctx, const strata_output *out, hid_t h5,
                                   const manifest_entry *entry)
{
    strata_status rc = STRATA_OK;
    hsize_t rows = (hsize_t)entry->rows;
    hid_t properties = -1, space = -1, set = -1, type = h5_type(entry->type, entry->width);
    H5_CHECK(ctx, STRATA_ERR_IO, out->path, entry->path, type);
    STRATA_TRY(output_column_properties(ctx, out, entry->rows, &properties));
    H5_CHECK(ctx, STRATA_ERR_IO, out->path, entry->path, space = H5Screate_simple(1, &rows, NULL));
    H5_CHECK(ctx, STRATA_ERR_IO, out->path, entry->path,
             set = H5Dcreate2(h5, entry->path, type, space, H5P_DEFAULT, properties, H5P_DEFAULT));
    STRATA_TRY(write_attributes(ctx, out->path, set, entry));
done:
    h5_release(&set);
    h5_release(&space);
    h5_release(&properties);
    h5_release(&type);
    return rc;
}

static strata_status create_group(strata_context *ctx, const strata_output *out, hid_t h5,
                                  const manifest_entry *entry)
{
    strata_status rc = STRATA_OK;
    hid_t group = -1, properties = -1;
    H5_CHECK(ctx, STRATA_ERR_IO, out->path, entry->path, properties = H5Pcreate(H5P_GROUP_CREATE));
    H5_CHECK(ctx, STRATA_ERR_IO, out->path, entry->path, H5Pset_obj_track_times(properties, 0));
    group = strcmp(entry->path, "/") == 0
                ? H5Gopen2(h5, "/", H5P_DEFAULT)
                : H5Gcreate2(h5, entry->path, H5P_DEFAULT, properties, H5P_DEFAULT);
    H5_CHECK(ctx, STRATA_ERR_IO, out->path, entry->path, group);
    STRATA_TRY(write_attributes(ctx, out->path, group, entry));
done:
    h5_release(&group);
    h5_release(&properties);
    return rc;
}

static strata_status write_small(strata_context *ctx, const strata_output *out, hid_t h5,
                                 const strata_table *table)
{
    strata_status rc = STRATA_OK;
    hid_t set = -1, type = -1;
    for (int32_t c = 0; table->rows > 0 && c < table->n_columns; c++) {
        const output_column *column = &table->columns[c];
        H5_CHECK(ctx, STRATA_ERR_IO, out->path, column->path,
                 set = H5Dopen2(h5, column->path, H5P_DEFAULT));
        H5_CHECK(ctx, STRATA_ERR_IO, out->path, column->path,
                 type = h5_memory_type(column->type, column->width));
        H5_CHECK(ctx, STRATA_ERR_IO, out->path, column->path,
                 H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, column->values));
        h5_release(&type);
        h5_release(&set);
    }
done:
    h5_release(&type);
    h5_release(&set);
    return rc;
}

strata_status output_write_structure(strata_context *ctx, strata_output *out)
{
    strata_status rc = STRATA_OK;
    hid_t h5 = -1, properties = -1, access = h5_access(MPI_COMM_NULL);
    const char *what = "cannot create it";
    H5_CHECK(ctx, STRATA_ERR_IO, out->path, what, access);
    H5_CHECK(ctx, STRATA_ERR_IO, out->path, what, properties = H5Pcreate(H5P_FILE_CREATE));
    H5_CHECK(ctx, STRATA_ERR_IO, out->path, what, H5Pset_obj_track_times(properties, 0));
    H5_CHECK(ctx, STRATA_ERR_IO, out->path, what,
             h5 = H5Fcreate(out->partial, H5F_ACC_TRUNC, properties, access));
    for (int64_t i = 0; i < out->meant.n; i++) { /* sorted: a group comes before what it holds */
        const manifest_entry *entry = &out->meant.entries[i];
        STRATA_TRY(entry->is_column ? create_column(ctx, out, h5, entry)
                                    : create_group(ctx, out, h5, entry));
    }
    for (int64_t t = 0; t < out->n_tables; t++)
        if (!out->tables[t]->partition)
            STRATA_TRY(write_small(ctx, out, h5, out->tables[t]));
    herr_t code = H5Fclose(h5);
    h5 = -1;
    H5_CHECK(ctx, STRATA_ERR_IO, out->path, "closing it failed", code);
done:
    h5_release(&h5);
    h5_release(&properties);
    h5_release(&access);
    return rc;
}

int64_t output_estimate(const strata_output *out)
{
    /* Headers, the chunk index and a deflate stream that does not compress (about 1/1000, take
     * 1/256); attributes count double for the heap that large ones live in. */
    const int64_t file_bytes = 65536, object_bytes = 2048, chunk_bytes = 128;
    int64_t total = file_bytes;
    for (int64_t i = 0; i < out->meant.n; i++) {
        const manifest_entry *entry = &out->meant.entries[i];
        total += object_bytes;
        for (int32_t a = 0; a < entry->n_attributes; a++)
            total += 2 * ((int64_t)strlen(entry->attributes[a].name) + entry->attributes[a].width);
        if (entry->is_column) {
            int64_t blocks = manifest_blocks(entry->rows);
            int64_t rows =
                entry->rows < STRATA_BLOCK_ROWS ? entry->rows : blocks * STRATA_BLOCK_ROWS;
            int64_t raw = rows * entry->width;
            total += raw + raw / 256 + blocks * chunk_bytes;
        }
    }
    return total;
}

/* ---- the big columns ------------------------------------------------------------------------- */

/* Not-a-numbers come with many bit patterns; a digest wants one. */
static void canonicalise(double *values, int64_t n)
{
    const double missing = __builtin_nan("");
    for (int64_t i = 0; i < n; i++)
        if (isnan(values[i]))
            values[i] = missing;
}

static bool wants_copy(const output_column *column, const strata_partition *from,
                       const strata_partition *to, int rank)
{
    if (memcmp(from->offsets, to->offsets, (size_t)(to->size + 1) * sizeof *to->offsets) != 0)
        return true;
    const double *reals = column->values;
    int64_t n = strata_partition_local(from, rank);
    bool missing = false;
    for (int64_t i = 0; column->type == STRATA_F64 && i < n && !missing; i++)
        missing = isnan(reals[i]);
    return missing;
}

/* One round of a column: count rows of this rank (0 is fine) from global row first. Collective
 * in HDF5 when transfer is. */
static strata_status write_rows(strata_context *ctx, const strata_output *out, hid_t set,
                                hid_t type, hid_t transfer, int64_t first, int64_t count,
                                const void *values)
{
    strata_status rc = STRATA_OK;
    hsize_t start = (hsize_t)first, n = (hsize_t)count, room = n > 0 ? n : 1;
    hid_t memory = -1, file = -1;
    static const char none[8] = "";
    H5_CHECK(ctx, STRATA_ERR_IO, out->path, "writing", memory = H5Screate_simple(1, &room, NULL));
    H5_CHECK(ctx, STRATA_ERR_IO, out->path, "writing", file = H5Dget_space(set));
    if (count > 0)
        H5_CHECK(ctx, STRATA_ERR_IO, out->path, "writing",
                 H5Sselect_hyperslab(file, H5S_SELECT_SET, &start, NULL, &n, NULL));
    else if (H5Sselect_none(file) < 0 || H5Sselect_none(memory) < 0)
        STRATA_FAIL(ctx, STRATA_ERR_INTERNAL, "%s: no empty selection", out->path);
    H5_CHECK(ctx, STRATA_ERR_IO, out->path, "writing failed",
             H5Dwrite(set, type, memory, file, transfer, values && count > 0 ? values : none));
done:
    h5_release(&file);
    h5_release(&memory);
    return rc;
}

static strata_status write_rounds(strata_context *ctx, big_writer *w, hid_t set, hid_t type,
                                  const output_column *column, const void *values)
{
    strata_status rc = STRATA_OK;
    int64_t first = strata_partition_first(&w->blocks, ctx->rank);
    int64_t n_local = strata_partition_local(&w->blocks, ctx->rank), longest = 0;
    int64_t round = round_blocks * STRATA_BLOCK_ROWS;
    for (int r = 0; r < ctx->size; r++)
        if (strata_partition_local(&w->blocks, r) > longest)
            longest = strata_partition_local(&w->blocks, r);
    for (int64_t at = 0; at < longest; at += round) {
        int64_t left = at < n_local ? n_local - at : 0, count = left < round ? left : round;
        strata_status local = STRATA_OK;
        if (strata_fault_strikes(ctx, "output.write"))
            local =
                strata_context_fail(ctx, STRATA_ERR_IO, __FILE__, __LINE__,
                                    "%s: writing %s failed (injected)", w->out->path, column->path);
        STRATA_AGREE(ctx, local);
        STRATA_AGREE(ctx, write_rows(ctx, w->out, set, type, w->transfer,
                                     count > 0 ? first + at : 0, count,
                                     (const char *)values + (count > 0 ? at * column->width : 0)));
    }
done:
    return rc;
}

/* Hashes of this rank's blocks, then of all ranks' in order, into the manifest of every rank. */
static strata_status hash_column(strata_context *ctx, const big_writer *w,
                                 const output_column *column, const void *values)
{
    strata_status rc = STRATA_OK;
    manifest_entry *entry = manifest_find(&w->out->meant, column->path);
    int64_t n_local = strata_partition_local(&w->blocks, ctx->rank), got = 0;
    int64_t n_blocks = manifest_blocks(n_local);
    manifest_hash *mine = NULL, *all = NULL;
    STRATA_AGREE(ctx, strata_alloc(ctx, n_blocks, sizeof *mine, &mine));
    for (int64_t b = 0; b < n_blocks; b++) {
        int64_t at = b * STRATA_BLOCK_ROWS, left = n_local - at;
        mine[b] =
            manifest_hash_of((const char *)values + at * column->width,
                             left < STRATA_BLOCK_ROWS ? left : STRATA_BLOCK_ROWS, column->width);
    }
    STRATA_TRY(
        strata_par_gather(ctx, mine, n_blocks * (int64_t)sizeof *mine, -1, &all, &got, NULL));
    if (got != manifest_blocks(entry->rows) * (int64_t)sizeof *all)
        STRATA_FAIL(ctx, STRATA_ERR_INTERNAL, "%s: %lld bytes of hashes gathered", column->path,
                    (long long)got);
    memcpy(entry->blocks, all, (size_t)got);
done:
    strata_free(&all);
    strata_free(&mine);
    return rc;
}

static strata_status write_column(strata_context *ctx, big_writer *w, const strata_table *table,
                                  const output_column *column)
{
    strata_status rc = STRATA_OK, local = STRATA_OK;
    hid_t set = -1, type = -1;
    void *moved = NULL;
    int64_t n_local = strata_partition_local(&w->blocks, ctx->rank);
    int64_t copy = wants_copy(column, table->partition, &w->blocks, ctx->rank);
    STRATA_TRY(strata_par_allreduce_i64(ctx, &copy, 1, STRATA_MAX));
    if (copy)
        STRATA_TRY(strata_par_redistribute(ctx, column->values, column->width, table->partition,
                                           &w->blocks, &moved));
    const void *values = copy ? moved : column->values;
    if (copy && column->type == STRATA_F64)
        canonicalise(moved, n_local);
    STRATA_TRY(hash_column(ctx, w, column, values));
    if (w->h5 >= 0)
        set = H5Dopen2(w->h5, column->path, H5P_DEFAULT);
    if (w->h5 >= 0 && set < 0)
        local = h5_fail(ctx, STRATA_ERR_IO, w->out->path, column->path);
    STRATA_AGREE(ctx, local);
    if (w->way == OUTPUT_FUNNEL) {
        STRATA_TRY(output_funnel_column(ctx, w, set, column, values));
    } else {
        type = h5_memory_type(column->type, column->width);
        STRATA_AGREE(ctx, type < 0 ? h5_fail(ctx, STRATA_ERR_IO, w->out->path, column->path)
                                   : STRATA_OK);
        STRATA_TRY(write_rounds(ctx, w, set, type, column, values));
    }
done:
    h5_release(&type);
    if (rc == STRATA_OK || w->way != OUTPUT_TOGETHER)
        h5_release(&set);
    strata_free(&moved);
    return rc;
}

static strata_status write_table(strata_context *ctx, big_writer *w, const strata_table *table)
{
    strata_status rc = STRATA_OK;
    STRATA_AGREE(ctx, strata_partition_blocks(ctx, table->rows, STRATA_BLOCK_ROWS, &w->blocks));
    for (int32_t c = 0; c < table->n_columns; c++) {
        strata_progress(ctx, "writing", (double)c / table->n_columns, table->columns[c].path);
        STRATA_TRY(write_column(ctx, w, table, &table->columns[c]));
    }
done:
    strata_partition_release(&w->blocks);
    return rc;
}

static strata_status open_writer(strata_context *ctx, big_writer *w)
{
    strata_status rc = STRATA_OK, local = STRATA_OK;
    bool together = w->way == OUTPUT_TOGETHER;
    hid_t access = h5_access(together ? ctx->comm : MPI_COMM_NULL);
    w->transfer = H5Pcreate(H5P_DATASET_XFER);
    bool ready = access >= 0 && w->transfer >= 0;
    if (ready &&
        together) /* all chunks of a round in one collective write, whatever the rank count */
        ready = H5Pset_dxpl_mpio(w->transfer, H5FD_MPIO_COLLECTIVE) >= 0 &&
                H5Pset_dxpl_mpio_chunk_opt(w->transfer, H5FD_MPIO_CHUNK_ONE_IO) >= 0;
    STRATA_AGREE(ctx, ready ? STRATA_OK : h5_fail(ctx, STRATA_ERR_IO, w->out->path, "opening it"));
    if (together || ctx->rank == 0) {
        w->h5 = H5Fopen(w->out->partial, H5F_ACC_RDWR, access);
        if (w->h5 < 0)
            local = h5_fail(ctx, STRATA_ERR_IO, w->out->path, "opening it to write");
    }
    STRATA_AGREE(ctx, local);
done:
    h5_release(&access);
    return rc;
}

strata_status output_write_distributed(strata_context *ctx, strata_output *out, bool reserved)
{
    strata_status rc = STRATA_OK, local = STRATA_OK;
    bool alone = ctx->comm == MPI_COMM_NULL || ctx->size == 1;
    big_writer w = {.out = out, .h5 = -1, .transfer = -1};
    w.way = alone ? OUTPUT_ALONE : reserved ? OUTPUT_TOGETHER : OUTPUT_FUNNEL;
    STRATA_TRY(open_writer(ctx, &w));
    for (int64_t t = 0; t < out->n_tables; t++)
        if (out->tables[t]->partition && out->tables[t]->rows > 0)
            STRATA_TRY(write_table(ctx, &w, out->tables[t]));
    if (w.h5 >= 0 && H5Fclose(w.h5) < 0)
        local = h5_fail(ctx, STRATA_ERR_IO, out->path, "closing it failed");
    w.h5 = -1;
    if (local == STRATA_OK && strata_fault_strikes(ctx, "output.close"))
        local = strata_context_fail(ctx, STRATA_ERR_IO, __FILE__, __LINE__,
                                    "%s: closing it failed (injected)", out->path);
    STRATA_AGREE(ctx, local);
done:
    /* Closing a shared file after a failure may wait for ever for a rank that failed half way.
     * It is left open: its name is removed, and the job ends. */
    if (w.way != OUTPUT_TOGETHER)
        h5_release(&w.h5);
    h5_release(&w.transfer);
    return rc;
}
