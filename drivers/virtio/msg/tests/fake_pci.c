// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: PCI functions that are made up for tests.
 */
#include <linux/gfp.h>
#include <linux/hardirq.h>
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/irqdesc.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

#include "fake_pci.h"
#include "virt-pci.h"

/* Conventional PCI: what lies beyond does not exist. */
#define CFG_SIZE	256
/* Bits of the command register that a function without I/O ports has. */
#define CFG_COMMAND	(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | \
			 PCI_COMMAND_PARITY | PCI_COMMAND_SERR | \
			 PCI_COMMAND_INTX_DISABLE)

/**
 * struct fake_pci - a function
 * @um: as User Mode Linux knows it
 * @test: whose it is
 * @info: what it is
 * @pdev: as the kernel knows it
 * @registered: @um is in its slot, and @pdev on its bus
 * @present: it has not been pulled out
 * @cfg: configuration space
 * @writable: bits of it that can be written
 * @mem: what is behind the BARs
 * @cfg_reads: reads of configuration space
 * @strays: accesses that nobody would have answered
 * @pending: interrupts that were raised and not delivered yet
 * @irqs: interrupts that were delivered
 * @wq: for @work alone
 * @work: delivers interrupts
 */
struct fake_pci {
	struct um_pci_device um;
	struct kunit *test;
	struct fake_pci_info info;
	struct pci_dev *pdev;
	bool registered;
	bool present;
	u8 cfg[CFG_SIZE];
	u8 writable[CFG_SIZE];
	u8 *mem[PCI_STD_NUM_BARS];
	unsigned int cfg_reads;
	atomic_t strays;
	unsigned long pending;
	atomic_t irqs[FAKE_PCI_VECTORS];
	struct workqueue_struct *wq;
	struct work_struct work;
};

static_assert(FAKE_PCI_VECTORS <= BITS_PER_LONG);

static struct fake_pci *to_fake_pci(struct um_pci_device *um)
{
	return container_of(um, struct fake_pci, um);
}

/* Numbers in configuration space, little endian as all that is PCI's. */
static u32 cfg_get(struct fake_pci *fp, unsigned int offset, int size)
{
	u32 val = 0;
	int i;

	for (i = 0; i < size; i++)
		val |= (u32)fp->cfg[offset + i] << (8 * i);
	return val;
}

static void cfg_put(struct fake_pci *fp, unsigned int offset, int size,
		    u32 val, u32 writable)
{
	int i;

	for (i = 0; i < size; i++) {
		fp->cfg[offset + i] = val >> (8 * i);
		fp->writable[offset + i] = writable >> (8 * i);
	}
}

/*
 * Interrupts
 */

/* Messages can leave the function. */
static bool msix_works(struct fake_pci *fp)
{
	u16 control = cfg_get(fp, FAKE_PCI_MSIX + PCI_MSIX_FLAGS, 2);

	return fp->present && fp->info.vectors &&
	       (control & PCI_MSIX_FLAGS_ENABLE) &&
	       (fake_pci_command(fp) & PCI_COMMAND_MASTER);
}

static u32 msix_entry(struct fake_pci *fp, unsigned int vector, u32 offset)
{
	const u8 *table = fp->mem[fp->info.msix_bar];

	return get_unaligned_le32(table + vector * PCI_MSIX_ENTRY_SIZE + offset);
}

static bool msix_masked(struct fake_pci *fp, unsigned int vector)
{
	return (cfg_get(fp, FAKE_PCI_MSIX + PCI_MSIX_FLAGS, 2) &
		PCI_MSIX_FLAGS_MASKALL) ||
	       (msix_entry(fp, vector, PCI_MSIX_ENTRY_VECTOR_CTRL) &
		PCI_MSIX_ENTRY_CTRL_MASKBIT);
}

