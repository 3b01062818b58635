// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg: a keyboard, a mouse or a tablet (virtio-input).
 *
 * What is pressed and moved comes by the command "event"; all events of one
 * command get to the driver, and a SYN_REPORT after them, or none does. They
 * wait here as long as the driver has no buffers for them.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <linux/input.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_input.h>

#include "models.h"

#define VMSG_INPUT_EVENTS	0
#define VMSG_INPUT_STATUS	1
#define VMSG_INPUT_QUEUE_SIZE	64u
/* Events that wait for buffers; a power of two. */
#define VMSG_INPUT_WAITING	256u
#define VMSG_INPUT_ABS_MAX	32767
#define VMSG_INPUT_TEXT		128u

/* Bits @first to @last of one of the lists of bits of a device. */
struct vmsg_input_bits {
	uint8_t select;
	uint8_t subsel;
	uint16_t first;
	uint16_t last;
};

/* A device may have several entries for a list, and ends with select 0. */
struct vmsg_input_kind {
	const char *name;
	uint16_t product;
	struct vmsg_input_bits bits[8];
};

#define PROP	VIRTIO_INPUT_CFG_PROP_BITS
#define EV	VIRTIO_INPUT_CFG_EV_BITS

static const struct vmsg_input_kind vmsg_input_kinds[] = {
	{ "keyboard", 1, {
		{ EV, EV_KEY, KEY_ESC, KEY_MICMUTE },
		{ EV, EV_LED, LED_NUML, LED_SCROLLL },
		{ EV, EV_REP, REP_DELAY, REP_PERIOD },
	} },
	{ "mouse", 2, {
		{ PROP, 0, INPUT_PROP_POINTER, INPUT_PROP_POINTER },
		{ EV, EV_KEY, BTN_LEFT, BTN_TASK },
		{ EV, EV_REL, REL_X, REL_Y },
		{ EV, EV_REL, REL_HWHEEL, REL_HWHEEL },
		{ EV, EV_REL, REL_WHEEL, REL_WHEEL },
	} },
	{ "tablet", 3, {
		{ PROP, 0, INPUT_PROP_DIRECT, INPUT_PROP_DIRECT },
		{ EV, EV_KEY, BTN_LEFT, BTN_MIDDLE },
		{ EV, EV_KEY, BTN_TOUCH, BTN_TOUCH },
		{ EV, EV_ABS, ABS_X, ABS_Y },
	} },
	{ NULL }
};

struct vmsg_input_params {
	const struct vmsg_input_kind *kind;
	const char *name;
	const char *serial;
	uint16_t queue_size;
};

struct vmsg_input {
	struct vmsg_device *dev;
	const struct vmsg_input_kind *kind;
	char name[VMSG_INPUT_TEXT];
	char serial[VMSG_INPUT_TEXT];
	uint8_t select;
	uint8_t subsel;
	uint32_t leds;
	/* Count on for ever; the place is what remains modulo the size. */
	uint32_t first;
	uint32_t end;
	struct virtio_input_event waiting[VMSG_INPUT_WAITING];
};

/* Returns the bytes of a list; 0 = there is none. */
static uint8_t vmsg_input_list(const struct vmsg_input *input, uint8_t select,
			       uint8_t subsel, uint8_t bitmap[128])
{
	const struct vmsg_input_bits *bits;
	uint8_t size = 0;
	unsigned int i;

	for (bits = input->kind->bits; bits->select; bits++) {
		if (bits->select != select || bits->subsel != subsel)
			continue;
		for (i = bits->first; i <= bits->last; i++)
			bitmap[i / 8] |= 1 << i % 8;
		if (size < bits->last / 8 + 1)
			size = bits->last / 8 + 1;
	}
	return size;
}

static bool vmsg_input_can(const struct vmsg_input *input, uint16_t type,
			   uint16_t code)
{
	const struct vmsg_input_bits *bits;

	for (bits = input->kind->bits; bits->select; bits++) {
		if (bits->select == EV && bits->subsel == type &&
		    code >= bits->first && code <= bits->last)
			return true;
	}
	return false;
}

