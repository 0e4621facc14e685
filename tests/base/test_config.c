/* The configuration: defaults, strictness, places in messages, round trips. */
#include <math.h>
#include <stdlib.h>

#include "config_test.h"

#include "base/config_internal.h"
#include "strata/dates.h"
#include "strata/hash.h"

static void test_defaults(void **state)
{
    (void)state;
    strata_config c = {0};
    expect_ok("", &c);
    assert_int_equal(c.input.n_files, 1);
    assert_string_equal(c.input.files[0], "tx/*.csv");
    assert_int_equal(c.input.delimiter, ',');
    assert_int_equal(c.input.header, STRATA_HEADER_NAMES);
    assert_int_equal(c.input.n_names, 0);
    assert_string_equal(c.input.columns[STRATA_ROLE_USER], "user_id");
    assert_string_equal(c.input.columns[STRATA_ROLE_TIME], "order_date");
    assert_string_equal(c.input.columns[STRATA_ROLE_AMOUNT], "amount");
    for (int role = STRATA_ROLE_QUANTITY; role < STRATA_ROLE_COUNT; role++)
        assert_null(c.input.columns[role]);
    assert_string_equal(c.input.time_format, "iso8601");
    assert_true(c.input.max_rejected_share == 0.008);
    assert_null(c.input.rejects_file);
    assert_int_equal(c.window.start, STRATA_NO_DAY);
    assert_int_equal(c.window.as_of, STRATA_NO_DAY);
    assert_int_equal(c.window.holdout_days, 0);
    assert_int_equal(c.money.decimals, 4);
    assert_int_equal(c.clean.refunds, STRATA_REFUNDS_NET);
    assert_int_equal(c.clean.duplicates, STRATA_DUPLICATES_KEEP);
    assert_null(c.clean.skip_orders_prefix);
    assert_int_equal(c.clean.outliers.method, STRATA_OUTLIER_MAD);
    assert_true(c.clean.outliers.threshold == 6 && c.clean.outliers.max_source_share == 0.05);
    assert_int_equal(c.clean.outliers.action, STRATA_OUTLIER_FLAG);
    assert_int_equal(c.rfm.bins, 5);
    assert_true(c.composite.weights[0] == 0.1 && c.composite.weights[1] == 0.5 &&
                c.composite.weights[2] == 0.4 && c.composite.recency_unit_days == 30);
    assert_int_equal(c.composite.base, STRATA_BASE_WINDOW_START);
    strata_config_release(&c);
    strata_config_release(&c); /* safe twice */
}

static void test_more_defaults(void **state)
{
    (void)state;
    strata_config c = {0};
    expect_ok("config_version: 1\n", &c);
    assert_int_equal(c.n_segments, 4);
    assert_string_equal(c.segments[1].name, "potential");
    assert_int_equal(c.segments[1].code, 2);
    assert_int_equal(c.segments[1].n_conditions, 3);
    assert_string_equal(c.segments[1].conditions[1].column, "monthly_mean");
    assert_int_equal(c.segments[1].conditions[1].bound, STRATA_BOUND_MIN);
    assert_true(c.segments[1].conditions[1].value == 100);
    assert_int_equal(c.segments[1].conditions[2].bound, STRATA_BOUND_MAX);
    assert_int_equal(c.segments[2].conditions[1].bound, STRATA_BOUND_ABOVE);
    assert_true(c.segments[3].expected_share == 0.6);
    assert_int_equal(c.cluster.k, 4);
    assert_int_equal(c.cluster.k_min, 2);
    assert_int_equal(c.cluster.k_max, 10);
    assert_int_equal(c.cluster.n_features, 3);
    assert_string_equal(c.cluster.features[2], "monetary");
    assert_int_equal(c.cluster.transform, STRATA_TRANSFORM_LOG1P);
    assert_int_equal(c.cluster.scale, STRATA_SCALE_ZSCORE);
    assert_string_equal(c.cluster.init, "kmeans_parallel");
    assert_string_equal(c.cluster.variant, "auto");
    assert_int_equal(c.cluster.restarts, 4);
    assert_int_equal(c.cluster.max_iterations, 300);
    assert_int_equal(c.cluster.seed, 1);
    assert_true(c.significance.alpha == 0.05 && c.significance.min_effect == 0.06);
    assert_int_equal(c.significance.adjust, STRATA_ADJUST_HOLM);
    assert_int_equal(c.gates.min_group_size, 300);
    assert_true(c.gates.min_coverage == 0.9 && c.gates.min_valid_rows == 0.992 &&
                c.gates.drift == 0.15 && c.gates.retention == 0.85);
    assert_int_equal(c.privacy.mode, STRATA_PRIVACY_KEYED);
    assert_null(c.privacy.key_file);
    assert_int_equal(c.privacy.min_cell, 10);
    assert_int_equal(c.output.compression, 4);
    strata_config_release(&c);
}

