/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Has files read, a few at a time.
 * Runs in: cloche-api.
 * Trusts: nothing of the files; names have been checked.
 */
#include "api/modules/batch.h"

#include <event2/event.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "api/modules/read.h"
#include "api/visit.h"
#include "sandbox/base/own.h"

enum {
    AT_ONCE = 4,
    CODE_MAX = 8 << 20,
    TOLD_MAX = 64 << 20, /* bytes in memory of what all modules of a tenant define and import */
};

struct turn {
    struct cl_modbatch *batch;
    size_t index;
};

struct cl_modbatch *cl_modbatch_new(struct cl_modules *modules, const struct cl_tenant *tenant,
                                    const char *key)
{
    struct cl_modbatch *batch = calloc(1, sizeof(*batch));

    CL_CHECK(batch);
    batch->modules = modules;
    batch->of = tenant;
    snprintf(batch->tenant, sizeof(batch->tenant), "%s", tenant->name);
    snprintf(batch->key, sizeof(batch->key), "%s", key);
    return batch;
}

static void make_version(const void *bytes, size_t length, char version[CL_MODULE_VERSION + 1])
{
    unsigned char hash[crypto_hash_sha256_BYTES];

    crypto_hash_sha256(hash, bytes, length);
    for (size_t i = 0; i < CL_MODULE_VERSION / 2; i++)
        snprintf(version + 2 * i, 3, "%02x", hash[i]);
}

struct cl_modfile *cl_modbatch_add(struct cl_modbatch *batch, const char *name,
                                   struct cl_json source)
{
    struct cl_modfile *file;
    struct cl_err err = CL_ERR_INIT;

    if (batch->count == batch->capacity) {
        batch->capacity = batch->capacity ? 2 * batch->capacity : 8;
        batch->files = reallocarray(batch->files, batch->capacity, sizeof(*file));
        CL_CHECK(batch->files);
    }
    file = &batch->files[batch->count++];
    memset(file, 0, sizeof(*file));
    snprintf(file->name, sizeof(file->name), "%s", name);
    file->source.limit = source.length + 1;
    CL_CHECK(cl_buf_put(&file->source, source.text, source.length, &err) == 0);
    make_version(source.text, source.length, file->version);
    return file;
}

void cl_modfile_break(struct cl_modfile *file, const char *reason)
{
    free(file->reason);
    file->reason = strdup(reason);
    CL_CHECK(file->reason);
    file->state = CL_MODFILE_BROKEN;
}

void cl_modbatch_free(struct cl_modbatch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        struct cl_modfile *file = &batch->files[i];

        free(file->description);
        free(file->reason);
        cl_buf_fini(&file->source);
        cl_buf_fini(&file->functions);
        cl_buf_fini(&file->imports);
        cl_buf_fini(&file->code);
    }
    free(batch->files);
    free(batch->pruned);
    free(batch);
}

/* ---------------------------------------------------------------------------------- reading */

static void step(struct cl_modbatch *batch);

static void copy(struct cl_buf *to, struct cl_json from)
{
    struct cl_err err = CL_ERR_INIT;

    to->limit = from.length + 1;
    CL_CHECK(cl_buf_put(to, from.text, from.length, &err) == 0);
}

/* What is no base64, or too large, is made at each call. */
static void copy_code(struct cl_buf *to, struct cl_json code)
{
    struct cl_err err = CL_ERR_INIT;
    size_t length = 0;
    uint8_t *room;

    if (cl_json_kind(code) != CL_JSON_STRING || code.length > CODE_MAX)
        return;
    to->limit = code.length;
    room = cl_buf_room(to, code.length, &err);
    CL_CHECK(room);
    if (sodium_base642bin(room, code.length, code.text + 1, code.length - 2, NULL, &length,
                          NULL, sodium_base64_VARIANT_ORIGINAL) == 0)
        to->length = length;
}

static size_t told_by(const struct cl_modtable *table)
{
    size_t bytes = 0;

    for (size_t i = 0; i < table->count; i++) {
        const struct cl_modrow *row = table->items[i];

        bytes += row->functions_length + row->imports_length;
    }
    return bytes;
}

