/* From users to exact global sums by group. */
#include <string.h>

#include "strata/memory.h"
#include "strata/par.h"
#include "significance/internal.h"

enum { CODES = 1 << 16 };

/* Group index of every code from INT16_MIN on, -1 = none. */
static strata_status map_codes(strata_context *ctx, const strata_config *config, int32_t k,
                               strata_grouping grouping, int16_t **map, int32_t *groups)
{
    strata_status rc = STRATA_OK;
    STRATA_TRY(strata_alloc(ctx, CODES, sizeof **map, map));
    memset(*map, -1, CODES * sizeof **map);
    *groups = grouping == STRATA_BY_SEGMENT ? config->n_segments : k;
    for (int32_t g = 0; g < *groups; g++) {
        int32_t code = grouping == STRATA_BY_SEGMENT ? config->segments[g].code : g;
        (*map)[code - INT16_MIN] = (int16_t)g;
    }
done:
    return rc;
}

/* index and, in sizes [groups + 1], the users of each group and last those without one. */
static strata_status label_local(strata_context *ctx, const strata_config *config,
                                 const sample_source *source, labelling *by, int64_t **sizes)
{
    strata_status rc = STRATA_OK;
    bool segment = by->grouping == STRATA_BY_SEGMENT;
    const int16_t *codes = segment ? source->segment_codes : source->cluster_ids;
    int64_t n = source->users->n_local;
    int16_t *map = NULL;
    STRATA_TRY(map_codes(ctx, config, source->k, by->grouping, &map, &by->groups));
    STRATA_TRY(strata_alloc(ctx, n, sizeof *by->index, &by->index));
    STRATA_TRY(strata_calloc(ctx, by->groups + 1, sizeof **sizes, sizes));
    for (int64_t i = 0; i < n; i++) {
        int16_t group = map[codes[i] - INT16_MIN];
        by->index[i] = group;
        if (codes[i] != STRATA_NOT_IN_FIT)
            (*sizes)[group >= 0 ? group : by->groups]++;
    }
done:
    strata_free(&map);
    return rc;
}

/* Collective. Users without a group and groups of a single user are left out of every test: the
 * first are nobody's claim, the second have no variance. */
static strata_status label(strata_context *ctx, const strata_config *config,
                           const sample_source *source, labelling *by)
{
    strata_status rc = STRATA_OK;
    int64_t *sizes = NULL;
    STRATA_AGREE(ctx, label_local(ctx, config, source, by, &sizes));
    STRATA_TRY(strata_par_allreduce_i64(ctx, sizes, by->groups + 1, STRATA_SUM));
    by->unassigned = sizes[by->groups];
    for (int32_t g = 0; g < by->groups; g++) {
        by->small_groups += sizes[g] == 1;
        by->n += sizes[g] > 1 ? sizes[g] : 0;
    }
    if (by->small_groups > 0)
        for (int64_t i = 0; i < source->users->n_local; i++)
            if (by->index[i] >= 0 && sizes[by->index[i]] == 1)
                by->index[i] = -1;
done:
    strata_free(&sizes);
    return rc;
}

static strata_status allocate_cells(strata_context *ctx, sample_data *sample)
{
    strata_status rc = STRATA_OK;
    for (int l = 0; l < LABELLINGS; l++) {
        labelling *by = &sample->by[l];
        int64_t count = (int64_t)by->groups * VARIABLE_COUNT;
        STRATA_TRY(strata_calloc(ctx, count, sizeof *by->cells, &by->cells));
        STRATA_TRY(strata_calloc(ctx, count, sizeof *by->ranks, &by->ranks));
    }
done:
    return rc;
}

/* Scratch of one rank: a variable, the users of one labelling packed together, their ranks. */
typedef struct scratch {
    int64_t *x, *packed, *smaller, *equal; /* [n_local] */
    int16_t *group;                        /* [n_local] of the packed users */
} scratch;

static void scratch_release(scratch *s)
{
    strata_free(&s->x);
    strata_free(&s->packed);
    strata_free(&s->smaller);
    strata_free(&s->equal);
    strata_free(&s->group);
}

static strata_status scratch_init(strata_context *ctx, int64_t n_local, scratch *s)
{
    strata_status rc = STRATA_OK;
    STRATA_TRY(strata_alloc(ctx, n_local, sizeof *s->x, &s->x));
    STRATA_TRY(strata_alloc(ctx, n_local, sizeof *s->packed, &s->packed));
    STRATA_TRY(strata_alloc(ctx, n_local, sizeof *s->smaller, &s->smaller));
    STRATA_TRY(strata_alloc(ctx, n_local, sizeof *s->equal, &s->equal));
    STRATA_TRY(strata_alloc(ctx, n_local, sizeof *s->group, &s->group));
done:
    return rc;
}

/* Collective. Doubled mid-ranks of x among the users of one labelling into packed; *n of them. */
static strata_status rank_tested(strata_context *ctx, const labelling *by, int64_t n_local,
                                 scratch *s, int64_t *n)
{
    strata_status rc = STRATA_OK;
    int64_t count = 0;
    for (int64_t i = 0; i < n_local; i++)
        if (by->index[i] >= 0) {
            s->packed[count] = s->x[i];
            s->group[count++] = by->index[i];
        }
    STRATA_TRY(strata_par_rank_values(ctx, s->packed, count, s->smaller, s->equal));
    for (int64_t i = 0; i < count; i++)
        s->packed[i] = 2 * s->smaller[i] + s->equal[i] + 1;
    *n = count;
done:
    return rc;
}

