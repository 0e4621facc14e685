#include <string.h>

#include "ingest/job.h"
#include "strata/memory.h"
#include "strata/par.h"

static strata_status allocate(strata_context *ctx, int64_t n, strata_population *view, int64_t **rows)
{
    strata_status rc = STRATA_OK;
    STRATA_TRY(strata_alloc(ctx, n, sizeof **rows, rows));
    STRATA_TRY(strata_alloc(ctx, n, sizeof *view->key64, &view->key64));
    STRATA_TRY(strata_alloc(ctx, n, sizeof *view->region_code, &view->region_code));
    STRATA_TRY(strata_activity_alloc(ctx, n, &view->whole));
done:
    return rc;
}

strata_status strata_population_view(strata_context *ctx, const strata_population *population,
                                     const strata_activity *activity, int32_t start, int32_t as_of,
                                     strata_population *view, int64_t **rows)
{
    strata_status rc = STRATA_OK;
    strata_population chosen = {.window_start = start, .as_of = as_of, .holdout_start = as_of};
    int64_t *map = NULL, n = 0, n_all = strata_partition_local(&population->partition, ctx->rank);
    for (int64_t i = 0; i < n_all; i++)
        n += activity->orders[i] > 0;
    STRATA_AGREE(ctx, allocate(ctx, n, &chosen, &map));
    int64_t at = 0;
    for (int64_t i = 0; i < n_all; i++) {
        if (activity->orders[i] <= 0)
            continue;
        map[at] = i;
        chosen.key64[at] = population->key64[i];
        chosen.region_code[at] = population->region_code[i];
        chosen.whole.first_day[at] = activity->first_day[i];
        chosen.whole.last_day[at] = activity->last_day[i];
        chosen.whole.orders[at] = activity->orders[i];
        chosen.whole.net[at] = activity->net[i];
        chosen.whole.positive[at] = activity->positive[i];
        chosen.whole.largest[at] = activity->largest[i];
        at++;
    }
    STRATA_TRY(strata_partition_gather(ctx, n, &chosen.partition));
    *view = chosen;
    *rows = map;
    chosen = (strata_population){0};
    map = NULL;
done:
    strata_free(&map);
    strata_population_release(&chosen);
    return rc;
}
