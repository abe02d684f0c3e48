// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices behind a modelled SMMU where context descriptors belong to the device and a
 * shared address space is a domain: the structures that attaching a DMA domain leaves
 * behind. From there on all is real: the core binds, and the driver's own operations
 * attach, detach and invalidate.
 */
#include <linux/device.h>
#include <linux/err.h>
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/poison.h>
#include <linux/secondary_tlb_compat.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "arm-smmu-v3.h"
#include "arm-smmu-v3-sva-lab.h"

#if STLB_SMMU_INVS
/* Room for the ASID, and for an ATC behind each stream. */
static int sva_alloc_invs(struct arm_smmu_master *master)
{
	master->build_invs = arm_smmu_invs_alloc(1 + master->num_streams);
	return master->build_invs ? 0 : -ENOMEM;
}

static void sva_free_invs(struct arm_smmu_master *master)
{
	kfree(master->build_invs);
}

static void sva_inv_leaf(struct arm_smmu_domain *domain, unsigned long iova,
			 size_t size, size_t granule)
{
	arm_smmu_domain_inv_range(domain, iova, size, granule, true);
}

/* A domain that no device is attached to sends nothing: give it an ASID to send. */
static int sva_watch(struct sva_smmu *s, struct arm_smmu_domain *domain, u16 asid)
{
	struct arm_smmu_invs *invs, *old = rcu_access_pointer(domain->invs);

	/* What has been freed is poisoned, see unbind_late_callback. */
	if (!memchr_inv(&old, POISON_FREE, sizeof(old)))
		return -EFAULT;
	invs = arm_smmu_invs_alloc(1);
	if (!invs)
		return -ENOMEM;
	invs->num_invs = 1;
	invs->inv[0] = (struct arm_smmu_inv){
		.smmu		= s->smmu,
		.type		= INV_TYPE_S1_ASID,
		.size_opcode	= s->config.e2h ? CMDQ_OP_TLBI_EL2_VA :
						  CMDQ_OP_TLBI_NH_VA,
		.nsize_opcode	= s->config.e2h ? CMDQ_OP_TLBI_EL2_ASID :
						  CMDQ_OP_TLBI_NH_ASID,
		.id		= asid,
		.pgsize		= s->config.range_inv ? PAGE_SHIFT : 0,
		.users		= 1,
	};
	rcu_assign_pointer(domain->invs, invs);
	kfree_rcu(old, rcu);
	return 0;
}
#else
static int sva_alloc_invs(struct arm_smmu_master *master)
{
	return 0;
}

static void sva_free_invs(struct arm_smmu_master *master)
{
}

static void sva_inv_leaf(struct arm_smmu_domain *domain, unsigned long iova,
			 size_t size, size_t granule)
{
	arm_smmu_tlb_inv_range_asid(iova, size, domain->cd.asid, granule, true, domain);
}

/* The ASID is the domain's. */
static int sva_watch(struct sva_smmu *s, struct arm_smmu_domain *domain, u16 asid)
{
	return 0;
}
#endif

/*
 * @table: the CDs, which the driver sees in @master.cd_table, but see
 *	sva_smmu_starve()
 */
struct sva_master {
	struct arm_smmu_master master;
	struct arm_smmu_stream stream[SVA_STREAMS];
	struct arm_smmu_cd *table;
	struct pci_dev *pdev;
	struct dev_iommu iommu;
};

/*
 * @mm: a process that is bound, or was last
 * @live: it is
 * @asid: the ASID that the SMMU finds in the CDs
 * @domain: its domain, which may be gone if the bond does not last
 * @handle: what the core has returned for each device
 */
struct sva_bond {
	struct mm_struct *mm;
	bool live;
	u16 asid;
	struct arm_smmu_domain *domain;
	struct iommu_sva *handle[SVA_MASTERS];
};

struct sva_driver {
	struct sva_master master[SVA_MASTERS];
	struct sva_bond bond[SVA_BONDS];
};

const char * const sva_no_disable =
	"this driver has nothing to disable: what a process is bound by ends with its domain";

