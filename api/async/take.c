/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Acceptance: checked as if it ran now, on the disk, and only then answered. The first call of an
 * Idempotency-Key is the only one; who sends the same again gets what became of it.
 * Runs in: cloche-api; the functions named work_* on the store thread.
 * Trusts: nothing of the request.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "api/async/impl.h"
#include "api/http1/exchange.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"
#include "sandbox/base/utc.h"

enum { HASH_BYTES = 32, KEY_MAX = 256 };

struct entry {
    struct cl_async_op op;  /* its id is the new call's, then the first one's */
    struct cl_visit *visit; /* NULL: the client is gone */
    char key[CL_NAME_MAX];
    char idem_key[KEY_MAX];
    uint8_t idem_hash[HASH_BYTES];
    char policy[CL_NAME_MAX];
    char trace[CL_TRACE_ID_SIZE];
    char function[CL_REQUEST_FUNCTION_MAX];
    unsigned lane;
    bool may_retry;
    bool is_later;  /* its modules have to be fetched first */
    bool is_urgent; /* its client waits for the end */
    struct cl_buf request;
    /* found */
    enum cl_store_fresh fresh;
    enum cl_store_state state;
};

static void entry_free(struct entry *entry)
{
    cl_buf_fini(&entry->request);
    free(entry);
}

/* --------------------------------------------------------------------------------- to the disk */

static int take_first(void *self, const struct cl_store_call *call, struct cl_err *err)
{
    struct entry *entry = self;

    (void)err;
    entry->state = call->state;
    strncpy(entry->op.id, call->id, sizeof(entry->op.id) - 1);
    return 0;
}

static int work_insert(struct cl_store *store, void *arg, struct cl_err *err)
{
    struct entry *entry = arg;
    const struct cl_store_call call = {
        .id = entry->op.id,
        .tenant = entry->op.tenant,
        .key = entry->key,
        .function = entry->function,
        .policy = entry->policy,
        .verdict = "",
        .idem_key = entry->idem_key,
        .idem_hash = { entry->idem_hash, entry->idem_key[0] ? sizeof(entry->idem_hash) : 0 },
        .request = { entry->request.bytes, entry->request.length },
        .priority = cl_async_stored_priority(entry->lane),
        .retry = entry->may_retry,
        .created_us = cl_utc_us(),
    };
    const int fresh = cl_store_call_insert(store, &call, take_first, entry, err);

    if (fresh < 0)
        return -1;
    entry->fresh = (enum cl_store_fresh)fresh;
    return 0;
}

/* ------------------------------------------------------------------------------------ answers */

static void answer_accepted(struct entry *entry)
{
    struct cl_exchange *exchange = entry->visit->exchange;
    struct cl_buf CL_AUTO(cl_buf_fini) body = CL_BUF_INIT(256);
    struct cl_err err = CL_ERR_INIT;
    char location[64] = "/v1/calls/";

    strncat(location, entry->op.id, CL_ULID_SIZE);
    CL_CHECK(cl_buf_format(&body, &err, "{\"id\":\"%s\",\"status\":\"%s\"}", entry->op.id,
                           cl_async_state_name(entry->state)) == 0);
    cl_exchange_header(exchange, "Location", location);
    cl_exchange_header(exchange, "Preference-Applied", "respond-async");
    cl_exchange_answer(exchange, 202, "application/json", body.bytes, body.length);
}

static void admit(const struct entry *entry)
{
    struct cl_async_call *call =
        cl_async_admit(entry->op.async, entry->op.tenant, entry->op.id);

    strcpy(call->key, entry->key);
    strcpy(call->policy, entry->policy);
    call->lane = entry->lane;
    call->may_retry = entry->may_retry;
    call->is_urgent = entry->is_urgent;
    memcpy(call->trace, entry->trace, sizeof(call->trace));
    cl_log(CL_INFO, "async.accepted", CL_ASYNC_TEXT " policy=%s", CL_ASYNC_OF(call),
           call->policy);
    cl_async_put(call, 0, false);
}

