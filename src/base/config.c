#include "strata/config.h"

#include <fnmatch.h>
#include <string.h>
#include <unistd.h>

#include "config_internal.h"

#include "strata/hash.h"
#include "strata/io.h"
#include "strata/memory.h"

/* ---- life ------------------------------------------------------------------------------------ */

static strata_status read_value(const config_source *source, strata_config *config, int32_t index,
                                const char *text)
{
    yaml_tree tree = {0};
    char name[128];
    const char *place = source->name;
    if (!place && source->origin != STRATA_FROM_DEFAULT) {
        snprintf(name, sizeof name, "--set %s", config_table[index].path);
        place = name;
    }
    strata_status rc =
        yaml_tree_parse(source->ctx, text, (int64_t)strlen(text), place, false, &tree);
    if (rc == STRATA_OK && !tree.root)
        rc = strata_context_fail(source->ctx, STRATA_ERR_USAGE, __FILE__, __LINE__,
                                 "%s: expected a value, found nothing", place);
    if (rc == STRATA_OK)
        rc = config_read(source, config, index, tree.root);
    yaml_tree_release(&tree);
    return rc;
}

strata_status strata_config_init(strata_context *ctx, strata_config *config)
{
    strata_status rc = STRATA_OK;
    *config = (strata_config){0};
    STRATA_TRY(
        strata_calloc(ctx, config_table_count, (int64_t)sizeof *config->marks, &config->marks));
    for (int32_t i = 0; i < config_table_count; i++) {
        config_source source = {ctx, config_table[i].path, STRATA_FROM_DEFAULT};
        STRATA_TRY(read_value(&source, config, i, config_table[i].initial));
    }
done:
    return rc;
}

void strata_config_release(strata_config *config)
{
    for (int32_t i = 0; i < config_table_count; i++) {
        void *value = config_member(config, config_table[i].offset);
        int32_t *count = config_member(config, config_table[i].count_offset);
        if (config_table[i].kind == CONFIG_TEXT || config_table[i].kind == CONFIG_NAME)
            strata_free(value);
        else if (config_table[i].kind == CONFIG_TEXTS)
            config_release_texts(value, count);
        else if (config_table[i].kind == CONFIG_SEGMENTS)
            config_release_segments(value, count);
        if (config->marks)
            strata_free(&config->marks[i].where);
    }
    strata_free(&config->marks);
    *config = (strata_config){0};
}

/* ---- files ----------------------------------------------------------------------------------- */

strata_status strata_config_read_file(strata_context *ctx, const char *path, char **text,
                                      int64_t *length)
{
    strata_status rc = STRATA_OK;
    int fd = -1;
    int64_t size = 0, got = 0;
    char *bytes = NULL;
    rc = strata_io_open_read(ctx, path, &fd);
    if (rc == STRATA_ERR_INPUT) { /* here a file that cannot be opened is a mistake of usage */
        char message[sizeof ctx->error.message];
        memcpy(message, ctx->error.message, sizeof message);
        strata_context_clear_error(ctx);
        STRATA_FAIL(ctx, STRATA_ERR_USAGE, "configuration: %.900s", message);
    }
    STRATA_TRY(rc);
    STRATA_TRY(strata_io_size(ctx, fd, path, &size));
    if (size > STRATA_CONFIG_MAX_BYTES)
        STRATA_FAIL(ctx, STRATA_ERR_USAGE,
                    "%s: %lld bytes are too many for a configuration (at most %lld)", path,
                    (long long)size, (long long)STRATA_CONFIG_MAX_BYTES);
    STRATA_TRY(strata_alloc(ctx, size + 1, 1, &bytes));
    STRATA_TRY(strata_io_pread(ctx, fd, path, bytes, size, 0, &got));
    STRATA_TRY(strata_io_close(ctx, &fd, path));
    bytes[got] = 0;
    *text = bytes;
    *length = got;
    bytes = NULL;
done:
    if (fd >= 0)
        close(fd);
    strata_free(&bytes);
    return rc;
}

