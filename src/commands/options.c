#include <math.h>
#include <string.h>

#include "command.h"

#include "strata/memory.h"
#include "strata/text.h"

/* ---- finding --------------------------------------------------------------------------------- */

static bool is_option(const char *word)
{
    return word[0] == '-' && word[1] != 0;
}

/* A negative number is a value, never an option. */
static bool ends_values(const char *word)
{
    double number = 0;
    return is_option(word) && !strata_text_to_double(word, (int64_t)strlen(word), &number);
}

/* --name, --name=value (*value points behind the '=') or -n. */
static const strata_option *find_option(const strata_command *command, const char *word,
                                        const char **value)
{
    const char *equal = strchr(word, '=');
    size_t length = equal ? (size_t)(equal - word) : strlen(word);
    *value = equal ? equal + 1 : NULL;
    const strata_option *option;
    for (int32_t i = 0; (option = strata_command_option(command, i)); i++) {
        if (strlen(option->name) == length && strncmp(option->name, word, length) == 0)
            return option;
        if (option->letter && length == 2 && word[0] == '-' && word[1] == option->letter)
            return option;
    }
    return NULL;
}

static strata_status unknown_command(strata_context *ctx, const char *word)
{
    enum { MAX_COMMANDS = 64 };
    const char *names[MAX_COMMANDS];
    int32_t n = 0, count = 0;
    const strata_command *const *commands = strata_command_table(&n);
    for (; count < n && count < MAX_COMMANDS; count++)
        names[count] = commands[count]->name;
    const char *near = strata_text_nearest(word, names, count);
    return strata_context_fail(
        ctx, STRATA_ERR_USAGE, __FILE__, __LINE__, "unknown %s \"%.60s\"%s%s%s; see strata help",
        is_option(word) ? "option" : "command", word, near ? " (did you mean \"" : "",
        near ? near : "", near ? "\"?)" : "");
}

static strata_status unknown_option(strata_context *ctx, const strata_command *command,
                                    const char *word)
{
    enum { MAX_OPTIONS = 64 };
    const char *names[MAX_OPTIONS], *near = NULL;
    char cut[64];
    int32_t n = 0;
    const strata_option *option;
    for (int32_t i = 0; n < MAX_OPTIONS && (option = strata_command_option(command, i)); i++)
        names[n++] = option->name;
    snprintf(cut, sizeof cut, "%.*s", (int)strcspn(word, "="), word);
    if (word[1] == '-' || word[2] != 0)
        near = strata_text_nearest(cut, names, n);
    return strata_context_fail(
        ctx, STRATA_ERR_USAGE, __FILE__, __LINE__, "unknown option %s%s%s%s; see strata %s --help",
        cut, near ? " (did you mean " : "", near ? near : "", near ? "?)" : "", command->name);
}

/* ---- values ---------------------------------------------------------------------------------- */

static bool is_word(const char *words, const char *value)
{
    size_t length = strlen(value);
    for (; *words; words += strcspn(words, "|"), words += *words == '|')
        if (strcspn(words, "|") == length && strncmp(words, value, length) == 0)
            return true;
    return false;
}

static strata_status wrong_value(strata_context *ctx, const strata_option *option,
                                 const char *value)
{
    char expected[256], low[32], high[32];
    bool any = option->low == 0 && option->high == 0;
    strata_text_of_double(option->low, low);
    strata_text_of_double(option->high, high);
    const char *kind = option->kind == STRATA_OPTION_DOUBLE ? "a number" : "a whole number";
    if (option->kind == STRATA_OPTION_WORD)
        snprintf(expected, sizeof expected, "one of %s", option->words);
    else if (option->kind == STRATA_OPTION_UINT64)
        snprintf(expected, sizeof expected, "a whole number from 0 to 18446744073709551615");
    else if (option->kind == STRATA_OPTION_TEXT || option->kind == STRATA_OPTION_LIST)
        snprintf(expected, sizeof expected, "%s", option->value);
    else if (any)
        snprintf(expected, sizeof expected, "%s", kind);
    else
        snprintf(expected, sizeof expected, "%s from %s to %s", kind, low, high);
    return strata_context_fail(ctx, STRATA_ERR_USAGE, __FILE__, __LINE__,
                               "%s: expected %s, found \"%.80s\"", option->name, expected, value);
}

