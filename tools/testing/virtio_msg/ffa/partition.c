// SPDX-License-Identifier: GPL-2.0
/*
 * The secure side of the FF-A tests: partitions. One of them is a virtio-msg
 * device side: it answers bus messages, keeps areas, and has events for the
 * driver side, which are marks at the devices and a few frames in a row.
 */
#include <string.h>
#include <linux/virtio_config.h>

#include "secure.h"

#define PRIVATE_RESULT(size)	((size) - 2)

struct partition partitions[NUM_PARTITIONS];

static struct device usual[MAX_DEVICES];
static struct device twins[2];

/* c66028b5-2498-4aa1-9de7-77da6122abf0: a device side */
static const u64 service[2] = { 0xa14a9824b52860c6ull, 0xf0ab2261da77e79dull };
/* Nobody's: what is not ours, and what answers with what it got */
static const u64 foreign[2] = { 0x4d1f0b2c77665501ull, 0x8a7be60911223344ull };
static const u64 echo[2] = { 0x4d1f0b2c77665502ull, 0x8a7be60911223344ull };

static void add_device(struct partition *p, u16 num, const struct model *model)
{
	device_init(&p->devices[p->num_devices++], num, model);
}

static struct partition *add_partition(unsigned int n, const u64 *uuid)
{
	struct partition *p = &partitions[n];

	p->present = true;
	p->id = 0x8001 + n;
	p->uuid[0] = uuid[0];
	p->uuid[1] = uuid[1];
	p->ours = uuid == service;
	p->echo = uuid == echo;
	return p;
}

void partitions_reset(void)
{
	struct partition *p;
	unsigned int n;

	memset(partitions, 0, sizeof(partitions));
	console_reset();
	p = add_partition(0, service);
	p->devices = usual;
	if (!knobs.bare) {
		add_device(p, 2, &blk_model);
		blk_init(&usual[0], 8192);
		add_device(p, 5, &rng_model);
		add_device(p, 9, &console_model);
	}
	for (n = 0; n < knobs.many && p->num_devices < MAX_DEVICES - 10; n++)
		add_device(p, 100 + 97 * n, &idle_model);
	if (knobs.twin) {
		p = add_partition(1, service);
		p->devices = twins;
		add_device(p, 0, &rng_model);
		add_device(p, 1, &blk_model);
		blk_init(&twins[1], 2048);
	}
	if (knobs.foreign)
		add_partition(2, foreign);
	if (knobs.echo)
		add_partition(3, echo);
}

struct partition *partition_find(u16 id)
{
	unsigned int n;

	for (n = 0; n < NUM_PARTITIONS; n++) {
		if (partitions[n].present && partitions[n].id == id)
			return &partitions[n];
	}
	return NULL;
}

unsigned int partitions_areas_left(void)
{
	unsigned int i, n, left = 0;

	for (i = 0; i < NUM_PARTITIONS; i++) {
		for (n = 0; n < MAX_AREAS; n++)
			left += !!partitions[i].areas[n].share;
	}
	return left;
}

static struct device *find_device(struct partition *p, u16 num)
{
	unsigned int n;

	for (n = 0; n < p->num_devices; n++) {
		if (p->devices[n].num == num)
			return &p->devices[n];
	}
	return NULL;
}

/*
 * Events
 */

void partition_tell(struct partition *p)
{
	if (p->method == VIRTIO_MSG_FFA_EVENTS_NOTIF)
		notify_raise(p->id, p->notif);
	else if (p->method == VIRTIO_MSG_FFA_EVENTS_INDIRECT)
		partition_send(p);
}

void partition_out(struct partition *p, const u8 *frame, unsigned int size)
{
	u8 *slot = p->out[(p->out_first + p->out_num) % MAX_OUT];

	if (p->out_num == MAX_OUT) {
		violation("%u frames that nobody fetches", p->out_num);
		return;
	}
	memset(slot, 0, VIRTIO_MSG_FFA_DIRECT_SIZE);
	memcpy(slot, frame, size);
	p->out_num++;
}

