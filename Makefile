# SPDX-License-Identifier: GPL-2.0-only
# The front door. Each target makes ready what it needs first: docs/building.md.

# KERNEL: the series of Debian's stock kernels to build for, instead of the first of KERNELS in scripts/common.sh.
# KDIR: a prepared kernel tree to build for, instead of Debian's newest stock kernel.
export KERNEL KDIR
# KSRC: the kernel source that in-tree and patch are about.
export KSRC

.PHONY: module demo check check-conformance check-debug check-reliability check-seldom bench fuzz install in-tree patch size rust-analyzer fmt clippy clean help

module: ## build/<kernel release>/iscsi_init.ko (the default); KERNEL=7.2, KDIR=<prepared tree>: for another kernel
	@scripts/module

demo: module ## boot a diskless virtual machine from an iSCSI LUN, and watch
	@qemu/demo

check: ## everything that proves it: formatting, lints, unit tests, boots in virtual machines
	@scripts/check

check-conformance: module ## every case of the target that breaks the protocol, then the same with iscsi_tcp, for docs/conformance.md
	@HOSTILE=all qemu/run 'hostile-*'
	@qemu/bench/run hostile
	@scripts/conformance

check-debug: module ## on kernels that look for mistakes: load and a bad network, then the whole suite with KASAN; takes hours
	@scripts/built-in --debug
	@scripts/built-in --kasan
	@scripts/built-in --kasan-module
	@qemu/run 'debug-*'
	@qemu/run --kasan
	@qemu/run --kasan --seldom

check-seldom: module ## the scenarios that every check leaves out to be done in time; some 20 minutes
	@scripts/built-in --debug
	@qemu/run --seldom

check-reliability: module ## what takes too long for every check: long outages, power cuts, many reconnects, many insmods
	@scripts/built-in --debug
	@scripts/built-in --kasan-module
	@qemu/run 'long-*'
	@qemu/run --kasan long-reloads long-debug-allocations-insmod

bench: ## the driver beside iscsi_tcp and nvme-tcp, in tables of ratios; BENCH_PAIRS (2): how often each row is measured
	@qemu/bench/run

fuzz: ## every fuzz target for FUZZ_SECONDS (60) each; needs cargo-fuzz and a crates registry
	@scripts/fuzz

install: module ## the module to /lib/modules/<kernel release>, below INSTALL_MOD_PATH when that is given
	@scripts/install

in-tree: ## the driver into a kernel's source, KSRC=<kernel source>, as drivers/scsi/iscsi_init
	@scripts/in-tree "$$KSRC"

patch: ## build/patches, the driver as a series that git am takes in KSRC=<kernel source>
	@scripts/patch "$$KSRC"

size: ## what the driver takes, as a module and built in
	@scripts/size

rust-analyzer: ## rust-project.json, with which an editor understands the kernel half
	@scripts/rust-analyzer

fmt: ## format the Rust sources
	@scripts/format

clippy: ## clippy on both halves, warnings denied
	@scripts/clippy host
	@scripts/clippy kernel

clean: ## remove what was built here; the cache stays
	rm -rf build target fuzz/target rust-project.json

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' Makefile | expand -t 20
