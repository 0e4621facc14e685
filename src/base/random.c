#include "strata/hash.h"

/* Philox4x32-10. */
uint64_t strata_random_bits(uint64_t seed, strata_purpose purpose, uint64_t key, uint64_t round)
{
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    uint64_t high = round ^ (uint64_t)purpose
                                << 56; /* the top byte of the counter tells purposes apart */
    uint32_t c0 = (uint32_t)key, c1 = (uint32_t)(key >> 32);
    uint32_t c2 = (uint32_t)high, c3 = (uint32_t)(high >> 32);
    for (int i = 0; i < 10; i++) {
        uint64_t p0 = UINT64_C(0xD2511F53) * c0, p1 = UINT64_C(0xCD9E8D57) * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += UINT32_C(0x9E3779B9);
        k1 += UINT32_C(0xBB67AE85);
    }
    return (uint64_t)c1 << 32 | c0;
}

double strata_random_uniform(uint64_t seed, strata_purpose purpose, uint64_t key, uint64_t round)
{
    return (double)(strata_random_bits(seed, purpose, key, round) >> 11) * 0x1p-53;
}
