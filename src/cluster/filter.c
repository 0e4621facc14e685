/* filter.c: the space filter (Kanungo et al. 2002, doi 10.1109/TPAMI.2002.1017616; Pelleg &
 * Moore 1999), with bounds (Hamerly 2010, doi 10.1137/1.9781611972801.12) on boxes instead of
 * points.
 *
 * Going down the tree of order.h, a centroid z that is farther than another one, b, from every
 * place in a node's box is dropped there. A box with one centroid left is added whole. In a leaf
 * with several left, the points are labelled among those only. Sixteen boxes are tested together
 * (boxes.h).
 *
 * Each node also remembers for how long its labels must stay: `margin` is a lower bound of d(x,
 * z) - d(x, label) over its points and all other centroids z. A centroid that moves by m changes
 * each distance by at most m, so that difference shrinks by at most m(label) + m(z) <= m(label) +
 * the largest move of another centroid. Summed up over the passes for each label this is its drift, a
 * clock of its own; for nodes of several labels the clock is the sum of the two largest moves. While
 * the clock has not gone on by the margin, no label in the node can change, and it is not visited at
 * all. Near the end of a walk, few are. A node whose owner changes other than by a visit forgets
 * its margin, as it was told by another clock.
 *
 * The same labels as lloyd, hence the same sums, moves and inertia: a box test keeps any centroid
 * that might win a tie, and margins are rounded down. */
#include <math.h>
#include <string.h>

#include "cluster/order.h"
#include "cluster/sums.h"
#include "strata/memory.h"

/* Centroids still in question at one level of the descent. */
typedef struct contest {
    int32_t count;
    int32_t *label; /* [k] */
    float *z;       /* [k, d + 1] c' and |c'|^2 / 2 */
} contest;

/* Leaves that wait to be looked at. Their points are on the way from memory meanwhile, so that the
 * look need not wait for them. */
enum { QUEUE = 32 };
typedef struct queue {
    int32_t count;
    strata_leaf leaf[QUEUE];
    int64_t number[QUEUE]; /* which leaf */
    float margin[QUEUE];   /* to the centroids out of the question */
    float near_sum[QUEUE]; /* of its box */
    uint8_t parent[QUEUE]; /* lane of the node above */
    uint16_t *which;       /* [QUEUE, k] owned */
    uint8_t *found;        /* [QUEUE, STRATA_LEAF] owned */
} queue;

typedef struct filter {
    const strata_order *order;
    strata_problem leaf; /* see enter_leaf */
    int32_t k, d;
    uint8_t *labels; /* [stride] of the caller */
    bool once;       /* one pass, whose labels are not kept: inside is one leaf */
    uint8_t *inside; /* [groups of leaves, STRATA_BOXES, STRATA_LEAF] in this order; owned */
    uint16_t *owner; /* [nodes] the one label of a node's points, or NOBODY; owned */
    float *safe;     /* [nodes] its owner's drift at which it must be looked at; owned */
    double went[STRATA_NOBODY + 1]; /* drift, by owner */
    float drift[STRATA_NOBODY + 1]; /* the same, rounded up */
    int32_t *before;                /* [k, d] centroids of the pass before; owned */
    uint16_t *others;               /* [levels, k] scratch of the descent; owned */
    contest at[STRATA_LEVELS + 1]; /* of the descent; at [levels] all */
    contest lane[STRATA_BOXES]; /* of the nodes above leaves: leaves that wait refer to them */
    queue wait;
    uint8_t parent;            /* lane of the node above the group of leaves that is visited */
    float under[STRATA_BOXES]; /* by how much the clocks may go on for the leaves looked at, by that
                                  lane */
    float slope, offset, point_slope, point_offset; /* see boxes.h */
    strata_pass *pass;
} filter;

/* The places of nodes in arrays of all nodes. */
static inline int64_t group_place(const strata_order *o, int32_t level, int64_t group)
{
    return (o->base[level] + group) * STRATA_BOXES;
}

static inline uint8_t *labels_of(const filter *self, int64_t leaf)
{
    return self->once ? self->inside : self->inside + leaf * STRATA_LEAF;
}

