#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# A line that no suite reaches must not go unnoticed, nor an explanation that does
# not hold.

bats_require_minimum_version 1.5.0

setup()
{
	COVERAGE=$BATS_TEST_DIRNAME/../coverage.py
	cd "$BATS_TEST_TMPDIR" || return 1
	mkdir -p tree/mm
	cat > tree/mm/a.c <<-EOT
	static const struct ops ops = {
		.call = other,
	};

	/* untouched() is not ours */
	static int untouched(int a)
	{
		return a;
	}

	static __always_inline int changed(struct mm_struct *mm,
					   int a)
	{
		if (a)
			return  1;
		return 2;
	}
	#ifdef CONFIG_TEST
	void for_test(void)
	{
		test();
	}
	#endif
	EOT
	diff 14 2 > all.diff
	diff 20 1 >> all.diff
	diff 20 1 > tests.diff
	: > explained
	counts 3 3 0
}

# diff FIRST LINES: as git diff -U0 says that a file has them more
diff()
{
	printf '%s\n' '--- a/mm/a.c' '+++ b/mm/a.c' "@@ -3,0 +$1,$2 @@ int some(void)"
}

# counts N N N: how often the lines of changed() were executed
counts()
{
	local line='{"line_number": %s, "count": %s}'

	printf '{"current_working_directory": "%s", "files": [{"file": "../mm/a.c", "lines": [' \
		"$PWD/tree/out" > one.json
	# shellcheck disable=SC2059 # the text of a line, four times
	printf "$line, $line, $line, $line]}]}\n" 8 0 14 "$1" 15 "$2" 16 "$3" >> one.json
}

judge()
{
	run --separate-stderr "$COVERAGE" judge tree all.diff tests.diff explained ./*.json
}

@test "all lines of what is changed, and nothing else" {
	counts 3 1 2
	judge
	[ "$status" = 0 ]
	[[ $output == *"changed "*"3 of 3 "*"mm/a.c"* ]]
	[[ $output == *"3 of 3 lines of 1 functions executed; 0 lines or functions not"* ]]
	[ -z "$stderr" ]
}

@test "a line that was not executed" {
	judge
	[ "$status" = 1 ]
	[ "$stderr" = "error: not executed and not explained: mm/a.c:16: changed: return 2;" ]
}

@test "one that another run has executed" {
	mv one.json two.json
	counts 1 0 1
	judge
	[ "$status" = 0 ]
}

@test "one that is explained, by its text and not its number" {
	counts 3 0 1
	printf '# Comment.\n\nchanged\n\treturn 1;\nNobody calls it so.\n' > explained
	judge
	[ "$status" = 0 ]
	[[ $output == *"mm/a.c:15: return 1;"$'\n'*"Nobody calls it so."* ]]
}

@test "two of the same text, of which one is explained" {
	sed -i 's/return  1;/return 2;/' tree/mm/a.c
	counts 3 0 0
	printf 'changed\n\treturn 2;\nNobody calls it so.\n' > explained
	judge
	[ "$status" = 1 ]
	[ "$stderr" = "error: not executed and not explained: mm/a.c:16: changed: return 2;" ]
	printf 'changed\n\treturn 2;\n\treturn 2;\nNobody calls it so.\n' > explained
	judge
	[ "$status" = 0 ]
}

@test "one that is explained and executed" {
	counts 3 1 1
	printf 'changed\n\treturn 1;\nNobody calls it so.\n' > explained
	judge
	[ "$status" = 1 ]
	[[ $stderr == "error: changed: return 1;: explained, but executed or gone:"* ]]
}

@test "one that is explained in another function" {
	printf 'for_test\n\treturn 2;\nNobody calls it so.\n' > explained
	judge
	[ "$status" = 1 ]
	[[ $stderr == *"not explained: mm/a.c:16:"* ]]
}

@test "an explanation without a reason" {
	printf 'changed\n\treturn 2;\n' > explained
	judge
	[ "$status" = 1 ]
	[[ $stderr == *'"changed" is not a function with lines of it and a reason' ]]
}

@test "a function that nobody compiled" {
	sed -i 's/\.\.\/mm\/a\.c/..\/mm\/b.c/' one.json
	judge
	[ "$status" = 1 ]
	[[ $stderr == *"changed: (not compiled)"*"nothing was executed at all"* ]]
}

@test "a console becomes files" {
	mkdir -p objects/mm
	cat > console <<-EOT
	gcda,file,$PWD/objects/mm/a.gcda
	gcda,data,6162
	noise
	gcda,data,63
	gcda,size,3
	gcda,end,1
	EOT
	"$COVERAGE" unpack console objects files
	[ "$(cat files/mm/a.gcda)" = abc ]
	[ "$(readlink files/mm/a.gcno)" = "$PWD/objects/mm/a.gcno" ]
}

@test "a console that is cut short, or lacks a line" {
	printf '%s\n' "gcda,file,$PWD/o/a.gcda" gcda,data,6162 gcda,size,2 > console
	run "$COVERAGE" unpack console o files
	[ "$status" = 1 ]
	[ "$output" = "error: console: 1 files of None" ]
	printf '%s\n' "gcda,file,$PWD/o/a.gcda" gcda,data,6162 gcda,size,4 gcda,end,1 > console
	run "$COVERAGE" unpack console o files
	[ "$status" = 1 ]
	[ "$output" = "error: console: $PWD/o/a.gcda is not whole" ]
}
