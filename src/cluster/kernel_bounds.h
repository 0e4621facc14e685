/* kernel_bounds.h: part of kernel_body.h. Points that are past their bounds, one by one: here a
 * lane is a centroid, so that single points need not be gathered into vectors. The proofs are in
 * bounds.h. */

enum { PARTS = STRATA_CROWD / LANES };
_Alignas(64) static const int32_t lane_numbers[STRATA_CROWD] = {0, 1, 2,  3,  4,  5,  6,  7,
                                                                8, 9, 10, 11, 12, 13, 14, 15};

LANE vi lanes_of(int part)
{
    return *(const vi *)(lane_numbers + part * LANES);
}

LANE float lowest_of(const vf *a)
{
    vf low = a[0];
    UNROLL for (int v = 1; v < PARTS; v++) low = vf_min(low, a[v]);
    return vf_lowest(low);
}

/* a with one lane replaced */
LANE void put_lane(vf *a, int32_t lane, float value)
{
    UNROLL for (int v = 0; v < PARTS; v++) a[v] =
        vf_where(vi_equal(lanes_of(v), vi_set(lane)), vf_set(value), a[v]);
}

/* Bit l: not a[l] > least */
LANE uint32_t lanes_not_above(const vf *a, float least)
{
    uint32_t bits = 0;
    UNROLL for (int v = 0; v < PARTS; v++) bits |= (uint32_t)vf_unsure(a[v], vf_set(least))
                                                   << (v * LANES);
    return bits;
}

/* Squared distances of the point x (features STRATA_BLOCK apart) to a crowd, the lane in the lowest
 * four bits: odd and even features apart, for two short chains instead of a long one. */
LANE void crowd_distances(const strata_crowds *s, int32_t crowd, const float *x, vf *packed)
{
    const int32_t d = s->d;
    const float *c = s->c + (int64_t)crowd * d * STRATA_CROWD;
    vf even[PARTS], odd[PARTS];
    UNROLL for (int v = 0; v < PARTS; v++) even[v] = odd[v] = vf_set(0.0f);
    int32_t f = 0;
    for (; f + 1 < d; f += 2)
        UNROLL for (int v = 0; v < PARTS; v++)
        {
            const float *at = c + f * STRATA_CROWD + v * LANES;
            vf one = vf_sub(vf_load(at), vf_set(x[f * STRATA_BLOCK]));
            vf two = vf_sub(vf_load(at + STRATA_CROWD), vf_set(x[(f + 1) * STRATA_BLOCK]));
            even[v] = vf_muladd(one, one, even[v]);
            odd[v] = vf_muladd(two, two, odd[v]);
        }
    if (f < d)
        UNROLL for (int v = 0; v < PARTS; v++)
        {
            vf one = vf_sub(vf_load(c + f * STRATA_CROWD + v * LANES), vf_set(x[f * STRATA_BLOCK]));
            even[v] = vf_muladd(one, one, even[v]);
        }
    UNROLL for (int v = 0; v < PARTS; v++) packed[v] =
        vf_pack(vf_muladd(odd[v], vf_set(1.0f), even[v]), lanes_of(v), vi_set(~(STRATA_CROWD - 1)));
}

LANE int32_t lane_in(float packed)
{
    int32_t bits;
    memcpy(&bits, &packed, sizeof bits);
    return bits & (STRATA_CROWD - 1);
}

/* The nearest so far of one point, and the second nearest of the same and the other crowds. */
typedef struct nearest {
    float best, second; /* packed squares */
    float best_rest;    /* the second of the best's crowd */
    int32_t crowd;      /* the best's */
} nearest;

/* Returns the least of the crowd. */
LANE float consider(nearest *n, int32_t crowd, vf *packed)
{
    const float least = lowest_of(packed);
    if (!(least < n->best)) {
        n->second = least < n->second ? least : n->second;
        return least;
    }
    put_lane(packed, lane_in(least), 3e38f);
    n->best_rest = lowest_of(packed);
    n->second = n->best_rest < n->best ? n->best_rest : n->best;
    n->best = least;
    n->crowd = crowd;
    return least;
}

LANE float lower_distance(const strata_crowds *s, float packed)
{
    return sqrtf(packed) * (1.0f - s->relative) - 1e-15f;
}