static void destroy(void **state)
{
    filter *self = *state;
    if (self) {
        for (int32_t l = 0; l <= STRATA_LEVELS; l++) {
            strata_free(&self->at[l].label);
            strata_free(&self->at[l].z);
        }
        for (int l = 0; l < STRATA_BOXES; l++) {
            strata_free(&self->lane[l].label);
            strata_free(&self->lane[l].z);
        }
        strata_free(&self->wait.which);
        strata_free(&self->wait.found);
        strata_free(&self->inside);
        strata_free(&self->owner);
        strata_free(&self->safe);
        strata_free(&self->before);
        strata_free(&self->others);
    }
    strata_free(state);
}

static strata_status allocate_contest(strata_context *ctx, int64_t k, int64_t d, contest *out)
{
    strata_status rc = strata_alloc(ctx, k, sizeof *out->label, &out->label);
    return rc != STRATA_OK ? rc : strata_alloc(ctx, k * (d + 1), sizeof *out->z, &out->z);
}

static strata_status allocate(strata_context *ctx, filter *self)
{
    strata_status rc = STRATA_OK;
    const strata_order *o = self->order;
    const int64_t k = self->k, d = self->d, nodes = o->groups * STRATA_BOXES;
    const int64_t leaves = (o->nodes[0] + STRATA_BOXES - 1) / STRATA_BOXES * STRATA_BOXES;
    STRATA_TRY(strata_alloc(ctx, (self->once ? 1 : leaves) * STRATA_LEAF, 1, &self->inside));
    STRATA_TRY(strata_calloc(ctx, nodes, sizeof *self->owner, &self->owner));
    STRATA_TRY(strata_alloc(ctx, nodes, sizeof *self->safe, &self->safe));
    STRATA_TRY(strata_alloc(ctx, k * d, sizeof *self->before, &self->before));
    STRATA_TRY(strata_alloc(ctx, o->levels * k, sizeof *self->others, &self->others));
    queue *q = &self->wait;
    STRATA_TRY(strata_alloc(ctx, QUEUE * k, sizeof *q->which, &q->which));
    STRATA_TRY(strata_alloc(ctx, QUEUE * STRATA_LEAF, 1, &q->found));
    for (int32_t l = 0; l <= o->levels; l++)
        STRATA_TRY(allocate_contest(ctx, k, d, &self->at[l]));
    for (int l = 0; l < STRATA_BOXES; l++)
        STRATA_TRY(allocate_contest(ctx, k, d, &self->lane[l]));
done:
    return rc;
}

static strata_status make(const strata_problem *problem, int32_t k, uint8_t *labels, bool once,
                          filter **out)
{
    strata_status rc = STRATA_OK;
    filter *self = NULL;
    STRATA_TRY(strata_calloc(problem->ctx, 1, sizeof *self, &self));
    *self = (filter){.k = k, .d = problem->d, .labels = labels, .once = once};
    STRATA_TRY(strata_order_get(problem, &self->order));
    self->leaf = self->order->view;
    self->leaf.stride = STRATA_LEAF;
    STRATA_TRY(allocate(problem->ctx, self));
    *out = self;
    self = NULL;
done:
    if (self) {
        void *unfinished = self;
        destroy(&unfinished);
    }
    return rc;
}

static strata_status create(const strata_problem *problem, int32_t k, uint8_t *labels, void **state)
{
    filter *self = NULL;
    strata_status rc = make(problem, k, labels, false, &self);
    if (rc == STRATA_OK)
        *state = self;
    return rc;
}

/* ---- sums follow labels ---------------------------------------------------------------------- */

/* Without a visit: what was known about the node is no longer. */
static inline void set_owner(filter *self, int64_t at, uint16_t owner)
{
    if (self->owner[at] != owner)
        self->safe[at] = -1;
    self->owner[at] = owner;
}

static void add_node(filter *self, int64_t at, int32_t label, int64_t sign)
{
    const int64_t *sums = self->order->sums + at * (self->d + 1);
    int64_t *to = self->pass->sums + (int64_t)label * (self->d + 1);
    for (int32_t f = 0; f <= self->d; f++)
        to[f] += sign * sums[f];
}

