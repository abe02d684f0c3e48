/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Test library: ways to make a live translation more permissive in place, and
 * devices that cache translations.
 *
 * A struct stlb_scenario knows how the kernel gets a user translation to "valid
 * and read-only for hardware" and how it is upgraded from there. A struct
 * stlb_device is anything that caches translations of an mm. Neither knows of
 * the other. A KUnit suite brings them together with one case per scenario, see
 * STLB_SCENARIOS() and stlb_test_device().
 */
#ifndef _LINUX_SECONDARY_TLB_KUNIT_H
#define _LINUX_SECONDARY_TLB_KUNIT_H

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/spinlock.h>

struct stlb_run;

/**
 * enum stlb_level - what carries a translation
 * @STLB_PTE: one page
 * @STLB_CONT_PTE: a contiguous set of PTEs
 * @STLB_PMD: a PMD block
 * @STLB_CONT_PMD: a contiguous set of PMD blocks
 * @STLB_PUD: a PUD block
 *
 * The sizes change with the page size, the levels do not.
 */
enum stlb_level {
	STLB_PTE,
	STLB_CONT_PTE,
	STLB_PMD,
	STLB_CONT_PMD,
	STLB_PUD,
};

unsigned long stlb_level_size(enum stlb_level level);
unsigned long stlb_entry_size(enum stlb_level level);

/**
 * struct stlb_leaf - what a hardware walker finds at an address
 * @start: first byte that the translation maps
 * @size: bytes that it maps; a whole contiguous set counts as one translation
 * @pfn: page frame behind @start
 * @present: an entry that is not clear stands there
 * @valid: the walker may use it: it is valid and its access flag is set
 * @writable: hardware lets a write through
 * @dbm: hardware that manages the dirty state may make it writable by itself
 * @exec: unprivileged instructions may be fetched; set by a device that knows
 * @ptep: the entry that was read
 */
struct stlb_leaf {
	unsigned long start;
	unsigned long size;
	unsigned long pfn;
	bool present;
	bool valid;
	bool writable;
	bool dbm;
	bool exec;
	pte_t *ptep;
};

void stlb_walk(struct mm_struct *mm, unsigned long va, struct stlb_leaf *leaf);
spinlock_t *stlb_ptl(struct mm_struct *mm, unsigned long va);
bool stlb_hw_dirty(void);

/**
 * struct stlb_scenario - one way to upgrade a translation in place
 * @name: what the case is called, ends in the level
 * @level: what carries the translation
 * @map: maps it and leaves it valid and read-only for hardware; sets
 *	&stlb_run.start and &stlb_run.size. May sleep, may skip the case.
 * @upgrade: makes it writable through the page that @va is in. May sleep.
 * @again: after @upgrade, brings the translation back to read-only. NULL if it
 *	is to be unmapped and mapped anew. Those that have one (it takes long to
 *	clear 1G) come to their second and third upgrade by mprotect().
 */
struct stlb_scenario {
	const char *name;
	enum stlb_level level;
	void (*map)(struct stlb_run *run, enum stlb_level level);
	void (*upgrade)(struct stlb_run *run, unsigned long va);
	void (*again)(struct stlb_run *run);
};

enum stlb_scenario_id {
#define STLB_SCENARIO(_name) STLB_##_name,
#include <linux/secondary_tlb_scenarios.h>
	STLB_NR_SCENARIOS
};

extern const struct stlb_scenario stlb_scenarios[STLB_NR_SCENARIOS];

/**
 * struct stlb_run - a user address space and the translation under test
 * @test: the KUnit case
 * @mm: the address space; the test's thread has it as its own
 * @start: first byte of the translation, aligned to @size
 * @size: bytes of the translation
 * @window: first byte of what is mapped around it
 * @window_size: bytes that are; the page before and the page after the
 *	translation are always readable
 * @file: the mapped file, if the scenario needs one
 * @pages: what a PFN mapping maps, if the scenario is one
 * @vm_ops: its driver
 * @moved: called when mremap() has moved what stlb_map_immovable() has mapped,
 *	before it moves it back; mmap_lock held for writing
 * @task: the test's thread
 * @other: another process, see stlb_map_shared_table()
 * @exited: the address space has gone the way of a process that exits
 * @recycled: index in its file, or in its VMA, that a page had before it becomes a
 *	page table of a child; see __stlb_fork()
 */
