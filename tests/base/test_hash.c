#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "strata/hash.h"

static void content_hashes(void **state)
{
    char out[33];
    (void)state;
    strata_content_hash("", 0, out);
    assert_string_equal(out, "99aa06d3014798d86001c324468d497f");
    char first[33], second[33];
    static uint8_t bytes[100000];
    strata_content_hash(bytes, sizeof bytes, first);
    bytes[77777] ^= 1;
    strata_content_hash(bytes, sizeof bytes, second);
    assert_string_not_equal(first, second);
    assert_int_equal(strlen(first), 32);
}

static void hexadecimal(void **state)
{
    const uint8_t bytes[16] = {0x00, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd,
                               0xef, 0x7f, 0x80, 0xff, 0x10, 0x0f, 0xf0, 0xa5};
    char out[33] = {[32] = '!'};
    (void)state;
    strata_hex(bytes, out);
    assert_memory_equal(out, "000123456789abcdef7f80ff100ff0a5!", 33);
}

/* The library that pseudonyms stand on, against published answers. */
static void library_answers(void **state)
{
    uint8_t out[64], key[64], message[15];
    char digits[129];
    (void)state;
    assert_true(sodium_init() >= 0);
    for (int i = 0; i < 64; i++)
        key[i] = (uint8_t)i;
    memcpy(message, key, sizeof message);
    crypto_shorthash(out, message, sizeof message, key); /* SipHash-2-4 */
    uint64_t number = 0; /* published as a number; its bytes are little-endian */
    for (int i = 0; i < 8; i++)
        number |= (uint64_t)out[i] << (8 * i);
    assert_int_equal(number, 0xa129ca6149be45e5u);
    uint8_t rfc_key[32] = {0}; /* RFC 4231, case 1; zero padding does not change an HMAC key */
    memset(rfc_key, 0x0b, 20);
    crypto_auth_hmacsha256(out, (const uint8_t *)"Hi There", 8, rfc_key);
    assert_string_equal(sodium_bin2hex(digits, sizeof digits, out, 32),
                        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    crypto_generichash(out, 64, NULL, 0, key, 64); /* BLAKE2b known-answer file, first entry */
    assert_string_equal(sodium_bin2hex(digits, sizeof digits, out, 64),
                        "10ebb67700b1868efb4417987acf4690ae9d972fb7a590c2f02871799aaa4786"
                        "b5e996e8f0f4eb981fc214b005f42d2ff4233499391653df7aefcbc13fc51568");
}

/* Known-answer file of Random123; words 0 and 1 of each block. */
static void philox_answers(void **state)
{
    (void)state;
    assert_int_equal(strata_random_bits(0, 0, 0, 0), 0xe169c58d6627e8d5u);
    assert_int_equal(strata_random_bits(UINT64_MAX, 0, UINT64_MAX, UINT64_MAX),
                     0x41c83b0e408f276du);
    assert_int_equal(
        strata_random_bits(0x299f31d0a4093822u, 0, 0x85a308d3243f6a88u, 0x0370734413198a2eu),
        0x94fdccebd16cfe09u);
}

/* Results depend on these values for ever: a change here is a change of every seeded result. */
static void frozen_values(void **state)
{
    (void)state;
    assert_int_equal(strata_random_bits(1, STRATA_RANDOM_SEEDING, 42, 0), 0x2812205f1f9b485bu);
    assert_int_equal(strata_random_bits(1, STRATA_RANDOM_GENERATE, 42, 0), 0x655a4996c1119139u);
    assert_int_equal(strata_random_bits(1, STRATA_RANDOM_GENERATE, 42, 1), 0x83b2250941a2af45u);
    assert_true(strata_random_uniform(7, STRATA_RANDOM_SAMPLE, 3, 9) ==
                (double)(strata_random_bits(7, STRATA_RANDOM_SAMPLE, 3, 9) >> 11) /
                    9007199254740992.0);
}

enum { CELLS = 256, DRAWS = 1 << 20 };

static void check_even(const int *cells, const char *what)
{
    double expected = (double)DRAWS / CELLS, chi = 0;
    for (int i = 0; i < CELLS; i++)
        chi += (cells[i] - expected) * (cells[i] - expected) / expected;
    /* 255 degrees of freedom: mean 255, deviation 22.6; five deviations either way */
    if (chi < 142 || chi > 368)
        fail_msg("%s: chi-squared %.1f", what, chi);
}

/* Each byte over consecutive keys, rounds and seeds, as simple counters are what the program uses. */
static void uniform(void **state)
{
    (void)state;
    for (int byte = 0; byte < 8; byte++) {
        static int keys[CELLS], rounds[CELLS], seeds[CELLS];
        memset(keys, 0, sizeof keys), memset(rounds, 0, sizeof rounds),
            memset(seeds, 0, sizeof seeds);
        for (int i = 0; i < DRAWS; i++) {
            uint64_t n = (uint64_t)i;
            keys[strata_random_bits(5, STRATA_RANDOM_TEST, n, 0) >> (8 * byte) & 255]++;
            rounds[strata_random_bits(5, STRATA_RANDOM_TEST, 0, n) >> (8 * byte) & 255]++;
            seeds[strata_random_bits(n, STRATA_RANDOM_TEST, 0, 0) >> (8 * byte) & 255]++;
        }
        check_even(keys, "keys"), check_even(rounds, "rounds"), check_even(seeds, "seeds");
    }
}

/* Pairs of neighbours (next key, next round, next seed, next purpose) over a 16 x 16 table. */
static void independent(void **state)
{
    static int key[CELLS], round[CELLS], seed[CELLS], purpose[CELLS];
    (void)state;
    for (int i = 0; i < DRAWS; i++) {
        uint64_t n = (uint64_t)i, here = strata_random_bits(n / 64, STRATA_RANDOM_TEST, n, n % 7);
        uint64_t top = here >> 60 << 4;
        key[top | strata_random_bits(n / 64, STRATA_RANDOM_TEST, n + 1, n % 7) >> 60]++;
        round[top | strata_random_bits(n / 64, STRATA_RANDOM_TEST, n, n % 7 + 1) >> 60]++;
        seed[top | strata_random_bits(n / 64 + 1, STRATA_RANDOM_TEST, n, n % 7) >> 60]++;
        purpose[top | strata_random_bits(n / 64, STRATA_RANDOM_SAMPLE, n, n % 7) >> 60]++;
    }
    check_even(key, "next key"), check_even(round, "next round");
    check_even(seed, "next seed"), check_even(purpose, "other purpose");
}

/* One flipped bit of any argument flips each output bit half of the time. */
static void avalanche(void **state)
{
    enum { TRIALS = 20000 };
    (void)state;
    for (int bit = 0; bit < 184; bit += 3) {
        int flips = 0;
        for (uint64_t n = 0; n < TRIALS; n++) {
            uint64_t a[3] = {n * 7919, n * n, n}; /* seed, key, round; round has 56 bits */
            uint64_t before = strata_random_bits(a[0], STRATA_RANDOM_TEST, a[1], a[2]);
            a[bit / 64] ^= UINT64_C(1) << bit % 64;
            flips += __builtin_popcountll(before ^
                                          strata_random_bits(a[0], STRATA_RANDOM_TEST, a[1], a[2]));
        }
        double mean = (double)flips / TRIALS; /* 32 expected, deviation 4 / sqrt(20000) = 0.028 */
        if (mean < 31.83 || mean > 32.17)
            fail_msg("bit %d flips %.3f bits", bit, mean);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(content_hashes),   cmocka_unit_test(hexadecimal),
        cmocka_unit_test(library_answers),  cmocka_unit_test(philox_answers),
        cmocka_unit_test(frozen_values),
        cmocka_unit_test(uniform),          cmocka_unit_test(independent),
        cmocka_unit_test(avalanche),
    };
    return cmocka_run_group_tests_name("base/hash", tests, NULL, NULL);
}
