/* order.h: points along a space-filling curve, in leaves of a shallow tree with boxes and exact
 * sums. Depends on the points alone, so one order serves all restarts and every k. */
#ifndef STRATA_CLUSTER_ORDER_H
#define STRATA_CLUSTER_ORDER_H

#include "cluster/problem.h"

enum {
    STRATA_LEAF = 256, /* points of a leaf; a multiple of STRATA_BLOCK */
    STRATA_FANOUT = 8, /* nodes under one node */
    STRATA_LEVELS = 16 /* 256 * 8^11 > 2^40 points */
};

typedef struct strata_order {
    strata_problem view; /* the problem with its rows in this order; x and weights owned */
    uint32_t *row;       /* [n_local] which row of the problem stands here; owned */
    int32_t levels;      /* level 0: leaves; the highest has at most STRATA_FANOUT nodes */
    int64_t nodes[STRATA_LEVELS];
    int64_t base[STRATA_LEVELS]; /* where a level's nodes begin in the arrays below */
    int64_t total;
    float *low, *high; /* [total, d] boxes; owned */
    int64_t *sums;     /* [total, d + 1] weighted sums and weight; owned */
    float *radius;     /* [leaves] upper bound of |x - origin|; owned */
} strata_order;

/* Not collective. The order of a problem's local points; kept in the problem until its release.
 * 4 d + 4 bytes a point (12 d + 8 more in each 256 of them). O(n). */
strata_status strata_order_get(const strata_problem *problem,
                               const strata_order **out) STRATA_MUST_USE;
void strata_order_destroy(strata_order **order);

/* Points of node i of a level, and the first of them. */
static inline int64_t strata_order_first(int32_t level, int64_t node)
{
    for (; level > 0; level--)
        node *= STRATA_FANOUT;
    return node * STRATA_LEAF;
}

static inline int64_t strata_order_points(const strata_order *o, int32_t level, int64_t node)
{
    int64_t first = strata_order_first(level, node), end = strata_order_first(level, node + 1);
    return (end < o->view.n_local ? end : o->view.n_local) - first;
}

#endif