static const char everything[] =
    "config_version: 1\n"
    "input:\n"
    "  files: [\"a b/*.csv\", 'it''s.csv', \"\\u00e9\\t\\u2028\\x7f.csv\"]\n"
    "  delimiter: \"\\t\"\n"
    "  header: skip\n"
    "  names: [id, day, q, p, inv, land, cur]\n"
    "  table: /deep/table\n"
    "  key: the id\n"
    "  columns:\n"
    "    user: id\n"
    "    time: day\n"
    "    quantity: q\n"
    "    unit_price: p\n"
    "    order: inv\n"
    "    region: land\n"
    "    currency: cur\n"
    "  time_format: \"%d/%m/%Y %H:%M\"\n"
    "  max_rejected_share: 1e-3\n"
    "  rejects_file: 'null'\n"
    "window: {start: 2010-12-01, as_of: 2011-12-10, holdout_days: 90}\n"
    "money: {decimals: 2}\n"
    "clean:\n"
    "  refunds: drop\n"
    "  duplicates: drop\n"
    "  skip_orders_prefix: C\n"
    "  outliers: {method: none, threshold: 3.5, max_source_share: 1, action: clip}\n"
    "rfm: {bins: 10, ties: together}\n"
    "composite: {weights: [0.2, .3, -5e-1], recency_unit_days: 7.25, base: as_of}\n"
    "segments:\n"
    "  - {name: a, code: 7, first_day_min: -3, max_order_below: 0.1}\n"
    "  - name: b\n"
    "    code: 3\n"
    "    expected_share: 0.5\n"
    "    recency_days_above: 1e300\n"
    "cluster: {k: auto, k_min: 3, k_max: 12, features: [aov], transform: none, scale: robust,\n"
    "  init: random, variant: filter, restarts: 1, max_iterations: 0, seed: 18446744073709551615}\n"
    "significance: {alpha: 0.01, min_effect: 0, adjust: none}\n"
    "gates: {min_group_size: 0, min_coverage: 0, min_valid_rows: 1, drift: 0.2, retention: 0.5}\n"
    "privacy: {mode: plain, key_file: /k, min_cell: 0}\n"
    "output: {compression: 0}\n";

static void test_everything(void **state)
{
    (void)state;
    strata_config c = {0};
    expect_ok(everything, &c);
    assert_string_equal(c.input.files[1], "it's.csv");
    assert_int_equal(c.input.delimiter, '\t');
    assert_int_equal(c.input.header, STRATA_HEADER_SKIP);
    assert_string_equal(c.input.table, "/deep/table");
    assert_string_equal(c.input.key, "the id");
    assert_null(c.input.columns[STRATA_ROLE_AMOUNT]);  /* the default yields to quantity x price */
    assert_string_equal(c.input.rejects_file, "null"); /* quoted: a text */
    assert_int_equal(c.window.as_of - c.window.start, 374);
    assert_true(c.composite.weights[1] == .3 && c.composite.weights[2] == -.5);
    assert_int_equal(c.n_segments, 2);
    assert_true(isnan(c.segments[0].expected_share));
    assert_int_equal(c.segments[0].line, 30);
    assert_int_equal(c.segments[0].conditions[0].bound, STRATA_BOUND_MIN);
    assert_int_equal(c.segments[0].conditions[1].bound, STRATA_BOUND_BELOW);
    assert_int_equal(c.cluster.k, STRATA_K_AUTO);
    assert_true(c.cluster.seed == UINT64_MAX);
    assert_int_equal(c.privacy.mode, STRATA_PRIVACY_PLAIN);
    strata_config_release(&c);
}

