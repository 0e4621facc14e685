#include <string.h>
#include <unistd.h>

#include "command.h"

#include "strata/cluster.h"
#include "strata/memory.h"
#include "strata/par.h"
#include "strata/text.h"

/* ---- the configuration of a command ---------------------------------------------------------- */

/* Sends text [*length] of rank 0 to all ranks; the other ranks' *text is allocated. */
static strata_status share(strata_context *ctx, char **text, int64_t *length)
{
    strata_status rc = STRATA_OK;
    STRATA_TRY(strata_par_bcast(ctx, length, (int64_t)sizeof *length, 0));
    if (ctx->rank != 0)
        rc = strata_alloc(ctx, *length + 1, 1, text);
    STRATA_AGREE(ctx, rc);
    STRATA_TRY(strata_par_bcast(ctx, *text, *length, 0));
    (*text)[*length] = 0;
done:
    return rc;
}

static strata_status load_file(strata_context *ctx, const char *path, strata_config *config)
{
    strata_status rc = STRATA_OK;
    char *text = NULL;
    int64_t length = 0;
    if (ctx->rank == 0)
        rc = strata_config_read_file(ctx, path, &text, &length);
    STRATA_AGREE(ctx, rc);
    STRATA_TRY(share(ctx, &text, &length));
    STRATA_AGREE(ctx, strata_config_load_text(ctx, config, text, length, path));
done:
    strata_free(&text);
    return rc;
}

static strata_status apply_implied(strata_context *ctx, const strata_option *option,
                                   strata_config *config)
{
    char key[64];
    const char *equal = strchr(option->implies, '=');
    snprintf(key, sizeof key, "%.*s", (int)(equal - option->implies), option->implies);
    return strata_config_set(ctx, config, key, equal + 1, STRATA_FROM_FLAG, option->name);
}

/* The STRATA_ variables of this process, each with a zero byte behind it. */
static strata_status collect_environment(strata_context *ctx, strata_text *out)
{
    strata_status rc = STRATA_OK;
    STRATA_TRY(strata_text_add(ctx, out, "", 0));
    for (char **entry = environ; entry && *entry; entry++)
        if (strncmp(*entry, "STRATA_", 7) == 0)
            STRATA_TRY(strata_text_add(ctx, out, *entry, (int64_t)strlen(*entry) + 1));
done:
    return rc;
}

/* Launchers do not carry the environment to other nodes alike; rank 0's is the one that counts. */
static strata_status apply_environment(strata_context *ctx, strata_config *config)
{
    strata_status rc = STRATA_OK;
    strata_text text = {0};
    const char **entries = NULL;
    int64_t n = 0;
    if (ctx->rank == 0)
        rc = collect_environment(ctx, &text);
    STRATA_AGREE(ctx, rc);
    STRATA_TRY(share(ctx, &text.bytes, &text.length));
    for (int64_t i = 0; i < text.length; i++)
        n += text.bytes[i] == 0;
    rc = strata_calloc(ctx, n + 1, (int64_t)sizeof *entries, &entries);
    if (rc == STRATA_OK) {
        n = 0;
        for (int64_t at = 0; at < text.length; at += (int64_t)strlen(text.bytes + at) + 1)
            entries[n++] = text.bytes + at;
        rc = strata_config_apply_environment(ctx, config, entries);
    }
    STRATA_AGREE(ctx, rc);
done:
    strata_free(&entries);
    strata_free(&text.bytes);
    return rc;
}

static strata_status apply_flags(strata_context *ctx, const strata_command_line *line,
                                 strata_config *config)
{
    strata_status rc = STRATA_OK;
    for (int32_t i = 0; i < line->n_given; i++)
        if (line->given[i].option->implies)
            STRATA_TRY(apply_implied(ctx, line->given[i].option, config));
    for (int32_t i = 0; i < line->n_given; i++) {
        const strata_given *given = &line->given[i];
        const strata_option *option = given->option;
        if (!option->config_key)
            continue;
        if (option->kind == STRATA_OPTION_LIST || option->kind == STRATA_OPTION_MANY)
            STRATA_TRY(strata_config_set_list(ctx, config, option->config_key, given->values,
                                              given->n, option->name));
        else
            STRATA_TRY(strata_config_set(ctx, config, option->config_key,
                                         given->n > 0 ? given->values[0] : "true", STRATA_FROM_FLAG,
                                         option->name));
    }
done:
    return rc;
}

