#include "strata/build.h"

#include <gsl/gsl_version.h>
#include <hdf5.h>
#include <mpi.h>
#include <cblas.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>
#include <yaml.h>
#include <zlib.h>

#include "build_commit.h" /* STRATA_COMMIT; written at every build */

const char *strata_version(void)
{
    return STRATA_VERSION;
}

const char *strata_commit(void)
{
    return STRATA_COMMIT;
}

/* Up to n bytes of the first line of text. */
static void first_line(char *out, size_t size, const char *text)
{
    size_t length = strcspn(text, "\r\n");
    if (length >= size)
        length = size - 1;
    memcpy(out, text, length);
    out[length] = 0;
}

static void add(strata_build_item *items, int32_t *n, const char *name, const char *value)
{
    if (*n >= STRATA_BUILD_ITEMS)
        return;
    items[*n].name = name;
    first_line(items[*n].value, sizeof items[*n].value, value);
    ++*n;
}

static void add_processor(strata_build_item *items, int32_t *n)
{
#if defined(__x86_64__)
    char text[128];
    __builtin_cpu_init();
    snprintf(text, sizeof text, "x86-64%s%s%s%s%s%s", __builtin_cpu_supports("avx2") ? " avx2" : "",
             __builtin_cpu_supports("fma") ? " fma" : "",
             __builtin_cpu_supports("avx512f") ? " avx512f" : "",
             __builtin_cpu_supports("avx512bw") ? " avx512bw" : "",
             __builtin_cpu_supports("avx512dq") ? " avx512dq" : "",
             __builtin_cpu_supports("avx512vl") ? " avx512vl" : "");
    add(items, n, "processor", text);
#elif defined(__aarch64__)
    add(items, n, "processor", "aarch64");
#else
    add(items, n, "processor", "unknown");
#endif
}

int32_t strata_build_items(strata_build_item items[STRATA_BUILD_ITEMS])
{
    int32_t n = 0;
    char text[MPI_MAX_LIBRARY_VERSION_STRING];
    int length = 0, major = 0, minor = 0, patch = 0;
    unsigned hdf_major = 0, hdf_minor = 0, hdf_release = 0;
    add(items, &n, "version", STRATA_VERSION);
    add(items, &n, "commit", STRATA_COMMIT);
#if defined(__clang__)
    add(items, &n, "compiler", "clang " __clang_version__);
#else
    add(items, &n, "compiler", "gcc " __VERSION__);
#endif
    add(items, &n, "build", STRATA_BUILD_TYPE);
    if (MPI_Get_library_version(text, &length) == MPI_SUCCESS)
        add(items, &n, "mpi", text);
    if (H5get_libversion(&hdf_major, &hdf_minor, &hdf_release) >= 0) {
        snprintf(text, sizeof text, "%u.%u.%u (parallel)", hdf_major, hdf_minor, hdf_release);
        add(items, &n, "hdf5", text);
    }
    snprintf(text, sizeof text, "%s", openblas_get_config());
    add(items, &n, "openblas", text);
    add(items, &n, "gsl", gsl_version);
    yaml_get_version(&major, &minor, &patch);
    snprintf(text, sizeof text, "%d.%d.%d", major, minor, patch);
    add(items, &n, "libyaml", text);
    add(items, &n, "libsodium", sodium_version_string());
    unsigned xxhash = XXH_versionNumber();
    snprintf(text, sizeof text, "%u.%u.%u", xxhash / 10000, xxhash / 100 % 100, xxhash % 100);
    add(items, &n, "xxhash", text);
    add(items, &n, "zlib", zlibVersion());
    add_processor(items, &n);
    return n;
}
