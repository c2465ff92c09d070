# SPDX-License-Identifier: Apache-2.0
# Non-recursive: every folder adds its files in its own dir.mk. `make help` lists the targets.
# V=1 shows whole commands. VARIANT is one of release debug asan tsan cover fuzz.

VARIANT   ?= release
BUILD     ?= build/$(VARIANT)
BIN       ?= $(if $(filter release,$(VARIANT)),build/bin,$(BUILD)/bin)
PYTHON    := /usr/bin/python3
prefix    ?= /usr
DESTDIR   ?=
Q         := $(if $(V),,@)

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:

# All cores by default. An explicit -j wins.
ifeq ($(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc)
endif
MAKEFLAGS += --no-print-directory

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wformat=2 -Wmissing-prototypes \
            -Wstrict-prototypes -Wundef -Wvla -Werror
CFLAGS_release := -O2 -g -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection \
                  -fcf-protection -fPIE
CFLAGS_debug   := -Og -g -fPIE
CFLAGS_asan    := -O1 -g -fPIE -fsanitize=address,undefined -fno-sanitize-recover=undefined \
                  -fno-omit-frame-pointer -DCL_ASAN
CFLAGS_tsan    := -O1 -g -fPIE -fsanitize=thread
CFLAGS_cover   := -O0 -g -fPIE --coverage -DCL_COVER
CFLAGS_fuzz    := -O1 -g -fPIE -fsanitize=fuzzer-no-link,address,undefined \
                  -fno-sanitize-recover=undefined
# Instrumentation hides ranges from gcc, which then guesses that text may be cut.
ifeq ($(findstring clang,$(CC)),)
CFLAGS_asan += -Wno-format-truncation
CFLAGS_tsan += -Wno-format-truncation
endif
LDFLAGS_release := -pie -Wl,-z,relro,-z,now,-z,noexecstack
LDFLAGS_debug   := -pie
LDFLAGS_asan    := -pie -fsanitize=address,undefined
LDFLAGS_tsan    := -pie -fsanitize=thread
LDFLAGS_cover   := -pie --coverage
LDFLAGS_fuzz    := -pie -fsanitize=fuzzer,address,undefined

# GUARD=off leaves the Python guard out (runtime/guard.h), for tests/bench/guard.py and
# `make jailbreak`.
ifeq ($(GUARD),off)
ifeq ($(filter command line,$(origin BUILD)),)
$(error GUARD=off is for tests: give it a BUILD of its own)
endif
ifneq ($(filter install deb,$(MAKECMDGOALS)),)
$(error a build without the guard is never installed)
endif
CFLAGS_$(VARIANT) += -DCL_NO_GUARD
BIN := $(BUILD)/bin
endif

CL_CFLAGS  = -std=gnu17 -D_GNU_SOURCE -I. -I$(BUILD)/gen $(WARNINGS) $(CFLAGS_$(VARIANT)) \
             -fvisibility=hidden -fno-common -MMD -MP
CL_LDFLAGS = $(LDFLAGS_$(VARIANT)) -Wl,--as-needed

# dir.mk files fill these:
#   PROGRAMS   names of binaries;  <name>_SRC  <name>_CFLAGS  <name>_LIBS
#   UNIT       unit tests: tests/unit/<test>.c with <test>_SRC, _CFLAGS, _LDFLAGS and _LIBS
#   FUZZERS    fuzz/<fuzzer>.c with <fuzzer>_SRC, _CFLAGS and _LIBS
#   TOOLS      programs of the tree that are not installed, like PROGRAMS
# An object gets the flags of the programs whose _SRC lists it, whoever asks for it; a test's or
# fuzzer's _CFLAGS are for its own file and for what no program lists.
PROGRAMS :=
TOOLS    :=
UNIT     :=
FUZZERS  :=

# sandbox first: the others use its BASE_SRC and ENTER_SRC.
include sandbox/dir.mk $(filter-out sandbox/dir.mk,$(wildcard */dir.mk */*/dir.mk))

UNIT_BIN := $(addprefix $(BUILD)/unit/,$(UNIT))
FUZZ_BIN := $(addprefix $(BUILD)/fuzz/,$(FUZZERS))

objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))

$(BUILD)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(if $(V),,@echo "  CC    $<")
	$(Q)$(CC) $(CL_CFLAGS) $(OBJ_CFLAGS) $(CFLAGS) -c -o $@ $<

# $(1) target, $(2) prefix of its variables, $(3) further libraries
define link
	@mkdir -p $$(@D)
	$$(if $$(V),,@echo "  LD    $$@")
	$$(Q)$$(CC) $$(CL_LDFLAGS) $$($(1)_LDFLAGS) $$(LDFLAGS) -o $$@ $$(filter %.o,$$^) $$($(1)_LIBS) $(2)
endef

define program_rules
$$(call objects,$$(filter-out $$(BASE_SRC),$$($(1)_SRC))): private OBJ_CFLAGS += $$($(1)_CFLAGS)
$(BIN)/$(1): $$(call objects,$$(sort $$($(1)_SRC) $$(BASE_SRC)))
$(call link,$(1),)
endef
$(foreach p,$(PROGRAMS) $(TOOLS),$(eval $(call program_rules,$(p))))

program_sources := $(sort $(BASE_SRC) $(foreach p,$(PROGRAMS) $(TOOLS),$($(p)_SRC)))

define unit_rules
$$(call objects,tests/unit/$(1).c $$(filter-out $$(program_sources),$$($(1)_SRC))): \
    private OBJ_CFLAGS += $$($(1)_CFLAGS)
$(BUILD)/unit/$(1): $$(call objects,$$(sort tests/unit/$(1).c $$($(1)_SRC) $$(BASE_SRC)))
$(call link,$(1),-lcmocka)
endef
$(foreach t,$(UNIT),$(eval $(call unit_rules,$(t))))

# A fuzzer is built twice from the same source: against libFuzzer (VARIANT=fuzz, clang), and in
# every other variant with a plain main that replays corpus files.
replay := $(if $(filter fuzz,$(VARIANT)),,fuzz/replay.c)
define fuzz_rules
$$(call objects,fuzz/$(1).c $$(filter-out $$(program_sources),$$($(1)_SRC))): \
    private OBJ_CFLAGS += $$($(1)_CFLAGS)
$(BUILD)/fuzz/$(1): $$(call objects,$$(sort fuzz/$(1).c $$($(1)_SRC) $$(BASE_SRC) $(replay)))
$(call link,$(1),)
endef
$(foreach t,$(FUZZERS),$(eval $(call fuzz_rules,$(t))))

.PHONY: help
help:  ## this table
	@awk -F ':.*## ' '/^[a-z_-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: all
all: $(addprefix $(BIN)/,$(PROGRAMS))  ## release build into build/bin

DEPS := gcc libc6-dev make git pkg-config clang libclang-rt-14-dev clang-format clang-tidy \
        cppcheck codespell pyflakes3 shellcheck gcovr libevent-dev libjson-c-dev libseccomp-dev libcap-dev \
        libpython3.11-dev python3 libyaml-dev libsqlite3-dev \
        libsodium-dev libssl-dev libcurl4-openssl-dev libcmocka-dev python3-pytest \
        python3-pytest-xdist \
        python3-httpx python3-yaml python3-numpy python3-pandas groff-base bubblewrap curl openssl \
        logrotate strace nodejs python3-jsonschema python3-prometheus-client

.PHONY: deps
deps:  ## install the Debian packages that are missing (root), and one of npm
	@tests/support/deps.sh $(DEPS)
	@tests/support/npm.sh tests/support/openapi build/npm

.PHONY: unit unit_bin
unit_bin: $(UNIT_BIN) $(FUZZ_BIN)
unit: unit_bin  ## unit tests and corpus replay, of VARIANT
	@BUILD=$(BUILD) FUZZERS="$(FUZZERS)" tests/support/unit.sh $(UNIT)

.PHONY: pytest
pytest: all
	@[ "$$(id -u)" = 0 ] || echo "Not root: the integration and jailbreak tests are skipped," \
	    "because cloched has to make namespaces and cgroups."
	@CLOCHE_BIN=$(abspath $(BIN)) PYTHON=$(PYTHON) tests/support/pytest.sh $(PYTEST_ARGS)

# What is cheap and clear fails first, pytest has the last word.
.PHONY: test
test:  ## everything: deps, build, unit tests, fuzzing for a minute, lint, integration, jailbreak
	@$(MAKE) deps
	@$(MAKE) all unit_bin
	@$(MAKE) -O unit lint fuzz
	@$(MAKE) pytest
	@$(MAKE) jailbreak JAILBREAK=tests/jailbreak/test_python_escapes.py

.PHONY: check
check:  ## the same without touching packages, and nothing may be skipped
	@$(MAKE) all unit_bin
	@CLOCHE_REQUIRE=all $(MAKE) -O unit lint fuzz
	@CLOCHE_REQUIRE=all $(MAKE) pytest
	@CLOCHE_REQUIRE=all $(MAKE) jailbreak JAILBREAK=tests/jailbreak/test_python_escapes.py

.PHONY: asan tsan
asan:  ## everything but lint under address and undefined sanitizers (root, or unit tests alone)
	@PYTHONMALLOC=malloc $(MAKE) VARIANT=asan unit
	@CLOCHE_SLOW=4 CLOCHE_SOAK_CALLS=2000 ASAN_OPTIONS=quarantine_size_mb=1 \
	    $(MAKE) VARIANT=asan pytest
# Only what may ever have a thread: the API and base. (cloched and the jails have none, and under
# this sanitizer an interpreter that is cloned takes all memory there is.)
is_threadless = $(filter runtime/% policies/%,$($(1)_SRC)) \
                $(filter sandbox/%,$(filter-out sandbox/base/%,$($(1)_SRC)))
threaded = $(foreach t,$(1),$(if $(strip $(call is_threadless,$(t))),,$(t)))
TSAN = $(MAKE) VARIANT=tsan UNIT="$(call threaded,$(UNIT))" FUZZERS="$(call threaded,$(FUZZERS))"
# Address randomisation is off: the runtime of some compilers can't place its shadow otherwise. It starts
# a thread in each forked child, whenever it likes: glibc then asks for rseq, which a filter may refuse by then.
tsan:  ## unit tests and corpus replay of API and base under the thread sanitizer
	+@$(TSAN) unit_bin
	+@GLIBC_TUNABLES=glibc.pthread.rseq=0 setarch -R $(TSAN) unit

.PHONY: fuzz_bin
fuzz_bin: $(FUZZ_BIN)

.PHONY: lint
lint: all  ## layers, sizes, names in docs, links, hardening, words, format, cppcheck, shellcheck, codespell
	@BIN=$(BIN) BUILD=$(BUILD) tests/lint/run.sh

.PHONY: tidy
tidy: compile_commands  ## advice of clang-tidy on what is shipped (minutes)
	@git ls-files 'api/*.c' 'policies/*.c' 'runtime/*.c' 'sandbox/*.c' | \
	    xargs -P $$(nproc) -n 4 clang-tidy --quiet -p build 2> /dev/null

.PHONY: format
format:  ## clang-format in place
	clang-format -i $$(git ls-files '*.c' '*.h')

.PHONY: compile_commands
compile_commands: all  ## build/compile_commands.json for editors and clang-tidy
	@mkdir -p build
	@$(MAKE) -Bn V=1 all unit_bin | $(PYTHON) tests/support/compile_commands.py \
	    > build/compile_commands.json

SBIN := cloched
BINS := cloche
.PHONY: install
install: all  ## into $(DESTDIR)$(prefix); the programs look for each other below /usr
	install -d $(DESTDIR)$(prefix)/sbin $(DESTDIR)$(prefix)/bin \
	    $(DESTDIR)$(prefix)/libexec/cloche $(DESTDIR)$(prefix)/share/cloche/policies
	install -m 755 $(addprefix $(BIN)/,$(SBIN)) $(DESTDIR)$(prefix)/sbin
	install -m 755 $(addprefix $(BIN)/,$(BINS)) $(DESTDIR)$(prefix)/bin
	install -m 755 $(addprefix $(BIN)/,$(filter-out $(SBIN) $(BINS),$(PROGRAMS))) \
	    $(DESTDIR)$(prefix)/libexec/cloche
	install -m 644 $(wildcard policies/*.yaml policies/examples/*.yaml) \
	    $(DESTDIR)$(prefix)/share/cloche/policies
	for page in $(wildcard docs/man/*.[1-8]); do \
	    install -D -m 644 $$page $(DESTDIR)$(prefix)/share/man/man$${page##*.}/$${page##*/}; \
	done

.PHONY: clean
clean:  ## remove build/ and nothing else
	rm -rf build

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
