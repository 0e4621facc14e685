/* filter.c: the space filter (Kanungo et al. 2002, doi 10.1109/TPAMI.2002.1017616; Pelleg &
 * Moore 1999), with bounds (Hamerly 2010, doi 10.1137/1.9781611972801.12) on boxes instead of
 * points.
 *
 * Going down the tree of order.h, a centroid z that is farther than another one, b, from every
 * place in a node's box is dropped there. A box with one centroid left is added whole. In a leaf
 * with several left, the points are labelled among those only; between two, a plane decides. Sixteen
 * boxes are tested together (boxes.h). The nodes of three levels are visited level by level, so that
 * what is needed next is known and comes from memory while the processor is busy.
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

#include "cluster/leaves.h"
#include "strata/memory.h"

/* A group that must be visited, with the centroids in question there. */
typedef struct visit {
    int64_t group;
    float margin; /* to the others */
    int32_t count;
    uint16_t *which; /* [count] ascending */
} visit;

/* Groups of one level that wait, so that their boxes come from memory meanwhile. */
typedef struct agenda {
    int32_t count;
    visit *visit;    /* [below one group; at level 0 below one of level 2] owned */
    uint16_t *which; /* [those, k] owned */
} agenda;

/* A node that was visited, and where its children are. */
typedef struct trace {
    int64_t node, children;
} trace;

typedef struct filter {
    strata_owners own;
    int32_t k;
    uint8_t *labels;                /* [stride] of the caller */
    double went[STRATA_NOBODY + 1]; /* drift, by owner */
    float drift[STRATA_NOBODY + 1]; /* the same, rounded up */
    int32_t *before;                /* [k, d] centroids of the pass before; owned */
    float *z;                       /* [k, d + 1] centroids (boxes.h); owned */
    uint16_t *others;               /* [k] scratch of a visit; owned */
    agenda todo[STRATA_LEVELS];     /* by level */
    int64_t visited;
    trace *seen; /* [groups] nodes visited, parents first; owned */
    strata_leaves wait;
    float slope, offset; /* see boxes.h */
} filter;

static void destroy(void **state)
{
    filter *self = *state;
    if (self) {
        for (int32_t l = 0; l < STRATA_LEVELS; l++) {
            strata_free(&self->todo[l].visit);
            strata_free(&self->todo[l].which);
        }
        strata_leaves_release(&self->wait);
        strata_owners_release(&self->own);
        strata_free(&self->before);
        strata_free(&self->z);
        strata_free(&self->others);
        strata_free(&self->seen);
    }
    strata_free(state);
}

