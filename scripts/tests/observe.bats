#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# Observed kernels and soaks must not be green for anything but what they expect.

bats_require_minimum_version 1.5.0

setup()
{
	SCRIPTS=$BATS_TEST_DIRNAME/..
	cd "$BATS_TEST_TMPDIR" || return 1
	mkdir debug results soak
	cat > expect <<-EOT
	[scenarios]
	devices = secondary_tlb_mock
	upgrade = up
	[secondary_tlb_mock]
	hold = hold
	EOT
	printf '# proves: kasan\nCONFIG_KASAN=y\n' > debug/a.config
	echo ours_function > results/touched
	kernel PASS PASS
	echo "BUG: KASAN: use-after-free in kasan+0x1" > results/a.kasan.log
	for device in soft edu; do
		soak "stale-$device" FAIL stale
		soak "series-$device-1" PASS coherent
		soak "series-$device-2" PASS coherent
	done
}

# kernel STATUS STATUS [REASON]: what became of "up" and of "hold"
kernel()
{
	cat > results/a.json <<-EOT
	{"sub_groups": [
	{"name": "secondary_tlb_mock", "test_cases": [
	 {"name": "up", "status": "$1"}, {"name": "hold", "status": "$2"}]},
	{"name": "stlb_soak_soft", "test_cases": [{"name": "soak", "status": "PASS"}]},
	{"name": "stlb_soak_edu", "test_cases": [{"name": "soak", "status": "PASS"}]},
	{"name": "stlb_soak_smmuv3", "test_cases": [{"name": "soak", "status": "PASS"}]}]}
	EOT
	cat > results/a.log <<-EOT
	    # Subtest: secondary_tlb_mock
	stlb: secondary_tlb_mock.up: coherent: because
	    ok 1 up
	    ok 2 hold${3:+ # SKIP $3}
	stlb: stlb_soak_soft.soak: coherent: because
	stlb: stlb_soak_smmuv3.soak: coherent: because
	stlb: stlb_soak_edu.soak: coherent: because
	EOT
}

soak()
{
	local suite=${1#*-}

	suite=stlb_soak_${suite%-*}
	cat > "soak/$1.json" <<-EOT
	{"sub_groups": [{"name": "$suite", "test_cases": [{"name": "soak", "status": "$2"}]}]}
	EOT
	cat > "soak/$1.log" <<-EOT
	stlb: soak: $suite: secondary_tlb_soak.seed=7
	Kernel command line: secondary_tlb_soak.seconds=1
	stlb: soak: $suite: op move ${4:-3}
	stlb: soak: $suite: kind pmd 5 of one piece ${5:-4} undisturbed
	stlb: soak: $suite: total ${6:-1000} ms 10 changes 20 accesses 5 raced 6 refused
	stlb: $suite.soak: $3: unpatched
	EOT
}

debug()
{
	run --separate-stderr "$SCRIPTS/debug.py" --tally tally expect debug results a
	cat tally
}

soaks()
{
	run --separate-stderr "$SCRIPTS/soak.py" --tally tally soak "unpatched" soft edu
	cat tally
}

@test "a clean kernel is green" {
	debug
	[ "$status" = 0 ]
	[[ $output == *"a "*" 5 "*"kasan"* ]]
	[ "$(cat tally)" = "6 passed 0 failed" ]
}

@test "every kind of report makes it red" {
	while read -r report; do
		kernel PASS PASS
		echo "$report" >> results/a.log
		debug
		[ "$status" = 1 ]
		[[ $stderr == *"${report#rcu: }"* ]]
	done <<-EOT
	WARNING: CPU: 0 PID: 1 at lib/x.c:1 warn+0x1/0x2
	WARNING: possible circular locking dependency detected
	WARNING: suspicious RCU usage
	BUG: sleeping function called from invalid context at mm/x.c:1
	BUG: KASAN: slab-out-of-bounds in x+0x1/0x2
	BUG: KCSAN: data-race in x / y
	UBSAN: shift-out-of-bounds in lib/x.c:1:2
	BUG kmalloc-64 (Not tainted): Poison overwritten
	rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:
	rcu: INFO: rcu_preempt self-detected stall on CPU
	rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { }
	INFO: trying to register non-static key.
	mm/pgtable-generic.c:50: bad pmd 0
	INFO: task x:1 blocked for more than 120 seconds.
	Unable to handle kernel paging request at virtual address 0
	EOT
}

@test "a report in any boot makes it red" {
	cp results/a.json results/a-other.json
	echo "WARNING: CPU: 0" > results/a-other.log
	debug
	[ "$status" = 1 ]
	[[ $stderr == *a-other.log* ]]
}

@test "of KCSAN those that name a function of ours, if it says so" {
	echo "# kcsan: ours" >> debug/a.config
	echo "BUG: KCSAN: data-race in theirs / others" >> results/a.log
	debug
	[ "$status" = 0 ]
	echo "BUG: KCSAN: data-race in theirs / ours_function" >> results/a.log
	debug
	[ "$status" = 1 ]
}

@test "a fault that is not reported makes it red" {
	: > results/a.kasan.log
	debug
	[ "$status" = 1 ]
	[[ $stderr == *'does not report "kasan"'* ]]
}

@test "skipped for a reason that is a good one here, and for another" {
	echo "# skips: *_mock.ho*: no such page" >> debug/a.config
	kernel PASS SKIP "no such page"
	debug
	[ "$status" = 0 ]
	[[ $output == *"1 skipped: no such page"* ]]
	kernel PASS SKIP "no time"
	debug
	[ "$status" = 1 ]
	[[ $stderr == *"(no time)"* ]]
	kernel PASS PASS
	debug
	[ "$status" = 1 ]
	[[ $stderr == *'nothing was skipped because of "no such page"'* ]]
	sed -i 's/ho\*/up/' debug/a.config
	kernel PASS SKIP "no such page"
	debug
	[ "$status" = 1 ]
}

@test "failed, missing, and red without a verdict" {
	kernel FAIL PASS
	debug
	[ "$status" = 1 ]
	kernel PASS FAIL
	debug
	[ "$status" = 1 ]
	kernel PASS PASS
	sed -i '/"soak"/d' results/a.json
	sed -i 's/"status": "PASS"}\]},$/"status": "PASS"}]}]}/' results/a.json
	debug
	[ "$status" = 1 ]
	[[ $stderr == *'stlb_soak_soft.soak is "missing"'* ]]
}

@test "soaks: stale unpatched and coherent with the series is green" {
	soaks
	[ "$status" = 0 ]
	[[ $output == *"edu, unpatched"*stale* ]]
	[ "$(cat tally)" = "6 passed 0 failed" ]
}

@test "soaks: anything else is not" {
	soak stale-edu PASS coherent
	soaks
	[ "$status" = 1 ]
	soak stale-edu FAIL broken
	soaks
	[ "$status" = 1 ]
	soak stale-edu FAIL stale
	soak series-soft-2 FAIL stale
	soaks
	[ "$status" = 1 ]
	[[ $stderr == *'"stale", not "coherent": unpatched'* ]]
}

@test "soaks: one that never did something has not shown it" {
	soak series-soft-1 PASS coherent 0
	soak series-soft-2 PASS coherent 0
	soaks
	[ "$status" = 1 ]
	[[ $stderr == *"there was no move"* ]]
	soak series-soft-1 PASS coherent 3 0
	soak series-soft-2 PASS coherent 3 0
	soaks
	[ "$status" = 1 ]
	[[ $stderr == *"there was no pmd undisturbed"* ]]
	soak series-soft-1 PASS coherent 3 4 500
	soaks
	[ "$status" = 1 ]
	[[ $stderr == *"500 ms, not 1 s"* ]]
	rm soak/series-soft-*
	soaks
	[ "$status" = 1 ]
}

@test "soaks: trouble of the kernel is trouble" {
	echo "BUG: sleeping function" >> soak/series-edu-2.log
	soaks
	[ "$status" = 1 ]
	[[ $stderr == *"BUG: sleeping function"* ]]
}
