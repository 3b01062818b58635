// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg: a device whose work is done by a vhost-user back end.
 *
 * The messages of the driver end here and become messages to the back end. The
 * rings do not: the back end gets the memory and one eventfd for each direction
 * of a queue, the kernel gets the same two, and from then on they need nobody
 * in between. So the bus has to be one of vmsg_bus_params.messages: the library
 * is not to make eventfds itself. It reads no ring, for queue() below takes no
 * buffer; except for the control queue of network devices, which back ends do
 * not know: the library serves that one, with messages for notifications.
 *
 * Device addresses are what the back end calls guest addresses, and those that
 * it calls user addresses as well: all of it is one region of one file.
 *
 * The back end may end at any time. If it kept notes of what it was working on
 * (INFLIGHT_SHMFD), or gives buffers back in order, the next one goes on from
 * there and the driver notices nothing; otherwise the device needs a reset. One
 * that does not answer keeps the memory that it may write to: the reset of the
 * driver is then not finished before it answers or ends.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>

#include "internal.h"
#include "models.h"
#include "vhost_conn.h"
#include "vhost_kind.h"
#include "vhost_net.h"

#define VHOST_WAIT_MS		3000u
#define VHOST_RETRY_MS		250u
#define VHOST_QUEUE_SIZE	256u
#define VHOST_MAX_QUEUES	256u

/* Device features that are between driver and back end. */
#define VHOST_DEVICE_FEATURES	(~0ULL << 50 | 0xffffffULL)
/* And ring features. There is no notification but an eventfd's. */
#define VHOST_RING_FEATURES						\
	(VMSG_BIT(VMSG_F_INDIRECT_DESC) | VMSG_BIT(VMSG_F_EVENT_IDX) |	\
	 VMSG_BIT(VMSG_F_RING_PACKED) | VMSG_BIT(VMSG_F_IN_ORDER))

#define VHOST_PROTOCOL							\
	(VMSG_BIT(VHOST_PROTO_MQ) | VMSG_BIT(VHOST_PROTO_REPLY_ACK) |	\
	 VMSG_BIT(VHOST_PROTO_BACKEND_REQ) |				\
	 VMSG_BIT(VHOST_PROTO_CONFIG) |					\
	 VMSG_BIT(VHOST_PROTO_INFLIGHT_SHMFD) |				\
	 VMSG_BIT(VHOST_PROTO_RESET_DEVICE) |				\
	 VMSG_BIT(VHOST_PROTO_STATUS))

/* Where an index in a used ring is. */
#define VHOST_USED_IDX		2

enum vhost_queue_state {
	VHOST_QUEUE_IDLE,
	VHOST_QUEUE_RUNNING,
	/* The back end has been told to stop it. */
	VHOST_QUEUE_STOPPING,
	/* It was running when the back end ended, and goes on with the next. */
	VHOST_QUEUE_LOST,
};

struct vhost_queue {
	enum vhost_queue_state state;
	/* The back end has been told to work on it, not just where it is. */
	bool active;
	int kick_fd;
	int call_fd;
};

struct vhost_user {
	struct vmsg_bus *bus;
	struct vmsg_device *dev;
	struct vhost_conn conn;
	struct vmsg_watch timer;
	const struct vhost_kind *kind;
	struct vmsg_vhost_params params;

	/* Of the connected back end. */
	uint64_t features;
	uint64_t protocol;
	uint32_t queue_num;
	/* It knows what the driver has chosen. */
	bool told;

	/* Of the device. */
	uint64_t offered;
	uint8_t config[VHOST_CONFIG_MAX];
	uint32_t config_size;
	bool own_config;
	struct vhost_queue *queues;
	uint32_t num_queues;
	/* Those that the first back end has had, at most. */
	uint32_t num_rings;
	struct vhost_net net;
	struct vhost_inflight inflight;
	int inflight_fd;
	bool running;
	bool resetting;
};

static bool vhost_user_has(const struct vhost_user *v, unsigned int protocol)
{
	return v->protocol & VMSG_BIT(protocol);
}

static void vhost_user_timer_set(struct vhost_user *v, uint32_t ms)
{
	struct itimerspec spec = {
		.it_value.tv_sec = ms / 1000,
		.it_value.tv_nsec = ms % 1000 * 1000000L,
	};

	timerfd_settime(v->timer.fd, 0, &spec, NULL);
}

/* Negotiation ------------------------------------------------------------ */

