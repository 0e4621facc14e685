#include <math.h>
#include <string.h>

#include "strata/memory.h"
#include "strata/par.h"
#include "significance/internal.h"

const char *strata_sample_name(strata_sample sample)
{
    switch (sample) {
    case STRATA_SAMPLE_DESCRIPTIVE:
        return "descriptive";
    case STRATA_SAMPLE_HOLDOUT:
        return "holdout";
    case STRATA_SAMPLE_EXTERNAL:
        return "external";
    }
    return "unknown";
}

const char *strata_grouping_name(strata_grouping grouping)
{
    switch (grouping) {
    case STRATA_BY_SEGMENT:
        return "segment";
    case STRATA_BY_CLUSTER:
        return "cluster";
    case STRATA_BY_REGION:
        return "region";
    }
    return "unknown";
}

/* Which user columns made the segments and which the clusters. */
static void find_origins(const strata_config *config,
                         bool made_from[LABELLINGS][STRATA_COLUMN_COUNT])
{
    memset(made_from, 0, LABELLINGS * sizeof *made_from);
    for (int32_t s = 0; s < config->n_segments; s++)
        for (int32_t c = 0; c < config->segments[s].n_conditions; c++) {
            strata_column column = strata_column_find(config->segments[s].conditions[c].column);
            if (column < STRATA_COLUMN_COUNT)
                made_from[0][column] = true;
        }
    for (int32_t f = 0; f < config->cluster.n_features; f++) {
        strata_column column = strata_column_find(config->cluster.features[f]);
        if (column < STRATA_COLUMN_COUNT)
            made_from[1][column] = true;
    }
}

/* The three tables of the population as it is now. region_cluster is not published. */
typedef struct tables {
    strata_crosstab segment_cluster, region_segment, region_cluster;
    int64_t users;
} tables;

static void tables_release(tables *t)
{
    crosstab_release(&t->segment_cluster);
    crosstab_release(&t->region_segment);
    crosstab_release(&t->region_cluster);
}

/* Index of every user's segment, the unassigned last. */
static strata_status segment_indices(strata_context *ctx, const strata_config *config,
                                     const strata_users *users, int16_t **out)
{
    strata_status rc = STRATA_OK;
    const int16_t *codes = users->column[STRATA_SEGMENT_CODE];
    int16_t *index = NULL;
    STRATA_TRY(strata_alloc(ctx, users->n_local, sizeof *index, &index));
    for (int64_t i = 0; i < users->n_local; i++) {
        index[i] = (int16_t)config->n_segments;
        for (int32_t s = 0; codes && s < config->n_segments; s++)
            if (config->segments[s].code == codes[i])
                index[i] = (int16_t)s;
    }
    *out = index;
    index = NULL;
done:
    strata_free(&index);
    return rc;
}

/* Codes of the first n rows or columns of a table, then -1. */
static strata_status number_codes(strata_context *ctx, int32_t n, const strata_segment_rule *rules,
                                  int16_t **codes)
{
    strata_status rc = STRATA_OK;
    STRATA_TRY(strata_alloc(ctx, n + 1, sizeof **codes, codes));
    for (int32_t i = 0; i < n; i++)
        (*codes)[i] = rules ? rules[i].code : (int16_t)i;
    (*codes)[n] = -1;
done:
    return rc;
}

static strata_status name_tables(strata_context *ctx, const strata_config *config, int32_t k,
                                 int32_t regions, tables *t)
{
    strata_status rc = STRATA_OK;
    const strata_segment_rule *rules = config->segments;
    int32_t segments = config->n_segments;
    STRATA_TRY(number_codes(ctx, segments, rules, &t->segment_cluster.row_codes));
    STRATA_TRY(number_codes(ctx, k, NULL, &t->segment_cluster.column_codes));
    STRATA_TRY(number_codes(ctx, regions, NULL, &t->region_segment.row_codes));
    STRATA_TRY(number_codes(ctx, segments, rules, &t->region_segment.column_codes));
done:
    return rc;
}

