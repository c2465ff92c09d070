/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns libyaml's events into nodes with places, and refuses every part of YAML that a policy
 * does not need.
 * Runs in: cloche-policyc.
 * Trusts: libyaml to stay within the text; the text itself not at all.
 */
#include "policies/load.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "policies/loadform.h"
#include "policies/place.h"
#include "policies/text.h"
#include "sandbox/base/err.h"
#include "sandbox/base/own.h"

/* What is read, and how much of it. */
struct text {
    const char *bytes;
    size_t length;
};

struct parse {
    const struct form *form;
    struct cl_doc *doc;
    struct cl_report *report;
    struct cl_node *open[CL_LOAD_DEPTH_MAX]; /* collections that are not closed yet */
    struct cl_node *key[CL_LOAD_DEPTH_MAX];  /* the key that waits for its value, per level */
    size_t depth;
    unsigned documents;
    bool is_over;
};

static char *copy(const char *text, size_t length)
{
    char *made = malloc(length + 1);

    CL_CHECK(made);
    memcpy(made, text, length);
    made[length] = '\0';
    return made;
}

static struct cl_place place_of(const struct cl_doc *doc, const yaml_mark_t *start,
                                const yaml_mark_t *end)
{
    struct cl_place place = { doc, (unsigned)start->line + 1, (unsigned)start->column + 1, 1 };

    if (start->line == end->line && end->column > start->column)
        place.width = (unsigned)(end->column - start->column);
    return place;
}

static int take_key(struct parse *parse, struct cl_node *map, struct cl_node *node)
{
    if (node->kind != CL_NODE_SCALAR)
        return cl_report_add(parse->report, node->place, "a key must be a word");

    /* Refused, but read on: the admin wants to know all that is wrong. */
    const struct cl_node *before = cl_node_find(map, node->text);
    if (before) {
        parse->doc->is_refused = true;
        cl_report_add(parse->report, node->place, "duplicate key '%s', first on line %u",
                      node->text, before->key->place.line);
    }
    parse->key[parse->depth - 1] = node;
    return 0;
}

static int attach(struct parse *parse, struct cl_node *node)
{
    if (parse->depth == 0) {
        if (node->kind != CL_NODE_MAP)
            return cl_report_add(parse->report, node->place, "%s", parse->form->root);
        parse->doc->root = node;
        return 0;
    }

    struct cl_node *parent = parse->open[parse->depth - 1];
    struct cl_node **key = &parse->key[parse->depth - 1];
    size_t most = parent->kind == CL_NODE_MAP ? parse->form->keys_max : CL_LOAD_ITEMS_MAX;
    if (parent->count == most)
        return cl_report_add(parse->report, node->place, "more than %zu entries", most);
    if (parent->kind == CL_NODE_MAP && !*key)
        return take_key(parse, parent, node);
    node->key = cl_take_ptr(key);
    cl_node_append(parent, node);
    return 0;
}

/* True when the next scalar is a value, not a key. */
static bool expects_value(const struct parse *parse)
{
    if (parse->depth == 0)
        return true;
    return parse->open[parse->depth - 1]->kind == CL_NODE_LIST || parse->key[parse->depth - 1];
}

/* One item of a signed list: letters, digits and the like. Leaves `at` behind it. */
static int signed_item(struct parse *parse, struct cl_node *list, const char **at,
                       struct cl_place *place)
{
    size_t length = strspn(*at, CL_TEXT_WORD);
    struct cl_place here = *place;

    if (length == 0)
        return cl_report_add(parse->report, here, "expected a name in the %c[...] list",
                             list->sign);
    if (list->count == CL_LOAD_ITEMS_MAX)
        return cl_report_add(parse->report, here, "more than %d entries", CL_LOAD_ITEMS_MAX);
    here.width = (unsigned)length;

    struct cl_node *item = cl_node_new(parse->doc, CL_NODE_SCALAR, here);
    item->is_plain = true;
    item->text = copy(*at, length);
    cl_node_append(list, item);
    for (size_t i = 0; i < length; i++)
        cl_place_next(at, place);
    return 0;
}

static void skip_blank(const char **at, struct cl_place *place)
{
    while (**at != '\0' && strchr(" \t\r\n", **at))
        cl_place_next(at, place);
}

/* `+[a, b]` is read from the source, not from the folded scalar, so that places stay exact. The
 * source ends with a NUL, which is no word, comma or bracket. */
static int signed_items(struct parse *parse, struct cl_node *list, const char *at)
{
    struct cl_place place = list->place;

    cl_place_next(&at, &place);
    cl_place_next(&at, &place);
    skip_blank(&at, &place);
    while (*at != ']') {
        if (signed_item(parse, list, &at, &place) < 0)
            return -1;
        skip_blank(&at, &place);
        if (*at != ',' && *at != ']') {
            place.width = 1;
            return cl_report_add(parse->report, place,
                                 "expected ',' or ']' in the %c[...] list", list->sign);
        }
        if (*at == ',')
            cl_place_next(&at, &place);
        skip_blank(&at, &place);
    }
    return 0;
}

