/* bench_data.c: the points that strata bench measures on. */
#include <math.h>
#include <string.h>

#include "bench.h"

#include "strata/hash.h"
#include "strata/memory.h"
#include "strata/output.h"
#include "strata/par.h"

static double uniform(uint64_t seed, uint64_t row, uint64_t round)
{
    return strata_random_uniform(seed, STRATA_RANDOM_TEST, row, round);
}

/* Nearly normal, standard deviation 1: four uniforms out of one word. */
static double normal(uint64_t seed, uint64_t row, uint64_t round)
{
    uint64_t bits = strata_random_bits(seed, STRATA_RANDOM_TEST, row, round);
    double sum = 0;
    for (int i = 0; i < 4; i++)
        sum += (double)((bits >> (16 * i)) & 0xffff) / 65536.0 - 0.5;
    return sum * sqrt(3.0);
}

/* blobs: groups of deviation 0.3 around places in [-1.7, 1.7]; cloud: one of deviation 1; ties: the
 * same in quarters, so that many distances are equal; scores: 1 to 5, mostly together, as quintile
 * scores of users. In scaled units. */
static double place(const bench_plan *plan, uint64_t row, uint64_t f)
{
    double value = normal(plan->seed, row, f);
    if (strcmp(plan->data, "blobs") == 0) {
        uint64_t group = row % (uint64_t)plan->truth;
        value = 0.3 * value + 3.4 * (uniform(plan->seed, group, 1000 + f) - 0.5);
    } else if (strcmp(plan->data, "ties") == 0) {
        value = rint(value * 4) / 4;
    } else if (strcmp(plan->data, "scores") == 0) {
        value = rint(2.2 * (value + normal(plan->seed, row, 999)) / sqrt(2.0));
        value = fmin(fmax(value, -2), 2) + 3;
    }
    return value;
}

static void fill_points(const bench_plan *plan, int64_t first, strata_points *p)
{
    for (int32_t f = 0; f < p->d; f++) {
        float *to = p->steps + f * p->stride;
        for (int64_t i = 0; i < p->n_local; i++)
            to[i] = (float)rint(ldexp(place(plan, (uint64_t)(first + i), (uint64_t)f), 20)) + 0.0f;
    }
}

/* What users look like before scaling. Four groups of 5, 20, 15 and 60 percent; the columns repeat
 * recency (days), frequency (whole orders, most of them 1 or 2), money (log-normal, cents). */
static double user_value(const bench_plan *plan, uint64_t row, uint64_t f)
{
    static const double share[4] = {0.05, 0.25, 0.40, 1.0}, days[4] = {15, 60, 150, 500},
                        orders[4] = {30, 8, 2, 0.7}, spent[4] = {8, 6, 5.8, 3.5};
    const uint64_t seed = plan->seed;
    double u = uniform(seed, row, 2000), v = uniform(seed, row, 2100 + f);
    int g = 0;
    while (g < 3 && u >= share[g])
        g++;
    double activity = normal(seed, row, 2001);
    if (f % 3 == 0)
        return floor(days[g] * (0.2 + 1.6 * v));
    if (f % 3 == 1) /* geometric, the more active the longer its tail */
        return 1 + floor(-orders[g] * strata_log1p_signed(-v * 0.9999) * (1 + 0.3 * activity));
    double money = spent[g] + 0.4 * activity + 0.6 * normal(seed, row, 2200 + f);
    return rint(100 * strata_expm1_signed(money)) / 100;
}

/* Collective. As the main job prepares its features: log1p, then zscore. */
static strata_status make_users(strata_context *ctx, const bench_plan *plan, int64_t first,
                                strata_points *points)
{
    strata_status rc = STRATA_OK;
    strata_scaler scaler = {0};
    double *values = NULL;
    const double *column[STRATA_FEATURES_MAX];
    const int64_t n = points->n_local;
    STRATA_AGREE(ctx, strata_alloc(ctx, n * plan->d, sizeof *values, &values));
    for (int32_t f = 0; f < plan->d; f++) {
        column[f] = values + f * n;
        for (int64_t i = 0; i < n; i++)
            values[f * n + i] = user_value(plan, (uint64_t)(first + i), (uint64_t)f);
    }
    STRATA_TRY(strata_scaler_fit(ctx, n, plan->d, column, STRATA_TRANSFORM_LOG1P,
                                 STRATA_SCALE_ZSCORE, &scaler));
    STRATA_TRY(strata_scaler_apply(ctx, &scaler, n, column, points));
done:
    strata_free(&values);
    strata_scaler_release(&scaler);
    return rc;
}

