/* lanes_avx2.h: eight points in a register. See kernel_body.h for what each operation means. */
#include <immintrin.h>

enum { LANES = 8, REGISTERS = 16 };
typedef __m256 vf;
typedef __m256i vi;
typedef __m256i vm;

LANE vf vf_set(float a)
{
    return _mm256_set1_ps(a);
}
LANE vf vf_load(const float *a)
{
    return _mm256_load_ps(a);
}
LANE void vf_store(float *a, vf b)
{
    _mm256_store_ps(a, b);
}
LANE vf vf_sub(vf a, vf b)
{
    return _mm256_sub_ps(a, b);
}
LANE vf vf_muladd(vf a, vf b, vf c)
{
    return _mm256_fmadd_ps(a, b, c);
}
LANE vf vf_mulsub(vf a, vf b, vf c)
{
    return _mm256_fnmadd_ps(a, b, c);
}
LANE vf vf_min(vf a, vf b)
{
    return _mm256_min_ps(a, b);
}
LANE vf vf_max(vf a, vf b)
{
    return _mm256_max_ps(a, b);
}
LANE vf vf_abs(vf a)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}
LANE vi vi_set(int32_t a)
{
    return _mm256_set1_epi32(a);
}
LANE vi vi_add(vi a, vi b)
{
    return _mm256_add_epi32(a, b);
}
LANE vf vf_pack(vf s, vi index, vi keep)
{
    return _mm256_or_ps(_mm256_and_ps(s, _mm256_castsi256_ps(keep)), _mm256_castsi256_ps(index));
}
LANE uint64_t vf_unsure(vf gap, vf slack)
{
    return (uint64_t)(unsigned)_mm256_movemask_ps(_mm256_cmp_ps(gap, slack, _CMP_NGT_UQ));
}
LANE void vf_store_index(uint8_t *to, vf s, vi mask)
{
    __m256i index = _mm256_and_si256(_mm256_castps_si256(s), mask);
    __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(index), _mm256_extracti128_si256(index, 1));
    _mm_storel_epi64((__m128i *)to, _mm_packus_epi16(words, words));
}
LANE vi vi_from_f(vf a)
{
    return _mm256_cvttps_epi32(a);
}
LANE vi vi_load_u8(const uint8_t *a)
{
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)a));
}
LANE vm vi_equal(vi a, vi b)
{
    return _mm256_cmpeq_epi32(a, b);
}
LANE vi vi_add_where(vi sum, vm where, vi a)
{
    return _mm256_add_epi32(sum, _mm256_and_si256(where, a));
}
LANE vi vi_sub_where(vi sum, vm where, vi a)
{
    return _mm256_sub_epi32(sum, _mm256_and_si256(where, a));
}
LANE int64_t vi_total(vi a)
{
    __m256i wide = _mm256_add_epi64(_mm256_cvtepi32_epi64(_mm256_castsi256_si128(a)),
                                    _mm256_cvtepi32_epi64(_mm256_extracti128_si256(a, 1)));
    return _mm256_extract_epi64(wide, 0) + _mm256_extract_epi64(wide, 1) +
           _mm256_extract_epi64(wide, 2) + _mm256_extract_epi64(wide, 3);
}
LANE uint64_t differ64(const uint8_t *a, const uint8_t *b)
{
    uint64_t same = 0;
    for (int i = 0; i < 2; i++) {
        __m256i equal = _mm256_cmpeq_epi8(_mm256_load_si256((const __m256i *)a + i),
                                          _mm256_load_si256((const __m256i *)b + i));
        same |= (uint64_t)(uint32_t)_mm256_movemask_epi8(equal) << (32 * i);
    }
    return ~same;
}
LANE uint64_t equal64(const uint8_t *a, uint8_t b)
{
    const __m256i value = _mm256_set1_epi8((char)b);
    const __m256i low = _mm256_cmpeq_epi8(_mm256_load_si256((const __m256i *)a), value);
    const __m256i high = _mm256_cmpeq_epi8(_mm256_load_si256((const __m256i *)(a + 32)), value);
    return (uint32_t)_mm256_movemask_epi8(low) | (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32;
}
LANE void choose64(uint8_t *to, uint64_t where, uint8_t a, uint8_t b)
{
    const __m256i first = _mm256_set1_epi8((char)a), second = _mm256_set1_epi8((char)b);
    const __m256i spread = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202,
                                              0x0303030303030303);
    const __m256i each = _mm256_set1_epi64x((int64_t)0x8040201008040201);
    for (int at = 0; at < 64; at += 32) {
        const __m256i bits =
            _mm256_shuffle_epi8(_mm256_set1_epi32((int32_t)(uint32_t)(where >> at)), spread);
        const __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(bits, each), each);
        _mm256_store_si256((__m256i *)(to + at), _mm256_blendv_epi8(second, first, set));
    }
}
LANE void translate64(uint8_t *labels, const uint8_t table[16])
{
    const __m256i map = _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)table));
    for (int i = 0; i < 2; i++) {
        __m256i *to = (__m256i *)labels + i;
        _mm256_store_si256(to, _mm256_shuffle_epi8(map, _mm256_load_si256(to)));
    }
}
LANE vf vf_sqrt(vf a)
{
    return _mm256_sqrt_ps(a);
}
LANE vf vf_where(vm where, vf a, vf b)
{
    return _mm256_blendv_ps(b, a, _mm256_castsi256_ps(where));
}
LANE float vf_lowest(vf a)
{
    __m128 four = _mm_min_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    __m128 two = _mm_min_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_min_ss(two, _mm_movehdup_ps(two)));
}
LANE vf vf_add(vf a, vf b)
{
    return _mm256_add_ps(a, b);
}
LANE vf vf_div(vf a, vf b)
{
    return _mm256_div_ps(a, b);
}
LANE vm vf_less(vf a, vf b)
{
    return _mm256_castps_si256(_mm256_cmp_ps(a, b, _CMP_LT_OQ));
}
LANE vi vi_where(vm where, vi a, vi b)
{
    return _mm256_blendv_epi8(b, a, where);
}
LANE uint32_t vm_bits(vm a)
{
    return (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(a));
}
LANE void vi_store_u8(uint8_t *to, vi a)
{
    __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    _mm_storel_epi64((__m128i *)to, _mm_packus_epi16(words, words));
}
LANE float vf_total(vf a)
{
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
LANE vm vm_and(vm a, vm b)
{
    return _mm256_and_si256(a, b);
}
LANE vm vm_or(vm a, vm b)
{
    return _mm256_or_si256(a, b);
}
LANE vi vi_sub(vi a, vi b)
{
    return _mm256_sub_epi32(a, b);
}
LANE vf vf_load_any(const float *a)
{
    return _mm256_loadu_ps(a);
}
LANE vi vi_load_u16(const uint16_t *a)
{
    return _mm256_cvtepu16_epi32(_mm_load_si128((const __m128i *)a));
}
LANE vm vm_from_bits(uint32_t bits)
{
    const __m256i each = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    return _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32((int32_t)bits), each), each);
}
