// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices for tests of secondary TLBs: a subscriber that records what it is
 * told, and a TLB in software that is as wrong as hardware would be when it is
 * not told.
 */
#include <linux/delay.h>
#include <linux/highmem.h>
#include <linux/lockdep.h>
#include <linux/mmu_notifier.h>
#include <linux/preempt.h>
#include <linux/rmap.h>
#include <linux/secondary_tlb_compat.h>
#include <linux/secondary_tlb_kunit.h>

static struct stlb_mock *stlb_to_mock(struct mmu_notifier *mn)
{
	return container_of(mn, struct stlb_mock, mn);
}

static void __stlb_mock_count(struct stlb_mock *mock, enum stlb_callback cb)
{
	spin_lock(&mock->lock);
	mock->nr[cb]++;
	spin_unlock(&mock->lock);
}

static void stlb_mock_count(struct mmu_notifier *mn, enum stlb_callback cb)
{
	__stlb_mock_count(stlb_to_mock(mn), cb);
}

static void stlb_mock_count_pair(struct mmu_notifier *mn, enum stlb_callback cb)
{
	__stlb_mock_count(container_of(mn, struct stlb_mock, pair), cb);
}

static bool stlb_lock_held(spinlock_t *lock)
{
#ifdef CONFIG_LOCKDEP
	return lock && lockdep_is_held(lock) == LOCK_STATE_HELD;
#else
	return false;
#endif
}

/**
 * stlb_mock_sees_context() - whether the mock can tell its caller's context
 *
 * Context: any.
 * Return: true if this kernel has lockdep and counts preemption.
 */
bool stlb_mock_sees_context(void)
{
	return IS_ENABLED(CONFIG_LOCKDEP) && IS_ENABLED(CONFIG_PREEMPT_COUNT);
}

/**
 * stlb_expect_context() - expect that a call was made under the PTL
 * @test: the KUnit case
 * @call: the call
 *
 * A kernel without these options logs that this was not checked.
 *
 * Context: may sleep; the test's thread.
 */
void stlb_expect_context(struct kunit *test, const struct stlb_call *call)
{
	if (!stlb_mock_sees_context()) {
		kunit_info(test, "not checked, for want of PROVE_LOCKING and PREEMPT_COUNT: whether the PTL is held\n");
		return;
	}
	KUNIT_EXPECT_TRUE(test, call->ptl_held);
	KUNIT_EXPECT_TRUE(test, call->atomic);
}

/* What a TLB can cache of the armed translation: a digest of all of its entries. */
static u64 stlb_mock_cacheable(const struct stlb_mock *mock, struct mm_struct *mm)
{
	unsigned long end = mock->start + stlb_level_size(mock->level), va;
	struct stlb_leaf leaf;
	u64 digest = 0;

	for (va = mock->start; va < end; va += stlb_entry_size(mock->level)) {
		stlb_walk(mm, va, &leaf);
		digest *= 31;
		if (leaf.valid)
			digest += ((u64)leaf.pfn << 2) + (leaf.writable << 1) + 1;
	}
	return digest;
}

static void stlb_mock_range(struct mmu_notifier *mn, struct mm_struct *mm,
			    unsigned long start, unsigned long end)
{
	struct stlb_mock *mock = stlb_to_mock(mn);
	unsigned long size = stlb_level_size(mock->level);
	unsigned long step = stlb_entry_size(mock->level);
	struct stlb_call call = {
		.start		= start,
		.end		= end,
		.atomic		= !preemptible(),
		.ptl_held	= stlb_lock_held(mock->ptl),
		.rmap_locked	= mock->anon_vma &&
				  rwsem_is_locked(&mock->anon_vma->root->rwsem),
		.clear		= true,
		.writable	= true,
	};
	struct stlb_leaf leaf;
	unsigned long va;

	atomic_inc(&mock->inside);
	/* The armed translation, not the range: that may be anything. */
	for (va = mock->start; va < mock->start + size; va += step) {
		stlb_walk(mm, va, &leaf);
		call.clear &= !leaf.present;
		call.writable &= leaf.valid && leaf.writable;
		call.ptep = leaf.ptep;
	}
	call.cacheable = stlb_mock_cacheable(mock, mm);

	spin_lock(&mock->lock);
	if (mock->nr[STLB_CB_RANGE] < ARRAY_SIZE(mock->calls))
		mock->calls[mock->nr[STLB_CB_RANGE]] = call;
	mock->nr[STLB_CB_RANGE]++;
	if (call.writable)
		mock->upgrades++;
	spin_unlock(&mock->lock);
	if (mock->linger)
		udelay(mock->linger);
	atomic_dec(&mock->inside);
}

