#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "strata/money.h"

/* Parses from a buffer that ends with the text, so that a read beyond it is seen by a sanitizer. */
static bool parse(const char *text, int decimals, int64_t *out)
{
    size_t n = strlen(text);
    char *exact = test_malloc(n + 1);
    memcpy(exact + 1, text, n);
    bool good = strata_money_parse(exact + 1, (int64_t)n, decimals, out);
    test_free(exact);
    return good;
}

static void check(const char *text, int decimals, int64_t expected)
{
    int64_t got = 77;
    if (!parse(text, decimals, &got))
        fail_msg("'%s' with %d places was refused", text, decimals);
    if (got != expected)
        fail_msg("'%s' with %d places gave %lld", text, decimals, (long long)got);
}

static void refuse(const char *text, int decimals)
{
    int64_t got = 77;
    if (parse(text, decimals, &got))
        fail_msg("'%s' with %d places was taken as %lld", text, decimals, (long long)got);
    assert_int_equal(got, 77); /* untouched on failure */
}

static void good_decimals(void **state)
{
    (void)state;
    check("0", 4, 0);
    check("1", 0, 1);
    check("1", 9, 1000000000);
    check("12.34", 4, 123400);
    check("12.34", 2, 1234);
    check("-12.34", 2, -1234);
    check("+12.34", 2, 1234);
    check(".5", 4, 5000);
    check("+.5", 4, 5000);
    check("-.5", 4, -5000);
    check("-0", 4, 0);
    check("-0.0000", 4, 0);
    check("007", 2, 700);
    check("12.3400000000000000000000000000000000", 2, 1234);
    check("000000000000000000000000000000000000012.34", 2, 1234);
    check("0.0001", 4, 1);
    check("5.0", 0, 5);
    check("9007199254740992", 0, INT64_C(1) << 53);
    check("-9007199254740992", 0, -(INT64_C(1) << 53));
    check("900719925474.0992", 4, INT64_C(1) << 53);
    check("9007199.254740992", 9, INT64_C(1) << 53);
}

