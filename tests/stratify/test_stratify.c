#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "strata/hash.h"
#include "strata/memory.h"
#include "strata/par.h"
#include "strata/stratify.h"
#include "stratify/rules_helper.h"

enum { rows_max = 400, start = 10000, as_of = 10800 };

static strata_context ctx;

/* One user as the test makes it, and what brute force expects of it. */
typedef struct row {
    int32_t recency, frequency;
    int64_t money, largest;
    double monthly;
    int16_t score[3], code;
    double composite, composite_std;
} row;

enum kind { spread, alike, tied, absent };

static row make_row(enum kind kind, int64_t i)
{
    const uint64_t key = (uint64_t)i;
    const double u = strata_random_uniform(2, STRATA_RANDOM_TEST, key, 0);
    const double v = strata_random_uniform(2, STRATA_RANDOM_TEST, key, 1);
    const double w = strata_random_uniform(2, STRATA_RANDOM_TEST, key, 2);
    if (kind == alike)
        return (row){
            .recency = 45, .frequency = 2, .money = 40000, .largest = 30000, .monthly = 400};
    row made = {.recency = 1 + (int32_t)(u * 600), .frequency = 1 + (int32_t)(v * v * 6)};
    made.money = (int64_t)(w * w * 300000) - 20000;
    made.monthly = (double)made.money / 100 / (1 + 3 * v);
    made.largest = (int64_t)(w * 60000);
    if (kind == tied) {
        made.recency = made.recency / 100 * 100 + 1;
        made.money = made.money / 50000 * 50000;
    }
    if (kind == absent && i % 3 == 0)
        made = (row){.recency = as_of - start};
    return made;
}

/* rank-free definition of scores, composites and segments */
static void expect(row *rows, int64_t n, const strata_config *config)
{
    for (int64_t i = 0; i < n; i++) {
        row *r = &rows[i];
        double percentile[3];
        int64_t smaller[3] = {0}, equal[3] = {0};
        for (int64_t j = 0; j < n; j++) {
            smaller[0] += rows[j].recency > r->recency;
            equal[0] += rows[j].recency == r->recency;
            smaller[1] += rows[j].frequency < r->frequency;
            equal[1] += rows[j].frequency == r->frequency;
            smaller[2] += rows[j].money < r->money;
            equal[2] += rows[j].money == r->money;
        }
        for (int t = 0; t < 3; t++) {
            r->score[t] = (int16_t)(1 + config->rfm.bins * smaller[t] / n);
            percentile[t] = ((double)smaller[t] + 0.5 * (double)equal[t]) / (double)n;
        }
        const double *w = config->composite.weights;
        const int32_t base = config->composite.base == STRATA_BASE_AS_OF ? as_of : start;
        r->composite_std = w[0] * percentile[0] + w[1] * percentile[1] + w[2] * percentile[2];
        r->composite = w[0] * ((as_of - r->recency - base) / 30.0) + w[1] * r->frequency +
                       w[2] * ((double)r->money / 100);
        r->code = r->recency <= 30 && r->monthly > 500                         ? 1
                  : r->recency <= 90 && r->monthly >= 100 && r->monthly <= 500 ? 2
                  : r->recency <= 183 && r->largest > 30000                    ? 3
                  : r->recency >= 365                                          ? 4
                                                                               : -1;
    }
}