static int stlb_mock_range_start(struct mmu_notifier *mn,
				 const struct mmu_notifier_range *range)
{
	stlb_mock_count_pair(mn, STLB_CB_START);
	return 0;
}

static void stlb_mock_range_end(struct mmu_notifier *mn,
				const struct mmu_notifier_range *range)
{
	stlb_mock_count_pair(mn, STLB_CB_END);
}

static STLB_YOUNG stlb_mock_flush_young(struct mmu_notifier *mn,
					struct mm_struct *mm,
					unsigned long start, unsigned long end)
{
	stlb_mock_count(mn, STLB_CB_OTHER);
	return 0;
}

static STLB_YOUNG stlb_mock_test_young(struct mmu_notifier *mn,
				       struct mm_struct *mm, unsigned long va)
{
	stlb_mock_count(mn, STLB_CB_OTHER);
	return 0;
}

static void __maybe_unused
stlb_mock_change_pte(struct mmu_notifier *mn, struct mm_struct *mm,
		     unsigned long va, pte_t pte)
{
	stlb_mock_count(mn, STLB_CB_OTHER);
}

static void stlb_mock_release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	stlb_mock_count(mn, STLB_CB_OTHER);
}

static const struct mmu_notifier_ops stlb_mock_ops = {
	.arch_invalidate_secondary_tlbs	= stlb_mock_range,
	.clear_flush_young		= stlb_mock_flush_young,
	.clear_young			= stlb_mock_flush_young,
	.test_young			= stlb_mock_test_young,
	STLB_INIT_CHANGE_PTE(stlb_mock_change_pte)
	.release			= stlb_mock_release,
};

/* What a secondary MMU with page tables of its own has, such as KVM. */
static const struct mmu_notifier_ops stlb_mock_pair_only_ops = {
	.clear_flush_young	= stlb_mock_flush_young,
	.clear_young		= stlb_mock_flush_young,
	.test_young		= stlb_mock_test_young,
	STLB_INIT_CHANGE_PTE(stlb_mock_change_pte)
};

/* The kernel may refuse one who has this pair and is told of TLBs as well. */
static const struct mmu_notifier_ops stlb_mock_pair_ops = {
	.invalidate_range_start	= stlb_mock_range_start,
	.invalidate_range_end	= stlb_mock_range_end,
};

static int __stlb_mock_register(struct stlb_mock *mock, struct mm_struct *mm,
				const struct mmu_notifier_ops *ops)
{
	int ret;

	*mock = (struct stlb_mock){
		.mn.ops		= ops,
		.pair.ops	= &stlb_mock_pair_ops,
	};
	spin_lock_init(&mock->lock);
	ret = mmu_notifier_register(&mock->mn, mm);
	if (ret)
		return ret;
	ret = mmu_notifier_register(&mock->pair, mm);
	if (ret)
		stlb_mock_unregister(mock);
	return ret;
}

/**
 * stlb_mock_register() - subscribe a mock that has every callback
 * @mock: the mock
 * @mm: the address space; its users must not go away meanwhile
 *
 * Context: may sleep.
 * Return: 0, -ENOMEM or -EINTR.
 */
int stlb_mock_register(struct stlb_mock *mock, struct mm_struct *mm)
{
	return __stlb_mock_register(mock, mm, &stlb_mock_ops);
}

/**
 * stlb_mock_register_pair_only() - subscribe a mock without invalidate_range()
 * @mock: the mock
 * @mm: the address space; its users must not go away meanwhile
 *
 * Context: may sleep.
 * Return: 0, -ENOMEM or -EINTR.
 */