/* Message data is the number of the interrupt, see arch/um. */
static void msix_deliver(struct work_struct *work)
{
	struct fake_pci *fp = container_of(work, struct fake_pci, work);
	unsigned int v;

	for (v = 0; v < fp->info.vectors; v++) {
		if (!msix_works(fp) || msix_masked(fp, v) ||
		    !test_and_clear_bit(v, &fp->pending))
			continue;
		atomic_inc(&fp->irqs[v]);
		local_irq_disable();
		irq_enter();
		generic_handle_irq(msix_entry(fp, v, PCI_MSIX_ENTRY_DATA));
		irq_exit();
		local_irq_enable();
	}
}

/**
 * fake_pci_irq() - raise an interrupt
 * @fp: the function
 * @vector: which
 *
 * It comes some time later; fake_pci_flush() waits for it. While the vector is
 * masked it stays pending, and without MSI-X or bus mastering it is lost.
 *
 * Context: Any.
 */
void fake_pci_irq(struct fake_pci *fp, unsigned int vector)
{
	if (!msix_works(fp) || vector >= fp->info.vectors)
		return;
	set_bit(vector, &fp->pending);
	queue_work(fp->wq, &fp->work);
}

/**
 * fake_pci_flush() - wait for interrupts
 * @fp: the function
 *
 * Context: Process context.
 */
void fake_pci_flush(struct fake_pci *fp)
{
	flush_workqueue(fp->wq);
}

/**
 * fake_pci_irqs() - count interrupts
 * @fp: the function
 * @vector: which
 *
 * Return: how many were delivered.
 */
int fake_pci_irqs(struct fake_pci *fp, unsigned int vector)
{
	return atomic_read(&fp->irqs[vector]);
}

/*
 * Configuration space
 */

static unsigned long fake_cfg_read(struct um_pci_device *um,
				   unsigned int offset, int size)
{
	struct fake_pci *fp = to_fake_pci(um);

	fp->cfg_reads++;
	if (!fp->present || offset + size > CFG_SIZE || size > 4)
		return ULONG_MAX;
	return cfg_get(fp, offset, size);
}

static void fake_cfg_write(struct um_pci_device *um, unsigned int offset,
			   int size, unsigned long val)
{
	struct fake_pci *fp = to_fake_pci(um);
	u8 mask;
	int i;

	if (!fp->present || offset + size > CFG_SIZE)
		return;
	for (i = 0; i < size; i++) {
		mask = fp->writable[offset + i];
		fp->cfg[offset + i] = (fp->cfg[offset + i] & ~mask) |
				      ((val >> (8 * i)) & mask);
	}
	/* It may have unmasked all vectors. */
	if (fp->pending)
		queue_work(fp->wq, &fp->work);
}

/**
 * fake_pci_command() - the command register
 * @fp: the function
 *
 * Return: its value; ones when it has been pulled out.
 */
u16 fake_pci_command(struct fake_pci *fp)
{
	return fp->present ? cfg_get(fp, PCI_COMMAND, 2) : 0xffff;
}

static void cfg_init_bar(struct fake_pci *fp, int i)
{
	u32 flags = fp->info.bar[i].flags;
	u32 at = PCI_BASE_ADDRESS_0 + 4 * i;

	if (fp->info.bar[i].kind == FAKE_BAR_NONE)
		return;
	cfg_put(fp, at, 4, flags, -fp->info.bar[i].size);
	if (flags & PCI_BASE_ADDRESS_MEM_TYPE_64)
		cfg_put(fp, at + 4, 4, 0, U32_MAX);
}

