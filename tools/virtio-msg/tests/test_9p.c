// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg tests: the shared folder.
 *
 * A request is written as a text: a letter for each value and its width, as
 * ask() says; what the answer holds is taken from it in the same order.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "models.h"

#define REQ	(POOL_ADDR + 0x100000)
#define ANS	(POOL_ADDR + 0x200000)
#define MSIZE	16384u
#define WRITE	VRING_DESC_F_WRITE
#define NOFID	0xffffffffu

enum {
	STATFS = 8, LOPEN = 12, LCREATE = 14, SYMLINK = 16, MKNOD = 18,
	READLINK = 22, GETATTR = 24, SETATTR = 26, XATTRWALK = 30,
	READDIR = 40, FSYNC = 50, LOCK = 52, LINK = 70, MKDIR = 72,
	RENAMEAT = 74, UNLINKAT = 76, VERSION = 100, ATTACH = 104,
	FLUSH = 108, WALK = 110, READ = 116, TWRITE = 118, CLUNK = 120,
};

struct share {
	char folder[64];
	char path[128];
	struct bench b;
	struct ring r;
	struct vmsg_device *dev;
	uint32_t room;
	uint32_t used;
	uint8_t *answer;
	uint8_t *at;
};

static uint8_t *put(uint8_t *at, uint64_t value, unsigned int bytes)
{
	value = htole64(value);
	memcpy(at, &value, bytes);
	return at + bytes;
}

static uint64_t get(struct share *s, unsigned int bytes)
{
	uint64_t value = 0;

	memcpy(&value, s->at, bytes);
	s->at += bytes;
	return le64toh(value);
}

/* @bytes of a message; an errno value, 0, or -1 when there is no answer. */
static int ask_raw(struct share *s, uint32_t bytes)
{
	const struct seg segs[] = {
		{ REQ, bytes, 0 }, { ANS, s->room, WRITE },
	};
	uint32_t id;

	memset(s->answer, 0xee, MSIZE + 64);
	ring_add(&s->r, segs, 2, false);
	ring_kick(&s->r);
	if (!ring_used(&s->r, &id, &s->used))
		return -1;
	s->at = s->answer;
	if (get(s, 4) != s->used || s->answer[s->used] != 0xee)
		return -2;
	s->at = s->answer + 7;
	return s->answer[4] == 7 ? (int)get(s, 4) : 0;
}

/*
 * 1, 2, 4 and 8 are numbers of so many bytes, s is a string, d are data: their
 * length and where they are.
 */
static int ask(struct share *s, uint8_t type, const char *format, ...)
{
	uint8_t *msg = bench_ptr(&s->b, REQ), *at = msg + 7;
	const char *text;
	va_list args;
	size_t len;
	int ret;

	va_start(args, format);
	for (; *format; format++) {
		if (*format == 's') {
			text = va_arg(args, const char *);
			len = strlen(text);
			at = put(at, len, 2);
			memcpy(at, text, len);
			at += len;
		} else if (*format == 'd') {
			len = va_arg(args, unsigned int);
			at = put(at, len, 4);
			memcpy(at, va_arg(args, const void *), len);
			at += len;
		} else if (*format == '8') {
			at = put(at, va_arg(args, uint64_t), 8);
		} else {
			at = put(at, va_arg(args, unsigned int), *format - '0');
		}
	}
	va_end(args);
	put(msg, at - msg, 4);
	msg[4] = type;
	put(msg + 5, 4711, 2);
	ret = ask_raw(s, at - msg);
	if (ret >= 0 && (s->answer[4] != (ret ? 7 : type + 1) ||
			 s->answer[5] != (4711 & 255) ||
			 s->answer[6] != 4711 >> 8))
		return -3;
	return ret;
}

static const char *in_folder(struct share *s, const char *name)
{
	snprintf(s->path, sizeof(s->path), "%s/%s", s->folder, name);
	return s->path;
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
	close(fd);
}

static bool file_is(const char *path, const char *text)
{
	char buf[64] = "";
	int fd = open(path, O_RDONLY);
	bool good = fd >= 0 && read(fd, buf, 63) >= 0 && !strcmp(buf, text);

	if (fd >= 0)
		close(fd);
	return good;
}

