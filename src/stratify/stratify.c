#include <math.h>
#include <string.h>

#include "strata/memory.h"
#include "strata/money.h"
#include "strata/par.h"
#include "stratify/rules.h"

enum { terms = 3 }; /* recency, frequency, monetary */

/* The columns that stratification adds. */
static const strata_column added[] = {STRATA_R_SCORE,   STRATA_F_SCORE,       STRATA_M_SCORE,
                                      STRATA_COMPOSITE, STRATA_COMPOSITE_STD, STRATA_SEGMENT_CODE};
enum { n_added = sizeof added / sizeof *added };

/* ---- scores ---------------------------------------------------------------------------------- */

/* Order keys [n_local] of one term, so that a larger one is the better customer. */
static void term_values(const strata_users *users, int term, int64_t *values)
{
    const int32_t *recency = users->column[STRATA_RECENCY_DAYS];
    const int32_t *frequency = users->column[STRATA_FREQUENCY];
    for (int64_t i = 0; i < users->n_local; i++)
        values[i] = term == 0 ? -(int64_t)recency[i] : term == 1 ? frequency[i] : users->money[i];
}

/* Reduces what was counted here: bins, the largest group, and the number of distinct values. Each
 * user brings 2^62 / equal of a distinct value; what the quotients lose stays far below one half. */
static strata_status reduce_ties(strata_context *ctx, int32_t bins, __int128 distinct,
                                 strata_tie_report *ties)
{
    strata_status rc = STRATA_OK;
    STRATA_TRY(strata_par_allreduce_i64(ctx, ties->bin_users, bins, STRATA_SUM));
    STRATA_TRY(strata_par_allreduce_i64(ctx, &ties->largest_group, 1, STRATA_MAX));
    STRATA_TRY(strata_par_allreduce_i128(ctx, &distinct, 1));
    ties->distinct = (int64_t)((distinct + ((__int128)1 << 61)) >> 62);
done:
    return rc;
}

/* Scores of one term, and its weighted mid-rank percentile added to composite_std. */
static strata_status score_term(strata_context *ctx, const strata_config *config,
                                strata_users *users, int term, int64_t n_global,
                                strata_tie_report *ties)
{
    strata_status rc = STRATA_OK;
    int64_t *values = NULL, *smaller = NULL, *equal = NULL;
    int16_t *score = users->column[added[term]];
    double *standard = users->column[STRATA_COMPOSITE_STD];
    const int32_t bins = config->rfm.bins;
    const double weight = config->composite.weights[term];
    __int128 distinct = 0;
    strata_status local = strata_alloc(ctx, users->n_local, sizeof *values, &values);
    if (local == STRATA_OK)
        local = strata_alloc(ctx, users->n_local, sizeof *smaller, &smaller);
    if (local == STRATA_OK)
        local = strata_alloc(ctx, users->n_local, sizeof *equal, &equal);
    STRATA_AGREE(ctx, local);
    term_values(users, term, values);
    STRATA_TRY(strata_par_rank_values(ctx, values, users->n_local, smaller, equal));
    for (int64_t i = 0; i < users->n_local; i++) {
        const int64_t bin = (int64_t)((__int128)bins * smaller[i] / n_global);
        score[i] = (int16_t)(1 + bin);
        const double percentile = (double)(2 * smaller[i] + equal[i]) / (double)(2 * n_global);
        standard[i] = (term == 0 ? 0 : standard[i]) + weight * percentile;
        ties->bin_users[bin]++;
        ties->largest_group = equal[i] > ties->largest_group ? equal[i] : ties->largest_group;
        distinct += (INT64_C(1) << 62) / equal[i];
    }
    STRATA_TRY(reduce_ties(ctx, bins, distinct, ties));
done:
    strata_free(&equal);
    strata_free(&smaller);
    strata_free(&values);
    return rc;
}

