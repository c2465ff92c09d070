/* SPDX-License-Identifier: Apache-2.0 */
/* Listening, connection counts and caps. One server per process. */
#ifndef CL_HTTP1_SERVER_H
#define CL_HTTP1_SERVER_H

#include <stdint.h>

#include "api/http1/exchange.h"

struct event_base;
struct cl_http_server;
struct cl_tls;

struct cl_http_caps {
    uint32_t connections;             /* open at once */
    uint32_t connections_per_address; /* open at once from one address; 0: no cap */
    uint32_t connections_local;       /* the same for this machine: proxies, the CLI */
    uint64_t memory_bytes;            /* bodies and answers of all, over 64 KiB of each */
    uint32_t head_bytes;              /* request line and fields together: 16 KiB */
    uint32_t fields;                  /* 64 */
    uint32_t head_ms;       /* whole head, from its first byte (or from accept): 10 s */
    uint32_t body_ms;       /* whole body: 30 s */
    uint32_t body_grace_ms; /* a body may start slowly for so long: 5 s */
    uint32_t body_rate;     /* least bytes per second of the body after that */
    uint32_t idle_ms;       /* between requests: 30 s */
    uint32_t write_ms;      /* with unsent bytes and no progress: 30 s */
    uint32_t write_rate;    /* least bytes per second of an answer after that time */
    uint32_t output_bytes;  /* most unsent bytes of one connection before on_drained */
};

extern const struct cl_http_caps cl_http_caps_default;

/* Since the start. */
struct cl_http_counts {
    uint64_t turned_away; /* connections that got no more than a 503 */
    uint64_t evicted;     /* idle ones, closed for a new one */
    uint64_t over_memory; /* requests and answers that the budget had no room for */
};

/* Serves an already listening, non-blocking socket (borrowed). `server_user` is on_head's
 * second argument. SIGPIPE is ignored from now on in the whole process. */
struct cl_http_server *cl_http_server_new(struct event_base *base, int listener,
                                          const struct cl_http_caps *caps,
                                          const struct cl_exchange_calls *calls,
                                          void *server_user, struct cl_err *err);
/* Connections that come from now on speak TLS, with this pair. Takes `tls`. */
void cl_http_server_take_tls(struct cl_http_server *server, struct cl_tls **tls);
/* Clients wait in the kernel's queue until the door is opened; does nothing when draining. */
void cl_http_server_hold(struct cl_http_server *server);
void cl_http_server_open(struct cl_http_server *server);
/* Stop accepting; idle connections close, busy ones after their answer ("Connection: close").
 */
void cl_http_server_drain(struct cl_http_server *server);
/* Open connections, for the end of a drain. */
uint32_t cl_http_server_connections(const struct cl_http_server *server);
/* Bytes of the budget (caps.memory_bytes) in use. */
uint64_t cl_http_server_charged(const struct cl_http_server *server);
const struct cl_http_counts *cl_http_server_counts(const struct cl_http_server *server);
/* Descriptors are short elsewhere: closes the longest idle connection and rests accepting for a
 * moment. */
void cl_http_server_relieve(struct cl_http_server *server);
/* Ends every exchange (complete = false). Not from inside a handler. */
void cl_http_server_free(struct cl_http_server *server);

/* RFC 9457. `type` is the slug behind "urn:cloche:problem:"; detail may be NULL; `extra` is
 * NULL or more members as JSON text without braces ("\"pointer\":\"/source\""). */
void cl_exchange_problem(struct cl_exchange *x, int status, const char *type, const char *title,
                         const char *detail, const char *extra);
/* The problem of an error: status by its kind (api/status.h); what an error of the operating
 * system says is logged, not sent. */
void cl_exchange_fail(struct cl_exchange *x, const struct cl_err *err);

#endif
