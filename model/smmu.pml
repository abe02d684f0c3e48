/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An SMMUv3 and a device with an ATC behind it, for one address; included by the
 * models.
 *
 * The SMMU takes no part in broadcast TLB maintenance. Its walker reads the entry
 * from memory whenever it likes, and fills its TLB with what it has read whenever
 * it likes after that (Arm ARM DDI 0487: an entry that is valid may be cached at any
 * time). The device asks for a translation whenever it likes, is answered from the
 * SMMU's TLB, and keeps the answer (PCIe ATS).
 *
 * Commands are consumed in order, but take effect later, in any order: only a
 * CMD_SYNC waits for those before it (IHI 0070, "CMD_SYNC"). A TLBI that has
 * completed has removed what was cached, and walks that had begun before it leave
 * nothing behind; the same goes for a CMD_ATC_INV and answers on their way.
 */
#define NONE	0		/* invalid, or nothing is cached */

#define TLBI	1
#define ATC_INV	2
#define SYNC	3

byte pte;			/* the entry, in memory */
byte buffered;			/* a store of the CPU that is not visible yet, */
bool storing;			/* if there is one */
byte walk = NONE;		/* what a walk has read, and not yet filled in */
byte tlb = NONE;		/* what the SMMU has cached */
byte answer = NONE;		/* what was answered to the device */
byte atc = NONE;		/* what the device has cached */

chan cmdq = [4] of { byte };
bool tlbi_pending, atc_inv_pending, synced;

#define CACHED(x)	(walk == (x) || tlb == (x) || answer == (x) || atc == (x))

active proctype smmu()
{
	byte command;

end:	do
	:: atomic { walk == NONE && tlb == NONE && pte != NONE -> walk = pte;
		    printf("SMMU: a walk reads entry %d\n", walk) }
	:: atomic { walk != NONE -> tlb = walk; walk = NONE;
		    printf("SMMU: fills its TLB with entry %d\n", tlb) }
	:: atomic { cmdq?[SYNC] && !tlbi_pending && !atc_inv_pending ->
		    cmdq?command; synced = true;
		    printf("SMMU: CMD_SYNC\n") }
	:: atomic { cmdq?[TLBI] -> cmdq?command; tlbi_pending = true }
	:: atomic { cmdq?[ATC_INV] -> cmdq?command; atc_inv_pending = true }
	:: atomic { tlbi_pending -> walk = NONE; tlb = NONE; tlbi_pending = false;
		    printf("SMMU: TLBI\n") }
	od
}

active proctype atc_of_device()
{
end:	do
	:: atomic { answer == NONE && atc == NONE && tlb != NONE -> answer = tlb;
		    printf("ATC: is answered with entry %d\n", answer) }
	:: atomic { answer != NONE -> atc = answer; answer = NONE;
		    printf("ATC: keeps entry %d\n", atc) }
	:: atomic { atc_inv_pending -> answer = NONE; atc = NONE;
		    atc_inv_pending = false;
		    printf("ATC: is invalidated\n") }
	od
}

active proctype store_buffer()
{
end:	do
	:: atomic { storing -> pte = buffered; storing = false;
		    printf("CPU: its store of entry %d is visible\n", pte) }
	od
}

/*
 * What must be between the store and the commands: a DSB ISHST of the functions that
 * invalidate the CPU's TLB, or the barrier that the driver has before it makes a
 * command visible (dma_wmb()). Either will do.
 */
inline store_entry(entry)
{
	atomic { buffered = entry; storing = true;
		 printf("CPU: stores entry %d\n", entry) }
#ifndef NO_BARRIER
	!storing
#endif
}

inline command_and_sync(command)
{
	cmdq!command;
	synced = false;
	cmdq!SYNC;
	synced
}

/*
 * What the SMMUv3 driver does when invalidate_range() is called: TLBI, CMD_SYNC,
 * CMD_ATC_INV, CMD_SYNC (IHI 0070: the ATC is last, or it is filled again from a
 * TLB that still has the old entry).
 */
inline invalidate_range()
{
	printf("CPU: invalidate_range()\n");
#if defined(ATC_FIRST)
	command_and_sync(ATC_INV);
	command_and_sync(TLBI)
#elif defined(ONE_SYNC)
	cmdq!TLBI;
	command_and_sync(ATC_INV)
#elif defined(NO_ATC_INV)
	command_and_sync(TLBI)
#elif defined(NO_SYNC)
	cmdq!TLBI;
	cmdq!ATC_INV
#else
	command_and_sync(TLBI);
	command_and_sync(ATC_INV)
#endif
}
