// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: the KUnit suites as one module.
 *
 * One file a subject, named like the file of the core that it tests:
 * wire_kunit.c, bus_kunit.c, device_kunit.c, vq_kunit.c, pool_kunit.c and
 * loopback_kunit.c. All but the first stand on fake_device.c, a bus and virtio
 * devices that are made up inside this kernel.
 */
#include <linux/module.h>

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_DESCRIPTION("KUnit tests of the virtio message transport");
MODULE_LICENSE("GPL");
