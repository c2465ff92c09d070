# SPDX-License-Identifier: Apache-2.0
# Tests of sandbox/base, and of what belongs to no other folder.
UNIT += test_err test_log test_buf test_list test_file test_fdpass test_frame test_wire \
        test_bpfcheck test_policyview test_policyspan test_tenantview
test_file_LDFLAGS := -Wl,--wrap=read,--wrap=write
test_fdpass_LDFLAGS := -Wl,--wrap=sendmsg,--wrap=recvmsg
test_policyview_SRC := tests/support/policy_sample.c
test_policyspan_SRC := tests/support/policy_sample.c
test_tenantview_SRC := tests/support/tenant_sample.c

# Preloaded by the sweep of faults. It stands in for the functions that fortified headers replace,
# and for the allocator that a sanitizer brings.
ifeq ($(filter asan tsan,$(VARIANT)),)
$(BIN)/cloche-faults.so: tests/support/faults.c
	@mkdir -p $(@D)
	$(if $(V),,@echo "  LD    $@")
	$(Q)$(CC) -std=gnu17 -D_GNU_SOURCE -O2 -g $(WARNINGS) -shared -fPIC -o $@ $< -ldl

pytest: $(BIN)/cloche-faults.so
endif
