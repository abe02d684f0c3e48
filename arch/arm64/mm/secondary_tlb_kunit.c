// SPDX-License-Identifier: GPL-2.0-only
/*
 * arm64's helpers that change live entries in place, called as generic code
 * calls them: which changes reach the subscribers, and with what range.
 */
#include <kunit/test.h>
#include <linux/damon.h>
#include <linux/hugetlb.h>
#include <linux/mm_inline.h>
#include <linux/mman.h>
#include <linux/pgtable.h>
#include <linux/secondary_tlb_compat.h>
#include <linux/secondary_tlb_kunit.h>
#include <linux/swapops.h>

#define ARM64_SUITE	"secondary_tlb_arm64"
#define BBML3_SUITE	"contpte_bbml3"

struct arm64_test {
	struct stlb_run run;
	struct stlb_mock mock;
};

typedef pte_t (*arm64_change_t)(pte_t pte);

static pte_t arm64_same(pte_t pte)
{
	return pte;
}

static pte_t arm64_writable(pte_t pte)
{
	return pte_mkwrite_novma(pte_mkdirty(pte));
}

/*
 * Give the live translation other flags, with the function that generic code
 * has for its level. @old is applied first, by break-before-make, so that there
 * is something to change; who is told of that does not count. Returns what the
 * function returned.
 */
static int arm64_set_access_flags(struct arm64_test *t, enum stlb_level level,
				  unsigned long va, arm64_change_t old,
				  arm64_change_t new, int dirty)
{
	unsigned long start = t->run.start;
	struct mm_struct *mm = t->run.mm;
	struct vm_area_struct *vma;
	struct stlb_leaf leaf;
	pte_t *ptep;
	pmd_t *pmdp;
	int ret;

	stlb_mock_arm(&t->mock, start, level);
	KUNIT_ASSERT_NOT_NULL(t->run.test, t->mock.ptl);

	mmap_read_lock(mm);
	vma = vma_lookup(mm, va);
	stlb_walk(mm, start, &leaf);
	ptep = leaf.ptep;
	pmdp = (pmd_t *)ptep;

	spin_lock(t->mock.ptl);
	if (is_vm_hugetlb_page(vma))
		stlb_set_huge_pte_at(mm, start, ptep,
				     old(huge_ptep_clear_flush(vma, start, ptep)),
				     stlb_level_size(level));
	else if (level == STLB_PMD)
		set_pmd_at(mm, start, pmdp,
			   pte_pmd(old(pmd_pte(pmdp_huge_clear_flush(vma, start, pmdp)))));
	else
		set_pte_at(mm, start, ptep,
			   old(ptep_clear_flush(vma, start, ptep)));
	spin_unlock(t->mock.ptl);
	mmap_read_unlock(mm);

	/* What follows counts. */
	stlb_mock_arm(&t->mock, start, level);
	mmap_read_lock(mm);
	spin_lock(t->mock.ptl);
	if (is_vm_hugetlb_page(vma))
		ret = huge_ptep_set_access_flags(vma, va, ptep,
						 new(stlb_huge_ptep_get(mm, va, ptep)),
						 dirty);
	else if (level == STLB_PMD)
		ret = pmdp_set_access_flags(vma, va, pmdp,
					    pte_pmd(new(pmd_pte(READ_ONCE(*pmdp)))),
					    dirty);
	else
		ret = ptep_set_access_flags(vma, va, ptep,
					    new(READ_ONCE(*ptep)), dirty);
	spin_unlock(t->mock.ptl);
	mmap_read_unlock(mm);

	return ret;
}

/*
 * What a function for live entries is called with: the mmap_lock, the PTL, the VMA
 * (returned) and the entries (in @leaf). What is told from here on counts.
 */
static struct vm_area_struct *arm64_lock(struct arm64_test *t, enum stlb_level level,
					 struct stlb_leaf *leaf)
	__acquires(t->mock.ptl)
{
	stlb_mock_arm(&t->mock, t->run.start, level);
	KUNIT_ASSERT_NOT_NULL(t->run.test, t->mock.ptl);

	mmap_read_lock(t->run.mm);
	spin_lock(t->mock.ptl);
	stlb_walk(t->run.mm, t->run.start, leaf);
	return vma_lookup(t->run.mm, t->run.start);
}

static void arm64_unlock(struct arm64_test *t)
	__releases(t->mock.ptl)
{
	spin_unlock(t->mock.ptl);
	mmap_read_unlock(t->run.mm);
}

/* Under the PTL, if it was called; and whether by that it was told all. */
static enum stlb_told arm64_expect_told(struct kunit *test, struct arm64_test *t)
{
	const struct stlb_call *call = &t->mock.calls[0];

	if (t->mock.nr[STLB_CB_RANGE])
		stlb_expect_context(test, call);
	return stlb_mock_told(&t->mock);
}