/* YAML out, YAML in, YAML out: the same text, the same hash. */
static void round_trip(const char *text)
{
    strata_config c = {0}, d = {0};
    char *first = NULL, *second = NULL, one[33], two[33];
    expect_ok(text, &c);
    assert_int_equal(strata_config_to_yaml(&ctx, &c, &first), STRATA_OK);
    expect_ok(first, &d);
    assert_int_equal(strata_config_to_yaml(&ctx, &d, &second), STRATA_OK);
    assert_string_equal(first, second);
    assert_int_equal(strata_config_hash(&ctx, &c, one), STRATA_OK);
    assert_int_equal(strata_config_hash(&ctx, &d, two), STRATA_OK);
    assert_string_equal(one, two);
    assert_int_equal(c.input.n_files, d.input.n_files);
    for (int32_t i = 0; i < c.input.n_files; i++)
        assert_string_equal(c.input.files[i], d.input.files[i]);
    strata_free(&first);
    strata_free(&second);
    strata_config_release(&c);
    strata_config_release(&d);
}

static void test_round_trips(void **state)
{
    (void)state;
    round_trip("");
    round_trip(everything);
    round_trip("segments: []\ninput: {files: []}\n");
    round_trip(
        "input: {files: [\"\\e[1m\", \"\\ufeff\", \"\\U0001F600\", \"a: b # c\", '- x', \"\\\\\", "
        "\"\\\"\", \" \", 'null', '1', 'true', 'auto', \"a\\nb\", \"\\u0085\"]}\n");
}

/* --print-config is a configuration too. */
static void test_print(void **state)
{
    (void)state;
    strata_config c = {0}, d = {0};
    char *yaml = NULL, *again = NULL, *text = NULL;
    size_t length = 0;
    expect_ok("cluster:\n  k: 6\n", &c);
    assert_int_equal(strata_config_set(&ctx, &c, "cluster.seed", "9", STRATA_FROM_FLAG, "--seed"),
                     0);
    assert_int_equal(strata_config_assign(&ctx, &c, "rfm.bins=7"), 0);
    const char *environment[] = {"STRATA_OUTPUT_COMPRESSION=9", "HOME=/", NULL};
    assert_int_equal(strata_config_apply_environment(&ctx, &c, environment), 0);
    FILE *out = open_memstream(&text, &length);
    assert_int_equal(strata_config_print(&ctx, &c, out), STRATA_OK);
    fclose(out);
    assert_non_null(strstr(text, "  k: 6                                          # f.yaml:2\n"));
    assert_non_null(strstr(text, "  seed: 9                                       # --seed\n"));
    assert_non_null(strstr(text, "  bins: 7                                       # --set\n"));
    assert_non_null(
        strstr(text, "compression: 9                                # STRATA_OUTPUT_COMP"));
    assert_non_null(strstr(text, "  k_max: 10                                     # default\n"));
    expect_ok(text, &d);
    assert_int_equal(strata_config_to_yaml(&ctx, &c, &yaml), STRATA_OK);
    assert_int_equal(strata_config_to_yaml(&ctx, &d, &again), STRATA_OK);
    assert_string_equal(yaml, again);
    free(text);
    strata_free(&yaml);
    strata_free(&again);
    strata_config_release(&c);
    strata_config_release(&d);
}

