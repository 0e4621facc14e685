/* A manifest from a file that is not trusted: nothing is followed or loaded out of the file, and
 * what could make the library read without bounds is refused before any data is read. */
#include <inttypes.h>
#include <string.h>

#include "output/manifest.h"
#include "strata/fault.h"
#include "strata/memory.h"

enum {
    OBJECTS_LIMIT = 65536,
    DEPTH_LIMIT = 8,
    NAME_BYTES = 256,
    PATH_BYTES = 2048,
    FILTERS_LIMIT = 8
};
static const int64_t attribute_limit = INT64_C(1) << 24; /* a long configuration, with room */
static const int64_t text_limit = 4096;                  /* bytes of one text element */
static const int64_t chunk_limit = INT64_C(1) << 29;     /* 131072 texts of 4096 bytes */
static const int64_t rows_limit = INT64_C(1) << 48;

typedef struct walk {
    strata_context *ctx;
    const char *file_path;
    manifest *m;
    bool
        lenient; /* one table of a foreign file: leave out what is not plain, instead of refusing */
    int depth;
    strata_status rc;
    char path[PATH_BYTES]; /* of the group in hand */
} walk;

static strata_status refuse(walk *w, const char *path, const char *why)
{
    return strata_context_fail(w->ctx, STRATA_ERR_VERIFY, __FILE__, __LINE__, "%s: %s %s",
                               w->file_path, path, why);
}

/* Kept by name, so that the user can be told. */
static strata_status leave_out(walk *w, const char *path, const char *why)
{
    manifest_entry *entry = NULL;
    strata_status rc = manifest_add(w->ctx, w->m, path, &entry);
    if (rc == STRATA_OK)
        entry->left_out = why;
    return rc;
}

/* ---- attributes ------------------------------------------------------------------------------ */

/* NULL when it is a scalar that strata reads, else why not. */
static const char *attribute_type(hid_t id, hid_t type, manifest_attribute *out)
{
    hid_t space = H5Aget_space(id);
    H5S_class_t shape = space >= 0 ? H5Sget_simple_extent_type(space) : H5S_NO_CLASS;
    size_t size = H5Tget_size(type);
    h5_release(&space);
    if (shape != H5S_SCALAR)
        return "has an attribute that is not a scalar";
    switch (H5Tget_class(type)) {
    case H5T_INTEGER:
        out->type = STRATA_I64;
        break;
    case H5T_FLOAT:
        out->type = STRATA_F64;
        break;
    case H5T_STRING:
        out->type = STRATA_TEXT;
        break;
    default:
        return "has an attribute of a foreign type";
    }
    if (H5Tis_variable_str(type) != 0)
        return "has an attribute of variable length";
    if (size < 1 || (int64_t)size > attribute_limit)
        return "has an attribute that is too large";
    out->width = (int32_t)size;
    hid_t plain = h5_type(out->type, out->width);
    htri_t equal = plain >= 0 ? H5Tequal(plain, type) : -1;
    h5_release(&plain);
    return equal > 0 ? NULL : "has an attribute of a foreign type";
}

static strata_status read_attribute(walk *w, hid_t object, manifest_entry *entry, hsize_t index)
{
    strata_status rc = STRATA_OK;
    char name[NAME_BYTES] = "", *value = NULL;
    hid_t type = -1, id = H5Aopen_by_idx(object, ".", H5_INDEX_NAME, H5_ITER_INC, index,
                                         H5P_DEFAULT, H5P_DEFAULT);
    manifest_attribute found = {.name = name};
    H5_READ(w->ctx, w->file_path, entry->path, id);
    ssize_t length = H5Aget_name(id, sizeof name, name);
    if (length <= 0 || length >= (ssize_t)sizeof name) {
        rc = refuse(w, entry->path, "has an attribute with a bad name");
        goto done;
    }
    H5_READ(w->ctx, w->file_path, entry->path, type = H5Aget_type(id));
    const char *why = attribute_type(id, type, &found);
    if (why) {
        rc = w->lenient ? STRATA_OK : refuse(w, entry->path, why);
        goto done;
    }
    STRATA_TRY(strata_calloc(w->ctx, (int64_t)found.width + 1, 1, &value));
    found.value = value;
    H5_READ(w->ctx, w->file_path, entry->path, H5Aread(id, type, value));
    STRATA_TRY(manifest_attribute_add(w->ctx, entry, &found));
done:
    h5_release(&type);
    h5_release(&id);
    strata_free(&value);
    return rc;
}

