// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's half of the bench: subscribers of several kinds for the process
 * that opens /dev/secondary_tlb_bench, the commands that the SMMU gets, and a
 * counter of instructions for user space.
 *
 * For QEMU under -icount, where a cycle is an instruction. It leaves the cycle
 * counter open to everybody and is not for a machine that is used for anything
 * else.
 */
#include <linux/fs.h>
#include <linux/iommu.h>
#include <linux/miscdevice.h>
#include <linux/mmu_notifier.h>
#include <linux/pci.h>
#include <linux/secondary_tlb_compat.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/uaccess.h>

#include "arm-smmu-v3.h"
#include "arm-smmu-v3-edu.h"
#include "secondary_tlb_bench.h"

/* Arm ARM DDI 0487: PMCR_EL0.{LC,E}, PMUSERENR_EL0.{CR,EN} */
#define PMCR_LC		BIT(6)
#define PMCR_E		BIT(0)
#define PMUSERENR_CR	BIT(2)
#define PMUSERENR_EN	BIT(0)

/**
 * struct bench - an open file
 * @edu: the first device, NULL if there is none
 * @next: the one that the next SVA subscriber gets
 * @mn: a subscriber of another kind, if it has an mm
 * @mni: an interval notifier, if it has an mm
 * @prod: the SMMU's command queue has been read up to here
 */
struct bench {
	struct edu *edu;
	struct edu *next;
	struct mmu_notifier mn;
	struct mmu_interval_notifier mni;
	u32 prod;
};

static int bench_start(struct mmu_notifier *mn,
		       const struct mmu_notifier_range *range)
{
	return 0;
}

static void bench_end(struct mmu_notifier *mn,
		      const struct mmu_notifier_range *range)
{
}

static void bench_range(struct mmu_notifier *mn, struct mm_struct *mm,
			unsigned long start, unsigned long end)
{
}

static const struct mmu_notifier_ops bench_start_end_ops = {
	.invalidate_range_start	= bench_start,
	.invalidate_range_end	= bench_end,
};

static const struct mmu_notifier_ops bench_empty_ops = {
	.arch_invalidate_secondary_tlbs	= bench_range,
};

static bool bench_interval(struct mmu_interval_notifier *mni,
			   const struct mmu_notifier_range *range,
			   unsigned long cur_seq)
{
	mmu_interval_set_seq(mni, cur_seq);
	return true;
}

static const struct mmu_interval_notifier_ops bench_interval_ops = {
	.invalidate		= bench_interval,
};

static int bench_subscribe(struct bench *b, u32 who)
{
	int ret;

	switch (who) {
	case STLB_BENCH_START_END:
	case STLB_BENCH_EMPTY:
		if (b->mn.mm)
			return -EBUSY;
		b->mn.ops = who == STLB_BENCH_EMPTY ? &bench_empty_ops :
						      &bench_start_end_ops;
		return mmu_notifier_register(&b->mn, current->mm);
	case STLB_BENCH_INTERVAL:
		if (b->mni.mm)
			return -EBUSY;
		ret = mmu_interval_notifier_insert(&b->mni, current->mm, 0,
						   TASK_SIZE, &bench_interval_ops);
		if (ret)
			b->mni.mm = NULL;
		return ret;
	case STLB_BENCH_SVA:
		if (!b->next)
			return -ENODEV;
		ret = edu_bind(b->next, current->mm);
		if (!ret)
			b->next = edu_next(b->next);
		return ret;
	}
	return -EINVAL;
}

static struct arm_smmu_queue *bench_cmdq(struct bench *b)
{
	struct arm_smmu_master *master = dev_iommu_priv_get(&edu_pdev(b->edu)->dev);

	return &master->smmu->cmdq.q;
}

/*
 * The queue is a ring that QEMU reads at once, and that is large enough for what
 * was read to be there still. PROD counts with one bit more than an index has.
 */
