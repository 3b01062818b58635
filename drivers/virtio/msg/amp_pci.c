// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: PCI functions that are AMP buses.
 *
 * A function brings windows of memory in a BAR, a doorbell for each, and an MSI-X
 * vector for each; virtio_msg_amp makes a bus of each. What differs between kinds
 * of functions is in vmsg_amp_pci_kinds.
 *
 * 10ee:9039 has no memory but the windows: its devices reach this machine's
 * memory by DMA. With ivshmem-doorbell the memory behind the window is the pool,
 * and nothing else is ever seen by the other side. ivshmem is a piece of memory
 * for whatever people like, so such a function is only taken when somebody says
 * so, by driver_override or by new_id with the kind's number as driver data.
 */
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/iosys-map.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/virtio_msg.h>
#include <linux/virtio_msg_amp.h>

#define VMSG_AMP_PCI_NAME	"virtio_msg_amp_pci"
#define VMSG_AMP_PCI_FIFOS_MAX	8

/* pci_device_id.driver_data, and the number for new_id. */
enum vmsg_amp_pci_id {
	VMSG_AMP_PCI_XILINX = 1,
	VMSG_AMP_PCI_IVSHMEM = 2,
};

/* 10ee:9039 */
#define XILINX_VERSION		0x00
#define XILINX_NOTIFY(n)	(0x20 + 4 * (n))

/* ivshmem-doorbell */
#define IVSHMEM_POSITION	0x08
#define IVSHMEM_DOORBELL	0x0c
#define IVSHMEM_VECTOR(peer)	(((peer) & 0xffff) << 16)

static unsigned int fifos = 1;
module_param(fifos, uint, 0444);
MODULE_PARM_DESC(fifos, "Bit n: ask for devices behind FIFO n of a 10ee:9039 (default 1). A FIFO whose bit is clear waits until its device side sends something; one without devices must never be asked, as its doorbell may crash the device side");

/**
 * struct vmsg_amp_pci_fifo - one bus of a function
 * @card: the function
 * @num: number of the window, the doorbell and the vector
 * @amp: the bus
 */
struct vmsg_amp_pci_fifo {
	struct vmsg_amp_pci *card;
	unsigned int num;
	struct virtio_msg_amp *amp;
};

/**
 * struct vmsg_amp_pci - a function
 * @pdev: the function
 * @kind: what it is like
 * @regs: its registers
 * @mem: its memory
 * @pool: behind the window, or NULL
 * @dma_lock: protects @dma_users
 * @dma_users: buses whose devices may reach this machine's memory
 * @frozen: all buses are suspended for a reset of the function
 * @num_fifos: number of buses
 * @fifos: the buses
 */
struct vmsg_amp_pci {
	struct pci_dev *pdev;
	const struct vmsg_amp_pci_kind *kind;
	void __iomem *regs;
	struct iosys_map mem;
	struct virtio_msg_pool *pool;
	struct mutex dma_lock; /* @dma_users */
	unsigned int dma_users;
	bool frozen;
	unsigned int num_fifos;
	struct vmsg_amp_pci_fifo fifos[VMSG_AMP_PCI_FIFOS_MAX];
};

/**
 * struct vmsg_amp_pci_kind - a kind of functions
 * @name: for people
 * @regs_bar: BAR with the registers
 * @regs_size: bytes that it has at least
 * @mem_bar: BAR with the windows
 * @mem_size: bytes that it has at least
 * @open: looks at the function, maps its memory, and says how many FIFOs there
 *	are; returns 0 or a negative errno
 * @close: undoes @open
 * @amp_ops: for the buses
 * @amp_flags: for the buses
 */
struct vmsg_amp_pci_kind {
	const char *name;
	int regs_bar;
	resource_size_t regs_size;
	int mem_bar;
	resource_size_t mem_size;
	int (*open)(struct vmsg_amp_pci *card);
	void (*close)(struct vmsg_amp_pci *card);
	struct virtio_msg_amp_ops amp_ops;
	unsigned long amp_flags;
};

static irqreturn_t vmsg_amp_pci_interrupt(int irq, void *data)
{
	struct vmsg_amp_pci_fifo *fifo = data;

	virtio_msg_amp_interrupt(fifo->amp);
	return IRQ_HANDLED;
}

