/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a workflow document that is JSON: the one validator first, then one pass over its tokens.
 * Runs in: cloche-api, cloche.
 * Trusts: cl_json_check, whose verdict the pass relies on.
 */
#include "api/workflow/document.h"

#include <string.h>

#include "api/json/scan.h"
#include "api/json/text.h"
#include "sandbox/base/own.h"

struct pass {
    struct cl_wtree *tree;
    const char *text;
    const char *at, *end;
    const char *seen; /* up to here, `place` is counted */
    struct cl_wplace place;
    struct cl_wnode *open[CL_DOCUMENT_DEPTH_MAX];
    size_t depth;
    struct cl_wnode key; /* the key that waits for its value */
    bool has_key;
};

static struct cl_wplace place_here(struct pass *pass)
{
    for (; pass->seen < pass->at; pass->seen++) {
        if (*pass->seen == '\n') {
            pass->place.line++;
            pass->place.column = 1;
        } else if (((unsigned char)*pass->seen & 0xc0) != 0x80) {
            pass->place.column++;
        }
    }
    return pass->place;
}

static void attach(struct pass *pass, struct cl_wnode *node)
{
    if (pass->has_key) {
        node->key = pass->key.text;
        node->key_length = pass->key.length;
        node->key_place = pass->key.place;
        pass->has_key = false;
    }
    if (pass->depth == 0)
        pass->tree->root = node;
    else
        cl_wnode_append(pass->open[pass->depth - 1], node);
}

/* The string at the cursor, unescaped into the tree. */
static void read_string(struct pass *pass, struct cl_wnode *node)
{
    const char *from = ++pass->at;
    const char *close = from;

    while (*close != '"')
        close += *close == '\\' ? 2 : 1;

    char *made = cl_wtree_room(pass->tree, (size_t)(close - from) + 4);
    size_t length = 0;
    while (pass->at < close) {
        if (*pass->at == '\\')
            length += cl_jsontext_unescape(&pass->at, made + length);
        else
            made[length++] = *pass->at++;
    }
    made[length] = '\0';
    node->text = made;
    node->length = length;
    pass->at = close + 1;
}

static bool is_key_next(const struct pass *pass)
{
    return pass->depth > 0 && pass->open[pass->depth - 1]->kind == CL_W_MAP && !pass->has_key;
}

static void on_string(struct pass *pass)
{
    const struct cl_wplace place = place_here(pass);

    if (is_key_next(pass)) {
        pass->key = (struct cl_wnode){ .place = place };
        read_string(pass, &pass->key);
        pass->has_key = true;
        return;
    }

    struct cl_wnode *node = cl_wnode_new(pass->tree, CL_W_STRING, place);
    read_string(pass, node);
    attach(pass, node);
}

static void on_open(struct pass *pass)
{
    struct cl_wnode *node =
        cl_wnode_new(pass->tree, *pass->at == '{' ? CL_W_MAP : CL_W_LIST, place_here(pass));

    attach(pass, node);
    CL_CHECK(pass->depth < CL_DOCUMENT_DEPTH_MAX); /* cl_json_check saw to it */
    pass->open[pass->depth++] = node;
    pass->at++;
}

static void on_word(struct pass *pass)
{
    static const enum cl_wnode_kind kinds[] = {
        ['n'] = CL_W_NULL, ['f'] = CL_W_FALSE, ['t'] = CL_W_TRUE
    };
    const unsigned char first = (unsigned char)*pass->at;
    const bool is_name = first == 'n' || first == 'f' || first == 't';
    struct cl_wnode *node =
        cl_wnode_new(pass->tree, is_name ? kinds[first] : CL_W_NUMBER, place_here(pass));
    const char *from = pass->at;

    while (pass->at < pass->end && !strchr(",]} \n\r\t", *pass->at))
        pass->at++;
    if (!is_name) {
        node->length = (size_t)(pass->at - from);
        node->text = cl_wtree_copy(pass->tree, from, node->length);
    }
    attach(pass, node);
}

static void on_token(struct pass *pass)
{
    switch (*pass->at) {
    case ' ':
    case '\t':
    case '\r':
    case '\n':
    case ',':
    case ':':
        pass->at++;
        return;
    case '}':
    case ']':
        pass->depth--;
        pass->at++;
        return;
    case '{':
    case '[':
        on_open(pass);
        return;
    case '"':
        on_string(pass);
        return;
    default:
        on_word(pass);
    }
}

int cl_document_parse_json(struct cl_wtree *tree, const char *text, size_t length,
                           struct cl_err *err)
{
    static const struct cl_json_caps caps = { CL_DOCUMENT_JSON_MAX, CL_DOCUMENT_NODES_MAX,
                                              CL_DOCUMENT_DEPTH_MAX, 65536 };
    struct pass pass = { .tree = tree,
                         .text = text,
                         .at = text,
                         .end = text + length,
                         .seen = text,
                         .place = { 1, 1 } };

    if (cl_json_check(text, length, &caps, NULL, NULL, err) < 0)
        return -1;
    while (pass.at < pass.end)
        on_token(&pass);
    return 0;
}