/* Read the configuration space; returns 1 when it has changed. */
static int vhost_user_read_config(struct vhost_user *v)
{
	struct vhost_config config = { .size = v->config_size };
	struct vhost_rx answer;
	uint32_t len = VHOST_CONFIG_HEAD + config.size;
	int ret;

	if (v->own_config || !config.size)
		return 0;
	ret = vhost_conn_ask(&v->conn, VHOST_GET_CONFIG, &config, len, &answer);
	if (ret)
		return ret;
	if (answer.fd >= 0)
		close(answer.fd);
	config = answer.msg.body.config;
	if (answer.msg.head.size != len || config.offset ||
	    config.size != v->config_size) {
		vmsg_warn("%s: the back end has no %u bytes of configuration space for a %s device; is it of another kind? (--device)",
			  v->params.path, v->config_size, v->kind->name);
		return -EINVAL;
	}
	if (v->num_queues)
		vhost_kind_limit_queues(v->kind, v->num_queues, config.data);
	if (!memcmp(v->config, config.data, v->config_size))
		return 0;
	memcpy(v->config, config.data, v->config_size);
	return 1;
}

static int vhost_user_protocol(struct vhost_user *v)
{
	struct vhost_conn *conn = &v->conn;
	int ret;

	ret = vhost_conn_get_number(conn, VHOST_GET_PROTOCOL_FEATURES,
				    &v->protocol);
	v->protocol &= VHOST_PROTOCOL;
	/* The channel is good for nothing but this. */
	if (!vhost_user_has(v, VHOST_PROTO_CONFIG))
		v->protocol &= ~VMSG_BIT(VHOST_PROTO_BACKEND_REQ);
	if (!ret)
		ret = vhost_conn_set_number(conn, VHOST_SET_PROTOCOL_FEATURES,
					    v->protocol, -1);
	conn->acks = vhost_user_has(v, VHOST_PROTO_REPLY_ACK);
	return ret;
}

/* All that does not depend on the driver. */
static int vhost_user_negotiate(struct vhost_user *v)
{
	struct vhost_conn *conn = &v->conn;
	uint64_t number = VHOST_MAX_QUEUES;
	int ret;

	v->protocol = 0;
	v->told = false;
	vhost_conn_begin(conn);
	ret = vhost_conn_get_number(conn, VHOST_GET_FEATURES, &v->features);
	if (!ret && v->features & VMSG_BIT(VHOST_F_PROTOCOL_FEATURES))
		ret = vhost_user_protocol(v);
	if (!ret)
		ret = vhost_conn_set(conn, VHOST_SET_OWNER, NULL, 0, -1);
	if (!ret && vhost_user_has(v, VHOST_PROTO_MQ))
		ret = vhost_conn_get_number(conn, VHOST_GET_QUEUE_NUM, &number);
	if (!ret && vhost_user_has(v, VHOST_PROTO_BACKEND_REQ))
		ret = vhost_conn_channel(conn);
	if (ret)
		return ret;
	if (!(v->features & VMSG_BIT(VMSG_F_VERSION_1))) {
		vmsg_warn("%s: the back end knows legacy virtio only; use a newer one",
			  v->params.path);
		return -EPROTO;
	}
	if (!number) {
		vmsg_warn("%s: the back end has no queues", v->params.path);
		return -EPROTO;
	}
	v->queue_num = number < VHOST_MAX_QUEUES ? number : VHOST_MAX_QUEUES;
	return 0;
}

/*
 * Queue pairs of a back end that is a network card: what GET_QUEUE_NUM is about
 * then, to DPDK at least.
 */
static uint32_t vhost_user_max_pairs(const struct vhost_user *v)
{
	if (!vhost_user_has(v, VHOST_PROTO_MQ) ||
	    !(v->features & VMSG_BIT(VIRTIO_NET_F_MQ)))
		return 1;
	return v->queue_num < VHOST_NET_MAX_PAIRS ? v->queue_num :
						    VHOST_NET_MAX_PAIRS;
}

/* Queues that the back end has, as far as it says so. */
static uint32_t vhost_user_max_rings(const struct vhost_user *v)
{
	return v->net.pairs ? 2 * vhost_user_max_pairs(v) : v->queue_num;
}

/* Queues that the back end serves, with what the driver has chosen. */
static uint32_t vhost_user_rings(const struct vhost_user *v)
{
	return v->net.pairs ? vhost_net_rings(&v->net) : v->num_rings;
}

