// SPDX-License-Identifier: GPL-2.0-only
/*
 * A soak of secondary TLBs: threads upgrade, downgrade, unmap, map, move and zap
 * memory of a process, which forks and exits, while devices read and write it and
 * subscribers come and go. What each thread does is drawn from a seed, which is
 * printed; how the threads meet is up to the machine.
 *
 * Memory is divided into slots, each a translation of some kind. One thread changes
 * a slot, everybody accesses it. The slot says what may be done to it (@may, the
 * VMA's rights) and what the page table is known to grant without a fault (@least).
 * An access during which neither has changed must agree with both:
 *
 *   - Once the call that took a right away has returned, no access that needs it
 *     gets through; and nothing is written any more to a page that was taken away,
 *     nor to one that was write-protected. This the thread that did it sees, by
 *     holding a reference to the page and looking at it later.
 *   - Once an upgrade has returned, no access that it grants is refused.
 *   - What is read was written to this slot, by the device or by the CPU, since it
 *     got the page that it has.
 *
 * All other accesses ("raced") may go either way, and are what the rest is for. A
 * device that makes no page request may also be refused while another's is answered
 * for the same slot: a copy is made, or a huge page split.
 */
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/hugetlb.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/mman.h>
#include <linux/moduleparam.h>
#include <linux/prandom.h>
#include <linux/random.h>
#include <linux/rwsem.h>
#include <linux/sched/mm.h>
#include <linux/secondary_tlb_compat.h>
#include <linux/secondary_tlb_kunit.h>
#include <linux/secondary_tlb_soak.h>
#include <linux/string_helpers.h>
#include <linux/uaccess.h>
#include <linux/unistd.h>

static unsigned int seconds;
module_param(seconds, uint, 0444);
MODULE_PARM_DESC(seconds, "how long each soak takes; 0 for a few seconds");

static bool guests = true;
module_param(guests, bool, 0444);
MODULE_PARM_DESC(guests, "whether TLBs in software come and go, and look as well");

static unsigned int seed;
module_param(seed, uint, 0444);
MODULE_PARM_DESC(seed, "where all random numbers come from; 0 for a random one");

#define SOAK_MUTATORS	2
#define SOAK_ROUND	(4 * HZ)	/* the life of a process */
#define SOAK_PROBES	3
#define SOAK_REQUESTS	10	/* page requests that an access may take */

/* The TLB that comes and goes is one device more. The last word is the CPU's. */
#define SOAK_GUEST	STLB_SOAK_DEVICES
#define SOAK_WORDS	(STLB_SOAK_DEVICES + 1)
#define SOAK_GHOST	14
#define SOAK_CPU	15

/*
 * What is written: the slot and one more in the upper 8 bits, as no word may be 0;
 * the device, or SOAK_CPU, or SOAK_GHOST for a device that writes to where nothing
 * is; and how often the slot got other pages, for the CPU, or how often the device
 * wrote to it.
 */
#define SOAK_COUNT	0xfffff

static u32 soak_stamp(unsigned int slot, unsigned int who, u32 count)
{
	return (slot + 1) << 24 | who << 20 | (count & SOAK_COUNT);
}

enum soak_right {
	SOAK_NONE,
	SOAK_READ,
	SOAK_WRITE,
};

/**
 * struct soak_kind - a kind of memory
 * @level: what carries a translation
 * @flags: of mmap()
 * @name: what to call it
 * @nr: slots of it per mutator; 0 is one for the first mutator only
 * @clean: of a file of stlb_open_clean()
 */
struct soak_kind {
	const char *name;
	enum stlb_level level;
	int flags;
	unsigned int nr;
	bool clean;
};

static const struct soak_kind soak_kinds[] = {
	{ "shm_pte",	STLB_PTE,	MAP_SHARED,			8 },
	{ "mixed_pte",	STLB_PTE,	MAP_SHARED,	STLB_CLEAN_PAGES / SOAK_MUTATORS,
	  .clean = true },
	{ "anon_pte",	STLB_PTE,	MAP_PRIVATE,			10 },
	{ "thp_pmd",	STLB_PMD,	MAP_PRIVATE,			2 },
	{ "private_cont_pte", STLB_CONT_PTE, MAP_PRIVATE | MAP_HUGETLB,	1 },
	{ "shared_cont_pte", STLB_CONT_PTE, MAP_SHARED | MAP_HUGETLB,	1 },
	{ "private_pmd", STLB_PMD,	MAP_PRIVATE | MAP_HUGETLB,	0 },
	{ "shared_cont_pmd", STLB_CONT_PMD, MAP_SHARED | MAP_HUGETLB,	0 },
};

#define SOAK_KINDS	ARRAY_SIZE(soak_kinds)
#define SOAK_SLOTS	64

/**
 * struct soak_seen - what a device knows of a word of its own
 * @life: &soak_slot.life when an access was last undisturbed
 * @written: whether a write has surely arrived in that life
 * @first: the first of its writes that may be found there, or 0
 * @unsure: the first since the last undisturbed access that may have arrived or not,
 *	or 0
 * @ghost: whether one that was meant for nothing may have
 */
struct soak_seen {
	u32 life;
	bool written;
	bool ghost;
	u32 first;
	u32 unsure;
};

/**
 * struct soak_held - pages that were taken away from a slot, or write-protected
 * @page: references, NULL for none
 * @word: what was in them when the call that did it had returned
 */
struct soak_held {
	struct page *page[SOAK_PROBES];
	u32 word[SOAK_PROBES][SOAK_WORDS];
};

