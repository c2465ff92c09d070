/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions of exchange.h and server.h that the API calls, written down instead of sent.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/exchange_fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/http1/server.h"

void exchange_fake_init(struct cl_exchange *x, const char *method, const char *path)
{
    memset(x, 0, sizeof(*x));
    x->head.method = method;
    x->head.path = path;
    x->head.query = "";
    x->head.fields = x->fields;
    x->head.keep_alive = true;
    x->body.limit = 64 << 20;
    x->may_reserve = SIZE_MAX;
}

void exchange_fake_fini(struct cl_exchange *x)
{
    cl_buf_fini(&x->body);
}

void exchange_fake_field(struct cl_exchange *x, const char *name, const char *value)
{
    x->fields[x->head.field_count++] = (struct cl_http_field){ name, value };
}

const char *exchange_fake_text(struct cl_exchange *x)
{
    struct cl_err err = CL_ERR_INIT;

    CL_CHECK(cl_buf_put(&x->body, "", 1, &err) == 0);
    x->body.length--;
    return (const char *)x->body.bytes;
}

const struct cl_http_head *cl_exchange_head(const struct cl_exchange *x)
{
    return &x->head;
}

const char *cl_exchange_field(const struct cl_exchange *x, const char *name)
{
    for (size_t i = 0; i < x->head.field_count; i++) {
        if (strcmp(x->fields[i].name, name) == 0)
            return x->fields[i].value;
    }
    return NULL;
}

const uint8_t *cl_exchange_certificate(const struct cl_exchange *x)
{
    (void)x;
    return NULL;
}

const char *cl_exchange_peer(const struct cl_exchange *x)
{
    (void)x;
    return "192.0.2.7";
}

void cl_exchange_want_body(struct cl_exchange *x, size_t most_bytes)
{
    x->wanted_body = most_bytes;
}

bool cl_exchange_reserve(struct cl_exchange *x, size_t bytes)
{
    if (bytes > x->reserved && bytes > x->may_reserve)
        return false;
    x->reserved = bytes;
    if (bytes > x->most_reserved)
        x->most_reserved = bytes;
    return true;
}

void cl_exchange_set_user(struct cl_exchange *x, void *user)
{
    x->user = user;
}

void *cl_exchange_user(const struct cl_exchange *x)
{
    return x->user;
}

uint64_t cl_exchange_id(const struct cl_exchange *x)
{
    (void)x;
    return 1;
}

void cl_exchange_header(struct cl_exchange *x, const char *name, const char *value)
{
    const size_t at = strlen(x->headers);

    snprintf(x->headers + at, sizeof(x->headers) - at, "%s: %s\n", name, value);
}

static void put(struct cl_exchange *x, const void *bytes, size_t length)
{
    struct cl_err err = CL_ERR_INIT;

    CL_CHECK(cl_buf_put(&x->body, bytes, length, &err) == 0);
}

void cl_exchange_answer(struct cl_exchange *x, int status, const char *content_type,
                        const void *body, size_t length)
{
    CL_CHECK(x->status == 0); /* one answer only */
    x->status = status;
    snprintf(x->type, sizeof(x->type), "%s", content_type);
    put(x, body, length);
    x->is_finished = true;
}

void cl_exchange_begin(struct cl_exchange *x, int status, const char *content_type)
{
    CL_CHECK(x->status == 0);
    x->status = status;
    snprintf(x->type, sizeof(x->type), "%s", content_type);
    x->is_begun = true;
}

void cl_exchange_write(struct cl_exchange *x, const void *bytes, size_t length)
{
    CL_CHECK(x->is_begun && !x->is_finished);
    x->writes++;
    put(x, bytes, length);
}

bool cl_exchange_is_drained(const struct cl_exchange *x)
{
    return !x->is_stuck;
}

void cl_exchange_finish(struct cl_exchange *x)
{
    CL_CHECK(x->is_begun && !x->is_finished);
    x->is_finished = true;
}

void cl_exchange_abort(struct cl_exchange *x)
{
    x->is_aborted = true;
}

void cl_exchange_problem(struct cl_exchange *x, int status, const char *type, const char *title,
                         const char *detail, const char *extra)
{
    (void)title;
    snprintf(x->slug, sizeof(x->slug), "%s", type);
    snprintf(x->detail, sizeof(x->detail), "%s", detail ? detail : "");
    cl_exchange_answer(x, status, "application/problem+json", extra ? extra : "",
                       extra ? strlen(extra) : 0);
}

void cl_exchange_fail(struct cl_exchange *x, const struct cl_err *err)
{
    cl_exchange_problem(x, 500, "internal", "", err->text, NULL);
}

uint64_t cl_http_server_charged(const struct cl_http_server *server)
{
    (void)server;
    return 11;
}

const struct cl_http_counts *cl_http_server_counts(const struct cl_http_server *server)
{
    static const struct cl_http_counts counts = { 8, 9, 10 };

    (void)server;
    return &counts;
}

uint32_t cl_http_server_connections(const struct cl_http_server *server)
{
    (void)server;
    return 7;
}

/* Nobody is kept out: whoever asks here does so by hand. */
void cl_http_server_hold(struct cl_http_server *server)
{
    (void)server;
}

void cl_http_server_open(struct cl_http_server *server)
{
    (void)server;
}
