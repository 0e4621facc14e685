/* reader.h: private to the output room. */
#ifndef STRATA_OUTPUT_READER_H
#define STRATA_OUTPUT_READER_H

#include "output/manifest.h"
#include "output/writer.h"

typedef struct reader_table {
    char *path; /* owned */
    strata_table_view view;
    int64_t columns_capacity, left_out_capacity;
} reader_table;

struct strata_reader {
    char *path; /* owned */
    hid_t file;
    int64_t bytes;
    strata_status foreign; /* what it means when something expected is not there */
    manifest content;
    reader_table **tables; /* views handed out; owned */
    int32_t n_tables;
    int64_t tables_capacity;
};

#endif
