/* test_seeding.c: rows are drawn by their random numbers alone, whatever is known about the points
 * beforehand: lists of rows with small numbers, the space order, the distinct rows. */
#include "cluster/distinct.h"
#include "cluster/draws.h"
#include "cluster/masses.h"
#include "cluster/order.h"
#include "oracle.h"

static strata_context ctx;

static strata_problem problem_of(const cloud *c, strata_points *points, int64_t *first)
{
    strata_problem p = {0};
    *points = cloud_points(&ctx, c, 0, first);
    assert_int_equal(
        strata_problem_init(&ctx, points, c->weights ? c->weights + *first : NULL, NULL, &p),
        STRATA_OK);
    return p;
}

/* A list holds the rows with numbers below its limit, no other; lists are kept, but not without
 * end. */
static void check_lists(const cloud *c)
{
    int64_t first;
    strata_points points;
    strata_problem p = problem_of(c, &points, &first);
    for (uint64_t round = 0; round < 40; round++) {
        const strata_draw *draw = NULL, *again = NULL;
        assert_int_equal(strata_draws_get(&p, 7, round, &draw), STRATA_OK);
        assert_true(draw->limit > UINT64_MAX / 257);
        int64_t n = 0;
        for (int64_t i = 0; i < p.n_local; i++) {
            const uint64_t number =
                strata_random_bits(7, STRATA_RANDOM_SEEDING, points.key64[i], round);
            if (number >= draw->limit)
                continue;
            assert_true(n < draw->n && draw->rows[n].row == i);
            assert_true(draw->rows[n++].high == number >> 32);
        }
        assert_int_equal(n, draw->n);
        assert_int_equal(strata_draws_get(&p, 7, round, &again), STRATA_OK);
        assert_int_equal(n, again->n);
    }
    assert_true(p.draws->rows <= 65536);
    strata_problem_release(&p);
    points_free(&points);
}

static void test_lists(void **state)
{
    (void)state;
    const int64_t n[] = {0, 1, 700, 20000, 1100000};
    for (int i = 0; i < 5; i++) {
        cloud c = cloud_make(n[i], 1, 3, 1000, 100, 5);
        check_lists(&c);
        cloud_free(&c);
    }
}

/* The k smallest numbers of rows with weight by looking at all rows. */
static void naive_random(const cloud *c, int32_t k, uint64_t round, int32_t *start)
{
    char *taken = calloc((size_t)c->n + 1, 1);
    for (int32_t j = 0; j < k; j++) {
        int64_t best = -1;
        uint64_t least = 0;
        for (int64_t i = 0; i < c->n; i++) {
            uint64_t key = (uint64_t)i * 0x1234567;
            const uint64_t number =
                strata_random_bits(3, STRATA_RANDOM_SEEDING, next_random(&key), round);
            if (taken[i] || oracle_weight(c, i) == 0 || (best >= 0 && number >= least))
                continue;
            best = i;
            least = number;
        }
        if (best < 0) {
            memcpy(start + j * c->d, start + (j - 1) * c->d, (size_t)c->d * sizeof *start);
            continue;
        }
        taken[best] = 1;
        memcpy(start + j * c->d, c->x + best * c->d, (size_t)c->d * sizeof *start);
    }
    free(taken);
}

static void check_random(const cloud *c, int32_t k)
{
    int64_t first;
    int32_t start[STRATA_K_MAX * 2], naive[STRATA_K_MAX * 2];
    strata_points points;
    strata_problem p = problem_of(c, &points, &first);
    naive_random(c, k, 11, naive);
    assert_int_equal(strata_seed_random(&p, k, 3, 11, start), STRATA_OK);
    assert_memory_equal(start, naive, (size_t)k * (size_t)c->d * sizeof *start);
    strata_problem_release(&p);
    points_free(&points);
}

static void test_random_rows(void **state)
{
    (void)state;
    cloud c = cloud_make(30000, 2, 3, 1000000, 100000, 6);
    check_random(&c, 1);
    check_random(&c, 40);
    c.weights = calloc((size_t)c.n, sizeof *c.weights);
    for (int64_t i = 0; i < c.n; i += 7001) /* too few for any list */
        c.weights[i] = 2;
    check_random(&c, 1);
    check_random(&c, 4);
    check_random(&c, 9);
    cloud_free(&c);
}

/* Lists that hold nothing, so that every number is looked at. */
static void without_lists(strata_problem *p, uint64_t seed)
{
    enum { LISTS = 120 };
    strata_draws *d = p->draws;
    assert_int_equal(strata_calloc(&ctx, LISTS, sizeof *d->kept, &d->kept), STRATA_OK);
    d->n = d->capacity = LISTS;
    for (int64_t i = 0; i < LISTS; i++)
        d->kept[i] = (strata_draw){.seed = seed, .round = (uint64_t)i};
}

