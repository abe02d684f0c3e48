# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Every case works on a copy of this repository, with a base kernel that has the
# Makefile and the files that the series touches, and no others: git does not
# care, and it takes no time.

setup()
{
	# The copy starts afresh: nothing of the make that runs these tests.
	unset BASE KDIR V TIMEOUT ONLY STLB_LOCKED MAKEFLAGS MAKELEVEL MFLAGS
	# shellcheck disable=SC2046 # a list of names
	unset $(git rev-parse --local-env-vars)
	exec 9>&-
	TOP=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	REPO=$BATS_TEST_TMPDIR/repo
	REAL=$TOP/build/6.1/git
	[ -d "$REAL" ] || skip "no base kernel to take files from: run make tree"
	export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
	export GIT_AUTHOR_NAME=T GIT_AUTHOR_EMAIL=t@example.org
	export GIT_COMMITTER_NAME=T GIT_COMMITTER_EMAIL=t@example.org

	# What is being worked on, not only what is committed.
	mkdir "$REPO"
	cd "$TOP" || return 1
	git ls-files -z -co --exclude-standard | tar -c --null --ignore-failed-read -T - 2>/dev/null |
		tar -C "$REPO" -xf -
	cd "$REPO" || return 1
	git init -q
	git add -A
	git commit -q -m "work in progress"
	tiny_base "$REPO/build/6.1/git" base
}

# tiny_base GITDIR COMMIT: a repository whose base has few of COMMIT's files
tiny_base()
{
	local tree=$BATS_TEST_TMPDIR/tiny

	mkdir -p "$tree"
	(cd "$REPO" && cat {patches,mutants}/6.1/*.patch | git apply --numstat -) | cut -f3 | sort -u |
		xargs git --git-dir="$REAL" archive "$2" Makefile COPYING .gitattributes -- | tar -C "$tree" -xf -
	git init -q --bare "$1"
	git --git-dir="$1" config core.abbrev 12
	git --git-dir="$1" --work-tree="$tree" add -A -f .
	git --git-dir="$1" --work-tree="$tree" commit -q \
		-m "$(git --git-dir="$REAL" log -1 --format=%s base)"
	git --git-dir="$1" branch -f base HEAD
	git --git-dir="$1" symbolic-ref HEAD refs/heads/unused
}

# A command that must fail with one line that matches, and no other.
refused()
{
	local pattern=$1
	shift
	run --separate-stderr "$@"
	# shellcheck disable=SC2154 # bats sets them
	echo "status $status: $stderr"
	[ "$status" != 0 ]
	[ "$(grep -c '^error:' <<<"$stderr")" = 1 ]
	[[ $stderr =~ $pattern ]]
}

linux()
{
	git -C build/6.1/linux "$@"
}
