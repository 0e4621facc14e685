#include "table.h"

#include <string.h>

#include "command.h"

#define DECLARE(name) extern const strata_command strata_command_##name;
STRATA_COMMANDS(DECLARE)

#define ENTRY(name) &strata_command_##name,
static const strata_command *const table[] = {STRATA_COMMANDS(ENTRY)};

const strata_command *const *strata_command_table(int32_t *n)
{
    *n = (int32_t)(sizeof table / sizeof table[0]);
    return table;
}

const strata_command *strata_command_find(const char *name)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (strcmp(table[i]->name, name) == 0)
            return table[i];
    return NULL;
}

static const strata_option common_config[] = {
    {"--config", 'c', STRATA_OPTION_TEXT, "FILE", "configuration (YAML)"},
    {"--set", 0, STRATA_OPTION_EACH, "KEY=VALUE", "set a configuration key; may be repeated"},
    {"--seed", 0, STRATA_OPTION_UINT64, "N", "seed of all randomness", .config_key = "cluster.seed"},
    {"--print-config", 0, STRATA_OPTION_FLAG, NULL, "print each value and where it came from"},
};

static const strata_option common_output[] = {
    {"--force", 0, STRATA_OPTION_FLAG, NULL, "replace an existing output"},
    {"--dry-run", 0, STRATA_OPTION_FLAG, NULL, "validate and estimate, compute nothing"},
    {"--json", 0, STRATA_OPTION_TEXT, "FILE", "write a machine-readable summary"},
};

static const strata_option common_gates[] = {
    {"--strict", 0, STRATA_OPTION_FLAG, NULL, "exit with 3 when a gate fails"},
};

static const strata_option common_always[] = {
    {"--log-level", 0, STRATA_OPTION_WORD, "LEVEL", "error, warning, info or debug",
     .words = "error|warning|info|debug"},
    {"--log-format", 0, STRATA_OPTION_WORD, "FORMAT", "text or json", .words = "text|json"},
    {"--progress", 0, STRATA_OPTION_WORD, "WHEN", "auto: on a terminal; never",
     .words = "auto|never"},
    {"--quiet", 'q', STRATA_OPTION_FLAG, NULL, "no progress, no summary"},
    {"--help", 'h', STRATA_OPTION_FLAG, NULL, "this help"},
};

static bool replaced(const strata_command *command, const strata_option *option)
{
    for (const strata_option *own = command->options; own && own->name; own++)
        if (strcmp(own->name, option->name) == 0)
            return true;
    return false;
}

const strata_option *strata_command_option(const strata_command *command, int32_t i)
{
    static const struct {
        const strata_option *options;
        int32_t n;
        unsigned group;
    } groups[] = {
        {common_config, sizeof common_config / sizeof common_config[0], STRATA_COMMON_CONFIG},
        {common_output, sizeof common_output / sizeof common_output[0], STRATA_COMMON_OUTPUT},
        {common_gates, sizeof common_gates / sizeof common_gates[0], STRATA_COMMON_GATES},
        {common_always, sizeof common_always / sizeof common_always[0], 0},
    };
    for (const strata_option *own = command->options; own && own->name; own++)
        if (i-- == 0)
            return own;
    for (size_t g = 0; g < sizeof groups / sizeof groups[0]; g++) {
        if ((command->common & groups[g].group) != groups[g].group)
            continue;
        for (int32_t o = 0; o < groups[g].n; o++)
            if (!replaced(command, &groups[g].options[o]) && i-- == 0)
                return &groups[g].options[o];
    }
    return NULL;
}