static void cfg_init(struct fake_pci *fp)
{
	const struct fake_pci_info *info = &fp->info;
	int i;

	cfg_put(fp, PCI_VENDOR_ID, 2, info->vendor, 0);
	cfg_put(fp, PCI_DEVICE_ID, 2, info->device, 0);
	cfg_put(fp, PCI_COMMAND, 2, 0, CFG_COMMAND);
	cfg_put(fp, PCI_CLASS_REVISION, 4, info->class, 0);
	cfg_put(fp, PCI_CACHE_LINE_SIZE, 1, 0, U8_MAX);
	cfg_put(fp, PCI_SUBSYSTEM_VENDOR_ID, 4, 0x11001af4, 0);
	cfg_put(fp, PCI_INTERRUPT_LINE, 1, 0, U8_MAX);
	for (i = 0; i < PCI_STD_NUM_BARS; i++)
		cfg_init_bar(fp, i);
	if (!info->vectors)
		return;
	cfg_put(fp, PCI_STATUS, 2, PCI_STATUS_CAP_LIST, 0);
	cfg_put(fp, PCI_CAPABILITY_LIST, 1, FAKE_PCI_MSIX, 0);
	cfg_put(fp, FAKE_PCI_MSIX, 2, PCI_CAP_ID_MSIX, 0);
	cfg_put(fp, FAKE_PCI_MSIX + PCI_MSIX_FLAGS, 2, info->vectors - 1,
		PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	cfg_put(fp, FAKE_PCI_MSIX + PCI_MSIX_TABLE, 4, info->msix_bar, 0);
	cfg_put(fp, FAKE_PCI_MSIX + PCI_MSIX_PBA, 4,
		info->pba | info->msix_bar, 0);
}

/* All vectors are masked. */
static void msix_init(struct fake_pci *fp)
{
	unsigned int v;

	fp->pending = 0;
	for (v = 0; v < fp->info.vectors; v++)
		put_unaligned_le32(PCI_MSIX_ENTRY_CTRL_MASKBIT,
				   fp->mem[fp->info.msix_bar] +
				   v * PCI_MSIX_ENTRY_SIZE +
				   PCI_MSIX_ENTRY_VECTOR_CTRL);
}

/**
 * fake_pci_reset() - what a reset of the function does
 * @fp: the function
 *
 * Configuration space and MSI-X start anew. The rest of the memory behind the
 * BARs stays.
 */
void fake_pci_reset(struct fake_pci *fp)
{
	cfg_init(fp);
	msix_init(fp);
}

/*
 * BARs
 */

/* Does anybody answer? Without memory decoding nobody does. */
static bool bar_answers(struct fake_pci *fp, int bar, unsigned int offset,
			int size)
{
	if (!fp->present)
		return false;
	if ((fake_pci_command(fp) & PCI_COMMAND_MEMORY) && fp->mem[bar] &&
	    offset <= fp->info.bar[bar].size &&
	    size <= fp->info.bar[bar].size - offset)
		return true;
	atomic_inc(&fp->strays);
	return false;
}

static bool bar_is_regs(struct fake_pci *fp, int bar)
{
	return fp->info.bar[bar].kind == FAKE_BAR_REGS;
}

static unsigned long fake_bar_read(struct um_pci_device *um, int bar,
				   unsigned int offset, int size)
{
	struct fake_pci *fp = to_fake_pci(um);
	u64 val = 0;

	if (!bar_answers(fp, bar, offset, size))
		return ULONG_MAX;
	if (bar_is_regs(fp, bar))
		return fp->info.ops->read(fp, bar, offset, size);
	if (fp->info.vectors && bar == fp->info.msix_bar &&
	    offset == fp->info.pba)
		return fp->pending;
	memcpy(&val, fp->mem[bar] + offset, size);
	return val;
}

static void fake_bar_write(struct um_pci_device *um, int bar,
			   unsigned int offset, int size, unsigned long val)
{
	struct fake_pci *fp = to_fake_pci(um);

	if (!bar_answers(fp, bar, offset, size))
		return;
	if (bar_is_regs(fp, bar)) {
		fp->info.ops->write(fp, bar, offset, size, val);
		return;
	}
	memcpy(fp->mem[bar] + offset, &val, size);
	/* It may have unmasked a vector. */
	if (fp->pending)
		queue_work(fp->wq, &fp->work);
}

/* Registers are not to be copied: nobody can tell in which pieces. */
static bool bar_copies(struct fake_pci *fp, int bar, unsigned int offset,
		       int size)
{
	if (!bar_answers(fp, bar, offset, size))
		return false;
	if (!bar_is_regs(fp, bar))
		return true;
	atomic_inc(&fp->strays);
	return false;
}

static void fake_bar_copy_from(struct um_pci_device *um, int bar, void *buffer,
			       unsigned int offset, int size)
{
	struct fake_pci *fp = to_fake_pci(um);

	if (bar_copies(fp, bar, offset, size))
		memcpy(buffer, fp->mem[bar] + offset, size);
	else
		memset(buffer, 0xff, size);
}

static void fake_bar_copy_to(struct um_pci_device *um, int bar,
			     unsigned int offset, const void *buffer, int size)
{
	struct fake_pci *fp = to_fake_pci(um);

	if (bar_copies(fp, bar, offset, size))
		memcpy(fp->mem[bar] + offset, buffer, size);
}

static void fake_bar_set(struct um_pci_device *um, int bar,
			 unsigned int offset, u8 value, int size)
{
	struct fake_pci *fp = to_fake_pci(um);

	if (bar_copies(fp, bar, offset, size))
		memset(fp->mem[bar] + offset, value, size);
}

static const struct um_pci_ops fake_um_ops = {
	.cfgspace_read = fake_cfg_read,
	.cfgspace_write = fake_cfg_write,
	.bar_read = fake_bar_read,
	.bar_write = fake_bar_write,
	.bar_copy_from = fake_bar_copy_from,
	.bar_copy_to = fake_bar_copy_to,
	.bar_set = fake_bar_set,
};

/**
 * fake_pci_mem() - memory behind a BAR
 * @fp: the function
 * @bar: which
 *
 * Return: where the device side sees it.
 */
void *fake_pci_mem(struct fake_pci *fp, int bar)
{
	return fp->mem[bar];
}

static void *bar_alloc(const struct fake_pci_info *info, int bar)
{
	if (info->bar[bar].kind == FAKE_BAR_RAM)
		return alloc_pages_exact(info->bar[bar].size,
					 GFP_KERNEL | __GFP_ZERO);
	return vzalloc(info->bar[bar].size);
}

static void bar_free(struct fake_pci *fp, int bar)
{
	if (fp->info.bar[bar].kind == FAKE_BAR_RAM && fp->mem[bar])
		free_pages_exact(fp->mem[bar], fp->info.bar[bar].size);
	else
		vfree(fp->mem[bar]);
}

/*
 * Memory behind a BAR of User Mode Linux is no memory for the kernel: what
 * ioremap() returns is no pointer. So the BAR is moved to where RAM is, and RAM
 * is what memremap() finds there.
 */
static int bar_move_to_ram(struct fake_pci *fp, int bar)
{
	struct resource *res = &fp->pdev->resource[bar];
	int err = release_resource(res);

	if (err)
		return err;
	res->start = virt_to_phys(fp->mem[bar]);
	res->end = res->start + fp->info.bar[bar].size - 1;
	res->flags |= IORESOURCE_SYSRAM;
	return request_resource(&iomem_resource, res);
}

/*
 * The function
 */

/* Which of the functions on the bus reads the configuration space of @fp? */
static struct pci_dev *fake_pci_find(struct fake_pci *fp)
{
	struct pci_dev *pdev = NULL;
	unsigned int reads;
	u32 val;

	for_each_pci_dev(pdev) {
		reads = fp->cfg_reads;
		pci_read_config_dword(pdev, PCI_VENDOR_ID, &val);
		if (fp->cfg_reads != reads)
			break;
	}
	return pdev;
}

/**
 * fake_pci_priv() - for the registers
 * @fp: the function
 *
 * Return: what &struct fake_pci_info has.
 */
void *fake_pci_priv(struct fake_pci *fp)
{
	return fp->info.priv;
}

/**
 * fake_pci_strays() - accesses to BARs that hit nothing
 * @fp: the function
 *
 * Those to a function that has been pulled out do not count.
 *
 * Return: how many.
 */
int fake_pci_strays(struct fake_pci *fp)
{
	return atomic_read(&fp->strays);
}

/**
 * fake_pci_pull() - pull the function out of its slot
 * @fp: the function
 *
 * The kernel is not told; fake_pci_remove() does that. What it sees without
 * accessors, which is memory of kind FAKE_BAR_RAM, is to be filled with ones by
 * the test.
 */
void fake_pci_pull(struct fake_pci *fp)
{
	fp->present = false;
}

/**
 * fake_pci_remove() - take the function off its bus
 * @fp: the function
 *
 * Context: Process context.
 */
void fake_pci_remove(struct fake_pci *fp)
{
	if (!fp->registered)
		return;
	fp->registered = false;
	/* User Mode Linux would do so only after the function has vanished. */
	if (fp->pdev)
		pci_stop_and_remove_bus_device_locked(fp->pdev);
	um_pci_device_unregister(&fp->um);
}

static void fake_pci_end(void *arg)
{
	struct fake_pci *fp = arg;
	int i;

	fake_pci_remove(fp);
	KUNIT_EXPECT_EQ_MSG(fp->test, fake_pci_strays(fp), 0,
			    "registers or memory were accessed in vain");
	pci_dev_put(fp->pdev);
	if (fp->wq)
		destroy_workqueue(fp->wq);
	for (i = 0; i < PCI_STD_NUM_BARS; i++)
		bar_free(fp, i);
	kfree(fp);
}

/**
 * fake_pci_create() - make a function that is not plugged in yet
 * @test: whose it is; it goes when the test ends
 * @info: what it is
 *
 * Return: the function, with memory behind its BARs; the test ends when there is
 * none.
 */
struct fake_pci *fake_pci_create(struct kunit *test,
				 const struct fake_pci_info *info)
{
	struct fake_pci *fp = kzalloc_obj(*fp);
	int i;

	KUNIT_ASSERT_NOT_NULL(test, fp);
	fp->test = test;
	fp->info = *info;
	fp->um.ops = &fake_um_ops;
	fp->present = true;
	INIT_WORK(&fp->work, msix_deliver);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, fake_pci_end, fp));
	fp->wq = alloc_workqueue("fake_pci", WQ_UNBOUND | WQ_HIGHPRI, 1);
	KUNIT_ASSERT_NOT_NULL(test, fp->wq);
	for (i = 0; i < PCI_STD_NUM_BARS; i++) {
		if (info->bar[i].kind == FAKE_BAR_NONE)
			continue;
		fp->mem[i] = bar_alloc(info, i);
		KUNIT_ASSERT_NOT_NULL(test, fp->mem[i]);
	}
	fake_pci_reset(fp);
	return fp;
}

/**
 * fake_pci_plug() - plug a function in
 * @fp: the function
 *
 * When it returns, drivers have been asked whether they want it.
 *
 * Return: the function as the kernel knows it; the test ends when there is none.
 */
struct pci_dev *fake_pci_plug(struct fake_pci *fp)
{
	struct kunit *test = fp->test;
	int i;

	KUNIT_ASSERT_EQ(test, 0, um_pci_device_register(&fp->um));
	fp->registered = true;
	fp->pdev = fake_pci_find(fp);
	KUNIT_ASSERT_NOT_NULL(test, fp->pdev);
	for (i = 0; i < PCI_STD_NUM_BARS; i++) {
		if (fp->info.bar[i].kind == FAKE_BAR_RAM)
			KUNIT_ASSERT_EQ(test, 0, bar_move_to_ram(fp, i));
	}
	return fp->pdev;
}
