/* From global sums to the rows of /tests. No MPI here: every rank does the same. */
#include <math.h>
#include <string.h>

#include "strata/memory.h"
#include "significance/internal.h"

/* Beyond this many groups the pairs are too many to look at, and the note leaves them out. */
enum { PAIR_GROUPS_MAX = 16, PAIRS_MAX = PAIR_GROUPS_MAX * (PAIR_GROUPS_MAX - 1) / 2 };

strata_status test_list_add(strata_context *ctx, test_list *list, strata_test row,
                            const strata_test_result *result)
{
    strata_status rc = STRATA_OK;
    STRATA_TRY(strata_reserve(ctx, &list->tests, &list->capacity, list->n + 1, sizeof row));
    row.statistic = result->statistic;
    row.df1 = result->df1;
    row.df2 = result->df2;
    row.effect_size = result->effect;
    row.log10_p = strata_stats_log10_from_ln(result->ln_p);
    row.p_value = strata_stats_p_from_log10(row.log10_p);
    row.log10_p_adjusted = NAN;
    list->tests[list->n++] = row;
done:
    return rc;
}

/* Appends a clause to a note; what does not fit is cut. */
static void note_add(char *note, size_t size, const char *clause)
{
    size_t used = strlen(note);
    if (clause[0] != '\0')
        snprintf(note + used, size - used, "%s%s", used > 0 ? "; " : "", clause);
}

static void note_left_out(const labelling *by, char *note, size_t size)
{
    char clause[64];
    if (by->unassigned > 0) {
        snprintf(clause, sizeof clause, "%lld unassigned left out", (long long)by->unassigned);
        note_add(note, size, clause);
    }
    if (by->small_groups > 0) {
        snprintf(clause, sizeof clause, "%lld one-user group%s left out",
                 (long long)by->small_groups, by->small_groups == 1 ? "" : "s");
        note_add(note, size, clause);
    }
}

/* How many pairs of groups differ by Welch's t with Holm's adjustment among the pairs. */
static strata_status note_pairs(strata_context *ctx, const strata_cell *cells, int32_t groups,
                                double alpha, strata_test *row)
{
    strata_status rc = STRATA_OK;
    double log10_p[PAIRS_MAX];
    int64_t pairs = 0, differ = 0;
    if (groups > PAIR_GROUPS_MAX)
        return STRATA_OK;
    for (int32_t a = 0; a < groups; a++)
        for (int32_t b = a + 1; b < groups; b++) {
            if (cells[a].n == 0 || cells[b].n == 0)
                continue;
            strata_test_result pair;
            strata_stats_welch_t(&cells[a], &cells[b], &pair);
            log10_p[pairs++] = strata_stats_log10_from_ln(pair.ln_p);
        }
    STRATA_TRY(strata_stats_holm(ctx, log10_p, pairs, log10_p));
    for (int64_t i = 0; i < pairs; i++)
        differ += strata_stats_p_from_log10(log10_p[i]) < alpha;
    if (pairs > 1) {
        char clause[64];
        snprintf(clause, sizeof clause, "%lld of %lld pairs differ", (long long)differ,
                 (long long)pairs);
        note_add(row->note, sizeof row->note, clause);
    }
done:
    return rc;
}

/* Welch's test, or F* where a group does not vary. */
static strata_status emit_headline(strata_context *ctx, const strata_config *config,
                                   const strata_cell *cells, const labelling *by, strata_test row,
                                   test_list *list)
{
    strata_status rc = STRATA_OK;
    strata_test_result result;
    char left_out[sizeof row.note];
    memcpy(left_out, row.note, sizeof left_out);
    row.note[0] = '\0';
    strata_stats_welch(cells, by->groups, &result);
    const char *test = "welch_anova";
    note_add(row.note, sizeof row.note, strata_undefined_text(result.undefined));
    if (result.undefined == STRATA_UNDEFINED_VARIANCE) {
        test = "brown_forsythe";
        strata_stats_brown_forsythe(cells, by->groups, &result);
        note_add(row.note, sizeof row.note, "F* instead of Welch");
    }
    if (result.undefined == STRATA_DEFINED && row.sample != STRATA_SAMPLE_DESCRIPTIVE)
        STRATA_TRY(note_pairs(ctx, cells, by->groups, config->significance.alpha, &row));
    note_add(row.note, sizeof row.note, left_out);
    snprintf(row.test, sizeof row.test, "%s", test);
    snprintf(row.effect_name, sizeof row.effect_name, "omega_squared");
    STRATA_TRY(test_list_add(ctx, list, row, &result));
done:
    return rc;
}

