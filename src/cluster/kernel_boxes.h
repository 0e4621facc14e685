/* kernel_boxes.h: sixteen boxes of points at a time, a lane is a box; and the points of leaves,
 * a lane is a point. Part of kernel_body.h. The proofs are in boxes.h. */

/* The bounds of a leaf's values, and their sum. */
static int64_t leaf_range(const float *x, float *low, float *high)
{
    vf least = vf_load(x), most = least;
    vi sum = vi_set(0); /* 64 values below 2^24 */
    UNROLL for (int at = 0; at < STRATA_LEAF; at += LANES)
    {
        const vf value = vf_load(x + at);
        least = vf_min(least, value);
        most = vf_max(most, value);
        sum = vi_add(sum, vi_from_f(value));
    }
    *low = vf_lowest(least);
    *high = -vf_lowest(vf_sub(vf_set(0), most));
    return vi_total(sum);
}

/* Which of sixteen nodes must be looked at: bit l set where not drift[owner] < safe. left[l]:
 * how much drift is left. */
static uint32_t boxes_expired(const float *safe, const uint16_t *owner, const float *drift,
                              float *restrict left)
{
    uint32_t expired = 0;
    UNROLL for (int l = 0; l < STRATA_BOXES; l++)
        left[l] = safe[l] - drift[owner[l]];
    UNROLL for (int l = 0; l < STRATA_BOXES; l += LANES)
        expired |= vm_bits(vf_less(vf_set(0), vf_load(left + l))) << l;
    return ~expired & 0xffffu;
}

/* LANES boxes from lane at on; D = 0: any number of features. */
LANE void prune_boxes(const int D, strata_boxes *b, int at)
{
    const int32_t d = D > 0 ? D : b->d, step = d + 1;
    const float *middle = b->box + at, *half = middle + d * STRATA_BOXES;
    const float *norm = half + d * STRATA_BOXES;
    _Alignas(64) float value[STRATA_K_MAX * LANES], near[STRATA_D_MAX * LANES];
    vf place[6]; /* of the nearest; in near with any number of features */
    vf best = vf_set(3e38f), second = best;
    vi which = vi_set(0), index = vi_set(0);
    for (int32_t q = 0; q < b->count; q++) {
        const float *z = b->z + (int64_t)b->which[q] * step;
        vf s = vf_set(z[d]);
        for (int32_t f = 0; f < d; f++)
            s = vf_mulsub(vf_load(middle + f * STRATA_BOXES), vf_set(z[f]), s);
        vf_store(value + q * LANES, s);
        const vm nearer = vf_less(s, best);
        second = vf_min(second, vf_max(best, s));
        best = vf_min(best, s);
        which = vi_where(nearer, index, which);
        for (int32_t f = 0; f < D; f++)
            place[f] = q == 0 ? vf_set(z[f]) : vf_where(nearer, vf_set(z[f]), place[f]);
        for (int32_t f = 0; f < d && D == 0; f++)
            vf_store(near + f * LANES, q == 0 ? vf_set(z[f])
                                              : vf_where(nearer, vf_set(z[f]), vf_load(near + f * LANES)));
        index = vi_add(index, vi_set(1));
    }
    const vf zero = vf_set(0), two = vf_set(2), squared = vf_load(norm);
    const vf diameter = vf_load(norm + STRATA_BOXES);
    const vf doubt =
        vf_muladd(vf_set(b->slope), vf_load(norm + 2 * STRATA_BOXES), vf_set(b->offset));
    const vf nearest = vf_sqrt(vf_max(zero, vf_muladd(two, vf_add(best, doubt), squared)));
    const vf runner = vf_sqrt(vf_max(zero, vf_muladd(two, vf_add(second, doubt), squared)));
    const vf beside = vf_add(nearest, diameter);
    vf margin = vf_set(3e38f);
    vi rivals = vi_set(0), rival = vi_set(0);
    index = vi_set(0);
    for (int32_t q = 0; q < b->count; q++) {
        const float *z = b->z + (int64_t)b->which[q] * step;
        const vf s = vf_load(value + q * LANES);
        vf spread = doubt;
        for (int32_t f = 0; f < d; f++)
            spread = vf_muladd(vf_abs(vf_sub(vf_set(z[f]), D > 0 ? place[f] : vf_load(near + f * LANES))),
                               vf_load(half + f * STRATA_BOXES), spread);
        const vf gap = vf_sub(vf_sub(s, best), spread);
        const vm dropped = vf_less(zero, gap);
        const vf away = vf_sqrt(vf_max(zero, vf_muladd(two, vf_add(s, doubt), squared)));
        const vf lead = vf_div(vf_add(gap, gap), vf_add(away, beside));
        margin = vf_where(dropped, vf_min(margin, lead), margin);
        const vm out = vm_or(dropped, vi_equal(index, which));
        rivals = vi_add(rivals, vi_where(out, vi_set(0), vi_set(1)));
        rival = vi_where(out, rival, index);
        b->others[q] = (uint16_t)(b->others[q] | (~vm_bits(out) & ((1u << LANES) - 1)) << at);
        index = vi_add(index, vi_set(1));
    }
    vi_store_u8(b->nearest + at, which);
    vi_store_u8(b->rivals + at, rivals);
    vi_store_u8(b->rival + at, rival);
    vf_store(b->margin + at, vf_sub(margin, vf_mulsub(margin, vf_set(0.9999f), margin)));
    vf_store(b->near_sum + at, vf_muladd(vf_add(vf_add(nearest, runner), diameter), vf_set(1e-4f),
                                         vf_add(vf_add(nearest, runner), diameter)));
}

