#include <string.h>

#include "ingest/job.h"
#include "strata/memory.h"
#include "strata/par.h"

/* Records of the slice on their way: sorted by owner. */
typedef struct parcel {
    char *bytes;     /* [n, wire_size] */
    int64_t *counts; /* [size] */
    int32_t *owner;  /* [slice_entries] */
    int64_t wire_size;
    strata_identity *identities; /* plain mode: [n] in the same order */
} parcel;

/* Ranks own equal ranges of the pseudonym, so their order is the global order of users. */
static int owner_of(const strata_context *ctx, const uint8_t pseudonym[16])
{
    uint64_t top = 0;
    memcpy(&top, pseudonym, 8);
    top = __builtin_bswap64(top); /* pseudonyms compare as bytes */
    return (int)((unsigned __int128)top * (unsigned)ctx->size >> 64);
}

static strata_status parcel_init(const strata_job *job, parcel *p)
{
    strata_status rc = STRATA_OK;
    strata_context *ctx = job->ctx;
    int64_t n =
        job->tuning.slice_entries < job->local.limit ? job->tuning.slice_entries : job->local.limit;
    *p = (parcel){.wire_size = job->local.record_size};
    if (strata_job_drops_duplicates(job))
        p->wire_size += (int64_t)sizeof(strata_row_tail);
    STRATA_TRY(strata_alloc(ctx, n, p->wire_size, &p->bytes));
    STRATA_TRY(strata_alloc(ctx, ctx->size, sizeof *p->counts, &p->counts));
    STRATA_TRY(strata_alloc(ctx, n, sizeof *p->owner, &p->owner));
    if (strata_job_is_plain(job))
        STRATA_TRY(strata_alloc(ctx, n, sizeof *p->identities, &p->identities));
done:
    return rc;
}

static void parcel_release(parcel *p)
{
    strata_free(&p->bytes);
    strata_free(&p->counts);
    strata_free(&p->owner);
    strata_free(&p->identities);
}

/* Regions are numbered by each rank for itself until here. */
static void share_region(const strata_job *job, strata_key *record)
{
    if (!job->regions.to_shared)
        return;
    if (job->local.is_orders) {
        strata_order *order = (strata_order *)record;
        order->region = job->regions.to_shared[order->region];
    } else {
        int32_t region = job->regions.to_shared[record->part >> 1];
        record->part = (uint64_t)region << 1 | (record->part & 1);
    }
}

static void fill_identity(const strata_field *id, const uint8_t *pseudonym, strata_identity *out)
{
    *out = (strata_identity){.length = id->length};
    memcpy(out->key.who, pseudonym, 16);
    memcpy(out->id, id->text, (size_t)id->length); /* the reader lets 64 bytes pass in plain mode */
}

/* Records [first, last) of the local table get their pseudonyms and are sorted by owner. */
static strata_status pack(strata_job *job, int64_t first, int64_t last, parcel *p)
{
    strata_status rc = STRATA_OK;
    strata_context *ctx = job->ctx;
    int64_t *place = NULL;
    STRATA_TRY(strata_calloc(ctx, ctx->size, sizeof *place, &place));
    memset(p->counts, 0, (size_t)ctx->size * sizeof *p->counts);
    strata_identity *by_index = NULL;
    if (p->identities)
        STRATA_TRY(strata_alloc(ctx, last - first, sizeof *by_index, &by_index));
    for (int64_t i = first; i < last; i++) {
        strata_key *record = strata_table_record(&job->local, i);
        strata_field id = strata_table_id(&job->local, record->who);
        uint8_t pseudonym[16];
        strata_pseudonym(job->pseudonymiser, id.text, id.length, pseudonym);
        if (by_index)
            fill_identity(&id, pseudonym, &by_index[i - first]);
        memcpy(record->who, pseudonym, 16);
        share_region(job, record);
        p->owner[i - first] = owner_of(ctx, pseudonym);
        p->counts[p->owner[i - first]]++;
    }
    for (int r = 1; r < ctx->size; r++)
        place[r] = place[r - 1] + p->counts[r - 1];
    for (int64_t i = first; i < last; i++) {
        int64_t at = place[p->owner[i - first]]++;
        memcpy(p->bytes + at * p->wire_size, strata_table_record(&job->local, i),
               (size_t)job->local.record_size);
        if (job->local.keeps_rows)
            memcpy(p->bytes + at * p->wire_size + job->local.record_size, &job->local.tails[i],
                   sizeof job->local.tails[i]);
        if (by_index)
            p->identities[at] = by_index[i - first];
    }
done:
    strata_free(&by_index);
    strata_free(&place);
    return rc;
}

