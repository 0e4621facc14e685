/* kernel_pairs.h: leaves between two centroids. Part of kernel_body.h. The proofs are in boxes.h. */

/* strata_boxes_until of LANES boxes. */
LANE vf clock_at(vf clock, vf margin)
{
    const vf sum = vf_add(clock, margin);
    return vf_sub(vf_mulsub(sum, vf_set(1e-6f), sum), vf_set(1e-3f));
}

/* LANES boxes from lane at on. */
LANE void split_boxes(const int D, strata_plane *p, const float *origin, int at)
{
    _Alignas(64) float middle[LANES], height[LANES];
    double exact[LANES];
    vf spread = vf_set(0), to_a = vf_set(0), to_b = vf_set(0);
    for (int l = 0; l < LANES; l++)
        exact[l] = 0;
    UNROLL for (int f = 0; f < D; f++)
    {
        const int32_t a = p->centroid[0][f], b = p->centroid[1][f];
        const double between = 0.5 * (double)(a + b), slope = (double)(b - a);
        const vf half = vf_load(p->box + (D + f) * STRATA_BOXES + at);
        const vf m = vf_add(vf_set(origin[f]), vf_load(p->box + f * STRATA_BOXES + at));
        const vf from_a = vf_sub(m, vf_set((float)a)), from_b = vf_sub(m, vf_set((float)b));
        vf_store(middle, m);
        for (int l = 0; l < LANES; l++)
            exact[l] += slope * (between - (double)middle[l]);
        spread = vf_muladd(vf_set(fabsf((float)(b - a))), vf_add(half, vf_set(2)), spread);
        to_a = vf_muladd(from_a, from_a, to_a);
        to_b = vf_muladd(from_b, from_b, to_b);
    }
    for (int l = 0; l < LANES; l++)
        height[l] = (float)exact[l];
    const vf h = vf_load(height), size = vf_abs(h);
    const vf diameter = vf_load(p->box + (2 * D + 1) * STRATA_BOXES + at);
    const vf sum = vf_add(vf_add(vf_sqrt(to_a), vf_sqrt(to_b)), vf_add(diameter, vf_set(12)));
    const vf near_sum = vf_muladd(sum, vf_set(1e-4f), sum);
    const vf blur = vf_muladd(vf_set(0.51f * sqrtf((float)D)), near_sum, vf_set((float)D));
    const vf slack =
        vf_muladd(vf_set(0x1p-24f * 1.02f * (float)(D + 6)), vf_add(size, spread), blur);
    const vf gap = vf_sub(vf_sub(size, spread), slack);
    const vm one = vf_less(vf_set(0), gap);
    const vf lead = vf_div(vf_add(gap, gap), near_sum);
    const vf other = vf_load(p->margin + at);
    const vf sure = vf_sub(lead, vf_mulsub(lead, vf_set(0.9999f), lead));
    const vf margin = vf_where(one, vf_min(other, sure), other);
    const vm beyond = vf_less(h, vf_set(0));
    const vi label = vi_where(beyond, vi_set(p->label[1]), vi_set(p->label[0]));
    const vm kept = vm_and(vm_and(one, vi_equal(vi_load_u16(p->owner + at), label)),
                           vm_from_bits(p->lanes >> at));
    const vf until = clock_at(vf_where(beyond, vf_set(p->clock[1]), vf_set(p->clock[0])), margin);
    vf_store(p->height + at, h);
    vf_store(p->slack + at, slack);
    vf_store(p->near_sum + at, near_sum);
    vf_store(p->margin + at, margin);
    vf_store(p->safe + at, vf_where(kept, until, vf_load(p->safe + at)));
    p->mixed |= (~vm_bits(one) & ((1u << LANES) - 1)) << at;
    p->beyond |= vm_bits(beyond) << at;
    p->settled |= vm_bits(kept) << at;
}

/* What goes from one side to the other in some leaves. */
typedef struct crossing {
    vi features[6]; /* of the points that went to the second, less those that came back */
    int held;       /* leaves in these */
    int64_t count;
} crossing;

/* The sums follow. */
LANE void cross(const int D, strata_plane *p, crossing *c)
{
    int64_t *from = p->sums + (int64_t)p->label[0] * (D + 1);
    int64_t *to = p->sums + (int64_t)p->label[1] * (D + 1);
    UNROLL for (int f = 0; f < D; f++)
    {
        const int64_t sum = vi_total(c->features[f]);
        from[f] -= sum;
        to[f] += sum;
        c->features[f] = vi_set(0);
    }
    from[D] -= c->count;
    to[D] += c->count;
    c->held = 0;
    c->count = 0;
}

/* The points of a leaf that went and came. */
LANE void cross_leaf(const int D, const float *x, uint64_t went, uint64_t came, crossing *c)
{
    UNROLL for (int i = 0; i < STRATA_LEAF; i += LANES)
    {
        const vm there = vm_from_bits((uint32_t)(went >> i)),
                 back = vm_from_bits((uint32_t)(came >> i));
        UNROLL for (int f = 0; f < D; f++)
        {
            const vi value = vi_from_f(vf_load(x + f * STRATA_LEAF + i));
            c->features[f] = vi_add_where(c->features[f], there, value);
            c->features[f] = vi_sub_where(c->features[f], back, value);
        }
    }
}

