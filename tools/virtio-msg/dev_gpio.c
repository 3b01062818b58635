// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg: a bank of GPIO lines (virtio-gpio).
 *
 * What is outside of the lines is played by the command "gpio": it drives
 * inputs and shows outputs. A line with an interrupt has one buffer of the
 * driver, which goes back when the interrupt is there; an edge without a buffer
 * is remembered until there is one.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <linux/virtio_gpio.h>
#include <linux/virtio_ids.h>

#include "models.h"

#define VMSG_GPIO_REQUESTS	0
#define VMSG_GPIO_EVENTS	1
#define VMSG_GPIO_LINES		256u
#define VMSG_GPIO_QUEUE_SIZE	256u
#define VMSG_GPIO_NAMES		4096u

struct vmsg_gpio_line {
	uint8_t direction;
	/* From outside and from the driver. */
	uint8_t input;
	uint8_t output;
	uint8_t irq;
	bool edge;
	struct vmsg_elem *event;
};

struct vmsg_gpio_params {
	uint32_t lines;
	const char *names;
};

struct vmsg_gpio {
	struct vmsg_device *dev;
	struct virtio_gpio_config config;
	uint16_t num_lines;
	struct vmsg_gpio_line lines[VMSG_GPIO_LINES];
	/* Each with a zero behind it. */
	uint32_t names_size;
	char names[VMSG_GPIO_NAMES];
};

static uint8_t vmsg_gpio_level(const struct vmsg_gpio_line *line)
{
	return line->direction == VIRTIO_GPIO_DIRECTION_OUT ? line->output :
							      line->input;
}

static bool vmsg_gpio_pending(const struct vmsg_gpio_line *line)
{
	switch (line->irq) {
	case VIRTIO_GPIO_IRQ_TYPE_NONE:
		return false;
	case VIRTIO_GPIO_IRQ_TYPE_LEVEL_HIGH:
		return vmsg_gpio_level(line);
	case VIRTIO_GPIO_IRQ_TYPE_LEVEL_LOW:
		return !vmsg_gpio_level(line);
	default:
		return line->edge;
	}
}

static void vmsg_gpio_answer(struct vmsg_gpio *gpio, struct vmsg_elem *elem,
			     uint8_t status)
{
	vmsg_iov_write(elem->in, elem->in_num, &status, 1);
	vmsg_vq_push(vmsg_device_vq(gpio->dev, VMSG_GPIO_EVENTS), elem, 1);
}

/* Give the buffer of a line back if there is a reason to. */
static void vmsg_gpio_interrupt(struct vmsg_gpio *gpio,
				struct vmsg_gpio_line *line)
{
	if (!line->event || !vmsg_gpio_pending(line))
		return;
	line->edge = false;
	vmsg_gpio_answer(gpio, line->event, VIRTIO_GPIO_IRQ_STATUS_VALID);
	line->event = NULL;
}

static void vmsg_gpio_drive(struct vmsg_gpio *gpio,
			    struct vmsg_gpio_line *line, uint8_t level)
{
	uint8_t edge = level ? VIRTIO_GPIO_IRQ_TYPE_EDGE_RISING :
			       VIRTIO_GPIO_IRQ_TYPE_EDGE_FALLING;

	if (level != line->input && line->irq & edge)
		line->edge = true;
	line->input = level;
	vmsg_gpio_interrupt(gpio, line);
	vmsg_vq_notify(vmsg_device_vq(gpio->dev, VMSG_GPIO_EVENTS));
}

static uint8_t vmsg_gpio_set_irq(struct vmsg_gpio *gpio,
				 struct vmsg_gpio_line *line, uint32_t type)
{
	struct vmsg_elem *event = line->event;

