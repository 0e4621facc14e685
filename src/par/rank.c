#include <limits.h>
#include <string.h>

#include "par/radix.h"
#include "strata/memory.h"
#include "strata/par.h"

/* A value range up to this wide is counted in one table instead of sorted. */
static const uint64_t always_dense = UINT64_C(1) << 16, never_dense = UINT64_C(1) << 22;

enum { SAMPLES_A_RANK = 256 };

typedef struct tally {
    int64_t value, count;
} tally;

typedef struct standing {
    int64_t smaller, equal;
} standing;

/* Global minimum, maximum and number of values. */
static strata_status find_range(strata_context *ctx, const int64_t *values, int64_t n_local,
                                int64_t *low, int64_t *high, int64_t *n_global)
{
    strata_status rc = STRATA_OK;
    int64_t ends[2] = {INT64_MAX, INT64_MAX},
            n = n_local; /* minimum, and ~maximum to be minimised */
    for (int64_t i = 0; i < n_local; i++) {
        ends[0] = values[i] < ends[0] ? values[i] : ends[0];
        ends[1] = ~values[i] < ends[1] ? ~values[i] : ends[1];
    }
    STRATA_TRY(strata_par_allreduce_i64(ctx, ends, 2, STRATA_MIN));
    STRATA_TRY(strata_par_allreduce_i64(ctx, &n, 1, STRATA_SUM));
    *low = ends[0];
    *high = ~ends[1];
    *n_global = n;
done:
    return rc;
}

/* Few possible values: count each one. */
static strata_status rank_dense(strata_context *ctx, const int64_t *values, int64_t n_local,
                                int64_t low, int64_t range, standing *out)
{
    strata_status rc = STRATA_OK;
    int64_t *counts = NULL, *before = NULL, sum = 0;
    strata_status local = strata_calloc(ctx, range + 1, sizeof *counts, &counts);
    if (local == STRATA_OK)
        local = strata_alloc(ctx, range + 1, sizeof *before, &before);
    STRATA_AGREE(ctx, local);
    for (int64_t i = 0; i < n_local; i++)
        counts[values[i] - low]++;
    STRATA_TRY(strata_par_allreduce_i64(ctx, counts, range + 1, STRATA_SUM));
    for (int64_t v = 0; v <= range; v++) {
        before[v] = sum;
        sum += counts[v];
    }
    for (int64_t i = 0; i < n_local; i++)
        out[i] = (standing){before[values[i] - low], counts[values[i] - low]};
done:
    strata_free(&before);
    strata_free(&counts);
    return rc;
}

/* Distinct values with their counts, ascending, from sorted pairs. */
static strata_status tally_pairs(strata_context *ctx, const strata_pair *pairs, int64_t n,
                                 int64_t low, tally **out, int64_t *n_out)
{
    strata_status rc = STRATA_OK;
    tally *tallies = NULL;
    int64_t m = 0;
    for (int64_t i = 0; i < n; i++)
        m += i == 0 || pairs[i].key != pairs[i - 1].key;
    STRATA_TRY(strata_alloc(ctx, m, sizeof *tallies, &tallies));
    m = -1;
    for (int64_t i = 0; i < n; i++) {
        if (i == 0 || pairs[i].key != pairs[i - 1].key)
            tallies[++m] = (tally){(int64_t)(pairs[i].key + (uint64_t)low), 0};
        tallies[m].count++;
    }
    *out = tallies;
    *n_out = m + 1;
done:
    return rc;
}

