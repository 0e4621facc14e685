/* seeding.c: starts that are a function of the data and the seed, not of the partition. Draws
 * are by hash of a row's key, or by exact integer prefix sums over the global row order. */
#include <stdlib.h>
#include <string.h>

#include "cluster/draws.h"
#include "cluster/masses.h"
#include "strata/hash.h"
#include "strata/memory.h"
#include "strata/par.h"

strata_status strata_seed(const strata_problem *problem, const strata_cluster_options *options,
                          int32_t restart, void *scratch, int32_t *start)
{
    const uint64_t round = (uint64_t)restart << 32;
    if (strcmp(options->init, "centroids") == 0) {
        memcpy(start, options->start, (size_t)options->k * (size_t)problem->d * sizeof *start);
        return STRATA_OK;
    }
    if (strcmp(options->init, "random") == 0)
        return strata_seed_random(problem, options->k, options->seed, round, start);
    if (strcmp(options->init, "kmeans_plus_plus") == 0)
        return strata_seed_plus_plus(problem, options->k, options->seed, round, start);
    return strata_seed_parallel(problem, options->k, options->seed, round, scratch, start);
}

/* ---- rows with the smallest random numbers --------------------------------------------------- */

typedef struct drawn_row {
    uint64_t number;
    int64_t row;
    int32_t x[STRATA_D_MAX];
} drawn_row;

static int compare_drawn(const void *a, const void *b)
{
    const drawn_row *left = a, *right = b;
    if (left->number != right->number)
        return left->number < right->number ? -1 : 1;
    return left->row < right->row ? -1 : left->row > right->row;
}

/* The k smallest of this rank so far, by number. */
typedef struct smallest {
    const strata_problem *p;
    int32_t k;
    int64_t count;
    drawn_row *rows; /* [k] */
} smallest;

static void take_smallest(smallest *s, int64_t i, uint64_t number)
{
    const strata_problem *p = s->p;
    if ((s->count == s->k && number >= s->rows[s->k - 1].number) ||
        strata_problem_weight(p, i) == 0)
        return;
    drawn_row found = {.number = number, .row = p->first_row + i};
    for (int32_t f = 0; f < p->d; f++)
        found.x[f] = (int32_t)p->x[f * p->stride + i];
    int64_t at = s->count < s->k ? s->count++ : s->k - 1;
    for (; at > 0 && found.number < s->rows[at - 1].number; at--)
        s->rows[at] = s->rows[at - 1];
    s->rows[at] = found;
}

static void smallest_of_list(smallest *s, const strata_draw *draw)
{
    for (int64_t e = 0; e < draw->n; e++)
        if (s->count < s->k || draw->rows[e].high <= s->rows[s->k - 1].number >> 32)
            take_smallest(s, draw->rows[e].row, strata_draws_number(s->p, draw, draw->rows[e].row));
}

static void smallest_of_all(smallest *s, uint64_t seed, uint64_t round)
{
    uint64_t number[STRATA_TILE];
    for (int64_t i = 0; i < s->p->n_local; i++) {
        const int64_t in_tile = i % STRATA_TILE;
        if (in_tile == 0)
            strata_tile_random(s->p, i / STRATA_TILE, seed, STRATA_RANDOM_SEEDING, round, number);
        take_smallest(s, i, number[in_tile]);
    }
}

/* The listed rows of all ranks are the smallest of all, so k of them are enough; only where they are
 * fewer, as many rows have no weight, all rows are looked at. */
strata_status strata_seed_random(const strata_problem *problem, int32_t k, uint64_t seed,
                                 uint64_t round, int32_t *start)
{
    strata_status rc = STRATA_OK;
    smallest mine = {.p = problem, .k = k};
    drawn_row *all = NULL;
    const strata_draw *draw = NULL;
    int64_t total = 0;
    strata_status local = strata_alloc(problem->ctx, k, sizeof *mine.rows, &mine.rows);
    if (local == STRATA_OK)
        local = strata_draws_get(problem, seed, round, &draw);
    STRATA_AGREE(problem->ctx, local);
    for (int turn = 0; turn < 2 && total < k; turn++) {
        int64_t bytes = 0;
        mine.count = 0;
        strata_free(&all);
        if (turn == 0)
            smallest_of_list(&mine, draw);
        else
            smallest_of_all(&mine, seed, round);
        STRATA_TRY(strata_par_gather(problem->ctx, mine.rows,
                                     mine.count * (int64_t)sizeof *mine.rows, -1, &all, &bytes,
                                     NULL));
        total = bytes / (int64_t)sizeof *all;
    }
    qsort(all, (size_t)total, sizeof *all, compare_drawn);
    for (int32_t j = 0; j < k; j++)
        memcpy(start + (int64_t)j * problem->d, all[j < total ? j : total - 1].x,
               (size_t)problem->d * sizeof *start);
done:
    strata_free(&mine.rows);
    strata_free(&all);
    return rc;
}

