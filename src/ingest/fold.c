/* From owned records to one row a user. A rank folds the users whose tokens it owns. In keyed mode
 * each then moves to the rank that owns its pseudonym, in plain mode all are sorted by their
 * ids. */
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/job.h"
#include "strata/memory.h"
#include "strata/par.h"

/* One period of one user. */
typedef struct period {
    int32_t first_day, last_day, orders;
    int64_t net, positive, largest;
} period;

/* What a user looks like once all its records are merged. */
typedef struct folded {
    strata_record_key key; /* who: the pseudonym; part: the region */
    period whole;
    period fit, holdout; /* last: they do not travel without a hold-out period */
} folded;

typedef struct region_visit {
    int64_t time;
    int64_t orders;
    int32_t region;
} region_visit;

typedef struct folder {
    strata_job *job;
    uint32_t *order;      /* [owned.n] records by token; NULL: as they are */
    uint32_t *user_order; /* [users.n] the same of the users */
    int64_t at, at_user;  /* how far the fold has come */
    int32_t *code;        /* [shared.n] the final code of a region */
    region_visit *visits; /* of one user */
    int64_t n_visits, visits_capacity;
} folder;

static const period no_period = {.first_day = STRATA_NO_DAY, .last_day = STRATA_NO_DAY};

static int32_t day_of(int64_t time)
{
    return (int32_t)(time >= 0 ? time / 86400 : -((-time + 86399) / 86400));
}

/* ---- regions --------------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b, void *names)
{
    char **items = names;
    return strcmp(items[*(const int32_t *)a], items[*(const int32_t *)b]);
}

/* Codes in byte order of the names; the dictionary takes the names over. */
static strata_status number_regions(folder *f, strata_dictionary *dictionary)
{
    strata_status rc = STRATA_OK;
    strata_names *names = &f->job->regions.shared;
    int32_t *sorted = NULL;
    STRATA_TRY(strata_alloc(f->job->ctx, names->n, sizeof *sorted, &sorted));
    STRATA_TRY(strata_alloc(f->job->ctx, names->n, sizeof *f->code, &f->code));
    STRATA_TRY(strata_calloc(f->job->ctx, names->n, sizeof *dictionary->names, &dictionary->names));
    for (int32_t i = 0; i < names->n; i++)
        sorted[i] = i;
    if (names->n > 0)
        qsort_r(sorted, (size_t)names->n, sizeof *sorted, compare_names, names->items);
    for (int32_t i = 0; i < names->n; i++) {
        f->code[sorted[i]] = i;
        dictionary->names[i] = names->items[sorted[i]];
        names->items[sorted[i]] = NULL;
    }
    dictionary->n = names->n;
done:
    strata_free(&sorted);
    return rc;
}

static strata_status note_region(folder *f, int32_t region, int64_t time, int64_t orders)
{
    if (!strata_job_has_region(f->job) || orders == 0)
        return STRATA_OK;
    region_visit *last = f->n_visits > 0 ? &f->visits[f->n_visits - 1] : NULL;
    if (last && last->region == f->code[region]) {
        last->orders += orders;
        last->time = last->time > time ? last->time : time;
        return STRATA_OK;
    }
    strata_status rc = strata_reserve(f->job->ctx, &f->visits, &f->visits_capacity, f->n_visits + 1,
                                      sizeof *f->visits);
    if (rc == STRATA_OK)
        f->visits[f->n_visits++] = (region_visit){time, orders, f->code[region]};
    return rc;
}

static int compare_visits(const void *a, const void *b)
{
    const region_visit *x = a, *y = b;
    return x->region < y->region ? -1 : x->region > y->region;
}

/* Most orders, then the latest order, then the smallest name; codes follow the names. */
static int32_t choose_region(folder *f)
{
    region_visit best = {.time = INT64_MIN, .orders = 0, .region = -1};
    if (f->n_visits > 1)
        qsort(f->visits, (size_t)f->n_visits, sizeof *f->visits, compare_visits);
    for (int64_t i = 0; i < f->n_visits;) {
        region_visit sum = f->visits[i++];
        for (; i < f->n_visits && f->visits[i].region == sum.region; i++) {
            sum.orders += f->visits[i].orders;
            sum.time = sum.time > f->visits[i].time ? sum.time : f->visits[i].time;
        }
        if (sum.orders > best.orders || (sum.orders == best.orders && sum.time > best.time))
            best = sum;
    }
    return best.region;
}

