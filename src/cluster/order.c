/* order.c: sorts this rank's points along a Hilbert curve (J. Skilling 2004, doi
 * 10.1063/1.1751381), so that consecutive points are neighbours in space and a leaf's bounding
 * box is small. 24 bits of the curve are enough, as a leaf's points need no order among themselves.
 *
 * Whole points are moved, twice: first into some thousand parts by the curve's leading bits, then
 * each part, which the cache holds, by the bits that follow straight to the places of its leaves. Memory
 * is read and written in order; fetching points by a sorted list of rows would read a cache line for
 * each value. The leaves take the place of the parts, which need more room: new pages are what costs
 * most here. */
#include "cluster/order.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "strata/memory.h"

enum {
    KEY_BITS = 24,
    SAMPLE = 2048,    /* values a feature's range is taken from */
    PART_BITS = 12,   /* parts at most; the rest of the key sorts each of them */
    PART_SIZE = 2048, /* points a part should have */
    REST = 1 << PART_BITS
};

static int ascending(const void *a, const void *b)
{
    const float *left = a, *right = b;
    return *left < *right ? -1 : *left > *right;
}

/* The middle 98 % of a feature, widened by a quarter: what lies beyond shares the outermost
 * cells. */
static void find_range(const strata_problem *p, int32_t f, float *low, float *scale, int32_t bits)
{
    float sample[SAMPLE];
    const float *row = p->x + f * p->stride;
    int64_t count = p->n_local < SAMPLE ? p->n_local : SAMPLE;
    for (int64_t s = 0; s < count; s++)
        sample[s] = row[s * p->n_local / count];
    qsort(sample, (size_t)count, sizeof *sample, ascending);
    float a = sample[count / 100], b = sample[count - 1 - count / 100];
    float quarter = (b - a) / 4;
    *low = a - quarter;
    *scale = b > a ? (float)(1 << bits) / (b - a + 2 * quarter) : 0.0f;
}

/* A point on its way. */
typedef struct traveller {
    uint32_t key, row;
    float x[]; /* [d] */
} traveller;

typedef struct sorter {
    const strata_problem *p;
    strata_order *o;
    int32_t d, shift; /* a part is key >> shift */
    int64_t parts;
    int64_t *start;   /* [parts + 1] where each begins; owned */
    char *travellers; /* [n_local] in parts: where the leaves will be */
    size_t size;      /* of one */
    char *moving;     /* [most] some of them on their way to the leaves; owned */
} sorter;

/* Keys [n_local] into what will be the rows of the order; with many features only the first ones can
 * have a bit each. Leaves the number of points of part b in start[b + 1]. */
static void make_keys(sorter *s)
{
    const strata_problem *p = s->p;
    const int32_t d = p->d < KEY_BITS ? p->d : KEY_BITS, bits = KEY_BITS / d;
    float low[KEY_BITS], scale[KEY_BITS];
    uint32_t cells[KEY_BITS][STRATA_TILE];
    s->shift = bits * d;
    for (s->parts = 1; s->parts < REST && s->parts * PART_SIZE < p->n_local && s->shift > 0;
         s->parts *= 2)
        s->shift--;
    for (int32_t f = 0; f < d && p->n_local > 0; f++)
        find_range(p, f, &low[f], &scale[f], bits);
    for (int64_t t = 0; t < p->n_tiles; t++) {
        int64_t first = t * STRATA_TILE, points = strata_tile_points(p, t);
        uint32_t *keys = s->o->row + first;
        for (int32_t f = 0; f < d; f++)
            p->kernel->cells(p->x + f * p->stride + first, points, low[f], scale[f],
                             (float)((1 << bits) - 1), cells[f]);
        p->kernel->curve(cells, d, bits, points, keys);
        for (int64_t i = 0; i < points; i++)
            s->start[(keys[i] >> s->shift) + 1]++;
    }
}

