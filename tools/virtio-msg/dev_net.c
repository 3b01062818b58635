// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg: a network device (virtio-net), on a tap interface or back to back
 * with another one of this program.
 *
 * A packet is fetched only when there is a buffer to put it into; until then it
 * stays in the tap, or in the transmit queue of the other one. If it turns out
 * to need more buffers than there are, that one packet waits here. As with any
 * network, what cannot be delivered is dropped, and nobody is told.
 *
 * With several pairs of queues each has a queue of the tap. Those that the
 * driver does not use are detached, so that the tap puts nothing into them.
 *
 * The link is up as soon as tap.c has set up the tap, or the other one is there.
 */
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <linux/if.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>

#include "models.h"
#include "net_ctrl.h"
#include "tap.h"

#define VMSG_NET_QUEUE_SIZE	256u
#define VMSG_NET_MAX_PAIRS	VMSG_TAP_MAX_QUEUES
#define VMSG_NET_MIN_MTU	68u
/* The largest packet: Ethernet header with a VLAN tag, and 64 KiB. */
#define VMSG_NET_HDR		sizeof(struct virtio_net_hdr_v1)
#define VMSG_NET_PACKET		(VMSG_NET_HDR + ETH_HLEN + 4 + 65535)
/* Packets in a row before others get their turn. */
#define VMSG_NET_BURST		64u
/* Addresses of each kind in the filter; with more of them all are let in. */
#define VMSG_NET_MACS		64u
/* A receiver that gives no buffers for so long is taken to be asleep. */
#define VMSG_NET_PATIENCE_S	1
/*
 * A tap is set up in no time, unless the kernel is waiting for one of our
 * answers: then what goes wrong is said later.
 */
#define VMSG_NET_TAP_MS		200

/* What a device leaves to the other side, and takes unfinished from it. */
#define VMSG_NET_OFFLOADS						\
	(VMSG_BIT(VIRTIO_NET_F_CSUM) | VMSG_BIT(VIRTIO_NET_F_GUEST_CSUM) | \
	 VMSG_BIT(VIRTIO_NET_F_HOST_TSO4) |				\
	 VMSG_BIT(VIRTIO_NET_F_HOST_TSO6) |				\
	 VMSG_BIT(VIRTIO_NET_F_GUEST_TSO4) |				\
	 VMSG_BIT(VIRTIO_NET_F_GUEST_TSO6))

/* What its keys say. */
struct vmsg_net_params {
	const char *tap;
	const char *pair;
	bool has_mac;
	uint8_t mac[ETH_ALEN];
	uint32_t mtu;
	uint32_t queues;
	uint32_t queue_size;
	bool no_offloads;
	const uint8_t *uuid;
};

struct vmsg_net;

/* A receive and a transmit queue, and the queue of the tap that serves them. */
struct vmsg_net_pair {
	struct vmsg_net *net;
	unsigned int index;
	struct vmsg_watch tap;
	bool watched;
	struct vmsg_work send;
	/* Receive buffers for the next packet, and their bytes. */
	struct vmsg_elem **held;
	unsigned int num_held;
	size_t room;
	/* The packet that waits for more of them, with its header; 0 = none. */
	size_t len;
	uint8_t packet[VMSG_NET_PACKET];
};

/* Addresses that a driver wants to receive; too many = all. */
struct vmsg_net_macs {
	uint8_t mac[VMSG_NET_MACS][ETH_ALEN];
	unsigned int num;
	bool all;
};

struct vmsg_net {
	struct vmsg_device *dev;
	struct vmsg_loop *loop;
	struct virtio_net_config config;
	unsigned int queue_size;
	unsigned int num_pairs;
	bool offloads;
	bool up;
	bool said;

	/* What the driver has chosen by its control queue. */
	unsigned int active;
	bool promisc;
	bool allmulti;
	struct vmsg_net_macs uni;
	struct vmsg_net_macs multi;
	uint8_t vlans[4096 / 8];
	uint8_t mac[ETH_ALEN];

	/* The tap, or the other one of two. */
	bool is_tap;
	bool tap_open;
	struct vmsg_watch helper;
	unsigned int attached;
	bool asked;
	bool ask_again;
	bool driver;
	char name[IFNAMSIZ];
	struct vmsg_net *peer;
	struct vmsg_net *next;
	/* The other one waits for our buffers, or does so no more. */
	struct vmsg_watch patience;
	bool waited_for;
	bool asleep;

	/* Packets to the tap, and requests. */
	uint8_t out[VMSG_NET_PACKET];
	struct vmsg_net_pair pairs[];
};

/* All that are or will be back to back. */
static struct vmsg_net *vmsg_net_list;

static struct vmsg_vq *vmsg_net_rx(const struct vmsg_net_pair *pair)
{
	return vmsg_device_vq(pair->net->dev, 2 * pair->index);
}

static struct vmsg_vq *vmsg_net_tx(const struct vmsg_net_pair *pair)
{
	return vmsg_device_vq(pair->net->dev, 2 * pair->index + 1);
}

static bool vmsg_net_has(const struct vmsg_net *net, unsigned int bit)
{
	return vmsg_device_has_feature(net->dev, bit);
}

