// SPDX-License-Identifier: GPL-2.0-only
/*
 * Permission upgrades seen by a device that does DMA: QEMU's "edu" behind the
 * SMMUv3 that QEMU emulates. Its IOTLB caches permissions, and hears nothing of
 * the CPU's TLB maintenance. What it holds cannot be looked at: all that counts
 * is what gets through.
 */
#include <kunit/test.h>
#include <linux/mman.h>
#include <linux/secondary_tlb_compat.h>
#include <linux/secondary_tlb_kunit.h>
#include <linux/secondary_tlb_soak.h>
#include <linux/uaccess.h>
#include <linux/unistd.h>

#include "arm-smmu-v3-edu.h"

#define EDU_SUITE	"smmuv3_edu"
#define HD_SUITE	"smmuv3_hd"
#define SOAK_SUITE	"stlb_soak_edu"

static struct edu *edu;
static const char *edu_missing;

/**
 * struct edu_test - a case
 * @run: the address space
 * @dev: the device
 * @scratch: a page of the address space that the device may always write to
 * @requests: page requests that the device has made
 * @late: lets the device write when the locks of a change are gone
 * @helper: reclaims the page before that
 * @folio: the page that was reclaimed
 * @dma: whether the write came to an end
 */
struct edu_test {
	struct stlb_run run;
	struct stlb_device dev;
	unsigned long scratch;
	unsigned long requests;
	struct stlb_late late;
	struct stlb_helper helper;
	struct folio *folio;
	int dma;
};

/* A new process, and the device bound to it. */
static int edu_test_begin(struct edu_test *t, struct kunit *test)
{
	long va;

	stlb_run_init(&t->run, test);
	va = stlb_syscall(__NR_mmap, 0, PAGE_SIZE, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS);
	if (IS_ERR_VALUE(va))
		return va;
	t->scratch = va;
	/* Shared and dirty, it stays writable, whatever the case does. */
	if (put_user(0, (u32 __user *)va))
		return -EFAULT;
	return edu_bind(edu, t->run.mm);
}

static struct edu_test *edu_of(struct stlb_device *dev)
{
	return container_of(dev, struct edu_test, dev);
}

/*
 * The device is not told that an access was refused. Its memory is 0 after a read
 * that was, so no page that it reads may have a 0 there. It is written by the
 * kernel's own mapping, which changes nothing for that of the process.
 */
static void edu_seed(struct mm_struct *mm, unsigned long va)
{
	struct stlb_leaf leaf;
	u32 *word;

	mmap_read_lock(mm);
	stlb_walk(mm, va, &leaf);
	if (leaf.valid && !is_zero_pfn(leaf.pfn)) {
		word = phys_to_virt(PFN_PHYS(leaf.pfn) + va - leaf.start);
		cmpxchg(word, 0, (u32)va | 1);
	}
	mmap_read_unlock(mm);
}

static int edu_load(struct edu_test *t, u32 val)
{
	if (put_user(val, (u32 __user *)t->scratch))
		return -EFAULT;
	return edu_copy_in(edu, t->scratch, sizeof(val));
}

static int edu_store(struct edu_test *t, u32 *val)
{
	int ret = edu_copy_out(edu, t->scratch, sizeof(*val));

	return ret ?: get_user(*val, (u32 __user *)t->scratch);
}

static int edu_read(struct stlb_device *dev, unsigned long va, u32 *val)
{
	struct edu_test *t = edu_of(dev);
	unsigned int retries;
	int ret;

	for (retries = 0; ; retries++) {
		edu_seed(t->run.mm, va);
		ret = edu_copy_in(edu, va, sizeof(*val)) ?: edu_store(t, val);
		if (ret || *val)
			return ret;
		if (retries == STLB_RETRIES)
			return -EFAULT;
		t->requests++;
		if (stlb_page_request(t->run.mm, va, false))
			return -EFAULT;
	}
}

