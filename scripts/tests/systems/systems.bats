#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# Bare systems, made on the spot: Debian 12 and 13 with git, make and nothing else, on
# this architecture, and on arm64 where this machine can emulate one.

bats_require_minimum_version 1.5.0

setup_file()
{
	# A system that cannot be made takes its other tests with it.
	export BATS_NO_PARALLELIZE_WITHIN_FILE=true
	export TOP REPO=$BATS_FILE_TMPDIR/repo SYSTEMS=$BATS_FILE_TMPDIR/systems SUM
	TOP=$(cd "$BATS_TEST_DIRNAME/../../.." && pwd)
	unset BASE KDIR V TIMEOUT ONLY STLB_LOCKED MAKEFLAGS MAKELEVEL MFLAGS
	exec 9>&-
	mkdir -p "$REPO" "$SYSTEMS"
	cd "$TOP" || return 1
	git ls-files -z -co --exclude-standard | tar -c --null --ignore-failed-read -T - 2> /dev/null |
		tar -C "$REPO" -xf -
	cd "$REPO" || return 1
	git init -q
	git add -A
	git -c user.name=T -c user.email=t@example.org commit -q -m "work in progress"
	make -s mbox
	SUM=$(sha256sum < build/6.1/secondary-tlb-6.1-v1.mbox)
	rm -rf build
}

teardown_file()
{
	local mounted

	for mounted in $(sed -n "s,^[^ ]* \($SYSTEMS/[^ ]*\) .*,\1,p" /proc/mounts | sort -r); do
		umount "$mounted"
	done
	rm -rf "$SYSTEMS"
}

setup()
{
	[ "$(id -u)" = 0 ] || skip "it takes root to make a system"
}

# sources SUITE: the lines of a fresh installation, from the mirror that apt uses here
sources()
{
	local mirror

	# shellcheck disable=SC2016 # names of apt's
	mirror=$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' |
		 sed -n 's,^Debian \(.*[^/]\)/*$,\1,p' | sort -u | head -n 1)
	[ -n "$mirror" ] || skip "apt has no archive of Debian here"
	printf 'deb %s main\n' "$mirror $1" "$mirror $1-updates" "$mirror-security $1-security"
}

# system NAME SUITE [ARGUMENTS]: make it, with a clone of this in /clone that belongs to
# a user who has sudo, or skip the rest
system()
{
	local dir=$SYSTEMS/$1 suite=$2
	shift 2

	sources "$suite" > "$dir.list"
	mmdebstrap --quiet --variant=apt --include=git,make,sudo,passwd "$@" "$suite" "$dir" \
		- < "$dir.list" > "$dir.log" 2>&1 || { tail -n 5 "$dir.log"; return 1; }
	mount -t proc proc "$dir/proc"
	mount --bind /dev "$dir/dev"
	cp /etc/resolv.conf /etc/hosts "$dir/etc/"
	git clone -q --no-local "$REPO" "$dir/clone"
	chroot "$dir" useradd user
	echo "user ALL=(ALL) NOPASSWD: ALL" > "$dir/etc/sudoers.d/user"
	chroot "$dir" chown -R user: /clone
}

# on NAME USER COMMAND
on()
{
	[ -d "$SYSTEMS/$1/clone" ] || skip "there is no such system: see the first test of it"
	chroot --userspec="$2" "$SYSTEMS/$1" env -i LC_ALL=C HOME=/clone \
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		bash -c "cd /clone || exit; $3"
}

# The mails are those of this machine, and nothing was installed for them.
check_mbox()
{
	local before after

	before=$(on "$1" root "dpkg -l | sha256sum")
	on "$1" "$2" "make mbox"
	[ "$(on "$1" root 'sha256sum < build/6.1/secondary-tlb-6.1-v1.mbox')" = "$SUM" ]
	after=$(on "$1" root "dpkg -l | sha256sum")
	[ "$before" = "$after" ]
}

# check_tree NAME USER BASE: the tree, and all that make needs to go on
check_tree()
{
	on "$1" "$2" "make tree NEEDS=kernel BASE=$3"
	on "$1" "$2" "git -C build/$3/linux log -1 --format=%s base" | tee base |
		grep "^linux-source-$3 $3\."
	echo "# $(cat base)" >&3
	on "$1" "$2" "aarch64-linux-gnu-gcc --version && qemu-system-aarch64 -machine virt,help" |
		grep iommu=
	# No source was installed, nor another list of packages.
	run ! on "$1" root "dpkg -l 'linux-source*' 2> /dev/null | grep ^ii"
	[ ! -e "$SYSTEMS/$1/clone/build/sources" ]
	on "$1" "$2" "rm -rf build"
}

@test "Debian 12 is made" {
	system d12 bookworm
}

@test "Debian 12, as root: make mbox" {
	check_mbox d12 root
}

@test "Debian 12, as root: what make needs, and the tree of 6.1, while dpkg is locked" {
	on d12 root "perl -MFcntl -e 'open(F, q(>>), q(/var/lib/dpkg/lock-frontend));
		my \$lock = pack(q(s s x![q] q q i), F_WRLCK, 0, 0, 0, 0);
		fcntl(F, F_SETLK, \$lock) or die;
		sleep 90' 3>&- & make tree NEEDS=kernel; wait" > log
	cat log
	grep -q 'applying the series to linux-source-6.1 6.1' log
	waited=$(sed -n 's/^ *installing .* \([0-9]*\) s$/\1/p' log)
	echo "# dpkg was waited for: $waited s" >&3
	check_tree d12 root 6.1
}

@test "Debian 12, as root: the tree of 6.12" {
	check_tree d12 root 6.12
}

@test "Debian 12, as root: the tree of the latest base" {
	check_tree d12 root 7.3
}

@test "Debian 13 is made" {
	system d13 trixie
}

@test "Debian 13, as a user: make mbox" {
	check_mbox d13 user
}

@test "Debian 13, as a user with sudo: what make needs, and the tree of 6.1" {
	check_tree d13 user 6.1
}

@test "Debian 13, as a user with sudo: the tree of 6.12" {
	check_tree d13 user 6.12
}

@test "Debian 13, as a user with sudo: the tree of the latest base" {
	check_tree d13 user 7.3
}

@test "Debian 13 on arm64 is made" {
	[ "$(dpkg --print-architecture)" = arm64 ] ||
		[ -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ] ||
		skip "this machine runs no arm64 programs: install qemu-user-static"
	system a13 trixie --architectures=arm64
}

# Where the machine emulates arm64, sudo has no effect.
@test "Debian 13 on arm64: make mbox as a user, what make needs and the tree as root" {
	check_mbox a13 user
	check_tree a13 root 6.1
}
