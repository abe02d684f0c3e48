// SPDX-License-Identifier: GPL-2.0-only
/*
 * Permission upgrades seen by a TLB in software: read through it, upgrade,
 * write through it.
 */
#include <kunit/test.h>
#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/lockdep.h>
#include <linux/mman.h>
#include <linux/pagemap.h>
#include <linux/rmap.h>
#include <linux/secondary_tlb_compat.h>
#include <linux/secondary_tlb_kunit.h>
#include <linux/swap.h>
#include <linux/uaccess.h>
#include <linux/unistd.h>
#include <linux/userfaultfd.h>
#include <linux/workqueue.h>

#include <asm/tlb.h>

#define SOFT_SUITE	"secondary_tlb_soft"

/*
 * @loaded: the TLB has cached what soft_moved() offered
 * @held: what @late has found, which looks when the locks of a change are gone.
 * @stops: how often soft_stop() was called; @here: somebody waits there for @go_on
 * @to: the new address of what is moved; @lock: what keeps the move from going on
 *	while @locked; @seen: the first page has moved by then; @migrated: it has been
 *	unmapped at @to, by @cpu
 * @unlocked: a table was unshared without the lock of the file's mappings
 * @offset: where in its file the memory is; @mapped: another process has mapped it
 * @table: the table that MADV_DONTNEED unlinks; @reused: it was linked again while the
 *	device held an old page
 */
struct soft_test {
	struct stlb_run run;
	struct stlb_soft soft;
	struct stlb_late late;
	struct stlb_helper helper;
	bool loaded;
	bool held;
	unsigned int stops;
	struct completion here;
	struct completion go_on;
	struct stlb_uffd uffd;
	struct folio *folio;
	long ret;
	u32 val;
	unsigned long to;
	spinlock_t *lock;	/* the kernel's, see @lock above */
	struct delayed_work unlock;
	unsigned int cpu;
	bool locked;
	bool seen;
	bool migrated;
	bool unlocked;
	unsigned long offset;
	bool mapped;
	unsigned long table;
	bool reused;
};

static void soft_test_scenario(struct kunit *test,
			       const struct stlb_scenario *scenario)
{
	struct soft_test *t = test->priv;

	t->soft.eager = true;
	stlb_test_device(&t->run, scenario, &t->soft.dev);
	KUNIT_EXPECT_EQ_MSG(test, t->soft.cache.nr, 0,
			    "translations outlive what they map");
}

