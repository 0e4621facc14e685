#include "output/h5.h"

#include <string.h>

#include "strata/output.h"

void strata_output_prepare(void)
{
    h5_begin();
    H5open();
}

void h5_begin(void)
{
    H5dont_atexit(); /* fails harmlessly after the first time */
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    H5PLset_loading_state(0);
}

typedef struct reason {
    char text[400];
} reason;

static herr_t take_innermost(unsigned n, const H5E_error2_t *error, void *data)
{
    reason *why = data;
    if (n == 0 && error->desc)
        snprintf(why->text, sizeof why->text, "%s", error->desc);
    return 0;
}

/* The POSIX driver words its errors "... errno = 28, error message = 'No space left on device'
 * ...". */
static bool is_full(const char *text)
{
    static const char *const full[] = {"errno = 28,", "errno = 27,", "errno = 122,"};
    for (size_t i = 0; i < sizeof full / sizeof *full; i++)
        if (strstr(text, full[i]))
            return true;
    return false;
}

static strata_status fail(strata_context *ctx, strata_status fallback, const char *path,
                          const char *what, const char *advice)
{
    reason why = {"no reason given"};
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take_innermost, &why);
    strata_status status = is_full(why.text) ? STRATA_ERR_SPACE : fallback;
    const char *message = strstr(why.text, "error message = '");
    if (message) { /* the words of the system without the driver's addresses and buffer sizes */
        char *from = why.text, *quote = NULL;
        message += strlen("error message = '");
        memmove(from, message, strlen(message) + 1);
        quote = strchr(from, '\'');
        if (quote)
            *quote = '\0';
    }
    return strata_context_fail(ctx, status, __FILE__, __LINE__, "%s: %s: %s%s", path, what,
                               why.text, advice);
}

strata_status h5_fail(strata_context *ctx, strata_status fallback, const char *path,
                      const char *what)
{
    return fail(ctx, fallback, path, what, "");
}

strata_status h5_damaged(strata_context *ctx, const char *path, const char *what)
{
    enum { ROOM = 2200 }; /* the longest path of an object, with what is said of it */
    char text[ROOM];
    snprintf(text, sizeof text, "%s%scannot be read", what, *what ? " " : "");
    return fail(ctx, STRATA_ERR_VERIFY, path, text, "; copy the file again or make it anew");
}

void h5_release(hid_t *id)
{
    if (*id >= 0)
        H5Idec_ref(*id);
    *id = -1;
}

hid_t h5_access(MPI_Comm comm)
{
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    if (access < 0)
        return access;
    /* The 1.8 format carries checksums in its metadata and is read by every tool in use. */
    herr_t code = H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18);
    if (code >= 0 && comm != MPI_COMM_NULL)
        code = H5Pset_fapl_mpio(access, comm, MPI_INFO_NULL);
    else if (code >=
             0) /* file systems without locks are fine: the name is private until published */
        code = H5Pset_file_locking(access, 1, 1);
    if (code >= 0)
        code = H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
    if (code < 0)
        h5_release(&access);
    return access;
}

static hid_t text_type(int32_t width)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    if (type >= 0 &&
        (H5Tset_size(type, (size_t)width) < 0 || H5Tset_strpad(type, H5T_STR_NULLPAD) < 0 ||
         H5Tset_cset(type, H5T_CSET_UTF8) < 0))
        h5_release(&type);
    return type;
}

hid_t h5_type(strata_type type, int32_t width)
{
    switch (type) {
    case STRATA_I16:
        return H5Tcopy(H5T_STD_I16LE);
    case STRATA_I32:
        return H5Tcopy(H5T_STD_I32LE);
    case STRATA_I64:
        return H5Tcopy(H5T_STD_I64LE);
    case STRATA_F64:
        return H5Tcopy(H5T_IEEE_F64LE);
    case STRATA_TEXT:
        return text_type(width);
    }
    return -1;
}

hid_t h5_memory_type(strata_type type, int32_t width)
{
    switch (type) {
    case STRATA_I16:
        return H5Tcopy(H5T_NATIVE_INT16);
    case STRATA_I32:
        return H5Tcopy(H5T_NATIVE_INT32);
    case STRATA_I64:
        return H5Tcopy(H5T_NATIVE_INT64);
    case STRATA_F64:
        return H5Tcopy(H5T_NATIVE_DOUBLE);
    case STRATA_TEXT:
        return text_type(width);
    }
    return -1;
}

int64_t h5_element_size(strata_type type, int32_t width)
{
    switch (type) {
    case STRATA_I16:
        return 2;
    case STRATA_I32:
        return 4;
    case STRATA_I64:
    case STRATA_F64:
        return 8;
    case STRATA_TEXT:
        return width;
    }
    return 0;
}
