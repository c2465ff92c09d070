# SPDX-License-Identifier: Apache-2.0
PROGRAMS += cloche-api cloche
cloche-api_SRC := $(wildcard api/*.c api/http1/*.c)
cloche-api_LIBS := -levent_core -lsodium
cloche_SRC := $(wildcard api/cli/*.c)
cloche_LIBS := -lcurl -ljson-c
