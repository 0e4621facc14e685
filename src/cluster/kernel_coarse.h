/* kernel_coarse.h: the coarse screen; see kernel.h for its proof. Sixteen points in a register, two
 * features of each in a lane. */
enum { AHEAD = 128 }; /* points: so few that their lines wait in the first cache */
#define UNROLL _Pragma("GCC unroll 16")

/* Centroids abreast: with four the sums and the two smallest do not all stay in registers. */
enum { VECTORS = STRATA_BLOCK / LANES, ABREAST = 2 };

/* sum += a.low b.low + a.high b.high in each lane. In assembly, since gcc 12 copies the sum before
 * each use of its intrinsic, which costs a third of the time. */
#define VI_DOT(sum, a, b) __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b))

/* Rounded a x - a o of features f and f + 1 (0 when there is none) in the halves of each lane. */
LANE void coarse_pair(const strata_coarse_tile *tile, int32_t d, int32_t f, const float *x,
                      int64_t stride, vi *to)
{
    const bool both = f + 1 < d;
    const vf scale = vf_set(tile->scale), even_origin = vf_set(tile->origin[f]);
    const vf odd_origin = vf_set(both ? tile->origin[f + 1] : 0.0f);
    const vi low = vi_set(0xffff);
    UNROLL for (int v = 0; v < VECTORS; v++)
    {
        const float *even = x + f * stride + v * LANES, *odd = both ? even + stride : even;
        vi a = _mm512_cvtps_epi32(_mm512_fmsub_ps(vf_load(even), scale, even_origin));
        vi b = _mm512_cvtps_epi32(_mm512_fmsub_ps(vf_load(odd), scale, odd_origin));
        b = both ? _mm512_slli_epi32(b, 16) : vi_set(0);
        to[v] = _mm512_ternarylogic_epi32(low, a, b, 0xCA); /* low ? a : b */
    }
}

/* The rows of a block further on, a few with each pair of centroids. */
LANE void coarse_prefetch(const strata_screen *s, int32_t from, int32_t count, const float *next,
                          int64_t stride)
{
    for (int32_t f = from; f < from + count && f < s->d; f++)
        UNROLL for (int line = 0; line < STRATA_BLOCK; line += 16)
            __builtin_prefetch(next + f * stride + line, 0, STRATA_NEAR);
}

LANE void coarse_block(const int PAIRS, const strata_screen *s, const strata_coarse_tile *tile,
                       int32_t ahead, const float *x, int64_t stride, uint8_t *labels,
                       uint64_t *ambiguous)
{
    const int32_t pairs = PAIRS ? PAIRS : s->coarse.pairs;
    const vi keep = vi_set((int32_t)~s->index_mask), mask = vi_set((int32_t)s->index_mask);
    vi block[STRATA_D_MAX / 2][VECTORS], best[VECTORS], second[VECTORS];
    for (int32_t pair = 0; pair < pairs; pair++)
        coarse_pair(tile, s->d, 2 * pair, x, stride, block[pair]);
    UNROLL for (int v = 0; v < VECTORS; v++)
        best[v] = second[v] = vi_set(INT32_MAX);
    for (int32_t j = 0; j < s->k; j += ABREAST) {
        const int32_t *c = s->coarse.q + (int64_t)(j / 4 * 4) * pairs + j % 4;
        vi sum[ABREAST][VECTORS];
        coarse_prefetch(s, j / ABREAST * ahead, ahead, x + AHEAD, stride);
        UNROLL for (int q = 0; q < ABREAST; q++)
            UNROLL for (int v = 0; v < VECTORS; v++)
                sum[q][v] = vi_set(tile->h[j + q]);
        UNROLL for (int32_t pair = 0; pair < pairs; pair++)
            UNROLL for (int q = 0; q < ABREAST; q++)
            {
                const vi centroid = vi_set(c[4 * pair + q]);
                UNROLL for (int v = 0; v < VECTORS; v++)
                    VI_DOT(sum[q][v], block[pair][v], centroid);
            }
        UNROLL for (int q = 0; q < ABREAST; q++)
        {
            const vi index = vi_set(j + q);
            UNROLL for (int v = 0; v < VECTORS; v++)
            {
                vi value = _mm512_ternarylogic_epi32(sum[q][v], index, keep, 0xEC);
                second[v] = _mm512_min_epi32(second[v], _mm512_max_epi32(best[v], value));
                best[v] = _mm512_min_epi32(best[v], value);
            }
        }
    }
    UNROLL for (int v = 0; v < VECTORS; v++)
    {
        vi norm = vi_set(0);
        for (int32_t pair = 0; pair < pairs; pair++)
            VI_DOT(norm, block[pair][v], block[pair][v]);
        const vi gap = _mm512_sub_epi32(second[v], best[v]); /* below 2^32: right without a sign */
        vf square =
            vf_muladd(vf_set(tile->of_best), _mm512_cvtepi32_ps(best[v]), vf_set(tile->off));
        square = vf_muladd(vf_set(tile->of_norm), _mm512_cvtepi32_ps(norm), square);
        const vf nearest = vf_sqrt(vf_max(square, vf_set(0.0f)));
        const vf slack = vf_muladd(vf_set(tile->slope), nearest, vf_set(tile->offset));
        *ambiguous |= vf_unsure(_mm512_cvtepu32_ps(gap), slack) << (v * LANES);
        _mm_store_si128((__m128i *)(labels + v * LANES),
                        _mm512_cvtepi32_epi8(_mm512_and_si512(best[v], mask)));
    }
}

LANE void coarse_blocks(const int PAIRS, const strata_screen *s, const strata_coarse_tile *tile,
                        const float *x, int64_t stride, int64_t n, uint8_t *labels,
                        uint64_t *ambiguous)
{
    const int32_t groups = (s->k + ABREAST - 1) / ABREAST, ahead = (s->d + groups - 1) / groups;
    for (int64_t at = 0; at < n; at += STRATA_BLOCK)
        coarse_block(PAIRS, s, tile, ahead, x + at, stride, labels + at,
                     &ambiguous[at / STRATA_BLOCK]);
}

static void coarse_points(const strata_screen *s, const strata_coarse_tile *tile, const float *x,
                          int64_t stride, int64_t n, uint8_t *labels, uint64_t *ambiguous)
{
    switch (s->coarse.pairs) {
    case 2:
        coarse_blocks(2, s, tile, x, stride, n, labels, ambiguous);
        break;
    case 3:
        coarse_blocks(3, s, tile, x, stride, n, labels, ambiguous);
        break;
    case 4:
        coarse_blocks(4, s, tile, x, stride, n, labels, ambiguous);
        break;
    default:
        coarse_blocks(0, s, tile, x, stride, n, labels, ambiguous);
    }
}
#undef UNROLL
