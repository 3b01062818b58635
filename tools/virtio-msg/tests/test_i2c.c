// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg tests: the I2C bus and its EEPROM.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/virtio_i2c.h>

#include "spec.h"

#define F_I2C	VMSG_BIT(VIRTIO_I2C_F_ZERO_LENGTH_REQUEST)
#define READ	VIRTIO_I2C_FLAGS_M_RD
#define NEXT	VIRTIO_I2C_FLAGS_FAIL_NEXT
#define GOOD	VIRTIO_I2C_MSG_OK
#define BAD	VIRTIO_I2C_MSG_ERR
#define HDR	8u

/*
 * One message, with @out bytes after the header and room for @in before the
 * status. Returns the status.
 */
static uint8_t message(struct ring *r, uint16_t addr, uint32_t flags,
		       const void *bytes, uint32_t out, uint32_t in)
{
	const struct virtio_i2c_out_hdr hdr = {
		.addr = htole16(addr), .flags = htole32(flags),
	};
	static uint8_t all[HDR + 70000];
	uint8_t *answer = bench_ptr(r->b, IN);

	memcpy(all, &hdr, HDR);
	if (bytes)
		memcpy(all + HDR, bytes, out);
	if (spec_ask(r, all, HDR + out, in + 1) != in + 1)
		return 0xff;
	return answer[in];
}

static uint8_t put(struct ring *r, const void *bytes, uint32_t len)
{
	return message(r, 0xa0, 0, bytes, len, 0);
}

/* Are these the bytes from here on? */
static bool has(struct ring *r, uint8_t place, const void *bytes, uint32_t len)
{
	return put(r, &place, 1) == GOOD &&
	       message(r, 0xa0, READ, NULL, 0, len) == GOOD &&
	       !memcmp(bench_ptr(r->b, IN), bytes, len);
}

static void test_eeprom(void)
{
	uint8_t want[256];
	struct bench b;
	struct ring r;

	memset(want, 0xff, sizeof(want));
	spec_open(&b, "i2c", "");
	spec_run(&b, &r, 1, F_I2C);
	ok(has(&r, 0, want, 256), "a new chip is full of ones");
	ok(put(&r, "\020abcd", 5) == GOOD && has(&r, 0x10, "abcd", 4) &&
	   has(&r, 0x0f, want, 1) && has(&r, 0x14, want, 1),
	   "four bytes, and no others");
	ok(put(&r, "\0460123", 5) == GOOD && has(&r, 0x26, "01", 2) &&
	   has(&r, 0x20, "23", 2) && has(&r, 0x28, want, 1),
	   "a write stays in its page");
	ok(put(&r, "\376yz", 3) == GOOD && put(&r, "\0A", 2) == GOOD &&
	   has(&r, 0xfe, "yzA", 3), "a read goes on at the beginning");
	ok(put(&r, "\x10", 1) == GOOD &&
	   message(&r, 0xa0, READ, NULL, 0, 2) == GOOD &&
	   message(&r, 0xa0, READ, NULL, 0, 2) == GOOD &&
	   !memcmp(bench_ptr(&b, IN), "cd", 2), "reads go on");
	ok(put(&r, NULL, 0) == GOOD &&
	   message(&r, 0xa0, READ, NULL, 0, 0) == GOOD, "nothing at all");
	ok(message(&r, 0xa0, READ, NULL, 0, 65535) == GOOD &&
	   message(&r, 0xa0, 0, NULL, 65535, 0) == GOOD, "65535 bytes");
	bench_close(&b);
}

static void test_refusals(void)
{
	static const uint8_t zeros[16];
	struct bench b;
	struct ring r;

	spec_open(&b, "i2c", "address=0x21");
	spec_run(&b, &r, 1, F_I2C);
	ok(message(&r, 0x42, 0, NULL, 0, 0) == GOOD, "somebody is at 0x21");
	ok(message(&r, 0xa0, 0, NULL, 0, 0) == BAD &&
	   message(&r, 0x21, 0, NULL, 0, 0) == BAD &&
	   message(&r, 0x43, 0, NULL, 0, 0) == BAD &&
	   message(&r, 0x142, 0, NULL, 0, 0) == BAD, "and nowhere else");
	ok(message(&r, 0x44, READ, NULL, 0, 16) == BAD &&
	   !memcmp(bench_ptr(&b, IN), zeros, 16),
	   "a read of nobody shows nothing");
	ok(message(&r, 0x42, READ, "x", 1, 1) == BAD &&
	   message(&r, 0x42, 0, "x", 1, 1) == BAD, "both ways at once");
	ok(message(&r, 0x42, READ, NULL, 0, 65536) == BAD &&
	   message(&r, 0x42, 0, NULL, 65536, 0) == BAD, "65536 bytes");
	ok(message(&r, 0x44, NEXT, NULL, 0, 0) == BAD &&
	   message(&r, 0x42, NEXT, NULL, 0, 0) == BAD &&
	   message(&r, 0x42, 0, NULL, 0, 0) == BAD &&
	   message(&r, 0x42, NEXT, NULL, 0, 0) == GOOD,
	   "those that belong together fail together");
	message(&r, 0x44, NEXT, NULL, 0, 0);
	spec_run(&b, &r, 1, F_I2C);
	ok(message(&r, 0x42, 0, NULL, 0, 0) == GOOD, "but not across a reset");
	ok(spec_breaks(&r, HDR - 1, 1), "7 bytes of a header");
	spec_run(&b, &r, 1, F_I2C);
	ok(spec_breaks(&r, HDR, 0), "no place for a status");
	spec_run(&b, &r, 1, F_I2C);
	ok(spec_breaks(&r, 0, 9), "no header");
	ok(!drv_negotiate(&b, 0, 0), "a driver without the feature");
	bench_close(&b);
}

static void test_file(void)
{
	char path[] = "/tmp/vmsg-i2c-XXXXXX", spec[64], bytes[256];
	int fd = mkstemp(path);
	struct bench b;
	struct ring r;

	snprintf(spec, sizeof(spec), "file=%s", path);
	ok(write(fd, "short", 5) == 5, "a file of 5 bytes");
	spec_open(&b, "i2c", spec);
	spec_run(&b, &r, 1, F_I2C);
	ok(has(&r, 0, "short\xff", 6), "is what the chip holds, then ones");
	ok(put(&r, "\005er", 3) == GOOD &&
	   pread(fd, bytes, 256, 0) == 256 && !memcmp(bytes, "shorter\xff", 8),
	   "what is written is in the file");
	bench_close(&b);
	spec_open(&b, "i2c", spec);
	spec_run(&b, &r, 1, F_I2C);
	ok(has(&r, 0, "shorter", 7), "and there again");
	bench_close(&b);
	close(fd);
	unlink(path);
}

static void test_refused(void)
{
	static const char * const bad[] = {
		"address=7", "address=0", "address=0x78", "address=x", "file=",
		"file=/nowhere/at/all", "file=/tmp", "other=1",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		ok(spec_refused("i2c", bad[i]), "not '%s'", bad[i]);
}

int main(void)
{
	test_eeprom();
	test_refusals();
	test_file();
	test_refused();
	return tap_end();
}
