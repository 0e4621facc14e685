/* leaves.c: see leaves.h. */
#include <string.h>

#include "cluster/leaves.h"
#include "strata/memory.h"

strata_status strata_leaves_init(strata_owners *own, const float *z, const float *drift,
                                 strata_leaves *out)
{
    strata_status rc = STRATA_OK;
    strata_context *ctx = own->order->view.ctx;
    *out = (strata_leaves){.own = own, .z = z, .drift = drift};
    STRATA_TRY(strata_alloc(ctx, (int64_t)STRATA_WAIT * own->k, sizeof *out->which, &out->which));
    STRATA_TRY(strata_alloc(ctx, STRATA_WAIT * STRATA_LEAF, 1, &out->found));
done:
    return rc;
}

void strata_leaves_release(strata_leaves *self)
{
    strata_free(&self->which);
    strata_free(&self->found);
}

/* ---- one by one ------------------------------------------------------------------------------ */

/* Labels a leaf's points and notes until when they must stay. */
static void look(strata_leaves *self, strata_leaf *leaf, int64_t number, float margin,
                 float near_sum)
{
    strata_owners *own = self->own;
    own->order->view.kernel->scan(leaf, own->d, own->order->view.origin);
    strata_owners_settle(own, number, leaf);
    own->owner[number] = leaf->count == 1 ? leaf->which[0] : STRATA_NOBODY;
    if (leaf->count > 1) {
        const float apart = 1.999f * leaf->gap / near_sum;
        margin = apart < margin ? apart : margin;
        own->pass->distances += STRATA_LEAF * leaf->count;
    }
    own->safe[number] = strata_boxes_until(self->drift[own->owner[number]], margin);
}

/* Where its points and labels are, and what bounds the errors. */
static void set_leaf(const strata_leaves *self, int64_t number, const float *boxes,
                     strata_leaf *leaf)
{
    strata_owners *own = self->own;
    const int l = (int)(number % STRATA_BOXES);
    const float reach = boxes[(2 * own->d + 2) * STRATA_BOXES + l];
    leaf->x = own->order->x + number * own->d * STRATA_LEAF;
    leaf->labels = own->pass->first ? NULL : strata_owners_labels(own, number);
    leaf->z = self->z;
    leaf->box = boxes + l;
    leaf->centroids = own->pass->centroids;
    leaf->slack = self->slope * reach + self->offset;
    leaf->blur = self->blur * (reach + self->reach);
    leaf->sums = strata_owners_sums(own, number);
}

/* Points and labels come from memory. */
static inline void fetch(const strata_leaves *self, const float *x, const uint8_t *labels)
{
    STRATA_PREFETCH(x, (size_t)self->own->d * STRATA_LEAF * sizeof *x, STRATA_SECOND);
    __builtin_prefetch(labels, 0, STRATA_SECOND);
}

static void look_at_leaves(strata_leaves *self)
{
    for (int32_t i = 0; i < self->count; i++)
        look(self, &self->leaf[i], self->number[i], self->margin[i], self->near_sum[i]);
    self->count = 0;
}

void strata_leaves_add(strata_leaves *self, int64_t number, const strata_boxes *boxes, float margin)
{
    const int l = (int)(number % STRATA_BOXES);
    if (self->count == STRATA_WAIT)
        look_at_leaves(self);
    const int32_t i = self->count++;
    strata_leaf *leaf = &self->leaf[i];
    uint16_t *which = self->which + (int64_t)i * self->own->k;
    set_leaf(self, number, boxes->box, leaf);
    leaf->count = strata_boxes_list(boxes, l, which);
    leaf->which = which;
    leaf->found = self->found + (int64_t)i * STRATA_LEAF;
    if (leaf->count > 1)
        fetch(self, leaf->x, leaf->labels);
    self->number[i] = number;
    self->margin[i] = margin;
    self->near_sum[i] = boxes->near_sum[l];
}

/* ---- pairs ----------------------------------------------------------------------------------- */