static strata_status read_attributes(walk *w, hid_t object, manifest_entry *entry)
{
    strata_status rc = STRATA_OK;
    int n = H5Aget_num_attrs(object);
    if (n < 0 || n > 4096) {
        rc = refuse(w, entry->path, "has unreadable or too many attributes");
        goto done;
    }
    for (int i = 0; i < n; i++)
        STRATA_TRY(read_attribute(w, object, entry, (hsize_t)i));
done:
    return rc;
}

/* ---- columns --------------------------------------------------------------------------------- */

static const char *column_type(hid_t type, bool lenient, manifest_entry *out)
{
    size_t size = H5Tget_size(type);
    H5T_class_t kind = H5Tget_class(type);
    if (H5Tcommitted(type) != 0)
        return "has a named type";
    if (kind == H5T_INTEGER && size <= 8)
        out->type = size == 2 ? STRATA_I16 : size == 4 ? STRATA_I32 : STRATA_I64;
    else if (kind == H5T_FLOAT && size <= 16)
        out->type = STRATA_F64;
    else if (kind == H5T_STRING && H5Tis_variable_str(type) == 0 && size > 0 &&
             (int64_t)size <= text_limit)
        out->type = STRATA_TEXT;
    else
        return "is not of a plain type (integer, float or short fixed-length text)";
    out->width = out->type == STRATA_TEXT ? (int32_t)size : (int32_t)h5_element_size(out->type, 0);
    if (lenient) {
        if (kind == H5T_INTEGER && H5Tget_sign(type) != H5T_SGN_2) {
            /* may not fit its own width; what does not fit any is rounded to a double */
            out->type = size == 8 ? STRATA_F64 : STRATA_I64;
            out->width = 8;
        }
        return NULL;
    }
    hid_t plain = h5_type(out->type, out->width);
    htri_t equal = plain >= 0 ? H5Tequal(plain, type) : -1;
    h5_release(&plain);
    return equal > 0 ? NULL : "is not of one of the types of a result";
}

static const char *column_filters(hid_t properties, bool lenient)
{
    int n = H5Pget_nfilters(properties);
    bool checked = false;
    if (n < 0 || n > FILTERS_LIMIT)
        return "has too many filters";
    for (int i = 0; i < n; i++) {
        unsigned flags = 0, values[8], config = 0;
        size_t n_values = 8;
        char name[64];
        H5Z_filter_t filter = H5Pget_filter2(properties, (unsigned)i, &flags, &n_values, values,
                                             sizeof name, name, &config);
        if (filter != H5Z_FILTER_SHUFFLE && filter != H5Z_FILTER_DEFLATE &&
            filter != H5Z_FILTER_FLETCHER32)
            return "has a filter other than shuffle, deflate and fletcher32";
        checked = checked || filter == H5Z_FILTER_FLETCHER32;
    }
    return checked || lenient ? NULL : "has no checksums";
}

static const char *column_storage(hid_t set, hid_t properties, bool lenient,
                                  const manifest_entry *entry, int64_t stored_size)
{
    hsize_t chunk = 0, n_chunks = 0;
    if (H5Pget_external_count(properties) != 0)
        return "keeps its data in another file";
    H5D_layout_t layout = H5Pget_layout(properties);
    if (layout == H5D_CHUNKED) {
        if (H5Pget_chunk(properties, 1, &chunk) != 1 || chunk < 1 ||
            chunk > (hsize_t)(chunk_limit / stored_size))
            return "has chunks of a bad size";
        hsize_t wanted = (hsize_t)entry->rows / chunk + ((hsize_t)entry->rows % chunk != 0);
        hid_t space = H5Dget_space(set);
        herr_t code = H5Dget_num_chunks(set, space, &n_chunks);
        h5_release(&space);
        if (code < 0 || n_chunks != wanted)
            return "has missing chunks";
        return column_filters(properties, lenient);
    }
    if (layout != H5D_CONTIGUOUS && layout != H5D_COMPACT)
        return "is virtual";
    if (!lenient && entry->rows > 0)
        return "has no checksums";
    if (H5Dget_storage_size(set) < (hsize_t)(entry->rows * stored_size))
        return "is stored in part only";
    return NULL;
}

