/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Modelled SMMUs under the real driver code: what the suites need to know of
 * them. What is behind this differs between kernels.
 */
#ifndef _ARM_SMMU_V3_SVA_LAB_H
#define _ARM_SMMU_V3_SVA_LAB_H

#include <linux/wait.h>

#include "arm-smmu-v3-model.h"

#define SVA_MASTERS	2
#define SVA_STREAMS	2
#define SVA_BONDS	2
#define SVA_SSID_BITS	8

/* Commands between CMD_SYNCs, see &sva_config.force_sync; and in one batch. */
#define SVA_MAX_UNSYNCED	63
#define SVA_BATCH		64

/* Accesses that may stall at a time, and log2 of the event records that there is room for. */
#define SVA_STALLS		6
#define SVA_EVTQ_LOG2		2

struct arm_smmu_device;
struct arm_smmu_stream;
struct cpumask;
struct device;
struct iommu_ops;
struct platform_device;
struct sva_driver;

/**
 * struct sva_config - features by which the driver chooses its commands
 * @range_inv: commands can name ranges
 * @ats: the devices have ATCs
 * @e2h: the driver runs in a kernel at EL2
 * @btm: the SMMU takes part in the CPU's TLB maintenance
 * @msi: a CMD_SYNC completes by an MSI, not by SMMU_CMDQ_CONS
 * @masters: devices behind the SMMU
 * @streams: StreamIDs of each
 * @mixed: the last device has no ATC
 * @httu: the SMMU can update access flags, those of tables too, and the dirty state
 * @force_sync: the SMMU needs a CMD_SYNC after 63 commands (MMU-700, 2812531).
 *	sva_smmu_init() clears it if the driver does not know of that.
 * @stall: what the devices may not access stalls until the driver answers. They have
 *	one stream each and no ATC then.
 */
struct sva_config {
	bool range_inv;
	bool ats;
	bool e2h;
	bool btm;
	bool msi;
	unsigned int masters;
	unsigned int streams;
	bool mixed;
	bool httu;
	bool force_sync;
	bool stall;
};

/**
 * struct sva_smmu - a modelled SMMU with the devices behind it
 * @config: its features
 * @name: the same in words
 * @model: the hardware
 * @smmu: the driver's side of it
 * @hwdev: what the driver takes for the SMMU's device
 * @pdev: what it takes for the same when the machine goes down
 * @options: the driver's options before that
 * @driver: the driver's side of the devices
 * @cpus: where the driver may handle events, if devices stall: no CPU of a model
 * @events_thread: the thread of the interrupt of the event queue
 * @events_wait: where it waits
 * @events_due: interrupts that it has not seen yet
 * @events_masked: the interrupt is masked
 */
struct sva_smmu {
	struct sva_config config;
	char name[40];
	struct smmu_model model;
	struct arm_smmu_device *smmu;
	struct device *hwdev;
	struct platform_device *pdev;
	u32 options;
	struct sva_driver *driver;
	const struct cpumask *cpus;
	struct task_struct *events_thread;
	wait_queue_head_t events_wait;
	atomic_t events_due;
	bool events_masked;
};

/*
 * What differs between kernels, in a file of its own for each kind: the domain of the
 * devices has the CDs (-cd.c), or each device has its own, and what is bound is a
 * domain (-domain.c).
 */
extern const struct iommu_ops * const sva_iommu_ops;
int sva_init_iopf(struct sva_smmu *s);
void sva_exit_iopf(struct sva_smmu *s);
void sva_handle_events(struct sva_smmu *s);
int sva_init_masters(struct sva_smmu *s, u32 sid);
void sva_exit_masters(struct sva_smmu *s);

/* Why sva_smmu_disable() does nothing that could be tested, or NULL if it does. */
extern const char * const sva_no_disable;

void sva_add_stream(struct sva_smmu *s, struct arm_smmu_stream *stream);
int sva_smmu_init(struct sva_smmu *s, unsigned int index);
void sva_smmu_exit(struct sva_smmu *s);
int sva_smmu_bind(struct sva_smmu *s, struct mm_struct *mm);
void sva_smmu_unbind(struct sva_smmu *s, struct mm_struct *mm);
void sva_smmu_unbind_master(struct sva_smmu *s, struct mm_struct *mm,
			    unsigned int i);
void sva_smmu_unbind_all(struct sva_smmu *s);
void sva_smmu_starve(struct sva_smmu *s, bool starve);
void sva_smmu_inv_leaf(struct sva_smmu *s, const struct mm_struct *mm,
		       unsigned long iova, size_t size, size_t granule);
int sva_smmu_watch_unbound(struct sva_smmu *s, const struct mm_struct *mm);
bool sva_smmu_devices_locked(struct sva_smmu *s, const struct mm_struct *mm);
int sva_smmu_shutdown(struct sva_smmu *s);
void sva_smmu_restart(struct sva_smmu *s);
const char *sva_repeat_tlbi(bool repeat);
bool sva_cpu_haft(void);
int sva_smmu_enable(struct sva_smmu *s);
int sva_smmu_disable(struct sva_smmu *s);
bool sva_smmu_enabled(struct sva_smmu *s);
const char *sva_smmu_stall(struct sva_smmu *s, bool stall, bool force);
void sva_smmu_mask_events(struct sva_smmu *s, bool mask);
unsigned int sva_smmu_faults(struct sva_smmu *s);
int sva_smmu_report_partial(struct sva_smmu *s, unsigned int i, u32 pasid,
			    unsigned long va, bool write, u16 group);
int sva_smmu_discard_partial(struct sva_smmu *s);
u32 sva_pasid(const struct mm_struct *mm);
u16 sva_asid(const struct sva_smmu *s, const struct mm_struct *mm);

#endif /* _ARM_SMMU_V3_SVA_LAB_H */
