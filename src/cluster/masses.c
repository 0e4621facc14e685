/* masses.c: see masses.h. */
#include "cluster/masses.h"

#include "strata/memory.h"

strata_status strata_masses_init(const strata_order *order, strata_u128 *tile_sum,
                                 strata_masses *out)
{
    strata_status rc = STRATA_OK;
    const strata_problem *p = &order->view;
    strata_masses m = {.order = order, .tile_sum = tile_sum};
    STRATA_TRY(strata_calloc(p->ctx, order->nodes[0] * STRATA_LEAF, sizeof *m.nearest, &m.nearest));
    STRATA_TRY(strata_alloc(p->ctx, order->groups * STRATA_BOXES, sizeof *m.most, &m.most));
    for (int64_t i = 0; i < p->n_local; i++)
        m.nearest[i] = 1;
    for (int64_t t = 0; t < p->n_tiles; t++)
        tile_sum[t] = 0;
    for (int64_t i = 0; i < p->n_local; i++)
        tile_sum[order->row[i] / STRATA_TILE] +=
            order->weights ? (strata_u128)order->weights[i] : 1;
    *out = m;
    m = (strata_masses){0};
done:
    strata_masses_release(&m);
    return rc;
}

void strata_masses_release(strata_masses *masses)
{
    strata_free(&masses->nearest);
    strata_free(&masses->most);
    strata_free(&masses->scratch);
}

/* Bounds of the squared distances from a centre, relative to the origin, to the points of sixteen boxes.
 * Whole and half numbers and widths of 24 bits, all below 2^26, are added in double with errors below
 * 2^-26; the widths are rounded up by 1e-6. A hundredth of a step and 1e-6 cover all that. */
static void bound_boxes(const strata_order *o, int32_t level, int64_t group, const double *centre,
                        double *low, double *high)
{
    const int32_t d = o->view.d;
    const float *box = strata_order_boxes(o, level, group);
    for (int32_t l = 0; l < STRATA_BOXES; l++)
        low[l] = high[l] = 0;
    for (int32_t f = 0; f < d; f++, box += STRATA_BOXES)
        for (int32_t l = 0; l < STRATA_BOXES; l++) {
            const double off = centre[f] - (double)box[l], half = (double)box[d * STRATA_BOXES + l];
            const double apart = off < 0 ? -off : off, near = apart - half - 0.01;
            const double far = apart + half + 0.01;
            low[l] += near > 0 ? near * near : 0;
            high[l] += far * far;
        }
    for (int32_t l = 0; l < STRATA_BOXES; l++) {
        low[l] *= 1 - 1e-6;
        high[l] *= 1 + 1e-6;
    }
}

/* Bit l: the centre may be nearer to a point of box l than that one's nearest is. */
static uint32_t in_question(const strata_masses *m, int32_t level, int64_t group,
                            const double *centre)
{
    const int64_t *most = m->most + strata_order_place(m->order, level, group);
    double low[STRATA_BOXES], high[STRATA_BOXES];
    uint32_t bits = 0;
    bound_boxes(m->order, level, group, centre, low, high);
    for (int32_t l = 0; l < STRATA_BOXES; l++)
        bits |= (uint32_t)(low[l] < (double)most[l]) << l;
    return bits;
}

/* A group's nodes that exist. */
static uint32_t existing(const strata_order *o, int32_t level, int64_t group)
{
    const int64_t left = o->nodes[level] - group * STRATA_BOXES;
    return left < STRATA_BOXES ? (1u << left) - 1 : (1u << STRATA_BOXES) - 1;
}

static int64_t most_of(const strata_masses *m, int32_t level, int64_t group)
{
    const int64_t *one = m->most + strata_order_place(m->order, level, group);
    const uint32_t there = existing(m->order, level, group);
    int64_t most = 0;
    for (int32_t l = 0; there >> l; l++)
        most = one[l] > most ? one[l] : most;
    return most;
}

/* ---- one centre ------------------------------------------------------------------------------ */

typedef struct visit {
    strata_masses *m;
    const int32_t *centre;
    double relative[STRATA_D_MAX]; /* to the origin, as boxes are */
    bool first, keep;
    __int128 gain;
} visit;

