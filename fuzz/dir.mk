# SPDX-License-Identifier: Apache-2.0
FUZZERS += fuzz_wire fuzz_policyview

# Writes fuzz/corpus/: run again when wire.h or policy.h changed.
TOOLS += cloche-seeds
cloche-seeds_SRC := fuzz/seeds.c tests/support/policy_sample.c

.PHONY: seeds
seeds: $(BIN)/cloche-seeds  ## write the seeds of the base fuzzers into fuzz/corpus
	@mkdir -p fuzz/corpus/fuzz_wire fuzz/corpus/fuzz_policyview
	$(BIN)/cloche-seeds fuzz/corpus
