/* The summary of a run for programs: what the screen says, under stable names. */
#include "strata/console.h"

#include <math.h>
#include <string.h>

#include "strata/dates.h"
#include "strata/json.h"
#include "strata/money.h"

static void add_rows(strata_context *ctx, strata_json *json, const strata_accounting *a)
{
    int64_t rejected = 0, dropped = 0;
    for (int i = 0; i < STRATA_REJECT_COUNT; i++)
        rejected += a->rejected[i];
    for (int i = 0; i < STRATA_DROP_COUNT; i++)
        dropped += a->dropped[i];
    strata_json_open(ctx, json, "rows", '{');
    strata_json_integer(ctx, json, "read", a->read);
    strata_json_integer(ctx, json, "accepted", a->accepted);
    strata_json_integer(ctx, json, "rejected", rejected);
    strata_json_integer(ctx, json, "dropped", dropped);
    strata_json_integer(ctx, json, "outside", a->outside);
    strata_json_integer(ctx, json, "duplicate", a->duplicate);
    strata_json_open(ctx, json, "rejected_by_reason", '{');
    for (int i = 0; i < STRATA_REJECT_COUNT; i++)
        if (a->rejected[i])
            strata_json_integer(ctx, json, strata_reject_text((strata_reject)i), a->rejected[i]);
    strata_json_close(ctx, json);
    strata_json_open(ctx, json, "dropped_by_rule", '{');
    for (int i = 0; i < STRATA_DROP_COUNT; i++)
        if (a->dropped[i])
            strata_json_integer(ctx, json, strata_drop_text((strata_drop)i), a->dropped[i]);
    strata_json_close(ctx, json);
    strata_json_close(ctx, json);
}

static void add_segments(strata_context *ctx, strata_json *json, const strata_result *r)
{
    const double unit = (double)strata_power_of_ten(r->config->money.decimals);
    strata_json_open(ctx, json, "segments", '[');
    for (int32_t i = 0; i < r->stratification->n_segments; i++) {
        const strata_segment_summary *s = &r->stratification->segments[i];
        strata_json_open(ctx, json, NULL, '{');
        strata_json_text(ctx, json, "name", s->name);
        strata_json_integer(ctx, json, "code", s->code);
        strata_json_integer(ctx, json, "users", s->users);
        strata_json_real(ctx, json, "share", s->share);
        strata_json_real(ctx, json, "expected_share", s->expected_share);
        strata_json_real(ctx, json, "revenue", (double)s->revenue / unit);
        strata_json_real(ctx, json, "revenue_share", s->revenue_share);
        strata_json_close(ctx, json);
    }
    strata_json_close(ctx, json);
    strata_json_real(ctx, json, "coverage", r->stratification->coverage);
}

static void add_clusters(strata_context *ctx, strata_json *json, const strata_result *r)
{
    const strata_clustering *c = r->clustering;
    strata_json_open(ctx, json, "clustering", '{');
    strata_json_integer(ctx, json, "k", c->k);
    strata_json_text(ctx, json, "variant", c->variant);
    strata_json_boolean(ctx, json, "exact", c->exact);
    strata_json_text(ctx, json, "reason", c->reason);
    strata_json_real(ctx, json, "inertia", c->inertia);
    strata_json_integer(ctx, json, "iterations", c->iterations);
    strata_json_boolean(ctx, json, "converged", c->converged);
    strata_json_open(ctx, json, "users", '[');
    for (int32_t k = 0; k < c->k; k++)
        strata_json_integer(ctx, json, NULL, c->sizes[k]);
    strata_json_close(ctx, json);
    strata_json_close(ctx, json);
    if (!r->selection)
        return;
    strata_json_open(ctx, json, "k_selection", '{');
    strata_json_text(ctx, json, "reason", r->selection->reason);
    strata_json_open(ctx, json, "candidates", '[');
    for (int32_t i = 0; i < r->selection->n; i++) {
        const strata_k_row *row = &r->selection->rows[i];
        strata_json_open(ctx, json, NULL, '{');
        strata_json_integer(ctx, json, "k", row->k);
        strata_json_real(ctx, json, "inertia", row->inertia);
        strata_json_real(ctx, json, "silhouette", row->silhouette);
        strata_json_real(ctx, json, "stability", row->stability);
        strata_json_real(ctx, json, "silhouette_error", row->silhouette_error);
        strata_json_real(ctx, json, "simplified_silhouette", row->simplified_silhouette);
        strata_json_real(ctx, json, "calinski_harabasz", row->calinski_harabasz);
        strata_json_real(ctx, json, "davies_bouldin", row->davies_bouldin);
        strata_json_integer(ctx, json, "smallest", row->smallest);
        strata_json_boolean(ctx, json, "stable", row->stable);
        strata_json_boolean(ctx, json, "eligible", row->eligible);
        strata_json_boolean(ctx, json, "chosen", row->chosen);
        strata_json_close(ctx, json);
    }
    strata_json_close(ctx, json);
    strata_json_close(ctx, json);
}

