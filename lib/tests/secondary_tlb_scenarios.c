// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ways to make a live translation more permissive in place.
 *
 * Every scenario brings a translation to "valid and read-only for hardware" as
 * a program would, through system calls and faults, and upgrades it through the
 * kernel's own paths. What caches the translation is a &struct stlb_device.
 */
#include <linux/anon_inodes.h>
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/huge_mm.h>
#include <linux/kthread.h>
#include <linux/mman.h>
#include <linux/mount.h>
#include <linux/pagemap.h>
#include <linux/pgtable.h>
#include <linux/rmap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/secondary_tlb_compat.h>
#include <linux/secondary_tlb_kunit.h>
#include <linux/shmem_fs.h>
#include <linux/swap.h>
#include <linux/syscalls.h>
#include <linux/uaccess.h>
#include <linux/userfaultfd.h>

#include <asm/syscall.h>

/**
 * stlb_level_size() - bytes that a translation maps
 * @level: what carries it
 *
 * Context: any.
 * Return: the size of the whole translation, all entries of a set together.
 */
unsigned long stlb_level_size(enum stlb_level level)
{
	switch (level) {
	case STLB_PTE:
		return PAGE_SIZE;
	case STLB_CONT_PTE:
		return CONT_PTE_SIZE;
	case STLB_PMD:
		return PMD_SIZE;
	case STLB_CONT_PMD:
		return CONT_PMD_SIZE;
	case STLB_PUD:
		return PUD_SIZE;
	}
	return 0;
}

/**
 * stlb_entry_size() - bytes that one page table entry of a translation maps
 * @level: what carries it
 *
 * Context: any.
 * Return: less than stlb_level_size() for contiguous sets, else the same.
 */
unsigned long stlb_entry_size(enum stlb_level level)
{
	switch (level) {
	case STLB_CONT_PTE:
		return PAGE_SIZE;
	case STLB_CONT_PMD:
		return PMD_SIZE;
	default:
		return stlb_level_size(level);
	}
}

/*
 * What the architecture says of an entry: AP[2] forbids writes, DBM lets
 * hardware that manages the dirty state clear it, and an entry whose access
 * flag is clear may not be cached (Arm ARM DDI 0487, "Memory access control" and
 * "Hardware management of the Access flag and dirty state").
 */
static void stlb_decode(struct stlb_leaf *leaf, pte_t pte, unsigned long va,
			unsigned long size, unsigned long cont_size)
{
	unsigned long pfn = pte_pfn(pte);

	leaf->present = !pte_none(pte);
	leaf->valid = pte_valid(pte) && pte_young(pte);
	leaf->writable = !(pte_val(pte) & PTE_RDONLY);
	leaf->dbm = pte_val(pte) & PTE_DBM;

	leaf->size = pte_valid(pte) && pte_cont(pte) ? cont_size : size;
	leaf->start = ALIGN_DOWN(va, leaf->size);
	leaf->pfn = pfn - ((ALIGN_DOWN(va, size) - leaf->start) >> PAGE_SHIFT);
}

/**
 * stlb_walk() - walk the page table as a secondary TLB does
 * @mm: the address space
 * @va: any address in it
 * @leaf: what was found; @leaf->valid is false if the walker would fault
 *
 * Takes no page table lock, as hardware takes none.
 *
 * Context: any, but the caller sees to it that no table on the way is freed: by the
 * mmap_lock or a PTL, or because nobody else maps or unmaps anything.
 */
void stlb_walk(struct mm_struct *mm, unsigned long va, struct stlb_leaf *leaf)
{
	pgd_t *pgdp = pgd_offset(mm, va);
	p4d_t *p4dp;
	pud_t *pudp, pud;
	pmd_t *pmdp, pmd;

	*leaf = (struct stlb_leaf){ .start = ALIGN_DOWN(va, PAGE_SIZE),
				    .size = PAGE_SIZE };

	if (pgd_none(READ_ONCE(*pgdp)))
		return;
	p4dp = p4d_offset(pgdp, va);
	if (p4d_none(READ_ONCE(*p4dp)))
		return;

	pudp = pud_offset(p4dp, va);
	pud = READ_ONCE(*pudp);
	leaf->ptep = (pte_t *)pudp;
	if (pud_none(pud))
		return;
	if (pud_leaf(pud)) {
		stlb_decode(leaf, pud_pte(pud), va, PUD_SIZE, PUD_SIZE);
		return;
	}

	pmdp = pmd_offset(pudp, va);
	pmd = READ_ONCE(*pmdp);
	leaf->ptep = (pte_t *)pmdp;
	if (pmd_none(pmd))
		return;
	if (!pmd_table(pmd)) {
		stlb_decode(leaf, pmd_pte(pmd), va, PMD_SIZE, CONT_PMD_SIZE);
		return;
	}

	leaf->ptep = pte_offset_kernel(pmdp, va);
	stlb_decode(leaf, READ_ONCE(*leaf->ptep), va, PAGE_SIZE, CONT_PTE_SIZE);
}

/**
 * stlb_ptl() - the lock that guards a translation
 * @mm: the address space
 * @va: any address in the translation, which must be mapped
 *
 * Context: may sleep, takes and releases the mmap_lock.
 * Return: the PTL, or NULL if nothing is mapped.
 */
spinlock_t *stlb_ptl(struct mm_struct *mm, unsigned long va)
{
	struct vm_area_struct *vma;
	struct stlb_leaf leaf;
	spinlock_t *ptl = NULL;
	pmd_t *pmdp;

	mmap_read_lock(mm);
	vma = vma_lookup(mm, va);
	stlb_walk(mm, va, &leaf);
	if (!vma || !leaf.present)
		goto unlock;

	if (is_vm_hugetlb_page(vma)) {
		ptl = huge_pte_lockptr(hstate_vma(vma), mm, leaf.ptep);
		goto unlock;
	}

	pmdp = pmd_off(mm, va);
	ptl = leaf.size == PMD_SIZE ? pmd_lockptr(mm, pmdp) :
				      pte_lockptr(mm, pmdp);
unlock:
	mmap_read_unlock(mm);
	return ptl;
}

/**
 * stlb_syscall() - do what a program would do
 * @nr: __NR_xxx
 * @a0: first argument
 * @a1: second argument
 * @a2: third argument
 * @a3: fourth argument
 *
 * The table gives the interface that never changes, whatever the functions
 * behind it look like on this kernel. The last two arguments are -1 and 0, as
 * an anonymous mmap() wants them.
 *
 * Context: may sleep; acts on the mm of the current thread.
 * Return: what the system call returns.
 */
long stlb_syscall(int nr, unsigned long a0, unsigned long a1, unsigned long a2,
		  unsigned long a3)
{
	struct pt_regs regs = {
		.regs = { a0, a1, a2, a3, -1UL, 0 },
		.orig_x0 = a0,
	};

	return sys_call_table[nr](&regs);
}

/**
 * stlb_mremap_to() - mremap() to a fixed address
 * @va: what to move
 * @size: bytes
 * @to: where to, which is unmapped
 *
 * Context: may sleep; acts on the mm of the current thread.
 * Return: what the system call returns.
 */
long stlb_mremap_to(unsigned long va, unsigned long size, unsigned long to)
{
	struct pt_regs regs = {
		.regs = { va, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to },
		.orig_x0 = va,
	};

	return sys_call_table[__NR_mremap](&regs);
}

/* To an address with that alignment, and room for as much. */
static long __stlb_mremap(struct stlb_run *run, unsigned long align,
			  unsigned long *to)
{
	unsigned long room;

	room = vm_mmap(NULL, 0, 2 * align, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, 0);
	KUNIT_ASSERT_FALSE(run->test, IS_ERR_VALUE(room));
	*to = ALIGN(room, align);
	return stlb_mremap_to(run->start, run->size, *to);
}

/**
 * stlb_mremap() - move the translation under test
 * @run: the run
 *
 * To an address that is as aligned as &stlb_run.start, which does not change.
 *
 * Context: may sleep.
 * Return: the new address; the case has failed if there is none.
 */
unsigned long stlb_mremap(struct stlb_run *run)
{
	unsigned long to;

	KUNIT_ASSERT_EQ(run->test, __stlb_mremap(run, run->size, &to), (long)to);
	return to;
}

/**
 * stlb_mremap_far() - the same to where another table of PMDs maps it
 * @run: the run
 *
 * Context: may sleep.
 * Return: the new address; the case has failed if there is none.
 */
unsigned long stlb_mremap_far(struct stlb_run *run)
{
	unsigned long to;

	KUNIT_ASSERT_EQ(run->test, __stlb_mremap(run, PUD_SIZE, &to), (long)to);
	return to;
}

/**
 * stlb_mremap_fails() - the same for what stlb_map_immovable() has mapped: there
 *	and back
 * @run: the run
 *
 * Context: may sleep.
 */
void stlb_mremap_fails(struct stlb_run *run)
{
	unsigned long to;

	KUNIT_ASSERT_EQ(run->test, __stlb_mremap(run, run->size, &to),
			(long)-ENOMEM);
}

static void stlb_madvise(struct stlb_run *run, unsigned long va,
			 unsigned long size, int advice)
{
	KUNIT_ASSERT_EQ(run->test, 0L,
			stlb_syscall(__NR_madvise, va, size, advice, 0));
}

static void stlb_mprotect(struct stlb_run *run, unsigned long va,
			  unsigned long size, int prot)
{
	KUNIT_ASSERT_EQ(run->test, 0L,
			stlb_syscall(__NR_mprotect, va, size, prot, 0));
}

static void stlb_mmap_fixed(struct stlb_run *run, unsigned long va,
			    unsigned long size, int prot, int flags)
{
	long ret = stlb_syscall(__NR_mmap, va, size, prot, MAP_FIXED | flags);

	KUNIT_ASSERT_EQ(run->test, (long)va, ret);
}

/* A load by the CPU, with the faults that it takes. */
u32 stlb_cpu_read(struct stlb_run *run, unsigned long va)
{
	u32 val = 0;

	KUNIT_ASSERT_EQ_MSG(run->test, 0, get_user(val, (u32 __user *)va),
			    "CPU cannot read 0x%lx", va);
	return val;
}

