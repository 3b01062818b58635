// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: the PCI functions that amp_pci.c drives, made up for tests.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/unaligned.h>
#include <linux/virtio_ring.h>

#include "fake_card.h"

/* Where things are in format layout, as the device model that uses it has it. */
#define DEV_HEAD	64
#define DRV_HEAD	72
#define DEV_SLOTS	80
#define DRV_SLOTS	4112
#define LAYOUT_SLOTS	63

/* 10ee:9039 */
#define REG_VERSION	0x00
#define REG_FEATURES	0x04
#define REG_NOTIFY	0x20
/* ivshmem-doorbell */
#define REG_POSITION	0x08
#define REG_DOORBELL	0x0c

/*
 * Queues. Numbers that only the device side writes are compared with what it
 * wrote: nobody else has a reason to touch them.
 */

static struct virtio_msg_amp_spsc *spsc(struct fake_fifo *fifo, u32 at)
{
	return fifo->window + at;
}

static struct virtio_msg_amp_queue_head *head(struct fake_fifo *fifo, u32 at)
{
	return fifo->window + VIRTIO_MSG_AMP_LAYOUT + at;
}

static u16 next_slot(struct fake_fifo *fifo, u16 slot)
{
	return (slot + 1) % fifo->slots;
}

static void publish(struct fake_fifo *fifo)
{
	if (fifo->card->layout) {
		head(fifo, DEV_HEAD)->tail = cpu_to_le16(fifo->tx);
		head(fifo, DEV_HEAD)->head = cpu_to_le16(fifo->rx);
	} else {
		spsc(fifo, VIRTIO_MSG_AMP_SPSC_DEVICE)->head =
			cpu_to_le32(fifo->tx);
		spsc(fifo, VIRTIO_MSG_AMP_SPSC_DRIVER)->tail =
			cpu_to_le32(fifo->rx);
	}
}

/* The driver side's numbers; @mine = the device side's are still right. */
static void look(struct fake_fifo *fifo, u32 *drv_tx, u32 *drv_rx, bool *mine)
{
	struct virtio_msg_amp_spsc *to_dev, *to_drv;
	struct virtio_msg_amp_queue_head *dev, *drv;

	if (fifo->card->layout) {
		dev = head(fifo, DEV_HEAD);
		drv = head(fifo, DRV_HEAD);
		*drv_tx = le16_to_cpu(READ_ONCE(drv->tail));
		*drv_rx = le16_to_cpu(READ_ONCE(drv->head));
		*mine = le16_to_cpu(dev->tail) == fifo->tx &&
			le16_to_cpu(dev->head) == fifo->rx;
	} else {
		to_dev = spsc(fifo, VIRTIO_MSG_AMP_SPSC_DRIVER);
		to_drv = spsc(fifo, VIRTIO_MSG_AMP_SPSC_DEVICE);
		*drv_tx = le32_to_cpu(READ_ONCE(to_dev->head));
		*drv_rx = le32_to_cpu(READ_ONCE(to_drv->tail));
		*mine = le32_to_cpu(to_drv->head) == fifo->tx &&
			le32_to_cpu(to_dev->tail) == fifo->rx;
	}
	if (*drv_tx >= fifo->slots || *drv_rx >= fifo->slots)
		*mine = false;
}

static u8 *slot(struct fake_fifo *fifo, bool to_drv, u16 n)
{
	if (fifo->card->layout)
		return fifo->window + VIRTIO_MSG_AMP_LAYOUT +
		       (to_drv ? DEV_SLOTS : DRV_SLOTS) +
		       n * VIRTIO_MSG_AMP_SLOT_SIZE;
	return spsc(fifo, to_drv ? VIRTIO_MSG_AMP_SPSC_DEVICE :
				   VIRTIO_MSG_AMP_SPSC_DRIVER)->slots[n];
}

/* Takes one frame, of VIRTIO_MSG_AMP_SLOT_SIZE bytes. */
static bool take(struct fake_fifo *fifo, u8 *frame)
{
	u32 drv_tx, drv_rx;
	bool mine;

	guard(spinlock_irqsave)(&fifo->lock);
	look(fifo, &drv_tx, &drv_rx, &mine);
	if (!mine) {
		KUNIT_FAIL(fifo->card->test, "FIFO %u: numbers of the queues are wrong",
			   fifo->num);
		publish(fifo);
		return false;
	}
	if (drv_tx == fifo->rx)
		return false;
	/* The number before the slot. */
	smp_rmb();
	memcpy(frame, slot(fifo, false, fifo->rx), VIRTIO_MSG_AMP_SLOT_SIZE);
	fifo->rx = next_slot(fifo, fifo->rx);
	fifo->taken++;
	publish(fifo);
	return true;
}

