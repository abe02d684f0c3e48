// SPDX-License-Identifier: GPL-2.0-only
/*
 * The driver's side of a modelled SMMU: what probing leaves behind, which is the same
 * in every kernel. The devices are in a file of their own for each kind.
 */
#include <linux/cpumask.h>
#include <linux/device.h>
#include <linux/kthread.h>
#include <linux/platform_device.h>
#include <linux/slab.h>

#include "arm-smmu-v3.h"
#include "arm-smmu-v3-sva-lab.h"

static_assert(SVA_MASTERS * SVA_STREAMS <= SMMU_MODEL_STREAMS);
static_assert(SVA_STALLS <= SMMU_MODEL_STALLS);

static bool sva_stream_less(struct rb_node *a, const struct rb_node *b)
{
	return rb_entry(a, struct arm_smmu_stream, node)->id <
	       rb_entry(b, struct arm_smmu_stream, node)->id;
}

/**
 * sva_add_stream() - let the driver find the device of an event, as probing does
 * @s: the SMMU
 * @stream: the stream of the device, which the driver has
 *
 * Context: may sleep.
 */
void sva_add_stream(struct sva_smmu *s, struct arm_smmu_stream *stream)
{
	mutex_lock(&s->smmu->streams_mutex);
	rb_add(&stream->node, &s->smmu->streams, sva_stream_less);
	mutex_unlock(&s->smmu->streams_mutex);
}

/* A threaded interrupt: the hard part, which may be called with interrupts off. */
static void sva_interrupt(struct smmu_model *m)
{
	struct sva_smmu *s = container_of(m, struct sva_smmu, model);

	atomic_inc(&s->events_due);
	wake_up(&s->events_wait);
}

static bool sva_events_due(struct sva_smmu *s)
{
	return !READ_ONCE(s->events_masked) && atomic_read(&s->events_due);
}

/* And its thread, which handles any number of them at once. */
static int sva_events_thread(void *data)
{
	struct sva_smmu *s = data;

	while (!kthread_should_stop()) {
		wait_event_interruptible(s->events_wait, sva_events_due(s) ||
					 kthread_should_stop());
		if (sva_events_due(s) && atomic_xchg(&s->events_due, 0))
			sva_handle_events(s);
	}
	return 0;
}

/**
 * sva_smmu_mask_events() - let the interrupt of the event queue wait
 * @s: the SMMU, whose devices stall
 * @mask: whether
 *
 * A thread that is at work on events goes on until there are none.
 *
 * Context: any.
 */
void sva_smmu_mask_events(struct sva_smmu *s, bool mask)
{
	WRITE_ONCE(s->events_masked, mask);
	wake_up(&s->events_wait);
}

/* arm_smmu_init_queues(), arm_smmu_setup_irqs(): the event queue and its handler. */
static int sva_init_events(struct sva_smmu *s)
{
	struct arm_smmu_queue *q = &s->smmu->evtq.q;
	struct task_struct *task;
	int ret;

	s->smmu->features |= ARM_SMMU_FEAT_STALLS;
	s->smmu->evtq.max_stalls = s->model.max_stalls;
	q->llq.max_n_shift = s->model.evtq_log2size;
	q->base = s->model.evtq;
	q->prod_reg = (u32 __force __iomem *)&s->model.evtq_prod;
	q->cons_reg = (u32 __force __iomem *)&s->model.evtq_cons;
	q->ent_dwords = EVTQ_ENT_DWORDS;

	ret = sva_init_iopf(s);
	if (ret)
		return ret;
	task = kthread_create(sva_events_thread, s, "smmu_evtq");
	if (IS_ERR(task))
		return PTR_ERR(task);
	kthread_bind_mask(task, s->cpus);
	s->events_thread = task;
	wake_up_process(task);
	return 0;
}

/* arm_smmu_device_probe(): the features, and the command queue. */
static int sva_init_device(struct sva_smmu *s)
{
	const struct sva_config *config = &s->config;
	struct arm_smmu_device *smmu = s->smmu;
	struct arm_smmu_queue *q = &smmu->cmdq.q;

	mutex_init(&smmu->streams_mutex);
	smmu->streams = RB_ROOT;
	smmu->dev = s->hwdev;
	smmu->iommu.ops = sva_iommu_ops;
	smmu->features = ARM_SMMU_FEAT_TRANS_S1 | ARM_SMMU_FEAT_COHERENCY |
			 ARM_SMMU_FEAT_SVA;
	if (config->range_inv)
		smmu->features |= ARM_SMMU_FEAT_RANGE_INV;
	if (config->ats)
		smmu->features |= ARM_SMMU_FEAT_ATS;
	if (config->e2h)
		smmu->features |= ARM_SMMU_FEAT_E2H;
	if (config->btm)
		smmu->features |= ARM_SMMU_FEAT_BTM;
	if (config->msi)
		smmu->options |= ARM_SMMU_OPT_MSIPOLL;
#ifdef ARM_SMMU_FEAT_HD
	if (config->httu)
		smmu->features |= ARM_SMMU_FEAT_HA | ARM_SMMU_FEAT_HD;
#endif
#ifdef ARM_SMMU_FEAT_HAFT
	if (config->httu)
		smmu->features |= ARM_SMMU_FEAT_HAFT;
#endif
#ifdef ARM_SMMU_OPT_CMDQ_FORCE_SYNC
	if (config->force_sync)
		smmu->options |= ARM_SMMU_OPT_CMDQ_FORCE_SYNC;
#else
	s->config.force_sync = false;
#endif
	smmu->base = (void __force __iomem *)s->model.page0;
	smmu->pgsize_bitmap = PAGE_SIZE | PMD_SIZE;
	smmu->asid_bits = 16;
	smmu->ssid_bits = SVA_SSID_BITS;

	q->llq.max_n_shift = s->model.log2size;
	q->base = s->model.queue;
	q->base_dma = s->model.queue_pa;
	q->prod_reg = (u32 __force __iomem *)&s->model.prod;
	q->cons_reg = (u32 __force __iomem *)&s->model.cons;
	q->ent_dwords = CMDQ_ENT_DWORDS;
	atomic_set(&smmu->cmdq.owner_prod, 0);
	atomic_set(&smmu->cmdq.lock, 0);
	smmu->cmdq.valid_map = (atomic_long_t *)
		bitmap_zalloc(1 << s->model.log2size, GFP_KERNEL);
	if (!smmu->cmdq.valid_map)
		return -ENOMEM;
	return config->stall ? sva_init_events(s) : 0;
}

