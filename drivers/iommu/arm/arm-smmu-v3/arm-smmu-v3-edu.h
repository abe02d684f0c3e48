/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * QEMU's "edu" device (docs/specs/edu.txt) behind the SMMUv3 that QEMU emulates, as a
 * device that shares the address space of a test.
 */
#ifndef _ARM_SMMU_V3_EDU_H
#define _ARM_SMMU_V3_EDU_H

#include <linux/types.h>

#define EDU_MAX_DEVICES	8

struct device;
struct edu;
struct edu_bond;
struct mm_struct;
struct pci_dev;

const char *edu_open(struct edu **edu);
struct edu *edu_next(struct edu *edu);
struct pci_dev *edu_pdev(struct edu *edu);
void edu_close(struct edu *edu);
int edu_bind(struct edu *edu, struct mm_struct *mm);
void edu_unbind(struct edu *edu);
void edu_start_out(struct edu *edu, unsigned long va, unsigned int bytes);
int edu_wait(struct edu *edu);
int edu_check_dma(struct edu *edu);
int edu_copy_in(struct edu *edu, unsigned long va, unsigned int bytes);
int edu_copy_out(struct edu *edu, unsigned long va, unsigned int bytes);

/* What differs between kernels, in a file of its own for each kind. */
struct edu_bond *edu_bond(struct device *dev, struct mm_struct *mm);
void edu_unbond(struct edu_bond *bond);

#endif /* _ARM_SMMU_V3_EDU_H */
