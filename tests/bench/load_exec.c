/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One operation is one process, from spawn to its end. An exit status other than 0 is an error.
 * Runs in: the bench, outside the service.
 * Trusts: the command it was given.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/base/own.h"
#include "tests/bench/load.h"

static int init(struct cl_load *load, int argc, char **argv, struct cl_err *err)
{
    if (argc < 1)
        return cl_fail(err, CL_E_INPUT, "exec wants PROGRAM [ARGUMENT]...");
    load->argv = argv;
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        return cl_fail(err, CL_E_SYS, "prctl");
    return 0;
}

static int start(struct cl_load_client *client, struct cl_err *err)
{
    static char *const environment[] = { NULL };
    posix_spawn_file_actions_t quiet;

    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    errno = posix_spawn(&client->pid, client->load->argv[0], &quiet, NULL, client->load->argv,
                        environment);
    posix_spawn_file_actions_destroy(&quiet);
    if (errno != 0)
        return cl_fail(err, CL_E_SYS, "%s", client->load->argv[0]);
    client->fd = (int)syscall(SYS_pidfd_open, client->pid, 0);
    if (client->fd < 0)
        return cl_fail(err, CL_E_SYS, "pidfd_open");
    return cl_load_watch(client, false, err);
}

/* A child that is on its way through exec still holds a copy of every pidfd for a moment: closing
 * ours would leave it in the epoll set, and its event would come to the client's next process. */
static void drop_pidfd(struct cl_load_client *client)
{
    epoll_ctl(client->load->epoll, EPOLL_CTL_DEL, client->fd, NULL);
    cl_own_close(&client->fd);
}

static enum cl_load_step on_event(struct cl_load_client *client)
{
    int status = 0;

    if (waitpid(client->pid, &status, 0) < 0)
        return CL_LOAD_FAILED;
    client->load->ended++;
    drop_pidfd(client);
    client->pid = 0;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? CL_LOAD_DONE : CL_LOAD_FAILED;
}

/* Some launchers leave before their child does: as its reaper we get that child too, and only
 * what was waited for counts. */
uint64_t cl_load_children_us(void)
{
    struct rusage usage;

    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        ;
    getrusage(RUSAGE_CHILDREN, &usage);
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000u +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void fini(struct cl_load_client *client)
{
    if (client->pid > 0) {
        kill(client->pid, SIGKILL);
        waitpid(client->pid, NULL, 0);
        drop_pidfd(client);
    }
}

const struct cl_load_driver cl_load_exec = { "exec", init, start, on_event, fini };
