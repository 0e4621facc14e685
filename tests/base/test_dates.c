#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "strata/dates.h"

static strata_context ctx;

static strata_time_format compiled(const char *name)
{
    strata_time_format format;
    if (strata_time_format_compile(&ctx, name, &format) != STRATA_OK)
        fail_msg("format '%s': %s", name, ctx.error.message);
    return format;
}

static bool parse(const char *format_name, const char *text, int32_t *day, int32_t *second)
{
    strata_time_format format = compiled(format_name);
    size_t n = strlen(text);
    char *exact = test_malloc(n + 1); /* ends with the text: a sanitizer sees a read beyond it */
    memcpy(exact + 1, text, n);
    bool good = strata_time_parse(&format, exact + 1, (int64_t)n, day, second);
    test_free(exact);
    return good;
}

static void check(const char *format, const char *text, const char *day, int32_t second)
{
    int32_t got_day = 0, got_second = -1;
    char buffer[11];
    if (!parse(format, text, &got_day, &got_second))
        fail_msg("'%s' was refused by %s", text, format);
    if (strcmp(strata_day_format(got_day, buffer), day) != 0 || got_second != second)
        fail_msg("'%s' by %s gave %s + %d s", text, format, buffer, got_second);
}

static void refuse(const char *format, const char *text)
{
    int32_t day = 77, second = 78;
    if (parse(format, text, &day, &second))
        fail_msg("'%s' was taken by %s as day %d", text, format, day);
    assert_int_equal(day, 77);
    assert_int_equal(second, 78);
}

static void calendar(void **state)
{
    (void)state;
    assert_int_equal(strata_day_from_civil(1970, 1, 1), 0);
    assert_int_equal(strata_day_from_civil(1900, 1, 1), STRATA_DAY_FIRST);
    assert_int_equal(strata_day_from_civil(2199, 12, 31), STRATA_DAY_LAST);
    assert_int_equal(strata_day_from_civil(2000, 3, 1), 11017);
    /* walk every day from the year -400 to 2400 by the schoolbook and compare */
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int32_t expected = strata_day_from_civil(-400, 1, 1);
    assert_int_equal(expected, -719528 - 400 * 365 - 97); /* 0000-01-01 is -719528 */
    for (int year = -400; year <= 2400; year++)
        for (int month = 1; month <= 12; month++) {
            bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            int days = lengths[month - 1] + (month == 2 && leap);
            for (int day = 1; day <= days; day++, expected++) {
                int y = 0, m = 0, d = 0;
                assert_int_equal(strata_day_from_civil(year, month, day), expected);
                strata_day_to_civil(expected, &y, &m, &d);
                assert_true(y == year && m == month && d == day);
            }
        }
}

static void day_text(void **state)
{
    char buffer[11];
    int32_t day = 77;
    (void)state;
    assert_string_equal(strata_day_format(0, buffer), "1970-01-01");
    assert_string_equal(strata_day_format(STRATA_DAY_LAST, buffer), "2199-12-31");
    assert_int_equal(strlen(strata_day_format(INT32_MAX / 2, buffer)), 10);
    assert_true(strata_day_parse("1998-07-01", &day));
    assert_int_equal(day, strata_day_from_civil(1998, 7, 1));
    day = 77;
    assert_false(strata_day_parse("1998-7-01", &day));
    assert_false(strata_day_parse("1998-07-01T00:00", &day));
    assert_false(strata_day_parse("", &day));
    assert_false(strata_day_parse(NULL, &day));
    assert_int_equal(day, 77);
}

