/* kernel.h: the innermost loops of the clustering room, one set per instruction set, same bits.
 *
 * A kernel only *screens*: it proposes the nearest centroid of each point in float32 and flags
 * the points it cannot be sure of. Exact integers decide those. The proof is below.
 *
 * Notation: u = 2^-24, g(m) = m u / (1 - m u). x a point and c a centroid (integers below 2^24),
 * o an origin (integers), x' = x - o, c' = c - o, D = |x - c|^2.
 *
 * Dot form. s = |c'|^2 / 2 - x'.c' = (D - |x'|^2) / 2, so s orders the centroids as D does. x'
 * and c' are rounded once each, |c'|^2 / 2 is rounded at most twice, and d products are
 * subtracted one after the other, with or without fused multiply-add: each term passes through
 * at most d + 4 roundings. With C >= |c'| for every centroid and R >= |x'| for every point of
 * the tile, by Cauchy-Schwarz
 *     |s_computed - s| <= E = g(d + 4) (C^2 / 2 + R C).
 * All quantities are integers or halves, so nothing underflows.
 *
 * Difference form. p = sum (x - c)^2, each difference rounded once; all terms are positive, so
 *     |p_computed - p| <= g(d + 4) p.
 * Twice the work, but its error is relative to the distance itself: for data whose spread is
 * small against the largest centroid, where the dot form would flag too many points.
 *
 * Between the steps. In a walk a centroid is a mean z = c + r with |r_f| <= 1/2 that is known to
 * 2^-16 of a step; its distance to x is that of c but for B = sqrt(d) / 2. Kernels compute with c, and
 *     d(x, c_j) - d(x, c_1) > 2 B   proves   d(x, z_j) > d(x, z_1):
 * D_j - D_1 > 2 B (d_j + d_1), for which s_j - s_1 > 2 B (R + C) is enough, as no distance is above R +
 * C; or, without C, D_j - D_1 > 4 B sqrt(D_1) + 4 B^2, for which 2^-11 D_1 + 4 B^2 (2^11 + 1) is. The dot form
 * takes half as much again: where a test passes then, R + C > 6 B, so that the difference of distances
 * that is told beside it, 2 (s_j - s_1 - 3 B (R + C)) over a sum of no more than 2 (R + C) + 6 B, is below
 * the true one by 2 B at least. So are the margins of all variants that keep bounds: d(x, c_j) - d(x, c_1) -
 * 2 B then, less what the centroids, not the means, moved since, is below the difference for the means now.
 *
 * Index. The lowest b mantissa bits of s are replaced by the centroid's number (k <= 2^b), which
 * changes s by less than r |s| with r = 2^(b-23), and stays in its binade, so that one min keeps
 * value and index. A zero becomes a denormal number; the 1e-30 below covers that.
 *
 * Test. With the two smallest packed values p1 <= p2, every other centroid j has packed value >=
 * p2. Dot form: s_j >= p2 - r|p2| - E and s_1 <= p1 + r|p1| + E, and |p2| <= |p1| + (p2 - p1),
 * so
 *     (p2 - p1) (1 - r) > 2 E + 2 r |p1|   proves   s_j > s_1.
 * Difference form: D_j >= p2 (1 - r)(1 - g), D_1 <= p1 (1 + r)(1 + g); with q = r + g + r g
 *     (p2 - p1) (1 - q) > 2 q p1           proves   D_j > D_1.
 * Both are evaluated as gap > slope |p1| + offset with slope and offset 2 % above the formula,
 * which covers 1 - r, 1 - q >= 0.99 and the roundings of the test itself. Everything else is
 * flagged.
 *
 * Coarse form: the dot form in 16-bit integers, of which a processor multiplies twice as many; what
 * it leaves open goes to the float screen or to integers. With L = 32000, M = max(R, C), a <= L / M and
 * b = L / C, a point becomes the integers p ~ a x', a centroid q ~ b c', and h is a |q|^2 / 2 b rounded.
 * Then s = h - p.q is exact but for the rounding of h: with y = p / a, z = q / b and T = |y - z|,
 *     |s - a b (T^2 - |y|^2) / 2| <= 0.51.
 * Of the 24 bits of a float a keeps eight and o sixteen, so a o is exact; a x - a o is rounded once to a
 * float and once to an integer, |p - a x'| <= P = sqrt(d) (1/2 + 2^-8). Q >= |q - b c'| is measured. So T
 * differs from the true distance by at most e = P / a + Q / b + B, and T_j > T_1 + 2 e proves that
 * centroid j is farther than the nearest one: that is T_j^2 - T_1^2 > 4 e T_1 + 4 e^2. The index in the
 * low bits changes a value by less than 2^bits, so
 *     p2 - p1 > 2 a b (e T_1 + e^2) + 2^(bits + 1) + 1.02      proves it for all j,
 * with T_1^2 = 2 s / a b + |p|^2 / a^2 from above: in float it is off by less than 2^-21 of the largest
 * that both terms can be, and by the index. |s| <= L^2 / 2 + (L + P) (L + Q) < 2^31 as P, Q < 5, so the
 * sum is right even where a part of it wrapped around; surplus places hold the largest value. */
