#include <math.h>
#include <string.h>

#include "strata/hash.h"
#include "strata/memory.h"
#include "stratify/space.h"

/* Cells that are looked at; beyond it a sample stands for all. */
static const int64_t most_cells = 100000;
/* Gaps that are told one by one, and gap cells up to which the largest regions are sought. */
enum { most_gaps = 8, most_compared = 600 };

typedef enum cell_kind { CELL_TAKEN, CELL_NOBODY, CELL_GAP, CELL_TOLD } cell_kind;

typedef struct example {
    bool known;
    strata_customer customer;
} example;

/* What is found on the walk over the cells. */
typedef struct findings {
    const strata_config *config;
    strata_nature nature;
    strata_space space;
    bool used[STRATA_COLUMN_COUNT];
    bool sampled;
    int64_t walked;  /* cells looked at */
    int32_t *places; /* [walked, n_axes] */
    uint8_t *kind;   /* [walked], cell_kind */
    bool *fits;      /* [n_rules], of the cell at hand */
    bool *possible;  /* [n_rules]: some customer fits the rule, whoever takes it */
    example *taken;  /* [n_rules]: a customer the rule takes */
    example *pair;   /* [n_rules, n_rules]: taken by the row, fits the column too */
    int64_t gaps;
} findings;

static void release(findings *f)
{
    strata_space_release(&f->space);
    strata_free(&f->places);
    strata_free(&f->kind);
    strata_free(&f->fits);
    strata_free(&f->possible);
    strata_free(&f->taken);
    strata_free(&f->pair);
}

static strata_status prepare(strata_context *ctx, const strata_config *config, findings *f)
{
    strata_status rc = STRATA_OK;
    const int64_t n = config->n_segments;
    f->config = config;
    f->nature = strata_nature_of(config);
    STRATA_TRY(strata_space_create(ctx, config, &f->nature, &f->space));
    for (int32_t a = 0; a < f->space.n_axes; a++)
        f->used[f->space.axis[a].column] = true;
    f->sampled = f->space.cells > (double)most_cells;
    f->walked = f->sampled ? most_cells : (int64_t)f->space.cells;
    STRATA_TRY(strata_calloc(ctx, f->walked * f->space.n_axes, sizeof *f->places, &f->places));
    STRATA_TRY(strata_calloc(ctx, f->walked, sizeof *f->kind, &f->kind));
    STRATA_TRY(strata_calloc(ctx, n, sizeof *f->fits, &f->fits));
    STRATA_TRY(strata_calloc(ctx, n, sizeof *f->possible, &f->possible));
    STRATA_TRY(strata_calloc(ctx, n, sizeof *f->taken, &f->taken));
    STRATA_TRY(strata_calloc(ctx, n * n, sizeof *f->pair, &f->pair));
done:
    return rc;
}

/* ---- the walk -------------------------------------------------------------------------------- */

/* The place of cell i: counted like an odometer with the last axis fastest, or drawn. */
static void set_place(const findings *f, int64_t i, int32_t *place)
{
    int64_t rest = i;
    for (int32_t a = f->space.n_axes - 1; a >= 0; a--) {
        const int32_t n = f->space.axis[a].n;
        if (f->sampled) {
            const uint64_t bits =
                strata_random_bits(1, STRATA_RANDOM_SAMPLE, (uint64_t)i, (uint64_t)a);
            place[a] = (int32_t)(bits % (uint64_t)n);
        } else {
            place[a] = (int32_t)(rest % n);
            rest /= n;
        }
    }
}

/* True when the rules, asked about the customer itself, answer as the cell does. */
static bool confirmed(const findings *f, const strata_customer *customer, int32_t first)
{
    const strata_config *config = f->config;
    for (int32_t r = 0; r < config->n_segments; r++) {
        const strata_segment_rule *rule = &config->segments[r];
        bool fits = true;
        for (int32_t c = 0; c < rule->n_conditions && fits; c++) {
            const strata_column column = strata_column_find(rule->conditions[c].column);
            const strata_interval interval = strata_rule_interval(rule, column);
            fits = strata_interval_holds(&interval, customer->value[column]);
        }
        if (fits)
            return r == first;
    }
    return first == config->n_segments;
}

