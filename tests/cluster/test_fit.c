/* The fit against the oracle, from given starts and from its own seeds, for each kernel and
 * shape of partition. Run at 1, 2, 3, 4 and 7 ranks. */
#include "cluster/kernel.h"
#include "oracle.h"

static strata_context ctx;

/* every kernel with lloyd, every exact variant with the kernel of this processor and the plain
 * one */
static const struct {
    const char *variant, *kernel;
} ways[] = {{"lloyd", "plain"},  {"lloyd", "avx2"},  {"lloyd", "avx512"},
            {"lloyd", "avx512vnni"}, {"filter", "plain"}, {"filter", "auto"}, {"auto", "auto"}};

static bool kernel_here(const char *name)
{
#if defined(__x86_64__)
    if (strcmp(name, "avx512vnni") == 0)
        return kernel_here("avx512") && __builtin_cpu_supports("avx512vnni");
    if (strcmp(name, "avx512") == 0)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
    if (strcmp(name, "avx2") == 0)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
    return strcmp(name, "plain") == 0 || strcmp(name, "auto") == 0;
}

static const int64_t *local_weights(const cloud *c, int64_t first)
{
    return c->weights ? c->weights + first : NULL;
}

static void compare(const cloud *c, const oracle *o, const strata_clustering *r, int64_t first,
                    int64_t n_local)
{
    assert_memory_equal(r->centroids, o->centroids, (size_t)(r->k * c->d) * 4);
    for (int64_t i = 0; i < n_local; i++)
        assert_int_equal(r->labels[i], o->labels[first + i]);
    assert_memory_equal(r->sizes, o->sizes, (size_t)r->k * 8);
    assert_true(r->inertia == (double)o->inertia);
    assert_int_equal(r->iterations, o->iterations);
    assert_int_equal(r->converged, o->converged);
    assert_int_equal(r->n_history, o->rows);
    for (int64_t h = 0; h < o->rows; h++) {
        assert_int_equal(r->history[h].moved, o->moved[h]);
        assert_true(r->history[h].inertia == o->inertias[h]);
        assert_int_equal(r->history[h].iteration, h);
    }
    double total = 0;
    for (int32_t j = 0; j < r->k; j++)
        total += r->inertias[j];
    assert_true(total >= r->inertia * (1 - 1e-12) && total <= r->inertia * (1 + 1e-12));
    assert_int_equal(r->allreduce_calls, o->rows);
    assert_true(r->allreduce_bytes <= o->rows * (8 * r->k * (c->d + 1) + 64));
}

static void check(const cloud *c, int32_t k, const int32_t *start, int32_t max)
{
    oracle o = oracle_run(c, k, start, max);
    for (int shape = 0; shape < 3; shape++)
        for (size_t v = 0; v < sizeof ways / sizeof ways[0]; v++) {
            if (!kernel_here(ways[v].kernel))
                continue;
            int64_t first = 0;
            strata_points p = cloud_points(&ctx, c, shape, &first);
            strata_clustering r = {0};
            strata_cluster_options options = {.k = k,
                                              .init = "centroids",
                                              .variant = ways[v].variant,
                                              .start = start,
                                              .restarts = 1,
                                              .max_iterations = max,
                                              .weights = local_weights(c, first),
                                              .kernel = ways[v].kernel};
            assert_int_equal(strata_cluster_fit(&ctx, &p, &options, &r), STRATA_OK);
            compare(c, &o, &r, first, p.n_local);
            strata_clustering_release(&r);
            strata_clustering_release(&r);
            points_free(&p);
        }
    oracle_free(&o);
}

static int32_t *start_at_rows(const cloud *c, int32_t k)
{
    int32_t *start = calloc((size_t)(k * c->d), 4);
    for (int32_t j = 0; j < k; j++)
        memcpy(start + j * c->d, c->x + (int64_t)j * 37 % c->n * c->d, (size_t)c->d * 4);
    return start;
}

static void check_cloud(cloud c, int32_t k, int32_t max)
{
    int32_t *start = start_at_rows(&c, k);
    check(&c, k, start, max);
    free(start);
    cloud_free(&c);
}

