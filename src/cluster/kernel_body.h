/* kernel_body.h: the kernels in terms of lanes_*.h; included once for each instruction set,
 * after KERNEL (the table to define) and KERNEL_NAME. A lane is a point, so there are no
 * horizontal sums.
 *
 * Lane operations: vf floats, vi 32-bit integers, vm a choice of lanes. mulsub(a, b, c) = c - a
 * b. pack(s, index, keep) = (s & keep) | index. unsure = bit mask of lanes where not gap >
 * slack. Registers decide how many point vectors go together; nothing decides a result but exact
 * numbers. */
#include <math.h>
#include <string.h>

#define UNROLL _Pragma("GCC unroll 16")
#ifndef COARSE
#define COARSE NULL
#endif

typedef struct constants {
    vf slope, offset;
    vi keep, mask, one;
} constants;

LANE constants constants_of(const strata_screen *s, float offset)
{
    return (constants){vf_set(s->slope), vf_set(offset), vi_set((int32_t)~s->index_mask),
                       vi_set((int32_t)s->index_mask), vi_set(1)};
}

/* Stores labels and returns the unsure lanes of one vector of points. */
LANE uint64_t conclude(const constants *is, vf best, vf second, uint8_t *labels, vf *least,
                       float *two)
{
    if (two) {
        vf_store(two, best);
        vf_store(two + STRATA_TILE, second);
    }
    vf slack = vf_muladd(is->slope, vf_abs(best), is->offset), gap = vf_sub(second, best);
    vf_store_index(labels, best, is->mask);
    *least = vf_min(*least, vf_sub(gap, slack));
    return vf_unsure(gap, slack);
}

LANE float lowest(vf a)
{
    _Alignas(64) float lanes[LANES];
    vf_store(lanes, a);
    float low = lanes[0];
    for (int i = 1; i < LANES; i++)
        low = lanes[i] < low ? lanes[i] : low;
    return low;
}

/* D features and P vectors of points held in registers while all centroids pass by. */
LANE float screen_small(const int D, const int P, const bool difference, const strata_screen *s,
                       const float *x, int64_t stride, int64_t n, float offset, uint8_t *labels,
                       uint64_t *ambiguous, float *two)
{
    const constants is = constants_of(s, offset);
    vf least = vf_set(3e38f);
    for (int64_t at = 0; at < n; at += P * LANES) {
        vf point[4][8], best[4], second[4];
        UNROLL for (int p = 0; p < P; p++)
        {
            UNROLL for (int f = 0; f < D; f++)
            {
                vf value = vf_load(x + f * stride + at + p * LANES);
                point[p][f] = difference ? value : vf_sub(value, vf_set(s->origin[f]));
            }
            best[p] = vf_set(s->known ? 0.0f : 3e38f);
            second[p] = vf_set(3e38f);
        }
        vi index = vi_set(s->known);
        for (int32_t j = s->known; j < s->k; j++) {
            const float *c = s->c + (int64_t)(j >> 2) * 4 * D + (j & 3);
            const vf h = vf_set(s->h[j]);
            UNROLL for (int p = 0; p < P; p++)
            {
                vf value = difference ? vf_set(0.0f) : h;
                UNROLL for (int f = 0; f < D; f++)
                {
                    vf cf = vf_set(c[4 * f]);
                    if (difference) {
                        vf apart = vf_sub(point[p][f], cf);
                        value = vf_muladd(apart, apart, value);
                    } else {
                        value = vf_mulsub(point[p][f], cf, value);
                    }
                }
                value = vf_pack(value, index, is.keep);
                second[p] = vf_min(second[p], vf_max(best[p], value));
                best[p] = vf_min(best[p], value);
            }
            index = vi_add(index, is.one);
        }
        uint64_t unsure = 0;
        UNROLL for (int p = 0; p < P; p++)
            unsure |= conclude(&is, best[p], second[p], labels + at + p * LANES, &least,
                               two ? two + at + p * LANES : NULL)
                      << (p * LANES);
        ambiguous[at / STRATA_BLOCK] |= unsure << (at % STRATA_BLOCK);
    }
    return lowest(least);
}

/* Four vectors of points against four centroids: 16 accumulators, features pass by. The points
 * of a block are copied first, shifted by the origin: d rows that are a large power of two apart
 * would all fall into the same cache sets. */
