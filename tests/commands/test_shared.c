/* The configuration of a command: precedence, one reader for all ranks, one error for all ranks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <mpi.h>

#include "commands/command.h"
#include "strata/memory.h"
#include "strata/par.h"

static strata_context ctx;

static strata_status nothing(strata_context *unused, const strata_command_line *line)
{
    (void)unused;
    (void)line;
    return STRATA_OK;
}

static const strata_option options[] = {
    {"--input", 'i', STRATA_OPTION_MANY, "PATH", "files", .config_key = "input.files"},
    {"--features", 0, STRATA_OPTION_LIST, "a,b", "columns", .config_key = "cluster.features"},
    {"-k", 'k', STRATA_OPTION_TEXT, "N", "clusters", .config_key = "cluster.k"},
    {0},
};

static const strata_command command = {.name = "probe",
                                       .usage = "",
                                       .summary = "",
                                       .uses_mpi = true,
                                       .common = STRATA_COMMON_CONFIG,
                                       .options = options,
                                       .run = nothing};

/* Parses arguments (ends with NULL) and builds the configuration. */
static strata_status configure(const char *const *arguments, strata_config *config, bool *finished)
{
    enum { MAX_WORDS = 24 };
    const char *argv[MAX_WORDS] = {"strata", "probe"};
    int argc = 2;
    strata_command_line line;
    for (; *arguments; arguments++)
        argv[argc++] = *arguments;
    strata_context_clear_error(&ctx);
    strata_status rc = strata_command_parse_options(&ctx, &command, argc, argv, &line);
    if (rc == STRATA_OK)
        rc = strata_command_config(&ctx, &line, config, finished);
    strata_command_line_release(&line);
    return rc;
}

/* A file that only rank 0 can name: the others must never open it. */
static void test_precedence(void **state)
{
    (void)state;
    char path[64] = "seen by rank 0 only";
    int fd = -1;
    if (ctx.rank == 0) {
        static const char text[] =
            "cluster: {k: 5, k_min: 3, restarts: 2, seed: 6, scale: robust}\n"
            "rfm: {bins: 6}\n";
        snprintf(path, sizeof path, "/tmp/strata_shared_XXXXXX");
        fd = mkstemp(path);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, sizeof text - 1), (int)sizeof text - 1);
        setenv("STRATA_CLUSTER_K", "6", 1);
        setenv("STRATA_CLUSTER_RESTARTS", "7", 1);
        setenv("STRATA_CLUSTER_SEED", "8", 1);
    } else {
        setenv("STRATA_CLUSTER_K", "not what rank 0 has", 1);
    }
    const char *arguments[] = {"-c",         path,
                               "--set",      "cluster.k=7",
                               "--set",      "cluster.seed=9",
                               "-k",         "8",
                               "--features", "aov,max_order",
                               "--seed",     "10",
                               "-i",         "a b",
                               "c",          NULL};
    strata_config c = {0};
    bool finished = true;
    strata_status rc = configure(arguments, &c, &finished);
    if (rc != STRATA_OK)
        fail_msg("%s", ctx.error.message);
    assert_false(finished);
    assert_int_equal(c.rfm.bins, 6);         /* file */
    assert_int_equal(c.cluster.k_min, 3);    /* file */
    assert_int_equal(c.cluster.restarts, 7); /* environment of rank 0 */
    assert_int_equal(c.cluster.k, 8);        /* flag */
    assert_int_equal(c.cluster.seed, 10);    /* flag */
    assert_int_equal(c.cluster.n_features, 2);
    assert_int_equal(c.input.n_files, 2);
    assert_string_equal(c.input.files[0], "a b");
    assert_int_equal(strata_config_origin(&c, "cluster.k"), STRATA_FROM_FLAG);
    assert_int_equal(strata_config_origin(&c, "cluster.restarts"), STRATA_FROM_ENVIRONMENT);
    assert_int_equal(strata_config_origin(&c, "cluster.k_max"), STRATA_FROM_DEFAULT);
    strata_config_release(&c);
    unsetenv("STRATA_CLUSTER_K");
    unsetenv("STRATA_CLUSTER_RESTARTS");
    unsetenv("STRATA_CLUSTER_SEED");
    if (fd >= 0) {
        close(fd);
        unlink(path);
    }
}

/* What rank 0 alone meets, all ranks report. */
static void test_errors_agree(void **state)
{
    (void)state;
    static const struct {
        const char *arguments[4], *says;
    } wrong[] = {
        {{"-c", "/nonexistent.yaml", NULL}, "/nonexistent.yaml"},
        {{"--set", "cluster.kk=3", NULL}, "did you mean \"cluster.k\"?"},
        {{"-k", "300", NULL}, "-k: expected a whole number from 1 to 256 or auto, found 300"},
        {{"--set", "input.header=skip", NULL}, "--set input.header: header: skip needs"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        strata_config c = {0};
        bool finished = false;
        assert_int_equal(configure(wrong[i].arguments, &c, &finished), STRATA_ERR_USAGE);
        if (!strstr(ctx.error.message, wrong[i].says))
            fail_msg("says %s\nwanted %s", ctx.error.message, wrong[i].says);
        strata_config_release(&c);
    }
    if (ctx.rank == 0)
        setenv("STRATA_NO_SUCH_KEY", "1", 1);
    const char *none[] = {NULL};
    strata_config c = {0};
    bool finished = false;
    assert_int_equal(configure(none, &c, &finished), STRATA_ERR_USAGE);
    assert_non_null(strstr(ctx.error.message, "unknown variable STRATA_NO_SUCH_KEY"));
    strata_config_release(&c);
    unsetenv("STRATA_NO_SUCH_KEY");
}

static void test_print_finishes(void **state)
{
    (void)state;
    const char *arguments[] = {"--print-config", NULL};
    strata_config c = {0};
    bool finished = false;
    assert_int_equal(configure(arguments, &c, &finished), STRATA_OK);
    assert_true(finished);
    strata_config_release(&c);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_errors_agree),
        cmocka_unit_test(test_print_finishes),
    };
    MPI_Init(&argc, &argv);
    int failures = strata_context_init(&ctx, MPI_COMM_WORLD) != STRATA_OK;
    if (!failures)
        failures = cmocka_run_group_tests(tests, NULL, NULL);
    strata_context_release(&ctx);
    MPI_Finalize();
    return failures;
}
