#include "cluster_memory.h"

#include <math.h>
#include <string.h>

#include "inputs.h"

#include "strata/cluster.h"
#include "strata/memory.h"

/* Bytes a row, by what is held at the same time. */
typedef struct layout {
    double features; /* as they were read */
    double key;      /* of text; 0 without */
    double points;   /* on the grid */
    double identity; /* key, and the number that randomness goes by */
} layout;

enum {
    PSEUDONYM = 32 /* characters */
};

static layout lay_out(const strata_config *config, const feature_source *source)
{
    layout row = {.points = 4.0 * source->d};
    const bool masked = !source->is_result && config->privacy.mode == STRATA_PRIVACY_KEYED;
    for (int32_t f = 0; f < source->d; f++)
        row.features += (double)strata_type_size(source->columns[source->feature[f]].type);
    for (int32_t i = 0; i < source->n_columns && source->key; i++)
        if (strcmp(source->columns[i].name, source->key) == 0)
            row.key =
                !masked && source->columns[i].width > 0 ? source->columns[i].width : PSEUDONYM;
    row.identity = 8 + (row.key > 0 ? row.key : 8);
    return row;
}

/* The most that reading a row takes: text in arrays that grow, and keys on their way into order. */
static double reading(const feature_source *source, const layout *row, int ranks)
{
    const double record = row->key + row->features, sorting = 32;
    if (source->is_hdf5)
        return row->features + (row->key > 0 ? 2 * row->key : 0);
    if (row->key <= 0)
        return row->features + 8; /* the old array of the column that grows */
    return row->features + row->key + (ranks > 1 ? 3 : 2) * record + sorting;
}

/* Whether a fit may go by it: it was asked for, or auto takes it in its regime. That of merge is few
 * distinct rows, whose own memory its account leaves out. */
static bool may_be_taken(const strata_cluster_variant *v, const char *asked, int32_t k, int32_t d)
{
    static const char *const of_auto[] = {"lloyd", "filter", "yinyang", "merge"};
    if (strcmp(asked, "auto") != 0)
        return strcmp(asked, v->name) == 0;
    for (size_t i = 0; i < sizeof of_auto / sizeof *of_auto; i++)
        if (strcmp(of_auto[i], v->name) == 0)
            return d >= v->d_min && d <= v->d_max && k >= v->k_min;
    return false;
}

/* What a fit keeps for a row beside the points and the labels that are returned. */
static double fitting(const strata_config *config, int32_t d, const char **variant)
{
    const bool chosen = config->cluster.k == STRATA_K_AUTO;
    const int32_t k = chosen ? config->cluster.k_max : config->cluster.k;
    double most = 0;
    for (int32_t i = 0; i < strata_cluster_variant_count(); i++) {
        const strata_cluster_variant *v = strata_cluster_variant_at(i);
        const double bytes = (double)strata_cluster_variant_bytes(v, k, d);
        if (!may_be_taken(v, config->cluster.variant, k, d) || bytes <= most)
            continue;
        most = bytes;
        *variant = v->name;
    }
    if (strcmp(config->cluster.init, "kmeans_plus_plus") == 0)
        most += 8; /* the distance to the nearest centroid so far */
    return most;
}

/* The rows of a text file, and how many of them one rank must take. */
typedef struct text_rows {
    double all, together;
} text_rows;

static void count_text(const char *path, void *data)
{
    text_rows *rows = data;
    bool packed = false;
    const double n = estimate_rows(path, &packed);
    rows->all += n;
    rows->together = packed ? fmax(rows->together, n) : rows->together;
}

/* What the files take while the result is written: a chunk of the widest column as it is, shuffled and
 * packed; among several ranks the chunks of a round and the buffers of the message layer. */
static double publishing(double n, const layout *row, int ranks)
{
    enum { CHUNKS_A_ROUND = 64, BUFFERS = 12 << 20 };
    const double width = fmax(8, row->key), chunk = fmin(n, STRATA_BLOCK_ROWS);
    const double round = fmin(n, (double)CHUNKS_A_ROUND * STRATA_BLOCK_ROWS);
    return 3 * width * chunk + (ranks > 1 ? width * round + BUFFERS : 0);
}

cluster_memory cluster_memory_estimate(const strata_config *config, const feature_source *source,
                                       int ranks)
{
    const double labels = 2, published = 2 + 8; /* cluster and distance */
    const layout row = lay_out(config, source);
    cluster_memory need = {.variant = config->cluster.variant};
    text_rows rows = {.all = (double)source->rows};
    if (!source->is_hdf5) {
        rows.all = 0;
        each_input(config, count_text, &rows);
    }
    const double n = ceil(rows.all / ranks), held = row.features + row.identity + row.points;
    const double sorted = config->cluster.scale == STRATA_SCALE_ROBUST ? 8 : 0;
    const double phases[] = {fmax(n, rows.together) * reading(source, &row, ranks),
                             n * (held + sorted),
                             n * (held + labels + fitting(config, source->d, &need.variant)),
                             n * (held + labels + published) + publishing(n, &row, ranks)};
    double most = 0;
    for (size_t i = 0; i < sizeof phases / sizeof *phases; i++)
        most = fmax(most, phases[i]);
    need.rows = (int64_t)n;
    need.bytes = strata_peak_memory() + (int64_t)most;
    return need;
}
