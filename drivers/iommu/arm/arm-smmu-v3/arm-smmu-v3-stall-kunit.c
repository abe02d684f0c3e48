// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faults that a device waits for, over modelled SMMUs and through all of the kernel's
 * own code: the SMMU stalls the access and records an event, the driver's thread of the
 * event queue reports it, a workqueue handles it, and the response is a CMD_RESUME,
 * after which the device tries again.
 *
 * One thread on a CPU of its own is the hardware, see arm-smmu-v3-model.c.
 */
#include <kunit/test.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/sched/mm.h>
#include <linux/secondary_tlb_compat.h>
#include <linux/secondary_tlb_kunit.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/unistd.h>

#include "arm-smmu-v3-sva-lab.h"

#define STALL_SUITE	"smmuv3_stall"

/* SMMUs, and devices behind all of them. */
#define STALL_SMMUS	4
#define STALL_DEVICES	(STALL_SMMUS * SVA_MASTERS)

/* A device that is answered with success that often, and refused again, is stuck. */
#define STALL_ENDLESS	10

/* Where nothing is mapped. */
#define STALL_UNMAPPED	0x7f0000000000UL

/* What takes longer than this does not happen. It is no time that anything takes. */
#define STALL_SECONDS	60

/* What an access ends in, besides events: the answer was to terminate it. */
#define STALL_ABORTED	0x200
#define STALL_IGNORED	0x201

struct stall_device {
	struct sva_smmu *s;
	struct smmu_model_stream *stream;
	unsigned int master;
};

/* What stays from case to case. Only the thread of the running case uses it. */
static struct {
	struct sva_smmu *smmu[STALL_SMMUS];
	struct stall_device dev[STALL_DEVICES];
	unsigned int nr_devs;
	struct task_struct *consumer;
	struct cpumask cpus;
	const char *skip;
} fixture;

/**
 * struct stall_test - a case
 * @run: the address space
 * @dev: all devices as one
 * @kept: the process lives until all is unbound
 * @answers: answers that devices got
 */
struct stall_test {
	struct stlb_run run;
	struct stlb_device dev;
	bool kept;
	unsigned long answers;
};

/**
 * struct stall_access - an access by a device
 * @dev: the device
 * @mm: the address space
 * @dma: the access
 * @event: how its last try went: 0, an event, %SMMU_MODEL_STALLED, %STALL_ABORTED, ...
 * @answers: answers to try again, so far
 * @stall: what the model has of it while it stalls
 */
struct stall_access {
	struct stall_device *dev;
	struct mm_struct *mm;
	struct smmu_model_dma dma;
	int event;
	unsigned int answers;
	struct smmu_model_stall *stall;
};

static int stall_consumer(void *data)
{
	unsigned int i, idle = 0;

	while (!kthread_should_stop()) {
		idle++;
		for (i = 0; i < STALL_SMMUS; i++)
			if (smmu_model_consume(&fixture.smmu[i]->model))
				idle = 0;
		if (idle > 100)
			usleep_range(20, 40);
		else
			cond_resched();
	}
	return 0;
}

static void stall_suite_exit(struct kunit_suite *suite)
{
	unsigned int i;

	if (fixture.consumer)
		kthread_stop(fixture.consumer);
	fixture.consumer = NULL;
	for (i = 0; i < STALL_SMMUS; i++) {
		if (!fixture.smmu[i])
			continue;
		sva_smmu_exit(fixture.smmu[i]);
		kvfree(fixture.smmu[i]);
		fixture.smmu[i] = NULL;
	}
}

static int stall_smmu_init(struct sva_smmu *s, unsigned int i)
{
	unsigned int j;
	int ret;

	s->config = (struct sva_config){
		.stall		= true,
		.range_inv	= i & 1,
		.e2h		= i & 2,
		.msi		= i & 2,
		.masters	= i & 1 ? 2 : 1,
		.streams	= 1,
	};
	s->cpus = &fixture.cpus;
	ret = sva_smmu_init(s, 0x40 + i);
	for (j = 0; j < s->config.masters && !ret; j++)
		fixture.dev[fixture.nr_devs++] = (struct stall_device){
			.s = s, .stream = &s->model.stream[j], .master = j,
		};
	return ret;
}

static int stall_suite_init(struct kunit_suite *suite)
{
	unsigned int i, cpu = cpumask_last(cpu_online_mask);
	struct task_struct *task;
	int ret = 0;

	fixture.skip = NULL;
	fixture.nr_devs = 0;
	if (num_online_cpus() < 2) {
		fixture.skip = "a CPU that waits for the SMMU cannot be it: boot with two or more";
		return 0;
	}
	cpumask_copy(&fixture.cpus, cpu_online_mask);
	cpumask_clear_cpu(cpu, &fixture.cpus);

	for (i = 0; i < STALL_SMMUS && !ret; i++) {
		fixture.smmu[i] = kvzalloc(sizeof(*fixture.smmu[i]), GFP_KERNEL);
		ret = fixture.smmu[i] ? stall_smmu_init(fixture.smmu[i], i) : -ENOMEM;
	}
	if (!ret) {
		task = kthread_create(stall_consumer, NULL, "smmu_model");
		ret = PTR_ERR_OR_ZERO(task);
	}
	if (ret) {
		/* KUnit does not, when init has failed. */
		stall_suite_exit(suite);
		return ret;
	}
	kthread_bind(task, cpu);
	fixture.consumer = task;
	wake_up_process(task);
	return 0;
}

/* One try. The mmap_lock is held. */
static void stall_try_locked(struct stall_access *a)
{
	a->dma.ssv = true;
	a->dma.ssid = sva_pasid(a->mm);
	a->event = smmu_model_dma(&a->dev->s->model, a->dev->stream, &a->dma,
				  &a->stall);
}

static void stall_try(struct stall_access *a)
{
	mmap_read_lock(a->mm);
	stall_try_locked(a);
	mmap_read_unlock(a->mm);
}

/* The same by a device that does not wait: refused or not, it ends here. */
static void stall_try_once(struct stall_access *a)
{
	mmap_read_lock(a->mm);
	a->event = smmu_model_access(&a->dev->s->model, a->dev->stream,
				     sva_pasid(a->mm), a->dma.va, a->dma.write,
				     &a->dma.val);
	mmap_read_unlock(a->mm);
}

