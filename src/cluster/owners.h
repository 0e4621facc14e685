/* owners.h: who has the points of the space order. A node whose points have one label has an owner;
 * under a node without one, its children have, or points one by one. The sums of the clusters follow
 * whatever is said here. Of the variant filter; not collective. */
#ifndef STRATA_CLUSTER_OWNERS_H
#define STRATA_CLUSTER_OWNERS_H

#include "cluster/order.h"

typedef struct strata_owners {
    const strata_order *order;
    strata_problem leaf; /* the points of one leaf, when they are looked at one by one */
    int32_t d, k;
    bool once;         /* one pass, whose labels are not kept: inside is one leaf */
    strata_pass *pass; /* set by the caller for each pass */
    uint8_t *inside;   /* [groups of leaves, STRATA_BOXES, STRATA_LEAF] in this order; owned */
    uint16_t *owner;   /* [nodes] the one label of a node's points, or STRATA_NOBODY; owned */
    float *safe; /* [nodes] when it must be looked at, by its owner's clock (filter.c); owned */
} strata_owners;

strata_status strata_owners_init(const strata_problem *problem, int32_t k, bool once,
                                 strata_owners *out) STRATA_MUST_USE;
void strata_owners_release(strata_owners *self);

/* Every node must be looked at; those that do not exist never. */
void strata_owners_forget(strata_owners *self);

/* All points of a node get one label. */
void strata_owners_take(strata_owners *self, int32_t level, int64_t node, int32_t label);

/* A node's one label, if it has one, becomes its children's, or its points'. */
void strata_owners_spread(strata_owners *self, int32_t level, int64_t node);
static inline void strata_owners_hand_down(strata_owners *self, int32_t level, int64_t node)
{
    if (self->owner[strata_order_place(self->order, level, 0) + node] != STRATA_NOBODY)
        strata_owners_spread(self, level, node);
}

/* The labels that the kernel found for one leaf become its own. */
void strata_owners_settle(strata_owners *self, int64_t leaf, strata_leaf *scan);

/* labels [rows] of the problem. O(n). */
void strata_owners_write(const strata_owners *self, uint8_t *labels);

static inline uint8_t *strata_owners_labels(const strata_owners *self, int64_t leaf)
{
    return self->once ? self->inside : self->inside + leaf * STRATA_LEAF;
}

/* Where the sums of a leaf may be followed by a kernel: it knows no weights, and the copies that
 * fill up the last leaf must not be summed. */
static inline int64_t *strata_owners_sums(const strata_owners *self, int64_t leaf)
{
    const strata_problem *view = &self->order->view;
    const bool whole = (leaf + 1) * STRATA_LEAF <= view->n_local;
    return whole && !self->order->weights ? self->pass->sums : NULL;
}

#endif
