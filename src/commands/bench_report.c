/* bench_report.c: what strata bench says, on the screen, as JSON and as CSV. */
#include <math.h>
#include <string.h>

#include "bench.h"

#include "strata/build.h"
#include "strata/json.h"
#include "strata/memory.h"

void bench_report_release(bench_report *report)
{
    for (int64_t i = 0; i < report->n; i++)
        bench_case_release(&report->cases[i]);
    strata_free(&report->cases);
    report->n = 0;
}

static const char *source_of(const bench_plan *plan)
{
    return plan->input ? plan->input : plan->data;
}

/* "labels, history" */
static const char *differences(int32_t differs, char *out, size_t size)
{
    static const char *const names[] = {"labels",     "centroids", "sizes", "inertia",
                                        "iterations", "history",   "digest"};
    size_t at = 0;
    out[0] = 0;
    for (int i = 0; i < 7; i++)
        if (differs & (1 << i) && at < size)
            at += (size_t)snprintf(out + at, size - at, "%s%s", at ? ", " : "", names[i]);
    return out;
}

static double bytes_an_iteration(const bench_cell *cell)
{
    return cell->calls ? (double)cell->bytes / (double)cell->calls : 0;
}

/* Against lloyd, of the medians. */
static double iteration_speed_up(const bench_case *c, const bench_cell *cell)
{
    return bench_median(&c->cell[0].iteration) / bench_median(&cell->iteration);
}

static double total_speed_up(const bench_case *c, const bench_cell *cell)
{
    return bench_median(&c->cell[0].total) / bench_median(&cell->total);
}

static const char *build_type(char *out, size_t size)
{
    strata_build_item items[STRATA_BUILD_ITEMS];
    int32_t n = strata_build_items(items);
    snprintf(out, size, "unknown");
    for (int32_t i = 0; i < n; i++)
        if (strcmp(items[i].name, "build") == 0)
            snprintf(out, size, "%s", items[i].value);
    return out;
}

/* ---- screen ---------------------------------------------------------------------------------- */

void bench_print_head(const bench_plan *plan, const bench_report *report)
{
    char build[64];
    printf("strata bench: %s, seed %llu, kernel %s, commit %s, %s build\n%s, %d cores\n",
           source_of(plan), (unsigned long long)plan->seed, report->kernel, strata_commit(),
           build_type(build, sizeof build), report->processor, (int)report->cores);
}

static void print_number(double value, int width, int digits)
{
    if (isnan(value))
        printf(" %*s", width, "-");
    else
        printf(" %*.*f", width, digits, fabs(value) < 0.05 && digits == 1 ? 0 : value);
}

static void print_cell(const bench_plan *plan, const bench_case *c, const bench_cell *cell)
{
    const bench_cell *base = &c->cell[0];
    double each = bench_min(&cell->iteration), median = bench_median(&cell->iteration);
    printf("%-10.10s %-5s", cell->name,
           cell == base  ? "base"
           : cell->same  ? "same"
           : cell->exact ? "NO"
                         : "other");
    print_number(1e3 * each, 9, 3);
    print_number(1e3 * median, 9, 3);
    print_number(1e3 * bench_median(&cell->total), 9, 1);
    print_number(plan->sweep ? total_speed_up(c, cell) : iteration_speed_up(c, cell), 7, 2);
    print_number((double)c->n / median * 1e-6, 8, 1);
    print_number(100 * cell->saved, 6, 1);
    print_number(cell->bytes_per_point, 7, 1);
    print_number(cell->bytes_measured, 7, 1);
    print_number(bytes_an_iteration(cell), 8, 0);
    printf("\n");
}

