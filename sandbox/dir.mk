# SPDX-License-Identifier: Apache-2.0
BASE_SRC := $(wildcard sandbox/base/*.c)
ENTER_SRC := $(wildcard sandbox/enter/*.c)

PROGRAMS += cloched
cloched_SRC := $(wildcard sandbox/*.c)
cloched_CFLAGS := $(shell pkg-config --cflags libnl-3.0 libnl-route-3.0)
cloched_LIBS := -lcap $(shell pkg-config --libs libnl-3.0 libnl-route-3.0)