/* way 0: by all numbers; 1: by lists; 2: by the space order; 3: by distinct rows */
static void seed_by(int way, const cloud *c, int32_t k, int32_t *start)
{
    int64_t first;
    strata_points points;
    strata_problem p = problem_of(c, &points, &first);
    const strata_order *order = NULL;
    const strata_distinct *distinct = NULL;
    uint16_t *near = calloc((size_t)p.stride + 1, sizeof *near);
    if (way == 0)
        without_lists(&p, 8);
    if (way == 2)
        assert_int_equal(strata_order_get(&p, &order), STRATA_OK);
    if (way == 3)
        assert_int_equal(strata_distinct_get(&p, &distinct), STRATA_OK);
    for (int turn = 0; turn < 2; turn++) /* the second time from what was kept */
        assert_int_equal(strata_seed_parallel(&p, k, 8, 0, near, start), STRATA_OK);
    free(near);
    strata_problem_release(&p);
    points_free(&points);
}

static void check_ways(const cloud *c, int32_t k)
{
    int32_t start[STRATA_K_MAX * 3], other[STRATA_K_MAX * 3];
    seed_by(0, c, k, start);
    for (int way = 1; way < 4; way++) {
        seed_by(way, c, k, other);
        assert_memory_equal(start, other, (size_t)k * (size_t)c->d * sizeof *start);
    }
}

static void test_ways(void **state)
{
    (void)state;
    const int32_t k[] = {2, 7, 40};
    cloud c[] = {cloud_make(40000, 3, 6, 3000000, 300000, 15), cloud_make(20000, 2, 9, 2, 1, 16)};
    for (int64_t i = 0; i < c[0].n; i += 9001) /* far away: tiles that lists are too short for */
        c[0].x[i * 3] = 16000000;
    for (int i = 0; i < 2; i++) {
        uint64_t seed = 4;
        for (int j = 0; j < 3; j++)
            check_ways(&c[i], k[j]);
        c[i].weights = calloc((size_t)c[i].n, sizeof *c[i].weights);
        for (int64_t row = 0; row < c[i].n; row++)
            c[i].weights[row] = (int64_t)(next_random(&seed) % 3);
        c[i].weights[c[i].n / 3] = 5000;
        check_ways(&c[i], k[1]);
        cloud_free(&c[i]);
    }
}

/* ---- k-means++ ------------------------------------------------------------------------------- */

/* floor(total bits / 2^64), in parts of 32 bits */
static __int128 share(__int128 total, uint64_t bits)
{
    __int128 low = (total & UINT32_MAX) * (__int128)bits, high = total >> 32;
    __int128 middle = (high & UINT32_MAX) * (__int128)bits + (low >> 32);
    return (high >> 32) * (__int128)bits + (middle >> 32);
}

static int64_t least_of(const cloud *c, int64_t i, const int32_t *centres, int32_t count)
{
    int64_t least = count == 0 ? 1 : INT64_MAX;
    for (int32_t j = 0; j < count; j++) {
        const int64_t distance = oracle_distance(c, i, centres + j * c->d);
        least = distance < least ? distance : least;
    }
    return least;
}

static __int128 mass_of(const cloud *c, const int32_t *centres, int32_t count)
{
    __int128 sum = 0;
    for (int64_t i = 0; i < c->n; i++)
        sum += (__int128)least_of(c, i, centres, count) * oracle_weight(c, i);
    return sum;
}

/* Draws of the whole rows, every distance anew. */
static void naive_plus_plus(const cloud *c, int32_t k, int32_t trials, int32_t *start)
{
    const size_t width = (size_t)c->d * sizeof *start;
    for (int32_t j = 0; j < k; j++) {
        const __int128 total = mass_of(c, start, j);
        __int128 best = -1;
        int32_t chosen[STRATA_D_MAX] = {0};
        for (int32_t t = 0; t < (j == 0 ? 1 : trials) && total > 0; t++) {
            __int128 target = share(
                total, strata_random_bits(8, STRATA_RANDOM_SEEDING, (uint64_t)(j * 8 + t), 5));
            int64_t i = 0;
            for (;; i++) {
                const __int128 mass = (__int128)least_of(c, i, start, j) * oracle_weight(c, i);
                if (target < mass)
                    break;
                target -= mass;
            }
            memcpy(start + j * c->d, c->x + i * c->d, width);
            const __int128 left = mass_of(c, start, j + 1);
            if (best >= 0 && left >= best)
                continue;
            best = left;
            memcpy(chosen, c->x + i * c->d, width);
        }
        memcpy(start + j * c->d, total > 0 ? chosen : start, width);
    }
}

