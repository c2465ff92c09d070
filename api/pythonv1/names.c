/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registrations, in the store or in the memory of a batch.
 * Runs in: cloche-api; the functions called `work_*` on its store thread.
 * Trusts: the store. Contents are a caller's and are read by jails only.
 */
#include "api/pythonv1/names.h"

#include <stdlib.h>
#include <string.h>

#include "api/storeq.h"
#include "sandbox/base/own.h"
#include "sandbox/base/utc.h"

struct cl_v1_registration {
    struct cl_v1_registration *next;
    char name[CL_V1_NAME_MAX + 1];
    char kind[CL_V1_KIND_MAX];
    struct cl_buf content;
};

/* One question on its way to the store thread and back. */
struct look {
    enum cl_v1_names_do what;
    char *tenant, *session, *name; /* owned */
    char kind[CL_V1_KIND_MAX];
    struct cl_buf content; /* PUT: of the new one; READ: of the one that was found */
    struct cl_buf list;
    uint32_t count;
    size_t bytes;
    bool is_there;
    cl_v1_names_done *done;
    void *self;
    uint64_t id;
};

static int put_name(struct cl_buf *list, const char *name, struct cl_err *err)
{
    if (list->length > 0 && cl_buf_put_text(list, ",", err) < 0)
        return -1;
    return cl_json_put_string(list, name, strlen(name), err);
}

static struct cl_json view_of(const struct cl_buf *buf)
{
    return (struct cl_json){ (const char *)buf->bytes, buf->length };
}

/* -------------------------------------------------------------------------------- a batch */

static struct cl_v1_registration **find(struct cl_v1_scope *scope, const char *name)
{
    struct cl_v1_registration **at = &scope->first;

    while (*at && strcmp((*at)->name, name) != 0)
        at = &(*at)->next;
    return at;
}

static void registration_free(struct cl_v1_registration *registration)
{
    cl_buf_fini(&registration->content);
    free(registration);
}

void cl_v1_scope_fini(struct cl_v1_scope *scope)
{
    while (scope->first) {
        struct cl_v1_registration *gone = scope->first;

        scope->first = gone->next;
        registration_free(gone);
    }
    scope->count = 0;
    scope->bytes = 0;
}

static int scope_put(struct cl_v1_scope *scope, const struct cl_v1_names_ask *ask,
                     struct cl_err *err)
{
    struct cl_v1_registration **at = find(scope, ask->name);
    const size_t old = *at ? (*at)->content.length : 0;

    if ((!*at && scope->count >= CL_V1_NAMES_MAX) ||
        scope->bytes - old + ask->content.length > CL_V1_NAMES_BYTES)
        return cl_fail(err, CL_E_LIMIT, "a session keeps at most %d functions, %d bytes",
                       CL_V1_NAMES_MAX, CL_V1_NAMES_BYTES);
    if (!*at) {
        *at = calloc(1, sizeof(**at));
        CL_CHECK(*at);
        strncpy((*at)->name, ask->name, CL_V1_NAME_MAX);
        scope->count++;
    }
    cl_buf_fini(&(*at)->content);
    (*at)->content.limit = CL_V1_CONTENT_MAX;
    memset((*at)->kind, 0, CL_V1_KIND_MAX);
    strncpy((*at)->kind, ask->kind, CL_V1_KIND_MAX - 1);
    scope->bytes += ask->content.length - old;
    return cl_buf_put(&(*at)->content, ask->content.text, ask->content.length, err);
}

static void scope_drop(struct cl_v1_scope *scope, const char *name, struct cl_v1_names *names)
{
    struct cl_v1_registration **at = find(scope, name);
    struct cl_v1_registration *gone = *at;

    names->is_there = gone != NULL;
    if (!gone)
        return;
    *at = gone->next;
    scope->count--;
    scope->bytes -= gone->content.length;
    registration_free(gone);
}

static int scope_read(struct cl_v1_scope *scope, const char *name, struct cl_v1_names *names,
                      struct cl_buf *list, struct cl_err *err)
{
    struct cl_v1_registration *found = *find(scope, name);

    for (struct cl_v1_registration *at = scope->first; at; at = at->next) {
        if (put_name(list, at->name, err) < 0)
            return -1;
    }
    names->list = view_of(list);
    names->count = scope->count;
    names->is_there = found != NULL;
    if (found) {
        memcpy(names->kind, found->kind, CL_V1_KIND_MAX);
        names->content = view_of(&found->content);
    }
    return 0;
}

static void run_in_memory(const struct cl_v1_names_ask *ask, cl_v1_names_done *done, void *self,
                          uint64_t id)
{
    struct cl_buf CL_AUTO(cl_buf_fini) list = CL_BUF_INIT(CL_V1_NAMES_BYTES);
    struct cl_v1_names names = { 0 };
    struct cl_err err = CL_ERR_INIT;

    if (ask->scope && ask->what == CL_V1_NAMES_PUT)
        scope_put(ask->scope, ask, &err);
    else if (ask->scope && ask->what == CL_V1_NAMES_DROP)
        scope_drop(ask->scope, ask->name, &names);
    else if (ask->scope)
        scope_read(ask->scope, ask->name, &names, &list, &err);
    if (err.kind)
        names.err = &err;
    done(self, id, &names);
}

/* -------------------------------------------------------------------------------- the store */