static const struct {
    const char *text, *place, *says;
} bad[] = {
    {"config_version: 2\n", "f.yaml:1:17: ", "config_version: expected 1"},
    {"config_version: one\n", "f.yaml:1:17: ", "found one"},
    {"clusster:\n  k: 3\n", "f.yaml:1:1: ", "unknown key \"clusster\" (did you mean \"cluster\"?)"},
    {"cluster:\n  kk: 3\n", "f.yaml:2:3: ", "unknown key \"cluster.kk\" (did you mean \"k\"?)"},
    {"k: 3\n", "f.yaml:1:1: ", "did you mean \"cluster.k\"?"},
    {"cluster:\n  wibble: 3\n", "f.yaml:2:3: ", "expected one of k, k_min, k_max, k_selection"},
    {"input:\n  columns:\n    usr: a\n", "f.yaml:3:5: ", "did you mean \"user\"?"},
    {"frobnicate: 1\n", "f.yaml:1:1: ", "expected one of config_version, input, window, money"},
    {"cluster:\n  k: 3\n  k: 4\n", "f.yaml:3:3: ", "key \"k\" given twice, first in line 2"},
    {"rfm: {bins: 5}\nrfm: {bins: 6}\n", "f.yaml:2:1: ", "given twice"},
    {"cluster:\n  k: many\n", "f.yaml:2:6: ", "whole number from 1 to 256 or auto, found many"},
    {"cluster: {k: 0}\n", "f.yaml:1:14: ", "cluster.k: expected a whole number from 1 to 256"},
    {"cluster: {k: 257}\n", "f.yaml:1:14: ", "found 257"},
    {"cluster: {k: 4.0}\n", "f.yaml:1:14: ", "found 4.0"},
    {"cluster: {k: \"4\"}\n", "f.yaml:1:14: ", "found the text \"4\""},
    {"cluster: {k: 99999999999999999999}\n", "f.yaml:1:14: ", "whole number"},
    {"cluster: {k: 0x10}\n", "f.yaml:1:14: ", "whole number"},
    {"cluster: {k: }\n", "f.yaml:1:1", "found nothing"},
    {"cluster: {k: null}\n", "f.yaml:1:14: ", "found null"},
    {"cluster: {k: [4]}\n", "f.yaml:1:14: ", "found a list"},
    {"cluster: {seed: -1}\n", "f.yaml:1:17: ", "from 0 to 18446744073709551615"},
    {"cluster: {seed: 18446744073709551616}\n", "f.yaml:1:17: ", "cluster.seed"},
    {"cluster: {scale: zscor}\n",
     "f.yaml:1:18: ", "one of none, zscore, robust, found zscor (did you mean \"zscore\"?)"},
    {"cluster: {init: kmeans}\n", "f.yaml:1:17: ", "kmeans_parallel, kmeans_plus_plus, random"},
    {"cluster: {features: recency_days}\n", "f.yaml:1:21: ", "a list of 1 to 64 texts"},
    {"cluster: {features: []}\n", "f.yaml:1:21: ", "a list of 1 to 64 texts"},
    {"cluster: {features: [aov, [x]]}\n",
     "f.yaml:1:27: ", "expected a text in the list, found a list"},
    {"cluster: {features: [aov, aov]}\n", "f.yaml:1:27: ", "\"aov\" is listed twice"},
    {"cluster: {k_min: 5, k_max: 4}\n", "f.yaml:1:18: ", "k_min 5 is above k_max 4"},
    {"cluster: {k_min: 11}\n", "f.yaml:1:18: ", "k_min 11 is above k_max 10"},
    {"cluster: {k: 11, k_selection: always}\n", "f.yaml:1:14: ", "k 11 lies outside k_min 2 to k_max 10"},
    {"cluster: {k_selection: often}\n", "f.yaml:1:24: ", "k_selection"},
    {"cluster: {init: centroids}\n", "f.yaml:1:17: ", "needs their file"},
    {"cluster: {centroids: a.csv}\n", "f.yaml:1:22: ", "goes with init: centroids"},
    {"cluster: {centroids: a.csv, init: centroids, k: auto}\n", "f.yaml:1:49: ", "cannot start"},
    {"cluster: 5\n", "f.yaml:1:10: ", "cluster: expected a mapping of its keys, found 5"},
    {"input: {header: yes}\n", "f.yaml:1:17: ", "one of true, false, skip"},
    {"input: {delimiter: xx}\n", "f.yaml:1:20: ", "in quotes, found xx"},
    {"input: {delimiter: \"a\"}\n", "f.yaml:1:20: ", "\"\\t\""},
    {"input: {files: a.csv}\n", "f.yaml:1:16: ", "a list of texts such as [a, b], found a.csv"},
    {"input: {names: [a]}\n", "f.yaml:1:16: ", "names are for header: false or skip"},
    {"input: {header: false}\n", "f.yaml:1:17: ", "needs the columns' names"},
    {"input: {header: skip, names: [user_id, order_dat, amount]}\n", "input.columns.time: ",
     "no column \"order_date\" in input.names (did you mean \"order_dat\"?)"},
    {"input: {header: false, names: [a, a]}\n", "f.yaml:1:35: ", "listed twice"},
    {"input: {columns: {user: null}}\n", "f.yaml:1:25: ", "the user column is required"},
    {"input: {columns: {time: ~}}\n", "f.yaml:1:25: ", "the time column is required"},
    {"input: {columns: {amount: null}}\n", "f.yaml:1:27: ", "the money is missing"},
    {"input: {columns: {quantity: q}}\n", "f.yaml:1:29: ", "input.columns.unit_price is missing"},
    {"input: {columns: {unit_price: q}}\n", "f.yaml:1:31: ", "input.columns.quantity is missing"},
    {"input: {columns: {amount: a, quantity: q, unit_price: p}}\n", "f.yaml:1:27: ", "not both"},
    {"input: {time_format: \"%Q\"}\n", "f.yaml:1:22: ", "%Q"},
    {"input: {time_format: \"\"}\n", "f.yaml:1:22: ", "expected a text, found the text \"\""},
    {"input: {max_rejected_share: 1.5}\n", "f.yaml:1:29: ", "a number from 0 to 1, found 1.5"},
    {"input: {max_rejected_share: .nan}\n", "f.yaml:1:29: ", "found .nan"},
    {"input: {max_rejected_share: nan}\n", "f.yaml:1:29: ", "found nan"},
    {"gates: {drift: .inf}\n", "f.yaml:1:16: ", "found .inf"},
    {"gates: {drift: 1e400}\n", "f.yaml:1:16: ", "found 1e400"},
    {"gates: {drift: 0x1p3}\n", "f.yaml:1:16: ", "found 0x1p3"},
    {"gates: {drift: \"1,5\"}\n", "f.yaml:1:16: ", "found the text"},
    {"significance: {alpha: 0}\n", "f.yaml:1:23: ", "a number above 0 and below 1"},
    {"significance: {alpha: 1}\n", "f.yaml:1:23: ", "a number above 0 and below 1"},
    {"composite: {recency_unit_days: 0}\n", "f.yaml:1:32: ", "above 0 and up to 1000000"},
    {"composite: {weights: [1, 2]}\n", "f.yaml:1:22: ", "a list of 3 numbers"},
    {"composite: {weights: [1, 2, 3, 4]}\n", "f.yaml:1:22: ", "a list of 3 numbers"},
    {"composite: {weights: [1, 2, .nan]}\n", "f.yaml:1:29: ", "a finite number, found .nan"},
    {"window: {as_of: 2011-02-29}\n", "f.yaml:1:17: ", "a day YYYY-MM-DD"},
    {"window: {as_of: 2011-2-1}\n", "f.yaml:1:17: ", "a day YYYY-MM-DD"},
    {"window: {as_of: 20110201}\n", "f.yaml:1:17: ", "a day YYYY-MM-DD"},
    {"window: {start: 2011-02-01, as_of: 2011-02-01}\n", "f.yaml:1:36: ", "must lie after start"},
    {"window: {start: 2011-02-01, as_of: 2011-02-11, holdout_days: 10}\n",
     "f.yaml:1:62: ", "leaves nothing of the window"},
    {"window: {holdout_days: -1}\n", "f.yaml:1:24: ", "from 0 to"},
    {"money: {decimals: 10}\n", "f.yaml:1:19: ", "from 0 to 9"},
    {"rfm: {ties: split}\n", "f.yaml:1:13: ", "expected together, the only value there is"},
    {"privacy: {mode: none}\n", "f.yaml:1:17: ", "one of keyed, plain"},
    {"output: {compression: 10}\n", "f.yaml:1:23: ", "from 0 to 9"},
    {"segments: {name: a}\n", "f.yaml:1:11: ", "expected a list of segment rules"},
    {"segments: [a]\n", "f.yaml:1:12: ", "expected a rule"},
    {"segments: [{name: a}]\n", "f.yaml:1:12: ", "a rule without code"},
    {"segments: [{code: 1}]\n", "f.yaml:1:12: ", "a rule without name"},
    {"segments: [{name: a, code: 0}]\n",
     "f.yaml:1:28: ", "code: expected a whole number from 1 to 32767"},
    {"segments: [{name: unassigned, code: 1}]\n", "f.yaml:1:19: ", "is kept for users"},
    {"segments: [{name: A b, code: 1}]\n", "f.yaml:1:19: ", "a word of a-z"},
    {"segments:\n  - {name: a, code: 1}\n  - {name: a, code: 2}\n",
     "f.yaml:3:5: ", "two rules are named \"a\""},
    {"segments:\n  - {name: a, code: 1}\n  - {name: b, code: 1}\n",
     "f.yaml:3:5: ", "\"a\" and \"b\" have the same code 1"},
    {"segments: [{name: a, code: 1, aov_mn: 3}]\n", "f.yaml:1:31: ", "did you mean \"aov_min\"?"},
    {"segments: [{name: a, code: 1, _min: 3}]\n", "f.yaml:1:31: ", "unknown key \"_min\""},
    {"segments: [{name: a, code: 1, aov_min: x}]\n", "f.yaml:1:40: ", "aov_min: expected a finite"},
    {"segments: [{name: a, code: 1, aov_min: .inf}]\n", "f.yaml:1:40: ", "found .inf"},
    {"segments: [{name: a, code: 1, expected_share: 2}]\n", "f.yaml:1:47: ", "number from 0 to 1"},
    {"segments: [{name: a, code: 1, expected_shar: 1}]\n", "f.yaml:1:31: ", "\"expected_share\"?"},
    {"a: &x 1\n", "f.yaml:1:4: ", "anchors (&) are not supported"},
    {"rfm: {bins: *x}\n", "f.yaml:1:13: ", "aliases (*) are not supported"},
    {"rfm: !!map {bins: 5}\n", "f.yaml:1:6: ", "tags (!) are not supported"},
    {"rfm: {bins: 5}\n---\nrfm: {bins: 6}\n", "f.yaml:2:1: ", "a second document"},
    {"- a\n", "f.yaml:1:1: ", "expected keys such as"},
    {"just text\n", "f.yaml:1:1: ", "expected keys such as"},
    {"rfm: {bins: 5\n", "f.yaml:2:1: ", "not valid YAML"},
    {"rfm:\n\tbins: 5\n", "f.yaml:2:1: ", "not valid YAML"},
    {"input: {rejects_file: \"a\\0b\"}\n", "f.yaml:1:23: ", "NUL"},
    {"input:\n  rejects_file: \xff\n", "f.yaml:2:17: ", "not valid YAML"},
    {"? [a]\n: 1\n", "f.yaml:1:3: ", "expected a word as key"},
    {"[[[[[[[[[[[[[[[[[[[[[[[[\n", "f.yaml:1:17: ", "nested too deeply"},
    {"<<: {rfm: 1}\n", "f.yaml:1:1: ", "unknown key \"<<\""},
};

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        strata_config c = {0};
        strata_status rc = load(bad[i].text, &c);
        if (rc != STRATA_ERR_USAGE)
            fail_msg("accepted or other status %d: %s", (int)rc, bad[i].text);
        if (strncmp(ctx.error.message, bad[i].place, strlen(bad[i].place)) != 0 ||
            !strstr(ctx.error.message, bad[i].says))
            fail_msg("%s\nsays   %s\nwanted %s ... %s", bad[i].text, ctx.error.message,
                     bad[i].place, bad[i].says);
        strata_config_release(&c);
    }
}