struct stlb_run {
	struct kunit *test;
	struct mm_struct *mm;
	unsigned long start;
	unsigned long size;
	unsigned long window;
	unsigned long window_size;
	struct file *file;
	struct page *pages;
	const struct vm_operations_struct *vm_ops;
	void (*moved)(struct stlb_run *run, unsigned long to);
	struct task_struct *task;
	struct mm_struct *other;
	bool exited;
	pgoff_t recycled;
};

void stlb_run_init(struct stlb_run *run, struct kunit *test);
void stlb_run_exit(struct stlb_run *run);
void stlb_run_exit_mm(struct stlb_run *run);

/*
 * Where in a translation the upgrade is triggered. stlb_trigger() gives the
 * address, stlb_triggers() how many there are (one for a single page).
 */
unsigned int stlb_triggers(const struct stlb_run *run);
unsigned long stlb_trigger(const struct stlb_run *run, unsigned int i);

void stlb_map(struct stlb_run *run, const struct stlb_scenario *scenario);
void stlb_upgrade(struct stlb_run *run, const struct stlb_scenario *scenario,
		  unsigned long va);
void stlb_unmap(struct stlb_run *run);

/* Steps that scenarios are made of, for cases that are none. */
void stlb_map_private(struct stlb_run *run, enum stlb_level level, bool thp);
void stlb_map_shm(struct stlb_run *run, enum stlb_level level);
void stlb_map_hugetlb(struct stlb_run *run, enum stlb_level level, int flags);
unsigned int stlb_map_hugetlb_pages(struct stlb_run *run, enum stlb_level level,
				    unsigned int max);
void stlb_map_hugetlb_across(struct stlb_run *run);
unsigned long stlb_room_across(struct stlb_run *run, bool second);
struct folio *stlb_migrate_begin(struct mm_struct *mm, unsigned long va);
void stlb_migrate_end(struct folio *folio);
void stlb_map_shared_pages(struct stlb_run *run);
struct mm_struct *stlb_mm_alloc(void);
struct file *stlb_file_of(struct mm_struct *mm, unsigned long va,
			  unsigned long *offset);

/* How many pages there are in the file of stlb_map_shared_table(). */
#define STLB_SHARED_PAGES	3

void stlb_map_shared_table(struct stlb_run *run);
unsigned long stlb_shared_page(const struct stlb_run *run, unsigned int i);
bool stlb_table_is_shared(const struct stlb_run *run);
bool stlb_other_has_all(const struct stlb_run *run);
void stlb_spare_huge(struct stlb_run *run);
void stlb_make_dirty(struct stlb_run *run, unsigned long va);
void stlb_make_old(struct stlb_run *run);
void stlb_map_written(struct stlb_run *run, enum stlb_level level, bool thp);
/* How many pages there are in a file of stlb_open_clean(). */
#define STLB_CLEAN_PAGES	4

void stlb_open_clean(struct stlb_run *run);
void stlb_map_immovable(struct stlb_run *run,
			void (*moved)(struct stlb_run *run, unsigned long to));
void stlb_map_private_shm(struct stlb_run *run, u32 val);
u32 stlb_cpu_read(struct stlb_run *run, unsigned long va);
void stlb_cpu_write(struct stlb_run *run, unsigned long va, u32 val);
int __stlb_fork(struct stlb_run *run, int (*while_alive)(struct stlb_run *run));
void stlb_fork(struct stlb_run *run, int (*while_alive)(struct stlb_run *run));
long stlb_syscall(int nr, unsigned long a0, unsigned long a1, unsigned long a2,
		  unsigned long a3);