const struct iommu_ops * const sva_iommu_ops = &arm_smmu_ops;

/* All that the driver asks the firmware for: whether ATS is possible. */
static struct iommu_fwspec sva_fwspec = {
	.flags = IOMMU_FWSPEC_PCI_RC_ATS,
};

static void sva_release_pdev(struct device *dev)
{
	kfree(to_pci_dev(dev));
}

/*
 * The driver takes none but PCI devices for such as have an ATC. This one looks like
 * one to it, and to nobody else: it is on no bus when others may look for it.
 */
static int sva_init_pdev(struct sva_master *m, u32 sid, bool ats)
{
	struct iommu_group *group;
	struct pci_dev *pdev;
	int ret;

	pdev = kzalloc(sizeof(*pdev), GFP_KERNEL);
	if (!pdev)
		return -ENOMEM;
	device_initialize(&pdev->dev);
	pdev->dev.release = sva_release_pdev;
	pdev->ats_cap = ats ? PCI_CFG_SPACE_SIZE : 0;
	ret = dev_set_name(&pdev->dev, "master-%x", sid) ?:
	      device_add(&pdev->dev);
	if (ret) {
		put_device(&pdev->dev);
		return ret;
	}
	m->pdev = pdev;
	pdev->dev.bus = &pci_bus_type;

	group = iommu_group_alloc();
	if (IS_ERR(group))
		return PTR_ERR(group);
	ret = iommu_group_add_device(group, &pdev->dev);
	iommu_group_put(group);
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
	struct workqueue_attrs *attrs = alloc_workqueue_attrs();
	int ret;

	s->smmu->evtq.iopf = iopf_queue_alloc(dev_name(s->hwdev));
	if (!attrs || !s->smmu->evtq.iopf) {
		free_workqueue_attrs(attrs);
		return -ENOMEM;
	}
	cpumask_copy(attrs->cpumask, s->cpus);
	ret = apply_workqueue_attrs(s->smmu->evtq.iopf->wq, attrs);
	free_workqueue_attrs(attrs);
	return ret;
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
}

/**
 * sva_handle_events() - what the thread of the interrupt of the event queue does
 * @s: the SMMU
 *
 * Context: may sleep, on a CPU that is not the model's.
 */
void sva_handle_events(struct sva_smmu *s)
{
	arm_smmu_evtq_thread(0, s->smmu);
}

/* A device that stalls has to be enabled for that where binding does not do it. */
static int sva_enable_stalls(struct arm_smmu_master *master)
{
#if STLB_SVA_FEATURES
	return sva_iommu_ops->dev_enable_feat(master->dev, IOMMU_DEV_FEAT_IOPF) ?:
	       sva_iommu_ops->dev_enable_feat(master->dev, IOMMU_DEV_FEAT_SVA);
#else
	return 0;
#endif
}

static void sva_disable_stalls(struct arm_smmu_master *master)
{
#if STLB_SVA_FEATURES
	sva_iommu_ops->dev_disable_feat(master->dev, IOMMU_DEV_FEAT_SVA);
	sva_iommu_ops->dev_disable_feat(master->dev, IOMMU_DEV_FEAT_IOPF);
#endif
}

