/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks at the kernel and the machine.
 * Runs in: cloche, as any user; only reads.
 * Trusts: what the kernel says of itself.
 */
#include "api/cli/facts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "sandbox/base/file.h"
#include "sandbox/base/own.h"

enum { GET_MDWE = 66 }; /* PR_GET_MDWE, Linux 6.3; headers of Debian 12 are older */

const char *cl_fact_level_name(enum cl_fact_level level)
{
    static const char *const names[] = { "ok", "note", "FAIL" };

    return names[level];
}

void cl_fact_set(struct cl_fact *fact, enum cl_fact_level level, const char *advice,
                 const char *format, ...)
{
    va_list args;

    fact->level = level;
    fact->advice = advice;
    va_start(args, format);
    vsnprintf(fact->seen, sizeof(fact->seen), format, args);
    va_end(args);
}

int cl_fact_line(const char *path, char *text, size_t size)
{
    struct cl_err err = CL_ERR_INIT;

    if (cl_file_get(AT_FDCWD, path, text, size, &err) < 0)
        return -1;
    text[strcspn(text, "\n")] = '\0';
    return 0;
}

static void look_kernel(struct cl_fact *fact)
{
    struct utsname name;
    unsigned major = 0;
    unsigned minor = 0;

    uname(&name);
    sscanf(name.release, "%u.%u", &major, &minor);
    if (major < 5 || (major == 5 && minor < 14))
        cl_fact_set(fact, CL_FACT_FAIL, "use 5.14 or newer (Debian 12 has 6.1)", "%s",
                    name.release);
    else
        cl_fact_set(fact, CL_FACT_OK, NULL, "%s", name.release);
}

static void look_v1(struct cl_fact *fact)
{
    static const char *const wanted[] = { "memory", "pids", "cpu" };
    char path[64];

    for (size_t i = 0; i < CL_COUNT(wanted); i++) {
        snprintf(path, sizeof(path), "/sys/fs/cgroup/%s", wanted[i]);
        if (access(path, F_OK) == 0)
            continue;
        cl_fact_set(fact, CL_FACT_FAIL, "mount the controllers memory, pids and cpu",
                    "v1 without the controller %s", wanted[i]);
        return;
    }
    cl_fact_set(fact, CL_FACT_NOTE,
                "v2 is better: it ends a group at once "
                "(systemd.unified_cgroup_hierarchy=1)",
                "v1 with memory, pids, cpu");
}

static void look_cgroup(struct cl_fact *fact)
{
    struct statfs fs;
    char controllers[128];

    if (statfs("/sys/fs/cgroup", &fs) < 0) {
        cl_fact_set(fact, CL_FACT_FAIL, "mount cgroup2 on /sys/fs/cgroup", "none");
        return;
    }
    if ((unsigned long)fs.f_type != CGROUP2_SUPER_MAGIC) {
        look_v1(fact);
        return;
    }
    if (cl_fact_line("/sys/fs/cgroup/cgroup.controllers", controllers, sizeof(controllers)) < 0)
        controllers[0] = '\0';
    if (strstr(controllers, "memory") && strstr(controllers, "pids"))
        cl_fact_set(fact, CL_FACT_OK, NULL, "v2 with %s", controllers);
    else
        cl_fact_set(fact, CL_FACT_FAIL,
                    "the controllers memory and pids must be in the v2 tree", "v2 with %s",
                    *controllers ? controllers : "no controller");
}

static void look_swap(struct cl_fact *fact)
{
    char text[4096];
    struct cl_err err = CL_ERR_INIT;
    const char *second;

    if (cl_file_get(AT_FDCWD, "/proc/swaps", text, sizeof(text), &err) < 0) {
        cl_fact_set(fact, CL_FACT_NOTE, NULL, "unknown");
        return;
    }
    second = strchr(text, '\n');
    if (second && second[1])
        cl_fact_set(
            fact, CL_FACT_NOTE,
            "jails get none, but the services may be swapped out: keep it encrypted or off",
            "on");
    else
        cl_fact_set(fact, CL_FACT_OK, NULL, "off");
}

