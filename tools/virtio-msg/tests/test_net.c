// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg tests: two network devices back to back. What a tap does is a matter
 * for a selftest.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <linux/virtio_net.h>

#include "opts.h"
#include "spec.h"

#define HDR	((uint32_t)sizeof(struct virtio_net_hdr_v1))
#define ALL	(VMSG_BIT(VIRTIO_NET_F_MRG_RXBUF) |			\
		 VMSG_BIT(VIRTIO_NET_F_CTRL_VQ) |			\
		 VMSG_BIT(VIRTIO_NET_F_CTRL_RX) |			\
		 VMSG_BIT(VIRTIO_NET_F_CTRL_VLAN) |			\
		 VMSG_BIT(VIRTIO_NET_F_CTRL_MAC_ADDR) |			\
		 VMSG_BIT(VIRTIO_NET_F_CSUM) |				\
		 VMSG_BIT(VIRTIO_NET_F_GUEST_CSUM) |			\
		 VMSG_BIT(VIRTIO_NET_F_HOST_TSO4) |			\
		 VMSG_BIT(VIRTIO_NET_F_GUEST_TSO4) |			\
		 VMSG_BIT(VIRTIO_NET_F_MQ))
#define RXBUF	(POOL_ADDR + 0x300000)

static const uint8_t mac_b[] = { 2, 0, 0, 0, 0, 0xb };

/* Device 0 sends, device 1 receives. */
struct cable {
	struct bench b;
	struct ring tx;
	struct ring rx;
	struct ring ctrl;
	unsigned int num_rx;
};

static struct vmsg_device *cable_add(struct cable *c, const char *text)
{
	char copy[256];
	struct vmsg_device *dev = NULL;

	snprintf(copy, sizeof(copy), "%s", text);
	return opts_add(c->b.bus, "net", copy, &dev) ?
	       NULL : dev;
}

static void cable_ring(struct ring *r, struct cable *c, uint16_t dev,
		       uint32_t index, uint32_t place)
{
	ring_place(r, &c->b, dev, place, 16, false);
	r->index = index;
	ring_enable(r);
}

static void cable_run(struct cable *c, uint64_t to, uint64_t from)
{
	drv_negotiate(&c->b, 0, from & drv_offered(&c->b, 0));
	cable_ring(&c->tx, c, 0, 1, 0);
	drv_set_status(&c->b, 0, S_RUNNING);
	drv_negotiate(&c->b, 1, to & drv_offered(&c->b, 1));
	cable_ring(&c->rx, c, 1, 0, 1);
	cable_ring(&c->ctrl, c, 1, 2, 2);
	drv_set_status(&c->b, 1, S_RUNNING);
	c->num_rx = 0;
	bench_flush(&c->b);
}

static void cable_open(struct cable *c, uint64_t to, uint64_t from)
{
	const struct bench_params params = { 0 };

	bench_open(&c->b, &params);
	if (!cable_add(c, "pair=x,mac=02:00:00:00:00:0a") ||
	    !cable_add(c, "pair=x,mac=02:00:00:00:00:0b"))
		abort();
	cable_run(c, to, from);
}

/* A buffer for the receiver, filled with 0xee. */
static void cable_give(struct cable *c, uint32_t len)
{
	uint64_t addr = RXBUF + 0x10000 * (c->num_rx++ % 16);

	memset(bench_ptr(&c->b, addr), 0xee, 0x10000);
	ring_add(&c->rx, &(struct seg){ addr, len, WRITE }, 1, false);
	ring_kick(&c->rx);
}

static uint8_t *cable_packet(struct cable *c, const uint8_t *to, uint32_t len)
{
	uint8_t *packet = bench_ptr(&c->b, OUT);
	uint32_t i;

	memset(packet, 0, HDR);
	for (i = HDR; i < len; i++)
		packet[i] = i * 7;
	memcpy(packet + HDR, to, 6);
	return packet;
}

/* Does the sender get its buffer back? */
static bool cable_send(struct cable *c, uint32_t len)
{
	uint32_t id, used;

	ring_add(&c->tx, &(struct seg){ OUT, len, 0 }, 1, false);
	ring_kick(&c->tx);
	return ring_used(&c->tx, &id, &used);
}

/* Bytes that the receiver got in its next buffer, 0 = none. */
static uint32_t cable_got(struct cable *c)
{
	uint32_t id, used = 0;

	bench_run(&c->b);
	return ring_used(&c->rx, &id, &used) ? used : 0;
}

/* Is a packet delivered? There is a buffer for it; header bytes are set. */
static bool passes(struct cable *c, const uint8_t *to, uint8_t flags,
		   uint8_t gso, uint16_t gso_size)
{
	struct virtio_net_hdr_v1 *hdr;
	bool sent;

	hdr = (void *)cable_packet(c, to, HDR + 100);
	hdr->flags = flags;
	hdr->gso_type = gso;
	hdr->gso_size = gso_size;
	hdr->csum_start = 14;
	hdr->csum_offset = 16;
	cable_give(c, 2000);
	sent = cable_send(c, HDR + 100);
	return sent && cable_got(c) == HDR + 100;
}