/**
 * struct soak_slot - memory that is changed as one
 * @kind: what it is
 * @size: bytes
 * @place: two places for it, aligned to @size
 * @offset: bytes into the file, if it is of one
 * @probes: how many of its pages are looked at
 * @epoch: odd while it is being changed; all that follows is written by its thread
 *	only, or by the one that forks while that is kept out
 * @va: where it is, or was
 * @gone: where it was and nothing is now, or 0
 * @may: what its VMA allows
 * @least: what the page table does, at least
 * @life: how often it got other pages
 * @asked: page requests for it
 * @answered: those that are over
 * @held: what it has lost
 */
struct soak_slot {
	const struct soak_kind *kind;
	unsigned long size;
	unsigned long place[2];
	unsigned long offset;
	unsigned int probes;
	u32 epoch;
	unsigned long va;
	unsigned long gone;
	enum soak_right may;
	enum soak_right least;
	u32 life;
	atomic_t asked;
	atomic_t answered;
	struct soak_held held;
};

/* Changes beside those in soak_ops[], by the director. */
enum {
	SOAK_FORKS = 10,
	SOAK_GUESTS,
	SOAK_EXITS,
	SOAK_OPS,
};

struct soak_thread {
	struct stlb_soak *soak;
	struct task_struct *task;
	struct rnd_state rnd;
	unsigned int nr;
	u64 done;
	u64 raced;
	u64 refused;
	u64 kind[SOAK_KINDS];
};

/**
 * struct stlb_soak - a soak
 * @run: the process
 * @test: the case
 * @ops: its devices
 * @slot: the memory
 * @mutators: how many threads change mappings
 * @slots: how many slots there are
 * @first: the first slot of each mutator, and the end
 * @seen: what devices know, by device, slot and probe; with the next number that a
 *	write of theirs gets
 * @next: see @seen
 * @shared: what a child shares
 * @settle: held for reading over a change, so that fork() has none beside it
 * @asking: held for reading over a page request
 * @dead: the process exits, and answers none any more
 * @epoch: odd during a change to all slots
 * @guest: the TLB that comes and goes
 * @mutator: threads that change mappings
 * @device: threads that access them
 * @director: the test's thread
 * @op: changes of each kind
 * @filled: how often memory of each kind was new, and of one piece
 * @hot: the slot that was changed last
 * @turn: what the director does next
 * @stop: whether a violation was seen, or something that must not happen
 * @broken: it is the latter
 * @what: it in words
 */
struct stlb_soak {
	struct stlb_run run;
	struct kunit *test;
	const struct stlb_soak_ops *ops;
	struct soak_slot slot[SOAK_SLOTS];
	unsigned int mutators;
	unsigned int slots;
	unsigned int first[SOAK_MUTATORS + 1];
	struct soak_seen seen[SOAK_WORDS][SOAK_SLOTS][SOAK_PROBES];
	u32 next[SOAK_WORDS][SOAK_SLOTS];
	struct soak_held shared[SOAK_SLOTS];
	struct rw_semaphore settle;
	struct rw_semaphore asking;
	bool dead;
	u32 epoch;
	struct stlb_soft guest;
	struct soak_thread mutator[SOAK_MUTATORS];
	struct soak_thread device[STLB_SOAK_DEVICES];
	struct soak_thread director;
	atomic_t op[SOAK_OPS];
	atomic_t filled[SOAK_KINDS];
	unsigned int hot;
	unsigned int turn;
	atomic_t stop;
	bool broken;
	char what[160];
};

static u32 soak_random(struct soak_thread *t, u32 below)
{
	return prandom_u32_state(&t->rnd) % below;
}

/* The first thing that goes wrong is kept. */
static __printf(3, 4) void soak_stop(struct stlb_soak *soak, bool broken,
				     const char *fmt, ...)
{
	va_list args;

	if (atomic_xchg(&soak->stop, 1))
		return;
	va_start(args, fmt);
	vsnprintf(soak->what, sizeof(soak->what), fmt, args);
	va_end(args);
	WRITE_ONCE(soak->broken, broken);
}

static unsigned long soak_probe(const struct soak_slot *slot, unsigned int p)
{
	if (!p)
		return 0;
	return p == 1 ? slot->size / 2 : slot->size - PAGE_SIZE;
}

/*
 * The page that is mapped, if it is, with a reference. It may be replaced by a
 * device's page request while we look, so look twice.
 */
static struct page *soak_get_page(struct mm_struct *mm, unsigned long va)
{
	struct stlb_leaf leaf, again;
	struct page *page = NULL;

	mmap_read_lock(mm);
	stlb_walk(mm, va, &leaf);
	if (!leaf.valid || is_zero_pfn(leaf.pfn))
		goto unlock;
	page = pfn_to_page(leaf.pfn + ((va - leaf.start) >> PAGE_SHIFT));
	if (!get_page_unless_zero(compound_head(page))) {
		page = NULL;
		goto unlock;
	}
	stlb_walk(mm, va, &again);
	if (!again.valid || again.start != leaf.start || again.pfn != leaf.pfn) {
		put_page(page);
		page = NULL;
	}
unlock:
	mmap_read_unlock(mm);
	return page;
}

static u32 soak_word(const struct page *page, unsigned int w)
{
	return READ_ONCE(((u32 *)page_address(page))[w]);
}

/* Before a right is taken away. */
static void soak_hold(struct stlb_soak *soak, const struct soak_slot *slot,
		      struct soak_held *held)
{
	unsigned int p;

	for (p = 0; p < slot->probes; p++)
		held->page[p] = soak_get_page(soak->run.mm,
					      slot->va + soak_probe(slot, p));
}

/* When the call that does it has returned: from here on nothing changes. */
static void soak_freeze(struct soak_held *held)
{
	unsigned int p, w;

	for (p = 0; p < SOAK_PROBES; p++)
		for (w = 0; held->page[p] && w < SOAK_WORDS; w++)
			held->word[p][w] = soak_word(held->page[p], w);
}

