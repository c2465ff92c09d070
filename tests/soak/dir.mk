# SPDX-License-Identifier: Apache-2.0
# What takes too long for `make test`: the whole sweep of faults, and the soak.
MINUTES ?= 30

.PHONY: soak
soak:  ## mixed load for MINUTES (30) while things are killed and calls fail (root)
	@$(MAKE) all $(BIN)/cloche-faults.so
	@CLOCHE_BIN=$(abspath $(BIN)) $(PYTHON) tests/soak/soak.py $(MINUTES) $(SOAK_ARGS)

.PHONY: faultsweep
faultsweep:  ## fail every call up to the 500th of every kind, in every program (root, an hour or two)
	@$(MAKE) all $(BIN)/cloche-faults.so
	@CLOCHE_BIN=$(abspath $(BIN)) $(PYTHON) tests/soak/faultsweep.py $(SWEEP_ARGS)
