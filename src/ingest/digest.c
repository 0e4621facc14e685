/* Digests of the stored files that do not depend on who read what: a file of one block has the
 * XXH3-128 of its bytes; a longer one that of the hashes of its blocks, 16 bytes each, in order. */
#include <stdlib.h>
#include <string.h>

#include "ingest/job.h"
#include "strata/memory.h"
#include "strata/par.h"

static int compare_blocks(const void *a, const void *b)
{
    const strata_block_hash *x = a, *y = b;
    if (x->source != y->source)
        return x->source < y->source ? -1 : 1;
    return x->block < y->block ? -1 : x->block > y->block;
}

/* Combines all blocks [n], sorted; every file's blocks must be there exactly once. */
static strata_status combine(strata_job *job, strata_block_hash *blocks, int64_t n,
                             char (*digests)[33])
{
    strata_status rc = STRATA_OK;
    uint8_t *joined = NULL;
    int64_t at = 0, size = job->tuning.block_bytes;
    STRATA_TRY(strata_alloc(job->ctx, n, 16, &joined));
    if (n > 0)
        qsort(blocks, (size_t)n, sizeof *blocks, compare_blocks);
    for (int32_t i = 0; i < job->n_sources; i++) {
        int64_t count = (job->sources[i].bytes + size - 1) / size;
        for (int64_t b = 0; b < count; b++, at++) {
            if (at >= n || blocks[at].source != i || blocks[at].block != b)
                STRATA_FAIL(job->ctx, STRATA_ERR_INPUT,
                            "%s: block %lld was not read; did the file change meanwhile?",
                            job->sources[i].path, (long long)b);
            memcpy(joined + 16 * b, blocks[at].hash, 16);
        }
        if (count == 1) {
            strata_hex(joined, digests[i]);
            digests[i][32] = '\0';
        } else {
            strata_content_hash(joined, 16 * count, digests[i]);
        }
    }
    if (at != n)
        STRATA_FAIL(job->ctx, STRATA_ERR_INTERNAL, "%lld blocks were read twice",
                    (long long)(n - at));
done:
    strata_free(&joined);
    return rc;
}

strata_status strata_digest_files(strata_job *job, char (*digests)[33])
{
    strata_status rc = STRATA_OK, local = STRATA_OK;
    strata_block_hash *all = NULL;
    int64_t bytes = 0;
    STRATA_TRY(strata_par_gather(job->ctx, job->hashes.items,
                                 job->hashes.n * (int64_t)sizeof *job->hashes.items, 0, &all,
                                 &bytes, NULL));
    if (job->ctx->rank == 0)
        local = combine(job, all, bytes / (int64_t)sizeof *all, digests);
    STRATA_AGREE(job->ctx, local);
    STRATA_TRY(strata_par_bcast(job->ctx, digests, job->n_sources * 33, 0));
done:
    strata_free(&all);
    return rc;
}
