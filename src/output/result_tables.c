/* The small tables of a result. */
#include <inttypes.h>
#include <string.h>

#include "output/result.h"
#include "output/schema.h"
#include "strata/memory.h"
#include "strata/money.h"

strata_status result_add_segments(strata_context *ctx, strata_output *out, const strata_result *r)
{
    strata_status rc = STRATA_OK;
    const strata_stratification *s = r->stratification;
    strata_table *table = NULL;
    if (!s)
        return STRATA_OK;
    double unit = (double)strata_power_of_ten(r->config->money.decimals);
    STRATA_TRY(schema_create(ctx, "/segments", s->n_segments, NULL, &table));
    for (int32_t i = 0; i < s->n_segments; i++) {
        const strata_segment_summary *segment = &s->segments[i];
        strata_table_integer(table, 0, i, segment->code);
        strata_table_integer(table, 1, i, segment->users);
        strata_table_real(table, 2, i, segment->share);
        strata_table_real(table, 3, i, segment->expected_share);
        strata_table_real(table, 4, i, (double)segment->revenue / unit);
        strata_table_real(table, 5, i, segment->revenue_share);
        strata_table_real(table, 6, i, segment->mean_recency_days);
        strata_table_real(table, 7, i, segment->mean_frequency);
        strata_table_real(table, 8, i, segment->mean_monetary);
    }
    STRATA_TRY(strata_output_add_table(ctx, out, &table));
done:
    strata_table_destroy(&table);
    return rc;
}

/* ---- cross tables ---------------------------------------------------------------------------- */

static strata_status add_crosstab(strata_context *ctx, strata_output *out, const char *path,
                                  const strata_crosstab *cross, int64_t min_cell)
{
    strata_status rc = STRATA_OK;
    strata_table *table = NULL;
    bool *hidden = NULL;
    int64_t cells = (int64_t)cross->rows * cross->columns;
    STRATA_TRY(strata_calloc(ctx, cells, sizeof *hidden, &hidden));
    if (min_cell > 0)
        STRATA_TRY(
            strata_suppress(ctx, cross->counts, cross->rows, cross->columns, min_cell, hidden));
    STRATA_TRY(schema_create(ctx, path, cells, NULL, &table));
    for (int64_t i = 0; i < cells; i++) {
        strata_table_integer(table, 0, i, cross->row_codes[i / cross->columns]);
        strata_table_integer(table, 1, i, cross->column_codes[i % cross->columns]);
        strata_table_integer(table, 2, i, hidden[i] ? -1 : cross->counts[i]);
    }
    STRATA_TRY(strata_output_add_table(ctx, out, &table));
done:
    strata_table_destroy(&table);
    strata_free(&hidden);
    return rc;
}

strata_status result_add_crosstabs(strata_context *ctx, strata_output *out, const strata_result *r)
{
    strata_status rc = STRATA_OK;
    if (!r->significance)
        return STRATA_OK;
    bool keyed = r->config->privacy.mode == STRATA_PRIVACY_KEYED;
    int64_t min_cell = keyed ? r->config->privacy.min_cell : 0;
    STRATA_TRY(
        add_crosstab(ctx, out, "/segment_cluster", &r->significance->segment_cluster, min_cell));
    STRATA_TRY(
        add_crosstab(ctx, out, "/region_segment", &r->significance->region_segment, min_cell));
done:
    return rc;
}

/* ---- tests and gates ------------------------------------------------------------------------- */

static void fill_test(strata_table *table, int32_t row, const strata_test *test)
{
    const double reals[] = {test->statistic, test->df1,     test->df2,
                            test->log10_p,   test->p_value, test->log10_p_adjusted};
    strata_table_text(table, 0, row, strata_sample_name(test->sample));
    strata_table_text(table, 1, row, strata_grouping_name(test->grouping));
    strata_table_text(table, 2, row, test->variable);
    strata_table_text(table, 3, row, test->test);
    for (int32_t i = 0; i < 6; i++)
        strata_table_real(table, 4 + i, row, reals[i]);
    strata_table_text(table, 10, row, test->effect_name);
    strata_table_real(table, 11, row, test->effect_size);
    strata_table_integer(table, 12, row, test->significant);
    strata_table_integer(table, 13, row, test->n);
    strata_table_text(table, 14, row, test->note);
}

