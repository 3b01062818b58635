#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A device that writes nonsense into its ring breaks itself only: see badring.c.

. ./lib.sh

run badring
