/* command.h: the commands of the program and their options.
 *
 * To add a command NAME:
 *
 *   1. src/commands/NAME.c with its options and its entry in the table, and one function:
 *
 *          static const strata_option options[] = {
 *              {"--users", 0, STRATA_OPTION_INT64, "N", "number of users", .low = 1, .high = 1e12,
 *               .required = true},
 *              {"--output", 'o', STRATA_OPTION_TEXT, "OUT.h5", "the result", .required = true},
 *              {"-k", 'k', STRATA_OPTION_TEXT, "N", "clusters", .config_key = "cluster.k"},
 *              {0},
 *          };
 *
 *          static strata_status run(strata_context *ctx, const strata_command_line *line)
 *          {
 *              int64_t users = strata_option_int64(line, "--users", 0);
 *              const char *path = strata_option_text(line, "--output", NULL);
 *              strata_status rc = STRATA_OK;
 *              strata_config config = {0};
 *              bool finished = false;
 *              STRATA_TRY(strata_command_config(ctx, line, &config, &finished));
 *              if (finished)
 *                  goto done;          // --print-config has printed
 *              ...
 *          done:
 *              strata_config_release(&config);
 *              return rc;
 *          }
 *
 *          const strata_command strata_command_NAME = {
 *              .name = "NAME", .usage = "--users N -o OUT.h5", .summary = "one line for the list",
 *              .uses_mpi = true, .common = STRATA_COMMON_CONFIG | STRATA_COMMON_OUTPUT,
 *              .options = options, .run = run};
 *
 *   2. one line X(NAME) in src/commands/table.h, and NAME.c in src/commands/CMakeLists.txt.
 *
 * The same table parses the command line and prints the help. An option of a command takes the place
 * of a common one with the same name (inspect has its own --json, generate its own --seed).
 *
 * run is called on every rank when uses_mpi, with a context over all of them, else on one process with
 * a serial context. Before it works it lets check_outputs (outputs.h) look at the files that it will
 * write. It returns the same status on every rank (STRATA_AGREE on what is local); main turns it into
 * the exit code and prints the recorded error once, on rank 0. */
#ifndef STRATA_COMMANDS_COMMAND_H
#define STRATA_COMMANDS_COMMAND_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "strata/config.h"
#include "strata/context.h"

typedef enum strata_option_kind {
    STRATA_OPTION_FLAG,   /* no value */
    STRATA_OPTION_TEXT,   /* one value, not empty */
    STRATA_OPTION_WORD,   /* one of words */
    STRATA_OPTION_INT64,  /* from low to high; low = high = 0: any */
    STRATA_OPTION_UINT64, /* any */
    STRATA_OPTION_DOUBLE, /* finite, from low to high; low = high = 0: any */
    STRATA_OPTION_LIST,   /* a,b,c: one value, split at commas */
    STRATA_OPTION_EACH,   /* one value, the option may be repeated */
    STRATA_OPTION_MANY    /* one or more values up to the next flag; may be repeated */
} strata_option_kind;

typedef struct strata_option {
    const char *name; /* "--output", or "-k" for one without a long form */
    char letter;      /* 'o' for -o; 0 = none */
    strata_option_kind kind;
    const char *value; /* what the help calls the value: "OUT.h5"; NULL for flags */
    const char *help;
    const char *config_key; /* strata_command_config sets this key from the value; NULL = none */
    const char *words;      /* "text|json" */
    double low, high;
    bool required;
    const char *implies; /* "key=value": another key that it sets, if no option does; NULL = none */
} strata_option;

/* Which common options a command takes; -h, --log-level, --log-format, --progress and -q are there
 * always. */
enum {
    STRATA_COMMON_CONFIG = 1, /* -c, --set, --seed, --print-config */
    STRATA_COMMON_OUTPUT = 2, /* --force, --dry-run, --json */
    STRATA_COMMON_GATES = 4,  /* --strict */
    STRATA_COMMON_FEATURES = 8, /* no option: the input holds features, not transactions */
};

struct strata_command_line;

typedef struct strata_command {
    const char *name;
    const char *usage;   /* what follows the name: "-c CONFIG [-i PATH...] -o OUT.h5" */
    const char *summary; /* one line */
    const char *details; /* further lines of its help; NULL = none */
    bool uses_mpi;
    unsigned common;
    const strata_option *options; /* ends with a name of NULL; NULL = none */
    int32_t min_operands, max_operands; /* words that belong to no option */
    /* Collective if uses_mpi. */
    strata_status (*run)(strata_context *ctx, const struct strata_command_line *line);
} strata_command;

