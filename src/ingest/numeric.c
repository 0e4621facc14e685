/* Numeric tables: the same reader as for transactions, with numbers instead of money and days. Rows are
 * collected where they are read; what is wrong is told once the byte ranges are proven, since a
 * wrongly guessed start of a range makes rows that are none. */
#include <string.h>

#include "ingest/job.h"
#include "strata/memory.h"
#include "strata/par.h"

/* The first row of a rank that cannot be read. */
typedef struct bad_row {
    int64_t source, line,
        wanted; /* source -1: none; wanted: which column, -1 = the row as a whole */
    int64_t reason, n_found, n_expected; /* columns, when they are the reason */
    char text[44]; /* what stands there, cut off; for the key empty, it may identify somebody */
} bad_row;

typedef struct numeric_pass {
    strata_job *job;
    const strata_numeric_plan *plan;
    strata_numeric_table *table;
    int64_t capacity[STRATA_NUMERIC_VALUES_LIMIT];
    char *keys; /* each with its length in front */
    int64_t key_bytes, key_capacity;
    bad_row bad;
    int32_t bad_segment;
    double started;
} numeric_pass;

/* ---- columns --------------------------------------------------------------------------------- */

/* A column without a name is called by its number. */
static bool is_named(const strata_field *name, int64_t column, const char *wanted)
{
    char number[24];
    const int length = snprintf(number, sizeof number, "c%lld", (long long)column + 1);
    const char *text = name->length > 0 ? name->text : number;
    const int64_t bytes = name->length > 0 ? name->length : length;
    return bytes == (int64_t)strlen(wanted) && memcmp(text, wanted, (size_t)bytes) == 0;
}

strata_status strata_numeric_place(const strata_read_plan *plan, const char *path,
                                   const strata_field *names, int64_t n, strata_columns *columns,
                                   int32_t *places)
{
    strata_status rc = STRATA_OK;
    const strata_numeric_plan *wanted = plan->numbers;
    const char *where = path ? path : "input.names";
    if (n > STRATA_COLUMNS_LIMIT)
        STRATA_FAIL(plan->ctx, STRATA_ERR_INPUT, "%s: has %lld columns, more than %d", where,
                    (long long)n, (int)STRATA_COLUMNS_LIMIT);
    for (int32_t w = 0; w < wanted->n_wanted; w++) {
        places[w] = -1;
        for (int64_t i = 0; i < n; i++) {
            if (!is_named(&names[i], i, wanted->names[w]))
                continue;
            if (places[w] >= 0)
                STRATA_FAIL(plan->ctx, STRATA_ERR_INPUT, "%s: two columns are named \"%s\"", where,
                            wanted->names[w]);
            places[w] = (int32_t)i;
        }
        if (places[w] < 0)
            STRATA_FAIL(plan->ctx, STRATA_ERR_INPUT, "%s: no column is named \"%s\"", where,
                        wanted->names[w]);
    }
    columns->n = (int32_t)n;
done:
    return rc;
}

/* ---- collecting ------------------------------------------------------------------------------ */

/* Keeps the first row that cannot be read, with what stands there made fit to print. */
static void keep_bad(numeric_pass *pass, int32_t segment, const strata_row *row)
{
    bad_row *bad = &pass->bad;
    if (bad->source >= 0)
        return;
    const bool number = row->reject == STRATA_REJECT_AMOUNT;
    const int64_t room = (int64_t)sizeof bad->text - 1;
    *bad = (bad_row){.source = pass->job->segments[segment].source,
                     .line = row->line,
                     .wanted = number                              ? row->second
                               : row->reject == STRATA_REJECT_USER ? pass->plan->n_values
                                                                   : -1,
                     .reason = row->reject};
    if (row->reject == STRATA_REJECT_COLUMNS) {
        bad->n_found = row->n_found;
        bad->n_expected = row->n_expected;
    }
    pass->bad_segment = segment;
    for (int64_t i = 0; number && i < row->order.length && i < room; i++) {
        const char c = row->order.text[i];
        bad->text[i] = (char)(c >= ' ' && c <= '~' ? c : '?');
    }
}