static void bad_decimals(void **state)
{
    static const char *const bad[] = {"",
                                      "+",
                                      "-",
                                      ".",
                                      "+.",
                                      "-.",
                                      "1.",
                                      "1e5",
                                      "1E5",
                                      "1,234",
                                      "1,234.56",
                                      "1 234",
                                      " 1",
                                      "1 ",
                                      "1.2.3",
                                      "--1",
                                      "+-1",
                                      "1-",
                                      "NaN",
                                      "nan",
                                      "Inf",
                                      "-inf",
                                      "infinity",
                                      "0x10",
                                      "1e400",
                                      "$5",
                                      "5$",
                                      "1'000",
                                      "1_000",
                                      "\t1",
                                      "1\n",
                                      "1.5e0",
                                      "\xef\xbc\x91\xef\xbc\x92", /* full-width 12 */
                                      "\xd9\xa1",                 /* Arabic-Indic 1 */
                                      "\xe2\x88\x92"
                                      "5", /* a true minus sign */
                                      "1..2",
                                      ".5.",
                                      "/",
                                      ":",
                                      "1/2",
                                      "1:2",
                                      "00-1",
                                      "1.-5",
                                      "99999999999999999999999999999999999999999999999999"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refuse(bad[i], 4);
    refuse("0.00001", 4);
    refuse("1.5", 0);
    refuse("1.00000000001", 9);
    refuse("9223372036854775808", 0);  /* 2^63 */
    refuse("18446744073709551616", 0); /* 2^64: must not wrap to 0 */
    refuse("18446744073709551617", 4);
    refuse("9007199254740993", 0); /* 2^53 + 1 */
    refuse("-9007199254740993", 0);
    refuse("900719925474.0993", 4);
    refuse("9007199254740992", 1);
    refuse("9007199254740992", 9);
    refuse("1", -1);
    refuse("1", 10);
    int64_t got = 77;
    assert_false(strata_money_parse("1\0002", 3, 0, &got)); /* a NUL is a byte like any other */
    assert_false(strata_money_parse("1", 0, 0, &got));
}

static bool product(const char *quantity, const char *price, int decimals, int64_t *out)
{
    return strata_money_parse_product(quantity, (int64_t)strlen(quantity), price,
                                      (int64_t)strlen(price), decimals, out);
}

static void products(void **state)
{
    (void)state;
    int64_t got = 77;
    assert_true(product("6", "2.55", 4, &got));
    assert_int_equal(got, 153000);
    assert_true(product("-12", "0.85", 2, &got));
    assert_int_equal(got, -1020);
    assert_true(product("-3", "-0.5", 2, &got));
    assert_int_equal(got, 150);
    assert_true(product("1.5", "0.001", 4, &got));
    assert_int_equal(got, 15);
    /* 0.5 * 0.2 = 0.10: more places than asked for in the factors, none in the product */
    assert_true(product("0.5", "0.2", 1, &got));
    assert_int_equal(got, 1);
    assert_true(product("0", "123456.789", 2, &got));
    assert_int_equal(got, 0);
    assert_true(product("0.000000000000000000000000000000", "1", 2, &got));
    assert_int_equal(got, 0);
    assert_true(product("1.000000000000000000000000000000", "3", 0, &got));
    assert_int_equal(got, 3);
    assert_true(product("80995", "2.08", 4, &got)); /* the largest order of a real log */
    assert_int_equal(got, INT64_C(1684696000));
    assert_true(product("9007199254740992", "1", 0, &got));
    assert_int_equal(got, INT64_C(1) << 53);
    assert_true(product("0.0000000000000000001", "999999999999999999", 1, &got) == false);
    got = 77;
    assert_false(product("9007199254740992", "2", 0, &got));
    assert_false(product("999999999999999999", "999999999999999999", 9, &got));
    assert_false(product("999999999999999999", "-999999999999999999", 9, &got));
    assert_false(product("1234567890123456789", "1", 0, &got)); /* 19 digits */
    assert_false(product("0.5", "0.5", 1, &got));
    assert_false(product("1", "", 2, &got));
    assert_false(product("", "1", 2, &got));
    assert_false(product("1e2", "1", 2, &got));
    assert_false(product("1", "1,5", 2, &got));
    assert_false(product("1.", "1", 2, &got));
    assert_false(product(".", "1", 2, &got));
    assert_false(product("1", "-", 2, &got));
    assert_false(product("NaN", "1", 2, &got));
    assert_int_equal(got, 77);
}

static void one_factor_equals_plain_parse(void **state)
{
    static const char *const texts[] = {
        "0",  "-0", "12.34", ".5", "+.5", "-7.0001", "1.", "900719925474.0992", "900719925474.0993",
        "1e3"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int64_t a = 0, b = 0;
        bool plain = parse(texts[i], 4, &a), times = product("1", texts[i], 4, &b);
        assert_int_equal(plain, times);
        assert_int_equal(a, b);
    }
}

static void check_format(int64_t units, int decimals, bool grouped, const char *expected)
{
    char buffer[40];
    assert_string_equal(strata_money_format(units, decimals, grouped, buffer), expected);
}

static void formats(void **state)
{
    (void)state;
    check_format(0, 4, false, "0.00");
    check_format(123400, 4, false, "12.34");
    check_format(123450, 4, false, "12.345");
    check_format(123456, 4, false, "12.3456");
    check_format(-1, 4, false, "-0.0001");
    check_format(5, 0, false, "5");
    check_format(5, 1, false, "0.5");
    check_format(50, 1, false, "5.0");
    check_format(INT64_C(25003156300), 4, true, "2,500,315.63");
    check_format(1000, 0, true, "1,000");
    check_format(999, 0, true, "999");
    check_format(-1000000, 0, true, "-1,000,000");
    check_format(100000, 2, true, "1,000.00");
    check_format(INT64_MIN, 0, true, "-9,223,372,036,854,775,808");
    check_format(INT64_MIN, 9, true, "-9,223,372,036.854775808");
    check_format(INT64_MAX, 9, false, "9223372036.854775807");
}

static void format_and_parse_are_inverse(void **state)
{
    (void)state;
    uint64_t x = 88172645463325252u; /* xorshift64 */
    for (int i = 0; i < 200000; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        int64_t units = (int64_t)(x >> (11 + x % 40)) * (x & 1 ? 1 : -1), got = 0;
        int decimals = (int)(x / 2 % 10);
        char buffer[40];
        strata_money_format(units, decimals, false, buffer);
        assert_true(strata_money_parse(buffer, (int64_t)strlen(buffer), decimals, &got));
        assert_int_equal(got, units);
    }
}

static void powers(void **state)
{
    (void)state;
    int64_t expected = 1;
    for (int i = 0; i <= 18; i++, expected *= i < 19 ? 10 : 1)
        assert_int_equal(strata_power_of_ten(i), expected);
    assert_int_equal(strata_power_of_ten(-1), 0);
    assert_int_equal(strata_power_of_ten(19), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_decimals), cmocka_unit_test(bad_decimals),
        cmocka_unit_test(products),      cmocka_unit_test(one_factor_equals_plain_parse),
        cmocka_unit_test(formats),       cmocka_unit_test(format_and_parse_are_inverse),
        cmocka_unit_test(powers),
    };
    return cmocka_run_group_tests_name("base/money", tests, NULL, NULL);
}
