/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A read-only entry is made writable in place, by ptep_set_access_flags(), for a
 * store of the CPU or for the page request of a device, or for both at once. Once
 * either of them is told that the page can be written, nobody may have the read-only
 * entry cached: the device would be refused, and a page request for a page that is
 * writable already finds nothing to do.
 */
#include "smmu.pml"

#define RO	1
#define RW	2

byte buffered = NONE;		/* a store of the CPU that is not visible yet */
bool ptl;			/* the page table lock */

#define lock(l)		atomic { !l -> l = true }
#define unlock(l)	l = false

active proctype store_buffer()
{
end:	do
	:: atomic { buffered != NONE -> pte = buffered; buffered = NONE;
		    printf("CPU: its store of entry %d is visible\n", pte) }
	od
}

inline store_entry()
{
	atomic { buffered = RW; printf("CPU %d: stores entry %d\n", _pid, RW) }
#ifndef NO_BARRIER
	/* DSB ISHST, before the TLBI of the CPU: flush_tlb_page() */
	buffered == NONE
#endif
}

/* A fault of the CPU, or the handler of a page request: both end up here. */
proctype write_fault()
{
	lock(ptl);
	if
	:: atomic { pte == RW || buffered == RW ->
		    printf("CPU %d: finds the entry writable\n", _pid) }
	:: else ->
#if defined(NOTIFY_FIRST)
		invalidate_range();
		store_entry();
#elif defined(NEVER) || defined(AFTER_PTL)
		store_entry();
#else
		store_entry();
		invalidate_range();
#endif
#ifdef AFTER_PTL
		unlock(ptl);
		invalidate_range();
		lock(ptl);
#endif
	fi;
	unlock(ptl);

	printf("CPU %d: the page can be written\n", _pid);
	assert(!CACHED(RO));
}

init {
	atomic {
		pte = RO;
		run write_fault();
		run write_fault()
	}
}