static struct fake_fifo *to_fifo(struct fake_bus *fb)
{
	return container_of(fb, struct fake_fifo, fb);
}

/* fake_bus.deliver: one interrupt for each frame. */
static int give(struct fake_bus *fb, const void *frame, size_t size)
{
	struct fake_fifo *fifo = to_fifo(fb);
	u32 drv_tx, drv_rx;
	bool mine;
	u8 *to;

	if (size > VIRTIO_MSG_AMP_SLOT_SIZE)
		return -EMSGSIZE;
	scoped_guard(spinlock_irqsave, &fifo->lock) {
		look(fifo, &drv_tx, &drv_rx, &mine);
		if (next_slot(fifo, fifo->tx) == drv_rx) {
			fifo->lost++;
			return -ENOSPC;
		}
		to = slot(fifo, true, fifo->tx);
		memset(to, 0, VIRTIO_MSG_AMP_SLOT_SIZE);
		memcpy(to, frame, size);
		/* The slot before the number. */
		smp_wmb();
		fifo->tx = next_slot(fifo, fifo->tx);
		fifo->given++;
		publish(fifo);
	}
	fake_pci_irq(fifo->card->fp, fifo->num);
	return 0;
}

/* Returns false when there is no frame. */
static bool take_one(struct fake_fifo *fifo)
{
	u8 frame[VIRTIO_MSG_AMP_SLOT_SIZE] __aligned(8);
	u16 size;

	if (!take(fifo, frame))
		return false;
	size = get_unaligned_le16(frame + offsetof(struct virtio_msg_hdr,
						   msg_size));
	if (size > sizeof(frame) ||
	    memchr_inv(frame + size, 0, sizeof(frame) - size)) {
		KUNIT_FAIL(fifo->card->test, "FIFO %u: %u bytes, and more behind them",
			   fifo->num, size);
		return true;
	}
	fake_take(&fifo->fb, frame, size);
	return true;
}

/*
 * States of format layout
 */

static void devices_reset(struct fake_fifo *fifo)
{
	struct vmsg_msg msg = { .id = VIRTIO_MSG_SET_DEVICE_STATUS };
	struct fake_frame *frame = kmalloc_obj(*frame, GFP_ATOMIC);
	unsigned int i;

	for (i = 0; frame && i < fifo->fb.num_devs; i++) {
		msg.dev_num = fifo->fb.devs[i]->num;
		fake_answer(&fifo->fb, &msg, frame);
	}
	kfree(frame);
}

static void say(struct fake_fifo *fifo, u16 status)
{
	fifo->status = status;
	publish(fifo);
	/* What the status promises comes first. */
	smp_wmb();
	head(fifo, DEV_HEAD)->status = cpu_to_le16(status);
	head(fifo, DEV_HEAD)->magic = cpu_to_le16(VIRTIO_MSG_AMP_QUEUE_MAGIC);
	/* A 10ee:9039 interrupts for messages only. */
	if (fifo->card->ivshmem)
		fake_pci_irq(fifo->card->fp, fifo->num);
}

static bool step(struct fake_fifo *fifo)
{
	struct virtio_msg_amp_queue_head *drv = head(fifo, DRV_HEAD);
	u16 status = le16_to_cpu(READ_ONCE(drv->status)) &
		     VIRTIO_MSG_AMP_STATUS_MASK;

	if (le16_to_cpu(READ_ONCE(drv->magic)) != VIRTIO_MSG_AMP_QUEUE_MAGIC)
		return false;
	switch (fifo->status) {
	case VIRTIO_MSG_AMP_INIT:
		if (status > VIRTIO_MSG_AMP_RUN)
			return false;
		fifo->rx = 0;
		fifo->tx = 0;
		fifo->drv_ran = false;
		say(fifo, VIRTIO_MSG_AMP_READY);
		return true;
	case VIRTIO_MSG_AMP_READY:
		if (status != VIRTIO_MSG_AMP_READY &&
		    status != VIRTIO_MSG_AMP_RUN)
			return false;
		say(fifo, VIRTIO_MSG_AMP_RUN);
		return true;
	case VIRTIO_MSG_AMP_RUN:
		if (fifo->card->stubborn)
			return false;
		if (status == VIRTIO_MSG_AMP_RUN) {
			fifo->drv_ran = true;
			return false;
		}
		if (status == VIRTIO_MSG_AMP_READY && !fifo->drv_ran)
			return false;
		devices_reset(fifo);
		say(fifo, VIRTIO_MSG_AMP_INIT);
		return true;
	}
	return false;
}

