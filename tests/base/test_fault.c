#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "strata/fault.h"
#include "strata/memory.h"

static strata_context configured(const char *spec, strata_status expected)
{
    strata_context ctx;
    if (spec)
        setenv("STRATA_FAULT", spec, 1);
    else
        unsetenv("STRATA_FAULT");
    assert_int_equal(strata_context_init(&ctx, MPI_COMM_NULL), expected);
    unsetenv("STRATA_FAULT");
    return ctx;
}

static void no_fault(void **state)
{
    (void)state;
    strata_context ctx = configured(NULL, STRATA_OK);
    assert_false(strata_fault_strikes(&ctx, "io.write"));
    assert_false(strata_fault_shortens(&ctx, "io.write"));
    assert_false(strata_fault_strikes(&ctx, ""));
    ctx = configured("", STRATA_OK);
    assert_false(strata_fault_strikes(&ctx, ""));
}

static void fails(void **state)
{
    (void)state;
    strata_context ctx = configured("io.write", STRATA_OK);
    assert_false(strata_fault_strikes(&ctx, "io.writ"));
    assert_false(strata_fault_strikes(&ctx, "io.write2"));
    assert_true(strata_fault_strikes(&ctx, "io.write"));
    assert_true(strata_fault_strikes(&ctx, "io.write")); /* it stays broken */
    assert_false(strata_fault_shortens(&ctx, "io.write"));
}

static void skips_and_ranks(void **state)
{
    (void)state;
    strata_context ctx = configured("alloc:fail:2", STRATA_OK);
    assert_false(strata_fault_strikes(&ctx, "alloc"));
    assert_false(strata_fault_strikes(&ctx, "other"));
    assert_false(strata_fault_strikes(&ctx, "alloc"));
    assert_true(strata_fault_strikes(&ctx, "alloc"));
    ctx = configured("alloc:fail:0:1", STRATA_OK);
    assert_false(strata_fault_strikes(&ctx, "alloc")); /* this is rank 0 */
    ctx.rank = 1;
    assert_true(strata_fault_strikes(&ctx, "alloc"));
}

static void shortens(void **state)
{
    (void)state;
    strata_context ctx = configured("io.write:short:1", STRATA_OK);
    assert_false(strata_fault_strikes(&ctx, "io.write"));
    assert_false(strata_fault_shortens(&ctx, "io.write"));
    assert_true(strata_fault_shortens(&ctx, "io.write"));
}