static void look_smt(struct cl_fact *fact)
{
    char text[16];

    if (cl_fact_line("/sys/devices/system/cpu/smt/active", text, sizeof(text)) < 0)
        cl_fact_set(fact, CL_FACT_NOTE, "ask the hypervisor whether cores are shared",
                    "unknown");
    else if (text[0] == '1')
        cl_fact_set(fact, CL_FACT_NOTE,
                    "two tenants may share a core and its side channels: boot with nosmt",
                    "on");
    else
        cl_fact_set(fact, CL_FACT_OK, NULL, "off");
}

/* A sysctl that should hold a certain value; a kernel that lacks it has the old behaviour. */
static void look_sysctl(struct cl_fact *fact, const char *path, const char *best,
                        const char *advice)
{
    char text[32];

    if (cl_fact_line(path, text, sizeof(text)) < 0)
        cl_fact_set(fact, CL_FACT_NOTE, "no switch in this kernel; the jail's filter denies it",
                    "absent");
    else
        cl_fact_set(fact, strcmp(text, best) == 0 ? CL_FACT_OK : CL_FACT_NOTE,
                    strcmp(text, best) == 0 ? NULL : advice, "%s", text);
}

static void look_tiocsti(struct cl_fact *fact)
{
    look_sysctl(fact, "/proc/sys/dev/tty/legacy_tiocsti", "0",
                "sysctl dev.tty.legacy_tiocsti=0");
}

static void look_io_uring(struct cl_fact *fact)
{
    look_sysctl(fact, "/proc/sys/kernel/io_uring_disabled", "2",
                "sysctl kernel.io_uring_disabled=2, if nothing else here needs it");
}

static void look_userns(struct cl_fact *fact)
{
    char most[32];
    char open[32];

    if (cl_fact_line("/proc/sys/user/max_user_namespaces", most, sizeof(most)) < 0 ||
        strcmp(most, "0") == 0) {
        cl_fact_set(fact, CL_FACT_FAIL,
                    "zygotes need one each: sysctl user.max_user_namespaces=256",
                    "user namespaces are off");
        return;
    }
    if (cl_fact_line("/proc/sys/kernel/unprivileged_userns_clone", open, sizeof(open)) == 0 &&
        strcmp(open, "0") == 0)
        cl_fact_set(fact, CL_FACT_OK, NULL, "only for root, %s at most", most);
    else
        cl_fact_set(fact, CL_FACT_NOTE,
                    "Cloche needs it for root only: kernel.unprivileged_userns_clone=0 "
                    "if there",
                    "for everybody, %s at most", most);
}

static size_t list_vulnerable(char *names, size_t size)
{
    static const char folder[] = "/sys/devices/system/cpu/vulnerabilities";
    DIR *directory = opendir(folder);
    size_t count = 0;

    names[0] = '\0';
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        char path[384];
        char text[256];
        const size_t used = strlen(names);

        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] == '.' || cl_fact_line(path, text, sizeof(text)) < 0 ||
            strncmp(text, "Vulnerable", 10) != 0)
            continue;
        snprintf(names + used, size - used, "%s%.60s", count++ ? ", " : "", entry->d_name);
    }
    if (directory)
        closedir(directory);
    return count;
}

static void look_vulnerable(struct cl_fact *fact)
{
    char names[128];

    if (list_vulnerable(names, sizeof(names)) > 0)
        cl_fact_set(fact, CL_FACT_NOTE,
                    "update kernel and microcode; don't boot with mitigations=off", "%s",
                    names);
    else
        cl_fact_set(fact, CL_FACT_OK, NULL, "none known to the kernel");
}

