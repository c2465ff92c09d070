/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET of modules and functions, and DELETE.
 * Runs in: cloche-api.
 * Trusts: nothing of a request; rows were checked on their way in.
 */
#include <string.h>

#include "api/field.h"
#include "api/http1/exchange.h"
#include "api/modules/row.h"
#include "api/modules/show.h"
#include "api/query.h"
#include "api/storeq.h"
#include "api/visit.h"
#include "sandbox/base/own.h"

enum { PAGE = 100, PAGE_MAX = 1000, ANSWER_MAX = 64 << 20 };

/* ------------------------------------------------------------------------------------ lists */

struct page {
    struct cl_modules *modules;
    const struct cl_tenant *tenant;
    char after[CL_QUERY_VALUE_MAX];
    uint64_t limit;
};

static int read_page(struct cl_visit *visit, struct page *page, struct cl_refusal *refusal)
{
    struct cl_query known[] = { { .name = "limit" }, { .name = "cursor" } };

    page->modules = visit->app->modules;
    page->tenant = visit->tenant;
    page->limit = PAGE;
    if (cl_query_parse(cl_exchange_head(visit->exchange)->query, known, CL_COUNT(known),
                       refusal) < 0 ||
        cl_query_u64(&known[0], 1, PAGE_MAX, &page->limit, refusal) < 0)
        return -1;
    if (known[1].is_given && !cl_module_is_name(known[1].value))
        return cl_refusal_set(refusal, CL_R_MALFORMED,
                              "parameter \"cursor\" is the `next` of the page before");
    snprintf(page->after, sizeof(page->after), "%s", known[1].value);
    return 0;
}

/* `next` is the name of the last module that was shown. */
static int put_end(const struct page *page, struct cl_module *module, bool has_more,
                   struct cl_buf *out, struct cl_err *err)
{
    (void)page;
    if (has_more)
        return cl_buf_format(out, err, "],\"next\":\"%s\"}", module->name);
    return cl_buf_put_text(out, "],\"next\":null}", err);
}

typedef int put_module(struct cl_buf *out, const struct cl_module *module, bool is_first,
                       struct cl_err *err);

static int put_page(const struct page *page, const char *key, put_module *put,
                    struct cl_buf *out, struct cl_err *err)
{
    struct cl_module module = { .name = page->after };
    struct cl_module more;
    uint64_t left = page->limit;

    if (cl_buf_format(out, err, "{\"%s\":[", key) < 0)
        return -1;
    while (left > 0 && cl_modules_next(page->modules, page->tenant, module.name, &module)) {
        if (put(out, &module, out->bytes[out->length - 1] == '[', err) < 0)
            return -1;
        left--;
    }
    return put_end(page, &module,
                   left == 0 &&
                       cl_modules_next(page->modules, page->tenant, module.name, &more),
                   out, err);
}

static int answer_page(struct cl_visit *visit, const char *key, put_module *put,
                       struct cl_refusal *refusal)
{
    struct cl_buf CL_AUTO(cl_buf_fini) out = CL_BUF_INIT(ANSWER_MAX);
    struct cl_err err = CL_ERR_INIT;
    struct page page;

    if (read_page(visit, &page, refusal) < 0)
        return -1;
    if (put_page(&page, key, put, &out, &err) < 0)
        return cl_refusal_set(refusal, CL_R_NO_MEMORY, "the page is too large; give a limit");
    cl_visit_answer(visit, "application/json", &out);
    return 0;
}

int cl_modules_list(struct cl_visit *visit, const char *body, size_t length,
                    struct cl_refusal *refusal)
{
    (void)body;
    (void)length;
    return answer_page(visit, "modules", cl_modules_show_short, refusal);
}

int cl_functions_list(struct cl_visit *visit, const char *body, size_t length,
                      struct cl_refusal *refusal)
{
    (void)body;
    (void)length;
    return answer_page(visit, "functions", cl_modules_show_functions, refusal);
}

/* ---------------------------------------------------------------------------- one module */

/* A read of one version, by somebody who waits for it. */
struct get {
    struct cl_visit *visit; /* NULL: the client is gone */
    char tenant[CL_NAME_MAX];
    char name[CL_MODULE_NAME_MAX + 1];
    char version[CL_MODULE_VERSION + 1]; /* "": the present one */
    bool wants_source;
    bool wants_versions;
    bool is_there;
    struct cl_buf out;
};

