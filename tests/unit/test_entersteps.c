/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each step into the jail alone: what it takes away, shown by trying it.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#include "sandbox/base/own.h"
#include "tests/support/jailcase.h"

static struct policy_sample policy;

#define WORKS(call)                                                                            \
    do {                                                                                       \
        struct cl_err worked = CL_ERR_INIT;                                                    \
        if ((call) < 0)                                                                        \
            fprintf(stderr, "%s\n", worked.text);                                              \
        EXPECT(worked.kind == CL_E_NONE);                                                      \
    } while (0)

static void run_in_child(void (*body)(void))
{
    jailcase_need_root();
    assert_int_equal(jailcase_run(body), 0);
}

/* ------------------------------------------------------------------------------------ cgroup */

static void join_two(void)
{
    struct cl_jail jail = jailcase_jail(&policy);
    char text[8] = "";
    int first[2], second[2];

    EXPECT(pipe(first) == 0 && pipe(second) == 0);
    jail.cgroup_procs[0] = first[1];
    jail.cgroup_procs[2] = second[1];
    WORKS(cl_enter_cgroup(&jail, &worked));
    EXPECT(read(first[0], text, sizeof(text)) == 1 && text[0] == '0');
    EXPECT(read(second[0], text, sizeof(text)) == 1 && text[0] == '0');
}

static void cgroup_writes_zero_into_every_open_file(void **state)
{
    (void)state;
    run_in_child(join_two);
}

/* ------------------------------------------------------------------------------------ mounts */

static void mount_nothing(void)
{
    struct cl_jail jail = jailcase_jail(&policy);
    char folder[64];

    policy.head.files_bytes = 0;
    EXPECT(chdir("/usr") == 0);
    WORKS(cl_enter_mounts(&jail, &worked));
    EXPECT(strcmp(getcwd(folder, sizeof(folder)), "/") == 0);
}

static void mounts_without_bytes_only_leave_the_folder(void **state)
{
    (void)state;
    run_in_child(mount_nothing);
}

static void fill_tmp(void)
{
    char page[4096] = { 1 };
    int fd = open("full", O_CREAT | O_WRONLY, 0600);
    size_t wrote = 0;

    while (write(fd, page, sizeof(page)) == sizeof(page))
        wrote += sizeof(page);
    EXPECT(errno == ENOSPC && wrote == (1 << 20));
    EXPECT(close(fd) == 0 && unlink("full") == 0);
}

static void count_inodes(void)
{
    char name[16];
    int made = 0;

    for (;; made++) {
        snprintf(name, sizeof(name), "n%d", made);
        int fd = open(name, O_CREAT | O_WRONLY, 0600);
        if (fd < 0)
            break;
        close(fd);
    }
    EXPECT(errno == ENOSPC && made == 16);
}

static void mount_and_fill(void)
{
    struct cl_jail jail = jailcase_jail(&policy);
    struct statvfs fs;
    struct stat root;

    policy.head.files_bytes = 1 << 20;
    policy.head.inodes = 16;
    WORKS(cl_enter_mounts(&jail, &worked));
    EXPECT(stat(".", &root) == 0 && root.st_uid == 5 && root.st_gid == 5);
    EXPECT((root.st_mode & 07777) == 0700);
    EXPECT(statvfs("/tmp", &fs) == 0);
    EXPECT((fs.f_flag & (ST_NOSUID | ST_NODEV | ST_NOEXEC)) ==
           (ST_NOSUID | ST_NODEV | ST_NOEXEC));
    fill_tmp();
    count_inodes();
    /* A file of this mount is never mapped as code. */
    int fd = open("n0", O_RDWR);
    EXPECT(ftruncate(fd, 4096) == 0);
    EXPECT(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED);
}

static void tmp_is_bounded_in_bytes_and_files_and_holds_no_code(void **state)
{
    (void)state;
    run_in_child(mount_and_fill);
}

/* ----------------------------------------------------------------------------------- rlimits */

static void expect_limit(__rlimit_resource_t resource, rlim_t value)
{
    struct rlimit limit;

    EXPECT(getrlimit(resource, &limit) == 0);
    EXPECT(limit.rlim_cur == value && limit.rlim_max == value);
}

static void set_rlimits(void)
{
    struct cl_jail jail = jailcase_jail(&policy);

    policy.head.files_bytes = 12345;
    policy.head.processes = 3;
    policy.head.cpu_ms = 1001;
    WORKS(cl_enter_rlimits(&jail, &worked));
    expect_limit(RLIMIT_CORE, 0);
    expect_limit(RLIMIT_NOFILE, 32);
    expect_limit(RLIMIT_FSIZE, 12345);
    expect_limit(RLIMIT_MEMLOCK, 0);
    expect_limit(RLIMIT_MSGQUEUE, 0);
    expect_limit(RLIMIT_SIGPENDING, 64);
    expect_limit(RLIMIT_STACK, 8 << 20);
    expect_limit(RLIMIT_NPROC, 4); /* one more than the pids cgroup, which counts */
    expect_limit(RLIMIT_CPU, 3);   /* 1001 ms are 2 s, and one more */
    EXPECT(dup2(0, 32) == -1 && errno == EBADF);
}

