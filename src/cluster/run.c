/* run.c: one walk from a start to its end, the same for every variant. One allreduce an
 * iteration. */
#include <stdlib.h>
#include <string.h>

#include "cluster/problem.h"
#include "strata/memory.h"
#include "strata/par.h"

/* A point that may be given to an empty cluster. */
typedef struct far_point {
    int64_t distance, row, weight;
    int32_t label, x[STRATA_D_MAX];
} far_point;

static bool farther(const far_point *a, const far_point *b)
{
    return a->distance != b->distance ? a->distance > b->distance : a->row < b->row;
}

static int compare_far(const void *a, const void *b)
{
    return farther(a, b) ? -1 : farther(b, a) ? 1 : 0;
}

/* The m farthest points of this rank, best first; returns how many there are. Rows come in
 * order, so an equal distance never displaces an earlier row. */
static int64_t find_far(const strata_run *run, int64_t m, far_point *far)
{
    const strata_problem *p = run->problem;
    int64_t count = 0;
    for (int64_t i = 0; i < p->n_local; i++) {
        const int32_t label = run->labels[i];
        int64_t distance = strata_exact_distance(p, i, run->centroids + (int64_t)label * p->d);
        if (distance == 0 || strata_problem_weight(p, i) == 0 ||
            (count == m && distance <= far[m - 1].distance))
            continue;
        far_point found = {.distance = distance,
                           .row = p->first_row + i,
                           .weight = strata_problem_weight(p, i),
                           .label = label};
        for (int32_t f = 0; f < p->d; f++)
            found.x[f] = (int32_t)p->x[f * p->stride + i];
        int64_t at = count < m ? count++ : m - 1;
        for (; at > 0 && farther(&found, &far[at - 1]); at--)
            far[at] = far[at - 1];
        far[at] = found;
    }
    return count;
}

static void move_sums(int64_t *sums, int32_t d, const far_point *point, int32_t to)
{
    int64_t *old = sums + (int64_t)point->label * (d + 1), *new = sums + (int64_t)to *(d + 1);
    for (int32_t f = 0; f < d; f++) {
        old[f] -= point->weight * point->x[f];
        new[f] += point->weight * point->x[f];
    }
    old[d] -= point->weight;
    new[d] += point->weight;
}

/* Collective. Gives every empty cluster, lowest index first, the point farthest from its
 * centroid among those left (ties: smallest global row). Points on their centroid are not taken,
 * so with fewer distinct points than clusters the surplus stays empty. *given: how many points
 * were moved. */
static strata_status fill_empty(strata_run *run, int32_t empty, int64_t *given)
{
    strata_status rc = STRATA_OK;
    const strata_problem *p = run->problem;
    far_point *mine = NULL, *all = NULL;
    int64_t bytes = 0, taken = 0;
    bool was_empty[STRATA_K_MAX]; /* a cluster that gives its last point waits for the next turn */
    for (int32_t j = 0; j < run->k; j++)
        was_empty[j] = run->global[(int64_t)j * (p->d + 1) + p->d] == 0;
    strata_variant_sync(run->ops, run->state);
    STRATA_AGREE(p->ctx, strata_alloc(p->ctx, empty, sizeof *mine, &mine));
    int64_t count = find_far(run, empty, mine);
    STRATA_TRY(
        strata_par_gather(p->ctx, mine, count * (int64_t)sizeof *mine, -1, &all, &bytes, NULL));
    int64_t total = bytes / (int64_t)sizeof *all;
    qsort(all, (size_t)total, sizeof *all, compare_far);
    for (int32_t j = 0; j < run->k && taken < total; j++) {
        if (!was_empty[j])
            continue;
        const far_point *point = &all[taken++];
        int64_t row = point->row - p->first_row;
        move_sums(run->global, p->d, point, j);
        if (row >= 0 && row < p->n_local) {
            move_sums(run->sums, p->d, point, j);
            run->labels[row] = (uint8_t)j;
            if (run->ops->relabel)
                run->ops->relabel(run->state, row, (uint8_t)j);
        }
    }
    *given = taken;
done:
    strata_free(&mine);
    strata_free(&all);
    return rc;
}

