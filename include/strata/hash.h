/* hash.h: pseudonyms, content hashes and counter-based randomness. */
#ifndef STRATA_HASH_H
#define STRATA_HASH_H

#include <stdint.h>

#include "strata/config.h"
#include "strata/context.h"

/* ---- pseudonyms ------------------------------------------------------------------------------ */

/* The secret, in memory that is locked, kept out of core dumps and wiped. */
typedef struct strata_pseudonymiser strata_pseudonymiser;

/* Collective. Rank 0 reads privacy.key_file and sends it to all. keyed: a regular file owned by the
 * user, not a link, mode 0400 or 0600, 32..4096 bytes (surrounding white space is not part of the
 * key). Turns core dumps off until the destroy. plain: no key; the hash still spreads users over
 * ranks. STRATA_ERR_USAGE names the file and says how to make one. */
strata_status strata_pseudonymiser_create(strata_context *ctx, const strata_config *config,
                                          strata_pseudonymiser **out) STRATA_MUST_USE;
/* Wipes and frees; safe on NULL. Not collective. */
void strata_pseudonymiser_destroy(strata_pseudonymiser **pseudonymiser);

/* 128-bit BLAKE2b (RFC 7693) of an id, keyed with the file's key: up to 64 bytes of it are the BLAKE2b
 * key as they are, a longer one is replaced by its 64-byte BLAKE2b. Without key in plain mode. 16
 * bytes. About 0.4 us. Not collective, thread-compatible. */
void strata_pseudonym(const strata_pseudonymiser *pseudonymiser, const char *id, int64_t length,
                      uint8_t out[16]);

/* 128 bits that stand for an id while a run lasts, at a twentieth of a pseudonym's cost: SipHash-2-4
 * (libsodium) with a key of its own, made from the file's. In plain mode, where nothing is secret and
 * SipHash would not keep hostile ids apart, the pseudonym itself. Not to be written anywhere. 16 bytes.
 * Not collective, thread-compatible. */
void strata_token(const strata_pseudonymiser *pseudonymiser, const char *id, int64_t length,
                  uint8_t out[16]);

/* 16 hex digits that identify the key without giving it away (keyed hash of a fixed text); "" in plain
 * mode. Borrowed. Not collective. */
const char *strata_pseudonymiser_key_id(const strata_pseudonymiser *pseudonymiser);

/* 32 lower-case hex digits of 16 bytes; no terminator. Not collective. */
void strata_hex(const uint8_t bytes[16], char out[32]);

/* ---- content hashes -------------------------------------------------------------------------- */

/* XXH3-128 of bytes as 32 hex digits and a terminator. Not cryptographic: finds damage, not malice.
 * Not collective. */
void strata_content_hash(const void *bytes, int64_t length, char out[33]);

/* ---- randomness ------------------------------------------------------------------------------ */

/* What a random number is for; two purposes never share numbers. Append only: the values are part of
 * reproducibility. */
typedef enum strata_purpose {
    STRATA_RANDOM_SEEDING = 1,
    STRATA_RANDOM_GENERATE = 2,
    STRATA_RANDOM_SAMPLE = 3,
    STRATA_RANDOM_BOOTSTRAP = 4,
    STRATA_RANDOM_TEST = 5,
    STRATA_RANDOM_BATCH = 6
} strata_purpose;

/* 64 uniform bits as a function of its arguments only: half a block of Philox4x32-10 (Salmon et al.
 * 2011, DOI 10.1145/2063384.2063405) with the seed as its key and (key, round, purpose) as its counter,
 * so different arguments give different blocks. round < 2^56. Independent over keys and rounds, not
 * secret. About 10 ns. Not collective. */
uint64_t strata_random_bits(uint64_t seed, strata_purpose purpose, uint64_t key, uint64_t round);

/* The same as a double in [0, 1), a multiple of 2^-53. Not collective. */
double strata_random_uniform(uint64_t seed, strata_purpose purpose, uint64_t key, uint64_t round);

#endif