static strata_users make_users(const row *rows, int64_t first, int64_t n)
{
    strata_users users = {.n_local = n, .window_start = start, .as_of = as_of};
    const strata_column_info *table = strata_column_table();
    assert_int_equal(strata_alloc(&ctx, n, sizeof *users.money, &users.money), 0);
    for (int c = 0; c <= STRATA_MAX_ORDER; c++)
        assert_int_equal(strata_calloc(&ctx, n, strata_type_size(table[c].type), &users.column[c]),
                         0);
    for (int64_t i = 0; i < n; i++) {
        const row *r = &rows[first + i];
        users.money[i] = r->money;
        ((int32_t *)users.column[STRATA_RECENCY_DAYS])[i] = r->recency;
        ((int32_t *)users.column[STRATA_LAST_DAY])[i] =
            r->frequency > 0 ? as_of - r->recency : STRATA_NO_DAY;
        ((int32_t *)users.column[STRATA_FREQUENCY])[i] = r->frequency;
        ((double *)users.column[STRATA_MONETARY])[i] = (double)r->money / 100;
        ((double *)users.column[STRATA_MONTHLY_MEAN])[i] = r->monthly;
        ((double *)users.column[STRATA_MAX_ORDER])[i] = (double)r->largest / 100;
    }
    return users;
}

static void check_rows(const strata_users *users, const row *rows, int64_t first)
{
    for (int64_t i = 0; i < users->n_local; i++) {
        const row *r = &rows[first + i];
        assert_int_equal(((int16_t *)users->column[STRATA_R_SCORE])[i], r->score[0]);
        assert_int_equal(((int16_t *)users->column[STRATA_F_SCORE])[i], r->score[1]);
        assert_int_equal(((int16_t *)users->column[STRATA_M_SCORE])[i], r->score[2]);
        assert_true(((double *)users->column[STRATA_COMPOSITE])[i] == r->composite);
        assert_true(((double *)users->column[STRATA_COMPOSITE_STD])[i] == r->composite_std);
        assert_int_equal(((int16_t *)users->column[STRATA_SEGMENT_CODE])[i], r->code);
    }
}

static void same(double a, double b)
{
    assert_true(a == b || (isnan(a) && isnan(b)));
}

static void check_segments(const strata_stratification *out, const strata_config *config,
                           const row *rows, int64_t n)
{
    int64_t revenue_all = 0, taken = 0;
    assert_int_equal(out->n_segments, 5);
    for (int64_t i = 0; i < n; i++) {
        revenue_all += rows[i].money;
        taken += rows[i].code > 0;
    }
    for (int s = 0; s < 5; s++) {
        const strata_segment_summary *segment = &out->segments[s];
        const int16_t code = s < 4 ? (int16_t)(s + 1) : (int16_t)-1;
        int64_t users = 0, revenue = 0, recency = 0, frequency = 0;
        for (int64_t i = 0; i < n; i++) {
            users += rows[i].code == code;
            revenue += rows[i].code == code ? rows[i].money : 0;
            recency += rows[i].code == code ? rows[i].recency : 0;
            frequency += rows[i].code == code ? rows[i].frequency : 0;
        }
        assert_int_equal(segment->code, code);
        assert_string_equal(segment->name, s < 4 ? config->segments[s].name : "unassigned");
        assert_int_equal(segment->users, users);
        assert_int_equal(segment->revenue, revenue);
        same(segment->share, n ? (double)users / (double)n : NAN);
        same(segment->expected_share, s < 4 ? config->segments[s].expected_share : NAN);
        same(segment->revenue_share, revenue_all ? (double)revenue / (double)revenue_all : NAN);
        same(segment->mean_recency_days, users ? (double)recency / (double)users : NAN);
        same(segment->mean_frequency, users ? (double)frequency / (double)users : NAN);
        same(segment->mean_monetary, users ? (double)revenue / ((double)users * 100) : NAN);
    }
    same(out->coverage, n ? (double)taken / (double)n : NAN);
}