/* Wait for the answer to a stall. Returns whether it is to try again. */
static bool stall_wait(struct stall_access *a)
{
	if (a->event != SMMU_MODEL_STALLED ||
	    !wait_for_completion_timeout(&a->stall->answered, STALL_SECONDS * HZ))
		return false;
	switch (smmu_model_end_stall(&a->dev->s->model, a->stall)) {
	case SMMU_MODEL_RETRY:
		a->answers++;
		return true;
	case SMMU_MODEL_IGNORE:
		a->event = STALL_IGNORED;
		return false;
	default:
		a->event = STALL_ABORTED;
		return false;
	}
}

/* Go on with an access that has been tried, for as many answers as @limit. */
static int stall_go_on(struct stall_access *a, unsigned int limit)
{
	while (stall_wait(a)) {
		if (a->answers == limit)
			stall_try_once(a);
		else
			stall_try(a);
	}
	return a->event;
}

static int stall_access(struct stall_access *a, unsigned int limit)
{
	a->answers = 0;
	stall_try(a);
	return stall_go_on(a, limit);
}

static int stall_read(struct stall_device *dev, struct mm_struct *mm,
		      unsigned long va, u32 *val, unsigned int *answers)
{
	struct stall_access a = { .dev = dev, .mm = mm, .dma = { .va = va } };
	int event = stall_access(&a, STALL_ENDLESS);

	*val = a.dma.val;
	*answers = a.answers;
	return event;
}

static int stall_write(struct stall_device *dev, struct mm_struct *mm,
		       unsigned long va, u32 val, unsigned int *answers)
{
	struct stall_access a = {
		.dev = dev, .mm = mm, .dma = { .va = va, .write = true, .val = val },
	};
	int event = stall_access(&a, STALL_ENDLESS);

	*answers = a.answers;
	return event;
}

/*
 * Nothing is left behind: no access that waits, no fault that the kernel means to answer
 * later. The kernel may still be at the end of an answer that the device has got.
 */
static void stall_expect_idle(struct kunit *test)
{
	unsigned long limit = jiffies + STALL_SECONDS * HZ;
	unsigned int i;

	for (i = 0; i < STALL_SMMUS; i++) {
		struct sva_smmu *s = fixture.smmu[i];

		while (sva_smmu_faults(s) && time_before(jiffies, limit))
			usleep_range(1000, 2000);
		KUNIT_EXPECT_EQ_MSG(test, sva_smmu_faults(s), 0, "%s", s->name);
		KUNIT_EXPECT_EQ_MSG(test, smmu_model_stalls(&s->model), 0, "%s",
				    s->name);
		KUNIT_EXPECT_EQ_MSG(test, s->model.errors, 0, "%s: %s", s->name,
				    s->model.error);
		s->model.errors = 0;
	}
}

static void stall_bind(struct kunit *test, struct sva_smmu *s, struct mm_struct *mm)
{
	KUNIT_ASSERT_EQ_MSG(test, 0, sva_smmu_bind(s, mm), "%s", s->name);
}

static void stall_bind_all(struct kunit *test)
{
	struct stall_test *t = test->priv;
	unsigned int i;

	for (i = 0; i < STALL_SMMUS; i++)
		stall_bind(test, fixture.smmu[i], t->run.mm);
}

/* All devices as a device of the scenarios. */
static struct stall_test *stall_of(struct stlb_device *dev)
{
	return container_of(dev, struct stall_test, dev);
}

static int stall_access_all(struct stlb_device *dev, unsigned long va, bool write,
			    u32 *val)
{
	struct stall_test *t = stall_of(dev);
	struct stall_access a;
	u32 seen = *val;
	unsigned int i;
	int ret = 0;

	for (i = 0; i < fixture.nr_devs; i++) {
		a = (struct stall_access){
			.dev = &fixture.dev[i], .mm = t->run.mm,
			.dma = { .va = va, .write = write, .val = *val },
		};
		if (stall_access(&a, STLB_RETRIES))
			ret = -EFAULT;
		t->answers += a.answers;
		if (ret)
			continue;
		if (i && a.dma.val != seen)
			ret = -EIO;
		seen = a.dma.val;
	}
	*val = seen;
	return ret;
}

static int stall_read_all(struct stlb_device *dev, unsigned long va, u32 *val)
{
	return stall_access_all(dev, va, false, val);
}

static int stall_write_all(struct stlb_device *dev, unsigned long va, u32 val)
{
	return stall_access_all(dev, va, true, &val);
}

static unsigned long stall_requests(struct stlb_device *dev)
{
	return stall_of(dev)->answers;
}

/* What the SMMUs hold is for smmuv3_sva to see: here it counts what devices see. */
static const struct stlb_device_ops stall_dev_ops = {
	.name		= STALL_SUITE,
	.read		= stall_read_all,
	.write		= stall_write_all,
	.requests	= stall_requests,
};

/*
 * The endless loop as it was reported: a device may write, and its SMMU has a read-only
 * entry cached. The access stalls, the kernel handles the fault and answers with success,
 * the device tries again, and the access stalls again. The case counts the answers for
 * each device until its write succeeds, and gives up after %STALL_ENDLESS of them.
 */
static void stall_test_endless(struct kunit *test,
			       const struct stlb_scenario *scenario)
{
	unsigned int i, answers, total = 0, stuck = 0, retried = 0;
	struct stall_test *t = test->priv;
	struct stlb_run *run = &t->run;
	u32 val;
	int event;

	stall_bind_all(test);
	stlb_map(run, scenario);
	for (i = 0; i < fixture.nr_devs; i++) {
		event = stall_read(&fixture.dev[i], run->mm, run->start, &val, &answers);
		KUNIT_ASSERT_EQ_MSG(test, event, 0, "%s", fixture.dev[i].s->name);
		KUNIT_ASSERT_EQ_MSG(test, answers, 0, "%s", fixture.dev[i].s->name);
	}
	for (i = 0; i < STALL_SMMUS; i++)
		fixture.smmu[i]->model.answers[SMMU_MODEL_RETRY] = 0;

	for (i = 0; i < fixture.nr_devs; i++) {
		event = stall_write(&fixture.dev[i], run->mm, run->start, ~val,
				    &answers);
		total += answers;
		if (!event)
			continue;
		/* Nothing but this makes a case one of those that are looked for. */
		KUNIT_EXPECT_EQ(test, event, SMMU_MODEL_F_PERMISSION);
		KUNIT_EXPECT_EQ(test, answers, STALL_ENDLESS);
		stuck++;
	}
	if (stuck < fixture.nr_devs)
		KUNIT_EXPECT_EQ(test, stlb_cpu_read(run, run->start), ~val);
	/* One upgrade is one answer, and the others find it done. */
	if (!stuck)
		KUNIT_EXPECT_EQ(test, total, 1);
	for (i = 0; i < STALL_SMMUS; i++)
		retried += fixture.smmu[i]->model.answers[SMMU_MODEL_RETRY];
	KUNIT_EXPECT_EQ_MSG(test, retried, total, "what the SMMUs got, and devices saw");
	/* The answer is for all of the translation. */
	for (i = 1; i < stlb_triggers(run) && !stuck; i++) {
		event = stall_write(&fixture.dev[i % fixture.nr_devs], run->mm,
				    stlb_trigger(run, i), 0x77777777, &answers);
		KUNIT_EXPECT_EQ(test, event, 0);
		KUNIT_EXPECT_EQ(test, answers, 0);
	}
	stall_expect_idle(test);
	stlb_verdict(test, STALL_SUITE, stuck,
		     "%u of %u devices stuck, %u faults answered with success", stuck,
		     fixture.nr_devs, total);
}

