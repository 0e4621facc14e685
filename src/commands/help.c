#include <string.h>

#include "command.h"

#include "strata/config.h"

void strata_help_overview(FILE *out)
{
    int32_t n = 0;
    const strata_command *const *commands = strata_command_table(&n);
    fputs("strata stratifies a whole user base: RFM features, segments, exact K-means, honest "
          "tests\n\n"
          "Usage: strata COMMAND [OPTIONS]\n"
          "       mpirun -n RANKS strata COMMAND [OPTIONS]\n\nCommands (* runs on many ranks):\n",
          out);
    for (int32_t i = 0; i < n; i++)
        fprintf(out, "  %-12s%s %s\n", commands[i]->name, commands[i]->uses_mpi ? "*" : " ",
                commands[i]->summary);
    fputs("\n'strata help COMMAND' shows the options of a command, 'strata help config' every\n"
          "configuration key, 'strata --version' and '--build-info' what this program is.\n\n"
          "Exit codes: 0 done, 1 internal error, 2 usage or configuration, 3 a gate failed\n"
          "(--strict), 4 rebuild recommended, 5 input unusable, 6 not enough memory or disk,\n"
          "7 I/O failed, 8 verification failed, 75 stopped at a checkpoint: requeue.\n",
          out);
}

void strata_help_command(const strata_command *command, FILE *out)
{
    fprintf(out, "Usage: %sstrata %s %s\n\n%s\n", command->uses_mpi ? "mpirun -n RANKS " : "",
            command->name, command->usage, command->summary);
    if (command->details)
        fprintf(out, "\n%s\n", command->details);
    fputs("\nOptions:\n", out);
    const strata_option *option;
    for (int32_t i = 0; (option = strata_command_option(command, i)); i++) {
        char left[64], letter[8] = "";
        bool has_long = option->name[1] == '-';
        if (option->letter && has_long)
            snprintf(letter, sizeof letter, "-%c, ", option->letter);
        snprintf(left, sizeof left, "%s%s%s%s%s", letter, option->name, option->value ? " " : "",
                 option->value ? option->value : "",
                 option->kind == STRATA_OPTION_MANY ? "..." : "");
        fprintf(out, "  %-28s %s%s\n", left, option->help, option->required ? " (required)" : "");
    }
}

static strata_status run(strata_context *ctx, const strata_command_line *line)
{
    if (line->n_operands == 0) {
        strata_help_overview(stdout);
        return STRATA_OK;
    }
    if (strcmp(line->operands[0], "config") == 0)
        return strata_config_explain(ctx, stdout);
    const strata_command *command = strata_command_find(line->operands[0]);
    if (!command)
        return strata_context_fail(ctx, STRATA_ERR_USAGE, __FILE__, __LINE__,
                                   "no help for \"%.60s\"; see strata help", line->operands[0]);
    strata_help_command(command, stdout);
    return STRATA_OK;
}

const strata_command strata_command_help = {
    .name = "help",
    .usage = "[COMMAND | config]",
    .summary = "show the commands, the options of one, or every configuration key",
    .max_operands = 1,
    .run = run,
};
