/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of PUT /v1/modules/{name} and of a push: a body that is taken has members of the kinds
 * that were asked for, and every text of it ends where it says.
 * Runs in: tests only.
 * Trusts: nothing; the first byte says which body.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "api/modules/body.h"
#include "api/modules/row.h"
#include "api/visit.h"
#include "sandbox/base/own.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* body.c also asks who the visitor is; reading does not. */
struct cl_pool *cl_tenancy_find(const struct cl_tenancy *tenancy,
                                const struct cl_tenant *tenant, const char *policy)
{
    (void)tenancy, (void)tenant, (void)policy;
    abort();
}

struct cl_modtenant *cl_modules_tenant(struct cl_modules *modules, const char *name, bool make)
{
    (void)modules, (void)name, (void)make;
    abort();
}

void *cl_modtable_find(const struct cl_modtable *table, const char *name)
{
    (void)table, (void)name;
    abort();
}

static void check_kind(struct cl_json value, enum cl_json_kind kind)
{
    const enum cl_json_kind is = value.length > 0 ? cl_json_kind(value) : kind;

    CL_CHECK(is == kind || (kind == CL_JSON_TRUE && is == CL_JSON_FALSE));
}

static void check_refusal(const struct cl_refusal *refusal)
{
    CL_CHECK(refusal->kind == CL_R_MALFORMED && refusal->detail[0]);
    CL_CHECK(memchr(refusal->pointer, '\0', sizeof(refusal->pointer)));
}

static void check_texts(const struct cl_modbody *body)
{
    struct cl_refusal refusal = CL_REFUSAL_INIT;
    char room[CL_NAME_MAX];

    const struct cl_json texts[] = { body->policy, body->description, body->source };

    for (size_t i = 0; i < CL_COUNT(texts); i++) {
        if (cl_modbody_text(texts[i], "policy", room, sizeof(room), &refusal) == 0)
            CL_CHECK(strlen(room) < sizeof(room) && strlen(room) <= texts[i].length);
        else
            check_refusal(&refusal);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct cl_refusal refusal = CL_REFUSAL_INIT;
    struct cl_modbody body = { 0 };

    if (length == 0)
        return 0;
    const bool is_push = bytes[0] & 1;
    if (cl_modbody_read(&body, is_push, (const char *)bytes + 1, length - 1, &refusal) < 0) {
        check_refusal(&refusal);
        return 0;
    }
    CL_CHECK(is_push ? body.source.length == 0 : body.files.length == 0);
    check_kind(body.source, CL_JSON_STRING);
    check_kind(body.files, CL_JSON_OBJECT);
    check_kind(body.description, CL_JSON_STRING);
    check_kind(body.policy, CL_JSON_STRING);
    check_kind(body.retry, CL_JSON_TRUE);
    check_kind(body.prune, CL_JSON_TRUE);
    check_texts(&body);
    return 0;
}
