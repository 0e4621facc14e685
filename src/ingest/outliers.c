#include <math.h>

#include "ingest/job.h"

/* The smallest and the largest value that fall into a bucket. */
static int64_t bucket_low(int32_t bucket)
{
    int32_t shift = (bucket >> STRATA_OCTAVE_BITS) - 1;
    if (shift <= 0)
        return bucket;
    return (int64_t)(bucket - (shift << STRATA_OCTAVE_BITS)) << shift;
}

static int64_t bucket_high(int32_t bucket)
{
    return bucket_low(bucket + 1) - 1;
}

/* Half-way in a bucket: all its values are taken to be this one. Exact below 2^13 units. */
static int64_t bucket_middle(int32_t bucket)
{
    return bucket_low(bucket) + (bucket_high(bucket) - bucket_low(bucket)) / 2;
}

static int64_t total(const int64_t *counts)
{
    int64_t n = 0;
    for (int32_t b = 0; b < STRATA_HISTOGRAM_BUCKETS; b++)
        n += counts[b];
    return n;
}

/* The lower median: the value at position (n - 1) / 2. */
static int32_t median_bucket(const int64_t *counts, int64_t n)
{
    int64_t before = 0;
    int32_t b = 0;
    while (before + counts[b] <= (n - 1) / 2)
        before += counts[b++];
    return b;
}

/* The lower median of |value - center|, walking away from the center on both sides at once. */
static int64_t median_deviation(const int64_t *counts, int64_t n, int32_t center)
{
    int64_t middle = bucket_middle(center), met = 0, deviation = 0;
    int32_t left = center, right = center + 1;
    while (met <= (n - 1) / 2) {
        int64_t to_left = left >= 0 ? middle - bucket_middle(left) : INT64_MAX;
        int64_t to_right =
            right < STRATA_HISTOGRAM_BUCKETS ? bucket_middle(right) - middle : INT64_MAX;
        deviation = to_left <= to_right ? to_left : to_right;
        met += to_left <= to_right ? counts[left--] : counts[right++];
    }
    return deviation;
}

void strata_outlier_limits(const int64_t *counts, double threshold, strata_amount_limits *limits)
{
    int64_t n = total(counts);
    *limits = (strata_amount_limits){.low = 0, .high = INT64_MAX, .spread = false};
    if (n == 0)
        return;
    int32_t center = median_bucket(counts, n);
    int64_t middle = bucket_middle(center), deviation = median_deviation(counts, n, center);
    if (deviation == 0)
        return;
    /* Whole buckets are in or out, so that counting buckets and comparing amounts agree. */
    double reach = threshold * 1.4826 * (double)deviation;
    int32_t low = center, high = center;
    while (low > 0 && (double)(middle - bucket_middle(low - 1)) <= reach)
        low--;
    while (high < STRATA_HISTOGRAM_BUCKETS - 1 &&
           (double)(bucket_middle(high + 1) - middle) <= reach)
        high++;
    *limits = (strata_amount_limits){bucket_low(low), bucket_high(high), true};
}

int64_t strata_outlier_count(const int64_t *counts, const strata_amount_limits *limits)
{
    int64_t beyond = 0;
    if (!limits->spread)
        return 0;
    for (int32_t b = 0; b < STRATA_HISTOGRAM_BUCKETS; b++)
        if (bucket_low(b) < limits->low || bucket_low(b) > limits->high)
            beyond += counts[b];
    return beyond;
}