static void out_message(struct partition *p, const struct vmsg_msg *msg)
{
	u8 frame[VIRTIO_MSG_FFA_DIRECT_SIZE];
	int size = vmsg_wire_encode(VMSG_DIALECT_1, msg, frame, sizeof(frame));

	if (size > 0)
		partition_out(p, frame, size);
}

static bool device_event(struct device *dev, struct vmsg_msg *msg)
{
	u32 n;

	msg->dev_num = dev->num;
	if (dev->config_changed) {
		dev->config_changed = false;
		msg->id = VIRTIO_MSG_EVENT_CONFIG;
		msg->event_config.status = dev->status;
		msg->event_config.generation = dev->generation;
		return true;
	}
	for (n = 0; n < MAX_QUEUES; n++) {
		if (dev->used & 1u << n) {
			dev->used &= ~(1u << n);
			msg->id = VIRTIO_MSG_EVENT_USED;
			msg->vqueue.index = n;
			return true;
		}
	}
	return false;
}

/* Bytes of the next event, 0 for none */
static unsigned int next_event(struct partition *p, u8 *frame)
{
	struct vmsg_msg msg = {};
	unsigned int n;
	int size;

	memset(frame, 0, VIRTIO_MSG_FFA_DIRECT_SIZE);
	if (p->out_num) {
		memcpy(frame, p->out[p->out_first], VIRTIO_MSG_FFA_DIRECT_SIZE);
		p->out_first = (p->out_first + 1) % MAX_OUT;
		p->out_num--;
		return get16(frame + 6) < VIRTIO_MSG_FFA_DIRECT_SIZE ?
		       get16(frame + 6) : VIRTIO_MSG_FFA_DIRECT_SIZE;
	}
	for (n = 0; n < p->num_devices; n++) {
		if (!p->devices[n].present || !device_event(&p->devices[n], &msg))
			continue;
		size = vmsg_wire_encode(VMSG_DIALECT_1, &msg, frame,
					VIRTIO_MSG_FFA_MAX_SIZE);
		return size > 0 ? size : 0;
	}
	return 0;
}

static bool has_events(const struct partition *p)
{
	unsigned int n;

	for (n = 0; n < p->num_devices; n++) {
		if (p->devices[n].present &&
		    (p->devices[n].used || p->devices[n].config_changed))
			return true;
	}
	return false;
}

/* With indirect messages answers go before events. */
void partition_send(struct partition *p)
{
	u8 frame[VIRTIO_MSG_FFA_DIRECT_SIZE];

	/* Nobody may take what cannot be sent. */
	if (!firmware_deliver(p->id, NULL, 0))
		return;
	if (!p->out_num && (p->method != VIRTIO_MSG_FFA_EVENTS_INDIRECT ||
			    !has_events(p)))
		return;
	firmware_deliver(p->id, frame, next_event(p, frame));
}

bool partitions_work(void)
{
	unsigned int i, n;

	for (i = 0; i < NUM_PARTITIONS; i++) {
		for (n = 0; n < partitions[i].num_devices; n++) {
			if (partitions[i].devices[n].present &&
			    device_work(&partitions[i], &partitions[i].devices[n]))
				return true;
		}
	}
	return false;
}

void partitions_run(void)
{
	if (knobs.core) {
		plat_wake_devices();
		return;
	}
	while (partitions_work())
		;
}

/*
 * Devices that come, go and change
 */

static void announce(struct partition *p, u16 num, u16 state)
{
	struct vmsg_msg msg = {
		.type = VIRTIO_MSG_TYPE_BUS,
		.id = VIRTIO_MSG_BUS_EVENT_DEVICE,
		.event_device.dev_num = num,
		.event_device.state = state,
	};

	out_message(p, &msg);
	partition_tell(p);
}

static bool add_at_runtime(struct partition *p, u16 num)
{
	struct device *dev = find_device(p, num);

	if (dev && !dev->present)
		device_init(dev, num, dev->model);
	else if (!dev && p->num_devices < MAX_DEVICES && p->devices == usual)
		add_device(p, num, &rng_model);
	else
		return false;
	announce(p, num, VIRTIO_MSG_DEVICE_ADDED);
	return true;
}

