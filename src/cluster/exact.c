#include <math.h>
#include <string.h>

#include "cluster/problem.h"

/* Points of a tile in the layout of the kernels. */
typedef struct rows_at {
    const float *x; /* [d][stride] */
    int64_t stride, n;
    const int32_t *rows; /* [n] ascending rows of the tile; NULL = all of them */
} rows_at;

int32_t strata_exact_nearest(const strata_problem *p, int64_t i, const int32_t *centroids,
                             int32_t k, int64_t *distance)
{
    int32_t point[STRATA_D_MAX], best = 0;
    int64_t least = INT64_MAX;
    for (int32_t f = 0; f < p->d; f++)
        point[f] = (int32_t)p->x[f * p->stride + i];
    for (int32_t j = 0; j < k; j++) {
        const int32_t *c = centroids + (int64_t)j * p->d;
        int64_t sum = 0;
        for (int32_t f = 0; f < p->d; f++) {
            int64_t apart = point[f] - c[f];
            sum += apart * apart;
        }
        if (sum < least) {
            least = sum;
            best = j;
        }
    }
    if (distance)
        *distance = least;
    return best;
}

/* (|x - mean|^2 - |x - c|^2) 2^32 = |r|^2 - e.r 2^17, with e = x - c and a mean c + r 2^-16. */
static __int128 beside(const int32_t *point, const int32_t *c, const int32_t *r, int32_t d)
{
    int64_t mixed = 0, small = 0;
    for (int32_t f = 0; f < d; f++) {
        mixed += (int64_t)(point[f] - c[f]) * r[f];
        small += (int64_t)r[f] * r[f];
    }
    return small - (__int128)mixed * (2 << STRATA_REST_BITS);
}

/* The nearest mean, given the squared distances of a point to all centroids and the least of these.
 * A mean can only be the nearest if its centroid is not farther by 2 B (kernel.h) than the nearest. */
static int32_t nearest_mean(const int32_t *point, const int32_t *centroids, const int32_t *rest,
                            int32_t k, int32_t d, const int64_t *distances, int64_t least)
{
    const double way = 2 * sqrt((double)d * (double)least) * (1 + 1e-12); /* 4 B sqrt(least) */
    const int64_t most = least + d + 2 + (int64_t)way;
    __int128 nearest = 0;
    int32_t best = -1;
    for (int32_t j = 0; j < k; j++) {
        if (distances[j] > most)
            continue;
        const __int128 sum = ((__int128)distances[j] << 2 * STRATA_REST_BITS) +
                             beside(point, centroids + j * d, rest + j * d, d);
        if (best < 0 || sum < nearest) {
            nearest = sum;
            best = j;
        }
    }
    return best;
}

int32_t strata_exact_nearest_mean(const strata_problem *p, int64_t i, const int32_t *centroids,
                                  const int32_t *rest, int32_t k)
{
    int32_t point[STRATA_D_MAX];
    int64_t distances[STRATA_K_MAX], least = INT64_MAX;
    if (!rest)
        return strata_exact_nearest(p, i, centroids, k, NULL);
    for (int32_t f = 0; f < p->d; f++)
        point[f] = (int32_t)p->x[f * p->stride + i];
    for (int32_t j = 0; j < k; j++) {
        distances[j] = strata_exact_distance(p, i, centroids + (int64_t)j * p->d);
        least = distances[j] < least ? distances[j] : least;
    }
    return nearest_mean(point, centroids, rest, k, p->d, distances, least);
}

int64_t strata_exact_unsure(const strata_problem *p, const strata_screen *screen, int64_t first,
                            int64_t points, const uint64_t *unsure, uint8_t *labels)
{
    int64_t redecided = 0;
    for (int64_t at = 0; at < points; at += STRATA_BLOCK)
        for (uint64_t bits = unsure[at / STRATA_BLOCK]; bits != 0; bits &= bits - 1) {
            int64_t i = at + __builtin_ctzll(bits);
            if (i >= points)
                break;
            labels[i] = (uint8_t)strata_exact_nearest_mean(p, first + i, screen->centroids,
                                                           screen->rest, screen->k);
            redecided++;
        }
    return redecided;
}