static int64_t lower_bound(const tally *tallies, int64_t n, int64_t value)
{
    int64_t first = 0;
    while (n > 0) {
        int64_t half = n / 2;
        if (tallies[first + half].value < value) {
            first += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return first;
}

/* Cuts the sorted tallies into one part a rank at splitters drawn from everybody's evenly spaced
 * samples. Equal values go to the same rank; the cut changes who works, never a result. */
static strata_status cut_tallies(strata_context *ctx, const tally *tallies, int64_t m,
                                 int64_t *send_counts)
{
    strata_status rc = STRATA_OK;
    int64_t total = m, *samples = NULL, *all = NULL, bytes = 0, cut = 0;
    strata_pair *sorted = NULL;
    STRATA_TRY(strata_par_allreduce_i64(ctx, &total, 1, STRATA_SUM));
    int64_t step = total / ((int64_t)SAMPLES_A_RANK * ctx->size) + 1, n = m / step;
    STRATA_AGREE(ctx, strata_alloc(ctx, n, sizeof *samples, &samples));
    for (int64_t i = 0; i < n; i++)
        samples[i] = tallies[i * step + step / 2].value;
    STRATA_TRY(
        strata_par_gather(ctx, samples, n * (int64_t)sizeof *samples, -1, &all, &bytes, NULL));
    n = bytes / (int64_t)sizeof *all;
    STRATA_AGREE(ctx, strata_radix_values(ctx, all, n, INT64_MIN, &sorted));
    for (int r = 0; r < ctx->size; r++) {
        int64_t next = m;
        if (r + 1 < ctx->size && n > 0) {
            uint64_t splitter = sorted[n * (r + 1) / ctx->size].key + (uint64_t)INT64_MIN;
            next = lower_bound(tallies, m, (int64_t)splitter);
        } else if (r + 1 < ctx->size) {
            next = 0;
        }
        send_counts[r] = next - cut;
        cut = next;
    }
done:
    strata_free(&sorted);
    strata_free(&all);
    strata_free(&samples);
    return rc;
}

/* At the owner of a range of values: what stands below each received value, in received order. */
static strata_status answer(strata_context *ctx, const tally *received, int64_t n, int64_t low,
                            standing **out)
{
    strata_status rc = STRATA_OK;
    int64_t *values = NULL, mine = 0, before = 0, total = 0;
    strata_pair *sorted = NULL;
    standing *answers = NULL;
    strata_status local = strata_alloc(ctx, n, sizeof *values, &values);
    if (local == STRATA_OK)
        local = strata_alloc(ctx, n, sizeof *answers, &answers);
    for (int64_t i = 0; local == STRATA_OK && i < n; i++) {
        values[i] = received[i].value;
        mine += received[i].count;
    }
    if (local == STRATA_OK)
        local = strata_radix_values(ctx, values, n, low, &sorted);
    STRATA_AGREE(ctx, local);
    STRATA_TRY(strata_par_exscan_i64(ctx, mine, &before, &total));
    for (int64_t first = 0, end = 0; first < n; first = end) {
        int64_t equal = 0;
        for (end = first; end < n && sorted[end].key == sorted[first].key; end++)
            equal += received[sorted[end].index].count;
        for (int64_t i = first; i < end; i++)
            answers[sorted[i].index] = (standing){before, equal};
        before += equal;
    }
    *out = answers;
    answers = NULL;
done:
    strata_free(&answers);
    strata_free(&sorted);
    strata_free(&values);
    return rc;
}

/* On a single rank the sorted tallies hold the whole answer. */
static void answer_alone(const strata_pair *pairs, int64_t n, const tally *tallies, standing *out)
{
    int64_t before = 0, at = 0;
    for (int64_t i = 0; i < n; i++) {
        if (i > 0 && pairs[i].key != pairs[i - 1].key)
            before += tallies[at++].count;
        out[pairs[i].index] = (standing){before, tallies[at].count};
    }
}

/* Many possible values: distinct local values travel to the owner of their range and back. */
static strata_status rank_sparse(strata_context *ctx, const int64_t *values, int64_t n_local,
                                 int64_t low, standing *out)
{
    strata_status rc = STRATA_OK;
    strata_pair *pairs = NULL;
    tally *tallies = NULL, *received = NULL;
    standing *answers = NULL, *mine = NULL;
    int64_t m = 0, n = 0, back = 0, at = -1, *counts = NULL, *from_counts = NULL;
    strata_status local = strata_alloc(ctx, ctx->size, sizeof *counts, &counts);
    if (local == STRATA_OK)
        local = strata_alloc(ctx, ctx->size, sizeof *from_counts, &from_counts);
    if (local == STRATA_OK)
        local = strata_radix_values(ctx, values, n_local, low, &pairs);
    if (local == STRATA_OK)
        local = tally_pairs(ctx, pairs, n_local, low, &tallies, &m);
    STRATA_AGREE(ctx, local);
    if (ctx->size == 1) {
        answer_alone(pairs, n_local, tallies, out);
        goto done;
    }
    STRATA_TRY(cut_tallies(ctx, tallies, m, counts));
    STRATA_TRY(
        strata_par_exchange(ctx, tallies, counts, sizeof *tallies, &received, &n, from_counts));
    strata_free(&tallies);
    STRATA_TRY(answer(ctx, received, n, low, &answers));
    strata_free(&received);
    STRATA_TRY(strata_par_exchange(ctx, answers, from_counts, sizeof *answers, &mine, &back, NULL));
    for (int64_t i = 0; i < n_local; i++) {
        at += i == 0 || pairs[i].key != pairs[i - 1].key;
        out[pairs[i].index] = mine[at];
    }
done:
    strata_free(&from_counts);
    strata_free(&counts);
    strata_free(&mine);
    strata_free(&answers);
    strata_free(&received);
    strata_free(&tallies);
    strata_free(&pairs);
    return rc;
}

strata_status strata_par_rank_values(strata_context *ctx, const int64_t *values, int64_t n_local,
                                     int64_t *smaller, int64_t *equal)
{
    strata_status rc = STRATA_OK;
    int64_t low = 0, high = 0, n_global = 0;
    standing *out = NULL;
    STRATA_TRY(find_range(ctx, values, n_local, &low, &high, &n_global));
    if (n_global == 0)
        goto done;
    STRATA_AGREE(ctx, strata_alloc(ctx, n_local, sizeof *out, &out));
    uint64_t range = (uint64_t)high - (uint64_t)low;
    if (range < always_dense || (range < never_dense && range < (uint64_t)(n_global / ctx->size)))
        STRATA_TRY(rank_dense(ctx, values, n_local, low, (int64_t)range, out));
    else
        STRATA_TRY(rank_sparse(ctx, values, n_local, low, out));
    for (int64_t i = 0; i < n_local; i++) {
        if (smaller)
            smaller[i] = out[i].smaller;
        if (equal)
            equal[i] = out[i].equal;
    }
done:
    strata_free(&out);
    return rc;
}

/* ---- order statistics ------------------------------------------------------------------------ */

/* Sorted local keys, all of them in [0, range]. */
typedef struct key_view {
    const strata_pair *pairs;
    int64_t n_local;
    uint64_t range;
} key_view;

static int64_t count_below(const key_view *view, uint64_t limit)
{
    int64_t first = 0, n = view->n_local;
    while (n > 0) {
        int64_t half = n / 2;
        if (view->pairs[first + half].key < limit) {
            first += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return first;
}

/* Halves the interval of every sought value until it is one value wide; one small allreduce each. */
static strata_status bisect(strata_context *ctx, const key_view *view, const int64_t *positions,
                            int64_t n_positions, int64_t *keys)
{
    strata_status rc = STRATA_OK;
    uint64_t *low = NULL, *high = NULL;
    int64_t *below = NULL;
    strata_status local = strata_alloc(ctx, n_positions, sizeof *low, &low);
    if (local == STRATA_OK)
        local = strata_alloc(ctx, n_positions, sizeof *high, &high);
    if (local == STRATA_OK)
        local = strata_alloc(ctx, n_positions, sizeof *below, &below);
    STRATA_AGREE(ctx, local);
    for (int64_t q = 0; q < n_positions; q++)
        low[q] = 0, high[q] = view->range;
    for (uint64_t width = view->range; width > 0; width /= 2) {
        /* the sought key lies in [low, high]: it is above middle if at most position keys are <= it */
        for (int64_t q = 0; q < n_positions; q++)
            below[q] = count_below(view, low[q] + (high[q] - low[q]) / 2 + 1);
        STRATA_TRY(strata_par_allreduce_i64(ctx, below, n_positions, STRATA_SUM));
        for (int64_t q = 0; q < n_positions; q++) {
            uint64_t middle = low[q] + (high[q] - low[q]) / 2;
            if (low[q] < high[q] && below[q] <= positions[q])
                low[q] = middle + 1;
            else if (low[q] < high[q])
                high[q] = middle;
        }
    }
    for (int64_t q = 0; q < n_positions; q++)
        keys[q] = (int64_t)low[q];
done:
    strata_free(&below);
    strata_free(&high);
    strata_free(&low);
    return rc;
}

strata_status strata_par_select(strata_context *ctx, const int64_t *values, int64_t n_local,
                                const int64_t *positions, int64_t n_positions, int64_t *out)
{
    strata_status rc = STRATA_OK;
    int64_t low = 0, high = 0, n_global = 0, *keys = NULL;
    strata_pair *pairs = NULL;
    STRATA_TRY(find_range(ctx, values, n_local, &low, &high, &n_global));
    for (int64_t q = 0; q < n_positions; q++)
        if (positions[q] < 0 || positions[q] >= n_global)
            STRATA_FAIL(ctx, STRATA_ERR_INTERNAL, "position %lld of %lld sorted values",
                        (long long)positions[q], (long long)n_global);
    if (n_positions == 0)
        goto done;
    strata_status local = strata_alloc(ctx, n_positions, sizeof *keys, &keys);
    if (local == STRATA_OK)
        local = strata_radix_values(ctx, values, n_local, low, &pairs);
    STRATA_AGREE(ctx, local);
    const key_view view = {pairs, n_local, (uint64_t)high - (uint64_t)low};
    STRATA_TRY(bisect(ctx, &view, positions, n_positions, keys));
    for (int64_t q = 0; q < n_positions; q++)
        out[q] = (int64_t)((uint64_t)keys[q] + (uint64_t)low);
done:
    strata_free(&pairs);
    strata_free(&keys);
    return rc;
}