/* ---- one user -------------------------------------------------------------------------------- */

static strata_status too_many_orders(folder *f)
{
    return strata_context_fail(f->job->ctx, STRATA_ERR_INPUT, __FILE__, __LINE__,
                               "one user has more than %d orders; is input.columns.user the right "
                               "column?",
                               INT_MAX);
}

static void add_days(period *p, int32_t first, int32_t last)
{
    p->first_day = p->first_day == STRATA_NO_DAY || first < p->first_day ? first : p->first_day;
    p->last_day = last > p->last_day ? last : p->last_day; /* STRATA_NO_DAY is the smallest */
}

static strata_status add_visits(folder *f, period *p, const strata_visits *v)
{
    p->net += v->net;
    if (v->orders == 0)
        return STRATA_OK;
    p->positive += v->positive;
    p->largest = p->largest > v->largest ? p->largest : v->largest;
    add_days(p, v->first_day, day_of(v->last_time));
    if (v->orders < 0 || __builtin_add_overflow(p->orders, v->orders, &p->orders))
        return too_many_orders(f);
    return STRATA_OK;
}

static strata_status add_order(folder *f, period *p, const strata_order *o)
{
    p->net += o->total;
    if (o->total <= 0)
        return STRATA_OK;
    p->positive += o->total;
    p->largest = p->largest > o->total ? p->largest : o->total;
    add_days(p, day_of(o->time), day_of(o->time));
    if (__builtin_add_overflow(p->orders, 1, &p->orders))
        return too_many_orders(f);
    return STRATA_OK;
}

static strata_status fold_visits(folder *f, const strata_visits *v, folded *user)
{
    strata_status rc = STRATA_OK;
    STRATA_TRY(add_visits(f, v->key.part & 1 ? &user->holdout : &user->fit, v));
    STRATA_TRY(add_visits(f, &user->whole, v));
    STRATA_TRY(note_region(f, (int32_t)(v->key.part >> 1), v->last_time, v->orders));
done:
    return rc;
}

/* The order of both periods as one: what it was worth in all, and when and where it began. */
static strata_order join_parts(const folder *f, const strata_order *a, const strata_order *b)
{
    strata_order whole = *a;
    whole.total += b->total;
    bool earlier = b->time < a->time;
    if (b->time == a->time && b->time != INT64_MAX && f->code)
        earlier = f->code[b->region] < f->code[a->region];
    if (earlier) {
        whole.time = b->time;
        whole.region = b->region;
    }
    return whole;
}

/* An order's record, and the part of the same order in the other period when it has one. */
static strata_status fold_order(folder *f, const strata_order *a, const strata_order *b,
                                folded *user)
{
    strata_status rc = STRATA_OK;
    strata_order whole = *a;
    STRATA_TRY(add_order(f, a->key.part & 1 ? &user->holdout : &user->fit, a));
    if (b) {
        STRATA_TRY(add_order(f, &user->holdout, b));
        whole = join_parts(f, a, b);
    }
    STRATA_TRY(add_order(f, &user->whole, &whole));
    if (whole.total > 0)
        STRATA_TRY(note_region(f, whole.region, whole.time, 1));
done:
    return rc;
}

static const strata_record_key *in_order(const strata_table *table, const uint32_t *order,
                                         int64_t at)
{
    return strata_table_record(table, order ? order[at] : at);
}

/* Records and users are in the same order, and there is no user without a record. */
static strata_status put_in_order(folder *f)
{
    strata_status rc = STRATA_OK;
    strata_job *job = f->job;
    strata_table_close(&job->owned);
    strata_table_close(&job->users);
    if (job->owned.n == job->users.n) /* one record a user: both came in together */
        goto done;
    STRATA_TRY(strata_order_records(job->ctx, &job->owned, &f->order));
    STRATA_TRY(strata_order_records(job->ctx, &job->users, &f->user_order));
done:
    return rc;
}

