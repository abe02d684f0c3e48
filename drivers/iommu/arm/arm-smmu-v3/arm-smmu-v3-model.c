// SPDX-License-Identifier: GPL-2.0-only
/*
 * A behavioural model of an SMMUv3 for KUnit. Chapters are those of the Arm
 * System MMU Architecture Specification, IHI 0070, fields are written as there:
 * word, high bit, low bit.
 */
#include <linux/delay.h>
#include <linux/io.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "arm-smmu-v3-model.h"

static u64 bits(u64 word, unsigned int high, unsigned int low)
{
	return (word << (63 - high)) >> (63 - high + low);
}

static __printf(2, 3)
void smmu_model_error(struct smmu_model *m, const char *fmt, ...)
{
	va_list args;

	if (m->errors++)
		return;
	va_start(args, fmt);
	vscnprintf(m->error, sizeof(m->error), fmt, args);
	va_end(args);
}

/**
 * smmu_model_init() - reset a model whose features and streams are set
 * @m: the model
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int smmu_model_init(struct smmu_model *m)
{
	spin_lock_init(&m->lock);
	init_completion(&m->is_held);
	m->queue = kcalloc(2UL << m->log2size, sizeof(u64), GFP_KERNEL);
	/* Not the real one: what the driver does with it must be what it says. */
	m->queue_pa = 0x5a5a00000000;
	m->page0[SMMU_MODEL_CR0] = SMMU_MODEL_SMMUEN | SMMU_MODEL_CMDQEN;
	if (!m->queue || !m->max_stalls)
		return m->queue ? 0 : -ENOMEM;
	m->evtq = kcalloc((size_t)SMMU_MODEL_EVENT_WORDS << m->evtq_log2size,
			  sizeof(u64), GFP_KERNEL);
	m->page0[SMMU_MODEL_CR0] |= SMMU_MODEL_EVENTQEN;
	/* STAGs wrap around after 16 stalls, and 0 is one of them. */
	m->next_stag = 0xfff0;
	return m->evtq ? 0 : -ENOMEM;
}

/**
 * smmu_model_exit() - free what smmu_model_init() has allocated
 * @m: the model
 *
 * Context: any; nobody uses the model any more.
 */
void smmu_model_exit(struct smmu_model *m)
{
	kfree(m->queue);
	m->queue = NULL;
	kfree(m->evtq);
	m->evtq = NULL;
}

static void smmu_model_answer(struct smmu_model_stall *stall,
			      enum smmu_model_answer answer)
{
	stall->answer = answer;
	complete(&stall->answered);
}

/**
 * smmu_model_reset() - drop all that is cached, as a driver does before it begins
 * @m: the model
 *
 * Context: any but an interrupt; takes &smmu_model.lock.
 */
void smmu_model_reset(struct smmu_model *m)
{
	unsigned int i;

	spin_lock(&m->lock);
	m->tlb.nr = 0;
	for (i = 0; i < m->nr_streams; i++) {
		m->stream[i].atc.nr = 0;
		memset(m->stream[i].cfg, 0, sizeof(m->stream[i].cfg));
	}
	for (i = 0; i < SMMU_MODEL_STALLS; i++) {
		if (m->stall[i].used && !m->stall[i].answer)
			smmu_model_answer(&m->stall[i], SMMU_MODEL_ABORT);
		m->stall[i].used = false;
	}
	spin_unlock(&m->lock);
}

/**
 * smmu_model_mark() - begin a new log of commands
 * @m: the model
 *
 * Context: any but an interrupt; takes &smmu_model.lock.
 */
void smmu_model_mark(struct smmu_model *m)
{
	spin_lock(&m->lock);
	m->nr_log = 0;
	spin_unlock(&m->lock);
}

/**
 * smmu_model_hold() - keep the next one waiting that invalidates something
 * @m: the model, whose driver waits for the MSI of a CMD_SYNC
 * @op: by which commands
 *
 * &smmu_model.is_held completes when it waits. All others get through.
 *
 * Context: any but an interrupt; takes &smmu_model.lock.
 */
void smmu_model_hold(struct smmu_model *m, enum smmu_model_op op)
{
	spin_lock(&m->lock);
	reinit_completion(&m->is_held);
	m->hold = true;
	m->hold_op = op;
	spin_unlock(&m->lock);
}

/**
 * smmu_model_release() - let the one go on that smmu_model_hold() has caught
 * @m: the model
 *
 * Context: any but an interrupt; takes &smmu_model.lock.
 */
void smmu_model_release(struct smmu_model *m)
{
	spin_lock(&m->lock);
	m->hold = false;
	if (m->held) {
		/* Whoever sees the MSI sees what was completed before. */
		smp_store_release(m->held, m->held_data);
	}
	m->held = NULL;
	spin_unlock(&m->lock);
}

static struct smmu_model_stream *smmu_model_stream(struct smmu_model *m, u32 sid)
{
	unsigned int i;

	for (i = 0; i < m->nr_streams; i++)
		if (m->stream[i].sid == sid)
			return &m->stream[i];
	return NULL;
}

static bool cd_hw_access(const u64 word[2])
{
	return bits(word[0], 43, 43);
}

static bool cd_hw_dirty(const u64 word[2])
{
	return bits(word[0], 42, 42);
}

/*
 * "Context descriptor": what a valid one must not ask of this SMMU, which has no
 * AArch32, may have no stalls, and reads TTB0 only.
 */
