/* par.h: the parallel room. Agreement on errors, exact reductions, exchange, redistribution, global
 * ranks of values. Everything works in a serial context (ctx->comm == MPI_COMM_NULL) as one rank. */
#ifndef STRATA_PAR_H
#define STRATA_PAR_H

#include <stdint.h>

#include "strata/context.h"
#include "strata/partition.h"

/* ---- agreement ------------------------------------------------------------------------------- */

/* Collective. Every rank brings its local status; all return the same one: STRATA_OK if all were,
 * else the status of the lowest failing rank, whose error record is copied into every context.
 * Call it after local work that may fail and before the next collective. One allreduce, and one
 * broadcast on failure. */
strata_status strata_par_agree(strata_context *ctx, strata_status local) STRATA_MUST_USE;

/* STRATA_AGREE(ctx, expression): evaluate local work and agree on it; jumps to done on failure. */
#define STRATA_AGREE(ctx, expression) STRATA_TRY(strata_par_agree((ctx), (expression)))

/* ---- reductions ------------------------------------------------------------------------------ */

typedef enum strata_op { STRATA_SUM, STRATA_MIN, STRATA_MAX } strata_op;

/* Collective. In place over values [count]. Integers, so the result is the same for every rank count
 * and arrival order. The caller guarantees that sums do not overflow. */
strata_status strata_par_allreduce_i64(strata_context *ctx, int64_t *values, int64_t count,
                                       strata_op op) STRATA_MUST_USE;

/* Collective. In place sum of 128-bit integers [count], exact modulo 2^128. */
strata_status strata_par_allreduce_i128(strata_context *ctx, __int128 *values,
                                        int64_t count) STRATA_MUST_USE;

/* Collective. In place over doubles; STRATA_MIN and STRATA_MAX only (a floating sum would depend on
 * the partition). */
strata_status strata_par_allreduce_f64(strata_context *ctx, double *values, int64_t count,
                                       strata_op op) STRATA_MUST_USE;

/* Collective. *first = sum of value over lower ranks, *total = over all ranks. */
strata_status strata_par_exscan_i64(strata_context *ctx, int64_t value, int64_t *first,
                                    int64_t *total) STRATA_MUST_USE;

/* Collective. Copies bytes from root's buffer to every rank's, in rounds when large. */
strata_status strata_par_bcast(strata_context *ctx, void *buffer, int64_t bytes,
                               int root) STRATA_MUST_USE;

/* Collective. Concatenates every rank's bytes [n_local] in rank order on root (*out owned by the
 * caller, NULL elsewhere; *n_out bytes) or, with root = -1, on all ranks. counts, if not NULL, is
 * [size] and receives each rank's bytes. For small data: the whole must fit one rank. */
strata_status strata_par_gather(strata_context *ctx, const void *bytes, int64_t n_local, int root,
                                void *out, int64_t *n_out, int64_t *counts) STRATA_MUST_USE;

/* ---- exchange -------------------------------------------------------------------------------- */

/* Bytes a rank sends (and receives) in one round at most, all destinations together. */
#define STRATA_EXCHANGE_ROUND_BYTES (INT64_C(64) << 20)

/* Collective. All-to-all of records of record_size bytes. send holds the records for rank 0, then for
 * rank 1, ...: send_counts[size] records each. *received (owned by the caller) holds the records from
 * rank 0, then rank 1, ...; receive_counts[size] (may be NULL) how many from each. Works in rounds of
 * bounded bytes, so counts may pass 2^31. Memory: what is received plus one round. */
strata_status strata_par_exchange(strata_context *ctx, const void *send, const int64_t *send_counts,
                                  int64_t record_size, void *received, int64_t *n_received,
                                  int64_t *receive_counts) STRATA_MUST_USE;

/* Collective. Moves rows of record_size bytes from one partition of the same global table to another
 * (for instance to whole chunks before a write). *moved [new local, record_size] is owned by the
 * caller. */
strata_status strata_par_redistribute(strata_context *ctx, const void *rows, int64_t record_size,
                                      const strata_partition *from, const strata_partition *to,
                                      void *moved) STRATA_MUST_USE;

/* ---- order ----------------------------------------------------------------------------------- */

/* Collective. For each value [n_local], how many values of all ranks are smaller and how many are
 * equal (itself included). Exact for every partition; the base of quantile scores, mid-ranks, robust
 * scales and rank tests. Either output may be NULL. O(n log n) local work, two exchanges of the local
 * distinct values. */
strata_status strata_par_rank_values(strata_context *ctx, const int64_t *values, int64_t n_local,
                                     int64_t *smaller, int64_t *equal) STRATA_MUST_USE;

/* Collective. values of global order statistics: out[q] = the value at 0-based position positions[q]
 * of the sorted values of all ranks; 0 <= position < n_global. n_positions alike on all ranks. */
strata_status strata_par_select(strata_context *ctx, const int64_t *values, int64_t n_local,
                                const int64_t *positions, int64_t n_positions,
                                int64_t *out) STRATA_MUST_USE;

/* Collective. Sorts records of record_size bytes globally by their first key_size bytes (memcmp) and
 * spreads them evenly: afterwards rank r holds a contiguous part, *partition says which. Records with
 * equal keys stay on one rank. *sorted is owned by the caller. The global order is a function of the
 * records only (ties broken by the remaining bytes). */
strata_status strata_par_sort_records(strata_context *ctx, const void *records, int64_t n_local,
                                      int64_t record_size, int64_t key_size, void *sorted,
                                      strata_partition *partition) STRATA_MUST_USE;

#endif
