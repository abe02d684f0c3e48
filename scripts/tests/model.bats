#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only

load setup

model()
{
	printf '%s\n' "$@" > "$BATS_TEST_TMPDIR/orders"
	run env ORDERS="$BATS_TEST_TMPDIR/orders" "$REPO/scripts/model"
}

@test "the order of the series is coherent, and others are found stale" {
	run "$REPO/scripts/model"
	[ "$status" = 0 ]
	[[ ${lines[-1]} == *" passed, 0 failed" ]]
	# The shortest way is told, and ends with what went wrong.
	grep -q '^reclaim: frees the page' "$REPO/build/model/move-AFTER_PTL.log"
	grep -q 'assertion violated' "$REPO/build/model/move-AFTER_PTL.log"
}

@test "an order that is stale and should not be is a failure" {
	model 'upgrade AFTER_PTL coherent'
	[ "$status" != 0 ]
	[[ $output == *"NOT coherent"*"0 passed, 1 failed" ]]
}

@test "an order that is coherent and should not be is a failure" {
	model 'upgrade - stale' 'upgrade - coherent'
	[ "$status" != 0 ]
	[[ $output == *"NOT stale"*"1 passed, 1 failed" ]]
}

@test "a list without models is an error, and so is a name that is not there" {
	model '# nothing'
	[ "$status" != 0 ]
	[[ ${lines[-1]} == "error: "*"names no model" ]]
	model 'no-such-model - coherent'
	[ "$status" != 0 ]
	[[ ${lines[-1]} == "error: there is no model/no-such-model.pml"* ]]
	model 'upgrade NO_SUCH_ORDER stale'
	[ "$status" != 0 ]
	[[ ${lines[-1]} == "error: no NO_SUCH_ORDER in "* ]]
}
