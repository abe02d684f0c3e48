// SPDX-License-Identifier: GPL-2.0-only
/*
 * Permission upgrades seen by a TLB in software: read through it, upgrade,
 * write through it.
 */
#include <kunit/test.h>
#include <linux/mman.h>
#include <linux/secondary_tlb_compat.h>
#include <linux/secondary_tlb_kunit.h>
#include <linux/unistd.h>

/* @held: what @late has found, which looks when the locks of a change are gone. */
struct soft_test {
	struct stlb_run run;
	struct stlb_soft soft;
	struct stlb_late late;
	bool held;
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

	t->held = dev->ops->holds(dev, t->run.start);
}

/* The device has written to it, and it is moved to another address. */
static void soft_test_mremap(struct kunit *test)
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
	to = stlb_mremap(run);

	KUNIT_ASSERT_TRUE(test, t->late.acted);
	KUNIT_EXPECT_FALSE(test, dev->ops->holds(dev, run->start));
	KUNIT_EXPECT_EQ(test, -EFAULT, dev->ops->read(dev, run->start, &val));
	KUNIT_EXPECT_EQ(test, 0, dev->ops->read(dev, to, &val));
	KUNIT_EXPECT_EQ(test, val, 0x44444444);
	stlb_verdict(test, "secondary_tlb_soft", t->held,
		     "without a lock, the device %s what was moved",
		     t->held ? "holds" : "has forgotten");
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

static int soft_test_init(struct kunit *test)
{
	struct soft_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	if (!t)
		return -ENOMEM;
	test->priv = t;
	stlb_run_init(&t->run, test);
	return stlb_soft_register(&t->soft, t->run.mm);
}

static void soft_test_exit(struct kunit *test)
{
	struct soft_test *t = test->priv;

	if (!t)
		return;
	stlb_late_unregister(&t->late);
	stlb_soft_unregister(&t->soft);
	stlb_run_exit(&t->run);
}

static struct kunit_case soft_test_cases[] = {
#define STLB_SCENARIO(_name) KUNIT_CASE(_name),
#include <linux/secondary_tlb_scenarios.h>
	KUNIT_CASE(mremap_pte),
	KUNIT_CASE(mremap_table),
	KUNIT_CASE(mremap_pmd),
	KUNIT_CASE(mremap_hugetlb_cont_pte),
	KUNIT_CASE(mremap_hugetlb_pmd),
	KUNIT_CASE(mremap_hugetlb_cont_pmd),
	KUNIT_CASE(sees_missing_call),
	KUNIT_CASE(sees_short_range),
	KUNIT_CASE(sees_early_call),
	KUNIT_CASE(full_range_is_coherent),
	KUNIT_CASE(range_arithmetic),
	KUNIT_CASE(munmap_empties),
	{}
};

static struct kunit_suite soft_test_suite = {
	.name		= "secondary_tlb_soft",
	.init		= soft_test_init,
	.exit		= soft_test_exit,
	.test_cases	= soft_test_cases,
};

kunit_test_suite(soft_test_suite);
