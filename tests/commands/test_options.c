/* Parsing of options against a command that has one of each kind, and what its values read as. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "commands/command.h"
#include "strata/memory.h"

static strata_status nothing(strata_context *ctx, const strata_command_line *line)
{
    (void)ctx;
    (void)line;
    return STRATA_OK;
}

static const strata_option options[] = {
    {"--output", 'o', STRATA_OPTION_TEXT, "OUT.h5", "the result", .required = true},
    {"--input", 'i', STRATA_OPTION_MANY, "PATH", "files", .config_key = "input.files"},
    {"--features", 0, STRATA_OPTION_LIST, "a,b", "columns", .config_key = "cluster.features"},
    {"-k", 'k', STRATA_OPTION_TEXT, "N", "clusters", .config_key = "cluster.k"},
    {"--users", 0, STRATA_OPTION_INT64, "N", "users", .low = 1, .high = 1000},
    {"--any", 0, STRATA_OPTION_INT64, "N", "any number"},
    {"--share", 0, STRATA_OPTION_DOUBLE, "X", "share", .low = 0, .high = 1},
    {"--mode", 0, STRATA_OPTION_WORD, "MODE", "how", .words = "fast|slow"},
    {"--json", 0, STRATA_OPTION_FLAG, NULL, "in the place of the common one"},
    {0},
};

static const strata_command command = {
    .name = "probe",
    .usage = "-o OUT.h5 [FILE]",
    .summary = "one of each",
    .common = STRATA_COMMON_CONFIG | STRATA_COMMON_OUTPUT,
    .options = options,
    .max_operands = 2,
    .run = nothing,
};

static strata_context ctx;
enum { MAX_WORDS = 48 };
static char words[512];
static const char *argv[MAX_WORDS];

static int begin(void **state)
{
    (void)state;
    return strata_context_init(&ctx, MPI_COMM_NULL) == STRATA_OK ? 0 : -1;
}

/* Splits text at blanks and parses it behind "strata probe". */
static strata_status parse(const char *text, strata_command_line *line)
{
    int argc = 0;
    char *rest = words;
    snprintf(words, sizeof words, "strata probe %s", text);
    for (const char *word = NULL; argc < MAX_WORDS && (word = strsep(&rest, " "));)
        if (*word)
            argv[argc++] = word;
    strata_context_clear_error(&ctx);
    return strata_command_parse_options(&ctx, &command, argc, argv, line);
}

static void test_values(void **state)
{
    (void)state;
    strata_command_line line;
    int32_t n = 0;
    assert_int_equal(parse("-o out.h5 -i a b c --users 12 --any=-5 --share 2.5e-1 --mode slow -i d "
                           "--features=x,y --json --seed 18446744073709551615 --force f1 -- -f2",
                           &line),
                     STRATA_OK);
    assert_string_equal(strata_option_text(&line, "--output", NULL), "out.h5");
    assert_string_equal(strata_option_text(&line, "-k", "4"), "4");
    const char *const *list = strata_option_list(&line, "--input", &n);
    assert_int_equal(n, 4);
    assert_string_equal(list[2], "c");
    assert_string_equal(list[3], "d");
    list = strata_option_list(&line, "--features", &n);
    assert_int_equal(n, 2);
    assert_string_equal(list[1], "y");
    assert_int_equal(strata_option_int64(&line, "--users", 0), 12);
    assert_int_equal(strata_option_int64(&line, "--any", 0), -5);
    assert_true(strata_option_double(&line, "--share", 0) == 0.25);
    assert_true(strata_option_uint64(&line, "--seed", 0) == UINT64_MAX);
    assert_string_equal(strata_option_text(&line, "--mode", "fast"), "slow");
    assert_true(strata_option_flag(&line, "--json"));
    assert_true(strata_option_flag(&line, "--force"));
    assert_false(strata_option_flag(&line, "--strict"));
    assert_null(strata_option_list(&line, "--set", &n));
    assert_int_equal(n, 0);
    assert_int_equal(line.n_operands, 2);
    assert_string_equal(line.operands[0], "f1");
    assert_string_equal(line.operands[1], "-f2");
    strata_command_line_release(&line);
    strata_command_line_release(&line);
}

static void test_negative_numbers_are_values(void **state)
{
    (void)state;
    strata_command_line line;
    assert_int_equal(parse("-o out.h5 --any -7 --set a.b=c d", &line), STRATA_OK);
    assert_int_equal(strata_option_int64(&line, "--any", 0), -7);
    assert_int_equal(line.n_operands, 1); /* --set takes one value only */
    strata_command_line_release(&line);
}

