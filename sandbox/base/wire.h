/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every message between Cloche's processes; docs/protocol.md tells the story. Two kinds:
 *
 *   frames    on the job socket, API <-> worker: frame.h
 *   messages  on control sockets (AF_UNIX SOCK_SEQPACKET), one fixed struct each, fds by
 *             SCM_RIGHTS: API <-> cloched ("monitor"), cloched <-> zygote, cloched <-> loader <-> policyc
 *
 * Everything is in host byte order: both ends are the same machine and the same build. Text in a
 * fixed array is always terminated; cl_msg_check proves it for what comes from a weaker peer.
 */
#ifndef CL_BASE_WIRE_H
#define CL_BASE_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "sandbox/base/counts.h"
#include "sandbox/base/err.h"
#include "sandbox/base/frame.h"
#include "sandbox/base/wirenames.h"

struct cl_msg_hello {
    struct cl_msg head;
    uint32_t version; /* CL_WIRE_VERSION */
    uint32_t reserved;
};

/* A field of 0 keeps the policy's value; a larger one than the policy's is a broken protocol. */
struct cl_msg_take {
    struct cl_msg head;
    uint64_t spare;
    uint64_t wall_ms;
    uint64_t cpu_ms;
    uint64_t memory_bytes;
    uint32_t processes;
    uint32_t acknowledge; /* 1: answer TAKEN when memory and processes are in force */
    uint32_t session; /* 1: the jail stays after its call, for NEXT, as the policy permits */
    uint32_t reserved;
};

/* As in TAKE, 0 keeps the policy's value. */
struct cl_msg_next {
    struct cl_msg head;
    uint64_t spare;
    uint64_t wall_ms;
    uint64_t cpu_ms;
};

struct cl_msg_spare {
    struct cl_msg head;
    uint64_t spare;
};

enum cl_kill {
    CL_KILL_CANCELLED = 1, /* the client asked, or went away */
    CL_KILL_LIMIT,         /* a cap that the API keeps */
    CL_KILL_PROTOCOL,      /* the worker broke the frame protocol */
};

struct cl_msg_kill {
    struct cl_msg head;
    uint64_t spare;
    uint32_t reason; /* enum cl_kill */
    uint32_t limit;  /* enum cl_limit, for CL_KILL_LIMIT */
};

struct cl_msg_want {
    struct cl_msg head;
    uint32_t pool;   /* index from cl_msg_policy */
    uint32_t queued; /* calls waiting now */
};

struct cl_msg_policy {
    struct cl_msg head;
    uint32_t pool; /* names this (tenant, policy) from now on */
    uint32_t generation;
    uint32_t tenant; /* index from cl_msg_tenant */
    uint32_t reserved;
    char name[CL_NAME_MAX];
};

enum cl_tenant_kind {
    CL_TENANT_LOCAL = 0, /* the fd: its token file; it has every policy, scope and no quota */
    CL_TENANT_FILE,      /* the fd: a sealed struct cl_tenant_file (policies/tenant.h) */
};

struct cl_msg_tenant {
    struct cl_msg head;
    uint32_t tenant;
    uint32_t generation;
    uint32_t kind; /* enum cl_tenant_kind */
    uint32_t reserved;
    char name[CL_NAME_MAX];
};

struct cl_msg_loaded {
    struct cl_msg head;
    uint32_t generation;
    uint32_t policies;
};

struct cl_msg_offer {
    struct cl_msg head;
    uint64_t spare; /* never reused while cloched lives */
    uint32_t pool;
    uint32_t generation;
    uint32_t slot;    /* the worker's uid inside is 1 + slot: the self-test looks at it */
    uint32_t made_us; /* from SPAWN until it was parked */
};

enum cl_end_cause {
    CL_END_FINISHED = 1, /* answer to FINISH; the worker may still be exiting */
    CL_END_EXITED,       /* `status` is its exit status */
    CL_END_SIGNALLED,    /* `status` is the signal */
    CL_END_LIMIT,        /* `limit` names which, by cloched's own counters */
    CL_END_KILLED,       /* answer to KILL; `limit` and `reason` echoed */
    CL_END_LOST,         /* our fault: zygote died, retired, shutting down */
    CL_END_EXPIRED,      /* a session's; `reason` is an enum cl_expiry */
};