static void states(struct fake_fifo *fifo)
{
	guard(spinlock_irqsave)(&fifo->lock);
	while (fifo->card->layout && step(fifo))
		;
}

static bool runs(struct fake_fifo *fifo)
{
	return !fifo->card->layout || fifo->status == VIRTIO_MSG_AMP_RUN;
}

/**
 * fake_fifo_run() - the device side looks at its states and takes all frames
 * @fifo: the bus
 *
 * Context: Any.
 */
void fake_fifo_run(struct fake_fifo *fifo)
{
	states(fifo);
	while (runs(fifo) && take_one(fifo))
		;
}

/**
 * fake_fifo_say() - the device side says something about itself
 * @fifo: the bus, in format layout
 * @status: VIRTIO_MSG_AMP_INIT and so on
 *
 * Context: Any.
 */
void fake_fifo_say(struct fake_fifo *fifo, u16 status)
{
	guard(spinlock_irqsave)(&fifo->lock);
	say(fifo, status);
}

/**
 * fake_fifo_restart() - the device side dies, and comes up again
 * @fifo: the bus, in format layout
 *
 * Context: Any.
 */
void fake_fifo_restart(struct fake_fifo *fifo)
{
	scoped_guard(spinlock_irqsave, &fifo->lock) {
		devices_reset(fifo);
		say(fifo, VIRTIO_MSG_AMP_INIT);
	}
}

static void card_poll(struct work_struct *work)
{
	struct fake_card *card = container_of(to_delayed_work(work),
					      struct fake_card, poll);
	unsigned int i;

	for (i = 0; i < card->num_fifos; i++)
		states(&card->fifos[i]);
	queue_delayed_work(system_dfl_wq, &card->poll, 1);
}

/*
 * Queues in the memory of this machine: a 10ee:9039 reaches all of it.
 */

static void *phys(struct fake_fifo *fifo, u64 address, u64 size)
{
	if (size && pfn_valid(PHYS_PFN(address)) &&
	    pfn_valid(PHYS_PFN(address + size - 1)))
		return phys_to_virt(address);
	KUNIT_FAIL(fifo->card->test, "0x%llx is no memory", address);
	return NULL;
}

/* What the driver gave comes back, and 0x5a behind it. */
static u32 phys_chain(struct fake_fifo *fifo, const struct vring_desc *table,
		      u32 entries, u16 at)
{
	u32 left, len, i, out_len = 0, in_len = 0;
	u8 out[64], *mem;
	u16 flags;

	for (left = entries; left && at < entries; left--) {
		flags = le16_to_cpu((__force __le16)table[at].flags);
		len = le32_to_cpu((__force __le32)table[at].len);
		mem = phys(fifo, le64_to_cpu((__force __le64)table[at].addr), len);
		if (!mem)
			return 0;
		for (i = 0; i < len && (flags & VRING_DESC_F_WRITE); i++) {
			mem[i] = in_len < out_len ? out[in_len] : 0x5a;
			in_len++;
		}
		for (i = 0; i < len && !(flags & VRING_DESC_F_WRITE); i++) {
			if (out_len < sizeof(out))
				out[out_len++] = mem[i];
		}
		if (!(flags & VRING_DESC_F_NEXT))
			return in_len;
		at = le16_to_cpu((__force __le16)table[at].next);
	}
	KUNIT_FAIL(fifo->card->test, "a descriptor chain without an end");
	return 0;
}

static bool phys_serve(struct fake_fifo *fifo, struct fake_dev *fd,
		       struct fake_vq *fq)
{
	struct vring_avail *avail;
	struct vring_desc *table;
	struct vring_used *used;
	bool any = false;
	u16 first;
	u32 len;