static void endless_fault_pte(struct kunit *test)
{
	stall_test_endless(test, &stlb_scenarios[STLB_shm_request_pte]);
}

static void endless_fault_pmd(struct kunit *test)
{
	stall_test_endless(test, &stlb_scenarios[STLB_thp_free_request_pmd]);
}

static void endless_fault_hugetlb_cont_pte(struct kunit *test)
{
	stall_test_endless(test, &stlb_scenarios[STLB_hugetlb_request_cont_pte]);
}

static void endless_fault_hugetlb_pmd(struct kunit *test)
{
	stall_test_endless(test, &stlb_scenarios[STLB_hugetlb_request_pmd]);
}

static void endless_fault_hugetlb_cont_pmd(struct kunit *test)
{
	stall_test_endless(test, &stlb_scenarios[STLB_hugetlb_request_cont_pmd]);
}

static void endless_fault_hugetlb_pud(struct kunit *test)
{
	stall_test_endless(test, &stlb_scenarios[STLB_hugetlb_request_pud]);
}

/*
 * The TLBI completes before the CMD_RESUME is sent. Otherwise the SMMU may try again with
 * the entry by which the access has failed.
 */
static void answer_follows_sync(struct kunit *test)
{
	struct stall_device *dev = &fixture.dev[0];
	struct smmu_model *m = &dev->s->model;
	struct stall_test *t = test->priv;
	struct stlb_run *run = &t->run;
	unsigned int i, answers, state = 0, resumes = 0;
	bool synced = false;
	u32 val;

	stall_bind(test, dev->s, run->mm);
	stlb_map(run, &stlb_scenarios[STLB_shm_request_pte]);
	KUNIT_ASSERT_EQ(test, 0, stall_read(dev, run->mm, run->start, &val, &answers));
	smmu_model_mark(m);
	stall_write(dev, run->mm, run->start, 1, &answers);
	for (i = 0; i < min_t(unsigned int, m->nr_log, ARRAY_SIZE(m->log)); i++) {
		switch (m->log[i].op) {
		case SMMU_MODEL_TLBI:
			state = 1;
			break;
		case SMMU_MODEL_SYNC:
			state = state ? 2 : 0;
			break;
		case SMMU_MODEL_RESUME:
			synced |= !resumes++ && state == 2;
			break;
		default:
			break;
		}
	}
	KUNIT_EXPECT_EQ(test, resumes, answers);
	stall_expect_idle(test);
	stlb_verdict(test, STALL_SUITE, !synced,
		     "the first of %u answers %s a TLBI and its CMD_SYNC", resumes,
		     synced ? "follows" : "comes without");
}

/* The thread that handles a fault waits for the mmap_lock, which the caller has. */
static bool stall_handler_waits(struct mm_struct *mm)
{
	unsigned long limit = jiffies + STALL_SECONDS * HZ;

	while (!mmap_lock_is_contended(mm) && time_before(jiffies, limit))
		usleep_range(500, 1000);
	return mmap_lock_is_contended(mm);
}

/*
 * All devices have the read-only entry cached, and stall twice each, before the first
 * fault is handled. One of them is an upgrade, and all others find it done: no answer is
 * given before the entry is gone from all SMMUs.
 */
static void duplicates_are_upgraded_once(struct kunit *test)
{
	static struct stall_access a[2 * STALL_DEVICES];
	unsigned int i, answers, stuck = 0, total = 0;
	struct stall_test *t = test->priv;
	struct stlb_run *run = &t->run;
	struct mm_struct *mm = run->mm;
	bool waits;
	u32 val;

	stall_bind_all(test);
	stlb_map(run, &stlb_scenarios[STLB_shm_request_pte]);
	for (i = 0; i < fixture.nr_devs; i++)
		KUNIT_ASSERT_EQ(test, 0, stall_read(&fixture.dev[i], mm, run->start,
						    &val, &answers));
	mmap_write_lock(mm);
	for (i = 0; i < 2 * fixture.nr_devs; i++) {
		a[i] = (struct stall_access){
			.dev = &fixture.dev[i / 2], .mm = mm,
			.dma = { .va = run->start + 4 * i, .write = true, .val = i },
		};
		stall_try_locked(&a[i]);
	}
	waits = stall_handler_waits(mm);
	mmap_write_unlock(mm);
	KUNIT_EXPECT_TRUE(test, waits);
	for (i = 0; i < 2 * fixture.nr_devs; i++) {
		int event = stall_go_on(&a[i], STALL_ENDLESS);

		total += a[i].answers;
		if (event == SMMU_MODEL_F_PERMISSION && a[i].answers == STALL_ENDLESS) {
			stuck++;
			continue;
		}
		KUNIT_EXPECT_EQ(test, event, 0);
		KUNIT_EXPECT_EQ(test, a[i].answers, 1);
		KUNIT_EXPECT_EQ(test, stlb_cpu_read(run, a[i].dma.va), i);
	}
	stall_expect_idle(test);
	stlb_verdict(test, STALL_SUITE, stuck, "%u of %u accesses stuck, %u answers",
		     stuck, i, total);
}

/* A page that nothing has touched, in a mapping of @pages. */
static unsigned long stall_mmap(struct kunit *test, unsigned long pages, int prot)
{
	long va = stlb_syscall(__NR_mmap, 0, pages * PAGE_SIZE, prot,
			       MAP_PRIVATE | MAP_ANONYMOUS);

	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR_VALUE(va), "mmap: %ld", va);
	return va;
}

#define STALL_RW	(PROT_READ | PROT_WRITE)