static void yyyymmdd(void **state)
{
    static const char *const bad[] = {"",           "1997010",  "199701011",
                                      "1997-01-01", "19970132", "19970001",
                                      "19971301",   "19970100", "19000229",
                                      "20010229",   "18991231", "22000101",
                                      "00000101",   "2001 101", "2001010a",
                                      "+2001010",   "00010101", "\xd9\xa1\xd9\xa2\xd9\xa3\xd9\xa4"};
    (void)state;
    check("yyyymmdd", "19970101", "1997-01-01", 0);
    check("yyyymmdd", "20000229", "2000-02-29", 0);
    check("yyyymmdd", "19040229", "1904-02-29", 0);
    check("yyyymmdd", "19000101", "1900-01-01", 0);
    check("yyyymmdd", "21991231", "2199-12-31", 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refuse("yyyymmdd", bad[i]);
}

static void iso8601(void **state)
{
    (void)state;
    check("iso8601", "2011-12-09", "2011-12-09", 0);
    check("iso8601", "2012-02-29", "2012-02-29", 0);
    check("iso8601", "2011-12-09 12:50", "2011-12-09", 46200);
    check("iso8601", "2011-12-09T12:50:59", "2011-12-09", 46259);
    check("iso8601", "2011-12-09T12:50:59.123456789123", "2011-12-09", 46259);
    check("iso8601", "2011-12-09T12:50:59Z", "2011-12-09", 46259);
    check("iso8601", "2011-12-09T12:50Z", "2011-12-09", 46200);
    check("iso8601", "2011-12-09T12:50:59.5+01:00", "2011-12-09", 42659);
    check("iso8601", "2011-12-09T00:30:00+01:00", "2011-12-08", 84600);
    check("iso8601", "2011-12-31T23:30:00-0100", "2012-01-01", 1800);
    check("iso8601", "2011-12-09 00:30:00+05", "2011-12-08", 70200);
    check("iso8601", "2011-12-09T00:00:00-00:00", "2011-12-09", 0);
    check("iso8601", "2011-12-09T23:59:59", "2011-12-09", 86399);
    check("iso8601", "2012-02-28T23:00:00-02:00", "2012-02-29", 3600);
    check("iso8601", "1899-12-31T23:30:00-01:00", "1900-01-01", 1800);
    /* leap seconds, where they can be */
    check("iso8601", "2016-12-31T23:59:60Z", "2016-12-31", 86399);
    check("iso8601", "2017-01-01T00:59:60+01:00", "2016-12-31", 86399);
    check("iso8601", "2016-12-31T23:59:60", "2016-12-31", 86399);
}

static void iso8601_refused(void **state)
{
    static const char *const bad[] = {"",
                                      "2011",
                                      "2011-12",
                                      "2011-12-9",
                                      "2011-12-09T",
                                      "2011-12-09 ",
                                      " 2011-12-09",
                                      "2011/12/09",
                                      "20111209",
                                      "11-12-09",
                                      "2011-13-09",
                                      "2011-00-09",
                                      "2011-12-00",
                                      "2011-12-32",
                                      "2011-02-29",
                                      "1900-02-29",
                                      "2100-02-29",
                                      "0000-01-01",
                                      "0001-01-01",
                                      "1899-12-31",
                                      "2200-01-01",
                                      "9999-12-31",
                                      "-2011-12-09",
                                      "12011-12-09",
                                      "2011-12-09T24:00",
                                      "2011-12-09T24:00:00",
                                      "2011-12-09T25:00",
                                      "2011-12-09T12:60",
                                      "2011-12-09T12:00:60",
                                      "2011-12-09T23:59:61",
                                      "2016-12-31T23:59:60+01:00",
                                      "2011-12-09T12",
                                      "2011-12-09T1250",
                                      "2011-12-09T12:5",
                                      "2011-12-09T12:50:5",
                                      "2011-12-09T12:50:",
                                      "2011-12-09T12:50:59.",
                                      "2011-12-09T12:50:59,5",
                                      "2011-12-09T12:50:59z",
                                      "2011-12-09t12:50:59",
                                      "2011-12-09T12:50:59 Z",
                                      "2011-12-09T12:50:59+",
                                      "2011-12-09T12:50:59+1",
                                      "2011-12-09T12:50:59+01:",
                                      "2011-12-09T12:50:59+01:0",
                                      "2011-12-09T12:50:59+01:60",
                                      "2011-12-09T12:50:59+16:00",
                                      "2011-12-09T12:50:59+01:00:00",
                                      "2011-12-09T12:50:59ZZ",
                                      "2011-12-09Z",
                                      "2011-12-09+01:00",
                                      "2011-12-09T12:50:59\xe2\x88\x92"
                                      "01:00",
                                      "1900-01-01T00:30:00+01:00",
                                      "2199-12-31T23:30:00-01:00",
                                      "2011-12-09T-1:50",
                                      "\xef\xbc\x92\xef\xbc\x90\xef\xbc\x91\xef\xbc\x91-12-09"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refuse("iso8601", bad[i]);
    int32_t day = 77;
    strata_time_format format = compiled("iso8601");
    assert_false(strata_time_parse(&format, "2011-12-09\0", 11, &day, NULL));
    assert_true(
        strata_time_parse(&format, "2011-12-09\0", 10, &day, NULL)); /* second may be NULL */
}

static void epochs(void **state)
{
    static const char *const bad[] = {"",
                                      "-",
                                      "+1",
                                      "1.5",
                                      "1e9",
                                      " 1",
                                      "1 ",
                                      "0x1",
                                      "--1",
                                      "99999999999999999999999",
                                      "-2209075200000000",
                                      "9007199254740993"};
    (void)state;
    check("epoch_s", "0", "1970-01-01", 0);
    check("epoch_s", "86399", "1970-01-01", 86399);
    check("epoch_s", "86400", "1970-01-02", 0);
    check("epoch_s", "-1", "1969-12-31", 86399);
    check("epoch_s", "-0", "1970-01-01", 0);
    check("epoch_s", "1325376000", "2012-01-01", 0);
    check("epoch_s", "-2208988800", "1900-01-01", 0);
    check("epoch_s", "7258118399", "2199-12-31", 86399);
    refuse("epoch_s", "-2208988801");
    refuse("epoch_s", "7258118400");
    check("epoch_ms", "1325376000999", "2012-01-01", 0);
    check("epoch_ms", "-1", "1969-12-31", 86399);
    check("epoch_ms", "-1000", "1969-12-31", 86399);
    check("epoch_ms", "-1001", "1969-12-31", 86398);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        refuse("epoch_s", bad[i]);
        refuse("epoch_ms", bad[i]);
    }
}

static void patterns(void **state)
{
    (void)state;
    check("%d/%m/%Y", "09/12/2011", "2011-12-09", 0);
    check("%m/%d/%Y %H:%M", "12/1/2010 8:26", "2010-12-01", 30360);
    check("%Y%m%d%H%M%S", "20111209125059", "2011-12-09", 46259);
    check("%F %T", "2011-12-09 12:50:59", "2011-12-09", 46259);
    check("%F %R", "2011-12-09 12:50", "2011-12-09", 46200);
    check("%d-%b-%y", "09-Dec-11", "2011-12-09", 0);
    check("%d %B %Y", "9 DECEMBER 2011", "2011-12-09", 0);
    check("%d %B %Y", "9 Dec 2011", "2011-12-09", 0);
    check("%b%d,%Y", "May01,2011", "2011-05-01", 0);
    check("%e %h %Y", " 9 jun 2011", "2011-06-09", 0);
    check("%e %h %Y", "19 Jul 2011", "2011-07-19", 0);
    check("%Y.%j", "2012.366", "2012-12-31", 0);
    check("%Y.%j", "2012.060", "2012-02-29", 0);
    check("%d/%m/%y", "31/12/68", "2068-12-31", 0);
    check("%d/%m/%y", "01/01/69", "1969-01-01", 0);
    check("%F %I:%M %p", "2011-12-09 12:05 AM", "2011-12-09", 300);
    check("%F %I:%M %p", "2011-12-09 12:05 pm", "2011-12-09", 43500);
    check("%F %I:%M%p", "2011-12-09 1:05PM", "2011-12-09", 47100);
    check("%FT%T.%f%z", "2011-12-09T00:30:00.123+0100", "2011-12-08", 84600);
    check("%FT%T%z", "2016-12-31T23:59:60Z", "2016-12-31", 86399);
    check("100%% %F", "100% 2011-12-09", "2011-12-09", 0);
}

static void patterns_refused(void **state)
{
    (void)state;
    refuse("%d/%m/%Y", "31/02/2011");
    refuse("%d/%m/%Y", "9/12/11");
    refuse("%d/%m/%Y", "09/12/2011 ");
    refuse("%d/%m/%Y", "09/12/20111");
    refuse("%d/%m/%Y", " 9/12/2011");
    refuse("%d/%m/%Y", "009/12/2011");
    refuse("%d/%m/%Y", "/12/2011");
    refuse("%d/%m/%Y", "");
    refuse("%d/%m/%Y", "+9/12/2011");
    refuse("%d %b %Y", "9 Dez 2011");
    refuse("%d %b %Y", "9 Decem 2011");
    refuse("%d %b %Y", "9 De");
    refuse("%Y.%j", "2011.366");
    refuse("%Y.%j", "2011.000");
    refuse("%Y.%j", "2012.367");
    refuse("%F %T", "2011-12-09 24:00:00");
    refuse("%F %T", "2011-12-09 12:00:60");
    refuse("%F %I:%M %p", "2011-12-09 13:05 PM");
    refuse("%F %I:%M %p", "2011-12-09 0:05 AM");
    refuse("%F %I:%M %p", "2011-12-09 1:05 XM");
    refuse("%FT%T%z", "2011-12-09T00:30:00");
    refuse("%FT%T.%f", "2011-12-09T00:30:00.");
}

static void bad_format(const char *name, const char *said)
{
    strata_time_format format = {.kind = 77};
    assert_int_equal(strata_time_format_compile(&ctx, name, &format), STRATA_ERR_USAGE);
    assert_int_equal(format.kind, 77);
    if (!strstr(ctx.error.message, said))
        fail_msg("the message for '%s' lacks '%s': %s", name, said, ctx.error.message);
    strata_context_clear_error(&ctx);
}

static void bad_formats(void **state)
{
    (void)state;
    bad_format("iso", "iso8601, yyyymmdd");
    bad_format("", "not known");
    bad_format("%Q", "%Q is not supported");
    bad_format("%d/%m/%Y %Z", "%Z is not supported");
    bad_format("%d/%m/%Y %", "lone %");
    bad_format("%d/%m", "does not determine the day");
    bad_format("%Y-%m", "does not determine the day");
    bad_format("%Y-%m %j", "does not determine the day");
    bad_format("%H:%M", "does not determine the day");
    bad_format("%Y-%m-%d %y", "again");
    bad_format("%F %m", "again");
    bad_format("%F %I:%M", "%I and %p go together");
    bad_format("%F %H:%M %p", "%I and %p go together");
    bad_format("%F                                                                  x", "longer");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calendar),        cmocka_unit_test(day_text),
        cmocka_unit_test(yyyymmdd),        cmocka_unit_test(iso8601),
        cmocka_unit_test(iso8601_refused), cmocka_unit_test(epochs),
        cmocka_unit_test(patterns),        cmocka_unit_test(patterns_refused),
        cmocka_unit_test(bad_formats),
    };
    if (strata_context_init(&ctx, MPI_COMM_NULL) != STRATA_OK)
        return 1;
    return cmocka_run_group_tests_name("base/dates", tests, NULL, NULL);
}
