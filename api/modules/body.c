/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the JSON bodies that bring modules, and checks what does not need a jail.
 * Runs in: cloche-api.
 * Trusts: nothing; every byte is the caller's.
 */
#include "api/modules/body.h"

#include <string.h>

#include "api/modules/row.h"
#include "api/visit.h"
#include "sandbox/base/own.h"

enum { MODULES_MAX = 20000 };

static const struct member {
    const char *key;
    size_t offset;
    enum cl_json_kind kind; /* TRUE stands for both */
    bool of_put, of_push;
} members[] = {
    { "source", offsetof(struct cl_modbody, source), CL_JSON_STRING, true, false },
    { "files", offsetof(struct cl_modbody, files), CL_JSON_OBJECT, false, true },
    { "description", offsetof(struct cl_modbody, description), CL_JSON_STRING, true, false },
    { "policy", offsetof(struct cl_modbody, policy), CL_JSON_STRING, true, true },
    { "retry", offsetof(struct cl_modbody, retry), CL_JSON_TRUE, true, false },
    { "prune", offsetof(struct cl_modbody, prune), CL_JSON_TRUE, false, true },
};

int cl_modbody_malformed(struct cl_refusal *refusal, const char *key, const char *what)
{
    if (*key)
        cl_refusal_point(refusal, key, strlen(key));
    return cl_refusal_set(refusal, CL_R_MALFORMED, "%s", what);
}

int cl_modbody_failed(struct cl_refusal *refusal, const char *key, const struct cl_err *err)
{
    return err->kind == CL_E_SYS ? cl_refusal_failed(refusal, CL_R_MALFORMED, err)
                                 : cl_modbody_malformed(refusal, key, err->text);
}

static int put_member(struct cl_modbody *body, bool is_push, struct cl_json key,
                      struct cl_json value, struct cl_refusal *refusal)
{
    for (size_t i = 0; i < CL_COUNT(members); i++) {
        const struct member *member = &members[i];
        enum cl_json_kind kind = cl_json_kind(value);

        if (!cl_json_is(key, member->key) || !(is_push ? member->of_push : member->of_put))
            continue;
        if (kind == CL_JSON_FALSE)
            kind = CL_JSON_TRUE;
        if (kind != member->kind)
            return cl_modbody_malformed(refusal, member->key,
                                        "a value of another kind is expected");
        *(struct cl_json *)(void *)((char *)body + member->offset) = value;
        return 0;
    }
    return cl_modbody_malformed(
        refusal, "",
        is_push ? "unknown key; known are files, policy and prune"
                : "unknown key; known are source, description, policy and retry");
}

int cl_modbody_read(struct cl_modbody *body, bool is_push, const char *text, size_t length,
                    struct cl_refusal *refusal)
{
    const struct cl_json_caps caps = CL_JSON_CAPS(length);
    struct cl_err err = CL_ERR_INIT;
    struct cl_json object;
    struct cl_json key;
    struct cl_json value;
    size_t cursor = 0;
    size_t at = 0;

    if (cl_json_check(text, length, &caps, &object, &at, &err) < 0)
        return cl_modbody_failed(refusal, "", &err);
    if (cl_json_kind(object) != CL_JSON_OBJECT)
        return cl_modbody_malformed(refusal, "", "the body is not a JSON object");
    while (cl_json_next(object, &cursor, &key, &value)) {
        if (put_member(body, is_push, key, value, refusal) < 0)
            return -1;
    }
    return 0;
}

/* A short text; the room is filled only when it fits. */
int cl_modbody_text(struct cl_json value, const char *key, char *room, size_t size,
                    struct cl_refusal *refusal)
{
    struct cl_buf CL_AUTO(cl_buf_fini) text = CL_BUF_INIT(size - 1);
    struct cl_err err = CL_ERR_INIT;

    room[0] = '\0';
    if (value.length == 0)
        return 0;
    const bool is_read = cl_json_string(value, &text, &err) == 0;
    if (!is_read && err.kind == CL_E_SYS)
        return cl_modbody_failed(refusal, key, &err);
    if (!is_read || (text.length && memchr(text.bytes, '\0', text.length)))
        return cl_modbody_malformed(refusal, key, "too long, or with a NUL");
    memcpy(room, text.length ? (const char *)text.bytes : "", text.length);
    room[text.length] = '\0';
    return 0;
}

int cl_modbody_policy(struct cl_visit *visit, struct cl_json value, char policy[CL_NAME_MAX],
                      struct cl_refusal *refusal)
{
    if (cl_modbody_text(value, "policy", policy, CL_NAME_MAX, refusal) < 0)
        return -1;
    if (cl_tenancy_find(visit->app->tenancy, visit->tenant, policy))
        return 0;
    cl_refusal_point(refusal, "policy", strlen("policy"));
    return cl_refusal_set(refusal, CL_R_POLICY_NOT_ALLOWED, "no policy \"%s\" for this token",
                          policy);
}

int cl_modbody_check_size(size_t length, struct cl_refusal *refusal)
{
    if (length <= CL_MODULE_SOURCE_MAX)
        return 0;
    refusal->limit = CL_MODULE_SOURCE_MAX;
    return cl_refusal_set(refusal, CL_R_TOO_LARGE, "a module has at most %d bytes",
                          CL_MODULE_SOURCE_MAX);
}

/* A name that may be put: nobody else serves it, and there is room for one more. */
int cl_modbody_check_name(struct cl_visit *visit, const char *name, struct cl_refusal *refusal)
{
    const struct cl_modtenant *of =
        cl_modules_tenant(visit->app->modules, visit->tenant->name, true);

    if (cl_modtable_find(&of->served, name))
        return cl_refusal_set(refusal, CL_R_MODULE_SERVED,
                              "\"%s\" is a file of the tenant's functions_dir", name);
    if (!cl_modtable_find(&of->put, name) && of->put.count >= MODULES_MAX) {
        refusal->limit = MODULES_MAX;
        return cl_refusal_set(refusal, CL_R_STORE_FULL, "a tenant has at most %d modules",
                              MODULES_MAX);
    }
    return 0;
}