strata_status strata_config_load_text(strata_context *ctx, strata_config *config, const char *text,
                                      int64_t length, const char *name)
{
    yaml_tree tree = {0};
    config_source source = {ctx, name, STRATA_FROM_FILE};
    strata_status rc = STRATA_OK;
    if (length > STRATA_CONFIG_MAX_BYTES)
        STRATA_FAIL(ctx, STRATA_ERR_USAGE, "%s: too long for a configuration", name);
    STRATA_TRY(yaml_tree_parse(ctx, text, length, name, true, &tree));
    STRATA_TRY(config_read_tree(&source, config, tree.root));
done:
    yaml_tree_release(&tree);
    return rc;
}

strata_status strata_config_load_file(strata_context *ctx, strata_config *config, const char *path)
{
    char *text = NULL;
    int64_t length = 0;
    strata_status rc = strata_config_read_file(ctx, path, &text, &length);
    if (rc == STRATA_OK)
        rc = strata_config_load_text(ctx, config, text, length, path);
    strata_free(&text);
    return rc;
}

/* ---- single values --------------------------------------------------------------------------- */

/* A text, a date or a word on the command line is meant as it stands: "%d/%m/%Y" is no YAML, and
 * nobody writes quotes inside quotes. Numbers, lists and what starts like a list or a quote are
 * YAML. */
static bool is_literal(const config_key *key, const char *value)
{
    size_t blanks = strspn(value, " \t\r\n");
    bool empty = value[blanks] == 0 || value[blanks] == '#';
    switch (key->kind) {
    case CONFIG_DELIMITER:
        return value[0] != '"' && value[0] != '\'';
    case CONFIG_TEXT:
    case CONFIG_NAME:
    case CONFIG_WORD:
    case CONFIG_CONSTANT:
    case CONFIG_DAY:
        if (key->flags & CONFIG_NULLABLE && (strcmp(value, "null") == 0 || strcmp(value, "~") == 0))
            return false;
        return empty || !strchr("\"'[{", value[0]);
    default:
        return empty;
    }
}

static strata_status set_value(const config_source *source, strata_config *config, int32_t index,
                               const char *value)
{
    strata_text quoted = {0};
    strata_status rc = STRATA_OK;
    if (is_literal(&config_table[index], value)) {
        STRATA_TRY(config_quote(source->ctx, &quoted, value));
        value = quoted.bytes;
    }
    STRATA_TRY(read_value(source, config, index, value));
done:
    strata_free(&quoted.bytes);
    return rc;
}

/* The nearest path; a bare last word ("k") finds its full path first. */
static const char *nearest_path(const char *word)
{
    enum { MAX_PATHS = 128 };
    const char *paths[MAX_PATHS];
    int32_t n = 0;
    for (int32_t i = 0; i < config_table_count && n < MAX_PATHS; i++) {
        const char *leaf = strrchr(config_table[i].path, '.');
        if (leaf && strcmp(leaf + 1, word) == 0)
            return config_table[i].path;
        paths[n++] = config_table[i].path;
    }
    return strata_text_nearest(word, paths, n);
}

strata_status strata_config_set(strata_context *ctx, strata_config *config, const char *key,
                                const char *value, strata_origin origin, const char *where)
{
    config_source source = {ctx, where, origin};
    int32_t index = config_find(key);
    if (index < 0) {
        const char *near = nearest_path(key);
        return strata_context_fail(ctx, STRATA_ERR_USAGE, __FILE__, __LINE__,
                                   "%s: unknown key \"%.100s\"%s%s%s", where ? where : "--set", key,
                                   near ? " (did you mean \"" : "; see strata help config",
                                   near ? near : "", near ? "\"?)" : "");
    }
    return set_value(&source, config, index, value);
}

