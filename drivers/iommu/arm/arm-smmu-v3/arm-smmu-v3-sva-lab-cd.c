// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices behind a modelled SMMU where context descriptors belong to the domain: the
 * structures that attaching a device and enabling SVA leave behind, for the SVA code
 * of the driver to work on as they are.
 */
#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include <asm/mmu.h>
#include <asm/mmu_context.h>

#include "arm-smmu-v3.h"
#include "arm-smmu-v3-sva-lab.h"
#include "../../iommu-sva-lib.h"

struct sva_driver {
	struct arm_smmu_domain domain;
	struct arm_smmu_l1_ctx_desc no_table;
	struct iommu_group *group;
	struct arm_smmu_master master[SVA_MASTERS];
	struct arm_smmu_stream stream[SVA_MASTERS][SVA_STREAMS];
	struct device *dev[SVA_MASTERS];
	struct dev_iommu iommu[SVA_MASTERS];
	struct {
		struct mm_struct *mm;
		struct iommu_sva *handle[SVA_MASTERS];
	} bond[SVA_BONDS];
};

const char * const sva_no_disable;

static int sva_attach_dev(struct iommu_domain *domain, struct device *dev)
{
	return 0;
}

static const struct iommu_domain_ops sva_domain_ops = {
	.attach_dev	= sva_attach_dev,
};

static const struct iommu_ops sva_ops = {
	.page_response		= arm_smmu_kunit_page_response,
	.default_domain_ops	= &sva_domain_ops,
};

const struct iommu_ops * const sva_iommu_ops = &sva_ops;

/*
 * The CPUs of all unbound workqueues. Those of one workqueue cannot be set, because only
 * the core knows which it is.
 */
static int sva_set_unbound_cpus(const struct cpumask *cpus)
{
	cpumask_var_t mask;
	int ret;

	if (!alloc_cpumask_var(&mask, GFP_KERNEL))
		return -ENOMEM;
	cpumask_copy(mask, cpus);
	ret = workqueue_set_unbound_cpumask(mask);
	free_cpumask_var(mask);
	return ret;
}

/**
 * sva_init_iopf() - make the queue of recoverable faults
 * @s: the SMMU
 *
 * What handles a fault waits for the SMMU, and must not do so on the CPU that is the
 * SMMU.
 *
 * Context: may sleep.
 * Return: 0 or an error.
 */
int sva_init_iopf(struct sva_smmu *s)
{
	int ret = sva_set_unbound_cpus(s->cpus);

	if (ret)
		return ret;
	s->smmu->evtq.iopf = iopf_queue_alloc(dev_name(s->hwdev));
	return s->smmu->evtq.iopf ? 0 : -ENOMEM;
}

/**
 * sva_exit_iopf() - the opposite of sva_init_iopf()
 * @s: the SMMU, with no devices
 *
 * Context: may sleep.
 */
void sva_exit_iopf(struct sva_smmu *s)
{
	iopf_queue_free(s->smmu->evtq.iopf);
	s->smmu->evtq.iopf = NULL;
	sva_set_unbound_cpus(cpu_possible_mask);
}

/**
 * sva_handle_events() - what the thread of the interrupt of the event queue does
 * @s: the SMMU
 *
 * Context: may sleep, on a CPU that is not the model's.
 */
void sva_handle_events(struct sva_smmu *s)
{
	arm_smmu_kunit_evtq_thread(s->smmu);
}