/* A store by the CPU, with the faults that it takes. */
void stlb_cpu_write(struct stlb_run *run, unsigned long va, u32 val)
{
	KUNIT_ASSERT_EQ_MSG(run->test, 0, put_user(val, (u32 __user *)va),
			    "CPU cannot write 0x%lx", va);
}

static int stlb_fault(struct mm_struct *mm, unsigned long va, bool write,
		      unsigned int flags)
{
	vm_fault_t fault = VM_FAULT_ERROR;
	struct vm_area_struct *vma;

	if (write)
		flags |= FAULT_FLAG_WRITE;

	mmap_read_lock(mm);
	vma = vma_lookup(mm, va);
	/* What can be written can be read. */
	if (vma && (vma->vm_flags & (write ? VM_WRITE : VM_READ | VM_WRITE)))
		fault = handle_mm_fault(vma, va, flags, NULL);
	mmap_read_unlock(mm);

	return fault & VM_FAULT_ERROR ? -EFAULT : 0;
}

/**
 * stlb_page_request() - answer a device's page request as the IOPF code does
 * @mm: the address space
 * @va: address that the device asks for
 * @write: it wants to write
 *
 * Context: may sleep, takes and releases the mmap_lock.
 * Return: 0 if the request was answered with success, else -EFAULT.
 */
int stlb_page_request(struct mm_struct *mm, unsigned long va, bool write)
{
	return stlb_fault(mm, va, write, FAULT_FLAG_USER | FAULT_FLAG_REMOTE);
}

/**
 * stlb_cpu_fault() - handle a fault of a CPU, whatever its TLB holds
 * @mm: the address space
 * @va: the address
 * @write: it is a write
 *
 * Context: may sleep, takes and releases the mmap_lock.
 * Return: 0 if the fault was handled, else -EFAULT.
 */
int stlb_cpu_fault(struct mm_struct *mm, unsigned long va, bool write)
{
	return stlb_fault(mm, va, write, FAULT_FLAG_USER);
}

static int stlb_storm_thread(void *data)
{
	struct stlb_storm *storm = data;
	u32 __user *word = (u32 __user *)storm->va;
	u32 val;

	/* Not by who creates us: since 6.14 a thread forgets that when it starts. */
	if (storm->cpus)
		set_cpus_allowed_ptr(current, storm->cpus);
	kthread_use_mm(storm->mm);
	while (!kthread_should_stop()) {
		/* The page as well: one that is dirty may be mapped dirty. */
		if (stlb_syscall(__NR_madvise, storm->va, PAGE_SIZE,
				 MADV_REMOVE, 0) ||
		    get_user(val, word) || put_user(val, word))
			WRITE_ONCE(storm->failed, true);
		WRITE_ONCE(storm->upgrades, storm->upgrades + 1);
		cond_resched();
	}
	kthread_unuse_mm(storm->mm);
	return 0;
}

/**
 * stlb_storm_start() - begin with upgrades, each after the page was removed and a
 *	new one read in
 * @storm: the storm; &stlb_storm.mm, &stlb_storm.va and &stlb_storm.cpus are set
 *
 * It must be stopped whatever happens: assert nothing while it runs.
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int stlb_storm_start(struct stlb_storm *storm)
{
	struct task_struct *task;

	task = kthread_create(stlb_storm_thread, storm, "stlb_storm");
	if (IS_ERR(task))
		return PTR_ERR(task);
	storm->task = task;
	wake_up_process(task);
	return 0;
}

/**
 * stlb_storm_goes_on() - wait for more upgrades
 * @storm: the storm
 * @upgrades: how many more
 *
 * Context: may sleep.
 * Return: false if they do not come in 10 s.
 */
bool stlb_storm_goes_on(struct stlb_storm *storm, unsigned long upgrades)
{
	unsigned long target = READ_ONCE(storm->upgrades) + upgrades;
	unsigned int ms;

	for (ms = 0; ms < 10000; ms++) {
		if (READ_ONCE(storm->upgrades) >= target)
			return true;
		usleep_range(1000, 2000);
	}
	return false;
}

/**
 * stlb_storm_stop() - end the thread, if there is one
 * @storm: the storm
 *
 * Context: may sleep.
 */
void stlb_storm_stop(struct stlb_storm *storm)
{
	if (storm->task)
		kthread_stop(storm->task);
	storm->task = NULL;
}

static int stlb_helper_thread(void *data)
{
	struct stlb_helper *helper = data;

	kthread_use_mm(helper->mm);
	for (;;) {
		wait_for_completion(&helper->go);
		if (READ_ONCE(helper->quit))
			break;
		helper->fn(helper);
		complete(&helper->done);
	}
	kthread_unuse_mm(helper->mm);
	mmput(helper->mm);
	return 0;
}

/**
 * stlb_helper_start() - have a thread ready
 * @helper: the thread; &stlb_helper.mm and &stlb_helper.fn are set
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int stlb_helper_start(struct stlb_helper *helper)
{
	struct task_struct *task;

	init_completion(&helper->go);
	init_completion(&helper->done);
	helper->quit = false;
	task = kthread_create(stlb_helper_thread, helper, "stlb_helper");
	if (IS_ERR(task))
		return PTR_ERR(task);
	mmget(helper->mm);
	helper->task = get_task_struct(task);
	wake_up_process(task);
	return 0;
}

/**
 * stlb_helper_call() - let the thread do what it is for, and wait for it
 * @helper: the thread
 *
 * Context: may sleep; allocates nothing.
 * Return: false if it is not through in 20 s.
 */
bool stlb_helper_call(struct stlb_helper *helper)
{
	complete(&helper->go);
	return wait_for_completion_timeout(&helper->done, 20 * HZ);
}

/**
 * stlb_helper_stop() - end the thread, if there is one
 * @helper: the thread
 *
 * Context: may sleep.
 */
void stlb_helper_stop(struct stlb_helper *helper)
{
	if (!helper->task)
		return;
	WRITE_ONCE(helper->quit, true);
	complete(&helper->go);
	kthread_stop(helper->task);
	put_task_struct(helper->task);
	helper->task = NULL;
}

/* Kernel threads ignore SIGCHLD; nobody could wait for the child. */
static pid_t stlb_child_start(struct kernel_clone_args *args)
{
	kernel_sigaction(SIGCHLD, SIG_DFL);
	return kernel_clone(args);
}

static pid_t stlb_child_wait(pid_t pid)
{
	pid_t gone = pid;
	int stat;

	if (pid > 0)
		gone = kernel_wait(pid, &stat);
	kernel_sigaction(SIGCHLD, SIG_IGN);
	flush_signals(current);
	return gone;
}

struct stlb_child {
	struct completion forked;
	struct completion leave;
};

static int stlb_child_main(void *data)
{
	struct stlb_child *child = data;

	complete(&child->forked);
	wait_for_completion(&child->leave);
	do_exit(0);
}

#define STLB_RECYCLED	64	/* a child needs less */

/*
 * Pages that the page allocator will give out next on this CPU. What frees a page
 * leaves its index there. In a page table that may be pt_share_count.
 */
static void stlb_recycle(pgoff_t index)
{
	struct page *page, *next;
	LIST_HEAD(pages);
	unsigned int i;

	for (i = 0; i < STLB_RECYCLED; i++) {
		page = alloc_page(GFP_KERNEL);
		if (page)
			list_add(&page->lru, &pages);
	}
	list_for_each_entry_safe(page, next, &pages, lru) {
		list_del(&page->lru);
		page_folio(page)->index = index;
		__free_page(page);
	}
}

/**
 * __stlb_fork() - fork the test's address space and wait for the child's end
 * @run: the run
 * @while_alive: called when the child shares the pages, or NULL. Must return,
 *	so it asserts nothing: 0 if all went well.
 *
 * A real fork: dup_mm() of the thread's mm, and the exit of its only user. When
 * it returns private pages are mapped once again, and still write-protected. The
 * page tables of the child are made of pages with the index &stlb_run.recycled.
 *
 * Context: may sleep.
 * Return: 0, what @while_alive has returned, or an error.
 */
int __stlb_fork(struct stlb_run *run, int (*while_alive)(struct stlb_run *run))
{
	struct stlb_child child;
	struct kernel_clone_args args = {
		.flags		= CLONE_UNTRACED,
		.exit_signal	= SIGCHLD,
		.fn		= stlb_child_main,
		.fn_arg		= &child,
	};
	struct cpumask cpus;
	pid_t pid, gone;
	int ret = 0;

	init_completion(&child.forked);
	init_completion(&child.leave);

	/* A page on its way to an LRU list has a reference: not exclusive. */
	lru_add_drain_all();

	cpumask_copy(&cpus, current->cpus_ptr);
	set_cpus_allowed_ptr(current, cpumask_of(raw_smp_processor_id()));
	stlb_recycle(run->recycled);
	pid = stlb_child_start(&args);
	set_cpus_allowed_ptr(current, &cpus);
	if (pid > 0) {
		wait_for_completion(&child.forked);
		if (while_alive)
			ret = while_alive(run);
		complete(&child.leave);
	}
	gone = stlb_child_wait(pid);
	if (pid < 0)
		return pid;
	return pid == gone ? ret : -ECHILD;
}

/**
 * stlb_fork() - the same, and the case has failed if it cannot be done
 * @run: the run
 * @while_alive: see __stlb_fork()
 *
 * Context: may sleep.
 */
void stlb_fork(struct stlb_run *run, int (*while_alive)(struct stlb_run *run))
{
	KUNIT_ASSERT_EQ_MSG(run->test, 0, __stlb_fork(run, while_alive),
			    "fork, or what was done meanwhile, has failed");
}

struct stlb_clear_refs {
	struct vfsmount *mnt;
	char __user *what;
	long ret;
};

static int stlb_clear_refs_main(void *data)
{
	struct stlb_clear_refs *refs = data;
	struct file *file;
	loff_t pos = 0;

	file = file_open_root_mnt(refs->mnt, "self/clear_refs", O_WRONLY, 0);
	if (IS_ERR(file)) {
		refs->ret = PTR_ERR(file);
	} else {
		refs->ret = vfs_write(file, refs->what, 1, &pos);
		fput(file);
	}
	do_exit(0);
}