static int64_t weight_at(const strata_order *o, int64_t i)
{
    return o->weights ? o->weights[i] : 1;
}

/* What the points of a leaf gain; they keep it if that is wanted. Places without a point have 0. */
static void visit_leaf(visit *v, int64_t leaf)
{
    const strata_order *o = v->m->order;
    const int64_t first = leaf * STRATA_LEAF;
    int64_t distance[STRATA_LEAF], *nearest = v->m->nearest + first, most = 0;
    o->view.kernel->distances(o->x + first * o->view.d, STRATA_LEAF, STRATA_LEAF, o->view.d,
                              v->centre, distance);
    if (v->first)
        for (int64_t i = 0; i < strata_order_points(o, 0, leaf); i++) {
            v->m->tile_sum[o->row[first + i] / STRATA_TILE] -= (strata_u128)weight_at(o, first + i);
            v->m->tile_sum[o->row[first + i] / STRATA_TILE] +=
                (strata_u128)distance[i] * (strata_u128)weight_at(o, first + i);
            nearest[i] = distance[i];
        }
    for (int64_t i = 0; i < STRATA_LEAF && !v->first; i++) {
        if (distance[i] >= nearest[i])
            continue;
        const __int128 less = (__int128)(nearest[i] - distance[i]) * weight_at(o, first + i);
        v->gain += less;
        if (!v->keep)
            continue;
        v->m->tile_sum[o->row[first + i] / STRATA_TILE] -= (strata_u128)less;
        nearest[i] = distance[i];
    }
    for (int64_t i = 0; i < STRATA_LEAF && v->keep; i++)
        most = nearest[i] > most ? nearest[i] : most;
    if (v->keep)
        v->m->most[strata_order_place(o, 0, 0) + leaf] = most;
}

/* The nodes of a group, from there down; returns the most of them. */
static int64_t visit_group(visit *v, int32_t level, int64_t group)
{
    const strata_order *o = v->m->order;
    const uint32_t there = existing(o, level, group);
    uint32_t bits = v->first ? there : there & in_question(v->m, level, group, v->relative);
    for (; bits; bits &= bits - 1) {
        const int64_t node = group * STRATA_BOXES + __builtin_ctz(bits);
        if (level == 0) {
            visit_leaf(v, node);
            continue;
        }
        const int64_t most = visit_group(v, level - 1, node);
        if (v->keep)
            v->m->most[strata_order_place(o, level, 0) + node] = most;
    }
    return v->keep ? most_of(v->m, level, group) : 0;
}

static void visit_all(visit *v)
{
    const strata_problem *p = &v->m->order->view;
    for (int32_t f = 0; f < p->d; f++)
        v->relative[f] = (double)v->centre[f] - (double)p->origin[f];
    if (p->n_local > 0)
        (void)visit_group(v, v->m->order->levels - 1, 0);
}

void strata_masses_add(strata_masses *masses, const int32_t *centre, bool first)
{
    visit v = {.m = masses, .centre = centre, .first = first, .keep = true};
    visit_all(&v);
}

__int128 strata_masses_gain(const strata_masses *masses, const int32_t *centre)
{
    visit v = {.m = (strata_masses *)(uintptr_t)masses, .centre = centre};
    visit_all(&v);
    return v.gain;
}

/* ---- many candidates ------------------------------------------------------------------------- */

enum { TOGETHER = STRATA_K_MAX /* candidates that go down the tree together */ };

typedef struct fold {
    strata_masses *m;
    const int32_t *c; /* [.., d] those that go together are numbered from base on */
    int64_t base;
    double relative[TOGETHER * STRATA_D_MAX];
} fold;