static void vmsg_input_config(const struct vmsg_input *input,
			      struct virtio_input_config *config)
{
	memset(config, 0, sizeof(*config));
	config->select = input->select;
	config->subsel = input->subsel;
	switch (input->select) {
	case PROP:
	case EV:
		config->size = vmsg_input_list(input, input->select,
					       input->subsel, config->u.bitmap);
		return;
	case VIRTIO_INPUT_CFG_ABS_INFO:
		if (!vmsg_input_can(input, EV_ABS, input->subsel))
			return;
		config->size = sizeof(config->u.abs);
		config->u.abs.max = htole32(VMSG_INPUT_ABS_MAX);
		return;
	}
	/* For all others there is nothing to choose. */
	if (input->subsel)
		return;
	switch (input->select) {
	case VIRTIO_INPUT_CFG_ID_NAME:
		config->size = strlen(input->name);
		memcpy(config->u.string, input->name, config->size);
		return;
	case VIRTIO_INPUT_CFG_ID_SERIAL:
		config->size = strlen(input->serial);
		memcpy(config->u.string, input->serial, config->size);
		return;
	case VIRTIO_INPUT_CFG_ID_DEVIDS:
		config->size = sizeof(config->u.ids);
		config->u.ids.bustype = htole16(BUS_VIRTUAL);
		config->u.ids.product = htole16(input->kind->product);
		config->u.ids.version = htole16(1);
		return;
	}
}

static void vmsg_input_config_read(struct vmsg_device *dev, uint32_t offset,
				   void *buf, uint32_t len)
{
	struct virtio_input_config config;

	vmsg_input_config(vmsg_device_priv(dev), &config);
	memcpy(buf, (char *)&config + offset, len);
}

/* Only select and subsel, one of them or both, can be written. */
static int vmsg_input_config_write(struct vmsg_device *dev, uint32_t offset,
				   const void *buf, uint32_t len)
{
	struct vmsg_input *input = vmsg_device_priv(dev);
	const uint8_t *bytes = buf;
	uint32_t i;

	if (offset + len > 2)
		return -EROFS;
	for (i = 0; i < len; i++) {
		if (offset + i)
			input->subsel = bytes[i];
		else
			input->select = bytes[i];
	}
	return 0;
}

static void vmsg_input_send(struct vmsg_input *input, struct vmsg_vq *vq)
{
	const struct virtio_input_event *event;
	struct vmsg_elem *elem;

	while (input->first != input->end) {
		elem = vmsg_vq_pop(vq);
		if (!elem)
			return;
		event = &input->waiting[input->first % VMSG_INPUT_WAITING];
		if (elem->in_len < sizeof(*event)) {
			vmsg_vq_broken(vq, "a buffer of %zu bytes for an event of %zu",
				       elem->in_len, sizeof(*event));
			return;
		}
		vmsg_iov_write(elem->in, elem->in_num, event, sizeof(*event));
		vmsg_vq_push(vq, elem, sizeof(*event));
		input->first++;
	}
}

/* The driver switches lights on and off; whatever else it says has no effect. */
static void vmsg_input_status(struct vmsg_input *input, struct vmsg_vq *vq)
{
	struct virtio_input_event event;
	struct vmsg_elem *elem;
	uint16_t code;

	while ((elem = vmsg_vq_pop(vq))) {
		if (vmsg_iov_read(elem->out, elem->out_num, &event,
				  sizeof(event)) < sizeof(event)) {
			vmsg_vq_broken(vq, "%zu bytes of an event", elem->out_len);
			return;
		}
		code = le16toh(event.code);
		if (le16toh(event.type) == EV_LED &&
		    vmsg_input_can(input, EV_LED, code)) {
			input->leds &= ~(1u << code);
			if (event.value)
				input->leds |= 1u << code;
		}
		vmsg_vq_push(vq, elem, 0);
	}
}

static void vmsg_input_queue(struct vmsg_device *dev, struct vmsg_vq *vq)
{
	if (vmsg_vq_index(vq) == VMSG_INPUT_EVENTS)
		vmsg_input_send(vmsg_device_priv(dev), vq);
	else
		vmsg_input_status(vmsg_device_priv(dev), vq);
}

static int vmsg_input_reset(struct vmsg_device *dev)
{
	struct vmsg_input *input = vmsg_device_priv(dev);

	input->select = 0;
	input->subsel = 0;
	input->leds = 0;
	input->first = input->end;
	return 0;
}

static void vmsg_input_release(struct vmsg_device *dev)
{
	free(vmsg_device_priv(dev));
}

static const struct vmsg_device_ops vmsg_input_ops = {
	.queue = vmsg_input_queue,
	.config_read = vmsg_input_config_read,
	.config_write = vmsg_input_config_write,
	.reset = vmsg_input_reset,
	.release = vmsg_input_release,
};

static int vmsg_input_text(const char **text, const char *value)
{
	*text = value;
	return strlen(value) < VMSG_INPUT_TEXT ? 0 : -ERANGE;
}

static int vmsg_input_set(void *params, const char *key, const char *value)
{
	struct vmsg_input_params *input = params;

	if (!strcmp(key, "kind")) {
		for (input->kind = vmsg_input_kinds; input->kind->name;
		     input->kind++) {
			if (!strcmp(input->kind->name, value))
				return 0;
		}
		return -EINVAL;
	}
	if (!strcmp(key, "name"))
		return vmsg_input_text(&input->name, value);
	if (!strcmp(key, "serial"))
		return vmsg_input_text(&input->serial, value);
	if (!strcmp(key, "queue-size"))
		return vmsg_kit_queue_size(value, &input->queue_size);
	return -ENOENT;
}

