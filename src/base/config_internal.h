/* config_internal.h: the key table that everything about the configuration walks. Private to
 * src/base/config*.c. */
#ifndef STRATA_BASE_CONFIG_INTERNAL_H
#define STRATA_BASE_CONFIG_INTERNAL_H

#include <stddef.h>

#include "strata/config.h"
#include "strata/text.h"

#include "yaml_tree.h"

typedef enum config_kind {
    CONFIG_CONSTANT, /* only one word is possible; nothing is stored */
    CONFIG_WORD,     /* one of words -> an enum with the values 0, 1, ... */
    CONFIG_NAME,     /* one of words -> char * */
    CONFIG_TEXT,     /* char *; NULL with CONFIG_NULLABLE */
    CONFIG_TEXTS,    /* list -> char ** and a count */
    CONFIG_INT32,    /* words, if any, stand for low - 1 */
    CONFIG_INT64,
    CONFIG_UINT64,
    CONFIG_DOUBLE,
    CONFIG_DOUBLES,   /* list of exactly high numbers */
    CONFIG_DAY,       /* YYYY-MM-DD -> int32_t; STRATA_NO_DAY for null */
    CONFIG_DELIMITER, /* char */
    CONFIG_SEGMENTS
} config_kind;

enum {
    CONFIG_NULLABLE = 1,
    CONFIG_OPEN_LOW = 2,  /* low itself is not allowed */
    CONFIG_OPEN_HIGH = 4, /* high itself is not allowed */
    CONFIG_UNIQUE = 8     /* a list without repetitions */
};

typedef struct config_key {
    const char *path;
    config_kind kind;
    unsigned flags;
    size_t offset;       /* of the value in strata_config */
    size_t count_offset; /* of a list's count */
    const char *initial; /* the default, as YAML */
    double low, high;    /* range of a number, or of a list's length */
    const char *words;   /* "net|drop|reject" */
    const char *help;
} config_key;

/* Where a value stands, for messages and origins. */
typedef struct config_source {
    strata_context *ctx;
    const char *name; /* file, variable, flag; NULL = --set */
    strata_origin origin;
} config_source;

extern const config_key config_table[];
extern const int32_t config_table_count;

/* The index of path in the table, or -1. */
int32_t config_find(const char *path);

/* The reserved STRATA_ variables; ends with NULL. */
extern const char *const config_reserved[];

/* STRATA_CLUSTER_K of cluster.k; truncates silently to 64 bytes (a test checks that none is longer). */
char *config_variable(const char *path, char buffer[64]);

/* Copies word i of "a|b|c" into buffer; false beyond the last one. */
bool config_word(const char *words, int32_t i, char buffer[32]);

/* Records a failure at node: "file:line:column: path: text" or "flag: text". */
strata_status config_fail(const config_source *source, const yaml_node *node, const char *path,
                          const char *format, ...) STRATA_PRINTF(4, 5);

/* Reads node into the value of table entry index. The old value stays on failure. */
strata_status config_read(const config_source *source, strata_config *config, int32_t index,
                          const yaml_node *node) STRATA_MUST_USE;
strata_status config_read_segments(const config_source *source, const config_key *key,
                                   const yaml_node *node, strata_segment_rule **rules,
                                   int32_t *n_rules) STRATA_MUST_USE;

/* Walks a whole document. */
strata_status config_read_tree(const config_source *source, strata_config *config,
                               const yaml_node *root) STRATA_MUST_USE;

/* What stands at node, shortened, for messages: a text in quotes, "a list", "null". */
const char *config_found(const yaml_node *node, char buffer[64]);
/* What the key wants, for messages: "a whole number from 1 to 256 or auto". */
const char *config_expected(const config_key *key, char buffer[256]);

/* A number of one segment bound and alike; any finite double. */
bool config_number(const yaml_node *node, double *out);

void config_release_texts(char ***texts, int32_t *n);
void config_release_segments(strata_segment_rule **rules, int32_t *n_rules);

/* Adds text as a double-quoted YAML scalar. Bytes that are no UTF-8 are copied, for the parser to
 * refuse. */
strata_status config_quote(strata_context *ctx, strata_text *out, const char *text) STRATA_MUST_USE;

/* The value of a key as YAML, in one line except for segments. */
strata_status config_write_value(strata_context *ctx, const strata_config *config, int32_t index,
                                 strata_text *out) STRATA_MUST_USE;

static inline void *config_member(const strata_config *config, size_t offset)
{
    return (char *)(uintptr_t)config + offset;
}

#endif
