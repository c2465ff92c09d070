/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cuts and pastes whole lines around the places that the loader noted, then reads the outcome.
 * Runs in: cloche-policyc, as the admin.
 * Trusts: nothing but its own second reading.
 */
#include "policies/tokenedit.h"

#include <stdio.h>
#include <string.h>

#include "policies/place.h"
#include "policies/text.h"
#include "sandbox/base/own.h"

struct edit {
    const struct cl_tokenedit_ask *ask;
    const struct cl_tenants *tenants;
    const struct cl_node *tenant; /* its mapping */
    const struct cl_node *tokens; /* its list, or NULL */
    const struct cl_node *token;  /* the one that is asked for, or NULL */
    struct cl_buf *out;
};

void cl_tokenedit_entry(const struct cl_tenant_token *token, char text[CL_TOKENEDIT_ENTRY])
{
    size_t used = (size_t)snprintf(text, CL_TOKENEDIT_ENTRY, "{id: %s, hash: \"b2:", token->id);
    const char *word = CL_SCOPE_WORDS;
    const char *joint = "";

    for (size_t i = 0; i < sizeof(token->hash); i++)
        used +=
            (size_t)snprintf(text + used, CL_TOKENEDIT_ENTRY - used, "%02x", token->hash[i]);
    used += (size_t)snprintf(text + used, CL_TOKENEDIT_ENTRY - used, "\", scopes: [");
    for (uint32_t scope = 1; *word; scope <<= 1) {
        const int length = (int)strcspn(word, " ");
        if (token->scopes & scope) {
            /* policies:read would be a mapping without its quotes */
            const char *quote = memchr(word, ':', (size_t)length) ? "\"" : "";
            used += (size_t)snprintf(text + used, CL_TOKENEDIT_ENTRY - used, "%s%s%.*s%s",
                                     joint, quote, length, word, quote);
            joint = ", ";
        }
        word += length + (int)strspn(word + length, " ");
    }
    snprintf(text + used, CL_TOKENEDIT_ENTRY - used, "]}");
}

/* ----------------------------------------------------------------------------------- places */

/* The last line that belongs to a node: a block ends with its last child. */
static unsigned last_line(const struct cl_node *node)
{
    unsigned last = node->place.line;

    if (node->kind == CL_NODE_SCALAR || node->is_flow)
        return node->end.column > 1 ? node->end.line : node->end.line - 1;
    for (const struct cl_node *child = node->first; child; child = child->next) {
        const unsigned line = last_line(child);
        last = line > last ? line : last;
    }
    return last;
}

static const char *line_at(const struct edit *edit, unsigned line)
{
    const struct cl_doc *doc = edit->tenants->doc;
    const struct cl_place place = { doc, line, 1, 1 };
    const char *at = cl_place_source(&place);

    return at ? at : doc->text + doc->length;
}

/* Lines from `from` up to, but not including, `to`, as they are. */
static int put_lines(struct edit *edit, unsigned from, unsigned to, struct cl_err *err)
{
    const char *start = line_at(edit, from), *end = line_at(edit, to);

    return cl_buf_put(edit->out, start, (size_t)(end - start), err);
}

static int put_rest(struct edit *edit, unsigned from, struct cl_err *err)
{
    const struct cl_doc *doc = edit->tenants->doc;
    const char *start = line_at(edit, from);

    /* The last line may have had no end. */
    if (edit->out->length > 0 && edit->out->bytes[edit->out->length - 1] != '\n' &&
        cl_buf_put(edit->out, "\n", 1, err) < 0)
        return -1;
    return cl_buf_put(edit->out, start, (size_t)(doc->text + doc->length - start), err);
}

static int end_line(struct edit *edit, struct cl_err *err)
{
    if (edit->out->length > 0 && edit->out->bytes[edit->out->length - 1] != '\n')
        return cl_buf_put(edit->out, "\n", 1, err);
    return 0;
}

static int put_item(struct edit *edit, unsigned indent, const char *text, size_t length,
                    struct cl_err *err)
{
    if (end_line(edit, err) < 0 || cl_buf_format(edit->out, err, "%*s- ", indent, "") < 0 ||
        cl_buf_put(edit->out, text, length, err) < 0)
        return -1;
    return cl_buf_put(edit->out, "\n", 1, err);
}

/* Where the dash of a block item stands; -1 when it is not the first thing on its line. */
static int dash_of(const struct edit *edit, const struct cl_node *item)
{
    const char *line = line_at(edit, item->place.line);
    const size_t blank = strspn(line, " ");

    return line[blank] == '-' && line[blank + 1] == ' ' ? (int)blank : -1;
}

