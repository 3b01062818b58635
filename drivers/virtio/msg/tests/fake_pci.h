/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio-msg: PCI functions that are made up for tests.
 *
 * User Mode Linux has a PCI host bridge whose functions are callbacks. Here they
 * become a function like any other: a configuration space with BARs that can be
 * sized and moved, registers and memory behind them, MSI-X. What the registers
 * mean is up to the test. A function can be pulled out: from then on all that is
 * read of it is ones.
 *
 * The test owns a function and it ends with the test. Registers are called in
 * the context of whoever reads or writes them, atomic ones included; interrupts
 * come later, from a work that enters interrupt context.
 */
#ifndef _VIRTIO_MSG_FAKE_PCI_H
#define _VIRTIO_MSG_FAKE_PCI_H

#include <kunit/test.h>
#include <linux/pci.h>
#include <linux/types.h>

struct fake_pci;

/* Vectors that a function can have. */
#define FAKE_PCI_VECTORS	32
/* Where the MSI-X capability lies, the only one that there is. */
#define FAKE_PCI_MSIX		0x40

/**
 * struct fake_pci_ops - registers
 * @read: what is at @offset, called for BARs of kind FAKE_BAR_REGS
 * @write: the other direction; done when it returns, as a register is
 */
struct fake_pci_ops {
	u32 (*read)(struct fake_pci *fp, int bar, u32 offset, int size);
	void (*write)(struct fake_pci *fp, int bar, u32 offset, int size,
		      u32 val);
};

/**
 * enum fake_bar_kind - what is behind a BAR
 * @FAKE_BAR_NONE: there is none
 * @FAKE_BAR_MEM: memory that only accessors reach
 * @FAKE_BAR_REGS: &struct fake_pci_ops
 * @FAKE_BAR_RAM: pages of this machine, which memremap() maps; only of a
 *	function that no driver takes by itself
 */
enum fake_bar_kind {
	FAKE_BAR_NONE,
	FAKE_BAR_MEM,
	FAKE_BAR_REGS,
	FAKE_BAR_RAM,
};

/**
 * struct fake_pci_info - what a function is
 * @vendor: PCI vendor
 * @device: PCI device
 * @class: base class, sub class, interface and revision
 * @bar: BARs; sizes are powers of two
 * @vectors: of MSI-X, 0 = there is no MSI-X
 * @msix_bar: BAR, of kind FAKE_BAR_MEM, with the MSI-X table at its start
 * @pba: offset of the pending bits in there
 * @ops: registers
 * @priv: for @ops
 */
struct fake_pci_info {
	u16 vendor;
	u16 device;
	u32 class;
	struct {
		enum fake_bar_kind kind;
		u32 size;
		u32 flags;
	} bar[PCI_STD_NUM_BARS];
	unsigned int vectors;
	u8 msix_bar;
	u32 pba;
	const struct fake_pci_ops *ops;
	void *priv;
};

struct fake_pci *fake_pci_create(struct kunit *test,
				 const struct fake_pci_info *info);
struct pci_dev *fake_pci_plug(struct fake_pci *fp);
void *fake_pci_priv(struct fake_pci *fp);
void *fake_pci_mem(struct fake_pci *fp, int bar);
void fake_pci_irq(struct fake_pci *fp, unsigned int vector);
void fake_pci_flush(struct fake_pci *fp);
int fake_pci_irqs(struct fake_pci *fp, unsigned int vector);
int fake_pci_strays(struct fake_pci *fp);
u16 fake_pci_command(struct fake_pci *fp);
void fake_pci_reset(struct fake_pci *fp);
void fake_pci_pull(struct fake_pci *fp);
void fake_pci_remove(struct fake_pci *fp);

#endif /* _VIRTIO_MSG_FAKE_PCI_H */