static bool vmsg_net_carrier(const struct vmsg_net *net)
{
	return le16toh(net->config.status) & VIRTIO_NET_S_LINK_UP;
}

/* Something that a user should know once; it would be the same each time. */
static void vmsg_net_say(struct vmsg_net *net, const char *what, int error)
{
	if (!net->said)
		vmsg_warn("device %u (%s): %s %s: %s. Not said again before the next reset",
			  vmsg_device_num(net->dev), vmsg_device_name(net->dev),
			  net->name, what, strerror(error));
	net->said = true;
}

/* Have the tap follow; one wish at a time. */
static void vmsg_net_tap_ask(struct vmsg_net *net)
{
	struct vmsg_tap_wish wish = {
		.queues = net->active,
		.carrier = vmsg_net_carrier(net),
	};

	if (!net->tap_open)
		return;
	/* Nothing comes from a queue that is to be detached. */
	if (net->attached > net->active)
		net->attached = net->active;
	net->ask_again = net->asked;
	if (net->asked)
		return;
	/* It may leave unfinished what the driver has agreed to. */
	if (net->driver && vmsg_net_has(net, VIRTIO_NET_F_GUEST_CSUM)) {
		wish.offloads = TUN_F_CSUM;
		if (vmsg_net_has(net, VIRTIO_NET_F_GUEST_TSO4))
			wish.offloads |= TUN_F_TSO4;
		if (vmsg_net_has(net, VIRTIO_NET_F_GUEST_TSO6))
			wish.offloads |= TUN_F_TSO6;
	}
	net->asked = !vmsg_tap_ask(net->helper.fd, &wish);
}

/* The cable: connected if both ends are there and up. */
static void vmsg_net_update_link(struct vmsg_net *net)
{
	bool up = net->up &&
		  (net->is_tap ? net->tap_open : net->peer && net->peer->up);

	if (up == vmsg_net_carrier(net))
		return;
	net->config.status = htole16(up ? VIRTIO_NET_S_LINK_UP : 0);
	vmsg_net_tap_ask(net);
	vmsg_device_config_changed(net->dev, offsetof(struct virtio_net_config,
						      status),
				   sizeof(net->config.status),
				   VMSG_CONFIG_DATA);
}

/* Which packets ---------------------------------------------------------- */

/*
 * Is a header what these features allow? @csum and @tso4, @tso6 are those of
 * the direction. Afterwards there is nothing in it that is only a hint.
 */
static bool vmsg_net_good_hdr(struct vmsg_net *net, uint8_t *packet,
			      size_t len, unsigned int csum, unsigned int tso4,
			      unsigned int tso6)
{
	struct virtio_net_hdr_v1 hdr;
	bool partial;

	if (len < VMSG_NET_HDR + ETH_HLEN)
		return false;
	memcpy(&hdr, packet, sizeof(hdr));
	partial = hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;
	hdr.flags = partial ? VIRTIO_NET_HDR_F_NEEDS_CSUM : 0;
	if (partial && (!vmsg_net_has(net, csum) ||
			le16toh(hdr.csum_start) + le16toh(hdr.csum_offset) +
			sizeof(uint16_t) > len - VMSG_NET_HDR))
		return false;
	switch (hdr.gso_type) {
	case VIRTIO_NET_HDR_GSO_NONE:
		break;
	case VIRTIO_NET_HDR_GSO_TCPV4:
	case VIRTIO_NET_HDR_GSO_TCPV6:
		if (!partial || !hdr.gso_size ||
		    !vmsg_net_has(net,
				  hdr.gso_type == VIRTIO_NET_HDR_GSO_TCPV4 ?
				  tso4 : tso6))
			return false;
		break;
	default:
		return false;
	}
	memcpy(packet, &hdr, sizeof(hdr));
	return true;
}

static bool vmsg_net_among(const struct vmsg_net_macs *macs, const uint8_t *mac)
{
	unsigned int i;

	for (i = 0; i < macs->num; i++) {
		if (!memcmp(macs->mac[i], mac, ETH_ALEN))
			return true;
	}
	return macs->all;
}

/* Has the driver asked for packets like this one? */
static bool vmsg_net_wanted(const struct vmsg_net *net, const uint8_t *eth,
			    size_t len)
{
	static const uint8_t everybody[ETH_ALEN] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff
	};
	unsigned int vlan;

	if (vmsg_net_has(net, VIRTIO_NET_F_CTRL_VLAN) && len >= ETH_HLEN + 4 &&
	    eth[12] == ETH_P_8021Q >> 8 && eth[13] == (ETH_P_8021Q & 0xff)) {
		vlan = (eth[14] << 8 | eth[15]) & 0xfff;
		if (vlan && !(net->vlans[vlan / 8] & 1 << vlan % 8))
			return false;
	}
	if (net->promisc || !memcmp(eth, everybody, ETH_ALEN))
		return true;
	if (eth[0] & 1)
		return net->allmulti || vmsg_net_among(&net->multi, eth);
	return !memcmp(eth, net->mac, ETH_ALEN) ||
	       vmsg_net_among(&net->uni, eth);
}

/* To the driver ---------------------------------------------------------- */

