/* bounds.h: what yinyang and elkan share. Each point keeps lower bounds of its distances to
 * centroids that are not its own: one for each crowd of sixteen (yinyang) or one for each centroid
 * (elkan).
 *
 * Two filters. `safe` says up to which drift of its label a point need not be looked at, as in
 * hamerly.c. A point that is looked at computes the distances to the crowd of its label, which
 * gives a tight upper bound of the distance to the nearest, and then those to every crowd with a
 * bound that is not above it.
 *
 * Proof. u = 2^-24. A kernel computes squares D as sums of squared differences of integers below
 * 2^24: at most d + 4 roundings, no cancellation, so D is off by a share of g = (d + 4) u / (1 -
 * (d + 4) u) at most. Four low bits then hold the lane, a share of r = 2^-19, and a denormal
 * number in place of 0. With q = r + g + r g (relative, rounded up) and B of kernel.h, at least 1/2, the
 * distance to the mean lies between sqrt(D)(1 - q) - B and sqrt(D)(1 + q) + B. A square root halves
 * shares, so q / 2 >= 16 u is left for the rounding of these formulas and of what follows.
 *
 * Order. Of two computed squares, sqrt(b)(1 - q) - B > sqrt(a)(1 + q) + B proves the second one
 * strictly farther. Otherwise exact integers decide, ties included.
 *
 * Drift. The drift of a crowd (a centroid) is the sum over the passes of the longest way that one
 * of its centroids (it) went, summed up in double and rounded up each time. By the triangle
 * inequality no distance to the crowd shrinks by more than the drift grows. A bound is kept as
 * lower = bound + drift then, and is lower - drift now, which needs no update from pass to pass.
 * Float sums are rounded down when stored (down <= drift, and the factor 1 - 2^-22 takes two
 * roundings), and the difference with up >= drift is rounded once, by a share of u, which the
 * reserve above covers in every comparison.
 *
 * Skipping a crowd. lower - up > upper proves that every centroid of it, but perhaps the label, is
 * strictly farther than one that was computed. So it is neither nearest nor tied. The label's own
 * crowd is always computed, hence the exception does no harm.
 *
 * Skipping a point. When it is settled, margin is at most the least bound minus the distance to
 * its label. Each pass the difference of the distances to its label and to any other centroid
 * shrinks by at most what the label moved and what the longest other one moved. That sum is the
 * drift of a label; while it is below the one at the settling + margin = safe, all others stay
 * strictly farther, and the label is the same under any rule for ties.
 *
 * Half way (elkan). d(z, j) / 2 > upper >= d(x, z) proves d(x, j) >= d(z, j) - upper > upper.
 *
 * What a row of bounds says of a label's own crowd excludes the label. It holds until the label
 * changes, and then this crowd is computed again; when a label is decided by integers, or given
 * from outside, nothing is excluded.
 *
 * Bounds do not pay while centroids move far. Tiles are scanned without them, as lloyd does, but
 * for one in SCOUTS, which tell when they begin to pay; from then on all tiles have them. */
#ifndef STRATA_CLUSTER_BOUNDS_H
#define STRATA_CLUSTER_BOUNDS_H

#include "cluster/sums.h"

/* each: one bound a centroid, not one a crowd. */
strata_status strata_bounds_create(const strata_problem *problem, int32_t k, bool each,
                                   uint8_t *labels, void **state) STRATA_MUST_USE;
void strata_bounds_assign(void *state, strata_pass *pass);
void strata_bounds_relabel(void *state, int64_t row, uint8_t label);
void strata_bounds_destroy(void **state);

/* ---- crowds.c -------------------------------------------------------------------------------- */

/* Bounds of a point, with those that fill its row. each: one a centroid. */
int64_t strata_crowds_width(int32_t k, bool each);

strata_status strata_crowds_init(strata_context *ctx, int32_t k, int32_t d, bool each,
                                 strata_crowds *out) STRATA_MUST_USE;
void strata_crowds_release(strata_crowds *crowds);

/* Puts centroids [k, d] that are near to each other into the same crowd. */
void strata_crowds_group(strata_crowds *crowds, const int32_t *centroids);

/* The centroids of a pass. */
void strata_crowds_set(strata_crowds *crowds, const int32_t *centroids);

#endif
