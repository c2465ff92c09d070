/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watches the policy directory, and the two above it for a change of directories.
 * Runs in: cloche-loader.
 * Trusts: the kernel's inotify; not that an event tells the truth about a file: all are read anew.
 */
#include "sandbox/load/edits.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"

enum { QUIET_US = 100000, BURST_US = 1000000, EVENTS_BYTES = 4096 };

/* In the order of `places`. Somebody's own directory, the one above it and what it holds: a file
 * that is being written is heard of when it is closed. */
enum { ABOVE, CONFIG, POLICIES };
static const uint32_t heard[CL_EDITS_PLACES] = {
    [ABOVE] = IN_CREATE | IN_MOVE,
    [CONFIG] = IN_CREATE | IN_DELETE | IN_MOVE | IN_ATTRIB | IN_CLOSE_WRITE,
    [POLICIES] = IN_CREATE | IN_DELETE | IN_MOVE | IN_ATTRIB | IN_CLOSE_WRITE,
};

/* A path may lead to another directory than a moment ago: names of the old one are given up. */
static int put(struct cl_edits *edits, const char *path, uint32_t events, int old)
{
    int fd = edits->watch.fd, place = inotify_add_watch(fd, path, events | IN_ONLYDIR);

    if (place < 0 && errno != ENOENT && errno != ENOTDIR)
        cl_log(CL_WARN, "edits.unseen", "path=\"%s\" error=\"%s\"", path,
               strerrordesc_np(errno));
    if (old >= 0 && old != place)
        inotify_rm_watch(fd, old); /* fails when the directory is gone, and that name too */
    return place;
}

static void place_all(struct cl_edits *edits)
{
    for (size_t i = 0; i < CL_EDITS_PLACES; i++)
        edits->places[i] = put(edits, edits->paths[i], heard[i], edits->places[i]);
}

int cl_edits_watch(struct cl_edits *edits, const char *path, int old)
{
    return put(edits, path, heard[POLICIES] | IN_MOVE_SELF | IN_DELETE_SELF, old);
}

void cl_edits_leave(struct cl_edits *edits, int place)
{
    if (place >= 0)
        inotify_rm_watch(edits->watch.fd, place);
}

static bool is_edit(struct cl_edits *edits, const struct inotify_event *event)
{
    bool is_place = event->wd == edits->places[CONFIG] || event->wd == edits->places[POLICIES];

    if (event->mask & IN_IGNORED)
        return false;
    if (event->wd == edits->places[ABOVE])
        is_place = event->len > 0 && strcmp(event->name, edits->name) == 0;
    edits->is_edited = edits->is_edited || is_place;
    return is_place || (edits->on_other && edits->on_other(edits, event->wd));
}

static void on_events(struct cl_watch *watch, uint32_t events)
{
    struct cl_edits *edits = cl_list_entry(watch, struct cl_edits, watch);
    _Alignas(struct inotify_event) char room[EVENTS_BYTES];
    const struct inotify_event *event;
    bool was_edited = false;
    ssize_t length;

    (void)events;
    while ((length = read(watch->fd, room, sizeof(room))) > 0) {
        for (char *at = room; at < room + length; at += sizeof(*event) + event->len) {
            event = (const struct inotify_event *)(const void *)at;
            was_edited = is_edit(edits, event) || was_edited;
        }
    }
    if (!was_edited)
        return;
    uint64_t now = cl_clock_us(), at = now + QUIET_US;
    if (cl_list_is_empty(&edits->quiet.node))
        edits->until_us = now + BURST_US;
    cl_timer_start(edits->loop, &edits->quiet, at < edits->until_us ? at : edits->until_us);
}

static void on_quiet(struct cl_timer *timer)
{
    struct cl_edits *edits = cl_list_entry(timer, struct cl_edits, quiet);

    if (edits->is_edited)
        place_all(edits); /* before they are read: what comes after is heard of */
    edits->on_edit(edits);
    edits->is_edited = false;
}

int cl_edits_open(struct cl_edits *edits, struct cl_loop *loop, const char *path,
                  void (*on_edit)(struct cl_edits *edits), struct cl_err *err)
{
    const char *slash = strrchr(path, '/');

    *edits = (struct cl_edits){
        .loop = loop,
        .watch = { inotify_init1(IN_NONBLOCK | IN_CLOEXEC), EPOLLIN, on_events },
        .places = { -1, -1, -1 },
        .name = slash + 1,
        .on_edit = on_edit,
    };
    cl_timer_init(&edits->quiet, on_quiet);
    if (edits->watch.fd < 0)
        return cl_fail(err, CL_E_SYS, "inotify");
    snprintf(edits->paths[ABOVE], PATH_MAX, "%.*s/", (int)(slash - path), path);
    snprintf(edits->paths[CONFIG], PATH_MAX, "%s", path);
    snprintf(edits->paths[POLICIES], PATH_MAX, "%s/policies", path);
    place_all(edits);
    return cl_loop_add(loop, &edits->watch, err);
}
