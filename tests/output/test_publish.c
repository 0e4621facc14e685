/* Publishing at any number of ranks against a serial writer, and every way it may fail. */
#include "output_test.h"

#include <sys/resource.h>

/* ---- the good way ------------------------------------------------------------------------ */

/* The file of all ranks holds what a serial writer writes, and its digest says so. */
static void matches_serial(int64_t rows, bool reserved)
{
    char path[128], other[128], digest[33] = "", oracle[33] = "";
    in_folder("ranks.h5", path);
    in_folder("serial.h5", other);
    if (!reserved)
        set_fault("output.reserve", "short", 0, 0);
    assert_ok(sample_publish(&ctx, path, rows, false, digest));
    assert_int_equal(strlen(digest), 32);
    if (ctx.rank == 0) {
        strata_context alone;
        strata_verdict verdict;
        struct stat info;
        assert_ok(strata_context_init(&alone, MPI_COMM_NULL));
        alone.quiet = true;
        assert_ok(sample_publish(&alone, other, rows, false, oracle));
        assert_string_equal(digest, oracle);
        assert_ok(strata_verify(&ctx, path, &verdict));
        assert_string_equal(verdict.digest, digest);
        assert_int_equal(verdict.users, rows);
        assert_int_equal(verdict.data_sets, 9);
        assert_int_equal(stat(path, &info), 0);
        assert_int_equal(info.st_mode & 0777, 0600);
        assert_int_equal(verdict.bytes, info.st_size);
        assert_int_equal(count_files(false), 2);
    }
    fresh(NULL);
}

static void sizes(void **state)
{
    (void)state;
    const int64_t rows[] = {0,
                            1,
                            2,
                            1000,
                            STRATA_BLOCK_ROWS - 1,
                            STRATA_BLOCK_ROWS,
                            STRATA_BLOCK_ROWS + 1,
                            3 * STRATA_BLOCK_ROWS + 77};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        matches_serial(rows[i], true);
        matches_serial(rows[i], false); /* by way of rank 0 */
    }
}

static void reads_back(void **state)
{
    (void)state;
    const int64_t rows = 2 * STRATA_BLOCK_ROWS + 5;
    char path[128], digest[33];
    assert_ok(sample_publish(&ctx, in_folder("a.h5", path), rows, false, digest));
    strata_reader *reader = NULL;
    const strata_table_view *view = NULL;
    assert_ok(strata_reader_open(&ctx, path, STRATA_READ_RESULT, NULL, &reader));
    assert_ok(strata_reader_table(&ctx, reader, "/users", &view));
    assert_int_equal(view->rows, rows);
    assert_int_equal(view->n_columns, 5);
    assert_string_equal(view->columns[0].name, "last_day");
    assert_string_equal(view->columns[0].units, "days since 1970-01-01");
    /* each rank a range of its own that crosses a block */
    int64_t first = STRATA_BLOCK_ROWS - 3 - ctx.rank, numbers[8];
    double reals[8];
    char keys[8][32], wanted[40];
    assert_ok(strata_reader_integers(&ctx, reader, "/users/squares", first, 8, numbers));
    assert_ok(strata_reader_reals(&ctx, reader, "/users/monetary", first, 8, reals));
    assert_ok(strata_reader_texts(&ctx, reader, "/users/user_key", first, 8, &keys[0][0]));
    for (int64_t i = 0; i < 8; i++) {
        int64_t row = first + i;
        uint64_t bits;
        snprintf(wanted, sizeof wanted, "%032llx", (unsigned long long)row * 2654435761ULL);
        assert_true(numbers[i] == row * row);
        assert_memory_equal(keys[i], wanted, 32);
        memcpy(&bits, &reals[i], sizeof bits);
        if (row % 11 == 5)
            assert_true(bits == UINT64_C(0x7ff8000000000000));
        else
            assert_true(reals[i] == (double)row * 0.37);
    }
    assert_status(strata_reader_integers(&ctx, reader, "/users/monetary", 0, 1, numbers),
                  STRATA_ERR_INPUT);
    assert_status(strata_reader_reals(&ctx, reader, "/users/monetary", rows, 1, reals),
                  STRATA_ERR_INPUT);
    assert_status(strata_reader_reals(&ctx, reader, "/users/nothing", 0, 1, reals),
                  STRATA_ERR_INPUT);
    double pi = 0;
    assert_true(strata_reader_attribute_real(reader, "/extra", "pi", &pi) && pi == 3.25);
    strata_reader_close(&reader);
}

/* ---- refusals before any work --------------------------------------------------------------- */

static void expect_text(const char *path, const char *text)
{
    char found[64] = "";
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(found, sizeof found, file));
    fclose(file);
    assert_string_equal(found, text);
}