static int show_version(void *self, const struct cl_store_module *stored, struct cl_err *err)
{
    struct get *get = self;
    const bool is_first = !get->is_there;

    get->is_there = true;
    return cl_modules_show_version(&get->out, stored, is_first, err);
}

static int read_versions(struct cl_store *store, struct get *get, struct cl_err *err)
{
    if (cl_buf_put_text(&get->out, "{\"versions\":[", err) < 0 ||
        cl_store_module_versions(store, get->tenant, get->name, show_version, get, err) < 0)
        return -1;
    return cl_buf_put_text(&get->out, "]}", err);
}

static int show_stored(void *self, const struct cl_store_module *stored, struct cl_err *err)
{
    struct get *get = self;

    get->is_there = true;
    if (get->wants_source)
        return cl_buf_put(&get->out, stored->source.bytes, stored->source.length, err);
    return cl_modules_show_stored(&get->out, stored, err);
}

static int read_stored(struct cl_store *store, void *arg, struct cl_err *err)
{
    struct get *get = arg;

    if (get->wants_versions)
        return read_versions(store, get, err);
    return cl_store_module_get(store, get->tenant, get->name,
                               get->version[0] ? get->version : NULL, show_stored, get, err);
}

static int refuse_absent(const char *name, const char *version, struct cl_refusal *refusal)
{
    if (version[0])
        return cl_refusal_set(refusal, CL_R_MODULE_NOT_FOUND,
                              "there is no module \"%.64s\" of version %.64s", name, version);
    return cl_refusal_set(refusal, CL_R_MODULE_NOT_FOUND, "there is no module \"%.64s\"", name);
}

static void on_gone(void *self)
{
    ((struct get *)self)->visit = NULL;
}

static const struct cl_visit_later later = { .on_end = on_gone };

static void on_stored(void *arg, const struct cl_err *err)
{
    struct get *get = arg;
    struct cl_visit *visit = get->visit;
    struct cl_refusal refusal = CL_REFUSAL_INIT;

    if (visit) {
        visit->later = NULL;
        if (err->kind != CL_E_NONE)
            cl_storeq_refuse(&refusal, err);
        else if (!get->is_there)
            refuse_absent(get->name, get->version, &refusal);
        if (refusal.kind != CL_R_NONE)
            cl_visit_refuse(visit->app, visit->exchange, &refusal);
        else
            cl_visit_answer(visit, get->wants_source ? "text/x-python" : "application/json",
                            &get->out);
    }
    cl_buf_fini(&get->out);
    free(get);
}

static struct get *new_get(struct cl_visit *visit, const char *version)
{
    struct get *get = calloc(1, sizeof(*get));

    CL_CHECK(get);
    get->visit = visit;
    get->out.limit = ANSWER_MAX;
    snprintf(get->tenant, sizeof(get->tenant), "%s", visit->tenant->name);
    snprintf(get->name, sizeof(get->name), "%.*s", CL_MODULE_NAME_MAX, visit->param);
    snprintf(get->version, sizeof(get->version), "%s", version);
    return get;
}

/* Takes it. */
static int start_get(struct cl_visit *visit, struct get *get, struct cl_refusal *refusal)
{
    struct cl_err err = CL_ERR_INIT;

    if (cl_storeq_read(visit->app->storeq, visit->tenant->name, read_stored, on_stored, get,
                       &err) < 0) {
        free(get);
        return cl_storeq_refuse(refusal, &err);
    }
    visit->later = &later;
    visit->later_self = get;
    return 0;
}

static int answer_row(struct cl_visit *visit, const struct cl_modrow *row, bool wants_source,
                      struct cl_refusal *refusal)
{
    struct cl_buf CL_AUTO(cl_buf_fini) out = CL_BUF_INIT(ANSWER_MAX);
    struct cl_err err = CL_ERR_INIT;
    struct cl_module module;
    int put;

    cl_modrow_view(row, &module);
    put = wants_source ? cl_buf_put(&out, row->held->bytes, row->held->source, &err)
                       : cl_modules_show(&out, &module, &err);
    if (put < 0)
        return cl_refusal_set(refusal, CL_R_NO_MEMORY, "%s", err.text);
    cl_visit_answer(visit, wants_source ? "text/x-python" : "application/json", &out);
    return 0;
}

static bool wants_source(const struct cl_visit *visit)
{
    return cl_field_weight(cl_exchange_field(visit->exchange, "accept"), "text/x-python") > 0;
}

