# SPDX-License-Identifier: Apache-2.0
# The service's own JSON checker, so that values pass digit for digit and are refused for the same reasons.
cloche_SRC := $(wildcard api/cli/*.c) $(wildcard api/json*.c)