static strata_status emit_beside(strata_context *ctx, strata_test row, const char *test,
                                 const char *effect, const strata_test_result *result,
                                 test_list *list)
{
    char left_out[sizeof row.note];
    memcpy(left_out, row.note, sizeof left_out);
    snprintf(row.note, sizeof row.note, "%s", strata_undefined_text(result->undefined));
    note_add(row.note, sizeof row.note, left_out);
    snprintf(row.test, sizeof row.test, "%s", test);
    snprintf(row.effect_name, sizeof row.effect_name, "%s", effect);
    return test_list_add(ctx, list, row, result);
}

static strata_status emit_variable(strata_context *ctx, const strata_config *config,
                                   const labelling *by, variable v, test_list *list)
{
    strata_status rc = STRATA_OK;
    const strata_cell *cells = by->cells + (int64_t)v * by->groups;
    const strata_cell *ranks = by->ranks + (int64_t)v * by->groups;
    strata_test row = {.sample = by->kind[v], .grouping = by->grouping, .n = by->n};
    snprintf(row.variable, sizeof row.variable, "%s", variable_name(v));
    if (row.sample == STRATA_SAMPLE_EXTERNAL) /* no feature, yet no independent source either */
        note_add(row.note, sizeof row.note, "same purchase log");
    note_left_out(by, row.note, sizeof row.note);
    STRATA_TRY(emit_headline(ctx, config, cells, by, row, list));
    strata_anova anova;
    strata_stats_anova(cells, by->groups, &anova);
    STRATA_TRY(emit_beside(ctx, row, "anova", "eta_squared", &anova.test, list));
    if (row.sample == STRATA_SAMPLE_DESCRIPTIVE)
        return STRATA_OK;
    strata_test_result kruskal;
    strata_stats_kruskal_wallis(ranks, by->groups, &kruskal);
    STRATA_TRY(emit_beside(ctx, row, "kruskal_wallis", "epsilon_squared", &kruskal, list));
done:
    return rc;
}

strata_status sample_emit(strata_context *ctx, const strata_config *config,
                          const sample_data *sample, test_list *list)
{
    strata_status rc = STRATA_OK;
    for (int l = 0; l < LABELLINGS; l++)
        for (int v = 0; v < VARIABLE_COUNT; v++)
            if (sample->by[l].present && sample->tested[v])
                STRATA_TRY(emit_variable(ctx, config, &sample->by[l], (variable)v, list));
done:
    return rc;
}

/* Adjusts the tests of one sample together and moves them, in order, to the end of `sorted`. */
static strata_status decide_sample(strata_context *ctx, const strata_config *config,
                                   strata_sample kind, const test_list *list, test_list *sorted)
{
    strata_status rc = STRATA_OK;
    double *log10_p = NULL;
    int64_t m = 0;
    STRATA_TRY(strata_alloc(ctx, list->n, sizeof *log10_p, &log10_p));
    for (int64_t i = 0; i < list->n; i++)
        if (list->tests[i].sample == kind) {
            sorted->tests[sorted->n + m] = list->tests[i];
            log10_p[m++] = list->tests[i].log10_p;
        }
    if (config->significance.adjust == STRATA_ADJUST_HOLM)
        STRATA_TRY(strata_stats_holm(ctx, log10_p, m, log10_p));
    for (int64_t i = 0; i < m; i++) {
        strata_test *test = &sorted->tests[sorted->n + i];
        test->log10_p_adjusted = log10_p[i];
        /* Comparisons with NaN are false: what is undefined is not significant. */
        test->significant = kind != STRATA_SAMPLE_DESCRIPTIVE &&
                            strata_stats_p_from_log10(log10_p[i]) < config->significance.alpha &&
                            test->effect_size >= config->significance.min_effect;
    }
    sorted->n += m;
done:
    strata_free(&log10_p);
    return rc;
}

strata_status tests_decide(strata_context *ctx, const strata_config *config, test_list *list)
{
    strata_status rc = STRATA_OK;
    static const strata_sample order[] = {STRATA_SAMPLE_HOLDOUT, STRATA_SAMPLE_EXTERNAL,
                                          STRATA_SAMPLE_DESCRIPTIVE};
    test_list sorted = {0};
    STRATA_TRY(strata_reserve(ctx, &sorted.tests, &sorted.capacity, list->n, sizeof *sorted.tests));
    for (size_t s = 0; s < sizeof order / sizeof *order; s++)
        STRATA_TRY(decide_sample(ctx, config, order[s], list, &sorted));
    strata_free(&list->tests);
    *list = sorted;
    sorted = (test_list){0};
done:
    strata_free(&sorted.tests);
    return rc;
}
