#include "strata/status.h"

#include <stddef.h>

static const struct {
    const char *text;
    int exit_code;
} status_table[STRATA_STATUS_COUNT] = {
    [STRATA_OK] = {"done", 0},
    [STRATA_ERR_INTERNAL] = {"internal error", 1},
    [STRATA_ERR_USAGE] = {"usage or configuration", 2},
    [STRATA_ERR_GATE] = {"a gate failed", 3},
    [STRATA_ERR_REBUILD] = {"rebuild recommended", 4},
    [STRATA_ERR_INPUT] = {"input unusable", 5},
    [STRATA_ERR_MEMORY] = {"not enough memory", 6},
    [STRATA_ERR_SPACE] = {"not enough disk space", 6},
    [STRATA_ERR_IO] = {"I/O failed", 7},
    [STRATA_ERR_MPI] = {"message passing failed", 1},
    [STRATA_ERR_VERIFY] = {"verification failed", 8},
    [STRATA_ERR_CHECKPOINT] = {"stopped at a checkpoint, requeue me", 75},
};

const char *strata_status_text(strata_status status)
{
    if ((unsigned)status >= STRATA_STATUS_COUNT)
        return "unknown status";
    return status_table[status].text;
}

int strata_status_exit_code(strata_status status)
{
    if ((unsigned)status >= STRATA_STATUS_COUNT)
        return 1;
    return status_table[status].exit_code;
}
