/* filter.c: the space filter (Kanungo et al. 2002, doi 10.1109/TPAMI.2002.1017616; Pelleg &
 * Moore 1999), with bounds (Hamerly 2010, doi 10.1137/1.9781611972801.12) on boxes instead of
 * points.
 *
 * Going down the tree of order.h, a centroid z that is farther than another one, b, from every
 * place in a node's box is dropped there. A box with one centroid left is added whole. In a leaf
 * with several left, the screen looks at those only.
 *
 * Each node also remembers for how long its labels must stay: `margin` is a lower bound of d(x,
 * z) - d(x, label) over its points and all other centroids z. A centroid that moves by m changes
 * each distance by at most m, so while twice the largest moves since then sum up to less than
 * the margin, no label in the node can change, and it is not visited at all. Near the end of a
 * walk, few are. The same labels as lloyd, hence the same sums, moves and inertia: a box test
 * keeps any centroid that might win a tie, and margins are rounded down. */
#include <math.h>
#include <string.h>

#include "cluster/order.h"
#include "cluster/sums.h"
#include "strata/memory.h"

enum { MIXED = 0xffff };

/* Centroids still in question at one level of the descent. */
typedef struct contest {
    int32_t count;
    int32_t *who; /* [k] ascending */
    double *z;    /* [d][width] */
} contest;

typedef struct filter {
    const strata_order *order;
    int32_t k, d, width;      /* width: k in whole eights */
    uint8_t *labels, *inside; /* [stride] of the caller; [order stride] in this order, owned */
    uint16_t *owner;          /* [total] the one label of a node's points, or MIXED; owned */
    double *safe;             /* [total] drift at which the labels must be looked at again; owned */
    double drift;             /* sum of twice the largest moves so far */
    int32_t *before;          /* [k, d] centroids of the pass before; owned */
    strata_screen all, some;  /* all centroids; those of a leaf */
    contest at[STRATA_LEVELS + 1];
    strata_pass *pass;
} filter;

static void destroy(void **state)
{
    filter *self = *state;
    if (self) {
        strata_screen_release(&self->all);
        strata_screen_release(&self->some);
        for (int32_t l = 0; l <= STRATA_LEVELS; l++) {
            strata_free(&self->at[l].who);
            strata_free(&self->at[l].z);
        }
        strata_free(&self->inside);
        strata_free(&self->owner);
        strata_free(&self->safe);
        strata_free(&self->before);
    }
    strata_free(state);
}

static strata_status allocate(strata_context *ctx, filter *self)
{
    strata_status rc = STRATA_OK;
    const strata_order *o = self->order;
    const int64_t k = self->k, d = self->d;
    STRATA_TRY(strata_alloc(ctx, o->view.stride, 1, &self->inside));
    STRATA_TRY(strata_alloc(ctx, o->total, sizeof *self->owner, &self->owner));
    STRATA_TRY(strata_alloc(ctx, o->total, sizeof *self->safe, &self->safe));
    STRATA_TRY(strata_alloc(ctx, k * d, sizeof *self->before, &self->before));
    STRATA_TRY(strata_screen_init(ctx, self->k, self->d, &self->all));
    STRATA_TRY(strata_screen_init(ctx, self->k, self->d, &self->some));
    for (int32_t l = 0; l <= o->levels; l++) {
        STRATA_TRY(strata_alloc(ctx, k, sizeof *self->at[l].who, &self->at[l].who));
        STRATA_TRY(strata_calloc(ctx, self->width * d, sizeof *self->at[l].z, &self->at[l].z));
    }
done:
    return rc;
}

static strata_status create(const strata_problem *problem, int32_t k, uint8_t *labels, void **state)
{
    strata_status rc = STRATA_OK;
    filter *self = NULL;
    STRATA_TRY(strata_calloc(problem->ctx, 1, sizeof *self, &self));
    *self = (filter){.k = k, .d = problem->d, .width = (k + 7) / 8 * 8, .labels = labels};
    STRATA_TRY(strata_order_get(problem, &self->order));
    STRATA_TRY(allocate(problem->ctx, self));
    *state = self;
    self = NULL;
done:
    if (self) {
        void *unfinished = self;
        destroy(&unfinished);
    }
    return rc;
}

/* ---- sums follow labels ---------------------------------------------------------------------- */

static void add_node(filter *self, int64_t at, int32_t label, int64_t sign)
{
    const int64_t *sums = self->order->sums + at * (self->d + 1);
    int64_t *to = self->pass->sums + (int64_t)label * (self->d + 1);
    for (int32_t f = 0; f <= self->d; f++)
        to[f] += sign * sums[f];
}