/* Into parts; afterwards start[b] is where part b begins. */
static void part_points(sorter *s)
{
    const strata_problem *p = s->p;
    for (int64_t b = 0; b < s->parts; b++)
        s->start[b + 1] += s->start[b];
    for (int64_t i = 0; i < p->n_local; i++) {
        const uint32_t key = s->o->row[i];
        traveller *to =
            (traveller *)(void *)(s->travellers + (size_t)s->start[key >> s->shift]++ * s->size);
        to->key = key;
        to->row = (uint32_t)i;
        for (int32_t f = 0; f < s->d; f++)
            to->x[f] = p->x[f * p->stride + i];
    }
    memmove(s->start + 1, s->start, (size_t)s->parts * sizeof *s->start);
    s->start[0] = 0;
}

/* One part by the bits below its own, as many as tell its points apart twice over. from: its
 * travellers. */
static void sort_part(const sorter *s, int64_t part, const char *from)
{
    int64_t place[REST + 1] = {0};
    const int64_t first = s->start[part], end = s->start[part + 1];
    int32_t bits = 0;
    while (bits < PART_BITS && bits < s->shift && (INT64_C(2) << bits) < end - first)
        bits++;
    const int32_t shift = s->shift - bits;
    const uint32_t mask = (1u << bits) - 1;
    for (int64_t i = 0; i < end - first; i++)
        place[((((const traveller *)(const void *)(from + (size_t)i * s->size))->key >> shift) &
               mask) +
              1]++;
    place[0] = first;
    for (uint32_t b = 0; b < mask; b++)
        place[b + 1] += place[b];
    for (int64_t i = 0; i < end - first; i++, from += s->size) {
        const traveller *t = (const traveller *)(const void *)from;
        const int64_t at = place[(t->key >> shift) & mask]++;
        float *x = s->o->x + at / STRATA_LEAF * s->d * STRATA_LEAF + at % STRATA_LEAF;
        s->o->row[at] = t->row;
        for (int32_t f = 0; f < s->d; f++)
            x[f * STRATA_LEAF] = t->x[f];
    }
}

/* The parts from part on that must leave together. Leaves up to a point's end at most STRATA_LEAF - 1
 * points behind it: 4 d (at + 63) bytes, which is before the travellers that follow it, (4 d + 8) at,
 * from at = 32 d on. */
static int64_t together(const sorter *s, int64_t part)
{
    int64_t next = part + 1;
    while (next < s->parts && s->start[next] < (int64_t)s->d * (STRATA_LEAF / 2))
        next++;
    return next;
}

static strata_status sort_parts(sorter *s)
{
    strata_status rc = STRATA_OK;
    int64_t most = 0;
    for (int64_t part = 0, next; part < s->parts; part = next) {
        next = together(s, part);
        const int64_t points = s->start[next] - s->start[part];
        most = points > most ? points : most;
    }
    STRATA_TRY(strata_alloc(s->p->ctx, most, (int64_t)s->size, &s->moving));
    for (int64_t part = 0, next; part < s->parts; part = next) {
        next = together(s, part);
        const int64_t first = s->start[part];
        memcpy(s->moving, s->travellers + (size_t)first * s->size,
               (size_t)(s->start[next] - first) * s->size);
        for (int64_t i = part; i < next; i++)
            sort_part(s, i, s->moving + (size_t)(s->start[i] - first) * s->size);
    }
done:
    strata_free(&s->moving);
    return rc;
}

/* Copies of the last point fill up the last leaf. */
static void fill_up(strata_order *o)
{
    const int64_t used = o->view.n_local % STRATA_LEAF;
    if (used == 0)
        return;
    float *x = o->x + (o->nodes[0] - 1) * o->view.d * STRATA_LEAF;
    for (int64_t i = used; i < STRATA_LEAF; i++)
        for (int32_t f = 0; f < o->view.d; f++)
            x[f * STRATA_LEAF + i] = x[f * STRATA_LEAF + used - 1];
}