static void fill_composite(const strata_config *config, strata_users *users)
{
    const double *weight = config->composite.weights, unit = config->composite.recency_unit_days;
    const int32_t base =
        config->composite.base == STRATA_BASE_AS_OF ? users->as_of : users->window_start;
    const int32_t *last = users->column[STRATA_LAST_DAY];
    const int32_t *frequency = users->column[STRATA_FREQUENCY];
    const double *monetary = users->column[STRATA_MONETARY];
    double *composite = users->column[STRATA_COMPOSITE];
    for (int64_t i = 0; i < users->n_local; i++) {
        /* a user who bought nothing in the period counts as one who last bought before it */
        const int32_t day = last[i] == STRATA_NO_DAY ? users->window_start : last[i];
        const double recency_term = weight[0] * ((double)(day - base) / unit);
        composite[i] = recency_term + weight[1] * frequency[i] + weight[2] * monetary[i];
    }
}

/* ---- segments -------------------------------------------------------------------------------- */

/* What is summed over the users of one segment. */
typedef struct sums {
    int64_t users, recency, frequency;
    __int128 revenue;
} sums;

static void add_users(const strata_config *config, const strata_users *users, sums *by_segment)
{
    const int16_t *codes = users->column[STRATA_SEGMENT_CODE];
    const int32_t *recency = users->column[STRATA_RECENCY_DAYS];
    const int32_t *frequency = users->column[STRATA_FREQUENCY];
    int32_t at = config->n_segments;
    int16_t code = STRATA_UNASSIGNED;
    for (int64_t i = 0; i < users->n_local; i++) {
        if (codes[i] != code) {
            code = codes[i];
            at = strata_rule_index(config, code);
        }
        by_segment[at].users++;
        by_segment[at].recency += recency[i];
        by_segment[at].frequency += frequency[i];
        by_segment[at].revenue += users->money[i];
    }
}

static strata_status reduce_sums(strata_context *ctx, sums *by_segment, int32_t n)
{
    strata_status rc = STRATA_OK;
    __int128 *flat = NULL;
    STRATA_AGREE(ctx, strata_alloc(ctx, 4 * (int64_t)n, sizeof *flat, &flat));
    for (int32_t s = 0; s < n; s++) {
        flat[4 * s] = by_segment[s].users;
        flat[4 * s + 1] = by_segment[s].recency;
        flat[4 * s + 2] = by_segment[s].frequency;
        flat[4 * s + 3] = by_segment[s].revenue;
    }
    STRATA_TRY(strata_par_allreduce_i128(ctx, flat, 4 * (int64_t)n));
    for (int32_t s = 0; s < n; s++) {
        by_segment[s] = (sums){(int64_t)flat[4 * s], (int64_t)flat[4 * s + 1],
                               (int64_t)flat[4 * s + 2], flat[4 * s + 3]};
        const __int128 revenue = by_segment[s].revenue;
        if (revenue > INT64_MAX || revenue < -INT64_MAX)
            STRATA_FAIL(ctx, STRATA_ERR_INPUT,
                        "the revenue of a segment passes 2^63 units; lower money.decimals");
    }
done:
    strata_free(&flat);
    return rc;
}

static strata_segment_summary summary_of(const strata_config *config, int32_t s, const sums *sum,
                                         const sums *total)
{
    const bool ruled = s < config->n_segments;
    const double users = (double)sum->users,
                 unit = (double)strata_power_of_ten(config->money.decimals);
    strata_segment_summary out = {
        .name = ruled ? config->segments[s].name : "unassigned",
        .code = ruled ? config->segments[s].code : (int16_t)STRATA_UNASSIGNED,
        .users = sum->users,
        .share = total->users > 0 ? users / (double)total->users : NAN,
        .expected_share = ruled ? config->segments[s].expected_share : NAN,
        .revenue = (int64_t)sum->revenue,
        .revenue_share = total->revenue != 0 ? (double)sum->revenue / (double)total->revenue : NAN,
        .mean_recency_days = NAN,
        .mean_frequency = NAN,
        .mean_monetary = NAN,
    };
    if (sum->users > 0) {
        out.mean_recency_days = (double)sum->recency / users;
        out.mean_frequency = (double)sum->frequency / users;
        out.mean_monetary = (double)sum->revenue / (users * unit);
    }
    return out;
}