	guard(spinlock_irqsave)(&fifo->fb.lock);
	if (!(fd->status & VIRTIO_CONFIG_S_DRIVER_OK) || !fq->enabled)
		return false;
	table = phys(fifo, fq->desc, fq->size * sizeof(*table));
	avail = phys(fifo, fq->driver, struct_size(avail, ring, fq->size));
	used = phys(fifo, fq->device, struct_size(used, ring, fq->size));
	if (!table || !avail || !used)
		return false;
	while (fq->next != le16_to_cpu((__force __le16)READ_ONCE(avail->idx))) {
		/* The index before the entry. */
		smp_rmb();
		first = le16_to_cpu((__force __le16)
				    avail->ring[fq->next++ % fq->size]);
		len = phys_chain(fifo, table, fq->size, first);
		used->ring[fq->used % fq->size].id =
			(__force __virtio32)cpu_to_le32(first);
		used->ring[fq->used % fq->size].len =
			(__force __virtio32)cpu_to_le32(len);
		/* The entry before the index. */
		smp_wmb();
		used->idx = (__force __virtio16)cpu_to_le16(++fq->used);
		any = true;
	}
	return any;
}

/* fake_bus.serve_work of a 10ee:9039. */
static void phys_work(struct work_struct *work)
{
	struct fake_bus *fb = container_of(work, struct fake_bus, serve_work);
	struct fake_dev *fd;
	unsigned int i, q;

	for (i = 0; i < fb->num_devs; i++) {
		fd = fb->devs[i];
		for (q = 0; q < FAKE_VQS; q++) {
			if (phys_serve(to_fifo(fb), fd, &fd->vq[q]))
				fake_event_used(fd, q);
		}
	}
}

/*
 * Registers
 */

static void xilinx_bell(struct fake_fifo *fifo)
{
	fifo->bells++;
	if (fifo->card->deaf)
		return;
	if (!fifo->fb.num_devs)
		KUNIT_FAIL(fifo->card->test, "FIFO %u: no devices: a doorbell crashes QEMU",
			   fifo->num);
	if (!fifo->card->layout) {
		fake_fifo_run(fifo);
	} else if (!runs(fifo) || !take_one(fifo)) {
		KUNIT_FAIL(fifo->card->test, "FIFO %u: no frame: a doorbell hangs QEMU",
			   fifo->num);
	}
}

static u32 xilinx_read(struct fake_pci *fp, int bar, u32 offset, int size)
{
	struct fake_card *card = fake_pci_priv(fp);

	return offset == REG_VERSION ? card->version : 0;
}

static void xilinx_write(struct fake_pci *fp, int bar, u32 offset, int size,
			 u32 val)
{
	struct fake_card *card = fake_pci_priv(fp);
	u32 fifo = (offset - REG_NOTIFY) / 4;

	if (offset >= REG_NOTIFY && !(offset % 4) && size == 4 &&
	    fifo < card->num_fifos)
		xilinx_bell(&card->fifos[fifo]);
	else
		KUNIT_FAIL(card->test, "write of %d bytes to register 0x%x",
			   size, offset);
}

static const struct fake_pci_ops xilinx_ops = {
	.read = xilinx_read,
	.write = xilinx_write,
};

static u32 ivshmem_read(struct fake_pci *fp, int bar, u32 offset, int size)
{
	struct fake_card *card = fake_pci_priv(fp);

	return offset == REG_POSITION ? card->position : 0;
}

static void ivshmem_write(struct fake_pci *fp, int bar, u32 offset, int size,
			  u32 val)
{
	struct fake_card *card = fake_pci_priv(fp);

	if (offset != REG_DOORBELL || size != 4 || val != card->peer << 16) {
		KUNIT_FAIL(card->test, "write of 0x%x, %d bytes, to register 0x%x",
			   val, size, offset);
		return;
	}
	card->fifos[0].bells++;
	if (!card->deaf)
		fake_fifo_run(&card->fifos[0]);
}

static const struct fake_pci_ops ivshmem_ops = {
	.read = ivshmem_read,
	.write = ivshmem_write,
};

/*
 * Cards
 */

