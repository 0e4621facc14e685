/* The significance room over partitions, against known values, and where nothing can be said. */
#include "significance/world.h"

static strata_context ctx, serial;

static world_row mixed(int64_t row, uint64_t seed)
{
    static const int16_t codes[] = {10, 20, 30, -1};
    double u = world_uniform(seed, row, 0), v = world_uniform(seed, row, 1);
    int16_t cluster = (int16_t)(u * 4);
    world_row r = {
        .region = (int16_t)(v * 3),
        .segment = codes[(int)(world_uniform(seed, row, 2) * 4)],
        .cluster = cluster,
        .recency = (int32_t)(v * 300),
        .frequency = 1 + cluster + (int32_t)(v * 3),
        .tenure = 10 + (int32_t)(world_uniform(seed, row, 3) * 650),
        .money = (int64_t)((1 + cluster) * world_uniform(seed, row, 4) * 1e6) - 1000,
        .largest = (int64_t)(world_uniform(seed, row, 5) * 1e5),
    };
    bool buys = world_uniform(seed, row, 6) < 0.6;
    r.later_frequency = buys ? 1 + cluster : 0;
    r.later_money = buys ? r.money / 3 : 0;
    r.later_largest = buys ? r.largest / 2 : 0;
    r.later_recency = buys ? (int32_t)(u * 89) : HOLDOUT_DAYS;
    bool in_fit = row % 7 != 3;
    r.frozen_segment = in_fit ? r.segment : STRATA_NOT_IN_FIT;
    r.frozen_cluster = in_fit ? cluster : STRATA_NOT_IN_FIT;
    if (row == 5) { /* a segment of one user */
        r.segment = 40;
        r.frozen_segment = 40;
    }
    return r;
}

static void assert_same_bits(double a, double b)
{
    assert_true(memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b)));
}

static void assert_same_table(const strata_crosstab *a, const strata_crosstab *b)
{
    assert_true(a->rows == b->rows && a->columns == b->columns);
    for (int32_t r = 0; r < a->rows; r++)
        assert_int_equal(a->row_codes[r], b->row_codes[r]);
    for (int32_t c = 0; c < a->columns && a->rows > 0; c++)
        assert_int_equal(a->column_codes[c], b->column_codes[c]);
    for (int64_t i = 0; i < (int64_t)a->rows * a->columns; i++)
        assert_int_equal(a->counts[i], b->counts[i]);
}

static void assert_same(const strata_significance *a, const strata_significance *b)
{
    assert_int_equal(a->n_tests, b->n_tests);
    for (int32_t t = 0; t < a->n_tests; t++) {
        const strata_test *x = &a->tests[t], *y = &b->tests[t];
        assert_true(x->sample == y->sample && x->grouping == y->grouping);
        assert_true(x->significant == y->significant && x->n == y->n);
        assert_string_equal(x->variable, y->variable);
        assert_string_equal(x->test, y->test);
        assert_string_equal(x->effect_name, y->effect_name);
        assert_string_equal(x->note, y->note);
        assert_same_bits(x->statistic, y->statistic);
        assert_same_bits(x->df1, y->df1);
        assert_same_bits(x->df2, y->df2);
        assert_same_bits(x->log10_p, y->log10_p);
        assert_same_bits(x->p_value, y->p_value);
        assert_same_bits(x->log10_p_adjusted, y->log10_p_adjusted);
        assert_same_bits(x->effect_size, y->effect_size);
    }
    assert_same_table(&a->segment_cluster, &b->segment_cluster);
    assert_same_table(&a->region_segment, &b->region_segment);
    assert_same_bits(a->adjusted_rand, b->adjusted_rand);
    assert_same_bits(a->normalised_mutual_information, b->normalised_mutual_information);
}

