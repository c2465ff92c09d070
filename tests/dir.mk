# SPDX-License-Identifier: Apache-2.0
# Tests of sandbox/base, and of what belongs to no other folder.
UNIT += test_err test_log test_utc test_buf test_list test_file test_fdpass test_frame test_wire \
        test_bpfcheck test_policyview test_policyspan test_tenantview
test_log_LDFLAGS := -Wl,--wrap=write
test_file_LDFLAGS := -Wl,--wrap=read,--wrap=write
test_fdpass_LDFLAGS := -Wl,--wrap=sendmsg,--wrap=recvmsg
test_policyview_SRC := tests/support/policy_sample.c
test_policyspan_SRC := tests/support/policy_sample.c
test_tenantview_SRC := tests/support/tenant_sample.c

# Enough for rooms that run as root, before a caller's byte is checked, or check it.
COVERED := base enter policyview wire http1 jsonscan
.PHONY: cover
cover:  ## branch coverage of the unit tests (root); the six rooms above 90 % or it fails
	@$(MAKE) VARIANT=cover BUILD=build/cover BIN=build/cover/bin unit_bin
	@find build/cover/obj -name '*.gcda' -delete
	@CLOCHE_REQUIRE=all $(MAKE) VARIANT=cover BUILD=build/cover BIN=build/cover/bin unit
	@tests/support/cover.sh $(COVERED)

# The guard is linked into the zygote and named by the client; the other programs are the same.
BARE := build/noguard/bin
JAILBREAK ?= tests/jailbreak
.PHONY: jailbreak
jailbreak: all  ## the jailbreak suite without the Python guard: what holds is the kernel (root)
	@$(MAKE) GUARD=off BUILD=build/noguard BIN=$(BARE) $(BARE)/cloche-zygote $(BARE)/cloche
	@for program in $(filter-out cloche cloche-zygote,$(PROGRAMS)); do \
	    cp -p $(BIN)/$$program $(BARE)/; \
	done
	@CLOCHE_BIN=$(abspath $(BARE)) $(PYTHON) -m pytest -q -p no:cacheprovider $(PYTEST_ARGS) \
	    $(JAILBREAK)

# Preloaded by the sweep of faults. It stands in for the functions that fortified headers replace,
# and for the allocator that a sanitizer brings.
ifeq ($(filter asan tsan,$(VARIANT)),)
$(BIN)/cloche-faults.so: tests/support/faults.c
	@mkdir -p $(@D)
	$(if $(V),,@echo "  LD    $@")
	$(Q)$(CC) -std=gnu17 -D_GNU_SOURCE -O2 -g $(WARNINGS) -shared -fPIC -o $@ $< -ldl

pytest: $(BIN)/cloche-faults.so
endif

# In a zygote's place, for tests of what cloched does about it.
TOOLS += cloche-bad-zygote
cloche-bad-zygote_SRC := tests/support/bad_zygote.c
pytest: $(BIN)/cloche-bad-zygote

# The real zygote, but for one wall of the jail.
TOOLS += cloche-breached-zygote
cloche-breached-zygote_SRC := $(cloche-zygote_SRC) tests/support/breach.c
cloche-breached-zygote_LIBS := $(cloche-zygote_LIBS)
breached := ids fds seccomp seccomp_zygote
cloche-breached-zygote_LDFLAGS := $(breached:%=-Wl,--wrap=cl_enter_%)
pytest: $(BIN)/cloche-breached-zygote
