#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# A complaint of the base is not ours, and one of ours is not the base's.

bats_require_minimum_version 1.5.0
load setup

complaints()
{
	"$TOP/scripts/complaints" /b/linux-check /b/check/cocci
}

@test "a complaint is the same on another line, in another directory" {
	complaints > one <<-EOT
	../mm/gup.c: In function 'follow_pfn_pte':
	../mm/gup.c:492:10: warning: unused variable 'a' [-Wunused-variable]
	../mm/gup.c:400:10: note: declared here
	/b/linux-check/mm/gup.c:17:2: warning: context imbalance in 'f'
	/b/check/cocci/mm/gup.c:7:1-9: WARNING: should be a bool
	EOT
	complaints > two <<-EOT
	/b/linux-check/mm/gup.c:19:2: warning: context imbalance in 'f'
	../../mm/gup.c:493:10: warning: unused variable 'a' [-Wunused-variable]
	./mm/gup.c:9:10: note: declared there
	/b/check/cocci/mm/gup.c:8:1-9: WARNING: should be a bool
	  CC      mm/gup.o
	EOT
	diff one two
	[ "$(wc -l < one)" = 3 ]
}

@test "it is not with another text, or in another file" {
	echo "../mm/gup.c:492:10: warning: unused variable 'a'" | complaints > one
	echo "../mm/gup.c:492:10: warning: unused variable 'b'" | complaints > two
	echo "../mm/ksm.c:492:10: warning: unused variable 'a'" | complaints > three
	[ "$(sort -u one two three | wc -l)" = 3 ]
}

@test "no complaint is no error" {
	echo "  CC      mm/gup.o" | complaints > none
	[ ! -s none ]
}

@test "a file of the series that nothing builds is found" {
	make -s apply
	ONLY="every file" scripts/lint > log
	[ "$(tail -n 1 log)" = "1 passed, 0 failed" ]
	sed -i '/mm\/gup\.o/d' scripts/lint
	run ! env ONLY="every file" scripts/lint
	[[ $output == *"not ok 1 - every file of the series"*"0 passed, 1 failed" ]]
	grep -q 'mm/gup.c is not in the list' build/6.1/logs/lint-1.log
}
