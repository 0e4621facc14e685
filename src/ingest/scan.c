#include <string.h>

#include "ingest/reader.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* Bit i of the result tells whether byte i of the 64 at text is structural; *high collects bytes
 * with the top bit set, for the UTF-8 check that pure ASCII never needs. */
#if defined(__SSE2__)
static inline uint64_t structural64(const char *text, char delimiter, uint64_t *high)
{
    const __m128i cut = _mm_set1_epi8(delimiter), lf = _mm_set1_epi8('\n'),
                  cr = _mm_set1_epi8('\r'), quote = _mm_set1_epi8('"'), nul = _mm_setzero_si128();
    uint64_t mask = 0;
    for (int i = 0; i < 4; i++) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)(text + 16 * i));
        __m128i hit = _mm_or_si128(_mm_cmpeq_epi8(x, cut), _mm_cmpeq_epi8(x, lf));
        hit = _mm_or_si128(hit, _mm_or_si128(_mm_cmpeq_epi8(x, cr), _mm_cmpeq_epi8(x, quote)));
        hit = _mm_or_si128(hit, _mm_cmpeq_epi8(x, nul));
        mask |= (uint64_t)(uint32_t)_mm_movemask_epi8(hit) << (16 * i);
        *high |= (uint64_t)(uint32_t)_mm_movemask_epi8(x) << (16 * i);
    }
    return mask;
}
#else
static inline uint64_t structural64(const char *text, char delimiter, uint64_t *high)
{
    uint64_t mask = 0;
    for (int i = 0; i < 64; i++) {
        char c = text[i];
        bool hit = c == delimiter || c == '\n' || c == '\r' || c == '"' || c == '\0';
        mask |= (uint64_t)hit << i;
        *high |= (uint64_t)((unsigned char)c >> 7) << i;
    }
    return mask;
}
#endif

int64_t strata_scan_marks(const char *buffer, int64_t from, int64_t to, char delimiter,
                          uint32_t *marks, bool *high)
{
    int64_t n = 0;
    uint64_t any_high = 0;
    for (int64_t at = from; at < to; at += 64) {
        uint64_t inside = to - at >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << (to - at)) - 1, top = 0;
        uint64_t mask = structural64(buffer + at, delimiter, &top) & inside;
        any_high |= top & inside;
        while (mask) {
            marks[n++] = (uint32_t)(at + __builtin_ctzll(mask));
            mask &= mask - 1;
        }
    }
    *high = any_high != 0;
    return n;
}

int64_t strata_scan_line_ends(const char *text, int64_t length, char previous)
{
    int64_t n = 0, i = 0;
    uint32_t after_cr = previous == '\r'; /* LF after CR belongs to the line end that CR began */
#if defined(__SSE2__)
    const __m128i lf = _mm_set1_epi8('\n'), cr = _mm_set1_epi8('\r');
    for (; i + 16 <= length; i += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)(text + i));
        uint32_t crs = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(x, cr));
        uint32_t lfs = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(x, lf)) & ~(crs << 1 | after_cr);
        for (uint32_t ends = crs | lfs; ends; ends &= ends - 1)
            n++;
        after_cr = crs >> 15;
    }
#endif
    for (; i < length; i++) {
        n += (text[i] == '\r') + (text[i] == '\n' && !after_cr);
        after_cr = text[i] == '\r';
    }
    return n;
}

/* Length of the well-formed sequence at text (Unicode 15, table 3-7), 0 when it is ill-formed. */
static int64_t utf8_sequence(const unsigned char *s, int64_t left)
{
    unsigned char low = 0x80, high = 0xbf;
    int64_t follow = 0;
    if (s[0] < 0x80)
        return 1;
    if (s[0] >= 0xc2 && s[0] <= 0xdf) {
        follow = 1;
    } else if (s[0] >= 0xe0 && s[0] <= 0xef) {
        follow = 2;
        low = s[0] == 0xe0 ? 0xa0 : 0x80;  /* no overlong forms */
        high = s[0] == 0xed ? 0x9f : 0xbf; /* no surrogates */
    } else if (s[0] >= 0xf0 && s[0] <= 0xf4) {
        follow = 3;
        low = s[0] == 0xf0 ? 0x90 : 0x80;
        high = s[0] == 0xf4 ? 0x8f : 0xbf; /* nothing above U+10FFFF */
    }
    if (follow == 0 || follow >= left || s[1] < low || s[1] > high)
        return 0;
    for (int64_t i = 2; i <= follow; i++)
        if (s[i] < 0x80 || s[i] > 0xbf)
            return 0;
    return follow + 1;
}

bool strata_scan_utf8(const char *text, int64_t length)
{
    const unsigned char *s = (const unsigned char *)text;
    int64_t at = 0;
    while (at < length) {
        int64_t n = utf8_sequence(s + at, length - at);
        if (n == 0)
            return false;
        at += n;
    }
    return true;
}