static strata_status check_value(strata_context *ctx, const strata_option *option,
                                 const char *value)
{
    int64_t length = (int64_t)strlen(value), whole = 0;
    uint64_t large = 0;
    double real = 0;
    bool right = length > 0;
    switch (option->kind) {
    case STRATA_OPTION_WORD:
        right = is_word(option->words, value);
        break;
    case STRATA_OPTION_INT64:
        right = strata_text_to_int64(value, length, &whole);
        real = (double)whole;
        break;
    case STRATA_OPTION_UINT64:
        right = strata_text_to_uint64(value, length, &large);
        break;
    case STRATA_OPTION_DOUBLE:
        right = strata_text_to_double(value, length, &real);
        break;
    default:
        break;
    }
    bool ranged = (option->kind == STRATA_OPTION_INT64 || option->kind == STRATA_OPTION_DOUBLE) &&
                  !(option->low == 0 && option->high == 0);
    if (!right || (ranged && (real < option->low || real > option->high)))
        return wrong_value(ctx, option, value);
    return STRATA_OK;
}

static strata_given *find_given(const strata_command_line *line, const char *name)
{
    for (int32_t i = 0; i < line->n_given; i++)
        if (strcmp(line->given[i].option->name, name) == 0)
            return &line->given[i];
    return NULL;
}

/* a,b,c -> three values; an empty piece is a mistake. */
static strata_status split_list(strata_context *ctx, strata_given *given, const char *value)
{
    strata_status rc = STRATA_OK;
    int32_t pieces = 1;
    for (const char *c = value; *c; c++)
        pieces += *c == ',';
    STRATA_TRY(strata_text_copy(ctx, value, (int64_t)strlen(value), &given->text));
    STRATA_TRY(strata_calloc(ctx, pieces, (int64_t)sizeof *given->values, &given->values));
    for (char *piece = given->text; given->n < pieces;) {
        char *comma = strchr(piece, ',');
        if (comma)
            *comma = 0;
        if (*piece == 0)
            STRATA_FAIL(ctx, STRATA_ERR_USAGE, "%s: expected %s, found an empty piece in \"%.80s\"",
                        given->option->name, given->option->value, value);
        given->values[given->n++] = piece;
        piece = comma ? comma + 1 : piece;
    }
done:
    return rc;
}

static strata_status add_value(strata_context *ctx, const strata_command_line *line,
                               strata_given *given, const char *value)
{
    strata_status rc = STRATA_OK;
    STRATA_TRY(check_value(ctx, given->option, value));
    if (given->option->kind == STRATA_OPTION_LIST)
        return split_list(ctx, given, value);
    if (!given->values) /* as many as the command line has words, so it never grows */
        STRATA_TRY(strata_calloc(ctx, line->argc, (int64_t)sizeof *given->values, &given->values));
    given->values[given->n++] = value;
done:
    return rc;
}

/* ---- parsing --------------------------------------------------------------------------------- */

/* Reads the option at argv[*at] with its values and moves *at behind them. */
static strata_status parse_option(strata_context *ctx, strata_command_line *line, int *at)
{
    strata_status rc = STRATA_OK;
    const char *word = line->argv[*at], *value = NULL;
    const strata_option *option = find_option(line->command, word, &value);
    if (!option)
        return unknown_option(ctx, line->command, word);
    ++*at;
    strata_given *given = find_given(line, option->name);
    bool repeats = option->kind == STRATA_OPTION_EACH || option->kind == STRATA_OPTION_MANY ||
                   option->kind == STRATA_OPTION_FLAG;
    if (given && !repeats)
        STRATA_FAIL(ctx, STRATA_ERR_USAGE, "%s is given twice", option->name);
    if (!given) {
        given = &line->given[line->n_given++];
        given->option = option;
    }
    if (option->kind == STRATA_OPTION_FLAG) {
        if (value)
            STRATA_FAIL(ctx, STRATA_ERR_USAGE, "%s takes no value", option->name);
        goto done;
    }
    if (!value) {
        if (*at >= line->argc || ends_values(line->argv[*at]))
            STRATA_FAIL(ctx, STRATA_ERR_USAGE, "%s needs a value: %s", option->name, option->value);
        value = line->argv[(*at)++];
    }
    STRATA_TRY(add_value(ctx, line, given, value));
    while (option->kind == STRATA_OPTION_MANY && *at < line->argc && !is_option(line->argv[*at]))
        STRATA_TRY(add_value(ctx, line, given, line->argv[(*at)++]));
done:
    return rc;
}

static strata_status parse_words(strata_context *ctx, strata_command_line *line, int at)
{
    strata_status rc = STRATA_OK;
    bool only_operands = false;
    while (at < line->argc) {
        const char *word = line->argv[at];
        if (!only_operands && strcmp(word, "--") == 0) {
            only_operands = true;
            at++;
        } else if (!only_operands && is_option(word)) {
            STRATA_TRY(parse_option(ctx, line, &at));
        } else {
            if (line->n_operands >= line->command->max_operands)
                STRATA_FAIL(ctx, STRATA_ERR_USAGE, "unexpected \"%.80s\"; see strata %s --help",
                            word, line->command->name);
            line->operands[line->n_operands++] = word;
            at++;
        }
    }
done:
    return rc;
}

