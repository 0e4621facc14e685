#include "phases.h"

#include "strata/fault.h"
#include "strata/par.h"

strata_status strata_phase_begin(strata_context *ctx, const char *name, strata_phases *phases)
{
    char point[48];
    snprintf(point, sizeof point, "phase.%s", name);
    if (strata_fault_strikes(ctx, point))
        return strata_context_fail(ctx, STRATA_ERR_INTERNAL, __FILE__, __LINE__,
                                   "injected fault in phase %s", name);
    phases->began = strata_now();
    strata_progress(ctx, name, -1, "");
    return STRATA_OK;
}

strata_status strata_phase_end(strata_context *ctx, const char *name, int64_t rows,
                               strata_phases *phases)
{
    strata_status rc = STRATA_OK;
    double spent = strata_now() - phases->began, extremes[2] = {-spent, spent};
    int64_t nanoseconds = (int64_t)(1e9 * spent);
    STRATA_TRY(strata_par_allreduce_f64(ctx, extremes, 2, STRATA_MAX));
    STRATA_TRY(strata_par_allreduce_i64(ctx, &nanoseconds, 1, STRATA_SUM));
    if (phases->n == STRATA_PHASES_MAX)
        STRATA_FAIL(ctx, STRATA_ERR_INTERNAL, "more phases than the table has rows");
    strata_timing *t = &phases->timings[phases->n++];
    *t = (strata_timing){.min = -extremes[0],
                         .mean = 1e-9 * (double)nanoseconds / ctx->size,
                         .max = extremes[1],
                         .rows = rows};
    snprintf(t->phase, sizeof t->phase, "%s", name);
    strata_log(ctx, STRATA_LOG_DEBUG, "%s: %.3f s", name, t->max);
done:
    return rc;
}