#define UP_TO_6(CALL)                                                                              \
    case 1:                                                                                        \
        CALL(1);                                                                                   \
        break;                                                                                     \
    case 2:                                                                                        \
        CALL(2);                                                                                   \
        break;                                                                                     \
    case 3:                                                                                        \
        CALL(3);                                                                                   \
        break;                                                                                     \
    case 4:                                                                                        \
        CALL(4);                                                                                   \
        break;                                                                                     \
    case 5:                                                                                        \
        CALL(5);                                                                                   \
        break;                                                                                     \
    case 6:                                                                                        \
        CALL(6);                                                                                   \
        break;
#define EACH_D(CALL)                                                                               \
    UP_TO_6(CALL)                                                                                  \
    default:                                                                                       \
        CALL(0);                                                                                   \
        break;

static void boxes_prune(strata_boxes *boxes)
{
    memset(boxes->others, 0, (size_t)boxes->count * sizeof *boxes->others);
    for (int at = 0; at < STRATA_BOXES; at += LANES)
        switch (boxes->d) {
#define CALL(D) prune_boxes(D, boxes, at)
            EACH_D(CALL)
#undef CALL
        }
}

/* Labels the points of a leaf; the features are held in registers with D > 0. */
LANE void scan_many(const int D, strata_leaf *s, int32_t any_d, const float *origin)
{
    const int32_t d = D > 0 ? D : any_d, step = d + 1;
    const vf slack = vf_set(s->slack);
    vf least = vf_set(3e38f);
    s->unsure = 0;
    for (int at = 0; at < STRATA_LEAF; at += LANES) {
        const float *x = s->x + at;
        vf best = vf_set(3e38f), second = best, point[6];
        vi label = vi_set(0);
        for (int32_t f = 0; f < D; f++)
            point[f] = vf_sub(vf_load(x + f * STRATA_LEAF), vf_set(origin[f]));
        for (int32_t c = 0; c < s->count; c++) {
            const float *z = s->z + s->which[c] * step;
            vf value = vf_set(z[d]);
            for (int32_t f = 0; f < d; f++)
                value = vf_mulsub(D > 0 ? point[f]
                                        : vf_sub(vf_load(x + f * STRATA_LEAF), vf_set(origin[f])),
                                  vf_set(z[f]), value);
            label = vi_where(vf_less(value, best), vi_set(s->which[c]), label);
            second = vf_min(second, vf_max(best, value));
            best = vf_min(best, value);
        }
        vi_store_u8(s->found + at, label);
        const vf apart = vf_sub(second, best);
        least = vf_min(least, apart);
        s->unsure |= vf_unsure(apart, slack) << at;
    }
    s->gap = vf_lowest(vf_sub(least, slack));
}

/* Between two centroids a plane decides (boxes.h). Its errors grow with the leaf, not with the distance
 * from the origin: many fewer points stay in doubt where one far point makes the origin a bad one. */
LANE void scan_two(const int D, strata_leaf *s, const float *origin)
{
    const int32_t *a = s->centroids + s->which[0] * D, *b = s->centroids + s->which[1] * D;
    const vi first = vi_set(s->which[0]), second = vi_set(s->which[1]);
    float slope[6], middle[6], spread = 0;
    double exact = 0;
    UNROLL for (int f = 0; f < D; f++)
    {
        middle[f] = origin[f] + s->box[f * STRATA_BOXES];
        slope[f] = (float)(b[f] - a[f]);
        exact += (double)(b[f] - a[f]) * (0.5 * (double)(a[f] + b[f]) - (double)middle[f]);
        spread += fabsf(slope[f]) * (s->box[(D + f) * STRATA_BOXES] + 2);
    }
    const float height = (float)exact;
    const float doubt =
        0x1p-24f * 1.02f * (float)(D + 6) * (fabsf(height) + spread) + (float)D + s->blur;
    const vf slack = vf_set(doubt);
    vf least = vf_set(3e38f);
    s->unsure = 0;
    for (int at = 0; at < STRATA_LEAF; at += LANES) {
        vf value = vf_set(height);
        UNROLL for (int f = 0; f < D; f++)
            value = vf_mulsub(vf_sub(vf_load(s->x + f * STRATA_LEAF + at), vf_set(middle[f])),
                              vf_set(slope[f]), value);
        vi_store_u8(s->found + at, vi_where(vf_less(value, vf_set(0)), second, first));
        const vf apart = vf_abs(value);
        least = vf_min(least, apart);
        s->unsure |= vf_unsure(apart, slack) << at;
    }
    s->gap = vf_lowest(vf_sub(least, slack));
}

