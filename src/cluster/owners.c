/* owners.c: see owners.h. */
#include <string.h>

#include "cluster/owners.h"
#include "cluster/sums.h"
#include "strata/memory.h"

strata_status strata_owners_init(const strata_problem *problem, int32_t k, bool once,
                                 strata_owners *out)
{
    strata_status rc = STRATA_OK;
    strata_context *ctx = problem->ctx;
    strata_owners self = {.d = problem->d, .k = k, .once = once};
    STRATA_TRY(strata_order_get(problem, &self.order));
    const int64_t nodes = self.order->groups * STRATA_BOXES;
    const int64_t leaves = (self.order->nodes[0] + STRATA_BOXES - 1) / STRATA_BOXES * STRATA_BOXES;
    self.leaf = self.order->view;
    self.leaf.stride = STRATA_LEAF;
    STRATA_TRY(strata_alloc(ctx, (once ? 1 : leaves) * STRATA_LEAF, 1, &self.inside));
    STRATA_TRY(strata_calloc(ctx, nodes, sizeof *self.owner, &self.owner));
    STRATA_TRY(strata_alloc(ctx, nodes, sizeof *self.safe, &self.safe));
    *out = self;
    self = (strata_owners){0};
done:
    strata_owners_release(&self);
    return rc;
}

void strata_owners_release(strata_owners *self)
{
    strata_free(&self->inside);
    strata_free(&self->owner);
    strata_free(&self->safe);
}

/* Without a visit: what was known about the node is no longer. */
static inline void set_owner(strata_owners *self, int64_t at, uint16_t owner)
{
    if (self->owner[at] != owner)
        self->safe[at] = -1;
    self->owner[at] = owner;
}

static void add_node(strata_owners *self, int64_t at, int32_t label, int64_t sign)
{
    const int64_t *sums = self->order->sums + at * (self->d + 1);
    int64_t *to = self->pass->sums + (int64_t)label * (self->d + 1);
    for (int32_t f = 0; f <= self->d; f++)
        to[f] += sign * sums[f];
}

/* The points of one leaf as a problem of their own; its labels and sums are followed there. */
static const strata_problem *enter_leaf(strata_owners *self, int64_t leaf)
{
    const strata_order *o = self->order;
    self->leaf.x = o->x + leaf * self->d * STRATA_LEAF;
    self->leaf.weights = o->weights ? o->weights + leaf * STRATA_LEAF : NULL;
    return &self->leaf;
}

/* Integers decide the points of a leaf that are in doubt. */
static void decide(strata_owners *self, int64_t leaf, uint64_t unsure, uint8_t *found)
{
    const strata_problem *points = enter_leaf(self, leaf);
    for (; unsure != 0; unsure &= unsure - 1) {
        const int i = __builtin_ctzll(unsure);
        found[i] = (uint8_t)strata_exact_nearest_mean(points, i, self->pass->centroids,
                                                      self->pass->rest, self->k);
        self->pass->redecided++;
    }
}

void strata_owners_settle(strata_owners *self, int64_t leaf, strata_leaf *scan)
{
    const int64_t points = strata_order_points(self->order, 0, leaf);
    const uint64_t real = points < STRATA_LEAF ? (UINT64_C(1) << points) - 1 : UINT64_MAX;
    uint8_t *inside = strata_owners_labels(self, leaf);
    uint64_t changed = scan->changed;
    if ((scan->unsure & real) != 0) {
        decide(self, leaf, scan->unsure & real, scan->found);
        if (!self->pass->first)
            (void)self->order->view.kernel->differ(inside, scan->found, STRATA_LEAF, &changed);
    }
    changed &= real;
    if (changed == 0)
        return;
    const strata_problem *in = enter_leaf(self, leaf);
    if (scan->summed)
        self->pass->moved += scan->moved;
    for (uint64_t bits = scan->summed ? 0 : changed; bits != 0; bits &= bits - 1) {
        const int i = __builtin_ctzll(bits);
        strata_sums_label(in, self->pass, i, inside, scan->found[i]);
    }
    memcpy(inside, scan->found, STRATA_LEAF);
}

