/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Appends lines to the audit log, and keeps the chain whole over restarts, rotation and full disks.
 * Runs in: cloche-api.
 * Trusts: the descriptors that cloche-loader opened; of what is in the file only what verify.c
 * passed.
 */
#include "api/audit/ledger.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/audit/tail.h"
#include "sandbox/base/buf.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"
#include "sandbox/base/utc.h"

enum {
    WAITING_MAX = 1 << 20, /* bytes of lines; ten seconds of many calls */
    RETRY_MS = 500,
};

/* How often the service's own log names the head: who ships that elsewhere has an anchor. */
static const uint64_t head_every_us = 600 * 1000000ull;

struct cl_audit {
    bool is_off, is_required;
    int place, fd; /* equal once there is a file */
    int next;      /* the file after this one, when what waits is written; -1: none */
    uint64_t seq;
    char head[CL_AUDIT_HEAD];
    struct cl_audit_tail tail;
    bool has_tail;

    struct cl_buf waiting; /* lines, the first one perhaps without its beginning */
    bool is_stuck;
    int why; /* errno */
    struct event *retry;
    uint64_t lost, lost_untold;
    uint64_t head_told_us;
};

static void tell_head(struct cl_audit *audit)
{
    audit->head_told_us = cl_clock_us();
    cl_log(CL_INFO, "audit.head", "seq=%" PRIu64 " head=%s", audit->seq, audit->head);
}

/* ------------------------------------------------------------------------------------- writing */

static void get_stuck(struct cl_audit *audit, int why)
{
    static const struct timeval later = { 0, RETRY_MS * 1000 };

    if (!audit->is_stuck)
        cl_log(CL_ERROR, "audit.stuck", "errno=%d what=\"%s\"", why, strerror(why));
    audit->is_stuck = true;
    audit->why = why;
    event_add(audit->retry, &later);
}

/* How many bytes the file took. */
static size_t append(struct cl_audit *audit, const void *bytes, size_t length)
{
    const ssize_t wrote = write(audit->fd, bytes, length);

    if (wrote < (ssize_t)length)
        get_stuck(audit, wrote < 0 ? errno : ENOSPC);
    return wrote < 0 ? 0 : (size_t)wrote;
}

static void keep(struct cl_audit *audit, const char *bytes, size_t length)
{
    struct cl_err err = CL_ERR_INIT;

    /* There is room: cl_audit_begin looked, and half of it is kept for lines of ours. */
    if (length > 0)
        CL_CHECK(cl_buf_put(&audit->waiting, bytes, length, &err) == 0);
}

static void seal_and_send(struct cl_audit *audit, struct cl_auditline *line)
{
    size_t sent = 0;

    cl_auditline_seal(line, audit->head);
    audit->seq++;
    if (!audit->is_stuck)
        sent = append(audit, line->text, line->length);
    keep(audit, line->text + sent, line->length - sent);
}

static bool has_room(const struct cl_audit *audit)
{
    return audit->waiting.length + CL_AUDIT_LINE_MAX <= WAITING_MAX / 2;
}

static void open_line(const struct cl_audit *audit, struct cl_auditline *line,
                      const char *event)
{
    cl_auditline_open(line, audit->seq + 1, cl_utc_us(), event);
}

/* That lines are missing is itself a line. */
static void tell_lost(struct cl_audit *audit)
{
    struct cl_auditline line;

    open_line(audit, &line, "audit.gap");
    cl_auditline_number(&line, "lost", audit->lost_untold);
    audit->lost_untold = 0;
    seal_and_send(audit, &line);
}

bool cl_audit_begin(struct cl_audit *audit, struct cl_auditline *line, const char *event)
{
    if (!audit || audit->fd < 0)
        return false;
    if (!has_room(audit)) {
        audit->lost++;
        audit->lost_untold++;
        return false;
    }
    if (audit->lost_untold > 0)
        tell_lost(audit);
    open_line(audit, line, event);
    return true;
}

void cl_audit_put(struct cl_audit *audit, struct cl_auditline *line)
{
    seal_and_send(audit, line);
    if (cl_clock_us() - audit->head_told_us > head_every_us)
        tell_head(audit);
}

/* ------------------------------------------------------------------------------------ the files */

static void begin_file(struct cl_audit *audit)
{
    struct cl_auditline line;

    open_line(audit, &line, CL_AUDIT_OPEN);
    cl_auditline_word(&line, "prev", audit->head);
    seal_and_send(audit, &line);
}

/* A file whose last line is not whole yet stays in use until it is. */
static void change_files(struct cl_audit *audit)
{
    if (audit->next < 0 || audit->is_stuck)
        return;
    CL_CHECK(dup3(audit->next, audit->place, O_CLOEXEC) == audit->place);
    cl_own_close(&audit->next);
    begin_file(audit);
    tell_head(audit);
}

/* Writes what waits; false: the disk still takes nothing, or not all of it. */
static bool send_waiting(struct cl_audit *audit)
{
    cl_buf_drop(&audit->waiting, append(audit, audit->waiting.bytes, audit->waiting.length));
    audit->is_stuck = audit->waiting.length > 0;
    if (!audit->is_stuck)
        cl_buf_fini(&audit->waiting);
    return !audit->is_stuck;
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
    struct cl_audit *audit = arg;

    (void)fd;
    (void)what;
    if (!send_waiting(audit))
        return;
    cl_log(CL_INFO, "audit.resumed", "lost=%" PRIu64, audit->lost);
    if (audit->lost_untold > 0)
        tell_lost(audit);
    change_files(audit);
}