static void look_stibp(struct cl_fact *fact)
{
    char text[512];

    if (cl_fact_line("/sys/devices/system/cpu/vulnerabilities/spectre_v2", text, sizeof(text)) <
        0)
        cl_fact_set(fact, CL_FACT_NOTE, NULL, "unknown");
    else if (strstr(text, "STIBP: disabled"))
        cl_fact_set(fact, CL_FACT_NOTE,
                    "of no matter while SMT is off; else spectre_v2_user=on", "disabled");
    else
        cl_fact_set(fact, CL_FACT_OK, NULL, "not disabled");
}

static void look_landlock(struct cl_fact *fact)
{
    const long abi =
        syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    if (abi < 0)
        cl_fact_set(fact, CL_FACT_FAIL,
                    "boot with lsm=landlock,... or use a kernel that has it", "%s",
                    strerror(errno));
    else
        cl_fact_set(fact, CL_FACT_OK, NULL, "ABI %ld", abi);
}

static void look_seccomp(struct cl_fact *fact)
{
    char text[256];

    if (cl_fact_line("/proc/sys/kernel/seccomp/actions_avail", text, sizeof(text)) == 0 &&
        strstr(text, "kill_process"))
        cl_fact_set(fact, CL_FACT_OK, NULL, "filters with kill_process");
    else
        cl_fact_set(fact, CL_FACT_FAIL, "use a kernel with CONFIG_SECCOMP_FILTER",
                    "no filters");
}

static void look_mdwe(struct cl_fact *fact)
{
    if (prctl(GET_MDWE, 0, 0, 0, 0) >= 0)
        cl_fact_set(fact, CL_FACT_OK, NULL, "there");
    else
        cl_fact_set(fact, CL_FACT_NOTE, "Linux 6.3 adds a second lock on writable code",
                    "not in this kernel; the filter refuses executable memory");
}

static void look_thp(struct cl_fact *fact)
{
    static const char path[] = "/sys/kernel/mm/transparent_hugepage/enabled";
    char text[64];

    if (cl_fact_line(path, text, sizeof(text)) < 0)
        cl_fact_set(fact, CL_FACT_NOTE, "calls are a little slower without", "absent");
    else if (strstr(text, "[never]"))
        cl_fact_set(fact, CL_FACT_NOTE,
                    "calls are a little faster with madvise: echo madvise >"
                    "/sys/kernel/mm/transparent_hugepage/enabled",
                    "%s", text);
    else
        cl_fact_set(fact, CL_FACT_OK, NULL, "%s", text);
}

static void look_clock(struct cl_fact *fact)
{
    static const char path[] =
        "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    static const char *const fast[] = { "tsc", "kvm-clock", "hyperv_clocksource_tsc_page" };
    char text[64];

    if (cl_fact_line(path, text, sizeof(text)) < 0)
        strcpy(text, "unknown");
    for (size_t i = 0; i < CL_COUNT(fast); i++) {
        if (strcmp(text, fast[i]) == 0) {
            cl_fact_set(fact, CL_FACT_OK, NULL, "%s", text);
            return;
        }
    }
    cl_fact_set(fact, CL_FACT_NOTE, "every look at the clock is a system call", "%s", text);
}

const struct cl_fact_row cl_fact_rows[] = {
    { "kernel", look_kernel },
    { "cgroups", look_cgroup },
    { "seccomp", look_seccomp },
    { "Landlock", look_landlock },
    { "write xor execute", look_mdwe },
    { "user namespaces", look_userns },
    { "swap", look_swap },
    { "SMT", look_smt },
    { "legacy TIOCSTI", look_tiocsti },
    { "io_uring disabled", look_io_uring },
    { "CPU vulnerabilities", look_vulnerable },
    { "STIBP", look_stibp },
    { "huge pages", look_thp },
    { "clock source", look_clock },
    { "Python", cl_fact_python },
    { "libraries", cl_fact_libraries },
    { "programs", cl_fact_programs },
};

const size_t cl_fact_count = CL_COUNT(cl_fact_rows);