/**
 * stlb_clear_refs() - echo WHAT > /proc/self/clear_refs
 * @mm: the address space, that of the current thread
 * @what: '4' for soft-dirty bits, see Documentation/filesystems/proc.rst
 *
 * The file finds the address space of user threads only, so there is one.
 *
 * Context: may sleep, takes and releases the mmap_lock.
 * Return: 1, or an error.
 */
long stlb_clear_refs(struct mm_struct *mm, char what)
{
	struct file_system_type *type = get_fs_type("proc");
	struct stlb_clear_refs refs = { .ret = -EAGAIN };
	struct kernel_clone_args args = {
		.flags		= CLONE_VM | CLONE_UNTRACED,
		.exit_signal	= SIGCHLD,
		.fn		= stlb_clear_refs_main,
		.fn_arg		= &refs,
	};
	unsigned long page;

	page = vm_mmap(NULL, 0, PAGE_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, 0);
	if (IS_ERR_VALUE(page))
		return page;
	refs.what = (char __user *)page;
	refs.mnt = type ? kern_mount(type) : ERR_PTR(-ENODEV);
	if (IS_ERR(refs.mnt)) {
		refs.ret = PTR_ERR(refs.mnt);
	} else {
		if (!put_user(what, refs.what))
			stlb_child_wait(stlb_child_start(&args));
		kern_unmount(refs.mnt);
	}
	vm_munmap(page, PAGE_SIZE);
	return refs.ret;
}

/**
 * stlb_sysfs_write() - echo WHAT > /sys/PATH
 * @path: the file, below the mount point of sysfs
 * @what: what to write
 *
 * Context: may sleep.
 * Return: 0, or an error; -ENOENT if this kernel has no such file.
 */
int stlb_sysfs_write(const char *path, const char *what)
{
	struct file_system_type *type = get_fs_type("sysfs");
	struct vfsmount *mnt;
	struct file *file;
	ssize_t written;
	loff_t pos = 0;
	int ret = 0;

	mnt = type ? kern_mount(type) : ERR_PTR(-ENOENT);
	if (IS_ERR(mnt))
		return PTR_ERR(mnt);
	file = file_open_root_mnt(mnt, path, O_WRONLY, 0);
	if (IS_ERR(file)) {
		ret = PTR_ERR(file);
	} else {
		written = kernel_write(file, what, strlen(what), &pos);
		if (written < 0)
			ret = written;
		fput(file);
		flush_delayed_fput();
	}
	kern_unmount(mnt);
	return ret;
}

/**
 * stlb_uffd_ioctl() - ask a userfaultfd for something
 * @uffd: the userfaultfd
 * @cmd: UFFDIO_xxx
 * @arg: its argument
 *
 * Context: may sleep; the test's thread, or one that has its mm.
 * Return: what ioctl() returns.
 */
long stlb_uffd_ioctl(struct stlb_uffd *uffd, unsigned int cmd, void *arg)
{
	void __user *there = (void __user *)uffd->scratch;

	if (copy_to_user(there, arg, _IOC_SIZE(cmd)))
		return -EFAULT;
	return stlb_syscall(__NR_ioctl, uffd->fd, cmd, uffd->scratch, 0);
}

/**
 * stlb_uffd_register() - open a userfaultfd, and register memory with it
 * @run: the run
 * @uffd: the userfaultfd, which is not open
 * @start: first byte
 * @size: bytes
 * @mode: UFFDIO_REGISTER_MODE_xxx
 * @features: UFFD_FEATURE_xxx that must be asked for
 *
 * Skips the case if this kernel has no userfaultfd.
 *
 * Context: may sleep; the test's thread, which has @run->mm. A case that cannot go
 * on ends.
 */
void stlb_uffd_register(struct stlb_run *run, struct stlb_uffd *uffd,
			unsigned long start, unsigned long size, u64 mode,
			u64 features)
{
	struct uffdio_register reg = {
		.range	= { start, size },
		.mode	= mode,
	};
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	struct kunit *test = run->test;

	if (!IS_ENABLED(CONFIG_USERFAULTFD))
		kunit_skip(test, "needs CONFIG_USERFAULTFD");
	if ((mode & UFFDIO_REGISTER_MODE_WP) &&
	    !IS_ENABLED(CONFIG_HAVE_ARCH_USERFAULTFD_WP))
		kunit_skip(test, "this kernel has no write-protection by userfaultfd");
	uffd->fd = stlb_syscall(__NR_userfaultfd, 0, 0, 0, 0);
	KUNIT_ASSERT_GE(test, uffd->fd, 0);
	uffd->scratch = vm_mmap(NULL, 0, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(uffd->scratch));
	KUNIT_ASSERT_EQ(test, 0L, stlb_uffd_ioctl(uffd, UFFDIO_API, &api));
	KUNIT_ASSERT_EQ(test, 0L, stlb_uffd_ioctl(uffd, UFFDIO_REGISTER, &reg));
}

/**
 * stlb_uffd_close() - the opposite of stlb_uffd_register()
 * @run: the run
 * @uffd: the userfaultfd
 *
 * Context: may sleep.
 */
void stlb_uffd_close(struct stlb_run *run, struct stlb_uffd *uffd)
{
	if (uffd->fd >= 0)
		stlb_syscall(__NR_close, uffd->fd, 0, 0, 0);
	uffd->fd = -1;
	/* Else it is gone with the thread that had the address space. */
	if (uffd->scratch && current->mm == run->mm)
		vm_munmap(uffd->scratch, 2 * PAGE_SIZE);
	uffd->scratch = 0;
}

/*
 * Find room for a translation of @size bytes and put readable pages around it.
 * What the scenario maps goes over them with MAP_FIXED.
 */
static void stlb_reserve(struct stlb_run *run, unsigned long size)
{
	long ret;

	run->window_size = 2 * size + 2 * PAGE_SIZE;
	ret = stlb_syscall(__NR_mmap, 0, run->window_size,
			   PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE);
	KUNIT_ASSERT_FALSE_MSG(run->test, IS_ERR_VALUE(ret),
			       "no address space: %ld", ret);

	run->window = ret;
	run->start = ALIGN(run->window + PAGE_SIZE, size);
	run->size = size;
}

/**
 * stlb_map_private() - reserve and map private anonymous memory
 * @run: the run
 * @level: STLB_PTE, or STLB_PMD or PUD for a block's worth of memory
 * @thp: ask for huge pages
 *
 * Around a single page the same mapping goes on for a page on either side, so
 * that its neighbours are of its own kind.
 *
 * Context: may sleep; the test's thread, which has @run->mm. A case that cannot go
 * on ends.
 */
void stlb_map_private(struct stlb_run *run, enum stlb_level level, bool thp)
{
	unsigned long margin = level == STLB_PTE ? PAGE_SIZE : 0;
	/* With pages of 16K that is 64G, more than there is to commit. */
	int flags = level == STLB_PUD ? MAP_NORESERVE : 0;

	if (thp && !has_transparent_hugepage())
		kunit_skip(run->test, "no transparent huge pages on this CPU");

	stlb_reserve(run, stlb_level_size(level));
	stlb_mmap_fixed(run, run->start - margin, run->size + 2 * margin,
			PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | flags);
	if (thp)
		stlb_madvise(run, run->start, run->size, MADV_HUGEPAGE);
}

/* The last user of a page may be on its way out (a file that closes late). */
static bool stlb_hugetlb_page_free(struct hstate *h)
{
	unsigned int ms;

	if (!h->nr_huge_pages)
		return false;
	for (ms = 0; ms < 1000 && !READ_ONCE(h->free_huge_pages); ms++)
		usleep_range(1000, 2000);
	return READ_ONCE(h->free_huge_pages);
}

/**
 * stlb_map_hugetlb() - reserve and map one hugetlb page
 * @run: the run
 * @level: its level, not STLB_PTE
 * @flags: MAP_PRIVATE or MAP_SHARED
 *
 * Skips the case if there is no such page. Private memory is mapped for reading
 * and writing, shared memory for reading.
 *
 * Context: may sleep; the test's thread, which has @run->mm. A case that cannot go
 * on ends.
 */
void stlb_map_hugetlb(struct stlb_run *run, enum stlb_level level, int flags)
{
	unsigned long size = stlb_level_size(level);
	int prot = PROT_READ | (flags & MAP_PRIVATE ? PROT_WRITE : 0);
	struct hstate *h = size_to_hstate(size);
	long ret;

	if (!h)
		kunit_skip(run->test, "no hugetlb pages of %luK in this kernel",
			   size / SZ_1K);
	if (!stlb_hugetlb_page_free(h))
		kunit_skip(run->test, "boot with hugepagesz=%luK hugepages=2",
			   size / SZ_1K);

	stlb_reserve(run, size);
	flags |= MAP_FIXED | MAP_ANONYMOUS | MAP_HUGETLB |
		 (ilog2(size) << MAP_HUGE_SHIFT);
	ret = stlb_syscall(__NR_mmap, run->start, size, prot, flags);
	KUNIT_ASSERT_EQ(run->test, (long)run->start, ret);
}

/**
 * stlb_map_hugetlb_pages() - map several private hugetlb pages, and write them
 * @run: the run; &stlb_run.size becomes the size of all of them
 * @level: their level, not STLB_PTE
 * @max: map no more than that
 *
 * Their number is a power of two, and the mapping is aligned to its size. Skips the
 * case if there are not two pages.
 *
 * Context: may sleep; the test's thread, which has @run->mm. A case that cannot go
 * on ends.
 * Return: how many there are.
 */
unsigned int stlb_map_hugetlb_pages(struct stlb_run *run, enum stlb_level level,
				    unsigned int max)
{
	unsigned long size = stlb_level_size(level), va;
	struct hstate *h = size_to_hstate(size);
	unsigned int nr;
	long ret;

	if (!h || !stlb_hugetlb_page_free(h) || h->free_huge_pages < 2)
		kunit_skip(run->test, "boot with hugepagesz=%luK hugepages=4",
			   size / SZ_1K);

	nr = rounddown_pow_of_two(min_t(unsigned long, h->free_huge_pages, max));
	stlb_reserve(run, nr * size);
	ret = stlb_syscall(__NR_mmap, run->start, run->size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_HUGETLB |
			   (ilog2(size) << MAP_HUGE_SHIFT));
	KUNIT_ASSERT_EQ(run->test, (long)run->start, ret);
	for (va = run->start; va < run->start + run->size; va += size)
		stlb_cpu_write(run, va, 1);
	return nr;
}

