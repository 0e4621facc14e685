#include "stratify/rules.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { block = 1024 };

/* ---- intervals ------------------------------------------------------------------------------- */

strata_interval strata_interval_all(void)
{
    return (strata_interval){.low = -INFINITY, .high = INFINITY};
}

bool strata_type_whole(strata_type type)
{
    return type != STRATA_F64;
}

strata_interval strata_interval_meet(strata_interval a, strata_interval b)
{
    strata_interval both = a;
    if (b.low > a.low || (b.low == a.low && b.low_open)) {
        both.low = b.low;
        both.low_open = b.low_open;
    }
    if (b.high < a.high || (b.high == a.high && b.high_open)) {
        both.high = b.high;
        both.high_open = b.high_open;
    }
    return both;
}

void strata_interval_narrow(strata_interval *interval, strata_type type, strata_bound bound,
                            double value)
{
    strata_interval side = strata_interval_all();
    const bool whole = strata_type_whole(type);
    switch (bound) {
    case STRATA_BOUND_MIN:
        side.low = whole ? ceil(value) : value;
        break;
    case STRATA_BOUND_ABOVE:
        side.low = whole ? floor(value) + 1 : value;
        side.low_open = !whole;
        break;
    case STRATA_BOUND_MAX:
        side.high = whole ? floor(value) : value;
        break;
    case STRATA_BOUND_BELOW:
        side.high = whole ? ceil(value) - 1 : value;
        side.high_open = !whole;
        break;
    }
    *interval = strata_interval_meet(*interval, side);
}

bool strata_interval_empty(const strata_interval *interval)
{
    return interval->low > interval->high ||
           (interval->low == interval->high && (interval->low_open || interval->high_open));
}

bool strata_interval_holds(const strata_interval *interval, double value)
{
    return (interval->low_open ? value > interval->low : value >= interval->low) &&
           (interval->high_open ? value < interval->high : value <= interval->high);
}

strata_interval strata_rule_interval(const strata_segment_rule *rule, strata_column column)
{
    strata_interval interval = strata_interval_all();
    const strata_column_info *info = &strata_column_table()[column];
    for (int32_t i = 0; i < rule->n_conditions; i++)
        if (strcmp(rule->conditions[i].column, info->name) == 0)
            strata_interval_narrow(&interval, info->type, rule->conditions[i].bound,
                                   rule->conditions[i].value);
    return interval;
}

int32_t strata_rule_index(const strata_config *config, int16_t code)
{
    int32_t i = 0;
    while (i < config->n_segments && config->segments[i].code != code)
        i++;
    return i;
}

/* ---- validation ------------------------------------------------------------------------------ */

/* "segment potential (line 12)" */
static void place(const strata_segment_rule *rule, char *text, size_t size)
{
    if (rule->line > 0)
        snprintf(text, size, "segment %.60s (line %d)", rule->name, (int)rule->line);
    else
        snprintf(text, size, "segment %.60s", rule->name);
}

static strata_status unknown_column(strata_context *ctx, const char *where, const char *name)
{
    char known[512] = "";
    const char *nearest = strata_column_suggest(name);
    const strata_column_info *table = strata_column_table();
    size_t used = 0;
    for (int c = 0; c < STRATA_COLUMN_COUNT && used < sizeof known; c++)
        if (table[c].is_feature)
            used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "",
                                     table[c].name);
    return strata_context_fail(ctx, STRATA_ERR_USAGE, __FILE__, __LINE__,
                               "%s: no column %.60s can stand in a rule%s%s%s; the columns are %s",
                               where, name, nearest ? "; did you mean " : "",
                               nearest ? nearest : "", nearest ? "?" : "", known);
}

static strata_status validate_conditions(strata_context *ctx, const strata_segment_rule *rule)
{
    strata_status rc = STRATA_OK;
    char where[96];
    place(rule, where, sizeof where);
    for (int32_t i = 0; i < rule->n_conditions; i++) {
        const strata_condition *condition = &rule->conditions[i];
        const strata_column column = strata_column_find(condition->column);
        if (column == STRATA_COLUMN_COUNT || !strata_column_table()[column].is_feature)
            STRATA_TRY(unknown_column(ctx, where, condition->column));
        if (!isfinite(condition->value))
            STRATA_FAIL(ctx, STRATA_ERR_USAGE, "%s: the bound of %s is not a finite number", where,
                        condition->column);
        const strata_interval interval = strata_rule_interval(rule, column);
        if (strata_interval_empty(&interval))
            STRATA_FAIL(ctx, STRATA_ERR_USAGE,
                        "%s: no value of %s meets all its bounds, so the rule can never match",
                        where, condition->column);
    }
done:
    return rc;
}

