#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "ingest/job.h"
#include "strata/memory.h"

/* who of an id that does not fit 15 bytes: this mark, its length and its place in the arena. */
enum { LONG_ID = 0xff, INLINE_ID = 15 };

typedef struct long_id {
    uint8_t mark;
    uint8_t unused[3];
    uint32_t length;
    int64_t place;
} long_id;

/* ---- hashing --------------------------------------------------------------------------------- */

static inline uint64_t mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t hash_who(const uint8_t *who, uint64_t part)
{
    uint64_t low = 0, high = 0;
    memcpy(&low, who, 8);
    memcpy(&high, who + 8, 8);
    uint64_t h = mix(low ^ UINT64_C(0xa0761d6478bd642f), high ^ UINT64_C(0xe7037ed1a0b428db));
    return mix(h ^ part, UINT64_C(0x8ebc6af09c88c6e3));
}

/* An id of at most 15 bytes with its length in front, from two loads instead of a copy of variable
 * length; fields are followed by at least 16 readable bytes. */
static inline void pack_id(const strata_field *id, uint8_t who[16])
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint64_t low = 0, high = 0;
    memcpy(&low, id->text, 8);
    memcpy(&high, id->text + 8, 8);
    int bits = 8 * (int)id->length;
    if (bits < 64) {
        low &= (UINT64_C(1) << bits) - 1;
        high = 0;
    } else {
        high &= (UINT64_C(1) << (bits - 64)) - 1;
    }
    high = high << 8 | low >> 56;
    low = low << 8 | (uint64_t)id->length;
    memcpy(who, &low, 8);
    memcpy(who + 8, &high, 8);
#else
    memset(who, 0, 16);
    who[0] = (uint8_t)id->length;
    memcpy(who + 1, id->text, (size_t)id->length);
#endif
}

void strata_candidate_seal(strata_candidate *c)
{
    uint8_t *who = c->record.key.who;
    uint64_t part = c->record.key.part;
    if (c->id.length <= INLINE_ID) {
        pack_id(&c->id, who);
        c->hash = hash_who(who, part);
        return;
    }
    memset(who, 0, 16);
    who[0] = LONG_ID;
    uint64_t h = XXH3_64bits(c->id.text, (size_t)c->id.length);
    c->hash = mix(h ^ part, UINT64_C(0x8ebc6af09c88c6e3));
}

strata_field strata_table_id(const strata_table *table, const uint8_t *who)
{
    if (who[0] != LONG_ID)
        return (strata_field){(const char *)who + 1, who[0]};
    long_id reference;
    memcpy(&reference, who, sizeof reference);
    return (strata_field){table->arena + reference.place, reference.length};
}

/* ---- the table ------------------------------------------------------------------------------- */

strata_status strata_table_init(strata_context *ctx, bool is_orders, int64_t limit,
                                strata_table *table)
{
    *table = (strata_table){.ctx = ctx, .limit = limit, .is_orders = is_orders, .bits = 10};
    table->record_size = is_orders ? (int64_t)sizeof(strata_order) : (int64_t)sizeof(strata_visits);
    while (limit > 0 && INT64_C(1) << table->bits < 2 * limit)
        table->bits++;
    return strata_calloc(ctx, INT64_C(1) << table->bits, sizeof *table->slots, &table->slots);
}

void strata_table_release(strata_table *table)
{
    for (int64_t i = 0; i < table->n_pages; i++)
        strata_free(&table->pages[i]);
    strata_free(&table->pages);
    strata_free(&table->slots);
    strata_free(&table->arena);
    strata_free(&table->tails);
    *table = (strata_table){0};
}

void strata_table_clear(strata_table *table)
{
    memset(table->slots, 0, sizeof *table->slots << table->bits);
    if (table->arena)
        explicit_bzero(table->arena, (size_t)table->arena_used);
    table->n = 0;
    table->arena_used = 0;
}

void strata_table_close(strata_table *table)
{
    strata_free(&table->slots);
    table->bits = 0;
}

