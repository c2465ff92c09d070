# SPDX-License-Identifier: Apache-2.0
POLICIES_SRC := $(filter-out policies/policyc.c,$(wildcard policies/*.c))

PROGRAMS += cloche-policyc
cloche-policyc_SRC := policies/policyc.c $(POLICIES_SRC)
cloche-policyc_LIBS := -lyaml -lseccomp

# .incbin takes these in; the compiler's dependency files do not know.
$(BUILD)/obj/policies/embedded.o: policies/default.yaml policies/strict.yaml
