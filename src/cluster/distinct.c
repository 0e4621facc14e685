/* distinct.c: finds equal rows by an open-addressing hash table. */
#include "cluster/distinct.h"

#include <string.h>

#include "strata/memory.h"

enum { AHEAD = 16 }; /* rows whose place in the table is fetched early */

typedef struct table {
    strata_context *ctx;
    const strata_kernel *kernel;
    int32_t d;
    int64_t n;       /* distinct rows so far */
    uint64_t *slots; /* [size] upper half: of the hash; lower half: index + 1, 0 = empty; owned */
    int64_t size;    /* a power of two, more than twice n */
    float *x;        /* [n, d]; owned */
    int64_t *rows;   /* [n]; owned */
    int64_t room_x, room_rows;
} table;

static void table_release(table *t)
{
    strata_free(&t->slots);
    strata_free(&t->x);
    strata_free(&t->rows);
}

static strata_status table_init(const strata_problem *p, table *out)
{
    table t = {.ctx = p->ctx, .kernel = p->kernel, .d = p->d, .size = 1024};
    strata_status rc = strata_calloc(p->ctx, t.size, sizeof *t.slots, &t.slots);
    if (rc == STRATA_OK)
        *out = t;
    return rc;
}

static int64_t place_of(const table *t, uint64_t slot)
{
    return (int64_t)(slot >> 32) & (t->size - 1);
}

static strata_status table_grow(table *t)
{
    strata_status rc = STRATA_OK;
    uint64_t *old = t->slots, *slots = NULL;
    const int64_t size = t->size;
    STRATA_TRY(strata_calloc(t->ctx, 4 * size, sizeof *slots, &slots));
    t->slots = slots;
    t->size = 4 * size;
    for (int64_t s = 0; s < size; s++) {
        if (old[s] == 0)
            continue;
        int64_t at = place_of(t, old[s]);
        while (slots[at] != 0)
            at = (at + 1) & (t->size - 1);
        slots[at] = old[s];
    }
    strata_free(&old);
done:
    return rc;
}

static bool equals(const table *t, int64_t index, const float *x, int64_t stride)
{
    const float *known = t->x + index * t->d;
    for (int32_t f = 0; f < t->d; f++)
        if (known[f] != x[f * stride])
            return false;
    return true;
}

/* A row that is not there yet goes to the free place at. */
static strata_status table_add(table *t, uint64_t tag, int64_t at, const float *x, int64_t stride)
{
    strata_status rc = STRATA_OK;
    if (t->n >= UINT32_MAX - 1)
        STRATA_FAIL(
            t->ctx, STRATA_ERR_USAGE,
            "the variant merge holds up to 2^32 distinct points a rank; use more ranks or lloyd");
    STRATA_TRY(strata_reserve(t->ctx, &t->x, &t->room_x, (t->n + 1) * t->d, sizeof *t->x));
    STRATA_TRY(strata_reserve(t->ctx, &t->rows, &t->room_rows, t->n + 1, sizeof *t->rows));
    for (int32_t f = 0; f < t->d; f++)
        t->x[t->n * t->d + f] = x[f * stride];
    t->rows[t->n] = 0;
    t->slots[at] = tag | (uint64_t)(t->n + 1);
    t->n++;
    if (2 * t->n >= t->size)
        STRATA_TRY(table_grow(t));
done:
    return rc;
}

/* Counts n rows of x [d][stride], a tile at most; point [n] receives which ones they are. */
static strata_status table_count(table *t, const float *x, int64_t stride, int64_t n,
                                 uint32_t *point)
{
    uint64_t hash[STRATA_TILE];
    t->kernel->hash_rows(x, stride, n, t->d, hash);
    for (int64_t i = 0; i < n; i++) {
        if (i + AHEAD < n)
            __builtin_prefetch(&t->slots[place_of(t, hash[i + AHEAD])]);
        const uint64_t tag = hash[i] & ~(uint64_t)UINT32_MAX;
        int64_t at = place_of(t, tag);
        uint32_t index = 0; /* + 1 */
        for (; t->slots[at] != 0; at = (at + 1) & (t->size - 1))
            if ((t->slots[at] & ~(uint64_t)UINT32_MAX) == tag &&
                equals(t, (int64_t)(uint32_t)t->slots[at] - 1, x + i, stride)) {
                index = (uint32_t)t->slots[at];
                break;
            }
        if (index == 0) {
            index = (uint32_t)(t->n + 1);
            strata_status rc = table_add(t, tag, at, x + i, stride);
            if (rc != STRATA_OK)
                return rc;
        }
        point[i] = index - 1;
        t->rows[index - 1]++;
    }
    return STRATA_OK;
}

