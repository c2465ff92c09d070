/* SPDX-License-Identifier: Apache-2.0 */
/* Where cloched's callers connect. */
#ifndef CL_LISTEN_H
#define CL_LISTEN_H

#include <arpa/inet.h>
#include <stdbool.h>

#include "sandbox/base/err.h"

struct cl_listen {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address;
    int plain_length; /* of the address in the text, without ':' and port */
    char text[80];    /* what is listened on, as in a URL; cl_listen_open writes it */
};

/* "127.0.0.1:8420" or "[::1]:8420". */
int cl_listen_parse(const char *text, struct cl_listen *place, struct cl_err *err);
/* Whether nobody but this machine can connect. */
bool cl_listen_is_loopback(const struct cl_listen *place);
/* A listening socket at the parsed place of `text`; port 0 picks one. */
int cl_listen_open(const char *text, struct cl_listen *place, struct cl_err *err);

#endif
