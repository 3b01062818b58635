/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * The connection to a vhost-user back end: questions and answers, each of them
 * waited for within bounds, and the channel for what the back end asks.
 */
#ifndef _VHOST_CONN_H
#define _VHOST_CONN_H

#include "vhost_proto.h"
#include "vmsg.h"

/* A message as far as it has arrived, and the file that came with it. */
struct vhost_rx {
	struct vhost_msg msg;
	size_t have;
	int fd;
};

/**
 * struct vhost_conn_ops - what a connection tells its owner
 * @stopped: the back end has stopped a queue, after vhost_conn_stop(). Called
 *	from the loop or while another answer is waited for.
 * @config_changed: the configuration space is not what it was. From the loop.
 * @lost: the back end has closed the connection, and so has given up the
 *	memory. Nothing is called after that. From the loop.
 */
struct vhost_conn_ops {
	void (*stopped)(void *arg, uint32_t index);
	void (*config_changed)(void *arg);
	void (*lost)(void *arg);
};

/**
 * struct vhost_conn - a connection
 * @loop: the event loop
 * @path: the socket, also how messages to the user call the back end
 * @ops: what its owner wants to know
 * @arg: for @ops
 * @wait_ms: how long the back end may take for all that is asked at a time
 *
 * These are set by the owner; the others are private.
 */
struct vhost_conn {
	struct vmsg_loop *loop;
	const char *path;
	const struct vhost_conn_ops *ops;
	void *arg;
	uint32_t wait_ms;

	struct vmsg_watch watch;
	struct vmsg_watch channel;
	struct vmsg_work changed;
	struct vhost_rx rx;
	struct vhost_rx channel_rx;
	int64_t deadline;
	/* Queues that are being stopped, and will be answered in this order. */
	unsigned int stopping;
	/* May answers be asked for where the protocol has none? */
	bool acks;
	/* Nothing is said any more, only its end is waited for. */
	bool given_up;
};

int vhost_conn_open(struct vhost_conn *conn);
void vhost_conn_close(struct vhost_conn *conn);
bool vhost_conn_up(const struct vhost_conn *conn);
void vhost_conn_begin(struct vhost_conn *conn);
int vhost_conn_channel(struct vhost_conn *conn);
int vhost_conn_give_up(struct vhost_conn *conn, const char *fmt, ...)
	VMSG_PRINTF(2, 3);

int vhost_conn_set(struct vhost_conn *conn, uint32_t request, const void *body,
		   uint32_t len, int fd);
int vhost_conn_set_acked(struct vhost_conn *conn, uint32_t request,
			 const void *body, uint32_t len, int fd);
int vhost_conn_set_number(struct vhost_conn *conn, uint32_t request,
			  uint64_t number, int fd);
int vhost_conn_ask(struct vhost_conn *conn, uint32_t request, const void *body,
		   uint32_t len, struct vhost_rx *answer);
int vhost_conn_get_number(struct vhost_conn *conn, uint32_t request,
			  uint64_t *number);
int vhost_conn_stop(struct vhost_conn *conn, uint32_t index);

#endif /* _VHOST_CONN_H */