static bool remove_at_runtime(struct partition *p, u16 num)
{
	struct device *dev = find_device(p, num);

	if (!dev || !dev->present)
		return false;
	dev->present = false;
	dev->was = true;
	announce(p, num, VIRTIO_MSG_DEVICE_REMOVED);
	return true;
}

static bool resize(struct partition *p, u32 sectors)
{
	struct device *dev = &p->devices[0];

	if (!dev->present || dev->model != &blk_model)
		return false;
	blk_init(dev, sectors);
	dev->generation++;
	dev->config_changed = true;
	partition_tell(p);
	return true;
}

bool partition_command(struct partition *p, const char *text)
{
	unsigned int n;

	if (parse_word(&text, "add "))
		return parse_number(&text, &n) && add_at_runtime(p, n);
	if (parse_word(&text, "remove "))
		return parse_number(&text, &n) && remove_at_runtime(p, n);
	if (parse_word(&text, "resize "))
		return parse_number(&text, &n) && resize(p, n);
	if (parse_word(&text, "fault ")) {
		fault_parse(text);
		return true;
	}
	if (parse_word(&text, "say ")) {
		console_say(text);
		return true;
	}
	if (parse_word(&text, "heard "))
		return console_heard(text);
	if (parse_word(&text, "log "))
		return parse_number(&text, &knobs.log);
	return false;
}

/*
 * Messages of the bus
 */

static unsigned int answer(u8 *frame, unsigned int payload)
{
	frame[0] |= VIRTIO_MSG_TYPE_RESPONSE;
	put16(frame + 6, VMSG_HDR_SIZE + payload);
	memset(frame + VMSG_HDR_SIZE + payload, 0,
	       VIRTIO_MSG_FFA_DIRECT_SIZE - VMSG_HDR_SIZE - payload);
	return VMSG_HDR_SIZE + payload;
}

static unsigned int refuse(u8 *frame)
{
	u8 id = frame[1];

	frame[0] = VIRTIO_MSG_TYPE_BUS;
	frame[1] = VIRTIO_MSG_FFA_ERROR;
	put16(frame + VMSG_HDR_SIZE, id);
	return answer(frame, sizeof(struct virtio_msg_ffa_error));
}

static unsigned int result(u8 *frame, unsigned int payload, u16 value)
{
	put16(frame + VMSG_HDR_SIZE + PRIVATE_RESULT(payload), value);
	return answer(frame, payload);
}

static u32 bus_features(void)
{
	u32 features = 0;

	if (knobs.direct)
		features |= VIRTIO_MSG_FFA_F_DIRECT_RX;
	if (knobs.indirect)
		features |= VIRTIO_MSG_FFA_F_INDIRECT_RX |
			    VIRTIO_MSG_FFA_F_INDIRECT_TX;
	if (knobs.events != EVENTS_POLL)
		features |= VIRTIO_MSG_FFA_F_NOTIF_TX;
	return features;
}

static unsigned int version(struct partition *p, u8 *frame, unsigned int payload)
{
	u8 *at = frame + VMSG_HDR_SIZE;

	if (knobs.version == VERSION_ZERO) {
		memset(frame, 0, VIRTIO_MSG_FFA_DIRECT_SIZE);
		return VIRTIO_MSG_FFA_DIRECT_SIZE;
	}
	if (knobs.version == VERSION_STRICT &&
	    payload != sizeof(struct virtio_msg_ffa_version))
		return refuse(frame);
	if (knobs.version == VERSION_LONG &&
	    payload != sizeof(struct virtio_msg_ffa_version_long))
		return refuse(frame);
	put32(at, knobs.version == VERSION_OTHER ? 0x00070000 :
	      VIRTIO_MSG_FFA_VERSION_1_0);
	put32(at + 4, VIRTIO_MSG_REVISION_1);
	at += 8;
	if (knobs.version == VERSION_LONG) {
		put32(at, knobs.ffa);
		at += 4;
	}
	put32(at, 0);
	put32(at + 4, bus_features());
	put16(at + 8, knobs.areas);
	return answer(frame, at + 10 - frame - VMSG_HDR_SIZE);
}

