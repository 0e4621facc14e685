/* writer.h: private to the output room. The description of a file under construction. */
#ifndef STRATA_OUTPUT_WRITER_H
#define STRATA_OUTPUT_WRITER_H

#include "output/manifest.h"
#include "strata/output.h"

typedef struct output_column {
    char *path; /* absolute, owned; the manifest entry has the rest */
    strata_type type;
    int32_t width;
    char *long_name, *units; /* owned */
    void *owned;             /* small tables: [rows] elements */
    const void *values;      /* owned or borrowed */
} output_column;

struct strata_table {
    char *path; /* owned */
    int64_t rows;
    output_column *columns;
    int32_t n_columns;
    const strata_partition *partition; /* distributed tables only; borrowed */
    char problem[160];                 /* the first misuse by a setter */
};

struct strata_output {
    char *path, *partial, *lock; /* owned; partial and lock lie in path's folder */
    int lock_fd;                 /* rank 0 while the name is claimed */
    bool force;
    bool partial_exists; /* rank 0 */
    int32_t compression;
    manifest meant; /* what the file is to hold; sorted by publish */
    strata_table **tables;
    int64_t n_tables, tables_capacity;
};

strata_status output_copy_text(strata_context *ctx, const char *text, char **out);

/* Rank 0, a file of its own: every group, attribute and data set of out->meant, and the rows of the
 * small tables. */
strata_status output_write_structure(strata_context *ctx, strata_output *out);

/* How the big columns get into the file. */
typedef enum output_way {
    /* one process: POSIX, where errors are told */
    OUTPUT_ALONE,
    /* MPI-IO, collectively; only with reserved room: met by a full disk, HDF5 1.10 and OMPIO lose the
     * error or wait for ever when the file is closed */
    OUTPUT_TOGETHER,
    /* every rank compresses, rank 0 writes (POSIX): where no room can be reserved */
    OUTPUT_FUNNEL
} output_way;

typedef struct big_writer {
    strata_output *out;
    output_way way;
    hid_t h5, transfer;      /* h5 is negative where this rank does not write */
    strata_partition blocks; /* of the table in hand: whole chunks a rank */
} big_writer;

/* Collective: the columns of the distributed tables, and their block hashes into out->meant on
 * every rank. reserved (the same on all): the file's room is set aside. */
strata_status output_write_distributed(strata_context *ctx, strata_output *out, bool reserved);

/* Collective: one column by way of rank 0; values are those of this rank's whole chunks, set is the
 * data set on rank 0. */
strata_status output_funnel_column(strata_context *ctx, const big_writer *w, hid_t set,
                                   const output_column *column, const void *values);

/* Creation properties of a column of rows rows. */
strata_status output_column_properties(strata_context *ctx, const strata_output *out, int64_t rows,
                                       hid_t *properties);

/* Upper bound of the file's size in bytes. */
int64_t output_estimate(const strata_output *out);

#endif
