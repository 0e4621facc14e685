#include "par/radix.h"

#include <string.h>

#include "strata/memory.h"

enum {
    DIGIT_BITS = 11, /* 2048 write streams stay within the second-level cache and TLB */
    SMALL = 24       /* below, insertion wins */
};

static int bits_of(uint64_t x)
{
    return x ? 64 - __builtin_clzll(x) : 0;
}

static void insertion_pairs(strata_pair *pairs, int64_t n)
{
    for (int64_t i = 1; i < n; i++) {
        strata_pair moving = pairs[i];
        int64_t j = i;
        for (; j > 0 && pairs[j - 1].key > moving.key; j--)
            pairs[j] = pairs[j - 1];
        pairs[j] = moving;
    }
}

/* One pass: from into to, by the digit of width bits at shift. */
static void scatter(const strata_pair *from, strata_pair *to, int64_t n, int shift, int width)
{
    int64_t place[1 << DIGIT_BITS] = {0}, sum = 0;
    const uint64_t mask = (UINT64_C(1) << width) - 1;
    for (int64_t i = 0; i < n; i++)
        place[from[i].key >> shift & mask]++;
    for (uint64_t digit = 0; digit <= mask; digit++) {
        int64_t count = place[digit];
        place[digit] = sum;
        sum += count;
    }
    for (int64_t i = 0; i < n; i++)
        to[place[from[i].key >> shift & mask]++] = from[i];
}

void strata_radix_pairs(strata_pair *pairs, strata_pair *scratch, int64_t n)
{
    uint64_t all = 0;
    if (n <= SMALL) {
        insertion_pairs(pairs, n);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        all |= pairs[i].key;
    int bits = bits_of(all), most = n < 4096 ? 8 : DIGIT_BITS;
    int passes = (bits + most - 1) / most;
    strata_pair *from = pairs, *to = scratch;
    for (int pass = 0, shift = 0; pass < passes; pass++) {
        int width = (bits - shift + passes - pass - 1) / (passes - pass);
        scatter(from, to, n, shift, width);
        shift += width;
        strata_pair *swap = from;
        from = to;
        to = swap;
    }
    if (from != pairs)
        memcpy(pairs, from, (size_t)n * sizeof *pairs);
}

strata_status strata_radix_values(strata_context *ctx, const int64_t *values, int64_t n_local,
                                  int64_t base, strata_pair **pairs)
{
    strata_status rc = STRATA_OK;
    strata_pair *sorted = NULL, *scratch = NULL;
    STRATA_TRY(strata_alloc(ctx, n_local, sizeof *sorted, &sorted));
    STRATA_TRY(strata_alloc(ctx, n_local, sizeof *scratch, &scratch));
    for (int64_t i = 0; i < n_local; i++)
        sorted[i] =
            (strata_pair){.key = (uint64_t)values[i] - (uint64_t)base, .index = (uint64_t)i};
    strata_radix_pairs(sorted, scratch, n_local);
    *pairs = sorted;
    sorted = NULL;
done:
    strata_free(&scratch);
    strata_free(&sorted);
    return rc;
}

/* ---- records --------------------------------------------------------------------------------- */

typedef struct record_view {
    const char *bytes;
    int64_t size;
} record_view;

/* The eight bytes at offset as a number that orders like memcmp; bytes beyond the record are 0. */
static uint64_t word_at(record_view view, uint64_t index, int64_t offset)
{
    uint64_t word = 0;
    int64_t left = view.size - offset;
    memcpy(&word, view.bytes + (int64_t)index * view.size + offset, left < 8 ? (size_t)left : 8);
    return __builtin_bswap64(word); /* the program is written for little-endian machines */
}

static void insertion_records(record_view view, strata_pair *pairs, int64_t n, int64_t offset)
{
    const size_t rest = (size_t)(view.size - offset);
    const char *bytes = view.bytes + offset;
    for (int64_t i = 1; i < n; i++) {
        strata_pair moving = pairs[i];
        const char *record = bytes + (int64_t)moving.index * view.size;
        int64_t j = i;
        for (; j > 0 && memcmp(bytes + (int64_t)pairs[j - 1].index * view.size, record, rest) > 0;
             j--)
            pairs[j] = pairs[j - 1];
        pairs[j] = moving;
    }
}

/* Orders pairs by the bytes of their records from offset on: sorts by the leading varying bits of one
 * word, then each run that these bits leave together by what follows. At most two levels a word. */
static void order_span(record_view view, strata_pair *pairs, strata_pair *scratch, int64_t n,
                       int64_t offset)
{
    const int sorted_bits = 3 * DIGIT_BITS;
    uint64_t low = 0, high = 0;
    for (;; offset += 8) { /* skip words in which all agree */
        if (n < 2 || offset >= view.size)
            return;
        if (n <= SMALL) {
            insertion_records(view, pairs, n, offset);
            return;
        }
        low = UINT64_MAX, high = 0;
        for (int64_t i = 0; i < n; i++) {
            pairs[i].key = word_at(view, pairs[i].index, offset);
            low = pairs[i].key < low ? pairs[i].key : low;
            high = pairs[i].key > high ? pairs[i].key : high;
        }
        if (low != high)
            break;
    }
    int bits = bits_of(high - low), shift = bits > sorted_bits ? bits - sorted_bits : 0;
    for (int64_t i = 0; i < n; i++)
        pairs[i].key = (pairs[i].key - low) >> shift;
    strata_radix_pairs(pairs, scratch, n);
    for (int64_t first = 0, end = 0; first < n; first = end) {
        for (end = first + 1; end < n && pairs[end].key == pairs[first].key;)
            end++;
        if (end - first > 1)
            order_span(view, pairs + first, scratch, end - first, shift ? offset : offset + 8);
    }
}

strata_status strata_radix_records(strata_context *ctx, const void *records, int64_t n,
                                   int64_t size, void *sorted)
{
    strata_status rc = STRATA_OK;
    strata_pair *pairs = NULL, *scratch = NULL;
    const int64_t ahead = 16;
    const char *from = records;
    char *to = sorted;
    STRATA_TRY(strata_alloc(ctx, n, sizeof *pairs, &pairs));
    STRATA_TRY(strata_alloc(ctx, n, sizeof *scratch, &scratch));
    for (int64_t i = 0; i < n; i++)
        pairs[i].index = (uint64_t)i;
    order_span((record_view){from, size}, pairs, scratch, n, 0);
    for (int64_t i = 0; i < n; i++) {
        if (i + ahead < n)
            __builtin_prefetch(from + (int64_t)pairs[i + ahead].index * size);
        memcpy(to + i * size, from + (int64_t)pairs[i].index * size, (size_t)size);
    }
done:
    strata_free(&scratch);
    strata_free(&pairs);
    return rc;
}