LANE float upper_distance(const strata_crowds *s, float packed)
{
    return sqrtf(packed) * (1.0f + s->relative);
}

/* Ends the look at point q: its label, whether it is sure, and until when it is safe, given the
 * least lower bound of the others. */
LANE void settle(const strata_crowds *s, const nearest *n, float others, strata_look *look,
                 int32_t q)
{
    const uint8_t label = s->label[n->crowd * STRATA_CROWD + lane_in(n->best)];
    const bool sure = n->second > n->best * (1.0f + 3.0f * s->relative) + 1e-30f;
    const float margin = (others - upper_distance(s, n->best)) * (1.0f - 0x1p-22f);
    look->labels[q] = label;
    look->unsure |= (uint64_t)!sure << q;
    look->safe[q] = sure && margin > 0 ? (s->own_down[label] + margin) * (1.0f - 0x1p-22f) : -1.0f;
}

/* The points that are due, features STRATA_BLOCK apart; all of the block unless they are few. */
LANE void fetch_points(const strata_look *look, int32_t d, float *block)
{
    const uint64_t due = look->due;
    if (__builtin_popcountll(due) < 4) {
        for (uint64_t bits = due; bits != 0; bits &= bits - 1)
            for (int32_t f = 0, q = __builtin_ctzll(bits); f < d; f++)
                block[f * STRATA_BLOCK + q] = look->x[f * look->stride + q];
        return;
    }
    for (int32_t f = 0; f < d; f++)
        UNROLL for (int i = 0; i < STRATA_BLOCK; i += LANES)
            vf_store(block + f * STRATA_BLOCK + i, vf_load(look->x + f * look->stride + i));
}

static void look_at_crowds(const strata_crowds *s, strata_look *look)
{
    _Alignas(64) float block[STRATA_D_MAX * STRATA_BLOCK];
    fetch_points(look, s->d, block);
    for (uint64_t bits = look->due; bits != 0; bits &= bits - 1) {
        const int32_t q = __builtin_ctzll(bits), own = s->place[look->labels[q]] / STRATA_CROWD;
        float *lower = look->lower + q * STRATA_CROWD, least[STRATA_CROWDS];
        nearest n = {3e38f, 3e38f, 3e38f, own};
        vf packed[PARTS], row[PARTS], now[PARTS];
        crowd_distances(s, own, block + q, packed);
        least[own] = consider(&n, own, packed);
        UNROLL for (int v = 0; v < PARTS; v++)
        {
            row[v] = vf_load(lower + v * LANES);
            now[v] = vf_sub(row[v], vf_load(s->up + v * LANES));
        }
        const uint32_t need =
            lanes_not_above(now, upper_distance(s, n.best)) & ~(UINT32_C(1) << own);
        for (uint32_t rest = need; rest != 0; rest &= rest - 1) {
            const int32_t crowd = __builtin_ctz(rest);
            crowd_distances(s, crowd, block + q, packed);
            least[crowd] = consider(&n, crowd, packed);
        }
        const bool sure = n.second > n.best * (1.0f + 3.0f * s->relative) + 1e-30f;
        for (uint32_t rest = need | UINT32_C(1) << own; rest != 0; rest &= rest - 1) {
            const int32_t crowd = __builtin_ctz(rest);
            const float bound =
                lower_distance(s, sure && crowd == n.crowd ? n.best_rest : least[crowd]);
            put_lane(now, crowd, bound);
            put_lane(row, crowd, (bound + s->down[crowd]) * (1.0f - 0x1p-22f));
            look->crowds++;
        }
        UNROLL for (int v = 0; v < PARTS; v++) vf_store(lower + v * LANES, row[v]);
        settle(s, &n, lowest_of(now), look, q);
    }
}