static int bench_take_cmds(struct bench *b, struct stlb_bench_cmds __user *to)
{
	struct arm_smmu_queue *q;
	u32 prod, mask;
	u64 nr = 0;

	if (!b->edu)
		return -ENODEV;
	q = bench_cmdq(b);
	prod = READ_ONCE(q->llq.prod);
	mask = (1U << (q->llq.max_n_shift + 1)) - 1;
	for (; (b->prod ^ prod) & mask; b->prod++, nr++) {
		if (nr == STLB_BENCH_MAX_CMDS ||
		    nr == 1ULL << q->llq.max_n_shift) {
			b->prod = prod;
			return -EOVERFLOW;
		}
		if (copy_to_user(to->cmd[nr], Q_ENT(q, b->prod),
				 sizeof(to->cmd[nr])))
			return -EFAULT;
	}
	return put_user(nr, &to->nr);
}

/* Of its own, so that nobody else's grace period is in the way. */
DEFINE_STATIC_SRCU(bench_srcu);

static int bench_time_srcu(u64 __user *arg)
{
	u64 pairs, i, t[3];
	int idx;

	if (get_user(pairs, arg))
		return -EFAULT;
	t[0] = read_sysreg(pmccntr_el0);
	for (i = 0; i < pairs; i++) {
		idx = srcu_read_lock(&bench_srcu);
		barrier();
		srcu_read_unlock(&bench_srcu, idx);
	}
	t[1] = read_sysreg(pmccntr_el0);
	for (i = 0; i < pairs; i++)
		barrier();
	t[2] = read_sysreg(pmccntr_el0);
	return put_user((t[1] - t[0]) - (t[2] - t[1]), arg);
}

static long bench_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct bench *b = file->private_data;
	void __user *to = (void __user *)arg;
	u32 who;

	switch (cmd) {
	case STLB_BENCH_SUBSCRIBE:
		return get_user(who, (u32 __user *)to) ?: bench_subscribe(b, who);
	case STLB_BENCH_TAKE_CMDS:
		return bench_take_cmds(b, to);
	case STLB_BENCH_SRCU:
		return bench_time_srcu(to);
	}
	return -ENOTTY;
}

static int bench_open(struct inode *inode, struct file *file)
{
	struct bench *b = kzalloc(sizeof(*b), GFP_KERNEL);
	const char *why;

	if (!b)
		return -ENOMEM;
	why = edu_open(&b->edu);
	if (why)
		pr_info("secondary_tlb_bench: %s\n", why);
	else
		b->prod = READ_ONCE(bench_cmdq(b)->llq.prod);
	b->next = b->edu;
	file->private_data = b;

	/*
	 * The cycle counter, for all exception levels of Linux and for user
	 * space.
	 */
	write_sysreg(0, pmccfiltr_el0);
	write_sysreg(BIT(31), pmcntenset_el0);
	write_sysreg(PMCR_LC | PMCR_E, pmcr_el0);
	write_sysreg(PMUSERENR_CR | PMUSERENR_EN, pmuserenr_el0);
	isb();
	return 0;
}

static int bench_release(struct inode *inode, struct file *file)
{
	struct bench *b = file->private_data;
	struct edu *edu;

	if (b->mn.mm)
		mmu_notifier_unregister(&b->mn, b->mn.mm);
	if (b->mni.mm)
		mmu_interval_notifier_remove(&b->mni);
	for (edu = b->edu; edu; edu = edu_next(edu))
		edu_unbind(edu);
	mmu_notifier_synchronize();
	if (b->edu)
		edu_close(b->edu);
	kfree(b);
	return 0;
}

static const struct file_operations bench_fops = {
	.open		= bench_open,
	.release	= bench_release,
	.unlocked_ioctl	= bench_ioctl,
};

static struct miscdevice bench_device = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "secondary_tlb_bench",
	.fops	= &bench_fops,
};

builtin_misc_device(bench_device);
