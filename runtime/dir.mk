# SPDX-License-Identifier: Apache-2.0
PROGRAMS += cloche-zygote
cloche-zygote_SRC := $(wildcard runtime/*.c) $(ENTER_SRC)
cloche-zygote_CFLAGS := $(patsubst -I%,-isystem %,$(shell pkg-config --cflags python-3.11-embed)) -I$(BUILD)/gen
cloche-zygote_LIBS := $(shell pkg-config --libs python-3.11-embed) -lcap

# The kernel's names of its system calls, for the message of a refusal.
SYSCALL_NAMES := $(BUILD)/gen/syscall_names.inc
$(SYSCALL_NAMES): runtime/dir.mk
	@mkdir -p $(@D)
	@printf '#include <asm/unistd_64.h>\n' | $(CC) -E -dM -x c - | \
	    sed -n 's/^#define __NR_\([a-z0-9_]*\) \([0-9]*\)$$/[\2] = "\1",/p' | sort > $@
$(BUILD)/obj/runtime/sigsys.o: $(SYSCALL_NAMES)

UNIT += test_emit test_intake test_sigsys
test_emit_SRC := runtime/emit.c
test_intake_SRC := runtime/intake.c
test_sigsys_SRC := runtime/sigsys.c runtime/learn.c runtime/probe.c runtime/emit.c
UNIT += test_arena
test_arena_SRC := runtime/arena.c
test_arena_CFLAGS := $(cloche-zygote_CFLAGS)
test_arena_LIBS := $(cloche-zygote_LIBS)
UNIT += test_session_wire
test_session_wire_SRC := runtime/emit.c runtime/intake.c
FUZZERS += fuzz_intake
fuzz_intake_SRC := runtime/intake.c

# The shipped Python helpers, compiled here and now; no file of ours is read at run time.
FROZEN := $(BUILD)/gen/runtime/frozen.h
$(FROZEN): runtime/freeze.py $(wildcard runtime/py/*.py)
	@mkdir -p $(@D)
	$(PYTHON) -I $< $@ $(filter runtime/py/%,$^)
$(BUILD)/obj/runtime/boot.o: $(FROZEN)

# Tests of the Python half run it without a jail around it.
PYTHON_HALF := $(filter-out runtime/zygote_main.c,$(wildcard runtime/*.c)) $(ENTER_SRC) \
               tests/support/zygote_case.c tests/support/wants.c
PYTHON_UNIT := test_convert test_modules test_modset test_inspect test_audit test_run test_numeric test_eval
UNIT += $(PYTHON_UNIT) test_workdir
test_workdir_SRC := runtime/workdir.c runtime/emit.c
$(foreach t,$(PYTHON_UNIT),$(eval $(t)_SRC := $(PYTHON_HALF)))
$(foreach t,$(PYTHON_UNIT),$(eval $(t)_CFLAGS := $(cloche-zygote_CFLAGS)))
$(foreach t,$(PYTHON_UNIT),$(eval $(t)_LIBS := $(cloche-zygote_LIBS)))