enum cl_expiry {
    CL_EXPIRY_IDLE = 1, /* sessions.idle of the policy without a call */
    CL_EXPIRY_MAX,      /* sessions.max of the policy since TAKE */
};

struct cl_msg_end {
    struct cl_msg head;
    uint64_t spare;
    uint32_t cause; /* enum cl_end_cause */
    int32_t status;
    uint32_t limit;  /* enum cl_limit */
    uint32_t reason; /* enum cl_kill */
    uint64_t value;  /* the limit that was hit */
    uint64_t used;
    uint64_t wall_us; /* since TAKE; of a session: since it had no call last */
    uint64_t cpu_us;  /* likewise */
    uint64_t memory_peak_bytes;
    uint32_t pids_refused; /* how often the pids counter refused a task */
    uint32_t oom_kills;
};

struct cl_msg_usage {
    struct cl_msg head;
    uint64_t spare;
    uint64_t cpu_us; /* since TAKE, of all its calls */
    uint64_t memory_bytes;
    uint64_t memory_peak_bytes;
    uint32_t calls; /* that still run */
    uint32_t pids_refused;
};

struct cl_msg_drain {
    struct cl_msg head;
    uint64_t grace_ms;
};

struct cl_msg_counts {
    struct cl_msg head;
    struct cl_counts counts;
};

struct cl_msg_problem {
    struct cl_msg head;
    uint32_t generation;        /* that stays in force */
    uint32_t count;             /* problems found */
    char text[CL_MSG_MAX - 16]; /* the first one */
};

/* The files of one tenant come one after the other, after LOADED and whenever the directory
 * changed, and end with FUNCTIONS: the set is complete and takes the place of the one before. */
struct cl_msg_function {
    struct cl_msg head;
    char tenant[CL_NAME_MAX];
    char name[CL_NAME_MAX]; /* without ".py"; nothing else is known of it */
};

struct cl_msg_functions {
    struct cl_msg head;
    uint32_t count;   /* of FUNCTION before this; 0 also when the directory can't be read */
    uint32_t refused; /* files that were left out, or 1 for the directory */
    char tenant[CL_NAME_MAX];
    char text[256]; /* why the last one was; "": none was */
};

/* A new API gets TAIL or BEFORE, then LOG; when the log was put aside, any gets NEXT. With a
 * descriptor goes all that the kernel allows, so one that runs gets none of a file with lines. */
enum cl_audit_kind {
    CL_AUDIT_TAIL = 0, /* the fd: the log, for reading */
    CL_AUDIT_BEFORE,   /* the fd: the file before it, for reading; the log is empty */
    CL_AUDIT_LOG,      /* the fd: the log, for appending */
    CL_AUDIT_NEXT,     /* the fd: an empty file, for appending: it is the log from now on */
    CL_AUDIT_NONE,     /* the fd is nothing: none is wanted, or `why` there can't be one */
};

struct cl_msg_audit {
    struct cl_msg head;
    uint32_t kind;        /* enum cl_audit_kind */
    uint32_t is_required; /* no new work while it can't be written */
    char why[256];
};

/* The fd: a sealed memfd of the PEM files, one after the other in this order. */
struct cl_msg_tls {
    struct cl_msg head;
    uint32_t certificate_bytes;
    uint32_t key_bytes;
    uint32_t client_ca_bytes; /* 0: clients are not asked for a certificate */
    uint32_t reserved;
};

struct cl_msg_spawn {
    struct cl_msg head;
    uint64_t spare;
    uint32_t slot;      /* the worker's uid and gid inside are 1 + slot */
    uint32_t cgroup_v2; /* 1: fd 1 is the slot's directory (CLONE_INTO_CGROUP); 0: fds 1.. are
                           open `cgroup.procs` files into which the child writes "0" */
};

struct cl_msg_up {
    struct cl_msg head;
    uint32_t modules_preloaded;
    uint32_t modules_mapped; /* allowed, not preloaded, bytecode in memory */
    uint64_t start_us;
};

struct cl_msg_spawned {
    struct cl_msg head;
    uint64_t spare;
    int32_t pid; /* as the zygote, and so cloched, sees it */
    uint32_t reserved;
};

struct cl_msg_failed {
    struct cl_msg head;
    uint64_t spare; /* 0: the zygote itself */
    struct cl_err err;
};