static void read_maps_page(struct kunit *test)
{
	struct stall_test *t = test->priv;
	unsigned int i, answers;
	unsigned long va;
	u32 val;

	stall_bind_all(test);
	va = stall_mmap(test, fixture.nr_devs, STALL_RW);
	for (i = 0; i < fixture.nr_devs; i++, va += PAGE_SIZE) {
		val = 1;
		KUNIT_EXPECT_EQ(test, 0, stall_read(&fixture.dev[i], t->run.mm, va,
						    &val, &answers));
		KUNIT_EXPECT_EQ(test, val, 0);
		KUNIT_EXPECT_EQ(test, answers, 1);
		/* The page of zeros is replaced. */
		KUNIT_EXPECT_EQ(test, 0, stall_write(&fixture.dev[i], t->run.mm, va,
						     i + 7, &answers));
		KUNIT_EXPECT_EQ(test, answers, 1);
		KUNIT_EXPECT_EQ(test, stlb_cpu_read(&t->run, va), i + 7);
	}
	stall_expect_idle(test);
}

static void write_maps_page(struct kunit *test)
{
	struct stall_test *t = test->priv;
	unsigned int i, answers;
	unsigned long va;

	stall_bind_all(test);
	va = stall_mmap(test, fixture.nr_devs, STALL_RW);
	for (i = 0; i < fixture.nr_devs; i++, va += PAGE_SIZE) {
		KUNIT_EXPECT_EQ(test, 0, stall_write(&fixture.dev[i], t->run.mm, va,
						     i + 7, &answers));
		KUNIT_EXPECT_EQ(test, answers, 1);
		KUNIT_EXPECT_EQ(test, stlb_cpu_read(&t->run, va), i + 7);
	}
	stall_expect_idle(test);
}

/* An instruction fetch needs a mapping that is executable, whether the page is there. */
static void exec_follows_mapping(struct kunit *test)
{
	struct stall_test *t = test->priv;
	struct stall_access a = {
		.dev = &fixture.dev[0], .mm = t->run.mm, .dma = { .exec = true },
	};
	unsigned long code, data;

	stall_bind_all(test);
	code = stall_mmap(test, 1, PROT_READ | PROT_EXEC);
	data = stall_mmap(test, 1, STALL_RW);

	a.dma.va = code;
	KUNIT_EXPECT_EQ(test, 0, stall_access(&a, STALL_ENDLESS));
	KUNIT_EXPECT_EQ(test, a.answers, 1);
	a.dma.va = data;
	KUNIT_EXPECT_EQ(test, STALL_ABORTED, stall_access(&a, STALL_ENDLESS));
	KUNIT_EXPECT_EQ(test, a.answers, 0);
	stlb_cpu_write(&t->run, data, 1);
	KUNIT_EXPECT_EQ(test, STALL_ABORTED, stall_access(&a, STALL_ENDLESS));
	KUNIT_EXPECT_EQ(test, a.answers, 0);
	stall_expect_idle(test);
}

/* Privileged accesses to what the process has mapped. The SMMU has no PAN. */
static void privileged_maps_page(struct kunit *test)
{
	struct stall_test *t = test->priv;
	struct stall_access a = {
		.dev = &fixture.dev[0], .mm = t->run.mm,
		.dma = { .priv = true, .val = 1 },
	};
	unsigned long va;

	stall_bind_all(test);
	va = stall_mmap(test, 2, STALL_RW);
	a.dma.va = va;
	KUNIT_EXPECT_EQ(test, 0, stall_access(&a, STALL_ENDLESS));
	KUNIT_EXPECT_EQ(test, a.answers, 1);
	KUNIT_EXPECT_EQ(test, a.dma.val, 0);
	a.dma = (struct smmu_model_dma){
		.priv = true, .write = true, .val = 5, .va = va + PAGE_SIZE,
	};
	KUNIT_EXPECT_EQ(test, 0, stall_access(&a, STALL_ENDLESS));
	KUNIT_EXPECT_EQ(test, a.answers, 1);
	KUNIT_EXPECT_EQ(test, stlb_cpu_read(&t->run, va + PAGE_SIZE), 5);
	stall_expect_idle(test);
}

/* The answer to a fault that the process may not make: the access ends, all else goes on. */
static void stall_test_refused(struct kunit *test, unsigned long va, bool write)
{
	struct stall_test *t = test->priv;
	unsigned int i, answers;
	unsigned long good;
	u32 val = 1;
	int event;

	stall_bind_all(test);
	good = stall_mmap(test, fixture.nr_devs, STALL_RW);
	for (i = 0; i < fixture.nr_devs; i++, good += PAGE_SIZE) {
		event = write ? stall_write(&fixture.dev[i], t->run.mm, va, 1, &answers) :
				stall_read(&fixture.dev[i], t->run.mm, va, &val, &answers);
		KUNIT_EXPECT_EQ(test, event, STALL_ABORTED);
		KUNIT_EXPECT_EQ(test, answers, 0);
		KUNIT_EXPECT_EQ(test, 0, stall_write(&fixture.dev[i], t->run.mm, good,
						     1, &answers));
		KUNIT_EXPECT_EQ(test, answers, 1);
	}
	stall_expect_idle(test);
}

static void outside_mapping_aborts(struct kunit *test)
{
	stall_test_refused(test, STALL_UNMAPPED, false);
}

static void kernel_address_aborts(struct kunit *test)
{
	stall_test_refused(test, PAGE_OFFSET, false);
}

static void readonly_mapping_aborts(struct kunit *test)
{
	stall_test_refused(test, stall_mmap(test, 1, PROT_READ), true);
}

static void prot_none_aborts(struct kunit *test)
{
	struct stall_test *t = test->priv;
	unsigned long va = stall_mmap(test, 1, STALL_RW);

	stlb_cpu_write(&t->run, va, 1);
	KUNIT_ASSERT_EQ(test, 0L, stlb_syscall(__NR_mprotect, va, PAGE_SIZE,
					       PROT_NONE, 0));
	stall_test_refused(test, va, false);
}

