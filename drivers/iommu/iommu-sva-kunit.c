// SPDX-License-Identifier: GPL-2.0-only
/*
 * The answer of the kernel to a device that asks for a page of a process. A case reports
 * a fault as an IOMMU driver does; the fault queue, its worker and the handler are the
 * kernel's. The IOMMU and its device consist of what the core needs to know of them, and
 * record the answer.
 */
#include <kunit/test.h>
#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/kmsg_dump.h>
#include <linux/mman.h>
#include <linux/ratelimit.h>
#include <linux/secondary_tlb_compat.h>
#include <linux/secondary_tlb_kunit.h>
#include <linux/slab.h>
#include <linux/unistd.h>
#include <linux/userfaultfd.h>

#if !STLB_SVA_DOMAINS
#include "iommu-sva-lib.h"
#endif

#define FAULT_SUITE	"secondary_tlb_fault"

/*
 * @answered, @code: the answer to the fault that was reported last
 * @handle: the bond, where the core has bonds
 * @log: what has been read of the kernel's log
 */
struct fault_test {
	struct stlb_run run;
	struct stlb_uffd uffd;
	struct device *dev;
	struct dev_iommu dev_iommu;
	struct iommu_device iommu;
	struct iopf_queue *queue;
	bool queued;
	bool handler;
	struct iommu_sva *handle;
	u32 pasid;
	struct completion answered;
	enum iommu_page_response_code code;
	struct kmsg_dump_iter log;
};

static void fault_answer(struct device *dev, struct iommu_page_response *msg)
{
	struct fault_test *t = dev_get_drvdata(dev);

	t->code = msg->code;
	complete(&t->answered);
}

#if STLB_SVA_DOMAINS
static void fault_page_response(struct device *dev, struct iopf_fault *evt,
				struct iommu_page_response *msg)
{
	fault_answer(dev, msg);
}

static int fault_set_dev_pasid(struct iommu_domain *domain, struct device *dev,
			       ioasid_t pasid, struct iommu_domain *old)
{
	return 0;
}

static void __maybe_unused fault_remove_dev_pasid(struct device *dev, ioasid_t pasid,
						  struct iommu_domain *domain)
{
}

static void fault_domain_free(struct iommu_domain *domain)
{
	kfree(domain);
}

static const struct iommu_domain_ops fault_domain_ops = {
	.set_dev_pasid	= fault_set_dev_pasid,
	.free		= fault_domain_free,
};

static struct iommu_domain *fault_domain_alloc_sva(struct device *dev,
						   struct mm_struct *mm)
{
	struct iommu_domain *domain = kzalloc(sizeof(*domain), GFP_KERNEL);

	if (!domain)
		return ERR_PTR(-ENOMEM);
	domain->ops = &fault_domain_ops;
	return domain;
}

static struct iommu_domain fault_blocked_domain = {
	.type	= IOMMU_DOMAIN_BLOCKED,
	.ops	= &fault_domain_ops,
};

static const struct iommu_ops fault_iommu_ops = {
	.domain_alloc_sva	= fault_domain_alloc_sva,
	.page_response		= fault_page_response,
	.blocked_domain		= &fault_blocked_domain,
	STLB_INIT_REMOVE_DEV_PASID(fault_remove_dev_pasid)
};

static int fault_bind(struct fault_test *t)
{
	struct iommu_sva *handle;

	t->dev_iommu.max_pasids = 0x100;
	handle = iommu_sva_bind_device(t->dev, t->run.mm);
	if (IS_ERR(handle))
		return PTR_ERR(handle);
	t->handle = handle;
	t->pasid = iommu_sva_get_pasid(handle);
	return 0;
}

static void fault_unbind(struct fault_test *t)
{
	if (t->handle)
		iommu_sva_unbind_device(t->handle);
	t->handle = NULL;
}

static void fault_report(struct fault_test *t, const struct iommu_fault *fault)
{
	struct iopf_fault evt = { .fault = *fault };

	iommu_report_device_fault(t->dev, &evt);
}
#else
static int fault_page_response(struct device *dev, struct iommu_fault_event *evt,
			       struct iommu_page_response *msg)
{
	fault_answer(dev, msg);
	return 0;
}

