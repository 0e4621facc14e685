/* bench: K-means variants side by side, on the same points, from the same start, with the proof
 * that they agree. */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "outputs.h"

#include "strata/memory.h"
#include "strata/par.h"
#include "strata/text.h"

static const strata_option options[] = {
    {"--points", 'n', STRATA_OPTION_INT64, "N", "generated points (default 1000000)", .low = 1,
     .high = 1e11},
    {"--dim", 'd', STRATA_OPTION_INT64, "D", "their features (default 3)", .low = 1,
     .high = STRATA_FEATURES_MAX},
    {"--data", 0, STRATA_OPTION_WORD, "WHAT",
     "blobs: groups (default); rfm: like users; cloud: one group; ties: coarse values; scores: 1 to 5",
     .words = "blobs|rfm|cloud|ties|scores"},
    {"--truth-clusters", 0, STRATA_OPTION_INT64, "K", "groups of the blobs (default 8)", .low = 1,
     .high = 1e9},
    {"--seed", 0, STRATA_OPTION_UINT64, "N", "of points and seedings (default 1)"},
    {"--input", 'i', STRATA_OPTION_MANY, "PATH",
     "instead of generated points: a result or another HDF5 file, or text files of numbers",
     .config_key = "input.files"},
    {"--table", 0, STRATA_OPTION_TEXT, "/GROUP", "table of an HDF5 file (default /users)",
     .config_key = "input.table"},
    {"--features", 0, STRATA_OPTION_LIST, "A,B,C", "its columns (default as of strata cluster)",
     .config_key = "cluster.features"},
    {"--transform", 0, STRATA_OPTION_WORD, "T", "of these columns: none or log1p (default)",
     .config_key = "cluster.transform", .words = "none|log1p"},
    {"--scale", 0, STRATA_OPTION_WORD, "S", "none, zscore (default) or robust",
     .config_key = "cluster.scale", .words = "none|zscore|robust"},
    {"--variants", 0, STRATA_OPTION_LIST, "V,W", "default: all and auto; lloyd always comes first"},
    {"--seedings", 0, STRATA_OPTION_LIST, "S,T",
     "kmeans_parallel (default), kmeans_plus_plus, random"},
    {"-k", 'k', STRATA_OPTION_LIST, "K,L", "numbers of clusters, 5 or 2..16 (default 8)"},
    {"--ranks", 0, STRATA_OPTION_LIST, "R,S", "rank counts, up to those started (default: these)"},
    {"--iterations", 0, STRATA_OPTION_INT64, "N", "of a fit at most (default 20)", .low = 0,
     .high = 1e6},
    {"--after", 0, STRATA_OPTION_INT64, "N",
     "iterations left out of the time of one (default 1: the first costs more)", .low = 0,
     .high = 1e6},
    {"--repetitions", 0, STRATA_OPTION_INT64, "N", "rounds over the variants (default 5)", .low = 1,
     .high = 10000},
    {"--sweep", 0, STRATA_OPTION_FLAG, NULL,
     "time all k together, with seeding and restarts and one preparation of the points"},
    {"--restarts", 0, STRATA_OPTION_INT64, "N", "of each k in a sweep (default 1)", .low = 1,
     .high = 10000},
    {"--kernel", 0, STRATA_OPTION_WORD, "K", "auto (default), avx512vnni, avx512, avx2 or plain",
     .words = "auto|avx512vnni|avx512|avx2|plain"},
    {"--export", 0, STRATA_OPTION_TEXT, "FILE.h5", "write the points first, for other programs"},
    {"--json", 0, STRATA_OPTION_TEXT, "FILE",
     "write everything that was measured; - is the screen"},
    {"--csv", 0, STRATA_OPTION_TEXT, "FILE", "write one line a variant and case"},
    {"--force", 0, STRATA_OPTION_FLAG, NULL, "replace an existing --export file"},
    {0},
};

/* ---- the plan -------------------------------------------------------------------------------- */