static u16 share(struct partition *p, const u8 *payload)
{
	u16 num = get16(payload);
	struct share *memory = memory_find(get64(payload + 2));
	unsigned int n;

	if (!num || area_find(p, num)) {
		violation("area %u, which there is already", num);
		return VIRTIO_MSG_FFA_FAILED;
	}
	if (!memory || memory->receiver != p->id ||
	    memory->pages != get32(payload + 18)) {
		violation("area of handle %llx, %u pages", get64(payload + 2),
			  get32(payload + 18));
		return VIRTIO_MSG_FFA_FAILED;
	}
	if ((get32(payload + 22) & 0x7ff) !=
	    (VIRTIO_MSG_FFA_ATTR_WRITE | VIRTIO_MSG_FFA_ATTR_INNER |
	     VIRTIO_MSG_FFA_ATTR_WB | VIRTIO_MSG_FFA_ATTR_NORMAL |
	     VIRTIO_MSG_FFA_ATTR_NS))
		violation("area with attributes %x", get32(payload + 22));
	for (n = 0; n < MAX_AREAS && n < knobs.areas; n++) {
		if (p->areas[n].share)
			continue;
		p->areas[n].num = num;
		p->areas[n].asked = false;
		p->areas[n].share = memory;
		return VIRTIO_MSG_FFA_OK;
	}
	return VIRTIO_MSG_FFA_FAILED;
}

static u16 unshare(struct partition *p, u16 num, u16 forced)
{
	struct area *area = area_find(p, num);
	u8 event[10] = {};

	if (!area) {
		/* Who does not know whether he has been refused may ask. */
		if (num != p->offered)
			violation("end of area %u, which there is not", num);
		return VIRTIO_MSG_FFA_FAILED;
	}
	area->asked = true;
	if (forced == VIRTIO_MSG_FFA_OK) {
		area->share = NULL;
	} else if (forced == VIRTIO_MSG_FFA_BUSY) {
		event[0] = VIRTIO_MSG_TYPE_BUS;
		event[1] = VIRTIO_MSG_FFA_AREA_RELEASE;
		put16(event + 6, sizeof(event));
		put16(event + 8, num);
		partition_out(p, event, sizeof(event));
		partition_tell(p);
	}
	return forced;
}

void partition_unheard(struct partition *p, const u8 *frame)
{
	struct area *area = area_find(p, get16(frame + VMSG_HDR_SIZE));

	if ((frame[0] & VIRTIO_MSG_TYPE_BUS) &&
	    frame[1] == VIRTIO_MSG_FFA_AREA_UNSHARE && area)
		area->asked = true;
}

/* Everything is as it was when the machine came up. */
static void forget(struct partition *p)
{
	unsigned int n;

	for (n = 0; n < p->num_devices; n++)
		device_reset(&p->devices[n]);
	p->out_num = 0;
	p->method = VIRTIO_MSG_FFA_EVENTS_POLL;
	for (n = 0; n < MAX_AREAS && knobs.forget; n++)
		p->areas[n].share = NULL;
}

static u16 configure(struct partition *p, const u8 *payload)
{
	unsigned int method = payload[0];

	if (payload[1] || method > VIRTIO_MSG_FFA_EVENTS_INDIRECT ||
	    (method != VIRTIO_MSG_FFA_EVENTS_NOTIF && get16(payload + 2))) {
		violation("events by method %u", method);
		return VIRTIO_MSG_FFA_FAILED;
	}
	if (method == VIRTIO_MSG_FFA_EVENTS_NOTIF &&
	    !(bus_features() & VIRTIO_MSG_FFA_F_NOTIF_TX))
		return VIRTIO_MSG_FFA_FAILED;
	p->method = method;
	p->notif = get16(payload + 2);
	if (p->out_num || has_events(p))
		partition_tell(p);
	return VIRTIO_MSG_FFA_OK;
}

