/* Which cells of a published table stay hidden, so that no small group can be told from it, not
 * even by subtracting from the totals. */
#include "strata/memory.h"
#include "strata/output.h"

typedef struct grid {
    const int64_t *counts;
    bool *hidden;
    int32_t rows, columns;
    int64_t min_cell;
} grid;

static int64_t place(const grid *g, bool along_row, int32_t line, int32_t i)
{
    return along_row ? (int64_t)line * g->columns + i : (int64_t)i * g->columns + line;
}

/* Hides the smallest visible cell of a line (the first of equals). False when none is visible. */
static bool hide_smallest(const grid *g, bool along_row, int32_t line)
{
    int32_t length = along_row ? g->columns : g->rows;
    int64_t best = -1;
    for (int32_t i = 0; i < length; i++) {
        int64_t at = place(g, along_row, line, i);
        if (!g->hidden[at] && (best < 0 || g->counts[at] < g->counts[best]))
            best = at;
    }
    if (best >= 0)
        g->hidden[best] = true;
    return best >= 0;
}

/* At least two hidden cells that add up to min_cell, in every line that hides any. */
static bool protect_lines(const grid *g, bool along_row)
{
    bool changed = false;
    int32_t lines = along_row ? g->rows : g->columns, length = along_row ? g->columns : g->rows;
    for (int32_t line = 0; line < lines; line++) {
        for (;;) {
            int64_t n = 0, sum = 0;
            for (int32_t i = 0; i < length; i++) {
                int64_t at = place(g, along_row, line, i);
                n += g->hidden[at];
                sum += g->hidden[at] ? g->counts[at] : 0;
            }
            if (n == 0 || (n >= 2 && sum >= g->min_cell) || !hide_smallest(g, along_row, line))
                break;
            changed = true;
        }
    }
    return changed;
}

/* ---- bridges --------------------------------------------------------------------------------- */

/* Rows and columns are vertices, hidden cells edges. With the totals known, a hidden cell can be
 * solved for exactly when its edge lies on no cycle, that is, when it is a bridge (Tarjan's
 * low-link test, with an explicit stack). */
typedef struct frame {
    int32_t vertex, parent, next;
} frame;

typedef struct search {
    int32_t *seen, *low; /* [rows + columns], discovery time, 0 = not yet */
    frame *stack;
    int32_t clock, depth;
} search;

static int64_t edge_at(const grid *g, int32_t vertex, int32_t other)
{
    return vertex < g->rows ? (int64_t)vertex * g->columns + other
                            : (int64_t)other * g->columns + (vertex - g->rows);
}

static void enter(search *s, int32_t vertex, int32_t parent)
{
    s->seen[vertex] = s->low[vertex] = ++s->clock;
    s->stack[s->depth++] = (frame){.vertex = vertex, .parent = parent};
}

/* Hides one more cell near the bridge, so that a cycle may close. */
static bool break_bridge(const grid *g, int32_t a, int32_t b)
{
    int32_t row = a < g->rows ? a : b, column = (a < g->rows ? b : a) - g->rows;
    if (hide_smallest(g, true, row) || hide_smallest(g, false, column))
        return true;
    for (int32_t r = 0; r < g->rows; r++)
        if (hide_smallest(g, true, r))
            return true;
    return false;
}

static bool leave(const grid *g, search *s)
{
    frame done = s->stack[--s->depth];
    if (done.parent < 0)
        return false;
    if (s->low[done.vertex] < s->low[done.parent])
        s->low[done.parent] = s->low[done.vertex];
    return s->low[done.vertex] > s->seen[done.parent] && break_bridge(g, done.parent, done.vertex);
}

static bool protect_bridges(const grid *g, search *s)
{
    bool changed = false;
    int32_t n = g->rows + g->columns;
    for (int32_t start = 0; start < n && !changed; start++) {
        if (s->seen[start])
            continue;
        enter(s, start, -1);
        while (s->depth > 0 && !changed) {
            frame *top = &s->stack[s->depth - 1];
            int32_t degree = top->vertex < g->rows ? g->columns : g->rows;
            if (top->next == degree) {
                changed = leave(g, s);
                continue;
            }
            int32_t i = top->next++, other = top->vertex < g->rows ? g->rows + i : i;
            if (!g->hidden[edge_at(g, top->vertex, i)] || other == top->parent)
                continue;
            if (!s->seen[other])
                enter(s, other, top->vertex);
            else if (s->seen[other] < s->low[top->vertex])
                s->low[top->vertex] = s->seen[other];
        }
    }
    return changed;
}

strata_status strata_suppress(strata_context *ctx, const int64_t *counts, int32_t rows,
                              int32_t columns, int64_t min_cell, bool *suppressed)
{
    strata_status rc = STRATA_OK;
    grid g = {counts, suppressed, rows, columns, min_cell};
    search s = {0};
    int64_t n = (int64_t)rows + columns;
    STRATA_TRY(strata_alloc(ctx, n, sizeof *s.seen, &s.seen));
    STRATA_TRY(strata_alloc(ctx, n, sizeof *s.low, &s.low));
    STRATA_TRY(strata_alloc(ctx, n, sizeof *s.stack, &s.stack));
    for (int64_t i = 0; i < (int64_t)rows * columns; i++)
        suppressed[i] = counts[i] < min_cell;
    /* With one row or column every cell is a total, and known anyway. */
    for (bool changed = rows > 1 && columns > 1; changed;) {
        changed = protect_lines(&g, true);
        changed = protect_lines(&g, false) || changed;
        if (changed)
            continue;
        for (int64_t i = 0; i < n; i++)
            s.seen[i] = s.low[i] = 0;
        s.clock = s.depth = 0;
        changed = protect_bridges(&g, &s);
    }
done:
    strata_free(&s.stack);
    strata_free(&s.low);
    strata_free(&s.seen);
    return rc;
}