	switch (type) {
	case VIRTIO_GPIO_IRQ_TYPE_NONE:
		line->event = NULL;
		if (event)
			vmsg_gpio_answer(gpio, event,
					 VIRTIO_GPIO_IRQ_STATUS_INVALID);
		break;
	case VIRTIO_GPIO_IRQ_TYPE_EDGE_RISING:
	case VIRTIO_GPIO_IRQ_TYPE_EDGE_FALLING:
	case VIRTIO_GPIO_IRQ_TYPE_EDGE_BOTH:
	case VIRTIO_GPIO_IRQ_TYPE_LEVEL_HIGH:
	case VIRTIO_GPIO_IRQ_TYPE_LEVEL_LOW:
		if (line->direction == VIRTIO_GPIO_DIRECTION_IN)
			break;
		return VIRTIO_GPIO_STATUS_ERR;
	default:
		return VIRTIO_GPIO_STATUS_ERR;
	}
	line->irq = type;
	line->edge = false;
	vmsg_gpio_interrupt(gpio, line);
	vmsg_vq_notify(vmsg_device_vq(gpio->dev, VMSG_GPIO_EVENTS));
	return VIRTIO_GPIO_STATUS_OK;
}

static uint8_t vmsg_gpio_set_direction(struct vmsg_gpio_line *line,
				       uint32_t direction)
{
	/* An interrupt has to be given up before its line is. */
	if (direction > VIRTIO_GPIO_DIRECTION_IN ||
	    (line->irq && direction != VIRTIO_GPIO_DIRECTION_IN))
		return VIRTIO_GPIO_STATUS_ERR;
	line->direction = direction;
	return VIRTIO_GPIO_STATUS_OK;
}

static uint8_t vmsg_gpio_request(struct vmsg_gpio *gpio,
				 const struct virtio_gpio_request *req,
				 uint8_t *value)
{
	uint16_t num = le16toh(req->gpio);
	uint32_t arg = le32toh(req->value);
	struct vmsg_gpio_line *line;

	if (num >= gpio->num_lines)
		return VIRTIO_GPIO_STATUS_ERR;
	line = &gpio->lines[num];
	switch (le16toh(req->type)) {
	case VIRTIO_GPIO_MSG_GET_DIRECTION:
		*value = line->direction;
		return VIRTIO_GPIO_STATUS_OK;
	case VIRTIO_GPIO_MSG_SET_DIRECTION:
		return vmsg_gpio_set_direction(line, arg);
	case VIRTIO_GPIO_MSG_GET_VALUE:
		*value = vmsg_gpio_level(line);
		return VIRTIO_GPIO_STATUS_OK;
	case VIRTIO_GPIO_MSG_SET_VALUE:
		if (arg > 1)
			return VIRTIO_GPIO_STATUS_ERR;
		line->output = arg;
		return VIRTIO_GPIO_STATUS_OK;
	case VIRTIO_GPIO_MSG_IRQ_TYPE:
		if (!vmsg_device_has_feature(gpio->dev, VIRTIO_GPIO_F_IRQ))
			return VIRTIO_GPIO_STATUS_ERR;
		return vmsg_gpio_set_irq(gpio, line, arg);
	}
	return VIRTIO_GPIO_STATUS_ERR;
}

static void vmsg_gpio_requests(struct vmsg_gpio *gpio, struct vmsg_vq *vq)
{
	struct virtio_gpio_request req;
	struct vmsg_elem *elem;
	uint8_t answer[1 + VMSG_GPIO_NAMES];
	size_t len;

	while ((elem = vmsg_vq_pop(vq))) {
		if (vmsg_iov_read(elem->out, elem->out_num, &req,
				  sizeof(req)) < sizeof(req) ||
		    elem->in_len < sizeof(struct virtio_gpio_response)) {
			vmsg_vq_broken(vq, "a request of %zu bytes with room for %zu",
				       elem->out_len, elem->in_len);
			return;
		}
		len = sizeof(struct virtio_gpio_response);
		answer[1] = 0;
		if (le16toh(req.type) != VIRTIO_GPIO_MSG_GET_NAMES) {
			answer[0] = vmsg_gpio_request(gpio, &req, &answer[1]);
		} else if (gpio->names_size &&
			   elem->in_len > gpio->names_size) {
			answer[0] = VIRTIO_GPIO_STATUS_OK;
			memcpy(answer + 1, gpio->names, gpio->names_size);
			len = 1 + gpio->names_size;
		} else {
			answer[0] = VIRTIO_GPIO_STATUS_ERR;
		}
		vmsg_iov_write(elem->in, elem->in_num, answer, len);
		vmsg_vq_push(vq, elem, len);
	}
}

