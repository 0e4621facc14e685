#include <string.h>

#include "strata/memory.h"
#include "strata/par.h"
#include "significance/internal.h"

static strata_status count_local(strata_context *ctx, const int16_t *rows, const int16_t *columns,
                                 int64_t n_local, strata_crosstab *tab)
{
    strata_status rc = STRATA_OK;
    STRATA_TRY(
        strata_calloc(ctx, (int64_t)tab->rows * tab->columns, sizeof *tab->counts, &tab->counts));
    for (int64_t i = 0; i < n_local; i++) {
        int32_t r = rows[i] >= 0 && rows[i] < tab->rows ? rows[i] : tab->rows - 1;
        int32_t c = columns[i] >= 0 && columns[i] < tab->columns ? columns[i] : tab->columns - 1;
        tab->counts[(int64_t)r * tab->columns + c]++;
    }
done:
    return rc;
}

strata_status crosstab_count(strata_context *ctx, const int16_t *rows, const int16_t *columns,
                             int64_t n_local, strata_crosstab *tab)
{
    strata_status rc = STRATA_OK;
    STRATA_AGREE(ctx, count_local(ctx, rows, columns, n_local, tab));
    STRATA_TRY(
        strata_par_allreduce_i64(ctx, tab->counts, (int64_t)tab->rows * tab->columns, STRATA_SUM));
done:
    return rc;
}

void crosstab_release(strata_crosstab *tab)
{
    strata_free(&tab->row_codes);
    strata_free(&tab->column_codes);
    strata_free(&tab->counts);
    tab->rows = tab->columns = 0;
}
