/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forks workers without a jail, feeds them calls and gathers their frames.
 * Runs in: unit tests and measuring programs.
 * Trusts: the worker: a broken frame ends the test.
 */
#include "tests/support/zygote_case.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/arena.h"
#include "runtime/interp.h"
#include "runtime/worker.h"
#include "sandbox/base/fdpass.h"
#include "sandbox/base/own.h"

enum { TEXTS_MAX = 16 << 10, CAPTURED_MAX = 64 << 20 };

struct built_policy {
    struct cl_policy head;
    char texts[TEXTS_MAX];
    uint32_t used;
};

static void add_texts(struct built_policy *built, struct cl_policy_span *span,
                      const char *words)
{
    char copy[TEXTS_MAX];
    char *keep = NULL;

    span->offset = (uint32_t)offsetof(struct built_policy, texts) + built->used;
    snprintf(copy, sizeof(copy), "%s", words ? words : "");
    for (char *word = strtok_r(copy, " ", &keep); word; word = strtok_r(NULL, " ", &keep)) {
        uint32_t length = (uint32_t)strlen(word) + 1;

        CL_CHECK(built->used + length < sizeof(built->texts));
        memcpy(built->texts + built->used, word, length);
        built->used += length;
        span->length += length;
        span->count++;
    }
}

static const struct cl_policy *build_policy(const struct case_policy *wanted)
{
    static struct built_policy built; /* lives as long as the zygote that is forked for it */
    struct cl_policy *policy = &built.head;

    memset(&built, 0, sizeof(built));
    snprintf(policy->name, sizeof(policy->name), "%s", wanted->name);
    policy->memory_bytes = 128 << 20;
    policy->files_bytes = wanted->files_bytes;
    policy->flags = wanted->flags;
    policy->tiers = CL_TIER_COMPUTE | CL_TIER_TIME | wanted->tiers;
    policy->processes = wanted->processes ? wanted->processes : 1;
    add_texts(&built, &policy->modules, wanted->modules);
    add_texts(&built, &policy->preload, wanted->preload);
    add_texts(&built, &policy->names, wanted->names);
    add_texts(&built, &policy->builtins_removed, wanted->builtins_removed);
    return policy;
}

static _Noreturn void be_worker(int job)
{
    static const struct cl_jail_seen seen;

    dup2(job, CL_JOB_FD);
    cl_worker_run(&seen);
}

static void spawn(int control, int job)
{
    pid_t pid;

    pid = fork();
    if (pid == 0)
        be_worker(job);
    CL_CHECK(pid > 0 && write(control, &pid, sizeof(pid)) == sizeof(pid));
}

/* Waits for the worker whose pid came, and says how it ended. */
static void wait_for(int control, pid_t pid)
{
    int status = 0;

    CL_CHECK(waitpid(pid, &status, 0) == pid);
    CL_CHECK(write(control, &status, sizeof(status)) == sizeof(status));
}

static _Noreturn void be_zygote(int control, const struct case_policy *wanted)
{
    struct cl_run_loaded loaded = { 0, 0 };
    struct cl_err err = CL_ERR_INIT;
    int fds[CL_FDPASS_MAX];
    size_t count;
    pid_t pid;
    ssize_t got;

    if (cl_interp_start(&err) == 0)
        cl_run_prepare(build_policy(wanted), &loaded, &err);
    cl_arena_close();
    cl_interp_before_forks();
    CL_CHECK(write(control, &err, sizeof(err)) == sizeof(err));
    CL_CHECK(write(control, &loaded, sizeof(loaded)) == sizeof(loaded));
    while ((got = cl_fdpass_recv(control, &pid, sizeof(pid), fds, &count, &err)) > 0) {
        if (count == 0) {
            wait_for(control, pid);
            continue;
        }
        spawn(control, fds[0]);
        close(fds[0]);
    }
    _exit(0);
}

int case_zygote_start(struct case_zygote *zygote, const struct case_policy *policy,
                      struct cl_err *err)
{
    int pair[2];

    if (cl_fdpass_pair(SOCK_SEQPACKET, pair, err) < 0)
        return -1;
    zygote->pid = fork();
    if (zygote->pid == 0) {
        close(pair[0]);
        be_zygote(pair[1], policy);
    }
    close(pair[1]);
    zygote->control = pair[0];
    if (zygote->pid < 0 || read(pair[0], err, sizeof(*err)) != sizeof(*err) ||
        read(pair[0], &zygote->loaded, sizeof(zygote->loaded)) != sizeof(zygote->loaded))
        return cl_fail(err, CL_E_LOST, "the zygote died");
    return err->kind == CL_E_NONE ? 0 : -1;
}

