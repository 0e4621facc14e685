/* leaves.h: leaves of the space order that must be looked at, point by point. They wait for one
 * another, so that their points are on the way from memory meanwhile. Of the variant filter; not
 * collective. */
#ifndef STRATA_CLUSTER_LEAVES_H
#define STRATA_CLUSTER_LEAVES_H

#include "cluster/owners.h"

/* Leaves that wait, each with its own centroids; and groups of leaves between two centroids. */
enum { STRATA_WAIT = 32, STRATA_WAIT_PAIRS = 64 };
typedef struct strata_leaves {
    strata_owners *own;
    const float *z;      /* [k][d + 1] centroids as of boxes.h */
    const float *drift;  /* [STRATA_NOBODY + 1] the clocks (filter.c) */
    float slope, offset; /* of the slack of a leaf's points: see boxes.h */
    float blur, reach;   /* 3 B; C */
    int32_t count;
    strata_leaf leaf[STRATA_WAIT];
    int64_t number[STRATA_WAIT]; /* which leaf */
    float margin[STRATA_WAIT];   /* to the centroids out of the question */
    float near_sum[STRATA_WAIT]; /* of its box */
    uint16_t *which;             /* [STRATA_WAIT, k] owned */
    uint8_t *found;              /* [STRATA_WAIT, STRATA_LEAF] owned */
    int32_t pairs, places;       /* groups between two centroids, and their leaves to look at */
    strata_plane pair[STRATA_WAIT_PAIRS];
    int64_t group[STRATA_WAIT_PAIRS];
    strata_place place[STRATA_WAIT_PAIRS * STRATA_BOXES + STRATA_AHEAD];
} strata_leaves;

strata_status strata_leaves_init(strata_owners *own, const float *z, const float *drift,
                                 strata_leaves *out) STRATA_MUST_USE;
void strata_leaves_release(strata_leaves *self);

/* A leaf is to be looked at: boxes is its group's. margin: to the centroids that are out of the
 * question. */
void strata_leaves_add(strata_leaves *self, int64_t number, const strata_boxes *boxes,
                       float margin);

/* Whether the leaves of a group may be added as pairs: their points have labels, but no weights, and
 * none is a copy. */
static inline bool strata_leaves_pairable(const strata_leaves *self, int64_t group)
{
    const strata_problem *view = &self->own->order->view;
    return self->own->d <= 6 && !self->own->pass->first && !self->own->order->weights &&
           (group + 1) * STRATA_BOXES * STRATA_LEAF <= view->n_local;
}

/* lanes: leaves of a pairable group where only the labels a < b are in question, with their margins
 * [STRATA_BOXES] to all others. */
void strata_leaves_add_pair(strata_leaves *self, int64_t group, uint32_t lanes, int32_t a,
                            int32_t b, const float *margin);

/* Looks at the leaves that wait. */
void strata_leaves_flush(strata_leaves *self);

#endif