static void share_start(struct share *s)
{
	drv_negotiate(&s->b, 0, VMSG_BIT(0));
	ring_place(&s->r, &s->b, 0, 0, 64, false);
	ring_enable(&s->r);
	drv_set_status(&s->b, 0, S_RUNNING);
}

/* A folder "in" with some things in it, and a file "secret" beside it. */
static void share_open(struct share *s, bool read_only)
{
	const struct bench_params bench_params = { 0 };
	struct vmsg_9p_params params = { .read_only = read_only };
	char *top = s->folder;

	memset(s, 0, sizeof(*s));
	snprintf(top, sizeof(s->folder), "/tmp/vmsg-9p-XXXXXX");
	if (!mkdtemp(top))
		abort();
	write_file(in_folder(s, "secret"), "secret");
	strcat(top, "/in");
	if (mkdir(top, 0755) || mkdir(in_folder(s, "sub"), 0755) ||
	    symlink("../secret", in_folder(s, "out")) ||
	    symlink("..", in_folder(s, "up")) ||
	    mkfifo(in_folder(s, "fifo"), 0644))
		abort();
	write_file(in_folder(s, "file"), "content");
	bench_open(&s->b, &bench_params);
	params.path = top;
	s->dev = vmsg_9p_add(s->b.bus, 0, &params);
	if (!s->dev)
		abort();
	share_start(s);
	s->room = MSIZE;
	s->answer = bench_ptr(&s->b, ANS);
	if (ask(s, VERSION, "4s", MSIZE, "9P2000.L") ||
	    ask(s, ATTACH, "44ss4", 0, NOFID, "root", "", 0))
		abort();
}

static void share_close(struct share *s)
{
	char command[128];

	bench_close(&s->b);
	s->folder[strlen(s->folder) - 3] = '\0';
	snprintf(command, sizeof(command), "rm -r %s", s->folder);
	if (system(command))
		abort();
}

static void test_session(void)
{
	struct share s;

	share_open(&s, false);
	ok(!ask(&s, VERSION, "4s", 1 << 20, "9P2000.L") &&
	   get(&s, 4) == 128 * 1024, "messages are limited");
	ok(ask(&s, CLUNK, "4", 0) == EBADF, "a version forgets all files");
	ok(!ask(&s, VERSION, "4s", MSIZE, "9P2000.u") && get(&s, 4) == MSIZE &&
	   get(&s, 2) == 7 && !memcmp(s.at, "unknown", 7), "another version");
	ok(ask(&s, ATTACH, "44ss4", 0, NOFID, "", "", 0) == EPROTO,
	   "nothing goes without a version");
	ok(ask(&s, VERSION, "4s", 100, "9P2000.L") == EINVAL,
	   "messages that are too small");
	ask(&s, VERSION, "4s", MSIZE, "9P2000.L");
	ok(ask(&s, ATTACH, "44ss4", 0, NOFID, "", "etc", 0) == ENOENT,
	   "there is no other tree");
	ok(!ask(&s, ATTACH, "44ss4", 5, NOFID, "", "/", 0) &&
	   get(&s, 1) == 0x80, "attach");
	ok(ask(&s, ATTACH, "44ss4", 5, NOFID, "", "", 0) == EBADF,
	   "a fid that is in use");
	ok(!ask(&s, FLUSH, "2", 1) && s.used == 7, "flush");
	ok(!ask(&s, STATFS, "4", 5) && s.used == 7 + 60, "statfs");
	ok(ask(&s, XATTRWALK, "44s", 5, 6, "user.x") == EOPNOTSUPP,
	   "extended attributes");
	ok(ask(&s, MKNOD, "4s4444", 5, "null", 020666, 1, 3, 0) == EOPNOTSUPP,
	   "device nodes");
	ok(!ask(&s, CLUNK, "4", 5) && ask(&s, CLUNK, "4", 5) == EBADF,
	   "clunk, and once more");
	share_close(&s);
}

