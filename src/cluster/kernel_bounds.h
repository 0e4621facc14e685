/* kernel_bounds.h: part of kernel_body.h. Points that are past their bounds, one by one: here a
 * lane is a centroid, so that single points need not be gathered into vectors. The proofs are in
 * bounds.h. */

enum { PARTS = STRATA_CROWD / LANES, TOGETHER_MOST = REGISTERS == 32 ? 4 : 2 };
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

/* Squared distances of P points x[p][d] to a crowd, packed[p][PARTS]: the lane in the lowest four
 * bits. Each value of a centroid that is loaded serves P points. */
LANE void crowd_distances(const int P, const strata_crowds *s, int32_t crowd, const float *const *x,
                          vf (*packed)[PARTS])
{
    const int32_t d = s->d;
    const float *c = s->c + (int64_t)crowd * d * STRATA_CROWD;
    vf sum[TOGETHER_MOST][PARTS];
    UNROLL for (int p = 0; p < P; p++) UNROLL for (int v = 0; v < PARTS; v++) sum[p][v] =
        vf_set(0.0f);
    for (int32_t f = 0; f < d; f++)
        UNROLL for (int v = 0; v < PARTS; v++)
        {
            const vf at = vf_load(c + f * STRATA_CROWD + v * LANES);
            UNROLL for (int p = 0; p < P; p++)
            {
                const vf apart = vf_sub(at, vf_set(x[p][f]));
                sum[p][v] = vf_muladd(apart, apart, sum[p][v]);
            }
        }
    UNROLL for (int p = 0; p < P; p++) UNROLL for (int v = 0; v < PARTS; v++) packed[p][v] =
        vf_pack(sum[p][v], lanes_of(v), vi_set(~(STRATA_CROWD - 1)));
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

/* The nearest of a crowd that is looked at first. */
LANE nearest nearest_of(int32_t crowd, vf *packed)
{
    nearest n = {.best = lowest_of(packed), .crowd = crowd};
    put_lane(packed, lane_in(n.best), 3e38f);
    n.second = n.best_rest = lowest_of(packed);
    return n;
}

LANE float lower_distance(const strata_crowds *s, float packed)
{
    return sqrtf(packed) * (1.0f - s->relative) - s->blur;
}

LANE float upper_distance(const strata_crowds *s, float packed)
{
    return sqrtf(packed) * (1.0f + s->relative) + s->blur;
}

LANE bool is_sure(const strata_crowds *s, const nearest *n)
{
    return lower_distance(s, n->second) > upper_distance(s, n->best);
}

/* Ends the look at point q: its label, whether it is sure, and until when it is safe, given the
 * least lower bound of the others. */
LANE void settle(const strata_crowds *s, const nearest *n, float others, strata_look *look,
                 int32_t q)
{
    const uint8_t label = s->label[n->crowd * STRATA_CROWD + lane_in(n->best)];
    const bool sure = is_sure(s, n);
    const float margin = (others - upper_distance(s, n->best)) * (1.0f - 0x1p-22f);
    look->labels[q] = label;
    look->unsure[q / 64] |= (uint64_t)!sure << (q % 64);
    look->safe[q] = sure && margin > 0 ? (s->own_down[label] + margin) * (1.0f - 0x1p-22f) : -1.0f;
}

/* Bounds of point q as they are now; lanes without a crowd are far away. */
LANE void load_bounds(const strata_crowds *s, const strata_look *look, int32_t q, vf *now)
{
    UNROLL for (int v = 0; v < PARTS; v++)
    {
        now[v] = vf_load_any(look->lower + q * s->width + v * LANES);
        now[v] = vf_sub(now[v], vf_load(s->up + v * LANES));
        now[v] = vf_max(now[v], vf_load(s->floor + v * LANES));
    }
}

LANE void keep_bound(const strata_crowds *s, strata_look *look, int32_t q, int32_t crowd,
                     float packed)
{
    look->lower[q * s->width + crowd] =
        (lower_distance(s, packed) + s->down[crowd]) * (1.0f - 0x1p-22f);
}

/* Another crowd of point q. */
LANE void consider(const strata_crowds *s, strata_look *look, nearest *n, int32_t q, int32_t crowd,
                   vf *packed)
{
    const float least = lowest_of(packed);
    if (!(least < n->best)) {
        n->second = least < n->second ? least : n->second;
        keep_bound(s, look, q, crowd, least);
        return;
    }
    const nearest before = *n;
    *n = nearest_of(crowd, packed);
    n->second = before.best < n->second ? before.best : n->second;
    keep_bound(s, look, q, before.crowd, before.best);
    keep_bound(s, look, q, crowd, n->best_rest);
}

/* Points by crowd: who[crowd] lists those to be compared with it. */
typedef struct queues {
    int32_t count[STRATA_CROWDS];
    uint16_t who[STRATA_CROWDS][STRATA_TILE];
} queues;

LANE void fetch_ahead(const strata_crowds *s, strata_look *look)
{
    if (look->n_ahead == 0)
        return;
    const int64_t q = STRATA_TILE + *look->ahead++;
    look->n_ahead--;
    for (int32_t f = 0; f < s->d; f += 16)
        __builtin_prefetch(look->rows + q * s->d + f);
    __builtin_prefetch(look->lower + q * s->width);
}

/* P points of a queue from at on; own: it is the crowd of their labels, looked at first. */
LANE void serve(const int P, const strata_crowds *s, strata_look *look, nearest *near,
                const queues *line, int32_t crowd, int32_t at, bool own)
{
    const float *x[TOGETHER_MOST];
    vf packed[TOGETHER_MOST][PARTS];
    UNROLL for (int p = 0; p < P; p++) x[p] = look->rows + (int64_t)line->who[crowd][at + p] * s->d;
    crowd_distances(P, s, crowd, x, packed);
    UNROLL for (int p = 0; p < P; p++)
    {
        const int32_t q = line->who[crowd][at + p];
        if (own) {
            fetch_ahead(s, look);
            near[q] = nearest_of(crowd, packed[p]);
            keep_bound(s, look, q, crowd, near[q].best_rest);
        } else {
            consider(s, look, &near[q], q, crowd, packed[p]);
        }
    }
}

LANE void serve_queues(const strata_crowds *s, strata_look *look, nearest *near, const queues *line,
                       const bool own)
{
    for (int32_t crowd = 0; crowd < s->count; crowd++) {
        int32_t at = 0;
        for (; at + TOGETHER_MOST <= line->count[crowd]; at += TOGETHER_MOST)
            serve(TOGETHER_MOST, s, look, near, line, crowd, at, own);
        for (; at < line->count[crowd]; at++)
            serve(1, s, look, near, line, crowd, at, own);
        look->crowds += line->count[crowd];
    }
}

/* The crowds beside its own that point q must be compared with. */
LANE uint32_t open_crowds(const strata_crowds *s, const strata_look *look, int32_t q, float best,
                          int32_t own)
{
    vf now[PARTS];
    uint32_t open = (UINT32_C(1) << s->count) - 1;
    if (!look->fresh) {
        load_bounds(s, look, q, now);
        open = lanes_not_above(now, upper_distance(s, best));
    }
    return open & ~(UINT32_C(1) << own);
}

/* First the crowd of the label, then those whose bounds do not hold, then what is kept. */
static void look_at_crowds(const strata_crowds *s, strata_look *look)
{
    nearest near[STRATA_TILE];
    queues line;
    memset(line.count, 0, sizeof line.count);
    for (int64_t at = 0; at < look->points; at += 64)
        for (uint64_t bits = look->due[at / 64]; bits != 0; bits &= bits - 1) {
            const int32_t q = (int32_t)at + __builtin_ctzll(bits);
            const int32_t own = s->place[look->labels[q]] / STRATA_CROWD;
            line.who[own][line.count[own]++] = (uint16_t)q;
            look->looked++;
        }
    serve_queues(s, look, near, &line, true);
    memset(line.count, 0, sizeof line.count);
    for (int64_t at = 0; at < look->points; at += 64)
        for (uint64_t bits = look->due[at / 64]; bits != 0; bits &= bits - 1) {
            const int32_t q = (int32_t)at + __builtin_ctzll(bits);
            uint32_t open = open_crowds(s, look, q, near[q].best, near[q].crowd);
            for (; open != 0; open &= open - 1) {
                const int32_t crowd = __builtin_ctz(open);
                line.who[crowd][line.count[crowd]++] = (uint16_t)q;
            }
        }
    serve_queues(s, look, near, &line, false);
    for (int64_t at = 0; at < look->points; at += 64)
        for (uint64_t bits = look->due[at / 64]; bits != 0; bits &= bits - 1) {
            const int32_t q = (int32_t)at + __builtin_ctzll(bits);
            if (!is_sure(s, &near[q])) /* the bound of a crowd leaves out a label that is sure */
                keep_bound(s, look, q, near[q].crowd, near[q].best);
        }
    for (int64_t at = 0; at < look->points;
         at += 64) /* apart: a stored value rests before it is read */
        for (uint64_t bits = look->due[at / 64]; bits != 0; bits &= bits - 1) {
            const int32_t q = (int32_t)at + __builtin_ctzll(bits);
            vf now[PARTS];
            load_bounds(s, look, q, now);
            settle(s, &near[q], lowest_of(now), look, q);
        }
}

/* One bound a centroid. What half the way between two centroids says is used where it says more. */
LANE void store_crowd(float *to, const vf *a)
{
    UNROLL for (int v = 0; v < PARTS; v++) vf_store(to + v * LANES, a[v]);
}

/* Turns a crowd's packed squares into bounds: those of now, and those that are kept. */
LANE void keep_crowd(const strata_crowds *s, int32_t at, float *bounds, float *lower)
{
    UNROLL for (int v = 0; v < PARTS; v++)
    {
        vf bound = vf_muladd(vf_sqrt(vf_load(bounds + at + v * LANES)), vf_set(1.0f - s->relative),
                             vf_set(-s->blur));
        vf_store(bounds + at + v * LANES, bound);
        bound = vf_muladd(bound, vf_set(1.0f), vf_load(s->down + at + v * LANES));
        bound = vf_muladd(bound, vf_set(1.0f - 0x1p-22f), vf_set(0.0f));
        vf_store(lower + at + v * LANES, bound);
    }
}

static void look_at_one(const strata_crowds *s, strata_look *look, int32_t q)
{
    _Alignas(64) float bounds[STRATA_K_MAX];
    const int32_t places = STRATA_CROWD * s->count, own = s->place[look->labels[q]] / STRATA_CROWD;
    const float *x = look->rows + (int64_t)q * s->d;
    float *lower = look->lower + (int64_t)q * places;
    vf packed[1][PARTS], now[PARTS];
    crowd_distances(1, s, own, &x, packed);
    store_crowd(bounds + own * STRATA_CROWD, packed[0]);
    nearest n = nearest_of(own, packed[0]);
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
        }
        store_crowd(bounds + at, now);
        if (!look->fresh && lanes_not_above(now, upper) == 0)
            continue;
        looked |= UINT32_C(1) << crowd;
        crowd_distances(1, s, crowd, &x, packed);
        store_crowd(bounds + at, packed[0]);
        const nearest other = nearest_of(crowd, packed[0]), before = n;
        n = other.best < before.best ? other : before;
        n.second = other.best < before.best ? before.best : other.best;
        n.second = before.second < n.second ? before.second : n.second;
        n.second = other.second < n.second ? other.second : n.second;
    }
    for (uint32_t rest = looked; rest != 0; rest &= rest - 1) {
        keep_crowd(s, __builtin_ctz(rest) * STRATA_CROWD, bounds, lower);
        look->crowds++;
    }
    bounds[n.crowd * STRATA_CROWD + lane_in(n.best)] = 3e38f;
    vf others = vf_load(bounds);
    for (int32_t at = LANES; at < places; at += LANES)
        others = vf_min(others, vf_load(bounds + at));
    settle(s, &n, vf_lowest(others), look, q);
    look->looked++;
}

