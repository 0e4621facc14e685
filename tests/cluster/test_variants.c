/* Every exact variant against lloyd: labels, centroids, sizes, iterations, inertia and history
 * bit for bit, from many points (deep trees) over several restarts, at any rank count. */
#include "oracle.h"

static strata_context ctx;

static strata_clustering fit(const cloud *c, int shape, strata_cluster_options options)
{
    int64_t first = 0;
    strata_points p = cloud_points(&ctx, c, shape, &first);
    strata_clustering r = {0};
    options.weights = c->weights ? c->weights + first : NULL;
    assert_int_equal(strata_cluster_fit(&ctx, &p, &options, &r), STRATA_OK);
    points_free(&p);
    return r;
}

static void assert_same(const strata_clustering *a, const strata_clustering *b, int64_t n_local,
                        const char *what)
{
    const size_t k = (size_t)a->k, d = (size_t)a->d;
    if (a->n_history != b->n_history || a->inertia != b->inertia)
        print_error("%s: %lld rows of history, not %lld\n", what, (long long)b->n_history,
                    (long long)a->n_history);
    for (int64_t h = 0; h < a->n_history && h < b->n_history; h++) {
        assert_int_equal(a->history[h].moved, b->history[h].moved);
        assert_true(a->history[h].inertia == b->history[h].inertia);
        assert_int_equal(a->history[h].restart, b->history[h].restart);
    }
    assert_int_equal(a->n_history, b->n_history);
    assert_memory_equal(a->centroids, b->centroids, k * d * sizeof *a->centroids);
    assert_memory_equal(a->labels, b->labels, (size_t)n_local * sizeof *a->labels);
    assert_memory_equal(a->sizes, b->sizes, k * sizeof *a->sizes);
    assert_memory_equal(a->inertias, b->inertias, k * sizeof *a->inertias);
    assert_true(a->inertia == b->inertia);
    assert_int_equal(a->iterations, b->iterations);
    assert_int_equal(a->converged, b->converged);
    assert_int_equal(a->restart, b->restart);
}

static void check(const cloud *c, strata_cluster_options options)
{
    for (int shape = 0; shape < 3; shape++) {
        int64_t first = 0;
        strata_points p = cloud_points(&ctx, c, shape, &first);
        int64_t n_local = p.n_local;
        points_free(&p);
        options.variant = "lloyd";
        strata_clustering plain = fit(c, shape, options);
        for (int32_t v = 1; v < strata_cluster_variant_count(); v++) {
            if (!strata_cluster_variant_at(v)->exact)
                continue;
            options.variant = strata_cluster_variant_at(v)->name;
            strata_clustering other = fit(c, shape, options);
            assert_string_equal(other.variant, options.variant);
            assert_same(&plain, &other, n_local, options.variant);
            strata_clustering_release(&other);
        }
        options.variant = "auto";
        strata_clustering chosen = fit(c, shape, options);
        assert_same(&plain, &chosen, n_local, chosen.variant);
        strata_clustering_release(&chosen);
        strata_clustering_release(&plain);
    }
}

static strata_cluster_options options_of(int32_t k, int32_t restarts, int32_t max)
{
    return (strata_cluster_options){
        .k = k, .init = "random", .restarts = restarts, .max_iterations = max, .seed = 5};
}

static void check_cloud(cloud c, int32_t k, int32_t restarts, int32_t max)
{
    check(&c, options_of(k, restarts, max));
    cloud_free(&c);
}

static void test_groups(void **state)
{
    (void)state;
    check_cloud(cloud_make(40000, 3, 8, 3000000, 500000, 1), 8, 3, 60);
    check_cloud(cloud_make(40000, 2, 5, 3000000, 900000, 2), 16, 2, 40);
    check_cloud(cloud_make(20000, 1, 5, 3000000, 900000, 3), 7, 2, 40);
    check_cloud(cloud_make(20000, 6, 5, 3000000, 900000, 4), 9, 2, 30);
}

static void test_one_cloud(void **state)
{
    (void)state;
    check_cloud(cloud_make(50000, 3, 1, 0, 2000000, 5), 16, 2, 80);
    check_cloud(cloud_make(12000, 16, 1, 0, 2000000, 6), 20, 2, 30);
    check_cloud(cloud_make(4000, 40, 3, 900000, 2000000, 7), 70, 1, 12);
    check_cloud(cloud_make(8000, 3, 1, 0, 2000000, 8), 200, 1, 12);
    check_cloud(cloud_make(300000, 2, 1, 0, 2000000, 21), 6, 1, 12); /* a tree of four levels */
}