static strata_status add_number(strata_context *ctx, const char *what, int64_t value, int64_t limit,
                                int32_t *list, int32_t room, int32_t *n)
{
    if (value < 1 || value > limit)
        return strata_context_fail(ctx, STRATA_ERR_USAGE, __FILE__, __LINE__,
                                   "%s: expected a whole number from 1 to %lld%s, found %lld", what,
                                   (long long)limit,
                                   strcmp(what, "--ranks") == 0 ? " (the ranks started)" : "",
                                   (long long)value);
    if (*n >= room)
        return strata_context_fail(ctx, STRATA_ERR_USAGE, __FILE__, __LINE__,
                                   "%s: at most %d numbers", what, (int)room);
    list[(*n)++] = (int32_t)value;
    return STRATA_OK;
}

/* "8" or "2..16" */
static strata_status add_range(strata_context *ctx, const char *text, int64_t limit,
                               const char *what, int32_t *list, int32_t room, int32_t *n)
{
    strata_status rc = STRATA_OK;
    const char *dots = strstr(text, "..");
    int64_t low = 0, high = 0, length = (int64_t)strlen(text);
    bool good = strata_text_to_int64(text, dots ? dots - text : length, &low);
    high = low;
    if (dots)
        good = good && strata_text_to_int64(dots + 2, length - (dots + 2 - text), &high);
    if (!good || high < low)
        STRATA_FAIL(ctx, STRATA_ERR_USAGE, "%s %s: a number, or a range as 2..16", what, text);
    for (int64_t value = low; value <= high; value++)
        STRATA_TRY(add_number(ctx, what, value, limit, list, room, n));
done:
    return rc;
}

static strata_status read_lists(strata_context *ctx, const strata_command_line *line,
                                bench_plan *plan)
{
    strata_status rc = STRATA_OK;
    int32_t n = 0;
    const char *const *words = strata_option_list(line, "-k", &n);
    for (int32_t i = 0; i < n; i++)
        STRATA_TRY(add_range(ctx, words[i], BENCH_KS, "-k", plan->k, BENCH_KS, &plan->n_k));
    if (n == 0)
        plan->k[plan->n_k++] = 8;
    words = strata_option_list(line, "--ranks", &n);
    for (int32_t i = 0; i < n; i++)
        STRATA_TRY(add_range(ctx, words[i], ctx->size, "--ranks", plan->ranks, BENCH_RANKS,
                             &plan->n_ranks));
    if (n == 0)
        plan->ranks[plan->n_ranks++] = ctx->size;
    words = strata_option_list(line, "--seedings", &n);
    for (int32_t i = 0; i < n; i++) {
        static const char *const known[] = {"kmeans_parallel", "kmeans_plus_plus", "random"};
        bool found = false;
        for (int j = 0; j < 3; j++)
            found = found || strcmp(words[i], known[j]) == 0;
        if (!found || plan->n_seedings == BENCH_SEEDINGS)
            STRATA_FAIL(ctx, STRATA_ERR_USAGE,
                        "--seedings %s: use kmeans_parallel, kmeans_plus_plus, random", words[i]);
        plan->seedings[plan->n_seedings++] = words[i];
    }
    if (n == 0)
        plan->seedings[plan->n_seedings++] = "kmeans_parallel";
done:
    return rc;
}

static bool has_variant(const bench_plan *plan, const char *name)
{
    for (int32_t i = 0; i < plan->n_variants; i++)
        if (strcmp(plan->variants[i], name) == 0)
            return true;
    return false;
}

