/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Brings contents of modules from the store into the cache, for a call that waits for them.
 * Runs in: cloche-api; `read_*` on its store thread.
 * Trusts: the store.
 */
#include <event2/event.h>
#include <string.h>

#include "api/modules/modules.h"
#include "api/modules/row.h"
#include "api/storeq.h"
#include "api/visit.h"
#include "sandbox/base/own.h"

/* One content to be read. The store thread fills what is owned here. */
struct part {
    char name[CL_MODULE_NAME_MAX + 1];
    char version[CL_MODULE_VERSION + 1];
    struct cl_buf source, code, functions, imports;
    bool is_there;
};

struct fetch {
    struct cl_list node; /* of modules->fetches; unlinked: nobody waits any more */
    struct cl_modules *modules;
    uint64_t id;
    char tenant[CL_NAME_MAX];
    struct part *parts;
    size_t count;
    cl_modules_ready *ready;
    void *self;
    struct cl_refusal refusal; /* kind NONE: none */
};

static void free_fetch(struct fetch *fetch)
{
    cl_list_unlink(&fetch->node);
    for (size_t i = 0; i < fetch->count; i++) {
        cl_buf_fini(&fetch->parts[i].source);
        cl_buf_fini(&fetch->parts[i].code);
        cl_buf_fini(&fetch->parts[i].functions);
        cl_buf_fini(&fetch->parts[i].imports);
    }
    free(fetch->parts);
    free(fetch);
}

static void finish(struct fetch *fetch)
{
    const bool is_wanted = !cl_list_is_empty(&fetch->node);

    if (is_wanted)
        fetch->ready(fetch->self, fetch->refusal.kind == CL_R_NONE ? NULL : &fetch->refusal);
    free_fetch(fetch);
}

/* ----------------------------------------------------------------------------- store thread */

static int copy(struct cl_buf *to, struct cl_blob from, struct cl_err *err)
{
    to->limit = from.length;
    return from.length ? cl_buf_put(to, from.bytes, from.length, err) : 0;
}

static int read_one(void *self, const struct cl_store_module *stored, struct cl_err *err)
{
    struct part *part = self;

    part->is_there = true;
    if (copy(&part->source, stored->source, err) < 0 ||
        copy(&part->code, stored->code, err) < 0)
        return -1;
    if (copy(&part->functions, stored->functions, err) < 0)
        return -1;
    return copy(&part->imports, stored->imports, err);
}

static int read_all(struct cl_store *store, void *arg, struct cl_err *err)
{
    struct fetch *fetch = arg;

    for (size_t i = 0; i < fetch->count; i++) {
        struct part *part = &fetch->parts[i];

        if (cl_store_module_get(store, fetch->tenant, part->name, part->version, read_one, part,
                                err) < 0)
            return -1;
    }
    return 0;
}

/* ------------------------------------------------------------------------------- event loop */

static struct cl_json view(const struct cl_buf *buf)
{
    return (struct cl_json){ (const char *)buf->bytes, buf->length };
}

static void keep_part(struct fetch *fetch, const struct part *part)
{
    const struct cl_modparts parts = { view(&part->source), view(&part->code),
                                       view(&part->functions), view(&part->imports) };
    struct cl_modrow *row = cl_modules_row(fetch->modules, fetch->tenant, part->name);
    struct cl_modheld *held =
        cl_modheld_put(fetch->modules, fetch->tenant, part->name, part->version, &parts);

    if (row && !row->is_served && strcmp(row->version, part->version) == 0)
        cl_modheld_attach(held, row);
}

static void on_read(void *arg, const struct cl_err *err)
{
    struct fetch *fetch = arg;

    if (err->kind != CL_E_NONE)
        cl_storeq_refuse(&fetch->refusal, err);
    for (size_t i = 0; i < fetch->count && err->kind == CL_E_NONE; i++) {
        const struct part *part = &fetch->parts[i];

        if (part->is_there)
            keep_part(fetch, part);
        else
            cl_refusal_set(&fetch->refusal, CL_R_FUNCTION_NOT_FOUND,
                           "the module \"%s\" has no version %s", part->name, part->version);
    }
    finish(fetch);
}

static void on_deferred(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    finish(arg);
}

/* Never from inside of fetch. */
static void defer(struct fetch *fetch)
{
    static const struct timeval now = { 0, 0 };

    CL_CHECK(event_base_once(fetch->modules->app->base, -1, EV_TIMEOUT, on_deferred, fetch,
                             &now) == 0);
}

static void list_parts(struct fetch *fetch, const struct cl_modclosure *closure)
{
    fetch->parts = calloc(closure->missing ? closure->missing : 1, sizeof(*fetch->parts));
    CL_CHECK(fetch->parts);
    for (size_t i = 0; i < closure->count; i++) {
        struct part *part = &fetch->parts[fetch->count];

        if (closure->parts[i].held)
            continue;
        snprintf(part->name, sizeof(part->name), "%s", closure->parts[i].row->name);
        snprintf(part->version, sizeof(part->version), "%s", closure->parts[i].version);
        fetch->count++;
    }
}

uint64_t cl_modules_fetch(struct cl_modules *modules, const struct cl_modules_want *want,
                          cl_modules_ready *ready, void *self)
{
    struct cl_modclosure CL_AUTO(cl_modclosure_fini) closure = { 0 };
    struct fetch *fetch = calloc(1, sizeof(*fetch));
    struct cl_err err = CL_ERR_INIT;

    CL_CHECK(fetch);
    fetch->modules = modules;
    fetch->id = ++modules->fetch_id;
    fetch->ready = ready;
    fetch->self = self;
    snprintf(fetch->tenant, sizeof(fetch->tenant), "%s", want->tenant->name);
    cl_list_init(&fetch->node);
    cl_list_append(&modules->fetches, &fetch->node);
    if (cl_modclosure_make(modules, want, &closure, &fetch->refusal) < 0) {
        defer(fetch);
        return fetch->id;
    }
    list_parts(fetch, &closure);
    if (fetch->count == 0) {
        defer(fetch);
    } else if (cl_storeq_run(modules->app->storeq, read_all, on_read, fetch, &err) < 0) {
        cl_storeq_refuse(&fetch->refusal, &err);
        defer(fetch);
    }
    return fetch->id;
}

void cl_modules_forget(struct cl_modules *modules, uint64_t id)
{
    cl_list_each (node, keep, &modules->fetches) {
        if (cl_list_entry(node, struct fetch, node)->id == id)
            cl_list_unlink(node);
    }
}
