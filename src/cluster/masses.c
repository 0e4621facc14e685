/* masses.c: see masses.h. */
#include "cluster/masses.h"

#include "strata/memory.h"

static int64_t place(const strata_order *o, int32_t level, int64_t node)
{
    return o->base[level] * STRATA_BOXES + node;
}

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
}

/* Bit l: the centre may be nearer to a point of box l than that one's nearest is. The gap between
 * centre and box is taken a little too small: its parts, whole and half numbers and widths of 24 bits below
 * 2^26, are exact in double but for 2^-26, the widths are rounded up by 1e-6, and a gap of less
 * than a hundredth counts as none. */
static uint32_t in_question(const strata_masses *m, int32_t level, int64_t group,
                            const double *centre)
{
    const int32_t d = m->order->view.d;
    const float *box = strata_order_boxes(m->order, level, group);
    const int64_t *most = m->most + place(m->order, level, group * STRATA_BOXES);
    double gap[STRATA_BOXES] = {0};
    uint32_t bits = 0;
    for (int32_t f = 0; f < d; f++, box += STRATA_BOXES)
        for (int32_t l = 0; l < STRATA_BOXES; l++) {
            const double off = centre[f] - (double)box[l];
            const double apart = (off < 0 ? -off : off) - (double)box[d * STRATA_BOXES + l] - 0.01;
            gap[l] += apart > 0 ? apart * apart : 0;
        }
    for (int32_t l = 0; l < STRATA_BOXES; l++)
        bits |= (uint32_t)(gap[l] * (1 - 1e-6) < (double)most[l]) << l;
    return bits;
}

/* A group's nodes that exist. */
static uint32_t existing(const strata_order *o, int32_t level, int64_t group)
{
    const int64_t left = o->nodes[level] - group * STRATA_BOXES;
    return left < STRATA_BOXES ? (1u << left) - 1 : (1u << STRATA_BOXES) - 1;
}

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
        v->m->most[place(o, 0, leaf)] = most;
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
            v->m->most[place(o, level, node)] = most;
    }
    int64_t most = 0;
    for (int32_t l = 0; v->keep && there >> l; l++) {
        const int64_t one = v->m->most[place(o, level, group * STRATA_BOXES + l)];
        most = one > most ? one : most;
    }
    return most;
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
