/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP exchange without HTTP: a test fills in the request, and reads here what the API
 * answered.
 */
#ifndef CL_TESTS_EXCHANGE_FAKE_H
#define CL_TESTS_EXCHANGE_FAKE_H

#include "api/http1/exchange.h"
#include "sandbox/base/buf.h"

enum { FAKE_FIELDS_MAX = 16 };

struct cl_exchange {
    struct cl_http_head head;
    struct cl_http_field fields[FAKE_FIELDS_MAX];
    void *user;
    size_t wanted_body;
    size_t reserved, most_reserved;
    size_t may_reserve; /* what the budget has for it */
    int status;         /* 0: no answer yet */
    char type[64];      /* Content-Type of the answer */
    char slug[64];      /* of a problem */
    char headers[512];  /* "Name: value\n" */
    struct cl_buf body; /* of the answer, or the extra members of a problem */
    char detail[256];
    bool is_begun, is_finished, is_aborted;
    bool is_stuck; /* the client does not read */
    unsigned writes;
};

void exchange_fake_init(struct cl_exchange *x, const char *method, const char *path);
void exchange_fake_fini(struct cl_exchange *x);
void exchange_fake_field(struct cl_exchange *x, const char *name, const char *value);
/* The answer's body as text. */
const char *exchange_fake_text(struct cl_exchange *x);

#endif
