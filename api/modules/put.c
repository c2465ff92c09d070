/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PUT of one module, push of many.
 * Runs in: cloche-api.
 * Trusts: nothing; sources are read in a jail, texts are capped and escaped.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/http1/exchange.h"
#include "api/modules/batch.h"
#include "api/modules/body.h"
#include "api/modules/show.h"
#include "api/visit.h"
#include "sandbox/base/own.h"

enum { DESCRIPTION_MAX = 2000, FILES_MAX = 1000, ANSWER_MAX = 64 << 20 };

/* ------------------------------------------------------------------------------- the answer */

struct putting {
    const struct cl_app *app;
    struct cl_visit *visit; /* NULL: the client is gone */
    bool is_push;
};

static void on_gone(void *self)
{
    ((struct putting *)self)->visit = NULL;
}

static const struct cl_visit_later later = { .on_end = on_gone };

static int put_fault(struct cl_buf *out, const struct cl_modfile *file, struct cl_err *err)
{
    if (cl_buf_format(out, err, "{\"name\":\"%s\",\"message\":", file->name) < 0 ||
        cl_json_put_string(out, file->reason, strlen(file->reason), err) < 0)
        return -1;
    if (file->line > 0 && cl_buf_format(out, err, ",\"line\":%" PRId32 ",\"column\":%" PRId32,
                                        file->line, file->column) < 0)
        return -1;
    return cl_buf_put_text(out, "}", err);
}

static const char *word_of(const struct cl_modfile *file)
{
    return file->state == CL_MODFILE_SAME ? "same" : file->is_new ? "new" : "changed";
}

static int put_good(struct cl_buf *out, const struct cl_modfile *file, struct cl_err *err)
{
    return cl_buf_format(out, err, "{\"name\":\"%s\",\"version\":\"%s\",\"state\":\"%s\"}",
                         file->name, file->version, word_of(file));
}

static int put_files(struct cl_buf *out, const struct cl_modbatch *batch, bool broken,
                     struct cl_err *err)
{
    bool is_first = true;

    for (size_t i = 0; i < batch->count; i++) {
        const struct cl_modfile *file = &batch->files[i];

        if ((file->state == CL_MODFILE_BROKEN) != broken)
            continue;
        if ((!is_first && cl_buf_put_text(out, ",", err) < 0) ||
            (broken ? put_fault(out, file, err) : put_good(out, file, err)) < 0)
            return -1;
        is_first = false;
    }
    return 0;
}

static int show_push(struct cl_buf *out, const struct cl_modbatch *batch, struct cl_err *err)
{
    if (cl_buf_put_text(out, "{\"modules\":[", err) < 0 ||
        put_files(out, batch, false, err) < 0 ||
        cl_buf_put_text(out, "],\"refused\":[", err) < 0 ||
        put_files(out, batch, true, err) < 0 ||
        cl_buf_put_text(out, "],\"removed\":[", err) < 0)
        return -1;
    for (size_t i = 0; i < batch->pruned_count; i++) {
        if (cl_buf_format(out, err, "%s\"%s\"", i ? "," : "", batch->pruned[i]) < 0)
            return -1;
    }
    return cl_buf_put_text(out, "]}", err);
}

static int show_one(struct cl_buf *out, const struct cl_modbatch *batch, struct cl_err *err)
{
    const struct cl_modrow *row =
        cl_modules_row(batch->modules, batch->tenant, batch->files[0].name);
    struct cl_module module;

    if (!row)
        return cl_fail(err, CL_E_LOST, "the module was removed at the same time");
    cl_modrow_view(row, &module);
    return cl_modules_show(out, &module, err);
}

static void refuse_broken(struct cl_visit *visit, const struct cl_modfile *file)
{
    struct cl_refusal refusal = CL_REFUSAL_INIT;

    cl_refusal_set(&refusal, CL_R_MODULE_INVALID, "%s", file->reason);
    if (file->line > 0)
        snprintf(refusal.extra, sizeof(refusal.extra),
                 "\"line\":%" PRId32 ",\"column\":%" PRId32, file->line, file->column);
    cl_visit_refuse(visit->app, visit->exchange, &refusal);
}

