/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The secure side of the FF-A tests: what its files give to each other.
 *
 *	el2.c, start.S	traps what Linux calls, owns the cores
 *	sel1.c, sel1_start.S
 *			or gets from TF-A what Linux calls
 *	bare.c		what these two have in common
 *	host_test.c	or tests all of it, as a program of this machine
 *	firmware.c	calls of FF-A: who may say what to whom
 *	memory.c	memory that Linux shares, piece by piece
 *	notify.c	notifications and interrupts, the buffer for messages
 *	partition.c	bus messages, areas' numbers, events, what devices say
 *	area.c		addresses in areas, every access checked
 *	fault.c		answers that are wrong on purpose
 *	device.c	transport messages, one device each
 *	vring.c		split rings
 *	dev_*.c		what devices do
 *	knobs.c		what the kernel command line wants to be different
 *	log.c		trace, counters, violations, verdict
 *
 * All of it runs under one lock that el2.c holds. Nothing is allocated: all
 * tables have a fixed size and are refused when they are full.
 */
#ifndef _FFA_SECURE_H
#define _FFA_SECURE_H

#include <linux/virtio_msg_ffa.h>

#include "platform.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define PAGE		((u64)VIRTIO_MSG_FFA_PAGE_SIZE)

/* --- log.c ---------------------------------------------------------------- */

enum { LOG_VERDICT, LOG_CALLS, LOG_MESSAGES };

/* What the compiler checks calls by; checkpatch knows only the kernel's name. */
#define FORMAT_ATTRIBUTE	__attribute__

/* Printf with %s %u %d and %x, of any width. */
FORMAT_ATTRIBUTE((__format__(__printf__, 2, 3)))
void log_line(unsigned int level, const char *format, ...);
/* The driver side has broken a rule. */
FORMAT_ATTRIBUTE((__format__(__printf__, 1, 2)))
void violation(const char *format, ...);
unsigned int log_violations(void);
void log_reset(void);

/* --- knobs.c -------------------------------------------------------------- */

enum { EVENTS_SRI, EVENTS_NPI, EVENTS_POLL, EVENTS_NONE };
enum { VERSION_SHORT, VERSION_STRICT, VERSION_LONG, VERSION_ZERO, VERSION_OTHER };

/**
 * struct knobs - what can be different in a run
 * @events: sri, npi, poll (no notifications from the partition), none (nor
 *	from the firmware)
 * @version: short (takes any request), strict (takes the short request), long,
 *	zero (no answer), other (a version that nobody knows)
 * @direct: partitions take direct messages
 * @indirect: partitions take indirect messages
 * @truncate: direct messages lose what is behind their first 32 bytes
 * @twin: there is a second partition of the same kind
 * @foreign: there is a partition that is something else
 * @echo: there is a partition that answers with what it got
 * @many: devices besides the usual ones
 * @bare: without the usual ones
 * @core: core of the devices, 0 if they have none
 * @log: LOG_*
 * @reclaim: how often FFA_MEM_RECLAIM is refused
 * @configure: EVENT_CONFIGURE is known
 * @areas: how many areas there can be
 * @ffa: version of FF-A
 * @forget: RESET ends areas as well
 * @chaos: a number from which wrong answers follow
 * @event_idx: devices offer VIRTIO_F_EVENT_IDX
 * @tables: devices offer indirect descriptors
 */
struct knobs {
	unsigned int events;
	unsigned int version;
	unsigned int direct;
	unsigned int indirect;
	unsigned int truncate;
	unsigned int twin;
	unsigned int foreign;
	unsigned int echo;
	unsigned int many;
	unsigned int bare;
	unsigned int core;
	unsigned int log;
	unsigned int reclaim;
	unsigned int configure;
	unsigned int areas;
	unsigned int ffa;
	unsigned int forget;
	unsigned int chaos;
	unsigned int event_idx;
	unsigned int tables;
};

extern struct knobs knobs;

/* Words of the form vmsg.NAME=VALUE; the others are somebody else's. */
void knobs_parse(const char *cmdline);
/* A number, decimal or with 0x; moves *@text behind it. */
bool parse_number(const char **text, unsigned int *value);
/* Moves *@text behind @word if it begins so. */
bool parse_word(const char **text, const char *word);

/* --- fault.c -------------------------------------------------------------- */

