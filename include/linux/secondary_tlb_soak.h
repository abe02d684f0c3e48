/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A soak: CPUs change the mappings of a process in every way they can while devices
 * that share its page table go on accessing them.
 */
#ifndef _LINUX_SECONDARY_TLB_SOAK_H
#define _LINUX_SECONDARY_TLB_SOAK_H

#include <linux/secondary_tlb_kunit.h>

/* How many devices can take part. */
#define STLB_SOAK_DEVICES	8

/**
 * struct stlb_soak_ops - the devices of a soak
 * @suite: name of the suite that has them
 * @devices: how many there are, at most STLB_SOAK_DEVICES
 * @pace: milliseconds that a CPU waits between two changes; 0 for none. For
 *	devices that are so slow that nothing would stay as it is during an access.
 * @seconds: how long a soak takes that nobody asked to be longer
 * @cpus: where its threads may run, or NULL
 * @bind: let the devices share the address space of the calling thread
 * @unbind: the opposite; also called after @bind has failed, and when the address
 *	space has gone
 * @access: one attempt of device @dev to read or write the word at @va, without a
 *	page request. Returns 0, or -EFAULT if it was refused, or another error that
 *	ends the soak. Called by one thread for each device, which is not of the
 *	process.
 *
 * All of them may sleep.
 */
struct stlb_soak_ops {
	const char *suite;
	unsigned int devices;
	unsigned int pace;
	unsigned int seconds;
	const struct cpumask *cpus;
	int (*bind)(struct stlb_run *run);
	void (*unbind)(struct stlb_run *run);
	int (*access)(struct stlb_run *run, unsigned int dev, unsigned long va,
		      bool write, u32 *val);
};

void stlb_soak(struct kunit *test, const struct stlb_soak_ops *ops);

#endif /* _LINUX_SECONDARY_TLB_SOAK_H */