/* n users dealt out evenly, or all on the last rank, against one process that has them all. */
static void check_partition(int64_t n, bool all_on_last)
{
    world whole, part;
    int64_t first = n * ctx.rank / ctx.size, last = n * (ctx.rank + 1) / ctx.size;
    if (all_on_last) {
        first = ctx.rank == ctx.size - 1 ? 0 : n;
        last = n;
    }
    world_make(&whole, mixed, 7, 0, n);
    world_make(&part, mixed, 7, first, last);
    for (int holdout = 0; holdout < 2; holdout++) {
        strata_significance wanted = world_run(&serial, &whole, holdout);
        strata_significance got = world_run(&ctx, &part, holdout);
        assert_same(&got, &wanted);
        strata_significance_release(&wanted);
        strata_significance_release(&got);
        strata_significance_release(&got);
    }
    world_free(&whole);
    world_free(&part);
}

static void test_same_for_every_partition(void **state)
{
    (void)state;
    check_partition(WORLD_ROWS, false);
    check_partition(WORLD_ROWS, true);
    check_partition(3, false);
    check_partition(1, false);
    check_partition(0, false);
}

static void assert_near(double got, double wanted, double tolerance)
{
    if (!(fabs(got - wanted) <= tolerance * fabs(wanted)))
        print_error("got %.17g, wanted %.17g\n", got, wanted);
    assert_true(fabs(got - wanted) <= tolerance * fabs(wanted));
}

/* Welch's F of the later money by frozen cluster, by the textbook in doubles. */
static double plain_welch_of_later_money(void)
{
    double n[4] = {0}, mean[4] = {0}, squares[4] = {0}, w[4], weights = 0, centre = 0;
    double between = 0, lambda = 0;
    for (int64_t row = 0; row < WORLD_ROWS; row++) {
        world_row r = mixed(row, 7);
        if (r.frozen_cluster < 0)
            continue;
        double step = (double)r.later_money - mean[r.frozen_cluster];
        n[r.frozen_cluster]++;
        mean[r.frozen_cluster] += step / n[r.frozen_cluster];
        squares[r.frozen_cluster] += step * ((double)r.later_money - mean[r.frozen_cluster]);
    }
    for (int g = 0; g < 4; g++) {
        w[g] = n[g] * (n[g] - 1) / squares[g];
        weights += w[g];
        centre += w[g] * mean[g];
    }
    centre /= weights;
    for (int g = 0; g < 4; g++) {
        between += w[g] * (mean[g] - centre) * (mean[g] - centre) / 3;
        lambda += (1 - w[g] / weights) * (1 - w[g] / weights) / (n[g] - 1);
    }
    return between / (1 + 2 * 2 * lambda / 15);
}

/* Kruskal and Wallis's H of the later money by frozen label, by counting, with the tie correction
 * of the textbook. */
static double plain_kruskal_of_later_money(bool by_segment)
{
    static double value[WORLD_ROWS];
    static int label[WORLD_ROWS];
    int n = 0;
    double sums[5] = {0}, sizes[5] = {0}, ties = 0, h = 0;
    for (int64_t row = 0; row < WORLD_ROWS; row++) {
        world_row r = mixed(row, 7);
        int group = by_segment ? r.frozen_segment / 10 : r.frozen_cluster;
        bool tested = by_segment ? r.frozen_segment > 0 && r.frozen_segment != 40 : group >= 0;
        if (tested) {
            value[n] = (double)r.later_money;
            label[n++] = group;
        }
    }
    for (int i = 0; i < n; i++) {
        double smaller = 0, equal = 0;
        for (int j = 0; j < n; j++) {
            smaller += value[j] < value[i];
            equal += value[j] == value[i];
        }
        sums[label[i]] += smaller + (equal + 1) / 2;
        sizes[label[i]]++;
        ties += equal * equal - 1;
    }
    for (int g = 0; g < 5; g++)
        h += sizes[g] > 0 ? sums[g] * sums[g] / sizes[g] : 0;
    h = 12 * h / ((double)n * (n + 1)) - 3 * (n + 1);
    return h / (1 - ties / ((double)n * n * n - n));
}