int stlb_mock_register_pair_only(struct stlb_mock *mock, struct mm_struct *mm)
{
	return __stlb_mock_register(mock, mm, &stlb_mock_pair_only_ops);
}

/**
 * stlb_mock_unregister() - end a subscription, if there is one
 * @mock: the mock
 *
 * Context: may sleep.
 */
void stlb_mock_unregister(struct stlb_mock *mock)
{
	if (mock->mn.mm)
		mmu_notifier_unregister(&mock->mn, mock->mn.mm);
	mock->mn.mm = NULL;
	if (mock->pair.mm)
		mmu_notifier_unregister(&mock->pair, mock->pair.mm);
	mock->pair.mm = NULL;
}

/**
 * stlb_mock_arm() - forget what was recorded and watch a translation
 * @mock: the mock
 * @start: first byte of the translation
 * @level: its level
 *
 * Context: may sleep.
 */
void stlb_mock_arm(struct stlb_mock *mock, unsigned long start,
		   enum stlb_level level)
{
	struct mm_struct *mm = mock->mn.mm;
	spinlock_t *ptl = stlb_ptl(mm, start);
	struct vm_area_struct *vma;
	struct anon_vma *anon_vma;

	mmap_read_lock(mm);
	vma = vma_lookup(mm, start);
	anon_vma = vma ? vma->anon_vma : NULL;
	mmap_read_unlock(mm);

	spin_lock(&mock->lock);
	memset(mock->nr, 0, sizeof(mock->nr));
	memset(mock->calls, 0, sizeof(mock->calls));
	mock->upgrades = 0;
	mock->ptl = ptl;
	mock->start = start;
	mock->level = level;
	mock->anon_vma = anon_vma;
	spin_unlock(&mock->lock);
}

static bool stlb_call_any(const struct stlb_mock *mock,
			  const struct stlb_call *call)
{
	return true;
}

/*
 * What a TLB caches after the call must be what is there in the end. It caches nothing
 * of entries that are clear; else all of them have been written. (A contiguous range
 * needs no break as long as all entries have the Contiguous bit: Arm ARM DDI 0487,
 * rule RJQQTC.)
 */
static bool stlb_call_in_time(const struct stlb_mock *mock,
			      const struct stlb_call *call)
{
	return call->clear ||
	       call->cacheable == stlb_mock_cacheable(mock, mock->mn.mm);
}

static enum stlb_told
__stlb_mock_told(const struct stlb_mock *mock,
		 bool (*counts)(const struct stlb_mock *mock,
				const struct stlb_call *call))
{
	unsigned int nr = min_t(unsigned int, mock->nr[STLB_CB_RANGE],
				ARRAY_SIZE(mock->calls));
	unsigned long end = mock->start + stlb_level_size(mock->level);
	const struct stlb_call *call = mock->calls;
	unsigned long va = mock->start;
	unsigned int i = 0;

	while (i < nr && va < end) {
		/* A range without bounds is everything. */
		if (counts(mock, &call[i]) && call[i].start >= call[i].end) {
			va = end;
		} else if (counts(mock, &call[i]) && call[i].start <= va &&
			   call[i].end > va) {
			va = call[i].end;
			i = 0;
		} else {
			i++;
		}
	}
	if (va < end)
		return STLB_TOLD_LESS;
	if (mock->nr[STLB_CB_RANGE] > 1 || call->start != mock->start ||
	    call->end != end)
		return STLB_TOLD_MORE;
	return STLB_TOLD;
}

/**
 * stlb_mock_told() - compare the calls for an upgrade with what is needed
 * @mock: the mock, which was armed before the upgrade
 *
 * Context: any; the upgrade is over, and nothing else has changed the translation.
 * Return: how the calls since then compare, see enum stlb_told.
 */
enum stlb_told stlb_mock_told(const struct stlb_mock *mock)
{
	return __stlb_mock_told(mock, stlb_call_in_time);
}