/* A leaf's points all get one label. */
static void take_leaf(strata_owners *self, int64_t number, int32_t label)
{
    _Alignas(64) uint8_t found[STRATA_LEAF];
    const strata_order *o = self->order;
    const uint16_t which = (uint16_t)label;
    strata_leaf leaf = {.x = o->x + number * self->d * STRATA_LEAF,
                        .labels = strata_owners_labels(self, number),
                        .count = 1,
                        .which = &which,
                        .sums = strata_owners_sums(self, number),
                        .found = found};
    o->view.kernel->scan(&leaf, self->d, o->view.origin);
    strata_owners_settle(self, number, &leaf);
}

static int64_t children_end(const strata_order *o, int32_t level, int64_t node)
{
    int64_t end = (node + 1) * STRATA_BOXES;
    return end < o->nodes[level - 1] ? end : o->nodes[level - 1];
}

void strata_owners_take(strata_owners *self, int32_t level, int64_t node, int32_t label)
{
    const strata_order *o = self->order;
    const int64_t at = strata_order_place(o, level, 0) + node;
    if (self->pass->first) {
        add_node(self, at, label, 1);
    } else if (self->owner[at] != STRATA_NOBODY) {
        if (self->owner[at] != label) {
            add_node(self, at, self->owner[at], -1);
            add_node(self, at, label, 1);
            self->pass->moved += strata_order_points(o, level, node);
        }
    } else if (level > 0) {
        for (int64_t c = node * STRATA_BOXES; c < children_end(o, level, node); c++)
            strata_owners_take(self, level - 1, c, label);
    } else {
        take_leaf(self, node, label);
    }
    set_owner(self, at, (uint16_t)label);
}

void strata_owners_spread(strata_owners *self, int32_t level, int64_t node)
{
    const strata_order *o = self->order;
    const int64_t at = strata_order_place(o, level, 0) + node;
    const uint16_t label = self->owner[at];
    set_owner(self, at, STRATA_NOBODY);
    if (level == 0)
        memset(strata_owners_labels(self, node), label, STRATA_LEAF);
    for (int64_t c = node * STRATA_BOXES; level > 0 && c < children_end(o, level, node); c++)
        set_owner(self, strata_order_place(o, level - 1, 0) + c, label);
}

void strata_owners_forget(strata_owners *self)
{
    const strata_order *o = self->order;
    for (int32_t level = 0; level < o->levels; level++) {
        const int64_t end =
            level + 1 < o->levels ? strata_order_place(o, level + 1, 0) : o->groups * STRATA_BOXES;
        const int64_t first = strata_order_place(o, level, 0);
        for (int64_t at = first; at < end; at++)
            self->safe[at] = at < first + o->nodes[level] ? -1 : 3e38f;
    }
}

static void write_node(const strata_owners *self, int32_t level, int64_t node, int32_t above,
                       uint8_t *labels)
{
    const strata_order *o = self->order;
    const uint16_t own = self->owner[strata_order_place(o, level, 0) + node];
    const int32_t label = above != STRATA_NOBODY ? above : own;
    for (int64_t c = node * STRATA_BOXES; level > 0 && c < children_end(o, level, node); c++)
        write_node(self, level - 1, c, label, labels);
    if (level > 0)
        return;
    int64_t first = node * STRATA_LEAF, points = strata_order_points(o, 0, node);
    for (int64_t i = first; i < first + points; i++)
        labels[o->row[i]] = label != STRATA_NOBODY ? (uint8_t)label : self->inside[i];
}

void strata_owners_write(const strata_owners *self, uint8_t *labels)
{
    const int32_t top = self->order->levels - 1;
    for (int64_t node = 0; node < self->order->nodes[top]; node++)
        write_node(self, top, node, STRATA_NOBODY, labels);
}
