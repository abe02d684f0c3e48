// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mistakes that a kernel under observation must report, and that must turn a run
 * red although every case passes. They are only made if stlb_splat.please is set.
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX	"stlb_splat."

static bool please;
module_param(please, bool, 0444);
MODULE_PARM_DESC(please, "make the mistakes");

static void warn(struct kunit *test)
{
	WARN(1, "stlb_splat: as asked for");
}

static DEFINE_SPINLOCK(splat_a);
static DEFINE_SPINLOCK(splat_b);

/* A before B, and B before A. */
static void lockdep(struct kunit *test)
{
	spin_lock(&splat_a);
	spin_lock(&splat_b);
	spin_unlock(&splat_b);
	spin_unlock(&splat_a);
	spin_lock(&splat_b);
	spin_lock(&splat_a);
	spin_unlock(&splat_a);
	spin_unlock(&splat_b);
}

static DEFINE_MUTEX(splat_mutex);

static void sleep(struct kunit *test)
{
	spin_lock(&splat_a);
	might_sleep();
	spin_unlock(&splat_a);
	mutex_lock(&splat_mutex);
	mutex_unlock(&splat_mutex);
}

static void kasan(struct kunit *test)
{
	u32 *word = kmalloc(64, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, word);
	kfree(word);
	OPTIMIZER_HIDE_VAR(word);
	READ_ONCE(word[1]);
}

static void ubsan(struct kunit *test)
{
	u32 shift = 33, one = 1;

	OPTIMIZER_HIDE_VAR(shift);
	one <<= shift;
	OPTIMIZER_HIDE_VAR(one);
}

static unsigned long splat_count;

static noinline void splat_race(void)
{
	splat_count++;
	barrier();
}

static int splat_racer(void *data)
{
	while (!kthread_should_stop()) {
		splat_race();
		cond_resched();
	}
	return 0;
}

static void kcsan(struct kunit *test)
{
	unsigned long end = jiffies + 5 * HZ;
	struct task_struct *task = kthread_run(splat_racer, NULL, "splat_racer");

	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	while (time_before(jiffies, end)) {
		splat_race();
		cond_resched();
	}
	kthread_stop(task);
}

static int splat_init(struct kunit *test)
{
	if (!please)
		kunit_skip(test, "nobody has asked for it");
	return 0;
}

static struct kunit_case splat_cases[] = {
	KUNIT_CASE(warn),
	KUNIT_CASE(lockdep),
	KUNIT_CASE(sleep),
	KUNIT_CASE(kasan),
	KUNIT_CASE(ubsan),
	KUNIT_CASE(kcsan),
	{}
};

static struct kunit_suite splat_suite = {
	.name		= "stlb_splat",
	.init		= splat_init,
	.test_cases	= splat_cases,
};

kunit_test_suite(splat_suite);