/* Drops the last row or column of a table, the one of code -1, when nobody is in it. */
static void trim(strata_crosstab *tab, bool rows, bool columns)
{
    int64_t last_row = 0, last_column = 0;
    for (int32_t c = 0; c < tab->columns; c++)
        last_row += tab->counts[(int64_t)(tab->rows - 1) * tab->columns + c];
    for (int32_t r = 0; r < tab->rows; r++)
        last_column += tab->counts[(int64_t)r * tab->columns + tab->columns - 1];
    if (rows && last_row == 0)
        tab->rows--;
    if (!columns || last_column > 0)
        return;
    for (int32_t r = 1; r < tab->rows; r++)
        memmove(tab->counts + (int64_t)r * (tab->columns - 1),
                tab->counts + (int64_t)r * tab->columns,
                (size_t)(tab->columns - 1) * sizeof *tab->counts);
    tab->columns--;
}

static int64_t users_counted(const strata_crosstab *tab)
{
    int64_t users = 0;
    for (int64_t i = 0; i < (int64_t)tab->rows * tab->columns; i++)
        users += tab->counts[i];
    return users;
}

/* Collective. */
static strata_status count_tables(strata_context *ctx, const strata_config *config,
                                  const strata_population *population, const strata_users *users,
                                  int32_t k, tables *t)
{
    strata_status rc = STRATA_OK;
    int16_t *segment = NULL, *nobody = NULL;
    const int16_t *cluster = users->column[STRATA_CLUSTER_ID], *region = population->region_code;
    int32_t regions = population->regions.n, segments = config->n_segments;
    int64_t n = users->n_local;
    STRATA_AGREE(ctx, segment_indices(ctx, config, users, &segment));
    STRATA_AGREE(ctx, strata_alloc(ctx, n, sizeof *nobody, &nobody));
    for (int64_t i = 0; i < n; i++)
        nobody[i] = -1;
    STRATA_AGREE(ctx, name_tables(ctx, config, k, regions, t));
    t->segment_cluster.rows = t->region_segment.columns = segments + 1;
    t->segment_cluster.columns = t->region_cluster.columns = k + 1;
    t->region_segment.rows = t->region_cluster.rows = regions + 1;
    cluster = cluster && k > 0 ? cluster : nobody;
    region = region ? region : nobody;
    STRATA_TRY(crosstab_count(ctx, segment, cluster, n, &t->segment_cluster));
    STRATA_TRY(crosstab_count(ctx, region, segment, n, &t->region_segment));
    STRATA_TRY(crosstab_count(ctx, region, cluster, n, &t->region_cluster));
    t->users = users_counted(&t->segment_cluster);
    trim(&t->segment_cluster, false, true);
    trim(&t->region_segment, true, false);
    trim(&t->region_cluster, true, true);
    if (regions == 0) /* no region column: nothing to publish */
        t->region_segment.rows = t->region_cluster.rows = 0;
    if (k <= 0)
        t->segment_cluster.columns = t->region_cluster.columns = 0;
done:
    strata_free(&segment);
    strata_free(&nobody);
    return rc;
}

static strata_status emit_chi_squared(strata_context *ctx, const strata_crosstab *tab,
                                      strata_test row, test_list *list)
{
    strata_status rc = STRATA_OK;
    strata_chi_squared chi;
    STRATA_TRY(strata_stats_chi_squared(ctx, tab->counts, tab->rows, tab->columns, &chi));
    if (chi.test.undefined != STRATA_DEFINED)
        snprintf(row.note, sizeof row.note, "%s", strata_undefined_text(chi.test.undefined));
    else if (chi.low_expected > 0)
        snprintf(row.note, sizeof row.note, "%lld of %lld cells expect fewer than 5 users",
                 (long long)chi.low_expected, (long long)chi.cells);
    snprintf(row.test, sizeof row.test, "chi_squared");
    snprintf(row.effect_name, sizeof row.effect_name, "cramers_v");
    STRATA_TRY(test_list_add(ctx, list, row, &chi.test));
done:
    return rc;
}

static strata_status emit_agreement(strata_context *ctx, const char *test, double value,
                                    strata_test row, test_list *list)
{
    strata_test_result result = {value, NAN, NAN, NAN, value, STRATA_DEFINED};
    snprintf(row.test, sizeof row.test, "%s", test);
    snprintf(row.effect_name, sizeof row.effect_name, "%s", test);
    return test_list_add(ctx, list, row, &result);
}

