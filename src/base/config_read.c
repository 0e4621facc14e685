#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "config_internal.h"

#include "strata/dates.h"
#include "strata/memory.h"

/* ---- messages -------------------------------------------------------------------------------- */

strata_status config_fail(const config_source *source, const yaml_node *node, const char *path,
                          const char *format, ...)
{
    char text[640], place[300];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (source->origin == STRATA_FROM_FILE)
        snprintf(place, sizeof place, "%.240s:%d:%d: %s%s", source->name,
                 node ? (int)node->line : 1, node ? (int)node->column : 1, path, *path ? ": " : "");
    else if (source->name)
        snprintf(place, sizeof place, "%.240s: ", source->name);
    else
        snprintf(place, sizeof place, "--set %s: ", path);
    return strata_context_fail(source->ctx, STRATA_ERR_USAGE, __FILE__, __LINE__, "%s%s", place,
                               text);
}

const char *config_found(const yaml_node *node, char buffer[64])
{
    if (node->kind != YAML_SCALAR)
        return node->kind == YAML_LIST ? "a list" : "a mapping";
    if (node->plain && node->length == 0)
        return "nothing";
    if (yaml_is_null(node))
        return "null";
    int shown = node->length <= 40 ? (int)node->length : 37;
    while (shown > 0 && shown < node->length && ((unsigned char)node->text[shown] & 0xc0) == 0x80)
        shown--; /* no half character */
    snprintf(buffer, 64, node->plain ? "%.*s%s" : "the text \"%.*s%s\"", shown, node->text,
             shown < node->length ? "..." : "");
    return buffer;
}

static const char *range_text(const config_key *key, char buffer[96])
{
    char low[32], high[32];
    strata_text_of_double(key->low, low);
    strata_text_of_double(key->high, high);
    if (key->flags & (CONFIG_OPEN_LOW | CONFIG_OPEN_HIGH))
        snprintf(buffer, 96, "%s %s and %s %s", key->flags & CONFIG_OPEN_LOW ? "above" : "from",
                 low, key->flags & CONFIG_OPEN_HIGH ? "below" : "up to", high);
    else
        snprintf(buffer, 96, "from %s to %s", low, high);
    return buffer;
}

static void words_text(const char *words, char *buffer, size_t size)
{
    char word[32];
    size_t used = 0;
    buffer[0] = 0;
    for (int32_t i = 0; config_word(words, i, word) && used < size; i++)
        used += (size_t)snprintf(buffer + used, size - used, "%s%s", i ? ", " : "", word);
}

const char *config_expected(const config_key *key, char buffer[256])
{
    char range[96], words[160];
    const char *or_null = key->flags & CONFIG_NULLABLE ? " or null" : "";
    words_text(key->words, words, sizeof words);
    switch (key->kind) {
    case CONFIG_CONSTANT:
        snprintf(buffer, 256, "%s, the only value there is", words);
        break;
    case CONFIG_WORD:
    case CONFIG_NAME:
        snprintf(buffer, 256, "one of %s", words);
        break;
    case CONFIG_TEXT:
        snprintf(buffer, 256, "a text%s", or_null);
        break;
    case CONFIG_TEXTS:
        if (key->low > 0)
            snprintf(buffer, 256, "a list of %g to %g texts such as [a, b]", key->low, key->high);
        else
            snprintf(buffer, 256, "a list of texts such as [a, b]");
        break;
    case CONFIG_INT32:
    case CONFIG_INT64:
        snprintf(buffer, 256, "a whole number %s%s%s", range_text(key, range),
                 words[0] ? " or " : "", words);
        break;
    case CONFIG_UINT64:
        snprintf(buffer, 256, "a whole number from 0 to 18446744073709551615");
        break;
    case CONFIG_DOUBLE:
        snprintf(buffer, 256, "a number %s", range_text(key, range));
        break;
    case CONFIG_DOUBLES:
        snprintf(buffer, 256, "a list of %g numbers", key->high);
        break;
    case CONFIG_DAY:
        snprintf(buffer, 256, "a day YYYY-MM-DD from 1900 to 2199%s", or_null);
        break;
    case CONFIG_DELIMITER:
        snprintf(buffer, 256, "one of \",\" \";\" \"|\" \"\\t\" or \" \", in quotes");
        break;
    case CONFIG_SEGMENTS:
        snprintf(buffer, 256, "a list of segment rules {name: ..., code: ..., <column>_min: ...}");
        break;
    }
    return buffer;
}