static void move_point(filter *self, int64_t i, int32_t from, int32_t to)
{
    strata_sums_move(&self->order->view, i, from, to, self->pass->sums);
    self->pass->moved++;
}

static int64_t children_end(const strata_order *o, int32_t level, int64_t node)
{
    int64_t end = (node + 1) * STRATA_FANOUT;
    return end < o->nodes[level - 1] ? end : o->nodes[level - 1];
}

/* All points of a node get one label. */
static void take_node(filter *self, int32_t level, int64_t node, int32_t label)
{
    const strata_order *o = self->order;
    const int64_t at = o->base[level] + node;
    if (self->pass->first) {
        add_node(self, at, label, 1);
    } else if (self->owner[at] != MIXED) {
        if (self->owner[at] != label) {
            add_node(self, at, self->owner[at], -1);
            add_node(self, at, label, 1);
            self->pass->moved += strata_order_points(o, level, node);
        }
    } else if (level > 0) {
        for (int64_t c = node * STRATA_FANOUT; c < children_end(o, level, node); c++)
            take_node(self, level - 1, c, label);
    } else {
        int64_t first = node * STRATA_LEAF, points = strata_order_points(o, 0, node);
        for (int64_t i = first; i < first + points; i++)
            if (self->inside[i] != label)
                move_point(self, i, self->inside[i], label);
    }
    self->owner[at] = (uint16_t)label;
}

/* A node's one label becomes its children's, or its points'. */
static void hand_down(filter *self, int32_t level, int64_t node)
{
    const strata_order *o = self->order;
    const int64_t at = o->base[level] + node;
    const uint16_t label = self->owner[at];
    if (label == MIXED)
        return;
    self->owner[at] = MIXED;
    if (level == 0)
        memset(self->inside + node * STRATA_LEAF, label, STRATA_LEAF);
    for (int64_t c = node * STRATA_FANOUT; level > 0 && c < children_end(o, level, node); c++)
        self->owner[o->base[level - 1] + c] = label;
}

/* ---- leaves ---------------------------------------------------------------------------------- */

static const strata_screen *screen_of(filter *self, const contest *in)
{
    strata_screen *s = &self->some;
    const int32_t d = self->d;
    if (in->count == self->k)
        return &self->all;
    s->k = in->count;
    for (int32_t q = 0; q < in->count; q++) {
        const int32_t j = in->who[q];
        const float *from = self->all.c + (int64_t)(j / 4) * 4 * d + j % 4;
        float *to = s->c + (int64_t)(q / 4) * 4 * d + q % 4;
        for (int32_t f = 0; f < d; f++)
            to[4 * f] = from[4 * f];
        s->h[q] = self->all.h[j];
    }
    strata_screen_finish(s);
    return s;
}

/* Labels a leaf's points among the centroids in question; returns half the least difference of
 * squared distances, rounded down, among them. */
static double scan_leaf(filter *self, int64_t leaf, const contest *in)
{
    const strata_order *o = self->order;
    const strata_problem *v = &o->view;
    _Alignas(64) uint8_t found[STRATA_LEAF];
    uint64_t unsure[STRATA_LEAF / STRATA_BLOCK] = {0};
    const int64_t first = leaf * STRATA_LEAF, points = strata_order_points(o, 0, leaf);
    const int64_t padded = strata_tile_padded(points);
    const strata_screen *screen = screen_of(self, in);
    self->pass->distances += points * in->count;
    float gap = v->kernel->screen(screen, v->x + first, v->stride, padded,
                                  strata_screen_offset(screen, (double)o->radius[leaf]), found,
                                  unsure, NULL);
    if (in->count < self->k)
        v->kernel->translate(found, padded, in->who, in->count);
    for (int64_t b = 0; b < padded / STRATA_BLOCK; b++)
        for (uint64_t bits = unsure[b]; bits != 0; bits &= bits - 1) {
            int64_t i = b * STRATA_BLOCK + __builtin_ctzll(bits);
            if (i >= points)
                break;
            found[i] =
                (uint8_t)strata_exact_nearest(v, first + i, self->pass->centroids, self->k, NULL);
            self->pass->redecided++;
        }
    self->pass->moved += strata_sums_points(v, first, points, self->k, self->pass->first,
                                            self->inside, found, self->pass->sums);
    return 0.999 * (double)gap;
}

/* ---- descent --------------------------------------------------------------------------------- */

/* Margins lose a little, for the rounding of sums of moves. */
static double rounded_down(double margin)
{
    return margin * (1 - 1e-6) - 1e-3;
}

