/* Configurations for the tests of the stratify room, made of literals. */
#ifndef STRATA_TESTS_STRATIFY_RULES_HELPER_H
#define STRATA_TESTS_STRATIFY_RULES_HELPER_H

#include <math.h>

#include "strata/config.h"

#define TEXT(literal) ((char[]){literal})

/* The rules of the method with their default numbers. The literals live as long as the block that the
 * macro stands in. */
#define DEFAULT_RULES                                                                              \
    (strata_segment_rule[])                                                                        \
    {                                                                                              \
        {.name = TEXT("north_star"),                                                               \
         .code = 1,                                                                                \
         .expected_share = 0.05,                                                                   \
         .n_conditions = 2,                                                                        \
         .conditions = (strata_condition[]){{TEXT("recency_days"), STRATA_BOUND_MAX, 30},          \
                                            {TEXT("monthly_mean"), STRATA_BOUND_ABOVE, 500}}},     \
            {.name = TEXT("potential"),                                                            \
             .code = 2,                                                                            \
             .expected_share = 0.20,                                                               \
             .n_conditions = 3,                                                                    \
             .conditions = (strata_condition[]){{TEXT("recency_days"), STRATA_BOUND_MAX, 90},      \
                                                {TEXT("monthly_mean"), STRATA_BOUND_MIN, 100},     \
                                                {TEXT("monthly_mean"), STRATA_BOUND_MAX, 500}}},   \
            {.name = TEXT("reactivate"),                                                           \
             .code = 3,                                                                            \
             .expected_share = 0.15,                                                               \
             .n_conditions = 2,                                                                    \
             .conditions = (strata_condition[]){{TEXT("recency_days"), STRATA_BOUND_MAX, 183},     \
                                                {TEXT("max_order"), STRATA_BOUND_ABOVE, 300}}},    \
            {.name = TEXT("churn_risk"),                                                           \
             .code = 4,                                                                            \
             .expected_share = 0.60,                                                               \
             .n_conditions = 1,                                                                    \
             .conditions = (strata_condition[]){{TEXT("recency_days"), STRATA_BOUND_MIN, 365}}},   \
    }

static inline strata_config test_config(strata_segment_rule *rules, int32_t n)
{
    strata_config config = {0};
    config.window.start = config.window.as_of = STRATA_NO_DAY;
    config.money.decimals = 2;
    config.rfm.bins = 5;
    config.composite.weights[0] = 0.1;
    config.composite.weights[1] = 0.5;
    config.composite.weights[2] = 0.4;
    config.composite.recency_unit_days = 30;
    config.segments = rules;
    config.n_segments = n;
    return config;
}

#endif
