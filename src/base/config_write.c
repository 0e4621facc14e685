#include <math.h>
#include <string.h>

#include "config_internal.h"

#include "strata/dates.h"
#include "strata/memory.h"

/* ---- values ---------------------------------------------------------------------------------- */

/* What libyaml's reader takes as it stands; everything else is written as an escape. */
static bool is_printable(uint32_t c)
{
    return (c >= 0x20 && c <= 0x7e) || (c >= 0xa0 && c <= 0xd7ff && c != 0x2028 && c != 0x2029) ||
           (c >= 0xe000 && c <= 0xfffd && c != 0xfeff) || (c >= 0x10000 && c <= 0x10ffff);
}

strata_status config_quote(strata_context *ctx, strata_text *out, const char *text)
{
    strata_status rc = STRATA_OK;
    int64_t length = (int64_t)strlen(text);
    STRATA_TRY(strata_text_add(ctx, out, "\"", 1));
    for (int64_t i = 0; i < length;) {
        uint32_t code = 0;
        int bytes = strata_text_decode(text + i, length - i, &code);
        if (bytes == 0)
            STRATA_TRY(strata_text_add(ctx, out, text + i, 1));
        else if (code == '\t')
            STRATA_TRY(strata_text_add(ctx, out, "\\t", 2));
        else if (code == '"' || code == '\\')
            STRATA_TRY(strata_text_addf(ctx, out, "\\%c", (int)code));
        else if (is_printable(code))
            STRATA_TRY(strata_text_add(ctx, out, text + i, bytes));
        else
            STRATA_TRY(strata_text_addf(ctx, out, code > 0xffff ? "\\U%08X" : "\\u%04X", code));
        i += bytes ? bytes : 1;
    }
    STRATA_TRY(strata_text_add(ctx, out, "\"", 1));
done:
    return rc;
}