/* Unmapped room: the address of the last block of a PMD table; one more follows. */
static unsigned long stlb_across(struct stlb_run *run, unsigned long *room)
{
	*room = vm_mmap(NULL, 0, 4 * PUD_SIZE, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, 0);
	KUNIT_ASSERT_FALSE(run->test, IS_ERR_VALUE(*room));
	return ALIGN(*room, PUD_SIZE) + PUD_SIZE - PMD_SIZE;
}

/**
 * stlb_map_hugetlb_across() - map two private hugetlb pages whose entries are in two
 *	tables, and write them
 * @run: the run
 *
 * Each is a PMD block. The first is the last of its table, and the second the first
 * of the next.
 *
 * Context: may sleep; the test's thread, which has @run->mm. A case that cannot go
 * on ends.
 */
void stlb_map_hugetlb_across(struct stlb_run *run)
{
	struct hstate *h = size_to_hstate(PMD_SIZE);
	long ret;

	if (!h || !stlb_hugetlb_page_free(h) || h->free_huge_pages < 2)
		kunit_skip(run->test, "boot with hugepagesz=%luK hugepages=4",
			   PMD_SIZE / SZ_1K);

	run->start = stlb_across(run, &run->window);
	run->window_size = 4 * PUD_SIZE;
	run->size = 2 * PMD_SIZE;
	ret = stlb_syscall(__NR_mmap, run->start, run->size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_HUGETLB |
			   (PMD_SHIFT << MAP_HUGE_SHIFT));
	KUNIT_ASSERT_EQ(run->test, (long)run->start, ret);
	stlb_cpu_write(run, run->start, 1);
	stlb_cpu_write(run, run->start + PMD_SIZE, 2);
}

/**
 * stlb_room_across() - room for what stlb_map_hugetlb_across() has mapped
 * @run: the run
 * @second: the second table is to be there, as the first is
 *
 * Context: may sleep; the test's thread, which has @run->mm. A case that cannot go
 * on ends.
 * Return: the address.
 */
unsigned long stlb_room_across(struct stlb_run *run, bool second)
{
	unsigned long room, to = stlb_across(run, &room);

	stlb_mmap_fixed(run, to - PMD_SIZE, PAGE_SIZE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS);
	stlb_cpu_write(run, to - PMD_SIZE, 1);
	if (second) {
		stlb_mmap_fixed(run, to + 2 * PMD_SIZE, PAGE_SIZE,
				PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS);
		stlb_cpu_write(run, to + 2 * PMD_SIZE, 1);
	}
	return to;
}

/**
 * stlb_migrate_begin() - unmap a page as migration does
 * @mm: the address space
 * @va: an address of the page, which is mapped
 *
 * From here on migration copies the page: what is written to it is lost.
 *
 * Context: may sleep; takes the locks of the page and of its mappings. The caller
 * sees to it that no table on the way is freed.
 * Return: the folio, for stlb_migrate_end(), or NULL if it is mapped still.
 */
struct folio *stlb_migrate_begin(struct mm_struct *mm, unsigned long va)
{
	struct stlb_leaf leaf;
	struct folio *folio;

	stlb_walk(mm, va, &leaf);
	if (!leaf.valid)
		return NULL;
	folio = page_folio(pfn_to_page(leaf.pfn));
	folio_get(folio);
	folio_lock(folio);
	try_to_migrate(folio, 0);
	if (!folio_mapped(folio))
		return folio;
	stlb_migrate_end(folio);
	return NULL;
}

/**
 * stlb_migrate_end() - map a page again, as migration does that has failed
 * @folio: what stlb_migrate_begin() has returned
 *
 * Context: may sleep; takes the locks of the mappings.
 */
void stlb_migrate_end(struct folio *folio)
{
	remove_migration_ptes(folio, folio, 0);
	folio_unlock(folio);
	folio_put(folio);
}

/**
 * stlb_map_shared_pages() - as much shared memory as a block maps, in small pages
 * @run: the run
 *
 * Every page has been read, so the table is full.
 *
 * Context: may sleep; the test's thread, which has @run->mm. A case that cannot go
 * on ends.
 */
void stlb_map_shared_pages(struct stlb_run *run)
{
	unsigned long va;

	stlb_reserve(run, PMD_SIZE);
	for (va = run->start; va < run->start + run->size; va += PAGE_SIZE)
		stlb_cpu_read(run, va);
}

/**
 * stlb_mm_alloc() - an address space in which a program could run
 *
 * Context: may sleep.
 * Return: the address space, for mmput(), or NULL.
 */
struct mm_struct *stlb_mm_alloc(void)
{
	struct rlimit rlim_stack = { RLIM_INFINITY, RLIM_INFINITY };
	struct mm_struct *mm = mm_alloc();

	if (!mm)
		return NULL;
	mm->task_size = TASK_SIZE;
	arch_pick_mmap_layout(mm, &rlim_stack);
	return mm;
}

/**
 * stlb_file_of() - what file is mapped, and where in it
 * @mm: the address space
 * @va: an address in it
 * @offset: where its offset in the file is written to
 *
 * Context: may sleep, takes and releases the mmap_lock.
 * Return: the file, for fput(), or NULL if none is mapped there.
 */
struct file *stlb_file_of(struct mm_struct *mm, unsigned long va,
			  unsigned long *offset)
{
	struct vm_area_struct *vma;
	struct file *file = NULL;

	mmap_read_lock(mm);
	vma = vma_lookup(mm, va);
	if (vma && vma->vm_file) {
		file = get_file(vma->vm_file);
		*offset = (vma->vm_pgoff << PAGE_SHIFT) + va - vma->vm_start;
	}
	mmap_read_unlock(mm);
	return file;
}

/* What a process has mapped of a file, and how that went. */
struct stlb_sharer {
	struct stlb_helper helper;
	struct stlb_run *run;
	long ret;
};

static long stlb_touch_shared(const struct stlb_run *run)
{
	unsigned long start = run->start;
	unsigned int i;
	long ret;

	ret = vm_mmap(run->file, start, PUD_SIZE, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_NORESERVE | MAP_FIXED, 0);
	if (ret != start)
		return ret < 0 ? ret : -EFAULT;
	for (i = 0; i < STLB_SHARED_PAGES; i++)
		if (put_user(i, (u32 __user *)stlb_shared_page(run, i)))
			return -EFAULT;
	return 0;
}

static void stlb_share(struct stlb_helper *helper)
{
	struct stlb_sharer *sharer = container_of(helper, struct stlb_sharer, helper);

	sharer->ret = stlb_touch_shared(sharer->run);
}

/**
 * stlb_map_shared_table() - map a hugetlb file in two processes, by the same table of PMDs
 * @run: the run; &stlb_run.other becomes the second process
 *
 * The file has room for as many blocks as a table has, and pages at the start, in the
 * middle and at the end, see stlb_shared_page(). Both processes have written all of them,
 * the second one first: the table is its own. Skips the case if this kernel does not
 * share the table.
 *
 * Context: may sleep; the test's thread, which has @run->mm. A case that cannot go
 * on ends.
 */
void stlb_map_shared_table(struct stlb_run *run)
{
	struct hstate *h = size_to_hstate(PMD_SIZE);
	struct stlb_sharer sharer = { .run = run, .ret = -ETIMEDOUT };
	struct stlb_helper *helper = &sharer.helper;
	bool done;

	if (!IS_ENABLED(CONFIG_ARM64_4K_PAGES) ||
	    !IS_ENABLED(CONFIG_ARCH_WANT_HUGE_PMD_SHARE))
		kunit_skip(run->test, "tables of PMDs are not shared, or are very large");
	if (!h || !stlb_hugetlb_page_free(h) || h->free_huge_pages < STLB_SHARED_PAGES)
		kunit_skip(run->test, "boot with hugepagesz=%luK hugepages=4",
			   PMD_SIZE / SZ_1K);

	run->window_size = 2 * PUD_SIZE;
	run->window = vm_mmap(NULL, 0, run->window_size, PROT_NONE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, 0);
	KUNIT_ASSERT_FALSE(run->test, IS_ERR_VALUE(run->window));
	run->start = ALIGN(run->window, PUD_SIZE);
	run->size = PUD_SIZE;
	run->file = hugetlb_file_setup("stlb", PUD_SIZE, STLB_NORESERVE,
				       HUGETLB_ANONHUGE_INODE, PMD_SHIFT);
	KUNIT_ASSERT_FALSE(run->test, IS_ERR(run->file));
	run->other = stlb_mm_alloc();
	KUNIT_ASSERT_NOT_NULL(run->test, run->other);

	helper->mm = run->other;
	helper->fn = stlb_share;
	KUNIT_ASSERT_EQ(run->test, 0, stlb_helper_start(helper));
	done = stlb_helper_call(helper);
	stlb_helper_stop(helper);
	KUNIT_ASSERT_TRUE(run->test, done);
	KUNIT_ASSERT_EQ(run->test, 0L, sharer.ret);
	KUNIT_ASSERT_EQ(run->test, 0L, stlb_touch_shared(run));
	if (!stlb_table_is_shared(run))
		kunit_skip(run->test, "this kernel does not share tables of hugetlb entries");
}

/**
 * stlb_shared_page() - a page of what stlb_map_shared_table() has mapped
 * @run: the run
 * @i: which, less than STLB_SHARED_PAGES
 *
 * Context: any.
 * Return: its address: the first, that in the middle, or the last.
 */
unsigned long stlb_shared_page(const struct stlb_run *run, unsigned int i)
{
	unsigned long offset = i * (PUD_SIZE / (STLB_SHARED_PAGES - 1));

	return run->start + min(offset, PUD_SIZE - PMD_SIZE);
}

/**
 * stlb_table_is_shared() - whether the two processes of stlb_map_shared_table() share
 *	the table of PMDs
 * @run: the run
 *
 * Context: no other thread maps or unmaps anything.
 * Return: true if the entries of both are the same.
 */