static void test_mistakes(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } wrong[] = {
        {"", "--output OUT.h5 is missing; usage: strata probe -o OUT.h5 [FILE]"},
        {"--outptu x", "unknown option --outptu (did you mean --output?); see strata probe --help"},
        {"--outptu=x", "unknown option --outptu (did you mean --output?)"},
        {"-o", "--output needs a value: OUT.h5"},
        {"-o --force", "--output needs a value: OUT.h5"},
        {"-o x -o y", "--output is given twice"},
        {"-o=", "--output: expected OUT.h5, found \"\""},
        {"-o x -i", "--input needs a value: PATH"},
        {"-o x --users 0", "--users: expected a whole number from 1 to 1000, found \"0\""},
        {"-o x --users 1001", "--users: expected a whole number from 1 to 1000"},
        {"-o x --users 1.5", "--users: expected a whole number"},
        {"-o x --users 10k", "--users: expected a whole number"},
        {"-o x --any 9223372036854775808", "--any: expected a whole number, found"},
        {"-o x --seed -1", "--seed: expected a whole number from 0 to 18446744073709551615"},
        {"-o x --share 1.01", "--share: expected a number from 0 to 1, found \"1.01\""},
        {"-o x --share nan", "--share: expected a number"},
        {"-o x --mode medium", "--mode: expected one of fast|slow, found \"medium\""},
        {"-o x --features a,,b", "--features: expected a,b, found an empty piece"},
        {"-o x --json=f", "--json takes no value"},
        {"-o x a b c", "unexpected \"c\"; see strata probe --help"},
        {"-x", "unknown option -x; see strata probe --help"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        strata_command_line line;
        assert_int_equal(parse(wrong[i].text, &line), STRATA_ERR_USAGE);
        if (!strstr(ctx.error.message, wrong[i].says))
            fail_msg("%s\nsays   %s\nwanted %s", wrong[i].text, ctx.error.message, wrong[i].says);
        strata_command_line_release(&line);
    }
}

static void test_help_wins(void **state)
{
    (void)state;
    strata_command_line line;
    char *text = NULL;
    size_t length = 0;
    assert_int_equal(parse("--bogus --help", &line), STRATA_OK);
    assert_true(line.help);
    strata_command_line_release(&line);
    FILE *out = open_memstream(&text, &length);
    strata_help_command(&command, out);
    fclose(out);
    assert_non_null(strstr(text, "-o, --output OUT.h5          the result (required)"));
    assert_non_null(strstr(text, "  -k N  "));
    assert_non_null(strstr(text, "-i, --input PATH...          files"));
    assert_non_null(strstr(text, "in the place of the common one"));
    assert_null(strstr(text, "machine-readable summary"));
    free(text);
}

/* Every command of the program: options without a clash, the first letter of none used twice. */
static void test_table(void **state)
{
    (void)state;
    int32_t n = 0;
    const strata_command *const *commands = strata_command_table(&n);
    for (int32_t c = 0; c < n; c++) {
        const strata_option *a, *b;
        assert_ptr_equal(strata_command_find(commands[c]->name), commands[c]);
        for (int32_t i = 0; (a = strata_command_option(commands[c], i)); i++) {
            assert_true(a->name[0] == '-' && a->help);
            assert_true((a->kind == STRATA_OPTION_FLAG) == (a->value == NULL));
            assert_true((a->kind == STRATA_OPTION_WORD) == (a->words != NULL));
            assert_true(a->name[1] == '-' || a->letter == a->name[1]);
            for (int32_t j = 0; j < i && (b = strata_command_option(commands[c], j)); j++) {
                if (a->letter && a->letter == b->letter)
                    fail_msg("%s: %s and %s share a letter", commands[c]->name, a->name, b->name);
                assert_string_not_equal(a->name, b->name);
            }
        }
    }
}

static void test_text(void **state)
{
    (void)state;
    strata_command_line line;
    char *text = NULL;
    assert_int_equal(parse("-o it's --set a=b*", &line), STRATA_OK);
    assert_int_equal(strata_command_text(&ctx, &line, &text), STRATA_OK);
    assert_string_equal(text, "strata probe -o 'it'\\''s' --set 'a=b*'");
    strata_free(&text);
    strata_command_line_release(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_values, begin),
        cmocka_unit_test_setup(test_negative_numbers_are_values, begin),
        cmocka_unit_test_setup(test_mistakes, begin),
        cmocka_unit_test_setup(test_help_wins, begin),
        cmocka_unit_test_setup(test_table, begin),
        cmocka_unit_test_setup(test_text, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
