#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# Composing, applying and exporting the series.

bats_require_minimum_version 1.5.0
load setup

# The last commit of the series, as setup() left it: its patch, a new file of it,
# and how many there are.
last()
{
	LAST=$(sed -n '$s/ .*//p' patches/6.1/series)
	LAST_FILE=$(sed -n '$s/.* //p' patches/6.1/series)
	NR=$(grep -vc '^#' patches/6.1/series)
}

# The hunks in patches/6.1 are those of one version of the base. On another one the
# lines may have moved.
same_hunks()
{
	if grep -q "^# Exported from $(git --git-dir="$REAL" log -1 --format=%s base)\.$" patches/6.1/series; then
		cat "$1"
	else
		sed -E 's/^index [0-9a-f]{12}\.\.[0-9a-f]{12}/index/; s/^@@ -[0-9,]+ \+[0-9,]+ @@.*/@@/' "$1"
	fi
}

@test "the mails are what git format-patch makes of the tree" {
	make tree
	last
	linux format-patch -q --histogram --zero-commit --no-signature \
		--cover-letter --subject-prefix="PATCH 6.1" -o "$REPO/again" base
	diff <(ls again) <(ls build/6.1/series)
	for mail in again/*; do
		case $mail in
		*/0000-*)
			# The cover letter has a text; its list of patches and its
			# diffstat are those of the tree.
			diff <(sed -n '/^Seed\|^  [a-z]*[:/]/,$p' "$mail") \
			     <(sed -n '/^Seed\|^  [a-z]*[:/]/,$p' "build/6.1/series/${mail##*/}") ||
				diff <(tail -n 80 "$mail") <(tail -n 80 "build/6.1/series/${mail##*/}") ;;
		*)
			diff <(same_hunks "$mail") <(same_hunks "build/6.1/series/${mail##*/}") ;;
		esac
	done
	run ! grep '\*\*\*' build/6.1/series/0000-cover-letter.patch
}

@test "git am of the series on the base gives the tree, by plain git" {
	make tree
	git --git-dir=build/6.1/git worktree add -q -f --detach "$REPO/plain" base
	git -C plain am --empty=drop --whitespace=error-all "$REPO"/build/6.1/series/*.patch
	git -C plain diff --exit-code HEAD "$(linux rev-parse HEAD)"
}

@test "the test commits apply without the fixes" {
	make apply
	run git --git-dir=build/6.1/git diff --name-only base refs/stlb/unfixed
	[[ $output == *lib/tests/* ]]
	[[ $output != *arch/arm64/mm/fault.c* ]]
	[[ $output != *arch/arm64/mm/hugetlbpage.c* ]]
}

@test "compose, apply and export is an identity" {
	make tree
	make export
	git diff --exit-code
	[ -z "$(git status --porcelain)" ]
}

@test "export takes an amended commit, a new one, and a new file" {
	last
	make tree
	echo "/* amended */" >> "build/6.1/linux/$LAST_FILE"
	linux commit -q --amend -a -m "test: amended" -s
	echo "/* added */" > build/6.1/linux/lib/tests/added.c
	linux add -f lib/tests/added.c
	linux commit -q -m "lib/tests: added" -s
	make export
	grep -q amended "$LAST_FILE"
	grep -q added lib/tests/added.c
	grep -q 'added.patch lib/tests/added.c' patches/6.1/series
	head -1 patches/6.1/series | grep -q '^# The commits'
	grep -qxF "# Exported from $(git --git-dir="$REAL" log -1 --format=%s base)." patches/6.1/series
	[ "$(ls patches/6.1/*amended.patch)" ]
	[ ! -e "patches/6.1/$LAST" ]
	git add -A && git commit -q -m export
	make tree
	[ "$(linux rev-list --count base..HEAD)" = $((NR + 1)) ]
	make export
	[ -z "$(git status --porcelain)" ]
}

