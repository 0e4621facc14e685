/* A made-up population for the tests of the significance room: every value is a function of the
 * global row, so that any partition of the rows is the same population. */
#ifndef STRATA_TEST_WORLD_H
#define STRATA_TEST_WORLD_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "strata/hash.h"
#include "strata/memory.h"
#include "strata/significance.h"

enum {
    WORLD_ROWS = 3000,
    WORLD_SEGMENTS = 4,
    WORLD_DECIMALS = 2,
    AS_OF = 10000,
    HOLDOUT_DAYS = 90
};

typedef struct world_row {
    int16_t region, segment, cluster; /* segment: a code of the rules or -1 */
    int16_t frozen_segment, frozen_cluster;
    int32_t recency, frequency, tenure; /* days, orders, days */
    int64_t money, largest;             /* 10^-decimals */
    int32_t later_recency, later_frequency;
    int64_t later_money, later_largest;
} world_row;

typedef world_row (*world_maker)(int64_t row, uint64_t seed);

typedef struct world {
    strata_config config;
    strata_population population;
    strata_users users, later;
    int16_t *frozen_segment, *frozen_cluster;
    int32_t k;
} world;

static strata_condition world_conditions[2];
static strata_segment_rule world_rules[WORLD_SEGMENTS];
static char *world_features[3];
static char name_recency[] = "recency_days", name_frequency[] = "frequency",
            name_monetary[] = "monetary", name_max_order[] = "max_order";
static char rule_names[WORLD_SEGMENTS][4] = {"s10", "s20", "s30", "s40"};

static inline void *column_of(int64_t n, size_t size)
{
    return calloc((size_t)n + 1, size);
}

static inline void users_make(strata_users *users, int64_t n, int32_t start)
{
    *users = (strata_users){.n_local = n, .as_of = AS_OF, .window_start = start};
    const size_t ints = sizeof(int32_t), reals = sizeof(double), codes = sizeof(int16_t);
    users->money = column_of(n, sizeof(int64_t));
    users->column[STRATA_FIRST_DAY] = column_of(n, ints);
    users->column[STRATA_RECENCY_DAYS] = column_of(n, ints);
    users->column[STRATA_FREQUENCY] = column_of(n, ints);
    users->column[STRATA_AOV] = column_of(n, reals);
    users->column[STRATA_MONTHLY_MEAN] = column_of(n, reals);
    users->column[STRATA_MAX_ORDER] = column_of(n, reals);
    users->column[STRATA_SEGMENT_CODE] = column_of(n, codes);
    users->column[STRATA_CLUSTER_ID] = column_of(n, codes);
}

static inline void users_free(strata_users *users)
{
    free(users->money);
    for (int c = 0; c < STRATA_COLUMN_COUNT; c++)
        free(users->column[c]);
    *users = (strata_users){0};
}

static inline void users_set(strata_users *users, int64_t i, const world_row *row, bool later)
{
    int32_t frequency = later ? row->later_frequency : row->frequency;
    int64_t money = later ? row->later_money : row->money;
    int64_t largest = later ? row->later_largest : row->largest;
    users->money[i] = money;
    ((int32_t *)users->column[STRATA_FIRST_DAY])[i] = AS_OF - row->tenure;
    ((int32_t *)users->column[STRATA_RECENCY_DAYS])[i] = later ? row->later_recency : row->recency;
    ((int32_t *)users->column[STRATA_FREQUENCY])[i] = frequency;
    ((double *)users->column[STRATA_AOV])[i] =
        frequency > 0 ? (double)money / (100.0 * frequency) : 0;
    ((double *)users->column[STRATA_MONTHLY_MEAN])[i] =
        (double)money * 30 / (100.0 * (row->tenure > 30 ? row->tenure : 30));
    ((double *)users->column[STRATA_MAX_ORDER])[i] = (double)largest / 100.0;
    ((int16_t *)users->column[STRATA_SEGMENT_CODE])[i] = row->segment;
    ((int16_t *)users->column[STRATA_CLUSTER_ID])[i] = row->cluster;
}

static inline void world_configure(strata_config *config)
{
    *config = (strata_config){0};
    world_conditions[0] = (strata_condition){.column = name_recency};
    world_conditions[1] = (strata_condition){.column = name_max_order};
    for (int s = 0; s < WORLD_SEGMENTS; s++)
        world_rules[s] = (strata_segment_rule){.name = rule_names[s],
                                               .code = (int16_t)(10 * (s + 1)),
                                               .conditions = world_conditions,
                                               .n_conditions = 2};
    world_features[0] = name_recency;
    world_features[1] = name_frequency;
    world_features[2] = name_monetary;
    config->segments = world_rules;
    config->n_segments = WORLD_SEGMENTS;
    config->cluster.features = world_features;
    config->cluster.n_features = 3;
    config->money.decimals = WORLD_DECIMALS;
    config->significance.alpha = 0.05;
    config->significance.min_effect = 0.06;
    config->significance.adjust = STRATA_ADJUST_HOLM;
}

/* Rows [first, last) of the population that make and seed describe. */
static inline void world_make(world *w, world_maker make, uint64_t seed, int64_t first,
                              int64_t last)
{
    int64_t n = last - first;
    memset(w, 0, sizeof *w);
    world_configure(&w->config);
    w->k = 4;
    w->population.region_code = column_of(n, sizeof(int16_t));
    w->population.regions.n = 3;
    w->frozen_segment = column_of(n, sizeof(int16_t));
    w->frozen_cluster = column_of(n, sizeof(int16_t));
    users_make(&w->users, n, AS_OF - 700);
    users_make(&w->later, n, AS_OF - HOLDOUT_DAYS);
    for (int64_t i = 0; i < n; i++) {
        world_row row = make(first + i, seed);
        w->population.region_code[i] = row.region;
        w->frozen_segment[i] = row.frozen_segment;
        w->frozen_cluster[i] = row.frozen_cluster;
        users_set(&w->users, i, &row, false);
        users_set(&w->later, i, &row, true);
    }
}

static inline void world_free(world *w)
{
    free(w->population.region_code);
    free(w->frozen_segment);
    free(w->frozen_cluster);
    users_free(&w->users);
    users_free(&w->later);
}

static inline strata_significance world_run(strata_context *ctx, const world *w, bool holdout)
{
    strata_holdout period = {.later = &w->later,
                             .segment_codes = w->frozen_segment,
                             .cluster_ids = w->frozen_cluster,
                             .k = w->k};
    strata_significance out = {0};
    assert_int_equal(strata_significance_run(ctx, &w->config, &w->population, &w->users, w->k,
                                             holdout ? &period : NULL, &out),
                     STRATA_OK);
    return out;
}

static inline const strata_test *find_test(const strata_significance *s, strata_sample sample,
                                           strata_grouping grouping, const char *variable,
                                           const char *test)
{
    for (int32_t t = 0; t < s->n_tests; t++)
        if (s->tests[t].sample == sample && s->tests[t].grouping == grouping &&
            strcmp(s->tests[t].variable, variable) == 0 && strcmp(s->tests[t].test, test) == 0)
            return &s->tests[t];
    return NULL;
}

static inline double world_uniform(uint64_t seed, int64_t row, uint64_t which)
{
    return strata_random_uniform(seed, STRATA_RANDOM_TEST, (uint64_t)row, which);
}

#endif