/**
 * stlb_mock_heard() - the same for any other change, whenever the calls came
 * @mock: the mock, which was armed before the change
 *
 * Context: any; the change is over.
 * Return: how the calls since then compare, see enum stlb_told.
 */
enum stlb_told stlb_mock_heard(const struct stlb_mock *mock)
{
	return __stlb_mock_told(mock, stlb_call_any);
}

/**
 * stlb_told_word() - the word that stlb_verdict_word() has for it
 * @told: what stlb_mock_told() has found
 *
 * Context: any.
 * Return: the word, or NULL.
 */
const char *stlb_told_word(enum stlb_told told)
{
	switch (told) {
	case STLB_TOLD_LESS:
		return "stale";
	case STLB_TOLD_MORE:
		return "excess";
	default:
		return NULL;
	}
}

static int stlb_late_range_start(struct mmu_notifier *mn,
				 const struct mmu_notifier_range *range)
{
	struct stlb_late *late = container_of(mn, struct stlb_late, mn);

	if (late->before && late->va >= range->start && late->va < range->end)
		late->before(late);
	return 0;
}

static void stlb_late_range_end(struct mmu_notifier *mn,
				const struct mmu_notifier_range *range)
{
	struct stlb_late *late = container_of(mn, struct stlb_late, mn);

	if (late->va < range->start || late->va >= range->end)
		return;
	if (late->skip) {
		late->skip--;
		return;
	}
	/* What it does may come here again, from another thread. */
	if (xchg(&late->acted, true))
		return;
	late->act(late);
}

static const struct mmu_notifier_ops stlb_late_ops = {
	.invalidate_range_start	= stlb_late_range_start,
	.invalidate_range_end	= stlb_late_range_end,
};

/**
 * stlb_late_register() - wait for the end of a change
 * @late: the subscriber; &stlb_late.before and &stlb_late.skip are set
 * @run: the run; the change is for &stlb_run.start
 * @act: see &stlb_late.act
 *
 * Those who subscribed last are called first, and each has invalidate_range()
 * called, if it is, right before invalidate_range_end(). So this one acts before
 * the device that registered earlier is told of the change, unless that was told
 * in time.
 *
 * Context: may sleep.
 * Return: 0, -ENOMEM or -EINTR.
 */
int stlb_late_register(struct stlb_late *late, const struct stlb_run *run,
		       void (*act)(struct stlb_late *late))
{
	late->mn = (struct mmu_notifier){ .ops = &stlb_late_ops };
	late->va = run->start;
	late->act = act;
	late->acted = false;
	return mmu_notifier_register(&late->mn, run->mm);
}

/**
 * stlb_late_unregister() - end a subscription, if there is one
 * @late: the subscriber
 *
 * Context: may sleep.
 */
void stlb_late_unregister(struct stlb_late *late)
{
	if (late->mn.mm)
		mmu_notifier_unregister(&late->mn, late->mn.mm);
	late->mn.mm = NULL;
}

/**
 * stlb_cache_find() - look an address up
 * @cache: the cache
 * @tag: the address space
 * @va: the address
 *
 * Context: the cache's lock is held.
 * Return: what is cached of it, or NULL.
 */
struct stlb_cached *stlb_cache_find(struct stlb_cache *cache, u32 tag,
				    unsigned long va)
{
	struct stlb_cached *e;

	for (e = cache->entry; e < cache->entry + cache->nr; e++)
		if (e->tag == tag && va >= e->start && va < e->end)
			return e;
	return NULL;
}

/**
 * stlb_cache_fill() - cache what a walk has found
 * @cache: the cache
 * @tag: the address space
 * @va: address that was walked, not in the cache
 * @leaf: what was found there
 *
 * Pieces of older walks stay: the new entry is as much of @leaf around @va as is
 * not cached yet.
 *
 * If there is no room something else goes.
 *
 * Context: the cache's lock is held.
 * Return: the entry.
 */