bool stlb_table_is_shared(const struct stlb_run *run)
{
	struct stlb_leaf first, second;

	stlb_walk(run->mm, run->start, &first);
	stlb_walk(run->other, run->start, &second);
	return first.valid && first.ptep == second.ptep;
}

/**
 * stlb_other_has_all() - whether the second process of stlb_map_shared_table() has lost
 *	nothing
 * @run: the run
 *
 * Context: no other thread maps or unmaps anything.
 * Return: true if it has all of its pages, and may write them.
 */
bool stlb_other_has_all(const struct stlb_run *run)
{
	struct stlb_leaf leaf;
	unsigned int i;

	for (i = 0; i < STLB_SHARED_PAGES; i++) {
		stlb_walk(run->other, stlb_shared_page(run, i), &leaf);
		if (!leaf.valid || !leaf.writable || leaf.size != PMD_SIZE)
			return false;
	}
	return true;
}

/* Every page that can trigger an upgrade, and the neighbours of a single one. */
static void stlb_write_all(struct stlb_run *run)
{
	unsigned long va;
	unsigned int i;

	for (i = 0; i < stlb_triggers(run); i++) {
		va = stlb_trigger(run, i);
		stlb_cpu_write(run, va, (u32)(va >> PAGE_SHIFT));
	}
	if (run->size == PAGE_SIZE) {
		stlb_cpu_write(run, run->start - PAGE_SIZE, 1);
		stlb_cpu_write(run, run->start + PAGE_SIZE, 2);
	}
}

static void stlb_read_all(struct stlb_run *run)
{
	unsigned int i;

	for (i = 0; i < stlb_triggers(run); i++)
		stlb_cpu_read(run, stlb_trigger(run, i));
	if (run->size == PAGE_SIZE) {
		stlb_cpu_read(run, run->start - PAGE_SIZE);
		stlb_cpu_read(run, run->start + PAGE_SIZE);
	}
}

/**
 * stlb_spare_huge() - keep khugepaged from memory that is mapped
 * @run: the run, whose huge pages are there
 *
 * khugepaged would make a block again of what a case has split. It invalidates
 * TLBs under a spinlock: on the CPU that is a case's SMMU it would wait for itself.
 *
 * Context: may sleep; the test's thread, which has @run->mm. A case that cannot go
 * on ends.
 */
void stlb_spare_huge(struct stlb_run *run)
{
	stlb_madvise(run, run->start, run->size, MADV_NOHUGEPAGE);
}

/**
 * stlb_map_written() - private anonymous memory that the CPU has written
 * @run: the run
 * @level: STLB_PTE, or STLB_PMD or PUD for a block's worth of memory
 * @thp: ask for huge pages
 *
 * Context: may sleep; the test's thread, which has @run->mm. A case that cannot go
 * on ends.
 */
void stlb_map_written(struct stlb_run *run, enum stlb_level level, bool thp)
{
	struct stlb_leaf leaf;

	stlb_map_private(run, level, thp);
	stlb_write_all(run);
	if (thp)
		stlb_spare_huge(run);
	stlb_walk(run->mm, run->start, &leaf);
	KUNIT_ASSERT_EQ_MSG(run->test, leaf.size, run->size, "no huge page");
}

/**
 * stlb_map_shm() - map shared anonymous memory
 * @run: the run
 * @level: as much as a translation of this level maps
 *
 * Context: may sleep; the test's thread, which has @run->mm. A case that cannot go
 * on ends.
 */
void stlb_map_shm(struct stlb_run *run, enum stlb_level level)
{
	stlb_reserve(run, stlb_level_size(level));
}

/* A read fault on shared memory makes a writable-clean entry. */
static void shm_map(struct stlb_run *run, enum stlb_level level)
{
	stlb_reserve(run, PAGE_SIZE);
	stlb_read_all(run);
}

static void shm_mprotect_map(struct stlb_run *run, enum stlb_level level)
{
	stlb_reserve(run, PAGE_SIZE);
	stlb_mprotect(run, run->start - PAGE_SIZE, 3 * PAGE_SIZE, PROT_READ);
	stlb_read_all(run);
	stlb_mprotect(run, run->start - PAGE_SIZE, 3 * PAGE_SIZE,
		      PROT_READ | PROT_WRITE);
}

/* The other user of a copy-on-write page goes away: the page is reused. */
static void fork_map(struct stlb_run *run, enum stlb_level level)
{
	stlb_map_written(run, level, false);
	stlb_fork(run, NULL);
}

static void thp_fork_map(struct stlb_run *run, enum stlb_level level)
{
	stlb_map_written(run, level, true);
	stlb_fork(run, NULL);
}

/* MADV_FREE leaves private pages clean and old, a read makes them young. */
static void free_map(struct stlb_run *run, enum stlb_level level)
{
	stlb_map_written(run, level, false);
	lru_add_drain_all();
	stlb_madvise(run, run->start - PAGE_SIZE, 3 * PAGE_SIZE, MADV_FREE);
	stlb_read_all(run);
}

static void thp_free_map(struct stlb_run *run, enum stlb_level level)
{
	stlb_map_written(run, level, true);
	lru_add_drain_all();
	stlb_madvise(run, run->start, run->size, MADV_FREE);
	stlb_read_all(run);
}

/* Change every entry of @level in [@va, @va + @size) under the PTL, in place. */
static void stlb_change_entries(struct stlb_run *run, unsigned long va,
				unsigned long size, pte_t (*change)(pte_t pte))
{
	unsigned long end = va + size, step;
	spinlock_t *ptl = stlb_ptl(run->mm, va);
	struct stlb_leaf leaf;

	KUNIT_ASSERT_NOT_NULL(run->test, ptl);
	mmap_read_lock(run->mm);
	spin_lock(ptl);
	for (; va < end; va += step) {
		stlb_walk(run->mm, va, &leaf);
		step = leaf.size == CONT_PTE_SIZE ? PAGE_SIZE :
		       leaf.size == CONT_PMD_SIZE ? PMD_SIZE : leaf.size;
		WRITE_ONCE(*leaf.ptep, change(READ_ONCE(*leaf.ptep)));
	}
	spin_unlock(ptl);
	mmap_read_unlock(run->mm);
}

static pte_t stlb_hw_mkdirty(pte_t pte)
{
	return __pte(pte_val(pte) & ~PTE_RDONLY);
}

/**
 * stlb_make_dirty() - what a CPU that manages the dirty state does for a store
 * @run: the run
 * @va: address in the page, which is mapped writable-clean
 *
 * The CPU changes the entry that it has walked, and no other entry of a contiguous
 * range. The test does it with any CPU: it writes what FEAT_HAFDBS would write.
 *
 * Context: may sleep; takes the mmap_lock and the PTL. A case that cannot go on ends.
 */
void stlb_make_dirty(struct stlb_run *run, unsigned long va)
{
	struct stlb_leaf leaf;

	stlb_walk(run->mm, va, &leaf);
	KUNIT_ASSERT_TRUE_MSG(run->test, leaf.dbm && !leaf.writable,
			      "not writable-clean");
	stlb_change_entries(run, va, PAGE_SIZE, stlb_hw_mkdirty);
}

/**
 * stlb_make_old() - clear the access flag of a translation and invalidate no TLB
 * @run: the run; the translation is that at &stlb_run.start
 *
 * As ageing does: test_and_clear_young() leaves the entries in the TLBs.
 *
 * Context: may sleep; takes the mmap_lock and the PTL. A case that cannot go on ends.
 */
void stlb_make_old(struct stlb_run *run)
{
	stlb_change_entries(run, run->start, run->size, pte_mkold);
}

/* A clean block is split by the loss of its last page; the other pages stay. */
static void stlb_map_split(struct stlb_run *run, enum stlb_level level)
{
	thp_free_map(run, STLB_PMD);
	stlb_madvise(run, run->start + run->size - PAGE_SIZE, PAGE_SIZE,
		     MADV_DONTNEED);
	run->start += run->size / 2;
	run->size = stlb_level_size(level);
}

static void split_map(struct stlb_run *run, enum stlb_level level)
{
	stlb_map_split(run, level);
	/* Nor may the kernel have made a contiguous set of what is around it. */
	stlb_madvise(run, run->start + 2 * PAGE_SIZE, PAGE_SIZE, MADV_DONTNEED);
	stlb_read_all(run);
}

#ifdef CONFIG_ARM64_CONTPTE
/* Where all pages of a set are there, Linux makes it contiguous by itself. */
static void fold_map(struct stlb_run *run, enum stlb_level level)
{
	stlb_map_split(run, level);
	stlb_read_all(run);
}

/* The page beside the first is dirty; others of the set will be asked for. */
static void fold_sibling_map(struct stlb_run *run, enum stlb_level level)
{
	fold_map(run, level);
	stlb_make_dirty(run, run->start + PAGE_SIZE);
}
#endif

/* mprotect() takes the write permission of a block, and does not give it back. */
static void thp_mprotect_map(struct stlb_run *run, enum stlb_level level)
{
	stlb_map_written(run, level, true);
	stlb_mprotect(run, run->start, run->size, PROT_READ);
	stlb_mprotect(run, run->start, run->size, PROT_READ | PROT_WRITE);
}

/*
 * A file whose file system wants to hear of the first store to a page, which
 * is filemap_page_mkwrite() in ramfs. The mount lives as long as the kernel.
 */
static struct vfsmount *stlb_ramfs(void)
{
	static struct vfsmount *mnt;
	struct file_system_type *type;

	if (IS_ERR_OR_NULL(mnt)) {
		type = get_fs_type("ramfs");
		mnt = type ? kern_mount(type) : ERR_PTR(-ENODEV);
	}
	return mnt;
}

static void stlb_map_file(struct stlb_run *run)
{
	unsigned long ret;

	stlb_reserve(run, PAGE_SIZE);
	ret = vm_mmap(run->file, run->start - PAGE_SIZE, 3 * PAGE_SIZE,
		      PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, 0);
	KUNIT_ASSERT_EQ(run->test, run->start - PAGE_SIZE, ret);
	stlb_read_all(run);
}