static const struct iommu_ops fault_iommu_ops = {
	.page_response	= fault_page_response,
};

static int fault_bind(struct fault_test *t)
{
	int ret;

	ret = iommu_sva_alloc_pasid(t->run.mm, 1, 0xff) ?:
	      iommu_register_device_fault_handler(t->dev, iommu_queue_iopf, t->dev);
	if (ret)
		return ret;
	t->handler = true;
	t->pasid = t->run.mm->pasid;
	return 0;
}

static void fault_unbind(struct fault_test *t)
{
	if (t->handler)
		iommu_unregister_device_fault_handler(t->dev);
	t->handler = false;
}

static void fault_report(struct fault_test *t, const struct iommu_fault *fault)
{
	struct iommu_fault_event evt = { .fault = *fault };

	iommu_report_device_fault(t->dev, &evt);
}
#endif

/* The device asks for a page. Returns what it gets for an answer. */
static enum iommu_page_response_code fault_ask(struct fault_test *t, unsigned long va,
					       u32 perm)
{
	struct iommu_fault fault = {
		.type	= IOMMU_FAULT_PAGE_REQ,
		.prm	= {
			.flags	= IOMMU_FAULT_PAGE_REQUEST_PASID_VALID |
				  IOMMU_FAULT_PAGE_REQUEST_LAST_PAGE,
			.pasid	= t->pasid,
			.grpid	= 1,
			.perm	= perm,
			.addr	= va,
		},
	};

	reinit_completion(&t->answered);
	fault_report(t, &fault);
	KUNIT_ASSERT_TRUE_MSG(t->run.test,
			      wait_for_completion_timeout(&t->answered, 20 * HZ),
			      "a fault is not answered");
	/* 6.1 looks at the device once more when it has answered. */
	iopf_queue_flush_dev(t->dev);
	return t->code;
}

static void fault_expect(struct fault_test *t, unsigned long va, u32 perm,
			 enum iommu_page_response_code code)
{
	KUNIT_EXPECT_EQ(t->run.test, fault_ask(t, va, perm), code);
}

/* Mapped, and never touched, between two pages that can be read. */
static void fault_map(struct fault_test *t, int prot)
{
	stlb_map_private(&t->run, STLB_PTE, false);
	KUNIT_ASSERT_EQ(t->run.test, 0L,
			stlb_syscall(__NR_mprotect, t->run.start, PAGE_SIZE, prot, 0));
}

/* Whether there is a permission in the VMA for what the device asks. */
static void vma_permissions(struct kunit *test)
{
	static const struct {
		int prot;
		u32 perm;
		enum iommu_page_response_code code;
	} access[] = {
		{ PROT_NONE, IOMMU_FAULT_PERM_READ, IOMMU_PAGE_RESP_INVALID },
		{ PROT_NONE, IOMMU_FAULT_PERM_WRITE, IOMMU_PAGE_RESP_INVALID },
		{ PROT_READ, IOMMU_FAULT_PERM_READ, IOMMU_PAGE_RESP_SUCCESS },
		{ PROT_READ, IOMMU_FAULT_PERM_WRITE, IOMMU_PAGE_RESP_INVALID },
		{ PROT_READ, IOMMU_FAULT_PERM_EXEC, IOMMU_PAGE_RESP_INVALID },
		{ PROT_READ, IOMMU_FAULT_PERM_READ | IOMMU_FAULT_PERM_EXEC,
		  IOMMU_PAGE_RESP_INVALID },
		{ PROT_WRITE, IOMMU_FAULT_PERM_WRITE, IOMMU_PAGE_RESP_SUCCESS },
		{ PROT_WRITE, IOMMU_FAULT_PERM_EXEC, IOMMU_PAGE_RESP_INVALID },
		{ PROT_EXEC, IOMMU_FAULT_PERM_READ, IOMMU_PAGE_RESP_INVALID },
		{ PROT_EXEC, IOMMU_FAULT_PERM_WRITE, IOMMU_PAGE_RESP_INVALID },
		{ PROT_EXEC, IOMMU_FAULT_PERM_EXEC, IOMMU_PAGE_RESP_SUCCESS },
		{ PROT_READ | PROT_WRITE, IOMMU_FAULT_PERM_READ | IOMMU_FAULT_PERM_WRITE,
		  IOMMU_PAGE_RESP_SUCCESS },
	};
	struct fault_test *t = test->priv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(access); i++) {
		fault_map(t, access[i].prot);
		KUNIT_EXPECT_EQ_MSG(test, fault_ask(t, t->run.start, access[i].perm),
				    access[i].code, "prot %x, access %x",
				    access[i].prot, access[i].perm);
		stlb_unmap(&t->run);
	}
	/* Nothing is mapped. */
	fault_map(t, PROT_READ);
	KUNIT_ASSERT_EQ(test, 0L, stlb_syscall(__NR_munmap, t->run.start, PAGE_SIZE, 0, 0));
	fault_expect(t, t->run.start, IOMMU_FAULT_PERM_READ, IOMMU_PAGE_RESP_INVALID);
}