int stlb_page_request(struct mm_struct *mm, unsigned long va, bool write);
int stlb_cpu_fault(struct mm_struct *mm, unsigned long va, bool write);
long stlb_mremap_to(unsigned long va, unsigned long size, unsigned long to);
unsigned long stlb_mremap(struct stlb_run *run);
unsigned long stlb_mremap_far(struct stlb_run *run);
void stlb_mremap_fails(struct stlb_run *run);
void stlb_map_file_page(struct stlb_run *run);
unsigned long stlb_mremap_merged(struct stlb_run *run);
struct folio *stlb_reclaim(struct stlb_run *run);
long stlb_clear_refs(struct mm_struct *mm, char what);
int stlb_sysfs_write(const char *path, const char *what);

/**
 * struct stlb_uffd - a userfaultfd
 * @fd: the file, or a negative number
 * @scratch: two pages: the first for arguments, the second for the caller
 */
struct stlb_uffd {
	int fd;
	unsigned long scratch;
};

void stlb_uffd_register(struct stlb_run *run, struct stlb_uffd *uffd,
			unsigned long start, unsigned long size, u64 mode,
			u64 features);
long stlb_uffd_ioctl(struct stlb_uffd *uffd, unsigned int cmd, void *arg);
void stlb_uffd_close(struct stlb_run *run, struct stlb_uffd *uffd);

/**
 * struct stlb_storm - a thread that upgrades a page of shared memory, again and
 *	again
 * @mm: the address space
 * @va: the page
 * @cpus: where the thread may run, or NULL
 * @upgrades: how many there have been
 * @failed: whether one failed
 * @task: the thread
 */
struct stlb_storm {
	struct mm_struct *mm;
	unsigned long va;
	const struct cpumask *cpus;
	unsigned long upgrades;
	bool failed;
	struct task_struct *task;
};

int stlb_storm_start(struct stlb_storm *storm);
bool stlb_storm_goes_on(struct stlb_storm *storm, unsigned long upgrades);
void stlb_storm_stop(struct stlb_storm *storm);

/**
 * struct stlb_helper - a thread that does something when it is told to
 * @mm: the address space that it has as its own
 * @fn: what it does. May sleep.
 * @task: the thread
 * @go: it may begin
 * @done: it is through
 * @quit: it shall leave
 */
struct stlb_helper {
	struct mm_struct *mm;
	void (*fn)(struct stlb_helper *helper);
	struct task_struct *task;
	struct completion go;
	struct completion done;
	bool quit;
};

int stlb_helper_start(struct stlb_helper *helper);
bool stlb_helper_call(struct stlb_helper *helper);
void stlb_helper_stop(struct stlb_helper *helper);

/**
 * struct stlb_late - somebody who acts when all locks of a change are gone, and
 *	before those who only hear of it afterwards do
 * @mn: the subscriber; it must be the last one that registers
 * @va: the page that the change is for
 * @before: optional; called at each invalidate_range_start() for @va
 * @act: called once, at an invalidate_range_end() for @va
 * @skip: how many of these to let pass first
 * @acted: whether @act was called
 *
 * Both are called with the locks that the one who makes the change holds, which
 * may be the mmap_lock and the lock of the page. They may sleep, but must not take
 * the mmap_lock or allocate memory: let a &struct stlb_helper do that.
 */
struct stlb_late {
	struct mmu_notifier mn;
	unsigned long va;
	void (*before)(struct stlb_late *late);
	void (*act)(struct stlb_late *late);
	unsigned int skip;
	bool acted;
};

int stlb_late_register(struct stlb_late *late, const struct stlb_run *run,
		       void (*act)(struct stlb_late *late));
void stlb_late_unregister(struct stlb_late *late);

/* A device whose accesses are refused asks that often, and is stuck then. */
#define STLB_RETRIES	3

/**
 * struct stlb_device - something that caches translations of an mm
 * @ops: what it can do
 * @spill: bytes behind a page that an invalidation of that page may take along
 */
struct stlb_device {
	const struct stlb_device_ops *ops;
	unsigned long spill;
};

/**
 * struct stlb_device_ops - what a device can do
 * @name: name of the suite that drives it
 * @read: reads through the device. Returns 0, or -EFAULT if the access is
 *	refused although its page requests are answered.
 * @write: the same for a write
 * @holds: whether the device has a translation of the page at @va cached; NULL
 *	if nobody can look into it
 * @stale: looks for a cached translation in [@start, @end) that disagrees with
 *	the page table. Returns true and its address in @va, or false. NULL with
 *	@holds.
 * @requests: page requests that the device made since it was attached
 * @before: optional; an upgrade is about to happen
 * @after: optional; it has happened, or has failed to reach the device
 * @dropped: bytes of cached translations that it was told to forget since it was
 *	last asked; the largest number if it has several caches. NULL with @holds.
 *
 * All of them may sleep.
 */
