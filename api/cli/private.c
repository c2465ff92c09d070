/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A temporary service under one policy.
 * Runs in: cloche, as root.
 * Trusts: the user's files as far as cloche-policyc accepts them; cloched.
 */
#include "api/cli/private.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/cli/install.h"
#include "sandbox/base/file.h"
#include "sandbox/base/own.h"
#include "sandbox/base/policyview.h"

enum { ANCESTORS_MAX = 8, POLICY_TEXT_MAX = 1 << 20 };

static const char installed[] = "/etc/cloche/policies";

/* The files of one policy, it itself first. */
struct sources {
    char paths[ANCESTORS_MAX][PATH_MAX];
    size_t count;
};

/* -------------------------------------------------------------------------------- programs */

static _Noreturn void become(const char *path, char *const *argv, int out)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    dup2(out, STDOUT_FILENO);
    execv(path, argv);
    dprintf(STDERR_FILENO, "cloche: %s can't be run: %s\n", path, strerrordesc_np(errno));
    _exit(127);
}

int cl_private_run(const char *program, char *const *argv, pid_t *pid, struct cl_err *err)
{
    char path[PATH_MAX];
    int ends[2];

    if (cl_install_find(program, path) < 0)
        return cl_fail(err, CL_E_INPUT, "%s is not there: run `make all`", program);
    if (pipe2(ends, O_CLOEXEC) < 0)
        return cl_fail(err, CL_E_SYS, "pipe");
    cl_close_auto int read_end = ends[0];
    cl_close_auto int write_end = ends[1];
    fflush(NULL);
    *pid = fork();
    if (*pid < 0)
        return cl_fail(err, CL_E_SYS, "fork");
    if (*pid == 0)
        become(path, argv, write_end);
    return cl_take_fd(&read_end);
}

int cl_private_reap(pid_t pid)
{
    int status = 0;

    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* --------------------------------------------------------------------------------- folders */

static int remove_one(const char *path, const struct stat *found, int kind, struct FTW *where)
{
    (void)found, (void)kind, (void)where;
    return remove(path);
}

int cl_private_open(struct cl_private *own, struct cl_err *err)
{
    char policies[sizeof(own->config) + 16];

    if (geteuid() != 0)
        return cl_fail(err, CL_E_DENIED,
                       "this makes jails to look into, which takes root: try it with sudo");
    strcpy(own->dir, "/tmp/cloche-policy-XXXXXX");
    if (!mkdtemp(own->dir)) {
        own->dir[0] = '\0';
        return cl_fail(err, CL_E_SYS, "make a temporary folder");
    }
    snprintf(own->config, sizeof(own->config), "%s/config", own->dir);
    snprintf(own->state, sizeof(own->state), "%s/state", own->dir);
    snprintf(policies, sizeof(policies), "%s/policies", own->config);
    snprintf(own->token_file, sizeof(own->token_file), "%s/local.token", own->state);
    if (mkdir(own->config, 0755) < 0 || mkdir(policies, 0755) < 0)
        return cl_fail(err, CL_E_SYS, "make %s", policies);
    return 0;
}

/* ---------------------------------------------------------------------------------- policies */

/* A pipe would be waited for, and would be empty for whoever reads it next. */
static int open_text(const char *path, struct cl_err *err)
{
    cl_close_auto int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat seen;

    if (fd < 0 || fstat(fd, &seen) < 0)
        return cl_fail(err, CL_E_INPUT, "%.150s: %s", path, strerrordesc_np(errno));
    if (!S_ISREG(seen.st_mode))
        return cl_fail(err, CL_E_INPUT, "%.150s: not a regular file", path);
    if (seen.st_size >= POLICY_TEXT_MAX)
        return cl_fail(err, CL_E_INPUT, "%.150s: %lld bytes, no policy is that long", path,
                       (long long)seen.st_size);
    return cl_take_fd(&fd);
}

static int read_text(const char *path, struct cl_buf *text, struct cl_err *err)
{
    cl_close_auto int fd = open_text(path, err);
    ssize_t got = 1;

    if (fd < 0)
        return -1;
    while (got > 0) {
        uint8_t *room = cl_buf_room(text, 4096, err);
        if (!room)
            return cl_err_context(err, "%.100s", path);
        got = read(fd, room, 4096);
        text->length += got > 0 ? (size_t)got : 0;
    }
    if (got < 0)
        return cl_fail(err, CL_E_INPUT, "%.150s: %s", path, strerrordesc_np(errno));
    return cl_buf_put(text, "", 1, err);
}

/* The word behind `extends:` at the start of a line. A file that says it in another way is told
 * by the compiler that the policy is unknown. */
static bool find_parent(const char *text, char *name, size_t size)
{
    static const char key[] = "extends:";

    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, sizeof(key) - 1) != 0)
            continue;
        line += sizeof(key) - 1;
        line += strspn(line, " \t\"'");
        snprintf(name, size, "%.*s", (int)strcspn(line, " \t\"'#\r\n"), line);
        return *name != '\0';
    }
    return false;
}

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* Into the config folder, where it is ours and nobody else's to write. */
static int copy(const struct cl_private *own, const char *path, const struct cl_buf *text,
                struct cl_err *err)
{
    char target[PATH_MAX];

    snprintf(target, sizeof(target), "%s/policies/%.*s", own->config, 200, base_of(path));
    cl_close_auto int fd = open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return cl_fail(err, CL_E_SYS, "make %.150s", target);
    return cl_file_write_all(fd, text->bytes, text->length - 1, err);
}

