// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: the loopback bus. Devices are made by a program on this machine.
 *
 * Every open of /dev/virtio-msg-lb is one struct vmsg_lb, and VIRTIO_MSG_LB_SETUP
 * makes it a bus. Its pool is a memfd whose pages are held and mapped here; the
 * program maps the same memfd. The program pulls frames with read() and gives
 * frames with write(). So "room" on this carrier is one place for a kick, which
 * read() empties, and a list of requests, which bus.c bounds by its tokens.
 *
 * The last close kills the bus. The memfd is emptied first: that takes the pages
 * away from whoever has mapped it, while they stay here until all devices are
 * gone.
 *
 * A queue may have eventfds in place of messages. The used one is watched from
 * its wait queue; the wake-up runs under that queue's lock and must neither call
 * drivers nor signal other eventfds, so it raises an irq_work: that interrupts
 * the writer as soon as it has written, and is the context drivers know.
 *
 * Suspend needs nothing: the program sleeps and wakes with this kernel and keeps
 * its state. What a driver has asked it meanwhile waits.
 */
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/irq_work.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/poll.h>
#include <linux/rcupdate.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <linux/virtio_msg.h>
#include <linux/wait.h>
#include <linux/xarray.h>
#include <uapi/linux/fcntl.h>
#include <uapi/linux/virtio_msg_lb.h>

/* Most bytes of a frame that write() takes without an allocation. */
#define VMSG_LB_SMALL		64
/* Frames that the program has not read yet. bus.c has fewer tokens. */
#define VMSG_LB_FRAMES		128

/**
 * struct vmsg_lb_frame - a frame on its way to the program
 * @node: in vmsg_lb.frames
 * @size: bytes
 * @data: the frame
 */
struct vmsg_lb_frame {
	struct list_head node;
	size_t size;
	u8 data[] __counted_by(size);
};

/**
 * struct vmsg_lb - one open file
 * @setup_mutex: protects the making of the bus
 * @bus: the bus, NULL before VIRTIO_MSG_LB_SETUP; set once
 * @max_msg_size: bytes of the largest frame
 * @pool: what the devices see
 * @memfd: the same as a file
 * @vaddr: the same as one stretch of kernel memory, whose pages are held
 * @num_pages: pages of it
 * @lock: protects @frames, @num_frames, @kick and @kick_full
 * @frames: requests that the program has not read yet
 * @num_frames: how many of them
 * @kick: EVENT_AVAIL that the program has not read yet, if @kick_full
 * @kick_full: there is no room for another kick
 * @readable: readers and pollers
 * @read_mutex: one reader at a time, so that a frame that does not fit stays
 * @queue_mutex: protects changes of @queues
 * @queues: struct vmsg_lb_queue by device number and queue index, read under RCU
 * @kick_work: tries kicks again that no eventfd could be signalled for
 */
struct vmsg_lb {
	struct mutex setup_mutex; /* the making of @bus */
	struct virtio_msg_bus *bus;
	size_t max_msg_size;

	struct virtio_msg_pool *pool;
	struct file *memfd;
	void *vaddr;
	unsigned long num_pages;

	spinlock_t lock; /* @frames and @kick */
	struct list_head frames;
	unsigned int num_frames;
	u8 kick[VIRTIO_MSG_KICK_SIZE];
	bool kick_full;
	wait_queue_head_t readable;
	struct mutex read_mutex; /* one reader at a time */

	struct mutex queue_mutex; /* changes of @queues */
	struct xarray queues;
	struct irq_work kick_work;
};

/**
 * struct vmsg_lb_queue - the eventfds of one queue
 * @rcu: delays the free until kicks are done
 * @lb: whose queue it is
 * @dev_num: device number
 * @index: queue index
 * @kick: signalled in place of EVENT_AVAIL, or NULL
 * @used: watched in place of EVENT_USED, or NULL
 * @wait: in the wait queue of @used
 * @poll: puts @wait there
 * @work: raises the callback
 */
