// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg: a folder of this system for a guest (virtio-9p, 9P2000.L).
 *
 * The guest names files by numbers of its own, fids. Each is a descriptor: of
 * the file itself (O_PATH), or opened for reading and writing. Paths of more than
 * one component are never resolved, and no symbolic link is ever followed here,
 * so there is no way out of the folder. Requests are served at once, in order.
 *
 * A message is copied before it is looked at, and its answer is made in memory
 * of this side. What is no regular file and no folder cannot be opened.
 */
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/virtio_9p.h>

#include "models.h"

#define VMSG_9P_QUEUE_SIZE	128u
/* Bytes of the largest message, and of the least that makes sense. */
#define VMSG_9P_MSIZE		(128u * 1024)
#define VMSG_9P_MIN_MSIZE	4096u
#define VMSG_9P_HDR		7u
/* Rlerror: the answer that there has to be room for. */
#define VMSG_9P_ERROR		11u
/* Rread and Rreaddir: what comes before the data. */
#define VMSG_9P_DATA		11u
#define VMSG_9P_MAX_WALK	16u
#define VMSG_9P_MAX_FIDS	4096u
#define VMSG_9P_BUCKETS		256u
#define VMSG_9P_TAG		"share"
#define VMSG_9P_VERSION		"9P2000.L"
/* What getattr answers: everything but birth, generation and version. */
#define VMSG_9P_ATTRS		0x7ffu

enum {
	VMSG_9P_RLERROR = 7,
	VMSG_9P_TSTATFS = 8,
	VMSG_9P_TLOPEN = 12,
	VMSG_9P_TLCREATE = 14,
	VMSG_9P_TSYMLINK = 16,
	VMSG_9P_TREADLINK = 22,
	VMSG_9P_TGETATTR = 24,
	VMSG_9P_TSETATTR = 26,
	VMSG_9P_TREADDIR = 40,
	VMSG_9P_TFSYNC = 50,
	VMSG_9P_TLOCK = 52,
	VMSG_9P_TLINK = 70,
	VMSG_9P_TMKDIR = 72,
	VMSG_9P_TRENAMEAT = 74,
	VMSG_9P_TUNLINKAT = 76,
	VMSG_9P_TVERSION = 100,
	VMSG_9P_TATTACH = 104,
	VMSG_9P_TFLUSH = 108,
	VMSG_9P_TWALK = 110,
	VMSG_9P_TREAD = 116,
	VMSG_9P_TWRITE = 118,
	VMSG_9P_TCLUNK = 120,
	VMSG_9P_TREMOVE = 122,
};

/* Bits of setattr. */
#define VMSG_9P_SET_MODE	0x001u
#define VMSG_9P_SET_UID		0x002u
#define VMSG_9P_SET_GID		0x004u
#define VMSG_9P_SET_SIZE	0x008u
#define VMSG_9P_SET_ATIME	0x010u
#define VMSG_9P_SET_MTIME	0x020u
#define VMSG_9P_SET_ATIME_TO	0x080u
#define VMSG_9P_SET_MTIME_TO	0x100u

struct vmsg_9p_fid {
	struct vmsg_9p_fid *next;
	uint32_t num;
	int fd;
	bool opened;
};

struct vmsg_9p {
	struct vmsg_device *dev;
	int root;
	dev_t root_dev;
	bool read_only;
	struct vmsg_9p_fid *fids[VMSG_9P_BUCKETS];
	unsigned int num_fids;
	unsigned int max_fids;
	/* What the two have agreed on, 0 before Tversion. */
	uint32_t msize;
	uint8_t in[VMSG_9P_MSIZE];
	uint8_t out[VMSG_9P_MSIZE];
	uint8_t config[sizeof(struct virtio_9p_config) + VMSG_9P_TAG_LEN];
};

/* A request, read from the front, and its answer, written to the end. */
struct vmsg_9p_req {
	struct vmsg_9p *fs;
	const uint8_t *in;
	size_t left;
	/* It ended too early, or a name in it is none. */
	bool bad;
	uint8_t *out;
	size_t len;
	size_t room;
};

/* Messages --------------------------------------------------------------- */

static const uint8_t *vmsg_9p_get(struct vmsg_9p_req *req, size_t len)
{
	static const uint8_t nothing[8];
	const uint8_t *at = req->in;

	if (len > req->left) {
		req->bad = true;
		req->left = 0;
		return nothing;
	}
	req->in += len;
	req->left -= len;
	return at;
}

static uint8_t vmsg_9p_get8(struct vmsg_9p_req *req)
{
	return *vmsg_9p_get(req, 1);
}

static uint16_t vmsg_9p_get16(struct vmsg_9p_req *req)
{
	uint16_t value;

	memcpy(&value, vmsg_9p_get(req, sizeof(value)), sizeof(value));
	return le16toh(value);
}

static uint32_t vmsg_9p_get32(struct vmsg_9p_req *req)
{
	uint32_t value;

	memcpy(&value, vmsg_9p_get(req, sizeof(value)), sizeof(value));
	return le32toh(value);
}

static uint64_t vmsg_9p_get64(struct vmsg_9p_req *req)
{
	uint64_t value;

	memcpy(&value, vmsg_9p_get(req, sizeof(value)), sizeof(value));
	return le64toh(value);
}

