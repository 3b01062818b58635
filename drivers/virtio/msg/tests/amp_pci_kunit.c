// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: tests of amp_pci.c.
 *
 * They plug PCI functions in that fake_pci.c makes up, and let the PCI core bind
 * the driver to them.
 */
#include <kunit/test.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/irqnr.h>
#include <linux/moduleparam.h>
#include <linux/mount.h>
#include <linux/panic.h>
#include <linux/pci.h>
#include <linux/percpu.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/virtio_ring.h>
#include <linux/vmalloc.h>
#include <linux/vmstat.h>

#include "fake_card.h"

#define DRIVER		"virtio_msg_amp_pci"

/* Upper bound of every wait, as FAKE_PATIENCE; for what wakes nobody. */
#define card_wait(cond)							\
({									\
	unsigned long __end = jiffies + FAKE_PATIENCE;			\
	bool __done;							\
									\
	for (;;) {							\
		__done = cond;						\
		if (__done || time_after(jiffies, __end))		\
			break;						\
		schedule_timeout_uninterruptible(1);			\
	}								\
	__done;								\
})

/*
 * The made-up function itself: what the others stand on
 */

#define ODD_VENDOR	0x1234
#define ODD_DEVICE	0xfff0

static u32 odd_read(struct fake_pci *fp, int bar, u32 offset, int size)
{
	u32 *regs = fake_pci_priv(fp);

	return regs[offset / 4];
}

/* The first register raises interrupts. */
static void odd_write(struct fake_pci *fp, int bar, u32 offset, int size,
		      u32 val)
{
	u32 *regs = fake_pci_priv(fp);

	regs[offset / 4] = val;
	if (!offset)
		fake_pci_irq(fp, val);
}

static const struct fake_pci_ops odd_ops = {
	.read = odd_read,
	.write = odd_write,
};

static struct fake_pci *odd_create(struct kunit *test)
{
	struct fake_pci_info info = {
		.vendor = ODD_VENDOR,
		.device = ODD_DEVICE,
		.class = 0x08800001,
		.bar[0] = { FAKE_BAR_REGS, 0x1000 },
		.bar[1] = { FAKE_BAR_MEM, 0x8000,
			    PCI_BASE_ADDRESS_MEM_PREFETCH },
		.bar[2] = { FAKE_BAR_MEM, 0x1000 },
		.bar[4] = { FAKE_BAR_RAM, 0x10000,
			    PCI_BASE_ADDRESS_MEM_PREFETCH |
			    PCI_BASE_ADDRESS_MEM_TYPE_64 },
		.vectors = 4,
		.msix_bar = 2,
		.pba = 0x800,
		.ops = &odd_ops,
		.priv = kunit_kzalloc(test, 0x1000, GFP_KERNEL),
	};

	KUNIT_ASSERT_NOT_NULL(test, info.priv);
	return fake_pci_create(test, &info);
}

static void fake_config(struct kunit *test)
{
	struct pci_dev *pdev = fake_pci_plug(odd_create(test));
	u32 at, size, low;

	KUNIT_EXPECT_EQ(test, pdev->vendor, ODD_VENDOR);
	KUNIT_EXPECT_EQ(test, pdev->device, ODD_DEVICE);
	KUNIT_EXPECT_EQ(test, pdev->subsystem_vendor, 0x1af4);
	KUNIT_EXPECT_EQ(test, pdev->subsystem_device, 0x1100);
	KUNIT_EXPECT_EQ(test, pdev->class, 0x088000);
	KUNIT_EXPECT_EQ(test, pdev->revision, 1);
	KUNIT_EXPECT_EQ(test, pdev->pin, 0);
	KUNIT_EXPECT_EQ(test, pdev->msix_cap, FAKE_PCI_MSIX);
	KUNIT_EXPECT_EQ(test, pci_msix_vec_count(pdev), 4);
	KUNIT_EXPECT_FALSE(test, pci_is_pcie(pdev));
	KUNIT_EXPECT_EQ(test, pdev->pm_cap, 0);

	KUNIT_EXPECT_EQ(test, pci_resource_len(pdev, 0), 0x1000);
	KUNIT_EXPECT_EQ(test, pci_resource_len(pdev, 1), 0x8000);
	KUNIT_EXPECT_EQ(test, pci_resource_len(pdev, 2), 0x1000);
	KUNIT_EXPECT_EQ(test, pci_resource_len(pdev, 3), 0);
	KUNIT_EXPECT_EQ(test, pci_resource_len(pdev, 4), 0x10000);
	KUNIT_EXPECT_FALSE(test, pci_resource_flags(pdev, 0) & IORESOURCE_PREFETCH);
	KUNIT_EXPECT_TRUE(test, pci_resource_flags(pdev, 1) & IORESOURCE_PREFETCH);
	KUNIT_EXPECT_FALSE(test, pci_resource_flags(pdev, 1) & IORESOURCE_MEM_64);
	KUNIT_EXPECT_TRUE(test, pci_resource_flags(pdev, 4) & IORESOURCE_MEM_64);

	/* Size a BAR by hand, as firmware does. */
	pci_read_config_dword(pdev, PCI_BASE_ADDRESS_1, &at);
	pci_write_config_dword(pdev, PCI_BASE_ADDRESS_1, ~0);
	pci_read_config_dword(pdev, PCI_BASE_ADDRESS_1, &size);
	pci_write_config_dword(pdev, PCI_BASE_ADDRESS_1, at);
	KUNIT_EXPECT_EQ(test, size, 0xffff8008);
	pci_read_config_dword(pdev, PCI_BASE_ADDRESS_1, &low);
	KUNIT_EXPECT_EQ(test, low, at);
	KUNIT_EXPECT_EQ(test, low & PCI_BASE_ADDRESS_MEM_MASK,
			pci_resource_start(pdev, 1));

	/* The identity cannot be written, nor what the command lacks. */
	pci_write_config_dword(pdev, PCI_VENDOR_ID, 0);
	pci_read_config_dword(pdev, PCI_VENDOR_ID, &low);
	KUNIT_EXPECT_EQ(test, low, ODD_DEVICE << 16 | ODD_VENDOR);
	pci_write_config_word(pdev, PCI_COMMAND, 0xffff);
	pci_read_config_dword(pdev, PCI_COMMAND, &low);
	KUNIT_EXPECT_EQ(test, low & 0xffff, 0x0546);
	pci_write_config_word(pdev, PCI_COMMAND, 0);
}

static void fake_memory(struct kunit *test)
{
	struct fake_pci *fp = odd_create(test);
	struct pci_dev *pdev = fake_pci_plug(fp);
	void __iomem *regs, *mem;
	u8 copy[4];
	u32 *ram;

	KUNIT_ASSERT_EQ(test, 0, pci_enable_device(pdev));
	KUNIT_ASSERT_EQ(test, 0, pci_request_regions(pdev, "odd"));
	regs = pci_iomap(pdev, 0, 0);
	mem = pci_iomap_wc(pdev, 1, 0);
	ram = memremap(pci_resource_start(pdev, 4), pci_resource_len(pdev, 4),
		       MEMREMAP_WB);
	KUNIT_ASSERT_NOT_NULL(test, (void __force *)regs);
	KUNIT_ASSERT_NOT_NULL(test, (void __force *)mem);
	KUNIT_ASSERT_NOT_NULL(test, ram);

	iowrite32(0x11223344, regs + 0xffc);
	KUNIT_EXPECT_EQ(test, ioread32(regs + 0xffc), 0x11223344);
	iowrite32(0x55667788, mem + 0x7ffc);
	KUNIT_EXPECT_EQ(test, *(u32 *)(fake_pci_mem(fp, 1) + 0x7ffc), 0x55667788);
	memcpy_fromio(copy, mem + 0x7ffc, sizeof(copy));
	KUNIT_EXPECT_EQ(test, copy[0], 0x88);
	memset_io(mem, 0x5a, 3);
	KUNIT_EXPECT_EQ(test, ioread32(mem), 0x005a5a5a);
	memcpy_toio(mem + 2, copy, sizeof(copy));
	KUNIT_EXPECT_EQ(test, ioread16(mem + 2), 0x7788);
	KUNIT_EXPECT_EQ(test, ioread8(mem + 5), 0x55);
	ram[0x3fff] = 0xabcdef01;
	KUNIT_EXPECT_PTR_EQ(test, ram, (u32 *)fake_pci_mem(fp, 4));
	KUNIT_EXPECT_EQ(test, fake_pci_strays(fp), 0);

	fake_pci_pull(fp);
	KUNIT_EXPECT_EQ(test, ioread32(regs), U32_MAX);
	iowrite32(0, mem + 0x7ffc);
	KUNIT_EXPECT_EQ(test, ioread32(mem + 0x7ffc), U32_MAX);
	memcpy_fromio(copy, mem, sizeof(copy));
	KUNIT_EXPECT_EQ(test, copy[0], 0xff);
	KUNIT_EXPECT_FALSE(test, pci_device_is_present(pdev));
	KUNIT_EXPECT_EQ(test, *(u32 *)(fake_pci_mem(fp, 1) + 0x7ffc), 0x55667788);
	KUNIT_EXPECT_EQ(test, fake_pci_strays(fp), 0);

	memunmap(ram);
	pci_iounmap(pdev, mem);
	pci_iounmap(pdev, regs);
	pci_release_regions(pdev);
	pci_disable_device(pdev);
}