static strata_status sort_points(const strata_problem *p, strata_order *o)
{
    strata_status rc = STRATA_OK;
    sorter s = {
        .p = p, .o = o, .d = p->d, .size = sizeof(traveller) + (size_t)p->d * sizeof(float)};
    STRATA_TRY(strata_alloc(p->ctx, p->n_local, sizeof *o->row, &o->row));
    STRATA_TRY(strata_calloc(p->ctx, REST + 1, sizeof *s.start, &s.start));
    const int64_t leaves = o->nodes[0] * p->d * STRATA_LEAF * (int64_t)sizeof *o->x;
    const int64_t travellers = p->n_local * (int64_t)s.size;
    const int64_t room = leaves > travellers ? leaves : travellers;
    STRATA_TRY(strata_alloc(p->ctx, room, 1, &o->x));
    s.travellers = (char *)o->x;
    make_keys(&s);
    part_points(&s);
    STRATA_TRY(sort_parts(&s));
    strata_memory_return(o->x, leaves, room);
    fill_up(o);
    if (!p->weights)
        goto done;
    STRATA_TRY(strata_alloc(p->ctx, p->n_local, sizeof *o->weights, &o->weights));
    o->view.weights = o->weights;
    for (int64_t i = 0; i < p->n_local; i++)
        o->weights[i] = p->weights[o->row[i]];
done:
    strata_free(&s.start);
    return rc;
}

/* ---- the tree ---------------------------------------------------------------------------------- */

/* One of sixteen boxes from bounds [d] relative to the origin, see boxes.h. Their differences are
 * exact in double; what is rounded goes up. */
static void set_box(float *box, int32_t d, int lane, const double *low, const double *high)
{
    double norm = 0, half = 0;
    box += lane;
    for (int32_t f = 0; f < d; f++) {
        const float middle = (float)((low[f] + high[f]) / 2);
        const double above = high[f] - (double)middle, below = (double)middle - low[f];
        const float width = (float)((above > below ? above : below) * (1 + 1e-6));
        box[f * STRATA_BOXES] = middle;
        box[(d + f) * STRATA_BOXES] = width;
        norm += (double)middle * (double)middle;
        half += (double)width * (double)width;
    }
    box += 2 * d * STRATA_BOXES;
    box[0] = (float)(norm * (1 + 1e-6));
    box[STRATA_BOXES] = (float)(2 * sqrt(half) * (1 + 1e-6));
    box[2 * STRATA_BOXES] = (float)((sqrt(norm) + sqrt(half)) * (1 + 1e-6));
}

static void measure_leaf(strata_order *o, int64_t leaf, double *low, double *high)
{
    const int32_t d = o->view.d;
    const int64_t first = leaf * STRATA_LEAF, points = strata_order_points(o, 0, leaf);
    int64_t *sums = o->sums + leaf * (d + 1);
    const float *x = o->x + first * d;
    for (int32_t f = 0; f < d; f++, x += STRATA_LEAF) {
        float least, most;
        sums[f] = o->view.kernel->range(x, &least, &most);
        low[f] = (double)least - (double)o->view.origin[f];
        high[f] = (double)most - (double)o->view.origin[f];
        for (int64_t i = points; i < STRATA_LEAF; i++)
            sums[f] -= (int64_t)x[i];
        if (!o->weights)
            continue;
        sums[f] = 0;
        for (int64_t i = 0; i < points; i++)
            sums[f] += o->weights[first + i] * (int64_t)x[i];
    }
    sums[d] = o->weights ? 0 : points;
    for (int64_t i = 0; i < points && o->weights; i++)
        sums[d] += o->weights[first + i];
    set_box(o->boxes + leaf / STRATA_BOXES * strata_boxes_floats(d), d, (int)(leaf % STRATA_BOXES),
            low, high);
}

