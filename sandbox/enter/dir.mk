# SPDX-License-Identifier: Apache-2.0
# ENTER_SRC itself is named in sandbox/dir.mk, because the zygote links it.
ENTER_TEST := $(ENTER_SRC) tests/support/jailcase.c tests/support/policy_sample.c
UNIT += test_enter test_entersteps test_entersweep test_entertree
test_enter_SRC := $(ENTER_TEST)
test_entersteps_SRC := $(ENTER_TEST)
test_entertree_SRC := $(ENTER_TEST)
test_entersweep_SRC := $(ENTER_TEST)
swept := mount chdir fchdir dup2 pipe2 close_range setpgid setgroups getresuid getresgid setrlimit \
         unshare fsopen fsconfig fsmount move_mount open_tree mount_setattr mkdirat umount2 \
         sethostname open openat prctl syscall
test_entersweep_LDFLAGS := $(swept:%=-Wl,--wrap=%)