/* arm_smmu_probe_device(), and arm_smmu_attach_dev() for a DMA domain. */
static int sva_init_master(struct sva_smmu *s, unsigned int i, u32 sid)
{
	struct sva_master *m = &s->driver->master[i];
	struct arm_smmu_master *master = &m->master;
	struct smmu_model_stream *stream;
	unsigned int j;
	int ret;

	m->table = kcalloc(1 << SVA_SSID_BITS, sizeof(*m->table), GFP_KERNEL);
	if (!m->table)
		return -ENOMEM;
	master->smmu = s->smmu;
	master->streams = m->stream;
	master->num_streams = s->config.streams;
	master->ssid_bits = SVA_SSID_BITS;
	master->stall_enabled = s->config.stall;
	master->ats_enabled = s->config.ats &&
			      !(s->config.mixed && i + 1 == s->config.masters);
	ret = sva_alloc_invs(master);
	if (ret)
		return ret;

	/*
	 * The STE leads to the CDs, and stays: the PASID of somebody else is in use
	 * all the time.
	 */
	master->cd_table.s1fmt = STRTAB_STE_0_S1FMT_LINEAR;
	master->cd_table.s1cdmax = SVA_SSID_BITS;
	master->cd_table.linear.table = m->table;
	master->cd_table.linear.num_ents = 1 << SVA_SSID_BITS;
	master->cd_table.used_ssids = 1;
	master->cd_table.in_ste = true;
	master->ste_ats_enabled = master->ats_enabled;

	for (j = 0; j < s->config.streams; j++) {
		m->stream[j].id = sid + j;
		m->stream[j].master = master;
		sva_add_stream(s, &m->stream[j]);
		stream = &s->model.stream[s->model.nr_streams++];
		stream->sid = sid + j;
		stream->ats = master->ats_enabled;
		stream->cdtab = m->table->data;
		stream->nr_cds = 1 << SVA_SSID_BITS;
	}

	ret = sva_init_pdev(m, sid, master->ats_enabled);
	if (ret)
		return ret;
	master->dev = &m->pdev->dev;
	mutex_init(&m->iommu.lock);
	m->iommu.iommu_dev = &s->smmu->iommu;
	m->iommu.fwspec = &sva_fwspec;
	m->iommu.max_pasids = 1 << SVA_SSID_BITS;
	m->iommu.priv = master;
	master->dev->iommu = &m->iommu;
	return s->config.stall ? sva_enable_stalls(master) : 0;
}

static void sva_exit_master(struct sva_master *m)
{
	struct device *dev;

	if (m->pdev) {
		dev = &m->pdev->dev;
		if (dev->iommu && m->master.stall_enabled)
			sva_disable_stalls(&m->master);
		/* The core would release what is the driver's, as it has probed it. */
		dev->iommu = NULL;
		if (dev->iommu_group)
			iommu_group_remove_device(dev);
		dev->bus = NULL;
		device_unregister(dev);
	}
	sva_free_invs(&m->master);
	kfree(m->table);
}

/**
 * sva_init_masters() - build the devices behind an SMMU
 * @s: the SMMU, with all but them
 * @sid: the first of their StreamIDs
 *
 * The ASID is none of the CPU's, and its broadcasts are not for it (ASET): an SMMU
 * that hears them is told as any other, and &sva_config.btm is cleared.
 *
 * Context: may sleep.
 * Return: 0, or an error; sva_exit_masters() is due in either case.
 */
int sva_init_masters(struct sva_smmu *s, u32 sid)
{
	unsigned int i;
	int ret = 0;

	s->config.btm = false;
	s->driver = kzalloc(sizeof(*s->driver), GFP_KERNEL);
	if (!s->driver)
		return -ENOMEM;
	for (i = 0; i < s->config.masters && !ret; i++)
		ret = sva_init_master(s, i, sid + i * 4);
	return ret;
}

/**
 * sva_exit_masters() - the opposite of sva_init_masters()
 * @s: the SMMU, with nothing bound
 *
 * Context: may sleep.
 */
void sva_exit_masters(struct sva_smmu *s)
{
	unsigned int i;

	/* Domains that are gone are in use until SRCU says otherwise. */
	arm_smmu_sva_notifier_synchronize();
	for (i = 0; i < SVA_MASTERS; i++)
		sva_exit_master(&s->driver->master[i]);
	kfree(s->driver);
	s->driver = NULL;
}

/**
 * sva_smmu_enable() - what device drivers do before they bind: nothing
 * @s: the SMMU
 *
 * Context: may sleep.
 * Return: 0.
 */
int sva_smmu_enable(struct sva_smmu *s)
{
	return 0;
}

/**
 * sva_smmu_disable() - what device drivers do after they have unbound: nothing
 * @s: the SMMU
 *
 * Context: may sleep.
 * Return: 0.
 */
int sva_smmu_disable(struct sva_smmu *s)
{
	return 0;
}

