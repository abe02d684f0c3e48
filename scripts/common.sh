# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What every script here starts with: where things are, which base kernel is
# meant, and how a step reports.
#
#   BASE=6.1          base kernel, a directory under patches/, or "latest": the newest
#   KDIR=/path        take the base from this kernel tree; its version is BASE
#   V=1               show the output of every step
set -euo pipefail

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
V=${V:-}
KDIR=${KDIR:-}

# What a caller may have set is not meant for the gits and makes in here.
unset MAKEFLAGS MFLAGS MAKELEVEL
BASE=${BASE:-6.1}

die()
{
	printf 'error: %s\n' "$*" >&2
	exit 1
}

command -v git > /dev/null || die "git is missing: install the package git"
# shellcheck disable=SC2046 # a list of names
unset $(git rev-parse --local-env-vars)

# kernel_version DIR: VERSION PATCHLEVEL SUBLEVEL of a kernel tree
kernel_version()
{
	sed -n '1,6s/^\(VERSION\|PATCHLEVEL\|SUBLEVEL\) = *\([0-9]*\)$/\2/p' \
		"$1/Makefile" 2>/dev/null | paste -sd' '
}

if [ -n "$KDIR" ]; then
	dir=$(realpath -e "$KDIR" 2>/dev/null) ||
		die "KDIR=$KDIR: no such directory: give the top of a kernel tree"
	KDIR=$dir
	read -r v p s <<<"$(kernel_version "$KDIR")" || true
	[ -n "${p:-}" ] ||
		die "KDIR=$KDIR is not a kernel tree, for its Makefile has no version: give the top of one"
	[ ! -e "$KDIR/lib/tests/secondary_tlb.kunitconfig" ] ||
		die "KDIR=$KDIR has the series, or its tests: run them there with kunit.py (README), or give a tree without"
	BASE=$v.$p
	ID=kdir-$BASE.${s:-0}
else
	[ "$BASE" != mainline ] || die "BASE=mainline is called BASE=latest now"
	[ "$BASE" != latest ] ||
		BASE=$(cd "$TOP/patches" && printf '%s\n' * | sort -V | tail -n 1)
	ID=$BASE
fi
BASES=$(cd "$TOP/patches" && echo *)
[[ " $BASES " == *" $BASE "* && -f $TOP/patches/$BASE/series ]] ||
	die "there is no series for Linux $BASE: use one of $BASES, or latest"

# Where things are; the other scripts use them.
# shellcheck disable=SC2034
{
	PATCHES=$TOP/patches/$BASE
	OUT=$TOP/build/$ID		# all that belongs to one base
	GIT=$OUT/git			# its repository
	TREE=$OUT/linux			# the base with the series
	UNFIXED=$OUT/linux-unfixed	# the base with the test commits alone
	SERIES=$OUT/series		# the mails, and
	MAILS=$OUT/mails		# the repository that they are formatted from
	LOGS=$OUT/logs
	RESULTS=$OUT/results
}
mkdir -p "$LOGS"

# Git commits here do not depend on the user, nor on the user's settings: the author
# is the maintainer of MAINTAINERS. The clone may belong to another user.
IFS='<>' read -r GIT_COMMITTER_NAME GIT_COMMITTER_EMAIL _ \
	<<<"$(sed -n 's/^M:[[:space:]]*\(.*[^ ]\) *</\1</p' "$TOP/MAINTAINERS")"
export GIT_COMMITTER_NAME GIT_COMMITTER_EMAIL
export GIT_AUTHOR_NAME=$GIT_COMMITTER_NAME GIT_AUTHOR_EMAIL=$GIT_COMMITTER_EMAIL
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
export GIT_CONFIG_COUNT=2 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'
export GIT_CONFIG_KEY_1=core.fsync GIT_CONFIG_VALUE_1=none	# build/ can be made again

# What one base has compiled is of use to the others.
export CCACHE_DIR=$TOP/build/ccache CCACHE_MAXSIZE=5G

