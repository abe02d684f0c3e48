// SPDX-License-Identifier: GPL-2.0-only
/*
 * The SVA code of the SMMUv3 driver over modelled SMMUs: permission upgrades, and
 * all else that its mmu notifier is called for. The driver's own command queue
 * code fills a queue in memory, and a thread on another CPU is the SMMU.
 *
 * All SMMUs, one for every combination of RIL, ATS, E2H, masters and streams and
 * some more, share the address space of the test at the same time. Half of them
 * complete by MSI.
 */
#include <kunit/test.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/mmu_notifier.h>
#include <linux/sched/mm.h>
#include <linux/secondary_tlb_compat.h>
#include <linux/secondary_tlb_kunit.h>
#include <linux/secondary_tlb_soak.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/unistd.h>

#include <asm/tlb.h>

#include "arm-smmu-v3-sva-lab.h"

#define SMMU_SUITE	"smmuv3_sva"
#define HANG_SUITE	"smmuv3_hang"
#define SOAK_SUITE	"stlb_soak_smmuv3"

/* Where nothing is mapped. */
#define SMMU_UNMAPPED	0x7f0000000000UL

/* Every combination of RIL, ATS, E2H, masters and streams, and some more. */
#define SMMU_COMBINED	32
#define SMMU_BTM	32
#define SMMU_BTM_ATS	33
#define SMMU_MIXED	34
#define SMMU_HTTU	35
#define SMMU_HTTU_ATS	36
#define SMMU_FORCE_SYNC	37
#define SMMU_NR		38

/* What stays from case to case. Only the thread of the running case uses it. */
static struct {
	struct sva_smmu *smmu[SMMU_NR];
	struct task_struct *consumer;
	struct cpumask cpus;
	const char *skip;
	bool hung;
	bool repeat;
} lab;

/**
 * struct smmu_test - a case
 * @run: the address space
 * @mock: a subscriber that knows which calls there have been
 * @dev: all bound SMMUs as a device
 * @smmu: the SMMUs that are bound
 * @nr: how many
 * @kept: the process lives until all is unbound
 * @guessed: an upgrade was answered with more than its entries need
 * @requests: page requests that devices have made
 */
struct smmu_test {
	struct stlb_run run;
	struct stlb_mock mock;
	struct stlb_device dev;
	struct sva_smmu *smmu[SMMU_NR];
	unsigned int nr;
	bool kept;
	bool guessed;
	unsigned long requests;
};

/* One thread is all SMMUs. While there is nothing to do it leaves the CPU. */
static int smmu_consumer(void *data)
{
	unsigned int i, idle = 0;

	while (!kthread_should_stop()) {
		idle++;
		for (i = 0; i < SMMU_NR; i++)
			if (smmu_model_consume(&lab.smmu[i]->model))
				idle = 0;
		if (idle > 100)
			usleep_range(20, 40);
		else
			cond_resched();
	}
	return 0;
}

static void smmu_config(struct sva_config *config, unsigned int i)
{
	*config = (struct sva_config){
		.range_inv	= i & 1,
		.ats		= i & 2,
		.e2h		= i & 4,
		.masters	= i & 8 ? 2 : 1,
		.streams	= i & 16 ? 2 : 1,
		.msi		= hweight32(i) & 1,
	};
	if (i == SMMU_BTM || i == SMMU_BTM_ATS)
		*config = (struct sva_config){
			.range_inv = true, .btm = true, .masters = 2,
			.streams = 2, .ats = i == SMMU_BTM_ATS,
		};
	if (i == SMMU_MIXED)
		*config = (struct sva_config){
			.range_inv = true, .ats = true, .masters = 2,
			.streams = 2, .mixed = true,
		};
	if (i == SMMU_HTTU || i == SMMU_HTTU_ATS)
		*config = (struct sva_config){
			.range_inv = true, .httu = true, .masters = 1,
			.streams = 1, .ats = i == SMMU_HTTU_ATS,
		};
	if (i == SMMU_FORCE_SYNC)
		*config = (struct sva_config){
			.ats = true, .force_sync = true, .masters = 1,
			.streams = 1, .msi = true,
		};
}

static void smmu_suite_exit(struct kunit_suite *suite)
{
	unsigned int i;

	/* A thread of the driver will be at work on them for ever. */
	if (lab.hung)
		return;
	if (lab.consumer)
		kthread_stop(lab.consumer);
	lab.consumer = NULL;
	for (i = 0; i < SMMU_NR; i++) {
		if (!lab.smmu[i])
			continue;
		sva_smmu_exit(lab.smmu[i]);
		kvfree(lab.smmu[i]);
		lab.smmu[i] = NULL;
	}
}

static int smmu_suite_init(struct kunit_suite *suite)
{
	unsigned int i, cpu = cpumask_last(cpu_online_mask);
	struct task_struct *task;
	struct sva_smmu *s;
	int ret = 0;

	lab.skip = NULL;
	if (num_online_cpus() < 2) {
		lab.skip = "a CPU that waits for the SMMU cannot be it: boot with two or more";
		return 0;
	}
	cpumask_copy(&lab.cpus, cpu_online_mask);
	cpumask_clear_cpu(cpu, &lab.cpus);

	for (i = 0; i < SMMU_NR && !ret; i++) {
		s = kvzalloc(sizeof(*s), GFP_KERNEL);
		ret = -ENOMEM;
		if (!s)
			break;
		lab.smmu[i] = s;
		smmu_config(&s->config, i);
		ret = sva_smmu_init(s, i);
	}
	if (!ret) {
		task = kthread_create(smmu_consumer, NULL, "smmu_model");
		ret = PTR_ERR_OR_ZERO(task);
	}
	if (ret) {
		/* KUnit does not, when init has failed. */
		smmu_suite_exit(suite);
		return ret;
	}
	kthread_bind(task, cpu);
	lab.consumer = task;
	wake_up_process(task);
	return 0;
}

static int smmu_access(struct sva_smmu *s, struct smmu_model_stream *stream,
		       struct mm_struct *mm, unsigned long va, bool write,
		       u32 *val, unsigned long *requests)
{
	unsigned int retries = 0;
	int event;

	for (;;) {
		mmap_read_lock(mm);
		event = smmu_model_access(&s->model, stream, sva_pasid(mm), va,
					  write, val);
		mmap_read_unlock(mm);
		if (!event)
			return 0;
		if (retries++ == STLB_RETRIES)
			return -EFAULT;
		++*requests;
		if (stlb_page_request(mm, va, write))
			return -EFAULT;
	}
}

/* A read that makes no page request: the event that it ends in, or 0. */
static int smmu_try(struct sva_smmu *s, struct mm_struct *mm, unsigned long va)
{
	int event;
	u32 val;

	mmap_read_lock(mm);
	event = smmu_model_access(&s->model, &s->model.stream[0], sva_pasid(mm),
				  va, false, &val);
	mmap_read_unlock(mm);
	return event;
}

static struct smmu_test *smmu_of(struct stlb_device *dev)
{
	return container_of(dev, struct smmu_test, dev);
}

/* Every device accesses the address, and all have to find the same. */
static int smmu_access_all(struct stlb_device *dev, unsigned long va, bool write,
			   u32 *val)
{
	struct smmu_test *t = smmu_of(dev);
	bool first = true;
	unsigned int i, j;
	u32 seen = *val;
	int ret = 0;

	for (i = 0; i < t->nr; i++) {
		for (j = 0; j < t->smmu[i]->model.nr_streams; j++) {
			if (smmu_access(t->smmu[i], &t->smmu[i]->model.stream[j],
					t->run.mm, va, write, &seen,
					&t->requests)) {
				ret = -EFAULT;
				break;
			}
			if (!first && seen != *val)
				ret = -EIO;
			*val = seen;
			first = false;
		}
	}
	return ret;
}

static int smmu_read(struct stlb_device *dev, unsigned long va, u32 *val)
{
	return smmu_access_all(dev, va, false, val);
}

static int smmu_write(struct stlb_device *dev, unsigned long va, u32 val)
{
	return smmu_access_all(dev, va, true, &val);
}

static bool smmu_holds(struct stlb_device *dev, unsigned long va)
{
	struct smmu_test *t = smmu_of(dev);
	unsigned int i;

	for (i = 0; i < t->nr; i++)
		if (!smmu_model_holds(&t->smmu[i]->model, sva_pasid(t->run.mm), va))
			return false;
	return true;
}

static bool smmu_stale(struct stlb_device *dev, unsigned long start,
		       unsigned long end, unsigned long *va)
{
	struct smmu_test *t = smmu_of(dev);
	struct mm_struct *mm = t->run.mm;
	bool stale = false;
	unsigned int i;

	mmap_read_lock(mm);
	for (i = 0; i < t->nr && !stale; i++)
		stale = smmu_model_stale(&t->smmu[i]->model, sva_pasid(mm), mm,
					 start, end, va);
	mmap_read_unlock(mm);
	return stale;
}

static unsigned long smmu_requests(struct stlb_device *dev)
{
	return smmu_of(dev)->requests;
}

static unsigned long smmu_dropped(struct stlb_device *dev)
{
	struct smmu_test *t = smmu_of(dev);
	unsigned long dropped = 0;
	unsigned int i;

	for (i = 0; i < t->nr; i++)
		dropped = max(dropped, smmu_model_dropped(&t->smmu[i]->model));
	if (t->guessed)
		dropped = ULONG_MAX;
	t->guessed = false;
	return dropped;
}

/*
 * What the driver has to say for a range, worked out in another way than by the
 * driver. In pages: which, and how many commands they take.
 */
struct smmu_want {
	bool all;
	u64 start;
	u64 pages;
	unsigned long step;
	unsigned int tlbis;
};

/*
 * A range command has 5 bits of a number of pages. The fewest that add up to it
 * are found from the top, taking the 5 highest bits each time; of 2^36 pages, the
 * largest address space, the last five take 32.
 */
static unsigned int smmu_pieces(u64 pages)
{
	unsigned int pieces = 0, low;

	for (; pages; pieces++) {
		low = clamp(fls64(pages), 5, 36) - 5;
		pages -= min(pages >> low, 32ULL) << low;
	}
	return pieces;
}

static void smmu_want(const struct sva_config *config, unsigned long start,
		      unsigned long end, unsigned long entry,
		      struct smmu_want *want)
{
	u64 first = start / PAGE_SIZE, last = (end - 1) / PAGE_SIZE;

	*want = (struct smmu_want){ .tlbis = 1 };
	/* A part of a page is a bug of the caller where only pages are passed. */
	if (start >= end || end > 1UL << vabits_actual ||
	    (!STLB_ANY_RANGE && !PAGE_ALIGNED(start | end))) {
		want->all = true;
		return;
	}
	want->start = first * PAGE_SIZE;
	want->pages = last - first + 1;
	if (config->range_inv) {
		/*
		 * One page alone is no range for some SMMUs, so the driver takes
		 * another along where five bits would say 1.
		 */
		if (want->pages % 32 == 1)
			want->pages++;
		want->tlbis = smmu_pieces(want->pages);
	} else if (end - start >= PTRS_PER_PTE * entry) {
		want->all = true;
		want->start = 0;
	} else {
		want->step = entry;
		want->tlbis = DIV_ROUND_UP(want->pages * PAGE_SIZE, entry);
	}
}

/* The smallest naturally aligned power of two of 4K pages with the range in it. */
static void smmu_want_atc(unsigned long start, unsigned long end, u64 *first,
			  u64 *last)
{
	u64 size = SZ_4K;

	*first = 0;
	*last = U64_MAX;
	if (start >= end || end > 1UL << vabits_actual)
		return;
	while (start / size != (end - 1) / size)
		size *= 2;
	*first = start / size * size;
	*last = *first + size - 1;
}

/* Looks at commands in the log of an SMMU. @why is NULL as long as all is well. */
struct smmu_reader {
	const struct sva_smmu *s;
	unsigned int pos;
	const char *why;
};

/* How many commands there are to look at, if there were more than fit. */
static unsigned int smmu_logged(const struct sva_smmu *s)
{
	return min_t(unsigned int, s->model.nr_log, ARRAY_SIZE(s->model.log));
}

static const struct smmu_model_cmd *smmu_next(struct smmu_reader *r,
					      enum smmu_model_op op)
{
	static const struct smmu_model_cmd none;