static bool find_in(const findings *f, const int32_t *low, const int32_t *high, int32_t first,
                    strata_customer *customer)
{
    strata_interval box[STRATA_COLUMN_COUNT];
    strata_space_box(&f->space, low, high, box);
    return strata_customer_find(&f->nature, box, customer) && confirmed(f, customer, first);
}

/* Does this cell show something that is not known yet? */
static bool is_news(const findings *f, int32_t first)
{
    const int32_t n = f->space.n_rules;
    if (first == n || !f->taken[first].known)
        return true;
    for (int32_t r = 0; r < n; r++)
        if (f->fits[r] && (!f->possible[r] || (r != first && !f->pair[first * n + r].known)))
            return true;
    return false;
}

static void note_cell(findings *f, int64_t i)
{
    const int32_t *place = f->places + i * f->space.n_axes;
    const int32_t n = f->space.n_rules, first = strata_space_rules(&f->space, place, f->fits);
    example found = {.known = true};
    if (!is_news(f, first))
        return;
    if (!find_in(f, place, place, first, &found.customer)) {
        f->kind[i] = first == n ? CELL_NOBODY : CELL_TAKEN;
        return;
    }
    if (first == n) {
        f->kind[i] = CELL_GAP;
        f->gaps++;
        return;
    }
    if (!f->taken[first].known)
        f->taken[first] = found;
    for (int32_t r = 0; r < n; r++) {
        f->possible[r] |= f->fits[r];
        if (f->fits[r] && r != first && !f->pair[first * n + r].known)
            f->pair[first * n + r] = found;
    }
}

/* ---- gaps ------------------------------------------------------------------------------------ */

static int64_t cell_at(const findings *f, const int32_t *place)
{
    int64_t i = 0;
    for (int32_t a = 0; a < f->space.n_axes; a++)
        i = i * f->space.axis[a].n + place[a];
    return i;
}

/* Visits the cells from low to high; returns how many are new gaps, -1 when one is taken. mark: they
 * count as told from now on. */
static int64_t scan(findings *f, const int32_t *low, const int32_t *high, bool mark)
{
    int32_t place[STRATA_COLUMN_COUNT];
    const int32_t axes = f->space.n_axes;
    int64_t gaps = 0;
    memcpy(place, low, sizeof place);
    for (;;) {
        uint8_t *kind = &f->kind[cell_at(f, place)];
        if (*kind == CELL_TAKEN)
            return -1;
        gaps += *kind == CELL_GAP;
        if (mark && *kind == CELL_GAP)
            *kind = CELL_TOLD;
        int32_t a = axes - 1;
        while (a >= 0 && place[a] == high[a]) {
            place[a] = low[a];
            a--;
        }
        if (a < 0)
            return gaps;
        place[a]++;
    }
}

/* Grows a box around a gap as far as nobody in it is taken, one axis after the other from axis `turn`
 * on; returns how many gaps it covers that were not told. */
static int64_t grow(findings *f, int64_t cell, int32_t turn, int32_t *low, int32_t *high)
{
    const int32_t axes = f->space.n_axes;
    memcpy(low, f->places + cell * axes, (size_t)axes * sizeof *low);
    memcpy(high, low, (size_t)axes * sizeof *high);
    for (int32_t step = 0; step < axes; step++) {
        const int32_t a = (turn + step) % axes;
        const int32_t from = low[a], to = high[a];
        int32_t least = from, most = to;
        while (most + 1 < f->space.axis[a].n) {
            low[a] = high[a] = most + 1;
            if (scan(f, low, high, false) < 0)
                break;
            most++;
        }
        while (least > 0) {
            low[a] = high[a] = least - 1;
            if (scan(f, low, high, false) < 0)
                break;
            least--;
        }
        low[a] = least;
        high[a] = most;
    }
    return scan(f, low, high, false);
}