@test "export takes reordered commits, and drops what is gone" {
	local files dropped= file

	# One of these has files that no other base has.
	files=$(tail -n 2 patches/6.1/series | cut -s -d' ' -f2-)
	last
	make tree
	# One commit goes behind another, and the last two go.
	GIT_SEQUENCE_EDITOR="sed -i -e /^pick/!d -e '/when an entry becomes/{h;d}' -e '/when a contiguous range is/G'" \
		linux rebase -q -i base
	linux reset -q --hard HEAD~2
	make export
	# Unless the series of another base has them.
	for file in $files; do
		if grep -qF " $file" patches/*/series; then
			[ -e "$file" ]
		else
			[ ! -e "$file" ]
			dropped=1
		fi
	done
	[ -n "$dropped" ]
	[ "$(ls patches/6.1/*.patch | wc -l)" = $((NR - 2)) ]
	sed '/^#/d' patches/6.1/series | cut -d' ' -f1 > order
	[ "$(wc -l < order)" = $((NR - 2)) ]
	[[ $(grep -A1 when-a-contiguou order | tail -n 1) == *-arm64-mm-*when-an-entry* ]]
}

@test "export does not overwrite what was edited here after make tree" {
	make tree
	echo "/* here */" >> lib/tests/secondary_tlb_devices.c
	linux commit -q --amend -m "arm64: mm: there" -s
	refused 'was edited here after make tree' make export
	grep -q here lib/tests/secondary_tlb_devices.c
	# nor after the mails were composed once more
	make series
	refused 'was edited here after make tree' make export
}

@test "the cover letter has the numbers of the patches that it names" {
	local name number

	name=$(sed -n '/^#/!s/^0*\([0-9]*\)-\([^ ]*\)\.patch.*/\2/p' patches/6.1/series | sed -n 5p)
	number=$(sed -n "s/^0*\([0-9]*\)-$name\.patch.*/\1/p" patches/6.1/series)
	[ "$number" = 5 ]
	echo "See {$name}." >> patches/6.1/cover
	make series
	grep -q '^See 5\.$' build/6.1/series/0000-cover-letter.patch
	echo "See {no-such-patch}." >> patches/6.1/cover
	refused '\{no-such-patch\} names 0 patches of the series, not one' scripts/cover.pl patches/6.1
}

