// SPDX-License-Identifier: GPL-2.0-only
/*
 * Permission upgrades seen by a subscriber that records what it is told: how
 * often, for which range, in which context, and in which order with the page
 * table.
 */
#include <kunit/test.h>
#include <linux/file.h>
#include <linux/hugetlb.h>
#include <linux/mman.h>
#include <linux/mmu_notifier.h>
#include <linux/secondary_tlb_compat.h>
#include <linux/secondary_tlb_kunit.h>
#include <linux/uaccess.h>
#include <linux/unistd.h>
#include <linux/vmstat.h>

#define MOCK_SUITE	"secondary_tlb_mock"

/*
 * @pair_only stands for a secondary MMU with page tables of its own: it must
 * not notice an upgrade. @second is for cases that need another subscriber,
 * @level for callbacks.
 */
struct mock_test {
	struct stlb_run run;
	struct stlb_mock mock;
	struct stlb_mock second;
	struct stlb_mock pair_only;
	enum stlb_level level;
};

static void mock_arm(struct mock_test *t, enum stlb_level level)
{
	stlb_mock_arm(&t->mock, t->run.start, level);
	stlb_mock_arm(&t->pair_only, t->run.start, level);
}

static void mock_expect_silent(struct kunit *test, struct stlb_mock *mock)
{
	KUNIT_EXPECT_EQ(test, mock->nr[STLB_CB_START], 0);
	KUNIT_EXPECT_EQ(test, mock->nr[STLB_CB_END], 0);
	KUNIT_EXPECT_EQ(test, mock->nr[STLB_CB_OTHER], 0);
}

/* The calls that an upgrade makes: one is enough. */
static enum stlb_told mock_expect_upgrade(struct kunit *test,
					  struct stlb_mock *mock)
{
	unsigned int i, nr = mock->nr[STLB_CB_RANGE];
	const struct stlb_call *call = mock->calls;

	for (i = 0; i < min_t(unsigned int, nr, ARRAY_SIZE(mock->calls)); i++)
		stlb_expect_context(test, &call[i]);
	return stlb_mock_told(mock);
}

static void mock_test_scenario(struct kunit *test,
			       const struct stlb_scenario *scenario)
{
	enum stlb_told told, worst = STLB_TOLD;
	struct mock_test *t = test->priv;
	unsigned int i, calls = 0, missed = 0;

	for (i = 0; !i || i < stlb_triggers(&t->run); i++) {
		stlb_map(&t->run, scenario);
		mock_arm(t, scenario->level);
		stlb_upgrade(&t->run, scenario, stlb_trigger(&t->run, i));

		told = mock_expect_upgrade(test, &t->mock);
		worst = max(worst, told);
		missed += told == STLB_TOLD_LESS;
		calls += t->mock.nr[STLB_CB_RANGE];
		mock_expect_silent(test, &t->mock);
		mock_expect_silent(test, &t->pair_only);
	}
	stlb_verdict_word(test, MOCK_SUITE, stlb_told_word(worst),
			  "%u of %u upgrades without a call for all, %u calls",
			  missed, i, calls);
}

