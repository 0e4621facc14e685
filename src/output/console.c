/* console.c: the screen at the end of a run. A tired analyst reads it top down: verdict, segments,
 * clusters, evidence, gates, accounts, cost, what next. At most 100 columns. */
#include "strata/console.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "strata/dates.h"
#include "strata/money.h"

enum { TEXT = 48 };

/* 1234567 as 1,234,567. */
static const char *count_text(int64_t value, char buffer[TEXT])
{
    return strata_money_format(value, 0, true, buffer);
}

static const char *percent_text(double share, char buffer[TEXT])
{
    if (isnan(share))
        return "-";
    snprintf(buffer, TEXT, "%.1f %%", 100 * share);
    return buffer;
}

/* A double in at most ten columns: counts plainly, measures with as many digits as help. */
static const char *number_text(double value, char buffer[TEXT])
{
    if (isnan(value))
        return "-";
    double size = fabs(value);
    if (size >= 1e9 || (size < 1e-3 && size > 0))
        snprintf(buffer, TEXT, "%.3g", value);
    else
        snprintf(buffer, TEXT, "%.*f", size >= 1000 ? 0 : size >= 10 ? 1 : 3, value);
    return buffer;
}

/* A sentence in lines of at most 80 columns; those after the first are set in by two. */
static void print_sentence(FILE *out, const char *text)
{
    enum { WIDTH = 80 };
    size_t column = 0;
    while (*text) {
        const size_t length = strcspn(text, " ");
        if (column > 0 && column + 1 + length > WIDTH) {
            fputs("\n  ", out);
            column = 2;
        } else if (column > 0) {
            fputc(' ', out);
            column++;
        }
        fprintf(out, "%.*s", (int)length, text);
        column += length;
        text += length;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

static int failed_gates(const strata_result *r)
{
    int failed = 0;
    for (int32_t i = 0; i < r->n_gates; i++)
        failed += r->gates[i].measured && !r->gates[i].passed;
    return failed;
}

static void print_verdict(FILE *out, const strata_result *r)
{
    char users[TEXT], day[11];
    int failed = failed_gates(r), measured = 0;
    for (int32_t i = 0; i < r->n_gates; i++)
        measured += r->gates[i].measured;
    fprintf(out, "\n%s: %s users stratified as of %s",
            failed ? "LOOK AGAIN" : "USABLE",
            count_text(strata_partition_global(&r->population->partition), users),
            strata_day_format(r->population->as_of, day));
    if (!failed) {
        fprintf(out, "; all %d gates passed.\n", measured);
        return;
    }
    fprintf(out, "; %d of %d gates failed:", failed, measured);
    const char *comma = " ";
    for (int32_t i = 0; i < r->n_gates; i++) {
        if (!r->gates[i].measured || r->gates[i].passed)
            continue;
        fprintf(out, "%s%s", comma, r->gates[i].name);
        comma = ", ";
    }
    fputs(".\n", out);
}

static void print_segments(FILE *out, const strata_result *r)
{
    char users[TEXT], share[TEXT], expected[TEXT], revenue[TEXT], recency[TEXT], orders[TEXT],
        money[TEXT];
    fprintf(out, "\n%-18s %12s %8s %9s %9s %9s %8s %12s\n", "Segment", "users", "share", "expected",
            "revenue", "recency d", "orders", "mean spend");
    for (int32_t i = 0; i < r->stratification->n_segments; i++) {
        const strata_segment_summary *s = &r->stratification->segments[i];
        fprintf(out, "%-18s %12s %8s %9s %9s %9s %8s %12s\n", s->name, count_text(s->users, users),
                percent_text(s->share, share), percent_text(s->expected_share, expected),
                percent_text(s->revenue_share, revenue), number_text(s->mean_recency_days, recency),
                number_text(s->mean_frequency, orders), number_text(s->mean_monetary, money));
    }
    fprintf(out, "Rules take %s of the users (wanted: %s).\n",
            percent_text(r->stratification->coverage, share),
            percent_text(r->config->gates.min_coverage, expected));
}

static void print_selection(FILE *out, const strata_result *r)
{
    char h[TEXT], s[TEXT], c[TEXT], smallest[TEXT];
    if (!r->selection)
        return;
    fprintf(out, "\n%-18s %12s %10s %10s %10s %12s\n", "k", "inertia", "silhouette", "stability",
            "CH index", "smallest");
    for (int32_t i = 0; i < r->selection->n; i++) {
        const strata_k_row *row = &r->selection->rows[i];
        fprintf(out, "%-18" PRId32 " %12.10g %10s %10s %10s %12s%s\n", row->k, row->inertia,
                number_text(row->silhouette, h), number_text(row->stability, s),
                number_text(row->calinski_harabasz, c), count_text(row->smallest, smallest),
                row->chosen     ? "  chosen"
                : row->eligible ? ""
                : row->stable   ? "  too small"
                                : "  unstable");
    }
    print_sentence(out, r->selection->reason);
}

static void print_clusters(FILE *out, const strata_result *r)
{
    const strata_clustering *c = r->clustering;
    const strata_scaler *scaler = r->scaler;
    char users[TEXT], share[TEXT], value[TEXT], line[256];
    int64_t all = r->rows ? r->rows->n : strata_partition_global(&r->population->partition);
    const int32_t shown = c->d < 4 ? c->d : 4; /* what fits the screen; the file has all */
    fprintf(out, "\n%-18s %12s %8s", "Cluster", "users", "share");
    for (int32_t f = 0; f < shown; f++)
        fprintf(out, " %12.12s", r->config->cluster.features[f]);
    fputs(shown < c->d ? " ...\n" : "\n", out);
    for (int32_t k = 0; k < c->k; k++) {
        fprintf(out, "%-18" PRId32 " %12s %8s", k, count_text(c->sizes[k], users),
                percent_text((double)c->sizes[k] / (double)all, share));
        for (int32_t f = 0; f < shown; f++)
            fprintf(out, " %12s",
                    number_text(strata_scaler_original(scaler, f, c->centroids[k * c->d + f]),
                                value));
        fputc('\n', out);
    }
    const int32_t starts =
        strcmp(r->config->cluster.init, "centroids") == 0 ? 1 : r->config->cluster.restarts;
    snprintf(line, sizeof line,
             "Centres in original units, by variant %s%s. Inertia %.10g, %" PRId32
             " iteration%s%s, best of %" PRId32 " start%s.",
             c->variant, c->exact ? "" : " (NOT exact)", c->inertia, c->iterations,
             c->iterations == 1 ? "" : "s", c->converged ? "" : " (NOT converged)", starts,
             starts == 1 ? "" : "s");
    print_sentence(out, line);
    if (c->reason[0])
        print_sentence(out, c->reason);
}

/* What a test says, in the words of the screen. An effect below significance.min_effect is too small
 * to act on, however certain it is. */
static const char *test_verdict(const strata_result *r, const strata_test *t)
{
    if (isnan(t->log10_p_adjusted))
        return "not defined";
    if (t->significant)
        return "differs";
    return t->log10_p_adjusted < log10(r->config->significance.alpha) ? "too small to matter"
                                                                        : "no evidence";
}

static const char *p_text(double log10_p, char buffer[TEXT])
{
    if (isnan(log10_p))
        return "-";
    if (log10_p < -3)
        snprintf(buffer, TEXT, "1e%.0f", log10_p);
    else
        snprintf(buffer, TEXT, "%.4f", pow(10, log10_p));
    return buffer;
}

/* Beside the headline statistic the file also holds the classic and the rank test; agreement has a line
 * of its own. */
static bool belongs_on_screen(const strata_test *t)
{
    static const char *const left_out[] = {"anova", "kruskal_wallis", "adjusted_rand",
                                           "normalised_mutual_information"};
    for (size_t i = 0; i < sizeof left_out / sizeof left_out[0]; i++)
        if (strcmp(t->test, left_out[i]) == 0)
            return false;
    return true;
}

static void print_tests_of(FILE *out, const strata_result *r, strata_sample sample)
{
    char statistic[TEXT], effect[TEXT], p[TEXT];
    const bool descriptive = sample == STRATA_SAMPLE_DESCRIPTIVE;
    for (int32_t i = 0; i < r->significance->n_tests; i++) {
        const strata_test *t = &r->significance->tests[i];
        if (t->sample != sample || !belongs_on_screen(t))
            continue;
        fprintf(out, "  %-8s %-13.13s %-14.14s %10s %9s  %-13.13s %9s  %s\n",
                strata_grouping_name(t->grouping), t->variable, t->test,
                number_text(t->statistic, statistic),
                descriptive ? "not valid" : p_text(t->log10_p_adjusted, p), t->effect_name,
                number_text(t->effect_size, effect), descriptive ? "" : test_verdict(r, t));
    }
}

static void print_tests(FILE *out, const strata_result *r)
{
    const strata_significance *s = r->significance;
    char agreement[TEXT];
    fprintf(out, "\n  %-8s %-13s %-14s %10s %9s  %-13s %9s\n", "Groups", "variable", "test",
            "statistic", "adj. p", "effect", "size");
    if (r->population->has_holdout) {
        fputs("Hold-out: labels frozen before the hold-out period, tested on what came after\n", out);
        print_tests_of(out, r, STRATA_SAMPLE_HOLDOUT);
    } else {
        fputs("Hold-out: none (window.holdout_days is 0), so no p-value below proves the groups\n", out);
    }
    fputs("External: variables that took no part in making the groups\n", out);
    print_tests_of(out, r, STRATA_SAMPLE_EXTERNAL);
    fputs("Descriptive: on the data that made the groups; read the effect sizes only\n", out);
    print_tests_of(out, r, STRATA_SAMPLE_DESCRIPTIVE);
    fprintf(out, "Agreement of segments and clusters: adjusted Rand %s", number_text(s->adjusted_rand, agreement));
    fprintf(out, ", normalised mutual information %s (0 chance, 1 the same).\n",
            number_text(s->normalised_mutual_information, agreement));
}

static void print_gates(FILE *out, const strata_result *r)
{
    char value[TEXT], threshold[TEXT];
    fprintf(out, "\n%-30s %12s %12s\n", "Gate", "value", "threshold");
    for (int32_t i = 0; i < r->n_gates; i++) {
        const strata_gate *g = &r->gates[i];
        fprintf(out, "%-30s %12s %12s  %s\n", g->name, number_text(g->value, value),
                number_text(g->threshold, threshold),
                !g->measured ? "not measured"
                : g->passed  ? "passed"
                             : "FAILED");
    }
}

static void print_accounts(FILE *out, const strata_result *r)
{
    const strata_accounting *a = &r->population->accounting;
    int64_t rejected = 0, dropped = 0;
    char read[TEXT], accepted[TEXT], bad[TEXT], cleaned[TEXT], outside[TEXT], twice[TEXT];
    for (int i = 0; i < STRATA_REJECT_COUNT; i++)
        rejected += a->rejected[i];
    for (int i = 0; i < STRATA_DROP_COUNT; i++)
        dropped += a->dropped[i];
    fprintf(out,
            "\nRows: %s read = %s accepted + %s rejected + %s dropped + %s outside + %s duplicate\n",
            count_text(a->read, read), count_text(a->accepted, accepted), count_text(rejected, bad),
            count_text(dropped, cleaned), count_text(a->outside, outside),
            count_text(a->duplicate, twice));
    for (int i = 0; i < STRATA_REJECT_COUNT; i++)
        if (a->rejected[i])
            fprintf(out, "  rejected  %-28s %12s\n", strata_reject_text((strata_reject)i),
                    count_text(a->rejected[i], read));
    for (int i = 0; i < STRATA_DROP_COUNT; i++)
        if (a->dropped[i])
            fprintf(out, "  dropped   %-28s %12s\n", strata_drop_text((strata_drop)i),
                    count_text(a->dropped[i], read));
    if (!isnan(a->outlier_low))
        fprintf(out, "  outliers  %-28s %12s\n", "flagged or clipped, accepted",
                count_text(a->flagged, read));
    if (r->config->input.rejects_file && rejected)
        fprintf(out, "  where and why: %s\n", r->config->input.rejects_file);
}

static void print_cost(FILE *out, const strata_result *r, const strata_console *c)
{
    char rate[TEXT];
    fprintf(out, "\n%-20s %9s %9s %9s %16s\n", "Phase (seconds)", "min", "mean", "max", "rows/s");
    for (int32_t i = 0; i < r->n_timings; i++) {
        const strata_timing *t = &r->timings[i];
        bool rated = t->rows > 0 && t->max > 0;
        fprintf(out, "%-20s %9.3f %9.3f %9.3f %16s\n", t->phase, t->min, t->mean, t->max,
                rated ? count_text((int64_t)((double)t->rows / t->max), rate) : "-");
    }
    fprintf(out, "%d rank%s, at most %.1f MiB each.\n", c->ranks, c->ranks == 1 ? "" : "s",
            (double)c->peak_memory / 1048576.0);
}

void strata_console_summary(FILE *out, const strata_result *r, const strata_console *c)
{
    print_verdict(out, r);
    print_segments(out, r);
    print_clusters(out, r);
    print_selection(out, r);
    print_tests(out, r);
    print_gates(out, r);
    print_accounts(out, r);
    print_cost(out, r, c);
    fprintf(out, "\nResult: %s (content digest %s)\n", c->path, c->digest);
    fprintf(out, "Next:   strata inspect %s\n", c->path);
    fflush(out);
}

/* What the reader of a clustering has to know before trusting it. */
static void print_notes(FILE *out, const strata_result *r)
{
    char count[TEXT];
    const strata_clustering *c = r->clustering;
    int32_t empty = 0;
    for (int32_t f = 0; f < r->scaler->d; f++) {
        bool constant = true;
        for (int32_t k = 1; k < c->k; k++)
            constant = constant && c->centroids[k * c->d + f] == c->centroids[f];
        if (r->scaler->limited[f])
            fprintf(out, "Note: %s value%s of %s lie beyond the grid and were moved to its edge.\n",
                    count_text(r->scaler->limited[f], count), r->scaler->limited[f] == 1 ? "" : "s",
                    r->config->cluster.features[f]);
        if (constant && c->k > 1)
            fprintf(out, "Note: %s is the same in every cluster; it tells them apart nowhere.\n",
                    r->config->cluster.features[f]);
    }
    for (int32_t k = 0; k < c->k; k++)
        empty += c->sizes[k] == 0;
    if (empty)
        fprintf(out, "Note: %" PRId32 " of %" PRId32 " clusters hold no row: there are fewer distinct rows "
                     "on the grid (steps of %.2g) than clusters.\n",
                empty, c->k, ldexp(1, r->scaler->step_exponent));
}

void strata_console_clustering(FILE *out, const strata_result *r, const strata_console *c)
{
    char rows[TEXT], line[512];
    const int32_t d = r->config->cluster.n_features, k = r->clustering->k;
    int at = snprintf(line, sizeof line, "CLUSTERED: %s row%s by", count_text(r->rows->n, rows),
                      r->rows->n == 1 ? "" : "s");
    for (int32_t f = 0; f < d && f < 8; f++)
        at += snprintf(line + at, sizeof line - (size_t)at, "%s %.40s", f ? "," : "",
                       r->config->cluster.features[f]);
    snprintf(line + at, sizeof line - (size_t)at, "%s into %" PRId32 " cluster%s.",
             d > 8 ? ", ..." : "", k, k == 1 ? "" : "s");
    fputc('\n', out);
    print_sentence(out, line);
    print_clusters(out, r);
    print_selection(out, r);
    print_notes(out, r);
    print_cost(out, r, c);
    fprintf(out, "\nResult: %s (content digest %s)\n", c->path, c->digest);
    fprintf(out, "Next:   strata inspect %s\n", c->path);
    fflush(out);
}