struct vmsg_lb_queue {
	struct rcu_head rcu;
	struct vmsg_lb *lb;
	u16 dev_num;
	u16 index;
	struct eventfd_ctx *kick;
	struct eventfd_ctx *used;
	wait_queue_entry_t wait;
	poll_table poll;
	struct irq_work work;
};

static unsigned long vmsg_lb_key(u16 dev_num, u16 index)
{
	return (unsigned long)dev_num << 16 | index;
}

/*
 * Bus operations
 */

static int vmsg_lb_send(struct virtio_msg_bus *bus, const void *data,
			size_t size)
{
	struct vmsg_lb *lb = virtio_msg_bus_priv(bus);
	struct vmsg_lb_frame *frame;

	frame = kmalloc(struct_size(frame, data, size), GFP_KERNEL);
	if (!frame)
		return -ENOMEM;
	frame->size = size;
	memcpy(frame->data, data, size);
	scoped_guard(spinlock_irqsave, &lb->lock) {
		if (lb->num_frames == VMSG_LB_FRAMES) {
			kfree(frame);
			return -EBUSY;
		}
		lb->num_frames++;
		list_add_tail(&frame->node, &lb->frames);
	}
	wake_up_interruptible_poll(&lb->readable, EPOLLIN | EPOLLRDNORM);
	return 0;
}

/* Returns false when the queue has no kick eventfd. */
static bool vmsg_lb_kick_eventfd(struct vmsg_lb *lb, u16 dev_num, u32 index,
				 int *result)
{
	struct vmsg_lb_queue *q;

	guard(rcu)();
	q = index <= U16_MAX ? xa_load(&lb->queues, vmsg_lb_key(dev_num, index)) :
			       NULL;
	if (!q || !q->kick)
		return false;
	if (eventfd_signal_allowed()) {
		eventfd_signal(q->kick);
		*result = 0;
	} else {
		irq_work_queue(&lb->kick_work);
		*result = -EAGAIN;
	}
	return true;
}

static int vmsg_lb_kick(struct virtio_msg_bus *bus, u16 dev_num, u32 index,
			const void *frame)
{
	struct vmsg_lb *lb = virtio_msg_bus_priv(bus);
	int result;

	if (vmsg_lb_kick_eventfd(lb, dev_num, index, &result))
		return result;
	scoped_guard(spinlock_irqsave, &lb->lock) {
		if (lb->kick_full)
			return -EAGAIN;
		memcpy(lb->kick, frame, sizeof(lb->kick));
		lb->kick_full = true;
	}
	wake_up_interruptible_poll(&lb->readable, EPOLLIN | EPOLLRDNORM);
	return 0;
}

static void vmsg_lb_kick_work(struct irq_work *work)
{
	struct vmsg_lb *lb = container_of(work, struct vmsg_lb, kick_work);

	virtio_msg_bus_tx_room(lb->bus);
}

static void vmsg_lb_cut(struct virtio_msg_bus *bus)
{
	struct vmsg_lb *lb = virtio_msg_bus_priv(bus);

	/*
	 * Whatever seals it has: the pages leave the file and the mappings of
	 * it, and only those that are held here remain.
	 */
	shmem_truncate_range(file_inode(lb->memfd), 0, -1);
}

/*
 * Eventfds
 */

static void vmsg_lb_used_work(struct irq_work *work)
{
	struct vmsg_lb_queue *q = container_of(work, struct vmsg_lb_queue, work);

	virtio_msg_bus_used(q->lb->bus, q->dev_num, q->index);
}

static int vmsg_lb_used_wakeup(wait_queue_entry_t *wait, unsigned int mode,
			       int sync, void *key)
{
	struct vmsg_lb_queue *q = container_of(wait, struct vmsg_lb_queue, wait);
	u64 count;

	if (key_to_poll(key) & EPOLLIN) {
		/* Back to 0, or a writer that blocks would fill it one day. */
		eventfd_ctx_do_read(q->used, &count);
		irq_work_queue(&q->work);
	}
	return 0;
}

