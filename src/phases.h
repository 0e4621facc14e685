/* phases.h: the phases of a command, each timed over all ranks. */
#ifndef STRATA_PHASES_H
#define STRATA_PHASES_H

#include "strata/output.h"

enum { STRATA_PHASES_MAX = 16 };

typedef struct strata_phases {
    strata_timing timings[STRATA_PHASES_MAX];
    int32_t n;
    double began; /* of the phase that runs now */
} strata_phases;

/* Not collective: agree on it. Starts the clock and shows the phase. Fault point phase.<name>. */
strata_status strata_phase_begin(strata_context *ctx, const char *name,
                                 strata_phases *phases) STRATA_MUST_USE;

/* Collective. Ends the phase that runs: its time on this rank becomes min, mean and max over all. rows:
 * what it worked on, all ranks. */
strata_status strata_phase_end(strata_context *ctx, const char *name, int64_t rows,
                               strata_phases *phases) STRATA_MUST_USE;

#endif