/**
 * sva_smmu_enabled() - whether SVA is enabled for any device
 * @s: the SMMU
 *
 * Context: any.
 * Return: true, as drivers do not disable it.
 */
bool sva_smmu_enabled(struct sva_smmu *s)
{
	return true;
}

/**
 * sva_smmu_stall() - whether what devices access stalls until a fault is answered
 * @s: the SMMU, with nothing bound
 * @stall: it does
 * @force: the SMMU stalls always
 *
 * Context: any.
 * Return: why that cannot be.
 */
const char *sva_smmu_stall(struct sva_smmu *s, bool stall, bool force)
{
	return "a device that stalls can be bound with an event queue only";
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
		/* Only the caller unbinds, which is what frees it. */
		param = rcu_access_pointer(s->driver->master[i].iommu.fault_param);
		if (!param)
			continue;
		mutex_lock(&param->lock);
		list_for_each(fault, &param->faults)
			nr++;
		mutex_unlock(&param->lock);
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
	struct iopf_fault event = {
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

	return iommu_report_device_fault(s->driver->master[i].master.dev, &event);
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

/* A bond with a process: one that lasts, else one that has ended. */
static struct sva_bond *sva_find_bond(const struct sva_smmu *s,
				      const struct mm_struct *mm)
{
	struct sva_bond *bond, *found = NULL;

	for (bond = s->driver->bond; bond < s->driver->bond + SVA_BONDS; bond++)
		if (bond->mm == mm && (!found || bond->live))
			found = bond;
	return found;
}

/* The ASID that the driver gives to its next domain: the lowest that is free. */
static u16 sva_next_asid(void)
{
	unsigned long asid = 1;

	while (xa_load(&arm_smmu_asid_xa, asid))
		asid++;
	return asid;
}

/* CD.ASID of a process ("Context descriptor": word 0, bits 63 to 48). */
static u16 sva_cd_asid(const struct sva_master *m, const struct mm_struct *mm)
{
	return le64_to_cpu(m->table[sva_pasid(mm)].data[0]) >> 48;
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
	struct sva_bond *bond;
	unsigned int i;
	u16 asid;

	for (bond = d->bond; bond < d->bond + SVA_BONDS && bond->live; bond++)
		;
	if (bond == d->bond + SVA_BONDS)
		return -ENOSPC;
	*bond = (struct sva_bond){ .mm = mm, .live = true };
	/* Commands for it come as soon as the notifier is registered. */
	bond->asid = sva_next_asid();
	set_bit(bond->asid, s->model.asids);
	for (i = 0; i < s->config.masters; i++) {
		bond->handle[i] = iommu_sva_bind_device(d->master[i].master.dev, mm);
		if (IS_ERR(bond->handle[i]))
			return PTR_ERR(bond->handle[i]);
		bond->domain = to_smmu_domain(bond->handle[i]->handle.domain);
		asid = sva_cd_asid(&d->master[i], mm);
		/* Devices behind an SMMU have a domain in common. */
		if (i && asid != bond->asid)
			return -EXDEV;
		bond->asid = asid;
		set_bit(bond->asid, s->model.asids);
	}
	return 0;
}

static void sva_unbind_master(struct sva_bond *bond, unsigned int i)
{
	if (!IS_ERR_OR_NULL(bond->handle[i]))
		iommu_sva_unbind_device(bond->handle[i]);
	bond->handle[i] = NULL;
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
	struct sva_bond *bond;

	for (bond = s->driver->bond; bond < s->driver->bond + SVA_BONDS; bond++)
		if (bond->live && bond->mm == mm)
			sva_unbind_master(bond, i);
}

static void sva_unbind(struct sva_bond *bond)
{
	unsigned int i;

	for (i = 0; i < SVA_MASTERS; i++)
		sva_unbind_master(bond, i);
	bond->live = false;
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
	struct sva_bond *bond;

	for (bond = s->driver->bond; bond < s->driver->bond + SVA_BONDS; bond++)
		if (bond->live && bond->mm == mm)
			sva_unbind(bond);
}

/**
 * sva_smmu_watch_unbound() - see to it that a call after unbind is seen
 * @s: the SMMU
 * @mm: the address space that was unbound
 *
 * Context: may sleep; the domain must still exist, because of a callback, say.
 * Return: 0, -EFAULT if the domain does not exist any more, or another error.
 */
int sva_smmu_watch_unbound(struct sva_smmu *s, const struct mm_struct *mm)
{
	struct sva_bond *bond = sva_find_bond(s, mm);

	return bond && bond->domain ? sva_watch(s, bond->domain, bond->asid) : -ENOENT;
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
	struct sva_bond *bond = sva_find_bond(s, mm);
	unsigned long flags;

	if (!bond || !bond->domain)
		return false;
	if (!spin_trylock_irqsave(&bond->domain->devices_lock, flags))
		return true;
	spin_unlock_irqrestore(&bond->domain->devices_lock, flags);
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
#if STLB_SMMU_REPEATS
	if (repeat)
		static_branch_enable(&arm_smmu_erratum_repeat_tlbi_cfgi_key);
	else
		static_branch_disable(&arm_smmu_erratum_repeat_tlbi_cfgi_key);
	return NULL;
#else
	return "this driver knows no SMMU that needs TLBIs twice";
#endif
}

/**
 * sva_cpu_haft() - whether the kernel lets hardware set access flags of table entries
 *
 * Context: any.
 * Return: true if CPUs do.
 */
bool sva_cpu_haft(void)
{
#if STLB_SMMU_HTTU
	return system_supports_haft();
#else
	return false;
#endif
}

/**
 * sva_smmu_unbind_all() - unbind whatever is bound
 * @s: the SMMU
 *
 * Context: may sleep, on a CPU that is not the model's.
 */
void sva_smmu_unbind_all(struct sva_smmu *s)
{
	struct sva_master *m = s->driver->master;
	struct sva_bond *bond;
	unsigned int i;

	for (bond = s->driver->bond; bond < s->driver->bond + SVA_BONDS; bond++) {
		if (bond->live)
			sva_unbind(bond);
		memset(bond, 0, sizeof(*bond));
	}
	/* What a driver has left there must not be found by the next case. */
	for (i = 0; i < s->config.masters; i++) {
		memset(m[i].table, 0, sizeof(*m[i].table) << SVA_SSID_BITS);
		m[i].master.cd_table.used_ssids = 1;
	}
	bitmap_zero(s->model.asids, 1 << 16);
}

/**
 * sva_smmu_starve() - let there be no memory for the CD of an address space
 * @s: the SMMU, with nothing bound
 * @starve: whether
 *
 * There is no table then, and the memory for one has to be where the SMMU cannot
 * reach it.
 *
 * Context: any, while nobody binds.
 */
void sva_smmu_starve(struct sva_smmu *s, bool starve)
{
	struct sva_driver *d = s->driver;
	unsigned int i;

	s->hwdev->coherent_dma_mask = starve;
	for (i = 0; i < s->config.masters; i++)
		d->master[i].master.cd_table.linear.table =
			starve ? NULL : d->master[i].table;
}

/**
 * sva_smmu_inv_leaf() - invalidate what a DMA domain has unmapped
 * @s: the SMMU
 * @mm: a bound address space, in place of the domain
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
	struct sva_bond *bond = sva_find_bond(s, mm);

	if (bond && !IS_ERR_OR_NULL(bond->handle[0]))
		sva_inv_leaf(to_smmu_domain(bond->handle[0]->handle.domain),
			     iova, size, granule);
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
	return mm->iommu_mm ? mm->iommu_mm->pasid : IOMMU_PASID_INVALID;
}

/**
 * sva_asid() - the ASID that an SMMU has to use for an address space
 * @s: the SMMU
 * @mm: the address space, which is bound, or was last
 *
 * Context: any.
 * Return: that of the domain.
 */
u16 sva_asid(const struct sva_smmu *s, const struct mm_struct *mm)
{
	struct sva_bond *bond = sva_find_bond(s, mm);

	return bond ? bond->asid : 0;
}