/* coarse values: most distances are tied and most rows are equal */
static void test_coarse(void **state)
{
    (void)state;
    check_cloud(cloud_make(20000, 3, 9, 2, 1, 9), 6, 4, 60);
    check_cloud(cloud_make(20000, 2, 40, 30, 3, 10), 12, 4, 60);
}

static void test_far_from_zero(void **state)
{
    (void)state;
    cloud c = cloud_make(20000, 3, 4, 2000, 900, 11);
    for (int64_t v = 0; v < c.n * c.d; v++)
        c.x[v] += v < 9 ? -16000000 : 16000000;
    check(&c, options_of(6, 2, 60));
    cloud_free(&c);
    /* many features: small groups whose centres are far apart, so that float32 cannot tell */
    c = cloud_make(6000, 24, 3, 16700000, 40, 15);
    check(&c, options_of(20, 1, 12));
    cloud_free(&c);
}

/* the largest shapes, and places left over in vectors, blocks and groups of four */
static void test_wide(void **state)
{
    (void)state;
    check_cloud(cloud_make(2000, 64, 9, 900000, 2000000, 16), 256, 1, 4);
    check_cloud(cloud_make(1473, 17, 1, 0, 2000000, 17), 33, 2, 10);
}

/* a start that empties clusters again and again */
static void test_empty_clusters(void **state)
{
    (void)state;
    cloud c = cloud_make(20000, 3, 5, 1000000, 90000, 12);
    int32_t start[12 * 3];
    for (int32_t v = 0; v < 36; v++)
        start[v] = v < 6 ? c.x[v] : 15000000 + v % 7;
    strata_cluster_options options = options_of(12, 1, 60);
    options.init = "centroids";
    options.start = start;
    check(&c, options);
    for (int64_t v = 0; v < c.n * c.d; v++) /* the same with equal rows */
        c.x[v] = c.x[v] / 100000 * 100000;
    check(&c, options);
    cloud_free(&c);
    c = cloud_make(3000, 3, 4, 1000, 0, 13); /* four distinct points */
    options = options_of(9, 2, 20);
    check(&c, options);
    cloud_free(&c);
}

static void test_weights(void **state)
{
    (void)state;
    cloud c = cloud_make(20000, 3, 5, 1000000, 300000, 14);
    uint64_t seed = 3;
    c.weights = calloc((size_t)c.n, 8);
    for (int64_t i = 0; i < c.n; i++)
        c.weights[i] = (int64_t)(next_random(&seed) % 4);
    check(&c, options_of(8, 2, 40));
    cloud_free(&c);
}

/* many equal rows, weighted, with clusters that go empty: rows are taken out of their equals */
static void test_equal_rows(void **state)
{
    (void)state;
    cloud c = cloud_make(9000, 2, 6, 40, 9, 18);
    int32_t start[10 * 2];
    uint64_t seed = 4;
    for (int32_t v = 0; v < 20; v++)
        start[v] = v < 8 ? c.x[v] : 100000 + v / 4; /* equal ones among them */
    strata_cluster_options options = options_of(10, 1, 60);
    options.init = "centroids";
    options.start = start;
    check(&c, options);
    check(&c, options_of(40, 3, 30));
    c.weights = calloc((size_t)c.n, 8);
    for (int64_t i = 0; i < c.n; i++)
        c.weights[i] = (int64_t)(next_random(&seed) % 3);
    check(&c, options);
    check(&c, options_of(40, 3, 30));
    cloud_free(&c);
    c = cloud_make(700, 3, 5, 9, 0, 19); /* five distinct rows and thirty clusters */
    check(&c, options_of(30, 2, 20));
    cloud_free(&c);
}

/* Clusters that go empty while few labels change, so that the sums follow single points: four groups of
 * equal rows at their centres, one far point of fifty rows and six starts that nobody is near to. They
 * all take a row of the far point, five of them in vain, and those part equal rows of the groups. */