static void smmu_model_check_cd(struct smmu_model *m, const u64 word[2])
{
	if (!bits(word[0], 31, 31))
		return;
	if (!bits(word[0], 41, 41))
		smmu_model_error(m, "CD without AA64: 0x%016llx", word[0]);
	if (!bits(word[0], 30, 30))
		smmu_model_error(m, "CD without EPD1, and with no TTB1: 0x%016llx",
				 word[0]);
	if (bits(word[0], 44, 44) && !m->max_stalls)
		smmu_model_error(m, "CD.S without stalls: 0x%016llx", word[0]);
	if ((cd_hw_access(word) || cd_hw_dirty(word)) && !m->httu)
		smmu_model_error(m, "CD.HA or CD.HD without HTTU: 0x%016llx",
				 word[0]);
	if (bits(word[1], 3, 3) && !m->haft)
		smmu_model_error(m, "CD.HAFT without HTTU of tables: 0x%016llx",
				 word[1]);
}

/*
 * "Context descriptor": the words that the model needs. Whether it is valid or
 * not, it may be cached.
 */
static bool smmu_model_config(struct smmu_model *m, struct smmu_model_stream *s,
			      u32 ssid, u64 word[2])
{
	unsigned int i, slot = 0;

	if (ssid >= s->nr_cds)
		return false;
	for (i = 0; i < ARRAY_SIZE(s->cfg); i++) {
		if (s->cfg[i].valid && s->cfg[i].ssid == ssid) {
			memcpy(word, s->cfg[i].word, sizeof(s->cfg[i].word));
			return bits(word[0], 31, 31);
		}
		if (!s->cfg[i].valid)
			slot = i;
	}

	word[0] = le64_to_cpu(READ_ONCE(s->cdtab[8 * ssid]));
	word[1] = le64_to_cpu(READ_ONCE(s->cdtab[8 * ssid + 1]));
	smmu_model_check_cd(m, word);
	s->cfg[slot].valid = true;
	s->cfg[slot].ssid = ssid;
	memcpy(s->cfg[slot].word, word, sizeof(s->cfg[slot].word));
	return bits(word[0], 31, 31);
}

static u16 cd_asid(const u64 word[2])
{
	return bits(word[0], 63, 48);
}

static bool cd_stalls(const u64 word[2])
{
	return bits(word[0], 44, 44);
}

static bool cd_records(const u64 word[2])
{
	return bits(word[0], 45, 45);
}

static bool cd_quiet(const u64 word[2])
{
	return bits(word[0], 14, 14);
}

/*
 * The VMSAv8-64 walk (Arm ARM DDI 0487, "Translation table walks"), with output
 * addresses of at most 48 bits: the place of the descriptor that maps an address, or
 * NULL. It is stored to @desc, and maps 1 << @shift bytes.
 */
static u64 *smmu_model_find(const u64 word[2], u64 va, u64 *desc,
			    unsigned int *shift, unsigned int *page,
			    unsigned int *level)
{
	static const unsigned int page_shift[] = { 12, 16, 14 };
	unsigned int ia = 64 - bits(word[0], 5, 0), tg = bits(word[0], 7, 6);
	unsigned int stride;
	u64 table, *at;

	if (tg >= ARRAY_SIZE(page_shift) || ia >= 64 || va >> ia)
		return NULL;
	*page = page_shift[tg];
	stride = *page - 3;
	table = bits(word[1], 51, 4) << 4;

	for (*level = 4 - DIV_ROUND_UP(ia - *page, stride); ; (*level)++) {
		*shift = *page + stride * (3 - *level);
		at = (u64 *)phys_to_virt(table +
				bits(va, *shift + stride - 1, *shift) * 8);
		*desc = READ_ONCE(*at);
		if (!(*desc & 1) || (*level == 3 && !(*desc & 2)))
			return NULL;
		if (*level == 3 || !(*desc & 2))
			return at;
		table = bits(*desc, 47, *page) << *page;
	}
}

/*
 * The result of a walk. @set is how many entries may be cached together. A walk for
 * an access (@use) sets a clear access flag if the SMMU may (CD.HA).
 */
static int smmu_model_walk(const u64 word[2], u64 va, bool use,
			   struct stlb_leaf *leaf, unsigned int *set)
{
	unsigned int page, shift, level;
	u64 desc, *at;

	at = smmu_model_find(word, va, &desc, &shift, &page, &level);
	if (!at)
		return SMMU_MODEL_F_TRANSLATION;
	/* If that has lost a race the entry is another one: the access ends here. */
	if (use && cd_hw_access(word) && !bits(desc, 10, 10) &&
	    cmpxchg(at, desc, desc | BIT_ULL(10)) == desc)
		desc |= BIT_ULL(10);
	if (!bits(desc, 10, 10))
		return SMMU_MODEL_F_ACCESS;
	if (!bits(desc, 6, 6))
		return SMMU_MODEL_F_PERMISSION;

	*leaf = (struct stlb_leaf){
		.start		= va >> shift << shift,
		.size		= 1UL << shift,
		.pfn		= (bits(desc, 47, shift) << shift) >> PAGE_SHIFT,
		.present	= true,
		.valid		= true,
		.writable	= !bits(desc, 7, 7),
		.dbm		= bits(desc, 51, 51),
		.exec		= !bits(desc, 54, 54),
	};
	*set = 1;
	if (bits(desc, 52, 52))
		*set = page == 12 ? 16 : page == 14 && level == 3 ? 128 : 32;
	return 0;
}

/*
 * What the SMMU makes of an address: from the TLB, or from the page table and
 * then into the TLB. The entries of a contiguous set go there one by one, all of
 * them, each as it is: a CPU that manages the dirty state makes one writable and
 * not the others. A TLB that hears the CPU's broadcasts is left out.
 */
