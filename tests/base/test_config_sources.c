/* Where values of the configuration come from: files, the environment, --set, flags. */
#include <stdlib.h>
#include <unistd.h>

#include "config_test.h"

#include "base/config_internal.h"

static void test_set(void **state)
{
    (void)state;
    strata_config c = {0};
    expect_ok("", &c);
    static const char *const good[] = {
        "cluster.features=[aov, max_order]",
        "cluster.k=auto",
        "input.delimiter=,",
        "input.delimiter=|",
        "input.delimiter=\t",
        "input.delimiter=\\t",
        "input.delimiter=' '",
        "input.time_format=%d/%m/%Y",
        "input.rejects_file=a: b # c",
        "input.rejects_file=null",
        "window.as_of=2011-12-10",
        "window.as_of=null",
        "input.header=skip",
        "input.header=true",
        "segments=[]",
        "segments=[{name: a, code: 1, aov_min: 3}]",
        "input.columns.order=InvoiceNo",
        "input.columns.region='Country'",
        "composite.weights=[1, 2, 3]",
        "clean.refunds=reject",
        "input.names=[]",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (strata_config_assign(&ctx, &c, good[i]) != STRATA_OK)
            fail_msg("%s refused: %s", good[i], ctx.error.message);
    assert_string_equal(c.cluster.features[1], "max_order");
    assert_int_equal(c.cluster.k, STRATA_K_AUTO);
    assert_int_equal(c.input.delimiter, ' ');
    assert_string_equal(c.input.time_format, "%d/%m/%Y");
    assert_null(c.input.rejects_file);
    assert_int_equal(c.window.as_of, STRATA_NO_DAY);
    assert_int_equal(c.n_segments, 1);
    assert_int_equal(c.clean.refunds, STRATA_REFUNDS_REJECT);
    assert_int_equal(strata_config_origin(&c, "cluster.k"), STRATA_FROM_SET);
    assert_int_equal(strata_config_origin(&c, "cluster.k_min"), STRATA_FROM_DEFAULT);
    static const struct {
        const char *text, *says;
    } wrong[] = {
        {"cluster.k", "--set: expected key=value such as cluster.k=5, found \"cluster.k\""},
        {"=3", "--set: expected key=value"},
        {"cluster.kk=3", "--set: unknown key \"cluster.kk\" (did you mean \"cluster.k\"?)"},
        {"k=3", "--set: unknown key \"k\" (did you mean \"cluster.k\"?)"},
        {"bins=3", "did you mean \"rfm.bins\"?"},
        {"cluster=3", "--set: unknown key \"cluster\""},
        {"cluster.k=three",
         "--set cluster.k: expected a whole number from 1 to 256 or auto, found three"},
        {"cluster.k=", "--set cluster.k: expected a whole number"},
        {"cluster.k=#", "--set cluster.k: expected a whole number"},
        {"cluster.k=...", "--set cluster.k: not valid YAML"},
        {"cluster.features=[a", "--set cluster.features: not valid YAML"},
        {"cluster.features=a", "--set cluster.features: expected a list"},
        {"cluster.scale=zsore", "did you mean \"zscore\"?"},
        {"input.time_format=[a]", "expected a text, found a list"},
        {"input.rejects_file=\xff", "not valid YAML"},
        {"window.as_of=yesterday", "--set window.as_of: expected a day YYYY-MM-DD"},
        {"segments=[{name: a}]", "--set segments: a rule without code"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        strata_context_clear_error(&ctx);
        assert_int_equal(strata_config_assign(&ctx, &c, wrong[i].text), STRATA_ERR_USAGE);
        if (!strstr(ctx.error.message, wrong[i].says))
            fail_msg("%s\nsays   %s\nwanted %s", wrong[i].text, ctx.error.message, wrong[i].says);
    }
    assert_string_equal(c.cluster.features[1], "max_order"); /* failures leave the old value */
    assert_int_equal(c.n_segments, 1);
    strata_config_release(&c);
}

static void test_set_list(void **state)
{
    (void)state;
    strata_config c = {0};
    const char *paths[] = {"a b.csv", "[x].csv", "it's: \"q\".csv"};
    expect_ok("", &c);
    assert_int_equal(strata_config_set_list(&ctx, &c, "input.files", paths, 3, "--input"),
                     STRATA_OK);
    assert_int_equal(c.input.n_files, 3);
    for (int i = 0; i < 3; i++)
        assert_string_equal(c.input.files[i], paths[i]);
    assert_int_equal(strata_config_origin(&c, "input.files"), STRATA_FROM_FLAG);
    strata_config_release(&c);
}

static void test_environment(void **state)
{
    (void)state;
    strata_config c = {0};
    expect_ok("cluster: {k: 6}\n", &c);
    const char *good[] = {"STRATA_CLUSTER_K=7",
                          "STRATA_INPUT_COLUMNS_UNIT_PRICE=p",
                          "STRATA_INPUT_COLUMNS_QUANTITY=q",
                          "STRATA_CLUSTER_FEATURES=[aov]",
                          "STRATA_FAULT=io.write",
                          "STRATA_SHARED_DATA=/x",
                          "STRATA_SOURCE=/x",
                          "STRATA_MPIEXEC=/x",
                          "STRATA_TEST_ANYTHING=/x",
                          "STRATAGEM=1",
                          "STRATA=x",
                          NULL};
    assert_int_equal(strata_config_apply_environment(&ctx, &c, good), STRATA_OK);
    assert_int_equal(c.cluster.k, 7);
    assert_int_equal(c.cluster.n_features, 1);
    assert_int_equal(strata_config_validate(&ctx, &c), STRATA_OK);
    assert_null(c.input.columns[STRATA_ROLE_AMOUNT]);
    const char *unknown[] = {"STRATA_CLUSTR_K=7", NULL};
    assert_int_equal(strata_config_apply_environment(&ctx, &c, unknown), STRATA_ERR_USAGE);
    assert_string_equal(
        ctx.error.message,
        "environment: unknown variable STRATA_CLUSTR_K (did you mean STRATA_CLUSTER_K?)");
    strata_context_clear_error(&ctx);
    const char *wrong[] = {"STRATA_CLUSTER_K=x", NULL};
    assert_int_equal(strata_config_apply_environment(&ctx, &c, wrong), STRATA_ERR_USAGE);
    assert_string_equal(ctx.error.message,
                        "STRATA_CLUSTER_K: expected a whole number from 1 to 256 "
                        "or auto, found x");
    /* the last word: --set over the environment, a flag over --set */
    assert_int_equal(strata_config_assign(&ctx, &c, "cluster.k=8"), STRATA_OK);
    assert_int_equal(strata_config_set(&ctx, &c, "cluster.k", "9", STRATA_FROM_FLAG, "-k"),
                     STRATA_OK);
    assert_int_equal(c.cluster.k, 9);
    strata_config_release(&c);
}

static void test_files(void **state)
{
    (void)state;
    strata_config c = {0};
    assert_int_equal(strata_config_init(&ctx, &c), STRATA_OK);
    assert_int_equal(strata_config_load_file(&ctx, &c, "/nonexistent/c.yaml"), STRATA_ERR_USAGE);
    assert_non_null(strstr(ctx.error.message, "/nonexistent/c.yaml"));
    strata_context_clear_error(&ctx);
    assert_int_equal(strata_config_load_file(&ctx, &c, "/"), STRATA_ERR_USAGE);
    strata_context_clear_error(&ctx);
    char path[] = "/tmp/strata_config_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, STRATA_CONFIG_MAX_BYTES + 1), 0);
    assert_int_equal(strata_config_load_file(&ctx, &c, path), STRATA_ERR_USAGE);
    assert_non_null(strstr(ctx.error.message, "too many for a configuration"));
    strata_context_clear_error(&ctx);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(write(fd, "\xef\xbb\xbfrfm: {bins: 9}\r\n", 19), 19); /* BOM, CRLF */
    assert_int_equal(strata_config_load_file(&ctx, &c, path), STRATA_OK);
    assert_int_equal(c.rfm.bins, 9);
    close(fd);
    unlink(path);
    strata_config_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_set, begin),
        cmocka_unit_test_setup(test_set_list, begin),
        cmocka_unit_test_setup(test_environment, begin),
        cmocka_unit_test_setup(test_files, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