static irqreturn_t odd_handler(int irq, void *arg)
{
	int *calls = arg;

	if (in_hardirq())
		++*calls;
	return IRQ_HANDLED;
}

static void fake_interrupts(struct kunit *test)
{
	struct fake_pci *fp = odd_create(test);
	struct pci_dev *pdev = fake_pci_plug(fp);
	int calls[4] = {}, i;
	void __iomem *regs;

	KUNIT_ASSERT_EQ(test, 0, pci_enable_device(pdev));
	regs = pci_iomap(pdev, 0, 0);
	KUNIT_ASSERT_NOT_NULL(test, (void __force *)regs);
	KUNIT_ASSERT_EQ(test, 4, pci_alloc_irq_vectors(pdev, 1, 8, PCI_IRQ_MSIX));
	for (i = 0; i < 4; i++)
		KUNIT_ASSERT_EQ(test, 0,
				request_irq(pci_irq_vector(pdev, i), odd_handler,
					    0, "odd", &calls[i]));
	/* Nobody masters the bus: lost. */
	iowrite32(1, regs);
	fake_pci_flush(fp);
	KUNIT_EXPECT_EQ(test, calls[1], 0);

	pci_set_master(pdev);
	iowrite32(1, regs);
	iowrite32(3, regs);
	/* There is no such vector. */
	iowrite32(4, regs);
	fake_pci_flush(fp);
	KUNIT_EXPECT_EQ(test, calls[0], 0);
	KUNIT_EXPECT_EQ(test, calls[1], 1);
	KUNIT_EXPECT_EQ(test, calls[3], 1);
	KUNIT_EXPECT_EQ(test, fake_pci_irqs(fp, 1), 1);

	for (i = 0; i < 4; i++)
		free_irq(pci_irq_vector(pdev, i), &calls[i]);
	/* Masked: it stays pending. */
	iowrite32(2, regs);
	fake_pci_flush(fp);
	KUNIT_EXPECT_EQ(test, fake_pci_irqs(fp, 2), 0);
	pci_free_irq_vectors(pdev);
	iowrite32(2, regs);
	fake_pci_flush(fp);
	KUNIT_EXPECT_EQ(test, fake_pci_irqs(fp, 2), 0);
	pci_iounmap(pdev, regs);
	pci_disable_device(pdev);
}

/*
 * Helpers
 */

static struct device_driver *card_driver(struct kunit *test)
{
	struct device_driver *drv = driver_find(DRIVER, &pci_bus_type);

	KUNIT_ASSERT_NOT_NULL(test, drv);
	return drv;
}

static bool is_bound(struct fake_card *card)
{
	return card->pdev->dev.driver;
}

static int bind(struct fake_card *card)
{
	int err = device_driver_attach(card_driver(card->test), &card->pdev->dev);

	/* What device_driver_attach() makes of a probe that failed. */
	return err == -EAGAIN ? -EPROBE_DEFER : err;
}

/* The same, again and again: the log has no room for so many messages. */
static int bind_again(struct fake_card *card)
{
	int level = console_loglevel, err;

	console_loglevel = 2;
	err = bind(card);
	console_loglevel = level;
	return err;
}

static void unbind(struct fake_card *card)
{
	device_release_driver(&card->pdev->dev);
}

static bool any_child(struct fake_card *card)
{
	struct device *child = device_find_any_child(&card->pdev->dev);

	put_device(child);
	return child;
}

/* Nothing of the function is in use. */
static void expect_free(struct fake_card *card)
{
	struct kunit *test = card->test;
	int i;

	KUNIT_EXPECT_FALSE(test, is_bound(card));
	KUNIT_EXPECT_FALSE(test, pci_is_enabled(card->pdev));
	KUNIT_EXPECT_FALSE(test, card->pdev->msix_enabled);
	KUNIT_EXPECT_FALSE(test, any_child(card));
	for (i = 0; i < PCI_STD_NUM_BARS; i++)
		KUNIT_EXPECT_NULL_MSG(test, card->pdev->resource[i].child,
				      "BAR%d is still in use", i);
	if (pci_device_is_present(card->pdev))
		KUNIT_EXPECT_FALSE(test, fake_pci_command(card->fp) &
					 PCI_COMMAND_MASTER);
}

/* Devices have been reset, after which the virtio core says hello. */
static void expect_reset(struct fake_card *card, unsigned int fifo)
{
	struct fake_bus *fb = &card->fifos[fifo].fb;
	unsigned int i;

	for (i = 0; i < fb->num_devs; i++) {
		KUNIT_EXPECT_EQ(card->test, fb->devs[i]->status &
					    ~VIRTIO_CONFIG_S_ACKNOWLEDGE, 0);
		KUNIT_EXPECT_FALSE(card->test, fb->devs[i]->vq[0].enabled);
	}
}

static unsigned int count_irqs(void)
{
	unsigned int irq, n = 0;

	for_each_active_irq(irq)
		n++;
	return n;
}

/* A buffer goes to the device and comes back. */
static void move_data(struct kunit *test, struct fake_drv *drv)
{
	unsigned int before = drv->num_bufs % FAKE_BUFS;
	u8 *buf = kunit_kzalloc(test, 64, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, buf);
	scoped_guard(spinlock_irqsave, &drv->lock)
		drv->num_bufs = before;
	memset(buf, 0x21, 8);
	KUNIT_ASSERT_EQ(test, 0, fake_add_buf(drv->vqs[0], buf, 8, buf + 32, 16));
	KUNIT_EXPECT_TRUE(test, virtqueue_kick(drv->vqs[0]));
	KUNIT_ASSERT_TRUE(test, drv_wait(READ_ONCE(drv->num_bufs) > before));
	KUNIT_EXPECT_PTR_EQ(test, drv->bufs[before], (void *)buf + 32);
	KUNIT_EXPECT_EQ(test, drv->lens[before], 16);
	KUNIT_EXPECT_EQ(test, buf[32], 0x21);
	KUNIT_EXPECT_EQ(test, buf[39], 0x21);
	KUNIT_EXPECT_EQ(test, buf[40], 0x5a);
	KUNIT_EXPECT_EQ(test, buf[47], 0x5a);
}

static int is_bus(struct device *dev, const void *arg)
{
	return dev->class && !strcmp(dev->class->name, "virtio_msg");
}

/* The first of a card's buses. */
static struct virtio_msg_bus *get_bus(struct fake_card *card)
{
	struct device *dev = device_find_child(&card->pdev->dev, NULL, is_bus);

	return dev ? container_of(dev, struct virtio_msg_bus, dev) : NULL;
}

static int count_bus(struct device *dev, void *arg)
{
	*(unsigned int *)arg += is_bus(dev, NULL);
	return 0;
}

/* Links begin by themselves; what came before that is passed over. */
static bool has_buses(struct fake_card *card)
{
	unsigned int n = 0;

	device_for_each_child(&card->pdev->dev, &n, count_bus);
	return n == card->num_fifos;
}