#ifndef STRATA_CLUSTER_KERNEL_H
#define STRATA_CLUSTER_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "cluster/boxes.h"
#include "strata/context.h"
#include "strata/hash.h"

enum {
    STRATA_TILE = 1024, /* points a kernel call sees at most: the x of d = 8 stay in L1 */
    STRATA_BLOCK = 64,  /* points a kernel handles at once; tiles are padded to it */
    STRATA_K_MAX = 256,
    STRATA_D_MAX = 64,
    STRATA_SCREEN_SMALL = 8, /* features that the float screen holds in registers */
    STRATA_GRID_LIMIT = 1 << 24
};

/* The cache that a prefetch is for. A core can await few lines at a time for its first one, so only what
 * is next belongs there; much that comes later waits in the second. */
enum { STRATA_NEAR = 3, STRATA_SECOND = 2 };

typedef enum strata_screen_form {
    STRATA_SCREEN_DOT,
    STRATA_SCREEN_DIFFERENCE,
    STRATA_SCREEN_COARSE, /* first 16-bit integers, then the dot form for what they leave open */
    STRATA_SCREEN_FORMS
} strata_screen_form;

/* Centroids of the coarse form: [groups][pairs][4], two features of -q in a word, the even one low. */
typedef struct strata_coarse {
    int32_t *q;       /* owned */
    double *h;        /* [places] |q|^2 / 2 b; owned */
    int32_t pairs;    /* of features */
    double scale;     /* b */
    double error;     /* Q */
} strata_coarse;

/* What the coarse form needs beside for the points of one tile. */
typedef struct strata_coarse_tile {
    float scale;                 /* a */
    float origin[STRATA_D_MAX];  /* a o, exact */
    float of_best, of_norm, off; /* T_1^2 <= of_best s + of_norm |p|^2 + off */
    float slope, offset;         /* a gap up to slope T_1 + offset proves nothing */
    int32_t h[256];              /* a |q|^2 / 2 b */
} strata_coarse_tile;

/* Centroids in the layout of the kernels: groups of four, [groups][d][4]; surplus places are so far
 * away that they never win. */
typedef struct strata_screen {
    int32_t k, d;
    strata_screen_form form;
    float *c;                   /* [groups][d][4] c' (dot) or c (difference); owned */
    float *h;                   /* [groups][4] |c'|^2 / 2; owned */
    float origin[STRATA_D_MAX]; /* o; 0 in the difference form */
    double shift;               /* how far o is from the origin that was given */
    double reach;               /* C */
    int32_t known;              /* so many of the first centroids are o itself: their s is 0 */
    float slope;
    uint32_t index_mask; /* the low bits that hold the index */
    strata_coarse coarse; /* filled in the coarse form; the rest is as in the dot form then */
    int64_t *exact;       /* [d][width] centroids, surplus places far away; owned */
    const int32_t *centroids, *rest; /* [k][d] as they were given; borrowed */
    int32_t width;        /* k in whole eights */
} strata_screen;

/* Centroids in crowds of sixteen, one to a lane, for points that are looked at one by one; and how
 * far they went. A centroid's place is 16 crowd + lane. See bounds.h. */
enum { STRATA_CROWD = 16, STRATA_CROWDS = STRATA_K_MAX / STRATA_CROWD };
typedef struct strata_crowds {
    int32_t k, d, count;
    float *c;     /* [count][d][16]; empty places are far away; owned */
    float *half;  /* [16 count][16 count] by place: half of what two centroids are apart, rounded down;
                     owned, NULL = not kept */
    float relative;            /* no distance squared is off by more than this share */
    float blur;                /* B of kernel.h */
    uint8_t place[STRATA_K_MAX]; /* of a label */
    uint8_t label[STRATA_K_MAX]; /* at a place */
    /* The drift so far, rounded up and down: of a row of bounds (by crowd, or by place with half),
     * and by label the own and the longest other. */
    _Alignas(64) float up[STRATA_K_MAX];
    _Alignas(64) float down[STRATA_K_MAX];
    _Alignas(64) float floor[STRATA_CROWD]; /* -3e38, where there is no crowd 3e38 */
    int64_t width;                          /* bounds a point */
    float own_up[STRATA_K_MAX], own_down[STRATA_K_MAX];
} strata_crowds;