@test "export leaves the cover letter and what is expected alone" {
	make tree
	echo "One word more." >> patches/6.1/cover
	echo "# and here" >> patches/6.1/expect
	linux commit -q --amend -m "arm64: mm: there" -s
	make export
	grep -q "One word more" patches/6.1/cover
	grep -q "and here" patches/6.1/expect
	[ -e patches/6.1/*-arm64-mm-there.patch ]
	make series
	grep -q "One word more" build/6.1/series/0000-*
}

@test "export refuses a rebase that is not finished" {
	make tree
	GIT_SEQUENCE_EDITOR="sed -i '3s/pick/edit/'" linux rebase -q -i refs/stlb/series~7
	refused 'in the middle of a rebase' make export
	[ -z "$(git status --porcelain)" ]
	refused 'in the middle of a rebase.*: finish it, or drop it with .* rebase --abort' make tree
}

@test "series says that it leaves out what is not exported" {
	last
	make tree
	run -0 make series
	[[ $output != *note:* ]]
	echo "/* mine */" >> "build/6.1/linux/$LAST_FILE"
	linux commit -q --amend -a --no-edit
	run -0 make series
	[[ $output == *"note: build/6.1/linux has commits that are not in patches/6.1: make export"* ]]
	make export
	run -0 make series
	[[ $output != *note:* ]]
}

@test "export of work on a base that is not the newest any more" {
	make tree
	linux commit -q --amend -m "arm64: mm: mine" -s
	echo "/* newer */" >> "$BATS_TEST_TMPDIR/tiny/COPYING"
	git --git-dir=build/6.1/git --work-tree="$BATS_TEST_TMPDIR/tiny" add -A -f .
	newer=$(git --git-dir=build/6.1/git commit-tree "$(git --git-dir=build/6.1/git write-tree)" \
		-m "$(git --git-dir="$REAL" log -1 --format=%s base)")
	git --git-dir=build/6.1/git update-ref refs/heads/base "$newer"
	refused 'not exported: run make export' make tree
	make export
	[ -e patches/6.1/00*-arm64-mm-mine.patch ]
	make tree
	grep -q newer build/6.1/linux/COPYING
}

@test "export refuses a new file that two commits touch, and names them" {
	make tree
	echo "/* more */" >> build/6.1/linux/lib/tests/secondary_tlb_devices.c
	linux commit -q -a -m "lib/tests: more" -s
	refused 'secondary_tlb_devices.c is new and changed again.*KUnit tests for notifications.*lib/tests: more' make export
	[ -z "$(git status --porcelain)" ]
}

@test "export refuses a fix behind a test" {
	make tree
	echo >> build/6.1/linux/arch/arm64/mm/fault.c
	linux commit -q -a -m "arm64: late" -s
	refused 'fixes come first.*arm64: late' make export
	[ -z "$(git status --porcelain)" ]
}

@test "export refuses uncommitted changes" {
	make tree
	echo >> build/6.1/linux/arch/arm64/mm/fault.c
	refused 'uncommitted changes' make export
}

@test "work that is not exported is not overwritten" {
	last
	make tree
	echo "/* mine */" >> "build/6.1/linux/$LAST_FILE"
	refused 'not exported: run make export' make tree
	linux commit -q --amend -a --no-edit
	refused 'not exported: run make export' make tree
	grep -q mine "build/6.1/linux/$LAST_FILE"
	make export
	make tree
}

@test "make tree writes only what has changed" {
	make tree
	touch -d '1 hour ago' build/6.1/linux/arch/arm64/mm/{fault.c,secondary_tlb_kunit.c}
	echo "/* edited */" >> arch/arm64/mm/secondary_tlb_kunit.c
	make tree
	[ -z "$(find build/6.1/linux/arch/arm64/mm/fault.c -mmin -30)" ]
	[ -n "$(find build/6.1/linux/arch/arm64/mm/secondary_tlb_kunit.c -mmin -30)" ]
}

@test "a tree that was being written when make was killed is mended" {
	make tree
	echo move > build/6.1/placing-series
	echo "garbage" > build/6.1/linux/arch/arm64/mm/fault.c
	touch "$(linux rev-parse --git-dir)/index.lock"
	make tree
	linux diff --exit-code HEAD
	echo new > build/6.1/placing-series
	rm -rf build/6.1/linux/arch
	touch build/6.1/git/worktrees/linux/locked
	make tree
	linux diff --exit-code HEAD
}

@test "make clean leaves work that is not exported" {
	make tree
	linux commit -q --amend -m "arm64: mm: mine" -s
	refused 'not exported' make clean
	linux reset -q --hard refs/stlb/placed-series
	make clean
	[ ! -e build ]
}

@test "a mail that was deleted is composed again" {
	make series
	mail=$(ls build/6.1/series/0003-*)
	rm "$mail"
	make series
	[ -e "$mail" ]
}

@test "a patch that does not apply" {
	sed -i 's/^ #include <linux\/kfence.h>/ #include <linux\/other.h>/' patches/6.1/*-when-an-entry-*
	touch build/6.1/secondary-tlb-6.1-v1.mbox
	refused 'applying.*when an entry becomes.*does not apply.*patch failed: arch/arm64/mm/fault.c' make tree
	[ ! -e build/6.1/secondary-tlb-6.1-v1.mbox ]
	run ! git --git-dir=build/6.1/git rev-parse -q --verify refs/stlb/series
	[ ! -e build/6.1/linux ]
	git checkout -q patches
	make tree
}

@test "a patch with a white space error" {
	sed -i 's/^+#include <linux\/mmu_notifier.h>$/& /' patches/6.1/*-when-an-entry-*
	refused 'whitespace' make tree
}

@test "a new file that the base has already" {
	make -s series
	sed -i 's|secondary_tlb_soft_kunit.c$|& arch/arm64/mm/fault.c|' patches/6.1/series
	echo x > arch/arm64/mm/fault.c
	refused 'adds arch/arm64/mm/fault.c, which the base has' make series
}

@test "the patches of the bench apply" {
	make -s apply
	run -0 bash -c '. scripts/common.sh; . scripts/compose.sh
		PRISTINE=refs/stlb/unfixed am_tree "$TOP/bench/$BASE"
		am "$TOP/bench/$BASE/"{one-line,driver}.patch
		PRISTINE=refs/stlb/series am_tree "$TOP/bench/$BASE"
		am "$TOP/bench/$BASE/driver.patch"'
}
