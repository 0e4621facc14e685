/* output_test.h: what the tests of the output room share: a small synthetic result, spread over
 * ranks in a lopsided way, and a fresh folder for its files. */
#ifndef STRATA_OUTPUT_TEST_H
#define STRATA_OUTPUT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "strata/memory.h"
#include "strata/output.h"
#include "strata/par.h"

static strata_context ctx;
static char folder[64]; /* fresh, the same on all ranks */

#define assert_ok(expression)                                                                      \
    do {                                                                                           \
        strata_status status_ = (expression);                                                      \
        if (status_ != STRATA_OK)                                                                  \
            fail_msg("%s: %s", strata_status_text(status_), ctx.error.message);                    \
    } while (0)

#define assert_status(expression, expected)                                                        \
    do {                                                                                           \
        strata_status status_ = (expression);                                                      \
        if (status_ != (expected))                                                                 \
            fail_msg("%s (%s) instead of %s", strata_status_text(status_), ctx.error.message,      \
                     strata_status_text(expected));                                                \
        strata_context_clear_error(&ctx);                                                          \
    } while (0)

typedef struct sample {
    int64_t n_local, first;
    strata_partition partition;
    char *key; /* [n_local, 32] */
    int16_t *code;
    int32_t *day;
    int64_t *count;
    double *money;
} sample;

/* Value of a cell: a function of the global row only. */
static inline void sample_row(sample *s, int64_t i)
{
    int64_t row = s->first + i;
    char key[40];
    snprintf(key, sizeof key, "%032llx", (unsigned long long)row * 2654435761ULL);
    memcpy(s->key + 32 * i, key, 32);
    s->code[i] = (int16_t)(row % 7 - 1);
    s->day[i] = (int32_t)(10000 + row % 365);
    s->count[i] = row * row;
    s->money[i] = row % 11 == 5 ? -NAN : (double)row * 0.37; /* the other sign of NaN, on purpose */
}

/* Rows spread over c: rank r holds a share that grows with r, so that rank 0 is often empty. */
static inline void sample_make(strata_context *c, int64_t rows, sample *s)
{
    int64_t r = c->rank, weight = (int64_t)c->size * (c->size - 1) / 2;
    int64_t first = weight ? rows * (r * (r - 1) / 2) / weight : 0;
    int64_t end = weight ? rows * (r * (r + 1) / 2) / weight : rows;
    s->first = first;
    s->n_local = end - first;
    assert_ok(strata_partition_gather(c, s->n_local, &s->partition));
    assert_int_equal(strata_partition_global(&s->partition), rows);
    assert_ok(strata_alloc(c, s->n_local, 32, &s->key));
    assert_ok(strata_alloc(c, s->n_local, sizeof *s->code, &s->code));
    assert_ok(strata_alloc(c, s->n_local, sizeof *s->day, &s->day));
    assert_ok(strata_alloc(c, s->n_local, sizeof *s->count, &s->count));
    assert_ok(strata_alloc(c, s->n_local, sizeof *s->money, &s->money));
    for (int64_t i = 0; i < s->n_local; i++)
        sample_row(s, i);
}

static inline void sample_release(sample *s)
{
    strata_partition_release(&s->partition);
    strata_free(&s->key);
    strata_free(&s->code);
    strata_free(&s->day);
    strata_free(&s->count);
    strata_free(&s->money);
}

/* Everything that makes a file a result, and two small tables. */
static inline strata_status sample_add(strata_context *c, strata_output *out, const sample *s)
{
    strata_status rc = STRATA_OK;
    strata_table *table = NULL;
    const strata_field users[] = {
        {"user_key", STRATA_TEXT, 32, "user", "", s->key},
        {"region_code", STRATA_I16, 0, "region", "1", s->code},
        {"last_day", STRATA_I32, 0, "day", "days since 1970-01-01", s->day},
        {"squares", STRATA_I64, 0, "squares of the row", "1", s->count},
        {"monetary", STRATA_F64, 0, "money", "currency", s->money},
    };
    const strata_field small[] = {
        {"name", STRATA_TEXT, 12, "a name", "", NULL},
        {"value", STRATA_F64, 0, "a value", "1", NULL},
    };
    const char *const names[] = {"eins", "zw\xc3\xb6lf", ""};
    STRATA_TRY(strata_output_add_text(c, out, "/", "schema_name", STRATA_SCHEMA_NAME));
    STRATA_TRY(strata_output_add_integer(c, out, "/", "schema_version", STRATA_SCHEMA_VERSION));
    STRATA_TRY(strata_output_add_text(c, out, "/", "producer", "test"));
    STRATA_TRY(strata_output_add_text(c, out, "/", "as_of", "2020-01-01"));
    STRATA_TRY(strata_output_add_text(c, out, "/", "window_start", ""));
    STRATA_TRY(strata_output_add_text(c, out, "/", "how_to_load", "h5py"));
    STRATA_TRY(strata_output_add_real(c, out, "/extra", "pi", 3.25));
    STRATA_TRY(strata_output_add_integer(c, out, "/provenance", "ranks", c->size));
    STRATA_TRY(strata_output_add_distributed(c, out, "/users", &s->partition, users, 5));
    STRATA_TRY(strata_table_create(c, "/extra/small", 3, small, 2, &table));
    for (int i = 0; i < 3; i++)
        strata_table_text(table, 0, i, names[i]);
    strata_table_real(table, 1, 0, 1.5);
    STRATA_TRY(strata_output_add_table(c, out, &table));
    STRATA_TRY(strata_table_create(c, "/empty", 0, small, 2, &table));
    STRATA_TRY(strata_output_add_table(c, out, &table));
done:
    return rc;
}