	if (!r->why && (r->pos >= smmu_logged(r->s) ||
			r->s->model.log[r->pos].op != op))
		r->why = op == SMMU_MODEL_SYNC ? "no CMD_SYNC" :
			 op == SMMU_MODEL_TLBI ? "a TLBI too few" :
			 op == SMMU_MODEL_CFGI ? "a CFGI_CD too few" :
						 "an ATC_INV too few";
	return r->why ? &none : &r->s->model.log[r->pos++];
}

/* How many TLBIs may precede a CMD_SYNC: all, but for SMMUs with an erratum. */
static unsigned int smmu_batch(const struct sva_config *config)
{
	return config->force_sync ? SVA_MAX_UNSYNCED :
	       lab.repeat ? SVA_BATCH : UINT_MAX;
}

/* @nr of the TLBIs for a range, and their CMD_SYNC. Returns where the next begins. */
static u64 smmu_read_batch(struct smmu_reader *r, const struct mm_struct *mm,
			   const struct smmu_want *want, unsigned int nr, u64 at)
{
	const struct smmu_model_cmd *cmd;
	unsigned int i;

	for (i = 0; i < nr && !r->why; i++) {
		cmd = smmu_next(r, SMMU_MODEL_TLBI);
		if (r->why)
			break;
		if (cmd->asid != sva_asid(r->s, mm))
			r->why = "wrong ASID";
		else if (cmd->level_size)
			r->why = "a hint of the level";
		else if (cmd->leaf)
			r->why = "cached table entries are spared";
		else if (want->all != (cmd->last == U64_MAX))
			r->why = want->all ? "not everything" : "everything";
		else if (cmd->start != at)
			r->why = "a TLBI for another address";
		at = want->step ? at + want->step : cmd->last + 1;
	}
	smmu_next(r, SMMU_MODEL_SYNC);
	return at;
}

static void smmu_read_tlbi(struct smmu_reader *r, const struct mm_struct *mm,
			   unsigned long start, unsigned long end,
			   unsigned long entry)
{
	struct smmu_want want;
	unsigned int nr;
	u64 at, next;

	if (r->s->config.btm)
		return;
	smmu_want(&r->s->config, start, end, entry, &want);
	for (at = want.start; want.tlbis && !r->why; want.tlbis -= nr, at = next) {
		nr = min(want.tlbis, smmu_batch(&r->s->config));
		next = smmu_read_batch(r, mm, &want, nr, at);
		if (lab.repeat)
			smmu_read_batch(r, mm, &want, nr, at);
	}
	if (!r->why && want.pages && !want.step && !want.all &&
	    at != want.start + want.pages * PAGE_SIZE)
		r->why = "TLBIs for another range";
}

static void smmu_read_atc(struct smmu_reader *r, const struct mm_struct *mm,
			  unsigned long start, unsigned long end)
{
	const struct smmu_model *m = &r->s->model;
	const struct smmu_model_cmd *cmd;
	unsigned int i, n = 0;
	u32 seen = 0;
	u64 first, last;

	for (i = 0; i < m->nr_streams; i++)
		n += m->stream[i].ats;
	if (!n)
		return;
	smmu_want_atc(start, end, &first, &last);
	while (n-- && !r->why) {
		cmd = smmu_next(r, SMMU_MODEL_ATC_INV);
		if (r->why)
			return;
		for (i = 0; i < m->nr_streams; i++)
			if (m->stream[i].sid == cmd->sid && m->stream[i].ats)
				break;
		if (i == m->nr_streams || seen & BIT(i))
			r->why = "ATC_INV for another stream";
		else if (!cmd->ssv || cmd->ssid != sva_pasid(mm))
			r->why = "ATC_INV with another PASID";
		else if (cmd->start != first || cmd->last != last)
			r->why = "ATC_INV for another range";
		seen |= BIT(i);
	}
	smmu_next(r, SMMU_MODEL_SYNC);
}

/* All commands for calls of the notifier, in order, and not one more. */
static void smmu_read_calls(struct smmu_reader *r, struct smmu_test *t,
			    const struct stlb_call *calls, unsigned int nr,
			    unsigned long entry)
{
	unsigned long size = t->run.size, start = t->run.start;
	unsigned int i;

	for (i = 0; i < nr && !r->why; i++) {
		bool exact = calls[i].start == start && calls[i].end == start + size;
		struct smmu_reader before = *r;

		smmu_read_tlbi(r, t->run.mm, calls[i].start, calls[i].end,
			       exact ? entry : PAGE_SIZE);
		/* An answer that suits pages is excess, see smmu_dropped(). */
		if (STLB_GUESSES_ENTRIES && exact && r->why) {
			*r = before;
			smmu_read_tlbi(r, t->run.mm, calls[i].start,
				       calls[i].end, PAGE_SIZE);
			t->guessed = true;
		}
		smmu_read_atc(r, t->run.mm, calls[i].start, calls[i].end);
	}
	if (!r->why && r->pos != r->s->model.nr_log)
		r->why = "more commands than needed";
}

static void smmu_show_log(struct kunit *test, const struct sva_smmu *s)
{
	static const char * const op[] = { "SYNC", "TLBI", "ATC_INV", "CFGI", "RESUME" };
	const struct smmu_model_cmd *cmd;
	unsigned int i;

	for (i = 0; i < min(s->model.nr_log, 20u); i++) {
		cmd = &s->model.log[i];
		kunit_info(test, "%2u %s asid 0x%x sid 0x%x ssid 0x%x [0x%llx, 0x%llx]",
			   i, op[cmd->op], cmd->asid, cmd->sid, cmd->ssid,
			   cmd->start, cmd->last);
	}
}

/* Fails the case for the first SMMU with other commands than it should have. */
static void smmu_expect(struct kunit *test, struct smmu_reader *r,
			unsigned long start, unsigned long end)
{
	if (!r->why)
		return;
	KUNIT_FAIL(test, "%s: %s, command %u of %u for [0x%lx, 0x%lx)",
		   r->s->name, r->why, r->pos, r->s->model.nr_log, start, end);
	smmu_show_log(test, r->s);
}

static void smmu_expect_sound(struct kunit *test, struct smmu_test *t)
{
	unsigned int i;

	for (i = 0; i < t->nr; i++) {
		KUNIT_EXPECT_EQ_MSG(test, t->smmu[i]->model.errors, 0, "%s: %s",
				    t->smmu[i]->name, t->smmu[i]->model.error);
		t->smmu[i]->model.errors = 0;
	}
}

/* Where the mistake that a case looks for is a command that is none, too. */
static void smmu_expect_sound_unless(struct kunit *test, struct smmu_test *t,
				     bool mistake)
{
	unsigned int i;

	for (i = 0; i < t->nr && mistake; i++)
		t->smmu[i]->model.errors = 0;
	smmu_expect_sound(test, t);
}

/* What is sent from here on counts. */
static void smmu_mark_all(struct smmu_test *t)
{
	unsigned int i;

	for (i = 0; i < t->nr; i++)
		smmu_model_mark(&t->smmu[i]->model);
}

static void smmu_before(struct stlb_device *dev, struct stlb_run *run,
			const struct stlb_scenario *scenario)
{
	struct smmu_test *t = smmu_of(dev);

	stlb_mock_arm(&t->mock, run->start, scenario->level);
	smmu_mark_all(t);
}

/* The upgrade is one call: one TLBI for a block, one per entry of a set. */
static void smmu_after(struct stlb_device *dev, struct stlb_run *run,
		       const struct stlb_scenario *scenario)
{
	struct smmu_test *t = smmu_of(dev);
	struct smmu_reader r;
	unsigned int i;

	KUNIT_EXPECT_LE(run->test, t->mock.nr[STLB_CB_RANGE], 1);
	for (i = 0; i < t->nr; i++) {
		r = (struct smmu_reader){ .s = t->smmu[i] };
		smmu_read_calls(&r, t, t->mock.calls, t->mock.nr[STLB_CB_RANGE],
				stlb_entry_size(scenario->level));
		smmu_expect(run->test, &r, run->start, run->start + run->size);
		if (r.why)
			break;
	}
	smmu_expect_sound(run->test, t);
}

static const struct stlb_device_ops smmu_dev_ops = {
	.name		= SMMU_SUITE,
	.read		= smmu_read,
	.write		= smmu_write,
	.holds		= smmu_holds,
	.stale		= smmu_stale,
	.before		= smmu_before,
	.after		= smmu_after,
	.requests	= smmu_requests,
	.dropped	= smmu_dropped,
};

static void smmu_bind(struct kunit *test, struct sva_smmu *s, struct mm_struct *mm)
{
	struct smmu_test *t = test->priv;

	KUNIT_ASSERT_EQ_MSG(test, 0, sva_smmu_bind(s, mm), "%s", s->name);
	t->smmu[t->nr++] = s;
}

static void smmu_bind_all(struct kunit *test)
{
	struct smmu_test *t = test->priv;
	unsigned int i;

	for (i = 0; i < SMMU_NR; i++)
		smmu_bind(test, lab.smmu[i], t->run.mm);
}

static void smmu_eager(struct smmu_test *t, bool eager)
{
	unsigned int i;

	for (i = 0; i < t->nr; i++)
		t->smmu[i]->model.eager = eager;
}

static void smmu_test_scenario(struct kunit *test,
			       const struct stlb_scenario *scenario)
{
	struct smmu_test *t = test->priv;

	smmu_bind_all(test);
	smmu_eager(t, true);
	stlb_test_device(&t->run, scenario, &t->dev);
}

