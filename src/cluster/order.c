/* order.c: sorts this rank's points along a Hilbert curve (J. Skilling 2004, doi
 * 10.1063/1.1751381), so that consecutive points are neighbours in space and a leaf's bounding
 * box is small. A leaf's points need no order among themselves, so 24 bits of the curve are
 * enough. */
#include "cluster/order.h"

#include <stdlib.h>
#include <string.h>

#include "strata/memory.h"

enum {
    KEY_BITS = 24, /* two passes of 4096 buckets sort them */
    SAMPLE = 2048, /* values a feature's range is taken from */
    AHEAD = 24,    /* rows fetched early while copying */
    DIGIT_BITS = 12,
    DIGITS = 1 << DIGIT_BITS
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

typedef struct sort_pair {
    uint32_t key, row;
} sort_pair;

/* With many features only the first ones can have a bit each. */
static void make_keys(const strata_problem *p, sort_pair *pairs)
{
    const int32_t d = p->d < KEY_BITS ? p->d : KEY_BITS, bits = KEY_BITS / d;
    float low[KEY_BITS], scale[KEY_BITS];
    uint32_t cells[KEY_BITS][STRATA_TILE], keys[STRATA_TILE];
    for (int32_t f = 0; f < d && p->n_local > 0; f++)
        find_range(p, f, &low[f], &scale[f], bits);
    for (int64_t t = 0; t < p->n_tiles; t++) {
        int64_t first = t * STRATA_TILE, points = strata_tile_points(p, t);
        for (int32_t f = 0; f < d; f++)
            p->kernel->cells(p->x + f * p->stride + first, points, low[f], scale[f],
                             (float)((1 << bits) - 1), cells[f]);
        p->kernel->curve(cells, d, bits, points, keys);
        for (int64_t i = 0; i < points; i++)
            pairs[first + i] = (sort_pair){keys[i], (uint32_t)(first + i)};
    }
}

/* Stable radix sort by the low 24 bits of key. */
static void sort_pairs(sort_pair *pairs, sort_pair *other, int64_t n)
{
    int64_t count[2][DIGITS] = {{0}};
    for (int64_t i = 0; i < n; i++) {
        count[0][pairs[i].key & (DIGITS - 1)]++;
        count[1][pairs[i].key >> DIGIT_BITS & (DIGITS - 1)]++;
    }
    for (int pass = 0; pass < 2; pass++) {
        int64_t at = 0;
        for (int b = 0; b < DIGITS; b++) {
            int64_t here = count[pass][b];
            count[pass][b] = at;
            at += here;
        }
    }
    for (int64_t i = 0; i < n; i++)
        other[count[0][pairs[i].key & (DIGITS - 1)]++] = pairs[i];
    for (int64_t i = 0; i < n; i++)
        pairs[count[1][other[i].key >> DIGIT_BITS & (DIGITS - 1)]++] = other[i];
}

static strata_status sort_rows(const strata_problem *p, strata_order *o)
{
    strata_status rc = STRATA_OK;
    sort_pair *pairs = NULL, *other = NULL;
    STRATA_TRY(strata_alloc(p->ctx, p->n_local, sizeof *pairs, &pairs));
    STRATA_TRY(strata_alloc(p->ctx, p->n_local, sizeof *other, &other));
    STRATA_TRY(strata_alloc(p->ctx, p->n_local, sizeof *o->row, &o->row));
    make_keys(p, pairs);
    sort_pairs(pairs, other, p->n_local);
    for (int64_t i = 0; i < p->n_local; i++)
        o->row[i] = pairs[i].row;
done:
    strata_free(&pairs);
    strata_free(&other);
    return rc;
}

static strata_status copy_points(const strata_problem *p, strata_order *o)
{
    strata_status rc = STRATA_OK;
    float *x = NULL;
    int64_t *weights = NULL;
    o->view = *p;
    o->view.order = NULL;
    o->view.key64 = NULL;
    o->view.radius = NULL;
    o->view.x = NULL;
    o->view.weights = NULL;
    o->view.stride = (p->n_local + STRATA_LEAF - 1) / STRATA_LEAF * STRATA_LEAF;
    STRATA_TRY(strata_alloc(p->ctx, o->view.stride * p->d, sizeof *x, &x));
    o->view.x = x;
    for (int32_t f = 0; f < p->d; f++) {
        const float *from = p->x + f * p->stride;
        float *to = x + f * o->view.stride;
        for (int64_t i = 0; i < p->n_local; i++) {
            if (i + AHEAD < p->n_local)
                __builtin_prefetch(from + o->row[i + AHEAD]);
            to[i] = from[o->row[i]];
        }
        for (int64_t i = p->n_local; i < o->view.stride; i++)
            to[i] = 0;
    }
    if (!p->weights)
        return STRATA_OK;
    STRATA_TRY(strata_alloc(p->ctx, p->n_local, sizeof *weights, &weights));
    o->view.weights = weights;
    for (int64_t i = 0; i < p->n_local; i++)
        weights[i] = p->weights[o->row[i]];
done:
    return rc;
}

static void measure_leaf(strata_order *o, int64_t leaf)
{
    const strata_problem *v = &o->view;
    const int32_t d = v->d;
    int64_t first = leaf * STRATA_LEAF, points = strata_order_points(o, 0, leaf);
    double reach = 0;
    int64_t *sums = o->sums + leaf * (d + 1);
    for (int32_t f = 0; f < d; f++) {
        const float *row = v->x + f * v->stride + first;
        float low = row[0], high = row[0];
        int64_t sum = 0;
        for (int64_t i = 0; i < points; i++) {
            low = row[i] < low ? row[i] : low;
            high = row[i] > high ? row[i] : high;
        }
        for (int64_t i = 0; i < points; i++)
            sum += strata_problem_weight(v, first + i) * (int64_t)row[i];
        o->low[leaf * d + f] = low;
        o->high[leaf * d + f] = high;
        sums[f] = sum;
        double below = (double)v->origin[f] - (double)low,
               above = (double)high - (double)v->origin[f];
        double farther = below > above ? below : above;
        reach += farther * farther;
    }
    sums[d] = points;
    if (v->weights)
        for (int64_t i = sums[d] = 0; i < points; i++)
            sums[d] += v->weights[first + i];
    o->radius[leaf] = (float)(__builtin_sqrt(reach) * (1 + 1e-6));
}

static void measure_node(strata_order *o, int32_t level, int64_t node)
{
    const int32_t d = o->view.d;
    const int64_t below = o->base[level - 1] + node * STRATA_FANOUT;
    const int64_t self = o->base[level] + node, end = o->base[level - 1] + o->nodes[level - 1];
    const int64_t last = below + STRATA_FANOUT < end ? below + STRATA_FANOUT : end;
    for (int32_t f = 0; f <= d; f++)
        o->sums[self * (d + 1) + f] = 0;
    for (int64_t child = below; child < last; child++) {
        for (int32_t f = 0; f <= d; f++)
            o->sums[self * (d + 1) + f] += o->sums[child * (d + 1) + f];
        for (int32_t f = 0; f < d; f++) {
            float low = o->low[child * d + f], high = o->high[child * d + f];
            float *to_low = &o->low[self * d + f], *to_high = &o->high[self * d + f];
            *to_low = child == below || low < *to_low ? low : *to_low;
            *to_high = child == below || high > *to_high ? high : *to_high;
        }
    }
}

static strata_status build_tree(const strata_problem *p, strata_order *o)
{
    strata_status rc = STRATA_OK;
    int64_t nodes = (p->n_local + STRATA_LEAF - 1) / STRATA_LEAF;
    for (;; nodes = (nodes + STRATA_FANOUT - 1) / STRATA_FANOUT) {
        o->nodes[o->levels] = nodes;
        o->base[o->levels++] = o->total;
        o->total += nodes;
        if (nodes <= STRATA_FANOUT)
            break;
    }
    STRATA_TRY(strata_alloc(p->ctx, o->total * p->d, sizeof *o->low, &o->low));
    STRATA_TRY(strata_alloc(p->ctx, o->total * p->d, sizeof *o->high, &o->high));
    STRATA_TRY(strata_alloc(p->ctx, o->total * (p->d + 1), sizeof *o->sums, &o->sums));
    STRATA_TRY(strata_alloc(p->ctx, o->nodes[0], sizeof *o->radius, &o->radius));
    for (int64_t leaf = 0; leaf < o->nodes[0]; leaf++)
        measure_leaf(o, leaf);
    for (int32_t level = 1; level < o->levels; level++)
        for (int64_t node = 0; node < o->nodes[level]; node++)
            measure_node(o, level, node);
done:
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
    STRATA_TRY(sort_rows(problem, o));
    STRATA_TRY(copy_points(problem, o));
    STRATA_TRY(build_tree(problem, o));
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
    void *x = (void *)(uintptr_t)o->view.x, *weights = (void *)(uintptr_t)o->view.weights;
    strata_free(&x);
    strata_free(&weights);
    strata_free(&o->row);
    strata_free(&o->low);
    strata_free(&o->high);
    strata_free(&o->sums);
    strata_free(&o->radius);
    strata_free(order);
}