static void refusals(void **state)
{
    (void)state;
    char path[128], link[128], inside[128];
    strata_output *out = NULL;
    in_folder("old.h5", path);
    in_folder("link.h5", link);
    if (ctx.rank == 0) {
        write_text(path, "older");
        assert_int_equal(symlink(path, link), 0);
    }
    barrier();
    assert_status(strata_output_create(&ctx, path, false, 4, &out), STRATA_ERR_USAGE);
    assert_status(strata_output_create(&ctx, link, false, 4, &out), STRATA_ERR_USAGE);
    assert_status(strata_output_create(&ctx, link, true, 4, &out), STRATA_ERR_USAGE);
    assert_status(strata_output_create(&ctx, folder, true, 4, &out), STRATA_ERR_USAGE);
    assert_status(strata_output_create(&ctx, "", true, 4, &out), STRATA_ERR_USAGE);
    assert_status(strata_output_create(&ctx, "/tmp/", true, 4, &out), STRATA_ERR_USAGE);
    assert_status(strata_output_create(&ctx, "/dev/null", true, 4, &out), STRATA_ERR_USAGE);
    assert_status(strata_output_create(&ctx, in_folder("no/such.h5", inside), true, 4, &out),
                  STRATA_ERR_IO);
    assert_null(out);
    expect_text(path, "older");
    barrier();
    if (ctx.rank == 0)
        assert_int_equal(count_files(false), 2);
}

static void existing_is_replaced_with_force_only(void **state)
{
    (void)state;
    char path[128], digest[33];
    strata_verdict verdict;
    in_folder("a.h5", path);
    if (ctx.rank == 0)
        write_text(path, "older");
    barrier();
    assert_status(sample_publish(&ctx, path, 10, false, digest), STRATA_ERR_USAGE);
    expect_text(path, "older");
    barrier();
    assert_ok(sample_publish(&ctx, path, 10, true, digest));
    assert_ok(strata_verify(&ctx, path, &verdict));
}

static void read_only_folder(void **state)
{
    (void)state;
    char path[128];
    strata_output *out = NULL;
    bool root = geteuid() == 0;
    if (ctx.rank == 0)
        chmod(folder, 0555);
    barrier();
    if (root && ctx.rank == 0)
        assert_int_equal(seteuid(65534), 0); /* root may write anywhere */
    strata_status status = strata_output_create(&ctx, in_folder("a.h5", path), true, 4, &out);
    if (root && ctx.rank == 0)
        assert_int_equal(seteuid(0), 0);
    if (ctx.rank == 0)
        chmod(folder, 0700);
    assert_status(status, STRATA_ERR_IO);
}

static void two_jobs(void **state)
{
    (void)state;
    char path[128], digest[33], stale[128], other[128];
    strata_output *first = NULL, *second = NULL;
    sample s = {0};
    sample_make(&ctx, 100, &s);
    in_folder("a.h5", path);
    in_folder(".a.h5.0123456789abcdef.partial", stale);
    in_folder(".b.h5.0123456789abcdef.partial", other);
    if (ctx.rank == 0) {
        write_text(stale, "left over");
        write_text(other, "of another output");
    }
    barrier();
    assert_ok(strata_output_create(&ctx, path, true, 4, &first));
    assert_int_equal(access(stale, F_OK), -1);
    assert_int_equal(access(other, F_OK), 0);
    assert_status(strata_output_create(&ctx, path, true, 4, &second), STRATA_ERR_USAGE);
    assert_ok(sample_add(&ctx, first, &s));
    assert_ok(strata_output_publish(&ctx, &first, digest));
    barrier();
    assert_ok(strata_output_create(&ctx, path, true, 4, &second)); /* the name is free again */
    strata_output_discard(&ctx, &second);
    strata_output_discard(&ctx, &second);
    barrier();
    if (ctx.rank == 0)
        assert_int_equal(count_files(false), 2);
    sample_release(&s);
}

/* ---- failures on the way -------------------------------------------------------------------- */

/* Whatever fails, on whatever rank: the right status everywhere, the older file untouched, no
 * litter. */
static void injected(void **state)
{
    (void)state;
    static const struct {
        const char *point;
        int64_t skip;
        strata_status status;
        bool any_rank;
    } faults[] = {
        /* point, passes before, status, may any rank be hit */
        {"output.create", 0, STRATA_ERR_IO, false},
        {"io.create", 0, STRATA_ERR_IO, false},
        {"io.space", 0, STRATA_ERR_SPACE, false},
        {"output.reserve", 0, STRATA_ERR_SPACE, false},
        {"output.write", 0, STRATA_ERR_IO, true},
        {"output.write", 3, STRATA_ERR_IO, true},
        {"output.close", 0, STRATA_ERR_IO, true},
        {"output.finish", 0, STRATA_ERR_IO, false},
        {"io.fsync", 0, STRATA_ERR_IO, true},
        {"io.fsync", 1, STRATA_ERR_IO, false},
        {"output.damage", 0, STRATA_ERR_VERIFY, false},
        {"output.readback", 0, STRATA_ERR_VERIFY, false},
        {"output.readback", 5, STRATA_ERR_VERIFY, false},
        {"io.rename", 0, STRATA_ERR_IO, false},
    };
    char path[128], digest[33] = "untouched";
    in_folder("a.h5", path);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        for (int rank = 0; rank < (faults[i].any_rank ? ctx.size : 1); rank++) {
            fresh(NULL);
            if (ctx.rank == 0)
                write_text(path, "older");
            barrier();
            set_fault(faults[i].point, "fail", faults[i].skip, rank);
            strata_status status = sample_publish(&ctx, path, 4 * STRATA_BLOCK_ROWS, true, digest);
            if (status != faults[i].status)
                print_error("%s skip %d rank %d:\n", faults[i].point, (int)faults[i].skip, rank);
            assert_status(status, faults[i].status);
            assert_string_equal(digest, "untouched");
            barrier();
            expect_text(path, "older");
            if (ctx.rank == 0)
                assert_int_equal(count_files(false), 1);
        }
}

