// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg: the link to the kernel of this machine, /dev/virtio-msg-lb.
 *
 * The pool is a memfd, by default one that we bring along. Device addresses
 * run from pool_addr to pool_addr + pool_size.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/virtio_msg_lb.h>

#include "internal.h"

#define VMSG_LOOPBACK_POOL	(32ULL << 20)

struct vmsg_loopback {
	struct vmsg_link link;
	int pool_fd;
	char *pool;
	uint64_t pool_addr;
	uint64_t pool_size;
};

static struct vmsg_loopback *vmsg_loopback_of(struct vmsg_link *link)
{
	return VMSG_CONTAINER_OF(link, struct vmsg_loopback, link);
}

static int vmsg_loopback_send(struct vmsg_link *link, const void *frame,
			      size_t len)
{
	ssize_t ret = write(link->fd, frame, len);

	if (ret == (ssize_t)len)
		return 0;
	if (ret >= 0)
		return -EIO;
	switch (errno) {
	case EAGAIN:
	case EINTR:
		return -EAGAIN;
	case EBADF:
	case EIO:
	case ENODEV:
	case ENOTCONN:
	case EPIPE:
	case ESHUTDOWN:
		return -errno;
	default:
		/*
		 * The kernel has refused this one frame: nobody waits for the
		 * answer any more, or the device is gone. The link lives on.
		 */
		return 0;
	}
}

static ssize_t vmsg_loopback_receive(struct vmsg_link *link, void *buf,
				     size_t room)
{
	ssize_t ret = read(link->fd, buf, room);

	if (ret > 0)
		return ret;
	if (!ret)
		return -EPIPE;
	return errno == EINTR ? -EAGAIN : -errno;
}

static void *vmsg_loopback_map(struct vmsg_link *link, uint64_t addr,
			       uint64_t len)
{
	struct vmsg_loopback *lb = vmsg_loopback_of(link);

	if (addr < lb->pool_addr || addr - lb->pool_addr > lb->pool_size ||
	    len > lb->pool_size - (addr - lb->pool_addr))
		return NULL;
	return lb->pool + (addr - lb->pool_addr);
}

static int vmsg_loopback_queue(struct vmsg_link *link, uint16_t dev_num,
			       uint32_t index, int kick_fd, int used_fd)
{
	struct virtio_msg_lb_queue queue = {
		.size = sizeof(queue),
		.dev_num = dev_num,
		.index = index,
		.kick_fd = kick_fd,
		.used_fd = used_fd,
	};

	if (ioctl(link->fd, VIRTIO_MSG_LB_QUEUE, &queue))
		return -errno;
	return 0;
}

static int vmsg_loopback_memory(struct vmsg_link *link,
				struct vmsg_memory *memory)
{
	struct vmsg_loopback *lb = vmsg_loopback_of(link);

	memory->fd = lb->pool_fd;
	memory->addr = lb->pool_addr;
	memory->size = lb->pool_size;
	return 0;
}

static void vmsg_loopback_close(struct vmsg_link *link)
{
	struct vmsg_loopback *lb = vmsg_loopback_of(link);

	/* First the bus ends, then the memory that the kernel works on goes. */
	if (link->fd >= 0)
		close(link->fd);
	if (lb->pool)
		munmap(lb->pool, lb->pool_size);
	if (lb->pool_fd >= 0)
		close(lb->pool_fd);
	free(lb);
}

static const struct vmsg_link_ops vmsg_loopback_ops = {
	.send = vmsg_loopback_send,
	.receive = vmsg_loopback_receive,
	.map = vmsg_loopback_map,
	.queue = vmsg_loopback_queue,
	.memory = vmsg_loopback_memory,
	.close = vmsg_loopback_close,
};

static const char *vmsg_loopback_hint(int error)
{
	switch (error) {
	case ENOENT:
	case ENXIO:
	case ENODEV:
		return "load the module virtio_msg_loopback";
	case EACCES:
	case EPERM:
		return "run as root, or have the device node's mode changed";
	default:
		return "see the kernel log";
	}
}