static void stlb_open_file(struct stlb_run *run)
{
	struct vfsmount *mnt = stlb_ramfs();
	loff_t pos;

	KUNIT_ASSERT_FALSE(run->test, IS_ERR(mnt));
	run->file = file_open_root_mnt(mnt, "stlb", O_CREAT | O_RDWR, 0600);
	KUNIT_ASSERT_FALSE(run->test, IS_ERR(run->file));
	for (pos = 0; pos < 3 * PAGE_SIZE; pos += PAGE_SIZE / 2)
		KUNIT_ASSERT_EQ(run->test, (ssize_t)sizeof(pos),
				kernel_write(run->file, &pos, sizeof(pos),
					     &(loff_t){ pos }));
}

static void file_map(struct stlb_run *run, enum stlb_level level)
{
	stlb_open_file(run);
	stlb_map_file(run);
}

/**
 * stlb_map_file_page() - map the second page of a file for reading and writing
 * @run: the run
 *
 * Context: may sleep; the test's thread, which has @run->mm. A case that cannot go
 * on ends.
 */
void stlb_map_file_page(struct stlb_run *run)
{
	stlb_open_file(run);
	stlb_reserve(run, PAGE_SIZE);
	KUNIT_ASSERT_EQ(run->test, run->start,
			vm_mmap(run->file, run->start, PAGE_SIZE,
				PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
				PAGE_SIZE));
	/* A page on its way to an LRU list has a reference. */
	lru_add_drain_all();
}

/**
 * stlb_mremap_merged() - move what stlb_map_file_page() has mapped behind a mapping
 *	of the first page
 * @run: the run
 *
 * Both are one mapping then, and it begins in the file before the one that the page
 * has left. Reverse mapping meets mappings in this order, and does not go on when
 * the page has no mapping left.
 *
 * Context: may sleep.
 * Return: the new address; the case has failed if there is none.
 */
unsigned long stlb_mremap_merged(struct stlb_run *run)
{
	struct vm_area_struct *vma;
	unsigned long room, to;
	bool merged;

	room = vm_mmap(NULL, 0, 2 * PAGE_SIZE, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS, 0);
	KUNIT_ASSERT_FALSE(run->test, IS_ERR_VALUE(room));
	to = room + PAGE_SIZE;
	KUNIT_ASSERT_EQ(run->test, room,
			vm_mmap(run->file, room, PAGE_SIZE,
				PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, 0));
	KUNIT_ASSERT_EQ(run->test, stlb_mremap_to(run->start, run->size, to),
			(long)to);

	mmap_read_lock(run->mm);
	vma = vma_lookup(run->mm, to);
	merged = vma && vma->vm_start == room;
	mmap_read_unlock(run->mm);
	KUNIT_ASSERT_TRUE_MSG(run->test, merged, "the mappings have not been merged");
	return to;
}

/**
 * stlb_reclaim() - take the page of stlb_map_file_page() from all who map it, and
 *	from its file
 * @run: the run
 *
 * As reclaim does, which frees it then. This keeps a reference, so that what happens
 * to it can be seen. The file has no such page any more.
 *
 * Context: may sleep; takes the locks of the page and of the file's mappings.
 * Return: the folio, which the caller has to put, or NULL if somebody maps it still.
 */
struct folio *stlb_reclaim(struct stlb_run *run)
{
	struct folio *folio = filemap_lock_folio(run->file->f_mapping, 1);

	if (IS_ERR_OR_NULL(folio))
		return NULL;
	try_to_unmap(folio, 0);
	if (folio_mapped(folio)) {
		folio_unlock(folio);
		folio_put(folio);
		return NULL;
	}
	folio_cancel_dirty(folio);
	filemap_remove_folio(folio);
	folio_unlock(folio);
	return folio;
}

/*
 * Pages that rmap does not know, mapped by their PFN: as DAX does, either the
 * driver's pfn_mkwrite() has the core make the entry writable, or it does so
 * itself with vmf_insert_mixed_mkwrite().
 */
#define STLB_PFN_ORDER	2

static_assert(STLB_CLEAN_PAGES == 1 << STLB_PFN_ORDER);

static struct page *stlb_vmf_page(struct vm_fault *vmf)
{
	struct stlb_run *run = vmf->vma->vm_file->private_data;

	return run->pages + vmf->pgoff;
}

static vm_fault_t stlb_pfn_fault(struct vm_fault *vmf)
{
	return vmf_insert_mixed(vmf->vma, vmf->address,
				stlb_mixed_pfn(stlb_vmf_page(vmf)));
}

static vm_fault_t stlb_pfn_mkwrite(struct vm_fault *vmf)
{
	return 0;
}

static vm_fault_t stlb_mixed_mkwrite(struct vm_fault *vmf)
{
	return vmf_insert_mixed_mkwrite(vmf->vma, vmf->address,
					stlb_mixed_pfn(stlb_vmf_page(vmf)));
}

static const struct vm_operations_struct stlb_pfn_vm_ops = {
	.fault		= stlb_pfn_fault,
	.pfn_mkwrite	= stlb_pfn_mkwrite,
};

static const struct vm_operations_struct stlb_mixed_vm_ops = {
	.fault		= stlb_pfn_fault,
	.pfn_mkwrite	= stlb_mixed_mkwrite,
};

/* A driver that does not want to hear of stores: writable-clean from the start. */
static const struct vm_operations_struct stlb_clean_vm_ops = {
	.fault		= stlb_pfn_fault,
};

static int stlb_pfn_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct stlb_run *run = file->private_data;

	vm_flags_set(vma, VM_MIXEDMAP);
	vma->vm_ops = run->vm_ops;
	return 0;
}

static const struct file_operations stlb_pfn_fops = {
	.mmap	= stlb_pfn_mmap,
};

static void stlb_open_pfns(struct stlb_run *run,
			   const struct vm_operations_struct *vm_ops)
{
	run->vm_ops = vm_ops;
	run->pages = alloc_pages(GFP_KERNEL | __GFP_ZERO | __GFP_COMP,
				 STLB_PFN_ORDER);
	KUNIT_ASSERT_NOT_NULL(run->test, run->pages);
	run->file = anon_inode_getfile("stlb", &stlb_pfn_fops, run, O_RDWR);
	KUNIT_ASSERT_FALSE(run->test, IS_ERR(run->file));
}

/**
 * stlb_open_clean() - pages that rmap does not know, and that are mapped
 *	writable-clean: a store to them is no fault of the driver's
 * @run: the run; &stlb_run.file is to be mapped, MAP_SHARED and STLB_CLEAN_PAGES
 *	at most, and is given back by stlb_unmap()
 *
 * Context: may sleep; the test's thread, which has @run->mm. A case that cannot go
 * on ends.
 */
void stlb_open_clean(struct stlb_run *run)
{
	stlb_open_pfns(run, &stlb_clean_vm_ops);
}

static void stlb_map_pfns(struct stlb_run *run,
			  const struct vm_operations_struct *vm_ops)
{
	stlb_open_pfns(run, vm_ops);
	stlb_map_file(run);
}

static void pfn_map(struct stlb_run *run, enum stlb_level level)
{
	stlb_map_pfns(run, &stlb_pfn_vm_ops);
}

static void clean_map(struct stlb_run *run, enum stlb_level level)
{
	stlb_map_pfns(run, &stlb_clean_vm_ops);
}

static void mixed_map(struct stlb_run *run, enum stlb_level level)
{
	stlb_map_pfns(run, &stlb_mixed_vm_ops);
}

/* The mapping has moved, and its driver does not want that. */
static int stlb_refuse_mremap(struct vm_area_struct *vma)
{
	struct stlb_run *run = vma->vm_file->private_data;

	run->moved(run, vma->vm_start);
	return -ENOMEM;
}

static const struct vm_operations_struct stlb_immovable_vm_ops = {
	.fault		= stlb_pfn_fault,
	.pfn_mkwrite	= stlb_pfn_mkwrite,
	.mremap		= stlb_refuse_mremap,
};

/**
 * stlb_map_immovable() - a page that mremap() moves, and has to move back
 * @run: the run
 * @moved: see &stlb_run.moved
 *
 * Context: may sleep; the test's thread, which has @run->mm. A case that cannot go
 * on ends.
 */
void stlb_map_immovable(struct stlb_run *run,
			void (*moved)(struct stlb_run *run, unsigned long to))
{
	run->moved = moved;
	stlb_map_pfns(run, &stlb_immovable_vm_ops);
}

/**
 * stlb_map_private_shm() - a private mapping of a page of shared memory, read
 * @run: the run
 * @val: what stands at its beginning
 *
 * Context: may sleep; the test's thread, which has @run->mm. A case that cannot go
 * on ends.
 */
void stlb_map_private_shm(struct stlb_run *run, u32 val)
{
	loff_t pos = 0;

	run->file = shmem_file_setup("stlb", PAGE_SIZE, STLB_NORESERVE);
	KUNIT_ASSERT_FALSE(run->test, IS_ERR(run->file));
	KUNIT_ASSERT_EQ(run->test, (ssize_t)sizeof(val),
			kernel_write(run->file, &val, sizeof(val), &pos));
	stlb_reserve(run, PAGE_SIZE);
	KUNIT_ASSERT_EQ(run->test, run->start,
			vm_mmap(run->file, run->start, PAGE_SIZE,
				PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, 0));
	KUNIT_ASSERT_EQ(run->test, stlb_cpu_read(run, run->start), val);
}

/* A read fault on private hugetlb memory allocates the page, read-only. */
static void hugetlb_private_map(struct stlb_run *run, enum stlb_level level)
{
	stlb_map_hugetlb(run, level, MAP_PRIVATE);
	stlb_cpu_read(run, run->start);
}

static void hugetlb_fork_map(struct stlb_run *run, enum stlb_level level)
{
	stlb_map_hugetlb(run, level, MAP_PRIVATE);
	stlb_write_all(run);
	stlb_fork(run, NULL);
}

static void hugetlb_shared_map(struct stlb_run *run, enum stlb_level level)
{
	stlb_map_hugetlb(run, level, MAP_SHARED);
	stlb_cpu_read(run, run->start);
	stlb_mprotect(run, run->start, run->size, PROT_READ | PROT_WRITE);
}

static void hugetlb_mprotect_map(struct stlb_run *run, enum stlb_level level)
{
	stlb_map_hugetlb(run, level, MAP_PRIVATE);
	stlb_write_all(run);
	stlb_mprotect(run, run->start, run->size, PROT_READ);
	stlb_mprotect(run, run->start, run->size, PROT_READ | PROT_WRITE);
}

