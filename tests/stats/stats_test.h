/* What the tests of the stats room share. */
#ifndef STRATA_STATS_TEST_H
#define STRATA_STATS_TEST_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "strata/stats.h"

static inline double relative_error(double got, double wanted)
{
    if (got == wanted)
        return 0;
    double scale = fabs(wanted) > 1e-300 ? fabs(wanted) : 1e-300;
    return isnan(got) ? INFINITY : fabs(got - wanted) / scale;
}

#define ASSERT_NEAR(got, wanted, tolerance)                                                        \
    do {                                                                                           \
        double got_ = (got), wanted_ = (wanted);                                                   \
        if (!(relative_error(got_, wanted_) <= (tolerance))) {                                     \
            print_error("%s = %.17g, wanted %.17g (relative error %.2g)\n", #got, got_, wanted_,   \
                        relative_error(got_, wanted_));                                            \
            fail();                                                                                \
        }                                                                                          \
    } while (0)

#endif