#define STLB_SCENARIO(_name)						\
	static void _name(struct kunit *test)				\
	{								\
		smmu_test_scenario(test, &stlb_scenarios[STLB_##_name]); \
	}

#include <linux/secondary_tlb_scenarios.h>

/*
 * A block is split and one of its pages upgraded. The block must be gone before
 * there are pages, or the TLB could hold both for one address.
 */
static void split_block_pte(struct kunit *test)
{
	struct smmu_test *t = test->priv;
	struct stlb_run *run = &t->run;
	struct stlb_leaf leaf;
	unsigned long va, at;
	bool held, stale;
	u32 val;

	smmu_bind_all(test);
	stlb_map(run, &stlb_scenarios[STLB_thp_free_store_pmd]);
	va = stlb_trigger(run, 1);
	KUNIT_ASSERT_EQ(test, 0, smmu_read(&t->dev, va, &val));
	mmap_read_lock(run->mm);
	stlb_split_huge_pmd(vma_lookup(run->mm, va), va);
	mmap_read_unlock(run->mm);
	stlb_walk(run->mm, va, &leaf);
	/* Pages, or contiguous sets of them. */
	KUNIT_ASSERT_LT(test, leaf.size, PMD_SIZE);
	KUNIT_ASSERT_TRUE(test, leaf.valid);
	if (leaf.writable)
		kunit_skip(test, "this kernel makes the entries writable when it splits a block");
	held = smmu_holds(&t->dev, va + PAGE_SIZE);

	stlb_cpu_write(run, va, val);
	stale = smmu_stale(&t->dev, va, va + PAGE_SIZE, &at);
	if (!stale)
		KUNIT_EXPECT_EQ(test, 0, smmu_write(&t->dev, va, 1));
	smmu_expect_sound(test, t);
	stlb_verdict(test, SMMU_SUITE, stale || held,
		     "after the split the block is %s, after the upgrade the page is %s",
		     held ? "held" : "gone", stale ? "stale" : "not");
}

/* The same for a block of zeros, whose pages are at another address. */
static void split_zero_block_pte(struct kunit *test)
{
	struct smmu_test *t = test->priv;
	struct stlb_run *run = &t->run;
	struct stlb_leaf leaf;
	unsigned long va, pfn;
	bool held;
	u32 val;

	smmu_bind_all(test);
	stlb_map_private(run, STLB_PMD, true);
	va = stlb_trigger(run, 1);
	KUNIT_ASSERT_EQ(test, stlb_cpu_read(run, va), 0);
	stlb_spare_huge(run);
	stlb_walk(run->mm, va, &leaf);
	KUNIT_ASSERT_EQ_MSG(test, leaf.size, PMD_SIZE, "no huge page of zeros");
	KUNIT_ASSERT_FALSE(test, leaf.writable);
	pfn = leaf.pfn;
	KUNIT_ASSERT_EQ(test, 0, smmu_read(&t->dev, va, &val));
	mmap_read_lock(run->mm);
	stlb_split_huge_pmd(vma_lookup(run->mm, va), va);
	mmap_read_unlock(run->mm);
	stlb_walk(run->mm, va, &leaf);
	KUNIT_ASSERT_EQ(test, leaf.size, PAGE_SIZE);
	KUNIT_ASSERT_TRUE(test, leaf.valid);
	KUNIT_ASSERT_NE(test, leaf.pfn, pfn + ((va - run->start) >> PAGE_SHIFT));
	held = smmu_holds(&t->dev, va);
	smmu_expect_sound(test, t);
	stlb_verdict(test, SMMU_SUITE, held, "after the split the block is %s",
		     held ? "held" : "gone");
}

/*
 * mprotect() of a block tells of one entry, and an SMMU without range invalidation
 * must not take it for hundreds of them, and throw away all that it has.
 */
static void mprotect_block_pmd(struct kunit *test)
{
	struct smmu_test *t = test->priv;
	struct stlb_run *run = &t->run;
	unsigned long before, after, at;
	bool stale, lost;
	u32 val;

	if (STLB_ANY_RANGE)
		kunit_skip(test, "invalidate_range_end() does not say what a range is made of");
	smmu_bind_all(test);
	stlb_map_written(run, STLB_PMD, true);
	before = run->start - PAGE_SIZE;
	after = run->start + run->size;
	KUNIT_ASSERT_EQ(test, 0, smmu_read(&t->dev, run->start, &val));
	KUNIT_ASSERT_EQ(test, 0, smmu_read(&t->dev, before, &val));
	KUNIT_ASSERT_EQ(test, 0, smmu_read(&t->dev, after, &val));
	KUNIT_ASSERT_TRUE(test, smmu_holds(&t->dev, before));
	KUNIT_ASSERT_TRUE(test, smmu_holds(&t->dev, after));

	KUNIT_ASSERT_EQ(test, 0L, stlb_syscall(__NR_mprotect, run->start, run->size,
					       PROT_READ, 0));

	stale = smmu_stale(&t->dev, run->start, after, &at);
	lost = !smmu_holds(&t->dev, before) || !smmu_holds(&t->dev, after);
	smmu_expect_sound(test, t);
	stlb_verdict_word(test, SMMU_SUITE, stale ? "stale" : lost ? "excess" : NULL,
			  "the block is %s, others are %s", stale ? "held" : "gone",
			  lost ? "as well" : "not");
}

/* A range that nothing is mapped in, as its sender would pass it. */
static void smmu_invalidate(struct smmu_test *t, unsigned long start,
			    unsigned long end)
{
	smmu_mark_all(t);
	stlb_invalidate(t->run.mm, start, end);
}

enum smmu_part { SMMU_TLBS, SMMU_ATCS, SMMU_BOTH };

/*
 * Compare the commands for a range with what they should be. Returns the first
 * thing that is wrong, and leaves @r at it.
 */
static const char *smmu_range(struct smmu_test *t, unsigned long start,
			      unsigned long end, enum smmu_part part,
			      struct smmu_reader *r)
{
	unsigned int i;

	smmu_invalidate(t, start, end);
	for (i = 0; i < t->nr; i++) {
		*r = (struct smmu_reader){ .s = t->smmu[i] };
		if (part != SMMU_ATCS)
			smmu_read_tlbi(r, t->run.mm, start, end, PAGE_SIZE);
		else
			while (r->pos < smmu_logged(r->s) &&
			       r->s->model.log[r->pos].op != SMMU_MODEL_ATC_INV)
				r->pos++;
		if (part != SMMU_TLBS) {
			smmu_read_atc(r, t->run.mm, start, end);
			if (!r->why && r->pos != r->s->model.nr_log)
				r->why = "more commands than needed";
		}
		if (r->why)
			break;
	}
	return r->why;
}

/* For cases about ranges that nobody passes to the driver of some kernels. */
static void smmu_needs_any_range(struct kunit *test)
{
	if (!STLB_ANY_RANGE)
		kunit_skip(test, "the TLB functions pass whole pages, from the start to the end");
}

/* Numbers of pages at which something changes in the commands for them. */
static const u64 smmu_pages[] = {
	1, 2, 3, 31, 32, 33, 34, 63, 64, 65, 511, 512, 513,
	PTRS_PER_PTE - 1, PTRS_PER_PTE, PTRS_PER_PTE + 1,
	SZ_2M / PAGE_SIZE, SZ_32M / PAGE_SIZE, SZ_32M / PAGE_SIZE - 1,
	SZ_1G / PAGE_SIZE, SZ_1G / PAGE_SIZE + 1, 0x155555, 0x2aaaaa,
	(1ULL << 32) - 1,
};

/* A place for a range: at 0, in the middle, and off its own alignment. */
static bool smmu_place(unsigned int i, unsigned int place, unsigned long *start,
		       unsigned long *end)
{
	u64 size = smmu_pages[i] * PAGE_SIZE, limit = 1ULL << vabits_actual;

	*start = place == 0 ? 0 :
		 place == 1 ? limit / 2 : 0x123457000 / PAGE_SIZE * PAGE_SIZE;
	*end = *start + size;
	return *end <= limit;
}

static const char *smmu_ranges(struct smmu_test *t, enum smmu_part part,
			       unsigned long *start, unsigned long *end,
			       struct smmu_reader *r)
{
	unsigned int i, place;

	for (i = 0; i < ARRAY_SIZE(smmu_pages); i++)
		for (place = 0; place < 3; place++)
			if (smmu_place(i, place, start, end) &&
			    smmu_range(t, *start, *end, part, r))
				return r->why;
	return NULL;
}

/* The TLBIs for a range cover it, no more, and are as few as can be. */
static void range_tlbi(struct kunit *test)
{
	struct smmu_test *t = test->priv;
	unsigned long start, end;
	struct smmu_reader r;

	smmu_bind_all(test);
	smmu_ranges(t, SMMU_TLBS, &start, &end, &r);
	smmu_expect(test, &r, start, end);
	smmu_expect_sound(test, t);
}

/* An ATC_INV does, too, whether the TLBIs were for the range or not. */
static void range_atc(struct kunit *test)
{
	struct smmu_test *t = test->priv;
	unsigned long start, end;
	struct smmu_reader r;

	smmu_bind_all(test);
	smmu_ranges(t, SMMU_ATCS, &start, &end, &r);
	if (r.why)
		smmu_show_log(test, r.s);
	smmu_expect_sound(test, t);
	stlb_verdict_word(test, SMMU_SUITE, r.why ? "excess" : NULL,
			  "%s: %s for [0x%lx, 0x%lx)", r.s->name,
			  r.why ?: "as it should be", start, end);
}

/* Numbers of pages for which SCALE does not fit into its field. */
static void range_16t(struct kunit *test)
{
	static const u64 pages[] = {
		1ULL << 32, 3ULL << 32, 1ULL << 33, 31ULL << 31, 1ULL << 35,
		(1ULL << 35) + 1, 1ULL << 36, (1ULL << 36) - (1ULL << 31),
	};
	u64 limit = 1ULL << vabits_actual;
	struct smmu_test *t = test->priv;
	struct smmu_reader r = {};
	unsigned int i;

	smmu_bind_all(test);
	for (i = 0; i < ARRAY_SIZE(pages) && !r.why; i++)
		if (pages[i] * PAGE_SIZE <= limit)
			smmu_range(t, 0, pages[i] * PAGE_SIZE, SMMU_TLBS, &r);
	if (r.why)
		smmu_show_log(test, r.s);
	smmu_expect_sound_unless(test, t, r.why);
	stlb_verdict(test, SMMU_SUITE, r.why, "%s: %s for 0x%llx pages",
		     r.s->name, r.why ?: "as it should be", pages[i - 1]);
}

/* The same by a process: the pages are somebody else's afterwards. */
static void munmap_16t(struct kunit *test)
{
	unsigned long size = 1UL << 44, last, stale = 0;
	struct smmu_test *t = test->priv;
	unsigned int i;
	long va;
	u32 val;

	smmu_bind_all(test);
	va = stlb_syscall(__NR_mmap, 0, size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR_VALUE(va), "mmap: %ld", va);
	last = va + size - PAGE_SIZE;
	KUNIT_ASSERT_EQ(test, 0, smmu_write(&t->dev, va, 1));
	KUNIT_ASSERT_EQ(test, 0, smmu_write(&t->dev, last, 2));
	KUNIT_ASSERT_EQ(test, 0, smmu_read(&t->dev, va, &val));
	KUNIT_ASSERT_EQ(test, val, 1);

	KUNIT_ASSERT_EQ(test, 0L, stlb_syscall(__NR_munmap, va, size, 0, 0));
	for (i = 0; i < t->nr; i++)
		stale += smmu_model_holds_any(&t->smmu[i]->model);
	smmu_expect_sound_unless(test, t, stale);
	stlb_verdict(test, SMMU_SUITE, stale,
		     "%lu of %u SMMUs hold pages that were given back", stale,
		     t->nr);
}

/* No range is a way to say everything: one TLBI for it, and nothing is left. */
static void range_empty(struct kunit *test)
{
	static const unsigned long at[] = { 0, ~0UL, 0x1234000, 0x1234567 };
	struct smmu_test *t = test->priv;
	struct smmu_reader r = {};
	unsigned int i;

	smmu_bind_all(test);
	for (i = 0; i < ARRAY_SIZE(at) && !r.why; i++) {
		/* What no kernel passes elsewhere does not reach the ATCs there. */
		if (STLB_SMMU_INVS && at[i])
			break;
		smmu_range(t, at[i], at[i], SMMU_BOTH, &r);
	}
	smmu_expect(test, &r, at[i - 1], at[i - 1]);
	smmu_expect_sound(test, t);
}

static void range_reversed(struct kunit *test)
{
	struct smmu_test *t = test->priv;
	struct smmu_reader r = {};

	smmu_needs_any_range(test);
	smmu_bind_all(test);
	smmu_range(t, 0x7f0000002000, 0x7f0000001000, SMMU_BOTH, &r);
	smmu_expect_sound(test, t);
	stlb_verdict(test, SMMU_SUITE, r.why, "%s: %s", r.s->name,
		     r.why ?: "as it should be");
}

/* A munmap() that another gather disturbs, see tlb_finish_mmu(). */
static void nested_gather(struct kunit *test)
{
	struct smmu_test *t = test->priv;
	struct stlb_run *run = &t->run;
	struct mmu_gather other;
	struct smmu_reader r;
	unsigned int i, nr;
	u32 val;

	smmu_bind_all(test);
	stlb_map_written(run, STLB_PTE, false);
	KUNIT_ASSERT_EQ(test, 0, smmu_read(&t->dev, run->start, &val));
	stlb_mock_arm(&t->mock, run->start, STLB_PTE);
	smmu_mark_all(t);

	tlb_gather_mmu(&other, run->mm);
	stlb_syscall(__NR_munmap, run->start, PAGE_SIZE, 0, 0);
	tlb_finish_mmu(&other);

	nr = t->mock.nr[STLB_CB_RANGE];
	KUNIT_ASSERT_LE(test, nr, ARRAY_SIZE(t->mock.calls));
	for (i = 0; i < nr; i++)
		if ((t->mock.calls[i].start == ~0UL || !t->mock.calls[i].start) &&
		    t->mock.calls[i].end == ~0UL)
			break;
	KUNIT_EXPECT_LT_MSG(test, i, nr, "nobody said (~0, ~0) or (0, ~0)");
	for (i = 0; i < t->nr; i++) {
		r = (struct smmu_reader){ .s = t->smmu[i] };
		smmu_read_calls(&r, t, t->mock.calls, nr, PAGE_SIZE);
		smmu_expect(test, &r, run->start, run->start + PAGE_SIZE);
		KUNIT_EXPECT_FALSE(test, smmu_model_holds_any(&t->smmu[i]->model));
	}
	smmu_expect_sound(test, t);
}

/* Processes do not lose each other's entries, nor see them. */
static void two_processes(struct kunit *test)
{
	struct smmu_test *t = test->priv;
	struct stlb_run *run = &t->run;
	struct mm_struct *other;
	unsigned int i;
	int event = 0;
	u32 val;

	smmu_bind_all(test);
	stlb_map_written(run, STLB_PTE, false);
	stlb_cpu_write(run, run->start, 0xaaaa);

	/* A process with nothing at this address. */
	other = mm_alloc();
	KUNIT_ASSERT_NOT_NULL(test, other);
	other->task_size = TASK_SIZE;
	for (i = 0; i < t->nr && !event; i++)
		event = sva_smmu_bind(t->smmu[i], other);
	KUNIT_EXPECT_EQ(test, 0, event);
	KUNIT_EXPECT_NE(test, sva_pasid(other), sva_pasid(run->mm));
	for (i = 0; i < t->nr; i++)
		KUNIT_EXPECT_NE_MSG(test, sva_asid(t->smmu[i], other),
				    sva_asid(t->smmu[i], run->mm), "%s",
				    t->smmu[i]->name);
	KUNIT_EXPECT_EQ(test, 0, smmu_read(&t->dev, run->start, &val));

	for (i = 0; i < t->nr; i++) {
		event = smmu_try(t->smmu[i], other, run->start);
		KUNIT_EXPECT_EQ_MSG(test, event, SMMU_MODEL_F_TRANSLATION, "%s",
				    t->smmu[i]->name);
	}
	stlb_invalidate(other, run->start, run->start + PAGE_SIZE);
	stlb_invalidate(other, ~0UL, ~0UL);
	KUNIT_EXPECT_TRUE(test, smmu_holds(&t->dev, run->start));
	for (i = 0; i < t->nr; i++)
		sva_smmu_unbind(t->smmu[i], other);
	KUNIT_EXPECT_TRUE(test, smmu_holds(&t->dev, run->start));
	mmput(other);
	smmu_expect_sound(test, t);
}

/* More commands than the queue has room for, round and round, by a slow SMMU. */
static void queue_full(struct kunit *test)
{
	unsigned long start = SMMU_UNMAPPED;
	struct smmu_test *t = test->priv;
	struct smmu_reader r = {};
	unsigned int round, i;

	for (i = 0; i < SMMU_COMBINED; i++)
		if (!lab.smmu[i]->config.range_inv)
			smmu_bind(test, lab.smmu[i], t->run.mm);
	for (i = 0; i < t->nr; i++)
		t->smmu[i]->model.usecs = 2;
	for (round = 0; round < 5 && !r.why; round++)
		smmu_range(t, start, start + 511 * PAGE_SIZE, SMMU_BOTH, &r);
	for (i = 0; i < t->nr; i++)
		t->smmu[i]->model.usecs = 0;
	smmu_expect(test, &r, start, start + 511 * PAGE_SIZE);
	smmu_expect_sound(test, t);
}

/* The same page is read by a device, upgraded by a CPU, and written by both. */
struct smmu_upgrader {
	struct smmu_test *t;
	struct sva_smmu *s;
	unsigned long va;
	unsigned int rounds;
	unsigned int refused;
	unsigned int broken;
	struct completion done;
};

static int smmu_upgrader(void *data)
{
	struct smmu_upgrader *u = data;
	u32 __user *word = (u32 __user *)u->va;
	struct mm_struct *mm = u->t->run.mm;
	struct smmu_model_stream *stream = &u->s->model.stream[0];
	unsigned long requests = 0;
	unsigned int i;
	u32 val, pattern;

	set_cpus_allowed_ptr(current, &lab.cpus);
	kthread_use_mm(mm);
	for (i = 0; i < u->rounds; i++) {
		pattern = i;
		if (stlb_syscall(__NR_madvise, u->va, PAGE_SIZE, MADV_DONTNEED, 0) ||
		    get_user(val, word) ||
		    smmu_access(u->s, stream, mm, u->va, false, &val, &requests) ||
		    put_user(val, word)) {
			u->broken++;
			continue;
		}
		requests = 0;
		if (smmu_access(u->s, stream, mm, u->va, true, &pattern,
				&requests) || requests)
			u->refused++;
		else if (get_user(val, word) || val != pattern)
			u->broken++;
		cond_resched();
	}
	kthread_unuse_mm(mm);
	complete(&u->done);
	return 0;
}

/*
 * Several CPUs upgrade pages of the same process at once, all told through the
 * same queues.
 */
static void parallel_upgrades(struct kunit *test)
{
	static struct smmu_upgrader u[8];
	struct smmu_test *t = test->priv;
	unsigned int i, nr = min_t(unsigned int, cpumask_weight(&lab.cpus),
				   ARRAY_SIZE(u));
	unsigned int refused = 0, broken = 0, rounds = 0;
	struct task_struct *task;
	unsigned long left = 0;
	long va;

	if (nr < 2)
		kunit_skip(test, "one CPU is the SMMU and two race: boot with three or more");
	for (i = 0; i < 8; i++)
		smmu_bind(test, lab.smmu[i], t->run.mm);
	va = stlb_syscall(__NR_mmap, 0, nr * PAGE_SIZE, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(va));

	for (i = 0; i < nr; i++) {
		u[i] = (struct smmu_upgrader){
			.t = t, .s = t->smmu[i], .rounds = 8,
			.va = va + i * PAGE_SIZE,
		};
		init_completion(&u[i].done);
		task = kthread_create(smmu_upgrader, &u[i], "smmu_upgrader");
		if (IS_ERR(task)) {
			complete(&u[i].done);
			broken++;
			continue;
		}
		wake_up_process(task);
	}
	for (i = 0; i < nr; i++) {
		left = wait_for_completion_timeout(&u[i].done, 200 * HZ);
		if (!left)
			break;
		refused += u[i].refused;
		broken += u[i].broken;
		rounds += u[i].rounds;
	}
	KUNIT_ASSERT_NE_MSG(test, left, 0UL, "stuck");
	KUNIT_EXPECT_EQ(test, broken, 0);
	smmu_expect_sound(test, t);
	stlb_verdict(test, SMMU_SUITE, refused, "%u of %u writes by devices refused",
		     refused, rounds);
}

/*
 * The page goes away all the time, and a device may find it gone after any answer to
 * its page request. That is no refusal, unless it goes on and on.
 */
static int smmu_read_in_storm(struct smmu_test *t, unsigned long va)
{
	unsigned int i;
	u32 val;

	for (i = 0; i < 100; i++)
		if (!smmu_read(&t->dev, va, &val))
			return 0;
	return -EFAULT;
}

/* Bind and unbind while another thread upgrades: nothing is left behind. */
static void unbind_in_storm(struct kunit *test)
{
	struct smmu_test *t = test->priv;
	struct stlb_storm storm = { .mm = t->run.mm, .cpus = &lab.cpus };
	unsigned int round, i, held = 0, bad = 0, odd = 0;
	bool alive = true;
	int event;

	stlb_map(&t->run, &stlb_scenarios[STLB_shm_store_pte]);
	storm.va = t->run.start;
	KUNIT_ASSERT_EQ(test, 0, stlb_storm_start(&storm));
	for (round = 0; round < 6 && alive; round++) {
		for (t->nr = 0; t->nr < 8; t->nr++) {
			t->smmu[t->nr] = lab.smmu[t->nr];
			bad += !!sva_smmu_bind(t->smmu[t->nr], t->run.mm);
		}
		smmu_eager(t, true);
		bad += !!smmu_read_in_storm(t, t->run.start);
		alive = stlb_storm_goes_on(&storm, 10);
		bad += !!smmu_read_in_storm(t, t->run.start);
		for (i = 0; i < t->nr; i++) {
			sva_smmu_unbind(t->smmu[i], t->run.mm);
			held += smmu_model_holds_any(&t->smmu[i]->model);
			event = smmu_try(t->smmu[i], t->run.mm, t->run.start);
			odd += event != SMMU_MODEL_C_BAD_CD;
		}
	}
	stlb_storm_stop(&storm);
	KUNIT_EXPECT_TRUE(test, alive);
	KUNIT_EXPECT_FALSE(test, storm.failed);
	KUNIT_EXPECT_EQ_MSG(test, bad, 0, "bind or read failed");
	KUNIT_EXPECT_EQ_MSG(test, held, 0, "translations outlive unbind");
	KUNIT_EXPECT_EQ_MSG(test, odd, 0, "access after unbind");
	smmu_expect_sound(test, t);
}

static void smmu_keep_no_more(struct smmu_test *t)
{
	if (t->kept)
		mmput(t->run.mm);
	t->kept = false;
}

static unsigned int smmu_count_tlbis(const struct sva_smmu *s)
{
	unsigned int i, nr = 0;

	for (i = 0; i < smmu_logged(s); i++)
		nr += s->model.log[i].op == SMMU_MODEL_TLBI;
	return nr;
}

/*
 * mremap() of many private blocks: an SMMU without range invalidation gets a TLBI for
 * each, and keeps what it has of other addresses. What is between the blocks and their
 * new address is one table, so it is one call.
 */
static void mremap_many_pmd(struct kunit *test)
{
	struct smmu_test *t = test->priv;
	struct stlb_run *run = &t->run;
	unsigned int pages, tlbis = 0, i;
	unsigned long before, after, at;
	bool stale, lost;
	u32 val;

	smmu_bind_all(test);
	pages = stlb_map_hugetlb_pages(run, STLB_PMD, 16);
	before = run->start - PAGE_SIZE;
	after = run->start + run->size;
	KUNIT_ASSERT_EQ(test, 0, smmu_read(&t->dev, before, &val));
	KUNIT_ASSERT_EQ(test, 0, smmu_read(&t->dev, after, &val));
	for (i = 0; i < pages; i++)
		KUNIT_ASSERT_EQ(test, 0, smmu_read(&t->dev, run->start + i * PMD_SIZE,
						   &val));
	smmu_mark_all(t);
	stlb_mremap(run);

	for (i = 0; i < t->nr; i++)
		tlbis = max(tlbis, smmu_count_tlbis(t->smmu[i]));
	stale = smmu_stale(&t->dev, run->start, after, &at);
	lost = !smmu_holds(&t->dev, before) || !smmu_holds(&t->dev, after);
	KUNIT_EXPECT_GE(test, tlbis, 1);
	smmu_expect_sound(test, t);
	stlb_verdict_word(test, SMMU_SUITE,
			  stale ? "stale" : lost || tlbis > pages ? "excess" : NULL,
			  "%u blocks are %s, others are %s, %u TLBIs at most", pages,
			  stale ? "held" : "gone", lost ? "as well" : "not", tlbis);
}

/*
 * The process exits, and its devices do not: they get nothing, and are quiet. They
 * are told once, and of nothing that is unmapped after that.
 */
static void exit_quiets(struct kunit *test)
{
	struct smmu_test *t = test->priv;
	struct stlb_run *run = &t->run;
	unsigned int i;
	int event;
	u32 val;

	smmu_bind_all(test);
	stlb_map_written(run, STLB_PTE, false);
	KUNIT_ASSERT_EQ(test, 0, smmu_read(&t->dev, run->start, &val));
	stlb_mock_unregister(&t->mock);
	smmu_mark_all(t);
	smmu_keep_no_more(t);
	stlb_run_exit_mm(run);
	for (i = 0; i < t->nr; i++) {
		KUNIT_EXPECT_EQ_MSG(test, smmu_count_tlbis(t->smmu[i]), 1, "%s",
				    t->smmu[i]->name);
		KUNIT_EXPECT_FALSE_MSG(test, smmu_model_holds_any(&t->smmu[i]->model),
				       "%s", t->smmu[i]->name);
		event = smmu_try(t->smmu[i], run->mm, run->start);
		KUNIT_EXPECT_EQ(test, event, SMMU_MODEL_F_TRANSLATION);
		sva_smmu_unbind(t->smmu[i], run->mm);
		event = smmu_try(t->smmu[i], run->mm, run->start);
		KUNIT_EXPECT_EQ(test, event, SMMU_MODEL_C_BAD_CD);
	}
	smmu_expect_sound(test, t);
}

/* A thread on a CPU of its own that does one thing. */
struct smmu_helper {
	unsigned int cpu;
	void (*fn)(struct smmu_helper *h);
	struct smmu_test *t;
	struct mm_struct *mm;
	unsigned long start;
	unsigned long end;
	struct task_struct *task;
	bool started;
	struct completion done;
};

static int smmu_helper(void *data)
{
	struct smmu_helper *h = data;

	WRITE_ONCE(h->started, true);
	h->fn(h);
	complete(&h->done);
	return 0;
}

/*
 * The @nr-th of the CPUs that are no SMMU. A thread that waits for an SMMU leaves
 * its CPU to no other, so where the order of events matters each has its own; the
 * test's thread has the first.
 */
static unsigned int smmu_cpu(unsigned int nr)
{
	unsigned int cpu = cpumask_first(&lab.cpus);

	while (nr--)
		cpu = cpumask_next(cpu, &lab.cpus);
	return cpu;
}

/*
 * Make a helper. To be done before one waits for an SMMU: the kernel may want to
 * do part of it on the CPU that is lost meanwhile.
 */
static bool smmu_helper_make(struct smmu_helper *h)
{
	init_completion(&h->done);
	h->task = kthread_create(smmu_helper, h, "smmu_helper");
	if (IS_ERR(h->task))
		return false;
	get_task_struct(h->task);
	kthread_bind(h->task, smmu_cpu(h->cpu));
	return true;
}

static bool smmu_helper_done(struct smmu_helper *h, unsigned int seconds)
{
	bool done = wait_for_completion_timeout(&h->done, seconds * HZ);

	if (done)
		put_task_struct(h->task);
	return done;
}

/*
 * Wait until it can go on no further, but not for the SMMU to be given up. It may
 * sleep, or spin for a mutex: then all that one sees is that it does not end. Not
 * by jiffies: they may be those of the CPU that waits with interrupts off.
 */
static bool smmu_helper_blocks(struct smmu_helper *h)
{
	unsigned int i, still = 0;

	for (i = 0; i < 100 && still < 10; i++) {
		usleep_range(2000, 4000);
		if (completion_done(&h->done))
			return false;
		still += READ_ONCE(h->started);
	}
	return still == 10;
}

static void smmu_call(struct smmu_helper *h)
{
	/* A part of a page is worth a WARN() on some kernels. */
	if (PAGE_ALIGNED(h->start | h->end))
		stlb_invalidate(h->mm, h->start, h->end);
	else
		stlb_expect_warn(h->t->run.test)
			stlb_invalidate(h->mm, h->start, h->end);
}

static void smmu_needs(struct kunit *test, unsigned int cpus)
{
	if (cpumask_weight(&lab.cpus) < cpus)
		kunit_skip(test, "boot with %u CPUs or more", cpus + 1);
	set_cpus_allowed_ptr(current, cpumask_of(smmu_cpu(0)));
}

static void smmu_needs_disable(struct kunit *test)
{
	if (sva_no_disable)
		kunit_skip(test, "%s", sva_no_disable);
}

/* The first SMMU that completes by MSI, from @i on, with as much of @like. */
static unsigned int smmu_find_msi(unsigned int i, bool ats, unsigned int masters)
{
	for (; i < SMMU_COMBINED; i++)
		if (lab.smmu[i]->config.msi && lab.smmu[i]->config.ats == ats &&
		    lab.smmu[i]->config.masters == masters)
			break;
	return i;
}

/*
 * The process exits while its device is at work. What the device accesses from then on
 * must end at once: a stall waits for an answer to a fault, and the process that could
 * have had the page is gone. An SMMU that stalls always keeps the bit (IHI 0070, CD.S).
 */
#define SMMU_CD_S	BIT_ULL(44)

static bool smmu_stalls_after_exit(struct kunit *test, bool force)
{
	struct sva_smmu *s = lab.smmu[smmu_find_msi(0, true, 1)];
	struct smmu_test *t = test->priv;
	struct stlb_run *run = &t->run;
	bool before, after;
	const __le64 *cd;
	const char *why;

	why = sva_smmu_stall(s, true, force);
	if (why)
		kunit_skip(test, "%s", why);
	smmu_bind(test, s, run->mm);
	cd = s->model.stream[0].cdtab + sva_pasid(run->mm) * 8;
	before = le64_to_cpu(READ_ONCE(cd[0])) & SMMU_CD_S;
	stlb_mock_unregister(&t->mock);
	smmu_keep_no_more(t);
	stlb_run_exit_mm(run);
	after = le64_to_cpu(READ_ONCE(cd[0])) & SMMU_CD_S;
	sva_smmu_unbind(s, run->mm);
	sva_smmu_stall(s, false, false);

	KUNIT_EXPECT_TRUE(test, before);
	smmu_expect_sound(test, t);
	return after;
}

static void exit_ends_stalls(struct kunit *test)
{
	bool stalls = smmu_stalls_after_exit(test, false);

	stlb_verdict(test, SMMU_SUITE, stalls, "after the exit accesses %s",
		     stalls ? "stall" : "end");
}

static void exit_keeps_forced_stalls(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, smmu_stalls_after_exit(test, true));
}

/*
 * A callback for the first SMMU waits for it while the process is unbound from
 * both, and goes on to that of the second: it has been unlinked, but for the
 * SRCU section that the callback is in it still exists.
 */
static void unbind_late_callback(struct kunit *test)
{
	/* Where there is an ATC a driver may wait for the callback. */
	unsigned int first = smmu_find_msi(0, false, 1);
	unsigned int second = smmu_find_msi(first + 1, false, 1);
	struct sva_smmu *a = lab.smmu[first], *b = lab.smmu[second];
	struct smmu_test *t = test->priv;
	static struct smmu_helper h;
	bool caught, right;
	int watched;

	h = (struct smmu_helper){
		.cpu = 1, .fn = smmu_call, .t = t, .mm = t->run.mm,
		.start = SMMU_UNMAPPED, .end = SMMU_UNMAPPED + PAGE_SIZE,
	};

	if (!IS_ENABLED(CONFIG_SLUB_DEBUG_ON) && !IS_ENABLED(CONFIG_KASAN))
		kunit_skip(test, "what is freed looks alive: needs SLUB_DEBUG_ON or KASAN");
	smmu_needs(test, 2);
	/* The last to register is called first. */
	smmu_bind(test, lab.smmu[second], t->run.mm);
	smmu_bind(test, lab.smmu[first], t->run.mm);
	KUNIT_ASSERT_TRUE(test, smmu_helper_make(&h));
	smmu_model_hold(&a->model, SMMU_MODEL_TLBI);
	wake_up_process(h.task);
	caught = wait_for_completion_timeout(&a->model.is_held, HZ / 2);
	sva_smmu_unbind(a, t->run.mm);
	sva_smmu_unbind(b, t->run.mm);
	watched = sva_smmu_watch_unbound(b, t->run.mm);
	smmu_model_mark(&b->model);
	/* If the domain is gone the callback must not be let into it. */
	if (watched) {
		stlb_verdict_word(test, SMMU_SUITE, "freed",
				  "a callback is due in a domain that does not exist: %d",
				  watched);
		return;
	}
	smmu_model_release(&a->model);
	KUNIT_ASSERT_TRUE(test, smmu_helper_done(&h, 60));

	KUNIT_EXPECT_TRUE_MSG(test, caught, "no callback to wait for");
	KUNIT_ASSERT_GT_MSG(test, b->model.nr_log, 0, "the second was not called");
	KUNIT_EXPECT_EQ_MSG(test, a->model.errors, 0, "%s", a->model.error);
	right = !b->model.errors && b->model.log[0].op == SMMU_MODEL_TLBI &&
		b->model.log[0].asid == sva_asid(b, t->run.mm);
	stlb_verdict_word(test, SMMU_SUITE, right ? NULL : "freed",
			  "a callback after unbind: ASID 0x%x, %s",
			  b->model.log[0].asid, right ? "the process's" :
			  "which is not the process's");
	b->model.errors = 0;
}

static void smmu_unbind(struct smmu_helper *h)
{
	sva_smmu_unbind(h->t->smmu[0], h->mm);
}

static void smmu_exit_mm(struct smmu_helper *h)
{
	mmput(h->mm);
}

static void smmu_disable(struct smmu_helper *h)
{
	sva_smmu_disable(h->t->smmu[0]);
}

/*
 * A process exits while its device unbinds, and is second to get the lock. SVA is
 * to be disabled at the same time, which waits for the former without the lock.
 */
static void unbind_late_release(struct kunit *test)
{
	struct sva_smmu *s = lab.smmu[smmu_find_msi(0, false, 1)];
	static struct smmu_helper unbind, disable, leave;
	struct smmu_test *t = test->priv;
	struct mm_struct *mm;
	bool caught, waits;

	smmu_needs_disable(test);
	smmu_needs(test, 3);
	mm = mm_alloc();
	KUNIT_ASSERT_NOT_NULL(test, mm);
	mmgrab(mm);
	unbind = (struct smmu_helper){ .cpu = 1, .fn = smmu_unbind, .t = t, .mm = mm };
	disable = (struct smmu_helper){ .cpu = 2, .fn = smmu_disable, .t = t };
	leave = (struct smmu_helper){ .cpu = 2, .fn = smmu_exit_mm, .t = t, .mm = mm };
	smmu_bind(test, s, mm);
	KUNIT_ASSERT_TRUE(test, smmu_helper_make(&unbind));
	KUNIT_ASSERT_TRUE(test, smmu_helper_make(&disable));
	KUNIT_ASSERT_TRUE(test, smmu_helper_make(&leave));

	smmu_model_hold(&s->model, SMMU_MODEL_TLBI);
	wake_up_process(unbind.task);
	caught = wait_for_completion_timeout(&s->model.is_held, HZ / 2);
	/* They get as far as they can: to the lock that unbind holds. */
	wake_up_process(disable.task);
	waits = smmu_helper_blocks(&disable);
	wake_up_process(leave.task);
	waits &= smmu_helper_blocks(&leave);
	smmu_model_mark(&s->model);
	smmu_model_release(&s->model);
	KUNIT_ASSERT_TRUE(test, smmu_helper_done(&unbind, 60));
	KUNIT_ASSERT_TRUE_MSG(test, smmu_helper_done(&disable, 60), "deadlock");
	KUNIT_ASSERT_TRUE_MSG(test, smmu_helper_done(&leave, 60), "deadlock");

	KUNIT_EXPECT_TRUE_MSG(test, caught, "unbind does not invalidate");
	KUNIT_EXPECT_TRUE_MSG(test, waits, "they do not wait for unbind");
	if (s->model.nr_log)
		smmu_show_log(test, s);
	stlb_verdict_word(test, SMMU_SUITE, s->model.nr_log ? "freed" : NULL,
			  "%u commands by release() after unbind%s%s",
			  s->model.nr_log, s->model.errors ? ": " : "",
			  s->model.errors ? s->model.error : "");
	s->model.errors = 0;
	mmdrop(mm);
}

/*
 * A process exits while its device unbinds, the one when the other waits for the SMMU
 * after a command @op. The CD must be cleared in the end.
 */
static void smmu_exit_and_unbind(struct kunit *test, bool exit_first,
				 enum smmu_model_op op)
{
	struct sva_smmu *s = lab.smmu[smmu_find_msi(0, op == SMMU_MODEL_ATC_INV, 1)];
	static struct smmu_helper first, second;
	struct smmu_test *t = test->priv;
	struct mm_struct *mm;
	bool caught;
	int event;

	smmu_needs(test, 3);
	mm = mm_alloc();
	KUNIT_ASSERT_NOT_NULL(test, mm);
	mmgrab(mm);
	first = (struct smmu_helper){ .cpu = 1, .fn = smmu_unbind, .t = t, .mm = mm };
	second = (struct smmu_helper){ .cpu = 2, .fn = smmu_exit_mm, .t = t, .mm = mm };
	if (exit_first)
		swap(first.fn, second.fn);
	smmu_bind(test, s, mm);
	KUNIT_ASSERT_TRUE(test, smmu_helper_make(&first));
	KUNIT_ASSERT_TRUE(test, smmu_helper_make(&second));

	smmu_model_hold(&s->model, op);
	wake_up_process(first.task);
	caught = wait_for_completion_timeout(&s->model.is_held, HZ / 2);
	wake_up_process(second.task);
	/* It gets as far as it can. */
	smmu_helper_blocks(&second);
	smmu_model_release(&s->model);
	KUNIT_ASSERT_TRUE_MSG(test, smmu_helper_done(&first, 60), "deadlock");
	KUNIT_ASSERT_TRUE_MSG(test, smmu_helper_done(&second, 60), "deadlock");

	KUNIT_EXPECT_TRUE_MSG(test, caught, "the first does not wait for the SMMU");
	event = smmu_try(s, mm, SMMU_UNMAPPED);
	stlb_verdict_word(test, SMMU_SUITE,
			  event != SMMU_MODEL_C_BAD_CD ? "stale" :
			  s->model.errors ? "freed" : NULL,
			  "after unbind and exit an access ends in event 0x%x%s%s",
			  event, s->model.errors ? ": " : "",
			  s->model.errors ? s->model.error : "");
	s->model.errors = 0;
	mmdrop(mm);
}

/* release() makes the CD quiet, when unbind wants to clear it. */
static void exit_in_unbind(struct kunit *test)
{
	smmu_exit_and_unbind(test, true, SMMU_MODEL_CFGI);
}

/* unbind has cleared the CD, and release() still finds the device. */
static void exit_after_clear(struct kunit *test)
{
	smmu_exit_and_unbind(test, false, SMMU_MODEL_ATC_INV);
}

/* The domain may go when SVA is disabled, and no callback may be in it then. */
static void disable_waits(struct kunit *test)
{
	struct sva_smmu *s = lab.smmu[smmu_find_msi(0, true, 1)];
	static struct smmu_helper call, disable;
	struct smmu_test *t = test->priv;
	bool caught, waits, early, leaves;

	smmu_needs_disable(test);
	smmu_needs(test, 3);
	call = (struct smmu_helper){
		.cpu = 1, .fn = smmu_call, .t = t, .mm = t->run.mm,
		.start = SMMU_UNMAPPED, .end = SMMU_UNMAPPED + PAGE_SIZE,
	};
	disable = (struct smmu_helper){ .cpu = 2, .fn = smmu_disable, .t = t };
	smmu_bind(test, s, t->run.mm);
	KUNIT_ASSERT_TRUE(test, smmu_helper_make(&call));
	KUNIT_ASSERT_TRUE(test, smmu_helper_make(&disable));
	smmu_model_hold(&s->model, SMMU_MODEL_TLBI);
	wake_up_process(call.task);
	caught = wait_for_completion_timeout(&s->model.is_held, HZ / 2);
	sva_smmu_unbind(s, t->run.mm);
	wake_up_process(disable.task);
	waits = smmu_helper_blocks(&disable);
	early = completion_done(&disable.done);
	/* What keeps the devices in the domain that the callback is in. */
	leaves = !sva_smmu_enabled(s);
	smmu_model_release(&s->model);
	KUNIT_ASSERT_TRUE(test, smmu_helper_done(&call, 60));
	KUNIT_ASSERT_TRUE(test, smmu_helper_done(&disable, 60));

	KUNIT_EXPECT_TRUE_MSG(test, caught, "no callback to wait for");
	KUNIT_EXPECT_TRUE_MSG(test, waits || early, "SVA is being disabled for long");
	smmu_expect_sound(test, t);
	KUNIT_EXPECT_FALSE_MSG(test, sva_smmu_enabled(s), "SVA is not disabled");
	stlb_verdict_word(test, SMMU_SUITE, early || leaves ? "freed" : NULL,
			  "SVA is disabled %s, and devices may leave the domain %s",
			  early ? "while a callback is in the domain" : "after the callback",
			  leaves ? "before" : "then");
}

/* After a bind that has failed nobody is told, and the next one works. */
static void smmu_expect_unbound(struct kunit *test, struct sva_smmu *s)
{
	const unsigned long va = SMMU_UNMAPPED;
	struct smmu_test *t = test->priv;

	sva_smmu_unbind(s, t->run.mm);
	smmu_model_mark(&s->model);
	stlb_invalidate(t->run.mm, va, va + PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, s->model.nr_log, 0);

	smmu_bind(test, s, t->run.mm);
	smmu_model_mark(&s->model);
	stlb_invalidate(t->run.mm, va, va + PAGE_SIZE);
	KUNIT_EXPECT_GT(test, s->model.nr_log, 0);
	smmu_expect_sound(test, t);
}

/* The notifier cannot be registered: a signal ends the wait for all locks. */
static void bind_interrupted(struct kunit *test)
{
	struct sva_smmu *s = lab.smmu[smmu_find_msi(0, true, 1)];
	struct smmu_test *t = test->priv;
	int ret;

	/* Locks of mappings, that is. */
	stlb_map_written(&t->run, STLB_PTE, false);
	set_thread_flag(TIF_SIGPENDING);
	ret = sva_smmu_bind(s, t->run.mm);
	clear_thread_flag(TIF_SIGPENDING);
	KUNIT_EXPECT_EQ(test, ret, -EINTR);
	smmu_expect_unbound(test, s);
}

/* The notifier is registered, and there is no memory for what the SMMU reads. */
static void bind_without_table(struct kunit *test)
{
	struct sva_smmu *s = lab.smmu[smmu_find_msi(0, true, 1)];
	struct smmu_test *t = test->priv;
	int ret;

	sva_smmu_starve(s, true);
	ret = sva_smmu_bind(s, t->run.mm);
	sva_smmu_starve(s, false);
	KUNIT_EXPECT_EQ(test, ret, -ENOMEM);
	smmu_expect_unbound(test, s);
}

static void disable_while_bound(struct kunit *test)
{
	struct sva_smmu *s = lab.smmu[smmu_find_msi(0, true, 1)];
	struct smmu_test *t = test->priv;

	smmu_needs_disable(test);
	smmu_bind(test, s, t->run.mm);
	KUNIT_EXPECT_EQ(test, -EBUSY, sva_smmu_disable(s));
	smmu_model_mark(&s->model);
	stlb_invalidate(t->run.mm, ~0UL, ~0UL);
	KUNIT_EXPECT_GT(test, s->model.nr_log, 0);
	smmu_expect_sound(test, t);
}

/* Of two devices that share a domain one unbinds: the other one is still told. */
static void unbind_one_of_two(struct kunit *test)
{
	struct sva_smmu *s = lab.smmu[smmu_find_msi(0, true, 2)];
	struct smmu_test *t = test->priv;
	struct stlb_run *run = &t->run;
	struct smmu_model_stream *last;
	u32 val;

	smmu_bind(test, s, t->run.mm);
	/* Once more for the first device: a reference. */
	KUNIT_ASSERT_EQ(test, 0, sva_smmu_bind(s, run->mm));
	stlb_map_written(run, STLB_PTE, false);
	KUNIT_ASSERT_EQ(test, 0, smmu_read(&t->dev, run->start, &val));

	sva_smmu_unbind_master(s, run->mm, 0);
	/* The first may find what the other one does, or have a table of its own. */
	last = &s->model.stream[s->model.nr_streams - 1];
	KUNIT_EXPECT_EQ(test, 0, smmu_access(s, last, run->mm, run->start, false,
					     &val, &t->requests));
	smmu_model_mark(&s->model);
	stlb_syscall(__NR_munmap, run->start, PAGE_SIZE, 0, 0);
	KUNIT_EXPECT_FALSE(test, smmu_model_holds_any(&s->model));
	sva_smmu_unbind_master(s, run->mm, 1);
	KUNIT_EXPECT_EQ(test, smmu_try(s, run->mm, run->start),
			SMMU_MODEL_C_BAD_CD);
	smmu_expect_sound(test, t);
}

/*
 * Commands that unmapping leaf entries of a DMA domain takes, worked out in another
 * way than by the driver: one for each entry, but one for all from PTRS_PER_PTE on,
 * which is the limit for processes, too. With range invalidation there are few anyway.
 */
static void smmu_read_leaf(struct smmu_reader *r, const struct mm_struct *mm,
			   unsigned long start, unsigned long nr,
			   unsigned long granule)
{
	bool range_inv = r->s->config.range_inv;
	bool all = !range_inv && nr >= PTRS_PER_PTE;
	u64 at = start, end = start + nr * granule;
	unsigned int i, unsynced = 0;
	const struct smmu_model_cmd *cmd;

	for (i = 0; at < end && !r->why; i++) {
		if (unsynced == smmu_batch(&r->s->config)) {
			smmu_next(r, SMMU_MODEL_SYNC);
			unsynced = 0;
		}
		unsynced++;
		cmd = smmu_next(r, SMMU_MODEL_TLBI);
		if (r->why)
			break;
		if (cmd->asid != sva_asid(r->s, mm))
			r->why = "wrong ASID";
		else if (all != (cmd->last == U64_MAX))
			r->why = all ? "not everything" : "everything";
		else if (all)
			break;
		else if (cmd->start != at)
			r->why = "a TLBI for another address";
		else if (!cmd->leaf)
			r->why = "cached table entries are invalidated";
		else if (range_inv && cmd->level_size != granule)
			r->why = "a hint of another level";
		at = range_inv ? cmd->last + 1 : at + granule;
	}
	if (!r->why && !all && at != end)
		r->why = "TLBIs for another range";
	smmu_next(r, SMMU_MODEL_SYNC);
	/* Elsewhere ATCs are invalidated by another function. */
	if (STLB_SMMU_INVS)
		smmu_read_atc(r, mm, start, end);
	if (!r->why && r->pos != r->s->model.nr_log)
		r->why = "more commands than needed";
}

/* The same for one of the SMMUs. Returns whether all was as it should be. */
static bool smmu_leaf(struct kunit *test, unsigned int i, unsigned long start,
		      unsigned long nr, unsigned long granule)
{
	struct smmu_test *t = test->priv;
	struct smmu_reader r = { .s = t->smmu[i] };

	smmu_model_mark(&t->smmu[i]->model);
	sva_smmu_inv_leaf(t->smmu[i], t->run.mm, start, nr * granule, granule);
	smmu_read_leaf(&r, t->run.mm, start, nr, granule);
	smmu_expect(test, &r, start, start + nr * granule);
	return !r.why;
}

/*
 * The loop for ranges is that of DMA domains, too. There leaf entries of a known
 * size have been unmapped, and the level may be hinted at.
 */
static void dma_leaf(struct kunit *test)
{
	static const struct {
		unsigned long start, granule;
		unsigned int nr;
	} table[] = {
		{ 0xffff000, 0, 1 }, { 0x12345000, 0, 33 }, { 0, 0, 511 },
		{ 1UL << 32, 1, 1 }, { 3UL << 32, 1, 3 }, { 1UL << 40, 1, 33 },
	};
	struct smmu_test *t = test->priv;
	unsigned long granule;
	unsigned int i, j;

	smmu_bind_all(test);
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		granule = table[i].granule ? PMD_SIZE : PAGE_SIZE;
		for (j = 0; j < t->nr; j++)
			if (!smmu_leaf(test, j, ALIGN_DOWN(table[i].start, granule),
				       table[i].nr, granule))
				break;
	}
	smmu_expect_sound(test, t);
}