static strata_status keep_key(numeric_pass *pass, const strata_field *key)
{
    strata_status rc = STRATA_OK;
    STRATA_TRY(strata_reserve(pass->job->ctx, &pass->keys, &pass->key_capacity,
                              pass->key_bytes + key->length + 1, 1));
    pass->keys[pass->key_bytes++] = (char)key->length;
    memcpy(pass->keys + pass->key_bytes, key->text, (size_t)key->length);
    pass->key_bytes += key->length;
    if (key->length > pass->table->key_width)
        pass->table->key_width = (int32_t)key->length;
done:
    return rc;
}

static strata_status keep_batch(numeric_pass *pass, int32_t segment, const strata_batch *batch)
{
    strata_status rc = STRATA_OK;
    strata_numeric_table *table = pass->table;
    const int32_t d = table->d;
    for (int32_t f = 0; f < d; f++) {
        STRATA_TRY(strata_reserve(pass->job->ctx, &table->values[f], &pass->capacity[f],
                                  table->n_local + batch->n, sizeof(double)));
        for (int32_t i = 0; i < batch->n; i++)
            table->values[f][table->n_local + i] = pass->plan->values[(int64_t)i * d + f];
    }
    for (int32_t i = 0; i < batch->n; i++) {
        if (batch->rows[i].reject != STRATA_REJECT_COUNT)
            keep_bad(pass, segment, &batch->rows[i]);
        else if (pass->plan->n_wanted > d)
            STRATA_TRY(keep_key(pass, &batch->rows[i].user));
    }
    table->n_local += batch->n;
    pass->job->source_rows[pass->job->segments[segment].source] += batch->n;
done:
    return rc;
}

static strata_status read_segment(numeric_pass *pass, int32_t segment, strata_batch *batch)
{
    strata_status rc = STRATA_OK;
    strata_job *job = pass->job;
    strata_reader *reader = NULL;
    char detail[64];
    STRATA_TRY(strata_reader_text.open(&job->plan, &job->segments[segment], &reader));
    for (int64_t batches = 0;; batches++) {
        STRATA_TRY(strata_reader_text.next(reader, batch));
        if (batch->n == 0)
            break;
        STRATA_TRY(keep_batch(pass, segment, batch));
        if (batches % 256 == 0) {
            const double seconds = strata_now() - pass->started;
            snprintf(detail, sizeof detail, "%.1f M rows/s a rank",
                     seconds > 0 ? 1e-6 * (double)pass->table->n_local / seconds : 0.0);
            strata_progress(job->ctx, "read", -1, detail);
        }
    }
done:
    strata_reader_text.close(&reader);
    return rc;
}

/* Everything a pass collects starts anew; the memory of the columns stays. */
static strata_status read_all(numeric_pass *pass)
{
    strata_status rc = STRATA_OK;
    strata_job *job = pass->job;
    strata_batch *batch = NULL;
    pass->table->n_local = 0;
    pass->table->key_width = 0;
    pass->key_bytes = 0;
    pass->bad.source = -1;
    memset(job->source_rows, 0, (size_t)job->n_sources * sizeof *job->source_rows);
    STRATA_TRY(strata_alloc(job->ctx, 1, sizeof *batch, &batch));
    for (int32_t i = 0; i < job->n_segments; i++)
        STRATA_TRY(read_segment(pass, i, batch));
done:
    strata_free(&batch);
    return rc;
}

/* ---- judging --------------------------------------------------------------------------------- */