static int smmu_model_translate(struct smmu_model *m, struct smmu_model_stream *s,
				u32 ssid, u64 va, bool walk, bool use,
				struct stlb_leaf *leaf)
{
	struct stlb_cached *e;
	struct stlb_leaf one;
	unsigned int set, ignored, i;
	u64 word[2], at;
	int event;

	if (!smmu_model_config(m, s, ssid, word))
		return SMMU_MODEL_C_BAD_CD;

	e = stlb_cache_find(&m->tlb, cd_asid(word), va);
	if (e) {
		*leaf = (struct stlb_leaf){
			.start		= e->start,
			.size		= e->end - e->start,
			.pfn		= e->pfn,
			.valid		= true,
			.writable	= e->writable,
			.dbm		= e->dbm,
			.exec		= e->exec,
		};
		return 0;
	}

	if (!walk)
		return SMMU_MODEL_MISS;
	/* EPD0 forbids the walk, not the use of what has been cached. */
	event = cd_quiet(word) ? SMMU_MODEL_F_TRANSLATION :
				 smmu_model_walk(word, va, use, leaf, &set);
	if (event || m->btm)
		return event;
	at = ALIGN_DOWN(leaf->start, leaf->size * set);
	for (i = 0; i < set; i++, at += leaf->size)
		if (!stlb_cache_find(&m->tlb, cd_asid(word), at) &&
		    !smmu_model_walk(word, at, false, &one, &ignored))
			stlb_cache_fill(&m->tlb, cd_asid(word), at, &one);
	return 0;
}

/*
 * "Hardware update of the dirty state": a write by way of a translation that is
 * read-only but for that (DBM) makes the entry writable, if the SMMU may (CD.HD) and
 * the entry still allows it. What is cached for the address is then that entry.
 */
static int smmu_model_dirty(struct smmu_model *m, struct smmu_model_stream *s,
			    u32 ssid, u64 va)
{
	unsigned int page, shift, level;
	struct stlb_cached *e;
	u64 word[2], desc, *at;

	if (!smmu_model_config(m, s, ssid, word))
		return SMMU_MODEL_C_BAD_CD;
	if (!cd_hw_dirty(word))
		return SMMU_MODEL_F_PERMISSION;
	at = smmu_model_find(word, va, &desc, &shift, &page, &level);
	if (!at)
		return SMMU_MODEL_F_TRANSLATION;
	if (!bits(desc, 51, 51) || !bits(desc, 10, 10) ||
	    cmpxchg(at, desc, desc & ~BIT_ULL(7)) != desc)
		return SMMU_MODEL_F_PERMISSION;
	e = stlb_cache_find(&m->tlb, cd_asid(word), va);
	if (e)
		e->writable = true;
	e = s->ats ? stlb_cache_find(&s->atc, ssid, va) : NULL;
	if (e)
		e->writable = true;
	return 0;
}

static int __smmu_model_access(struct smmu_model *m, struct smmu_model_stream *s,
			       struct smmu_model_dma *dma, bool walk)
{
	struct stlb_cached *e = NULL;
	struct stlb_leaf leaf;
	int event = 0;
	u32 *word;

	if (s->ats)
		e = stlb_cache_find(&s->atc, dma->ssid, dma->va);
	if (e) {
		leaf.start = e->start;
		leaf.pfn = e->pfn;
		leaf.writable = e->writable;
		leaf.dbm = e->dbm;
		leaf.exec = e->exec;
	} else {
		event = smmu_model_translate(m, s, dma->ssid, dma->va, walk, true,
					     &leaf);
		if (!event && s->ats)
			stlb_cache_fill(&s->atc, dma->ssid, dma->va, &leaf);
	}
	/* Privileged code is not to execute what user space can write (PXN). */
	if (!event && dma->exec && (dma->priv || !leaf.exec))
		event = SMMU_MODEL_F_PERMISSION;
	if (!event && dma->write && !leaf.writable) {
		event = SMMU_MODEL_F_PERMISSION;
		if (leaf.dbm && m->httu)
			event = walk ? smmu_model_dirty(m, s, dma->ssid, dma->va) :
				       SMMU_MODEL_MISS;
	}
	if (!event) {
		word = phys_to_virt((leaf.pfn << PAGE_SHIFT) + dma->va - leaf.start);
		if (dma->write)
			WRITE_ONCE(*word, dma->val);
		else
			dma->val = READ_ONCE(*word);
	}
	return event;
}

/* An access that does not stall, and whose event is not recorded. */
static int smmu_model_try(struct smmu_model *m, struct smmu_model_stream *s,
			  u32 ssid, u64 va, bool write, bool walk, u32 *val)
{
	struct smmu_model_dma dma = {
		.ssv = true, .ssid = ssid, .va = va, .write = write, .val = *val,
	};
	int event;

	spin_lock(&m->lock);
	event = __smmu_model_access(m, s, &dma, walk);
	spin_unlock(&m->lock);
	if (!event)
		*val = dma.val;
	return event;
}

/*
 * "Circular queues": SMMU_EVENTQ_PROD moves when the record can be read. Hardware
 * interrupts when the queue becomes non-empty. The model interrupts for each record,
 * which is allowed: it cannot know whether the driver has seen the queue empty. Memory
 * does not keep the driver's accesses to SMMU_EVENTQ_CONS and SMMU_EVENTQ_PROD in order,
 * and registers do.
 */