/* arm_smmu_domain_finalise(), with a linear table of CDs. */
static int sva_init_domain(struct sva_smmu *s)
{
	struct arm_smmu_domain *domain = &s->driver->domain;
	struct arm_smmu_s1_cfg *cfg = &domain->s1_cfg;

	domain->smmu = s->smmu;
	mutex_init(&domain->init_mutex);
	INIT_LIST_HEAD(&domain->devices);
	spin_lock_init(&domain->devices_lock);
	INIT_LIST_HEAD(&domain->mmu_notifiers);
	domain->stage = ARM_SMMU_DOMAIN_S1;
	domain->stall_enabled = s->config.stall;
	domain->domain.type = IOMMU_DOMAIN_UNMANAGED;
	domain->domain.ops = &sva_domain_ops;
	domain->domain.pgsize_bitmap = s->smmu->pgsize_bitmap;

	cfg->s1fmt = STRTAB_STE_0_S1FMT_LINEAR;
	cfg->s1cdmax = SVA_SSID_BITS;
	cfg->cdcfg.cdtab = kcalloc(CTXDESC_CD_DWORDS << SVA_SSID_BITS,
				   sizeof(__le64), GFP_KERNEL);
	return cfg->cdcfg.cdtab ? 0 : -ENOMEM;
}

/* arm_smmu_probe_device() and arm_smmu_attach_dev(). */
static int sva_init_master(struct sva_smmu *s, unsigned int i, u32 sid)
{
	struct sva_driver *d = s->driver;
	struct arm_smmu_master *master = &d->master[i];
	struct smmu_model_stream *stream;
	char name[16];
	unsigned int j;

	master->smmu = s->smmu;
	master->domain = &d->domain;
	master->streams = d->stream[i];
	master->num_streams = s->config.streams;
	master->ssid_bits = SVA_SSID_BITS;
	master->stall_enabled = s->config.stall;
	master->ats_enabled = s->config.ats &&
			      !(s->config.mixed && i + 1 == s->config.masters);
	INIT_LIST_HEAD(&master->bonds);

	for (j = 0; j < s->config.streams; j++) {
		d->stream[i][j].id = sid + j;
		d->stream[i][j].master = master;
		sva_add_stream(s, &d->stream[i][j]);
		stream = &s->model.stream[s->model.nr_streams++];
		stream->sid = sid + j;
		stream->ats = master->ats_enabled;
		stream->cdtab = d->domain.s1_cfg.cdcfg.cdtab;
		stream->nr_cds = 1 << SVA_SSID_BITS;
	}

	snprintf(name, sizeof(name), "master-%x", sid);
	master->dev = root_device_register(name);
	if (IS_ERR(master->dev))
		return PTR_ERR(master->dev);
	d->dev[i] = master->dev;
	mutex_init(&d->iommu[i].lock);
	d->iommu[i].iommu_dev = &s->smmu->iommu;
	d->iommu[i].priv = master;
	master->dev->iommu = &d->iommu[i];
	list_add(&master->domain_head, &d->domain.devices);
	if (master->ats_enabled)
		atomic_inc(&d->domain.nr_ats_masters);
	return iommu_group_add_device(d->group, master->dev);
}

/**
 * sva_init_masters() - build the devices behind an SMMU
 * @s: the SMMU, with all but them
 * @sid: the first of their StreamIDs
 *
 * Context: may sleep.
 * Return: 0, or an error; sva_exit_masters() is due in either case.
 */
int sva_init_masters(struct sva_smmu *s, u32 sid)
{
	struct sva_driver *d;
	unsigned int i;
	int ret;

	d = kzalloc(sizeof(*d), GFP_KERNEL);
	if (!d)
		return -ENOMEM;
	s->driver = d;
	ret = sva_init_domain(s);
	if (ret)
		return ret;

	d->group = iommu_group_alloc();
	if (IS_ERR(d->group))
		return PTR_ERR(d->group);
	ret = iommu_attach_group(&d->domain.domain, d->group);
	for (i = 0; i < s->config.masters && !ret; i++)
		ret = sva_init_master(s, i, sid + i * 4);
	return ret ?: sva_smmu_enable(s);
}

/**
 * sva_exit_masters() - the opposite of sva_init_masters()
 * @s: the SMMU, with nothing bound
 *
 * Context: may sleep.
 */