static void arm64_map(struct arm64_test *t, enum stlb_level level, bool hugetlb)
{
	if (hugetlb) {
		stlb_map_hugetlb(&t->run, level, MAP_PRIVATE);
		stlb_cpu_read(&t->run, t->run.start);
	} else {
		stlb_map_written(&t->run, level, level == STLB_PMD);
	}
}

/*
 * A single entry: told if and only if the CPU TLB is invalidated for the change,
 * which is @dirty, and if anything changed.
 */
static void arm64_test_entry(struct kunit *test, enum stlb_level level,
			     bool hugetlb)
{
	struct arm64_test *t = test->priv;
	unsigned int write, young;
	enum stlb_told told;
	unsigned long va;

	arm64_map(t, level, hugetlb);
	va = t->run.start;

	KUNIT_EXPECT_EQ(test, 0, arm64_set_access_flags(t, level, va, arm64_same,
							arm64_same, 1));
	KUNIT_EXPECT_EQ(test, t->mock.nr[STLB_CB_RANGE], 0);

	KUNIT_EXPECT_EQ(test, 1, arm64_set_access_flags(t, level, va, pte_mkold,
							pte_mkyoung, 0));
	KUNIT_EXPECT_EQ(test, t->mock.nr[STLB_CB_RANGE], 0);

	KUNIT_EXPECT_EQ(test, 1, arm64_set_access_flags(t, level, va,
							pte_wrprotect,
							arm64_writable, 0));
	KUNIT_EXPECT_EQ(test, t->mock.nr[STLB_CB_RANGE], 0);

	KUNIT_EXPECT_EQ(test, 1, arm64_set_access_flags(t, level, va,
							pte_wrprotect,
							arm64_writable, 1));
	write = t->mock.nr[STLB_CB_RANGE];
	told = arm64_expect_told(test, t);

	KUNIT_EXPECT_EQ(test, 1, arm64_set_access_flags(t, level, va, pte_mkold,
							pte_mkyoung, 1));
	young = t->mock.nr[STLB_CB_RANGE];
	told = max(told, arm64_expect_told(test, t));

	stlb_verdict_word(test, ARM64_SUITE, stlb_told_word(told),
			  "%u calls for write permission, %u for the access flag",
			  write, young);
}

static void set_access_flags_pte(struct kunit *test)
{
	arm64_test_entry(test, STLB_PTE, false);
}

static void set_access_flags_pmd(struct kunit *test)
{
	arm64_test_entry(test, STLB_PMD, false);
}

static void set_access_flags_hugetlb_pmd(struct kunit *test)
{
	arm64_test_entry(test, STLB_PMD, true);
}

static void set_access_flags_hugetlb_pud(struct kunit *test)
{
	arm64_test_entry(test, STLB_PUD, true);
}

/*
 * A contiguous range of hugetlb is invalidated as a whole whenever anything changes,
 * @dirty or not: arm64 clears it, invalidates, and writes it.
 */
static void arm64_test_set(struct kunit *test, enum stlb_level level)
{
	struct arm64_test *t = test->priv;
	unsigned int young, write;
	enum stlb_told told;
	unsigned long va;

	arm64_map(t, level, true);
	va = t->run.start;

	KUNIT_EXPECT_EQ(test, 0, arm64_set_access_flags(t, level, va, arm64_same,
							arm64_same, 1));
	KUNIT_EXPECT_EQ(test, t->mock.nr[STLB_CB_RANGE], 0);

	KUNIT_EXPECT_EQ(test, 1, arm64_set_access_flags(t, level, va, pte_mkold,
							pte_mkyoung, 0));
	young = t->mock.nr[STLB_CB_RANGE];
	told = arm64_expect_told(test, t);

	KUNIT_EXPECT_EQ(test, 1, arm64_set_access_flags(t, level, va,
							pte_wrprotect,
							arm64_writable, 1));
	write = t->mock.nr[STLB_CB_RANGE];
	told = max(told, arm64_expect_told(test, t));

	stlb_verdict_word(test, ARM64_SUITE, stlb_told_word(told),
			  "%u calls for the access flag, %u for write permission",
			  young, write);
}

static void set_access_flags_hugetlb_cont_pte(struct kunit *test)
{
	arm64_test_set(test, STLB_CONT_PTE);
}

static void set_access_flags_hugetlb_cont_pmd(struct kunit *test)
{
	arm64_test_set(test, STLB_CONT_PMD);
}

/*
 * fork() write-protects: a single entry in place, which dup_mmap() notifies of when all
 * are done; a contiguous range by a helper that invalidates for itself.
 */