static bool smmu_model_put_event(struct smmu_model *m, const u64 *record)
{
	u32 mask = (2u << m->evtq_log2size) - 1;
	u32 prod = m->evtq_prod & mask;
	/* What the driver has read can be written over. */
	u32 cons = smp_load_acquire(&m->evtq_cons) & mask;
	unsigned int i, at = (prod & (mask >> 1)) * SMMU_MODEL_EVENT_WORDS;

	if (!(READ_ONCE(m->page0[SMMU_MODEL_CR0]) & SMMU_MODEL_EVENTQEN) ||
	    (prod ^ cons) == 1u << m->evtq_log2size)
		return false;
	for (i = 0; i < SMMU_MODEL_EVENT_WORDS; i++)
		WRITE_ONCE(m->evtq[at + i], cpu_to_le64(record[i]));
	m->events++;
	/* A driver that sees the index sees the record. */
	smp_store_release(&m->evtq_prod,
			  (m->evtq_prod & ~mask) | ((prod + 1) & mask));
	m->interrupt(m);
	return true;
}

/*
 * "Event queue overflow": a record for which there is no room is lost, and OVFLG, bit
 * 31, differs from OVACKFLG from then on.
 */
static void smmu_model_put_event_or_lose(struct smmu_model *m, const u64 *record)
{
	if (!m->evtq || smmu_model_put_event(m, record))
		return;
	m->lost++;
	if (bits(m->evtq_prod, 31, 31) == bits(READ_ONCE(m->evtq_cons), 31, 31))
		WRITE_ONCE(m->evtq_prod, m->evtq_prod ^ BIT(31));
}

/* The record of a stall is not lost, but waits for room. */
static void smmu_model_put_stalls(struct smmu_model *m)
{
	unsigned int i;

	for (i = 0; i < m->max_stalls; i++)
		if (m->stall[i].used && !m->stall[i].recorded)
			m->stall[i].recorded =
				smmu_model_put_event(m, m->stall[i].record);
}

static struct smmu_model_stall *smmu_model_stall(struct smmu_model *m, u32 sid,
						 const u64 *record)
{
	struct smmu_model_stall *stall = NULL;
	unsigned int i, nr = 0;

	for (i = 0; i < m->max_stalls; i++) {
		if (!m->stall[i].used)
			stall = &m->stall[i];
		nr += m->stall[i].used;
	}
	if (!stall)
		return NULL;
	m->most_stalls = max(m->most_stalls, nr + 1);
	stall->used = true;
	stall->recorded = false;
	stall->sid = sid;
	stall->stag = m->next_stag++;
	stall->answer = SMMU_MODEL_NO_ANSWER;
	init_completion(&stall->answered);
	memcpy(stall->record, record, sizeof(stall->record));
	stall->record[1] |= stall->stag | BIT_ULL(31);
	smmu_model_put_stalls(m);
	return stall;
}

/* "Event records". Whatever ends an access at a CD has none but the first word. */
static void smmu_model_describe(const struct smmu_model_stream *s,
				const struct smmu_model_dma *dma, int event,
				u64 *record)
{
	record[0] = event | (u64)dma->ssv << 11 | (u64)dma->ssid << 12 |
		    (u64)s->sid << 32;
	record[1] = 0;
	record[2] = 0;
	record[3] = 0;
	if (event == SMMU_MODEL_C_BAD_CD)
		return;
	/* PnU, InD, RnW; CLASS says that the input address is what is wrong. */
	record[1] = (u64)dma->priv << 33 | (u64)dma->exec << 34 |
		    (u64)!dma->write << 35 | 2ULL << 40;
	record[2] = dma->va;
}

/**
 * smmu_model_dma() - a DMA access of a word by a device that waits when it stalls
 * @m: the model
 * @s: whose access it is
 * @dma: the access
 * @stall: set if the access stalls
 *
 * "Fault models": what the page table does not allow stalls if the CD says so, and is
 * recorded together with a STAG. When a CMD_RESUME has completed
 * &smmu_model_stall.answered, smmu_model_end_stall() is due, and another call if the
 * answer was to try again. What does not stall is terminated, and is recorded if the CD
 * says that.
 *
 * Context: the mmap_lock is held, so that page tables stay where they are.
 * Return: 0, the number of the event that the access ends in, SMMU_MODEL_STALLED, or
 * SMMU_MODEL_BUSY if &smmu_model.max_stalls stall.
 */
int smmu_model_dma(struct smmu_model *m, struct smmu_model_stream *s,
		   struct smmu_model_dma *dma, struct smmu_model_stall **stall)
{
	u64 word[2], record[SMMU_MODEL_EVENT_WORDS];
	int event;

	spin_lock(&m->lock);
	event = __smmu_model_access(m, s, dma, true);
	if (event) {
		smmu_model_describe(s, dma, event, record);
		if (event == SMMU_MODEL_C_BAD_CD ||
		    !smmu_model_config(m, s, dma->ssid, word)) {
			smmu_model_put_event_or_lose(m, record);
		} else if (cd_stalls(word)) {
			*stall = smmu_model_stall(m, s->sid, record);
			event = *stall ? SMMU_MODEL_STALLED : SMMU_MODEL_BUSY;
		} else if (cd_records(word)) {
			smmu_model_put_event_or_lose(m, record);
		}
	}
	spin_unlock(&m->lock);
	return event;
}

/**
 * smmu_model_end_stall() - what became of an access that has stalled
 * @m: the model
 * @stall: the access
 *
 * Context: any but an interrupt; takes &smmu_model.lock. @stall is not used any more.
 * Return: the answer, if there was one.
 */
enum smmu_model_answer smmu_model_end_stall(struct smmu_model *m,
					    struct smmu_model_stall *stall)
{
	enum smmu_model_answer answer;

	spin_lock(&m->lock);
	answer = stall->answer;
	stall->used = false;
	spin_unlock(&m->lock);
	return answer;
}