void sva_exit_masters(struct sva_smmu *s)
{
	struct sva_driver *d = s->driver;
	unsigned int i;

	sva_smmu_disable(s);
	for (i = 0; i < SVA_MASTERS; i++) {
		if (!d->dev[i])
			continue;
		if (d->dev[i]->iommu_group)
			iommu_group_remove_device(d->dev[i]);
		d->dev[i]->iommu = NULL;
		root_device_unregister(d->dev[i]);
	}
	if (!IS_ERR_OR_NULL(d->group))
		iommu_group_put(d->group);
	kfree(d->domain.s1_cfg.cdcfg.cdtab);
	kfree(d);
	s->driver = NULL;
}

/**
 * sva_smmu_enable() - what device drivers do before they bind
 * @s: the SMMU
 *
 * Context: may sleep.
 * Return: 0 or an error.
 */
int sva_smmu_enable(struct sva_smmu *s)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < s->config.masters && !ret; i++) {
		/* IOMMU_DEV_FEAT_IOPF, and then IOMMU_DEV_FEAT_SVA. */
		s->driver->master[i].iopf_enabled = s->config.stall;
		if (!s->driver->master[i].sva_enabled)
			ret = arm_smmu_master_enable_sva(&s->driver->master[i]);
	}
	return ret;
}

/**
 * sva_smmu_disable() - what device drivers do after they have unbound
 * @s: the SMMU
 *
 * Context: may sleep.
 * Return: 0 or an error.
 */
int sva_smmu_disable(struct sva_smmu *s)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < s->config.masters && !ret; i++)
		if (s->driver->master[i].sva_enabled)
			ret = arm_smmu_master_disable_sva(&s->driver->master[i]);
	return ret;
}

/**
 * sva_smmu_enabled() - whether SVA is enabled for any device
 * @s: the SMMU
 *
 * As long as it is the device cannot be attached to another domain.
 *
 * Context: may sleep.
 * Return: true if it is.
 */
bool sva_smmu_enabled(struct sva_smmu *s)
{
	unsigned int i;

	for (i = 0; i < s->config.masters; i++)
		if (arm_smmu_master_sva_enabled(&s->driver->master[i]))
			return true;
	return false;
}

/**
 * sva_smmu_stall() - whether what devices access stalls until a fault is answered
 * @s: the SMMU, with nothing bound
 * @stall: it does
 * @force: the SMMU stalls always
 *
 * Context: any.
 * Return: NULL, or why that cannot be.
 */
const char *sva_smmu_stall(struct sva_smmu *s, bool stall, bool force)
{
	s->driver->domain.stall_enabled = stall;
	s->smmu->features &= ~ARM_SMMU_FEAT_STALL_FORCE;
	if (force)
		s->smmu->features |= ARM_SMMU_FEAT_STALL_FORCE;
	return NULL;
}

/**
 * sva_smmu_faults() - how many faults of all devices the kernel has not answered
 * @s: the SMMU
 *
 * Context: may sleep.
 * Return: how many there are.
 */
unsigned int sva_smmu_faults(struct sva_smmu *s)
{
	struct iommu_fault_param *param;
	struct list_head *fault;
	unsigned int i, nr = 0;

	for (i = 0; i < s->config.masters; i++) {
		mutex_lock(&s->driver->iommu[i].lock);
		param = s->driver->iommu[i].fault_param;
		if (param) {
			mutex_lock(&param->lock);
			list_for_each(fault, &param->faults)
				nr++;
			mutex_unlock(&param->lock);
		}
		mutex_unlock(&s->driver->iommu[i].lock);
	}
	return nr;
}

/**
 * sva_smmu_report_partial() - report a request of a group that is not the last of it
 * @s: the SMMU
 * @i: the device
 * @pasid: PASID
 * @va: the page
 * @write: the device wants to write
 * @group: the group
 *
 * For this driver each stall is a group, but devices that make page requests (PRI) have
 * larger ones.
 *
 * Context: may sleep.
 * Return: 0 or an error.
 */
