/* dates.h: calendar days in UTC, as days since 1970-01-01 (proleptic Gregorian). Locale and time zone
 * of the machine play no part. */
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

/* iso8601 | yyyymmdd | epoch_s | epoch_ms | a strptime pattern made of %Y %m %d %H %M %S %y %b %e %j %T
 * %F %p %I %z %Z-free literals; STRATA_ERR_USAGE names the conversion that is not supported. English
 * month names only. Not collective. */
strata_status strata_time_format_compile(strata_context *ctx, const char *name,
                                         strata_time_format *out) STRATA_MUST_USE;

/* Reads text[0..length) completely. *day is the UTC calendar day, *second (may be NULL) the second of
 * that day. Without an offset the time is UTC. Invalid dates, 24:00, days outside 1900..2199: false. A
 * leap second (23:59:60 UTC) counts as 23:59:59. iso8601: YYYY-MM-DD[(T| )hh:mm[:ss[.f]]][Z|+hh[:]mm]. */
bool strata_time_parse(const strata_time_format *format, const char *text, int64_t length,
                       int32_t *day, int32_t *second);

/* "YYYY-MM-DD" of a configuration value. */
bool strata_day_parse(const char *text, int32_t *day);

#endif
