/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a workflow document that is YAML: libyaml's events become nodes. What could make a small
 * text large (aliases), or mean something to one reader only (tags, several documents), is
 * refused with its place.
 * Runs in: cloche-api, cloche.
 * Trusts: libyaml to stay within the text; the text itself not at all.
 */
#include <string.h>
#include <yaml.h>

#include "api/json/keys.h"
#include "api/workflow/document.h"
#include "sandbox/base/own.h"

struct level {
    struct cl_wnode *node;
    size_t mark; /* where its keys begin in `keys` */
};

struct reading {
    struct cl_wtree *tree;
    struct cl_err *err;
    struct level open[CL_DOCUMENT_DEPTH_MAX];
    size_t depth;
    bool has_key[CL_DOCUMENT_DEPTH_MAX];
    struct cl_wnode keys_of[CL_DOCUMENT_DEPTH_MAX]; /* the key that waits, per level */
    struct cl_jsonkeys keys;
    unsigned documents;
    bool is_over;
};

static struct cl_wplace place_of(const yaml_mark_t *mark)
{
    return (struct cl_wplace){ (unsigned)mark->line + 1, (unsigned)mark->column + 1 };
}

static int refuse(struct reading *reading, enum cl_err_kind kind, const yaml_mark_t *mark,
                  const char *what)
{
    const struct cl_wplace place = place_of(mark);

    return cl_fail(reading->err, kind, "line %u column %u: %s", place.line, place.column, what);
}

static int take_key(struct reading *reading, const yaml_event_t *event, const char *text,
                    size_t length)
{
    struct level *level = &reading->open[reading->depth - 1];
    struct cl_jsonkey key = { .raw = text, .length = (uint32_t)length };
    const struct cl_wplace place = place_of(&event->start_mark);
    const int twice = cl_jsonkeys_put(&reading->keys, level->mark, key, reading->err);

    if (twice < 0)
        return -1;
    if (twice > 0)
        return cl_fail(reading->err, CL_E_INPUT, "line %u column %u: duplicate key '%.64s'",
                       place.line, place.column, text);
    reading->keys_of[reading->depth - 1] =
        (struct cl_wnode){ .text = text, .length = length, .place = place };
    reading->has_key[reading->depth - 1] = true;
    return 0;
}

static bool is_key_next(const struct reading *reading)
{
    return reading->depth > 0 && reading->open[reading->depth - 1].node->kind == CL_W_MAP &&
           !reading->has_key[reading->depth - 1];
}

static void attach(struct reading *reading, struct cl_wnode *node)
{
    if (reading->depth == 0) {
        reading->tree->root = node;
        return;
    }

    const size_t top = reading->depth - 1;
    if (reading->has_key[top]) {
        node->key = reading->keys_of[top].text;
        node->key_length = reading->keys_of[top].length;
        node->key_place = reading->keys_of[top].place;
        reading->has_key[top] = false;
    }
    cl_wnode_append(reading->open[top].node, node);
}

static int check_count(struct reading *reading, const yaml_event_t *event)
{
    return reading->tree->nodes < CL_DOCUMENT_NODES_MAX
               ? 0
               : refuse(reading, CL_E_LIMIT, &event->start_mark, "more values than fit");
}

static int on_scalar(struct reading *reading, const yaml_event_t *event)
{
    const size_t length = event->data.scalar.length;
    const char *text;

    if (event->data.scalar.anchor)
        return refuse(reading, CL_E_INPUT, &event->start_mark, "anchors are not taken");
    if (event->data.scalar.tag)
        return refuse(reading, CL_E_INPUT, &event->start_mark, "tags are not taken");
    if (check_count(reading, event) < 0)
        return -1;
    text = cl_wtree_copy(reading->tree, (const char *)event->data.scalar.value, length);
    if (is_key_next(reading))
        return take_key(reading, event, text, length);

    struct cl_wnode *node =
        cl_wnode_new(reading->tree, CL_W_STRING, place_of(&event->start_mark));
    node->text = text;
    node->length = length;
    if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
        cl_document_scalar(reading->tree, text, length, node) < 0)
        return refuse(reading, CL_E_INPUT, &event->start_mark,
                      "JSON has no infinities and no NaN; put quotes around a text");
    attach(reading, node);
    return 0;
}