/* What a CD has to say, from the process and what the SMMU can do. */
static void bind_writes_cd(struct kunit *test)
{
	struct smmu_test *t = test->priv;
	struct mm_struct *mm = t->run.mm;
	u64 word[2], asid, tg = PAGE_SHIFT == 12 ? 0 : PAGE_SHIFT == 16 ? 1 : 2;
	unsigned int i, j;

	smmu_bind_all(test);
	for (i = 0; i < t->nr; i++) {
		struct smmu_model *m = &t->smmu[i]->model;
		bool httu = STLB_SMMU_HTTU && m->httu;

		for (j = 0; j < m->nr_streams; j++) {
			KUNIT_EXPECT_TRUE_MSG(test,
					      smmu_model_cd(m, &m->stream[j],
							    sva_pasid(mm), word),
					      "%s: no CD", t->smmu[i]->name);
			asid = word[0] >> 48;
			KUNIT_EXPECT_EQ(test, asid, sva_asid(t->smmu[i], mm));
			/* T0SZ, TG0, EPD0 */
			KUNIT_EXPECT_EQ(test, word[0] & 0x3f, 64 - vabits_actual);
			KUNIT_EXPECT_EQ(test, word[0] >> 6 & 3, tg);
			KUNIT_EXPECT_EQ(test, word[0] >> 14 & 1, 0);
			/* TTB0 */
			KUNIT_EXPECT_EQ(test, word[1] & 0xffffffffffff0,
					virt_to_phys(mm->pgd));
			/* HD and HA; HAFT, which the CPUs here do not have */
			KUNIT_EXPECT_EQ_MSG(test, word[0] >> 42 & 3, httu ? 3 : 0,
					    "%s: HA, HD", t->smmu[i]->name);
			if (!sva_cpu_haft())
				KUNIT_EXPECT_EQ_MSG(test, word[1] >> 3 & 1, 0,
						    "%s: HAFT", t->smmu[i]->name);
		}
	}
	smmu_expect_sound(test, t);
}

