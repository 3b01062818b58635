#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# kernel: kinds
#
# An I2C bus with an EEPROM: the kernel's own driver for such chips reads and
# writes it, and the program keeps its bytes in a file.

. ./lib.sh

ADDRESS=0x52

# The folder of the adapter, i2c-N
adapter() {
	for adapter_path in "$(device chip 0)"/i2c-*; do
		[ -e "$adapter_path/new_device" ] || return 1
		echo "$adapter_path"
	done
}

chip() {
	echo "$(adapter)/$(adapter | sed 's,.*/i2c-,,')-0052"
}

begin() {
	random_file "$TMP/all" 1 && dd if="$TMP/all" of="$TMP/bytes" bs=256 count=1 &&
		start chip --i2c "address=$ADDRESS,file=$TMP/bytes" &&
		wait_for adapter >/dev/null
}

# The chip is where the driver is told to look.
attach() {
	echo "24c02 $ADDRESS" >"$(adapter)/new_device" && [ -e "$(chip)/eeprom" ]
}

reads() {
	cmp "$(chip)/eeprom" "$TMP/bytes"
}

# From the middle of a page to the middle of another one.
writes() {
	random_file "$TMP/new" 1
	cp "$TMP/bytes" "$TMP/want" &&
		dd if="$TMP/new" of="$TMP/want" bs=1 seek=77 count=100 conv=notrunc &&
		dd if="$TMP/new" of="$(chip)/eeprom" bs=100 seek=77 oflag=seek_bytes \
			count=1 conv=notrunc &&
		cmp "$TMP/want" "$TMP/bytes" && cmp "$TMP/want" "$(chip)/eeprom"
}

# Nobody is there, and the driver for EEPROMs notices.
nobody() {
	echo "24c02 0x53" >"$(adapter)/new_device"
	nobody_chip=$(adapter)/$(adapter | sed 's,.*/i2c-,,')-0053
	! cat "$nobody_chip/eeprom" 2>/dev/null || fail "something has answered" || return 1
	echo 0x53 >"$(adapter)/delete_device"
}

again() {
	again_device=$(device chip 0)
	echo "${again_device##*/}" >/sys/bus/virtio/drivers/i2c_virtio/unbind &&
		! adapter >/dev/null &&
		echo "${again_device##*/}" >/sys/bus/virtio/drivers/i2c_virtio/bind &&
		attach && reads
}

# The adapter goes, and with it the chip.
goes() {
	goes_chip=$(chip)
	tell chip "removed 0" remove 0 && [ ! -e "$goes_chip" ]
}

end() {
	stop chip && nothing_left
}

plan 8 virtio-msg-device
for module in i2c-virtio at24; do
	modprobe $module 2>/dev/null || skip_all "no module $module"
done
check "an I2C bus" begin
check "the driver for EEPROMs looks at it" attach
check "all bytes are read" reads
check "100 bytes are written, across pages" writes
check "an address where nobody is" nobody
check "the driver goes and comes back" again
check "the bus is removed" goes
check "nothing is left" end
