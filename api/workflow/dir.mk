# SPDX-License-Identifier: Apache-2.0
# Documents, plans and references are pure: the command has them, too. Running is the service's.
WORKFLOW_PURE := $(addprefix api/workflow/,node.c document.c scalar.c yaml.c pieces.c dump.c \
                   references.c)
WORKFLOW_PLAN := $(WORKFLOW_PURE) $(wildcard api/workflow/plan*.c) api/workflow/problems.c \
                 api/refusal.c $(wildcard api/json/*.c)
cloche_SRC += $(WORKFLOW_PURE)
cloche_LIBS += -lyaml

UNIT += test_wdocument test_wreferences test_wplan
$(foreach t,test_wdocument test_wreferences test_wplan,\
    $(eval $(t)_SRC := $(WORKFLOW_PLAN))$(eval $(t)_LIBS := -lyaml))

FUZZERS += fuzz_workflow fuzz_references
$(foreach t,fuzz_workflow fuzz_references,\
    $(eval $(t)_SRC := $(WORKFLOW_PLAN))$(eval $(t)_LIBS := -lyaml))

# The scheduler with a real store, and calls that the test answers.
UNIT += test_wrun
test_wrun_SRC := $(WORKFLOW_PLAN) $(wildcard api/workflow/run*.c) api/workflow/record.c $(STORE_SRC) \
                 api/storeq.c api/storereads.c api/storethread.c api/ulid.c api/trace.c tests/support/store_case.c
test_wrun_LIBS := -levent_core -lsodium -lsqlite3 -lyaml
