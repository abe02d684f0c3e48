/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A small behavioural model of an SMMUv3 and of the devices behind it: a command
 * queue in memory, a TLB, configuration caches and ATCs. It is written after the
 * specification (IHI 0070), and shares nothing with the driver that it tests: no
 * header, no mask, no arithmetic.
 */
#ifndef _ARM_SMMU_V3_MODEL_H
#define _ARM_SMMU_V3_MODEL_H

#include <linux/bitmap.h>
#include <linux/completion.h>
#include <linux/pgtable.h>
#include <linux/secondary_tlb_kunit.h>
#include <linux/spinlock.h>
#include <linux/types.h>

/*
 * Commands that fit into a log: a TLBI for each page of a table, a CMD_SYNC after as few
 * as 63 of them, and some more.
 */
#define SMMU_MODEL_LOG			(PTRS_PER_PTE + PTRS_PER_PTE / 32 + 128)

/* Events that an access can end in (IHI 0070, "Event records"). */
#define SMMU_MODEL_C_BAD_CD		0x0a
#define SMMU_MODEL_F_TRANSLATION	0x10
#define SMMU_MODEL_F_ACCESS		0x12
#define SMMU_MODEL_F_PERMISSION		0x13
/* None of them: nothing is cached. */
#define SMMU_MODEL_MISS			0x100
/* Nor these: the access stalls; it cannot, because as many stall as may. */
#define SMMU_MODEL_STALLED		0x101
#define SMMU_MODEL_BUSY			0x102

/**
 * enum smmu_model_op - what a command does
 * @SMMU_MODEL_SYNC: CMD_SYNC
 * @SMMU_MODEL_TLBI: CMD_TLBI_* by address, range or ASID
 * @SMMU_MODEL_ATC_INV: CMD_ATC_INV
 * @SMMU_MODEL_CFGI: CMD_CFGI_CD
 * @SMMU_MODEL_RESUME: CMD_RESUME
 */
enum smmu_model_op {
	SMMU_MODEL_SYNC,
	SMMU_MODEL_TLBI,
	SMMU_MODEL_ATC_INV,
	SMMU_MODEL_CFGI,
	SMMU_MODEL_RESUME,
};

/**
 * enum smmu_model_answer - what a CMD_RESUME does to a stalled access
 * @SMMU_MODEL_NO_ANSWER: there was none so far
 * @SMMU_MODEL_RETRY: it is translated once more
 * @SMMU_MODEL_ABORT: it is terminated, the device sees an error
 * @SMMU_MODEL_IGNORE: it is terminated, the device reads zeros or its write is ignored
 * @SMMU_MODEL_NR_ANSWERS: how many there are
 */
enum smmu_model_answer {
	SMMU_MODEL_NO_ANSWER,
	SMMU_MODEL_RETRY,
	SMMU_MODEL_ABORT,
	SMMU_MODEL_IGNORE,
	SMMU_MODEL_NR_ANSWERS,
};

/**
 * struct smmu_model_cmd - a command as the model understood it
 * @op: what it does
 * @asid: of a TLBI
 * @level_size: of a TLBI with a TTL hint: bytes that a leaf entry of the level
 *	maps, else 0
 * @leaf: of a TLBI: cached table entries stay
 * @sid: StreamID
 * @ssid: SubstreamID
 * @ssv: whether @ssid is valid
 * @start: first byte
 * @last: last byte, inclusive. @start for a TLBI of one address; 0 and U64_MAX
 *	are everything.
 * @stag: of a CMD_RESUME: which stalled access it is for
 * @answer: of a CMD_RESUME
 */
struct smmu_model_cmd {
	enum smmu_model_op op;
	u16 asid;
	u64 level_size;
	bool leaf;
	u32 sid;
	u32 ssid;
	bool ssv;
	u64 start;
	u64 last;
	u16 stag;
	enum smmu_model_answer answer;
};

/**
 * struct smmu_model_dma - a DMA access of a word
 * @ssv: whether it has a PASID
 * @ssid: PASID
 * @va: address, aligned
 * @write: it writes @val, it does not read it
 * @exec: it is an instruction fetch
 * @priv: it is privileged
 * @val: the word
 */
