/* inputs.h: the files that input.files names, before anyone reads them. Shared by run, cluster and
 * bench. */
#ifndef STRATA_COMMANDS_INPUTS_H
#define STRATA_COMMANDS_INPUTS_H

#include "strata/config.h"

typedef void (*input_visit)(const char *path, void *data);

/* Not collective. Visits every file that is named, itself or by a pattern. Names that nobody has are
 * passed over: who reads them tells. */
void each_input(const strata_config *config, input_visit visit, void *data);

/* Not collective. Rows of a file, estimated from its beginning: plain or gzip, what gzread takes is what
 * ingest takes. 0 when it cannot be read. *packed (may be NULL): whether it is gzip. */
double estimate_rows(const char *path, bool *packed);

#endif