/* One bound a centroid. What half the way between two centroids says is used where it says more. */
static void look_at_each(const strata_crowds *s, strata_look *look)
{
    _Alignas(64) float block[STRATA_D_MAX * STRATA_BLOCK], bounds[STRATA_K_MAX];
    const int32_t places = STRATA_CROWD * s->count;
    fetch_points(look, s->d, block);
    for (uint64_t bits = look->due; bits != 0; bits &= bits - 1) {
        const int32_t q = __builtin_ctzll(bits), own = s->place[look->labels[q]] / STRATA_CROWD;
        float *lower = look->lower + (int64_t)q * places;
        nearest n = {3e38f, 3e38f, 3e38f, own};
        vf packed[PARTS], now[PARTS];
        crowd_distances(s, own, block + q, packed);
        UNROLL for (int v = 0; v < PARTS; v++)
            vf_store(bounds + own * STRATA_CROWD + v * LANES, packed[v]);
        consider(&n, own, packed);
        const float upper = upper_distance(s, n.best);
        const float *half = s->half + (int64_t)(own * STRATA_CROWD + lane_in(n.best)) * places;
        uint32_t looked = UINT32_C(1) << own;
        for (int32_t crowd = 0; crowd < s->count; crowd++) {
            const int32_t at = crowd * STRATA_CROWD;
            if (crowd == own)
                continue;
            UNROLL for (int v = 0; v < PARTS; v++)
            {
                vf apart = vf_load(half + at + v * LANES);
                apart = vf_muladd(vf_set(2.0f * (1.0f - 0x1p-22f)), apart, vf_set(-upper));
                now[v] = vf_sub(vf_load(lower + at + v * LANES), vf_load(s->up + at + v * LANES));
                now[v] = vf_max(now[v], apart);
                vf_store(bounds + at + v * LANES, now[v]);
            }
            if (lanes_not_above(now, upper) == 0)
                continue;
            looked |= UINT32_C(1) << crowd;
            crowd_distances(s, crowd, block + q, packed);
            UNROLL for (int v = 0; v < PARTS; v++) vf_store(bounds + at + v * LANES, packed[v]);
            consider(&n, crowd, packed);
        }
        for (uint32_t rest = looked; rest != 0; rest &= rest - 1) {
            const int32_t at = __builtin_ctz(rest) * STRATA_CROWD;
            UNROLL for (int v = 0; v < PARTS; v++)
            {
                vf bound = vf_muladd(vf_sqrt(vf_load(bounds + at + v * LANES)),
                                     vf_set(1.0f - s->relative), vf_set(-1e-15f));
                vf_store(bounds + at + v * LANES, bound);
                bound = vf_muladd(bound, vf_set(1.0f), vf_load(s->down + at + v * LANES));
                vf_store(lower + at + v * LANES,
                         vf_muladd(bound, vf_set(1.0f - 0x1p-22f), vf_set(0.0f)));
            }
            look->crowds++;
        }
        bounds[n.crowd * STRATA_CROWD + lane_in(n.best)] = 3e38f;
        vf others = vf_load(bounds);
        for (int32_t at = LANES; at < places; at += LANES)
            others = vf_min(others, vf_load(bounds + at));
        settle(s, &n, vf_lowest(others), look, q);
    }
}

/* Centroids as points: the same distances, halved and rounded down. */
static void centroids_apart(strata_crowds *s)
{
    const int32_t places = STRATA_CROWD * s->count;
    float point[STRATA_D_MAX * STRATA_BLOCK];
    for (int32_t at = 0; at < places; at++) {
        const float *from = s->c + (int64_t)(at / STRATA_CROWD) * s->d * STRATA_CROWD;
        for (int32_t f = 0; f < s->d; f++)
            point[f * STRATA_BLOCK] = from[f * STRATA_CROWD + at % STRATA_CROWD];
        for (int32_t crowd = 0; crowd < s->count; crowd++) {
            vf packed[PARTS];
            crowd_distances(s, crowd, point, packed);
            UNROLL for (int v = 0; v < PARTS; v++)
                vf_store(s->half + (int64_t)at * places + crowd * STRATA_CROWD + v * LANES,
                         vf_muladd(vf_sqrt(packed[v]), vf_set(0.5f * (1.0f - s->relative)),
                                   vf_set(-1e-15f)));
        }
    }
}

static void overdue_points(const uint8_t *labels, const float *safe, const float *drift, int64_t n,
                           uint64_t *due)
{
    for (int64_t at = 0; at < n; at += STRATA_BLOCK) {
        const int64_t end = n - at < STRATA_BLOCK ? n - at : STRATA_BLOCK;
        uint64_t bits = 0;
        for (int64_t i = 0; i < end; i++)
            bits |= (uint64_t) !(drift[labels[at + i]] < safe[at + i]) << i;
        due[at / STRATA_BLOCK] = bits;
    }
}
