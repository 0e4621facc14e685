/* stats.h: the stats room. Exact moments, log tails of distributions, tests, multiplicity.
 *
 * Every number here is a function of exact integers (counts, sums, sums of squares), evaluated in
 * 113-bit arithmetic and rounded to double once at the end. 113-bit arithmetic is done in software
 * on x86-64: unlike the processor's own log and exp in double it gives the same bits on every node
 * type, and it leaves some 18 digits for cancellation. Natural logarithms are named ln, decimal
 * ones log10.
 *
 * NaN policy: a NaN argument, or one outside the stated range, gives NaN, never an error. A test
 * that the data leave undefined says why in its `undefined` member and carries NaN. */
#ifndef STRATA_STATS_H
#define STRATA_STATS_H

#include <stdbool.h>
#include <stdint.h>

#include "strata/context.h"

/* ---- log tails ------------------------------------------------------------------------------- */

/* ln of the upper tail Q(x) = P(X > x). Not collective. Degrees of freedom may be fractional, in
 * (0, 1e12]; df2 of F and df of t may be infinite. x <= 0 gives ln 1 = 0 for F and chi-squared, x =
 * inf gives -inf. Measured relative error of ln Q: below 1e-15, down to Q = 1 - 1e-18 and up to ln
 * Q = -1e9. Lentz continued fractions and series in 113 bits: at most O(sqrt(df)) terms; 0.01 to
 * 0.1 ms with three groups, whatever df2. DLMF 8.9.2, 8.11.4, 8.17.22. */
double strata_stats_ln_tail_f(double f, double df1, double df2);
double strata_stats_ln_tail_chi_squared(double x, double df);
double strata_stats_ln_tail_t(double t, double df); /* one-sided */
double strata_stats_ln_tail_normal(double z);       /* one-sided */

/* ln p -> log10 p, and log10 p -> p (0 only where p < 5e-324). Not collective. */
double strata_stats_log10_from_ln(double ln_p);
double strata_stats_p_from_log10(double log10_p);

/* ---- exact moments --------------------------------------------------------------------------- */

/* A signed 256-bit integer: two's complement, 64-bit limbs, the lowest first. */
typedef struct strata_i256 {
    uint64_t limb[4];
} strata_i256;

/* n, sum and sum of squares of one group's values: exact for any int64 values and up to 2^40 of
 * them. All zero is the empty group, the identity. */
typedef struct strata_cell {
    int64_t n;
    __int128 sum;
    strata_i256 squares;
} strata_cell;

/* Not collective; the kernel without MPI. Adds x [n_local] to cells [groups] by group [n_local], an
 * index 0..groups-1; a negative index leaves the row out. group = NULL: all rows into cells[0]. */
void strata_cells_add_local(strata_cell *cells, const int16_t *group, const int64_t *x,
                            int64_t n_local);

/* Collective. Sums cells [count] over the ranks, in place: one allreduce of 13 int64 a cell. */
strata_status strata_cells_reduce(strata_context *ctx, strata_cell *cells, int64_t count)
    STRATA_MUST_USE;

/* Not collective. Adds one cell to another. */
void strata_cell_merge(strata_cell *into, const strata_cell *cell);

/* Mean of a cell, NaN when empty; variance (n * squares - sum^2) / (n (n - 1)), NaN with n < 2. In
 * the units of x (squared). Not collective. */
double strata_cell_mean(const strata_cell *cell);
double strata_cell_variance(const strata_cell *cell);

/* Population standard deviation sqrt(squares / n - mean^2), NaN when empty, 0 exactly when all values
 * are equal. Correct to one rounding. Not collective. */
double strata_cell_deviation(const strata_cell *cell);

/* ---- tests ----------------------------------------------------------------------------------- */

typedef enum strata_undefined {
    STRATA_DEFINED,
    STRATA_UNDEFINED_GROUPS,   /* fewer than two groups */
    STRATA_UNDEFINED_USERS,    /* too few users for the degrees of freedom */
    STRATA_UNDEFINED_EQUAL,    /* all values are equal */
    STRATA_UNDEFINED_WITHIN,   /* no group varies, though the groups differ */
    STRATA_UNDEFINED_VARIANCE, /* one group does not vary (Welch only) */
    STRATA_UNDEFINED_COUNT
} strata_undefined;

