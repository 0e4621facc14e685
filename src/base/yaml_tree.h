/* yaml_tree.h: a bounded tree of a YAML text with the place of every node. Private to the base room. */
#ifndef STRATA_BASE_YAML_TREE_H
#define STRATA_BASE_YAML_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "strata/context.h"

typedef enum yaml_kind { YAML_SCALAR, YAML_LIST, YAML_MAP } yaml_kind;

typedef struct yaml_node {
    yaml_kind kind;
    bool plain;                    /* a scalar without quotes: may be a number, a word or null */
    int32_t line, column;          /* from 1 */
    int32_t count;                 /* children; a map's keys and values alternate */
    struct yaml_node *child;       /* the first one */
    struct yaml_node *next;        /* the sibling */
    struct yaml_node *made_before; /* the chain that release walks */
    int64_t length;
    char text[]; /* of a scalar, [length + 1] */
} yaml_node;

typedef struct yaml_tree {
    yaml_node *root; /* NULL for an empty text */
    yaml_node *last; /* private */
} yaml_tree;

/* Not collective. Parses text [length]. Refused: anchors, aliases, tags, a second document, repeated
 * keys, keys that are not plain words, NUL characters, nesting deeper than 16, more than 100000 nodes or
 * 1000 keys of one mapping. Messages start with name, and with line and column when has_lines. STRATA_ERR_USAGE. */
strata_status yaml_tree_parse(strata_context *ctx, const char *text, int64_t length,
                              const char *name, bool has_lines, yaml_tree *tree) STRATA_MUST_USE;

/* Not collective. Safe on zeroed trees and twice. */
void yaml_tree_release(yaml_tree *tree);

/* Not collective. Plain null, ~ or nothing. */
bool yaml_is_null(const yaml_node *node);

#endif