static void print_case_title(const bench_plan *plan, const bench_case *c)
{
    printf("\nn %lld  d %d  ", (long long)c->n, (int)c->d);
    if (plan->sweep)
        printf("k %d..%d (%d of them, %d restarts each)", (int)plan->k[0],
               (int)plan->k[plan->n_k - 1], (int)plan->n_k, (int)plan->restarts);
    else
        printf("k %d", (int)c->k);
    printf("  ranks %d  start %s", c->ranks, c->seeding);
    if (!plan->sweep)
        printf(" %.1f ms (min %.1f)", 1e3 * bench_median(&c->seeding_time),
               1e3 * bench_min(&c->seeding_time));
    printf("\nread %.1f GB/s (best %.1f), allreduce %.1f us, %d repetitions",
           1e-9 / bench_median(&c->read), 1e-9 / bench_min(&c->read), 1e6 * c->reduce,
           (int)plan->repetitions);
    if (!plan->sweep) {
        const bench_cell *base = &c->cell[0];
        const double share =
            4.0 * c->d * (double)c->n * bench_median(&c->read) / bench_median(&base->iteration);
        printf("\n%d iterations after %d%s, in which lloyd reads %.0f %% of the bandwidth%s",
               (int)base->counted, (int)(base->iterations - base->counted + 1),
               base->converged ? " (converged)" : "", 100 * share,
               share > 1 ? ": from the caches" : "");
    }
    printf("\n");
}

/* Many cases have the same notes. */
static bool said_before(const bench_report *report, int32_t v, const bench_cell *cell)
{
    for (int64_t i = 0; i < report->n; i++) {
        const bench_cell *other = &report->cases[i].cell[v];
        if (strcmp(other->reason, cell->reason) == 0 && other->differs == cell->differs)
            return true;
    }
    return false;
}

