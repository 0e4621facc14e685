#include <stdlib.h>

#include "strata/memory.h"
#include "strata/stats.h"
#include "stats/quad.h"

typedef struct ordered_p {
    double log10_p;
    int64_t place;
} ordered_p;

static int compare_p(const void *left, const void *right)
{
    const ordered_p *a = left, *b = right;
    if (a->log10_p != b->log10_p)
        return a->log10_p < b->log10_p ? -1 : 1;
    return (a->place > b->place) - (a->place < b->place);
}

strata_status strata_stats_holm(strata_context *ctx, const double *log10_p, int64_t m,
                                double *adjusted)
{
    strata_status rc = STRATA_OK;
    ordered_p *order = NULL;
    int64_t tests = 0;
    STRATA_TRY(strata_alloc(ctx, m, sizeof *order, &order));
    for (int64_t i = 0; i < m; i++) {
        adjusted[i] = log10_p[i];
        if (!isnan(log10_p[i]))
            order[tests++] = (ordered_p){log10_p[i], i};
    }
    qsort(order, (size_t)tests, sizeof *order, compare_p);
    double reached = -INFINITY;
    for (int64_t i = 0; i < tests; i++) {
        double factor = (double)(logf128((quad)(tests - i)) / ln_10);
        double stepped = order[i].log10_p + factor;
        if (stepped > reached)
            reached = stepped;
        adjusted[order[i].place] = reached < 0 ? reached : 0;
    }
done:
    strata_free(&order);
    return rc;
}
