/* strata inspect: what is in a result, on one screen. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "inspect_sheet.h"

#include "strata/output.h"

typedef struct request {
    const char *path;
    bool json, config;
} request;

typedef struct contents {
    strata_reader *reader;
    const char *path;
    int64_t users;
    sheet segments, segment_names, selection, clusters, tests, gates, quality, timings, inputs;
} contents;

/* ---- numbers for people ---------------------------------------------------------------------- */

/* 1,234,567 */
static const char *grouped(int64_t value, char buffer[40])
{
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%" PRId64, value), used = 0;
    for (int i = 0; i < n; i++) {
        buffer[used++] = digits[i];
        int left = n - 1 - i;
        if (left > 0 && left % 3 == 0 && digits[i] != '-')
            buffer[used++] = ',';
    }
    buffer[used] = '\0';
    return buffer;
}

/* 1,234.56, large ones without decimals; "-" for NaN. */
static const char *decimal(double value, char buffer[40])
{
    char whole[40], rounded[400];
    if (isnan(value) || fabs(value) > 9e15)
        return isnan(value) ? "-" : (snprintf(buffer, 40, "%.6g", value), buffer);
    int places = fabs(value) < 1e6 ? 2 : 0;
    snprintf(rounded, sizeof rounded, "%.*f", places, fabs(value));
    const char *point = strchr(rounded, '.');
    int64_t integer = 0;
    for (const char *c = rounded; *c && *c != '.'; c++)
        integer = 10 * integer + (*c - '0');
    snprintf(buffer, 40, "%s%.30s%.3s", value < 0 ? "-" : "", grouped(integer, whole),
             point ? point : "");
    return buffer;
}

static const char *percent(double share, char buffer[40])
{
    if (isnan(share))
        return "-";
    snprintf(buffer, 40, "%.1f %%", 100 * share);
    return buffer;
}

/* "p = 0.0123", "p = 10^-8503" */
static const char *p_value(double log10_p, char buffer[40])
{
    if (isnan(log10_p))
        return "-";
    if (log10_p > -4)
        snprintf(buffer, 40, "p = %.4f", pow(10, log10_p));
    else
        snprintf(buffer, 40, "p = 10^%.0f", log10_p);
    return buffer;
}

static const char *attribute(const contents *c, const char *path, const char *name)
{
    const char *value = "";
    return strata_reader_attribute_text(c->reader, path, name, &value) ? value : "";
}

static int64_t number(const contents *c, const char *path, const char *name)
{
    int64_t value = 0;
    return strata_reader_attribute_integer(c->reader, path, name, &value) ? value : 0;
}

/* Whether the variant was one that is not exact; a file that does not say is of an exact one. */
static bool is_inexact(const contents *c)
{
    int64_t exact = 1;
    return strata_reader_attribute_integer(c->reader, "/model", "exact", &exact) && exact == 0;
}

/* ---- the screen ------------------------------------------------------------------------------ */

/* Text of a file that is not trusted, without control characters that a terminal would obey. */
static void print_clean(const char *text, int limit)
{
    for (int i = 0; text[i] && i < limit; i++)
        putchar((unsigned char)text[i] < 0x20 || text[i] == 0x7f ? '?' : text[i]);
}

static void show_head(const contents *c)
{
    char users[40];
    const char *digest = attribute(c, "/", "content_digest");
    print_clean(c->path, 400);
    if (*attribute(c, "/", "as_of")) {
        printf("\n  %s users as of ", grouped(c->users, users));
        print_clean(attribute(c, "/", "as_of"), 32);
        printf(" (window from ");
        print_clean(attribute(c, "/", "window_start"), 32);
        printf("), written by ");
    } else { /* clustered features know no days */
        printf("\n  %s rows, written by ", grouped(c->users, users));
    }
    print_clean(attribute(c, "/", "producer"), 40);
    printf("\n  content digest ");
    print_clean(digest, 32);
    putchar('\n');
}

static void show_segments(const contents *c)
{
    char a[40], b[40], d[40], e[40], f[40], g[40], h[40];
    const sheet *s = &c->segments;
    if (s->rows == 0)
        return;
    printf("\n%-18s%14s %8s %8s %18s %8s %8s %8s\n", "Segment", "users", "share", "expected",
           "revenue", "share", "recency", "orders");
    for (int64_t i = 0; i < s->rows; i++) {
        int64_t code = sheet_integer(s, "code", i);
        printf(
            "%-18.18s%14s %8s %8s %18s %8s %8s %8s\n", sheet_name_of(&c->segment_names, code, "?"),
            grouped(sheet_integer(s, "users", i), a), percent(sheet_real(s, "share", i), b),
            percent(sheet_real(s, "expected_share", i), d), decimal(sheet_real(s, "revenue", i), e),
            percent(sheet_real(s, "revenue_share", i), f),
            decimal(sheet_real(s, "mean_recency_days", i), g),
            decimal(sheet_real(s, "mean_frequency", i), h));
    }
}

