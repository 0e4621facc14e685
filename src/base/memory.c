#include "strata/memory.h"

#include <limits.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "strata/fault.h"

enum { ALIGNMENT = 64 }; /* a cache line, and one AVX-512 register */

/* Large arrays ask for huge pages: a five-hundredth of the page faults, and scattered accesses (radix
 * passes, hash tables, gathers) miss the TLB far less. */
static const size_t huge_page = (size_t)2 << 20;

/* Memory of a multiple of ALIGNMENT bytes. */
static void *aligned_memory(size_t bytes)
{
    if (bytes < huge_page)
        return aligned_alloc(ALIGNMENT, bytes);
    void *memory = aligned_alloc(huge_page, (bytes + huge_page - 1) / huge_page * huge_page);
    if (memory)
        (void)madvise(memory, bytes, MADV_HUGEPAGE); /* a wish; without it all works, only slower */
    return memory;
}

strata_status strata_alloc(strata_context *ctx, int64_t count, int64_t size, void *out)
{
    int64_t bytes = 0;
    if (count < 0 || size < 0 || __builtin_mul_overflow(count, size, &bytes) ||
        bytes > INT64_MAX - ALIGNMENT)
        return strata_context_fail(ctx, STRATA_ERR_MEMORY, __FILE__, __LINE__,
                                   "%lld elements of %lld bytes do not fit any memory",
                                   (long long)count, (long long)size);
    size_t padded = ((size_t)bytes + ALIGNMENT) / ALIGNMENT * ALIGNMENT; /* never 0 */
    void *memory = strata_fault_strikes(ctx, "alloc") ? NULL : aligned_memory(padded);
    if (!memory)
        return strata_context_fail(ctx, STRATA_ERR_MEMORY, __FILE__, __LINE__,
                                   "out of memory: %.1f MiB more are needed on rank %d; use more "
                                   "ranks on more nodes",
                                   (double)bytes / 1048576.0, ctx->rank);
    memcpy(out, &memory, sizeof memory);
    return STRATA_OK;
}

strata_status strata_calloc(strata_context *ctx, int64_t count, int64_t size, void *out)
{
    void *memory = NULL;
    strata_status rc = strata_alloc(ctx, count, size, &memory);
    if (rc != STRATA_OK)
        return rc;
    memset(memory, 0, (size_t)(count * size));
    memcpy(out, &memory, sizeof memory);
    return STRATA_OK;
}

strata_status strata_reserve(strata_context *ctx, void *array, int64_t *capacity, int64_t need,
                             int64_t size)
{
    if (need <= *capacity)
        return STRATA_OK;
    int64_t grown = *capacity + *capacity / 2;
    if (grown < need)
        grown = need;
    if (grown < 16)
        grown = 16;
    void *bigger = NULL, *old = NULL;
    strata_status rc = strata_alloc(ctx, grown, size, &bigger);
    if (rc != STRATA_OK)
        return rc;
    memcpy(&old, array, sizeof old);
    if (old)
        memcpy(bigger, old, (size_t)(*capacity * size));
    free(old);
    memcpy(array, &bigger, sizeof bigger);
    *capacity = grown;
    return STRATA_OK;
}

void strata_free(void *pointer_to_pointer)
{
    void *memory = NULL, *nothing = NULL;
    memcpy(&memory, pointer_to_pointer, sizeof memory);
    free(memory);
    memcpy(pointer_to_pointer, &nothing, sizeof nothing);
}

int64_t strata_peak_memory(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return 0;
    return (int64_t)usage.ru_maxrss * 1024;
}

void strata_memory_return(void *memory, int64_t used, int64_t size)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), start = (uintptr_t)memory;
    const uintptr_t from = (start + (uintptr_t)used + page - 1) / page * page;
    const uintptr_t to = (start + (uintptr_t)size) / page * page;
    if (from < to)
        (void)madvise((char *)memory + (from - start), to - from, MADV_DONTNEED); /* a wish */
}

void strata_memory_trim(void)
{
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

strata_status strata_narrow(strata_context *ctx, int64_t count, int *out)
{
    if (count < 0 || count > INT_MAX)
        return strata_context_fail(ctx, STRATA_ERR_INTERNAL, __FILE__, __LINE__,
                                   "a count of %lld does not fit the int of an MPI or BLAS call",
                                   (long long)count);
    *out = (int)count;
    return STRATA_OK;
}
