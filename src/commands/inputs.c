#include "inputs.h"

#include <glob.h>
#include <math.h>
#include <sys/stat.h>
#include <zlib.h>

void each_input(const strata_config *config, input_visit visit, void *data)
{
    for (int32_t i = 0; i < config->input.n_files; i++) {
        const char *pattern = config->input.files[i];
        glob_t found = {0};
        struct stat info;
        if (stat(pattern, &info) == 0)
            visit(pattern, data);
        else if (glob(pattern, 0, NULL, &found) == 0)
            for (size_t at = 0; at < found.gl_pathc; at++)
                visit(found.gl_pathv[at], data);
        globfree(&found);
    }
}

double estimate_rows(const char *path, bool *packed)
{
    enum { SAMPLE = 1 << 16 };
    char sample[SAMPLE];
    struct stat info;
    gzFile file = gzopen(path, "rb");
    if (!file || stat(path, &info) != 0) {
        if (file)
            gzclose(file);
        return 0;
    }
    int got = gzread(file, sample, SAMPLE);
    double stored = (double)gzoffset(file), lines = 0;
    for (int i = 0; i < got; i++)
        lines += sample[i] == '\n';
    if (packed)
        *packed = !gzdirect(file);
    gzclose(file);
    return got > 0 && stored > 0 ? lines * fmax(1, (double)info.st_size / stored) : 0;
}