static strata_status read_variants(strata_context *ctx, const strata_command_line *line,
                                   bench_plan *plan)
{
    strata_status rc = STRATA_OK;
    int32_t n = 0;
    const char *const *words = strata_option_list(line, "--variants", &n);
    plan->variants[plan->n_variants++] = "lloyd";
    for (int32_t i = 0; n == 0 && i < strata_cluster_variant_count(); i++)
        if (!has_variant(plan, strata_cluster_variant_at(i)->name))
            plan->variants[plan->n_variants++] = strata_cluster_variant_at(i)->name;
    if (n == 0)
        plan->variants[plan->n_variants++] = "auto";
    for (int32_t i = 0; i < n; i++) {
        STRATA_TRY(strata_command_check_variant(ctx, "--variants", words[i]));
        if (!has_variant(plan, words[i]))
            plan->variants[plan->n_variants++] = words[i];
    }
done:
    return rc;
}

static strata_status read_plan(strata_context *ctx, const strata_command_line *line,
                               bench_plan *out)
{
    strata_status rc = STRATA_OK;
    int32_t n_inputs = 0;
    const char *const *inputs = strata_option_list(line, "--input", &n_inputs);
    bench_plan plan = {
        .data = strata_option_text(line, "--data", "blobs"),
        .points = strata_option_int64(line, "--points", 1000000),
        .d = (int32_t)strata_option_int64(line, "--dim", 3),
        .truth = (int32_t)strata_option_int64(line, "--truth-clusters", 8),
        .seed = strata_option_uint64(line, "--seed", 1),
        .input = n_inputs > 0 ? inputs[0] : NULL,
        .iterations = (int32_t)strata_option_int64(line, "--iterations", 20),
        .after = (int32_t)strata_option_int64(line, "--after", 1),
        .repetitions = (int32_t)strata_option_int64(line, "--repetitions", 5),
        .restarts = (int32_t)strata_option_int64(line, "--restarts", 1),
        .sweep = strata_option_flag(line, "--sweep"),
        .kernel = strata_option_text(line, "--kernel", "auto"),
    };
    static const char *const generated[] = {"--points", "--dim", "--data", "--truth-clusters"};
    for (int i = 0; i < 4 && plan.input; i++)
        if (strata_option_flag(line, generated[i]))
            STRATA_FAIL(ctx, STRATA_ERR_USAGE, "%s is for generated points, but --input names a file",
                        generated[i]);
    STRATA_TRY(read_lists(ctx, line, &plan));
    STRATA_TRY(read_variants(ctx, line, &plan));
    if (!strata_cluster_kernel(plan.kernel))
        STRATA_FAIL(ctx, STRATA_ERR_USAGE, "--kernel %s: not for this processor", plan.kernel);
    *out = plan;
done:
    return rc;
}

static strata_status check_files(strata_context *ctx, const strata_command_line *line,
                                 const strata_config *config)
{
    const output_file outputs[] = {
        {"--export", strata_option_text(line, "--export", NULL), OUTPUT_RESULT},
        {"--json", strata_option_text(line, "--json", NULL), OUTPUT_IN_PLACE},
        {"--csv", strata_option_text(line, "--csv", NULL), OUTPUT_IN_PLACE}};
    return check_outputs(ctx, line, config, outputs, sizeof outputs / sizeof *outputs);
}

/* ---- the work -------------------------------------------------------------------------------- */

/* The same case at another rank count must have the same bits, with any variant. */
static bool ranks_agree(const bench_report *report, const bench_case *c)
{
    for (int64_t i = 0; i < report->n; i++) {
        const bench_case *other = &report->cases[i];
        if (other->k != c->k || strcmp(other->seeding, c->seeding) != 0)
            continue;
        for (int32_t v = 0; v < c->n_cells; v++)
            if (strcmp(other->cell[v].digest, c->cell[v].digest) != 0)
                return false;
    }
    return true;
}

/* Rank 0 keeps and shows a finished case. */
static strata_status keep(strata_context *ctx, const bench_plan *plan, bench_report *report,
                          bench_case *c, bool silent)
{
    strata_status rc = strata_reserve(ctx, &report->cases, &report->capacity, report->n + 1,
                                      sizeof *report->cases);
    if (rc != STRATA_OK)
        return rc;
    if (!silent)
        bench_print_case(plan, report, c);
    for (int32_t v = 0; v < c->n_cells; v++)
        report->failed = report->failed || (c->cell[v].exact && !c->cell[v].same);
    if (!ranks_agree(report, c)) {
        report->failed = true;
        if (!silent)
            printf("  %d ranks: other bits than at fewer ranks\n", c->ranks);
    }
    report->cases[report->n++] = *c;
    *c = (bench_case){0};
    return STRATA_OK;
}