static void soak_drop(struct stlb_soak *soak, const struct soak_slot *slot,
		      struct soak_held *held)
{
	struct page *page;
	unsigned int p, w;

	for (p = 0; p < SOAK_PROBES; p++) {
		page = held->page[p];
		for (w = 0; page && w < SOAK_WORDS; w++)
			if (soak_word(page, w) != held->word[p][w])
				soak_stop(soak, false,
					  "device %u has written to a %s page that was taken away or write-protected",
					  w, slot->kind->name);
		if (page)
			put_page(page);
		held->page[p] = NULL;
	}
}

/* All entries have been marked dirty, and everybody has been told. */
static void soak_dirtied(struct soak_slot *slot)
{
	/* But not if the CPU has managed the dirty state on its own. */
	WRITE_ONCE(slot->least, stlb_hw_dirty() ? SOAK_READ : SOAK_WRITE);
}

/*
 * A page that got other contents: each device finds the CPU's stamp in its word.
 * Also the way to make an entry writable, and to be sure of it.
 */
static bool soak_write(struct stlb_soak *soak, struct soak_slot *slot, bool all)
{
	u32 val = soak_stamp(slot - soak->slot, SOAK_CPU, slot->life);
	unsigned int p, w;
	u32 __user *word;

	for (p = 0; p < slot->probes; p++) {
		word = (u32 __user *)(slot->va + soak_probe(slot, p));
		for (w = 0; all && w < SOAK_WORDS; w++)
			if (put_user(val, word + w))
				return false;
		if (put_user(val, word + SOAK_CPU))
			return false;
	}
	soak_dirtied(slot);
	return true;
}

/* New memory. The threads shall change it, and khugepaged leave it alone. */
static bool soak_fill(struct stlb_soak *soak, struct soak_slot *slot)
{
	bool thp = slot->kind->level == STLB_PMD && !(slot->kind->flags & MAP_HUGETLB);
	struct stlb_leaf leaf;
	bool filled;

	WRITE_ONCE(slot->life, slot->life + 1);
	if (thp)
		stlb_syscall(__NR_madvise, slot->va, slot->size, MADV_HUGEPAGE, 0);
	filled = soak_write(soak, slot, true);
	if (thp)
		stlb_syscall(__NR_madvise, slot->va, slot->size, MADV_NOHUGEPAGE, 0);
	mmap_read_lock(soak->run.mm);
	stlb_walk(soak->run.mm, slot->va, &leaf);
	mmap_read_unlock(soak->run.mm);
	if (leaf.size == slot->size)
		atomic_inc(&soak->filled[slot->kind - soak_kinds]);
	return filled;
}

static bool soak_read(struct soak_slot *slot)
{
	unsigned int p;
	u32 val;

	for (p = 0; p < slot->probes; p++)
		if (get_user(val, (u32 __user *)(slot->va + soak_probe(slot, p))))
			return false;
	WRITE_ONCE(slot->least, max(slot->least, SOAK_READ));
	return true;
}

/*
 * The changes. Each returns 0, or an error that no such call may have. They are
 * made with @epoch odd.
 */
static long soak_map(struct stlb_soak *soak, struct soak_thread *t,
		     struct soak_slot *slot)
{
	int flags = slot->kind->flags | MAP_FIXED;
	int prot = PROT_READ | PROT_WRITE;
	long ret;

	if (flags & MAP_HUGETLB)
		flags |= ilog2(slot->size) << MAP_HUGE_SHIFT;
	WRITE_ONCE(slot->va, slot->place[soak_random(t, 2)]);
	WRITE_ONCE(slot->gone, 0);
	if (slot->kind->clean)
		ret = vm_mmap(soak->run.file, slot->va, slot->size, prot, flags,
			      slot->offset);
	else
		ret = stlb_syscall(__NR_mmap, slot->va, slot->size, prot,
				   flags | MAP_ANONYMOUS);
	if (ret != slot->va)
		return ret;
	WRITE_ONCE(slot->may, SOAK_WRITE);
	return soak_fill(soak, slot) ? 0 : -EFAULT;
}

static long soak_unmap(struct stlb_soak *soak, struct soak_thread *t,
		       struct soak_slot *slot)
{
	long ret;

	soak_hold(soak, slot, &slot->held);
	ret = stlb_syscall(__NR_munmap, slot->va, slot->size, 0, 0);
	soak_freeze(&slot->held);
	WRITE_ONCE(slot->may, SOAK_NONE);
	WRITE_ONCE(slot->least, SOAK_NONE);
	return ret;
}

static long soak_store(struct stlb_soak *soak, struct soak_thread *t,
		       struct soak_slot *slot)
{
	return soak_write(soak, slot, false) ? 0 : -EFAULT;
}

static long soak_load(struct stlb_soak *soak, struct soak_thread *t,
		      struct soak_slot *slot)
{
	return soak_read(slot) ? 0 : -EFAULT;
}

/*
 * GUP leaves an entry clean that may be written, where there is a page to mark dirty
 * instead. Where there is none it returns -EEXIST, and has marked the entry.
 */
static long soak_gup(struct stlb_soak *soak, struct soak_thread *t,
		     struct soak_slot *slot)
{
	struct page *page;
	unsigned int p;
	long ret;

	for (p = 0; p < slot->probes; p++) {
		ret = get_user_pages_unlocked(slot->va + soak_probe(slot, p), 1,
					      &page, FOLL_WRITE);
		if (ret == 1)
			put_page(page);
		if (ret != (slot->kind->clean ? -EEXIST : 1))
			return ret < 0 ? ret : -EFAULT;
	}
	if (slot->kind->clean)
		soak_dirtied(slot);
	return 0;
}

static long soak_protect(struct stlb_soak *soak, struct soak_thread *t,
			 struct soak_slot *slot)
{
	long ret;