/* ---------------------------------------------------------------------------------- changes */

static int unfit(struct cl_err *err, const struct edit *edit)
{
    return cl_fail(err, CL_E_INPUT,
                   "line %u: the tokens of tenant %s are laid out in a way that can't be "
                   "changed without touching more; edit the file by hand",
                   edit->tenant->place.line, edit->ask->tenant);
}

static int put_new(struct edit *edit, unsigned indent, struct cl_err *err)
{
    char entry[CL_TOKENEDIT_ENTRY];

    if (edit->ask->what != CL_TOKEN_ADD)
        return 0;
    cl_tokenedit_entry(&edit->ask->token, entry);
    return put_item(edit, indent, entry, strlen(entry), err);
}

/* Tokens in brackets, or none: written anew as a block, each entry as it was. */
static int rewrite_flow(struct edit *edit, struct cl_err *err)
{
    const struct cl_node *tokens = edit->tokens;
    const unsigned indent = edit->tenant->first->key->place.column - 1;
    const unsigned from = tokens ? tokens->key->place.line : last_line(edit->tenant->last) + 1;
    const unsigned to = tokens ? last_line(tokens) + 1 : from;
    const size_t left = (tokens ? tokens->count : 0) + (edit->ask->what == CL_TOKEN_ADD) -
                        (edit->ask->what == CL_TOKEN_REVOKE);

    if (put_lines(edit, 1, from, err) < 0 || end_line(edit, err) < 0 ||
        cl_buf_format(edit->out, err, "%*stokens:%s\n", indent, "", left ? "" : " []") < 0)
        return -1;
    for (const struct cl_node *item = tokens ? tokens->first : NULL; item; item = item->next) {
        const char *start = cl_place_source(&item->place), *end = cl_place_source(&item->end);
        if (edit->ask->what == CL_TOKEN_REVOKE && item == edit->token)
            continue;
        if (!item->is_flow || !start || !end || memchr(start, '\n', (size_t)(end - start)))
            return unfit(err, edit);
        if (put_item(edit, indent + 2, start, (size_t)(end - start), err) < 0)
            return -1;
    }
    if (put_new(edit, indent + 2, err) < 0)
        return -1;
    return put_rest(edit, to, err);
}

static int add_to_block(struct edit *edit, struct cl_err *err)
{
    const int dash = dash_of(edit, edit->tokens->last);
    const unsigned behind = last_line(edit->tokens) + 1;

    if (dash < 0)
        return unfit(err, edit);
    if (put_lines(edit, 1, behind, err) < 0 || put_new(edit, (unsigned)dash, err) < 0)
        return -1;
    return put_rest(edit, behind, err);
}

static int cut_from_block(struct edit *edit, struct cl_err *err)
{
    const struct cl_node *token = edit->token;
    const unsigned key = edit->tokens->key->place.line;

    if (dash_of(edit, token) < 0)
        return unfit(err, edit);
    if (edit->tokens->count > 1)
        return put_lines(edit, 1, token->place.line, err) < 0
                   ? -1
                   : put_rest(edit, last_line(token) + 1, err);
    if (put_lines(edit, 1, key, err) < 0 ||
        cl_buf_format(edit->out, err, "%*stokens: []\n", edit->tokens->key->place.column - 1,
                      "") < 0 ||
        put_lines(edit, key + 1, token->place.line, err) < 0)
        return -1;
    return put_rest(edit, last_line(token) + 1, err);
}

/* Only the hash itself: what stands around it is the same token. */
static int rotate(struct edit *edit, struct cl_err *err)
{
    const struct cl_doc *doc = edit->tenants->doc;
    const struct cl_node *hash = cl_node_find(edit->token, "hash");
    const char *start = cl_place_source(&hash->place), *end = cl_place_source(&hash->end);
    char entry[CL_TOKENEDIT_ENTRY];

    if (!start || !end)
        return unfit(err, edit);
    cl_tokenedit_entry(&edit->ask->token, entry);
    const char *text = strchr(entry, '"');
    if (cl_buf_put(edit->out, doc->text, (size_t)(start - doc->text), err) < 0 ||
        cl_buf_put(edit->out, text, strcspn(text + 1, "\"") + 2, err) < 0)
        return -1;
    return cl_buf_put(edit->out, end, (size_t)(doc->text + doc->length - end), err);
}

static int change(struct edit *edit, struct cl_err *err)
{
    if (edit->ask->what == CL_TOKEN_ROTATE)
        return rotate(edit, err);
    if (edit->tenant->is_flow)
        return unfit(err, edit);
    if (!edit->tokens || edit->tokens->is_flow)
        return rewrite_flow(edit, err);
    return edit->ask->what == CL_TOKEN_ADD ? add_to_block(edit, err)
                                           : cut_from_block(edit, err);
}