static void test_shapes(void **state)
{
    (void)state;
    const int32_t shapes[][2] = {{1, 3}, {2, 5},  {3, 4}, {3, 16},  {4, 7},   {5, 17}, {6, 9},
                                 {7, 2}, {8, 16}, {9, 5}, {13, 12}, {16, 33}, {33, 3}, {64, 20}};
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
        check_cloud(cloud_make(1500, shapes[s][0], 6, 3000000, 1500000, s + 1), shapes[s][1], 12);
}

static void test_many_clusters(void **state)
{
    (void)state;
    check_cloud(cloud_make(900, 2, 40, 9000000, 500000, 5), 255, 4);
    check_cloud(cloud_make(900, 11, 40, 9000000, 500000, 6), 256, 4);
}

/* every coordinate at the end of the grid: the sums of squares and the float bounds are largest */
static void test_edge_of_grid(void **state)
{
    (void)state;
    check_cloud(cloud_make(600, 64, 5, 16777215, 16777215, 7), 6, 10);
    check_cloud(cloud_make(600, 3, 5, 16777215, 16777215, 8), 8, 30);
}

/* far from zero and close together: the dot form of the screen can decide nearly nothing */
static void test_far_from_zero(void **state)
{
    (void)state;
    for (int32_t d = 2; d <= 12; d += 5) {
        cloud c = cloud_make(3000, d, 4, 300, 120, 9);
        for (int64_t v = 0; v < c.n * d; v++)
            c.x[v] += v < 3 * d ? -16000000 : 16000000;
        check_cloud(c, 5, 40);
    }
}

/* few distinct values: exact ties are everywhere and go to the lowest index */
static void test_ties(void **state)
{
    (void)state;
    check_cloud(cloud_make(2000, 2, 9, 2, 2, 10), 4, 50);
    check_cloud(cloud_make(2000, 3, 9, 1, 1, 11), 8, 50);
    check_cloud(cloud_make(2000, 12, 9, 1, 1, 12), 8, 50);
}

static void test_tie_goes_to_lowest(void **state)
{
    (void)state;
    cloud c = {.n = 3, .d = 1, .x = calloc(3, 4)};
    c.x[0] = -10, c.x[1] = 0, c.x[2] = 10;
    const int32_t start[] = {10, -10, 10};
    check(&c, 3, start, 0);
    int64_t first = 0;
    strata_points p = cloud_points(&ctx, &c, 0, &first);
    int16_t labels[4] = {-1, -1, -1, -1};
    double distance[4];
    assert_int_equal(strata_cluster_assign(&ctx, &p, 3, start, labels, distance), STRATA_OK);
    const int16_t expected[] = {1, 0, 0};
    for (int64_t i = 0; i < p.n_local; i++) {
        assert_int_equal(labels[i], expected[first + i]);
        assert_true(distance[i] == (first + i == 1 ? 100.0 : 0.0));
    }
    points_free(&p);
    cloud_free(&c);
}

/* centroids where no point is: their clusters take the farthest points, in order */
static void test_empty_clusters(void **state)
{
    (void)state;
    cloud c = cloud_make(1000, 3, 5, 1000000, 90000, 13);
    int32_t start[8 * 3];
    for (int32_t j = 0; j < 8; j++)
        for (int32_t f = 0; f < 3; f++)
            start[j * 3 + f] = j < 2 ? c.x[j * 3 + f] : 15000000 + j;
    check(&c, 8, start, 60);
    for (int32_t v = 0; v < 24; v++) /* all alike: seven of eight are empty at once */
        start[v] = 5;
    check(&c, 8, start, 60);
    cloud_free(&c);
}

static void test_weights(void **state)
{
    (void)state;
    cloud c = cloud_make(1200, 3, 5, 1000000, 300000, 14);
    uint64_t seed = 3;
    c.weights = calloc((size_t)c.n, 8);
    for (int64_t i = 0; i < c.n; i++)
        c.weights[i] = (int64_t)(next_random(&seed) % 4);
    int32_t *start = start_at_rows(&c, 9);
    check(&c, 9, start, 60);
    for (int32_t f = 0; f < 3; f++)
        start[f] = 15000000;
    check(&c, 9, start, 60);
    c.weights[7] = INT64_C(1) << 33;
    check(&c, 9, start, 60);
    free(start);
    cloud_free(&c);
}