/* Until when the labels of leaves that were divided must stay. least: the least |V| of their points. */
LANE void date_divided(strata_plane *p, const float *least)
{
    const uint32_t divided = p->look & ~p->doubtful;
    for (int at = 0; at < STRATA_BOXES; at += LANES) {
        const vf gap = vf_sub(vf_load(least + at), vf_load(p->slack + at));
        const vf apart =
            vf_div(vf_muladd(vf_set(1.999f), gap, vf_set(0)), vf_load(p->near_sum + at));
        const vf other = vf_load(p->margin + at);
        const vm mixed = vm_from_bits(p->mixed >> at), beyond = vm_from_bits(p->beyond >> at);
        const vf clock = vf_where(mixed, vf_set(p->clock[2]),
                                  vf_where(beyond, vf_set(p->clock[1]), vf_set(p->clock[0])));
        const vf until = clock_at(clock, vf_where(mixed, vf_min(apart, other), other));
        vf_store(p->safe + at,
                 vf_where(vm_from_bits(divided >> at), until, vf_load(p->safe + at)));
    }
}

/* Everything here is done for every leaf whether points of it cross or not: which do is as good as
 * random, and a branch that is not foreseen costs more. */
LANE void divide_leaves(const int D, strata_plane *p, const float *origin)
{
    _Alignas(64) float least[STRATA_BOXES] = {0}, middle[6 * STRATA_BOXES];
    const uint8_t first = p->label[0], second = p->label[1];
    const strata_place *place = p->place;
    uint32_t doubtful = 0;
    int64_t moved = 0;
    vf slope[6];
    crossing c = {.held = 0};
    UNROLL for (int f = 0; f < D; f++)
    {
        c.features[f] = vi_set(0);
        slope[f] = vf_set((float)(p->centroid[1][f] - p->centroid[0][f]));
        for (int at = 0; at < STRATA_BOXES; at += LANES)
            vf_store(middle + f * STRATA_BOXES + at,
                     vf_add(vf_set(origin[f]), vf_load(p->box + f * STRATA_BOXES + at)));
    }
    for (uint32_t bits = p->look; bits != 0; bits &= bits - 1, place++) {
        const int l = __builtin_ctz(bits);
        const float *x = place->x, *next = place[STRATA_AHEAD].x;
        UNROLL for (int line = 0; line < D * STRATA_LEAF; line += 16)
            __builtin_prefetch(next + line, 0, STRATA_SECOND);
        __builtin_prefetch(place[STRATA_AHEAD].labels, 0, STRATA_SECOND);
        vf low = vf_set(3e38f);
        uint64_t beyond = 0;
        UNROLL for (int i = 0; i < STRATA_LEAF; i += LANES)
        {
            vf value = vf_set(p->height[l]);
            UNROLL for (int f = 0; f < D; f++)
                value = vf_mulsub(vf_sub(vf_load(x + f * STRATA_LEAF + i),
                                         vf_set(middle[f * STRATA_BOXES + l])),
                                  slope[f], value);
            low = vf_min(low, vf_abs(value));
            beyond |= (uint64_t)vm_bits(vf_less(value, vf_set(0))) << i;
        }
        const uint64_t at_first = equal64(place->labels, first),
                       at_second = equal64(place->labels, second);
        if (vf_unsure(low, vf_set(p->slack[l])) != 0 || ~(at_first | at_second) != 0) {
            doubtful |= 1u << l;
            continue;
        }
        const uint64_t went = at_first & beyond, came = at_second & ~beyond;
        least[l] = vf_lowest(low);
        choose64(place->labels, beyond, second, first);
        cross_leaf(D, x, went, came, &c);
        const int gone = __builtin_popcountll(went), returned = __builtin_popcountll(came);
        moved += gone + returned;
        c.count += gone - returned;
        if (++c.held == LANES) /* 64 values below 2^24 in each lane */
            cross(D, p, &c);
    }
    if (c.held > 0)
        cross(D, p, &c);
    p->doubtful = doubtful;
    p->moved = moved;
    date_divided(p, least);
}

static void pair_split(strata_plane *pair, int32_t d, const float *origin)
{
    pair->mixed = pair->beyond = pair->settled = 0;
    for (int at = 0; at < STRATA_BOXES; at += LANES)
        switch (d) {
#define CALL(D) split_boxes(D, pair, origin, at)
            UP_TO_6(CALL)
#undef CALL
        }
}

static void pair_divide(strata_plane *pair, int32_t d, const float *origin)
{
    switch (d) {
#define CALL(D) divide_leaves(D, pair, origin)
        UP_TO_6(CALL)
#undef CALL
    }
}
