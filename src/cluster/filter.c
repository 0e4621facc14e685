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

#include "cluster/owners.h"
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
    strata_owners own;
    int32_t k;
    uint8_t *labels;                /* [stride] of the caller */
    double went[STRATA_NOBODY + 1]; /* drift, by owner */
    float drift[STRATA_NOBODY + 1]; /* the same, rounded up */
    int32_t *before;                /* [k, d] centroids of the pass before; owned */
    uint16_t *others;               /* [levels, k] scratch of the descent; owned */
    contest at[STRATA_LEVELS + 1];  /* of the descent; at [levels] all */
    contest lane[STRATA_BOXES];     /* of the nodes above leaves: leaves that wait refer to them */
    queue wait;
    uint8_t parent;            /* lane of the node above the group of leaves that is visited */
    float under[STRATA_BOXES]; /* by how much the clocks may go on for the leaves looked at, by that
                                  lane */
    float slope, offset, point_slope, point_offset; /* see boxes.h */
} filter;

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
        strata_owners_release(&self->own);
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
    const strata_order *o = self->own.order;
    const int64_t k = self->k, d = self->own.d;
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
    *self = (filter){.k = k, .labels = labels};
    STRATA_TRY(strata_owners_init(problem, k, once, &self->own));
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
    const strata_order *o = self->own.order;
    queue *q = &self->wait;
    for (int32_t i = 0; i < q->count; i++) {
        strata_leaf *leaf = &q->leaf[i];
        const int64_t at = q->number[i];
        float left = q->margin[i];
        o->view.kernel->scan(leaf, self->own.d, o->view.origin);
        strata_owners_settle(&self->own, at, leaf);
        self->own.owner[at] =
            leaf->count == 1 ? (uint16_t)leaf->label[leaf->which[0]] : STRATA_NOBODY;
        if (leaf->count > 1) {
            const float apart = 1.999f * leaf->gap / q->near_sum[i];
            left = apart < left ? apart : left;
            self->own.pass->distances += STRATA_LEAF * leaf->count;
        }
        self->own.safe[at] = until(self->drift[self->own.owner[at]], left);
        if (left < self->under[q->parent[i]])
            self->under[q->parent[i]] = left;
    }
    q->count = 0;
}

/* GCC takes a function that only prefetches for one without effect and drops its calls. */
#define PREFETCH(first, bytes)                                                                     \
    for (size_t byte = 0; byte < (size_t)(bytes); byte += 64)                                      \
    __builtin_prefetch((const char *)(first) + byte)
#define PREFETCH_256(first)                                                                        \
    for (size_t byte = 0; byte < 256; byte += 64)                                                  \
    __builtin_prefetch((const char *)(first) + byte)

/* The centroids that stay in question in box l. */
static void narrow(const filter *self, const strata_boxes *boxes, int l, const contest *in,
                   contest *out)
{
    const size_t step = (size_t)self->own.d + 1;
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

/* Puts a leaf into the queue with the centroids that are in question there. */
static void wait_for_leaf(filter *self, int64_t number, const strata_boxes *boxes,
                          const contest *in, float margin)
{
    const strata_order *o = self->own.order;
    const int32_t d = self->own.d;
    const int l = (int)(number % STRATA_BOXES);
    queue *q = &self->wait;
    if (q->count == QUEUE)
        scan_waiting(self);
    const float reach = boxes->box[(2 * d + 2) * STRATA_BOXES + l];
    strata_leaf *leaf = &q->leaf[q->count];
    uint16_t *which = q->which + (int64_t)q->count * self->k;
    leaf->x = o->x + number * d * STRATA_LEAF;
    leaf->labels = self->own.pass->first ? NULL : strata_owners_labels(&self->own, number);
    leaf->count = list_rivals(boxes, l, which);
    leaf->which = which;
    leaf->z = in->z;
    leaf->label = in->label;
    leaf->slack = self->point_slope * reach + self->point_offset;
    leaf->box = boxes->box + l;
    leaf->centroids = self->own.pass->centroids;
    leaf->sums = strata_owners_sums(&self->own, number);
    leaf->found = q->found + (int64_t)q->count * STRATA_LEAF;
    if (!self->own.pass->first)
        PREFETCH(leaf->labels, STRATA_LEAF);
    if (leaf->count > 1)
        for (int32_t f = 0; f < d; f++)
            PREFETCH_256(leaf->x + (size_t)f * STRATA_LEAF);
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
        const bool scattered = self->own.owner[leaf] == STRATA_NOBODY && !self->own.pass->first;
        if ((mixed >> l & 1) == 0 && !scattered) {
            if (self->own.owner[leaf] != label || self->own.pass->first)
                strata_owners_take(&self->own, 0, leaf, label);
            self->own.safe[leaf] = until(self->drift[label], left[l]);
            continue;
        }
        if (!self->own.pass->first)
            strata_owners_hand_down(&self->own, 0, leaf);
        wait_for_leaf(self, leaf, boxes, in, left[l]);
    }
}