strata_screen_form strata_exact_float_form(const int64_t doubtful[STRATA_SCREEN_FORMS])
{
    if (doubtful[STRATA_SCREEN_DOT] <= 10)
        return STRATA_SCREEN_DOT;
    if (doubtful[STRATA_SCREEN_DIFFERENCE] < 0 ||
        doubtful[STRATA_SCREEN_DIFFERENCE] * 2 < doubtful[STRATA_SCREEN_DOT])
        return STRATA_SCREEN_DIFFERENCE;
    return STRATA_SCREEN_DOT;
}

/* Where the coarse form is clearly faster than the float screen (benchmarks/cluster_kernels.c). */
enum { COARSE_D_MIN = 5, COARSE_K_MIN = 5 };

strata_screen_form strata_exact_form(const strata_problem *p, int32_t k, const int64_t *doubtful)
{
    const bool pays = p->kernel->coarse && p->d >= COARSE_D_MIN && k >= COARSE_K_MIN;
    const strata_screen_form form = doubtful ? strata_exact_float_form(doubtful) : STRATA_SCREEN_DOT;
    if (form == STRATA_SCREEN_DOT && pays && !(doubtful && doubtful[STRATA_SCREEN_COARSE] > 100))
        return STRATA_SCREEN_COARSE;
    return form;
}

static uint8_t in_integers(const strata_problem *p, const strata_screen *screen, int64_t i)
{
    int32_t point[STRATA_D_MAX];
    int64_t distances[STRATA_K_MAX];
    for (int32_t f = 0; f < p->d; f++)
        point[f] = (int32_t)p->x[f * p->stride + i];
    const int32_t best = p->kernel->nearest(screen, point, distances);
    return (uint8_t)(screen->rest ? nearest_mean(point, screen->centroids, screen->rest, screen->k,
                                                 p->d, distances, distances[best])
                                  : best);
}

/* Exact labels of the n points x [d][stride] of a tile, point q being its row rows[q] (NULL: row q),
 * by float screen and integers; returns how many needed integers. */
static int64_t decide(const strata_problem *p, const strata_screen *screen, int64_t tile,
                      const rows_at *at, uint8_t *labels)
{
    _Alignas(64) uint8_t found[STRATA_TILE];
    uint64_t unsure[STRATA_TILE / STRATA_BLOCK] = {0};
    uint8_t *to = at->rows ? found : labels;
    int64_t redecided = 0;
    p->kernel->screen(screen, at->x, at->stride, strata_tile_padded(at->n),
                      strata_screen_offset(screen, (double)p->radius[tile]), to, unsure, NULL);
    for (int64_t block = 0; block < at->n; block += STRATA_BLOCK)
        for (uint64_t bits = unsure[block / STRATA_BLOCK]; bits != 0; bits &= bits - 1) {
            int64_t q = block + __builtin_ctzll(bits);
            if (q >= at->n)
                break;
            int64_t i = tile * STRATA_TILE + (at->rows ? at->rows[q] : q);
            to[q] = in_integers(p, screen, i);
            redecided++;
        }
    for (int64_t q = 0; q < at->n && at->rows; q++)
        labels[at->rows[q]] = found[q];
    return redecided;
}

/* The same for a few points, all in integers. */
static int64_t decide_few(const strata_problem *p, const strata_screen *screen, int64_t tile,
                          const int32_t *rows, int64_t n, uint8_t *labels)
{
    for (int64_t q = 0; q < n; q++) {
        labels[rows[q]] = in_integers(p, screen, tile * STRATA_TILE + rows[q]);
    }
    return n;
}

/* A block of the float screen costs about as much as so many points in integers; fewer when the
 * centroids, k d of them, leave the first cache. */
enum { FEW = 16, FEW_LARGE = 6, LARGE = 8192 };