static void answer(struct entry *entry)
{
    struct cl_visit *visit = entry->visit;
    struct cl_refusal refusal = CL_REFUSAL_INIT;

    if (entry->fresh == CL_STORE_OTHER) {
        cl_refusal_set(&refusal, CL_R_KEY_REUSED,
                       "this Idempotency-Key came before with another request");
        cl_visit_refuse(visit->app, visit->exchange, &refusal);
    } else if (!entry->is_urgent) {
        answer_accepted(entry);
    } else if (visit->form != CL_REPLY_PLAIN) {
        cl_follow_open(visit, entry->op.tenant, entry->op.id, 0);
    } else {
        cl_ask_open(visit, entry->op.tenant, entry->op.id, CL_ASK_SETTLE, 0);
    }
}

static void on_inserted(void *arg, const struct cl_err *err)
{
    struct entry *entry = arg;
    struct cl_visit *visit = entry->visit;
    struct cl_refusal refusal = CL_REFUSAL_INIT;

    cl_async_op_done(&entry->op);
    if (visit)
        visit->later = NULL;
    if (err->kind != CL_E_NONE) {
        cl_storeq_refuse(&refusal, err);
        if (visit)
            cl_visit_refuse(visit->app, visit->exchange, &refusal);
        entry_free(entry);
        return;
    }
    if (entry->fresh == CL_STORE_FRESH) {
        admit(entry);
    }
    if (visit)
        answer(entry);
    entry_free(entry);
}

/* Accepted or not, its client is gone. */
static void on_gone(void *self)
{
    ((struct entry *)self)->visit = NULL;
}

static const struct cl_visit_later later = { .on_end = on_gone };

/* ------------------------------------------------------------------------------------- request */

static int read_idem_key(struct entry *entry, struct cl_refusal *refusal)
{
    const char *key = cl_exchange_field(entry->visit->exchange, "idempotency-key");
    const size_t length = key ? strlen(key) : 0;

    if (!key)
        return 0;
    if (length == 0 || length >= sizeof(entry->idem_key))
        return cl_refusal_set(refusal, CL_R_MALFORMED, "an Idempotency-Key has 1 to %zu bytes",
                              sizeof(entry->idem_key) - 1);
    for (size_t i = 0; i < length; i++) {
        if (key[i] < 0x20 || key[i] > 0x7e)
            return cl_refusal_set(refusal, CL_R_MALFORMED,
                                  "an Idempotency-Key is printable ASCII");
    }
    memcpy(entry->idem_key, key, length + 1);
    return 0;
}

/* Whatever makes two requests the same one. Headers such as traceparent differ from try to try. */
static void hash(struct entry *entry, const struct cl_call_sent *sent)
{
    crypto_generichash_state state;

    CL_CHECK(crypto_generichash_init(&state, NULL, 0, HASH_BYTES) == 0);
    crypto_generichash_update(&state, (const uint8_t *)&sent->kind, sizeof(sent->kind));
    crypto_generichash_update(&state, (const uint8_t *)sent->function,
                              strlen(sent->function) + 1);
    crypto_generichash_update(&state, (const uint8_t *)sent->body, sent->length);
    CL_CHECK(crypto_generichash_final(&state, entry->idem_hash, HASH_BYTES) == 0);
}

/* Whether the function's module is marked: what ran of it may run again. */
static bool is_retried(const struct cl_visit *visit, const char *function)
{
    const size_t length = strcspn(function, ".");
    char name[CL_MODULE_NAME_MAX + 1] = "";
    struct cl_module module;

    if (length == 0 || length >= sizeof(name))
        return false;
    memcpy(name, function, length);
    return cl_modules_find(visit->app->modules, visit->tenant, name, &module) && module.retry;
}

/* The same checks as for a call that runs now; what is made of it is thrown away again. */
static int check(struct entry *entry, const struct cl_call_sent *sent,
                 struct cl_refusal *refusal)
{
    static const unsigned lanes[] = {
        [CL_PRIORITY_HIGH] = 0,
        [CL_PRIORITY_NORMAL] = 1,
        [CL_PRIORITY_LOW] = 2,
    };
    struct cl_prepared CL_AUTO(cl_prepared_fini) prepared = { .flags = CL_CALL_STREAM };
    struct cl_visit *visit = entry->visit;
    const int got = cl_prepare(visit->app, visit->tenant, sent, &prepared, refusal);

