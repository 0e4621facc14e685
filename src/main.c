/* main.c: starts MPI when the command uses it, runs the command, turns its status into the exit code.
 * Nothing else. */
#include <errno.h>
#include <gsl/gsl_errno.h>
#include <mpi.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands/command.h"
#include "strata/context.h"
#include "strata/output.h"
#include "strata/par.h"
#include "strata/text.h"

/* A number that a launcher put into the environment; fallback when none did. */
static int64_t launcher_number(const char *const *names, int64_t fallback)
{
    int64_t value = 0;
    for (; *names; names++) {
        const char *text = getenv(*names);
        if (text && strata_text_to_int64(text, (int64_t)strlen(text), &value))
            return value;
    }
    return fallback;
}

/* The rank that the launcher gave this process, before (or without) MPI_Init. */
static int64_t launch_rank(void)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK",
                                        "SLURM_PROCID", NULL};
    return launcher_number(names, 0);
}

static int64_t launch_size(void)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS",
                                        NULL};
    return launcher_number(names, 1);
}

/* How to speak, known before the command line is parsed: its own errors follow it. */
static void set_log_format(strata_context *ctx, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--log-format=json") == 0 ||
            (strcmp(argv[i], "--log-format") == 0 && i + 1 < argc &&
             strcmp(argv[i + 1], "json") == 0))
            ctx->log_json = true;
}

static void set_logging(strata_context *ctx, const strata_command_line *line)
{
    static const char *const levels[] = {"error", "warning", "info", "debug"};
    const char *level = strata_option_text(line, "--log-level", "info");
    for (int i = 0; i < 4; i++)
        if (strcmp(level, levels[i]) == 0)
            ctx->log_level = (strata_log_level)i;
    ctx->quiet = strata_option_flag(line, "--quiet");
    ctx->progress = strcmp(strata_option_text(line, "--progress", "auto"), "auto") == 0 &&
                    !ctx->quiet && !ctx->log_json && isatty(STDERR_FILENO);
}

static void print_error(strata_context *ctx, strata_status status)
{
    if (ctx->rank == 0)
        strata_log(ctx, STRATA_LOG_ERROR, "%s",
                   ctx->error.status != STRATA_OK ? ctx->error.message
                                                  : strata_status_text(status));
}

/* srun without a common PMI starts one world of one rank a task: N whole jobs on one output. */
static strata_status check_world(strata_context *ctx)
{
    static const char *const names[] = {"SLURM_STEP_NUM_TASKS", NULL};
    int64_t tasks = launcher_number(names, 1);
    if (ctx->size > 1 || tasks <= 1)
        return STRATA_OK;
    return strata_context_fail(ctx, STRATA_ERR_USAGE, __FILE__, __LINE__,
                               "SLURM started %lld tasks, but each is an MPI job of its own; start "
                               "with srun --mpi=pmix, or with mpirun inside sbatch",
                               (long long)tasks);
}

/* A full disk behind a redirected stdout must not look like success; a reader that left early (head)
 * is no failure. */
static strata_status flush_output(strata_context *ctx, strata_status rc)
{
    errno = 0;
    bool failed = fflush(stdout) != 0 || ferror(stdout);
    if (rc != STRATA_OK || !failed || errno == EPIPE || errno == 0)
        return rc;
    return strata_context_fail(ctx, STRATA_ERR_IO, __FILE__, __LINE__,
                               "the output could not be written: %s", strerror(errno));
}

/* The part between MPI_Init and MPI_Finalize. parsed: what the command line gave, with its error in
 * *told. All ranks leave with one status. */
static strata_status run_parallel(const strata_command_line *line, strata_context *told,
                                  strata_status parsed)
{
    strata_context ctx;
    strata_status rc = strata_context_init(&ctx, MPI_COMM_WORLD);
    ctx.log_json = told->log_json;
    if (rc == STRATA_OK && parsed != STRATA_OK) {
        ctx.error = told->error;
        rc = parsed;
    }
    if (rc == STRATA_OK) {
        set_logging(&ctx, line);
        rc = check_world(&ctx);
    }
    rc = strata_par_agree(&ctx, rc);
    if (rc == STRATA_OK)
        rc = line->command->run(&ctx, line);
    rc = strata_par_agree(&ctx, flush_output(&ctx, rc));
    if (rc != STRATA_OK)
        print_error(&ctx, rc);
    if (rc == STRATA_ERR_MPI) /* the other ranks may wait for a message that will never come */
        strata_context_abort(&ctx, strata_status_exit_code(rc));
    strata_context_release(&ctx);
    return rc;
}

static strata_status run_serial(strata_context *ctx, const strata_command_line *line)
{
    set_logging(ctx, line);
    strata_status rc = flush_output(ctx, line->command->run(ctx, line));
    if (rc != STRATA_OK)
        print_error(ctx, rc);
    return rc;
}

int main(int argc, char **argv)
{
    strata_context ctx;
    strata_command_line line = {0};
    gsl_set_error_handler_off();
    strata_output_prepare(); /* before MPI: see there */
    signal(SIGPIPE, SIG_IGN); /* a reader that leaves must not kill a job of hours */
    signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes must be a failed write with a message */
    strata_status rc = strata_context_init(&ctx, MPI_COMM_NULL);
    set_log_format(&ctx, argc, argv);
    if (rc == STRATA_OK)
        rc = strata_command_parse(&ctx, argc, (const char *const *)argv, &line);
    bool uses_mpi = line.command && line.command->uses_mpi && !line.help;
    if (uses_mpi && (rc == STRATA_OK || launch_size() > 1)) {
        if (MPI_Init(&argc, &argv) != MPI_SUCCESS) {
            fputs("strata: error: MPI could not be started\n", stderr);
            return strata_status_exit_code(STRATA_ERR_MPI);
        }
        rc = run_parallel(&line, &ctx, rc);
        MPI_Finalize();
    } else if (launch_rank() > 0) {
        rc = STRATA_OK; /* a serial command under mpirun: the first process does it alone */
    } else if (rc != STRATA_OK) {
        print_error(&ctx, rc);
    } else if (line.help) {
        strata_help_command(line.command, stdout);
        rc = flush_output(&ctx, rc);
    } else {
        rc = run_serial(&ctx, &line);
    }
    strata_command_line_release(&line);
    strata_context_release(&ctx);
    return strata_status_exit_code(rc);
}
