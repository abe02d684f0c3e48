#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# Bad input and bad luck: one clear line, and a sound state afterwards.

bats_require_minimum_version 1.5.0
load setup

# fake_qemu BODY: a machine that behaves like that
fake_qemu()
{
	mkdir -p "$BATS_TEST_TMPDIR/bin"
	cat > "$BATS_TEST_TMPDIR/bin/qemu-system-aarch64" <<-EOT
	#!/bin/bash
	case "\$*" in *help*) echo "iommu=<string>"; exit ;; esac
	$1
	EOT
	chmod +x "$BATS_TEST_TMPDIR/bin/qemu-system-aarch64"
	PATH=$BATS_TEST_TMPDIR/bin:$PATH
}

# Trees that need no building: kunit.py is real, make builds nothing.
fake_kernels()
{
	make -s tree
	scripts/tree unfixed
	for tree in linux linux-unfixed; do
		git --git-dir="$REAL" archive base tools/testing/kunit | tar -C "build/6.1/$tree" -xf -
		printf 'VERSION = 6\nPATCHLEVEL = 1\nall: ;@:\n%%: ;@:\n' > "$BATS_TEST_TMPDIR/mk"
		cp "$BATS_TEST_TMPDIR/mk" "build/6.1/$tree/Makefile"
		mkdir -p "build/6.1/$tree/.kunit"
		grep CONFIG_ "build/6.1/$tree/lib/tests/secondary_tlb.kunitconfig" > "build/6.1/$tree/.kunit/.config"
		echo CONFIG_SERIAL_AMBA_PL010=y >> "build/6.1/$tree/.kunit/.config"
		printf 'CONFIG_SERIAL_AMBA_%s=y\n' PL010_CONSOLE PL011 PL011_CONSOLE >> "build/6.1/$tree/.kunit/.config"
		git -C "build/6.1/$tree" update-index --assume-unchanged Makefile
	done
}

@test "KDIR that does not exist, or is no kernel" {
	refused 'KDIR=/nonexistent: no such directory' make series KDIR=/nonexistent
	mkdir "$BATS_TEST_TMPDIR/empty"
	refused 'is not a kernel tree' make series KDIR="$BATS_TEST_TMPDIR/empty"
}

@test "KDIR that has the series" {
	make tree
	refused 'has the series' make series KDIR=build/6.1/linux
}

@test "KDIR of a version without a series, and an unknown BASE" {
	mkdir "$BATS_TEST_TMPDIR/old"
	printf 'VERSION = 5\nPATCHLEVEL = 10\nSUBLEVEL = 7\n' > "$BATS_TEST_TMPDIR/old/Makefile"
	refused 'no series for Linux 5.10: use one of .*6.1' make series KDIR="$BATS_TEST_TMPDIR/old"
	refused 'no series for Linux 9.9' make series BASE=9.9
	refused 'no series for Linux 6.1/' make series BASE=6.1/
	refused 'no series for Linux 6.1 6.12' make series BASE='6.1 6.12'
	refused 'no series for Linux ../patches/6.1' make series BASE=../patches/6.1
	[ ! -e patches/6.1/logs ]
}

@test "what there is not for a base is refused before anything is done for it" {
	rm -r mutants/6.12 patches/6.12/uncovered bench/7.3
	refused 'no mutants for Linux 6.12: use one of 6.1 7.3' make mutants BASE=6.12
	[ -z "$output" ]
	refused 'no mutant .typo. for Linux 6.1' make mutants MUTANTS="after-ptl typo"
	[ -z "$output" ]
	refused 'no coverage for Linux 6.12: use one of 6.1 7.3' make coverage BASE=6.12
	[ -z "$output" ]
	refused 'no bench for Linux 7.3: use one of 6.1 6.12' make bench BASE=7.3
	[ -z "$output" ]
}

@test "a target that there is not" {
	refused 'no target tests: see make help' make tests
}

@test "ONLY of a check that there is not" {
	make -s apply
	refused 'no check has .coccinele. in its name' env ONLY=coccinele scripts/lint
}

# tiny_kernel DIR: the base as somebody's tree, with work and build products in it
tiny_kernel()
{
	mkdir -p "$1"
	git --git-dir=build/6.1/git archive base | tar -C "$1" -xf -
	sed -i 's/^SUBLEVEL = .*/SUBLEVEL = 42/' "$1/Makefile"
	touch "$1/built.o" "$1/.config" "$1/gone"
}

state_of()
{
	(cd "$1" && find . -path ./.git/index -prune -o -printf '%P %T@ %s\n' | sort | sha256sum)
}

check_kdir()
{
	local kdir=$1 tree=build/kdir-6.1.42/linux before

	echo "/* uncommitted */" >> "$kdir/COPYING"
	before=$(state_of "$kdir")
	make tree KDIR="$kdir"
	[ "$before" = "$(state_of "$kdir")" ]
	grep -q uncommitted "$tree/COPYING"
	[ -e "$tree/arch/arm64/mm/secondary_tlb_kunit.c" ]
	[ -e "$tree/gone" ]
	[ ! -e "$tree/built.o" ]
	[ ! -e "$tree/.config" ]

	# A second run takes what has changed since, and what is gone.
	echo "/* later */" >> "$kdir/COPYING"
	rm "$kdir/gone"
	make tree KDIR="$kdir"
	grep -q later "$tree/COPYING"
	[ ! -e "$tree/gone" ]
}