/* The file was opened for appending; whoever had it before us may have changed that. */
static int check_append(int fd, struct cl_err *err)
{
    const int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || (flags & O_ACCMODE) != O_WRONLY)
        return cl_fail(err, CL_E_LOST, "the audit log came in a mode that can be read");
    if (!(flags & O_APPEND) && fcntl(fd, F_SETFL, flags | O_APPEND) < 0)
        return cl_fail(err, CL_E_SYS, "append to the audit log");
    return 0;
}

/* What is left of a line gets an end of its own and a line that tells of it. */
static void tell_torn(struct cl_audit *audit, const struct cl_audit_tail *tail)
{
    struct cl_auditline line;

    keep(audit, "\n", 1);
    open_line(audit, &line, CL_AUDIT_TORN);
    cl_auditline_number(&line, "bytes", tail->torn_bytes);
    cl_auditline_word(&line, "torn", tail->torn);
    audit->is_stuck = true; /* behind that newline, in one go */
    seal_and_send(audit, &line);
    send_waiting(audit);
    cl_log(CL_WARN, "audit.torn", "seq=%" PRIu64 " bytes=%" PRIu64, audit->seq,
           tail->torn_bytes);
}

/* The first file of this process goes on where its tail ends. */
static int adopt(struct cl_audit *audit, int fd, struct cl_err *err)
{
    const struct cl_audit_tail *tail = &audit->tail;

    if (!audit->has_tail || audit->fd >= 0)
        return cl_fail(err, CL_E_LOST, "the audit log came twice, or without its tail");
    if (check_append(fd, err) < 0)
        return -1;
    if (dup3(fd, audit->place, O_CLOEXEC) < 0)
        return cl_fail(err, CL_E_SYS, "place the audit log");
    audit->fd = audit->place;
    audit->seq = tail->seq;
    memcpy(audit->head, tail->head, sizeof(audit->head));
    if (tail->torn_bytes > 0)
        tell_torn(audit, tail);
    else if (tail->lacks_newline)
        keep(audit, "\n", append(audit, "\n", 1) == 0);
    if (tail->is_of_before)
        begin_file(audit);
    tell_head(audit);
    return 0;
}

static int take_next(struct cl_audit *audit, int *fd, struct cl_err *err)
{
    if (audit->fd < 0)
        return cl_fail(err, CL_E_LOST, "a new audit log before the first one");
    cl_own_close(&audit->next);
    audit->next = cl_take_fd(fd);
    change_files(audit);
    return 0;
}

int cl_audit_on_file(struct cl_audit *audit, const struct cl_msg_audit *msg, int *fd,
                     struct cl_err *err)
{
    audit->is_required = msg->is_required == 1;
    switch (msg->kind) {
    case CL_AUDIT_TAIL:
    case CL_AUDIT_BEFORE:
        audit->has_tail = true;
        return cl_audit_tail_read(&audit->tail, *fd, msg->kind == CL_AUDIT_BEFORE, err);
    case CL_AUDIT_LOG:
        return adopt(audit, *fd, err);
    case CL_AUDIT_NEXT:
        return take_next(audit, fd, err);
    default:
        audit->is_off = !msg->why[0];
        return audit->is_off ? 0 : cl_fail(err, CL_E_DENIED, "%s", msg->why);
    }
}

/* --------------------------------------------------------------------------------------- its life */

struct cl_audit *cl_audit_new(struct event_base *base, int place)
{
    struct cl_audit *audit = calloc(1, sizeof(*audit));

    CL_CHECK(audit);
    *audit = (struct cl_audit){
        .place = place, .fd = -1, .next = -1, .waiting = CL_BUF_INIT(WAITING_MAX)
    };
    audit->retry = event_new(base, -1, 0, on_retry, audit);
    CL_CHECK(audit->retry);
    return audit;
}

void cl_audit_free(struct cl_audit *audit)
{
    if (!audit)
        return;
    if (audit->fd >= 0)
        tell_head(audit);
    event_free(audit->retry);
    cl_own_close(&audit->next);
    cl_buf_fini(&audit->waiting);
    free(audit);
}

bool cl_audit_is_on(const struct cl_audit *audit)
{
    return audit && audit->fd >= 0;
}

bool cl_audit_is_ready(const struct cl_audit *audit)
{
    return audit->fd >= 0 || audit->is_off;
}

bool cl_audit_may_serve(const struct cl_audit *audit)
{
    return !audit || !audit->is_required || !audit->is_stuck;
}

void cl_audit_health(const struct cl_audit *audit, struct cl_audit_health *health)
{
    *health = (struct cl_audit_health){
        .is_writable = !audit->is_stuck,
        .why = audit->is_stuck ? strerrordesc_np(audit->why) : "",
        .seq = audit->seq,
        .waiting = audit->waiting.length,
        .lost = audit->lost,
        .head = audit->head,
    };
}
