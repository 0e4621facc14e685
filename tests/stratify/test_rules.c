#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "strata/hash.h"
#include "strata/stratify.h"
#include "stratify/rules_helper.h"
#include "stratify/space.h"

static strata_context ctx;

/* ---- the printed report ---------------------------------------------------------------------- */

static char *explained(const strata_config *config)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    assert_non_null(out);
    const strata_status rc = strata_rules_explain(&ctx, config, out);
    fclose(out);
    if (rc != STRATA_OK)
        fail_msg("%s", ctx.error.message);
    assert_non_null(text);
    return text;
}

static void expect_text(const char *text, const char *part)
{
    /* gcc with -fsanitize=undefined warns of a NULL that cannot be unless it is ruled out here */
    if (!text || !strstr(text, part))
        fail_msg("'%s' is not in\n%s", part, text ? text : "");
}

static void reject_text(const char *text, const char *part)
{
    if (!text || strstr(text, part))
        fail_msg("'%s' is in\n%s", part, text ? text : "");
}

static void default_rules(void **state)
{
    (void)state;
    strata_config config = test_config(DEFAULT_RULES, 4);
    char *text = explained(&config);
    expect_text(text,
                "1. north_star (code 1): bought in the last 30 days, spends more than 500 a month");
    expect_text(
        text,
        "3. reactivate (code 3): bought in the last 183 days, a largest order of more than 300");
    expect_text(text, "4. churn_risk (code 4): last bought 365 or more days ago");
    expect_text(text, "north_star takes them although reactivate fits too");
    expect_text(text, "potential takes them although reactivate fits too");
    reject_text(text, "although churn_risk");
    expect_text(text, "  - last bought 184 to 364 days ago\n");
    expect_text(text, "  - bought in the last 364 days, spends less than 100 a month, "
                      "a largest order of at most 300\n");
    expect_text(text, "for example: last bought 20 days ago");
    expect_text(text, "1095 days are assumed here");
    free(text);
    config.window.start = 18000;
    config.window.as_of = 18300;
    text = explained(&config);
    expect_text(text, "can never match: no customer can be like that in a window of 300 days");
    reject_text(text, "assumed");
    free(text);
}

static void complete_rules(void **state)
{
    (void)state;
    strata_config config = test_config(
        (strata_segment_rule[]){
            {.name = TEXT("few"),
             .code = 1,
             .n_conditions = 1,
             .conditions = (strata_condition[]){{TEXT("frequency"), STRATA_BOUND_BELOW, 3}}},
            {.name = TEXT("many"),
             .code = 2,
             .n_conditions = 1,
             .conditions = (strata_condition[]){{TEXT("frequency"), STRATA_BOUND_ABOVE, 2}}}},
        2);
    char *text = explained(&config);
    expect_text(text, "few (code 1): at most 2 orders");
    expect_text(text, "many (code 2): at least 3 orders");
    expect_text(text, "None: no customer fits two rules.");
    expect_text(text, "None: every customer fits some rule.");
    free(text);
    config.n_segments = 0;
    text = explained(&config);
    expect_text(text, "  - every customer\n");
    free(text);
}

static void shadowed_rules(void **state)
{
    (void)state;
    strata_config config = test_config(
        (strata_segment_rule[]){
            {.name = TEXT("recent"),
             .code = 1,
             .n_conditions = 1,
             .conditions = (strata_condition[]){{TEXT("recency_days"), STRATA_BOUND_MAX, 90}}},
            {.name = TEXT("old"),
             .code = 2,
             .n_conditions = 1,
             .conditions = (strata_condition[]){{TEXT("recency_days"), STRATA_BOUND_MIN, 60}}},
            {.name = TEXT("rich"),
             .code = 3,
             .n_conditions = 1,
             .conditions = (strata_condition[]){{TEXT("monetary"), STRATA_BOUND_ABOVE, 1000}}},
            /* an order cannot be larger than the sum of all, unless refunds follow */
            {.name = TEXT("odd"),
             .code = 4,
             .n_conditions = 2,
             .conditions = (strata_condition[]){{TEXT("monetary"), STRATA_BOUND_MAX, 10},
                                                {TEXT("max_order"), STRATA_BOUND_MIN, 20}}}},
        4);
    char *text = explained(&config);
    expect_text(text, "can never take anybody: whoever it fits is taken before by recent, old");
    reject_text(text, "can never match");
    expect_text(text, "None: every customer fits some rule.");
    free(text);
    config.clean.refunds = STRATA_REFUNDS_DROP;
    text = explained(&config);
    expect_text(text, "can never match");
    free(text);
    config.segments[3].conditions[0].column = TEXT("monetery");
    assert_int_equal(strata_rules_explain(&ctx, &config, stdout), STRATA_ERR_USAGE);
    assert_non_null(strstr(ctx.error.message, "did you mean monetary?"));
    strata_context_clear_error(&ctx);
}

