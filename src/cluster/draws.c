/* draws.c: see draws.h. */
#include "cluster/draws.h"

#include "strata/memory.h"

enum {
    ONE_IN = 256,      /* rows are listed, */
    LEAST = 4096,      /* of all ranks together this many where there are as many */
    KEPT_LEAST = 65536 /* rows that are always kept */
};

/* Depends on global numbers only. */
static uint64_t limit_of(const strata_problem *p)
{
    if (p->n_global <= LEAST)
        return UINT64_MAX;
    if (p->n_global <= (int64_t)LEAST * ONE_IN)
        return UINT64_MAX / (uint64_t)p->n_global * LEAST;
    return UINT64_MAX / ONE_IN;
}

static int64_t kept_most(const strata_problem *p)
{
    return KEPT_LEAST + (*p->order || *p->distinct ? p->n_local / 4 : 0);
}

static strata_status list_rows(const strata_problem *p, strata_draw *draw)
{
    strata_status rc = STRATA_OK;
    int64_t capacity = 0;
    if (p->largest_local > UINT32_MAX) /* no rank lists any */
        return STRATA_OK;
    const uint64_t limit = limit_of(p);
    for (int64_t tile = 0; tile < p->n_tiles; tile++) {
        uint64_t below[STRATA_TILE / 64];
        const int64_t first = tile * STRATA_TILE, points = strata_tile_points(p, tile);
        STRATA_TRY(
            strata_reserve(p->ctx, &draw->rows, &capacity, draw->n + points, sizeof *draw->rows));
        strata_tile_below(p, tile, draw->seed, STRATA_RANDOM_SEEDING, draw->round, limit, below);
        for (int64_t w = 0; w < (points + 63) / 64; w++)
            for (; below[w]; below[w] &= below[w] - 1) {
                const int64_t i = first + w * 64 + __builtin_ctzll(below[w]);
                draw->rows[draw->n++] = (strata_draw_row){
                    .row = (uint32_t)i, .high = (uint32_t)(strata_draws_number(p, draw, i) >> 32)};
            }
    }
    draw->limit = limit;
done:
    return rc;
}

/* Takes what spare holds into what is kept, without surplus room. */
static strata_status keep(const strata_problem *p, strata_draws *d)
{
    strata_status rc = STRATA_OK;
    strata_draw_row *rows = NULL;
    STRATA_TRY(strata_reserve(p->ctx, &d->kept, &d->capacity, d->n + 1, sizeof *d->kept));
    STRATA_TRY(strata_alloc(p->ctx, d->spare.n, sizeof *rows, &rows));
    for (int64_t i = 0; i < d->spare.n; i++)
        rows[i] = d->spare.rows[i];
    strata_free(&d->spare.rows);
    d->spare.rows = rows;
    d->kept[d->n++] = d->spare;
    d->rows += d->spare.n;
    d->spare = (strata_draw){0};
done:
    return rc;
}

strata_status strata_draws_get(const strata_problem *problem, uint64_t seed, uint64_t round,
                               const strata_draw **out)
{
    strata_status rc = STRATA_OK;
    strata_draws *d = problem->draws;
    for (int64_t i = 0; i < d->n; i++)
        if (d->kept[i].seed == seed && d->kept[i].round == round) {
            *out = &d->kept[i];
            return STRATA_OK;
        }
    strata_free(&d->spare.rows);
    d->spare = (strata_draw){.seed = seed, .round = round};
    STRATA_TRY(list_rows(problem, &d->spare));
    *out = &d->spare;
    if (d->rows + d->spare.n <= kept_most(problem)) {
        STRATA_TRY(keep(problem, d));
        *out = &d->kept[d->n - 1];
    }
done:
    return rc;
}

void strata_draws_destroy(strata_draws **draws)
{
    strata_draws *d = *draws;
    if (!d)
        return;
    for (int64_t i = 0; i < d->n; i++)
        strata_free(&d->kept[i].rows);
    strata_free(&d->kept);
    strata_free(&d->spare.rows);
    strata_free(draws);
}
