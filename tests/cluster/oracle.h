/* oracle.h: K-means by the contract, written for the eye: one process, all points, integers
 * only. Walks go by means in 65536ths of a step; what is told is on the grid. And the points the
 * tests share. */
#ifndef STRATA_TESTS_CLUSTER_ORACLE_H
#define STRATA_TESTS_CLUSTER_ORACLE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <mpi.h>

#include "strata/cluster.h"
#include "strata/memory.h"

typedef struct cloud { /* the whole data set, on every rank */
    int64_t n;
    int32_t d;
    int32_t *x; /* [n, d] */
    int64_t *weights; /* [n] or NULL */
} cloud;

static inline uint64_t next_random(uint64_t *state) /* splitmix64 */
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* groups of points about the given number of places; range bounds |x|, spread the width of a
 * group */
static inline cloud cloud_make(int64_t n, int32_t d, int32_t groups, int32_t range, int32_t spread,
                               uint64_t seed)
{
    cloud c = {.n = n, .d = d, .x = calloc((size_t)(n * d + 1), sizeof(int32_t))};
    const uint64_t base = seed;
    for (int64_t i = 0; i < n; i++)
        for (int32_t f = 0; f < d; f++) {
            uint64_t place = base + 1000 * (uint64_t)f + (uint64_t)(i % groups) * 77777;
            int64_t center = (int64_t)(next_random(&place) % (2 * (uint64_t)range + 1)) - range;
            int64_t sum = 0;
            for (int t = 0; t < 4; t++)
                sum += (int64_t)(next_random(&seed) % (2 * (uint64_t)spread + 1)) - spread;
            int64_t value = center + sum / 2;
            value = value > 16777215 ? 16777215 : value < -16777215 ? -16777215 : value;
            c.x[i * d + f] = (int32_t)value;
        }
    return c;
}

static inline void cloud_free(cloud *c)
{
    free(c->x);
    free(c->weights);
}

/* This rank's rows as points; shape 0: even, 1: rank 0 has nothing, 2: the last rank has nearly
 * all */
static inline strata_points cloud_points(const strata_context *ctx, const cloud *c, int shape,
                                         int64_t *first)
{
    int64_t from = c->n * ctx->rank / ctx->size, to = c->n * (ctx->rank + 1) / ctx->size;
    if (shape == 1 && ctx->size > 1) {
        from = ctx->rank == 0 ? 0 : c->n * (ctx->rank - 1) / (ctx->size - 1);
        to = ctx->rank == 0 ? 0 : c->n * ctx->rank / (ctx->size - 1);
    } else if (shape == 2) {
        from = ctx->rank < c->n ? ctx->rank : c->n;
        to = ctx->rank + 1 < c->n && ctx->rank + 1 < ctx->size ? ctx->rank + 1 : c->n;
    }
    strata_points p = {.n_local = to - from, .d = c->d, .stride = (to - from + 63) / 64 * 64};
    p.steps = aligned_alloc(64, (size_t)(p.stride * p.d * 4 + 64) / 64 * 64);
    memset(p.steps, 0, (size_t)(p.stride * p.d * 4));
    uint64_t *keys = calloc((size_t)(to - from + 1), sizeof *keys);
    for (int64_t i = from; i < to; i++) {
        uint64_t state = (uint64_t)i * 0x1234567;
        keys[i - from] = next_random(&state);
        for (int32_t f = 0; f < c->d; f++)
            p.steps[f * p.stride + i - from] = (float)c->x[i * c->d + f];
    }
    p.key64 = keys;
    *first = from;
    return p;
}

static inline void points_free(strata_points *p)
{
    free(p->steps);
    free((void *)(uintptr_t)p->key64);
}

typedef struct oracle {
    int32_t *centroids, *labels;
    int64_t *means; /* [k, d] in 65536ths of a step */
    int64_t *sizes;
    __int128 inertia;
    int32_t iterations;
    bool converged;
    int64_t rows; /* of the history */
    int64_t moved[1000];
    double inertias[1000];
} oracle;

static inline int64_t oracle_distance(const cloud *c, int64_t i, const int32_t *center)
{
    int64_t sum = 0;
    for (int32_t f = 0; f < c->d; f++) {
        int64_t apart = (int64_t)c->x[i * c->d + f] - center[f];
        sum += apart * apart;
    }
    return sum;
}

static inline __int128 oracle_mean_distance(const cloud *c, int64_t i, const int64_t *mean)
{
    __int128 sum = 0;
    for (int32_t f = 0; f < c->d; f++) {
        __int128 apart = (__int128)c->x[i * c->d + f] * 65536 - mean[f];
        sum += apart * apart;
    }
    return sum;
}