	soak_hold(soak, slot, &slot->held);
	ret = stlb_syscall(__NR_mprotect, slot->va, slot->size, PROT_READ, 0);
	soak_freeze(&slot->held);
	WRITE_ONCE(slot->may, SOAK_READ);
	WRITE_ONCE(slot->least, min(slot->least, SOAK_READ));
	return ret;
}

static long soak_unprotect(struct stlb_soak *soak, struct soak_thread *t,
			   struct soak_slot *slot)
{
	WRITE_ONCE(slot->may, SOAK_WRITE);
	return stlb_syscall(__NR_mprotect, slot->va, slot->size,
			    PROT_READ | PROT_WRITE, 0);
}

/* Private memory is new then; shared memory has the page that it had, but clean. */
static long soak_zap(struct stlb_soak *soak, struct soak_thread *t,
		     struct soak_slot *slot)
{
	bool private = slot->kind->flags & MAP_PRIVATE;
	long ret;

	if (private)
		soak_hold(soak, slot, &slot->held);
	ret = stlb_syscall(__NR_madvise, slot->va, slot->size, MADV_DONTNEED, 0);
	if (private)
		soak_freeze(&slot->held);
	WRITE_ONCE(slot->least, SOAK_NONE);
	if (ret)
		return ret;
	if (!private)
		return soak_read(slot) ? 0 : -EFAULT;
	return soak_fill(soak, slot) ? 0 : -EFAULT;
}

static long soak_free(struct stlb_soak *soak, struct soak_thread *t,
		      struct soak_slot *slot)
{
	long ret = stlb_syscall(__NR_madvise, slot->va, slot->size, MADV_FREE, 0);

	/* Clean, and old: to be read before anybody else can. */
	WRITE_ONCE(slot->least, SOAK_NONE);
	return ret ?: soak_read(slot) ? 0 : -EFAULT;
}

static long soak_move(struct stlb_soak *soak, struct soak_thread *t,
		      struct soak_slot *slot)
{
	unsigned long to = slot->place[slot->va == slot->place[0]];
	long ret = stlb_mremap_to(slot->va, slot->size, to);

	if (ret != to)
		return ret;
	WRITE_ONCE(slot->gone, slot->va);
	WRITE_ONCE(slot->va, to);
	WRITE_ONCE(slot->least, min(slot->least, SOAK_READ));
	return 0;
}

/**
 * struct soak_op - a change
 * @name: what to call it
 * @fn: makes it
 * @may: rights that the slot must have
 * @kinds: MAP_xxx that its memory must have, or 0
 * @not: MAP_xxx that it must not have
 * @weight: how often
 */
struct soak_op {
	const char *name;
	long (*fn)(struct stlb_soak *soak, struct soak_thread *t,
		   struct soak_slot *slot);
	enum soak_right may[2];
	int kinds;
	int not;
	unsigned int weight;
};

static const struct soak_op soak_ops[] = {
	{ "map",	soak_map,	{ SOAK_NONE, SOAK_NONE },   0, 0, 8 },
	{ "unmap",	soak_unmap,	{ SOAK_READ, SOAK_WRITE },  0, 0, 2 },
	{ "upgrade",	soak_store,	{ SOAK_WRITE, SOAK_WRITE }, 0, 0, 8 },
	{ "gup",	soak_gup,	{ SOAK_WRITE, SOAK_WRITE }, 0, 0, 4 },
	{ "load",	soak_load,	{ SOAK_READ, SOAK_WRITE },  0, 0, 2 },
	{ "protect",	soak_protect,	{ SOAK_WRITE, SOAK_WRITE }, 0, 0, 4 },
	{ "unprotect",	soak_unprotect,	{ SOAK_READ, SOAK_READ },   0, 0, 8 },
	{ "zap",	soak_zap,	{ SOAK_WRITE, SOAK_WRITE }, 0, 0, 3 },
	{ "free",	soak_free,	{ SOAK_WRITE, SOAK_WRITE },
	  MAP_PRIVATE, MAP_HUGETLB, 3 },
	{ "move",	soak_move,	{ SOAK_READ, SOAK_WRITE },  0, 0, 2 },
};

static_assert(ARRAY_SIZE(soak_ops) == SOAK_FORKS);

static unsigned int soak_weight(const struct soak_op *op,
				const struct soak_slot *slot)
{
	int flags = slot->kind->flags;

	if ((slot->may != op->may[0] && slot->may != op->may[1]) ||
	    (op->kinds & flags) != op->kinds || op->not & flags)
		return 0;
	return op->weight;
}

static const struct soak_op *soak_choose(struct soak_thread *t,
					 const struct soak_slot *slot)
{
	const struct soak_op *op;
	unsigned int sum = 0, at;

	for (op = soak_ops; op < soak_ops + ARRAY_SIZE(soak_ops); op++)
		sum += soak_weight(op, slot);
	at = soak_random(t, sum);
	for (op = soak_ops; at >= soak_weight(op, slot); op++)
		at -= soak_weight(op, slot);
	return op;
}

/*
 * Whoever reads an even epoch, and the same later, has seen nothing in between. Only
 * a slot's mutator changes its epoch, and only the director that of all.
 */
static void soak_begin(u32 *epoch)
{
	WRITE_ONCE(*epoch, *epoch + 1);
	/* Before what is changed: pairs with soak_disturbed(). */
	smp_wmb();
}

static void soak_end(u32 *epoch)
{
	/* After what was changed: pairs with soak_look(). */
	smp_store_release(epoch, *epoch + 1);
}

/* Not by who creates us: since 6.14 a thread forgets that when it starts. */
static void soak_pin(const struct soak_thread *t)
{
	if (t->soak->ops->cpus)
		set_cpus_allowed_ptr(current, t->soak->ops->cpus);
}

