/* pool.c: a sample of rows that every rank holds, a function of keys and seed alone. */
#include <stdlib.h>
#include <string.h>

#include "cluster/select.h"
#include "strata/hash.h"
#include "strata/memory.h"
#include "strata/par.h"

typedef struct drawn {
    uint64_t number, key;
    int64_t row;
} drawn;

static int by_number(const void *a, const void *b)
{
    const drawn *left = a, *right = b;
    if (left->number != right->number)
        return left->number < right->number ? -1 : 1;
    return left->row < right->row ? -1 : left->row > right->row;
}

static uint64_t number_of(const strata_problem *p, int64_t i, uint64_t seed)
{
    return strata_random_bits(seed, STRATA_RANDOM_SAMPLE, strata_problem_key(p, i), 0);
}

/* Collective. The pool's rows: those with the STRATA_POOL smallest numbers. A limit that keeps
 * twice as many in the mean is far enough above; it is raised in the odd case that it was not. */
static strata_status draw_rows(const strata_problem *p, uint64_t seed, drawn **all, int64_t *n)
{
    strata_status rc = STRATA_OK;
    drawn *mine = NULL;
    const int64_t want = p->n_global < STRATA_POOL ? p->n_global : STRATA_POOL;
    double share = 2.0 * STRATA_POOL / (double)p->n_global;
    for (*n = -1; *n < want; share *= 2) {
        const uint64_t limit = share >= 1 ? UINT64_MAX : (uint64_t)(share * 0x1p64);
        int64_t count = 0, at = 0, bytes = 0;
        for (int64_t i = 0; i < p->n_local; i++)
            count += number_of(p, i, seed) <= limit;
        strata_free(&mine);
        strata_free(all);
        STRATA_AGREE(p->ctx, strata_alloc(p->ctx, count, sizeof *mine, &mine));
        for (int64_t i = 0; i < p->n_local; i++) {
            uint64_t number = number_of(p, i, seed);
            if (number <= limit)
                mine[at++] = (drawn){number, strata_problem_key(p, i), p->first_row + i};
        }
        STRATA_TRY(
            strata_par_gather(p->ctx, mine, count * (int64_t)sizeof *mine, -1, all, &bytes, NULL));
        *n = bytes / (int64_t)sizeof *mine;
    }
    qsort(*all, (size_t)*n, sizeof **all, by_number);
    *n = want;
done:
    strata_free(&mine);
    return rc;
}

/* Collective. Each row's values from the rank that has it. */
static strata_status fetch_rows(const strata_problem *p, const drawn *rows, int64_t n,
                                strata_points *points)
{
    strata_status rc = STRATA_OK;
    int64_t *values = NULL;
    uint64_t *keys = NULL;
    *points = (strata_points){.n_local = n,
                              .d = p->d,
                              .stride = strata_tile_padded(n),
                              .step_exponent = p->step_exponent};
    strata_status local = strata_calloc(p->ctx, n * p->d, sizeof *values, &values);
    if (local == STRATA_OK)
        local = strata_alloc(p->ctx, n, sizeof *keys, &keys);
    if (local == STRATA_OK)
        local = strata_calloc(p->ctx, points->stride * p->d, sizeof *points->steps, &points->steps);
    STRATA_AGREE(p->ctx, local);
    for (int64_t s = 0; s < n; s++) {
        int64_t i = rows[s].row - p->first_row;
        keys[s] = rows[s].key;
        for (int32_t f = 0; f < p->d && i >= 0 && i < p->n_local; f++)
            values[s * p->d + f] = (int64_t)p->x[f * p->stride + i];
    }
    STRATA_TRY(strata_par_allreduce_i64(p->ctx, values, n * p->d, STRATA_SUM));
    for (int64_t s = 0; s < n; s++)
        for (int32_t f = 0; f < p->d; f++)
            points->steps[f * points->stride + s] = (float)values[s * p->d + f];
    points->key64 = keys;
    keys = NULL;
done:
    strata_free(&values);
    strata_free(&keys);
    return rc;
}

strata_status strata_pool_draw(const strata_problem *problem, uint64_t seed, strata_pool *out)
{
    strata_status rc = STRATA_OK;
    strata_pool pool = {.alone = {.comm = MPI_COMM_NULL, .size = 1}};
    drawn *rows = NULL;
    int64_t n = 0;
    STRATA_TRY(draw_rows(problem, seed, &rows, &n));
    STRATA_TRY(fetch_rows(problem, rows, n, &pool.points));
    *out = pool;
    pool = (strata_pool){0};
    /* in place, since the problem points at the pool's context */
    strata_status local =
        strata_problem_init(&out->alone, &out->points, NULL, problem->kernel->name, &out->problem);
    if (local != STRATA_OK)
        strata_context_fail(problem->ctx, local, __FILE__, __LINE__, "%s",
                            out->alone.error.message);
    rc = strata_par_agree(problem->ctx, local);
    if (rc != STRATA_OK)
        strata_pool_release(out);
done:
    strata_free(&rows);
    strata_pool_release(&pool);
    return rc;
}

void strata_pool_release(strata_pool *pool)
{
    void *keys = (void *)(uintptr_t)pool->points.key64;
    strata_problem_release(&pool->problem);
    strata_free(&pool->points.steps);
    strata_free(&keys);
    pool->points.key64 = NULL;
}
