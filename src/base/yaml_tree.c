#include "yaml_tree.h"

#include <string.h>
#include <yaml.h>

#include "strata/memory.h"

enum { MAX_DEPTH = 16, MAX_NODES = 100000, MAX_KEYS = 1000 };

typedef struct reader {
    strata_context *ctx;
    yaml_parser_t parser;
    const char *name, *text;
    int64_t length;
    bool has_lines;
    int32_t nodes;
    yaml_tree *tree;
} reader;

static strata_status fail_at(reader *r, int64_t line, int64_t column, const char *what)
{
    if (r->has_lines)
        return strata_context_fail(r->ctx, STRATA_ERR_USAGE, __FILE__, __LINE__, "%s:%lld:%lld: %s",
                                   r->name, (long long)line, (long long)column, what);
    return strata_context_fail(r->ctx, STRATA_ERR_USAGE, __FILE__, __LINE__, "%s: %s", r->name,
                               what);
}

/* libyaml's own complaint. The reader (encoding) knows an offset only, scanner and parser a mark. */
static strata_status fail_parser(reader *r)
{
    yaml_parser_t *p = &r->parser;
    char what[256];
    int64_t line = (int64_t)p->problem_mark.line + 1, column = (int64_t)p->problem_mark.column + 1;
    if (p->error == YAML_MEMORY_ERROR)
        return strata_context_fail(r->ctx, STRATA_ERR_MEMORY, __FILE__, __LINE__,
                                   "%s: out of memory while reading YAML", r->name);
    if (p->error == YAML_READER_ERROR) {
        line = column = 1;
        for (int64_t i = 0; i < (int64_t)p->problem_offset && i < r->length; i++, column++)
            if (r->text[i] == '\n') {
                line++;
                column = 0;
            }
    }
    snprintf(what, sizeof what, "not valid YAML: %s%s%s",
             p->problem ? p->problem : "unknown problem", p->context ? ", " : "",
             p->context ? p->context : "");
    return fail_at(r, line, column, what);
}

static strata_status next_event(reader *r, yaml_event_t *event)
{
    if (!yaml_parser_parse(&r->parser, event))
        return fail_parser(r);
    return STRATA_OK;
}

static strata_status make_node(reader *r, yaml_kind kind, const yaml_event_t *event,
                               yaml_node **out)
{
    strata_status rc = STRATA_OK;
    const char *text = "";
    int64_t length = 0, line = (int64_t)event->start_mark.line + 1;
    int64_t column = (int64_t)event->start_mark.column + 1;
    yaml_node *node = NULL;
    if (kind == YAML_SCALAR) {
        text = (const char *)event->data.scalar.value;
        length = (int64_t)event->data.scalar.length;
    }
    if (++r->nodes > MAX_NODES)
        return fail_at(r, line, column, "too many values");
    if (memchr(text, 0, (size_t)length))
        return fail_at(r, line, column, "a text holds a NUL character");
    STRATA_TRY(strata_calloc(r->ctx, 1, (int64_t)sizeof *node + length + 1, &node));
    node->kind = kind;
    node->plain = kind == YAML_SCALAR && event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    node->line = (int32_t)line;
    node->column = (int32_t)column;
    node->length = length;
    memcpy(node->text, text, (size_t)length);
    node->made_before = r->tree->last;
    r->tree->last = node;
    *out = node;
done:
    return rc;
}

/* Anchors and tags change what a reader of the file believes to see; nothing here needs them. */
static const char *refused(const yaml_event_t *event)
{
    const yaml_char_t *anchor = NULL, *tag = NULL;
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return "aliases (*) are not supported; write the value out";
    case YAML_SCALAR_EVENT:
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
        break;
    default:
        break;
    }
    if (anchor)
        return "anchors (&) are not supported; write the value out where it is needed";
    if (tag)
        return "tags (!) are not supported";
    return NULL;
}