/* An SMMU that sets the dirty state needs no page request for a page it may write. */
static void httu_write_dirties_pte(struct kunit *test)
{
	struct sva_smmu *s, *plain = lab.smmu[0];
	struct smmu_test *t = test->priv;
	struct stlb_run *run = &t->run;
	unsigned long requests = 0;
	struct stlb_leaf leaf;
	unsigned int i;
	u32 val = 0;
	int event;

	if (!STLB_SMMU_HTTU)
		kunit_skip(test, "the driver does not let an SMMU change a process's page table");
	for (i = SMMU_HTTU; i <= SMMU_HTTU_ATS; i++)
		smmu_bind(test, lab.smmu[i], run->mm);
	smmu_bind(test, plain, run->mm);
	for (i = SMMU_HTTU; i <= SMMU_HTTU_ATS; i++) {
		s = lab.smmu[i];
		stlb_map(run, &stlb_scenarios[STLB_shm_store_pte]);
		KUNIT_ASSERT_EQ(test, 0, smmu_read(&t->dev, run->start, &val));
		stlb_walk(run->mm, run->start, &leaf);
		KUNIT_ASSERT_TRUE(test, leaf.dbm && !leaf.writable);

		mmap_read_lock(run->mm);
		event = smmu_model_access(&plain->model, &plain->model.stream[0],
					  sva_pasid(run->mm), run->start, true, &val);
		mmap_read_unlock(run->mm);
		KUNIT_EXPECT_EQ(test, event, SMMU_MODEL_F_PERMISSION);

		val = 0x5eed + i;
		KUNIT_EXPECT_EQ(test, 0, smmu_access(s, &s->model.stream[0], run->mm,
						     run->start, true, &val,
						     &requests));
		KUNIT_EXPECT_EQ_MSG(test, requests, 0, "%s", s->name);
		stlb_walk(run->mm, run->start, &leaf);
		KUNIT_EXPECT_TRUE(test, leaf.writable);
		KUNIT_EXPECT_EQ(test, stlb_cpu_read(run, run->start), val);
	}
	smmu_expect_sound(test, t);
}

