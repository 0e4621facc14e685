#include <math.h>
#include <string.h>

#include "config_internal.h"

#include "strata/memory.h"

enum { MAX_NAME = 63, MAX_CODE = INT16_MAX };

static const char *const bound_suffix[] = {
    [STRATA_BOUND_MIN] = "_min",
    [STRATA_BOUND_MAX] = "_max",
    [STRATA_BOUND_ABOVE] = "_above",
    [STRATA_BOUND_BELOW] = "_below",
};
enum { BOUNDS = sizeof bound_suffix / sizeof bound_suffix[0] };

void config_release_segments(strata_segment_rule **rules, int32_t *n_rules)
{
    for (int32_t i = 0; *rules && i < *n_rules; i++) {
        strata_segment_rule *rule = &(*rules)[i];
        for (int32_t c = 0; rule->conditions && c < rule->n_conditions; c++)
            strata_free(&rule->conditions[c].column);
        strata_free(&rule->conditions);
        strata_free(&rule->name);
    }
    strata_free(rules);
    *n_rules = 0;
}

static bool is_identifier(const char *text, int64_t length)
{
    for (int64_t i = 0; i < length; i++)
        if (!((text[i] >= 'a' && text[i] <= 'z') || (text[i] >= '0' && text[i] <= '9') ||
              text[i] == '_'))
            return false;
    return length > 0 && length <= MAX_NAME;
}

/* monthly_mean_above -> monthly_mean, above */
static bool split_condition(const yaml_node *key, int64_t *column_length, strata_bound *bound)
{
    for (int b = 0; b < BOUNDS; b++) {
        int64_t suffix = (int64_t)strlen(bound_suffix[b]), rest = key->length - suffix;
        if (rest > 0 && strcmp(key->text + rest, bound_suffix[b]) == 0 &&
            is_identifier(key->text, rest)) {
            *column_length = rest;
            *bound = (strata_bound)b;
            return true;
        }
    }
    return false;
}

static strata_status unknown_rule_key(const config_source *source, const config_key *key,
                                      const yaml_node *name)
{
    static const char *const fixed[] = {"name", "code", "expected_share"};
    const char *near = strata_text_nearest(name->text, fixed, 3), *cut = strrchr(name->text, '_');
    char guess[160] = "";
    if (near) {
        snprintf(guess, sizeof guess, " (did you mean \"%s\"?)", near);
    } else if (cut) {
        near = strata_text_nearest(cut, bound_suffix, BOUNDS);
        if (near)
            snprintf(guess, sizeof guess, " (did you mean \"%.*s%s\"?)", (int)(cut - name->text),
                     name->text, near);
    }
    return config_fail(source, name, key->path,
                       "unknown key \"%.60s\"%s; a rule has name, code, expected_share and "
                       "conditions: a column with _min, _max, _above or _below",
                       name->text, guess);
}

static strata_status read_entry(const config_source *source, const config_key *key,
                                const yaml_node *name, strata_segment_rule *rule)
{
    const yaml_node *value = name->next;
    char found[64];
    int64_t code = 0, length = 0;
    double number = 0;
    strata_bound bound = STRATA_BOUND_MIN;
    config_found(value, found);
    if (strcmp(name->text, "name") == 0) {
        if (value->kind != YAML_SCALAR || !is_identifier(value->text, value->length))
            return config_fail(source, value, key->path,
                               "name: expected a word of a-z, 0-9 and _, found %s",
                               config_found(value, found));
        if (strcmp(value->text, "unassigned") == 0)
            return config_fail(source, value, key->path,
                               "name: \"unassigned\" is kept for users that no rule takes");
        return strata_text_copy(source->ctx, value->text, value->length, &rule->name);
    }
    if (strcmp(name->text, "code") == 0) {
        if (value->kind != YAML_SCALAR || !value->plain ||
            !strata_text_to_int64(value->text, value->length, &code) || code < 1 || code > MAX_CODE)
            return config_fail(source, value, key->path,
                               "code: expected a whole number from 1 to %d, found %s", MAX_CODE,
                               config_found(value, found));
        rule->code = (int16_t)code;
        return STRATA_OK;
    }
    bool share = strcmp(name->text, "expected_share") == 0;
    if (!share && !split_condition(name, &length, &bound))
        return unknown_rule_key(source, key, name);
    if (!config_number(value, &number) || (share && (number < 0 || number > 1)))
        return config_fail(source, value, key->path, "%.60s: expected a %s, found %s", name->text,
                           share ? "number from 0 to 1" : "finite number",
                           config_found(value, found));
    if (share) {
        rule->expected_share = number;
        return STRATA_OK;
    }
    strata_condition *condition = &rule->conditions[rule->n_conditions++];
    *condition = (strata_condition){.bound = bound, .value = number};
    return strata_text_copy(source->ctx, name->text, length, &condition->column);
}

static strata_status read_rule(const config_source *source, const config_key *key,
                               const yaml_node *node, strata_segment_rule *rule)
{
    strata_status rc = STRATA_OK;
    char found[64];
    rule->expected_share = NAN;
    rule->line = source->origin == STRATA_FROM_FILE ? node->line : 0;
    if (node->kind != YAML_MAP)
        return config_fail(source, node, key->path,
                           "expected a rule {name: ..., code: ...}, found %s",
                           config_found(node, found));
    STRATA_TRY(strata_calloc(source->ctx, node->count / 2, (int64_t)sizeof *rule->conditions,
                             &rule->conditions));
    for (const yaml_node *name = node->child; name; name = name->next->next)
        STRATA_TRY(read_entry(source, key, name, rule));
    if (!rule->name || rule->code == 0)
        rc =
            config_fail(source, node, key->path, "a rule without %s", rule->name ? "code" : "name");
done:
    return rc;
}

strata_status config_read_segments(const config_source *source, const config_key *key,
                                   const yaml_node *node, strata_segment_rule **rules_out,
                                   int32_t *n_out)
{
    strata_status rc = STRATA_OK;
    strata_segment_rule *rules = NULL;
    int32_t n = 0;
    char expected[256], found[64];
    if (node->kind != YAML_LIST || node->count > (int32_t)key->high)
        return config_fail(source, node, key->path, "expected %s, found %s",
                           config_expected(key, expected), config_found(node, found));
    STRATA_TRY(strata_calloc(source->ctx, node->count, (int64_t)sizeof *rules, &rules));
    for (const yaml_node *item = node->child; item; item = item->next) {
        strata_segment_rule *rule = &rules[n++];
        STRATA_TRY(read_rule(source, key, item, rule));
        for (const strata_segment_rule *other = rules; other < rule; other++) {
            if (strcmp(other->name, rule->name) == 0)
                rc = config_fail(source, item, key->path, "two rules are named \"%s\"", rule->name);
            else if (other->code == rule->code)
                rc = config_fail(source, item, key->path, "\"%s\" and \"%s\" have the same code %d",
                                 other->name, rule->name, (int)rule->code);
            if (rc != STRATA_OK)
                goto done;
        }
    }
    config_release_segments(rules_out, n_out);
    *rules_out = rules;
    *n_out = n;
    rules = NULL;
done:
    config_release_segments(&rules, &n);
    return rc;
}