static int64_t amount_of(const strata_job *job, const void *record)
{
    if (job->owned.is_orders) {
        strata_order order;
        memcpy(&order, record, sizeof order);
        return order.total;
    }
    strata_visits visits;
    memcpy(&visits, record, sizeof visits);
    return visits.net;
}

/* Every record is one row here. Keeps those whose text is new, closed up at the front of
 * records. */
static strata_status drop_duplicates(strata_job *job, char *records, int64_t wire_size, int64_t *n)
{
    int64_t kept = 0, size = job->owned.record_size;
    for (int64_t i = 0; i < *n; i++) {
        strata_row_tail tail;
        bool fresh = false;
        memcpy(&tail, records + i * wire_size + size, sizeof tail);
        strata_status rc = strata_key_set_add(job->ctx, &job->seen, tail.hash, &fresh);
        if (rc != STRATA_OK)
            return rc;
        if (!fresh) {
            job->tally.duplicate++;
            continue;
        }
        memmove(records + kept++ * size, records + i * wire_size, (size_t)size);
        strata_tally_accept(job, amount_of(job, records + (kept - 1) * size), tail.clipped != 0);
    }
    *n = kept;
    return STRATA_OK;
}

static strata_status take(strata_job *job, char *records, int64_t wire_size, int64_t n)
{
    strata_status rc = STRATA_OK;
    if (strata_job_drops_duplicates(job))
        STRATA_TRY(drop_duplicates(job, records, wire_size, &n));
    STRATA_TRY(strata_table_merge(&job->owned, records, n));
done:
    return rc;
}

static strata_status exchange_slice(strata_job *job, parcel *p)
{
    strata_status rc = STRATA_OK;
    strata_context *ctx = job->ctx;
    char *records = NULL, *identities = NULL;
    int64_t n = 0, n_identities = 0;
    if (ctx->size == 1) {
        STRATA_TRY(take(job, p->bytes, p->wire_size, p->counts[0]));
        if (p->identities)
            STRATA_TRY(strata_table_merge(&job->identities, (char *)p->identities, p->counts[0]));
        goto done;
    }
    STRATA_TRY(strata_par_exchange(ctx, p->bytes, p->counts, p->wire_size, &records, &n, NULL));
    STRATA_AGREE(ctx, take(job, records, p->wire_size, n));
    strata_free(&records);
    if (!strata_job_is_plain(job))
        goto done;
    STRATA_TRY(strata_par_exchange(ctx, p->identities, p->counts, sizeof *p->identities,
                                   &identities, &n_identities, NULL));
    STRATA_AGREE(ctx, strata_table_merge(&job->identities, identities, n_identities));
done:
    strata_free(&records);
    strata_free(&identities);
    return rc;
}

strata_status strata_shuffle(strata_job *job)
{
    strata_status rc = STRATA_OK;
    parcel p = {0};
    int64_t size = job->tuning.slice_entries, slices = (job->local.n + size - 1) / size;
    if (strata_job_has_region(job))
        STRATA_TRY(strata_regions_share(job->ctx, &job->regions));
    STRATA_TRY(strata_par_allreduce_i64(job->ctx, &slices, 1, STRATA_MAX));
    STRATA_AGREE(job->ctx, parcel_init(job, &p));
    for (int64_t s = 0; s < slices; s++) {
        int64_t first = s * size < job->local.n ? s * size : job->local.n;
        int64_t last = first + size < job->local.n ? first + size : job->local.n;
        STRATA_AGREE(job->ctx, pack(job, first, last, &p));
        STRATA_TRY(exchange_slice(job, &p));
    }
    strata_table_clear(&job->local);
done:
    parcel_release(&p);
    return rc;
}
