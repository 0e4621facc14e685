/* output.h: the output room. Tables into one HDF5 file that is either complete and verified under
 * its name, or not there; and the safe way back in.
 *
 * A file under construction (strata_output) is a description in memory. strata_output_create claims
 * the name early, before the costly work; tables and attributes are added in any order;
 * strata_output_publish writes, reads back, compares, and only then gives the file its name.
 *
 *     strata_output_create      claims the name: nothing exists there (or force), the folder can be
 *                               written, no other job is about to write the same file
 *     strata_output_add_...     tables and attributes
 *     strata_output_publish     temporary file of mode 0600 in the same folder -> space reserved ->
 *                               structure and small tables by rank 0, big columns by all ranks
 *                               (MPI-IO, whole chunks a rank; where the file system cannot reserve
 *                               room, compressed by all and written by rank 0, since MPI-IO cannot
 *                               tell that a disk is full) -> closed, synced -> opened again, every
 *                               block and every attribute compared with what was meant -> complete
 *                               = 1 -> synced, renamed, folder synced
 *     strata_output_discard     gives up: removes what is there of the temporary file
 *
 * What a table is: one group of equal-length one-dimensional data sets and nothing else. int16,
 * int32, int64, float64 (little-endian) and fixed-length UTF-8 text padded with zero bytes. Each
 * column carries the text attributes long_name, units and checksum. Chunks of STRATA_BLOCK_ROWS
 * rows (one chunk for a shorter table; contiguous and unfiltered for one without rows), shuffle,
 * deflate, fletcher32. Attributes are scalar int64, float64 or fixed-length UTF-8 text. A NaN is
 * always written as the bits 7ff8000000000000.
 *
 * ---- content_digest -----------------------------------------------------------------------------
 *
 * XXH3-128 (seed 0), written as 32 lower-case hex digits of its canonical (big-endian) form, over
 * the concatenation of these bytes:
 *
 *   for every group and every data set, in ascending byte order of the absolute path ("/" is the
 *   root), leaving out /provenance and what lies below it:
 *     a group:      "G " path LF
 *     a data set:   "D " path " " type " " rows LF
 *     then for each of its attributes in ascending byte order of the name, leaving out `checksum`
 *     everywhere and `content_digest` and `complete` of the root:
 *                   "A " name " " type LF value LF
 *     then, for a data set, 16 bytes for each block of STRATA_BLOCK_ROWS consecutive rows (the last
 *     block may be shorter): the canonical XXH3-128 of the block's elements, as they lie
 *     little-endian in memory one after the other
 *   type is i2, i4, i8, f8 or S<bytes>; rows and bytes are plain decimals; value is the attribute's
 *   little-endian element, or its text with the padding.
 *
 * `checksum` of a data set is the XXH3-128, in the same form, of its 16-byte block hashes one after
 * the other. `checksum` of the group /provenance is the digest above taken over /provenance and
 * what lies below it. Neither is part of content_digest; they let `strata verify` say what is
 * damaged.
 *
 * ---- suppression --------------------------------------------------------------------------------
 *
 * In keyed mode the counts of /segment_cluster and /region_segment below privacy.min_cell are
 * written as -1. Totals of rows and columns are taken as known, so further cells are suppressed
 * until in every row and column the suppressed cells are at least two and add up to min_cell or
 * more, and no suppressed cell follows from the totals by subtraction (no bridge in the graph of
 * suppressed cells).
 */
#ifndef STRATA_OUTPUT_H
#define STRATA_OUTPUT_H

#include <stdint.h>

#include "strata/cluster.h"
#include "strata/config.h"
#include "strata/context.h"
#include "strata/features.h"
#include "strata/ingest.h"
#include "strata/partition.h"
#include "strata/significance.h"
#include "strata/stratify.h"

#define STRATA_SCHEMA_NAME    "strata"
#define STRATA_SCHEMA_VERSION 1
#define STRATA_BLOCK_ROWS     INT64_C(131072) /* rows of a chunk, and of a hashed block */

