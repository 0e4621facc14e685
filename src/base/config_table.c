#include <string.h>

#include "config_internal.h"

/* The one list of configuration keys. Reading, defaults, ranges, the environment, --set,
 * --print-config, the YAML of a result and the help all walk it. To add a key, add a member to
 * strata_config and a line here; entries of one group stand together, in the order they are shown. */

#define AT(member)    offsetof(strata_config, member)
#define COLUMN(role)  AT(input.columns[role])
#define NUMBERS(a, b) .low = (a), .high = (b)

const config_key config_table[] = {
    {"config_version", CONFIG_CONSTANT, 0, 0, 0, "1", .words = "1", .help = "version of this format"},

    {"input.files", CONFIG_TEXTS, 0, AT(input.files), AT(input.n_files), "[\"tx/*.csv\"]",
     NUMBERS(0, 100000), .help = "transaction files or globs, relative to the current folder"},
    {"input.delimiter", CONFIG_DELIMITER, 0, AT(input.delimiter), 0, "\",\"",
     .help = "\",\" \";\" \"|\" \"\\t\" or \" \" (any run of blanks)"},
    {"input.header", CONFIG_WORD, 0, AT(input.header), 0, "true", .words = "true|false|skip",
     .help = "true: first row names the columns, false: no header, skip: ignore the first row"},
    {"input.names", CONFIG_TEXTS, CONFIG_UNIQUE, AT(input.names), AT(input.n_names), "[]",
     NUMBERS(0, 4096), .help = "the columns' names in order, with header false or skip"},
    {"input.table", CONFIG_TEXT, CONFIG_NULLABLE, AT(input.table), 0, "null",
     .help = "cluster: the table of an HDF5 file; null: /users"},
    {"input.key", CONFIG_TEXT, CONFIG_NULLABLE, AT(input.key), 0, "null",
     .help = "cluster: column of keys; null: user_key of an HDF5 table, else rows are numbered"},
    {"input.columns.user", CONFIG_TEXT, CONFIG_NULLABLE, COLUMN(STRATA_ROLE_USER), 0, "user_id",
     .help = "column that identifies the user"},
    {"input.columns.time", CONFIG_TEXT, CONFIG_NULLABLE, COLUMN(STRATA_ROLE_TIME), 0, "order_date",
     .help = "column with the time of the transaction"},
    {"input.columns.amount", CONFIG_TEXT, CONFIG_NULLABLE, COLUMN(STRATA_ROLE_AMOUNT), 0, "amount",
     .help = "column with the money; not with quantity and unit_price"},
    {"input.columns.quantity", CONFIG_TEXT, CONFIG_NULLABLE, COLUMN(STRATA_ROLE_QUANTITY), 0, "null",
     .help = "column with the number of pieces; needs unit_price"},
    {"input.columns.unit_price", CONFIG_TEXT, CONFIG_NULLABLE, COLUMN(STRATA_ROLE_UNIT_PRICE), 0,
     "null", .help = "column with the price of a piece; needs quantity"},
    {"input.columns.order", CONFIG_TEXT, CONFIG_NULLABLE, COLUMN(STRATA_ROLE_ORDER), 0, "null",
     .help = "column with the order id; null: each row is an order"},
    {"input.columns.region", CONFIG_TEXT, CONFIG_NULLABLE, COLUMN(STRATA_ROLE_REGION), 0, "null",
     .help = "column with the region"},
    {"input.columns.currency", CONFIG_TEXT, CONFIG_NULLABLE, COLUMN(STRATA_ROLE_CURRENCY), 0, "null",
     .help = "column with the currency, which must be one and the same"},
    {"input.time_format", CONFIG_TEXT, 0, AT(input.time_format), 0, "iso8601",
     .help = "iso8601, yyyymmdd, epoch_s, epoch_ms or a strptime pattern"},
    {"input.max_rejected_share", CONFIG_DOUBLE, 0, AT(input.max_rejected_share), 0, "0.008",
     NUMBERS(0, 1), .help = "share of rejected rows above which the run fails"},
    {"input.rejects_file", CONFIG_TEXT, CONFIG_NULLABLE, AT(input.rejects_file), 0, "null",
     .help = "where place and reason of the rejected rows go"},

    {"window.start", CONFIG_DAY, CONFIG_NULLABLE, AT(window.start), 0, "null",
     .help = "first day, inclusive; null: the first transaction"},
    {"window.as_of", CONFIG_DAY, CONFIG_NULLABLE, AT(window.as_of), 0, "null",
     .help = "day the features look back from; null: the day after the last transaction"},
    {"window.holdout_days", CONFIG_INT32, 0, AT(window.holdout_days), 0, "0", NUMBERS(0, 109500),
     .help = "length of the hold-out period that ends at as_of; 0: no hold-out test"},

    {"money.decimals", CONFIG_INT32, 0, AT(money.decimals), 0, "4", NUMBERS(0, 9),
     .help = "decimal places of amounts; further digits must be zero"},

    {"clean.refunds", CONFIG_WORD, 0, AT(clean.refunds), 0, "net", .words = "net|drop|reject",
     .help = "rows with an amount <= 0: count in the net sum only, drop or reject"},
    {"clean.duplicates", CONFIG_WORD, 0, AT(clean.duplicates), 0, "keep", .words = "keep|drop",
     .help = "rows that are equal in every mapped column"},
    {"clean.skip_orders_prefix", CONFIG_TEXT, CONFIG_NULLABLE, AT(clean.skip_orders_prefix), 0,
     "null", .help = "orders whose id starts so are no purchases"},
    {"clean.outliers.method", CONFIG_WORD, 0, AT(clean.outliers.method), 0, "mad",
     .words = "none|mad", .help = "how outliers are found; mad: median absolute deviation"},
    {"clean.outliers.threshold", CONFIG_DOUBLE, CONFIG_OPEN_LOW, AT(clean.outliers.threshold), 0, "6",
     NUMBERS(0, 1e9), .help = "in robust standard deviations, 1.4826 MAD"},
    {"clean.outliers.max_source_share", CONFIG_DOUBLE, 0, AT(clean.outliers.max_source_share), 0,
     "0.05", NUMBERS(0, 1), .help = "a source with a larger share of outliers is rejected"},
    {"clean.outliers.action", CONFIG_WORD, 0, AT(clean.outliers.action), 0, "flag",
     .words = "flag|clip|drop", .help = "what happens to an outlier"},

    {"rfm.bins", CONFIG_INT32, 0, AT(rfm.bins), 0, "5", NUMBERS(2, 100),
     .help = "number of quantile scores"},
    {"rfm.ties", CONFIG_CONSTANT, 0, 0, 0, "together", .words = "together",
     .help = "equal values share a score"},

    {"composite.weights", CONFIG_DOUBLES, 0, AT(composite.weights), 0, "[0.1, 0.5, 0.4]",
     NUMBERS(3, 3), .help = "of the recency term, frequency and monetary"},
    {"composite.recency_unit_days", CONFIG_DOUBLE, CONFIG_OPEN_LOW, AT(composite.recency_unit_days),
     0, "30", NUMBERS(0, 1e6), .help = "days that count as one in the recency term"},
    {"composite.base", CONFIG_WORD, 0, AT(composite.base), 0, "window_start",
     .words = "window_start|as_of", .help = "the day the recency term counts from"},

    {"segments", CONFIG_SEGMENTS, 0, AT(segments), AT(n_segments),
     "[{name: north_star, code: 1, recency_days_max: 30, monthly_mean_above: 500,"
     " expected_share: 0.05},"
     " {name: potential, code: 2, recency_days_max: 90, monthly_mean_min: 100,"
     " monthly_mean_max: 500, expected_share: 0.2},"
     " {name: reactivate, code: 3, recency_days_max: 183, max_order_above: 300,"
     " expected_share: 0.15},"
     " {name: churn_risk, code: 4, recency_days_min: 365, expected_share: 0.6}]",
     NUMBERS(0, 1000), .help = "rules in order, the first match wins"},

    {"cluster.k", CONFIG_INT32, 0, AT(cluster.k), 0, "4", NUMBERS(1, 256), .words = "auto",
     .help = "number of clusters; auto: choose between k_min and k_max"},
    {"cluster.k_min", CONFIG_INT32, 0, AT(cluster.k_min), 0, "2", NUMBERS(2, 256),
     .help = "smallest k that auto looks at"},
    {"cluster.k_max", CONFIG_INT32, 0, AT(cluster.k_max), 0, "10", NUMBERS(2, 256),
     .help = "largest k that auto looks at"},
    {"cluster.k_selection", CONFIG_WORD, 0, AT(cluster.k_selection), 0, "auto", .words = "auto|always",
     .help = "always: judge k_min..k_max beside a k that is given, which wins"},
    {"cluster.features", CONFIG_TEXTS, CONFIG_UNIQUE, AT(cluster.features), AT(cluster.n_features),
     "[recency_days, frequency, monetary]", NUMBERS(1, 64), .help = "columns to cluster by"},
    {"cluster.transform", CONFIG_WORD, 0, AT(cluster.transform), 0, "log1p", .words = "none|log1p",
     .help = "of each feature first; log1p: sign(x) log(1 + |x|)"},
    {"cluster.scale", CONFIG_WORD, 0, AT(cluster.scale), 0, "zscore", .words = "none|zscore|robust",
     .help = "then mean and standard deviation, or median and interquartile range"},
    {"cluster.init", CONFIG_NAME, 0, AT(cluster.init), 0, "kmeans_parallel",
     .words = "kmeans_parallel|kmeans_plus_plus|random|centroids", .help = "how the start is found"},
    {"cluster.variant", CONFIG_TEXT, 0, AT(cluster.variant), 0, "auto",
     .help = "K-means algorithm; auto: by a cost model; exact ones give the same bits"},
    {"cluster.centroids", CONFIG_TEXT, CONFIG_NULLABLE, AT(cluster.centroids), 0, "null",
     .help = "CSV file with the start of init: centroids"},
    {"cluster.restarts", CONFIG_INT32, 0, AT(cluster.restarts), 0, "4", NUMBERS(1, 10000),
     .help = "number of starts, the best inertia wins"},
    {"cluster.max_iterations", CONFIG_INT32, 0, AT(cluster.max_iterations), 0, "300",
     NUMBERS(0, 1000000), .help = "a start ends here if it has not converged; 0: only label"},
    {"cluster.seed", CONFIG_UINT64, 0, AT(cluster.seed), 0, "1",
     .help = "all randomness is a function of it"},

    {"significance.alpha", CONFIG_DOUBLE, CONFIG_OPEN_LOW | CONFIG_OPEN_HIGH, AT(significance.alpha),
     0, "0.05", NUMBERS(0, 1), .help = "level that adjusted p-values must be below"},
    {"significance.min_effect", CONFIG_DOUBLE, 0, AT(significance.min_effect), 0, "0.06",
     NUMBERS(0, 1), .help = "smallest effect size that counts as significant"},
    {"significance.adjust", CONFIG_WORD, 0, AT(significance.adjust), 0, "holm", .words = "holm|none",
     .help = "correction for multiple tests"},

    {"gates.min_group_size", CONFIG_INT64, 0, AT(gates.min_group_size), 0, "300", NUMBERS(0, 1e15),
     .help = "users that every group must hold"},
    {"gates.min_coverage", CONFIG_DOUBLE, 0, AT(gates.min_coverage), 0, "0.9", NUMBERS(0, 1),
     .help = "share of users that the segment rules must take"},
    {"gates.min_valid_rows", CONFIG_DOUBLE, 0, AT(gates.min_valid_rows), 0, "0.992", NUMBERS(0, 1),
     .help = "share of rows that must be readable"},
    {"gates.drift", CONFIG_DOUBLE, 0, AT(gates.drift), 0, "0.15", NUMBERS(0, 1000),
     .help = "change since the last model above which a rebuild is recommended"},
    {"gates.retention", CONFIG_DOUBLE, 0, AT(gates.retention), 0, "0.85", NUMBERS(0, 1),
     .help = "share of users that must keep their group"},

    {"privacy.mode", CONFIG_WORD, 0, AT(privacy.mode), 0, "keyed", .words = "keyed|plain",
     .help = "keyed: pseudonyms; plain: ids as they are, for public data only"},
    {"privacy.key_file", CONFIG_TEXT, CONFIG_NULLABLE, AT(privacy.key_file), 0, "null",
     .help = "file with the secret of the pseudonyms, mode 0400 or 0600"},
    {"privacy.min_cell", CONFIG_INT64, 0, AT(privacy.min_cell), 0, "10", NUMBERS(0, 1e15),
     .help = "published aggregates of fewer users are suppressed"},

    {"output.compression", CONFIG_INT32, 0, AT(output.compression), 0, "4", NUMBERS(0, 9),
     .help = "deflate level of the result file; 0: none"},
};