/* Tell what the driver has chosen, as far as that is the back end's matter. */
static int vhost_user_tell(struct vhost_user *v)
{
	struct vhost_conn *conn = &v->conn;
	uint64_t features = v->dev->features[0] & v->features &
		(VHOST_DEVICE_FEATURES | VHOST_RING_FEATURES |
		 VMSG_BIT(VMSG_F_VERSION_1));
	uint64_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
			  VIRTIO_CONFIG_S_FEATURES_OK;
	int ret;

	/* The control queue is between driver and us. */
	if (v->net.pairs)
		features &= ~VMSG_BIT(VIRTIO_NET_F_CTRL_VQ);
	/* Without this, all the protocol features are off. */
	features |= v->features & VMSG_BIT(VHOST_F_PROTOCOL_FEATURES);
	ret = vhost_conn_set_acked(conn, VHOST_SET_FEATURES, &features,
				   sizeof(features), -1);
	if (!ret && vhost_user_has(v, VHOST_PROTO_STATUS))
		ret = vhost_conn_set_number(conn, VHOST_SET_STATUS, status, -1);
	if (!ret && vhost_user_has(v, VHOST_PROTO_STATUS))
		ret = vhost_conn_get_number(conn, VHOST_GET_STATUS, &status);
	if (!ret && !(status & VIRTIO_CONFIG_S_FEATURES_OK)) {
		vmsg_warn("%s: the back end refuses features %#llx",
			  v->params.path, (unsigned long long)features);
		ret = -EPROTO;
	}
	v->told = !ret;
	return ret;
}

/* Start and stop --------------------------------------------------------- */

static int vhost_user_give_memory(struct vhost_user *v)
{
	struct vmsg_link *link = vmsg_bus_link(v->bus);
	struct vhost_memory table = { .num = 1 };
	struct vmsg_memory memory;
	int ret;

	ret = link->ops->memory(link, &memory);
	if (ret)
		return ret;
	table.guest = memory.addr;
	table.user = memory.addr;
	table.size = memory.size;
	return vhost_conn_set_acked(&v->conn, VHOST_SET_MEM_TABLE, &table,
				    sizeof(table), memory.fd);
}

/* What it notes belongs to one life of the device, over several back ends. */
static int vhost_user_give_inflight(struct vhost_user *v)
{
	struct vhost_inflight want = { .num_queues = vhost_user_rings(v) };
	struct vhost_rx answer;
	struct vmsg_vq *vq;
	uint32_t i;
	int ret;

	if (!vhost_user_has(v, VHOST_PROTO_INFLIGHT_SHMFD))
		return 0;
	for (i = 0; i < want.num_queues; i++) {
		vq = vmsg_device_vq(v->dev, i);
		if (vq->size > want.queue_size)
			want.queue_size = vq->size;
	}
	if (v->inflight_fd < 0) {
		ret = vhost_conn_ask(&v->conn, VHOST_GET_INFLIGHT_FD, &want,
				     sizeof(want), &answer);
		if (ret)
			return ret;
		v->inflight = answer.msg.body.inflight;
		v->inflight_fd = answer.fd;
		if (answer.msg.head.size < VHOST_INFLIGHT_LEN ||
		    !v->inflight.size || answer.fd < 0)
			return vhost_conn_give_up(&v->conn,
				"has answered GET_INFLIGHT_FD without memory");
	}
	v->inflight.num_queues = want.num_queues;
	v->inflight.queue_size = want.queue_size;
	return vhost_conn_set_acked(&v->conn, VHOST_SET_INFLIGHT_FD,
				    &v->inflight, sizeof(v->inflight),
				    v->inflight_fd);
}

static void vhost_user_signal(int fd)
{
	uint64_t one = 1;

	/* Too many at once are as good as one. */
	if (write(fd, &one, sizeof(one)) < 0)
		return;
}

/* Eventfds are made once and live as long as the device. */
static int vhost_user_tie(struct vhost_user *v, uint32_t index)
{
	struct vmsg_link *link = vmsg_bus_link(v->bus);
	struct vhost_queue *queue = &v->queues[index];

	if (queue->kick_fd < 0)
		queue->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (queue->call_fd < 0)
		queue->call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (queue->kick_fd < 0 || queue->call_fd < 0)
		return -errno;
	return link->ops->queue(link, v->dev->num, index, queue->kick_fd,
				queue->call_fd);
}

/* Where the back end is to go on: all that it gave back has been given back. */
static uint32_t vhost_user_base(struct vhost_user *v, struct vmsg_vq *vq)
{
	uint16_t used;

	if (v->queues[vq->index].state == VHOST_QUEUE_LOST) {
		memcpy(&used, (char *)vq->area[VMSG_AREA_DEVICE] +
		       VHOST_USED_IDX, sizeof(used));
		return le16toh(used);
	}
	/* Both wrap counters of a packed ring begin with 1. */
	return vmsg_device_has_feature(v->dev, VMSG_F_RING_PACKED) ?
	       0x80008000 : 0;
}

/* Does the driver want the back end to work on a queue that is set up? */
static int vhost_user_activate_queue(struct vhost_user *v, uint32_t index)
{
	struct vhost_queue *queue = &v->queues[index];
	struct vhost_state state = { .index = index };
	int ret;

	queue->active = !v->net.pairs || vhost_net_is_active(&v->net, index);
	state.num = queue->active;
	if (!(v->features & VMSG_BIT(VHOST_F_PROTOCOL_FEATURES)))
		return 0;
	ret = vhost_conn_set_acked(&v->conn, VHOST_SET_VRING_ENABLE, &state,
				   sizeof(state), -1);
	/* A kick that came before may have been ignored. */
	if (!ret && queue->active)
		vhost_user_signal(queue->kick_fd);
	return ret;
}

