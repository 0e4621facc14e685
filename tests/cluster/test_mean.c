/* Means of very many points are right to the grid: values in [0, 2) in steps of 2^-20, d = 2, one and two
 * clusters. Float32 sums are lost beyond some 2^24 points. The oracle never holds the points: it draws
 * them again and adds integers. The argument is the number of points (default 2,000,000). */
#include <math.h>
#include <sys/resource.h>

#include "oracle.h"

enum { D = 2, STEPS = 1 << 21 }; /* [0, 2) */

static strata_context ctx;
static int64_t n_global = 2000000;

/* Value f of global row i, by counter. */
static int32_t value(int64_t i, int32_t f)
{
    uint64_t state = (uint64_t)i * D + (uint64_t)f;
    return (int32_t)(next_random(&state) >> 43); /* 21 bits */
}

static int64_t first_row(int rank)
{
    return n_global / ctx.size * rank + (rank < n_global % ctx.size ? rank : n_global % ctx.size);
}

static strata_points make_points(void)
{
    const int64_t first = first_row(ctx.rank);
    strata_points p = {.n_local = first_row(ctx.rank + 1) - first, .d = D, .step_exponent = -20};
    p.stride = (p.n_local + 63) / 64 * 64;
    p.steps = aligned_alloc(64, (size_t)(p.stride * D * 4 + 64) / 64 * 64);
    assert_non_null(p.steps);
    for (int32_t f = 0; f < D; f++)
        for (int64_t i = 0; i < p.stride; i++)
            p.steps[f * p.stride + i] = i < p.n_local ? (float)value(first + i, f) : 0;
    return p;
}

/* The nearest of k places in parts of a step, the lowest on a tie, and how far. */
static int32_t nearest(int64_t i, int32_t k, const int64_t *places, int64_t parts,
                       __int128 *distance)
{
    int32_t best = 0;
    for (int32_t j = 0; j < k; j++) {
        const __int128 x = value(i, 0) * parts - places[j * D],
                       y = value(i, 1) * parts - places[j * D + 1];
        if (j == 0 || x * x + y * y < *distance) {
            *distance = x * x + y * y;
            best = j;
        }
    }
    return best;
}

/* One pass over this rank's rows, added over all ranks, by places in parts of a step: sizes, and inertia
 * in steps if these are whole. Unless NULL, means [k, D] in 65536ths and centroids in steps are set. */
static double pass(int32_t k, const int64_t *places, int64_t parts, int64_t *sizes, int64_t *means,
                   int64_t *centroids)
{
    int64_t sums[2 * D] = {0}, halves[2] = {0};
    __int128 inertia = 0, distance = 0;
    memset(sizes, 0, (size_t)k * sizeof *sizes);
    for (int64_t i = first_row(ctx.rank); i < first_row(ctx.rank + 1); i++) {
        const int32_t j = nearest(i, k, places, parts, &distance);
        sizes[j]++;
        for (int32_t f = 0; f < D; f++)
            sums[j * D + f] += value(i, f);
        inertia += distance;
    }
    halves[0] = (int64_t)(inertia >> 40);
    halves[1] = (int64_t)(inertia & ((INT64_C(1) << 40) - 1));
    MPI_Allreduce(MPI_IN_PLACE, sizes, k, MPI_INT64_T, MPI_SUM, MPI_COMM_WORLD);
    MPI_Allreduce(MPI_IN_PLACE, sums, k * D, MPI_INT64_T, MPI_SUM, MPI_COMM_WORLD);
    MPI_Allreduce(MPI_IN_PLACE, halves, 2, MPI_INT64_T, MPI_SUM, MPI_COMM_WORLD);
    for (int32_t j = 0; j < k && means; j++)
        for (int32_t f = 0; f < D; f++) {
            centroids[j * D + f] = oracle_mean(sums[j * D + f], sizes[j]);
            means[j * D + f] = oracle_mean((__int128)sums[j * D + f] * 65536, sizes[j]);
        }
    inertia = ((__int128)halves[0] << 40) + halves[1];
    return ldexp((double)inertia, -40);
}

static void check(const strata_points *points, const char *variant, int32_t k, int32_t moves)
{
    const int32_t start[] = {STEPS / 5, STEPS / 2, STEPS - 7, STEPS / 3};
    int64_t means[2 * D], wanted[2 * D], sizes[2];
    __int128 distance = 0;
    for (int32_t v = 0; v < 2 * D; v++)
        means[v] = start[v] * INT64_C(65536);
    for (int32_t m = 0; m < moves; m++)
        pass(k, means, 65536, sizes, means, wanted);
    const double inertia = pass(k, wanted, 1, sizes, NULL, NULL);
    strata_clustering r = {0};
    strata_cluster_options options = {.k = k,
                                      .init = "centroids",
                                      .variant = variant,
                                      .start = start,
                                      .restarts = 1,
                                      .max_iterations = moves};
    assert_int_equal(strata_cluster_fit(&ctx, points, &options, &r), STRATA_OK);
    for (int32_t v = 0; v < k * D; v++)
        assert_int_equal(r.centroids[v], wanted[v]);
    assert_memory_equal(r.sizes, sizes, (size_t)k * sizeof *sizes);
    assert_true(r.inertia == inertia);
    assert_int_equal(r.iterations, moves);
    for (int64_t i = 0; i < points->n_local; i++)
        if (r.labels[i] != nearest(first_row(ctx.rank) + i, k, wanted, 1, &distance))
            fail_msg("row %lld of rank %d has another label", (long long)i, ctx.rank);
    if (ctx.rank == 0)
        print_message("%s, k = %d: centroid 0 at %.7f %.7f, inertia %.17g\n", variant, (int)k,
                      ldexp((double)wanted[0], -20), ldexp((double)wanted[1], -20), inertia);
    strata_clustering_release(&r);
}

static void test_means(void **state)
{
    (void)state;
    strata_points points = make_points();
    for (int32_t v = 0; v < strata_cluster_variant_count(); v++) {
        const strata_cluster_variant *variant = strata_cluster_variant_at(v);
        if (!variant->exact ||
            (v > 0 && n_global > 10000000)) /* with all points there, room for lloyd */
            continue;
        check(&points, variant->name, 1, 1);
        check(&points, variant->name, 2, 3);
    }
    free(points.steps);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    if (ctx.rank == 0)
        print_message("%lld points, peak memory of rank 0: %ld MiB\n", (long long)n_global,
                      usage.ru_maxrss / 1024);
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    if (strata_context_init(&ctx, MPI_COMM_WORLD) != STRATA_OK)
        return 1;
    if (argc > 1)
        n_global = strtoll(argv[1], NULL, 10);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_means)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    strata_context_release(&ctx);
    MPI_Finalize();
    return failed;
}
