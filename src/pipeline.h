/* pipeline.h: the tour through the rooms, for the commands that take it. */
#ifndef STRATA_PIPELINE_H
#define STRATA_PIPELINE_H

#include "phases.h"

#include "strata/output.h"

/* A stratification of one period: what the job makes of the window, and, for the hold-out test, of the
 * window without its last part. */
typedef struct strata_stratum {
    strata_users users;
    strata_stratification stratification;
    strata_scaler scaler;
    strata_clustering clustering;
    strata_k_selection selection; /* n = 0 with a given k */
} strata_stratum;

/* Everything the main job found out. */
typedef struct strata_pipeline {
    strata_population population;
    strata_stratum whole;
    strata_significance significance;
    strata_gate *gates; /* owned */
    int32_t n_gates;
    strata_phases phases;
    int64_t peak_memory; /* bytes, the largest of all ranks */
    char digest[33];
} strata_pipeline;

/* Collective. The phases from ingest to the gates. */
strata_status strata_pipeline_compute(strata_context *ctx, const strata_config *config,
                                      strata_pipeline *pipeline) STRATA_MUST_USE;

/* Collective. Borrowed views of everything found, as the output room wants them. */
strata_result strata_pipeline_result(const strata_config *config, const strata_pipeline *pipeline);

/* Collective. Writes and publishes (*out is consumed, whatever happens). */
strata_status strata_pipeline_publish(strata_context *ctx, const strata_result *result,
                                      strata_output **out, strata_pipeline *pipeline)
    STRATA_MUST_USE;

/* Not collective. Safe twice. */
void strata_pipeline_release(strata_pipeline *pipeline);

#endif