static void malformed(void **state)
{
    static const char *const bad[] = {":fail",       "p:explode",    "p:",
                                      "p:fail:x",    "p:fail:-1",    "p:fail:1:x",
                                      "p:fail:1:-2", "p:fail:1:2:3", "p:fail:99999999999999999999",
                                      "p:fail:",     "p:fail:1:"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        configured(bad[i], STRATA_ERR_USAGE);
    char longer[400];
    memset(longer, 'p', sizeof longer);
    longer[sizeof longer - 1] = 0;
    configured(longer, STRATA_ERR_USAGE);
    longer[60] = 0;
    configured(longer, STRATA_ERR_USAGE);
}

/* What becomes of a process that meets the fault. */
static int fate(const char *action)
{
    char spec[64];
    snprintf(spec, sizeof spec, "phase.test:%s", action);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        setenv("STRATA_FAULT", spec, 1);
        strata_context ctx;
        if (strata_context_init(&ctx, MPI_COMM_NULL) == STRATA_OK)
            (void)strata_fault_strikes(&ctx, "phase.test");
        _exit(99);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void deadly_actions(void **state)
{
    (void)state;
    int status = fate("kill");
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    status = fate("segv");
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    status = fate("term");
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    status = fate("exit");
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    status = fate("fail");
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 99);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void aligned(void **state)
{
    (void)state;
    strata_context ctx = configured(NULL, STRATA_OK);
    static const int64_t counts[] = {0, 1, 7, 64, 1000, 3000000};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        int64_t *array = NULL;
        assert_int_equal(strata_calloc(&ctx, counts[i], sizeof *array, &array), STRATA_OK);
        assert_non_null(array);
        assert_int_equal((uintptr_t)array % 64, 0);
        for (int64_t k = 0; k < counts[i]; k++)
            assert_true(array[k] == 0);
        strata_free(&array);
        assert_null(array);
        strata_free(&array);
    }
}

static void impossible_sizes(void **state)
{
    (void)state;
    strata_context ctx = configured(NULL, STRATA_OK);
    static const int64_t bad[][2] = {{-1, 8},        {8, -1},
                                     {INT64_MAX, 2}, {INT64_C(1) << 62, 4},
                                     {INT64_MAX, 1}, {INT64_C(1) << 60, 1}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char mark, *array = &mark;
        assert_int_equal(strata_alloc(&ctx, bad[i][0], bad[i][1], &array), STRATA_ERR_MEMORY);
        assert_ptr_equal(array, &mark);
        assert_int_equal(strata_calloc(&ctx, bad[i][0], bad[i][1], &array), STRATA_ERR_MEMORY);
        assert_ptr_equal(array, &mark);
        assert_int_equal(ctx.error.status, STRATA_ERR_MEMORY);
        strata_context_clear_error(&ctx);
    }
}

static void growing(void **state)
{
    (void)state;
    strata_context ctx = configured(NULL, STRATA_OK);
    int32_t *array = NULL;
    int64_t capacity = 0;
    int grown = 0;
    for (int i = 0; i < 100000; i++) {
        int64_t before = capacity;
        assert_int_equal(strata_reserve(&ctx, &array, &capacity, i + 1, sizeof *array), STRATA_OK);
        grown += capacity != before;
        assert_true(capacity > i);
        array[i] = i;
    }
    assert_true(grown < 40); /* by halves, not by ones */
    for (int i = 0; i < 100000; i++)
        assert_int_equal(array[i], i);
    int32_t *kept = array;
    int64_t kept_capacity = capacity;
    assert_int_equal(strata_reserve(&ctx, &array, &capacity, INT64_MAX / 2, sizeof *array),
                     STRATA_ERR_MEMORY);
    assert_ptr_equal(array, kept);
    assert_int_equal(capacity, kept_capacity);
    strata_free(&array);
    assert_true(strata_peak_memory() > 100000);
}

static void memory_fault(void **state)
{
    (void)state;
    strata_context ctx = configured("alloc:fail:1", STRATA_OK);
    void *first = NULL, *second = NULL;
    assert_int_equal(strata_alloc(&ctx, 1, 1, &first), STRATA_OK);
    assert_int_equal(strata_alloc(&ctx, 1, 1, &second), STRATA_ERR_MEMORY);
    assert_null(second);
    strata_free(&first);
}

/* ---- status ---------------------------------------------------------------------------------- */

static void statuses(void **state)
{
    static const int codes[STRATA_STATUS_COUNT] = {0, 1, 2, 3, 4, 5, 6, 6, 7, 1, 8, 75};
    (void)state;
    for (int s = 0; s < STRATA_STATUS_COUNT; s++) {
        assert_true(strlen(strata_status_text((strata_status)s)) > 3);
        assert_int_equal(strata_status_exit_code((strata_status)s), codes[s]);
    }
    assert_string_equal(strata_status_text((strata_status)-1), "unknown status");
    assert_string_equal(strata_status_text(STRATA_STATUS_COUNT), "unknown status");
    assert_int_equal(strata_status_exit_code((strata_status)1000), 1);
}

static void first_failure_stays(void **state)
{
    (void)state;
    strata_context ctx = configured(NULL, STRATA_OK);
    assert_int_equal(strata_context_fail(&ctx, STRATA_ERR_IO, "f.c", 7, "a\nb\t%s\x7f", "\x1b[31m"),
                     STRATA_ERR_IO);
    assert_string_equal(ctx.error.message, "a?b??[31m?"); /* one line, no terminal tricks */
    assert_int_equal(strata_context_fail(&ctx, STRATA_ERR_MEMORY, "g.c", 8, "later"),
                     STRATA_ERR_MEMORY);
    assert_int_equal(ctx.error.status, STRATA_ERR_IO);
    assert_int_equal(ctx.error.line, 7);
    strata_context_clear_error(&ctx);
    char longer[3000];
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = 0;
    strata_context_fail(&ctx, STRATA_ERR_IO, "f.c", 7, "%s", longer);
    assert_int_equal(strlen(ctx.error.message), sizeof ctx.error.message - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_fault),        cmocka_unit_test(fails),
        cmocka_unit_test(skips_and_ranks), cmocka_unit_test(shortens),
        cmocka_unit_test(malformed),       cmocka_unit_test(deadly_actions),
        cmocka_unit_test(aligned),         cmocka_unit_test(impossible_sizes),
        cmocka_unit_test(growing),         cmocka_unit_test(memory_fault),
        cmocka_unit_test(statuses),        cmocka_unit_test(first_failure_stays),
    };
    return cmocka_run_group_tests_name("base/fault", tests, NULL, NULL);
}