    if (got == CL_MODULES_LATER) {
        entry->is_later = true;
        return cl_functions_wait(visit, sent, &prepared.want);
    }
    if (got < 0)
        return -1;
    if (cl_quota_check_size(&visit->tenant->quota,
                            prepared.request.limits.value[CL_LIMIT_MEMORY], refusal) < 0)
        return -1;
    entry->lane = lanes[prepared.request.priority];
    entry->may_retry = is_retried(visit, prepared.request.function);
    memcpy(entry->function, prepared.request.function, sizeof(entry->function));
    memcpy(entry->policy, prepared.pool->policy->name, sizeof(entry->policy));
    return 0;
}

static int fill(struct entry *entry, const struct cl_call_sent *sent,
                struct cl_refusal *refusal)
{
    struct cl_visit *visit = entry->visit;
    struct cl_err err = CL_ERR_INIT;

    cl_list_init(&entry->op.node);
    entry->op.async = visit->app->async;
    entry->op.run = work_insert;
    entry->op.done = on_inserted;
    cl_ulid_make(entry->op.id);
    strcpy(entry->op.tenant, visit->tenant->name);
    strncpy(entry->key, cl_visit_key(visit), sizeof(entry->key) - 1);
    entry->is_urgent = !visit->is_async;
    cl_trace_id(visit->trace, entry->trace);
    entry->request = (struct cl_buf)CL_BUF_INIT(sent->length + (16 << 10));
    if (read_idem_key(entry, refusal) < 0 || check(entry, sent, refusal) < 0)
        return -1;
    if (entry->is_later)
        return 0;
    if (!cl_exchange_reserve(visit->exchange, 2 * sent->length))
        return cl_refusal_set(refusal, CL_R_NO_MEMORY,
                              "other requests hold what there is for a call of this size");
    if (cl_async_pack(sent, &entry->request, &err) < 0)
        return cl_refusal_failed(refusal, CL_R_MALFORMED, &err);
    entry->op.bytes = entry->request.capacity;
    hash(entry, sent);
    return 0;
}

static int admission(const struct cl_visit *visit, const struct cl_call_sent *sent,
                     struct cl_refusal *refusal)
{
    const struct cl_async *async = visit->app->async;

    refusal->retry_after_s = 1;
    if (!async->is_loaded || async->is_draining)
        return cl_refusal_set(refusal, CL_R_NOT_READY, "the service is %s",
                              async->is_draining ? "going down" : "coming up");
    refusal->retry_after_s = 5;
    if (!cl_asyncq_has_room(async->queue, visit->tenant->name))
        return cl_refusal_set(refusal, CL_R_QUEUE_FULL, "%u stored calls wait",
                              cl_async_waiting(async));
    refusal->retry_after_s = 0;
    if (sent->session)
        return cl_refusal_set(refusal, CL_R_MALFORMED,
                              "a call in a session is answered at once: leave Prefer and "
                              "Idempotency-Key out");
    return 0;
}

int cl_async_take(struct cl_visit *visit, const struct cl_call_sent *sent,
                  struct cl_refusal *refusal)
{
    struct entry *entry;
    struct cl_err err = CL_ERR_INIT;

    if (admission(visit, sent, refusal) < 0)
        return -1;
    entry = calloc(1, sizeof(*entry));
    CL_CHECK(entry);
    entry->visit = visit;
    if (fill(entry, sent, refusal) < 0) {
        entry_free(entry);
        return -1;
    }
    if (entry->is_later) { /* the same again then */
        entry_free(entry);
        return 0;
    }
    if (cl_storeq_run_bytes(visit->app->storeq, work_insert, on_inserted, entry,
                            entry->op.bytes, &err) < 0) {
        entry_free(entry);
        return cl_storeq_refuse(refusal, &err);
    }
    visit->app->async->ops++;
    visit->later = &later;
    visit->later_self = entry;
    return 0;
}