static void arm64_set_wrprotect(struct arm64_test *t, enum stlb_level level)
{
	struct stlb_leaf leaf;

	stlb_map_hugetlb(&t->run, level, MAP_PRIVATE);
	stlb_cpu_write(&t->run, t->run.start, 1);

	arm64_lock(t, level, &leaf);
	huge_ptep_set_wrprotect(t->run.mm, t->run.start, leaf.ptep);
	arm64_unlock(t);

	stlb_walk(t->run.mm, t->run.start + t->run.size / 2, &leaf);
	KUNIT_EXPECT_TRUE(t->run.test, leaf.valid && !leaf.writable);
	KUNIT_EXPECT_EQ(t->run.test, leaf.start, t->run.start);
}

static void arm64_test_wrprotect_set(struct kunit *test, enum stlb_level level)
{
	struct arm64_test *t = test->priv;

	arm64_set_wrprotect(t, level);
	stlb_verdict_word(test, ARM64_SUITE,
			  stlb_told_word(arm64_expect_told(test, t)),
			  "%u calls", t->mock.nr[STLB_CB_RANGE]);
}

static void wrprotect_hugetlb_cont_pte(struct kunit *test)
{
	arm64_test_wrprotect_set(test, STLB_CONT_PTE);
}

static void wrprotect_hugetlb_cont_pmd(struct kunit *test)
{
	arm64_test_wrprotect_set(test, STLB_CONT_PMD);
}

static void wrprotect_hugetlb_pmd(struct kunit *test)
{
	struct arm64_test *t = test->priv;

	arm64_set_wrprotect(t, STLB_PMD);
	KUNIT_EXPECT_EQ(test, t->mock.nr[STLB_CB_RANGE], 0);
}

/* The same through fork() itself: the range's own call, then that for all. */
static void arm64_test_fork(struct kunit *test, enum stlb_level level)
{
	struct arm64_test *t = test->priv;
	struct stlb_call *call = t->mock.calls;
	bool late, whole = false;
	unsigned int nr, i;

	stlb_map_hugetlb(&t->run, level, MAP_PRIVATE);
	stlb_cpu_write(&t->run, t->run.start, 1);
	stlb_mock_arm(&t->mock, t->run.start, level);
	stlb_fork(&t->run, NULL);

	nr = t->mock.nr[STLB_CB_RANGE];
	KUNIT_ASSERT_GE(test, nr, 1);
	KUNIT_ASSERT_LE(test, nr, 2);
	for (i = 0; i < nr; i++) {
		/* The flush_tlb_mm() at the end of dup_mmap(), and no other */
		if (!call[i].start && call[i].end == -1UL) {
			whole |= !i;
			continue;
		}
		KUNIT_EXPECT_EQ(test, call[i].start, t->run.start);
		KUNIT_EXPECT_EQ(test, call[i].end, t->run.start + t->run.size);
	}
	KUNIT_EXPECT_EQ(test, t->mock.nr[STLB_CB_START], 1);
	KUNIT_EXPECT_EQ(test, t->mock.nr[STLB_CB_END], 1);
	late = nr < 2 || stlb_mock_told(&t->mock) == STLB_TOLD_LESS;
	stlb_verdict_word(test, ARM64_SUITE,
			  late ? "stale" : whole ? "excess" : NULL,
			  "%u calls, the first%s with the range %s", nr,
			  whole ? " for everything" : "",
			  call[0].clear ? "clear" : "live");
}

static void fork_hugetlb_cont_pte(struct kunit *test)
{
	arm64_test_fork(test, STLB_CONT_PTE);
}

static void fork_hugetlb_cont_pmd(struct kunit *test)
{
	arm64_test_fork(test, STLB_CONT_PMD);
}

/* set_huge_pte_at() over a live range invalidates: its callers need not. */
static void arm64_test_rewrite(struct kunit *test, enum stlb_level level)
{
	struct arm64_test *t = test->priv;
	struct mm_struct *mm = t->run.mm;
	struct stlb_leaf leaf;

	arm64_map(t, level, true);

	arm64_lock(t, level, &leaf);
	stlb_set_huge_pte_at(mm, t->run.start, leaf.ptep,
			     pte_mkold(stlb_huge_ptep_get(mm, t->run.start,
							  leaf.ptep)),
			     t->run.size);
	arm64_unlock(t);

	stlb_verdict_word(test, ARM64_SUITE,
			  stlb_told_word(arm64_expect_told(test, t)),
			  "%u calls", t->mock.nr[STLB_CB_RANGE]);
}

static void rewrite_hugetlb_cont_pte(struct kunit *test)
{
	arm64_test_rewrite(test, STLB_CONT_PTE);
}

static void rewrite_hugetlb_cont_pmd(struct kunit *test)
{
	arm64_test_rewrite(test, STLB_CONT_PMD);
}

/*
 * mprotect() writes the range, and invalidates once all ranges have been written. The
 * Contiguous bit does not change, so that no break is needed (RJQQTC); what counts is
 * that nothing of the old entries is cached when mprotect() returns.
 */