/* A string of less than @room bytes, without a NUL in it. */
static void vmsg_9p_get_string(struct vmsg_9p_req *req, char *text, size_t room)
{
	size_t len = vmsg_9p_get16(req);
	const uint8_t *from;

	text[0] = '\0';
	if (len >= room || len > req->left) {
		req->bad = true;
		return;
	}
	from = vmsg_9p_get(req, len);
	if (memchr(from, '\0', len))
		req->bad = true;
	memcpy(text, from, len);
	text[len] = '\0';
}

/* The name of something in a folder: one component, and not a way up. */
static void vmsg_9p_get_name(struct vmsg_9p_req *req, char name[NAME_MAX + 1])
{
	vmsg_9p_get_string(req, name, NAME_MAX + 1);
	if (!*name || strchr(name, '/') || !strcmp(name, ".") ||
	    !strcmp(name, ".."))
		req->bad = true;
}

/* Too much for the room becomes an error in the end. */
static void vmsg_9p_put(struct vmsg_9p_req *req, const void *from, size_t len)
{
	if (len <= req->room && req->len <= req->room - len)
		memcpy(req->out + req->len, from, len);
	req->len += len;
}

static void vmsg_9p_put8(struct vmsg_9p_req *req, uint8_t value)
{
	vmsg_9p_put(req, &value, sizeof(value));
}

static void vmsg_9p_put16(struct vmsg_9p_req *req, uint16_t value)
{
	value = htole16(value);
	vmsg_9p_put(req, &value, sizeof(value));
}

static void vmsg_9p_put32(struct vmsg_9p_req *req, uint32_t value)
{
	value = htole32(value);
	vmsg_9p_put(req, &value, sizeof(value));
}

static void vmsg_9p_put64(struct vmsg_9p_req *req, uint64_t value)
{
	value = htole64(value);
	vmsg_9p_put(req, &value, sizeof(value));
}

static void vmsg_9p_put_string(struct vmsg_9p_req *req, const char *text,
			       size_t len)
{
	vmsg_9p_put16(req, len);
	vmsg_9p_put(req, text, len);
}

static void vmsg_9p_put_id(struct vmsg_9p_req *req, uint8_t type, uint64_t ino)
{
	vmsg_9p_put8(req, type == DT_DIR ? 0x80 : type == DT_LNK ? 0x02 : 0);
	/* A version is for caches that nobody else writes behind. */
	vmsg_9p_put32(req, 0);
	vmsg_9p_put64(req, ino);
}

static void vmsg_9p_put_qid(struct vmsg_9p_req *req, const struct stat *st)
{
	vmsg_9p_put_id(req, IFTODT(st->st_mode), st->st_ino);
}

/* Fids ------------------------------------------------------------------- */

static struct vmsg_9p_fid **vmsg_9p_find(struct vmsg_9p *fs, uint32_t num)
{
	struct vmsg_9p_fid **link = &fs->fids[num % VMSG_9P_BUCKETS];

	while (*link && (*link)->num != num)
		link = &(*link)->next;
	return link;
}

/* The fid that is next in the request, or NULL: then the answer is -EBADF. */
static struct vmsg_9p_fid *vmsg_9p_get_fid(struct vmsg_9p_req *req)
{
	uint32_t num = vmsg_9p_get32(req);

	return req->bad ? NULL : *vmsg_9p_find(req->fs, num);
}

static void vmsg_9p_drop(struct vmsg_9p *fs, struct vmsg_9p_fid **link)
{
	struct vmsg_9p_fid *fid = *link;

	*link = fid->next;
	close(fid->fd);
	free(fid);
	fs->num_fids--;
}

static void vmsg_9p_drop_all(struct vmsg_9p *fs)
{
	unsigned int i;

	for (i = 0; i < VMSG_9P_BUCKETS; i++) {
		while (fs->fids[i])
			vmsg_9p_drop(fs, &fs->fids[i]);
	}
}

/* A new fid for a descriptor, which is closed if that fails. */
static int vmsg_9p_add_fid(struct vmsg_9p *fs, uint32_t num, int fd)
{
	struct vmsg_9p_fid **link = vmsg_9p_find(fs, num);
	struct vmsg_9p_fid *fid = NULL;
	int ret = -EBADF;

	if (fd < 0)
		return -errno;
	if (!*link) {
		ret = -EMFILE;
		if (fs->num_fids < fs->max_fids)
			fid = calloc(1, sizeof(*fid));
	}
	if (!fid) {
		close(fd);
		return ret;
	}
	fid->num = num;
	fid->fd = fd;
	*link = fid;
	fs->num_fids++;
	return 0;
}

/* Where the kernel shows a descriptor, to open or change what it stands for. */
struct vmsg_9p_path {
	char text[32];
};

static struct vmsg_9p_path vmsg_9p_path(const struct vmsg_9p_fid *fid)
{
	struct vmsg_9p_path path;

	snprintf(path.text, sizeof(path.text), "/proc/self/fd/%d", fid->fd);
	return path;
}

static int vmsg_9p_stat(const struct vmsg_9p_fid *fid, struct stat *st)
{
	return fstatat(fid->fd, "", st, AT_EMPTY_PATH) ? -errno : 0;
}

/*
 * Descriptor of what has a name in a folder. Numbers of files are those of one
 * file system, so others that are mounted in there cannot be seen.
 */