/* Take one more receive buffer. */
static bool vmsg_net_hold(struct vmsg_net_pair *pair)
{
	struct vmsg_elem *elem;

	if (pair->num_held == pair->net->queue_size)
		return false;
	elem = vmsg_vq_pop(vmsg_net_rx(pair));
	if (!elem)
		return false;
	if (elem->in_len < VMSG_NET_HDR) {
		vmsg_vq_broken(vmsg_net_rx(pair),
			       "a receive buffer of %zu bytes", elem->in_len);
		return false;
	}
	pair->held[pair->num_held++] = elem;
	pair->room += elem->in_len;
	return true;
}

/* Put the packet into buffers, or drop it; false when it has to wait. */
static bool vmsg_net_put(struct vmsg_net_pair *pair)
{
	bool merge = vmsg_net_has(pair->net, VIRTIO_NET_F_MRG_RXBUF);
	size_t max = merge ? pair->net->queue_size : 1;
	struct virtio_net_hdr_v1 hdr;
	size_t part, done = 0;
	struct vmsg_elem *elem;
	unsigned int i;

	while (pair->room < pair->len && pair->num_held < max) {
		if (!vmsg_net_hold(pair))
			return false;
	}
	if (pair->room < pair->len) {
		pair->len = 0;
		return true;
	}
	memcpy(&hdr, pair->packet, sizeof(hdr));
	hdr.num_buffers = htole16(pair->num_held);
	memcpy(pair->packet, &hdr, sizeof(hdr));
	/* No more buffers are ever held than a packet needs. */
	for (i = 0; i < pair->num_held; i++) {
		elem = pair->held[i];
		part = vmsg_iov_write(elem->in, elem->in_num,
				      pair->packet + done, pair->len - done);
		done += part;
		vmsg_vq_push(vmsg_net_rx(pair), elem, part);
	}
	pair->num_held = 0;
	pair->room = 0;
	pair->len = 0;
	return true;
}

/* Can a packet be fetched? */
static bool vmsg_net_ready(struct vmsg_net_pair *pair)
{
	return (!pair->len || vmsg_net_put(pair)) &&
	       (pair->num_held || vmsg_net_hold(pair));
}

/* @len bytes have been fetched into the pair's packet. */
static void vmsg_net_take(struct vmsg_net_pair *pair, size_t len)
{
	struct vmsg_net *net = pair->net;

	if (!vmsg_net_good_hdr(net, pair->packet, len, VIRTIO_NET_F_GUEST_CSUM,
			       VIRTIO_NET_F_GUEST_TSO4,
			       VIRTIO_NET_F_GUEST_TSO6) ||
	    !vmsg_net_wanted(net, pair->packet + VMSG_NET_HDR,
			     len - VMSG_NET_HDR))
		return;
	pair->len = len;
	vmsg_net_put(pair);
}

static void vmsg_net_forget(struct vmsg_net_pair *pair)
{
	pair->num_held = 0;
	pair->room = 0;
	pair->len = 0;
}

/* The tap ---------------------------------------------------------------- */

static void vmsg_net_watch(struct vmsg_net_pair *pair, bool on)
{
	if (pair->watched == on)
		return;
	pair->watched = on;
	if (!on)
		vmsg_loop_unwatch(pair->net->loop, &pair->tap);
	else if (vmsg_loop_watch(pair->net->loop, &pair->tap, EPOLLIN))
		pair->watched = false;
}

/* Those queues of the tap that can have something, and no others. */
static void vmsg_net_watch_all(struct vmsg_net *net)
{
	unsigned int i;

	for (i = 0; i < net->num_pairs; i++)
		vmsg_net_watch(&net->pairs[i], net->tap_open && net->driver &&
			       i < net->active && i < net->attached);
}

/* Somebody has deleted the interface, or ended the process that has made it. */
static void vmsg_net_tap_gone(struct vmsg_net *net, int error)
{
	vmsg_net_say(net, "is gone; remove the device and add it again",
		     error);
	net->tap_open = false;
	if (net->helper.fd >= 0) {
		vmsg_loop_unwatch(net->loop, &net->helper);
		close(net->helper.fd);
	}
	net->helper.fd = -1;
	vmsg_net_watch_all(net);
	vmsg_net_update_link(net);
}

static void vmsg_net_tap(void *arg, uint32_t events)
{
	struct vmsg_net_pair *pair = arg;
	unsigned int i;
	ssize_t ret;

	(void)events;
	for (i = 0; i < VMSG_NET_BURST; i++) {
		if (!vmsg_net_ready(pair)) {
			vmsg_net_watch(pair, false);
			break;
		}
		ret = read(pair->tap.fd, pair->packet, sizeof(pair->packet));
		if (ret < 0 && errno != EAGAIN && errno != EINTR)
			vmsg_net_tap_gone(pair->net, errno);
		if (ret < 0)
			break;
		vmsg_net_take(pair, ret);
	}
	vmsg_vq_notify(vmsg_net_rx(pair));
}

static void vmsg_net_write(struct vmsg_net_pair *pair, size_t len)
{
	struct vmsg_net *net = pair->net;

	if (pair->index >= net->attached)
		pair = &net->pairs[0];
	if (write(pair->tap.fd, net->out, len) < 0 && errno == EBADFD)
		vmsg_net_tap_gone(net, errno);
}

