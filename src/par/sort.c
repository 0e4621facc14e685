#include <string.h>

#include "par/radix.h"
#include "strata/memory.h"
#include "strata/par.h"

/* Where records go: rank r takes the keys in [splitter r - 1, splitter r). */
typedef struct splitters {
    char *keys; /* [n, key_size], ascending; owned */
    int64_t n, key_size;
} splitters;

/* Keys sampled a rank: enough that parts differ by a few percent, little enough to gather. */
static int64_t samples_a_rank(int size)
{
    int64_t samples = 65536 / size;
    return samples < 64 ? 64 : samples > 4096 ? 4096 : samples;
}

static strata_status find_splitters(strata_context *ctx, const char *records, int64_t n_local,
                                    int64_t record_size, splitters *out)
{
    strata_status rc = STRATA_OK;
    const int64_t key_size = out->key_size;
    int64_t n_global = n_local, bytes = 0;
    char *samples = NULL, *all = NULL, *sorted = NULL, *keys = NULL;
    STRATA_TRY(strata_par_allreduce_i64(ctx, &n_global, 1, STRATA_SUM));
    int64_t step = n_global / (samples_a_rank(ctx->size) * ctx->size) + 1, n = n_local / step;
    STRATA_AGREE(ctx, strata_alloc(ctx, n, key_size, &samples));
    for (int64_t i = 0; i < n; i++)
        memcpy(samples + i * key_size, records + (i * step + step / 2) * record_size,
               (size_t)key_size);
    STRATA_TRY(strata_par_gather(ctx, samples, n * key_size, -1, &all, &bytes, NULL));
    n = bytes / key_size;
    strata_status local = strata_alloc(ctx, n, key_size, &sorted);
    if (local == STRATA_OK)
        local = strata_radix_records(ctx, all, n, key_size, sorted);
    if (local == STRATA_OK)
        local = strata_alloc(ctx, ctx->size - 1, key_size, &keys);
    STRATA_AGREE(ctx, local);
    for (int r = 1; r < ctx->size && n > 0; r++)
        memcpy(keys + (r - 1) * key_size, sorted + n * r / ctx->size * key_size, (size_t)key_size);
    out->keys = keys;
    out->n = n > 0 ? ctx->size - 1 : 0; /* nobody has a sample: all the few records go to rank 0 */
    keys = NULL;
done:
    strata_free(&keys);
    strata_free(&sorted);
    strata_free(&all);
    strata_free(&samples);
    return rc;
}

/* The number of splitters <= key. */
static int destination(const splitters *s, const char *key)
{
    int64_t first = 0, n = s->n;
    while (n > 0) {
        int64_t half = n / 2;
        if (memcmp(s->keys + (first + half) * s->key_size, key, (size_t)s->key_size) <= 0) {
            first += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return (int)first;
}

/* Copies the records into the order of their destinations. */
static strata_status arrange(strata_context *ctx, const char *records, int64_t n_local,
                             int64_t record_size, const splitters *s, char **out, int64_t *counts)
{
    strata_status rc = STRATA_OK;
    int *to = NULL;
    int64_t *place = NULL, sum = 0;
    char *arranged = NULL;
    STRATA_TRY(strata_alloc(ctx, n_local, sizeof *to, &to));
    STRATA_TRY(strata_alloc(ctx, ctx->size, sizeof *place, &place));
    STRATA_TRY(strata_alloc(ctx, n_local, record_size, &arranged));
    memset(counts, 0, (size_t)ctx->size * sizeof *counts);
    for (int64_t i = 0; i < n_local; i++) {
        to[i] = destination(s, records + i * record_size);
        counts[to[i]]++;
    }
    for (int r = 0; r < ctx->size; r++) {
        place[r] = sum;
        sum += counts[r];
    }
    for (int64_t i = 0; i < n_local; i++)
        memcpy(arranged + place[to[i]]++ * record_size, records + i * record_size,
               (size_t)record_size);
    *out = arranged;
    arranged = NULL;
done:
    strata_free(&arranged);
    strata_free(&place);
    strata_free(&to);
    return rc;
}

/* Sorts what this rank holds into a new array. */
static strata_status sort_local(strata_context *ctx, const char *records, int64_t n,
                                int64_t record_size, char **out)
{
    strata_status rc = STRATA_OK;
    char *sorted = NULL;
    STRATA_TRY(strata_alloc(ctx, n, record_size, &sorted));
    STRATA_TRY(strata_radix_records(ctx, records, n, record_size, sorted));
    *out = sorted;
    sorted = NULL;
done:
    strata_free(&sorted);
    return rc;
}

strata_status strata_par_sort_records(strata_context *ctx, const void *records, int64_t n_local,
                                      int64_t record_size, int64_t key_size, void *sorted,
                                      strata_partition *partition)
{
    strata_status rc = STRATA_OK;
    splitters s = {.key_size = key_size};
    strata_partition made = {0};
    char *arranged = NULL, *received = NULL, *result = NULL;
    int64_t *counts = NULL, n = n_local;
    if (record_size < 1 || key_size < 1 || key_size > record_size)
        STRATA_FAIL(ctx, STRATA_ERR_INTERNAL, "a sort of records of %lld bytes by a key of %lld",
                    (long long)record_size, (long long)key_size);
    if (ctx->size > 1) {
        STRATA_TRY(find_splitters(ctx, records, n_local, record_size, &s));
        strata_status local = strata_alloc(ctx, ctx->size, sizeof *counts, &counts);
        if (local == STRATA_OK)
            local = arrange(ctx, records, n_local, record_size, &s, &arranged, counts);
        STRATA_AGREE(ctx, local);
        STRATA_TRY(strata_par_exchange(ctx, arranged, counts, record_size, &received, &n, NULL));
        strata_free(&arranged);
    }
    STRATA_AGREE(ctx, sort_local(ctx, ctx->size > 1 ? received : records, n, record_size, &result));
    STRATA_TRY(strata_partition_gather(ctx, n, &made));
    memcpy(sorted, &result, sizeof result);
    result = NULL;
    *partition = made;
done:
    strata_free(&result);
    strata_free(&received);
    strata_free(&arranged);
    strata_free(&counts);
    strata_free(&s.keys);
    return rc;
}
