/* Every exact variant by every kernel of this processor against the plain integers of oracle.h, on
 * points that are made to be decided wrongly: ties and near ties of many centroids, equal rows, the
 * corners of the grid, small groups far from zero, groups of very different widths, a few points that
 * drag a centroid away from all others, borders far from centroids that are close together, centroids at
 * one end of points whose middle has too many digits for a kernel's origin. Every other
 * scene has points for whole groups of leaves of the filter, most of them between two centroids. */
#include "oracle.h"

static strata_context ctx;
static int scenes = 60; /* the argument of the program */

enum { LIMIT = 16777215 };
enum kind { TIED, COARSE, CORNERS, FAR, UNEVEN, ONE_FEATURE, DRAGGED, DISTANT, ASIDE, KINDS };

typedef struct scene {
    cloud c;
    int32_t k, max;
    int32_t *start; /* [k, d] */
} scene;

static int32_t pick(uint64_t *random, int32_t low, int32_t high)
{
    return low + (int32_t)(next_random(random) % (uint64_t)(high - low + 1));
}

static int32_t within(int64_t value)
{
    return (int32_t)(value > LIMIT ? LIMIT : value < -LIMIT ? -LIMIT : value);
}

/* Centroids that are one vector with its parts exchanged and turned round: all are as far from the
 * middle. Points at the middle, or a step beside it. */
static void make_tied(scene *s, uint64_t *random)
{
    const int32_t d = s->c.d, size = 1 << pick(random, 0, 22);
    int32_t middle[64], part[64];
    for (int32_t f = 0; f < d; f++) {
        middle[f] = pick(random, -(1 << 23), 1 << 23);
        part[f] = pick(random, 0, size);
    }
    for (int32_t j = 0; j < s->k; j++) {
        for (int32_t f = d - 1; f > 0; f--) {
            const int32_t g = pick(random, 0, f), other = part[g];
            part[g] = part[f];
            part[f] = other;
        }
        for (int32_t f = 0; f < d; f++)
            s->start[j * d + f] = middle[f] + (pick(random, 0, 1) ? part[f] : -part[f]);
    }
    for (int64_t i = 0; i < s->c.n; i++) {
        const int32_t beside = pick(random, 0, d - 1), by = pick(random, -1, 1);
        for (int32_t f = 0; f < d; f++)
            s->c.x[i * d + f] = middle[f] + (f == beside ? by : 0);
    }
}

/* Centroids that are near to each other, and points that are far from all of them, on the border
 * between two or a step beside it. */
static void make_distant(scene *s, uint64_t *random)
{
    const int32_t d = s->c.d, size = 1 << pick(random, 3, 14);
    for (int32_t j = 0; j < s->k; j++)
        for (int32_t f = 0; f < d; f++)
            s->start[j * d + f] = 2 * pick(random, -size, size);
    for (int64_t i = 0; i < s->c.n; i++) {
        const int32_t *a = s->start + pick(random, 0, s->k - 1) * d;
        const int32_t *b = s->start + pick(random, 0, s->k - 1) * d;
        const int32_t f = pick(random, 0, d - 1), g = (f + 1) % d, far = 16000000 / (4 * size);
        const int64_t away = pick(random, -far, far);
        for (int32_t h = 0; h < d; h++)
            s->c.x[i * d + h] = (a[h] + b[h]) / 2;
        if (d > 1) { /* along the border: at a right angle to b - a */
            s->c.x[i * d + f] = within(s->c.x[i * d + f] + away * (b[g] - a[g]));
            s->c.x[i * d + g] = within(s->c.x[i * d + g] - away * (b[f] - a[f]));
        }
        s->c.x[i * d + f] = within(s->c.x[i * d + f] + pick(random, -1, 1));
    }
}

static int64_t one_value(enum kind kind, int64_t i, int32_t f, uint64_t *random)
{
    switch (kind) {
    case COARSE:
        return 100000 * pick(random, -1, 1);
    case CORNERS:
        return pick(random, 0, 1) ? LIMIT - pick(random, 0, 2) : -LIMIT + pick(random, 0, 2);
    case FAR:
        return 16777000 - 31 * f + pick(random, 0, 20);
    case UNEVEN:
        return i % 7 == 0 ? pick(random, -LIMIT, LIMIT) : 5000000 + pick(random, -30, 30);
    case DRAGGED: /* the sums of sixteen leaves that change at once are as large as they can be */
        return i % 997 == 0 ? -LIMIT : LIMIT - pick(random, 0, 40);
    case ASIDE:
        return f == 0 ? LIMIT - pick(random, 0, 200) : pick(random, -3, 3);
    default:
        return f == 0 ? pick(random, -3, 3) : 8000000;
    }
}