static void test_what_is_tested(void **state)
{
    (void)state;
    world w;
    world_make(&w, mixed, 7, WORLD_ROWS * ctx.rank / ctx.size,
               WORLD_ROWS * (ctx.rank + 1) / ctx.size);
    strata_significance s = world_run(&ctx, &w, true);
    /* Hold-out 5 variables and tenure with 3 tests, 6 descriptive ones with 2, by 2 groupings;
     * tables. */
    assert_int_equal(s.n_tests, ((5 + 1) * 3 + 6 * 2) * 2 + 5);
    int64_t in_fit = 0, taken = 0;
    for (int64_t row = 0; row < WORLD_ROWS; row++) {
        world_row r = mixed(row, 7);
        in_fit += r.frozen_cluster >= 0;
        taken += r.segment > 0 && r.segment != 40;
    }
    const strata_test *t =
        find_test(&s, STRATA_SAMPLE_HOLDOUT, STRATA_BY_CLUSTER, "monetary", "welch_anova");
    assert_non_null(t);
    assert_int_equal(t->n, in_fit); /* who bought nothing later is in, who is new is not */
    assert_near(t->statistic, plain_welch_of_later_money(), 1e-9);
    assert_true(t->significant && t->log10_p < -20 && t->log10_p_adjusted > t->log10_p);
    assert_string_equal(t->note, "6 of 6 pairs differ");
    t = find_test(&s, STRATA_SAMPLE_HOLDOUT, STRATA_BY_CLUSTER, "monetary", "kruskal_wallis");
    assert_near(t->statistic, plain_kruskal_of_later_money(false), 1e-9);
    t = find_test(&s, STRATA_SAMPLE_HOLDOUT, STRATA_BY_SEGMENT, "monetary", "kruskal_wallis");
    assert_near(t->statistic, plain_kruskal_of_later_money(true), 1e-9);
    t = find_test(&s, STRATA_SAMPLE_HOLDOUT, STRATA_BY_CLUSTER, "monetary", "welch_anova");
    assert_string_equal(t->effect_name, "omega_squared");
    t = find_test(&s, STRATA_SAMPLE_DESCRIPTIVE, STRATA_BY_SEGMENT, "monetary", "anova");
    assert_non_null(t);
    assert_int_equal(t->n, taken);
    char wanted[96];
    snprintf(wanted, sizeof wanted, "%lld unassigned left out; 1 one-user group left out",
             (long long)(WORLD_ROWS - taken - 1));
    assert_string_equal(t->note, wanted);
    for (int32_t i = 0; i < s.n_tests; i++)
        if (s.tests[i].sample == STRATA_SAMPLE_DESCRIPTIVE)
            assert_false(s.tests[i].significant);
    assert_non_null(
        find_test(&s, STRATA_SAMPLE_EXTERNAL, STRATA_BY_CLUSTER, "tenure", "welch_anova"));
    assert_non_null(
        find_test(&s, STRATA_SAMPLE_EXTERNAL, STRATA_BY_REGION, "cluster", "chi_squared"));
    t = find_test(&s, STRATA_SAMPLE_EXTERNAL, STRATA_BY_REGION, "segment", "chi_squared");
    assert_non_null(t);
    assert_string_equal(t->effect_name, "cramers_v");
    assert_int_equal(t->n, WORLD_ROWS);
    t = find_test(&s, STRATA_SAMPLE_DESCRIPTIVE, STRATA_BY_SEGMENT, "cluster", "adjusted_rand");
    assert_non_null(t);
    assert_true(t->statistic == s.adjusted_rand && isnan(t->log10_p));
    assert_true(s.segment_cluster.rows == 5 && s.segment_cluster.columns == 4);
    assert_true(s.segment_cluster.row_codes[4] == -1 && s.segment_cluster.row_codes[1] == 20);
    assert_true(s.region_segment.rows == 3 && s.region_segment.columns == 5);
    strata_significance_release(&s);
    /* A rule on the first day, a feature that uses it: tenure is no longer external. */
    static char first_day[] = "first_day", monthly[] = "monthly_mean";
    world_conditions[1].column = first_day;
    world_features[2] = monthly;
    s = world_run(&ctx, &w, false);
    assert_null(find_test(&s, STRATA_SAMPLE_EXTERNAL, STRATA_BY_CLUSTER, "tenure", "welch_anova"));
    assert_null(find_test(&s, STRATA_SAMPLE_EXTERNAL, STRATA_BY_SEGMENT, "tenure", "welch_anova"));
    assert_int_equal(s.n_tests, 7 * 2 * 2 + 5);
    strata_significance_release(&s);
    world_free(&w);
}