static void pack_groups(const labelling *by, int64_t n_local, int16_t *group)
{
    for (int64_t i = 0, count = 0; i < n_local; i++)
        if (by->index[i] >= 0)
            group[count++] = by->index[i];
}

/* Sorting is the costly part: ranks are worked out only where their test is valid. */
static bool wants_ranks(const labelling *by, variable v)
{
    return by->present && by->kind[v] != STRATA_SAMPLE_DESCRIPTIVE;
}

static bool leaves_nobody_out(const labelling *by)
{
    return by->unassigned == 0 && by->small_groups == 0;
}

/* Collective. */
static strata_status add_variable(strata_context *ctx, const sample_source *source,
                                  sample_data *sample, variable v, scratch *s)
{
    strata_status rc = STRATA_OK;
    int64_t n_local = source->users->n_local, n = 0;
    bool have_ranks_of_all = false;
    for (int l = 0; l < LABELLINGS; l++) {
        labelling *by = &sample->by[l];
        if (!by->present)
            continue;
        int64_t at = (int64_t)v * by->groups;
        strata_cells_add_local(by->cells + at, by->index, s->x, n_local);
        if (!wants_ranks(by, v))
            continue;
        if (have_ranks_of_all && leaves_nobody_out(by))
            pack_groups(by, n_local, s->group);
        else
            STRATA_TRY(rank_tested(ctx, by, n_local, s, &n));
        strata_cells_add_local(by->ranks + at, s->group, s->packed, n);
        have_ranks_of_all = leaves_nobody_out(by);
    }
done:
    return rc;
}

static strata_status collect_sums(strata_context *ctx, const strata_config *config,
                                  const sample_source *source, sample_data *sample)
{
    strata_status rc = STRATA_OK;
    scratch s = {0};
    int shifts[VARIABLE_COUNT];
    STRATA_AGREE(ctx, scratch_init(ctx, source->users->n_local, &s));
    STRATA_AGREE(ctx, allocate_cells(ctx, sample));
    STRATA_TRY(variable_shifts(ctx, source->users, shifts));
    for (int v = 0; v < VARIABLE_COUNT; v++) {
        if (!sample->tested[v])
            continue;
        variable_fill(source->users, (variable)v, config->money.decimals, shifts[v], s.x);
        STRATA_TRY(add_variable(ctx, source, sample, (variable)v, &s));
    }
    for (int l = 0; l < LABELLINGS; l++) {
        int64_t count = (int64_t)sample->by[l].groups * VARIABLE_COUNT;
        STRATA_TRY(strata_cells_reduce(ctx, sample->by[l].cells, count));
        STRATA_TRY(strata_cells_reduce(ctx, sample->by[l].ranks, count));
    }
done:
    scratch_release(&s);
    return rc;
}

/* Collective. What there is to test; a rank without users may hold NULL where others hold a
 * column. */
static strata_status find_present(strata_context *ctx, const sample_source *source,
                                  sample_data *sample)
{
    strata_status rc = STRATA_OK;
    int64_t present[LABELLINGS + VARIABLE_COUNT] = {source->segment_codes != NULL,
                                                    source->cluster_ids != NULL && source->k > 0};
    for (int v = 0; v < VARIABLE_COUNT; v++)
        present[LABELLINGS + v] = variable_present(source->users, (variable)v) &&
                                  (source->made_from || variable_in_holdout((variable)v));
    STRATA_TRY(strata_par_allreduce_i64(ctx, present, LABELLINGS + VARIABLE_COUNT, STRATA_MAX));
    for (int l = 0; l < LABELLINGS; l++)
        sample->by[l].present = present[l] > 0;
    for (int v = 0; v < VARIABLE_COUNT; v++)
        sample->tested[v] = present[LABELLINGS + v] > 0;
done:
    return rc;
}

static strata_sample kind_of(const sample_source *source, int labelling_index, variable v)
{
    if (!source->made_from)
        return STRATA_SAMPLE_HOLDOUT;
    return variable_is_external(v, source->made_from[labelling_index]) ? STRATA_SAMPLE_EXTERNAL
                                                                       : STRATA_SAMPLE_DESCRIPTIVE;
}

strata_status sample_collect(strata_context *ctx, const strata_config *config,
                             const sample_source *source, sample_data *out)
{
    strata_status rc = STRATA_OK;
    sample_data sample = {.by = {{.grouping = STRATA_BY_SEGMENT}, {.grouping = STRATA_BY_CLUSTER}}};
    STRATA_TRY(find_present(ctx, source, &sample));
    for (int l = 0; l < LABELLINGS; l++)
        for (int v = 0; v < VARIABLE_COUNT; v++)
            sample.by[l].kind[v] = kind_of(source, l, (variable)v);
    for (int l = 0; l < LABELLINGS; l++)
        if (sample.by[l].present)
            STRATA_TRY(label(ctx, config, source, &sample.by[l]));
    STRATA_TRY(collect_sums(ctx, config, source, &sample));
    *out = sample;
    sample = (sample_data){0};
done:
    sample_release(&sample);
    return rc;
}

void sample_release(sample_data *sample)
{
    for (int l = 0; l < LABELLINGS; l++) {
        strata_free(&sample->by[l].index);
        strata_free(&sample->by[l].cells);
        strata_free(&sample->by[l].ranks);
    }
}
