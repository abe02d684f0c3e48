#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# The table must not be green for anything but what it expects.

bats_require_minimum_version 1.5.0

setup()
{
	TABLE=$BATS_TEST_DIRNAME/../table.py
	cd "$BATS_TEST_TMPDIR" || return 1
	cat > expect <<-EOT
	[scenarios]
	devices = secondary_tlb_mock
	upgrade = up
	[secondary_tlb_mock]
	hold = hold
	EOT
	result unfixed FAIL stale PASS
	result series PASS coherent PASS
}

# result NAME STATUS VERDICT STATUS: what became of "up" and of "hold"
result()
{
	cat > "$1.json" <<-EOT
	{"sub_groups": [{"name": "secondary_tlb_mock", "test_cases": [
	 {"name": "up", "status": "$2"}, {"name": "hold", "status": "$4"}]}]}
	EOT
	echo "stlb: secondary_tlb_mock.up: $3: because" > "$1.log"
}

table()
{
	run --separate-stderr "$TABLE" --tally tally expect unfixed series
	cat tally
}

@test "stale and coherent is green" {
	table
	[ "$status" = 0 ]
	[[ $output == *"up "*stale*ok* ]]
	[ "$(cat tally)" = "4 passed 0 failed" ]
}

@test "coherent on both kernels is not" {
	result unfixed PASS coherent PASS
	table
	[ "$status" = 1 ]
	[[ $stderr == *'up is "coherent", not "stale"'* ]]
}

@test "stale with the series is not" {
	result series FAIL stale PASS
	table
	[ "$status" = 1 ]
	[ "$(cat tally)" = "3 passed 1 failed" ]
}

@test "red for another reason than staleness is not" {
	result unfixed FAIL broken PASS
	table
	[ "$status" = 1 ]
	[[ $stderr == *'up is "broken"'* ]]
	: > unfixed.log
	table
	[ "$status" = 1 ]
}

@test "a verdict that the status does not bear out is not" {
	result unfixed PASS stale PASS
	table
	[ "$status" = 1 ]
	[[ $stderr == *'up is "broken"'* ]]
}

@test "skipped, crashed and missing cases are not" {
	for s in SKIP ERROR; do
		result series "$s" coherent PASS
		table
		[ "$status" = 1 ]
		[[ $stderr == *"up is \"$s\""* ]]
	done
	sed -i 's/"up"/"down"/' series.json
	table
	[ "$status" = 1 ]
	[[ $stderr == *'up is "missing"'* ]]
	[[ $stderr == *'down ran and is not expected'* ]]
}

@test "a case that must hold and fails is not" {
	result unfixed FAIL stale FAIL
	table
	[ "$status" = 1 ]
	[[ $stderr == *'hold is "FAILED"'* ]]
}

@test "a panic is not, whatever the cases say" {
	echo "Kernel panic - not syncing: Oops" >> series.log
	table
	[ "$status" = 1 ]
	[[ $stderr == *"Kernel panic"* ]]
}

@test "trouble in the log is not, whatever the cases say" {
	for line in "WARNING: CPU: 0 PID: 1 at mm/x.c" "BUG: sleeping function called" \
		    "WARNING: possible circular locking dependency detected" \
		    "Internal error: Oops: 96000004"; do
		result series PASS coherent PASS
		echo "$line" >> series.log
		table
		[ "$status" = 1 ]
		[[ $stderr == *"$line"* ]]
	done
}

@test "other calls than on the unpatched kernel are not" {
	echo "stlb: secondary_tlb_mock.hold: calls: 1 [0, 4096)" | tee -a series.log >> unfixed.log
	table
	[ "$status" = 0 ]
	sed -i 's/calls: 1/calls: 2 [0, 4096)/' series.log
	table
	[ "$status" = 1 ]
	[[ $stderr == *"hold: other calls"* ]]
}

# A mistake of another kind, in a boot of its own.
hang()
{
	printf '[hangs]\nhang = spin\n' >> expect
	for k in unfixed series; do
		echo '{"sub_groups": [{"name": "hangs", "test_cases": [
		 {"name": "spin", "status": "PASS"}]}]}' > "$k-hang-hangs.spin.json"
		printf 'stlb: hangs.spin: coherent: 7\nreboot: Restarting system\n' \
			> "$k-hang-hangs.spin.log"
	done
}