static const char *column_shape(hid_t set, manifest_entry *entry)
{
    hsize_t rows = 0;
    hid_t space = H5Dget_space(set);
    bool plain = space >= 0 && H5Sget_simple_extent_type(space) == H5S_SIMPLE &&
                 H5Sget_simple_extent_ndims(space) == 1 &&
                 H5Sget_simple_extent_dims(space, &rows, NULL) == 1;
    h5_release(&space);
    if (!plain || rows > (hsize_t)rows_limit)
        return "is not one-dimensional";
    entry->rows = (int64_t)rows;
    return NULL;
}

/* NULL when the data set is safe to read; entry gets type, width and rows. */
static const char *examine_column(hid_t set, bool lenient, manifest_entry *entry)
{
    const char *why = "cannot be examined";
    hid_t type = H5Dget_type(set), properties = H5Dget_create_plist(set);
    if (type < 0 || properties < 0)
        goto done;
    entry->is_column = true;
    why = column_type(type, lenient, entry);
    if (!why)
        why = column_shape(set, entry);
    if (!why)
        why = column_storage(set, properties, lenient, entry, (int64_t)H5Tget_size(type));
done:
    h5_release(&properties);
    h5_release(&type);
    return why;
}

static strata_status read_column_entry(walk *w, hid_t group, const char *name, const char *path)
{
    strata_status rc = STRATA_OK;
    manifest_entry *entry = NULL;
    hid_t set = H5Dopen2(group, name, H5P_DEFAULT);
    H5_READ(w->ctx, w->file_path, path, set);
    manifest_entry examined = {0};
    const char *why = examine_column(set, w->lenient, &examined);
    if (why) {
        rc = w->lenient ? leave_out(w, path, why) : refuse(w, path, why);
        goto done;
    }
    STRATA_TRY(manifest_add(w->ctx, w->m, path, &entry));
    examined.path = entry->path;
    *entry = examined;
    STRATA_TRY(read_attributes(w, set, entry));
done:
    h5_release(&set);
    return rc;
}

/* ---- groups ---------------------------------------------------------------------------------- */

static strata_status read_group(walk *w, hid_t group);

static strata_status read_child(walk *w, hid_t group, const char *name, const H5L_info_t *link)
{
    strata_status rc = STRATA_OK;
    size_t length = strlen(w->path), room = sizeof w->path - length;
    H5O_info_t info;
    hid_t child = -1;
    if (strlen(name) >= NAME_BYTES || strlen(name) + 2 > room || w->m->n >= OBJECTS_LIMIT ||
        w->depth >= DEPTH_LIMIT) {
        rc = refuse(w, w->path, "holds too many, too deep or too long names");
        goto done;
    }
    snprintf(w->path + length, room, "%s%s", length > 1 ? "/" : "", name);
    if (link->type != H5L_TYPE_HARD) {
        const char *why = "is a soft or external link";
        rc = w->lenient ? leave_out(w, w->path, why) : refuse(w, w->path, why);
        goto done;
    }
    H5_READ(w->ctx, w->file_path, w->path,
            H5Oget_info_by_name2(group, name, &info, H5O_INFO_BASIC, H5P_DEFAULT));
    if (info.type == H5O_TYPE_DATASET && (info.rc == 1 || w->lenient))
        STRATA_TRY(read_column_entry(w, group, name, w->path));
    else if (info.type == H5O_TYPE_GROUP && info.rc == 1 && !w->lenient) {
        H5_READ(w->ctx, w->file_path, w->path, child = H5Gopen2(group, name, H5P_DEFAULT));
        STRATA_TRY(read_group(w, child));
    } else if (!w->lenient)
        rc = refuse(w, w->path, "is neither a group nor a data set with one name");
done:
    w->path[length] = '\0';
    h5_release(&child);
    return rc;
}

