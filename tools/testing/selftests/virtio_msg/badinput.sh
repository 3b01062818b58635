#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What a program does wrong has an errno and changes nothing: see badinput.c.

. ./lib.sh

run badinput
