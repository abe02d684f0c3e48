# SPDX-License-Identifier: GPL-2.0-only
# The front door: "make help" lists the commands.

SHELL := /bin/bash
export BASE KDIR V TIMEOUT SOAK_S SEED KERNELS ONLY

.NOTPARALLEL:
.PHONY: all table series mbox release apply tree export kunit test soak \
	check-debug mutants coverage lint bench model docs systems help clean \
	check deps base

all: table

.DEFAULT:
	@echo "error: there is no target $@: see make help" >&2; exit 1

build:
	@mkdir -p build

# The mails need git, and nothing else.
series: | build
	@scripts/series

mbox: series
	@scripts/mbox

release: | build
	@scripts/release

# The series on the base kernel. NEEDS is what a target installs besides.
apply: series
	@scripts/deps source $(NEEDS)
	@scripts/base
	@scripts/apply

tree: apply
	@scripts/tree series

export: | build
	@scripts/export

table test soak check-debug kunit: NEEDS := kernel
test: NEEDS += test
lint: NEEDS := kernel lint docs
docs: NEEDS := docs

kunit: apply
	@scripts/kunit

table: kunit
	@scripts/table

test: apply
	@scripts/test

soak: apply
	@scripts/soak

check-debug: apply
	@scripts/debug

# A base that has none of these is refused before anything is installed.
mutants coverage bench: | build
	@scripts/$@ --check $(and $(filter mutants,$@),$(MUTANTS))
	@$(MAKE) --no-print-directory apply NEEDS="kernel $@"
	@scripts/$@ $(and $(filter mutants,$@),$(MUTANTS))

lint: apply
	@scripts/lint

model: | build
	@scripts/deps model
	@scripts/model

docs: apply
	@scripts/docs

systems: | build
	@scripts/deps systems
	@scripts/systems

clean: | build
	@scripts/clean

# Names that have changed
check:
	@echo "error: make $@ is called make lint now" >&2; exit 1

deps base:
	@echo "error: make $@ is a part of make tree now" >&2; exit 1

help:
	@sed -n 's/^#help# \{0,1\}//p' Makefile

#help# Use
#help#   make          show the bug and the fix: the KUnit suites on the unpatched
#help#                 kernel and with the series, side by side
#help#   make mbox     the series as one file for git am, b4 and git send-email
#help#   make series   the series as one file a patch: build/BASE/series
#help#   make release  the mbox of every base, with checksums: build/release
#help#   make tree     a kernel tree with the series as commits: build/BASE/linux
#help#   make docs     the kernel's Documentation/mm with the series' pages, as HTML
#help#
#help# Verify
#help#   make test     every test; the last line counts passed and failed
#help#   make soak     change mappings while devices access them, for SOAK_S seconds
#help#   make check-debug  the suites on kernels with KASAN, KCSAN, and 64K pages
#help#   make mutants  put one fault at a time into the series; the suites must fail
#help#   make coverage list the changed lines that the suites do not reach (gcov)
#help#   make bench    the cost: instructions per fault, SMMU commands, kernel size
#help#   make model    the order of steps under the page table lock, checked by spin
#help#   make systems  try make on bare Debian systems (root; 20 minutes)
#help#
#help# Develop
#help#   make kunit    build both kernels and run the suites, without the table
#help#   make lint     checkpatch, sparse, W=1, coccicheck, clang, and each commit alone
#help#   make export   the commits of build/BASE/linux become patches/BASE and the new
#help#                 files of this repository: the reverse of make tree
#help#   make clean    remove build/
#help#
#help# Options
#help#   BASE=6.1      the base kernel: a directory of patches/, or latest
#help#   KDIR=/path    use this kernel tree as the base; it is only read
#help#   V=1           show the output of every step (also in build/BASE/logs)
#help#   TIMEOUT=900   seconds until a kernel that runs counts as hung
#help#   SOAK_S=600    seconds for make soak; SEED=n repeats the numbers of a run
#help#   KERNELS="a b" the kernels of make check-debug: names of files in debug/
#help#   MUTANTS="a b" the mutants to build: names of files in mutants/BASE
#help#   ONLY=TEXT     make lint: only the checks that have TEXT in their name
