/* cluster_kernels.c: what one iteration of the clustering costs, by differencing runs of 1 and 1
 * + m iterations from the same start (AFTER=i: of i and i + m). Best and median over
 * repetitions.
 *
 *   mpirun -n 2 cluster_kernels n d k [variant [kernel [iterations [repetitions [data]]]]]
 *
 * data: groups (k groups, standard deviation 1/4 to 1), one (a single normal cloud), ties
 * (integers). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "strata/cluster.h"
#include "strata/hash.h"
#include "strata/memory.h"

typedef struct setting {
    int64_t n;
    int32_t d, k, iterations, repetitions;
    const char *variant, *kernel, *data;
} setting;

/* Wall time, or with CPU=1 in the environment the processor time of this rank: on a busy machine
 * the only one that means something (with one rank; waiting ranks spin). */
static double now(void)
{
    struct timespec t;
    clock_gettime(getenv("CPU") ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double uniform(uint64_t key, uint64_t round)
{
    return strata_random_uniform(7, STRATA_RANDOM_TEST, key, round);
}

/* nearly normal: twelve uniforms by halves of one word would do, four are enough here */
static double normal(uint64_t key, uint64_t round)
{
    uint64_t bits = strata_random_bits(7, STRATA_RANDOM_TEST, key, round);
    double sum = 0;
    for (int i = 0; i < 4; i++)
        sum += (double)((bits >> (16 * i)) & 0xffff) / 65536.0 - 0.5;
    return sum * sqrt(3.0);
}

static float make_value(const setting *s, int64_t row, int32_t f)
{
    double value = normal((uint64_t)row, (uint64_t)f);
    if (strcmp(s->data, "groups") == 0) {
        uint64_t group = (uint64_t)row % (uint64_t)s->k;
        value = 0.3 * value + 2 * (uniform(group, 1000 + (uint64_t)f) - 0.5) * 1.7;
    } else if (strcmp(s->data, "ties") == 0) {
        value = rint(value * 4) / 4;
    }
    return (float)rint(value * 1048576);
}

static strata_status make_points(strata_context *ctx, const setting *s, strata_points *p)
{
    strata_status rc = STRATA_OK;
    int64_t first = s->n * ctx->rank / ctx->size, end = s->n * (ctx->rank + 1) / ctx->size;
    uint64_t *keys = NULL;
    *p = (strata_points){.n_local = end - first,
                         .d = s->d,
                         .stride = (end - first + 63) / 64 * 64,
                         .step_exponent = -20};
    STRATA_TRY(strata_calloc(ctx, p->stride * p->d, sizeof *p->steps, &p->steps));
    STRATA_TRY(strata_alloc(ctx, p->n_local, sizeof *keys, &keys));
    for (int64_t i = 0; i < p->n_local; i++) {
        keys[i] = strata_random_bits(1, STRATA_RANDOM_TEST, (uint64_t)(first + i), 1 << 20);
        for (int32_t f = 0; f < s->d; f++)
            p->steps[f * p->stride + i] = make_value(s, first + i, f);
    }
    p->key64 = keys;
done:
    return rc;
}

static double timed_fit(strata_context *ctx, const setting *s, const strata_points *p,
                        const int32_t *start, int32_t iterations, strata_clustering *out)
{
    strata_cluster_options o = {.k = s->k,
                                .init = "centroids",
                                .variant = s->variant,
                                .start = start,
                                .restarts = 1,
                                .max_iterations = iterations,
                                .seed = 1,
                                .kernel = s->kernel};
    MPI_Barrier(ctx->comm);
    double begin = now();
    if (strata_cluster_fit(ctx, p, &o, out) != STRATA_OK) {
        fprintf(stderr, "%s\n", ctx->error.message);
        strata_context_abort(ctx, 1);
    }
    double took = now() - begin, longest = 0;
    MPI_Allreduce(&took, &longest, 1, MPI_DOUBLE, MPI_MAX, ctx->comm);
    return longest;
}

static int ascending(const void *a, const void *b)
{
    const double *left = a, *right = b;
    return *left < *right ? -1 : *left > *right;
}

static void time_seeding(strata_context *ctx, const setting *s, const strata_points *p)
{
    const char *const inits[] = {"kmeans_parallel", "kmeans_plus_plus", "random"};
    for (int v = 0; v < 3; v++) {
        strata_clustering r = {0};
        strata_cluster_options o = {.k = s->k,
                                    .init = inits[v],
                                    .variant = s->variant,
                                    .restarts = 1,
                                    .max_iterations = 0,
                                    .seed = 1};
        MPI_Barrier(ctx->comm);
        double begin = now();
        if (strata_cluster_fit(ctx, p, &o, &r) != STRATA_OK)
            strata_context_abort(ctx, 1);
        if (ctx->rank == 0)
            printf("seeding %-18s %8.1f ms, inertia %.6g\n", inits[v], 1e3 * (now() - begin),
                   r.inertia);
        strata_clustering_release(&r);
    }
}

static void run(strata_context *ctx, const setting *s)
{
    strata_points p = {0};
    if (make_points(ctx, s, &p) != STRATA_OK)
        strata_context_abort(ctx, 1);
    int32_t *start = calloc((size_t)s->k * (size_t)s->d, sizeof *start);
    double *times = calloc((size_t)s->repetitions, sizeof *times);
    for (int32_t j = 0; j < s->k; j++)
        for (int32_t f = 0; f < s->d; f++)
            start[j * s->d + f] = (int32_t)make_value(s, (int64_t)j * 7919 % s->n, f);
    int32_t skip = getenv("AFTER") ? (int32_t)strtol(getenv("AFTER"), NULL, 10) : 1;
    double *base = calloc((size_t)s->repetitions, sizeof *base);
    int64_t done = 1;
    for (int32_t r = 0; r < s->repetitions; r++) {
        strata_clustering one = {0}, many = {0};
        base[r] = timed_fit(ctx, s, &p, start, skip, &one);
        times[r] = timed_fit(ctx, s, &p, start, skip + s->iterations, &many);
        done = many.iterations > one.iterations ? many.iterations - one.iterations : 1;
        if (ctx->rank == 0 && r == 0)
            printf("%s (%s): redecided %.2e a point and iteration; moved in the last %.2e; inertia "
                   "%.12g\n",
                   many.variant, many.reason,
                   (double)many.redecided_local / (double)(p.n_local * (many.iterations + 1)),
                   (double)many.history[many.n_history - 1].moved / (double)s->n, many.inertia);
        strata_clustering_release(&one);
        strata_clustering_release(&many);
    }
    qsort(times, (size_t)s->repetitions, sizeof *times, ascending);
    qsort(base, (size_t)s->repetitions, sizeof *base, ascending);
    double best = (times[0] - base[0]) / (double)done;
    double median = (times[s->repetitions / 2] - base[s->repetitions / 2]) / (double)done;
    if (ctx->rank == 0)
        printf("n %lld d %d k %d ranks %d %s %s: fit of %d iterations %.1f ms; %lld more, each "
               "best %.3f "
               "ms, median %.3f ms; best %.0f M points/s, %.2f GB/s of features\n",
               (long long)s->n, (int)s->d, (int)s->k, ctx->size, s->variant, s->kernel, (int)skip,
               1e3 * base[0], (long long)done, 1e3 * best, 1e3 * median, (double)s->n / best * 1e-6,
               (double)s->n * 4 * s->d / best * 1e-9);
    free(base);
    if (getenv("SEEDING"))
        time_seeding(ctx, s, &p);
    free(start);
    free(times);
    strata_free(&p.steps);
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    strata_context ctx;
    if (strata_context_init(&ctx, MPI_COMM_WORLD) != STRATA_OK)
        return 1;
    if (argc < 4) {
        fprintf(stderr, "usage: cluster_kernels n d k [variant [kernel [iterations [repetitions "
                        "[groups|one|ties]]]]]\n");
        return 2;
    }
    setting s = {.n = strtoll(argv[1], NULL, 10),
                 .d = (int32_t)strtol(argv[2], NULL, 10),
                 .k = (int32_t)strtol(argv[3], NULL, 10),
                 .variant = argc > 4 ? argv[4] : "lloyd",
                 .kernel = argc > 5 ? argv[5] : "auto",
                 .iterations = argc > 6 ? (int32_t)strtol(argv[6], NULL, 10) : 20,
                 .repetitions = argc > 7 ? (int32_t)strtol(argv[7], NULL, 10) : 5,
                 .data = argc > 8 ? argv[8] : "one"};
    run(&ctx, &s);
    strata_context_release(&ctx);
    MPI_Finalize();
    return 0;
}
