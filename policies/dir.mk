# SPDX-License-Identifier: Apache-2.0
PROGRAMS += cloche-policyc
cloche-policyc_SRC := $(wildcard policies/*.c)
cloche-policyc_LIBS := -lyaml -lseccomp
