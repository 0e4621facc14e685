/* memory.h: overflow-checked, 64-byte aligned memory. */
#ifndef STRATA_MEMORY_H
#define STRATA_MEMORY_H

#include <stdint.h>

#include "strata/context.h"

/* Room for count elements of size bytes, 64-byte aligned, uninitialised; count = 0 gives a valid
 * pointer. Not collective: agree before the next collective call. STRATA_ERR_MEMORY when the product
 * overflows or memory is short. *out is owned by the caller: strata_free. */
strata_status strata_alloc(strata_context *ctx, int64_t count, int64_t size,
                           void *out) STRATA_MUST_USE;

/* The same, filled with zeros. Not collective. */
strata_status strata_calloc(strata_context *ctx, int64_t count, int64_t size,
                            void *out) STRATA_MUST_USE;

/* Makes *array (at least *capacity elements; NULL and 0 at first) hold need elements, growing by
 * halves; old content is kept. On failure both are untouched. Not collective. */
strata_status strata_reserve(strata_context *ctx, void *array, int64_t *capacity, int64_t need,
                             int64_t size) STRATA_MUST_USE;

/* Frees what pointer_to_pointer points at and sets it to NULL. Safe on NULL and twice.
 * Not collective. */
void strata_free(void *pointer_to_pointer);

/* Largest resident set of this process so far, in bytes. Not collective. */
int64_t strata_peak_memory(void);

/* Gives the pages of memory of size bytes behind its first used ones back to the system; what they held
 * is lost, the rest stays, and so does the duty to free it. Not collective. */
void strata_memory_return(void *memory, int64_t used, int64_t size);

/* Gives freed memory back to the system where it can: before the next phase takes its own from elsewhere,
 * and in measurements, so that the next allocation shows in the resident set. Not collective. */
void strata_memory_trim(void);

/* Narrows a count to the int of MPI and BLAS interfaces; STRATA_ERR_INTERNAL beyond INT_MAX, since a
 * silent cast would move a part of the data only. Every MPI and HDF5 count passes here.
 * Not collective. */
strata_status strata_narrow(strata_context *ctx, int64_t count, int *out) STRATA_MUST_USE;

#endif