static struct cl_node *signed_list(struct parse *parse, const yaml_event_t *event)
{
    struct cl_place place = place_of(parse->doc, &event->start_mark, &event->end_mark);
    struct cl_node *list = cl_node_new(parse->doc, CL_NODE_LIST, place);
    const char *text = (const char *)event->data.scalar.value;
    const char *at = cl_place_source(&place);

    CL_CHECK(at);
    list->sign = text[0];
    if (signed_items(parse, list, at) < 0)
        return NULL;
    if (strchr(text, ']') != text + event->data.scalar.length - 1) {
        cl_report_add(parse->report, place, "unexpected text after the %c[...] list", text[0]);
        return NULL;
    }
    return list;
}

static int refuse_extras(struct parse *parse, const yaml_event_t *event,
                         const yaml_char_t *anchor, const yaml_char_t *tag)
{
    struct cl_place place = place_of(parse->doc, &event->start_mark, &event->end_mark);

    if (anchor)
        return cl_report_add(parse->report, place, "anchors are not allowed in %s",
                             parse->form->noun);
    if (tag)
        return cl_report_add(parse->report, place, "tags are not allowed in %s",
                             parse->form->noun);
    return 0;
}

static int on_scalar(struct parse *parse, const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    size_t length = event->data.scalar.length;
    bool is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    struct cl_place place = place_of(parse->doc, &event->start_mark, &event->end_mark);

    if (refuse_extras(parse, event, event->data.scalar.anchor, event->data.scalar.tag) < 0)
        return -1;
    if (is_plain && expects_value(parse) && length > 1 && strchr("+-", text[0]) &&
        text[1] == '[') {
        struct cl_node *list = signed_list(parse, event);
        return list ? attach(parse, list) : -1;
    }
    if (length > CL_LOAD_TEXT_MAX)
        return cl_report_add(parse->report, place,
                             "a text of %zu bytes, at most %d are allowed", length,
                             CL_LOAD_TEXT_MAX);
    if (cl_text_check(text, length) != length)
        return cl_report_add(parse->report, place, "a text with control characters");

    struct cl_node *node = cl_node_new(parse->doc, CL_NODE_SCALAR, place);
    node->is_plain = is_plain;
    node->end = place_of(parse->doc, &event->end_mark, &event->end_mark);
    node->text = copy(text, length);
    return attach(parse, node);
}

static int on_open(struct parse *parse, const yaml_event_t *event)
{
    bool is_map = event->type == YAML_MAPPING_START_EVENT;
    struct cl_place place = place_of(parse->doc, &event->start_mark, &event->start_mark);
    const yaml_char_t *anchor =
        is_map ? event->data.mapping_start.anchor : event->data.sequence_start.anchor;
    const yaml_char_t *tag =
        is_map ? event->data.mapping_start.tag : event->data.sequence_start.tag;

    if (refuse_extras(parse, event, anchor, tag) < 0)
        return -1;
    if (parse->depth == CL_LOAD_DEPTH_MAX)
        return cl_report_add(parse->report, place, "nested deeper than %d levels",
                             CL_LOAD_DEPTH_MAX);

    struct cl_node *node = cl_node_new(parse->doc, is_map ? CL_NODE_MAP : CL_NODE_LIST, place);
    node->is_flow = is_map ? event->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE
                           : event->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE;
    if (attach(parse, node) < 0)
        return -1;
    parse->key[parse->depth] = NULL;
    parse->open[parse->depth++] = node;
    return 0;
}

static int on_close(struct parse *parse, const yaml_event_t *event)
{
    parse->open[--parse->depth]->end = place_of(parse->doc, &event->end_mark, &event->end_mark);
    return 0;
}

static int on_document(struct parse *parse, const yaml_event_t *event)
{
    struct cl_place place = place_of(parse->doc, &event->start_mark, &event->end_mark);

    if (event->data.document_start.version_directive ||
        event->data.document_start.tag_directives.start !=
            event->data.document_start.tag_directives.end)
        return cl_report_add(parse->report, place, "%%directives are not allowed in %s",
                             parse->form->noun);
    if (++parse->documents > 1)
        return cl_report_add(parse->report, place, "a second document; one to a file");
    return 0;
}

static int on_alias(struct parse *parse, const yaml_event_t *event)
{
    return cl_report_add(parse->report,
                         place_of(parse->doc, &event->start_mark, &event->end_mark),
                         "aliases are not allowed in %s", parse->form->noun);
}