static strata_status check_key(reader *r, const yaml_node *map, const yaml_node *key)
{
    char what[160];
    if (key->kind != YAML_SCALAR || key->length == 0)
        return fail_at(r, key->line, key->column, "expected a word as key");
    if (map->count > 2 * MAX_KEYS)
        return fail_at(r, key->line, key->column, "too many keys in one mapping");
    for (const yaml_node *other = map->child; other && other != key;
         other = other->next ? other->next->next : NULL) {
        if (strcmp(other->text, key->text) == 0) {
            snprintf(what, sizeof what, "key \"%.60s\" given twice, first in line %d", key->text,
                     (int)other->line);
            return fail_at(r, key->line, key->column, what);
        }
    }
    return STRATA_OK;
}

/* Builds the node that starts with event, and its children. Depth is bounded, so is the recursion. */
static strata_status build(reader *r, yaml_event_t *event, int depth, yaml_node **out)
{
    strata_status rc = STRATA_OK;
    yaml_event_t inner = {0};
    int64_t line = (int64_t)event->start_mark.line + 1;
    int64_t column = (int64_t)event->start_mark.column + 1;
    const char *why = refused(event);
    if (why)
        return fail_at(r, line, column, why);
    if (depth > MAX_DEPTH)
        return fail_at(r, line, column, "nested too deeply");
    yaml_kind kind = event->type == YAML_SEQUENCE_START_EVENT  ? YAML_LIST
                     : event->type == YAML_MAPPING_START_EVENT ? YAML_MAP
                                                               : YAML_SCALAR;
    yaml_node *node = NULL;
    STRATA_TRY(make_node(r, kind, event, &node));
    for (yaml_node **tail = &node->child; kind != YAML_SCALAR; tail = &(*tail)->next) {
        yaml_event_delete(&inner);
        STRATA_TRY(next_event(r, &inner));
        if (inner.type == YAML_SEQUENCE_END_EVENT || inner.type == YAML_MAPPING_END_EVENT)
            break;
        STRATA_TRY(build(r, &inner, depth + 1, tail));
        if (kind == YAML_MAP && node->count % 2 == 0)
            STRATA_TRY(check_key(r, node, *tail));
        node->count++;
    }
    *out = node;
done:
    yaml_event_delete(&inner);
    return rc;
}

static strata_status read_stream(reader *r)
{
    strata_status rc = STRATA_OK;
    yaml_event_t event = {0};
    for (int documents = 0;;) {
        yaml_event_delete(&event);
        STRATA_TRY(next_event(r, &event));
        if (event.type == YAML_STREAM_END_EVENT)
            break;
        if (event.type == YAML_DOCUMENT_START_EVENT && ++documents > 1) {
            rc =
                fail_at(r, (int64_t)event.start_mark.line + 1, (int64_t)event.start_mark.column + 1,
                        "a second document (---) is not allowed");
            goto done;
        }
        if (event.type == YAML_STREAM_START_EVENT || event.type == YAML_DOCUMENT_START_EVENT ||
            event.type == YAML_DOCUMENT_END_EVENT)
            continue;
        STRATA_TRY(build(r, &event, 1, &r->tree->root));
    }
done:
    yaml_event_delete(&event);
    return rc;
}

strata_status yaml_tree_parse(strata_context *ctx, const char *text, int64_t length,
                              const char *name, bool has_lines, yaml_tree *tree)
{
    reader r = {.ctx = ctx, .name = name, .text = text, .length = length, .has_lines = has_lines};
    *tree = (yaml_tree){0};
    r.tree = tree;
    if (!yaml_parser_initialize(&r.parser))
        return strata_context_fail(ctx, STRATA_ERR_MEMORY, __FILE__, __LINE__,
                                   "%s: out of memory while reading YAML", name);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, (size_t)length);
    strata_status rc = read_stream(&r);
    yaml_parser_delete(&r.parser);
    if (rc != STRATA_OK)
        yaml_tree_release(tree);
    return rc;
}

void yaml_tree_release(yaml_tree *tree)
{
    for (yaml_node *node = tree->last; node;) {
        yaml_node *before = node->made_before;
        strata_free(&node);
        node = before;
    }
    *tree = (yaml_tree){0};
}

bool yaml_is_null(const yaml_node *node)
{
    return node->kind == YAML_SCALAR && node->plain &&
           (node->length == 0 || strcmp(node->text, "~") == 0 || strcmp(node->text, "null") == 0 ||
            strcmp(node->text, "Null") == 0 || strcmp(node->text, "NULL") == 0);
}
