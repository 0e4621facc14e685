/* dates.h: calendar days in UTC, as days since 1970-01-01 (proleptic Gregorian). Locale and time zone
 * of the machine play no part.
 * Nothing here is collective. */
#ifndef STRATA_DATES_H
#define STRATA_DATES_H

#include <stdbool.h>
#include <stdint.h>

#include "strata/context.h"

#define STRATA_DAY_FIRST (-25567) /* 1900-01-01 */
#define STRATA_DAY_LAST  84005    /* 2199-12-31 */

/* Days since 1970-01-01 of a civil date; no check. O(1). */
int32_t strata_day_from_civil(int year, int month, int day);
void strata_day_to_civil(int32_t day, int *year, int *month, int *day_of_month);
/* "YYYY-MM-DD" into buffer (11 bytes); returns buffer. */
char *strata_day_format(int32_t day, char buffer[11]);

/* A compiled time format; plain data, copy freely. */
typedef struct strata_time_format {
    int kind; /* private */
    char pattern[64];
} strata_time_format;

/* name is one of
 *   iso8601   YYYY-MM-DD[(T| )hh:mm[:ss[.f]][Z|(+|-)hh[[:]mm]]]
 *   yyyymmdd  eight digits
 *   epoch_s   whole seconds since 1970-01-01T00:00:00Z, may be negative
 *   epoch_ms  whole milliseconds
 *   a pattern in the manner of strptime: %Y %y %m %d %e %j %b %h %B %H %I %M %S %f %p %z %T %R %F %%,
 *             anything else stands for itself. Numbers may lack their leading zeros (%Y may not); %b
 *             and %B take short and long English names in any case; %y means 1969..2068; %f is a
 *             fraction of a second, read and dropped; %z is Z or (+|-)hh[[:]mm].
 * A pattern must determine the day, name nothing twice, and have %I exactly with %p. STRATA_ERR_USAGE
 * says what is wrong with it. Not collective. */
strata_status strata_time_format_compile(strata_context *ctx, const char *name,
                                         strata_time_format *out) STRATA_MUST_USE;

/* Reads text[0..length) completely. *day is the UTC calendar day, *second (may be NULL) the second of
 * that day; both untouched on failure. Without an offset the time is UTC; offsets reach to 15:59.
 * Invalid dates, 24:00, days outside 1900..2199 in UTC: false. A leap second (23:59:60 UTC) counts as
 * 23:59:59. About 5 ns (yyyymmdd), 6 ns (plain ISO day), 15 ns with a time of day. Not collective. */
bool strata_time_parse(const strata_time_format *format, const char *text, int64_t length,
                       int32_t *day, int32_t *second);

/* "YYYY-MM-DD" of a configuration value. False also for NULL. Not collective. */
bool strata_day_parse(const char *text, int32_t *day);

#endif
