/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the two halves of the bench have to say to each other: init.c in user
 * space, and secondary_tlb_bench.c in the kernel.
 */
#ifndef _SECONDARY_TLB_BENCH_H
#define _SECONDARY_TLB_BENCH_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * enum stlb_bench_who - who subscribes to the notifiers of the calling process
 * @STLB_BENCH_START_END: one that has invalidate_range_start() and end() only
 * @STLB_BENCH_INTERVAL: an interval notifier
 * @STLB_BENCH_EMPTY: one that has an invalidate_range() which does nothing
 * @STLB_BENCH_SVA: the SMMUv3 driver's, for the next edu device
 */
enum stlb_bench_who {
	STLB_BENCH_START_END,
	STLB_BENCH_INTERVAL,
	STLB_BENCH_EMPTY,
	STLB_BENCH_SVA,
};

#define STLB_BENCH_MAX_CMDS	512

/**
 * struct stlb_bench_cmds - commands of the SMMU's command queue
 * @nr: how many there are since they were last asked for
 * @cmd: their two words, SMMUv3 spec IHI 0070 chapter 4
 */
struct stlb_bench_cmds {
	__u64 nr;
	__u64 cmd[STLB_BENCH_MAX_CMDS][2];
};

/* Add a subscriber; they leave when the file is closed. */
#define STLB_BENCH_SUBSCRIBE	_IOW('s', 0, __u32)
/* Take the commands. -EOVERFLOW if there were more than there is room for. */
#define STLB_BENCH_TAKE_CMDS	_IOR('s', 1, struct stlb_bench_cmds)
/* Enter and leave an SRCU section so often: cycles that it took. */
#define STLB_BENCH_SRCU		_IOWR('s', 2, __u64)

#endif /* _SECONDARY_TLB_BENCH_H */
