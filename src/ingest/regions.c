#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "ingest/job.h"
#include "strata/memory.h"
#include "strata/par.h"

/* ---- names ----------------------------------------------------------------------------------- */

static strata_status rehash(strata_context *ctx, strata_names *names)
{
    int32_t bits = names->hash ? names->bits + 1 : 8, *hash = NULL;
    strata_status rc = strata_calloc(ctx, INT64_C(1) << bits, sizeof *hash, &hash);
    if (rc != STRATA_OK)
        return rc;
    strata_free(&names->hash);
    names->hash = hash;
    names->bits = bits;
    uint64_t mask = (UINT64_C(1) << bits) - 1;
    for (int32_t i = 0; i < names->n; i++) {
        uint64_t slot = XXH3_64bits(names->items[i], strlen(names->items[i])) & mask;
        while (hash[slot])
            slot = (slot + 1) & mask;
        hash[slot] = i + 1;
    }
    return STRATA_OK;
}

strata_status strata_names_enter(strata_context *ctx, strata_names *names, const char *text,
                                 int64_t length, int32_t *number)
{
    strata_status rc = STRATA_OK;
    char *copy = NULL;
    if (!names->hash || 2 * (int64_t)names->n >= INT64_C(1) << names->bits)
        STRATA_TRY(rehash(ctx, names));
    uint64_t mask = (UINT64_C(1) << names->bits) - 1,
             slot = XXH3_64bits(text, (size_t)length) & mask;
    for (; names->hash[slot]; slot = (slot + 1) & mask) {
        int32_t i = names->hash[slot] - 1;
        if (strncmp(names->items[i], text, (size_t)length) == 0 && !names->items[i][length]) {
            *number = i;
            return STRATA_OK;
        }
    }
    if (names->n >= STRATA_REGIONS_LIMIT)
        STRATA_FAIL(ctx, STRATA_ERR_INPUT,
                    "input.columns.region: more than %d different regions; is it a column of free "
                    "text?",
                    (int)STRATA_REGIONS_LIMIT);
    STRATA_TRY(
        strata_reserve(ctx, &names->items, &names->capacity, names->n + 1, sizeof *names->items));
    STRATA_TRY(strata_alloc(ctx, length + 1, 1, &copy));
    memcpy(copy, text, (size_t)length);
    copy[length] = '\0';
    names->items[names->n] = copy;
    names->hash[slot] = names->n + 1;
    *number = names->n++;
done:
    return rc;
}

void strata_names_release(strata_names *names)
{
    for (int32_t i = 0; i < names->n; i++)
        strata_free(&names->items[i]);
    strata_free(&names->items);
    strata_free(&names->hash);
    *names = (strata_names){0};
}

/* ---- the regions of all ranks ---------------------------------------------------------------- */

/* The names not told yet, each with its terminator, end to end. */
static strata_status pack_new(strata_context *ctx, const strata_regions *regions, char **packed,
                              int64_t *bytes)
{
    int64_t n = 0, at = 0;
    for (int32_t i = regions->n_told; i < regions->local.n; i++)
        n += (int64_t)strlen(regions->local.items[i]) + 1;
    strata_status rc = strata_alloc(ctx, n, 1, packed);
    if (rc != STRATA_OK)
        return rc;
    for (int32_t i = regions->n_told; i < regions->local.n; i++) {
        size_t length = strlen(regions->local.items[i]) + 1;
        memcpy(*packed + at, regions->local.items[i], length);
        at += (int64_t)length;
    }
    *bytes = n;
    return STRATA_OK;
}

static strata_status enter_all(strata_context *ctx, strata_regions *regions, const char *names,
                               int64_t bytes)
{
    strata_status rc = STRATA_OK;
    int32_t number = 0;
    for (int64_t at = 0; at < bytes;) {
        int64_t length = (int64_t)strlen(names + at);
        STRATA_TRY(strata_names_enter(ctx, &regions->shared, names + at, length, &number));
        at += length + 1;
    }
    STRATA_TRY(strata_reserve(ctx, &regions->to_shared, &regions->to_shared_capacity,
                              regions->local.n, sizeof *regions->to_shared));
    for (int32_t i = regions->n_told; i < regions->local.n; i++) {
        const char *name = regions->local.items[i];
        STRATA_TRY(strata_names_enter(ctx, &regions->shared, name, (int64_t)strlen(name),
                                      &regions->to_shared[i]));
    }
    regions->n_told = regions->local.n;
done:
    return rc;
}

strata_status strata_regions_share(strata_context *ctx, strata_regions *regions)
{
    strata_status rc = STRATA_OK;
    char *mine = NULL, *all = NULL;
    int64_t n_mine = 0, n_all = 0, news = regions->local.n - regions->n_told;
    STRATA_TRY(strata_par_allreduce_i64(ctx, &news, 1, STRATA_MAX));
    if (news == 0)
        goto done;
    STRATA_AGREE(ctx, pack_new(ctx, regions, &mine, &n_mine));
    STRATA_TRY(strata_par_gather(ctx, mine, n_mine, -1, &all, &n_all, NULL));
    STRATA_AGREE(ctx, enter_all(ctx, regions, all, n_all));
done:
    strata_free(&all);
    strata_free(&mine);
    return rc;
}

void strata_regions_release(strata_regions *regions)
{
    strata_names_release(&regions->local);
    strata_names_release(&regions->shared);
    strata_free(&regions->to_shared);
    *regions = (strata_regions){0};
}
