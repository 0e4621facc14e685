#include "strata/stats.h"
#include "stats/quad.h"

static const char *const undefined_text[STRATA_UNDEFINED_COUNT] = {
    [STRATA_DEFINED] = "",
    [STRATA_UNDEFINED_GROUPS] = "fewer than two groups",
    [STRATA_UNDEFINED_USERS] = "too few users",
    [STRATA_UNDEFINED_EQUAL] = "all values are equal",
    [STRATA_UNDEFINED_WITHIN] = "no variance within any group",
    [STRATA_UNDEFINED_VARIANCE] = "a group has no variance",
};

const char *strata_undefined_text(strata_undefined undefined)
{
    bool known = undefined >= STRATA_DEFINED && undefined < STRATA_UNDEFINED_COUNT;
    return known ? undefined_text[undefined] : "unknown";
}

static strata_test_result nothing(strata_undefined why)
{
    return (strata_test_result){
        .statistic = NAN, .df1 = NAN, .df2 = NAN, .ln_p = NAN, .effect = NAN, .undefined = why};
}

/* The sums of squares that every test here starts from. */
typedef struct partition_of_squares {
    strata_cell all;
    int64_t groups; /* that are not empty */
    quad between, within;
    bool varies; /* some value differs from another */
    bool varies_within;
} partition_of_squares;

static partition_of_squares split_squares(const strata_cell *cells, int32_t groups)
{
    partition_of_squares split = {0};
    for (int32_t g = 0; g < groups; g++) {
        strata_cell_merge(&split.all, &cells[g]);
        split.groups += cells[g].n > 0;
    }
    split.varies = !wide_is_zero(cell_deviation(&split.all));
    strata_i256 n = wide_from_i128(split.all.n), sum = wide_from_i128(split.all.sum);
    for (int32_t g = 0; g < groups; g++) {
        if (cells[g].n == 0)
            continue;
        /* S_i N - S n_i: no digit is lost, however large the common mean. */
        quad difference =
            wide_to_quad(wide_subtract(wide_multiply(wide_from_i128(cells[g].sum), n),
                                       wide_multiply(sum, wide_from_i128(cells[g].n))));
        split.between += difference * difference / (quad)cells[g].n;
        split.within += cell_sum_of_squares(&cells[g]);
        split.varies_within = split.varies_within || !wide_is_zero(cell_deviation(&cells[g]));
    }
    if (split.all.n > 0)
        split.between /= (quad)split.all.n * (quad)split.all.n;
    return split;
}

static strata_undefined anova_undefined(const partition_of_squares *split)
{
    if (split->groups < 2)
        return STRATA_UNDEFINED_GROUPS;
    if (!split->varies)
        return STRATA_UNDEFINED_EQUAL;
    if (split->all.n <= split->groups)
        return STRATA_UNDEFINED_USERS;
    return split->varies_within ? STRATA_DEFINED : STRATA_UNDEFINED_WITHIN;
}

/* (SSB - (K - 1) MSW) / (SST + MSW). */
static double omega_squared(const partition_of_squares *split)
{
    if (split->groups < 2 || !split->varies || split->all.n <= split->groups)
        return NAN;
    quad ms_within = split->within / (quad)(split->all.n - split->groups);
    return (double)((split->between - (quad)(split->groups - 1) * ms_within) /
                    (split->between + split->within + ms_within));
}

void strata_stats_anova(const strata_cell *cells, int32_t groups, strata_anova *out)
{
    partition_of_squares split = split_squares(cells, groups);
    strata_undefined why = anova_undefined(&split);
    quad df1 = (quad)(split.groups - 1), df2 = (quad)(split.all.n - split.groups);
    quad ms_between = df1 > 0 ? split.between / df1 : (quad)NAN;
    quad ms_within = df2 > 0 ? split.within / df2 : (quad)NAN;
    *out = (strata_anova){
        .test = nothing(why),
        .ss_between = (double)split.between,
        .ss_within = (double)split.within,
        .ms_between = (double)ms_between,
        .ms_within = (double)ms_within,
        .residual_sd = (double)sqrtf128(ms_within),
        .omega_squared = omega_squared(&split),
    };
    if (split.groups >= 2 && split.varies)
        out->test.effect = (double)(split.between / (split.between + split.within));
    if (why != STRATA_DEFINED)
        return;
    out->test.statistic = (double)(ms_between / ms_within);
    out->test.df1 = (double)df1;
    out->test.df2 = (double)df2;
    out->test.ln_p = strata_stats_ln_tail_f(out->test.statistic, out->test.df1, out->test.df2);
}

static strata_undefined welch_undefined(const strata_cell *cells, int32_t groups,
                                        const partition_of_squares *split)
{
    strata_undefined why = anova_undefined(split);
    for (int32_t g = 0; g < groups && why == STRATA_DEFINED; g++) {
        if (cells[g].n == 1)
            why = STRATA_UNDEFINED_USERS;
        else if (cells[g].n > 1 && wide_is_zero(cell_deviation(&cells[g])))
            why = STRATA_UNDEFINED_VARIANCE;
    }
    return why;
}

