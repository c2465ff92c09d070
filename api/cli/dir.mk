# SPDX-License-Identifier: Apache-2.0
# The service's own JSON checker, so that values pass digit for digit and are refused for the same reasons.
cloche_SRC := $(wildcard api/cli/*.c) $(wildcard api/json/*.c) api/quantity.c api/audit/line.c api/audit/verify.c
UNIT += test_cli_body test_cli_json test_cli_follow test_cli_options test_cli_since
test_cli_body_SRC := api/cli/body.c $(wildcard api/json/*.c)
test_cli_json_SRC := api/cli/json.c $(wildcard api/json/*.c)
test_cli_follow_SRC := api/cli/follow.c api/cli/outcome.c api/cli/json.c $(wildcard api/json/*.c) \
                       tests/support/verb_fail.c
test_cli_options_SRC := api/cli/options.c
test_cli_since_SRC := api/cli/since.c
# `policy test` tells system calls by name.
$(BUILD)/obj/api/cli/prove_jail.o $(BUILD)/obj/api/cli/learn_write.o: $(BUILD)/gen/syscall_names.inc