/* InsectSprays as orders by cluster. */
static world_row sprays(int64_t row, uint64_t seed)
{
    static const int8_t counts[72] = {10, 7,  20, 14, 14, 12, 10, 23, 17, 20, 14, 13, 11, 17, 21,
                                      11, 16, 14, 17, 17, 19, 21, 7,  13, 0,  1,  7,  2,  3,  1,
                                      2,  1,  3,  0,  1,  4,  3,  5,  12, 6,  4,  3,  5,  5,  5,
                                      5,  2,  4,  3,  5,  3,  5,  3,  6,  1,  1,  3,  2,  6,  4,
                                      11, 9,  15, 22, 15, 16, 13, 10, 26, 26, 24, 13};
    (void)seed;
    return (world_row){.segment = 10,
                       .cluster = (int16_t)(row / 12),
                       .frozen_segment = 10,
                       .frozen_cluster = (int16_t)(row / 12),
                       .frequency = counts[row],
                       .later_frequency = counts[row],
                       .money = 700,
                       .tenure = 5};
}

static void test_known_answers(void **state)
{
    (void)state;
    world w;
    world_make(&w, sprays, 0, 72 * ctx.rank / ctx.size, 72 * (ctx.rank + 1) / ctx.size);
    w.k = 6;
    strata_significance s = world_run(&ctx, &w, true);
    const strata_sample kind = STRATA_SAMPLE_DESCRIPTIVE;
    const strata_test *t = find_test(&s, kind, STRATA_BY_CLUSTER, "frequency", "welch_anova");
    assert_near(t->statistic, 36.0654438935773, 1e-13);
    assert_near(t->df2, 30.0425605087674, 1e-13);
    t = find_test(&s, kind, STRATA_BY_CLUSTER, "frequency", "anova");
    assert_near(t->statistic, 34.7022820554917, 1e-13);
    t = find_test(&s, STRATA_SAMPLE_HOLDOUT, STRATA_BY_CLUSTER, "frequency", "kruskal_wallis");
    assert_near(t->statistic, 54.6913446223714, 1e-13);
    /* All alike: nothing to test, and said so. */
    t = find_test(&s, kind, STRATA_BY_CLUSTER, "monetary", "welch_anova");
    assert_true(isnan(t->statistic) && isnan(t->p_value) && isnan(t->log10_p_adjusted));
    assert_string_equal(t->note, "all values are equal");
    /* One segment holds everybody. */
    t = find_test(&s, STRATA_SAMPLE_HOLDOUT, STRATA_BY_SEGMENT, "frequency", "kruskal_wallis");
    assert_true(isnan(t->statistic));
    assert_string_equal(t->note, "fewer than two groups");
    assert_true(s.adjusted_rand == 0 && s.normalised_mutual_information == 0);
    strata_significance_release(&s);
    world_free(&w);
}

/* Two groups that do not vary beside one that does. */
static world_row stiff(int64_t row, uint64_t seed)
{
    (void)seed;
    int16_t cluster = (int16_t)(row % 3);
    return (world_row){.segment = -1,
                       .cluster = cluster,
                       .frequency = cluster < 2 ? 1 + cluster : (int32_t)(row % 11),
                       .money = cluster,
                       .later_recency = HOLDOUT_DAYS,
                       .frozen_segment = STRATA_NOT_IN_FIT,
                       .frozen_cluster = STRATA_NOT_IN_FIT};
}