/* The driver wants to use more or fewer queue pairs: see vhost_net.activate. */
static bool vhost_user_activate(void *arg)
{
	struct vhost_user *v = arg;
	uint32_t i, rings = vhost_user_rings(v);
	int ret = 0;

	vhost_conn_begin(&v->conn);
	for (i = 0; !ret && i < rings; i++) {
		if (v->queues[i].state == VHOST_QUEUE_RUNNING &&
		    v->queues[i].active != vhost_net_is_active(&v->net, i))
			ret = vhost_user_activate_queue(v, i);
	}
	/* Without a back end it is the next one that is told. */
	return ret != -EINVAL;
}

static int vhost_user_start_queue(struct vhost_user *v, uint32_t index)
{
	struct vmsg_vq *vq = vmsg_device_vq(v->dev, index);
	struct vhost_queue *queue = &v->queues[index];
	struct vhost_conn *conn = &v->conn;
	struct vhost_state state = { .index = index };
	struct vhost_addr addr = {
		.index = index,
		.desc = vq->addr[VMSG_AREA_DESC],
		.avail = vq->addr[VMSG_AREA_DRIVER],
		.used = vq->addr[VMSG_AREA_DEVICE],
	};
	int ret = vhost_user_tie(v, index);

	if (ret) {
		vmsg_warn("device %u (%s): queue %u has no eventfds: %s; is this the loopback bus?",
			  v->dev->num, v->dev->name, index, strerror(-ret));
		return ret;
	}
	state.num = vq->size;
	ret = vhost_conn_set(conn, VHOST_SET_VRING_NUM, &state, sizeof(state),
			     -1);
	state.num = vhost_user_base(v, vq);
	if (!ret)
		ret = vhost_conn_set(conn, VHOST_SET_VRING_BASE, &state,
				     sizeof(state), -1);
	if (!ret)
		ret = vhost_conn_set_acked(conn, VHOST_SET_VRING_ADDR, &addr,
					   sizeof(addr), -1);
	if (ret)
		return ret;
	/* From here on it may be at work, whatever it answers. */
	queue->state = VHOST_QUEUE_RUNNING;
	ret = vhost_conn_set_number(conn, VHOST_SET_VRING_CALL, index,
				    queue->call_fd);
	if (!ret)
		ret = vhost_conn_set_number(conn, VHOST_SET_VRING_KICK, index,
					    queue->kick_fd);
	return ret ? ret : vhost_user_activate_queue(v, index);
}

/* The last ones may be nobody's: vsock's events, for one. */
static bool vhost_user_wants_queue(struct vhost_user *v, uint32_t index)
{
	struct vmsg_vq *vq = vmsg_device_vq(v->dev, index);

	return index < vhost_user_rings(v) && vq->enabled &&
	       v->queues[index].state != VHOST_QUEUE_RUNNING &&
	       v->queues[index].state != VHOST_QUEUE_STOPPING;
}

/* Start all enabled queues, anew or where the last back end has left them. */
static int vhost_user_start(struct vhost_user *v)
{
	uint64_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
			  VIRTIO_CONFIG_S_FEATURES_OK |
			  VIRTIO_CONFIG_S_DRIVER_OK;
	uint32_t i;
	int ret;

	vhost_conn_begin(&v->conn);
	ret = v->told ? 0 : vhost_user_tell(v);
	if (!ret)
		ret = vhost_user_give_memory(v);
	if (!ret)
		ret = vhost_user_give_inflight(v);
	for (i = 0; !ret && i < v->num_queues; i++) {
		if (vhost_user_wants_queue(v, i))
			ret = vhost_user_start_queue(v, i);
	}
	if (!ret && vhost_user_has(v, VHOST_PROTO_STATUS))
		ret = vhost_conn_set_number(&v->conn, VHOST_SET_STATUS, status,
					    -1);
	return ret;
}

static void vhost_user_broken(struct vhost_user *v)
{
	v->running = false;
	vmsg_warn("device %u (%s): it has no back end that works; unbind and bind its driver when there is one",
		  v->dev->num, v->dev->name);
	vmsg_device_needs_reset(v->dev);
}

static bool vhost_user_any_stopping(const struct vhost_user *v)
{
	uint32_t i;

	for (i = 0; i < v->num_queues; i++) {
		if (v->queues[i].state == VHOST_QUEUE_STOPPING)
			return true;
	}
	return false;
}

