#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
"""
Break the rules of libvmsg one at a time, and see that a host test fails.

    mutate.py [NAME...]

Works on a copy in a temporary folder. Prints one TAP line for each rule; a rule
that can be broken without a test noticing is "not ok".
"""
import os
import shutil
import signal
import subprocess
import sys
import tempfile

# name, file, what is there, what to put there instead
RULES = [
    ("header: type bits are masked in the response", "bus.c",
     "	msg->type |= VIRTIO_MSG_TYPE_RESPONSE;",
     "	msg->type |= VIRTIO_MSG_TYPE_RESPONSE | 4;"),
    ("responses to us are dropped", "bus.c",
     "	if (msg.type & VIRTIO_MSG_TYPE_RESPONSE) {",
     "	if (0) {"),
    ("unknown devices are dropped", "bus.c",
     "		vmsg_bus_drop(bus, VMSG_DROP_NO_DEVICE);",
     "		vmsg_bus_respond(bus, &msg);"),
    ("device numbers have 16 bits", "bus.c",
     "	page = bus->pages[num / VMSG_PAGE_DEVICES];",
     "	page = bus->pages[0];"),
    ("GET_DEVICES fits into a message", "bus.c",
     "	if (count > room * 8)\n		count = room * 8;",
     ""),
    ("GET_DEVICES ends at 65536", "bus.c",
     "	if (count > VMSG_MAX_DEVICES - offset)\n"
     "		count = VMSG_MAX_DEVICES - offset;",
     ""),
    ("GET_DEVICES: unused bits are 0", "bus.c",
     "dev->num < offset + count) {",
     "dev->num < offset + (count + 7) / 8 * 8) {"),
    ("GET_DEVICES: leaving devices are not listed", "bus.c",
     "		if (!dev->leaving)\n			bus->data",
     "		if (1)\n			bus->data"),
    ("GET_DEVICES: next_offset skips leaving devices", "bus.c",
     "(dev = vmsg_bus_next(bus, from)) && dev->leaving)",
     "(dev = vmsg_bus_next(bus, from)) && 0)"),
    ("EVENT_DEVICE is not for us", "bus.c",
     "		/* EVENT_DEVICE is for us to send. */\n"
     "		vmsg_bus_drop(bus, VMSG_DROP_DIRECTION);",
     "		vmsg_bus_respond(bus, &(struct vmsg_msg){ .type = 2,"
     " .id = VIRTIO_MSG_BUS_PING });"),
    ("an answer waits for room", "bus.c",
     "		bus->stalled = ret;", ""),
    ("nothing is read without room", "bus.c",
     "i < VMSG_BUS_BATCH && !bus->blocked &&",
     "i < VMSG_BUS_BATCH &&"),
    ("nothing is read before all have been reset", "bus.c",
     "!bus->blocked && !bus->settling &&", "!bus->blocked &&"),
    ("all devices are waited for", "bus.c",
     "		if (dev->resetting)\n			return;\n	}\n"
     "	bus->settling = false;",
     "		break;\n	}\n	bus->settling = false;"),
    ("it goes on when they have been reset", "bus.c",
     "	bus->settling = false;\n	vmsg_bus_rewatch(bus);\n"
     "	vmsg_loop_defer(bus->loop, &bus->more);",
     "	bus->settling = false;"),
    ("a freed device is not waited for", "bus.c",
     "num % VMSG_PAGE_DEVICES] = NULL;\n	vmsg_bus_settle(bus);",
     "num % VMSG_PAGE_DEVICES] = NULL;"),
    ("a driver side that has gone leaves devices reset", "bus.c",
     "		vmsg_device_reset(dev);\n	bus->settling = true;",
     "		;\n	bus->settling = true;"),
    ("what a batch has left is read", "bus.c",
     "	if (i == VMSG_BUS_BATCH)\n"
     "		vmsg_loop_defer(bus->loop, &bus->more);",
     ""),
    ("the bell is rung after a batch", "bus.c",
     "	vmsg_bus_ring(bus);\n	return i;", "	return i;"),
    ("the bell is rung for what others send", "bus.c",
     "	bus->num_tx[msg->type][msg->id]++;\n	vmsg_bus_ring(bus);",
     "	bus->num_tx[msg->type][msg->id]++;"),
    ("a link without EPOLLOUT is asked again", "bus.c",
     "	if (bus->blocked && (link->retry || events & EPOLLOUT))",
     "	if (bus->blocked && events & EPOLLOUT)"),
    ("RFC: frames of 48 bytes", "bus.c",
     "	if (params->rfc && bus->max_msg_size > VMSG_RFC_MAX_SIZE)",
     "	if (0)"),
    ("RFC: token 0", "bus.c",
     "	if (bus->params.rfc && msg->type & VIRTIO_MSG_TYPE_BUS)",
     "	if (0)"),
    ("RFC: token 0 in bus messages only", "bus.c",
     "	if (bus->params.rfc && msg->type & VIRTIO_MSG_TYPE_BUS)",
     "	if (bus->params.rfc)"),
    ("RFC: no device", "bus.c",
     "	} else if (bus->params.rfc && msg.id == VIRTIO_MSG_GET_DEVICE_INFO) {",
     "	} else if (0) {"),
    ("no device but in the RFC", "bus.c",
     "	} else if (bus->params.rfc && msg.id == VIRTIO_MSG_GET_DEVICE_INFO) {",
     "	} else if (msg.id == VIRTIO_MSG_GET_DEVICE_INFO) {"),
    ("RFC: strict", "bus.c", "	return bus->params.rfc ||\n	       ",
     "	return "),
    ("RFC: size of a new queue", "device.c",
     "	if (dev->bus->params.rfc && !vq->size)", "	if (0)"),
    ("size of a new queue but in the RFC", "device.c",
     "	if (dev->bus->params.rfc && !vq->size)", "	if (!vq->size)"),
    ("amp: a number is taken modulo, spsc", "amp.c",
     "		return le32toh(__atomic_load_n(wide, __ATOMIC_ACQUIRE)) %\n"
     "		       amp->slots;",
     "		return le32toh(__atomic_load_n(wide, __ATOMIC_ACQUIRE));"),
    ("amp: a number is taken modulo, layout", "amp.c",
     "	return vmsg_amp_load16(narrow) % amp->slots;",
     "	return vmsg_amp_load16(narrow);"),
    ("amp: queues wrap", "amp.c",
     "	return num + 1 == amp->slots ? 0 : num + 1;",
     "	return num == amp->slots ? 0 : num + 1;"),
    ("amp: one slot stays empty", "amp.c",
     "	if (vmsg_amp_load(amp, tx->theirs) == after)\n"
     "		return -EAGAIN;\n", ""),
    ("amp: the rest of a slot is 0", "amp.c",
     "	memset(slot + len, 0, VIRTIO_MSG_AMP_SLOT_SIZE - len);\n", ""),
    ("amp: a short buffer", "amp.c",
     "	memcpy(buf, rx->slots + rx->next * VIRTIO_MSG_AMP_SLOT_SIZE, room);",
     "	memcpy(buf, rx->slots + rx->next * VIRTIO_MSG_AMP_SLOT_SIZE, 64);"),
    ("amp: a slot has an end", "amp.c",
     "	if (room > VIRTIO_MSG_AMP_SLOT_SIZE)\n"
     "		room = VIRTIO_MSG_AMP_SLOT_SIZE;\n", "	room++;\n"),
    ("amp: another header is replaced", "amp.c",
     "	if (!vmsg_amp_agrees(amp)) {", "	if (0) {"),
    ("amp: the same header is not", "amp.c",
     "	if (!vmsg_amp_agrees(amp)) {", "	if (1) {"),
    ("amp: no mask without bits", "amp.c",
     "		.features = htole16(amp->num_notif ?\n"
     "				    VIRTIO_MSG_AMP_F_NOTIF_MASK : 0),",
     "		.features = htole16(VIRTIO_MSG_AMP_F_NOTIF_MASK),"),
    ("amp: spsc goes on", "amp.c",
     "		amp->tx.next = vmsg_amp_load(amp, amp->tx.ours);\n"
     "		amp->rx.next = vmsg_amp_load(amp, amp->rx.ours);\n",
     ""),
    ("amp: SHUTDOWN", "amp.c",
     "		vmsg_amp_set_status(amp, VIRTIO_MSG_AMP_SHUTDOWN);", "		;"),
    ("amp: spsc has no status", "amp.c",
     "	if (!amp->spsc)\n"
     "		vmsg_amp_set_status(amp, VIRTIO_MSG_AMP_SHUTDOWN);",
     "	vmsg_amp_set_status(amp, VIRTIO_MSG_AMP_SHUTDOWN);"),
    ("amp: a status rings", "amp.c",
     "VIRTIO_MSG_AMP_QUEUE_MAGIC);\n	amp->ring = true;",
     "VIRTIO_MSG_AMP_QUEUE_MAGIC);"),
    ("amp: magic of the driver side", "amp.c",
     "	if (vmsg_amp_load16(&head->magic) != VIRTIO_MSG_AMP_QUEUE_MAGIC)",
     "	if (0)"),
    ("amp: a status has 5 bits", "amp.c",
     "	return status & VIRTIO_MSG_AMP_STATUS_MASK;", "	return status;"),
    ("amp: READY at 0", "amp.c",
     "		vmsg_amp_get_ready(amp, drv != VIRTIO_MSG_AMP_RUN);",
     "		vmsg_amp_get_ready(amp, false);"),
    ("amp: RUN goes on", "amp.c",
     "		vmsg_amp_get_ready(amp, drv != VIRTIO_MSG_AMP_RUN);",
     "		vmsg_amp_get_ready(amp, true);"),
    ("amp: patience", "amp.c",
     "		if (drv == VIRTIO_MSG_AMP_RUN && !impatient)",
     "		if (0 && impatient)"),
    ("amp: an end of it", "amp.c",
     "		if (drv == VIRTIO_MSG_AMP_RUN && !impatient)",
     "		if (drv == VIRTIO_MSG_AMP_RUN && (impatient || 1))"),
    ("amp: words are 0 in READY", "amp.c",
     "	vmsg_amp_store_bits(&dev->mask, 0);\n", ""),
    ("amp: READY after RUN is another one", "amp.c",
     "	       (drv == VIRTIO_MSG_AMP_READY && !amp->ran);",
     "	       drv == VIRTIO_MSG_AMP_READY;"),
    ("amp: RUN is remembered", "amp.c",
     "				  VIRTIO_MSG_AMP_RUN)\n"
     "			amp->ran = true;",
     "				  VIRTIO_MSG_AMP_RUN)\n"
     "			;"),
    ("amp: a frame means RUN", "amp.c",
     "is another one. */\n	amp->ran = true;", "is another one. */"),
    ("amp: beginning anew is said", "amp.c",
     "		vmsg_amp_set_status(amp, VIRTIO_MSG_AMP_INIT);\n"
     "		return true;",
     "		vmsg_amp_set_status(amp, VIRTIO_MSG_AMP_INIT);\n"
     "		return false;"),
    ("amp: READY gives up", "amp.c",
     "		if (amp->status == VIRTIO_MSG_AMP_READY)\n"
     "			vmsg_amp_set_status(amp, VIRTIO_MSG_AMP_INIT);\n", ""),
    ("amp: not beyond RUN", "amp.c",
     "	if (drv > VIRTIO_MSG_AMP_RUN) {", "	if (0) {"),
    ("amp: READY waits for READY", "amp.c",
     "	if (drv != VIRTIO_MSG_AMP_INIT)\n"
     "		vmsg_amp_set_status(amp, VIRTIO_MSG_AMP_RUN);",
     "	vmsg_amp_set_status(amp, VIRTIO_MSG_AMP_RUN);"),
    ("amp: who has left is dead", "amp.c",
     "	if (!replaced)\n"
     "		vmsg_amp_store16(&head->status, VIRTIO_MSG_AMP_DEAD);\n", ""),
    ("amp: who has come is not", "amp.c",
     "	if (!replaced)\n", "	if (!replaced || 1)\n"),
    ("amp: what is left behind is passed over", "amp.c",
     "		vmsg_amp_set(amp, &amp->rx, vmsg_amp_load(amp,\n"
     "							  amp->rx.theirs));\n"
     "		return;", "		return;"),
    ("amp: bits of each device", "amp.c", "index >= amp->per_device ||", ""),
    ("amp: number of bits", "amp.c", "|| bit >= amp->num_notif)",
     "|| bit >= 64)"),
    ("amp: a pending bit stays", "amp.c",
     "	if ((amp->tx_bits ^ vmsg_amp_load_bits(&drv->rx)) & bit)\n"
     "		return;\n", ""),
    ("amp: a seen bit is toggled", "amp.c",
     "	if ((amp->tx_bits ^ vmsg_amp_load_bits(&drv->rx)) & bit)",
     "	if (amp->tx_bits & bit)"),
    ("amp: masked bits do not ring", "amp.c",
     "	if (!(vmsg_amp_load_bits(&drv->mask) & bit))\n", ""),
    ("amp: other bits do", "amp.c",
     "	if (!(vmsg_amp_load_bits(&drv->mask) & bit))\n",
     "	if (!vmsg_amp_load_bits(&drv->mask) && 0)\n"),
    ("amp: kicks by the bits in use", "amp.c",
     "	if (amp->num_notif < 64)\n", "	if (0)\n"),
    ("amp: kicks are said to be seen", "amp.c",
     "	amp->rx_bits ^= bits;\n", ""),
    ("amp: spsc has no bits", "amp.c", "		amp->num_notif = 0;\n", ""),
    ("amp: kicks and frames take turns", "amp.c",
     "		amp->turn = !amp->turn;", "		amp->turn = !i;"),
    ("ivshmem: the window is no pool", "link_ivshmem.c",
     "	if (addr < VMSG_AMP_POOL || addr", "	if (addr"),
    ("ivshmem: the end of the memory", "link_ivshmem.c",
     "	    len > iv->mem_size - addr)", "	    len > iv->mem_size)"),
    ("ivshmem: behind the end", "link_ivshmem.c",
     "addr > iv->mem_size ||", "0 ||"),
    ("ivshmem: the driver side that leaves", "link_ivshmem.c",
     "	iv->driver_left = true;", ""),
    ("ivshmem: others that leave", "link_ivshmem.c",
     "	if (peer != iv->driver)\n		return;\n",
     "	if (!iv->driver)\n		return;\n"),
    ("ivshmem: nothing is sent to nobody", "link_ivshmem.c",
     "	if (!iv->driver || iv->driver_left || !vmsg_amp_talks(&iv->amp))",
     "	if (!iv->driver || iv->driver_left)"),
    ("ivshmem: looks for room", "link_ivshmem.c",
     "	vmsg_ivshmem_timer(iv, iv->room_ms);\n", ""),
    ("ivshmem: one device side", "link_ivshmem.c",
     "	ret = vmsg_ivshmem_lock(iv);", "	ret = 0;\n	(void)vmsg_ivshmem_lock;"),
    ("ivshmem: version of the protocol", "link_ivshmem.c",
     "number != VMSG_IVSHMEM_PROTOCOL ||", ""),
    ("ivshmem: peer ids of 16 bits", "link_ivshmem.c",
     "	if (!ret && (number < 0 || number > UINT16_MAX || fd >= 0))",
     "	if (!ret && (number < 0 || fd >= 0))"),
    ("ivshmem: numbers that are none", "link_ivshmem.c",
     "	if (number < 0 || number > UINT16_MAX) {", "	if (0) {"),
    ("ivshmem: little memory", "link_ivshmem.c",
     "	if (st.st_size < (off_t)VMSG_IVSHMEM_MIN)", "	if (0)"),
    ("ivshmem: memory once", "link_ivshmem.c",
     "	if (iv->mem || fstat(fd, &st)) {", "	if (fstat(fd, &st)) {"),
    ("ivshmem: no memory", "link_ivshmem.c",
     "	return iv->mem ? 0 : -EPROTO;", "	return 0;"),
    ("ivshmem: a power of two", "link_ivshmem.c",
     "	if (size < VMSG_IVSHMEM_MIN || size & (size - 1)) {",
     "	if (size < VMSG_IVSHMEM_MIN) {"),
    ("ivshmem: second vectors are closed", "link_ivshmem.c",
     "	if (i < VMSG_IVSHMEM_PEERS || !peer) {", "	if (!peer) {"),
    ("ivshmem: too many peers", "link_ivshmem.c",
     "	if (i < VMSG_IVSHMEM_PEERS || !peer) {",
     "	if (i < VMSG_IVSHMEM_PEERS) {"),
    ("ivshmem: whose memory it is", "link_ivshmem.c",
     "	__atomic_store_n(&head->device_peer, htole32(iv->own_id),",
     "	__atomic_store_n(&head->device_peer, htole32(9),"),
    ("ivshmem: a driver side from before", "link_ivshmem.c",
     "	if (!iv->driver)\n		vmsg_amp_driver_left(&iv->amp, false);",
     "	vmsg_amp_driver_left(&iv->amp, false);"),
    ("ivshmem: impatience", "link_ivshmem.c",
     "	impatient = !vmsg_amp_talks(&iv->amp) &&\n		    ",
     "	impatient = false &&\n		    "),
    ("ivshmem: looks until it has been rung", "link_ivshmem.c",
     "|| iv->bell_works)", "|| true)"),
    ("ivshmem: and no longer", "link_ivshmem.c",
     "|| iv->bell_works)", ")"),
    ("ivshmem: looks while it waits", "link_ivshmem.c",
     "	vmsg_ivshmem_timer(iv, VMSG_IVSHMEM_POLL_MS);\n", ""),
    ("server: tells who has come", "ivshmem_server.c",
     "		server_say(peer, new->id, new->bell);\n", ""),
    ("server: tells who is there", "ivshmem_server.c",
     "		server_say(new, peer->id, peer->bell);\n", ""),
    ("server: tells who has left", "ivshmem_server.c",
     "		server_say(peer, id, -1);\n", ""),
    ("server: no more than there are places", "ivshmem_server.c",
     "	if (place == SERVER_PEERS) {", "	if (place == SERVER_PEERS + 1) {"),
    ("server: a number is not used again", "ivshmem_server.c",
     "		id = server->next_id++;", "		id = server->num_peers;"),
    ("server: who does not read has to go", "ivshmem_server.c",
     "	    sizeof(wire))\n		peer->gone = true;",
     "	    sizeof(wire))\n		peer->gone = false;"),
    ("server: DEAD", "ivshmem_server.c",
     "	return __atomic_compare_exchange_n(&head->status, &status, dead, false,",
     "	return __atomic_compare_exchange_n(&head->status, &dead, dead, false,"),
    ("server: rings for it", "ivshmem_server.c",
     "		if (dead && write", "		if (0 && write"),
    ("server: DEAD for the device side", "ivshmem_server.c",
     "	    __atomic_load_n(&ivshmem->device_peer, __ATOMIC_RELAXED) !=\n"
     "	    htole32(id))",
     "	    0)"),
    ("server: magic of the memory", "ivshmem_server.c",
     "	if (__atomic_load_n(&ivshmem->magic, __ATOMIC_ACQUIRE) !=\n"
     "	    htole32(VIRTIO_MSG_AMP_IVSHMEM_MAGIC) ||",
     "	if ("),
    ("server: magic of the layout", "ivshmem_server.c",
     "	if (layout.magic != htole16(VIRTIO_MSG_AMP_LAYOUT_MAGIC) ||\n",
     "	if (\n"),
    ("server: behind the window", "ivshmem_server.c",
     "offset > room ||", "offset > room + 8 ||"),
    ("server: in the header", "ivshmem_server.c",
     "	    offset < sizeof(layout) ||", "	    "),
    ("server: alignment", "ivshmem_server.c",
     "	    offset % sizeof(__le64))", "	    0)"),
    ("server: beyond RUN", "ivshmem_server.c",
     "& VIRTIO_MSG_AMP_STATUS_MASK) > VIRTIO_MSG_AMP_RUN)",
     "& VIRTIO_MSG_AMP_STATUS_MASK) > 32)"),
    ("server: the size stays", "ivshmem_server.c",
     "		  F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))",
     "		  F_SEAL_SEAL))"),
    ("server: stale sockets", "ivshmem_server.c",
     "		unlink(server->path);\n	if (bind", "		;\n	if (bind"),
    ("server: other files", "ivshmem_server.c",
     "	    S_ISSOCK(old.st_mode))", "	    1)"),
    ("server: another one's socket", "ivshmem_server.c",
     "	if (!stat(name, &file) && file.st_ino == server->file.st_ino &&\n"
     "	    file.st_dev == server->file.st_dev)\n", ""),
    ("server: its own socket", "ivshmem_server.c",
     "		unlink(name);", "		;"),
    ("server: an end", "ivshmem_server.c",
     "server->num_peers ? -1 : SERVER_GRACE_MS);", "-1);"),
    ("server: no end while somebody is there", "ivshmem_server.c",
     "server->num_peers ? -1 : SERVER_GRACE_MS);", "SERVER_GRACE_MS);"),
    ("server: its own session", "ivshmem_server.c", "	setsid();\n", ""),
    ("server: nothing of the program's", "ivshmem_server.c",
     "	return close_range(5, ~0U, 0) ? -errno : 0;", "	return 0;"),
    ("server: no output", "ivshmem_server.c", "dup2(null, 1) < 0 ||", ""),
    ("opts: bits", "opts.c", "	ret = opts_number(text, 64, &number);\n"
     "	params->num_notif",
     "	ret = opts_number(text, 65, &number);\n	params->num_notif"),
    ("opts: no bits", "opts.c", "	if (!ret && !number)\n		ret = -ERANGE;\n",
     ""),
    ("events wait for room", "vq.c",
     "vmsg_bus_send_event(vq->dev->bus, &used))\n"
     "		vq->used_pending = false;",
     "(vmsg_bus_send_event(vq->dev->bus, &used), 1))\n"
     "		vq->used_pending = false;"),
    ("feature blocks behind the end are 0", "device.c",
     "block < VMSG_NUM_BLOCKS ?", "1 ?"),
    ("feature block indices do not overflow", "device.c",
     "		block = (uint64_t)msg->features.index + i;\n"
     "		vmsg_wire_put_block",
     "		block = msg->features.index + i;\n"
     "		vmsg_wire_put_block"),
    ("GET of 0 blocks is malformed", "device.c",
     "	if (!msg->features.count ||\n", "	if (\n"),
    ("SET of 0 blocks is malformed", "device.c",
     "	if (!msg->features.count)\n		return false;\n", ""),
    ("GET of too many blocks is malformed", "device.c",
     "	    msg->features.count > room / sizeof(uint32_t))",
     "	    msg->features.count > UINT32_MAX - 1)"),
    ("features are fixed by FEATURES_OK", "device.c",
     "dev->resetting || dev->status & VIRTIO_CONFIG_S_FEATURES_OK)\n"
     "		return true;",
     "dev->resetting)\n		return true;"),
    ("only offered features are accepted", "device.c",
     "dev->features[0] & ~dev->offered[0] ||", "0 ||"),
    ("only offered features are accepted, second word", "device.c",
     "	    dev->features[1] & ~dev->offered[1])", "	    0)"),
    ("unknown blocks refuse", "device.c",
     "	if (dev->alien_features ||", "	if ("),
    ("VERSION_1 and ACCESS_PLATFORM are needed", "device.c",
     "	if ((dev->features[0] & need) != need)", "	if (0 && need)"),
    ("the model can refuse features", "device.c",
     "dev->ops->features_ok(dev, dev->features) >= 0",
     "dev->ops->features_ok(dev, dev->features) >= -1000"),
    ("DRIVER_OK needs FEATURES_OK", "device.c",
     "	    !(dev->status & VIRTIO_CONFIG_S_FEATURES_OK)) {", "	    0) {"),
    ("drivers cannot set NEEDS_RESET", "device.c",
     "	added = status & VMSG_STATUS_DRIVER & ~dev->status;",
     "	added = status & ~dev->status;"),
    ("a status comes after the reset is done", "device.c",
     "	if (dev->resetting || dev->leaving)\n		return;\n	added",
     "	if (dev->leaving)\n		return;\n	added"),
    ("a leaving device does not wake up", "device.c",
     "	if (dev->resetting || dev->leaving)\n		return;\n	added",
     "	if (dev->resetting)\n		return;\n	added"),
    ("a reset that takes time is not status 0", "device.c",
     "	if (dev->resetting && !dev->status)", "	if (0)"),
    ("a reset forgets features", "device.c",
     "	dev->alien_features = false;", ""),
    ("a reset stops queues at once", "device.c",
     "		vmsg_vq_stop(&dev->vqs[i]);\n	if (dev->ops->reset)",
     "		;\n	if (dev->ops->reset)"),
    ("a device that needs a reset stands still", "device.c",
     "	const uint8_t bad = VIRTIO_CONFIG_S_NEEDS_RESET |\n"
     "			    VIRTIO_CONFIG_S_FAILED;",
     "	const uint8_t bad = VIRTIO_CONFIG_S_FAILED;"),
    ("FAILED stands still", "device.c",
     "	const uint8_t bad = VIRTIO_CONFIG_S_NEEDS_RESET |\n"
     "			    VIRTIO_CONFIG_S_FAILED;",
     "	const uint8_t bad = VIRTIO_CONFIG_S_NEEDS_RESET;"),
    ("NEEDS_RESET is announced", "device.c",
     "	if (dev->status & VIRTIO_CONFIG_S_DRIVER_OK &&\n	    !vmsg",
     "	if (0 &&\n	    !vmsg"),
    ("REMOVED waits for the model", "device.c",
     "	if (dev->announce_pending && !(dev->leaving && dev->resetting))",
     "	if (dev->announce_pending)"),
    ("config: the end", "device.c",
     "	return msg->config.offset <= dev->config_size &&\n	       ",
     "	return "),
    ("config: across the end", "device.c",
     "msg->config.length <= dev->config_size - msg->config.offset;",
     "msg->config.length <= dev->config_size + 1 - msg->config.offset;"),
    ("config: too large for a message", "device.c",
     "	if (msg->config.length >\n	    vmsg_wire",
     "	if (msg->config.length - 1 >\n	    vmsg_wire"),
    ("config: strict profile refuses a stale generation", "device.c",
     "	bool stale = vmsg_bus_strict(dev->bus) &&", "	bool stale = 0 &&"),
    ("config: baseline profile does not", "device.c",
     "	bool stale = vmsg_bus_strict(dev->bus) &&", "	bool stale ="),
    ("config: a write changes the generation", "device.c",
     "					   msg->config.length) >= 0)\n"
     "			dev->generation++;",
     "					   msg->config.length) >= 0)\n"
     "			;"),
    ("config: a change changes the generation", "device.c",
     "	dev->generation++;\n	if (!dev->status", "	if (!dev->status"),
    ("config: no event without a driver", "device.c",
     "	if (!dev->status || dev->resetting)\n		return;\n"
     "	if (!vmsg_device_config_event",
     "	if (dev->resetting)\n		return;\n"
     "	if (!vmsg_device_config_event"),
    ("config: data only if they fit", "device.c",
     "	    len <= vmsg_wire_data_room(bus->dialect, 0, VIRTIO_MSG_EVENT_CONFIG,\n"
     "				       bus->max_msg_size)) {",
     "	    1) {"),
    ("SET_VQUEUE: not before FEATURES_OK", "device.c",
     "	if (!vq || vq->resetting || dev->resetting ||\n"
     "	    !(dev->status & VIRTIO_CONFIG_S_FEATURES_OK))\n		return;",
     "	if (!vq || vq->resetting || dev->resetting)\n		return;"),
    ("SET_VQUEUE: not while the queue is reset", "device.c",
     "	if (!vq || vq->resetting || dev->resetting ||\n"
     "	    !(dev->status & VIRTIO_CONFIG_S_FEATURES_OK))\n		return;",
     "	if (!vq || dev->resetting ||\n"
     "	    !(dev->status & VIRTIO_CONFIG_S_FEATURES_OK))\n		return;"),
    ("SET_VQUEUE: reserved field", "device.c",
     "	if (msg->vqueue.reserved || flags", "	if (flags"),
    ("SET_VQUEUE: reserved flags", "device.c",
     "flags & ~VIRTIO_MSG_VQUEUE_FLAGS ||", "0 ||"),
    ("SET_VQUEUE: operation 3", "device.c",
     "	    op == VIRTIO_MSG_VQUEUE_OP_MASK)\n		return;",
     "	    0)\n		return;\n	if (op == 3)\n		op = 1;"),
    ("SET_VQUEUE: enabled queues do not change", "device.c",
     "	if (vq->enabled)\n		return;\n", ""),
    ("SET_VQUEUE: size 0", "device.c",
     "		if (!size)\n			return;\n", ""),
    ("SET_VQUEUE: descriptors at 0", "device.c",
     "		if (!addr[VMSG_AREA_DESC])\n			return;\n",
     "		if (!addr[VMSG_AREA_DESC])\n"
     "			addr[VMSG_AREA_DESC] = 0x11000;\n"),
    ("SET_VQUEUE: largest size", "vq.c",
     "	if (size > vq->max_size)\n		return -EINVAL;\n", ""),
    ("SET_VQUEUE: power of two", "vq.c",
     "	if (size && !vmsg_vq_packed(vq) && (size & (size - 1)))",
     "	if (0)"),
    ("SET_VQUEUE: alignment", "vq.c",
     "		if (!addr[i] || addr[i] % area[i].align)",
     "		if (!addr[i])"),
    ("SET_VQUEUE: inside of the pool", "vq.c",
     "		if (!vmsg_vq_map(vq, addr[i], area[i].bytes))\n"
     "			return -EINVAL;\n",
     ""),
    ("SET_VQUEUE: split driver area size", "vring_split.c",
     "		VRING_HEAD + sizeof(uint16_t) * size + VRING_TAIL;",
     "		VRING_HEAD;"),
    ("SET_VQUEUE: enable needs all", "vq.c",
     "		if (!addr[i] && !complete)", "		if (!addr[i])"),
    ("RESET_VQUEUE needs RING_RESET", "device.c",
     "	    !vmsg_device_has_feature(dev, VMSG_F_RING_RESET))",
     "	    0)"),
    ("RESET_VQUEUE answers when done", "device.c",
     "	if (ret == VMSG_LATER)\n		return false;\n", ""),
    ("GET_SHM has length 0", "device.c",
     "		/* There are none: length 0 says so. */",
     "		msg->shm.length = 1;"),
    ("events before DRIVER_OK are ignored", "device.c",
     "	return (dev->status & (VIRTIO_CONFIG_S_DRIVER_OK | bad)) ==\n"
     "		       VIRTIO_CONFIG_S_DRIVER_OK &&\n",
     "	return !(dev->status & bad) &&\n"),
    ("DRIVER_OK looks into the queues", "device.c",
     "		vmsg_vq_kick(vq);\n	}\n}\n\nstatic void vmsg_device_set",
     "	}\n}\n\nstatic void vmsg_device_set"),
    ("kicks for unused queues are counted", "device.c",
     "	if (!vq || !vq->enabled || !vmsg_device_running(dev)) {",
     "	if (!vq) {"),
    ("legacy enable only if asked for", "device.c",
     "		if (dev->bus->params.legacy_enable && !vq->enabled &&",
     "		if (!vq->enabled &&"),
    ("no eventfd for kicks with data", "vq.c",
     "	kick = !vmsg_device_has_feature(dev, VMSG_F_NOTIFICATION_DATA);",
     "	kick = true;"),
    ("messages when eventfds are refused", "vq.c",
     "	vq->used_by_fd = !ret;", "	vq->used_by_fd = true;"),
    ("a ring cannot have others wait", "vq.c",
     "	if (vq->running && !vq->budget) {", "	if (0) {"),
    ("what is left is done later", "vq.c",
     "	if (vq->again)\n		vmsg_vq_kick(vq);", ""),
    ("one notification a turn", "vq.c",
     "		vq->ring->push(vq, slot);\n"
     "		vmsg_vq_free_slot(vq, slot);\n		return;",
     "		vq->ring->push(vq, slot);\n"
     "		vmsg_vq_free_slot(vq, slot);\n"
     "		vmsg_vq_notify(vq);\n		return;"),
    ("in order", "vq.c", "	while ((slot = vq->first) && slot->done) {",
     "	while ((slot = vq->first)) {"),
    ("a buffer comes back once", "vq.c",
     "	if (!slot->busy || slot->done)\n		return;\n", ""),
    ("nothing is written after a stop", "vq.c",
     "	slot->len = len;\n	if (!vmsg_vq_usable(vq))\n		return;",
     "	slot->len = len;"),
    ("pieces of 0 bytes", "vq.c", "	if (!len) {", "	if (0) {"),
    ("too many pieces", "vq.c",
     "	if (slot->num >= vmsg_vq_max_segments(vq)) {", "	if (0) {"),
    ("writable before readable", "vq.c",
     "	if (!write && slot->elem.in_num) {", "	if (0) {"),
    ("pieces outside of the pool", "vq.c", "	if (!ptr) {",
     "	if (!ptr)\n		ptr = vq->area[0];\n	if (0) {"),
    ("4 GiB in pieces", "vq.c",
     "	if (slot->total > UINT32_MAX) {", "	if (0) {"),
    ("indirect not negotiated", "vq.c", "	if (!vq->indirect) {",
     "	if (0) {"),
    ("odd tables", "vq.c",
     "	if (!num || len % sizeof(struct vring_desc)) {", "	if (0) {"),
    ("tables outside of the pool", "vq.c", "	if (!table) {",
     "	if (0) {"),
    ("tables in tables", "vq.c",
     "		if (flags & VRING_DESC_F_INDIRECT) {", "		if (0) {"),
    ("next behind the table", "vq.c", "		if (i >= num) {",
     "		if (0) {"),
    ("loop in a table", "vq.c",
     "	if (!chained)\n		return 0;\n	vmsg_vq_broken",
     "	return 0;\n	vmsg_vq_broken"),
    ("split: too many available", "vring_split.c",
     "	if (num > vq->size - vq->inflight) {", "	if (num > vq->size) {"),
    ("split: available index far away", "vring_split.c",
     "	if (num > vq->size - vq->inflight) {", "	if (0) {"),
    ("split: descriptor behind the queue", "vring_split.c",
     "		if (i >= vq->size) {", "		if (0) {"),
    ("split: loop", "vring_split.c",
     "	for (done = 0; done < vq->size; done++) {",
     "	for (done = 0; done < 100; done++) {\n"
     "		if (done == 50)\n			return 1;"),
    ("split: indirect and chained", "vring_split.c",
     "			if (flags & VRING_DESC_F_NEXT) {", "			if (0) {"),
    ("split: NO_INTERRUPT", "vring_split.c",
     "			 VRING_AVAIL_F_NO_INTERRUPT);", "			 0);"),
    ("split: used event", "vring_split.c",
     "	return vring_need_event(event, vq->used, vq->used - pushed);",
     "	return event || 1;"),
    ("split: available event", "vring_split.c",
     "				 htole16(vq->avail), __ATOMIC_RELAXED);",
     "				 htole16(vq->avail + 1), __ATOMIC_RELAXED);"),
    ("split: kicks on again", "vring_split.c",
     "		__atomic_store_n(vring_split_used_flags(vq), 0,\n"
     "				 __ATOMIC_RELAXED);\n	/* The wish",
     "		;\n	/* The wish"),
    ("packed: wrap counter of available", "vring_packed.c",
     "	return avail == vq->avail_wrap && used != vq->avail_wrap;",
     "	return avail && !used;"),
    ("packed: used is not available", "vring_packed.c",
     "	return avail == vq->avail_wrap && used != vq->avail_wrap;",
     "	return avail == vq->avail_wrap;"),
    ("packed: wrap counter of used", "vring_packed.c",
     "	uint16_t flags = vq->used_wrap ?", "	uint16_t flags = 1 ?"),
    ("packed: all in flight", "vring_packed.c",
     "	if (vq->inflight == vq->size || !vring", "	if (!vring"),
    ("packed: chain into used descriptors", "vring_packed.c",
     "	if (vq->inflight + slot->descs > vq->size) {", "	if (0) {"),
    ("packed: endless chain", "vring_packed.c",
     "	for (slot->descs = 1; slot->descs <= vq->size; slot->descs++) {",
     "	for (slot->descs = 1; ; slot->descs++) {\n"
     "		if (slot->descs > 3 * vq->size) {\n"
     "			slot->descs = 1;\n			return 1;\n		}"),
    ("packed: indirect and chained", "vring_packed.c",
     "			if (flags & VRING_DESC_F_NEXT || slot->descs > 1) {",
     "			if (0) {"),
    ("packed: number of the buffer", "vring_packed.c",
     "htole16(slot->id), __ATOMIC_RELAXED",
     "htole16(slot->id + 1), __ATOMIC_RELAXED"),
    ("packed: DISABLE", "vring_packed.c",
     "	if (flags == VRING_PACKED_EVENT_FLAG_DISABLE)", "	if (0)"),
    ("packed: wrap counter of events", "vring_packed.c",
     "	if (wrap != vq->used_wrap)\n		off -= vq->size;", "	(void)wrap;"),
    ("packed: own event", "vring_packed.c",
     "		if (vq->avail_wrap)\n			off_wrap |=", "		off_wrap |="),
    ("blk: range", "dev_blk.c",
     "	return sector <= blk->capacity && sectors <= blk->capacity - sector;",
     "	return sector <= blk->capacity && sectors <= blk->capacity;"),
    ("blk: whole sectors", "dev_blk.c",
     "	if (req->len % VMSG_BLK_SECTOR ||\n", "	if (\n"),
    ("blk: failed reads show nothing", "dev_blk.c",
     "	if (status != VIRTIO_BLK_S_OK && req.type == VIRTIO_BLK_T_IN)",
     "	if (0)"),
    ("blk: unknown flags", "dev_blk.c",
     "		if (flags & ~(zero ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0u))",
     "		if (0)"),
    ("blk: number of ranges", "dev_blk.c",
     "	    num > VMSG_BLK_MAX_RANGES)", "	    0)"),
    ("blk: ranges are checked before the first", "dev_blk.c",
     "		    !vmsg_blk_in_range(blk, le64toh(range[i].sector), sectors))",
     "		    0)"),
    ("blk: zeros are written", "dev_blk.c",
     "	return zero ? vmsg_blk_write_zeros(blk, pos, len) : 0;\n",
     "	return 0;\n"),
    ("blk: a short header", "dev_blk.c",
     "	if (elem->out_len < sizeof(hdr) || !elem->in_len) {",
     "	if (!elem->in_len) {"),
    ("blk: a request fits into the pool", "dev_blk.c",
     "	size_max = pool / 4 / seg_max / page * page;", "	size_max = pool;"),
    ("blk: only the cache mode can be written", "dev_blk.c",
     "	if (offset != offsetof(struct virtio_blk_config, wce) ||\n"
     "	    len",
     "	if (len"),
    ("blk: a reset restores the cache mode", "dev_blk.c",
     "	blk->config.wce = 1;\n	blk->said", "	blk->said"),
    ("rng: nothing to fill", "dev_rng.c", "		if (!elem->in_num) {",
     "		if (0) {"),
    ("rng: limit", "dev_rng.c",
     "		if (part > VMSG_RNG_MAX - done)\n", "		if (0)\n"),
    ("rng: a reset begins anew", "dev_rng.c",
     "	rng->state = rng->seed;\n	return 0;", "	return 0;"),
    ("loop: work gives way", "loop.c", "	vmsg_loop_defer(loop, &mark);\n"
     "	while ((work = loop->first) != &mark) {",
     "	int max = 100;\n	while ((work = loop->first) && max--) {"),
]