static void vmsg_gpio_events(struct vmsg_gpio *gpio, struct vmsg_vq *vq)
{
	struct virtio_gpio_irq_request req;
	struct vmsg_gpio_line *line;
	struct vmsg_elem *elem;
	uint16_t num;

	while ((elem = vmsg_vq_pop(vq))) {
		if (vmsg_iov_read(elem->out, elem->out_num, &req,
				  sizeof(req)) < sizeof(req) || !elem->in_len) {
			vmsg_vq_broken(vq, "an event of %zu bytes with room for %zu",
				       elem->out_len, elem->in_len);
			return;
		}
		num = le16toh(req.gpio);
		line = num < gpio->num_lines ? &gpio->lines[num] : NULL;
		/* One for each line, and none without an interrupt. */
		if (!line || line->event || !line->irq) {
			vmsg_gpio_answer(gpio, elem,
					 VIRTIO_GPIO_IRQ_STATUS_INVALID);
			continue;
		}
		line->event = elem;
		vmsg_gpio_interrupt(gpio, line);
	}
}

static void vmsg_gpio_queue(struct vmsg_device *dev, struct vmsg_vq *vq)
{
	if (vmsg_vq_index(vq) == VMSG_GPIO_EVENTS)
		vmsg_gpio_events(vmsg_device_priv(dev), vq);
	else
		vmsg_gpio_requests(vmsg_device_priv(dev), vq);
}

static void vmsg_gpio_config_read(struct vmsg_device *dev, uint32_t offset,
				  void *buf, uint32_t len)
{
	struct vmsg_gpio *gpio = vmsg_device_priv(dev);

	memcpy(buf, (char *)&gpio->config + offset, len);
}

static int vmsg_gpio_features_ok(struct vmsg_device *dev,
				 const uint64_t features[2])
{
	if (!(features[0] & VMSG_BIT(VMSG_F_IN_ORDER)))
		return 0;
	vmsg_warn("device %u (gpio): with in-order rings the first line without an interrupt holds up all others; start without --features in-order",
		  vmsg_device_num(dev));
	return -EINVAL;
}

static int vmsg_gpio_queue_reset(struct vmsg_device *dev, struct vmsg_vq *vq)
{
	struct vmsg_gpio *gpio = vmsg_device_priv(dev);
	unsigned int i;

	for (i = 0; i < gpio->num_lines; i++) {
		if (vmsg_vq_index(vq) == VMSG_GPIO_EVENTS)
			gpio->lines[i].event = NULL;
	}
	return 0;
}

/* The levels outside stay what they are. */
static int vmsg_gpio_reset(struct vmsg_device *dev)
{
	struct vmsg_gpio *gpio = vmsg_device_priv(dev);
	unsigned int i;

	for (i = 0; i < gpio->num_lines; i++)
		gpio->lines[i] = (struct vmsg_gpio_line) {
			.input = gpio->lines[i].input,
		};
	return 0;
}

static void vmsg_gpio_release(struct vmsg_device *dev)
{
	free(vmsg_device_priv(dev));
}

static const struct vmsg_device_ops vmsg_gpio_ops = {
	.queue = vmsg_gpio_queue,
	.features_ok = vmsg_gpio_features_ok,
	.config_read = vmsg_gpio_config_read,
	.reset = vmsg_gpio_reset,
	.queue_reset = vmsg_gpio_queue_reset,
	.release = vmsg_gpio_release,
};

static int vmsg_gpio_set(void *params, const char *key, const char *value)
{
	struct vmsg_gpio_params *gpio = params;
	int ret;

	if (!strcmp(key, "lines")) {
		ret = vmsg_number_u32(value, VMSG_GPIO_LINES, &gpio->lines);
		return !ret && !gpio->lines ? -ERANGE : ret;
	}
	if (!strcmp(key, "names")) {
		gpio->names = value;
		return *value ? 0 : -EINVAL;
	}
	return -ENOENT;
}