/* rows rows to path; returns what publishing returned. */
static inline strata_status sample_publish(strata_context *c, const char *path, int64_t rows,
                                           bool force, char digest[33])
{
    strata_status rc = STRATA_OK;
    strata_output *out = NULL;
    strata_fault fault = c->fault;
    sample s = {0};
    c->fault.point[0] = '\0';
    sample_make(c, rows, &s);
    c->fault = fault;
    STRATA_TRY(strata_output_create(c, path, force, 4, &out));
    STRATA_AGREE(c, sample_add(c, out, &s));
    STRATA_TRY(strata_output_publish(c, &out, digest));
done:
    strata_output_discard(c, &out);
    sample_release(&s);
    return rc;
}

static inline const char *in_folder(const char *name, char path[128])
{
    snprintf(path, 128, "%s/%s", folder, name);
    return path;
}

/* Names in the folder, hidden ones included; with empty, removes them. */
static inline int count_files(bool empty)
{
    int n = 0;
    DIR *directory = opendir(folder);
    if (!directory)
        return -1;
    for (struct dirent *e = readdir(directory); e; e = readdir(directory)) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        n++;
        if (empty)
            unlinkat(dirfd(directory), e->d_name, 0);
    }
    closedir(directory);
    return n;
}

static inline void barrier(void)
{
    if (ctx.comm != MPI_COMM_NULL)
        MPI_Barrier(ctx.comm);
}

/* Every test starts in an empty folder and without a fault. */
static inline int fresh(void **state)
{
    (void)state;
    ctx.fault = (strata_fault){.rank = -1};
    strata_context_clear_error(&ctx);
    barrier();
    if (ctx.rank == 0)
        count_files(true);
    barrier();
    return 0;
}

static inline void set_fault(const char *point, const char *action, int64_t skip, int rank)
{
    ctx.fault = (strata_fault){.skip = skip, .rank = rank};
    snprintf(ctx.fault.point, sizeof ctx.fault.point, "%s", point);
    snprintf(ctx.fault.action, sizeof ctx.fault.action, "%s", action);
}

static inline void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static inline int begin_tests(int *argc, char ***argv)
{
    bool serial = *argc > 1 && strcmp((*argv)[1], "serial") == 0;
    strata_output_prepare();
    if (!serial && MPI_Init(argc, argv) != MPI_SUCCESS)
        return 1;
    if (strata_context_init(&ctx, serial ? MPI_COMM_NULL : MPI_COMM_WORLD) != STRATA_OK)
        return 1;
    ctx.quiet = true;
    ctx.log_level = STRATA_LOG_WARNING;
    snprintf(folder, sizeof folder, "/tmp/strata_output_XXXXXX");
    if (ctx.rank == 0 && !mkdtemp(folder))
        return 1;
    return strata_par_bcast(&ctx, folder, sizeof folder, 0) != STRATA_OK;
}

static inline int end_tests(int failed)
{
    if (failed && ctx.size > 1)
        MPI_Abort(ctx.comm, 1); /* the others may be waiting in a collective */
    barrier();
    if (ctx.rank == 0) {
        count_files(true);
        rmdir(folder);
    }
    bool serial = ctx.comm == MPI_COMM_NULL;
    strata_context_release(&ctx);
    if (!serial)
        MPI_Finalize();
    return failed;
}

#define OUTPUT_TEST_MAIN(name, tests)                                                              \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        if (begin_tests(&argc, &argv) != 0)                                                        \
            return 1;                                                                              \
        return end_tests(cmocka_run_group_tests_name(name, tests, NULL, NULL));                    \
    }

#endif
