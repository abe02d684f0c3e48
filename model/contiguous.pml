/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A contiguous set is made writable. Its entries are as many as the size of the set,
 * two here, and a TLB may cache any of them as a translation for all of the set. They
 * can not be stored at once. If a TLB gets hold of an old one and a new one, it
 * reports a conflict, or uses a mixture of both (Arm ARM DDI 0487, "Using
 * break-before-make when updating translation table entries"), so between an old and
 * a new one there is a time when all of them are invalid and nothing is cached.
 *
 * Stores are visible at once here, and an invalidation is a single step: what else
 * can be between is in smmu.pml.
 */
#define NONE	0
#define RO	1
#define RW	2

byte pte[2];			/* the set, in memory */
byte walk[2];			/* what walks for either page have read */
byte tlb[2];			/* what the TLB has cached for the set, by page */

active proctype smmu()
{
	byte i;

end:	do
	:: atomic { walk[0] == NONE && tlb[0] == NONE && pte[0] != NONE ->
		    walk[0] = pte[0]; printf("SMMU: reads entry %d of page 0\n", walk[0]) }
	:: atomic { walk[1] == NONE && tlb[1] == NONE && pte[1] != NONE ->
		    walk[1] = pte[1]; printf("SMMU: reads entry %d of page 1\n", walk[1]) }
	:: atomic { walk[0] != NONE -> tlb[0] = walk[0]; walk[0] = NONE;
		    printf("SMMU: caches entry %d for the set\n", tlb[0]);
		    assert(tlb[1] == NONE || tlb[1] == tlb[0]) }
	:: atomic { walk[1] != NONE -> tlb[1] = walk[1]; walk[1] = NONE;
		    printf("SMMU: caches entry %d for the set\n", tlb[1]);
		    assert(tlb[0] == NONE || tlb[0] == tlb[1]) }
	od
}

/* TLBI and CMD_SYNC: walks that had begun leave nothing behind. */
inline invalidate_range()
{
	atomic {
		printf("CPU: invalidate_range()\n");
		walk[0] = NONE; walk[1] = NONE;
		tlb[0] = NONE; tlb[1] = NONE
	}
}

inline store(entry)
{
	atomic { pte[0] = entry; printf("CPU: stores entry %d of page 0\n", entry) }
	atomic { pte[1] = entry; printf("CPU: stores entry %d of page 1\n", entry) }
}

init {
	atomic { pte[0] = RO; pte[1] = RO }
#ifdef NOTIFY_FIRST
	invalidate_range();
#endif
#ifndef NO_BREAK
	store(NONE);
#endif
#if !defined(NOTIFY_FIRST) && !defined(AFTER_MAKE) && !defined(NEVER)
	invalidate_range();
#endif
	store(RW);
#ifdef AFTER_MAKE
	invalidate_range();
#endif
	assert(tlb[0] != RO && tlb[1] != RO && walk[0] != RO && walk[1] != RO);
#ifdef REACHED
	assert(false)
#endif
}