static int on_registration(void *self, const struct cl_store_registration *reg,
                           struct cl_err *err)
{
    struct look *look = self;

    look->count++;
    look->bytes += reg->content.length;
    if (look->what == CL_V1_NAMES_READ && put_name(&look->list, reg->name, err) < 0)
        return -1;
    if (strcmp(reg->name, look->name) != 0)
        return 0;
    look->is_there = true;
    look->bytes -= reg->content.length;
    if (look->what != CL_V1_NAMES_READ)
        return 0;
    strncpy(look->kind, reg->kind, CL_V1_KIND_MAX - 1);
    return cl_buf_put(&look->content, reg->content.bytes, reg->content.length, err);
}

static int on_session(void *self, const struct cl_store_session *session, struct cl_err *err)
{
    (void)self;
    (void)session;
    (void)err;
    return 0;
}

/* A session lives in memory until it has something to keep. */
static int keep_session(struct cl_store *store, const struct look *look, struct cl_err *err)
{
    const struct cl_store_session session = {
        .id = look->session,
        .tenant = look->tenant,
        .key = "",
        .policy = "",
        .created_us = cl_utc_us(),
        .used_us = cl_utc_us(),
    };
    const int is_there =
        cl_store_session_get(store, look->tenant, look->session, on_session, NULL, err);

    if (is_there != 0)
        return is_there;
    return cl_store_session_put(store, &session, err);
}

static int work_put(struct cl_store *store, struct look *look, struct cl_err *err)
{
    const struct cl_store_registration reg = {
        .tenant = look->tenant,
        .session = look->session,
        .name = look->name,
        .kind = look->kind,
        .content = { look->content.bytes, look->content.length },
    };

    if (keep_session(store, look, err) < 0 ||
        cl_store_registrations(store, look->tenant, look->session, on_registration, look, err) <
            0)
        return -1;
    if ((!look->is_there && look->count >= CL_V1_NAMES_MAX) ||
        look->bytes + look->content.length > CL_V1_NAMES_BYTES)
        return cl_fail(err, CL_E_LIMIT, "a session keeps at most %d functions, %d bytes",
                       CL_V1_NAMES_MAX, CL_V1_NAMES_BYTES);
    return cl_store_registration_put(store, &reg, err) < 0 ? -1 : 0;
}

static int work_drop(struct cl_store *store, struct look *look, struct cl_err *err)
{
    const int was =
        cl_store_registration_delete(store, look->tenant, look->session, look->name, err);

    look->is_there = was > 0;
    return was < 0 ? -1 : 0;
}

static int work_read(struct cl_store *store, struct look *look, struct cl_err *err)
{
    return cl_store_registrations(store, look->tenant, look->session, on_registration, look,
                                  err) < 0
               ? -1
               : 0;
}

static int work_run(struct cl_store *store, void *arg, struct cl_err *err)
{
    static int (*const works[])(struct cl_store * store, struct look * look,
                                struct cl_err * err) = {
        [CL_V1_NAMES_READ] = work_read,
        [CL_V1_NAMES_PUT] = work_put,
        [CL_V1_NAMES_DROP] = work_drop,
    };
    struct look *look = arg;

    return works[look->what](store, look, err);
}

static void look_free(struct look *look)
{
    free(look->tenant);
    free(look->session);
    free(look->name);
    cl_buf_fini(&look->content);
    cl_buf_fini(&look->list);
    free(look);
}

static void on_done(void *arg, const struct cl_err *err)
{
    struct look *look = arg;
    struct cl_v1_names names = {
        .is_there = look->is_there,
        .content = view_of(&look->content),
        .list = view_of(&look->list),
        .count = look->count,
        .err = err->kind ? err : NULL,
    };

    memcpy(names.kind, look->kind, CL_V1_KIND_MAX);
    look->done(look->self, look->id, &names);
    look_free(look);
}

static struct look *make_look(const struct cl_v1_names_ask *ask)
{
    struct look *look = calloc(1, sizeof(*look));

    CL_CHECK(look);
    look->what = ask->what;
    look->tenant = strdup(ask->tenant);
    look->session = strdup(ask->session);
    look->name = strdup(ask->name);
    CL_CHECK(look->tenant && look->session && look->name);
    if (ask->kind)
        strncpy(look->kind, ask->kind, CL_V1_KIND_MAX - 1);
    look->content.limit = CL_V1_CONTENT_MAX;
    look->list.limit = CL_V1_NAMES_BYTES;
    return look;
}

int cl_v1_names_run(struct cl_storeq *queue, const struct cl_v1_names_ask *ask,
                    cl_v1_names_done *done, void *self, uint64_t id, struct cl_err *err)
{
    struct look *look;

    if (ask->content.length > CL_V1_CONTENT_MAX)
        return cl_fail(err, CL_E_LIMIT, "a function has at most %d bytes", CL_V1_CONTENT_MAX);
    if (!ask->session[0] || !queue) {
        run_in_memory(ask, done, self, id);
        return 0;
    }
    look = make_look(ask);
    look->done = done;
    look->self = self;
    look->id = id;
    if (ask->content.length &&
        cl_buf_put(&look->content, ask->content.text, ask->content.length, err) < 0) {
        look_free(look);
        return -1;
    }
    if (cl_storeq_run(queue, work_run, on_done, look, err) < 0) {
        look_free(look);
        return -1;
    }
    return 0;
}
