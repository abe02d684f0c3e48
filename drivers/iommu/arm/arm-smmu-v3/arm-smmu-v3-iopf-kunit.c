// SPDX-License-Identifier: GPL-2.0-only
/*
 * I/O page faults that are being handled while their domain is detached, on the driver's
 * own operations over a modelled SMMU. The test reports the faults in the place of the
 * event queue's thread, and keeps the responses.
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/iommu.h>
#include <linux/irq.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/secondary_tlb_compat.h>
#include <linux/secondary_tlb_kunit.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "arm-smmu-v3.h"
#include "arm-smmu-v3-sva-lab.h"

#define IOPF_SUITE	"smmuv3_iopf"
#define IOPF_INDEX	64		/* StreamIDs that no other suite has */
#define IOPF_COOKIE	0x5a17c0de
#define IOPF_SHORT	(3 * HZ)	/* a detach that does not wait is done by then */
#define IOPF_LONG	(30 * HZ)

#if STLB_BEFORE(6, 9)
/* The groups of faults belong to the fault queue, and the driver has one domain. */
static const char * const iopf_skip = "faults have no handler of a domain here";

static void iopf_skipped(struct kunit *test)
{
	kunit_skip(test, "%s", iopf_skip);
}

#define unbind_waits_for_handler	iopf_skipped
#define unbind_waits_for_process	iopf_skipped
#define unbind_drains_events		iopf_skipped
#define remove_keeps_group		iopf_skipped

static struct kunit_case iopf_test_cases[] = {
	KUNIT_CASE(unbind_waits_for_handler),
	KUNIT_CASE(unbind_waits_for_process),
	KUNIT_CASE(unbind_drains_events),
	KUNIT_CASE(remove_keeps_group),
	{}
};

static struct kunit_suite iopf_test_suite = {
	.name		= IOPF_SUITE,
	.test_cases	= iopf_test_cases,
};
#else

/*
 * @run: a process that is bound to the device; @pages: what it has mapped
 * @smmu: the SMMU; @consumer: the thread that executes its commands
 * @ops: the driver's operations, but @ops.page_response
 * @dev: the device; @queue: its fault queue
 * @work: handles @group in the place of the domain's handler, until @go_on. @entered: it
 *	has begun. @asid_lock: it got the lock that arm_smmu_mm_release() takes.
 * @answers: responses so far; @code: the last one
 * @unbinder: the thread that unbinds; @unbound: it has returned from that
 * @irq: the interrupt of the event queue; @record: the queue has a record
 */
struct iopf_test {
	struct kunit *test;
	struct stlb_run run;
	struct sva_smmu *smmu;
	struct task_struct *consumer;
	struct iommu_ops ops;
	struct arm_smmu_master *master;
	struct device *dev;
	struct iopf_queue *queue;
	struct work_struct work;
	struct iopf_group *group;
	struct completion entered;
	struct completion go_on;
	bool asid_lock;
	atomic_t answers;
	int code;
	struct task_struct *unbinder;
	struct completion unbound;
	bool bound;
	int irq;
	bool record;
};

/* The operation has no argument that leads to a test. One case runs at a time. */
static struct iopf_test *iopf_now;

static void iopf_response(struct device *dev, struct iopf_fault *evt,
			  struct iommu_page_response *resp)
{
	struct iopf_test *t = iopf_now;

	t->code = resp->code;
	atomic_inc(&t->answers);
}

static int iopf_consume(void *data)
{
	struct iopf_test *t = data;

	while (!kthread_should_stop()) {
		if (!smmu_model_consume(&t->smmu->model))
			usleep_range(20, 40);
		cond_resched();
	}
	return 0;
}

static struct iommu_domain *iopf_domain(struct iopf_test *t)
{
	return list_first_entry_or_null(&t->run.mm->iommu_mm->sva_domains,
					struct iommu_domain, next);
}

static void iopf_report(struct iopf_test *t)
{
	struct iopf_fault evt = {
		.fault = {
			.type	= IOMMU_FAULT_PAGE_REQ,
			.prm	= {
				.flags	= IOMMU_FAULT_PAGE_REQUEST_PASID_VALID |
					  IOMMU_FAULT_PAGE_REQUEST_LAST_PAGE,
				.pasid	= sva_pasid(t->run.mm),
				.grpid	= 1,
				.perm	= IOMMU_FAULT_PERM_READ,
				.addr	= t->run.start,
			},
		},
	};

	iommu_report_device_fault(t->dev, &evt);
}

