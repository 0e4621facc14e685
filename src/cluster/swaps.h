/* swaps.h: a search for good centres among few points, before Lloyd's steps on many.
 *
 * Lloyd's steps move a centre among its neighbours only: two centres that share one cluster never
 * part, and three clusters that share two never get the third. A swap takes a centre away and sets
 * another one elsewhere, however far that is. */
#ifndef STRATA_CLUSTER_SWAPS_H
#define STRATA_CLUSTER_SWAPS_H

#include "cluster/problem.h"

/* Not collective: the points of this rank are all. Puts points in the place of centres [k, d],
 * 2 <= k, while that lowers the inertia: each point in turn for the centre that it replaces best, round
 * and round until none helps, at most `rounds` times (the eager swaps of FasterPAM, Schubert &
 * Rousseeuw 2021, doi 10.1016/j.is.2021.101804, on weighted squared distances). The centres need not
 * be points. Integers, so a function of its arguments alone. O(n d + k) for a point that is tried,
 * O(n d + k d) when it is taken; 32 bytes a point. */
strata_status strata_swaps_improve(const strata_problem *points, int32_t k, int32_t rounds,
                                   int32_t *centres) STRATA_MUST_USE;

#endif