static void check_ties(const strata_stratification *out, const strata_config *config,
                       const row *rows, int64_t n)
{
    for (int t = 0; t < 3; t++) {
        int64_t distinct = 0, largest = 0, in_bin[100] = {0};
        for (int64_t i = 0; i < n; i++) {
            int64_t equal = 0, before = 0;
            for (int64_t j = 0; j < n; j++) {
                const bool tie = t == 0   ? rows[j].recency == rows[i].recency
                                 : t == 1 ? rows[j].frequency == rows[i].frequency
                                          : rows[j].money == rows[i].money;
                equal += tie;
                before += tie && j < i;
            }
            distinct += before == 0;
            largest = equal > largest ? equal : largest;
            in_bin[rows[i].score[t] - 1]++;
        }
        assert_int_equal(out->ties[t].distinct, distinct);
        assert_int_equal(out->ties[t].largest_group, largest);
        for (int b = 0; b < config->rfm.bins; b++)
            assert_int_equal(out->ties[t].bin_users[b], in_bin[b]);
    }
}

static void check(enum kind kind, int64_t n, int way, strata_config *config)
{
    static row rows[rows_max];
    for (int64_t i = 0; i < n; i++)
        rows[i] = make_row(kind, i);
    expect(rows, n, config);
    const int owner = way == 1 ? 0 : ctx.size - 1;
    int64_t first = n * ctx.rank / ctx.size, end = n * (ctx.rank + 1) / ctx.size;
    if (way > 0) {
        first = ctx.rank <= owner ? 0 : n;
        end = ctx.rank < owner ? 0 : n;
    }
    strata_users users = make_users(rows, first, end - first);
    strata_stratification out;
    /* the second call replaces what the first one wrote */
    for (int again = 0; again < 2; again++) {
        assert_int_equal(strata_stratify(&ctx, config, &users, &out), STRATA_OK);
        check_rows(&users, rows, first);
        check_segments(&out, config, rows, n);
        check_ties(&out, config, rows, n);
        strata_stratification_release(&out);
    }
    strata_users_release(&users);
}

static void every_partition(void **state)
{
    (void)state;
    static const int64_t sizes[] = {0, 1, 2, 3, 5, 97, rows_max};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int way = 0; way < 3; way++)
            for (int kind = spread; kind <= tied; kind++) {
                strata_config config = test_config(DEFAULT_RULES, 4);
                check((enum kind)kind, sizes[s], way, &config);
                config.rfm.bins = kind == tied ? 2 : 100;
                config.composite.base = STRATA_BASE_AS_OF;
                check((enum kind)kind, sizes[s], way, &config);
            }
}

static void users_without_a_purchase(void **state)
{
    (void)state;
    strata_config config = test_config(DEFAULT_RULES, 4);
    check(absent, 90, 0, &config);
}

/* Rules that name scores and composites, strictly and inclusively. */
static void rules_on_scores(void **state)
{
    (void)state;
    static row rows[rows_max];
    strata_config config = test_config(
        (strata_segment_rule[]){
            {.name = TEXT("best"),
             .code = 30000,
             .n_conditions = 2,
             .conditions = (strata_condition[]){{TEXT("r_score"), STRATA_BOUND_MIN, 4},
                                                {TEXT("composite_std"), STRATA_BOUND_ABOVE, 0.5}}},
            {.name = TEXT("frequent"),
             .code = 7,
             .n_conditions = 1,
             .conditions = (strata_condition[]){{TEXT("f_score"), STRATA_BOUND_BELOW, 2}}},
            {.name = TEXT("rest"), .code = 1}},
        3);
    for (int64_t i = 0; i < 200; i++)
        rows[i] = make_row(spread, i);
    expect(rows, 200, &config);
    for (int64_t i = 0; i < 200; i++)
        rows[i].code = rows[i].score[0] >= 4 && rows[i].composite_std > 0.5 ? 30000
                       : rows[i].score[1] < 2                               ? 7
                                                                            : 1;
    const int64_t first = 200 * ctx.rank / ctx.size, end = 200 * (ctx.rank + 1) / ctx.size;
    strata_users users = make_users(rows, first, end - first);
    strata_stratification out;
    int16_t codes[rows_max];
    assert_int_equal(strata_segments_apply(&ctx, &config, &users, codes), STRATA_ERR_INTERNAL);
    strata_context_clear_error(&ctx); /* scores were not computed yet */
    assert_int_equal(strata_stratify(&ctx, &config, &users, &out), STRATA_OK);
    check_rows(&users, rows, first);
    assert_true(out.coverage == 1);
    assert_int_equal(out.segments[3].users, 0);
    assert_int_equal(strata_segments_apply(&ctx, &config, &users, codes), STRATA_OK);
    if (end > first)
        assert_memory_equal(codes, users.column[STRATA_SEGMENT_CODE],
                            (size_t)(end - first) * sizeof *codes);
    strata_stratification_release(&out);
    strata_users_release(&users);
}

