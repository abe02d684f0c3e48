#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# The bench must notice a machine that is not deterministic, and a series that
# costs too much.

bats_require_minimum_version 1.5.0

setup()
{
	BENCH=$BATS_TEST_DIRNAME/../bench.py
	cd "$BATS_TEST_TMPDIR" || return 1
	# The picture is not looked at here.
	mkdir bin
	printf '#!/bin/sh\n' > bin/gnuplot
	chmod +x bin/gnuplot
	PATH=$PWD/bin:$PATH
	cp "$BATS_TEST_DIRNAME/../../bench/6.1/limits" .
	local kernel config
	for kernel in unfixed one-line series; do
		console "$kernel" 0
		for config in off sva-off on; do
			mkdir -p "$kernel-$config"
			echo 1000000 > "$kernel-$config/text"
		done
	done
}

# console KERNEL MORE: what it says in both runs; a fault takes 800 + MORE
console()
{
	local who size n
	for who in none,0 start_end,1 interval,1 kvm,1 empty,1 sva,1 sva,2 sva,4 sva,8; do
		for size in pte thp 64k 2m 32m; do
			echo "stlb,cost,$who,$size,100,$((80000 + $2 * 100))"
			echo "stlb,cost,$who,$size,100,$((80043 + $2 * 100))"
		done
	done > "$1.1.log"
	echo "stlb,srcu,1000,34000" >> "$1.1.log"
	for size in pte thp 64k 2m 32m; do
		for n in upgrade mprotect_ro mprotect_rw fork mremap munmap exit; do
			echo "stlb,cmds,$n,$size,1,0,1,1"
		done
	done >> "$1.1.log"
	cp "$1.1.log" "$1.2.log"
}

@test "a series that costs two instructions will do" {
	console series 2
	run "$BENCH" . Linux limits
	echo "$output"
	[ "$status" = 0 ]
	[[ $output == *"nobody "*"800.0"*"802.0 +2.0 ×1.002"* ]]
	[[ $output == *"agree to 0.1 instruction in all "* ]]
	grep -qx 'series,none,0,pte,200,802.000,1.00250' bench.csv
}

@test "one that costs three does not" {
	console series 3
	run "$BENCH" . Linux limits
	[ "$status" = 1 ]
	[[ $output == *"nobody "*"+2 "*"+3.0 +0.4%, 4K page"*"TOO MUCH"* ]]
	[[ $output == *"KVM "*"+6 "*"+3.0 +0.4%, 4K page"*"ok"* ]]
}

@test "one that makes the kernel larger does not" {
	echo 1000513 > series-sva-off/text
	run "$BENCH" . Linux limits
	[ "$status" = 1 ]
	[[ $output == *"+513 bytes"*"TOO MUCH"* ]]
}

@test "two runs that differ by more than 0.1 instruction" {
	sed -i 's/^\(stlb,cost,kvm,1,thp,100,\)800../\180011/' series.2.log
	run "$BENCH" . Linux limits
	[ "$status" = 1 ]
	[[ $output == *"differ:"*"series, ('kvm', 1, 'thp'): 800.00 and 800.11"* ]]
}

@test "a run that lacks a figure" {
	sed -i '/^stlb,cost,kvm,1,thp/d' series.2.log
	run "$BENCH" . Linux limits
	[ "$status" = 1 ]
	[ "$output" = "error: series.2.log has no figure for ('kvm', 1, 'thp'), and 0 more are missing: see the consoles in ." ]
}

@test "figures that all runs lack" {
	sed -i '/^stlb,cost,sva,8,/d; /^stlb,srcu/d; /^stlb,cmds,fork,2m/d' ./*.log
	run "$BENCH" . Linux limits
	[ "$status" = 1 ]
	[[ $output == "error: unfixed.1.log has no figure for ('sva', 8, 'pte'), and 17 more are missing"* ]]
}

@test "two runs with different commands" {
	sed -i 's/^stlb,cmds,upgrade,pte,1/stlb,cmds,upgrade,pte,2/' one-line.2.log
	run "$BENCH" . Linux limits
	[ "$status" = 1 ]
	[[ $output == *"one-line: commands differ"* ]]
}

@test "an operation that invalidates twice" {
	sed -i 's/^\(stlb,cmds,\(munmap\|fork\),64k,.*\),1$/\1,2/' series.[12].log
	run "$BENCH" . Linux limits
	[ "$status" = 1 ]
	[[ $output == *"Too often invalidated"*"munmap, hugetlb 64K: 2 times"* ]]
	[[ $output != *"fork, hugetlb 64K: 2 times"* ]]
}

@test "a base that needs no fix of one line" {
	rm one-line.*.log
	run "$BENCH" . Linux limits
	[ "$status" = 0 ]
	[[ $output != *"one line"* ]]
}

@test "a limit in percent" {
	sed -i 's/^none = .*/none = 0.3%/' limits
	console series 2
	run "$BENCH" . Linux limits
	[ "$status" = 0 ]
	console series 3
	run "$BENCH" . Linux limits
	[ "$status" = 1 ]
	[[ $output == *"nobody "*"+0.3% "*"+3.0 +0.4%"*"TOO MUCH"* ]]
}