static void test_files(void)
{
	char buf[16];
	struct share s;
	struct stat st;

	share_open(&s, false);
	ok(!ask(&s, WALK, "442s", 0, 1, 1, "file") && get(&s, 2) == 1 &&
	   get(&s, 1) == 0, "walk to a file");
	ok(!ask(&s, GETATTR, "48", 1, ~0ULL) && get(&s, 8) == 0x7ff &&
	   (s.at += 13, get(&s, 4)) == 0100644 &&
	   (s.at += 24, get(&s, 8)) == 7, "its attributes");
	ok(ask(&s, READ, "484", 1, 0ULL, 10) == EBADF,
	   "it cannot be read before it is opened");
	ok(!ask(&s, LOPEN, "44", 1, 2), "open");
	ok(ask(&s, LOPEN, "44", 1, 2) == EBADF, "only once");
	ok(!ask(&s, READ, "484", 1, 3ULL, 100) && get(&s, 4) == 4 &&
	   !memcmp(s.at, "tent", 4), "read");
	ok(!ask(&s, TWRITE, "48d", 1, 4ULL, 3, "ext") && get(&s, 4) == 3 &&
	   file_is(in_folder(&s, "file"), "context"), "write");
	ok(!ask(&s, FSYNC, "44", 1, 0), "fsync");
	ok(!ask(&s, LOCK, "41488s", 1, 1, 0, 0ULL, 0ULL, "x") &&
	   get(&s, 1) == 0, "lock");
	ok(ask(&s, READ, "484", 1, ~0ULL, 4) == EINVAL, "read before 0");
	ok(ask(&s, TWRITE, "48d", 1, 1ULL << 63, 1, "x") == EINVAL,
	   "write beyond all files");
	ok(!ask(&s, READ, "484", 1, 0ULL, ~0u) && get(&s, 4) == 7,
	   "a read of 4 GiB");
	s.room = 14;
	ok(!ask(&s, READ, "484", 1, 0ULL, 100) && get(&s, 4) == 3 &&
	   s.used == 14, "no more than there is room for");
	ok(ask(&s, GETATTR, "48", 1, ~0ULL) == EMSGSIZE,
	   "attributes that there is no room for");
	s.room = MSIZE;
	ok(!ask(&s, WALK, "442", 1, 2, 0) && !ask(&s, LOPEN, "44", 2, 0),
	   "a second fid, of one that is open");
	ok(ask(&s, TWRITE, "48d", 2, 0ULL, 1, "x") == EBADF,
	   "opened for reading is not for writing");
	ok(!ask(&s, WALK, "442", 0, 3, 0) &&
	   !ask(&s, LCREATE, "4s444", 3, "new", 0302, 0666, 0) &&
	   !ask(&s, TWRITE, "48d", 3, 0ULL, 2, "hi") &&
	   file_is(in_folder(&s, "new"), "hi"), "create");
	ok(!stat(in_folder(&s, "new"), &st) && (st.st_mode & 0777) == 0666,
	   "with the mode that the guest has chosen");
	ok(!ask(&s, WALK, "442", 0, 4, 0) &&
	   ask(&s, LCREATE, "4s444", 4, "new", 0302, 0666, 0) == EEXIST,
	   "create what is there");
	ok(!ask(&s, SETATTR, "4444488888", 3, 1 | 8, 0600, 0, 0, 1ULL,
		0ULL, 0ULL, 0ULL, 0ULL) &&
	   file_is(in_folder(&s, "new"), "h") && !stat(s.path, &st) &&
	   (st.st_mode & 0777) == 0600, "mode and size");
	ok(!ask(&s, SETATTR, "4444488888", 3, 0x1b0, 0, 0, 0, 0ULL, 5ULL,
		6ULL, 7ULL, 8ULL) && !stat(s.path, &st) &&
	   st.st_atime == 5 && st.st_mtim.tv_sec == 7 &&
	   st.st_mtim.tv_nsec == 8, "times");
	ok(ask(&s, SETATTR, "4444488888", 3, 0x1b0, 0, 0, 0, 0ULL, 5ULL,
	       1ULL << 40, 7ULL, 8ULL) == EINVAL, "times that are none");
	ok(!ask(&s, LINK, "44s", 0, 3, "hard") &&
	   file_is(in_folder(&s, "hard"), "h"), "link");
	ok(!ask(&s, SYMLINK, "4ss4", 0, "soft", "file", 0) &&
	   get(&s, 1) == 2 && readlink(in_folder(&s, "soft"), buf, 16) == 4,
	   "symlink");
	ok(!ask(&s, WALK, "442s", 0, 6, 1, "soft") &&
	   !ask(&s, READLINK, "4", 6) && get(&s, 2) == 4 &&
	   !memcmp(s.at, "file", 4), "readlink");
	ok(ask(&s, READLINK, "4", 1) == EINVAL, "readlink of a file");
	ok(ask(&s, LOPEN, "44", 6, 0) == EOPNOTSUPP, "open of a link");
	ok(!ask(&s, RENAMEAT, "4s4s", 0, "soft", 0, "hard") &&
	   lstat(in_folder(&s, "soft"), &st), "rename");
	ok(!ask(&s, UNLINKAT, "4s4", 0, "hard", 0) &&
	   lstat(in_folder(&s, "hard"), &st), "unlink");
	ok(ask(&s, UNLINKAT, "4s4", 0, "file", 0x200) == ENOTDIR,
	   "unlink of a file as a folder");
	share_close(&s);
}