static void show_selection(const contents *c)
{
    char a[40], b[40], d[40], e[40], f[40];
    const sheet *s = &c->selection;
    if (s->rows == 0)
        return;
    printf("\n%7s %17s %12s %12s %12s %12s\n", "k", "inertia", "silhouette", "stability",
           "CH index", "smallest");
    for (int64_t i = 0; i < s->rows; i++)
        printf("%7" PRId64 " %17s %12s %12s %12s %12s%s\n", sheet_integer(s, "k", i),
               decimal(sheet_real(s, "inertia", i), a), decimal(sheet_real(s, "silhouette", i), b),
               decimal(sheet_real(s, "stability", i), d),
               decimal(sheet_real(s, "calinski_harabasz", i), e),
               grouped(sheet_integer(s, "smallest", i), f),
               sheet_integer(s, "chosen", i) == 1     ? "  chosen"
               : sheet_integer(s, "eligible", i) == 1 ? ""
                                                      : "  not eligible");
    printf("  ");
    print_clean(attribute(c, "/k_selection", "reason"), 1000);
    putchar('\n');
}

/* The feature that a column `<feature>_center` is about; false for other columns. */
static bool feature_of(const char *column, char feature[64])
{
    static const char suffix[] = "_center";
    size_t length = strlen(column), tail = sizeof suffix - 1;
    if (length <= tail || length - tail >= 64 || strcmp(column + length - tail, suffix) != 0)
        return false;
    memcpy(feature, column, length - tail);
    feature[length - tail] = '\0';
    return true;
}

static void show_clusters(const contents *c)
{
    enum { SHOWN = 4 }; /* more features do not fit the screen; --json has them all */
    char a[40], b[40], feature[64], column[80];
    const sheet *s = &c->clusters;
    double inertia = NAN;
    int32_t features = 0, shown = 0;
    if (s->rows == 0)
        return;
    strata_reader_attribute_real(c->reader, "/model", "inertia", &inertia);
    printf("\nCluster             users    share");
    for (int32_t i = 0; i < s->view->n_columns; i++)
        if (feature_of(s->view->columns[i].name, feature) && features++ < SHOWN)
            printf(" %15.15s", feature);
    putchar('\n');
    for (int64_t k = 0; k < s->rows; k++) {
        int64_t users = sheet_integer(s, "users", k);
        printf("%7" PRId64 " %17s %8s", sheet_integer(s, "cluster_id", k), grouped(users, a),
               percent(c->users > 0 ? (double)users / (double)c->users : NAN, b));
        shown = 0;
        for (int32_t i = 0; i < s->view->n_columns; i++) {
            if (!feature_of(s->view->columns[i].name, feature) || shown++ >= SHOWN)
                continue;
            snprintf(column, sizeof column, "%s_center", feature);
            printf(" %15s", decimal(sheet_real(s, column, k), a));
        }
        putchar('\n');
    }
    printf("  centres in original units%s; transform ", features > SHOWN ? ", the first four" : "");
    print_clean(attribute(c, "/model", "transform"), 20);
    printf(", scale ");
    print_clean(attribute(c, "/model", "scale"), 20);
    printf("; inertia %.8g after %" PRId64 " iterations%s\n", inertia,
           number(c, "/model", "iterations"),
           number(c, "/model", "converged") ? "" : ", not converged");
    if (is_inexact(c))
        printf("  NOT exact: plain K-means moves the centroids elsewhere\n");
}