/* The points of a tile that are looked at. */
typedef struct strata_look {
    const float *rows;   /* [points][d] */
    const uint64_t *due; /* bit i: point i is looked at */
    int64_t points;
    bool fresh;       /* nothing is known: every crowd is looked at */
    uint8_t *labels;  /* [points] in: theirs, out: the proposed ones */
    float *lower;     /* [points][width], and 64 bytes more that are read */
    float *safe;      /* [points] */
    uint64_t *unsure; /* out: bit i set where exact arithmetic must decide; zeroed by the caller */
    const uint16_t *ahead; /* points of the next tile that will be looked at: to be fetched */
    int32_t n_ahead;       /*   from memory meanwhile */
    int64_t looked;        /* out: points */
    int64_t crowds;        /* out: points times crowds */
} strata_look;

typedef struct strata_kernel {
    const char *name;
    bool (*usable)(void);
    /* Labels [n] of points x[f * stride + i], i < n, n a multiple of 64 and <= STRATA_TILE; bit
     * i of ambiguous[] (zeroed by the caller) set where exact arithmetic must decide. Returns a
     * lower bound of second - best over all points, below 0 when one is ambiguous; in the dot
     * form half the difference of the squared distances to any two centroids, the label's and
     * another, is at least 0.999 of it. two, unless NULL, receives best [n] and, from
     * STRATA_TILE on, second [n]. */
    float (*screen)(const strata_screen *screen, const float *x, int64_t stride, int64_t n,
                    float offset, uint8_t *labels, uint64_t *ambiguous, float *two);
    /* The screen's second half, for scores s (see above) that came by another way with no greater
     * error: scores [k][stride], labels and ambiguous as there. */
    void (*decide)(const strata_screen *screen, const float *scores, int64_t stride, int64_t n,
                   float offset, uint8_t *labels, uint64_t *ambiguous);
    /* The coarse form: labels [n], and bit i of ambiguous[] set where they are not proven. NULL
     * where it would be no faster. */
    void (*coarse)(const strata_screen *screen, const strata_coarse_tile *tile, const float *x,
                   int64_t stride, int64_t n, uint8_t *labels, uint64_t *ambiguous);
    /* After a screen in the dot form, with its offset and two: margins[i] is a lower bound of
     * the difference of point i's distances to its label and to any other centroid; -1 when in
     * doubt. */
    void (*margins)(const strata_screen *screen, const float *x, int64_t stride, int64_t n,
                    float offset, const float *two, float *margins);
    /* sums[j * (d + 1) + f] += x_f of the points labelled j, sums[j * (d + 1) + d] += their number.
     * n as above; points labelled >= k are left out. For small k. */
    void (*accumulate)(const float *x, int64_t stride, int64_t n, const uint8_t *labels, int32_t k,
                       int32_t d, int64_t *sums);
    /* Bit i of changed[] says whether labels [n] and found [n] differ; returns how many do. Buffers
     * 64-aligned, n as above. */
    int64_t (*differ)(const uint8_t *labels, const uint8_t *found, int64_t n, uint64_t *changed);
    /* Whether every value is below the grid's limit (not NaN, not infinite). */
    bool (*on_grid)(const float *x, int64_t n);
    /* bits[i] = strata_random_bits(seed, purpose, keys[i], round), with counter =
     * strata_kernel_counter(purpose, round) */
    void (*hash_keys)(uint64_t seed, uint64_t counter, const uint64_t *keys, int64_t n, uint64_t *bits);
    /* Bit i of below[] says whether that number is below limit; bits from n on are 0. */
    void (*keys_below)(uint64_t seed, uint64_t counter, const uint64_t *keys, int64_t n,
                       uint64_t limit, uint64_t *below);
    /* hash[i] of row i; equal rows have equal ones, the upper bits are the best; n <= STRATA_TILE */
    void (*hash_rows)(const float *x, int64_t stride, int64_t n, int32_t d, uint64_t *hash);
    /* The bounds of the STRATA_LEAF values of a leaf; returns their sum. */
    int64_t (*range)(const float *x, float *low, float *high);
    /* Which of sixteen nodes must be looked at: bit l set unless drift[owner[l]] < safe[l]. left[l] =
     * safe[l] - drift[owner[l]] */
    uint32_t (*expired)(const float *safe, const uint16_t *owner, const float *drift, float *left);
    /* Finds the centroids that may be the nearest somewhere in each of sixteen boxes. */
    void (*prune)(strata_boxes *boxes);
    /* Labels the points of a leaf of d features around an origin. */
    void (*scan)(strata_leaf *leaf, int32_t d, const float *origin);
    /* Which leaves of a group a plane leaves on one side; then the points of those that it does not. */
    void (*split)(strata_plane *pair, int32_t d, const float *origin);
    void (*divide)(strata_plane *pair, int32_t d, const float *origin);
    /* labels[i] = table[labels[i]], all below count; n as above */
    void (*translate)(uint8_t *labels, int64_t n, const int32_t *table, int32_t count);
    /* cells[i] = (x[i] - low) scale, cut off, limited to 0..last; n <= STRATA_TILE */
    void (*cells)(const float *x, int64_t n, float low, float scale, float last, uint32_t *cells);
    /* Hilbert keys [n] of d bits bits each from cells [d][STRATA_TILE], which are used up
     * (J. Skilling 2004, doi 10.1063/1.1751381) */
    void (*curve)(uint32_t (*cells)[STRATA_TILE], int32_t d, int32_t bits, int64_t n, uint32_t *keys);
    /* The nearest centroid of a screen to point [d], in integers, the lowest index on a tie;
     * distances [STRATA_K_MAX] squared, to all of them. */
    int32_t (*nearest)(const strata_screen *screen, const int32_t *point, int64_t *distances);
    /* A point x[f * stride] and its weight, last, leave from [d + 1] (NULL = nowhere) and join to. */
    void (*carry)(const float *x, int64_t stride, int32_t d, int64_t weight, int64_t *from,
                  int64_t *to);
    /* distances[i] = |x_i - c|^2, exact; n as above */
    void (*distances)(const float *x, int64_t stride, int64_t n, int32_t d, const int32_t *c,
                      int64_t *distances);
    /* Bit i of due[] says whether not drift[labels[i]] < safe[i]; n <= STRATA_TILE */
    void (*overdue)(const uint8_t *labels, const float *safe, const float *drift, int64_t n,
                    uint64_t *due);
    /* Labels and bounds of the points that are due: one bound a crowd, or one a centroid. */
    void (*look_crowds)(const strata_crowds *crowds, strata_look *look);
    void (*look_each)(const strata_crowds *crowds, strata_look *look);
    /* Fills half. */
    void (*apart)(strata_crowds *crowds);
} strata_kernel;

