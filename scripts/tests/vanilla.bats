#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# The series applies to vanilla 6.1.y: the first and the last release that the
# Debian archive has the sources of, from 6.1.57 on. Before that the SMMUv3 driver
# lacks two fixes that the series builds on. Where hugetlb pages have no mmu_gather yet,
# two patches are not needed; where mremap() does not look at userfaultfd, a third one
# does not find its context. They are left out there.

bats_require_minimum_version 1.5.0
load setup

setup_file()
{
	# They share what they download.
	export BATS_NO_PARALLELIZE_WITHIN_FILE=true
}

sources()
{
	STORE=$TOP/build/vanilla
	mkdir -p "$STORE/lists/partial" "$STORE/cache"
	apt-get indextargets --format 'deb-src $(REPO_URI) $(RELEASE) $(COMPONENT)' \
		'Created-By: Packages' | grep -i debian | sort -u > "$STORE/sources.list"
	APT=(-o Dir::Etc::sourcelist="$STORE/sources.list" -o Dir::Etc::sourceparts=/dev/null
	     -o Dir::State::lists="$STORE/lists" -o Dir::Cache="$STORE/cache"
	     -o APT::Sandbox::User=root)
	[ -n "$(find "$STORE/lists" -name '*Sources*' -mmin -1440)" ] ||
		apt-get "${APT[@]}" update > "$STORE/update.log" 2>&1 || true
	apt-cache "${APT[@]}" showsrc linux linux-6.1 2>/dev/null |
		sed -n 's/^Version: \(6\.1\.[0-9]*\)-.*/\1/p' | sort -Vu |
		awk -F. '$3 >= 57'
}

# fetch SORT: the first version, so sorted, that can be had
fetch()
{
	local version versions

	versions=$(sources)
	sources > /dev/null
	for version in $(sort "$1" <<<"$versions"); do
		tarball=$STORE/linux_$version.orig.tar.xz
		[ -e "$tarball" ] && return
		full=$(apt-cache "${APT[@]}" showsrc linux | sed -n "s/^Version: \($version-.*\)/\1/p" | head -1)
		rm -rf "$STORE/partial"
		mkdir "$STORE/partial"
		if (cd "$STORE/partial" && apt-get "${APT[@]}" source --download-only \
			--tar-only -q "linux=$full" > ../fetch.log 2>&1); then
			mv "$STORE/partial/${tarball##*/}" "$tarball"
			return
		fi
	done
	skip "no source of vanilla 6.1.y in the archive"
}

# without COUNT PATTERN HUNK: leave out COUNT mails, which have HUNK, if hugetlb.c of $dir
# does not have PATTERN
without()
{
	local before=${#mails[@]}

	! grep -q "$2" "$dir/mm/hugetlb.c" || return 0
	mapfile -t mails < <(grep -L "$3" "${mails[@]}")
	[ "${#mails[@]}" = $((before - $1)) ]
}

# What the tiny base has, in that release.
applies_to()
{
	local dir=$BATS_TEST_TMPDIR/vanilla

	echo "# $(basename "$1")" >&3
	mkdir "$dir"
	(cd "$BATS_TEST_TMPDIR/tiny" && find . -type f ! -path './.git/*' -printf '*/%P\n') > files
	tar -C "$dir" --strip-components=1 --wildcards --no-wildcards-match-slash -xf "$1" -T files
	make -s series
	git -C "$dir" init -q
	git -C "$dir" add -A -f
	git -C "$dir" commit -q -m vanilla
	mails=("$REPO"/build/6.1/series/*.patch)
	without 2 tlb_remove_huge_tlb_entry.*src_pte '^[-+ ].*tlb_remove_huge_tlb_entry(h'
	without 1 need_clear_uffd_wp '^ .*need_clear_uffd_wp'
	git -C "$dir" am --empty=drop --whitespace=error-all "${mails[@]}"
}

@test "the series applies to the earliest vanilla 6.1.y there is" {
	fetch -V
	applies_to "$tarball"
}

@test "the series applies to the latest vanilla 6.1.y there is" {
	fetch -rV
	applies_to "$tarball"
}
