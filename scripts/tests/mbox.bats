#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# The series as mails.

bats_require_minimum_version 1.5.0
load setup

MBOX=build/6.1/secondary-tlb-6.1-v1.mbox

@test "git am of the mbox on the base gives the series" {
	make mbox apply
	git --git-dir=build/6.1/git worktree add -q -f --detach "$REPO/plain" base
	git -C plain am --empty=drop --whitespace=error-all "$REPO/$MBOX"
	git -C plain diff --exit-code HEAD refs/stlb/series
}

@test "the mbox is a thread below a cover letter, and the same each time" {
	make mbox
	mv "$MBOX" first
	sleep 1
	make mbox
	cmp first "$MBOX"
	mails=$(grep -c '^From 0000' "$MBOX")
	[ "$mails" = $(($(grep -vc '^#' patches/6.1/series) + 1)) ]
	[ "$(grep -c '^In-Reply-To: <cover\.' "$MBOX")" = $((mails - 1)) ]
	run ! grep '\*\*\*' "$MBOX"
	# Some readers take any line that begins so for the next mail, and some do
	# not take a header of two lines.
	[ "$(grep -c '^From ' "$MBOX")" = "$mails" ]
	run sed -n '/^From /,/^$/{/^ /p}' "$MBOX"
	[ -z "$output" ]
}

@test "the mbox needs git and no kernel source, and names no user" {
	make mbox
	sum=$(sha256sum < "$MBOX")
	[ ! -e build/6.1/am ]
	rm -rf build
	mkdir "$BATS_TEST_TMPDIR/path"
	# What mmdebstrap --variant=apt --include=git,make has
	find /bin /usr/bin -maxdepth 1 \( -type f -o -type l \) \
		! -name '*gcc*' ! -name 'python*' ! -name 'qemu-*' ! -name 'apt*' \
		! -name 'dpkg*' ! -name ccache ! -name bats ! -name spin ! -name sudo \
		-exec ln -sf -t "$BATS_TEST_TMPDIR/path" {} +
	git -c user.name=Other -c user.email=other@example.org commit -q --allow-empty -m "of a user"
	PATH=$BATS_TEST_TMPDIR/path TZ=Asia/Tokyo LC_ALL=C.UTF-8 make mbox
	[ "$sum" = "$(sha256sum < "$MBOX")" ]
	run ! grep -i 'other' <(sed -n '/^From 0000/,/^$/p' "$MBOX")
}

@test "a second version says what is different from the first" {
	git tag 6.1-v1
	echo 2 > patches/6.1/version
	sed -i 's/^Signed-off-by/A line more.\n&/' patches/6.1/*-MAINTAINERS-*.patch
	make mbox
	[ ! -e "$MBOX" ]
	grep -q '^Subject: \[PATCH 6.1 v2 0*0/' build/6.1/secondary-tlb-6.1-v2.mbox
	grep -q '^Range-diff against v1' build/6.1/secondary-tlb-6.1-v2.mbox
	grep -q '^ *+ *A line more' build/6.1/secondary-tlb-6.1-v2.mbox
}

@test "a version that is none, or follows none, is refused" {
	echo 2 > patches/6.1/version
	refused 'needs the one before: .* git tag 6\.1-v1' make -s mbox
	[ -z "$(find build/6.1 -maxdepth 1 -name '*.mbox*')" ]
	echo two > patches/6.1/version
	refused 'patches/6.1/version is ' make -s mbox
}

@test "an mbox of patches that are not committed says so" {
	run -0 make -s mbox
	[[ $output != *note:* ]]
	echo "One word more." >> patches/6.1/cover
	run -0 make -s mbox
	[[ $output == *"note: patches/6.1 was edited and not committed"* ]]
}

@test "a release has a mail for each base and checksums, and is made of a commit" {
	git rm -q -r patches/[7-9]* patches/6.1[0-9]
	refused 'not committed' make -s release
	[ ! -e build/release ]
	git commit -q -m "6.1 alone"
	make release
	cd build/release
	[ "$(ls)" = "$(printf 'COMMIT\nSHA256SUMS\nsecondary-tlb-6.1-v1.mbox')" ]
	sha256sum -c SHA256SUMS
	grep -q "^$(git -C "$REPO" rev-parse HEAD) " COMMIT
}