int cl_modules_get(struct cl_visit *visit, const char *body, size_t length,
                   struct cl_refusal *refusal)
{
    struct cl_query known[] = { { .name = "version" } };
    const bool source = wants_source(visit);
    const struct cl_modrow *row;
    const char *version;

    (void)body;
    (void)length;
    if (cl_query_parse(cl_exchange_head(visit->exchange)->query, known, CL_COUNT(known),
                       refusal) < 0)
        return -1;
    row = cl_modules_row(visit->app->modules, visit->tenant->name, visit->param);
    version = known[0].value;
    if (!row || strlen(version) > CL_MODULE_VERSION)
        return refuse_absent(visit->param, version, refusal);
    if ((!version[0] || strcmp(version, row->version) == 0) && (!source || row->held))
        return answer_row(visit, row, source, refusal);
    if (row->is_served || row->reason)
        return refuse_absent(visit->param, version, refusal);
    struct get *get = new_get(visit, version[0] ? version : row->version);
    get->wants_source = source;
    return start_get(visit, get, refusal);
}

int cl_modules_versions(struct cl_visit *visit, const char *body, size_t length,
                        struct cl_refusal *refusal)
{
    const struct cl_modrow *row =
        cl_modules_row(visit->app->modules, visit->tenant->name, visit->param);
    struct get *get;

    (void)body;
    (void)length;
    if (!row || row->is_served || row->reason)
        return refuse_absent(visit->param, "", refusal);
    get = new_get(visit, "");
    get->wants_versions = true;
    return start_get(visit, get, refusal);
}

/* ----------------------------------------------------------------------------------- delete */

struct removal {
    struct cl_visit *visit;
    struct cl_modules *modules;
    char tenant[CL_NAME_MAX];
    char name[CL_MODULE_NAME_MAX + 1];
};

static int remove_stored(struct cl_store *store, void *arg, struct cl_err *err)
{
    const struct removal *removal = arg;

    return cl_store_module_delete(store, removal->tenant, removal->name, err);
}

static void on_removal_alone(void *self)
{
    ((struct removal *)self)->visit = NULL;
}

static const struct cl_visit_later removal_later = { .on_end = on_removal_alone };

static void forget_row(const struct removal *removal)
{
    struct cl_modtenant *of = cl_modules_tenant(removal->modules, removal->tenant, true);

    cl_modrow_free(removal->modules, cl_modtable_take(&of->put, removal->name));
    cl_modrow_free(removal->modules, cl_modtable_take(&of->broken, removal->name));
}

static void on_removed(void *arg, const struct cl_err *err)
{
    struct removal *removal = arg;
    struct cl_visit *visit = removal->visit;
    struct cl_refusal refusal = CL_REFUSAL_INIT;

    if (err->kind == CL_E_NONE)
        forget_row(removal);
    if (visit)
        visit->later = NULL;
    if (visit && err->kind == CL_E_NONE) {
        cl_exchange_answer(visit->exchange, 204, NULL, NULL, 0);
    } else if (visit) {
        cl_storeq_refuse(&refusal, err);
        cl_visit_refuse(visit->app, visit->exchange, &refusal);
    }
    free(removal);
}

int cl_modules_delete(struct cl_visit *visit, const char *body, size_t length,
                      struct cl_refusal *refusal)
{
    const struct cl_modrow *row =
        cl_modules_row(visit->app->modules, visit->tenant->name, visit->param);
    struct removal *removal;
    struct cl_err err = CL_ERR_INIT;

    (void)body;
    (void)length;
    if (!row)
        return refuse_absent(visit->param, "", refusal);
    if (row->is_served)
        return cl_refusal_set(refusal, CL_R_MODULE_SERVED,
                              "\"%s\" is a file of the tenant's functions_dir", row->name);
    removal = calloc(1, sizeof(*removal));
    CL_CHECK(removal);
    removal->visit = visit;
    removal->modules = visit->app->modules;
    snprintf(removal->tenant, sizeof(removal->tenant), "%s", visit->tenant->name);
    snprintf(removal->name, sizeof(removal->name), "%s", row->name);
    if (cl_storeq_run(visit->app->storeq, remove_stored, on_removed, removal, &err) < 0) {
        free(removal);
        return cl_storeq_refuse(refusal, &err);
    }
    visit->later = &removal_later;
    visit->later_self = removal;
    return 0;
}
