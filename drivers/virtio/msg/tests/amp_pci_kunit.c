// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: tests of amp_pci.c.
 *
 * They plug PCI functions in that fake_pci.c makes up, and let the PCI core bind
 * the driver to them.
 */
#include <kunit/test.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/pci.h>

#include "fake_pci.h"

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
	struct pci_dev *pdev = fake_pci_dev(odd_create(test));
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
	struct pci_dev *pdev = fake_pci_dev(fp);
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
	KUNIT_EXPECT_EQ(test, ram[0x3fff], U32_MAX);
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
	struct pci_dev *pdev = fake_pci_dev(fp);
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

kunit_test_suite(fake_pci_suite);
