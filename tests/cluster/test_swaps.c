/* test_swaps.c: swaps among few points against one that tries every exchange in full. */
#include "cluster/swaps.h"

#include "oracle.h"

static __int128 inertia_of(const cloud *c, int32_t k, const int32_t *centres)
{
    __int128 sum = 0;
    for (int64_t i = 0; i < c->n; i++) {
        int64_t least = INT64_MAX;
        for (int32_t j = 0; j < k; j++) {
            const int64_t distance = oracle_distance(c, i, centres + j * c->d);
            least = distance < least ? distance : least;
        }
        sum += (__int128)least * oracle_weight(c, i);
    }
    return sum;
}

/* The best exchange for each point in turn, all inertias from scratch; returns how many were made. */
static int64_t naive(const cloud *c, int32_t k, int32_t rounds, int32_t *centres)
{
    const size_t width = (size_t)c->d * sizeof *centres;
    __int128 now = inertia_of(c, k, centres);
    int64_t made = 0;
    for (int64_t tried = 0, in_vain = 0; tried < c->n * rounds && in_vain < c->n; tried++) {
        const int32_t *point = c->x + tried % c->n * c->d;
        __int128 least = now;
        int32_t best = -1, old[STRATA_D_MAX];
        for (int32_t j = 0; j < k; j++) {
            memcpy(old, centres + j * c->d, width);
            memcpy(centres + j * c->d, point, width);
            const __int128 then = inertia_of(c, k, centres);
            if (then < least) {
                least = then;
                best = j;
            }
            memcpy(centres + j * c->d, old, width);
        }
        in_vain = best < 0 ? in_vain + 1 : 0;
        made += best >= 0;
        if (best >= 0)
            memcpy(centres + best * c->d, point, width);
        now = least;
    }
    return made;
}

static int64_t check(const cloud *c, int32_t k, int32_t rounds, const char *kernel)
{
    strata_context alone = {.comm = MPI_COMM_NULL, .size = 1};
    int64_t first;
    strata_problem p = {0};
    strata_points points = cloud_points(&alone, c, 0, &first);
    int32_t *mine = calloc((size_t)(k * c->d), sizeof *mine), *theirs = calloc((size_t)(k * c->d), sizeof *theirs);
    assert_int_equal(strata_problem_init(&alone, &points, c->weights, kernel, &p), STRATA_OK);
    for (int32_t j = 0; j < k; j++) /* beside points, two and more at one place */
        for (int32_t f = 0; f < c->d; f++)
            mine[j * c->d + f] = theirs[j * c->d + f] = c->n > 0 ? c->x[j / 2 % c->n * c->d + f] + j / 3 : 5;
    const int64_t made = naive(c, k, rounds, theirs);
    assert_int_equal(strata_swaps_improve(&p, k, rounds, mine), STRATA_OK);
    assert_memory_equal(mine, theirs, (size_t)(k * c->d) * sizeof *mine);
    free(mine);
    free(theirs);
    strata_problem_release(&p);
    points_free(&points);
    return made;
}

static void test_small(void **state)
{
    (void)state;
    const int64_t n[] = {0, 1, 2, 15, 16, 17, 63, 65};
    for (int i = 0; i < 8; i++)
        for (int32_t k = 2; k < 12; k += 3) {
            cloud c = cloud_make(n[i], 2, 3, 20, 4, 40 + (uint64_t)i); /* equal rows, equal distances */
            (void)check(&c, k, 3, NULL);
            cloud_free(&c);
        }
}

static void test_groups(void **state)
{
    (void)state;
    uint64_t seed = 5;
    const struct { int64_t n; int32_t d, k, rounds; } cases[] = {
        {240, 3, 9, 2}, {240, 3, 9, 20}, {1200, 2, 3, 1}, {100, 17, 6, 4}, {60, 2, 70, 2}};
    for (int i = 0; i < 5; i++) {
        cloud c = cloud_make(cases[i].n, cases[i].d, 9, 16000000, 900000, 50 + (uint64_t)i);
        assert_true(check(&c, cases[i].k, cases[i].rounds, "plain") > 1);
        assert_true(check(&c, cases[i].k, cases[i].rounds, NULL) > 1);
        c.weights = calloc((size_t)c.n, sizeof *c.weights); /* many 0, and sums that pass 2^64 */
        for (int64_t q = 0; q < c.n; q++)
            c.weights[q] = q % 3 == 0 ? 0 : (int64_t)(next_random(&seed) % 3 << (q % 25));
        assert_true(check(&c, cases[i].k, cases[i].rounds, NULL) > 1);
        cloud_free(&c);
    }
}

/* A grid of groups, all centres in two of them: each gets one of its own. */
static void test_far_apart(void **state)
{
    (void)state;
    enum { SIDE = 6, EACH = 10, K = SIDE * SIDE };
    cloud c = {.n = K * EACH, .d = 2, .x = calloc(K * EACH * 2, sizeof(int32_t))};
    uint64_t seed = 6;
    int32_t centres[K * 2], groups[K] = {0};
    for (int64_t i = 0; i < c.n; i++) {
        c.x[i * 2] = (int32_t)(i % K % SIDE * 100000 + (int64_t)(next_random(&seed) % 40000));
        c.x[i * 2 + 1] = (int32_t)(i % K / SIDE * 100000 + (int64_t)(next_random(&seed) % 40000));
    }
    for (int32_t j = 0; j < K; j++)
        memcpy(centres + j * 2, c.x + (j % 2 + j / 2 % EACH * K) * 2, 2 * sizeof *centres);
    strata_context alone = {.comm = MPI_COMM_NULL, .size = 1};
    int64_t first;
    strata_problem p = {0};
    strata_points points = cloud_points(&alone, &c, 0, &first);
    assert_int_equal(strata_problem_init(&alone, &points, NULL, NULL, &p), STRATA_OK);
    assert_int_equal(strata_swaps_improve(&p, K, 2, centres), STRATA_OK);
    for (int32_t j = 0; j < K; j++)
        groups[centres[j * 2] / 100000 + centres[j * 2 + 1] / 100000 * SIDE]++;
    for (int32_t j = 0; j < K; j++)
        assert_int_equal(groups[j], 1);
    strata_problem_release(&p);
    points_free(&points);
    cloud_free(&c);
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_small), cmocka_unit_test(test_groups),
                                       cmocka_unit_test(test_far_apart)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    MPI_Finalize();
    return failed;
}
