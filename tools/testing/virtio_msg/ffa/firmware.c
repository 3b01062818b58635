// SPDX-License-Identifier: GPL-2.0
/*
 * The secure side of the FF-A tests: the calls of FF-A that Linux makes. Answers
 * go back in the registers that the call came in. A call that Linux has no reason
 * to make is a violation.
 */
#include <string.h>

#include "secure.h"

#define FFA_ERROR			0x84000060
#define FFA_SUCCESS			0x84000061
#define FFA_SUCCESS_64			0xc4000061
#define FFA_INTERRUPT			0x84000062
#define FFA_VERSION			0x84000063
#define FFA_FEATURES			0x84000064
#define FFA_RX_RELEASE			0x84000065
#define FFA_RXTX_MAP			0xc4000066
#define FFA_RXTX_UNMAP			0x84000067
#define FFA_ID_GET			0x84000069
#define FFA_YIELD			0x8400006c
#define FFA_RUN				0x8400006d
#define FFA_MEM_LEND			0xc4000072
#define FFA_MEM_SHARE			0xc4000073
#define FFA_MEM_RECLAIM			0x84000077
#define FFA_MEM_FRAG_TX			0x8400007b
#define FFA_NOTIFICATION_CREATE		0x8400007d
#define FFA_NOTIFICATION_DESTROY	0x8400007e
#define FFA_NOTIFICATION_BIND		0x8400007f
#define FFA_NOTIFICATION_UNBIND		0x84000080
#define FFA_NOTIFICATION_GET		0x84000082
#define FFA_NOTIFICATION_INFO_GET	0xc4000083
#define FFA_MSG_SEND2			0x84000086
#define FFA_PARTITION_INFO_GET_REGS	0xc400008b
#define FFA_MSG_SEND_DIRECT_REQ2	0xc400008d
#define FFA_MSG_SEND_DIRECT_RESP2	0xc400008e
#define FFA_LAST			0x8400009f

/* Properties of partitions */
#define TAKES_DIRECT		0x201
#define TAKES_INDIRECT		0x004
#define HAS_NOTIFICATIONS	0x008
#define IS_64BIT		0x100

/* Head of an indirect message */
#define HEAD_OFFSET	8
#define HEAD_IDS	12
#define HEAD_SIZE	16
#define HEAD_UUID	24
#define HEAD_LEN	40

/* How often a message that is slow is to be continued */
#define SLOWNESS	2

static u64 tx, rx, buffer_size;
static bool rx_busy;
/* Calls of Linux, by the last byte of their numbers */
static unsigned int calls[256];
/* An answer that is not there yet, and how it is going to be late */
static u64 late[NUM_REGS];
static enum fault lateness;
static unsigned int runs_left;

void secure_reset(const char *cmdline)
{
	log_reset();
	fault_reset();
	knobs_parse(cmdline);
	memory_reset();
	notify_reset();
	partitions_reset();
	tx = 0;
	rx = 0;
	rx_busy = false;
	runs_left = 0;
	memset(calls, 0, sizeof(calls));
}

static void clear(u64 *x)
{
	memset(x, 0, NUM_REGS * sizeof(*x));
}

void firmware_ok(u64 *x)
{
	clear(x);
	x[0] = FFA_SUCCESS;
}

void firmware_error(u64 *x, int code)
{
	clear(x);
	x[0] = FFA_ERROR;
	x[2] = (u32)code;
}

static void features(u64 *x)
{
	u32 what = x[1], interrupt = notify_interrupt(what);

	switch (what) {
	case 1:
	case 2:
		if (!interrupt)
			break;
		firmware_ok(x);
		x[2] = interrupt;
		return;
	case FFA_RXTX_MAP:
	case FFA_MEM_SHARE:
	case FFA_NOTIFICATION_CREATE:
	case FFA_PARTITION_INFO_GET_REGS:
	case FFA_MSG_SEND_DIRECT_REQ2:
		firmware_ok(x);
		return;
	}
	firmware_error(x, FFA_NOT_SUPPORTED);
}

static void map_buffers(u64 *x)
{
	u64 size = (x[3] & 0x3f) * PAGE;

	if (tx || !size || x[1] % PAGE || x[2] % PAGE || !plat_ram(x[1], size) ||
	    !plat_ram(x[2], size)) {
		violation("buffers for messages at %llx and %llx", x[1], x[2]);
		firmware_error(x, FFA_INVALID);
		return;
	}
	tx = x[1];
	rx = x[2];
	buffer_size = size;
	firmware_ok(x);
}

static void unmap_buffers(u64 *x)
{
	tx = 0;
	rx = 0;
	firmware_ok(x);
}

static u32 properties(const struct partition *p)
{
	u32 bits = IS_64BIT;

	if (p->echo || (p->ours && knobs.direct))
		bits |= TAKES_DIRECT;
	if (p->ours && knobs.indirect)
		bits |= TAKES_INDIRECT;
	return bits | (p->ours ? HAS_NOTIFICATIONS : 0);
}