@test "KDIR that git does not know: its files as they are, none written" {
	tiny_kernel "$BATS_TEST_TMPDIR/k d"
	check_kdir "$BATS_TEST_TMPDIR/k d"
}

@test "KDIR that is a git tree: its files as they are, none written" {
	kdir="$BATS_TEST_TMPDIR/g d"
	tiny_kernel "$kdir"
	printf '*.o\n.config\n' > "$kdir/.gitignore"
	git -C "$kdir" init -q
	git -C "$kdir" add .
	git -C "$kdir" commit -q -m theirs
	check_kdir "$kdir"
}

@test "KDIR that is a git tree, and git was never told of a file" {
	kdir="$BATS_TEST_TMPDIR/debian"
	tiny_kernel "$kdir"
	echo '/*' > "$kdir/.gitignore"
	git -C "$kdir" init -q
	check_kdir "$kdir"
}

# path_without NAME...: a PATH without the commands of these names, which may be globs
path_without()
{
	local name not=()

	for name in "$@"; do
		not+=(! -name "$name")
	done
	rm -rf "$BATS_TEST_TMPDIR/path"
	mkdir "$BATS_TEST_TMPDIR/path"
	find /bin /usr/bin -maxdepth 1 \( -type f -o -type l \) "${not[@]}" \
		-exec ln -sf -t "$BATS_TEST_TMPDIR/path" {} +
}

@test "missing commands on a system without apt" {
	path_without 'apt*' qemu-system-aarch64 flex
	PATH=$BATS_TEST_TMPDIR/path refused \
		'no apt-get: install flex, qemu-system-aarch64 .*\(flex qemu-system-arm in Debian\)' \
		make -s tree NEEDS=kernel
}

@test "no git" {
	path_without git
	PATH=$BATS_TEST_TMPDIR/path refused 'git is missing: install the package git' make -s mbox
}

@test "no kernel source, and no apt or none of Debian: a command that fetches a tree" {
	rm -rf build/6.1/git
	path_without 'apt*' 'dpkg*'
	PATH=$BATS_TEST_TMPDIR/path refused \
		'no apt-get to fetch .* git clone .* linux-6.1.y .*add KDIR=linux-6.1 to' make -s tree
	path_without 'apt*' 'dpkg*'
	printf '#!/bin/sh\ncase "$*" in *indextargets*) echo Ubuntu http://example.org/ubuntu/;; esac\n' \
		> "$BATS_TEST_TMPDIR/path/apt-get"
	chmod +x "$BATS_TEST_TMPDIR/path/apt-get"
	PATH=$BATS_TEST_TMPDIR/path refused \
		'no archive of Debian here.* git clone .* linux-6.1.y .*add KDIR=linux-6.1 to' make -s tree
	[ ! -e build/6.1/git ]
}

@test "a kernel source that is older than what the series was made on is not taken" {
	local tarball=build/sources/linux-source-6.1.tar.xz

	printf '#!/bin/sh\nexit 1\n' > "$BATS_TEST_TMPDIR/dpkg-query"
	chmod +x "$BATS_TEST_TMPDIR/dpkg-query"
	PATH=$BATS_TEST_TMPDIR:$PATH
	mkdir build/sources
	touch "$tarball"
	echo "linux-source-6.1 6.1.1-1" > "$tarball.version"
	run scripts/source --have
	[ "$status" = 1 ]
	echo "linux-source-6.1 6.1.9999-1" > "$tarball.version"
	run scripts/source --have
	[ "$status" = 0 ]
	[[ $output == *"$tarball"*6.1.9999-1 ]]
}

@test "a kernel source that the archive does not have is not another one" {
	rm -rf build/7.3
	path_without 'dpkg*' apt-get apt-cache
	cat > "$BATS_TEST_TMPDIR/path/apt-get" <<-'EOT'
	#!/bin/sh
	case "$*" in *indextargets*) echo Debian http://example.org/debian/;; esac
	EOT
	# As apt-cache of Debian 13 takes linux-source-6.1, which it does not have
	printf '#!/bin/sh\necho "E: No packages found" >&2; exit 100\n' > "$BATS_TEST_TMPDIR/path/apt-cache"
	chmod +x "$BATS_TEST_TMPDIR"/path/apt-*
	PATH=$BATS_TEST_TMPDIR/path refused 'has no linux-source-7.3 in trixie-backports' \
		make -s tree BASE=7.3
	[ ! -e build/sources/linux-source-7.3.tar.xz ]
	[ ! -e build/7.3/git ]
}

@test "names that have changed" {
	refused 'make check is called make lint now' make check
	refused 'make deps is a part of make tree now' make deps
	refused 'BASE=mainline is called BASE=latest now' make mbox BASE=mainline
	make -s series BASE=latest
	[ -d build/7.3/series ]
}