static int flush_bus(struct device *dev, void *arg)
{
	if (is_bus(dev, NULL))
		flush_workqueue(container_of(dev, struct virtio_msg_bus, dev)->wq);
	return 0;
}

/* The driver of a virtio device whose probe was number @probes. */
static struct fake_drv *wait_drv(struct fake_card *card, int probes)
{
	struct kunit *test = card->test;

	KUNIT_ASSERT_TRUE(test,
			  drv_wait(atomic_read(&fake_driver.probes) >= probes));
	KUNIT_ASSERT_EQ(test, fake_driver.probe_err, 0);
	/* The virtio core goes on after probe. */
	device_for_each_child(&card->pdev->dev, NULL, flush_bus);
	return fake_driver.drv;
}

/* Parameters, also those that cannot be written at run time. */
static int set_param(const char *name, const char *val)
{
	const struct kernel_param *kp;

	for (kp = __start___param; kp < __stop___param; kp++) {
		if (!strcmp(kp->name, name))
			return kp->ops->set(val, kp);
	}
	return -ENOENT;
}

/* Writes a file of the driver in sysfs, as somebody at a shell would. */
static int write_file(struct kunit *test, const char *name, const char *text)
{
	struct file_system_type *type = get_fs_type("sysfs");
	struct vfsmount *mnt;
	char path[64];
	struct file *file;
	loff_t pos = 0;
	ssize_t n;

	KUNIT_ASSERT_NOT_NULL(test, type);
	mnt = kern_mount(type);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, mnt);
	snprintf(path, sizeof(path), "bus/pci/drivers/" DRIVER "/%s", name);
	file = file_open_root_mnt(mnt, path, O_WRONLY, 0);
	if (IS_ERR(file)) {
		n = PTR_ERR(file);
	} else {
		n = kernel_write(file, text, strlen(text), &pos);
		__fput_sync(file);
	}
	kern_unmount(mnt);
	return n < 0 ? n : 0;
}

/*
 * Somebody who waits for an answer of a device.
 */

/**
 * struct asker - waits for an answer
 * @work: does so
 * @vd: the device
 * @err: what came of it
 */
struct asker {
	struct work_struct work;
	struct vmsg_dev *vd;
	int err;
};

static void asker_work(struct work_struct *work)
{
	struct asker *a = container_of(work, struct asker, work);
	struct vmsg_msg msg = { .id = VIRTIO_MSG_GET_DEVICE_STATUS };

	a->err = vmsg_dev_ask(a->vd, &msg);
}

/* Requests of @id do not get answers; fb->step counts them. */
static enum fake_verdict mute(struct fake_bus *fb, const struct vmsg_msg *req,
			      struct fake_frame *resp)
{
	if ((req->type & VIRTIO_MSG_TYPE_BUS) ||
	    req->id != VIRTIO_MSG_GET_DEVICE_STATUS)
		return FAKE_ANSWER;
	atomic_inc(&fb->step);
	return FAKE_DROP;
}

static void asker_start(struct fake_fifo *fifo, struct asker *a,
			struct fake_drv *drv)
{
	struct fake_bus *fb = &fifo->fb;

	fb->filter = mute;
	INIT_WORK_ONSTACK(&a->work, asker_work);
	a->vd = to_vmsg_dev(drv->vdev);
	a->err = 1;
	queue_work(system_dfl_long_wq, &a->work);
	KUNIT_ASSERT_TRUE(fb->test, card_wait(atomic_read(&fb->step)));
}

static int asker_end(struct asker *a)
{
	flush_work(&a->work);
	destroy_work_on_stack(&a->work);
	return a->err;
}

/*
 * 10ee:9039
 */

struct xilinx_case {
	const char *name;
	unsigned int fifos;
	bool layout;
	enum vmsg_dialect dialect;
};

static const struct xilinx_case xilinx_cases[] = {
	{ "1 FIFO, spsc, revision 1", 1, false, VMSG_DIALECT_1 },
	{ "2 FIFOs, spsc, revision 1", 2, false, VMSG_DIALECT_1 },
	{ "4 FIFOs, spsc, revision 1", 4, false, VMSG_DIALECT_1 },
	{ "8 FIFOs, spsc, revision 1", 8, false, VMSG_DIALECT_1 },
	{ "1 FIFO, spsc, RFC", 1, false, VMSG_DIALECT_RFC },
	{ "8 FIFOs, spsc, RFC", 8, false, VMSG_DIALECT_RFC },
	{ "1 FIFO, layout, revision 1", 1, true, VMSG_DIALECT_1 },
	{ "2 FIFOs, layout, revision 1", 2, true, VMSG_DIALECT_1 },
	{ "1 FIFO, layout, RFC", 1, true, VMSG_DIALECT_RFC },
	{ "8 FIFOs, layout, RFC", 8, true, VMSG_DIALECT_RFC },
};

KUNIT_ARRAY_PARAM_DESC(xilinx_case, xilinx_cases, name);

/* By default FIFO 0 is asked for devices and the others are left alone. */
static void xilinx_probe(struct kunit *test)
{
	const struct xilinx_case *c = test->param_value;
	struct fake_card *card = fake_xilinx(test, c->fifos, c->layout,
					     c->dialect);
	unsigned int irqs, i;
	struct fake_drv *drv;

	fake_card_dev(card, 0, 5);
	irqs = count_irqs();
	fake_card_plug(card);
	KUNIT_ASSERT_TRUE(test, is_bound(card));
	KUNIT_EXPECT_STREQ(test, card->pdev->dev.driver->name, DRIVER);
	drv = wait_drv(card, 1);
	move_data(test, drv);
	KUNIT_EXPECT_GT(test, fake_pci_irqs(card->fp, 0), 0);
	for (i = 1; i < c->fifos; i++) {
		KUNIT_EXPECT_EQ(test, card->fifos[i].bells, 0);
		KUNIT_EXPECT_EQ(test, fake_pci_irqs(card->fp, i), 0);
	}

	unbind(card);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_driver.removes), 1);
	expect_reset(card, 0);
	expect_free(card);
	/* The one of User Mode Linux for the function itself is still there. */
	KUNIT_EXPECT_EQ(test, count_irqs(), irqs + 1);
}

/* What a card can look like that is not to be driven. */
enum wrong {
	WRONG_NOTHING,
	WRONG_VERSION_0,
	WRONG_VERSION_2,
	WRONG_NO_REGS,
	WRONG_SMALL_REGS,
	WRONG_NO_MEM,
	WRONG_SMALL_MEM,
	WRONG_LARGE_MEM,
	WRONG_NO_MSIX,
	WRONG_FEW_VECTORS,
	WRONG_PULLED,
	WRONG_FIRST_HEADER,
	WRONG_LAST_HEADER,
	WRONG_POSITION,
	WRONG_MAGIC,
	WRONG_SHMEM_VERSION,
};

struct wrong_case {
	const char *name;
	enum wrong wrong;
	int err;
};

/* Before the card is made. */
static void spoil_card(struct fake_card *card, enum wrong wrong)
{
	int mem = card->ivshmem ? 2 : 1;

	switch (wrong) {
	case WRONG_VERSION_0:
		card->version = 0;
		break;
	case WRONG_VERSION_2:
		card->version = 2;
		break;
	case WRONG_NO_REGS:
		card->pci.bar[0].kind = FAKE_BAR_NONE;
		break;
	case WRONG_SMALL_REGS:
		card->pci.bar[0].size = card->ivshmem ? 0x10 / 2 : 0x20;
		break;
	case WRONG_NO_MEM:
		card->pci.bar[mem].kind = FAKE_BAR_NONE;
		card->pci.bar[mem].size = 0;
		break;
	case WRONG_SMALL_MEM:
		card->pci.bar[mem].size = VIRTIO_MSG_AMP_WINDOW_SIZE / 2;
		break;
	case WRONG_LARGE_MEM:
		card->pci.bar[mem].size = 16 * VIRTIO_MSG_AMP_WINDOW_SIZE;
		break;
	case WRONG_NO_MSIX:
		card->pci.vectors = 0;
		break;
	case WRONG_FEW_VECTORS:
		card->pci.vectors = card->num_fifos - 1;
		break;
	case WRONG_POSITION:
		card->position = U32_MAX;
		break;
	default:
		break;
	}
}

