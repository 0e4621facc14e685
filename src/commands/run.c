/* run: the main job. */
#include <limits.h>
#include <math.h>
#include <string.h>

#include "command.h"
#include "inputs.h"
#include "outputs.h"
#include "pipeline.h"

#include "strata/console.h"
#include "strata/hash.h"
#include "strata/memory.h"
#include "strata/par.h"

static const strata_option options[] = {
    {"--input", 'i', STRATA_OPTION_MANY, "PATH", "transaction logs; globs; instead of input.files",
     .config_key = "input.files"},
    {"--output", 'o', STRATA_OPTION_TEXT, "OUT.h5", "the result", .required = true},
    {0},
};

/* Everything that can be known to be wrong before the first row is read. */
static strata_status check_request(strata_context *ctx, const strata_config *config)
{
    strata_status rc = STRATA_OK;
    STRATA_TRY(strata_rules_validate(ctx, config));
    STRATA_TRY(strata_command_check_variant(ctx, "cluster.variant", config->cluster.variant));
    for (int32_t f = 0; f < config->cluster.n_features; f++) {
        const char *name = config->cluster.features[f];
        strata_column column = strata_column_find(name);
        if (column < STRATA_COLUMN_COUNT && strata_column_table()[column].is_feature)
            continue;
        const char *nearest = strata_column_suggest(name);
        STRATA_FAIL(ctx, STRATA_ERR_USAGE, "cluster.features: %s is no feature of /users%s%s%s",
                    name, nearest ? "; did you mean " : "", nearest ? nearest : "",
                    nearest ? "?" : "");
    }
done:
    return rc;
}

static strata_status check_files(strata_context *ctx, const strata_command_line *line,
                                 const strata_config *config)
{
    const char *rejects = config->input.rejects_file;
    char temporary[PATH_MAX]; /* it is made beside the rejects file and would replace another */
    snprintf(temporary, sizeof temporary, "%s.tmp", rejects ? rejects : "");
    const output_file outputs[] = {
        {"--output", strata_option_text(line, "--output", NULL), OUTPUT_RESULT},
        {"--json", strata_option_text(line, "--json", NULL), OUTPUT_IN_PLACE},
        {"input.rejects_file", rejects, OUTPUT_REPLACED},
        {"input.rejects_file", rejects ? temporary : NULL, OUTPUT_REPLACED}};
    return check_outputs(ctx, line, config, outputs, sizeof outputs / sizeof *outputs);
}

/* ---- dry run --------------------------------------------------------------------------------- */

/* Rank 0 only. */
static strata_status explain(strata_context *ctx, const strata_config *config,
                             const strata_input_file *files, int32_t n, const char *path, bool force)
{
    strata_status rc = STRATA_OK;
    int64_t bytes = 0;
    double rows = 0;
    const double user_bytes = 130; /* of one user in the file, measured, before compression */
    STRATA_TRY(strata_output_check(ctx, path, force));
    STRATA_TRY(strata_rules_explain(ctx, config, stdout));
    for (int32_t i = 0; i < n; i++) {
        bytes += files[i].bytes;
        rows += estimate_rows(files[i].path, NULL);
    }
    printf("\nInput: %d file%s, %.1f MiB as stored, about %.3g rows.\n", (int)n, n == 1 ? "" : "s",
           (double)bytes / 1048576.0, rows);
    printf("Result: %s can be written; at most %.1f MiB, if every row were another user.\n", path,
           rows * user_bytes / 1048576.0);
    puts("Dry run: nothing was computed.");
done:
    return rc;
}

static strata_status dry_run(strata_context *ctx, const strata_command_line *line,
                             const strata_config *config)
{
    strata_status rc = STRATA_OK;
    strata_input_file *files = NULL;
    int32_t n = 0;
    STRATA_TRY(strata_ingest_list(ctx, config, &files, &n));
    STRATA_AGREE(ctx, ctx->rank > 0 ? STRATA_OK
                                    : explain(ctx, config, files, n,
                                              strata_option_text(line, "--output", ""),
                                              strata_option_flag(line, "--force")));
done:
    strata_inputs_release(&files, n);
    return rc;
}

/* ---- the run --------------------------------------------------------------------------------- */

