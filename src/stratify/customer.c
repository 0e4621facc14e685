#include "stratify/customer.h"

#include <math.h>
#include <string.h>

enum { days_a_month = 30, assumed_window = 1095, most_orders = 1000000 };

static strata_interval closed(double low, double high)
{
    return (strata_interval){.low = low, .high = high};
}

static strata_interval scaled(strata_interval interval, double factor)
{
    interval.low *= factor;
    interval.high *= factor;
    return interval;
}

/* Longest window that makes sense of the rules when the configuration does not say. */
static int32_t window_for(const strata_config *config)
{
    double longest = assumed_window;
    for (int32_t r = 0; r < config->n_segments; r++)
        for (int32_t c = 0; c < config->segments[r].n_conditions; c++) {
            const strata_condition *condition = &config->segments[r].conditions[c];
            if (strata_column_find(condition->column) == STRATA_RECENCY_DAYS)
                longest = fmax(longest, 2 * condition->value);
        }
    return (int32_t)fmin(longest, 100000);
}

strata_nature strata_nature_of(const strata_config *config)
{
    const int32_t start = config->window.start, as_of = config->window.as_of;
    strata_nature nature = {.as_of = as_of, .refunds = config->clean.refunds == STRATA_REFUNDS_NET};
    nature.window_known = start != STRATA_NO_DAY && as_of != STRATA_NO_DAY && as_of > start;
    nature.window = nature.window_known ? as_of - start : window_for(config);
    for (int c = 0; c < STRATA_COLUMN_COUNT; c++)
        nature.range[c] = strata_interval_all();
    nature.range[STRATA_RECENCY_DAYS] = closed(1, nature.window);
    nature.range[STRATA_FREQUENCY] = closed(1, INFINITY);
    const strata_interval positive = {.low = 0, .low_open = true, .high = INFINITY};
    nature.range[STRATA_AOV] = nature.range[STRATA_MAX_ORDER] = positive;
    if (!nature.refunds)
        nature.range[STRATA_MONETARY] = nature.range[STRATA_MONTHLY_MEAN] = positive;
    for (int c = STRATA_R_SCORE; c <= STRATA_M_SCORE; c++)
        nature.range[c] = closed(1, config->rfm.bins);
    if (as_of != STRATA_NO_DAY) {
        nature.range[STRATA_FIRST_DAY] = closed(as_of - nature.window, as_of - 1);
        nature.range[STRATA_LAST_DAY] = nature.range[STRATA_FIRST_DAY];
    }
    strata_interval *standard = &nature.range[STRATA_COMPOSITE_STD];
    *standard = closed(0, 0);
    for (int t = 0; t < 3; t++) {
        standard->low += fmin(config->composite.weights[t], 0);
        standard->high += fmax(config->composite.weights[t], 0);
    }
    return nature;
}

/* ---- round numbers --------------------------------------------------------------------------- */

/* The roundest number near wish that the interval holds, whole or in hundredths. */
static bool round_number(const strata_interval *interval, double wish, bool whole, double *out)
{
    const double finest = whole ? 1 : 0.01;
    double step = 0.1;
    while (step < 1e15 && step * 10 <= fabs(wish))
        step *= 10;
    for (; step >= finest / 2; step /= 10)
        for (int part = 1; part <= 5; part += part == 1 ? 1 : 3) { /* 1, 2, 5 */
            const double fine = step / part, near = rint(wish / fine) * fine;
            const double number = whole ? rint(near) : rint(near * 100) / 100;
            if (strata_interval_holds(interval, number)) {
                *out = number;
                return true;
            }
        }
    return false;
}

/* A number inside the interval, like wish if possible. False for an empty one. */
static bool choose(const strata_interval *interval, double wish, bool whole, double *out)
{
    const double low = interval->low, high = interval->high;
    if (strata_interval_empty(interval))
        return false;
    if (!strata_interval_holds(interval, wish)) {
        if (isfinite(low) && isfinite(high))
            wish = low / 2 + high / 2;
        else if (isfinite(low))
            wish = low > 0 ? low * 1.3 : low + 10;
        else
            wish = high > 0 ? high * 0.6 : high * 1.3 - 10;
    }
    if (round_number(interval, wish, whole, out))
        return true;
    *out = !interval->low_open && isfinite(low)     ? low
           : !interval->high_open && isfinite(high) ? high
                                                    : wish;
    return strata_interval_holds(interval, *out) && (!whole || *out == rint(*out));
}

/* ---- the search ------------------------------------------------------------------------------ */

/* Everything about a customer but the money. */
typedef struct habits {
    double recency, tenure, orders, months;
} habits;

