/* masses.h: squared distances of points in space order to the nearest centre so far.
 *
 * A new centre changes what is near it only. So a node whose box is farther from it than any of its
 * points is from a centre already is passed over with all that is below it; the more centres there
 * are, the fewer points a new one meets. Draws go by the order of the rows, not by this one: sums
 * are kept for each tile of rows, and follow the points that change. */
#ifndef STRATA_CLUSTER_MASSES_H
#define STRATA_CLUSTER_MASSES_H

#include "cluster/order.h"

typedef struct strata_masses {
    const strata_order *order;
    int64_t *nearest; /* [leaves, STRATA_LEAF] squared distances; 0 where there is no point; owned */
    int64_t *most;    /* [groups, STRATA_BOXES] no point of a node is farther; owned */
    strata_u128 *tile_sum; /* [tiles of rows] of weight * nearest; borrowed; NULL with near */
    /* For candidates by the hundred: */
    uint16_t *near;     /* [leaves, STRATA_LEAF] which centre that is; borrowed; NULL = not kept */
    double *scratch;    /* owned */
    __int128 sum;       /* of weight * nearest over all points of this rank */
} strata_masses;

/* Not collective. No centre yet: every distance is 1, and so are the tile sums [n_tiles] set. 8 bytes
 * a point. */
strata_status strata_masses_init(const strata_order *order, strata_u128 *tile_sum,
                                 strata_masses *out) STRATA_MUST_USE;
void strata_masses_release(strata_masses *masses);

/* Not collective. A further centre; with the first one the distances are those to it. */
void strata_masses_add(strata_masses *masses, const int32_t *centre, bool first);

/* Not collective. By how much such a centre would lower the sum over all points of this rank. Not
 * before there is a first centre. */
__int128 strata_masses_gain(const strata_masses *masses, const int32_t *centre);

/* Not collective. No candidate yet, for strata_masses_fold. near is filled by it. */
strata_status strata_masses_init_near(const strata_order *order, uint16_t *near,
                                      strata_masses *out) STRATA_MUST_USE;

/* Not collective. Further candidates c [first + count, d] from first on, in any number of calls by rising
 * first: near is the lowest of the nearest ones. Boxes narrow down who is in question, as in the
 * filter, so the first call costs a few distances a point and the others less. */
void strata_masses_fold(strata_masses *masses, const int32_t *c, int64_t first, int64_t count);

#endif