/* Words that no YAML reader takes for anything but text stay without quotes. */
static strata_status write_text(strata_context *ctx, strata_text *out, const char *text)
{
    static const char *const taken[] = {"null", "true", "false", "yes", "no",
                                        "on",   "off",  "y",     "n",   "auto"};
    bool plain = text[0] >= 'a' && text[0] <= 'z' && strlen(text) < 64;
    for (const char *c = text; plain && *c; c++)
        plain = (*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '_';
    for (size_t i = 0; plain && i + 1 < sizeof taken / sizeof taken[0]; i++)
        plain = strcmp(text, taken[i]) != 0;
    if (!plain)
        return config_quote(ctx, out, text);
    return strata_text_add(ctx, out, text, (int64_t)strlen(text));
}

static strata_status write_texts(strata_context *ctx, strata_text *out, char *const *texts,
                                 int32_t n)
{
    strata_status rc = STRATA_OK;
    STRATA_TRY(strata_text_add(ctx, out, "[", 1));
    for (int32_t i = 0; i < n; i++) {
        if (i)
            STRATA_TRY(strata_text_add(ctx, out, ", ", 2));
        STRATA_TRY(write_text(ctx, out, texts[i]));
    }
    STRATA_TRY(strata_text_add(ctx, out, "]", 1));
done:
    return rc;
}

static strata_status write_rule(strata_context *ctx, strata_text *out,
                                const strata_segment_rule *rule)
{
    static const char *const suffix[] = {"min", "max", "above", "below"};
    strata_status rc = STRATA_OK;
    char number[32];
    STRATA_TRY(strata_text_addf(ctx, out, "\n  - {name: "));
    STRATA_TRY(write_text(ctx, out, rule->name));
    STRATA_TRY(strata_text_addf(ctx, out, ", code: %d", (int)rule->code));
    for (int32_t i = 0; i < rule->n_conditions; i++)
        STRATA_TRY(strata_text_addf(ctx, out, ", %s_%s: %s", rule->conditions[i].column,
                                    suffix[rule->conditions[i].bound],
                                    strata_text_of_double(rule->conditions[i].value, number)));
    if (!isnan(rule->expected_share))
        STRATA_TRY(strata_text_addf(ctx, out, ", expected_share: %s",
                                    strata_text_of_double(rule->expected_share, number)));
    STRATA_TRY(strata_text_add(ctx, out, "}", 1));
done:
    return rc;
}

static strata_status write_segments(strata_context *ctx, strata_text *out,
                                    const strata_segment_rule *rules, int32_t n)
{
    strata_status rc = STRATA_OK;
    if (n == 0)
        return strata_text_add(ctx, out, "[]", 2);
    for (int32_t i = 0; i < n; i++)
        STRATA_TRY(write_rule(ctx, out, &rules[i]));
done:
    return rc;
}

static strata_status write_number(strata_context *ctx, strata_text *out, const config_key *key,
                                  const void *value)
{
    char number[32], day[11], word[32];
    int32_t small = 0;
    switch (key->kind) {
    case CONFIG_INT64:
        return strata_text_addf(ctx, out, "%lld", (long long)*(const int64_t *)value);
    case CONFIG_UINT64:
        return strata_text_addf(ctx, out, "%llu", (unsigned long long)*(const uint64_t *)value);
    case CONFIG_DOUBLE:
        return strata_text_addf(ctx, out, "%s",
                                strata_text_of_double(*(const double *)value, number));
    case CONFIG_DELIMITER:
        return *(const char *)value == '\t'
                   ? strata_text_addf(ctx, out, "\"\\t\"")
                   : strata_text_addf(ctx, out, "\"%c\"", *(const char *)value);
    default:
        break;
    }
    memcpy(&small, value, sizeof small);
    if (key->kind == CONFIG_DAY)
        return strata_text_addf(ctx, out, "%s",
                                small == STRATA_NO_DAY ? "null" : strata_day_format(small, day));
    if (key->kind == CONFIG_WORD && config_word(key->words, small, word))
        return strata_text_addf(ctx, out, "%s", word);
    if (key->words && small == (int32_t)key->low - 1)
        return strata_text_addf(ctx, out, "%s", key->words);
    return strata_text_addf(ctx, out, "%d", (int)small);
}

strata_status config_write_value(strata_context *ctx, const strata_config *config, int32_t index,
                                 strata_text *out)
{
    strata_status rc = STRATA_OK;
    const config_key *key = &config_table[index];
    const void *value = config_member(config, key->offset);
    const int32_t *count = config_member(config, key->count_offset);
    const double *reals = value;
    char number[32];
    switch (key->kind) {
    case CONFIG_CONSTANT:
        return strata_text_addf(ctx, out, "%s", key->words);
    case CONFIG_NAME:
    case CONFIG_TEXT: {
        const char *text = *(char *const *)value;
        return text ? write_text(ctx, out, text) : strata_text_addf(ctx, out, "null");
    }
    case CONFIG_TEXTS:
        return write_texts(ctx, out, *(char **const *)value, *count);
    case CONFIG_SEGMENTS:
        return write_segments(ctx, out, *(strata_segment_rule *const *)value, *count);
    case CONFIG_DOUBLES:
        for (int32_t i = 0; i < (int32_t)key->high; i++)
            STRATA_TRY(strata_text_addf(ctx, out, "%s%s", i ? ", " : "[",
                                        strata_text_of_double(reals[i], number)));
        STRATA_TRY(strata_text_add(ctx, out, "]", 1));
        break;
    default:
        return write_number(ctx, out, key, value);
    }
done:
    return rc;
}

/* ---- the document ---------------------------------------------------------------------------- */

/* Opens the groups of path that the one before did not stand in: "input:", "  columns:". */
static strata_status write_groups(strata_context *ctx, strata_text *out, const char *path,
                                  const char *before, int *depth)
{
    strata_status rc = STRATA_OK;
    *depth = 0;
    const char *name = path;
    for (const char *dot = strchr(path, '.'); dot; dot = strchr(dot + 1, '.')) {
        int64_t length = dot - path + 1;
        if (strncmp(path, before, (size_t)length) != 0)
            STRATA_TRY(
                strata_text_addf(ctx, out, "%*s%.*s:\n", 2 * *depth, "", (int)(dot - name), name));
        name = dot + 1;
        (*depth)++;
    }
done:
    return rc;
}

static strata_status write_origin(strata_context *ctx, strata_text *out,
                                  const strata_config_mark *mark, int64_t line_start)
{
    enum { COMMENT_COLUMN = 48 };
    int64_t used = out->length - line_start;
    int blanks = used < COMMENT_COLUMN ? (int)(COMMENT_COLUMN - used) : 1;
    if (mark->origin == STRATA_FROM_DEFAULT)
        return strata_text_addf(ctx, out, "%*s# default", blanks, "");
    if (mark->line > 0)
        return strata_text_addf(ctx, out, "%*s# %s:%d", blanks, "", mark->where, (int)mark->line);
    return strata_text_addf(ctx, out, "%*s# %s", blanks, "", mark->where);
}

static strata_status write_document(strata_context *ctx, const strata_config *config,
                                    bool with_origins, strata_text *out)
{
    strata_status rc = STRATA_OK;
    for (int32_t i = 0; i < config_table_count; i++) {
        const char *path = config_table[i].path, *leaf = strrchr(path, '.');
        int depth = 0;
        STRATA_TRY(write_groups(ctx, out, path, i ? config_table[i - 1].path : "", &depth));
        int64_t line_start = out->length;
        STRATA_TRY(strata_text_addf(ctx, out, "%*s%s:", 2 * depth, "", leaf ? leaf + 1 : path));
        bool block = config_table[i].kind == CONFIG_SEGMENTS && config->n_segments > 0;
        if (block && with_origins) /* the comment goes to the line of the key */
            STRATA_TRY(write_origin(ctx, out, &config->marks[i], line_start));
        if (!block)
            STRATA_TRY(strata_text_add(ctx, out, " ", 1));
        STRATA_TRY(config_write_value(ctx, config, i, out));
        if (!block && with_origins)
            STRATA_TRY(write_origin(ctx, out, &config->marks[i], line_start));
        STRATA_TRY(strata_text_add(ctx, out, "\n", 1));
    }
done:
    return rc;
}

strata_status strata_config_to_yaml(strata_context *ctx, const strata_config *config, char **yaml)
{
    strata_text text = {0};
    strata_status rc = write_document(ctx, config, false, &text);
    if (rc == STRATA_OK)
        *yaml = text.bytes;
    else
        strata_free(&text.bytes);
    return rc;
}

strata_status strata_config_print(strata_context *ctx, const strata_config *config, FILE *out)
{
    strata_text text = {0};
    strata_status rc = write_document(ctx, config, true, &text);
    if (rc == STRATA_OK)
        fputs(text.bytes, out);
    strata_free(&text.bytes);
    return rc;
}

strata_status strata_config_explain(strata_context *ctx, FILE *out)
{
    strata_config config = {0};
    strata_text value = {0};
    strata_status rc = STRATA_OK;
    STRATA_TRY(strata_config_init(ctx, &config));
    fputs("The keys of the configuration. Each is set in the YAML file of -c, by an environment "
          "variable\n"
          "(cluster.k: STRATA_CLUSTER_K) or by --set cluster.k=5; the later of these wins.\n\n",
          out);
    for (int32_t i = 0; i < config_table_count; i++) {
        const config_key *key = &config_table[i];
        char expected[256];
        value.length = 0;
        STRATA_TRY(config_write_value(ctx, &config, i, &value));
        fprintf(out, "%s\n    %s\n    %s; default %s%s\n", key->path, key->help,
                config_expected(key, expected), key->kind == CONFIG_SEGMENTS ? "" : value.bytes,
                key->kind == CONFIG_SEGMENTS ? "the four rules of the method" : "");
    }
done:
    strata_free(&value.bytes);
    strata_config_release(&config);
    return rc;
}