/*
 * One of @nr slots, from @first on. What a slow device holds of a slot is gone soon,
 * by what is invalidated for others, and may be so before it comes back to it. So
 * half of the time all meet at one.
 */
static unsigned int soak_pick(const struct stlb_soak *soak, struct soak_thread *t,
			      unsigned int first, unsigned int nr)
{
	unsigned int hot = READ_ONCE(soak->hot);

	if (soak->ops->pace && soak_random(t, 2) && hot >= first && hot < first + nr)
		return hot;
	return first + soak_random(t, nr);
}

static int soak_mutate(void *data)
{
	struct soak_thread *t = data;
	struct stlb_soak *soak = t->soak;
	unsigned int first = soak->first[t->nr];
	unsigned int nr = soak->first[t->nr + 1] - first;
	struct mm_struct *mm = soak->run.mm;
	const struct soak_op *op;
	struct soak_slot *slot;
	long ret;

	soak_pin(t);
	kthread_use_mm(mm);
	while (!kthread_should_stop()) {
		slot = soak->slot + soak_pick(soak, t, first, nr);
		WRITE_ONCE(soak->hot, slot - soak->slot);
		down_read(&soak->settle);
		op = soak_choose(t, slot);
		soak_begin(&slot->epoch);
		soak_drop(soak, slot, &slot->held);
		ret = op->fn(soak, t, slot);
		soak_end(&slot->epoch);
		up_read(&soak->settle);
		if (ret)
			soak_stop(soak, true, "%s of a %s slot: error %ld",
				  op->name, slot->kind->name, ret);
		atomic_inc(&soak->op[op - soak_ops]);
		t->done++;
		if (soak->ops->pace)
			msleep(soak->ops->pace);
		cond_resched();
		while (atomic_read(&soak->stop) && !kthread_should_stop())
			usleep_range(1000, 2000);
	}
	kthread_unuse_mm(mm);
	return 0;
}

/* What a device knew of a slot when it began. */
struct soak_look {
	u32 epoch;
	u32 all;
	unsigned long va;
	unsigned long gone;
	enum soak_right may;
	enum soak_right least;
	u32 life;
	int asked;
	int answered;
};

static void soak_look(const struct stlb_soak *soak, const struct soak_slot *slot,
		      struct soak_look *look)
{
	/* Before what they are for: pairs with soak_end(). */
	look->all = smp_load_acquire(&soak->epoch);
	/* As above. */
	look->epoch = smp_load_acquire(&slot->epoch);
	look->va = READ_ONCE(slot->va);
	look->gone = READ_ONCE(slot->gone);
	look->may = READ_ONCE(slot->may);
	look->least = READ_ONCE(slot->least);
	look->life = READ_ONCE(slot->life);
	look->answered = atomic_read(&slot->answered);
	/* In this order, so that what is under way is not missed. */
	smp_rmb();
	look->asked = atomic_read(&slot->asked);
	/* Before the access: pairs with that in soak_disturbed(). */
	smp_mb();
}

static bool soak_disturbed(const struct stlb_soak *soak,
			   const struct soak_slot *slot,
			   const struct soak_look *look)
{
	/* After the access, and after what was looked at. */
	smp_mb();
	return look->all & 1 || look->epoch & 1 ||
	       READ_ONCE(soak->epoch) != look->all ||
	       READ_ONCE(slot->epoch) != look->epoch;
}

static int soak_try(struct stlb_soak *soak, unsigned int dev, unsigned long va,
		    bool write, u32 *val)
{
	if (dev == SOAK_GUEST)
		return stlb_soft_access_once(&soak->guest, va, write, val);
	return soak->ops->access(&soak->run, dev, va, write, val);
}

/* A process that exits answers no page requests, nor is it kept from exiting. */
static int soak_ask(struct stlb_soak *soak, struct soak_slot *slot,
		    unsigned long va, bool write)
{
	int ret = -EFAULT;

	down_read(&soak->asking);
	atomic_inc(&slot->asked);
	if (!soak->dead)
		ret = stlb_page_request(soak->run.mm, va, write);
	atomic_inc(&slot->answered);
	up_read(&soak->asking);
	return ret;
}

/* Is what a device has read what it may find? */
static bool soak_sound(const struct soak_seen *seen, unsigned int slot,
		       unsigned int dev, u32 life, u32 val)
{
	/* The CPU writes a device's word when the slot has got other pages. */
	if (val == soak_stamp(slot, SOAK_CPU, life))
		return !seen->written;
	if (val >> 20 == soak_stamp(slot, SOAK_GHOST, 0) >> 20)
		return seen->ghost;
	return val >> 20 == soak_stamp(slot, dev, 0) >> 20 && seen->first &&
	       (val & SOAK_COUNT) >= seen->first;
}

/* An access that was not disturbed: what it tells of the word, and of the kernel. */
static void soak_learn(struct stlb_soak *soak, struct soak_seen *seen,
		       unsigned int slot, unsigned int dev, u32 life, bool write,
		       bool granted, u32 val)
{
	/* What was written before the slot got other pages is not in them. */
	if (seen->life != life) {
		seen->life = life;
		seen->written = false;
		seen->first = seen->unsure;
	}
	if (!seen->first)
		seen->first = seen->unsure;
	seen->unsure = 0;
	if (granted && write) {
		seen->first = val & SOAK_COUNT;
		seen->written = true;
	} else if (granted && !soak_sound(seen, slot, dev, life, val)) {
		soak_stop(soak, false,
			  "device %u reads 0x%08x from slot %u (%s) in life %u",
			  dev, val, slot, soak->slot[slot].kind->name, life);
	}
}

