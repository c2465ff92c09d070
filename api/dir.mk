# SPDX-License-Identifier: Apache-2.0
PROGRAMS += cloche-api cloche
STORE_SRC := $(wildcard api/store/*.c)
# What is above the server: only the program itself links it.
API_TOP := $(addprefix api/,main.c told.c drain.c pair.c)
API_ROOMS := calls dispatch tenants modules async sessions pythonv1 workflow json audit openapi
API_SRC := $(wildcard api/*.c) $(STORE_SRC) $(foreach room,$(API_ROOMS),$(wildcard api/$(room)/*.c))
cloche-api_SRC := $(API_SRC) $(wildcard api/http1/*.c)
HTTP_LIBS := -levent_openssl -levent_core -lssl -lcrypto
# .incbin takes it in; the compiler's dependency files do not know.
$(BUILD)/obj/api/openapi/shapes.o: api/openapi/shapes.json
cloche-api_LIBS := $(HTTP_LIBS) -lsodium -lsqlite3 -lyaml
cloche_SRC := $(wildcard api/cli/*.c)
cloche_LIBS := -lcurl -ljson-c -lsodium

# Tests of the API's own half; those of api/http1 and api/json are in api/http1/dir.mk.
API_UNIT := test_refusal test_openapi test_quantity test_ulid test_idtable test_path test_route test_verdict \
            test_auth test_tenant test_turn test_request test_stream test_keep test_events test_envelope \
            test_metrics test_jailclient test_spare test_dispatch test_lease test_calls \
            test_confine test_request_eval test_options test_errand test_functions test_query
UNIT += $(API_UNIT)

# All of the API but main, with exchanges that write down what is asked of them instead of HTTP.
API_TEST_SRC := $(filter-out $(API_TOP),$(API_SRC)) tests/support/exchange_fake.c \
                tests/support/api_fake.c tests/support/job_case.c tests/support/policy_sample.c \
                tests/support/tenant_sample.c \
                tests/support/store_case.c
$(foreach t,$(API_UNIT),$(eval $(t)_SRC := $(API_TEST_SRC))\
                        $(eval $(t)_LIBS := -levent_core -lsodium -lsqlite3 -lyaml))
test_request_LDFLAGS := -Wl,--wrap=realloc
test_lease_LDFLAGS := -Wl,--wrap=send,--wrap=recv,--wrap=__recv_chk

# Pure parts of stored calls.
UNIT += test_asyncq test_replay test_async_body
test_asyncq_SRC := api/async/queue.c
test_async_body_SRC := api/async/body.c api/async/show.c $(wildcard api/json/*.c)
test_replay_SRC := api/async/replay.c api/calls/events.c $(wildcard api/json/*.c)

# The store by itself: any other backend passes test_store and test_store_kept as well.
STORE_UNIT := test_store test_store_kept test_store_files test_store_power test_storeq
UNIT += $(STORE_UNIT)
$(foreach t,$(STORE_UNIT),$(eval $(t)_SRC := $(STORE_SRC) api/storeq.c api/storereads.c api/storethread.c \
                              api/refusal.c api/ulid.c tests/support/store_case.c)\
                          $(eval $(t)_LIBS := -levent_core -lsodium -lsqlite3 -lyaml))

FUZZERS += fuzz_request fuzz_frames
fuzz_request_SRC := $(wildcard api/calls/request*.c) api/calls/member.c api/path.c api/quantity.c api/refusal.c \
                    $(wildcard api/json/*.c) tests/support/policy_sample.c
fuzz_request_LIBS := -lsodium
fuzz_frames_SRC := api/calls/stream.c api/path.c $(wildcard api/json/*.c)

# Frames of a session; pure.
UNIT += test_sessionstream
FUZZERS += fuzz_sessionframes
test_sessionstream_SRC := api/sessions/stream.c $(fuzz_frames_SRC)
fuzz_sessionframes_SRC := $(test_sessionstream_SRC)

# What a header field says.
UNIT += test_field
test_field_SRC := api/field.c

# What a request says of its trace.
UNIT += test_trace
test_trace_SRC := api/trace.c
test_trace_LIBS := -lsodium

# Tokens and quotas by themselves.
UNIT += test_keyring test_quota
test_keyring_SRC := api/tenants/keyring.c api/tenants/token.c
test_keyring_LIBS := -lsodium
test_quota_SRC := api/tenants/quota.c api/refusal.c

# python/v1: its envelope and plans are pure; how calls end and names are kept needs the API's own.
UNIT += test_pythonv1
test_pythonv1_SRC := $(API_TEST_SRC)
test_pythonv1_LIBS := $(test_calls_LIBS)
FUZZERS += fuzz_rpc
fuzz_rpc_SRC := api/pythonv1/envelope.c api/pythonv1/plan.c api/pythonv1/error.c $(wildcard api/json/*.c)
fuzz_rpc_LIBS := -lsodium

FUZZERS += fuzz_later
fuzz_later_SRC := $(addprefix api/,async/body.c async/replay.c calls/events.c query.c quantity.c refusal.c) \
                  $(wildcard api/json/*.c)

# The audit log: lines and their check are pure; the one who writes it needs an event loop.
UNIT += test_auditline test_auditverify test_ledger
FUZZERS += fuzz_audit
AUDIT_SRC := api/audit/line.c api/audit/verify.c api/json/text.c
test_auditline_SRC := $(AUDIT_SRC) $(wildcard api/json/*.c)
test_auditline_LIBS := -lsodium
test_auditverify_SRC := $(AUDIT_SRC)
test_auditverify_LIBS := -lsodium
fuzz_audit_SRC := $(AUDIT_SRC)
fuzz_audit_LIBS := -lsodium
test_ledger_SRC := $(AUDIT_SRC) api/audit/ledger.c api/audit/tail.c
test_ledger_LIBS := -levent_core -lsodium
