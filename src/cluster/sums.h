/* sums.h: the sums of the clusters follow the labels, the same way in every variant. sums [k, d + 1]
 * holds for each cluster the weighted sum of its points and, last, their weight. */
#ifndef STRATA_CLUSTER_SUMS_H
#define STRATA_CLUSTER_SUMS_H

#include "cluster/problem.h"

/* From so many features on the kernel's vectors pay. */
enum { STRATA_SUMS_WIDE = 8 };

/* to [d + 1] gains point i, sign times. */
static inline void strata_sums_add(const strata_problem *p, int64_t i, int64_t sign, int64_t *to)
{
    const int64_t weight = sign * strata_problem_weight(p, i);
    if (p->d >= STRATA_SUMS_WIDE) {
        p->kernel->carry(p->x + i, p->stride, p->d, weight, NULL, to);
        return;
    }
    for (int32_t f = 0; f < p->d; f++)
        to[f] += weight * (int64_t)p->x[f * p->stride + i];
    to[p->d] += weight;
}

/* Point i goes from one cluster to another. */
static inline void strata_sums_move(const strata_problem *p, int64_t i, int32_t from, int32_t to,
                                    int64_t *sums)
{
    const int64_t weight = strata_problem_weight(p, i);
    int64_t *old = sums + (int64_t)from * (p->d + 1), *new = sums + (int64_t)to *(p->d + 1);
    if (p->d >= STRATA_SUMS_WIDE) {
        p->kernel->carry(p->x + i, p->stride, p->d, weight, old, new);
        return;
    }
    for (int32_t f = 0; f < p->d; f++) {
        const int64_t value = weight * (int64_t)p->x[f * p->stride + i];
        old[f] -= value;
        new[f] += value;
    }
    old[p->d] -= weight;
    new[p->d] += weight;
}

/* Point i gets a label; counts it as moved when it had another. In a first pass it had none. */
static inline void strata_sums_label(const strata_problem *p, strata_pass *pass, int64_t i,
                                     uint8_t *labels, uint8_t label)
{
    if (pass->first) {
        strata_sums_add(p, i, 1, pass->sums + (int64_t)label * (p->d + 1));
    } else if (labels[i] != label) {
        strata_sums_move(p, i, labels[i], label, pass->sums);
        pass->moved++;
    }
    labels[i] = label;
}

/* Whether the sums of a pass are better made anew than followed, when so many points moved in the
 * pass before. */
bool strata_sums_anew(const strata_problem *p, int32_t k, int64_t moved);

/* The points from first on get the labels found [padded points], which is used up; a tile at most,
 * both label arrays 64-aligned there. anew: they are added to the sums whatever they were (the
 * caller zeroed the sums); else those that change are moved. Returns how many change. */
int64_t strata_sums_points(const strata_problem *p, int64_t first, int64_t points, int32_t k,
                           bool anew, uint8_t *labels, uint8_t *found, int64_t *sums);

#endif
