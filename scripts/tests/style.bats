#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# What a maintainer's first look finds.

bats_require_minimum_version 1.5.0
load setup

checkpatch()
{
	git --git-dir="$REAL" archive base scripts/checkpatch.pl scripts/spelling.txt \
		scripts/const_structs.checkpatch scripts/kernel-doc | tar -xf -
	# The base has no history in which checkpatch could look up a commit.
	perl scripts/checkpatch.pl --no-tree --strict --terse --show-types --no-summary \
		--ignore "UNKNOWN_COMMIT_ID${IGNORE:+,$IGNORE}" "$@"
}

@test "checkpatch --strict on every mail" {
	make -s series
	# FILE_PATH_CHANGES asks for MAINTAINERS wherever a file is added;
	# LINUX_VERSION_CODE see below.
	IGNORE=FILE_PATH_CHANGES,LINUX_VERSION_CODE checkpatch $(ls build/6.1/series/*.patch | grep -v /0000-)
}

@test "checkpatch --strict on the patches for other bases" {
	# The new files that they add are the same. What git knows is no patch to it.
	for base in patches/*; do
		[ "$base" != patches/6.1 ] || continue
		mkdir -p "mails/$base"
		cp "$base"/[0-9]*.patch "mails/$base"
		IGNORE=FILE_PATH_CHANGES checkpatch "mails/$base"/*
	done
}

@test "checkpatch --strict on every new file" {
	# One header is for several kernels, and has to ask which it is.
	checkpatch -f $(git ls-files '*.c' '*.h' ':!*_compat.h')
	IGNORE=LINUX_VERSION_CODE checkpatch -f include/linux/secondary_tlb_compat.h
}

@test "kernel-doc of the new files" {
	checkpatch --version > /dev/null || true
	for file in $(git ls-files '*.c' '*.h'); do
		run -0 scripts/kernel-doc -v -Werror -none "$file"
	done
}

@test "every new file is in a series, and every patch is signed off" {
	for file in $(git ls-files arch drivers include lib mm Documentation); do
		grep -q -- "$file" patches/*/series
	done
	for patch in patches/*/*.patch; do
		grep -q '^Signed-off-by: ' "$patch"
		grep -q "$(basename "$patch")" "$(dirname "$patch")/series"
	done
}

@test "MAINTAINERS is what the series add, in order, and finds every new file" {
	make -s apply
	sed -n 's/^+\([^+]\)/\1/p' patches/6.1/*-MAINTAINERS-*.patch | diff - MAINTAINERS
	git --git-dir="$REAL" show base:MAINTAINERS > before
	git --git-dir=build/6.1/git show refs/stlb/series:MAINTAINERS > after
	git --git-dir="$REAL" archive base scripts/get_maintainer.pl scripts/parse-maintainers.pl | tar -xf -
	for file in before after; do
		perl scripts/parse-maintainers.pl --input=$file --output=$file.sorted
		diff $file $file.sorted | sed '/^[<>]/!d' > $file.moved || true
	done
	diff before.moved after.moved
	for file in $(git ls-files arch drivers include lib Documentation); do
		perl scripts/get_maintainer.pl --no-tree --no-git --mpath after -f "$file" |
			grep -q "SECONDARY TLB"
	done
}

@test "shellcheck" {
	shellcheck .ci/run scripts/*.sh $(grep -l '^#!.*bash' scripts/*)
	shellcheck -s bash scripts/tests/setup.bash
}
