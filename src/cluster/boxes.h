/* boxes.h: bounding boxes of points, sixteen side by side, and the leaves of points under them, as
 * the kernels see them. Like the screen of kernel.h these functions only propose: what they are
 * not sure of is kept in question or flagged for exact arithmetic.
 *
 * Notation as in kernel.h: x' = x - o, c' = c - o, D = |x - c|^2, s = |c'|^2 / 2 - x'.c' = (D -
 * |x'|^2) / 2, C >= |c'| for every centroid, u = 2^-24, g(m) = m u / (1 - m u). A box is a middle
 * m and half widths h, floats with |x'_f - m_f| <= h_f for every point, and R >= |m| + |h|.
 *
 * Which centroids are in question. Let b be the one with the least s at the middle. For any z the
 * difference (D(z) - D(b)) / 2 is linear in x, so its least value over the box is
 *     G = s_z(m) - s_b(m) - sum_f |z'_f - b'_f| h_f.
 * m is exact, so each s has an error of at most g(d + 4) (C^2 / 2 + R C). The factors of the sum
 * have an error of at most 2 u C + u |z' - b'| each, so by Cauchy-Schwarz the sum has one of at
 * most g(d + 4) 4 C R. Two more subtractions are made. Together less than
 *     E = 1.02 g(d + 8) (C^2 + 8 R C),
 * and G > E as computed proves that z is farther than b from every place of the box, strictly: it
 * cannot even win a tie.
 *
 * By how much. d(z) - d(b) = (D(z) - D(b)) / (d(z) + d(b)), and d(z) <= |m - z| + |h| in the box
 * with |m - z|^2 = 2 s_z + |m|^2. 2 (s + E) + |m|^2 as computed lies above it but for a relative
 * error of a few u: where |m| < 4 C the roundings are below E, and elsewhere no more than a quarter of
 * the terms cancels. A loss of 1e-4 in all covers these.
 *
 * Two centroids a < b. With any place M, w = b - a and H = sum_f w_f ((a_f + b_f) / 2 - M_f),
 *     (|x - b|^2 - |x - a|^2) / 2 = H - sum_f w_f (x_f - M_f).
 * M is the middle of the leaf's box in whole steps, so that the terms are as small as they can be.
 * a, b, M < 2^25 are integers: H as a double is off by less than d. x_f - M_f, w_f, H, the products
 * and sums are rounded to floats, no term more than d + 4 times, and |x_f - M_f| <= h_f + 2, as M is
 * less than 2 off the middle. So the value is sure beyond
 *     1.02 g(d + 6) (|H| + sum_f |w_f| (h_f + 2)) + d.
 * Where h_f + 2 <= 2^18 the x_f - M_f are exact, and so are sums of 64 of them.
 *
 * Points. The screen of a leaf keeps value and number apart, so with R of its box the best of a
 * point is sure when second - best > 1.02 g(d + 6) (C^2 + 2 R C). Between two centroids that
 * difference is (|a'|^2 - |c'|^2) / 2 - x'.(a' - c'): again no term passes through more than d + 4
 * roundings, and |a' - c'| <= 2 C, so the same bound holds. */
#ifndef STRATA_CLUSTER_BOXES_H
#define STRATA_CLUSTER_BOXES_H

#include <stdbool.h>
#include <stdint.h>

enum {
    STRATA_BOXES = 16,  /* boxes tested together: the nodes under one node */
    STRATA_LEAF = 64,   /* points of a leaf */
    STRATA_NOBODY = 256 /* owner of a node whose points have different labels */
};

/* Floats of sixteen boxes of d features: rows of sixteen with the middles [d] and half widths [d],
 * |m|, the diameter 2 |h| and R; all but the middles rounded up. */
static inline int64_t strata_boxes_floats(int32_t d)
{
    return (2 * (int64_t)d + 3) * STRATA_BOXES;
}

/* Sixteen boxes, the centroids in question there, and what prune finds out. */
typedef struct strata_boxes {
    int32_t d, count;
    const float *box;    /* as above; 64-aligned */
    const float *z;      /* [count][d + 1] c' and |c'|^2 / 2 */
    float slope, offset; /* E = slope R + offset */
    /* out, for each box; the first three for each centroid or box */
    uint16_t *others; /* [count] bit l: centroid q is in question in box l beside the nearest */
    _Alignas(64) uint8_t nearest[STRATA_BOXES]; /* position of the nearest to the middle */
    _Alignas(64) uint8_t rivals[STRATA_BOXES];  /* how many others are in question, 255 at most */
    _Alignas(64) uint8_t rival[STRATA_BOXES];   /* position of the last of them */
    _Alignas(
        64) float margin[STRATA_BOXES]; /* every centroid that is out of the question is farther
                                from each place of the box than the nearest, by at least this */
    float near_sum[STRATA_BOXES]; /* no place has a greater sum of distances to its two nearest */
} strata_boxes;

/* A leaf whose points are labelled among the centroids in question. */
typedef struct strata_leaf {
    const float *x;        /* [d][STRATA_LEAF] 64-aligned, as are labels and found */
    const uint8_t *labels; /* [STRATA_LEAF] those before, NULL when there are none */
    const float *box;      /* its own: [2 d] middle and half widths, STRATA_BOXES apart */
    int32_t count;
    const uint16_t
        *which;     /* [count] centroids in question, as positions in z and label, ascending */
    const float *z; /* [.][d + 1] as above */
    const int32_t *label;     /* [.] of these centroids */
    const int32_t *centroids; /* [k][d] all, by label */
    float slack;              /* a difference above it is sure */
    int64_t *sums; /* NULL, or [k][d + 1]: may be made to follow when no point is in doubt */
    /* out */
    uint8_t *found;           /* [STRATA_LEAF] labels */
    uint64_t unsure, changed; /* changed: all, when there were no labels */
    bool summed;              /* the sums have followed ... */
    int32_t moved;            /* ... so many points that changed */
    float gap; /* half the difference of squared distances to the two nearest is at least this for
                  each point, when there are two; below 0 when one is unsure */
} strata_leaf;

#endif
