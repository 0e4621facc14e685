/* How records come to the rank that owns their user, and how that rank learns who the user is.
 *
 * A pseudonym costs more than all else that is done with a row, so it is made once for each user,
 * not for each record. Records travel under tokens to the rank that owns the token. It merges them,
 * and asks the rank that sent the first record of a user for the pseudonym (in plain mode the id).
 * So in keyed mode a raw id never leaves the rank that read it, and is gone after the round. Which
 * rank keeps the user in the end is for the pseudonym to say (fold.c). */
#include <string.h>

#include "ingest/job.h"
#include "strata/memory.h"
#include "strata/par.h"

/* Records of the slice on their way: sorted by owner. */
typedef struct parcel {
    int64_t room;         /* records of the largest slice */
    char *bytes;          /* [room, wire_size] */
    uint8_t (*raw)[16];   /* [room] their who in the local table, in the same order */
    uint8_t (*token)[16]; /* [room] in the order of the local table */
    int32_t *owner;       /* [room] likewise */
    int64_t *counts;      /* [size] records for each owner */
    int64_t *starts;      /* [size] where they begin */
    int64_t *got;         /* [size] records from each rank */
    int64_t wire_size;
} parcel;

/* The first records of users, by their places in what the slice brought; ascending. */
typedef struct news {
    int64_t *at;
    int64_t n;
} news;

static strata_status parcel_init(const strata_job *job, parcel *p)
{
    strata_status rc = STRATA_OK;
    strata_context *ctx = job->ctx;
    int64_t n =
        job->tuning.slice_entries < job->local.limit ? job->tuning.slice_entries : job->local.limit;
    *p = (parcel){.room = n, .wire_size = job->local.record_size};
    if (strata_job_drops_duplicates(job))
        p->wire_size += (int64_t)sizeof(strata_row_tail);
    STRATA_TRY(strata_alloc(ctx, n, p->wire_size, &p->bytes));
    STRATA_TRY(strata_calloc(ctx, n, sizeof *p->raw, &p->raw));
    STRATA_TRY(strata_alloc(ctx, n, sizeof *p->token, &p->token));
    STRATA_TRY(strata_alloc(ctx, n, sizeof *p->owner, &p->owner));
    STRATA_TRY(strata_alloc(ctx, ctx->size, sizeof *p->counts, &p->counts));
    STRATA_TRY(strata_alloc(ctx, ctx->size, sizeof *p->starts, &p->starts));
    STRATA_TRY(strata_alloc(ctx, ctx->size, sizeof *p->got, &p->got));
done:
    return rc;
}

static void parcel_release(parcel *p)
{
    if (p->raw)
        explicit_bzero(p->raw, (size_t)p->room * sizeof *p->raw);
    strata_free(&p->bytes);
    strata_free(&p->raw);
    strata_free(&p->token);
    strata_free(&p->owner);
    strata_free(&p->counts);
    strata_free(&p->starts);
    strata_free(&p->got);
}

/* Regions are numbered by each rank for itself until here. */
static void share_region(const strata_job *job, strata_record_key *record)
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

