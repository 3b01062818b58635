#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A device for which there is no driver: it is there, nobody touches it, and all
# others go on.

. ./lib.sh

# Types that no specification has given to anybody.
TYPE=4000
LARGE_TYPE=305419896

begin() {
	start bus --none "type=$TYPE,queues=3,config=64" --rng num=1 &&
		wait_for device bus 0 && wait_for device bus 1
}

listed() {
	listed_device=$(device bus 0)
	[ -e "/sys/bus/virtio/devices/${listed_device##*/}" ] || return 1
	same type "$(cat "$listed_device/device")" 0x0fa0 &&
		same modalias "$(cat "$listed_device/modalias")" virtio:d00000FA0v00000000
}

# Nobody has said that it is his, nor that it is broken.
unbound() {
	unbound_device=$(device bus 0)
	[ ! -e "$unbound_device/driver" ] || fail "it has a driver" || return 1
	same status "$(cat "$unbound_device/status")" 0x00000001
}

# Another driver does not want it, and nothing comes of asking for it.
refused() {
	refused_device=$(device bus 0)
	! echo "${refused_device##*/}" >/sys/bus/virtio/drivers/virtio_blk/bind ||
		fail "virtio_blk has taken it" || return 1
	unbound
}

other() {
	dd if=/dev/hwrng of=/dev/null bs=64 count=4
}

comes_and_goes() {
	goes_pool=$(cat "$CLASS/$(bus bus)/pool_used")
	for goes_turn in $(seq 5); do
		tell bus "ok added 7" add none "type=$LARGE_TYPE,num=7" &&
			wait_for device bus 7 >/dev/null &&
			tell bus "removed 7" remove 7 &&
			wait_for not device bus 7 || fail "turn $goes_turn" || return 1
	done
	same pool_used "$(cat "$CLASS/$(bus bus)/pool_used")" "$goes_pool"
}

# A driver believes that it knows the type: its requests come back empty.
believed() {
	tell bus "ok added 8" add none type=2,queues=1,config=60,num=8 &&
		wait_for device bus 8 >/dev/null &&
		tell bus "removed 8" remove 8 &&
		wait_for not device bus 8 && other
}

removed() {
	tell bus "removed 0" remove 0 && wait_for not device bus 0 && other
}

end() {
	stop bus && nothing_left
}

plan 8 virtio-msg-device
check "a device that nobody knows, and another one" begin
check "it is listed with its type" listed
check "no driver has it" unbound
check "a driver that is told to take it does not" refused
check "it comes and goes 5 times" comes_and_goes
check "an empty disk does no harm either" believed
check "it is removed" removed
check "the other device lives, and nothing is left" end