static int vmsg_9p_step(struct vmsg_9p *fs, int dir, const char *name,
			struct stat *st)
{
	int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, st))
		ret = -errno;
	else if (st->st_dev != fs->root_dev)
		ret = -EXDEV;
	if (!ret)
		return fd;
	close(fd);
	return ret;
}

/* Requests: each returns 0, or a negative errno value for Rlerror ---------- */

static int vmsg_9p_version(struct vmsg_9p_req *req)
{
	uint32_t msize = vmsg_9p_get32(req);
	char version[16];
	bool good;

	vmsg_9p_get_string(req, version, sizeof(version));
	/* All begins anew. */
	vmsg_9p_drop_all(req->fs);
	req->fs->msize = 0;
	if (msize < VMSG_9P_MIN_MSIZE)
		return -EINVAL;
	if (msize > VMSG_9P_MSIZE)
		msize = VMSG_9P_MSIZE;
	good = !req->bad && !strcmp(version, VMSG_9P_VERSION);
	req->bad = false;
	if (good)
		req->fs->msize = msize;
	else
		memcpy(version, "unknown", sizeof("unknown"));
	vmsg_9p_put32(req, msize);
	vmsg_9p_put_string(req, version, strlen(version));
	return 0;
}

static int vmsg_9p_attach(struct vmsg_9p_req *req)
{
	uint32_t num = vmsg_9p_get32(req);
	char name[NAME_MAX + 1];
	struct stat st;
	int ret;

	/* Who it is, or says to be, is the guest's matter. */
	vmsg_9p_get32(req);
	vmsg_9p_get_string(req, name, sizeof(name));
	vmsg_9p_get_string(req, name, sizeof(name));
	if (req->bad)
		return -EINVAL;
	/* There is one tree. */
	if (*name && strcmp(name, "/"))
		return -ENOENT;
	if (fstat(req->fs->root, &st))
		return -errno;
	ret = vmsg_9p_add_fid(req->fs, num, fcntl(req->fs->root,
						  F_DUPFD_CLOEXEC, 0));
	vmsg_9p_put_qid(req, &st);
	return ret;
}

/* Go from @fd, which is closed, as far as the names lead. */
static int vmsg_9p_steps(struct vmsg_9p_req *req, int fd, uint16_t num,
			 uint16_t *done)
{
	char name[NAME_MAX + 1];
	struct stat st;
	int next;

	for (*done = 0; *done < num; ++*done) {
		vmsg_9p_get_name(req, name);
		next = req->bad ? -ENOENT :
				  vmsg_9p_step(req->fs, fd, name, &st);
		close(fd);
		if (next < 0)
			return next;
		fd = next;
		vmsg_9p_put_qid(req, &st);
	}
	return fd;
}

static int vmsg_9p_walk(struct vmsg_9p_req *req)
{
	struct vmsg_9p_fid *fid = vmsg_9p_get_fid(req);
	uint32_t num = vmsg_9p_get32(req);
	uint16_t names = vmsg_9p_get16(req), done;
	size_t start = req->len;
	int fd;

	if (!fid)
		return -EBADF;
	if (req->bad || names > VMSG_9P_MAX_WALK)
		return -EINVAL;
	/* An opened one cannot move on, and another one must not be in use. */
	if (num == fid->num ? fid->opened : !!*vmsg_9p_find(req->fs, num))
		return -EBADF;
	fd = open(vmsg_9p_path(fid).text, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	vmsg_9p_put16(req, names);
	fd = vmsg_9p_steps(req, fd, names, &done);
	if (fd < 0) {
		/* Half of the way is an answer, but leads to no fid. */
		req->bad = false;
		if (!done)
			return fd;
		done = htole16(done);
		memcpy(req->out + start, &done, sizeof(done));
		return 0;
	}
	if (num != fid->num)
		return vmsg_9p_add_fid(req->fs, num, fd);
	close(fid->fd);
	fid->fd = fd;
	return 0;
}

static int vmsg_9p_clunk(struct vmsg_9p_req *req)
{
	struct vmsg_9p_fid **link;

	link = vmsg_9p_find(req->fs, vmsg_9p_get32(req));
	if (req->bad || !*link)
		return -EBADF;
	vmsg_9p_drop(req->fs, link);
	return 0;
}

/* The old way of removing: nobody needs it, but it ends the fid. */
static int vmsg_9p_remove(struct vmsg_9p_req *req)
{
	int ret = vmsg_9p_clunk(req);

	return ret ? ret : -EOPNOTSUPP;
}

/* Flags of the protocol are those of Linux on x86. */
static int vmsg_9p_flags(uint32_t flags)
{
	static const struct {
		uint32_t theirs;
		int ours;
	} map[] = {
		{ 01, O_WRONLY }, { 02, O_RDWR }, { 0200, O_EXCL },
		{ 01000, O_TRUNC }, { 02000, O_APPEND }, { 010000, O_DSYNC },
		{ 0200000, O_DIRECTORY }, { 04000000, O_SYNC },
	};
	/* Nothing that is not a file may keep us waiting. */
	int ours = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	const size_t num = sizeof(map) /
			   sizeof(map[0]);
	size_t i;

	for (i = 0; i < num; i++) {
		if (flags & map[i].theirs)
			ours |= map[i].ours;
	}
	return ours;
}

static bool vmsg_9p_may_open(const struct stat *st)
{
	return S_ISREG(st->st_mode) || S_ISDIR(st->st_mode);
}

/* From here on a fid is what has been opened. */
static void vmsg_9p_opened(struct vmsg_9p_req *req, struct vmsg_9p_fid *fid,
			   int fd, const struct stat *st)
{
	close(fid->fd);
	fid->fd = fd;
	fid->opened = true;
	vmsg_9p_put_qid(req, st);
	/* As many bytes at a time as there is room for. */
	vmsg_9p_put32(req, 0);
}

static int vmsg_9p_lopen(struct vmsg_9p_req *req)
{
	struct vmsg_9p_fid *fid = vmsg_9p_get_fid(req);
	int flags = vmsg_9p_flags(vmsg_9p_get32(req));
	struct stat st;
	int fd, ret;

	if (!fid || fid->opened || req->bad)
		return -EBADF;
	if (req->fs->read_only && flags & (O_ACCMODE | O_TRUNC))
		return -EROFS;
	ret = vmsg_9p_stat(fid, &st);
	if (ret)
		return ret;
	if (!vmsg_9p_may_open(&st))
		return -EOPNOTSUPP;
	fd = open(vmsg_9p_path(fid).text, flags & ~O_EXCL);
	if (fd < 0)
		return -errno;
	vmsg_9p_opened(req, fid, fd, &st);
	return 0;
}

static int vmsg_9p_lcreate(struct vmsg_9p_req *req)
{
	struct vmsg_9p_fid *fid = vmsg_9p_get_fid(req);
	char name[NAME_MAX + 1];
	mode_t mode, mask;
	struct stat st;
	int flags, fd;

	vmsg_9p_get_name(req, name);
	flags = vmsg_9p_flags(vmsg_9p_get32(req)) & ~O_DIRECTORY;
	mode = vmsg_9p_get32(req) & 07777;
	if (!fid || fid->opened)
		return -EBADF;
	if (req->bad)
		return -EINVAL;
	/* The guest's own mask has been applied; there is one thread. */
	mask = umask(0);
	fd = openat(fid->fd, name, flags | O_CREAT | O_NOFOLLOW, mode);
	umask(mask);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) ||
	    st.st_dev != req->fs->root_dev) {
		close(fd);
		return -EOPNOTSUPP;
	}
	vmsg_9p_opened(req, fid, fd, &st);
	return 0;
}