/* What the control queue answers. */
static int ask(struct cable *c, const void *bytes, uint32_t len)
{
	if (spec_ask(&c->ctrl, bytes, len, 1) != 1)
		return -1;
	return *(uint8_t *)bench_ptr(&c->b, IN);
}

static void test_packets(void)
{
	struct virtio_net_hdr_v1 *hdr;
	struct cable c;
	uint8_t *packet;

	cable_open(&c, ALL, ALL);
	packet = cable_packet(&c, mac_b, HDR + 1000);
	ok(!cable_send(&c, HDR + 1000), "without a buffer a packet has to wait");
	cable_give(&c, 2000);
	ok(cable_got(&c) == HDR + 1000, "with one it arrives");
	hdr = bench_ptr(&c.b, RXBUF);
	ok(hdr->num_buffers == 1 && !memcmp(hdr + 1, packet + HDR, 1000),
	   "as it was");
	cable_give(&c, 400);
	cable_packet(&c, mac_b, HDR + 1000);
	cable_send(&c, HDR + 1000);
	ok(!cable_got(&c), "half of a packet is not delivered");
	cable_give(&c, 400);
	cable_give(&c, 400);
	ok(cable_got(&c) == 400 && cable_got(&c) == 400 &&
	   cable_got(&c) == HDR + 1000 - 800 && !cable_got(&c),
	   "it is spread over 3 buffers");
	hdr = bench_ptr(&c.b, RXBUF + 0x10000);
	ok(hdr->num_buffers == 3, "and says so");
	cable_give(&c, 2000);
	ok(cable_send(&c, HDR + 13) && !cable_got(&c), "13 bytes are no packet");
	ok(cable_send(&c, 0x11000) && !cable_got(&c), "nor are 68 KiB");
	ok(cable_send(&c, HDR + 14) && cable_got(&c) == HDR + 14, "14 are one");
	bench_close(&c.b);

	cable_open(&c, 0, ALL);
	cable_packet(&c, mac_b, HDR + 1000);
	cable_give(&c, 400);
	cable_give(&c, 2000);
	cable_send(&c, HDR + 1000);
	ok(!cable_got(&c), "too large for the buffer, without merging");
	cable_packet(&c, mac_b, HDR + 100);
	cable_send(&c, HDR + 100);
	ok(cable_got(&c) == HDR + 100, "the next one gets this buffer");
	bench_close(&c.b);
}

static void test_offloads(void)
{
	struct cable c;

	cable_open(&c, ALL, ALL);
	ok(passes(&c, mac_b, 1, 0, 0), "a checksum to be finished");
	ok(passes(&c, mac_b, 1, VIRTIO_NET_HDR_GSO_TCPV4, 50), "TCP to be cut");
	c.num_rx = 0;
	ok(!passes(&c, mac_b, 1, VIRTIO_NET_HDR_GSO_TCPV6, 50), "not agreed to");
	ok(!passes(&c, mac_b, 1, VIRTIO_NET_HDR_GSO_TCPV4, 0), "no size");
	ok(!passes(&c, mac_b, 0, VIRTIO_NET_HDR_GSO_TCPV4, 50), "no checksum");
	ok(!passes(&c, mac_b, 1, VIRTIO_NET_HDR_GSO_TCPV4 | 0x80, 50), "ECN");
	ok(!passes(&c, mac_b, 1, 0x55, 50), "nonsense");
	cable_packet(&c, mac_b, HDR + 20)[0] = 1;
	*(uint8_t *)bench_ptr(&c.b, OUT + 6) = 19;
	ok(cable_send(&c, HDR + 20) && !cable_got(&c),
	   "a checksum across the end");
	bench_close(&c.b);

	cable_open(&c, ALL & ~VMSG_BIT(VIRTIO_NET_F_GUEST_CSUM), ALL);
	ok(!passes(&c, mac_b, 1, 0, 0), "a receiver without checksums");
	ok(passes(&c, mac_b, 0, 0, 0), "gets whole packets");
	bench_close(&c.b);
}