void strata_stats_welch(const strata_cell *cells, int32_t groups, strata_test_result *out)
{
    partition_of_squares split = split_squares(cells, groups);
    *out = nothing(welch_undefined(cells, groups, &split));
    out->effect = omega_squared(&split);
    if (out->undefined != STRATA_DEFINED)
        return;
    /* Means are taken from the grand mean, so that w (m - mean)^2 does not cancel. */
    quad grand = cell_mean(&split.all), weights = 0, weighted = 0, between = 0, lambda = 0;
    for (int32_t g = 0; g < groups; g++) {
        if (cells[g].n == 0)
            continue;
        quad weight = (quad)cells[g].n / cell_variance(&cells[g]);
        weights += weight;
        weighted += weight * (cell_mean(&cells[g]) - grand);
    }
    for (int32_t g = 0; g < groups; g++) {
        if (cells[g].n == 0)
            continue;
        quad weight = (quad)cells[g].n / cell_variance(&cells[g]);
        quad distance = cell_mean(&cells[g]) - grand - weighted / weights;
        quad rest = 1 - weight / weights;
        between += weight * distance * distance;
        lambda += rest * rest / (quad)(cells[g].n - 1);
    }
    quad k = (quad)split.groups, square = k * k - 1;
    out->statistic = (double)(between / (k - 1) / (1 + 2 * (k - 2) * lambda / square));
    out->df1 = (double)(k - 1);
    out->df2 = (double)(square / (3 * lambda));
    out->ln_p = strata_stats_ln_tail_f(out->statistic, out->df1, out->df2);
}

void strata_stats_brown_forsythe(const strata_cell *cells, int32_t groups, strata_test_result *out)
{
    partition_of_squares split = split_squares(cells, groups);
    strata_undefined why = anova_undefined(&split);
    for (int32_t g = 0; g < groups && why == STRATA_DEFINED; g++)
        if (cells[g].n == 1)
            why = STRATA_UNDEFINED_USERS;
    *out = nothing(why);
    out->effect = omega_squared(&split);
    if (why != STRATA_DEFINED)
        return;
    quad spread = 0, squares = 0, n = (quad)split.all.n;
    for (int32_t g = 0; g < groups; g++) {
        if (cells[g].n == 0)
            continue;
        quad part = (n - (quad)cells[g].n) / n * cell_variance(&cells[g]);
        spread += part;
        squares += part * part / (quad)(cells[g].n - 1);
    }
    out->statistic = (double)(split.between / spread);
    out->df1 = (double)(split.groups - 1);
    out->df2 = (double)(spread * spread / squares);
    out->ln_p = strata_stats_ln_tail_f(out->statistic, out->df1, out->df2);
}

void strata_stats_kruskal_wallis(const strata_cell *rank_cells, int32_t groups,
                                 strata_test_result *out)
{
    partition_of_squares split = split_squares(rank_cells, groups);
    strata_undefined why = split.groups < 2 ? STRATA_UNDEFINED_GROUPS
                           : !split.varies  ? STRATA_UNDEFINED_EQUAL
                                            : STRATA_DEFINED;
    *out = nothing(why);
    if (why != STRATA_DEFINED)
        return;
    quad share = split.between / cell_sum_of_squares(&split.all);
    out->statistic = (double)((quad)(split.all.n - 1) * share);
    out->effect = (double)share;
    out->df1 = (double)(split.groups - 1);
    out->ln_p = strata_stats_ln_tail_chi_squared(out->statistic, out->df1);
}

void strata_stats_welch_t(const strata_cell *a, const strata_cell *b, strata_test_result *out)
{
    *out = nothing(STRATA_DEFINED);
    if (a->n < 2 || b->n < 2) {
        out->undefined = STRATA_UNDEFINED_USERS;
        return;
    }
    quad va = cell_variance(a), vb = cell_variance(b);
    quad na = (quad)a->n, nb = (quad)b->n, difference = cell_mean(a) - cell_mean(b);
    if (va == 0 && vb == 0) {
        out->undefined = difference == 0 ? STRATA_UNDEFINED_EQUAL : STRATA_UNDEFINED_WITHIN;
        return;
    }
    quad ea = va / na, eb = vb / nb, error = ea + eb;
    out->statistic = (double)(difference / sqrtf128(error));
    out->df1 = (double)(error * error / (ea * ea / (na - 1) + eb * eb / (nb - 1)));
    out->effect = (double)(difference / sqrtf128((va + vb) / 2));
    quad both = (quad)strata_stats_ln_tail_t(fabs(out->statistic), out->df1) + ln_2;
    out->ln_p = (double)(both < 0 ? both : 0);
}