/* One access by device @dev, and whether it is as it must be. */
static void soak_access(struct soak_thread *t, unsigned int dev)
{
	struct stlb_soak *soak = t->soak;
	unsigned int nr = soak_pick(soak, t, 0, soak->slots);
	struct soak_slot *slot = soak->slot + nr;
	unsigned int p = soak_random(t, slot->probes);
	struct soak_seen *seen = &soak->seen[dev][nr][p];
	bool write = soak_random(t, 2), ask = soak_random(t, 2);
	enum soak_right want = write ? SOAK_WRITE : SOAK_READ;
	bool ghost, refused = false, answered = true;
	unsigned int requests = 0;
	struct soak_look look;
	u32 val = 0, count = 0;
	unsigned long va;
	int ret;

	soak_look(soak, slot, &look);
	ghost = look.gone && !soak_random(t, 4);
	va = (ghost ? look.gone : look.va) + soak_probe(slot, p) + dev * sizeof(val);
	if (write) {
		count = ++soak->next[dev][nr];
		val = soak_stamp(nr, ghost ? SOAK_GHOST : dev, count);
	}

	ret = soak_try(soak, dev, va, write, &val);
	/* It makes no difference to this whether there will be a page request. */
	if (ret == -EFAULT && look.asked == look.answered &&
	    atomic_read(&slot->asked) == look.asked)
		refused = true;
	while (ret == -EFAULT && ask && answered && requests < SOAK_REQUESTS) {
		requests++;
		answered = !soak_ask(soak, slot, va, write);
		if (answered)
			ret = soak_try(soak, dev, va, write, &val);
	}
	t->done++;
	if (ret && ret != -EFAULT)
		soak_stop(soak, true, "device %u: error %d", dev, ret);

	if (soak_disturbed(soak, slot, &look)) {
		t->raced++;
		if (write && ghost)
			seen->ghost = true;
		else if (write && !seen->unsure)
			seen->unsure = count;
		return;
	}

	t->refused += !!ret;
	t->kind[slot->kind - soak_kinds]++;
	if (ghost) {
		if (!ret)
			soak_stop(soak, false, "device %u %s where a %s slot was (0x%lx)",
				  dev, write ? "writes" : "reads", slot->kind->name, va);
		return;
	}
	if (!ret && look.may < want)
		soak_stop(soak, false, "device %u %s a %s slot (0x%lx) that does not allow it",
			  dev, write ? "writes" : "reads", slot->kind->name, va);
	else if (refused && look.least >= want)
		soak_stop(soak, false, "device %u may not %s a %s slot (0x%lx)", dev,
			  str_read_write(!write), slot->kind->name, va);
	else if (!answered && look.may >= want)
		soak_stop(soak, true, "a page request for a %s slot has failed",
			  slot->kind->name);
	else if (ret && ask && look.may >= want)
		soak_stop(soak, false,
			  "device %u may not %s a %s slot (0x%lx) after %u page requests",
			  dev, str_read_write(!write), slot->kind->name, va, requests);
	soak_learn(soak, seen, nr, dev, look.life, write, !ret, val);
}

static int soak_device(void *data)
{
	struct soak_thread *t = data;

	soak_pin(t);
	while (!kthread_should_stop()) {
		if (atomic_read(&t->soak->stop))
			usleep_range(1000, 2000);
		else
			soak_access(t, t->nr);
		/* There may be fewer CPUs than threads, and changes matter more. */
		usleep_range(50, 100);
	}
	return 0;
}

static void soak_start(struct stlb_soak *soak, struct soak_thread *t,
		       int (*fn)(void *data), const char *name)
{
	struct task_struct *task = kthread_create(fn, t, "%s", name);

	if (IS_ERR(task)) {
		soak_stop(soak, true, "no thread: %pe", task);
		return;
	}
	t->task = task;
	wake_up_process(task);
}

static void soak_join(struct soak_thread *t)
{
	if (t->task)
		kthread_stop(t->task);
	t->task = NULL;
}

/*
 * Whether there are pages for one slot more: the one that is mapped and the one that
 * it has just lost, and for private memory also the child's and a copy. Huge ones
 * would spend the time on clearing them.
 */
static bool soak_has_pages(const struct soak_kind *kind, unsigned int *used)
{
	unsigned int need = kind->flags & MAP_PRIVATE ? 4 : 2;
	unsigned long size = stlb_level_size(kind->level);
	struct hstate *h = size_to_hstate(size);

	if (size > SZ_32M)
		return false;
	if (!(kind->flags & MAP_HUGETLB))
		return true;
	if (!h || used[kind->level] + need > h->free_huge_pages - h->resv_huge_pages)
		return false;
	used[kind->level] += need;
	return true;
}

/* Two places with room around them, of which nothing is mapped yet. */
static bool soak_place(struct soak_slot *slot, const struct soak_kind *kind)
{
	unsigned long size = stlb_level_size(kind->level);
	long room = stlb_syscall(__NR_mmap, 0, 4 * size, PROT_NONE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);

	if (IS_ERR_VALUE(room))
		return false;
	*slot = (struct soak_slot){
		.kind	= kind,
		.size	= size,
		.probes	= size == PAGE_SIZE ? 1 : SOAK_PROBES,
		.place	= { ALIGN(room, size), ALIGN(room, size) + 2 * size },
	};
	slot->va = slot->place[0];
	return true;
}

static bool soak_lay_out(struct stlb_soak *soak)
{
	unsigned int used[STLB_PUD + 1] = {};
	const struct soak_kind *kind;
	unsigned long offset = 0;
	unsigned int m, i, n = 0;

	for (m = 0; m < soak->mutators; m++) {
		soak->first[m] = n;
		for (kind = soak_kinds; kind < soak_kinds + ARRAY_SIZE(soak_kinds); kind++)
			for (i = 0; i < (kind->nr ?: !m); i++) {
				if (!soak_has_pages(kind, used))
					continue;
				if (n == SOAK_SLOTS ||
				    !soak_place(&soak->slot[n], kind))
					return false;
				if (kind->clean) {
					soak->slot[n].offset = offset;
					offset += PAGE_SIZE;
				}
				n++;
			}
	}
	soak->first[m] = n;
	soak->slots = n;
	return true;
}

