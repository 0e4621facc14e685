/* par_test.h: what the tests of the par room share. */
#ifndef STRATA_TESTS_PAR_TEST_H
#define STRATA_TESTS_PAR_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "strata/hash.h"
#include "strata/memory.h"
#include "strata/par.h"

static strata_context ctx;

#define assert_ok(call)                                                                            \
    do {                                                                                           \
        if ((call) != STRATA_OK)                                                                   \
            fail_msg("rank %d: %s", ctx.rank, ctx.error.message);                                  \
    } while (0)

/* Ways of spreading n rows over the ranks. */
enum { SPREAD_EVEN, SPREAD_ONE, SPREAD_LAST, SPREAD_SKEW, SPREADS };

/* The rows [*first, *end) of n that this rank holds. */
__attribute__((unused)) static void spread(int how, int64_t n, int64_t *first, int64_t *end)
{
    int64_t cut[2];
    for (int i = 0; i < 2; i++) {
        int64_t r = ctx.rank + i;
        if (how == SPREAD_EVEN)
            cut[i] = n * r / ctx.size;
        else if (how == SPREAD_ONE)
            cut[i] = r == 0 ? 0 : n;
        else if (how == SPREAD_LAST)
            cut[i] = r == ctx.size ? n : 0;
        else
            cut[i] = n * r * r / ((int64_t)ctx.size * ctx.size);
    }
    *first = cut[0];
    *end = cut[1];
}

/* Runs the group under MPI, or in a serial context when the first argument is "serial". */
#define PAR_TEST_MAIN(name, tests)                                                                 \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        MPI_Init(&argc, &argv);                                                                    \
        MPI_Comm comm =                                                                            \
            argc > 1 && strcmp(argv[1], "serial") == 0 ? MPI_COMM_NULL : MPI_COMM_WORLD;           \
        if (strata_context_init(&ctx, comm) != STRATA_OK)                                          \
            return 1;                                                                              \
        int failed = cmocka_run_group_tests_name(name, tests, NULL, NULL);                         \
        if (comm == MPI_COMM_WORLD && failed && ctx.size > 1)                                      \
            MPI_Abort(comm, 1); /* the others may be waiting in a collective */                    \
        strata_context_release(&ctx);                                                              \
        MPI_Finalize();                                                                            \
        return failed;                                                                             \
    }

#endif