const int32_t config_table_count = (int32_t)(sizeof config_table / sizeof config_table[0]);

/* Variables that start with STRATA_ and are no configuration keys. A * at the end: any that start so. */
const char *const config_reserved[] = {
    "STRATA_FAULT",       /* fault injection, fault.h */
    "STRATA_SHARED_DATA", /* the tests' data sets, source tree and launcher */
    "STRATA_SOURCE",
    "STRATA_MPIEXEC",
    "STRATA_PYTHON",
    "STRATA_TEST_*",
    "STRATA_KEEP_WORK",
    "STRATA_JOB_*",   /* job scripts and quick start: folders, program, launcher, site */
    "STRATA_BENCH_*", /* benchmark scripts */
    NULL,
};

int32_t config_find(const char *path)
{
    for (int32_t i = 0; i < config_table_count; i++)
        if (strcmp(config_table[i].path, path) == 0)
            return i;
    return -1;
}

char *config_variable(const char *path, char buffer[64])
{
    size_t n = (size_t)snprintf(buffer, 64, "STRATA_%s", path);
    for (size_t i = 0; i < n && i < 63; i++)
        buffer[i] = buffer[i] == '.'                       ? '_'
                    : buffer[i] >= 'a' && buffer[i] <= 'z' ? (char)(buffer[i] - 'a' + 'A')
                                                           : buffer[i];
    return buffer;
}

bool config_word(const char *words, int32_t i, char buffer[32])
{
    for (; words && *words; words += strcspn(words, "|"), words += *words == '|') {
        size_t length = strcspn(words, "|");
        if (i-- == 0 && length < 32) {
            memcpy(buffer, words, length);
            buffer[length] = 0;
            return true;
        }
    }
    return false;
}