/* Before it is plugged in. */
static void spoil_memory(struct fake_card *card, enum wrong wrong)
{
	struct virtio_msg_amp_ivshmem *shmem = card->fifos[0].window;
	struct virtio_msg_amp_layout *layout;

	switch (wrong) {
	case WRONG_FIRST_HEADER:
		layout = card->fifos[0].window + VIRTIO_MSG_AMP_LAYOUT;
		layout->version = cpu_to_le16(2);
		break;
	case WRONG_LAST_HEADER:
		layout = card->fifos[card->num_fifos - 1].window +
			 VIRTIO_MSG_AMP_LAYOUT;
		layout->version = cpu_to_le16(2);
		break;
	case WRONG_MAGIC:
		shmem->magic = 0;
		break;
	case WRONG_SHMEM_VERSION:
		shmem->version = cpu_to_le32(2);
		break;
	default:
		break;
	}
}

static const struct wrong_case xilinx_wrongs[] = {
	{ "version 0", WRONG_VERSION_0, -ENODEV },
	{ "version 2", WRONG_VERSION_2, -ENODEV },
	{ "no registers", WRONG_NO_REGS, -ENODEV },
	{ "too few registers", WRONG_SMALL_REGS, -ENODEV },
	{ "no memory", WRONG_NO_MEM, -ENODEV },
	{ "too little memory", WRONG_SMALL_MEM, -ENODEV },
	{ "too much memory", WRONG_LARGE_MEM, -ENODEV },
	{ "no MSI-X", WRONG_NO_MSIX, -EINVAL },
	{ "one vector too few", WRONG_FEW_VECTORS, -ENOSPC },
	{ "pulled out", WRONG_PULLED, -ENODEV },
	{ "bad header in the first window", WRONG_FIRST_HEADER, -EPROTO },
	{ "bad header in the last window", WRONG_LAST_HEADER, -EPROTO },
};

KUNIT_ARRAY_PARAM_DESC(xilinx_wrong, xilinx_wrongs, name);

/* Pages that the kernel has for itself, less what the test driver remembers. */
static unsigned long kernel_pages(void)
{
	struct fake_drv *drv, *next;

	list_for_each_entry_safe(drv, next, &fake_driver.drvs, node) {
		list_del(&drv->node);
		kfree(drv);
	}
	kvfree_rcu_barrier();
	rcu_barrier();
	/* What describes an area of vmalloc() stays until many can go together. */
	vm_unmap_aliases();
	return global_node_page_state_pages(NR_SLAB_UNRECLAIMABLE_B) +
	       global_node_page_state_pages(NR_SLAB_RECLAIMABLE_B) +
	       global_node_page_state(NR_VMALLOC) + pcpu_nr_pages();
}

/**
 * struct leak - is there one?
 * @pages: of the kernel, when it was looked at
 * @found: there were more of them each time
 */
struct leak {
	unsigned long pages;
	bool found;
};

/* To be called again and again. Caches grow now and then, what leaks always. */
static void look_for_leak(struct leak *leak)
{
	unsigned long pages = kernel_pages();

	/* KASAN keeps for a while what has been freed. */
	if (pages <= leak->pages || IS_ENABLED(CONFIG_KASAN))
		leak->found = false;
	leak->pages = pages;
}

/* It is refused, again and again, and nothing of it stays in use. */
static void expect_refused(struct fake_card *card, int err)
{
	struct leak leak = { .found = true };
	unsigned int irqs, i;

	expect_free(card);
	irqs = count_irqs();
	for (i = 1; i <= 200 || (leak.found && i <= 600); i++) {
		KUNIT_ASSERT_EQ(card->test, bind_again(card), err);
		if (!(i % 40))
			look_for_leak(&leak);
	}
	KUNIT_EXPECT_FALSE(card->test, leak.found);
	expect_free(card);
	KUNIT_EXPECT_EQ(card->test, count_irqs(), irqs);
}

static void xilinx_refused(struct kunit *test)
{
	const struct wrong_case *c = test->param_value;
	bool layout = c->wrong == WRONG_FIRST_HEADER ||
		      c->wrong == WRONG_LAST_HEADER;
	struct fake_card *card = fake_xilinx(test, 4, layout, VMSG_DIALECT_1);

	fake_card_dev(card, 0, 0);
	spoil_card(card, c->wrong);
	fake_card_make(card);
	spoil_memory(card, c->wrong);
	fake_card_plug(card);
	if (c->wrong == WRONG_PULLED) {
		wait_drv(card, 1);
		unbind(card);
		fake_card_pull(card);
	}
	expect_refused(card, c->err);
	if (c->wrong != WRONG_PULLED)
		KUNIT_EXPECT_EQ(test, atomic_read(&fake_driver.probes), 0);
}

/* The device side announces a device that it had all along. */
static void announce(struct fake_card *card, unsigned int fifo, u16 num)
{
	fake_event_device(&card->fifos[fifo].fb, num, VIRTIO_MSG_DEVICE_ADDED);
}

static void put_fifos(void *arg)
{
	set_param(DRIVER ".fifos", "1");
}

static void set_fifos(struct kunit *test, const char *mask)
{
	KUNIT_ASSERT_EQ(test, 0, set_param(DRIVER ".fifos", mask));
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, put_fifos, NULL));
}

/* Who is asked first, and who has to say something first. */
static void xilinx_fifos(struct kunit *test)
{
	struct fake_card *card = fake_xilinx(test, 4, false, VMSG_DIALECT_1);
	unsigned int i;

	set_fifos(test, "0x9");
	for (i = 0; i < 4; i++) {
		if (i != 2)
			fake_card_dev(card, i, 9);
	}
	fake_card_plug(card);
	KUNIT_ASSERT_TRUE(test, is_bound(card));
	wait_drv(card, 2);
	KUNIT_EXPECT_GT(test, card->fifos[0].bells, 0);
	KUNIT_EXPECT_GT(test, card->fifos[3].bells, 0);
	KUNIT_EXPECT_EQ(test, card->fifos[1].bells, 0);
	KUNIT_EXPECT_EQ(test, card->fifos[2].bells, 0);

	KUNIT_ASSERT_TRUE(test, card_wait(has_buses(card)));
	/* An interrupt is not yet a frame. */
	fake_pci_irq(card->fp, 1);
	fake_pci_irq(card->fp, 2);
	fake_pci_flush(card->fp);
	announce(card, 1, 9);
	move_data(test, wait_drv(card, 3));
	KUNIT_EXPECT_GT(test, card->fifos[1].bells, 0);

	/* Now somebody plugs a device in behind the last one. */
	fake_card_dev(card, 2, 1);
	announce(card, 2, 1);
	move_data(test, wait_drv(card, 4));
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_driver.probes), 4);
}

static void xilinx_no_fifos(struct kunit *test)
{
	struct fake_card *card = fake_xilinx(test, 2, false, VMSG_DIALECT_RFC);

	set_fifos(test, "0");
	fake_card_dev(card, 0, 0);
	fake_card_dev(card, 0, 31);
	fake_card_plug(card);
	KUNIT_ASSERT_TRUE(test, is_bound(card));
	unbind(card);
	KUNIT_EXPECT_EQ(test, card->fifos[0].bells, 0);
	KUNIT_ASSERT_EQ(test, bind(card), 0);
	KUNIT_ASSERT_TRUE(test, card_wait(has_buses(card)));
	/* One device speaks, and the other one is found with it. */
	fake_event_config(card->fifos[0].fb.devs[1], 0, 0, 0, NULL, 0);
	wait_drv(card, 2);
	KUNIT_EXPECT_EQ(test, card->fifos[1].bells, 0);

	/* It has spoken before, and that is still to be seen. */
	unbind(card);
	KUNIT_ASSERT_EQ(test, bind(card), 0);
	wait_drv(card, 4);
	KUNIT_EXPECT_EQ(test, card->fifos[1].bells, 0);
}