static void test_rows_part(void **state)
{
    (void)state;
    cloud c = cloud_make(20000, 2, 4, 2000000, 5, 23);
    int32_t start[10 * 2];
    for (int32_t j = 0; j < 10; j++)
        for (int32_t f = 0; f < 2; f++) {
            int64_t sum = 0;
            for (int64_t i = j; i < c.n && j < 4; i += 4)
                sum += c.x[i * 2 + f];
            start[j * 2 + f] = j < 4 ? (int32_t)(sum / (c.n / 4)) : -16000000 - j;
        }
    for (int64_t i = 0; i < 50; i++)
        c.x[i * 800] = c.x[i * 800 + 1] = 9000000;
    strata_cluster_options options = options_of(10, 1, 40);
    options.init = "centroids";
    options.start = start;
    check(&c, options);
    cloud_free(&c);
}

static const char *chosen(const cloud *c, int32_t k, char *reason, size_t size)
{
    strata_cluster_options options = options_of(k, 4, 20);
    options.variant = "auto";
    strata_clustering r = fit(c, 0, options);
    const char *variant = r.variant;
    snprintf(reason, size, "%s", r.reason);
    strata_clustering_release(&r);
    return variant;
}

/* auto merges where it finds few distinct rows, and says so; never continuous data */
static void test_choice(void **state)
{
    (void)state;
    char reason[200];
    cloud c = cloud_make(60000, 3, 1, 0, 1, 20); /* 5 values a feature, 125 rows */
    assert_string_equal(chosen(&c, 8, reason, sizeof reason), "merge");
    assert_non_null(strstr(reason, "distinct rows of 60000"));
    cloud_free(&c);
    c = cloud_make(60000, 3, 1, 0, 4, 21); /* a few thousand rows */
    assert_string_equal(chosen(&c, 64, reason, sizeof reason), "merge");
    cloud_free(&c);
    for (int32_t d = 1; d < 20; d += 6) {
        c = cloud_make(30000, d, 7, 3000000, 2000000, (uint64_t)(22 + d));
        assert_true(strcmp(chosen(&c, 16, reason, sizeof reason), "merge") != 0);
        cloud_free(&c);
    }
}

/* Nodes with other processors: auto takes the same variant on all of them, where each by itself would
 * not, and the bits are those of equal ones. */
static void test_nodes(void **state)
{
    (void)state;
    if (ctx.size != 2)
        return;
    cloud c = cloud_make(200064, 5, 9, 3000000, 900000, 28);
    strata_cluster_options options = options_of(256, 2, 20);
    options.init = "kmeans_parallel";
    options.variant = "auto";
    options.kernel = "plain";
    strata_clustering plain = fit(&c, 0, options);
    options.kernel = ctx.rank == 0 ? NULL : "plain";
    strata_clustering mixed = fit(&c, 0, options);
    assert_string_equal(mixed.variant, plain.variant);
    assert_same(&plain, &mixed, c.n / 2, "mixed nodes");
    strata_clustering_release(&plain);
    strata_clustering_release(&mixed);
    cloud_free(&c);
}

static int64_t bytes_of(const char *name, int32_t k, int32_t d)
{
    for (int32_t v = 0; v < strata_cluster_variant_count(); v++)
        if (strcmp(strata_cluster_variant_at(v)->name, name) == 0)
            return strata_cluster_variant_bytes(strata_cluster_variant_at(v), k, d);
    return -1;
}

/* what variants say of their memory */
static void test_bytes(void **state)
{
    (void)state;
    assert_int_equal(bytes_of("lloyd", 256, 64), 1);
    assert_int_equal(bytes_of("yinyang", 128, 16), 5 + 4 * 16 + 4 * 8);
    assert_int_equal(bytes_of("yinyang", 129, 16), 5 + 4 * 16 + 4 * 16);
    assert_int_equal(bytes_of("elkan", 16, 3), 5 + 4 * 3 + 4 * 16);
    assert_int_equal(bytes_of("elkan", 17, 3), 5 + 4 * 3 + 4 * 32);
}

/* minibatch is not exact, but the same for every partition and kernel: against one rank that has all
 * rows. Its labels are the nearest of its centroids. */