strata_status result_add_tests(strata_context *ctx, strata_output *out, const strata_result *r)
{
    strata_status rc = STRATA_OK;
    const strata_significance *s = r->significance;
    int32_t widths[15] = {0};
    strata_table *table = NULL;
    if (!s)
        return STRATA_OK;
    for (int32_t i = 0; i < s->n_tests; i++) {
        const strata_test *test = &s->tests[i];
        widths[0] = result_widest(widths[0], strata_sample_name(test->sample));
        widths[1] = result_widest(widths[1], strata_grouping_name(test->grouping));
        widths[2] = result_widest(widths[2], test->variable);
        widths[3] = result_widest(widths[3], test->test);
        widths[10] = result_widest(widths[10], test->effect_name);
        widths[14] = result_widest(widths[14], test->note);
    }
    STRATA_TRY(schema_create(ctx, "/tests", s->n_tests, widths, &table));
    for (int32_t i = 0; i < s->n_tests; i++)
        fill_test(table, i, &s->tests[i]);
    STRATA_TRY(strata_output_add_table(ctx, out, &table));
done:
    strata_table_destroy(&table);
    return rc;
}

strata_status result_add_gates(strata_context *ctx, strata_output *out, const strata_result *r)
{
    strata_status rc = STRATA_OK;
    int32_t widths[4] = {0};
    strata_table *table = NULL;
    if (!r->gates)
        return STRATA_OK;
    for (int32_t i = 0; i < r->n_gates; i++)
        widths[0] = result_widest(widths[0], r->gates[i].name);
    STRATA_TRY(schema_create(ctx, "/gates", r->n_gates, widths, &table));
    for (int32_t i = 0; i < r->n_gates; i++) {
        const strata_gate *gate = &r->gates[i];
        strata_table_text(table, 0, i, gate->name);
        strata_table_real(table, 1, i, gate->value);
        strata_table_real(table, 2, i, gate->threshold);
        strata_table_integer(table, 3, i, gate->measured ? gate->passed : -1);
    }
    STRATA_TRY(strata_output_add_table(ctx, out, &table));
done:
    strata_table_destroy(&table);
    return rc;
}

strata_status result_add_iterations(strata_context *ctx, strata_output *out, const strata_result *r)
{
    strata_status rc = STRATA_OK;
    strata_table *table = NULL;
    if (!r->clustering)
        return STRATA_OK;
    STRATA_TRY(schema_create(ctx, "/iterations", r->clustering->n_history, NULL, &table));
    for (int64_t i = 0; i < r->clustering->n_history; i++) {
        const strata_iteration *step = &r->clustering->history[i];
        strata_table_integer(table, 0, i, step->restart);
        strata_table_integer(table, 1, i, step->iteration);
        strata_table_real(table, 2, i, step->inertia);
        strata_table_integer(table, 3, i, step->moved);
    }
    STRATA_TRY(strata_output_add_table(ctx, out, &table));
done:
    strata_table_destroy(&table);
    return rc;
}

strata_status result_add_selection(strata_context *ctx, strata_output *out, const strata_result *r)
{
    strata_status rc = STRATA_OK;
    const strata_k_selection *s = r->selection;
    strata_table *table = NULL;
    if (!s)
        return STRATA_OK;
    STRATA_TRY(schema_create(ctx, "/k_selection", s->n, NULL, &table));
    for (int32_t i = 0; i < s->n; i++) {
        const strata_k_row *row = &s->rows[i];
        const double reals[] = {row->inertia,        row->calinski_harabasz,
                                row->davies_bouldin, row->simplified_silhouette,
                                row->silhouette,     row->silhouette_error,
                                row->stability};
        strata_table_integer(table, 0, i, row->k);
        for (int32_t c = 0; c < 7; c++)
            strata_table_real(table, 1 + c, i, reals[c]);
        strata_table_integer(table, 8, i, row->smallest);
        strata_table_integer(table, 9, i, row->eligible);
        strata_table_integer(table, 10, i, row->chosen);
    }
    STRATA_TRY(strata_output_add_table(ctx, out, &table));
    STRATA_TRY(strata_output_add_text(ctx, out, "/k_selection", "reason", s->reason));
done:
    strata_table_destroy(&table);
    return rc;
}

/* ---- quality --------------------------------------------------------------------------------- */

enum { QUALITY_LIMIT = 8 + STRATA_REJECT_COUNT + STRATA_DROP_COUNT + 64, QUALITY_TEXT = 96 };

typedef struct quality {
    struct {
        char rule[QUALITY_TEXT], source[QUALITY_TEXT];
        int64_t rows, of;
        const char *action;
    } row[QUALITY_LIMIT];
    int32_t n;
    const char *source; /* what the rows are */
} quality;