# One at a time in a build directory. Children inherit the lock: whoever is still
# writing keeps it.
if [ -z "${STLB_LOCKED:-}" ]; then
	exec 9>"$TOP/build/lock"
	flock -n 9 || die "another make is at work in $TOP/build: wait for it"
	export STLB_LOCKED=1
fi

STEP_PID=
STEP_TEXT=

# End the process group of the step, and wait until it is gone.
step_kill()
{
	local i

	kill -TERM -- "-$STEP_PID" 2>/dev/null || return 0
	for i in $(seq 50); do
		kill -0 -- "-$STEP_PID" 2>/dev/null || return 0
		[ "$i" != 40 ] || kill -KILL -- "-$STEP_PID" 2>/dev/null || true
		sleep 0.1
	done
}

# Between steps there is nothing to say: the step was another script's.
step_interrupted()
{
	trap - INT TERM HUP
	if [ -n "$STEP_PID" ]; then
		step_kill
		printf '\nerror: interrupted while %s; run make again to go on\n' \
			"$STEP_TEXT" >&2
	fi
	exit 130
}
trap step_interrupted INT TERM HUP

# The line of a log that a person wants to see first.
reason()
{
	local log=$LOGS/$1.log line

	line=$(grep -m1 -E 'No space left|[Ee]rror:|\*\*\*|Unable to locate|fatal:|not a valid|patch failed' "$log" || tail -n 1 "$log")
	printf '%s (log: %s)' "${line:-no output}" "$log"
}

# step TEXT LOG COMMAND...: run a long command, in a process group of its own so
# that nothing of it survives us, and say what happens and for how long. Ends the
# script if it fails. Not to be called behind an "if" or before "||": the shell
# would go on after errors inside COMMAND.
step()
{
	local text=$1 log=$2 start=$SECONDS status=0
	shift 2

	STEP_TEXT=$text
	set -m
	if [ -n "$V" ]; then
		"$@" < /dev/null > >(exec tee "$LOGS/$log.log") 2>&1 &
	else
		"$@" < /dev/null > "$LOGS/$log.log" 2>&1 &
	fi
	STEP_PID=$!
	set +m
	while kill -0 "$STEP_PID" 2>/dev/null; do
		[ ! -t 1 ] || printf '\r  %-58s %4d s' "$text" $((SECONDS - start))
		sleep 0.2
	done
	wait "$STEP_PID" || status=$?
	[ "$status" = 0 ] || step_kill
	STEP_PID=
	[ ! -t 1 ] || printf '\r'
	if [ "$status" = 0 ]; then
		printf '  %-58s %4d s\n' "$text" $((SECONDS - start))
	else
		printf '  %-58s failed\n' "$text"
		die "$text: $(reason "$log")"
	fi
}

# try_step TEXT LOG COMMAND...: step() in a shell of its own: one that fails does not end
# the others, and leaves its exit status in STEP_STATUS.
try_step()
{
	set +e
	(set -e; trap step_interrupted INT TERM HUP; step "$@")
	# shellcheck disable=SC2034 # for the caller
	STEP_STATUS=$?
	set -e
}

# base_name: the package and version of the base, or the tree of KDIR
base_name()
{
	git --git-dir="$GIT" log -1 --format=%s base
}

# worktree DIR REF: a kernel tree at a commit, for one script alone. Only files that
# differ are written, so that what was built there stays.
worktree()
{
	local dir=$1 ref=$2 whole=$OUT/${1##*/}.ok

	if [ ! -e "$whole" ] || [ ! -e "$dir/.git" ]; then
		rm -rf "$whole" "$dir" "$GIT/worktrees/${dir##*/}"
		git --git-dir="$GIT" worktree prune
		git --git-dir="$GIT" worktree add -q -f --detach "$dir" "$ref"
		touch "$whole"
	fi
	rm -f "$(git -C "$dir" rev-parse --git-path index.lock)"
	# An index that was being written when somebody ended it is of no use.
	git -C "$dir" ls-files > /dev/null 2>&1 ||
		rm -f "$(git -C "$dir" rev-parse --git-path index)"
	git -C "$dir" checkout -q -f --detach "$ref"
}
