/* elkan.c: one lower bound for each centroid (Elkan 2003, ICML). */
#include "cluster/bounds.h"

static strata_status create(const strata_problem *problem, int32_t k, uint8_t *labels, void **state)
{
    return strata_bounds_create(problem, k, true, labels, state);
}

const strata_variant_ops strata_variant_elkan = {
    .info = {.name = "elkan",
             .exact = true,
             .bytes_per_point = 5,
             .bytes_per_point_d = 4,
             .bounds = STRATA_BOUNDS_EACH,
             .keeps = "rows, labels, a bound a point and one for each centroid",
             .regime = "to compare with: large d, few points, many iterations",
             .d_min = 16,
             .d_max = STRATA_D_MAX,
             .k_min = 64},
    .create = create,
    .assign = strata_bounds_assign,
    .relabel = strata_bounds_relabel,
    .destroy = strata_bounds_destroy};
