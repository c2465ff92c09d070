# SPDX-License-Identifier: Apache-2.0
POLICIES_SRC := $(filter-out policies/policyc.c,$(wildcard policies/*.c))

PROGRAMS += cloche-policyc
cloche-policyc_SRC := policies/policyc.c $(POLICIES_SRC)
cloche-policyc_LIBS := -lyaml -lseccomp

# .incbin takes these in; the compiler's dependency files do not know.
$(BUILD)/obj/policies/embedded.o: policies/default.yaml policies/strict.yaml

POLICIES_UNIT := test_apply test_caret test_diff test_filter test_filter_probe test_filter_tiers test_load test_oci test_pack \
                 test_residue test_risk test_serve test_set test_settings test_table test_tenants test_text test_tokenedit test_verbs
UNIT += $(POLICIES_UNIT)
$(foreach t,$(POLICIES_UNIT),$(eval $(t)_SRC := $(POLICIES_SRC)))
$(foreach t,$(POLICIES_UNIT),$(eval $(t)_LIBS := $(cloche-policyc_LIBS)))
test_settings_SRC += sandbox/load/settings.c
test_filter_probe_SRC += tests/support/probe.c
test_filter_tiers_SRC += tests/support/probe.c

FUZZERS += fuzz_policy fuzz_oci
fuzz_policy_SRC := $(POLICIES_SRC)
fuzz_policy_LIBS := $(cloche-policyc_LIBS)
fuzz_oci_SRC := $(POLICIES_SRC)
fuzz_oci_LIBS := $(cloche-policyc_LIBS)