/*
 * Memory that is mapped to be written, and no more. The architecture has no such entry:
 * what can be written can be read. So a CPU may read the memory, and a device may once it
 * has written it; it may before that as well.
 */
static void write_only_pte(struct kunit *test)
{
	struct fault_test *t = test->priv;
	enum iommu_page_response_code code, again;
	struct stlb_leaf leaf;
	u32 val;

	fault_map(t, PROT_WRITE);
	code = fault_ask(t, t->run.start, IOMMU_FAULT_PERM_READ);
	again = fault_ask(t, t->run.start, IOMMU_FAULT_PERM_READ | IOMMU_FAULT_PERM_WRITE);
	stlb_walk(t->run.mm, t->run.start, &leaf);
	if (code == IOMMU_PAGE_RESP_SUCCESS)
		KUNIT_EXPECT_TRUE(test, leaf.valid);
	/* The CPU may. */
	val = stlb_cpu_read(&t->run, t->run.start);
	KUNIT_EXPECT_EQ(test, val, 0);
	stlb_walk(t->run.mm, t->run.start, &leaf);
	KUNIT_EXPECT_TRUE(test, leaf.valid);
	stlb_verdict(test, FAULT_SUITE, code || again,
		     "a device that asks to read is %s, and %s if it asks to write as well",
		     code ? "refused" : "answered", again ? "refused" : "answered");
}

/* Whether the kernel has logged since the last call that a fault cannot wait. */
static bool fault_complained(struct fault_test *t)
{
	static const char complaint[] = "FAULT_FLAG_ALLOW_RETRY missing";
	char line[256];
	bool found = false;
	size_t len;

	while (kmsg_dump_get_line(&t->log, true, line, sizeof(line) - 1, &len)) {
		line[len] = '\0';
		found |= !!strstr(line, complaint);
	}
	return found;
}

/*
 * A userfaultfd handler would have to provide the page, or to unprotect it. The worker
 * that answers faults must not wait for the handler: unbind waits for the worker, and no
 * signal reaches it. The device is refused, and the kernel logs nothing. When the handler
 * has done its work, the same request is answered with success.
 */
static void fault_test_uffd(struct kunit *test, u32 perm,
			    long (*resolve)(struct fault_test *t))
{
	struct fault_test *t = test->priv;
	enum iommu_page_response_code code;
	int interval = printk_ratelimit_state.interval;
	bool complained;

	fault_complained(t);
	WRITE_ONCE(printk_ratelimit_state.interval, 0);
	code = fault_ask(t, t->run.start, perm);
	WRITE_ONCE(printk_ratelimit_state.interval, interval);
	complained = fault_complained(t);

	KUNIT_EXPECT_EQ(test, code, IOMMU_PAGE_RESP_INVALID);
	KUNIT_ASSERT_EQ(test, 0L, resolve(t));
	fault_expect(t, t->run.start, perm, IOMMU_PAGE_RESP_SUCCESS);
	if (!complained && !IS_ENABLED(CONFIG_DEBUG_VM))
		kunit_skip(test, "without DEBUG_VM there is nothing to see");
	stlb_verdict_word(test, FAULT_SUITE, complained ? "excess" : NULL,
			  "refused, %s", complained ? "with a stack dump" : "and no more");
}

