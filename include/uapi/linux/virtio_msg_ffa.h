/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/*
 * virtio-msg over Arm FF-A: the bus messages that only this bus has.
 *
 * A frame is a &struct virtio_msg_hdr and a payload, as everywhere; it travels in
 * the 112 bytes of a direct message (FFA_MSG_SEND_DIRECT_REQ2, registers x4 to
 * x17), or as an indirect message. All numbers are little endian.
 */
#ifndef _UAPI_LINUX_VIRTIO_MSG_FFA_H
#define _UAPI_LINUX_VIRTIO_MSG_FFA_H

#include <linux/types.h>

/* Bytes that a direct message carries, and bytes of the largest frame in there. */
#define VIRTIO_MSG_FFA_DIRECT_SIZE	112
#define VIRTIO_MSG_FFA_MAX_SIZE		104

/* Bus messages, type VIRTIO_MSG_TYPE_BUS. */
#define VIRTIO_MSG_FFA_VERSION		0x80
#define VIRTIO_MSG_FFA_AREA_SHARE	0x81
#define VIRTIO_MSG_FFA_AREA_UNSHARE	0x82
#define VIRTIO_MSG_FFA_RESET		0x83
#define VIRTIO_MSG_FFA_EVENT_POLL	0x84
#define VIRTIO_MSG_FFA_EVENT_CONFIGURE	0x85
#define VIRTIO_MSG_FFA_ERROR		0x87
#define VIRTIO_MSG_FFA_AREA_RELEASE	0xc0

/* Results */
#define VIRTIO_MSG_FFA_OK		0
#define VIRTIO_MSG_FFA_FAILED		1
#define VIRTIO_MSG_FFA_BUSY		2

/* Version of the bus */
#define VIRTIO_MSG_FFA_VERSION_1_0	0x00010000

/* Bus features, from the point of view of who says them */
#define VIRTIO_MSG_FFA_F_DIRECT_RX	0x01
#define VIRTIO_MSG_FFA_F_DIRECT_TX	0x02
#define VIRTIO_MSG_FFA_F_INDIRECT_RX	0x04
#define VIRTIO_MSG_FFA_F_INDIRECT_TX	0x08
#define VIRTIO_MSG_FFA_F_NOTIF_RX	0x10
#define VIRTIO_MSG_FFA_F_NOTIF_TX	0x20

/* How events reach the driver side, virtio_msg_ffa_event_configure.method */
#define VIRTIO_MSG_FFA_EVENTS_POLL	0
#define VIRTIO_MSG_FFA_EVENTS_NOTIF	1
#define VIRTIO_MSG_FFA_EVENTS_INDIRECT	2

/*
 * A device address is the number of an area in the upper 16 bits, and an offset
 * in the area.
 */
#define VIRTIO_MSG_FFA_AREA_SHIFT	48

/* Bytes of a page, on any machine */
#define VIRTIO_MSG_FFA_PAGE_SIZE	4096

/**
 * struct virtio_msg_ffa_version - VERSION request
 * @bus_version: VIRTIO_MSG_FFA_VERSION_1_0
 * @revision: transport revision
 */
struct virtio_msg_ffa_version {
	__le32 bus_version;
	__le32 revision;
};

/**
 * struct virtio_msg_ffa_version_long - VERSION request of later device sides
 * @bus_version: VIRTIO_MSG_FFA_VERSION_1_0
 * @revision: transport revision
 * @ffa_version: version of FF-A
 */
struct virtio_msg_ffa_version_long {
	__le32 bus_version;
	__le32 revision;
	__le32 ffa_version;
};

/**
 * struct virtio_msg_ffa_version_resp - VERSION response, 18 bytes
 * @bus_version: version of the bus
 * @revision: transport revision
 * @transport_features: bit n for VIRTIO_MSG_F_* n
 * @bus_features: VIRTIO_MSG_FFA_F_*
 * @max_areas: how many areas there can be at the same time
 */
struct virtio_msg_ffa_version_resp {
	__le32 bus_version;
	__le32 revision;
	__le32 transport_features;
	__le32 bus_features;
	__le16 max_areas;
} __attribute__((packed));

/**
 * struct virtio_msg_ffa_version_resp_long - the same, 22 bytes
 * @bus_version: version of the bus
 * @revision: transport revision
 * @ffa_version: version of FF-A
 * @transport_features: bit n for VIRTIO_MSG_F_* n
 * @bus_features: VIRTIO_MSG_FFA_F_*
 * @max_areas: how many areas there can be at the same time
 */
struct virtio_msg_ffa_version_resp_long {
	__le32 bus_version;
	__le32 revision;
	__le32 ffa_version;
	__le32 transport_features;
	__le32 bus_features;
	__le16 max_areas;
} __attribute__((packed));

/* virtio_msg_ffa_area_share.attributes */
#define VIRTIO_MSG_FFA_ATTR_SHARE	0x0000
#define VIRTIO_MSG_FFA_ATTR_WRITE	0x0004
#define VIRTIO_MSG_FFA_ATTR_EXEC	0x0008
#define VIRTIO_MSG_FFA_ATTR_INNER	0x0030
#define VIRTIO_MSG_FFA_ATTR_WB		0x00c0
#define VIRTIO_MSG_FFA_ATTR_NORMAL	0x0200
#define VIRTIO_MSG_FFA_ATTR_NS		0x0400

/**
 * struct virtio_msg_ffa_area_share - AREA_SHARE request
 * @area: number of the area, 1 to 65535
 * @handle: of the memory, from FFA_MEM_SHARE
 * @tag: of the memory, from FFA_MEM_SHARE
 * @pages: pages of 4 KiB
 * @attributes: VIRTIO_MSG_FFA_ATTR_*
 */
struct virtio_msg_ffa_area_share {
	__le16 area;
	__le64 handle;
	__le64 tag;
	__le32 pages;
	__le32 attributes;
} __attribute__((packed));

/**
 * struct virtio_msg_ffa_area - AREA_UNSHARE request, AREA_RELEASE event
 * @area: number of the area
 *
 * AREA_RELEASE says that an AREA_UNSHARE that found the device side busy would
 * work now.
 */
struct virtio_msg_ffa_area {
	__le16 area;
};

/**
 * struct virtio_msg_ffa_area_resp - AREA_SHARE and AREA_UNSHARE responses
 * @area: number of the area
 * @result: VIRTIO_MSG_FFA_OK and so on
 */
struct virtio_msg_ffa_area_resp {
	__le16 area;
	__le16 result;
};

/**
 * struct virtio_msg_ffa_result - RESET and EVENT_CONFIGURE responses
 * @result: VIRTIO_MSG_FFA_OK and so on
 */
struct virtio_msg_ffa_result {
	__le16 result;
};

/**
 * struct virtio_msg_ffa_event_configure - EVENT_CONFIGURE request
 * @method: VIRTIO_MSG_FFA_EVENTS_*
 * @reserved: zero
 * @notif: number of the notification that the device side raises
 */
struct virtio_msg_ffa_event_configure {
	__u8 method;
	__u8 reserved;
	__le16 notif;
};

/**
 * struct virtio_msg_ffa_error - ERROR response
 * @msg_id: of the request that could not be handled
 */
struct virtio_msg_ffa_error {
	__le16 msg_id;
};

#endif /* _UAPI_LINUX_VIRTIO_MSG_FFA_H */