LANE float screen_large(const int P, const bool difference, const strata_screen *s, const float *x,
                       int64_t stride, int64_t n, float offset, uint8_t *labels, uint64_t *ambiguous,
                       float *two)
{
    const constants is = constants_of(s, offset);
    vf least = vf_set(3e38f);
    const int32_t d = s->d;
    _Alignas(64) float block[STRATA_D_MAX * STRATA_BLOCK];
    for (int64_t at = 0; at < n; at += STRATA_BLOCK) {
        for (int32_t f = 0; f < d; f++)
            UNROLL for (int i = 0; i < STRATA_BLOCK; i += LANES)
                vf_store(block + f * STRATA_BLOCK + i, vf_sub(vf_load(x + f * stride + at + i),
                                                             vf_set(s->origin[f])));
        uint64_t unsure = 0;
        for (int part = 0; part < STRATA_BLOCK; part += P * LANES) {
            vf best[4], second[4];
            UNROLL for (int p = 0; p < P; p++)
                best[p] = second[p] = vf_set(3e38f);
            for (int32_t j = 0; j < s->k; j += 4) {
                const float *c = s->c + (int64_t)j * d;
                if (part == 0) /* the rows of the next block, a few with each four centroids */
                    for (int64_t f = (int64_t)d * j / s->k; f < (int64_t)d * (j + 4) / s->k && f < d; f++)
                        UNROLL for (int line = 0; line < STRATA_BLOCK; line += 16)
                            __builtin_prefetch(x + f * stride + at + STRATA_BLOCK + line);
                vf sum[4][4];
                UNROLL for (int q = 0; q < 4; q++)
                    UNROLL for (int p = 0; p < P; p++)
                        sum[q][p] = difference ? vf_set(0.0f) : vf_set(s->h[j + q]);
                for (int32_t f = 0; f < d; f++) {
                    vf point[4];
                    UNROLL for (int p = 0; p < P; p++)
                        point[p] = vf_load(block + f * STRATA_BLOCK + part + p * LANES);
                    UNROLL for (int q = 0; q < 4; q++)
                    {
                        vf cf = vf_set(c[4 * f + q]);
                        UNROLL for (int p = 0; p < P; p++)
                        {
                            vf apart = vf_sub(point[p], cf);
                            sum[q][p] = difference ? vf_muladd(apart, apart, sum[q][p])
                                                   : vf_mulsub(point[p], cf, sum[q][p]);
                        }
                    }
                }
                UNROLL for (int q = 0; q < 4; q++)
                {
                    vi index = vi_set(j + q);
                    UNROLL for (int p = 0; p < P; p++)
                    {
                        vf value = vf_pack(sum[q][p], index, is.keep);
                        second[p] = vf_min(second[p], vf_max(best[p], value));
                        best[p] = vf_min(best[p], value);
                    }
                }
            }
            UNROLL for (int p = 0; p < P; p++)
                unsure |= conclude(&is, best[p], second[p], labels + at + part + p * LANES, &least,
                                   two ? two + at + part + p * LANES : NULL)
                          << (part + p * LANES);
        }
        ambiguous[at / STRATA_BLOCK] |= unsure;
    }
    return lowest(least);
}

/* Point vectors that fit the registers beside best, second and two temporaries each. */
#define TOGETHER(D) (REGISTERS == 32 ? ((D) <= 4 ? 4 : 2) : ((D) <= 3 ? 2 : 1))
#define ARGUMENTS   screen, x, stride, n, offset, labels, ambiguous, two
#define SMALL(D)                                                                                   \
    case D:                                                                                        \
        return screen->form == STRATA_SCREEN_DIFFERENCE                                            \
                   ? screen_small(D, TOGETHER(D), true, ARGUMENTS)                                 \
                   : screen_small(D, TOGETHER(D), false, ARGUMENTS);

static float screen_points(const strata_screen *screen, const float *x, int64_t stride, int64_t n,
                           float offset, uint8_t *labels, uint64_t *ambiguous, float *two)
{
    enum { WIDE = REGISTERS == 32 ? 4 : 2 };
    switch (screen->d) {
        SMALL(1)
        SMALL(2)
        SMALL(3)
        SMALL(4)
        SMALL(5)
        SMALL(6)
        SMALL(7)
        SMALL(8)
    default:
        return screen->form == STRATA_SCREEN_DIFFERENCE ? screen_large(WIDE, true, ARGUMENTS)
                                                        : screen_large(WIDE, false, ARGUMENTS);
    }
}

/* See kernel.h. E + r |p| <= slack / 2 bounds the error of the nearest value, and slack + gap /
 * 1000 that of the second. The last factor covers the roundings here. */
