# SPDX-License-Identifier: Apache-2.0
# Non-recursive: every folder adds its files in its own dir.mk. `make help` lists the targets.

VARIANT   ?= release
BUILD     ?= build/$(VARIANT)
BIN       ?= $(if $(filter release,$(VARIANT)),build/bin,$(BUILD)/bin)
PYTHON    := /usr/bin/python3
prefix    ?= /usr
DESTDIR   ?=

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wformat=2 -Wmissing-prototypes \
            -Wstrict-prototypes -Wundef -Wvla -Werror
CFLAGS_release := -O2 -g -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection \
                  -fcf-protection -fPIE
CFLAGS_debug   := -Og -g -fPIE
CFLAGS_asan    := -O1 -g -fPIE -fsanitize=address,undefined -fno-sanitize-recover=undefined \
                  -fno-omit-frame-pointer -DCL_ASAN
CFLAGS_tsan    := -O1 -g -fPIE -fsanitize=thread
CFLAGS_cover   := -O0 -g -fPIE --coverage
CFLAGS_fuzz    := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
LDFLAGS_release := -pie -Wl,-z,relro,-z,now,-z,noexecstack
LDFLAGS_debug   := -pie
LDFLAGS_asan    := -pie -fsanitize=address,undefined
LDFLAGS_tsan    := -pie -fsanitize=thread
LDFLAGS_cover   := -pie --coverage
LDFLAGS_fuzz    := -fsanitize=fuzzer,address,undefined

CL_CFLAGS  = -std=gnu17 -D_GNU_SOURCE -I. -I$(BUILD)/gen $(WARNINGS) $(CFLAGS_$(VARIANT)) \
             -fvisibility=hidden -fno-common -MMD -MP
CL_LDFLAGS = $(LDFLAGS_$(VARIANT)) -Wl,--as-needed

# dir.mk files fill these:
#   PROGRAMS   names of binaries;  <name>_SRC  <name>_CFLAGS  <name>_LIBS
#   UNIT       unit tests: tests/unit/test_<x>.c with <test>_SRC, _CFLAGS and _LIBS
#   FUZZERS    fuzz/fuzz_<x>.c with <fuzzer>_SRC, _CFLAGS and _LIBS
PROGRAMS :=
UNIT     :=
FUZZERS  :=

include $(wildcard */dir.mk */*/dir.mk)

objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CL_CFLAGS) $(OBJ_CFLAGS) -c -o $@ $<

define program_rules
$$(call objects,$$($(1)_SRC)): OBJ_CFLAGS += $$($(1)_CFLAGS)
$(BIN)/$(1): $$(call objects,$$($(1)_SRC) $$(BASE_SRC))
	@mkdir -p $$(@D)
	$$(CC) $$(CL_LDFLAGS) $$($(1)_LDFLAGS) -o $$@ $$^ $$($(1)_LIBS)
	@chmod 755 $$@
endef
$(foreach p,$(PROGRAMS),$(eval $(call program_rules,$(p))))

define unit_rules
$(BUILD)/unit/$(1): OBJ_CFLAGS += $$($(1)_CFLAGS)
$(BUILD)/unit/$(1): $(BUILD)/obj/tests/unit/$(1).o $$(call objects,$$($(1)_SRC) $$(BASE_SRC))
	@mkdir -p $$(@D)
	$$(CC) $$(CL_LDFLAGS) -o $$@ $$^ $$($(1)_LIBS) -lcmocka
endef
$(foreach t,$(UNIT),$(eval $(call unit_rules,$(t))))

# A fuzzer is built twice from the same source: against libFuzzer (VARIANT=fuzz, clang), and in
# every other variant with a plain main that replays corpus files.
define fuzz_rules
$(BUILD)/fuzz/$(1): OBJ_CFLAGS += $$($(1)_CFLAGS)
$(BUILD)/fuzz/$(1): $(BUILD)/obj/fuzz/$(1).o $$(call objects,$$($(1)_SRC) $$(BASE_SRC)) \
                    $$(if $$(filter fuzz,$$(VARIANT)),,$(BUILD)/obj/fuzz/replay.o)
	@mkdir -p $$(@D)
	$$(CC) $$(CL_LDFLAGS) -o $$@ $$^ $$($(1)_LIBS)
endef
$(foreach t,$(FUZZERS),$(eval $(call fuzz_rules,$(t))))

.PHONY: all
all: $(addprefix $(BIN)/,$(PROGRAMS))  ## release build into build/bin

.PHONY: unit
unit: $(addprefix $(BUILD)/unit/,$(UNIT)) $(addprefix $(BUILD)/fuzz/,$(FUZZERS))
	@set -e; for t in $(addprefix $(BUILD)/unit/,$(UNIT)); do $$t; done
	@set -e; for f in $(FUZZERS); do $(BUILD)/fuzz/$$f fuzz/corpus/$$f fuzz/regress/$$f; done

.PHONY: clean
clean:  ## remove build/ and nothing else
	rm -rf build

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
