# SPDX-License-Identifier: GPL-2.0
#
# The way in: each target below is one script, which can be run alone too.
# Nothing is built beside the sources: see build/ and the cache (make help).

T := tools/testing/virtio_msg
CACHE := $(or $(VIRTIO_MSG_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/virtio-msg)

# What is given as NAME=value must be something that is known here.
unknown := $(strip $(foreach v,$(.VARIABLES),$(if $(filter command line,$(origin $(v))),\
	$(filter-out KDIR KSRC MESSAGES MINUTES SEED STATIC V VIRTIO_MSG_CACHE MAKEFLAGS MAKEOVERRIDES,$(v)))))
ifneq ($(unknown),)
$(error there is no option $(unknown); `make help' lists what there is)
endif

define HELP
echo 'Usage: make TARGET [NAME=value]'; echo; \
sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(firstword $(MAKEFILE_LIST)) | \
	while IFS='|' read -r t d; do printf '  %-13s %s\n' "$$t" "$$d"; done; \
echo; echo 'Logs and all that is built: build/. Downloads and kernels: $(CACHE)'
endef

help: ## what can be made (this list)
	@$(HELP)

demo: ## boot a kernel whose disk is a program, and use that disk
	@$(T)/demo.sh

demo-amp: ## the same with the program outside of the guest, over shared memory
	@$(T)/demo-amp.sh

check: ## all checks below, added up
	@$(T)/check.sh

check-static: ## checkpatch, kernel-doc, sparse, warnings, shellcheck
	@$(T)/static.sh

check-kunit: ## unit tests: KUnit on the newest packaged kernel, and the device library
	@$(T)/kunit.sh

check-intree: ## as a part of the newest kernel source, and outside of it
	@$(T)/intree.sh

check-guest: ## the selftests, in a guest with a stock kernel
	@$(T)/guest-tests.sh

check-amp: ## devices that are programs here, drivers in a guest, shared memory between
	@$(T)/amp-tests.sh

check-fuzz: ## half a minute of what make fuzz does
	@$(T)/fuzz.sh

fuzz: ## a hostile driver side against the device library; MINUTES=10
	@$(T)/fuzz.sh $(or $(MINUTES),10)

hostile: ## bad devices and failing allocations in a debug kernel; MESSAGES=1000000, SEED=n
	@$(T)/hostile.sh $(or $(MESSAGES),1000000) $(SEED)

soak: ## devices of all kinds live and die at random in a guest; MINUTES=10, SEED=n
	@$(T)/soak.sh $(MINUTES)

demo-ffa: ## a disk and an entropy source in a made-up secure world, on arm64
	@$(T)/demo-ffa.sh

check-ffa: ## devices in that secure world, and what may go wrong; KERNEL=64k or KERNEL=debug
	@$(T)/ffa-tests.sh

modules: ## the modules for your kernel; KDIR=stock or KDIR=/build/folder for others
	@$(T)/modules.sh $(KDIR)

figures: ## measure what Documentation/ says it costs, and write it there
	@$(T)/figures.sh

coverage: ## lines and branches of the drivers that unit tests reach, for Documentation/
	@$(T)/coverage.sh --figures

bench: ## what an I/O costs by us, ublk, VDUSE and NBD, for Documentation/
	@$(T)/bench.sh

bench-amp: ## the same for the AMP bus, against virtio-blk-pci of QEMU
	@$(T)/bench-amp.sh

patch: ## a patch series for the kernel tree KSRC=/path/to/linux
	@$(T)/patch.sh $(KSRC)

tools: ## the device library and programs, into build/tools; STATIC=1 for static ones
	@$(MAKE) -C tools/virtio-msg O=$(CURDIR)/build/tools $(if $(STATIC),STATIC=$(STATIC))

clean: ## remove build/ (downloads and kernels stay in the cache)
	rm -rf build

.DEFAULT:
	@echo "There is no target $@."; $(HELP); false

.PHONY: help demo demo-amp demo-ffa check check-static check-kunit check-intree check-guest \
	check-amp check-ffa check-fuzz fuzz hostile soak modules figures coverage bench bench-amp \
	patch tools clean