/* Folds the records of the next user; *entry is what the table of users has of it. */
static strata_status fold_user(folder *f, folded *user, const strata_record_key **entry)
{
    strata_status rc = STRATA_OK;
    enum { AHEAD = 12 };
    const strata_table *t = &f->job->owned;
    const strata_record_key *who = in_order(&f->job->users, f->user_order, f->at_user++);
    if (memcmp(in_order(t, f->order, f->at)->who, who->who, 16) != 0)
        STRATA_FAIL(f->job->ctx, STRATA_ERR_INTERNAL, "records of a user without a name");
    *user = (folded){.whole = no_period, .fit = no_period, .holdout = no_period};
    f->n_visits = 0;
    while (f->at < t->n) {
        if (f->at + AHEAD < t->n)
            __builtin_prefetch(in_order(t, f->order, f->at + AHEAD));
        const strata_record_key *key = in_order(t, f->order, f->at);
        if (memcmp(key->who, who->who, 16) != 0)
            break;
        f->at++;
        if (!t->is_orders) {
            STRATA_TRY(fold_visits(f, (const void *)key, user));
            continue;
        }
        const strata_record_key *twin = f->at < t->n ? in_order(t, f->order, f->at) : NULL;
        if (twin && (twin->part != (key->part | 1) || twin->part == key->part ||
                     memcmp(twin->who, key->who, 16) != 0))
            twin = NULL;
        f->at += twin != NULL;
        STRATA_TRY(fold_order(f, (const void *)key, (const void *)twin, user));
    }
    user->key.part = (uint64_t)choose_region(f);
    *entry = who;
done:
    return rc;
}

/* ---- all users of a rank --------------------------------------------------------------------- */

strata_status strata_activity_alloc(strata_context *ctx, int64_t n, strata_activity *a)
{
    strata_status rc = STRATA_OK;
    STRATA_TRY(strata_alloc(ctx, n, sizeof *a->first_day, &a->first_day));
    STRATA_TRY(strata_alloc(ctx, n, sizeof *a->last_day, &a->last_day));
    STRATA_TRY(strata_alloc(ctx, n, sizeof *a->orders, &a->orders));
    STRATA_TRY(strata_alloc(ctx, n, sizeof *a->net, &a->net));
    STRATA_TRY(strata_alloc(ctx, n, sizeof *a->positive, &a->positive));
    STRATA_TRY(strata_alloc(ctx, n, sizeof *a->largest, &a->largest));
done:
    return rc;
}

static strata_status population_alloc(strata_context *ctx, int64_t n, strata_population *p)
{
    strata_status rc = STRATA_OK;
    STRATA_TRY(strata_alloc(ctx, n, p->key_width, &p->user_key));
    STRATA_TRY(strata_alloc(ctx, n, sizeof *p->key64, &p->key64));
    STRATA_TRY(strata_alloc(ctx, n, sizeof *p->region_code, &p->region_code));
    STRATA_TRY(strata_activity_alloc(ctx, n, &p->whole));
    if (p->has_holdout) {
        STRATA_TRY(strata_activity_alloc(ctx, n, &p->fit));
        STRATA_TRY(strata_activity_alloc(ctx, n, &p->holdout));
    }
done:
    return rc;
}

static void put_period(strata_activity *a, int64_t row, const period *p)
{
    a->first_day[row] = p->first_day;
    a->last_day[row] = p->last_day;
    a->orders[row] = p->orders;
    a->net[row] = p->net;
    a->positive[row] = p->positive;
    a->largest[row] = p->largest;
}

/* Everything of a row but its user_key. */
static void put_user(strata_population *p, int64_t row, const folded *user)
{
    uint64_t top = 0;
    memcpy(&top, user->key.who, 8);
    p->key64[row] = __builtin_bswap64(top);
    p->region_code[row] = (int16_t)user->key.part;
    put_period(&p->whole, row, &user->whole);
    if (p->has_holdout) {
        put_period(&p->fit, row, &user->fit);
        put_period(&p->holdout, row, &user->holdout);
    }
}

/* Without a hold-out period its part does not travel. */
static int64_t folded_size(const strata_job *job)
{
    return job->config->window.holdout_days > 0 ? (int64_t)sizeof(folded)
                                                : (int64_t)offsetof(folded, fit);
}

/* ---- keyed mode ------------------------------------------------------------------------------ */

/* Users on their way to the ranks that own their pseudonyms. */
typedef struct removal {
    int64_t size;        /* of a row */
    char *rows, *sorted; /* [slice_entries, size] */
    int64_t *counts;     /* [ranks] */
    int64_t *places;     /* [ranks] */
} removal;

static void removal_release(removal *m)
{
    strata_free(&m->rows);
    strata_free(&m->sorted);
    strata_free(&m->counts);
    strata_free(&m->places);
}

