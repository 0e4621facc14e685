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
 * m is exact, so each s has an error of at most g(d + 4) (C^2 / 2 + R C). That goes for centroids; what
 * follows takes 3 B (R + C) more off for means between the steps, B = sqrt(d) / 2, by the argument of
 * kernel.h. The factors of the sum
 * have an error of at most 2 u C + u |z' - b'| each, so by Cauchy-Schwarz the sum has one of at
 * most g(d + 4) 4 C R. Two more subtractions are made. Together less than
 *     E = 1.02 g(d + 8) (C^2 + 8 R C) + 3.04 B (R + C),
 * and G > E as computed proves that z is farther than b from every place of the box, strictly: it
 * cannot even win a tie.
 *
 * By how much. d(z) - d(b) = (D(z) - D(b)) / (d(z) + d(b)), and d(z) <= |m - z| + |h| in the box
 * with |m - z|^2 = 2 s_z + |m|^2. 2 (s + E) + |m|^2 as computed lies above it but for a relative
 * error of a few u: where |m| < 4 C the roundings are below E, and elsewhere no more than a quarter of
 * the terms cancels. A loss of 1e-4 in all covers these.
 *
 * Two centroids a < b. With any place M, w = b - a and H = sum_f w_f ((a_f + b_f) / 2 - M_f),
 *     V(x) = (|x - b|^2 - |x - a|^2) / 2 = H - sum_f w_f (x_f - M_f).
 * M is the middle of a leaf's box plus the origin as floats, so that the terms are as small as they
 * can be; less than 2 off, so |x_f - M_f| <= h_f + 2. a, b < 2^24 are integers and M a float below
 * 2^25: H in double is off by less than d. As floats H, x_f - M_f, w_f, the products and sums pass
 * through no more than d + 5 roundings. So V(x) as computed is sure beyond
 *     1.02 g(d + 6) (|H| + W) + d + 1.02 B N,   W = sum_f |w_f| (h_f + 2),
 * N as below, or in a leaf by itself 3.04 B (R + C) for the last term,
 * and as |V(x) - H| <= W in the box, |H| - W above that puts the whole box on one side, each point by
 * V >= |H| - W less that. d(x, a) + d(x, b) <= N = |M - a| + |M - b| + 2 |h| + 12, where 12 is more than
 * twice the 2 sqrt(d) of M (d <= 6); the loss of 1e-4 covers the roundings. There
 * 2 V / (d(x, a) + d(x, b)) is the margin between the two.
 *
 * Points. The screen of a leaf keeps value and number apart, so with R of its box the best of a
 * point is sure when second - best > 1.02 g(d + 6) (C^2 + 2 R C) + 3.04 B (R + C). */
#ifndef STRATA_CLUSTER_BOXES_H
#define STRATA_CLUSTER_BOXES_H

#include <stdbool.h>
#include <stdint.h>

enum {
    STRATA_BOXES = 16,  /* boxes tested together: the nodes under one node */
    STRATA_LEAF = 64,   /* points of a leaf */
    STRATA_AHEAD = 12,  /* leaves that are fetched before they are looked at */
    STRATA_NOBODY = 256 /* owner of a node whose points have different labels */
};

/* Floats of sixteen boxes of d features: rows of sixteen with the middles [d] and half widths [d],
 * |m|^2, the diameter 2 |h| and R; all but the middles rounded up. */
static inline int64_t strata_boxes_floats(int32_t d)
{
    return (2 * (int64_t)d + 3) * STRATA_BOXES;
}

/* Sixteen boxes, the centroids in question there, and what prune finds out. */
typedef struct strata_boxes {
    int32_t d, count;
    const float *box;    /* as above; 64-aligned */
    const float *z;      /* [k][d + 1] c' and |c'|^2 / 2 of all centroids */
    const uint16_t *which; /* [count] those in question, ascending */
    float slope, offset; /* E = slope R + offset */
    /* out, for each box; the first three for each centroid or box */
    uint16_t *others; /* [count] bit l: centroid q is in question in box l beside the nearest */
    _Alignas(64) uint8_t nearest[STRATA_BOXES]; /* which of them is the nearest to the middle */
    _Alignas(64) uint8_t rivals[STRATA_BOXES];  /* how many others are in question, 255 at most */
    _Alignas(64) uint8_t rival[STRATA_BOXES];   /* the last of these */
    _Alignas(
        64) float margin[STRATA_BOXES]; /* every centroid that is out of the question is farther
                                from each place of the box than the nearest, by at least this */
    float near_sum[STRATA_BOXES]; /* no place has a greater sum of distances to its two nearest */
} strata_boxes;

