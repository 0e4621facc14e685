/* judge.c: how good a clustering is. Sums of roots and ratios over rows are taken in fixed
 * point, so that the partition cannot matter. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/select.h"
#include "strata/hash.h"
#include "strata/memory.h"
#include "strata/par.h"

/* ---- criteria of all rows -------------------------------------------------------------------- */

enum { DISTANCE_BITS = 20, RATIO_BITS = 40 }; /* places after the point */

typedef struct row_sums {
    __int128 distance[STRATA_K_MAX]; /* of rows to their centroid, in grid steps */
    __int128 silhouette;
    __int128 sum[STRATA_D_MAX]; /* of the values */
} row_sums;

/* Per row the squared distances to its own and the nearest other centroid, one centroid at a
 * time. */
static void two_nearest(const strata_problem *p, int64_t tile, const strata_clustering *c,
                        int64_t *own, int64_t *other)
{
    int64_t first = tile * STRATA_TILE, points = strata_tile_points(p, tile);
    int64_t distance[STRATA_TILE];
    for (int64_t i = 0; i < points; i++)
        other[i] = INT64_MAX;
    for (int32_t j = 0; j < c->k; j++) {
        if (c->sizes[j] == 0)
            continue;
        p->kernel->distances(p->x + first, p->stride, strata_tile_padded(points), p->d,
                             c->centroids + (int64_t)j * p->d, distance);
        for (int64_t i = 0; i < points; i++) {
            if (c->labels[first + i] == j)
                own[i] = distance[i];
            else
                other[i] = distance[i] < other[i] ? distance[i] : other[i];
        }
    }
}

static void sum_rows(const strata_problem *p, const strata_clustering *c, row_sums *s)
{
    for (int64_t tile = 0; tile < p->n_tiles; tile++) {
        int64_t first = tile * STRATA_TILE, points = strata_tile_points(p, tile);
        int64_t own[STRATA_TILE], other[STRATA_TILE];
        two_nearest(p, tile, c, own, other);
        for (int64_t i = 0; i < points; i++) {
            double a = sqrt((double)own[i]), b = sqrt((double)other[i]);
            s->distance[c->labels[first + i]] += (int64_t)rint(ldexp(a, DISTANCE_BITS));
            if (b > 0 && other[i] < INT64_MAX)
                s->silhouette += (int64_t)rint(ldexp((b - a) / b, RATIO_BITS)); /* a <= b */
        }
        for (int32_t f = 0; f < p->d; f++) {
            int64_t sum = 0;
            for (int64_t i = 0; i < points; i++)
                sum += (int64_t)p->x[f * p->stride + first + i];
            s->sum[f] += sum;
        }
    }
}

/* B / (k - 1) over W / (n - k); total spread = squares - |sum|^2 / n, its numerator exact */
static double calinski_harabasz(const strata_problem *p, const strata_clustering *c,
                                const row_sums *s)
{
    const double n = (double)p->n_global;
    __int128 numerator = p->squares * p->n_global;
    for (int32_t f = 0; f < p->d; f++)
        numerator -= s->sum[f] * s->sum[f];
    double total = strata_exact_scaled(numerator, p->step_exponent) / n;
    if (!(c->inertia > 0))
        return INFINITY;
    return (total - c->inertia) / (c->k - 1) / (c->inertia / (n - c->k));
}

static double davies_bouldin(const strata_problem *p, const strata_clustering *c, const row_sums *s)
{
    double sum = 0;
    int32_t used = 0;
    for (int32_t i = 0; i < c->k; i++) {
        double worst = 0;
        for (int32_t j = 0; j < c->k && c->sizes[i] > 0; j++) {
            int64_t squared = 0;
            if (j == i || c->sizes[j] == 0)
                continue;
            for (int32_t f = 0; f < c->d; f++) {
                int64_t apart = (int64_t)c->centroids[i * p->d + f] - c->centroids[j * p->d + f];
                squared += apart * apart;
            }
            double spread = (double)s->distance[i] / (double)c->sizes[i] +
                            (double)s->distance[j] / (double)c->sizes[j];
            double ratio = ldexp(spread, -DISTANCE_BITS) / sqrt((double)squared);
            worst = ratio > worst ? ratio : worst;
        }
        sum += worst;
        used += c->sizes[i] > 0;
    }
    return sum / used;
}

strata_status strata_judge_rows(const strata_problem *problem, const strata_clustering *clustering,
                                strata_k_row *row)
{
    strata_status rc = STRATA_OK;
    row_sums *s = NULL;
    STRATA_AGREE(problem->ctx, strata_calloc(problem->ctx, 1, sizeof *s, &s));
    sum_rows(problem, clustering, s);
    STRATA_TRY(strata_par_allreduce_i128(problem->ctx, (__int128 *)s,
                                         (int64_t)(sizeof *s / sizeof(__int128))));
    row->k = clustering->k;
    row->inertia = clustering->inertia;
    row->calinski_harabasz = calinski_harabasz(problem, clustering, s);
    row->davies_bouldin = davies_bouldin(problem, clustering, s);
    row->simplified_silhouette =
        ldexp((double)s->silhouette, -RATIO_BITS) / (double)problem->n_global;
    row->smallest = clustering->sizes[0];
    for (int32_t j = 1; j < clustering->k; j++)
        if (clustering->sizes[j] < row->smallest)
            row->smallest = clustering->sizes[j];
done:
    strata_free(&s);
    return rc;
}