/* The mapping goes away when the fault has been reported, and is not handled yet. */
static void munmap_meanwhile(struct kunit *test)
{
	struct stall_test *t = test->priv;
	struct mm_struct *mm = t->run.mm;
	struct stall_access a = {
		.dev = &fixture.dev[0], .mm = mm, .dma = { .write = true, .val = 1 },
	};
	bool waits;
	int ret;

	stall_bind_all(test);
	a.dma.va = stall_mmap(test, 1, STALL_RW);
	mmap_write_lock(mm);
	stall_try_locked(&a);
	waits = stall_handler_waits(mm);
	ret = do_munmap(mm, a.dma.va, PAGE_SIZE, NULL);
	mmap_write_unlock(mm);
	KUNIT_EXPECT_TRUE(test, waits);
	KUNIT_EXPECT_EQ(test, ret, 0);
	KUNIT_EXPECT_EQ(test, STALL_ABORTED, stall_go_on(&a, STALL_ENDLESS));
	KUNIT_EXPECT_EQ(test, a.answers, 0);
	stall_expect_idle(test);
}

/* Several accesses to a page stall before the first is answered: each gets its answer. */
static void duplicates(struct kunit *test)
{
	struct stall_test *t = test->priv;
	struct mm_struct *mm = t->run.mm;
	struct stall_access a[SVA_STALLS];
	unsigned int i, j;
	bool waits;

	stall_bind_all(test);
	for (i = 0; i < fixture.nr_devs; i++) {
		unsigned long va = stall_mmap(test, 1, STALL_RW);

		mmap_write_lock(mm);
		for (j = 0; j < SVA_STALLS; j++) {
			a[j] = (struct stall_access){
				.dev = &fixture.dev[i], .mm = mm,
				.dma = { .va = va + 4 * j, .write = j & 1, .val = j },
			};
			stall_try_locked(&a[j]);
		}
		waits = stall_handler_waits(mm);
		mmap_write_unlock(mm);
		KUNIT_EXPECT_TRUE(test, waits);
		for (j = 0; j < SVA_STALLS; j++) {
			KUNIT_EXPECT_EQ(test, a[j].event, SMMU_MODEL_STALLED);
			KUNIT_EXPECT_EQ(test, 0, stall_go_on(&a[j], STALL_ENDLESS));
			/* A read may find the page of zeros, and a write replaces it. */
			KUNIT_EXPECT_GE(test, a[j].answers, 1);
			KUNIT_EXPECT_LE(test, a[j].answers, 2);
			KUNIT_EXPECT_EQ(test, stlb_cpu_read(&t->run, a[j].dma.va),
					j & 1 ? j : 0);
		}
	}
	stall_expect_idle(test);
}

/* As many accesses stall as may; the next one cannot before one has ended. */
static void as_many_as_may_stall(struct kunit *test)
{
	struct stall_test *t = test->priv;
	struct sva_smmu *s = fixture.smmu[0];
	struct stall_access a[SVA_STALLS + 1];
	unsigned long va;
	unsigned int i;

	stall_bind(test, s, t->run.mm);
	va = stall_mmap(test, ARRAY_SIZE(a), STALL_RW);
	s->model.most_stalls = 0;
	sva_smmu_mask_events(s, true);
	for (i = 0; i < ARRAY_SIZE(a); i++) {
		a[i] = (struct stall_access){
			.dev = &fixture.dev[0], .mm = t->run.mm,
			.dma = { .va = va + i * PAGE_SIZE, .write = true, .val = i },
		};
		stall_try(&a[i]);
		KUNIT_EXPECT_EQ(test, a[i].event,
				i < SVA_STALLS ? SMMU_MODEL_STALLED : SMMU_MODEL_BUSY);
	}
	KUNIT_EXPECT_EQ(test, smmu_model_stalls(&s->model), SVA_STALLS);
	/* More than the event queue has room for: records wait, and are not lost. */
	KUNIT_EXPECT_GT(test, SVA_STALLS, 1 << SVA_EVTQ_LOG2);
	sva_smmu_mask_events(s, false);
	for (i = 0; i < ARRAY_SIZE(a); i++) {
		if (a[i].event == SMMU_MODEL_BUSY)
			stall_try(&a[i]);
		KUNIT_EXPECT_EQ(test, 0, stall_go_on(&a[i], STALL_ENDLESS));
		KUNIT_EXPECT_EQ(test, a[i].answers, 1);
		KUNIT_EXPECT_EQ(test, stlb_cpu_read(&t->run, a[i].dma.va), i);
	}
	KUNIT_EXPECT_EQ(test, s->model.most_stalls, SVA_STALLS);
	KUNIT_EXPECT_EQ(test, s->model.lost, 0);
	stall_expect_idle(test);
}

/* All devices, each with two processes: each fault is handled for the right one. */
static void devices_and_processes(struct kunit *test)
{
	struct stall_test *t = test->priv;
	struct stlb_run *first = &t->run;
	static struct stall_access a[2][STALL_DEVICES];
	struct stlb_run second;
	unsigned int i, p;
	unsigned long va[2];
	int ret = 0;

	stall_bind_all(test);
	va[0] = stall_mmap(test, fixture.nr_devs, STALL_RW);
	/* From here on the thread has another process, and must not end early. */
	kthread_unuse_mm(first->mm);
	stlb_run_init(&second, test);
	va[1] = stlb_syscall(__NR_mmap, va[0], fixture.nr_devs * PAGE_SIZE, STALL_RW,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED);
	KUNIT_EXPECT_EQ(test, va[0], va[1]);
	for (i = 0; i < STALL_SMMUS && !ret; i++)
		ret = sva_smmu_bind(fixture.smmu[i], second.mm);
	KUNIT_EXPECT_EQ(test, ret, 0);
	KUNIT_EXPECT_NE(test, sva_pasid(first->mm), sva_pasid(second.mm));

	for (p = 0; p < 2 && !ret; p++) {
		for (i = 0; i < fixture.nr_devs; i++) {
			a[p][i] = (struct stall_access){
				.dev = &fixture.dev[i],
				.mm = p ? second.mm : first->mm,
				.dma = { .va = va[p] + i * PAGE_SIZE,
					 .write = true, .val = 16 * i + p },
			};
			stall_try(&a[p][i]);
			KUNIT_EXPECT_EQ(test, a[p][i].event, SMMU_MODEL_STALLED);
		}
	}
	for (p = 0; p < 2 && !ret; p++) {
		for (i = 0; i < fixture.nr_devs; i++) {
			KUNIT_EXPECT_EQ(test, 0, stall_go_on(&a[p][i], STALL_ENDLESS));
			KUNIT_EXPECT_EQ(test, a[p][i].answers, 1);
		}
	}
	for (i = 0; i < fixture.nr_devs; i++)
		KUNIT_EXPECT_EQ(test, 16 * i + 1,
				stlb_cpu_read(&second, va[1] + i * PAGE_SIZE));
	for (i = 0; i < STALL_SMMUS; i++)
		sva_smmu_unbind(fixture.smmu[i], second.mm);
	stlb_run_exit(&second);
	kthread_use_mm(first->mm);
	for (i = 0; i < fixture.nr_devs; i++)
		KUNIT_EXPECT_EQ(test, 16 * i,
				stlb_cpu_read(first, va[0] + i * PAGE_SIZE));
	stall_expect_idle(test);
}