/* Commands for a bind. */
struct smmu_bind_cmds {
	unsigned int cfgis;
	unsigned int atcs;
};

/* Bind again, and count. All CFGIs for the streams of a device have a CMD_SYNC. */
static void smmu_rebind(struct kunit *test, struct sva_smmu *s,
			struct smmu_bind_cmds *cmds)
{
	struct smmu_test *t = test->priv;
	unsigned int i, unsynced = 0;

	sva_smmu_unbind(s, t->run.mm);
	smmu_model_mark(&s->model);
	KUNIT_ASSERT_EQ(test, 0, sva_smmu_bind(s, t->run.mm));
	*cmds = (struct smmu_bind_cmds){};
	for (i = 0; i < smmu_logged(s); i++) {
		switch (s->model.log[i].op) {
		case SMMU_MODEL_CFGI:
			cmds->cfgis++;
			unsynced++;
			KUNIT_EXPECT_LE_MSG(test, unsynced, s->config.streams, "%s",
					    s->name);
			break;
		case SMMU_MODEL_ATC_INV:
			cmds->atcs++;
			break;
		case SMMU_MODEL_SYNC:
			unsynced = 0;
			break;
		default:
			break;
		}
	}
}

/*
 * Tegra264: each batch of TLBIs is sent twice, the second when the first is complete,
 * and so is each CFGI; an ATC_INV is not.
 */