static strata_status check_complete(strata_context *ctx, const strata_command_line *line)
{
    const strata_command *command = line->command;
    const strata_option *option;
    if (find_given(line, "--print-config")) /* asks about the configuration alone */
        return STRATA_OK;
    for (int32_t i = 0; (option = strata_command_option(command, i)); i++)
        if (option->required && !find_given(line, option->name))
            return strata_context_fail(
                ctx, STRATA_ERR_USAGE, __FILE__, __LINE__, "%s %s is missing; usage: strata %s %s",
                option->name, option->value ? option->value : "", command->name, command->usage);
    if (line->n_operands < command->min_operands)
        return strata_context_fail(ctx, STRATA_ERR_USAGE, __FILE__, __LINE__,
                                   "something is missing; usage: strata %s %s", command->name,
                                   command->usage);
    return STRATA_OK;
}

static const strata_command *top_level(const char *word)
{
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return strata_command_find("help");
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0)
        return strata_command_find("version");
    if (strcmp(word, "--build-info") == 0)
        return strata_command_find("build-info");
    return strata_command_find(word);
}

strata_status strata_command_parse_options(strata_context *ctx, const strata_command *command,
                                           int argc, const char *const *argv,
                                           strata_command_line *line)
{
    strata_status rc = STRATA_OK;
    *line = (strata_command_line){.command = command, .argc = argc, .argv = argv};
    for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            line->help = true;
    if (line->help) /* whatever else is wrong: this is what the user needs */
        return STRATA_OK;
    STRATA_TRY(strata_calloc(ctx, argc, (int64_t)sizeof *line->given, &line->given));
    STRATA_TRY(strata_calloc(ctx, argc, (int64_t)sizeof *line->operands, &line->operands));
    STRATA_TRY(parse_words(ctx, line, 2));
    STRATA_TRY(check_complete(ctx, line));
done:
    return rc;
}

strata_status strata_command_parse(strata_context *ctx, int argc, const char *const *argv,
                                   strata_command_line *line)
{
    *line = (strata_command_line){.argc = argc, .argv = argv};
    const strata_command *command = argc > 1 ? top_level(argv[1]) : strata_command_find("help");
    if (!command)
        return unknown_command(ctx, argv[1]);
    return strata_command_parse_options(ctx, command, argc, argv, line);
}

void strata_command_line_release(strata_command_line *line)
{
    for (int32_t i = 0; line->given && i < line->n_given; i++) {
        strata_free(&line->given[i].values);
        strata_free(&line->given[i].text);
    }
    strata_free(&line->given);
    strata_free(&line->operands);
    *line = (strata_command_line){0};
}

/* ---- questions ------------------------------------------------------------------------------- */

/* A command that asks for an option it does not have is a mistake in the program: say so loudly, a
 * silent fallback would hide it. */
static const strata_given *ask(const strata_command_line *line, const char *name)
{
    const strata_option *option;
    for (int32_t i = 0; (option = strata_command_option(line->command, i)); i++)
        if (strcmp(option->name, name) == 0)
            return find_given(line, name);
    fprintf(stderr, "strata: internal error: command %s has no option %s\n", line->command->name,
            name);
    return NULL;
}

bool strata_option_flag(const strata_command_line *line, const char *name)
{
    return ask(line, name) != NULL;
}

const char *strata_option_text(const strata_command_line *line, const char *name,
                               const char *fallback)
{
    const strata_given *given = ask(line, name);
    return given && given->n > 0 ? given->values[0] : fallback;
}

int64_t strata_option_int64(const strata_command_line *line, const char *name, int64_t fallback)
{
    const char *text = strata_option_text(line, name, NULL);
    int64_t value = fallback;
    if (text && strata_text_to_int64(text, (int64_t)strlen(text), &value))
        return value;
    return fallback;
}

uint64_t strata_option_uint64(const strata_command_line *line, const char *name, uint64_t fallback)
{
    const char *text = strata_option_text(line, name, NULL);
    uint64_t value = fallback;
    if (text && strata_text_to_uint64(text, (int64_t)strlen(text), &value))
        return value;
    return fallback;
}

double strata_option_double(const strata_command_line *line, const char *name, double fallback)
{
    const char *text = strata_option_text(line, name, NULL);
    double value = fallback;
    if (text && strata_text_to_double(text, (int64_t)strlen(text), &value))
        return value;
    return fallback;
}

const char *const *strata_option_list(const strata_command_line *line, const char *name, int32_t *n)
{
    const strata_given *given = ask(line, name);
    *n = given ? given->n : 0;
    return given ? given->values : NULL;
}