/* Names of variables are unique and fit; defaults parse; members do not overlap. */
static void test_table(void **state)
{
    (void)state;
    char a[64], b[64];
    for (int32_t i = 0; i < config_table_count; i++) {
        assert_true(strlen(config_table[i].path) + 8 < 64);
        assert_non_null(config_table[i].help);
        for (int32_t j = 0; j < i; j++) {
            config_variable(config_table[i].path, a);
            config_variable(config_table[j].path, b);
            assert_string_not_equal(a, b);
            if (config_table[i].kind != CONFIG_CONSTANT && config_table[j].kind != CONFIG_CONSTANT)
                assert_true(config_table[i].offset != config_table[j].offset);
        }
        for (const char *const *r = config_reserved; *r; r++)
            assert_string_not_equal(config_variable(config_table[i].path, a), *r);
    }
}

/* Whatever the bytes: a status and a message, no crash, no leak (run under the sanitizers). */
static void test_noise(void **state)
{
    (void)state;
    enum { ROUNDS = 1000 };
    static const char alphabet[] = "{}[]:,-#&*!|>'\"%@`? \n\t\rab1.0~\\\x01\xc3\xa9\xff";
    size_t base = strlen(everything);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        char text[4096];
        int64_t length = 0;
        bool mutate = round % 2 == 0;
        if (mutate) {
            length = (int64_t)base;
            memcpy(text, everything, base);
        } else {
            length = (int64_t)(strata_random_bits(1, STRATA_RANDOM_TEST, round, 0) % 200);
        }
        int64_t edits = mutate ? 1 + (int64_t)(round % 5) : length;
        for (int64_t i = 0; i < edits; i++) {
            uint64_t bits = strata_random_bits(2, STRATA_RANDOM_TEST, round, (uint64_t)i);
            int64_t at = mutate ? (int64_t)((bits >> 16) % (uint64_t)length) : i;
            text[at] = bits & 0x100 ? alphabet[bits % (sizeof alphabet - 1)] : (char)(bits & 0xff);
        }
        strata_config c = {0};
        strata_context_clear_error(&ctx);
        strata_status rc = strata_config_init(&ctx, &c);
        assert_int_equal(rc, STRATA_OK);
        rc = strata_config_load_text(&ctx, &c, text, length, "noise");
        if (rc == STRATA_OK)
            rc = strata_config_validate(&ctx, &c);
        assert_true(rc == STRATA_OK || rc == STRATA_ERR_USAGE);
        assert_true(rc == STRATA_OK || ctx.error.message[0]);
        strata_config_release(&c);
    }
}

