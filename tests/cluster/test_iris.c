/* Published answers on Fisher's iris. Steps of half a micrometre leave no visible rounding. */
#include <math.h>

#include "iris.h"
#include "oracle.h"

static strata_context ctx;
enum { STEPS = 200000 }; /* per tenth of a centimetre */

static cloud iris_cloud(void)
{
    cloud c = {.n = 150, .d = 4, .x = calloc(600, 4)};
    for (int64_t v = 0; v < 600; v++)
        c.x[v] = iris_tenths[v / 4][v % 4] * STEPS;
    return c;
}

static double centimetres(double inertia)
{
    return inertia / (100.0 * STEPS * STEPS);
}

static void test_known_inertia(void **state)
{
    (void)state;
    const double expected[] = {152.347951760358, 78.851441426146, 57.2284732142857, 46.446182051282,
                               39.0399872460872};
    const char *const inits[] = {"kmeans_parallel", "kmeans_plus_plus", "random"};
    cloud c = iris_cloud();
    int64_t first = 0;
    strata_points p = cloud_points(&ctx, &c, 0, &first);
    for (int32_t k = 2; k <= 6; k++)
        for (size_t v = 0; v < 3; v++) {
            strata_clustering r = {0};
            strata_cluster_options options = {.k = k,
                                              .init = inits[v],
                                              .variant = "auto",
                                              .restarts = v == 2 ? 100 : 20,
                                              .max_iterations = 300,
                                              .seed = 1};
            assert_int_equal(strata_cluster_fit(&ctx, &p, &options, &r), STRATA_OK);
            assert_true(r.converged);
            assert_true(fabs(centimetres(r.inertia) / expected[k - 2] - 1) < 1e-10);
            if (k == 3) {
                int64_t low = 150, high = 0;
                for (int32_t j = 0; j < 3; j++) {
                    low = r.sizes[j] < low ? r.sizes[j] : low;
                    high = r.sizes[j] > high ? r.sizes[j] : high;
                }
                assert_int_equal(low, 38);
                assert_int_equal(high, 62);
            }
            strata_clustering_release(&r);
        }
    points_free(&p);
    cloud_free(&c);
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    if (strata_context_init(&ctx, MPI_COMM_WORLD) != STRATA_OK)
        return 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_known_inertia)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    strata_context_release(&ctx);
    MPI_Finalize();
    return failed;
}
