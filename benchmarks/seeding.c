/* seeding.c: what a seeding takes by rows and by the space order, and whether it draws the same.
 *     mpirun -n 2 build-release/benchmarks/seeding N D K GROUPS [REPEAT]
 * GROUPS = 1 is one cloud. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mpi.h>

#include "cluster/order.h"
#include "strata/hash.h"
#include "strata/memory.h"
#include "strata/text.h"

static strata_status make_points(strata_context *ctx, int64_t n, int32_t d, int32_t groups,
                                 strata_points *out)
{
    strata_status rc = STRATA_OK;
    const int64_t first = n * ctx->rank / ctx->size, end = n * (ctx->rank + 1) / ctx->size;
    strata_points p = {.n_local = end - first, .d = d};
    p.stride = strata_tile_padded(p.n_local);
    STRATA_TRY(strata_calloc(ctx, p.stride * d, sizeof *p.steps, &p.steps));
    for (int64_t i = 0; i < p.n_local; i++)
        for (int32_t f = 0; f < d; f++) {
            const uint64_t row = (uint64_t)(first + i), round = (uint64_t)f;
            double x = 0;
            for (uint64_t t = 0; t < 4; t++)
                x += strata_random_uniform(1, STRATA_RANDOM_TEST, row, round + 100 * t) - 0.5;
            if (groups > 1)
                x = 0.2 * x + 6 * strata_random_uniform(1, STRATA_RANDOM_TEST,
                                                        row % (uint64_t)groups, round + 1000) - 3;
            p.steps[f * p.stride + i] = (float)(int32_t)(x * 0x1p20);
        }
    *out = p;
done:
    return rc;
}

static strata_status measure(strata_context *ctx, const strata_problem *p, int32_t k, int repeat,
                             int32_t *starts)
{
    strata_status rc = STRATA_OK;
    const char *const inits[] = {"kmeans_parallel", "kmeans_plus_plus"};
    void *scratch = NULL;
    STRATA_TRY(strata_alloc(ctx, p->stride, 2, &scratch));
    for (int s = 0; s < 2; s++) {
        double best = 1e9;
        for (int r = 0; r < repeat; r++) {
            const strata_cluster_options o = {.k = k, .init = inits[s], .seed = (uint64_t)r};
            const double before = strata_now();
            STRATA_TRY(strata_seed(p, &o, 0, scratch, starts + ((s * repeat) + r) * k * p->d));
            const double took = strata_now() - before;
            best = took < best ? took : best;
        }
        if (ctx->rank == 0)
            printf("  %s %s %.1f ms\n", *p->order ? "order" : "rows ", inits[s], 1e3 * best);
    }
done:
    strata_free(&scratch);
    return rc;
}

static strata_status bench(strata_context *ctx, const int64_t *argument)
{
    strata_status rc = STRATA_OK;
    strata_points points = {0};
    strata_problem p = {0};
    const strata_order *order = NULL;
    const int32_t d = (int32_t)argument[1], k = (int32_t)argument[2];
    const int repeat = (int)argument[4];
    const size_t size = (size_t)(2 * repeat * k * d);
    int32_t *starts[2] = {NULL, NULL};
    STRATA_TRY(make_points(ctx, argument[0], d, (int32_t)argument[3], &points));
    STRATA_TRY(strata_problem_init(ctx, &points, NULL, NULL, &p));
    for (int way = 0; way < 2; way++) {
        STRATA_TRY(strata_alloc(ctx, (int64_t)size, sizeof *starts[way], &starts[way]));
        if (way == 1)
            STRATA_TRY(strata_order_get(&p, &order));
        STRATA_TRY(measure(ctx, &p, k, repeat, starts[way]));
    }
    if (ctx->rank == 0)
        printf("  %s\n", memcmp(starts[0], starts[1], size * sizeof **starts) ? "OTHER STARTS"
                                                                            : "the same starts");
done:
    strata_problem_release(&p);
    strata_free(&points.steps);
    strata_free(&starts[0]);
    strata_free(&starts[1]);
    return rc;
}

int main(int argc, char **argv)
{
    strata_context ctx;
    MPI_Init(&argc, &argv);
    if (argc < 5 || strata_context_init(&ctx, MPI_COMM_WORLD) != STRATA_OK)
        return 2;
    int64_t argument[5] = {0, 0, 0, 0, 3};
    for (int a = 1; a < argc && a <= 5; a++)
        if (!strata_text_to_int64(argv[a], (int64_t)strlen(argv[a]), &argument[a - 1]))
            return 2;
    const strata_status rc = bench(&ctx, argument);
    strata_context_release(&ctx);
    MPI_Finalize();
    return rc;
}