/**
 * smmu_model_send() - write an event record that no access is behind
 * @m: the model
 * @sid: StreamID of an access that stalls
 * @record: the record. If its bit Stall is set the model adds a STAG.
 *
 * Context: any but an interrupt; takes &smmu_model.lock.
 * Return: what is like an access that has stalled, or NULL.
 */
struct smmu_model_stall *smmu_model_send(struct smmu_model *m, u32 sid,
					 const u64 record[SMMU_MODEL_EVENT_WORDS])
{
	struct smmu_model_stall *stall = NULL;

	spin_lock(&m->lock);
	if (bits(record[1], 31, 31))
		stall = smmu_model_stall(m, sid, record);
	else
		smmu_model_put_event_or_lose(m, record);
	spin_unlock(&m->lock);
	return stall;
}

/**
 * smmu_model_stalls() - how many accesses wait for an answer
 * @m: the model
 *
 * Context: any but an interrupt; takes &smmu_model.lock.
 * Return: how many there are.
 */
unsigned int smmu_model_stalls(struct smmu_model *m)
{
	unsigned int i, nr = 0;

	spin_lock(&m->lock);
	for (i = 0; i < m->max_stalls; i++)
		nr += m->stall[i].used && !m->stall[i].answer;
	spin_unlock(&m->lock);
	return nr;
}

/**
 * smmu_model_access_cached() - a DMA access of a word that needs no page table walk
 * @m: the model
 * @s: whose access it is
 * @ssid: PASID
 * @va: address, aligned
 * @write: write @val, do not read it
 * @val: the word
 *
 * As hardware does, whatever locks the CPUs hold.
 *
 * Context: any.
 * Return: 0, the number of the event that the access ends in, or SMMU_MODEL_MISS.
 */
int smmu_model_access_cached(struct smmu_model *m, struct smmu_model_stream *s,
			     u32 ssid, u64 va, bool write, u32 *val)
{
	return smmu_model_try(m, s, ssid, va, write, false, val);
}

/**
 * smmu_model_access() - a DMA access of a word
 * @m: the model
 * @s: whose access it is
 * @ssid: PASID
 * @va: address, aligned
 * @write: write @val, do not read it
 * @val: the word
 *
 * Context: the mmap_lock is held, so that page tables stay where they are.
 * Return: 0, or the number of the event that the access ends in.
 */
int smmu_model_access(struct smmu_model *m, struct smmu_model_stream *s,
		      u32 ssid, u64 va, bool write, u32 *val)
{
	return smmu_model_try(m, s, ssid, va, write, true, val);
}

/**
 * smmu_model_holds() - whether every stream finds an address cached
 * @m: the model
 * @ssid: PASID
 * @va: the address
 *
 * Context: any but an interrupt; takes &smmu_model.lock.
 * Return: true if every TLB and ATC that could has it.
 */
bool smmu_model_holds(struct smmu_model *m, u32 ssid, u64 va)
{
	bool holds = true;
	unsigned int i;
	u64 word[2];

	spin_lock(&m->lock);
	for (i = 0; i < m->nr_streams && holds; i++) {
		if (m->stream[i].ats)
			holds = stlb_cache_find(&m->stream[i].atc, ssid, va);
		if (holds && !m->btm)
			holds = smmu_model_config(m, &m->stream[i], ssid, word) &&
				stlb_cache_find(&m->tlb, cd_asid(word), va);
	}
	spin_unlock(&m->lock);
	return holds;
}

/**
 * smmu_model_holds_any() - whether any translation is cached
 * @m: the model
 *
 * Context: any but an interrupt; takes &smmu_model.lock.
 * Return: true if there is one in the TLB or in an ATC.
 */
bool smmu_model_holds_any(struct smmu_model *m)
{
	unsigned int i;
	bool any;

	spin_lock(&m->lock);
	any = m->tlb.nr;
	for (i = 0; i < m->nr_streams; i++)
		any |= m->stream[i].atc.nr;
	spin_unlock(&m->lock);
	return any;
}

/**
 * smmu_model_stale() - look for a cached translation that is not the kernel's
 * @m: the model
 * @ssid: PASID of the process
 * @mm: the process
 * @start: first byte to look at
 * @end: end, exclusive
 * @va: set to the address if there is one
 *
 * Context: the mmap_lock is held.
 * Return: true if there is one.
 */
bool smmu_model_stale(struct smmu_model *m, u32 ssid, struct mm_struct *mm,
		      u64 start, u64 end, unsigned long *va)
{
	bool stale = false;
	unsigned int i;
	u64 word[2];

	spin_lock(&m->lock);
	for (i = 0; i < m->nr_streams && !stale; i++) {
		stale = stlb_cache_stale(&m->stream[i].atc, ssid, mm, start, end,
					 va);
		if (!stale && smmu_model_config(m, &m->stream[i], ssid, word))
			stale = stlb_cache_stale(&m->tlb, cd_asid(word), mm,
						 start, end, va);
	}
	spin_unlock(&m->lock);
	return stale;
}

/**
 * smmu_model_cd() - the context descriptor that an SMMU uses
 * @m: the model
 * @s: the stream
 * @ssid: PASID
 * @word: its first two words
 *
 * Context: any but an interrupt; takes &smmu_model.lock.
 * Return: true if it is valid.
 */
bool smmu_model_cd(struct smmu_model *m, struct smmu_model_stream *s, u32 ssid,
		   u64 word[2])
{
	bool valid;

	spin_lock(&m->lock);
	valid = smmu_model_config(m, s, ssid, word);
	spin_unlock(&m->lock);
	return valid;
}