/* A leaf that the plane did not decide. */
static void look_again(strata_leaves *self, const strata_plane *p, int64_t group, int l)
{
    const int64_t number = group * STRATA_BOXES + l;
    const uint16_t which[2] = {p->label[0], p->label[1]};
    _Alignas(64) uint8_t found[STRATA_LEAF];
    strata_leaf leaf;
    set_leaf(self, number, p->box, &leaf);
    leaf.count = 2;
    leaf.which = which;
    leaf.found = found;
    look(self, &leaf, number, p->margin[l], p->near_sum[l]);
}

static void look_at_pair(strata_leaves *self, strata_plane *p, int64_t group)
{
    strata_owners *own = self->own;
    const strata_order *o = own->order;
    const int64_t leaf = group * STRATA_BOXES;
    if (p->look == 0)
        return;
    o->view.kernel->divide(p, own->d, o->view.origin);
    own->pass->moved += p->moved;
    own->pass->distances += 2 * STRATA_LEAF * (int64_t)__builtin_popcount(p->look);
    for (uint32_t bits = p->look & ~(p->mixed | p->doubtful); bits != 0; bits &= bits - 1) {
        const int l = __builtin_ctz(bits);
        own->owner[leaf + l] = p->label[p->beyond >> l & 1];
    }
    for (uint32_t bits = p->doubtful; bits != 0; bits &= bits - 1)
        look_again(self, p, group, __builtin_ctz(bits));
}

static void look_at_pairs(strata_leaves *self)
{
    const strata_place *next = self->place;
    for (int32_t i = 0; i < STRATA_AHEAD; i++) { /* the last of these are fetched twice */
        self->place[self->places + i] = self->place[self->places > 0 ? self->places - 1 : 0];
        if (i < self->places)
            fetch(self, self->place[i].x, self->place[i].labels);
    }
    for (int32_t i = 0; i < self->pairs; i++) {
        self->pair[i].place = next;
        next += __builtin_popcount(self->pair[i].look);
        look_at_pair(self, &self->pair[i], self->group[i]);
    }
    self->pairs = self->places = 0;
}

void strata_leaves_add_pair(strata_leaves *self, int64_t group, uint32_t lanes, int32_t a,
                            int32_t b, const float *margin)
{
    strata_owners *own = self->own;
    const strata_order *o = own->order;
    const int64_t leaf = group * STRATA_BOXES;
    const int32_t d = own->d;
    if (self->pairs == STRATA_WAIT_PAIRS)
        look_at_pairs(self);
    const int32_t i = self->pairs++;
    strata_plane *p = &self->pair[i];
    self->group[i] = group;
    p->box = strata_order_boxes(o, 0, group);
    p->centroid[0] = own->pass->centroids + (int64_t)a * d;
    p->centroid[1] = own->pass->centroids + (int64_t)b * d;
    p->label[0] = (uint8_t)a;
    p->label[1] = (uint8_t)b;
    p->sums = own->pass->sums;
    p->safe = own->safe + leaf;
    p->owner = own->owner + leaf;
    p->clock[0] = self->drift[a];
    p->clock[1] = self->drift[b];
    p->clock[2] = self->drift[STRATA_NOBODY];
    p->lanes = lanes;
    memcpy(p->margin, margin, sizeof p->margin);
    o->view.kernel->split(p, d, o->view.origin);
    own->pass->distances += 2 * (int64_t)__builtin_popcount(lanes);
    p->look = lanes & p->mixed;
    for (uint32_t bits = lanes & ~p->mixed & ~p->settled; bits != 0; bits &= bits - 1) {
        const int l = __builtin_ctz(bits);
        const uint8_t label = p->label[p->beyond >> l & 1];
        if (own->owner[leaf + l] == STRATA_NOBODY) {
            p->look |= 1u << l;
            continue;
        }
        strata_owners_take(own, 0, leaf + l, label);
        own->safe[leaf + l] = strata_boxes_until(self->drift[label], p->margin[l]);
    }
    for (uint32_t bits = p->look; bits != 0; bits &= bits - 1) {
        const int l = __builtin_ctz(bits);
        strata_owners_hand_down(own, 0, leaf + l);
        self->place[self->places++] = (strata_place){o->x + (leaf + l) * d * STRATA_LEAF,
                                                     strata_owners_labels(own, leaf + l)};
    }
}

void strata_leaves_flush(strata_leaves *self)
{
    look_at_pairs(self);
    look_at_leaves(self);
}