/* All FIFOs at once, with the same device numbers. */
static void xilinx_all_fifos(struct kunit *test)
{
	struct fake_card *card = fake_xilinx(test, 8, false, VMSG_DIALECT_RFC);
	struct fake_drv *drv;
	unsigned int i;

	set_fifos(test, "255");
	for (i = 0; i < 8; i++) {
		fake_card_dev(card, i, 0);
		fake_card_dev(card, i, 31);
	}
	fake_card_plug(card);
	wait_drv(card, 16);
	list_for_each_entry(drv, &fake_driver.drvs, node)
		move_data(test, drv);
	for (i = 0; i < 8; i++)
		KUNIT_EXPECT_GT(test, fake_pci_irqs(card->fp, i), 0);
	unbind(card);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_driver.removes), 16);
	expect_free(card);
}

static const struct xilinx_case continue_cases[] = {
	{ "spsc, revision 1", 1, false, VMSG_DIALECT_1 },
	{ "spsc, RFC", 1, false, VMSG_DIALECT_RFC },
	{ "layout, RFC", 1, true, VMSG_DIALECT_RFC },
};

KUNIT_ARRAY_PARAM_DESC(continue_case, continue_cases, name);

/*
 * The device side has been there before, and does not care who is on the other
 * side: all queues go on. In format layout it takes a while to find that out.
 */
static void xilinx_continue(struct kunit *test)
{
	const struct xilinx_case *c = test->param_value;
	struct fake_card *card = fake_xilinx(test, c->fifos, c->layout,
					     c->dialect);
	int i, probes = 1, rounds = c->layout ? 2 : 5;
	struct fake_fifo *fifo = &card->fifos[0];
	struct virtio_msg_amp_spsc *to_dev, *to_drv;
	struct virtio_msg_bus *bus;

	card->stubborn = true;
	fake_card_dev(card, 0, 1);
	fake_card_make(card);
	if (!c->layout) {
		/* Old frames everywhere, and five answers that nobody took. */
		to_dev = fifo->window + VIRTIO_MSG_AMP_SPSC_DRIVER;
		to_drv = fifo->window + VIRTIO_MSG_AMP_SPSC_DEVICE;
		memset(to_dev->slots, 0xee, sizeof(to_dev->slots));
		memset(to_drv->slots, 0xee, sizeof(to_drv->slots));
		fifo->rx = 40;
		fifo->tx = 3;
		to_dev->head = cpu_to_le32(40);
		to_dev->tail = cpu_to_le32(40);
		to_drv->head = cpu_to_le32(3);
		to_drv->tail = cpu_to_le32(60);
	}
	fake_card_plug(card);
	for (i = 0; i < rounds; i++) {
		if (i)
			KUNIT_ASSERT_EQ(test, bind(card), 0);
		move_data(test, wait_drv(card, probes++));
		bus = get_bus(card);
		KUNIT_ASSERT_NOT_NULL(test, bus);
		KUNIT_EXPECT_EQ(test, atomic_long_read(&bus->stats[VMSG_STAT_MALFORMED]), 0);
		KUNIT_EXPECT_EQ(test, atomic_long_read(&bus->stats[VMSG_STAT_UNEXPECTED]), 0);
		KUNIT_EXPECT_EQ(test, atomic_long_read(&bus->stats[VMSG_STAT_TIMEOUTS]), 0);
		put_device(&bus->dev);
		unbind(card);
	}
}

/* The driver of the device with that number. */
static struct fake_drv *find_drv(struct kunit *test, u16 num)
{
	struct fake_drv *drv;

	list_for_each_entry(drv, &fake_driver.drvs, node) {
		if (!drv->removed && to_vmsg_dev(drv->vdev)->num == num)
			return drv;
	}
	KUNIT_FAIL_AND_ABORT(test, "nobody has device %u", num);
	return NULL;
}

static void die(struct fake_card *card, unsigned int fifo, int removes)
{
	fake_fifo_say(&card->fifos[fifo], VIRTIO_MSG_AMP_DEAD);
	/* Not that a dead one would: this is only faster. */
	fake_pci_irq(card->fp, fifo);
	KUNIT_ASSERT_TRUE(card->test, drv_wait(atomic_read(&fake_driver.removes) ==
					       removes));
}

static bool is_master(struct fake_card *card)
{
	return fake_pci_command(card->fp) & PCI_COMMAND_MASTER;
}

/* Who has died reaches this machine's memory no more, if nobody else has to. */
static void xilinx_dma(struct kunit *test)
{
	struct fake_card *card = fake_xilinx(test, 2, true, VMSG_DIALECT_1);

	set_fifos(test, "3");
	fake_card_dev(card, 0, 10);
	fake_card_dev(card, 1, 11);
	fake_card_plug(card);
	wait_drv(card, 2);
	KUNIT_EXPECT_TRUE(test, is_master(card));
	die(card, 0, 1);
	KUNIT_EXPECT_TRUE(test, is_master(card));
	move_data(test, find_drv(test, 11));
	die(card, 1, 2);
	KUNIT_EXPECT_TRUE(test, card_wait(!is_master(card)));

	fake_fifo_restart(&card->fifos[1]);
	wait_drv(card, 3);
	KUNIT_EXPECT_TRUE(test, is_master(card));
	move_data(test, find_drv(test, 11));
	fake_fifo_restart(&card->fifos[0]);
	wait_drv(card, 4);
	move_data(test, find_drv(test, 10));
	unbind(card);
	expect_free(card);
}

/*
 * Interrupts
 */

static void irq_spurious(struct kunit *test)
{
	struct fake_card *card = fake_xilinx(test, 2, false, VMSG_DIALECT_1);
	struct fake_drv *drv;
	unsigned int i, bells;

	fake_card_dev(card, 0, 1);
	fake_card_plug(card);
	drv = wait_drv(card, 1);
	bells = card->fifos[0].bells;
	for (i = 0; i < 1000; i++) {
		fake_pci_irq(card->fp, 0);
		fake_pci_irq(card->fp, 1);
		fake_pci_flush(card->fp);
	}
	KUNIT_EXPECT_EQ(test, card->fifos[0].bells, bells);
	KUNIT_EXPECT_EQ(test, card->fifos[1].bells, 0);
	move_data(test, drv);
}

/**
 * struct storm - interrupts without a pause
 * @work: raises them
 * @card: of the card
 * @stop: no more
 */
struct storm {
	struct work_struct work;
	struct fake_card *card;
	bool stop;
};

static void storm_work(struct work_struct *work)
{
	struct storm *storm = container_of(work, struct storm, work);
	unsigned int i;

	while (!READ_ONCE(storm->stop)) {
		for (i = 0; i < storm->card->num_fifos; i++)
			fake_pci_irq(storm->card->fp, i);
		schedule();
	}
}

static void irq_storm(struct kunit *test)
{
	struct fake_card *card = fake_xilinx(test, 4, false, VMSG_DIALECT_1);
	struct storm storm = { .card = card };
	unsigned int i;
	int irqs;

	fake_card_dev(card, 0, 1);
	fake_card_plug(card);
	wait_drv(card, 1);
	INIT_WORK_ONSTACK(&storm.work, storm_work);
	queue_work(system_dfl_long_wq, &storm.work);
	for (i = 0; i < 20; i++) {
		move_data(test, wait_drv(card, i + 1));
		irqs = fake_pci_irqs(card->fp, 3);
		KUNIT_EXPECT_TRUE(test, card_wait(fake_pci_irqs(card->fp, 3) >
						  irqs + 5));
		unbind(card);
		expect_free(card);
		KUNIT_EXPECT_EQ(test, bind_again(card), 0);
	}
	WRITE_ONCE(storm.stop, true);
	flush_work(&storm.work);
	destroy_work_on_stack(&storm.work);
}

/*
 * ivshmem-doorbell
 */

static struct fake_card *ivshmem_plugged(struct kunit *test)
{
	struct fake_card *card = fake_ivshmem(test);

	fake_card_dev(card, 0, 2);
	fake_card_plug(card);
	return card;
}

static void set_override(struct fake_card *card)
{
	KUNIT_ASSERT_EQ(card->test, 0,
			device_set_driver_override(&card->pdev->dev, DRIVER));
}