struct stlb_cached *stlb_cache_fill(struct stlb_cache *cache, u32 tag,
				    unsigned long va,
				    const struct stlb_leaf *leaf)
{
	unsigned long start = leaf->start, end = leaf->start + leaf->size;
	struct stlb_cached *e;

	for (e = cache->entry; e < cache->entry + cache->nr; e++) {
		if (e->tag != tag)
			continue;
		if (e->end <= va)
			start = max(start, e->end);
		else
			end = min(end, e->start);
	}
	/* A TLB that is full forgets something. */
	if (cache->nr == ARRAY_SIZE(cache->entry)) {
		cache->nr--;
		cache->entry[va / PAGE_SIZE % cache->nr] = cache->entry[cache->nr];
	}

	e = cache->entry + cache->nr++;
	*e = (struct stlb_cached){
		.start		= start,
		.end		= end,
		.pfn		= leaf->pfn + ((start - leaf->start) >> PAGE_SHIFT),
		.tag		= tag,
		.writable	= leaf->writable,
		.dbm		= leaf->dbm,
		.exec		= leaf->exec,
	};
	return e;
}

/**
 * stlb_cache_cut() - forget the pages of a range, and no others
 * @cache: the cache
 * @tag: the address space
 * @start: first byte; the page that it is in goes
 * @end: end, exclusive, above @start; the page of the byte before it goes
 * @first: set to the first page that was cached and is not any more
 *
 * What is left of an entry on either side of the range stays, if there is room.
 *
 * Context: the cache's lock is held.
 * Return: how many bytes were cached and are not any more.
 */
unsigned long stlb_cache_cut(struct stlb_cache *cache, u32 tag,
			     unsigned long start, unsigned long end,
			     unsigned long *first)
{
	struct stlb_cached *e, head, tail;
	unsigned long from, to, cut = 0;
	unsigned int i;

	*first = ULONG_MAX;
	for (i = cache->nr; i-- > 0; ) {
		e = cache->entry + i;
		if (e->tag != tag || e->end <= start || e->start >= end)
			continue;

		head = *e;
		tail = *e;
		*e = cache->entry[--cache->nr];
		from = max(head.start, ALIGN_DOWN(start, PAGE_SIZE));
		to = tail.end > end ? PAGE_ALIGN(end) : tail.end;
		cut += to - from;
		*first = min(*first, from);
		if (head.start < from) {
			head.end = from;
			cache->entry[cache->nr++] = head;
		}
		if (to < tail.end) {
			tail.pfn += (to - tail.start) >> PAGE_SHIFT;
			tail.start = to;
			if (cache->nr < ARRAY_SIZE(cache->entry))
				cache->entry[cache->nr++] = tail;
		}
	}
	return cut;
}

/**
 * stlb_cache_stale() - look for something that disagrees with the page table
 * @cache: the cache
 * @tag: the address space in the cache
 * @mm: the address space in the kernel, mmap_lock held
 * @start: first byte to look at
 * @end: end, exclusive
 * @va: set to the address if there is one
 *
 * Context: the cache's lock is held, and the mmap_lock, or nobody else maps or
 * unmaps anything.
 * Return: true if there is one.
 */
bool stlb_cache_stale(const struct stlb_cache *cache, u32 tag,
		      struct mm_struct *mm, unsigned long start,
		      unsigned long end, unsigned long *va)
{
	const struct stlb_cached *e;
	struct stlb_leaf leaf;
	unsigned long pfn;

	for (e = cache->entry; e < cache->entry + cache->nr; e++) {
		if (e->tag != tag)
			continue;
		*va = max(e->start, start);
		while (*va < min(e->end, end)) {
			stlb_walk(mm, *va, &leaf);
			pfn = leaf.pfn + ((*va - leaf.start) >> PAGE_SHIFT);
			if (!leaf.valid || leaf.writable != e->writable ||
			    pfn != e->pfn + ((*va - e->start) >> PAGE_SHIFT))
				return true;
			*va = leaf.start + leaf.size;
		}
	}
	return false;
}

static struct stlb_soft *stlb_to_soft(struct stlb_device *dev)
{
	return container_of(dev, struct stlb_soft, dev);
}