static long fault_copy(struct fault_test *t)
{
	struct uffdio_copy copy = {
		.dst	= t->run.start,
		.src	= t->uffd.scratch + PAGE_SIZE,
		.len	= PAGE_SIZE,
	};

	stlb_cpu_write(&t->run, t->uffd.scratch + PAGE_SIZE, 0xbbbbbbbb);
	return stlb_uffd_ioctl(&t->uffd, UFFDIO_COPY, &copy);
}

static void uffd_missing_pte(struct kunit *test)
{
	struct fault_test *t = test->priv;

	fault_map(t, PROT_READ | PROT_WRITE);
	stlb_uffd_register(&t->run, &t->uffd, t->run.start, PAGE_SIZE,
			   UFFDIO_REGISTER_MODE_MISSING, 0);
	fault_test_uffd(test, IOMMU_FAULT_PERM_READ, fault_copy);
}

static long fault_write_protect(struct fault_test *t, u64 mode)
{
	struct uffdio_writeprotect wp = {
		.range	= { t->run.start, PAGE_SIZE },
		.mode	= mode,
	};

	return stlb_uffd_ioctl(&t->uffd, UFFDIO_WRITEPROTECT, &wp);
}

static long fault_unprotect(struct fault_test *t)
{
	return fault_write_protect(t, 0);
}

static void uffd_wp_pte(struct kunit *test)
{
	struct fault_test *t = test->priv;

	stlb_map_written(&t->run, STLB_PTE, false);
	stlb_uffd_register(&t->run, &t->uffd, t->run.start, PAGE_SIZE,
			   UFFDIO_REGISTER_MODE_WP, 0);
	KUNIT_ASSERT_EQ(test, 0L, fault_write_protect(t, UFFDIO_WRITEPROTECT_MODE_WP));
	fault_expect(t, t->run.start, IOMMU_FAULT_PERM_READ, IOMMU_PAGE_RESP_SUCCESS);
	fault_test_uffd(test, IOMMU_FAULT_PERM_WRITE, fault_unprotect);
}

static long fault_continue(struct fault_test *t)
{
	struct uffdio_continue cont = { .range = { t->run.start, PAGE_SIZE } };

	return stlb_uffd_ioctl(&t->uffd, UFFDIO_CONTINUE, &cont);
}

/* The page is there, and is not mapped. */
static void uffd_minor_pte(struct kunit *test)
{
	struct fault_test *t = test->priv;

	if (!IS_ENABLED(CONFIG_HAVE_ARCH_USERFAULTFD_MINOR))
		kunit_skip(test, "this kernel has no minor faults by userfaultfd");
	stlb_map_shm(&t->run, STLB_PTE);
	KUNIT_ASSERT_EQ(test, 0L, stlb_syscall(__NR_mprotect, t->run.start, PAGE_SIZE,
					       PROT_READ | PROT_WRITE, 0));
	stlb_cpu_write(&t->run, t->run.start, 1);
	KUNIT_ASSERT_EQ(test, 0L, stlb_syscall(__NR_madvise, t->run.start, PAGE_SIZE,
					       MADV_DONTNEED, 0));
	stlb_uffd_register(&t->run, &t->uffd, t->run.start, PAGE_SIZE,
			   UFFDIO_REGISTER_MODE_MINOR, 0);
	fault_test_uffd(test, IOMMU_FAULT_PERM_READ, fault_continue);
}