strata_status strata_masses_init_near(const strata_order *order, uint16_t *near,
                                      strata_masses *out)
{
    strata_status rc = STRATA_OK;
    const strata_problem *p = &order->view;
    strata_masses m = {.order = order, .near = near};
    STRATA_TRY(strata_calloc(p->ctx, order->nodes[0] * STRATA_LEAF, sizeof *m.nearest, &m.nearest));
    STRATA_TRY(strata_alloc(p->ctx, order->groups * STRATA_BOXES, sizeof *m.most, &m.most));
    STRATA_TRY(strata_alloc(p->ctx, (int64_t)order->levels * TOGETHER * STRATA_BOXES,
                            sizeof *m.scratch, &m.scratch));
    for (int64_t i = 0; i < p->n_local; i++)
        m.nearest[i] = INT64_MAX;
    for (int64_t b = 0; b < order->groups * STRATA_BOXES; b++)
        m.most[b] = INT64_MAX;
    *out = m;
    m = (strata_masses){0};
done:
    strata_masses_release(&m);
    return rc;
}

static void fold_leaf(const fold *s, int64_t leaf, const uint8_t *list, int32_t count)
{
    const strata_order *o = s->m->order;
    const int64_t first = leaf * STRATA_LEAF;
    int64_t distance[STRATA_LEAF], *nearest = s->m->nearest + first, most = 0;
    for (int32_t q = 0; q < count; q++) {
        const int64_t j = s->base + list[q];
        o->view.kernel->distances(o->x + first * o->view.d, STRATA_LEAF, STRATA_LEAF, o->view.d,
                                  s->c + j * o->view.d, distance);
        for (int64_t i = 0; i < STRATA_LEAF; i++)
            if (distance[i] < nearest[i]) {
                nearest[i] = distance[i];
                s->m->near[first + i] = (uint16_t)j;
            }
    }
    for (int64_t i = 0; i < STRATA_LEAF; i++)
        most = nearest[i] > most ? nearest[i] : most;
    s->m->most[strata_order_place(o, 0, 0) + leaf] = most;
}

/* Those of list [count] go down where they are in question: not farther than all points' nearest is,
 * nor than another one of them is from every place of the box. Returns the most of the group. */
static int64_t fold_group(const fold *s, int32_t level, int64_t group, const uint8_t *list,
                          int32_t count)
{
    const strata_order *o = s->m->order;
    int64_t *most = s->m->most + strata_order_place(o, level, group);
    double *low = s->m->scratch + (int64_t)level * TOGETHER * STRATA_BOXES;
    double high[STRATA_BOXES], limit[STRATA_BOXES];
    for (int32_t l = 0; l < STRATA_BOXES; l++)
        limit[l] = 0x1p63;
    for (int32_t q = 0; q < count; q++) {
        bound_boxes(o, level, group, s->relative + list[q] * o->view.d, low + q * STRATA_BOXES,
                    high);
        for (int32_t l = 0; l < STRATA_BOXES; l++)
            limit[l] = high[l] < limit[l] ? high[l] : limit[l];
    }
    for (int32_t l = 0; existing(o, level, group) >> l; l++) {
        const int64_t node = group * STRATA_BOXES + l;
        uint8_t left[TOGETHER];
        int32_t n = 0;
        for (int32_t q = 0; q < count; q++) {
            const double one = low[q * STRATA_BOXES + l];
            if (one <= limit[l] && one < (double)most[l])
                left[n++] = list[q];
        }
        if (n > 0 && level == 0)
            fold_leaf(s, node, left, n);
        else if (n > 0)
            most[l] = fold_group(s, level - 1, node, left, n);
    }
    return most_of(s->m, level, group);
}

void strata_masses_fold(strata_masses *masses, const int32_t *c, int64_t first, int64_t count)
{
    const strata_problem *p = &masses->order->view;
    fold s = {.m = masses, .c = c};
    for (s.base = first; s.base < first + count && p->n_local > 0; s.base += TOGETHER) {
        const int64_t left = first + count - s.base;
        const int32_t n = left < TOGETHER ? (int32_t)left : TOGETHER;
        uint8_t list[TOGETHER];
        for (int32_t q = 0; q < n; q++) {
            list[q] = (uint8_t)q;
            for (int32_t f = 0; f < p->d; f++)
                s.relative[q * p->d + f] =
                    (double)c[(s.base + q) * p->d + f] - (double)p->origin[f];
        }
        (void)fold_group(&s, masses->order->levels - 1, 0, list, n);
    }
    masses->sum = 0;
    for (int64_t i = 0; i < p->n_local; i++)
        masses->sum += (__int128)masses->nearest[i] * weight_at(masses->order, i);
}
