#include "strata/money.h"

#include <stddef.h>

/* The largest decimal that strata_money_parse_product takes as a factor has this many digits. */
enum { FACTOR_DIGITS = 18 };

static const int64_t powers_of_ten[19] = {
    INT64_C(1),
    INT64_C(10),
    INT64_C(100),
    INT64_C(1000),
    INT64_C(10000),
    INT64_C(100000),
    INT64_C(1000000),
    INT64_C(10000000),
    INT64_C(100000000),
    INT64_C(1000000000),
    INT64_C(10000000000),
    INT64_C(100000000000),
    INT64_C(1000000000000),
    INT64_C(10000000000000),
    INT64_C(100000000000000),
    INT64_C(1000000000000000),
    INT64_C(10000000000000000),
    INT64_C(100000000000000000),
    INT64_C(1000000000000000000),
};

int64_t strata_power_of_ten(int exponent)
{
    return exponent < 0 || exponent > 18 ? 0 : powers_of_ten[exponent];
}

static inline bool is_digit(char c)
{
    return (unsigned char)(c - '0') <= 9;
}

bool strata_money_parse(const char *text, int64_t length, int decimals, int64_t *out)
{
    const char *at = text, *end = text + length;
    bool negative = false;
    uint64_t value = 0;
    if (length <= 0 || decimals < 0 || decimals > 9)
        return false;
    if (*at == '-' || *at == '+')
        negative = *at++ == '-';
    const char *whole = at;
    for (; at < end && is_digit(*at); at++) {
        value = value * 10 + (uint64_t)(*at - '0');
        if (value > (uint64_t)STRATA_MONEY_LIMIT) /* more digits can only make it larger */
            return false;
    }
    int places = 0;
    if (at == end) {
        if (at == whole)
            return false;
    } else {
        if (*at++ != '.' || at == end)
            return false;
        /* One digit more than needed cannot overflow: value <= 2^53 and each step is checked. */
        for (; at < end && places < decimals && is_digit(*at); at++, places++) {
            value = value * 10 + (uint64_t)(*at - '0');
            if (value > (uint64_t)STRATA_MONEY_LIMIT)
                return false;
        }
        for (; at < end && *at == '0'; at++)
            ;
        if (at != end)
            return false;
    }
    uint64_t scaled = 0;
    if (__builtin_mul_overflow(value, (uint64_t)powers_of_ten[decimals - places], &scaled) ||
        scaled > (uint64_t)STRATA_MONEY_LIMIT)
        return false;
    *out = negative ? -(int64_t)scaled : (int64_t)scaled;
    return true;
}

/* value = mantissa * 10^-places, the mantissa signed and below 10^18. */
typedef struct factor {
    int64_t mantissa, places;
} factor;

static bool factor_parse(const char *text, int64_t length, factor *out)
{
    const char *at = text, *end = text + length, *point = NULL;
    bool negative = false;
    if (length <= 0)
        return false;
    if (*at == '-' || *at == '+')
        negative = *at++ == '-';
    for (const char *c = at; c < end; c++) {
        if (is_digit(*c))
            continue;
        if (*c != '.' || point)
            return false;
        point = c;
    }
    if (at == end || point == end - 1)
        return false;
    if (point) /* zeros behind the last place carry no value and must not use up digits */
        while (end[-1] == '0')
            end--;
    int64_t value = 0, places = point && end > point ? end - point - 1 : 0;
    for (; at < end; at++) {
        if (*at == '.')
            continue;
        if (value >= powers_of_ten[FACTOR_DIGITS - 1])
            return false;
        value = value * 10 + (*at - '0');
    }
    *out = (factor){.mantissa = negative ? -value : value, .places = places};
    return true;
}

bool strata_money_parse_product(const char *quantity, int64_t quantity_length, const char *price,
                                int64_t price_length, int decimals, int64_t *out)
{
    factor a, b;
    if (decimals < 0 || decimals > 9 || !factor_parse(quantity, quantity_length, &a) ||
        !factor_parse(price, price_length, &b))
        return false;
    __int128 product = (__int128)a.mantissa * b.mantissa;
    int64_t places = a.places + b.places;
    if (product == 0)
        places = decimals;
    for (; places > decimals; places--) {
        if (product % 10 != 0)
            return false;
        product /= 10;
    }
    /* Compare before scaling up: 10^36 * 10^9 would pass 128 bits. */
    int64_t scale = powers_of_ten[decimals - places], limit = STRATA_MONEY_LIMIT / scale;
    if (product > limit || product < -limit)
        return false;
    *out = (int64_t)product * scale;
    return true;
}

char *strata_money_format(int64_t units, int decimals, bool grouped, char *buffer)
{
    char digits[24]; /* least significant first */
    int n = 0, places = decimals < 0 ? 0 : decimals > 18 ? 18 : decimals;
    uint64_t value = units < 0 ? -(uint64_t)units : (uint64_t)units;
    int skip = 0; /* zeros at the end that are not shown */
    for (; value || n <= places; value /= 10)
        digits[n++] = (char)('0' + value % 10);
    while (places - skip > 2 && digits[skip] == '0')
        skip++;
    char *to = buffer;
    if (units < 0)
        *to++ = '-';
    for (int i = n - 1; i >= skip; i--) {
        if (i == places - 1)
            *to++ = '.';
        *to++ = digits[i];
        int left = i - places; /* digits of the whole part still to come */
        if (grouped && left > 0 && left % 3 == 0)
            *to++ = ',';
    }
    *to = '\0';
    return buffer;
}
