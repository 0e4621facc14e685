#include "strata/json.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "strata/io.h"
#include "strata/memory.h"

static void add(strata_context *ctx, strata_json *json, const char *bytes)
{
    if (json->rc == STRATA_OK)
        json->rc = strata_text_add(ctx, &json->text, bytes, (int64_t)strlen(bytes));
}

/* A line break and two blanks a level; arrays and objects are for eyes too. */
static void new_line(strata_context *ctx, strata_json *json)
{
    static const char blanks[] = "                                                                ";
    add(ctx, json, "\n");
    if (json->rc == STRATA_OK)
        json->rc = strata_text_add(ctx, &json->text, blanks, 2 * (int64_t)json->depth);
}

static void begin_value(strata_context *ctx, strata_json *json, const char *key)
{
    if (json->depth > 0) {
        if (json->filled[json->depth - 1])
            add(ctx, json, ",");
        json->filled[json->depth - 1] = true;
        new_line(ctx, json);
    }
    if (!key)
        return;
    if (json->rc == STRATA_OK)
        json->rc = strata_text_add_json(ctx, &json->text, key);
    add(ctx, json, ": ");
}

void strata_json_open(strata_context *ctx, strata_json *json, const char *key, char bracket)
{
    const char open[2] = {bracket, '\0'};
    begin_value(ctx, json, key);
    if (json->depth == STRATA_JSON_DEPTH) {
        json->rc = strata_context_fail(ctx, STRATA_ERR_INTERNAL, __FILE__, __LINE__,
                                       "JSON nested too deep");
        return;
    }
    add(ctx, json, open);
    json->closers[json->depth] = bracket == '{' ? '}' : ']';
    json->filled[json->depth++] = false;
}

void strata_json_close(strata_context *ctx, strata_json *json)
{
    if (json->depth == 0) {
        json->rc = strata_context_fail(ctx, STRATA_ERR_INTERNAL, __FILE__, __LINE__,
                                       "a JSON bracket is closed that is not open");
        return;
    }
    json->depth--;
    const char close_text[2] = {json->closers[json->depth], '\0'};
    if (json->filled[json->depth])
        new_line(ctx, json);
    add(ctx, json, close_text);
}

void strata_json_text(strata_context *ctx, strata_json *json, const char *key, const char *value)
{
    begin_value(ctx, json, key);
    if (!value)
        add(ctx, json, "null");
    else if (json->rc == STRATA_OK)
        json->rc = strata_text_add_json(ctx, &json->text, value);
}

void strata_json_integer(strata_context *ctx, strata_json *json, const char *key, int64_t value)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRId64, value);
    begin_value(ctx, json, key);
    add(ctx, json, digits);
}

void strata_json_unsigned(strata_context *ctx, strata_json *json, const char *key, uint64_t value)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRIu64, value);
    begin_value(ctx, json, key);
    add(ctx, json, digits);
}

void strata_json_real(strata_context *ctx, strata_json *json, const char *key, double value)
{
    char digits[32];
    begin_value(ctx, json, key);
    add(ctx, json, isfinite(value) ? strata_text_of_double(value, digits) : "null");
}

void strata_json_boolean(strata_context *ctx, strata_json *json, const char *key, bool value)
{
    begin_value(ctx, json, key);
    add(ctx, json, value ? "true" : "false");
}

static strata_status write_to(strata_context *ctx, const strata_json *json, const char *path)
{
    strata_status rc = STRATA_OK;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        STRATA_FAIL(ctx, STRATA_ERR_IO, "%s: %s", path, strerror(errno));
    STRATA_TRY(strata_io_write(ctx, fd, path, json->text.bytes, json->text.length));
    STRATA_TRY(strata_io_close(ctx, &fd, path));
done:
    if (fd >= 0)
        close(fd);
    return rc;
}

strata_status strata_json_write(strata_context *ctx, strata_json *json, const char *path)
{
    strata_status rc = STRATA_OK;
    STRATA_TRY(json->rc);
    if (json->depth != 0)
        STRATA_FAIL(ctx, STRATA_ERR_INTERNAL, "JSON with open brackets");
    add(ctx, json, "\n");
    STRATA_TRY(json->rc);
    if (strcmp(path, "-") != 0)
        STRATA_TRY(write_to(ctx, json, path));
    else if (fwrite(json->text.bytes, 1, (size_t)json->text.length, stdout) !=
             (size_t)json->text.length)
        STRATA_FAIL(ctx, STRATA_ERR_IO, "standard output: %s", strerror(errno));
done:
    return rc;
}

void strata_json_release(strata_json *json)
{
    strata_free(&json->text.bytes);
    *json = (strata_json){0};
}