static void vmsg_lb_used_queue(struct file *file, wait_queue_head_t *wqh,
			       poll_table *poll)
{
	struct vmsg_lb_queue *q = container_of(poll, struct vmsg_lb_queue, poll);

	add_wait_queue(wqh, &q->wait);
}

static void vmsg_lb_queue_free_rcu(struct rcu_head *rcu)
{
	struct vmsg_lb_queue *q = container_of(rcu, struct vmsg_lb_queue, rcu);

	if (q->kick)
		eventfd_ctx_put(q->kick);
	kfree(q);
}

static void vmsg_lb_queue_free(struct vmsg_lb_queue *q)
{
	u64 count;

	if (!q)
		return;
	if (q->used) {
		eventfd_ctx_remove_wait_queue(q->used, &q->wait, &count);
		irq_work_sync(&q->work);
		eventfd_ctx_put(q->used);
	}
	/*
	 * Kicks may still be signalling it. They are not waited for: a driver
	 * that binds again waits for the program, which is here.
	 */
	call_rcu(&q->rcu, vmsg_lb_queue_free_rcu);
}

static void vmsg_lb_device_gone(struct virtio_msg_bus *bus, u16 dev_num)
{
	struct vmsg_lb *lb = virtio_msg_bus_priv(bus);
	struct vmsg_lb_queue *q;
	unsigned long key;

	guard(mutex)(&lb->queue_mutex);
	xa_for_each_range(&lb->queues, key, q, vmsg_lb_key(dev_num, 0),
			  vmsg_lb_key(dev_num, U16_MAX)) {
		xa_erase(&lb->queues, key);
		vmsg_lb_queue_free(q);
	}
}

static const struct virtio_msg_bus_ops vmsg_lb_bus_ops = {
	.send = vmsg_lb_send,
	.kick = vmsg_lb_kick,
	.cut = vmsg_lb_cut,
	.device_gone = vmsg_lb_device_gone,
};

/* Watches @q->used through @file. */
static void vmsg_lb_watch(struct vmsg_lb_queue *q, struct file *file)
{
	init_waitqueue_func_entry(&q->wait, vmsg_lb_used_wakeup);
	init_poll_funcptr(&q->poll, vmsg_lb_used_queue);
	/* It may have been signalled before. */
	if (vfs_poll(file, &q->poll) & EPOLLIN)
		irq_work_queue(&q->work);
}

static struct vmsg_lb_queue *
vmsg_lb_queue_alloc(struct vmsg_lb *lb, const struct virtio_msg_lb_queue *arg)
{
	struct vmsg_lb_queue *q = kzalloc(sizeof(*q), GFP_KERNEL);
	struct file *file;
	long err;

	if (!q)
		return ERR_PTR(-ENOMEM);
	q->lb = lb;
	q->dev_num = arg->dev_num;
	q->index = arg->index;
	init_irq_work(&q->work, vmsg_lb_used_work);
	if (arg->kick_fd >= 0) {
		q->kick = eventfd_ctx_fdget(arg->kick_fd);
		if (IS_ERR(q->kick)) {
			err = PTR_ERR(q->kick);
			goto err_free;
		}
	}
	if (arg->used_fd >= 0) {
		file = eventfd_fget(arg->used_fd);
		if (IS_ERR(file)) {
			err = PTR_ERR(file);
			goto err_kick;
		}
		q->used = eventfd_ctx_fileget(file);
		vmsg_lb_watch(q, file);
		fput(file);
	}
	return q;

err_kick:
	if (q->kick)
		eventfd_ctx_put(q->kick);
err_free:
	kfree(q);
	return ERR_PTR(err);
}