/* One name for each line in turn; lines beyond the last one have none. */
static int vmsg_gpio_take_names(struct vmsg_gpio *gpio, const char *text)
{
	uint32_t names = 1, len = strlen(text) + 1;
	char *colon;

	if (len + gpio->num_lines > sizeof(gpio->names))
		return -ENAMETOOLONG;
	memcpy(gpio->names, text, len);
	for (colon = gpio->names; (colon = strchr(colon, ':')); names++)
		*colon++ = '\0';
	if (names > gpio->num_lines)
		return -E2BIG;
	gpio->names_size = len + gpio->num_lines - names;
	return 0;
}

static struct vmsg_device *vmsg_gpio_add(struct vmsg_bus *bus, uint32_t num,
					 const uint8_t uuid[16], void *params)
{
	static const uint16_t sizes[] = {
		VMSG_GPIO_QUEUE_SIZE, VMSG_GPIO_QUEUE_SIZE,
	};
	const struct vmsg_gpio_params *ask = params;
	struct vmsg_device_desc desc = {
		.name = "gpio",
		.ops = &vmsg_gpio_ops,
		.device_id = VIRTIO_ID_GPIO,
		.features[0] = VMSG_BIT(VIRTIO_GPIO_F_IRQ),
		.config_size = sizeof(struct virtio_gpio_config),
		.num_queues = 2,
		.queue_sizes = sizes,
	};
	struct vmsg_gpio *gpio = calloc(1, sizeof(*gpio));
	int ret = 0;

	if (!gpio)
		return NULL;
	gpio->num_lines = ask->lines ? ask->lines : 8;
	if (ask->names)
		ret = vmsg_gpio_take_names(gpio, ask->names);
	if (ret)
		vmsg_warn("gpio: names=%s: %s; name at most %u lines, with colons between the names",
			  ask->names, strerror(-ret), gpio->num_lines);
	gpio->config.ngpio = htole16(gpio->num_lines);
	gpio->config.gpio_names_size = htole32(gpio->names_size);
	desc.priv = gpio;
	if (!ret)
		gpio->dev = vmsg_kit_add(bus, num, uuid, &desc);
	if (gpio->dev)
		return gpio->dev;
	if (!ret)
		ret = -errno;
	free(gpio);
	errno = -ret;
	return NULL;
}

static void vmsg_gpio_show(struct vmsg_gpio *gpio)
{
	static const char * const directions[] = { "unused", "out", "in" };
	const struct vmsg_gpio_line *line;
	unsigned int i;

	for (i = 0; i < gpio->num_lines; i++) {
		line = &gpio->lines[i];
		vmsg_kit_say("gpio %u: line %u %s %u",
			     vmsg_device_num(gpio->dev), i,
			     directions[line->direction],
			     vmsg_gpio_level(line));
	}
}

/* gpio: show all lines; gpio LINE 0|1: drive one. */
static int vmsg_gpio_command(struct vmsg_device *dev, const char *word,
			     char *args)
{
	struct vmsg_gpio *gpio = vmsg_device_priv(dev);
	const char *line, *level;
	uint32_t num, high;
	char *state;

	if (strcmp(word, "gpio"))
		return -ENOENT;
	line = strtok_r(args, " \t", &state);
	level = strtok_r(NULL, " \t", &state);
	if (!line) {
		vmsg_gpio_show(gpio);
		return 0;
	}
	if (!level || strtok_r(NULL, " \t", &state) ||
	    vmsg_number_u32(line, gpio->num_lines - 1, &num) ||
	    vmsg_number_u32(level, 1, &high))
		return -EINVAL;
	/* Two that drive one line: that is how lines die. */
	if (gpio->lines[num].direction == VIRTIO_GPIO_DIRECTION_OUT)
		return -EBUSY;
	vmsg_gpio_drive(gpio, &gpio->lines[num], high);
	return 0;
}

const struct vmsg_model vmsg_gpio_model = {
	.name = "gpio",
	.help =
"  --gpio [KEY=VALUE[,KEY=VALUE]...]  GPIO lines with interrupts\n"
"      lines=N          how many, up to 256 (8)\n"
"      names=A:B:...    their names (none)\n",
	.ops = &vmsg_gpio_ops,
	.params_size = sizeof(struct vmsg_gpio_params),
	.set = vmsg_gpio_set,
	.add = vmsg_gpio_add,
	.command = vmsg_gpio_command,
};