#define STLB_SCENARIO(_name)						\
	static void _name(struct kunit *test)				\
	{								\
		mock_test_scenario(test, &stlb_scenarios[STLB_##_name]); \
	}

#include <linux/secondary_tlb_scenarios.h>

/* The two instruments that the cases above trust. */
static void sees_context(struct kunit *test)
{
	struct mock_test *t = test->priv;
	struct stlb_call *call = t->mock.calls;

	if (!stlb_mock_sees_context())
		kunit_skip(test, "needs PROVE_LOCKING and PREEMPT_COUNT");

	stlb_map(&t->run, &stlb_scenarios[STLB_shm_store_pte]);
	mock_arm(t, STLB_PTE);
	KUNIT_ASSERT_NOT_NULL(test, t->mock.ptl);

	stlb_invalidate(t->run.mm, t->run.start, t->run.start + PAGE_SIZE);
	spin_lock(t->mock.ptl);
	stlb_invalidate(t->run.mm, t->run.start, t->run.start + PAGE_SIZE);
	spin_unlock(t->mock.ptl);
	preempt_disable();
	stlb_invalidate(t->run.mm, t->run.start, t->run.start + PAGE_SIZE);
	preempt_enable();

	KUNIT_EXPECT_FALSE(test, call[0].ptl_held);
	KUNIT_EXPECT_FALSE(test, call[0].atomic);
	KUNIT_EXPECT_TRUE(test, call[1].ptl_held);
	KUNIT_EXPECT_TRUE(test, call[1].atomic);
	KUNIT_EXPECT_FALSE(test, call[2].ptl_held);
	KUNIT_EXPECT_TRUE(test, call[2].atomic);
	KUNIT_EXPECT_FALSE(test, call[0].writable);
	KUNIT_EXPECT_FALSE(test, call[0].clear);
}

/* The OOM reaper cannot wait for anybody, and says so. */
static void range_nonblock(struct kunit *test)
{
	struct mock_test *t = test->priv;
	struct mmu_notifier_range range = {
		.mm = t->run.mm, .start = 0, .end = PAGE_SIZE,
		.event = MMU_NOTIFY_CLEAR,
	};

	mock_arm(t, STLB_PTE);
	KUNIT_ASSERT_EQ(test, 0, mmu_notifier_invalidate_range_start_nonblock(&range));
	mmu_notifier_invalidate_range_end(&range);
	KUNIT_EXPECT_EQ(test, t->mock.nr[STLB_CB_START], 1);
	KUNIT_EXPECT_EQ(test, t->mock.nr[STLB_CB_END], 1);
}

static void two_subscribers(struct kunit *test)
{
	const struct stlb_scenario *scenario = &stlb_scenarios[STLB_shm_store_pte];
	struct mock_test *t = test->priv;
	unsigned int first, second;
	enum stlb_told told;

	stlb_map(&t->run, scenario);
	KUNIT_ASSERT_EQ(test, 0, stlb_mock_register(&t->second, t->run.mm));
	mock_arm(t, scenario->level);
	stlb_mock_arm(&t->second, t->run.start, scenario->level);
	stlb_upgrade(&t->run, scenario, t->run.start);

	first = t->mock.nr[STLB_CB_RANGE];
	second = t->second.nr[STLB_CB_RANGE];
	told = max(mock_expect_upgrade(test, &t->mock),
		   mock_expect_upgrade(test, &t->second));
	KUNIT_EXPECT_EQ(test, first, second);
	stlb_verdict_word(test, MOCK_SUITE, stlb_told_word(told),
			  "%u and %u calls", first, second);
}

/*
 * Once unregistration has returned the subscriber is on its own. It lingers in
 * its callback, so that one is under way most of the time. The thread must be
 * stopped whatever happens: nothing here asserts while it runs.
 */
static void unregister_in_storm(struct kunit *test)
{
	struct mock_test *t = test->priv;
	struct stlb_storm storm = { .mm = t->run.mm };
	unsigned int round, calls, upgrades = 0;
	struct stlb_mock *mock = &t->second;
	bool alive = true;

	stlb_map(&t->run, &stlb_scenarios[STLB_shm_store_pte]);
	storm.va = t->run.start;
	KUNIT_ASSERT_EQ(test, 0, stlb_storm_start(&storm));

	for (round = 0; round < 10 && alive; round++) {
		if (stlb_mock_register(mock, t->run.mm)) {
			alive = false;
			break;
		}
		stlb_mock_arm(mock, t->run.start, STLB_PTE);
		WRITE_ONCE(mock->linger, 50);
		alive = stlb_storm_goes_on(&storm, 100);
		stlb_mock_unregister(mock);
		KUNIT_EXPECT_EQ(test, 0, atomic_read(&mock->inside));
		calls = mock->nr[STLB_CB_RANGE];
		upgrades += mock->upgrades;
		alive &= stlb_storm_goes_on(&storm, 100);
		KUNIT_EXPECT_EQ(test, calls, mock->nr[STLB_CB_RANGE]);
	}
	stlb_storm_stop(&storm);

	KUNIT_EXPECT_TRUE(test, alive);
	KUNIT_EXPECT_FALSE(test, storm.failed);
	stlb_verdict(test, MOCK_SUITE, !upgrades, "heard of %u upgrades in %u rounds",
		     upgrades, round);
}

/*
 * Who is told depends on who is there: nobody is walked for invalidate_range()
 * unless a subscriber has it. A write fault on the zero page tells by it alone
 * (ptep_clear_flush_notify()), once, on every kernel. Returns how often @mock was
 * called.
 */
static unsigned int mock_told(struct mock_test *t, struct stlb_mock *mock)
{
	stlb_map_private(&t->run, STLB_PTE, false);
	stlb_cpu_read(&t->run, t->run.start);
	stlb_mock_arm(mock, t->run.start, STLB_PTE);
	stlb_cpu_write(&t->run, t->run.start, 3);
	return mock->nr[STLB_CB_RANGE];
}

static bool mock_interval_invalidate(struct mmu_interval_notifier *mni,
				     const struct mmu_notifier_range *range,
				     unsigned long cur_seq)
{
	mmu_interval_set_seq(mni, cur_seq);
	return true;
}

static const struct mmu_interval_notifier_ops mock_interval_ops = {
	.invalidate	= mock_interval_invalidate,
};

/* A subscriber as mmu_notifier_get() makes it. */
static unsigned int mock_got_calls;

static void mock_got_range(struct mmu_notifier *mn, struct mm_struct *mm,
			   unsigned long start, unsigned long end)
{
	mock_got_calls++;
}

static struct mmu_notifier *mock_got_alloc(struct mm_struct *mm)
{
	return kzalloc(sizeof(struct mmu_notifier), GFP_KERNEL) ?:
	       ERR_PTR(-ENOMEM);
}

static void mock_got_free(struct mmu_notifier *mn)
{
	kfree(mn);
}

static const struct mmu_notifier_ops mock_got_ops = {
	.arch_invalidate_secondary_tlbs	= mock_got_range,
	.alloc_notifier			= mock_got_alloc,
	.free_notifier			= mock_got_free,
};

static unsigned int mock_got_told(struct mock_test *t)
{
	stlb_map_private(&t->run, STLB_PTE, false);
	stlb_cpu_read(&t->run, t->run.start);
	mock_got_calls = 0;
	stlb_cpu_write(&t->run, t->run.start, 3);
	return mock_got_calls;
}

/* Whoever else arrives or leaves, those who are there are told. */
static void subscribers_come_and_go(struct kunit *test)
{
	struct mock_test *t = test->priv;
	struct mmu_interval_notifier *mni = kunit_kzalloc(test, sizeof(*mni),
							  GFP_KERNEL);
	struct mm_struct *mm = t->run.mm;
	struct mmu_notifier *mn[2];

	KUNIT_ASSERT_NOT_NULL(test, mni);
	KUNIT_EXPECT_EQ(test, mock_told(t, &t->mock), 1);

	/* One without the callback leaves, one comes. */
	stlb_mock_unregister(&t->pair_only);
	KUNIT_EXPECT_EQ(test, mock_told(t, &t->mock), 1);
	KUNIT_ASSERT_EQ(test, 0, stlb_mock_register_pair_only(&t->pair_only, mm));
	KUNIT_EXPECT_EQ(test, mock_told(t, &t->mock), 1);

	/* One with it. */
	KUNIT_ASSERT_EQ(test, 0, stlb_mock_register(&t->second, mm));
	KUNIT_EXPECT_EQ(test, mock_told(t, &t->second), 1);
	KUNIT_EXPECT_EQ(test, mock_told(t, &t->mock), 1);
	stlb_mock_unregister(&t->mock);
	KUNIT_EXPECT_EQ(test, mock_told(t, &t->second), 1);
	stlb_mock_unregister(&t->second);
	KUNIT_ASSERT_EQ(test, 0, stlb_mock_register(&t->mock, mm));
	KUNIT_EXPECT_EQ(test, mock_told(t, &t->mock), 1);

	/* An interval notifier is a subscriber of another kind. */
	KUNIT_ASSERT_EQ(test, 0, mmu_interval_notifier_insert(mni, mm, 0, PAGE_SIZE,
							      &mock_interval_ops));
	KUNIT_EXPECT_EQ(test, mock_told(t, &t->mock), 1);
	mmu_interval_notifier_remove(mni);
	KUNIT_EXPECT_EQ(test, mock_told(t, &t->mock), 1);

	/* Two references to one subscriber. */
	stlb_mock_unregister(&t->mock);
	mn[0] = mmu_notifier_get(&mock_got_ops, mm);
	KUNIT_ASSERT_FALSE(test, IS_ERR(mn[0]));
	mn[1] = mmu_notifier_get(&mock_got_ops, mm);
	KUNIT_EXPECT_PTR_EQ(test, mn[0], mn[1]);
	KUNIT_EXPECT_EQ(test, mock_got_told(t), 1);
	mmu_notifier_put(mn[0]);
	KUNIT_EXPECT_EQ(test, mock_got_told(t), 1);
	mmu_notifier_put(mn[1]);
	KUNIT_EXPECT_EQ(test, mock_got_told(t), 0);
	mmu_notifier_synchronize();
	mn[0] = mmu_notifier_get(&mock_got_ops, mm);
	KUNIT_ASSERT_FALSE(test, IS_ERR(mn[0]));
	KUNIT_EXPECT_EQ(test, mock_got_told(t), 1);
	mmu_notifier_put(mn[0]);
	mmu_notifier_synchronize();
}

/*
 * The first subscriber arrives and the last leaves while faults are running: it
 * hears of every upgrade from the moment registration returns.
 */
static void first_subscriber_in_storm(struct kunit *test)
{
	struct mock_test *t = test->priv;
	struct stlb_storm storm = { .mm = t->run.mm };
	unsigned int round, upgrades = 0, deaf = 0;
	struct stlb_mock *mock = &t->mock;
	unsigned long first, made;
	bool alive = true;

	stlb_mock_unregister(mock);
	stlb_map(&t->run, &stlb_scenarios[STLB_shm_store_pte]);
	storm.va = t->run.start;
	KUNIT_ASSERT_EQ(test, 0, stlb_storm_start(&storm));

	for (round = 0; round < 50 && alive; round++) {
		if (stlb_mock_register(mock, t->run.mm)) {
			alive = false;
			break;
		}
		stlb_mock_arm(mock, t->run.start, STLB_PTE);
		first = READ_ONCE(storm.upgrades);
		alive = stlb_storm_goes_on(&storm, 10);
		made = READ_ONCE(storm.upgrades) - first;
		stlb_mock_unregister(mock);
		upgrades += mock->upgrades;
		/* One may have been made, but not counted, before we looked. */
		if (mock->upgrades + 1 < made)
			deaf++;
		alive &= stlb_storm_goes_on(&storm, 10);
	}
	stlb_storm_stop(&storm);

	KUNIT_EXPECT_TRUE(test, alive);
	KUNIT_EXPECT_FALSE(test, storm.failed);
	stlb_verdict(test, MOCK_SUITE, deaf,
		     "heard of %u upgrades in %u rounds, but not of all in %u",
		     upgrades, round, deaf);
}

/*
 * Whether the list of subscribers is walked: one that had no invalidate_range()
 * when it registered, and has now, is called only if it is.
 */
static void no_walk_for_others(struct kunit *test)
{
	struct mock_test *t = test->priv;
	struct mmu_interval_notifier *mni = kunit_kzalloc(test, sizeof(*mni),
							  GFP_KERNEL);
	struct mmu_notifier_ops *ops = kunit_kzalloc(test, sizeof(*ops), GFP_KERNEL);
	const struct mmu_notifier_ops *recorder = t->mock.mn.ops;
	struct mm_struct *mm = t->run.mm;
	struct mmu_notifier *mn;
	unsigned int walks[5], i, sum = 0;

	KUNIT_ASSERT_NOT_NULL(test, mni);
	KUNIT_ASSERT_NOT_NULL(test, ops);
	spin_lock_init(&t->second.lock);
	t->second.mn.ops = ops;
	KUNIT_ASSERT_EQ(test, 0, mmu_notifier_register(&t->second.mn, mm));
	ops->arch_invalidate_secondary_tlbs =
		recorder->arch_invalidate_secondary_tlbs;

	/* As long as one has it, all are walked. */
	KUNIT_EXPECT_EQ(test, mock_told(t, &t->second), 1);

	stlb_mock_unregister(&t->mock);
	walks[0] = mock_told(t, &t->second);
	stlb_mock_unregister(&t->pair_only);
	walks[1] = mock_told(t, &t->second);
	KUNIT_ASSERT_EQ(test, 0, mmu_interval_notifier_insert(mni, mm, 0, PAGE_SIZE,
							      &mock_interval_ops));
	walks[2] = mock_told(t, &t->second);
	mmu_interval_notifier_remove(mni);

	mn = mmu_notifier_get(&mock_got_ops, mm);
	KUNIT_ASSERT_FALSE(test, IS_ERR(mn));
	KUNIT_EXPECT_EQ(test, mock_told(t, &t->second), 1);
	mmu_notifier_put(mn);
	mmu_notifier_synchronize();
	walks[3] = mock_told(t, &t->second);

	stlb_map(&t->run, &stlb_scenarios[STLB_shm_store_pte]);
	stlb_mock_arm(&t->second, t->run.start, STLB_PTE);
	stlb_cpu_write(&t->run, t->run.start, 4);
	walks[4] = t->second.nr[STLB_CB_RANGE];

	ops->arch_invalidate_secondary_tlbs = NULL;
	stlb_mock_unregister(&t->second);

	for (i = 0; i < ARRAY_SIZE(walks); i++)
		sum += walks[i];
	stlb_verdict_word(test, MOCK_SUITE, sum ? "excess" : NULL,
			  "the list was walked %u times for nobody", sum);
}

/*
 * What must not notify, or must go on notifying as it does without the series.
 * The expected calls are those of Linux 6.1, from the code named with each; the
 * calls that were made go to the console, for two kernels to be compared: under
 * "calls" where they must be the same, else under "told".
 */
static void mock_show_calls(struct kunit *test, struct mock_test *t,
			    const char *what)
{
	const struct stlb_call *call = t->mock.calls;
	unsigned int i, nr = t->mock.nr[STLB_CB_RANGE];
	char text[160] = "";
	int len = 0;

	for (i = 0; i < min_t(unsigned int, nr, ARRAY_SIZE(t->mock.calls)); i++)
		len += scnprintf(text + len, sizeof(text) - len, " [%ld, %ld)",
				 (long)(call[i].start - t->run.start),
				 (long)(call[i].end - t->run.start));
	pr_info("stlb: %s.%s: %s: %u%s\n", MOCK_SUITE, test->name, what, nr, text);
}

static void mock_expect_calls(struct kunit *test, struct mock_test *t,
			      unsigned int nr, unsigned long start,
			      unsigned long end)
{
	unsigned int i;

	mock_show_calls(test, t, "calls");
	KUNIT_EXPECT_EQ(test, t->mock.nr[STLB_CB_RANGE], nr);
	for (i = 0; i < min(nr, t->mock.nr[STLB_CB_RANGE]); i++) {
		KUNIT_EXPECT_EQ(test, t->mock.calls[i].start, start);
		KUNIT_EXPECT_EQ(test, t->mock.calls[i].end, end);
	}
}

/* A range without bounds: of a gather amid another, or of a whole mm. */
static bool mock_call_is_whole(const struct stlb_call *call)
{
	return call->start >= call->end || (!call->start && call->end == -1UL);
}

/*
 * Told of the translation, no less, and a process that shares its page table is
 * not to pay for it more than once. To be called last.
 */
static void mock_expect_once(struct kunit *test, struct mock_test *t)
{
	unsigned int nr = t->mock.nr[STLB_CB_RANGE];

	mock_show_calls(test, t, "told");
	KUNIT_EXPECT_GE(test, nr, 1);
	stlb_verdict_word(test, MOCK_SUITE,
			  stlb_told_word(stlb_mock_heard(&t->mock)),
			  "%u calls for one change", nr);
}

/* The pairs of start() and end() that every subscriber sees. */
static void mock_expect_pairs(struct kunit *test, struct mock_test *t,
			      unsigned int pairs)
{
	KUNIT_EXPECT_EQ(test, t->mock.nr[STLB_CB_START], pairs);
	KUNIT_EXPECT_EQ(test, t->mock.nr[STLB_CB_END], pairs);
	KUNIT_EXPECT_EQ(test, t->pair_only.nr[STLB_CB_START], pairs);
	KUNIT_EXPECT_EQ(test, t->pair_only.nr[STLB_CB_END], pairs);
}

static void mock_expect_none(struct kunit *test, struct mock_test *t)
{
	mock_expect_calls(test, t, 0, 0, 0);
	mock_expect_silent(test, &t->mock);
	mock_expect_silent(test, &t->pair_only);
}

/* do_anonymous_page(), do_huge_pmd_anonymous_page(), hugetlb_no_page() */
static void mock_test_first_touch(struct kunit *test, struct mock_test *t,
				  enum stlb_level level)
{
	mock_arm(t, level);
	stlb_cpu_read(&t->run, t->run.start);
	mock_expect_none(test, t);
	stlb_unmap(&t->run);
}

static void first_touch_pte(struct kunit *test)
{
	struct mock_test *t = test->priv;

	stlb_map_private(&t->run, STLB_PTE, false);
	mock_test_first_touch(test, t, STLB_PTE);

	stlb_map_private(&t->run, STLB_PTE, false);
	mock_arm(t, STLB_PTE);
	stlb_cpu_write(&t->run, t->run.start, 1);
	mock_expect_none(test, t);
}

static void first_touch_pmd(struct kunit *test)
{
	struct mock_test *t = test->priv;
	struct stlb_leaf leaf;

	/* The huge zero page. */
	stlb_map_private(&t->run, STLB_PMD, true);
	mock_test_first_touch(test, t, STLB_PMD);

	stlb_map_private(&t->run, STLB_PMD, true);
	mock_arm(t, STLB_PMD);
	stlb_cpu_write(&t->run, t->run.start, 1);
	mock_expect_none(test, t);
	stlb_walk(t->run.mm, t->run.start, &leaf);
	KUNIT_EXPECT_EQ(test, leaf.size, PMD_SIZE);
}

/* Nobody can hold what an empty set has not got: each call is one too many. */
static unsigned int mock_fill_hugetlb(struct kunit *test, enum stlb_level level,
				      int flags)
{
	struct mock_test *t = test->priv;
	unsigned int i, nr;

	stlb_map_hugetlb(&t->run, level, flags);
	mock_arm(t, level);
	stlb_cpu_read(&t->run, t->run.start);
	nr = t->mock.nr[STLB_CB_RANGE];
	mock_show_calls(test, t, "calls");
	for (i = 0; i < min_t(unsigned int, nr, ARRAY_SIZE(t->mock.calls)); i++)
		KUNIT_EXPECT_TRUE(test, t->mock.calls[i].clear);
	mock_expect_silent(test, &t->mock);
	mock_expect_silent(test, &t->pair_only);
	stlb_unmap(&t->run);
	return nr;
}

static void mock_test_first_touch_hugetlb(struct kunit *test,
					  enum stlb_level level)
{
	unsigned int nr;

	nr = mock_fill_hugetlb(test, level, MAP_PRIVATE) +
	     mock_fill_hugetlb(test, level, MAP_SHARED);
	stlb_verdict_word(test, MOCK_SUITE, nr ? "excess" : NULL,
			  "%u calls for two pages", nr);
}

static void first_touch_hugetlb_cont_pte(struct kunit *test)
{
	mock_test_first_touch_hugetlb(test, STLB_CONT_PTE);
}

static void first_touch_hugetlb_pmd(struct kunit *test)
{
	mock_test_first_touch_hugetlb(test, STLB_PMD);
}

static void first_touch_hugetlb_cont_pmd(struct kunit *test)
{
	mock_test_first_touch_hugetlb(test, STLB_CONT_PMD);
}

/*
 * The exception: a first write to private hugetlb memory. hugetlb_no_page() maps
 * the page read-only, and has hugetlb_wp() upgrade it under the same PTL. For
 * that moment a secondary TLB can walk the read-only entry, so this is an
 * upgrade as any other. A kernel that calls for the read-only entry as well does
 * so before that can be loaded.
 */
static void mock_test_first_write(struct kunit *test, enum stlb_level level)
{
	struct mock_test *t = test->priv;
	unsigned int calls, fill;
	enum stlb_told told;

	fill = mock_fill_hugetlb(test, level, MAP_PRIVATE);
	stlb_map_hugetlb(&t->run, level, MAP_PRIVATE);
	mock_arm(t, level);
	stlb_cpu_write(&t->run, t->run.start, 1);

	calls = t->mock.nr[STLB_CB_RANGE];
	mock_show_calls(test, t, "told");
	if (calls && stlb_mock_sees_context())
		KUNIT_EXPECT_TRUE(test, t->mock.calls[0].atomic);
	else if (calls)
		kunit_info(test, "not checked, for want of PROVE_LOCKING and PREEMPT_COUNT: whether the first call is atomic\n");
	told = calls > fill ? stlb_mock_told(&t->mock) : STLB_TOLD_LESS;
	mock_expect_silent(test, &t->mock);
	mock_expect_silent(test, &t->pair_only);
	stlb_verdict_word(test, MOCK_SUITE, stlb_told_word(told),
			  "%u calls, %u of them before there was an entry",
			  calls, fill);
}

static void first_write_hugetlb_cont_pte(struct kunit *test)
{
	mock_test_first_write(test, STLB_CONT_PTE);
}

static void first_write_hugetlb_pmd(struct kunit *test)
{
	mock_test_first_write(test, STLB_PMD);
}

static void first_write_hugetlb_cont_pmd(struct kunit *test)
{
	mock_test_first_write(test, STLB_CONT_PMD);
}

static void first_write_hugetlb_pud(struct kunit *test)
{
	mock_test_first_write(test, STLB_PUD);
}

/* A CPU's fault on an entry that is writable changes nothing, and does not notify. */
static void mock_test_no_change(struct kunit *test, struct mock_test *t,
				enum stlb_level level)
{
	mock_arm(t, level);
	KUNIT_EXPECT_EQ(test, 0, stlb_cpu_fault(t->run.mm, t->run.start, true));
	KUNIT_EXPECT_EQ(test, 0, stlb_cpu_fault(t->run.mm, t->run.start, false));
	stlb_cpu_write(&t->run, t->run.start, 2);
	mock_expect_none(test, t);
}

static void no_change_pte(struct kunit *test)
{
	struct mock_test *t = test->priv;

	stlb_map_written(&t->run, STLB_PTE, false);
	mock_test_no_change(test, t, STLB_PTE);
}

static void no_change_pmd(struct kunit *test)
{
	struct mock_test *t = test->priv;

	stlb_map_written(&t->run, STLB_PMD, true);
	mock_test_no_change(test, t, STLB_PMD);
}

static void mock_test_no_change_hugetlb(struct kunit *test,
					enum stlb_level level)
{
	struct mock_test *t = test->priv;

	stlb_map_hugetlb(&t->run, level, MAP_PRIVATE);
	stlb_cpu_write(&t->run, t->run.start, 1);
	mock_test_no_change(test, t, level);
}

static void no_change_hugetlb_cont_pte(struct kunit *test)
{
	mock_test_no_change_hugetlb(test, STLB_CONT_PTE);
}

static void no_change_hugetlb_pmd(struct kunit *test)
{
	mock_test_no_change_hugetlb(test, STLB_PMD);
}

static void no_change_hugetlb_cont_pmd(struct kunit *test)
{
	mock_test_no_change_hugetlb(test, STLB_CONT_PMD);
}

static void no_change_hugetlb_pud(struct kunit *test)
{
	mock_test_no_change_hugetlb(test, STLB_PUD);
}

/* What /proc/vmstat counts of spurious faults for devices, or -1 on a kernel without it. */
static long mock_spurious_faults(void)
{
#ifdef CONFIG_VM_EVENT_COUNTERS
	static unsigned long events[NR_VM_EVENT_ITEMS];
	unsigned int i;

	for (i = 0; i < NR_VM_EVENT_ITEMS; i++) {
		if (strcmp(vm_event_name(i), "secondary_tlb_spurious_fault"))
			continue;
		all_vm_events(events);
		return events[i];
	}
#endif
	return -1;
}

/*
 * A device asks for what the entry allows, so its TLB holds another entry: one call for
 * the whole leaf, under the page table lock, and no call of invalidate_range_start().
 */
static void mock_test_spurious(struct kunit *test, struct mock_test *t,
			       enum stlb_level level)
{
	unsigned long va = t->run.start + t->run.size - PAGE_SIZE;
	enum stlb_told result, worst = STLB_TOLD;
	unsigned int write, missed = 0;
	long faults;

	for (write = 0; write <= 1; write++) {
		mock_arm(t, level);
		faults = mock_spurious_faults();
		KUNIT_EXPECT_EQ(test, 0, stlb_page_request(t->run.mm, va, write));
		result = mock_expect_upgrade(test, &t->mock);
		worst = max(worst, result);
		missed += result == STLB_TOLD_LESS;
		mock_expect_silent(test, &t->mock);
		mock_expect_silent(test, &t->pair_only);
		KUNIT_EXPECT_EQ(test, t->pair_only.nr[STLB_CB_RANGE], 0);
		if (result != STLB_TOLD_LESS && faults >= 0)
			KUNIT_EXPECT_EQ(test, mock_spurious_faults(), faults + 1);
	}
	stlb_verdict_word(test, MOCK_SUITE, stlb_told_word(worst),
			  "%u of 2 requests without a call for the whole leaf", missed);
}

static void spurious_request_pte(struct kunit *test)
{
	struct mock_test *t = test->priv;

	stlb_map_written(&t->run, STLB_PTE, false);
	mock_test_spurious(test, t, STLB_PTE);
}

static void spurious_request_pmd(struct kunit *test)
{
	struct mock_test *t = test->priv;

	stlb_map_written(&t->run, STLB_PMD, true);
	mock_test_spurious(test, t, STLB_PMD);
}

#ifdef CONFIG_ARM64_CONTPTE
static void spurious_request_fold_cont_pte(struct kunit *test)
{
	const struct stlb_scenario *scenario = &stlb_scenarios[STLB_fold_store_cont_pte];
	struct mock_test *t = test->priv;
	struct stlb_leaf leaf;

	stlb_map(&t->run, scenario);
	stlb_upgrade(&t->run, scenario, t->run.start);
	stlb_walk(t->run.mm, t->run.start, &leaf);
	KUNIT_ASSERT_TRUE(test, leaf.writable);
	KUNIT_ASSERT_EQ(test, leaf.size, t->run.size);
	mock_test_spurious(test, t, STLB_CONT_PTE);
}
#endif

static void mock_test_spurious_hugetlb(struct kunit *test, enum stlb_level level)
{
	struct mock_test *t = test->priv;

	stlb_map_hugetlb(&t->run, level, MAP_PRIVATE);
	stlb_cpu_write(&t->run, t->run.start, 1);
	mock_test_spurious(test, t, level);
}

static void spurious_request_hugetlb_cont_pte(struct kunit *test)
{
	mock_test_spurious_hugetlb(test, STLB_CONT_PTE);
}

static void spurious_request_hugetlb_pmd(struct kunit *test)
{
	mock_test_spurious_hugetlb(test, STLB_PMD);
}

static void spurious_request_hugetlb_cont_pmd(struct kunit *test)
{
	mock_test_spurious_hugetlb(test, STLB_CONT_PMD);
}

static void spurious_request_hugetlb_pud(struct kunit *test)
{
	mock_test_spurious_hugetlb(test, STLB_PUD);
}

/*
 * The access flag alone: an entry without it cannot be loaded, and what was
 * loaded before allows as much.
 */
static void mock_test_young(struct kunit *test, struct mock_test *t,
			    enum stlb_level level)
{
	struct stlb_leaf leaf;

	KUNIT_ASSERT_EQ(test, 0L, stlb_syscall(__NR_madvise, t->run.start,
					       t->run.size, MADV_COLD, 0));
	stlb_walk(t->run.mm, t->run.start, &leaf);
	KUNIT_ASSERT_TRUE(test, leaf.present);
	KUNIT_ASSERT_EQ(test, leaf.size, t->run.size);
	KUNIT_ASSERT_FALSE_MSG(test, leaf.valid, "the entry is not old");

	mock_arm(t, level);
	stlb_cpu_read(&t->run, t->run.start);
	stlb_walk(t->run.mm, t->run.start, &leaf);
	KUNIT_ASSERT_TRUE(test, leaf.valid);
	mock_expect_none(test, t);
}

static void young_pte(struct kunit *test)
{
	struct mock_test *t = test->priv;

	stlb_map_written(&t->run, STLB_PTE, false);
	mock_test_young(test, t, STLB_PTE);
}

static void young_pmd(struct kunit *test)
{
	struct mock_test *t = test->priv;

	stlb_map_written(&t->run, STLB_PMD, true);
	mock_test_young(test, t, STLB_PMD);
}

static int mock_cow_while_shared(struct stlb_run *run)
{
	struct mock_test *t = container_of(run, struct mock_test, run);

	mock_arm(t, t->level);
	return put_user(3, (u32 __user *)run->start);
}

/* @pairs of start() and end() */
static void mock_test_cow(struct kunit *test, enum stlb_level level,
			  unsigned int pairs)
{
	struct mock_test *t = test->priv;

	t->level = level;
	stlb_fork(&t->run, mock_cow_while_shared);
	mock_expect_pairs(test, t, pairs);
}

/* wp_page_copy(): ptep_clear_flush_notify() and range_only_end() */
static void cow_copy_pte(struct kunit *test)
{
	struct mock_test *t = test->priv;

	stlb_map_written(&t->run, STLB_PTE, false);
	mock_test_cow(test, STLB_PTE, 1);
	mock_expect_calls(test, t, 1, t->run.start, t->run.start + PAGE_SIZE);
}

static void cow_zero_page_pte(struct kunit *test)
{
	struct mock_test *t = test->priv;

	stlb_map_private(&t->run, STLB_PTE, false);
	stlb_cpu_read(&t->run, t->run.start);
	mock_arm(t, STLB_PTE);
	stlb_cpu_write(&t->run, t->run.start, 3);
	mock_expect_calls(test, t, 1, t->run.start, t->run.start + PAGE_SIZE);
	mock_expect_pairs(test, t, 1);
}

/*
 * __split_huge_pmd() breaks the block before it makes the pages: whoever holds
 * the block must forget it in between (Arm ARM DDI 0487, "Using
 * break-before-make when updating translation table entries"). Then one page is
 * replaced; if the kernel has made contiguous sets of the pages, its set is broken
 * before.
 */
static void cow_split_pmd(struct kunit *test)
{
	struct mock_test *t = test->priv;
	const struct stlb_call *call = t->mock.calls;
	unsigned int nr;

	stlb_map_written(&t->run, STLB_PMD, true);
	mock_test_cow(test, STLB_PMD, 2);
	nr = t->mock.nr[STLB_CB_RANGE];
	mock_show_calls(test, t, "told");
	KUNIT_ASSERT_GE(test, nr, 1);
	KUNIT_ASSERT_LE(test, nr, 3);
	KUNIT_EXPECT_EQ(test, call[nr - 1].start, t->run.start);
	KUNIT_EXPECT_EQ(test, call[nr - 1].end, t->run.start + PAGE_SIZE);
	if (nr == 3) {
		KUNIT_EXPECT_EQ(test, call[1].start, t->run.start);
		KUNIT_EXPECT_EQ(test, call[1].end, t->run.start + CONT_PTE_SIZE);
	}
	if (nr > 1) {
		KUNIT_EXPECT_EQ(test, call->start, t->run.start);
		KUNIT_EXPECT_EQ(test, call->end, t->run.start + PMD_SIZE);
		KUNIT_EXPECT_FALSE(test, call->writable);
		stlb_expect_context(test, call);
	}
	stlb_verdict(test, MOCK_SUITE, nr < 2, "%u calls", nr);
}

/* hugetlb_wp(): huge_ptep_clear_flush(), a call, and another by range_end() */
static void cow_copy_hugetlb_cont_pte(struct kunit *test)
{
	struct mock_test *t = test->priv;

	stlb_map_hugetlb(&t->run, STLB_CONT_PTE, MAP_PRIVATE);
	stlb_cpu_write(&t->run, t->run.start, 1);
	mock_test_cow(test, STLB_CONT_PTE, 1);
	mock_expect_once(test, t);
}

static void cow_copy_hugetlb_pmd(struct kunit *test)
{
	struct mock_test *t = test->priv;

	stlb_map_hugetlb(&t->run, STLB_PMD, MAP_PRIVATE);
	stlb_cpu_write(&t->run, t->run.start, 1);
	mock_test_cow(test, STLB_PMD, 1);
	mock_expect_once(test, t);
}

/*
 * A private page that is moved can be migrated once both the PTLs and the lock of its
 * anon_vma have been dropped. So one of them must be held when the first call comes, and
 * the old entry be clear.
 */
static void mock_test_mremap_hugetlb(struct kunit *test, enum stlb_level level)
{
	struct mock_test *t = test->priv;
	const struct stlb_call *call = t->mock.calls;
	bool atomic;
	unsigned int i;

	stlb_map_hugetlb(&t->run, level, MAP_PRIVATE);
	stlb_cpu_write(&t->run, t->run.start, 1);
	mock_arm(t, level);
	KUNIT_ASSERT_NOT_NULL(test, t->mock.ptl);
	KUNIT_ASSERT_NOT_NULL(test, t->mock.anon_vma);
	stlb_mremap(&t->run);

	KUNIT_ASSERT_LE(test, t->mock.nr[STLB_CB_RANGE], ARRAY_SIZE(t->mock.calls));
	/* There may be calls for the new address before. */
	for (i = 0; i < t->mock.nr[STLB_CB_RANGE]; i++, call++)
		if (call->start == t->run.start)
			break;
	KUNIT_ASSERT_LT_MSG(test, i, t->mock.nr[STLB_CB_RANGE], "no call");
	KUNIT_EXPECT_EQ(test, call->end, t->run.start + t->run.size);
	KUNIT_EXPECT_TRUE(test, call->clear);
	if (!call->rmap_locked && !stlb_mock_sees_context())
		kunit_skip(test, "needs PROVE_LOCKING and PREEMPT_COUNT to see a PTL held");
	/* Which of the two PTLs it is does not matter. */
	atomic = call->atomic && stlb_mock_sees_context();
	stlb_verdict(test, MOCK_SUITE, !atomic && !call->rmap_locked,
		     "a call with%s a PTL, and with%s the lock of the anon_vma",
		     atomic ? "" : "out", call->rmap_locked ? "" : "out");
}

static void mremap_hugetlb_cont_pte(struct kunit *test)
{
	mock_test_mremap_hugetlb(test, STLB_CONT_PTE);
}

static void mremap_hugetlb_pmd(struct kunit *test)
{
	mock_test_mremap_hugetlb(test, STLB_PMD);
}

static void mremap_hugetlb_cont_pmd(struct kunit *test)
{
	mock_test_mremap_hugetlb(test, STLB_CONT_PMD);
}

/* Calls for the new address are no concern of this. */
static void mock_test_mremap_once(struct kunit *test, enum stlb_level level,
				  int flags)
{
	struct mock_test *t = test->priv;
	const struct stlb_call *call = t->mock.calls;
	unsigned int i, nr = 0;

	stlb_map_hugetlb(&t->run, level, flags);
	stlb_cpu_read(&t->run, t->run.start);
	mock_arm(t, level);
	stlb_mremap(&t->run);

	KUNIT_ASSERT_LE(test, t->mock.nr[STLB_CB_RANGE], ARRAY_SIZE(t->mock.calls));
	for (i = 0; i < t->mock.nr[STLB_CB_RANGE]; i++, call++)
		if (mock_call_is_whole(call) ||
		    (call->start < t->run.start + t->run.size &&
		     call->end > t->run.start))
			nr++;
	mock_show_calls(test, t, "told");
	KUNIT_EXPECT_GE(test, nr, 1);
	stlb_verdict_word(test, MOCK_SUITE, nr > 1 ? "excess" : NULL,
			  "%u calls for what has moved", nr);
}

static void mremap_once_hugetlb_cont_pte(struct kunit *test)
{
	mock_test_mremap_once(test, STLB_CONT_PTE, MAP_PRIVATE);
}

static void mremap_once_hugetlb_pmd(struct kunit *test)
{
	mock_test_mremap_once(test, STLB_PMD, MAP_PRIVATE);
}

static void mremap_once_hugetlb_cont_pmd(struct kunit *test)
{
	mock_test_mremap_once(test, STLB_CONT_PMD, MAP_PRIVATE);
}

/* The pages of a file, which the gather tells of. */
static void mremap_once_shared_pmd(struct kunit *test)
{
	mock_test_mremap_once(test, STLB_PMD, MAP_SHARED);
}

/*
 * Many private pages that are moved, all of one table: one call for all of them. As
 * many calls as there are pages would each wait for the SMMU, with a PTL held.
 */
static void mock_test_mremap_many(struct kunit *test, enum stlb_level level)
{
	struct mock_test *t = test->priv;
	const struct stlb_call *call = t->mock.calls;
	unsigned int pages, i, nr;
	bool all = false;

	pages = stlb_map_hugetlb_pages(&t->run, level, 16);
	mock_arm(t, level);
	stlb_mremap(&t->run);

	nr = t->mock.nr[STLB_CB_RANGE];
	mock_show_calls(test, t, "told");
	for (i = 0; i < min_t(unsigned int, nr, ARRAY_SIZE(t->mock.calls)); i++, call++)
		all |= mock_call_is_whole(call) ||
		       (call->start <= t->run.start &&
			call->end >= t->run.start + t->run.size);
	if (nr == 1)
		KUNIT_EXPECT_TRUE(test, all);
	KUNIT_EXPECT_GE(test, nr, 1);
	stlb_verdict_word(test, MOCK_SUITE, nr > 1 ? "excess" : NULL,
			  "%u calls for %u pages", nr, pages);
}

static void mremap_many_hugetlb_cont_pte(struct kunit *test)
{
	mock_test_mremap_many(test, STLB_CONT_PTE);
}

static void mremap_many_hugetlb_pmd(struct kunit *test)
{
	mock_test_mremap_many(test, STLB_PMD);
}

static void mock_mprotect(struct kunit *test, struct mock_test *t,
			  enum stlb_level level)
{
	mock_arm(t, level);
	KUNIT_ASSERT_EQ(test, 0L, stlb_syscall(__NR_mprotect, t->run.start,
					       t->run.size, PROT_READ, 0));
}

/*
 * By the mmu_gather, when it has invalidated the CPU's TLBs
 * (tlb_flush_mmu_tlbonly()), and once more by range_end() if that calls.
 */
static void mock_test_mprotect(struct kunit *test, enum stlb_level level)
{
	struct mock_test *t = test->priv;

	stlb_map_written(&t->run, level, level == STLB_PMD);
	mock_mprotect(test, t, level);
	mock_expect_pairs(test, t, 1);
	mock_expect_once(test, t);
}

static void mprotect_pte(struct kunit *test)
{
	mock_test_mprotect(test, STLB_PTE);
}

static void mprotect_pmd(struct kunit *test)
{
	mock_test_mprotect(test, STLB_PMD);
}

/*
 * These are more pages than a CPU without range invalidation does one by one (arm64's
 * MAX_DVM_OPS). A secondary TLB need not lose everything for that.
 */
static void mprotect_table(struct kunit *test)
{
	struct mock_test *t = test->priv;
	struct stlb_run *run = &t->run;
	struct stlb_leaf leaf;

	stlb_map_private(run, STLB_PMD, false);
	stlb_cpu_write(run, run->start, 1);
	stlb_cpu_write(run, run->start + run->size - PAGE_SIZE, 1);
	stlb_walk(run->mm, run->start, &leaf);
	KUNIT_ASSERT_EQ(test, leaf.size, PAGE_SIZE);
	/* The table's, for what is to be told of. */
	mock_mprotect(test, t, STLB_PMD);
	mock_expect_pairs(test, t, 1);
	mock_expect_once(test, t);
}

/*
 * A gather within that of mprotect() would be taken for one of another thread, and
 * invalidate everything when it ends. A set is told of when it is clear, and then
 * the gather has nothing to say of it.
 */
static void mock_test_mprotect_hugetlb(struct kunit *test,
				       enum stlb_level level)
{
	struct mock_test *t = test->priv;

	stlb_map_hugetlb(&t->run, level, MAP_PRIVATE);
	stlb_cpu_write(&t->run, t->run.start, 1);
	mock_mprotect(test, t, level);
	mock_expect_pairs(test, t, 1);
	mock_expect_once(test, t);
}

/* Where there is no page there is nothing to tell, with a table or without. */
static void mock_test_hugetlb_none(struct kunit *test,
				   void (*change)(struct kunit *test,
						  struct mock_test *t,
						  enum stlb_level level))
{
	struct mock_test *t = test->priv;
	unsigned int nr;

	stlb_map_hugetlb(&t->run, STLB_CONT_PTE, MAP_PRIVATE);
	change(test, t, STLB_CONT_PTE);
	nr = t->mock.nr[STLB_CB_RANGE];
	stlb_unmap(&t->run);

	stlb_map_hugetlb(&t->run, STLB_PMD, MAP_PRIVATE);
	stlb_cpu_read(&t->run, t->run.start);
	KUNIT_ASSERT_EQ(test, 0L, stlb_syscall(__NR_madvise, t->run.start,
					       t->run.size, MADV_DONTNEED, 0));
	change(test, t, STLB_PMD);
	nr += t->mock.nr[STLB_CB_RANGE];
	stlb_verdict_word(test, MOCK_SUITE, nr ? "excess" : NULL,
			  "%u calls for nothing", nr);
}

static void mock_mremap(struct kunit *test, struct mock_test *t,
			enum stlb_level level)
{
	mock_arm(t, level);
	stlb_mremap(&t->run);
}

static void mremap_hugetlb_none(struct kunit *test)
{
	mock_test_hugetlb_none(test, mock_mremap);
}

static void mprotect_hugetlb_none(struct kunit *test)
{
	mock_test_hugetlb_none(test, mock_mprotect);
}

static void mprotect_hugetlb_cont_pte(struct kunit *test)
{
	mock_test_mprotect_hugetlb(test, STLB_CONT_PTE);
}

static void mprotect_hugetlb_pmd(struct kunit *test)
{
	mock_test_mprotect_hugetlb(test, STLB_PMD);
}

static void mprotect_hugetlb_cont_pmd(struct kunit *test)
{
	mock_test_mprotect_hugetlb(test, STLB_CONT_PMD);
}

static void mock_test_munmap(struct kunit *test, enum stlb_level level,
			     unsigned int pairs)
{
	struct mock_test *t = test->priv;

	mock_arm(t, level);
	KUNIT_ASSERT_EQ(test, 0L, stlb_syscall(__NR_munmap, t->run.start,
					       t->run.size, 0, 0));
	mock_expect_pairs(test, t, pairs);
	mock_expect_once(test, t);
}

/* unmap_vmas(): range_end(); and the gather. */
static void munmap_pte(struct kunit *test)
{
	struct mock_test *t = test->priv;

	stlb_map_written(&t->run, STLB_PTE, false);
	mock_test_munmap(test, STLB_PTE, 1);
}

static void munmap_pmd(struct kunit *test)
{
	struct mock_test *t = test->priv;

	stlb_map_written(&t->run, STLB_PMD, true);
	mock_test_munmap(test, STLB_PMD, 1);
}

/*
 * free_pgtables(): what walks the table may have cached where it is, and has to
 * be told once nobody finds it any more, which is after it was told of the pages.
 */
static void munmap_table(struct kunit *test)
{
	struct mock_test *t = test->priv;
	const struct stlb_call *call;
	struct stlb_leaf leaf;
	unsigned int nr;

	stlb_map_private(&t->run, STLB_PMD, false);
	stlb_cpu_write(&t->run, t->run.start, 1);
	stlb_walk(t->run.mm, t->run.start, &leaf);
	KUNIT_ASSERT_EQ(test, leaf.size, PAGE_SIZE);
	mock_arm(t, STLB_PTE);
	KUNIT_ASSERT_EQ(test, 0L, stlb_syscall(__NR_munmap, t->run.start,
					       t->run.size, 0, 0));

	mock_show_calls(test, t, "told");
	nr = t->mock.nr[STLB_CB_RANGE];
	KUNIT_ASSERT_GE(test, nr, 1);
	KUNIT_ASSERT_LE(test, nr, ARRAY_SIZE(t->mock.calls));
	call = &t->mock.calls[nr - 1];
	KUNIT_EXPECT_TRUE(test, mock_call_is_whole(call) ||
			  (call->start <= t->run.start && call->end > t->run.start));
	KUNIT_EXPECT_TRUE_MSG(test, call->ptep != leaf.ptep,
			      "the table is there at the last call");
}

/*
 * The same for a table that MADV_DONTNEED has emptied. Its mmu_gather frees the table,
 * once it has notified.
 */
static void dontneed_table(struct kunit *test)
{
	struct mock_test *t = test->priv;
	const struct stlb_call *call;
	struct stlb_leaf leaf;
	unsigned int nr;

	if (!STLB_RECLAIMS_TABLES)
		kunit_skip(test, "this kernel keeps empty tables");
	stlb_map_private(&t->run, STLB_PMD, false);
	stlb_cpu_write(&t->run, t->run.start, 1);
	stlb_walk(t->run.mm, t->run.start, &leaf);
	KUNIT_ASSERT_EQ(test, leaf.size, PAGE_SIZE);
	mock_arm(t, STLB_PTE);
	KUNIT_ASSERT_EQ(test, 0L, stlb_syscall(__NR_madvise, t->run.start,
					       t->run.size, MADV_DONTNEED, 0));

	nr = t->mock.nr[STLB_CB_RANGE];
	KUNIT_ASSERT_GE(test, nr, 1);
	KUNIT_ASSERT_LE(test, nr, ARRAY_SIZE(t->mock.calls));
	call = &t->mock.calls[nr - 1];
	KUNIT_EXPECT_TRUE(test, mock_call_is_whole(call) ||
			  (call->start <= t->run.start && call->end > t->run.start));
	KUNIT_EXPECT_TRUE_MSG(test, call->ptep != leaf.ptep,
			      "the table is linked at the last call");
}

/*
 * Two processes share a table of PMDs, of a hugetlb file. A change to a part of it in one
 * of them unlinks the table there, as the other one must not see the change. A TLB may
 * hold anything of all that the table maps, and where the table is; it is invalidated when
 * the table is not linked there any more, and before the change is over, as the other
 * process may free it from then on.
 */
static void mock_test_unshare(struct kunit *test, int nr, unsigned int page,
			      unsigned long arg)
{
	struct mock_test *t = test->priv;
	struct stlb_run *run = &t->run;
	const struct stlb_call *call;
	struct stlb_leaf leaf;
	unsigned int i, calls;
	bool unlinked = false;
	long ret;

	stlb_map_shared_table(run);
	stlb_walk(run->mm, run->start, &leaf);

	mock_arm(t, STLB_PMD);
	/* 6.1 unshares tables of a VMA that it splits without the lock, and warns. */
	lockdep_off();
	ret = stlb_syscall(nr, stlb_shared_page(run, page), PMD_SIZE, arg, 0);
	lockdep_on();
	KUNIT_ASSERT_EQ(test, 0L, ret);
	calls = t->mock.nr[STLB_CB_RANGE];
	KUNIT_ASSERT_LE(test, calls, ARRAY_SIZE(t->mock.calls));
	for (i = 0; i < calls; i++) {
		call = &t->mock.calls[i];
		unlinked |= call->ptep != leaf.ptep &&
			    (mock_call_is_whole(call) ||
			     (call->start <= run->start &&
			      call->end >= run->start + PUD_SIZE));
	}
	KUNIT_EXPECT_TRUE(test, stlb_other_has_all(run));
	stlb_verdict(test, MOCK_SUITE, !unlinked, "%u calls, %s of all that the table maps",
		     calls, unlinked ? "one" : "none");
}

static void unshare_mprotect_pmd(struct kunit *test)
{
	mock_test_unshare(test, __NR_mprotect, 0, PROT_READ);
}

static void unshare_munmap_pmd(struct kunit *test)
{
	mock_test_unshare(test, __NR_munmap, 1, 0);
}

static void unshare_dontneed_pmd(struct kunit *test)
{
	mock_test_unshare(test, __NR_madvise, 0, MADV_DONTNEED);
}

/* __unmap_hugepage_range() may have a pair of its own inside that. */
static void mock_test_munmap_hugetlb(struct kunit *test, enum stlb_level level)
{
	struct mock_test *t = test->priv;

	stlb_map_hugetlb(&t->run, level, MAP_PRIVATE);
	stlb_cpu_write(&t->run, t->run.start, 1);
	mock_test_munmap(test, level, STLB_HUGETLB_UNMAP_PAIRS);
}

static void munmap_hugetlb_cont_pte(struct kunit *test)
{
	mock_test_munmap_hugetlb(test, STLB_CONT_PTE);
}

static void munmap_hugetlb_pmd(struct kunit *test)
{
	mock_test_munmap_hugetlb(test, STLB_PMD);
}

static void munmap_hugetlb_cont_pmd(struct kunit *test)
{
	mock_test_munmap_hugetlb(test, STLB_CONT_PMD);
}

/*
 * copy_page_range() of the one private mapping: by range_end(), or by the
 * flush_tlb_mm() at the end of dup_mmap(). Contiguous sets are rewritten by it
 * and belong to the arm64 suite.
 */
static void mock_test_fork(struct kunit *test, enum stlb_level level,
			   unsigned long margin)
{
	struct mock_test *t = test->priv;
	const struct stlb_call *call = t->mock.calls;

	mock_arm(t, level);
	stlb_fork(&t->run, NULL);
	mock_show_calls(test, t, "told");
	KUNIT_EXPECT_EQ(test, t->mock.nr[STLB_CB_RANGE], 1);
	if (!mock_call_is_whole(call)) {
		KUNIT_EXPECT_EQ(test, call->start, t->run.start - margin);
		KUNIT_EXPECT_EQ(test, call->end,
				t->run.start + t->run.size + margin);
	}
	KUNIT_EXPECT_FALSE(test, call->writable);
	mock_expect_pairs(test, t, 1);
}

static void fork_pte(struct kunit *test)
{
	struct mock_test *t = test->priv;

	stlb_map_written(&t->run, STLB_PTE, false);
	mock_test_fork(test, STLB_PTE, PAGE_SIZE);
}

static void fork_pmd(struct kunit *test)
{
	struct mock_test *t = test->priv;

	stlb_map_written(&t->run, STLB_PMD, true);
	mock_test_fork(test, STLB_PMD, 0);
}

static void fork_hugetlb_pmd(struct kunit *test)
{
	struct mock_test *t = test->priv;

	stlb_map_hugetlb(&t->run, STLB_PMD, MAP_PRIVATE);
	stlb_cpu_write(&t->run, t->run.start, 1);
	mock_test_fork(test, STLB_PMD, 0);
}

/*
 * A private page is shared with the child, or copied for it, whatever the page that
 * has its table was used for before. Else the child has lost it, and the device of
 * the parent goes on to write to it.
 */
static void mock_test_fork_recycled(struct kunit *test, enum stlb_level level)
{
	struct mock_test *t = test->priv;
	struct stlb_leaf leaf;

	stlb_map_hugetlb(&t->run, level, MAP_PRIVATE);
	stlb_cpu_write(&t->run, t->run.start, 1);
	t->run.recycled = 1;
	stlb_fork(&t->run, NULL);
	stlb_walk(t->run.mm, t->run.start, &leaf);
	KUNIT_ASSERT_TRUE(test, leaf.valid);
	stlb_verdict(test, MOCK_SUITE, leaf.writable, "the page is %s",
		     leaf.writable ? "left out by fork()" : "shared by fork()");
}

static void fork_recycled_cont_pte(struct kunit *test)
{
	mock_test_fork_recycled(test, STLB_CONT_PTE);
}

static void fork_recycled_pmd(struct kunit *test)
{
	mock_test_fork_recycled(test, STLB_PMD);
}

static void fork_recycled_cont_pmd(struct kunit *test)
{
	mock_test_fork_recycled(test, STLB_CONT_PMD);
}

static void fork_recycled_pud(struct kunit *test)
{
	mock_test_fork_recycled(test, STLB_PUD);
}

static int mock_test_init(struct kunit *test)
{
	struct mock_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	int ret;

	if (!t)
		return -ENOMEM;
	test->priv = t;
	stlb_run_init(&t->run, test);
	ret = stlb_mock_register(&t->mock, t->run.mm);
	if (!ret)
		ret = stlb_mock_register_pair_only(&t->pair_only, t->run.mm);
	return ret;
}

static void mock_test_exit(struct kunit *test)
{
	struct mock_test *t = test->priv;

	if (!t)
		return;
	stlb_mock_unregister(&t->second);
	stlb_mock_unregister(&t->pair_only);
	stlb_mock_unregister(&t->mock);
	stlb_run_exit(&t->run);
}

static struct kunit_case mock_test_cases[] = {
#define STLB_SCENARIO(_name) KUNIT_CASE(_name),
#include <linux/secondary_tlb_scenarios.h>
	KUNIT_CASE(two_subscribers),
	KUNIT_CASE(unregister_in_storm),
	KUNIT_CASE(first_subscriber_in_storm),
	KUNIT_CASE(no_walk_for_others),
	KUNIT_CASE(subscribers_come_and_go),
	KUNIT_CASE(first_write_hugetlb_cont_pte),
	KUNIT_CASE(first_write_hugetlb_pmd),
	KUNIT_CASE(first_write_hugetlb_cont_pmd),
	KUNIT_CASE(first_write_hugetlb_pud),
	KUNIT_CASE(sees_context),
	KUNIT_CASE(range_nonblock),
	KUNIT_CASE(first_touch_pte),
	KUNIT_CASE(first_touch_pmd),
	KUNIT_CASE(first_touch_hugetlb_cont_pte),
	KUNIT_CASE(first_touch_hugetlb_pmd),
	KUNIT_CASE(first_touch_hugetlb_cont_pmd),
	KUNIT_CASE(no_change_pte),
	KUNIT_CASE(no_change_pmd),
	KUNIT_CASE(no_change_hugetlb_cont_pte),
	KUNIT_CASE(no_change_hugetlb_pmd),
	KUNIT_CASE(no_change_hugetlb_cont_pmd),
	KUNIT_CASE(no_change_hugetlb_pud),
	KUNIT_CASE(spurious_request_pte),
	KUNIT_CASE(spurious_request_pmd),
#ifdef CONFIG_ARM64_CONTPTE
	KUNIT_CASE(spurious_request_fold_cont_pte),
#endif
	KUNIT_CASE(spurious_request_hugetlb_cont_pte),
	KUNIT_CASE(spurious_request_hugetlb_pmd),
	KUNIT_CASE(spurious_request_hugetlb_cont_pmd),
	KUNIT_CASE(spurious_request_hugetlb_pud),
	KUNIT_CASE(young_pte),
	KUNIT_CASE(young_pmd),
	KUNIT_CASE(cow_copy_pte),
	KUNIT_CASE(cow_zero_page_pte),
	KUNIT_CASE(cow_split_pmd),
	KUNIT_CASE(cow_copy_hugetlb_cont_pte),
	KUNIT_CASE(cow_copy_hugetlb_pmd),
	KUNIT_CASE(mprotect_pte),
	KUNIT_CASE(mprotect_pmd),
	KUNIT_CASE(mprotect_table),
	KUNIT_CASE(mprotect_hugetlb_cont_pte),
	KUNIT_CASE(mprotect_hugetlb_pmd),
	KUNIT_CASE(mprotect_hugetlb_cont_pmd),
	KUNIT_CASE(mprotect_hugetlb_none),
	KUNIT_CASE(mremap_hugetlb_none),
	KUNIT_CASE(mremap_hugetlb_cont_pte),
	KUNIT_CASE(mremap_hugetlb_pmd),
	KUNIT_CASE(mremap_hugetlb_cont_pmd),
	KUNIT_CASE(mremap_once_hugetlb_cont_pte),
	KUNIT_CASE(mremap_once_hugetlb_pmd),
	KUNIT_CASE(mremap_once_hugetlb_cont_pmd),
	KUNIT_CASE(mremap_once_shared_pmd),
	KUNIT_CASE(mremap_many_hugetlb_cont_pte),
	KUNIT_CASE(mremap_many_hugetlb_pmd),
	KUNIT_CASE(munmap_pte),
	KUNIT_CASE(munmap_pmd),
	KUNIT_CASE(munmap_table),
	KUNIT_CASE(dontneed_table),
	KUNIT_CASE(unshare_mprotect_pmd),
	KUNIT_CASE(unshare_munmap_pmd),
	KUNIT_CASE(unshare_dontneed_pmd),
	KUNIT_CASE(munmap_hugetlb_cont_pte),
	KUNIT_CASE(munmap_hugetlb_pmd),
	KUNIT_CASE(munmap_hugetlb_cont_pmd),
	KUNIT_CASE(fork_pte),
	KUNIT_CASE(fork_pmd),
	KUNIT_CASE(fork_hugetlb_pmd),
	KUNIT_CASE(fork_recycled_cont_pte),
	KUNIT_CASE(fork_recycled_pmd),
	KUNIT_CASE(fork_recycled_cont_pmd),
	KUNIT_CASE(fork_recycled_pud),
	{}
};

static struct kunit_suite mock_test_suite = {
	.name		= MOCK_SUITE,
	.init		= mock_test_init,
	.exit		= mock_test_exit,
	.test_cases	= mock_test_cases,
};

kunit_test_suite(mock_test_suite);