/* Node i of a level from the group below it; bounds [nodes, d] of both levels. */
static void measure_node(strata_order *o, int32_t level, int64_t node, double *bounds[2])
{
    const int32_t d = o->view.d;
    const int64_t below = o->base[level - 1] * STRATA_BOXES, first = node * STRATA_BOXES;
    const int64_t self = o->base[level] * STRATA_BOXES + node;
    int64_t end = first + STRATA_BOXES;
    end = end < o->nodes[level - 1] ? end : o->nodes[level - 1];
    for (int32_t f = 0; f <= d; f++) {
        o->sums[self * (d + 1) + f] = 0;
        for (int64_t child = first; child < end; child++)
            o->sums[self * (d + 1) + f] += o->sums[(below + child) * (d + 1) + f];
    }
    for (int32_t f = 0; f < d; f++) {
        double low = bounds[0][first * d + f], high = bounds[1][first * d + f];
        for (int64_t child = first; child < end; child++) {
            low = bounds[0][child * d + f] < low ? bounds[0][child * d + f] : low;
            high = bounds[1][child * d + f] > high ? bounds[1][child * d + f] : high;
        }
        bounds[0][node * d + f] = low; /* no later node reads from there */
        bounds[1][node * d + f] = high;
    }
    set_box(o->boxes + self / STRATA_BOXES * strata_boxes_floats(d), d, (int)(self % STRATA_BOXES),
            bounds[0] + node * d, bounds[1] + node * d);
}

static void plan_levels(strata_order *o)
{
    int64_t nodes = (o->view.n_local + STRATA_LEAF - 1) / STRATA_LEAF;
    for (;; nodes = (nodes + STRATA_BOXES - 1) / STRATA_BOXES) {
        o->nodes[o->levels] = nodes;
        o->base[o->levels++] = o->groups;
        o->groups += (nodes + STRATA_BOXES - 1) / STRATA_BOXES;
        if (nodes <= STRATA_BOXES)
            break;
    }
}

static strata_status build_tree(strata_context *ctx, strata_order *o)
{
    strata_status rc = STRATA_OK;
    const int32_t d = o->view.d;
    double *bounds[2] = {NULL, NULL};
    STRATA_TRY(strata_calloc(ctx, o->groups * strata_boxes_floats(d), sizeof *o->boxes, &o->boxes));
    STRATA_TRY(strata_calloc(ctx, o->groups * STRATA_BOXES * (d + 1), sizeof *o->sums, &o->sums));
    for (int side = 0; side < 2; side++)
        STRATA_TRY(strata_alloc(ctx, o->nodes[0] * d, sizeof *bounds[side], &bounds[side]));
    for (int64_t leaf = 0; leaf < o->nodes[0]; leaf++)
        measure_leaf(o, leaf, bounds[0] + leaf * d, bounds[1] + leaf * d);
    for (int32_t level = 1; level < o->levels; level++)
        for (int64_t node = 0; node < o->nodes[level]; node++)
            measure_node(o, level, node, bounds);
done:
    strata_free(&bounds[0]);
    strata_free(&bounds[1]);
    return rc;
}

strata_status strata_order_get(const strata_problem *problem, const strata_order **out)
{
    strata_status rc = STRATA_OK;
    strata_order *o = NULL;
    if (*problem->order) {
        *out = *problem->order;
        return STRATA_OK;
    }
    STRATA_TRY(strata_calloc(problem->ctx, 1, sizeof *o, &o));
    if (problem->n_local > UINT32_MAX)
        STRATA_FAIL(
            problem->ctx, STRATA_ERR_USAGE,
            "the space order holds up to 2^32 points a rank, not %lld; use more ranks or the "
            "variant lloyd",
            (long long)problem->n_local);
    o->view = *problem;
    o->view.order = NULL;
    o->view.distinct = NULL;
    o->view.draws = NULL;
    o->view.key64 = NULL;
    o->view.radius = NULL;
    o->view.x = NULL;
    o->view.weights = NULL;
    plan_levels(o);
    STRATA_TRY(sort_points(problem, o));
    STRATA_TRY(build_tree(problem->ctx, o));
    *problem->order = o;
    *out = o;
    o = NULL;
done:
    strata_order_destroy(&o);
    return rc;
}

void strata_order_destroy(strata_order **order)
{
    strata_order *o = *order;
    if (!o)
        return;
    strata_free(&o->x);
    strata_free(&o->weights);
    strata_free(&o->row);
    strata_free(&o->boxes);
    strata_free(&o->sums);
    strata_free(order);
}
