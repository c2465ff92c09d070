/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of sessions share: session.c (which there are, and how long), lane.c (the
 * calls of one and their places), jail.c (its jail). sessions.c, the resource, looks in.
 */
#ifndef CL_API_SESSION_IMPL_H
#define CL_API_SESSION_IMPL_H

#include "api/dispatch/dispatch.h"
#include "api/sessions/session.h"
#include "api/sessions/stream.h"
#include "api/visit.h"

enum {
    CL_SESSIONS_MAX = 1024,       /* of all tenants */
    CL_SESSIONS_TENANT_MAX = 128, /* of one */
    CL_SESSION_WAITING_MAX = 256, /* calls that wait in one session */
    /* What a slow reader may be behind before it holds up the other calls of its session. */
    CL_SESSION_BEHIND_MAX = 1 << 20,
    CL_SESSION_NUMBER_BYTES = sizeof(struct cl_frame) + sizeof(struct cl_frame_number),
};

enum cl_session_state {
    CL_SESSION_EMPTY = 0, /* no jail */
    CL_SESSION_OPENING,   /* `opener` waits for a spare, as any call does */
    CL_SESSION_TAKING,    /* narrowed: waits for TAKEN */
    CL_SESSION_UP,
    CL_SESSION_CLOSING, /* KILL is sent: only END matters */
};

/* The place of a job in its session. */
struct cl_seat {
    struct cl_list node; /* of waiting or running, the oldest first */
    struct cl_list rest; /* of resting */
    struct cl_session *session;
    struct cl_job *job;
    uint32_t number; /* 0: it waits */
    uint8_t head[CL_SESSION_NUMBER_BYTES];
    size_t sent;     /* of head and frames */
    uint64_t behind; /* bytes of frames since its client was slow */
    uint64_t wall_at_us;
    uint64_t ended_us;
    uint64_t cpu_before_us;
    struct cl_envelope_session told;
};

struct cl_session {
    struct cl_list node;
    struct cl_app *app;
    char id[CL_ULID_SIZE];
    struct cl_tenant *tenant;
    char key[CL_NAME_MAX];
    char policy[CL_NAME_MAX];
    bool is_default;
    bool is_ending;
    bool outlives_key;
    bool is_orphan;      /* its token is no more: nobody finds it, and it ends with its calls */
    uint32_t generation; /* in force when it was opened */
    bool is_stored;      /* registrations of it are in the store */
    uint64_t memory_bytes; /* asked for its jail, 0: the policy's */
    uint32_t processes;

    enum cl_session_state state;
    struct cl_spare *spare; /* owned from TAKING on */
    struct cl_seat *opener; /* waits for the spare; then the one that TAKE was for */
    struct cl_sessionstream stream;
    struct cl_list waiting, running, resting;
    uint32_t waiting_count, running_count;
    uint32_t last_number;
    uint32_t culprit; /* the call that ended the jail; 0: not known */
    bool is_held;     /* its socket is not read: somebody is too far behind */
    bool is_dry;      /* nothing more will be read */
    bool is_unread;   /* the worker died before it had read all */
    bool was_used;    /* a call began in this jail */

    uint64_t calls; /* that began */
    uint32_t restarts;
    bool is_restarted;    /* to be told to the next call */
    uint64_t cpu_us;      /* of this jail, as of the last end of a call */
    uint64_t cpu_lost_us; /* of those before */
    uint64_t memory_now_bytes, memory_peak_bytes;
    uint32_t pids_refused;
    int64_t created_unix_us;
    uint64_t created_us, rested_us; /* monotonic */
    struct event *turn;             /* its next deadline, or the next turn of the loop */
    struct cl_turn_room room; /* its next call may not begin beside others of its tenant */
};

struct cl_sessions {
    struct cl_list all;
    uint32_t count;
};

extern const struct cl_lane cl_session_lane;

/* session.c */
/* Those that the visitor may see, one after the other; NULL: the first, and at the end. */
struct cl_session *cl_session_each(struct cl_visit *visit, struct cl_session *before);
void cl_session_wake(struct cl_session *session); /* looks at it in the next turn of the loop */
uint64_t cl_session_ends_us(const struct cl_session *session);  /* by sessions.max */
uint64_t cl_session_idles_us(const struct cl_session *session); /* UINT64_MAX: it is at work */
const struct cl_policy *cl_session_policy(const struct cl_session *session); /* or NULL */
/* How many calls run at a time under a policy; more than one only where its tiers permit. */
uint32_t cl_session_most(const struct cl_policy *policy);
/* Whether one more session of this pool may have a jail: half of pool.max is theirs at most. */
bool cl_session_has_room(const struct cl_session *session, const struct cl_pool *pool);

/* lane.c */
void cl_session_pump(struct cl_session *session); /* begins what waits and may */
void cl_session_refuse_all(struct cl_session *session, enum cl_refusal_kind kind,
                           const char *why);
struct cl_seat *cl_session_seat(const struct cl_session *session, uint32_t number);
void cl_session_unseat(struct cl_seat *seat);   /* out of whatever list it is in */
void cl_session_put_back(struct cl_seat *seat); /* of a jail that read nothing of it */
/* Each ends its job; the seat is gone. */
void cl_session_settle(struct cl_seat *seat, const struct cl_msg_end *end);
void cl_session_lose(struct cl_seat *seat, const struct cl_msg_end *end, const char *why);

/* jail.c */
void cl_session_take(struct cl_session *session, struct cl_seat *seat, struct cl_spare *spare);
void cl_session_send(struct cl_session *session);
void cl_session_read(struct cl_session *session); /* or not, while somebody is too far behind */
void cl_session_kill(struct cl_session *session, enum cl_kill reason, enum cl_limit limit);

#endif