/* As many as there are fit into the registers. */
static void partition_info(u64 *x)
{
	u64 uuid[2] = { x[1], x[2] }, *at = x + 3;
	unsigned int n, num = 0;
	struct partition *p;

	clear(x);
	for (n = 0; n < NUM_PARTITIONS; n++) {
		p = &partitions[n];
		if (!p->present || ((uuid[0] || uuid[1]) &&
				    (uuid[0] != p->uuid[0] || uuid[1] != p->uuid[1])))
			continue;
		*at++ = p->id | 1ull << 16 | (u64)properties(p) << 32;
		*at++ = p->uuid[0];
		*at++ = p->uuid[1];
		num++;
	}
	if (!num) {
		firmware_error(x, FFA_INVALID);
		return;
	}
	x[0] = FFA_SUCCESS_64;
	/* Bytes of each, the last one of these, the last one of all */
	x[2] = 24ull << 48 | (num - 1) << 16 | (num - 1);
}

/*
 * Messages
 */

static void cut(u8 *frame)
{
	if (knobs.truncate)
		memset(frame + 32, 0, VIRTIO_MSG_FFA_DIRECT_SIZE - 32);
}

/* It is said that there is something, until it has been asked for often enough. */
static void continue_late(u64 *x)
{
	if (!runs_left) {
		violation("FFA_RUN of what is not waiting");
		firmware_error(x, FFA_DENIED);
		return;
	}
	if (--runs_left) {
		clear(x);
		x[0] = lateness == FAULT_YIELD ? FFA_YIELD : FFA_INTERRUPT;
		x[1] = late[1] << 16;
		return;
	}
	memcpy(x, late, sizeof(late));
}

static void make_late(u64 *x, enum fault fault)
{
	memcpy(late, x, sizeof(late));
	lateness = fault;
	runs_left = SLOWNESS + 1;
	continue_late(x);
}

static void request2(u64 *x)
{
	struct partition *p = partition_find(x[1]);
	u16 sender = x[1] >> 16;
	u8 *frame = (u8 *)(x + 4);
	enum fault fault;

	if (!p || sender != OWN_ID || x[2] != p->uuid[0] || x[3] != p->uuid[1] ||
	    !(properties(p) & TAKES_DIRECT)) {
		violation("message from %x to %x", sender, (u16)x[1]);
		firmware_error(x, FFA_INVALID);
		return;
	}
	if (runs_left) {
		violation("message to a partition that has not finished");
		firmware_error(x, FFA_BUSY);
		return;
	}
	fault = p->echo ? FAULT_NONE : fault_find(frame);
	if (fault == FAULT_BUSY || fault == FAULT_ABORT) {
		partition_unheard(p, frame);
		firmware_error(x, fault == FAULT_BUSY ? FFA_BUSY : FFA_ABORTED);
		return;
	}
	if (!p->echo) {
		cut(frame);
		partition_message(p, frame, VIRTIO_MSG_FFA_DIRECT_SIZE, fault);
		cut(frame);
		partitions_run();
	}
	x[0] = FFA_MSG_SEND_DIRECT_RESP2;
	x[1] = (u64)p->id << 16 | sender;
	x[2] = 0;
	x[3] = 0;
	if (fault == FAULT_YIELD || fault == FAULT_INTERRUPT)
		make_late(x, fault);
}

static void send2(u64 *x)
{
	const u8 *message = tx ? plat_ram(tx, buffer_size) : NULL;
	u8 head[HEAD_LEN], frame[VIRTIO_MSG_FFA_DIRECT_SIZE] = {};
	struct partition *p;
	enum fault fault;
	u32 offset, size;

	if (!message) {
		violation("indirect message without a buffer");
		firmware_error(x, FFA_INVALID);
		return;
	}
	memcpy(head, message, sizeof(head));
	offset = get32(head + HEAD_OFFSET);
	size = get32(head + HEAD_SIZE);
	p = partition_find(get32(head + HEAD_IDS));
	if (x[1] || x[2] || !p || get32(head + HEAD_IDS) >> 16 != OWN_ID ||
	    !(properties(p) & TAKES_INDIRECT) || offset < HEAD_LEN ||
	    get64(head + HEAD_UUID) != p->uuid[0] ||
	    get64(head + HEAD_UUID + 8) != p->uuid[1] ||
	    size > sizeof(frame) || offset > buffer_size - size) {
		violation("indirect message for %x, %u bytes at %u",
			  get32(head + HEAD_IDS), size, offset);
		firmware_error(x, FFA_INVALID);
		return;
	}
	memcpy(frame, message + offset, size);
	fault = fault_find(frame);
	if (fault == FAULT_BUSY || fault == FAULT_ABORT || p->out_num > MAX_OUT / 2) {
		partition_unheard(p, frame);
		firmware_error(x, fault == FAULT_ABORT ? FFA_ABORTED : FFA_BUSY);
		return;
	}
	size = partition_message(p, frame, size, fault);
	/* Nobody waits for the answer to an event. */
	if (fault != FAULT_ZERO && (frame[0] & VIRTIO_MSG_TYPE_RESPONSE || fault) &&
	    !(frame[0] & VIRTIO_MSG_TYPE_BUS && !frame[1]))
		partition_out(p, frame, size);
	partition_send(p);
	partitions_run();
	firmware_ok(x);
}

