/* The order of records by (who, part). Tokens and pseudonyms are uniform in the rank's range, so
 * one pass that scatters (first 8 bytes, index) into small buckets leaves little to sort; only a
 * user with very many orders makes a large bucket. */
#include <stdlib.h>
#include <string.h>

#include "ingest/job.h"
#include "strata/memory.h"

typedef struct item {
    uint64_t top;
    uint32_t index;
} item;

static inline uint64_t top_of(const strata_table *table, int64_t index)
{
    const strata_record_key *key = strata_table_record(table, index);
    uint64_t top = 0;
    memcpy(&top, key->who, 8);
    return __builtin_bswap64(top);
}

static int compare_items(const void *a, const void *b, void *table)
{
    const item *x = a, *y = b;
    if (x->top != y->top)
        return x->top < y->top ? -1 : 1;
    const strata_record_key *p = strata_table_record(table, x->index);
    const strata_record_key *q = strata_table_record(table, y->index);
    int order = memcmp(p->who, q->who, 16);
    if (order != 0)
        return order;
    return p->part < q->part ? -1 : p->part > q->part;
}

static void sort_bucket(item *items, int64_t n, strata_table *table)
{
    enum { FEW = 16 };
    if (n > FEW) {
        qsort_r(items, (size_t)n, sizeof *items, compare_items, table);
        return;
    }
    for (int64_t i = 1; i < n; i++) {
        item moved = items[i];
        int64_t j = i;
        for (; j > 0 && compare_items(&items[j - 1], &moved, table) > 0; j--)
            items[j] = items[j - 1];
        items[j] = moved;
    }
}

/* Which of n buckets: a monotone map of [0, 2^(64 - shift)) onto them. shift removes the leading
 * zeros that all keys of a rank share. */
static inline int64_t bucket_of(uint64_t above_low, int shift, int64_t n)
{
    return (int64_t)((unsigned __int128)(above_low << shift) * (uint64_t)n >> 64);
}

strata_status strata_order_records(strata_context *ctx, const strata_table *table, uint32_t **order)
{
    strata_status rc = STRATA_OK;
    const int64_t n = table->n, buckets = n / 4 + 1;
    item *items = NULL;
    uint32_t *ends = NULL, *result = NULL;
    uint64_t low = UINT64_MAX, high = 0;
    STRATA_TRY(strata_alloc(ctx, n, sizeof *items, &items));
    STRATA_TRY(strata_calloc(ctx, buckets + 1, sizeof *ends, &ends));
    for (int64_t i = 0; i < n; i++) {
        uint64_t top = top_of(table, i);
        low = top < low ? top : low;
        high = top > high ? top : high;
    }
    const int shift = high > low ? __builtin_clzll(high - low) : 0;
    for (int64_t i = 0; i < n; i++)
        ends[bucket_of(top_of(table, i) - low, shift, buckets) + 1]++;
    for (int64_t b = 0; b < buckets; b++)
        ends[b + 1] += ends[b];
    for (int64_t i = 0; i < n; i++) {
        uint64_t top = top_of(table, i);
        items[ends[bucket_of(top - low, shift, buckets)]++] = (item){top, (uint32_t)i};
    }
    for (int64_t b = 0, start = 0; b < buckets; start = ends[b++]) {
        strata_table *writable = NULL; /* qsort_r passes it on without const */
        memcpy(&writable, &table, sizeof writable);
        sort_bucket(items + start, ends[b] - start, writable);
    }
    STRATA_TRY(strata_alloc(ctx, n, sizeof *result, &result));
    for (int64_t i = 0; i < n; i++)
        result[i] = items[i].index;
    *order = result;
done:
    strata_free(&items);
    strata_free(&ends);
    return rc;
}
