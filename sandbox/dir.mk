# SPDX-License-Identifier: Apache-2.0
BASE_SRC := $(wildcard sandbox/base/*.c)
ENTER_SRC := $(wildcard sandbox/enter/*.c)

PROGRAMS += cloched
cloched_SRC := $(wildcard sandbox/*.c)
cloched_LIBS := -lcap

PROGRAMS += cloche-loader
LOAD_SRC := $(wildcard sandbox/load/*.c) sandbox/loop.c
cloche-loader_SRC := $(LOAD_SRC)

PROGRAMS += cloche-begin
BEGIN_SRC := $(wildcard sandbox/begin/*.c)
cloche-begin_SRC := $(BEGIN_SRC) $(addprefix sandbox/load/,owned.c settings.c pair.c edits.c) sandbox/loop.c

PROGRAMS += cloche-prover
PROVE_SRC := $(wildcard sandbox/prove/*.c)
cloche-prover_SRC := $(PROVE_SRC)

# Everything but main, with the test in the place of the processes.
DAEMON_SRC := $(filter-out sandbox/cloched.c,$(cloched_SRC)) tests/support/daemon_rig.c
DAEMON_TESTS := test_monitor test_monitor_session test_monitor_spam test_pool test_reap test_front test_judgement test_state
UNIT += $(DAEMON_TESTS) test_listen test_prove test_sources test_owned test_edits test_loop test_cgroup test_sweep

define daemon_test
$(1)_SRC := $$(DAEMON_SRC)
$(1)_LIBS := -lcap
endef
$(foreach t,$(DAEMON_TESTS),$(eval $(call daemon_test,$(t))))

test_listen_SRC := sandbox/begin/listen.c sandbox/state.c sandbox/shed.c
test_listen_LIBS := -lcap
test_prove_SRC := $(filter-out sandbox/prove/prover.c,$(PROVE_SRC))
test_sources_SRC := $(filter-out sandbox/load/loader.c,$(LOAD_SRC))
test_owned_SRC := sandbox/load/owned.c
test_edits_SRC := sandbox/load/edits.c sandbox/loop.c
test_loop_SRC := sandbox/loop.c
test_cgroup_SRC := sandbox/cgroup.c sandbox/cgroup_v1.c sandbox/cgroup_v2.c
test_sweep_SRC := sandbox/sweep.c sandbox/shed.c
test_sweep_LIBS := -lcap
