/* cluster_memory.h: what strata cluster will need, told before a row is read. */
#ifndef STRATA_COMMANDS_CLUSTER_MEMORY_H
#define STRATA_COMMANDS_CLUSTER_MEMORY_H

#include "feature_table.h"

typedef struct cluster_memory {
    int64_t rows;        /* of a rank */
    int64_t bytes;       /* of a rank at its peak, with the program itself */
    const char *variant; /* that needs them; with auto the one that needs most of those it may take */
} cluster_memory;

/* Not collective. An estimate from rows, features, k, ranks and variant, for a source that is open. The
 * rows of text files are themselves estimated, and keys count as pseudonyms do. */
cluster_memory cluster_memory_estimate(const strata_config *config, const feature_source *source,
                                       int ranks);

#endif
