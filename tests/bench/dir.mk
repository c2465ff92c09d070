# SPDX-License-Identifier: Apache-2.0
# Measuring: tests/bench/bench.py runs the service and its peers under the load client.
TOOLS += cloche-load
cloche-load_SRC := $(filter-out tests/bench/store.c,$(wildcard tests/bench/*.c))

pytest: $(BIN)/cloche-load # the soak test is its second user

.PHONY: bench
bench:  ## measure latency, rate, CPU and memory against what people use instead (root, minutes)
	@$(MAKE) all $(BIN)/cloche-load
	@CLOCHE_BIN=$(abspath $(BIN)) $(PYTHON) tests/bench/bench.py $(BENCH_ARGS)

.PHONY: bench-guard
bench-guard:  ## what the Python guard costs: calls/s with it and without, in turn (root, a minute)
	@$(MAKE) all $(BIN)/cloche-load
	@$(MAKE) GUARD=off BUILD=build/noguard all
	@CLOCHE_BIN=$(abspath $(BIN)) $(PYTHON) tests/bench/guard.py $(BENCH_ARGS) $(BIN) build/noguard/bin

.PHONY: bench-scale
bench-scale:  ## thousands of modules, calls, tenants and tasks, against their promises (root, minutes)
	@$(MAKE) all
	@CLOCHE_BIN=$(abspath $(BIN)) $(PYTHON) tests/bench/scale.py $(BENCH_ARGS)

.PHONY: bench-hostile
bench-hostile:  ## what clients that mean harm do to the p99 of another one (root, minutes)
	@$(MAKE) all
	@CLOCHE_BIN=$(abspath $(BIN)) $(PYTHON) tests/bench/hostile.py $(BENCH_ARGS)

.PHONY: bench-tenants
bench-tenants:  ## what a tenant at twenty times its quota does to the p95 of another one (root, minutes)
	@$(MAKE) all
	@CLOCHE_BIN=$(abspath $(BIN)) $(PYTHON) tests/bench/tenants.py $(BENCH_ARGS)

.PHONY: run
run:  ## install what is missing, build, serve on 127.0.0.1:8420 and show one call (root)
	@$(MAKE) deps
	@$(MAKE) all
	@mkdir -p build/state
	@$(BIN)/cloche tour --state build/state --listen $(or $(LISTEN),127.0.0.1:8420)

# How long a large store takes to open: build/bin/cloche-store-bench.
TOOLS += cloche-store-bench
cloche-store-bench_SRC := tests/bench/store.c $(wildcard api/store/*.c)
cloche-store-bench_LIBS := -lsodium -lsqlite3