static strata_status allocate(strata_context *ctx, filter *self)
{
    strata_status rc = STRATA_OK;
    const strata_order *o = self->own.order;
    const int64_t k = self->k, d = self->own.d;
    STRATA_TRY(strata_alloc(ctx, k * d, sizeof *self->before, &self->before));
    STRATA_TRY(strata_alloc(ctx, k * (d + 1), sizeof *self->z, &self->z));
    STRATA_TRY(strata_alloc(ctx, k, sizeof *self->others, &self->others));
    STRATA_TRY(strata_alloc(ctx, o->groups, sizeof *self->seen, &self->seen));
    STRATA_TRY(strata_leaves_init(&self->own, self->z, self->drift, &self->wait));
    for (int32_t l = 0; l < o->levels; l++) {
        const int64_t most = l == 0 ? STRATA_BOXES * STRATA_BOXES : STRATA_BOXES;
        STRATA_TRY(strata_alloc(ctx, most, sizeof *self->todo[l].visit, &self->todo[l].visit));
        STRATA_TRY(strata_alloc(ctx, most * k, sizeof *self->todo[l].which, &self->todo[l].which));
    }
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

enum { AHEAD = 8 }; /* groups whose boxes are fetched before they are visited */

/* ---- descent --------------------------------------------------------------------------------- */

/* Puts a group on the agenda; returns where to list its centroids. */
static visit *plan(filter *self, int32_t level, int64_t group, float margin)
{
    agenda *to = &self->todo[level];
    visit *v = &to->visit[to->count];
    *v = (visit){.group = group, .margin = margin};
    v->which = to->which + (int64_t)to->count++ * self->k;
    return v;
}

/* The boxes, clocks and owners of a group. */
static void fetch(const filter *self, int32_t level, int64_t group)
{
    const strata_order *o = self->own.order;
    const int64_t at = strata_order_place(o, level, group);
    STRATA_PREFETCH(strata_order_boxes(o, level, group),
                    (size_t)strata_boxes_floats(self->own.d) * sizeof *o->boxes, STRATA_NEAR);
    STRATA_PREFETCH(self->own.safe + at, STRATA_BOXES * sizeof *self->own.safe, STRATA_NEAR);
    STRATA_PREFETCH(self->own.owner + at, STRATA_BOXES * sizeof *self->own.owner, STRATA_NEAR);
}

static void prune(filter *self, int32_t level, const visit *v, strata_boxes *boxes)
{
    boxes->d = self->own.d;
    boxes->count = v->count;
    boxes->box = strata_order_boxes(self->own.order, level, v->group);
    boxes->z = self->z;
    boxes->which = v->which;
    boxes->slope = self->slope;
    boxes->offset = self->offset;
    boxes->others = self->others;
    self->own.order->view.kernel->prune(boxes);
    for (int l = 0; l < STRATA_BOXES; l++)
        boxes->margin[l] = boxes->margin[l] < v->margin ? boxes->margin[l] : v->margin;
}

/* Boxes with so many centroids in question beside the nearest, or any number of them. */
enum { ANY = -1 };
static uint32_t with_rivals(const strata_boxes *boxes, int rivals)
{
    uint32_t found = 0;
    for (int l = 0; l < STRATA_BOXES; l++)
        found |= (uint32_t)(rivals == ANY ? boxes->rivals[l] != 0 : boxes->rivals[l] == rivals)
                 << l;
    return found;
}

/* Sixteen nodes: those of one owner are settled, the others planned. */
static void visit_nodes(filter *self, int32_t level, const visit *v, uint32_t expired)
{
    strata_boxes boxes;
    const int64_t first = v->group * STRATA_BOXES,
                  at = strata_order_place(self->own.order, level, v->group);
    prune(self, level, v, &boxes);
    const uint32_t several = with_rivals(&boxes, ANY);
    self->own.pass->distances += __builtin_popcount(expired) * (int64_t)v->count;
    for (uint32_t bits = expired; bits != 0; bits &= bits - 1) {
        const int l = __builtin_ctz(bits);
        const uint16_t label = v->which[boxes.nearest[l]];
        if ((several >> l & 1) == 0) {
            if (self->own.owner[at + l] != label || self->own.pass->first)
                strata_owners_take(&self->own, level, first + l, label);
            self->own.safe[at + l] = strata_boxes_until(self->drift[label], boxes.margin[l]);
            continue;
        }
        if (!self->own.pass->first)
            strata_owners_hand_down(&self->own, level, first + l);
        self->own.owner[at + l] = STRATA_NOBODY;
        self->seen[self->visited++] =
            (trace){at + l, strata_order_place(self->own.order, level - 1, first + l)};
        visit *below = plan(self, level - 1, first + l, boxes.margin[l]);
        below->count = strata_boxes_list(&boxes, l, below->which);
    }
}

/* Sixteen leaves between several centroids: those of one owner are settled, the others added. */
static void visit_leaves(filter *self, const visit *v, uint32_t expired)
{
    strata_boxes boxes;
    const int64_t first = v->group * STRATA_BOXES;
    prune(self, 0, v, &boxes);
    const uint32_t several = with_rivals(&boxes, ANY);
    self->own.pass->distances += __builtin_popcount(expired) * (int64_t)v->count;
    uint32_t two =
        strata_leaves_pairable(&self->wait, v->group) ? with_rivals(&boxes, 1) & expired : 0;
    for (uint32_t bits = expired & ~two; bits != 0; bits &= bits - 1) {
        const int l = __builtin_ctz(bits);
        const int64_t leaf = first + l;
        const uint16_t label = v->which[boxes.nearest[l]];
        const bool scattered = self->own.owner[leaf] == STRATA_NOBODY && !self->own.pass->first;
        if ((several >> l & 1) == 0 && !scattered) {
            if (self->own.owner[leaf] != label || self->own.pass->first)
                strata_owners_take(&self->own, 0, leaf, label);
            self->own.safe[leaf] = strata_boxes_until(self->drift[label], boxes.margin[l]);
            continue;
        }
        if (!self->own.pass->first)
            strata_owners_hand_down(&self->own, 0, leaf);
        strata_leaves_add(&self->wait, leaf, &boxes, boxes.margin[l]);
    }
    while (two != 0) { /* those between the same two together */
        const int one = __builtin_ctz(two);
        const uint8_t x = boxes.nearest[one], y = boxes.rival[one];
        uint32_t same = 0;
        for (uint32_t bits = two; bits != 0; bits &= bits - 1) {
            const int l = __builtin_ctz(bits);
            const uint8_t near = boxes.nearest[l], far = boxes.rival[l];
            same |= (uint32_t)((near == x && far == y) || (near == y && far == x)) << l;
        }
        strata_leaves_add_pair(&self->wait, v->group, same, v->which[x < y ? x : y],
                               v->which[x < y ? y : x], boxes.margin);
        two &= ~same;
    }
}

static void visit_group(filter *self, int32_t level, const visit *v)
{
    const strata_order *o = self->own.order;
    const int64_t at = strata_order_place(o, level, v->group);
    _Alignas(64) float left[STRATA_BOXES];
    const uint32_t expired =
        o->view.kernel->expired(self->own.safe + at, self->own.owner + at, self->drift, left);
    if (expired == 0)
        return;
    if (level > 0) {
        visit_nodes(self, level, v, expired);
    } else if (v->count == 2 && strata_leaves_pairable(&self->wait, v->group)) {
        for (int l = 0; l < STRATA_BOXES; l++)
            left[l] = v->margin;
        strata_leaves_add_pair(&self->wait, v->group, expired, v->which[0], v->which[1], left);
    } else {
        visit_leaves(self, v, expired);
    }
}

/* Does what is planned for a level and below it. Level by level from 2 on, so that much is known
 * ahead; above one by one, to bound what is planned. */
static void descend(filter *self, int32_t level)
{
    agenda *todo = &self->todo[level];
    for (int32_t i = 0; i < AHEAD && i < todo->count; i++)
        fetch(self, level, todo->visit[i].group);
    for (int32_t i = 0; i < todo->count; i++) {
        if (i + AHEAD < todo->count)
            fetch(self, level, todo->visit[i + AHEAD].group);
        visit_group(self, level, &todo->visit[i]);
        if (level > 1)
            descend(self, level - 1);
    }
    todo->count = 0;
    if (level == 1)
        descend(self, 0);
}

/* A node that was visited must be visited again when the first of its children must be. */
static void set_clocks(filter *self)
{
    const strata_kernel *kernel = self->own.order->view.kernel;
    while (self->visited > 0) {
        const trace *t = &self->seen[--self->visited];
        _Alignas(64) float left[STRATA_BOXES];
        (void)kernel->expired(self->own.safe + t->children, self->own.owner + t->children,
                              self->drift, left);
        float soonest = left[0];
        for (int l = 1; l < STRATA_BOXES; l++)
            soonest = left[l] < soonest ? left[l] : soonest;
        self->own.safe[t->node] = strata_boxes_until(self->drift[STRATA_NOBODY], soonest);
    }
}

/* The clocks go on: for owner j by its own move and the largest of another centroid. */
static void advance_clocks(filter *self, const int32_t *centroids)
{
    double moves[STRATA_K_MAX], most = 0, second = 0;
    int32_t which = 0;
    for (int32_t j = 0; j < self->k; j++) {
        moves[j] = strata_exact_move(self->own.d, self->before + j * self->own.d,
                                     centroids + j * self->own.d);
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
static void set_centroids(filter *self, const int32_t *centroids)
{
    const int32_t d = self->own.d;
    const double unit = ldexp(1.0, -24) * (1 + 1e-4);
    double largest = 0;
    for (int32_t j = 0; j < self->k; j++) {
        float *z = self->z + (int64_t)j * (d + 1);
        double norm = 0;
        for (int32_t f = 0; f < d; f++) {
            double value = (double)centroids[j * d + f] - (double)self->own.order->view.origin[f];
            z[f] = (float)value;
            norm += value * value;
        }
        z[d] = (float)(norm / 2);
        largest = norm > largest ? norm : largest;
    }
    const double reach = sqrt(largest) * (1 + 1e-9);
    const double blur = 1.52 * sqrt(d);
    self->slope = (float)(1.02 * (d + 8) * unit * 8 * reach + blur);
    self->offset = (float)(1.02 * (d + 8) * unit * reach * reach + blur * reach + 1e-30);
    self->wait.slope = (float)(1.02 * (d + 6) * unit * 2 * reach + blur);
    self->wait.offset = (float)(1.02 * (d + 6) * unit * reach * reach + blur * reach + 1e-30);
    self->wait.blur = (float)blur;
    self->wait.reach = (float)reach;
}

static void assign(void *state, strata_pass *pass)
{
    filter *self = state;
    const strata_order *o = self->own.order;
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
    set_centroids(self, pass->centroids);
    pass->moved = pass->redecided = 0;
    if (o->view.n_local > 0) {
        visit *all = plan(self, o->levels - 1, 0, 3e38f);
        for (all->count = 0; all->count < self->k; all->count++)
            all->which[all->count] = (uint16_t)all->count;
        descend(self, o->levels - 1);
        strata_leaves_flush(&self->wait);
        set_clocks(self);
    }
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