/* ---- silhouette ------------------------------------------------------------------------------ */

typedef struct sample {
    int64_t count, of[STRATA_K_MAX]; /* rows, and rows of each cluster */
    int64_t *row;                    /* [count] in the pool */
    int32_t *label;                  /* [count] */
    int32_t k, d;
    int32_t *x; /* [count, d] */
} sample;

static void sample_release(sample *s)
{
    strata_free(&s->row);
    strata_free(&s->label);
    strata_free(&s->x);
}

/* Each cluster's first rows of the pool, in proportion to its size, at least 16. */
static strata_status draw_sample(strata_context *ctx, const strata_pool *pool,
                                 const strata_clustering *c, sample *s)
{
    strata_status rc = STRATA_OK;
    const strata_problem *p = &pool->problem;
    const int64_t room = STRATA_SAMPLE + 17 * (int64_t)c->k;
    int64_t quota[STRATA_K_MAX], total = 0;
    *s = (sample){.k = c->k, .d = p->d};
    for (int32_t j = 0; j < c->k; j++)
        total += c->sizes[j];
    for (int32_t j = 0; j < c->k; j++) {
        quota[j] = (int64_t)(((__int128)STRATA_SAMPLE * c->sizes[j] + total - 1) / total);
        quota[j] = quota[j] < 16 ? 16 : quota[j];
    }
    STRATA_TRY(strata_alloc(ctx, room, sizeof *s->row, &s->row));
    STRATA_TRY(strata_alloc(ctx, room, sizeof *s->label, &s->label));
    STRATA_TRY(strata_alloc(ctx, room * p->d, sizeof *s->x, &s->x));
    for (int64_t i = 0; i < p->n_local; i++) {
        int32_t j = strata_exact_nearest(p, i, c->centroids, c->k, NULL);
        if (s->of[j] == quota[j])
            continue;
        s->of[j]++;
        s->row[s->count] = i;
        s->label[s->count] = j;
        for (int32_t f = 0; f < p->d; f++)
            s->x[s->count * p->d + f] = (int32_t)p->x[f * p->stride + i];
        s->count++;
    }
done:
    return rc;
}

/* (b - a) / max(a, b) of one row; 0 when it is alone, as Rousseeuw defines. */
static double silhouette_of(const sample *s, int64_t i)
{
    double sum[STRATA_K_MAX] = {0}, b = INFINITY;
    const int32_t own = s->label[i];
    for (int64_t q = 0; q < s->count; q++) {
        int64_t squared = 0;
        for (int32_t f = 0; f < s->d; f++) {
            int64_t apart = (int64_t)s->x[i * s->d + f] - s->x[q * s->d + f];
            squared += apart * apart;
        }
        sum[s->label[q]] += sqrt((double)squared);
    }
    if (s->of[own] < 2)
        return 0;
    double a = sum[own] / (double)(s->of[own] - 1);
    for (int32_t j = 0; j < s->k; j++)
        if (j != own && s->of[j] > 0 && sum[j] / (double)s->of[j] < b)
            b = sum[j] / (double)s->of[j];
    if (b == INFINITY || (a == 0 && b == 0))
        return 0;
    return (b - a) / (a > b ? a : b);
}

strata_status strata_judge_silhouette(strata_context *ctx, const strata_pool *pool,
                                      const strata_clustering *clustering, strata_k_row *row)
{
    strata_status rc = STRATA_OK;
    sample s = {0};
    double sum[STRATA_K_MAX] = {0}, square[STRATA_K_MAX] = {0}, total = 0, mean = 0, variance = 0;
    STRATA_TRY(draw_sample(ctx, pool, clustering, &s));
    for (int64_t i = 0; i < s.count; i++) {
        double value = silhouette_of(&s, i);
        sum[s.label[i]] += value;
        square[s.label[i]] += value * value;
    }
    for (int32_t j = 0; j < s.k; j++)
        total += s.of[j] > 0 ? (double)clustering->sizes[j] : 0;
    for (int32_t j = 0; j < s.k; j++) {
        if (s.of[j] == 0)
            continue;
        double n = (double)s.of[j], share = (double)clustering->sizes[j] / total;
        mean += share * (sum[j] / n);
        if (s.of[j] > 1)
            variance += share * share * (square[j] - sum[j] * sum[j] / n) / (n - 1) / n;
    }
    row->silhouette = mean;
    row->silhouette_error = sqrt(variance > 0 ? variance : 0);
done:
    sample_release(&s);
    return rc;
}

/* ---- stability ------------------------------------------------------------------------------- */

