#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
. "$(dirname "$0")/lib.sh"

usage() {
	cat <<'END'
ffa-guest.sh [OPTION...] COMMAND...: boots a small arm64 kernel in QEMU above the
secure side of the FF-A tests (ffa/), runs COMMAND there by its shell (busybox),
and powers off. The functions of ffa/guest.sh are there. What COMMAND prints comes
out here; the exit status is its own, or 125 if the guest died before the end.

    --knobs "K=V ..." what the secure side does differently, see ffa/secure.h
    --core            its devices have a core of their own
    --cpus N          cores of Linux (1)
    --icount          time is the number of instructions: 1 us = 1000 (one CPU)
    --append ARGS     more for the kernel command line
    --bios FILE       firmware of the machine, with a secure world of its own
    --add SRC:DST     a file
    --qemu ARGS       more for QEMU, split at blanks
    --timeout SEC     (60, or 240 with KERNEL=debug)
    --name NAME       names the log files: NAME.console, NAME.secure (ffa-guest)

ffa-guest.sh --build: makes what all guests need, and prints where it is, for eval.
Who has exported that need not wait for it again. With KERNEL=64k or KERNEL=debug in
the environment it is the kernel with pages of 64 KiB, or with KASAN and lockdep.
END
}

build() {
	local ko kernel module=$BUILD/ffa/module${KERNEL:+-$KERNEL}
	local cross=(ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu-)
	need_packages "${NEEDS_KERNEL[@]}" "${NEEDS_FFA[@]}"
	kernel=$("$HERE/kernels.sh" "arm64${KERNEL:+-$KERNEL}")
	eval "$kernel"
	ko=$("$HERE/modules.sh" -o "$BUILD/modules/arm64${KERNEL:+-$KERNEL}" "$KDIR" "${cross[@]}" \
		CONFIG_VIRTIO_MSG_FFA=m \
		CONFIG_VIRTIO_MSG_LOOPBACK= CONFIG_VIRTIO_MSG_AMP= CONFIG_VIRTIO_MSG_AMP_PCI=)
	mkdir -p "$module"
	# Copies, as Kbuild writes beside the sources.
	cp -u -t "$module" "$HERE"/ffa/module/*
	run_logged ffa-module "building modules for guests" flock "$BUILD/ffa/lock" \
		make -C "$KDIR" M="$module" "${cross[@]}" \
		KCFLAGS="-I$ROOT/include -I$ROOT/include/uapi" modules
	run_logged ffa-secure "building the secure side" flock "$BUILD/ffa/lock" \
		make -C "$HERE/ffa" O="$BUILD/ffa" secure.elf
	echo "export FFA_IMAGE='$IMAGE' FFA_BUSYBOX='$BUSYBOX' FFA_KO='$ko' FFA_KDIR='$KDIR'" \
		"FFA_MODULE='$module'"
}

name=ffa-guest knobs='' core='' cpus=1 icount='' append='' timeout=60 bios='' qemu=() adds=()
[[ ${KERNEL:-} != debug ]] || timeout=240
while (($#)); do
	case $1 in
	--build)	build; exit ;;
	--knobs)	knobs=$2 ;;
	--core)		core=1; shift; continue ;;
	--cpus)		cpus=$2 ;;
	--icount)	icount=1; shift; continue ;;
	--append)	append+=" $2" ;;
	--bios)		bios=$2 ;;
	--add)		adds+=("$2") ;;
	--qemu)		read -ra words <<<"$2"; qemu+=("${words[@]}") ;;
	--timeout)	timeout=$2 ;;
	--name)		name=$2 ;;
	-h|--help)	usage; exit 0 ;;
	-*)		usage >&2; die "no such option: $1" ;;
	*)		break ;;
	esac
	(($# > 1)) || die "$1 needs a value"
	shift 2
done
(($#)) || { usage >&2; exit 1; }
if [[ ! ${FFA_IMAGE:-} ]]; then
	built=$(build)
	eval "$built"
fi

dir=$(mktemp -d "${TMPDIR:-/tmp}/virtio-msg-ffa.XXXXXX")
# shellcheck disable=SC2317 # trap calls it
finish() {
	for log in console secure; do
		[[ ! -e $dir/$log ]] || mv "$dir/$log" "$LOGS/$name.$log"
	done
	rm -rf "$dir"
}
trap finish EXIT
root=$dir/root

modules=$root/lib/modules/$(<"$FFA_KDIR/include/config/kernel.release")
mkdir -p "$root"/{bin,dev,mnt,proc,sys,tmp} "$modules"
cp "$FFA_BUSYBOX" "$root/bin/busybox"
cp -t "$modules" "$FFA_KO"/virtio_msg{,_ffa}.ko "$FFA_MODULE"/*.ko \
	"$FFA_KDIR"/modules.{order,builtin*}
PATH=$PATH:/sbin:/usr/sbin depmod -b "$root" "${modules##*/}"
cp "$HERE/ffa/guest.sh" "$root/guest.sh"
for a in "${adds[@]}"; do
	cp "${a%%:*}" "$root${a#*:}"
