#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "ingest/reader.h"
#include "strata/io.h"
#include "strata/memory.h"

struct strata_stream {
    strata_read_plan *plan;
    const strata_source *source;
    const strata_segment *segment;
    int fd;
    int64_t at; /* next stored byte to read */
    /* gzip only */
    z_stream z;
    bool z_live, z_done; /* z_done: between two members */
    bool padded;         /* zero bytes after the last member: nothing else may follow */
    uint8_t *packed;     /* [block_bytes] */
};

/* A block belongs to the segment that holds its first byte, so each is hashed once whatever the
 * number of ranks. The blocks of one rank are read whole, even if the last one passes the end. */
static strata_status hash_block(strata_stream *s, const void *bytes, int64_t got)
{
    strata_read_plan *plan = s->plan;
    int64_t size = plan->tuning->block_bytes;
    if (!plan->hashes || got == 0 || s->at % size != 0 || s->at < s->segment->begin ||
        s->at >= s->segment->end)
        return STRATA_OK;
    strata_block_hashes *hashes = plan->hashes;
    strata_status rc = strata_reserve(plan->ctx, &hashes->items, &hashes->capacity, hashes->n + 1,
                                      sizeof *hashes->items);
    if (rc != STRATA_OK)
        return rc;
    strata_block_hash item = {.block = s->at / size, .source = s->segment->source};
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes, (size_t)got));
    memcpy(item.hash, canonical.digest, sizeof item.hash);
    hashes->items[hashes->n++] = item;
    return STRATA_OK;
}

/* Reads to the next multiple of the block size, so that blocks of the digest are read in one
 * piece. */
static strata_status read_stored(strata_stream *s, void *buffer, int64_t *got)
{
    strata_status rc = STRATA_OK;
    int64_t size = s->plan->tuning->block_bytes, n = 0;
    STRATA_TRY(strata_io_pread(s->plan->ctx, s->fd, s->source->path, buffer, size - s->at % size,
                               s->at, &n));
    STRATA_TRY(hash_block(s, buffer, n));
    s->at += n;
    s->plan->bytes_read += n;
    *got = n;
done:
    return rc;
}

static strata_status open_gzip(strata_stream *s)
{
    strata_status rc = strata_alloc(s->plan->ctx, s->plan->tuning->block_bytes, 1, &s->packed);
    if (rc != STRATA_OK)
        return rc;
    if (inflateInit2(&s->z, 15 + 16) != Z_OK) /* 16: gzip framing with its checksum, nothing else */
        return strata_context_fail(s->plan->ctx, STRATA_ERR_MEMORY, __FILE__, __LINE__,
                                   "%s: no memory to unpack it", s->source->path);
    s->z_live = true;
    return STRATA_OK;
}

strata_status strata_stream_open(strata_read_plan *plan, const strata_segment *segment,
                                 int64_t begin, strata_stream **out)
{
    strata_status rc = STRATA_OK;
    strata_stream *s = NULL;
    STRATA_TRY(strata_calloc(plan->ctx, 1, sizeof *s, &s));
    s->plan = plan;
    s->source = &plan->sources[segment->source];
    s->segment = segment;
    s->at = begin;
    s->fd = -1;
    STRATA_TRY(strata_io_open_read(plan->ctx, s->source->path, &s->fd));
    if (s->source->gzip)
        STRATA_TRY(open_gzip(s));
    *out = s;
    s = NULL;
done:
    strata_stream_close(&s);
    return rc;
}

static strata_status broken(strata_stream *s, const char *how)
{
    return strata_context_fail(s->plan->ctx, STRATA_ERR_INPUT, __FILE__, __LINE__,
                               "%s: the gzip data is %s near byte %lld; fetch the file again",
                               s->source->path, how, (long long)(s->at - s->z.avail_in));
}

/* Another member may follow the one that ended; zero bytes are padding, anything else is damage. */
static strata_status next_member(strata_stream *s)
{
    while (s->z.avail_in > 0 && *s->z.next_in == 0) {
        s->padded = true;
        s->z.next_in++;
        s->z.avail_in--;
    }
    if (s->z.avail_in == 0)
        return STRATA_OK;
    if (s->padded || *s->z.next_in != 0x1f)
        return broken(s, "followed by other bytes");
    s->z_done = false;
    return inflateReset(&s->z) == Z_OK ? STRATA_OK : broken(s, "damaged");
}

static strata_status inflate_some(strata_stream *s)
{
    if (s->z_done)
        return next_member(s);
    int code = inflate(&s->z, Z_NO_FLUSH);
    if (code == Z_STREAM_END)
        s->z_done = true;
    else if (code == Z_MEM_ERROR)
        return strata_context_fail(s->plan->ctx, STRATA_ERR_MEMORY, __FILE__, __LINE__,
                                   "%s: no memory to unpack it", s->source->path);
    else if (code != Z_OK && code != Z_BUF_ERROR)
        return broken(s, "damaged");
    return STRATA_OK;
}

static strata_status read_gzip(strata_stream *s, char *buffer, int64_t *got)
{
    strata_status rc = STRATA_OK;
    int64_t size = s->plan->tuning->block_bytes;
    s->z.next_out = (Bytef *)buffer;
    s->z.avail_out = (uInt)size;
    while (s->z.avail_out > 0) {
        if (s->z.avail_in == 0) {
            int64_t n = 0;
            STRATA_TRY(read_stored(s, s->packed, &n));
            if (n == 0 && !s->z_done)
                STRATA_TRY(broken(s, "cut off"));
            if (n == 0)
                break;
            s->z.next_in = s->packed;
            s->z.avail_in = (uInt)n;
        }
        STRATA_TRY(inflate_some(s));
    }
    *got = size - (int64_t)s->z.avail_out;
done:
    return rc;
}

strata_status strata_stream_read(strata_stream *s, char *buffer, int64_t *got)
{
    return s->source->gzip ? read_gzip(s, buffer, got) : read_stored(s, buffer, got);
}

void strata_stream_close(strata_stream **stream)
{
    strata_stream *s = *stream;
    if (!s)
        return;
    if (s->z_live)
        inflateEnd(&s->z);
    if (s->fd >= 0)
        close(s->fd); /* read only: nothing can be lost */
    strata_free(&s->packed);
    strata_free(stream);
}