static int on_end(struct parse *parse, const yaml_event_t *event)
{
    (void)event;
    parse->is_over = true;
    return 0;
}

static int (*const on_event[])(struct parse *, const yaml_event_t *) = {
    [YAML_STREAM_END_EVENT] = on_end,      [YAML_DOCUMENT_START_EVENT] = on_document,
    [YAML_ALIAS_EVENT] = on_alias,         [YAML_SCALAR_EVENT] = on_scalar,
    [YAML_SEQUENCE_START_EVENT] = on_open, [YAML_SEQUENCE_END_EVENT] = on_close,
    [YAML_MAPPING_START_EVENT] = on_open,  [YAML_MAPPING_END_EVENT] = on_close,
};

static int refuse_syntax(struct parse *parse, const yaml_parser_t *yaml)
{
    struct cl_place place = { parse->doc, (unsigned)yaml->problem_mark.line + 1,
                              (unsigned)yaml->problem_mark.column + 1, 1 };

    /* In a flow collection `+[` is no plain text: YAML sees a word and then a list. */
    const char *at = cl_place_source(&place);
    bool is_signed = at && *at == '[' && at > parse->doc->text && strchr("+-", at[-1]);
    return cl_report_add(parse->report, place, "not %s: %s%s%s%s", parse->form->language,
                         yaml->context ? yaml->context : "", yaml->context ? ", " : "",
                         yaml->problem ? yaml->problem : "cannot be read",
                         is_signed ? "; within {..} write {add: [..], remove: [..]}" : "");
}

static int one_event(struct parse *parse, yaml_parser_t *yaml)
{
    yaml_event_t event;
    int done = 0;

    if (!yaml_parser_parse(yaml, &event))
        return refuse_syntax(parse, yaml);
    if ((size_t)event.type < CL_COUNT(on_event) && on_event[event.type])
        done = on_event[event.type](parse, &event);
    yaml_event_delete(&event);
    return done;
}

static int run(struct parse *parse)
{
    yaml_parser_t yaml;
    int done = 0;

    CL_CHECK(yaml_parser_initialize(&yaml));
    yaml_parser_set_encoding(&yaml, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&yaml, (const unsigned char *)parse->doc->text,
                                 parse->doc->length);
    while (done == 0 && !parse->is_over)
        done = one_event(parse, &yaml);
    yaml_parser_delete(&yaml);

    struct cl_place whole = { parse->doc, 0, 0, 0 };
    if (done == 0 && !parse->doc->root)
        return cl_report_add(parse->report, whole, "an empty file is not %s",
                             parse->form->noun);
    return done;
}

/* Before libyaml sees anything: what is left has one idea of a line, \n. */
static int check_bytes(const struct form *form, struct cl_doc *doc, struct cl_report *report)
{
    struct cl_place place = { doc, 0, 0, 0 };

    if (doc->length > form->bytes_max) {
        doc->is_unreadable = true;
        return cl_report_add(report, place, "longer than the %zu bytes that %s may have",
                             form->bytes_max, form->noun);
    }

    size_t good = cl_text_check(doc->text, doc->length);
    if (good == doc->length)
        return 0;
    doc->is_unreadable = true;
    place.line = place.column = 1;
    for (const char *at = doc->text; at < doc->text + good;)
        cl_place_next(&at, &place);
    return cl_report_add(report, place, "byte 0x%02x: not UTF-8, or a control character",
                         (unsigned char)doc->text[good]);
}

static struct cl_doc *parse_as(const struct form *form, const char *name, const char *path,
                               struct text text, struct cl_report *report)
{
    struct cl_doc *doc = calloc(1, sizeof(*doc));
    size_t kept = text.length > form->bytes_max ? 0 : text.length;

    CL_CHECK(doc);
    snprintf(doc->name, sizeof(doc->name), "%s", name);
    doc->path = copy(path, strlen(path));
    doc->text = copy(text.bytes, kept);
    doc->length = text.length;

    struct parse parse = { .form = form, .doc = doc, .report = report };
    if (check_bytes(form, doc, report) < 0 || run(&parse) < 0)
        doc->root = NULL;
    doc->length = kept;
    return doc;
}

struct cl_doc *cl_load_parse(const char *name, const char *path, const char *text,
                             size_t length, struct cl_report *report)
{
    return parse_as(*name ? &policy_form : &json_form, name, path,
                    (struct text){ text, length }, report);
}

struct cl_doc *cl_load_tenants(const char *path, const char *text, size_t length,
                               struct cl_report *report)
{
    return parse_as(&tenants_form, "tenants", path, (struct text){ text, length }, report);
}

struct cl_doc *cl_load_settings(const char *path, const char *text, size_t length,
                                struct cl_report *report)
{
    return parse_as(&settings_form, "cloche", path, (struct text){ text, length }, report);
}