/*
 * Back to read-only with the same page, for those that take long to clear: as
 * hugetlb_mprotect_map() does it, and as hugetlb_shared_map() does it.
 */
static void hugetlb_private_again(struct stlb_run *run)
{
	stlb_mprotect(run, run->start, run->size, PROT_READ);
	stlb_mprotect(run, run->start, run->size, PROT_READ | PROT_WRITE);
}

static void hugetlb_shared_again(struct stlb_run *run)
{
	stlb_mprotect(run, run->start, run->size, PROT_READ);
	stlb_madvise(run, run->start, run->size, MADV_DONTNEED);
	stlb_cpu_read(run, run->start);
	stlb_mprotect(run, run->start, run->size, PROT_READ | PROT_WRITE);
}

/*
 * The ways to upgrade. The CPU's stores write what is there already: a device
 * may have to find the old contents through its old translation.
 */
static void store(struct stlb_run *run, unsigned long va)
{
	stlb_cpu_write(run, va, stlb_cpu_read(run, va));
}

static void request(struct stlb_run *run, unsigned long va)
{
	KUNIT_ASSERT_EQ(run->test, 0, stlb_page_request(run->mm, va, true));
}

static void gup(struct stlb_run *run, unsigned long va)
{
	struct page *page;

	KUNIT_ASSERT_EQ(run->test, 1L,
			get_user_pages_unlocked(va, 1, &page, FOLL_WRITE));
	put_page(page);
}

/*
 * GUP finds no page, but marks a writable-clean entry dirty. The address need not be that
 * of the page: access_process_vm() passes any.
 */
static void gup_pfn(struct stlb_run *run, unsigned long va)
{
	struct page *page;

	va += sizeof(u32);
	KUNIT_ASSERT_EQ(run->test, (long)-EEXIST,
			get_user_pages_unlocked(va, 1, &page, FOLL_WRITE));
}

static void populate(struct stlb_run *run, unsigned long va)
{
	stlb_madvise(run, ALIGN_DOWN(va, PAGE_SIZE), PAGE_SIZE,
		     MADV_POPULATE_WRITE);
}

#ifdef CONFIG_ARM64_CONTPTE
/*
 * A sibling is dirty already. Ageing clears the access flag of all entries, and a
 * device asks to read. The fault finds the range dirty as a whole and writes that to
 * every entry: those that were read-only for hardware become writable.
 */
static void read_aged(struct stlb_run *run, unsigned long va)
{
	stlb_make_old(run);
	KUNIT_ASSERT_EQ(run->test, 0, stlb_page_request(run->mm, va, false));
}

/*
 * The same when hardware has dirtied all entries. The fault takes over the dirty
 * state: it is the last one that finds something to change, so it has to invalidate.
 */
static void read_aged_dirty(struct stlb_run *run, unsigned long va)
{
	stlb_change_entries(run, run->start, run->size, stlb_hw_mkdirty);
	read_aged(run, va);
}
#endif

#define SCENARIO(_name, ...)						\
	[STLB_##_name] = { #_name, __VA_ARGS__ }

const struct stlb_scenario stlb_scenarios[STLB_NR_SCENARIOS] = {
	SCENARIO(shm_store_pte, STLB_PTE, shm_map, store),
	SCENARIO(shm_request_pte, STLB_PTE, shm_map, request),
	SCENARIO(shm_mprotect_pte, STLB_PTE, shm_mprotect_map, store),
	SCENARIO(fork_store_pte, STLB_PTE, fork_map, store),
	SCENARIO(fork_request_pte, STLB_PTE, fork_map, request),
	SCENARIO(fork_gup_pte, STLB_PTE, fork_map, gup),
	SCENARIO(fork_populate_pte, STLB_PTE, fork_map, populate),
	SCENARIO(free_store_pte, STLB_PTE, free_map, store),
	SCENARIO(free_request_pte, STLB_PTE, free_map, request),
	SCENARIO(split_store_pte, STLB_PTE, split_map, store),
	SCENARIO(file_store_pte, STLB_PTE, file_map, store),
	SCENARIO(file_request_pte, STLB_PTE, file_map, request),
	SCENARIO(pfn_store_pte, STLB_PTE, pfn_map, store),
	SCENARIO(mixed_store_pte, STLB_PTE, mixed_map, store),
	SCENARIO(mixed_touch_pte, STLB_PTE, clean_map, gup_pfn),
	SCENARIO(thp_fork_store_pmd, STLB_PMD, thp_fork_map, store),
	SCENARIO(thp_fork_request_pmd, STLB_PMD, thp_fork_map, request),
	SCENARIO(thp_fork_gup_pmd, STLB_PMD, thp_fork_map, gup),
	SCENARIO(thp_free_store_pmd, STLB_PMD, thp_free_map, store),
	SCENARIO(thp_free_request_pmd, STLB_PMD, thp_free_map, request),
	/* GUP marks a writable-clean block dirty when it walks it: no fault. */
	SCENARIO(thp_free_touch_pmd, STLB_PMD, thp_free_map, gup),
	SCENARIO(thp_mprotect_pmd, STLB_PMD, thp_mprotect_map, store),

#ifdef CONFIG_ARM64_CONTPTE
	SCENARIO(fold_store_cont_pte, STLB_CONT_PTE, fold_map, store),
	SCENARIO(fold_request_cont_pte, STLB_CONT_PTE, fold_map, request),
	SCENARIO(fold_sibling_cont_pte, STLB_CONT_PTE, fold_sibling_map, request),
	SCENARIO(fold_read_sibling_cont_pte, STLB_CONT_PTE, fold_sibling_map,
		 read_aged),
	SCENARIO(fold_read_dirty_cont_pte, STLB_CONT_PTE, fold_map,
		 read_aged_dirty),
#endif

	SCENARIO(hugetlb_private_cont_pte, STLB_CONT_PTE,
		 hugetlb_private_map, store),
	SCENARIO(hugetlb_fork_cont_pte, STLB_CONT_PTE, hugetlb_fork_map, store),
	SCENARIO(hugetlb_shared_cont_pte, STLB_CONT_PTE,
		 hugetlb_shared_map, store),
	SCENARIO(hugetlb_mprotect_cont_pte, STLB_CONT_PTE,
		 hugetlb_mprotect_map, store),
	SCENARIO(hugetlb_request_cont_pte, STLB_CONT_PTE,
		 hugetlb_private_map, request),
	SCENARIO(hugetlb_gup_cont_pte, STLB_CONT_PTE, hugetlb_private_map, gup),
	SCENARIO(hugetlb_shared_request_cont_pte, STLB_CONT_PTE,
		 hugetlb_shared_map, request),

	SCENARIO(hugetlb_private_pmd, STLB_PMD, hugetlb_private_map, store),
	SCENARIO(hugetlb_fork_pmd, STLB_PMD, hugetlb_fork_map, store),
	SCENARIO(hugetlb_shared_pmd, STLB_PMD, hugetlb_shared_map, store),
	SCENARIO(hugetlb_mprotect_pmd, STLB_PMD, hugetlb_mprotect_map, store),
	SCENARIO(hugetlb_request_pmd, STLB_PMD, hugetlb_private_map, request),
	SCENARIO(hugetlb_gup_pmd, STLB_PMD, hugetlb_private_map, gup),
	SCENARIO(hugetlb_shared_request_pmd, STLB_PMD,
		 hugetlb_shared_map, request),

	SCENARIO(hugetlb_private_cont_pmd, STLB_CONT_PMD,
		 hugetlb_private_map, store),
	SCENARIO(hugetlb_fork_cont_pmd, STLB_CONT_PMD, hugetlb_fork_map, store),
	SCENARIO(hugetlb_shared_cont_pmd, STLB_CONT_PMD,
		 hugetlb_shared_map, store),
	SCENARIO(hugetlb_mprotect_cont_pmd, STLB_CONT_PMD,
		 hugetlb_mprotect_map, store),
	SCENARIO(hugetlb_request_cont_pmd, STLB_CONT_PMD,
		 hugetlb_private_map, request),
	SCENARIO(hugetlb_gup_cont_pmd, STLB_CONT_PMD, hugetlb_private_map, gup),
	SCENARIO(hugetlb_shared_request_cont_pmd, STLB_CONT_PMD,
		 hugetlb_shared_map, request),

	SCENARIO(hugetlb_private_pud, STLB_PUD,
		 hugetlb_private_map, store, hugetlb_private_again),
	SCENARIO(hugetlb_fork_pud, STLB_PUD,
		 hugetlb_fork_map, store, hugetlb_private_again),
	SCENARIO(hugetlb_shared_pud, STLB_PUD,
		 hugetlb_shared_map, store, hugetlb_shared_again),
	SCENARIO(hugetlb_mprotect_pud, STLB_PUD,
		 hugetlb_mprotect_map, store, hugetlb_private_again),
	SCENARIO(hugetlb_request_pud, STLB_PUD,
		 hugetlb_private_map, request, hugetlb_private_again),
	SCENARIO(hugetlb_gup_pud, STLB_PUD,
		 hugetlb_private_map, gup, hugetlb_private_again),
	SCENARIO(hugetlb_shared_request_pud, STLB_PUD,
		 hugetlb_shared_map, request, hugetlb_shared_again),
};

/**
 * stlb_run_init() - give the test's thread a user address space
 * @run: the run
 * @test: the KUnit case
 *
 * If the case ends early its thread takes the mm down with it, see
 * stlb_run_exit().
 *
 * Context: may sleep; a kernel thread without an address space.
 */
void stlb_run_init(struct stlb_run *run, struct kunit *test)
{
	*run = (struct stlb_run){ .test = test };
	run->mm = stlb_mm_alloc();
	KUNIT_ASSERT_NOT_NULL(test, run->mm);
	mmgrab(run->mm);
	run->task = get_task_struct(current);
	kthread_use_mm(run->mm);
}

/**
 * stlb_run_exit() - the opposite of stlb_run_init()
 * @run: the run
 *
 * Called by the test's thread, or by another after that has ended: early, or as
 * always since KUnit cleans up in a thread of its own. KUnit does not wait for its
 * end, but only then nothing is mapped any more.
 *
 * Context: may sleep.
 */
void stlb_run_exit(struct stlb_run *run)
{
	if (!run->task)
		return;
	if (!run->exited && current == run->task) {
		stlb_unmap(run);
		kthread_unuse_mm(run->mm);
		mmput(run->mm);
	} else {
		while (!run->exited && !READ_ONCE(run->task->exit_state))
			usleep_range(1000, 2000);
		/* The reference of a kthread_use_mm() that nothing has undone. */
		if (!run->exited)
			mmdrop(run->mm);
		run->window = 0;
		stlb_unmap(run);
	}
	put_task_struct(run->task);
	mmdrop(run->mm);
	run->task = NULL;
}

/**
 * stlb_run_exit_mm() - what happens to an address space when its process exits
 * @run: the run, whose thread has no user address space from here on
 *
 * All that is mapped goes with it. stlb_run_exit() is still to be called.
 *
 * Context: may sleep; the test's thread.
 */
void stlb_run_exit_mm(struct stlb_run *run)
{
	kthread_unuse_mm(run->mm);
	mmput(run->mm);
	run->exited = true;
}

unsigned int stlb_triggers(const struct stlb_run *run)
{
	return run->size > PAGE_SIZE ? 3 : 1;
}

unsigned long stlb_trigger(const struct stlb_run *run, unsigned int i)
{
	unsigned long va[] = {
		run->start,
		run->start + run->size / 2,
		run->start + run->size - PAGE_SIZE,
	};

	return va[i];
}

/**
 * stlb_hw_dirty() - whether the CPU manages the dirty state in hardware
 *
 * Context: any.
 * Return: true if it clears AP[2] of a DBM entry on its own (TCR_EL1.HD).
 */
bool stlb_hw_dirty(void)
{
	return read_sysreg(tcr_el1) & TCR_HD;
}

/**
 * stlb_map() - take the first half of a scenario and check that it worked
 * @run: the run
 * @scenario: what to map
 *
 * What an earlier call has mapped goes away, or is brought back to read-only if
 * the scenario knows how.
 *
 * Ends the case unless the translation is there, of the scenario's level, valid
 * and read-only for hardware at every page that can trigger the upgrade. What
 * this kernel or CPU cannot express is skipped, with the reason.
 *
 * Context: may sleep; the test's thread, which has @run->mm. A case that cannot go
 * on ends.
 */
void stlb_map(struct stlb_run *run, const struct stlb_scenario *scenario)
{
	struct kunit *test = run->test;
	struct stlb_leaf leaf;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, scenario->map);
	if (run->window && scenario->again) {
		scenario->again(run);
	} else {
		stlb_unmap(run);
		scenario->map(run, scenario->level);
	}

	for (i = 0; i < stlb_triggers(run); i++) {
		stlb_walk(run->mm, stlb_trigger(run, i), &leaf);
		KUNIT_ASSERT_TRUE_MSG(test, leaf.valid, "nothing mapped");
		KUNIT_ASSERT_EQ(test, leaf.start, run->start);
		KUNIT_ASSERT_EQ(test, leaf.size, stlb_level_size(scenario->level));
		if (leaf.writable)
			kunit_skip(test, "this kernel leaves the entry writable");
		if (leaf.dbm && scenario->upgrade == store && stlb_hw_dirty())
			kunit_skip(test, "this CPU makes the entry writable, not the kernel");
	}
}

