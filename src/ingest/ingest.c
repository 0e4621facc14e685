/* The tour of the ingest room: list files -> deal ranges -> (scan pass) -> main pass -> checks
 * -> fold. */
#include "strata/ingest.h"

#include <math.h>
#include <string.h>

#include "ingest/job.h"
#include "strata/fault.h"
#include "strata/memory.h"
#include "strata/money.h"
#include "strata/par.h"

const strata_ingest_tuning strata_ingest_default_tuning = {
    .block_bytes = STRATA_INGEST_BLOCK,
    .row_limit = STRATA_INGEST_ROW_LIMIT,
    .table_entries = INT64_C(1) << 20,
    .slice_entries = INT64_C(1) << 16, /* what is on its way stays in the caches */
    .rejects_in_memory = INT64_C(1) << 20,
};

const char *strata_reject_text(strata_reject reason)
{
    static const char *const texts[] = {
        [STRATA_REJECT_COLUMNS] = "columns",   [STRATA_REJECT_QUOTE] = "quote",
        [STRATA_REJECT_ENCODING] = "encoding", [STRATA_REJECT_TOO_LONG] = "too_long",
        [STRATA_REJECT_USER] = "user",         [STRATA_REJECT_TIME] = "time",
        [STRATA_REJECT_AMOUNT] = "amount",     [STRATA_REJECT_ORDER] = "order",
        [STRATA_REJECT_REFUND] = "refund"};
    return reason < STRATA_REJECT_COUNT ? texts[reason] : "?";
}

const char *strata_drop_text(strata_drop rule)
{
    static const char *const texts[] = {[STRATA_DROP_ORDER_PREFIX] = "order_prefix",
                                        [STRATA_DROP_REFUND] = "refund",
                                        [STRATA_DROP_OUTLIER] = "outlier"};
    return rule < STRATA_DROP_COUNT ? texts[rule] : "?";
}

/* ---- the job --------------------------------------------------------------------------------- */

static void job_release(strata_job *job)
{
    strata_files_release(&job->sources, job->n_sources);
    strata_free(&job->segments);
    strata_pseudonymiser_destroy(&job->pseudonymiser);
    strata_free(&job->hashes.items);
    strata_free(&job->amounts);
    strata_free(&job->amounts_taken);
    strata_free(&job->source_rows);
    strata_rejects_release(&job->rejects);
    strata_regions_release(&job->regions);
    strata_table_release(&job->local);
    strata_table_release(&job->owned);
    strata_table_release(&job->users);
    strata_key_set_release(&job->seen);
}

static strata_status job_prepare(strata_job *job)
{
    strata_status rc = STRATA_OK;
    const strata_config *config = job->config;
    STRATA_TRY(
        strata_time_format_compile(job->ctx, config->input.time_format, &job->plan.time_format));
    STRATA_TRY(strata_ranges_deal(job->ctx, job->sources, job->n_sources, &job->segments,
                                  &job->n_segments));
    STRATA_TRY(
        strata_calloc(job->ctx, job->n_sources, sizeof *job->source_rows, &job->source_rows));
    if (config->clean.outliers.method == STRATA_OUTLIER_NONE)
        goto done;
    STRATA_TRY(
        strata_calloc(job->ctx, STRATA_HISTOGRAM_BUCKETS, sizeof *job->amounts, &job->amounts));
    if (strata_job_drops_duplicates(job) && config->clean.outliers.action == STRATA_OUTLIER_FLAG)
        STRATA_TRY(strata_calloc(job->ctx, STRATA_HISTOGRAM_BUCKETS, sizeof *job->amounts_taken,
                                 &job->amounts_taken));
done:
    return rc;
}

