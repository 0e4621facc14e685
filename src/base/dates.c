#include "strata/dates.h"

#include <stdio.h>
#include <string.h>

enum { SECONDS_A_DAY = 86400 };

typedef enum format_kind {
    FORMAT_ISO8601,
    FORMAT_YYYYMMDD,
    FORMAT_EPOCH_S,
    FORMAT_EPOCH_MS,
    FORMAT_PATTERN
} format_kind;

/* ---- the calendar ---------------------------------------------------------------------------- */

/* Counts from 1 March, so that the leap day is the last of its year, in eras of 400 years.
 * After H. Hinnant, "chrono-Compatible Low-Level Date Algorithms". */
int32_t strata_day_from_civil(int year, int month, int day)
{
    int y = month <= 2 ? year - 1 : year;
    int era = (y >= 0 ? y : y - 399) / 400;
    int year_of_era = y - era * 400;
    int day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

void strata_day_to_civil(int32_t day, int *year, int *month, int *day_of_month)
{
    int z = day + 719468;
    int era = (z >= 0 ? z : z - 146096) / 146097;
    int day_of_era = z - era * 146097;
    int year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int shifted = (5 * day_of_year + 2) / 153;
    *day_of_month = day_of_year - (153 * shifted + 2) / 5 + 1;
    *month = shifted < 10 ? shifted + 3 : shifted - 9;
    *year = year_of_era + era * 400 + (*month <= 2);
}

char *strata_day_format(int32_t day, char buffer[11])
{
    int year = 0, month = 0, day_of_month = 0;
    strata_day_to_civil(day, &year, &month, &day_of_month);
    if (year < 0 || year > 9999) { /* beyond what the program takes; keep to the eleven bytes */
        memcpy(buffer, "----------", 11);
        return buffer;
    }
    const int parts[8] = {year / 1000, year / 100 % 10, year / 10 % 10,    year % 10,
                          month / 10,  month % 10,      day_of_month / 10, day_of_month % 10};
    static const char places[8] = {0, 1, 2, 3, 5, 6, 8, 9};
    for (int i = 0; i < 8; i++)
        buffer[(int)places[i]] = (char)('0' + parts[i]);
    buffer[4] = buffer[7] = '-';
    buffer[10] = '\0';
    return buffer;
}

static bool leap_year(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static bool civil_to_day(int year, int month, int day, int32_t *out)
{
    static const unsigned char lengths[13] = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (month < 1 || month > 12 || day < 1 || year < 1 || year > 9999)
        return false;
    if (day > lengths[month] && !(month == 2 && day == 29 && leap_year(year)))
        return false;
    *out = strata_day_from_civil(year, month, day);
    return true;
}

/* ---- reading digits -------------------------------------------------------------------------- */

static inline bool is_digit(char c)
{
    return (unsigned char)(c - '0') <= 9;
}

/* Exactly two digits. */
static inline bool two_digits(const char *at, int *out)
{
    unsigned tens = (unsigned char)(at[0] - '0'), ones = (unsigned char)(at[1] - '0');
    *out = (int)(tens * 10 + ones);
    return tens <= 9 && ones <= 9;
}

static inline bool four_digits(const char *at, int *out)
{
    int high = 0, low = 0;
    bool good = two_digits(at, &high) & two_digits(at + 2, &low);
    *out = high * 100 + low;
    return good;
}

/* A place in the text being read. */
typedef struct cursor {
    const char *at, *end;
} cursor;

/* 1 to most digits. */
static bool read_digits(cursor *c, int most, int *out)
{
    int value = 0, n = 0;
    for (; n < most && c->at < c->end && is_digit(*c->at); n++)
        value = value * 10 + (*c->at++ - '0');
    *out = value;
    return n > 0;
}

static bool skip_fraction(cursor *c)
{
    const char *first = c->at;
    while (c->at < c->end && is_digit(*c->at))
        c->at++;
    return c->at > first;
}

/* Z or (+|-)hh[[:]mm], in seconds east of UTC. */
static bool read_offset(cursor *c, int *seconds)
{
    int hours = 0, minutes = 0;
    if (c->at == c->end)
        return false;
    char sign = *c->at++;
    *seconds = 0;
    if (sign == 'Z')
        return true;
    if ((sign != '+' && sign != '-') || c->end - c->at < 2 || !two_digits(c->at, &hours))
        return false;
    c->at += 2;
    bool colon = c->at < c->end && *c->at == ':';
    if (colon || (c->at < c->end && is_digit(*c->at))) {
        c->at += colon;
        if (c->end - c->at < 2 || !two_digits(c->at, &minutes))
            return false;
        c->at += 2;
    }
    if (hours > 15 || minutes > 59) /* the widest offset ever in use was 15:13 */
        return false;
    *seconds = (hours * 3600 + minutes * 60) * (sign == '-' ? -1 : 1);
    return true;
}

/* Applies the offset and checks the range. leap: the text said second 60, and second_of_day holds 59. */
static bool finish(int32_t local_day, int second_of_day, int offset, bool leap, int32_t *day,
                   int32_t *second)
{
    int utc = second_of_day - offset; /* within two days of 0 */
    int32_t utc_day = local_day;
    if (utc < 0 || utc >= SECONDS_A_DAY) {
        int shift = utc < 0 ? -1 : 1;
        utc_day += shift;
        utc -= shift * SECONDS_A_DAY;
    }
    if (utc_day < STRATA_DAY_FIRST || utc_day > STRATA_DAY_LAST)
        return false;
    if (leap && utc != SECONDS_A_DAY - 1) /* leap seconds end a day in UTC, nowhere else */
        return false;
    *day = utc_day;
    if (second)
        *second = utc;
    return true;
}

/* ---- the formats ----------------------------------------------------------------------------- */

static bool parse_yyyymmdd(const char *text, int64_t length, int32_t *day, int32_t *second)
{
    int year = 0, month = 0, date = 0;
    int32_t found = 0;
    if (length != 8 ||
        !(four_digits(text, &year) & two_digits(text + 4, &month) & two_digits(text + 6, &date)))
        return false;
    return civil_to_day(year, month, date, &found) && finish(found, 0, 0, false, day, second);
}

/* hh:mm[:ss[.f]]; second 60 becomes 59 and *leap. */
static bool read_clock(cursor *c, int *second_of_day, bool *leap)
{
    int hour = 0, minute = 0, second = 0;
    if (c->end - c->at < 5 ||
        !(two_digits(c->at, &hour) & (c->at[2] == ':') & two_digits(c->at + 3, &minute)))
        return false;
    c->at += 5;
    if (c->at < c->end && *c->at == ':') {
        if (c->end - c->at < 3 || !two_digits(c->at + 1, &second))
            return false;
        c->at += 3;
        if (c->at < c->end && *c->at == '.') {
            c->at++;
            if (!skip_fraction(c))
                return false;
        }
    }
    *leap = second == 60;
    if (*leap)
        second = 59;
    *second_of_day = hour * 3600 + minute * 60 + second;
    return hour <= 23 && minute <= 59 && second <= 59;
}

static bool parse_iso8601(const char *text, int64_t length, int32_t *day, int32_t *second)
{
    int year = 0, month = 0, date = 0, clock = 0, offset = 0;
    bool leap = false;
    int32_t found = 0;
    if (length < 10 ||
        !(four_digits(text, &year) & (text[4] == '-') & two_digits(text + 5, &month) &
          (text[7] == '-') & two_digits(text + 8, &date)) ||
        !civil_to_day(year, month, date, &found))
        return false;
    cursor c = {text + 10, text + length};
    if (c.at < c.end) {
        if (*c.at != 'T' && *c.at != ' ')
            return false;
        c.at++;
        if (!read_clock(&c, &clock, &leap) || (c.at < c.end && !read_offset(&c, &offset)))
            return false;
        if (c.at != c.end)
            return false;
    }
    return finish(found, clock, offset, leap, day, second);
}

static bool parse_epoch(const char *text, int64_t length, int64_t units_a_second, int32_t *day,
                        int32_t *second)
{
    const int64_t most = INT64_C(1) << 53; /* far beyond 2199 in milliseconds */
    cursor c = {text, text + length};
    bool negative = false;
    int64_t value = 0;
    if (length > 0 && *c.at == '-') {
        negative = true;
        c.at++;
    }
    if (c.at >= c.end)
        return false;
    for (; c.at < c.end; c.at++) {
        if (!is_digit(*c.at))
            return false;
        value = value * 10 + (*c.at - '0');
        if (value > most)
            return false;
    }
    if (negative)
        value = -value;
    const int64_t units_a_day = units_a_second * SECONDS_A_DAY;
    int64_t days = value / units_a_day, rest = value % units_a_day;
    if (rest < 0) {
        days--;
        rest += units_a_day;
    }
    if (days < STRATA_DAY_FIRST || days > STRATA_DAY_LAST)
        return false;
    return finish((int32_t)days, (int)(rest / units_a_second), 0, false, day, second);
}

/* ---- patterns -------------------------------------------------------------------------------- */

/* What a pattern's conversions have read. */
typedef struct fields {
    int year, month, date, day_of_year, hour, minute, second, offset;
    bool afternoon;
} fields;

/* Reads an English month name, short or long, in any case. */
static bool read_month(cursor *c, int *month)
{
    static const char *const names[12] = {"january",   "february", "march",    "april",
                                          "may",       "june",     "july",     "august",
                                          "september", "october",  "november", "december"};
    for (int m = 0; m < 12; m++) {
        size_t n = 0;
        while (names[m][n] && c->at + n < c->end && (c->at[n] | 0x20) == names[m][n])
            n++;
        if (n < 3)
            continue;
        c->at += names[m][n] ? 3 : n;
        *month = m + 1;
        return true;
    }
    return false;
}

static bool read_half(cursor *c, bool *afternoon)
{
    if (c->end - c->at < 2 || (c->at[1] | 0x20) != 'm')
        return false;
    char first = (char)(c->at[0] | 0x20);
    *afternoon = first == 'p';
    c->at += 2;
    return first == 'a' || first == 'p';
}

static bool read_year(cursor *c, int *year)
{
    if (c->end - c->at < 4 || !four_digits(c->at, year))
        return false;
    c->at += 4;
    return true;
}

static bool read_short_year(cursor *c, int *year)
{
    if (c->end - c->at < 2 || !two_digits(c->at, year))
        return false;
    c->at += 2;
    *year += *year >= 69 ? 1900 : 2000; /* as POSIX has it */
    return true;
}

static bool read_conversion(cursor *c, char conversion, fields *f)
{
    switch (conversion) {
    case 'Y':
        return read_year(c, &f->year);
    case 'y':
        return read_short_year(c, &f->year);
    case 'm':
        return read_digits(c, 2, &f->month);
    case 'e':
        if (c->at < c->end && *c->at == ' ')
            c->at++;
        return read_digits(c, 2, &f->date);
    case 'd':
        return read_digits(c, 2, &f->date);
    case 'j':
        return read_digits(c, 3, &f->day_of_year);
    case 'b':
        return read_month(c, &f->month);
    case 'H':
    case 'I':
        return read_digits(c, 2, &f->hour);
    case 'M':
        return read_digits(c, 2, &f->minute);
    case 'S':
        return read_digits(c, 2, &f->second);
    case 'f':
        return skip_fraction(c);
    case 'p':
        return read_half(c, &f->afternoon);
    case 'z':
        return read_offset(c, &f->offset);
    default:
        return false;
    }
}

static bool day_of_fields(const fields *f, int32_t *day)
{
    if (f->day_of_year < 0)
        return civil_to_day(f->year, f->month, f->date, day);
    if (f->day_of_year < 1 || f->day_of_year > 365 + leap_year(f->year) || f->year < 1)
        return false;
    *day = strata_day_from_civil(f->year, 1, 1) + f->day_of_year - 1;
    return true;
}

static bool parse_pattern(const char *pattern, const char *text, int64_t length, int32_t *day,
                          int32_t *second)
{
    cursor c = {text, text + length};
    fields f = {.year = -1, .day_of_year = -1};
    bool half_day = false;
    for (const char *p = pattern; *p; p++) {
        if (*p != '%' || p[1] == '%') {
            if (c.at == c.end || *c.at++ != *p)
                return false;
            p += *p == '%';
            continue;
        }
        p++;
        half_day = half_day || *p == 'I';
        if (!read_conversion(&c, *p, &f))
            return false;
    }
    if (c.at != c.end)
        return false;
    if (half_day) {
        if (f.hour < 1 || f.hour > 12)
            return false;
        f.hour = f.hour % 12 + (f.afternoon ? 12 : 0);
    }
    bool leap = f.second == 60;
    if (leap)
        f.second = 59;
    int32_t found = 0;
    if (f.hour > 23 || f.minute > 59 || f.second > 59 || !day_of_fields(&f, &found))
        return false;
    return finish(found, f.hour * 3600 + f.minute * 60 + f.second, f.offset, leap, day, second);
}

/* ---- compiling ------------------------------------------------------------------------------- */

/* Appends text to a pattern of the size of strata_time_format.pattern. */
static bool append(char *pattern, size_t room, const char *text)
{
    size_t used = strlen(pattern), more = strlen(text);
    if (used + more >= room)
        return false;
    memcpy(pattern + used, text, more + 1);
    return true;
}

/* Writes abbreviations out (%T becomes %H:%M:%S) and synonyms as one, for the reader and the checks. */
static strata_status expand(strata_context *ctx, const char *name, strata_time_format *format)
{
    strata_status rc = STRATA_OK;
    for (const char *p = name; *p; p++) {
        char one[3] = {*p};
        const char *text = one;
        if (*p == '%') {
            one[1] = *++p;
            if (!*p)
                STRATA_FAIL(ctx, STRATA_ERR_USAGE, "time format '%s' ends with a lone %%", name);
            if (!strchr("YymdejbhBHIMSfpzTRF%", *p))
                STRATA_FAIL(
                    ctx, STRATA_ERR_USAGE,
                    "time format '%s': %%%c is not supported; there are %%Y %%y %%m %%d %%e "
                    "%%j %%b %%B %%H %%I %%M %%S %%f %%p %%z %%T %%R %%F %%%%",
                    name, *p);
            if (*p == 'T')
                text = "%H:%M:%S";
            else if (*p == 'R')
                text = "%H:%M";
            else if (*p == 'F')
                text = "%Y-%m-%d";
            else if (*p == 'B' || *p == 'h')
                text = "%b";
        }
        if (!append(format->pattern, sizeof format->pattern, text))
            STRATA_FAIL(ctx, STRATA_ERR_USAGE, "time format '%s' is longer than %zu characters",
                        name, sizeof format->pattern - 1);
    }
done:
    return rc;
}

/* Where a conversion puts what it reads; two conversions of one kind contradict each other. */
static char kind_of(char conversion)
{
    switch (conversion) {
    case 'y':
        return 'Y';
    case 'b':
        return 'm';
    case 'e':
        return 'd';
    case 'I':
        return 'H';
    default:
        return conversion;
    }
}

static strata_status check_pattern(strata_context *ctx, const char *name, const char *pattern)
{
    strata_status rc = STRATA_OK;
    bool seen[128] = {false}, half_day = false;
    for (const char *p = pattern; *p; p++) {
        if (*p != '%')
            continue;
        p++;
        int kind = kind_of(*p);
        if (kind == '%')
            continue;
        if (seen[kind])
            STRATA_FAIL(ctx, STRATA_ERR_USAGE, "time format '%s': %%%c says again what is known",
                        name, *p);
        seen[kind] = true;
        half_day = half_day || *p == 'I';
    }
    bool by_month = seen['m'] && seen['d'];
    if (!seen['Y'] || !(by_month || seen['j']) || ((seen['m'] || seen['d']) && seen['j']))
        STRATA_FAIL(
            ctx, STRATA_ERR_USAGE,
            "time format '%s' does not determine the day: it needs the year (%%Y or %%y) and "
            "either month (%%m or %%b) and day (%%d), or the day of the year (%%j)",
            name);
    if (half_day != seen['p'])
        STRATA_FAIL(ctx, STRATA_ERR_USAGE,
                    "time format '%s': %%I and %%p go together (%%H is the hour of the whole day)",
                    name);
done:
    return rc;
}

strata_status strata_time_format_compile(strata_context *ctx, const char *name,
                                         strata_time_format *out)
{
    static const char *const names[] = {"iso8601", "yyyymmdd", "epoch_s", "epoch_ms"};
    strata_status rc = STRATA_OK;
    strata_time_format format = {.kind = FORMAT_PATTERN};
    for (int kind = 0; kind < FORMAT_PATTERN; kind++)
        if (strcmp(name, names[kind]) == 0)
            format.kind = kind;
    if (format.kind == FORMAT_PATTERN) {
        if (!strchr(name, '%'))
            STRATA_FAIL(
                ctx, STRATA_ERR_USAGE,
                "time format '%s' is not known: use iso8601, yyyymmdd, epoch_s, epoch_ms or a "
                "pattern such as %%d/%%m/%%Y %%H:%%M",
                name);
        STRATA_TRY(expand(ctx, name, &format));
        STRATA_TRY(check_pattern(ctx, name, format.pattern));
    }
    *out = format;
done:
    return rc;
}

bool strata_time_parse(const strata_time_format *format, const char *text, int64_t length,
                       int32_t *day, int32_t *second)
{
    switch ((format_kind)format->kind) {
    case FORMAT_ISO8601:
        return parse_iso8601(text, length, day, second);
    case FORMAT_YYYYMMDD:
        return parse_yyyymmdd(text, length, day, second);
    case FORMAT_EPOCH_S:
        return parse_epoch(text, length, 1, day, second);
    case FORMAT_EPOCH_MS:
        return parse_epoch(text, length, 1000, day, second);
    case FORMAT_PATTERN:
        return parse_pattern(format->pattern, text, length, day, second);
    }
    return false;
}

bool strata_day_parse(const char *text, int32_t *day)
{
    return text && strlen(text) == 10 && parse_iso8601(text, 10, day, NULL);
}