static void vmsg_amp_pci_stop(void *priv)
{
	struct vmsg_amp_pci_fifo *fifo = priv;

	free_irq(pci_irq_vector(fifo->card->pdev, fifo->num), fifo);
}

/*
 * 10ee:9039
 */

static void vmsg_amp_pci_xilinx_doorbell(void *priv)
{
	struct vmsg_amp_pci_fifo *fifo = priv;

	writel(1, fifo->card->regs + XILINX_NOTIFY(fifo->num));
}

/* One switch for all FIFOs of a function, also for its interrupts. */
static void vmsg_amp_pci_xilinx_dma(void *priv, bool on)
{
	struct vmsg_amp_pci_fifo *fifo = priv;
	struct vmsg_amp_pci *card = fifo->card;

	guard(mutex)(&card->dma_lock);
	if (on && !card->dma_users++)
		pci_set_master(card->pdev);
	else if (!on && !--card->dma_users)
		pci_clear_master(card->pdev);
}

static int vmsg_amp_pci_xilinx_open(struct vmsg_amp_pci *card)
{
	struct pci_dev *pdev = card->pdev;
	resource_size_t size = pci_resource_len(pdev, card->kind->mem_bar);
	u32 version = readl(card->regs + XILINX_VERSION);
	void __iomem *mem;

	if (version != 1) {
		dev_err(&pdev->dev, "version %#x of the registers is not known, 1 is\n",
			version);
		return -ENODEV;
	}
	if (size % VIRTIO_MSG_AMP_WINDOW_SIZE ||
	    size > VMSG_AMP_PCI_FIFOS_MAX * VIRTIO_MSG_AMP_WINDOW_SIZE) {
		dev_err(&pdev->dev, "%pa bytes of memory are not 1 to %u windows\n",
			&size, VMSG_AMP_PCI_FIFOS_MAX);
		return -ENODEV;
	}
	card->num_fifos = size / VIRTIO_MSG_AMP_WINDOW_SIZE;
	if (dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64))) {
		dev_err(&pdev->dev, "no memory of this machine can be reached by DMA\n");
		return -EIO;
	}
	mem = pci_iomap(pdev, card->kind->mem_bar, 0);
	if (!mem)
		return -ENOMEM;
	iosys_map_set_vaddr_iomem(&card->mem, mem);
	return 0;
}

static void vmsg_amp_pci_xilinx_close(struct vmsg_amp_pci *card)
{
	pci_iounmap(card->pdev, card->mem.vaddr_iomem);
}

/*
 * ivshmem-doorbell
 */

static void vmsg_amp_pci_ivshmem_doorbell(void *priv)
{
	struct vmsg_amp_pci_fifo *fifo = priv;
	struct virtio_msg_amp_ivshmem *head = fifo->card->mem.vaddr;
	/* Another program may have taken over meanwhile. */
	u32 peer = le32_to_cpu(READ_ONCE(head->device_peer));

	writel(IVSHMEM_VECTOR(peer), fifo->card->regs + IVSHMEM_DOORBELL);
}

static int vmsg_amp_pci_ivshmem_check(struct vmsg_amp_pci *card)
{
	struct device *dev = &card->pdev->dev;
	struct virtio_msg_amp_ivshmem *head = card->mem.vaddr;

	if ((s32)readl(card->regs + IVSHMEM_POSITION) < 0) {
		dev_err(dev, "not connected to an ivshmem server\n");
		return -ENODEV;
	}
	if (le32_to_cpu(READ_ONCE(head->magic)) != VIRTIO_MSG_AMP_IVSHMEM_MAGIC) {
		dev_err(dev, "nobody has set this memory up for virtio-msg: start the device side, then bind again\n");
		return -ENODEV;
	}
	/* What was written before the magic is there. */
	rmb();
	if (le32_to_cpu(READ_ONCE(head->version)) !=
	    VIRTIO_MSG_AMP_IVSHMEM_VERSION) {
		dev_err(dev, "version of the memory is not known: use a device side of the same age as this driver\n");
		return -EPROTO;
	}
	return 0;
}

