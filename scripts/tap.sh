# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Run bats, and count what passes and fails.

passed=0 failed=0 skipped=0

# run_tap TEXT NAME DIR: a step that runs the tests of DIR; NAME.tap is their log. Shows
# what is not ok. A test of the plan that did not run has failed.
run_tap()
{
	local tap=$LOGS/$2.tap plan ok not_ok skip

	step "$1" "$2" bats_tests "$3" "$tap"
	plan=$(sed -n 's/^1\.\.\([0-9]*\)$/\1/p' "$tap")
	ok=$(grep -c '^ok ' "$tap" || true)
	not_ok=$(grep -c '^not ok ' "$tap" || true)
	skip=$(grep -c '^ok .* # skip' "$tap" || true)
	skipped=$((skipped + skip))
	passed=$((passed + ok - skip))
	failed=$((failed + not_ok))
	grep -E '^not ok |^ok .* # skip' "$tap" | sed 's/^/    /' || true
	if [ "$((ok + not_ok))" != "${plan:-none}" ]; then
		failed=$((failed + 1))
		echo "    not ok: $((ok + not_ok)) of ${plan:-an unknown number of} tests ran (log: $tap)"
	fi
}

bats_tests()
{
	bats --jobs "$(nproc)" --timing --tap "$1" > "$2" || true
}

# The last lines of a script that counts
finish()
{
	echo "logs: ${LOGS#"$TOP"/}"
	[ "$skipped" = 0 ] || echo "$skipped skipped, see above"
	echo "$passed passed, $failed failed"
	[ "$failed" = 0 ]
}