static strata_status job_init(strata_context *ctx, const strata_config *config,
                              const strata_ingest_tuning *tuning, strata_job *job)
{
    strata_status rc = STRATA_OK;
    *job = (strata_job){.ctx = ctx,
                        .config = config,
                        .tuning = *tuning,
                        .start = config->window.start,
                        .as_of = config->window.as_of == STRATA_NO_DAY ? INT32_MAX
                                                                       : config->window.as_of,
                        .holdout_start = INT32_MAX};
    strata_rejects_init(&job->rejects, false);
    STRATA_TRY(strata_files_list(ctx, config, &job->sources, &job->n_sources));
    STRATA_AGREE(ctx, job_prepare(job));
    STRATA_TRY(strata_pseudonymiser_create(ctx, config, &job->pseudonymiser));
    job->plan.ctx = ctx;
    job->plan.config = config;
    job->plan.sources = job->sources;
    job->plan.tuning = &job->tuning;
    job->plan.hashes = &job->hashes;
done:
    return rc;
}

/* ---- the window ------------------------------------------------------------------------------ */

static strata_status resolve_window(strata_job *job, const strata_tally *all, strata_population *p)
{
    p->window_start = job->start == STRATA_NO_DAY ? all->first_day : job->start;
    p->as_of = job->as_of == INT32_MAX ? all->last_day + 1 : job->as_of;
    p->has_holdout = job->config->window.holdout_days > 0;
    p->holdout_start = p->as_of - job->config->window.holdout_days;
    if (p->has_holdout && p->holdout_start <= p->window_start)
        return strata_context_fail(job->ctx, STRATA_ERR_INPUT, __FILE__, __LINE__,
                                   "window.holdout_days = %d leaves no day to fit on: the window "
                                   "has %d days",
                                   job->config->window.holdout_days, p->as_of - p->window_start);
    return STRATA_OK;
}

/* ---- the flow -------------------------------------------------------------------------------- */

/* A first look at all rows, when the main pass has to know the last day or the limits of
 * outliers. */
static strata_status scan(strata_job *job)
{
    strata_status rc = STRATA_OK;
    strata_tally all;
    bool wants_limits = job->amounts && job->config->clean.outliers.action != STRATA_OUTLIER_FLAG;
    bool wants_day = job->as_of == INT32_MAX && job->config->window.holdout_days > 0;
    if (job->config->window.holdout_days > 0 && !wants_day)
        job->holdout_start = job->as_of - job->config->window.holdout_days;
    if (!wants_limits && !wants_day)
        goto done;
    STRATA_TRY(strata_pass_run(job, false));
    STRATA_TRY(strata_finish_sum(job, &all));
    /* job->as_of stays open: nothing lies outside on that side, whatever a later row turns out
     * to be */
    if (wants_day && all.last_day != INT32_MIN)
        job->holdout_start = all.last_day + 1 - job->config->window.holdout_days;
    if (wants_limits) {
        STRATA_TRY(strata_finish_outliers(job));
        job->apply_limits = true;
        strata_free(&job->amounts);
    }
done:
    return rc;
}

static strata_status check_result(strata_job *job, const strata_tally *all, strata_population *p)
{
    strata_status rc = STRATA_OK;
    STRATA_TRY(strata_finish_reconcile(job, all));
    STRATA_TRY(strata_rejects_write(job));
    STRATA_TRY(strata_finish_rejects(job, all));
    if (job->amounts)
        STRATA_TRY(strata_finish_outliers(job));
    if (all->accepted == 0)
        STRATA_FAIL(job->ctx, STRATA_ERR_INPUT,
                    "%s: no transaction is left: %lld rows read, %lld outside the window%s",
                    job->config->input.files[0], (long long)all->read, (long long)all->outside,
                    all->outside > 0 ? " (window.start, window.as_of)" : "");
    STRATA_TRY(strata_finish_volume(job, all));
    STRATA_TRY(strata_finish_currency(job, p->currency));
    STRATA_TRY(resolve_window(job, all, p));
done:
    return rc;
}

