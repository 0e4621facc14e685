/* The bounds of the exact variants under stress: every variant against lloyd, bit for bit, on
 * random cases of many kinds, and on those that are known to be hard for bounds. */
#include "oracle.h"

static strata_context ctx;
static int scenes = 16; /* of the random sweep; the argument of the program */

typedef struct scene {
    cloud points;
    strata_cluster_options options;
    int32_t *start;
} scene;

static strata_clustering fit(const scene *s, const char *variant)
{
    int64_t first = 0;
    strata_points p = cloud_points(&ctx, &s->points, (int)(s->options.seed % 3), &first);
    strata_clustering r = {0};
    strata_cluster_options options = s->options;
    options.variant = variant;
    options.weights = s->points.weights ? s->points.weights + first : NULL;
    assert_int_equal(strata_cluster_fit(&ctx, &p, &options, &r), STRATA_OK);
    points_free(&p);
    return r;
}

static int64_t rows_here(const scene *s)
{
    int64_t first = 0;
    strata_points p = cloud_points(&ctx, &s->points, (int)(s->options.seed % 3), &first);
    points_free(&p);
    return p.n_local;
}

static void assert_same(const strata_clustering *a, const strata_clustering *b, int64_t n_local)
{
    const size_t k = (size_t)a->k, d = (size_t)a->d;
    for (int64_t h = 0; h < a->n_history && h < b->n_history; h++) {
        assert_int_equal(a->history[h].moved, b->history[h].moved);
        assert_true(a->history[h].inertia == b->history[h].inertia);
    }
    assert_int_equal(a->n_history, b->n_history);
    assert_memory_equal(a->centroids, b->centroids, k * d * sizeof *a->centroids);
    assert_memory_equal(a->labels, b->labels, (size_t)n_local * sizeof *a->labels);
    assert_memory_equal(a->sizes, b->sizes, k * sizeof *a->sizes);
    assert_true(a->inertia == b->inertia);
    assert_int_equal(a->iterations, b->iterations);
    assert_int_equal(a->converged, b->converged);
}

static int64_t check(scene *s)
{
    const int64_t n_local = rows_here(s);
    strata_clustering plain = fit(s, "lloyd");
    const int64_t iterations = plain.iterations;
    for (int32_t v = 1; v < strata_cluster_variant_count(); v++) {
        if (!strata_cluster_variant_at(v)->exact)
            continue;
        strata_clustering other = fit(s, strata_cluster_variant_at(v)->name);
        assert_same(&plain, &other, n_local);
        strata_clustering_release(&other);
    }
    strata_clustering_release(&plain);
    cloud_free(&s->points);
    free(s->start);
    return iterations;
}

static int32_t pick(uint64_t *random, int32_t low, int32_t high)
{
    return low + (int32_t)(next_random(random) % (uint64_t)(high - low + 1));
}

static void add_weights(cloud *c, uint64_t *random)
{
    c->weights = calloc((size_t)c->n + 1, sizeof *c->weights);
    c->weights[0] = 1;
    for (int64_t i = 1; i < c->n; i++)
        c->weights[i] = (int64_t)(next_random(random) % 3);
}

/* A start of points, some of them twice, some far from all. */
static void add_start(scene *s, uint64_t *random)
{
    const int32_t k = s->options.k, d = s->points.d;
    s->start = calloc((size_t)(k * d), sizeof *s->start);
    for (int32_t j = 0; j < k; j++) {
        const int64_t row = (int64_t)(next_random(random) % (uint64_t)s->points.n);
        const int kind = pick(random, 0, 9);
        for (int32_t f = 0; f < d; f++)
            s->start[j * d + f] = kind == 0 && j > 0 ? s->start[(j - 1) * d + f]
                                  : kind == 1        ? 16777215 - f
                                                     : s->points.x[row * d + f];
    }
    s->options.init = "centroids";
    s->options.start = s->start;
}

static scene random_scene(uint64_t seed, int32_t most)
{
    static const int32_t dims[] = {1, 2, 3, 5, 8, 9, 16, 17, 33, 64},
                         ks[] = {1, 2, 3, 15, 16, 17, 33, 100, 128, 129, 200, 256},
                         ranges[] = {0, 3, 40, 1000, 2000000}, spreads[] = {0, 1, 2, 500, 900000};
    uint64_t random = seed;
    scene s = {.options = {.k = ks[pick(&random, 0, 11)],
                           .init = "random",
                           .restarts = pick(&random, 1, 2),
                           .max_iterations = pick(&random, 0, 40),
                           .seed = seed}};
    const int32_t n = pick(&random, 1, most), d = dims[pick(&random, 0, 9)];
    s.points = cloud_make(n, d, pick(&random, 1, 40), ranges[pick(&random, 0, 4)],
                          spreads[pick(&random, 0, 4)], seed);
    const int32_t offset = pick(&random, 0, 2) == 0 ? 12000000 : 0;
    for (int64_t v = 0; v < s.points.n * d; v++)
        s.points.x[v] = s.points.x[v] + offset < 16777215 ? s.points.x[v] + offset : 16777215;
    if (pick(&random, 0, 2) == 0)
        add_weights(&s.points, &random);
    if (pick(&random, 0, 2) == 0)
        add_start(&s, &random);
    return s;
}

static void test_random(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= (uint64_t)scenes; seed++) {
        scene s = random_scene(seed, scenes > 100 ? 20000 : 1500);
        check(&s);
    }
}

/* Hundreds of passes with moves of a step or two: bounds live long, sums of drifts grow. */
static void test_tiny_moves(void **state)
{
    (void)state;
    scene s = {
        .points = cloud_make(8000, 2, 1, 0, 900000, 77),
        .options = {.k = 24, .init = "random", .restarts = 1, .max_iterations = 400, .seed = 3}};
    assert_true(check(&s) > 40);
    s = (scene){
        .points = cloud_make(8000, 1, 1, 0, 4000000, 78),
        .options = {.k = 40, .init = "random", .restarts = 1, .max_iterations = 400, .seed = 4}};
    assert_true(check(&s) > 100);
}

/* Every point is a grid place with many equal neighbours; every distance is tied with others. */
static void test_ties(void **state)
{
    (void)state;
    scene s = {
        .points = cloud_make(3000, 4, 16, 1, 0, 5),
        .options = {.k = 130, .init = "random", .restarts = 2, .max_iterations = 50, .seed = 6}};
    for (int64_t v = 0; v < s.points.n * 4; v++)
        s.points.x[v] = s.points.x[v] * 4 + (int32_t)(v % 7 == 0);
    check(&s);
    s = (scene){
        .points = cloud_make(2000, 64, 3, 1, 1, 7),
        .options = {.k = 256, .init = "random", .restarts = 1, .max_iterations = 30, .seed = 8}};
    check(&s);
}

/* Groups far apart: most crowds are never looked at again. */
static void test_far_groups(void **state)
{
    (void)state;
    scene s = {
        .points = cloud_make(6000, 16, 12, 9000000, 300000, 9),
        .options = {.k = 128, .init = "random", .restarts = 1, .max_iterations = 60, .seed = 9}};
    uint64_t random = 4;
    add_weights(&s.points, &random);
    check(&s);
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    if (strata_context_init(&ctx, MPI_COMM_WORLD) != STRATA_OK)
        return 1;
    if (argc > 1)
        scenes = (int)strtol(argv[1], NULL, 10);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random), cmocka_unit_test(test_tiny_moves),
        cmocka_unit_test(test_ties), cmocka_unit_test(test_far_groups)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    strata_context_release(&ctx);
    MPI_Finalize();
    return failed;
}