/* Not collective. Call it first thing in main, before MPI_Init: an HDF5 library that starts
 * later hangs its cleaning up on MPI_Finalize, and crashes there when a write has failed. Safe
 * twice. */
void strata_output_prepare(void);

/* ---- writing --------------------------------------------------------------------------------- */

typedef struct strata_output strata_output;

/* One column of a table. */
typedef struct strata_field {
    const char *name;
    strata_type type;
    int32_t width;         /* bytes of one element of STRATA_TEXT, >= 1; else ignored */
    const char *long_name; /* one line for humans */
    const char *units;     /* "d", "1", "currency", "days since 1970-01-01" */
    const void *values;    /* distributed tables: [n_local], or [n_local, width] zero-padded text;
                              borrowed until publish or discard. Small tables: NULL */
} strata_field;

/* Collective. Claims path. STRATA_ERR_USAGE when it exists without force, is a directory, a
 * symbolic link (replacing a link or writing through one would both surprise: name the file
 * itself) or not a regular file, or when another job is writing it (a lock file `.<name>.lock`,
 * held with flock; where the file system has no locks, the last rename wins with force and the
 * first without). STRATA_ERR_IO when the folder is missing or not writable. Left-overs of killed
 * jobs (`.<name>.<16 hex>.partial`) are removed. compression: deflate level 0..9. */
strata_status strata_output_create(strata_context *ctx, const char *path, bool force,
                                   int32_t compression, strata_output **out) STRATA_MUST_USE;

/* Not collective. The checks of create alone, changing nothing: for --dry-run. */
strata_status strata_output_check(strata_context *ctx, const char *path,
                                  bool force) STRATA_MUST_USE;

/* Logically collective. Attributes of the group at path ("/" is the root); the group is made
 * when no table has that path. Setting one twice is an error. Text is copied. */
strata_status strata_output_add_text(strata_context *ctx, strata_output *out, const char *path,
                                     const char *name, const char *value) STRATA_MUST_USE;
strata_status strata_output_add_integer(strata_context *ctx, strata_output *out, const char *path,
                                        const char *name, int64_t value) STRATA_MUST_USE;
strata_status strata_output_add_real(strata_context *ctx, strata_output *out, const char *path,
                                     const char *name, double value) STRATA_MUST_USE;

/* Logically collective; the ranks may fail apart, so agree on it. A table spread over the ranks by
 * partition (all columns alike). The columns' values and the partition are borrowed until publish or
 * discard; names and texts are copied. */
strata_status strata_output_add_distributed(strata_context *ctx, strata_output *out,
                                            const char *path, const strata_partition *partition,
                                            const strata_field *fields,
                                            int32_t n_fields) STRATA_MUST_USE;

/* A small table, the same on every rank (rank 0's values are written). */
typedef struct strata_table strata_table;

/* Not collective. Room for rows rows; integers are -1, reals NaN, texts empty until set. */
strata_status strata_table_create(strata_context *ctx, const char *path, int64_t rows,
                                  const strata_field *fields, int32_t n_fields,
                                  strata_table **table) STRATA_MUST_USE;
/* Not collective. Columns count from 0 in the order of the fields. A value that the column's
 * type cannot hold, text that is too wide or a wrong type is remembered and fails
 * strata_output_add_table. */
void strata_table_integer(strata_table *table, int32_t column, int64_t row, int64_t value);
void strata_table_real(strata_table *table, int32_t column, int64_t row, double value);
void strata_table_text(strata_table *table, int32_t column, int64_t row, const char *value);
/* Not collective. Safe on NULL and twice. */
void strata_table_destroy(strata_table **table);

/* Logically collective. Takes the table over, also on failure; *table becomes NULL. */
strata_status strata_output_add_table(strata_context *ctx, strata_output *out,
                                      strata_table **table) STRATA_MUST_USE;