struct smmu_model_dma {
	bool ssv;
	u32 ssid;
	u64 va;
	bool write;
	bool exec;
	bool priv;
	u32 val;
};

/* Words of an event record, and accesses that may stall at a time. */
#define SMMU_MODEL_EVENT_WORDS	4
#define SMMU_MODEL_STALLS	8

/**
 * struct smmu_model_stall - an access that has stalled
 * @used: there is one
 * @recorded: its event record is in the queue, or was
 * @sid: StreamID
 * @stag: names it together with @sid
 * @record: the event record
 * @answer: what the CMD_RESUME was
 * @answered: completed when there was one
 */
struct smmu_model_stall {
	bool used;
	bool recorded;
	u32 sid;
	u16 stag;
	u64 record[SMMU_MODEL_EVENT_WORDS];
	enum smmu_model_answer answer;
	struct completion answered;
};

/**
 * struct smmu_model_stream - a device function: one StreamID, and an ATC maybe
 * @sid: StreamID
 * @ats: it makes translation requests and caches the answers
 * @cdtab: its table of context descriptors, linear, 8 words each
 * @nr_cds: how many the table has
 * @cfg: CDs that the SMMU has cached, by slot
 * @atc: what the device has cached, tagged by PASID
 * @dropped: bytes that the ATC had to forget since somebody asked
 */
struct smmu_model_stream {
	u32 sid;
	bool ats;
	const __le64 *cdtab;
	u32 nr_cds;
	struct {
		bool valid;
		u32 ssid;
		u64 word[2];
	} cfg[4];
	struct stlb_cache atc;
	unsigned long dropped;
};

#define SMMU_MODEL_STREAMS	4

/* Registers that the model has, as indices of words, and bits of SMMU_CR0. */
#define SMMU_MODEL_CR0		(0x20 / 4)
#define SMMU_MODEL_CR0ACK	(0x24 / 4)
#define SMMU_MODEL_REGS		(0x28 / 4)
#define SMMU_MODEL_SMMUEN	BIT(0)
#define SMMU_MODEL_EVENTQEN	BIT(2)
#define SMMU_MODEL_CMDQEN	BIT(3)

/**
 * struct smmu_model - an SMMU
 * @log2size: log2 of the entries of its command queue
 * @range_inv: SMMU_IDR3.RIL, commands can name ranges
 * @e2h: the streams are in the EL2-E2H world, not in that of NS-EL1
 * @btm: it takes part in the CPU's broadcast TLB maintenance
 * @eager: a device is about to use what a TLBI has removed: walk again at once
 * @several: CPUs command it at a time, so that a TLBI that is not complete may be
 *	none of those whose entries an ATC_INV is for
 * @usecs: time that a command takes
 * @httu: SMMU_IDR0.HTTU is 2 or 3, it can update access flags and the dirty state
 * @haft: SMMU_IDR0.HTTU is 3, it can update access flags of table entries
 * @max_unsynced: commands that it may be given without a CMD_SYNC between them,
 *	for an SMMU with an erratum; 0 if there is no limit
 * @max_stalls: SMMU_IDR5.STALL_MAX, accesses that may stall at a time; 0 if none may.
 *	Then there is no event queue either.
 * @evtq_log2size: log2 of the entries of the event queue
 * @interrupt: called for the interrupt of the event queue, with @lock held
 * @page0: registers at the start of its register page 0, as words
 * @prod: SMMU_CMDQ_PROD, written by the driver
 * @cons: SMMU_CMDQ_CONS, written by the model
 * @evtq_prod: SMMU_EVENTQ_PROD, written by the model
 * @evtq_cons: SMMU_EVENTQ_CONS, written by the driver
 * @evtq: the event queue
 * @queue: the queue
 * @queue_pa: what the driver was told to be its address
 * @stream: the streams behind it
 * @nr_streams: how many there are
 * @lock: guards all that follows, and is held over an access
 * @tlb: what the SMMU has cached, tagged by ASID
 * @dropped: bytes that the TLB had to forget since somebody asked
 * @asids: ASIDs of the processes that are being bound, are, or were last
 * @pending: commands that no CMD_SYNC has completed yet
 * @nr_pending: how many
 * @nr_unsynced: commands since the last CMD_SYNC
 * @log: commands since the model was last marked
 * @nr_log: how many, even if @log has no room for all
 * @hold: withhold the completion of the next CMD_SYNC behind a @hold_op
 * @hold_op: TLBI, or another
 * @held: where it would be written to
 * @held_data: what would be
 * @is_held: completed when there is one
 * @stall: accesses that have stalled
 * @next_stag: the next stall has this STAG
 * @most_stalls: so many stalled at a time
 * @answers: how often a CMD_RESUME gave an answer, by &enum smmu_model_answer
 * @events: event records that were written
 * @lost: event records for which there was no room
 * @errors: commands that were not what the specification wants
 * @error: the first of them
 */