static void refused(strata_segment_rule *rules, int32_t n, const char *part)
{
    strata_config config = test_config(rules, n);
    strata_users users = make_users(NULL, 0, 0);
    strata_stratification out = {.coverage = 77};
    assert_int_equal(strata_rules_validate(&ctx, &config), STRATA_ERR_USAGE);
    if (!strstr(ctx.error.message, part))
        fail_msg("'%s' does not hold '%s'", ctx.error.message, part);
    strata_context_clear_error(&ctx);
    assert_int_equal(strata_stratify(&ctx, &config, &users, &out), STRATA_ERR_USAGE);
    assert_true(out.coverage == 77);
    strata_context_clear_error(&ctx);
    strata_users_release(&users);
}

#define ONE_RULE(...)                                                                              \
    (strata_segment_rule[])                                                                        \
    {                                                                                              \
        {                                                                                          \
            .name = TEXT("a"), .code = 1, .line = 12,                                              \
            .n_conditions = sizeof((strata_condition[]){__VA_ARGS__}) / sizeof(strata_condition),  \
            .conditions = (strata_condition[]){__VA_ARGS__},                                       \
        }                                                                                          \
    }

static void bad_rules(void **state)
{
    (void)state;
    refused(ONE_RULE({TEXT("recency"), STRATA_BOUND_MAX, 3}), 1, "did you mean recency_days?");
    refused(ONE_RULE({TEXT("recency"), STRATA_BOUND_MAX, 3}), 1, "segment a (line 12)");
    refused(ONE_RULE({TEXT("cluster_id"), STRATA_BOUND_MAX, 3}), 1, "the columns are");
    refused(ONE_RULE({TEXT("aov"), STRATA_BOUND_MAX, NAN}), 1, "not a finite number");
    refused(ONE_RULE({TEXT("aov"), STRATA_BOUND_MAX, 3}, {TEXT("aov"), STRATA_BOUND_ABOVE, 3}), 1,
            "no value of aov");
    /* nothing whole lies between */
    refused(ONE_RULE({TEXT("frequency"), STRATA_BOUND_ABOVE, 3},
                     {TEXT("frequency"), STRATA_BOUND_BELOW, 4}),
            1, "no value of frequency");
    refused((strata_segment_rule[]){{.name = TEXT("a"), .code = 1}, {.name = TEXT("b"), .code = 1}},
            2, "code 1 already belongs to a");
    refused((strata_segment_rule[]){{.name = TEXT("a"), .code = 1}, {.name = TEXT("a"), .code = 2}},
            2, "two segments");
    refused((strata_segment_rule[]){{.name = TEXT("a"), .code = 0}}, 1, "codes start at 1");
    strata_config fine = test_config(
        ONE_RULE({TEXT("aov"), STRATA_BOUND_MAX, 3}, {TEXT("aov"), STRATA_BOUND_MIN, 3}), 1);
    assert_int_equal(strata_rules_validate(&ctx, &fine), STRATA_OK);
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    if (strata_context_init(&ctx, MPI_COMM_WORLD) != STRATA_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_partition),
        cmocka_unit_test(users_without_a_purchase),
        cmocka_unit_test(rules_on_scores),
        cmocka_unit_test(bad_rules),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    strata_context_release(&ctx);
    MPI_Finalize();
    return failed;
}
