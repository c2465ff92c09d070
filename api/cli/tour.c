/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cloche tour`, what `make run` ends in: starts a service in the foreground, makes one call, shows
 * the jail it ran in as the host sees it, and serves until Ctrl-C.
 * Runs in: cloche, as root.
 * Trusts: cloched and the kernel; the call's answer is checked like any other.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "api/cli/outcome.h"
#include "api/cli/picture.h"
#include "api/cli/served.h"
#include "api/cli/service.h"
#include "api/cli/sight.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/own.h"

enum { SPARE_WAIT_MS = 5000, GONE_WAIT_MS = 2000, PEER_ROUNDS = 5 };

static const char *const source_lines[] = {
    "def main(n):",
    "    try:",
    "        import socket",
    "    except Exception as error:",
    "        refused = str(error)",
    "    return {'sum': sum(i * i for i in range(n)),",
    "            'exact': [10**30, 0.1], 'refused': refused}",
};

struct tour {
    struct cl_served served;
    struct cl_service service;
    struct cl_answer answer;
    struct cl_json envelope;
    struct cl_sight sights[CL_SIGHTS_MAX]; /* the parked workers before the call */
    size_t sight_count;
    const struct cl_sight *jail; /* the one of them that ran it; NULL if it can't be told */
    char state[PATH_MAX];
    char token_file[PATH_MAX + 16];
    uint64_t peer_us; /* the same sum in a plain python3; 0: not measured */
};

/* Spares are made as soon as the service is ready; there is no event for us to wait on. */
static void see_spares(struct tour *tour)
{
    const struct timespec pause = { 0, 5 * 1000 * 1000 };
    const uint64_t until_us = cl_clock_us() + SPARE_WAIT_MS * 1000u;

    do {
        tour->sight_count = cl_sight_jails(tour->served.pid, tour->sights);
        if (tour->sight_count > 0)
            return;
        nanosleep(&pause, NULL);
    } while (cl_clock_us() < until_us);
}

static int make_body(struct cl_buf *body, struct cl_err *err)
{
    struct cl_buf CL_AUTO(cl_buf_fini) source = CL_BUF_INIT(4096);

    for (size_t i = 0; i < CL_COUNT(source_lines); i++) {
        if (cl_buf_put_text(&source, source_lines[i], err) < 0 ||
            cl_buf_put_text(&source, "\n", err) < 0)
            return -1;
    }
    if (cl_buf_put_text(body, "{\"source\":", err) < 0 ||
        cl_json_put_string(body, (const char *)source.bytes, source.length, err) < 0)
        return -1;
    return cl_buf_put_text(body, ",\"args\":[1000]}", err);
}

static int call(struct tour *tour, struct cl_err *err)
{
    const struct cl_args args = { .url = tour->served.url, .token_file = tour->token_file };
    struct cl_buf CL_AUTO(cl_buf_fini) body = CL_BUF_INIT(8192);

    if (cl_service_open(&tour->service, &args, err) < 0 || make_body(&body, err) < 0)
        return -1;
    if (cl_service_post(&tour->service, "/v1/calls", &body, NULL, &tour->answer, err) < 0)
        return -1;
    if (tour->answer.status != 200) {
        cl_service_problem(&tour->answer);
        return cl_fail(err, CL_E_LOST, "the demonstration was refused");
    }
    tour->jail = cl_sight_wait_gone(tour->sights, tour->sight_count, GONE_WAIT_MS);
    return cl_json_root(&tour->answer.body, &tour->envelope, err);
}

/* What people would run instead, without any jail: the fastest of some rounds. */
static uint64_t time_peer(void)
{
    static char *const argv[] = {
        "python3", "-I", "-S", "-c", "print(sum(i * i for i in range(1000)))", NULL
    };
    static char *const environment[] = { NULL };
    posix_spawn_file_actions_t quiet;
    uint64_t best_us = 0;

    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
    for (int i = 0; i < PEER_ROUNDS; i++) {
        const uint64_t start_us = cl_clock_us();
        uint64_t took_us;
        int status = 0;
        pid_t pid;

        if (posix_spawn(&pid, "/usr/bin/python3", &quiet, NULL, argv, environment) != 0)
            break;
        waitpid(pid, &status, 0);
        took_us = cl_clock_us() - start_us;
        if (status == 0 && (best_us == 0 || took_us < best_us))
            best_us = took_us;
    }
    posix_spawn_file_actions_destroy(&quiet);
    return best_us;
}

static void draw_limits(const struct cl_picture *picture, const struct cl_sight *jail)
{
    char text[160] = "";
    size_t used = 0;

    if (jail->memory_bytes)
        used += (size_t)snprintf(text, sizeof(text), "memory %" PRIu64 " MiB   ",
                                 jail->memory_bytes >> 20);
    if (jail->processes)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "processes %" PRIu64 "   ",
                                 jail->processes);
    if (jail->cpu_seconds)
        snprintf(text + used, sizeof(text) - used, "cpu %" PRIu64 " s", jail->cpu_seconds);
    cl_picture_line(picture, "limits", "%s", text);
}

static void draw_jail(const struct cl_picture *picture, const struct tour *tour)
{
    const struct cl_sight *jail = tour->jail ? tour->jail : &tour->sights[0];

    cl_picture_edge(picture, true,
                    tour->jail ? "the jail of this call, seen from the host"
                               : "a jail that waits, seen from the host");
    cl_picture_line(picture, "process", "%d here, %u of its own world%s", jail->pid,
                    jail->pid_inside, tour->jail ? "; one call, and it is gone" : "");
    cl_picture_line(picture, "user", "uid %u here, %u inside; %s%s", jail->uid,
                    jail->uid_inside,
                    jail->capabilities ? "SOME CAPABILITIES" : "no capability",
                    jail->no_new_privs ? ", no way to one" : "");
    cl_picture_line(picture, "namespaces", "%s%s%s%s", jail->own, *jail->shared ? " (not " : "",
                    jail->shared, *jail->shared ? ")" : "");
    cl_picture_line(picture, "sees", "%u mount%s, %u open files, a network without a device up",
                    jail->mounts, jail->mounts == 1 ? "" : "s", jail->fds);
    cl_picture_line(picture, "filter", "seccomp, %u filter%s on every system call",
                    jail->filters, jail->filters == 1 ? "" : "s");
    draw_limits(picture, jail);
    cl_picture_line(picture, "cgroup", "%s", jail->cgroup);
    cl_picture_line(picture, "memory", "%" PRIu64 " KiB of its own while it waited",
                    jail->own_kib);
}

static void draw_times(const struct cl_picture *picture, const struct tour *tour)
{
    const struct cl_json usage = cl_json_member(tour->envelope, "usage");
    const uint64_t wall_us = cl_json_number(cl_json_member(usage, "wall_us"));

    cl_picture_edge(picture, false, "its time");
    cl_picture_line(picture, "this call", "%.2f ms over HTTP, %.2f ms of it in the jail",
                    (double)tour->answer.took_us / 1e3, (double)wall_us / 1e3);
    if (tour->peer_us)
        cl_picture_line(picture, "python3 -c", "%.2f ms for the same sum without any jail",
                        (double)tour->peer_us / 1e3);
}

static void draw(const struct tour *tour)
{
    const struct cl_picture picture = cl_picture_of(stdout);

    if (tour->sight_count > 0)
        draw_jail(&picture, tour);
    cl_picture_edge(&picture, tour->sight_count == 0, "what it ran");
    for (size_t i = 0; i < CL_COUNT(source_lines); i++)
        cl_picture_line(&picture, i ? "" : "source", "%s", source_lines[i]);
    draw_times(&picture, tour);
    cl_picture_close(&picture);
}

static int show(const struct tour *tour)
{
    struct cl_buf CL_AUTO(cl_buf_fini) text = CL_BUF_INIT(CL_ANSWER_MAX);
    struct cl_err err = CL_ERR_INIT;

    draw(tour);
    if (cl_json_pretty(tour->envelope, &text, &err) < 0)
        return cl_verb_fail(CL_EXIT_LOST, "%s", err.text);
    printf("\n%.*s\n\n", (int)text.length, (const char *)text.bytes);
    printf("Try it from another terminal:\n\n"
           "curl -s %s/v1/calls -H 'Content-Type: application/json' \\\n"
           "  -H \"Authorization: Bearer $(cat '%s')\" \\\n"
           "  -d '{\"source\": \"def main(x): return x * 2\", \"args\": [21]}'\n\n"
           "Serving on %s until Ctrl-C.\n",
           tour->served.url, tour->token_file, tour->served.url);
    fflush(stdout);
    return cl_outcome_exit(tour->envelope);
}

static int demonstrate(struct tour *tour)
{
    struct cl_err err = CL_ERR_INIT;

    see_spares(tour);
    if (call(tour, &err) < 0)
        return cl_verb_fail(CL_EXIT_LOST, "%s", err.text);
    tour->peer_us = time_peer();
    return show(tour);
}

static void fini(struct tour *tour)
{
    cl_sight_free(tour->sights, tour->sight_count);
    cl_answer_fini(&tour->answer);
    cl_service_close(&tour->service);
    cl_served_fini(&tour->served);
}

static int run(const struct cl_args *args)
{
    struct tour CL_AUTO(fini) tour = { .served = CL_SERVED_INIT,
                                       .service = CL_SERVICE_INIT,
                                       .answer = CL_ANSWER_INIT };
    const char *state = args->state ? args->state : CL_SERVICE_STATE;
    struct cl_err err = CL_ERR_INIT;
    int code;

    if (cl_served_start(&tour.served, state, args->listen ? args->listen : "127.0.0.1:8420",
                        &err) < 0)
        return cl_verb_fail(CL_EXIT_USAGE, "%s", err.text);
    if (!cl_served_wait_ready(&tour.served)) {
        code = cl_served_wait(&tour.served);
        return code ? code : CL_EXIT_FAILED;
    }
    if (!realpath(state, tour.state))
        return cl_verb_fail(CL_EXIT_USAGE, "%s: %s", state, strerrordesc_np(errno));
    snprintf(tour.token_file, sizeof(tour.token_file), "%s/local.token", tour.state);
    code = demonstrate(&tour);
    if (code != CL_EXIT_OK)
        return code;
    return cl_served_wait(&tour.served);
}

static const struct cl_option options[] = {
    { "state", "DIR", "where the service keeps its state (" CL_SERVICE_STATE ")",
      offsetof(struct cl_args, state), CL_OPTION_TEXT, 0 },
    { "listen", "ADDR:PORT", "where it listens (127.0.0.1:8420)",
      offsetof(struct cl_args, listen), CL_OPTION_TEXT, 0 },
};

const struct cl_verb cl_verb_tour = {
    .name = "tour",
    .operands = "",
    .summary = "Start a service here, show one call and its jail, serve until Ctrl-C.",
    .options = options,
    .option_count = CL_COUNT(options),
    .run = run,
    .is_hidden = true,
};