/* Bytes that can be answered with, or a negative value. */
static ssize_t vmsg_9p_count(struct vmsg_9p_req *req, uint32_t count)
{
	if (req->room < VMSG_9P_DATA)
		return -EINVAL;
	return count < req->room - VMSG_9P_DATA ? count :
						  req->room - VMSG_9P_DATA;
}

static int vmsg_9p_read(struct vmsg_9p_req *req)
{
	struct vmsg_9p_fid *fid = vmsg_9p_get_fid(req);
	uint64_t offset = vmsg_9p_get64(req);
	ssize_t len = vmsg_9p_count(req, vmsg_9p_get32(req));

	if (!fid || !fid->opened)
		return -EBADF;
	if (len < 0 || offset > INT64_MAX)
		return -EINVAL;
	len = pread(fid->fd, req->out + VMSG_9P_DATA, len, offset);
	if (len < 0)
		return -errno;
	vmsg_9p_put32(req, len);
	req->len += len;
	return 0;
}

static int vmsg_9p_write(struct vmsg_9p_req *req)
{
	struct vmsg_9p_fid *fid = vmsg_9p_get_fid(req);
	uint64_t offset = vmsg_9p_get64(req);
	uint32_t count = vmsg_9p_get32(req);
	ssize_t len;

	if (!fid || !fid->opened)
		return -EBADF;
	if (req->bad || count > req->left || offset > INT64_MAX)
		return -EINVAL;
	len = pwrite(fid->fd, req->in, count, offset);
	if (len < 0)
		return -errno;
	vmsg_9p_put32(req, len);
	return 0;
}

/* As the kernel gives it; glibc has no type with this layout everywhere. */
struct vmsg_9p_dirent {
	uint64_t ino;
	int64_t next;
	uint16_t len;
	uint8_t type;
	char name[];
};

static int vmsg_9p_readdir(struct vmsg_9p_req *req)
{
	struct vmsg_9p_fid *fid = vmsg_9p_get_fid(req);
	uint64_t offset = vmsg_9p_get64(req);
	ssize_t room = vmsg_9p_count(req, vmsg_9p_get32(req));
	const struct vmsg_9p_dirent *entry;
	uint64_t buf[512];
	size_t start, len, name;
	ssize_t at, got;

	if (!fid || !fid->opened)
		return -EBADF;
	if (room < 0 || offset > INT64_MAX ||
	    lseek(fid->fd, offset, SEEK_SET) < 0)
		return -EINVAL;
	vmsg_9p_put32(req, 0);
	start = req->len;
	do {
		got = syscall(SYS_getdents64, fid->fd, buf, sizeof(buf));
		if (got < 0)
			return -errno;
		for (at = 0; at < got; at += entry->len) {
			entry = (void *)((char *)buf + at);
			name = strlen(entry->name);
			len = 13 + 8 + 1 + 2 + name;
			if (req->len - start + len > (size_t)room)
				break;
			vmsg_9p_put_id(req, entry->type, entry->ino);
			vmsg_9p_put64(req, entry->next);
			vmsg_9p_put8(req, entry->type);
			vmsg_9p_put_string(req, entry->name, name);
		}
	} while (got && at == got);
	room = req->len - start;
	/* Not even one: that would look like the end. */
	if (!room && got)
		return -EINVAL;
	len = req->len;
	req->len = VMSG_9P_HDR;
	vmsg_9p_put32(req, room);
	req->len = len;
	return 0;
}

