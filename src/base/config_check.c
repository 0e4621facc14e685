#include <stdarg.h>
#include <string.h>

#include "config_internal.h"

#include "strata/dates.h"
#include "strata/memory.h"

/* What involves more than one key, or more than the form of a value. A failure is reported where one
 * of the values stands, so that the message leads to a line. */

static strata_status wrong_at(strata_context *ctx, const strata_config *config, const char *key,
                              const char *format, ...) STRATA_PRINTF(4, 5);

static strata_status wrong_at(strata_context *ctx, const strata_config *config, const char *key,
                              const char *format, ...)
{
    const strata_config_mark *mark = &config->marks[config_find(key)];
    char text[640];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (mark->line > 0)
        return strata_context_fail(ctx, STRATA_ERR_USAGE, __FILE__, __LINE__,
                                   "%.240s:%d:%d: %s: %s", mark->where, (int)mark->line,
                                   (int)mark->column, key, text);
    if (mark->origin == STRATA_FROM_DEFAULT)
        return strata_context_fail(ctx, STRATA_ERR_USAGE, __FILE__, __LINE__, "%s: %s", key, text);
    return strata_context_fail(ctx, STRATA_ERR_USAGE, __FILE__, __LINE__, "%.240s%s%s: %s",
                               mark->where, mark->origin == STRATA_FROM_SET ? " " : "",
                               mark->origin == STRATA_FROM_SET ? key : "", text);
}

static const char *const role_key[STRATA_ROLE_COUNT] = {
    [STRATA_ROLE_USER] = "input.columns.user",
    [STRATA_ROLE_TIME] = "input.columns.time",
    [STRATA_ROLE_AMOUNT] = "input.columns.amount",
    [STRATA_ROLE_QUANTITY] = "input.columns.quantity",
    [STRATA_ROLE_UNIT_PRICE] = "input.columns.unit_price",
    [STRATA_ROLE_ORDER] = "input.columns.order",
    [STRATA_ROLE_REGION] = "input.columns.region",
    [STRATA_ROLE_CURRENCY] = "input.columns.currency",
};

static strata_status check_columns(strata_context *ctx, strata_config *config)
{
    char **column = config->input.columns;
    const char *amount = role_key[STRATA_ROLE_AMOUNT];
    bool quantity = column[STRATA_ROLE_QUANTITY], price = column[STRATA_ROLE_UNIT_PRICE];
    if (!column[STRATA_ROLE_USER])
        return wrong_at(ctx, config, role_key[STRATA_ROLE_USER], "the user column is required");
    if (!column[STRATA_ROLE_TIME])
        return wrong_at(ctx, config, role_key[STRATA_ROLE_TIME], "the time column is required");
    if (quantity != price)
        return wrong_at(
            ctx, config, role_key[quantity ? STRATA_ROLE_QUANTITY : STRATA_ROLE_UNIT_PRICE],
            "quantity and unit_price go together; %s is missing",
            quantity ? role_key[STRATA_ROLE_UNIT_PRICE] : role_key[STRATA_ROLE_QUANTITY]);
    if (quantity && strata_config_origin(config, amount) == STRATA_FROM_DEFAULT)
        strata_free(&column[STRATA_ROLE_AMOUNT]); /* the default yields to what was asked for */
    if (quantity && column[STRATA_ROLE_AMOUNT])
        return wrong_at(ctx, config, amount,
                        "map either amount, or quantity with unit_price, not both");
    if (!quantity && !column[STRATA_ROLE_AMOUNT])
        return wrong_at(ctx, config, amount,
                        "the money is missing: map amount, or quantity with unit_price");
    return STRATA_OK;
}

static strata_status check_names(strata_context *ctx, const strata_config *config)
{
    const bool from_file = config->input.header == STRATA_HEADER_NAMES;
    if (from_file && config->input.n_names > 0)
        return wrong_at(ctx, config, "input.names",
                        "names are for header: false or skip; with header: true the first row "
                        "names the columns");
    if (!from_file && config->input.n_names == 0)
        return wrong_at(ctx, config, "input.header",
                        "header: %s needs the columns' names in input.names",
                        config->input.header == STRATA_HEADER_NONE ? "false" : "skip");
    return STRATA_OK;
}

