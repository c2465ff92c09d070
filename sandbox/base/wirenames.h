/* SPDX-License-Identifier: Apache-2.0 */
/* The messages of wire.h by name and number, who sends each, and what all begin with. */
#ifndef CL_BASE_WIRENAMES_H
#define CL_BASE_WIRENAMES_H

#include <stdint.h>

enum {
    CL_WIRE_VERSION = 1,
    CL_NAME_MAX = 64,  /* a policy's, tenant's, entry's name with its NUL */
    CL_CONTROL_FD = 3, /* the control socket of API, zygote and policyc */
    CL_BEGUN_FD = 3,   /* the listening socket that cloche-begin leaves cloched */
    CL_MSG_MAX = 1024, /* most bytes of one control message */
};

enum cl_msg_type {
    /* API -> cloched: the monitor's whole authority */
    CL_M_HELLO = 1,  /* struct cl_msg_hello; once, first */
    CL_M_TAKE = 2,   /* struct cl_msg_take: a spare gets its call now */
    CL_M_FINISH = 3, /* struct cl_msg_spare: its final frame is here; send the counters */
    CL_M_KILL = 4,   /* struct cl_msg_kill */
    CL_M_WANT = 5,   /* struct cl_msg_want: calls wait for spares of this pool */
    CL_M_DROP = 6,   /* struct cl_msg_spare: an untaken spare is given back (end it) */
    CL_M_NEXT = 7,   /* struct cl_msg_next: a taken session's jail gets one more call */
    CL_M_REST = 8,   /* struct cl_msg_spare: one of its calls is over; answer USAGE */

    /* cloched -> API */
    CL_M_POLICY = 32,  /* struct cl_msg_policy + 1 fd: the sealed policy */
    CL_M_TENANT = 33,  /* struct cl_msg_tenant + 1 fd: what its kind says */
    CL_M_LOADED = 34,  /* struct cl_msg_loaded: a generation is complete */
    CL_M_SPARE = 35,   /* struct cl_msg_offer + 1 fd: the API's end of a job socket */
    CL_M_TAKEN = 36,   /* struct cl_msg_spare: narrowed limits are in force */
    CL_M_END = 37,     /* struct cl_msg_end: once for every offered spare */
    CL_M_RETIRE = 38,  /* struct cl_msg_spare: drop it unless it is taken */
    CL_M_DRAIN = 39,   /* struct cl_msg_drain: accept no more, finish what runs */
    CL_M_PROBLEM = 40, /* struct cl_msg_problem: a reload was refused, until the next LOADED */
    CL_M_USAGE = 41,   /* struct cl_msg_usage: once for every REST, in their order */

    CL_M_FUNCTION = 42,  /* struct cl_msg_function + 1 fd: a file of a tenant's functions_dir */
    CL_M_FUNCTIONS = 43, /* struct cl_msg_functions: those were all of them */
    CL_M_AUDIT = 44,     /* struct cl_msg_audit + 1 fd: a file of the audit log */

    CL_M_TLS = 45,    /* struct cl_msg_tls + 1 fd: the service's certificate and key */
    CL_M_COUNTS = 46, /* struct cl_msg_counts: after LOADED, and when one of them rose */

    /* cloched -> zygote */
    CL_M_SPAWN = 64, /* struct cl_msg_spawn + fds: job socket, then the slot's cgroup fds */

    /* zygote -> cloched */
    CL_M_UP = 96,      /* struct cl_msg_up: interpreter warm, tree built, waiting */
    CL_M_SPAWNED = 97, /* struct cl_msg_spawned + 1 fd: pidfd */
    CL_M_FAILED = 98,  /* struct cl_msg_failed: a spawn or an entry step failed */

    /* loader -> policyc */
    CL_M_SOURCE = 128,  /* struct cl_msg_source + 1 fd: one YAML file, open for reading */
    CL_M_COMPILE = 129, /* struct cl_msg: that was all of them */

    /* policyc -> loader */
    CL_M_COMPILED = 160, /* struct cl_msg_compiled + 1 fd: one sealed policy or tenant */
    CL_M_REFUSED = 161,  /* struct cl_msg_refused: one message about one file */
    CL_M_DONE = 162,     /* struct cl_msg_done: last */

    /* cloched -> loader */
    CL_M_LOAD = 192,     /* struct cl_msg + 1 fd: the control socket of a fresh policyc */
    CL_M_IN_FORCE = 193, /* struct cl_msg: what was loaded last is */
    CL_M_SHOW = 194,     /* struct cl_msg: the files of every functions_dir, to a new API */
    CL_M_GREETED = 195,  /* struct cl_msg: there is a new API, which has no audit log yet */

    /* loader -> cloched */
    CL_M_EDITED = 224, /* struct cl_msg: something changed; LOAD if it should be looked at */
    CL_M_MADE = 225,   /* struct cl_msg_compiled + 1 fd, as policyc answered */
    CL_M_UNFIT = 226,  /* struct cl_msg_refused: one problem */
    CL_M_READY = 227,  /* struct cl_msg_ready: that was the answer to LOAD */
    CL_M_FILE = 228,   /* struct cl_msg_function + 1 fd: passed on as FUNCTION */
    CL_M_FILES = 229,  /* struct cl_msg_functions: passed on as FUNCTIONS */
    CL_M_LOG = 230,    /* struct cl_msg_audit + 1 fd: passed on as AUDIT */
    CL_M_PAIR = 231,   /* struct cl_msg_tls + 1 fd: passed on as TLS */
};

struct cl_msg {
    uint32_t type;   /* enum cl_msg_type */
    uint32_t length; /* of the whole struct */
};

#endif
