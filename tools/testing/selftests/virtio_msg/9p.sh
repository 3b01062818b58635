#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# kernel: kinds
#
# virtio-9p over the loopback bus: this machine is the guest, which mounts, and
# the host, whose folder it is.

. ./lib.sh

begin() {
	mkdir -p "$TMP/host/in" "$TMP/mnt"
	echo secret >"$TMP/host/secret"
	start fs --9p "path=$TMP/host/in,tag=vmsg$1" &&
		wait_for device fs 0 >/dev/null &&
		wait_for [ -e "$(device fs 0)/driver" ] &&
		mount -t 9p -o trans=virtio,version=9p2000.L vmsg "$TMP/mnt"
}

files() {
	random_file "$TMP/mnt/random" 200 &&
		cmp "$TMP/mnt/random" "$TMP/host/in/random" &&
		random_file "$TMP/host/in/other" 100 &&
		cmp "$TMP/mnt/other" "$TMP/host/in/other" &&
		echo more >>"$TMP/mnt/other" &&
		same "the end" "$(tail -c 5 "$TMP/host/in/other")" more &&
		chmod 640 "$TMP/mnt/other" &&
		same mode "$(stat -c %a "$TMP/host/in/other")" 640 &&
		truncate -s 10 "$TMP/mnt/other" &&
		same size "$(stat -c %s "$TMP/host/in/other")" 10 &&
		touch -d @1000000 "$TMP/mnt/other" &&
		same time "$(stat -c %Y "$TMP/host/in/other")" 1000000 &&
		rm "$TMP/mnt/other" && [ ! -e "$TMP/host/in/other" ]
}

# What was written is what comes back after all caches have gone.
large_file() {
	random_file "$TMP/large" 2000 && cp "$TMP/large" "$TMP/mnt/large" &&
		large_sum=$(md5sum <"$TMP/large") && umount "$TMP/mnt" &&
		same "checksum on the host" "$(md5sum <"$TMP/host/in/large")" "$large_sum" &&
		mount -t 9p -o trans=virtio,version=9p2000.L,msize=65536 vmsg "$TMP/mnt" &&
		same checksum "$(md5sum <"$TMP/mnt/large")" "$large_sum"
}

folders() {
	mkdir -p "$TMP/mnt/a/b/c" && [ -d "$TMP/host/in/a/b/c" ] || return 1
	for folders_turn in $(seq 100); do
		: >"$TMP/mnt/a/b/file-with-a-long-name-$folders_turn"
	done
	same "number of files" "$(find "$TMP/mnt/a/b" -type f | wc -l)" 100 &&
		same "the same on the host" "$(find "$TMP/host/in/a/b" -type f | wc -l)" 100 &&
		rm -r "$TMP/mnt/a" && [ ! -e "$TMP/host/in/a" ]
}

renames() {
	mkdir "$TMP/mnt/x" "$TMP/mnt/y" && echo 1 >"$TMP/mnt/x/one" &&
		echo 2 >"$TMP/mnt/y/two" &&
		mv "$TMP/mnt/x/one" "$TMP/mnt/y/two" &&
		same content "$(cat "$TMP/host/in/y/two")" 1 &&
		mv "$TMP/mnt/y" "$TMP/mnt/x/z" &&
		same content "$(cat "$TMP/host/in/x/z/two")" 1 &&
		ln "$TMP/mnt/x/z/two" "$TMP/mnt/x/hard" &&
		same links "$(stat -c %h "$TMP/host/in/x/hard")" 2 &&
		rm -r "$TMP/mnt/x"
}

# Where a link leads is the guest's matter: never out of the folder on the host.
links() {
	ln -s random "$TMP/mnt/soft" &&
		same target "$(readlink "$TMP/host/in/soft")" random &&
		cmp "$TMP/mnt/soft" "$TMP/host/in/random" || return 1
	ln -s ../secret "$TMP/mnt/out"
	ln -s "$TMP/host/secret" "$TMP/host/in/direct"
	ln -s .. "$TMP/host/in/up"
	! cat "$TMP/mnt/out" || fail "there is a way out" || return 1
	! cat "$TMP/mnt/up/secret" || fail "there is a way up" || return 1
	rm "$TMP/mnt/soft" "$TMP/mnt/out" "$TMP/mnt/direct" "$TMP/mnt/up" &&
		same secret "$(cat "$TMP/host/secret")" secret
}

refused() {
	! mknod "$TMP/mnt/null" c 1 3 || fail "a device node was made" || return 1
	[ ! -e "$TMP/host/in/null" ] && mkfifo "$TMP/host/in/fifo" &&
		rm "$TMP/mnt/fifo" && [ ! -e "$TMP/host/in/fifo" ]
}

read_only() {
	umount "$TMP/mnt" && stop fs && begin ,ro &&
		cmp "$TMP/mnt/random" "$TMP/host/in/random" || return 1
	! touch "$TMP/mnt/new" || fail "a file was made" || return 1
	! rm "$TMP/mnt/random" || fail "a file was removed" || return 1
	umount "$TMP/mnt" && stop fs
}

# Nothing can be read any more.
dead() {
	! timeout -s KILL 5 cat "$TMP/mnt/random" >/dev/null
}

# The driver does not end a request that a dead device gives back: whoever waits
# for one has to be killed. All others fail. It goes, and with it the program, as
# soon as nothing is mounted.
kill_mounted() {
	begin || return 1
	dd if=/dev/zero of="$TMP/mnt/endless" bs=64k 2>"$TMP/dd.said" &
	mounted_pid=$!
	echo $mounted_pid >"$TMP/dd.load-pid"
	wait_for [ -s "$TMP/host/in/endless" ] || return 1
	kill -KILL "$(pid fs)"
	wait_for dead || return 1
	kill -KILL $mounted_pid 2>/dev/null
	wait_for ended $mounted_pid || return 1
	rm "$TMP/dd.load-pid" "$TMP/host/in/endless"
	umount -f "$TMP/mnt" && stop fs KILL && nothing_left
}

again() {
	begin && cmp "$TMP/mnt/random" "$TMP/host/in/random" &&
		umount "$TMP/mnt" && stop fs && nothing_left
}

modprobe 9pnet_virtio 2>/dev/null && modprobe 9p 2>/dev/null ||
	grep -q '9p$' /proc/filesystems || skip_all "this kernel has no 9p over virtio"
plan 10 virtio-msg-device
check "a folder is mounted" begin
check "files" files
check "a large file, and after another mount" large_file
check "folders" folders
check "renames and hard links" renames
check "symbolic links, and no way out" links
check "what is refused" refused
check "read-only" read_only
check "SIGKILL while it is mounted and written to" kill_mounted
check "another program serves the same folder" again
