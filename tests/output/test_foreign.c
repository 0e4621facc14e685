/* Tables of files that strata did not write: what is plain is read, the rest is not looked at;
 * and the guard around readers that crash or hang. */
#include "output_test.h"

#include <hdf5.h>
#include <signal.h>
#include <sys/resource.h>

static void add(hid_t group, const char *name, hid_t file_type, hid_t memory_type, hsize_t n,
                const void *values)
{
    hid_t space = H5Screate_simple(1, &n, NULL);
    hid_t set = H5Dcreate2(group, name, file_type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(set >= 0);
    assert_true(H5Dwrite(set, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    H5Dclose(set);
    H5Sclose(space);
}

static void make_foreign(const char *path)
{
    const double reals[] = {1.5, -2.5, 1e300};
    const int integers[] = {7, -8, 9};
    const unsigned char bytes[] = {0, 200, 255};
    const char *words[] = {"a", "b", "c"};
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    hid_t group = H5Gcreate2(file, "data", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    hid_t words_type = H5Tcopy(H5T_C_S1), key_type = H5Tcopy(H5T_C_S1);
    H5Tset_size(words_type, H5T_VARIABLE);
    H5Tset_size(key_type, 4);
    H5Tset_strpad(key_type, H5T_STR_SPACEPAD);
    add(group, "big_endian", H5T_IEEE_F64BE, H5T_NATIVE_DOUBLE, 3, reals);
    add(group, "float32", H5T_IEEE_F32LE, H5T_NATIVE_DOUBLE, 3, reals);
    add(group, "int8", H5T_STD_I8LE, H5T_NATIVE_INT, 3, integers);
    add(group, "uint8", H5T_STD_U8LE, H5T_NATIVE_UCHAR, 3, bytes);
    add(group, "words", words_type, words_type, 3, words);
    add(group, "key", key_type, key_type, 3, "ab  cd  efgh");
    H5Lcreate_soft("/data/int8", group, "soft", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_external("/etc/passwd", "/", file, "outside", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/data", file, "alias", H5P_DEFAULT, H5P_DEFAULT);
    H5Gclose(group);
    group = H5Gcreate2(file, "ragged", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    add(group, "a", H5T_STD_I32LE, H5T_NATIVE_INT, 3, integers);
    add(group, "b", H5T_STD_I32LE, H5T_NATIVE_INT, 2, integers);
    H5Gclose(group);
    H5Tclose(words_type);
    H5Tclose(key_type);
    H5Fclose(file);
}

static void reads_what_is_plain(void **state)
{
    (void)state;
    char path[128], keys[3][4];
    strata_reader *reader = NULL;
    const strata_table_view *view = NULL;
    double reals[3];
    int64_t integers[3];
    make_foreign(in_folder("foreign.h5", path));
    assert_status(strata_reader_open(&ctx, path, STRATA_READ_RESULT, NULL, &reader),
                  STRATA_ERR_VERIFY);
    assert_ok(strata_reader_open(&ctx, path, STRATA_READ_TABLE, "/data", &reader));
    assert_ok(strata_reader_table(&ctx, reader, "/data", &view));
    assert_int_equal(view->rows, 3);
    assert_int_equal(view->n_columns, 5); /* not the words, not the link */
    assert_string_equal(view->columns[0].name, "big_endian");
    assert_int_equal(view->n_left_out, 2); /* these, each with a reason */
    assert_string_equal(view->left_out[0].name, "soft");
    assert_string_equal(view->left_out[0].why, "is a soft or external link");
    assert_string_equal(view->left_out[1].name, "words");
    assert_non_null(strstr(view->left_out[1].why, "plain type"));
    assert_ok(strata_reader_reals(&ctx, reader, "/data/big_endian", 0, 3, reals));
    assert_true(reals[0] == 1.5 && reals[1] == -2.5 && reals[2] == 1e300);
    assert_ok(strata_reader_integers(&ctx, reader, "/data/int8", 1, 2, integers));
    assert_true(integers[0] == -8 && integers[1] == 9);
    assert_ok(strata_reader_integers(&ctx, reader, "/data/uint8", 0, 3, integers));
    assert_true(integers[1] == 200 && integers[2] == 255);
    assert_ok(strata_reader_reals(&ctx, reader, "/data/float32", 0, 2, reals));
    assert_true(reals[1] == -2.5);
    assert_ok(strata_reader_texts(&ctx, reader, "/data/key", 0, 3, &keys[0][0]));
    assert_memory_equal(keys[2], "efgh", 4);
    strata_reader_close(&reader);
    strata_reader_close(&reader);
    assert_ok(strata_reader_open(&ctx, path, STRATA_READ_TABLE, "/ragged", &reader));
    assert_status(strata_reader_table(&ctx, reader, "/ragged", &view), STRATA_ERR_INPUT);
    strata_reader_close(&reader);
    assert_status(strata_reader_open(&ctx, path, STRATA_READ_TABLE, "/nothing", &reader),
                  STRATA_ERR_INPUT);
    assert_status(strata_reader_open(&ctx, path, STRATA_READ_TABLE, "/alias", &reader),
                  STRATA_ERR_VERIFY);
    assert_status(strata_reader_open(&ctx, path, STRATA_READ_TABLE, "/outside", &reader),
                  STRATA_ERR_VERIFY);
    assert_status(strata_reader_open(&ctx, path, STRATA_READ_TABLE, "data", &reader),
                  STRATA_ERR_USAGE);
    write_text(path, "a,b\n1,2\n");
    assert_status(strata_reader_open(&ctx, path, STRATA_READ_TABLE, "/data", &reader),
                  STRATA_ERR_INPUT);
    assert_null(reader);
}

/* ---- the guard ------------------------------------------------------------------------------- */

typedef struct errand {
    int what;
    int64_t result;
} errand;

static strata_status body(strata_context *c, void *argument)
{
    errand *e = argument;
    e->result = 42;
    if (e->what == 1)
        return strata_context_fail(c, STRATA_ERR_SPACE, __FILE__, __LINE__, "the child says no");
    if (e->what == 2) {
        signal(SIGSEGV, SIG_DFL);
        raise(SIGSEGV);
    }
    if (e->what == 3)
        _exit(0);
    if (e->what == 4) {
        struct rlimit soon = {1, 2};
        setrlimit(RLIMIT_CPU, &soon);
        for (volatile int forever = 1; forever;)
            ;
    }
    return STRATA_OK;
}

static void guarded(void **state)
{
    (void)state;
    errand e = {0, 0};
    assert_ok(strata_guard(&ctx, "f", body, &e, &e.result, sizeof e.result));
    assert_int_equal(e.result, 42);
    e = (errand){1, 0};
    assert_int_equal(strata_guard(&ctx, "f", body, &e, &e.result, sizeof e.result),
                     STRATA_ERR_SPACE);
    assert_string_equal(ctx.error.message, "the child says no");
    assert_int_equal(e.result, 0);
    strata_context_clear_error(&ctx);
    for (int what = 2; what <= 4; what++) {
        e = (errand){what, 0};
        assert_status(strata_guard(&ctx, "f", body, &e, NULL, 0), STRATA_ERR_VERIFY);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(reads_what_is_plain, fresh),
    cmocka_unit_test_setup(guarded, fresh),
};
OUTPUT_TEST_MAIN("output/foreign", tests)