static void make_points(scene *s, enum kind kind, uint64_t *random)
{
    const int32_t d = s->c.d;
    for (int64_t i = 0; i < s->c.n; i++)
        for (int32_t f = 0; f < d; f++)
            s->c.x[i * d + f] = within(one_value(kind, i, f, random));
    for (int32_t j = 0; j < s->k; j++) { /* a point, a place between two points, or a copy */
        const int64_t a = pick(random, 0, (int32_t)s->c.n - 1), b = pick(random, 0, (int32_t)s->c.n - 1);
        const int how = pick(random, 0, 5);
        for (int32_t f = 0; f < d; f++)
            s->start[j * d + f] =
                how == 0 && j > 0 ? s->start[(j - 1) * d + f]
                : how < 3         ? s->c.x[a * d + f]
                                  : (int32_t)(((int64_t)s->c.x[a * d + f] + s->c.x[b * d + f]) / 2);
        if (kind == ASIDE)
            s->start[j * d] = LIMIT - pick(random, 150, 200);
    }
}

static scene make_scene(uint64_t seed)
{
    static const int32_t dims[] = {1, 2, 3, 4, 5, 6, 7, 8, 15, 16, 17, 33, 63, 64},
                         ks[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 63, 64, 65, 255, 256};
    uint64_t random = seed * 7919;
    const enum kind kind = (enum kind)(seed % KINDS);
    scene s = {.k = ks[pick(&random, 0, 16)], .max = pick(&random, 0, 6)};
    const bool many = seed % 2 == 0;
    s.c.n = pick(&random, 0, 3) == 0 ? pick(&random, 1, 9) : pick(&random, 10, 700);
    s.c.d = dims[pick(&random, 0, 13)];
    if (many) {
        s.c.n = pick(&random, 4000, 9000);
        s.c.d = pick(&random, 1, 6);
        s.k = pick(&random, 2, 6);
    }
    if (kind == ASIDE) { /* the least that the coarse screen is for */
        s.c.d = pick(&random, 5, 6);
        s.k = pick(&random, 5, 6);
    }
    s.c.x = calloc((size_t)(s.c.n * s.c.d), sizeof *s.c.x);
    s.start = calloc((size_t)s.k * (size_t)s.c.d, sizeof *s.start);
    if (kind == TIED)
        make_tied(&s, &random);
    else if (kind == DISTANT)
        make_distant(&s, &random);
    else
        make_points(&s, kind, &random);
    if (pick(&random, 0, 3) == 0 && !many) {
        s.c.weights = calloc((size_t)s.c.n, sizeof *s.c.weights);
        for (int64_t i = 0; i < s.c.n; i++)
            s.c.weights[i] = i == 0 ? 1 : pick(&random, 0, 1) * pick(&random, 0, 1 << 28);
    }
    return s;
}

static void check(const scene *s, const oracle *o, uint64_t seed, const char *variant,
                  const char *kernel)
{
    int64_t first = 0;
    strata_points p = cloud_points(&ctx, &s->c, (int)(seed % 3), &first);
    const strata_cluster_options options = {.k = s->k,
                                            .init = "centroids",
                                            .variant = variant,
                                            .start = s->start,
                                            .restarts = 1,
                                            .max_iterations = s->max,
                                            .weights = s->c.weights ? s->c.weights + first : NULL,
                                            .kernel = kernel};
    strata_clustering r = {0};
    assert_int_equal(strata_cluster_fit(&ctx, &p, &options, &r), STRATA_OK);
    bool same = r.iterations == o->iterations && r.converged == o->converged &&
                r.n_history == o->rows && r.inertia == (double)o->inertia &&
                memcmp(r.centroids, o->centroids, (size_t)(s->k * s->c.d) * 4) == 0 &&
                memcmp(r.sizes, o->sizes, (size_t)s->k * 8) == 0;
    for (int64_t i = 0; i < p.n_local; i++)
        same = same && r.labels[i] == o->labels[first + i];
    for (int64_t h = 0; same && h < r.n_history; h++)
        same = r.history[h].moved == o->moved[h] && r.history[h].inertia == o->inertias[h];
    if (!same)
        print_error("scene %d, n %d, d %d, k %d, max %d: %s by %s is not the oracle\n", (int)seed,
                    (int)s->c.n, (int)s->c.d, (int)s->k, (int)s->max, variant, kernel);
    assert_true(same);
    strata_clustering_release(&r);
    points_free(&p);
}

static void test_hostile(void **state)
{
    (void)state;
    static const char *const kernels[] = {"plain", "avx2", "avx512", "avx512vnni"};
    for (uint64_t seed = 1; seed <= (uint64_t)scenes; seed++) {
        scene s = make_scene(seed);
        oracle o = oracle_run(&s.c, s.k, s.start, s.max);
        for (size_t kernel = 0; kernel < sizeof kernels / sizeof kernels[0]; kernel++)
            for (int32_t v = 0; v < strata_cluster_variant_count(); v++)
                if (strata_cluster_variant_at(v)->exact && strata_cluster_kernel(kernels[kernel]))
                    check(&s, &o, seed, strata_cluster_variant_at(v)->name, kernels[kernel]);
        oracle_free(&o);
        free(s.start);
        cloud_free(&s.c);
    }
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    if (strata_context_init(&ctx, MPI_COMM_WORLD) != STRATA_OK)
        return 99;
    if (argc > 1)
        scenes = (int)strtol(argv[1], NULL, 10);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_hostile)};
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    strata_context_release(&ctx);
    MPI_Finalize();
    return failed;
}