static int add_source(struct cl_private *own, struct sources *sources, const char *path,
                      char *parent, struct cl_err *err)
{
    struct cl_buf CL_AUTO(cl_buf_fini) text = CL_BUF_INIT(POLICY_TEXT_MAX);

    if (sources->count == ANCESTORS_MAX)
        return cl_fail(err, CL_E_INPUT, "%.100s: more than %d policies extend each other", path,
                       ANCESTORS_MAX);
    if (read_text(path, &text, err) < 0 || copy(own, path, &text, err) < 0)
        return -1;
    snprintf(sources->paths[sources->count++], PATH_MAX, "%s", path);
    if (!find_parent((const char *)text.bytes, parent, CL_POLICY_NAME_MAX))
        *parent = '\0';
    return 0;
}

static bool is_collected(const struct sources *sources, const char *path)
{
    for (size_t i = 0; i < sources->count; i++) {
        if (strcmp(sources->paths[i], path) == 0)
            return true;
    }
    return false;
}

/* A parent lies beside its child; one that does not is a built-in one. Files that extend each
 * other in a circle are the compiler's to refuse. */
static int collect(struct cl_private *own, struct sources *sources, const char *first,
                   struct cl_err *err)
{
    char path[PATH_MAX];
    char parent[CL_POLICY_NAME_MAX];
    const int folder = (int)(base_of(first) - first);

    snprintf(path, sizeof(path), "%s", first);
    while (!is_collected(sources, path) && (access(path, F_OK) == 0 || sources->count == 0)) {
        if (add_source(own, sources, path, parent, err) < 0)
            return -1;
        if (!*parent)
            break;
        snprintf(path, sizeof(path), "%.*s%s.yaml", folder, first, parent);
    }
    return 0;
}

static int compile(struct cl_private *own, const struct sources *sources, struct cl_err *err)
{
    char out[sizeof(own->dir) + 16];
    char *argv[ANCESTORS_MAX + 6] = { (char *)(uintptr_t) "cloche policy",
                                      (char *)(uintptr_t) "compile" };
    size_t count = 2;
    pid_t pid = 0;

    snprintf(out, sizeof(out), "%s/compiled", own->dir);
    for (size_t i = 0; i < sources->count; i++)
        argv[count++] = (char *)(uintptr_t)sources->paths[i];
    if (sources->count == 0)
        argv[count++] = own->name;
    argv[count++] = (char *)(uintptr_t) "-o";
    argv[count++] = out;
    cl_close_auto int pipe = cl_private_run("cloche-policyc", argv, &pid, err);
    if (pipe < 0)
        return -1;
    if (cl_private_reap(pid) != 0)
        return cl_fail(err, CL_E_INPUT, "%s", "");
    cl_buf_clear(&own->compiled);
    if (read_text(out, &own->compiled, err) < 0)
        return -1;
    return cl_policyview_check(own->compiled.bytes, own->compiled.length - 1, err);
}

int cl_private_take(struct cl_private *own, const char *arg, struct cl_err *err)
{
    cl_free_auto struct sources *sources = calloc(1, sizeof(*sources));
    char path[PATH_MAX];
    const char *base = base_of(arg);
    const char *dot = strrchr(base, '.');
    const bool is_file = base != arg || dot;

    CL_CHECK(sources);
    snprintf(own->name, sizeof(own->name), "%.*s", (int)(dot ? dot - base : 63), base);
    snprintf(path, sizeof(path), "%s/%.200s.yaml", installed, arg);
    if (is_file && (!dot || strcmp(dot, ".yaml") != 0))
        return cl_fail(err, CL_E_INPUT, "%.120s: a policy file is named <name>.yaml", arg);
    if (is_file && collect(own, sources, arg, err) < 0)
        return -1;
    if (!is_file && access(path, R_OK) == 0 && collect(own, sources, path, err) < 0)
        return -1;
    return compile(own, sources, err);
}

const struct cl_policy *cl_private_policy(const struct cl_private *own)
{
    return (const struct cl_policy *)(const void *)own->compiled.bytes;
}

/* ----------------------------------------------------------------------------------- service */

int cl_private_serve(struct cl_private *own, struct cl_err *err)
{
    const struct cl_args args = { .url = own->served.url, .token_file = own->token_file };

    own->served.config = own->config;
    if (cl_served_start(&own->served, own->state, "127.0.0.1:0", err) < 0)
        return -1;
    if (!cl_served_wait_ready(&own->served))
        return cl_fail(err, CL_E_LOST, "the service does not start: see above");
    return cl_service_open(&own->service, &args, err);
}

void cl_private_stop(struct cl_private *own)
{
    const bool learns = own->served.learns;

    cl_service_close(&own->service);
    cl_served_fini(&own->served);
    own->served = (struct cl_served)CL_SERVED_INIT;
    own->served.learns = learns;
}

int cl_private_post(struct cl_private *own, const char *path, const struct cl_buf *body,
                    struct cl_answer *answer, struct cl_err *err)
{
    const struct cl_sending sending = {
        .method = "POST",
        .path = path,
        .body = body,
        .fields = { { own->field.name, own->field.value } },
    };

    cl_answer_fini(answer);
    *answer = (struct cl_answer)CL_ANSWER_INIT;
    return cl_service_send(&own->service, &sending, NULL, answer, err);
}

void cl_private_fini(struct cl_private *own)
{
    cl_private_stop(own);
    cl_buf_fini(&own->compiled);
    if (own->dir[0])
        nftw(own->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}