static void test_folders(void)
{
	unsigned int names = 0, turns = 0, i;
	char name[16];
	uint64_t next = 0;
	uint32_t left;
	struct share s;
	struct stat st;
	bool good = true;

	share_open(&s, false);
	ok(!ask(&s, MKDIR, "4s44", 0, "dir", 0777, 0) && get(&s, 1) == 0x80 &&
	   !stat(in_folder(&s, "dir"), &st) && (st.st_mode & 0777) == 0777,
	   "mkdir");
	for (i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "dir/%u", i);
		write_file(in_folder(&s, name), "x");
	}
	ok(!ask(&s, WALK, "442ss", 0, 1, 2, "dir", "99") && get(&s, 2) == 2,
	   "walk through it");
	ok(!ask(&s, WALK, "442ss", 0, 2, 2, "dir", "100") && get(&s, 2) == 1 &&
	   ask(&s, CLUNK, "4", 2) == EBADF,
	   "half of a walk makes no fid");
	ask(&s, WALK, "442s", 0, 2, 1, "dir");
	ok(ask(&s, READDIR, "484", 2, 0ULL, 512) == EBADF,
	   "a folder has to be opened too");
	ok(!ask(&s, LOPEN, "44", 2, 0200000), "open");
	do {
		good &= !ask(&s, READDIR, "484", 2, next, 512);
		left = get(&s, 4);
		good &= left <= 512 && s.used == 11 + left;
		while (good && s.at < s.answer + s.used) {
			s.at += 13;
			next = get(&s, 8);
			s.at += 1;
			s.at += get(&s, 2);
			names++;
		}
		turns++;
	} while (good && left && turns < 1000);
	ok(good && names == 102, "all 100 names, and . and ..");
	ok(ask(&s, READDIR, "484", 2, 0ULL, 20) == EINVAL,
	   "not even room for one is not the end of the folder");
	ok(ask(&s, READDIR, "484", 2, ~0ULL, 512) == EINVAL,
	   "a place that cannot be");
	ok(ask(&s, UNLINKAT, "4s4", 0, "dir", 0x200) == ENOTEMPTY,
	   "rmdir of a full folder");
	ok(ask(&s, UNLINKAT, "4s4", 0, "dir", 0) == EISDIR,
	   "unlink of a folder");
	ok(!ask(&s, RENAMEAT, "4s4s", 0, "sub", 2, "sub") &&
	   !stat(in_folder(&s, "dir/sub"), &st), "rename between folders");
	ok(!ask(&s, UNLINKAT, "4s4", 2, "sub", 0x200) && stat(s.path, &st),
	   "rmdir");
	share_close(&s);
}