/* Collective. Writes, verifies and publishes everything, and frees *out whatever happens.
 * digest, if not NULL, receives the content digest. On failure nothing is left but an older file
 * that was there. STRATA_ERR_SPACE for a full disk, a quota or a file size limit,
 * STRATA_ERR_VERIFY when the file does not hold what was written, STRATA_ERR_IO. Cost: one pass
 * of compression, one of reading back. Fault points: output.create, output.reserve (short: no
 * space checks, no reservation), output.write, output.close, output.damage (a byte of the file
 * is flipped before the read-back), output.readback (a byte read back is flipped),
 * output.finish, io.fsync, io.rename, io.space. */
strata_status strata_output_publish(strata_context *ctx, strata_output **out,
                                    char digest[33]) STRATA_MUST_USE;

/* Collective. Removes the temporary file and the lock. Safe on NULL and twice. */
void strata_output_discard(strata_context *ctx, strata_output **out);

/* ---- a whole result -------------------------------------------------------------------------- */

/* Wall-clock time of one phase over the ranks, in seconds. */
typedef struct strata_timing {
    char phase[32];
    double min, mean, max;
    int64_t rows; /* what the phase worked on, all ranks; -1 = not counted */
} strata_timing;

/* What stands in the place of a population where rows are not made from transactions: a
 * reclustering. */
typedef struct strata_rows {
    int64_t n;                       /* of all ranks */
    const strata_input_file *inputs; /* [n_inputs] */
    int32_t n_inputs;
    const char *as_of, *window_start, *currency; /* of the result that was read; "" without one */
    const strata_field *features; /* [d] of /users: long_name and units of each feature */
} strata_rows;

/* Everything a command knows when it is done. All pointers are borrowed until publish; parts
 * that the command does not have are NULL (or 0) and their tables are left out. */
typedef struct strata_result {
    const strata_config *config;
    const strata_population *population;
    const strata_rows *rows; /* without a population */
    const strata_users *users;
    const strata_stratification *stratification;
    const strata_scaler *scaler;
    const strata_clustering *clustering; /* clusters already in their published order */
    const strata_k_selection *selection; /* with k: auto */
    const strata_significance *significance;
    const strata_gate *gates;
    int32_t n_gates;
    const strata_timing *timings;
    int32_t n_timings;
    const char *config_yaml;  /* the whole configuration; NULL = made from config */
    const char *command_line; /* NULL = "" */
    const char *key_id;       /* of the pseudonyms' key, NULL or "" without one */
} strata_result;

/* Collective. Adds the tables and attributes of the contract that result has the parts for. /users
 * comes from users, or is left to the caller (strata_output_add_distributed) when users is NULL. */
strata_status strata_output_add_result(strata_context *ctx, strata_output *out,
                                       const strata_result *result) STRATA_MUST_USE;

/* Not collective. Marks in suppressed [rows, columns] which counts [rows, columns] are not to be
 * published (see above). O(cells) a round, few rounds. */
strata_status strata_suppress(strata_context *ctx, const int64_t *counts, int32_t rows,
                              int32_t columns, int64_t min_cell, bool *suppressed) STRATA_MUST_USE;

/* ---- reading --------------------------------------------------------------------------------- */

typedef struct strata_reader strata_reader;

typedef enum strata_trust {
    STRATA_READ_RESULT, /* a complete file of schema "strata"; anything else is refused */
    STRATA_READ_TABLE   /* one table group of any HDF5 file; other objects are not looked at */
} strata_trust;

/* A column as found in a file. type is that of the file where strata has it; other integers up to 8
 * bytes show as STRATA_I64, other floating-point types as STRATA_F64. */
typedef struct strata_column_view {
    const char *name, *long_name, *units; /* borrowed from the reader; "" when missing */
    strata_type type;
    int32_t width; /* bytes of one element */
} strata_column_view;

/* What lies in a table of a foreign file and is no column. */
typedef struct strata_left_out {
    const char *name, *why; /* borrowed; "is not one-dimensional" */
} strata_left_out;