void case_zygote_stop(struct case_zygote *zygote)
{
    close(zygote->control);
    kill(zygote->pid, SIGKILL); /* a later zygote may hold a copy of the socket */
    waitpid(zygote->pid, NULL, 0);
}

static int spawn_worker(const struct case_zygote *zygote, pid_t *pid)
{
    struct cl_err err = CL_ERR_INIT;
    struct cl_frame ready;
    int pair[2];

    CL_CHECK(cl_fdpass_pair(SOCK_STREAM, pair, &err) == 0);
    *pid = 0;
    CL_CHECK(cl_fdpass_send(zygote->control, pid, sizeof(*pid), &pair[1], 1, &err) == 0);
    close(pair[1]);
    CL_CHECK(read(zygote->control, pid, sizeof(*pid)) == sizeof(*pid));
    CL_CHECK(recv(pair[0], &ready, sizeof(ready), MSG_WAITALL) == sizeof(ready));
    CL_CHECK(ready.type == CL_F_READY);
    return pair[0];
}

int case_park(const struct case_zygote *zygote)
{
    pid_t pid;

    return spawn_worker(zygote, &pid);
}

static void put_frame(struct cl_buf *out, enum cl_frame_type type, const void *bytes,
                      size_t length)
{
    struct cl_frame frame = cl_frame_make(type, length);
    struct cl_err err;

    CL_CHECK(cl_buf_put(out, &frame, sizeof(frame), &err) == 0);
    CL_CHECK(cl_buf_put(out, bytes, length, &err) == 0);
}

static void put_text(struct cl_buf *out, enum cl_frame_type type, const char *text)
{
    if (text)
        put_frame(out, type, text, strlen(text));
}

static void put_file(struct cl_buf *out, const struct case_call *call)
{
    struct cl_frame_file head = { 0, 0 };
    char body[4096];
    size_t length;

    if (!call->file_path)
        return;
    head.path_length = (uint32_t)strlen(call->file_path);
    memcpy(body, &head, sizeof(head));
    length = sizeof(head) + (size_t)snprintf(body + sizeof(head), sizeof(body) - sizeof(head),
                                             "%s%s", call->file_path, call->file_content);
    put_frame(out, CL_F_FILE, body, length);
}

static void put_modules(struct cl_buf *out, const struct case_call *call)
{
    for (size_t i = 0; i < CASE_MODULES_MAX && call->modules[i].name; i++) {
        const struct case_module *module = &call->modules[i];
        const struct cl_frame_module head = { (uint32_t)strlen(module->name),
                                              (uint32_t)strlen(module->source),
                                              (uint32_t)module->code_length };
        struct cl_buf CL_AUTO(cl_buf_fini) body = CL_BUF_INIT(CAPTURED_MAX);
        struct cl_err err = CL_ERR_INIT;

        CL_CHECK(cl_buf_put(&body, &head, sizeof(head), &err) == 0 &&
                 cl_buf_put(&body, module->name, head.name_length, &err) == 0 &&
                 cl_buf_put(&body, module->source, head.source_length, &err) == 0 &&
                 cl_buf_put(&body, module->code, head.code_length, &err) == 0);
        put_frame(out, CL_F_MODULE, body.bytes, body.length);
    }
}

static void send_call(int job, const struct case_call *call)
{
    CL_AUTO(cl_buf_fini) struct cl_buf out = CL_BUF_INIT(CAPTURED_MAX);
    struct cl_frame_call head = {
        .flags = call->flags,
        .depth = call->depth ? call->depth : CL_DEPTH_MAX,
        .output_bytes = call->output_bytes ? call->output_bytes : 1 << 20,
        .result_bytes = call->result_bytes ? call->result_bytes : 1 << 20,
        .files_bytes = 1 << 20,
    };

    put_frame(&out, CL_F_CALL, &head, sizeof(head));
    if (call->source)
        put_frame(&out, CL_F_SOURCE, call->source,
                  call->source_length ? call->source_length : strlen(call->source));
    put_modules(&out, call);
    put_text(&out, CL_F_ENTRY, call->entry);
    put_text(&out, CL_F_ARGS, call->args);
    put_text(&out, CL_F_KWARGS, call->kwargs);
    put_text(&out, CL_F_STDIN, call->stdin_text);
    put_file(&out, call);
    put_text(&out, CL_F_ARTIFACT, call->artifact);
    put_text(&out, CL_F_ENV, call->env);
    put_frame(&out, CL_F_GO, "", 0);
    for (size_t done = 0; done < out.length;) {
        ssize_t wrote = send(job, out.bytes + done, out.length - done, MSG_NOSIGNAL);

        CL_CHECK(wrote > 0);
        done += (size_t)wrote;
    }
}