/* Returns 0, or what is wrong with the tap. */
static int vmsg_net_tap_news(struct vmsg_net *net)
{
	int fds[VMSG_NET_MAX_PAIRS] = { 0 };
	struct vmsg_tap_news news;
	unsigned int i;
	int ret;

	ret = vmsg_tap_hear(net->helper.fd, &news, fds, net->num_pairs);
	if (ret)
		return ret;
	if (!net->tap_open && news.error)
		return news.error;
	if (news.error)
		vmsg_net_say(net, "does not do as its driver wants",
			     -news.error);
	net->attached = news.queues;
	net->asked = false;
	if (!net->tap_open) {
		memcpy(net->name, news.name, sizeof(net->name));
		for (i = 0; i < net->num_pairs; i++)
			net->pairs[i].tap.fd = fds[i];
		net->tap_open = true;
		net->ask_again = true;
	}
	if (net->ask_again || net->attached > net->active)
		vmsg_net_tap_ask(net);
	return 0;
}

static const char *vmsg_net_tap_advice(int error)
{
	switch (error) {
	case -ENOENT:
	case -ENODEV:
		return "is the module tun loaded?";
	case -EPERM:
	case -EACCES:
		return "this needs root, or an interface made for this user with ip tuntap add";
	case -EBUSY:
		return "another program has it";
	default:
		return "with queues=N it has to be made with multi_queue, else without";
	}
}

static void vmsg_net_helper(void *arg, uint32_t events)
{
	struct vmsg_net *net = arg;
	bool open = net->tap_open;
	int ret;

	(void)events;
	ret = vmsg_net_tap_news(net);
	if (ret == -EAGAIN)
		return;
	if (ret && !open)
		vmsg_warn("net: tap %s cannot be used: %s; %s", net->name,
			  strerror(-ret), vmsg_net_tap_advice(ret));
	if (ret)
		vmsg_net_tap_gone(net, -ret);
	vmsg_net_watch_all(net);
	vmsg_net_update_link(net);
}

static int vmsg_net_tap_start(struct vmsg_net *net)
{
	struct pollfd poll_fd;
	int ret;

	ret = vmsg_tap_start(net->name, net->num_pairs, VMSG_NET_HDR);
	if (ret < 0)
		return ret;
	net->helper.fd = ret;
	net->helper.fn = vmsg_net_helper;
	net->helper.arg = net;
	poll_fd.fd = ret;
	poll_fd.events = POLLIN;
	if (poll(&poll_fd, 1, VMSG_NET_TAP_MS) == 1) {
		ret = vmsg_net_tap_news(net);
		if (ret)
			return ret;
	}
	return vmsg_loop_watch(net->loop, &net->helper, EPOLLIN);
}

/* Back to back ----------------------------------------------------------- */

/* A receiver gets time to find buffers; then what is sent to it is dropped. */
static void vmsg_net_be_patient(struct vmsg_net *net, bool on)
{
	struct itimerspec spec = {
		.it_value.tv_sec = on ? VMSG_NET_PATIENCE_S : 0,
	};

	if (net->waited_for == on)
		return;
	net->waited_for = on;
	timerfd_settime(net->patience.fd, 0, &spec, NULL);
}

/* The other one may go on sending to us. */
static void vmsg_net_call_peer(struct vmsg_net *net)
{
	unsigned int i;

	for (i = 0; net->peer && i < net->peer->num_pairs; i++)
		vmsg_loop_defer(net->loop, &net->peer->pairs[i].send);
}

static void vmsg_net_patience(void *arg, uint32_t events)
{
	struct vmsg_net *net = arg;
	uint64_t count;

	(void)events;
	if (read(net->patience.fd, &count, sizeof(count)) < 0)
		return;
	net->waited_for = false;
	net->asleep = true;
	vmsg_net_call_peer(net);
}

/* Where packets of this pair go, or NULL if nobody is listening. */
static struct vmsg_net_pair *vmsg_net_receiver(struct vmsg_net_pair *pair)
{
	struct vmsg_net *peer = pair->net->peer;

	if (!peer || peer->asleep ||
	    !(vmsg_device_status(peer->dev) & VIRTIO_CONFIG_S_DRIVER_OK) ||
	    vmsg_device_status(peer->dev) & VIRTIO_CONFIG_S_NEEDS_RESET)
		return NULL;
	return &peer->pairs[pair->index % peer->active];
}

static void vmsg_net_disconnect(struct vmsg_net *net)
{
	struct vmsg_net *peer = net->peer;

	if (!peer)
		return;
	net->peer = NULL;
	peer->peer = NULL;
	vmsg_net_be_patient(peer, false);
	vmsg_net_update_link(peer);
}