static struct fake_card *ivshmem_bound(struct kunit *test, bool packed)
{
	struct fake_card *card = ivshmem_plugged(test);

	fake_offer(card->fifos[0].fb.devs[0], VIRTIO_F_RING_PACKED, packed);
	/* Chains of a split ring that was pulled out cannot be followed. */
	fake_offer(card->fifos[0].fb.devs[0], VIRTIO_RING_F_INDIRECT_DESC, true);
	set_override(card);
	KUNIT_ASSERT_EQ(test, device_attach(&card->pdev->dev), 1);
	return card;
}

/* It is somebody else's until somebody says so. */
static void ivshmem_asked(struct kunit *test)
{
	struct fake_card *card = ivshmem_plugged(test);

	KUNIT_EXPECT_FALSE(test, is_bound(card));
	KUNIT_EXPECT_EQ(test, bind(card), -ENODEV);
	expect_free(card);
	KUNIT_EXPECT_EQ(test, card->fifos[0].bells, 0);

	/* This parameter is for the other kind. */
	set_fifos(test, "0");
	set_override(card);
	KUNIT_EXPECT_FALSE(test, is_bound(card));
	KUNIT_EXPECT_EQ(test, device_attach(&card->pdev->dev), 1);
	KUNIT_EXPECT_TRUE(test, is_bound(card));
	move_data(test, wait_drv(card, 1));
	unbind(card);
	KUNIT_EXPECT_EQ(test, 0,
			device_set_driver_override(&card->pdev->dev, ""));
	KUNIT_EXPECT_EQ(test, bind(card), -ENODEV);
}

static void forget_id(void *arg)
{
	write_file(arg, "remove_id", "1af4 1110");
}

static void ivshmem_new_id(struct kunit *test)
{
	struct fake_card *card = ivshmem_plugged(test);

	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, forget_id, test));
	/* Without a kind nobody knows what to make of it. */
	KUNIT_EXPECT_EQ(test, write_file(test, "new_id", "1af4 1110"), -EINVAL);
	/* The wrong kind. */
	KUNIT_EXPECT_EQ(test, write_file(test, "new_id",
					 "1af4 1110 ffffffff ffffffff 0 0 1"), 0);
	KUNIT_EXPECT_FALSE(test, is_bound(card));
	expect_free(card);
	KUNIT_EXPECT_EQ(test, write_file(test, "remove_id", "1af4 1110"), 0);

	KUNIT_EXPECT_EQ(test, write_file(test, "new_id",
					 "1af4 1110 ffffffff ffffffff 0 0 2"), 0);
	KUNIT_ASSERT_TRUE(test, is_bound(card));
	move_data(test, wait_drv(card, 1));
	KUNIT_EXPECT_EQ(test, write_file(test, "remove_id", "1af4 1110"), 0);
	unbind(card);
	KUNIT_EXPECT_EQ(test, bind(card), -ENODEV);
}

/* Devices see what is behind the window, and nothing is in the window. */
static void ivshmem_pool(struct kunit *test)
{
	struct fake_card *card = fake_ivshmem(test);
	struct fake_dev *fd = fake_card_dev(card, 0, 2);
	struct fake_drv *drv;
	u8 *window;
	int i;

	fake_card_make(card);
	window = card->fifos[0].window;
	/* What is between the header, the queues and the pool. */
	memset(window + 16, 0x99, VIRTIO_MSG_AMP_LAYOUT - 16);
	memset(window + 0x3000, 0x99, 0x1000);
	fake_card_plug(card);
	set_override(card);
	KUNIT_ASSERT_EQ(test, device_attach(&card->pdev->dev), 1);
	drv = wait_drv(card, 1);
	for (i = 0; i < 100; i++)
		move_data(test, drv);
	KUNIT_EXPECT_GE(test, fd->vq[0].desc, VIRTIO_MSG_AMP_WINDOW_SIZE);
	KUNIT_EXPECT_LT(test, fd->vq[0].desc, FAKE_SHMEM);
	KUNIT_EXPECT_GE(test, fd->vq[0].driver, VIRTIO_MSG_AMP_WINDOW_SIZE);
	KUNIT_EXPECT_GE(test, fd->vq[0].device, VIRTIO_MSG_AMP_WINDOW_SIZE);
	KUNIT_EXPECT_TRUE(test, fake_accepted(fd, VIRTIO_F_ACCESS_PLATFORM));
	KUNIT_EXPECT_NULL(test, memchr_inv(window + 16, 0x99,
					   VIRTIO_MSG_AMP_LAYOUT - 16));
	KUNIT_EXPECT_NULL(test, memchr_inv(window + 0x3000, 0x99, 0x1000));
	unbind(card);
	expect_reset(card, 0);
	expect_free(card);
	/* The device side was told, and waits for the next one. */
	KUNIT_EXPECT_NE(test, card->fifos[0].status, VIRTIO_MSG_AMP_RUN);
}

/* The last buffer that finds room is still behind the window. */
static void ivshmem_full(struct kunit *test)
{
	const unsigned int room = (FAKE_SHMEM - VIRTIO_MSG_AMP_WINDOW_SIZE) / 4096;
	struct fake_card *card = fake_ivshmem(test);
	struct fake_dev *fd = fake_card_dev(card, 0, 2);
	u8 *buf = kunit_kzalloc(test, 4096, GFP_KERNEL);
	struct fake_drv *drv;
	unsigned int n = 0;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	fd->vq[0].max_size = 256;
	fake_card_plug(card);
	set_override(card);
	KUNIT_ASSERT_EQ(test, device_attach(&card->pdev->dev), 1);
	drv = wait_drv(card, 1);
	while (n < 256 && !fake_add_buf(drv->vqs[0], NULL, 0, buf, 4096))
		n++;
	KUNIT_EXPECT_GT(test, n, room - 8);
	KUNIT_EXPECT_LT(test, n, room);
	/* The model knows where the pool is. */
	virtqueue_kick(drv->vqs[0]);
	KUNIT_EXPECT_TRUE(test, card_wait(READ_ONCE(fd->vq[0].used) == n));
}

static const struct wrong_case ivshmem_wrongs[] = {
	{ "no server", WRONG_POSITION, -ENODEV },
	{ "no magic", WRONG_MAGIC, -ENODEV },
	{ "version", WRONG_SHMEM_VERSION, -EPROTO },
	{ "bad header", WRONG_FIRST_HEADER, -EPROTO },
	{ "no registers", WRONG_NO_REGS, -ENODEV },
	{ "no memory", WRONG_NO_MEM, -ENODEV },
	{ "too little memory", WRONG_SMALL_MEM, -ENODEV },
	{ "no MSI-X", WRONG_NO_MSIX, -EINVAL },
	{ "pulled out", WRONG_PULLED, -ENODEV },
};

KUNIT_ARRAY_PARAM_DESC(ivshmem_wrong, ivshmem_wrongs, name);

static void ivshmem_refused(struct kunit *test)
{
	const struct wrong_case *c = test->param_value;
	struct fake_card *card = fake_ivshmem(test);

	fake_card_dev(card, 0, 0);
	spoil_card(card, c->wrong);
	fake_card_make(card);
	spoil_memory(card, c->wrong);
	fake_card_plug(card);
	set_override(card);
	if (c->wrong == WRONG_PULLED)
		fake_card_pull(card);
	expect_refused(card, c->err);
	KUNIT_EXPECT_EQ(test, card->fifos[0].bells, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_driver.probes), 0);
}

/* The device side dies and comes back, as often as it likes. */
static void ivshmem_restart(struct kunit *test)
{
	struct fake_card *card = ivshmem_bound(test, false);
	int i;

	for (i = 1; i <= 5; i++) {
		move_data(test, wait_drv(card, i));
		fake_fifo_restart(&card->fifos[0]);
		KUNIT_ASSERT_TRUE(test, drv_wait(atomic_read(&fake_driver.removes) == i));
	}
	move_data(test, wait_drv(card, i));
}