/* Every way out that a guest could think of. */
static void test_escape(void)
{
	static const char * const names[] = {
		"..", ".", "", "../secret", "sub/..", "/etc", "/", "file/",
	};
	struct share s;
	struct stat st;
	size_t i;

	share_open(&s, false);
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		ok(ask(&s, WALK, "442s", 0, 1, 1, names[i]) == ENOENT,
		   "walk to '%s'", names[i]);
		ok(ask(&s, MKDIR, "4s44", 0, names[i], 0777, 0) == EINVAL &&
		   ask(&s, SYMLINK, "4ss4", 0, names[i], "x", 0) == EINVAL &&
		   ask(&s, UNLINKAT, "4s4", 0, names[i], 0) == EINVAL &&
		   ask(&s, LCREATE, "4s444", 0, names[i], 0302, 0666, 0) ==
		   EINVAL &&
		   ask(&s, LINK, "44s", 0, 0, names[i]) == EINVAL &&
		   ask(&s, RENAMEAT, "4s4s", 0, "file", 0, names[i]) ==
		   EINVAL &&
		   ask(&s, RENAMEAT, "4s4s", 0, names[i], 0, "x") == EINVAL,
		   "changes of '%s'", names[i]);
	}
	ok(!ask(&s, WALK, "442ss", 0, 1, 2, "sub", "..") && get(&s, 2) == 1,
	   "walk down and up again");
	ok(!ask(&s, WALK, "442ss", 0, 1, 2, "up", "secret") && get(&s, 2) == 1,
	   "walk through a link");
	ok(!ask(&s, WALK, "442s", 0, 1, 1, "up") && get(&s, 2) == 1 &&
	   get(&s, 1) == 2 && ask(&s, MKDIR, "4s44", 1, "x", 0777, 0) > 0 &&
	   ask(&s, WALK, "442s", 1, 2, 1, "secret") > 0,
	   "a link to a folder is no folder");
	ok(!ask(&s, WALK, "442s", 0, 2, 1, "out") &&
	   ask(&s, LOPEN, "44", 2, 0) == EOPNOTSUPP &&
	   ask(&s, SETATTR, "4444488888", 2, 1, 0, 0, 0, 0ULL, 0ULL, 0ULL,
	       0ULL, 0ULL) == EOPNOTSUPP &&
	   ask(&s, SETATTR, "4444488888", 2, 8, 0, 0, 0, 0ULL, 0ULL, 0ULL,
	       0ULL, 0ULL) == EOPNOTSUPP, "a link is not followed");
	ok(!ask(&s, WALK, "442", 0, 3, 0) &&
	   ask(&s, LCREATE, "4s444", 3, "out", 0102, 0666, 0) == ELOOP,
	   "not even to create");
	ok(!ask(&s, LINK, "44s", 0, 2, "link") &&
	   !lstat(in_folder(&s, "link"), &st) && S_ISLNK(st.st_mode),
	   "nor for a hard link");
	ok(!ask(&s, WALK, "442s", 0, 4, 1, "fifo") &&
	   ask(&s, LOPEN, "44", 4, 0) == EOPNOTSUPP &&
	   ask(&s, LCREATE, "4s444", 3, "fifo", 0102, 0666, 0) == EOPNOTSUPP,
	   "a FIFO keeps nobody waiting");
	s.folder[strlen(s.folder) - 3] = '\0';
	ok(file_is(in_folder(&s, "secret"), "secret"), "the file is untouched");
	strcat(s.folder, "/in");
	ok(file_is(in_folder(&s, "file"), "content"), "so is the other one");
	share_close(&s);
}

static void test_read_only(void)
{
	struct share s;

	share_open(&s, true);
	ok(!ask(&s, WALK, "442s", 0, 1, 1, "file") &&
	   ask(&s, LOPEN, "44", 1, 1) == EROFS &&
	   ask(&s, LOPEN, "44", 1, 2) == EROFS &&
	   ask(&s, LOPEN, "44", 1, 01000) == EROFS &&
	   !ask(&s, LOPEN, "44", 1, 0), "read-only: open");
	ok(!ask(&s, READ, "484", 1, 0ULL, 100) && get(&s, 4) == 7,
	   "read-only: read");
	ok(ask(&s, TWRITE, "48d", 1, 0ULL, 1, "x") == EROFS &&
	   ask(&s, LCREATE, "4s444", 0, "new", 0302, 0666, 0) == EROFS &&
	   ask(&s, MKDIR, "4s44", 0, "new", 0777, 0) == EROFS &&
	   ask(&s, SYMLINK, "4ss4", 0, "new", "x", 0) == EROFS &&
	   ask(&s, LINK, "44s", 0, 1, "new") == EROFS &&
	   ask(&s, RENAMEAT, "4s4s", 0, "file", 0, "x") == EROFS &&
	   ask(&s, UNLINKAT, "4s4", 0, "file", 0) == EROFS &&
	   ask(&s, SETATTR, "4444488888", 1, 1, 0, 0, 0, 0ULL, 0ULL, 0ULL,
	       0ULL, 0ULL) == EROFS, "read-only: nothing can be changed");
	share_close(&s);
}