static strata_status summarise(strata_context *ctx, const strata_config *config,
                               const strata_users *users, strata_stratification *out)
{
    strata_status rc = STRATA_OK;
    const int32_t n = config->n_segments + 1;
    sums *by_segment = NULL, total = {0};
    strata_segment_summary *segments = NULL;
    strata_status local = strata_calloc(ctx, n, sizeof *by_segment, &by_segment);
    if (local == STRATA_OK)
        local = strata_alloc(ctx, n, sizeof *segments, &segments);
    STRATA_AGREE(ctx, local);
    add_users(config, users, by_segment);
    STRATA_TRY(reduce_sums(ctx, by_segment, n));
    for (int32_t s = 0; s < n; s++) {
        total.users += by_segment[s].users;
        total.revenue += by_segment[s].revenue;
    }
    for (int32_t s = 0; s < n; s++)
        segments[s] = summary_of(config, s, &by_segment[s], &total);
    out->segments = segments;
    out->n_segments = n;
    out->coverage = total.users > 0
                        ? (double)(total.users - by_segment[n - 1].users) / (double)total.users
                        : NAN;
    segments = NULL;
done:
    strata_free(&segments);
    strata_free(&by_segment);
    return rc;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static strata_status allocate(strata_context *ctx, strata_users *users)
{
    strata_status rc = STRATA_OK;
    for (int a = 0; a < n_added; a++) {
        const int64_t size = strata_type_size(strata_column_table()[added[a]].type);
        STRATA_TRY(strata_alloc(ctx, users->n_local, size, &users->column[added[a]]));
    }
done:
    return rc;
}

/* Fills the added columns of `made`, whose other columns are those of the caller. */
static strata_status fill(strata_context *ctx, const strata_config *config, strata_users *made,
                          strata_stratification *out)
{
    strata_status rc = STRATA_OK;
    int64_t first = 0, n_global = 0;
    STRATA_TRY(strata_par_exscan_i64(ctx, made->n_local, &first, &n_global));
    for (int term = 0; term < terms; term++)
        STRATA_TRY(score_term(ctx, config, made, term, n_global, &out->ties[term]));
    fill_composite(config, made);
    STRATA_AGREE(ctx, strata_segments_apply(ctx, config, made, made->column[STRATA_SEGMENT_CODE]));
    STRATA_TRY(summarise(ctx, config, made, out));
done:
    return rc;
}

strata_status strata_stratify(strata_context *ctx, const strata_config *config, strata_users *users,
                              strata_stratification *out)
{
    strata_status rc = STRATA_OK;
    strata_stratification result = {0};
    strata_users made = *users; /* borrows all columns but the added ones */
    for (int a = 0; a < n_added; a++)
        made.column[added[a]] = NULL;
    STRATA_TRY(strata_rules_validate(ctx, config));
    if (config->rfm.bins < 2 || config->rfm.bins > 100)
        STRATA_FAIL(ctx, STRATA_ERR_USAGE, "rfm.bins is %d, but 2 to 100 are possible",
                    (int)config->rfm.bins);
    STRATA_AGREE(ctx, allocate(ctx, &made));
    STRATA_TRY(fill(ctx, config, &made, &result));
    for (int a = 0; a < n_added; a++) { /* the caller's old ones are freed below */
        void *old = users->column[added[a]];
        users->column[added[a]] = made.column[added[a]];
        made.column[added[a]] = old;
    }
    *out = result;
    memset(&result, 0, sizeof result);
done:
    for (int a = 0; a < n_added; a++)
        strata_free(&made.column[added[a]]);
    strata_stratification_release(&result);
    return rc;
}

void strata_stratification_release(strata_stratification *stratification)
{
    strata_free(&stratification->segments);
    stratification->n_segments = 0;
}
