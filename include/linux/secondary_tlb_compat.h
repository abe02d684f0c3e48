/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What has another name or other arguments on some of the kernels that the tests
 * of secondary TLBs run on, and nothing else. The tests are written for the
 * latest of them; here is what older ones lack. A version is asked for nowhere
 * but in this file.
 */
#ifndef _LINUX_SECONDARY_TLB_COMPAT_H
#define _LINUX_SECONDARY_TLB_COMPAT_H

#include <linux/hugetlb.h>
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/version.h>

#define STLB_BEFORE(_v, _p)	(KERNEL_VERSION(_v, _p, 0) > LINUX_VERSION_CODE)

/* 6.2: unmapping hugetlb pages tells of the start and the end once, not twice. */
#define STLB_HUGETLB_UNMAP_PAIRS	(STLB_BEFORE(6, 2) ? 2 : 1)

/* 6.3: the flags of a VMA are written by functions. */
#if STLB_BEFORE(6, 3)
static inline void vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags |= flags;
}
#endif

/*
 * 6.6: invalidate_range() has got a name that says who calls it. A subscriber
 * may have it or the pair of start() and end(), and not both any more.
 */
#if STLB_BEFORE(6, 6)
#define arch_invalidate_secondary_tlbs	invalidate_range
#endif

/*
 * 6.6: ranges come from those who invalidate CPU TLBs, and have been rounded to pages
 * for them. Before, whoever changed an entry passed what it had.
 */
#define STLB_ANY_RANGE		STLB_BEFORE(6, 6)

/* Call those who have it, as the kernel does. */
static inline void stlb_invalidate(struct mm_struct *mm, unsigned long start,
				   unsigned long end)
{
#if STLB_BEFORE(6, 6)
	__mmu_notifier_invalidate_range(mm, start, end);
#else
	__mmu_notifier_arch_invalidate_secondary_tlbs(mm, start, end);
#endif
}

/* 6.6: there are two ways to write, and pte_mkwrite() wants to know the VMA. */
#if STLB_BEFORE(6, 6)
static inline pte_t pte_mkwrite_novma(pte_t pte)
{
	return pte_mkwrite(pte);
}
#endif

/* 6.6: set_huge_pte_at() is told the size of the page. */
static inline void stlb_set_huge_pte_at(struct mm_struct *mm, unsigned long va,
					pte_t *ptep, pte_t pte,
					unsigned long size)
{
#if STLB_BEFORE(6, 6)
	set_huge_pte_at(mm, va, ptep, pte);
#else
	set_huge_pte_at(mm, va, ptep, pte, size);
#endif
}

/* 6.10: change_pte() is gone. It is an initializer, to be followed by nothing. */
#if STLB_BEFORE(6, 10)
#define STLB_INIT_CHANGE_PTE(_fn)	.change_pte = (_fn),
#else
#define STLB_INIT_CHANGE_PTE(...)
#endif

/* 6.11: huge_ptep_get() is told what the entry belongs to. */
static inline pte_t stlb_huge_ptep_get(struct mm_struct *mm, unsigned long va,
				       pte_t *ptep)
{
#if STLB_BEFORE(6, 11)
	return huge_ptep_get(ptep);
#else
	return huge_ptep_get(mm, va, ptep);
#endif
}

/* By 7.3: zapping all of a page table frees it (6.14 has it for some architectures). */
#define STLB_RECLAIMS_TABLES	(!STLB_BEFORE(7, 3) && IS_ENABLED(CONFIG_PT_RECLAIM))

/* 6.17: DAMON puts the PID of the process that it looks at. */
#define STLB_DAMON_PUTS_PID	(!STLB_BEFORE(6, 17))

/* By 7.3: and is told to how many bytes it rounds. */
#if STLB_BEFORE(7, 3)
#define stlb_damon_set_range(_target, _range)	damon_set_regions(_target, _range, 1)
#else
#define stlb_damon_set_range(_target, _range)	\
	damon_set_regions(_target, _range, 1, PAGE_SIZE)
#endif

/* 6.17: a page of a mixed mapping is named by its plain number. */
#if STLB_BEFORE(6, 17)
#include <linux/pfn_t.h>
#define stlb_mixed_pfn(_page)	page_to_pfn_t(_page)
#else
#define stlb_mixed_pfn(_page)	page_to_pfn(_page)
#endif

/* 6.19: an upgrade invalidates the TLB of its own CPU, and others fault once. */
#define STLB_LOCAL_UPGRADES	(!STLB_BEFORE(6, 19))