/* Another program takes over, and its doorbell is another one. */
static void ivshmem_new_peer(struct kunit *test)
{
	struct fake_card *card = ivshmem_bound(test, false);
	struct virtio_msg_amp_ivshmem *shmem = card->fifos[0].window;

	move_data(test, wait_drv(card, 1));
	card->peer = 0xffff;
	WRITE_ONCE(shmem->device_peer, cpu_to_le32(card->peer));
	fake_fifo_restart(&card->fifos[0]);
	move_data(test, wait_drv(card, 2));
}

/* driver_override takes everything; the driver does not. */
static void odd_refused(struct kunit *test)
{
	struct pci_dev *pdev = fake_pci_plug(odd_create(test));

	KUNIT_ASSERT_EQ(test, 0, device_set_driver_override(&pdev->dev, DRIVER));
	KUNIT_EXPECT_EQ(test, -ENODEV,
			device_driver_attach(card_driver(test), &pdev->dev));
	KUNIT_EXPECT_FALSE(test, pci_is_enabled(pdev));
}

/*
 * Life, with both kinds
 */

enum kind {
	KIND_SPSC,
	KIND_LAYOUT,
	KIND_IVSHMEM,
	KIND_IVSHMEM_PACKED,
};

struct kind_case {
	const char *name;
	enum kind kind;
};

static const struct kind_case kind_cases[] = {
	{ "10ee:9039, spsc", KIND_SPSC },
	{ "10ee:9039, layout", KIND_LAYOUT },
	{ "ivshmem-doorbell", KIND_IVSHMEM },
	{ "ivshmem-doorbell, packed", KIND_IVSHMEM_PACKED },
};

KUNIT_ARRAY_PARAM_DESC(kind_case, kind_cases, name);

/* A bound card with one device. */
static struct fake_card *kind_bound(struct kunit *test)
{
	const struct kind_case *c = test->param_value;
	struct fake_card *card;

	if (c->kind >= KIND_IVSHMEM)
		return ivshmem_bound(test, c->kind == KIND_IVSHMEM_PACKED);
	card = fake_xilinx(test, 2, c->kind == KIND_LAYOUT, VMSG_DIALECT_1);
	fake_card_dev(card, 0, 2);
	fake_card_plug(card);
	KUNIT_ASSERT_TRUE(test, is_bound(card));
	return card;
}

/*
 * A hundred times and more: User Mode Linux has but 32 vectors and 128 mappings,
 * and memory is counted.
 */
static void life_bind(struct kunit *test)
{
	struct fake_card *card = kind_bound(test);
	struct leak leak = { .found = true };
	int i;

	for (i = 1; i <= 125 || (leak.found && i <= 500); i++) {
		wait_drv(card, i);
		unbind(card);
		expect_free(card);
		if (!(i % 25))
			look_for_leak(&leak);
		KUNIT_ASSERT_EQ(test, bind_again(card), 0);
	}
	KUNIT_EXPECT_FALSE(test, leak.found);
	move_data(test, wait_drv(card, i));
	unbind(card);
	expect_free(card);
}

/* Two functions know nothing of each other. */
static void life_two(struct kunit *test)
{
	struct fake_card *a = ivshmem_bound(test, false), *b;
	struct fake_drv *drv = wait_drv(a, 1);

	b = fake_xilinx(test, 1, false, VMSG_DIALECT_RFC);
	fake_card_dev(b, 0, 3);
	fake_card_plug(b);
	move_data(test, wait_drv(b, 2));
	move_data(test, drv);
	fake_card_pull(b);
	fake_pci_remove(b->fp);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_driver.removes), 1);
	move_data(test, drv);
}

/* The device has not even answered when it is pulled out. */
static void life_pull(struct kunit *test)
{
	struct fake_card *card = kind_bound(test);
	struct fake_drv *drv = wait_drv(card, 1);
	struct asker asker;
	u8 *buf = kunit_kzalloc(test, 64, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, buf);
	move_data(test, drv);
	card->fifos[0].fb.serve = false;
	KUNIT_ASSERT_EQ(test, 0, fake_add_buf(drv->vqs[0], buf, 8, buf + 32, 16));
	virtqueue_kick(drv->vqs[0]);
	asker_start(&card->fifos[0], &asker, drv);
	fake_card_pull(card);
	fake_pci_remove(card->fp);
	KUNIT_EXPECT_EQ(test, asker_end(&asker), -ENODEV);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_driver.removes), 1);
	KUNIT_EXPECT_FALSE(test, any_child(card));
	/* Where there is a pool the driver got its buffer back before that. */
	KUNIT_EXPECT_EQ(test, drv->num_bufs, card->ivshmem ? 2 : 1);
	KUNIT_EXPECT_EQ(test, buf[32], card->ivshmem ? 0xff : 0);
}

/* With all of its FIFOs. */
static void life_pull_all(struct kunit *test)
{
	struct fake_card *card = fake_xilinx(test, 2, false, VMSG_DIALECT_1);
	struct asker asker;

	set_fifos(test, "3");
	fake_card_dev(card, 0, 10);
	fake_card_dev(card, 1, 11);
	fake_card_plug(card);
	wait_drv(card, 2);
	asker_start(&card->fifos[1], &asker, find_drv(test, 11));
	fake_card_pull(card);
	fake_pci_remove(card->fp);
	KUNIT_EXPECT_EQ(test, asker_end(&asker), -ENODEV);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_driver.removes), 2);
}

/* The PCI core says so first. */
static void life_error(struct kunit *test)
{
	struct fake_card *card = kind_bound(test);
	struct fake_drv *drv = wait_drv(card, 1);
	const struct pci_error_handlers *eh = card->pdev->driver->err_handler;
	struct asker asker;

	KUNIT_EXPECT_EQ(test, (__force unsigned int)
			eh->error_detected(card->pdev, pci_channel_io_normal),
			(__force unsigned int)PCI_ERS_RESULT_CAN_RECOVER);
	move_data(test, drv);
	asker_start(&card->fifos[0], &asker, drv);
	fake_card_pull(card);
	KUNIT_EXPECT_EQ(test, (__force unsigned int)
			eh->error_detected(card->pdev, pci_channel_io_frozen),
			(__force unsigned int)PCI_ERS_RESULT_DISCONNECT);
	KUNIT_EXPECT_EQ(test, asker_end(&asker), -ENODEV);
	KUNIT_EXPECT_TRUE(test, drv_wait(atomic_read(&fake_driver.removes)));
	KUNIT_EXPECT_TRUE(test, is_bound(card));
	unbind(card);
	expect_free(card);
}

static void put_timeout(void *arg)
{
	set_param("virtio_msg_amp.timeout_ms", "5000");
}

/* Nobody says that the card is not there any more: all is ones, and stays so. */
static void life_silent(struct kunit *test)
{
	const struct kind_case *c = test->param_value;
	struct fake_card *card;
	struct asker asker;

	KUNIT_ASSERT_EQ(test, 0, set_param("virtio_msg_amp.timeout_ms", "200"));
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, put_timeout, NULL));
	card = kind_bound(test);
	asker_start(&card->fifos[0], &asker, wait_drv(card, 1));
	fake_card_pull(card);
	/* Layout has a magic that is missed; spsc has nothing but patience. */
	KUNIT_EXPECT_NE(test, asker_end(&asker), 0);
	if (c->kind != KIND_SPSC)
		KUNIT_EXPECT_TRUE(test, drv_wait(atomic_read(&fake_driver.removes)));
	unbind(card);
	expect_free(card);
}

static void life_reset(struct kunit *test)
{
	struct fake_card *card = kind_bound(test);
	struct fake_drv *drv = wait_drv(card, 1);
	const struct pci_error_handlers *eh = card->pdev->driver->err_handler;
	int i;

	for (i = 0; i < 3; i++) {
		move_data(test, drv);
		device_lock(&card->pdev->dev);
		eh->reset_prepare(card->pdev);
		expect_reset(card, 0);
		pci_save_state(card->pdev);
		fake_pci_reset(card->fp);
		pci_restore_state(card->pdev);
		eh->reset_done(card->pdev);
		device_unlock(&card->pdev->dev);
	}
	move_data(test, drv);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_driver.probes), 1);
}

