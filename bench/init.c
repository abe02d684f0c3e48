// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bench's half in user space, and the only program on its machine: what a
 * write fault that upgrades an entry costs, for a process with nobody subscribed
 * to its mmu_notifiers, or somebody, in instructions; and what commands the SMMU
 * gets for that and for other changes. Each kind of subscriber gets a process.
 *
 * Lines on the console that begin with "stlb," are for scripts/bench.py:
 *   stlb,cost,SUBSCRIBER,HOW MANY,SIZE,FAULTS,INSTRUCTIONS
 *   stlb,srcu,SECTIONS,INSTRUCTIONS
 *   stlb,cmds,OPERATION,SIZE,TLBI,ATC_INV,SYNC,TIMES
 *   stlb,end
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "drivers/iommu/arm/arm-smmu-v3/secondary_tlb_bench.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define PAGE		4096UL
#define MB		0x100000UL
#define HUGETLB(shift)	(MAP_HUGETLB | (shift) << MAP_HUGE_SHIFT)

/* Opcodes of SMMUv3 spec IHI 0070, chapter 4 */
#define CMD_TLBI_FIRST		0x10
#define CMD_TLBI_NH_ASID	0x11
#define CMD_TLBI_NH_VA		0x12
#define CMD_ATC_INV		0x40
#define CMD_SYNC		0x46

/*
 * A timed batch must be over before the next tick: 10^7 instructions. What is
 * in it is @pages faults, and there are @rounds of it.
 */
static const struct size {
	const char *name;
	unsigned long bytes;
	int hugetlb;
	unsigned int pages, rounds;
} sizes[] = {
	{ "pte",	PAGE,		0,			128,	16 },
	{ "thp",	2 * MB,		0,			32,	16 },
	{ "64k",	16 * PAGE,	HUGETLB(16),		32,	16 },
	{ "2m",		2 * MB,		HUGETLB(21),		32,	16 },
	{ "32m",	32 * MB,	HUGETLB(25),		8,	16 },
};

enum { NONE = 100, KVM };

static const struct who {
	const char *name;
	unsigned int who, nr;
} subscribers[] = {
	{ "none",	NONE,			0 },
	{ "start_end",	STLB_BENCH_START_END,	1 },
	{ "interval",	STLB_BENCH_INTERVAL,	1 },
	{ "kvm",	KVM,			1 },
	{ "empty",	STLB_BENCH_EMPTY,	1 },
	{ "sva",	STLB_BENCH_SVA,		1 },
	{ "sva",	STLB_BENCH_SVA,		2 },
	{ "sva",	STLB_BENCH_SVA,		4 },
	{ "sva",	STLB_BENCH_SVA,		8 },
};

static int bench = -1;

static void die(const char *what)
{
	printf("stlb,error,%s: %m\n", what);
	fflush(stdout);
	_exit(1);
}

static void check(bool good, const char *what)
{
	if (!good)
		die(what);
}

static __u64 cycles(void)
{
	__u64 val;

	asm volatile("isb; mrs %0, pmccntr_el0" : "=r" (val) : : "memory");
	return val;
}

static long faults(void)
{
	struct rusage usage;

	check(!getrusage(RUSAGE_SELF, &usage), "getrusage");
	return usage.ru_minflt;
}