/* Allocation failures at every point: a status, nothing leaked, nothing freed twice. */
static void test_memory(void **state)
{
    (void)state;
    for (int64_t skip = 0; skip < 4000; skip += skip < 64 ? 1 : 37) {
        strata_config c = {0};
        char *yaml = NULL;
        strata_context_clear_error(&ctx);
        snprintf(ctx.fault.point, sizeof ctx.fault.point, "alloc");
        snprintf(ctx.fault.action, sizeof ctx.fault.action, "fail");
        ctx.fault.skip = skip;
        ctx.fault.rank = -1;
        strata_status rc = load(everything, &c);
        if (rc == STRATA_OK)
            rc = strata_config_to_yaml(&ctx, &c, &yaml);
        assert_true(rc == STRATA_OK || rc == STRATA_ERR_MEMORY);
        strata_free(&yaml);
        strata_config_release(&c);
        ctx.fault.point[0] = 0;
        if (rc == STRATA_OK)
            return;
    }
    fail_msg("the fault never came to an end");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_defaults, begin),
        cmocka_unit_test_setup(test_more_defaults, begin),
        cmocka_unit_test_setup(test_everything, begin),
        cmocka_unit_test_setup(test_round_trips, begin),
        cmocka_unit_test_setup(test_print, begin),
        cmocka_unit_test_setup(test_bad, begin),
        cmocka_unit_test_setup(test_table, begin),
        cmocka_unit_test_setup(test_noise, begin),
        cmocka_unit_test_setup(test_memory, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
