#include <math.h>
#include <string.h>

#include "cluster/bounds.h"
#include "strata/memory.h"

int64_t strata_crowds_width(int32_t k, bool each)
{
    const int32_t crowds = (k + STRATA_CROWD - 1) / STRATA_CROWD;
    if (each)
        return (int64_t)crowds * STRATA_CROWD;
    return crowds <= STRATA_CROWD / 2 ? STRATA_CROWD / 2 : STRATA_CROWD;
}

strata_status strata_crowds_init(strata_context *ctx, int32_t k, int32_t d, bool each,
                                 strata_crowds *out)
{
    strata_status rc = STRATA_OK;
    strata_crowds s = {.k = k, .d = d, .count = (k + STRATA_CROWD - 1) / STRATA_CROWD};
    const int64_t places = (int64_t)s.count * STRATA_CROWD;
    const double rounding = (d + 4) * 0x1p-24 * (1 + 1e-4), packing = 0x1p-19;
    s.relative = (float)((rounding + packing + rounding * packing) * (1 + 1e-4));
    s.blur = (float)(0.5 * sqrt(d) * (1 + 1e-6));
    s.width = strata_crowds_width(k, each);
    for (int32_t crowd = 0; crowd < STRATA_CROWD; crowd++)
        s.floor[crowd] = crowd < s.count ? -3e38f : 3e38f;
    STRATA_TRY(strata_alloc(ctx, places * d, sizeof *s.c, &s.c));
    if (each)
        STRATA_TRY(strata_alloc(ctx, places * places, sizeof *s.half, &s.half));
    *out = s;
    s = (strata_crowds){0};
done:
    strata_crowds_release(&s);
    return rc;
}

void strata_crowds_release(strata_crowds *crowds)
{
    strata_free(&crowds->c);
    strata_free(&crowds->half);
}

static double squared(const int32_t *a, const int32_t *b, int32_t d)
{
    double sum = 0;
    for (int32_t f = 0; f < d; f++)
        sum += ((double)a[f] - (double)b[f]) * ((double)a[f] - (double)b[f]);
    return sum;
}

static int32_t farthest(const int32_t *centroids, int32_t d, const uint8_t *who, int32_t n,
                        int32_t from)
{
    int32_t far = who[0];
    double most = -1;
    for (int32_t q = 0; q < n; q++) {
        double apart = squared(centroids + who[q] * d, centroids + from * d, d);
        if (apart > most) {
            most = apart;
            far = who[q];
        }
    }
    return far;
}

/* Sorts who [n] along the line between two that are far apart. */
static void sort_along(const int32_t *centroids, int32_t d, uint8_t *who, int32_t n)
{
    double key[STRATA_K_MAX];
    const int32_t a = farthest(centroids, d, who, n, who[0]), b = farthest(centroids, d, who, n, a);
    for (int32_t q = 0; q < n; q++)
        key[q] = squared(centroids + who[q] * d, centroids + a * d, d) -
                 squared(centroids + who[q] * d, centroids + b * d, d);
    for (int32_t q = 1; q < n; q++)
        for (int32_t r = q; r > 0 && key[r] < key[r - 1]; r--) {
            const double k = key[r];
            const uint8_t w = who[r];
            key[r] = key[r - 1];
            who[r] = who[r - 1];
            key[r - 1] = k;
            who[r - 1] = w;
        }
}

/* Halves, in whole crowds, until each is one. */
void strata_crowds_group(strata_crowds *crowds, const int32_t *centroids)
{
    int32_t from[STRATA_CROWDS + 1] = {0}, to[STRATA_CROWDS + 1] = {crowds->k}, depth = 1;
    for (int32_t j = 0; j < crowds->k; j++)
        crowds->label[j] = (uint8_t)j;
    while (depth > 0) {
        const int32_t low = from[--depth], high = to[depth], n = high - low;
        if (n <= STRATA_CROWD)
            continue;
        sort_along(centroids, crowds->d, crowds->label + low, n);
        const int32_t half = ((n + STRATA_CROWD - 1) / STRATA_CROWD / 2) * STRATA_CROWD;
        from[depth] = low;
        to[depth++] = low + half;
        from[depth] = low + half;
        to[depth++] = high;
    }
    for (int32_t at = 0; at < crowds->k; at++)
        crowds->place[crowds->label[at]] = (uint8_t)at;
}

void strata_crowds_set(strata_crowds *crowds, const int32_t *centroids)
{
    const int32_t d = crowds->d;
    for (int32_t at = 0; at < STRATA_CROWD * crowds->count; at++) {
        float *to = crowds->c + (int64_t)(at / STRATA_CROWD) * d * STRATA_CROWD + at % STRATA_CROWD;
        for (int32_t f = 0; f < d; f++)
            to[f * STRATA_CROWD] = at < crowds->k ? (float)centroids[crowds->label[at] * d + f]
                                   : f == 0       ? 1e18f
                                                  : 0.0f;
    }
}
