#include "inspect_sheet.h"

#include <math.h>
#include <string.h>

#include "strata/memory.h"

static const int64_t rows_limit = 1000000; /* small tables only: this goes on a screen */

static bool is_integer(strata_type type)
{
    return type == STRATA_I16 || type == STRATA_I32 || type == STRATA_I64;
}

/* Texts get a zero byte behind each cell. */
static strata_status load_texts(strata_context *ctx, strata_reader *reader, const char *path,
                                const strata_column_view *column, int64_t rows, void **out)
{
    strata_status rc = STRATA_OK;
    char *packed = NULL, *spaced = NULL;
    int64_t width = column->width;
    STRATA_TRY(strata_alloc(ctx, rows, width, &packed));
    STRATA_TRY(strata_calloc(ctx, rows, width + 1, &spaced));
    STRATA_TRY(strata_reader_texts(ctx, reader, path, 0, rows, packed));
    for (int64_t i = 0; i < rows; i++)
        memcpy(spaced + i * (width + 1), packed + i * width, (size_t)width);
    *out = spaced;
    spaced = NULL;
done:
    strata_free(&spaced);
    strata_free(&packed);
    return rc;
}

static strata_status load_column(strata_context *ctx, strata_reader *reader, const char *table,
                                 const sheet *s, int32_t c)
{
    strata_status rc = STRATA_OK;
    const strata_column_view *column = &s->view->columns[c];
    char path[512];
    snprintf(path, sizeof path, "%s/%s", table, column->name);
    if (column->type == STRATA_TEXT) {
        STRATA_TRY(load_texts(ctx, reader, path, column, s->rows, &s->cells[c]));
    } else {
        STRATA_TRY(strata_alloc(ctx, s->rows, 8, &s->cells[c]));
        STRATA_TRY(is_integer(column->type)
                       ? strata_reader_integers(ctx, reader, path, 0, s->rows, s->cells[c])
                       : strata_reader_reals(ctx, reader, path, 0, s->rows, s->cells[c]));
    }
done:
    return rc;
}

strata_status sheet_load(strata_context *ctx, strata_reader *reader, const char *path, sheet *out)
{
    strata_status rc = STRATA_OK;
    *out = (sheet){0};
    if (!strata_reader_has(reader, path))
        return STRATA_OK;
    STRATA_TRY(strata_reader_table(ctx, reader, path, &out->view));
    if (out->view->rows > rows_limit)
        STRATA_FAIL(ctx, STRATA_ERR_VERIFY, "%s has %lld rows, too many for a small table", path,
                    (long long)out->view->rows);
    STRATA_TRY(strata_calloc(ctx, out->view->n_columns, sizeof *out->cells, &out->cells));
    out->rows = out->view->rows;
    for (int32_t c = 0; c < out->view->n_columns; c++)
        STRATA_TRY(load_column(ctx, reader, path, out, c));
done:
    return rc;
}

void sheet_release(sheet *s)
{
    for (int32_t c = 0; s->cells && c < s->view->n_columns; c++)
        strata_free(&s->cells[c]);
    strata_free(&s->cells);
    *s = (sheet){0};
}

static int32_t find(const sheet *s, const char *name, int64_t row)
{
    for (int32_t c = 0; s->view && row < s->rows && c < s->view->n_columns; c++)
        if (strcmp(s->view->columns[c].name, name) == 0)
            return c;
    return -1;
}

int64_t sheet_integer(const sheet *s, const char *column, int64_t row)
{
    int32_t c = find(s, column, row);
    return c >= 0 && is_integer(s->view->columns[c].type) ? ((int64_t *)s->cells[c])[row] : -1;
}

double sheet_real(const sheet *s, const char *column, int64_t row)
{
    int32_t c = find(s, column, row);
    return c >= 0 && s->view->columns[c].type == STRATA_F64 ? ((double *)s->cells[c])[row] : NAN;
}

const char *sheet_text(const sheet *s, const char *column, int64_t row)
{
    int32_t c = find(s, column, row);
    if (c < 0 || s->view->columns[c].type != STRATA_TEXT)
        return "";
    return (const char *)s->cells[c] + row * (s->view->columns[c].width + 1);
}

const char *sheet_name_of(const sheet *dictionary, int64_t code, const char *fallback)
{
    for (int64_t i = 0; i < dictionary->rows; i++)
        if (sheet_integer(dictionary, "code", i) == code)
            return sheet_text(dictionary, "name", i);
    return fallback;
}

void sheet_json(strata_context *ctx, strata_json *json, const char *key, const sheet *s)
{
    strata_json_open(ctx, json, key, '[');
    for (int64_t i = 0; i < s->rows; i++) {
        strata_json_open(ctx, json, NULL, '{');
        for (int32_t c = 0; c < s->view->n_columns; c++) {
            const char *name = s->view->columns[c].name;
            if (s->view->columns[c].type == STRATA_TEXT)
                strata_json_text(ctx, json, name, sheet_text(s, name, i));
            else if (s->view->columns[c].type == STRATA_F64)
                strata_json_real(ctx, json, name, sheet_real(s, name, i));
            else
                strata_json_integer(ctx, json, name, sheet_integer(s, name, i));
        }
        strata_json_close(ctx, json);
    }
    strata_json_close(ctx, json);
}