/* Returns true when the back end will say that it is done, or end. */
static bool vhost_user_stop_queue(struct vhost_user *v, uint32_t index)
{
	struct vhost_queue *queue = &v->queues[index];

	if (queue->state == VHOST_QUEUE_RUNNING && v->conn.watch.fd >= 0) {
		queue->state = VHOST_QUEUE_STOPPING;
		/* An error is the end, which comes for all of them. */
		vhost_conn_stop(&v->conn, index);
	} else if (queue->state != VHOST_QUEUE_STOPPING) {
		queue->state = VHOST_QUEUE_IDLE;
		return false;
	}
	vhost_user_timer_set(v, v->conn.wait_ms);
	return true;
}

/* The back end touches nothing any more. */
static void vhost_user_reset_done(struct vhost_user *v)
{
	v->told = false;
	if (v->inflight_fd >= 0)
		close(v->inflight_fd);
	v->inflight_fd = -1;
	if (!vhost_conn_up(&v->conn))
		return;
	if (vhost_user_has(v, VHOST_PROTO_RESET_DEVICE))
		vhost_conn_set(&v->conn, VHOST_RESET_DEVICE, NULL, 0, -1);
	if (vhost_user_has(v, VHOST_PROTO_STATUS))
		vhost_conn_set_number(&v->conn, VHOST_SET_STATUS, 0, -1);
}

/* A queue of @index is not the back end's any more. */
static void vhost_user_queue_idle(struct vhost_user *v, uint32_t index)
{
	v->queues[index].state = VHOST_QUEUE_IDLE;
	if (!v->resetting)
		vmsg_vq_reset_done(vmsg_device_vq(v->dev, index));
}

static void vhost_user_settle(struct vhost_user *v)
{
	if (vhost_user_any_stopping(v))
		return;
	if (v->conn.watch.fd >= 0)
		vhost_user_timer_set(v, 0);
	if (!v->resetting)
		return;
	v->resetting = false;
	vhost_user_reset_done(v);
	vmsg_device_reset_done(v->dev);
}

/* The back end ------------------------------------------------------------ */

static void vhost_user_stopped(void *arg, uint32_t index)
{
	struct vhost_user *v = arg;

	if (index >= v->num_queues ||
	    v->queues[index].state != VHOST_QUEUE_STOPPING) {
		vhost_conn_give_up(&v->conn, "has stopped queue %u, which it was not asked to",
				   index);
		return;
	}
	vhost_user_queue_idle(v, index);
	vhost_user_settle(v);
}

static void vhost_user_config_changed(void *arg)
{
	struct vhost_user *v = arg;

	vhost_conn_begin(&v->conn);
	if (vhost_user_read_config(v) > 0)
		vmsg_device_config_changed(v->dev, 0, v->config_size,
					   VMSG_CONFIG_GENERIC);
}

/* Can another back end go on where this one stops? */
static bool vhost_user_survives(const struct vhost_user *v)
{
	bool in_order = v->kind->in_order ||
			vmsg_device_has_feature(v->dev, VMSG_F_IN_ORDER);

	/* Where a packed ring was used up to is only in the device's head. */
	return v->running && (v->inflight_fd >= 0 || in_order) &&
	       !vmsg_device_has_feature(v->dev, VMSG_F_RING_PACKED);
}

static void vhost_user_lost(void *arg)
{
	struct vhost_user *v = arg;
	bool survives = vhost_user_survives(v);
	uint32_t i;

	vmsg_warn("%s: the back end has gone; %s", v->params.path,
		  survives ? "I/O goes on when it is started again" :
		  "start it again");
	v->told = false;
	for (i = 0; i < v->num_queues; i++) {
		switch (v->queues[i].state) {
		case VHOST_QUEUE_STOPPING:
			vhost_user_queue_idle(v, i);
			break;
		case VHOST_QUEUE_RUNNING:
			v->queues[i].state = survives ? VHOST_QUEUE_LOST :
							VHOST_QUEUE_IDLE;
			break;
		default:
			break;
		}
	}
	vhost_user_settle(v);
	if (v->running && !survives)
		vhost_user_broken(v);
	vhost_user_timer_set(v, VHOST_RETRY_MS);
}

/* Is the next back end the device that the driver knows? */
static int vhost_user_same(struct vhost_user *v)
{
	uint64_t gone = v->offered & ~v->features & (VHOST_DEVICE_FEATURES |
						     VHOST_RING_FEATURES);
	int ret;

	if (v->own_config)
		gone &= ~v->kind->hidden;
	if (gone || vhost_user_max_rings(v) < v->num_rings) {
		vmsg_warn("%s: the new back end is not like the last one: it lacks features %#llx, and has %u of %u queues",
			  v->params.path, (unsigned long long)gone,
			  vhost_user_max_rings(v), v->num_rings);
		return -EPROTO;
	}
	ret = vhost_user_read_config(v);
	if (ret > 0)
		vmsg_device_config_changed(v->dev, 0, v->config_size,
					   VMSG_CONFIG_GENERIC);
	return ret < 0 ? ret : 0;
}