bool firmware_deliver(u16 sender, const u8 *frame, unsigned int size)
{
	struct partition *p = partition_find(sender);
	u8 *message = rx ? plat_ram(rx, buffer_size) : NULL;

	if (!message || rx_busy || !p)
		return false;
	if (!frame)
		return true;
	memset(message, 0, HEAD_LEN);
	put32(message + HEAD_OFFSET, HEAD_LEN);
	put32(message + HEAD_IDS, (u32)sender << 16 | OWN_ID);
	put32(message + HEAD_SIZE, size);
	memcpy(message + HEAD_UUID, p->uuid, sizeof(p->uuid));
	memcpy(message + HEAD_LEN, frame, size);
	rx_busy = true;
	notify_rx_full();
	return true;
}

static void release_buffer(u64 *x)
{
	unsigned int n;

	if (!rx_busy) {
		violation("FFA_RX_RELEASE of a buffer that is free");
		firmware_error(x, FFA_DENIED);
		return;
	}
	rx_busy = false;
	firmware_ok(x);
	for (n = 0; n < NUM_PARTITIONS; n++) {
		if (partitions[n].present && partitions[n].ours)
			partition_send(&partitions[n]);
	}
}

bool firmware_call(u64 *x)
{
	u32 call = x[0];
	u64 a1 = x[1], a2 = x[2], a3 = x[3];
	const void *from = tx ? plat_ram(tx, buffer_size) : NULL;

	if ((call & ~0x40000000u) < FFA_ERROR || (call & ~0x40000000u) > FFA_LAST)
		return false;
	calls[call & 0xff]++;
	switch (call) {
	case FFA_VERSION:
		x[0] = knobs.ffa;
		break;
	case FFA_ID_GET:
		firmware_ok(x);
		x[2] = OWN_ID;
		break;
	case FFA_FEATURES:
		features(x);
		break;
	case FFA_RXTX_MAP:
		map_buffers(x);
		break;
	case FFA_RXTX_UNMAP:
		unmap_buffers(x);
		break;
	case FFA_RX_RELEASE:
		release_buffer(x);
		break;
	case FFA_RUN:
		continue_late(x);
		break;
	case FFA_PARTITION_INFO_GET_REGS:
		partition_info(x);
		break;
	case FFA_NOTIFICATION_CREATE:
	case FFA_NOTIFICATION_DESTROY:
		firmware_ok(x);
		break;
	case FFA_NOTIFICATION_BIND:
		notify_bind(x);
		break;
	case FFA_NOTIFICATION_UNBIND:
		notify_unbind(x);
		break;
	case FFA_NOTIFICATION_GET:
		notify_get(x);
		break;
	case FFA_NOTIFICATION_INFO_GET:
		notify_info_get(x);
		break;
	case FFA_MEM_SHARE:
		memory_share(x, from, buffer_size);
		break;
	case FFA_MEM_FRAG_TX:
		memory_fragment(x, from, buffer_size);
		break;
	case FFA_MEM_RECLAIM:
		memory_reclaim(x);
		break;
	case FFA_MSG_SEND_DIRECT_REQ2:
		request2(x);
		break;
	case FFA_MSG_SEND2:
		send2(x);
		break;
	default:
		violation("call %x(%llx, %llx, %llx)", call, a1, a2, a3);
		firmware_error(x, FFA_NOT_SUPPORTED);
	}
	log_line(LOG_CALLS, "call %x(%llx, %llx, %llx) = %llx %llx %llx %llx",
		 call, a1, a2, a3, x[0], x[1], x[2], x[3]);
	return true;
}

void secure_verdict(void)
{
	log_line(LOG_VERDICT, "count direct %u", calls[FFA_MSG_SEND_DIRECT_REQ2 & 0xff]);
	log_line(LOG_VERDICT, "count indirect %u", calls[FFA_MSG_SEND2 & 0xff]);
	log_line(LOG_VERDICT, "count shared %u", calls[FFA_MEM_SHARE & 0xff]);
	log_line(LOG_VERDICT, "count fragments %u", calls[FFA_MEM_FRAG_TX & 0xff]);
	log_line(LOG_VERDICT, "count notified %u", calls[FFA_NOTIFICATION_GET & 0xff]);
	log_line(LOG_VERDICT,
		 "verdict: violations %u; left: shares %u, areas %u, notifications %u; unseen: faults %u",
		 log_violations(), memory_left(), partitions_areas_left(),
		 notify_left(), fault_unseen());
}
