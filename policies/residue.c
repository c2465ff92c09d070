/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Says honestly what a jail does not prevent, one row of a table for each thing.
 * Runs in: cloche-policyc, as the admin.
 * Trusts: the checks that made the spec.
 */
#include "policies/residue.h"

#include <string.h>

#include "policies/policy.h"
#include "policies/risk.h"
#include "policies/table.h"
#include "policies/value.h"
#include "sandbox/base/err.h"
#include "sandbox/base/own.h"

enum { LEFT = 4, RIGHT = 96, TEXT_SIZE = 1024 };

static bool always(const struct cl_spec *spec)
{
    (void)spec;
    return true;
}

static bool has_time(const struct cl_spec *spec)
{
    return cl_spec_tiers(spec) & CL_TIER_TIME;
}

static bool has_no_time(const struct cl_spec *spec)
{
    return !has_time(spec);
}

static bool has_threads(const struct cl_spec *spec)
{
    return cl_spec_tiers(spec) & CL_TIER_THREADS;
}

static bool has_asyncio(const struct cl_spec *spec)
{
    return cl_spec_tiers(spec) & CL_TIER_ASYNCIO;
}

static bool has_late_imports(const struct cl_spec *spec)
{
    return cl_spec_tiers(spec) & CL_TIER_LATE_IMPORTS;
}

static bool has_tmp(const struct cl_spec *spec)
{
    return cl_spec_tiers(spec) & CL_TIER_TMP_FILES;
}

static bool is_polite(const struct cl_spec *spec)
{
    return spec->on_violation;
}

static bool is_shared(const struct cl_spec *spec)
{
    return spec->isolation;
}

static bool is_apart(const struct cl_spec *spec)
{
    return !spec->isolation;
}

static bool has_sessions(const struct cl_spec *spec)
{
    return spec->session_allow;
}

/* {key} stands for a value of the policy, {open} for the number of open system calls. */
static const struct {
    bool (*holds)(const struct cl_spec *);
    const char *text;
} rows[] = {
    { always,
      "Compute whatever it likes for {limits.wall}, with {limits.cpu} of processor time "
      "on up to {cpu.max} cores, and fill {limits.memory} of memory; call after call, as "
      "often as its caller may call." },
    { always,
      "Name and use every module of the interpreter and every built-in: "
      "`python.modules`, `python.names` and `python.builtins` are no wall against native "
      "code." },
    { always, "Read all memory of its own process: its call, and what is the same in every "
              "worker of its zygote, which are the interpreter, its modules, their address "
              "layout and the hash seed." },
    { is_apart, "Know by that the address layout of later workers for the same tenant, until "
                "the zygote is replaced ({pool.recycle_calls} calls, {pool.recycle_after})." },
    { is_shared,
      "Know by that the address layout of workers of other tenants under this policy, "
      "until the zygote is replaced ({pool.recycle_calls} calls, "
      "{pool.recycle_after})." },
    { always,
      "Answer anything: up to {limits.result} of result, {limits.output} of output, log "
      "lines. They are checked for their form, never for the truth." },
    { always,
      "Attack the kernel through the {open} open system calls: a hole behind one of them "
      "is a way out, and no policy can close it." },
    { always, "Feel what it shares with the host: caches, memory bandwidth, how busy the cores "
              "are." },
    { has_time, "Measure that with the kernel's clocks." },
    { has_no_time,
      "Measure that with the processor's time stamp counter, which the tier `time` "
      "does not guard." },
    { is_polite,
      "Try every other system call, one after the other: they fail, and the call goes "
      "on." },
    { has_threads,
      "Run {limits.processes} tasks at once: a counting thread is a fine clock, and "
      "races within the kernel can be tried." },
    { has_asyncio, "Make socket pairs and epoll instances within the process, and so reach the "
                   "kernel's code for both; there is nobody else to talk to." },
    { has_late_imports,
      "List and read the jail's tree, and map its files as code; code that it "
      "brings itself does not become executable that way." },
    { has_tmp, "Write {limits.files} into {limits.inodes} files of a /tmp that ends with the "
               "call, and so reach the kernel's code for names, links and locks of a tmpfs." },
    { has_sessions, "Leave anything for later calls of the same session, for up to "
                    "{sessions.max}." },
};

static void put(char *text, size_t size, const char *from, size_t length)
{
    size_t used = strlen(text);

    snprintf(text + used, size - used, "%.*s", (int)length, from);
}

static void put_value(const struct cl_spec *spec, const char *path, char *text, size_t size)
{
    const struct cl_key *key = cl_table_find(path);
    char value[64];
    uint64_t number = 0;

    CL_CHECK(key && !cl_spec_is_items(key));
    memcpy(&number, (const char *)spec + key->at, sizeof(number));
    cl_value_format(key, number, value, sizeof(value));
    put(text, size, value, strlen(value));
}

static void fill(const struct cl_spec *spec, size_t open_count, const char *from, char *text,
                 size_t size)
{
    char path[CL_NAME_MAX], count[32];

    text[0] = '\0';
    while (*from) {
        size_t length = strcspn(from, "{");
        put(text, size, from, length);
        from += length;
        if (!*from)
            break;
        length = strcspn(from, "}");
        snprintf(path, sizeof(path), "%.*s", (int)length - 1, from + 1);
        snprintf(count, sizeof(count), "%zu", open_count);
        if (strcmp(path, "open") == 0)
            put(text, size, count, strlen(count));
        else
            put_value(spec, path, text, size);
        from += length + 1;
    }
}

/* A paragraph with a dash, broken at blanks. */
static void print(const char *text, FILE *out)
{
    size_t column = LEFT;

    fputs("  - ", out);
    while (*text) {
        size_t length = strcspn(text, " ");
        if (column > LEFT && column + 1 + length > RIGHT) {
            fprintf(out, "\n%*s", LEFT, "");
            column = LEFT;
        } else if (column > LEFT) {
            fputc(' ', out);
            column++;
        }
        fprintf(out, "%.*s", (int)length, text);
        column += length;
        text += length + strspn(text + length, " ");
    }
    fputc('\n', out);
}

static void print_binds(const struct cl_spec *spec, FILE *out)
{
    char text[TEXT_SIZE];

    for (size_t i = 0; i + 1 < spec->binds.count; i += 2) {
        snprintf(text, sizeof(text),
                 "Read everything below %s that its owner lets all read "
                 "(it is %s inside), and return it to its caller.",
                 spec->binds.items[i].text, spec->binds.items[i + 1].text);
        print(text, out);
    }
}

static void print_allowed(const struct cl_spec *spec, FILE *out)
{
    char text[TEXT_SIZE];

    for (size_t i = 0; i < spec->allow.count; i++) {
        const char *name = spec->allow.items[i].text;
        const char *why = cl_risk_syscall(name)->why;
        snprintf(text, sizeof(text), "Call %s with any argument%s%s.", name, *why ? ": " : "",
                 why);
        print(text, out);
    }
}

void cl_residue_print(const struct cl_spec *spec, size_t open_count, FILE *out)
{
    char text[TEXT_SIZE];

    fputs("\nwhat native code in this jail could still do\n", out);
    for (size_t i = 0; i < CL_COUNT(rows); i++) {
        if (!rows[i].holds(spec))
            continue;
        fill(spec, open_count, rows[i].text, text, sizeof(text));
        print(text, out);
    }
    print_binds(spec, out);
    print_allowed(spec, out);
}
