#include <math.h>

#include "strata/money.h"
#include "strata/par.h"
#include "significance/internal.h"

static const struct {
    const char *name;
    strata_column column; /* what it is made of */
    bool ratio;           /* not a whole number of its unit */
    bool holdout;
} table[VARIABLE_COUNT] = {
    [VARIABLE_RECENCY] = {"recency_days", STRATA_RECENCY_DAYS, false, true},
    [VARIABLE_FREQUENCY] = {"frequency", STRATA_FREQUENCY, false, true},
    [VARIABLE_MONETARY] = {"monetary", STRATA_MONETARY, false, true},
    [VARIABLE_AOV] = {"aov", STRATA_AOV, true, true},
    [VARIABLE_MONTHLY_MEAN] = {"monthly_mean", STRATA_MONTHLY_MEAN, true, false},
    [VARIABLE_MAX_ORDER] = {"max_order", STRATA_MAX_ORDER, false, true},
    [VARIABLE_TENURE] = {"tenure", STRATA_FIRST_DAY, false, false},
};

const char *variable_name(variable v)
{
    return table[v].name;
}

bool variable_in_holdout(variable v)
{
    return table[v].holdout;
}

bool variable_present(const strata_users *users, variable v)
{
    return v == VARIABLE_MONETARY ? users->money != NULL : users->column[table[v].column] != NULL;
}

bool variable_is_external(variable v, const bool made_from[STRATA_COLUMN_COUNT])
{
    /* Of the columns that a rule or the clustering may use, only these two look at the first
     * purchase; everything else about purchases is a function of what made the groups. */
    return v == VARIABLE_TENURE && !made_from[STRATA_FIRST_DAY] && !made_from[STRATA_MONTHLY_MEAN];
}

static void fill_days(const strata_users *users, variable v, int64_t *x)
{
    const int32_t *days = users->column[table[v].column];
    bool tenure = v == VARIABLE_TENURE;
    for (int64_t i = 0; i < users->n_local; i++)
        x[i] = tenure ? (int64_t)users->as_of - days[i] : days[i];
}

/* The nearest integer; what does not fit 63 bits ends at their edge. */
static int64_t nearest(double value)
{
    const double edge = 0x1p63 - 1024;
    return fabs(value) < edge ? (int64_t)rint(value) : value > 0 ? INT64_MAX : -INT64_MAX;
}

void variable_fill(const strata_users *users, variable v, int32_t decimals, int shift, int64_t *x)
{
    if (v == VARIABLE_RECENCY || v == VARIABLE_FREQUENCY || v == VARIABLE_TENURE) {
        fill_days(users, v, x);
        return;
    }
    if (v == VARIABLE_MONETARY) {
        for (int64_t i = 0; i < users->n_local; i++)
            x[i] = users->money[i];
        return;
    }
    /* A whole number of money units comes back exactly; a ratio is scaled by a power of two. */
    const double *values = users->column[table[v].column];
    double unit = table[v].ratio ? ldexp(1, shift) : (double)strata_power_of_ten(decimals);
    for (int64_t i = 0; i < users->n_local; i++)
        x[i] = nearest(values[i] * unit);
}

strata_status variable_shifts(strata_context *ctx, const strata_users *users, int *shifts)
{
    strata_status rc = STRATA_OK;
    enum { BITS = 62 };
    double largest[VARIABLE_COUNT] = {0};
    for (int v = 0; v < VARIABLE_COUNT; v++) {
        if (!table[v].ratio || !variable_present(users, (variable)v))
            continue;
        const double *values = users->column[table[v].column];
        for (int64_t i = 0; i < users->n_local; i++)
            largest[v] = fmax(largest[v], fabs(values[i]));
    }
    STRATA_TRY(strata_par_allreduce_f64(ctx, largest, VARIABLE_COUNT, STRATA_MAX));
    for (int v = 0; v < VARIABLE_COUNT; v++) {
        int exponent = 0;
        frexp(largest[v], &exponent); /* largest < 2^exponent */
        shifts[v] = largest[v] > 0 ? BITS - exponent : 0;
    }
done:
    return rc;
}