static bool soak_is_cow(const struct soak_slot *slot)
{
	return slot->kind->flags & MAP_PRIVATE;
}

/* What fork() has write-protected can be changed again. */
static void soak_forked(struct stlb_soak *soak)
{
	struct soak_slot *slot;

	for (slot = soak->slot; slot < soak->slot + soak->slots; slot++)
		if (soak_is_cow(slot))
			WRITE_ONCE(slot->least, min(slot->least, SOAK_READ));
	soak_end(&soak->epoch);
	up_write(&soak->settle);
}

/*
 * While the child has the pages, too, neither the parent nor its devices may write
 * to them: the child would see it.
 */
static int soak_child_lives(struct stlb_run *run)
{
	struct stlb_soak *soak = container_of(run, struct stlb_soak, run);
	unsigned int i;

	for (i = 0; i < soak->slots; i++)
		soak_freeze(&soak->shared[i]);
	soak_forked(soak);
	usleep_range(1000, 20000);
	for (i = 0; i < soak->slots; i++)
		soak_drop(soak, soak->slot + i, &soak->shared[i]);
	return 0;
}

static void soak_fork(struct stlb_soak *soak)
{
	struct soak_slot *slot;
	unsigned int i;
	int ret;

	down_write(&soak->settle);
	soak_begin(&soak->epoch);
	for (i = 0; i < soak->slots; i++) {
		slot = soak->slot + i;
		if (soak_is_cow(slot) && slot->may != SOAK_NONE)
			soak_hold(soak, slot, &soak->shared[i]);
	}
	ret = __stlb_fork(&soak->run, soak_child_lives);
	if (ret) {
		soak_stop(soak, true, "fork: error %d", ret);
		/* If there was no child to do it. */
		if (soak->epoch & 1)
			soak_child_lives(&soak->run);
	}
	atomic_inc(&soak->op[SOAK_FORKS]);
}

/* A TLB that comes amid all this, is used, and goes. */
static void soak_come_and_go(struct stlb_soak *soak)
{
	unsigned int i;

	if (stlb_soft_register(&soak->guest, soak->run.mm)) {
		soak_stop(soak, true, "no subscription");
		return;
	}
	for (i = 0; i < 40 && !atomic_read(&soak->stop); i++) {
		soak_access(&soak->director, SOAK_GUEST);
		cond_resched();
	}
	stlb_soft_unregister(&soak->guest);
	atomic_inc(&soak->op[SOAK_GUESTS]);
}

/* The process exits under the eyes of its devices. */
static void soak_exit(struct stlb_soak *soak)
{
	struct soak_slot *slot;
	unsigned int i;

	soak_begin(&soak->epoch);
	for (i = 0; i < soak->slots; i++) {
		slot = soak->slot + i;
		soak_drop(soak, slot, &slot->held);
		if (slot->may != SOAK_NONE)
			soak_hold(soak, slot, &slot->held);
	}
	down_write(&soak->asking);
	soak->dead = true;
	up_write(&soak->asking);
	stlb_run_exit_mm(&soak->run);
	for (i = 0; i < soak->slots; i++) {
		slot = soak->slot + i;
		soak_freeze(&slot->held);
		WRITE_ONCE(slot->may, SOAK_NONE);
		WRITE_ONCE(slot->least, SOAK_NONE);
	}
	soak_end(&soak->epoch);
	atomic_inc(&soak->op[SOAK_EXITS]);
	msleep(soak->ops->pace ? 500 : 20);
	for (i = 0; i < soak->slots; i++)
		soak_drop(soak, soak->slot + i, &soak->slot[i].held);
}

static void soak_round(struct stlb_soak *soak, unsigned long end)
{
	const struct stlb_soak_ops *ops = soak->ops;
	struct soak_thread *director = &soak->director;
	unsigned int i;
	int ret;

	stlb_run_init(&soak->run, soak->test);
	stlb_open_clean(&soak->run);
	memset(soak->seen, 0, sizeof(soak->seen));
	memset(soak->next, 0, sizeof(soak->next));
	soak->dead = false;
	ret = soak_lay_out(soak) ? ops->bind(&soak->run) : -ENOMEM;
	if (ret)
		soak_stop(soak, true, "devices cannot be bound: error %d", ret);

	for (i = 0; i < soak->mutators && !ret; i++)
		soak_start(soak, &soak->mutator[i], soak_mutate, "soak_mutator");
	for (i = 0; i < ops->devices && !ret; i++)
		soak_start(soak, &soak->device[i], soak_device, "soak_device");

	end = time_before(end, jiffies + SOAK_ROUND) ? end : jiffies + SOAK_ROUND;
	while (time_before(jiffies, end) && !atomic_read(&soak->stop)) {
		msleep(soak_random(director, 60) + 50 * ops->pace);
		if (soak->turn++ & 1)
			soak_fork(soak);
		else if (guests)
			soak_come_and_go(soak);
	}

	for (i = 0; i < soak->mutators; i++)
		soak_join(&soak->mutator[i]);
	soak_exit(soak);
	for (i = 0; i < ops->devices; i++)
		soak_join(&soak->device[i]);
	ops->unbind(&soak->run);
	stlb_run_exit(&soak->run);
}

