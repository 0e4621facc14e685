/* console.h: the screen at the end of a run, a part of the output room. */
#ifndef STRATA_CONSOLE_H
#define STRATA_CONSOLE_H

#include <stdio.h>

#include "strata/output.h"

/* What the screen needs beyond the result itself. */
typedef struct strata_console {
    const char *path, *digest; /* of the published file */
    int ranks;
    int64_t peak_memory; /* bytes, the largest of all ranks */
} strata_console;

/* Not collective: call it on rank 0. Prints verdict, segments, clusters, tests with effect sizes,
 * gates, accounts, phases and where the file is. result needs every part of a main job. */
void strata_console_summary(FILE *out, const strata_result *result, const strata_console *console);

/* Not collective: call it on rank 0. The same as one JSON object in path ("-" = standard output):
 * result, content_digest, users, window_start, as_of, rows {read, accepted, rejected, dropped, outside,
 * duplicate, rejected_by_reason, dropped_by_rule}, segments, coverage, clustering, tests, gates, timings
 * (seconds), ranks, peak_memory_bytes. Undefined numbers are null. STRATA_ERR_IO, STRATA_ERR_MEMORY. */
strata_status strata_console_json(strata_context *ctx, const char *path, const strata_result *result,
                                  const strata_console *console) STRATA_MUST_USE;

/* The same two for a result without transactions. Both not collective: call them on rank 0. Prints what
 * was clustered, clusters, how k was chosen, notes, phases. JSON: result, content_digest, rows, features,
 * clustering, k_selection, limited (values beyond the grid by feature), timings, ranks,
 * peak_memory_bytes. */
void strata_console_clustering(FILE *out, const strata_result *result,
                               const strata_console *console);
strata_status strata_console_clustering_json(strata_context *ctx, const char *path,
                                             const strata_result *result,
                                             const strata_console *console) STRATA_MUST_USE;

#endif
