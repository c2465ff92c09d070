/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes modules and functions as JSON.
 * Runs in: cloche-api.
 * Trusts: rows: their JSON was checked, their names were, too.
 */
#include "api/modules/show.h"

#include <string.h>

#include "api/modules/row.h"
#include "sandbox/base/own.h"
#include "sandbox/base/utc.h"

static int put_key_text(struct cl_buf *out, const char *key, const char *text,
                        struct cl_err *err)
{
    if (cl_buf_format(out, err, ",\"%s\":", key) < 0)
        return -1;
    return cl_json_put_string(out, text, strlen(text), err);
}

static int put_time(struct cl_buf *out, const char *key, int64_t us, struct cl_err *err)
{
    char text[CL_UTC_SIZE];

    return cl_buf_format(out, err, ",\"%s\":\"%sZ\"", key, cl_utc_text(us, 0, text));
}

static int put_head(struct cl_buf *out, const struct cl_module *module, struct cl_err *err)
{
    if (cl_buf_format(out, err, "{\"name\":\"%s\"", module->name) < 0 ||
        put_key_text(out, "version", module->version, err) < 0)
        return -1;
    if (module->reason && put_key_text(out, "error", module->reason, err) < 0)
        return -1;
    return 0;
}

static int put_tail(struct cl_buf *out, const struct cl_module *module, struct cl_err *err)
{
    if (put_key_text(out, "description", module->description, err) < 0 ||
        (module->policy[0] ? put_key_text(out, "policy", module->policy, err)
                           : cl_buf_put_text(out, ",\"policy\":null", err)) < 0)
        return -1;
    if (cl_buf_format(out, err, ",\"retry\":%s,\"served\":%s,\"bytes\":%zu",
                      module->retry ? "true" : "false", module->is_served ? "true" : "false",
                      module->source_bytes) < 0 ||
        put_time(out, "created_at", module->created_us, err) < 0 ||
        put_time(out, "updated_at", module->updated_us, err) < 0)
        return -1;
    return cl_buf_put_text(out, "}", err);
}

static int put_json(struct cl_buf *out, const char *key, struct cl_json value,
                    const char *otherwise, struct cl_err *err)
{
    if (cl_buf_format(out, err, ",\"%s\":", key) < 0)
        return -1;
    return value.length ? cl_buf_put(out, value.text, value.length, err)
                        : cl_buf_put_text(out, otherwise, err);
}

int cl_modules_show(struct cl_buf *out, const struct cl_module *module, struct cl_err *err)
{
    if (put_head(out, module, err) < 0 ||
        put_json(out, "functions", module->functions, "[]", err) < 0)
        return -1;
    return put_tail(out, module, err);
}

int cl_modules_show_stored(struct cl_buf *out, const struct cl_store_module *stored,
                           struct cl_err *err)
{
    const struct cl_module module = {
        .name = stored->name,
        .version = stored->version,
        .policy = stored->policy,
        .description = stored->description,
        .functions = { stored->functions.bytes, stored->functions.length },
        .retry = stored->retry,
        .source_bytes = stored->source.length,
        .created_us = stored->created_us,
        .updated_us = stored->updated_us,
    };

    return cl_modules_show(out, &module, err);
}

int cl_modules_show_version(struct cl_buf *out, const struct cl_store_module *stored,
                            bool is_first, struct cl_err *err)
{
    if (cl_buf_format(out, err, "%s{\"version\":\"%s\",\"is_current\":%s", is_first ? "" : ",",
                      stored->version, stored->is_current ? "true" : "false") < 0 ||
        put_time(out, "created_at", stored->created_us, err) < 0)
        return -1;
    return cl_buf_put_text(out, "}", err);
}

static int put_names(struct cl_buf *out, const struct cl_module *module, struct cl_err *err)
{
    struct cl_json key;
    struct cl_json function;
    size_t cursor = 0;
    bool is_first = true;

    while (cl_json_kind(module->functions) == CL_JSON_ARRAY &&
           cl_json_next(module->functions, &cursor, &key, &function)) {
        const struct cl_json name = cl_modules_member(function, "name");

        if ((!is_first && cl_buf_put_text(out, ",", err) < 0) ||
            cl_buf_put(out, name.text, name.length, err) < 0)
            return -1;
        is_first = false;
    }
    return 0;
}

int cl_modules_show_short(struct cl_buf *out, const struct cl_module *module, bool is_first,
                          struct cl_err *err)
{
    if ((!is_first && cl_buf_put_text(out, ",", err) < 0) || put_head(out, module, err) < 0 ||
        cl_buf_put_text(out, ",\"functions\":[", err) < 0 || put_names(out, module, err) < 0 ||
        cl_buf_put_text(out, "]", err) < 0)
        return -1;
    return put_tail(out, module, err);
}

/* {"name": "net", ...} as {"function": "prices.net", "module": ..., "name": "net", ...}. */
static int put_function(struct cl_buf *out, const struct cl_module *module,
                        struct cl_json function, struct cl_err *err)
{
    const struct cl_json name = cl_modules_member(function, "name");

    if (cl_buf_format(out, err, "{\"function\":\"%s.", module->name) < 0 ||
        cl_buf_put(out, name.text + 1, name.length - 1, err) < 0 ||
        cl_buf_format(out, err, ",\"module\":\"%s\",\"version\":\"%s\",", module->name,
                      module->version) < 0)
        return -1;
    return cl_buf_put(out, function.text + 1, function.length - 1, err);
}

int cl_modules_show_functions(struct cl_buf *out, const struct cl_module *module, bool is_first,
                              struct cl_err *err)
{
    struct cl_json key;
    struct cl_json function;
    size_t cursor = 0;

    while (cl_json_kind(module->functions) == CL_JSON_ARRAY &&
           cl_json_next(module->functions, &cursor, &key, &function)) {
        if ((!is_first && cl_buf_put_text(out, ",", err) < 0) ||
            put_function(out, module, function, err) < 0)
            return -1;
        is_first = false;
    }
    return 0;
}