/* Poisson(1) by its distribution function times 2^64. */
static int64_t poisson(uint64_t bits)
{
    static const uint64_t below[] = {
        UINT64_C(6786177901268885274),  UINT64_C(13572355802537770549),
        UINT64_C(16965444753172213186), UINT64_C(18096474403383694065),
        UINT64_C(18379231815936564285), UINT64_C(18435783298447138329),
        UINT64_C(18445208545532234003), UINT64_C(18446555009401533385),
        UINT64_C(18446723317385195808), UINT64_C(18446742018272269410),
        UINT64_C(18446743888360976771), UINT64_C(18446744058369041076)};
    int64_t value = 0;
    while (value < (int64_t)(sizeof below / sizeof below[0]) && bits >= below[value])
        value++;
    return value;
}

/* Adds, for each old cluster, its best Jaccard similarity to a new one among the rows drawn, in
 * fixed point. An old cluster without rows drawn adds nothing and is not counted. */
static void add_jaccard(const strata_pool *pool, const int64_t *weights, const int16_t *old,
                        const int16_t *new, int32_t k, int64_t *table, int64_t *sum)
{
    int64_t of_old[STRATA_K_MAX] = {0}, of_new[STRATA_K_MAX] = {0};
    memset(table, 0, (size_t)k * (size_t)k * sizeof *table);
    for (int64_t i = 0; i < pool->points.n_local; i++) {
        if (weights[i] == 0)
            continue;
        table[old[i] * k + new[i]]++;
        of_old[old[i]]++;
        of_new[new[i]]++;
    }
    for (int32_t j = 0; j < k; j++) {
        double best = 0;
        for (int32_t m = 0; m < k && of_old[j] > 0; m++) {
            double both = (double)table[j * k + m];
            double similar = both / ((double)(of_old[j] + of_new[m]) - both);
            best = similar > best ? similar : best;
        }
        sum[j] += (int64_t)rint(ldexp(best, RATIO_BITS));
        sum[k + j] += of_old[j] > 0;
    }
}

static strata_status bootstrap(strata_pool *pool, const strata_clustering *c,
                               const strata_k_options *o, int first, int step, int64_t *sum)
{
    strata_status rc = STRATA_OK;
    strata_context *ctx = &pool->alone;
    const int64_t n = pool->points.n_local;
    int64_t *weights = NULL, *table = NULL;
    int16_t *old = NULL;
    strata_clustering again = {0};
    STRATA_TRY(strata_alloc(ctx, n, sizeof *weights, &weights));
    STRATA_TRY(strata_alloc(ctx, n, sizeof *old, &old));
    STRATA_TRY(strata_alloc(ctx, (int64_t)c->k * c->k, sizeof *table, &table));
    STRATA_TRY(strata_cluster_label(&pool->problem, c->k, c->centroids, old, NULL));
    for (int32_t r = first; r < o->replicates; r += step) {
        strata_cluster_options fit = o->fit;
        int64_t drawn = 0;
        for (int64_t i = 0; i < n; i++) {
            weights[i] = poisson(strata_random_bits(o->fit.seed, STRATA_RANDOM_BOOTSTRAP,
                                                    pool->points.key64[i], (uint64_t)r));
            drawn += weights[i];
        }
        if (drawn == 0) /* tiny data only */
            continue;
        fit.k = c->k;
        fit.weights = weights;
        fit.variant = "lloyd";
        fit.restarts = o->fit.restarts < 4 ? o->fit.restarts : 4;
        fit.seed = strata_random_bits(o->fit.seed, STRATA_RANDOM_BOOTSTRAP, (uint64_t)r, 1 << 20);
        strata_clustering_release(&again);
        STRATA_TRY(strata_cluster_fit(ctx, &pool->points, &fit, &again));
        add_jaccard(pool, weights, old, again.labels, c->k, table, sum);
    }
done:
    strata_clustering_release(&again);
    strata_free(&weights);
    strata_free(&table);
    strata_free(&old);
    return rc;
}

strata_status strata_judge_stability(strata_context *ctx, const strata_pool *pool,
                                     const strata_clustering *clustering,
                                     const strata_k_options *options, strata_k_row *row)
{
    strata_status rc = STRATA_OK;
    int64_t sum[2 * STRATA_K_MAX] = {0};
    strata_pool mine = *pool; /* a context of its own to report into */
    mine.problem.ctx = &mine.alone;
    strata_status local = bootstrap(&mine, clustering, options, ctx->rank, ctx->size, sum);
    if (local != STRATA_OK)
        strata_context_fail(ctx, local, __FILE__, __LINE__, "%s", mine.alone.error.message);
    STRATA_AGREE(ctx, local);
    STRATA_TRY(strata_par_allreduce_i64(ctx, sum, 2 * (int64_t)clustering->k, STRATA_SUM));
    row->stability = 1;
    for (int32_t j = 0; j < clustering->k; j++) {
        int64_t times = sum[clustering->k + j];
        double mean = times > 0 ? ldexp((double)sum[j], -RATIO_BITS) / (double)times : 0;
        row->stability = mean < row->stability ? mean : row->stability;
    }
done:
    return rc;
}