@test "a case that may hang has a boot of its own" {
	hang
	[ "$("$TABLE" --own-boot expect)" = hangs.spin ]
	sed -i s/PASS/FAIL/ unfixed-hang-hangs.spin.json
	sed -i s/coherent/hang/ unfixed-hang-hangs.spin.log
	table
	[ "$status" = 0 ]
	[[ $output == *"spin "*hang*ok* ]]
	[ "$(cat tally)" = "6 passed 0 failed" ]
}

@test "a boot that does not end is a hang" {
	hang
	echo '{"sub_groups": []}' > unfixed-hang-hangs.spin.json
	echo 'KTAP version 1' > unfixed-hang-hangs.spin.log
	table
	[ "$status" = 0 ]
	cp unfixed-hang-hangs.spin.json series-hang-hangs.spin.json
	cp unfixed-hang-hangs.spin.log series-hang-hangs.spin.log
	table
	[ "$status" = 1 ]
	[[ $stderr == *'spin is "hang", not "coherent"'*series-hang* ]]
}

@test "one mistake is not another" {
	hang
	sed -i s/PASS/FAIL/ unfixed-hang-hangs.spin.json
	sed -i s/coherent/stale/ unfixed-hang-hangs.spin.log
	table
	[ "$status" = 1 ]
	[[ $stderr == *'spin is "broken", not "hang"'* ]]
}

@test "a kind of case that there is none of is refused" {
	sed -i 's/^hold/holds/' expect
	run --separate-stderr "$TABLE" expect unfixed series
	[ "$status" = 1 ]
	[[ $stderr == *'"holds" of secondary_tlb_mock is not a kind of case'* ]]
}

@test "trouble in any boot is trouble" {
	hang
	sed -i s/PASS/FAIL/ unfixed-hang-hangs.spin.json
	sed -i s/coherent/hang/ unfixed-hang-hangs.spin.log
	echo "smmu-1: CMD_SYNC timeout at 0x3" >> series-hang-hangs.spin.log
	table
	[ "$status" = 1 ]
	[[ $stderr == *"CMD_SYNC timeout"*series-hang-hangs.spin.log* ]]
}

@test "what the SMMU itself says is shown, and must bear it out" {
	printf 'smmuv3_record_event SMMU_EVT_F_PERMISSION sid=0x8\n%.0s' 1 2 3 > unfixed-dma.trace
	echo 'smmuv3_cmdq_opcode <--- SMMU_CMD_SYNC' > series-dma.trace
	for k in unfixed series; do
		echo '{"sub_groups": []}' > "$k-dma.json"
		: > "$k-dma.log"
	done
	table
	[ "$status" = 0 ]
	[[ $output =~ EVT_F_PERMISSION\ +3\ +0 ]]
	[[ $output =~ CMD_SYNC\ +0\ +1 ]]
	cp unfixed-dma.trace series-dma.trace
	table
	[ "$status" = 1 ]
	[[ $stderr == *"F_PERMISSION: no less with the series"* ]]
}

@test "what the series leaves alone is seen on both, or it is not" {
	sed -i 's/^upgrade = up$/upgrade =/; s/^hold = hold$/&\nstays = up/' expect
	result unfixed FAIL excess PASS
	result series FAIL excess PASS
	table
	[ "$status" = 0 ]
	[[ $output == *"mock up "*excess*excess* ]]
	result series PASS coherent PASS
	table
	[ "$status" = 1 ]
	[[ $stderr == *'up is "coherent", not "excess"'* ]]
	result series FAIL stale PASS
	table
	[ "$status" = 1 ]
}

@test "what does not apply is skipped on both, or it is not" {
	sed -i 's/^upgrade = up$/upgrade =/; s/^hold = hold$/&\nskipped = up/' expect
	result unfixed SKIP "" PASS
	result series SKIP "" PASS
	table
	[ "$status" = 0 ]
	result series PASS coherent PASS
	table
	[ "$status" = 1 ]
	[[ $stderr == *'up is "'*'", not "SKIP"'* ]]
}