/* ---- the search for customers ---------------------------------------------------------------- */

static double draw(uint64_t key, uint64_t round)
{
    return strata_random_uniform(3, STRATA_RANDOM_TEST, key, round);
}

/* A customer of random orders, measured as the features room measures one. */
static strata_customer random_customer(uint64_t key, const strata_nature *nature)
{
    strata_customer customer = {{0}};
    double *v = customer.value, sum = 0, largest = 0;
    const double typical = pow(10, 4 * draw(key, 0));
    const int orders = 1 + (int)(pow(draw(key, 1), 4) * 60);
    double first = 1 + floor(draw(key, 2) * (nature->window - 1)), last = first;
    if (orders > 1)
        last = 1 + floor(draw(key, 3) * (first - 1));
    for (int o = 0; o < orders; o++) {
        const double amount = ceil(typical * exp(2 * draw(key, 10 + (uint64_t)o)) * 100) / 100;
        sum += amount;
        largest = fmax(largest, amount);
    }
    const double back = nature->refunds && draw(key, 4) < 0.2 ? sum * draw(key, 5) * 1.2 : 0;
    v[STRATA_RECENCY_DAYS] = last;
    v[STRATA_FREQUENCY] = orders;
    v[STRATA_MONETARY] = sum - back;
    v[STRATA_AOV] = sum / orders;
    v[STRATA_MONTHLY_MEAN] = (sum - back) / fmax(1, first / 30);
    v[STRATA_MAX_ORDER] = largest;
    return customer;
}

static const char *const ruled[] = {"recency_days", "frequency",    "monetary",
                                    "aov",          "monthly_mean", "max_order"};

/* Rules with thresholds in the range of the customers. */
static void random_rules(uint64_t key, strata_segment_rule *rules, int n)
{
    for (int r = 0; r < n; r++)
        for (int c = 0; c < rules[r].n_conditions; c++) {
            const uint64_t round = (uint64_t)(100 + 10 * r + 2 * c);
            const int column = (int)(draw(key, round) * 6);
            double threshold = rint(pow(10, 1 + 3 * draw(key, round + 1)));
            if (column == 0)
                threshold = rint(draw(key, round + 1) * 400);
            if (column == 1)
                threshold = 1 + rint(draw(key, round + 1) * 20);
            rules[r].conditions[c].value = threshold;
            snprintf(rules[r].conditions[c].column, 16, "%s", ruled[column]);
            rules[r].conditions[c].bound = (strata_bound)(draw(key, round + 2) * 4);
        }
}

/* Where a customer lies in the space; false outside of it. */
static bool locate(const strata_space *space, const strata_customer *customer, int32_t *place)
{
    for (int32_t a = 0; a < space->n_axes; a++) {
        const strata_axis *axis = &space->axis[a];
        int32_t cells = 0;
        for (int32_t i = 0; i < axis->n; i++)
            if (strata_interval_holds(&axis->cell[i], customer->value[axis->column])) {
                place[a] = i;
                cells++;
            }
        if (cells != 1)
            return false; /* the cells must cover each value once */
    }
    return true;
}

/* Rule by rule, condition by condition. */
static int32_t first_fitting(const strata_config *config, const strata_customer *customer)
{
    int32_t r = 0;
    for (; r < config->n_segments; r++) {
        bool fits = true;
        for (int32_t c = 0; c < config->segments[r].n_conditions; c++) {
            const strata_condition *condition = &config->segments[r].conditions[c];
            const double x = customer->value[strata_column_find(condition->column)];
            fits &= condition->bound == STRATA_BOUND_MIN     ? x >= condition->value
                    : condition->bound == STRATA_BOUND_MAX   ? x <= condition->value
                    : condition->bound == STRATA_BOUND_ABOVE ? x > condition->value
                                                             : x < condition->value;
        }
        if (fits)
            break;
    }
    return r;
}

static void check_consistent(const strata_customer *c, const strata_nature *nature)
{
    const double *v = c->value, sum = v[STRATA_AOV] * v[STRATA_FREQUENCY];
    assert_true(v[STRATA_RECENCY_DAYS] >= 1 && v[STRATA_RECENCY_DAYS] <= nature->window);
    assert_true(v[STRATA_RECENCY_DAYS] == rint(v[STRATA_RECENCY_DAYS]));
    assert_true(v[STRATA_FREQUENCY] >= 1 && v[STRATA_FREQUENCY] == rint(v[STRATA_FREQUENCY]));
    assert_true(v[STRATA_MAX_ORDER] > 0 && v[STRATA_MAX_ORDER] <= sum * (1 + 1e-12));
    assert_true(v[STRATA_MAX_ORDER] >= v[STRATA_AOV] * (1 - 1e-12));
    assert_true(v[STRATA_MONETARY] <= sum * (1 + 1e-12));
    assert_true(nature->refunds || v[STRATA_MONETARY] >= sum * (1 - 1e-12));
    const double tenure = v[STRATA_LAST_DAY] - v[STRATA_FIRST_DAY] + v[STRATA_RECENCY_DAYS];
    assert_true(tenure >= v[STRATA_RECENCY_DAYS] && tenure <= nature->window);
    assert_true(v[STRATA_FREQUENCY] > 1 || tenure == v[STRATA_RECENCY_DAYS]);
    const double monthly = v[STRATA_MONETARY] / fmax(1, tenure / 30);
    assert_true(fabs(v[STRATA_MONTHLY_MEAN] - monthly) <= 1e-9 * fabs(monthly));
}