static int vhost_user_resume(struct vhost_user *v)
{
	uint32_t i;
	int ret;

	ret = vhost_user_start(v);
	if (ret)
		return ret;
	/* What was signalled to the last back end, or by it, may be lost. */
	for (i = 0; i < v->num_queues; i++) {
		if (v->queues[i].state != VHOST_QUEUE_RUNNING)
			continue;
		vhost_user_signal(v->queues[i].kick_fd);
		vhost_user_signal(v->queues[i].call_fd);
	}
	return 0;
}

static void vhost_user_retry(struct vhost_user *v)
{
	int ret = vhost_conn_open(&v->conn);

	if (ret) {
		vhost_user_timer_set(v, VHOST_RETRY_MS);
		return;
	}
	ret = vhost_user_negotiate(v);
	if (!ret)
		ret = vhost_user_same(v);
	if (ret) {
		vhost_conn_close(&v->conn);
		vhost_user_timer_set(v, v->conn.wait_ms);
		return;
	}
	vmsg_warn("%s: the back end is there again", v->params.path);
	if (v->running && vhost_user_resume(v))
		vhost_user_broken(v);
}

static void vhost_user_timer(void *arg, uint32_t events)
{
	struct vhost_user *v = arg;
	uint64_t count;

	(void)events;
	if (read(v->timer.fd, &count, sizeof(count)) < 0)
		return;
	if (v->conn.watch.fd < 0)
		vhost_user_retry(v);
	else if (vhost_user_any_stopping(v))
		vmsg_warn("%s: the back end has not answered GET_VRING_BASE within %u ms; its memory is kept until it answers or ends",
			  v->params.path, v->conn.wait_ms);
}

static const struct vhost_conn_ops vhost_user_conn_ops = {
	.stopped = vhost_user_stopped,
	.config_changed = vhost_user_config_changed,
	.lost = vhost_user_lost,
};

/* The driver -------------------------------------------------------------- */

/*
 * A queue may have buffers: at DRIVER_OK, when it has been enabled after that,
 * and when a kick came as a message.
 */
static void vhost_user_queue(struct vmsg_device *dev, struct vmsg_vq *vq)
{
	struct vhost_user *v = vmsg_device_priv(dev);
	struct vhost_queue *queue = &v->queues[vq->index];

	if (!v->running)
		return;
	if (v->net.pairs && vhost_net_is_control(&v->net, vq->index)) {
		vhost_net_control(&v->net, vq);
		return;
	}
	if (queue->state == VHOST_QUEUE_IDLE &&
	    vhost_user_wants_queue(v, vq->index)) {
		vhost_conn_begin(&v->conn);
		if (vhost_user_start_queue(v, vq->index)) {
			vhost_user_broken(v);
			return;
		}
	}
	if (queue->kick_fd >= 0)
		vhost_user_signal(queue->kick_fd);
}

static int vhost_user_features_ok(struct vmsg_device *dev,
				  const uint64_t features[2])
{
	struct vhost_user *v = vmsg_device_priv(dev);

	if (v->net.pairs && features[0] & VMSG_BIT(VIRTIO_NET_F_MQ) &&
	    !(features[0] & VMSG_BIT(VIRTIO_NET_F_CTRL_VQ)))
		return -EINVAL;
	if (!vhost_conn_up(&v->conn)) {
		vmsg_warn("device %u (%s): its driver cannot start it without a back end; start that first",
			  dev->num, dev->name);
		return -ENOTCONN;
	}
	vhost_conn_begin(&v->conn);
	return vhost_user_tell(v);
}

static void vhost_user_config_read(struct vmsg_device *dev, uint32_t offset,
				   void *buf, uint32_t len)
{
	struct vhost_user *v = vmsg_device_priv(dev);

	memcpy(buf, v->config + offset, len);
}

static int vhost_user_config_write(struct vmsg_device *dev, uint32_t offset,
				   const void *buf, uint32_t len)
{
	struct vhost_user *v = vmsg_device_priv(dev);
	struct vhost_config config = { .offset = offset, .size = len };
	int ret;

	if (v->own_config || !vhost_user_has(v, VHOST_PROTO_CONFIG))
		return -EPERM;
	memcpy(config.data, buf, len);
	vhost_conn_begin(&v->conn);
	ret = vhost_conn_set_acked(&v->conn, VHOST_SET_CONFIG, &config,
				   VHOST_CONFIG_HEAD + len, -1);
	/* What that has changed, there and elsewhere, is for it to say. */
	return ret ? ret : vhost_user_read_config(v);
}