static void test_filter(void)
{
	static const uint8_t other[] = { 2, 9, 9, 9, 9, 9 };
	static const uint8_t group[] = { 1, 0, 0x5e, 1, 2, 3 };
	static const uint8_t everybody[] = { 255, 255, 255, 255, 255, 255 };
	uint8_t many[2 + 4 + 100 * 6 + 4] = { 1, 0, 100 };
	struct cable c;

	cable_open(&c, ALL, ALL);
	ok(passes(&c, other, 0, 0, 0), "all packets, at first");
	ok(!ask(&c, "\0\0\0", 3), "no longer promiscuous");
	ok(!passes(&c, other, 0, 0, 0) && !passes(&c, group, 0, 0, 0),
	   "for others");
	ok(passes(&c, mac_b, 0, 0, 0) && passes(&c, everybody, 0, 0, 0),
	   "for it, and for everybody");
	ok(!ask(&c, "\0\1\1", 3) && passes(&c, group, 0, 0, 0) &&
	   !ask(&c, "\0\1\0", 3), "for all groups");
	ok(!ask(&c, "\1\0\1\0\0\0\2\x9\x9\x9\x9\x9\1\0\0\0\1\0\x5e\1\2\3", 22) &&
	   passes(&c, other, 0, 0, 0) && passes(&c, group, 0, 0, 0),
	   "for those in the tables");
	ok(!ask(&c, many, sizeof(many)) && passes(&c, mac_b, 0, 0, 0) &&
	   passes(&c, other, 0, 0, 0) && !passes(&c, group, 0, 0, 0),
	   "100 addresses of one kind: all of this kind");
	ok(!ask(&c, "\1\1\2\x9\x9\x9\x9\x9", 8) && !passes(&c, group, 0, 0, 0),
	   "another address of its own");
	ok(ask(&c, "\0\0\2", 3) == 1 && ask(&c, "\0\0", 2) == 1 &&
	   ask(&c, "\0\7\1", 3) == 1 && ask(&c, "\x63\0\1", 3) == 1 &&
	   ask(&c, "\1\1\1\0\0\0\0\0", 8) == 1 &&
	   ask(&c, "\1\0\xff\xff\xff\xff\0\0\0\0", 10) == 1 &&
	   ask(&c, "\1\0\0\0\0\0", 6) == 1 &&
	   ask(&c, "\2\0\xff\xff", 4) == 1 && ask(&c, "\4\0\1\0", 4) == 1,
	   "requests that make no sense");
	ok(spec_ask(&c.ctrl, "\0", 1, 1) == KEPT &&
	   drv_status(&c.b, 1) == S_BROKEN, "one byte stops the device");
	bench_close(&c.b);
}

static void test_hostile(void)
{
	struct cable c;

	cable_open(&c, ALL, ALL);
	cable_packet(&c, mac_b, HDR);
	cable_give(&c, 2000);
	cable_send(&c, HDR - 1);
	ok(drv_status(&c.b, 0) == S_BROKEN, "a packet shorter than its header");
	bench_close(&c.b);
	cable_open(&c, ALL, ALL);
	cable_give(&c, HDR - 1);
	cable_packet(&c, mac_b, HDR + 100);
	cable_send(&c, HDR + 100);
	ok(drv_status(&c.b, 1) == S_BROKEN && drv_status(&c.b, 0) == S_RUNNING,
	   "a buffer shorter than a header stops its own device");
	cable_run(&c, ALL, ALL);
	ok(passes(&c, mac_b, 0, 0, 0), "after a reset it works");
	bench_close(&c.b);
}

static uint8_t link_of(struct cable *c, uint16_t dev)
{
	uint8_t status[2];

	return drv_read_config(&c->b, dev,
			       offsetof(struct virtio_net_config, status),
			       status, sizeof(status)) ? status[0] : 0xff;
}

static void test_cable(void)
{
	const struct bench_params params = { 0 };
	struct cable c;

	bench_open(&c.b, &params);
	ok(cable_add(&c, "pair=x") && !link_of(&c, 0), "one end: no link");
	ok(!cable_add(&c, "pair=x,offloads=off") && errno == EXDEV &&
	   !link_of(&c, 0), "another kind of end");
	ok(cable_add(&c, "pair=x") && link_of(&c, 0) == 1 &&
	   link_of(&c, 1) == 1, "two ends: a link");
	ok(!cable_add(&c, "pair=x") && errno == EBUSY, "three are too many");
	cable_run(&c, ALL, ALL);
	ok(!spec_tell(&c.b, "link", "down") && !link_of(&c, 0) &&
	   !link_of(&c, 1), "down at one end is down at both");
	cable_packet(&c, mac_b, HDR + 100);
	cable_give(&c, 2000);
	ok(cable_send(&c, HDR + 100) && !cable_got(&c), "nothing gets through");
	ok(!spec_tell(&c.b, "link", "up") && link_of(&c, 1) == 1, "up again");
	ok(spec_tell(&c.b, "link", "sideways") == -EINVAL &&
	   spec_tell(&c.b, "cut", "") == -ENOENT, "no such commands");
	vmsg_device_free(vmsg_bus_find(c.b.bus, 1));
	ok(!link_of(&c, 0), "the other end goes");
	ok(cable_send(&c, HDR + 100), "packets do not wait for it");
	bench_close(&c.b);

	ok(spec_refused("net", "") && spec_refused("net", "tap=a,pair=a") &&
	   spec_refused("net", "pair=x,mac=01:00:00:00:00:00") &&
	   spec_refused("net", "pair=x,mac=02:00:00:00:00") &&
	   spec_refused("net", "pair=x,mtu=67") &&
	   spec_refused("net", "pair=x,queues=33") &&
	   spec_refused("net", "pair=x,queue-size=3") &&
	   spec_refused("net", "pair=0123456789abcdef") &&
	   spec_refused("net", "pair=x,offloads=maybe"),
	   "devices that cannot be");
}

int main(void)
{
	test_packets();
	test_offloads();
	test_filter();
	test_hostile();
	test_cable();
	return tap_end();
}
