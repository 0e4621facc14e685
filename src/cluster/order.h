/* order.h: points along a space-filling curve, in leaves of a shallow tree with boxes and exact
 * sums. Depends on the points alone, so one order serves all restarts and every k. */
#ifndef STRATA_CLUSTER_ORDER_H
#define STRATA_CLUSTER_ORDER_H

#include "cluster/problem.h"

/* GCC takes a function that only prefetches for one without effect and drops its calls. cache: see
 * kernel.h. */
#define STRATA_PREFETCH(first, bytes, cache)                                                       \
    for (size_t byte = 0; byte < (size_t)(bytes); byte += 64)                                      \
    __builtin_prefetch((const char *)(first) + byte, 0, cache)

enum { STRATA_LEVELS = 12 /* 64 * 16^9 > 2^40 points */ };

/* Place i of the order is point i % STRATA_LEAF of leaf i / STRATA_LEAF; its feature f stands at
 * x[(leaf d + f) STRATA_LEAF + i % STRATA_LEAF]. The last leaf is filled up with copies of its last
 * point. Nodes come in groups of STRATA_BOXES, those under one node; group g of level l is the
 * (base[l] + g)th of all, and the places of a group's last nodes may be empty. */
typedef struct strata_order {
    strata_problem view; /* the problem; its x belongs to nobody */
    float *x;            /* [leaves, d, STRATA_LEAF]; owned */
    int64_t *weights;    /* [n_local] NULL = 1 each; owned */
    uint32_t *row;       /* [n_local] which row of the problem stands here; owned */
    int32_t levels;      /* level 0: leaves; the highest is one group */
    int64_t nodes[STRATA_LEVELS], base[STRATA_LEVELS];
    int64_t groups; /* of all levels */
    float *boxes;   /* [groups] strata_boxes_floats; owned */
    int64_t *sums;  /* [groups, STRATA_BOXES, d + 1] weighted sums and weight; owned */
} strata_order;

/* Not collective. The order of a problem's local points; kept in the problem until its release.
 * 4 d + 4 bytes a point, 16 d + 20 more in each 60 of them, and 8 a point while it is made. O(n). */
strata_status strata_order_get(const strata_problem *problem,
                               const strata_order **out) STRATA_MUST_USE;
void strata_order_destroy(strata_order **order);

/* Not collective. sums [k, d + 1] of this rank's points by their nearest centroid, the lowest on a
 * tie, and their weight; by the space order, which is made if need be. 2 bytes for each ten points
 * while it runs. */
strata_status strata_order_sum(const strata_problem *problem, int32_t k, const int32_t *centroids,
                               int64_t *sums) STRATA_MUST_USE;

static inline const float *strata_order_boxes(const strata_order *o, int32_t level, int64_t group)
{
    return o->boxes + (o->base[level] + group) * strata_boxes_floats(o->view.d);
}

/* The place of a group's first node in arrays of all nodes. */
static inline int64_t strata_order_place(const strata_order *o, int32_t level, int64_t group)
{
    return (o->base[level] + group) * STRATA_BOXES;
}

/* Points of node i of a level. */
static inline int64_t strata_order_points(const strata_order *o, int32_t level, int64_t node)
{
    int64_t each = STRATA_LEAF;
    for (; level > 0; level--)
        each *= STRATA_BOXES;
    int64_t left = o->view.n_local - node * each;
    return left < each ? left : each;
}

#endif