static inline void place_in_slots(strata_table *t, uint64_t hash, int64_t index)
{
    uint64_t mask = (UINT64_C(1) << t->bits) - 1, slot = hash & mask;
    while (t->slots[slot])
        slot = (slot + 1) & mask;
    t->slots[slot] = (hash >> 32) << 32 | (uint64_t)(index + 1);
}

/* Doubles the index of a growing table of tokens. */
static strata_status grow(strata_table *t)
{
    uint64_t *slots = NULL;
    strata_status rc = strata_calloc(t->ctx, INT64_C(1) << (t->bits + 1), sizeof *t->slots, &slots);
    if (rc != STRATA_OK)
        return rc;
    strata_free(&t->slots);
    t->slots = slots;
    t->bits++;
    for (int64_t i = 0; i < t->n; i++) {
        const strata_record_key *record = strata_table_record(t, i);
        place_in_slots(t, hash_who(record->who, record->part), i);
    }
    return STRATA_OK;
}

/* Room for one more record at index n. */
static strata_status make_room(strata_table *t)
{
    strata_status rc = STRATA_OK;
    if (t->n >> STRATA_TABLE_PAGE_BITS < t->n_pages)
        return STRATA_OK;
    if (t->n >= (int64_t)UINT32_MAX - 1) /* indexes are 32 bits */
        STRATA_FAIL(t->ctx, STRATA_ERR_MEMORY,
                    "more than 4 billion users or orders on rank %d; use more ranks", t->ctx->rank);
    STRATA_TRY(
        strata_reserve(t->ctx, &t->pages, &t->pages_capacity, t->n_pages + 1, sizeof *t->pages));
    if (t->donated < t->spare) {
        t->pages[t->n_pages++] = t->donor->pages[t->donated];
        t->donor->pages[t->donated++] = NULL;
        return STRATA_OK;
    }
    int64_t page = INT64_C(1) << STRATA_TABLE_PAGE_BITS;
    page = t->limit > 0 && t->limit < page ? t->limit : page;
    STRATA_TRY(strata_alloc(t->ctx, page, t->record_size, &t->pages[t->n_pages]));
    t->n_pages++;
done:
    return rc;
}

static inline void merge_visits(strata_visits *a, const strata_visits *b)
{
    /* Wraps instead of overflowing; ingest refuses the input if the true total passes 2^63. */
    a->net = (int64_t)((uint64_t)a->net + (uint64_t)b->net);
    a->positive = (int64_t)((uint64_t)a->positive + (uint64_t)b->positive);
    a->largest = a->largest > b->largest ? a->largest : b->largest;
    a->last_time = a->last_time > b->last_time ? a->last_time : b->last_time;
    a->first_day = a->first_day < b->first_day ? a->first_day : b->first_day;
    a->orders = (int32_t)((uint32_t)a->orders + (uint32_t)b->orders);
}

static inline void merge_order(const strata_table *t, strata_order *a, const strata_order *b)
{
    a->total = (int64_t)((uint64_t)a->total + (uint64_t)b->total);
    if (b->time > a->time || b->time == INT64_MAX)
        return;
    bool wins = b->time < a->time;
    if (!wins && a->region != b->region && t->names)
        wins = strcmp(t->names->items[b->region], t->names->items[a->region]) < 0;
    if (wins) {
        a->time = b->time;
        a->region = b->region;
    }
}

static inline void merge_record(const strata_table *t, void *into, const void *from)
{
    if (t->is_orders)
        merge_order(t, into, from);
    else
        merge_visits(into, from);
}

/* Raw ids that share a mark and a length may still differ; the bytes decide. */
static inline bool same_key(const strata_table *t, const strata_record_key *a,
                            const strata_candidate *c)
{
    const strata_record_key *b = &c->record.key;
    if (a->part != b->part || a->who[0] != b->who[0])
        return false;
    if (a->who[0] != LONG_ID)
        return memcmp(a->who, b->who, 16) == 0;
    strata_field id = strata_table_id(t, a->who);
    return id.length == c->id.length && memcmp(id.text, c->id.text, (size_t)id.length) == 0;
}

