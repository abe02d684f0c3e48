# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# How a kernel is built and its suites are run, by the kernel's own kunit.py. A
# kernel is a source tree and a directory below it in which it is built, .kunit or
# $KUNIT_DIR. The caller checks what has become of it, see check_boot().

# Other scripts use them.
# shellcheck disable=SC2034
{
TIMEOUT=${TIMEOUT:-900}		# seconds for a boot: no boot takes that long that ends
HANG_TIMEOUT=240			# the same with a case that may hang, at most
SUITES='secondary_tlb_*'	# these do not mind what else the machine does
ALONE="smmuv3_sva smmuv3_iopf smmuv3_stall"	# CPUs wait for each other with interrupts off
HANG=smmuv3_hang		# the same, for calls that some kernels never return from
DMA=smmuv3_edu			# a device, whose 100 ms for a transfer cost nothing
# One CPU plays the SMMU, and three others race.
QEMU_ARGS="-machine iommu=smmuv3,gic-version=3 -cpu cortex-a57 -smp 4 -m 4G"
DMA_ARGS="-smp 1 -icount shift=0,sleep=off -device edu,dma_mask=0xffffffffffff"
EDUS=$(printf -- '-device edu,dma_mask=0xffffffffffff %.0s' {1..8})
HD=smmuv3_hd			# the same, with a CPU that dirties pages on its own
HD_ARGS="$DMA_ARGS -cpu cortex-a76"
BBML3=contpte_bbml3		# a kernel that believes in FEAT_BBML3, where a base has it
BBML3_ARGS=(stlb_bbml3 nr_cpus=1)
# A page of each size, and one for the copy; a panic ends the machine.
KERNEL_ARGS=(panic=-1 hugepagesz=64K hugepages=16 hugepagesz=2M hugepages=4
	     hugepagesz=32M hugepages=2 hugepagesz=1G hugepages=1)
KUNIT_DIR=${KUNIT_DIR:-.kunit}
}

# kunit TREE COMMAND [ARGUMENTS]
kunit()
{
	local tree=$1 command=$2
	shift 2
	cd "$tree" || return
	./tools/testing/kunit/kunit.py "$command" --arch=arm64 --build_dir="$KUNIT_DIR" \
		--cross_compile=aarch64-linux-gnu- "$@"
}

# build_kernel TREE [KUNITCONFIG [ARGUMENTS]]. Kernels differ in few files: ccache has
# the rest. Each is built in a directory below its tree, so that the compiler is called
# with the same names.
build_kernel()
{
	kunit "$1" build --jobs="$(nproc)" \
		--kunitconfig="${2:-lib/tests/secondary_tlb.kunitconfig}" \
		--make_options='CC=ccache aarch64-linux-gnu-gcc' "${@:3}"
}

# built TREE [KUNITCONFIG]: what a kernel was built from, how, and what came of it
built()
{
	git -C "$1" rev-parse HEAD
	aarch64-linux-gnu-gcc --version
	sha256sum "$TOP/scripts/boot.sh" ${2:+"$2"} "$1/$KUNIT_DIR/.config" \
		"$1/$KUNIT_DIR/arch/arm64/boot/Image.gz" 2>/dev/null || echo "nothing ($RANDOM)"
}

# build_if_changed TREE WHAT LOG [KUNITCONFIG]: a step, if there is anything to do. The
# tree is as it was checked out.
build_if_changed()
{
	local stamp=$1/$KUNIT_DIR/stlb-built

	[ "$(built "$1" "${4:-}")" != "$(cat "$stamp" 2>/dev/null)" ] || return 0
	rm -f "$stamp"
	step "building $2" "$3" build_kernel "$1" "${4:-}"
	built "$1" "${4:-}" > "$stamp"
}

# run_kernel TREE BOOT SECONDS CASES [QEMU ARGUMENTS]: leaves RESULTS/BOOT.json and
# RESULTS/BOOT.log. kunit.py fails when a case does, and when the kernel never got
# so far: the log tells.
run_kernel()
{
	local tree=$1 boot=$2

	rm -f "$tree/$KUNIT_DIR/test.log"
	kunit "$tree" exec --timeout="$3" --json="$RESULTS/$boot.json" \
		--qemu_args="$QEMU_ARGS ${5:-}" "${KERNEL_ARGS[@]/#/--kernel_args=}" \
		"$4" > "$LOGS/run-$boot.log" 2>&1 || true
	[ ! -e "$tree/$KUNIT_DIR/test.log" ] ||
		mv "$tree/$KUNIT_DIR/test.log" "$RESULTS/$boot.log"
}

# has_suite SUITE: whether this base has it
has_suite()
{
	grep -q "^\[$1\]" "$PATCHES/expect"
}

# run_bbml3 TREE BOOT [QEMU ARGUMENTS]
run_bbml3()
{
	local KERNEL_ARGS=("${KERNEL_ARGS[@]}" "${BBML3_ARGS[@]}")

	run_kernel "$1" "$2" "$TIMEOUT" "$BBML3" "${3:-}"
}

# no_result BOOT: why a run is not complete, in one line; nothing if it is. One that
# may hang need not be.
no_result()
{
	local log=$RESULTS/$1.log

	if grep -q '^Booting Linux\|KTAP version' "$log" 2>/dev/null &&
	   { [ "$1" != "${1#*-hang-}" ] ||
	     grep -q '^reboot: \(Power down\|System halted\|Restarting system\)' "$log"; } &&
	   ! grep -q 'Kernel panic' "$log" && [ -s "$RESULTS/$1.json" ]; then
		return 0
	fi
	grep -m1 -oE 'Kernel panic - .*|Unable to handle kernel .*' "$log" 2>/dev/null ||
	grep -m1 -hE '^qemu-system|not found|No such file|No space left|error: ' "$log" "$LOGS/run-$1.log" 2>/dev/null ||
	echo "it hung, or the machine never started ($TIMEOUT s)"
}

# check_boot BOOT WHAT: a run that is not complete is none.
check_boot()
{
	local log=$RESULTS/$1.log why

	why=$(no_result "$1")
	[ -n "$why" ] || return 0
	mv -f "$log" "$LOGS/console-$1.log" 2>/dev/null || true
	rm -rf "${RESULTS:?}"/*
	die "$2: ${why%$'\r'} (console: $LOGS/console-$1.log)"
}

case $TIMEOUT in
''|*[!0-9]*) die "TIMEOUT=$TIMEOUT is not a number of seconds" ;;
esac
qemu-system-aarch64 -machine virt,help 2>&1 | grep -q 'iommu=' ||
	die "qemu-system-aarch64 has no machine virt with an SMMUv3: install QEMU 4.0 or later"
[ "$HANG_TIMEOUT" -lt "$TIMEOUT" ] || HANG_TIMEOUT=$TIMEOUT