strata_status strata_rules_validate(strata_context *ctx, const strata_config *config)
{
    strata_status rc = STRATA_OK;
    char where[96];
    for (int32_t i = 0; i < config->n_segments; i++) {
        const strata_segment_rule *rule = &config->segments[i];
        place(rule, where, sizeof where);
        if (rule->code <= 0)
            STRATA_FAIL(ctx, STRATA_ERR_USAGE, "%s: code %d, but codes start at 1", where,
                        (int)rule->code);
        for (int32_t j = 0; j < i; j++) {
            if (config->segments[j].code == rule->code)
                STRATA_FAIL(ctx, STRATA_ERR_USAGE, "%s: code %d already belongs to %s", where,
                            (int)rule->code, config->segments[j].name);
            if (strcmp(config->segments[j].name, rule->name) == 0)
                STRATA_FAIL(ctx, STRATA_ERR_USAGE, "%s: two segments have this name", where);
        }
        STRATA_TRY(validate_conditions(ctx, rule));
    }
done:
    return rc;
}

/* ---- the rules applied ----------------------------------------------------------------------- */

static void read_block(const strata_users *users, strata_column column, int64_t at, int64_t n,
                       double *values)
{
    const void *source = users->column[column];
    switch (strata_column_table()[column].type) {
    case STRATA_I16:
        for (int64_t i = 0; i < n; i++)
            values[i] = ((const int16_t *)source)[at + i];
        break;
    case STRATA_I32:
        for (int64_t i = 0; i < n; i++)
            values[i] = ((const int32_t *)source)[at + i];
        break;
    default:
        memcpy(values, (const double *)source + at, (size_t)n * sizeof *values);
    }
}

static void keep_fitting(const double *values, strata_bound bound, double threshold, int64_t n,
                         uint8_t *fits)
{
    switch (bound) {
    case STRATA_BOUND_MIN:
        for (int64_t i = 0; i < n; i++)
            fits[i] &= values[i] >= threshold;
        break;
    case STRATA_BOUND_MAX:
        for (int64_t i = 0; i < n; i++)
            fits[i] &= values[i] <= threshold;
        break;
    case STRATA_BOUND_ABOVE:
        for (int64_t i = 0; i < n; i++)
            fits[i] &= values[i] > threshold;
        break;
    case STRATA_BOUND_BELOW:
        for (int64_t i = 0; i < n; i++)
            fits[i] &= values[i] < threshold;
        break;
    }
}

static void apply_block(const strata_config *config, const strata_users *users, int64_t at,
                        int64_t n, int16_t *codes)
{
    double values[block];
    uint8_t fits[block];
    for (int64_t i = 0; i < n; i++)
        codes[i] = STRATA_UNASSIGNED;
    for (int32_t r = 0; r < config->n_segments; r++) {
        const strata_segment_rule *rule = &config->segments[r];
        for (int64_t i = 0; i < n; i++)
            fits[i] = codes[i] == STRATA_UNASSIGNED;
        for (int32_t c = 0; c < rule->n_conditions; c++) {
            const strata_condition *condition = &rule->conditions[c];
            read_block(users, strata_column_find(condition->column), at, n, values);
            keep_fitting(values, condition->bound, condition->value, n, fits);
        }
        for (int64_t i = 0; i < n; i++)
            codes[i] = fits[i] ? rule->code : codes[i];
    }
}

strata_status strata_segments_apply(strata_context *ctx, const strata_config *config,
                                    const strata_users *users, int16_t *codes)
{
    strata_status rc = STRATA_OK;
    STRATA_TRY(strata_rules_validate(ctx, config));
    for (int32_t r = 0; r < config->n_segments; r++)
        for (int32_t c = 0; c < config->segments[r].n_conditions; c++) {
            const char *name = config->segments[r].conditions[c].column;
            if (!users->column[strata_column_find(name)])
                STRATA_FAIL(ctx, STRATA_ERR_INTERNAL, "column %s is not computed yet", name);
        }
    for (int64_t at = 0; at < users->n_local; at += block) {
        const int64_t n = users->n_local - at < block ? users->n_local - at : block;
        apply_block(config, users, at, n, codes + at);
    }
done:
    return rc;
}