enum fault {
	FAULT_NONE,
	/* The firmware's: the partition gets nothing, or is slow. */
	FAULT_BUSY,
	FAULT_YIELD,
	FAULT_INTERRUPT,
	FAULT_ABORT,
	/* No answer */
	FAULT_ZERO,
	/* A wrong one */
	FAULT_TOKEN,
	FAULT_ID,
	FAULT_DEV,
	FAULT_TYPE,
	FAULT_BIG,
	FAULT_SMALL,
	FAULT_CUT,
	FAULT_NOISE,
	FAULT_ERROR,
	/* An event in its place, and it comes later as one */
	FAULT_EVENT,
	/* The result that it carries */
	FAULT_RESULT_BUSY,
	FAULT_RESULT_FAILED,
	FAULT_KINDS
};

void fault_reset(void);
/* KIND@WHERE[xTIMES], separated by commas, see fault.c. */
void fault_parse(const char *text);
/* What is to go wrong with this request. */
enum fault fault_find(const u8 *request);
/* How many of those asked for have never happened */
unsigned int fault_unseen(void);
/* Makes @answer wrong. */
void fault_apply(enum fault fault, u8 *answer);

/* --- memory.c ------------------------------------------------------------- */

#define MAX_SHARES	16
#define MAX_RANGES	2048

struct range {
	u64 address;
	u64 pages;
};

struct share {
	bool live;
	u64 handle;
	u16 receiver;
	u32 pages;
	u32 num_ranges;
	struct range ranges[MAX_RANGES];
};

void memory_reset(void);
/* The calls: registers as they came, then as they go back. */
void memory_share(u64 *x, const void *tx, u64 tx_size);
void memory_fragment(u64 *x, const void *tx, u64 tx_size);
void memory_reclaim(u64 *x);
struct share *memory_find(u64 handle);
unsigned int memory_left(void);

/* --- notify.c ------------------------------------------------------------- */

void notify_reset(void);
void notify_bind(u64 *x);
void notify_unbind(u64 *x);
void notify_get(u64 *x);
void notify_info_get(u64 *x);
void notify_raise(u16 partition, unsigned int number);
void notify_rx_full(void);
unsigned int notify_left(void);
unsigned int notify_interrupt(unsigned int feature);

/* --- firmware.c ----------------------------------------------------------- */

/* Error codes of FF-A */
#define FFA_NOT_SUPPORTED	(-1)
#define FFA_INVALID		(-2)
#define FFA_NO_MEMORY		(-3)
#define FFA_BUSY		(-4)
#define FFA_DENIED		(-6)
#define FFA_NO_DATA		(-9)
#define FFA_ABORTED		(-8)

/* The normal world's own number: it is the only one there. */
#define OWN_ID			0

#define NUM_REGS		18

/* Also forgets what the log has counted, and reads the knobs. */
void secure_reset(const char *cmdline);
/* Returns false for a call that is none of FF-A. */
bool firmware_call(u64 *x);
void firmware_ok(u64 *x);
void firmware_error(u64 *x, int code);
/* Puts an indirect message into Linux's buffer. Returns false while it is full. */
bool firmware_deliver(u16 sender, const u8 *frame, unsigned int size);
/* The machine goes off: what is left over? */
void secure_verdict(void);

/* --- vring.c -------------------------------------------------------------- */

#define MAX_CHAIN	64
#define MAX_QUEUES	2
#define QUEUE_SIZE	64

struct partition;

struct queue {
	u32 max;
	u32 size;
	bool enabled;
	bool kicked;
	bool event_idx;
	bool tables;
	u64 desc;
	u64 driver;
	u64 device;
	u16 next_avail;
	u16 next_used;
};

struct piece {
	u64 address;
	u32 len;
	bool write;
};

struct chain {
	u16 head;
	unsigned int num;
	struct piece pieces[MAX_CHAIN];
};

/* Takes the next chain. Returns false if there is none. */
bool vring_pop(struct partition *p, struct queue *q, struct chain *chain);
/* Gives it back. Returns whether the driver wants to hear of it. */
bool vring_push(struct partition *p, struct queue *q, const struct chain *chain,
		u32 written);
/* Copies from the readable part at @from, or into the writable one. */
u32 chain_read(struct partition *p, const struct chain *chain, u32 from,
	       void *buf, u32 len);
u32 chain_write(struct partition *p, const struct chain *chain, u32 from,
		const void *buf, u32 len);
u32 chain_len(const struct chain *chain, bool write);

/* --- device.c ------------------------------------------------------------- */

#define MAX_DEVICES	400
#define CONFIG_SIZE	64

struct device;