static void arm64_test_mprotect(struct kunit *test, enum stlb_level level)
{
	struct arm64_test *t = test->priv;
	const struct stlb_call *call = t->mock.calls;

	arm64_map(t, level, true);
	stlb_mock_arm(&t->mock, t->run.start, level);
	KUNIT_ASSERT_NOT_NULL(test, t->mock.ptl);
	KUNIT_ASSERT_EQ(test, 0L, stlb_syscall(__NR_mprotect, t->run.start,
					       t->run.size, PROT_NONE, 0));
	stlb_verdict(test, ARM64_SUITE, stlb_mock_told(&t->mock) == STLB_TOLD_LESS,
		     "%u calls, the first with the range %s",
		     t->mock.nr[STLB_CB_RANGE], call->clear ? "clear" : "written");
}

static void mprotect_hugetlb_cont_pte(struct kunit *test)
{
	arm64_test_mprotect(test, STLB_CONT_PTE);
}

static void mprotect_hugetlb_cont_pmd(struct kunit *test)
{
	arm64_test_mprotect(test, STLB_CONT_PMD);
}

/*
 * huge_ptep_modify_prot_start() and commit() write an entry back as dirty as any entry
 * of the range was. If hardware has dirtied one, all others become writable, and DAMON
 * has no mmu_gather that would invalidate for them.
 */
static void arm64_test_merge(struct kunit *test, enum stlb_level level)
{
	struct arm64_test *t = test->priv;
	struct vm_area_struct *vma;
	struct stlb_leaf leaf;
	pte_t pte;

	if (STLB_ANY_RANGE)
		kunit_skip(test, "every caller of this kernel invalidates TLBs afterwards");
	stlb_map_hugetlb(&t->run, level, MAP_SHARED);
	stlb_cpu_read(&t->run, t->run.start);
	KUNIT_ASSERT_EQ(test, 0L, stlb_syscall(__NR_mprotect, t->run.start, t->run.size,
					       PROT_READ | PROT_WRITE, 0));
	stlb_make_dirty(&t->run, t->run.start + t->run.size - PAGE_SIZE);

	vma = arm64_lock(t, level, &leaf);
	pte = huge_ptep_modify_prot_start(vma, t->run.start, leaf.ptep);
	huge_ptep_modify_prot_commit(vma, t->run.start, leaf.ptep, pte, pte);
	arm64_unlock(t);

	stlb_walk(t->run.mm, t->run.start, &leaf);
	KUNIT_EXPECT_TRUE(test, leaf.valid && leaf.writable);
	KUNIT_EXPECT_EQ(test, leaf.start, t->run.start);
	stlb_verdict_word(test, ARM64_SUITE,
			  stlb_told_word(arm64_expect_told(test, t)),
			  "%u calls for entries that became writable",
			  t->mock.nr[STLB_CB_RANGE]);
}

static void merge_hugetlb_cont_pte(struct kunit *test)
{
	arm64_test_merge(test, STLB_CONT_PTE);
}

static void merge_hugetlb_cont_pmd(struct kunit *test)
{
	arm64_test_merge(test, STLB_CONT_PMD);
}

/*
 * Filling an empty set is silent, or it is excess. So is clearing it if it is the
 * caller who tells (hugetlb_wp(), try_to_unmap()), and not the function that
 * invalidates the TLB.
 */
static void arm64_test_fill_and_clear(struct kunit *test, enum stlb_level level)
{
	struct arm64_test *t = test->priv;
	struct mm_struct *mm = t->run.mm;
	struct vm_area_struct *vma;
	struct stlb_leaf leaf;
	unsigned int calls, fill;
	pte_t pte;

	arm64_map(t, level, true);

	vma = arm64_lock(t, level, &leaf);
	pte = huge_ptep_clear_flush(vma, t->run.start, leaf.ptep);
	calls = t->mock.nr[STLB_CB_RANGE];
	stlb_set_huge_pte_at(mm, t->run.start, leaf.ptep, pte, t->run.size);
	arm64_unlock(t);

	fill = t->mock.nr[STLB_CB_RANGE] - calls;
	KUNIT_EXPECT_LE(test, calls, 1);
	stlb_walk(mm, t->run.start, &leaf);
	KUNIT_EXPECT_EQ(test, leaf.size, t->run.size);
	stlb_verdict_word(test, ARM64_SUITE, fill ? "excess" : NULL,
			  "%u calls for what is cleared, %u for what is empty",
			  calls, fill);
}

static void fill_and_clear_hugetlb_cont_pte(struct kunit *test)
{
	arm64_test_fill_and_clear(test, STLB_CONT_PTE);
}

static void fill_and_clear_hugetlb_cont_pmd(struct kunit *test)
{
	arm64_test_fill_and_clear(test, STLB_CONT_PMD);
}

/*
 * As for a page that migrates: while it is away, all entries of the set say so, and
 * no TLB holds what says so.
 */
