#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
. "$(dirname "$0")/lib.sh"

usage() {
	cat <<'END'
guest.sh [OPTION...] COMMAND...: boots a kernel in QEMU with an initramfs made
for the purpose, runs COMMAND there by its shell (busybox), and powers off. What
COMMAND prints comes out here; the exit status is its own, or 125 if the guest
died before the end: then the end of its console is shown.

  what is inside
    --mod NAME        a module of the kernel and all that it needs, for modprobe
    --ko FILE         a module of ours, for modprobe
    --bin FILE        a program, with its libraries, into /usr/bin
    --add SRC:DST     a file or a folder
    --self            the kernel, as /boot/kernel
  the machine
    --mem SIZE        (512M)        --cpus N       (2)
    --machine TYPE    (q35)         --timeout SEC  (120)
    --append ARGS     more for the kernel command line
    --qemu ARGS       more for QEMU, split at blanks
    --icount          time is the number of instructions: 1 us = 1000 (one CPU)
    --stdin           COMMAND reads what guest.sh reads
    --reboot          the guest may reboot, and COMMAND is then run again
    --kernel FILE     another kernel than the stock one
    --modroot DIR     its modules: DIR/lib/modules/VERSION (INSTALL_MOD_PATH)
    --name NAME       names the log files (guest)
END
}