done
printf '%s\n' "$*" >"$root/command"
# There is one serial line. The kernel is quiet while COMMAND has it, unless it
# panics, and says afterwards what it had to say.
cat >"$root/init" <<'END'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
mount -t debugfs debug /sys/kernel/debug
stty -F /dev/ttyAMA0 raw -echo
exec >/dev/ttyAMA0 2>&1 </dev/null
dmesg -n 1
cd /tmp
echo "@begin"
sh -c '. /guest.sh; . /command && sound'
echo "@exit $?"
dmesg
poweroff -f
END
chmod 755 "$root/init"
(cd "$root" && find . -print0 | cpio -0 -o -H newc --quiet -R 0:0) >"$dir/initramfs"

# The core of the devices comes after those of Linux, which leaves it alone.
smp=$cpus
if [[ $core ]]; then
	knobs+=" core=$cpus"
	smp=$((cpus + 1))
fi
start="vmsg.start"
for k in $knobs; do
	start+=" vmsg.$k"
done
linux="console=ttyAMA0 mem=480M nr_cpus=$cpus panic=-1 oops=panic panic_on_warn=1"
linux+=" sysctl.kernel.hung_task_timeout_secs=20 sysctl.kernel.hung_task_panic=1"
linux+=" suspend.pm_test_delay=0 initrd=0x48000000,$(stat -c %s "$dir/initramfs")"
machine=virt,virtualization=on,gic-version=3
boot=(-kernel "$BUILD/ffa/secure.elf")
if [[ $bios ]]; then
	machine+=,secure=on
	# The kernel comes from the loader; without this there is no command line.
	boot=(-bios "$bios" -kernel "$FFA_IMAGE")
fi
args=(-nodefaults -no-user-config -display none -no-reboot -net none -m 512M
	-M "$machine" -cpu cortex-a57 -smp "$smp" "${boot[@]}")
if [[ $icount ]]; then
	args+=(-accel tcg -icount "shift=0,sleep=off")
else
	args+=(-accel "tcg,thread=multi")
fi
rc=0
timeout --foreground -k 5 "$timeout" qemu-system-aarch64 "${args[@]}" \
	-device "loader,file=$FFA_IMAGE,addr=0x40200000,force-raw=on" \
	-device "loader,file=$dir/initramfs,addr=0x48000000,force-raw=on" \
	-append "$start $linux$append" \
	-chardev "file,id=secure,path=$dir/secure" \
	-semihosting-config "enable=on,target=native,chardev=secure" \
	-chardev "stdio,id=out,signal=off" -serial chardev:out -monitor none \
	"${qemu[@]}" </dev/null |
	tee "$dir/console" |
	sed -u -n '/^@begin/,/^@exit/p' |
	sed -u '/^@begin\r\?$/d; /^@exit [0-9]*\r\?$/d' || rc=$?

status=$(sed -n 's/^@exit \([0-9]*\)\r\?$/\1/p' "$dir/console" | tail -n 1)
[[ ! $status ]] || exit "$status"
{
	if ((rc == 124 || rc == 137)); then
		echo "the guest did not finish within $timeout s and was stopped"
	else
		echo "the guest died (exit status $rc)"
	fi
	echo "   the end of its console:"
	tail -n 12 "$dir/console" | tr -d '\r' | sed 's/^/   | /'
	echo "   the whole console: $LOGS/$name.console, the secure side: $LOGS/$name.secure"
} >&2
exit 125