static void vhost_user_status(struct vmsg_device *dev, uint8_t status)
{
	struct vhost_user *v = vmsg_device_priv(dev);

	/* Without a channel a change is not noticed before somebody looks. */
	if (status == (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER) &&
	    v->conn.channel.fd < 0 && vhost_conn_up(&v->conn))
		vhost_user_config_changed(v);
	if (!(status & VIRTIO_CONFIG_S_DRIVER_OK) || v->running)
		return;
	v->running = !vhost_user_start(v);
	if (!v->running)
		vhost_user_broken(v);
}

static int vhost_user_reset(struct vmsg_device *dev)
{
	struct vhost_user *v = vmsg_device_priv(dev);
	bool later = false;
	uint32_t i;

	v->running = false;
	v->net.active = 1;
	vhost_conn_begin(&v->conn);
	for (i = 0; i < v->num_queues; i++)
		later |= vhost_user_stop_queue(v, i);
	if (!later) {
		vhost_user_reset_done(v);
		return 0;
	}
	v->resetting = true;
	return VMSG_LATER;
}

static int vhost_user_queue_reset(struct vmsg_device *dev, struct vmsg_vq *vq)
{
	struct vhost_user *v = vmsg_device_priv(dev);

	vhost_conn_begin(&v->conn);
	return vhost_user_stop_queue(v, vq->index) ? VMSG_LATER : 0;
}

static void vhost_user_free(struct vhost_user *v)
{
	uint32_t i;

	vhost_conn_close(&v->conn);
	if (v->timer.fd >= 0) {
		vmsg_loop_unwatch(vmsg_bus_loop(v->bus), &v->timer);
		close(v->timer.fd);
	}
	for (i = 0; i < v->num_queues; i++) {
		if (v->queues[i].kick_fd >= 0)
			close(v->queues[i].kick_fd);
		if (v->queues[i].call_fd >= 0)
			close(v->queues[i].call_fd);
	}
	if (v->inflight_fd >= 0)
		close(v->inflight_fd);
	free(v->queues);
	free((char *)v->params.path);
	free(v);
}

static void vhost_user_release(struct vmsg_device *dev)
{
	vhost_user_free(vmsg_device_priv(dev));
}

static const struct vmsg_device_ops vhost_user_ops = {
	.queue = vhost_user_queue,
	.features_ok = vhost_user_features_ok,
	.config_read = vhost_user_config_read,
	.config_write = vhost_user_config_write,
	.status = vhost_user_status,
	.reset = vhost_user_reset,
	.queue_reset = vhost_user_queue_reset,
	.release = vhost_user_release,
};

/* Setting up -------------------------------------------------------------- */

static int vhost_user_find_kind(struct vhost_user *v)
{
	bool has_config = vhost_user_has(v, VHOST_PROTO_CONFIG);

	v->kind = v->params.device ?
		  vhost_kind_find(v->params.device) :
		  vhost_kind_guess(v->features, has_config);
	if (v->kind)
		return 0;
	if (v->params.device)
		vmsg_warn("%s: no kind of device is called '%s'; see --help",
			  v->params.path, v->params.device);
	else
		vmsg_warn("%s: the back end could be several kinds of devices; say --device KIND",
			  v->params.path);
	return -EINVAL;
}

/*
 * How many queue pairs a network card has. More than one for those who ask: DPDK
 * says 128 even if it looks at one of them, and what is sent by another is lost.
 */
static void vhost_user_choose_pairs(struct vhost_user *v)
{
	uint32_t have = vhost_user_max_pairs(v);

	v->net.pairs = v->params.queues ? v->params.queues : 1;
	if (v->net.pairs > have) {
		vmsg_warn("%s: --queues %u is more than the back end has; the card gets %u",
			  v->params.path, v->net.pairs, have);
		v->net.pairs = have;
	}
	v->params.queues = v->net.pairs;
	v->net.active = 1;
	v->net.activate = vhost_user_activate;
	v->net.arg = v;
}