static void show_tests(const contents *c)
{
    static const char *const samples[] = {"holdout", "external", "descriptive"};
    static const char *const meanings[] = {
        "Hold-out tests (labels frozen, later period)",
        "External tests (variables not used for the groups)",
        "Descriptive tests (the data that made the groups: p is not valid)"};
    char p[40];
    for (int k = 0; k < 3; k++) {
        bool any = false;
        for (int64_t i = 0; i < c->tests.rows; i++) {
            if (strcmp(sheet_text(&c->tests, "sample", i), samples[k]) != 0)
                continue;
            if (!any)
                printf("\n%s\n", meanings[k]);
            any = true;
            double effect = sheet_real(&c->tests, "effect_size", i);
            printf("  %-8.8s %-18.18s %-20.20s %-13s %-16.16s",
                   sheet_text(&c->tests, "grouping", i), sheet_text(&c->tests, "variable", i),
                   sheet_text(&c->tests, "test", i),
                   p_value(sheet_real(&c->tests, "log10_p_adjusted", i), p),
                   sheet_text(&c->tests, "effect_name", i));
            if (isnan(effect))
                printf("       -");
            else
                printf(" %7.4f", effect);
            printf("%s\n", sheet_integer(&c->tests, "significant", i) == 1 ? "  yes" : "");
        }
    }
}

static void show_gates(const contents *c)
{
    if (c->gates.rows > 0)
        printf("\nGates\n");
    for (int64_t i = 0; i < c->gates.rows; i++) {
        int64_t passed = sheet_integer(&c->gates, "passed", i);
        printf("  %-12s %-40.40s",
               passed == 1   ? "passed"
               : passed == 0 ? "FAILED"
                             : "not measured",
               sheet_text(&c->gates, "name", i));
        if (passed >= 0)
            printf(" %.6g", sheet_real(&c->gates, "value", i));
        printf(" (limit %.6g)\n", sheet_real(&c->gates, "threshold", i));
    }
}

static void show_rows(const contents *c)
{
    char a[40], b[40];
    if (c->quality.rows > 0)
        printf("\nRows\n");
    for (int64_t i = 0; i < c->quality.rows; i++) {
        int64_t rows = sheet_integer(&c->quality, "rows", i);
        if (rows == 0)
            continue;
        printf("  %-58.58s %16s %8s\n", sheet_text(&c->quality, "rule", i), grouped(rows, a),
               percent(sheet_real(&c->quality, "share", i), b));
    }
}

static void show_making(const contents *c)
{
    char a[40];
    printf("\nHow it was made\n  ");
    print_clean(attribute(c, "/provenance", "created"), 32);
    printf(" on %" PRId64 " ranks of ", number(c, "/provenance", "ranks"));
    print_clean(attribute(c, "/provenance", "hosts"), 60);
    printf("; clustering variant ");
    print_clean(attribute(c, "/provenance", "variant"), 20);
    printf("%s\n  ", is_inexact(c) ? " (NOT exact)" : "");
    print_clean(attribute(c, "/provenance", "command_line"), 400);
    putchar('\n');
    for (int64_t i = 0; i < c->timings.rows; i++) {
        int64_t rows = sheet_integer(&c->timings, "rows", i);
        double longest = sheet_real(&c->timings, "max", i);
        printf("  %-16.16s %9.3f s (min %.3f, mean %.3f)", sheet_text(&c->timings, "phase", i),
               longest, sheet_real(&c->timings, "min", i), sheet_real(&c->timings, "mean", i));
        if (rows > 0 && longest > 0)
            printf("  %s rows/s", grouped((int64_t)((double)rows / longest), a));
        putchar('\n');
    }
    printf("\nstrata inspect --config FILE prints the configuration; strata verify FILE checks it "
           "all.\n");
}

static void show(const contents *c)
{
    show_head(c);
    show_segments(c);
    show_selection(c);
    show_clusters(c);
    show_tests(c);
    show_gates(c);
    show_rows(c);
    show_making(c);
}

/* ---- for programs ---------------------------------------------------------------------------- */