/* Accesses to a kind of memory that had to agree with what it allowed. */
static u64 soak_undisturbed(const struct stlb_soak *soak, unsigned int kind)
{
	u64 sum = soak->director.kind[kind];
	unsigned int i;

	for (i = 0; i < soak->ops->devices; i++)
		sum += soak->device[i].kind[kind];
	return sum;
}

/**
 * stlb_soak() - what a case of a soak suite does
 * @test: the case
 * @ops: the devices
 *
 * For as long as the parameter secondary_tlb_soak.seconds says, with
 * secondary_tlb_soak.seed; KUnit ends a case after 300 seconds. Ends at the first
 * access that is not as it must be, with the verdict "stale". Nobody but the soak
 * may change its mappings: where memory is short, reclaim and compaction do.
 *
 * Context: may sleep; the test's thread has no address space of its own.
 */
void stlb_soak(struct kunit *test, const struct stlb_soak_ops *ops)
{
	unsigned int s = seed ?: get_random_u32(), i;
	u64 changes = 0, accesses = 0, raced = 0, refused = 0;
	unsigned long start = jiffies, end, ms;
	struct stlb_soak *soak;

	soak = kunit_kzalloc(test, sizeof(*soak), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, soak);
	soak->test = test;
	soak->ops = ops;
	init_rwsem(&soak->settle);
	init_rwsem(&soak->asking);
	pr_info("stlb: soak: %s: secondary_tlb_soak.seed=%u\n", ops->suite, s);

	/*
	 * Two that change mappings at the same time make the kernel invalidate all
	 * of the process, see tlb_finish_mmu(). What is stale is gone then, before
	 * a slow device has met it.
	 */
	soak->mutators = ops->pace ? 1 : SOAK_MUTATORS;
	for (i = 0; i < soak->mutators; i++) {
		soak->mutator[i].soak = soak;
		soak->mutator[i].nr = i;
		prandom_seed_state(&soak->mutator[i].rnd, s + i);
	}
	for (i = 0; i < ops->devices; i++) {
		soak->device[i].soak = soak;
		soak->device[i].nr = i;
		prandom_seed_state(&soak->device[i].rnd, s + 100 + i);
	}
	soak->director.soak = soak;
	prandom_seed_state(&soak->director.rnd, s + 1000);

	end = start + (seconds ?: ops->seconds) * HZ;
	do {
		soak_round(soak, end);
	} while (!atomic_read(&soak->stop) && time_before(jiffies, end));
	ms = jiffies_to_msecs(jiffies - start) ?: 1;

	for (i = 0; i < soak->mutators; i++)
		changes += soak->mutator[i].done;
	for (i = 0; i < ops->devices; i++) {
		accesses += soak->device[i].done;
		raced += soak->device[i].raced;
		refused += soak->device[i].refused;
	}
	accesses += soak->director.done;
	raced += soak->director.raced;
	refused += soak->director.refused;
	for (i = 0; i < SOAK_OPS; i++)
		pr_info("stlb: soak: %s: op %s %d\n", ops->suite,
			i < SOAK_FORKS ? soak_ops[i].name :
			i == SOAK_FORKS ? "fork" :
			i == SOAK_GUESTS ? "subscriber" : "exit",
			atomic_read(&soak->op[i]));
	for (i = 0; i < SOAK_KINDS; i++)
		pr_info("stlb: soak: %s: kind %s %d of one piece %llu undisturbed\n",
			ops->suite, soak_kinds[i].name,
			atomic_read(&soak->filled[i]), soak_undisturbed(soak, i));
	pr_info("stlb: soak: %s: total %lu ms %llu changes %llu accesses %llu raced %llu refused\n",
		ops->suite, ms, changes, accesses, raced, refused);

	/* A soak in which devices did nothing, or met nothing, has shown nothing. */
	KUNIT_EXPECT_FALSE_MSG(test, soak->broken, "%s", soak->what);
	KUNIT_EXPECT_GT(test, changes, 0ULL);
	for (i = 0; i < ops->devices && !atomic_read(&soak->stop); i++)
		KUNIT_EXPECT_GT_MSG(test, soak->device[i].done, soak->device[i].raced,
				    "device %u was always disturbed", i);
	stlb_verdict(test, ops->suite, atomic_read(&soak->stop) && !soak->broken,
		     "%llu changes, %llu accesses: %s", changes, accesses,
		     soak->what[0] ? soak->what : "as they must be");
}

/* Devices that are TLBs in software: one that walks when asked, one that is eager. */
#define SOAK_SOFT	3

static struct stlb_soft soak_soft[SOAK_SOFT];

static int soak_soft_bind(struct stlb_run *run)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < SOAK_SOFT && !ret; i++) {
		ret = stlb_soft_register(&soak_soft[i], run->mm);
		soak_soft[i].eager = i == 1;
	}
	return ret;
}

static void soak_soft_unbind(struct stlb_run *run)
{
	unsigned int i;

	for (i = 0; i < SOAK_SOFT; i++)
		stlb_soft_unregister(&soak_soft[i]);
}

static int soak_soft_access(struct stlb_run *run, unsigned int dev,
			    unsigned long va, bool write, u32 *val)
{
	return stlb_soft_access_once(&soak_soft[dev], va, write, val);
}

static const struct stlb_soak_ops soak_soft_ops = {
	.suite		= "stlb_soak_soft",
	.devices	= SOAK_SOFT,
	.seconds	= 2,
	.bind		= soak_soft_bind,
	.unbind		= soak_soft_unbind,
	.access		= soak_soft_access,
};

static void soak(struct kunit *test)
{
	stlb_soak(test, &soak_soft_ops);
}

static struct kunit_case soak_test_cases[] = {
	KUNIT_CASE(soak),
	{}
};

static struct kunit_suite soak_test_suite = {
	.name		= "stlb_soak_soft",
	.test_cases	= soak_test_cases,
};

kunit_test_suite(soak_test_suite);
