# SPDX-License-Identifier: GPL-2.0-only
# The front door: "make help" lists what there is.

SHELL := /bin/bash
export BASE KDIR V TIMEOUT SOAK_S SEED KERNELS ONLY

.NOTPARALLEL:
.PHONY: all table deps base series tree export kunit test soak check-debug \
	mutants coverage check bench model docs \
	mbox release help clean

all: table

.DEFAULT:
	@echo "error: there is no target $@: see make help" >&2; exit 1

build:
	@mkdir -p build

deps: | build
	@scripts/deps

base: deps
	@scripts/base

series: base
	@scripts/series

tree: series
	@scripts/tree series

kunit: series
	@scripts/kunit

table: kunit
	@scripts/table

export: | build
	@scripts/export

test: series
	@scripts/test

soak: series
	@scripts/soak

check-debug: series
	@scripts/debug

# What there is not is refused before anything is installed for it.
mutants coverage bench: | build
	@scripts/$@ --check $(and $(filter mutants,$@),$(MUTANTS))
	@$(MAKE) --no-print-directory series
	@case $@ in mutants) ;; *) scripts/deps $@ ;; esac
	@scripts/$@ $(and $(filter mutants,$@),$(MUTANTS))

check: series
	@scripts/deps check
	@scripts/deps docs
	@scripts/check

model: deps
	@scripts/model

mbox: series
	@scripts/mbox

release: | build
	@scripts/release

docs: series
	@scripts/deps docs
	@scripts/docs

clean: | build
	@scripts/clean

help:
	@sed -n 's/^#help# \{0,1\}//p' Makefile

#help# make          show the bug and its end: the KUnit suites on the base kernel
#help#               as it is and with the series, side by side
#help# make test     the same as pass and fail, and the tests of the scripts
#help# make series   compose the mails for git am: build/BASE/series
#help# make tree     a kernel tree with the series as commits: build/BASE/linux
#help# make export   the way back: commits in that tree become patches/BASE and the
#help#               new files of this repository
#help# make kunit    build both kernels and run the suites on them
#help# make soak     change mappings while devices access them, for SOAK_S seconds
#help# make check-debug  the suites on kernels with KASAN, KCSAN, and 64K pages
#help# make mutants  try the suites: kernels with one mistake each, which must be found
#help# make check    static checks: checkpatch, sparse, W=1, coccicheck, clang, and every
#help#               commit in configurations that leave something out
#help# make coverage which lines of the changed functions the suites reach (gcov)
#help# make bench    what it costs: instructions per fault, commands, size
#help# make model    the order of things under the page table lock, by model checking
#help# make docs     the kernel's Documentation/mm with that of the series, as HTML
#help# make mbox     the series as one file for git am, b4 and git send-email
#help# make release  that for all bases, with checksums, in build/release
#help# make clean    remove build/
#help#
#help# BASE=6.1      the base kernel, one of the directories of patches/, or mainline:
#help#               the newest of them
#help# KDIR=/path    take the base from this kernel tree, which is not written to
#help# V=1           show the output of every step (it is in build/BASE/logs anyway)
#help# TIMEOUT=900   seconds after which a kernel counts as hung
#help# SOAK_S=600    seconds for make soak; SEED=n for the numbers of an earlier one
#help# KERNELS="a b" the kernels of make check-debug, by their files in debug/
#help# MUTANTS="a b" the mutants to build, of those in mutants/BASE
#help# ONLY=TEXT     make check: only checks whose names have this in them