/* The region that covers most of the gaps not told yet (with very many gaps: the first one's). */
static int64_t largest_gap(findings *f, int32_t *low, int32_t *high)
{
    int32_t l[STRATA_COLUMN_COUNT] = {0}, h[STRATA_COLUMN_COUNT] = {0};
    const int32_t turns = f->space.n_axes > 0 ? f->space.n_axes : 1;
    int64_t best = 0;
    for (int64_t i = 0; i < f->walked; i++) {
        if (f->kind[i] != CELL_GAP)
            continue;
        for (int32_t turn = 0; turn < turns; turn++) {
            const int64_t covered = grow(f, i, turn, l, h);
            if (covered > best) {
                best = covered;
                memcpy(low, l, sizeof l);
                memcpy(high, h, sizeof h);
            }
        }
        if (f->gaps > most_compared)
            break;
    }
    return best;
}

/* ---- the report ------------------------------------------------------------------------------ */

static void print_example(const findings *f, const strata_customer *customer, FILE *out)
{
    fputs("       for example: ", out);
    strata_customer_print(customer, f->used, out);
    fputc('\n', out);
}

static void print_gap(findings *f, const int32_t *low, const int32_t *high, const int32_t *cell,
                      FILE *out)
{
    strata_interval box[STRATA_COLUMN_COUNT];
    strata_customer customer;
    const int32_t none = f->space.n_rules;
    strata_space_box(&f->space, low, high, box);
    fputs("  - ", out);
    strata_box_print(&f->nature, box, out);
    fputc('\n', out);
    if (find_in(f, low, high, none, &customer) || find_in(f, cell, cell, none, &customer))
        print_example(f, &customer, out);
}

static void print_gaps(findings *f, FILE *out)
{
    fputs("\nGaps: customers that no rule takes; they end as unassigned.\n", out);
    if (f->gaps == 0)
        fputs(f->sampled ? "  None was found.\n" : "  None: every customer fits some rule.\n", out);
    int32_t low[STRATA_COLUMN_COUNT] = {0}, high[STRATA_COLUMN_COUNT] = {0};
    int told = 0;
    if (f->sampled) { /* single cells: a sample has no neighbours to merge with */
        for (int64_t i = 0; i < f->walked && told < most_gaps; i++)
            if (f->kind[i] == CELL_GAP) {
                const int32_t *place = f->places + i * f->space.n_axes;
                print_gap(f, place, place, place, out);
                told++;
            }
        if (f->gaps > told)
            fprintf(out, "  ... and more: %.1f %% of the cells looked at are gaps.\n",
                    100 * (double)f->gaps / (double)f->walked);
        return;
    }
    int64_t left = f->gaps;
    while (left > 0 && told < most_gaps && largest_gap(f, low, high) > 0) {
        int64_t first = 0; /* a new gap inside, for the example */
        for (int64_t i = 0; i < f->walked; i++) {
            const int32_t *place = f->places + i * f->space.n_axes;
            bool inside = f->kind[i] == CELL_GAP;
            for (int32_t a = 0; a < f->space.n_axes; a++)
                inside = inside && low[a] <= place[a] && place[a] <= high[a];
            if (inside) {
                first = i;
                break;
            }
        }
        print_gap(f, low, high, f->places + first * f->space.n_axes, out);
        left -= scan(f, low, high, true);
        told++;
    }
    if (left > 0)
        fprintf(out, "  ... and %lld smaller regions.\n", (long long)left);
}