extern const strata_kernel strata_kernel_plain;
#if defined(__x86_64__)
extern const strata_kernel strata_kernel_avx2;
extern const strata_kernel strata_kernel_avx512;
extern const strata_kernel strata_kernel_avx512vnni;
#endif

static inline uint64_t strata_kernel_counter(strata_purpose purpose, uint64_t round)
{
    return round ^ (uint64_t)purpose << 56;
}

/* The kernel named name, or the best that this processor runs for NULL or "auto"; NULL when the
 * name is unknown or the processor cannot run it. Not collective. */
const strata_kernel *strata_kernel_find(const char *name);

/* Room for k_max centroids. Not collective. */
strata_status strata_screen_init(strata_context *ctx, int32_t k_max, int32_t d,
                                 strata_screen *out) STRATA_MUST_USE;
void strata_screen_release(strata_screen *screen);

/* Fills a screen with centroids [k, d] and, unless NULL, what their means are beyond them (see
 * strata_pass); both are used until the next call. origin [d] integers. With all centroids at the
 * origin the coarse
 * form becomes the dot form. With few features the dot form moves the origin to the first centroid,
 * which need not be looked at then. Not collective. */
void strata_screen_set(strata_screen *screen, const int32_t *centroids, const int32_t *rest,
                       int32_t k, const float *origin, strata_screen_form form);

/* The offset of the test for points that are no farther than radius from the origin that was given. Not
 * collective. */
float strata_screen_offset(const strata_screen *screen, double radius);

/* The same for the coarse form. Not collective. */
void strata_screen_coarse_tile(const strata_screen *screen, double radius,
                               strata_coarse_tile *out);

#endif