/* The centroids in question in box l, ascending; returns how many. */
static inline int32_t strata_boxes_list(const strata_boxes *boxes, int l, uint16_t *which)
{
    const uint8_t nearest = boxes->nearest[l], rival = boxes->rival[l];
    int32_t count = 0;
    if (boxes->rivals[l] == 1) {
        which[0] = boxes->which[nearest < rival ? nearest : rival];
        which[1] = boxes->which[nearest < rival ? rival : nearest];
        return 2;
    }
    for (int32_t q = 0; q < boxes->count; q++)
        if (q == nearest || (boxes->others[q] >> l & 1))
            which[count++] = boxes->which[q];
    return count;
}

/* A leaf whose points are labelled among the centroids in question. */
typedef struct strata_leaf {
    const float *x;        /* [d][STRATA_LEAF] 64-aligned, as are labels and found */
    const uint8_t *labels; /* [STRATA_LEAF] those before, NULL when there are none */
    int32_t count;
    const uint16_t *which; /* [count] centroids in question, ascending */
    const float *z;        /* [k][d + 1] as above */
    const float *box;      /* its own: middles and half widths, STRATA_BOXES apart */
    const int32_t *centroids; /* [k][d] */
    float slack; /* between more than two, a difference above it is sure */
    float blur;  /* what means between the steps take away from half a difference of squares */
    int64_t *sums; /* NULL, or [k][d + 1]: may be made to follow when no point is in doubt */
    /* out */
    uint8_t *found;           /* [STRATA_LEAF] labels */
    uint64_t unsure, changed; /* changed: all, when there were no labels */
    bool summed;              /* the sums have followed ... */
    int32_t moved;            /* ... so many points that changed */
    float gap; /* half the difference of squared distances to the two nearest is at least this for
                  each point, when there are two; below 0 when one is unsure */
} strata_leaf;

/* The clock at which a margin is used up; a little early, for the roundings of clocks and margins. */
static inline float strata_boxes_until(float clock, float margin)
{
    const float sum = clock + margin;
    return sum - 1e-6f * sum - 1e-3f;
}

/* Where the points of a leaf are. */
typedef struct strata_place {
    const float *x;
    uint8_t *labels;
} strata_place;

/* Leaves of a group between two centroids: what a plane decides. d <= 6, no weights. */
typedef struct strata_plane {
    const float *box;           /* as above */
    const int32_t *centroid[2]; /* [d] each */
    uint8_t label[2];           /* of these, ascending */
    int64_t *sums;              /* [k][d + 1] */
    float *safe;                /* [STRATA_BOXES] until when their labels stay, by the clock of ... */
    const uint16_t *owner;      /* ... these */
    float clock[3];             /* now, of the two and of leaves with both */
    uint32_t lanes;             /* leaves that must be visited */
    _Alignas(64) float margin[STRATA_BOXES]; /* to all other centroids; split makes it that of the
                                                nearer one to all others where a leaf is on one side */
    /* out of split */
    _Alignas(64) float height[STRATA_BOXES], slack[STRATA_BOXES], near_sum[STRATA_BOXES];
    uint32_t mixed;   /* leaves that may have points on both sides */
    uint32_t beyond;  /* leaves whose middle is nearer to the second */
    uint32_t settled; /* leaves on one side, which they were on before; their clocks are set */
    /* divide: labels, sums and clocks follow but for leaves in doubt, which are left as they are */
    uint32_t look;           /* in: which leaves ... */
    const strata_place *place; /* ... in turn; those of STRATA_AHEAD more are fetched meanwhile */
    uint32_t doubtful;       /* leaves with points too near the plane, or that had other labels */
    int64_t moved;           /* points that changed */
} strata_plane;

#endif
