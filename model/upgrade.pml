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

bool ptl;			/* the page table lock */

#define lock(l)		atomic { !l -> l = true }
#define unlock(l)	l = false

/* A fault of the CPU, or the handler of a page request: both end up here. */
proctype write_fault()
{
	lock(ptl);
	if
	:: atomic { pte == RW || storing ->
		    printf("CPU %d: finds the entry writable\n", _pid) }
	:: else ->
#if defined(NOTIFY_FIRST)
		invalidate_range();
		store_entry(RW);
#elif defined(NEVER) || defined(AFTER_PTL)
		store_entry(RW);
#else
		store_entry(RW);
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
#ifdef REACHED
	assert(false)
#endif
}

init {
	atomic {
		pte = RO;
		run write_fault();
		run write_fault()
	}
}
