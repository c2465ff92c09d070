/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of a tenant's functions_dir, as cloched hands them over: read, inspected, and in force as one
 * set. They hide what was put under the same names and can't be changed through the API.
 * Runs in: cloche-api.
 * Trusts: cloched for the descriptors; nothing of what is in the files or how they are called.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/modules/batch.h"
#include "api/visit.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"

enum { FILES_MAX = 2000, SET_BYTES = 32 << 20, PIECE = 64 << 10 };

/* A set that is not complete, or is being read. */
struct arriving {
    struct cl_list node; /* of modules->arriving */
    struct cl_modbatch *batch;
    uint64_t bytes;
    uint32_t left_out;
};

static struct arriving *arriving_of(struct cl_modules *modules, const struct cl_tenant *tenant)
{
    struct arriving *set;

    cl_list_each (node, keep, &modules->arriving) {
        set = cl_list_entry(node, struct arriving, node);
        if (set->batch->of == tenant)
            return set;
    }
    set = calloc(1, sizeof(*set));
    CL_CHECK(set);
    set->batch = cl_modbatch_new(modules, tenant, "");
    set->batch->is_served = true;
    set->batch->prunes = true;
    cl_list_init(&set->node);
    cl_list_append(&modules->arriving, &set->node);
    return set;
}

/* Whole, or not at all: a file that is written to while it is read comes again. */
static int read_file(int fd, struct cl_buf *source, struct cl_err *err)
{
    struct stat found;

    if (fstat(fd, &found) < 0)
        return cl_fail(err, CL_E_SYS, "look at it");
    if (!S_ISREG(found.st_mode))
        return cl_fail(err, CL_E_INPUT, "it is no regular file");
    if (found.st_size > CL_MODULE_SOURCE_MAX)
        return cl_fail(err, CL_E_LIMIT, "it has more than %d bytes", CL_MODULE_SOURCE_MAX);
    source->limit = CL_MODULE_SOURCE_MAX + 1;
    while (source->length < source->limit) {
        const size_t left = source->limit - source->length;
        const size_t want = left < PIECE ? left : PIECE;
        uint8_t *room = cl_buf_room(source, want, err);
        const ssize_t length = room ? pread(fd, room, want, (off_t)source->length) : -1;

        if (!room)
            return -1;
        if (length < 0 && errno != EINTR)
            return cl_fail(err, CL_E_SYS, "read it");
        if (length == 0)
            return 0;
        source->length += length > 0 ? (size_t)length : 0;
    }
    return cl_fail(err, CL_E_LIMIT, "it has more than %d bytes", CL_MODULE_SOURCE_MAX);
}

void cl_modules_on_function(struct cl_modules *modules, const struct cl_msg_function *msg,
                            int fd)
{
    struct cl_tenant *tenant = cl_tenancy_named(modules->app->tenancy, msg->tenant);
    struct cl_buf CL_AUTO(cl_buf_fini) source = CL_BUF_INIT(0);
    struct cl_err err = CL_ERR_INIT;
    struct cl_modfile *file;
    struct arriving *set;
    int got;

    if (!tenant)
        return;
    set = arriving_of(modules, tenant);
    if (!cl_module_is_name(msg->name) || set->batch->count == FILES_MAX) {
        set->left_out++;
        cl_log(CL_WARN, "functions.name",
               "tenant=%s what=\"a file name that no module can have, "
               "or one file too many\"",
               tenant->name);
        return;
    }
    got = read_file(fd, &source, &err);
    set->bytes += source.length;
    file = cl_modbatch_add(set->batch, msg->name,
                           (struct cl_json){ (const char *)source.bytes, source.length });
    if (got < 0)
        cl_modfile_break(file, err.text);
    else if (set->bytes > SET_BYTES)
        cl_modfile_break(file, "the files before it are as large as a directory may be");
}

/* Each file that became a new version: the admin's change, so no key is named. */
static void tell_log(const struct cl_modbatch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        const struct cl_modfile *file = &batch->files[i];
        const struct cl_audit_change change = { "module.put", batch->tenant, NULL,
                                                file->name,   "version",     file->version };

        if (file->state == CL_MODFILE_CHANGED || file->state == CL_MODFILE_GOOD)
            cl_audit_change(batch->modules->app->audit, &change);
    }
}

static void on_done(void *self, struct cl_modbatch *batch)
{
    size_t broken = 0;

    (void)self;
    for (size_t i = 0; i < batch->count; i++) {
        const struct cl_modfile *file = &batch->files[i];

        if (file->state != CL_MODFILE_BROKEN)
            continue;
        broken++;
        cl_log(CL_WARN, "functions.broken", "tenant=%s module=%s line=%d what=\"%s\"",
               batch->tenant, file->name, file->line, file->reason);
    }
    if (batch->refusal.kind == CL_R_NONE)
        tell_log(batch);
    if (batch->refusal.kind != CL_R_NONE)
        cl_log(CL_ERROR, "functions.lost", "tenant=%s what=\"%s\"", batch->tenant,
               batch->refusal.detail);
    else
        cl_log(CL_INFO, "functions.loaded", "tenant=%s files=%zu broken=%zu", batch->tenant,
               batch->count, broken);
    cl_modbatch_free(batch);
}

void cl_modules_on_functions(struct cl_modules *modules, const struct cl_msg_functions *msg)
{
    struct cl_tenant *tenant = cl_tenancy_named(modules->app->tenancy, msg->tenant);
    struct arriving *set;

    if (!tenant)
        return;
    if (msg->refused > 0)
        cl_log(CL_WARN, "functions.refused", "tenant=%s files=%u what=\"%s\"", msg->tenant,
               msg->refused, msg->text);
    set = arriving_of(modules, tenant);
    cl_list_unlink(&set->node);
    set->batch->turn = ++cl_modules_tenant(modules, tenant->name, true)->served_turn;
    cl_modbatch_run(set->batch, on_done, NULL);
    free(set);
}