static void rlimits_are_set_soft_and_hard(void **state)
{
    (void)state;
    run_in_child(set_rlimits);
}

static void set_rlimits_below(void)
{
    struct cl_jail jail = jailcase_jail(&policy);
    struct rlimit low = { 10, 10 };

    EXPECT(setrlimit(RLIMIT_SIGPENDING, &low) == 0);
    WORKS(cl_enter_rlimits(&jail, &worked));
    expect_limit(RLIMIT_SIGPENDING, 10);
}

static void rlimit_that_is_lower_already_stays(void **state)
{
    (void)state;
    run_in_child(set_rlimits_below);
}

/* --------------------------------------------------------------------------------------- ids */

static void expect_no_way_back(void)
{
    EXPECT(setuid(0) == -1 && setgid(0) == -1 && chroot("/") == -1);
    for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        EXPECT(prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 0);
    EXPECT(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 0, 0, 0) == -1);
    EXPECT(prctl(PR_SET_SECUREBITS, 0, 0, 0, 0) == -1);
    int bits = prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
    EXPECT((bits & SECBIT_NOROOT_LOCKED) && (bits & SECBIT_NO_SETUID_FIXUP_LOCKED));
    EXPECT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    EXPECT(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
}

static void expect_no_exec_gain(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (prctl(66 /* PR_GET_MDWE */, 0, 0, 0, 0) < 0)
        return; /* before Linux 6.3 the filter alone keeps this */
    EXPECT(page != MAP_FAILED && mprotect(page, 4096, PROT_READ | PROT_EXEC) == -1);
    EXPECT(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                0) == MAP_FAILED);
}

static void give_up(void)
{
    struct cl_jail jail = jailcase_jail(&policy);
    uid_t uids[3];
    gid_t gids[3];
    int parent_signal = 0;

    WORKS(cl_enter_bounding(&worked));
    WORKS(cl_enter_ids(&jail, &worked));
    EXPECT(getresuid(&uids[0], &uids[1], &uids[2]) == 0);
    EXPECT(uids[0] == 5 && uids[1] == 5 && uids[2] == 5);
    EXPECT(getresgid(&gids[0], &gids[1], &gids[2]) == 0);
    EXPECT(gids[0] == 5 && gids[1] == 5 && gids[2] == 5);
    EXPECT(getgroups(0, NULL) == 0 && getpgid(0) == getpid());
    EXPECT(prctl(PR_GET_PDEATHSIG, &parent_signal, 0, 0, 0) == 0 && parent_signal == SIGKILL);
    EXPECT(jail.seen.caps == 0 && jail.seen.uid == 5 && jail.seen.gid == 5);
    EXPECT(jail.seen.no_new_privs == 1);
    expect_no_way_back();
    expect_no_exec_gain();
}

static void ids_and_capabilities_are_gone_for_ever(void **state)
{
    (void)state;
    run_in_child(give_up);
}

static void give_up_as_root(void)
{
    struct cl_jail jail = jailcase_jail(&policy);
    struct cl_err err = CL_ERR_INIT;

    jail.uid = 0;
    EXPECT(cl_enter_ids(&jail, &err) == -1);
}

static void ids_refuse_root(void **state)
{
    (void)state;
    run_in_child(give_up_as_root);
}

static void give_up_as_orphan(void)
{
    struct cl_jail jail = jailcase_jail(&policy);
    struct cl_err err = CL_ERR_INIT;
    int pair[2];

    EXPECT(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
    close(pair[0]); /* cloched died before PDEATHSIG was set */
    jail.status_fd = pair[1];
    EXPECT(cl_enter_ids(&jail, &err) == -1 && err.kind == CL_E_LOST);
}

static void ids_fail_lost_when_cloched_is_gone(void **state)
{
    (void)state;
    run_in_child(give_up_as_orphan);
}

/* ---------------------------------------------------------------------------------- landlock */

static bool has_landlock(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0, 1) > 0;
}

static void expect_refused(const char *path, int flags)
{
    EXPECT(open(path, flags, 0600) == -1 && errno == EACCES);
}

static void lock_all(void)
{
    struct cl_jail jail = jailcase_jail(&policy);
    int null = open("/dev/null", O_RDWR);

    WORKS(cl_enter_ids(&jail, &worked));
    WORKS(cl_enter_landlock(&jail, &worked));
    expect_refused("/etc/passwd", O_RDONLY);
    expect_refused("/", O_RDONLY | O_DIRECTORY);
    expect_refused("/dev/null", O_WRONLY);
    EXPECT(write(null, "x", 1) == 1); /* what is open stays open */
}

