/* build.h: what this program was made from, for --build-info and /provenance. */
#ifndef STRATA_BUILD_H
#define STRATA_BUILD_H

#include <stdint.h>

/* "0.1.0". Not collective. */
const char *strata_version(void);

/* The commit the sources were at, with "-dirty" when they differed; "unknown" without git. Not
 * collective. */
const char *strata_commit(void);

typedef struct strata_build_item {
    const char *name; /* static text: "version", "commit", "compiler", "mpi", "hdf5", ... */
    char value[256];  /* one line */
} strata_build_item;

#define STRATA_BUILD_ITEMS 16

/* Not collective; works before MPI_Init. Fills items and returns how many: version, commit, compiler,
 * build type, the versions of the libraries as loaded, and the processor's vector instructions. */
int32_t strata_build_items(strata_build_item items[STRATA_BUILD_ITEMS]);

#endif