@test "two makes in one directory" {
	mkdir -p build
	(exec 9>build/lock; flock 9; sleep 5) &
	sleep 0.5
	refused 'another make is at work' make series
	kill %1 2>/dev/null || true
}

@test "QEMU without the machine" {
	make -s apply
	fake_qemu ''
	sed -i 's/iommu=<string>/nothing/' "$BATS_TEST_TMPDIR/bin/qemu-system-aarch64"
	refused 'no machine virt with an SMMUv3' scripts/kunit
}

@test "a kernel that panics: no result is left of this run or an earlier one" {
	fake_kernels
	mkdir -p build/6.1/results
	echo old > build/6.1/results/series.json
	fake_qemu 'echo "KTAP version 1"; echo "Kernel panic - not syncing: Oops"; echo "reboot: Restarting system"'
	refused 'unpatched Linux 6.1: Kernel panic - not syncing: Oops' scripts/kunit
	[ -z "$(ls build/6.1/results)" ]
}

@test "a kernel that hangs" {
	fake_kernels
	fake_qemu 'echo "KTAP version 1"; exec sleep 1000'
	TIMEOUT=2 refused 'hung' scripts/kunit
	[ -z "$(ls build/6.1/results)" ]
}

@test "a kernel is built again if it is not the one that was built" {
	fake_kernels
	fake_qemu 'echo "Kernel panic - not syncing: Oops"'
	for tree in linux linux-unfixed; do
		mkdir -p "build/6.1/$tree/.kunit/arch/arm64/boot"
		echo image > "build/6.1/$tree/.kunit/arch/arm64/boot/Image.gz"
	done
	run scripts/kunit
	[[ $output == *"building Linux 6.1 with the series"* ]]
	run scripts/kunit
	[[ $output != *"building"* ]]
	echo other > build/6.1/linux/.kunit/arch/arm64/boot/Image.gz
	run scripts/kunit
	[[ $output == *"building Linux 6.1 with the series"* ]]
	[[ $output != *"building unpatched Linux 6.1"* ]]
	rm -rf build/6.1/linux-unfixed/.kunit/arch
	run scripts/kunit
	[[ $output == *"building unpatched Linux 6.1"* ]]
}

@test "TIMEOUT that is no number" {
	make -s apply
	TIMEOUT=soon refused 'TIMEOUT=soon is not a number' scripts/kunit
}

@test "a machine that does not start" {
	fake_kernels
	fake_qemu 'echo "qemu-system-aarch64: bad option"; exit 1'
	refused 'qemu-system-aarch64: bad option' scripts/kunit
}

@test "Ctrl-C while a kernel runs leaves no process and no result" {
	fake_kernels
	fake_qemu 'echo $$ >> "'"$BATS_TEST_TMPDIR"'/pids"; exec sleep 1000'
	set -m
	# Whoever runs us may have had it ignored (nohup, &).
	env --default-signal=INT scripts/kunit > "$BATS_TEST_TMPDIR/out" 2>&1 &
	pid=$!
	set +m
	for _ in $(seq 100); do
		[ "$(wc -l < "$BATS_TEST_TMPDIR/pids" 2>/dev/null)" = 2 ] && break
		sleep 0.2
	done
	kill -INT -- "-$pid"
	status=0
	wait "$pid" || status=$?
	cat "$BATS_TEST_TMPDIR/out"
	[ "$status" = 130 ]
	grep -q '^error: interrupted while running the suites' "$BATS_TEST_TMPDIR/out"
	sleep 1
	# (What is dead and waits for its parent is no process.)
	run ps -o stat= -p "$(paste -sd, "$BATS_TEST_TMPDIR/pids")"
	[[ ! $output =~ [^Z[:space:]] ]]
	[ -z "$(ls build/6.1/results)" ]
	# and the lock is free
	make -s series
}

@test "no disk space" {
	mkdir -p "$BATS_TEST_TMPDIR/bin" build/6.1
	printf '#!/bin/sh\necho Avail; echo 12M\n' > "$BATS_TEST_TMPDIR/bin/df"
	chmod +x "$BATS_TEST_TMPDIR/bin/df"
	rm -rf build/6.1/git
	PATH=$BATS_TEST_TMPDIR/bin:$PATH refused 'has 12 MiB free and needs' scripts/base
}

@test "a step that runs out of disk space says so" {
	cat > step.sh <<-EOT
	. scripts/common.sh
	fails() { echo "tar: write error: No space left on device"; return 1; }
	step unpacking unpack fails
	EOT
	refused '^error: unpacking: tar: write error: No space left' bash step.sh
}

@test "a step stops at the first error" {
	cat > step.sh <<-EOT
	. scripts/common.sh
	fails() { false; echo went on; }
	step failing failing fails
	echo went on
	EOT
	refused '^error: failing: no output' bash step.sh
	[[ $output != *"went on"* ]]
	run ! grep 'went on' build/6.1/logs/failing.log
}
