# SPDX-License-Identifier: Apache-2.0
# ENTER_SRC itself is named in sandbox/dir.mk, because the zygote links it.
ENTER_TEST := $(ENTER_SRC) tests/support/jailcase.c tests/support/policy_sample.c
UNIT += test_enter test_entersteps test_entertree
test_enter_SRC := $(ENTER_TEST)
test_entersteps_SRC := $(ENTER_TEST)
test_entertree_SRC := $(ENTER_TEST)