static void check_plus_plus(const cloud *c, int32_t k, int32_t trials)
{
    int32_t start[STRATA_K_MAX * 3], naive[STRATA_K_MAX * 3];
    naive_plus_plus(c, k, trials, naive);
    for (int ordered = 0; ordered < 2; ordered++) {
        int64_t first;
        strata_points points;
        strata_problem p = problem_of(c, &points, &first);
        const strata_order *order = NULL;
        if (ordered)
            assert_int_equal(strata_order_get(&p, &order), STRATA_OK);
        assert_int_equal(strata_seed_plus_plus(&p, k, 8, 5, start), STRATA_OK);
        assert_memory_equal(start, naive, (size_t)k * (size_t)c->d * sizeof *start);
        strata_problem_release(&p);
        points_free(&points);
    }
}

static void test_plus_plus(void **state)
{
    (void)state;
    uint64_t seed = 9;
    cloud c[] = {cloud_make(9000, 3, 7, 16000000, 900000, 17), cloud_make(3000, 2, 4, 3, 1, 18),
                 cloud_make(5, 2, 2, 1000, 90, 19)};
    for (int i = 0; i < 3; i++) {
        check_plus_plus(&c[i], 1, 2);
        check_plus_plus(&c[i], 12, 4);
        c[i].weights = calloc((size_t)c[i].n, sizeof *c[i].weights);
        for (int64_t row = 0; row < c[i].n; row++)
            c[i].weights[row] = (int64_t)(next_random(&seed) % 3 << (row % 20));
        check_plus_plus(&c[i], 9, 4);
        check_plus_plus(&c[i], 40, 5);
        cloud_free(&c[i]);
    }
    for (uint64_t scene = 0; scene < 6; scene++) { /* boxes that end where a centre's reach does */
        cloud line = cloud_make(3000, 1, 1, 1000000, 500000, 30 + scene);
        check_plus_plus(&line, 60, 5);
        cloud_free(&line);
    }
}

/* Candidates that go down the tree: each point knows the lowest of its nearest ones. */
static void check_fold(const cloud *c, int64_t count)
{
    int64_t first;
    strata_points points;
    strata_problem p = problem_of(c, &points, &first);
    const strata_order *order = NULL;
    strata_masses m = {0};
    uint16_t *near = calloc((size_t)p.stride + 1, sizeof *near);
    int32_t *list = calloc((size_t)(count * c->d), sizeof *list);
    for (int64_t j = 0; j < count; j++) /* every third twice */
        memcpy(list + j * c->d, c->x + (j % 3 == 2 ? j - 1 : j) * 7 % c->n * c->d,
               (size_t)c->d * sizeof *list);
    assert_int_equal(strata_order_get(&p, &order), STRATA_OK);
    assert_int_equal(strata_masses_init_near(order, near, &m), STRATA_OK);
    for (int64_t done = 0, next = 1; done < count; done = next, next = 2 * next + 30) {
        next = next < count ? next : count;
        __int128 sum = 0;
        strata_masses_fold(&m, list, done, next - done);
        for (int64_t i = 0; i < p.n_local; i++) {
            int64_t least = 0;
            const int64_t row = order->row[i];
            const int32_t j = strata_exact_nearest(&p, row, list, (int32_t)next, &least);
            assert_int_equal(near[i], j);
            sum += (__int128)least * strata_problem_weight(&p, row);
        }
        assert_true(sum == m.sum);
    }
    strata_masses_release(&m);
    free(near);
    free(list);
    strata_problem_release(&p);
    points_free(&points);
}

static void test_fold(void **state)
{
    (void)state;
    for (int32_t d = 1; d <= 3; d++)
        for (uint64_t scene = 0; scene < 4; scene++) {
            const bool fine = scene < 2;
            cloud c = cloud_make(5000, d, scene % 2 ? 9 : 1, fine ? 4000000 : 9, fine ? 2000000 : 3,
                                 scene);
            check_fold(&c, 5);
            check_fold(&c, 700);
            cloud_free(&c);
        }
    cloud few = cloud_make(3, 2, 3, 100, 9, 1);
    check_fold(&few, 5);
    cloud_free(&few);
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    if (strata_context_init(&ctx, MPI_COMM_WORLD) != STRATA_OK)
        return 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lists),
                                       cmocka_unit_test(test_random_rows),
                                       cmocka_unit_test(test_ways),
                                       cmocka_unit_test(test_plus_plus),
                                       cmocka_unit_test(test_fold)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    strata_context_release(&ctx);
    MPI_Finalize();
    return failed;
}
