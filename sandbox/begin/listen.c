/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The address that callers connect to: read from text, and listened on.
 * Runs in: cloche-begin.
 * Trusts: the command line and cloche.yaml, which root wrote.
 */
#include "sandbox/begin/listen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "sandbox/base/own.h"

enum { BACKLOG = 1024 };

int cl_listen_parse(const char *text, struct cl_listen *place, struct cl_err *err)
{
    char plain[64] = "", port[8] = "";
    const bool is_v6 = text[0] == '[';
    int end = 0;

    *place = (struct cl_listen){ .plain_length = 0 };
    sscanf(text, is_v6 ? "[%63[^]]]:%5[0-9]%n" : "%63[^:]:%5[0-9]%n", plain, port, &end);
    place->address.any.sa_family = is_v6 ? AF_INET6 : AF_INET;
    void *at =
        is_v6 ? (void *)&place->address.v6.sin6_addr : (void *)&place->address.v4.sin_addr;
    if (end == 0 || text[end] != '\0' || atoi(port) > 65535 ||
        inet_pton(place->address.any.sa_family, plain, at) != 1)
        return cl_fail(err, CL_E_INPUT,
                       "--listen %s: an address like 127.0.0.1:8420 or [::1]:8420 is wanted",
                       text);
    place->address.v4.sin_port = htons((uint16_t)atoi(port)); /* the same place in both */
    place->plain_length = (int)(strrchr(text, ':') - text);
    return 0;
}

bool cl_listen_is_loopback(const struct cl_listen *place)
{
    const struct in6_addr *v6 = &place->address.v6.sin6_addr;

    if (place->address.any.sa_family == AF_INET)
        return ntohl(place->address.v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    return IN6_IS_ADDR_LOOPBACK(v6) ||
           (IN6_IS_ADDR_V4MAPPED(v6) && v6->s6_addr[12] == IN_LOOPBACKNET);
}

int cl_listen_open(const char *text, struct cl_listen *place, struct cl_err *err)
{
    socklen_t size = sizeof(place->address);
    const int one = 1;
    cl_close_auto int made =
        socket(place->address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (made < 0)
        return cl_fail(err, CL_E_SYS, "--listen %s: make a socket", text);
    if (setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
        bind(made, &place->address.any, size) < 0 || listen(made, BACKLOG) < 0 ||
        getsockname(made, &place->address.any, &size) < 0)
        return cl_fail(err, CL_E_SYS,
                       errno == EADDRINUSE ? "%s is in use by another program"
                                           : "cannot listen on %s",
                       text);
    snprintf(place->text, sizeof(place->text), "%.*s:%u", place->plain_length, text,
             ntohs(place->address.v4.sin_port));
    return cl_take_fd(&made);
}