static void note(quality *q, const char *rule, int64_t rows, int64_t of, const char *action)
{
    if (q->n == QUALITY_LIMIT)
        return;
    snprintf(q->row[q->n].rule, QUALITY_TEXT, "%s", rule);
    snprintf(q->row[q->n].source, QUALITY_TEXT, "%s", q->source);
    q->row[q->n].rows = rows;
    q->row[q->n].of = of;
    q->row[q->n++].action = action;
}

static void note_accounting(quality *q, const strata_config *config, const strata_accounting *a)
{
    static const char *const outlier_actions[] = {[STRATA_OUTLIER_FLAG] = "flagged",
                                                  [STRATA_OUTLIER_CLIP] = "clipped",
                                                  [STRATA_OUTLIER_DROP] = "dropped"};
    char rule[QUALITY_TEXT];
    note(q, "read", a->read, a->read, "read");
    note(q, "accepted", a->accepted, a->read, "accepted");
    for (int i = 0; i < STRATA_REJECT_COUNT; i++) {
        snprintf(rule, sizeof rule, "rejected: %s", strata_reject_text((strata_reject)i));
        note(q, rule, a->rejected[i], a->read, "rejected");
    }
    for (int i = 0; i < STRATA_DROP_COUNT; i++) {
        snprintf(rule, sizeof rule, "dropped: %s", strata_drop_text((strata_drop)i));
        note(q, rule, a->dropped[i], a->read, "dropped");
    }
    note(q, "outside the window", a->outside, a->read, "left out");
    note(q, "duplicate", a->duplicate, a->read, "dropped");
    note(q, "outlier", a->flagged, a->read, outlier_actions[config->clean.outliers.action]);
}

/* Feature values beyond the grid of the clustering were moved to its edge. */
static void note_limited(quality *q, const strata_config *config, const strata_scaler *scaler,
                         int64_t users)
{
    for (int32_t f = 0; f < scaler->d && q->n < QUALITY_LIMIT; f++) {
        note(q, "beyond the grid", scaler->limited[f], users, "limited");
        snprintf(q->row[q->n - 1].source, QUALITY_TEXT, "feature %.80s",
                 config->cluster.features[f]);
    }
}

strata_status result_add_quality(strata_context *ctx, strata_output *out, const strata_result *r)
{
    strata_status rc = STRATA_OK;
    int32_t widths[5] = {0};
    strata_table *table = NULL;
    quality *q = NULL;
    if (!r->population && !r->rows)
        return STRATA_OK;
    STRATA_TRY(strata_calloc(ctx, 1, sizeof *q, &q));
    q->source = r->population ? "transactions" : "rows";
    if (r->population)
        note_accounting(q, r->config, &r->population->accounting);
    else
        note(q, "read", r->rows->n, r->rows->n, "read");
    if (r->scaler && r->scaler->limited)
        note_limited(q, r->config, r->scaler,
                     r->population ? strata_partition_global(&r->population->partition)
                                   : r->rows->n);
    for (int32_t i = 0; i < q->n; i++) {
        widths[0] = result_widest(widths[0], q->row[i].rule);
        widths[1] = result_widest(widths[1], q->row[i].source);
        widths[4] = result_widest(widths[4], q->row[i].action);
    }
    STRATA_TRY(schema_create(ctx, "/quality", q->n, widths, &table));
    for (int32_t i = 0; i < q->n; i++) {
        strata_table_text(table, 0, i, q->row[i].rule);
        strata_table_text(table, 1, i, q->row[i].source);
        strata_table_integer(table, 2, i, q->row[i].rows);
        if (q->row[i].of > 0)
            strata_table_real(table, 3, i, (double)q->row[i].rows / (double)q->row[i].of);
        strata_table_text(table, 4, i, q->row[i].action);
    }
    STRATA_TRY(strata_output_add_table(ctx, out, &table));
done:
    strata_table_destroy(&table);
    strata_free(&q);
    return rc;
}

/* ---- dictionaries ---------------------------------------------------------------------------- */

/* One entry after the other; strings are borrowed until the table is made. */
typedef struct entries {
    int16_t *codes;
    char **names, **descriptions; /* descriptions may be NULL */
    int32_t n;
} entries;

