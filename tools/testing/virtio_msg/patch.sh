#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# patch.sh KSRC: makes a patch series that adds the project to the kernel tree
# KSRC, which stays as it is. Prints the folder with the patches.
#
# Only the last patch connects the new folder with its surroundings, so that
# a kernel builds after each of them.

. "$(dirname "$0")/lib.sh"

ksrc=${1:-}
[[ -e ${ksrc:-/nowhere}/drivers/virtio/Kconfig ]] ||
	die "which kernel tree is the series for? Say: make patch KSRC=/path/to/linux"
[[ ! -e $ksrc/drivers/virtio/msg ]] || die "$ksrc has a drivers/virtio/msg already"
need_packages git

out=$BUILD/patches
tmp=$(mktemp -d "${TMPDIR:-/tmp}/virtio-msg-patch.XXXXXX")
trap 'rm -rf "$tmp"' EXIT

# A small tree of only those files that the series changes.
(cd "$ksrc" && cp --parents -t "$tmp" drivers/virtio/{Kconfig,Makefile} MAINTAINERS \
	Documentation/{driver-api/virtio,userspace-api}/index.rst tools/testing/selftests/Makefile)
git_() {
	git -C "$tmp" -c core.autocrlf=false -c core.excludesFile=/dev/null \
		-c commit.gpgSign=false "$@"
}
git_ init -q
for k in name email; do
	v=$(git -C "$ROOT" config "user.$k" || echo "virtio-msg@localhost")
	git_ config "user.$k" "$v"
done
git_ add -A
git_ commit -q -m base
base=$(git_ rev-parse HEAD)

"$HERE/graft.sh" "$tmp" >/dev/null

# add SUBJECT PATHSPEC...: a patch of what is new there; its text is read.
add() {
	local subject=$1
	shift
	git_ ls-files -z -o -m -- "$@" | xargs -0 -r git -C "$tmp" add --
	git_ diff --cached --quiet || { echo "$subject"; echo; cat; } | git_ commit -q -F -
}
m=drivers/virtio/msg

add "virtio-msg: Add message layouts" include/uapi/linux/virtio_msg.h "$m/wire.*" <<'END'
A virtio transport made of messages needs nothing from its carrier but
that messages arrive: no shared registers, no trapped accesses. Describe
the messages of the transport and of its buses, and encode, decode and
validate them in one file that knows nothing else, so that it can be
tested and fuzzed in user space from the same source.
END
add "virtio-msg: Add the transport core" \
	"$m" ":!$m/loopback*" ":!$m/amp*" ":!$m/ffa*" ":!$m/tests" \
	include/linux/virtio_msg.h <<'END'
Devices, virtqueues, bus instances and the memory pool. A bus driver
hands messages over and says where memory can be shared; everything
else is here, once for all of them. What a peer sends is validated
before it is used, and every wait is bounded.
END
add "virtio-msg: Add a bus whose devices are programs" \
	include/uapi/linux/virtio_msg_lb.h "$m/loopback*" <<'END'
Open /dev/virtio-msg-lb, answer messages, and be a virtio device: for
development and test of the transport and of drivers, and for devices
in user space. The device sees one memory pool and nothing else.
END
add "virtio-msg: Add the AMP bus" "$m/amp.c" "$m/amp_fifo.*" \
	include/linux/virtio_msg_amp.h include/uapi/linux/virtio_msg_amp.h <<'END'
Devices on another processor, card or virtual machine that shares some
memory with this one: messages travel through two queues in there, and
each side has a doorbell. Know the queues, how both sides come up, and
when the other one is gone; hardware is for others.
END
add "virtio-msg: Add AMP over PCI" "$m/amp_pci*" <<'END'
PCI functions with such queues in a BAR. QEMU's inter-VM shared memory
is one as well if somebody asks for it, and then carries devices that
are programs on the host or in another virtual machine.
END
add "dt-bindings: virtio: Add memory for virtio-msg over FF-A" \
	Documentation/devicetree <<'END'
A partition may only be able to reach memory that was set apart for it
when the system was built. Let a node name that memory.
END
add "virtio-msg: Add the FF-A bus" "$m/ffa*" include/uapi/linux/virtio_msg_ffa.h <<'END'
Devices in the secure world or in another virtual machine: Arm's
firmware carries the messages, and shares one piece of memory with each
partition that has such devices. They see nothing else.
END
add "virtio-msg: Add KUnit tests" "$m/tests" <<'END'
Whatever can go wrong between two sides that do not trust each other can
be played through without hardware: answers that are late, missing,
duplicated or malformed, and devices that come, go and stall.
END
add "tools: Add a device side library for virtio-msg" tools/virtio-msg <<'END'
Devices over virtio-msg are ordinary programs. Spare each of them the
protocol: a small library walks the rings with bounds checks and answers
messages, and a device is what is left. Add devices of many kinds.
END
add "selftests: Add tests for virtio-msg" tools/testing/selftests <<'END'
Run unmodified drivers against devices in programs: data integrity, hot
plug, the death of a device, unbinding, and input that must be refused.
END
add "Documentation: Describe virtio-msg" Documentation <<'END'
Say how the parts fit together, how a bus driver and a device are
written, and what user space can rely on.
END
add "virtio-msg: Add to the build" . <<'END'
The parts are complete: offer them in Kconfig and name who looks after
them.
END

rm -rf "$out"
git_ format-patch -q --no-signature -o "$out" "$base"
say "The series for $ksrc (git am applies it, -s adds your sign-off):"
(cd "$out" && printf '   %s\n' *.patch >&2)
echo "$out"