static void arm64_test_migrate(struct kunit *test, enum stlb_level level)
{
	struct arm64_test *t = test->priv;
	struct mm_struct *mm = t->run.mm;
	unsigned int i, calls, nr, away = 0;
	struct vm_area_struct *vma;
	struct stlb_leaf leaf;
	pte_t pte, entry;

	nr = level == STLB_CONT_PTE ? CONT_PTES : CONT_PMDS;
	arm64_map(t, level, true);

	vma = arm64_lock(t, level, &leaf);
	pte = huge_ptep_clear_flush(vma, t->run.start, leaf.ptep);
	calls = t->mock.nr[STLB_CB_RANGE];
	entry = swp_entry_to_pte(make_readable_migration_entry(pte_pfn(pte)));
	stlb_set_huge_pte_at(mm, t->run.start, leaf.ptep, entry, t->run.size);
	for (i = 0; i < nr; i++)
		away += pte_val(READ_ONCE(leaf.ptep[i])) == pte_val(entry);
	huge_pte_clear(mm, t->run.start, leaf.ptep, t->run.size);
	calls = t->mock.nr[STLB_CB_RANGE] - calls;
	stlb_set_huge_pte_at(mm, t->run.start, leaf.ptep, pte, t->run.size);
	arm64_unlock(t);

	KUNIT_EXPECT_EQ(test, away, nr);
	KUNIT_EXPECT_EQ(test, calls, 0);
}

static void migrate_hugetlb_cont_pte(struct kunit *test)
{
	arm64_test_migrate(test, STLB_CONT_PTE);
}

static void migrate_hugetlb_cont_pmd(struct kunit *test)
{
	arm64_test_migrate(test, STLB_CONT_PMD);
}

/* The access flag says whether the CPU uses a page. The device need not know. */
static void arm64_test_age(struct kunit *test, enum stlb_level level)
{
	struct arm64_test *t = test->priv;
	struct vm_area_struct *vma;
	struct stlb_leaf leaf;
	int young;

	arm64_map(t, level, false);

	vma = arm64_lock(t, level, &leaf);
	if (level == STLB_PMD)
		young = pmdp_clear_flush_young(vma, t->run.start,
					       (pmd_t *)leaf.ptep);
	else
		young = ptep_clear_flush_young(vma, t->run.start, leaf.ptep);
	arm64_unlock(t);

	KUNIT_EXPECT_TRUE(test, young);
	stlb_walk(t->run.mm, t->run.start, &leaf);
	KUNIT_EXPECT_TRUE(test, leaf.present && !leaf.valid);
	stlb_verdict_word(test, ARM64_SUITE,
			  t->mock.nr[STLB_CB_RANGE] ? "excess" : NULL,
			  "%u calls", t->mock.nr[STLB_CB_RANGE]);
}

static void age_pte(struct kunit *test)
{
	arm64_test_age(test, STLB_PTE);
}

static void age_pmd(struct kunit *test)
{
	arm64_test_age(test, STLB_PMD);
}

#ifdef CONFIG_DAMON_VADDR
/* Let DAMON take the access flag of what it finds in the page at @va away. */
static void arm64_damon(struct kunit *test, unsigned long va)
{
	struct damon_addr_range range = { va, va + PAGE_SIZE };
	struct damon_target *target = damon_new_target();
	struct damon_ctx *ctx = damon_new_ctx();

	KUNIT_ASSERT_TRUE(test, ctx && target);
	KUNIT_ASSERT_EQ(test, 0, damon_select_ops(ctx, DAMON_OPS_VADDR));
	KUNIT_ASSERT_EQ(test, 0, stlb_damon_set_range(target, &range));
	target->pid = get_task_pid(current, PIDTYPE_PID);
	damon_add_target(ctx, target);

	/* It looks at the memory of users only. */
	current->flags &= ~PF_KTHREAD;
	ctx->ops.prepare_access_checks(ctx);
	current->flags |= PF_KTHREAD;

	damon_destroy_ctx(ctx);
	if (!STLB_DAMON_PUTS_PID)
		put_pid(task_pid(current));
}
#else
static void arm64_damon(struct kunit *test, unsigned long va)
{
	kunit_skip(test, "no CONFIG_DAMON_VADDR in this kernel");
}
#endif

/*
 * DAMON takes the access flag of a set away, for an address anywhere in it, and
 * writes all of it as dirty as the entry that the CPU has dirtied by itself. That
 * makes the others more permissive, and once the CPU has used them again it looks to
 * a fault as if TLBs had been told. (6.1 as it is writes entries beside the set as
 * well where those of a set of blocks are fewer than of one of pages: 16K pages.)
 */
