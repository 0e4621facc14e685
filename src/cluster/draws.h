/* draws.h: the few rows of this rank that a round of seeding can draw.
 *
 * A row's random number depends on the seed, the round and its key, so every k of a sweep meets the
 * same numbers, and a row is drawn only where its number is small. The rows with the smallest ones
 * are found once and kept. */
#ifndef STRATA_CLUSTER_DRAWS_H
#define STRATA_CLUSTER_DRAWS_H

#include "cluster/problem.h"

typedef struct strata_draw_row {
    uint32_t row;  /* of this rank */
    uint32_t high; /* the upper half of its number */
} strata_draw_row;

typedef struct strata_draw {
    uint64_t seed, round;
    uint64_t limit;        /* the rows whose number is below; 0 = none are listed */
    strata_draw_row *rows; /* [n] in order; owned */
    int64_t n;
} strata_draw;

typedef struct strata_draws {
    strata_draw *kept; /* owned */
    int64_t n, capacity;
    int64_t rows;      /* of all that are kept */
    strata_draw spare; /* the last one that was not kept */
} strata_draws;

/* Not collective. Valid until the next call. Keeps up to 2 bytes a point where points are held in
 * another form already, else half a MiB; without it, O(n). */
strata_status strata_draws_get(const strata_problem *problem, uint64_t seed, uint64_t round,
                               const strata_draw **out) STRATA_MUST_USE;
void strata_draws_destroy(strata_draws **draws);

/* The random number of a row. */
static inline uint64_t strata_draws_number(const strata_problem *p, const strata_draw *draw,
                                           int64_t i)
{
    return strata_random_bits(draw->seed, STRATA_RANDOM_SEEDING, strata_problem_key(p, i),
                              draw->round);
}

#endif