static void fifo_init(struct fake_card *card, unsigned int num)
{
	struct fake_fifo *fifo = &card->fifos[num];
	struct fake_bus *fb = &fifo->fb;

	fifo->card = card;
	fifo->num = num;
	fifo->slots = card->layout ? LAYOUT_SLOTS : VIRTIO_MSG_AMP_SPSC_SLOTS;
	spin_lock_init(&fifo->lock);
	fake_models_init(fb, card->test);
	fb->dialect = card->dialect;
	fb->info.max_msg_size = card->dialect == VMSG_DIALECT_RFC ?
				VMSG_RFC_MAX_SIZE : VIRTIO_MSG_AMP_SLOT_SIZE;
	fb->deliver = give;
	fb->serve = true;
	if (!card->ivshmem)
		INIT_WORK(&fb->serve_work, phys_work);
	fb->wq = alloc_workqueue("fake_card", WQ_UNBOUND, 0);
	KUNIT_ASSERT_NOT_NULL(card->test, fb->wq);
}

static void card_free(void *arg)
{
	struct fake_card *card = arg;
	unsigned int i;

	for (i = 0; i < card->num_fifos; i++) {
		card->fifos[i].fb.mem = NULL;
		if (card->fifos[i].fb.wq)
			fake_models_release(&card->fifos[i].fb);
	}
	kvfree(card);
}

static struct fake_card *card_alloc(struct kunit *test, unsigned int fifos)
{
	struct fake_card *card = kvzalloc_obj(*card);

	KUNIT_ASSERT_NOT_NULL(test, card);
	card->test = test;
	card->num_fifos = fifos;
	card->dialect = VMSG_DIALECT_1;
	card->version = 1;
	card->position = 3;
	card->peer = 7;
	INIT_DELAYED_WORK(&card->poll, card_poll);
	card->pci.priv = card;
	card->pci.pba = 0x800;
	card->pci.vectors = fifos;
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, card_free, card));
	return card;
}

static void card_init_fifos(struct fake_card *card)
{
	unsigned int i;

	for (i = 0; i < card->num_fifos; i++)
		fifo_init(card, i);
}

/**
 * fake_xilinx() - a 10ee:9039 that is not plugged in yet
 * @test: whose it is
 * @fifos: how many FIFOs it has
 * @layout: format of the windows, else spsc
 * @dialect: how the device side writes messages
 *
 * Return: the card; the test ends when there is none.
 */
struct fake_card *fake_xilinx(struct kunit *test, unsigned int fifos,
			      bool layout, enum vmsg_dialect dialect)
{
	struct fake_card *card = card_alloc(test, fifos);

	card->layout = layout;
	card->dialect = dialect;
	card->pci.vendor = 0x10ee;
	card->pci.device = 0x9039;
	card->pci.class = 0x08800001;
	card->pci.bar[0].kind = FAKE_BAR_REGS;
	card->pci.bar[0].size = 0x4000;
	card->pci.bar[1].kind = FAKE_BAR_MEM;
	card->pci.bar[1].size = fifos * VIRTIO_MSG_AMP_WINDOW_SIZE;
	card->pci.bar[1].flags = PCI_BASE_ADDRESS_MEM_PREFETCH;
	card->pci.bar[2].kind = FAKE_BAR_MEM;
	card->pci.bar[2].size = 0x1000;
	card->pci.msix_bar = 2;
	card->pci.ops = &xilinx_ops;
	card_init_fifos(card);
	return card;
}

/**
 * fake_ivshmem() - an ivshmem-doorbell that is not plugged in yet
 * @test: whose it is
 *
 * Return: the card; the test ends when there is none.
 */
struct fake_card *fake_ivshmem(struct kunit *test)
{
	struct fake_card *card = card_alloc(test, 1);

	card->ivshmem = true;
	card->layout = true;
	card->pci.vendor = 0x1af4;
	card->pci.device = 0x1110;
	card->pci.class = 0x05000001;
	card->pci.bar[0].kind = FAKE_BAR_REGS;
	card->pci.bar[0].size = 0x100;
	card->pci.bar[1].kind = FAKE_BAR_MEM;
	card->pci.bar[1].size = 0x1000;
	card->pci.bar[2].kind = FAKE_BAR_RAM;
	card->pci.bar[2].size = FAKE_SHMEM;
	card->pci.bar[2].flags = PCI_BASE_ADDRESS_MEM_PREFETCH |
				 PCI_BASE_ADDRESS_MEM_TYPE_64;
	card->pci.msix_bar = 1;
	card->pci.ops = &ivshmem_ops;
	card_init_fifos(card);
	return card;
}

