/* result.h: private to the output room. The parts of a whole result; each adds its tables when
 * result has what they need. */
#ifndef STRATA_OUTPUT_RESULT_H
#define STRATA_OUTPUT_RESULT_H

#include "strata/output.h"

/* Logically collective. */
strata_status result_add_segments(strata_context *ctx, strata_output *out, const strata_result *r);
strata_status result_add_crosstabs(strata_context *ctx, strata_output *out, const strata_result *r);
strata_status result_add_tests(strata_context *ctx, strata_output *out, const strata_result *r);
strata_status result_add_gates(strata_context *ctx, strata_output *out, const strata_result *r);
strata_status result_add_iterations(strata_context *ctx, strata_output *out,
                                    const strata_result *r);
strata_status result_add_selection(strata_context *ctx, strata_output *out, const strata_result *r);
strata_status result_add_quality(strata_context *ctx, strata_output *out, const strata_result *r);
strata_status result_add_dictionaries(strata_context *ctx, strata_output *out,
                                      const strata_result *r);
/* Collective: asks every rank for its host. */
strata_status result_add_provenance(strata_context *ctx, strata_output *out,
                                    const strata_result *r);

/* The larger of width and the length of text. */
int32_t result_widest(int32_t width, const char *text);

#endif