static float visit(filter *self, int32_t level, int64_t group, const contest *in, float margin);

/* The boxes and clocks of the groups that are visited next. */
static void fetch_groups(const filter *self, int32_t level, int64_t first, uint32_t which)
{
    const strata_order *o = self->own.order;
    for (uint32_t bits = which; bits != 0; bits &= bits - 1) {
        const int64_t group = first + __builtin_ctz(bits), at = strata_order_place(o, level, group);
        PREFETCH(strata_order_boxes(o, level, group),
                 (size_t)strata_boxes_floats(self->own.d) * sizeof *o->boxes);
        PREFETCH(self->own.safe + at, STRATA_BOXES * sizeof *self->own.safe);
        PREFETCH(self->own.owner + at, STRATA_BOXES * sizeof *self->own.owner);
    }
}

/* Sixteen nodes: those of one owner are settled, the others visited. */
static void visit_nodes(filter *self, int32_t level, int64_t group, uint32_t expired,
                        uint32_t mixed, const strata_boxes *boxes, const contest *in, float *left)
{
    const int64_t first = group * STRATA_BOXES,
                  at = strata_order_place(self->own.order, level, group);
    contest *below = &self->at[level];
    fetch_groups(self, level - 1, first, mixed);
    for (int l = 0; level == 1 && l < STRATA_BOXES; l++)
        self->under[l] = 3e38f;
    for (uint32_t bits = expired; bits != 0; bits &= bits - 1) {
        const int l = __builtin_ctz(bits);
        const int32_t label = in->label[boxes->nearest[l]];
        if ((mixed >> l & 1) == 0) {
            if (self->own.owner[at + l] != label || self->own.pass->first)
                strata_owners_take(&self->own, level, first + l, label);
            continue;
        }
        if (level == 1)
            below = &self->lane[l];
        narrow(self, boxes, l, in, below);
        if (!self->own.pass->first)
            strata_owners_hand_down(&self->own, level, first + l);
        self->own.owner[at + l] = STRATA_NOBODY;
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
        self->own.safe[at + l] = until(self->drift[self->own.owner[at + l]], left[l]);
    }
}

/* Labels a group, given the centroids in question and the margin to those dropped above. Returns by
 * how much the clocks may go on before it must be looked at again, but for the leaves that wait. */
static float visit(filter *self, int32_t level, int64_t group, const contest *in, float margin)
{
    const strata_order *o = self->own.order;
    const int64_t at = strata_order_place(o, level, group);
    _Alignas(64) float left[STRATA_BOXES];
    const uint32_t expired =
        o->view.kernel->expired(self->own.safe + at, self->own.owner + at, self->drift, left);
    if (expired != 0) {
        strata_boxes boxes;
        boxes.d = self->own.d;
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
        self->own.pass->distances += __builtin_popcount(expired) * (int64_t)in->count;
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

/* The clocks go on: for owner j by its own move and the largest of another centroid. */
static void advance_clocks(filter *self, const int32_t *centroids)
{
    double moves[STRATA_K_MAX], most = 0, second = 0;
    int32_t which = 0;
    for (int32_t j = 0; j < self->k; j++) {
        double squared = 0;
        for (int32_t f = 0; f < self->own.d; f++) {
            double moved =
                (double)centroids[j * self->own.d + f] - (double)self->before[j * self->own.d + f];
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
    const int32_t d = self->own.d;
    const double unit = ldexp(1.0, -24) * (1 + 1e-4);
    double largest = 0;
    all->count = self->k;
    for (int32_t j = 0; j < self->k; j++) {
        float *z = all->z + (int64_t)j * (d + 1);
        double norm = 0;
        for (int32_t f = 0; f < d; f++) {
            double value = (double)centroids[j * d + f] - (double)self->own.order->view.origin[f];
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
    const strata_order *o = self->own.order;
    contest *all = &self->at[o->levels];
    self->own.pass = pass;
    if (pass->first) {
        memset(self->went, 0, sizeof self->went);
        memset(self->drift, 0, sizeof self->drift);
        strata_owners_forget(&self->own);
    } else {
        advance_clocks(self, pass->centroids);
    }
    memcpy(self->before, pass->centroids,
           (size_t)self->k * (size_t)self->own.d * sizeof *self->before);
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

static void sync(void *state)
{
    const filter *self = state;
    strata_owners_write(&self->own, self->labels);
}

/* One row moves (rare: a cluster was empty). From here on everything is looked at again. */
static void relabel(void *state, int64_t row, uint8_t label)
{
    filter *self = state;
    const strata_order *o = self->own.order;
    int64_t place = 0;
    while (o->row[place] != row)
        place++;
    for (int32_t level = o->levels - 1; level >= 0; level--) {
        int64_t node = place / STRATA_LEAF;
        for (int32_t l = 0; l < level; l++)
            node /= STRATA_BOXES;
        strata_owners_hand_down(&self->own, level, node);
    }
    self->own.inside[place] = label;
    strata_owners_forget(&self->own);
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
