/* Contingency tables: independence and agreement. */
#include "strata/memory.h"
#include "strata/stats.h"
#include "stats/quad.h"

typedef struct margins {
    int64_t *row, *column; /* [rows], [columns] */
    int64_t all;
    int32_t rows_used, columns_used; /* not empty */
} margins;

static void margins_release(margins *m)
{
    strata_free(&m->row);
    strata_free(&m->column);
}

static strata_status margins_init(strata_context *ctx, const int64_t *counts, int32_t rows,
                                  int32_t columns, margins *m)
{
    strata_status rc = STRATA_OK;
    *m = (margins){0};
    STRATA_TRY(strata_calloc(ctx, rows, sizeof *m->row, &m->row));
    STRATA_TRY(strata_calloc(ctx, columns, sizeof *m->column, &m->column));
    for (int32_t r = 0; r < rows; r++)
        for (int32_t c = 0; c < columns; c++) {
            int64_t count = counts[(int64_t)r * columns + c];
            m->row[r] += count;
            m->column[c] += count;
            m->all += count;
        }
    for (int32_t r = 0; r < rows; r++)
        m->rows_used += m->row[r] > 0;
    for (int32_t c = 0; c < columns; c++)
        m->columns_used += m->column[c] > 0;
done:
    if (rc != STRATA_OK)
        margins_release(m);
    return rc;
}

/* Sum of (O N - R C)^2 / (R C), and how many expected counts R C / N lie below 5. */
static quad squared_residuals(const int64_t *counts, int32_t rows, int32_t columns,
                              const margins *m, int64_t *low_expected)
{
    quad sum = 0;
    for (int32_t r = 0; r < rows; r++)
        for (int32_t c = 0; c < columns; c++) {
            __int128 product = (__int128)m->row[r] * m->column[c];
            if (product == 0)
                continue;
            __int128 observed = (__int128)counts[(int64_t)r * columns + c] * m->all;
            quad difference = (quad)(observed - product);
            sum += difference * difference / (quad)product;
            *low_expected += product < (__int128)5 * m->all;
        }
    return sum;
}

strata_status strata_stats_chi_squared(strata_context *ctx, const int64_t *counts, int32_t rows,
                                       int32_t columns, strata_chi_squared *out)
{
    strata_status rc = STRATA_OK;
    margins m = {0};
    STRATA_TRY(margins_init(ctx, counts, rows, columns, &m));
    *out = (strata_chi_squared){
        .test = {NAN, NAN, NAN, NAN, NAN, STRATA_UNDEFINED_GROUPS},
        .cells = (int64_t)m.rows_used * m.columns_used,
    };
    quad residuals = squared_residuals(counts, rows, columns, &m, &out->low_expected);
    if (m.rows_used >= 2 && m.columns_used >= 2) {
        int32_t least = m.rows_used < m.columns_used ? m.rows_used : m.columns_used;
        quad statistic = residuals / (quad)m.all;
        out->test.undefined = STRATA_DEFINED;
        out->test.statistic = (double)statistic;
        out->test.df1 = (double)(m.rows_used - 1) * (double)(m.columns_used - 1);
        out->test.ln_p = strata_stats_ln_tail_chi_squared(out->test.statistic, out->test.df1);
        out->test.effect = (double)sqrtf128(statistic / ((quad)m.all * (quad)(least - 1)));
    }
done:
    margins_release(&m);
    return rc;
}

static __int128 pairs(int64_t n)
{
    return (__int128)n * (n - 1) / 2;
}

static __int128 sum_of_pairs(const int64_t *counts, int64_t n)
{
    __int128 sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += pairs(counts[i]);
    return sum;
}

/* (sum n_ij - A B / T) / ((A + B) / 2 - A B / T) in pairs, times 2 T above and below. */
static double adjusted_rand_of(const int64_t *counts, int32_t rows, int32_t columns,
                               const margins *m)
{
    strata_i256 all = wide_from_i128(pairs(m->all));
    __int128 by_row = sum_of_pairs(m->row, rows), by_column = sum_of_pairs(m->column, columns);
    strata_i256 both = wide_from_i128(sum_of_pairs(counts, (int64_t)rows * columns));
    strata_i256 chance = wide_multiply(wide_from_i128(by_row), wide_from_i128(by_column));
    chance = wide_add(chance, chance);
    both = wide_multiply(wide_add(both, both), all);
    strata_i256 most = wide_multiply(wide_from_i128(by_row + by_column), all);
    strata_i256 below = wide_subtract(most, chance);
    if (wide_is_zero(below)) /* both one group, or both all singles */
        return 1;
    return (double)(wide_to_quad(wide_subtract(both, chance)) / wide_to_quad(below));
}

/* -sum p ln p */
static quad entropy(const int64_t *counts, int64_t n, int64_t all)
{
    quad sum = 0;
    for (int64_t i = 0; i < n; i++)
        if (counts[i] > 0)
            sum += (quad)counts[i] * logf128((quad)all / (quad)counts[i]);
    return sum / (quad)all;
}

static double mutual_information_of(const int64_t *counts, int32_t rows, int32_t columns,
                                    const margins *m)
{
    quad sum = 0;
    for (int32_t r = 0; r < rows; r++)
        for (int32_t c = 0; c < columns; c++) {
            int64_t count = counts[(int64_t)r * columns + c];
            if (count > 0)
                sum += (quad)count *
                       logf128((quad)count * (quad)m->all / (quad)m->row[r] / (quad)m->column[c]);
        }
    quad mean = (entropy(m->row, rows, m->all) + entropy(m->column, columns, m->all)) / 2;
    if (mean == 0)
        return 1;
    quad share = sum / (quad)m->all / mean;
    return share < 1e-25f128 ? 0 : (double)share; /* independent, up to rounding */
}

strata_status strata_stats_agreement(strata_context *ctx, const int64_t *counts, int32_t rows,
                                     int32_t columns, double *adjusted_rand,
                                     double *mutual_information)
{
    strata_status rc = STRATA_OK;
    margins m = {0};
    STRATA_TRY(margins_init(ctx, counts, rows, columns, &m));
    *adjusted_rand = m.all > 0 ? adjusted_rand_of(counts, rows, columns, &m) : NAN;
    *mutual_information = m.all > 0 ? mutual_information_of(counts, rows, columns, &m) : NAN;
done:
    margins_release(&m);
    return rc;
}
