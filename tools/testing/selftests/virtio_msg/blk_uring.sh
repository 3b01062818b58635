#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The tests of blk.sh with all requests through io_uring: by default, files on a
# tmpfs, as they are in these tests, are read and written without it.

AIO=uring
export AIO
exec ./blk.sh