static int vmsg_9p_getattr(struct vmsg_9p_req *req)
{
	struct vmsg_9p_fid *fid = vmsg_9p_get_fid(req);
	struct stat st;
	int ret, i;

	if (!fid)
		return -EBADF;
	ret = vmsg_9p_stat(fid, &st);
	if (ret)
		return ret;
	vmsg_9p_put64(req, VMSG_9P_ATTRS);
	vmsg_9p_put_qid(req, &st);
	vmsg_9p_put32(req, st.st_mode);
	vmsg_9p_put32(req, st.st_uid);
	vmsg_9p_put32(req, st.st_gid);
	vmsg_9p_put64(req, st.st_nlink);
	vmsg_9p_put64(req, st.st_rdev);
	vmsg_9p_put64(req, st.st_size);
	vmsg_9p_put64(req, st.st_blksize);
	vmsg_9p_put64(req, st.st_blocks);
	vmsg_9p_put64(req, st.st_atim.tv_sec);
	vmsg_9p_put64(req, st.st_atim.tv_nsec);
	vmsg_9p_put64(req, st.st_mtim.tv_sec);
	vmsg_9p_put64(req, st.st_mtim.tv_nsec);
	vmsg_9p_put64(req, st.st_ctim.tv_sec);
	vmsg_9p_put64(req, st.st_ctim.tv_nsec);
	/* Birth, generation, version: not known. */
	for (i = 0; i < 4; i++)
		vmsg_9p_put64(req, 0);
	return 0;
}

static void vmsg_9p_get_time(struct vmsg_9p_req *req, uint32_t valid,
			     uint32_t set, uint32_t to, struct timespec *time)
{
	time->tv_sec = vmsg_9p_get64(req);
	time->tv_nsec = vmsg_9p_get64(req);
	if (!(valid & set))
		time->tv_nsec = UTIME_OMIT;
	else if (!(valid & to))
		time->tv_nsec = UTIME_NOW;
	else if (time->tv_nsec < 0 || time->tv_nsec >= 1000000000)
		req->bad = true;
}

static int vmsg_9p_setattr(struct vmsg_9p_req *req)
{
	struct vmsg_9p_fid *fid = vmsg_9p_get_fid(req);
	uint32_t valid = vmsg_9p_get32(req);
	mode_t mode = vmsg_9p_get32(req) & 07777;
	uid_t uid = vmsg_9p_get32(req);
	gid_t gid = vmsg_9p_get32(req);
	uint64_t size = vmsg_9p_get64(req);
	struct vmsg_9p_path path;
	struct timespec time[2];
	struct stat st;
	int ret;

	vmsg_9p_get_time(req, valid, VMSG_9P_SET_ATIME, VMSG_9P_SET_ATIME_TO,
			 &time[0]);
	vmsg_9p_get_time(req, valid, VMSG_9P_SET_MTIME, VMSG_9P_SET_MTIME_TO,
			 &time[1]);
	if (!fid)
		return -EBADF;
	if (req->bad)
		return -EINVAL;
	ret = vmsg_9p_stat(fid, &st);
	if (ret)
		return ret;
	path = vmsg_9p_path(fid);
	if (valid & (VMSG_9P_SET_UID | VMSG_9P_SET_GID) &&
	    fchownat(fid->fd, "", valid & VMSG_9P_SET_UID ? uid : (uid_t)-1,
		     valid & VMSG_9P_SET_GID ? gid : (gid_t)-1, AT_EMPTY_PATH))
		return -errno;
	/* For a link these would be changes of what it leads to. */
	if (valid & (VMSG_9P_SET_MODE | VMSG_9P_SET_SIZE) &&
	    !vmsg_9p_may_open(&st))
		return -EOPNOTSUPP;
	if (valid & VMSG_9P_SET_MODE && chmod(path.text, mode))
		return -errno;
	if (valid & VMSG_9P_SET_SIZE &&
	    (size > INT64_MAX || truncate(path.text, size)))
		return size > INT64_MAX ? -EFBIG : -errno;
	if (valid & (VMSG_9P_SET_ATIME | VMSG_9P_SET_MTIME) &&
	    utimensat(fid->fd, "", time, AT_EMPTY_PATH))
		return -errno;
	return 0;
}

static int vmsg_9p_statfs(struct vmsg_9p_req *req)
{
	struct vmsg_9p_fid *fid = vmsg_9p_get_fid(req);
	struct statfs st;

	if (!fid)
		return -EBADF;
	if (fstatfs(fid->fd, &st))
		return -errno;
	vmsg_9p_put32(req, st.f_type);
	vmsg_9p_put32(req, st.f_bsize);
	vmsg_9p_put64(req, st.f_blocks);
	vmsg_9p_put64(req, st.f_bfree);
	vmsg_9p_put64(req, st.f_bavail);
	vmsg_9p_put64(req, st.f_files);
	vmsg_9p_put64(req, st.f_ffree);
	vmsg_9p_put64(req, req->fs->root_dev);
	vmsg_9p_put32(req, st.f_namelen);
	return 0;
}

