#include "outputs.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inputs.h"

#include "strata/par.h"

/* ---- which file a path means ----------------------------------------------------------------- */

/* A regular file that is there, or a name in a folder that is there. */
typedef struct place {
    bool known;
    dev_t device;
    ino_t inode;
    char name[NAME_MAX + 1]; /* "" when device and inode are those of the file itself */
} place;

/* Cuts path, which is shorter than PATH_MAX, into a folder and the name in it. */
static const char *folder_of(const char *path, char folder[PATH_MAX])
{
    memcpy(folder, path, strlen(path) + 1);
    return dirname(folder);
}

/* Puts what the link at path leads to into path; false when it is no link. */
static bool follow(char path[PATH_MAX])
{
    char folder[PATH_MAX], target[PATH_MAX], whole[2 * PATH_MAX];
    const ssize_t n = readlink(path, target, sizeof target - 1);
    if (n <= 0)
        return false;
    target[n] = 0;
    const int length =
        target[0] == '/' ? snprintf(whole, sizeof whole, "%s", target)
                         : snprintf(whole, sizeof whole, "%s/%s", folder_of(path, folder), target);
    if (length >= PATH_MAX)
        return false;
    memcpy(path, whole, (size_t)length + 1);
    return true;
}

static place place_of(const char *path)
{
    enum { LINKS = 40 };
    char at[PATH_MAX], folder[PATH_MAX];
    struct stat info;
    place found = {.known = false};
    if (stat(path, &info) == 0)
        return (place){.known = S_ISREG(info.st_mode), .device = info.st_dev, .inode = info.st_ino};
    if (strlen(path) >= sizeof at)
        return found;
    memcpy(at, path, strlen(path) + 1);
    for (int links = 0; links < LINKS && follow(at); links++)
        ;
    const char *slash = strrchr(at, '/'), *name = slash ? slash + 1 : at;
    if (!*name || strlen(name) >= sizeof found.name || stat(folder_of(at, folder), &info) != 0)
        return found;
    found = (place){.known = true, .device = info.st_dev, .inode = info.st_ino};
    memcpy(found.name, name, strlen(name) + 1);
    return found;
}

static bool same_place(const place *a, const place *b)
{
    return a->known && b->known && a->device == b->device && a->inode == b->inode &&
           strcmp(a->name, b->name) == 0;
}

/* ---- the outputs against everything else ----------------------------------------------------- */

typedef struct comparison {
    strata_context *ctx;
    strata_status rc; /* of the first that met */
    const output_file *outputs;
    place places[OUTPUTS_MAX]; /* [n] */
    int32_t n;
} comparison;

static void meet(comparison *c, const char *role, const char *what, const char *path)
{
    const place there = place_of(path);
    for (int32_t i = 0; i < c->n && c->rc == STRATA_OK; i++)
        if (same_place(&there, &c->places[i]))
            c->rc = strata_context_fail(c->ctx, STRATA_ERR_USAGE, __FILE__, __LINE__,
                                        "%s %s is an %s too (%s: %s); name another",
                                        c->outputs[i].what, c->outputs[i].path, role, what, path);
}

static void meet_input(const char *path, void *data)
{
    meet(data, "input", "input.files", path);
}

static bool is_screen(const output_file *output)
{
    return output->way == OUTPUT_IN_PLACE && strcmp(output->path, "-") == 0;
}

static strata_status compare_all(strata_context *ctx, const strata_command_line *line,
                                 const strata_config *config, const output_file *outputs, int32_t n)
{
    comparison c = {.ctx = ctx, .outputs = outputs};
    for (int32_t i = 0; i < n; i++) { /* each with those before it */
        const bool is_file = outputs[i].path && !is_screen(&outputs[i]);
        if (is_file)
            meet(&c, "output", outputs[i].what, outputs[i].path);
        c.places[c.n++] = is_file ? place_of(outputs[i].path) : (place){.known = false};
    }
    if (!config)
        return c.rc;
    const char *const read[][2] = {{"--config", strata_option_text(line, "--config", NULL)},
                                   {"cluster.centroids", config->cluster.centroids},
                                   {"privacy.key_file", config->privacy.key_file}};
    for (size_t i = 0; i < sizeof read / sizeof *read; i++)
        if (read[i][1])
            meet(&c, "input", read[i][0], read[i][1]);
    each_input(config, meet_input, &c);
    return c.rc;
}

/* ---- each output ----------------------------------------------------------------------------- */

static strata_status check_one(strata_context *ctx, const output_file *output)
{
    strata_status rc = STRATA_OK;
    const char *what = output->what, *path = output->path;
    char folder[PATH_MAX];
    struct stat info;
    if (!path || is_screen(output))
        goto done;
    if (strlen(path) >= sizeof folder)
        STRATA_FAIL(ctx, STRATA_ERR_USAGE, "%s %.60s...: the path is too long", what, path);
    const bool there = stat(path, &info) == 0;
    if (there ? S_ISDIR(info.st_mode) : *path && path[strlen(path) - 1] == '/')
        STRATA_FAIL(ctx, STRATA_ERR_USAGE, "%s %s is a folder; name a file", what, path);
    if (output->way == OUTPUT_RESULT)
        goto done;
    if (there && output->way == OUTPUT_REPLACED && !S_ISREG(info.st_mode))
        STRATA_FAIL(ctx, STRATA_ERR_USAGE, "%s %s is not a regular file; name another", what, path);
    if (there && output->way == OUTPUT_IN_PLACE ? access(path, W_OK) != 0
                                                : access(folder_of(path, folder), W_OK | X_OK) != 0)
        STRATA_FAIL(ctx, STRATA_ERR_IO, "%s %s: %s", what, path, strerror(errno));
done:
    return rc;
}

static strata_status look(strata_context *ctx, const strata_command_line *line,
                          const strata_config *config, const output_file *outputs, int32_t n)
{
    strata_status rc = STRATA_OK;
    for (int32_t i = 0; i < n; i++)
        STRATA_TRY(check_one(ctx, &outputs[i]));
    STRATA_TRY(compare_all(ctx, line, config, outputs, n));
done:
    return rc;
}

strata_status check_outputs(strata_context *ctx, const strata_command_line *line,
                            const strata_config *config, const output_file *outputs, int32_t n)
{
    strata_status rc = STRATA_OK;
    STRATA_AGREE(ctx, ctx->rank == 0 ? look(ctx, line, config, outputs, n) : STRATA_OK);
done:
    return rc;
}
