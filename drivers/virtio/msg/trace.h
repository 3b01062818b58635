/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio-msg: tracepoints. Documentation/driver-api/virtio/msg/trouble.rst says how
 * to read them.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM virtio_msg

#if !defined(_VIRTIO_MSG_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _VIRTIO_MSG_TRACE_H

#include <linux/tracepoint.h>

#include "internal.h"

/* A message's type in the upper byte tells bus messages from others. */
#define VMSG_TRACE_ID(type, id) \
	(((type) & VIRTIO_MSG_TYPE_BUS) << 8 | (id))
#define VMSG_TRACE_BUS		(VIRTIO_MSG_TYPE_BUS << 8)

#define vmsg_trace_name(id)						\
	__print_symbolic(id,						\
		{ VIRTIO_MSG_GET_DEVICE_INFO, "GET_DEVICE_INFO" },	\
		{ VIRTIO_MSG_GET_DEVICE_FEATURES, "GET_DEVICE_FEATURES" }, \
		{ VIRTIO_MSG_SET_DRIVER_FEATURES, "SET_DRIVER_FEATURES" }, \
		{ VIRTIO_MSG_GET_CONFIG, "GET_CONFIG" },		\
		{ VIRTIO_MSG_SET_CONFIG, "SET_CONFIG" },		\
		{ VIRTIO_MSG_GET_DEVICE_STATUS, "GET_DEVICE_STATUS" },	\
		{ VIRTIO_MSG_SET_DEVICE_STATUS, "SET_DEVICE_STATUS" },	\
		{ VIRTIO_MSG_GET_VQUEUE, "GET_VQUEUE" },		\
		{ VIRTIO_MSG_SET_VQUEUE, "SET_VQUEUE" },		\
		{ VIRTIO_MSG_RESET_VQUEUE, "RESET_VQUEUE" },		\
		{ VIRTIO_MSG_GET_SHM, "GET_SHM" },			\
		{ VIRTIO_MSG_EVENT_CONFIG, "EVENT_CONFIG" },		\
		{ VIRTIO_MSG_EVENT_AVAIL, "EVENT_AVAIL" },		\
		{ VIRTIO_MSG_EVENT_USED, "EVENT_USED" },		\
		{ VMSG_TRACE_BUS | VIRTIO_MSG_BUS_GET_DEVICES,		\
		  "GET_DEVICES" },					\
		{ VMSG_TRACE_BUS | VIRTIO_MSG_BUS_PING, "PING" },	\
		{ VMSG_TRACE_BUS | VIRTIO_MSG_BUS_EVENT_DEVICE,		\
		  "EVENT_DEVICE" })

DECLARE_EVENT_CLASS(vmsg_frame,
		    TP_PROTO(const struct virtio_msg_bus *bus, const struct vmsg_msg *msg,
			     size_t size),
		    TP_ARGS(bus, msg, size),
		    TP_STRUCT__entry(__string(bus, dev_name(&bus->dev))
				     __field(u16, id)
				     __field(u16, dev_num)
				     __field(u16, token)
				     __field(u16, size)
				     __field(bool, response)),
		    TP_fast_assign(__assign_str(bus);
				   __entry->id = VMSG_TRACE_ID(msg->type, msg->id);
				   __entry->dev_num = msg->dev_num;
				   __entry->token = msg->token;
				   __entry->size = size;
				   __entry->response = msg->type & VIRTIO_MSG_TYPE_RESPONSE;),
		    TP_printk("%s device=%u %s %s token=%u size=%u", __get_str(bus),
			      __entry->dev_num, vmsg_trace_name(__entry->id),
			      __entry->response ? "response" :
			      __entry->id & VIRTIO_MSG_ID_EVENT ? "event" : "request",
			      __entry->token, __entry->size)
);

/* A frame goes to the device side. Kicks have a tracepoint of their own. */
DEFINE_EVENT(vmsg_frame, vmsg_tx,
	     TP_PROTO(const struct virtio_msg_bus *bus, const struct vmsg_msg *msg,
		      size_t size),
	     TP_ARGS(bus, msg, size)
);

/* A frame whose header is in order has come from the device side. */
DEFINE_EVENT(vmsg_frame, vmsg_rx,
	     TP_PROTO(const struct virtio_msg_bus *bus, const struct vmsg_msg *msg,
		      size_t size),
	     TP_ARGS(bus, msg, size)
);

/* A request has not been answered in time. */
DEFINE_EVENT(vmsg_frame, vmsg_timeout,
	     TP_PROTO(const struct virtio_msg_bus *bus, const struct vmsg_msg *msg,
		      size_t size),
	     TP_ARGS(bus, msg, size)
);

/* The bus driver has been asked to notify the device side of a queue. */
TRACE_EVENT(vmsg_kick,
	    TP_PROTO(const struct virtio_msg_bus *bus, const struct vmsg_kick *kick,
		     u32 next_offset, int err),
	    TP_ARGS(bus, kick, next_offset, err),
	    TP_STRUCT__entry(__string(bus, dev_name(&bus->dev))
			     __field(u16, dev_num)
			     __field(u32, index)
			     __field(u32, next_offset)
			     __field(int, err)),
	    TP_fast_assign(__assign_str(bus);
			   __entry->dev_num = kick->dev_num;
			   __entry->index = kick->index;
			   __entry->next_offset = next_offset;
			   __entry->err = err;),
	    TP_printk("%s device=%u queue=%u next=%#x result=%d", __get_str(bus),
		      __entry->dev_num, __entry->index, __entry->next_offset,
		      __entry->err)
);

/* The device side has notified of a queue, by a message or otherwise. */
TRACE_EVENT(vmsg_used,
	    TP_PROTO(const struct virtio_msg_bus *bus, u16 dev_num, u32 index),
	    TP_ARGS(bus, dev_num, index),
	    TP_STRUCT__entry(__string(bus, dev_name(&bus->dev))
			     __field(u16, dev_num)
			     __field(u32, index)),
	    TP_fast_assign(__assign_str(bus);
			   __entry->dev_num = dev_num;
			   __entry->index = index;),
	    TP_printk("%s device=%u queue=%u", __get_str(bus), __entry->dev_num,
		      __entry->index)
);

/* What has come is not used. @msg is NULL when not even the header is known. */
TRACE_EVENT(vmsg_drop,
	    TP_PROTO(const struct virtio_msg_bus *bus, const struct vmsg_msg *msg,
		     const char *why),
	    TP_ARGS(bus, msg, why),
	    TP_STRUCT__entry(__string(bus, dev_name(&bus->dev))
			     __field(u16, id)
			     __field(u16, dev_num)
			     __field(u16, token)
			     __string(why, why)),
	    TP_fast_assign(__assign_str(bus);
			   __entry->id = msg ? VMSG_TRACE_ID(msg->type, msg->id) : 0;
			   __entry->dev_num = msg ? msg->dev_num : 0;
			   __entry->token = msg ? msg->token : 0;
			   __assign_str(why);),
	    TP_printk("%s device=%u %s token=%u: %s", __get_str(bus),
		      __entry->dev_num, vmsg_trace_name(__entry->id),
		      __entry->token, __get_str(why))
);

#endif /* _VIRTIO_MSG_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