/* Labels a node, given the centroids in question and the margin to those dropped above. */
static void visit(filter *self, int32_t level, int64_t node, const contest *in, double margin)
{
    const strata_order *o = self->order;
    const int64_t at = o->base[level] + node;
    contest *left = &self->at[level];
    strata_box box = {.d = self->d,
                      .low = o->low + at * self->d,
                      .high = o->high + at * self->d,
                      .z = in->z,
                      .width = self->width,
                      .count = in->count};
    int32_t kept[STRATA_K_MAX];
    left->count = o->view.kernel->prune(&box, kept);
    self->pass->distances += box.count;
    margin = box.margin < margin ? box.margin : margin;
    if (left->count == 1) {
        take_node(self, level, node, in->who[kept[0]]);
        self->safe[at] = self->drift + rounded_down(margin);
        return;
    }
    for (int32_t q = 0; q < left->count; q++) {
        left->who[q] = in->who[kept[q]];
        for (int32_t f = 0; f < self->d; f++)
            left->z[f * self->width + q] = in->z[f * self->width + kept[q]];
    }
    if (!self->pass->first)
        hand_down(self, level, node);
    self->owner[at] = MIXED;
    if (level == 0) {
        double apart = 2 * scan_leaf(self, node, left) / box.near_sum;
        self->safe[at] = self->drift + rounded_down(apart < margin ? apart : margin);
        return;
    }
    double soonest = INFINITY;
    for (int64_t c = node * STRATA_FANOUT; c < children_end(o, level, node); c++) {
        double *safe = &self->safe[o->base[level - 1] + c];
        if (self->pass->first || !(self->drift < *safe))
            visit(self, level - 1, c, left, margin);
        soonest = *safe < soonest ? *safe : soonest;
    }
    self->safe[at] = soonest;
}

static void assign(void *state, strata_pass *pass)
{
    filter *self = state;
    const strata_order *o = self->order;
    contest *root = &self->at[o->levels];
    const size_t bytes = (size_t)self->k * (size_t)self->d * sizeof *self->before;
    self->pass = pass;
    self->drift = pass->first ? 0
                              : self->drift + strata_longest_move(self->k, self->d, self->before,
                                                                  pass->centroids);
    memcpy(self->before, pass->centroids, bytes);
    strata_screen_set(&self->all, pass->centroids, self->k, o->view.origin, STRATA_SCREEN_DOT);
    self->some = (strata_screen){.d = self->d,
                                 .form = self->all.form,
                                 .c = self->some.c,
                                 .h = self->some.h,
                                 .reach = self->all.reach};
    memcpy(self->some.origin, self->all.origin, sizeof self->all.origin);
    root->count = self->k;
    for (int32_t j = 0; j < self->k; j++) {
        root->who[j] = j;
        for (int32_t f = 0; f < self->d; f++)
            root->z[f * self->width + j] = (double)pass->centroids[j * self->d + f];
    }
    pass->moved = pass->redecided = 0;
    for (int64_t at = 0; pass->first && at < o->total; at++)
        self->safe[at] = -1; /* nodes below one that is added whole were not looked at */
    const int32_t top = o->levels - 1;
    for (int64_t node = 0; node < o->nodes[top]; node++)
        if (pass->first || !(self->drift < self->safe[o->base[top] + node]))
            visit(self, top, node, root, INFINITY);
    if (pass->first)
        pass->moved = o->view.n_local;
}

static void write_labels(const filter *self, int32_t level, int64_t node, int32_t above)
{
    const strata_order *o = self->order;
    const uint16_t own = self->owner[o->base[level] + node];
    const int32_t label = above != MIXED ? above : own;
    for (int64_t c = node * STRATA_FANOUT; level > 0 && c < children_end(o, level, node); c++)
        write_labels(self, level - 1, c, label);
    if (level > 0)
        return;
    int64_t first = node * STRATA_LEAF, points = strata_order_points(o, 0, node);
    for (int64_t i = first; i < first + points; i++)
        self->labels[o->row[i]] = label != MIXED ? (uint8_t)label : self->inside[i];
}

static void sync(void *state)
{
    const filter *self = state;
    const int32_t top = self->order->levels - 1;
    for (int64_t node = 0; node < self->order->nodes[top]; node++)
        write_labels(self, top, node, MIXED);
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
            node /= STRATA_FANOUT;
        hand_down(self, level, node);
    }
    self->inside[place] = label;
    for (int64_t at = 0; at < o->total; at++)
        self->safe[at] = -1;
}

const strata_variant_ops strata_variant_filter = {
    .info = {.name = "filter",
             .exact = true,
             .bytes_per_point = 6,
             .bytes_per_point_d = 4,
             .keeps = "points in space order, a tree of boxes with sums, labels or one label a box",
             .regime = "d <= 6, many points, several iterations",
             .d_min = 1,
             .d_max = 6},
    .create = create,
    .assign = assign,
    .sync = sync,
    .relabel = relabel,
    .destroy = destroy};