static strata_status check_roles(strata_context *ctx, const strata_config *config)
{
    const char *const *names = (const char *const *)config->input.names;
    int32_t n = config->input.n_names;
    if (config->input.header == STRATA_HEADER_NAMES)
        return STRATA_OK; /* the file tells */
    for (int role = 0; role < STRATA_ROLE_COUNT; role++) {
        const char *wanted = config->input.columns[role];
        bool found = wanted == NULL;
        for (int32_t i = 0; i < n && !found; i++)
            found = strcmp(names[i], wanted) == 0;
        if (found)
            continue;
        const char *near = strata_text_nearest(wanted, names, n);
        return wrong_at(ctx, config, role_key[role], "no column \"%.60s\" in input.names%s%.60s%s",
                        wanted, near ? " (did you mean \"" : "", near ? near : "",
                        near ? "\"?)" : "");
    }
    return STRATA_OK;
}

static strata_status check_time(strata_context *ctx, const strata_config *config)
{
    strata_time_format format;
    char message[sizeof ctx->error.message], start[11], as_of[11];
    strata_status rc = strata_time_format_compile(ctx, config->input.time_format, &format);
    if (rc == STRATA_ERR_USAGE) { /* the same message, with its place */
        memcpy(message, ctx->error.message, sizeof message);
        strata_context_clear_error(ctx);
        return wrong_at(ctx, config, "input.time_format", "%.600s", message);
    }
    if (rc != STRATA_OK || config->window.as_of == STRATA_NO_DAY ||
        config->window.start == STRATA_NO_DAY)
        return rc;
    strata_day_format(config->window.start, start);
    strata_day_format(config->window.as_of, as_of);
    if (config->window.as_of <= config->window.start)
        return wrong_at(ctx, config, "window.as_of", "as_of %s must lie after start %s", as_of,
                        start);
    if (config->window.holdout_days >= config->window.as_of - config->window.start)
        return wrong_at(ctx, config, "window.holdout_days",
                        "a hold-out of %d days leaves nothing of the window from %s to %s",
                        (int)config->window.holdout_days, start, as_of);
    return STRATA_OK;
}

static strata_status check_cluster(strata_context *ctx, const strata_config *config)
{
    bool given = strcmp(config->cluster.init, "centroids") == 0;
    if (config->cluster.k_min > config->cluster.k_max)
        return wrong_at(
            ctx, config,
            strata_config_origin(config, "cluster.k_min") == STRATA_FROM_DEFAULT ? "cluster.k_max"
                                                                                 : "cluster.k_min",
            "k_min %d is above k_max %d", (int)config->cluster.k_min, (int)config->cluster.k_max);
    if (given && !config->cluster.centroids)
        return wrong_at(ctx, config, "cluster.init",
                        "init: centroids needs their file in cluster.centroids");
    if (!given && config->cluster.centroids)
        return wrong_at(ctx, config, "cluster.centroids",
                        "a file of centroids goes with init: centroids, not %s",
                        config->cluster.init);
    if (config->cluster.k_selection == STRATA_K_SELECTION_ALWAYS && given)
        return wrong_at(ctx, config, "cluster.k_selection",
                        "given centroids fix k; others cannot be judged beside it");
    if (config->cluster.k_selection == STRATA_K_SELECTION_ALWAYS &&
        config->cluster.k != STRATA_K_AUTO &&
        (config->cluster.k < config->cluster.k_min || config->cluster.k > config->cluster.k_max))
        return wrong_at(ctx, config, "cluster.k",
                        "k %d lies outside k_min %d to k_max %d, which k_selection: always judges",
                        (int)config->cluster.k, (int)config->cluster.k_min,
                        (int)config->cluster.k_max);
    if (given && config->cluster.k == STRATA_K_AUTO)
        return wrong_at(ctx, config, "cluster.k", "k: auto cannot start from given centroids");
    return STRATA_OK;
}

strata_status strata_config_validate_features(strata_context *ctx, strata_config *config)
{
    strata_status rc = STRATA_OK;
    STRATA_TRY(check_columns(ctx, config));
    STRATA_TRY(check_names(ctx, config));
    STRATA_TRY(check_time(ctx, config));
    STRATA_TRY(check_cluster(ctx, config));
done:
    return rc;
}

strata_status strata_config_validate(strata_context *ctx, strata_config *config)
{
    strata_status rc = strata_config_validate_features(ctx, config);
    return rc == STRATA_OK ? check_roles(ctx, config) : rc;
}
