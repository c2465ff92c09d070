/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the server, shared by conn.c (life and deadlines), input.c (the way in),
 * exchange.c and output.c (the way out), behind.c and linger.c (who waits before a request and
 * after the last), charge.c (memory), secure.c (TLS) and server.c (listening, counting). One
 * exchange at a time lives in its connection.
 *
 *           first byte        head parsed        body read       answer complete
 *   IDLE ------------> HEAD -------------> BODY -----------> CALL --------------> FLUSH
 *    ^                                                                              |
 *    +---------------------------- drained, kept alive <----------------------------+
 *                                  drained, to be closed: LINGER, then freed
 *
 * A connection is freed only by its own events, never inside a cl_exchange_* call: those mark
 * it and kick it.
 */
#ifndef CL_HTTP1_CONN_H
#define CL_HTTP1_CONN_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <netinet/in.h>
#include <sys/uio.h>

#include "api/http1/body.h"
#include "api/http1/peers.h"
#include "api/http1/server.h"
#include "api/http1/tls.h"
#include "sandbox/base/buf.h"
#include "sandbox/base/list.h"

struct bufferevent;
struct evconnlistener;

/* What a client showed and the handshake proved. */
struct cl_conn_certificate {
    uint8_t digest[CL_TLS_DIGEST];
    int64_t until; /* seconds since 1970 */
};

enum {
    CL_INPUT_SPARE = 32 << 10,     /* bytes read ahead, over the cap of a head */
    CL_CONN_FREE_BYTES = 64 << 10, /* of a connection that the budget does not count */
    CL_LINGER_BURST = 64 << 20,    /* bytes dropped of all that linger: at once, */
    CL_LINGER_RATE = 16 << 20,     /* and each second from then on */
};

enum cl_conn_state {
    CL_CONN_IDLE = 1, /* no byte of a request yet */
    CL_CONN_BEHIND,   /* bytes of the next one are there, others come first */
    CL_CONN_HEAD,
    CL_CONN_BODY,
    CL_CONN_CALL,   /* the handler has it all and is not done answering */
    CL_CONN_FLUSH,  /* the answer is complete, not all of it has left */
    CL_CONN_LINGER, /* sent FIN; reading so that no RST destroys the answer */
};

enum cl_answer_state {
    CL_ANSWER_NONE = 0,
    CL_ANSWER_STREAM,  /* begun, not finished */
    CL_ANSWER_DONE,    /* complete */
    CL_ANSWER_ABORTED, /* broken off: close without a proper end */
};

struct cl_exchange {
    struct cl_conn *conn;
    uint64_t id;
    void *user; /* the handler's */
    struct cl_http_head head;
    struct cl_buf extra; /* header lines added by the handler */
    size_t body_most;
    size_t reserved; /* what the handler keeps for it */
    enum cl_answer_state answer;
    bool is_head;      /* its method, also when the rest of the head was refused */
    bool is_announced; /* on_head was called, so on_end will be */
    bool body_is_in;   /* nothing of the request is left unread */
    bool keeps_alive;  /* decided when the answer's head is made */
    bool is_chunked;   /* the answer */
    bool has_retry_after;
    bool owes_drained; /* something was written since the last on_drained */
};

struct cl_conn {
    struct cl_list link;    /* server->conns */
    struct cl_list idle;    /* server->idle, while that is its state */
    struct cl_list waiting; /* server->behind or server->lingering, the same */
    struct cl_http_server *server;
    struct bufferevent *stream; /* owned, owns fd */
    struct event timer;
    struct event kick;
    struct event late; /* what is unsent took too long */
    struct in6_addr peer_key;
    enum cl_conn_state state;
    int fd;
    uint64_t deadline_us;   /* 0: none */
    uint64_t armed_us;      /* when the timer will fire, 0: not armed */
    uint64_t since_us;      /* start of head or body */
    uint64_t received;      /* bytes since then, or drained while lingering */
    uint64_t drained_by_us; /* until then all that is unsent must be gone; 0: nothing is */
    uint64_t charged;       /* its part of server->charged */
    struct cl_head_scan scan;
    struct cl_buf head_text;
    struct cl_body framing;
    struct cl_buf body;
    struct cl_buf pending; /* answer bytes not yet offered to the kernel */
    bool is_broken;        /* a write failed */
    bool is_paused;        /* the input is full, nothing is read */
    bool saw_eof;
    bool is_secure; /* speaks TLS: bytes go through the bufferevent only */
    struct cl_conn_certificate *certificate; /* owned; NULL: it showed none */
    struct cl_exchange exchange;
    char peer[INET6_ADDRSTRLEN];
    struct cl_http_field fields[CL_HEAD_FIELDS_MAX];
};

