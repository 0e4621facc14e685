/* blake2b.h: the one-block case of BLAKE2b-128 (RFC 7693), for many short messages under one key.
 *
 * libsodium hashes one message at a time and the key's block anew each time: two blocks one after the
 * other. Pseudonyms are made by the hundred million, so here the key's block is done once and eight
 * messages run side by side. The tests compare every length with libsodium. */
#ifndef STRATA_BASE_BLAKE2B_H
#define STRATA_BASE_BLAKE2B_H

#include <stdint.h>

enum { STRATA_BLAKE2B_BLOCK = 128 };

/* The chaining value behind the key's block (key_length 1..64), or the initial one (key_length 0), of a
 * 16-byte digest. As secret as the key. Not collective. */
void strata_blake2b_start(const uint8_t *key, int32_t key_length, uint64_t state[8]);

/* How to hash. */
typedef struct strata_blake2b {
    const uint64_t *state; /* [8] from strata_blake2b_start; borrowed */
    int keyed;             /* whether the state holds a key */
    enum {
        STRATA_BLAKE2B_BEST, /* what this processor does fastest; all give the same bytes */
        STRATA_BLAKE2B_PLAIN,
        STRATA_BLAKE2B_AVX2,  /* plain on a processor without it */
        STRATA_BLAKE2B_AVX512 /* the same */
    } variant;
} strata_blake2b;

/* Digests [count, 16] of messages whose lengths are 1..128. Not collective. */
void strata_blake2b_many(const strata_blake2b *hash, const char *const *messages,
                         const int64_t *lengths, int64_t count, uint8_t (*digests)[16]);

#endif