static void print_overlaps(const findings *f, FILE *out)
{
    const int32_t n = f->space.n_rules;
    const strata_segment_rule *rules = f->config->segments;
    bool any = false;
    fputs("\nOverlaps: customers that two rules fit; the earlier rule takes them.\n", out);
    for (int32_t i = 0; i < n; i++)
        for (int32_t j = i + 1; j < n; j++) {
            if (!f->pair[i * n + j].known)
                continue;
            any = true;
            fprintf(out, "  - %s takes them although %s fits too\n", rules[i].name, rules[j].name);
            print_example(f, &f->pair[i * n + j].customer, out);
        }
    if (!any)
        fputs(f->sampled ? "  None was found.\n" : "  None: no customer fits two rules.\n", out);
}

/* Why rule r takes nobody. */
static void print_idle(const findings *f, int32_t r, FILE *out)
{
    const int32_t n = f->space.n_rules;
    if (!f->possible[r]) {
        fprintf(out, "       %s: no customer can be like that in a window of %d days\n",
                f->sampled ? "seems to match nobody" : "can never match", (int)f->nature.window);
        return;
    }
    fprintf(out, "       %s: whoever it fits is taken before by",
            f->sampled ? "seems to take nobody" : "can never take anybody");
    const char *separator = " ";
    for (int32_t i = 0; i < r; i++)
        if (f->pair[i * n + r].known) {
            fprintf(out, "%s%s", separator, f->config->segments[i].name);
            separator = ", ";
        }
    fputc('\n', out);
}

static void print_rules(const findings *f, FILE *out)
{
    fputs("Segment rules, tried in this order; the first that fits takes the customer.\n", out);
    if (f->space.n_rules == 0)
        fputs("  None.\n", out);
    for (int32_t r = 0; r < f->space.n_rules; r++) {
        const strata_segment_rule *rule = &f->config->segments[r];
        strata_interval box[STRATA_COLUMN_COUNT];
        for (int c = 0; c < STRATA_COLUMN_COUNT; c++)
            box[c] = strata_rule_interval(rule, (strata_column)c);
        /* the sides that nature closes anyway need no words */
        box[STRATA_RECENCY_DAYS] =
            strata_interval_meet(box[STRATA_RECENCY_DAYS], f->nature.range[STRATA_RECENCY_DAYS]);
        fprintf(out, "  %d. %s (code %d): ", (int)(r + 1), rule->name, (int)rule->code);
        strata_box_print(&f->nature, box, out);
        fputc('\n', out);
        if (f->taken[r].known)
            print_example(f, &f->taken[r].customer, out);
        else
            print_idle(f, r, out);
    }
}

static void print_notes(const findings *f, FILE *out)
{
    bool scores = false;
    for (int c = STRATA_R_SCORE; c <= STRATA_COMPOSITE_STD; c++)
        scores |= f->used[c];
    if (!f->nature.window_known)
        fprintf(
            out,
            "\nThe length of the window shows only in the data (window.start and window.as_of); "
            "%d days are assumed here.\n",
            (int)f->nature.window);
    if (scores)
        fputs("\nScores and composites depend on all users; here they may take any value.\n", out);
    if (f->sampled)
        fprintf(out,
                "\nThe rules cut the customers into %.3g cells; %lld of them, drawn evenly, were "
                "looked at, so something may be missing above.\n",
                f->space.cells, (long long)f->walked);
}

strata_status strata_rules_explain(strata_context *ctx, const strata_config *config, FILE *out)
{
    strata_status rc = STRATA_OK;
    findings f = {0};
    STRATA_TRY(strata_rules_validate(ctx, config));
    STRATA_TRY(prepare(ctx, config, &f));
    for (int64_t i = 0; i < f.walked; i++) {
        set_place(&f, i, f.places + i * f.space.n_axes);
        note_cell(&f, i);
    }
    print_rules(&f, out);
    print_overlaps(&f, out);
    print_gaps(&f, out);
    print_notes(&f, out);
done:
    release(&f);
    return rc;
}