typedef struct strata_table_view {
    int64_t rows;
    int32_t n_columns, n_left_out;
    strata_column_view *columns; /* [n_columns] in byte order of the names; owned by the reader */
    strata_left_out *left_out;   /* [n_left_out] likewise; groups are not mentioned */
} strata_table_view;

/* Not collective: each rank opens for itself. The file is not trusted: before any data is read,
 * everything reachable is checked (hard links with one name only, plain types, one dimension,
 * known filters, every chunk present, bounded sizes), and nothing is loaded or followed out of
 * the file. table: the group to read with STRATA_READ_TABLE, for instance "/users" (what is not a
 * plain column is left out there and named); NULL with STRATA_READ_RESULT. STRATA_ERR_INPUT when the
 * file is missing (or, for a table, not HDF5), STRATA_ERR_VERIFY when it is refused. */
strata_status strata_reader_open(strata_context *ctx, const char *path, strata_trust trust,
                                 const char *table, strata_reader **out) STRATA_MUST_USE;
void strata_reader_close(strata_reader **reader);

/* Not collective. The table at path; STRATA_ERR_INPUT (in a result STRATA_ERR_VERIFY) without
 * one that can be read, or with columns of different lengths. The view lives as long as the reader. */
strata_status strata_reader_table(strata_context *ctx, strata_reader *reader, const char *path,
                                  const strata_table_view **view) STRATA_MUST_USE;

/* Not collective. Whether there is a group or data set at path. */
bool strata_reader_has(const strata_reader *reader, const char *path);

/* Not collective. Rows [first, first + count) of a column. integers: integer columns only.
 * reals: any numeric column, converted. texts: out is [count, width] with width from the view.
 * Memory: count elements. STRATA_ERR_INPUT for a wrong type or range, STRATA_ERR_VERIFY for a
 * damaged chunk. */
strata_status strata_reader_integers(strata_context *ctx, strata_reader *reader, const char *column,
                                     int64_t first, int64_t count, int64_t *out) STRATA_MUST_USE;
strata_status strata_reader_reals(strata_context *ctx, strata_reader *reader, const char *column,
                                  int64_t first, int64_t count, double *out) STRATA_MUST_USE;
strata_status strata_reader_texts(strata_context *ctx, strata_reader *reader, const char *column,
                                  int64_t first, int64_t count, char *out) STRATA_MUST_USE;

/* Not collective. Attributes; false when missing or of another type. The text is borrowed. */
bool strata_reader_attribute_text(const strata_reader *reader, const char *path, const char *name,
                                  const char **value);
bool strata_reader_attribute_integer(const strata_reader *reader, const char *path,
                                     const char *name, int64_t *value);
bool strata_reader_attribute_real(const strata_reader *reader, const char *path, const char *name,
                                  double *value);

/* ---- verifying ------------------------------------------------------------------------------- */

typedef struct strata_verdict {
    char digest[33];
    int64_t users;     /* rows of /users */
    int64_t data_sets; /* columns of all tables */
    int64_t bytes;     /* of the file */
} strata_verdict;

/* Not collective. Reads everything: structure by the schema, checksums of every chunk and
 * column, both digests. STRATA_ERR_VERIFY names what is wrong; STRATA_ERR_INPUT when there is no
 * such file. */
strata_status strata_verify(strata_context *ctx, const char *path,
                            strata_verdict *out) STRATA_MUST_USE;

/* Not collective, serial commands only. Runs body(ctx, argument) in a child process with bounded
 * CPU time, so that a hostile file that crashes or hangs the HDF5 library ends as
 * STRATA_ERR_VERIFY here. Errors come back in ctx; result [result_bytes] (may be NULL) is copied
 * back on success. */
typedef strata_status (*strata_guarded)(strata_context *ctx, void *argument);
strata_status strata_guard(strata_context *ctx, const char *path, strata_guarded body,
                           void *argument, void *result, int64_t result_bytes) STRATA_MUST_USE;

#endif