/* Copies an argument in; none may be smaller than its first version. */
static int vmsg_lb_get_arg(void *arg, size_t known, const void __user *argp,
			   size_t size)
{
	if (size < known)
		return -EINVAL;
	return copy_struct_from_user(arg, known, argp, size);
}

static int vmsg_lb_ioctl_queue(struct vmsg_lb *lb, void __user *argp,
			       size_t size)
{
	struct virtio_msg_lb_queue arg;
	struct vmsg_lb_queue *q = NULL, *old;
	unsigned long key;
	int err;

	err = vmsg_lb_get_arg(&arg, sizeof(arg), argp, size);
	if (err)
		return err;
	if (arg.flags || arg.reserved[0] || arg.reserved[1] ||
	    arg.kick_fd < -1 || arg.used_fd < -1)
		return -EINVAL;
	if (arg.dev_num > U16_MAX)
		return -ENODEV;
	if (arg.index > U16_MAX)
		return -EINVAL;

	guard(mutex)(&lb->queue_mutex);
	err = virtio_msg_bus_check_queue(lb->bus, arg.dev_num, arg.index);
	if (err)
		return err;
	if (arg.kick_fd >= 0 || arg.used_fd >= 0) {
		q = vmsg_lb_queue_alloc(lb, &arg);
		if (IS_ERR(q))
			return PTR_ERR(q);
	}
	key = vmsg_lb_key(arg.dev_num, arg.index);
	old = xa_store(&lb->queues, key, q, GFP_KERNEL);
	if (xa_is_err(old)) {
		vmsg_lb_queue_free(q);
		return xa_err(old);
	}
	vmsg_lb_queue_free(old);
	return 0;
}

/*
 * The pool
 */

static struct file *vmsg_lb_make_memfd(u64 size)
{
	struct file *file = shmem_file_setup("virtio-msg-lb", size,
					     EMPTY_VMA_FLAGS);

	/* It means a pool of the wrong size to the program. */
	if (file == ERR_PTR(-ENOSPC))
		return ERR_PTR(-ENOMEM);
	if (IS_ERR(file))
		return file;
	file->f_mode |= FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE;
	SHMEM_I(file_inode(file))->seals =
		F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	return file;
}

/* The memfd that the program brought, and the size that it wants. */
static struct file *vmsg_lb_take_memfd(int fd, u64 *size)
{
	struct file *file = fget(fd);
	unsigned int seals;
	loff_t there;
	int err;

	if (!file)
		return ERR_PTR(-EBADF);
	err = -EINVAL;
	if (!shmem_file(file) || !(file->f_mode & FMODE_WRITE) ||
	    !(file->f_mode & FMODE_READ))
		goto err_put;
	/*
	 * Without the one seal the pages could go away below the mapping, with
	 * the others nobody expects them to change.
	 */
	err = -EPERM;
	seals = SHMEM_I(file_inode(file))->seals;
	if (!(seals & F_SEAL_SHRINK) ||
	    (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)))
		goto err_put;
	there = i_size_read(file_inode(file));
	if (!*size)
		*size = there;
	err = -ENOSPC;
	if (*size > there)
		goto err_put;
	return file;

err_put:
	fput(file);
	return ERR_PTR(err);
}

static void vmsg_lb_unmap(struct vmsg_lb *lb, unsigned long num_pages)
{
	unsigned long i;

	if (!lb->vaddr)
		return;
	/* Nobody looks at the mapping any more, so its pages may go before. */
	for (i = 0; i < num_pages; i++)
		put_page(vmalloc_to_page(lb->vaddr + (i << PAGE_SHIFT)));
	vunmap(lb->vaddr);
	lb->vaddr = NULL;
}