/* What a module defines stays in memory as long as the module is there. */
static bool has_place(struct cl_modbatch *batch, const struct cl_modfile *file,
                      const struct cl_modread *read)
{
    const struct cl_modtenant *of = cl_modules_tenant(batch->modules, batch->tenant, true);
    const struct cl_modtable *table = batch->is_served ? &of->served : &of->put;
    const struct cl_modrow *before = cl_modtable_find(table, file->name);
    const size_t less = before ? before->functions_length + before->imports_length : 0;

    if (batch->told == 0)
        batch->told = told_by(table);
    batch->told -= batch->told < less ? batch->told : less; /* it may have grown meanwhile */
    batch->told += read->functions.length + read->imports.length;
    return batch->told <= TOLD_MAX;
}

static void on_read(void *self, const struct cl_modread *read)
{
    struct turn *turn = self;
    struct cl_modbatch *batch = turn->batch;
    struct cl_modfile *file = &batch->files[turn->index];

    free(turn);
    if (read->refusal) {
        batch->refusal = *read->refusal;
    } else if (read->fault) {
        cl_modfile_break(file, read->fault);
        file->line = read->line;
        file->column = read->column;
    } else if (!has_place(batch, file, read)) {
        cl_modfile_break(file, "what all modules of the tenant define takes more than 64 MiB");
    } else {
        copy(&file->functions, read->functions);
        copy(&file->imports, read->imports);
        copy_code(&file->code, read->code);
        file->state = CL_MODFILE_GOOD;
    }
    batch->running--;
    step(batch);
}

/* Asked for anew each time: a reload may have come between. */
static struct cl_pool *find_pool(struct cl_modbatch *batch, const char *policy)
{
    if (!batch->of->is_live)
        return NULL;
    return cl_tenancy_find(batch->modules->app->tenancy, batch->of, policy);
}

static void start_one(struct cl_modbatch *batch, struct cl_modfile *file)
{
    struct cl_pool *pool = find_pool(batch, file->policy);
    const struct cl_modread_ask ask = {
        .name = file->name,
        .source = { (const char *)file->source.bytes, file->source.length },
        .key = batch->key,
        .peer = batch->peer,
    };
    struct turn *turn;

    if (!pool) {
        cl_refusal_set(&batch->refusal, CL_R_POLICY_NOT_ALLOWED,
                       "no policy \"%s\" for this token", file->policy);
        return;
    }
    turn = calloc(1, sizeof(*turn));
    CL_CHECK(turn);
    turn->batch = batch;
    turn->index = (size_t)(file - batch->files);
    batch->running++;
    cl_modread_start(batch->modules->app, pool, &ask, on_read, turn);
}

static void step(struct cl_modbatch *batch)
{
    while (batch->refusal.kind == CL_R_NONE && batch->running < AT_ONCE &&
           batch->next < batch->count) {
        struct cl_modfile *file = &batch->files[batch->next++];

        if (file->state == CL_MODFILE_WAITING)
            start_one(batch, file);
    }
    if (batch->running > 0)
        return;
    if (batch->refusal.kind != CL_R_NONE)
        batch->done(batch->self, batch);
    else
        cl_modbatch_keep(batch);
}

/* ------------------------------------------------------------------------- what is the same */

static bool is_same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static void keep_as_it_is(struct cl_modfile *file, const struct cl_modrow *row)
{
    snprintf(file->policy, sizeof(file->policy), "%s", row->policy);
    free(file->description);
    file->description = strdup(row->description ? row->description : "");
    file->retry = row->retry;
}

static void compare(struct cl_modbatch *batch, struct cl_modfile *file)
{
    const struct cl_modtenant *of = cl_modules_tenant(batch->modules, batch->tenant, true);
    const struct cl_modrow *row =
        cl_modtable_find(batch->is_served ? &of->served : &of->put, file->name);

    if (!row || file->state == CL_MODFILE_BROKEN)
        return;
    if (file->keeps)
        keep_as_it_is(file, row);
    if (row->reason || strcmp(row->version, file->version) != 0)
        return;
    file->state = row->retry == file->retry && strcmp(row->policy, file->policy) == 0 &&
                          is_same_text(row->description, file->description)
                      ? CL_MODFILE_SAME
                      : CL_MODFILE_CHANGED;
}

static void on_start(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    step(arg);
}

void cl_modbatch_run(struct cl_modbatch *batch, cl_modbatch_done *done, void *self)
{
    static const struct timeval now = { 0, 0 };

    batch->done = done;
    batch->self = self;
    for (size_t i = 0; i < batch->count; i++)
        compare(batch, &batch->files[i]);
    CL_CHECK(
        event_base_once(batch->modules->app->base, -1, EV_TIMEOUT, on_start, batch, &now) == 0);
}