/* The points of one leaf as a problem of their own; its labels and sums are followed there. */
static const strata_problem *enter_leaf(filter *self, int64_t leaf)
{
    const strata_order *o = self->order;
    self->leaf.x = o->x + leaf * self->d * STRATA_LEAF;
    self->leaf.weights = o->weights ? o->weights + leaf * STRATA_LEAF : NULL;
    return &self->leaf;
}

/* Integers decide the points of a leaf that are in doubt. */
static void decide(filter *self, int64_t leaf, uint64_t unsure, uint8_t *found)
{
    const strata_problem *points = enter_leaf(self, leaf);
    for (; unsure != 0; unsure &= unsure - 1) {
        const int i = __builtin_ctzll(unsure);
        found[i] = (uint8_t)strata_exact_nearest(points, i, self->pass->centroids, self->k, NULL);
        self->pass->redecided++;
    }
}

/* The labels that were found for one leaf become its own. */
static void settle_leaf(filter *self, int64_t leaf, strata_leaf *scan)
{
    const int64_t points = strata_order_points(self->order, 0, leaf);
    const uint64_t real = points < STRATA_LEAF ? (UINT64_C(1) << points) - 1 : UINT64_MAX;
    uint8_t *inside = labels_of(self, leaf);
    uint64_t changed = scan->changed;
    if ((scan->unsure & real) != 0) {
        decide(self, leaf, scan->unsure & real, scan->found);
        if (!self->pass->first)
            self->order->view.kernel->differ(inside, scan->found, STRATA_LEAF, &changed);
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
static void take_leaf(filter *self, int64_t number, int32_t label)
{
    _Alignas(64) uint8_t found[STRATA_LEAF];
    const strata_order *o = self->order;
    const uint16_t which = 0;
    const bool whole = (number + 1) * STRATA_LEAF <= o->view.n_local;
    strata_leaf leaf = {.x = o->x + number * self->d * STRATA_LEAF,
                        .labels = labels_of(self, number),
                        .count = 1,
                        .which = &which,
                        .label = &label,
                        .sums = !o->weights && whole ? self->pass->sums : NULL,
                        .found = found};
    o->view.kernel->scan(&leaf, self->d, o->view.origin);
    settle_leaf(self, number, &leaf);
}

static int64_t children_end(const strata_order *o, int32_t level, int64_t node)
{
    int64_t end = (node + 1) * STRATA_BOXES;
    return end < o->nodes[level - 1] ? end : o->nodes[level - 1];
}

/* All points of a node get one label. */
static void take_node(filter *self, int32_t level, int64_t node, int32_t label)
{
    const strata_order *o = self->order;
    const int64_t at = group_place(o, level, 0) + node;
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
            take_node(self, level - 1, c, label);
    } else {
        take_leaf(self, node, label);
    }
    set_owner(self, at, (uint16_t)label);
}

/* A node's one label becomes its children's, or its points'. */
static void hand_down(filter *self, int32_t level, int64_t node)
{
    const strata_order *o = self->order;
    const int64_t at = group_place(o, level, 0) + node;
    const uint16_t label = self->owner[at];
    if (label == STRATA_NOBODY)
        return;
    set_owner(self, at, STRATA_NOBODY);
    if (level == 0)
        memset(labels_of(self, node), label, STRATA_LEAF);
    for (int64_t c = node * STRATA_BOXES; level > 0 && c < children_end(o, level, node); c++)
        set_owner(self, group_place(o, level - 1, 0) + c, label);
}

/* ---- leaves ---------------------------------------------------------------------------------- */

/* The clock at which a margin is used up; a little early, for the roundings of clocks and margins. */
static inline float until(float drift, float margin)
{
    const float sum = drift + margin;
    return sum - 1e-6f * sum - 1e-3f;
}

/* Looks at the leaves that wait. */
static void scan_waiting(filter *self)
{
    const strata_order *o = self->order;
    queue *q = &self->wait;
    for (int32_t i = 0; i < q->count; i++) {
        strata_leaf *leaf = &q->leaf[i];
        const int64_t at = q->number[i];
        float left = q->margin[i];
        o->view.kernel->scan(leaf, self->d, o->view.origin);
        settle_leaf(self, at, leaf);
        self->owner[at] =
            leaf->count == 1 ? (uint16_t)leaf->label[leaf->which[0]] : STRATA_NOBODY;
        if (leaf->count > 1) {
            const float apart = 1.999f * leaf->gap / q->near_sum[i];
            left = apart < left ? apart : left;
            self->pass->distances += STRATA_LEAF * leaf->count;
        }
        self->safe[at] = until(self->drift[self->owner[at]], left);
        if (left < self->under[q->parent[i]])
            self->under[q->parent[i]] = left;
    }
    q->count = 0;
}

/* GCC takes a function that only prefetches for one without effect and drops its calls. */
#define PREFETCH(first, bytes)                                                                     \
    for (size_t byte = 0; byte < (size_t)(bytes); byte += 64)                                      \
    __builtin_prefetch((const char *)(first) + byte)

/* The centroids that stay in question in box l. */
static void narrow(const filter *self, const strata_boxes *boxes, int l, const contest *in,
                   contest *out)
{
    const size_t step = (size_t)self->d + 1;
    out->count = 0;
    for (int32_t q = 0; q < in->count; q++) {
        if (q != boxes->nearest[l] && !(boxes->others[q] >> l & 1))
            continue;
        out->label[out->count] = in->label[q];
        memcpy(out->z + (size_t)out->count * step, in->z + (size_t)q * step, step * sizeof *in->z);
        out->count++;
    }
}

/* Their positions; returns how many. */
static int32_t list_rivals(const strata_boxes *boxes, int l, uint16_t *which)
{
    const uint16_t nearest = boxes->nearest[l], rival = boxes->rival[l];
    int32_t count = 0;
    if (boxes->rivals[l] == 1) {
        which[0] = nearest < rival ? nearest : rival;
        which[1] = nearest < rival ? rival : nearest;
        return 2;
    }
    for (int32_t q = 0; q < boxes->count; q++)
        if (q == nearest || (boxes->others[q] >> l & 1))
            which[count++] = (uint16_t)q;
    return count;
}

/* The plane between the two centroids of leaf l of sixteen, around the middle of its box. */
static void set_plane(const filter *self, const strata_boxes *boxes, int l, strata_leaf *leaf)
{
    const int32_t d = self->d, *centroids = self->pass->centroids;
    const int32_t *a = centroids + leaf->label[leaf->which[0]] * d;
    const int32_t *b = centroids + leaf->label[leaf->which[1]] * d;
    const float *middle = boxes->box + l, *half = middle + d * STRATA_BOXES;
    const float *origin = self->order->view.origin;
    const float unit = 0x1p-24f * 1.02f * (float)(d + 6);
    double height = 0;
    float size = 0;
    for (int32_t f = 0; f < d; f++) {
        leaf->middle[f] = origin[f] + middle[f * STRATA_BOXES];
        leaf->slope[f] = (float)(b[f] - a[f]);
        height += (double)(b[f] - a[f]) * (0.5 * (double)(a[f] + b[f]) - (double)leaf->middle[f]);
        size += fabsf(leaf->slope[f]) * (half[f * STRATA_BOXES] + 2);
    }
    leaf->height = (float)height;
    leaf->slack = unit * (fabsf(leaf->height) + size) + (float)d;
}

/* Puts a leaf into the queue with the centroids that are in question there. */
static void wait_for_leaf(filter *self, int64_t number, const strata_boxes *boxes,
                          const contest *in, float margin)
{
    const strata_order *o = self->order;
    const int32_t d = self->d;
    const int l = (int)(number % STRATA_BOXES);
    queue *q = &self->wait;
    if (q->count == QUEUE)
        scan_waiting(self);
    const float reach = boxes->box[(2 * d + 2) * STRATA_BOXES + l];
    const bool whole = (number + 1) * STRATA_LEAF <= o->view.n_local;
    strata_leaf *leaf = &q->leaf[q->count];
    uint16_t *which = q->which + (int64_t)q->count * self->k;
    leaf->x = o->x + number * d * STRATA_LEAF;
    leaf->labels = self->pass->first ? NULL : labels_of(self, number);
    leaf->count = list_rivals(boxes, l, which);
    leaf->which = which;
    leaf->z = in->z;
    leaf->label = in->label;
    leaf->slack = self->point_slope * reach + self->point_offset;
    if (leaf->count == 2 && d <= STRATA_PLANE_D)
        set_plane(self, boxes, l, leaf);
    /* the copies that fill up the last leaf must not be summed */
    leaf->sums = !o->weights && whole ? self->pass->sums : NULL;
    leaf->found = q->found + (int64_t)q->count * STRATA_LEAF;
    if (!self->pass->first)
        PREFETCH(leaf->labels, STRATA_LEAF);
    if (leaf->count > 1)
        PREFETCH(leaf->x, (size_t)d * STRATA_LEAF * sizeof *leaf->x);
    q->number[q->count] = number;
    q->margin[q->count] = margin;
    q->near_sum[q->count] = boxes->near_sum[l];
    q->parent[q->count++] = self->parent;
}

/* ---- descent --------------------------------------------------------------------------------- */

/* Sixteen leaves: those of one owner are settled at once, the others wait. left: by how much the
 * clocks may go on. */
static void visit_leaves(filter *self, int64_t group, uint32_t expired, uint32_t mixed,
                         const strata_boxes *boxes, const contest *in, float *left)
{
    for (uint32_t bits = expired; bits != 0; bits &= bits - 1) {
        const int l = __builtin_ctz(bits);
        const int64_t leaf = group * STRATA_BOXES + l;
        const int32_t label = in->label[boxes->nearest[l]];
        const bool scattered = self->owner[leaf] == STRATA_NOBODY && !self->pass->first;
        if ((mixed >> l & 1) == 0 && !scattered) {
            if (self->owner[leaf] != label || self->pass->first)
                take_node(self, 0, leaf, label);
            self->safe[leaf] = until(self->drift[label], left[l]);
            continue;
        }
        if (!self->pass->first)
            hand_down(self, 0, leaf);
        wait_for_leaf(self, leaf, boxes, in, left[l]);
    }
}

static float visit(filter *self, int32_t level, int64_t group, const contest *in, float margin);

/* The boxes and clocks of the groups that are visited next. */
static void fetch_groups(const filter *self, int32_t level, int64_t first, uint32_t which)
{
    const strata_order *o = self->order;
    for (uint32_t bits = which; bits != 0; bits &= bits - 1) {
        const int64_t group = first + __builtin_ctz(bits), at = group_place(o, level, group);
        PREFETCH(strata_order_boxes(o, level, group),
                 (size_t)strata_boxes_floats(self->d) * sizeof *o->boxes);
        PREFETCH(self->safe + at, STRATA_BOXES * sizeof *self->safe);
        PREFETCH(self->owner + at, STRATA_BOXES * sizeof *self->owner);
    }
}

/* Sixteen nodes: those of one owner are settled, the others visited. */
static void visit_nodes(filter *self, int32_t level, int64_t group, uint32_t expired,
                        uint32_t mixed, const strata_boxes *boxes, const contest *in, float *left)
{
    const int64_t first = group * STRATA_BOXES, at = group_place(self->order, level, group);
    contest *below = &self->at[level];
    fetch_groups(self, level - 1, first, mixed);
    for (int l = 0; level == 1 && l < STRATA_BOXES; l++)
        self->under[l] = 3e38f;
    for (uint32_t bits = expired; bits != 0; bits &= bits - 1) {
        const int l = __builtin_ctz(bits);
        const int32_t label = in->label[boxes->nearest[l]];
        if ((mixed >> l & 1) == 0) {
            if (self->owner[at + l] != label || self->pass->first)
                take_node(self, level, first + l, label);
            continue;
        }
        if (level == 1)
            below = &self->lane[l];
        narrow(self, boxes, l, in, below);
        if (!self->pass->first)
            hand_down(self, level, first + l);
        self->owner[at + l] = STRATA_NOBODY;
        if (level == 1)
            self->parent = (uint8_t)l;
        left[l] = visit(self, level - 1, first + l, below, left[l]);
    }
    if (level == 1) {
        scan_waiting(self);
        for (int l = 0; l < STRATA_BOXES; l++)
            left[l] = self->under[l] < left[l] ? self->under[l] : left[l];
    }
    for (uint32_t bits = expired; bits != 0; bits &= bits - 1) {
        const int l = __builtin_ctz(bits);
        self->safe[at + l] = until(self->drift[self->owner[at + l]], left[l]);
    }
}

/* Labels a group, given the centroids in question and the margin to those dropped above. Returns by
 * how much the clocks may go on before it must be looked at again, but for the leaves that wait. */
static float visit(filter *self, int32_t level, int64_t group, const contest *in, float margin)
{
    const strata_order *o = self->order;
    const int64_t at = group_place(o, level, group);
    _Alignas(64) float left[STRATA_BOXES];
    const uint32_t expired =
        o->view.kernel->expired(self->safe + at, self->owner + at, self->drift, left);
    if (expired != 0) {
        strata_boxes boxes;
        boxes.d = self->d;
        boxes.count = in->count;
        boxes.box = strata_order_boxes(o, level, group);
        boxes.z = in->z;
        boxes.slope = self->slope;
        boxes.offset = self->offset;
        boxes.others = self->others + (int64_t)level * self->k;
        o->view.kernel->prune(&boxes);
        uint32_t mixed = 0;
        for (int32_t q = 0; q < in->count; q++)
            mixed |= boxes.others[q];
        mixed &= expired;
        self->pass->distances += __builtin_popcount(expired) * (int64_t)in->count;
        for (int l = 0; l < STRATA_BOXES; l++) {
            const float found = boxes.margin[l] < margin ? boxes.margin[l] : margin;
            left[l] = expired >> l & 1 ? found : left[l];
        }
        if (level == 0)
            visit_leaves(self, group, expired, mixed, &boxes, in, left);
        else
            visit_nodes(self, level, group, expired, mixed, &boxes, in, left);
    }
    float soonest = left[0];
    for (int l = 1; l < STRATA_BOXES; l++)
        soonest = left[l] < soonest ? left[l] : soonest;
    return soonest;
}

/* Every node must be looked at; those that do not exist never. */
static void forget_margins(filter *self)
{
    const strata_order *o = self->order;
    for (int32_t level = 0; level < o->levels; level++) {
        const int64_t end =
            level + 1 < o->levels ? group_place(o, level + 1, 0) : o->groups * STRATA_BOXES;
        const int64_t first = group_place(o, level, 0);
        for (int64_t at = first; at < end; at++)
            self->safe[at] = at < first + o->nodes[level] ? -1 : 3e38f;
    }
}

/* The clocks go on: for owner j by its own move and the largest of another centroid. */
static void advance_clocks(filter *self, const int32_t *centroids)
{
    double moves[STRATA_K_MAX], most = 0, second = 0;
    int32_t which = 0;
    for (int32_t j = 0; j < self->k; j++) {
        double squared = 0;
        for (int32_t f = 0; f < self->d; f++) {
            double moved =
                (double)centroids[j * self->d + f] - (double)self->before[j * self->d + f];
            squared += moved * moved;
        }
        moves[j] = sqrt(squared) * (1 + 1e-9);
        if (moves[j] > most) {
            second = most;
            most = moves[j];
            which = j;
        } else if (moves[j] > second) {
            second = moves[j];
        }
    }
    for (int32_t j = 0; j < self->k; j++)
        self->went[j] += moves[j] + (j == which ? second : most);
    self->went[STRATA_NOBODY] += most + second;
    for (int32_t j = 0; j <= STRATA_NOBODY; j++)
        self->drift[j] = (float)(self->went[j] * (1 + 1e-7));
}

/* All centroids relative to the origin, and what bounds the errors (boxes.h). */
static void set_contest(filter *self, const int32_t *centroids, contest *all)
{
    const int32_t d = self->d;
    const double unit = ldexp(1.0, -24) * (1 + 1e-4);
    double largest = 0;
    all->count = self->k;
    for (int32_t j = 0; j < self->k; j++) {
        float *z = all->z + (int64_t)j * (d + 1);
        double norm = 0;
        for (int32_t f = 0; f < d; f++) {
            double value = (double)centroids[j * d + f] - (double)self->order->view.origin[f];
            z[f] = (float)value;
            norm += value * value;
        }
        z[d] = (float)(norm / 2);
        all->label[j] = j;
        largest = norm > largest ? norm : largest;
    }
    const double reach = sqrt(largest) * (1 + 1e-9);
    self->slope = (float)(1.02 * (d + 8) * unit * 8 * reach);
    self->offset = (float)(1.02 * (d + 8) * unit * reach * reach + 1e-30);
    self->point_slope = (float)(1.02 * (d + 6) * unit * 2 * reach);
    self->point_offset = (float)(1.02 * (d + 6) * unit * reach * reach + 1e-30);
}

static void assign(void *state, strata_pass *pass)
{
    filter *self = state;
    const strata_order *o = self->order;
    contest *all = &self->at[o->levels];
    self->pass = pass;
    if (pass->first) {
        memset(self->went, 0, sizeof self->went);
        memset(self->drift, 0, sizeof self->drift);
        forget_margins(self);
    } else {
        advance_clocks(self, pass->centroids);
    }
    memcpy(self->before, pass->centroids, (size_t)self->k * (size_t)self->d * sizeof *self->before);
    set_contest(self, pass->centroids, all);
    pass->moved = pass->redecided = 0;
    if (o->view.n_local > 0)
        (void)visit(self, o->levels - 1, 0, all, 3e38f);
    scan_waiting(self); /* with few points there is no level above the leaves */
    if (pass->first)
        pass->moved = o->view.n_local;
}

strata_status strata_order_sum(const strata_problem *problem, int32_t k, const int32_t *centroids,
                               int64_t *sums)
{
    strata_status rc = STRATA_OK;
    filter *self = NULL;
    strata_pass pass = {.centroids = centroids, .first = true, .sums = sums};
    memset(sums, 0, (size_t)k * (size_t)(problem->d + 1) * sizeof *sums);
    STRATA_TRY(make(problem, k, NULL, true, &self));
    assign(self, &pass);
    void *state = self;
    destroy(&state);
done:
    return rc;
}

static void write_labels(const filter *self, int32_t level, int64_t node, int32_t above)
{
    const strata_order *o = self->order;
    const uint16_t own = self->owner[group_place(o, level, 0) + node];
    const int32_t label = above != STRATA_NOBODY ? above : own;
    for (int64_t c = node * STRATA_BOXES; level > 0 && c < children_end(o, level, node); c++)
        write_labels(self, level - 1, c, label);
    if (level > 0)
        return;
    int64_t first = node * STRATA_LEAF, points = strata_order_points(o, 0, node);
    for (int64_t i = first; i < first + points; i++)
        self->labels[o->row[i]] = label != STRATA_NOBODY ? (uint8_t)label : self->inside[i];
}

static void sync(void *state)
{
    const filter *self = state;
    const int32_t top = self->order->levels - 1;
    for (int64_t node = 0; node < self->order->nodes[top]; node++)
        write_labels(self, top, node, STRATA_NOBODY);
}

/* One row moves (rare: a cluster was empty). From here on everything is looked at again. */
static void relabel(void *state, int64_t row, uint8_t label)
{
    filter *self = state;
    const strata_order *o = self->order;
    int64_t place = 0;
    while (o->row[place] != row)
        place++;
    for (int32_t level = o->levels - 1; level >= 0; level--) {
        int64_t node = place / STRATA_LEAF;
        for (int32_t l = 0; l < level; l++)
            node /= STRATA_BOXES;
        hand_down(self, level, node);
    }
    self->inside[place] = label;
    forget_margins(self);
}

const strata_variant_ops strata_variant_filter = {
    .info = {.name = "filter",
             .exact = true,
             .bytes_per_point = 12, /* while the order is made */
             .bytes_per_point_d = 8,
             .keeps = "points in space order, a tree of boxes with sums, labels or one label a box",
             .regime = "d <= 6, many points, several iterations",
             .d_min = 1,
             .d_max = 6},
    .create = create,
    .assign = assign,
    .sync = sync,
    .relabel = relabel,
    .destroy = destroy};
