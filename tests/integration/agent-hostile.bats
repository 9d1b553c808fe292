# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154,SC2016 # agent.bash and bats' run set them; sh expands
#
# The agent as a local process: root file systems that are made to hurt it.

load agent

@test "hostile: every mount point is a link that leads out" {
	outside=$BATS_TEST_TMPDIR/outside
	mkdir -p "$outside"/{proc,sys,dev,etc}
	echo untouched >"$outside/etc/passwd"
	find "$outside" -exec stat -c '%n %a %s' {} + >"$BATS_TEST_TMPDIR/was"
	rm -rf "${rootfs:?}"/{proc,sys,dev}
	for dir in proc sys dev; do
		ln -s "../../../../../../../../../../../../..$outside/$dir" "$rootfs/$dir"
	done
	rm -rf "${rootfs:?}/etc"
	ln -s "$outside/etc" "$rootfs/etc"
	# What the kernel tells is mounted on no link at all.
	for dir in proc sys; do
		run -125 oci_run -- true
		[[ $output == *"/$dir: it must be mounted on ordinary directory"* ]]
		rm "$rootfs/$dir"
		mkdir "$rootfs/$dir"
	done
	run -0 oci_run '{"linux": {"maskedPaths": ["/proc/kcore", "/sys/firmware", "/etc/passwd"],
		"readonlyPaths": ["/proc/sys", "/etc"]}, "process": {"terminal": true}}' -- \
		sh -c 'ls -d /proc/self && test -c /dev/null && test -c /dev/console && echo inside'
	[[ $output == *inside* ]]
	run -0 oci_run '{"mounts": ["+", {"destination": "/etc/new/file", "type": "bind",
		"source": "/etc/hostname", "options": ["bind", "ro"]}]}' -- cat /etc/new/file
	find "$outside" -exec stat -c '%n %a %s' {} + | cmp - "$BATS_TEST_TMPDIR/was"
	[ "$(agent_mounts)" = "$mounts" ]
}

@test "hostile: links that change while they are walked" {
	outside=$BATS_TEST_TMPDIR/outside
	mkdir -p "$outside" "$rootfs/race"
	# The one who races is as fast as can be, for a while.
	python3 - "$rootfs" "$outside" <<-'EOF' &
		import ctypes
		import os
		import sys
		import time
		root, outside = sys.argv[1:]
		race, evil = (os.fsencode(root + name) for name in ("/race", "/evil"))
		os.symlink("../" * 20 + outside, evil)
		libc = ctypes.CDLL(None, use_errno=True)
		end = time.time() + 20
		while time.time() < end and not os.path.exists(root + "/stop"):
		    for _ in range(1000):  # RENAME_EXCHANGE
		        assert libc.renameat2(-100, race, -100, evil, 2) == 0
	EOF
	for _ in {1..25}; do
		# It may fail, for the place is gone at times; it may not get out.
		call run c1 --rootfs "$rootfs" --mount tmpfs:tmpfs:/race/deep/er --mount "bind:/etc/hostname:/race/file:bind" \
			--mask /race/deep --read-only-path /race --device c:/race/null:1:3 -- true || :
	done
	touch "$rootfs/stop"
	wait $!
	[ -z "$(find "$outside" -mindepth 1)" ]
	[ "$(agent_mounts)" = "$mounts" ]
}

@test "hostile: /proc, /dev and the accounts are something else" {
	rmdir "$rootfs/proc"
	echo file >"$rootfs/proc"
	run -125 oci_run -- true
	[[ $output == *"/proc: it must be mounted on ordinary directory"* ]]
	rm "$rootfs/proc"
	mkdir "$rootfs/proc"
	for trick in 'mkfifo' 'mknod_zero' 'mkdir' 'loop' 'huge'; do
		rm -rf "$rootfs/etc/passwd" "$rootfs/etc/group"
		case $trick in
		mkfifo) mkfifo "$rootfs/etc/passwd" "$rootfs/etc/group" ;;
		mknod_zero) mknod "$rootfs/etc/passwd" c 1 5 && mknod "$rootfs/etc/group" c 1 5 ;;
		mkdir) mkdir "$rootfs/etc/passwd" "$rootfs/etc/group" ;;
		loop) ln -s group "$rootfs/etc/passwd" && ln -s passwd "$rootfs/etc/group" ;;
		huge) truncate -s 8G "$rootfs/etc/passwd" "$rootfs/etc/group" ;;
		esac
		run -0 oci_run '{"process": {"user": {"uid": 7, "gid": 8}}}' -- sh -c 'echo $HOME; grep ^Uid /proc/self/status'
		[ "$output" = $'/\nUid:\t7\t7\t7\t7' ]
		refused ENOENT 'no user "root"' in_container --user-name root
	done
	# Nodes that are none, in a /dev that belongs to the image.
	for trick in 'echo x >' 'mkfifo' 'mkdir' 'ln -s /etc'; do
		rm -rf "$rootfs/dev/null"
		eval "$trick $rootfs/dev/null"
		run -125 in_container --bare --mount proc:proc:/proc --mask /etc/hostname
		[[ $output == *"device /dev/null: there is something else already"* ]]
	done
	rm -rf "$rootfs/dev/null"
	mknod "$rootfs/dev/null" c 1 3
	chmod 000 "$rootfs/dev/null"
	run -0 in_container --bare --mount proc:proc:/proc -- stat -c %a /dev/null
	[ "$output" = 666 ]
}

@test "hostile: names and paths that are too long" {
	long=$(printf 'a%.0s' {1..255})
	path=
	for _ in {1..15}; do path+=/$long; done # 3840 bytes
	run -0 in_container --mount "tmpfs:tmpfs:$path" -- grep -c aaaa /proc/mounts
	for bad in "/a$long" "$path/$long"; do
		run -125 in_container --mount "tmpfs:tmpfs:$bad"
		[[ $output == *"File name too long"* ]]
		run -125 in_container --mount "bind:/etc/hostname:$bad:bind"
		run -125 in_container --mask "$bad"
		run -125 in_container --cwd "$bad"
	done
	run -125 in_container --device "c:/a$long:1:3"
	run -125 in_container -- "$path/$long"
	ln -s "$path" "$rootfs/to-long" 2>/dev/null
	run -125 in_container --mount "tmpfs:tmpfs:/to-long/$long$long"
	run -125 in_container --hostname "$long"
	run -0 in_container -- echo fine
	[ "$(agent_mounts)" = "$mounts" ]
}