/* Put onto the list, and find the other one if it is there already. */
static int vmsg_net_connect(struct vmsg_net *net)
{
	struct vmsg_net *peer = NULL, *other;

	for (other = vmsg_net_list; other; other = other->next) {
		if (strcmp(other->name, net->name))
			continue;
		if (vmsg_device_leaving(other->dev))
			vmsg_net_disconnect(other);
		else
			peer = other;
		if (peer && peer->peer)
			return -EBUSY;
	}
	if (peer && (peer->offloads != net->offloads ||
		     peer->loop != net->loop))
		return -EXDEV;
	net->patience.fd = timerfd_create(CLOCK_MONOTONIC,
					  TFD_CLOEXEC | TFD_NONBLOCK);
	if (net->patience.fd < 0)
		return -errno;
	net->patience.fn = vmsg_net_patience;
	net->patience.arg = net;
	if (vmsg_loop_watch(net->loop, &net->patience, EPOLLIN))
		return -errno;
	net->next = vmsg_net_list;
	vmsg_net_list = net;
	net->peer = peer;
	if (peer)
		peer->peer = net;
	return 0;
}

/* From the driver -------------------------------------------------------- */

static void vmsg_net_send(void *arg)
{
	struct vmsg_net_pair *pair = arg, *to = NULL;
	struct vmsg_net *net = pair->net;
	struct vmsg_elem *elem;
	uint8_t *packet = net->out;
	unsigned int i;
	size_t len;

	if (!net->is_tap)
		to = vmsg_net_receiver(pair);
	if (to)
		packet = to->packet;
	for (i = 0; i < VMSG_NET_BURST; i++) {
		if (to && !vmsg_net_ready(to)) {
			vmsg_net_be_patient(to->net, true);
			break;
		}
		elem = vmsg_vq_pop(vmsg_net_tx(pair));
		if (!elem)
			break;
		if (elem->out_len < VMSG_NET_HDR) {
			vmsg_vq_broken(vmsg_net_tx(pair),
				       "a packet of %zu bytes with its header",
				       elem->out_len);
			break;
		}
		len = elem->out_len <= VMSG_NET_PACKET ?
		      vmsg_iov_read(elem->out, elem->out_num, packet,
				    VMSG_NET_PACKET) : 0;
		vmsg_vq_push(vmsg_net_tx(pair), elem, 0);
		if (!vmsg_net_carrier(net) ||
		    !vmsg_net_good_hdr(net, packet, len, VIRTIO_NET_F_CSUM,
				       VIRTIO_NET_F_HOST_TSO4,
				       VIRTIO_NET_F_HOST_TSO6))
			continue;
		if (net->is_tap)
			vmsg_net_write(pair, len);
		else if (to)
			vmsg_net_take(to, len);
	}
	if (i == VMSG_NET_BURST)
		vmsg_loop_defer(net->loop, &pair->send);
	vmsg_vq_notify(vmsg_net_tx(pair));
	if (to)
		vmsg_vq_notify(vmsg_net_rx(to));
}

/* The driver has given receive buffers. */
static void vmsg_net_refilled(struct vmsg_net_pair *pair)
{
	struct vmsg_net *net = pair->net;

	if (pair->len)
		vmsg_net_put(pair);
	if (net->is_tap) {
		vmsg_net_watch_all(net);
		return;
	}
	vmsg_net_be_patient(net, false);
	net->asleep = false;
	vmsg_net_call_peer(net);
}

/* The control queue ------------------------------------------------------ */

static bool vmsg_net_ctrl_rx(struct vmsg_net *net, uint8_t cmd,
			     const uint8_t *data, size_t len)
{
	if (len != 1 || *data > 1)
		return false;
	switch (cmd) {
	case VIRTIO_NET_CTRL_RX_PROMISC:
		net->promisc = *data;
		return true;
	case VIRTIO_NET_CTRL_RX_ALLMULTI:
		net->allmulti = *data;
		return true;
	default:
		return false;
	}
}

/* One of the two tables, which follow each other. */
static bool vmsg_net_read_macs(struct vmsg_net_macs *macs,
			       const uint8_t **data, size_t *len)
{
	uint32_t num;

	if (*len < sizeof(num))
		return false;
	memcpy(&num, *data, sizeof(num));
	num = le32toh(num);
	*data += sizeof(num);
	*len -= sizeof(num);
	if (num > *len / ETH_ALEN)
		return false;
	macs->all = num > VMSG_NET_MACS;
	macs->num = macs->all ? 0 : num;
	memcpy(macs->mac, *data, macs->num * ETH_ALEN);
	*data += num * ETH_ALEN;
	*len -= num * ETH_ALEN;
	return true;
}

static bool vmsg_net_ctrl_mac(struct vmsg_net *net, uint8_t cmd,
			      const uint8_t *data, size_t len)
{
	struct vmsg_net_macs uni, multi;

	switch (cmd) {
	case VIRTIO_NET_CTRL_MAC_TABLE_SET:
		if (!vmsg_net_read_macs(&uni, &data, &len) ||
		    !vmsg_net_read_macs(&multi, &data, &len) || len)
			return false;
		net->uni = uni;
		net->multi = multi;
		return true;
	case VIRTIO_NET_CTRL_MAC_ADDR_SET:
		if (len != ETH_ALEN || data[0] & 1)
			return false;
		memcpy(net->mac, data, ETH_ALEN);
		return true;
	default:
		return false;
	}
}