static strata_status key_id_of(strata_context *ctx, const strata_config *config, char out[17])
{
    strata_status rc = STRATA_OK;
    strata_pseudonymiser *pseudonymiser = NULL;
    STRATA_TRY(strata_pseudonymiser_create(ctx, config, &pseudonymiser));
    snprintf(out, 17, "%s", strata_pseudonymiser_key_id(pseudonymiser));
done:
    strata_pseudonymiser_destroy(&pseudonymiser);
    return rc;
}

static bool a_gate_failed(const strata_pipeline *p)
{
    for (int32_t i = 0; i < p->n_gates; i++)
        if (p->gates[i].measured && !p->gates[i].passed)
            return true;
    return false;
}

static strata_status tell(strata_context *ctx, const strata_command_line *line,
                          const strata_result *result, const strata_pipeline *p)
{
    strata_status rc = STRATA_OK;
    const char *json = strata_option_text(line, "--json", NULL);
    const strata_console console = {.path = strata_option_text(line, "--output", ""),
                                    .digest = p->digest,
                                    .ranks = ctx->size,
                                    .peak_memory = p->peak_memory};
    if (ctx->rank == 0) {
        strata_progress_end(ctx);
        if (strata_command_has_screen(ctx, line))
            strata_console_summary(stdout, result, &console);
        if (json)
            rc = strata_console_json(ctx, json, result, &console);
    }
    STRATA_AGREE(ctx, rc);
done:
    return rc;
}

static strata_status run_job(strata_context *ctx, const strata_command_line *line,
                             const strata_config *config)
{
    strata_status rc = STRATA_OK;
    strata_pipeline pipeline = {0};
    strata_output *out = NULL;
    char *command_text = NULL, key_id[17] = "";
    const char *path = strata_option_text(line, "--output", NULL);
    STRATA_TRY(key_id_of(ctx, config, key_id));
    STRATA_AGREE(ctx, strata_command_text(ctx, line, &command_text));
    STRATA_TRY(strata_output_create(ctx, path, strata_option_flag(line, "--force"),
                                    config->output.compression, &out));
    STRATA_TRY(strata_pipeline_compute(ctx, config, &pipeline));
    strata_result result = strata_pipeline_result(config, &pipeline);
    result.command_line = command_text;
    result.key_id = key_id;
    STRATA_TRY(strata_pipeline_publish(ctx, &result, &out, &pipeline));
    result.n_timings = pipeline.phases.n; /* now with the output phase */
    STRATA_TRY(tell(ctx, line, &result, &pipeline));
    if (strata_option_flag(line, "--strict") && a_gate_failed(&pipeline))
        STRATA_FAIL(ctx, STRATA_ERR_GATE, "a gate failed; the result is written to %s", path);
done:
    strata_output_discard(ctx, &out);
    strata_free(&command_text);
    strata_pipeline_release(&pipeline);
    return rc;
}

static strata_status run(strata_context *ctx, const strata_command_line *line)
{
    strata_status rc = STRATA_OK;
    strata_config config = {0};
    bool finished = false;
    STRATA_TRY(strata_command_config(ctx, line, &config, &finished));
    if (finished)
        goto done;
    STRATA_AGREE(ctx, check_request(ctx, &config));
    STRATA_TRY(check_files(ctx, line, &config));
    if (strata_option_flag(line, "--dry-run")) {
        STRATA_TRY(dry_run(ctx, line, &config));
    } else {
        STRATA_TRY(run_job(ctx, line, &config));
    }
done:
    strata_config_release(&config);
    return rc;
}

const strata_command strata_command_run = {
    .name = "run",
    .usage = "-c CONFIG [-i PATH...] -o OUT.h5",
    .summary = "stratify the users of transaction logs: the main job",
    .details = "Reads the logs, computes RFM features, scores, segments and clusters, tests them, and\n"
               "publishes one verified HDF5 file. --dry-run explains the segment rules and checks the\n"
               "request without reading a row.",
    .uses_mpi = true,
    .common = STRATA_COMMON_CONFIG | STRATA_COMMON_OUTPUT | STRATA_COMMON_GATES,
    .options = options,
    .run = run,
};