static void erratum_repeats_tlbi(struct kunit *test)
{
	static const u64 pages[] = { 1, 2, 63, 64, 65, 128, 129 };
	static struct smmu_bind_cmds with[SMMU_NR], without;
	unsigned long start = SMMU_UNMAPPED;
	struct smmu_test *t = test->priv;
	struct smmu_reader r = {};
	const char *why;
	unsigned int i;

	why = sva_repeat_tlbi(true);
	if (why)
		kunit_skip(test, "%s", why);
	lab.repeat = true;
	smmu_bind_all(test);
	for (i = 0; i < ARRAY_SIZE(pages) && !r.why; i++)
		smmu_range(t, start, start + pages[i] * PAGE_SIZE, SMMU_BOTH, &r);
	smmu_expect(test, &r, start, start + pages[i - 1] * PAGE_SIZE);
	smmu_range(t, 0, ~0UL, SMMU_BOTH, &r);
	smmu_expect(test, &r, 0, ~0UL);

	for (i = 0; i < t->nr; i++)
		smmu_rebind(test, t->smmu[i], &with[i]);
	lab.repeat = false;
	sva_repeat_tlbi(false);
	smmu_range(t, start, start + PAGE_SIZE, SMMU_BOTH, &r);
	smmu_expect(test, &r, start, start + PAGE_SIZE);
	for (i = 0; i < t->nr; i++) {
		smmu_rebind(test, t->smmu[i], &without);
		KUNIT_EXPECT_EQ_MSG(test, with[i].cfgis, 2 * without.cfgis, "%s",
				    t->smmu[i]->name);
		KUNIT_EXPECT_EQ_MSG(test, with[i].atcs, without.atcs, "%s",
				    t->smmu[i]->name);
	}
	smmu_expect_sound(test, t);
}

/* What the model must not accept, for its silence to mean anything. */
static void model_sees_bad_commands(struct kunit *test)
{
	static const struct {
		const char *what;
		u64 cmd[3][2];
		bool good;
	} table[] = {
		{ "TLBI, sync, ATC_INV", { { 0x0001000000000012 | 1ULL << 12, 0x400 },
		  { 0x46, 0 }, { 0x10000000840, 0 } }, true },
		{ "ATC_INV without sync", { { 0x0001000000000012 | 1ULL << 12, 0x400 },
		  { 0x10000000840, 0 } } },
		{ "ATC_INV for no stream", { { 0x99900000840, 0 } } },
		{ "ATC_INV not aligned", { { 0x10000000840, 0x1001 } } },
		{ "ATC_INV global", { { 0x10000000a40, 0 } } },
		{ "ATC_INV without SSV", { { 0x10000001040, 0 } } },
		{ "TLBI for an unknown ASID", { { 0x0002000000000011, 0 } } },
		{ "TLBI EL2 at EL1", { { 0x0001000000000021, 0 } } },
		{ "TLBI of nothing", { { 0x0001000000000012, 0x400 } } },
		{ "TLBI with NUM and no TG", { { 0x0001000000001012, 0 } } },
		{ "TLBI with reserved bits", { { 0x0001000000001112, 0x400 } } },
		{ "no command", { { 0x77, 0 } } },
	};
	struct smmu_model *m = kvzalloc(sizeof(*m), GFP_KERNEL);
	unsigned int i, j;

	KUNIT_ASSERT_NOT_NULL(test, m);
	m->log2size = 4;
	m->range_inv = true;
	m->nr_streams = 1;
	m->stream[0].sid = 0x100;
	m->stream[0].ats = true;
	if (smmu_model_init(m)) {
		kvfree(m);
		KUNIT_FAIL(test, "no memory");
		return;
	}
	set_bit(1, m->asids);
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		m->errors = 0;
		m->nr_pending = 0;
		for (j = 0; j < 3 && table[i].cmd[j][0]; j++) {
			__le64 *slot = &m->queue[2 * (m->prod % 16)];

			slot[0] = cpu_to_le64(table[i].cmd[j][0]);
			slot[1] = cpu_to_le64(table[i].cmd[j][1]);
			m->prod = (m->prod + 1) % 32;
			smmu_model_consume(m);
		}
		KUNIT_EXPECT_EQ_MSG(test, !m->errors, table[i].good, "%s: %s",
				    table[i].what, m->error);
	}
	smmu_model_exit(m);
	kvfree(m);
}

/*
 * So many commands no call has to send: one for each page of everything that is not
 * told as a whole is less.
 */
#define SMMU_ENDLESS	(16 * SMMU_MODEL_LOG)

static unsigned int smmu_most_commands(const struct smmu_test *t)
{
	unsigned int i, most = 0;

	for (i = 0; i < t->nr; i++)
		most = max(most, READ_ONCE(t->smmu[i]->model.nr_log));
	return most;
}

/*
 * Calls that an unfixed driver never returns from. In a kernel of its own: the
 * thread, and what it holds, is lost. How long a call takes that does return is the
 * machine's business, so commands are what is counted.
 */
static void smmu_test_hang(struct kunit *test, struct smmu_helper *h)
{
	struct smmu_test *t = test->priv;
	unsigned int most, tenths;
	bool done = false;

	if (lab.hung)
		kunit_skip(test, "an earlier case hangs: boot with kunit.filter_glob=%s.%s",
			   HANG_SUITE, test->name);
	smmu_needs(test, 2);
	h->t = t;
	h->mm = t->run.mm;
	smmu_mark_all(t);
	KUNIT_ASSERT_TRUE(test, smmu_helper_make(h));
	wake_up_process(h->task);
	for (tenths = 0; !done && tenths < 600; tenths++) {
		done = wait_for_completion_timeout(&h->done, HZ / 10);
		if (smmu_most_commands(t) > SMMU_ENDLESS)
			break;
	}
	most = smmu_most_commands(t);
	if (done) {
		put_task_struct(h->task);
		smmu_expect_sound(test, t);
	} else {
		lab.hung = true;
		/* What the thread uses, and what calls us back, must stay. */
		mmget(t->run.mm);
	}
	stlb_verdict_word(test, HANG_SUITE, lab.hung ? "hang" : NULL,
			  "%u commands%s", most, lab.hung ? ", and no end" : "");
}

static void smmu_test_hang_range(struct kunit *test, unsigned long start,
				 unsigned long end)
{
	static struct smmu_helper h;
	struct smmu_test *t = test->priv;
	struct smmu_reader r;

	smmu_bind_all(test);
	h = (struct smmu_helper){
		.cpu = 1, .fn = smmu_call, .start = start, .end = end,
	};
	smmu_test_hang(test, &h);
	if (lab.hung)
		return;
	smmu_range(t, start, end, SMMU_BOTH, &r);
	smmu_expect(test, &r, start, end);
}

/* If the first one returns, others must do what they should. */
static void unaligned(struct kunit *test)
{
	static const struct {
		unsigned long start, end;
	} range[] = {
		{ 0x7f0000000fff, 0x7f0000010000 },
		{ 0x7f0000001001, 0x7f0000001002 },
		{ 0x7f0000000fff, 0x7f0000001001 },
		{ 0x7f0000000001, 0x7f00001ffffe },
		{ 0x7f0000000001, 0x7f0000200001 },
		{ 1, 2 },
	};
	struct smmu_test *t = test->priv;
	struct smmu_reader r;
	unsigned int i;

	if (!STLB_ANY_RANGE && !STLB_EXPECTS_WARN)
		kunit_skip(test, "KUnit of this kernel cannot expect the WARN() of this case");
	stlb_expect_warn(test)
		smmu_test_hang_range(test, SMMU_UNMAPPED, SMMU_UNMAPPED + SZ_64K + 1);
	stlb_expect_warn(test) {
		for (i = 0; i < ARRAY_SIZE(range) && !lab.hung; i++) {
			smmu_range(t, range[i].start, range[i].end, SMMU_BOTH, &r);
			smmu_expect(test, &r, range[i].start, range[i].end);
		}
	}
}

static void smmu_unmap_blocks(struct smmu_helper *h)
{
	unsigned int i;

	for (i = 0; i < h->t->nr; i++)
		sva_smmu_inv_leaf(h->t->smmu[i], h->mm, h->start,
				  h->end - h->start, PMD_SIZE);
}

/* Unmapping many blocks of a DMA domain takes no more commands than the limit. */
static void dma_blocks(struct kunit *test)
{
	static const unsigned int nr[] = {
		1, PTRS_PER_PTE - 1, PTRS_PER_PTE, PTRS_PER_PTE + 1, SZ_128K,
	};
	struct smmu_test *t = test->priv;
	static struct smmu_helper h;
	unsigned int i, j;

	smmu_bind_all(test);
	h = (struct smmu_helper){
		.cpu = 1, .fn = smmu_unmap_blocks, .end = SZ_128K * PMD_SIZE,
	};
	smmu_test_hang(test, &h);
	for (i = 0; i < ARRAY_SIZE(nr) && !lab.hung; i++)
		for (j = 0; j < t->nr; j++)
			if (!smmu_leaf(test, j, 0, nr[i], PMD_SIZE))
				break;
}

/*
 * Two CPUs, and one of them waits for the SMMU: the other must not wait for that with
 * interrupts off.
 */
