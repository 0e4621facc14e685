/* distinct.h: equal rows of this rank as one weighted point. Depends on the points alone, so it is made
 * once and serves all restarts and every k. */
#ifndef STRATA_CLUSTER_DISTINCT_H
#define STRATA_CLUSTER_DISTINCT_H

#include "cluster/problem.h"

typedef struct strata_distinct {
    strata_problem
        view;        /* the distinct rows in order of appearance, weighted by the sum of the weights
                            of the rows; knows this rank only; x, weights and more owned */
    uint32_t *point; /* [n_local] the point of a row; owned */
    int64_t *rows;   /* [view.n_local] how many rows are that point; owned */
} strata_distinct;

/* Not collective. The distinct rows of a problem; kept in the problem until its release. 4 bytes a row,
 * 4 d + 17 a distinct row (16 more while it is made). O(n d). */
strata_status strata_distinct_get(const strata_problem *problem,
                                  const strata_distinct **out) STRATA_MUST_USE;
void strata_distinct_destroy(strata_distinct **distinct);

/* Not collective. About how many distinct rows this rank has, from rows drawn evenly, up to limit of
 * them: exact when they are all rows, else the d distinct ones of m drawn and, of the rows not
 * drawn, the share of drawn rows that nobody equals (Good 1953, doi 10.1093/biomet/40.3-4.237: the
 * share of rows whose value was not drawn). That is too many rather than too few. */
strata_status strata_distinct_estimate(const strata_problem *problem, int64_t limit,
                                       int64_t *out) STRATA_MUST_USE;

#endif