/* A fault handler that takes its time, and touches nothing that may have been freed. */
static void iopf_work(struct work_struct *work)
{
	struct iopf_test *t = container_of(work, struct iopf_test, work);
	unsigned long end = jiffies + IOPF_LONG;

	complete(&t->entered);
	wait_for_completion_timeout(&t->go_on, IOPF_LONG);
	/* As if it dropped the last reference to an mm */
	while (!t->asid_lock && time_before(jiffies, end)) {
		t->asid_lock = mutex_trylock(&arm_smmu_asid_lock);
		usleep_range(1000, 2000);
	}
	if (t->asid_lock)
		mutex_unlock(&arm_smmu_asid_lock);
	if (completion_done(&t->unbound) || !t->group)
		return;
	iopf_group_response(t->group, IOMMU_PAGE_RESP_SUCCESS);
	iopf_free_group(t->group);
}

static int iopf_slow_handler(struct iopf_group *group)
{
	struct iopf_test *t = iopf_now;

	t->group = group;
	queue_work(group->fault_param->queue->wq, &t->work);
	return 0;
}

/* A handler that leaves the group to the case. */
static int iopf_no_handler(struct iopf_group *group)
{
	iopf_now->group = group;
	return 0;
}

static int iopf_unbind(void *data)
{
	struct iopf_test *t = data;

	sva_smmu_unbind(t->smmu, t->run.mm);
	complete_all(&t->unbound);
	while (!kthread_should_stop())
		usleep_range(1000, 2000);
	return 0;
}

static void iopf_start_unbind(struct iopf_test *t)
{
	struct task_struct *task = kthread_run(iopf_unbind, t, "iopf_unbind");

	KUNIT_ASSERT_FALSE(t->test, IS_ERR(task));
	t->unbinder = task;
	t->bound = false;
}

static void iopf_bind(struct iopf_test *t)
{
	KUNIT_ASSERT_EQ(t->test, 0, sva_smmu_bind(t->smmu, t->run.mm));
	t->bound = true;
	KUNIT_ASSERT_NOT_NULL(t->test, iopf_domain(t));
}

static void unbind_waits_for_handler(struct kunit *test)
{
	struct iopf_test *t = test->priv;
	bool early;

	iopf_bind(t);
	iopf_domain(t)->iopf_handler = iopf_slow_handler;
	iopf_report(t);
	KUNIT_ASSERT_TRUE(test, wait_for_completion_timeout(&t->entered, IOPF_LONG));
	iopf_start_unbind(t);
	early = wait_for_completion_timeout(&t->unbound, IOPF_SHORT);
	complete(&t->go_on);
	flush_work(&t->work);
	KUNIT_ASSERT_TRUE(test, wait_for_completion_timeout(&t->unbound, IOPF_LONG));

	KUNIT_EXPECT_TRUE(test, t->asid_lock);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->answers), 1);
	stlb_verdict_word(test, IOPF_SUITE, early ? "freed" : NULL,
			  "unbind returned %s the fault was handled",
			  early ? "before" : "after");
}

/* The same with the kernel's own handler, which waits for the mmap_lock. */
static void unbind_waits_for_process(struct kunit *test)
{
	struct iopf_test *t = test->priv;
	bool early;

	if (!IS_ENABLED(CONFIG_KASAN))
		kunit_skip(test, "without KASAN a kernel that does not wait crashes");
	iopf_bind(t);
	mmap_write_lock(t->run.mm);
	iopf_report(t);
	/* The worker is at the lock by then, or later. */
	msleep(100);
	iopf_start_unbind(t);
	early = wait_for_completion_timeout(&t->unbound, IOPF_SHORT);
	mmap_write_unlock(t->run.mm);
	KUNIT_EXPECT_TRUE(test, wait_for_completion_timeout(&t->unbound, IOPF_LONG));
	flush_workqueue(t->queue->wq);

	KUNIT_EXPECT_EQ(test, atomic_read(&t->answers), 1);
	stlb_verdict_word(test, IOPF_SUITE, early ? "freed" : NULL,
			  "unbind returned %s the fault was handled",
			  early ? "before" : "after");
}

