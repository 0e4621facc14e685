/* How a result came about: all that may differ between two runs with the same content. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "output/h5.h"
#include "output/result.h"
#include "output/schema.h"
#include "strata/build.h"
#include "strata/memory.h"
#include "strata/par.h"
#include "strata/text.h"

/* "version 0.1.0; commit ...; mpi ...": what the program was made from and runs with. */
static strata_status describe_versions(strata_context *ctx, strata_text *text)
{
    strata_status rc = STRATA_OK;
    strata_build_item items[STRATA_BUILD_ITEMS];
    int32_t n = strata_build_items(items);
    for (int32_t i = 0; i < n; i++)
        STRATA_TRY(
            strata_text_addf(ctx, text, "%s%s %s", i ? "; " : "", items[i].name, items[i].value));
done:
    return rc;
}

/* The hosts of all ranks, each once, in order of their first rank. *out is owned by the caller. */
static strata_status list_hosts(strata_context *ctx, char **out)
{
    strata_status rc = STRATA_OK;
    enum { ROOM = MPI_MAX_PROCESSOR_NAME + 1 };
    char mine[ROOM] = "", *all = NULL, *list = NULL;
    int length = 0;
    int64_t bytes = 0, used = 0;
    if (ctx->comm != MPI_COMM_NULL)
        STRATA_MPI(ctx, MPI_Get_processor_name(mine, &length));
    STRATA_TRY(strata_par_gather(ctx, mine, ROOM, -1, &all, &bytes, NULL));
    STRATA_AGREE(ctx, strata_calloc(ctx, bytes + 1, 1, &list));
    for (int64_t at = 0; at < bytes; at += ROOM) {
        const char *host = all + at;
        bool known = !*host;
        for (int64_t before = 0; before < at && !known; before += ROOM)
            known = strcmp(all + before, host) == 0;
        if (!known)
            used +=
                snprintf(list + used, (size_t)(bytes + 1 - used), "%s%s", used ? "," : "", host);
    }
    *out = list;
    list = NULL;
done:
    strata_free(&list);
    strata_free(&all);
    return rc;
}

/* Given centroids settle k. */
static strata_status write_config(strata_context *ctx, const strata_result *r, char **yaml)
{
    strata_config own = *r->config; /* a view */
    if (r->clustering && own.cluster.k != STRATA_K_AUTO)
        own.cluster.k = r->clustering->k;
    return strata_config_to_yaml(ctx, &own, yaml);
}

static strata_status add_texts(strata_context *ctx, strata_output *out, const strata_result *r,
                               const char *hosts)
{
    strata_status rc = STRATA_OK;
    char now[32] = "", *yaml = NULL;
    strata_text versions = {0};
    const char *slurm = getenv("SLURM_JOB_ID");
    time_t seconds = time(NULL);
    struct tm utc;
    if (gmtime_r(&seconds, &utc))
        strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", &utc);
    STRATA_TRY(describe_versions(ctx, &versions));
    if (!r->config_yaml && r->config)
        STRATA_TRY(write_config(ctx, r, &yaml));
    const char *config = r->config_yaml ? r->config_yaml : yaml;
    const char *const texts[][2] = {
        {"config_yaml", config},
        {"command_line", r->command_line},
        {"variant", r->clustering ? r->clustering->variant : ""},
        {"variant_reason", r->clustering ? r->clustering->reason : ""},
        {"versions", versions.bytes},
        {"hosts", hosts},
        {"slurm_job_id", slurm},
        {"key_id", r->key_id},
        {"created", now},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        STRATA_TRY(strata_output_add_text(ctx, out, "/provenance", texts[i][0], texts[i][1]));
    STRATA_TRY(strata_output_add_integer(ctx, out, "/provenance", "ranks", ctx->size));
done:
    strata_free(&versions.bytes);
    strata_free(&yaml);
    return rc;
}

static strata_status add_inputs(strata_context *ctx, strata_output *out,
                                const strata_input_file *inputs, int32_t n)
{
    strata_status rc = STRATA_OK;
    int32_t widths[4] = {0, 0, 0, 32};
    strata_table *table = NULL;
    for (int32_t i = 0; i < n; i++)
        widths[0] = result_widest(widths[0], inputs[i].path);
    STRATA_TRY(schema_create(ctx, "/provenance/inputs", n, widths, &table));
    for (int32_t i = 0; i < n; i++) {
        const strata_input_file *input = &inputs[i];
        strata_table_text(table, 0, i, input->path);
        strata_table_integer(table, 1, i, input->bytes);
        strata_table_integer(table, 2, i, input->rows);
        strata_table_text(table, 3, i, input->digest);
    }
    STRATA_TRY(strata_output_add_table(ctx, out, &table));
done:
    strata_table_destroy(&table);
    return rc;
}

static strata_status add_timings(strata_context *ctx, strata_output *out, const strata_result *r)
{
    strata_status rc = STRATA_OK;
    int32_t widths[5] = {0};
    strata_table *table = NULL;
    for (int32_t i = 0; i < r->n_timings; i++)
        widths[0] = result_widest(widths[0], r->timings[i].phase);
    STRATA_TRY(schema_create(ctx, "/provenance/timings", r->n_timings, widths, &table));
    for (int32_t i = 0; i < r->n_timings; i++) {
        strata_table_text(table, 0, i, r->timings[i].phase);
        strata_table_real(table, 1, i, r->timings[i].min);
        strata_table_real(table, 2, i, r->timings[i].mean);
        strata_table_real(table, 3, i, r->timings[i].max);
        strata_table_integer(table, 4, i, r->timings[i].rows);
    }
    STRATA_TRY(strata_output_add_table(ctx, out, &table));
done:
    strata_table_destroy(&table);
    return rc;
}

strata_status result_add_provenance(strata_context *ctx, strata_output *out, const strata_result *r)
{
    strata_status rc = STRATA_OK, local = STRATA_OK;
    char *hosts = NULL;
    h5_begin();
    STRATA_TRY(list_hosts(ctx, &hosts));
    local = add_texts(ctx, out, r, hosts);
    if (local == STRATA_OK && (r->population || r->rows))
        local = add_inputs(ctx, out, r->rows ? r->rows->inputs : r->population->inputs,
                           r->rows ? r->rows->n_inputs : r->population->n_inputs);
    if (local == STRATA_OK)
        local = add_timings(ctx, out, r);
    STRATA_AGREE(ctx, local);
done:
    strata_free(&hosts);
    return rc;
}