static strata_status removal_init(const strata_job *job, removal *m)
{
    strata_status rc = STRATA_OK;
    strata_context *ctx = job->ctx;
    int64_t most =
        job->users.n < job->tuning.slice_entries ? job->users.n : job->tuning.slice_entries;
    *m = (removal){.size = folded_size(job)};
    STRATA_TRY(strata_alloc(ctx, most, m->size, &m->rows));
    STRATA_TRY(strata_alloc(ctx, most, m->size, &m->sorted));
    STRATA_TRY(strata_alloc(ctx, ctx->size, sizeof *m->counts, &m->counts));
    STRATA_TRY(strata_alloc(ctx, ctx->size, sizeof *m->places, &m->places));
done:
    return rc;
}

/* Folds the next slice_entries users; those with a purchase are sorted by the owner of the
 * pseudonym. */
static strata_status fold_slice(folder *f, removal *m)
{
    strata_status rc = STRATA_OK;
    const strata_context *ctx = f->job->ctx;
    int64_t n = 0, left = f->job->users.n - f->at_user;
    memset(m->counts, 0, (size_t)ctx->size * sizeof *m->counts);
    for (int64_t i = 0; i < left && i < f->job->tuning.slice_entries; i++) {
        folded user;
        const strata_record_key *entry = NULL;
        STRATA_TRY(fold_user(f, &user, &entry));
        if (user.whole.orders == 0)
            continue;
        memcpy(user.key.who, ((const strata_alias *)entry)->pseudonym, 16);
        memcpy(m->rows + n++ * m->size, &user, (size_t)m->size);
        m->counts[strata_owner_of(ctx, user.key.who)]++;
    }
    for (int64_t r = 0, at = 0; r < ctx->size; at += m->counts[r++])
        m->places[r] = at;
    for (int64_t i = 0; i < n; i++) {
        const char *row = m->rows + i * m->size;
        int owner = strata_owner_of(ctx, (const uint8_t *)row);
        memcpy(m->sorted + m->places[owner]++ * m->size, row, (size_t)m->size);
    }
done:
    return rc;
}

/* All users with a purchase, each on the rank that owns its pseudonym, in no order. */
static strata_status move_users(folder *f, strata_table *mine)
{
    strata_status rc = STRATA_OK;
    strata_context *ctx = f->job->ctx;
    removal m = {0};
    char *received = NULL;
    int64_t n = 0, size = f->job->tuning.slice_entries,
            slices = (f->job->users.n + size - 1) / size;
    STRATA_TRY(strata_par_allreduce_i64(ctx, &slices, 1, STRATA_MAX));
    STRATA_AGREE(ctx, removal_init(f->job, &m));
    if (!f->order && mine->record_size == f->job->owned.record_size)
        mine->donor = &f->job->owned;
    for (int64_t s = 0; s < slices; s++) {
        STRATA_AGREE(ctx, fold_slice(f, &m));
        if (mine->donor) /* pages whose users have left make room for those that come */
            mine->spare = f->at >> STRATA_TABLE_PAGE_BITS;
        STRATA_TRY(strata_par_exchange(ctx, m.sorted, m.counts, m.size, &received, &n, NULL));
        STRATA_AGREE(ctx, strata_table_append(mine, received, n));
        strata_free(&received);
    }
done:
    strata_free(&received);
    removal_release(&m);
    return rc;
}

/* The owned ranges of pseudonyms are ranges of user_key: once each rank has its rows in order, all
 * have. */
static strata_status put_users(folder *f, const strata_table *mine, strata_population *p)
{
    strata_status rc = STRATA_OK;
    enum { AHEAD = 12 };
    uint32_t *order = NULL;
    p->key_width = 32;
    STRATA_TRY(strata_order_records(f->job->ctx, mine, &order));
    STRATA_TRY(population_alloc(f->job->ctx, mine->n, p));
    for (int64_t i = 0; i < mine->n; i++) {
        folded user = {.fit = no_period, .holdout = no_period};
        if (i + AHEAD < mine->n)
            __builtin_prefetch(in_order(mine, order, i + AHEAD));
        memcpy(&user, in_order(mine, order, i), (size_t)mine->record_size);
        strata_hex(user.key.who, p->user_key + 32 * i);
        put_user(p, i, &user);
    }
done:
    strata_free(&order);
    return rc;
}

