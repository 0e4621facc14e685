/* The JSON writer: escaping, numbers, brackets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "strata/json.h"

static strata_context ctx;

static void everything(void **state)
{
    (void)state;
    static const char wanted[] = "{\n"
                                 "  \"text\": \"a\\\"b\\\\c\\u000ad\xc3\xa9\xef\xbf\xbd\",\n"
                                 "  \"nothing\": null,\n"
                                 "  \"whole\": -9223372036854775808,\n"
                                 "  \"tenth\": 0.1,\n"
                                 "  \"missing\": null,\n"
                                 "  \"infinite\": null,\n"
                                 "  \"yes\": true,\n"
                                 "  \"empty\": [],\n"
                                 "  \"list\": [\n"
                                 "    1,\n"
                                 "    {}\n"
                                 "  ]\n"
                                 "}\n";
    strata_json json = {0};
    char path[] = "/tmp/strata_json_XXXXXX", found[1024] = "";
    strata_json_open(&ctx, &json, NULL, '{');
    strata_json_text(&ctx, &json, "text", "a\"b\\c\nd\xc3\xa9\xff");
    strata_json_text(&ctx, &json, "nothing", NULL);
    strata_json_integer(&ctx, &json, "whole", INT64_MIN);
    strata_json_real(&ctx, &json, "tenth", 0.1);
    strata_json_real(&ctx, &json, "missing", NAN);
    strata_json_real(&ctx, &json, "infinite", -INFINITY);
    strata_json_boolean(&ctx, &json, "yes", true);
    strata_json_open(&ctx, &json, "empty", '[');
    strata_json_close(&ctx, &json);
    strata_json_open(&ctx, &json, "list", '[');
    strata_json_integer(&ctx, &json, NULL, 1);
    strata_json_open(&ctx, &json, NULL, '{');
    strata_json_close(&ctx, &json);
    strata_json_close(&ctx, &json);
    strata_json_close(&ctx, &json);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(strata_json_write(&ctx, &json, path), STRATA_OK);
    assert_int_equal(read(fd, found, sizeof found - 1), (int)strlen(wanted));
    assert_string_equal(found, wanted);
    close(fd);
    unlink(path);
    strata_json_release(&json);
    strata_json_release(&json);
}

static void misuse(void **state)
{
    (void)state;
    strata_json json = {0};
    strata_json_open(&ctx, &json, NULL, '[');
    assert_int_equal(strata_json_write(&ctx, &json, "-"), STRATA_ERR_INTERNAL);
    strata_json_close(&ctx, &json);
    strata_json_close(&ctx, &json);
    assert_int_equal(strata_json_write(&ctx, &json, "-"), STRATA_ERR_INTERNAL);
    strata_json_release(&json);
    for (int i = 0; i <= STRATA_JSON_DEPTH; i++)
        strata_json_open(&ctx, &json, NULL, '[');
    assert_int_equal(strata_json_write(&ctx, &json, "-"), STRATA_ERR_INTERNAL);
    strata_json_release(&json);
    strata_json_integer(&ctx, &json, NULL, 1);
    assert_int_equal(strata_json_write(&ctx, &json, "/nowhere/at/all.json"), STRATA_ERR_IO);
    strata_json_release(&json);
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(everything), cmocka_unit_test(misuse)};

int main(void)
{
    if (strata_context_init(&ctx, MPI_COMM_NULL) != STRATA_OK)
        return 1;
    return cmocka_run_group_tests_name("base/json", tests, NULL, NULL);
}
