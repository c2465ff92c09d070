/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the store keeps of sessions that are over: it goes.
 * Runs in: cloche-api; the functions called `work_*` on its store thread.
 * Trusts: the store.
 */
#include <stdio.h>
#include <stdlib.h>

#include "api/pythonv1/names.h"
#include "api/storeq.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"

struct ended {
    char tenant[CL_NAME_MAX];
    char id[CL_V1_SESSION_MAX];
};

static int work_forget(struct cl_store *store, void *arg, struct cl_err *err)
{
    const struct ended *ended = arg;

    return cl_store_session_delete(store, ended->tenant, ended->id, err) < 0 ? -1 : 0;
}

static void on_done(void *arg, const struct cl_err *err)
{
    if (err->kind)
        cl_log(CL_WARN, "session.forget", "what=\"%s\"", err->text);
    free(arg);
}

void cl_v1_names_forget(struct cl_storeq *queue, const char *tenant, const char *session)
{
    struct ended *ended = calloc(1, sizeof(*ended));
    struct cl_err err = CL_ERR_INIT;

    CL_CHECK(ended);
    snprintf(ended->tenant, sizeof(ended->tenant), "%s", tenant);
    snprintf(ended->id, sizeof(ended->id), "%s", session);
    if (cl_storeq_run(queue, work_forget, on_done, ended, &err) < 0)
        on_done(ended, &err); /* the next start clears it */
}

enum { CLEAR_AT_ONCE = 256 };

/* Rows that were read, to be deleted when the reading is over. */
struct stale {
    struct ended row[CLEAR_AT_ONCE];
    size_t count;
};

static int on_stale(void *self, const struct cl_store_session *session, struct cl_err *err)
{
    struct stale *stale = self;

    (void)err;
    snprintf(stale->row[stale->count].tenant, CL_NAME_MAX, "%s", session->tenant);
    snprintf(stale->row[stale->count].id, CL_V1_SESSION_MAX, "%s", session->id);
    return ++stale->count == CLEAR_AT_ONCE;
}

static int work_clear(struct cl_store *store, void *arg, struct cl_err *err)
{
    struct stale *stale = arg;

    do {
        stale->count = 0;
        if (cl_store_session_all(store, on_stale, stale, err) < 0)
            return -1;
        for (size_t i = 0; i < stale->count; i++) {
            if (cl_store_session_delete(store, stale->row[i].tenant, stale->row[i].id, err) < 0)
                return -1;
        }
    } while (stale->count > 0);
    return 0;
}

void cl_v1_names_clear(struct cl_storeq *queue)
{
    struct stale *stale = calloc(1, sizeof(*stale));
    struct cl_err err = CL_ERR_INIT;

    CL_CHECK(stale);
    if (cl_storeq_run(queue, work_clear, on_done, stale, &err) < 0)
        on_done(stale, &err);
}