static irqreturn_t iopf_irq_thread(int irq, void *data)
{
	struct iopf_test *t = iopf_now;

	if (xchg(&t->record, false))
		iopf_report(t);
	return IRQ_HANDLED;
}

static int iopf_request_irq(struct iopf_test *t)
{
	int irq, ret;

	irq = irq_alloc_descs(-1, 1, 1, NUMA_NO_NODE);
	if (irq < 0)
		return irq;
	irq_set_chip_and_handler(irq, &dummy_irq_chip, handle_simple_irq);
	ret = request_threaded_irq(irq, NULL, iopf_irq_thread, IRQF_ONESHOT,
				   "iopf_kunit", t->smmu->smmu);
	if (ret) {
		irq_free_descs(irq, 1);
		return ret;
	}
	t->irq = irq;
	t->smmu->smmu->evtq.q.irq = irq;
	return 0;
}

static void iopf_free_irq(struct iopf_test *t)
{
	if (!t->irq)
		return;
	t->smmu->smmu->evtq.q.irq = 0;
	free_irq(t->irq, t->smmu->smmu);
	irq_free_descs(t->irq, 1);
	t->irq = 0;
}

/* The SMMU has written a record, and the thread of the event queue has not run yet. */
static void unbind_drains_events(struct kunit *test)
{
	struct iopf_test *t = test->priv;
	bool drained;

	KUNIT_ASSERT_EQ(test, 0, iopf_request_irq(t));
	iopf_bind(t);
	WRITE_ONCE(t->record, true);
	sva_smmu_unbind(t->smmu, t->run.mm);
	t->bound = false;
	drained = !xchg(&t->record, false);

	KUNIT_EXPECT_EQ(test, atomic_read(&t->answers), drained);
	stlb_verdict_word(test, IOPF_SUITE, drained ? NULL : "freed",
			  "unbind %s the event queue", drained ? "drains" : "leaves");
}

/* A device leaves its queue while the handler has a group of it. */
static void remove_keeps_group(struct kunit *test)
{
	struct iopf_test *t = test->priv;
	bool freed;

	if (!IS_ENABLED(CONFIG_KASAN) && !IS_ENABLED(CONFIG_SLUB_DEBUG_ON))
		kunit_skip(test, "needs KASAN or SLUB_DEBUG_ON to see what is freed");
	iopf_bind(t);
	iopf_domain(t)->iopf_handler = iopf_no_handler;
	iopf_report(t);
	KUNIT_ASSERT_NOT_NULL(test, t->group);
	t->group->cookie = IOPF_COOKIE;

	iopf_queue_remove_device(t->queue, t->dev);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->answers), 1);
	KUNIT_EXPECT_EQ(test, t->code, IOMMU_PAGE_RESP_INVALID);
	freed = READ_ONCE(t->group->cookie) != IOPF_COOKIE;
	if (!freed) {
		/* The device has its answer. */
		iopf_group_response(t->group, IOMMU_PAGE_RESP_SUCCESS);
		KUNIT_EXPECT_EQ(test, atomic_read(&t->answers), 1);
		iopf_free_group(t->group);
	}
	/* The driver will remove it as well. */
	KUNIT_ASSERT_EQ(test, 0, iopf_queue_add_device(t->queue, t->dev));
	stlb_verdict_word(test, IOPF_SUITE, freed ? "freed" : NULL,
			  "the group is %s", freed ? "freed" : "there");
}

