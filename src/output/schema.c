#include "output/schema.h"

#include <string.h>

#define TEXT(name, long_name)              {name, STRATA_TEXT, 0, long_name, "", NULL}
#define CODE(name, long_name)              {name, STRATA_I16, 0, long_name, "1", NULL}
#define INT(name, long_name, units)        {name, STRATA_I32, 0, long_name, units, NULL}
#define LONG(name, long_name)              {name, STRATA_I64, 0, long_name, "1", NULL}
#define REAL(name, long_name, units)       {name, STRATA_F64, 0, long_name, units, NULL}

#define DICTIONARY(path, what)                                                                     \
    {path, 3, {CODE("code", "Code of the " what), TEXT("name", "Name of the " what),                \
               TEXT("description", "What the " what " means")}}

static const schema_table tables[] = {
    {"/segments", 9,
     {CODE("code", "Segment, -1 = unassigned"), LONG("users", "Users in the segment"),
      REAL("share", "Share of all users", "1"),
      REAL("expected_share", "Share that the rule expects", "1"),
      REAL("revenue", "Net spend of the segment in the window", "currency"),
      REAL("revenue_share", "Share of all net spend", "1"),
      REAL("mean_recency_days", "Mean days since the last purchase", "d"),
      REAL("mean_frequency", "Mean number of orders", "1"),
      REAL("mean_monetary", "Mean net spend", "currency")}},
    {"/segment_cluster", 3,
     {CODE("segment_code", "Segment, -1 = unassigned"), CODE("cluster_id", "Cluster"),
      LONG("users", "Users of both, -1 = suppressed for privacy")}},
    {"/region_segment", 3,
     {CODE("region_code", "Region, -1 = unknown"), CODE("segment_code", "Segment, -1 = unassigned"),
      LONG("users", "Users of both, -1 = suppressed for privacy")}},
    {"/tests", 15,
     {TEXT("sample", "Sample: descriptive (p not valid), holdout or external"),
      TEXT("grouping", "What makes the groups: segment, cluster or region"),
      TEXT("variable", "Variable that is compared between the groups"),
      TEXT("test", "Statistical test"), REAL("statistic", "Test statistic", "1"),
      REAL("df1", "First degrees of freedom", "1"), REAL("df2", "Second degrees of freedom", "1"),
      REAL("log10_p", "Decimal logarithm of p", "1"),
      REAL("p_value", "p, 0 below 1e-308", "1"),
      REAL("log10_p_adjusted", "Decimal logarithm of p after adjusting for many tests", "1"),
      TEXT("effect_name", "Measure of the effect"), REAL("effect_size", "Size of the effect", "1"),
      CODE("significant", "1 = adjusted p below alpha and the effect large enough, 0 = not"),
      LONG("n", "Users that took part"), TEXT("note", "What to beware of")}},
    {"/iterations", 4,
     {INT("restart", "Restart, from 0", "1"), INT("iteration", "Iteration, from 0", "1"),
      REAL("inertia", "Sum of squared distances in scaled units", "1"),
      LONG("moved", "Users that changed their cluster")}},
    {"/k_selection", 11,
     {INT("k", "Number of clusters", "1"),
      REAL("inertia", "Sum of squared distances in scaled units", "1"),
      REAL("calinski_harabasz", "Calinski-Harabasz index, larger is better", "1"),
      REAL("davies_bouldin", "Davies-Bouldin index, smaller is better", "1"),
      REAL("simplified_silhouette", "Silhouette by distances to centres, reads high", "1"),
      REAL("silhouette", "Mean silhouette of a sample", "1"),
      REAL("silhouette_error", "Standard error of the silhouette", "1"),
      REAL("stability", "Mean Jaccard similarity of the least stable cluster", "1"),
      LONG("smallest", "Rows of the smallest cluster"),
      CODE("eligible", "1 = all clusters stable and large enough"),
      CODE("chosen", "1 = the k of this result")}},
    {"/quality", 5,
     {TEXT("rule", "What was checked"), TEXT("source", "Where"), LONG("rows", "Rows concerned"),
      REAL("share", "Share of all rows of that source", "1"), TEXT("action", "What was done")}},
    {"/gates", 4,
     {TEXT("name", "Gate"), REAL("value", "What was measured", "1"),
      REAL("threshold", "What it is held against", "1"),
      CODE("passed", "1 = passed, 0 = failed, -1 = not measured")}},
    {"/model", 3,
     {TEXT("feature", "Feature of the model"),
      REAL("center", "Subtracted after the transform", "transformed"),
      REAL("scale", "Divided by then", "transformed")}},
    DICTIONARY("/dictionary/segment_code", "segment"),
    DICTIONARY("/dictionary/region_code", "region"),
    DICTIONARY("/dictionary/cluster_id", "cluster"),
    {"/provenance/inputs", 4,
     {TEXT("path", "Input file"), LONG("bytes", "Size as stored"), LONG("rows", "Rows read from it"),
      TEXT("digest", "XXH3-128 of the stored bytes")}},
    {"/provenance/timings", 5,
     {TEXT("phase", "Phase of the run"), REAL("min", "Least time of a rank", "s"),
      REAL("mean", "Mean time over the ranks", "s"), REAL("max", "Most time of a rank", "s"),
      LONG("rows", "Rows the phase worked on, -1 = not counted")}},
};

const schema_table *schema_all(int32_t *n)
{
    *n = (int32_t)(sizeof tables / sizeof *tables);
    return tables;
}

const schema_table *schema_find(const char *path)
{
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        if (strcmp(tables[i].path, path) == 0)
            return &tables[i];
    return NULL;
}

strata_status schema_create(strata_context *ctx, const char *path, int64_t rows,
                            const int32_t *widths, strata_table **table)
{
    strata_status rc = STRATA_OK;
    strata_field fields[SCHEMA_FIELDS_LIMIT];
    const schema_table *schema = schema_find(path);
    if (!schema)
        STRATA_FAIL(ctx, STRATA_ERR_INTERNAL, "%s is not in the schema", path);
    memcpy(fields, schema->fields, sizeof fields);
    for (int32_t f = 0; f < schema->n_fields; f++)
        if (fields[f].type == STRATA_TEXT)
            fields[f].width = widths && widths[f] > 0 ? widths[f] : 1;
    STRATA_TRY(strata_table_create(ctx, path, rows, fields, schema->n_fields, table));
done:
    return rc;
}