static void look_at_each(const strata_crowds *s, strata_look *look)
{
    for (int64_t at = 0; at < look->points; at += 64)
        for (uint64_t bits = look->due[at / 64]; bits != 0; bits &= bits - 1)
            look_at_one(s, look, (int32_t)at + __builtin_ctzll(bits));
}

/* Centroids as points: the same distances, halved and rounded down. */
static void centroids_apart(strata_crowds *s)
{
    const int32_t places = STRATA_CROWD * s->count;
    float values[STRATA_D_MAX];
    const float *point = values;
    for (int32_t at = 0; at < places; at++) {
        const float *from = s->c + (int64_t)(at / STRATA_CROWD) * s->d * STRATA_CROWD;
        for (int32_t f = 0; f < s->d; f++)
            values[f] = from[f * STRATA_CROWD + at % STRATA_CROWD];
        for (int32_t crowd = 0; crowd < s->count; crowd++) {
            vf packed[1][PARTS];
            crowd_distances(1, s, crowd, &point, packed);
            UNROLL for (int v = 0; v < PARTS; v++)
                vf_store(s->half + (int64_t)at * places + crowd * STRATA_CROWD + v * LANES,
                         vf_muladd(vf_sqrt(packed[0][v]), vf_set(0.5f * (1.0f - s->relative)),
                                   vf_set(-s->blur)));
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
