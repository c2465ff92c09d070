# SPDX-License-Identifier: Apache-2.0
FUZZERS += fuzz_wire fuzz_policyview fuzz_tenantview

# Writes fuzz/corpus/: run again when wire.h, policy.h or tenant.h changed.
TOOLS += cloche-seeds
cloche-seeds_SRC := fuzz/seeds.c tests/support/policy_sample.c tests/support/tenant_sample.c

.PHONY: seeds
seeds: $(BIN)/cloche-seeds  ## write the seeds of the base fuzzers into fuzz/corpus
	@mkdir -p fuzz/corpus/fuzz_wire fuzz/corpus/fuzz_policyview fuzz/corpus/fuzz_tenantview
	$(BIN)/cloche-seeds fuzz/corpus