static void margins_of_points(const strata_screen *s, const float *x, int64_t stride, int64_t n,
                              float offset, const float *two, float *restrict margins)
{
    for (int64_t i = 0; i < n; i++)
        margins[i] = 0;
    for (int32_t f = 0; f < s->d; f++) {
        const float *row = x + f * stride;
        const float origin = s->origin[f];
        for (int64_t i = 0; i < n; i++)
            margins[i] += (row[i] - origin) * (row[i] - origin);
    }
    for (int64_t i = 0; i < n; i++) {
        float best = two[i], second = two[STRATA_TILE + i];
        second = second < 1e30f ? second : 1e30f;
        float slack = s->slope * fabsf(best) + offset, gap = second - best;
        float norm = margins[i] * 1.001f;
        float near = 2 * (best + slack) + norm, far = 2 * (second + slack + gap * 0.001f) + norm;
        near = near > 0 ? near : 0;
        far = far > 0 ? far : 0;
        float sum = sqrtf(near) + sqrtf(far);
        gap = 2 * (gap - slack);
        margins[i] = gap > 0 ? 0.99f * gap / (sum + 1e-20f) : -1.0f;
    }
}

/* F features of four clusters from j0 on. A lane adds at most STRATA_TILE / 4 values below 2^24 in
 * 32 bits unless it has 16 lanes, so it is emptied into 64 bits every 64 vectors. */
LANE void accumulate_part(const int F, const float *x, int64_t stride, int64_t n,
                          const uint8_t *labels, int32_t j0, int32_t k, int32_t d, int32_t f0,
                          int64_t *sums)
{
    for (int64_t start = 0; start < n; start += 64 * LANES) {
        int64_t end = start + 64 * LANES < n ? start + 64 * LANES : n;
        vi sum[4][5];
        UNROLL for (int q = 0; q < 4; q++)
            UNROLL for (int f = 0; f <= F; f++)
                sum[q][f] = vi_set(0);
        for (int64_t at = start; at < end; at += LANES) {
            vi label = vi_load_u8(labels + at), value[4];
            UNROLL for (int f = 0; f < F; f++)
                value[f] = vi_from_f(vf_load(x + (f0 + f) * stride + at));
            UNROLL for (int q = 0; q < 4; q++)
            {
                vm mine = vi_equal(label, vi_set(j0 + q));
                UNROLL for (int f = 0; f < F; f++)
                    sum[q][f] = vi_add_where(sum[q][f], mine, value[f]);
                sum[q][F] = vi_add_where(sum[q][F], mine, vi_set(1));
            }
        }
        UNROLL for (int q = 0; q < 4; q++)
        {
            if (j0 + q >= k)
                break;
            int64_t *to = sums + (int64_t)(j0 + q) * (d + 1);
            UNROLL for (int f = 0; f < F; f++)
                to[f0 + f] += vi_total(sum[q][f]);
            if (f0 == 0)
                to[d] += vi_total(sum[q][F]);
        }
    }
}

static void accumulate_points(const float *x, int64_t stride, int64_t n, const uint8_t *labels,
                              int32_t k, int32_t d, int64_t *sums)
{
    for (int32_t j = 0; j < k; j += 4)
        for (int32_t f = 0; f < d; f += 4)
            switch (d - f) {
            case 1:
                accumulate_part(1, x, stride, n, labels, j, k, d, f, sums);
                break;
            case 2:
                accumulate_part(2, x, stride, n, labels, j, k, d, f, sums);
                break;
            case 3:
                accumulate_part(3, x, stride, n, labels, j, k, d, f, sums);
                break;
            default:
                accumulate_part(4, x, stride, n, labels, j, k, d, f, sums);
            }
}

static int64_t differ_labels(const uint8_t *labels, const uint8_t *found, int64_t n,
                             uint64_t *changed)
{
    int64_t count = 0;
    for (int64_t at = 0; at < n; at += STRATA_BLOCK) {
        changed[at / STRATA_BLOCK] = differ64(labels + at, found + at);
        count += __builtin_popcountll(changed[at / STRATA_BLOCK]);
    }
    return count;
}

