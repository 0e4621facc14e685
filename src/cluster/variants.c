/* variants.c: the table of variants. A new one is a file of its own and a line here. */
#include <stdio.h>
#include <string.h>

#include "cluster/problem.h"

static const strata_variant_ops *const table[] = {&strata_variant_lloyd, &strata_variant_filter};
enum { VARIANTS = sizeof table / sizeof table[0] };

int32_t strata_cluster_variant_count(void)
{
    return VARIANTS;
}

const strata_cluster_variant *strata_cluster_variant_at(int32_t index)
{
    return index >= 0 && index < VARIANTS ? &table[index]->info : NULL;
}

const strata_variant_ops *strata_variant_find(const char *name)
{
    for (int32_t i = 0; i < VARIANTS; i++)
        if (strcmp(table[i]->info.name, name) == 0)
            return table[i];
    return NULL;
}

const strata_variant_ops *strata_variant_choose(const strata_problem *problem,
                                                const strata_cluster_options *options, char *reason,
                                                size_t reason_size)
{
    const strata_variant_ops *ops = strata_variant_find(options->variant);
    if (ops) {
        const strata_cluster_variant *v = &ops->info;
        bool outside = problem->d < v->d_min || problem->d > v->d_max || options->k < v->k_min;
        if (outside)
            snprintf(reason, reason_size, "as asked, outside its regime (%s)", v->regime);
        else
            snprintf(reason, reason_size, "as asked");
        return ops;
    }
    snprintf(reason, reason_size, "one pass over the points an iteration");
    return &strata_variant_lloyd;
}