/* One driver does not want to; the card is not reset then, but asked to be. */
static void life_reset_refused(struct kunit *test)
{
	struct fake_card *card = kind_bound(test);
	struct fake_drv *drv = wait_drv(card, 1);
	const struct pci_error_handlers *eh = card->pdev->driver->err_handler;

	fake_driver.freeze_err = -EBUSY;
	device_lock(&card->pdev->dev);
	eh->reset_prepare(card->pdev);
	eh->reset_done(card->pdev);
	device_unlock(&card->pdev->dev);
	move_data(test, drv);
	unbind(card);
	expect_free(card);
}

static int card_suspend(struct fake_card *card)
{
	const struct dev_pm_ops *pm = pci_bus_type.pm;

	return pm->suspend(&card->pdev->dev) ?:
	       pm->suspend_noirq(&card->pdev->dev);
}

static int card_resume(struct fake_card *card)
{
	const struct dev_pm_ops *pm = pci_bus_type.pm;

	return pm->resume_noirq(&card->pdev->dev) ?:
	       pm->resume(&card->pdev->dev);
}

static void life_suspend(struct kunit *test)
{
	struct fake_card *card = kind_bound(test);
	struct fake_drv *drv = wait_drv(card, 1);
	int i;

	for (i = 0; i < 3; i++) {
		move_data(test, drv);
		KUNIT_ASSERT_EQ(test, card_suspend(card), 0);
		expect_reset(card, 0);
		/* Power is off for a while. */
		fake_pci_reset(card->fp);
		KUNIT_ASSERT_EQ(test, card_resume(card), 0);
	}
	move_data(test, drv);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_driver.probes), 1);
	unbind(card);
	expect_free(card);
}

static void life_suspend_refused(struct kunit *test)
{
	struct fake_card *card = kind_bound(test);
	struct fake_drv *drv = wait_drv(card, 1);

	fake_driver.freeze_err = -EBUSY;
	KUNIT_EXPECT_EQ(test, pci_bus_type.pm->suspend(&card->pdev->dev), -EBUSY);
	move_data(test, drv);
	fake_driver.freeze_err = 0;
	KUNIT_ASSERT_EQ(test, card_suspend(card), 0);
	KUNIT_ASSERT_EQ(test, card_resume(card), 0);
	move_data(test, drv);
}

/* One FIFO sleeps already when the next one's driver does not want to. */
static void life_suspend_half(struct kunit *test)
{
	struct fake_card *card = fake_xilinx(test, 2, false, VMSG_DIALECT_1);

	set_fifos(test, "3");
	fake_card_dev(card, 0, 10);
	fake_card_dev(card, 1, 11);
	fake_card_plug(card);
	wait_drv(card, 2);
	fake_driver.freeze_err = -EBUSY;
	fake_driver.freeze_good = 1;
	KUNIT_EXPECT_EQ(test, pci_bus_type.pm->suspend(&card->pdev->dev), -EBUSY);
	fake_driver.freeze_err = 0;
	move_data(test, find_drv(test, 10));
	move_data(test, find_drv(test, 11));
	KUNIT_ASSERT_EQ(test, card_suspend(card), 0);
	KUNIT_ASSERT_EQ(test, card_resume(card), 0);
	move_data(test, find_drv(test, 10));
	move_data(test, find_drv(test, 11));
}

/* All that a device side remembers can be lost while the system sleeps. */
static void life_suspend_restart(struct kunit *test)
{
	struct fake_card *card = ivshmem_bound(test, false);

	move_data(test, wait_drv(card, 1));
	KUNIT_ASSERT_EQ(test, card_suspend(card), 0);
	fake_fifo_restart(&card->fifos[0]);
	KUNIT_ASSERT_EQ(test, card_resume(card), 0);
	move_data(test, wait_drv(card, 2));
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_driver.removes), 1);
}

/* Pulled out while the system sleeps. */
static void life_suspend_pull(struct kunit *test)
{
	struct fake_card *card = kind_bound(test);
	struct virtio_msg_bus *bus;

	move_data(test, wait_drv(card, 1));
	KUNIT_ASSERT_EQ(test, card_suspend(card), 0);
	bus = get_bus(card);
	KUNIT_ASSERT_NOT_NULL(test, bus);
	fake_card_pull(card);
	card_resume(card);
	fake_pci_remove(card->fp);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_driver.removes), 1);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&bus->stats[VMSG_STAT_TIMEOUTS]), 0);
	put_device(&bus->dev);
	KUNIT_EXPECT_FALSE(test, any_child(card));
}

/* Nobody writes into the memory of the next kernel. */
static void life_shutdown(struct kunit *test)
{
	struct fake_card *card = kind_bound(test);
	struct fake_drv *drv = wait_drv(card, 1);
	unsigned int i;

	move_data(test, drv);
	card->pdev->driver->shutdown(card->pdev);
	expect_reset(card, 0);
	KUNIT_EXPECT_FALSE(test, is_master(card));
	for (i = 0; i < card->num_fifos; i++)
		fake_pci_irq(card->fp, i);
	fake_pci_flush(card->fp);
	/* Without interrupts the end of this test would wait for answers. */
	fake_card_pull(card);
}

static struct kunit_case fake_pci_cases[] = {
	KUNIT_CASE(fake_config),
	KUNIT_CASE(fake_memory),
	KUNIT_CASE(fake_interrupts),
	{}
};

static struct kunit_suite fake_pci_suite = {
	.name = "virtio_msg_fake_pci",
	.test_cases = fake_pci_cases,
};

/* A warning would end some machines. Only the first one can be told. */
static void expect_no_warning(void *arg)
{
	struct kunit *test = arg;

	KUNIT_EXPECT_FALSE_MSG(test, test_taint(TAINT_WARN),
			       "the kernel has warned of something");
}

static int card_init(struct kunit *test)
{
	fake_driver_register(test);
	if (test_taint(TAINT_WARN))
		return 0;
	return kunit_add_action_or_reset(test, expect_no_warning, test);
}

static struct kunit_case card_cases[] = {
	KUNIT_CASE_PARAM(xilinx_probe, xilinx_case_gen_params),
	KUNIT_CASE_PARAM(xilinx_refused, xilinx_wrong_gen_params),
	KUNIT_CASE(xilinx_fifos),
	KUNIT_CASE(xilinx_no_fifos),
	KUNIT_CASE(xilinx_all_fifos),
	KUNIT_CASE_PARAM(xilinx_continue, continue_case_gen_params),
	KUNIT_CASE(xilinx_dma),
	KUNIT_CASE(irq_spurious),
	KUNIT_CASE(irq_storm),
	KUNIT_CASE(ivshmem_asked),
	KUNIT_CASE(ivshmem_new_id),
	KUNIT_CASE(ivshmem_pool),
	KUNIT_CASE(ivshmem_full),
	KUNIT_CASE_PARAM(ivshmem_refused, ivshmem_wrong_gen_params),
	KUNIT_CASE(ivshmem_restart),
	KUNIT_CASE(ivshmem_new_peer),
	KUNIT_CASE(odd_refused),
	KUNIT_CASE_PARAM(life_bind, kind_case_gen_params),
	KUNIT_CASE(life_two),
	KUNIT_CASE_PARAM(life_pull, kind_case_gen_params),
	KUNIT_CASE(life_pull_all),
	KUNIT_CASE_PARAM(life_error, kind_case_gen_params),
	KUNIT_CASE_PARAM(life_silent, kind_case_gen_params),
	KUNIT_CASE_PARAM(life_reset, kind_case_gen_params),
	KUNIT_CASE_PARAM(life_reset_refused, kind_case_gen_params),
	KUNIT_CASE_PARAM(life_suspend, kind_case_gen_params),
	KUNIT_CASE_PARAM(life_suspend_refused, kind_case_gen_params),
	KUNIT_CASE(life_suspend_half),
	KUNIT_CASE(life_suspend_restart),
	KUNIT_CASE_PARAM(life_suspend_pull, kind_case_gen_params),
	KUNIT_CASE_PARAM(life_shutdown, kind_case_gen_params),
	{}
};

static struct kunit_suite card_suite = {
	.name = "virtio_msg_amp_pci",
	.init = card_init,
	.test_cases = card_cases,
};

kunit_test_suites(&fake_pci_suite, &card_suite);
