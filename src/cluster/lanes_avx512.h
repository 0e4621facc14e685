/* lanes_avx512.h: sixteen points in a register. See kernel_body.h for what each operation means. */
#include <immintrin.h>

enum { LANES = 16, REGISTERS = 32 };
typedef __m512 vf;
typedef __m512i vi;
typedef __mmask16 vm;

LANE vf vf_set(float a)
{
    return _mm512_set1_ps(a);
}
LANE vf vf_load(const float *a)
{
    return _mm512_load_ps(a);
}
LANE void vf_store(float *a, vf b)
{
    _mm512_store_ps(a, b);
}
LANE vf vf_sub(vf a, vf b)
{
    return _mm512_sub_ps(a, b);
}
LANE vf vf_muladd(vf a, vf b, vf c)
{
    return _mm512_fmadd_ps(a, b, c);
}
LANE vf vf_mulsub(vf a, vf b, vf c)
{
    return _mm512_fnmadd_ps(a, b, c);
}
LANE vf vf_min(vf a, vf b)
{
    return _mm512_min_ps(a, b);
}
LANE vf vf_max(vf a, vf b)
{
    return _mm512_max_ps(a, b);
}
LANE vf vf_abs(vf a)
{
    return _mm512_abs_ps(a);
}
LANE vi vi_set(int32_t a)
{
    return _mm512_set1_epi32(a);
}
LANE vi vi_add(vi a, vi b)
{
    return _mm512_add_epi32(a, b);
}
LANE vf vf_pack(vf s, vi index, vi keep)
{
    return _mm512_castsi512_ps(
        _mm512_ternarylogic_epi32(_mm512_castps_si512(s), index, keep, 0xEC));
}
LANE uint64_t vf_unsure(vf gap, vf slack)
{
    return (uint64_t)_mm512_cmp_ps_mask(gap, slack, _CMP_NGT_UQ);
}
LANE void vf_store_index(uint8_t *to, vf s, vi mask)
{
    _mm_store_si128((__m128i *)to, _mm512_cvtepi32_epi8(_mm512_and_si512(_mm512_castps_si512(s), mask)));
}
LANE vi vi_from_f(vf a)
{
    return _mm512_cvttps_epi32(a);
}
LANE vi vi_load_u8(const uint8_t *a)
{
    return _mm512_cvtepu8_epi32(_mm_load_si128((const __m128i *)a));
}
LANE vm vi_equal(vi a, vi b)
{
    return _mm512_cmpeq_epi32_mask(a, b);
}
LANE vi vi_add_where(vi sum, vm where, vi a)
{
    return _mm512_mask_add_epi32(sum, where, sum, a);
}
LANE vi vi_sub_where(vi sum, vm where, vi a)
{
    return _mm512_mask_sub_epi32(sum, where, sum, a);
}
LANE int64_t vi_total(vi a)
{
    __m512i low = _mm512_cvtepi32_epi64(_mm512_castsi512_si256(a));
    __m512i high = _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(a, 1));
    return _mm512_reduce_add_epi64(_mm512_add_epi64(low, high));
}
LANE uint64_t differ64(const uint8_t *a, const uint8_t *b)
{
    return _cvtmask64_u64(_mm512_cmpneq_epu8_mask(_mm512_load_si512(a), _mm512_load_si512(b)));
}
LANE uint64_t equal64(const uint8_t *a, uint8_t b)
{
    return _cvtmask64_u64(_mm512_cmpeq_epi8_mask(_mm512_load_si512(a), _mm512_set1_epi8((char)b)));
}
LANE void choose64(uint8_t *to, uint64_t where, uint8_t a, uint8_t b)
{
    _mm512_store_si512(to, _mm512_mask_mov_epi8(_mm512_set1_epi8((char)b), _cvtu64_mask64(where),
                                                _mm512_set1_epi8((char)a)));
}
LANE void translate64(uint8_t *labels, const uint8_t table[16])
{
    const __m512i map = _mm512_broadcast_i32x4(_mm_load_si128((const __m128i *)table));
    _mm512_store_si512(labels, _mm512_shuffle_epi8(map, _mm512_load_si512(labels)));
}
LANE vf vf_sqrt(vf a)
{
    return _mm512_sqrt_ps(a);
}
LANE vf vf_where(vm where, vf a, vf b)
{
    return _mm512_mask_blend_ps(where, b, a);
}
LANE float vf_lowest(vf a)
{
    return _mm512_reduce_min_ps(a);
}
LANE vf vf_add(vf a, vf b)
{
    return _mm512_add_ps(a, b);
}
LANE vf vf_div(vf a, vf b)
{
    return _mm512_div_ps(a, b);
}
LANE vm vf_less(vf a, vf b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}
LANE vi vi_where(vm where, vi a, vi b)
{
    return _mm512_mask_blend_epi32(where, b, a);
}
LANE uint32_t vm_bits(vm a)
{
    return a;
}
LANE void vi_store_u8(uint8_t *to, vi a)
{
    _mm_store_si128((__m128i *)to, _mm512_cvtepi32_epi8(a));
}
LANE float vf_total(vf a)
{
    return _mm512_reduce_add_ps(a);
}
LANE vm vm_and(vm a, vm b)
{
    return (vm)(a & b);
}
LANE vm vm_or(vm a, vm b)
{
    return (vm)(a | b);
}
LANE vi vi_sub(vi a, vi b)
{
    return _mm512_sub_epi32(a, b);
}
LANE vf vf_load_any(const float *a)
{
    return _mm512_loadu_ps(a);
}
LANE vi vi_load_u16(const uint16_t *a)
{
    return _mm512_cvtepu16_epi32(_mm256_load_si256((const __m256i *)a));
}
LANE vm vm_from_bits(uint32_t bits)
{
    return (vm)bits;
}
