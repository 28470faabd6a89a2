# SPDX-License-Identifier: Apache-2.0
#
# `make run` and `make test` do all that a fresh Debian 12 machine with a Swift 6.3 toolchain needs.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Programs and tests are both built with optimization, each in a directory of its own (.ci/test).
# The software processor's handlers are a dozen instructions: a frame pointer would be a fifth of them.
SWIFT_BUILD := swift build -c release --omit-frame-pointers

GUEST := bin/guest/vmlinux bin/guest/initramfs.cpio
SWIFT_FILES := Package.swift Sources Tests \
	Fuzz/Package.swift Fuzz/Driver Fuzz/Sources Fuzz/Judge/Package.swift Fuzz/Judge/Sources Guest/initramfs/newc.swift

.PHONY: help build policy guest kernel initramfs run test test-tools proof lint bench fuzz judge sanitize api clean

help: ## What can be made
	@sed -n 's/^\([a-z]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | \
		while IFS=$$'\t' read -r name text; do printf '  make %-10s %s\n' "$$name" "$$text"; done

build: ## The programs, in bin/
	@.ci/prepare build
	@$(SWIFT_BUILD) --product swiftlet-vmm
	@$(SWIFT_BUILD) --product swiftlet-jailer
	@$(SWIFT_BUILD) --product swiftlet
	@mkdir -p bin
	@for program in swiftlet swiftlet-vmm swiftlet-jailer; do \
		cmp -s .build/release/$$program bin/$$program || \
			{ cp .build/release/$$program bin/.$$program.new && mv bin/.$$program.new bin/$$program; }; \
	done

guest: kernel initramfs ## The guest's kernel and initramfs, in bin/guest/

kernel: ## The guest's kernel, built once and kept in ~/.cache/swiftlet
	@.ci/prepare guest
	@mkdir -p bin/guest
	@kernel=$$(Guest/kernel/build.sh) && { cmp -s "$$kernel" bin/guest/vmlinux || \
		{ cp "$$kernel" bin/guest/.vmlinux.new && mv bin/guest/.vmlinux.new bin/guest/vmlinux; }; }

initramfs: ## The guest's initramfs: the agent and busybox
	@.ci/prepare build guest
	@mkdir -p bin/guest
	@Guest/initramfs/build.sh bin/guest/.initramfs.new
	@mv bin/guest/.initramfs.new bin/guest/initramfs.cpio

run: build guest ## Boot a Linux kernel in a microVM and run a command in it
	bin/swiftlet run -v -- sh -c 'uname -a; nproc; grep MemTotal /proc/meminfo'

test: build guest test-tools ## All tests, then a line that counts them
	@.ci/test $(TEST)

test-tools:
	@.ci/prepare test
	@[ $$(id -u) -ne 0 ] || .ci/prepare images

# What tests do for a moment, for as long as it takes to be sure of it. SWIFTLET_FIO_SECONDS: how long fio writes
# and verifies on each engine of disks, in peace and through 50 pauses; SWIFTLET_NET_MIB: MiB by TCP, each way.
proof: build guest test-tools ## Disks and network under load for long: SWIFTLET_FIO_SECONDS (60), SWIFTLET_NET_MIB (100)
	@SWIFTLET_FIO_SECONDS=$(or $(SWIFTLET_FIO_SECONDS),60) SWIFTLET_NET_MIB=$(or $(SWIFTLET_NET_MIB),100) \
		.ci/test --filter 'IntegrationTests\.(DiskTests|DiskPauseTests|NetworkTests|GuestMemoryTests)'

lint: ## The style of all Swift files
	@.ci/prepare build
	@swift format lint --strict --parallel --recursive $(wildcard $(SWIFT_FILES))

policy: ## The monitor's filters, from the files in Policy/
	@$(SWIFT_BUILD) --product policyc
	@.build/release/policyc Policy > Sources/vmm/.SeccompFilters.swift.new
	@mv Sources/vmm/.SeccompFilters.swift.new Sources/vmm/SeccompFilters.swift

bench: build guest ## Speed and memory, beside QEMU's
	@.ci/prepare bench
	@Benchmarks/run

# FUZZ_SECONDS: how long each target runs.
fuzz: ## Each parser of hostile bytes, for FUZZ_SECONDS (60) each
	@.ci/prepare build
	@.ci/fuzz $(or $(FUZZ_SECONDS),60)

sanitize: ## The suites that play a guest, under the thread and address sanitizers
	@.ci/prepare build
	@.ci/sanitize

# API_EXAMPLES: how many requests for each operation.
api: build kernel ## The API against its document, with schemathesis
	@.ci/api-check $(or $(API_EXAMPLES),50)

# CASES and SEED: how many, and which. The table of what was judged goes to docs/instructions.md.
judge: ## The software processor beside this machine's own, on CASES (1000000) random instructions
	@.ci/prepare build
	@swift build -c release --package-path Fuzz/Judge --product judge-run
	@nice -n 19 Fuzz/Judge/.build/release/judge-run $(or $(CASES),1000000) $(or $(SEED),1) \
		$(if $(CASES),docs/instructions.md)

clean: ## Remove what was built here; the caches in ~/.cache/swiftlet stay
	rm -rf .build Benchmarks/results.json Fuzz/.build bin
