/* Which rank reads which bytes, and the proof that every row was read exactly once. */
#include <string.h>

#include "ingest/job.h"
#include "strata/memory.h"
#include "strata/par.h"

/* Unpacking costs about as much as reading four times the bytes. */
enum { GZIP_WEIGHT = 4 };

strata_status strata_ranges_deal(strata_context *ctx, const strata_source *sources, int32_t n,
                                 strata_segment **segments, int32_t *n_segments)
{
    strata_status rc = STRATA_OK;
    strata_segment *mine = NULL;
    int64_t capacity = 0;
    int32_t count = 0;
    __int128 all = 0, at = 0;
    for (int32_t i = 0; i < n; i++)
        all += (__int128)sources[i].bytes * (sources[i].gzip ? GZIP_WEIGHT : 1);
    __int128 low = all * ctx->rank / ctx->size, high = all * (ctx->rank + 1) / ctx->size;
    for (int32_t i = 0; i < n; i++) {
        __int128 weight = (__int128)sources[i].bytes * (sources[i].gzip ? GZIP_WEIGHT : 1);
        __int128 begin = low > at ? low - at : 0, end = high - at < weight ? high - at : weight;
        __int128 middle = at + weight / 2;
        bool reads = sources[i].gzip ? middle >= low && middle < high : begin < end;
        if (reads) {
            STRATA_TRY(strata_reserve(ctx, &mine, &capacity, count + 1, sizeof *mine));
            mine[count++] = (strata_segment){.source = i,
                                             .begin = sources[i].gzip ? 0 : (int64_t)begin,
                                             .end = sources[i].gzip ? INT64_MAX : (int64_t)end,
                                             .forced = -1};
        }
        at += weight;
    }
    *segments = mine;
    *n_segments = count;
    mine = NULL;
done:
    strata_free(&mine);
    return rc;
}

/* What a rank tells about its two ends. A segment is open to the left if its file began on a lower
 * rank, open to the right if the file goes on. */
typedef struct ends {
    int64_t left_source, left_end, left_first; /* source -1: not open to the left */
    int64_t right_source, right_next;          /* source -1: not open to the right */
    int64_t left_lines, right_lines;           /* line ends of those segments */
    int64_t one;                               /* both ends belong to one and the same segment */
} ends;

static ends own_ends(const strata_job *job)
{
    ends e = {.left_source = -1, .right_source = -1};
    if (job->n_segments == 0)
        return e;
    const strata_segment *left = &job->segments[0], *right = &job->segments[job->n_segments - 1];
    if (left->begin > 0) {
        e.left_source = left->source;
        e.left_end = left->end;
        e.left_first = left->first;
        e.left_lines = left->lines;
    }
    if (!job->sources[right->source].gzip && right->end < job->sources[right->source].bytes) {
        e.right_source = right->source;
        e.right_next = right->next;
        e.right_lines = right->lines;
    }
    e.one = left == right;
    return e;
}

/* Walks over all ranks: where a file is cut, the rows of the next rank must start exactly where
 * the last row before the cut ended. A row may pass over whole ranges; those hold no row then.
 * What the walk learns beyond a wrong start is a guess again, but a good one: readers fall back
 * into step. */
static bool walk(strata_job *job, const ends *all)
{
    int64_t expected = 0, lines = 0;
    bool proven = true;
    for (int r = 0; r < job->ctx->size; r++) {
        const ends *e = &all[r];
        bool swallowed = false;
        int64_t base = 0;
        if (e->left_source >= 0) {
            swallowed = expected >= e->left_end;
            bool right = swallowed ? e->left_first >= e->left_end : e->left_first == expected;
            proven = proven && right;
            base = lines;
            if (r == job->ctx->rank) {
                job->segments[0].forced = expected;
                job->segments[0].line_base = base;
            }
        }
        if (e->right_source < 0 || (e->one && e->left_source >= 0 && swallowed))
            continue;
        expected = e->right_next;
        lines = e->right_lines + (e->one ? base : 0);
    }
    return proven;
}

strata_status strata_ranges_prove(strata_job *job, bool *proven)
{
    strata_status rc = STRATA_OK;
    ends mine = own_ends(job), *all = NULL;
    int64_t bytes = 0;
    STRATA_TRY(strata_par_gather(job->ctx, &mine, sizeof mine, -1, &all, &bytes, NULL));
    *proven = walk(job, all);
done:
    strata_free(&all);
    return rc;
}
