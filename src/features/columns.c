#include <string.h>

#include "strata/features.h"
#include "strata/text.h"

static const strata_column_info table[STRATA_COLUMN_COUNT] = {
    [STRATA_REGION_CODE] = {"region_code", STRATA_I16,
                            "region with most orders, see the dictionary", "1", false},
    [STRATA_FIRST_DAY] = {"first_day", STRATA_I32, "day of the first purchase in the window",
                          "days since 1970-01-01", true},
    [STRATA_LAST_DAY] = {"last_day", STRATA_I32, "day of the last purchase in the window",
                         "days since 1970-01-01", true},
    [STRATA_RECENCY_DAYS] = {"recency_days", STRATA_I32, "days from the last purchase to as_of",
                             "d", true},
    [STRATA_FREQUENCY] = {"frequency", STRATA_I32, "orders with a positive total", "1", true},
    [STRATA_MONETARY] = {"monetary", STRATA_F64, "net sum of all amounts", "currency", true},
    [STRATA_AOV] = {"aov", STRATA_F64, "average value of the orders with a positive total",
                    "currency", true},
    [STRATA_MONTHLY_MEAN] = {"monthly_mean", STRATA_F64,
                             "monetary a month of 30 days since the first purchase, at least one",
                             "currency", true},
    [STRATA_MAX_ORDER] = {"max_order", STRATA_F64, "largest order total", "currency", true},
    [STRATA_R_SCORE] = {"r_score", STRATA_I16, "quantile score of recency, more recent is higher",
                        "1", true},
    [STRATA_F_SCORE] = {"f_score", STRATA_I16, "quantile score of frequency", "1", true},
    [STRATA_M_SCORE] = {"m_score", STRATA_I16, "quantile score of monetary", "1", true},
    [STRATA_COMPOSITE] =
        {"composite", STRATA_F64,
         "weighted sum of recency term, frequency and monetary, in their own units", "1", true},
    [STRATA_COMPOSITE_STD] = {"composite_std", STRATA_F64,
                              "the same weighted sum of mid-rank percentiles in [0, 1]", "1", true},
    [STRATA_SEGMENT_CODE] = {"segment_code", STRATA_I16,
                             "segment of the first rule that fits, -1 = unassigned", "1", false},
    [STRATA_CLUSTER_ID] = {"cluster_id", STRATA_I16, "nearest cluster", "1", false},
    [STRATA_CLUSTER_DISTANCE] = {"cluster_distance", STRATA_F64,
                                 "distance to the centre of the cluster, in scaled units", "1",
                                 false},
};

const strata_column_info *strata_column_table(void)
{
    return table;
}

strata_column strata_column_find(const char *name)
{
    for (int c = 0; c < STRATA_COLUMN_COUNT; c++)
        if (strcmp(table[c].name, name) == 0)
            return (strata_column)c;
    return STRATA_COLUMN_COUNT;
}

const char *strata_column_suggest(const char *name)
{
    const char *names[STRATA_COLUMN_COUNT];
    const size_t length = strlen(name);
    int32_t n = 0;
    for (int c = 0; c < STRATA_COLUMN_COUNT; c++)
        if (table[c].is_feature)
            names[n++] = table[c].name;
    /* an abbreviation first (recency -> recency_days), then the nearest spelling */
    for (int32_t i = 0; i < n; i++)
        if (length >= 3 && strncmp(names[i], name, length) == 0)
            return names[i];
    return strata_text_nearest(name, names, n);
}

static strata_status unknown_feature(strata_context *ctx, const char *name)
{
    const char *nearest = strata_column_suggest(name);
    return strata_context_fail(
        ctx, STRATA_ERR_USAGE, __FILE__, __LINE__, "%s is no column that can be clustered%s%s%s",
        name, nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
}

strata_status strata_users_features(strata_context *ctx, const strata_users *users,
                                    char *const *names, int32_t d, strata_feature_set *set)
{
    strata_status rc = STRATA_OK;
    strata_feature_set made = {.n_local = users->n_local, .d = d};
    if (d < 1 || d > STRATA_FEATURES_MAX)
        STRATA_FAIL(ctx, STRATA_ERR_USAGE, "%d features, but 1 to %d are possible", (int)d,
                    STRATA_FEATURES_MAX);
    for (int32_t f = 0; f < d; f++) {
        const strata_column c = strata_column_find(names[f]);
        if (c == STRATA_COLUMN_COUNT || !table[c].is_feature)
            STRATA_TRY(unknown_feature(ctx, names[f]));
        for (int32_t g = 0; g < f; g++)
            if (strcmp(names[f], names[g]) == 0)
                STRATA_FAIL(ctx, STRATA_ERR_USAGE, "feature %s is named twice", names[f]);
        if (!users->column[c])
            STRATA_FAIL(ctx, STRATA_ERR_INTERNAL, "column %s is not computed yet", names[f]);
        made.feature[f] = (strata_feature){table[c].name, table[c].type, users->column[c]};
    }
    *set = made;
done:
    return rc;
}

int64_t strata_type_size(strata_type type)
{
    switch (type) {
    case STRATA_I16:
        return sizeof(int16_t);
    case STRATA_I32:
        return sizeof(int32_t);
    case STRATA_I64:
        return sizeof(int64_t);
    case STRATA_F64:
        return sizeof(double);
    case STRATA_TEXT:
        break;
    }
    return 0;
}

double strata_users_value(const strata_users *users, strata_column column, int64_t row)
{
    const strata_feature feature = {table[column].name, table[column].type, users->column[column]};
    return strata_feature_value(&feature, row);
}

double strata_feature_value(const strata_feature *feature, int64_t row)
{
    const void *values = feature->values;
    switch (feature->type) {
    case STRATA_I16:
        return ((const int16_t *)values)[row];
    case STRATA_I32:
        return ((const int32_t *)values)[row];
    case STRATA_I64:
        return (double)((const int64_t *)values)[row];
    default:
        return ((const double *)values)[row];
    }
}