static int vmsg_loopback_make_pool(struct vmsg_loopback *lb, uint64_t size)
{
	lb->pool_fd = memfd_create("virtio-msg-pool",
				   MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (lb->pool_fd < 0)
		return -errno;
	if (ftruncate(lb->pool_fd, size) ||
	    fcntl(lb->pool_fd, F_ADD_SEALS,
		  F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return -errno;
	return 0;
}

static int vmsg_loopback_setup(struct vmsg_loopback *lb,
			       const struct vmsg_loopback_params *params)
{
	struct virtio_msg_lb_setup setup = {
		.size = sizeof(setup),
		.revision = VIRTIO_MSG_REVISION_1,
		.max_msg_size = params->max_msg_size ? params->max_msg_size :
				VIRTIO_MSG_RECOMMENDED_SIZE,
		.features = params->features,
		.pool_size = params->pool_size ? params->pool_size :
			     VMSG_LOOPBACK_POOL,
		.pool_fd = -1,
		.timeout_ms = params->timeout_ms,
	};
	int ret;

	if (!params->kernel_pool) {
		ret = vmsg_loopback_make_pool(lb, setup.pool_size);
		if (ret) {
			vmsg_warn("cannot make a pool of %llu bytes: %s; use a smaller one",
				  (unsigned long long)setup.pool_size,
				  strerror(-ret));
			return ret;
		}
		setup.pool_fd = lb->pool_fd;
	}
	if (ioctl(lb->link.fd, VIRTIO_MSG_LB_SETUP, &setup)) {
		ret = -errno;
		vmsg_warn("the kernel refuses a bus with messages of %u bytes, a pool of %llu bytes, transport features %#llx and a timeout of %u ms: %s; %s",
			  setup.max_msg_size,
			  (unsigned long long)setup.pool_size,
			  (unsigned long long)setup.features, setup.timeout_ms,
			  strerror(-ret), vmsg_loopback_hint(-ret));
		return ret;
	}
	if (params->kernel_pool)
		lb->pool_fd = setup.pool_fd;
	lb->pool_addr = setup.pool_addr;
	lb->pool_size = setup.pool_size;
	lb->pool = mmap(NULL, lb->pool_size, PROT_READ | PROT_WRITE, MAP_SHARED,
			lb->pool_fd, 0);
	if (lb->pool == MAP_FAILED) {
		ret = -errno;
		lb->pool = NULL;
		vmsg_warn("cannot map the pool of %llu bytes: %s; use a smaller one",
			  (unsigned long long)lb->pool_size, strerror(-ret));
		return ret;
	}
	/* A child that outlives us must not keep the bus. */
	madvise(lb->pool, lb->pool_size, MADV_DONTFORK);
	lb->link.max_msg_size = setup.max_msg_size;
	lb->link.features = setup.features;
	lb->link.pool_size = lb->pool_size;
	snprintf(lb->link.name, sizeof(lb->link.name), "loopback%u",
		 setup.bus_num);
	return 0;
}

/**
 * vmsg_loopback_open() - make a bus on this machine's own kernel
 * @params: what it is to be like
 *
 * What goes wrong is said with vmsg_warn().
 *
 * Return: the link, or NULL with errno set.
 */
struct vmsg_link *vmsg_loopback_open(const struct vmsg_loopback_params *params)
{
	const char *path = params->path ? params->path : VIRTIO_MSG_LB_PATH;
	struct vmsg_loopback *lb = calloc(1, sizeof(*lb));
	int ret;

	if (!lb)
		return NULL;
	lb->link.ops = &vmsg_loopback_ops;
	lb->pool_fd = -1;
	lb->link.fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (lb->link.fd < 0) {
		ret = -errno;
		vmsg_warn("cannot open %s: %s; %s", path, strerror(-ret),
			  vmsg_loopback_hint(-ret));
	} else {
		ret = vmsg_loopback_setup(lb, params);
	}
	if (ret) {
		vmsg_loopback_close(&lb->link);
		errno = -ret;
		return NULL;
	}
	return &lb->link;
}
