#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# The mutants fit the series, and a mutant is not killed by anything but what is
# predicted for it.

bats_require_minimum_version 1.5.0
load setup
eval "$(declare -f setup | sed '1s/setup/setup_repo/')"

setup()
{
	MUTANTS=$BATS_TEST_DIRNAME/../mutants.py
	cd "$BATS_TEST_TMPDIR" || return 1
	mkdir -p results
	cat > expect <<-EOT
	[scenarios]
	devices = mock
	upgrade = up
	[mock]
	hold = hold other
	EOT
	printf 'A mistake.\n\nKilled-by: mock.up\nAlso: mock.o* !mock.other\n' > a.patch
	result series PASS PASS PASS
	result a FAIL PASS PASS
}

# result NAME STATUS...: what became of "up", "hold" and "other"
result()
{
	local case name=$1

	shift
	{
		echo '    # Subtest: mock'
		for case in up hold other; do
			[ "$1" != FAIL ] || echo "    # $case: EXPECTATION FAILED at x.c:1"
			echo "{\"name\": \"$case\", \"status\": \"$1\"}," >&3
			shift
		done
		echo 'reboot: Restarting system'
	} > "results/$name.log" 3> cases
	printf '{"sub_groups": [{"name": "mock", "test_cases": [%s]}]}\n' \
		"$(sed '$s/,$//' cases)" > "results/$name.json"
}

judge()
{
	run --separate-stderr "$MUTANTS" expect results a.patch
	echo "$output $stderr"
}

# is WORD LINE: the mutant is no success, for this reason
is()
{
	judge
	[ "$status" = 1 ]
	[[ $output =~ a\ +$1 ]]
	[[ $output == *"0 passed, 1 failed" ]]
	[[ $stderr == *"$2"* ]]
}

@test "predicted and red is killed" {
	judge
	[ "$status" = 0 ]
	[[ $output =~ a\ +killed\ +mock.up\ \(1\ red\) ]]
	[[ $output == *"1 killed, 0 survived"*"1 passed, 0 failed" ]]
}

@test "all green is a survivor" {
	result a PASS PASS PASS
	is SURVIVED "not red: mock.up"
	[[ $output == *"0 killed, 1 survived"* ]]
}

@test "red in another case than predicted is a survivor" {
	result a PASS FAIL PASS
	is SURVIVED "not red: mock.up"
}

@test "every case that is predicted must be red" {
	sed -i 's/^Killed-by: .*/&\nKilled-by: mock.hold/' a.patch
	is SURVIVED "not red: mock.hold"
	result a FAIL FAIL PASS
	judge
	[ "$status" = 0 ]
}

@test "red, skipped or missing where nothing is related is collateral" {
	for s in FAIL SKIP ERROR; do
		result a FAIL "$s" PASS
		is collateral "not green: mock.hold"
	done
	sed -i 's/"hold"/"odd"/' results/a.json
	is collateral "mock.odd"
}

@test "what is related may be red, but not what is taken back" {
	sed -i 's/^Also: .*/Also: mock.*/' a.patch
	result a FAIL FAIL FAIL
	judge
	[ "$status" = 0 ]
	sed -i 's/^Also: .*/& !mock.other/' a.patch
	is collateral "not green: mock.other"
}

@test "what is skipped without a fault may be with one" {
	sed -i 's/^hold = .*/hold = hold\nskipped = other/' expect
	result series PASS PASS SKIP
	result a FAIL PASS SKIP
	judge
	[ "$status" = 0 ]
}

@test "a precondition that fails is no reason" {
	sed -i s/EXPECTATION/ASSERTION/ results/a.log
	is SURVIVED "not red: mock.up"
	sed -i '/FAILED/d' results/a.log
	is SURVIVED "not red: mock.up"
	sed -i 's/^Also/Verdict: any\nAlso/' a.patch
	judge
	[ "$status" = 0 ]
}

@test "the same case of another suite does not count" {
	sed -i 's/Subtest: mock/Subtest: soft/' results/a.log
	is SURVIVED "not red: mock.up"
}

@test "a panic, trouble or a hang is a crash" {
	for line in "Kernel panic - not syncing: Oops" "BUG: sleeping function called" \
		    "smmu-1: CMD_SYNC timeout at 0x3"; do
		result a FAIL PASS PASS
		echo "$line" >> results/a.log
		is crash "$line"
	done
	result a FAIL PASS PASS
	sed -i '/reboot:/d' results/a.log
	is crash "did not come to its end"
}

@test "no results are a crash, and one that does not build is broken" {
	rm results/a.json
	is crash "no results"
	echo "error: x.c:1: no such thing" > results/a.broken
	is broken "no such thing"
}

@test "a mutant that hangs is killed by that alone" {
	sed -i 's/^Also/Effect: hang\nAlso/' a.patch
	result a-hang-mock.up FAIL PASS PASS
	echo 'stlb: mock.up: stale: because' >> results/a-hang-mock.up.log
	is SURVIVED "does not hang: mock.up"
	sed -i s/stale/hang/ results/a-hang-mock.up.log
	judge
	[ "$status" = 0 ]
	sed -i '/stlb:/d; /reboot:/d' results/a-hang-mock.up.log
	judge
	[ "$status" = 0 ]
}

@test "nothing is judged where the kernel without a fault is not green" {
	result series FAIL PASS PASS
	judge
	[ "$status" = 1 ]
	[[ $stderr == *"without a fault: mock.up is FAIL"* ]]
	[[ $output != *passed* ]]
	result series SKIP SKIP SKIP
	judge
	[ "$status" = 1 ]
	[[ $stderr == *"no case ran"* ]]
	rm results/series.json
	judge
	[ "$status" = 1 ]
}

@test "all mutants apply to the series" {
	setup_repo
	make -s apply
	run -0 bash -c '. scripts/common.sh
		. scripts/compose.sh
		PRISTINE=refs/stlb/series am_tree "$TOP/mutants/$BASE"
		for patch in "$TOP/mutants/$BASE"/*.patch; do
			git -C "$AM" apply --check "$patch"
		done'
}

@test "all mutants say what they are, and are killed by cases that there are" {
	cd "$BATS_TEST_DIRNAME/../.."
	run -0 scripts/mutants.py --known patches/6.1/expect mutants/6.1/*.patch
}