static int vmsg_amp_pci_ivshmem_open(struct vmsg_amp_pci *card)
{
	int bar = card->kind->mem_bar;
	size_t size = pci_resource_len(card->pdev, bar);
	void *ram;
	int err;

	/* It is memory of the host, and what is in there is used as memory. */
	ram = memremap(pci_resource_start(card->pdev, bar), size, MEMREMAP_WB);
	if (!ram)
		return -ENOMEM;
	iosys_map_set_vaddr(&card->mem, ram);
	err = vmsg_amp_pci_ivshmem_check(card);
	if (err)
		goto err_unmap;
	card->pool = virtio_msg_pool_create(ram + VIRTIO_MSG_AMP_WINDOW_SIZE,
					    VIRTIO_MSG_AMP_WINDOW_SIZE,
					    size - VIRTIO_MSG_AMP_WINDOW_SIZE);
	if (IS_ERR(card->pool)) {
		err = PTR_ERR(card->pool);
		goto err_unmap;
	}
	card->num_fifos = 1;
	/* Without it there are no interrupts. */
	pci_set_master(card->pdev);
	return 0;

err_unmap:
	memunmap(ram);
	return err;
}

static void vmsg_amp_pci_ivshmem_close(struct vmsg_amp_pci *card)
{
	pci_clear_master(card->pdev);
	virtio_msg_pool_destroy(card->pool);
	memunmap(card->mem.vaddr);
}

static const struct vmsg_amp_pci_kind vmsg_amp_pci_kinds[] = {
	[VMSG_AMP_PCI_XILINX] = {
		.name = "10ee:9039",
		.regs_bar = 0,
		.regs_size = XILINX_NOTIFY(VMSG_AMP_PCI_FIFOS_MAX),
		.mem_bar = 1,
		.mem_size = VIRTIO_MSG_AMP_WINDOW_SIZE,
		.open = vmsg_amp_pci_xilinx_open,
		.close = vmsg_amp_pci_xilinx_close,
		.amp_ops = {
			.doorbell = vmsg_amp_pci_xilinx_doorbell,
			.stop = vmsg_amp_pci_stop,
			.dma = vmsg_amp_pci_xilinx_dma,
		},
	},
	[VMSG_AMP_PCI_IVSHMEM] = {
		.name = "ivshmem-doorbell",
		.regs_bar = 0,
		.regs_size = IVSHMEM_DOORBELL + 4,
		.mem_bar = 2,
		/* With less than this there is no pool worth the name. */
		.mem_size = 4 * VIRTIO_MSG_AMP_WINDOW_SIZE,
		.open = vmsg_amp_pci_ivshmem_open,
		.close = vmsg_amp_pci_ivshmem_close,
		.amp_ops = {
			.doorbell = vmsg_amp_pci_ivshmem_doorbell,
			.stop = vmsg_amp_pci_stop,
		},
		.amp_flags = VIRTIO_MSG_AMP_RING_STATUS,
	},
};

/*
 * Life of a function
 */

static int vmsg_amp_pci_add_fifo(struct vmsg_amp_pci *card, unsigned int num)
{
	struct vmsg_amp_pci_fifo *fifo = &card->fifos[num];
	struct virtio_msg_amp_info info = {
		.parent = &card->pdev->dev,
		.ops = &card->kind->amp_ops,
		.priv = fifo,
		.window = card->mem,
		.pool = card->pool,
		.flags = card->kind->amp_flags,
	};
	int err;

	if (!(fifos & BIT(num)) && !card->pool)
		info.flags |= VIRTIO_MSG_AMP_LISTEN;
	iosys_map_incr(&info.window, num * VIRTIO_MSG_AMP_WINDOW_SIZE);
	fifo->card = card;
	fifo->num = num;
	fifo->amp = virtio_msg_amp_register(&info);
	if (IS_ERR(fifo->amp))
		return PTR_ERR(fifo->amp);
	err = request_irq(pci_irq_vector(card->pdev, num),
			  vmsg_amp_pci_interrupt, 0, VMSG_AMP_PCI_NAME, fifo);
	if (err) {
		virtio_msg_amp_unregister(fifo->amp);
		return err;
	}
	virtio_msg_amp_start(fifo->amp);
	return 0;
}

static int vmsg_amp_pci_check_bar(struct pci_dev *pdev, int bar,
				  resource_size_t size)
{
	if ((pci_resource_flags(pdev, bar) & IORESOURCE_MEM) &&
	    pci_resource_len(pdev, bar) >= size)
		return 0;
	dev_err(&pdev->dev, "BAR%d is no memory of %pa bytes or more\n", bar,
		&size);
	return -ENODEV;
}