static int on_open(struct reading *reading, const yaml_event_t *event)
{
    const bool is_map = event->type == YAML_MAPPING_START_EVENT;
    const yaml_char_t *anchor =
        is_map ? event->data.mapping_start.anchor : event->data.sequence_start.anchor;
    const yaml_char_t *tag =
        is_map ? event->data.mapping_start.tag : event->data.sequence_start.tag;

    if (anchor)
        return refuse(reading, CL_E_INPUT, &event->start_mark, "anchors are not taken");
    if (tag)
        return refuse(reading, CL_E_INPUT, &event->start_mark, "tags are not taken");
    if (is_key_next(reading))
        return refuse(reading, CL_E_INPUT, &event->start_mark, "a key must be a word");
    if (reading->depth == CL_DOCUMENT_DEPTH_MAX)
        return refuse(reading, CL_E_LIMIT, &event->start_mark, "nested too deeply");
    if (check_count(reading, event) < 0)
        return -1;

    struct cl_wnode *node = cl_wnode_new(reading->tree, is_map ? CL_W_MAP : CL_W_LIST,
                                         place_of(&event->start_mark));
    attach(reading, node);
    reading->has_key[reading->depth] = false;
    reading->open[reading->depth++] = (struct level){ node, reading->keys.count };
    return 0;
}

static int on_close(struct reading *reading, const yaml_event_t *event)
{
    (void)event;
    cl_jsonkeys_drop(&reading->keys, reading->open[--reading->depth].mark);
    return 0;
}

static int on_document(struct reading *reading, const yaml_event_t *event)
{
    if (event->data.document_start.tag_directives.start !=
        event->data.document_start.tag_directives.end)
        return refuse(reading, CL_E_INPUT, &event->start_mark, "tags are not taken");
    if (++reading->documents > 1)
        return refuse(reading, CL_E_INPUT, &event->start_mark,
                      "a second document; one workflow a text");
    return 0;
}

static int on_alias(struct reading *reading, const yaml_event_t *event)
{
    return refuse(reading, CL_E_INPUT, &event->start_mark, "aliases are not taken");
}

static int on_end(struct reading *reading, const yaml_event_t *event)
{
    (void)event;
    reading->is_over = true;
    return 0;
}

static int (*const on_event[])(struct reading *, const yaml_event_t *) = {
    [YAML_STREAM_END_EVENT] = on_end,      [YAML_DOCUMENT_START_EVENT] = on_document,
    [YAML_ALIAS_EVENT] = on_alias,         [YAML_SCALAR_EVENT] = on_scalar,
    [YAML_SEQUENCE_START_EVENT] = on_open, [YAML_SEQUENCE_END_EVENT] = on_close,
    [YAML_MAPPING_START_EVENT] = on_open,  [YAML_MAPPING_END_EVENT] = on_close,
};

static int one_event(struct reading *reading, yaml_parser_t *yaml)
{
    yaml_event_t event;
    int done = 0;

    if (!yaml_parser_parse(yaml, &event))
        return cl_fail(reading->err, CL_E_INPUT, "line %zu column %zu: not YAML: %s",
                       yaml->problem_mark.line + 1, yaml->problem_mark.column + 1,
                       yaml->problem ? yaml->problem : "cannot be read");
    if ((size_t)event.type < CL_COUNT(on_event) && on_event[event.type])
        done = on_event[event.type](reading, &event);
    yaml_event_delete(&event);
    return done;
}

/* Before libyaml sees anything: it has its own ideas of encodings and of NUL. */
static int check_bytes(const char *text, size_t length, struct cl_err *err)
{
    if (length > CL_DOCUMENT_YAML_MAX)
        return cl_fail(err, CL_E_LIMIT, "line 1 column 1: %zu bytes of YAML, at most %d fit",
                       length, CL_DOCUMENT_YAML_MAX);
    const char *nul = memchr(text, '\0', length);
    unsigned line = 1;
    for (const char *at = text; nul && at < nul; at++)
        line += *at == '\n';
    if (nul)
        return cl_fail(err, CL_E_INPUT, "line %u column 1: a NUL byte", line);
    return 0;
}

int cl_document_parse_yaml(struct cl_wtree *tree, const char *text, size_t length,
                           struct cl_err *err)
{
    struct reading reading = { .tree = tree, .err = err };
    yaml_parser_t yaml;
    int done = 0;

    if (check_bytes(text, length, err) < 0)
        return -1;
    cl_jsonkeys_init(&reading.keys);
    CL_CHECK(yaml_parser_initialize(&yaml));
    yaml_parser_set_encoding(&yaml, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&yaml, (const unsigned char *)text, length);
    while (done == 0 && !reading.is_over)
        done = one_event(&reading, &yaml);
    yaml_parser_delete(&yaml);
    cl_jsonkeys_fini(&reading.keys);
    if (done == 0 && !tree->root)
        done = cl_fail(err, CL_E_INPUT, "line 1 column 1: an empty text is no workflow");
    if (done < 0)
        cl_wtree_fini(tree);
    return done;
}