static strata_status append(strata_table *t, const strata_candidate *c)
{
    strata_status rc = STRATA_OK;
    STRATA_TRY(make_room(t));
    strata_record_key *record = strata_table_record(t, t->n);
    memcpy(record, &c->record, (size_t)t->record_size);
    if (record->who[0] == LONG_ID) {
        STRATA_TRY(
            strata_reserve(t->ctx, &t->arena, &t->arena_capacity, t->arena_used + c->id.length, 1));
        long_id reference = {
            .mark = LONG_ID, .length = (uint32_t)c->id.length, .place = t->arena_used};
        memcpy(record->who, &reference, sizeof reference);
        memcpy(t->arena + t->arena_used, c->id.text, (size_t)c->id.length);
        t->arena_used += c->id.length;
    }
    if (t->keeps_rows)
        t->tails[t->n] = c->tail;
    t->n++;
done:
    return rc;
}

/* Memory latency is what a hash table costs: slots are fetched FAR candidates ahead, their
 * records NEAR ahead, so that many misses are under way at once and none is forgotten before it
 * is used. */
enum { FAR = 32, NEAR = 16 };

/* Both return an address for __builtin_prefetch: a function that does nothing but prefetch is
 * pure in the eyes of gcc, which then removes the call. */
static inline const void *slot_of(const strata_table *t, uint64_t hash)
{
    return &t->slots[hash & ((UINT64_C(1) << t->bits) - 1)];
}

static inline const void *likely_record(const strata_table *t, uint64_t hash)
{
    uint64_t mask = (UINT64_C(1) << t->bits) - 1;
    for (uint64_t i = 0; i < 6; i++) { /* most records are found within so many slots */
        uint64_t slot = t->slots[(hash + i) & mask];
        if (!slot)
            break;
        if (slot >> 32 == hash >> 32)
            return strata_table_record(t, (int64_t)(uint32_t)slot - 1);
    }
    return NULL;
}

strata_status strata_table_add(strata_table *t, const strata_candidate *candidates, int32_t n)
{
    uint64_t mask = (UINT64_C(1) << t->bits) - 1;
    for (int32_t i = 0; i < n && i < FAR; i++)
        __builtin_prefetch(slot_of(t, candidates[i].hash));
    for (int32_t i = 0; i < n; i++) {
        const strata_candidate *c = &candidates[i];
        if (i + FAR < n)
            __builtin_prefetch(slot_of(t, candidates[i + FAR].hash));
        if (i + NEAR < n)
            __builtin_prefetch(likely_record(t, candidates[i + NEAR].hash));
        uint64_t tag = c->hash >> 32, slot = c->hash & mask;
        strata_record_key *found = NULL;
        while (!t->keeps_rows && t->slots[slot] && !found) {
            if (t->slots[slot] >> 32 == tag) {
                strata_record_key *record =
                    strata_table_record(t, (int64_t)(uint32_t)t->slots[slot] - 1);
                found = same_key(t, record, c) ? record : NULL;
            }
            slot = (slot + 1) & mask;
        }
        if (found) {
            merge_record(t, found, &c->record);
            continue;
        }
        if (!t->keeps_rows)
            place_in_slots(t, c->hash, t->n);
        strata_status rc = append(t, c);
        if (rc != STRATA_OK)
            return rc;
    }
    return STRATA_OK;
}

static strata_status merge_one(strata_table *t, const strata_record_key *from, uint64_t hash)
{
    uint64_t mask = (UINT64_C(1) << t->bits) - 1, slot = hash & mask;
    for (; t->slots[slot]; slot = (slot + 1) & mask) {
        if (t->slots[slot] >> 32 != hash >> 32)
            continue;
        strata_record_key *record = strata_table_record(t, (int64_t)(uint32_t)t->slots[slot] - 1);
        if (record->part == from->part && memcmp(record->who, from->who, 16) == 0) {
            if (!t->is_set)
                merge_record(t, record, from);
            return STRATA_OK;
        }
    }
    strata_status rc = make_room(t);
    if (rc != STRATA_OK)
        return rc;
    memcpy(strata_table_record(t, t->n), from, (size_t)t->record_size);
    t->slots[slot] = (hash >> 32) << 32 | (uint64_t)(t->n + 1);
    t->n++;
    return STRATA_OK;
}

