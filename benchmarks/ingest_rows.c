/* How fast transactions become users: reads CONFIG's files REPEAT times and prints rows a second
 * of wall clock and of processor time (the slowest rank), and the largest peak memory of a rank.
 *
 *     mpirun -n 2 ingest_rows CONFIG.yaml [REPEAT]
 *
 * On a machine with other work only the processor time means anything; it includes waiting in
 * MPI. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "strata/ingest.h"
#include "strata/memory.h"
#include "strata/par.h"

static double processor_time(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static strata_status measure(strata_context *ctx, const strata_config *config)
{
    strata_status rc = STRATA_OK;
    strata_population population = {0};
    double start = strata_now(), busy = processor_time();
    STRATA_TRY(strata_ingest(ctx, config, &population));
    double seconds[2] = {strata_now() - start, processor_time() - busy};
    int64_t peak = strata_peak_memory();
    STRATA_TRY(strata_par_allreduce_f64(ctx, seconds, 2, STRATA_MAX));
    STRATA_TRY(strata_par_allreduce_i64(ctx, &peak, 1, STRATA_MAX));
    double rows = 1e-6 * (double)population.accounting.read;
    if (ctx->rank == 0)
        printf(
            "%d ranks, %.2f M rows, %lld users: %.3f s = %.2f M rows/s; processor %.3f s = %.2f M "
            "rows/s; peak %lld MiB a rank\n",
            ctx->size, rows, (long long)strata_partition_global(&population.partition), seconds[0],
            rows / seconds[0], seconds[1], rows / seconds[1], (long long)(peak >> 20));
done:
    strata_population_release(&population);
    return rc;
}

int main(int argc, char **argv)
{
    strata_context ctx;
    strata_config config = {0};
    MPI_Init(&argc, &argv);
    if (argc < 2 || strata_context_init(&ctx, MPI_COMM_WORLD) != STRATA_OK)
        return 2;
    ctx.quiet = true;
    strata_status rc = strata_config_init(&ctx, &config);
    if (rc == STRATA_OK)
        rc = strata_config_load_file(&ctx, &config, argv[1]);
    if (rc == STRATA_OK)
        rc = strata_config_validate(&ctx, &config);
    rc = strata_par_agree(&ctx, rc);
    for (long i = argc > 2 ? strtol(argv[2], NULL, 10) : 3; i > 0 && rc == STRATA_OK; i--)
        rc = measure(&ctx, &config);
    if (rc != STRATA_OK && ctx.rank == 0)
        fprintf(stderr, "%s\n", ctx.error.message);
    int code = strata_status_exit_code(rc);
    strata_config_release(&config);
    strata_context_release(&ctx);
    MPI_Finalize();
    return code;
}