int sva_smmu_report_partial(struct sva_smmu *s, unsigned int i, u32 pasid,
			    unsigned long va, bool write, u16 group)
{
	struct iommu_fault_event event = {
		.fault = {
			.type = IOMMU_FAULT_PAGE_REQ,
			.prm = {
				.flags	= IOMMU_FAULT_PAGE_REQUEST_PASID_VALID,
				.pasid	= pasid,
				.grpid	= group,
				.perm	= write ? IOMMU_FAULT_PERM_WRITE :
						  IOMMU_FAULT_PERM_READ,
				.addr	= va,
			},
		},
	};

	return iommu_report_device_fault(s->driver->dev[i], &event);
}

/**
 * sva_smmu_discard_partial() - drop requests whose group may lack the last of it
 * @s: the SMMU
 *
 * Context: may sleep.
 * Return: 0 or an error.
 */
int sva_smmu_discard_partial(struct sva_smmu *s)
{
	return iopf_queue_discard_partial(s->smmu->evtq.iopf);
}

/**
 * sva_smmu_bind() - share an address space with all devices of an SMMU
 * @s: the SMMU
 * @mm: the address space
 *
 * Context: may sleep, on a CPU that is not the model's.
 * Return: 0 or an error.
 */
int sva_smmu_bind(struct sva_smmu *s, struct mm_struct *mm)
{
	struct sva_driver *d = s->driver;
	unsigned int i, b, asid;

	for (b = 0; b < SVA_BONDS && d->bond[b].mm; b++)
		;
	if (b == SVA_BONDS)
		return -ENOSPC;
	asid = arm64_mm_context_get(mm);
	if (!asid)
		return -ESRCH;
	d->bond[b].mm = mm;
	/* Commands for it come as soon as the notifier is registered. */
	set_bit(asid, s->model.asids);
	arm64_mm_context_put(mm);
	for (i = 0; i < s->config.masters; i++) {
		d->bond[b].handle[i] = arm_smmu_sva_bind(d->dev[i], mm, NULL);
		if (IS_ERR(d->bond[b].handle[i]))
			return PTR_ERR(d->bond[b].handle[i]);
	}
	return 0;
}

/**
 * sva_smmu_unbind_master() - end it for one device only
 * @s: the SMMU
 * @mm: the address space
 * @i: the device
 *
 * Context: may sleep, on a CPU that is not the model's.
 */
void sva_smmu_unbind_master(struct sva_smmu *s, struct mm_struct *mm,
			    unsigned int i)
{
	struct sva_driver *d = s->driver;
	unsigned int b;

	for (b = 0; b < SVA_BONDS; b++) {
		if (d->bond[b].mm != mm || IS_ERR_OR_NULL(d->bond[b].handle[i]))
			continue;
		arm_smmu_sva_unbind(d->bond[b].handle[i]);
		d->bond[b].handle[i] = NULL;
	}
}

/**
 * sva_smmu_starve() - let there be no memory for the CD of an address space
 * @s: the SMMU, with nothing bound
 * @starve: whether
 *
 * The table has two levels then, and the memory for the second has to be where the
 * SMMU cannot reach it.
 *
 * Context: any, while nobody binds.
 */
void sva_smmu_starve(struct sva_smmu *s, bool starve)
{
	struct sva_driver *d = s->driver;
	struct arm_smmu_s1_cfg *cfg = &d->domain.s1_cfg;

	s->hwdev->coherent_dma_mask = starve;
	cfg->cdcfg.l1_desc = starve ? &d->no_table : NULL;
	cfg->s1fmt = starve ? STRTAB_STE_0_S1FMT_64K_L2 :
			      STRTAB_STE_0_S1FMT_LINEAR;
}

