/* bench.h: the parts of strata bench. A plan (options) -> points (bench_data.c) -> cases, each with
 * one cell a variant (bench_measure.c) -> table, JSON, CSV (bench_report.c). */
#ifndef STRATA_COMMANDS_BENCH_H
#define STRATA_COMMANDS_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "command.h"
#include "feature_table.h"

#include "strata/cluster.h"
#include "strata/context.h"
#include "strata/features.h"

enum { BENCH_VARIANTS = 32, BENCH_SEEDINGS = 4, BENCH_KS = 256, BENCH_RANKS = 64 };

/* What is asked for; texts are borrowed from the command line. */
typedef struct bench_plan {
    const char *data; /* blobs | rfm | cloud | ties | scores */
    int64_t points;   /* generated rows */
    int32_t d, truth; /* features and groups of the generated data */
    uint64_t seed;
    strata_config *config; /* how the file of input is read and scaled. Borrowed */
    const char *input;     /* the first of its files */
    const char *variants[BENCH_VARIANTS]; /* lloyd first: all others are measured against it */
    const char *seedings[BENCH_SEEDINGS];
    int32_t k[BENCH_KS], ranks[BENCH_RANKS];
    int32_t n_variants, n_seedings, n_k, n_ranks;
    int32_t iterations, after, repetitions, restarts;
    bool sweep; /* one figure for all k together, seeding and restarts included */
    const char *kernel;
} bench_plan;

typedef struct bench_samples {
    double *seconds; /* [n] one a repetition; owned */
    int32_t n;
} bench_samples;

double bench_min(const bench_samples *samples);
double bench_median(const bench_samples *samples); /* of an even number: between the middle two */

/* One variant in one case. */
typedef struct bench_cell {
    const char *name; /* as asked */
    const char *ran;  /* what auto chose, else the same */
    char reason[160];
    bool exact, same; /* same: every repetition gave the bits of lloyd */
    int32_t differs;  /* BENCH_LABELS.. of a repetition that did not */
    int32_t iterations,
        counted; /* moves of the centroids; those that the time of one is taken from */
    bool converged;
    double inertia;
    char digest[33]; /* of labels, centroids, sizes, inertia, iterations, history */
    bench_samples iteration, total;
    double saved;           /* share of the n k (iterations + 1) distances; NaN = not counted */
    double redecided;       /* share of labels that integers decided */
    int64_t bytes, calls;   /* reduced in all iterations, and how often */
    double bytes_per_point; /* by the variant's table, points included */
    double
        bytes_measured; /* points, and growth of the resident set in a fit; NaN = unknown */
} bench_cell;

enum {
    BENCH_LABELS = 1,
    BENCH_CENTROIDS = 2,
    BENCH_SIZES = 4,
    BENCH_INERTIA = 8,
    BENCH_ITERATIONS = 16,
    BENCH_HISTORY = 32,
    BENCH_DIGEST = 64 /* a sweep compares digests only, and so do rank counts */
};

/* One rank count, k (0 = a sweep over all) and seeding. */
typedef struct bench_case {
    int32_t ranks, k, d;
    int64_t n;
    int32_t step_exponent;
    const char *seeding;
    bench_samples seeding_time;
    double seeding_inertia;
    int32_t *start;     /* [k, d] grid steps; NULL in a sweep; owned */
    bench_samples read; /* seconds a byte that all ranks together read, one a repetition */
    double reduce;      /* seconds of one allreduce as in an iteration */
    bench_cell cell[BENCH_VARIANTS];
    int32_t n_cells;
} bench_case;

typedef struct bench_report {
    bench_case *cases; /* [n] owned */
    int64_t n, capacity;
    char processor[128];
    int32_t cores;
    const char *kernel;
    int64_t peak_memory; /* largest of the ranks */
    bool failed;         /* an exact variant or a rank count gave other bits */
} bench_report;

/* The points of a context's ranks, and what they borrow from. */
typedef struct bench_data {
    strata_points points;
    strata_partition partition;
    feature_source source; /* of a file */
    feature_table table;
} bench_data;

/* Collective. Generated points are a function of seed and row alone; those of a file are scaled and
 * keyed as in strata cluster. out is zeroed by the caller and released in every case. */
strata_status bench_data_make(strata_context *ctx, const bench_plan *plan,
                              bench_data *out) STRATA_MUST_USE;
void bench_data_release(bench_data *data);

/* Collective. Writes the points as the table /points: columns x1..xd, float64, in scaled units
 * (grid steps times 2^step_exponent, so that --scale none reads the very same points back). */
strata_status bench_data_export(strata_context *ctx, const bench_data *data, const char *path,
                                bool force) STRATA_MUST_USE;

/* Collective. Adds how long a byte takes when all ranks read at once: the mean of several passes, as
 * the time of an iteration is one of several iterations. */
strata_status bench_bandwidth(strata_context *ctx, bench_samples *seconds_a_byte) STRATA_MUST_USE;

/* Collective. Median seconds of an allreduce of count int64, the slowest rank. */
strata_status bench_reduce(strata_context *ctx, int64_t count, double *out) STRATA_MUST_USE;

/* Not collective. The processor's name, or its architecture. */
void bench_processor(char *out, size_t size);

/* Not collective. Starts a new high-water mark of the resident set; its growth since then in bytes.
 * Negative where the system does not tell. */
int64_t bench_memory_mark(void);
int64_t bench_memory_growth(int64_t mark);

/* Collective. All variants of the plan from one start. The case's lists are empty and its ranks, n,
 * d set. */
strata_status bench_measure(strata_context *ctx, const bench_plan *plan,
                            const strata_points *points, bench_case *out) STRATA_MUST_USE;
/* Collective. All variants over all k. */
strata_status bench_measure_sweep(strata_context *ctx, const bench_plan *plan,
                                  const strata_points *points, bench_case *out) STRATA_MUST_USE;

/* Not collective. */
void bench_print_head(const bench_plan *plan, const bench_report *report);
/* Notes that stood under a case of the report are not said again. */
void bench_print_case(const bench_plan *plan, const bench_report *report, const bench_case *c);
strata_status bench_write_json(strata_context *ctx, const bench_plan *plan,
                               const bench_report *report, const char *path) STRATA_MUST_USE;
strata_status bench_write_csv(strata_context *ctx, const bench_plan *plan,
                              const bench_report *report, const char *path) STRATA_MUST_USE;
void bench_case_release(bench_case *c);
void bench_report_release(bench_report *report);

#endif