static strata_status add_dictionary(strata_context *ctx, strata_output *out, const char *path,
                                    const entries *e)
{
    strata_status rc = STRATA_OK;
    int32_t widths[3] = {0};
    strata_table *table = NULL;
    for (int32_t i = 0; i < e->n; i++) {
        widths[1] = result_widest(widths[1], e->names[i]);
        widths[2] = result_widest(widths[2], e->descriptions ? e->descriptions[i] : NULL);
    }
    STRATA_TRY(schema_create(ctx, path, e->n, widths, &table));
    for (int32_t i = 0; i < e->n; i++) {
        strata_table_integer(table, 0, i, e->codes ? e->codes[i] : i);
        strata_table_text(table, 1, i, e->names[i]);
        strata_table_text(table, 2, i, e->descriptions ? e->descriptions[i] : NULL);
    }
    STRATA_TRY(strata_output_add_table(ctx, out, &table));
done:
    strata_table_destroy(&table);
    return rc;
}

enum { DESCRIPTION_ROOM = 1024 };

/* "recency_days <= 30, monthly_mean > 500" */
static void describe_rule(const strata_segment_rule *rule, char text[DESCRIPTION_ROOM])
{
    static const char *const signs[] = {[STRATA_BOUND_MIN] = ">=",
                                        [STRATA_BOUND_MAX] = "<=",
                                        [STRATA_BOUND_ABOVE] = ">",
                                        [STRATA_BOUND_BELOW] = "<"};
    size_t used = 0;
    text[0] = '\0';
    for (int32_t c = 0; c < rule->n_conditions && used + 80 < DESCRIPTION_ROOM; c++) {
        const strata_condition *condition = &rule->conditions[c];
        int n = snprintf(text + used, DESCRIPTION_ROOM - used, "%s%.32s %s %.15g", c ? ", " : "",
                         condition->column, signs[condition->bound], condition->value);
        used += n > 0 ? (size_t)n : 0;
    }
    if (rule->n_conditions == 0)
        snprintf(text, DESCRIPTION_ROOM, "every user that no earlier rule took");
}

static strata_status add_segment_names(strata_context *ctx, strata_output *out,
                                       const strata_config *config)
{
    strata_status rc = STRATA_OK;
    int32_t n = config->n_segments + 1;
    entries e = {.n = n};
    char(*texts)[DESCRIPTION_ROOM] = NULL;
    char unassigned[] = "unassigned", why[] = "no rule fits";
    STRATA_TRY(strata_alloc(ctx, n, sizeof *e.codes, &e.codes));
    STRATA_TRY(strata_alloc(ctx, n, sizeof *e.names, &e.names));
    STRATA_TRY(strata_alloc(ctx, n, sizeof *e.descriptions, &e.descriptions));
    STRATA_TRY(strata_alloc(ctx, n, sizeof *texts, &texts));
    for (int32_t i = 0; i < n - 1; i++) {
        describe_rule(&config->segments[i], texts[i]);
        e.codes[i] = config->segments[i].code;
        e.names[i] = config->segments[i].name;
        e.descriptions[i] = texts[i];
    }
    e.codes[n - 1] = STRATA_UNASSIGNED;
    e.names[n - 1] = unassigned;
    e.descriptions[n - 1] = why;
    STRATA_TRY(add_dictionary(ctx, out, "/dictionary/segment_code", &e));
done:
    strata_free(&texts);
    strata_free(&e.descriptions);
    strata_free(&e.names);
    strata_free(&e.codes);
    return rc;
}

static strata_status add_cluster_names(strata_context *ctx, strata_output *out, int32_t k)
{
    strata_status rc = STRATA_OK;
    entries e = {.n = k};
    char(*texts)[32] = NULL;
    STRATA_TRY(strata_alloc(ctx, k, sizeof *e.names, &e.names));
    STRATA_TRY(strata_alloc(ctx, k, sizeof *texts, &texts));
    for (int32_t i = 0; i < k; i++) {
        snprintf(texts[i], sizeof *texts, "cluster %d", (int)i);
        e.names[i] = texts[i];
    }
    STRATA_TRY(add_dictionary(ctx, out, "/dictionary/cluster_id", &e));
done:
    strata_free(&texts);
    strata_free(&e.names);
    return rc;
}

strata_status result_add_dictionaries(strata_context *ctx, strata_output *out,
                                      const strata_result *r)
{
    strata_status rc = STRATA_OK;
    if (r->stratification)
        STRATA_TRY(add_segment_names(ctx, out, r->config));
    if (r->population) {
        const strata_dictionary *regions = &r->population->regions;
        const entries e = {.names = regions->names, .n = regions->n};
        STRATA_TRY(add_dictionary(ctx, out, "/dictionary/region_code", &e));
    }
    if (r->clustering)
        STRATA_TRY(add_cluster_names(ctx, out, r->clustering->k));
done:
    return rc;
}
