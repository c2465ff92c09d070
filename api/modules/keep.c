/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts files that were read into the store, and what the store has taken in force.
 * Runs in: cloche-api; `write_*` on its store thread.
 * Trusts: what reading them left: functions and imports are checked JSON.
 */
#include <string.h>

#include "api/modules/batch.h"
#include "api/storeq.h"
#include "api/visit.h"
#include "sandbox/base/own.h"
#include "sandbox/base/utc.h"

/* ----------------------------------------------------------------------------- store thread */

static struct cl_blob blob(const struct cl_buf *buf)
{
    return (struct cl_blob){ buf->length ? buf->bytes : NULL, buf->length };
}

static struct cl_blob text_blob(const struct cl_buf *buf, const char *otherwise)
{
    return buf->length ? blob(buf) : (struct cl_blob){ otherwise, strlen(otherwise) };
}

static int write_one(struct cl_store *store, const struct cl_modbatch *batch,
                     struct cl_modfile *file, struct cl_err *err)
{
    const struct cl_store_module module = {
        .tenant = batch->tenant,
        .name = file->name,
        .version = file->version,
        .key = batch->key,
        .description = file->description ? file->description : "",
        .policy = file->policy,
        .magic = "", /* the code says itself for whom it is */
        .retry = file->retry,
        .source = text_blob(&file->source, ""),
        .code = blob(&file->code),
        .functions = text_blob(&file->functions, "[]"),
        .imports = text_blob(&file->imports, "[]"),
        .created_us = batch->now_us,
        .updated_us = batch->now_us,
    };
    const int is_new = cl_store_module_put(store, &module, err);

    file->is_new = is_new == 1;
    return is_new < 0 ? -1 : 0;
}

static bool is_written(const struct cl_modfile *file)
{
    return file->state == CL_MODFILE_GOOD || file->state == CL_MODFILE_CHANGED;
}

static int write_all(struct cl_store *store, void *arg, struct cl_err *err)
{
    struct cl_modbatch *batch = arg;

    for (size_t i = 0; i < batch->count; i++) {
        if (is_written(&batch->files[i]) && write_one(store, batch, &batch->files[i], err) < 0)
            return -1;
    }
    for (size_t i = 0; i < batch->pruned_count; i++) {
        if (cl_store_module_delete(store, batch->tenant, batch->pruned[i], err) < 0)
            return -1;
    }
    return 0;
}

/* ------------------------------------------------------------------------------- event loop */

static struct cl_json view(const struct cl_buf *buf)
{
    return (struct cl_json){ (const char *)buf->bytes, buf->length };
}

static char *take_text(struct cl_buf *buf)
{
    char *text = malloc(buf->length + 1);

    CL_CHECK(text);
    if (buf->length)
        memcpy(text, buf->bytes, buf->length);
    text[buf->length] = '\0';
    return text;
}

static void put_texts(struct cl_modrow *row, const struct cl_modfile *file)
{
    snprintf(row->policy, sizeof(row->policy), "%s", file->policy);
    free(row->description);
    row->description = strdup(file->description ? file->description : "");
    CL_CHECK(row->description);
    row->retry = file->retry;
}

static char *make_reason(const struct cl_modfile *file)
{
    char *reason = NULL;

    CL_CHECK((file->line > 0 ? asprintf(&reason, "line %d: %s", (int)file->line, file->reason)
                             : asprintf(&reason, "%s", file->reason)) >= 0);
    return reason;
}

static struct cl_modrow *make_row(struct cl_modbatch *batch, struct cl_modfile *file,
                                  const struct cl_modrow *before)
{
    struct cl_modrow *row = calloc(1, sizeof(*row));

    CL_CHECK(row);
    memcpy(row->name, file->name, sizeof(row->name));
    memcpy(row->version, file->version, sizeof(row->version));
    put_texts(row, file);
    row->functions = take_text(&file->functions);
    row->functions_length = file->functions.length;
    row->imports = cl_modrow_imports(view(&file->imports), &row->imports_length);
    row->source_bytes = file->source.length;
    row->code_bytes = file->code.length;
    row->created_us = before ? before->created_us : batch->now_us;
    row->updated_us = batch->now_us;
    row->is_served = batch->is_served;
    if (file->state == CL_MODFILE_BROKEN)
        row->reason = make_reason(file);
    return row;
}