static int vmsg_9p_fsync(struct vmsg_9p_req *req)
{
	struct vmsg_9p_fid *fid = vmsg_9p_get_fid(req);
	uint32_t data_only = vmsg_9p_get32(req);

	if (!fid || !fid->opened)
		return -EBADF;
	if (data_only ? fdatasync(fid->fd) : fsync(fid->fd))
		return -errno;
	return 0;
}

/* What has a name now, for the answer. */
static int vmsg_9p_put_new(struct vmsg_9p_req *req, int dir, const char *name)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW))
		return -errno;
	vmsg_9p_put_qid(req, &st);
	return 0;
}

static int vmsg_9p_mkdir(struct vmsg_9p_req *req)
{
	struct vmsg_9p_fid *dir = vmsg_9p_get_fid(req);
	char name[NAME_MAX + 1];
	mode_t mode, mask;
	int ret;

	vmsg_9p_get_name(req, name);
	mode = vmsg_9p_get32(req) & 07777;
	if (!dir)
		return -EBADF;
	if (req->bad)
		return -EINVAL;
	mask = umask(0);
	ret = mkdirat(dir->fd, name, mode) ? -errno : 0;
	umask(mask);
	return ret ? ret : vmsg_9p_put_new(req, dir->fd, name);
}

static int vmsg_9p_symlink(struct vmsg_9p_req *req)
{
	struct vmsg_9p_fid *dir = vmsg_9p_get_fid(req);
	char name[NAME_MAX + 1], target[PATH_MAX];

	vmsg_9p_get_name(req, name);
	/* Only the guest's kernel ever follows it, within its own files. */
	vmsg_9p_get_string(req, target, sizeof(target));
	if (!dir)
		return -EBADF;
	if (req->bad)
		return -EINVAL;
	if (symlinkat(target, dir->fd, name))
		return -errno;
	return vmsg_9p_put_new(req, dir->fd, name);
}

static int vmsg_9p_readlink(struct vmsg_9p_req *req)
{
	struct vmsg_9p_fid *fid = vmsg_9p_get_fid(req);
	char target[PATH_MAX];
	ssize_t len;

	if (!fid)
		return -EBADF;
	len = readlinkat(fid->fd, "", target, sizeof(target));
	/* For all but links the kernel says that the empty name is none. */
	if (len < 0)
		return errno == ENOENT ? -EINVAL : -errno;
	vmsg_9p_put_string(req, target, len);
	return 0;
}

static int vmsg_9p_link(struct vmsg_9p_req *req)
{
	struct vmsg_9p_fid *dir = vmsg_9p_get_fid(req);
	struct vmsg_9p_fid *fid = vmsg_9p_get_fid(req);
	char name[NAME_MAX + 1];

	vmsg_9p_get_name(req, name);
	if (!dir || !fid)
		return -EBADF;
	if (req->bad)
		return -EINVAL;
	if (linkat(AT_FDCWD, vmsg_9p_path(fid).text, dir->fd, name,
		   AT_SYMLINK_FOLLOW))
		return -errno;
	return 0;
}

static int vmsg_9p_renameat(struct vmsg_9p_req *req)
{
	struct vmsg_9p_fid *from, *to;
	char old[NAME_MAX + 1], new[NAME_MAX + 1];

	from = vmsg_9p_get_fid(req);
	vmsg_9p_get_name(req, old);
	to = vmsg_9p_get_fid(req);
	vmsg_9p_get_name(req, new);
	if (req->bad)
		return -EINVAL;
	if (!from || !to)
		return -EBADF;
	return renameat(from->fd, old, to->fd, new) ? -errno : 0;
}

static int vmsg_9p_unlinkat(struct vmsg_9p_req *req)
{
	struct vmsg_9p_fid *dir = vmsg_9p_get_fid(req);
	char name[NAME_MAX + 1];
	uint32_t flags;

	vmsg_9p_get_name(req, name);
	flags = vmsg_9p_get32(req);
	if (!dir)
		return -EBADF;
	/* The flag's value is that of Linux everywhere. */
	if (req->bad || flags & ~0x200u)
		return -EINVAL;
	return unlinkat(dir->fd, name, flags ? AT_REMOVEDIR : 0) ? -errno : 0;
}

/* The guest is alone: what its own kernel allows is allowed. */
static int vmsg_9p_lock(struct vmsg_9p_req *req)
{
	if (!vmsg_9p_get_fid(req))
		return -EBADF;
	vmsg_9p_put8(req, 0);
	return 0;
}

/* All before it have been answered already. */
static int vmsg_9p_flush(struct vmsg_9p_req *req)
{
	vmsg_9p_get16(req);
	return 0;
}