/* Reads a frame; false at the end. */
static bool read_frame(int job, struct cl_frame *frame, struct cl_buf *body)
{
    struct cl_err err;
    uint8_t *room;

    if (recv(job, frame, sizeof(*frame), MSG_WAITALL) != sizeof(*frame))
        return false;
    CL_CHECK(cl_frame_check(frame, true, &err) == 0);
    cl_buf_clear(body);
    room = cl_buf_room(body, frame->length + 1, &err);
    CL_CHECK(room);
    if (frame->length > 0 &&
        recv(job, room, frame->length, MSG_WAITALL) != (ssize_t)frame->length)
        return false;
    room[frame->length] = '\0';
    body->length = frame->length;
    return true;
}

static void split_texts(struct case_end *end, const uint32_t *lengths, size_t head)
{
    const char *at = (const char *)end->body.bytes + head;

    for (size_t i = 0; i < 3; i++) {
        end->text[i] = strndup(at, lengths[i]);
        at += lengths[i];
    }
}

static void take_final(struct case_end *end)
{
    struct cl_frame_error error;
    struct cl_frame_denied denied;

    if (end->type == CL_F_ERROR) {
        memcpy(&error, end->body.bytes, sizeof(error));
        end->line = error.line;
        end->column = error.column;
        split_texts(end, &error.type_length, sizeof(error));
    } else if (end->type == CL_F_DENIED) {
        memcpy(&denied, end->body.bytes, sizeof(denied));
        end->line = denied.line;
        end->column = denied.column;
        split_texts(end, &denied.rule_length, sizeof(denied));
    } else if (end->type == CL_F_LIMIT) {
        memcpy(&end->limit, end->body.bytes, sizeof(end->limit));
    }
}

static void take_event(struct case_end *end, const char *name, size_t skip)
{
    struct cl_err err;

    cl_buf_put_text(&end->events, name, &err);
    cl_buf_put(&end->events, end->body.bytes + skip, end->body.length - skip, &err);
    cl_buf_put_text(&end->events, "\n", &err);
}

static void take_frame(struct case_end *end, uint32_t type)
{
    struct cl_err err;

    if (type == CL_F_STDOUT)
        cl_buf_put(&end->out, end->body.bytes, end->body.length, &err);
    else if (type == CL_F_STDERR)
        cl_buf_put(&end->err_out, end->body.bytes, end->body.length, &err);
    else if (type == CL_F_LOG)
        take_event(end, "log ", sizeof(struct cl_frame_log));
    else if (type == CL_F_PROGRESS)
        take_event(end, "progress ", 0);
    else if (type == CL_F_ITEM)
        take_event(end, "item ", 0);
    else if (type == CL_F_FILE_OUT)
        take_event(end, "file ", sizeof(struct cl_frame_file));
}

static void terminate(struct cl_buf *buf)
{
    struct cl_err err;

    CL_CHECK(cl_buf_put(buf, "", 1, &err) == 0);
    buf->length--;
}

void case_run(const struct case_zygote *zygote, const struct case_call *call,
              struct case_end *end)
{
    struct cl_frame frame;
    struct cl_err err;
    pid_t pid;
    int job = spawn_worker(zygote, &pid);

    *end = (struct case_end){ .body = CL_BUF_INIT(CAPTURED_MAX),
                              .out = CL_BUF_INIT(CAPTURED_MAX),
                              .err_out = CL_BUF_INIT(CAPTURED_MAX),
                              .events = CL_BUF_INIT(CAPTURED_MAX) };
    send_call(job, call);
    while (read_frame(job, &frame, &end->body)) {
        CL_CHECK(end->type == 0); /* nothing may follow the final frame */
        if (cl_frame_is_final(frame.type))
            end->type = frame.type;
        else
            take_frame(end, frame.type);
        if (end->type)
            take_final(end);
    }
    terminate(&end->out);
    terminate(&end->err_out);
    terminate(&end->events);
    close(job);
    CL_CHECK(cl_fdpass_send(zygote->control, &pid, sizeof(pid), NULL, 0, &err) == 0);
    CL_CHECK(read(zygote->control, &end->status, sizeof(end->status)) == sizeof(end->status));
}

void case_end_fini(struct case_end *end)
{
    cl_buf_fini(&end->body);
    cl_buf_fini(&end->out);
    cl_buf_fini(&end->err_out);
    cl_buf_fini(&end->events);
    for (size_t i = 0; i < 3; i++)
        free(end->text[i]);
}