static bool vmsg_net_ctrl_vlan(struct vmsg_net *net, uint8_t cmd,
			       const uint8_t *data, size_t len)
{
	unsigned int vlan;

	if (len != sizeof(uint16_t))
		return false;
	vlan = data[0] | data[1] << 8;
	if (vlan >= 8 * sizeof(net->vlans))
		return false;
	switch (cmd) {
	case VIRTIO_NET_CTRL_VLAN_ADD:
		net->vlans[vlan / 8] |= 1 << vlan % 8;
		return true;
	case VIRTIO_NET_CTRL_VLAN_DEL:
		net->vlans[vlan / 8] &= ~(1 << vlan % 8);
		return true;
	default:
		return false;
	}
}

static bool vmsg_net_ctrl_mq(struct vmsg_net *net, uint8_t cmd,
			     const uint8_t *data, size_t len)
{
	unsigned int num = vmsg_net_ctrl_pairs(cmd, data, len, net->num_pairs);

	if (!num)
		return false;
	net->active = num;
	vmsg_net_tap_ask(net);
	vmsg_net_watch_all(net);
	return true;
}

static bool vmsg_net_ctrl(void *arg, uint8_t class, uint8_t cmd,
			  const uint8_t *data, size_t len)
{
	struct vmsg_net *net = arg;

	switch (class) {
	case VIRTIO_NET_CTRL_RX:
		return vmsg_net_has(net, VIRTIO_NET_F_CTRL_RX) &&
		       vmsg_net_ctrl_rx(net, cmd, data, len);
	case VIRTIO_NET_CTRL_MAC:
		return vmsg_net_has(net, VIRTIO_NET_F_CTRL_MAC_ADDR) &&
		       vmsg_net_ctrl_mac(net, cmd, data, len);
	case VIRTIO_NET_CTRL_VLAN:
		return vmsg_net_has(net, VIRTIO_NET_F_CTRL_VLAN) &&
		       vmsg_net_ctrl_vlan(net, cmd, data, len);
	case VIRTIO_NET_CTRL_MQ:
		return vmsg_net_has(net, VIRTIO_NET_F_MQ) &&
		       vmsg_net_ctrl_mq(net, cmd, data, len);
	default:
		return false;
	}
}

/* The device ------------------------------------------------------------- */

static void vmsg_net_queue(struct vmsg_device *dev, struct vmsg_vq *vq)
{
	struct vmsg_net *net = vmsg_device_priv(dev);
	unsigned int pairs = vmsg_net_has(net, VIRTIO_NET_F_MQ) ?
			     net->num_pairs : 1;
	uint32_t index = vmsg_vq_index(vq);

	/* Without multi-queue the control queue is where the third one was. */
	if (index >= 2 * pairs)
		vmsg_net_ctrl_serve(vq, net->out, sizeof(net->out),
				    vmsg_net_ctrl, net);
	else if (index % 2)
		vmsg_net_send(&net->pairs[index / 2]);
	else
		vmsg_net_refilled(&net->pairs[index / 2]);
}

static void vmsg_net_config_read(struct vmsg_device *dev, uint32_t offset,
				 void *buf, uint32_t len)
{
	struct vmsg_net *net = vmsg_device_priv(dev);

	memcpy(buf, (const char *)&net->config + offset, len);
}

static void vmsg_net_status(struct vmsg_device *dev, uint8_t status)
{
	struct vmsg_net *net = vmsg_device_priv(dev);

	if (!(status & VIRTIO_CONFIG_S_DRIVER_OK))
		return;
	net->driver = true;
	vmsg_net_tap_ask(net);
	vmsg_net_watch_all(net);
}

static int vmsg_net_reset(struct vmsg_device *dev)
{
	struct vmsg_net *net = vmsg_device_priv(dev);
	unsigned int i;

	for (i = 0; i < net->num_pairs; i++)
		vmsg_net_forget(&net->pairs[i]);
	net->driver = false;
	net->active = 1;
	net->promisc = true;
	net->allmulti = false;
	memset(&net->uni, 0, sizeof(net->uni));
	memset(&net->multi, 0, sizeof(net->multi));
	memset(net->vlans, 0, sizeof(net->vlans));
	memcpy(net->mac, net->config.mac, ETH_ALEN);
	net->said = false;
	net->asleep = false;
	vmsg_net_tap_ask(net);
	vmsg_net_watch_all(net);
	if (net->is_tap)
		return 0;
	vmsg_net_be_patient(net, false);
	vmsg_net_call_peer(net);
	return 0;
}

static int vmsg_net_queue_reset(struct vmsg_device *dev, struct vmsg_vq *vq)
{
	struct vmsg_net *net = vmsg_device_priv(dev);
	uint32_t index = vmsg_vq_index(vq);

	if (index % 2 == 0 && index / 2 < net->num_pairs)
		vmsg_net_forget(&net->pairs[index / 2]);
	return 0;
}

static void vmsg_net_free(struct vmsg_net *net)
{
	struct vmsg_net **link;
	unsigned int i;

	for (i = 0; i < net->num_pairs; i++) {
		vmsg_loop_cancel(net->loop, &net->pairs[i].send);
		vmsg_net_watch(&net->pairs[i], false);
		if (net->pairs[i].tap.fd >= 0)
			close(net->pairs[i].tap.fd);
		free(net->pairs[i].held);
	}
	if (net->helper.fd >= 0) {
		vmsg_loop_unwatch(net->loop, &net->helper);
		close(net->helper.fd);
	}
	vmsg_net_disconnect(net);
	for (link = &vmsg_net_list; *link; link = &(*link)->next) {
		if (*link == net) {
			*link = net->next;
			break;
		}
	}
	if (net->patience.fd >= 0) {
		vmsg_loop_unwatch(net->loop, &net->patience);
		close(net->patience.fd);
	}
	free(net);
}

