// SPDX-License-Identifier: GPL-2.0
/*
 * badring: a disk that writes nonsense into its ring. The driver must find out
 * or survive, the disk is broken then, and nobody else is.
 */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lb.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define ID_BLK		2
#define SIZE		16
#define SECTORS		2048
#define DRIVER_OK	4
#define F_VERSION_1	(UINT64_C(1) << 32)
#define F_PLATFORM	(UINT64_C(1) << 33)
#define F_PACKED	(UINT64_C(1) << 34)
/* Times that each device lies. */
#define LIES		20
/* Flags of a used descriptor of a packed ring, wrap counter 1. */
#define PACKED_USED	0x8080

struct used_elem {
	uint32_t id;
	uint32_t len;
};

struct used {
	uint16_t flags;
	uint16_t idx;
	struct used_elem ring[SIZE];
};

struct packed_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t id;
	uint16_t flags;
};

/**
 * struct lie - one kind of nonsense
 * @name: for the result
 * @packed: for a packed ring
 * @step: how far the used index jumps each time
 * @id: in every used entry
 * @len: in every used entry
 * @random: everything is random
 */
struct lie {
	const char *name;
	bool packed;
	uint16_t step;
	uint32_t id;
	uint32_t len;
	bool random;
};

static const struct lie lies[] = {
	{ "used index jumps ahead", false, 1000, 0, 1, false },
	{ "used index goes back", false, 0xffff, 0, 1, false },
	{ "used id out of range", false, 1, SIZE, 1, false },
	{ "used id far out of range", false, 1, 0xffffffff, 1, false },
	{ "used id that is not a head", false, 1, SIZE - 1, 1, false },
	{ "the same buffer used again and again", false, 1, 0, 1, false },
	{ "more bytes written than there are", false, 1, 0, 0xffffffff, false },
	{ "random split ring", false, 1, 0, 0, true },
	{ "packed: id out of range", true, 1, SIZE, 1, false },
	{ "packed: largest id", true, 1, 0xffff, 1, false },
	{ "packed: id that is not under way", true, 1, SIZE - 1, 1, false },
	{ "packed: the same buffer used again and again", true, 1, 0, 1, false },
	{ "packed: random ring", true, 1, 0, 0, true },
};

static bool has_kicked(struct lb *lb, struct lb_dev *dev)
{
	(void)lb;
	return (dev->status & DRIVER_OK) && dev->kicks;
}

static bool start(struct lb *lb, struct lb_dev *dev, bool packed)
{
	uint64_t sectors = htole64(SECTORS);

	*dev = (struct lb_dev) {
		.num = 1,
		.id = ID_BLK,
		.features = F_VERSION_1 | F_PLATFORM | (packed ? F_PACKED : 0),
		.config_size = 60,
		.num_vqs = 1,
		.max_size = SIZE,
	};
	memcpy(dev->config, &sectors, sizeof(sectors));
	if (!lb_start(lb, 0) || !lb_no_devices(lb) ||
	    lb_event_device(lb, 1, VIRTIO_MSG_DEVICE_ADDED) ||
	    !lb_dev_run(lb, dev, has_kicked))
		return false;
	if (packed == !!(dev->driver_features & F_PACKED))
		return true;
	note("the driver chose another ring");
	return false;
}

static uint32_t any(void)
{
	return (uint32_t)rand() << 8 ^ rand();
}

static void tell(const struct lie *lie, struct lb *lb, struct lb_vq *vq)
{
	struct packed_desc *desc = (void *)(lb->pool + vq->desc);
	struct used *used = (void *)(lb->pool + vq->device);
	unsigned int i;

	for (i = 0; i < SIZE; i++) {
		if (lie->packed) {
			desc[i].id = htole16(lie->random ? any() : lie->id);
			desc[i].len = htole32(lie->random ? any() : lie->len);
			desc[i].flags = htole16(lie->random ? any() : PACKED_USED);
		} else {
			used->ring[i].id = htole32(lie->random ? any() % SIZE : lie->id);
			used->ring[i].len = htole32(lie->random ? any() : lie->len);
		}
	}
	__sync_synchronize();
	if (!lie->packed)
		used->idx = htole16(le16toh(used->idx) +
				    (lie->random ? any() % SIZE : lie->step));
}

/* What the kernel thinks of the only device on the bus. */
static bool find_state(struct lb *lb, char *state, size_t size)
{
	char path[128];
	int n;

	for (n = 0; n < 64; n++) {
		snprintf(path, sizeof(path),
			 "/sys/class/virtio_msg/loopback%u/virtio%d/virtio_msg/state",
			 lb->num, n);
		if (lb_read_file(path, state, size) > 0)
			return true;
	}
	return false;
}

static void run(const struct lie *lie, struct lb *other)
{
	uint8_t frame[LB_FRAME];
	uint64_t rx[LB_FRAME / 8];
	uint32_t index = 0;
	char state[32] = "";
	struct lb_dev dev;
	bool good, left;
	struct lb lb;
	size_t size;
	int i;

	good = start(&lb, &dev, lie->packed);
	size = lb_frame(frame, 0, VIRTIO_MSG_EVENT_USED, 1, 0, &index, sizeof(index));
	for (i = 0; good && i < LIES; i++) {
		tell(lie, &lb, &dev.vq[0]);
		/* The device may be on its way out already. */
		if (lb_send(&lb, frame, size))
			note("EVENT_USED was refused: turn %d", i);
		while (lb_recv(&lb, rx, 2))
			lb_dev_handle(&lb, &dev, rx);
	}
	good = good && lb_alive(&lb) && lb_alive(other);
	left = find_state(&lb, state, sizeof(state));
	/* Random nonsense may make sense. */
	if (!left || (strcmp(state, "needs reset") && !lie->random)) {
		note("the device is %s", left ? state : "not there any more");
		good = false;
	}
	/* The end of a bus waits for all I/O to end: a stuck one shows here. */
	lb_stop(&lb);
	ok(good && !lb_exists(lb.num) && lb_alive(other), "%s", lie->name);
}

int main(void)
{
	struct lb other;
	size_t i;

	plan(ARRAY_SIZE(lies));
	srand(1);
	if (!lb_start(&other, 0) || !lb_no_devices(&other))
		return 1;
	for (i = 0; i < ARRAY_SIZE(lies); i++)
		run(&lies[i], &other);
	lb_stop(&other);
	return finish();
}