static void explain_bad(const strata_job *job, const strata_numeric_plan *plan, const bad_row *bad,
                        char *text, size_t room)
{
    const char *path = job->sources[bad->source].path;
    int used = snprintf(text, room, "%s:%lld: ", path, (long long)bad->line);
    if (used < 0 || (size_t)used >= room)
        return;
    text += used;
    room -= (size_t)used;
    if (bad->reason == STRATA_REJECT_AMOUNT && bad->text[0])
        snprintf(text, room, "column %s: \"%s\" is not a finite decimal number",
                 plan->names[bad->wanted], bad->text);
    else if (bad->reason == STRATA_REJECT_AMOUNT || bad->reason == STRATA_REJECT_USER)
        snprintf(text, room, "column %s is empty", plan->names[bad->wanted]);
    else if (bad->reason == STRATA_REJECT_COLUMNS)
        snprintf(text, room, "the row has too %s columns: %lld found, %lld expected",
                 bad->n_found < bad->n_expected ? "few" : "many", (long long)bad->n_found,
                 (long long)bad->n_expected);
    else if (bad->reason == STRATA_REJECT_QUOTE)
        snprintf(text, room, "a quote is not closed or misplaced");
    else if (bad->reason == STRATA_REJECT_ENCODING)
        snprintf(text, room, "the row holds a NUL byte or is not UTF-8");
    else
        snprintf(text, room, "the row or its key is too long");
}

/* Collective. Fails with the first row of all ranks that cannot be read. */
static strata_status refuse_bad(numeric_pass *pass)
{
    strata_status rc = STRATA_OK;
    strata_job *job = pass->job;
    bad_row *all = NULL;
    const bad_row *first = NULL;
    int64_t bytes = 0;
    char text[900];
    if (pass->bad.source >= 0)
        pass->bad.line += 1 + job->segments[pass->bad_segment].line_base;
    STRATA_TRY(strata_par_gather(job->ctx, &pass->bad, sizeof pass->bad, -1, &all, &bytes, NULL));
    for (int r = 0; r < job->ctx->size; r++) {
        const bad_row *b = &all[r];
        if (b->source >= 0 && (!first || b->source < first->source ||
                               (b->source == first->source && b->line < first->line)))
            first = b;
    }
    if (first) { /* every rank knows the same one, so all fail alike */
        explain_bad(job, pass->plan, first, text, sizeof text);
        STRATA_FAIL(job->ctx, STRATA_ERR_INPUT, "%s", text);
    }
done:
    strata_free(&all);
    return rc;
}

/* The keys get one width. */
static strata_status spread_keys(numeric_pass *pass)
{
    strata_status rc = STRATA_OK;
    strata_numeric_table *table = pass->table;
    const char *from = pass->keys;
    STRATA_TRY(strata_calloc(pass->job->ctx, table->n_local, table->key_width, &table->keys));
    for (int64_t i = 0; i < table->n_local; i++) {
        memcpy(table->keys + i * table->key_width, from + 1, (size_t)*from);
        from += 1 + *from;
    }
done:
    return rc;
}

/* Collective. */
static strata_status finish(numeric_pass *pass)
{
    strata_status rc = STRATA_OK;
    strata_job *job = pass->job;
    strata_numeric_table *table = pass->table;
    const strata_tally none = {.read = 0};
    int64_t width = table->key_width;
    STRATA_TRY(strata_finish_reconcile(job, &none));
    STRATA_TRY(refuse_bad(pass));
    STRATA_TRY(strata_partition_gather(job->ctx, table->n_local, &table->partition));
    if (strata_partition_global(&table->partition) == 0)
        STRATA_FAIL(job->ctx, STRATA_ERR_INPUT, "%s: there is no row of numbers in it",
                    job->sources[0].path);
    STRATA_TRY(strata_finish_inputs(job, &table->inputs, &table->n_inputs));
    if (pass->plan->n_wanted == table->d)
        goto done;
    STRATA_TRY(strata_par_allreduce_i64(job->ctx, &width, 1, STRATA_MAX));
    table->key_width = (int32_t)width;
    STRATA_AGREE(job->ctx, spread_keys(pass));
done:
    return rc;
}

