#include <stdio.h>
#include <string.h>

#include "ingest/job.h"
#include "strata/memory.h"
#include "strata/par.h"

/* Where a rank stands in its segments. */
typedef struct cursor {
    const strata_reader_kind *kind;
    strata_reader *reader;
    strata_batch *batch;
    int32_t segment;
    bool finished;
    double started;
} cursor;

static int64_t own_bytes(const strata_job *job)
{
    int64_t bytes = 0;
    for (int32_t i = 0; i < job->n_segments; i++) {
        const strata_source *source = &job->sources[job->segments[i].source];
        bytes += source->gzip ? source->bytes : job->segments[i].end - job->segments[i].begin;
    }
    return bytes;
}

static void show_progress(strata_job *job, const cursor *c)
{
    char detail[64];
    double seconds = strata_now() - c->started;
    int64_t bytes = own_bytes(job);
    snprintf(detail, sizeof detail, "%.1f M rows/s a rank",
             seconds > 0 ? 1e-6 * (double)job->tally.read / seconds : 0.0);
    double share = bytes > 0 ? (double)job->plan.bytes_read / (double)bytes : 1.0;
    strata_progress(job->ctx, job->aggregates ? "ingest" : "scan", share > 1.0 ? 1.0 : share,
                    detail);
}

/* Reads until the table of the first aggregation is full or nothing is left. */
static strata_status read_some(strata_job *job, cursor *c)
{
    strata_status rc = STRATA_OK;
    for (int64_t batches = 0; !c->finished; batches++) {
        if (job->aggregates && job->local.n + STRATA_BATCH_ROWS > job->local.limit)
            break;
        if (!c->reader && c->segment == job->n_segments) {
            c->finished = true;
            break;
        }
        if (!c->reader)
            STRATA_TRY(c->kind->open(&job->plan, &job->segments[c->segment], &c->reader));
        STRATA_TRY(c->kind->next(c->reader, c->batch));
        if (c->batch->n == 0) {
            c->kind->close(&c->reader);
            c->segment++;
            continue;
        }
        STRATA_TRY(strata_tally_batch(job, c->segment, c->batch));
        if (batches % 256 == 0)
            show_progress(job, c);
    }
done:
    return rc;
}

/* A table holds no more records than a rank's bytes can name, so small inputs cost little. */
static int64_t local_limit(const strata_job *job)
{
    enum { FEWEST_BYTES_A_ROW = 4, PACKED = 64 };
    int64_t most = STRATA_BATCH_ROWS;
    for (int32_t i = 0; i < job->n_segments; i++) {
        const strata_source *source = &job->sources[job->segments[i].source];
        most += source->gzip ? source->bytes * PACKED / FEWEST_BYTES_A_ROW
                             : (job->segments[i].end - job->segments[i].begin) / FEWEST_BYTES_A_ROW;
    }
    int64_t limit = job->tuning.table_entries < most ? job->tuning.table_entries : most;
    return limit < STRATA_BATCH_ROWS ? STRATA_BATCH_ROWS : limit;
}

static void release_collected(strata_job *job)
{
    strata_rejects_release(&job->rejects);
    strata_regions_release(&job->regions);
    strata_table_release(&job->local);
    strata_table_release(&job->owned);
    strata_table_release(&job->users);
    strata_key_set_release(&job->seen);
}

/* Everything a pass collects starts anew. */
static strata_status reset(strata_job *job)
{
    strata_status rc = STRATA_OK;
    bool orders = strata_job_has_orders(job);
    release_collected(job);
    strata_tally_reset(&job->tally);
    strata_rejects_init(&job->rejects, job->aggregates && job->config->input.rejects_file);
    job->plan.bytes_read = 0;
    memset(job->source_rows, 0, (size_t)job->n_sources * sizeof *job->source_rows);
    if (job->amounts)
        memset(job->amounts, 0, STRATA_HISTOGRAM_BUCKETS * sizeof *job->amounts);
    if (job->amounts_taken)
        memset(job->amounts_taken, 0, STRATA_HISTOGRAM_BUCKETS * sizeof *job->amounts_taken);
    if (!job->aggregates)
        goto done;
    STRATA_TRY(strata_table_init(job->ctx, orders, local_limit(job), &job->local));
    STRATA_TRY(strata_table_init(job->ctx, orders, 0, &job->owned));
    STRATA_TRY(strata_table_init(job->ctx, false, 0, &job->users));
    job->users.is_set = true;
    job->users.record_size = strata_job_is_plain(job) ? (int64_t)sizeof(strata_identity)
                                                      : (int64_t)sizeof(strata_alias);
    job->local.names = &job->regions.local;
    job->owned.names = &job->regions.shared;
    if (!strata_job_drops_duplicates(job))
        goto done;
    job->local.keeps_rows = true;
    STRATA_TRY(
        strata_alloc(job->ctx, job->local.limit, sizeof *job->local.tails, &job->local.tails));
done:
    return rc;
}

static strata_status run_once(strata_job *job)
{
    strata_status rc = STRATA_OK;
    cursor c = {.kind = &strata_reader_text, .started = strata_now()};
    int64_t busy = 1;
    strata_status local = reset(job);
    if (local == STRATA_OK)
        local = strata_alloc(job->ctx, 1, sizeof *c.batch, &c.batch);
    STRATA_AGREE(job->ctx, local);
    /* A rank that has nothing left takes part until all have finished. */
    while (busy) {
        STRATA_AGREE(job->ctx, read_some(job, &c));
        if (job->aggregates)
            STRATA_TRY(strata_shuffle(job));
        busy = !c.finished;
        STRATA_TRY(strata_par_allreduce_i64(job->ctx, &busy, 1, STRATA_MAX));
    }
done:
    if (c.reader)
        c.kind->close(&c.reader);
    strata_free(&c.batch);
    strata_progress_end(job->ctx);
    return rc;
}

strata_status strata_pass_run(strata_job *job, bool aggregates)
{
    strata_status rc = STRATA_OK;
    bool proven = false;
    job->aggregates = aggregates;
    /* Every repetition makes at least the first wrong start right, and starts that are given cannot
     * be wrong before the one that is being corrected. */
    for (int attempt = 0; !proven; attempt++) {
        if (attempt > job->ctx->size)
            STRATA_FAIL(job->ctx, STRATA_ERR_INTERNAL, "the byte ranges of the ranks do not chain");
        if (attempt > 0)
            strata_log(job->ctx, STRATA_LOG_INFO,
                       "a quoted field spans the boundary of two ranks: reading again");
        STRATA_TRY(run_once(job));
        STRATA_TRY(strata_ranges_prove(job, &proven));
        job->plan.hashes = NULL; /* all blocks are hashed and all line ends counted by now */
    }
done:
    return rc;
}