static void landlock_without_grants_refuses_every_file(void **state)
{
    (void)state;
    if (!has_landlock())
        skip();
    run_in_child(lock_all);
}

static void lock_but_tmp(void)
{
    struct cl_jail jail = jailcase_jail(&policy);

    policy.head.files_bytes = 1 << 20;
    WORKS(cl_enter_mounts(&jail, &worked));
    WORKS(cl_enter_ids(&jail, &worked));
    WORKS(cl_enter_landlock(&jail, &worked));
    EXPECT(mkdir("/tmp/d", 0700) == 0 && open("/tmp/d/f", O_CREAT | O_RDWR, 0600) >= 0);
    EXPECT(rename("/tmp/d/f", "/tmp/g") == 0 && truncate("/tmp/g", 10) == 0);
    EXPECT(unlink("/tmp/g") == 0 && rmdir("/tmp/d") == 0);
    EXPECT(mkfifo("/tmp/p", 0600) == -1 && errno == EACCES);
    expect_refused("/etc/passwd", O_RDONLY);
}

static void landlock_grants_tmp_alone(void **state)
{
    (void)state;
    if (!has_landlock())
        skip();
    run_in_child(lock_but_tmp);
}

static void lock_but_binds(void)
{
    struct cl_jail jail = jailcase_jail(&policy);
    static const char binds[] = "/srv\0/etc"; /* the target is what is granted */

    memcpy(policy.binds, binds, sizeof(binds));
    policy.head.binds =
        (struct cl_policy_span){ offsetof(struct policy_sample, binds), sizeof(binds), 2, 0 };
    WORKS(cl_enter_ids(&jail, &worked));
    WORKS(cl_enter_landlock(&jail, &worked));
    EXPECT(open("/etc/passwd", O_RDONLY) >= 0);
    expect_refused("/usr/bin", O_RDONLY | O_DIRECTORY);
}

static void landlock_grants_reading_of_binds(void **state)
{
    (void)state;
    if (!has_landlock())
        skip();
    run_in_child(lock_but_binds);
}

/* --------------------------------------------------------------------------------------- fds */

static void keep_four(void)
{
    struct cl_jail jail = jailcase_jail(&policy);
    struct stat now;
    char byte;
    int pair[2];

    EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    jail.job_fd = dup2(pair[1], 200);
    jail.status_fd = dup2(pair[1], 900);
    WORKS(cl_enter_fds(&jail, &worked));
    for (int fd = 0; fd < 3; fd++)
        EXPECT(fstat(fd, &now) == 0 && S_ISFIFO(now.st_mode) && read(fd, &byte, 1) == 0 &&
               write(fd, &byte, 1) == -1 && errno == EBADF);
    EXPECT(jail.job_fd == 3 && fstat(3, &now) == 0 && S_ISSOCK(now.st_mode));
    for (int fd = 4; fd < 1024; fd++)
        EXPECT(fcntl(fd, F_GETFD) == -1);
    EXPECT(jail.status_fd == -1);
}

static void fds_leave_an_empty_pipe_and_the_job_socket(void **state)
{
    (void)state;
    run_in_child(keep_four);
}

/* ----------------------------------------------------------------------------------- seccomp */

static void load_filter(void)
{
    static const struct sock_filter filter[POLICY_SAMPLE_STEPS] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EXDEV),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct cl_jail jail = jailcase_jail(&policy);

    memcpy(policy.filter, filter, sizeof(filter));
    WORKS(cl_enter_ids(&jail, &worked)); /* no_new_privs, and no capability to do without */
    WORKS(cl_enter_seccomp(&jail, &worked));
    EXPECT(syscall(SYS_getppid) == -1 && errno == EXDEV);
    EXPECT(prctl(PR_GET_SECCOMP) == 2);
}

static void seccomp_puts_the_filter_in_force(void **state)
{
    (void)state;
    run_in_child(load_filter);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(cgroup_writes_zero_into_every_open_file),
        cmocka_unit_test(mounts_without_bytes_only_leave_the_folder),
        cmocka_unit_test(tmp_is_bounded_in_bytes_and_files_and_holds_no_code),
        cmocka_unit_test(rlimits_are_set_soft_and_hard),
        cmocka_unit_test(rlimit_that_is_lower_already_stays),
        cmocka_unit_test(ids_and_capabilities_are_gone_for_ever),
        cmocka_unit_test(ids_refuse_root),
        cmocka_unit_test(ids_fail_lost_when_cloched_is_gone),
        cmocka_unit_test(landlock_without_grants_refuses_every_file),
        cmocka_unit_test(landlock_grants_tmp_alone),
        cmocka_unit_test(landlock_grants_reading_of_binds),
        cmocka_unit_test(fds_leave_an_empty_pipe_and_the_job_socket),
        cmocka_unit_test(seccomp_puts_the_filter_in_force),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