/* One option as given. */
typedef struct strata_given {
    const strata_option *option;
    const char **values; /* [n], borrowed from argv or text; the array is owned */
    int32_t n;
    char *text; /* the pieces of a list; owned */
} strata_given;

/* A parsed command line. */
typedef struct strata_command_line {
    const strata_command *command;
    strata_given *given; /* [n_given] in order of first appearance; owned */
    int32_t n_given;
    const char **operands; /* [n_operands]; the array is owned */
    int32_t n_operands;
    bool help; /* -h: print the command's help and do nothing */
    int argc;
    const char *const *argv; /* borrowed */
} strata_command_line;

/* The commands that exist, [*n]. Not collective. */
const strata_command *const *strata_command_table(int32_t *n);

/* The command named name, or NULL. Not collective. */
const strata_command *strata_command_find(const char *name);

/* Not collective. Parses argv[1..argc). STRATA_ERR_USAGE: unknown command or option (with the nearest
 * one), missing or surplus values, values out of range, a required option missing (but
 * --print-config, which computes nothing, requires none), an option given twice. *line is released by the caller in every case. */
strata_status strata_command_parse(strata_context *ctx, int argc, const char *const *argv,
                                   strata_command_line *line) STRATA_MUST_USE;
void strata_command_line_release(strata_command_line *line);

/* Not collective. The part of strata_command_parse behind the command's name: argv[2..argc). */
strata_status strata_command_parse_options(strata_context *ctx, const strata_command *command,
                                           int argc, const char *const *argv,
                                           strata_command_line *line) STRATA_MUST_USE;

/* ---- values of options ----------------------------------------------------------------------- */

/* All not collective. Ranges were checked when the line was parsed. name is the option's name in the
 * table ("--output"); an option that was not given yields fallback. */
bool strata_option_flag(const strata_command_line *line, const char *name);
const char *strata_option_text(const strata_command_line *line, const char *name,
                               const char *fallback);
int64_t strata_option_int64(const strata_command_line *line, const char *name, int64_t fallback);
uint64_t strata_option_uint64(const strata_command_line *line, const char *name, uint64_t fallback);
double strata_option_double(const strata_command_line *line, const char *name, double fallback);
/* The values [*n] of a LIST, EACH or MANY option; NULL and 0 when not given. Not collective. */
const char *const *strata_option_list(const strata_command_line *line, const char *name, int32_t *n);

/* ---- what commands share --------------------------------------------------------------------- */

/* Collective if the command uses MPI. The configuration of a command with STRATA_COMMON_CONFIG:
 * defaults, then the file of -c, STRATA_ variables, --set in their order, options with a config_key.
 * Rank 0 reads file and environment and sends the texts, so all ranks decide alike. Validated. With
 * --print-config prints it on rank 0 and sets *finished. config: release it in every case. */
strata_status strata_command_config(strata_context *ctx, const strata_command_line *line,
                                    strata_config *config, bool *finished) STRATA_MUST_USE;

/* Not collective. Whether the summary for people goes to standard output: not with -q, and not when
 * --json - takes it. */
bool strata_command_has_screen(const strata_context *ctx, const strata_command_line *line);

/* Not collective. The command line as a shell would read it back, for provenance. *out is owned by the
 * caller (strata_free). */
strata_status strata_command_text(strata_context *ctx, const strata_command_line *line, char **out)
    STRATA_MUST_USE;

/* Not collective. Whether there is a K-means variant of this name (auto is one); else STRATA_ERR_USAGE, and
 * the message of option or key `what` names them all. */
strata_status strata_command_check_variant(strata_context *ctx, const char *what, const char *name)
    STRATA_MUST_USE;

/* Not collective. The list of commands; the help of one. */
void strata_help_overview(FILE *out);
void strata_help_command(const strata_command *command, FILE *out);

/* The options of a command in the order of its help: its own, then the common ones that it takes and
 * does not replace. i from 0; NULL beyond the last. Not collective. */
const strata_option *strata_command_option(const strata_command *command, int32_t i);

#endif
