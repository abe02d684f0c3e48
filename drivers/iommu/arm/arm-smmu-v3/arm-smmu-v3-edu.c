// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver for QEMU's "edu" device that lets it share the address space of a
 * process.
 *
 * The device has no PASID, and QEMU's SMMUv3 no SubstreamIDs, so the process
 * takes the place of the domain's own context, CD 0; how is up to the file that
 * has edu_bond(). All else is the driver's SVA code as it is: the notifier, the
 * ASID, and the context descriptor. One process at a time, for all devices there
 * are.
 */
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/io.h>
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/sched/mm.h>

#include "arm-smmu-v3.h"
#include "arm-smmu-v3-edu.h"

/* Registers of BAR 0, and where the device's own memory is in its address space. */
#define EDU_DMA_SRC		0x80
#define EDU_DMA_DST		0x88
#define EDU_DMA_COUNT		0x90
#define EDU_DMA_CMD		0x98
#define EDU_DMA_CMD_START	BIT(0)
#define EDU_DMA_CMD_OUT		BIT(1)
#define EDU_BUFFER		0x40000
#define EDU_BUFFER_SIZE		SZ_4K

/**
 * struct edu - the device
 * @pdev: the PCI function
 * @regs: its registers
 * @mm: the address space that is bound
 * @bond: what binds it
 */
struct edu {
	struct pci_dev *pdev;
	void __iomem *regs;
	struct mm_struct *mm;
	struct edu_bond *bond;
};

/* Those at the beginning have been found. */
static struct edu edu_devices[EDU_MAX_DEVICES];

static int edu_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct edu *edu = edu_devices;
	int ret;

	while (edu->pdev)
		if (++edu == edu_devices + ARRAY_SIZE(edu_devices))
			return -EBUSY;
	ret = pcim_enable_device(pdev) ?:
	      pcim_iomap_regions(pdev, BIT(0), "edu");
	if (ret)
		return ret;
	pci_set_master(pdev);
	edu->pdev = pdev;
	edu->regs = pcim_iomap_table(pdev)[0];
	return 0;
}

static void edu_remove(struct pci_dev *pdev)
{
	struct edu *edu = edu_devices;

	pci_clear_master(pdev);
	while (edu->pdev != pdev)
		edu++;
	edu->pdev = NULL;
}

static const struct pci_device_id edu_ids[] = {
	{ PCI_DEVICE(0x1234, 0x11e8) },
	{}
};

static struct pci_driver edu_driver = {
	.name		= "edu_kunit",
	.id_table	= edu_ids,
	.probe		= edu_probe,
	.remove		= edu_remove,
};

/* Its domain is only ours to look into if the IOMMU is. */
static bool edu_behind_smmuv3(struct device *dev)
{
	struct iommu_device *iommu = dev->iommu ? dev->iommu->iommu_dev : NULL;
	struct device *hwdev = iommu && iommu->dev ? iommu->dev->parent : NULL;

	return hwdev && hwdev->driver && !strcmp(hwdev->driver->name, "arm-smmu-v3");
}

/**
 * edu_open() - find the devices
 * @edu: set to the first; edu_next() has the others
 *
 * A PCI device gets its domain when a driver binds to it, so there is one.
 *
 * Context: may sleep.
 * Return: NULL, or why there is none that can be used.
 */
const char *edu_open(struct edu **edu)
{
	struct iommu_domain *domain;

	*edu = NULL;
	if (pci_register_driver(&edu_driver))
		return "the driver cannot be registered";
	if (!edu_devices[0].pdev) {
		pci_unregister_driver(&edu_driver);
		return "no edu device: use -device edu,dma_mask=0xffffffffffff";
	}
	domain = iommu_get_domain_for_dev(&edu_devices[0].pdev->dev);
	if (!domain || !edu_behind_smmuv3(&edu_devices[0].pdev->dev) ||
	    !(domain->type & __IOMMU_DOMAIN_PAGING) ||
	    to_smmu_domain(domain)->stage != ARM_SMMU_DOMAIN_S1) {
		pci_unregister_driver(&edu_driver);
		return "no SMMUv3 translates for the edu device: use -machine virt,iommu=smmuv3";
	}
	*edu = edu_devices;
	return NULL;
}

/**
 * edu_next() - the next of several devices
 * @edu: a device
 *
 * They are behind the same SMMU, each in a domain of its own.
 *
 * Context: any.
 * Return: the one that was found after @edu, or NULL.
 */
struct edu *edu_next(struct edu *edu)
{
	if (++edu == edu_devices + ARRAY_SIZE(edu_devices) || !edu->pdev)
		return NULL;
	return edu;
}

/**
 * edu_close() - the opposite of edu_open()
 * @edu: the first device, not bound, nor is any other
 *
 * Context: may sleep.
 */
void edu_close(struct edu *edu)
{
	pci_unregister_driver(&edu_driver);
}

