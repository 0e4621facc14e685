/* select.c: fits a range of k and chooses one. */
#include "cluster/select.h"

#include <stdio.h>
#include <string.h>

#include "strata/memory.h"
#include "strata/par.h"

static strata_status check_range(strata_context *ctx, const strata_k_options *o)
{
    strata_status rc = STRATA_OK;
    if (o->k_min < 2 || o->k_max < o->k_min || o->k_max > STRATA_K_MAX)
        STRATA_FAIL(ctx, STRATA_ERR_USAGE,
                    "choosing k needs 2 <= k_min <= k_max <= %d, not %d and %d", (int)STRATA_K_MAX,
                    (int)o->k_min, (int)o->k_max);
    if (o->k != 0 && (o->k < o->k_min || o->k > o->k_max))
        STRATA_FAIL(ctx, STRATA_ERR_USAGE, "k = %d lies outside k_min..k_max (%d..%d)", (int)o->k,
                    (int)o->k_min, (int)o->k_max);
    if (o->replicates < 1)
        STRATA_FAIL(ctx, STRATA_ERR_USAGE, "choosing k needs at least one bootstrap replicate");
    if (o->fit.init && strcmp(o->fit.init, "centroids") == 0)
        STRATA_FAIL(ctx, STRATA_ERR_USAGE,
                    "given centroids fix k; they do not go with choosing it");
done:
    return rc;
}

/* Collective. One k: fit and judge. Its labels are not kept: they follow from the centroids. */
static strata_status judge(const strata_problem *problem, const strata_pool *pool,
                           const strata_k_options *o, strata_k_row *row, strata_clustering *found)
{
    strata_status rc = STRATA_OK;
    strata_context *ctx = problem->ctx;
    strata_cluster_options fit = o->fit;
    fit.k = row->k;
    fit.start = NULL;
    fit.weights = NULL;
    STRATA_TRY(strata_fit_problem(problem, &fit, found));
    STRATA_TRY(strata_judge_rows(problem, found, row));
    STRATA_AGREE(ctx, strata_judge_silhouette(ctx, pool, found, row));
    STRATA_TRY(strata_judge_stability(ctx, pool, found, o, row));
    strata_free(&found->labels);
    row->stable = row->stability >= o->min_stability;
    row->eligible = row->stable && row->smallest > o->min_size &&
                    (double)row->smallest >= o->min_share * (double)problem->n_global;
done:
    return rc;
}

/* Rows by rising k: the smallest within one standard error of the best that may be taken. */
static void choose(const strata_k_options *o, strata_k_selection *s)
{
    const strata_k_row *best = NULL, *taken = NULL;
    for (int32_t i = 0; i < s->n; i++)
        if (s->rows[i].eligible && (!best || s->rows[i].silhouette > best->silhouette))
            best = &s->rows[i];
    bool any = best != NULL;
    for (int32_t i = 0; i < s->n && !any; i++)
        if (!best || s->rows[i].silhouette > best->silhouette)
            best = &s->rows[i];
    for (int32_t i = 0; i < s->n && !taken; i++)
        if (any ? s->rows[i].eligible &&
                      s->rows[i].silhouette >= best->silhouette - best->silhouette_error
                : &s->rows[i] == best)
            taken = &s->rows[i];
    if (o->k != 0) {
        snprintf(s->reason, sizeof s->reason, "k = %d as asked; the criteria would take k = %d",
                 (int)o->k, (int)taken->k);
        taken = &s->rows[o->k - o->k_min];
    } else if (any) {
        snprintf(
            s->reason, sizeof s->reason,
            "k = %d: the smallest k with silhouette %.3f within one standard error of the best "
            "(%.3f at k = %d) whose clusters are all stable (Jaccard %.2f) and large enough (%lld "
            "rows)",
            (int)taken->k, taken->silhouette, best->silhouette, (int)best->k, taken->stability,
            (long long)taken->smallest);
    } else {
        snprintf(s->reason, sizeof s->reason,
                 "k = %d by silhouette alone (%.3f): no k from %d to %d has clusters that are all "
                 "stable (Jaccard from %.2f on) and large enough (more than %lld rows and %.3g%% of all)",
                 (int)taken->k, taken->silhouette, (int)o->k_min, (int)o->k_max, o->min_stability,
                 (long long)o->min_size, 100 * o->min_share);
    }
    s->k = taken->k;
    s->rows[taken - s->rows].chosen = true;
}

/* Collective. Fits and judges all; keeps every clustering without its labels in found [n]. */
static strata_status sweep(const strata_problem *problem, const strata_k_options *o,
                           strata_k_selection *s, strata_clustering *found)
{
    strata_status rc = STRATA_OK;
    strata_pool pool = {0};
    STRATA_TRY(strata_pool_draw(problem, o->fit.seed, &pool));
    for (int32_t i = 0; i < s->n; i++) {
        s->rows[i].k = o->k_min + i;
        STRATA_TRY(judge(problem, &pool, o, &s->rows[i], &found[i]));
    }
done:
    strata_pool_release(&pool);
    return rc;
}

strata_status strata_cluster_select_k(strata_context *ctx, const strata_points *points,
                                      const strata_k_options *options, strata_k_selection *out)
{
    strata_status rc = STRATA_OK;
    strata_problem problem = {0};
    strata_k_selection s = {0};
    strata_clustering *found = NULL;
    STRATA_AGREE(ctx, check_range(ctx, options));
    STRATA_TRY(strata_problem_init(ctx, points, NULL, options->fit.kernel, &problem));
    if (problem.n_global < 1)
        STRATA_FAIL(ctx, STRATA_ERR_INPUT, "there are no points to cluster");
    s.n = options->k_max - options->k_min + 1;
    strata_status local = strata_calloc(ctx, s.n, sizeof *s.rows, &s.rows);
    if (local == STRATA_OK)
        local = strata_calloc(ctx, s.n, sizeof *found, &found);
    STRATA_AGREE(ctx, local);
    STRATA_TRY(sweep(&problem, options, &s, found));
    choose(options, &s);
    s.clustering = found[s.k - options->k_min];
    found[s.k - options->k_min] = (strata_clustering){0};
    STRATA_AGREE(
        ctx, strata_alloc(ctx, points->n_local, sizeof *s.clustering.labels, &s.clustering.labels));
    STRATA_TRY(
        strata_cluster_label(&problem, s.k, s.clustering.centroids, s.clustering.labels, NULL));
    *out = s;
    s = (strata_k_selection){0};
done:
    for (int32_t i = 0; found && i <= options->k_max - options->k_min; i++)
        strata_clustering_release(&found[i]);
    strata_free(&found);
    strata_k_selection_release(&s);
    strata_problem_release(&problem);
    return rc;
}

void strata_k_selection_release(strata_k_selection *selection)
{
    strata_free(&selection->rows);
    strata_clustering_release(&selection->clustering);
}