/* Aligned so that a block can map it, and with nothing beside it. */
static char *map(const struct size *s, unsigned int pages)
{
	unsigned long len = s->bytes * pages;
	unsigned long align = s->bytes > 2 * MB ? s->bytes : 2 * MB;
	uintptr_t room, start;
	char *p;

	p = mmap(NULL, len + 2 * align, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	check(p != MAP_FAILED, "mmap");
	room = (uintptr_t)p;
	start = (room + 2 * align - 1) & -align;
	p = mmap((void *)start, len, PROT_READ | PROT_WRITE,
		 MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | s->hugetlb, -1, 0);
	check(p != MAP_FAILED, "mmap");
	if (!s->hugetlb && s->bytes > PAGE)
		check(!madvise(p, len, MADV_HUGEPAGE), "MADV_HUGEPAGE");
	return p;
}

static __u64 write_all(char *p, unsigned long step, unsigned int pages)
{
	__u64 begin = cycles();
	unsigned int i;

	for (i = 0; i < pages; i++)
		asm volatile("strb %w0, [%1]" : : "r" (1), "r" (p + i * step) : "memory");
	return cycles() - begin;
}

static void read_all(char *p, unsigned long step, unsigned int pages)
{
	unsigned int i;
	char c;

	for (i = 0; i < pages; i++)
		asm volatile("ldrb %w0, [%1]" : "=r" (c) : "r" (p + i * step) : "memory");
}

/*
 * All entries valid, and read-only for the hardware; the next write upgrades
 * them. A page that MADV_FREE has made clean needs a fault to become dirty. What
 * mprotect() has taken the write permission of a hugetlb page from gets it back
 * from the next write fault.
 */
static void make_read_only(char *p, const struct size *s, unsigned int pages)
{
	unsigned long len = s->bytes * pages;

	write_all(p, s->bytes, pages);
	if (!s->hugetlb) {
		check(!madvise(p, len, MADV_FREE), "MADV_FREE");
		read_all(p, s->bytes, pages);
		return;
	}
	check(!mprotect(p, len, PROT_READ), "mprotect");
	check(!mprotect(p, len, PROT_READ | PROT_WRITE), "mprotect");
}

/*
 * Each round begins right after a tick, and is done before the next. What the
 * loop itself takes is known from doing it once more without faults.
 */
static void measure(const struct who *w, const struct size *s)
{
	char *p = map(s, s->pages);
	__u64 with, without;
	unsigned int i;
	long before;

	for (i = 0; i < s->rounds; i++) {
		make_read_only(p, s, s->pages);
		usleep(1);
		before = faults();
		with = write_all(p, s->bytes, s->pages);
		check(faults() == before + s->pages, "not one fault for each page");
		without = write_all(p, s->bytes, s->pages);
		check(faults() == before + s->pages, "a fault too many");
		printf("stlb,cost,%s,%u,%s,%u,%llu\n", w->name, w->nr, s->name,
		       s->pages, (unsigned long long)(with - without));
	}
	check(!munmap(p, s->bytes * s->pages), "munmap");
}

static struct stlb_bench_cmds cmds;
static unsigned char times[32 * MB / PAGE];

/* What has been there so far, which may be more than there is room for. */
static void forget_cmds(void)
{
	check(!ioctl(bench, STLB_BENCH_TAKE_CMDS, &cmds) || errno == EOVERFLOW,
	      "STLB_BENCH_TAKE_CMDS");
}

/* Is it a TLBI? Then set what it is for, and whether that has bounds. */
static bool tlbi_range(const __u64 *cmd, __u64 *from, __u64 *to)
{
	unsigned int num = cmd[0] >> 12 & 0x1f;
	unsigned int scale = cmd[0] >> 20 & 0x1f;
	unsigned int tg = cmd[1] >> 10 & 3;

	switch (cmd[0] & 0xff) {
	case CMD_TLBI_NH_ASID:
		*from = 0;
		*to = UINT64_MAX;
		return true;
	case CMD_TLBI_NH_VA:
		*from = cmd[1] & ~(PAGE - 1);
		*to = *from + PAGE;
		if (tg)
			*to = *from + ((num + 1ULL) << (5 * scale + 10 + 2 * tg));
		return true;
	}
	return false;
}

/*
 * The TLBIs that reach @p, how often the page that they reach most often was
 * invalidated, and the other commands.
 */
static void count_cmds(const char *op, const struct size *s, char *p,
		       unsigned long len)
{
	__u64 i, page, from, to, start = (uintptr_t)p;
	unsigned int tlbi = 0, atc = 0, sync = 0, most = 0;

	check(!ioctl(bench, STLB_BENCH_TAKE_CMDS, &cmds), "STLB_BENCH_TAKE_CMDS");
	memset(times, 0, sizeof(times));
	for (i = 0; i < cmds.nr; i++) {
		if (!tlbi_range(cmds.cmd[i], &from, &to)) {
			check((cmds.cmd[i][0] & 0xff) < CMD_TLBI_FIRST ||
			      (cmds.cmd[i][0] & 0xff) >= CMD_ATC_INV,
			      "a TLBI that the bench does not know");
			atc += (cmds.cmd[i][0] & 0xff) == CMD_ATC_INV;
			sync += (cmds.cmd[i][0] & 0xff) == CMD_SYNC;
			continue;
		}
		tlbi += from < start + len && to > start;
		for (page = 0; page < len / PAGE; page++)
			times[page] += start + page * PAGE >= from &&
				       start + page * PAGE < to;
	}
	for (page = 0; page < len / PAGE; page++)
		if (times[page] > most)
			most = times[page];
	printf("stlb,cmds,%s,%s,%u,%u,%u,%u\n", op, s->name, tlbi, atc, sync, most);
}

/* An address that is free, and as aligned as a block of that size. */
static char *room(const struct size *s, unsigned long len)
{
	char *p = mmap(NULL, len + s->bytes, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	check(p != MAP_FAILED, "mmap");
	check(!munmap(p, len + s->bytes), "munmap");
	return (char *)(((uintptr_t)p + s->bytes - 1) & ~(s->bytes - 1));
}

static void count(const struct size *s)
{
	unsigned int pages = s->bytes == PAGE ? 16 : 1;
	unsigned long len = s->bytes * pages;
	char *p = map(s, pages), *to;
	pid_t pid;

	make_read_only(p, s, pages);
	forget_cmds();
	write_all(p, s->bytes, 1);
	count_cmds("upgrade", s, p, s->bytes);
	check(!munmap(p, len), "munmap");

	p = map(s, pages);
	write_all(p, s->bytes, pages);
	forget_cmds();
	check(!mprotect(p, len, PROT_READ), "mprotect");
	count_cmds("mprotect_ro", s, p, len);
	check(!mprotect(p, len, PROT_READ | PROT_WRITE), "mprotect");
	count_cmds("mprotect_rw", s, p, len);

	write_all(p, s->bytes, pages);
	forget_cmds();
	pid = fork();
	if (!pid)
		_exit(0);
	count_cmds("fork", s, p, len);
	check(waitpid(pid, NULL, 0) == pid, "waitpid");

	write_all(p, s->bytes, pages);
	forget_cmds();
	to = mremap(p, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, room(s, len));
	check(to != MAP_FAILED, "mremap");
	count_cmds("mremap", s, p, len);

	write_all(to, s->bytes, pages);
	forget_cmds();
	check(!munmap(to, len), "munmap");
	count_cmds("munmap", s, to, len);
}

static void subscribe(const struct who *w)
{
	__u32 who = w->who;
	unsigned int i;
	int kvm;

	if (w->who == KVM) {
		kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
		check(kvm >= 0, "/dev/kvm");
		check(ioctl(kvm, KVM_CREATE_VM, 0UL) >= 0, "KVM_CREATE_VM");
		return;
	}
	for (i = 0; i < w->nr; i++)
		check(!ioctl(bench, STLB_BENCH_SUBSCRIBE, &who), w->name);
}

static void run(const struct who *w)
{
	__u64 sections = 10000, srcu = sections;
	unsigned int i;

	bench = open("/dev/secondary_tlb_bench", O_RDWR);
	check(bench >= 0, "/dev/secondary_tlb_bench");
	subscribe(w);
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		if (w->nr <= 1 || !i)
			measure(w, sizes + i);
	if (w->who == STLB_BENCH_SVA && w->nr == 1)
		for (i = 0; i < ARRAY_SIZE(sizes); i++)
			count(sizes + i);
	if (w->who == NONE) {
		check(!ioctl(bench, STLB_BENCH_SRCU, &srcu), "STLB_BENCH_SRCU");
		printf("stlb,srcu,%llu,%llu\n", (unsigned long long)sections,
		       (unsigned long long)srcu);
	}
	/* Before the process is gone, so that the device has its domain back. */
	check(!close(bench), "close");
	fflush(stdout);
	_exit(0);
}

static bool ends_well(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && !status;
}

/* What the SMMU is told when a process with SVA is gone, seen by its parent. */
static void run_exit(const struct size *s)
{
	unsigned int pages = s->bytes == PAGE ? 16 : 1;
	__u32 who = STLB_BENCH_SVA;
	char *p = map(s, pages);
	pid_t pid;

	bench = open("/dev/secondary_tlb_bench", O_RDWR);
	check(bench >= 0, "/dev/secondary_tlb_bench");
	pid = fork();
	if (!pid) {
		check(!ioctl(bench, STLB_BENCH_SUBSCRIBE, &who), "sva");
		write_all(p, s->bytes, pages);
		forget_cmds();
		_exit(0);
	}
	check(ends_well(pid), "the process that exits");
	count_cmds("exit", s, p, s->bytes * pages);
	check(!close(bench), "close");
	fflush(stdout);
	_exit(0);
}

int main(void)
{
	unsigned int i, failed = 0;
	pid_t pid;

	if (mount("dev", "/dev", "devtmpfs", 0, NULL))
		printf("stlb,error,devtmpfs: %m\n");
	for (i = 0; i < ARRAY_SIZE(subscribers); i++) {
		fflush(stdout);
		pid = fork();
		if (!pid)
			run(subscribers + i);
		failed += !ends_well(pid);
	}
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		fflush(stdout);
		pid = fork();
		if (!pid)
			run_exit(sizes + i);
		failed += !ends_well(pid);
	}
	if (!failed)
		printf("stlb,end\n");
	fflush(stdout);
	reboot(RB_POWER_OFF);
	return 1;
}