/**
 * smmu_model_dropped() - what invalidations have cost
 * @m: the model
 *
 * Context: any but an interrupt; takes &smmu_model.lock.
 * Return: bytes that were cached and had to be forgotten since the last call, by
 * the TLB or by an ATC, whichever lost most.
 */
unsigned long smmu_model_dropped(struct smmu_model *m)
{
	unsigned long dropped;
	unsigned int i;

	spin_lock(&m->lock);
	dropped = m->dropped;
	m->dropped = 0;
	for (i = 0; i < m->nr_streams; i++) {
		dropped = max(dropped, m->stream[i].dropped);
		m->stream[i].dropped = 0;
	}
	spin_unlock(&m->lock);
	return dropped;
}

/*
 * A TLBI reaches every entry that translates an address it names: whole blocks,
 * and at all levels unless TTL says that one is enough.
 */
static void smmu_model_do_tlbi(struct smmu_model *m,
			       const struct smmu_model_cmd *cmd)
{
	unsigned long first = ULONG_MAX;
	struct stlb_leaf leaf;
	struct stlb_cached *e;
	unsigned int i, j;

	for (i = m->tlb.nr; i-- > 0; ) {
		e = &m->tlb.entry[i];
		if (e->tag != cmd->asid || e->end <= cmd->start ||
		    e->start > cmd->last)
			continue;
		if (cmd->level_size && e->end - e->start != cmd->level_size)
			continue;
		m->dropped += e->end - e->start;
		first = min(first, e->start);
		*e = m->tlb.entry[--m->tlb.nr];
	}

	if (!m->eager || first == ULONG_MAX)
		return;
	for (i = 0; i < m->nr_streams; i++)
		for (j = 0; j < ARRAY_SIZE(m->stream[i].cfg); j++)
			if (m->stream[i].cfg[j].valid &&
			    bits(m->stream[i].cfg[j].word[0], 31, 31) &&
			    cd_asid(m->stream[i].cfg[j].word) == cmd->asid)
				smmu_model_translate(m, &m->stream[i],
						     m->stream[i].cfg[j].ssid,
						     first, true, false, &leaf);
}

/* Without a valid SubstreamID entries of all PASIDs go, with it only its own. */
static void smmu_model_do_atc_inv(struct smmu_model_stream *s,
				  const struct smmu_model_cmd *cmd)
{
	unsigned long end = cmd->last == U64_MAX ? ULONG_MAX : cmd->last + 1;
	unsigned long first;
	unsigned int i;

	if (cmd->ssv) {
		s->dropped += stlb_cache_cut(&s->atc, cmd->ssid, cmd->start, end,
					     &first);
		return;
	}
	for (i = 0; i < s->nr_cds; i++)
		s->dropped += stlb_cache_cut(&s->atc, i, cmd->start, end, &first);
}

static void smmu_model_do_cfgi(struct smmu_model_stream *s,
			       const struct smmu_model_cmd *cmd)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(s->cfg); i++)
		if (s->cfg[i].ssid == cmd->ssid)
			s->cfg[i].valid = false;
}

/*
 * "Command consumption": that a command has been consumed does not say that it
 * is complete, a CMD_SYNC does. The model is as late as it may be.
 */
static void smmu_model_complete(struct smmu_model *m)
{
	struct smmu_model_stream *s;
	unsigned int i;

	for (i = 0; i < m->nr_pending; i++) {
		const struct smmu_model_cmd *cmd = &m->pending[i];

		s = smmu_model_stream(m, cmd->sid);
		if (cmd->op == SMMU_MODEL_TLBI)
			smmu_model_do_tlbi(m, cmd);
		else if (s && cmd->op == SMMU_MODEL_ATC_INV)
			smmu_model_do_atc_inv(s, cmd);
		else if (s && cmd->op == SMMU_MODEL_CFGI)
			smmu_model_do_cfgi(s, cmd);
	}
	m->nr_pending = 0;
}

static bool smmu_model_is_pending(struct smmu_model *m, enum smmu_model_op op)
{
	unsigned int i;

	for (i = 0; i < m->nr_pending; i++)
		if (m->pending[i].op == op)
			return true;
	return false;
}

/* All that a command does not define is reserved, and to be written as 0. */
static void smmu_model_reserved(struct smmu_model *m, const u64 cmd[2],
				u64 used0, u64 used1)
{
	if ((cmd[0] & ~used0) || (cmd[1] & ~used1))
		smmu_model_error(m, "reserved bits set: 0x%016llx 0x%016llx",
				 cmd[0], cmd[1]);
}

#define FIELD(high, low)	((~0ULL >> (63 - (high))) & (~0ULL << (low)))
#define OPCODE			FIELD(7, 0)

/* CMD_TLBI_NH_VA, CMD_TLBI_EL2_VA; "Range-based invalidation", with RIL. */
static void smmu_model_tlbi_va(struct smmu_model *m, const u64 cmd[2],
			       struct smmu_model_cmd *c)
{
	u64 used0 = OPCODE | FIELD(63, 48), used1 = FIELD(0, 0) | FIELD(63, 12);
	unsigned int num = bits(cmd[0], 16, 12), scale = bits(cmd[0], 24, 20);
	unsigned int ttl = bits(cmd[1], 9, 8), tg = bits(cmd[1], 11, 10);
	unsigned int page = 10 + 2 * tg;

	/* VMID is left out: stage 1 without stage 2 is in VMID 0. */
	if (m->range_inv) {
		used0 |= FIELD(16, 12) | FIELD(24, 20);
		used1 |= FIELD(9, 8) | FIELD(11, 10);
	}
	smmu_model_reserved(m, cmd, used0, used1);