/* Holds every page of the pool and maps them in a row. */
static int vmsg_lb_map(struct vmsg_lb *lb, unsigned long num_pages)
{
	struct page **pages, *page;
	unsigned long i;
	int err = 0;

	pages = kvcalloc(num_pages, sizeof(*pages), GFP_KERNEL_ACCOUNT);
	if (!pages)
		return -ENOMEM;
	for (i = 0; i < num_pages; i++) {
		page = fatal_signal_pending(current) ? ERR_PTR(-EINTR) :
		       shmem_read_mapping_page(lb->memfd->f_mapping, i);
		if (IS_ERR(page)) {
			err = PTR_ERR(page);
			goto err_put;
		}
		pages[i] = page;
		cond_resched();
	}
	lb->vaddr = vmap(pages, num_pages, VM_MAP, PAGE_KERNEL);
	if (!lb->vaddr) {
		err = -ENOMEM;
		goto err_put;
	}
	kvfree(pages);
	return 0;

err_put:
	while (i--)
		put_page(pages[i]);
	kvfree(pages);
	return err;
}

static int vmsg_lb_make_pool(struct vmsg_lb *lb, struct virtio_msg_lb_setup *arg)
{
	struct file *file;
	int err;

	if (arg->pool_fd >= 0) {
		file = vmsg_lb_take_memfd(arg->pool_fd, &arg->pool_size);
		if (IS_ERR(file))
			return PTR_ERR(file);
		lb->memfd = file;
	}
	if (arg->pool_size < VIRTIO_MSG_LB_POOL_MIN ||
	    arg->pool_size > VIRTIO_MSG_LB_POOL_MAX ||
	    !PAGE_ALIGNED(arg->pool_size))
		return -ENOSPC;
	if (!lb->memfd) {
		file = vmsg_lb_make_memfd(arg->pool_size);
		if (IS_ERR(file))
			return PTR_ERR(file);
		lb->memfd = file;
	}
	/* Its pages are held: reclaim would look at them in vain. */
	mapping_set_unevictable(lb->memfd->f_mapping);
	lb->num_pages = arg->pool_size >> PAGE_SHIFT;
	err = vmsg_lb_map(lb, lb->num_pages);
	if (err)
		return err;
	/* Device addresses are offsets; the pool never hands out its first. */
	arg->pool_addr = 0;
	lb->pool = virtio_msg_pool_create(lb->vaddr, arg->pool_addr,
					  arg->pool_size);
	if (IS_ERR(lb->pool)) {
		err = PTR_ERR(lb->pool);
		lb->pool = NULL;
	}
	return err;
}

static void vmsg_lb_drop_pool(struct vmsg_lb *lb)
{
	if (lb->pool)
		virtio_msg_pool_destroy(lb->pool);
	lb->pool = NULL;
	vmsg_lb_unmap(lb, lb->num_pages);
	if (lb->memfd) {
		mapping_clear_unevictable(lb->memfd->f_mapping);
		fput(lb->memfd);
	}
	lb->memfd = NULL;
}

/*
 * The file
 */

static struct miscdevice vmsg_lb_misc;

static int vmsg_lb_check_setup(const struct virtio_msg_lb_setup *arg)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(arg->reserved); i++) {
		if (arg->reserved[i])
			return -EINVAL;
	}
	if (arg->flags || arg->pool_addr || arg->bus_num || arg->pool_fd < -1)
		return -EINVAL;
	if (arg->revision != VIRTIO_MSG_REVISION_1 ||
	    (arg->features & ~BIT_ULL(VIRTIO_MSG_F_STRICT_CONFIG_GENERATION)))
		return -EOPNOTSUPP;
	if (arg->max_msg_size < VIRTIO_MSG_MIN_SIZE ||
	    arg->max_msg_size > VIRTIO_MSG_MAX_SIZE)
		return -EMSGSIZE;
	if (arg->timeout_ms && (arg->timeout_ms < VIRTIO_MSG_LB_TIMEOUT_MIN_MS ||
				arg->timeout_ms > VIRTIO_MSG_LB_TIMEOUT_MAX_MS))
		return -EINVAL;
	return 0;
}