static const struct {
	uint8_t type;
	/* It changes the folder, so it is not for a read-only one. */
	bool changes;
	int (*fn)(struct vmsg_9p_req *req);
} vmsg_9p_requests[] = {
	{ VMSG_9P_TVERSION, false, vmsg_9p_version },
	{ VMSG_9P_TATTACH, false, vmsg_9p_attach },
	{ VMSG_9P_TWALK, false, vmsg_9p_walk },
	{ VMSG_9P_TCLUNK, false, vmsg_9p_clunk },
	{ VMSG_9P_TREMOVE, false, vmsg_9p_remove },
	{ VMSG_9P_TFLUSH, false, vmsg_9p_flush },
	{ VMSG_9P_TLOPEN, false, vmsg_9p_lopen },
	{ VMSG_9P_TLCREATE, true, vmsg_9p_lcreate },
	{ VMSG_9P_TREAD, false, vmsg_9p_read },
	{ VMSG_9P_TWRITE, true, vmsg_9p_write },
	{ VMSG_9P_TREADDIR, false, vmsg_9p_readdir },
	{ VMSG_9P_TGETATTR, false, vmsg_9p_getattr },
	{ VMSG_9P_TSETATTR, true, vmsg_9p_setattr },
	{ VMSG_9P_TSTATFS, false, vmsg_9p_statfs },
	{ VMSG_9P_TFSYNC, false, vmsg_9p_fsync },
	{ VMSG_9P_TMKDIR, true, vmsg_9p_mkdir },
	{ VMSG_9P_TSYMLINK, true, vmsg_9p_symlink },
	{ VMSG_9P_TREADLINK, false, vmsg_9p_readlink },
	{ VMSG_9P_TLINK, true, vmsg_9p_link },
	{ VMSG_9P_TRENAMEAT, true, vmsg_9p_renameat },
	{ VMSG_9P_TUNLINKAT, true, vmsg_9p_unlinkat },
	{ VMSG_9P_TLOCK, false, vmsg_9p_lock },
};

static int vmsg_9p_serve(struct vmsg_9p_req *req, uint8_t type)
{
	const size_t num = sizeof(vmsg_9p_requests) /
			   sizeof(vmsg_9p_requests[0]);
	size_t i;
	int ret;

	if (type != VMSG_9P_TVERSION && !req->fs->msize)
		return -EPROTO;
	for (i = 0; i < num && vmsg_9p_requests[i].type != type; i++)
		continue;
	/* So are extended attributes, device nodes and locks of others. */
	if (i == num)
		return -EOPNOTSUPP;
	if (req->fs->read_only && vmsg_9p_requests[i].changes)
		return -EROFS;
	ret = vmsg_9p_requests[i].fn(req);
	if (!ret && req->bad)
		return -EINVAL;
	return !ret && req->len > req->room ? -EMSGSIZE : ret;
}

/* Bytes of the answer, or 0 if that is not a message at all. */
static uint32_t vmsg_9p_message(struct vmsg_9p *fs, struct vmsg_elem *elem)
{
	uint32_t limit = fs->msize ? fs->msize : VMSG_9P_MSIZE;
	struct vmsg_9p_req req = { .fs = fs, .in = fs->in, .out = fs->out };
	uint32_t size;
	uint16_t tag;
	uint8_t type;
	int ret;

	req.left = vmsg_iov_read(elem->out, elem->out_num, fs->in,
				 sizeof(fs->in));
	if (req.left < VMSG_9P_HDR || elem->in_len < VMSG_9P_ERROR)
		return 0;
	size = vmsg_9p_get32(&req);
	type = vmsg_9p_get8(&req);
	tag = vmsg_9p_get16(&req);
	req.len = VMSG_9P_HDR;
	req.room = elem->in_len < limit ? elem->in_len : limit;
	if (size < VMSG_9P_HDR || size - VMSG_9P_HDR > req.left ||
	    size > limit) {
		ret = -EMSGSIZE;
	} else {
		req.left = size - VMSG_9P_HDR;
		ret = vmsg_9p_serve(&req, type);
	}
	if (ret) {
		req.len = VMSG_9P_HDR;
		vmsg_9p_put32(&req, -ret);
	}
	size = req.len;
	req.len = 0;
	vmsg_9p_put32(&req, size);
	vmsg_9p_put8(&req, ret ? VMSG_9P_RLERROR : type + 1);
	vmsg_9p_put16(&req, tag);
	return vmsg_iov_write(elem->in, elem->in_num, fs->out, size);
}

/* The device ------------------------------------------------------------- */

static void vmsg_9p_queue(struct vmsg_device *dev, struct vmsg_vq *vq)
{
	struct vmsg_9p *fs = vmsg_device_priv(dev);
	struct vmsg_elem *elem;
	uint32_t len;

	while ((elem = vmsg_vq_pop(vq))) {
		len = vmsg_9p_message(fs, elem);
		if (!len) {
			vmsg_vq_broken(vq, "a request of %zu bytes with %zu bytes of room",
				       elem->out_len, elem->in_len);
			return;
		}
		vmsg_vq_push(vq, elem, len);
	}
}

static void vmsg_9p_config_read(struct vmsg_device *dev, uint32_t offset,
				void *buf, uint32_t len)
{
	struct vmsg_9p *fs = vmsg_device_priv(dev);

	memcpy(buf, fs->config + offset, len);
}

static int vmsg_9p_reset(struct vmsg_device *dev)
{
	struct vmsg_9p *fs = vmsg_device_priv(dev);

	vmsg_9p_drop_all(fs);
	fs->msize = 0;
	return 0;
}