static void answer(struct cl_visit *visit, const struct cl_modbatch *batch, bool is_push)
{
    struct cl_buf CL_AUTO(cl_buf_fini) out = CL_BUF_INIT(ANSWER_MAX);
    struct cl_err err = CL_ERR_INIT;
    struct cl_refusal refusal = CL_REFUSAL_INIT;

    if (!is_push && batch->files[0].state == CL_MODFILE_BROKEN) {
        refuse_broken(visit, &batch->files[0]);
    } else if ((is_push ? show_push(&out, batch, &err) : show_one(&out, batch, &err)) < 0) {
        cl_refusal_failed(&refusal, CL_R_MODULE_NOT_FOUND, &err);
        cl_visit_refuse(visit->app, visit->exchange, &refusal);
    } else {
        cl_exchange_answer(visit->exchange, !is_push && batch->files[0].is_new ? 201 : 200,
                           "application/json", out.bytes, out.length);
    }
}

/* Those that were kept, whether anybody waits for the answer or not. */
static void tell_log(const struct cl_app *app, const struct cl_modbatch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        const struct cl_modfile *file = &batch->files[i];

        if (file->state == CL_MODFILE_CHANGED || file->state == CL_MODFILE_GOOD)
            cl_audit_change(app->audit, &(struct cl_audit_change){ .event = "module.put",
                                                                   .tenant = batch->tenant,
                                                                   .key = batch->key,
                                                                   .id = file->name,
                                                                   .detail_name = "version",
                                                                   .detail = file->version });
    }
}

static void on_done(void *self, struct cl_modbatch *batch)
{
    struct putting *putting = self;
    struct cl_visit *visit = putting->visit;

    if (batch->refusal.kind == CL_R_NONE)
        tell_log(putting->app, batch);
    if (visit) {
        visit->later = NULL;
        if (batch->refusal.kind != CL_R_NONE)
            cl_visit_refuse(visit->app, visit->exchange, &batch->refusal);
        else
            answer(visit, batch, putting->is_push);
    }
    cl_modbatch_free(batch);
    free(putting);
}

static void start(struct cl_visit *visit, struct cl_modbatch *batch, bool is_push)
{
    struct putting *putting = calloc(1, sizeof(*putting));

    CL_CHECK(putting);
    putting->app = visit->app;
    putting->visit = visit;
    putting->is_push = is_push;
    snprintf(batch->peer, sizeof(batch->peer), "%s", cl_exchange_peer(visit->exchange));
    visit->later = &later;
    visit->later_self = putting;
    cl_modbatch_run(batch, on_done, putting);
}

/* -------------------------------------------------------------------------------- one module */

static int fill_put(struct cl_visit *visit, struct cl_modbatch *batch, const char *text,
                    size_t length, struct cl_refusal *refusal)
{
    struct cl_buf CL_AUTO(cl_buf_fini) source = CL_BUF_INIT(length);
    struct cl_modbody body = { .source = { NULL, 0 } };
    char description[DESCRIPTION_MAX + 1];
    char policy[CL_NAME_MAX];
    struct cl_modfile *file;
    struct cl_err err = CL_ERR_INIT;

    if (visit->body_type == CL_TAKES_PYTHON) {
        if (cl_modbody_check_size(length, refusal) < 0)
            return -1;
        cl_modbatch_add(batch, visit->param, (struct cl_json){ text, length })->keeps = true;
        return 0;
    }
    if (cl_modbody_read(&body, false, text, length, refusal) < 0)
        return -1;
    if (!body.source.length)
        return cl_modbody_malformed(refusal, "source", "required");
    if (cl_modbody_text(body.description, "description", description, sizeof(description),
                        refusal) < 0 ||
        cl_modbody_policy(visit, body.policy, policy, refusal) < 0)
        return -1;
    if (cl_json_string(body.source, &source, &err) < 0)
        return cl_modbody_failed(refusal, "source", &err);
    if (cl_modbody_check_size(source.length, refusal) < 0)
        return -1;
    file = cl_modbatch_add(batch, visit->param,
                           (struct cl_json){ (const char *)source.bytes, source.length });
    memcpy(file->policy, policy, sizeof(file->policy));
    file->retry = cl_json_kind(body.retry) == CL_JSON_TRUE;
    file->description = strdup(description);
    CL_CHECK(file->description);
    return 0;
}

