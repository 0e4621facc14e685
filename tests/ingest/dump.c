/* Runs ingest on a list of cases and writes what came out as text, for tests that compare it
 * with an independent reading of the same files.
 *
 *     mpirun -n N test_ingest_dump LIST
 *
 * A line of LIST: config.yaml result.txt block_bytes row_limit table_entries slice_entries
 * rejects_in_memory; 0 = the default. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/job.h"
#include "strata/memory.h"
#include "strata/par.h"

static void put_activity(FILE *out, const strata_activity *a, int64_t i)
{
    fprintf(out, "|%d %d %d %lld %lld %lld", a->first_day[i], a->last_day[i], a->orders[i],
            (long long)a->net[i], (long long)a->positive[i], (long long)a->largest[i]);
}

static void put_users(FILE *out, const strata_population *p, int rank)
{
    for (int64_t i = 0; i < strata_partition_local(&p->partition, rank); i++) {
        const char *key = p->user_key + i * p->key_width;
        fprintf(out, "user %.*s|%d", (int)strnlen(key, (size_t)p->key_width), key,
                p->region_code[i]);
        put_activity(out, &p->whole, i);
        if (p->has_holdout) {
            put_activity(out, &p->fit, i);
            put_activity(out, &p->holdout, i);
        }
        fprintf(out, "|%016llx\n", (unsigned long long)p->key64[i]);
    }
}

static void put_head(FILE *out, const strata_population *p)
{
    const strata_accounting *a = &p->accounting;
    fprintf(out, "rows read=%lld accepted=%lld outside=%lld duplicate=%lld flagged=%lld",
            (long long)a->read, (long long)a->accepted, (long long)a->outside,
            (long long)a->duplicate, (long long)a->flagged);
    for (int i = 0; i < STRATA_REJECT_COUNT; i++)
        fprintf(out, " %s=%lld", strata_reject_text((strata_reject)i), (long long)a->rejected[i]);
    for (int i = 0; i < STRATA_DROP_COUNT; i++)
        fprintf(out, " drop_%s=%lld", strata_drop_text((strata_drop)i), (long long)a->dropped[i]);
    fprintf(out, "\nlimits %.17g %.17g\n", a->outlier_low, a->outlier_high);
    fprintf(out, "window %d %d %d %d\n", p->window_start, p->as_of, p->holdout_start,
            p->has_holdout);
    fprintf(out, "currency %s\n", p->currency);
    for (int i = 0; i < p->regions.n; i++)
        fprintf(out, "region %d %s\n", i, p->regions.names[i]);
    for (int i = 0; i < p->n_inputs; i++)
        fprintf(out, "input %s %lld %lld %s\n", p->inputs[i].path, (long long)p->inputs[i].bytes,
                (long long)p->inputs[i].rows, p->inputs[i].digest);
}

/* Collective. Everything goes to rank 0, which writes the file. */
static strata_status write_population(strata_context *ctx, const strata_population *p, FILE *file)
{
    strata_status rc = STRATA_OK;
    char *mine = NULL, *all = NULL;
    size_t size = 0;
    int64_t bytes = 0;
    FILE *memory = open_memstream(&mine, &size);
    put_users(memory, p, ctx->rank);
    fclose(memory);
    STRATA_TRY(strata_par_gather(ctx, mine, (int64_t)size, 0, &all, &bytes, NULL));
    if (file) {
        put_head(file, p);
        fwrite(all, 1, (size_t)bytes, file);
    }
done:
    free(mine);
    strata_free(&all);
    return rc;
}

static void run_case(strata_context *ctx, const char *config_path, const char *result,
                     const strata_ingest_tuning *tuning)
{
    strata_config config = {0};
    strata_population population = {0};
    FILE *file = ctx->rank == 0 ? fopen(result, "w") : NULL;
    strata_status rc = strata_config_init(ctx, &config);
    if (rc == STRATA_OK)
        rc = strata_config_load_file(ctx, &config, config_path);
    if (rc == STRATA_OK)
        rc = strata_config_validate(ctx, &config);
    rc = strata_par_agree(ctx, rc);
    if (rc == STRATA_OK)
        rc = strata_ingest_tuned(ctx, &config, tuning, &population);
    if (file)
        fprintf(file, "status %s\nmessage %s\n", strata_status_text(rc), ctx->error.message);
    if (rc == STRATA_OK)
        rc = write_population(ctx, &population, file);
    if (file)
        fclose(file);
    strata_population_release(&population);
    strata_config_release(&config);
    strata_context_clear_error(ctx);
}

static void choose(int64_t *value, long long given)
{
    if (given > 0)
        *value = given;
}

int main(int argc, char **argv)
{
    strata_context ctx;
    char config[1024], result[1024];
    long long t[5];
    MPI_Init(&argc, &argv);
    if (argc != 2 || strata_context_init(&ctx, MPI_COMM_WORLD) != STRATA_OK)
        return 2;
    ctx.quiet = true;
    ctx.log_level = STRATA_LOG_WARNING;
    FILE *list = fopen(argv[1], "r");
    while (list && fscanf(list, "%1023s %1023s %lld %lld %lld %lld %lld", config, result, &t[0],
                          &t[1], &t[2], &t[3], &t[4]) == 7) {
        strata_ingest_tuning tuning = strata_ingest_default_tuning;
        choose(&tuning.block_bytes, t[0]);
        choose(&tuning.row_limit, t[1]);
        choose(&tuning.table_entries, t[2]);
        choose(&tuning.slice_entries, t[3]);
        choose(&tuning.rejects_in_memory, t[4]);
        run_case(&ctx, config, result, &tuning);
    }
    if (list)
        fclose(list);
    strata_context_release(&ctx);
    MPI_Finalize();
    return list ? 0 : 2;
}