/* ---- k-means++ --------------------------------------------------------------------------------
 * Where there is a space order, a centre looks at the points that it may be the nearest to; a draw
 * then measures the rows of one tile again. The sums are the same, so the draws are. */

enum { TRIALS_MAX = 8 };

typedef struct plus_plus {
    const strata_problem *p;
    bool ordered;
    strata_masses masses;  /* if ordered */
    int64_t *nearest;      /* else [padded] squared distance to the nearest centre so far; 1 at first */
    strata_u128 *tile_sum; /* [n_tiles] sums of weight * nearest */
    const int32_t *centres; /* [count, d] so far */
    int32_t count;
    __int128 *rank_sum;    /* [size] */
    int32_t trials;
    int32_t trial[TRIALS_MAX * STRATA_D_MAX]; /* [trials, d] */
} plus_plus;

static strata_u128 mass(const plus_plus *s, int64_t i)
{
    return (strata_u128)s->nearest[i] * (strata_u128)strata_problem_weight(s->p, i);
}

/* floor(total * bits / 2^64) for total < 2^127 */
static strata_u128 scale_down(strata_u128 total, uint64_t bits)
{
    strata_u128 high = (total >> 64) * bits, low = (strata_u128)(uint64_t)total * bits;
    return high + (low >> 64);
}

/* The distances of a tile's rows to their nearest centres, kept or measured into buffer. */
static const int64_t *nearest_of(const plus_plus *s, int64_t tile, int64_t *buffer)
{
    const strata_problem *p = s->p;
    const int64_t first = tile * STRATA_TILE, points = strata_tile_points(p, tile);
    int64_t distance[STRATA_TILE];
    if (!s->ordered)
        return s->nearest + first;
    for (int64_t i = 0; i < points; i++)
        buffer[i] = s->count == 0 ? 1 : INT64_MAX;
    for (int32_t j = 0; j < s->count; j++) {
        p->kernel->distances(p->x + first, p->stride, strata_tile_padded(points), p->d,
                             s->centres + (int64_t)j * p->d, distance);
        for (int64_t i = 0; i < points; i++)
            buffer[i] = distance[i] < buffer[i] ? distance[i] : buffer[i];
    }
    return buffer;
}

/* The local row that holds place target of this rank's prefix sums. */
static int64_t find_place(const plus_plus *s, strata_u128 target)
{
    int64_t buffer[STRATA_TILE], tile = 0;
    for (; target >= s->tile_sum[tile]; tile++)
        target -= s->tile_sum[tile];
    const int64_t *nearest = nearest_of(s, tile, buffer);
    for (int64_t i = 0;; i++) {
        const int64_t row = tile * STRATA_TILE + i;
        const strata_u128 mass =
            (strata_u128)nearest[i] * (strata_u128)strata_problem_weight(s->p, row);
        if (target < mass)
            return row;
        target -= mass;
    }
}

/* Collective. Draws rows with probability proportional to their mass into trial; *any = false
 * when the mass is all used up (every point is a centre already). */
static strata_status draw(plus_plus *s, uint64_t seed, uint64_t key, uint64_t round, bool *any)
{
    strata_status rc = STRATA_OK;
    const strata_problem *p = s->p;
    strata_context *ctx = p->ctx;
    int64_t found[TRIALS_MAX * STRATA_D_MAX] = {0};
    memset(s->rank_sum, 0, (size_t)ctx->size * sizeof *s->rank_sum);
    for (int64_t t = 0; t < p->n_tiles; t++)
        s->rank_sum[ctx->rank] += (__int128)s->tile_sum[t];
    STRATA_TRY(strata_par_allreduce_i128(ctx, s->rank_sum, ctx->size));
    strata_u128 before = 0, total = 0;
    for (int r = 0; r < ctx->size; r++) {
        before += r < ctx->rank ? (strata_u128)s->rank_sum[r] : 0;
        total += (strata_u128)s->rank_sum[r];
    }
    *any = total > 0;
    if (total == 0)
        return STRATA_OK;
    for (int32_t t = 0; t < s->trials; t++) {
        uint64_t bits =
            strata_random_bits(seed, STRATA_RANDOM_SEEDING, key * TRIALS_MAX + (uint64_t)t, round);
        strata_u128 target = scale_down(total, bits);
        if (target < before || target - before >= (strata_u128)s->rank_sum[ctx->rank])
            continue;
        int64_t i = find_place(s, target - before);
        for (int32_t f = 0; f < p->d; f++)
            found[t * p->d + f] = (int64_t)p->x[f * p->stride + i];
    }
    STRATA_TRY(strata_par_allreduce_i64(ctx, found, (int64_t)s->trials * p->d, STRATA_SUM));
    for (int32_t v = 0; v < s->trials * p->d; v++)
        s->trial[v] = (int32_t)found[v];
done:
    return rc;
}

