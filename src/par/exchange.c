#include "par/exchange.h"

#include <string.h>

#include "strata/memory.h"

/* One exchange under way. Offsets are in records. */
typedef struct plan {
    int64_t *receive_counts, *send_offsets, *receive_offsets; /* [size], [size + 1], [size + 1] */
    MPI_Request *requests;                                    /* [2 * size] */
    char *received;
    int64_t quota;  /* records a pair of ranks moves in one round */
    int64_t rounds; /* that this rank takes part in */
} plan;

static void plan_release(plan *p)
{
    strata_free(&p->receive_counts);
    strata_free(&p->send_offsets);
    strata_free(&p->receive_offsets);
    strata_free(&p->requests);
    strata_free(&p->received);
}

static strata_status plan_alloc(strata_context *ctx, const strata_exchange *exchange, plan *p)
{
    strata_status rc = STRATA_OK;
    STRATA_TRY(strata_calloc(ctx, ctx->size, sizeof *p->receive_counts, &p->receive_counts));
    STRATA_TRY(strata_calloc(ctx, ctx->size + 1, sizeof *p->send_offsets, &p->send_offsets));
    STRATA_TRY(strata_calloc(ctx, ctx->size + 1, sizeof *p->receive_offsets, &p->receive_offsets));
    STRATA_TRY(strata_calloc(ctx, 2 * (int64_t)ctx->size, sizeof *p->requests, &p->requests));
    if (exchange->record_size < 1 || exchange->round_bytes < 1)
        STRATA_FAIL(ctx, STRATA_ERR_INTERNAL, "an exchange of records of %lld bytes",
                    (long long)exchange->record_size);
    for (int r = 0; r < ctx->size; r++) {
        if (exchange->send_counts[r] < 0)
            STRATA_FAIL(ctx, STRATA_ERR_INTERNAL, "an exchange of %lld records to rank %d",
                        (long long)exchange->send_counts[r], r);
        p->send_offsets[r + 1] = p->send_offsets[r] + exchange->send_counts[r];
    }
done:
    return rc;
}

/* Everybody tells everybody how much comes; then the rounds follow. */
static strata_status plan_counts(strata_context *ctx, const strata_exchange *exchange, plan *p)
{
    strata_status rc = STRATA_OK;
    if (ctx->comm == MPI_COMM_NULL)
        p->receive_counts[0] = exchange->send_counts[0];
    else
        STRATA_MPI(ctx, MPI_Alltoall(exchange->send_counts, 1, MPI_INT64_T, p->receive_counts, 1,
                                     MPI_INT64_T, ctx->comm));
    int64_t most = 0;
    for (int r = 0; r < ctx->size; r++) {
        p->receive_offsets[r + 1] = p->receive_offsets[r] + p->receive_counts[r];
        if (r == ctx->rank)
            continue;
        most = most > p->receive_counts[r] ? most : p->receive_counts[r];
        most = most > exchange->send_counts[r] ? most : exchange->send_counts[r];
    }
    /* A pair's share of the round, so that even if all send to one rank, that rank gets one round. */
    p->quota = exchange->round_bytes / ctx->size / exchange->record_size;
    if (p->quota < 1)
        p->quota = 1;
    p->rounds = most / p->quota + (most % p->quota != 0);
done:
    return rc;
}

/* Bytes of the part of count records that falls into a round. */
static strata_status part_bytes(strata_context *ctx, const plan *p, int64_t count, int64_t round,
                                int64_t record_size, int *bytes)
{
    int64_t left = count - round * p->quota;
    int64_t records = left < 0 ? 0 : left < p->quota ? left : p->quota;
    return strata_narrow(ctx, records * record_size, bytes);
}

/* Messages go straight between the final places. Rank i and rank j meet in the same rounds, so no rank
 * waits for one that has fewer rounds. */
