/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mremap() moves the entry of a page to another address. Reclaim, or truncation,
 * finds the page there, takes it away, and gives it to somebody else; what it
 * invalidates is the new address. By then nobody may have an entry cached for the
 * old one, or a device writes to a page that is not its own any more.
 *
 * The SMMU is that of smmu.pml, looking at the old address. Of the new one only the
 * entry is needed: whoever clears that invalidates it.
 */
#include "smmu.pml"

#define PAGE	1

byte new_pte = NONE;		/* the entry at the new address */
bool ptl;			/* both addresses are below one lock */
bool freed;

#define lock(l)		atomic { !l -> l = true }
#define unlock(l)	l = false

active proctype mremap()
{
	pte == PAGE;
	lock(ptl);
#ifdef NOTIFY_FIRST
	invalidate_range();
#endif
	printf("mremap(): clears the old entry\n");
	store_entry(NONE);
	atomic { new_pte = PAGE; printf("mremap(): makes the new entry\n") }
#if !defined(NOTIFY_FIRST) && !defined(AFTER_PTL) && !defined(NEVER)
	invalidate_range();
#endif
	unlock(ptl);
#ifdef AFTER_PTL
	/* Linux 6.1: by mmu_notifier_invalidate_range_end() */
	invalidate_range()
#endif
}

active proctype reclaim()
{
	lock(ptl);
	if
	:: atomic { new_pte == PAGE -> new_pte = NONE; freed = true;
		    printf("reclaim: frees the page\n") }
#ifdef REACHED
		assert(false)
#endif
	:: else
	fi;
	unlock(ptl)
}

active proctype device()
{
end:	atomic { freed && (atc == PAGE || tlb == PAGE) ->
		 printf("device: writes to a page that was freed\n");
		 assert(false) }
}

init {
	pte = PAGE
}