/* Collective. The trial that leaves the least mass; the first of equals. */
static strata_status choose_trial(plus_plus *s, int32_t *chosen)
{
    strata_status rc = STRATA_OK;
    const strata_problem *p = s->p;
    __int128 left[TRIALS_MAX] = {0};
    *chosen = 0;
    for (int32_t t = 0; t < s->trials && s->trials > 1 && s->ordered; t++)
        left[t] = -strata_masses_gain(&s->masses, s->trial + t * p->d); /* from the same sum */
    for (int64_t tile = 0; tile < p->n_tiles && s->trials > 1 && !s->ordered; tile++) {
        int64_t first = tile * STRATA_TILE, points = strata_tile_points(p, tile);
        for (int32_t t = 0; t < s->trials; t++) {
            int64_t distance[STRATA_TILE];
            p->kernel->distances(p->x + first, p->stride, strata_tile_padded(points), p->d,
                                 s->trial + t * p->d, distance);
            for (int64_t i = 0; i < points; i++) {
                int64_t nearest = s->nearest[first + i];
                left[t] += (__int128)(distance[i] < nearest ? distance[i] : nearest) *
                           strata_problem_weight(p, first + i);
            }
        }
    }
    if (s->trials > 1)
        STRATA_TRY(strata_par_allreduce_i128(p->ctx, left, s->trials));
    for (int32_t t = 1; t < s->trials; t++)
        if (left[t] < left[*chosen])
            *chosen = t;
done:
    return rc;
}

static void take_centre(plus_plus *s, const int32_t *centre, bool first_centre)
{
    const strata_problem *p = s->p;
    if (s->ordered)
        strata_masses_add(&s->masses, centre, first_centre);
    for (int64_t tile = 0; tile < p->n_tiles && !s->ordered; tile++) {
        int64_t first = tile * STRATA_TILE, points = strata_tile_points(p, tile);
        int64_t distance[STRATA_TILE];
        p->kernel->distances(p->x + first, p->stride, strata_tile_padded(points), p->d, centre,
                             distance);
        s->tile_sum[tile] = 0;
        for (int64_t i = 0; i < points; i++) {
            int64_t *nearest = &s->nearest[first + i];
            if (first_centre || distance[i] < *nearest)
                *nearest = distance[i];
            s->tile_sum[tile] += mass(s, first + i);
        }
    }
}

static strata_status start_masses(plus_plus *s)
{
    strata_status rc = STRATA_OK;
    const strata_problem *p = s->p;
    s->ordered = *p->order != NULL;
    STRATA_TRY(strata_alloc(p->ctx, p->ctx->size, sizeof *s->rank_sum, &s->rank_sum));
    STRATA_TRY(strata_calloc(p->ctx, p->n_tiles, sizeof *s->tile_sum, &s->tile_sum));
    if (s->ordered)
        return strata_masses_init(*p->order, s->tile_sum, &s->masses);
    STRATA_TRY(strata_alloc(p->ctx, p->n_tiles * STRATA_TILE, sizeof *s->nearest, &s->nearest));
    for (int64_t i = 0; i < p->n_local; i++) {
        s->nearest[i] = 1;
        s->tile_sum[i / STRATA_TILE] += mass(s, i);
    }
done:
    return rc;
}

/* As many trials as scikit-learn takes, 2 + ln k, in integers. */
static int32_t trials_of(int32_t k)
{
    int32_t bits = 0;
    while ((k >> bits) > 1)
        bits++;
    int32_t trials = 2 + bits * 7 / 10;
    return trials < TRIALS_MAX ? trials : TRIALS_MAX;
}

strata_status strata_seed_plus_plus(const strata_problem *problem, int32_t k, uint64_t seed,
                                    uint64_t round, int32_t *start)
{
    strata_status rc = STRATA_OK;
    const strata_problem *p = problem;
    plus_plus s = {.p = p, .trials = 1, .centres = start};
    STRATA_AGREE(p->ctx, start_masses(&s));
    for (int32_t j = 0; j < k; j++) {
        bool any = false;
        int32_t chosen = 0;
        STRATA_TRY(draw(&s, seed, (uint64_t)j, round, &any));
        if (!any) { /* fewer distinct points than k: the surplus will stay empty */
            memcpy(start + (int64_t)j * p->d, start, (size_t)p->d * sizeof *start);
            continue;
        }
        STRATA_TRY(choose_trial(&s, &chosen));
        const int32_t *centre = s.trial + chosen * p->d;
        memcpy(start + (int64_t)j * p->d, centre, (size_t)p->d * sizeof *start);
        take_centre(&s, centre, j == 0);
        s.count = j + 1;
        s.trials = trials_of(k);
    }
done:
    strata_masses_release(&s.masses);
    strata_free(&s.nearest);
    strata_free(&s.tile_sum);
    strata_free(&s.rank_sum);
    return rc;
}