static strata_status apply_command_line(strata_context *ctx, const strata_command_line *line,
                                        strata_config *config)
{
    strata_status rc = STRATA_OK;
    int32_t n = 0;
    const char *const *assignments = strata_option_list(line, "--set", &n);
    for (int32_t i = 0; i < n; i++)
        STRATA_TRY(strata_config_assign(ctx, config, assignments[i]));
    STRATA_TRY(apply_flags(ctx, line, config));
    STRATA_TRY(line->command->common & STRATA_COMMON_FEATURES
                   ? strata_config_validate_features(ctx, config)
                   : strata_config_validate(ctx, config));
done:
    return rc;
}

strata_status strata_command_config(strata_context *ctx, const strata_command_line *line,
                                    strata_config *config, bool *finished)
{
    strata_status rc = STRATA_OK;
    const char *path = strata_option_text(line, "--config", NULL);
    STRATA_AGREE(ctx, strata_config_init(ctx, config));
    if (path)
        STRATA_TRY(load_file(ctx, path, config));
    STRATA_TRY(apply_environment(ctx, config));
    STRATA_AGREE(ctx, apply_command_line(ctx, line, config));
    *finished = strata_option_flag(line, "--print-config");
    if (*finished && ctx->rank == 0)
        rc = strata_config_print(ctx, config, stdout);
    STRATA_AGREE(ctx, rc);
done:
    return rc;
}

/* ---- the command line ------------------------------------------------------------------------ */

static bool is_plain_word(const char *word)
{
    static const char harmless[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                   "_-./,:=+@%";
    return *word && strspn(word, harmless) == strlen(word);
}

strata_status strata_command_text(strata_context *ctx, const strata_command_line *line, char **out)
{
    strata_status rc = STRATA_OK;
    strata_text text = {0};
    STRATA_TRY(strata_text_add(ctx, &text, "strata", 6));
    for (int i = 1; i < line->argc; i++) {
        const char *word = line->argv[i];
        STRATA_TRY(strata_text_add(ctx, &text, " ", 1));
        if (is_plain_word(word)) {
            STRATA_TRY(strata_text_addf(ctx, &text, "%s", word));
            continue;
        }
        STRATA_TRY(strata_text_add(ctx, &text, "'", 1));
        for (const char *c = word; *c; c++)
            STRATA_TRY(*c == '\'' ? strata_text_add(ctx, &text, "'\\''", 4)
                                  : strata_text_add(ctx, &text, c, 1));
        STRATA_TRY(strata_text_add(ctx, &text, "'", 1));
    }
    *out = text.bytes;
    text.bytes = NULL;
done:
    strata_free(&text.bytes);
    return rc;
}

/* ---- names and the screen --------------------------------------------------------------------- */

strata_status strata_command_check_variant(strata_context *ctx, const char *what, const char *name)
{
    strata_status rc = STRATA_OK;
    strata_text list = {0};
    bool known = strcmp(name, "auto") == 0;
    for (int32_t v = 0; v < strata_cluster_variant_count(); v++) {
        const char *there = strata_cluster_variant_at(v)->name;
        known = known || strcmp(there, name) == 0;
        STRATA_TRY(strata_text_addf(ctx, &list, ", %s", there));
    }
    if (!known)
        STRATA_FAIL(ctx, STRATA_ERR_USAGE, "%s: the variant \"%.60s\" is unknown; there are auto%s",
                    what, name, list.bytes);
done:
    strata_free(&list.bytes);
    return rc;
}

bool strata_command_has_screen(const strata_context *ctx, const strata_command_line *line)
{
    return !ctx->quiet && strcmp(strata_option_text(line, "--json", ""), "-") != 0;
}
