#include "strata/hash.h"

#include <string.h>
#include <xxhash.h>

static void hex(const uint8_t *bytes, int count, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < count; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
}

void strata_hex(const uint8_t bytes[16], char out[32])
{
    hex(bytes, 16, out);
}

void strata_content_hash(const void *bytes, int64_t length, char out[33])
{
    XXH128_canonical_t canonical; /* big-endian: the digits read as the number does */
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes, (size_t)length));
    hex(canonical.digest, 16, out);
    out[32] = '\0';
}