static strata_status wrong(const config_source *source, const config_key *key,
                           const yaml_node *node)
{
    char expected[256], found[64];
    return config_fail(source, node, key->path, "expected %s, found %s",
                       config_expected(key, expected), config_found(node, found));
}

/* ---- values ---------------------------------------------------------------------------------- */

bool config_number(const yaml_node *node, double *out)
{
    return node->kind == YAML_SCALAR && node->plain &&
           strata_text_to_double(node->text, node->length, out);
}

static bool in_range(const config_key *key, double value)
{
    if (value < key->low || (value == key->low && key->flags & CONFIG_OPEN_LOW))
        return false;
    return value < key->high || (value == key->high && !(key->flags & CONFIG_OPEN_HIGH));
}

static bool find_word(const config_key *key, const yaml_node *node, int32_t *index)
{
    char word[32];
    for (int32_t i = 0; node->kind == YAML_SCALAR && config_word(key->words, i, word); i++)
        if (strcmp(word, node->text) == 0) {
            *index = i;
            return true;
        }
    return false;
}

static strata_status wrong_word(const config_source *source, const config_key *key,
                                const yaml_node *node)
{
    enum { MAX_WORDS = 16 };
    char word[MAX_WORDS][32], expected[256], found[64];
    const char *candidates[MAX_WORDS], *near = NULL;
    int32_t n = 0;
    for (; n < MAX_WORDS && config_word(key->words, n, word[n]); n++)
        candidates[n] = word[n];
    if (node->kind == YAML_SCALAR)
        near = strata_text_nearest(node->text, candidates, n);
    return config_fail(source, node, key->path, "expected %s, found %s%s%s%s",
                       config_expected(key, expected), config_found(node, found),
                       near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
}

static bool read_day(const yaml_node *node, int32_t *day)
{
    return node->kind == YAML_SCALAR && strlen(node->text) == 10 &&
           strata_day_parse(node->text, day);
}

static bool read_delimiter(const yaml_node *node, char *out)
{
    if (node->kind != YAML_SCALAR)
        return false;
    if (strcmp(node->text, "\\t") == 0 || strcmp(node->text, "tab") == 0)
        *out = '\t';
    else if (strcmp(node->text, "space") == 0)
        *out = ' ';
    else if (node->length == 1 && strchr(",;\t| ", node->text[0]))
        *out = node->text[0];
    else
        return false;
    return true;
}

static strata_status read_integer(const config_source *source, const config_key *key,
                                  const yaml_node *node, void *out)
{
    int64_t value = 0;
    int32_t word = 0;
    if (find_word(key, node, &word))
        value = (int64_t)key->low - 1;
    else if (node->kind != YAML_SCALAR || !node->plain ||
             !strata_text_to_int64(node->text, node->length, &value) ||
             !in_range(key, (double)value))
        return wrong(source, key, node);
    if (key->kind == CONFIG_INT64)
        *(int64_t *)out = value;
    else
        *(int32_t *)out = (int32_t)value;
    return STRATA_OK;
}

static strata_status read_text(const config_source *source, const config_key *key,
                               const yaml_node *node, char **out)
{
    char *copy = NULL;
    if (!(key->flags & CONFIG_NULLABLE && yaml_is_null(node))) {
        if (node->kind != YAML_SCALAR || node->length == 0 || yaml_is_null(node))
            return wrong(source, key, node);
        strata_status rc = strata_text_copy(source->ctx, node->text, node->length, &copy);
        if (rc != STRATA_OK)
            return rc;
    }
    strata_free(out);
    *out = copy;
    return STRATA_OK;
}

void config_release_texts(char ***texts, int32_t *n)
{
    for (int32_t i = 0; *texts && i < *n; i++)
        strata_free(&(*texts)[i]);
    strata_free(texts);
    *n = 0;
}

static strata_status check_unique(const config_source *source, const config_key *key,
                                  const yaml_node *list)
{
    for (const yaml_node *a = list->child; a; a = a->next)
        for (const yaml_node *b = list->child; b != a; b = b->next)
            if (strcmp(a->text, b->text) == 0)
                return config_fail(source, a, key->path, "\"%.60s\" is listed twice", a->text);
    return STRATA_OK;
}

static strata_status read_texts(const config_source *source, const config_key *key,
                                const yaml_node *node, char ***out, int32_t *n_out)
{
    strata_status rc = STRATA_OK;
    char **texts = NULL;
    int32_t n = 0;
    if (node->kind != YAML_LIST || node->count < key->low || node->count > key->high)
        return wrong(source, key, node);
    STRATA_TRY(strata_calloc(source->ctx, node->count, (int64_t)sizeof *texts, &texts));
    for (const yaml_node *item = node->child; item; item = item->next) {
        char found[64];
        if (item->kind != YAML_SCALAR || item->length == 0 || yaml_is_null(item)) {
            rc = config_fail(source, item, key->path, "expected a text in the list, found %s",
                             config_found(item, found));
            goto done;
        }
        STRATA_TRY(strata_text_copy(source->ctx, item->text, item->length, &texts[n]));
        n++;
    }
    if (key->flags & CONFIG_UNIQUE)
        STRATA_TRY(check_unique(source, key, node));
    config_release_texts(out, n_out);
    *out = texts;
    *n_out = n;
    texts = NULL;
done:
    config_release_texts(&texts, &n);
    return rc;
}

static strata_status read_doubles(const config_source *source, const config_key *key,
                                  const yaml_node *node, double *out)
{
    enum { MAX_VALUES = 8 };
    double values[MAX_VALUES];
    int32_t n = 0;
    char found[64];
    if (node->kind != YAML_LIST || node->count != (int32_t)key->high)
        return wrong(source, key, node);
    for (const yaml_node *item = node->child; item && n < MAX_VALUES; item = item->next)
        if (!config_number(item, &values[n++]))
            return config_fail(source, item, key->path, "expected a finite number, found %s",
                               config_found(item, found));
    memcpy(out, values, (size_t)n * sizeof *out);
    return STRATA_OK;
}

/* Dates, delimiters, words and numbers: read into a copy, so that a failure leaves the old value. */
static strata_status read_simple(const config_source *source, const config_key *key,
                                 const yaml_node *node, void *out)
{
    int32_t number = 0;
    char character = 0;
    double real = 0;
    uint64_t large = 0;
    switch (key->kind) {
    case CONFIG_CONSTANT:
        return find_word(key, node, &number) ? STRATA_OK : wrong(source, key, node);
    case CONFIG_WORD:
        if (!find_word(key, node, &number))
            return wrong_word(source, key, node);
        memcpy(out, &number, sizeof number);
        return STRATA_OK;
    case CONFIG_DOUBLE:
        if (!config_number(node, &real) || !in_range(key, real))
            return wrong(source, key, node);
        memcpy(out, &real, sizeof real);
        return STRATA_OK;
    case CONFIG_UINT64:
        if (node->kind != YAML_SCALAR || !node->plain ||
            !strata_text_to_uint64(node->text, node->length, &large))
            return wrong(source, key, node);
        memcpy(out, &large, sizeof large);
        return STRATA_OK;
    case CONFIG_DAY:
        if (yaml_is_null(node))
            number = STRATA_NO_DAY;
        else if (!read_day(node, &number))
            return wrong(source, key, node);
        memcpy(out, &number, sizeof number);
        return STRATA_OK;
    case CONFIG_DELIMITER:
        if (!read_delimiter(node, &character))
            return wrong(source, key, node);
        memcpy(out, &character, 1);
        return STRATA_OK;
    default:
        return read_integer(source, key, node, out);
    }
}

static strata_status set_mark(const config_source *source, strata_config *config, int32_t index,
                              const yaml_node *node)
{
    char *where = NULL;
    strata_config_mark *mark = &config->marks[index];
    const char *name = source->name ? source->name : "--set";
    if (source->origin != STRATA_FROM_DEFAULT) {
        strata_status rc = strata_text_copy(source->ctx, name, (int64_t)strlen(name), &where);
        if (rc != STRATA_OK)
            return rc;
        for (char *c = where; *c; c++) /* it is printed in a comment of one line */
            if ((unsigned char)*c < 0x20 || *c == 0x7f)
                *c = '?';
    }
    strata_free(&mark->where);
    bool placed = source->origin == STRATA_FROM_FILE;
    *mark = (strata_config_mark){source->origin, placed ? node->line : 0, placed ? node->column : 0,
                                 where};
    return STRATA_OK;
}

strata_status config_read(const config_source *source, strata_config *config, int32_t index,
                          const yaml_node *node)
{
    const config_key *key = &config_table[index];
    void *out = config_member(config, key->offset);
    int32_t *count = config_member(config, key->count_offset), word = 0;
    strata_status rc = STRATA_OK;
    switch (key->kind) {
    case CONFIG_NAME:
        rc = find_word(key, node, &word) ? read_text(source, key, node, out)
                                         : wrong_word(source, key, node);
        break;
    case CONFIG_TEXT:
        rc = read_text(source, key, node, out);
        break;
    case CONFIG_TEXTS:
        rc = read_texts(source, key, node, out, count);
        break;
    case CONFIG_DOUBLES:
        rc = read_doubles(source, key, node, out);
        break;
    case CONFIG_SEGMENTS:
        rc = config_read_segments(source, key, node, out, count);
        break;
    default:
        rc = read_simple(source, key, node, out);
    }
    return rc == STRATA_OK ? set_mark(source, config, index, node) : rc;
}

/* ---- the document ---------------------------------------------------------------------------- */

static bool is_group(const char *path)
{
    size_t length = strlen(path);
    for (int32_t i = 0; i < config_table_count; i++)
        if (strncmp(config_table[i].path, path, length) == 0 && config_table[i].path[length] == '.')
            return true;
    return false;
}

/* The nearest of the keys that may stand below prefix; failing that, the full path of a key of that
 * name elsewhere (k at the top level: cluster.k). */
static const char *suggest(const char *prefix, const char *word, char buffer[64])
{
    enum { MAX_CANDIDATES = 128 };
    char name[MAX_CANDIDATES][32];
    const char *candidates[MAX_CANDIDATES] = {NULL};
    int32_t n = 0;
    size_t length = strlen(prefix);
    for (int32_t i = 0; i < config_table_count && n < MAX_CANDIDATES; i++) {
        const char *path = config_table[i].path;
        if (strncmp(path, prefix, length) != 0)
            continue;
        snprintf(name[n], sizeof name[n], "%.*s", (int)strcspn(path + length, "."), path + length);
        candidates[n] = name[n];
        n++;
    }
    const char *near = strata_text_nearest(word, candidates, n);
    for (int32_t i = 0; !near && i < config_table_count; i++) {
        const char *leaf = strrchr(config_table[i].path, '.');
        if (leaf && strcmp(leaf + 1, word) == 0)
            near = config_table[i].path;
    }
    if (near)
        snprintf(buffer, 64, "%s", near);
    return near ? buffer : NULL;
}

static strata_status unknown_key(const config_source *source, const yaml_node *key,
                                 const char *prefix)
{
    char buffer[64], known[400] = "";
    const char *near = suggest(prefix, key->text, buffer);
    if (near)
        return config_fail(source, key, "", "unknown key \"%s%.60s\" (did you mean \"%s\"?)",
                           prefix, key->text, near);
    size_t length = strlen(prefix), used = 0;
    const char *last = "";
    for (int32_t i = 0; i < config_table_count; i++) {
        if (strncmp(config_table[i].path, prefix, length) != 0)
            continue;
        const char *name = config_table[i].path + length;
        size_t n = strcspn(name, ".");
        if (strncmp(last, name, n) == 0 && last[n] == '.') /* the same group again */
            continue;
        if (used < sizeof known)
            used += (size_t)snprintf(known + used, sizeof known - used, "%s%.*s", used ? ", " : "",
                                     (int)n, name);
        last = name;
    }
    return config_fail(source, key, "", "unknown key \"%s%.60s\"; expected one of %s", prefix,
                       key->text, known);
}

static strata_status walk(const config_source *source, strata_config *config, const yaml_node *map,
                          const char *prefix)
{
    strata_status rc = STRATA_OK;
    char path[128];
    for (const yaml_node *key = map->child; key; key = key->next->next) {
        const yaml_node *value = key->next;
        snprintf(path, sizeof path, "%s%.90s", prefix, key->text);
        int32_t index = key->length < 90 ? config_find(path) : -1;
        if (index >= 0) {
            STRATA_TRY(config_read(source, config, index, value));
        } else if (key->length < 90 && is_group(path)) {
            char found[64];
            if (yaml_is_null(value)) /* every line of the group is commented out */
                continue;
            if (value->kind != YAML_MAP) {
                rc = config_fail(source, value, path, "expected a mapping of its keys, found %s",
                                 config_found(value, found));
                goto done;
            }
            strncat(path, ".", sizeof path - strlen(path) - 1);
            STRATA_TRY(walk(source, config, value, path));
        } else {
            STRATA_TRY(unknown_key(source, key, prefix));
        }
    }
done:
    return rc;
}

strata_status config_read_tree(const config_source *source, strata_config *config,
                               const yaml_node *root)
{
    char found[64];
    if (!root || yaml_is_null(root))
        return STRATA_OK; /* all defaults */
    if (root->kind != YAML_MAP)
        return config_fail(source, root, "", "expected keys such as \"input:\", found %s",
                           config_found(root, found));
    return walk(source, config, root, "");
}
