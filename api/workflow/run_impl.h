/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that make up run.h share. */
#ifndef CL_WORKFLOW_RUN_IMPL_H
#define CL_WORKFLOW_RUN_IMPL_H

#include <event2/event.h>

#include "api/pythonv1/pythonv1.h"
#include "api/pythonv1/scoped.h"
#include "api/store.h"
#include "api/workflow/run.h"

enum cl_task_state {
    CL_TASK_QUEUED = 0, /* waits for its needs, or for its turn */
    CL_TASK_EXECUTING,
    CL_TASK_RETRY, /* waits for its time */
    CL_TASK_COMPLETED,
    CL_TASK_FAILED,
    CL_TASK_CANCELLED,
    CL_TASK_SKIPPED,
};

enum {
    CL_CODE_DEPENDENCY = -29005,
    CL_CODE_PARAMETER = -29006,
    CL_CODE_WORKFLOW_TIMEOUT = -28004,
    CL_RUN_NONE = -1,             /* no task */
    CL_RUN_BYTES_MAX = 128 << 20, /* of all results of one workflow */
    CL_RUN_REFUSALS_MAX = 600,    /* times the service may say that it has no room */
};

enum cl_run_stop { CL_STOP_NONE = 0, CL_STOP_FAIL_FAST, CL_STOP_CANCEL, CL_STOP_TIMEOUT };

/* One task as the store thread gets it: views, which stay as they are until it is done. */
struct cl_run;

struct cl_run_task {
    struct cl_run *run;
    uint32_t index;
    enum cl_task_state state;
    uint32_t waits; /* needs that have not completed */
    uint32_t attempts;
    uint32_t refusals;
    int32_t code;
    bool is_dirty;
    bool is_claimed; /* executing in the store, not yet started */
    int behind;      /* in the queue of its priority */
    uint64_t call;   /* of python/v1 while it runs */
    char *envelope;  /* owned; NULL: none */
    size_t envelope_length;
    struct cl_json result; /* a view into it */
    char *error;           /* owned: an error object, or NULL */
    size_t error_length;
    struct cl_buf params; /* with values in place, until it starts */
    struct event *timer;  /* of a retry */
    int64_t started_us, ended_us, due_us;
    uint64_t began_us; /* by the clock that nobody sets; 0: not by this process */
};

static inline struct timeval cl_run_wait_of(int64_t left_us)
{
    const int64_t us = left_us > 0 ? left_us : 0;

    return (struct timeval){ us / 1000000, us % 1000000 };
}

/* What goes to the store in one work. */
struct cl_run_flush {
    struct cl_run *run;
    struct cl_store_task *updates;
    size_t count;
    uint32_t *starts; /* tasks that may start once this is kept */
    size_t start_count;
    struct cl_buf lines;
    uint64_t seq; /* of the last line */
    bool has_workflow, is_final;
    bool is_late; /* the store did not take it at once, and that was logged */
    struct cl_store_workflow workflow;
    char **old; /* texts that were replaced meanwhile; freed with it */
    size_t old_count;
};

struct cl_run {
    struct cl_list node;
    struct cl_runs *runs;
    struct cl_tenant *tenant;
    char key[CL_NAME_MAX];
    char policy[CL_NAME_MAX];
    char session[CL_V1_SESSION_MAX];
    char *trace;              /* owned; "": none */
    struct cl_v1_scope scope; /* its registrations, when it has no session */
    bool is_task;
    struct cl_plan plan;
    struct cl_run_task *tasks;
    struct {
        int first, last;
    } queue[CL_PLAN_PRIORITIES];
    uint32_t running; /* claimed or started */
    size_t replayed;  /* tasks that were looked at for registrations to make again */
    uint64_t replay;  /* the call that makes one; 0: none, or not waiting for one */
    size_t open;      /* tasks without an end */
    size_t completed;
    size_t kept_bytes;
    enum cl_run_stop stop;
    const char *status;
    int64_t created_us, started_us, ended_us, deadline_us;
    struct event *deadline;
    struct event *again; /* to begin or resume once more: there was no room for its session */
    struct event *turn;  /* at the end of this turn of the loop: store what changed */
    uint32_t *dirty;
    size_t dirty_count;
    uint32_t *claims;
    size_t claim_count;
    struct cl_buf lines;
    uint64_t seq;
    bool has_news; /* of the workflow itself */
    bool is_over;
    bool is_waiting;            /* for room for its session */
    bool is_cancel_asked;       /* to be kept with the next flush */
    struct cl_run_flush *flush; /* on its way */
    struct cl_list watches;
    cl_run_on_kept *on_kept;
    void *kept_self;
};

struct cl_runs {
    struct cl_app *app;
    struct cl_list all;
    uint32_t count;
    bool is_ending;
};

/* run.c */
struct cl_run *cl_run_new(struct cl_runs *runs, const struct cl_run_ask *ask,
                          struct cl_plan *plan);
void cl_run_free(struct cl_run *run);
void cl_run_begin(struct cl_run *run);  /* it is in the store: tasks may start */
void cl_run_resume(struct cl_run *run); /* the same after a restart */
void cl_run_start_claimed(struct cl_run *run, struct cl_run_task *task);
void cl_run_stop(struct cl_run *run, enum cl_run_stop why);
void cl_run_pump(struct cl_run *run);

int cl_run_put_params(struct cl_run_task *task, struct cl_err *err);

/* runrestore.c: registrations that went with a session are made again, then tasks start. */
void cl_run_replay(struct cl_run *run);

/* runtask.c: the end of one attempt. */
void cl_run_task_done(void *task, const struct cl_v1_answer *answer);
void cl_run_task_fail(struct cl_run_task *task, int32_t code, const char *message);
void cl_run_task_end(struct cl_run_task *task, enum cl_task_state state);
void cl_run_task_ready(struct cl_run_task *task);
void cl_run_task_set_error(struct cl_run_task *task, int32_t code, const char *message);
/* A copy of an envelope becomes the task's. */
void cl_run_task_set_envelope(struct cl_run_task *task, const char *text, size_t length);
void cl_run_task_forget(struct cl_run_task *task); /* envelope and error */
bool cl_run_task_retry(struct cl_run_task *task, bool is_retryable, struct cl_json exception);
void cl_run_task_wait(struct cl_run_task *task, int64_t due_us);
const char *cl_run_error_name(int32_t code);

/* runkeep.c: what changed, into the store. */
void cl_run_touch(struct cl_run_task *task);
void cl_run_tell(struct cl_run *run, const struct cl_run_task *task, const char *word);
void cl_run_changed(struct cl_run *run); /* a flush will come */
int cl_run_insert(struct cl_run *run, struct cl_err *err);

extern const char *const cl_task_state_names[];

#endif