strata_status strata_config_assign(strata_context *ctx, strata_config *config,
                                   const char *assignment)
{
    const char *equal = strchr(assignment, '=');
    char key[128];
    if (!equal || equal == assignment || equal - assignment >= (int64_t)sizeof key)
        return strata_context_fail(ctx, STRATA_ERR_USAGE, __FILE__, __LINE__,
                                   "--set: expected key=value such as cluster.k=5, found \"%.80s\"",
                                   assignment);
    memcpy(key, assignment, (size_t)(equal - assignment));
    key[equal - assignment] = 0;
    return strata_config_set(ctx, config, key, equal + 1, STRATA_FROM_SET, NULL);
}

strata_status strata_config_set_list(strata_context *ctx, strata_config *config, const char *key,
                                     const char *const *values, int32_t n, const char *flag)
{
    strata_text list = {0};
    strata_status rc = STRATA_OK;
    STRATA_TRY(strata_text_add(ctx, &list, "[", 1));
    for (int32_t i = 0; i < n; i++) {
        if (i)
            STRATA_TRY(strata_text_add(ctx, &list, ", ", 2));
        STRATA_TRY(config_quote(ctx, &list, values[i]));
    }
    STRATA_TRY(strata_text_add(ctx, &list, "]", 1));
    STRATA_TRY(strata_config_set(ctx, config, key, list.bytes, STRATA_FROM_FLAG, flag));
done:
    strata_free(&list.bytes);
    return rc;
}

/* ---- the environment ------------------------------------------------------------------------- */

static int32_t find_variable(const char *name, int64_t length)
{
    char variable[64];
    for (int32_t i = 0; i < config_table_count; i++) {
        config_variable(config_table[i].path, variable);
        if ((int64_t)strlen(variable) == length && strncmp(variable, name, (size_t)length) == 0)
            return i;
    }
    return -1;
}

static bool is_reserved(const char *name)
{
    for (const char *const *reserved = config_reserved; *reserved; reserved++)
        if (fnmatch(*reserved, name, 0) == 0)
            return true;
    return false;
}

static strata_status unknown_variable(strata_context *ctx, const char *name)
{
    enum { MAX_VARIABLES = 128 };
    char variables[MAX_VARIABLES][64];
    const char *candidates[MAX_VARIABLES];
    int32_t n = 0;
    for (; n < config_table_count && n < MAX_VARIABLES; n++)
        candidates[n] = config_variable(config_table[n].path, variables[n]);
    const char *near = strata_text_nearest(name, candidates, n);
    return strata_context_fail(ctx, STRATA_ERR_USAGE, __FILE__, __LINE__,
                               "environment: unknown variable %.80s%s%s%s", name,
                               near ? " (did you mean " : "; unset it, or see strata help config",
                               near ? near : "", near ? "?)" : "");
}

strata_status strata_config_apply_environment(strata_context *ctx, strata_config *config,
                                              const char *const *environment)
{
    strata_status rc = STRATA_OK;
    for (const char *const *entry = environment; *entry; entry++) {
        const char *equal = strchr(*entry, '=');
        char name[128];
        if (!equal || strncmp(*entry, "STRATA_", 7) != 0)
            continue;
        snprintf(name, sizeof name, "%.*s", (int)(equal - *entry), *entry);
        if (is_reserved(name))
            continue;
        int32_t index = find_variable(*entry, equal - *entry);
        if (index < 0) {
            rc = unknown_variable(ctx, name);
            goto done;
        }
        config_source source = {ctx, name, STRATA_FROM_ENVIRONMENT};
        STRATA_TRY(set_value(&source, config, index, equal + 1));
    }
done:
    return rc;
}

/* ---- questions ------------------------------------------------------------------------------- */

strata_status strata_config_hash(strata_context *ctx, const strata_config *config, char out[33])
{
    char *yaml = NULL;
    strata_status rc = strata_config_to_yaml(ctx, config, &yaml);
    if (rc == STRATA_OK)
        strata_content_hash(yaml, (int64_t)strlen(yaml), out);
    strata_free(&yaml);
    return rc;
}

strata_origin strata_config_origin(const strata_config *config, const char *key)
{
    int32_t index = config_find(key);
    return index < 0 || !config->marks ? STRATA_FROM_DEFAULT : config->marks[index].origin;
}
