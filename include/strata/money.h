/* money.h: exact decimals. Text becomes a scaled int64 without passing through floating point.
 * Nothing here is collective. */
#ifndef STRATA_MONEY_H
#define STRATA_MONEY_H

#include <stdbool.h>
#include <stdint.h>

/* Largest |amount| of one row in scaled units: whole numbers up to 2^53 are exact in a double. */
#define STRATA_MONEY_LIMIT (INT64_C(1) << 53)

/* Reads the decimal text[0..length): [+-]digits[.digits] or [+-].digits; nothing else (no blanks, no
 * exponent, no grouping, no locale). *out = value * 10^decimals; digits beyond `decimals` places must
 * be zero. False when it is not such a decimal or |*out| > 2^53. -0 gives 0. decimals 0..9. */
bool strata_money_parse(const char *text, int64_t length, int decimals, int64_t *out);

/* quantity * unit_price, both decimals with any number of places up to 18 digits, exactly; the same
 * rules for the product. */
bool strata_money_parse_product(const char *quantity, int64_t quantity_length, const char *price,
                                int64_t price_length, int decimals, int64_t *out);

/* Writes units of 10^-decimals as a decimal, trailing zeros trimmed down to two places, with a comma
 * between thousands when grouped. Returns buffer; room for 40 bytes. */
char *strata_money_format(int64_t units, int decimals, bool grouped, char *buffer);

/* 10^exponent, 0..18. */
int64_t strata_power_of_ten(int exponent);

#endif