	c->op = SMMU_MODEL_TLBI;
	c->asid = bits(cmd[0], 63, 48);
	c->leaf = bits(cmd[1], 0, 0);
	c->start = bits(cmd[1], 63, 12) << 12;
	c->last = c->start;
	if (!m->range_inv)
		return;
	if (!tg) {
		if (num || scale || ttl)
			smmu_model_error(m, "NUM, SCALE or TTL without TG: 0x%016llx 0x%016llx",
					 cmd[0], cmd[1]);
		return;
	}
	if (!num && !scale && !ttl)
		smmu_model_error(m, "TG with NUM, SCALE and TTL all 0: 0x%016llx 0x%016llx",
				 cmd[0], cmd[1]);
	if (c->start & ((1ULL << page) - 1))
		smmu_model_error(m, "address 0x%llx not aligned to the granule",
				 c->start);
	c->last = c->start + (((num + 1ULL) << scale) << page) - 1;
	if (ttl)
		c->level_size = 1ULL << (page + (3 - ttl) * (page - 3));
}

static void smmu_model_tlbi_asid(struct smmu_model *m, const u64 cmd[2],
				 struct smmu_model_cmd *c)
{
	smmu_model_reserved(m, cmd, OPCODE | FIELD(63, 48), 0);
	c->op = SMMU_MODEL_TLBI;
	c->asid = bits(cmd[0], 63, 48);
	c->last = U64_MAX;
}

/* CMD_ATC_INV: 2^Size pages of 4K, naturally aligned; 52 and more is all. */
static void smmu_model_atc_inv(struct smmu_model *m, const u64 cmd[2],
			       struct smmu_model_cmd *c)
{
	unsigned int size = bits(cmd[1], 5, 0);
	struct smmu_model_stream *s;

	smmu_model_reserved(m, cmd, OPCODE | FIELD(11, 11) | FIELD(9, 9) |
			    FIELD(63, 12), FIELD(5, 0) | FIELD(63, 12));
	c->op = SMMU_MODEL_ATC_INV;
	c->ssv = bits(cmd[0], 11, 11);
	c->ssid = bits(cmd[0], 31, 12);
	c->sid = bits(cmd[0], 63, 32);
	c->start = bits(cmd[1], 63, 12) << 12;
	c->last = size >= 52 ? U64_MAX : c->start + (1ULL << (size + 12)) - 1;
	if (size < 52 && bits(cmd[1], size + 11, 0) & ~0xfffULL)
		smmu_model_error(m, "ATC_INV: address 0x%llx not aligned to 2^%u pages",
				 c->start, size);
	if (bits(cmd[0], 9, 9))
		smmu_model_error(m, "ATC_INV: Global without a need");
	if (!c->ssv && c->ssid)
		smmu_model_error(m, "ATC_INV: SubstreamID without SSV");

	s = smmu_model_stream(m, c->sid);
	if (!s || !s->ats)
		smmu_model_error(m, "ATC_INV for stream 0x%x, which has no ATC",
				 c->sid);
	/*
	 * "ATC invalidation": what the TLB still has could be the answer to the
	 * next translation request.
	 */
	if (!m->several && smmu_model_is_pending(m, SMMU_MODEL_TLBI))
		smmu_model_error(m, "ATC_INV before its TLBI was synchronised");
}

static void smmu_model_cfgi_cd(struct smmu_model *m, const u64 cmd[2],
			       struct smmu_model_cmd *c)
{
	smmu_model_reserved(m, cmd, OPCODE | FIELD(31, 12) | FIELD(63, 32),
			    FIELD(0, 0));
	c->op = SMMU_MODEL_CFGI;
	c->ssid = bits(cmd[0], 31, 12);
	c->sid = bits(cmd[0], 63, 32);
	if (!smmu_model_stream(m, c->sid))
		smmu_model_error(m, "CFGI_CD for stream 0x%x, which is none", c->sid);
}

static void smmu_model_record(struct smmu_model *m, const struct smmu_model_cmd *c)
{
	if (m->nr_log < ARRAY_SIZE(m->log))
		m->log[m->nr_log] = *c;
	m->nr_log++;
}

/*
 * CMD_RESUME: Ac (bit 12) has the access tried again, else Ab (bit 13) says how it
 * ends. When it is consumed that is settled, and needs no CMD_SYNC. What matches no
 * stall has no effect; a driver that sends one has lost count.
 */
static void smmu_model_resume(struct smmu_model *m, const u64 cmd[2],
			      struct smmu_model_cmd *c)
{
	unsigned int i;

	smmu_model_reserved(m, cmd, OPCODE | FIELD(13, 12) | FIELD(63, 32),
			    FIELD(15, 0));
	c->op = SMMU_MODEL_RESUME;
	c->sid = bits(cmd[0], 63, 32);
	c->stag = bits(cmd[1], 15, 0);
	c->answer = bits(cmd[0], 12, 12) ? SMMU_MODEL_RETRY :
		    bits(cmd[0], 13, 13) ? SMMU_MODEL_ABORT : SMMU_MODEL_IGNORE;
	m->answers[c->answer]++;
	smmu_model_record(m, c);
	for (i = 0; i < m->max_stalls; i++)
		if (m->stall[i].used && !m->stall[i].answer && m->stall[i].recorded &&
		    m->stall[i].sid == c->sid && m->stall[i].stag == c->stag)
			break;
	if (i == m->max_stalls)
		smmu_model_error(m, "CMD_RESUME for stream 0x%x, STAG 0x%x, which has not stalled",
				 c->sid, c->stag);
	else
		smmu_model_answer(&m->stall[i], c->answer);
}