static strata_status account(strata_job *job, const strata_tally *all, strata_accounting *a)
{
    strata_status rc = STRATA_OK;
    *a = (strata_accounting){.read = all->read,
                             .accepted = all->accepted,
                             .outside = all->outside,
                             .duplicate = all->duplicate,
                             .flagged = all->flagged,
                             .outlier_low = (double)NAN,
                             .outlier_high = (double)NAN};
    memcpy(a->rejected, all->rejected, sizeof a->rejected);
    memcpy(a->dropped, all->dropped, sizeof a->dropped);
    for (int32_t i = 0; i < job->n_sources; i++)
        a->bytes += job->sources[i].bytes;
    if (job->config->clean.outliers.method == STRATA_OUTLIER_NONE)
        goto done;
    if (job->amounts)
        STRATA_TRY(strata_finish_flagged(job, &a->flagged));
    double unit = (double)strata_power_of_ten(job->config->money.decimals);
    a->outlier_low = job->limits.spread ? (double)job->limits.low / unit : (double)-INFINITY;
    a->outlier_high = job->limits.spread ? (double)job->limits.high / unit : (double)INFINITY;
done:
    return rc;
}

strata_status strata_ingest_tuned(strata_context *ctx, const strata_config *config,
                                  const strata_ingest_tuning *tuning, strata_population *population)
{
    strata_status rc = STRATA_OK, local = STRATA_OK;
    strata_job job = {0};
    strata_tally all;
    strata_population p = {0};
    strata_rejects_init(&job.rejects, false);
    if (strata_fault_strikes(ctx, "phase.ingest"))
        local =
            strata_context_fail(ctx, STRATA_ERR_IO, __FILE__, __LINE__, "injected: phase.ingest");
    STRATA_AGREE(ctx, local);
    STRATA_TRY(job_init(ctx, config, tuning, &job));
    STRATA_TRY(scan(&job));
    STRATA_TRY(strata_pass_run(&job, true));
    strata_table_release(&job.local); /* the fold needs the memory */
    strata_key_set_release(&job.seen);
    STRATA_TRY(strata_finish_sum(&job, &all));
    STRATA_TRY(check_result(&job, &all, &p));
    STRATA_TRY(account(&job, &all, &p.accounting));
    STRATA_TRY(strata_fold(&job, &p));
    if (strata_partition_global(&p.partition) == 0)
        STRATA_FAIL(ctx, STRATA_ERR_INPUT,
                    "%s: no user has a purchase in the window, though %lld rows were accepted",
                    config->input.files[0], (long long)all.accepted);
    STRATA_TRY(strata_finish_inputs(&job, &p.inputs, &p.n_inputs));
    *population = p;
    p = (strata_population){0};
done:
    strata_population_release(&p);
    job_release(&job);
    return rc;
}

strata_status strata_ingest(strata_context *ctx, const strata_config *config,
                            strata_population *population)
{
    strata_ingest_tuning tuning = strata_ingest_default_tuning;
    while (tuning.slice_entries < INT64_C(1) << 18 &&
           tuning.slice_entries < INT64_C(4096) * ctx->size)
        tuning.slice_entries *= 2; /* many ranks: messages of a size worth sending */
    return strata_ingest_tuned(ctx, config, &tuning, population);
}

static void activity_release(strata_activity *a)
{
    strata_free(&a->first_day);
    strata_free(&a->last_day);
    strata_free(&a->orders);
    strata_free(&a->net);
    strata_free(&a->positive);
    strata_free(&a->largest);
}

void strata_population_release(strata_population *p)
{
    strata_partition_release(&p->partition);
    strata_free(&p->user_key);
    strata_free(&p->key64);
    strata_free(&p->region_code);
    for (int32_t i = 0; i < p->regions.n; i++)
        strata_free(&p->regions.names[i]);
    strata_free(&p->regions.names);
    activity_release(&p->whole);
    activity_release(&p->fit);
    activity_release(&p->holdout);
    strata_inputs_release(&p->inputs, p->n_inputs);
    *p = (strata_population){0};
}