/* A device that firmware describes as able to stall */
static int iopf_enable(struct iopf_test *t)
{
	struct arm_smmu_master_domain *master_domain;
	struct arm_smmu_domain *smmu_domain;
	int ret;

	/* The SMMU's only device is on the list of any domain that is bound. */
	ret = sva_smmu_bind(t->smmu, t->run.mm);
	if (ret)
		return ret;
	smmu_domain = to_smmu_domain(iopf_domain(t));
	master_domain = list_first_entry(&smmu_domain->devices,
					 struct arm_smmu_master_domain,
					 devices_elm);
	t->master = master_domain->master;
	t->dev = t->master->dev;
	sva_smmu_unbind(t->smmu, t->run.mm);

	if (!t->smmu->smmu->evtq.iopf) {
		t->queue = iopf_queue_alloc("iopf_kunit");
		if (!t->queue)
			return -ENOMEM;
		t->smmu->smmu->evtq.iopf = t->queue;
	}
	t->queue = t->smmu->smmu->evtq.iopf;
	t->smmu->smmu->features |= ARM_SMMU_FEAT_STALLS;
	t->master->stall_enabled = true;
#if STLB_IOPF_FEATURES
	t->master->iopf_enabled = true;
	ret = t->ops.dev_enable_feat(t->dev, IOMMU_DEV_FEAT_SVA);
#endif
	return ret;
}

static void iopf_disable(struct iopf_test *t)
{
	if (!t->master || !t->master->stall_enabled)
		return;
#if STLB_IOPF_FEATURES
	t->ops.dev_disable_feat(t->dev, IOMMU_DEV_FEAT_SVA);
#endif
	t->master->stall_enabled = false;
}

static int iopf_test_init(struct kunit *test)
{
	struct iopf_test *t;
	int ret;

	if (num_online_cpus() < 2)
		kunit_skip(test, "one CPU is the SMMU: boot with two or more");
	t = kzalloc(sizeof(*t), GFP_KERNEL);
	if (!t)
		return -ENOMEM;
	t->smmu = kvzalloc(sizeof(*t->smmu), GFP_KERNEL);
	if (!t->smmu) {
		kfree(t);
		return -ENOMEM;
	}
	test->priv = t;
	t->test = test;
	iopf_now = t;
	init_completion(&t->entered);
	init_completion(&t->go_on);
	init_completion(&t->unbound);
	INIT_WORK(&t->work, iopf_work);
	t->ops = *sva_iommu_ops;
	t->ops.page_response = iopf_response;
	stlb_run_init(&t->run, test);
	/* Its thread ends while KUnit cleans up, and would take it along. */
	mmget(t->run.mm);

	t->smmu->config = (struct sva_config){
		.range_inv = true, .masters = 1, .streams = 1,
	};
	ret = sva_smmu_init(t->smmu, IOPF_INDEX);
	if (ret)
		return ret;
	t->smmu->smmu->iommu.ops = &t->ops;
	t->consumer = kthread_run(iopf_consume, t, "smmu_model");
	if (IS_ERR(t->consumer)) {
		ret = PTR_ERR(t->consumer);
		t->consumer = NULL;
		return ret;
	}
	ret = iopf_enable(t);
	if (!ret)
		stlb_map_written(&t->run, STLB_PTE, false);
	return ret;
}

static void iopf_test_exit(struct kunit *test)
{
	struct iopf_test *t = test->priv;

	if (!t)
		return;
	complete_all(&t->go_on);
	if (t->unbinder)
		kthread_stop(t->unbinder);
	flush_work(&t->work);
	if (t->bound)
		sva_smmu_unbind(t->smmu, t->run.mm);
	iopf_disable(t);
	iopf_free_irq(t);
	if (t->consumer) {
		sva_smmu_unbind_all(t->smmu);
		kthread_stop(t->consumer);
	}
	if (t->smmu->smmu && t->queue && t->smmu->smmu->evtq.iopf == t->queue) {
		t->smmu->smmu->evtq.iopf = NULL;
		iopf_queue_free(t->queue);
	}
	sva_smmu_exit(t->smmu);
	mmput(t->run.mm);
	stlb_run_exit(&t->run);
	kvfree(t->smmu);
	kfree(t);
}

static struct kunit_case iopf_test_cases[] = {
	KUNIT_CASE(unbind_waits_for_handler),
	KUNIT_CASE(unbind_waits_for_process),
	KUNIT_CASE(unbind_drains_events),
	KUNIT_CASE(remove_keeps_group),
	{}
};

static struct kunit_suite iopf_test_suite = {
	.name		= IOPF_SUITE,
	.init		= iopf_test_init,
	.exit		= iopf_test_exit,
	.test_cases	= iopf_test_cases,
};
#endif

kunit_test_suite(iopf_test_suite);