/* What the driver is going to see. */
static int vhost_user_describe(struct vhost_user *v)
{
	const struct vhost_kind *kind = v->kind;
	uint64_t own = 0;
	uint32_t queues;
	int ret;

	if (kind->device_id == VIRTIO_ID_NET)
		vhost_user_choose_pairs(v);
	v->config_size = vhost_kind_own_config(kind, &v->params, v->config,
					       &own);
	v->own_config = v->config_size;
	if (!v->own_config) {
		v->config_size = vhost_kind_config_size(kind, v->features);
		if (v->config_size && !vhost_user_has(v, VHOST_PROTO_CONFIG)) {
			vmsg_warn("%s: the back end has no configuration space, which a %s device needs; say %s",
				  v->params.path, kind->name,
				  kind->device_id == VIRTIO_ID_FS ? "--tag" :
				  "the right --device");
			return -EINVAL;
		}
		ret = vhost_user_read_config(v);
		if (ret < 0)
			return ret;
	}
	v->offered = (v->features & VHOST_DEVICE_FEATURES & ~kind->hidden &
		      ~vhost_kind_void_features(kind, v->config)) |
		     (v->features & VHOST_RING_FEATURES & v->params.features) |
		     own;
	queues = v->net.pairs ? vhost_net_queues(&v->net) : v->params.queues;
	if (!queues)
		queues = vhost_kind_queues(kind, v->features, v->config);
	if (!queues || queues > VHOST_MAX_QUEUES) {
		vmsg_warn("%s: the back end has %u queues, which is not from 1 to %u",
			  v->params.path, queues, VHOST_MAX_QUEUES);
		return -ERANGE;
	}
	v->queues = calloc(queues, sizeof(*v->queues));
	if (!v->queues)
		return -ENOMEM;
	v->num_queues = queues;
	v->num_rings = v->net.pairs ? 2 * v->net.pairs : queues;
	if (v->num_rings > vhost_user_max_rings(v))
		v->num_rings = vhost_user_max_rings(v);
	while (queues--) {
		v->queues[queues].kick_fd = -1;
		v->queues[queues].call_fd = -1;
	}
	vhost_kind_limit_queues(kind, v->num_queues, v->config);
	return 0;
}

static int vhost_user_add(struct vhost_user *v, uint32_t num)
{
	uint16_t sizes[VHOST_MAX_QUEUES];
	struct vmsg_device_desc desc = {
		.name = v->params.path,
		.ops = &vhost_user_ops,
		.priv = v,
		.device_id = v->kind->device_id,
		.features[0] = v->offered,
		.config_size = v->config_size,
		.num_queues = v->num_queues,
		.queue_sizes = sizes,
	};
	uint32_t i;

	for (i = 0; i < v->num_queues; i++)
		sizes[i] = v->params.queue_size;
	v->dev = vmsg_kit_add(v->bus, num, v->params.uuid, &desc);
	v->net.dev = v->dev;
	return v->dev ? 0 : -errno;
}

static int vhost_user_open(struct vhost_user *v)
{
	struct vmsg_link *link = vmsg_bus_link(v->bus);
	int ret;

	if (!link->ops->memory || !link->ops->queue) {
		vmsg_warn("%s: bus %s has no memory that a back end could share",
			  v->params.path, link->name);
		return -EOPNOTSUPP;
	}
	v->timer.fn = vhost_user_timer;
	v->timer.arg = v;
	v->timer.fd = timerfd_create(CLOCK_MONOTONIC,
				     TFD_CLOEXEC | TFD_NONBLOCK);
	if (v->timer.fd < 0)
		return -errno;
	ret = vmsg_loop_watch(v->conn.loop, &v->timer, EPOLLIN);
	if (ret)
		return ret;
	ret = vhost_conn_open(&v->conn);
	if (ret)
		vmsg_warn("%s: cannot connect: %s; start the back end first",
			  v->params.path, strerror(-ret));
	return ret;
}

/**
 * vmsg_vhost_add() - put the device of a back end onto a bus
 * @bus: the bus, with vmsg_bus_params.messages
 * @num: device number, or VMSG_ANY_NUM
 * @params: which back end; the tag has to stay, the others are copied
 *
 * What goes wrong is said with vmsg_warn().
 *
 * Return: the device, or NULL with errno set.
 */
struct vmsg_device *vmsg_vhost_add(struct vmsg_bus *bus, uint32_t num,
				   const struct vmsg_vhost_params *params)
{
	struct vhost_user *v = calloc(1, sizeof(*v));
	int ret = -ENOMEM;

	if (!v)
		return NULL;
	v->bus = bus;
	v->params = *params;
	v->params.path = strdup(params->path);
	v->timer.fd = -1;
	v->inflight_fd = -1;
	if (!v->params.queue_size)
		v->params.queue_size = VHOST_QUEUE_SIZE;
	v->conn.loop = vmsg_bus_loop(bus);
	v->conn.path = v->params.path;
	v->conn.ops = &vhost_user_conn_ops;
	v->conn.arg = v;
	v->conn.wait_ms = params->wait_ms ? params->wait_ms : VHOST_WAIT_MS;
	v->conn.watch.fd = -1;
	if (v->params.path)
		ret = vhost_user_open(v);
	if (!ret)
		ret = vhost_user_negotiate(v);
	if (!ret)
		ret = vhost_user_find_kind(v);
	if (!ret)
		ret = vhost_user_describe(v);
	if (!ret)
		ret = vhost_user_add(v, num);
	if (!ret)
		return v->dev;
	vhost_user_free(v);
	errno = -ret;
	return NULL;
}