/* A short English clause; "" for STRATA_DEFINED. Never NULL. Not collective. */
const char *strata_undefined_text(strata_undefined undefined);

typedef struct strata_test_result {
    double statistic, df1, df2; /* df2 NaN where the distribution has one parameter */
    double ln_p;
    double effect;
    strata_undefined undefined;
} strata_test_result;

typedef struct strata_anova {
    strata_test_result test; /* F; effect = eta squared = R squared */
    double ss_between, ss_within, ms_between, ms_within; /* units of x squared */
    double residual_sd, omega_squared;
} strata_anova;

/* All take global cells [groups] and skip empty ones. */

/* One-way analysis of variance. SSB from the exact differences S_i N - S n_i, SSW from the exact
 * n_i Q_i - S_i^2. Effect sizes stay defined where the statistic is not, if the values vary.
 * Not collective. */
void strata_stats_anova(const strata_cell *cells, int32_t groups, strata_anova *out);

/* Welch's heteroscedastic ANOVA; effect = omega squared of the one-way analysis. Every group needs
 * two values and some variance. doi:10.1093/biomet/38.3-4.330. Not collective. */
void strata_stats_welch(const strata_cell *cells, int32_t groups, strata_test_result *out);

/* Brown and Forsythe's F* with Satterthwaite degrees of freedom, for when a variance is zero;
 * effect as above. doi:10.1080/00401706.1974.10489158. Not collective. */
void strata_stats_brown_forsythe(const strata_cell *cells, int32_t groups, strata_test_result *out);

/* Kruskal-Wallis from cells over the doubled mid-ranks 2 * smaller + equal + 1 of the values (see
 * strata_par_rank_values): H = (N - 1) SSB / SST, which is the statistic with tie correction. df1 =
 * groups - 1; effect = epsilon squared = H / (N - 1). doi:10.1080/01621459.1952.10483441
 * Not collective. */
void strata_stats_kruskal_wallis(const strata_cell *rank_cells, int32_t groups,
                                 strata_test_result *out);

/* Welch's t of two groups, two-sided p; df1 = Welch-Satterthwaite; effect = Cohen's d with the mean
 * of the two variances. doi:10.1093/biomet/34.1-2.28. Not collective. */
void strata_stats_welch_t(const strata_cell *a, const strata_cell *b, strata_test_result *out);

typedef struct strata_chi_squared {
    strata_test_result test; /* df1 = (r - 1)(c - 1); effect = Cramer's V */
    int64_t cells;           /* of the rows and columns that are not empty */
    int64_t low_expected;    /* of these with an expected count below 5 */
} strata_chi_squared;

/* Chi-squared test of independence on counts [rows, columns], each >= 0; empty rows and columns are
 * skipped. STRATA_ERR_MEMORY. Not collective. */
strata_status strata_stats_chi_squared(strata_context *ctx, const int64_t *counts, int32_t rows,
                                       int32_t columns, strata_chi_squared *out) STRATA_MUST_USE;

/* Agreement of two partitions from their contingency table counts [rows, columns]; both NaN for an
 * empty table. adjusted_rand: of Hubert and Arabie, in exact integers up to the last division; 1
 * for two trivial partitions that are the same (doi:10.1007/BF01908075). mutual_information:
 * normalised by the arithmetic mean of the two entropies (scikit-learn's default), in [0, 1]; 1
 * when neither partition divides anything. STRATA_ERR_MEMORY. Not collective. */
strata_status strata_stats_agreement(strata_context *ctx, const int64_t *counts, int32_t rows,
                                     int32_t columns, double *adjusted_rand,
                                     double *mutual_information) STRATA_MUST_USE;

/* ---- multiplicity ---------------------------------------------------------------------------- */

/* Not collective. Holm's step-down adjustment of log10_p [m] into adjusted [m] (may be the same
 * array), in logarithms throughout, so that p below 1e-308 stays ordered. NaN entries are no tests:
 * they do not count and stay NaN. O(m log m). STRATA_ERR_MEMORY. Holm 1979, Scand. J. Statist. 6,
 * 65-70. */
strata_status strata_stats_holm(strata_context *ctx, const double *log10_p, int64_t m,
                                double *adjusted) STRATA_MUST_USE;

#endif