static inline int64_t oracle_mean(__int128 sum, __int128 count) /* to the even one on a half */
{
    __int128 quotient = sum / count;
    while (quotient * count > sum)
        quotient--;
    __int128 rest = 2 * (sum - quotient * count);
    if (rest > count || (rest == count && quotient % 2 != 0))
        quotient++;
    return (int64_t)quotient;
}

static inline int64_t oracle_weight(const cloud *c, int64_t i)
{
    return c->weights ? c->weights[i] : 1;
}

/* Each empty cluster, in order, takes the farthest point that is left; the smallest row on a
 * tie. */
static inline int32_t oracle_fill(const cloud *c, oracle *o, int32_t k, const bool *empty)
{
    int32_t given = 0;
    char *taken = calloc((size_t)c->n + 1, 1);
    int64_t *distance = calloc((size_t)c->n + 1, sizeof *distance);
    for (int64_t i = 0; i < c->n; i++)
        distance[i] = oracle_distance(c, i, o->centroids + o->labels[i] * c->d);
    for (int32_t j = 0; j < k; j++) {
        int64_t best = -1;
        for (int64_t i = 0; i < c->n && empty[j]; i++)
            if (!taken[i] && oracle_weight(c, i) > 0 && distance[i] > 0 &&
                (best < 0 || distance[i] > distance[best]))
                best = i;
        if (best < 0)
            continue;
        taken[best] = 1;
        o->labels[best] = j;
        given++;
    }
    free(taken);
    free(distance);
    return given;
}

static inline void oracle_means(const cloud *c, oracle *o, int32_t k)
{
    for (int32_t j = 0; j < k; j++)
        for (int32_t f = 0; f < c->d; f++) {
            __int128 sum = 0, count = 0;
            for (int64_t i = 0; i < c->n; i++)
                if (o->labels[i] == j) {
                    sum += (__int128)c->x[i * c->d + f] * oracle_weight(c, i);
                    count += oracle_weight(c, i);
                }
            if (count == 0)
                continue;
            o->centroids[j * c->d + f] = (int32_t)oracle_mean(sum, count);
            o->means[j * c->d + f] = oracle_mean(sum * 65536, count);
        }
}

/* Labels by the means, or by the centroids on the grid; what follows from them is by the grid. */
static inline int64_t oracle_label(const cloud *c, oracle *o, int32_t k, bool by_grid)
{
    int64_t moved = 0;
    o->inertia = 0;
    memset(o->sizes, 0, (size_t)k * 8);
    for (int64_t i = 0; i < c->n; i++) {
        __int128 least = -1;
        int32_t best = 0;
        for (int32_t j = 0; j < k; j++) {
            const __int128 distance = by_grid ? oracle_distance(c, i, o->centroids + j * c->d)
                                              : oracle_mean_distance(c, i, o->means + j * c->d);
            if (least < 0 || distance < least) {
                least = distance;
                best = j;
            }
        }
        moved += best != o->labels[i];
        o->labels[i] = best;
        o->sizes[best] += oracle_weight(c, i);
        o->inertia +=
            (__int128)oracle_distance(c, i, o->centroids + best * c->d) * oracle_weight(c, i);
    }
    return moved;
}

static inline void oracle_walk(const cloud *c, oracle *o, int32_t k, int32_t max)
{
    for (int32_t iteration = 0;; iteration++) {
        bool empty[256];
        int64_t moved = oracle_label(c, o, k, false);
        if (iteration == 0)
            moved = c->n;
        o->moved[iteration] = moved;
        o->inertias[iteration] = (double)o->inertia;
        o->rows = iteration + 1;
        o->iterations = iteration;
        o->converged = moved == 0;
        if (iteration >= max)
            return;
        for (int32_t j = 0; j < k; j++)
            empty[j] = o->sizes[j] == 0;
        int32_t given = oracle_fill(c, o, k, empty);
        o->converged = moved == 0 && given == 0;
        if (o->converged)
            return;
        oracle_means(c, o, k);
    }
}

static inline oracle oracle_run(const cloud *c, int32_t k, const int32_t *start, int32_t max)
{
    oracle o = {.centroids = calloc((size_t)(k * c->d), 4),
                .means = calloc((size_t)(k * c->d), 8),
                .labels = calloc((size_t)c->n + 1, 4),
                .sizes = calloc((size_t)k, 8)};
    memcpy(o.centroids, start, (size_t)(k * c->d) * 4);
    for (int32_t v = 0; v < k * c->d; v++)
        o.means[v] = (int64_t)start[v] * 65536;
    oracle_walk(c, &o, k, max);
    oracle_label(c, &o, k, true);
    return o;
}

static inline void oracle_free(oracle *o)
{
    free(o->centroids);
    free(o->means);
    free(o->labels);
    free(o->sizes);
}

#endif