static strata_status run_round(strata_context *ctx, const strata_exchange *exchange, plan *p,
                               int64_t round)
{
    strata_status rc = STRATA_OK;
    const int64_t size = exchange->record_size, done_records = round * p->quota;
    int n = 0;
    for (int step = 1; step < ctx->size; step++) {
        int from = (ctx->rank - step + ctx->size) % ctx->size, bytes = 0;
        STRATA_TRY(part_bytes(ctx, p, p->receive_counts[from], round, size, &bytes));
        if (bytes > 0)
            STRATA_MPI(ctx,
                       MPI_Irecv(p->received + (p->receive_offsets[from] + done_records) * size,
                                 bytes, MPI_BYTE, from, 1, ctx->comm, &p->requests[n++]));
    }
    for (int step = 1; step < ctx->size; step++) {
        int to = (ctx->rank + step) % ctx->size, bytes = 0;
        STRATA_TRY(part_bytes(ctx, p, exchange->send_counts[to], round, size, &bytes));
        if (bytes > 0)
            STRATA_MPI(ctx, MPI_Isend((const char *)exchange->send +
                                          (p->send_offsets[to] + done_records) * size,
                                      bytes, MPI_BYTE, to, 1, ctx->comm, &p->requests[n++]));
    }
    STRATA_MPI(ctx, MPI_Waitall(n, p->requests, MPI_STATUSES_IGNORE));
done:
    return rc;
}

strata_status strata_exchange_run(strata_context *ctx, strata_exchange *exchange)
{
    strata_status rc = STRATA_OK;
    const int64_t size = exchange->record_size;
    plan p = {0};
    STRATA_AGREE(ctx, plan_alloc(ctx, exchange, &p));
    STRATA_TRY(plan_counts(ctx, exchange, &p));
    STRATA_AGREE(ctx, strata_alloc(ctx, p.receive_offsets[ctx->size], size, &p.received));
    if (p.receive_counts[ctx->rank] > 0)
        memcpy(p.received + p.receive_offsets[ctx->rank] * size,
               (const char *)exchange->send + p.send_offsets[ctx->rank] * size,
               (size_t)(p.receive_counts[ctx->rank] * size));
    for (int64_t round = 0; round < p.rounds; round++)
        STRATA_TRY(run_round(ctx, exchange, &p, round));
    exchange->received = p.received;
    exchange->n_received = p.receive_offsets[ctx->size];
    exchange->receive_counts = p.receive_counts;
    p.received = NULL;
    p.receive_counts = NULL;
done:
    plan_release(&p);
    return rc;
}

strata_status strata_par_exchange(strata_context *ctx, const void *send, const int64_t *send_counts,
                                  int64_t record_size, void *received, int64_t *n_received,
                                  int64_t *receive_counts)
{
    strata_status rc = STRATA_OK;
    strata_exchange exchange = {.send = send,
                                .send_counts = send_counts,
                                .record_size = record_size,
                                .round_bytes = STRATA_EXCHANGE_ROUND_BYTES};
    STRATA_TRY(strata_exchange_run(ctx, &exchange));
    memcpy(received, &exchange.received, sizeof exchange.received);
    *n_received = exchange.n_received;
    if (receive_counts)
        memcpy(receive_counts, exchange.receive_counts, (size_t)ctx->size * sizeof *receive_counts);
    strata_free(&exchange.receive_counts);
done:
    return rc;
}

/* How many of the rows [first, end) lie in rank's part. */
static int64_t overlap(const strata_partition *to, int rank, int64_t first, int64_t end)
{
    int64_t low = to->offsets[rank] > first ? to->offsets[rank] : first;
    int64_t high = to->offsets[rank + 1] < end ? to->offsets[rank + 1] : end;
    return high > low ? high - low : 0;
}

strata_status strata_par_redistribute(strata_context *ctx, const void *rows, int64_t record_size,
                                      const strata_partition *from, const strata_partition *to,
                                      void *moved)
{
    strata_status rc = STRATA_OK;
    int64_t *counts = NULL, n = 0;
    if (from->size != ctx->size || to->size != ctx->size || /* replicated: all ranks see it alike */
        strata_partition_global(from) != strata_partition_global(to))
        STRATA_FAIL(
            ctx, STRATA_ERR_INTERNAL, "two partitions of different tables: %lld and %lld rows",
            (long long)strata_partition_global(from), (long long)strata_partition_global(to));
    STRATA_AGREE(ctx, strata_alloc(ctx, ctx->size, sizeof *counts, &counts));
    for (int r = 0; r < ctx->size; r++)
        counts[r] = overlap(to, r, from->offsets[ctx->rank], from->offsets[ctx->rank + 1]);
    STRATA_TRY(strata_par_exchange(ctx, rows, counts, record_size, moved, &n, NULL));
done:
    strata_free(&counts);
    return rc;
}