static herr_t visit_link(hid_t group, const char *name, const H5L_info_t *link, void *data)
{
    walk *w = data;
    w->rc = read_child(w, group, name, link);
    return w->rc == STRATA_OK ? 0 : -1;
}

static strata_status read_group(walk *w, hid_t group)
{
    strata_status rc = STRATA_OK;
    manifest_entry *entry = NULL;
    hsize_t at = 0;
    STRATA_TRY(manifest_add(w->ctx, w->m, w->path, &entry));
    STRATA_TRY(read_attributes(w, group, entry));
    w->depth++;
    herr_t code = H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, &at, visit_link, w);
    w->depth--;
    if (w->rc != STRATA_OK)
        rc = w->rc;
    else if (code < 0)
        rc = h5_damaged(w->ctx, w->file_path, w->path);
done:
    return rc;
}

/* "; there are: a, b" with what a group holds, as far as it fits; "" when it is empty. */
static const char *list_names(hid_t group, char *out, size_t size)
{
    H5G_info_t info = {0};
    char name[NAME_BYTES];
    size_t at = 0;
    out[0] = '\0';
    if (H5Gget_info(group, &info) < 0)
        return out;
    for (hsize_t i = 0; i < info.nlinks; i++) {
        ssize_t length = H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, name,
                                            sizeof name, H5P_DEFAULT);
        if (length <= 0 || length >= (ssize_t)sizeof name)
            continue;
        const bool fits = at + (size_t)length + 24 < size;
        at += (size_t)snprintf(out + at, size - at, "%s%s", at ? ", " : "; there are: ",
                               fits ? name : "...");
        if (!fits)
            break;
    }
    return out;
}

/* Opens a group by its path, one hard link after the other. */
static strata_status open_group(walk *w, hid_t file, hid_t *out)
{
    strata_status rc = STRATA_OK;
    char part[NAME_BYTES], there[200];
    const char *rest = w->path;
    hid_t group = H5Gopen2(file, "/", H5P_DEFAULT), next = -1;
    H5_READ(w->ctx, w->file_path, "/", group);
    while (*rest) {
        rest += strspn(rest, "/");
        size_t length = strcspn(rest, "/");
        H5L_info_t link;
        if (length == 0)
            break;
        if (length >= sizeof part)
            STRATA_FAIL(w->ctx, STRATA_ERR_INPUT, "%s: no table %s", w->file_path, w->path);
        memcpy(part, rest, length);
        part[length] = '\0';
        rest += length;
        if (H5Lexists(group, part, H5P_DEFAULT) <= 0)
            STRATA_FAIL(w->ctx, STRATA_ERR_INPUT, "%s: there is no table %s in it%s", w->file_path,
                        w->path, list_names(group, there, sizeof there));
        if (H5Lget_info(group, part, &link, H5P_DEFAULT) < 0 || link.type != H5L_TYPE_HARD)
            STRATA_FAIL(w->ctx, STRATA_ERR_VERIFY,
                        "%s: %s is a soft or external link; --table names the group itself",
                        w->file_path, w->path);
        next = H5Gopen2(group, part, H5P_DEFAULT);
        if (next < 0)
            STRATA_FAIL(w->ctx, STRATA_ERR_INPUT, "%s: %s is not a group of columns", w->file_path,
                        w->path);
        h5_release(&group);
        group = next;
    }
    *out = group;
    group = -1;
done:
    h5_release(&group);
    return rc;
}