/* In the cell of a customer who exists, a customer is found. */
static void finds_who_exists(void **state)
{
    (void)state;
    enum { rules = 4, conditions = 3, customers = 200, draws = 150 };
    static char names[rules][conditions][16], titles[rules][4];
    strata_condition list[rules][conditions] = {{{0}}};
    strata_segment_rule rule[rules] = {{0}};
    int64_t asked = 0, missed = 0;
    for (int r = 0; r < rules; r++) {
        snprintf(titles[r], sizeof titles[r], "r%d", r);
        rule[r] = (strata_segment_rule){.name = titles[r],
                                        .code = (int16_t)(r + 1),
                                        .conditions = list[r],
                                        .n_conditions = conditions};
        for (int c = 0; c < conditions; c++)
            list[r][c].column = names[r][c];
    }
    for (uint64_t d = 0; d < draws; d++) {
        strata_config config = test_config(rule, rules);
        if (d % 2)
            config.clean.refunds = STRATA_REFUNDS_DROP;
        if (d % 3 == 0) {
            config.window.start = 17000;
            config.window.as_of = 17000 + 200 + (int32_t)(draw(d, 0) * 600);
        }
        random_rules(d, rule, rules);
        strata_nature nature = strata_nature_of(&config);
        strata_space space;
        assert_int_equal(strata_space_create(&ctx, &config, &nature, &space), STRATA_OK);
        for (uint64_t k = 0; k < customers; k++) {
            const strata_customer real = random_customer(1000 * d + k, &nature);
            int32_t place[STRATA_COLUMN_COUNT] = {0};
            bool fits[rules];
            strata_interval box[STRATA_COLUMN_COUNT];
            strata_customer found;
            assert_true(locate(&space, &real, place));
            const int32_t first = strata_space_rules(&space, place, fits);
            assert_int_equal(first, first_fitting(&config, &real));
            strata_space_box(&space, place, place, box);
            asked++;
            if (!strata_customer_find(&nature, box, &found)) {
                missed++;
                continue;
            }
            check_consistent(&found, &nature);
            assert_int_equal(first_fitting(&config, &found), first);
        }
        strata_space_release(&space);
    }
    if (missed > 0)
        fail_msg("%d of %d cells with a customer were called empty", (int)missed, (int)asked);
}

/* Many columns: bounded work, and the report says that it looked at a part. */
static void many_columns(void **state)
{
    (void)state;
    enum { rules = 12, conditions = 9 };
    static const char *const all[conditions] = {"recency_days", "frequency",    "monetary",
                                                "aov",          "monthly_mean", "max_order",
                                                "r_score",      "f_score",      "composite_std"};
    static char names[conditions][16], titles[rules][8];
    strata_condition list[rules][conditions];
    strata_segment_rule rule[rules] = {{0}};
    for (int c = 0; c < conditions; c++)
        snprintf(names[c], sizeof names[c], "%s", all[c]);
    for (int r = 0; r < rules; r++) {
        snprintf(titles[r], sizeof titles[r], "r%d", r);
        for (int c = 0; c < conditions; c++)
            list[r][c] = (strata_condition){names[c], STRATA_BOUND_MIN,
                                            c < 6    ? 13.0 * (rules - r)
                                            : c == 8 ? 0.5
                                                     : 1 + r % 5};
        rule[r] = (strata_segment_rule){.name = titles[r],
                                        .code = (int16_t)(r + 1),
                                        .conditions = list[r],
                                        .n_conditions = conditions};
    }
    strata_config config = test_config(rule, rules);
    char *text = explained(&config);
    expect_text(text, "so something may be missing above");
    expect_text(text, "Scores and composites depend on all users");
    free(text);
}

int main(void)
{
    if (strata_context_init(&ctx, MPI_COMM_NULL) != STRATA_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(default_rules),  cmocka_unit_test(complete_rules),
        cmocka_unit_test(shadowed_rules), cmocka_unit_test(finds_who_exists),
        cmocka_unit_test(many_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