static void stall_keep_no_more(struct stall_test *t)
{
	if (t->kept)
		mmput(t->run.mm);
	t->kept = false;
}

/*
 * After the exit nothing waits: what is accessed ends at once, or when a stall has been
 * answered.
 */
static void stall_expect_over(struct kunit *test, struct stall_access *a)
{
	struct stall_test *t = test->priv;
	int event = stall_access(a, STALL_ENDLESS);

	KUNIT_EXPECT_TRUE_MSG(test, event == SMMU_MODEL_F_TRANSLATION ||
			      event == STALL_ABORTED, "event 0x%x", event);
	KUNIT_EXPECT_EQ(test, a->answers, 0);
	stall_expect_idle(test);
	sva_smmu_unbind(a->dev->s, t->run.mm);
	KUNIT_EXPECT_EQ(test, stall_access(a, STALL_ENDLESS), SMMU_MODEL_C_BAD_CD);
	stall_expect_idle(test);
}

/* The process exits before the driver has seen the event. */
static void exit_before_event(struct kunit *test)
{
	struct stall_test *t = test->priv;
	struct stlb_run *run = &t->run;
	struct stall_access a = {
		.dev = &fixture.dev[0], .mm = run->mm, .dma = { .write = true },
	};

	stall_bind(test, a.dev->s, run->mm);
	a.dma.va = stall_mmap(test, 1, STALL_RW);
	sva_smmu_mask_events(a.dev->s, true);
	stall_try(&a);
	KUNIT_EXPECT_EQ(test, a.event, SMMU_MODEL_STALLED);
	stall_keep_no_more(t);
	stlb_run_exit_mm(run);
	sva_smmu_mask_events(a.dev->s, false);
	KUNIT_EXPECT_EQ(test, STALL_ABORTED, stall_go_on(&a, STALL_ENDLESS));
	stall_expect_over(test, &a);
}

/* The process exits while the fault is handled: that is the last that uses the mm. */
static void exit_while_handled(struct kunit *test)
{
	struct stall_test *t = test->priv;
	struct stlb_run *run = &t->run;
	struct mm_struct *mm = run->mm;
	struct stall_access a = {
		.dev = &fixture.dev[0], .mm = mm, .dma = { .write = true },
	};
	bool waits;

	stall_bind(test, a.dev->s, mm);
	a.dma.va = stall_mmap(test, 1, STALL_RW);
	mmap_write_lock(mm);
	stall_try_locked(&a);
	waits = stall_handler_waits(mm);
	stall_keep_no_more(t);
	if (waits)
		stlb_run_exit_mm(run);
	mmap_write_unlock(mm);
	KUNIT_EXPECT_TRUE(test, waits);
	KUNIT_EXPECT_EQ(test, a.event, SMMU_MODEL_STALLED);
	/* The page was there, and is not any more. */
	KUNIT_EXPECT_TRUE(test, stall_wait(&a));
	stall_expect_over(test, &a);
}

/* A group of page requests: none is handled before the last, and all are then. */
static void stall_test_group(struct kunit *test, bool bad)
{
	struct stall_device *dev = &fixture.dev[0];
	struct stall_test *t = test->priv;
	struct mm_struct *mm = t->run.mm;
	struct stall_access a = {
		.dev = dev, .mm = mm, .dma = { .write = true, .val = 3 },
	};
	u16 group = dev->s->model.next_stag;
	struct stlb_leaf leaf;
	unsigned long va;
	unsigned int i;

	stall_bind(test, dev->s, mm);
	va = stall_mmap(test, 3, STALL_RW);
	if (bad)
		KUNIT_ASSERT_EQ(test, 0L, stlb_syscall(__NR_mprotect, va, PAGE_SIZE,
						       PROT_READ, 0));
	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_EQ(test, 0, sva_smmu_report_partial(dev->s, dev->master,
								 sva_pasid(mm),
								 va + i * PAGE_SIZE,
								 true, group));
		stlb_walk(mm, va + i * PAGE_SIZE, &leaf);
		KUNIT_EXPECT_FALSE(test, leaf.present);
	}
	KUNIT_EXPECT_EQ(test, sva_smmu_faults(dev->s), 0);

	a.dma.va = va + 2 * PAGE_SIZE;
	stall_access(&a, STALL_ENDLESS);
	KUNIT_EXPECT_EQ(test, a.event, bad ? STALL_ABORTED : 0);
	KUNIT_EXPECT_EQ(test, a.answers, bad ? 0 : 1);
	for (i = 0; i < 3 && !bad; i++) {
		stlb_walk(mm, va + i * PAGE_SIZE, &leaf);
		KUNIT_EXPECT_TRUE_MSG(test, leaf.valid && leaf.writable, "page %u", i);
	}
	stall_expect_idle(test);
}

static void group_handled_as_one(struct kunit *test)
{
	stall_test_group(test, false);
}

static void group_refused_as_one(struct kunit *test)
{
	stall_test_group(test, true);
}

/* Requests of a group are dropped when the last of it may be lost. */
static void group_discarded(struct kunit *test)
{
	struct stall_device *dev = &fixture.dev[0];
	struct stall_test *t = test->priv;
	struct mm_struct *mm = t->run.mm;
	struct stall_access a = {
		.dev = dev, .mm = mm, .dma = { .write = true, .val = 3 },
	};
	u16 group = dev->s->model.next_stag;
	struct stlb_leaf leaf;
	unsigned long va;

	stall_bind(test, dev->s, mm);
	va = stall_mmap(test, 2, STALL_RW);
	KUNIT_EXPECT_EQ(test, 0, sva_smmu_report_partial(dev->s, dev->master,
							 sva_pasid(mm), va, true,
							 group));
	KUNIT_EXPECT_EQ(test, 0, sva_smmu_discard_partial(dev->s));
	a.dma.va = va + PAGE_SIZE;
	KUNIT_EXPECT_EQ(test, 0, stall_access(&a, STALL_ENDLESS));
	KUNIT_EXPECT_EQ(test, a.answers, 1);
	stlb_walk(mm, va, &leaf);
	KUNIT_EXPECT_FALSE(test, leaf.present);
	stall_expect_idle(test);
}