def end_all(folder):
    """End what a broken test has left behind: programs of this folder."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            program = os.readlink("/proc/%s/exe" % pid)
            if program.startswith(folder + "/"):
                os.kill(int(pid), signal.SIGKILL)
        except OSError:
            pass


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    top = os.path.abspath(os.path.join(here, "../../.."))
    names = sys.argv[1:]
    failed = run = 0
    with tempfile.TemporaryDirectory(prefix="vmsg-mutate") as copy:
        for part in ("drivers/virtio/msg", "include/uapi",
                     "tools/virtio-msg"):
            shutil.copytree(os.path.join(top, part),
                            os.path.join(copy, part))
        tool = os.path.join(copy, "tools/virtio-msg")
        make = ["make", "-s", "-j2", "-C", tool, "O=" + copy + "/out",
                "check"]
        os.mkdir(copy + "/tmp")
        env = dict(os.environ, STOP="1", TMPDIR=copy + "/tmp")

        def check():
            # A hang is noticed as well.
            try:
                return subprocess.run(make, env=env, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, text=True,
                                      timeout=300, check=False)
            except subprocess.TimeoutExpired:
                return None
            finally:
                end_all(copy)

        first = check()
        if not first or first.returncode:
            print("Bail out! the tests fail before anything is broken")
            return 1
        for name, file, old, new in RULES:
            if names and name not in names:
                continue
            run += 1
            path = os.path.join(tool, file)
            with open(path, encoding="utf-8") as source:
                text = source.read()
            why = None
            if text.count(old) != 1:
                why = "the place is there %d times" % text.count(old)
            else:
                with open(path, "w", encoding="utf-8") as source:
                    source.write(text.replace(old, new))
                result = check()
                if result and not result.returncode:
                    why = "no test has noticed"
                elif result and "# libvmsg:" not in result.stdout:
                    why = "does not build: " + result.stdout[-300:]
                with open(path, "w", encoding="utf-8") as source:
                    source.write(text)
            print("%sok %d - %s" % ("not " if why else "", run, name))
            if why:
                print("# " + why.replace("\n", "\n# "))
                failed += 1
            sys.stdout.flush()
    print("1..%d" % run)
    return 1 if failed else 0


sys.exit(main())