static unsigned int poll(struct partition *p, u8 *frame)
{
	unsigned int size;
	u8 event[VIRTIO_MSG_FFA_DIRECT_SIZE];

	size = next_event(p, event);
	if (!size)
		return answer(frame, 0);
	memcpy(frame, event, sizeof(event));
	return size;
}

/* Bytes of the payloads of requests, at least */
static unsigned int private_size(u8 id)
{
	switch (id) {
	case VIRTIO_MSG_FFA_VERSION:
		return sizeof(struct virtio_msg_ffa_version);
	case VIRTIO_MSG_FFA_AREA_SHARE:
		return sizeof(struct virtio_msg_ffa_area_share);
	case VIRTIO_MSG_FFA_AREA_UNSHARE:
		return sizeof(struct virtio_msg_ffa_area);
	case VIRTIO_MSG_FFA_EVENT_CONFIGURE:
		return sizeof(struct virtio_msg_ffa_event_configure);
	default:
		return 0;
	}
}

static unsigned int private_message(struct partition *p, u8 *frame,
				    unsigned int size, u16 forced)
{
	unsigned int payload = size - VMSG_HDR_SIZE;
	u8 *at = frame + VMSG_HDR_SIZE;

	if (payload < private_size(frame[1])) {
		violation("message %x of %u bytes", frame[1], size);
		return refuse(frame);
	}
	switch (frame[1]) {
	case VIRTIO_MSG_FFA_VERSION:
		return version(p, frame, payload);
	case VIRTIO_MSG_FFA_AREA_SHARE:
		p->offered = get16(at);
		if (!forced)
			forced = share(p, at);
		return result(frame, 4, forced);
	case VIRTIO_MSG_FFA_AREA_UNSHARE:
		return result(frame, 4, unshare(p, get16(at), forced));
	case VIRTIO_MSG_FFA_RESET:
		if (!forced)
			forget(p);
		return result(frame, 2, forced);
	case VIRTIO_MSG_FFA_EVENT_POLL:
		return poll(p, frame);
	case VIRTIO_MSG_FFA_EVENT_CONFIGURE:
		if (!knobs.configure)
			return refuse(frame);
		if (!forced)
			forced = configure(p, at);
		return result(frame, 2, forced);
	default:
		violation("bus message %x", frame[1]);
		return refuse(frame);
	}
}

static void get_devices(struct partition *p, struct vmsg_msg *msg, u8 *data)
{
	u32 first = msg->devices.offset, count = msg->devices.count, n;
	u32 end, next = 0;

	if (!count)
		violation("GET_DEVICES of no devices");
	if (count > 8 * 64)
		count = 8 * 64;
	end = first + count;
	memset(data, 0, (count + 7) / 8);
	for (n = 0; n < p->num_devices; n++) {
		u32 num = p->devices[n].num;

		if (!p->devices[n].present || num < first)
			continue;
		if (num < end)
			data[(num - first) / 8] |= 1 << (num - first) % 8;
		else
			next = end;
	}
	msg->devices.next_offset = next;
	msg->devices.count = count;
	msg->data = data;
	msg->data_len = (count + 7) / 8;
}

static bool bus_message(struct partition *p, struct vmsg_msg *msg, u8 *data)
{
	switch (msg->id) {
	case VIRTIO_MSG_BUS_GET_DEVICES:
		get_devices(p, msg, data);
		return true;
	case VIRTIO_MSG_BUS_PING:
		return true;
	default:
		return false;
	}
}

/* Devices that are not there any more may still be talked to for a while. */
static bool transport_message(struct partition *p, struct vmsg_msg *msg, u8 *data)
{
	struct device *dev = find_device(p, msg->dev_num);

	if (dev && dev->present)
		return device_message(p, dev, msg, data);
	if (msg->id == VIRTIO_MSG_GET_DEVICE_INFO) {
		memset(&msg->info, 0, sizeof(msg->info));
		return true;
	}
	if (!dev || !dev->was)
		violation("message %x to device %u", msg->id, msg->dev_num);
	return false;
}