static void translate_labels(uint8_t *labels, int64_t n, const int32_t *table, int32_t count)
{
    if (count <= 16) {
        _Alignas(16) uint8_t bytes[16] = {0};
        for (int32_t q = 0; q < count; q++)
            bytes[q] = (uint8_t)table[q];
        for (int64_t at = 0; at < n; at += STRATA_BLOCK)
            translate64(labels + at, bytes);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        labels[i] = (uint8_t)table[labels[i]];
}

static void curve_keys(uint32_t (*cells)[STRATA_TILE], int32_t d, int32_t bits, int64_t n,
                       uint32_t *restrict keys)
{
    for (int32_t b = bits - 1; b > 0; b--) {
        const uint32_t below = (1u << b) - 1;
        uint32_t *first = cells[0];
        for (int64_t i = 0; i < n; i++)
            first[i] ^= below & (0u - ((first[i] >> b) & 1u));
        for (int32_t f = 1; f < d; f++) {
            uint32_t *restrict cell = cells[f];
            for (int64_t i = 0; i < n; i++) {
                uint32_t set = 0u - ((cell[i] >> b) & 1u);
                uint32_t swap = (first[i] ^ cell[i]) & below & ~set;
                first[i] ^= (below & set) ^ swap;
                cell[i] ^= swap;
            }
        }
    }
    uint32_t turn[STRATA_TILE] = {0};
    for (int32_t f = 1; f < d; f++)
        for (int64_t i = 0; i < n; i++)
            cells[f][i] ^= cells[f - 1][i];
    for (int32_t b = bits - 1; b > 0; b--)
        for (int64_t i = 0; i < n; i++)
            turn[i] ^= (0u - ((cells[d - 1][i] >> b) & 1u)) & ((1u << b) - 1);
    for (int64_t i = 0; i < n; i++)
        keys[i] = 0;
    for (int32_t b = bits - 1; b >= 0; b--)
        for (int32_t f = 0; f < d; f++)
            for (int64_t i = 0; i < n; i++)
                keys[i] = keys[i] << 1 | (((cells[f][i] ^ turn[i]) >> b) & 1u);
}

static void cells_of_values(const float *x, int64_t n, float low, float scale, float last,
                            uint32_t *restrict cells)
{
    for (int64_t i = 0; i < n; i++) {
        float cell = (x[i] - low) * scale;
        cell = cell > 0 ? cell : 0;
        cells[i] = (uint32_t)(int32_t)(cell < last ? cell : last);
    }
}

/* strata_random_bits for many keys: the same rounds, but the compiler takes several keys at a
 * time. */
static void random_of_keys(uint64_t seed, uint64_t counter, const uint64_t *keys, int64_t n,
                           uint64_t *restrict bits)
{
    for (int64_t i = 0; i < n; i++) {
        uint64_t c0 = keys[i] & UINT32_MAX, c1 = keys[i] >> 32;
        uint64_t c2 = counter & UINT32_MAX, c3 = counter >> 32;
        uint64_t k0 = seed & UINT32_MAX, k1 = seed >> 32;
        for (int round = 0; round < 10; round++) {
            uint64_t p0 = UINT64_C(0xD2511F53) * c0, p1 = UINT64_C(0xCD9E8D57) * c2;
            c0 = (p1 >> 32) ^ c1 ^ k0;
            c1 = p1 & UINT32_MAX;
            c2 = (p0 >> 32) ^ c3 ^ k1;
            c3 = p0 & UINT32_MAX;
            k0 = (k0 + 0x9E3779B9) & UINT32_MAX;
            k1 = (k1 + 0xBB67AE85) & UINT32_MAX;
        }
        bits[i] = c1 << 32 | c0;
    }
}

static void random_below(uint64_t seed, uint64_t counter, const uint64_t *keys, int64_t n,
                         uint64_t limit, uint64_t *below)
{
    for (int64_t at = 0; at < n; at += 64) {
        uint64_t bits[64], least = UINT64_MAX, found = 0;
        const int64_t count = n - at < 64 ? n - at : 64;
        random_of_keys(seed, counter, keys + at, count, bits);
        for (int64_t i = 0; i < count; i++)
            least = bits[i] < least ? bits[i] : least;
        for (int64_t i = 0; i < count && least < limit; i++)
            found |= (uint64_t)(bits[i] < limit) << i;
        below[at / 64] = found;
    }
}

static bool values_on_grid(const float *x, int64_t n)
{
    uint32_t outside = 0;
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        outside |= (bits & 0x7fffffffu) >= 0x4b800000u; /* 2^24; NaN and infinity are above */
    }
    return outside == 0;
}

#include "cluster/kernel_boxes.h"
#include "cluster/kernel_pairs.h"

typedef int64_t vl __attribute__((vector_size(64)));

/* Squares of differences below 2^30, so that 64 of them stay below 2^63 even for surplus places. */
static int32_t nearest_exact(const strata_screen *s, const int32_t *point, int64_t *distances)
{
    vl least = (vl){0} + INT64_MAX, who = (vl){0}, index = (vl){0, 1, 2, 3, 4, 5, 6, 7};
    for (int32_t c = 0; c < s->width; c += 8, index += 8) {
        vl sum = (vl){0};
        for (int32_t f = 0; f < s->d; f++) {
            vl apart = *(const vl *)(s->exact + (int64_t)f * s->width + c) - (int64_t)point[f];
            sum += apart * apart;
        }
        memcpy(distances + c, &sum, sizeof sum);
        const vl nearer = sum < least;
        least = (sum & nearer) | (least & ~nearer);
        who = (index & nearer) | (who & ~nearer);
    }
    int32_t best = 0;
    for (int32_t q = 1; q < 8; q++)
        if (least[q] < least[best] || (least[q] == least[best] && who[q] < who[best]))
            best = q;
    return (int32_t)who[best];
}