/* A record as a stall without PASID has it: no process can be meant. */
static void no_pasid_aborts(struct kunit *test)
{
	struct stall_device *dev = &fixture.dev[0];
	u64 record[SMMU_MODEL_EVENT_WORDS] = {
		SMMU_MODEL_F_TRANSLATION | (u64)dev->stream->sid << 32,
		BIT_ULL(31) | BIT_ULL(35), 0x1000, 0,
	};
	struct stall_test *t = test->priv;
	struct stall_access a = { .dev = dev, .mm = t->run.mm };

	stall_bind(test, dev->s, t->run.mm);
	a.stall = smmu_model_send(&dev->s->model, dev->stream->sid, record);
	KUNIT_ASSERT_NOT_NULL(test, a.stall);
	a.event = SMMU_MODEL_STALLED;
	stall_wait(&a);
	KUNIT_EXPECT_EQ(test, a.event, STALL_ABORTED);
	stall_expect_idle(test);
}

/*
 * The device of a stream is unknown, because it was unplugged when its access had stalled.
 * An access that nothing answers waits for ever, and less than STALL_MAX others may stall
 * from then on. The event behind it is answered in any case, and by the same thread.
 */
static void unknown_stream_aborts(struct kunit *test)
{
	struct stall_device *dev = &fixture.dev[0];
	u32 sid = dev->stream->sid + 0x8;
	u64 record[SMMU_MODEL_EVENT_WORDS] = {
		SMMU_MODEL_F_TRANSLATION | BIT_ULL(11) | 1 << 12 | (u64)sid << 32,
		BIT_ULL(31) | BIT_ULL(35), 0x1000, 0,
	};
	struct stall_test *t = test->priv;
	enum smmu_model_answer answer;
	struct smmu_model_stall *stall;
	unsigned int answers;

	stall_bind(test, dev->s, t->run.mm);
	stall = smmu_model_send(&dev->s->model, sid, record);
	KUNIT_ASSERT_NOT_NULL(test, stall);
	KUNIT_EXPECT_EQ(test, 0, stall_write(dev, t->run.mm,
					     stall_mmap(test, 1, STALL_RW), 1, &answers));
	answer = smmu_model_end_stall(&dev->s->model, stall);
	KUNIT_EXPECT_TRUE(test, answer == SMMU_MODEL_NO_ANSWER ||
			  answer == SMMU_MODEL_ABORT);
	stall_expect_idle(test);
	stlb_verdict_word(test, STALL_SUITE, answer ? NULL : "stuck",
			  "an access of an unknown stream %s",
			  answer ? "is aborted" : "waits for ever");
}

/* An event that comes when SVA is disabled already. */
static void disabled_aborts(struct kunit *test)
{
	struct stall_device *dev = &fixture.dev[0];
	u64 record[SMMU_MODEL_EVENT_WORDS] = {
		SMMU_MODEL_F_TRANSLATION | BIT_ULL(11) | 1 << 12 |
		(u64)dev->stream->sid << 32,
		BIT_ULL(31) | BIT_ULL(35), 0x1000, 0,
	};
	struct stall_test *t = test->priv;
	struct stall_access a = { .dev = dev, .mm = t->run.mm };

	if (sva_no_disable)
		kunit_skip(test, "%s", sva_no_disable);
	KUNIT_ASSERT_EQ(test, 0, sva_smmu_disable(dev->s));
	a.stall = smmu_model_send(&dev->s->model, dev->stream->sid, record);
	KUNIT_ASSERT_NOT_NULL(test, a.stall);
	a.event = SMMU_MODEL_STALLED;
	stall_wait(&a);
	KUNIT_EXPECT_EQ(test, a.event, STALL_ABORTED);
	stall_expect_idle(test);
	KUNIT_EXPECT_EQ(test, 0, sva_smmu_enable(dev->s));
}

/* The driver has read all events, and says that it has seen those that are lost. */
static bool stall_events_seen(struct smmu_model *m)
{
	unsigned long limit = jiffies + STALL_SECONDS * HZ;

	while (READ_ONCE(m->evtq_cons) != READ_ONCE(m->evtq_prod) &&
	       time_before(jiffies, limit))
		usleep_range(1000, 2000);
	return READ_ONCE(m->evtq_cons) == READ_ONCE(m->evtq_prod);
}

/* Events are lost, and what comes after them is not. */
static void events_overflow(struct kunit *test)
{
	struct stall_device *dev = &fixture.dev[0];
	struct smmu_model *m = &dev->s->model;
	u64 record[SMMU_MODEL_EVENT_WORDS] = {
		SMMU_MODEL_F_TRANSLATION | (u64)dev->stream->sid << 32,
		BIT_ULL(35), 0x1000, 0,
	};
	struct stall_test *t = test->priv;
	unsigned int i, round, answers;
	unsigned long va;

	stall_bind(test, dev->s, t->run.mm);
	va = stall_mmap(test, 2, STALL_RW);
	for (round = 0; round < 2; round++, va += PAGE_SIZE) {
		m->lost = 0;
		sva_smmu_mask_events(dev->s, true);
		for (i = 0; i < (1 << SVA_EVTQ_LOG2) + 2; i++)
			smmu_model_send(m, dev->stream->sid, record);
		KUNIT_EXPECT_EQ(test, m->lost, 2);
		sva_smmu_mask_events(dev->s, false);
		KUNIT_EXPECT_TRUE(test, stall_events_seen(m));
		KUNIT_EXPECT_EQ(test, 0, stall_write(dev, t->run.mm, va, 1, &answers));
		KUNIT_EXPECT_EQ(test, answers, 1);
	}
	m->lost = 0;
	stall_expect_idle(test);
}

static void stall_no_interrupt(struct smmu_model *m)
{
}