static void vmsg_net_release(struct vmsg_device *dev)
{
	vmsg_net_free(vmsg_device_priv(dev));
}

static const struct vmsg_device_ops vmsg_net_ops = {
	.queue = vmsg_net_queue,
	.config_read = vmsg_net_config_read,
	.status = vmsg_net_status,
	.reset = vmsg_net_reset,
	.queue_reset = vmsg_net_queue_reset,
	.release = vmsg_net_release,
};

static int vmsg_net_open(struct vmsg_net *net)
{
	unsigned int i;

	for (i = 0; i < net->num_pairs; i++) {
		net->pairs[i].held = calloc(net->queue_size,
					    sizeof(*net->pairs[i].held));
		if (!net->pairs[i].held)
			return -ENOMEM;
	}
	return net->is_tap ? vmsg_net_tap_start(net) : vmsg_net_connect(net);
}

static struct vmsg_net *vmsg_net_make(struct vmsg_bus *bus,
				      const struct vmsg_net_params *params,
				      unsigned int num_pairs)
{
	struct vmsg_net *net = calloc(1, sizeof(*net) +
					 num_pairs * sizeof(net->pairs[0]));
	const char *name = params->tap ? params->tap : params->pair;
	unsigned int i;

	if (!net)
		return NULL;
	net->loop = vmsg_bus_loop(bus);
	net->num_pairs = num_pairs;
	net->queue_size = params->queue_size ? params->queue_size :
					       VMSG_NET_QUEUE_SIZE;
	net->offloads = !params->no_offloads;
	net->is_tap = params->tap;
	snprintf(net->name, sizeof(net->name), "%s", name);
	net->patience.fd = -1;
	net->helper.fd = -1;
	net->up = true;
	net->promisc = true;
	net->active = 1;
	for (i = 0; i < num_pairs; i++) {
		net->pairs[i].net = net;
		net->pairs[i].index = i;
		net->pairs[i].tap.fd = -1;
		net->pairs[i].tap.fn = vmsg_net_tap;
		net->pairs[i].tap.arg = &net->pairs[i];
		net->pairs[i].send.fn = vmsg_net_send;
		net->pairs[i].send.arg = &net->pairs[i];
	}
	memcpy(net->mac, params->mac, ETH_ALEN);
	if (!params->has_mac) {
		/* Locally administered, and no group. */
		if (getrandom(net->mac, ETH_ALEN, 0) != ETH_ALEN)
			memset(net->mac, 0, ETH_ALEN);
		net->mac[0] = (net->mac[0] & 0xfc) | 2;
	}
	memcpy(net->config.mac, net->mac, ETH_ALEN);
	net->config.max_virtqueue_pairs = htole16(num_pairs);
	net->config.mtu = htole16(params->mtu);
	return net;
}

static bool vmsg_net_good_sizes(const struct vmsg_net_params *params)
{
	uint32_t size = params->queue_size;

	return params->queues <= VMSG_NET_MAX_PAIRS &&
	       (!size || (size >= 4 && size <= 32768 && !(size & (size - 1))));
}

static const char *vmsg_net_advice(const struct vmsg_net *net, int error)
{
	if (net->is_tap)
		return vmsg_net_tap_advice(error);
	switch (error) {
	case -EBUSY:
		return "two devices are connected by that name already; choose another one";
	case -EXDEV:
		return "both ends need the same offloads= and the same program";
	default:
		return "try again";
	}
}