struct smmu_model {
	unsigned int log2size;
	bool range_inv;
	bool e2h;
	bool btm;
	bool eager;
	bool several;
	unsigned int usecs;
	bool httu;
	bool haft;
	unsigned int max_unsynced;
	unsigned int max_stalls;
	unsigned int evtq_log2size;
	void (*interrupt)(struct smmu_model *m);

	u32 page0[SMMU_MODEL_REGS];
	u32 prod;
	u32 cons;
	u32 evtq_prod;
	u32 evtq_cons;
	__le64 *evtq;
	__le64 *queue;
	u64 queue_pa;

	struct smmu_model_stream stream[SMMU_MODEL_STREAMS];
	unsigned int nr_streams;

	spinlock_t lock;	/* see @lock above */
	struct stlb_cache tlb;
	unsigned long dropped;
	DECLARE_BITMAP(asids, 1 << 16);
	struct smmu_model_cmd pending[SMMU_MODEL_LOG];
	unsigned int nr_pending;
	unsigned int nr_unsynced;
	struct smmu_model_cmd log[SMMU_MODEL_LOG];
	unsigned int nr_log;
	bool hold;
	enum smmu_model_op hold_op;
	u32 *held;
	u32 held_data;
	struct completion is_held;
	struct smmu_model_stall stall[SMMU_MODEL_STALLS];
	u16 next_stag;
	unsigned int most_stalls;
	unsigned int answers[SMMU_MODEL_NR_ANSWERS];
	unsigned int events;
	unsigned int lost;
	unsigned int errors;
	char error[160];
};

int smmu_model_init(struct smmu_model *m);
void smmu_model_exit(struct smmu_model *m);
bool smmu_model_consume(struct smmu_model *m);
void smmu_model_mark(struct smmu_model *m);
void smmu_model_reset(struct smmu_model *m);
void smmu_model_hold(struct smmu_model *m, enum smmu_model_op op);
void smmu_model_release(struct smmu_model *m);

int smmu_model_access_cached(struct smmu_model *m, struct smmu_model_stream *s,
			     u32 ssid, u64 va, bool write, u32 *val);
int smmu_model_access(struct smmu_model *m, struct smmu_model_stream *s,
		      u32 ssid, u64 va, bool write, u32 *val);
int smmu_model_dma(struct smmu_model *m, struct smmu_model_stream *s,
		   struct smmu_model_dma *dma, struct smmu_model_stall **stall);
enum smmu_model_answer smmu_model_end_stall(struct smmu_model *m,
					    struct smmu_model_stall *stall);
struct smmu_model_stall *smmu_model_send(struct smmu_model *m, u32 sid,
					 const u64 record[SMMU_MODEL_EVENT_WORDS]);
unsigned int smmu_model_stalls(struct smmu_model *m);
bool smmu_model_holds(struct smmu_model *m, u32 ssid, u64 va);
bool smmu_model_holds_any(struct smmu_model *m);
bool smmu_model_stale(struct smmu_model *m, u32 ssid, struct mm_struct *mm,
		      u64 start, u64 end, unsigned long *va);
unsigned long smmu_model_dropped(struct smmu_model *m);
bool smmu_model_cd(struct smmu_model *m, struct smmu_model_stream *s, u32 ssid,
		   u64 word[2]);

#endif /* _ARM_SMMU_V3_MODEL_H */