static strata_status generate(strata_context *ctx, const bench_plan *plan, strata_points *out)
{
    strata_status rc = STRATA_OK;
    int64_t first = (int64_t)((__int128)plan->points * ctx->rank / ctx->size);
    int64_t end = (int64_t)((__int128)plan->points * (ctx->rank + 1) / ctx->size);
    strata_points p = {.n_local = end - first,
                       .d = plan->d,
                       .stride = (end - first + 63) / 64 * 64,
                       .step_exponent = -20};
    if (strcmp(plan->data, "rfm") == 0) {
        STRATA_TRY(make_users(ctx, plan, first, &p));
    } else {
        STRATA_AGREE(ctx, strata_calloc(ctx, p.stride * p.d, sizeof *p.steps, &p.steps));
        fill_points(plan, first, &p);
    }
    *out = p;
    p = (strata_points){0};
done:
    strata_points_release(&p);
    return rc;
}

/* Collective. The rows of a file as strata cluster takes them. */
static strata_status read_file(strata_context *ctx, const bench_plan *plan, bench_data *out)
{
    strata_status rc = STRATA_OK;
    strata_scaler scaler = {0};
    const strata_config *config = plan->config;
    STRATA_TRY(feature_source_open(ctx, plan->config, &out->source));
    STRATA_TRY(feature_table_read(ctx, config, &out->source, &out->table));
    STRATA_TRY(strata_scaler_fit_set(ctx, &out->table.set, config->cluster.transform,
                                     config->cluster.scale, &scaler));
    STRATA_TRY(strata_scaler_apply_set(ctx, &scaler, &out->table.set, &out->points));
    out->points.key64 = out->table.key64;
    for (int32_t f = 0; f < scaler.d; f++)
        if (scaler.limited[f] > 0)
            strata_log(ctx, STRATA_LOG_WARNING, "%lld values of %s lie beyond the grid and are limited",
                       (long long)scaler.limited[f], out->table.set.feature[f].name);
done:
    strata_scaler_release(&scaler);
    return rc;
}

strata_status bench_data_make(strata_context *ctx, const bench_plan *plan, bench_data *out)
{
    strata_status rc = STRATA_OK;
    if (plan->input)
        STRATA_TRY(read_file(ctx, plan, out));
    else
        STRATA_TRY(generate(ctx, plan, &out->points));
    STRATA_TRY(strata_partition_gather(ctx, out->points.n_local, &out->partition));
    out->points.partition = &out->partition;
done:
    return rc;
}

void bench_data_release(bench_data *data)
{
    strata_points_release(&data->points);
    strata_partition_release(&data->partition);
    feature_table_release(&data->table);
    feature_source_release(&data->source);
}

strata_status bench_data_export(strata_context *ctx, const bench_data *data, const char *path,
                                bool force)
{
    strata_status rc = STRATA_OK;
    strata_output *out = NULL;
    double *values = NULL;
    char names[STRATA_FEATURES_MAX][16];
    strata_field fields[STRATA_FEATURES_MAX];
    const strata_points *points = &data->points;
    const int64_t n = points->n_local;
    STRATA_TRY(strata_output_create(ctx, path, force, 0, &out));
    STRATA_AGREE(ctx, strata_alloc(ctx, n * points->d, sizeof *values, &values));
    for (int32_t f = 0; f < points->d; f++) {
        for (int64_t i = 0; i < n; i++)
            values[f * n + i] =
                ldexp((double)points->steps[f * points->stride + i], points->step_exponent);
        snprintf(names[f], sizeof names[f], "x%d", (int)f + 1);
        fields[f] = (strata_field){.name = names[f],
                                   .type = STRATA_F64,
                                   .long_name = "scaled feature",
                                   .units = "1",
                                   .values = values + f * n};
    }
    STRATA_AGREE(ctx, strata_output_add_distributed(ctx, out, "/points", &data->partition, fields,
                                                    points->d));
    STRATA_TRY(strata_output_publish(ctx, &out, NULL));
done:
    strata_output_discard(ctx, &out);
    strata_free(&values);
    return rc;
}