/* Collective over a context of its own. All k and seedings on its ranks. */
static strata_status run_cases(strata_context *ctx, const bench_plan *plan,
                               const strata_points *points, bench_report *report, bool silent)
{
    strata_status rc = STRATA_OK;
    bench_case c = {0};
    int64_t n = points->n_local;
    STRATA_TRY(strata_par_allreduce_i64(ctx, &n, 1, STRATA_SUM));
    for (int32_t s = 0; s < plan->n_seedings; s++)
        for (int32_t i = 0; i < (plan->sweep ? 1 : plan->n_k); i++) {
            c = (bench_case){.ranks = ctx->size,
                             .k = plan->sweep ? 0 : plan->k[i],
                             .d = points->d,
                             .n = n,
                             .step_exponent = points->step_exponent,
                             .seeding = plan->seedings[s]};
            if (plan->sweep)
                STRATA_TRY(bench_measure_sweep(ctx, plan, points, &c));
            else
                STRATA_TRY(bench_measure(ctx, plan, points, &c));
            STRATA_AGREE(ctx, ctx->rank == 0 ? keep(ctx, plan, report, &c, silent) : STRATA_OK);
            bench_case_release(&c);
        }
done:
    bench_case_release(&c);
    return rc;
}

static strata_status run_on(strata_context *ctx, const bench_plan *plan, const char *export_path,
                            bool force, bench_report *report)
{
    strata_status rc = STRATA_OK;
    bench_data data = {0};
    STRATA_TRY(bench_data_make(ctx, plan, &data));
    if (export_path)
        STRATA_TRY(bench_data_export(ctx, &data, export_path, force));
    STRATA_TRY(run_cases(ctx, plan, &data.points, report, ctx->quiet));
done:
    bench_data_release(&data);
    return rc;
}

/* Collective. Ranks without a part sleep, so that they do not disturb those that are measured. */
static strata_status wait_for_all(strata_context *ctx)
{
    strata_status rc = STRATA_OK;
    MPI_Request request = MPI_REQUEST_NULL;
    int arrived = 0;
    if (ctx->comm == MPI_COMM_NULL)
        return STRATA_OK;
    STRATA_MPI(ctx, MPI_Ibarrier(ctx->comm, &request));
    while (!arrived) {
        const struct timespec moment = {.tv_nsec = 1000000};
        STRATA_MPI(ctx, MPI_Test(&request, &arrived, MPI_STATUS_IGNORE));
        if (!arrived)
            nanosleep(&moment, NULL);
    }
done:
    return rc;
}

/* Collective. The plan on the first ranks ranks. */
static strata_status run_ranks(strata_context *ctx, const bench_plan *plan, int32_t ranks,
                               const char *export_path, bool force, bench_report *report)
{
    strata_status rc = STRATA_OK, local = STRATA_OK;
    MPI_Comm comm = MPI_COMM_NULL;
    strata_context part = {.comm = MPI_COMM_NULL};
    if (ranks == ctx->size)
        return run_on(ctx, plan, export_path, force, report);
    const int colour = ctx->rank < ranks ? 0 : MPI_UNDEFINED;
    STRATA_MPI(ctx, MPI_Comm_split(ctx->comm, colour, ctx->rank, &comm));
    if (comm != MPI_COMM_NULL)
        local = strata_context_init(&part, comm);
    if (local != STRATA_OK)
        ctx->error = part.error;
    STRATA_AGREE(ctx, local); /* or those that came would wait for those that could not */
    if (comm != MPI_COMM_NULL) {
        part.log_level = ctx->log_level;
        part.log_json = ctx->log_json;
        part.quiet = ctx->quiet;
        part.progress = ctx->progress;
        local = run_on(&part, plan, export_path, force, report);
        if (local != STRATA_OK)
            ctx->error = part.error;
    }
    STRATA_TRY(wait_for_all(ctx));
    STRATA_AGREE(ctx, local);
done:
    if (comm != MPI_COMM_NULL) {
        strata_context_release(&part);
        MPI_Comm_free(&comm);
    }
    return rc;
}