static void arm64_test_age_set(struct kunit *test, enum stlb_level level)
{
	unsigned int i, nr = level == STLB_CONT_PTE ? CONT_PTES : CONT_PMDS;
	struct arm64_test *t = test->priv;
	unsigned int wrong = 0;
	struct stlb_leaf leaf;
	unsigned long start;
	const char *word;
	pte_t pte;

	stlb_map_hugetlb(&t->run, level, MAP_SHARED);
	start = t->run.start;
	stlb_cpu_read(&t->run, start);
	KUNIT_ASSERT_EQ(test, 0L, stlb_syscall(__NR_mprotect, start, t->run.size,
					       PROT_READ | PROT_WRITE, 0));

	arm64_lock(t, level, &leaf);
	/* The CPU, as with FEAT_HAFDBS */
	pte = READ_ONCE(leaf.ptep[nr - 1]);
	WRITE_ONCE(leaf.ptep[nr - 1], __pte(pte_val(pte) & ~PTE_RDONLY));
	arm64_unlock(t);
	KUNIT_ASSERT_TRUE(test, leaf.dbm && !leaf.writable);

	arm64_damon(test, start + t->run.size - PAGE_SIZE);

	for (i = 0; i < nr; i++) {
		pte = READ_ONCE(leaf.ptep[i]);
		KUNIT_EXPECT_TRUE(test, pte_sw_dirty(pte) && !pte_young(pte));
		if (pte_pfn(pte) != leaf.pfn + i * (t->run.size / nr >> PAGE_SHIFT))
			wrong++;
	}
	word = stlb_told_word(arm64_expect_told(test, t));
	if (!word)
		KUNIT_EXPECT_EQ(test, wrong, 0);
	stlb_verdict_word(test, ARM64_SUITE, word,
			  "%u calls, %u entries of other memory",
			  t->mock.nr[STLB_CB_RANGE], wrong);

	arm64_lock(t, level, &leaf);
	for (i = 0; i < nr; i++)
		WRITE_ONCE(leaf.ptep[i], pte_mkyoung(READ_ONCE(leaf.ptep[i])));
	arm64_unlock(t);
	KUNIT_EXPECT_EQ(test, 0, stlb_cpu_fault(t->run.mm, start, true));
	KUNIT_EXPECT_EQ(test, t->mock.nr[STLB_CB_RANGE], 0);
}

static void age_hugetlb_cont_pte(struct kunit *test)
{
	arm64_test_age_set(test, STLB_CONT_PTE);
}

static void age_hugetlb_cont_pmd(struct kunit *test)
{
	arm64_test_age_set(test, STLB_CONT_PMD);
}

#ifdef CONFIG_ARM64_CONTPTE
/*
 * Folding and unfolding write all entries as dirty as one of them was, and so make
 * others writable. Without BBM level 3 the entries are invalidated while they are
 * clear. With it nothing asks for that, but read-only entries must not stay cached.
 * @extra is the page whose entry is cleared and written again: that unfolds the range,
 * and folds it.
 */
struct arm64_fold {
	unsigned long extra_va;
	pte_t *extra;
	pte_t pte;
};

static bool arm64_in_place(void)
{
#ifdef ARM64_HAS_BBML3
	return system_supports_bbml3();
#else
	return false;
#endif
}

static void arm64_unfold(struct arm64_test *t, struct arm64_fold *fold)
{
	struct stlb_leaf leaf;

	arm64_lock(t, STLB_CONT_PTE, &leaf);
	fold->extra_va = t->run.start + t->run.size - PAGE_SIZE;
	fold->extra = leaf.ptep + CONT_PTES - 1;
	fold->pte = ptep_get_and_clear(t->run.mm, fold->extra_va, fold->extra);
	arm64_unlock(t);
}

static void arm64_refold(struct arm64_test *t, struct arm64_fold *fold)
{
	struct vm_area_struct *vma;
	struct stlb_leaf leaf;

	vma = arm64_lock(t, STLB_CONT_PTE, &leaf);
	/* The entry that was cleared is the caller's business, not that of the fold. */
	flush_tlb_page(vma, fold->extra_va);
	arm64_unlock(t);

	arm64_lock(t, STLB_CONT_PTE, &leaf);
	set_pte_at(t->run.mm, fold->extra_va, fold->extra, fold->pte);
	arm64_unlock(t);
}

/* Calls for all pages but the extra one, after which nothing wrong can be cached. */
static void arm64_fold_verdict(struct kunit *test, struct arm64_test *t,
			       const char *what)
{
	const struct stlb_call *call = t->mock.calls;
	unsigned int nr = t->mock.nr[STLB_CB_RANGE];
	struct stlb_leaf leaf;

	stlb_walk(t->run.mm, t->run.start, &leaf);
	KUNIT_EXPECT_TRUE(test, leaf.valid && leaf.writable);
	KUNIT_EXPECT_LE(test, nr, 1);
	if (nr) {
		KUNIT_EXPECT_EQ(test, call->start, t->run.start);
		KUNIT_EXPECT_EQ(test, call->end, t->run.start + t->run.size);
		KUNIT_EXPECT_TRUE(test, call->clear || call->writable);
	}
	stlb_verdict(test, arm64_in_place() ? BBML3_SUITE : ARM64_SUITE, !nr,
		     "%u calls when the range is %s%s", nr, what,
		     arm64_in_place() ? " in place" : "");
}