/* The table's rows as the points of a problem. */
static strata_status make_view(const strata_problem *p, const table *t, strata_distinct *to)
{
    strata_status rc = STRATA_OK;
    const int64_t stride = strata_tile_padded(t->n);
    float *x = NULL;
    int64_t *weights = NULL;
    STRATA_TRY(strata_calloc(p->ctx, stride * p->d, sizeof *x, &x));
    STRATA_TRY(strata_calloc(p->ctx, t->n, sizeof *weights, &weights));
    for (int64_t q = 0; q < t->n; q++)
        for (int32_t f = 0; f < p->d; f++)
            x[f * stride + q] = t->x[q * p->d + f];
    for (int64_t i = 0; i < p->n_local; i++)
        weights[to->point[i]] += strata_problem_weight(p, i);
    STRATA_TRY(strata_problem_view(p, t->n, stride, x, weights, &to->view));
    x = NULL;
    weights = NULL;
done:
    strata_free(&x);
    strata_free(&weights);
    return rc;
}

strata_status strata_distinct_get(const strata_problem *problem, const strata_distinct **out)
{
    strata_status rc = STRATA_OK;
    const strata_problem *p = problem;
    table t = {0};
    strata_distinct *made = NULL;
    if (*p->distinct) {
        *out = *p->distinct;
        return STRATA_OK;
    }
    STRATA_TRY(strata_calloc(p->ctx, 1, sizeof *made, &made));
    STRATA_TRY(strata_alloc(p->ctx, p->n_local, sizeof *made->point, &made->point));
    STRATA_TRY(table_init(p, &t));
    for (int64_t tile = 0; tile < p->n_tiles; tile++) {
        const int64_t first = tile * STRATA_TILE;
        STRATA_TRY(table_count(&t, p->x + first, p->stride, strata_tile_points(p, tile),
                               made->point + first));
    }
    STRATA_TRY(make_view(p, &t, made));
    made->rows = t.rows;
    t.rows = NULL;
    *p->distinct = made;
    *out = made;
    made = NULL;
done:
    table_release(&t);
    strata_distinct_destroy(&made);
    return rc;
}

void strata_distinct_destroy(strata_distinct **distinct)
{
    strata_distinct *self = *distinct;
    if (!self)
        return;
    void *x = (void *)(uintptr_t)self->view.x, *weights = (void *)(uintptr_t)self->view.weights;
    strata_free(&x);
    strata_free(&weights);
    strata_problem_release(&self->view);
    strata_free(&self->point);
    strata_free(&self->rows);
    strata_free(distinct);
}

/* A tile of drawn rows at a time. */
static strata_status count_sample(const strata_problem *p, int64_t drawn, table *t)
{
    strata_status rc = STRATA_OK;
    float *rows = NULL;
    uint32_t point[STRATA_TILE];
    STRATA_TRY(strata_alloc(p->ctx, STRATA_TILE * p->d, sizeof *rows, &rows));
    for (int64_t at = 0; at < drawn; at += STRATA_TILE) {
        const int64_t n = drawn - at < STRATA_TILE ? drawn - at : STRATA_TILE;
        for (int32_t f = 0; f < p->d; f++)
            for (int64_t i = 0; i < n; i++) {
                int64_t row = (int64_t)((__int128)(at + i) * p->n_local / drawn);
                rows[f * STRATA_TILE + i] = p->x[f * p->stride + row];
            }
        STRATA_TRY(table_count(t, rows, STRATA_TILE, n, point));
    }
done:
    strata_free(&rows);
    return rc;
}

strata_status strata_distinct_estimate(const strata_problem *problem, int64_t limit, int64_t *out)
{
    strata_status rc = STRATA_OK;
    const int64_t n = problem->n_local, drawn = n < limit ? n : limit;
    int64_t once = 0;
    table t = {0};
    STRATA_TRY(table_init(problem, &t));
    /* at once: growing holds the old rows beside the new, and pages that stay empty cost nothing */
    STRATA_TRY(strata_reserve(t.ctx, &t.x, &t.room_x, drawn * t.d, sizeof *t.x));
    STRATA_TRY(count_sample(problem, drawn, &t));
    for (int64_t q = 0; q < t.n; q++)
        once += t.rows[q] == 1;
    *out = t.n + (drawn > 0 ? (int64_t)((__int128)(n - drawn) * once / drawn) : 0);
done:
    table_release(&t);
    return rc;
}
