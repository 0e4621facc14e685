/* h5.h: private to the output room. The HDF5 library, made quiet and safe: errors become
 * statuses with the library's own reason, and one place says which types and filters there are. */
#ifndef STRATA_OUTPUT_H5_H
#define STRATA_OUTPUT_H5_H

#include <hdf5.h>
#include <stdint.h>

#include "strata/context.h"
#include "strata/features.h"

/* Prepares the library; cheap, call it before other HDF5 work. No plugins are ever loaded,
 * nothing is printed, and no cleaning up at exit: after MPI_Finalize that would call MPI. */
void h5_begin(void);

/* Records the library's innermost reason for the failure just met. fallback is the status unless
 * the reason is a full disk, quota or size limit (STRATA_ERR_SPACE). Call it before any other
 * HDF5 call. */
strata_status h5_fail(strata_context *ctx, strata_status fallback, const char *path,
                      const char *what);

/* The same for a file that is read and turns out to be damaged: STRATA_ERR_VERIFY with what to do about
 * it. what: the part that cannot be read, "" = the whole file. */
strata_status h5_damaged(strata_context *ctx, const char *path, const char *what);

/* Releases any HDF5 id but a file written to, and sets it to -1; safe on a negative one. */
void h5_release(hid_t *id);

/* Property list to open or create files with: comm MPI_COMM_NULL = this process alone. Negative on
 * failure. */
hid_t h5_access(MPI_Comm comm);

/* File type of a column, and its type in memory. Release both. */
hid_t h5_type(strata_type type, int32_t width);
hid_t h5_memory_type(strata_type type, int32_t width);

/* Bytes of one element. */
int64_t h5_element_size(strata_type type, int32_t width);

#define H5_CHECK(ctx, status, path, what, call)                                                    \
    do {                                                                                           \
        if ((call) < 0) {                                                                          \
            rc = h5_fail((ctx), (status), (path), (what));                                         \
            goto done;                                                                             \
        }                                                                                          \
    } while (0)

#define H5_READ(ctx, path, what, call)                                                             \
    do {                                                                                           \
        if ((call) < 0) {                                                                          \
            rc = h5_damaged((ctx), (path), (what));                                                \
            goto done;                                                                             \
        }                                                                                          \
    } while (0)

#endif