static bool fits_box(const strata_nature *nature, const strata_interval *box,
                     const strata_customer *customer)
{
    for (int c = 0; c < STRATA_COLUMN_COUNT; c++)
        if (strata_column_table()[c].is_feature &&
            !(strata_interval_holds(&box[c], customer->value[c]) &&
              strata_interval_holds(&nature->range[c], customer->value[c])))
            return false;
    return true;
}

/* Money for given days and orders: the sum of the orders first, then what refunds leave, then the
 * largest order between the average and the sum. */
static bool find_money(const strata_nature *nature, const strata_interval *box, const habits *habit,
                       bool refunds, strata_customer *customer)
{
    const strata_interval largest =
        strata_interval_meet(box[STRATA_MAX_ORDER], nature->range[STRATA_MAX_ORDER]);
    strata_interval net =
        strata_interval_meet(box[STRATA_MONETARY], scaled(box[STRATA_MONTHLY_MEAN], habit->months));
    strata_interval sum = scaled(box[STRATA_AOV], habit->orders);
    strata_interval below = largest, above = scaled(largest, habit->orders);
    below.high = INFINITY;
    below.high_open = false;
    above.low = -INFINITY;
    above.low_open = false;
    sum = strata_interval_meet(strata_interval_meet(sum, below), above);
    double *value = customer->value, total, left;
    const double wish = 50 * habit->months;
    if (!refunds) {
        net = strata_interval_meet(net, sum);
        if (!choose(&net, wish, false, &total))
            return false;
        left = total;
    } else {
        strata_interval reach = closed(-INFINITY, sum.high);
        net = strata_interval_meet(net, reach);
        if (!choose(&net, wish, false, &left))
            return false;
        sum = strata_interval_meet(sum, closed(left, INFINITY));
        if (!choose(&sum, fmax(left, 0) * 1.2 + 10, false, &total))
            return false;
    }
    const strata_interval orders = closed(total / habit->orders, total);
    const strata_interval one = strata_interval_meet(largest, orders);
    if (habit->orders == 1)
        value[STRATA_MAX_ORDER] = total;
    else if (!choose(&one, fmin(1.3 * total / habit->orders, total), false,
                     &value[STRATA_MAX_ORDER]))
        return false;
    value[STRATA_MONETARY] = left;
    value[STRATA_AOV] = total / habit->orders;
    value[STRATA_MONTHLY_MEAN] =
        habit->tenure <= days_a_month ? left : left * days_a_month / habit->tenure;
    return fits_box(nature, box, customer);
}

/* Columns that nothing else follows from. */
static bool find_free(const strata_nature *nature, const strata_interval *box,
                      strata_customer *customer)
{
    for (int c = STRATA_R_SCORE; c <= STRATA_COMPOSITE_STD; c++) {
        const strata_interval range = strata_interval_meet(box[c], nature->range[c]);
        const bool whole = strata_type_whole(strata_column_table()[c].type);
        if (!choose(&range, whole ? 3 : 0.5, whole, &customer->value[c]))
            return false;
    }
    return true;
}

static bool find_with(const strata_nature *nature, const strata_interval *box, const habits *habit,
                      bool refunds, strata_customer *customer)
{
    double *value = customer->value;
    value[STRATA_RECENCY_DAYS] = habit->recency;
    value[STRATA_FREQUENCY] = habit->orders;
    if (nature->as_of != STRATA_NO_DAY) {
        value[STRATA_FIRST_DAY] = nature->as_of - habit->tenure;
        value[STRATA_LAST_DAY] = nature->as_of - habit->recency;
    } else if (!choose(&box[STRATA_LAST_DAY], 18000, true, &value[STRATA_LAST_DAY])) {
        return false;
    } else { /* some as_of fits, if the first day can lie as far back as the tenure asks */
        value[STRATA_FIRST_DAY] = value[STRATA_LAST_DAY] - (habit->tenure - habit->recency);
    }
    return find_money(nature, box, habit, refunds, customer);
}

/* Candidates, typical ones first; those outside the interval are left out. */
static int pick(const strata_interval *interval, const double *wishes, int n, double *out)
{
    int found = 0;
    for (int i = 0; i < n; i++)
        if (isfinite(wishes[i]) && wishes[i] == rint(wishes[i]) &&
            strata_interval_holds(interval, wishes[i]))
            out[found++] = wishes[i];
    return found;
}