/* Adds the features of the points labelled label to sums [d], their number to sums[d]. */
LANE void sum_label(const int D, const float *x, const uint8_t *found, int32_t label, int32_t any_d,
                    int64_t *sums)
{
    const int32_t d = D > 0 ? D : any_d;
    int32_t count = 0;
    for (int at = 0; at < STRATA_LEAF; at += LANES)
        count += __builtin_popcount(vm_bits(vi_equal(vi_load_u8(found + at), vi_set(label))));
    for (int32_t f = 0; f < d; f++) {
        vi sum = vi_set(0);
        for (int at = 0; at < STRATA_LEAF; at += LANES)
            sum = vi_add_where(sum, vi_equal(vi_load_u8(found + at), vi_set(label)),
                               vi_from_f(vf_load(x + f * STRATA_LEAF + at)));
        sums[f] += vi_total(sum);
    }
    sums[d] += count;
}

/* The sums follow the points that went from label a to b or back; returns which these are. */
LANE uint64_t move_between(const int D, const strata_leaf *s, int32_t a, int32_t b)
{
    const vi first = vi_set(a), second = vi_set(b);
    vi gain[6], loss[6];
    int32_t count = 0;
    uint64_t moved = 0;
    for (int32_t f = 0; f < D; f++)
        gain[f] = loss[f] = vi_set(0);
    UNROLL for (int at = 0; at < STRATA_LEAF; at += LANES)
    {
        const vi before = vi_load_u8(s->labels + at), after = vi_load_u8(s->found + at);
        const vm there = vm_and(vi_equal(before, first), vi_equal(after, second));
        const vm back = vm_and(vi_equal(before, second), vi_equal(after, first));
        moved |= (uint64_t)vm_bits(vm_or(there, back)) << at;
        count += __builtin_popcount(vm_bits(there)) - __builtin_popcount(vm_bits(back));
        UNROLL for (int32_t f = 0; f < D; f++)
        {
            const vi x = vi_from_f(vf_load(s->x + f * STRATA_LEAF + at));
            gain[f] = vi_add_where(gain[f], there, x);
            loss[f] = vi_add_where(loss[f], back, x);
        }
    }
    int64_t *from = s->sums + (int64_t)a * (D + 1), *to = s->sums + (int64_t)b * (D + 1);
    UNROLL for (int32_t f = 0; f < D; f++)
    {
        const int64_t sum = vi_total(vi_sub(gain[f], loss[f])); /* 64 values below 2^24 */
        from[f] -= sum;
        to[f] += sum;
    }
    from[D] -= count;
    to[D] += count;
    return moved;
}

/* Points that changed or are new enter the sums. */
LANE void sum_leaf(const int D, strata_leaf *s, int32_t d)
{
    for (int32_t c = 0; c < s->count && !s->labels; c++) {
        const int32_t label = s->which[c];
        sum_label(D, s->x, s->found, label, d, s->sums + (int64_t)label * (d + 1));
    }
    for (uint64_t left = s->labels ? s->changed : 0; left != 0;) {
        const int i = __builtin_ctzll(left);
        left &= ~move_between(D, s, s->labels[i], s->found[i]);
    }
    s->summed = true;
}

LANE void scan_leaf(const int D, strata_leaf *s, int32_t d, const float *origin)
{
    s->summed = false;
    if (s->count == 1) {
        memset(s->found, s->which[0], STRATA_LEAF);
        s->unsure = 0;
        s->gap = 3e38f;
    } else if (s->count == 2 && D > 0) {
        scan_two(D, s, origin);
    } else {
        scan_many(D, s, d, origin);
    }
    s->changed = s->labels ? differ64(s->labels, s->found) : UINT64_MAX;
    if (s->sums && s->unsure == 0 && s->changed != 0 && (D > 0 || !s->labels))
        sum_leaf(D, s, d);
    s->moved = s->summed ? __builtin_popcountll(s->changed) : 0;
}

static void leaf_scan(strata_leaf *leaf, int32_t d, const float *origin)
{
    switch (d) {
#define CALL(D) scan_leaf(D, leaf, d, origin)
        EACH_D(CALL)
#undef CALL
    }
}