static void unfold_dirty_cont_pte(struct kunit *test)
{
	struct arm64_test *t = test->priv;
	struct arm64_fold fold;

	stlb_map(&t->run, &stlb_scenarios[STLB_fold_sibling_cont_pte]);
	arm64_unfold(t, &fold);
	arm64_fold_verdict(test, t, "unfolded");
	arm64_refold(t, &fold);
}

static void fold_dirty_cont_pte(struct kunit *test)
{
	struct arm64_test *t = test->priv;
	struct arm64_fold fold;

	stlb_map(&t->run, &stlb_scenarios[STLB_fold_request_cont_pte]);
	arm64_unfold(t, &fold);
	/* All entries are clean: nothing changes in what they permit. */
	KUNIT_EXPECT_EQ(test, t->mock.nr[STLB_CB_RANGE], arm64_in_place() ? 0 : 1);
	stlb_make_dirty(&t->run, t->run.start + PAGE_SIZE);
	arm64_refold(t, &fold);
	arm64_fold_verdict(test, t, "folded");
}

/* When hardware has dirtied all entries, the fold takes that over for software. */
static void fold_hw_dirty_cont_pte(struct kunit *test)
{
	struct arm64_test *t = test->priv;
	struct arm64_fold fold;
	unsigned long va;

	stlb_map(&t->run, &stlb_scenarios[STLB_fold_request_cont_pte]);
	arm64_unfold(t, &fold);
	for (va = t->run.start; va < fold.extra_va; va += PAGE_SIZE)
		stlb_make_dirty(&t->run, va);
	arm64_refold(t, &fold);
	arm64_fold_verdict(test, t, "folded");
}

#ifdef ARM64_HAS_BBML3
/*
 * No CPU that QEMU emulates has BBM level 3, and none reports a TLB conflict. With
 * "stlb_bbml3 nr_cpus=1" on the command line the kernel takes the CPU for one that has
 * it, before it patches itself, and the cases above run in place. (A second CPU
 * without it would clear the bit again.)
 */
static bool arm64_force_bbml3 __initdata;

static int __init arm64_bbml3_setup(char *arg)
{
	arm64_force_bbml3 = true;
	return 0;
}
early_param("stlb_bbml3", arm64_bbml3_setup);

static int __init arm64_bbml3_init(void)
{
	if (arm64_force_bbml3)
		__set_bit(ARM64_HAS_BBML3, system_cpucaps);
	return 0;
}
early_initcall(arm64_bbml3_init);
#endif
#endif

/*
 * An upgrade invalidates the TLB of its own CPU. Another CPU that has the old entry
 * cached faults, finds the entry as it should be, and has to invalidate its own TLB, or
 * it faults for ever. QEMU's CPUs walk again before they fault, but they do keep what
 * they have cached for a read: an entry that is replaced behind the TLB's back shows
 * whether the fault has invalidated it.
 */
#define ARM64_ROUNDS	10

static void arm64_test_spurious(struct kunit *test, enum stlb_level level, bool hugetlb)
{
	unsigned int i, stale = 0, cached = 0, failed = 0;
	unsigned long size = stlb_level_size(level);
	struct arm64_test *t = test->priv;
	struct page *other;
	struct stlb_leaf leaf;
	u32 val[3], __user *word;
	pte_t pte, replaced;

	if (!STLB_LOCAL_UPGRADES)
		kunit_skip(test, "an upgrade invalidates the TLBs of all CPUs");
	arm64_map(t, level, hugetlb);
	word = (u32 __user *)t->run.start;
	stlb_cpu_write(&t->run, t->run.start, 0x11111111);
	other = alloc_pages(GFP_KERNEL | __GFP_COMP, get_order(size));
	KUNIT_ASSERT_NOT_NULL(test, other);
	*(u32 *)page_address(other) = 0x22222222;

	stlb_walk(t->run.mm, t->run.start, &leaf);
	pte = READ_ONCE(*leaf.ptep);
	replaced = pfn_pte(page_to_pfn(other), pte_pgprot(pte));
	migrate_disable();
	for (i = 0; i < ARM64_ROUNDS; i++) {
		failed += !!get_user(val[0], word);
		WRITE_ONCE(*leaf.ptep, replaced);
		dsb(ish);
		failed += !!get_user(val[1], word);
		failed += !!stlb_cpu_fault(t->run.mm, t->run.start, true);
		failed += !!get_user(val[2], word);
		failed += !pte_same(READ_ONCE(*leaf.ptep), replaced);
		WRITE_ONCE(*leaf.ptep, pte);
		flush_tlb_mm(t->run.mm);
		if (val[0] != 0x11111111 || val[1] != 0x11111111)
			continue;
		cached++;
		stale += val[2] == 0x11111111;
	}
	migrate_enable();
	__free_pages(other, get_order(size));

	KUNIT_EXPECT_EQ(test, failed, 0);
	if (!cached)
		kunit_skip(test, "this CPU's TLB does not keep what it has walked");
	stlb_verdict(test, ARM64_SUITE, stale,
		     "%u of %u spurious faults leave the entry in the TLB", stale, cached);
}