/**
 * sva_smmu_inv_leaf() - invalidate what a DMA domain has unmapped
 * @s: the SMMU
 * @mm: a bound address space, whose ASID it takes
 * @iova: first byte
 * @size: bytes
 * @granule: bytes that each leaf entry maps
 *
 * What arm_smmu_iotlb_sync() ends in.
 *
 * Context: on a CPU that is not the model's.
 */
void sva_smmu_inv_leaf(struct sva_smmu *s, const struct mm_struct *mm,
		       unsigned long iova, size_t size, size_t granule)
{
	arm_smmu_tlb_inv_range_asid(iova, size, sva_asid(s, mm), granule, true,
				    &s->driver->domain);
}

/**
 * sva_smmu_watch_unbound() - see to it that a call after unbind is seen
 * @s: the SMMU
 * @mm: the address space that was unbound
 *
 * Any call sends commands here.
 *
 * Context: any.
 * Return: 0.
 */
int sva_smmu_watch_unbound(struct sva_smmu *s, const struct mm_struct *mm)
{
	return 0;
}

/**
 * sva_smmu_devices_locked() - whether the list of a domain's devices is locked
 * @s: the SMMU
 * @mm: a bound address space
 *
 * Context: any.
 * Return: true if it is, by any CPU.
 */
bool sva_smmu_devices_locked(struct sva_smmu *s, const struct mm_struct *mm)
{
	unsigned long flags;

	if (!spin_trylock_irqsave(&s->driver->domain.devices_lock, flags))
		return true;
	spin_unlock_irqrestore(&s->driver->domain.devices_lock, flags);
	return false;
}

/**
 * sva_repeat_tlbi() - have the driver take all SMMUs for such as need TLBIs twice
 * @repeat: whether
 *
 * Context: may sleep.
 * Return: NULL, or why that cannot be.
 */
const char *sva_repeat_tlbi(bool repeat)
{
	return "this driver knows no SMMU that needs TLBIs twice";
}

/**
 * sva_cpu_haft() - whether the kernel lets hardware set access flags of table entries
 *
 * Context: any.
 * Return: false, this one does not know of them.
 */
bool sva_cpu_haft(void)
{
	return false;
}

/**
 * sva_smmu_unbind() - end what sva_smmu_bind() has begun
 * @s: the SMMU
 * @mm: the address space
 *
 * Context: may sleep, on a CPU that is not the model's.
 */
void sva_smmu_unbind(struct sva_smmu *s, struct mm_struct *mm)
{
	struct sva_driver *d = s->driver;
	unsigned int i, b;

	for (b = 0; b < SVA_BONDS; b++) {
		if (!mm || d->bond[b].mm != mm)
			continue;
		for (i = 0; i < s->config.masters; i++)
			sva_smmu_unbind_master(s, mm, i);
		memset(&d->bond[b], 0, sizeof(d->bond[b]));
	}
}

/**
 * sva_smmu_unbind_all() - unbind whatever is bound
 * @s: the SMMU
 *
 * Context: may sleep, on a CPU that is not the model's.
 */
void sva_smmu_unbind_all(struct sva_smmu *s)
{
	unsigned int b;

	for (b = 0; b < SVA_BONDS; b++)
		sva_smmu_unbind(s, s->driver->bond[b].mm);
	bitmap_zero(s->model.asids, 1 << 16);
}

/**
 * sva_pasid() - the PASID of a bound address space
 * @mm: the address space
 *
 * Context: any.
 * Return: the PASID.
 */
u32 sva_pasid(const struct mm_struct *mm)
{
	return mm->pasid;
}

/**
 * sva_asid() - the ASID that an SMMU has to use for an address space
 * @s: the SMMU
 * @mm: the address space
 *
 * Context: any.
 * Return: the CPU's, that of user space if there are two.
 */
u16 sva_asid(const struct sva_smmu *s, const struct mm_struct *mm)
{
	return ASID(mm) | (arm64_kernel_unmapped_at_el0() ? 1 : 0);
}