static int vmsg_amp_pci_check(struct pci_dev *pdev,
			      const struct vmsg_amp_pci_kind *kind)
{
	return vmsg_amp_pci_check_bar(pdev, kind->regs_bar, kind->regs_size) ?:
	       vmsg_amp_pci_check_bar(pdev, kind->mem_bar, kind->mem_size);
}

static int vmsg_amp_pci_open(struct vmsg_amp_pci *card)
{
	const struct vmsg_amp_pci_kind *kind = card->kind;
	int bars = BIT(kind->regs_bar) | BIT(kind->mem_bar);
	struct pci_dev *pdev = card->pdev;
	int err;

	err = pci_enable_device_mem(pdev);
	if (err)
		return err;
	err = pci_request_selected_regions(pdev, bars, VMSG_AMP_PCI_NAME);
	if (err)
		goto err_disable;
	err = -ENOMEM;
	card->regs = pci_iomap(pdev, kind->regs_bar, 0);
	if (!card->regs)
		goto err_release;
	err = kind->open(card);
	if (err)
		goto err_unmap;
	err = pci_alloc_irq_vectors(pdev, card->num_fifos, card->num_fifos,
				    PCI_IRQ_MSIX);
	if (err < 0) {
		dev_err(&pdev->dev, "%u MSI-X vectors are needed (%d)\n",
			card->num_fifos, err);
		goto err_close;
	}
	return 0;

err_close:
	kind->close(card);
err_unmap:
	pci_iounmap(pdev, card->regs);
err_release:
	pci_release_selected_regions(pdev, bars);
err_disable:
	pci_disable_device(pdev);
	return err;
}

static void vmsg_amp_pci_close(struct vmsg_amp_pci *card)
{
	const struct vmsg_amp_pci_kind *kind = card->kind;

	pci_free_irq_vectors(card->pdev);
	kind->close(card);
	pci_iounmap(card->pdev, card->regs);
	pci_release_selected_regions(card->pdev,
				     BIT(kind->regs_bar) | BIT(kind->mem_bar));
	pci_disable_device(card->pdev);
}

static void vmsg_amp_pci_remove_fifos(struct vmsg_amp_pci *card,
				      unsigned int num)
{
	while (num--)
		virtio_msg_amp_unregister(card->fifos[num].amp);
}

static int vmsg_amp_pci_probe(struct pci_dev *pdev,
			      const struct pci_device_id *id)
{
	struct vmsg_amp_pci *card;
	unsigned int n;
	int err;

	if (!id->driver_data || id->driver_data >= ARRAY_SIZE(vmsg_amp_pci_kinds)) {
		dev_err(&pdev->dev, "what kind of function is this? Give %u (10ee:9039) or %u (ivshmem-doorbell) as driver data to new_id\n",
			VMSG_AMP_PCI_XILINX, VMSG_AMP_PCI_IVSHMEM);
		return -ENODEV;
	}
	card = kzalloc(sizeof(*card), GFP_KERNEL);
	if (!card)
		return -ENOMEM;
	card->pdev = pdev;
	card->kind = &vmsg_amp_pci_kinds[id->driver_data];
	mutex_init(&card->dma_lock);
	err = vmsg_amp_pci_check(pdev, card->kind);
	if (err)
		goto err_free;
	err = vmsg_amp_pci_open(card);
	if (err)
		goto err_free;
	pci_set_drvdata(pdev, card);
	for (n = 0; n < card->num_fifos; n++) {
		err = vmsg_amp_pci_add_fifo(card, n);
		if (err)
			goto err_remove;
	}
	dev_info(&pdev->dev, "virtio-msg over %s, %u FIFO(s)\n",
		 card->kind->name, card->num_fifos);
	return 0;

err_remove:
	vmsg_amp_pci_remove_fifos(card, n);
	vmsg_amp_pci_close(card);
err_free:
	kfree(card);
	return err;
}

/* Nothing of the function can be reached any more. */
static void vmsg_amp_pci_dead(struct vmsg_amp_pci *card)
{
	unsigned int n;

	for (n = 0; n < card->num_fifos; n++)
		virtio_msg_amp_dead(card->fifos[n].amp);
}

static void vmsg_amp_pci_remove(struct pci_dev *pdev)
{
	struct vmsg_amp_pci *card = pci_get_drvdata(pdev);

	if (!pci_device_is_present(pdev))
		vmsg_amp_pci_dead(card);
	vmsg_amp_pci_remove_fifos(card, card->num_fifos);
	vmsg_amp_pci_close(card);
	kfree(card);
}

