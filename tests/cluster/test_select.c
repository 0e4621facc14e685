/* The choice of k: published criteria of iris, groups that are plain to see, the user's k, and
 * the same bits for every partition. */
#include <math.h>

#include "iris.h"
#include "oracle.h"

static strata_context ctx;
enum { STEPS = 200000 }; /* per tenth of a centimetre, as in test_iris.c */

static strata_k_options options_of(int32_t k_min, int32_t k_max)
{
    return (strata_k_options){.k_min = k_min,
                              .k_max = k_max,
                              .fit = {.init = "kmeans_parallel",
                                      .variant = "auto",
                                      .restarts = 10,
                                      .max_iterations = 300,
                                      .seed = 3},
                              .replicates = 20,
                              .min_share = 0.01,
                              .min_stability = 0.75};
}

static bool near(double value, double expected, double relative)
{
    return fabs(value / expected - 1) < relative;
}

static void test_iris(void **state)
{
    (void)state;
    int64_t first = 0;
    cloud c = {.n = 150, .d = 4, .x = calloc(600, 4)};
    for (int64_t v = 0; v < 600; v++)
        c.x[v] = iris_tenths[v / 4][v % 4] * STEPS;
    strata_points p = cloud_points(&ctx, &c, 0, &first);
    strata_k_selection s = {0};
    strata_k_options o = options_of(2, 6);
    assert_int_equal(strata_cluster_select_k(&ctx, &p, &o, &s), STRATA_OK);
    assert_int_equal(s.n, 5);
    assert_int_equal(s.rows[1].k, 3);
    assert_true(near(s.rows[1].calinski_harabasz, 561.62775662962, 1e-10));
    assert_true(near(s.rows[1].silhouette, .55281901235641, 1e-12));
    /* distances to centroids, which lie up to half a step (2.5e-7 cm) beside the means */
    assert_true(near(s.rows[1].davies_bouldin, .66197154650075, 1e-7));
    assert_true(near(s.rows[1].simplified_silhouette, .666385556471116, 1e-7));
    assert_int_equal(s.rows[1].smallest, 38);
    assert_int_equal(s.k, 2); /* setosa against the rest is what silhouettes see in iris */
    assert_true(s.rows[0].eligible && s.rows[0].chosen && s.rows[0].stability > 0.9);
    strata_k_selection_release(&s);
    strata_k_selection_release(&s);
    o.k = 3; /* the user's k wins, the table is there all the same */
    assert_int_equal(strata_cluster_select_k(&ctx, &p, &o, &s), STRATA_OK);
    assert_int_equal(s.k, 3);
    assert_int_equal(s.clustering.k, 3);
    assert_true(s.rows[1].chosen && !s.rows[0].chosen);
    assert_non_null(strstr(s.reason, "k = 3 as asked"));
    strata_k_selection_release(&s);
    points_free(&p);
    cloud_free(&c);
}

static void test_groups(void **state)
{
    (void)state;
    for (int32_t groups = 3; groups <= 5; groups += 2) {
        int64_t first = 0;
        cloud c = cloud_make(4000, 3, groups, 8000000, 400000, 90 + (uint64_t)groups);
        strata_points p = cloud_points(&ctx, &c, 1, &first);
        strata_k_selection s = {0};
        strata_k_options o = options_of(2, 7);
        assert_int_equal(strata_cluster_select_k(&ctx, &p, &o, &s), STRATA_OK);
        assert_int_equal(s.k, groups);
        assert_int_equal(s.clustering.k, groups);
        for (int64_t i = 0; i < p.n_local; i++) {
            assert_in_range(s.clustering.labels[i], 0, groups - 1);
            if (i >= groups)
                assert_int_equal(s.clustering.labels[i], s.clustering.labels[i - groups]);
        }
        strata_k_selection_release(&s);
        o.min_size = 4000; /* nothing is large enough */
        assert_int_equal(strata_cluster_select_k(&ctx, &p, &o, &s), STRATA_OK);
        assert_non_null(strstr(s.reason, "by silhouette alone"));
        strata_k_selection_release(&s);
        points_free(&p);
        cloud_free(&c);
    }
}