static void spurious_pte(struct kunit *test)
{
	arm64_test_spurious(test, STLB_PTE, false);
}

static void spurious_pmd(struct kunit *test)
{
	arm64_test_spurious(test, STLB_PMD, false);
}

static void spurious_hugetlb_pmd(struct kunit *test)
{
	arm64_test_spurious(test, STLB_PMD, true);
}

static int arm64_test_init(struct kunit *test)
{
	struct arm64_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	if (!t)
		return -ENOMEM;
	test->priv = t;
	stlb_run_init(&t->run, test);
	return stlb_mock_register(&t->mock, t->run.mm);
}

static void arm64_test_exit(struct kunit *test)
{
	struct arm64_test *t = test->priv;

	if (!t)
		return;
	stlb_mock_unregister(&t->mock);
	stlb_run_exit(&t->run);
}

#if defined(CONFIG_ARM64_CONTPTE) && defined(ARM64_HAS_BBML3)
static int bbml3_test_init(struct kunit *test)
{
	if (!arm64_in_place())
		kunit_skip(test, "no CPU has BBM level 3: boot with stlb_bbml3 nr_cpus=1");
	return arm64_test_init(test);
}
#endif

static struct kunit_case arm64_test_cases[] = {
	KUNIT_CASE(set_access_flags_pte),
	KUNIT_CASE(set_access_flags_pmd),
	KUNIT_CASE(set_access_flags_hugetlb_cont_pte),
	KUNIT_CASE(set_access_flags_hugetlb_pmd),
	KUNIT_CASE(set_access_flags_hugetlb_cont_pmd),
	KUNIT_CASE(set_access_flags_hugetlb_pud),
	KUNIT_CASE(wrprotect_hugetlb_cont_pte),
	KUNIT_CASE(wrprotect_hugetlb_cont_pmd),
	KUNIT_CASE(wrprotect_hugetlb_pmd),
	KUNIT_CASE(fork_hugetlb_cont_pte),
	KUNIT_CASE(fork_hugetlb_cont_pmd),
	KUNIT_CASE(rewrite_hugetlb_cont_pte),
	KUNIT_CASE(rewrite_hugetlb_cont_pmd),
	KUNIT_CASE(mprotect_hugetlb_cont_pte),
	KUNIT_CASE(mprotect_hugetlb_cont_pmd),
	KUNIT_CASE(merge_hugetlb_cont_pte),
	KUNIT_CASE(merge_hugetlb_cont_pmd),
	KUNIT_CASE(fill_and_clear_hugetlb_cont_pte),
	KUNIT_CASE(fill_and_clear_hugetlb_cont_pmd),
	KUNIT_CASE(migrate_hugetlb_cont_pte),
	KUNIT_CASE(migrate_hugetlb_cont_pmd),
	KUNIT_CASE(age_pte),
	KUNIT_CASE(age_pmd),
	KUNIT_CASE(age_hugetlb_cont_pte),
	KUNIT_CASE(age_hugetlb_cont_pmd),
#ifdef CONFIG_ARM64_CONTPTE
	KUNIT_CASE(unfold_dirty_cont_pte),
	KUNIT_CASE(fold_dirty_cont_pte),
	KUNIT_CASE(fold_hw_dirty_cont_pte),
#endif
	KUNIT_CASE(spurious_pte),
	KUNIT_CASE(spurious_pmd),
	KUNIT_CASE(spurious_hugetlb_pmd),
	{}
};

static struct kunit_suite arm64_test_suite = {
	.name		= ARM64_SUITE,
	.init		= arm64_test_init,
	.exit		= arm64_test_exit,
	.test_cases	= arm64_test_cases,
};

kunit_test_suite(arm64_test_suite);

#if defined(CONFIG_ARM64_CONTPTE) && defined(ARM64_HAS_BBML3)
static struct kunit_case bbml3_test_cases[] = {
	KUNIT_CASE(unfold_dirty_cont_pte),
	KUNIT_CASE(fold_dirty_cont_pte),
	KUNIT_CASE(fold_hw_dirty_cont_pte),
	{}
};

static struct kunit_suite bbml3_test_suite = {
	.name		= BBML3_SUITE,
	.init		= bbml3_test_init,
	.exit		= arm64_test_exit,
	.test_cases	= bbml3_test_cases,
};

kunit_test_suite(bbml3_test_suite);
#endif