/*
 * Walk the page table, and cache what is there if it may be cached. An ATC gets
 * what the translation agent likes to return, and the entries of a contiguous
 * set may be cached one by one (Arm ARM DDI 0487, "The Contiguous bit"), so no
 * invalidation can rely on reaching pages that it does not name. The device that
 * forgives least holds every page on its own, and loses those only that an
 * invalidation names.
 */
static struct stlb_cached *stlb_soft_walk(struct stlb_soft *soft,
					  struct mm_struct *mm,
					  unsigned long va)
{
	struct stlb_leaf leaf;

	stlb_walk(mm, va, &leaf);
	if (soft->any_entry && leaf.valid)
		stlb_walk(mm, leaf.start + leaf.size - PAGE_SIZE, &leaf);
	return leaf.valid ? stlb_cache_fill(&soft->cache, 0, va, &leaf) : NULL;
}

static void stlb_soft_range(struct mmu_notifier *mn, struct mm_struct *mm,
			    unsigned long start, unsigned long end)
{
	struct stlb_soft *soft = container_of(mn, struct stlb_soft, mn);
	unsigned long cut, first;

	if (READ_ONCE(soft->deaf))
		return;

	/* The gather of a munmap() amid another says (~0, ~0): everything. */
	if (start >= end) {
		start = 0;
		end = ULONG_MAX;
	}
	end -= min(end - start, READ_ONCE(soft->shorten));

	spin_lock(&soft->lock);
	cut = stlb_cache_cut(&soft->cache, 0, start, end, &first);
	soft->dropped += cut;
	if (cut && soft->eager)
		stlb_soft_walk(soft, mm, first);
	spin_unlock(&soft->lock);
}

static void stlb_soft_release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	struct stlb_soft *soft = container_of(mn, struct stlb_soft, mn);

	spin_lock(&soft->lock);
	soft->cache.nr = 0;
	soft->released = true;
	spin_unlock(&soft->lock);
}

static const struct mmu_notifier_ops stlb_soft_ops = {
	.arch_invalidate_secondary_tlbs	= stlb_soft_range,
	.release			= stlb_soft_release,
};

/* Translate, through the cache if it has an answer, and access memory. */
static bool stlb_soft_use(struct stlb_soft *soft, unsigned long va, bool write,
			  u32 *val, bool walk)
{
	struct stlb_cached *e;
	u32 *word;

	lockdep_assert_held(&soft->lock);
	e = stlb_cache_find(&soft->cache, 0, va);
	if (!e && walk)
		e = stlb_soft_walk(soft, soft->mn.mm, va);
	if (!e || (write && !e->writable))
		return false;

	word = kmap_local_page(pfn_to_page(e->pfn + ((va - e->start) >> PAGE_SHIFT)));
	word += offset_in_page(va) / sizeof(*word);
	if (write)
		WRITE_ONCE(*word, *val);
	else
		*val = READ_ONCE(*word);
	kunmap_local(word);
	return true;
}

/**
 * stlb_soft_access_once() - one attempt to access memory
 * @soft: the TLB
 * @va: the address of a word
 * @write: write @val, do not read it
 * @val: the word
 *
 * What is cached is used as hardware does, whatever locks others hold. A walk
 * happens under the TLB's lock: an invalidation for a change that the walk did not
 * see waits, and finds what the walk filled in.
 *
 * Context: may sleep; takes and releases the mmap_lock.
 * Return: 0, or -EFAULT if the access is refused.
 */
int stlb_soft_access_once(struct stlb_soft *soft, unsigned long va, bool write,
			  u32 *val)
{
	struct mm_struct *mm = soft->mn.mm;
	bool done;

	spin_lock(&soft->lock);
	done = stlb_soft_use(soft, va, write, val, false);
	spin_unlock(&soft->lock);
	if (done)
		return 0;

	/* Page tables stay where they are meanwhile. */
	mmap_read_lock(mm);
	spin_lock(&soft->lock);
	done = stlb_soft_use(soft, va, write, val,
			     !soft->released && vma_lookup(mm, va));
	spin_unlock(&soft->lock);
	mmap_read_unlock(mm);
	return done ? 0 : -EFAULT;
}

