#include <string.h>

#include "strata/features.h"
#include "strata/memory.h"
#include "strata/money.h"
#include "strata/par.h"

enum { days_a_month = 30 };

/* numerator / denominator with one rounding while both stay below 2^53, so that a customer who spends
 * exactly 100 a month is not put below 100 by an intermediate quotient. */
static double ratio(__int128 numerator, __int128 denominator)
{
    return (double)numerator / (double)denominator;
}

static strata_status allocate(strata_context *ctx, int64_t n_local, strata_users *users)
{
    strata_status rc = STRATA_OK;
    const strata_column_info *table = strata_column_table();
    STRATA_TRY(strata_alloc(ctx, n_local, sizeof *users->money, &users->money));
    for (int c = STRATA_REGION_CODE; c <= STRATA_MAX_ORDER; c++)
        STRATA_TRY(strata_alloc(ctx, n_local, strata_type_size(table[c].type), &users->column[c]));
done:
    return rc;
}

/* The columns of whole days and counts. */
static void fill_counts(const strata_population *population, const strata_activity *activity,
                        strata_users *users)
{
    int32_t *first = users->column[STRATA_FIRST_DAY], *last = users->column[STRATA_LAST_DAY];
    int32_t *recency = users->column[STRATA_RECENCY_DAYS];
    int32_t *frequency = users->column[STRATA_FREQUENCY];
    size_t n = (size_t)users->n_local;
    if (n == 0)
        return;
    memcpy(users->column[STRATA_REGION_CODE], population->region_code, n * sizeof(int16_t));
    memcpy(frequency, activity->orders, n * sizeof *frequency);
    memcpy(users->money, activity->net, n * sizeof *users->money);
    for (size_t i = 0; i < n; i++) {
        bool bought = activity->orders[i] > 0;
        first[i] = bought ? activity->first_day[i] : STRATA_NO_DAY;
        last[i] = bought ? activity->last_day[i] : STRATA_NO_DAY;
        recency[i] = users->as_of - (bought ? activity->last_day[i] : users->window_start);
    }
}

static void fill_money(const strata_activity *activity, int32_t decimals, strata_users *users)
{
    double *monetary = users->column[STRATA_MONETARY], *aov = users->column[STRATA_AOV];
    double *monthly = users->column[STRATA_MONTHLY_MEAN];
    double *largest = users->column[STRATA_MAX_ORDER];
    const int64_t unit = strata_power_of_ten(decimals);
    for (int64_t i = 0; i < users->n_local; i++) {
        int64_t orders = activity->orders[i];
        monetary[i] = ratio(activity->net[i], unit);
        if (orders == 0) { /* nothing bought in the period: refunds alone are no spending habit */
            aov[i] = monthly[i] = largest[i] = 0;
            continue;
        }
        int64_t tenure = users->as_of - activity->first_day[i];
        aov[i] = ratio(activity->positive[i], (__int128)orders * unit);
        largest[i] = ratio(activity->largest[i], unit);
        monthly[i] = tenure <= days_a_month ? monetary[i]
                                            : ratio((__int128)activity->net[i] * days_a_month,
                                                    (__int128)tenure * unit);
    }
}

strata_status strata_features_compute(strata_context *ctx, const strata_population *population,
                                      const strata_activity *activity, int32_t start, int32_t as_of,
                                      int32_t decimals, strata_users *users)
{
    strata_status rc = STRATA_OK;
    strata_users made = {
        .n_local = strata_partition_local(&population->partition, ctx->rank),
        .partition = &population->partition,
        .user_key = population->user_key,
        .key_width = population->key_width,
        .key64 = population->key64,
        .window_start = start,
        .as_of = as_of,
    };
    STRATA_AGREE(ctx, allocate(ctx, made.n_local, &made));
    fill_counts(population, activity, &made);
    fill_money(activity, decimals, &made);
    *users = made;
    memset(&made, 0, sizeof made);
done:
    strata_users_release(&made);
    return rc;
}

void strata_users_release(strata_users *users)
{
    strata_free(&users->money);
    for (int c = 0; c < STRATA_COLUMN_COUNT; c++)
        strata_free(&users->column[c]);
    users->n_local = 0;
}