static struct vmsg_device *
vmsg_net_put_onto(struct vmsg_bus *bus, uint32_t num,
		  const struct vmsg_net_params *params)
{
	unsigned int pairs = params->queues ? params->queues : 1;
	uint16_t sizes[2 * VMSG_NET_MAX_PAIRS + 1];
	struct vmsg_device_desc desc = {
		.name = "net",
		.ops = &vmsg_net_ops,
		.device_id = VIRTIO_ID_NET,
		.features[0] = VMSG_BIT(VIRTIO_NET_F_MAC) |
			       VMSG_BIT(VIRTIO_NET_F_STATUS) |
			       VMSG_BIT(VIRTIO_NET_F_MRG_RXBUF) |
			       VMSG_BIT(VIRTIO_NET_F_CTRL_VQ) |
			       VMSG_BIT(VIRTIO_NET_F_CTRL_RX) |
			       VMSG_BIT(VIRTIO_NET_F_CTRL_VLAN) |
			       VMSG_BIT(VIRTIO_NET_F_CTRL_MAC_ADDR),
		.config_size = offsetof(struct virtio_net_config, speed),
		.num_queues = 2 * pairs + 1,
		.queue_sizes = sizes,
	};
	struct vmsg_net *net;
	uint32_t i;
	int ret;

	if (!vmsg_net_good_sizes(params)) {
		vmsg_warn("net: %u pairs of queues of %u descriptors are not possible; choose up to %u, and a power of two from 4 to 32768",
			  params->queues, params->queue_size,
			  VMSG_NET_MAX_PAIRS);
		errno = EINVAL;
		return NULL;
	}
	net = vmsg_net_make(bus, params, pairs);
	if (!net)
		return NULL;
	for (i = 0; i < desc.num_queues; i++)
		sizes[i] = i == 2 * pairs ? 64 : net->queue_size;
	if (net->offloads)
		desc.features[0] |= VMSG_NET_OFFLOADS;
	if (params->mtu)
		desc.features[0] |= VMSG_BIT(VIRTIO_NET_F_MTU);
	if (pairs > 1)
		desc.features[0] |= VMSG_BIT(VIRTIO_NET_F_MQ);
	memcpy(desc.uuid, params->uuid, sizeof(desc.uuid));
	desc.priv = net;
	ret = vmsg_net_open(net);
	if (ret) {
		vmsg_warn("net: %s %s cannot be used: %s; %s",
			  net->is_tap ? "tap" : "pair", net->name,
			  strerror(-ret), vmsg_net_advice(net, ret));
		goto err;
	}
	net->dev = vmsg_device_add(bus, num, &desc);
	if (net->dev) {
		vmsg_net_update_link(net);
		if (net->peer)
			vmsg_net_update_link(net->peer);
		return net->dev;
	}
	ret = -errno;
	vmsg_warn("net %s: cannot be device %lld: %s; choose another number",
		  net->name, num == VMSG_ANY_NUM ? -1LL : (long long)num,
		  strerror(-ret));

err:
	vmsg_net_free(net);
	errno = -ret;
	return NULL;
}

static int vmsg_net_read_mac(const char *text, uint8_t *mac)
{
	int end = -1;

	if (sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &mac[0],
		   &mac[1], &mac[2], &mac[3], &mac[4], &mac[5], &end) != 6 ||
	    text[end] || mac[0] & 1)
		return -EINVAL;
	return 0;
}

static int vmsg_net_name(const char *value, const char **name)
{
	*name = value;
	if (!*value)
		return -EINVAL;
	return strlen(value) < IFNAMSIZ ? 0 : -ERANGE;
}

static int vmsg_net_set(void *params, const char *key, const char *value)
{
	struct vmsg_net_params *net = params;
	int ret;

	if (!strcmp(key, "tap"))
		return vmsg_net_name(value, &net->tap);
	if (!strcmp(key, "pair"))
		return vmsg_net_name(value, &net->pair);
	if (!strcmp(key, "mac")) {
		net->has_mac = true;
		return vmsg_net_read_mac(value, net->mac);
	}
	if (!strcmp(key, "mtu")) {
		ret = vmsg_number_u32(value, UINT16_MAX, &net->mtu);
		return !ret && net->mtu < VMSG_NET_MIN_MTU ? -ERANGE : ret;
	}
	if (!strcmp(key, "queues"))
		return vmsg_number_u32(value, VMSG_NET_MAX_PAIRS, &net->queues);
	if (!strcmp(key, "queue-size"))
		return vmsg_number_u32(value, 32768, &net->queue_size);
	if (!strcmp(key, "offloads")) {
		net->no_offloads = !strcmp(value, "off");
		return net->no_offloads || !strcmp(value, "on") ? 0 : -EINVAL;
	}
	return -ENOENT;
}

static struct vmsg_device *vmsg_net_add(struct vmsg_bus *bus, uint32_t num,
					const uint8_t uuid[16], void *params)
{
	struct vmsg_net_params *net = params;

	if (!net->tap == !net->pair) {
		vmsg_warn("net: where should packets go? Say either tap=NAME or pair=NAME");
		errno = EINVAL;
		return NULL;
	}
	net->uuid = uuid;
	return vmsg_net_put_onto(bus, num, net);
}

/* link up|down */
static int vmsg_net_command(struct vmsg_device *dev, const char *word,
			    char *args)
{
	struct vmsg_net *net = vmsg_device_priv(dev);
	bool up = !strcmp(args, "up");

	if (strcmp(word, "link"))
		return -ENOENT;
	if (!up && strcmp(args, "down"))
		return -EINVAL;
	net->up = up;
	vmsg_net_update_link(net);
	if (net->peer)
		vmsg_net_update_link(net->peer);
	return 0;
}

const struct vmsg_model vmsg_net_model = {
	.name = "net",
	.help =
"  --net tap=NAME|pair=NAME[,KEY=VALUE]...   network device\n"
"      tap=NAME         on this tap interface, made if it is not there\n"
"      pair=NAME        back to back with the other one of this name\n"
"      mac=MAC          its address (a random one)\n"
"      mtu=N            the largest packet, 68 to 65535 (the driver's choice)\n"
"      queues=N         pairs of queues (1)\n"
"      queue-size=N     descriptors of each queue (256)\n"
"      offloads=off     whole packets with whole checksums only\n",
	.ops = &vmsg_net_ops,
	.params_size = sizeof(struct vmsg_net_params),
	.set = vmsg_net_set,
	.add = vmsg_net_add,
	.command = vmsg_net_command,
};