static unsigned int standard_message(struct partition *p, u8 *frame,
				     unsigned int size)
{
	u8 out[VIRTIO_MSG_FFA_DIRECT_SIZE] = {}, data[64];
	bool kick = frame[1] == VIRTIO_MSG_EVENT_AVAIL;
	struct vmsg_msg msg;
	int len;

	if (vmsg_wire_decode(VMSG_DIALECT_1, frame, size,
			     VIRTIO_MSG_FFA_MAX_SIZE, &msg) < 0) {
		violation("message %x of %u bytes", frame[1], size);
		return refuse(frame);
	}
	if (!(msg.type & VIRTIO_MSG_TYPE_BUS ? bus_message(p, &msg, data) :
	      transport_message(p, &msg, data)) && !kick)
		return refuse(frame);
	if (kick) {
		/* What a direct event is answered with */
		frame[0] = VIRTIO_MSG_TYPE_BUS;
		frame[1] = 0;
		put16(frame + 2, 0);
		return answer(frame, 0);
	}
	msg.type |= VIRTIO_MSG_TYPE_RESPONSE;
	len = vmsg_wire_encode(VMSG_DIALECT_1, &msg, out, VIRTIO_MSG_FFA_MAX_SIZE);
	if (len < 0)
		return refuse(frame);
	memcpy(frame, out, sizeof(out));
	return len;
}

static bool check_frame(const u8 *frame, unsigned int size)
{
	unsigned int said = get16(frame + 6), n;
	bool bus = frame[0] & VIRTIO_MSG_TYPE_BUS;

	for (n = said; n < size; n++) {
		if (frame[n])
			break;
	}
	if (frame[0] & ~VIRTIO_MSG_TYPE_BUS || said < VMSG_HDR_SIZE ||
	    said > size || said > VIRTIO_MSG_FFA_MAX_SIZE || n < size ||
	    (bus && get16(frame + 2))) {
		violation("frame of %u bytes: type %x, message %x, device %u, says %u, noise at %u",
			  size, frame[0], frame[1], get16(frame + 2), said, n);
		return false;
	}
	return true;
}

/* An event that means nothing: buffers may be used, or not. */
static void spurious(struct partition *p, u8 *frame)
{
	struct vmsg_msg msg = {
		.id = VIRTIO_MSG_EVENT_USED,
		.dev_num = p->devices[0].num,
	};

	memset(frame, 0, VIRTIO_MSG_FFA_DIRECT_SIZE);
	vmsg_wire_encode(VMSG_DIALECT_1, &msg, frame, VIRTIO_MSG_FFA_MAX_SIZE);
}

static u16 forced_result(enum fault fault)
{
	if (fault == FAULT_RESULT_BUSY)
		return VIRTIO_MSG_FFA_BUSY;
	return fault == FAULT_RESULT_FAILED ? VIRTIO_MSG_FFA_FAILED :
	       VIRTIO_MSG_FFA_OK;
}

unsigned int partition_message(struct partition *p, u8 *frame,
			       unsigned int size, enum fault fault)
{
	log_line(LOG_MESSAGES, "  > %x %x device %u token %u, %u bytes",
		 frame[0], frame[1], get16(frame + 2), get16(frame + 4),
		 get16(frame + 6));
	if (fault == FAULT_ZERO) {
		memset(frame, 0, VIRTIO_MSG_FFA_DIRECT_SIZE);
		return VIRTIO_MSG_FFA_DIRECT_SIZE;
	}
	if (!check_frame(frame, size))
		size = refuse(frame);
	else if ((frame[0] & VIRTIO_MSG_TYPE_BUS) &&
		 (frame[1] & VIRTIO_MSG_ID_PRIVATE))
		size = private_message(p, frame, get16(frame + 6),
				       forced_result(fault));
	else
		size = standard_message(p, frame, get16(frame + 6));
	if (fault == FAULT_EVENT) {
		partition_out(p, frame, size);
		partition_tell(p);
		spurious(p, frame);
	} else {
		fault_apply(fault, frame);
	}
	log_line(LOG_MESSAGES, "  < %x %x device %u token %u, %u bytes",
		 frame[0], frame[1], get16(frame + 2), get16(frame + 4),
		 get16(frame + 6));
	return size;
}