static strata_status show_json(strata_context *ctx, const contents *c)
{
    static const char *const roots[] = {"schema_name",  "producer", "as_of",
                                        "window_start", "currency", "content_digest"};
    static const char *const made[] = {"created",      "hosts",        "variant", "versions",
                                       "command_line", "slurm_job_id", "key_id",  "config_yaml"};
    const struct {
        const char *key;
        const sheet *rows;
    } sheets[] = {{"segments", &c->segments}, {"segment_names", &c->segment_names},
                  {"clusters", &c->clusters}, {"tests", &c->tests},
                  {"gates", &c->gates},       {"quality", &c->quality},
                  {"timings", &c->timings},   {"inputs", &c->inputs}};
    strata_json json = {0};
    double inertia = NAN;
    strata_reader_attribute_real(c->reader, "/model", "inertia", &inertia);
    strata_json_open(ctx, &json, NULL, '{');
    for (size_t i = 0; i < sizeof roots / sizeof *roots; i++)
        strata_json_text(ctx, &json, roots[i], attribute(c, "/", roots[i]));
    strata_json_integer(ctx, &json, "schema_version", number(c, "/", "schema_version"));
    strata_json_integer(ctx, &json, "users", c->users);
    strata_json_real(ctx, &json, "inertia", inertia);
    strata_json_integer(ctx, &json, "iterations", number(c, "/model", "iterations"));
    strata_json_boolean(ctx, &json, "converged", number(c, "/model", "converged") != 0);
    strata_json_boolean(ctx, &json, "exact", !is_inexact(c));
    for (size_t i = 0; i < sizeof sheets / sizeof *sheets; i++)
        sheet_json(ctx, &json, sheets[i].key, sheets[i].rows);
    if (c->selection.rows > 0) {
        strata_json_open(ctx, &json, "k_selection", '{');
        strata_json_text(ctx, &json, "reason", attribute(c, "/k_selection", "reason"));
        sheet_json(ctx, &json, "candidates", &c->selection);
        strata_json_close(ctx, &json);
    }
    strata_json_open(ctx, &json, "provenance", '{');
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        strata_json_text(ctx, &json, made[i], attribute(c, "/provenance", made[i]));
    strata_json_integer(ctx, &json, "ranks", number(c, "/provenance", "ranks"));
    strata_json_close(ctx, &json);
    strata_json_close(ctx, &json);
    strata_status rc = strata_json_write(ctx, &json, "-");
    strata_json_release(&json);
    return rc;
}

/* ---- the command ----------------------------------------------------------------------------- */

static strata_status load(strata_context *ctx, contents *c)
{
    strata_status rc = STRATA_OK;
    const strata_table_view *users = NULL;
    const struct {
        const char *path;
        sheet *rows;
    } sheets[] = {{"/segments", &c->segments},
                  {"/dictionary/segment_code", &c->segment_names},
                  {"/k_selection", &c->selection},
                  {"/clusters", &c->clusters},
                  {"/tests", &c->tests},
                  {"/gates", &c->gates},
                  {"/quality", &c->quality},
                  {"/provenance/timings", &c->timings},
                  {"/provenance/inputs", &c->inputs}};
    STRATA_TRY(strata_reader_open(ctx, c->path, STRATA_READ_RESULT, NULL, &c->reader));
    STRATA_TRY(strata_reader_table(ctx, c->reader, "/users", &users));
    c->users = users->rows;
    for (size_t i = 0; i < sizeof sheets / sizeof *sheets; i++)
        STRATA_TRY(sheet_load(ctx, c->reader, sheets[i].path, sheets[i].rows));
done:
    return rc;
}

static strata_status inspect_file(strata_context *ctx, void *argument)
{
    strata_status rc = STRATA_OK;
    const request *r = argument;
    contents c = {.path = r->path};
    STRATA_TRY(load(ctx, &c));
    if (r->config)
        fputs(attribute(&c, "/provenance", "config_yaml"), stdout);
    else if (r->json)
        STRATA_TRY(show_json(ctx, &c));
    else
        show(&c);
    errno = 0; /* a reader that left early (head) is no failure */
    if ((fflush(stdout) != 0 || ferror(stdout)) && errno != EPIPE)
        STRATA_FAIL(ctx, STRATA_ERR_IO, "standard output could not be written");
done:
    sheet_release(&c.segments);
    sheet_release(&c.segment_names);
    sheet_release(&c.selection);
    sheet_release(&c.clusters);
    sheet_release(&c.tests);
    sheet_release(&c.gates);
    sheet_release(&c.quality);
    sheet_release(&c.timings);
    sheet_release(&c.inputs);
    strata_reader_close(&c.reader);
    return rc;
}

static strata_status run(strata_context *ctx, const strata_command_line *line)
{
    request r = {.path = line->operands[0],
                 .json = strata_option_flag(line, "--json"),
                 .config = strata_option_flag(line, "--config")};
    return strata_guard(ctx, r.path, inspect_file, &r, NULL, 0);
}

static const strata_option options[] = {
    {"--json", 0, STRATA_OPTION_FLAG, NULL, "everything but the users, as JSON on standard output",
     NULL, NULL, 0, 0, false},
    {"--config", 0, STRATA_OPTION_FLAG, NULL, "the configuration that reproduces it, as YAML", NULL,
     NULL, 0, 0, false},
    {0},
};

const strata_command strata_command_inspect = {
    .name = "inspect",
    .usage = "FILE.h5 [--json] [--config]",
    .summary = "show what is in a result and how it was made",
    .options = options,
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