static void test_hostile(void)
{
	uint8_t *msg;
	struct share s;
	unsigned int i;
	int type, bad;

	share_open(&s, false);
	msg = bench_ptr(&s.b, REQ);
	/* Every request, cut off everywhere, never more than an error. */
	for (type = 8, bad = 0; type < 128; type++) {
		for (i = 7; i < 40; i++) {
			memset(msg, 0xff, 64);
			put(msg, i, 4);
			msg[4] = type;
			bad += ask_raw(&s, i) < 0;
		}
	}
	ok(!bad && drv_status(&s.b, 0) == S_RUNNING,
	   "requests that end too early");
	ask(&s, VERSION, "4s", MSIZE, "9P2000.L");
	ask(&s, ATTACH, "44ss4", 0, NOFID, "", "", 0);
	memset(msg, 0, 64);
	put(put(msg, 100, 4), STATFS, 1);
	ok(ask_raw(&s, 11) == EMSGSIZE, "larger than it is");
	put(msg, 6, 4);
	ok(ask_raw(&s, 11) == EMSGSIZE, "smaller than its header");
	put(msg, MSIZE + 1, 4);
	ok(ask_raw(&s, MSIZE + 1) == EMSGSIZE, "larger than was agreed");
	ok(ask(&s, WALK, "442", 0, 1, 17) == EINVAL, "a walk of 17 names");
	ok(ask(&s, WALK, "4422", 0, 1, 1, 0xffff) == ENOENT,
	   "a name of 64 KiB in a message without one");
	ok(ask(&s, WALK, "4422", 0, 1, 1, 200) == ENOENT,
	   "a name that is longer than what follows");
	ok(ask(&s, CLUNK, "2", 0) == EBADF && !ask(&s, STATFS, "4", 0),
	   "half the number of a file is not file 0");
	ok(ask(&s, WALK, "442211111", 0, 1, 1, 5, 'f', 'i', 'l', 'e', 0) ==
	   ENOENT,
	   "a name with a NUL in it");
	ok(!ask(&s, WALK, "442s", 0, 1, 1, "file") &&
	   !ask(&s, LOPEN, "44", 1, 2) &&
	   ask(&s, TWRITE, "484", 1, 0ULL, 1000) == EINVAL,
	   "a write with more data than there are");
	for (i = 10; i < 10000; i++) {
		if (ask(&s, WALK, "442", 0, i, 0))
			break;
	}
	ok(i > 100 && i < 5000 && ask(&s, WALK, "442", 0, i, 0) == EMFILE,
	   "fids without end");
	ok(!ask(&s, CLUNK, "4", 10) && !ask(&s, WALK, "442", 0, 10, 0),
	   "one less, one more");
	share_start(&s);
	ok(ask(&s, CLUNK, "4", 10) == EPROTO, "a reset forgets them");
	s.room = 10;
	ok(ask(&s, STATFS, "4", 0) == -1 && drv_status(&s.b, 0) == S_BROKEN,
	   "no room for an error");
	share_start(&s);
	s.room = MSIZE;
	ok(ask_raw(&s, 6) == -1 && drv_status(&s.b, 0) == S_BROKEN,
	   "no message");
	share_close(&s);
}

static void test_refused(void)
{
	const struct bench_params bench_params = { 0 };
	struct vmsg_9p_params params = { .path = "/nowhere" };
	struct bench b;
	char tag[6];

	bench_open(&b, &bench_params);
	ok(!vmsg_9p_add(b.bus, 0, &params) && errno == ENOENT, "no folder");
	params.path = "/dev/null";
	ok(!vmsg_9p_add(b.bus, 0, &params) && errno == ENOTDIR, "a file");
	params.path = "/tmp";
	params.tag = "";
	ok(!vmsg_9p_add(b.bus, 0, &params) && errno == EINVAL, "an empty tag");
	params.tag = "12345678901234567890123456789012";
	ok(!vmsg_9p_add(b.bus, 0, &params) && errno == EINVAL, "a long tag");
	params.tag = "here";
	ok(vmsg_9p_add(b.bus, 0, &params) &&
	   drv_read_config(&b, 0, 0, tag, sizeof(tag)) &&
	   !memcmp(tag, "\4\0here", sizeof(tag)), "a tag");
	bench_close(&b);
}

int main(void)
{
	test_session();
	test_files();
	test_folders();
	test_escape();
	test_read_only();
	test_hostile();
	test_refused();
	return tap_end();
}
