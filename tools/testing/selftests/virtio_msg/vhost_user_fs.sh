#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# kernel: kinds
#
# A shared folder that is a vhost-user back end: virtiofsd. What is done on one
# side is there on the other one.

. ./lib.sh
. ./vhost_user_lib.sh

back() {
	mkdir -p "$TMP/shared"
	run_back fs "$TMP/fs.sock" virtiofsd --socket-path="$TMP/fs.sock" -f \
		-o "source=$TMP/shared" -o sandbox=chroot -o xattr -o cache=none
}

bound() {
	[ -e "$(device fs 0)/driver" ]
}

begin() {
	back && front fs --socket "$TMP/fs.sock" --device fs --tag vmsgfs \
		--timeout-ms 2000 && wait_for bound || return 1
	DEVICE=$(device fs 0)
	NAME=${DEVICE##*/}
	DRIVER=$(readlink -f "$DEVICE/driver")
	mkdir -p "$TMP/mnt" && mount_it
}

mount_it() {
	mount -t virtiofs vmsgfs "$TMP/mnt"
}

files() {
	random_file "$TMP/mnt/there" 5000 && cmp "$TMP/mnt/there" "$TMP/shared/there" &&
		random_file "$TMP/shared/back" 5000 &&
		cmp "$TMP/shared/back" "$TMP/mnt/back" && cp "$TMP/mnt/back" "$TMP/mnt/gone"
}

names() {
	mkdir "$TMP/mnt/dir" && mv "$TMP/mnt/there" "$TMP/mnt/dir/moved" &&
		ln -s dir/moved "$TMP/mnt/link" && ln "$TMP/mnt/back" "$TMP/mnt/hard" &&
		chmod 640 "$TMP/mnt/back" && truncate -s 1000 "$TMP/mnt/dir/moved" &&
		rm "$TMP/mnt/gone" || return 1
	same names "$(cd "$TMP/shared" && find . | sort | tr '\n' ' ')" \
		". ./back ./dir ./dir/moved ./hard ./link " &&
		same mode "$(stat -c %a "$TMP/shared/hard")" 640 &&
		same size "$(stat -c %s -L "$TMP/shared/link")" 1000
}

many() {
	for many_name in $(seq 300); do
		echo "$many_name" >"$TMP/shared/dir/$many_name"
	done
	same number "$(find "$TMP/mnt/dir" -type f | wc -l)" 301 &&
		same sum "$(cat "$TMP/mnt/dir/"[0-9]* | awk '{ n += $1 } END { print n }')" 45150
}

xattrs() {
	setfattr -n user.vmsg -v there "$TMP/mnt/back" &&
		same attribute "$(getfattr --only-values -n user.vmsg "$TMP/shared/back")" there &&
		setfattr -n user.vmsg -v back "$TMP/shared/back" &&
		same attribute "$(getfattr --only-values -n user.vmsg "$TMP/mnt/back")" back &&
		setfattr -x user.vmsg "$TMP/mnt/back" || return 1
	! getfattr -n user.vmsg "$TMP/shared/back" || fail "it is still there"
}

is_back() {
	grep -q 'is there again' "$TMP/fs.log"
}

unbind() {
	umount "$TMP/mnt" && echo "$NAME" >"$DRIVER/unbind" && [ ! -e "$DEVICE/driver" ]
}

bind() {
	echo "$NAME" >"$DRIVER/bind" && mount_it && random_file "$TMP/mnt/a" 900 &&
		cmp "$TMP/mnt/a" "$TMP/shared/a"
}

again() {
	for again_turn in 1 2 3 4 5; do
		unbind && bind || fail "turn $again_turn" || return 1
	done
}

killed() {
	unbind && stop fs.back KILL && back && wait_for is_back && bind
}

end() {
	umount "$TMP/mnt" && stop fs && stop fs.back KILL && nothing_left
}

modprobe virtiofs 2>/dev/null || grep -q virtiofs /proc/filesystems ||
	skip_all "no module virtiofs"
plan 8 virtio-msg-vhost-user virtiofsd setfattr getfattr
check "mount" begin
check "files in both directions" files
check "directories, links, modes and sizes" names
check "300 files" many
check "extended attributes" xattrs
check "5 times unbind and bind" again
check "back end killed and restarted" killed
check "nothing is left" end