static void vmsg_9p_release(struct vmsg_device *dev)
{
	struct vmsg_9p *fs = vmsg_device_priv(dev);

	vmsg_9p_drop_all(fs);
	close(fs->root);
	free(fs);
}

static const struct vmsg_device_ops vmsg_9p_ops = {
	.queue = vmsg_9p_queue,
	.config_read = vmsg_9p_config_read,
	.reset = vmsg_9p_reset,
	.release = vmsg_9p_release,
};

/* Half of the descriptors that there may be are left to all others. */
static unsigned int vmsg_9p_max_fids(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return 256;
	return limit.rlim_cur / 2 < VMSG_9P_MAX_FIDS ? limit.rlim_cur / 2 :
							VMSG_9P_MAX_FIDS;
}

static int vmsg_9p_open(struct vmsg_9p *fs, const struct vmsg_9p_params *params)
{
	struct vmsg_9p_fid self;
	struct stat st;

	fs->root = open(params->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fs->root < 0 || fstat(fs->root, &st))
		return -errno;
	fs->root_dev = st.st_dev;
	self.fd = fs->root;
	if (access(vmsg_9p_path(&self).text, F_OK)) {
		vmsg_warn("9p: needs /proc to be mounted");
		return -EOPNOTSUPP;
	}
	return 0;
}

/**
 * vmsg_9p_add() - put a shared folder onto a bus
 * @bus: the bus
 * @num: device number, or VMSG_ANY_NUM
 * @params: what it is like
 *
 * Return: the device, or NULL with errno set; what went wrong has been said.
 */
struct vmsg_device *vmsg_9p_add(struct vmsg_bus *bus, uint32_t num,
				const struct vmsg_9p_params *params)
{
	static const uint16_t size = VMSG_9P_QUEUE_SIZE;
	const char *tag = params->tag ? params->tag : VMSG_9P_TAG;
	struct vmsg_device_desc desc = {
		.name = "9p",
		.ops = &vmsg_9p_ops,
		.device_id = VIRTIO_ID_9P,
		.features[0] = VMSG_BIT(VIRTIO_9P_MOUNT_TAG),
		.config_size = sizeof(struct virtio_9p_config) + strlen(tag),
		.num_queues = 1,
		.queue_sizes = &size,
	};
	uint16_t tag_len = htole16(strlen(tag));
	struct vmsg_9p *fs;
	int ret;

	if (!*tag || strlen(tag) > VMSG_9P_TAG_LEN) {
		vmsg_warn("9p %s: a tag has 1 to %u bytes", params->path,
			  VMSG_9P_TAG_LEN);
		errno = EINVAL;
		return NULL;
	}
	fs = calloc(1, sizeof(*fs));
	if (!fs)
		return NULL;
	fs->read_only = params->read_only;
	fs->max_fids = vmsg_9p_max_fids();
	memcpy(fs->config, &tag_len, sizeof(tag_len));
	memcpy(fs->config + sizeof(tag_len), tag, strlen(tag));
	ret = vmsg_9p_open(fs, params);
	if (ret) {
		vmsg_warn("9p %s: cannot be shared: %s; name a folder",
			  params->path, strerror(-ret));
		goto err;
	}
	memcpy(desc.uuid, params->uuid, sizeof(desc.uuid));
	desc.priv = fs;
	fs->dev = vmsg_device_add(bus, num, &desc);
	if (fs->dev)
		return fs->dev;
	ret = -errno;
	vmsg_warn("9p %s: cannot be device %lld: %s; choose another number",
		  params->path, num == VMSG_ANY_NUM ? -1LL : (long long)num,
		  strerror(-ret));
err:
	if (fs->root >= 0)
		close(fs->root);
	free(fs);
	errno = -ret;
	return NULL;
}

static int vmsg_9p_set(void *params, const char *key, const char *value)
{
	struct vmsg_9p_params *fs = params;

	if (!strcmp(key, "path")) {
		fs->path = value;
		return *value ? 0 : -EINVAL;
	}
	if (!strcmp(key, "tag")) {
		fs->tag = value;
		return *value && strlen(value) <= VMSG_9P_TAG_LEN ? 0 : -ERANGE;
	}
	if (!strcmp(key, "ro")) {
		fs->read_only = true;
		return *value ? -EINVAL : 0;
	}
	return -ENOENT;
}

static struct vmsg_device *vmsg_9p_make(struct vmsg_bus *bus, uint32_t num,
					const uint8_t uuid[16], void *params)
{
	struct vmsg_9p_params *fs = params;

	if (!fs->path) {
		vmsg_warn("9p: there is no folder; say path=FOLDER");
		errno = EINVAL;
		return NULL;
	}
	memcpy(fs->uuid, uuid, sizeof(fs->uuid));
	return vmsg_9p_add(bus, num, fs);
}

const struct vmsg_model vmsg_9p_model = {
	.name = "9p",
	.help =
"  --9p path=FOLDER[,KEY[=VALUE]]...   a folder of this system\n"
"      tag=TEXT         what to mount it by (share), up to 31 bytes\n"
"      ro               read-only\n",
	.ops = &vmsg_9p_ops,
	.params_size = sizeof(struct vmsg_9p_params),
	.set = vmsg_9p_set,
	.add = vmsg_9p_make,
};
