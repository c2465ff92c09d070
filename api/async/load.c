/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an earlier process left: what had not started waits on, what had started and was not done
 * ends as lost, or runs again if it is marked so.
 * Runs in: cloche-api; the functions named work_* on the store thread.
 * Trusts: the store.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/async/impl.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"
#include "sandbox/base/utc.h"

struct left {
    struct cl_list node;
    char id[CL_ULID_SIZE];
    char tenant[CL_NAME_MAX];
    char key[CL_NAME_MAX];
    char policy[CL_NAME_MAX];
    enum cl_store_state state;
    int32_t priority;
    uint32_t attempts;
    bool retry, is_cancelled;
    int64_t not_before_us;
    struct cl_buf request; /* of those that end at once */
};

struct load {
    struct cl_async_op op;
    struct cl_list all;
    uint32_t attempts; /* cap */
    uint32_t queued, again, ended;
};

static bool ends_at_once(const struct left *left, uint32_t most_attempts)
{
    if (left->is_cancelled)
        return true;
    return left->state == CL_STORE_RUNNING && (!left->retry || left->attempts >= most_attempts);
}

static int take_left(void *self, const struct cl_store_call *call, struct cl_err *err)
{
    struct load *load = self;
    struct left *left = calloc(1, sizeof(*left));

    CL_CHECK(left);
    strncpy(left->id, call->id, sizeof(left->id) - 1);
    strncpy(left->tenant, call->tenant, sizeof(left->tenant) - 1);
    strncpy(left->key, call->key, sizeof(left->key) - 1);
    strncpy(left->policy, call->policy, sizeof(left->policy) - 1);
    left->state = call->state;
    left->priority = call->priority;
    left->attempts = call->attempts;
    left->retry = call->retry;
    left->is_cancelled = call->is_cancelled;
    left->not_before_us = call->not_before_us;
    left->request = (struct cl_buf)CL_BUF_INIT(call->request.length);
    cl_list_append(&load->all, &left->node);
    if (!ends_at_once(left, load->attempts))
        return 0;
    return cl_buf_put(&left->request, call->request.bytes, call->request.length, err);
}

/* Those that run again are queued on the disk before anybody sees them there. */
static int work_load(struct cl_store *store, void *arg, struct cl_err *err)
{
    struct load *load = arg;

    if (cl_store_call_left_all(store, take_left, load, err) < 0)
        return -1;
    cl_list_each (node, keep, &load->all) {
        struct left *left = cl_list_entry(node, struct left, node);

        if (left->state == CL_STORE_RUNNING && !ends_at_once(left, load->attempts) &&
            cl_store_call_requeue(store, left->tenant, left->id, true, cl_utc_us(), err) < 0)
            return -1;
    }
    return 0;
}

static void resume(struct load *load, const struct left *left)
{
    struct cl_async_call *call = cl_async_admit(load->op.async, left->tenant, left->id);
    const struct cl_async_ending ending = {
        .kind = left->is_cancelled ? CL_V_CANCELLED : CL_V_LOST,
        .message = "the service was interrupted while it ran; it may have run in part",
        .request = (const char *)left->request.bytes,
        .length = left->request.length,
    };

    strcpy(call->key, left->key);
    strcpy(call->policy, left->policy);
    call->lane = cl_async_lane(left->priority);
    call->attempts = left->attempts;
    call->may_retry = left->retry;
    if (ends_at_once(left, load->attempts)) {
        load->ended++;
        cl_async_end(call, &ending);
        return;
    }
    load->again += left->state == CL_STORE_RUNNING;
    load->queued++;
    cl_async_put(call, left->state == CL_STORE_RUNNING ? 0 : left->not_before_us, false);
}

static void left_free(struct left *left)
{
    cl_list_unlink(&left->node);
    cl_buf_fini(&left->request);
    free(left);
}

static void forget_all(struct load *load)
{
    cl_list_each (node, keep, &load->all)
        left_free(cl_list_entry(node, struct left, node));
}

static void on_loaded(void *arg, const struct cl_err *err)
{
    struct load *load = arg;
    struct cl_async *async = load->op.async;

    cl_async_op_done(&load->op);
    if (err->kind != CL_E_NONE) {
        /* Without it nothing of this kind can be served; the store says in /readyz what it has. */
        cl_log(CL_ERROR, "async.load", "kind=%s what=\"%s\"", cl_err_kind_name(err->kind),
               err->text);
        forget_all(load);
        cl_async_op_again(&load->op);
        return;
    }
    async->is_loaded = true;
    cl_http_server_open(async->app->server);
    cl_list_each (node, keep, &load->all)
        resume(load, cl_list_entry(node, struct left, node));
    forget_all(load);
    cl_log(CL_INFO, "async.load", "queued=%" PRIu32 " again=%" PRIu32 " ended=%" PRIu32,
           load->queued, load->again, load->ended);
    cl_async_op_fini(&load->op);
    free(load);
    cl_async_pump(async);
}

static void on_late(evutil_socket_t fd, short what, void *server)
{
    (void)fd;
    (void)what;
    cl_http_server_open(server);
}

void cl_async_load(struct cl_async *async)
{
    static const struct timeval most = { 1, 0 };
    struct load *load = calloc(1, sizeof(*load));

    CL_CHECK(load);
    cl_list_init(&load->op.node);
    cl_list_init(&load->all);
    load->op.async = async;
    load->op.run = work_load;
    load->op.done = on_loaded;
    load->attempts = async->caps.attempts;
    cl_async_persist(&load->op);

    cl_http_server_hold(async->app->server);
    CL_CHECK(event_base_once(async->app->base, -1, EV_TIMEOUT, on_late, async->app->server,
                             &most) == 0);
}