/* more rows than the pool holds, so that every part is a sample */
static void test_partition(void **state)
{
    (void)state;
    cloud c = cloud_make(50000, 2, 3, 2000000, 1500000, 77);
    strata_context alone;
    int64_t first = 0;
    strata_k_options o = options_of(2, 4);
    strata_k_selection whole = {0};
    o.replicates = 5;
    o.fit.restarts = 2;
    assert_int_equal(strata_context_init(&alone, MPI_COMM_NULL), STRATA_OK);
    strata_points all = cloud_points(&alone, &c, 0, &first);
    assert_int_equal(strata_cluster_select_k(&alone, &all, &o, &whole), STRATA_OK);
    for (int shape = 0; shape < 3; shape++) {
        strata_points p = cloud_points(&ctx, &c, shape, &first);
        strata_k_selection part = {0};
        assert_int_equal(strata_cluster_select_k(&ctx, &p, &o, &part), STRATA_OK);
        assert_int_equal(part.k, whole.k);
        for (int32_t i = 0; i < part.n; i++)
            assert_memory_equal(&part.rows[i], &whole.rows[i], sizeof part.rows[i]);
        for (int64_t i = 0; i < p.n_local; i++)
            assert_int_equal(part.clustering.labels[i], whole.clustering.labels[first + i]);
        assert_string_equal(part.reason, whole.reason);
        strata_k_selection_release(&part);
        points_free(&p);
    }
    strata_k_selection_release(&whole);
    points_free(&all);
    cloud_free(&c);
    strata_context_release(&alone);
}

static strata_status select_status(strata_points *p, strata_k_options o)
{
    strata_k_selection s = {0};
    strata_status rc = strata_cluster_select_k(&ctx, p, &o, &s);
    strata_k_selection_release(&s);
    strata_context_clear_error(&ctx);
    return rc;
}

static void test_edges(void **state)
{
    (void)state;
    int64_t first = 0;
    cloud c = cloud_make(200, 2, 1, 1000, 0, 5); /* all rows alike */
    strata_points p = cloud_points(&ctx, &c, 0, &first);
    strata_k_options o = options_of(2, 4);
    assert_int_equal(select_status(&p, o), STRATA_OK);
    o.k_min = 1;
    assert_int_equal(select_status(&p, o), STRATA_ERR_USAGE);
    o = options_of(4, 3);
    assert_int_equal(select_status(&p, o), STRATA_ERR_USAGE);
    o = options_of(2, 257);
    assert_int_equal(select_status(&p, o), STRATA_ERR_USAGE);
    o = options_of(2, 4), o.k = 5;
    assert_int_equal(select_status(&p, o), STRATA_ERR_USAGE);
    o = options_of(2, 4), o.replicates = 0;
    assert_int_equal(select_status(&p, o), STRATA_ERR_USAGE);
    o = options_of(2, 4), o.fit.init = "centroids";
    assert_int_equal(select_status(&p, o), STRATA_ERR_USAGE);
    points_free(&p);
    cloud_free(&c);
    c = cloud_make(0, 2, 1, 1, 1, 1);
    p = cloud_points(&ctx, &c, 0, &first);
    assert_int_equal(select_status(&p, options_of(2, 3)), STRATA_ERR_INPUT);
    points_free(&p);
    cloud_free(&c);
    c = cloud_make(3, 2, 3, 900, 9, 1); /* fewer rows than k */
    p = cloud_points(&ctx, &c, 0, &first);
    assert_int_equal(select_status(&p, options_of(2, 6)), STRATA_OK);
    points_free(&p);
    cloud_free(&c);
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    if (strata_context_init(&ctx, MPI_COMM_WORLD) != STRATA_OK)
        return 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_iris), cmocka_unit_test(test_groups),
                                       cmocka_unit_test(test_partition),
                                       cmocka_unit_test(test_edges)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    strata_context_release(&ctx);
    MPI_Finalize();
    return failed;
}