static void test_few_points(void **state)
{
    (void)state;
    check_cloud(cloud_make(1, 2, 1, 100, 10, 1), 1, 10);
    check_cloud(cloud_make(1, 2, 1, 100, 10, 1), 4, 10);
    check_cloud(cloud_make(2, 3, 2, 1000, 10, 2), 4, 10);
    check_cloud(cloud_make(5, 3, 5, 1000, 10, 3), 9, 10);
    check_cloud(cloud_make(300, 3, 3, 1000, 0, 4), 7, 20); /* three distinct points */
    check_cloud(cloud_make(300, 2, 1, 1000, 0, 5), 5, 20); /* one */
    check_cloud(cloud_make(4000, 3, 3, 1000000, 90000, 6), 1, 20);
}

/* Every seeding: the same start and end however the rows are spread, checked by digests of rank
 * 0. */
static void test_seedings(void **state)
{
    (void)state;
    const char *const inits[] = {"kmeans_parallel", "kmeans_plus_plus", "random"};
    cloud clouds[] = {cloud_make(5000, 3, 8, 3000000, 200000, 20), cloud_make(3, 2, 3, 900, 9, 21),
                      cloud_make(400, 2, 1, 1000, 0, 22),
                      cloud_make(2500, 17, 6, 900000, 90000, 23)};
    for (size_t c = 0; c < 4; c++)
        for (size_t v = 0; v < 3; v++) {
            strata_clustering whole = {0};
            strata_context alone;
            int64_t first = 0;
            assert_int_equal(strata_context_init(&alone, MPI_COMM_NULL), STRATA_OK);
            strata_points all = cloud_points(&alone, &clouds[c], 0, &first);
            strata_cluster_options options = {.k = 6,
                                              .init = inits[v],
                                              .variant = "lloyd",
                                              .restarts = 3,
                                              .max_iterations = 100,
                                              .seed = 42,
                                              .kernel = "plain"};
            assert_int_equal(strata_cluster_fit(&alone, &all, &options, &whole), STRATA_OK);
            options.kernel = "auto";
            for (int shape = 0; shape < 3; shape++) {
                strata_clustering part = {0};
                strata_points p = cloud_points(&ctx, &clouds[c], shape, &first);
                assert_int_equal(strata_cluster_fit(&ctx, &p, &options, &part), STRATA_OK);
                assert_memory_equal(part.centroids, whole.centroids, (size_t)(6 * clouds[c].d) * 4);
                assert_memory_equal(part.sizes, whole.sizes, 6 * 8);
                assert_memory_equal(part.inertias, whole.inertias, 6 * 8);
                assert_true(part.inertia == whole.inertia);
                assert_int_equal(part.restart, whole.restart);
                assert_int_equal(part.iterations, whole.iterations);
                assert_int_equal(part.n_history, whole.n_history);
                for (int64_t h = 0; h < part.n_history; h++) { /* all but the measurements */
                    assert_int_equal(part.history[h].restart, whole.history[h].restart);
                    assert_int_equal(part.history[h].iteration, whole.history[h].iteration);
                    assert_int_equal(part.history[h].moved, whole.history[h].moved);
                    assert_memory_equal(&part.history[h].inertia, &whole.history[h].inertia,
                                        sizeof part.history[h].inertia);
                }
                for (int64_t i = 0; i < p.n_local; i++)
                    assert_int_equal(part.labels[i], whole.labels[first + i]);
                strata_clustering_release(&part);
                points_free(&p);
            }
            strata_clustering_release(&whole);
            points_free(&all);
            strata_context_release(&alone);
        }
    for (size_t c = 0; c < 4; c++)
        cloud_free(&clouds[c]);
}

/* the kernels' own random bits are those of everybody else */
static void test_random_bits(void **state)
{
    (void)state;
    uint64_t keys[300], bits[300], seed = 9;
    for (int i = 0; i < 300; i++)
        keys[i] = next_random(&seed);
    for (size_t v = 0; v < sizeof ways / sizeof ways[0]; v++) {
        const strata_kernel *kernel = strata_kernel_find(ways[v].kernel);
        uint64_t round = next_random(&seed) >> 8, start = next_random(&seed);
        for (int64_t n = 1; n <= 300 && kernel; n += 23) {
            kernel->hash_keys(start, strata_kernel_counter(STRATA_RANDOM_SEEDING, round), keys, n,
                           bits);
            for (int64_t i = 0; i < n; i++)
                assert_true(bits[i] ==
                            strata_random_bits(start, STRATA_RANDOM_SEEDING, keys[i], round));
        }
    }
}

