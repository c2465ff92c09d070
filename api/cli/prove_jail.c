/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's half of `cloche policy test`: has cloched prove the jail, system call by system
 * call, and retells what it says.
 * Runs in: cloche, as root.
 * Trusts: cloched's self-test.
 */
#include <stdlib.h>
#include <string.h>

#include "api/cli/prove.h"
#include "sandbox/base/own.h"

static const char *const names[] = {
#include "syscall_names.inc"
};

static void name_call(const char *subject, char *what, size_t size)
{
    char *end;
    const unsigned long number = strtoul(subject + strlen("syscall "), &end, 10);

    if (number < CL_COUNT(names) && names[number])
        snprintf(what, size, "syscall %s%s", names[number], end);
    else
        snprintf(what, size, "%s", subject);
}

static bool ends_with(const char *text, const char *end)
{
    const size_t length = strlen(text), tail = strlen(end);

    return length >= tail && strcmp(text + length - tail, end) == 0;
}

/* "ok SUBJECT: what was seen"; other lines say why it did not come to that. */
static void retell(struct cl_prove *prove, char *line)
{
    const struct cl_policy *policy = cl_private_policy(&prove->own);
    const bool is_good = strncmp(line, "ok ", 3) == 0;
    char *subject = line + (is_good ? 3 : 5);
    char *seen = strstr(line, ": ");
    char what[256];
    enum cl_proof kind;

    if ((!is_good && strncmp(line, "FAIL ", 5) != 0) || !seen || seen < subject)
        return;
    *seen = '\0';
    seen += 2;
    snprintf(what, sizeof(what), "%s", subject);
    if (strncmp(subject, "syscall ", 8) == 0)
        name_call(subject, what, sizeof(what));
    kind = ends_with(what, " open") ? CL_PROOF_GRANT : CL_PROOF_REFUSAL;
    if (strncmp(what, "see ", 4) == 0 && is_good && strcmp(seen, "success") == 0)
        kind = CL_PROOF_GRANT;
    cl_prove_tell(prove, is_good, kind, what, seen);
    if (strcmp(what, "ptrace") == 0) {
        const bool is_errno = policy->flags & CL_POLICY_ON_VIOLATION_ERRNO;
        cl_prove_tell(prove, is_errno == (strcmp(seen, "EPERM") == 0), CL_PROOF_REFUSAL,
                      is_errno ? "on_violation errno" : "on_violation kill", seen);
    }
}

int cl_prove_jail(struct cl_prove *prove, struct cl_err *err)
{
    struct cl_private *own = &prove->own;
    char state[sizeof(own->state) + 8];
    char *argv[] = { (char *)(uintptr_t) "cloched",
                     (char *)(uintptr_t) "--self-test",
                     (char *)(uintptr_t) "--prove",
                     own->name,
                     (char *)(uintptr_t) "--config",
                     own->config,
                     (char *)(uintptr_t) "--state",
                     state,
                     (char *)(uintptr_t) "--log",
                     (char *)(uintptr_t) "error",
                     NULL };
    cl_free_auto char *line = NULL;
    size_t size = 0;
    ssize_t length;
    pid_t pid = 0;

    snprintf(state, sizeof(state), "%s.test", own->state);
    cl_close_auto int pipe = cl_private_run("cloched", argv, &pid, err);
    if (pipe < 0)
        return -1;
    cl_fclose_auto FILE *lines = fdopen(pipe, "r");
    if (!lines)
        return cl_fail(err, CL_E_SYS, "read what cloched says");
    cl_take_fd(&pipe); /* the stream's */
    const unsigned before = prove->good + prove->bad, bad = prove->bad;
    while ((length = getline(&line, &size, lines)) > 0) {
        line[strcspn(line, "\n")] = '\0';
        retell(prove, line);
    }
    const int status = cl_private_reap(pid);
    if (status != 0 && prove->bad == bad)
        cl_prove_tell(prove, false, CL_PROOF_GRANT, "the jail starts",
                      prove->good + prove->bad == before ? "cloched says above why not"
                                                         : "cloched says above what broke");
    return 0;
}