/* What the model must not take for an answer, for its silence to mean anything. */
static void model_sees_bad_answers(struct kunit *test)
{
	static const struct {
		const char *what;
		u64 cmd[2];
		u16 other_stag;
		bool good;
		enum smmu_model_answer answer;
	} table[] = {
		{ "retry", { 0x10000001044, 0 }, 0, true, SMMU_MODEL_RETRY },
		{ "retry, Ab set", { 0x10000003044, 0 }, 0, true, SMMU_MODEL_RETRY },
		{ "abort", { 0x10000002044, 0 }, 0, true, SMMU_MODEL_ABORT },
		{ "terminate", { 0x10000000044, 0 }, 0, true, SMMU_MODEL_IGNORE },
		{ "another STAG", { 0x10000001044, 0 }, 1 },
		{ "another stream", { 0x10100001044, 0 } },
		{ "SSec", { 0x10000001444, 0 }, 0, false, SMMU_MODEL_RETRY },
		{ "reserved bits", { 0x10000001044, 0x10000 }, 0, false, SMMU_MODEL_RETRY },
	};
	const u64 record[SMMU_MODEL_EVENT_WORDS] = { 0, BIT_ULL(31) };
	struct smmu_model *m = kvzalloc(sizeof(*m), GFP_KERNEL);
	struct smmu_model_stall *stall;
	unsigned int i, twice;

	KUNIT_ASSERT_NOT_NULL(test, m);
	m->log2size = 4;
	m->max_stalls = 1;
	m->evtq_log2size = 5;
	m->interrupt = stall_no_interrupt;
	if (smmu_model_init(m)) {
		smmu_model_exit(m);
		kvfree(m);
		KUNIT_FAIL(test, "no memory");
		return;
	}
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		stall = smmu_model_send(m, 0x100, record);
		KUNIT_EXPECT_NOT_NULL(test, stall);
		for (twice = 0; stall && twice < 2; twice++) {
			__le64 *slot = &m->queue[2 * (m->prod % 16)];

			m->errors = 0;
			slot[0] = cpu_to_le64(table[i].cmd[0]);
			slot[1] = cpu_to_le64(table[i].cmd[1] |
					      (stall->stag ^ table[i].other_stag));
			m->prod = (m->prod + 1) % 32;
			smmu_model_consume(m);
			KUNIT_EXPECT_EQ_MSG(test, !m->errors, table[i].good && !twice,
					    "%s: %s", table[i].what, m->error);
			KUNIT_EXPECT_EQ_MSG(test, stall->answer, table[i].answer, "%s",
					    table[i].what);
		}
		if (stall)
			smmu_model_end_stall(m, stall);
	}
	/* CMD_RESUME is illegal where nothing stalls. */
	m->max_stalls = 0;
	m->errors = 0;
	m->queue[2 * (m->prod % 16)] = cpu_to_le64(table[0].cmd[0]);
	m->prod = (m->prod + 1) % 32;
	smmu_model_consume(m);
	KUNIT_EXPECT_NE(test, m->errors, 0);
	smmu_model_exit(m);
	kvfree(m);
}

static void stall_test_scenario(struct kunit *test,
				const struct stlb_scenario *scenario)
{
	struct stall_test *t = test->priv;

	stall_bind_all(test);
	stlb_test_device(&t->run, scenario, &t->dev);
}

#define STLB_SCENARIO(_name)						\
	static void _name(struct kunit *test)				\
	{								\
		stall_test_scenario(test, &stlb_scenarios[STLB_##_name]); \
	}

#include <linux/secondary_tlb_scenarios.h>

static int stall_test_init(struct kunit *test)
{
	struct stall_test *t;

	if (fixture.skip)
		kunit_skip(test, "%s", fixture.skip);
	t = kzalloc(sizeof(*t), GFP_KERNEL);
	if (!t)
		return -ENOMEM;
	test->priv = t;
	t->dev.ops = &stall_dev_ops;
	set_cpus_allowed_ptr(current, &fixture.cpus);
	stlb_run_init(&t->run, test);
	/* Its thread ends while KUnit cleans up, and would take it along. */
	mmget(t->run.mm);
	t->kept = true;
	return 0;
}

static void stall_test_exit(struct kunit *test)
{
	struct stall_test *t = test->priv;
	struct cpumask cpus;
	unsigned int i;

	if (!t)
		return;
	/* If the case has ended early this is the thread that started it. */
	cpumask_copy(&cpus, current->cpus_ptr);
	set_cpus_allowed_ptr(current, &fixture.cpus);
	for (i = 0; i < STALL_SMMUS; i++) {
		sva_smmu_mask_events(fixture.smmu[i], false);
		sva_smmu_unbind_all(fixture.smmu[i]);
		sva_smmu_enable(fixture.smmu[i]);
		smmu_model_reset(&fixture.smmu[i]->model);
		fixture.smmu[i]->model.errors = 0;
		fixture.smmu[i]->model.lost = 0;
	}
	stall_keep_no_more(t);
	stlb_run_exit(&t->run);
	set_cpus_allowed_ptr(current, &cpus);
	kfree(t);
}

static struct kunit_case stall_test_cases[] = {
#define STLB_SCENARIO(_name) KUNIT_CASE(_name),
#include <linux/secondary_tlb_scenarios.h>
	KUNIT_CASE(endless_fault_pte),
	KUNIT_CASE(endless_fault_pmd),
	KUNIT_CASE(endless_fault_hugetlb_cont_pte),
	KUNIT_CASE(endless_fault_hugetlb_pmd),
	KUNIT_CASE(endless_fault_hugetlb_cont_pmd),
	KUNIT_CASE(endless_fault_hugetlb_pud),
	KUNIT_CASE(answer_follows_sync),
	KUNIT_CASE(duplicates_are_upgraded_once),
	KUNIT_CASE(read_maps_page),
	KUNIT_CASE(write_maps_page),
	KUNIT_CASE(exec_follows_mapping),
	KUNIT_CASE(privileged_maps_page),
	KUNIT_CASE(outside_mapping_aborts),
	KUNIT_CASE(kernel_address_aborts),
	KUNIT_CASE(readonly_mapping_aborts),
	KUNIT_CASE(prot_none_aborts),
	KUNIT_CASE(munmap_meanwhile),
	KUNIT_CASE(duplicates),
	KUNIT_CASE(as_many_as_may_stall),
	KUNIT_CASE(devices_and_processes),
	KUNIT_CASE(exit_before_event),
	KUNIT_CASE(exit_while_handled),
	KUNIT_CASE(group_handled_as_one),
	KUNIT_CASE(group_refused_as_one),
	KUNIT_CASE(group_discarded),
	KUNIT_CASE(no_pasid_aborts),
	KUNIT_CASE(unknown_stream_aborts),
	KUNIT_CASE(disabled_aborts),
	KUNIT_CASE(events_overflow),
	KUNIT_CASE(model_sees_bad_answers),
	{}
};

static struct kunit_suite stall_test_suite = {
	.name		= STALL_SUITE,
	.suite_init	= stall_suite_init,
	.suite_exit	= stall_suite_exit,
	.init		= stall_test_init,
	.exit		= stall_test_exit,
	.test_cases	= stall_test_cases,
};

kunit_test_suites(&stall_test_suite);