/* CMD_SYNC: CS is the completion signal, 1 for an MSI. */
static void smmu_model_sync(struct smmu_model *m, const u64 cmd[2])
{
	unsigned int cs = bits(cmd[0], 13, 12);
	u64 msi = bits(cmd[1], 51, 2) << 2;
	bool hold = m->hold && smmu_model_is_pending(m, m->hold_op);
	u32 *slot;

	smmu_model_reserved(m, cmd, OPCODE | FIELD(13, 12) | FIELD(27, 22) |
			    (cs == 1 ? FIELD(63, 32) : 0),
			    cs == 1 ? FIELD(51, 2) : 0);
	smmu_model_complete(m);
	if (cs == 3)
		smmu_model_error(m, "CMD_SYNC: CS = 3 is reserved");
	if (cs != 1 || !msi)
		return;
	if (msi < m->queue_pa || msi >= m->queue_pa + (16ULL << m->log2size)) {
		smmu_model_error(m, "CMD_SYNC: MSI to 0x%llx", msi);
		return;
	}
	slot = (u32 *)((void *)m->queue + (msi - m->queue_pa));
	if (hold) {
		m->hold = false;
		m->held = slot;
		m->held_data = bits(cmd[0], 63, 32);
		complete(&m->is_held);
		return;
	}
	/* Whoever sees the MSI sees what was completed before. */
	smp_store_release(slot, (u32)bits(cmd[0], 63, 32));
}

static void smmu_model_decode(struct smmu_model *m, const u64 cmd[2])
{
	unsigned int op = bits(cmd[0], 7, 0);
	struct smmu_model_cmd c = {};

	switch (op) {
	case 0x05:	/* CMD_CFGI_CD */
		smmu_model_cfgi_cd(m, cmd, &c);
		break;
	case 0x11:	/* CMD_TLBI_NH_ASID */
	case 0x21:	/* CMD_TLBI_EL2_ASID */
		smmu_model_tlbi_asid(m, cmd, &c);
		break;
	case 0x12:	/* CMD_TLBI_NH_VA */
	case 0x22:	/* CMD_TLBI_EL2_VA */
		smmu_model_tlbi_va(m, cmd, &c);
		break;
	case 0x40:	/* CMD_ATC_INV */
		smmu_model_atc_inv(m, cmd, &c);
		break;
	case 0x46:	/* CMD_SYNC */
		/* Before it completes: who waits for it looks at the log then. */
		m->nr_unsynced = 0;
		smmu_model_record(m, &c);
		smmu_model_sync(m, cmd);
		return;
	case 0x44:	/* CMD_RESUME, illegal if nothing can stall */
		if (m->max_stalls) {
			smmu_model_resume(m, cmd, &c);
			return;
		}
		fallthrough;
	default:
		smmu_model_error(m, "CERROR_ILL: 0x%016llx 0x%016llx", cmd[0],
				 cmd[1]);
		return;
	}

	if (c.op == SMMU_MODEL_TLBI) {
		if ((op >> 4 == 2) != m->e2h)
			smmu_model_error(m, "TLBI 0x%x is not for this StreamWorld",
					 op);
		if (!test_bit(c.asid, m->asids))
			smmu_model_error(m, "TLBI for ASID 0x%x, which no process has",
					 c.asid);
	}
	m->nr_unsynced++;
	if (m->max_unsynced && !m->several && m->nr_unsynced > m->max_unsynced)
		smmu_model_error(m, "%u commands without CMD_SYNC, which are too many here",
				 m->nr_unsynced);
	if (m->nr_pending == ARRAY_SIZE(m->pending))
		smmu_model_error(m, "too many commands without CMD_SYNC");
	else
		m->pending[m->nr_pending++] = c;
	smmu_model_record(m, &c);
}

/**
 * smmu_model_consume() - execute what is in the command queue
 * @m: the model
 *
 * Context: process context, on a CPU on which no driver waits for it.
 * Return: true if there was something.
 */
bool smmu_model_consume(struct smmu_model *m)
{
	/* Index and wrap bit ("Circular queues"). */
	u32 mask = (2u << m->log2size) - 1;
	u32 cons = m->cons & mask;
	u64 cmd[2];
	u32 prod;
	u32 slot;
	u32 cr0 = READ_ONCE(m->page0[SMMU_MODEL_CR0]);

	/*
	 * "Update flags": an update of SMMU_CR0 is complete when SMMU_CR0ACK says so.
	 * What was consumed before is complete, too.
	 */
	if (m->page0[SMMU_MODEL_CR0ACK] != cr0) {
		/* Pairs with the driver's read of CR0ACK, behind which commands are over. */
		smp_store_release(&m->page0[SMMU_MODEL_CR0ACK], cr0);
	}
	if (m->max_stalls) {
		spin_lock(&m->lock);
		smmu_model_put_stalls(m);
		spin_unlock(&m->lock);
	}
	if (!(cr0 & SMMU_MODEL_CMDQEN))
		return false;

	/* Commands were written before the index, and are read after it. */
	prod = smp_load_acquire(&m->prod) & mask;
	if (cons == prod)
		return false;
	while (cons != prod) {
		if (m->usecs)
			udelay(m->usecs);
		slot = cons & (mask >> 1);
		cmd[0] = le64_to_cpu(READ_ONCE(m->queue[2 * slot]));
		cmd[1] = le64_to_cpu(READ_ONCE(m->queue[2 * slot + 1]));
		spin_lock(&m->lock);
		smmu_model_decode(m, cmd);
		spin_unlock(&m->lock);
		cons = (cons + 1) & mask;
		/* Whoever sees the index sees what has been executed. */
		smp_store_release(&m->cons, cons);
		cond_resched();
	}
	return true;
}