/* The same for the points of a tile that the coarse form left open, a block at a time. */
static int64_t decide_open(const strata_problem *p, const strata_screen *screen, int64_t tile,
                           const uint64_t *unsure, uint8_t *labels, int64_t *open)
{
    _Alignas(64) float gathered[STRATA_D_MAX * STRATA_BLOCK];
    int32_t rows[STRATA_TILE + STRATA_BLOCK];
    const int64_t points = strata_tile_points(p, tile);
    const float *x = p->x + tile * STRATA_TILE;
    int64_t n = 0, redecided = 0;
    for (int64_t at = 0; at < points; at += STRATA_BLOCK)
        for (uint64_t bits = unsure[at / STRATA_BLOCK]; bits != 0; bits &= bits - 1)
            rows[n++] = (int32_t)(at + __builtin_ctzll(bits));
    while (n > 0 && rows[n - 1] >= points) /* padding */
        n--;
    if (open)
        *open += n;
    if (n <= (screen->k * p->d < LARGE ? FEW : FEW_LARGE))
        return decide_few(p, screen, tile, rows, n, labels);
    for (int64_t at = 0; at < n; at += STRATA_BLOCK) {
        const rows_at some = {.x = gathered,
                              .stride = STRATA_BLOCK,
                              .rows = rows + at,
                              .n = n - at < STRATA_BLOCK ? n - at : STRATA_BLOCK};
        for (int32_t f = 0; f < p->d; f++)
            for (int64_t q = 0; q < STRATA_BLOCK; q++)
                gathered[f * STRATA_BLOCK + q] =
                    x[f * p->stride + rows[at + (q < some.n ? q : 0)]];
        redecided += decide(p, screen, tile, &some, labels);
    }
    return redecided;
}

int64_t strata_exact_tile(const strata_problem *p, const strata_screen *screen, int64_t tile,
                          uint8_t *labels, int64_t *open)
{
    const rows_at all = {.x = p->x + tile * STRATA_TILE,
                         .stride = p->stride,
                         .n = strata_tile_points(p, tile)};
    if (screen->form != STRATA_SCREEN_COARSE)
        return decide(p, screen, tile, &all, labels);
    uint64_t unsure[STRATA_TILE / STRATA_BLOCK] = {0};
    strata_coarse_tile coarse;
    strata_screen_coarse_tile(screen, (double)p->radius[tile], &coarse);
    p->kernel->coarse(screen, &coarse, all.x, all.stride, strata_tile_padded(all.n), labels,
                      unsure);
    return decide_open(p, screen, tile, unsure, labels, open);
}

/* round_half_even(sum / count); what fits 64 bits is divided there, as many means are taken. */
static int64_t divide(__int128 sum, int64_t count)
{
    const bool narrow = sum == (int64_t)sum;
    int64_t quotient = narrow ? (int64_t)sum / count : (int64_t)(sum / count);
    int64_t rest = narrow ? (int64_t)sum % count : (int64_t)(sum % count);
    if (rest < 0) { /* floor division */
        quotient--;
        rest += count;
    }
    int64_t other = count - rest; /* compares rest with half of count without doubling it */
    if (rest > other || (rest == other && quotient % 2 != 0))
        quotient++;
    return quotient;
}

int32_t strata_exact_mean(int64_t sum, int64_t count)
{
    return (int32_t)divide(sum, count);
}

int32_t strata_exact_rest(int64_t sum, int64_t count, int32_t mean)
{
    return (int32_t)divide((sum - (__int128)mean * count) * (1 << STRATA_REST_BITS), count);
}

__int128 strata_exact_inertia(int32_t k, int32_t d, const int32_t *centroids, const int64_t *sums)
{
    __int128 total = 0;
    for (int32_t j = 0; j < k; j++) {
        const int32_t *c = centroids + (int64_t)j * d;
        const int64_t *s = sums + (int64_t)j * (d + 1);
        for (int32_t f = 0; f < d; f++)
            total += (__int128)c[f] * c[f] * s[d] - 2 * (__int128)c[f] * s[f];
    }
    return total;
}

double strata_exact_scaled(__int128 squared, int32_t step_exponent)
{
    return ldexp((double)squared, 2 * step_exponent);
}

double strata_exact_move(int32_t d, const int32_t *before, const int32_t *after)
{
    double squared = 0;
    for (int32_t f = 0; f < d; f++) {
        double moved = (double)after[f] - (double)before[f];
        squared += moved * moved;
    }
    return sqrt(squared) * (1 + 1e-9);
}
