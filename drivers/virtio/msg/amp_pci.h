/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio-msg AMP over PCI: what tests replace.
 */
#ifndef _VIRTIO_MSG_AMP_PCI_H
#define _VIRTIO_MSG_AMP_PCI_H

struct pci_dev;

/* virtio_msg_amp_pci: pci_device_id.driver_data, and the number for new_id. */
enum vmsg_amp_pci_id {
	VMSG_AMP_PCI_XILINX = 1,
	VMSG_AMP_PCI_IVSHMEM = 2,
};

#if IS_ENABLED(CONFIG_KUNIT)
void *vmsg_amp_pci_map_ram(struct pci_dev *pdev, int bar);
void vmsg_amp_pci_unmap_ram(void *ram);
#endif

#endif /* _VIRTIO_MSG_AMP_PCI_H */