/* Records [first, last) of the local table get their tokens and are sorted by owner. */
static void pack(strata_job *job, int64_t first, int64_t last, parcel *p)
{
    const strata_context *ctx = job->ctx;
    memset(p->counts, 0, (size_t)ctx->size * sizeof *p->counts);
    for (int64_t i = first; i < last; i++) {
        const strata_record_key *record = strata_table_record(&job->local, i);
        strata_field id = strata_table_id(&job->local, record->who);
        uint8_t *token = p->token[i - first];
        strata_token(job->pseudonymiser, id.text, id.length, token);
        p->owner[i - first] = strata_owner_of(ctx, token);
        p->counts[p->owner[i - first]]++;
    }
    for (int64_t r = 0, at = 0; r < ctx->size; at += p->counts[r++])
        p->starts[r] = at;
    for (int64_t i = first; i < last; i++) {
        strata_record_key *record = strata_table_record(&job->local, i);
        int64_t at = p->starts[p->owner[i - first]]++;
        memcpy(p->raw[at], record->who, 16);
        memcpy(record->who, p->token[i - first], 16);
        share_region(job, record);
        memcpy(p->bytes + at * p->wire_size, record, (size_t)job->local.record_size);
        if (job->local.keeps_rows)
            memcpy(p->bytes + at * p->wire_size + job->local.record_size, &job->local.tails[i],
                   sizeof job->local.tails[i]);
    }
    for (int r = 0; r < ctx->size; r++)
        p->starts[r] -= p->counts[r];
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
 * records; kept [*n] says where they were. */
static strata_status drop_duplicates(strata_job *job, char *records, int64_t wire_size,
                                     int64_t *kept, int64_t *n)
{
    int64_t n_kept = 0, size = job->owned.record_size;
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
        memmove(records + n_kept * size, records + i * wire_size, (size_t)size);
        strata_tally_accept(job, amount_of(job, records + n_kept * size), tail.clipped != 0);
        kept[n_kept++] = i;
    }
    *n = n_kept;
    return STRATA_OK;
}

/* Of the records that are new to the owned table, at the places fresh [n], those whose user is
 * new. */
static strata_status enrol(strata_job *job, const char *records, const int64_t *fresh, int64_t n,
                           news *found)
{
    strata_status rc = STRATA_OK;
    enum { SOME = 256 };
    char entries[SOME * sizeof(strata_identity)] = {0};
    int64_t first[SOME], n_first = 0;
    const int64_t size = job->users.record_size;
    for (int64_t at = 0; at < n; at += SOME) {
        int64_t count = n - at < SOME ? n - at : SOME;
        for (int64_t i = 0; i < count; i++) /* who comes first in all records */
            memcpy(entries + i * size, records + fresh[at + i] * job->owned.record_size, 16);
        if (strata_job_has_one_part(job)) { /* then all are new */
            STRATA_TRY(strata_table_append(&job->users, entries, count));
            memcpy(found->at + at, fresh + at, (size_t)count * sizeof *fresh);
            found->n += count;
            continue;
        }
        STRATA_TRY(strata_table_merge(&job->users, entries, count, first, &n_first));
        for (int64_t i = 0; i < n_first; i++)
            found->at[found->n++] = fresh[at + first[i]];
    }
done:
    return rc;
}

/* Merges what the slice brought. */
static strata_status take(strata_job *job, char *records, int64_t wire_size, int64_t n, news *found)
{
    strata_status rc = STRATA_OK;
    int64_t *fresh = NULL, *kept = NULL, n_fresh = 0;
    STRATA_TRY(strata_alloc(job->ctx, n, sizeof *found->at, &found->at));
    STRATA_TRY(strata_alloc(job->ctx, n, sizeof *fresh, &fresh));
    if (strata_job_drops_duplicates(job)) {
        STRATA_TRY(strata_alloc(job->ctx, n, sizeof *kept, &kept));
        STRATA_TRY(drop_duplicates(job, records, wire_size, kept, &n));
    }
    STRATA_TRY(strata_table_merge(&job->owned, records, n, fresh, &n_fresh));
    STRATA_TRY(enrol(job, records, fresh, n_fresh, found));
    for (int64_t i = 0; kept && i < found->n; i++)
        found->at[i] = kept[found->at[i]];
done:
    strata_free(&fresh);
    strata_free(&kept);
    return rc;
}

/* ---- who the users are ----------------------------------------------------------------------- */

/* What follows the key in the table of users. */
static int64_t name_size(const strata_job *job)
{
    return job->users.record_size - (int64_t)sizeof(strata_record_key);
}

/* Turns places among all received records into places among those of one sender; asked [size] is
 * how many of each. */