/* Orders worth trying: few, the ends, and as many as the largest order and the sum ask for. */
static int order_counts(const strata_nature *nature, const strata_interval *box, double months,
                        double *out)
{
    const strata_interval range = strata_interval_meet(
        strata_interval_meet(box[STRATA_FREQUENCY], nature->range[STRATA_FREQUENCY]),
        closed(1, most_orders));
    const double low = fmax(box[STRATA_MONETARY].low, box[STRATA_MONTHLY_MEAN].low * months);
    const double high = fmin(box[STRATA_MONETARY].high, box[STRATA_MONTHLY_MEAN].high * months);
    const double dear = fmin(box[STRATA_MAX_ORDER].high, box[STRATA_AOV].high);
    const double least = low / dear, most = high / box[STRATA_AOV].low;
    strata_interval open_end = range; /* or its middle would be half a million orders */
    double middle = 3;
    open_end.high = fmin(range.high, range.low * 100);
    choose(&open_end, 3, true, &middle);
    const double wishes[] = {3,
                             2,
                             middle,
                             1,
                             5,
                             range.low,
                             range.low + 1,
                             ceil(1.3 * least),
                             ceil(least),
                             floor(least) + 1,
                             floor(most),
                             ceil(most) - 1,
                             10,
                             20,
                             50,
                             100,
                             1000,
                             range.high};
    return pick(&range, wishes, sizeof wishes / sizeof *wishes, out);
}

static bool find_tenure(const strata_nature *nature, const strata_interval *box, double recency,
                        bool refunds, strata_customer *customer)
{
    strata_interval range = closed(recency, nature->window);
    if (nature->as_of != STRATA_NO_DAY)
        range = strata_interval_meet(range, closed(nature->as_of - box[STRATA_FIRST_DAY].high,
                                                   nature->as_of - box[STRATA_FIRST_DAY].low));
    /* where the bounds of the sum and of the monthly mean meet */
    const strata_interval *sum = &box[STRATA_MONETARY], *monthly = &box[STRATA_MONTHLY_MEAN];
    const double least = days_a_month * sum->low / monthly->high;
    const double most = days_a_month * sum->high / monthly->low;
    const double wishes[] = {recency + 60,  recency + 30,     recency + 10,  recency + 180,
                             recency,       recency + 1,      range.low,     range.high,
                             recency + 360, nature->window,   ceil(least),   floor(least) + 1,
                             floor(most),   rint(least + 20), ceil(most) - 1};
    double tenures[sizeof wishes / sizeof *wishes], counts[18];
    const int n = pick(&range, wishes, sizeof wishes / sizeof *wishes, tenures);
    for (int t = 0; t < n; t++) {
        habits habit = {.recency = recency, .tenure = tenures[t]};
        habit.months = fmax(1, habit.tenure / days_a_month);
        const int orders = order_counts(nature, box, habit.months, counts);
        for (int o = 0; o < orders; o++) {
            habit.orders = counts[o];
            /* one order is the first and the last, and only one day can hold them */
            if (habit.orders == 1 && habit.tenure != habit.recency)
                continue;
            if (find_with(nature, box, &habit, refunds, customer))
                return true;
        }
    }
    return false;
}

/* Bounds that no money can meet at once, seen without a search. */
static bool hopeless(const strata_nature *nature, const strata_interval *box)
{
    const strata_interval *sum = &box[STRATA_MONETARY], *monthly = &box[STRATA_MONTHLY_MEAN];
    const strata_interval *mean = &box[STRATA_AOV], *largest = &box[STRATA_MAX_ORDER];
    const double orders = box[STRATA_FREQUENCY].high, months = fmax(1, nature->window / 30.0);
    const double least = fmax(sum->low, monthly->low); /* a month at least is counted */
    return mean->low > largest->high || monthly->low > fmax(sum->high, 0) ||
           (least > 0 && (least > orders * largest->high || least > orders * mean->high)) ||
           (sum->low > 0 && sum->low > monthly->high * months) ||
           (!nature->refunds &&
            (largest->low > sum->high || largest->low > monthly->high * months ||
             box[STRATA_FREQUENCY].low * mean->low > sum->high));
}

bool strata_customer_find(const strata_nature *nature, const strata_interval *box,
                          strata_customer *customer)
{
    strata_customer found;
    memset(&found, 0, sizeof found);
    strata_interval range =
        strata_interval_meet(box[STRATA_RECENCY_DAYS], nature->range[STRATA_RECENCY_DAYS]);
    if (nature->as_of != STRATA_NO_DAY)
        range = strata_interval_meet(range, closed(nature->as_of - box[STRATA_LAST_DAY].high,
                                                   nature->as_of - box[STRATA_LAST_DAY].low));
    double middle = NAN, days[11], wishes[11];
    if (hopeless(nature, box) || !choose(&range, 20, true, &middle) ||
        !find_free(nature, box, &found))
        return false;
    wishes[0] = middle;
    for (int part = 0; part <= 8; part++)
        wishes[1 + part] = rint(range.low + (range.high - range.low) * part / 8);
    wishes[10] = range.low + 1;
    const int n = pick(&range, wishes, 11, days);
    for (int refunds = 0; refunds <= nature->refunds; refunds++) /* the plain case first */
        for (int i = 0; i < n; i++)
            if (find_tenure(nature, box, days[i], refunds > 0, &found)) {
                *customer = found;
                return true;
            }
    return false;
}