static int vmsg_lb_register(struct vmsg_lb *lb, struct virtio_msg_lb_setup *arg)
{
	struct virtio_msg_bus_info info = {
		.name = "loopback",
		.parent = vmsg_lb_misc.this_device,
		.ops = &vmsg_lb_bus_ops,
		.priv = lb,
		.pool = lb->pool,
		.revision = arg->revision,
		.max_msg_size = arg->max_msg_size,
		.features = arg->features,
		.timeout_ms = arg->timeout_ms ?: VIRTIO_MSG_LB_TIMEOUT_MS,
	};
	struct virtio_msg_bus *bus = virtio_msg_bus_register(&info);

	if (IS_ERR(bus))
		return PTR_ERR(bus);
	lb->max_msg_size = arg->max_msg_size;
	arg->bus_num = virtio_msg_bus_num(bus);
	/* Pairs with vmsg_lb_bus(). */
	smp_store_release(&lb->bus, bus);
	return 0;
}

/* Makes the pool and the bus, and the descriptor that the program gets. */
static int vmsg_lb_do_setup(struct vmsg_lb *lb, struct virtio_msg_lb_setup *arg,
			    void __user *argp, size_t size)
{
	int err, fd = -1;

	err = vmsg_lb_make_pool(lb, arg);
	if (err)
		goto err_pool;
	if (arg->pool_fd < 0) {
		fd = get_unused_fd_flags(O_CLOEXEC);
		if (fd < 0) {
			err = fd;
			goto err_pool;
		}
		arg->pool_fd = fd;
	}
	err = vmsg_lb_register(lb, arg);
	if (err)
		goto err_fd;
	/*
	 * The bus is there whatever the program can read of it; a program that
	 * passed memory it cannot write to finds out, and closes.
	 */
	if (copy_to_user(argp, arg, size))
		err = -EFAULT;
	if (fd >= 0) {
		if (err)
			put_unused_fd(fd);
		else
			fd_install(fd, get_file(lb->memfd));
	}
	if (!err)
		virtio_msg_bus_discover(lb->bus);
	return err;

err_fd:
	if (fd >= 0)
		put_unused_fd(fd);
err_pool:
	vmsg_lb_drop_pool(lb);
	return err;
}

static int vmsg_lb_ioctl_setup(struct vmsg_lb *lb, void __user *argp,
			       size_t size)
{
	struct virtio_msg_lb_setup arg;
	int err;

	err = vmsg_lb_get_arg(&arg, sizeof(arg), argp, size);
	if (err)
		return err;
	err = vmsg_lb_check_setup(&arg);
	if (err)
		return err;
	if (mutex_lock_killable(&lb->setup_mutex))
		return -EINTR;
	err = lb->bus ? -EBUSY :
			vmsg_lb_do_setup(lb, &arg, argp, min(size, sizeof(arg)));
	mutex_unlock(&lb->setup_mutex);
	return err;
}

static int vmsg_lb_ioctl_info(void __user *argp, size_t size)
{
	struct virtio_msg_lb_info info;
	int err;

	/* Nothing goes in, but what this kernel does not know must be zero. */
	err = copy_struct_from_user(&info, sizeof(info), argp, size);
	if (err)
		return err;
	info = (struct virtio_msg_lb_info) {
		.size = min(size, sizeof(info)),
		.revision = VIRTIO_MSG_REVISION_1,
		.min_msg_size = VIRTIO_MSG_MIN_SIZE,
		.max_msg_size = VIRTIO_MSG_MAX_SIZE,
		.features = BIT_ULL(VIRTIO_MSG_F_STRICT_CONFIG_GENERATION),
		.pool_min = VIRTIO_MSG_LB_POOL_MIN,
		.pool_max = VIRTIO_MSG_LB_POOL_MAX,
	};

	return copy_to_user(argp, &info, info.size) ? -EFAULT : 0;
}