/**
 * edu_bind() - let the device use the addresses of a process
 * @edu: the device
 * @mm: the address space
 *
 * Context: may sleep.
 * Return: 0 or an error.
 */
int edu_bind(struct edu *edu, struct mm_struct *mm)
{
	edu->bond = edu_bond(&edu->pdev->dev, mm);
	if (IS_ERR(edu->bond))
		return PTR_ERR(edu->bond);
	mmgrab(mm);
	edu->mm = mm;
	return 0;
}

/**
 * edu_pdev() - the device as PCI knows it
 * @edu: the device
 *
 * Context: any.
 * Return: the PCI function.
 */
struct pci_dev *edu_pdev(struct edu *edu)
{
	return edu->pdev;
}

/**
 * edu_unbind() - give the device its domain back
 * @edu: the device; nothing happens if it is not bound
 *
 * Context: may sleep.
 */
void edu_unbind(struct edu *edu)
{
	if (!edu->mm)
		return;
	edu_unbond(edu->bond);
	mmdrop(edu->mm);
	edu->mm = NULL;
}

static void edu_start(struct edu *edu, u64 src, u64 dst, unsigned int bytes,
		      u32 cmd)
{
	writeq(src, edu->regs + EDU_DMA_SRC);
	writeq(dst, edu->regs + EDU_DMA_DST);
	writeq(min_t(unsigned int, bytes, EDU_BUFFER_SIZE), edu->regs + EDU_DMA_COUNT);
	writeq(cmd | EDU_DMA_CMD_START, edu->regs + EDU_DMA_CMD);
}

/**
 * edu_wait() - wait for a transfer to be over
 * @edu: the device
 *
 * It takes 100 ms of virtual time, whatever the size.
 *
 * Context: may sleep.
 * Return: 0, or -ETIMEDOUT if the device is stuck.
 */
int edu_wait(struct edu *edu)
{
	unsigned int ms;

	msleep(100);
	for (ms = 0; ms < 10000; ms++) {
		if (!(readq(edu->regs + EDU_DMA_CMD) & EDU_DMA_CMD_START))
			return 0;
		usleep_range(1000, 1100);
	}
	return -ETIMEDOUT;
}

/**
 * edu_start_out() - the device is about to write memory from its own
 * @edu: the device
 * @va: address in the bound process
 * @bytes: how many, at most 4096
 *
 * It accesses memory at the end of the 100 ms; edu_wait() is to be called.
 *
 * Context: any thread, one at a time.
 */
void edu_start_out(struct edu *edu, unsigned long va, unsigned int bytes)
{
	edu_start(edu, EDU_BUFFER, va, bytes, EDU_DMA_CMD_OUT);
}

/**
 * edu_check_dma() - copy a word by the DMA API
 * @edu: the device, not bound
 *
 * Context: may sleep.
 * Return: 0 if it arrives, -EIO if not, or another error.
 */
int edu_check_dma(struct edu *edu)
{
	struct device *dev = &edu->pdev->dev;
	dma_addr_t addr;
	int ret;
	u32 *word;

	word = dma_alloc_coherent(dev, PAGE_SIZE, &addr, GFP_KERNEL);
	if (!word)
		return -ENOMEM;
	word[0] = 0x600df00d;
	edu_start(edu, addr, EDU_BUFFER, sizeof(*word), 0);
	ret = edu_wait(edu);
	if (ret)
		return ret;	/* The page is lost: it may be written to yet. */
	edu_start(edu, EDU_BUFFER, addr + sizeof(*word), sizeof(*word),
		  EDU_DMA_CMD_OUT);
	ret = edu_wait(edu);
	if (ret)
		return ret;
	if (READ_ONCE(word[1]) != 0x600df00d)
		ret = -EIO;
	dma_free_coherent(dev, PAGE_SIZE, word, addr);
	return ret;
}

/**
 * edu_copy_in() - the device reads memory into its own
 * @edu: the device
 * @va: address in the bound process
 * @bytes: how many, at most 4096
 *
 * The device does not know whether an access was refused: QEMU gives it zeroes
 * then.
 *
 * Context: may sleep.
 * Return: 0, or -ETIMEDOUT if the device is stuck.
 */
int edu_copy_in(struct edu *edu, unsigned long va, unsigned int bytes)
{
	edu_start(edu, va, EDU_BUFFER, bytes, 0);
	return edu_wait(edu);
}

/**
 * edu_copy_out() - the device writes memory from its own
 * @edu: the device
 * @va: address in the bound process
 * @bytes: how many, at most 4096
 *
 * Context: may sleep.
 * Return: 0, or -ETIMEDOUT if the device is stuck.
 */
int edu_copy_out(struct edu *edu, unsigned long va, unsigned int bytes)
{
	edu_start_out(edu, va, bytes);
	return edu_wait(edu);
}