static void put_in_force(struct cl_modbatch *batch, struct cl_modfile *file)
{
    const struct cl_modparts parts = { view(&file->source), view(&file->code),
                                       view(&file->functions), view(&file->imports) };
    const struct cl_modtenant *of = cl_modules_tenant(batch->modules, batch->tenant, true);
    struct cl_modrow *before =
        cl_modtable_find(batch->is_served ? &of->served : &of->put, file->name);
    struct cl_modrow *row = make_row(batch, file, before);

    file->is_new = !before;
    cl_modules_put_row(batch->modules, batch->tenant, row);
    cl_modheld_attach(
        cl_modheld_put(batch->modules, batch->tenant, row->name, row->version, &parts), row);
    if (batch->is_served)
        cl_modheld_pin(batch->modules, row->held);
}

/* A file that does not compile takes no good one's place. Of a single one that is refused nothing
 * stays; one of a set says why to whoever lists or calls it, until it is mended or pushed again. */
static void note_broken(struct cl_modbatch *batch, struct cl_modfile *file)
{
    const struct cl_modtenant *of = cl_modules_tenant(batch->modules, batch->tenant, true);

    if (batch->is_served || (batch->is_push && !cl_modtable_find(&of->put, file->name)))
        cl_modules_put_row(batch->modules, batch->tenant, make_row(batch, file, NULL));
}

/* So that there are never more of them than files in one push. */
static void forget_broken(struct cl_modbatch *batch, struct cl_modtenant *of)
{
    while (of->broken.count > 0) {
        struct cl_modrow *row = of->broken.items[of->broken.count - 1];

        cl_modrow_free(batch->modules, cl_modtable_take(&of->broken, row->name));
    }
}

static void apply(struct cl_modbatch *batch, struct cl_modfile *file)
{
    const struct cl_modtenant *of = cl_modules_tenant(batch->modules, batch->tenant, true);
    struct cl_modrow *row = cl_modtable_find(&of->put, file->name);

    if (file->state == CL_MODFILE_GOOD)
        put_in_force(batch, file);
    else if (file->state == CL_MODFILE_BROKEN)
        note_broken(batch, file);
    else if (file->state == CL_MODFILE_CHANGED && row) {
        put_texts(row, file);
        row->updated_us = batch->now_us;
    }
}

static void apply_all(struct cl_modbatch *batch)
{
    struct cl_modtenant *of = cl_modules_tenant(batch->modules, batch->tenant, true);
    struct cl_modtable *table = batch->is_served ? &of->served : &of->put;

    if (batch->is_push)
        forget_broken(batch, of);
    for (size_t i = 0; i < batch->count; i++)
        apply(batch, &batch->files[i]);
    for (size_t i = 0; i < batch->pruned_count; i++)
        cl_modrow_free(batch->modules, cl_modtable_take(table, batch->pruned[i]));
}

static void on_written(void *arg, const struct cl_err *err)
{
    struct cl_modbatch *batch = arg;

    const struct cl_modtenant *of = cl_modules_tenant(batch->modules, batch->tenant, true);

    if (err->kind != CL_E_NONE)
        cl_storeq_refuse(&batch->refusal, err);
    else if (!batch->is_served || batch->turn == of->served_turn)
        apply_all(batch);
    batch->done(batch->self, batch);
}

static bool is_in_batch(const struct cl_modbatch *batch, const char *name)
{
    for (size_t i = 0; i < batch->count; i++) {
        if (strcmp(batch->files[i].name, name) == 0)
            return true;
    }
    return false;
}

static void list_pruned(struct cl_modbatch *batch)
{
    const struct cl_modtenant *of = cl_modules_tenant(batch->modules, batch->tenant, true);
    const struct cl_modtable *table = batch->is_served ? &of->served : &of->put;

    if (!batch->prunes || table->count == 0)
        return;
    batch->pruned = calloc(table->count, sizeof(*batch->pruned));
    CL_CHECK(batch->pruned);
    for (size_t i = 0; i < table->count; i++) {
        const struct cl_modrow *row = table->items[i];

        if (!is_in_batch(batch, row->name))
            memcpy(batch->pruned[batch->pruned_count++], row->name, sizeof(row->name));
    }
}

static bool has_to_write(const struct cl_modbatch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        if (is_written(&batch->files[i]))
            return true;
    }
    return batch->pruned_count > 0;
}

void cl_modbatch_keep(struct cl_modbatch *batch)
{
    struct cl_err err = CL_ERR_INIT;
    size_t bytes = 0;

    batch->now_us = cl_utc_us();
    list_pruned(batch);
    for (size_t i = 0; i < batch->count; i++)
        bytes += batch->files[i].source.length + batch->files[i].code.length;
    if (batch->is_served || !has_to_write(batch))
        on_written(batch, &err);
    else if (cl_storeq_run_bytes(batch->modules->app->storeq, write_all, on_written, batch,
                                 bytes, &err) < 0)
        on_written(batch, &err);
}