int cl_modules_put(struct cl_visit *visit, const char *body, size_t length,
                   struct cl_refusal *refusal)
{
    struct cl_modbatch *batch;

    if (!cl_module_is_name(visit->param))
        return cl_refusal_set(refusal, CL_R_MODULE_INVALID,
                              "a module's name is [a-z_][a-z0-9_]{0,63}");
    if (cl_modbody_check_name(visit, visit->param, refusal) < 0)
        return -1;
    batch = cl_modbatch_new(visit->app->modules, visit->tenant, cl_visit_key(visit));
    if (fill_put(visit, batch, body, length, refusal) < 0) {
        cl_modbatch_free(batch);
        return -1;
    }
    start(visit, batch, false);
    return 0;
}

/* ------------------------------------------------------------------------------- many of them */

/* A file that can't be a module is left out and named, as one that does not compile is. */
static int add_file(struct cl_visit *visit, struct cl_modbatch *batch, struct cl_json key,
                    struct cl_json value, struct cl_refusal *refusal)
{
    struct cl_buf CL_AUTO(cl_buf_fini) source = CL_BUF_INIT(value.length);
    char name[CL_MODULE_NAME_MAX + 1];
    struct cl_refusal why = CL_REFUSAL_INIT;
    struct cl_modfile *file;
    struct cl_err err = CL_ERR_INIT;

    if (cl_modbody_text(key, "files", name, sizeof(name), refusal) < 0)
        return -1;
    if (!cl_module_is_name(name)) {
        cl_refusal_point(refusal, "files", strlen("files"));
        return cl_modbody_malformed(refusal, name, "a module's name is [a-z_][a-z0-9_]{0,63}");
    }
    if (cl_json_kind(value) != CL_JSON_STRING || cl_json_string(value, &source, &err) < 0) {
        cl_refusal_point(refusal, "files", strlen("files"));
        return cl_modbody_malformed(refusal, name, "expected a string");
    }
    file = cl_modbatch_add(batch, name,
                           (struct cl_json){ (const char *)source.bytes, source.length });
    file->keeps = true;
    if (cl_modbody_check_name(visit, name, &why) < 0 ||
        cl_modbody_check_size(source.length, &why) < 0)
        cl_modfile_break(file, why.detail);
    return 0;
}

static int fill_push(struct cl_visit *visit, struct cl_modbatch *batch, const char *text,
                     size_t length, struct cl_refusal *refusal)
{
    struct cl_modbody body = { .source = { NULL, 0 } };
    char policy[CL_NAME_MAX];
    struct cl_json key;
    struct cl_json value;
    size_t cursor = 0;

    if (cl_modbody_read(&body, true, text, length, refusal) < 0)
        return -1;
    if (!body.files.length)
        return cl_modbody_malformed(refusal, "files", "required");
    if (cl_modbody_policy(visit, body.policy, policy, refusal) < 0)
        return -1;
    while (cl_json_next(body.files, &cursor, &key, &value)) {
        if (batch->count == FILES_MAX)
            return cl_modbody_malformed(refusal, "files", "more than 1000 files at once");
        if (add_file(visit, batch, key, value, refusal) < 0)
            return -1;
    }
    for (size_t i = 0; i < batch->count && body.policy.length; i++) {
        memcpy(batch->files[i].policy, policy, sizeof(policy));
        batch->files[i].keeps = false;
    }
    batch->prunes = cl_json_kind(body.prune) == CL_JSON_TRUE;
    batch->is_push = true;
    return 0;
}

int cl_modules_push(struct cl_visit *visit, const char *body, size_t length,
                    struct cl_refusal *refusal)
{
    struct cl_modbatch *batch =
        cl_modbatch_new(visit->app->modules, visit->tenant, cl_visit_key(visit));

    if (fill_push(visit, batch, body, length, refusal) < 0) {
        cl_modbatch_free(batch);
        return -1;
    }
    start(visit, batch, true);
    return 0;
}
