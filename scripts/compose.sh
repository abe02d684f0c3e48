# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Commits from patches/BASE/series, and back to mails.

AM=$OUT/am
PRISTINE=base		# the commit to apply to

# Put the files that the patches of directory $1 touch, and no others, into a
# work tree at the pristine base, on a branch of its own.
am_tree()
{
	rm -rf "$AM" "$GIT/worktrees/${AM##*/}"
	git --git-dir="$GIT" worktree prune
	git --git-dir="$GIT" worktree add -q -f --no-checkout -B compose "$AM" "$PRISTINE"
	git -C "$AM" read-tree HEAD
	cat "$1"/*.patch | git -C "$AM" apply --numstat - | cut -f3 | sort -u |
		while read -r path; do
			[ -z "$(git -C "$AM" ls-files "$path")" ] || echo "$path"
		done | git -C "$AM" checkout-index --stdin
}

# am MAIL...: what a user does, but stricter on white space. What git says is not the
# reason yet: who called knows which patch that is about.
am()
{
	git -C "$AM" am -q --empty=keep --committer-date-is-author-date \
		--whitespace=error-all "$@" 2>&1 | sed 's/^\(error\|fatal\): //'
}

# compose SRC: make the commits that SRC/patches/BASE/series lists, in AM
compose()
{
	local src=$1 patch files file why

	am_tree "$src/patches/$BASE"
	while read -r patch files; do
		case $patch in ''|'#'*) continue ;; esac
		why=$(am "$src/patches/$BASE/$patch") || {
			echo "error: patches/$BASE/$patch does not apply (${why%%$'\n'*}): git checkout it, or edit the commits of make tree instead"
			return 1
		}
		for file in $files; do
			if [ -n "$(git -C "$AM" ls-files "$file")" ]; then
				echo "error: $patch adds $file, which the base has"
				return 1
			fi
			install -D -m 644 "$src/$file" "$AM/$file"
			git -C "$AM" add -f "$file"
		done
		[ -z "$files" ] || amend
	done < "$src/patches/$BASE/series"
}

# compose_mails SRC REPOSITORY: the same commits on a skeleton of the base, see mails.pl:
# the branch "compose" there, on top of "base". They do not depend on the kernel source.
compose_mails()
{
	local src=$1 repository=$2 work=$2.work
	local GIT=$repository AM=$repository.am PRISTINE=base

	rm -rf "$repository" "$work"
	git init -q --bare "$repository"
	git --git-dir="$repository" config core.abbrev 12
	mkdir -p "$work"
	"$TOP/scripts/mails.pl" skeleton "$work" "$src/patches/$BASE"/[0-9]*.patch
	git --git-dir="$repository" --work-tree="$work" add -A -f .
	git --git-dir="$repository" update-ref refs/heads/base "$(
		GIT_AUTHOR_DATE='1970-01-01T00:00:00Z' GIT_COMMITTER_DATE='1970-01-01T00:00:00Z' \
			git --git-dir="$repository" commit-tree -m skeleton \
			"$(git --git-dir="$repository" write-tree)")"
	compose "$src"
	rm -rf "$AM" "$work"
	git --git-dir="$repository" worktree prune
}

# format_mails FROM REPOSITORY ARGUMENTS...: write the commits that compose_mails()
# made as git format-patch does, with the hunks of FROM. With --histogram the size of a
# change does not depend on the lines that the skeleton leaves out.
format_mails()
{
	local from=$1 repository=$2 order mail number date cover
	shift 2

	cover=$("$TOP/scripts/cover.pl" "$from")
	date=$(git --git-dir="$repository" log -1 --format=%at compose)
	mapfile -t order < <(sed '/^#/d; s/ .*//' "$from/series")
	GIT_COMMITTER_DATE="@$date +0000" git --git-dir="$repository" \
		-c branch.compose.description="$cover" \
		format-patch --histogram --cover-letter --cover-from-description=subject \
		--zero-commit --no-signature --subject-prefix="PATCH $BASE" \
		"$@" base..compose | while read -r mail; do
			number=$(sed -E 's,.*/(v[0-9]+-)?([0-9]{4})-[^/]*$,\2,' <<<"$mail")
			[ "$number" = 0000 ] || "$TOP/scripts/mails.pl" restore \
				"$from/${order[10#$number - 1]}" "$mail"
		done
}

# amend_with DIR SUBDIR: add the new files of DIR/SUBDIR to the last commit in AM
amend_with()
{
	cp -r "$1/$2" "$AM"
	(cd "$1" && find "$2" -type f) | git -C "$AM" add -f --pathspec-from-file=-
	amend
}

# A commit that is made again is the same.
amend()
{
	GIT_COMMITTER_DATE=$(git -C "$AM" log -1 --format=%aI) \
		git -C "$AM" commit -q --amend --no-edit
}

# What the commits of the series are made from, in this repository.
inputs()
{
	{
		cat "$PATCHES"/series "$PATCHES"/[0-9]*.patch
		sed '/^#/d' "$PATCHES/series" | cut -s -d' ' -f2- |
			(cd "$TOP" && xargs cat)
	} | sha256sum
}

# A test commit touches the tests, or says who looks after them; all others are fixes.
# is_test COMMIT [REPOSITORY]
is_test()
{
	git --git-dir="${2:-$GIT}" diff-tree -r --name-only --no-commit-id "$1" |
		grep -qE 'kunit|^lib/tests/|^MAINTAINERS$'
}

# in_the_middle DIR: whether somebody is rebasing there, or the like
in_the_middle()
{
	local git state

	git=$(git -C "$1" rev-parse --absolute-git-dir)
	for state in rebase-merge rebase-apply CHERRY_PICK_HEAD; do
		[ ! -e "$git/$state" ] || return 0
	done
	return 1
}
