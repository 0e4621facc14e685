/* What is true of the whole input once all ranks have read: sums, limits, and what is refused. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ingest/job.h"
#include "strata/memory.h"
#include "strata/money.h"
#include "strata/par.h"

strata_status strata_finish_sum(strata_job *job, strata_tally *all)
{
    strata_status rc = STRATA_OK;
    const strata_tally *t = &job->tally;
    int64_t sums[5 + STRATA_REJECT_COUNT + STRATA_DROP_COUNT] = {t->read, t->accepted, t->outside,
                                                                 t->duplicate, t->flagged};
    int64_t days[2] = {-(int64_t)t->first_day, t->last_day};
    __int128 volume = (__int128)t->volume;
    memcpy(sums + 5, t->rejected, sizeof t->rejected);
    memcpy(sums + 5 + STRATA_REJECT_COUNT, t->dropped, sizeof t->dropped);
    STRATA_TRY(strata_par_allreduce_i64(job->ctx, sums, sizeof sums / sizeof *sums, STRATA_SUM));
    STRATA_TRY(strata_par_allreduce_i64(job->ctx, days, 2, STRATA_MAX));
    STRATA_TRY(strata_par_allreduce_i128(job->ctx, &volume, 1));
    *all = (strata_tally){.read = sums[0],
                          .accepted = sums[1],
                          .outside = sums[2],
                          .duplicate = sums[3],
                          .flagged = sums[4],
                          .first_day = (int32_t)-days[0],
                          .last_day = (int32_t)days[1],
                          .volume = (unsigned __int128)volume};
    memcpy(all->rejected, sums + 5, sizeof all->rejected);
    memcpy(all->dropped, sums + 5 + STRATA_REJECT_COUNT, sizeof all->dropped);
done:
    return rc;
}

static int64_t total(const int64_t *counts, int n)
{
    int64_t sum = 0;
    for (int i = 0; i < n; i++)
        sum += counts[i];
    return sum;
}

/* "135 user, 3 amount" of the reasons that occurred. */
static void list_reasons(const strata_tally *all, char *text, size_t room)
{
    size_t at = 0;
    text[0] = '\0';
    for (int i = 0; i < STRATA_REJECT_COUNT && at < room; i++)
        if (all->rejected[i] > 0)
            at +=
                (size_t)snprintf(text + at, room - at, "%s%lld %s", at ? ", " : "",
                                 (long long)all->rejected[i], strata_reject_text((strata_reject)i));
}

strata_status strata_finish_rejects(strata_job *job, const strata_tally *all)
{
    strata_status rc = STRATA_OK;
    char first[512], reasons[256];
    int64_t rejected = total(all->rejected, STRATA_REJECT_COUNT);
    double share = all->read > 0 ? (double)rejected / (double)all->read : 0.0;
    STRATA_TRY(strata_rejects_first(job, first, sizeof first));
    if (share <= job->config->input.max_rejected_share)
        goto done;
    list_reasons(all, reasons, sizeof reasons);
    STRATA_FAIL(
        job->ctx, STRATA_ERR_INPUT,
        "%s: the first of %lld rejected rows (%s), %.4g %% of %lld; input.max_rejected_share "
        "allows %.4g %%%s%s",
        first, (long long)rejected, reasons, 100.0 * share, (long long)all->read,
        100.0 * job->config->input.max_rejected_share,
        job->config->input.rejects_file ? "; all are listed in " : "",
        job->config->input.rejects_file ? job->config->input.rejects_file : "");
done:
    return rc;
}

/* Every row is in exactly one place, and the rows cover the files: the line ends that the parser
 * went through are those counted apart from it. */
strata_status strata_finish_reconcile(strata_job *job, const strata_tally *all)
{
    strata_status rc = STRATA_OK;
    int64_t lines[2] = {0, 0};
    int64_t places = all->accepted + all->outside + all->duplicate +
                     total(all->rejected, STRATA_REJECT_COUNT) +
                     total(all->dropped, STRATA_DROP_COUNT);
    for (int32_t i = 0; i < job->n_segments; i++) {
        lines[0] += job->segments[i].lines;
        lines[1] += job->segments[i].line_ends;
    }
    STRATA_TRY(strata_par_allreduce_i64(job->ctx, lines, 2, STRATA_SUM));
    if (places != all->read || lines[0] != lines[1])
        STRATA_FAIL(
            job->ctx, STRATA_ERR_INTERNAL,
            "rows do not add up: %lld read, %lld placed; %lld line ends parsed, %lld counted",
            (long long)all->read, (long long)places, (long long)lines[0], (long long)lines[1]);
done:
    return rc;
}

strata_status strata_finish_volume(strata_job *job, const strata_tally *all)
{
    if (all->volume <= (unsigned __int128)INT64_MAX)
        return STRATA_OK;
    return strata_context_fail(job->ctx, STRATA_ERR_INPUT, __FILE__, __LINE__,
                               "the amounts add up to more than 2^63 units of 10^-%d; lower "
                               "money.decimals",
                               job->config->money.decimals);
}

typedef struct currencies {
    char low[16], high[16];
    int64_t any;
} currencies;