static strata_status fit_status(strata_points *p, strata_cluster_options options)
{
    strata_clustering r = {0};
    strata_status rc = strata_cluster_fit(&ctx, p, &options, &r);
    strata_clustering_release(&r);
    strata_context_clear_error(&ctx);
    return rc;
}

static void test_refusals(void **state)
{
    (void)state;
    int64_t first = 0;
    cloud c = cloud_make(100, 2, 3, 1000, 100, 1);
    strata_points p = cloud_points(&ctx, &c, 0, &first);
    strata_cluster_options good = {.k = 2,
                                   .init = "random",
                                   .variant = "auto",
                                   .restarts = 1,
                                   .max_iterations = 5},
                           bad = good;
    assert_int_equal(fit_status(&p, good), STRATA_OK);
    bad.k = 0;
    assert_int_equal(fit_status(&p, bad), STRATA_ERR_USAGE);
    bad.k = 257;
    assert_int_equal(fit_status(&p, bad), STRATA_ERR_USAGE);
    bad = good, bad.init = "nearest";
    assert_int_equal(fit_status(&p, bad), STRATA_ERR_USAGE);
    bad = good, bad.init = "centroids";
    assert_int_equal(fit_status(&p, bad), STRATA_ERR_USAGE);
    bad = good, bad.variant = "magic";
    assert_int_equal(fit_status(&p, bad), STRATA_ERR_USAGE);
    bad = good, bad.kernel = "avx1024";
    assert_int_equal(fit_status(&p, bad), STRATA_ERR_USAGE);
    bad = good, bad.restarts = 0;
    assert_int_equal(fit_status(&p, bad), STRATA_ERR_USAGE);
    int64_t weights[100];
    const int64_t wrong[] = {-1, INT64_C(1) << 38, INT64_MAX, INT64_MIN};
    for (size_t v = 0; v < sizeof wrong / sizeof wrong[0]; v++) {
        for (int64_t i = 0; i < 100; i++)
            weights[i] = i == 99 - first ? wrong[v] : 1; /* a row of the last rank */
        bad = good, bad.weights = weights;
        assert_int_equal(fit_status(&p, bad), STRATA_ERR_INPUT);
    }
    for (int64_t i = 0; i < 100; i++)
        weights[i] = INT64_C(1) << 32; /* each is right, all together are not */
    assert_int_equal(fit_status(&p, bad), STRATA_ERR_INPUT);
    for (int64_t i = 0; i < 100; i++)
        weights[i] = INT64_C(1) << 31;
    assert_int_equal(fit_status(&p, bad), STRATA_OK);
    /* a value off the grid on the last rank only, yet all ranks leave together */
    const float odd[] = {(float)(1 << 24), -1e30f, __builtin_nanf(""), __builtin_inff()};
    for (size_t v = 0; v < sizeof odd / sizeof odd[0]; v++) {
        float kept = p.n_local > 0 ? p.steps[p.stride] : 0;
        if (ctx.rank == ctx.size - 1)
            p.steps[p.stride] = odd[v];
        assert_int_equal(fit_status(&p, good), STRATA_ERR_INPUT);
        if (p.n_local > 0)
            p.steps[p.stride] = kept;
    }
    points_free(&p);
    cloud_free(&c);
    c = cloud_make(0, 2, 1, 1, 1, 1);
    p = cloud_points(&ctx, &c, 0, &first);
    assert_int_equal(fit_status(&p, good), STRATA_ERR_INPUT);
    p.d = 65;
    assert_int_equal(fit_status(&p, good), STRATA_ERR_USAGE);
    points_free(&p);
    cloud_free(&c);
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    if (strata_context_init(&ctx, MPI_COMM_WORLD) != STRATA_OK)
        return 1;
    ctx.log_level = STRATA_LOG_ERROR;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),         cmocka_unit_test(test_many_clusters),
        cmocka_unit_test(test_edge_of_grid),   cmocka_unit_test(test_far_from_zero),
        cmocka_unit_test(test_ties),           cmocka_unit_test(test_tie_goes_to_lowest),
        cmocka_unit_test(test_empty_clusters), cmocka_unit_test(test_weights),
        cmocka_unit_test(test_few_points),     cmocka_unit_test(test_seedings),
        cmocka_unit_test(test_random_bits),    cmocka_unit_test(test_refusals)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    strata_context_release(&ctx);
    MPI_Finalize();
    return failed;
}
