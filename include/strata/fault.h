/* fault.h: faults on request, so that tests inject what they claim to survive.
 *
 * STRATA_FAULT=point[:action[:skip[:rank]]]
 *   point   a name that the program passes, for instance io.write, alloc, phase.cluster
 *   action  fail (default) | short | kill (SIGKILL) | segv | exit (_exit(0)) | term (SIGTERM)
 *   skip    how often the point passes unharmed first (default 0)
 *   rank    which rank is hit (default: every rank)
 */
#ifndef STRATA_FAULT_H
#define STRATA_FAULT_H

#include "strata/context.h"

/* Reads STRATA_FAULT into the context. Not collective. STRATA_ERR_USAGE for a malformed value. */
strata_status strata_fault_configure(strata_context *ctx) STRATA_MUST_USE;

/* True when the caller must behave as if the operation named point failed now. The actions that end
 * the process do so here. Costs one byte compare when no fault is set. Not collective. */
bool strata_fault_strikes(strata_context *ctx, const char *point);

/* As strata_fault_strikes, for the action "short" only (a write that stops half way).
 * Not collective. */
bool strata_fault_shortens(strata_context *ctx, const char *point);

#endif