static int stlb_soft_access(struct stlb_device *dev, unsigned long va,
			    bool write, u32 *val)
{
	struct stlb_soft *soft = stlb_to_soft(dev);
	unsigned int retries = 0;

	while (stlb_soft_access_once(soft, va, write, val)) {
		if (retries++ == STLB_RETRIES)
			return -EFAULT;
		soft->requests++;
		if (stlb_page_request(soft->mn.mm, va, write))
			return -EFAULT;
	}
	return 0;
}

static int stlb_soft_read(struct stlb_device *dev, unsigned long va, u32 *val)
{
	return stlb_soft_access(dev, va, false, val);
}

static int stlb_soft_write(struct stlb_device *dev, unsigned long va, u32 val)
{
	return stlb_soft_access(dev, va, true, &val);
}

static bool stlb_soft_holds(struct stlb_device *dev, unsigned long va)
{
	struct stlb_soft *soft = stlb_to_soft(dev);
	bool held;

	spin_lock(&soft->lock);
	held = stlb_cache_find(&soft->cache, 0, va);
	spin_unlock(&soft->lock);
	return held;
}

static bool stlb_soft_stale(struct stlb_device *dev, unsigned long start,
			    unsigned long end, unsigned long *va)
{
	struct stlb_soft *soft = stlb_to_soft(dev);
	struct mm_struct *mm = soft->mn.mm;
	bool stale;

	mmap_read_lock(mm);
	spin_lock(&soft->lock);
	stale = stlb_cache_stale(&soft->cache, 0, mm, start, end, va);
	spin_unlock(&soft->lock);
	mmap_read_unlock(mm);

	return stale;
}

static unsigned long stlb_soft_requests(struct stlb_device *dev)
{
	return stlb_to_soft(dev)->requests;
}

static unsigned long stlb_soft_dropped(struct stlb_device *dev)
{
	struct stlb_soft *soft = stlb_to_soft(dev);
	unsigned long dropped;

	spin_lock(&soft->lock);
	dropped = soft->dropped;
	soft->dropped = 0;
	spin_unlock(&soft->lock);
	return dropped;
}

static const struct stlb_device_ops stlb_soft_dev_ops = {
	.name		= "secondary_tlb_soft",
	.read		= stlb_soft_read,
	.write		= stlb_soft_write,
	.holds		= stlb_soft_holds,
	.stale		= stlb_soft_stale,
	.requests	= stlb_soft_requests,
	.dropped	= stlb_soft_dropped,
};

/**
 * stlb_soft_register() - let a software TLB share an address space
 * @soft: the TLB, starts empty
 * @mm: the address space; its users must not go away meanwhile
 *
 * Context: may sleep.
 * Return: 0, -ENOMEM or -EINTR.
 */
int stlb_soft_register(struct stlb_soft *soft, struct mm_struct *mm)
{
	*soft = (struct stlb_soft){
		.dev.ops	= &stlb_soft_dev_ops,
		.mn.ops		= &stlb_soft_ops,
	};
	spin_lock_init(&soft->lock);
	return mmu_notifier_register(&soft->mn, mm);
}

/**
 * stlb_soft_load() - cache a translation before anybody needs it
 * @soft: the TLB
 * @va: the address
 *
 * As a TLB may at any time. Nothing happens if it is there already, or is not
 * valid.
 *
 * Context: mmap_lock held, as the caller needs no more than the table.
 */
void stlb_soft_load(struct stlb_soft *soft, unsigned long va)
{
	spin_lock(&soft->lock);
	if (!stlb_cache_find(&soft->cache, 0, va))
		stlb_soft_walk(soft, soft->mn.mm, va);
	spin_unlock(&soft->lock);
}

/**
 * stlb_soft_unregister() - end a subscription, if there is one
 * @soft: the TLB
 *
 * Context: may sleep.
 */
void stlb_soft_unregister(struct stlb_soft *soft)
{
	if (soft->mn.mm)
		mmu_notifier_unregister(&soft->mn, soft->mn.mm);
	soft->mn.mm = NULL;
}