/* "EUR" or "US$". Anything longer, or with a digit, may be an id or an amount from a column that was
 * mapped by mistake, and has no business in a message. */
static bool is_code(const char *text)
{
    return strlen(text) <= 4 && !strpbrk(text, "0123456789");
}

strata_status strata_finish_currency(strata_job *job, char currency[16])
{
    strata_status rc = STRATA_OK;
    currencies mine = {.any = job->tally.has_currency}, *all = NULL, found = {.any = 0};
    int64_t bytes = 0;
    memcpy(mine.low, job->tally.currency_low, 16);
    memcpy(mine.high, job->tally.currency_high, 16);
    STRATA_TRY(strata_par_gather(job->ctx, &mine, sizeof mine, -1, &all, &bytes, NULL));
    for (int r = 0; r < job->ctx->size; r++) {
        if (!all[r].any)
            continue;
        if (!found.any || memcmp(all[r].low, found.low, 16) < 0)
            memcpy(found.low, all[r].low, 16);
        if (!found.any || memcmp(all[r].high, found.high, 16) > 0)
            memcpy(found.high, all[r].high, 16);
        found.any = 1;
    }
    bool differ = memcmp(found.low, found.high, 16) != 0;
    if (differ && !(is_code(found.low) && is_code(found.high)))
        STRATA_FAIL(job->ctx, STRATA_ERR_INPUT,
                    "input.columns.currency: the column \"%s\" holds different values, and they do not "
                    "look like codes of currencies; is it the right column?",
                    job->config->input.columns[STRATA_ROLE_CURRENCY]);
    if (differ)
        STRATA_FAIL(job->ctx, STRATA_ERR_INPUT,
                    "input.columns.currency: amounts in \"%s\" and in \"%s\" cannot be added; convert "
                    "them first, or run each currency on its own",
                    found.low, found.high);
    memcpy(currency, found.low, 16);
done:
    strata_free(&all);
    return rc;
}

/* ---- outliers -------------------------------------------------------------------------------- */

static int64_t count_all(const int64_t *counts)
{
    int64_t n = 0;
    for (int32_t b = 0; b < STRATA_HISTOGRAM_BUCKETS; b++)
        n += counts[b];
    return n;
}

strata_status strata_finish_outliers(strata_job *job)
{
    strata_status rc = STRATA_OK;
    char low[40], high[40];
    STRATA_TRY(
        strata_par_allreduce_i64(job->ctx, job->amounts, STRATA_HISTOGRAM_BUCKETS, STRATA_SUM));
    strata_outlier_limits(job->amounts, job->config->clean.outliers.threshold, &job->limits);
    int64_t beyond = strata_outlier_count(job->amounts, &job->limits), n = count_all(job->amounts);
    double share = n > 0 ? (double)beyond / (double)n : 0.0;
    if (share <= job->config->clean.outliers.max_source_share)
        goto done;
    STRATA_FAIL(job->ctx, STRATA_ERR_INPUT,
                "transactions: %.4g %% of the amounts are outliers (not in %s .. %s), "
                "clean.outliers.max_source_share allows %.4g %%; look at the data, or raise "
                "clean.outliers.threshold",
                100.0 * share,
                strata_money_format(job->limits.low, job->config->money.decimals, false, low),
                strata_money_format(job->limits.high, job->config->money.decimals, false, high),
                100.0 * job->config->clean.outliers.max_source_share);
done:
    return rc;
}

strata_status strata_finish_flagged(strata_job *job, int64_t *flagged)
{
    strata_status rc = STRATA_OK;
    if (!job->amounts_taken) { /* without duplicates every counted amount was accepted */
        *flagged = strata_outlier_count(job->amounts, &job->limits);
        return STRATA_OK;
    }
    STRATA_TRY(strata_par_allreduce_i64(job->ctx, job->amounts_taken, STRATA_HISTOGRAM_BUCKETS,
                                        STRATA_SUM));
    *flagged = strata_outlier_count(job->amounts_taken, &job->limits);
done:
    return rc;
}

strata_status strata_finish_inputs(strata_job *job, strata_input_file **inputs, int32_t *n)
{
    strata_status rc = STRATA_OK;
    char (*digests)[33] = NULL;
    strata_input_file *list = NULL;
    STRATA_AGREE(job->ctx, strata_calloc(job->ctx, job->n_sources, 33, &digests));
    STRATA_TRY(strata_digest_files(job, digests));
    STRATA_TRY(strata_par_allreduce_i64(job->ctx, job->source_rows, job->n_sources, STRATA_SUM));
    STRATA_AGREE(job->ctx, strata_calloc(job->ctx, job->n_sources, sizeof *list, &list));
    for (int32_t i = 0; i < job->n_sources; i++) {
        list[i].path = job->sources[i].path; /* handed over */
        job->sources[i].path = NULL;
        list[i].bytes = job->sources[i].bytes;
        list[i].rows = job->source_rows[i];
        memcpy(list[i].digest, digests[i], 33);
    }
    *inputs = list;
    *n = job->n_sources;
done:
    strata_free(&digests);
    return rc;
}