static struct virtio_msg_bus *vmsg_lb_bus(struct vmsg_lb *lb)
{
	/* Pairs with vmsg_lb_register(). */
	return smp_load_acquire(&lb->bus);
}

static long vmsg_lb_ioctl(struct file *file, unsigned int cmd,
			  unsigned long arg)
{
	struct vmsg_lb *lb = file->private_data;
	void __user *argp = (void __user *)arg;
	u32 size;

	/* The size in the command is that of some version of the structure. */
	if (_IOC_TYPE(cmd) != VIRTIO_MSG_LB_MAGIC ||
	    _IOC_NR(cmd) > _IOC_NR(VIRTIO_MSG_LB_QUEUE))
		return -ENOTTY;
	if (get_user(size, (u32 __user *)argp))
		return -EFAULT;
	if (size < sizeof(size) || size > PAGE_SIZE || size != _IOC_SIZE(cmd))
		return -EINVAL;

	switch (_IOC_NR(cmd)) {
	case _IOC_NR(VIRTIO_MSG_LB_INFO):
		return vmsg_lb_ioctl_info(argp, size);
	case _IOC_NR(VIRTIO_MSG_LB_SETUP):
		return vmsg_lb_ioctl_setup(lb, argp, size);
	case _IOC_NR(VIRTIO_MSG_LB_QUEUE):
		if (!vmsg_lb_bus(lb))
			return -ENOTCONN;
		return vmsg_lb_ioctl_queue(lb, argp, size);
	}
	return -ENOTTY;
}

/*
 * Takes the oldest frame or else the kick if it fits into @room, else -EMSGSIZE.
 * There are only so many frames, while kicks may never end.
 */
static int vmsg_lb_next_frame(struct vmsg_lb *lb, u8 *kick,
			      struct vmsg_lb_frame **frame, size_t room)
{
	guard(spinlock_irqsave)(&lb->lock);
	*frame = list_first_entry_or_null(&lb->frames, struct vmsg_lb_frame,
					  node);
	if (*frame) {
		if (room < (*frame)->size)
			return -EMSGSIZE;
		list_del(&(*frame)->node);
		lb->num_frames--;
		return (*frame)->size;
	}
	if (!lb->kick_full)
		return -EAGAIN;
	if (room < sizeof(lb->kick))
		return -EMSGSIZE;
	memcpy(kick, lb->kick, sizeof(lb->kick));
	lb->kick_full = false;
	return sizeof(lb->kick);
}

static bool vmsg_lb_readable(struct vmsg_lb *lb)
{
	return READ_ONCE(lb->kick_full) || !list_empty_careful(&lb->frames);
}

static ssize_t vmsg_lb_read_frame(struct vmsg_lb *lb, char __user *buf,
				  size_t count)
{
	struct vmsg_lb_frame *frame;
	u8 kick[VIRTIO_MSG_KICK_SIZE];
	ssize_t size;

	size = vmsg_lb_next_frame(lb, kick, &frame, count);
	if (size < 0)
		return size;
	if (!frame)
		virtio_msg_bus_tx_room(lb->bus);
	if (copy_to_user(buf, frame ? frame->data : kick, size))
		size = -EFAULT;
	kfree(frame);
	return size;
}

static ssize_t vmsg_lb_read(struct file *file, char __user *buf, size_t count,
			    loff_t *pos)
{
	struct vmsg_lb *lb = file->private_data;
	ssize_t size;

	if (!vmsg_lb_bus(lb))
		return -ENOTCONN;
	do {
		if (!(file->f_flags & O_NONBLOCK) &&
		    wait_event_interruptible(lb->readable,
					     vmsg_lb_readable(lb)))
			return -ERESTARTSYS;
		if (mutex_lock_interruptible(&lb->read_mutex))
			return -ERESTARTSYS;
		size = vmsg_lb_read_frame(lb, buf, count);
		mutex_unlock(&lb->read_mutex);
		/* Another reader may have been faster. */
	} while (size == -EAGAIN && !(file->f_flags & O_NONBLOCK));
	return size;
}

