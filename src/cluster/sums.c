#include "cluster/sums.h"

#include <string.h>

/* Marks the points whose label changes; returns how many. */
static int64_t mark_changes(const strata_problem *p, int64_t points, const uint8_t *labels,
                            const uint8_t *found, uint64_t *changed)
{
    const int64_t blocks = strata_tile_padded(points) / STRATA_BLOCK;
    int64_t moved = p->kernel->differ(labels, found, blocks * STRATA_BLOCK, changed);
    if (points % STRATA_BLOCK != 0) { /* the padding is nobody's */
        const uint64_t real = (UINT64_C(1) << (points % STRATA_BLOCK)) - 1;
        moved -= __builtin_popcountll(changed[blocks - 1] & ~real);
        changed[blocks - 1] &= real;
    }
    return moved;
}

/* Few labels change: move their points from sum to sum. */
static void follow_changes(const strata_problem *p, int64_t first, int64_t points,
                           const uint64_t *changed, const uint8_t *labels, const uint8_t *found,
                           int64_t *sums)
{
    for (int64_t at = 0; at < points; at += STRATA_BLOCK)
        for (uint64_t bits = changed[at / STRATA_BLOCK]; bits != 0; bits &= bits - 1) {
            int64_t i = at + __builtin_ctzll(bits);
            strata_sums_move(p, first + i, labels[i], found[i], sums);
        }
}

/* For few clusters the kernel adds up the points, in a time that grows with k. */
enum { FEW = 16 };
static bool few(const strata_problem *p, int32_t k)
{
    return k <= FEW && !p->weights;
}

/* A point that moves changes two sums and otherwise one; with the kernel, so many moves as k / 32 of the
 * points take as long as these (benchmarks/cluster_kernels.c, d = 3 to 64). */
bool strata_sums_anew(const strata_problem *p, int32_t k, int64_t moved)
{
    return few(p, k) ? moved > p->n_local * k / (2 * FEW) : moved > p->n_local / 2;
}

/* Many labels change: sum all points anew. */
static void sum_anew(const strata_problem *p, int64_t first, int64_t points, int32_t k,
                     uint8_t *found, int64_t *sums)
{
    const int64_t padded = strata_tile_padded(points);
    if (few(p, k)) {
        memset(found + points, 255, (size_t)(padded - points));
        p->kernel->accumulate(p->x + first, p->stride, padded, found, k, p->d, sums);
        return;
    }
    for (int64_t i = 0; i < points; i++)
        strata_sums_add(p, first + i, 1, sums + (int64_t)found[i] * (p->d + 1));
}

int64_t strata_sums_points(const strata_problem *p, int64_t first, int64_t points, int32_t k,
                           bool anew, uint8_t *labels, uint8_t *found, int64_t *sums)
{
    uint64_t changed[STRATA_TILE / STRATA_BLOCK];
    const int64_t moved = mark_changes(p, points, labels + first, found, changed);
    if (!anew && moved > 0)
        follow_changes(p, first, points, changed, labels + first, found, sums);
    if (anew || moved > 0)
        memcpy(labels + first, found, (size_t)strata_tile_padded(points));
    if (anew)
        sum_anew(p, first, points, k, found, sums);
    return moved;
}
