# SPDX-License-Identifier: Apache-2.0
PROGRAMS += cloche-zygote
cloche-zygote_SRC := $(wildcard runtime/*.c) $(ENTER_SRC)
cloche-zygote_CFLAGS := $(patsubst -I%,-isystem %,$(shell pkg-config --cflags python3-embed)) -I$(BUILD)/gen
cloche-zygote_LIBS := $(shell pkg-config --libs python3-embed) -lcap