static struct vmsg_device *vmsg_input_add(struct vmsg_bus *bus, uint32_t num,
					  const uint8_t uuid[16], void *params)
{
	const struct vmsg_input_params *ask = params;
	uint16_t size = ask->queue_size ? ask->queue_size :
					  VMSG_INPUT_QUEUE_SIZE;
	const uint16_t sizes[] = { size, size };
	struct vmsg_device_desc desc = {
		.name = "input",
		.ops = &vmsg_input_ops,
		.device_id = VIRTIO_ID_INPUT,
		.config_size = sizeof(struct virtio_input_config),
		.num_queues = 2,
		.queue_sizes = sizes,
	};
	struct vmsg_input *input = calloc(1, sizeof(*input));

	if (!input)
		return NULL;
	input->kind = ask->kind ? ask->kind : vmsg_input_kinds;
	snprintf(input->name, sizeof(input->name), "%s",
		 ask->name ? ask->name : input->kind->name);
	if (ask->serial)
		snprintf(input->serial, sizeof(input->serial), "%s",
			 ask->serial);
	desc.priv = input;
	input->dev = vmsg_kit_add(bus, num, uuid, &desc);
	if (input->dev)
		return input->dev;
	free(input);
	return NULL;
}

/* Reads "TYPE CODE VALUE"; -ENODATA when there is none. */
static int vmsg_input_event(const struct vmsg_input *input, char **state,
			    char *args, struct virtio_input_event *event)
{
	char *type = strtok_r(args, " \t", state);
	char *code = strtok_r(NULL, " \t", state);
	char *value = strtok_r(NULL, " \t", state);
	uint32_t type_num, code_num, number;
	bool minus;

	if (!type)
		return -ENODATA;
	if (!code || !value)
		return -EINVAL;
	minus = *value == '-';
	if (vmsg_number_u32(type, EV_MAX, &type_num) ||
	    vmsg_number_u32(code, KEY_MAX, &code_num) ||
	    vmsg_number_u32(value + minus, INT32_MAX, &number))
		return -EINVAL;
	if (!vmsg_input_can(input, type_num, code_num))
		return -EINVAL;
	event->type = htole16(type_num);
	event->code = htole16(code_num);
	event->value = htole32(minus ? -number : number);
	return 0;
}

/* event TYPE CODE VALUE [TYPE CODE VALUE]... */
static int vmsg_input_events(struct vmsg_input *input, char *args)
{
	struct vmsg_vq *vq = vmsg_device_vq(input->dev, VMSG_INPUT_EVENTS);
	uint32_t room = VMSG_INPUT_WAITING - (input->end - input->first);
	struct virtio_input_event event = { 0 };
	uint32_t num = 0;
	char *state;
	int ret;

	if (!(vmsg_device_status(input->dev) & VIRTIO_CONFIG_S_DRIVER_OK))
		return -ENOTCONN;
	while (!(ret = vmsg_input_event(input, &state, num ? NULL : args,
					&event))) {
		if (num + 1 >= room)
			return -ENOBUFS;
		input->waiting[(input->end + num++) % VMSG_INPUT_WAITING] =
			event;
	}
	if (ret != -ENODATA || !num)
		return -EINVAL;
	memset(&event, 0, sizeof(event));
	input->waiting[(input->end + num++) % VMSG_INPUT_WAITING] = event;
	input->end += num;
	vmsg_input_send(input, vq);
	vmsg_vq_notify(vq);
	return 0;
}

static int vmsg_input_command(struct vmsg_device *dev, const char *word,
			      char *args)
{
	struct vmsg_input *input = vmsg_device_priv(dev);

	if (!strcmp(word, "event"))
		return vmsg_input_events(input, args);
	if (strcmp(word, "leds"))
		return -ENOENT;
	if (*args)
		return -EINVAL;
	vmsg_kit_say("leds %u: 0x%x", vmsg_device_num(dev), input->leds);
	return 0;
}

const struct vmsg_model vmsg_input_model = {
	.name = "input",
	.help =
"  --input [KEY=VALUE[,KEY=VALUE]...] keyboard, mouse or tablet\n"
"      kind=KIND        keyboard, mouse or tablet (keyboard)\n"
"      name=TEXT        its name (that of its kind)\n"
"      serial=TEXT      its serial number (none)\n"
"      queue-size=N     descriptors of each queue (64)\n",
	.ops = &vmsg_input_ops,
	.params_size = sizeof(struct vmsg_input_params),
	.set = vmsg_input_set,
	.add = vmsg_input_add,
	.command = vmsg_input_command,
};