static strata_status write_files(strata_context *ctx, const strata_command_line *line,
                                 const bench_plan *plan, const bench_report *report)
{
    strata_status rc = STRATA_OK;
    const char *json = strata_option_text(line, "--json", NULL);
    const char *csv = strata_option_text(line, "--csv", NULL);
    if (json)
        STRATA_TRY(bench_write_json(ctx, plan, report, json));
    if (csv)
        STRATA_TRY(bench_write_csv(ctx, plan, report, csv));
    if (report->failed)
        STRATA_FAIL(ctx, STRATA_ERR_VERIFY,
                    "an exact variant or another rank count gave other bits than lloyd");
done:
    return rc;
}

static strata_status run(strata_context *ctx, const strata_command_line *line)
{
    strata_status rc = STRATA_OK;
    bench_plan plan = {0};
    bench_report report = {0};
    strata_config config = {0};
    bool finished = false;
    const char *export_path = strata_option_text(line, "--export", NULL);
    STRATA_AGREE(ctx, read_plan(ctx, line, &plan));
    STRATA_TRY(strata_command_config(ctx, line, &config, &finished));
    if (finished)
        goto done;
    plan.config = &config;
    STRATA_TRY(check_files(ctx, line, &config));
    if (strcmp(strata_option_text(line, "--json", ""), "-") == 0 ||
        strcmp(strata_option_text(line, "--csv", ""), "-") == 0)
        ctx->quiet = true; /* nothing else on the screen */
    report.kernel = strata_cluster_kernel(plan.kernel);
    report.cores = (int32_t)sysconf(_SC_NPROCESSORS_ONLN);
    bench_processor(report.processor, sizeof report.processor);
    if (ctx->rank == 0 && !ctx->quiet)
        bench_print_head(&plan, &report);
    for (int32_t r = 0; r < plan.n_ranks; r++)
        STRATA_TRY(run_ranks(ctx, &plan, plan.ranks[r], r == 0 ? export_path : NULL,
                             strata_option_flag(line, "--force"), &report));
    report.peak_memory = strata_peak_memory();
    STRATA_TRY(strata_par_allreduce_i64(ctx, &report.peak_memory, 1, STRATA_MAX));
    STRATA_AGREE(ctx, ctx->rank == 0 ? write_files(ctx, line, &plan, &report) : STRATA_OK);
done:
    bench_report_release(&report);
    strata_config_release(&config);
    return rc;
}

const strata_command strata_command_bench = {
    .name = "bench",
    .usage = "[--points N --dim D | -i PATH] [-k K,L] [--variants V,W] [options]",
    .summary = "K-means variants side by side, and whether they agree to the last bit",
    .details =
        "Every variant walks from the same start for the same iterations; rounds over the "
        "variants\n"
        "are repeated. Times are those of the slowest rank. ms/it: one iteration after the first\n"
        "ones; total: a whole fit from a given start, preparation included; speed-up: of the "
        "median\n"
        "against lloyd. B/point: memory with points and labels, by the variant's own account, and "
        "as\n"
        "the resident set grew. reduced: bytes of the one allreduce of an iteration.\n"
        "A configuration says how a file is read and scaled (input, cluster.transform, ...), no more.\n"
        "Ends with 8 when an exact variant or another rank count gives other bits than lloyd.\n",
    .uses_mpi = true,
    .common = STRATA_COMMON_CONFIG | STRATA_COMMON_FEATURES,
    .options = options,
    .run = run,
};