/* What has been written is what the CPU finds there; it is something else now. */
static int edu_write(struct stlb_device *dev, unsigned long va, u32 val)
{
	u32 __user *word = (u32 __user *)va;
	struct edu_test *t = edu_of(dev);
	unsigned int retries;
	u32 seen;
	int ret;

	if (get_user(seen, word) || seen == val)
		return -EINVAL;
	ret = edu_load(t, val);
	for (retries = 0; !ret; retries++) {
		ret = edu_copy_out(edu, va, sizeof(val)) ?: get_user(seen, word);
		if (ret || seen == val)
			return ret;
		if (retries == STLB_RETRIES)
			return -EFAULT;
		t->requests++;
		if (stlb_page_request(t->run.mm, va, true))
			return -EFAULT;
	}
	return ret;
}

static unsigned long edu_requests(struct stlb_device *dev)
{
	return edu_of(dev)->requests;
}

static const struct stlb_device_ops edu_dev_ops = {
	.name		= EDU_SUITE,
	.read		= edu_read,
	.write		= edu_write,
	.requests	= edu_requests,
};

static void edu_test_scenario(struct kunit *test,
			      const struct stlb_scenario *scenario)
{
	struct edu_test *t = test->priv;

	stlb_test_device(&t->run, scenario, &t->dev);
}

