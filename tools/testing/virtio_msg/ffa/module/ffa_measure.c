// SPDX-License-Identifier: GPL-2.0
/*
 * For the FF-A tests: what a request costs. It is the driver of a device that does
 * nothing, and writes its status again and again: by the driver of the bus, and by
 * the same message sent without it; and there is a partition that answers with
 * what it got. Says so in lines "# figure NAME VALUE UNIT TEXT",
 * for clocks in which an instruction is a nanosecond (ffa-guest.sh --icount).
 */
#include <linux/arm_ffa.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_msg.h>

#define ROUNDS	200
#define BATCHES	8
#define IDLE_ID	999

static struct ffa_device *echo;

static int call_raw(struct ffa_device *fdev, u16 dev_num, u32 status)
{
	struct {
		struct virtio_msg_hdr hdr;
		struct virtio_msg_status status;
		u8 rest[100];
	} frame = {
		.hdr.msg_id = VIRTIO_MSG_SET_DEVICE_STATUS,
		.hdr.dev_num = cpu_to_le16(dev_num),
		.hdr.token = cpu_to_le16(1),
		.hdr.msg_size = cpu_to_le16(sizeof(frame.hdr) + sizeof(frame.status)),
		.status.status = cpu_to_le32(status),
	};

	return fdev->ops->msg_ops->sync_send_receive2(fdev, (void *)&frame);
}

/* Nanoseconds of one round: the shortest batch, as others were disturbed. */
static u64 measure(struct virtio_device *vdev, struct ffa_device *fdev)
{
	u32 status = vdev->config->get_status(vdev);
	u64 start, best = U64_MAX;
	unsigned int i, n;

	for (i = 0; i < BATCHES; i++) {
		start = ktime_get_ns();
		for (n = 0; n < ROUNDS; n++) {
			if (!fdev)
				vdev->config->set_status(vdev, status);
			else if (call_raw(fdev, 100, status))
				return 0;
		}
		best = min(best, ktime_get_ns() - start);
	}
	return best / ROUNDS;
}

static int idle_probe(struct virtio_device *vdev)
{
	struct ffa_device *fdev = to_ffa_dev(vdev->dev.parent->parent);

	if (!echo)
		return -ENODEV;
	pr_info("# figure ffa_echo_ns %llu instructions of a bare FFA_MSG_SEND_DIRECT_REQ2 to a partition that answers with what it got\n",
		measure(vdev, echo));
	pr_info("# figure ffa_raw_ns %llu instructions of the same with a request that the device answers\n",
		measure(vdev, fdev));
	pr_info("# figure ffa_request_ns %llu instructions of that request by the driver of the bus\n",
		measure(vdev, NULL));
	return 0;
}

static void idle_remove(struct virtio_device *vdev)
{
	virtio_reset_device(vdev);
}

static const struct virtio_device_id idle_ids[] = {
	{ IDLE_ID, VIRTIO_DEV_ANY_ID },
	{ }
};

static struct virtio_driver idle_driver = {
	.driver.name = "ffa_measure",
	.id_table = idle_ids,
	.probe = idle_probe,
	.remove = idle_remove,
};

static int echo_probe(struct ffa_device *fdev)
{
	echo = fdev;
	return 0;
}

static void echo_remove(struct ffa_device *fdev)
{
	echo = NULL;
}

static const struct ffa_device_id echo_ids[] = {
	{ UUID_INIT(0x02556677, 0x2c0b, 0x1f4d,
		    0x44, 0x33, 0x22, 0x11, 0x09, 0xe6, 0x7b, 0x8a) },
	{ }
};

static struct ffa_driver echo_driver = {
	.name = "ffa_measure",
	.probe = echo_probe,
	.remove = echo_remove,
	.id_table = echo_ids,
};

static int __init measure_init(void)
{
	int err = ffa_register(&echo_driver);

	if (err)
		return err;
	err = register_virtio_driver(&idle_driver);
	if (err)
		ffa_unregister(&echo_driver);
	return err;
}
module_init(measure_init);

static void __exit measure_exit(void)
{
	unregister_virtio_driver(&idle_driver);
	ffa_unregister(&echo_driver);
}
module_exit(measure_exit);

MODULE_DESCRIPTION("What a request costs, for the FF-A tests");
MODULE_LICENSE("GPL");
