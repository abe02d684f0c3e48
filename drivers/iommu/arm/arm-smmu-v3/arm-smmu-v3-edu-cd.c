// SPDX-License-Identifier: GPL-2.0-only
/*
 * How a process takes the place of a device's domain where context descriptors
 * belong to the domain: the SVA code's notifier is made by hand, and CD 0 with it.
 *
 * No other user of SVA beside: whoever has the ASID of a domain would move that to
 * another, and write CD 0.
 */
#include <linux/err.h>
#include <linux/ioasid.h>
#include <linux/iommu.h>
#include <linux/mm_types.h>
#include <linux/slab.h>

#include "arm-smmu-v3.h"
#include "arm-smmu-v3-edu.h"

/**
 * struct edu_bond - a device that uses the addresses of a process
 * @domain: the domain that the device is in
 * @mm: the address space
 * @mn: its notifier
 */
struct edu_bond {
	struct arm_smmu_domain *domain;
	struct mm_struct *mm;
	struct arm_smmu_mmu_notifier *mn;
};

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
	bond->domain = to_smmu_domain(iommu_get_domain_for_dev(dev));
	bond->mm = mm;
	ret = arm_smmu_write_ctx_desc(bond->domain, 0, NULL);
	if (ret)
		goto free;
	mm->pasid = 0;
	bond->mn = arm_smmu_kunit_bind(bond->domain, mm);
	if (!IS_ERR(bond->mn))
		return bond;
	ret = PTR_ERR(bond->mn);
	mm->pasid = INVALID_IOASID;
	arm_smmu_write_ctx_desc(bond->domain, 0, &bond->domain->s1_cfg.cd);
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
	/* Another device may have left the mm without one. */
	bond->mm->pasid = 0;
	arm_smmu_kunit_unbind(bond->mn);
	arm_smmu_write_ctx_desc(bond->domain, 0, &bond->domain->s1_cfg.cd);
	bond->mm->pasid = INVALID_IOASID;
	kfree(bond);
}
