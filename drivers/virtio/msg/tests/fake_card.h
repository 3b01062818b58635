/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio-msg: the PCI functions that amp_pci.c drives, made up for tests.
 *
 * Either a 10ee:9039 with up to eight FIFOs or an ivshmem-doorbell with one. The
 * device side of each FIFO is a peer of fake_device.c, which answers messages
 * and serves queues. The functions are as strict as the ones that they stand
 * for: where a real device side would crash or hang, the test fails.
 *
 * A card goes with its test. Doorbells are answered before the write of the
 * register returns; all else of the device side runs in works.
 */
#ifndef _VIRTIO_MSG_FAKE_CARD_H
#define _VIRTIO_MSG_FAKE_CARD_H

#include <linux/pci.h>
#include <linux/virtio_msg_amp.h>
#include <linux/workqueue.h>

#include "fake_device.h"
#include "fake_pci.h"

#define FAKE_FIFOS		8
/* ivshmem: bytes of the memory. */
#define FAKE_SHMEM		0x80000

struct fake_card;

/**
 * struct fake_fifo - the device side of one bus
 * @card: where it is
 * @num: number of its window, doorbell and vector
 * @fb: what answers and serves
 * @window: the memory
 * @lock: protects all that follows
 * @slots: slots of each queue
 * @rx: own number in the queue from the driver side
 * @tx: own number in the queue to it
 * @status: what it says about itself, format layout
 * @drv_ran: the driver side has been seen in RUN
 * @bells: doorbells
 * @taken: frames that came
 * @given: frames that went
 * @lost: frames for which there was no room
 */
struct fake_fifo {
	struct fake_card *card;
	unsigned int num;
	struct fake_bus fb;
	void *window;
	spinlock_t lock; /* the numbers */
	u16 slots;
	u16 rx;
	u16 tx;
	u16 status;
	bool drv_ran;
	unsigned int bells;
	unsigned int taken;
	unsigned int given;
	unsigned int lost;
};

/**
 * struct fake_card - a function and its device sides
 * @test: whose it is
 * @ivshmem: ivshmem-doorbell, else 10ee:9039
 * @layout: format of the windows
 * @dialect: how the device side writes messages
 * @num_fifos: how many
 * @pci: what the function is; the test may change it before fake_card_make()
 * @fp: the function
 * @pdev: the same as the kernel knows it
 * @version: register of a 10ee:9039
 * @position: register of an ivshmem-doorbell
 * @peer: of the device side of an ivshmem-doorbell
 * @deaf: doorbells are only counted
 * @stubborn: never leaves RUN, whatever the driver side does
 * @poll: looks at states, as a device side without an interrupt does
 * @fifos: the device sides
 */
struct fake_card {
	struct kunit *test;
	bool ivshmem;
	bool layout;
	enum vmsg_dialect dialect;
	unsigned int num_fifos;
	struct fake_pci_info pci;
	struct fake_pci *fp;
	struct pci_dev *pdev;
	u32 version;
	u32 position;
	u32 peer;
	bool deaf;
	bool stubborn;
	struct delayed_work poll;
	struct fake_fifo fifos[FAKE_FIFOS];
};

struct fake_card *fake_xilinx(struct kunit *test, unsigned int fifos,
			      bool layout, enum vmsg_dialect dialect);
struct fake_card *fake_ivshmem(struct kunit *test);
void fake_card_make(struct fake_card *card);
void fake_card_plug(struct fake_card *card);
struct fake_dev *fake_card_dev(struct fake_card *card, unsigned int fifo,
			       u16 num);
void fake_card_pull(struct fake_card *card);
void fake_fifo_run(struct fake_fifo *fifo);
void fake_fifo_say(struct fake_fifo *fifo, u16 status);
void fake_fifo_restart(struct fake_fifo *fifo);

#endif /* _VIRTIO_MSG_FAKE_CARD_H */