/**
 * struct model - a kind of device
 * @type: of virtio
 * @features: its own
 * @queues: how many
 * @config_size: bytes of its configuration space
 * @request: one chain of queue @index; returns bytes written
 * @started: DRIVER_OK, and after each look at the queues; optional
 */
struct model {
	u32 type;
	u64 features;
	unsigned int queues;
	u32 config_size;
	u32 (*request)(struct partition *p, struct device *dev,
		       unsigned int index, const struct chain *chain);
	/* Something to write? Then a chain of queue 0 is worth taking. */
	bool (*ready)(struct device *dev);
};

struct device {
	bool present;
	bool was;
	u16 num;
	const struct model *model;
	u32 status;
	u64 accepted;
	u32 generation;
	u8 config[CONFIG_SIZE];
	struct queue queues[MAX_QUEUES];
	/* Events that are still to be told */
	u32 used;
	bool config_changed;
	/* Of the model */
	u32 state;
};

void device_init(struct device *dev, u16 num, const struct model *model);
void device_reset(struct device *dev);
/* Answers @msg in @msg; data may be put at @data, as many bytes as fit. */
bool device_message(struct partition *p, struct device *dev,
		    struct vmsg_msg *msg, u8 *data);
/* Does one thing. Returns false when there is nothing to do. */
bool device_work(struct partition *p, struct device *dev);

extern const struct model rng_model, blk_model, console_model, idle_model;

void blk_init(struct device *dev, u32 sectors);
void console_reset(void);
void console_say(const char *text);
/* Is it what came last? */
bool console_heard(const char *text);

/* --- partition.c ---------------------------------------------------------- */

#define MAX_AREAS	8
#define MAX_OUT		32

struct area {
	u16 num;
	bool asked;
	struct share *share;
};

struct partition {
	bool present;
	u16 id;
	u64 uuid[2];
	bool ours;
	bool echo;
	struct device *devices;
	unsigned int num_devices;
	struct area areas[MAX_AREAS];
	/* The last area that was to be */
	u16 offered;
	u8 method;
	u16 notif;
	/* Frames that go before all other events, and indirect answers */
	u8 out[MAX_OUT][VIRTIO_MSG_FFA_DIRECT_SIZE];
	unsigned int out_first;
	unsigned int out_num;
};

#define NUM_PARTITIONS	4
extern struct partition partitions[NUM_PARTITIONS];

void partitions_reset(void);
struct partition *partition_find(u16 id);
/*
 * A frame of @size bytes, in a buffer of VIRTIO_MSG_FFA_DIRECT_SIZE that is zero
 * behind it; the answer comes there too. Returns its size, 0 for none.
 */
unsigned int partition_message(struct partition *p, u8 *frame,
			       unsigned int size, enum fault fault);
/* A request that does not get there: who has asked is not to blame. */
void partition_unheard(struct partition *p, const u8 *frame);
/* A frame that is to be fetched, or sent. */
void partition_out(struct partition *p, const u8 *frame, unsigned int size);
/* There are events: tell. */
void partition_tell(struct partition *p);
/* What can be sent now? */
void partition_send(struct partition *p);
/* Does one thing for some device. Returns false when there is nothing to do. */
bool partitions_work(void);
/* Does all, or has the core of the devices do it. */
void partitions_run(void);
/*
 * "add 40", "remove 5", "resize 9000", "fault KIND@WHERE", "log 2", "say TEXT": done at
 * once; "heard TEXT" is a question. Returns false for no, and for what nobody knows.
 */
bool partition_command(struct partition *p, const char *text);
unsigned int partitions_areas_left(void);

/* --- area.c --------------------------------------------------------------- */

/* Aligned memory of @len bytes, which do not cross a page; NULL if not there. */
void *area_at(struct partition *p, u64 address, u32 len);
bool area_copy(struct partition *p, u64 address, void *buf, u32 len, bool write);
struct area *area_find(struct partition *p, u16 num);
bool area_uses(const struct share *share, bool *asked);

/* --- small helpers -------------------------------------------------------- */

static inline u16 get16(const u8 *p)
{
	return p[0] | p[1] << 8;
}

static inline u32 get32(const u8 *p)
{
	return get16(p) | (u32)get16(p + 2) << 16;
}

static inline u64 get64(const u8 *p)
{
	return get32(p) | (u64)get32(p + 4) << 32;
}

static inline void put16(u8 *p, u16 value)
{
	p[0] = value;
	p[1] = value >> 8;
}

static inline void put32(u8 *p, u32 value)
{
	put16(p, value);
	put16(p + 2, value >> 16);
}

#endif /* _FFA_SECURE_H */
