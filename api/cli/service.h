/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Cloche service as a client sees it: where it is, which token opens it, one request at a
 * time (libcurl). Redirects are not followed: a token goes where the user said and nowhere else.
 */
#ifndef CL_CLI_SERVICE_H
#define CL_CLI_SERVICE_H

#include "api/cli/verb.h"
#include "sandbox/base/buf.h"

#define CL_SERVICE_URL   "http://127.0.0.1:8420"
#define CL_SERVICE_STATE "/var/lib/cloche"

enum { CL_ANSWER_MAX = 1 << 30 };

struct cl_service {
    void *curl;       /* CURL, owned */
    const char *base; /* borrowed from the command line or the environment */
    char token[512];
};

#define CL_SERVICE_INIT                                                                        \
    {                                                                                          \
        NULL, NULL,                                                                            \
        {                                                                                      \
            0                                                                                  \
        }                                                                                      \
    }

/* What came back. A problem (status 400 and above) is always in `body`, never streamed. */
struct cl_answer {
    long status;
    uint64_t took_us; /* from the connection being there to the answer's last byte */
    bool is_text;     /* text/plain, as the service says */
    struct cl_buf body;
};

#define CL_ANSWER_INIT                                                                         \
    {                                                                                          \
        .body = CL_BUF_INIT(CL_ANSWER_MAX)                                                     \
    }

/* Gets pieces of a streamed answer as they come; -1 stops the request. */
struct cl_sink {
    int (*take)(void *user, const char *bytes, size_t length, struct cl_err *err);
    void *user;
};

/* CL_E_INPUT when there is no usable url or token. */
int cl_service_open(struct cl_service *service, const struct cl_args *args, struct cl_err *err);
void cl_service_close(struct cl_service *service);

/* With a sink, asks for NDJSON. CL_E_LOST when the service can't be reached or broke off; an
 * error of the sink comes back as it is. Blocks; Ctrl-C ends the process, which closes the
 * connection, which cancels the call. */
int cl_service_post(struct cl_service *service, const char *path, const struct cl_buf *body,
                    const struct cl_sink *sink, struct cl_answer *answer, struct cl_err *err);

/* Any other request. */
struct cl_sending {
    const char *method;        /* "GET", "PUT", "DELETE", "POST" */
    const char *path;          /* with its query */
    const struct cl_buf *body; /* NULL: none */
    const char *type;          /* of the body; NULL: application/json */
    struct {
        const char *name, *value;
    } fields[4]; /* name NULL: no more */
};

/* Like post. */
int cl_service_send(struct cl_service *service, const struct cl_sending *sending,
                    const struct cl_sink *sink, struct cl_answer *answer, struct cl_err *err);
/* Appends text to a path or a query, escaped. */
int cl_service_escape(struct cl_buf *out, const char *text, struct cl_err *err);
void cl_answer_fini(struct cl_answer *answer);

/* Says a problem in a sentence on stderr; returns the exit code. */
int cl_service_problem(const struct cl_answer *answer);

#endif