static void test_nothing_to_say(void **state)
{
    (void)state;
    world w;
    world_make(&w, stiff, 0, 99 * ctx.rank / ctx.size, 99 * (ctx.rank + 1) / ctx.size);
    w.population.regions.n = 0;
    strata_significance s = world_run(&ctx, &w, true);
    const strata_sample kind = STRATA_SAMPLE_DESCRIPTIVE;
    const strata_test *t = find_test(&s, kind, STRATA_BY_CLUSTER, "frequency", "brown_forsythe");
    assert_non_null(t);
    assert_true(isfinite(t->statistic) && t->log10_p < 0);
    assert_string_equal(t->note, "a group has no variance; F* instead of Welch");
    t = find_test(&s, kind, STRATA_BY_CLUSTER, "monetary", "welch_anova");
    assert_true(isnan(t->statistic) && t->effect_size == 1 && !t->significant);
    assert_string_equal(t->note, "no variance within any group");
    t = find_test(&s, kind, STRATA_BY_SEGMENT, "monetary", "welch_anova");
    assert_true(isnan(t->statistic) && t->n == 0);
    /* A hold-out that nobody of the fit lives to see. */
    t = find_test(&s, STRATA_SAMPLE_HOLDOUT, STRATA_BY_CLUSTER, "frequency", "welch_anova");
    assert_true(isnan(t->statistic) && t->n == 0);
    assert_int_equal(s.region_segment.rows, 0);
    assert_null(find_test(&s, STRATA_SAMPLE_EXTERNAL, STRATA_BY_REGION, "segment", "chi_squared"));
    strata_significance_release(&s);
    /* No clusters at all. */
    w.k = 0;
    s = world_run(&ctx, &w, false);
    assert_null(find_test(&s, kind, STRATA_BY_CLUSTER, "frequency", "anova"));
    assert_true(isnan(s.adjusted_rand) && s.segment_cluster.columns == 0);
    strata_significance_release(&s);
    world_free(&w);
}

/* One rank runs out of memory at the first allocation, the second, ...: every rank returns the same
 * status, nothing leaks, nothing hangs, the result stays untouched. */
static void test_out_of_memory_anywhere(void **state)
{
    (void)state;
    world w;
    world_make(&w, mixed, 7, 200 * ctx.rank / ctx.size, 200 * (ctx.rank + 1) / ctx.size);
    strata_holdout period = {&w.later, w.frozen_segment, w.frozen_cluster, w.k};
    int failures = 0;
    for (strata_status rc = STRATA_ERR_MEMORY; rc != STRATA_OK; failures++) {
        strata_significance out = {.n_tests = -7};
        ctx.fault = (strata_fault){
            .point = "alloc", .action = "fail", .skip = failures, .rank = ctx.size - 1};
        rc = strata_significance_run(&ctx, &w.config, &w.population, &w.users, w.k, &period, &out);
        ctx.fault.point[0] = '\0';
        if (rc == STRATA_OK) {
            strata_significance_release(&out);
            break;
        }
        assert_int_equal(rc, STRATA_ERR_MEMORY);
        assert_int_equal(out.n_tests, -7);
        strata_context_clear_error(&ctx);
        assert_true(failures < 100000);
    }
    assert_true(failures > 50);
    world_free(&w);
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_for_every_partition),
        cmocka_unit_test(test_what_is_tested),
        cmocka_unit_test(test_known_answers),
        cmocka_unit_test(test_nothing_to_say),
        cmocka_unit_test(test_out_of_memory_anywhere),
    };
    if (strata_context_init(&ctx, MPI_COMM_WORLD) != STRATA_OK ||
        strata_context_init(&serial, MPI_COMM_NULL) != STRATA_OK)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    strata_context_release(&serial);
    strata_context_release(&ctx);
    MPI_Finalize();
    return failed;
}
