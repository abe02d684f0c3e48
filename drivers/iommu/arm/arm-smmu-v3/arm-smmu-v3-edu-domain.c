// SPDX-License-Identifier: GPL-2.0-only
/*
 * How a process takes the place of a device's domain where context descriptors
 * belong to the device: an SVA domain is attached by the driver's own operations,
 * to PASID 0, for which the core would not do so.
 */
#include <linux/err.h>
#include <linux/iommu.h>
#include <linux/sched/mm.h>
#include <linux/secondary_tlb_compat.h>
#include <linux/slab.h>

#include "arm-smmu-v3.h"
#include "arm-smmu-v3-edu.h"

/**
 * struct edu_bond - a device that uses the addresses of a process
 * @dev: the device
 * @domain: its own domain, which it gets back
 * @sva: the domain that stands for the process
 */
struct edu_bond {
	struct device *dev;
	struct iommu_domain *domain;
	struct iommu_domain *sva;
};

static int edu_attach(struct device *dev, void *data)
{
	struct edu_bond *bond = data;

	if (dev != bond->dev)
		return 0;
	return bond->sva->ops->set_dev_pasid(bond->sva, dev, IOMMU_NO_PASID, NULL);
}

/* The driver clears CD 0; attaching the domain that is there writes it again. */
static int edu_detach(struct device *dev, void *data)
{
	struct edu_bond *bond = data;

	if (dev != bond->dev)
		return 0;
	return stlb_detach_pasid(bond->sva, dev, IOMMU_NO_PASID) ?:
	       stlb_attach_again(bond->domain, dev);
}

/* These operations are called with the mutex of the group held. */
static int edu_locked(struct edu_bond *bond,
		      int (*fn)(struct device *dev, void *data))
{
	struct iommu_group *group = iommu_group_get(bond->dev);
	int ret;

	if (!group)
		return -ENODEV;
	ret = iommu_group_for_each_dev(group, bond, fn);
	iommu_group_put(group);
	return ret;
}

/**
 * edu_bond() - put a process in the place of a device's domain
 * @dev: the device
 * @mm: the address space, which stays allocated until edu_unbond()
 *
 * Context: may sleep.
 * Return: the bond or an error.
 */
struct edu_bond *edu_bond(struct device *dev, struct mm_struct *mm)
{
	struct edu_bond *bond = kzalloc(sizeof(*bond), GFP_KERNEL);
	int ret;

	if (!bond)
		return ERR_PTR(-ENOMEM);
	bond->dev = dev;
	bond->domain = iommu_get_domain_for_dev(dev);
	bond->sva = arm_smmu_sva_domain_alloc(dev, mm);
	if (IS_ERR(bond->sva)) {
		ret = PTR_ERR(bond->sva);
		goto free;
	}
	/* iommu_domain_free() drops it. */
	mmgrab(mm);
	bond->sva->mm = mm;
	ret = edu_locked(bond, edu_attach);
	if (!ret)
		return bond;
	iommu_domain_free(bond->sva);
free:
	kfree(bond);
	return ERR_PTR(ret);
}

/**
 * edu_unbond() - give the device its domain back
 * @bond: the bond, which is gone then
 *
 * Context: may sleep.
 */
void edu_unbond(struct edu_bond *bond)
{
	WARN_ON(edu_locked(bond, edu_detach));
	iommu_domain_free(bond->sva);
	kfree(bond);
}