/* Collective. Reads until the byte ranges of the ranks are proven; see strata_pass_run. */
static strata_status read_proven(numeric_pass *pass)
{
    strata_status rc = STRATA_OK;
    strata_job *job = pass->job;
    bool proven = false;
    for (int attempt = 0; !proven; attempt++) {
        if (attempt > job->ctx->size)
            STRATA_FAIL(job->ctx, STRATA_ERR_INTERNAL, "the byte ranges of the ranks do not chain");
        STRATA_AGREE(job->ctx, read_all(pass));
        STRATA_TRY(strata_ranges_prove(job, &proven));
        job->plan.hashes = NULL;
    }
done:
    strata_progress_end(job->ctx);
    return rc;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static strata_status prepare(strata_job *job, const strata_numeric_layout *layout,
                             strata_config *config, strata_numeric_plan *plan)
{
    strata_status rc = STRATA_OK;
    config->input.delimiter = layout->delimiter;
    config->input.header = layout->header;
    config->input.names = layout->names;
    config->input.n_names = layout->n;
    job->plan.ctx = job->ctx;
    job->plan.config = config;
    job->plan.sources = job->sources;
    job->plan.tuning = &job->tuning;
    job->plan.hashes = &job->hashes;
    job->plan.numbers = plan;
    STRATA_TRY(strata_ranges_deal(job->ctx, job->sources, job->n_sources, &job->segments,
                                  &job->n_segments));
    STRATA_TRY(
        strata_calloc(job->ctx, job->n_sources, sizeof *job->source_rows, &job->source_rows));
    STRATA_TRY(strata_alloc(job->ctx, (int64_t)STRATA_BATCH_ROWS * plan->n_values, sizeof(double),
                            &plan->values));
done:
    return rc;
}

static void release_job(strata_job *job)
{
    strata_files_release(&job->sources, job->n_sources);
    strata_free(&job->segments);
    strata_free(&job->hashes.items);
    strata_free(&job->source_rows);
}

strata_status strata_numeric_read(strata_context *ctx, const strata_config *config,
                                  strata_numeric_layout *layout, const char *const *names,
                                  int32_t d, const char *key, strata_numeric_table *table)
{
    strata_status rc = STRATA_OK;
    const char *wanted[STRATA_WANTED_LIMIT];
    strata_config own = *config; /* a view with the layout in it; nothing of it is released here */
    strata_numeric_table made = {.d = d};
    strata_numeric_plan plan = {.names = wanted, .n_values = d, .n_wanted = d + (key != NULL)};
    strata_job job = {.ctx = ctx,
                      .config = &own,
                      .tuning = strata_ingest_default_tuning,
                      .sources = layout->sources,
                      .n_sources = layout->n_sources};
    numeric_pass pass = {.job = &job, .plan = &plan, .table = &made, .started = strata_now()};
    layout->sources = NULL; /* the job's now */
    layout->n_sources = 0;
    if (d < 1 || d > STRATA_NUMERIC_VALUES_LIMIT)
        STRATA_FAIL(ctx, STRATA_ERR_USAGE, "%d columns of numbers, but 1 to %d are possible",
                    (int)d, STRATA_NUMERIC_VALUES_LIMIT);
    memcpy(wanted, names, (size_t)d * sizeof *wanted);
    wanted[d] = key;
    STRATA_AGREE(ctx, prepare(&job, layout, &own, &plan));
    STRATA_TRY(read_proven(&pass));
    STRATA_TRY(finish(&pass));
    *table = made;
    made = (strata_numeric_table){0};
done:
    strata_numeric_table_release(&made);
    strata_free(&plan.values);
    strata_free(&pass.keys);
    release_job(&job);
    return rc;
}

void strata_numeric_table_release(strata_numeric_table *table)
{
    strata_partition_release(&table->partition);
    for (int32_t f = 0; f < table->d; f++)
        strata_free(&table->values[f]);
    strata_free(&table->keys);
    strata_inputs_release(&table->inputs, table->n_inputs);
    *table = (strata_numeric_table){0};
}