/**
 * sva_smmu_init() - build an SMMU and the devices behind it, ready to be bound
 * @s: the SMMU; &sva_smmu.config is set
 * @index: number that makes its StreamIDs unique
 *
 * Context: may sleep.
 * Return: 0, or an error; sva_smmu_exit() is due in either case.
 */
int sva_smmu_init(struct sva_smmu *s, unsigned int index)
{
	const struct sva_config *config = &s->config;
	char name[16];
	int ret;

	s->model.range_inv = config->range_inv;
	s->model.e2h = config->e2h;
	s->model.httu = config->httu;
	s->model.haft = config->httu;
	/* The smallest that the driver takes: a batch must fit. */
	s->model.log2size = ilog2(CMDQ_BATCH_ENTRIES) + 1;
	if (config->stall) {
		s->model.max_stalls = SVA_STALLS;
		s->model.evtq_log2size = SVA_EVTQ_LOG2;
		s->model.interrupt = sva_interrupt;
		init_waitqueue_head(&s->events_wait);
	}
	ret = smmu_model_init(&s->model);
	if (ret)
		return ret;

	s->smmu = kzalloc(sizeof(*s->smmu), GFP_KERNEL);
	if (!s->smmu)
		return -ENOMEM;
	snprintf(name, sizeof(name), "smmu-%x", index);
	s->hwdev = root_device_register(name);
	if (IS_ERR(s->hwdev))
		return PTR_ERR(s->hwdev);
	ret = sva_init_device(s) ?: sva_init_masters(s, 0x100 + index * 16);

	/* Behind sva_init_masters(), which knows whether BTM makes a difference. */
	s->model.btm = config->btm;
	s->model.max_unsynced = config->force_sync ? SVA_MAX_UNSYNCED : 0;
	snprintf(s->name, sizeof(s->name), "%s%s%s%s%s%s%s%s%ux%u%s",
		 config->range_inv ? "RIL " : "", config->ats ? "ATS " : "",
		 config->e2h ? "E2H " : "", config->btm ? "BTM " : "",
		 config->msi ? "MSI " : "", config->httu ? "HTTU " : "",
		 config->force_sync ? "2812531 " : "", config->stall ? "stall " : "",
		 config->masters, config->streams,
		 config->mixed ? " mixed" : "");
	return ret;
}

/**
 * sva_smmu_shutdown() - what becomes of an SMMU when the machine goes down
 * @s: the SMMU, which may be in use
 *
 * Processes go on, as they do on other CPUs until the last moment.
 *
 * Context: may sleep, on a CPU that is not the model's.
 * Return: 0 or an error.
 */
int sva_smmu_shutdown(struct sva_smmu *s)
{
	struct device_driver *drv = driver_find("arm-smmu-v3", &platform_bus_type);

	if (!drv)
		return -ENODEV;
	s->pdev = kzalloc(sizeof(*s->pdev), GFP_KERNEL);
	if (!s->pdev)
		return -ENOMEM;
	platform_set_drvdata(s->pdev, s->smmu);
	s->options = s->smmu->options;
	to_platform_driver(drv)->shutdown(s->pdev);
	return 0;
}

/**
 * sva_smmu_restart() - make an SMMU work again after sva_smmu_shutdown(), if it was
 * @s: the SMMU
 *
 * Context: may sleep.
 */
void sva_smmu_restart(struct sva_smmu *s)
{
	if (!s->pdev)
		return;
	s->smmu->options = s->options;
	smmu_model_reset(&s->model);
	WRITE_ONCE(s->model.page0[SMMU_MODEL_CR0],
		   SMMU_MODEL_SMMUEN | SMMU_MODEL_CMDQEN);
	kfree(s->pdev);
	s->pdev = NULL;
}

/**
 * sva_smmu_exit() - the opposite of sva_smmu_init()
 * @s: the SMMU, with nothing bound
 *
 * Context: may sleep.
 */
void sva_smmu_exit(struct sva_smmu *s)
{
	if (s->events_thread)
		kthread_stop(s->events_thread);
	s->events_thread = NULL;
	if (s->driver)
		sva_exit_masters(s);
	if (s->config.stall && s->smmu)
		sva_exit_iopf(s);
	if (!IS_ERR_OR_NULL(s->hwdev))
		root_device_unregister(s->hwdev);
	s->hwdev = NULL;
	if (s->smmu)
		bitmap_free((unsigned long *)s->smmu->cmdq.valid_map);
	kfree(s->smmu);
	s->smmu = NULL;
	smmu_model_exit(&s->model);
}