/* Not collective. */
static strata_status emit_tables(strata_context *ctx, const tables *t,
                                 bool (*made_from)[STRATA_COLUMN_COUNT], strata_significance *out,
                                 test_list *list)
{
    strata_status rc = STRATA_OK;
    const strata_crosstab *tab = &t->segment_cluster;
    strata_test row = {.grouping = STRATA_BY_SEGMENT, .variable = "cluster", .n = t->users};
    row.sample = STRATA_SAMPLE_DESCRIPTIVE;
    out->adjusted_rand = out->normalised_mutual_information = NAN;
    if (tab->columns > 0) {
        STRATA_TRY(emit_chi_squared(ctx, tab, row, list));
        STRATA_TRY(strata_stats_agreement(ctx, tab->counts, tab->rows, tab->columns,
                                          &out->adjusted_rand,
                                          &out->normalised_mutual_information));
        STRATA_TRY(emit_agreement(ctx, "adjusted_rand", out->adjusted_rand, row, list));
        STRATA_TRY(emit_agreement(ctx, "normalised_mutual_information",
                                  out->normalised_mutual_information, row, list));
    }
    row = (strata_test){.grouping = STRATA_BY_REGION, .n = t->users};
    for (int l = 0; l < LABELLINGS && t->region_segment.rows > 0; l++) {
        row.sample =
            made_from[l][STRATA_REGION_CODE] ? STRATA_SAMPLE_DESCRIPTIVE : STRATA_SAMPLE_EXTERNAL;
        snprintf(row.variable, sizeof row.variable, "%s", l == 0 ? "segment" : "cluster");
        tab = l == 0 ? &t->region_segment : &t->region_cluster;
        if (tab->columns > 0)
            STRATA_TRY(emit_chi_squared(ctx, tab, row, list));
    }
done:
    return rc;
}

/* Everything collected, before a single test is computed. */
typedef struct collected {
    tables tables;
    sample_data now, later;
    bool has_later;
    bool made_from[LABELLINGS][STRATA_COLUMN_COUNT];
} collected;

static void collected_release(collected *c)
{
    tables_release(&c->tables);
    sample_release(&c->now);
    sample_release(&c->later);
}

/* Not collective. */
static strata_status emit_all(strata_context *ctx, const strata_config *config, collected *c,
                              strata_significance *out)
{
    strata_status rc = STRATA_OK;
    test_list list = {0};
    if (c->has_later)
        STRATA_TRY(sample_emit(ctx, config, &c->later, &list));
    STRATA_TRY(sample_emit(ctx, config, &c->now, &list));
    STRATA_TRY(emit_tables(ctx, &c->tables, c->made_from, out, &list));
    STRATA_TRY(tests_decide(ctx, config, &list));
    out->tests = list.tests;
    out->n_tests = (int32_t)list.n;
    list.tests = NULL;
done:
    strata_free(&list.tests);
    return rc;
}

strata_status strata_significance_run(strata_context *ctx, const strata_config *config,
                                      const strata_population *population,
                                      const strata_users *users, int32_t k,
                                      const strata_holdout *holdout, strata_significance *out)
{
    strata_status rc = STRATA_OK;
    collected c = {.has_later = holdout != NULL};
    strata_significance made = {0};
    sample_source now = {.users = users,
                         .segment_codes = users->column[STRATA_SEGMENT_CODE],
                         .cluster_ids = users->column[STRATA_CLUSTER_ID],
                         .k = k,
                         .made_from = c.made_from};
    find_origins(config, c.made_from);
    STRATA_TRY(count_tables(ctx, config, population, users, k, &c.tables));
    if (holdout) {
        sample_source later = {.users = holdout->later,
                               .segment_codes = holdout->segment_codes,
                               .cluster_ids = holdout->cluster_ids,
                               .k = holdout->k};
        STRATA_TRY(sample_collect(ctx, config, &later, &c.later));
    }
    STRATA_TRY(sample_collect(ctx, config, &now, &c.now));
    STRATA_AGREE(ctx, emit_all(ctx, config, &c, &made));
    made.segment_cluster = c.tables.segment_cluster;
    made.region_segment = c.tables.region_segment;
    memset(&c.tables.segment_cluster, 0, sizeof c.tables.segment_cluster);
    memset(&c.tables.region_segment, 0, sizeof c.tables.region_segment);
    *out = made;
    made = (strata_significance){0};
done:
    strata_significance_release(&made);
    collected_release(&c);
    return rc;
}

void strata_significance_release(strata_significance *significance)
{
    strata_free(&significance->tests);
    significance->n_tests = 0;
    crosstab_release(&significance->segment_cluster);
    crosstab_release(&significance->region_segment);
}
