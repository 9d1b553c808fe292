#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Roots for machines that share no files with the host: disks made of what the engine
# mounted.

# shellcheck disable=SC2016,SC2034,SC2154 # for inner shells; shared with common.bash
KATA_TEST_HYPERVISOR=qemu
load common

# config [KEY=VALUE…]: there is no virtiofsd to be started.
config()
{
	container_config "$KATA_CONFIG" qemu shared_fs='"none"' block_device_driver='"virtio-scsi"' "$@"
	sed -i 's|^virtio_fs_daemon = .*|virtio_fs_daemon = "/nowhere/virtiofsd"|' "$KATA_CONFIG"
}

# image ROOTFS [COMMAND…]: what becomes of it, in a cache of the test's own.
image()
{
	timeout 60 "$KATA_BUILD/tests/integration/sandbox/root-image" "$BATS_TEST_TMPDIR/images" \
		"$BATS_TEST_TMPDIR/writable" "$1" 1000 memory "${@:2}"
}

# same IMAGE DIRECTORY: what Linux sees in the one is what lies in the other.
same()
{
	local status=0

	mkdir -p "$BATS_TEST_TMPDIR/seen"
	mount -t erofs -o ro,loop "$1" "$BATS_TEST_TMPDIR/seen" || return
	"$BATS_TEST_DIRNAME/same_tree.py" "$2" "$BATS_TEST_TMPDIR/seen" || status=$?
	umount "$BATS_TEST_TMPDIR/seen"
	fsck.erofs "$1" || status=$?
	return "$status"
}

@test "the image of a directory is that directory: links, attributes, holes, devices, odd names" {
	mkdir "$BATS_TEST_TMPDIR/tree"
	"$BATS_TEST_DIRNAME/odd_tree.py" "$BATS_TEST_TMPDIR/tree"
	run -0 image "$BATS_TEST_TMPDIR/tree"
	[[ ${lines[0]} == "erofs $BATS_TEST_TMPDIR/images/"*.erofs ]]
	same "${lines[0]#* }" "$BATS_TEST_TMPDIR/tree"
	# A hole of five gigabytes takes no room.
	[ "$(du -m "${lines[0]#* }" | cut -f 1)" -lt 40 ]
}

@test "the image of layers is what their overlay shows: whiteouts, opaque directories" {
	local d=$BATS_TEST_TMPDIR/o

	mkdir "$d"
	mount -t tmpfs tmpfs "$d"
	mkdir -p "$d"/{1,2,3,w2,w3,m,up,work}
	"$BATS_TEST_DIRNAME/odd_tree.py" "$d/1"
	# Two layers, as an engine has them written.
	mount -t overlay o -o "lowerdir=$d/1,upperdir=$d/2,workdir=$d/w2" "$d/m"
	rm "$d/m/a/x" "$d/m/link"
	rm -r "$d/m/many"
	mkdir "$d/m/many"
	echo new >"$d/m/many/new"
	chmod 700 "$d/m/a/b"
	umount "$d/m"
	mount -t overlay o -o "lowerdir=$d/2:$d/1,upperdir=$d/3,workdir=$d/w3" "$d/m"
	mv "$d/m/big" "$d/m/bigger"
	echo again >"$d/m/a/x"
	umount "$d/m"
	mount -t overlay o -o "lowerdir=$d/3:$d/2:$d/1,upperdir=$d/up,workdir=$d/work" "$d/m"
	run -0 image "$d/m"
	[ "${#lines[@]}" = 1 ]
	same "${lines[0]#* }" "$d/m"
	lower=${lines[0]}
	# What is written now is a layer of its own, with its whiteouts.
	rm "$d/m/bigger"
	rm -r "$d/m/many"
	mkdir "$d/m/many"
	run -0 image "$d/m"
	[ "${lines[1]}" = "$lower" ]
	mkdir "$d/x" "$d/y" "$d/z"
	mount -t erofs -o ro,loop "${lines[0]#* }" "$d/x"
	mount -t erofs -o ro,loop "${lines[1]#* }" "$d/y"
	mount -t overlay o -o "ro,lowerdir=$d/x:$d/y" "$d/z"
	"$BATS_TEST_DIRNAME/same_tree.py" "$d/m" "$d/z"
	umount "$d/z" "$d/x" "$d/y" "$d/m"
	umount "$d"
}

@test "a container without shared files: what it writes outlives it, below it all is read-only" {
	config
	container_bundle "$bundle" -- sh -c 'head -n 1 /proc/mounts; echo run >>/etc/runs; cat /etc/runs; ls /etc; rm -f /etc/gone'
	echo gone >"$bundle/rootfs/etc/gone"
	run -0 --separate-stderr kata run --bundle "$bundle" "$id"
	[[ ${lines[0]} == "overlay / overlay rw,"* ]]
	[ "${output#*$'\n'}" = $'run\ngone\ngroup\npasswd\nruns' ]
	[ ! -e "$bundle/rootfs/etc/runs" ]
	# The same root again, in which a file changed with its size and time kept.
	touch -r "$bundle/rootfs/etc/group" "$BATS_TEST_TMPDIR/time"
	sed -i s/demo/omed/ "$bundle/rootfs/etc/group"
	touch -r "$BATS_TEST_TMPDIR/time" "$bundle/rootfs/etc/group"
	container_bundle "$bundle" -- sh -c 'cat /etc/runs; ls /etc; grep -c omed /etc/group'
	run -0 --separate-stderr kata run --bundle "$bundle" "$id"
	[ "$output" = $'run\ngroup\npasswd\nruns\n1' ]
	[ ! -e "/run/kata-containers/shared/sandboxes/$id" ]
	# In memory nothing lasts.
	config runtime.rootfs_writable='"memory"'
	rm -rf /var/lib/kata-containers/writable
	container_bundle "$bundle" -- sh -c 'echo run >>/etc/runs; cat /etc/runs'
	run -0 --separate-stderr kata run --bundle "$bundle" "$id"
	[ "$output" = run ]
	[ ! -e /var/lib/kata-containers/writable ]
}