enum cl_source_kind {
    CL_SOURCE_POLICY = 0,
    CL_SOURCE_TENANTS,  /* tenants.yaml; at most one, and compiled to as many as it holds */
    CL_SOURCE_LOCAL,    /* of MADE only: the token file of `local`, first */
    CL_SOURCE_SETTINGS, /* cloche.yaml; never of MADE */
};

struct cl_msg_source {
    struct cl_msg head;
    uint32_t embedded;      /* 1: no fd, use the shipped policy of this name */
    uint32_t kind;          /* enum cl_source_kind */
    char name[CL_NAME_MAX]; /* without ".yaml" */
};

struct cl_msg_compiled {
    struct cl_msg head;
    uint32_t kind; /* of what the fd holds: CL_SOURCE_POLICY, or _TENANTS: one tenant of them */
    uint32_t reserved;
    char name[CL_NAME_MAX]; /* of the policy or tenant; tenants come in the order of the file */
};

struct cl_msg_refused {
    struct cl_msg head;
    char name[CL_NAME_MAX];
    char text[CL_MSG_MAX - CL_NAME_MAX - 8]; /* "file:line:column: ..." */
};

struct cl_msg_done {
    struct cl_msg head;
    uint32_t compiled;
    uint32_t refused;
};

struct cl_msg_ready {
    struct cl_msg head;
    uint32_t made;
    uint32_t unfit;
    char why[512]; /* nothing could be loaded; "": see UNFIT */
};

_Static_assert(sizeof(struct cl_msg_refused) == CL_MSG_MAX, "the largest message");

/* Which way a message travels: the receiver names it, anything else is refused. */
enum cl_msg_way {
    CL_WAY_API_TO_CLOCHED = 1,
    CL_WAY_CLOCHED_TO_API,
    CL_WAY_CLOCHED_TO_ZYGOTE,
    CL_WAY_ZYGOTE_TO_CLOCHED,
    CL_WAY_LOADER_TO_POLICYC,
    CL_WAY_POLICYC_TO_LOADER,
    CL_WAY_CLOCHED_TO_LOADER,
    CL_WAY_LOADER_TO_CLOCHED,
};

/* Storage for any message. */
union cl_msg_any {
    struct cl_msg head;
    struct cl_msg_hello hello;
    struct cl_msg_take take;
    struct cl_msg_spare spare;
    struct cl_msg_kill kill;
    struct cl_msg_want want;
    struct cl_msg_next next;
    struct cl_msg_policy policy;
    struct cl_msg_tenant tenant;
    struct cl_msg_loaded loaded;
    struct cl_msg_offer offer;
    struct cl_msg_end end;
    struct cl_msg_usage usage;
    struct cl_msg_drain drain;
    struct cl_msg_problem problem;
    struct cl_msg_counts counts;
    struct cl_msg_function function;
    struct cl_msg_functions functions;
    struct cl_msg_tls tls;
    struct cl_msg_audit audit;
    struct cl_msg_spawn spawn;
    struct cl_msg_up up;
    struct cl_msg_spawned spawned;
    struct cl_msg_failed failed;
    struct cl_msg_source source;
    struct cl_msg_compiled compiled;
    struct cl_msg_refused refused;
    struct cl_msg_ready ready;
    struct cl_msg_done done;
    uint8_t bytes[CL_MSG_MAX];
};

/* Sends `msg` (its head is filled here from `type`) with borrowed fds; see cl_fdpass_send. */
int cl_msg_send(int socket, enum cl_msg_type type, void *msg, const int *fds, size_t fd_count,
                struct cl_err *err);

/* Receives and checks one message. Returns 1, or 0 when the peer closed; CL_E_BUSY when a
 * non-blocking socket is empty; CL_E_LIMIT when no descriptor was free for those that came along
 * (*msg holds the message, unchecked); CL_E_LOST when the message is not one that may travel
 * `way`, has the wrong size, the wrong number of fds or unterminated text (all fds are closed
 * then). */
int cl_msg_recv(int socket, enum cl_msg_way way, union cl_msg_any *msg, int *fds,
                size_t *fd_count, struct cl_err *err);

/* The check alone, for tests and fuzzing. */
int cl_msg_check(const union cl_msg_any *msg, size_t length, size_t fd_count,
                 enum cl_msg_way way, struct cl_err *err);

const char *cl_msg_name(uint32_t type);
size_t cl_msg_size(uint32_t type); /* of a known one */

#endif