static void release_records(folder *f)
{
    strata_free(&f->order);
    strata_free(&f->user_order);
    strata_table_release(&f->job->owned);
    strata_table_release(&f->job->users);
}

static strata_status fold_keyed(folder *f, strata_population *p, int64_t *n_local)
{
    strata_status rc = STRATA_OK;
    strata_table mine = {.ctx = f->job->ctx, .record_size = folded_size(f->job)};
    STRATA_TRY(move_users(f, &mine));
    release_records(f); /* the result needs the memory */
    strata_memory_trim();
    STRATA_AGREE(f->job->ctx, put_users(f, &mine, p));
    *n_local = mine.n;
done:
    strata_table_release(&mine);
    return rc;
}

/* ---- plain mode ------------------------------------------------------------------------------ */

/* The bytes of the longest id. */
static strata_status widest(strata_job *job, int64_t *width)
{
    strata_status rc = STRATA_OK;
    int64_t longest = 1;
    for (int64_t i = 0; i < job->users.n; i++) {
        const strata_identity *identity = strata_table_record(&job->users, i);
        longest = longest > identity->length ? longest : identity->length;
    }
    STRATA_TRY(strata_par_allreduce_i64(job->ctx, &longest, 1, STRATA_MAX));
    *width = longest;
done:
    return rc;
}

/* Rows [key_width id, zero-padded][folded_size] of users with a purchase. */
static strata_status fold_rows(folder *f, int64_t width, char **rows, int64_t *n)
{
    strata_status rc = STRATA_OK;
    int64_t size = folded_size(f->job), row_size = width + size, count = 0;
    STRATA_TRY(strata_alloc(f->job->ctx, f->job->users.n, row_size, rows));
    while (f->at_user < f->job->users.n) {
        folded user;
        const strata_record_key *entry = NULL;
        STRATA_TRY(fold_user(f, &user, &entry));
        if (user.whole.orders == 0)
            continue;
        memcpy(user.key.who, entry->who, 16); /* here the token is the pseudonym */
        memcpy(*rows + count * row_size, ((const strata_identity *)entry)->id, (size_t)width);
        memcpy(*rows + count++ * row_size + width, &user, (size_t)size);
    }
    *n = count;
done:
    return rc;
}

/* Plain mode: users are sorted by their ids over all ranks. */
static strata_status fold_plain(folder *f, strata_population *p, int64_t *n_local)
{
    strata_status rc = STRATA_OK;
    strata_context *ctx = f->job->ctx;
    char *rows = NULL, *sorted = NULL;
    int64_t width = 0, n = 0;
    strata_partition partition = {0};
    STRATA_TRY(widest(f->job, &width));
    STRATA_AGREE(ctx, fold_rows(f, width, &rows, &n));
    int64_t size = folded_size(f->job), row_size = width + size;
    release_records(f); /* the sort needs the memory */
    STRATA_TRY(strata_par_sort_records(ctx, rows, n, row_size, width, &sorted, &partition));
    strata_free(&rows);
    n = strata_partition_local(&partition, ctx->rank);
    p->key_width = (int32_t)width;
    STRATA_AGREE(ctx, population_alloc(ctx, n, p));
    for (int64_t i = 0; i < n; i++) {
        folded user = {.fit = no_period, .holdout = no_period};
        memcpy(p->user_key + i * width, sorted + i * row_size, (size_t)width);
        memcpy(&user, sorted + i * row_size + width, (size_t)size);
        put_user(p, i, &user);
    }
    *n_local = n;
done:
    strata_partition_release(&partition);
    strata_free(&sorted);
    strata_free(&rows);
    return rc;
}

strata_status strata_fold(strata_job *job, strata_population *population)
{
    strata_status rc = STRATA_OK, local = STRATA_OK;
    folder f = {.job = job};
    int64_t n_local = 0;
    local = put_in_order(&f);
    if (local == STRATA_OK)
        local = number_regions(&f, &population->regions);
    STRATA_AGREE(job->ctx, local);
    if (strata_job_is_plain(job))
        STRATA_TRY(fold_plain(&f, population, &n_local));
    else
        STRATA_TRY(fold_keyed(&f, population, &n_local));
    STRATA_TRY(strata_partition_gather(job->ctx, n_local, &population->partition));
done:
    strata_free(&f.code);
    strata_free(&f.visits);
    release_records(&f);
    return rc;
}