static void split_by_sender(const strata_context *ctx, const parcel *p, news *found, int64_t *asked)
{
    int64_t at = 0, begin = 0;
    for (int r = 0; r < ctx->size; begin += p->got[r++]) {
        int64_t first = at;
        for (; at < found->n && found->at[at] < begin + p->got[r]; at++)
            found->at[at] -= begin;
        asked[r] = at - first;
    }
}

/* The names that the owners want: counts [size] places each in what they were sent. */
static void answer(const strata_job *job, const parcel *p, const int64_t *wanted,
                   const int64_t *counts, char *names)
{
    const int64_t size = name_size(job);
    for (int r = 0; r < job->ctx->size; r++) {
        for (int64_t i = 0; i < counts[r]; i++, names += size) {
            strata_field id = strata_table_id(&job->local, p->raw[p->starts[r] + *wanted++]);
            if (!strata_job_is_plain(job)) {
                strata_pseudonym(job->pseudonymiser, id.text, id.length, (uint8_t *)names);
                continue;
            }
            strata_identity identity = {.length = id.length};
            memcpy(identity.id, id.text, (size_t)id.length); /* the reader lets 64 bytes pass */
            memcpy(names, (const char *)&identity + sizeof identity.key, (size_t)size);
        }
    }
}

/* Asks for the names of the users found, and enters them; they are the last ones of the table. */
static strata_status name_users(strata_job *job, const parcel *p, news *found)
{
    strata_status rc = STRATA_OK, local = STRATA_OK;
    strata_context *ctx = job->ctx;
    const int64_t size = name_size(job);
    int64_t *asked = NULL, *wanted = NULL, *wanted_counts = NULL, n_wanted = 0, n = 0;
    char *answers = NULL, *names = NULL;
    local = strata_alloc(ctx, ctx->size, sizeof *asked, &asked);
    if (local == STRATA_OK)
        local = strata_alloc(ctx, ctx->size, sizeof *wanted_counts, &wanted_counts);
    STRATA_AGREE(ctx, local);
    split_by_sender(ctx, p, found, asked);
    STRATA_TRY(strata_par_exchange(ctx, found->at, asked, sizeof *found->at, &wanted, &n_wanted,
                                   wanted_counts));
    STRATA_AGREE(ctx, strata_alloc(ctx, n_wanted, size, &answers));
    answer(job, p, wanted, wanted_counts, answers);
    STRATA_TRY(strata_par_exchange(ctx, answers, wanted_counts, size, &names, &n, NULL));
    for (int64_t i = 0; i < n; i++) {
        char *user = strata_table_record(&job->users, job->users.n - n + i);
        memcpy(user + sizeof(strata_record_key), names + i * size, (size_t)size);
    }
done:
    strata_free(&asked);
    strata_free(&wanted);
    strata_free(&wanted_counts);
    strata_free(&answers);
    strata_free(&names);
    return rc;
}

/* ---- the exchange ---------------------------------------------------------------------------- */

static strata_status exchange_slice(strata_job *job, parcel *p)
{
    strata_status rc = STRATA_OK, local = STRATA_OK;
    strata_context *ctx = job->ctx;
    char *records = NULL;
    int64_t n = 0;
    news found = {0};
    if (ctx->size == 1) {
        p->got[0] = p->counts[0];
        local = take(job, p->bytes, p->wire_size, p->counts[0], &found);
    } else {
        STRATA_TRY(
            strata_par_exchange(ctx, p->bytes, p->counts, p->wire_size, &records, &n, p->got));
        local = take(job, records, p->wire_size, n, &found);
    }
    STRATA_AGREE(ctx, local);
    strata_free(&records);
    STRATA_TRY(name_users(job, p, &found));
done:
    strata_free(&records);
    strata_free(&found.at);
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
        pack(job, first, last, &p);
        STRATA_TRY(exchange_slice(job, &p));
    }
    strata_table_clear(&job->local);
done:
    parcel_release(&p);
    return rc;
}