/* Allocations fail one after the other, until the way is through. */
static void out_of_memory(void **state)
{
    (void)state;
    char path[128], digest[33];
    bool failed = true;
    in_folder("a.h5", path);
    for (int64_t skip = 0; failed; skip = skip + 1 + skip / 4) {
        fresh(NULL);
        set_fault("alloc", "fail", skip, ctx.size - 1);
        strata_status status = sample_publish(&ctx, path, 1000, false, digest);
        failed = status != STRATA_OK;
        if (failed)
            assert_status(status, STRATA_ERR_MEMORY);
        barrier();
        if (ctx.rank == 0)
            assert_int_equal(count_files(false), failed ? 0 : 1);
    }
}

/* A real limit. The second time the checks before writing are left out, so that it is met on the
 * way: an error, and not the death by SIGXFSZ. */
static void file_size_limit(void **state)
{
    (void)state;
    char path[128], digest[33];
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){100000, before.rlim_max};
    in_folder("a.h5", path);
    for (int careless = 0; careless < 2; careless++) {
        if (careless)
            set_fault("output.reserve", "short", 0, -1);
        setrlimit(RLIMIT_FSIZE, &small);
        strata_status status = sample_publish(&ctx, path, 2 * STRATA_BLOCK_ROWS, false, digest);
        setrlimit(RLIMIT_FSIZE, &before);
        if (status != STRATA_ERR_SPACE &&
            (!careless || (status != STRATA_ERR_VERIFY && status != STRATA_ERR_IO)))
            fail_msg("%s: %s", strata_status_text(status), ctx.error.message);
        strata_context_clear_error(&ctx);
        barrier();
        if (ctx.rank == 0)
            assert_int_equal(count_files(false), 0);
        barrier();
    }
}

static void misuse(void **state)
{
    (void)state;
    const strata_field fields[] = {{"a", STRATA_I16, 0, "", "", NULL},
                                   {"t", STRATA_TEXT, 2, "", "", NULL}};
    char path[128];
    strata_output *out = NULL;
    strata_table *table = NULL;
    assert_ok(strata_output_create(&ctx, in_folder("a.h5", path), false, 4, &out));
    assert_ok(strata_table_create(&ctx, "/t", 2, fields, 2, &table));
    strata_table_integer(table, 0, 0, 40000);
    assert_status(strata_output_add_table(&ctx, out, &table), STRATA_ERR_INTERNAL);
    assert_null(table);
    assert_ok(strata_table_create(&ctx, "/t", 2, fields, 2, &table));
    strata_table_text(table, 1, 1, "abc");
    assert_status(strata_output_add_table(&ctx, out, &table), STRATA_ERR_INTERNAL);
    assert_ok(strata_table_create(&ctx, "/t", 2, fields, 2, &table));
    strata_table_integer(table, 0, 2, 1);
    assert_status(strata_output_add_table(&ctx, out, &table), STRATA_ERR_INTERNAL);
    assert_ok(strata_output_add_text(&ctx, out, "/g", "twice", "a"));
    assert_status(strata_output_add_text(&ctx, out, "/g", "twice", "b"), STRATA_ERR_INTERNAL);
    strata_output_discard(&ctx, &out);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(sizes, fresh),
    cmocka_unit_test_setup(reads_back, fresh),
    cmocka_unit_test_setup(refusals, fresh),
    cmocka_unit_test_setup(existing_is_replaced_with_force_only, fresh),
    cmocka_unit_test_setup(read_only_folder, fresh),
    cmocka_unit_test_setup(two_jobs, fresh),
    cmocka_unit_test_setup(injected, fresh),
    cmocka_unit_test_setup(out_of_memory, fresh),
    cmocka_unit_test_setup(misuse, fresh),
    cmocka_unit_test_setup(file_size_limit, fresh), /* last: leaves a half-closed file in HDF5 */
};
OUTPUT_TEST_MAIN("output/publish", tests)