static void check_minibatch(const cloud *c, strata_cluster_options options, double within)
{
    strata_context alone = {0};
    assert_int_equal(strata_context_init(&alone, MPI_COMM_SELF), STRATA_OK);
    for (int shape = 0; shape < 3; shape++) {
        int64_t first = 0, none = 0;
        strata_clustering one = {0}, plain = {0};
        strata_points mine = cloud_points(&ctx, c, shape, &first),
                      all = cloud_points(&alone, c, 0, &none);
        options.kernel = shape == 1 ? "plain" : NULL;
        options.weights = c->weights;
        options.variant = "lloyd";
        assert_int_equal(strata_cluster_fit(&alone, &all, &options, &plain), STRATA_OK);
        options.variant = "minibatch";
        assert_int_equal(strata_cluster_fit(&alone, &all, &options, &one), STRATA_OK);
        strata_clustering many = fit(c, shape, options);
        assert_true(plain.exact && !one.exact && !many.exact);
        assert_non_null(strstr(many.reason, "not exact"));
        memmove(one.labels, one.labels + first, (size_t)mine.n_local * sizeof *one.labels);
        assert_same(&one, &many, mine.n_local, "minibatch");
        assert_true(one.inertia <= plain.inertia * within);
        int16_t *labels = calloc((size_t)mine.n_local + 1, sizeof *labels);
        assert_int_equal(strata_cluster_assign(&ctx, &mine, many.k, many.centroids, labels, NULL),
                         STRATA_OK);
        assert_memory_equal(labels, many.labels, (size_t)mine.n_local * sizeof *labels);
        free(labels);
        strata_clustering_release(&one);
        strata_clustering_release(&many);
        strata_clustering_release(&plain);
        points_free(&mine);
        points_free(&all);
    }
    strata_context_release(&alone);
}

static void test_minibatch(void **state)
{
    (void)state;
    cloud c = cloud_make(60000, 3, 8, 3000000, 500000, 24); /* 59 slices, several epochs */
    check_minibatch(&c, options_of(8, 2, 150), 1.05);
    check_minibatch(&c, options_of(8, 1, 0), 1.0); /* the start only */
    cloud_free(&c);
    c = cloud_make(20000, 17, 1, 0, 2000000, 25);
    c.weights = calloc((size_t)c.n, 8);
    for (int64_t i = 0; i < c.n; i++)
        c.weights[i] = i % 3 * INT64_C(13000000); /* near the most */
    check_minibatch(&c, options_of(90, 1, 60), 1.05);
    for (int64_t v = 0; v < c.n * c.d; v++)
        c.x[v] += 12000000; /* and far from zero: totals come near 2^63 and are halved */
    check_minibatch(&c, options_of(1, 1, 60), 1.05);
    cloud_free(&c);
    c = cloud_make(500, 2, 3, 1000, 2, 26); /* a batch is everything; clusters stay empty */
    check_minibatch(&c, options_of(40, 2, 30), 1e9);
    cloud_free(&c);
    c = cloud_make(2, 2, 2, 1000, 2, 27);
    check_minibatch(&c, options_of(3, 1, 30), 1.0);
    cloud_free(&c);
}

/* k-means|| by the space order draws the same rows as row by row: with few candidates, with more than
 * boxes can tell apart, with weights and with ties. */
static void test_seeding(void **state)
{
    (void)state;
    const int32_t k[] = {2, 20, 40};
    uint64_t seed = 4;
    cloud c[] = {cloud_make(6000, 3, 6, 3000000, 300000, 15), cloud_make(3000, 2, 9, 2, 1, 16)};
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 3; j++) {
            strata_cluster_options options = options_of(k[j], 2, 1);
            options.init = "kmeans_parallel";
            check(&c[i], options);
        }
        c[i].weights = calloc((size_t)c[i].n, 8);
        for (int64_t row = 0; row < c[i].n; row++)
            c[i].weights[row] = (int64_t)(next_random(&seed) % 3);
        strata_cluster_options options = options_of(7, 2, 1);
        options.init = "kmeans_parallel";
        check(&c[i], options);
        cloud_free(&c[i]);
    }
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    if (strata_context_init(&ctx, MPI_COMM_WORLD) != STRATA_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_groups),         cmocka_unit_test(test_one_cloud),
        cmocka_unit_test(test_coarse),         cmocka_unit_test(test_far_from_zero),
        cmocka_unit_test(test_empty_clusters), cmocka_unit_test(test_weights),
        cmocka_unit_test(test_wide),           cmocka_unit_test(test_equal_rows),
        cmocka_unit_test(test_rows_part),      cmocka_unit_test(test_choice),
        cmocka_unit_test(test_nodes),          cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_minibatch),      cmocka_unit_test(test_seeding)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    strata_context_release(&ctx);
    MPI_Finalize();
    return failed;
}
