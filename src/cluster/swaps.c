/* swaps.c: see swaps.h. Each point knows its two nearest centres, and each centre what the inertia
 * gains when it goes and its points turn to their second nearest. With another point in its place
 * that differs only for the points which are nearer to that one than to their second nearest, and they
 * are few: some 2 n / k. */
#include "cluster/swaps.h"

#include <string.h>

#include "strata/memory.h"

enum { BLOCK = 16 /* points that are passed over together when none is nearer */ };

typedef struct swaps {
    const strata_problem *p;
    int32_t k;
    float *centres;            /* [d, width] */
    int64_t width;             /* k in whole blocks of the kernel */
    int64_t *first, *second;   /* [padded] squared distances to the two nearest centres, 0 behind n */
    uint16_t *own, *other;     /* [padded] which these are */
    int64_t *distance;         /* [padded] to the point that is tried */
    __int128 loss[STRATA_K_MAX]; /* what goes up by taking a centre away */
} swaps;

static void swaps_release(swaps *s)
{
    strata_free(&s->centres);
    strata_free(&s->first);
    strata_free(&s->second);
    strata_free(&s->own);
    strata_free(&s->other);
    strata_free(&s->distance);
}

static void set_centre(swaps *s, int32_t j, const int32_t *centre)
{
    for (int32_t f = 0; f < s->p->d; f++)
        s->centres[f * s->width + j] = (float)centre[f];
}

static void get_point(const swaps *s, int64_t i, int32_t *point)
{
    for (int32_t f = 0; f < s->p->d; f++)
        point[f] = (int32_t)s->p->x[f * s->p->stride + i];
}

/* The two nearest centres of a point, from all of them. */
static void look_around(swaps *s, int64_t i)
{
    int32_t point[STRATA_D_MAX], own = 0, other = 0;
    int64_t distance[STRATA_K_MAX], first = INT64_MAX, second = INT64_MAX;
    get_point(s, i, point);
    s->p->kernel->distances(s->centres, s->width, s->width, s->p->d, point, distance);
    for (int32_t j = 0; j < s->k; j++) {
        if (distance[j] >= second)
            continue;
        const bool nearest = distance[j] < first;
        second = nearest ? first : distance[j];
        other = nearest ? own : j;
        first = nearest ? distance[j] : first;
        own = nearest ? j : own;
    }
    s->first[i] = first;
    s->second[i] = second;
    s->own[i] = (uint16_t)own;
    s->other[i] = (uint16_t)other;
}

static void sum_losses(swaps *s)
{
    memset(s->loss, 0, sizeof s->loss);
    for (int64_t i = 0; i < s->p->n_local; i++)
        s->loss[s->own[i]] +=
            (__int128)(s->second[i] - s->first[i]) * strata_problem_weight(s->p, i);
}

static strata_status swaps_init(const strata_problem *p, int32_t k, const int32_t *centres,
                                swaps *s)
{
    strata_status rc = STRATA_OK;
    const int64_t padded = p->n_tiles * STRATA_TILE;
    *s = (swaps){.p = p, .k = k, .width = strata_tile_padded(k)};
    STRATA_TRY(strata_calloc(p->ctx, s->width * p->d, sizeof *s->centres, &s->centres));
    STRATA_TRY(strata_calloc(p->ctx, padded, sizeof *s->first, &s->first));
    STRATA_TRY(strata_calloc(p->ctx, padded, sizeof *s->second, &s->second));
    STRATA_TRY(strata_calloc(p->ctx, padded, sizeof *s->own, &s->own));
    STRATA_TRY(strata_calloc(p->ctx, padded, sizeof *s->other, &s->other));
    STRATA_TRY(strata_calloc(p->ctx, padded, sizeof *s->distance, &s->distance));
    for (int32_t j = 0; j < k; j++)
        set_centre(s, j, centres + (int64_t)j * p->d);
    for (int64_t i = 0; i < p->n_local; i++)
        look_around(s, i);
    sum_losses(s);
done:
    return rc;
}

static void measure(swaps *s, const int32_t *point)
{
    const strata_problem *p = s->p;
    for (int64_t tile = 0; tile < p->n_tiles; tile++) {
        const int64_t first = tile * STRATA_TILE;
        p->kernel->distances(p->x + first, p->stride,
                             strata_tile_padded(strata_tile_points(p, tile)), p->d, point,
                             s->distance + first);
    }
}

static bool any_nearer(const int64_t *distance, const int64_t *second)
{
    int64_t signs = 0;
    for (int32_t i = 0; i < BLOCK; i++)
        signs |= distance[i] - second[i];
    return signs < 0;
}

/* The centre that the point of the last measurement should replace, -1 for none: the lowest of those
 * where the inertia ends lowest. */
static int32_t find_swap(const swaps *s)
{
    __int128 loss[STRATA_K_MAX], gain = 0;
    int32_t best = 0;
    memcpy(loss, s->loss, (size_t)s->k * sizeof *loss);
    for (int64_t block = 0; block < s->p->n_local; block += BLOCK) {
        if (!any_nearer(s->distance + block, s->second + block))
            continue;
        for (int64_t i = block; i < block + BLOCK; i++) {
            if (s->distance[i] >= s->second[i])
                continue;
            /* It goes to the new centre, at once or when its own is taken away. */
            const __int128 weight = strata_problem_weight(s->p, i);
            const int64_t first = s->first[i], distance = s->distance[i];
            loss[s->own[i]] -= (s->second[i] - (distance < first ? first : distance)) * weight;
            gain += distance < first ? (first - distance) * weight : 0;
        }
    }
    for (int32_t j = 1; j < s->k; j++)
        if (loss[j] < loss[best])
            best = j;
    return loss[best] < gain ? best : -1;
}

/* The point of the last measurement becomes centre j. */
static void replace(swaps *s, int32_t j, const int32_t *point)
{
    set_centre(s, j, point);
    for (int64_t i = 0; i < s->p->n_local; i++) {
        const int64_t distance = s->distance[i];
        if (s->own[i] == j || s->other[i] == j) {
            look_around(s, i);
        } else if (distance < s->first[i]) {
            s->second[i] = s->first[i];
            s->other[i] = s->own[i];
            s->first[i] = distance;
            s->own[i] = (uint16_t)j;
        } else if (distance < s->second[i]) {
            s->second[i] = distance;
            s->other[i] = (uint16_t)j;
        }
    }
    sum_losses(s);
}

strata_status strata_swaps_improve(const strata_problem *points, int32_t k, int32_t rounds,
                                   int32_t *centres)
{
    strata_status rc = STRATA_OK;
    const int64_t n = points->n_local;
    swaps s = {0};
    STRATA_TRY(swaps_init(points, k, centres, &s));
    for (int64_t tried = 0, in_vain = 0; tried < n * rounds && in_vain < n; tried++) {
        int32_t point[STRATA_D_MAX];
        get_point(&s, tried % n, point);
        measure(&s, point);
        const int32_t j = find_swap(&s);
        in_vain = j < 0 ? in_vain + 1 : 0;
        if (j < 0)
            continue;
        replace(&s, j, point);
        memcpy(centres + (int64_t)j * points->d, point, (size_t)points->d * sizeof *point);
    }
done:
    swaps_release(&s);
    return rc;
}