static void smmu_test_spinlock(struct kunit *test, bool leave)
{
	struct sva_smmu *s = lab.smmu[smmu_find_msi(0, false, 1)];
	struct smmu_test *t = test->priv;
	static struct smmu_helper h;
	struct mm_struct *mm;
	bool caught, locked;

	if (lab.hung)
		kunit_skip(test, "an earlier case hangs: boot with kunit.filter_glob=%s.%s",
			   HANG_SUITE, test->name);
	smmu_needs(test, 2);
	mm = mm_alloc();
	KUNIT_ASSERT_NOT_NULL(test, mm);
	mmgrab(mm);
	h = (struct smmu_helper){
		.cpu = 1, .fn = leave ? smmu_exit_mm : smmu_unbind, .t = t, .mm = mm,
	};
	smmu_bind(test, s, mm);
	KUNIT_ASSERT_TRUE(test, smmu_helper_make(&h));
	smmu_model_hold(&s->model, SMMU_MODEL_CFGI);
	wake_up_process(h.task);
	caught = wait_for_completion_timeout(&s->model.is_held, HZ / 2);
	locked = sva_smmu_devices_locked(s, mm);
	smmu_model_release(&s->model);
	KUNIT_ASSERT_TRUE(test, smmu_helper_done(&h, 60));
	sva_smmu_unbind(s, mm);
	if (!leave)
		mmput(mm);
	mmdrop(mm);

	KUNIT_EXPECT_TRUE_MSG(test, caught, "no CFGI_CD to wait for");
	smmu_expect_sound(test, t);
	stlb_verdict_word(test, HANG_SUITE, locked ? "hang" : NULL,
			  "devices_lock is %s while a CFGI_CD is waited for",
			  locked ? "held" : "free");
}

static void exit_holds_no_spinlock(struct kunit *test)
{
	smmu_test_spinlock(test, true);
}

static void unbind_holds_no_spinlock(struct kunit *test)
{
	smmu_test_spinlock(test, false);
}

/*
 * The machine goes down, and a process still unmaps memory, and exits. The SMMU takes
 * no commands any more: a CPU that waits for it does so until a timeout, with the page
 * table lock held.
 */
static void shutdown_while_bound(struct kunit *test)
{
	unsigned int i, shut[2] = { smmu_find_msi(0, true, 1), 0 }, queued = 0;
	struct smmu_test *t = test->priv;
	struct stlb_run *run = &t->run;
	u32 val;

	if (lab.hung)
		kunit_skip(test, "an earlier case hangs: boot with kunit.filter_glob=%s.%s",
			   HANG_SUITE, test->name);
	for (i = 0; i < 2; i++)
		smmu_bind(test, lab.smmu[shut[i]], run->mm);
	stlb_map_written(run, STLB_PTE, false);
	KUNIT_ASSERT_EQ(test, 0, smmu_read(&t->dev, run->start, &val));
	for (i = 0; i < 2; i++) {
		KUNIT_ASSERT_EQ(test, 0, sva_smmu_shutdown(t->smmu[i]));
		KUNIT_EXPECT_EQ_MSG(test, t->smmu[i]->model.prod,
				    t->smmu[i]->model.cons,
				    "%s: stopped with commands in its queue",
				    t->smmu[i]->name);
		KUNIT_EXPECT_EQ(test, t->smmu[i]->model.page0[SMMU_MODEL_CR0ACK], 0);
	}

	KUNIT_ASSERT_EQ(test, 0L, stlb_syscall(__NR_munmap, run->start, PAGE_SIZE, 0, 0));
	for (i = 0; i < 2; i++) {
		queued += t->smmu[i]->model.prod != t->smmu[i]->model.cons;
		sva_smmu_unbind(t->smmu[i], run->mm);
		queued += t->smmu[i]->model.prod != t->smmu[i]->model.cons;
	}
	for (i = 0; i < 2; i++)
		sva_smmu_restart(t->smmu[i]);
	stlb_verdict_word(test, HANG_SUITE, queued ? "hang" : NULL,
			  "%u of 4 times an SMMU that is shut down was waited for",
			  queued);
}

static void end_max(struct kunit *test)
{
	smmu_test_hang_range(test, 0, -1UL);
}

static void smmu_clear_refs(struct smmu_helper *h)
{
	kthread_use_mm(h->mm);
	h->end = stlb_clear_refs(h->mm, '4');
	kthread_unuse_mm(h->mm);
}

/* echo 4 > /proc/self/clear_refs */
static void clear_refs(struct kunit *test)
{
	static struct smmu_helper h;
	struct smmu_test *t = test->priv;
	unsigned int i;
	u32 val;

	h = (struct smmu_helper){ .cpu = 1, .fn = smmu_clear_refs };
	smmu_bind_all(test);
	stlb_map_written(&t->run, STLB_PTE, false);
	KUNIT_ASSERT_EQ(test, 0, smmu_read(&t->dev, t->run.start, &val));
	smmu_test_hang(test, &h);
	if (lab.hung)
		return;
	KUNIT_EXPECT_EQ(test, (long)h.end, 1L);
	for (i = 0; i < t->nr; i++)
		KUNIT_EXPECT_FALSE_MSG(test, smmu_model_holds_any(&t->smmu[i]->model),
				       "%s", t->smmu[i]->name);
}

static int smmu_test_init(struct kunit *test)
{
	struct smmu_test *t;

	if (lab.skip)
		kunit_skip(test, "%s", lab.skip);
	t = kzalloc(sizeof(*t), GFP_KERNEL);
	if (!t)
		return -ENOMEM;
	test->priv = t;
	t->dev.ops = &smmu_dev_ops;
	t->dev.spill = PAGE_SIZE;
	set_cpus_allowed_ptr(current, &lab.cpus);
	stlb_run_init(&t->run, test);
	/* Its thread ends while KUnit cleans up, and would take it along. */
	mmget(t->run.mm);
	t->kept = true;
	return stlb_mock_register(&t->mock, t->run.mm);
}

static void smmu_test_exit(struct kunit *test)
{
	struct smmu_test *t = test->priv;
	struct cpumask cpus;
	unsigned int i;

	/* A lost thread may come back, and then uses all that was there. */
	if (!t || lab.hung)
		return;
	/* If the case has ended early this is the thread that started it. */
	cpumask_copy(&cpus, current->cpus_ptr);
	set_cpus_allowed_ptr(current, &lab.cpus);
	lab.repeat = false;
	sva_repeat_tlbi(false);
	for (i = 0; i < SMMU_NR; i++) {
		smmu_model_release(&lab.smmu[i]->model);
		sva_smmu_restart(lab.smmu[i]);
		sva_smmu_unbind_all(lab.smmu[i]);
		sva_smmu_enable(lab.smmu[i]);
		lab.smmu[i]->model.eager = false;
		lab.smmu[i]->model.usecs = 0;
		lab.smmu[i]->model.errors = 0;
	}
	stlb_mock_unregister(&t->mock);
	smmu_keep_no_more(t);
	stlb_run_exit(&t->run);
	set_cpus_allowed_ptr(current, &cpus);
	kfree(t);
}

static struct kunit_case smmu_test_cases[] = {
#define STLB_SCENARIO(_name) KUNIT_CASE(_name),
#include <linux/secondary_tlb_scenarios.h>
	KUNIT_CASE(split_block_pte),
	KUNIT_CASE(split_zero_block_pte),
	KUNIT_CASE(mprotect_block_pmd),
	KUNIT_CASE(mremap_many_pmd),
	KUNIT_CASE(parallel_upgrades),
	KUNIT_CASE(range_16t),
	KUNIT_CASE(munmap_16t),
	KUNIT_CASE(range_reversed),
	KUNIT_CASE(range_atc),
	KUNIT_CASE(unbind_late_callback),
	KUNIT_CASE(unbind_late_release),
	KUNIT_CASE(exit_in_unbind),
	KUNIT_CASE(exit_after_clear),
	KUNIT_CASE(disable_waits),
	KUNIT_CASE(range_tlbi),
	KUNIT_CASE(range_empty),
	KUNIT_CASE(nested_gather),
	KUNIT_CASE(two_processes),
	KUNIT_CASE(queue_full),
	KUNIT_CASE(dma_leaf),
	KUNIT_CASE(bind_interrupted),
	KUNIT_CASE(bind_without_table),
	KUNIT_CASE(disable_while_bound),
	KUNIT_CASE(unbind_one_of_two),
	KUNIT_CASE(unbind_in_storm),
	KUNIT_CASE(exit_quiets),
	KUNIT_CASE(exit_ends_stalls),
	KUNIT_CASE(exit_keeps_forced_stalls),
	KUNIT_CASE(bind_writes_cd),
	KUNIT_CASE(httu_write_dirties_pte),
	KUNIT_CASE(erratum_repeats_tlbi),
	KUNIT_CASE(model_sees_bad_commands),
	{}
};

static struct kunit_suite smmu_test_suite = {
	.name		= SMMU_SUITE,
	.suite_init	= smmu_suite_init,
	.suite_exit	= smmu_suite_exit,
	.init		= smmu_test_init,
	.exit		= smmu_test_exit,
	.test_cases	= smmu_test_cases,
};

static struct kunit_case hang_test_cases[] = {
	KUNIT_CASE(unaligned),
	KUNIT_CASE(end_max),
	KUNIT_CASE(clear_refs),
	KUNIT_CASE(dma_blocks),
	KUNIT_CASE(exit_holds_no_spinlock),
	KUNIT_CASE(unbind_holds_no_spinlock),
	KUNIT_CASE(shutdown_while_bound),
	{}
};

static struct kunit_suite hang_test_suite = {
	.name		= HANG_SUITE,
	.suite_init	= smmu_suite_init,
	.suite_exit	= smmu_suite_exit,
	.init		= smmu_test_init,
	.exit		= smmu_test_exit,
	.test_cases	= hang_test_cases,
};

/*
 * A soak of four SMMUs, a device each: with neither range invalidation nor ATC,
 * with both, and of several streams with an ATC, or with an ATC for some.
 */
static const unsigned int soak_smmu[] = { 0, 3, 26, SMMU_MIXED };

static int soak_bind(struct stlb_run *run)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < ARRAY_SIZE(soak_smmu) && !ret; i++)
		ret = sva_smmu_bind(lab.smmu[soak_smmu[i]], run->mm);
	return ret;
}

static void soak_unbind(struct stlb_run *run)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(soak_smmu); i++)
		sva_smmu_unbind_all(lab.smmu[soak_smmu[i]]);
}

static int soak_access(struct stlb_run *run, unsigned int dev, unsigned long va,
		       bool write, u32 *val)
{
	struct smmu_model *m = &lab.smmu[soak_smmu[dev]]->model;
	struct smmu_model_stream *s = &m->stream[va / PAGE_SIZE % m->nr_streams];
	u32 pasid = sva_pasid(run->mm);
	int event;

	event = smmu_model_access_cached(m, s, pasid, va, write, val);
	if (event == SMMU_MODEL_MISS) {
		mmap_read_lock(run->mm);
		event = smmu_model_access(m, s, pasid, va, write, val);
		mmap_read_unlock(run->mm);
	}
	return event ? -EFAULT : 0;
}

static const struct stlb_soak_ops soak_ops = {
	.suite		= SOAK_SUITE,
	.devices	= ARRAY_SIZE(soak_smmu),
	.seconds	= 2,
	.cpus		= &lab.cpus,
	.bind		= soak_bind,
	.unbind		= soak_unbind,
	.access		= soak_access,
};

static void soak(struct kunit *test)
{
	unsigned int i;

	if (lab.skip)
		kunit_skip(test, "%s", lab.skip);
	/* KUnit has a thread for each case, which ends with it. */
	set_cpus_allowed_ptr(current, &lab.cpus);
	for (i = 0; i < ARRAY_SIZE(soak_smmu); i++)
		lab.smmu[soak_smmu[i]]->model.several = true;
	stlb_soak(test, &soak_ops);
	for (i = 0; i < ARRAY_SIZE(soak_smmu); i++) {
		lab.smmu[soak_smmu[i]]->model.several = false;
		KUNIT_EXPECT_EQ_MSG(test, lab.smmu[soak_smmu[i]]->model.errors, 0,
				    "%s", lab.smmu[soak_smmu[i]]->model.error);
	}
}

static struct kunit_case soak_test_cases[] = {
	KUNIT_CASE(soak),
	{}
};

static struct kunit_suite soak_test_suite = {
	.name		= SOAK_SUITE,
	.suite_init	= smmu_suite_init,
	.suite_exit	= smmu_suite_exit,
	.test_cases	= soak_test_cases,
};

kunit_test_suites(&smmu_test_suite, &hang_test_suite, &soak_test_suite);
