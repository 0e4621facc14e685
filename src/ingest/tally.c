#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "ingest/job.h"

static const char unknown_region[] = "unknown";

void strata_tally_reset(strata_tally *tally)
{
    *tally = (strata_tally){.first_day = INT32_MAX, .last_day = INT32_MIN};
}

/* Where a row goes that is not accepted. */
typedef enum verdict { REJECTED, OUTSIDE, DROPPED, CANDIDATE } verdict;

static bool starts_with(const strata_field *field, const char *prefix)
{
    int64_t n = (int64_t)strlen(prefix);
    return field->length >= n && memcmp(field->text, prefix, (size_t)n) == 0;
}

static verdict drop(strata_tally *tally, strata_drop rule)
{
    tally->dropped[rule]++;
    return DROPPED;
}

/* An amount beyond the limits is cut to them or costs the row its place. */
static verdict judge_outlier(strata_job *job, strata_row *row)
{
    const strata_amount_limits *limits = &job->limits;
    row->clipped = false;
    if (!job->apply_limits || !limits->spread || row->amount <= 0 ||
        (row->amount >= limits->low && row->amount <= limits->high))
        return CANDIDATE;
    if (job->config->clean.outliers.action == STRATA_OUTLIER_DROP)
        return drop(&job->tally, STRATA_DROP_OUTLIER);
    row->amount = row->amount > limits->high ? limits->high : limits->low;
    row->clipped = true;
    return CANDIDATE;
}

/* The order of the questions is the order of the verdicts in ingest.h. */
static verdict judge(strata_job *job, strata_row *row)
{
    const strata_config *config = job->config;
    strata_tally *tally = &job->tally;
    if (row->reject != STRATA_REJECT_COUNT)
        return REJECTED;
    if (row->day < job->start || row->day >= job->as_of) {
        tally->outside++;
        return OUTSIDE;
    }
    bool skipped = config->clean.skip_orders_prefix && strata_job_has_orders(job) &&
                   starts_with(&row->order, config->clean.skip_orders_prefix);
    if (!skipped && row->amount <= 0 && config->clean.refunds == STRATA_REFUNDS_REJECT) {
        row->reject = STRATA_REJECT_REFUND;
        return REJECTED;
    }
    tally->first_day = row->day < tally->first_day ? row->day : tally->first_day;
    tally->last_day = row->day > tally->last_day ? row->day : tally->last_day;
    if (skipped)
        return drop(tally, STRATA_DROP_ORDER_PREFIX);
    if (row->amount <= 0 && config->clean.refunds == STRATA_REFUNDS_DROP)
        return drop(tally, STRATA_DROP_REFUND);
    if (job->amounts && row->amount > 0)
        job->amounts[strata_histogram_bucket(row->amount)]++;
    return judge_outlier(job, row);
}

static void note_currency(strata_tally *tally, const strata_field *currency)
{
    char text[16] = {0};
    memcpy(text, currency->text,
           (size_t)currency->length); /* at most 15 bytes, the reader checks */
    if (!tally->has_currency || memcmp(text, tally->currency_low, 16) < 0)
        memcpy(tally->currency_low, text, 16);
    if (!tally->has_currency || memcmp(text, tally->currency_high, 16) > 0)
        memcpy(tally->currency_high, text, 16);
    tally->has_currency = true;
}

void strata_tally_accept(strata_job *job, int64_t amount, bool clipped)
{
    job->tally.accepted++;
    job->tally.flagged += clipped;
    job->tally.volume += (unsigned __int128)(amount < 0 ? -amount : amount);
    if (job->amounts_taken && amount > 0)
        job->amounts_taken[strata_histogram_bucket(amount)]++;
}

static strata_status region_of(strata_job *job, const strata_row *row, int32_t *region)
{
    *region = 0;
    if (!strata_job_has_region(job))
        return STRATA_OK;
    if (row->region.length == 0)
        return strata_names_enter(job->ctx, &job->regions.local, unknown_region,
                                  (int64_t)sizeof unknown_region - 1, region);
    return strata_names_enter(job->ctx, &job->regions.local, row->region.text, row->region.length,
                              region);
}

/* What one accepted row says, as a record of its own. */
static void describe(const strata_job *job, const strata_row *row, int32_t region,
                     strata_candidate *out)
{
    uint64_t period = row->day >= job->holdout_start;
    int64_t time = (int64_t)row->day * 86400 + row->second;
    bool buys = row->amount > 0;
    out->id = row->user;
    out->tail = (strata_row_tail){{row->hash[0], row->hash[1]}, row->clipped};
    if (strata_job_has_orders(job)) {
        uint64_t order = XXH3_64bits(row->order.text, (size_t)row->order.length);
        out->record.order =
            (strata_order){.total = row->amount, .time = buys ? time : INT64_MAX, .region = region};
        out->record.key.part = (order & ~UINT64_C(1)) | period;
    } else {
        out->record.visits = (strata_visits){.net = row->amount,
                                             .positive = buys ? row->amount : 0,
                                             .largest = buys ? row->amount : 0,
                                             .last_time = buys ? time : INT64_MIN,
                                             .first_day = buys ? row->day : INT32_MAX,
                                             .orders = buys};
        out->record.key.part = (uint64_t)region << 1 | period;
    }
    strata_candidate_seal(out);
}

static strata_status reject(strata_job *job, int32_t segment, const strata_row *row)
{
    job->tally.rejected[row->reject]++;
    return strata_rejects_add(job, segment, row);
}

strata_status strata_tally_batch(strata_job *job, int32_t segment, strata_batch *batch)
{
    strata_status rc = STRATA_OK;
    strata_candidate candidates[STRATA_BATCH_ROWS];
    int32_t n = 0, region = 0;
    bool has_currency = job->config->input.columns[STRATA_ROLE_CURRENCY] != NULL;
    job->tally.read += batch->n;
    job->source_rows[job->segments[segment].source] += batch->n;
    for (int32_t i = 0; i < batch->n; i++) {
        strata_row *row = &batch->rows[i];
        verdict v = judge(job, row);
        if (v == REJECTED)
            STRATA_TRY(reject(job, segment, row));
        if (v != CANDIDATE || !job->aggregates)
            continue;
        if (has_currency)
            note_currency(&job->tally, &row->currency);
        if (!strata_job_drops_duplicates(job))
            strata_tally_accept(job, row->amount, row->clipped);
        STRATA_TRY(region_of(job, row, &region));
        describe(job, row, region, &candidates[n++]);
    }
    STRATA_TRY(strata_table_add(&job->local, candidates, n));
done:
    return rc;
}