static int32_t count_empty(const strata_run *run)
{
    int32_t empty = 0;
    for (int32_t j = 0; j < run->k; j++)
        empty += run->global[(int64_t)j * (run->problem->d + 1) + run->problem->d] == 0;
    return empty;
}

static void move_centroids(strata_run *run)
{
    const int32_t d = run->problem->d;
    for (int32_t j = 0; j < run->k; j++) {
        const int64_t *sum = run->global + (int64_t)j * (d + 1);
        for (int32_t f = 0; f < d && sum[d] > 0; f++) {
            const int32_t mean = strata_exact_mean(sum[f], sum[d]);
            run->centroids[(int64_t)j * d + f] = mean;
            run->rest[(int64_t)j * d + f] = strata_exact_rest(sum[f], sum[d], mean);
        }
    }
}

strata_status strata_run_reduce(strata_run *run)
{
    const int64_t length = (int64_t)run->k * (run->problem->d + 1) + 2;
    run->bytes += length * (int64_t)sizeof *run->global;
    run->calls++;
    return strata_par_allreduce_i64(run->problem->ctx, run->global, length, STRATA_SUM);
}

/* The history is as long on every rank, so all grow it together. */
strata_status strata_run_remember(strata_run *run, int32_t iteration, double inertia, int64_t moved,
                                  int64_t distances)
{
    strata_status rc = STRATA_OK;
    strata_history *h = run->history;
    const double now = strata_now(), seconds = now - run->clock;
    run->clock = now;
    if (!h)
        return STRATA_OK;
    if (h->count == h->capacity)
        STRATA_AGREE(run->problem->ctx, strata_reserve(run->problem->ctx, &h->rows, &h->capacity,
                                                       h->count + 256, sizeof *h->rows));
    h->rows[h->count++] = (strata_iteration){.restart = run->restart,
                                             .iteration = iteration,
                                             .inertia = inertia,
                                             .moved = moved,
                                             .seconds = seconds,
                                             .distances_local = distances};
done:
    return rc;
}

strata_status strata_run_label(strata_run *run, int32_t iteration, bool first, int64_t *moved)
{
    strata_status rc = STRATA_OK;
    const strata_problem *p = run->problem;
    const int64_t length = (int64_t)run->k * (p->d + 1);
    strata_pass pass = {.centroids = run->centroids,
                        .rest = first ? NULL : run->rest, /* starts are on the grid */
                        .first = first,
                        .sums = run->sums};
    run->ops->assign(run->state, &pass);
    memcpy(run->global, run->sums, (size_t)length * sizeof *run->global);
    run->global[length] = pass.moved;
    run->global[length + 1] = 0; /* the place of a stop request, so that all ranks stop together */
    STRATA_TRY(strata_run_reduce(run));
    run->redecided += pass.redecided;
    run->inertia = p->squares + strata_exact_inertia(run->k, p->d, run->centroids, run->global);
    *moved = run->global[length];
    STRATA_TRY(strata_run_remember(run, iteration,
                                   strata_exact_scaled(run->inertia, p->step_exponent), *moved,
                                   pass.distances));
done:
    return rc;
}

static strata_status walk_lloyd(strata_run *run)
{
    strata_status rc = STRATA_OK;
    strata_context *ctx = run->problem->ctx;
    STRATA_AGREE(ctx, strata_calloc(ctx, (int64_t)run->k * run->problem->d, sizeof *run->rest,
                                    &run->rest));
    for (int32_t iteration = 0;; iteration++) {
        int64_t moved = 0, given = 0;
        STRATA_TRY(strata_run_label(run, iteration, iteration == 0, &moved));
        run->iterations = iteration;
        run->converged = moved == 0;
        if (iteration >= run->max_iterations)
            break;
        int32_t empty = count_empty(run);
        if (empty > 0)
            STRATA_TRY(fill_empty(run, empty, &given));
        run->converged = moved == 0 && given == 0;
        if (run->converged)
            break;
        move_centroids(run);
    }
done:
    strata_free(&run->rest);
    return rc;
}

strata_status strata_run_walk(strata_run *run)
{
    memset(run->sums, 0, (size_t)run->k * (size_t)(run->problem->d + 1) * sizeof *run->sums);
    run->clock = strata_now();
    return run->ops->walk ? run->ops->walk(run) : walk_lloyd(run);
}
