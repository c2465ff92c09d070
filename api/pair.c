/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts a pair of certificate and key in the place of the one before.
 * Runs in: cloche-api.
 * Trusts: the admin's files as far as OpenSSL takes them.
 */
#include "api/pair.h"

#include <inttypes.h>
#include <stdio.h>

#include "api/confine.h"
#include "api/http1/tls.h"
#include "sandbox/base/fdpass.h"
#include "sandbox/base/log.h"

static int refuse(struct cl_app *app, const struct cl_err *err)
{
    cl_log(CL_ERROR, "tls.refused", "what=\"%s\"", err->text);
    snprintf(app->tls_problem, sizeof(app->tls_problem), "%s", err->text);
    return app->server ? 0 : -1;
}

int cl_pair_take(struct cl_app *app, const struct cl_msg_tls *msg, int fd, struct cl_err *err)
{
    char digest[2 * CL_TLS_DIGEST + 1];

    if (!app->has_tls)
        return 0; /* it was started without: cloche.yaml changed in between */
    struct cl_tls *tls = cl_tls_open(msg, fd, err);
    if (!tls)
        return refuse(app, err);
    app->tls_problem[0] = '\0';
    app->tls_until = cl_tls_until(tls);
    cl_tls_put_digest(tls, digest);
    cl_log(CL_INFO, "tls.loaded", "sha256=%s until=%" PRId64, digest, app->tls_until);
    if (app->server) {
        cl_http_server_take_tls(app->server, &tls);
    } else {
        cl_tls_free(app->tls);
        app->tls = tls;
    }
    return 0;
}

int cl_pair_check(void)
{
    struct cl_err err = CL_ERR_INIT;
    union cl_msg_any msg;
    int fds[CL_FDPASS_MAX];
    size_t fd_count = 0;

    if (cl_confine_memory(&err) < 0 || cl_tls_prepare(&err) < 0 ||
        cl_msg_recv(CL_CONTROL_FD, CL_WAY_CLOCHED_TO_API, &msg, fds, &fd_count, &err) != 1 ||
        msg.head.type != CL_M_TLS)
        return 2;
    struct cl_tls *tls = cl_tls_open(&msg.tls, fds[0], &err);
    if (!tls)
        fprintf(stderr, "cloched: cloche.yaml: %s\n", err.text);
    cl_tls_free(tls);
    return tls ? 0 : 1;
}