struct cl_http_server {
    struct event_base *base;         /* borrowed */
    struct evconnlistener *listener; /* owned; its fd is not */
    struct cl_tls *tls;              /* owned, of new connections; NULL: plain text */
    struct event resume;             /* accepts again after descriptors ran out */
    struct cl_http_caps caps;
    struct cl_exchange_calls calls;
    void *user;
    struct cl_list conns;
    struct cl_list idle;   /* those without a request, the longest idle first */
    struct cl_list behind; /* those whose next request came in with the last one */
    struct event behind_turn;
    struct cl_list lingering; /* those that must wait before more of them is dropped */
    struct event linger_turn;
    int64_t linger_left; /* bytes that may be dropped now; below 0: a debt */
    uint64_t linger_us;  /* as of then */
    uint32_t conn_count;
    struct cl_peers peers;
    struct cl_http_counts counts;
    uint64_t charged; /* bytes of the budget in use */
    uint64_t next_id;
    int reserve;          /* a descriptor to give up when there is none left */
    uint32_t accept_left; /* connections taken before other events get their turn */
    bool is_draining;
    int64_t date_second;
    char date[32];
};

/* Takes `fd`, also when it fails. */
struct cl_conn *cl_conn_new(struct cl_http_server *server, int fd, struct cl_err *err);
/* Ends the exchange under way (complete = false) and frees the connection with its fd. */
void cl_conn_free(struct cl_conn *conn);
/* The server drains: closes if no request has begun. */
void cl_conn_on_drain(struct cl_conn *conn);
/* Looks after the exchange from the loop: before new input, or after other sockets' events. */
void cl_conn_kick(struct cl_conn *conn);
void cl_conn_kick_later(struct cl_conn *conn);
/* Answers with a problem and closes behind it. */
void cl_conn_refuse(struct cl_conn *conn, const struct cl_http_fault *fault);
/* Goes on with the request that waited. May free the connection. */
void cl_conn_take_turn(struct cl_conn *conn);
void cl_conn_set_deadline(struct cl_conn *conn, uint64_t now_us, uint64_t after_ms);
void cl_conn_clear_deadline(struct cl_conn *conn);

/* input.c: what to do with the bytes that are there, by state. May free the connection, but
 * only while it lingers. */
void cl_input_read(struct cl_conn *conn);
/* The body's deadline passed, or the time to look at its pace has come. */
void cl_input_check_pace(struct cl_conn *conn, uint64_t now_us);
/* While the handler works, input only waits. Once the cap of it is reached nothing is read, so
 * the end of the connection would go unnoticed: then the socket is asked now and then. (Of a
 * client that fills the kernel's buffer as well not even the FIN arrives: the answer will meet
 * its RST.) */
void cl_input_watch_for_end(struct cl_conn *conn);
/* The exchange is over: reads on, first what is there already. */
void cl_input_resume(struct cl_conn *conn);

/* output.c: bytes to the kernel. cl_output_put sends at once, behind everything put before;
 * cl_output_hold collects small pieces until the next kick. */
void cl_output_put(struct cl_conn *conn, const struct iovec *pieces, size_t count);
void cl_output_hold(struct cl_conn *conn, const struct iovec *pieces, size_t count);
void cl_output_move(struct cl_conn *conn, struct evbuffer *bytes);
void cl_output_flush(struct cl_conn *conn);
size_t cl_output_unsent(const struct cl_conn *conn);
/* Everything has left: no deadline, nothing to pay for. */
void cl_output_on_drained(struct cl_conn *conn);
/* The unsent bytes' time is up. */
void cl_output_on_late(evutil_socket_t fd, short what, void *conn);

/* secure.c: TLS under a connection. NULL: no memory; then the fd is closed. */
struct bufferevent *cl_secure_open(struct cl_conn *conn, int fd);
/* The handshake is over (true), or failed: a client that speaks plain text is told so. */
bool cl_secure_on_event(struct cl_conn *conn, short what);
/* Tells the client that nothing follows. Where an answer is broken off it must not be. */
void cl_secure_say_end(struct cl_conn *conn);

/* exchange.c */
void cl_exchange_reset(struct cl_exchange *x);
void cl_exchange_refuse(struct cl_exchange *x, const struct cl_http_fault *fault);

/* behind.c: what is left of the input waits for its turn. */
bool cl_behind_is_any(const struct cl_conn *conn);
void cl_behind_wait(struct cl_conn *conn);
void cl_behind_init(struct cl_http_server *server);
void cl_behind_fini(struct cl_http_server *server);

/* linger.c: from the last answer to the close. Takes the connection; `cl_linger_read` drops what
 * has come since. Both may free it. */
void cl_linger_begin(struct cl_conn *conn);
void cl_linger_read(struct cl_conn *conn);
void cl_linger_init(struct cl_http_server *server);
void cl_linger_fini(struct cl_http_server *server);

/* charge.c: bytes of bodies, answers and handlers, against server->caps.memory_bytes. Ask before
 * `more` bytes are kept, settle after whatever changed. */
bool cl_charge_fits(struct cl_conn *conn, size_t more);
void cl_charge_settle(struct cl_conn *conn);
void cl_charge_release(struct cl_conn *conn);

/* server.c: a connection is gone. */
void cl_http_server_forget(struct cl_conn *conn);

#endif