strata_status manifest_read(strata_context *ctx, const char *file_path, hid_t file,
                            const char *table, manifest *m)
{
    strata_status rc = STRATA_OK;
    walk *w = NULL;
    hid_t group = -1;
    STRATA_TRY(strata_calloc(ctx, 1, sizeof *w, &w));
    w->ctx = ctx;
    w->file_path = file_path;
    w->m = m;
    w->lenient = table != NULL;
    if (table && (table[0] != '/' || strlen(table) >= sizeof w->path))
        STRATA_FAIL(ctx, STRATA_ERR_USAGE, "%s is not the path of a table, like /users", table);
    snprintf(w->path, sizeof w->path, "%s", table ? table : "/");
    STRATA_TRY(open_group(w, file, &group));
    STRATA_TRY(read_group(w, group));
    manifest_sort(m);
done:
    h5_release(&group);
    strata_free(&w);
    return rc;
}

strata_status manifest_read_root(strata_context *ctx, const char *file_path, hid_t file,
                                 manifest *m)
{
    strata_status rc = STRATA_OK;
    walk *w = NULL;
    manifest_entry *entry = NULL;
    hid_t group = -1;
    STRATA_TRY(strata_calloc(ctx, 1, sizeof *w, &w));
    w->ctx = ctx;
    w->file_path = file_path;
    w->lenient =
        true; /* a file of another kind is refused for what it is, not for its attributes */
    STRATA_TRY(open_group(w, file, &group));
    STRATA_TRY(manifest_add(ctx, m, "/", &entry));
    STRATA_TRY(read_attributes(w, group, entry));
done:
    h5_release(&group);
    strata_free(&w);
    return rc;
}

/* ---- data ------------------------------------------------------------------------------------ */

strata_status manifest_read_rows(strata_context *ctx, const char *file_path, hid_t file,
                                 const manifest_entry *column, hid_t memory_type, int64_t first,
                                 int64_t count, void *out)
{
    strata_status rc = STRATA_OK;
    hsize_t start = (hsize_t)first, n = (hsize_t)count;
    hid_t set = -1, space = -1, memory = -1;
    char what[PATH_BYTES + 64];
    if (count == 0)
        return STRATA_OK;
    snprintf(what, sizeof what, "%s, rows from %" PRId64 ",", column->path, first);
    H5_READ(ctx, file_path, what, set = H5Dopen2(file, column->path, H5P_DEFAULT));
    H5_READ(ctx, file_path, what, space = H5Dget_space(set));
    H5_READ(ctx, file_path, what, memory = H5Screate_simple(1, &n, NULL));
    H5_READ(ctx, file_path, what,
            H5Sselect_hyperslab(space, H5S_SELECT_SET, &start, NULL, &n, NULL));
    H5_READ(ctx, file_path, what, H5Dread(set, memory_type, memory, space, H5P_DEFAULT, out));
done:
    h5_release(&memory);
    h5_release(&space);
    h5_release(&set);
    return rc;
}

strata_status manifest_read_blocks(strata_context *ctx, const char *file_path, hid_t file,
                                   const manifest_entry *column, int64_t first, int64_t count,
                                   manifest_hash *hashes)
{
    strata_status rc = STRATA_OK;
    char *buffer = NULL;
    hid_t type = h5_memory_type(column->type, column->width);
    int64_t room = column->rows < STRATA_BLOCK_ROWS ? column->rows : STRATA_BLOCK_ROWS;
    H5_CHECK(ctx, STRATA_ERR_INTERNAL, file_path, column->path, type);
    STRATA_TRY(strata_alloc(ctx, room, column->width, &buffer));
    for (int64_t b = 0; b < count; b++) {
        int64_t row = (first + b) * STRATA_BLOCK_ROWS, left = column->rows - row;
        int64_t n = left < STRATA_BLOCK_ROWS ? left : STRATA_BLOCK_ROWS;
        STRATA_TRY(manifest_read_rows(ctx, file_path, file, column, type, row, n, buffer));
        if (strata_fault_strikes(ctx, "output.readback"))
            buffer[n * column->width / 2] ^= 1;
        hashes[b] = manifest_hash_of(buffer, n, column->width);
    }
done:
    strata_free(&buffer);
    h5_release(&type);
    return rc;
}