#ifdef UFFDIO_REGISTER_MODE_RWP
static long fault_rw_protect(struct fault_test *t, u64 mode)
{
	struct uffdio_rwprotect rwp = {
		.range	= { t->run.start, PAGE_SIZE },
		.mode	= mode,
	};

	return stlb_uffd_ioctl(&t->uffd, UFFDIO_RWPROTECT, &rwp);
}

static long fault_rw_unprotect(struct fault_test *t)
{
	return fault_rw_protect(t, 0);
}

static void uffd_rwp_pte(struct kunit *test)
{
	struct fault_test *t = test->priv;

	if (!IS_ENABLED(CONFIG_USERFAULTFD_RWP))
		kunit_skip(test, "needs CONFIG_USERFAULTFD_RWP");
	stlb_map_written(&t->run, STLB_PTE, false);
	stlb_uffd_register(&t->run, &t->uffd, t->run.start, PAGE_SIZE,
			   UFFDIO_REGISTER_MODE_RWP, UFFD_FEATURE_RWP);
	KUNIT_ASSERT_EQ(test, 0L, fault_rw_protect(t, UFFDIO_RWPROTECT_MODE_RWP));
	fault_test_uffd(test, IOMMU_FAULT_PERM_READ, fault_rw_unprotect);
}
#else
static void uffd_rwp_pte(struct kunit *test)
{
	kunit_skip(test, "this kernel has no such protection by userfaultfd");
}
#endif

static int fault_add_device(struct fault_test *t)
{
	struct iommu_group *group;
	int ret;

	t->dev = root_device_register("stlb_fault");
	if (IS_ERR(t->dev)) {
		ret = PTR_ERR(t->dev);
		t->dev = NULL;
		return ret;
	}
	dev_set_drvdata(t->dev, t);
	group = iommu_group_alloc();
	if (IS_ERR(group))
		return PTR_ERR(group);
	ret = iommu_group_add_device(group, t->dev);
	iommu_group_put(group);
	if (ret)
		return ret;

	mutex_init(&t->dev_iommu.lock);
	t->iommu.ops = &fault_iommu_ops;
	t->dev_iommu.iommu_dev = &t->iommu;
	t->dev->iommu = &t->dev_iommu;
	t->queue = iopf_queue_alloc("stlb");
	if (!t->queue)
		return -ENOMEM;
	ret = iopf_queue_add_device(t->queue, t->dev);
	if (ret)
		return ret;
	t->queued = true;
	return fault_bind(t);
}

static void fault_remove_device(struct fault_test *t)
{
	if (!t->dev)
		return;
	if (t->queued)
		iopf_queue_flush_dev(t->dev);
	fault_unbind(t);
	if (t->queued)
		iopf_queue_remove_device(t->queue, t->dev);
	if (t->queue)
		iopf_queue_free(t->queue);
	t->dev->iommu = NULL;
	if (t->dev->iommu_group)
		iommu_group_remove_device(t->dev);
	root_device_unregister(t->dev);
}

static int fault_test_init(struct kunit *test)
{
	struct fault_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	if (!t)
		return -ENOMEM;
	test->priv = t;
	t->uffd.fd = -1;
	init_completion(&t->answered);
	kmsg_dump_rewind(&t->log);
	stlb_run_init(&t->run, test);
	return fault_add_device(t);
}

static void fault_test_exit(struct kunit *test)
{
	struct fault_test *t = test->priv;

	if (!t)
		return;
	fault_remove_device(t);
	stlb_uffd_close(&t->run, &t->uffd);
	stlb_run_exit(&t->run);
}

static struct kunit_case fault_test_cases[] = {
	KUNIT_CASE(vma_permissions),
	KUNIT_CASE(write_only_pte),
	KUNIT_CASE(uffd_missing_pte),
	KUNIT_CASE(uffd_wp_pte),
	KUNIT_CASE(uffd_minor_pte),
	KUNIT_CASE(uffd_rwp_pte),
	{}
};

static struct kunit_suite fault_test_suite = {
	.name		= FAULT_SUITE,
	.init		= fault_test_init,
	.exit		= fault_test_exit,
	.test_cases	= fault_test_cases,
};

kunit_test_suite(fault_test_suite);