#define STLB_SCENARIO(_name)						\
	static void _name(struct kunit *test)				\
	{								\
		soft_test_scenario(test, &stlb_scenarios[STLB_##_name]); \
	}

#include <linux/secondary_tlb_scenarios.h>

/*
 * The same with a walker that loads another entry of a contiguous range than that of the
 * address.
 */
#define SOFT_ANY_ENTRY(_name)						\
	static void any_entry_##_name(struct kunit *test)		\
	{								\
		struct soft_test *t = test->priv;			\
									\
		t->soft.any_entry = true;				\
		soft_test_scenario(test, &stlb_scenarios[STLB_##_name]);	\
	}

#ifdef CONFIG_ARM64_CONTPTE
SOFT_ANY_ENTRY(fold_store_cont_pte)
SOFT_ANY_ENTRY(fold_request_cont_pte)
SOFT_ANY_ENTRY(fold_read_dirty_cont_pte)
#endif
SOFT_ANY_ENTRY(hugetlb_private_cont_pte)
SOFT_ANY_ENTRY(hugetlb_fork_cont_pte)
SOFT_ANY_ENTRY(hugetlb_shared_request_cont_pte)

/* A translation that the TLB holds read-only, upgraded. */
static bool soft_upgrade_is_stale(struct soft_test *t, enum stlb_scenario_id id,
				  unsigned long *va)
{
	const struct stlb_scenario *scenario = &stlb_scenarios[id];
	struct stlb_device *dev = &t->soft.dev;
	struct stlb_run *run = &t->run;
	u32 val;

	stlb_map(run, scenario);
	KUNIT_ASSERT_EQ(run->test, 0, dev->ops->read(dev, run->start, &val));
	stlb_upgrade(run, scenario, run->start);
	/* What the kernel under test may have failed to do. */
	stlb_invalidate(run->mm, run->start, run->start + run->size);
	return dev->ops->stale(dev, run->start, run->start + run->size, va);
}

/*
 * No invalidation of an upgrade reaches the TLB, whichever code sends it. The device asks
 * for the page once. The entry allows the access by then, and the answer must not leave
 * the old translation in the TLB, nor a part of it.
 */
static void soft_test_swallowed(struct kunit *test, enum stlb_scenario_id id)
{
	const struct stlb_scenario *scenario = &stlb_scenarios[id];
	struct soft_test *t = test->priv;
	struct stlb_device *dev = &t->soft.dev;
	struct stlb_run *run = &t->run;
	unsigned long va, end, dropped;
	int ret;
	u32 val;

	stlb_map(run, scenario);
	end = run->start + run->size;
	KUNIT_ASSERT_EQ(test, 0, dev->ops->read(dev, run->start, &val));
	WRITE_ONCE(t->soft.deaf, true);
	stlb_upgrade(run, scenario, run->start);
	WRITE_ONCE(t->soft.deaf, false);
	KUNIT_ASSERT_TRUE(test, dev->ops->stale(dev, run->start, end, &va));

	dev->ops->dropped(dev);
	t->soft.requests = 0;
	ret = dev->ops->write(dev, run->start, 0x5a5a5a5a);
	dropped = dev->ops->dropped(dev);
	if (!ret) {
		KUNIT_EXPECT_EQ(test, t->soft.requests, 1UL);
		KUNIT_EXPECT_EQ(test, dropped, run->size);
		KUNIT_EXPECT_EQ(test, stlb_cpu_read(run, run->start), 0x5a5a5a5a);
		KUNIT_EXPECT_FALSE(test, dev->ops->stale(dev, run->start, end, &va));
	}
	stlb_verdict(test, SOFT_SUITE, ret, "%s after %lu page requests",
		     ret ? "stuck" : "through", t->soft.requests);
}

#define SOFT_SWALLOWED(_name)						\
	static void swallowed_##_name(struct kunit *test)		\
	{								\
		soft_test_swallowed(test, STLB_##_name);		\
	}

SOFT_SWALLOWED(shm_store_pte)
SOFT_SWALLOWED(shm_request_pte)
SOFT_SWALLOWED(fork_gup_pte)
SOFT_SWALLOWED(pfn_store_pte)
SOFT_SWALLOWED(mixed_store_pte)
SOFT_SWALLOWED(thp_fork_gup_pmd)
SOFT_SWALLOWED(thp_free_store_pmd)
#ifdef CONFIG_ARM64_CONTPTE
SOFT_SWALLOWED(fold_store_cont_pte)
SOFT_SWALLOWED(fold_request_cont_pte)
#endif
SOFT_SWALLOWED(hugetlb_shared_cont_pte)
SOFT_SWALLOWED(hugetlb_fork_pmd)
SOFT_SWALLOWED(hugetlb_private_cont_pmd)
SOFT_SWALLOWED(hugetlb_request_pud)

/* The suite is worth nothing if its device cannot go stale. */
static void sees_missing_call(struct kunit *test)
{
	struct soft_test *t = test->priv;
	struct stlb_device *dev = &t->soft.dev;
	unsigned long va;

	t->soft.deaf = true;
	KUNIT_EXPECT_TRUE(test, soft_upgrade_is_stale(t, STLB_shm_store_pte, &va));
	KUNIT_EXPECT_EQ(test, va, t->run.start);
	KUNIT_EXPECT_EQ(test, -EFAULT, dev->ops->write(dev, va, 1));
	KUNIT_EXPECT_GT(test, t->soft.requests, 1UL);

	t->soft.deaf = false;
	stlb_invalidate(t->run.mm, va, va + PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, 0, dev->ops->write(dev, va, 1));
}

static void sees_short_range(struct kunit *test)
{
	struct soft_test *t = test->priv;
	unsigned long va;

	t->soft.shorten = PAGE_SIZE;
	KUNIT_EXPECT_TRUE(test, soft_upgrade_is_stale(t, STLB_hugetlb_private_cont_pte, &va));
	KUNIT_EXPECT_EQ(test, va, t->run.start + t->run.size - PAGE_SIZE);
}

/* Told before the entry is written, it caches the old one again. */
static void sees_early_call(struct kunit *test)
{
	const struct stlb_scenario *scenario = &stlb_scenarios[STLB_shm_store_pte];
	struct soft_test *t = test->priv;
	struct stlb_device *dev = &t->soft.dev;
	unsigned long va;
	u32 val;

	t->soft.eager = true;
	stlb_map(&t->run, scenario);
	KUNIT_ASSERT_EQ(test, 0, dev->ops->read(dev, t->run.start, &val));
	stlb_invalidate(t->run.mm, t->run.start, t->run.start + PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, dev->ops->dropped(dev), PAGE_SIZE);
	t->soft.deaf = true;
	stlb_upgrade(&t->run, scenario, t->run.start);
	KUNIT_EXPECT_TRUE(test, dev->ops->stale(dev, t->run.start,
						t->run.start + PAGE_SIZE, &va));
}

static void full_range_is_coherent(struct kunit *test)
{
	struct soft_test *t = test->priv;
	unsigned long va;

	KUNIT_EXPECT_FALSE(test, soft_upgrade_is_stale(t, STLB_hugetlb_private_cont_pte, &va));
}

/* Ranges that are cut out of what one walk has filled in. */
static void range_arithmetic(struct kunit *test)
{
	static const struct {
		unsigned int start, end;	/* in pages of the block */
		unsigned int byte_start, byte_end;
	} cut[] = {
		{ 0, 1 }, { 1, 2 }, { 3, 7 }, { 15, 16 }, { 0, 16 },
		{ 2, 3, 1, 1 }, { 8, 9, 1000, 1000 }, { 4, 9, 4095, 0 },
	};
	struct soft_test *t = test->priv;
	struct stlb_device *dev = &t->soft.dev;
	unsigned long start;
	unsigned int i, page, first, end;
	u32 val;

	stlb_map(&t->run, &stlb_scenarios[STLB_hugetlb_private_cont_pte]);
	start = t->run.start;
	for (i = 0; i < ARRAY_SIZE(cut); i++) {
		KUNIT_ASSERT_EQ(test, 0, dev->ops->read(dev, start, &val));
		stlb_invalidate(t->run.mm,
				start + cut[i].start * PAGE_SIZE + cut[i].byte_start,
				start + cut[i].end * PAGE_SIZE - cut[i].byte_end);
		first = cut[i].start;
		end = cut[i].end;
		for (page = 0; page < 16; page++)
			KUNIT_EXPECT_EQ_MSG(test, page < first || page >= end,
					    dev->ops->holds(dev, start + page * PAGE_SIZE),
					    "cut %u page %u", i, page);
		/* Everything, as a nested mmu_gather says it. */
		stlb_invalidate(t->run.mm, ~0UL, ~0UL);
		KUNIT_EXPECT_EQ(test, t->soft.cache.nr, 0);
	}
}

/* munmap() must empty it, or the next owner of the page is written to. */
static void munmap_empties(struct kunit *test)
{
	struct soft_test *t = test->priv;
	struct stlb_device *dev = &t->soft.dev;
	u32 val;

	stlb_map_written(&t->run, STLB_PTE, false);
	KUNIT_ASSERT_EQ(test, 0, dev->ops->read(dev, t->run.start, &val));
	KUNIT_ASSERT_TRUE(test, dev->ops->holds(dev, t->run.start));
	stlb_syscall(__NR_munmap, t->run.start, PAGE_SIZE, 0, 0);
	KUNIT_EXPECT_FALSE(test, dev->ops->holds(dev, t->run.start));
	KUNIT_EXPECT_EQ(test, -EFAULT, dev->ops->read(dev, t->run.start, &val));
}

/*
 * The page table has nothing there any more, and no lock keeps others from the
 * page at its new address: does the device hold the translation?
 */
static void soft_look_late(struct stlb_late *late)
{
	struct soft_test *t = container_of(late, struct soft_test, late);
	struct stlb_device *dev = &t->soft.dev;

	t->held = dev->ops->holds(dev, late->va);
}

/* The device has written to it, and it is moved to another address. */
static void soft_test_move(struct kunit *test,
			   unsigned long (*move)(struct stlb_run *run))
{
	struct soft_test *t = test->priv;
	struct stlb_device *dev = &t->soft.dev;
	struct stlb_run *run = &t->run;
	unsigned long to;
	u32 val;

	stlb_cpu_write(run, run->start, 1);
	KUNIT_ASSERT_EQ(test, 0, dev->ops->write(dev, run->start, 0x44444444));
	KUNIT_ASSERT_TRUE(test, dev->ops->holds(dev, run->start));
	KUNIT_ASSERT_EQ(test, 0, stlb_late_register(&t->late, run, soft_look_late));
	to = move(run);

	KUNIT_ASSERT_TRUE(test, t->late.acted);
	KUNIT_EXPECT_FALSE(test, dev->ops->holds(dev, run->start));
	KUNIT_EXPECT_EQ(test, -EFAULT, dev->ops->read(dev, run->start, &val));
	KUNIT_EXPECT_EQ(test, 0, dev->ops->read(dev, to, &val));
	KUNIT_EXPECT_EQ(test, val, 0x44444444);
	stlb_verdict(test, SOFT_SUITE, t->held,
		     "without a lock, the device %s what was moved",
		     t->held ? "holds" : "has forgotten");
}

static void soft_test_mremap(struct kunit *test)
{
	soft_test_move(test, stlb_mremap);
}

static void mremap_pte(struct kunit *test)
{
	struct soft_test *t = test->priv;

	stlb_map_private(&t->run, STLB_PTE, false);
	soft_test_mremap(test);
}

/* move_normal_pmd(): the table moves, with all that is in it */
static void mremap_table(struct kunit *test)
{
	struct soft_test *t = test->priv;

	stlb_map_private(&t->run, STLB_PMD, false);
	soft_test_mremap(test);
}

/* move_normal_pud(): the same with a table of tables */
static void mremap_big_table(struct kunit *test)
{
	struct soft_test *t = test->priv;

	if (mm_pud_folded(t->run.mm))
		kunit_skip(test, "pages of this size have no tables of tables");
	stlb_map_private(&t->run, STLB_PUD, false);
	soft_test_mremap(test);
}

static void mremap_pmd(struct kunit *test)
{
	struct soft_test *t = test->priv;

	stlb_map_written(&t->run, STLB_PMD, true);
	soft_test_mremap(test);
}

static void soft_test_mremap_hugetlb(struct kunit *test, enum stlb_level level)
{
	struct soft_test *t = test->priv;

	stlb_map_hugetlb(&t->run, level, MAP_PRIVATE);
	soft_test_mremap(test);
}

static void mremap_hugetlb_cont_pte(struct kunit *test)
{
	soft_test_mremap_hugetlb(test, STLB_CONT_PTE);
}

static void mremap_hugetlb_pmd(struct kunit *test)
{
	soft_test_mremap_hugetlb(test, STLB_PMD);
}

static void mremap_hugetlb_cont_pmd(struct kunit *test)
{
	soft_test_mremap_hugetlb(test, STLB_CONT_PMD);
}

/* Either table has a lock of its own. */
static void mremap_hugetlb_far_pmd(struct kunit *test)
{
	struct soft_test *t = test->priv;

	stlb_map_hugetlb(&t->run, STLB_PMD, MAP_PRIVATE);
	soft_test_move(test, stlb_mremap_far);
}

/* Moved there, used there, and back again, as the driver does not like it. */
static void soft_moved(struct stlb_run *run, unsigned long to)
{
	struct soft_test *t = container_of(run, struct soft_test, run);

	stlb_soft_load(&t->soft, to);
	t->loaded = t->soft.dev.ops->holds(&t->soft.dev, to);
	t->late.va = to;
}

static void mremap_back_pte(struct kunit *test)
{
	struct soft_test *t = test->priv;

	stlb_map_immovable(&t->run, soft_moved);
	KUNIT_ASSERT_EQ(test, 0, stlb_late_register(&t->late, &t->run,
						    soft_look_late));
	/* The way there does not count. */
	t->late.va = 0;
	stlb_mremap_fails(&t->run);

	KUNIT_ASSERT_TRUE(test, t->late.acted);
	KUNIT_ASSERT_TRUE(test, t->loaded);
	stlb_verdict(test, SOFT_SUITE, t->held,
		     "without a lock, the device %s what was moved back",
		     t->held ? "holds" : "has forgotten");
}

/* Whoever calls this waits until the test has done what it wants to do then. */
static void soft_stop(struct soft_test *t)
{
	complete(&t->here);
	wait_for_completion(&t->go_on);
}

static bool soft_wait_for_stop(struct soft_test *t)
{
	return wait_for_completion_timeout(&t->here, 20 * HZ);
}

static void soft_reclaim(struct stlb_helper *helper)
{
	struct soft_test *t = container_of(helper, struct soft_test, helper);

	t->folio = stlb_reclaim(&t->run);
}

static void soft_moved_and_reclaimed(struct stlb_late *late)
{
	struct soft_test *t = container_of(late, struct soft_test, late);

	if (!stlb_helper_call(&t->helper))
		t->ret = -ETIMEDOUT;
	soft_look_late(late);
}

/*
 * The page is moved, found at its new address by reclaim, and freed. Nobody who
 * still has its old address can be told by then: nothing is mapped there.
 */
static void mremap_reclaim_pte(struct kunit *test)
{
	struct soft_test *t = test->priv;
	struct stlb_device *dev = &t->soft.dev;
	struct stlb_run *run = &t->run;

	stlb_map_file_page(run);
	KUNIT_ASSERT_EQ(test, 0, dev->ops->write(dev, run->start, 0x44444444));
	t->helper.mm = run->mm;
	t->helper.fn = soft_reclaim;
	KUNIT_ASSERT_EQ(test, 0, stlb_helper_start(&t->helper));
	KUNIT_ASSERT_EQ(test, 0, stlb_late_register(&t->late, run,
						    soft_moved_and_reclaimed));
	stlb_mremap_merged(run);

	KUNIT_ASSERT_TRUE(test, t->late.acted);
	KUNIT_ASSERT_EQ(test, 0L, t->ret);
	KUNIT_ASSERT_NOT_NULL_MSG(test, t->folio, "the page was not reclaimed");
	KUNIT_EXPECT_EQ(test, folio_ref_count(t->folio), 1);
	stlb_verdict(test, SOFT_SUITE, t->held,
		     "the page is free, and the device %s it",
		     t->held ? "holds" : "has forgotten");
}

/*
 * Keep mremap() from going on, by a lock that it needs, and have the page that it has
 * moved unmapped as migration does. That may sleep, so the lock is taken from below
 * what counts for preemption. If the page cannot be unmapped as long as mremap() is
 * under way, the lock is released in time for mremap() to end.
 */
static void soft_unlock(struct soft_test *t)
{
	if (xchg(&t->locked, false))
		arch_spin_unlock(&t->lock->rlock.raw_lock);
}

static void soft_unlock_work(struct work_struct *work)
{
	soft_unlock(container_of(to_delayed_work(work), struct soft_test, unlock));
}

static void soft_migrate_moved(struct stlb_helper *helper)
{
	struct soft_test *t = container_of(helper, struct soft_test, helper);
	struct stlb_device *dev = &t->soft.dev;
	unsigned long timeout = jiffies + 10 * HZ;
	struct stlb_leaf leaf;
	struct folio *folio;

	set_cpus_allowed_ptr(current, cpumask_of(t->cpu));
	arch_spin_lock(&t->lock->rlock.raw_lock);
	WRITE_ONCE(t->locked, true);
	complete(&t->here);
	do {
		cond_resched();
		stlb_walk(helper->mm, t->to, &leaf);
	} while (!leaf.valid && time_before(jiffies, timeout));

	t->seen = leaf.valid;
	if (t->seen) {
		schedule_delayed_work_on(t->cpu, &t->unlock, HZ / 2);
		folio = stlb_migrate_begin(helper->mm, t->to);
		t->migrated = folio;
		t->held = dev->ops->holds(dev, t->run.start);
		soft_unlock(t);
		if (folio)
			stlb_migrate_end(folio);
	}
	soft_unlock(t);
}

/*
 * The first of two private pages is moved, and migrated by its new address before the
 * second is:
 *
 *	mremap()			migration
 *	--------			---------
 *	moves the first page
 *					finds it by its anon_vma
 *					unmaps it at the new address
 *					copies it
 *	invalidates the old address
 *
 * What is written by the old address after the copy is lost. The move of the second
 * page waits for its PTL, or with @table for the lock under which a table is added.
 */
static void soft_test_mremap_migrate(struct kunit *test, bool table)
{
	struct soft_test *t = test->priv;
	struct stlb_device *dev = &t->soft.dev;
	struct stlb_run *run = &t->run;
	unsigned int cpu = cpumask_first(cpu_online_mask);
	struct cpumask cpus;
	bool here, done;
	long ret = 0;

	if (num_online_cpus() < 2)
		kunit_skip(test, "mremap() and migration need a CPU each");
	stlb_map_hugetlb_across(run);
	t->to = stlb_room_across(run, !table);
	KUNIT_ASSERT_EQ(test, 0, dev->ops->write(dev, run->start, 0x44444444));
	KUNIT_ASSERT_TRUE(test, dev->ops->holds(dev, run->start));
	t->lock = table ? &run->mm->page_table_lock :
			  stlb_ptl(run->mm, run->start + PMD_SIZE);
	KUNIT_ASSERT_NOT_NULL(test, t->lock);

	INIT_DELAYED_WORK(&t->unlock, soft_unlock_work);
	t->cpu = cpumask_next(cpu, cpu_online_mask);
	t->helper.mm = run->mm;
	t->helper.fn = soft_migrate_moved;
	KUNIT_ASSERT_EQ(test, 0, stlb_helper_start(&t->helper));
	cpumask_copy(&cpus, current->cpus_ptr);
	set_cpus_allowed_ptr(current, cpumask_of(cpu));
	complete(&t->helper.go);
	here = soft_wait_for_stop(t);
	if (here)
		ret = stlb_mremap_to(run->start, run->size, t->to);
	done = wait_for_completion_timeout(&t->helper.done, 20 * HZ);
	set_cpus_allowed_ptr(current, &cpus);
	cancel_delayed_work_sync(&t->unlock);

	KUNIT_ASSERT_TRUE(test, here && done);
	KUNIT_ASSERT_EQ(test, ret, (long)t->to);
	KUNIT_ASSERT_TRUE_MSG(test, t->seen, "nothing was moved while the lock was held");
	KUNIT_ASSERT_TRUE_MSG(test, t->migrated, "the page was not unmapped");
	KUNIT_EXPECT_FALSE(test, dev->ops->holds(dev, run->start));
	KUNIT_EXPECT_EQ(test, stlb_cpu_read(run, t->to), 0x44444444);
	stlb_verdict(test, SOFT_SUITE, t->held,
		     "the page is unmapped, and the device %s it",
		     t->held ? "holds" : "does not hold");
}

static void mremap_migrate_pmd(struct kunit *test)
{
	soft_test_mremap_migrate(test, false);
}

static void mremap_migrate_table_pmd(struct kunit *test)
{
	soft_test_mremap_migrate(test, true);
}

/*
 * A page is moved while it is under migration: nothing may be left of it at its old
 * address, in none of the entries. A later mapping there would find it.
 */
static void mremap_migrating_cont_pte(struct kunit *test)
{
	struct soft_test *t = test->priv;
	struct stlb_run *run = &t->run;
	struct mm_struct *mm = run->mm;
	unsigned int left = 0;
	struct stlb_leaf leaf;
	struct folio *folio;
	unsigned long va, to;

	stlb_map_hugetlb(run, STLB_CONT_PTE, MAP_PRIVATE);
	stlb_cpu_write(run, run->start, 0x44444444);
	folio = stlb_migrate_begin(mm, run->start);
	KUNIT_ASSERT_NOT_NULL(test, folio);
	/* Until it is mapped again nothing may end the case. */
	to = vm_mmap(NULL, 0, 2 * run->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, 0);
	if (!IS_ERR_VALUE(to)) {
		to = ALIGN(to, run->size);
		t->ret = stlb_mremap_to(run->start, run->size, to);
		for (va = run->start; va < run->start + run->size; va += PAGE_SIZE) {
			stlb_walk(mm, va, &leaf);
			if (t->ret != (long)to || !leaf.present)
				continue;
			left++;
			/* Else the end of the address space would find it. */
			pte_clear(mm, va, leaf.ptep);
		}
	}
	stlb_migrate_end(folio);

	KUNIT_ASSERT_EQ(test, t->ret, (long)to);
	KUNIT_EXPECT_EQ(test, stlb_cpu_read(run, to), 0x44444444);
	va = vm_mmap(NULL, run->start, run->size, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, 0);
	KUNIT_ASSERT_EQ(test, va, run->start);
	for (; va < run->start + run->size; va += PAGE_SIZE) {
		KUNIT_EXPECT_EQ(test, stlb_cpu_read(run, va), 0);
		stlb_cpu_write(run, va, 3);
	}
	stlb_verdict(test, SOFT_SUITE, left, "%u entries are left", left);
}

/*
 * Two processes share a table of PMDs, of a hugetlb file. A change to the mapping of one of
 * them unlinks the table there, and the other process may free it from then on. So all that
 * a TLB may have cached of the table must be invalidated. The device loads again what an
 * invalidation has removed, as long as the table is linked: one that comes too early shows.
 */
static void soft_watch_lock(struct stlb_late *late)
{
	struct soft_test *t = container_of(late, struct soft_test, late);

	if (!rwsem_is_locked(&t->run.file->f_mapping->i_mmap_rwsem))
		t->unlocked = true;
}

static unsigned int soft_held_of_shared(struct soft_test *t)
{
	struct stlb_device *dev = &t->soft.dev;
	unsigned int i, held = 0;

	for (i = 0; i < STLB_SHARED_PAGES; i++)
		held += dev->ops->holds(dev, stlb_shared_page(&t->run, i));
	return held;
}

/*
 * With the lock of the file's mappings the other process cannot free the table. 6.1 ends
 * the change inside of it, and invalidates before it is released.
 */
static void soft_look_at_shared(struct stlb_late *late)
{
	struct soft_test *t = container_of(late, struct soft_test, late);

	t->seen = true;
	if (rwsem_is_locked(&t->run.file->f_mapping->i_mmap_rwsem))
		late->acted = false;	/* until the next one */
	else
		t->held = soft_held_of_shared(t);
}

static void soft_share_table(struct kunit *test)
{
	struct soft_test *t = test->priv;
	struct stlb_device *dev = &t->soft.dev;
	struct stlb_run *run = &t->run;
	unsigned int i;
	u32 val;

	stlb_map_shared_table(run);
	t->soft.eager = true;
	for (i = 0; i < STLB_SHARED_PAGES; i++) {
		KUNIT_ASSERT_EQ(test, 0, dev->ops->read(dev, stlb_shared_page(run, i), &val));
		KUNIT_EXPECT_EQ(test, val, i);
	}
	KUNIT_ASSERT_EQ(test, soft_held_of_shared(t), STLB_SHARED_PAGES);
	KUNIT_ASSERT_EQ(test, 0, stlb_late_register(&t->late, run, soft_look_at_shared));
}

static void soft_expect_unshared(struct kunit *test, const char *wrong)
{
	struct soft_test *t = test->priv;
	struct stlb_run *run = &t->run;
	unsigned int held = soft_held_of_shared(t);

	KUNIT_ASSERT_TRUE_MSG(test, t->seen, "nothing was unshared");
	KUNIT_EXPECT_FALSE_MSG(test, stlb_table_is_shared(run), "the table is shared still");
	KUNIT_EXPECT_TRUE_MSG(test, stlb_other_has_all(run), "the other process lost a page");
	stlb_verdict_word(test, SOFT_SUITE, held || t->held ? "stale" : wrong,
			  "%u of %u pages cached by the table that was given up%s%s", held,
			  STLB_SHARED_PAGES, t->held ? ", and some without a lock" : "",
			  wrong ? ", which was done without a lock" : "");
}

/* A VMA is split: the flag that it gets has to do with fork() only. */
static void shared_table_split_pmd(struct kunit *test)
{
	struct soft_test *t = test->priv;
	struct stlb_run *run = &t->run;
	long ret;

	t->late.before = soft_watch_lock;
	soft_share_table(test);
	/* The kernel asserts it as well, and would end a run of the suites by that. */
	lockdep_off();
	ret = stlb_syscall(__NR_madvise, stlb_shared_page(run, 1), PMD_SIZE,
			   MADV_DONTFORK, 0);
	lockdep_on();
	KUNIT_ASSERT_EQ(test, 0L, ret);
	soft_expect_unshared(test, t->unlocked ? "freed" : NULL);
}

static void soft_change_shared(struct kunit *test, int nr, unsigned long arg)
{
	struct soft_test *t = test->priv;
	struct stlb_run *run = &t->run;
	long ret;

	soft_share_table(test);
	/* It may split the VMA, see above. */
	lockdep_off();
	ret = stlb_syscall(nr, stlb_shared_page(run, 1), PMD_SIZE, arg, 0);
	lockdep_on();
	KUNIT_ASSERT_EQ(test, 0L, ret);
	soft_expect_unshared(test, NULL);
}

static void shared_table_mprotect_pmd(struct kunit *test)
{
	soft_change_shared(test, __NR_mprotect, PROT_READ);
}

static void shared_table_munmap_pmd(struct kunit *test)
{
	soft_change_shared(test, __NR_munmap, 0);
}

static void shared_table_dontneed_pmd(struct kunit *test)
{
	soft_change_shared(test, __NR_madvise, MADV_DONTNEED);
}

/*
 * MADV_COLLAPSE copies small pages to a huge page and gives up their table. What the
 * device has cached of the pages must be gone, and what it has written be there.
 */
static void soft_test_collapse(struct kunit *test, bool shared)
{
	struct soft_test *t = test->priv;
	struct stlb_device *dev = &t->soft.dev;
	struct stlb_run *run = &t->run;
	unsigned long va, at = 0;
	struct stlb_leaf leaf;
	unsigned int i;
	bool stale;
	long ret;
	u32 val;

	if (!has_transparent_hugepage())
		kunit_skip(test, "no transparent huge pages on this CPU");
	if (shared)
		stlb_map_shared_pages(run);
	else
		stlb_map_private(run, STLB_PMD, false);
	for (i = 0; i < stlb_triggers(run); i++) {
		va = stlb_trigger(run, i);
		stlb_cpu_write(run, va, 0);
		KUNIT_ASSERT_EQ(test, 0, dev->ops->write(dev, va, 0x44444440 + i));
		KUNIT_ASSERT_TRUE(test, dev->ops->holds(dev, va));
	}
	stlb_walk(run->mm, run->start, &leaf);
	KUNIT_ASSERT_LT(test, leaf.size, PMD_SIZE);
	lru_add_drain_all();
	ret = stlb_syscall(__NR_madvise, run->start, run->size, MADV_COLLAPSE, 0);
	if (ret)
		kunit_skip(test, "MADV_COLLAPSE of such memory: %ld", ret);

	stale = dev->ops->stale(dev, run->start, run->start + run->size, &at);
	for (i = 0; i < stlb_triggers(run); i++) {
		va = stlb_trigger(run, i);
		KUNIT_EXPECT_EQ(test, stlb_cpu_read(run, va), 0x44444440 + i);
		if (stale)
			continue;
		KUNIT_EXPECT_EQ(test, 0, dev->ops->read(dev, va, &val));
		KUNIT_EXPECT_EQ(test, val, 0x44444440 + i);
	}
	stlb_walk(run->mm, run->start, &leaf);
	KUNIT_EXPECT_EQ(test, leaf.size, PMD_SIZE);
	stlb_verdict(test, SOFT_SUITE, stale, "0x%lx is %s by an old page", at,
		     stale ? "cached" : "not cached");
}

static void collapse_private_pmd(struct kunit *test)
{
	soft_test_collapse(test, false);
}

static void collapse_shared_pmd(struct kunit *test)
{
	soft_test_collapse(test, true);
}

/*
 * Another process maps the same memory, and collapses it. retract_page_tables() unlinks
 * the table of the first process without that process' mmap_lock. The first process may be
 * moving the memory meanwhile:
 *
 *	first process: mremap()			another: MADV_COLLAPSE
 *	-----------------------			----------------------
 *	links the VMA at the new address
 *						copies the pages to a huge page
 *						unlinks the table at the old address
 *	finds no table to move
 */
static void soft_other(struct stlb_helper *helper)
{
	struct soft_test *t = container_of(helper, struct soft_test, helper);
	unsigned long start = t->run.start;

	if (t->mapped) {
		t->ret = stlb_syscall(__NR_madvise, start, PMD_SIZE, MADV_COLLAPSE, 0);
		return;
	}
	t->mapped = true;
	t->ret = vm_mmap(t->run.file, start, PMD_SIZE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, t->offset);
	if (t->ret == start)
		t->ret = get_user(t->val, (u32 __user *)start);
}

static void soft_collapse_now(struct stlb_late *late)
{
	struct soft_test *t = container_of(late, struct soft_test, late);

	/* The collapse notifies as well. */
	if (!xchg(&t->seen, true) && !stlb_helper_call(&t->helper))
		t->ret = -ETIMEDOUT;
}

static void soft_nothing_late(struct stlb_late *late)
{
}

static void soft_test_collapse_other(struct kunit *test, bool move)
{
	struct soft_test *t = test->priv;
	struct stlb_device *dev = &t->soft.dev;
	struct stlb_run *run = &t->run;
	unsigned long va, to, at = 0;
	unsigned int i, held = 0;
	bool stale;
	u32 val;

	if (!has_transparent_hugepage())
		kunit_skip(test, "no transparent huge pages on this CPU");
	stlb_map_shared_pages(run);
	for (i = 0; i < stlb_triggers(run); i++) {
		va = stlb_trigger(run, i);
		stlb_cpu_write(run, va, 0);
		KUNIT_ASSERT_EQ(test, 0, dev->ops->write(dev, va, 0x44444440 + i));
		KUNIT_ASSERT_TRUE(test, dev->ops->holds(dev, va));
	}
	run->file = stlb_file_of(run->mm, run->start, &t->offset);
	KUNIT_ASSERT_NOT_NULL(test, run->file);
	run->other = stlb_mm_alloc();
	KUNIT_ASSERT_NOT_NULL(test, run->other);
	t->helper.mm = run->other;
	t->helper.fn = soft_other;
	KUNIT_ASSERT_EQ(test, 0, stlb_helper_start(&t->helper));
	KUNIT_ASSERT_TRUE(test, stlb_helper_call(&t->helper));
	KUNIT_ASSERT_EQ(test, 0L, t->ret);
	KUNIT_EXPECT_EQ(test, t->val, 0x44444440);
	lru_add_drain_all();

	if (move) {
		t->late.before = soft_collapse_now;
		KUNIT_ASSERT_EQ(test, 0, stlb_late_register(&t->late, run,
							    soft_nothing_late));
		to = stlb_mremap(run);
		KUNIT_ASSERT_TRUE(test, t->seen);
	} else {
		KUNIT_ASSERT_TRUE(test, stlb_helper_call(&t->helper));
		to = run->start;
	}
	KUNIT_ASSERT_NE(test, t->ret, (long)-ETIMEDOUT);
	if (t->ret)
		kunit_skip(test, "MADV_COLLAPSE of such memory: %ld", t->ret);

	stale = dev->ops->stale(dev, to, to + run->size, &at);
	for (i = 0; i < stlb_triggers(run); i++) {
		va = stlb_trigger(run, i);
		held += move && dev->ops->holds(dev, va);
		va += to - run->start;
		KUNIT_EXPECT_EQ(test, stlb_cpu_read(run, va), 0x44444440 + i);
		if (stale)
			continue;
		KUNIT_EXPECT_EQ(test, 0, dev->ops->read(dev, va, &val));
		KUNIT_EXPECT_EQ(test, val, 0x44444440 + i);
	}
	stlb_verdict(test, SOFT_SUITE, stale || held,
		     "0x%lx is %s by an old page, and %u pages by an old address", at,
		     stale ? "cached" : "not cached", held);
}

static void collapse_other_pmd(struct kunit *test)
{
	soft_test_collapse_other(test, false);
}

static void collapse_mremap_pmd(struct kunit *test)
{
	soft_test_collapse_other(test, true);
}

/*
 * MADV_DONTNEED of all that a table maps unlinks the table, and another thread fills the
 * memory again before TLBs are invalidated. The table must not be linked again as long as
 * a TLB may hold what it mapped.
 */
static void soft_refill_table(struct stlb_helper *helper)
{
	struct soft_test *t = container_of(helper, struct soft_test, helper);
	struct stlb_device *dev = &t->soft.dev;
	struct stlb_leaf leaf;

	t->held = dev->ops->holds(dev, t->run.start + PAGE_SIZE);
	t->ret = put_user(0x77777777, (u32 __user *)t->run.start);
	stlb_walk(helper->mm, t->run.start, &leaf);
	t->seen = leaf.valid;
	t->reused = t->held && ((unsigned long)leaf.ptep & PAGE_MASK) == t->table;
}

static void soft_refill_late(struct stlb_late *late)
{
	struct soft_test *t = container_of(late, struct soft_test, late);

	if (!stlb_helper_call(&t->helper))
		t->ret = -ETIMEDOUT;
}

static void dontneed_refill_table(struct kunit *test)
{
	struct soft_test *t = test->priv;
	struct stlb_device *dev = &t->soft.dev;
	struct stlb_run *run = &t->run;
	struct stlb_leaf leaf;
	unsigned long va, at = 0;
	struct cpumask cpus;
	bool stale;
	long ret;
	u32 val;

	if (!STLB_RECLAIMS_TABLES)
		kunit_skip(test, "this kernel keeps empty tables");
	stlb_map_private(run, STLB_PMD, false);
	for (va = run->start; va < run->start + run->size; va += PAGE_SIZE)
		stlb_cpu_write(run, va, 0x55555555);
	for (va = run->start; va < run->start + 4 * PAGE_SIZE; va += PAGE_SIZE)
		KUNIT_ASSERT_EQ(test, 0, dev->ops->read(dev, va, &val));
	stlb_walk(run->mm, run->start, &leaf);
	KUNIT_ASSERT_EQ(test, leaf.size, PAGE_SIZE);
	t->table = (unsigned long)leaf.ptep & PAGE_MASK;

	t->helper.mm = run->mm;
	t->helper.fn = soft_refill_table;
	KUNIT_ASSERT_EQ(test, 0, stlb_helper_start(&t->helper));
	KUNIT_ASSERT_EQ(test, 0, stlb_late_register(&t->late, run, soft_refill_late));
	/* The page allocator of a CPU returns first what was freed there last. */
	cpumask_copy(&cpus, current->cpus_ptr);
	set_cpus_allowed_ptr(current, cpumask_of(raw_smp_processor_id()));
	set_cpus_allowed_ptr(t->helper.task, cpumask_of(raw_smp_processor_id()));
	ret = stlb_syscall(__NR_madvise, run->start, run->size, MADV_DONTNEED, 0);
	set_cpus_allowed_ptr(current, &cpus);

	KUNIT_ASSERT_EQ(test, 0L, ret);
	KUNIT_ASSERT_TRUE(test, t->late.acted);
	KUNIT_ASSERT_EQ(test, 0L, t->ret);
	KUNIT_EXPECT_TRUE(test, t->seen);
	stale = dev->ops->stale(dev, run->start, run->start + run->size, &at);
	for (va = run->start; va < run->start + 4 * PAGE_SIZE; va += PAGE_SIZE) {
		KUNIT_EXPECT_EQ(test, 0, dev->ops->read(dev, va, &val));
		KUNIT_EXPECT_EQ(test, val, va == run->start ? 0x77777777 : 0);
	}
	stlb_verdict(test, SOFT_SUITE, stale || t->reused,
		     "0x%lx is %s by an old page; filled again while old pages were %s, by the %s table",
		     at, stale ? "cached" : "not cached", t->held ? "cached" : "gone",
		     t->reused ? "old" : "new");
}

/*
 * Protection keys are enforced by a register of the CPU. The entry of a page says which
 * key it has, and that it can be written; a device knows no keys, and writes it. This is
 * how it is, not how it ought to be: see Documentation/mm/secondary_tlb.rst.
 */
static void pkey_write_pte(struct kunit *test)
{
	struct soft_test *t = test->priv;
	struct stlb_device *dev = &t->soft.dev;
	struct stlb_run *run = &t->run;
	long pkey;
	int ret;
	u32 val;

	stlb_map_written(run, STLB_PTE, false);
	pkey = stlb_syscall(__NR_pkey_alloc, 0, PKEY_DISABLE_WRITE, 0, 0);
	if (pkey < 0)
		kunit_skip(test, "this CPU, or this kernel, has no permission overlays: %ld",
			   pkey);
	ret = dev->ops->read(dev, run->start, &val) ?:
	      stlb_syscall(__NR_pkey_mprotect, run->start, PAGE_SIZE,
			   PROT_READ | PROT_WRITE, pkey);
	if (!ret) {
		KUNIT_EXPECT_EQ(test, -EFAULT, put_user(1, (u32 __user *)run->start));
		KUNIT_EXPECT_EQ(test, 0, dev->ops->write(dev, run->start, 0x44444444));
		KUNIT_EXPECT_EQ(test, stlb_cpu_read(run, run->start), 0x44444444);
	}
	stlb_unmap(run);
	stlb_syscall(__NR_pkey_free, pkey, 0, 0, 0);
	KUNIT_EXPECT_EQ(test, 0, ret);
}

/*
 * Two pages with the same contents, for which KSM needs no more than one. The
 * device has written the first.
 */
static void soft_ksm_start(struct soft_test *t, void (*act)(struct stlb_late *late))
{
	struct stlb_device *dev = &t->soft.dev;
	struct kunit *test = t->run.test;
	struct stlb_run *run = &t->run;
	int ret;

	if (!IS_ENABLED(CONFIG_KSM))
		kunit_skip(test, "needs CONFIG_KSM");
	stlb_map_written(run, STLB_PTE, false);
	stlb_cpu_write(run, run->start, 0x5eed5eed);
	stlb_cpu_write(run, run->start + PAGE_SIZE, 0x5eed5eed);
	KUNIT_ASSERT_EQ(test, 0, dev->ops->write(dev, run->start, 0x5eed5eed));
	KUNIT_ASSERT_EQ(test, 0, stlb_late_register(&t->late, run, act));
	KUNIT_ASSERT_EQ(test, 0L, stlb_syscall(__NR_madvise, run->start,
					       2 * PAGE_SIZE, MADV_MERGEABLE, 0));
	ret = stlb_sysfs_write("kernel/mm/ksm/run", "1");
	KUNIT_ASSERT_EQ_MSG(test, 0, ret, "KSM does not run");
}

/* Returns when the KSM thread is where it leaves nothing half done. */
static void soft_ksm_stop(struct soft_test *t)
{
	KUNIT_EXPECT_EQ(t->run.test, 0, stlb_sysfs_write("kernel/mm/ksm/run", "0"));
}

static void soft_cow_store(struct stlb_helper *helper)
{
	struct soft_test *t = container_of(helper, struct soft_test, helper);

	t->ret = put_user(0x77777777, (u32 __user *)(t->run.start + 8));
}

/* wp_page_copy() has made the copy, and not put it in place. */
static void soft_cow_copied(struct stlb_late *late)
{
	struct soft_test *t = container_of(late, struct soft_test, late);

	if (current == t->helper.task && !t->stops++)
		soft_stop(t);
}

/* Somebody has changed the entry, and let go of the PTL: look, and let others act. */
static void soft_look_and_help(struct stlb_late *late)
{
	struct soft_test *t = container_of(late, struct soft_test, late);

	soft_look_late(late);
	if (!stlb_helper_call(&t->helper))
		t->ret = -ETIMEDOUT;
}

/*
 * KSM write-protects a page and makes it one that a store must copy. A CPU
 * stores, and the page is copied. What the device writes before the copy takes
 * its place must be in the copy: it has to fault, as nothing that it holds may
 * be writable by then.
 */
static void ksm_protect_pte(struct kunit *test)
{
	struct soft_test *t = test->priv;
	struct stlb_device *dev = &t->soft.dev;
	struct stlb_run *run = &t->run;
	bool stopped;
	u32 val = 0;
	int ret = 0;

	t->late.before = soft_cow_copied;
	t->helper.mm = run->mm;
	t->helper.fn = soft_cow_store;
	KUNIT_ASSERT_EQ(test, 0, stlb_helper_start(&t->helper));
	soft_ksm_start(t, soft_look_and_help);
	stopped = soft_wait_for_stop(t);
	if (stopped)
		ret = dev->ops->write(dev, run->start + 4, 0x44444444);
	complete_all(&t->go_on);
	soft_ksm_stop(t);

	KUNIT_ASSERT_TRUE_MSG(test, stopped, "KSM has not come, or no copy was made");
	KUNIT_EXPECT_EQ(test, 0, ret);
	KUNIT_EXPECT_EQ(test, 0L, t->ret);
	KUNIT_EXPECT_EQ(test, stlb_cpu_read(run, run->start + 8), 0x77777777);
	val = stlb_cpu_read(run, run->start + 4);
	if (val != 0x44444444)
		KUNIT_EXPECT_EQ(test, val, 0);
	stlb_verdict(test, SOFT_SUITE, !val,
		     "what the device has written is %s", val ? "there" : "lost");
}

/* replace_page() begins: the second change that KSM makes to the entry. */
static void soft_ksm_replaces(struct stlb_late *late)
{
	struct soft_test *t = container_of(late, struct soft_test, late);

	if (++t->stops == 2)
		soft_stop(t);
}

/*
 * KSM replaces the page by another with the same contents. Whoever holds the
 * old one must have forgotten it when KSM gives it back, and before the new one
 * can be met: it is another address (Arm ARM DDI 0487, "Using break-before-make
 * when updating translation table entries").
 */
static void ksm_replace_pte(struct kunit *test)
{
	struct soft_test *t = test->priv;
	struct stlb_device *dev = &t->soft.dev;
	bool stopped;
	u32 val = 0;
	int ret = 0;

	t->late.before = soft_ksm_replaces;
	t->late.skip = 1;
	soft_ksm_start(t, soft_look_late);

	stopped = soft_wait_for_stop(t);
	if (stopped)
		ret = dev->ops->read(dev, t->run.start, &val);
	complete_all(&t->go_on);
	soft_ksm_stop(t);

	KUNIT_ASSERT_TRUE_MSG(test, stopped, "KSM has not come");
	KUNIT_ASSERT_TRUE(test, t->late.acted);
	KUNIT_EXPECT_EQ(test, 0, ret);
	KUNIT_EXPECT_EQ(test, val, 0x5eed5eed);
	KUNIT_EXPECT_FALSE(test, dev->ops->holds(dev, t->run.start));
	KUNIT_EXPECT_EQ(test, stlb_cpu_read(&t->run, t->run.start), 0x5eed5eed);
	stlb_verdict(test, SOFT_SUITE, t->held,
		     "without a lock, the device %s the page that was replaced",
		     t->held ? "holds" : "has forgotten");
}

/* Another page for the slot that reclaim has just emptied; the device reads it. */
static void soft_refill(struct stlb_helper *helper)
{
	struct soft_test *t = container_of(helper, struct soft_test, helper);
	struct stlb_device *dev = &t->soft.dev;
	struct uffdio_copy copy = {
		.dst	= t->run.start,
		.src	= t->uffd.scratch + PAGE_SIZE,
		.len	= PAGE_SIZE,
	};

	t->ret = stlb_uffd_ioctl(&t->uffd, UFFDIO_COPY, &copy);
	if (!t->ret)
		t->ret = dev->ops->read(dev, t->run.start, &t->val);
}

/*
 * Reclaim takes a page from a private mapping, and userfaultfd puts another one
 * there, which needs no lock that reclaim still has. The program has been told
 * that it is there: then the device must find it.
 */
static void reclaim_refill_pte(struct kunit *test)
{
	struct soft_test *t = test->priv;
	struct stlb_device *dev = &t->soft.dev;
	struct stlb_run *run = &t->run;
	struct folio *folio;

	stlb_map_private_shm(run, 0xaaaaaaaa);
	KUNIT_ASSERT_EQ(test, 0, dev->ops->read(dev, run->start, &t->val));
	KUNIT_ASSERT_EQ(test, t->val, 0xaaaaaaaa);
	stlb_uffd_register(run, &t->uffd, run->start, PAGE_SIZE,
			   UFFDIO_REGISTER_MODE_MISSING, 0);
	stlb_cpu_write(run, t->uffd.scratch + PAGE_SIZE, 0xbbbbbbbb);
	t->helper.mm = run->mm;
	t->helper.fn = soft_refill;
	KUNIT_ASSERT_EQ(test, 0, stlb_helper_start(&t->helper));
	KUNIT_ASSERT_EQ(test, 0, stlb_late_register(&t->late, run, soft_look_and_help));

	folio = filemap_lock_folio(run->file->f_mapping, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(folio));
	try_to_unmap(folio, 0);
	folio_unlock(folio);
	folio_put(folio);

	KUNIT_ASSERT_TRUE(test, t->late.acted);
	KUNIT_ASSERT_EQ(test, 0L, t->ret);
	KUNIT_EXPECT_EQ(test, stlb_cpu_read(run, run->start), 0xbbbbbbbb);
	if (t->val != 0xbbbbbbbb)
		KUNIT_EXPECT_EQ(test, t->val, 0xaaaaaaaa);
	stlb_verdict(test, SOFT_SUITE, t->val != 0xbbbbbbbb,
		     "the device reads the %s page",
		     t->val == 0xbbbbbbbb ? "new" : "old");
}

/*
 * A change of protection that ends where it began, and that writes the dirty state
 * of some page to the entry that the device has cached read-only. Nothing may stay
 * cached as it was: the device's page request finds the entry as it asks for.
 */
static void soft_test_dirty_spreads(struct kunit *test,
				    void (*change)(struct soft_test *t,
						   unsigned long start,
						   unsigned long size),
				    unsigned long start, unsigned long size)
{
	struct soft_test *t = test->priv;
	struct stlb_device *dev = &t->soft.dev;
	struct stlb_run *run = &t->run;
	unsigned long va = run->start;
	struct stlb_leaf leaf;
	bool stale;
	int ret;

	change(t, start, size);
	stlb_walk(run->mm, run->start, &leaf);
	KUNIT_ASSERT_TRUE(test, leaf.valid);
	if (!leaf.writable)
		kunit_skip(test, "this kernel does not spread the dirty state here");

	stale = dev->ops->stale(dev, run->start, run->start + PAGE_SIZE, &va);
	ret = dev->ops->write(dev, run->start, 0x44444444);
	if (!ret)
		KUNIT_EXPECT_EQ(test, stlb_cpu_read(run, run->start), 0x44444444);
	stlb_verdict(test, SOFT_SUITE, stale || ret,
		     "0x%lx is %s in the device, its write %s after %lu page requests", va,
		     stale ? "read-only" : "not stale",
		     ret ? "refused" : "done", t->soft.requests);
}

/*
 * Two pages of a large folio, clean, and mapped one by one as the page behind them is
 * missing. The device has read the first, the CPU has written the second.
 */
static void soft_map_batch(struct soft_test *t)
{
	struct stlb_device *dev = &t->soft.dev;
	struct stlb_run *run = &t->run;
	struct stlb_leaf leaf;
	u32 val;

	stlb_map(run, &stlb_scenarios[STLB_split_store_pte]);
	stlb_cpu_write(run, run->start + PAGE_SIZE, 0x66666666);
	KUNIT_ASSERT_EQ(run->test, 0, dev->ops->read(dev, run->start, &val));
	stlb_walk(run->mm, run->start, &leaf);
	KUNIT_ASSERT_TRUE(run->test, leaf.valid && !leaf.writable);
}

/* To write-only, which arm64 maps readable, and back. */
static void soft_mprotect_twice(struct soft_test *t, unsigned long start,
				unsigned long size)
{
	KUNIT_ASSERT_EQ(t->run.test, 0L,
			stlb_syscall(__NR_mprotect, start, size, PROT_WRITE, 0));
	KUNIT_ASSERT_EQ(t->run.test, 0L,
			stlb_syscall(__NR_mprotect, start, size,
				     PROT_READ | PROT_WRITE, 0));
}

static void soft_uffd_resolve(struct soft_test *t, unsigned long start,
			      unsigned long size)
{
	struct uffdio_writeprotect wp = { .range = { start, size } };

	KUNIT_ASSERT_EQ(t->run.test, 0L, stlb_uffd_ioctl(&t->uffd, UFFDIO_WRITEPROTECT, &wp));
}

static void mprotect_batch_pte(struct kunit *test)
{
	struct soft_test *t = test->priv;

	soft_map_batch(t);
	soft_test_dirty_spreads(test, soft_mprotect_twice,
				t->run.start, 2 * PAGE_SIZE);
}

static void uffd_batch_pte(struct kunit *test)
{
	struct soft_test *t = test->priv;

	soft_map_batch(t);
	stlb_uffd_register(&t->run, &t->uffd, t->run.start, 2 * PAGE_SIZE,
			   UFFDIO_REGISTER_MODE_WP, 0);
	soft_test_dirty_spreads(test, soft_uffd_resolve,
				t->run.start, 2 * PAGE_SIZE);
}

/*
 * One page that hardware has dirtied. Whatever writes the dirty state that software
 * keeps into the entry is the last one to find something to change.
 */
static void soft_map_hw_dirty(struct soft_test *t)
{
	struct stlb_device *dev = &t->soft.dev;
	struct stlb_run *run = &t->run;
	u32 val;

	stlb_map(run, &stlb_scenarios[STLB_free_request_pte]);
	KUNIT_ASSERT_EQ(run->test, 0, dev->ops->read(dev, run->start, &val));
	stlb_make_dirty(run, run->start);
}

static void mprotect_hw_dirty_pte(struct kunit *test)
{
	struct soft_test *t = test->priv;

	soft_map_hw_dirty(t);
	soft_test_dirty_spreads(test, soft_mprotect_twice, t->run.start, PAGE_SIZE);
}

static void uffd_hw_dirty_pte(struct kunit *test)
{
	struct soft_test *t = test->priv;

	soft_map_hw_dirty(t);
	stlb_uffd_register(&t->run, &t->uffd, t->run.start, PAGE_SIZE,
			   UFFDIO_REGISTER_MODE_WP, 0);
	soft_test_dirty_spreads(test, soft_uffd_resolve, t->run.start, PAGE_SIZE);
}

/*
 * madvise() clears entries, drops the lock of the VMA, and invalidates last. A subscriber
 * that registers in between need not be notified: it can only cache what it finds by
 * then. It must be notified of whatever changes from then on. mm_has_secondary_tlbs()
 * relies on that.
 */
static void register_before_flush_pte(struct kunit *test)
{
	struct soft_test *t = test->priv;
	struct stlb_device *dev = &t->soft.dev;
	struct stlb_run *run = &t->run;
	struct mm_struct *mm = run->mm;
	unsigned long va = run->start;
	bool stale, stale_later;
	struct mmu_gather tlb;
	struct stlb_leaf leaf;
	spinlock_t *ptl = NULL;
	int ret;
	u32 val;

	stlb_soft_unregister(&t->soft);
	/* Not in the reverse map, and with no reference to be dropped. */
	stlb_map(run, &stlb_scenarios[STLB_mixed_touch_pte]);
	stlb_cpu_write(run, run->start, 0x11111111);
	ptl = stlb_ptl(mm, run->start);
	KUNIT_ASSERT_NOT_NULL(test, ptl);

	tlb_gather_mmu(&tlb, mm);
	mmap_read_lock(mm);
	spin_lock(ptl);
	stlb_walk(mm, run->start, &leaf);
	ptep_get_and_clear(mm, run->start, leaf.ptep);
	tlb_remove_tlb_entry(&tlb, leaf.ptep, run->start);
	spin_unlock(ptl);
	mmap_read_unlock(mm);

	ret = stlb_soft_register(&t->soft, mm);
	if (!ret)
		ret = dev->ops->read(dev, run->start, &val);
	tlb_finish_mmu(&tlb);
	KUNIT_ASSERT_EQ(test, 0, ret);
	KUNIT_EXPECT_EQ(test, val, 0x11111111);
	stlb_walk(mm, run->start, &leaf);
	KUNIT_ASSERT_TRUE(test, leaf.dbm && !leaf.writable);
	stale = dev->ops->stale(dev, run->start, run->start + PAGE_SIZE, &va);

	/* If it has lost the entry, it loads it again. */
	KUNIT_ASSERT_EQ(test, 0, dev->ops->read(dev, run->start, &val));
	stlb_cpu_write(run, run->start, 0x22222222);
	stale_later = dev->ops->stale(dev, run->start, run->start + PAGE_SIZE, &va);
	stlb_verdict(test, SOFT_SUITE, stale || stale_later,
		     "%s after the invalidation, %s after an upgrade",
		     stale ? "stale" : "coherent", stale_later ? "stale" : "coherent");
}

static int soft_test_init(struct kunit *test)
{
	struct soft_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	if (!t)
		return -ENOMEM;
	test->priv = t;
	t->uffd.fd = -1;
	init_completion(&t->here);
	init_completion(&t->go_on);
	stlb_run_init(&t->run, test);
	return stlb_soft_register(&t->soft, t->run.mm);
}

static void soft_test_exit(struct kunit *test)
{
	struct soft_test *t = test->priv;

	if (!t)
		return;
	complete_all(&t->go_on);
	stlb_late_unregister(&t->late);
	stlb_helper_stop(&t->helper);
	if (t->folio)
		folio_put(t->folio);
	stlb_uffd_close(&t->run, &t->uffd);
	stlb_soft_unregister(&t->soft);
	stlb_run_exit(&t->run);
}

static struct kunit_case soft_test_cases[] = {
#define STLB_SCENARIO(_name) KUNIT_CASE(_name),
#include <linux/secondary_tlb_scenarios.h>
#ifdef CONFIG_ARM64_CONTPTE
	KUNIT_CASE(any_entry_fold_store_cont_pte),
	KUNIT_CASE(any_entry_fold_request_cont_pte),
	KUNIT_CASE(any_entry_fold_read_dirty_cont_pte),
#endif
	KUNIT_CASE(any_entry_hugetlb_private_cont_pte),
	KUNIT_CASE(any_entry_hugetlb_fork_cont_pte),
	KUNIT_CASE(any_entry_hugetlb_shared_request_cont_pte),
	KUNIT_CASE(mremap_pte),
	KUNIT_CASE(mremap_table),
	KUNIT_CASE(mremap_pmd),
	KUNIT_CASE(mremap_big_table),
	KUNIT_CASE(mremap_back_pte),
	KUNIT_CASE(mremap_hugetlb_cont_pte),
	KUNIT_CASE(mremap_hugetlb_pmd),
	KUNIT_CASE(mremap_hugetlb_cont_pmd),
	KUNIT_CASE(mremap_hugetlb_far_pmd),
	KUNIT_CASE(mremap_migrate_pmd),
	KUNIT_CASE(mremap_migrate_table_pmd),
	KUNIT_CASE(mremap_migrating_cont_pte),
	KUNIT_CASE(shared_table_split_pmd),
	KUNIT_CASE(shared_table_mprotect_pmd),
	KUNIT_CASE(shared_table_munmap_pmd),
	KUNIT_CASE(shared_table_dontneed_pmd),
	KUNIT_CASE(collapse_private_pmd),
	KUNIT_CASE(collapse_shared_pmd),
	KUNIT_CASE(collapse_other_pmd),
	KUNIT_CASE(collapse_mremap_pmd),
	KUNIT_CASE(dontneed_refill_table),
	KUNIT_CASE(pkey_write_pte),
	KUNIT_CASE(mremap_reclaim_pte),
	KUNIT_CASE(ksm_protect_pte),
	KUNIT_CASE(ksm_replace_pte),
	KUNIT_CASE(reclaim_refill_pte),
	KUNIT_CASE(mprotect_batch_pte),
	KUNIT_CASE(uffd_batch_pte),
	KUNIT_CASE(mprotect_hw_dirty_pte),
	KUNIT_CASE(uffd_hw_dirty_pte),
	KUNIT_CASE(register_before_flush_pte),
	KUNIT_CASE(swallowed_shm_store_pte),
	KUNIT_CASE(swallowed_shm_request_pte),
	KUNIT_CASE(swallowed_fork_gup_pte),
	KUNIT_CASE(swallowed_pfn_store_pte),
	KUNIT_CASE(swallowed_mixed_store_pte),
	KUNIT_CASE(swallowed_thp_fork_gup_pmd),
	KUNIT_CASE(swallowed_thp_free_store_pmd),
#ifdef CONFIG_ARM64_CONTPTE
	KUNIT_CASE(swallowed_fold_store_cont_pte),
	KUNIT_CASE(swallowed_fold_request_cont_pte),
#endif
	KUNIT_CASE(swallowed_hugetlb_shared_cont_pte),
	KUNIT_CASE(swallowed_hugetlb_fork_pmd),
	KUNIT_CASE(swallowed_hugetlb_private_cont_pmd),
	KUNIT_CASE(swallowed_hugetlb_request_pud),
	KUNIT_CASE(sees_missing_call),
	KUNIT_CASE(sees_short_range),
	KUNIT_CASE(sees_early_call),
	KUNIT_CASE(full_range_is_coherent),
	KUNIT_CASE(range_arithmetic),
	KUNIT_CASE(munmap_empties),
	{}
};

static struct kunit_suite soft_test_suite = {
	.name		= SOFT_SUITE,
	.init		= soft_test_init,
	.exit		= soft_test_exit,
	.test_cases	= soft_test_cases,
};

kunit_test_suite(soft_test_suite);
