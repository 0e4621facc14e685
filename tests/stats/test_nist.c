/* The NIST StRD one-way ANOVA sets, read as decimals, through the moments and the analysis that the
 * job uses: every certified number to 14 digits and more. Skipped where the data are missing. */
#include <stdlib.h>
#include <string.h>

#include "stats/stats_test.h"

enum { GROUPS_MAX = 16, ROWS_MAX = 20000, FIRST_DATA_LINE = 61 };

typedef struct data_set {
    int64_t x[ROWS_MAX];
    int16_t group[ROWS_MAX];
    int64_t n;
    int decimals; /* x counts units of 10^-decimals */
} data_set;

static const char *folder(void)
{
    return getenv("STRATA_SHARED_DATA");
}

/* Digits of a decimal as an integer and the number of its places. */
static void read_decimal(const char *text, int64_t *digits, int *places)
{
    bool point = false;
    *digits = 0;
    *places = 0;
    for (; *text; text++) {
        if (*text == '.') {
            point = true;
            continue;
        }
        assert_true(*text >= '0' && *text <= '9');
        assert_false(__builtin_mul_overflow(*digits, 10, digits));
        assert_false(__builtin_add_overflow(*digits, *text - '0', digits));
        *places += point;
    }
}

static void read_set(const char *name, data_set *set)
{
    static int64_t digits[ROWS_MAX];
    static int places[ROWS_MAX];
    char path[4096], line[256], value[64];
    snprintf(path, sizeof path, "%s/nist_anova/%s.dat", folder(), name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    set->n = 0;
    set->decimals = 0;
    for (int number = 1; fgets(line, sizeof line, file); number++) {
        int group = 0;
        if (number < FIRST_DATA_LINE || sscanf(line, "%d %63s", &group, value) != 2)
            continue;
        assert_true(set->n < ROWS_MAX && group >= 1 && group <= GROUPS_MAX);
        set->group[set->n] = (int16_t)(group - 1);
        read_decimal(value, &digits[set->n], &places[set->n]);
        set->decimals = places[set->n] > set->decimals ? places[set->n] : set->decimals;
        set->n++;
    }
    fclose(file);
    for (int64_t i = 0; i < set->n; i++) {
        set->x[i] = digits[i];
        for (int p = places[i]; p < set->decimals; p++)
            assert_false(__builtin_mul_overflow(set->x[i], 10, &set->x[i]));
    }
}

static double power_of_ten(int exponent)
{
    double power = 1;
    for (int i = 0; i < exponent; i++)
        power *= 10;
    return power;
}

/* The number of certified digits that agree: -log10 of the relative error, at most 15. */
static double digits_right(double got, double certified)
{
    double error = relative_error(got, certified);
    return error < 1e-15 ? 15 : -log10(error);
}

static void check_set(char *line)
{
    enum { NAME, N, K, DF1, SSB, MSB, STATISTIC, DF2, SSW, MSW, R2, SD, FIELDS };
    char *field[FIELDS], *rest = line;
    for (int i = 0; i < FIELDS; i++)
        assert_non_null(field[i] = strsep(&rest, ","));
    static data_set set;
    read_set(field[NAME], &set);
    assert_int_equal(set.n, atoll(field[N]));
    strata_cell cells[GROUPS_MAX] = {{0}};
    strata_cells_add_local(cells, set.group, set.x, set.n);
    strata_anova anova;
    strata_stats_anova(cells, GROUPS_MAX, &anova);
    double unit = power_of_ten(set.decimals), square = unit * unit;
    const double got[] = {anova.test.statistic,      anova.ss_between / square,
                          anova.ms_between / square, anova.ss_within / square,
                          anova.ms_within / square,  anova.test.effect,
                          anova.residual_sd / unit};
    const int which[] = {STATISTIC, SSB, MSB, SSW, MSW, R2, SD};
    assert_true(anova.test.df1 == atof(field[DF1]) && anova.test.df2 == atof(field[DF2]));
    for (size_t i = 0; i < sizeof which / sizeof *which; i++) {
        double digits = digits_right(got[i], atof(field[which[i]]));
        if (digits < 14)
            print_error("%s column %d: %.17g, certified %s\n", field[NAME], which[i], got[i],
                        field[which[i]]);
        assert_true(digits >= 14);
    }
    print_message("%-8s F %.15g: %.1f digits\n", field[NAME], anova.test.statistic,
                  digits_right(anova.test.statistic, atof(field[STATISTIC])));
}

static void test_all_sets(void **state)
{
    (void)state;
    char path[4096], line[1024];
    snprintf(path, sizeof path, "%s/nist_anova/certified_values.csv", folder());
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof line, file));
    int sets = 0;
    for (; fgets(line, sizeof line, file); sets++)
        check_set(line);
    fclose(file);
    assert_int_equal(sets, 11);
}

int main(void)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/nist_anova/certified_values.csv", folder() ? folder() : "");
    FILE *file = fopen(path, "r");
    if (!file) {
        puts("skipped: no nist_anova folder in STRATA_SHARED_DATA");
        return 77;
    }
    fclose(file);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_sets)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