#define STLB_SCENARIO(_name)						\
	static void _name(struct kunit *test)				\
	{								\
		edu_test_scenario(test, &stlb_scenarios[STLB_##_name]);	\
	}

#include <linux/secondary_tlb_scenarios.h>

/*
 * A device that may write, and has a read-only entry cached: it is refused, makes
 * a page request, which is answered by one handle_mm_fault(), and tries again.
 * Counts the answers until it gets through, or until it will not.
 */
#define EDU_ENDLESS	10

static void edu_test_answers(struct kunit *test, const char *suite)
{
	struct edu_test *t = test->priv;
	struct stlb_run *run = &t->run;
	unsigned int i, answers = 0;
	unsigned long requests;
	u32 val, seen;

	val = stlb_cpu_read(run, run->start);
	KUNIT_ASSERT_EQ(test, 0, edu_load(t, ~val));
	for (;;) {
		KUNIT_ASSERT_EQ(test, 0, edu_copy_out(edu, run->start, sizeof(val)));
		seen = stlb_cpu_read(run, run->start);
		if (seen != val || answers == EDU_ENDLESS)
			break;
		answers++;
		KUNIT_ASSERT_EQ(test, 0, stlb_page_request(run->mm, run->start, true));
	}
	KUNIT_EXPECT_TRUE(test, seen == val || seen == ~val);
	if (seen != val)
		KUNIT_EXPECT_EQ_MSG(test, answers, 1, "not by one answer");
	/* Which is for all of the translation. */
	requests = t->requests;
	for (i = 1; i < stlb_triggers(run) && seen != val; i++)
		KUNIT_EXPECT_EQ(test, 0, edu_write(&t->dev, stlb_trigger(run, i),
						   0x77777777));
	KUNIT_EXPECT_EQ(test, requests, t->requests);
	stlb_verdict(test, suite, seen == val, "%s after %u answers",
		     seen == val ? "stuck" : "through", answers);
}

/*
 * The report that all this began with: nobody but the device touches the page, is
 * told that all is well, tries again, and is refused again.
 */
static void edu_test_endless(struct kunit *test,
			     const struct stlb_scenario *scenario)
{
	struct edu_test *t = test->priv;
	u32 val;

	stlb_map(&t->run, scenario);
	KUNIT_ASSERT_EQ(test, 0, edu_read(&t->dev, t->run.start, &val));
	edu_test_answers(test, EDU_SUITE);
}

static void endless_fault_pte(struct kunit *test)
{
	edu_test_endless(test, &stlb_scenarios[STLB_shm_request_pte]);
}

static void endless_fault_pmd(struct kunit *test)
{
	edu_test_endless(test, &stlb_scenarios[STLB_thp_free_request_pmd]);
}

static void endless_fault_hugetlb_cont_pte(struct kunit *test)
{
	edu_test_endless(test, &stlb_scenarios[STLB_hugetlb_request_cont_pte]);
}

static void endless_fault_hugetlb_pmd(struct kunit *test)
{
	edu_test_endless(test, &stlb_scenarios[STLB_hugetlb_request_pmd]);
}

static void endless_fault_hugetlb_cont_pmd(struct kunit *test)
{
	edu_test_endless(test, &stlb_scenarios[STLB_hugetlb_request_cont_pmd]);
}

static void endless_fault_hugetlb_pud(struct kunit *test)
{
	edu_test_endless(test, &stlb_scenarios[STLB_hugetlb_request_pud]);
}

/*
 * An upgrade leaves other pages cached. It cannot be seen what is, but an entry
 * that is made writable without a word to anybody is refused as long as it is.
 */
static void edu_test_keeps(struct kunit *test,
			   const struct stlb_scenario *scenario)
{
	struct edu_test *t = test->priv;
	struct stlb_run *run = &t->run;
	struct stlb_leaf leaf;
	unsigned long other;
	spinlock_t *ptl;	/* of the other page */
	bool gone;
	u32 val;

	stlb_map(run, scenario);
	/* The one before: that behind may be taken along. */
	other = run->start - PAGE_SIZE;
	KUNIT_ASSERT_EQ(test, 0, edu_read(&t->dev, run->start, &val));
	KUNIT_ASSERT_EQ(test, 0, edu_read(&t->dev, other, &val));

	ptl = stlb_ptl(run->mm, other);
	KUNIT_ASSERT_NOT_NULL(test, ptl);
	mmap_read_lock(run->mm);
	spin_lock(ptl);
	stlb_walk(run->mm, other, &leaf);
	set_pte(leaf.ptep, pte_mkdirty(pte_mkwrite_novma(*leaf.ptep)));
	spin_unlock(ptl);
	mmap_read_unlock(run->mm);

	stlb_upgrade(run, scenario, run->start);
	KUNIT_ASSERT_EQ(test, 0, edu_load(t, ~val));
	KUNIT_ASSERT_EQ(test, 0, edu_copy_out(edu, other, sizeof(val)));
	gone = stlb_cpu_read(run, other) != val;
	/* And it was for that reason that it was refused. */
	stlb_invalidate(run->mm, other, other + PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, 0, edu_copy_out(edu, other, sizeof(val)));
	KUNIT_EXPECT_EQ(test, stlb_cpu_read(run, other), ~val);
	stlb_verdict_word(test, EDU_SUITE, gone ? "excess" : NULL,
			  "the entry of another page is %s",
			  gone ? "gone" : "there");
}

static void keeps_other_pages_pte(struct kunit *test)
{
	edu_test_keeps(test, &stlb_scenarios[STLB_shm_store_pte]);
}

static void keeps_other_pages_pmd(struct kunit *test)
{
	edu_test_keeps(test, &stlb_scenarios[STLB_thp_free_store_pmd]);
}

static void keeps_other_pages_cont_pte(struct kunit *test)
{
	edu_test_keeps(test, &stlb_scenarios[STLB_hugetlb_private_cont_pte]);
}

static void keeps_other_pages_cont_pmd(struct kunit *test)
{
	edu_test_keeps(test, &stlb_scenarios[STLB_hugetlb_private_cont_pmd]);
}

/* A device that cannot read, and one that cannot write, must be seen. */
static void sees_refusal(struct kunit *test)
{
	struct edu_test *t = test->priv;
	unsigned long va;
	u32 val;

	stlb_map_written(&t->run, STLB_PTE, false);
	va = t->run.start;
	KUNIT_EXPECT_EQ(test, 0, edu_read(&t->dev, va, &val));
	stlb_syscall(__NR_mprotect, va, PAGE_SIZE, PROT_READ, 0);
	KUNIT_EXPECT_EQ(test, -EFAULT, edu_write(&t->dev, va, ~val));
	stlb_syscall(__NR_munmap, va, PAGE_SIZE, 0, 0);
	KUNIT_EXPECT_EQ(test, -EFAULT, edu_read(&t->dev, va, &val));
}

/*
 * The same process once more, and so the same ASID, with another page at the
 * address. What the first time has left in the IOTLB would still be found.
 */
static void same_process(struct kunit *test)
{
	struct edu_test *t = test->priv;
	struct page *page;
	unsigned long va;
	u32 val;

	stlb_map_written(&t->run, STLB_PTE, false);
	va = t->run.start;
	stlb_cpu_write(&t->run, va, 0x11111111);
	KUNIT_ASSERT_EQ(test, 0, edu_read(&t->dev, va, &val));
	/* The old page must not be the new one as well. */
	KUNIT_ASSERT_EQ(test, 1L, get_user_pages_unlocked(va, 1, &page, FOLL_WRITE));
	edu_unbind(edu);
	stlb_syscall(__NR_munmap, va, PAGE_SIZE, 0, 0);
	stlb_syscall(__NR_mmap, va, PAGE_SIZE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED);
	if (put_user(0x22222222, (u32 __user *)va) || edu_bind(edu, t->run.mm))
		KUNIT_FAIL(test, "no other page, or not bound");
	else
		KUNIT_EXPECT_EQ(test, 0, edu_read(&t->dev, va, &val));
	put_page(page);
	KUNIT_EXPECT_EQ(test, val, 0x22222222);
}

/* Two processes, one after the other, with different pages at one address. */
static void next_process(struct kunit *test)
{
	struct edu_test *t = test->priv;
	unsigned long va;
	u32 val;

	stlb_map_written(&t->run, STLB_PTE, false);
	va = t->run.start;
	stlb_cpu_write(&t->run, va, 0x11111111);
	KUNIT_ASSERT_EQ(test, 0, edu_read(&t->dev, va, &val));
	KUNIT_ASSERT_EQ(test, val, 0x11111111);

	edu_unbind(edu);
	stlb_run_exit(&t->run);
	KUNIT_ASSERT_EQ(test, 0, edu_test_begin(t, test));
	KUNIT_ASSERT_EQ(test, (long)va,
			stlb_syscall(__NR_mmap, va, PAGE_SIZE,
				     PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED));
	stlb_cpu_write(&t->run, va, 0x22222222);
	KUNIT_ASSERT_EQ(test, 0, edu_read(&t->dev, va, &val));
	KUNIT_EXPECT_EQ(test, val, 0x22222222);
	KUNIT_EXPECT_EQ(test, 0, edu_write(&t->dev, va, 0x33333333));
	KUNIT_EXPECT_EQ(test, stlb_cpu_read(&t->run, va), 0x33333333);
}

/*
 * A page that the device has written to, and that is taken away while another
 * transfer to it is pending: edu accesses memory at the end of the 100 ms. The
 * reference keeps it from being used again, so that it can be looked at.
 */
static void edu_test_taken(struct kunit *test, void (*take)(struct edu_test *t))
{
	struct edu_test *t = test->priv;
	struct stlb_run *run = &t->run;
	struct page *page;
	u32 *word;

	stlb_map_written(run, STLB_PTE, false);
	KUNIT_ASSERT_EQ(test, 0, edu_write(&t->dev, run->start, 0x44444444));
	KUNIT_ASSERT_EQ(test, 1L, get_user_pages_unlocked(run->start, 1, &page,
							  FOLL_WRITE));
	word = page_address(page);
	if (edu_load(t, 0x55555555)) {
		put_page(page);
		KUNIT_FAIL(test, "the device does not read");
		return;
	}
	edu_start_out(edu, run->start, sizeof(*word));
	take(t);
	KUNIT_EXPECT_EQ(test, 0, edu_wait(edu));
	KUNIT_EXPECT_EQ_MSG(test, READ_ONCE(*word), 0x44444444,
			    "the device wrote to a page that is not its any more");
	put_page(page);
}

static void edu_take_by_munmap(struct edu_test *t)
{
	stlb_syscall(__NR_munmap, t->run.start, PAGE_SIZE, 0, 0);
}

static void munmap_under_dma(struct kunit *test)
{
	edu_test_taken(test, edu_take_by_munmap);
}

static void edu_take_by_exit(struct edu_test *t)
{
	stlb_run_exit_mm(&t->run);
}

static void exit_under_dma(struct kunit *test)
{
	edu_test_taken(test, edu_take_by_exit);
}

static void edu_write_late(struct stlb_late *late)
{
	struct edu_test *t = container_of(late, struct edu_test, late);

	edu_start_out(edu, t->run.start, sizeof(u32));
	t->dma = edu_wait(edu);
}

/*
 * mremap() moves a page, and has let go of all locks that keep others from it.
 * The device writes to the old address: not to that page.
 */
static void mremap_under_dma(struct kunit *test)
{
	struct edu_test *t = test->priv;
	struct stlb_run *run = &t->run;
	unsigned long to;
	u32 val;

	stlb_map_written(run, STLB_PTE, false);
	KUNIT_ASSERT_EQ(test, 0, edu_write(&t->dev, run->start, 0x44444444));
	KUNIT_ASSERT_EQ(test, 0, edu_load(t, 0x55555555));
	KUNIT_ASSERT_EQ(test, 0, stlb_late_register(&t->late, run, edu_write_late));
	to = stlb_mremap(run);

	KUNIT_ASSERT_TRUE(test, t->late.acted);
	KUNIT_EXPECT_EQ(test, 0, t->dma);
	val = stlb_cpu_read(run, to);
	if (val != 0x55555555)
		KUNIT_EXPECT_EQ(test, val, 0x44444444);
	stlb_verdict(test, EDU_SUITE, val == 0x55555555,
		     "the device has %s to a page by its old address",
		     val == 0x55555555 ? "written" : "not written");
}

static void edu_reclaim(struct stlb_helper *helper)
{
	struct edu_test *t = container_of(helper, struct edu_test, helper);

	t->folio = stlb_reclaim(&t->run);
}

static void edu_write_reclaimed(struct stlb_late *late)
{
	struct edu_test *t = container_of(late, struct edu_test, late);

	t->dma = -ETIMEDOUT;
	if (stlb_helper_call(&t->helper))
		edu_write_late(late);
}

static u32 edu_peek(struct folio *folio)
{
	u32 *word = kmap_local_folio(folio, 0);
	u32 val = READ_ONCE(*word);

	kunmap_local(word);
	return val;
}

/*
 * The same with a page that reclaim finds at its new address and frees: all that
 * keeps it from being somebody else's is the reference of this test.
 */
static void mremap_reclaim_under_dma(struct kunit *test)
{
	struct edu_test *t = test->priv;
	struct stlb_run *run = &t->run;
	u32 val;

	stlb_map_file_page(run);
	stlb_cpu_write(run, run->start, 1);
	KUNIT_ASSERT_EQ(test, 0, edu_write(&t->dev, run->start, 0x44444444));
	KUNIT_ASSERT_EQ(test, 0, edu_load(t, 0x55555555));
	t->helper.mm = run->mm;
	t->helper.fn = edu_reclaim;
	KUNIT_ASSERT_EQ(test, 0, stlb_helper_start(&t->helper));
	KUNIT_ASSERT_EQ(test, 0, stlb_late_register(&t->late, run,
						    edu_write_reclaimed));
	stlb_mremap_merged(run);

	KUNIT_ASSERT_TRUE(test, t->late.acted);
	KUNIT_ASSERT_NOT_NULL_MSG(test, t->folio, "the page was not reclaimed");
	KUNIT_EXPECT_EQ(test, 0, t->dma);
	KUNIT_EXPECT_EQ(test, folio_ref_count(t->folio), 1);
	val = edu_peek(t->folio);
	if (val != 0x55555555)
		KUNIT_EXPECT_EQ(test, val, 0x44444444);
	stlb_verdict(test, EDU_SUITE, val == 0x55555555,
		     "the device has %s to a page that is free",
		     val == 0x55555555 ? "written" : "not written");
}

/* What was there before is there again, as often as one likes. */
static void domain_is_back(struct kunit *test)
{
	struct edu_test *t = test->priv;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_EQ(test, 0, edu_write(&t->dev, t->scratch + 64, i + 1));
		edu_unbind(edu);
		KUNIT_EXPECT_EQ(test, 0, edu_check_dma(edu));
		/* And of the process nothing can be reached. */
		KUNIT_EXPECT_EQ(test, 0, edu_copy_out(edu, t->scratch + 64, sizeof(i)));
		KUNIT_EXPECT_EQ(test, stlb_cpu_read(&t->run, t->scratch + 64), i + 1);

		edu_close(edu);
		edu_missing = edu_open(&edu);
		KUNIT_ASSERT_NULL(test, edu_missing);
		KUNIT_ASSERT_EQ(test, 0, edu_bind(edu, t->run.mm));
	}
}

/*
 * A CPU that manages the dirty state in hardware makes a writable-clean entry
 * writable on its own. No kernel code runs, so nobody can be told, and the device
 * is refused once, whatever the kernel does. The answer to its page request must
 * be the end of it, though the page table does not need to change any more.
 */
static void edu_test_hw_dirty(struct kunit *test,
			      const struct stlb_scenario *scenario)
{
	struct edu_test *t = test->priv;
	struct stlb_run *run = &t->run;
	struct stlb_leaf leaf;
	unsigned long va;
	u32 val;

	if (!stlb_hw_dirty())
		kunit_skip(test, "the CPU does not manage the dirty state: use -cpu cortex-a76");
	stlb_map(run, scenario);
	KUNIT_ASSERT_EQ(test, 0, edu_read(&t->dev, run->start, &val));
	for (va = run->start; va < run->start + run->size;
	     va += stlb_entry_size(scenario->level)) {
		stlb_walk(run->mm, va, &leaf);
		KUNIT_ASSERT_TRUE_MSG(test, leaf.dbm && !leaf.writable,
				      "not writable-clean");
		stlb_cpu_write(run, va, 0x66666666);
		stlb_walk(run->mm, va, &leaf);
		KUNIT_ASSERT_TRUE(test, leaf.writable);
	}
	edu_test_answers(test, HD_SUITE);
}

static void hw_dirty_pte(struct kunit *test)
{
	edu_test_hw_dirty(test, &stlb_scenarios[STLB_shm_request_pte]);
}

static void hw_dirty_pmd(struct kunit *test)
{
	edu_test_hw_dirty(test, &stlb_scenarios[STLB_thp_free_request_pmd]);
}

#ifdef CONFIG_ARM64_CONTPTE
static void hw_dirty_fold_cont_pte(struct kunit *test)
{
	edu_test_hw_dirty(test, &stlb_scenarios[STLB_fold_request_cont_pte]);
}
#endif

static void hw_dirty_hugetlb_cont_pte(struct kunit *test)
{
	edu_test_hw_dirty(test, &stlb_scenarios[STLB_hugetlb_shared_request_cont_pte]);
}

static void hw_dirty_hugetlb_pmd(struct kunit *test)
{
	edu_test_hw_dirty(test, &stlb_scenarios[STLB_hugetlb_shared_request_pmd]);
}

static void hw_dirty_hugetlb_cont_pmd(struct kunit *test)
{
	edu_test_hw_dirty(test, &stlb_scenarios[STLB_hugetlb_shared_request_cont_pmd]);
}

static void hw_dirty_hugetlb_pud(struct kunit *test)
{
	edu_test_hw_dirty(test, &stlb_scenarios[STLB_hugetlb_shared_request_pud]);
}

static int edu_suite_init(struct kunit_suite *suite)
{
	edu_missing = edu_open(&edu);
	return 0;
}

static void edu_suite_exit(struct kunit_suite *suite)
{
	if (edu)
		edu_close(edu);
	edu = NULL;
}

static int edu_test_init(struct kunit *test)
{
	struct edu_test *t;

	if (!edu)
		kunit_skip(test, "%s", edu_missing);
	t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	if (!t)
		return -ENOMEM;
	test->priv = t;
	t->dev.ops = &edu_dev_ops;
	return edu_test_begin(t, test);
}

static void edu_test_exit(struct kunit *test)
{
	struct edu_test *t = test->priv;

	if (!t || !edu)
		return;
	stlb_late_unregister(&t->late);
	stlb_helper_stop(&t->helper);
	if (t->folio)
		folio_put(t->folio);
	edu_unbind(edu);
	KUNIT_EXPECT_EQ_MSG(test, 0, edu_check_dma(edu), "the domain is not back");
	stlb_run_exit(&t->run);
}

static struct kunit_case edu_test_cases[] = {
#define STLB_SCENARIO(_name) KUNIT_CASE(_name),
#include <linux/secondary_tlb_scenarios.h>
	KUNIT_CASE(endless_fault_pte),
	KUNIT_CASE(endless_fault_pmd),
	KUNIT_CASE(endless_fault_hugetlb_cont_pte),
	KUNIT_CASE(endless_fault_hugetlb_pmd),
	KUNIT_CASE(endless_fault_hugetlb_cont_pmd),
	KUNIT_CASE(endless_fault_hugetlb_pud),
	KUNIT_CASE(sees_refusal),
	KUNIT_CASE(keeps_other_pages_pte),
	KUNIT_CASE(keeps_other_pages_pmd),
	KUNIT_CASE(keeps_other_pages_cont_pte),
	KUNIT_CASE(keeps_other_pages_cont_pmd),
	KUNIT_CASE(same_process),
	KUNIT_CASE(next_process),
	KUNIT_CASE(mremap_under_dma),
	KUNIT_CASE(mremap_reclaim_under_dma),
	KUNIT_CASE(munmap_under_dma),
	KUNIT_CASE(exit_under_dma),
	KUNIT_CASE(domain_is_back),
	{}
};

static struct kunit_suite edu_test_suite = {
	.name		= EDU_SUITE,
	.suite_init	= edu_suite_init,
	.suite_exit	= edu_suite_exit,
	.init		= edu_test_init,
	.exit		= edu_test_exit,
	.test_cases	= edu_test_cases,
};

static struct kunit_case hd_test_cases[] = {
	KUNIT_CASE(hw_dirty_pte),
	KUNIT_CASE(hw_dirty_pmd),
#ifdef CONFIG_ARM64_CONTPTE
	KUNIT_CASE(hw_dirty_fold_cont_pte),
#endif
	KUNIT_CASE(hw_dirty_hugetlb_cont_pte),
	KUNIT_CASE(hw_dirty_hugetlb_pmd),
	KUNIT_CASE(hw_dirty_hugetlb_cont_pmd),
	KUNIT_CASE(hw_dirty_hugetlb_pud),
	{}
};

/* The same device, on a CPU that manages the dirty state in hardware. */
static struct kunit_suite hd_test_suite = {
	.name		= HD_SUITE,
	.suite_init	= edu_suite_init,
	.suite_exit	= edu_suite_exit,
	.init		= edu_test_init,
	.exit		= edu_test_exit,
	.test_cases	= hd_test_cases,
};

/*
 * A soak of all such devices that there are. Each has a page to move its data
 * through, shared and dirty, which is looked at by the kernel's own mapping: the
 * threads of a soak are not of the process.
 */
static struct edu_soak {
	struct edu *edu;
	unsigned long scratch;
	struct page *page;
} edu_soak[STLB_SOAK_DEVICES];

static struct stlb_soak_ops edu_soak_ops;

static u32 *edu_soak_word(unsigned int dev)
{
	return page_address(edu_soak[dev].page);
}

static int edu_soak_bind(struct stlb_run *run)
{
	struct edu_soak *e;
	struct stlb_leaf leaf;
	unsigned int i;
	int ret;

	for (i = 0; i < edu_soak_ops.devices; i++) {
		e = &edu_soak[i];
		e->scratch = stlb_syscall(__NR_mmap, 0, PAGE_SIZE,
					  PROT_READ | PROT_WRITE,
					  MAP_SHARED | MAP_ANONYMOUS);
		if (IS_ERR_VALUE(e->scratch) ||
		    put_user(0, (u32 __user *)e->scratch))
			return -ENOMEM;
		mmap_read_lock(run->mm);
		stlb_walk(run->mm, e->scratch, &leaf);
		if (leaf.valid) {
			e->page = pfn_to_page(leaf.pfn);
			get_page(e->page);
		}
		mmap_read_unlock(run->mm);
		ret = e->page ? edu_bind(e->edu, run->mm) : -ENOMEM;
		if (ret)
			return ret;
	}
	return 0;
}

static void edu_soak_unbind(struct stlb_run *run)
{
	unsigned int i;

	for (i = 0; i < edu_soak_ops.devices; i++) {
		edu_unbind(edu_soak[i].edu);
		if (edu_soak[i].page)
			put_page(edu_soak[i].page);
		edu_soak[i].page = NULL;
	}
}

/* The device does not know whether it was refused: see what has come of it. */
static int edu_soak_access(struct stlb_run *run, unsigned int dev, unsigned long va,
			   bool write, u32 *val)
{
	struct edu_soak *e = &edu_soak[dev];
	struct stlb_leaf leaf;
	u32 *word = edu_soak_word(dev);
	int ret;

	if (!write) {
		WRITE_ONCE(*word, 0);
		ret = edu_copy_in(e->edu, va, sizeof(*val)) ?:
		      edu_copy_out(e->edu, e->scratch, sizeof(*val));
		*val = READ_ONCE(*word);
		if (!ret && !*val)
			ret = -EFAULT;
		return ret;
	}

	WRITE_ONCE(*word, *val);
	ret = edu_copy_in(e->edu, e->scratch, sizeof(*val)) ?:
	      edu_copy_out(e->edu, va, sizeof(*val));
	if (ret)
		return ret;
	ret = -EFAULT;
	mmap_read_lock(run->mm);
	stlb_walk(run->mm, va, &leaf);
	if (leaf.valid) {
		word = phys_to_virt(PFN_PHYS(leaf.pfn) + va - leaf.start);
		if (READ_ONCE(*word) == *val)
			ret = 0;
	}
	mmap_read_unlock(run->mm);
	return ret;
}

static struct stlb_soak_ops edu_soak_ops = {
	.suite		= SOAK_SUITE,
	.pace		= 20,
	.seconds	= 8,
	.bind		= edu_soak_bind,
	.unbind		= edu_soak_unbind,
	.access		= edu_soak_access,
};

static void soak(struct kunit *test)
{
	struct edu *e;
	unsigned int i;

	if (!edu)
		kunit_skip(test, "%s", edu_missing);
	edu_soak_ops.devices = 0;
	for (e = edu; e && edu_soak_ops.devices < STLB_SOAK_DEVICES; e = edu_next(e))
		edu_soak[edu_soak_ops.devices++].edu = e;
	stlb_soak(test, &edu_soak_ops);
	for (i = 0; i < edu_soak_ops.devices; i++)
		KUNIT_EXPECT_EQ_MSG(test, 0, edu_check_dma(edu_soak[i].edu),
				    "the domain is not back");
}

static struct kunit_case soak_test_cases[] = {
	KUNIT_CASE(soak),
	{}
};

static struct kunit_suite soak_test_suite = {
	.name		= SOAK_SUITE,
	.suite_init	= edu_suite_init,
	.suite_exit	= edu_suite_exit,
	.test_cases	= soak_test_cases,
};

kunit_test_suites(&edu_test_suite, &hd_test_suite, &soak_test_suite);