static void vmsg_amp_pci_shutdown(struct pci_dev *pdev)
{
	struct vmsg_amp_pci *card = pci_get_drvdata(pdev);
	unsigned int n;

	for (n = 0; n < card->num_fifos; n++)
		virtio_msg_amp_shutdown(card->fifos[n].amp);
	pci_clear_master(pdev);
}

static int vmsg_amp_pci_suspend(struct device *dev)
{
	struct vmsg_amp_pci *card = dev_get_drvdata(dev);
	unsigned int n;
	int err;

	for (n = 0; n < card->num_fifos; n++) {
		err = virtio_msg_amp_suspend(card->fifos[n].amp);
		if (err)
			goto err_resume;
	}
	return 0;

err_resume:
	while (n--)
		virtio_msg_amp_resume(card->fifos[n].amp);
	return err;
}

static int vmsg_amp_pci_resume(struct device *dev)
{
	struct vmsg_amp_pci *card = dev_get_drvdata(dev);
	unsigned int n;
	int err = 0;

	/* It may have been pulled out meanwhile. */
	if (!pci_device_is_present(card->pdev))
		vmsg_amp_pci_dead(card);
	for (n = 0; n < card->num_fifos; n++)
		err = virtio_msg_amp_resume(card->fifos[n].amp) ?: err;
	return err;
}

static DEFINE_SIMPLE_DEV_PM_OPS(vmsg_amp_pci_pm, vmsg_amp_pci_suspend,
				vmsg_amp_pci_resume);

static pci_ers_result_t vmsg_amp_pci_error(struct pci_dev *pdev,
					   pci_channel_state_t state)
{
	if (state == pci_channel_io_normal)
		return PCI_ERS_RESULT_CAN_RECOVER;
	vmsg_amp_pci_dead(pci_get_drvdata(pdev));
	return PCI_ERS_RESULT_DISCONNECT;
}

static void vmsg_amp_pci_reset_prepare(struct pci_dev *pdev)
{
	struct vmsg_amp_pci *card = pci_get_drvdata(pdev);

	card->frozen = !vmsg_amp_pci_suspend(&pdev->dev);
	if (!card->frozen)
		dev_warn(&pdev->dev, "reset although a driver does not let go of its device\n");
}

static void vmsg_amp_pci_reset_done(struct pci_dev *pdev)
{
	struct vmsg_amp_pci *card = pci_get_drvdata(pdev);

	if (card->frozen)
		vmsg_amp_pci_resume(&pdev->dev);
}

static const struct pci_error_handlers vmsg_amp_pci_errors = {
	.error_detected = vmsg_amp_pci_error,
	.reset_prepare = vmsg_amp_pci_reset_prepare,
	.reset_done = vmsg_amp_pci_reset_done,
};

static const struct pci_device_id vmsg_amp_pci_ids[] = {
	{ PCI_DEVICE(0x10ee, 0x9039), .driver_data = VMSG_AMP_PCI_XILINX },
	{ PCI_DEVICE_DRIVER_OVERRIDE(0x1af4, 0x1110, 1),
	  .driver_data = VMSG_AMP_PCI_IVSHMEM },
	{ }
};

/* What loads the module. ivshmem is not in here: it is somebody else's. */
static const struct pci_device_id vmsg_amp_pci_autoload[] __maybe_unused = {
	{ PCI_DEVICE(0x10ee, 0x9039) },
	{ }
};
MODULE_DEVICE_TABLE(pci, vmsg_amp_pci_autoload);

static struct pci_driver vmsg_amp_pci_driver = {
	.name = VMSG_AMP_PCI_NAME,
	.id_table = vmsg_amp_pci_ids,
	.probe = vmsg_amp_pci_probe,
	.remove = vmsg_amp_pci_remove,
	.shutdown = vmsg_amp_pci_shutdown,
	.err_handler = &vmsg_amp_pci_errors,
	.driver.pm = pm_sleep_ptr(&vmsg_amp_pci_pm),
};
module_pci_driver(vmsg_amp_pci_driver);

MODULE_DESCRIPTION("virtio-msg AMP bus over PCI");
MODULE_LICENSE("GPL");