static void write_layout(struct fake_fifo *fifo)
{
	const struct virtio_msg_amp_layout layout = {
		.magic = cpu_to_le16(VIRTIO_MSG_AMP_LAYOUT_MAGIC),
		.length = cpu_to_le16(sizeof(layout)),
		.version = cpu_to_le16(VIRTIO_MSG_AMP_LAYOUT_VERSION),
		.num_queue_elements = cpu_to_le16(LAYOUT_SLOTS),
		.size_queue_elements = cpu_to_le16(VIRTIO_MSG_AMP_SLOT_SIZE),
		.dev_queue_head = cpu_to_le64(DEV_HEAD),
		.dev_queue_elements = cpu_to_le64(DEV_SLOTS),
		.drv_queue_head = cpu_to_le64(DRV_HEAD),
		.drv_queue_elements = cpu_to_le64(DRV_SLOTS),
	};

	memcpy(fifo->window + VIRTIO_MSG_AMP_LAYOUT, &layout, sizeof(layout));
	say(fifo, VIRTIO_MSG_AMP_INIT);
}

static void write_ivshmem(struct fake_card *card)
{
	struct virtio_msg_amp_ivshmem *shmem = card->fifos[0].window;

	shmem->version = cpu_to_le32(VIRTIO_MSG_AMP_IVSHMEM_VERSION);
	shmem->device_peer = cpu_to_le32(card->peer);
	shmem->magic = cpu_to_le32(VIRTIO_MSG_AMP_IVSHMEM_MAGIC);
	/* What is in the window is nobody's buffer. */
	card->fifos[0].fb.address = VIRTIO_MSG_AMP_WINDOW_SIZE;
	card->fifos[0].fb.mem = (void *)shmem + VIRTIO_MSG_AMP_WINDOW_SIZE;
}

static void card_stop(void *arg)
{
	struct fake_card *card = arg;
	unsigned int i;

	fake_pci_remove(card->fp);
	cancel_delayed_work_sync(&card->poll);
	for (i = 0; i < card->num_fifos; i++)
		flush_workqueue(card->fifos[i].fb.wq);
}

/**
 * fake_card_make() - make the function, with all that the device side writes
 * @card: the card
 *
 * The test may change the memory before fake_card_plug().
 */
void fake_card_make(struct fake_card *card)
{
	int bar = card->ivshmem ? 2 : 1;
	unsigned int i;

	card->fp = fake_pci_create(card->test, &card->pci);
	KUNIT_ASSERT_EQ(card->test, 0,
			kunit_add_action_or_reset(card->test, card_stop, card));
	/* Cards without the memory are for drivers that shall notice. */
	if (card->pci.bar[bar].size <
	    card->num_fifos * VIRTIO_MSG_AMP_WINDOW_SIZE)
		return;
	for (i = 0; i < card->num_fifos; i++) {
		card->fifos[i].window = fake_pci_mem(card->fp, bar) +
					i * VIRTIO_MSG_AMP_WINDOW_SIZE;
		if (card->layout)
			write_layout(&card->fifos[i]);
	}
	if (card->ivshmem)
		write_ivshmem(card);
	else if (card->layout)
		queue_delayed_work(system_dfl_wq, &card->poll, 1);
}

/**
 * fake_card_plug() - plug the card in
 * @card: the card
 *
 * A 10ee:9039 is bound when this returns, if its driver wants it.
 */
void fake_card_plug(struct fake_card *card)
{
	if (!card->fp)
		fake_card_make(card);
	card->pdev = fake_pci_plug(card->fp);
}

/**
 * fake_card_dev() - a device that nobody has heard of yet
 * @card: the card
 * @fifo: on which FIFO
 * @num: device number
 *
 * Return: the device, as of fake_dev_create().
 */
struct fake_dev *fake_card_dev(struct fake_card *card, unsigned int fifo,
			       u16 num)
{
	struct fake_dev *fd = fake_dev_create(&card->fifos[fifo].fb, num);

	/* Without this bit it uses physical addresses, as the device models do. */
	if (!card->ivshmem)
		fake_offer(fd, VIRTIO_F_ACCESS_PLATFORM, false);
	return fd;
}

/**
 * fake_card_pull() - pull the card out
 * @card: the card
 *
 * All that it has reads as ones. Unlike those of a real one, pages of an ivshmem
 * remember what is written to them afterwards.
 */
void fake_card_pull(struct fake_card *card)
{
	fake_pci_pull(card->fp);
	if (card->ivshmem)
		memset(card->fifos[0].window, 0xff, FAKE_SHMEM);
}