/**
 * stlb_upgrade() - take the second half of a scenario and check that it worked
 * @run: the run
 * @scenario: what stlb_map() has mapped
 * @va: address in the page that triggers the upgrade
 *
 * Ends the case unless the same page frame is now writable for hardware.
 *
 * Context: may sleep; the test's thread, which has @run->mm. A case that cannot go
 * on ends.
 */
void stlb_upgrade(struct stlb_run *run, const struct stlb_scenario *scenario,
		  unsigned long va)
{
	struct kunit *test = run->test;
	struct stlb_leaf before, after;

	stlb_walk(run->mm, va, &before);
	KUNIT_ASSERT_TRUE_MSG(test, before.valid && !before.writable,
			      "somebody else has changed the entry");
	scenario->upgrade(run, va);
	stlb_walk(run->mm, va, &after);

	KUNIT_ASSERT_TRUE_MSG(test, after.valid && after.writable,
			      "the upgrade left the entry read-only");
	KUNIT_ASSERT_EQ_MSG(test, before.pfn, after.pfn,
			    "the upgrade replaced the page");
	KUNIT_ASSERT_EQ_MSG(test, before.size, after.size,
			    "the upgrade changed the level");
}

/**
 * stlb_unmap() - unmap what a scenario mapped and give back what it needed
 * @run: the run
 *
 * Context: may sleep; a thread that has @run->mm, or any if nothing is mapped.
 */
void stlb_unmap(struct stlb_run *run)
{
	if (run->window)
		vm_munmap(run->window, run->window_size);
	run->window = 0;
	if (run->other)
		mmput(run->other);
	run->other = NULL;
	if (!IS_ERR_OR_NULL(run->file))
		fput(run->file);
	run->file = NULL;
	/* Kernel threads close files later; a hugetlb page may hang on one. */
	flush_delayed_fput();
	if (run->pages)
		__free_pages(run->pages, STLB_PFN_ORDER);
	run->pages = NULL;
}

/**
 * stlb_verdict_word() - end a case that looks for one mistake of the kernel
 * @test: the KUnit case
 * @suite: its suite
 * @wrong: the mistake in a word if it was seen ("stale"), else NULL
 * @fmt: what was seen where
 *
 * To be called last: the case has found the mistake only if everything else that
 * it expected held, and says so on the console in a form that scripts can read.
 *
 * Context: may sleep; the test's thread.
 */
void stlb_verdict_word(struct kunit *test, const char *suite, const char *wrong,
		       const char *fmt, ...)
{
	const char *word = wrong ?: "coherent";
	struct va_format vaf;
	va_list args;

	if (READ_ONCE(test->status) != KUNIT_SUCCESS)
		word = "broken";

	va_start(args, fmt);
	vaf.fmt = fmt;
	vaf.va = &args;
	pr_info("stlb: %s.%s: %s: %pV\n", suite, test->name, word, &vaf);
	if (wrong)
		KUNIT_FAIL(test, "%s: %pV", wrong, &vaf);
	va_end(args);
}

/* What a device writes to an address: another word for every page and round. */
static u32 stlb_pattern(unsigned long va, unsigned int round)
{
	return (0x5eed0000 ^ (u32)(va >> PAGE_SHIFT)) + (round << 28);
}

/**
 * stlb_test_device() - run a scenario over a device
 * @run: the run
 * @scenario: the scenario
 * @dev: the device, which is attached to @run->mm
 *
 * For an upgrade at the first, the middle and the last page: the device reads
 * through the translation, the upgrade happens, and no part of what the device
 * holds may disagree with the page table; then the device writes without making
 * a page request, and the CPU finds what it wrote. No more than the translation
 * may have been lost, and the pages around it must have stayed cached; of a
 * device that takes neighbours along (&stlb_device.spill) a single page's may go.
 *
 * Context: may sleep; the test's thread, which has @run->mm. A case that cannot go
 * on ends.
 */
void stlb_test_device(struct stlb_run *run, const struct stlb_scenario *scenario,
		      struct stlb_device *dev)
{
	const struct stlb_device_ops *ops = dev->ops;
	struct kunit *test = run->test;
	unsigned long stale_va = 0, va, before, after, dropped, spill;
	unsigned int stale = 0, refused = 0, requests = 0;
	unsigned int i, j;
	bool lost = false;
	u32 val;

	for (i = 0; !i || i < stlb_triggers(run); i++) {
		stlb_map(run, scenario);
		before = run->start - PAGE_SIZE;
		after = run->start + run->size;

		for (j = 0; j < stlb_triggers(run); j++) {
			va = stlb_trigger(run, j);
			KUNIT_ASSERT_EQ(test, 0, ops->read(dev, va, &val));
			KUNIT_ASSERT_EQ(test, val, stlb_cpu_read(run, va));
			KUNIT_ASSERT_TRUE(test, !ops->holds || ops->holds(dev, va));
		}
		KUNIT_ASSERT_EQ(test, 0, ops->read(dev, before, &val));
		KUNIT_ASSERT_EQ(test, 0, ops->read(dev, after, &val));
		KUNIT_ASSERT_FALSE(test, ops->stale &&
				   ops->stale(dev, run->window,
					      run->window + run->window_size, &va));

		spill = run->size == PAGE_SIZE ? dev->spill : 0;
		if (ops->before)
			ops->before(dev, run, scenario);
		if (ops->dropped)
			ops->dropped(dev);
		stlb_upgrade(run, scenario, stlb_trigger(run, i));
		if (ops->after)
			ops->after(dev, run, scenario);
		dropped = ops->dropped ? ops->dropped(dev) : 0;
		lost |= dropped > run->size + spill;

		if (ops->stale && ops->stale(dev, run->start, after, &va)) {
			stale_va = va;
			stale++;
		}
		requests -= ops->requests(dev);
		for (j = 0; j < stlb_triggers(run); j++) {
			va = stlb_trigger(run, j);
			if (ops->write(dev, va, stlb_pattern(va, i))) {
				refused++;
				continue;
			}
			KUNIT_EXPECT_EQ(test, stlb_cpu_read(run, va),
					stlb_pattern(va, i));
		}
		requests += ops->requests(dev);

		if (!ops->holds)
			continue;
		lost |= !ops->holds(dev, before) ||
			(!spill && !ops->holds(dev, after));
	}
	stlb_unmap(run);
	KUNIT_EXPECT_FALSE_MSG(test, lost && (stale || refused || requests),
			       "lost more than the translation, and not all of it");

	if (stale)
		stlb_verdict(test, ops->name, true,
			     "%u of %u upgrades, 0x%lx read-only in the device; %u writes refused after %u page requests",
			     stale, i, stale_va, refused, requests);
	else
		stlb_verdict_word(test, ops->name, refused || requests ? "stale" :
				  lost ? "excess" : NULL,
				  "%u upgrades, %u writes refused, %u page requests, %s",
				  i, refused, requests,
				  lost ? "others lost" : "no others lost");
}