void bench_print_case(const bench_plan *plan, const bench_report *report, const bench_case *c)
{
    char text[80];
    print_case_title(plan, c);
    printf("%-10s %-5s %9s %9s %9s %7s %8s %6s %7s %7s %8s\n", "variant", "bits", "ms/it min",
           "median", "total ms", "speed-up", "Mp/s", "saved%", "B/point", "meas.", "reduced");
    for (int32_t v = 0; v < c->n_cells; v++)
        print_cell(plan, c, &c->cell[v]);
    for (int32_t v = 0; v < c->n_cells; v++) {
        const bench_cell *cell = &c->cell[v];
        if (said_before(report, v, cell) && (cell->same || !cell->exact))
            continue;
        if (strcmp(cell->name, "auto") == 0)
            printf("  auto ran %s\n", cell->reason); /* which begins with its name */
        else if (strncmp(cell->reason, "as asked", 8) == 0 && strlen(cell->reason) > 8)
            printf("  %s: %s\n", cell->name, cell->reason);
        if (!cell->same)
            printf("  %s: not lloyd's %s%s\n", cell->name,
                   differences(cell->differs, text, sizeof text),
                   cell->exact ? ", though it is exact" : " (not exact)");
    }
    fflush(stdout);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void add_samples(strata_context *ctx, strata_json *json, const char *key,
                        const bench_samples *samples)
{
    strata_json_open(ctx, json, key, '{');
    strata_json_real(ctx, json, "min", bench_min(samples));
    strata_json_real(ctx, json, "median", bench_median(samples));
    strata_json_open(ctx, json, "all", '[');
    for (int32_t i = 0; i < samples->n; i++)
        strata_json_real(ctx, json, NULL, samples->seconds[i]);
    strata_json_close(ctx, json);
    strata_json_close(ctx, json);
}

static void add_cell(strata_context *ctx, strata_json *json, const bench_case *c,
                     const bench_cell *cell)
{
    char text[80];
    strata_json_open(ctx, json, NULL, '{');
    strata_json_text(ctx, json, "variant", cell->name);
    strata_json_text(ctx, json, "ran", cell->ran);
    strata_json_text(ctx, json, "reason", cell->reason);
    strata_json_boolean(ctx, json, "exact", cell->exact);
    strata_json_boolean(ctx, json, "same_as_lloyd", cell->same);
    strata_json_text(ctx, json, "differs_in", differences(cell->differs, text, sizeof text));
    strata_json_text(ctx, json, "digest", cell->digest);
    strata_json_real(ctx, json, "inertia", cell->inertia);
    strata_json_integer(ctx, json, "iterations", cell->iterations);
    strata_json_integer(ctx, json, "iterations_timed", cell->counted);
    strata_json_boolean(ctx, json, "converged", cell->converged);
    add_samples(ctx, json, "iteration_seconds", &cell->iteration);
    add_samples(ctx, json, "total_seconds", &cell->total);
    strata_json_real(ctx, json, "iteration_speed_up", iteration_speed_up(c, cell));
    strata_json_real(ctx, json, "total_speed_up", total_speed_up(c, cell));
    strata_json_real(ctx, json, "distances_saved", cell->saved);
    strata_json_real(ctx, json, "redecided_share", cell->redecided);
    strata_json_integer(ctx, json, "reduced_bytes", cell->bytes);
    strata_json_integer(ctx, json, "reduced_calls", cell->calls);
    strata_json_real(ctx, json, "bytes_per_point", cell->bytes_per_point);
    strata_json_real(ctx, json, "bytes_per_point_measured", cell->bytes_measured);
    strata_json_close(ctx, json);
}

static void add_start(strata_context *ctx, strata_json *json, const bench_case *c)
{
    strata_json_open(ctx, json, "start", '[');
    for (int32_t j = 0; j < c->k; j++) {
        strata_json_open(ctx, json, NULL, '[');
        for (int32_t f = 0; f < c->d; f++)
            strata_json_real(ctx, json, NULL,
                             ldexp((double)c->start[j * c->d + f], c->step_exponent));
        strata_json_close(ctx, json);
    }
    strata_json_close(ctx, json);
}

static void add_case(strata_context *ctx, strata_json *json, const bench_case *c)
{
    strata_json_open(ctx, json, NULL, '{');
    strata_json_integer(ctx, json, "ranks", c->ranks);
    strata_json_integer(ctx, json, "n", c->n);
    strata_json_integer(ctx, json, "d", c->d);
    strata_json_integer(ctx, json, "k", c->k);
    strata_json_text(ctx, json, "seeding", c->seeding);
    strata_json_real(ctx, json, "read_bytes_per_second", 1 / bench_median(&c->read));
    strata_json_real(ctx, json, "read_bytes_per_second_best", 1 / bench_min(&c->read));
    strata_json_real(ctx, json, "allreduce_seconds", c->reduce);
    if (c->start) {
        strata_json_real(ctx, json, "seeding_inertia", c->seeding_inertia);
        add_samples(ctx, json, "seeding_seconds", &c->seeding_time);
        add_start(ctx, json, c);
    }
    strata_json_open(ctx, json, "variants", '[');
    for (int32_t v = 0; v < c->n_cells; v++)
        add_cell(ctx, json, c, &c->cell[v]);
    strata_json_close(ctx, json);
    strata_json_close(ctx, json);
}

strata_status bench_write_json(strata_context *ctx, const bench_plan *plan,
                               const bench_report *report, const char *path)
{
    strata_status rc = STRATA_OK;
    strata_json json = {0};
    char build[64];
    strata_json_open(ctx, &json, NULL, '{');
    strata_json_text(ctx, &json, "version", strata_version());
    strata_json_text(ctx, &json, "commit", strata_commit());
    strata_json_text(ctx, &json, "build", build_type(build, sizeof build));
    strata_json_text(ctx, &json, "processor", report->processor);
    strata_json_integer(ctx, &json, "cores", report->cores);
    strata_json_text(ctx, &json, "kernel", report->kernel);
    strata_json_text(ctx, &json, "data", source_of(plan));
    strata_json_unsigned(ctx, &json, "seed", plan->seed);
    strata_json_integer(ctx, &json, "truth_clusters", plan->input ? 0 : plan->truth);
    strata_json_integer(ctx, &json, "repetitions", plan->repetitions);
    strata_json_integer(ctx, &json, "restarts", plan->sweep ? plan->restarts : 1);
    strata_json_boolean(ctx, &json, "sweep", plan->sweep);
    strata_json_open(ctx, &json, "k", '[');
    for (int32_t i = 0; i < plan->n_k; i++)
        strata_json_integer(ctx, &json, NULL, plan->k[i]);
    strata_json_close(ctx, &json);
    strata_json_integer(ctx, &json, "peak_memory_bytes", report->peak_memory);
    strata_json_boolean(ctx, &json, "bits_agree", !report->failed);
    strata_json_open(ctx, &json, "cases", '[');
    for (int64_t i = 0; i < report->n; i++)
        add_case(ctx, &json, &report->cases[i]);
    strata_json_close(ctx, &json);
    strata_json_close(ctx, &json);
    rc = strata_json_write(ctx, &json, path);
    strata_json_release(&json);
    return rc;
}

/* ---- CSV ------------------------------------------------------------------------------------- */

static strata_status add_line(strata_context *ctx, strata_text *text, const bench_plan *plan,
                              const char *kernel, const bench_case *c, const bench_cell *cell)
{
    strata_status rc = STRATA_OK;
    enum { REALS = 10 };
    char digits[REALS][32];
    const double values[REALS] = {bench_min(&cell->iteration),    bench_median(&cell->iteration),
                                  bench_min(&cell->total),        bench_median(&cell->total),
                                  bench_median(&c->seeding_time), cell->saved,
                                  cell->bytes_per_point,          cell->bytes_measured,
                                  iteration_speed_up(c, cell),    total_speed_up(c, cell)};
    for (int i = 0; i < REALS; i++) {
        digits[i][0] = 0; /* an empty field where there is no value */
        if (!isnan(values[i]))
            strata_text_of_double(values[i], digits[i]);
    }
    STRATA_TRY(strata_text_addf(
        ctx, text, "%d,%lld,%d,%d,%s,%s,%s,%d,%d,%d,%d,%s,%s,%s,%s,%s,%s,%s", c->ranks,
        (long long)c->n, (int)c->d, (int)c->k, c->seeding, cell->name, cell->ran,
        (int)plan->repetitions, cell->exact, cell->same, (int)cell->iterations, digits[0],
        digits[1], digits[2], digits[3], digits[4], digits[5], digits[6]));
    STRATA_TRY(strata_text_addf(ctx, text, ",%s,%lld,%lld,%.17g,%s,%s,%s,%s,%s,%s\n", digits[7],
                                (long long)cell->bytes, (long long)cell->calls, cell->inertia,
                                cell->digest, strata_commit(), kernel,
                                plan->input ? "file" : plan->data, digits[8], digits[9]));
done:
    return rc;
}

strata_status bench_write_csv(strata_context *ctx, const bench_plan *plan,
                              const bench_report *report, const char *path)
{
    strata_status rc = STRATA_OK;
    strata_json lines = {0}; /* only its text and its way to a file or "-" */
    strata_text *text = &lines.text;
    STRATA_TRY(strata_text_addf(
        ctx, text,
        "ranks,n,d,k,seeding,variant,ran,repetitions,exact,same_as_lloyd,iterations,"
        "iteration_seconds_min,iteration_seconds_median,total_seconds_min,total_seconds_median,"
        "seeding_seconds_median,distances_saved,bytes_per_point,bytes_per_point_measured,"
        "reduced_bytes,reduced_calls,inertia,digest,commit,kernel,data,iteration_speed_up,"
        "total_speed_up\n"));
    for (int64_t i = 0; i < report->n; i++)
        for (int32_t v = 0; v < report->cases[i].n_cells; v++)
            STRATA_TRY(add_line(ctx, text, plan, report->kernel, &report->cases[i],
                                &report->cases[i].cell[v]));
    text->bytes[--text->length] = 0; /* the writer ends the last line */
    STRATA_TRY(strata_json_write(ctx, &lines, path));
done:
    strata_json_release(&lines);
    return rc;
}
