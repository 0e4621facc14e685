#include "base/blake2b.h"

#include <stdbool.h>
#include <string.h>

enum { LANES = 8, ROUNDS = 12, WORDS = 16 };

typedef uint64_t lanes __attribute__((vector_size(8 * LANES)));

static const uint64_t initial[8] = {0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b,
                                    0xa54ff53a5f1d36f1, 0x510e527fade682d1, 0x9b05688c2b3e6c1f,
                                    0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};

static const uint8_t order[ROUNDS][WORDS] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
    {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
    {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
    {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
    {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3}};

/* Work on plain numbers and on vectors of them alike. */
#define TURN(x, n) (((x) >> (n)) | ((x) << (64 - (n))))
#define MIX(v, a, b, c, d, x, y)                                                                   \
    do {                                                                                           \
        v[a] += v[b] + (x);                                                                        \
        v[d] = TURN(v[d] ^ v[a], 32);                                                              \
        v[c] += v[d];                                                                              \
        v[b] = TURN(v[b] ^ v[c], 24);                                                              \
        v[a] += v[b] + (y);                                                                        \
        v[d] = TURN(v[d] ^ v[a], 16);                                                              \
        v[c] += v[d];                                                                              \
        v[b] = TURN(v[b] ^ v[c], 63);                                                              \
    } while (0)
#define ALL_ROUNDS(v, m)                                                                           \
    for (int round = 0; round < ROUNDS; round++) {                                                 \
        const uint8_t *s = order[round];                                                           \
        MIX(v, 0, 4, 8, 12, m[s[0]], m[s[1]]);                                                     \
        MIX(v, 1, 5, 9, 13, m[s[2]], m[s[3]]);                                                     \
        MIX(v, 2, 6, 10, 14, m[s[4]], m[s[5]]);                                                    \
        MIX(v, 3, 7, 11, 15, m[s[6]], m[s[7]]);                                                    \
        MIX(v, 0, 5, 10, 15, m[s[8]], m[s[9]]);                                                    \
        MIX(v, 1, 6, 11, 12, m[s[10]], m[s[11]]);                                                  \
        MIX(v, 2, 7, 8, 13, m[s[12]], m[s[13]]);                                                   \
        MIX(v, 3, 4, 9, 14, m[s[14]], m[s[15]]);                                                   \
    }

/* A place for secrets that the compiler may not leave out of the program. */
static void wipe(void *memory, size_t bytes)
{
    memset(memory, 0, bytes);
    __asm__ volatile("" : : "r"(memory) : "memory");
}

void strata_blake2b_start(const uint8_t *key, int32_t key_length, uint64_t state[8])
{
    uint64_t v[WORDS], m[WORDS] = {0};
    memcpy(state, initial, sizeof initial);
    state[0] ^= 0x01010000u ^ (uint64_t)key_length << 8 ^ 16; /* one leaf, digest of 16 bytes */
    if (key_length == 0)
        return;
    memcpy(m, key, (size_t)key_length);
    memcpy(v, state, 8 * sizeof *v);
    memcpy(v + 8, initial, sizeof initial);
    v[12] ^= STRATA_BLAKE2B_BLOCK;
    ALL_ROUNDS(v, m)
    for (int i = 0; i < 8; i++)
        state[i] ^= v[i] ^ v[i + 8];
    wipe(m, sizeof m);
    wipe(v, sizeof v);
}

/* LANES messages at once: blocks are padded with zeros, totals are the bytes hashed with the key's. */
static inline __attribute__((always_inline)) void compress_lanes(const uint64_t *state,
                                                                 const uint64_t (*blocks)[WORDS],
                                                                 const lanes *totals,
                                                                 uint8_t (*digests)[16])
{
    lanes v[WORDS], m[WORDS];
    for (int w = 0; w < WORDS; w++)
        for (int lane = 0; lane < LANES; lane++)
            m[w][lane] = blocks[lane][w];
    for (int i = 0; i < 8; i++) {
        v[i] = (lanes){0} + state[i];
        v[i + 8] = (lanes){0} + initial[i];
    }
    v[12] ^= *totals;
    v[14] = ~v[14]; /* the last block */
    ALL_ROUNDS(v, m)
    for (int i = 0; i < 2; i++) {
        lanes word = v[i] ^ v[i + 8] ^ state[i];
        for (int lane = 0; lane < LANES; lane++) {
            uint64_t number = word[lane];
            memcpy(&digests[lane][8 * i], &number, 8);
        }
    }
}

typedef void compressor(const uint64_t *state, const uint64_t (*blocks)[WORDS], const lanes *totals,
                        uint8_t (*digests)[16]);

static void compress_plain(const uint64_t *state, const uint64_t (*blocks)[WORDS],
                           const lanes *totals, uint8_t (*digests)[16])
{
    compress_lanes(state, blocks, totals, digests);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void compress_avx2(const uint64_t *state,
                                                          const uint64_t (*blocks)[WORDS],
                                                          const lanes *totals,
                                                          uint8_t (*digests)[16])
{
    compress_lanes(state, blocks, totals, digests);
}

__attribute__((target("avx512f"))) static void compress_avx512(const uint64_t *state,
                                                               const uint64_t (*blocks)[WORDS],
                                                               const lanes *totals,
                                                               uint8_t (*digests)[16])
{
    compress_lanes(state, blocks, totals, digests);
}
#endif

static compressor *choose(const strata_blake2b *hash)
{
#if defined(__x86_64__)
    bool best = hash->variant == STRATA_BLAKE2B_BEST;
    if ((best || hash->variant == STRATA_BLAKE2B_AVX512) && __builtin_cpu_supports("avx512f"))
        return compress_avx512;
    if ((best || hash->variant == STRATA_BLAKE2B_AVX2) && __builtin_cpu_supports("avx2"))
        return compress_avx2;
#endif
    return compress_plain;
}

void strata_blake2b_many(const strata_blake2b *hash, const char *const *messages,
                         const int64_t *lengths, int64_t count, uint8_t (*digests)[16])
{
    compressor *compress = choose(hash);
    const uint64_t before = hash->keyed ? STRATA_BLAKE2B_BLOCK : 0;
    for (int64_t first = 0; first < count; first += LANES) {
        uint64_t blocks[LANES][WORDS] = {{0}};
        uint8_t made[LANES][16];
        lanes totals = {0};
        int n = count - first < LANES ? (int)(count - first) : LANES;
        for (int lane = 0; lane < n; lane++) {
            memcpy(blocks[lane], messages[first + lane], (size_t)lengths[first + lane]);
            totals[lane] = before + (uint64_t)lengths[first + lane];
        }
        compress(hash->state, (const uint64_t(*)[WORDS])blocks, &totals, made);
        memcpy(digests + first, made, (size_t)n * sizeof *made);
    }
}