strata_status strata_table_merge(strata_table *t, const char *records, int64_t n, int64_t *fresh,
                                 int64_t *n_fresh)
{
    enum { AHEAD = 256 };
    uint64_t hash[AHEAD];
    *n_fresh = 0;
    for (int64_t at = 0; at < n; at += AHEAD) {
        int64_t count = n - at < AHEAD ? n - at : AHEAD;
        while (4 * (t->n + count) > 3 * (INT64_C(1) << t->bits)) {
            strata_status rc = grow(t);
            if (rc != STRATA_OK)
                return rc;
        }
        for (int64_t i = 0; i < count; i++) {
            const strata_record_key *record = (const void *)(records + (at + i) * t->record_size);
            hash[i] = hash_who(record->who, record->part);
        }
        for (int64_t i = 0; i < count && i < FAR; i++)
            __builtin_prefetch(slot_of(t, hash[i]));
        for (int64_t i = 0; i < count; i++) {
            if (i + FAR < count)
                __builtin_prefetch(slot_of(t, hash[i + FAR]));
            if (i + NEAR < count)
                __builtin_prefetch(likely_record(t, hash[i + NEAR]));
            int64_t before = t->n;
            strata_status rc =
                merge_one(t, (const void *)(records + (at + i) * t->record_size), hash[i]);
            if (rc != STRATA_OK)
                return rc;
            if (t->n > before)
                fresh[(*n_fresh)++] = at + i;
        }
    }
    return STRATA_OK;
}

strata_status strata_table_append(strata_table *t, const char *records, int64_t n)
{
    enum { PAGE = 1 << STRATA_TABLE_PAGE_BITS };
    for (int64_t at = 0, count = 0; at < n; at += count) {
        strata_status rc = make_room(t);
        if (rc != STRATA_OK)
            return rc;
        int64_t left = PAGE - (t->n & (PAGE - 1));
        count = n - at < left ? n - at : left;
        memcpy(strata_table_record(t, t->n), records + at * t->record_size,
               (size_t)(count * t->record_size));
        t->n += count;
    }
    return STRATA_OK;
}

/* ---- sets of keys ---------------------------------------------------------------------------- */

static bool place_key(strata_key_set *set, const uint64_t key[2])
{
    uint64_t mask = (UINT64_C(1) << set->bits) - 1, slot = key[0] & mask;
    for (;; slot = (slot + 1) & mask) {
        uint64_t *at = set->keys + 2 * slot;
        if (at[0] == key[0] && at[1] == key[1])
            return false;
        if (at[0] == 0 && at[1] == 0) {
            at[0] = key[0];
            at[1] = key[1];
            return true;
        }
    }
}

strata_status strata_key_set_add(strata_context *ctx, strata_key_set *set, const uint64_t key[2],
                                 bool *fresh)
{
    if (!set->keys || 4 * (set->n + 1) > 3 * (INT64_C(1) << set->bits)) {
        strata_key_set bigger = {.bits = set->keys ? set->bits + 1 : 10};
        strata_status rc = strata_calloc(ctx, INT64_C(2) << bigger.bits, 8, &bigger.keys);
        if (rc != STRATA_OK)
            return rc;
        for (int64_t i = 0; set->keys && i < INT64_C(1) << set->bits; i++)
            if (set->keys[2 * i] || set->keys[2 * i + 1])
                place_key(&bigger, set->keys + 2 * i);
        strata_free(&set->keys);
        set->keys = bigger.keys;
        set->bits = bigger.bits;
    }
    if (key[0] == 0 && key[1] == 0) { /* the mark of an empty slot */
        *fresh = !set->has_zero;
        set->has_zero = true;
        return STRATA_OK;
    }
    *fresh = place_key(set, key);
    set->n += *fresh;
    return STRATA_OK;
}

void strata_key_set_release(strata_key_set *set)
{
    strata_free(&set->keys);
    *set = (strata_key_set){0};
}
