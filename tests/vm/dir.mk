# SPDX-License-Identifier: Apache-2.0
# The tests in a virtual machine: a Debian 12 guest with cgroup v2, whatever this host has.
VM := build/vm
TOOLS += vm-ticks
vm-ticks_SRC := tests/vm/ticks.c

$(VM)/root.ext4: tests/vm/image.sh tests/vm/guest/vmtest.service tests/vm/guest/vmtest.target
	@tests/vm/image.sh $(VM)

.PHONY: vmtest
vmtest: $(VM)/root.ext4  ## integration and jailbreak tests in a Debian 12 guest (root, qemu; long)
	@$(MAKE) all $(addprefix $(BIN)/,cloche-load cloche-faults.so cloche-bad-zygote \
		cloche-breached-zygote http-echo vm-ticks)
	@tests/vm/run.sh $(VM) $(BIN) $(VMTEST)