/* Two loops: the first one fetches from d rows, the second one is done in vectors. */
static void carry_point(const float *x, int64_t stride, int32_t d, int64_t weight,
                        int64_t *restrict from, int64_t *restrict to)
{
    int64_t values[STRATA_D_MAX + 1];
    for (int32_t f = 0; f < d; f++)
        values[f] = weight * (int64_t)x[f * stride];
    values[d] = weight;
    for (int32_t f = 0; f <= d; f++)
        to[f] += values[f];
    for (int32_t f = 0; f <= d && from; f++)
        from[f] -= values[f];
}

static void distances_of_points(const float *x, int64_t stride, int64_t n, int32_t d,
                                const int32_t *c, int64_t *restrict distances)
{
    for (int64_t i = 0; i < n; i++)
        distances[i] = 0;
    for (int32_t f = 0; f < d; f++) {
        const float *row = x + f * stride;
        const int32_t center = c[f];
        for (int64_t i = 0; i < n; i++) {
            int64_t apart = (int32_t)row[i] - center;
            distances[i] += apart * apart;
        }
    }
}

/* The two smallest of k scores a point, four vectors of points at a time. */
static void decide_scores(const strata_screen *s, const float *scores, int64_t stride, int64_t n,
                          float offset, uint8_t *labels, uint64_t *ambiguous)
{
    enum { WIDE = 4 };
    const constants is = constants_of(s, offset);
    vf least = vf_set(3e38f);
    for (int64_t at = 0; at < n; at += WIDE * LANES) {
        vf best[WIDE], second[WIDE];
        UNROLL for (int p = 0; p < WIDE; p++)
            best[p] = second[p] = vf_set(3e38f);
        vi index = vi_set(0);
        for (int32_t j = 0; j < s->k; j++) {
            UNROLL for (int p = 0; p < WIDE; p++)
            {
                vf value = vf_load(scores + j * stride + at + p * LANES);
                value = vf_pack(value, index, is.keep);
                second[p] = vf_min(second[p], vf_max(best[p], value));
                best[p] = vf_min(best[p], value);
            }
            index = vi_add(index, is.one);
        }
        uint64_t unsure = 0;
        UNROLL for (int p = 0; p < WIDE; p++)
            unsure |= conclude(&is, best[p], second[p], labels + at + p * LANES, &least, NULL)
                      << (p * LANES);
        ambiguous[at / STRATA_BLOCK] |= unsure << (at % STRATA_BLOCK);
    }
}

static void hash_of_rows(const float *x, int64_t stride, int64_t n, int32_t d,
                         uint64_t *restrict hash)
{
    for (int64_t i = 0; i < n; i++)
        hash[i] = 0;
    for (int32_t f = 0; f < d; f++)
        for (int64_t i = 0; i < n; i++) {
            uint64_t h = hash[i] ^ (uint32_t)(int32_t)x[f * stride + i];
            h *= UINT64_C(0x9e3779b97f4a7c15);
            hash[i] = h ^ (h >> 29);
        }
    for (int64_t i = 0; i < n; i++)
        hash[i] *= UINT64_C(0xbf58476d1ce4e5b9);
}

#include "cluster/kernel_bounds.h"

const strata_kernel KERNEL = {.name = KERNEL_NAME,
                              .usable = usable,
                              .screen = screen_points,
                              .decide = decide_scores,
                              .coarse = COARSE,
                              .accumulate = accumulate_points,
                              .differ = differ_labels,
                              .margins = margins_of_points,
                              .on_grid = values_on_grid,
                              .hash_keys = random_of_keys,
                              .keys_below = random_below,
                              .hash_rows = hash_of_rows,
                              .range = leaf_range,
                              .expired = boxes_expired,
                              .prune = boxes_prune,
                              .scan = leaf_scan,
                              .split = pair_split,
                              .divide = pair_divide,
                              .translate = translate_labels,
                              .cells = cells_of_values,
                              .curve = curve_keys,
                              .nearest = nearest_exact,
                              .carry = carry_point,
                              .distances = distances_of_points,
                              .overdue = overdue_points,
                              .look_crowds = look_at_crowds,
                              .look_each = look_at_each,
                              .apart = centroids_apart};
