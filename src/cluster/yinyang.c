/* yinyang.c: one lower bound for each group of centroids (Ding et al. 2015, PMLR 37). */
#include "cluster/bounds.h"

static strata_status create(const strata_problem *problem, int32_t k, uint8_t *labels, void **state)
{
    return strata_bounds_create(problem, k, false, labels, state);
}

const strata_variant_ops strata_variant_yinyang = {
    .info = {.name = "yinyang",
             .exact = true,
             .bytes_per_point = 5,
             .bytes_per_point_d = 4,
             .bounds = STRATA_BOUNDS_SIXTEENTH,
             .keeps = "rows, labels, a bound a point and one for each sixteen centroids",
             .regime = "d >= 48, k >= 128, many iterations, points in groups",
             .d_min = 48,
             .d_max = STRATA_D_MAX,
             .k_min = 128},
    .create = create,
    .assign = strata_bounds_assign,
    .relabel = strata_bounds_relabel,
    .destroy = strata_bounds_destroy};
