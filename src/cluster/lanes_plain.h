/* lanes_plain.h: four points at a time in the compiler's own vectors, for any processor. See
 * kernel_body.h for what each operation means. */
#include <math.h>
#include <string.h>

enum { LANES = 4, REGISTERS = 16 };
typedef float vf __attribute__((vector_size(16)));
typedef int32_t vi __attribute__((vector_size(16)));
typedef vi vm;

LANE vf vf_set(float a)
{
    return (vf){a, a, a, a};
}
LANE vf vf_load(const float *a)
{
    vf b;
    memcpy(&b, a, sizeof b);
    return b;
}
LANE void vf_store(float *a, vf b)
{
    memcpy(a, &b, sizeof b);
}
LANE vf vf_sub(vf a, vf b)
{
    return a - b;
}
LANE vf vf_muladd(vf a, vf b, vf c)
{
    return a * b + c;
}
LANE vf vf_mulsub(vf a, vf b, vf c)
{
    return c - a * b;
}
LANE vf vf_choose(vi where, vf a, vf b)
{
    return (vf)(((vi)a & where) | ((vi)b & ~where));
}
LANE vf vf_min(vf a, vf b)
{
    return vf_choose(a < b, a, b);
}
LANE vf vf_max(vf a, vf b)
{
    return vf_choose(a > b, a, b);
}
LANE vf vf_abs(vf a)
{
    return (vf)((vi)a & INT32_MAX);
}
LANE vi vi_set(int32_t a)
{
    return (vi){a, a, a, a};
}
LANE vi vi_add(vi a, vi b)
{
    return a + b;
}
LANE vf vf_pack(vf s, vi index, vi keep)
{
    return (vf)(((vi)s & keep) | index);
}
LANE uint64_t vf_unsure(vf gap, vf slack)
{
    vi sure = gap > slack;
    uint64_t bits = 0;
    for (int i = 0; i < LANES; i++)
        bits |= (uint64_t)(sure[i] == 0) << i;
    return bits;
}
LANE void vf_store_index(uint8_t *to, vf s, vi mask)
{
    vi index = (vi)s & mask;
    for (int i = 0; i < LANES; i++)
        to[i] = (uint8_t)index[i];
}
LANE vi vi_from_f(vf a)
{
    return __builtin_convertvector(a, vi);
}
LANE vi vi_load_u8(const uint8_t *a)
{
    return (vi){a[0], a[1], a[2], a[3]};
}
LANE vm vi_equal(vi a, vi b)
{
    return a == b;
}
LANE vi vi_add_where(vi sum, vm where, vi a)
{
    return sum + (where & a);
}
LANE vi vi_sub_where(vi sum, vm where, vi a)
{
    return sum - (a & where);
}
LANE int64_t vi_total(vi a)
{
    return (int64_t)a[0] + a[1] + a[2] + a[3];
}
LANE uint64_t differ64(const uint8_t *a, const uint8_t *b)
{
    uint64_t differ = 0;
    if (memcmp(a, b, 64) == 0)
        return 0;
    for (int i = 0; i < 64; i++)
        differ |= (uint64_t)(a[i] != b[i]) << i;
    return differ;
}
#define ONES UINT64_C(0x0101010101010101)
LANE uint64_t equal64(const uint8_t *a, uint8_t b)
{
    uint64_t equal = 0;
    for (int at = 0; at < 64; at += 8) {
        uint64_t eight;
        memcpy(&eight, a + at, sizeof eight);
        eight ^= b * ONES;
        const uint64_t zero = ~(((eight & 127 * ONES) + 127 * ONES) | eight | 127 * ONES) >> 7;
        equal |= (zero * 0x0102040810204080 >> 56) << at;
    }
    return equal;
}
LANE void choose64(uint8_t *to, uint64_t where, uint8_t a, uint8_t b)
{
    for (int at = 0; at < 64; at += 8) {
        const uint64_t bits = (where >> at & 0xff) * ONES & 0x8040201008040201;
        const uint64_t set = ((bits + 127 * ONES) >> 7 & ONES) * 0xff;
        const uint64_t eight = ((a * ONES) & set) | ((b * ONES) & ~set);
        memcpy(to + at, &eight, sizeof eight);
    }
}
LANE void translate64(uint8_t *labels, const uint8_t table[16])
{
    for (int i = 0; i < 64; i++)
        labels[i] = table[labels[i] & 15];
}
LANE vf vf_sqrt(vf a)
{
    return (vf){sqrtf(a[0]), sqrtf(a[1]), sqrtf(a[2]), sqrtf(a[3])};
}
LANE vf vf_where(vm where, vf a, vf b)
{
    return vf_choose(where, a, b);
}
LANE float vf_lowest(vf a)
{
    float low = a[0] < a[1] ? a[0] : a[1], high = a[2] < a[3] ? a[2] : a[3];
    return low < high ? low : high;
}
LANE vf vf_add(vf a, vf b)
{
    return a + b;
}
LANE vf vf_div(vf a, vf b)
{
    return a / b;
}
LANE vm vf_less(vf a, vf b)
{
    return a < b;
}
LANE vi vi_where(vm where, vi a, vi b)
{
    return (a & where) | (b & ~where);
}
LANE uint32_t vm_bits(vm a)
{
    return (uint32_t)((a[0] & 1) | (a[1] & 2) | (a[2] & 4) | (a[3] & 8));
}
LANE void vi_store_u8(uint8_t *to, vi a)
{
    for (int i = 0; i < LANES; i++)
        to[i] = (uint8_t)a[i];
}
LANE float vf_total(vf a)
{
    return a[0] + a[1] + a[2] + a[3];
}
LANE vm vm_and(vm a, vm b)
{
    return a & b;
}
LANE vm vm_or(vm a, vm b)
{
    return a | b;
}
LANE vi vi_sub(vi a, vi b)
{
    return a - b;
}
LANE vf vf_load_any(const float *a)
{
    return vf_load(a);
}
LANE vi vi_load_u16(const uint16_t *a)
{
    return (vi){a[0], a[1], a[2], a[3]};
}
LANE vm vm_from_bits(uint32_t bits)
{
    const vi each = {1, 2, 4, 8};
    return ((vi){(int32_t)bits, (int32_t)bits, (int32_t)bits, (int32_t)bits} & each) == each;
}
