#include "stratify/space.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "strata/memory.h"

/* A border between two cells: just below value, or just above it. */
typedef struct cut {
    double value;
    bool above;
} cut;

static int by_place(const void *a, const void *b)
{
    const cut *x = a, *y = b;
    if (x->value != y->value)
        return x->value < y->value ? -1 : 1;
    return (int)x->above - (int)y->above;
}

static int32_t add_cut(cut *cuts, int32_t n, double value, bool above)
{
    if (isfinite(value))
        cuts[n++] = (cut){value, above};
    return n;
}

/* The borders of every rule's interval of the column, sorted, each once. Room for 2 n_segments. */
static int32_t find_cuts(const strata_config *config, strata_column column, cut *cuts)
{
    const bool whole = strata_type_whole(strata_column_table()[column].type);
    int32_t n = 0, kept = 0;
    for (int32_t r = 0; r < config->n_segments; r++) {
        const strata_interval interval = strata_rule_interval(&config->segments[r], column);
        n = add_cut(cuts, n, interval.low, interval.low_open);
        /* between whole numbers k and k + 1 there is one border, not two */
        if (whole)
            n = add_cut(cuts, n, interval.high + 1, false);
        else
            n = add_cut(cuts, n, interval.high, !interval.high_open);
    }
    qsort(cuts, (size_t)n, sizeof *cuts, by_place);
    for (int32_t i = 0; i < n; i++)
        if (kept == 0 || by_place(&cuts[kept - 1], &cuts[i]) != 0)
            cuts[kept++] = cuts[i];
    return kept;
}

/* The cell after cut `i` and before cut `i + 1` (-1 and n: no border). */
static strata_interval cell_between(const cut *cuts, int32_t i, int32_t n, bool whole)
{
    strata_interval cell = strata_interval_all();
    if (i >= 0) {
        cell.low = cuts[i].value;
        cell.low_open = cuts[i].above;
    }
    if (i + 1 < n) {
        cell.high = whole ? cuts[i + 1].value - 1 : cuts[i + 1].value;
        cell.high_open = !whole && !cuts[i + 1].above;
    }
    return cell;
}

static strata_status make_axis(strata_context *ctx, const strata_config *config,
                               const strata_nature *nature, strata_column column, strata_axis *axis)
{
    strata_status rc = STRATA_OK;
    cut *cuts = NULL;
    const bool whole = strata_type_whole(strata_column_table()[column].type);
    const int64_t most = 2 * (int64_t)config->n_segments + 1;
    STRATA_TRY(strata_alloc(ctx, most, sizeof *cuts, &cuts));
    STRATA_TRY(strata_alloc(ctx, most, sizeof *axis->cell, &axis->cell));
    STRATA_TRY(strata_calloc(ctx, most * config->n_segments, sizeof *axis->allows, &axis->allows));
    const int32_t n = find_cuts(config, column, cuts);
    for (int32_t i = -1; i < n; i++) {
        const strata_interval cell =
            strata_interval_meet(cell_between(cuts, i, n, whole), nature->range[column]);
        if (strata_interval_empty(&cell))
            continue; /* no customer can be there */
        for (int32_t r = 0; r < config->n_segments; r++) {
            const strata_interval both =
                strata_interval_meet(cell, strata_rule_interval(&config->segments[r], column));
            axis->allows[axis->n * config->n_segments + r] = !strata_interval_empty(&both);
        }
        axis->cell[axis->n++] = cell;
    }
    axis->column = column;
done:
    strata_free(&cuts);
    return rc;
}

static bool is_used(const strata_config *config, strata_column column)
{
    for (int32_t r = 0; r < config->n_segments; r++)
        for (int32_t c = 0; c < config->segments[r].n_conditions; c++)
            if (strata_column_find(config->segments[r].conditions[c].column) == column)
                return true;
    return false;
}

strata_status strata_space_create(strata_context *ctx, const strata_config *config,
                                  const strata_nature *nature, strata_space *space)
{
    strata_status rc = STRATA_OK;
    strata_space made = {.n_rules = config->n_segments, .cells = 1};
    for (int c = 0; c < STRATA_COLUMN_COUNT; c++) {
        if (!is_used(config, (strata_column)c))
            continue;
        strata_axis *axis = &made.axis[made.n_axes++];
        STRATA_TRY(make_axis(ctx, config, nature, (strata_column)c, axis));
        made.cells *= axis->n;
    }
    *space = made;
    memset(&made, 0, sizeof made);
done:
    strata_space_release(&made);
    return rc;
}

int32_t strata_space_rules(const strata_space *space, const int32_t *place, bool *fits)
{
    int32_t first = space->n_rules;
    for (int32_t r = space->n_rules - 1; r >= 0; r--) {
        fits[r] = true;
        for (int32_t a = 0; a < space->n_axes && fits[r]; a++)
            fits[r] = space->axis[a].allows[place[a] * space->n_rules + r];
        if (fits[r])
            first = r;
    }
    return first;
}

void strata_space_box(const strata_space *space, const int32_t *low, const int32_t *high,
                      strata_interval *box)
{
    for (int c = 0; c < STRATA_COLUMN_COUNT; c++)
        box[c] = strata_interval_all();
    for (int32_t a = 0; a < space->n_axes; a++) {
        const strata_axis *axis = &space->axis[a];
        strata_interval *bounds = &box[axis->column];
        *bounds = axis->cell[low[a]];
        bounds->high = axis->cell[high[a]].high;
        bounds->high_open = axis->cell[high[a]].high_open;
    }
}

void strata_space_release(strata_space *space)
{
    for (int32_t a = 0; a < space->n_axes; a++) {
        strata_free(&space->axis[a].cell);
        strata_free(&space->axis[a].allows);
    }
    space->n_axes = 0;
}
