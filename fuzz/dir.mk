# SPDX-License-Identifier: Apache-2.0
FUZZERS += fuzz_wire fuzz_policyview fuzz_tenantview

FUZZERS += fuzz_answers fuzz_modbody
fuzz_answers_SRC := api/cli/follow.c api/cli/outcome.c api/cli/json.c $(wildcard api/json/*.c) \
                    tests/support/verb_fail.c
fuzz_modbody_SRC := api/modules/body.c api/refusal.c $(wildcard api/json/*.c)

SECS ?= 60
.PHONY: fuzz
fuzz:  ## libFuzzer, all targets side by side for SECS=60 in all; T=wire runs one
	@$(MAKE) VARIANT=fuzz BUILD=build/fuzz BIN=build/fuzz/bin CC=clang $(if $(T),build/fuzz/fuzz/fuzz_$(T),fuzz_bin)
	@tests/support/fuzz.sh $(SECS) $(if $(T),fuzz_$(T),$(FUZZERS))

# Writes fuzz/corpus/: run again when wire.h, policy.h or tenant.h changed.
TOOLS += cloche-seeds
cloche-seeds_SRC := fuzz/seeds.c tests/support/policy_sample.c tests/support/tenant_sample.c

.PHONY: seeds
seeds: $(BIN)/cloche-seeds  ## write the seeds of the base fuzzers into fuzz/corpus
	@mkdir -p fuzz/corpus/fuzz_wire fuzz/corpus/fuzz_policyview fuzz/corpus/fuzz_tenantview
	$(BIN)/cloche-seeds fuzz/corpus
