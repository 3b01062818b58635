/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * libvmsg: what the two ends of an ivshmem server's socket have in common.
 *
 * The server says numbers of 8 bytes, some with a descriptor: the version of
 * the protocol, the peer id of who listens, VMSG_IVSHMEM_MEMORY with the shared
 * memory, and then peer ids. One with a descriptor is there, and the descriptor
 * interrupts it; without, it has left. The listener's own id comes with what
 * interrupts the listener. Nobody says anything to the server.
 */
#ifndef _VMSG_IVSHMEM_H
#define _VMSG_IVSHMEM_H

#include <sys/un.h>

#include "internal.h"

#define VMSG_IVSHMEM_PROTOCOL	0
#define VMSG_IVSHMEM_MEMORY	(-1)
/* The smallest memory. A PCI BAR, which it becomes, is a power of two. */
#define VMSG_IVSHMEM_MIN	0x100000ULL

int vmsg_ivshmem_address(const char *path, struct sockaddr_un *addr);
int vmsg_ivshmem_server_start(const char *path, uint64_t size);

#endif /* _VMSG_IVSHMEM_H */