static ssize_t vmsg_lb_write(struct file *file, const char __user *buf,
			     size_t count, loff_t *pos)
{
	struct vmsg_lb *lb = file->private_data;
	struct virtio_msg_bus *bus = vmsg_lb_bus(lb);
	u8 small[VMSG_LB_SMALL] __aligned(8);
	u8 *frame = small;
	int err;

	if (!bus)
		return -ENOTCONN;
	if (count > lb->max_msg_size)
		return -EMSGSIZE;
	if (count > sizeof(small)) {
		frame = kmalloc(count, GFP_KERNEL);
		if (!frame)
			return -ENOMEM;
	}
	if (copy_from_user(frame, buf, count)) {
		err = -EFAULT;
	} else {
		/* Drivers' callbacks raise softirqs: run them right away. */
		local_bh_disable();
		err = virtio_msg_bus_receive(bus, frame, count);
		local_bh_enable();
	}
	if (frame != small)
		kfree(frame);
	return err ?: count;
}

static __poll_t vmsg_lb_poll(struct file *file, poll_table *wait)
{
	struct vmsg_lb *lb = file->private_data;

	poll_wait(file, &lb->readable, wait);
	if (!vmsg_lb_bus(lb))
		return EPOLLERR;
	return EPOLLOUT | EPOLLWRNORM |
	       (vmsg_lb_readable(lb) ? EPOLLIN | EPOLLRDNORM : 0);
}

static int vmsg_lb_open(struct inode *inode, struct file *file)
{
	struct vmsg_lb *lb = kzalloc(sizeof(*lb), GFP_KERNEL_ACCOUNT);

	if (!lb)
		return -ENOMEM;
	mutex_init(&lb->setup_mutex);
	spin_lock_init(&lb->lock);
	INIT_LIST_HEAD(&lb->frames);
	init_waitqueue_head(&lb->readable);
	mutex_init(&lb->read_mutex);
	mutex_init(&lb->queue_mutex);
	xa_init(&lb->queues);
	init_irq_work(&lb->kick_work, vmsg_lb_kick_work);
	file->private_data = lb;
	return stream_open(inode, file);
}

static int vmsg_lb_release(struct inode *inode, struct file *file)
{
	struct vmsg_lb *lb = file->private_data;
	struct vmsg_lb_frame *frame, *next;

	if (lb->bus) {
		virtio_msg_bus_dead(lb->bus);
		virtio_msg_bus_unregister(lb->bus);
		irq_work_sync(&lb->kick_work);
	}
	vmsg_lb_drop_pool(lb);
	list_for_each_entry_safe(frame, next, &lb->frames, node)
		kfree(frame);
	/* Its queues have gone with their devices. */
	xa_destroy(&lb->queues);
	kfree(lb);
	return 0;
}

static const struct file_operations vmsg_lb_fops = {
	.owner = THIS_MODULE,
	.open = vmsg_lb_open,
	.release = vmsg_lb_release,
	.read = vmsg_lb_read,
	.write = vmsg_lb_write,
	.poll = vmsg_lb_poll,
	.unlocked_ioctl = vmsg_lb_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice vmsg_lb_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "virtio-msg-lb",
	.fops = &vmsg_lb_fops,
	.mode = 0600,
};

static int __init vmsg_lb_init(void)
{
	return misc_register(&vmsg_lb_misc);
}
module_init(vmsg_lb_init);

static void __exit vmsg_lb_exit(void)
{
	misc_deregister(&vmsg_lb_misc);
	/* vmsg_lb_queue_free_rcu() may not have run for the last ones. */
	rcu_barrier();
}
module_exit(vmsg_lb_exit);

MODULE_DESCRIPTION("virtio-msg loopback bus: virtio devices made by programs");
MODULE_LICENSE("GPL");
