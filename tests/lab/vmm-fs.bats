#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Files of the host in a Linux guest: virtio-fs, served by the distribution's virtiofsd.

# shellcheck disable=SC2030,SC2031,SC2154 # shared with vmm.bash
load ../lib/vmm

# serve_files: its process is $daemon.
serve_files()
{
	local program

	mkdir "$dir/share"
	for program in /usr/libexec/virtiofsd /usr/lib/qemu/virtiofsd; do
		[ ! -x "$program" ] || break
	done
	case $program in
	*/qemu/*) set -- -o source="$dir/share" -o cache=auto ;;
	*) set -- --shared-dir="$dir/share" --cache=auto ;;
	esac
	"$program" --socket-path="$dir/fs" "$@" </dev/null >"$dir/virtiofsd.log" 2>&1 3>&- &
	daemon=$!
	vmm_wait test -S "$dir/fs"
}

# guest SCRIPT: an initrd whose first process mounts the share and runs it.
guest()
{
	cat >"$dir/init" <<-E
		#!/bin/busybox sh
		/bin/busybox mkdir -p /bin /proc /dev /mnt
		/bin/busybox --install -s /bin
		mount -t proc proc /proc
		mount -t devtmpfs dev /dev
		while read -r m; do insmod /modules/\$m; done </modules.list
		exec >/dev/hvc0 2>&1 </dev/hvc0
		mount -t virtiofs share /mnt && cd /mnt && $1
		echo "status \$?"
		poweroff -f
	E
	chmod +x "$dir/init"
	vmm_initrd "$dir/initrd" init="$dir/init" bin/busybox=/bin/busybox -- \
		"${vmm_modules[@]}" fuse virtiofs
}

@test "virtio-fs: a guest without a kernel reads and writes a file" {
	serve_files
	python3 - "$dir/share/hello" <<-'EOT'
		import sys
		with open(sys.argv[1], "wb") as f:
		    f.write(bytes((i * 7 + (i >> 9)) & 255 for i in range(100000)))
	EOT
	"$KATA_BUILD/vmm/kata-vmm" --kernel "$KATA_BUILD/tests/guests/guest-fs" --memory 64 --debug \
		--console none --shared-memory --fs "$dir/fs,tag=share" >"$dir/vmm.log" 2>&1 3>&- &
	vmm=$!
	vmm_end 0
	grep -q "ok - fs: a file of the host is read" "$dir/vmm.log"
	grep -q "ok - fs: and written" "$dir/vmm.log"
	[ "$(head -n 1 "$dir/share/hello")" = "hello, host!" ]
	[ "$(stat -c %s "$dir/share/hello")" = 100000 ]
	vmm_wait eval "! kill -0 $daemon 2>/dev/null"
}

@test "virtio-fs: a tree is read, written and renamed, and both sides see the same" {
	serve_files
	head -c 1000000 /dev/urandom >"$dir/share/big"
	mkdir "$dir/share/many"
	for ((i = 0; i < 60; i++)); do echo "$i" >"$dir/share/many/$i"; done
	ln -s big "$dir/share/link"
	cat >"$dir/share/run" <<-'E'
		set -e
		[ "$(cat link | sha256sum)" = "$(sha256sum <big)" ]
		cp big copy
		sync
		[ "$(ls many | wc -l)" = 60 ]
		cat many/* | sort -n | sha256sum >sum
		mv many moved
		for i in $(seq 300 320); do echo $i >moved/$i; done
		rm moved/1*
		mkdir -p a/b/c; echo deep >a/b/c/file; ln a/b/c/file hard; chmod 640 hard
		dd if=big of=sparse bs=1000 count=1 seek=5000 2>/dev/null
		! cat nothing 2>/dev/null
		! rmdir a 2>/dev/null
	E
	guest '. ./run'
	vmm_start --initrd "$dir/initrd" --memory 256 --shared-memory --fs "$dir/fs,tag=share"
	vmm_end 0
	grep -q 'status 0' "$dir/console" || { cat "$dir/console"; false; }
	cmp "$dir/share/big" "$dir/share/copy"
	[ "$(cat "$dir/share/sum")" = "$(seq 0 59 | sha256sum)" ]
	[ "$(find "$dir/share/moved" -type f | wc -l)" = "$({ seq 0 59; seq 300 320; } | grep -vc '^1')" ]
	[ "$(stat -c %a:%h "$dir/share/a/b/c/file")" = 640:2 ]
	[ "$(stat -c %s "$dir/share/sparse")" = 5001000 ]
	# With the machine its server ends.
	vmm_wait eval "! kill -0 $daemon 2>/dev/null"
}

@test "virtio-fs: the server is killed: the device stops, the machine lives" {
	serve_files
	guest 'while echo "alive $((i += 1))"; do sleep 0.1; done'
	vmm_start --initrd "$dir/initrd" --memory 256 --shared-memory --fs "$dir/fs,tag=share"
	vmm_wait grep -q 'alive 3' "$dir/console"
	kill -9 "$daemon"
	vmm_wait grep -q 'fs .* stopped: its server is gone' "$dir/vmm.log"
	last=$(grep -c alive "$dir/console")
	more() { [ "$(grep -c alive "$dir/console")" -gt $((last + 3)) ]; }
	vmm_wait more
	[ "$(grep -c stopped "$dir/vmm.log")" = 1 ]
	kill -TERM "$vmm"
	vmm_end 6
}