/* ------------------------------------------------------------------------------------ proof */

/* What the file has to say afterwards. */
static void expect(struct cl_tenant_file *file, const struct cl_tokenedit_ask *ask, uint32_t at)
{
    struct cl_tenant_token *token = &file->tokens[at];

    if (ask->what == CL_TOKEN_ROTATE) {
        memcpy(token->hash, ask->token.hash, sizeof(token->hash));
        return;
    }
    if (ask->what == CL_TOKEN_ADD) {
        file->tokens[file->token_count++] = ask->token;
        return;
    }
    memmove(token, token + 1, (file->token_count - at - 1) * sizeof(*token));
    file->token_count--;
    memset(&file->tokens[file->token_count], 0, sizeof(*token));
}

static bool is_as_asked(const struct cl_tenants *before, const struct cl_tenants *after,
                        const struct cl_tokenedit_ask *ask, uint32_t at)
{
    if (after->is_refused || after->count != before->count)
        return false;
    for (size_t i = 0; i < before->count; i++) {
        struct cl_tenant_file wanted = before->entries[i].file;
        if (strcmp(wanted.name, ask->tenant) == 0)
            expect(&wanted, ask, at);
        if (memcmp(&wanted, &after->entries[i].file, sizeof(wanted)) != 0)
            return false;
    }
    return true;
}

static int prove(const struct edit *edit, uint32_t at, struct cl_err *err)
{
    struct cl_report report = CL_REPORT_INIT;
    struct cl_tenants *after = cl_tenants_read(
        edit->tenants->doc->path, (const char *)edit->out->bytes, edit->out->length, &report);
    const bool is_good = is_as_asked(edit->tenants, after, edit->ask, at);

    cl_tenants_free(after);
    cl_report_fini(&report);
    return is_good ? 0 : unfit(err, edit);
}

/* --------------------------------------------------------------------------------- the whole */

static const struct cl_tenant_file *find_tenant(const struct cl_tenants *tenants,
                                                const char *name)
{
    for (size_t i = 0; i < tenants->count; i++) {
        if (strcmp(tenants->entries[i].file.name, name) == 0)
            return &tenants->entries[i].file;
    }
    return NULL;
}

static int check(const struct cl_tenant_file *file, const struct cl_tokenedit_ask *ask,
                 uint32_t at, struct cl_err *err)
{
    const bool is_there = at < file->token_count;

    if (ask->what == CL_TOKEN_ADD && is_there)
        return cl_fail(err, CL_E_INPUT, "tenant %s has a token %s", file->name, ask->token.id);
    if (ask->what == CL_TOKEN_ADD && file->token_count == CL_TENANT_TOKENS_MAX)
        return cl_fail(err, CL_E_INPUT, "tenant %s has %d tokens, no more are allowed",
                       file->name, CL_TENANT_TOKENS_MAX);
    if (ask->what == CL_TOKEN_ADD && !cl_text_is_policy_name(ask->token.id))
        return cl_fail(err, CL_E_INPUT,
                       "'%.60s' is no name of a token, expected [a-z0-9][a-z0-9_-]*",
                       ask->token.id);
    if (ask->what != CL_TOKEN_ADD && !is_there)
        return cl_fail(err, CL_E_INPUT, "tenant %s has no token %.60s", file->name,
                       ask->token.id);
    return 0;
}

int cl_tokenedit_run(const struct cl_tenants *tenants, const struct cl_tokenedit_ask *ask,
                     struct cl_buf *out, struct cl_err *err)
{
    const struct cl_tenant_file *file = find_tenant(tenants, ask->tenant);
    struct edit edit = { .ask = ask, .tenants = tenants, .out = out };
    uint32_t at = 0;

    if (!file)
        return cl_fail(err, CL_E_INPUT, "there is no tenant %.60s in %.120s", ask->tenant,
                       tenants->doc->path);
    while (at < file->token_count && strcmp(file->tokens[at].id, ask->token.id) != 0)
        at++;
    if (check(file, ask, at, err) < 0)
        return -1;
    edit.tenant = cl_node_find(cl_node_find(tenants->doc->root, "tenants"), ask->tenant);
    edit.tokens = cl_node_find(edit.tenant, "tokens");
    if (at < file->token_count) {
        edit.token = edit.tokens->first;
        for (uint32_t i = 0; i < at; i++)
            edit.token = edit.token->next;
    }
    if (change(&edit, err) < 0)
        return -1;
    return prove(&edit, at, err);
}