static void add_tests(strata_context *ctx, strata_json *json, const strata_significance *s)
{
    strata_json_open(ctx, json, "tests", '[');
    for (int32_t i = 0; i < s->n_tests; i++) {
        const strata_test *t = &s->tests[i];
        strata_json_open(ctx, json, NULL, '{');
        strata_json_text(ctx, json, "sample", strata_sample_name(t->sample));
        strata_json_text(ctx, json, "grouping", strata_grouping_name(t->grouping));
        strata_json_text(ctx, json, "variable", t->variable);
        strata_json_text(ctx, json, "test", t->test);
        strata_json_real(ctx, json, "statistic", t->statistic);
        strata_json_real(ctx, json, "log10_p_adjusted", t->log10_p_adjusted);
        strata_json_text(ctx, json, "effect_name", t->effect_name);
        strata_json_real(ctx, json, "effect_size", t->effect_size);
        strata_json_boolean(ctx, json, "significant", t->significant);
        strata_json_text(ctx, json, "note", t->note);
        strata_json_close(ctx, json);
    }
    strata_json_close(ctx, json);
}

static void add_gates(strata_context *ctx, strata_json *json, const strata_result *r)
{
    strata_json_open(ctx, json, "gates", '[');
    for (int32_t i = 0; i < r->n_gates; i++) {
        const strata_gate *g = &r->gates[i];
        strata_json_open(ctx, json, NULL, '{');
        strata_json_text(ctx, json, "name", g->name);
        strata_json_real(ctx, json, "value", g->value);
        strata_json_real(ctx, json, "threshold", g->threshold);
        strata_json_boolean(ctx, json, "measured", g->measured);
        strata_json_boolean(ctx, json, "passed", g->passed);
        strata_json_close(ctx, json);
    }
    strata_json_close(ctx, json);
}

static void add_timings(strata_context *ctx, strata_json *json, const strata_result *r)
{
    strata_json_open(ctx, json, "timings", '[');
    for (int32_t i = 0; i < r->n_timings; i++) {
        const strata_timing *t = &r->timings[i];
        strata_json_open(ctx, json, NULL, '{');
        strata_json_text(ctx, json, "phase", t->phase);
        strata_json_real(ctx, json, "min", t->min);
        strata_json_real(ctx, json, "mean", t->mean);
        strata_json_real(ctx, json, "max", t->max);
        strata_json_integer(ctx, json, "rows", t->rows);
        strata_json_close(ctx, json);
    }
    strata_json_close(ctx, json);
}

strata_status strata_console_json(strata_context *ctx, const char *path, const strata_result *r,
                                  const strata_console *c)
{
    strata_status rc = STRATA_OK;
    strata_json json = {0};
    char day[11];
    strata_json_open(ctx, &json, NULL, '{');
    strata_json_text(ctx, &json, "result", c->path);
    strata_json_text(ctx, &json, "content_digest", c->digest);
    strata_json_integer(ctx, &json, "users", strata_partition_global(&r->population->partition));
    strata_json_text(ctx, &json, "window_start",
                     strata_day_format(r->population->window_start, day));
    strata_json_text(ctx, &json, "as_of", strata_day_format(r->population->as_of, day));
    add_rows(ctx, &json, &r->population->accounting);
    add_segments(ctx, &json, r);
    add_clusters(ctx, &json, r);
    add_tests(ctx, &json, r->significance);
    add_gates(ctx, &json, r);
    add_timings(ctx, &json, r);
    strata_json_integer(ctx, &json, "ranks", c->ranks);
    strata_json_integer(ctx, &json, "peak_memory_bytes", c->peak_memory);
    strata_json_close(ctx, &json);
    rc = strata_json_write(ctx, &json, path);
    strata_json_release(&json);
    return rc;
}

strata_status strata_console_clustering_json(strata_context *ctx, const char *path,
                                             const strata_result *r, const strata_console *c)
{
    strata_json json = {0};
    strata_json_open(ctx, &json, NULL, '{');
    strata_json_text(ctx, &json, "result", c->path);
    strata_json_text(ctx, &json, "content_digest", c->digest);
    strata_json_integer(ctx, &json, "rows", r->rows->n);
    strata_json_open(ctx, &json, "features", '[');
    for (int32_t f = 0; f < r->config->cluster.n_features; f++)
        strata_json_text(ctx, &json, NULL, r->config->cluster.features[f]);
    strata_json_close(ctx, &json);
    add_clusters(ctx, &json, r);
    strata_json_open(ctx, &json, "limited", '{');
    for (int32_t f = 0; f < r->scaler->d; f++)
        strata_json_integer(ctx, &json, r->config->cluster.features[f], r->scaler->limited[f]);
    strata_json_close(ctx, &json);
    add_timings(ctx, &json, r);
    strata_json_integer(ctx, &json, "ranks", c->ranks);
    strata_json_integer(ctx, &json, "peak_memory_bytes", c->peak_memory);
    strata_json_close(ctx, &json);
    strata_status rc = strata_json_write(ctx, &json, path);
    strata_json_release(&json);
    return rc;
}
