#include <math.h>
#include <string.h>

#include "cluster/problem.h"

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

int64_t strata_exact_unsure(const strata_problem *p, const int32_t *centroids, int32_t k,
                            int64_t first, int64_t points, const uint64_t *unsure, uint8_t *labels)
{
    int64_t redecided = 0;
    for (int64_t at = 0; at < points; at += STRATA_BLOCK)
        for (uint64_t bits = unsure[at / STRATA_BLOCK]; bits != 0; bits &= bits - 1) {
            int64_t i = at + __builtin_ctzll(bits);
            if (i >= points)
                break;
            labels[i] = (uint8_t)strata_exact_nearest(p, first + i, centroids, k, NULL);
            redecided++;
        }
    return redecided;
}

int64_t strata_exact_tile(const strata_problem *p, const strata_screen *screen,
                          const int32_t *centroids, int64_t tile, uint8_t *labels)
{
    uint64_t unsure[STRATA_TILE / STRATA_BLOCK] = {0};
    int64_t first = tile * STRATA_TILE, points = strata_tile_points(p, tile);
    p->kernel->screen(screen, p->x + first, p->stride, strata_tile_padded(points),
                      strata_screen_offset(screen, (double)p->radius[tile]), labels, unsure, NULL);
    return strata_exact_unsure(p, centroids, screen->k, first, points, unsure, labels);
}

strata_screen_form strata_exact_form(const int64_t doubtful[2])
{
    if (doubtful[STRATA_SCREEN_DOT] <= 10)
        return STRATA_SCREEN_DOT;
    if (doubtful[STRATA_SCREEN_DIFFERENCE] < 0 ||
        doubtful[STRATA_SCREEN_DIFFERENCE] * 2 < doubtful[STRATA_SCREEN_DOT])
        return STRATA_SCREEN_DIFFERENCE;
    return STRATA_SCREEN_DOT;
}

int32_t strata_exact_mean(int64_t sum, int64_t count)
{
    int64_t quotient = sum / count, rest = sum % count;
    if (rest < 0) { /* floor division */
        quotient--;
        rest += count;
    }
    int64_t other = count - rest; /* compares rest with half of count without doubling it */
    if (rest > other || (rest == other && quotient % 2 != 0))
        quotient++;
    return (int32_t)quotient;
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

double strata_longest_move(int32_t k, int32_t d, const int32_t *before, const int32_t *after)
{
    double longest = 0;
    for (int32_t j = 0; j < k; j++) {
        double squared = 0;
        for (int32_t f = 0; f < d; f++) {
            double moved = (double)after[j * d + f] - (double)before[j * d + f];
            squared += moved * moved;
        }
        longest = squared > longest ? squared : longest;
    }
    return 2 * sqrt(longest) * (1 + 1e-9);
}