/* By 7.3: callbacks that are asked for the access flag answer with a bool. */
#if STLB_BEFORE(7, 3)
#define STLB_YOUNG	int
#else
#define STLB_YOUNG	bool
#endif

/* By 7.3: the flags of a VMA are no number any more. */
#if STLB_BEFORE(7, 3)
#define STLB_NORESERVE	VM_NORESERVE
#else
#define STLB_NORESERVE	mk_vma_flags(VMA_NORESERVE_BIT)
#endif

/* By 7.3: a page that a block is split for need not be named. */
#if STLB_BEFORE(7, 3)
#define stlb_split_huge_pmd(_vma, _va)	split_huge_pmd_address(_vma, _va, false, NULL)
#else
#define stlb_split_huge_pmd(_vma, _va)	split_huge_pmd_address(_vma, _va, false)
#endif

/*
 * By 7.3: a PASID is taken from a domain by attaching it to the blocked one, and
 * who attaches a domain says which one was there. (6.1 has no such operations.)
 */
#if STLB_BEFORE(7, 3) && !STLB_BEFORE(6, 12)
static inline int stlb_detach_pasid(struct iommu_domain *domain,
				    struct device *dev, ioasid_t pasid)
{
	dev->iommu->iommu_dev->ops->remove_dev_pasid(dev, pasid, domain);
	return 0;
}

static inline int stlb_attach_again(struct iommu_domain *domain,
				    struct device *dev)
{
	return domain->ops->attach_dev(domain, dev);
}
#elif !STLB_BEFORE(6, 12)
static inline int stlb_detach_pasid(struct iommu_domain *domain,
				    struct device *dev, ioasid_t pasid)
{
	struct iommu_domain *blocked =
		dev->iommu->iommu_dev->ops->blocked_domain;

	return blocked->ops->set_dev_pasid(blocked, dev, pasid, domain);
}

static inline int stlb_attach_again(struct iommu_domain *domain,
				    struct device *dev)
{
	return domain->ops->attach_dev(domain, dev, domain);
}
#endif

/*
 * By 7.3: to bind a device is all that it takes. Before, drivers enabled it for SVA, and
 * for faults that it waits for.
 */
#define STLB_SVA_FEATURES	STLB_BEFORE(7, 3)

/*
 * 6.12: a process that is bound is a domain, which answers the faults of its devices.
 * (6.1 finds the process by its PASID.) By 7.3 the core detaches a PASID by attaching the
 * blocked domain. It is an initializer, to be followed by nothing.
 */
#define STLB_SVA_DOMAINS	(!STLB_BEFORE(6, 12))

#if STLB_BEFORE(7, 3)
#define STLB_INIT_REMOVE_DEV_PASID(_fn)	.remove_dev_pasid = (_fn),
#else
#define STLB_INIT_REMOVE_DEV_PASID(...)
#endif

/*
 * By 7.3: the kernel as it is tells the SMMU of all of a block, but not that it is
 * one. Before, it told of one page, or of everything.
 */
#define STLB_GUESSES_ENTRIES	(!STLB_BEFORE(7, 3))

/*
 * By 7.3: what the SMMUv3 driver invalidates for a domain is in an array, which is
 * made anew for each attach with the help of one that the device has, and ranges of
 * all domains go by one function. When no device is attached there is nothing to
 * invalidate. An empty range is everything for TLBs, and for ATCs only at 0.
 */
#define STLB_SMMU_INVS		(!STLB_BEFORE(7, 3))

/*
 * By 7.3: the SMMUv3 driver lets the SMMU update the access flag and the dirty state
 * in the page table of a process (HTTU), and repeats every TLBI for SMMUs that need
 * it twice.
 */
#define STLB_SMMU_HTTU		(!STLB_BEFORE(7, 3))
#define STLB_SMMU_REPEATS	(!STLB_BEFORE(7, 3))

/* 6.16: a device that stalls is added to its fault queue when a domain is attached. */
#define STLB_IOPF_FEATURES	STLB_BEFORE(6, 16)

/*
 * By 7.3: a case can expect a WARN(). Otherwise it is one more thing that has gone
 * wrong. The statement behind it is executed in either case.
 */
#if STLB_BEFORE(7, 3)
#define STLB_EXPECTS_WARN	0
#define stlb_expect_warn(_test)
#else
#define STLB_EXPECTS_WARN	1
#define stlb_expect_warn(_test)	kunit_warning_suppress(_test)
#endif

#endif /* _LINUX_SECONDARY_TLB_COMPAT_H */
