#include <math.h>
#include <string.h>

#include "strata/memory.h"
#include "strata/significance.h"

enum { GATES = 5 };

static strata_gate gate_of(const char *name, double threshold)
{
    strata_gate gate = {.value = NAN, .threshold = threshold, .passed = true, .measured = false};
    snprintf(gate.name, sizeof gate.name, "%s", name);
    return gate;
}

static void measure(strata_gate *gate, double value, bool passed)
{
    gate->value = value;
    gate->passed = passed;
    gate->measured = true;
}

static strata_gate gate_group_size(const strata_config *config, const strata_stratification *strat,
                                   const int64_t *cluster_sizes, int32_t k)
{
    strata_gate gate = gate_of("min_group_size", (double)config->gates.min_group_size);
    int64_t least = INT64_MAX, small = 0;
    for (int32_t s = 0; s < strat->n_segments; s++) {
        const strata_segment_summary *segment = &strat->segments[s];
        if (segment->code == STRATA_UNASSIGNED)
            continue;
        small += segment->users <= config->gates.min_group_size;
        if (segment->users < least) {
            least = segment->users;
            snprintf(gate.note, sizeof gate.note, "segment %.60s", segment->name);
        }
    }
    for (int32_t c = 0; cluster_sizes && c < k; c++) {
        small += cluster_sizes[c] <= config->gates.min_group_size;
        if (cluster_sizes[c] < least) {
            least = cluster_sizes[c];
            snprintf(gate.note, sizeof gate.note, "cluster %d", (int)c);
        }
    }
    if (least == INT64_MAX)
        return gate;
    measure(&gate, (double)least, least > config->gates.min_group_size);
    if (small > 1) {
        size_t used = strlen(gate.note);
        snprintf(gate.note + used, sizeof gate.note - used, ", and %lld more too small",
                 (long long)(small - 1));
    }
    return gate;
}

static strata_gate gate_coverage(const strata_config *config, const strata_stratification *strat)
{
    strata_gate gate = gate_of("min_coverage", config->gates.min_coverage);
    if (!isnan(strat->coverage))
        measure(&gate, strat->coverage, strat->coverage >= config->gates.min_coverage);
    return gate;
}

/* Valid is what could be read as a transaction. What a cleaning rule drops, or what lies outside
 * the window or is there twice, was a valid row; its own counts tell of it. */
static strata_gate gate_valid_rows(const strata_config *config, const strata_accounting *rows)
{
    strata_gate gate = gate_of("min_valid_rows", config->gates.min_valid_rows);
    int64_t rejected = 0;
    for (int r = 0; r < STRATA_REJECT_COUNT; r++)
        rejected += rows->rejected[r];
    if (rows->read == 0)
        return gate;
    double share = (double)(rows->read - rejected) / (double)rows->read;
    measure(&gate, share, share >= config->gates.min_valid_rows);
    if (rejected > 0)
        snprintf(gate.note, sizeof gate.note, "%lld of %lld rows rejected", (long long)rejected,
                 (long long)rows->read);
    return gate;
}

static strata_gate gate_outliers(const strata_config *config, const strata_accounting *rows)
{
    strata_gate gate = gate_of("outlier_share", config->clean.outliers.max_source_share);
    int64_t outliers = rows->flagged + rows->dropped[STRATA_DROP_OUTLIER];
    int64_t purchases = rows->accepted + rows->dropped[STRATA_DROP_OUTLIER];
    if (config->clean.outliers.method == STRATA_OUTLIER_NONE || isnan(rows->outlier_high) ||
        purchases == 0)
        return gate;
    double share = (double)outliers / (double)purchases;
    measure(&gate, share, share <= config->clean.outliers.max_source_share);
    return gate;
}

static strata_gate gate_holdout(const strata_significance *significance)
{
    strata_gate gate = gate_of("holdout_significance", 1);
    int64_t headline = 0, significant = 0;
    for (int32_t t = 0; significance && t < significance->n_tests; t++) {
        const strata_test *test = &significance->tests[t];
        if (test->sample != STRATA_SAMPLE_HOLDOUT ||
            (strcmp(test->test, "welch_anova") != 0 && strcmp(test->test, "brown_forsythe") != 0))
            continue;
        headline++;
        significant += test->significant;
    }
    if (headline == 0)
        return gate;
    measure(&gate, (double)significant / (double)headline, significant == headline);
    snprintf(gate.note, sizeof gate.note, "%lld of %lld tests significant", (long long)significant,
             (long long)headline);
    return gate;
}

strata_status strata_gates_evaluate(strata_context *ctx, const strata_config *config,
                                    const strata_accounting *accounting,
                                    const strata_stratification *stratification,
                                    const int64_t *cluster_sizes, int32_t k,
                                    const strata_significance *significance, strata_gate **gates,
                                    int32_t *n_gates)
{
    strata_status rc = STRATA_OK;
    strata_gate *made = NULL;
    STRATA_TRY(strata_alloc(ctx, GATES, sizeof *made, &made));
    made[0] = gate_group_size(config, stratification, cluster_sizes, k);
    made[1] = gate_coverage(config, stratification);
    made[2] = gate_valid_rows(config, accounting);
    made[3] = gate_outliers(config, accounting);
    made[4] = gate_holdout(significance);
    *gates = made;
    *n_gates = GATES;
done:
    return rc;
}