name=guest kernel='' modroot='' mem=512M cpus=2 machine=q35 timeout=120 append='' icount=''
input=/dev/null reboot=-no-reboot self=''
mods=() kos=() bins=() adds=() qemu=()
while (($#)); do
	case $1 in
	--mod)		mods+=("$2") ;;
	--ko)		kos+=("$2") ;;
	--bin)		bins+=("$2") ;;
	--add)		adds+=("$2") ;;
	--mem)		mem=$2 ;;
	--cpus)		cpus=$2 ;;
	--machine)	machine=$2 ;;
	--timeout)	timeout=$2 ;;
	--append)	append+=" $2" ;;
	--qemu)		read -ra words <<<"$2"; qemu+=("${words[@]}") ;;
	--icount)	icount=1; shift; continue ;;
	--self)		self=1; shift; continue ;;
	--stdin)	input=/dev/ttyS1; shift; continue ;;
	--reboot)	reboot=''; shift; continue ;;
	--kernel)	kernel=$2 ;;
	--modroot)	modroot=$2 ;;
	--name)		name=$2 ;;
	-h|--help)	usage; exit 0 ;;
	-*)		usage >&2; die "no such option: $1" ;;
	*)		break ;;
	esac
	(($# > 1)) || die "$1 needs a value"
	shift 2
done
(($#)) || { usage >&2; exit 1; }

need_packages "${NEEDS_GUEST[@]}"
if [[ $kernel ]]; then
	[[ -e $kernel ]] || die "there is no kernel $kernel"
	[[ $modroot || ! ${mods[*]}${kos[*]} ]] ||
		die "modules for $kernel? say --modroot DIR, with DIR/lib/modules/VERSION"
	VMLINUZ=$kernel MODROOT=$modroot KVER=$(basename "$modroot"/lib/modules/*)
else
	eval "$("$HERE/kernels.sh" stock)"
fi

dir=$(mktemp -d "${TMPDIR:-/tmp}/virtio-msg-guest.XXXXXX")
# The logs of the last run stay; until it ends they are its own.
# shellcheck disable=SC2317 # trap calls it
finish() {
	for log in console out qemu; do
		[[ ! -e $dir/$log ]] || mv "$dir/$log" "$LOGS/$name.$log"
	done
	rm -rf "$dir"
}
trap finish EXIT
root=$dir/root

# --- the initramfs ------------------------------------------------------------

# install_bin FILE DESTINATION: a program and the libraries it wants.
install_bin() {
	local file
	file=$(PATH=$PATH:/usr/sbin:/sbin command -v "$1") ||
		die "no program $1 to put into the guest"
	install -D -m 755 "$file" "$root$2/$(basename "$1")"
	{ ldd "$file" 2>/dev/null || true; } | sed -n 's,^[^/]*\(/[^ ]*\).*,\1,p' |
		while read -r lib; do
			[[ -e $root$lib ]] || install -D "$lib" "$root$lib"
		done
}

# One module and what it depends on, as modules.dep has it ("-" and "_" are one).
install_mod() {
	local f deps re="/${1//[-_]/[-_]}[.]ko" tree=$MODROOT/lib/modules/$KVER
	grep -qsE "$re" "$tree/modules.builtin" && return 0
	deps=$(awk -v "re=$re" -F: '$1 ~ re { print $1, $2 }' "$tree/modules.dep")
	[[ $deps ]] || die "the stock kernel has no module $1"
	for f in $deps; do
		[[ ! -e $root/lib/modules/$KVER/${f%.xz} ]] || continue
		install -D -m 644 "$tree/$f" "$root/lib/modules/$KVER/$f"
		[[ $f != *.xz ]] || xz -d "$root/lib/modules/$KVER/$f"
	done
}

mkdir -p "$root"/{bin,dev,proc,sys,tmp,root,run,mnt,etc,usr/bin}
install_bin busybox /bin
for m in "${mods[@]}"; do
	install_mod "$m"
done
for m in "${kos[@]}"; do
	install -D -m 644 -t "$root/lib/modules/$KVER/extra" "$m"
done
if [[ -d $root/lib/modules ]]; then
	cp -t "$root/lib/modules/$KVER" "$MODROOT/lib/modules/$KVER"/modules.{order,builtin*}
	PATH=$PATH:/sbin:/usr/sbin depmod -b "$root" "$KVER"
fi
for b in "${bins[@]}"; do
	install_bin "$b" /usr/bin
done
for a in "${adds[@]}"; do
	mkdir -p "$root$(dirname "${a#*:}")"
	cp -rL "${a%%:*}" "$root${a#*:}"
done
[[ ! $self ]] || install -D -m 644 "$VMLINUZ" "$root/boot/kernel"
printf '%s\n' "$*" >"$root/command"
ln -s "$input" "$root/input"

# The console (ttyS0) is the kernel's; COMMAND gets a serial line of its own,
# so that no kernel message ends up inside a line of it.
cat >"$root/init" <<'END'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/usr/bin:/bin HOME=/root
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/shm /dev/pts
mount -t tmpfs tmp /tmp
mount -t tmpfs shm /dev/shm
mount -t debugfs debug /sys/kernel/debug
ip link set lo up 2>/dev/null
exec 3>/dev/ttyS1
stty -F /dev/ttyS1 raw -echo
cd /root
sh /command </input >&3 2>&1
echo "@exit $?" >&3
exec 3>&-
sync
poweroff -f
END
chmod 755 "$root/init"
(cd "$root" && find . -print0 | cpio -0 -o -H newc --quiet -R 0:0) >"$dir/initramfs"

# --- the machine ----------------------------------------------------------------

args=(-nodefaults -no-user-config -display none -m "$mem" -M "$machine"
	${reboot:+"$reboot"})
[[ $input == /dev/ttyS1 ]] || exec </dev/null
# Never kvm: /dev/kvm may open and still not run a kernel (nested, para-virtual).
if [[ $icount ]]; then
	args+=(-accel tcg -icount "shift=0,sleep=off" -smp 1 -cpu "max,-erms,-fsrm")
else
	args+=(-accel "tcg,thread=multi" -smp "$cpus" -cpu max)
fi
rc=0
timeout --foreground -k 5 "$timeout" qemu-system-x86_64 "${args[@]}" \
	-kernel "$VMLINUZ" -initrd "$dir/initramfs" \
	-append "console=ttyS0 panic=-1 oops=panic$append" \
	-chardev "file,id=console,path=$dir/console" -serial chardev:console \
	-chardev "stdio,id=out,signal=off" -serial chardev:out -monitor none \
	"${qemu[@]}" 2>"$dir/qemu" |
	tee "$dir/out" | sed -u '/^@exit [0-9]*$/d' || rc=$?

status=$(sed -n 's/^@exit \([0-9]*\)$/\1/p' "$dir/out" | tail -n 1)
[[ ! $status ]] || exit "$status"

# The guest did not get to the end.
{
	if ((rc == 124 || rc == 137)); then
		echo "the guest did not finish within $timeout s and was stopped"
	else
		echo "the guest died (QEMU's exit status: $rc)"
	fi
	# From the first complaint of the kernel on, if there is one.
	first=$(grep -nE -m 1 'Kernel panic|BUG:|Oops|WARNING:|rcu.*stall' "$dir/console" || true)
	first=${first%%:*}
	echo "   the end of its console:"
	if [[ $first ]]; then
		tail -n "+$first" "$dir/console" | head -n 60
	else
		tail -n 40 "$dir/console"
	fi | tr -d '\r' | sed 's/^/   | /'
	sed 's/^/   | qemu: /' "$dir/qemu"
	echo "   the whole console: $LOGS/$name.console"
} >&2
exit 125