struct stlb_device_ops {
	const char *name;
	int (*read)(struct stlb_device *dev, unsigned long va, u32 *val);
	int (*write)(struct stlb_device *dev, unsigned long va, u32 val);
	bool (*holds)(struct stlb_device *dev, unsigned long va);
	bool (*stale)(struct stlb_device *dev, unsigned long start,
		      unsigned long end, unsigned long *va);
	void (*before)(struct stlb_device *dev, struct stlb_run *run,
		       const struct stlb_scenario *scenario);
	void (*after)(struct stlb_device *dev, struct stlb_run *run,
		      const struct stlb_scenario *scenario);
	unsigned long (*requests)(struct stlb_device *dev);
	unsigned long (*dropped)(struct stlb_device *dev);
};

void stlb_test_device(struct stlb_run *run, const struct stlb_scenario *scenario,
		      struct stlb_device *dev);

__printf(4, 5)
void stlb_verdict_word(struct kunit *test, const char *suite, const char *wrong,
		       const char *fmt, ...);

/* For the case that the whole library is about, see stlb_verdict_word(). */
#define stlb_verdict(test, suite, stale, fmt, ...)			\
	stlb_verdict_word(test, suite, (stale) ? "stale" : NULL, fmt,	\
			  ##__VA_ARGS__)

/**
 * enum stlb_callback - the callbacks that the mock tells apart
 * @STLB_CB_RANGE: invalidate_range()
 * @STLB_CB_START: invalidate_range_start()
 * @STLB_CB_END: invalidate_range_end()
 * @STLB_CB_OTHER: any other one
 * @STLB_NR_CB: how many there are
 */
enum stlb_callback {
	STLB_CB_RANGE,
	STLB_CB_START,
	STLB_CB_END,
	STLB_CB_OTHER,
	STLB_NR_CB,
};

/**
 * struct stlb_call - one invalidate_range() call as the mock saw it
 * @start: first byte
 * @end: end of the range, exclusive
 * @ptl_held: the caller held the PTL of the armed translation (lockdep's word)
 * @atomic: the caller was not allowed to sleep
 * @clear: every entry of the armed translation was clear
 * @writable: every entry of the armed translation let writes through
 * @cacheable: what a TLB could cache of the armed translation, as a digest
 * @rmap_locked: the lock of the armed translation's anon_vma was held
 * @ptep: the entry at which a walk of its last page ended
 */
struct stlb_call {
	unsigned long start;
	unsigned long end;
	bool ptl_held;
	bool atomic;
	bool clear;
	bool writable;
	u64 cacheable;
	bool rmap_locked;
	pte_t *ptep;
};

/**
 * struct stlb_mock - a subscriber that records what it is told
 * @mn: the subscription, to all but the following
 * @pair: that to invalidate_range_start() and end()
 * @nr: calls per callback since the mock was armed
 * @calls: the first invalidate_range() calls since then
 * @upgrades: calls of invalidate_range() since then that found it writable
 * @linger: microseconds to stay in invalidate_range()
 * @inside: calls of invalidate_range() that are under way
 * @ptl: the lock that guards the armed translation
 * @start: first byte of the armed translation
 * @level: its level
 * @anon_vma: what reverse mapping finds its pages by, if they have that
 * @lock: guards what is recorded
 */
struct stlb_mock {
	struct mmu_notifier mn;
	struct mmu_notifier pair;
	unsigned int nr[STLB_NR_CB];
	struct stlb_call calls[16];
	unsigned int upgrades;
	unsigned int linger;
	atomic_t inside;
	spinlock_t *ptl;	/* the kernel's, see @ptl above */
	unsigned long start;
	enum stlb_level level;
	struct anon_vma *anon_vma;
	spinlock_t lock;	/* guards what is recorded */
};

int stlb_mock_register(struct stlb_mock *mock, struct mm_struct *mm);
int stlb_mock_register_pair_only(struct stlb_mock *mock, struct mm_struct *mm);
void stlb_mock_unregister(struct stlb_mock *mock);
void stlb_mock_arm(struct stlb_mock *mock, unsigned long start,
		   enum stlb_level level);
bool stlb_mock_sees_context(void);
void stlb_expect_context(struct kunit *test, const struct stlb_call *call);

/**
 * enum stlb_told - whether a mock was told what it has to know of an upgrade
 * @STLB_TOLD: by one call for exactly the armed translation
 * @STLB_TOLD_MORE: there was another call, or one for more than that
 * @STLB_TOLD_LESS: not, not of all of it, or too early
 */
enum stlb_told {
	STLB_TOLD,
	STLB_TOLD_MORE,
	STLB_TOLD_LESS,
};

enum stlb_told stlb_mock_told(const struct stlb_mock *mock);
enum stlb_told stlb_mock_heard(const struct stlb_mock *mock);
const char *stlb_told_word(enum stlb_told told);

/**
 * struct stlb_cached - translations that a cache holds
 * @start: first byte
 * @end: end, exclusive
 * @pfn: page frame behind @start
 * @tag: the address space (an ASID, a PASID)
 * @writable: what the walk found
 * @dbm: the same
 * @exec: the same
 */
struct stlb_cached {
	unsigned long start;
	unsigned long end;
	unsigned long pfn;
	u32 tag;
	bool writable;
	bool dbm;
	bool exec;
};

/**
 * struct stlb_cache - a cache of translations
 * @entry: what it holds; entries with the same tag do not overlap
 * @nr: how many there are
 *
 * Whoever has one guards it by a lock. There is room for the largest contiguous
 * set, 128 entries with 16K pages, and for what is around it.
 */
struct stlb_cache {
	struct stlb_cached entry[160];
	unsigned int nr;
};

struct stlb_cached *stlb_cache_find(struct stlb_cache *cache, u32 tag,
				    unsigned long va);
struct stlb_cached *stlb_cache_fill(struct stlb_cache *cache, u32 tag,
				    unsigned long va,
				    const struct stlb_leaf *leaf);
unsigned long stlb_cache_cut(struct stlb_cache *cache, u32 tag,
			     unsigned long start, unsigned long end,
			     unsigned long *first);
bool stlb_cache_stale(const struct stlb_cache *cache, u32 tag,
		      struct mm_struct *mm, unsigned long start,
		      unsigned long end, unsigned long *va);

/**
 * struct stlb_soft - a TLB in software that shares the page table of an mm
 * @dev: the device
 * @mn: the subscription
 * @lock: guards the entries; held over an access, so that an invalidation
 *	returns only when no access uses what it removed (as CMD_SYNC does)
 * @cache: what is cached
 * @requests: page requests made
 * @dropped: bytes that invalidations have removed since somebody asked
 * @eager: walk and cache again what an invalidation has removed, before it
 *	returns: the device that is about to use it. This makes an invalidation
 *	that comes too early show.
 * @any_entry: load the last entry of a contiguous range, whatever the address. The
 *	walker may load any (Arm ARM DDI 0487, rule RJQQTC).
 * @released: the address space is gone: nothing is walked any more
 * @deaf: self test: ignore invalidations
 * @shorten: self test: bytes to drop from the end of each invalidation
 */
struct stlb_soft {
	struct stlb_device dev;
	struct mmu_notifier mn;
	spinlock_t lock;	/* guards the entries, see @lock above */
	struct stlb_cache cache;
	unsigned long requests;
	unsigned long dropped;
	bool eager;
	bool any_entry;
	bool released;
	bool deaf;
	unsigned long shorten;
};

int stlb_soft_register(struct stlb_soft *soft, struct mm_struct *mm);
void stlb_soft_unregister(struct stlb_soft *soft);
int stlb_soft_access_once(struct stlb_soft *soft, unsigned long va, bool write,
			  u32 *val);
void stlb_soft_load(struct stlb_soft *soft, unsigned long va);

#endif /* _LINUX_SECONDARY_TLB_KUNIT_H */
