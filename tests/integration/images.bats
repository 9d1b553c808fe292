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
	# For whoever looks on the host; the container does not see it.
	rm -f "$2"/.wh*
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
	rm -f "$d/m"/.wh*
	"$BATS_TEST_DIRNAME/same_tree.py" "$d/m" "$d/z"
	umount "$d/z" "$d/x" "$d/y" "$d/m"
	umount "$d"
}

@test "the image of layers whose files lean on those below: metacopy, redirect_dir" {
	local d=$BATS_TEST_TMPDIR/o

	mkdir "$d"
	mount -t tmpfs tmpfs "$d"
	mkdir -p "$d"/{1/dir/sub,2,up,m,w2,work}
	head -c 100000 /dev/urandom >"$d/1/big"
	echo below >"$d/1/dir/sub/file"
	# In both layers, that of the image and that of the engine: a file of which only the
	# attributes were copied up, and a directory that was renamed.
	mount -t overlay o -o "lowerdir=$d/1,upperdir=$d/2,workdir=$d/w2,metacopy=on,redirect_dir=on" "$d/m"
	chmod 600 "$d/m/big"
	mv "$d/m/dir" "$d/m/moved"
	umount "$d/m"
	[ "$(du -k "$d/2/big" | cut -f 1)" = 0 ]
	mount -t overlay o -o "lowerdir=$d/2:$d/1,upperdir=$d/up,workdir=$d/work,metacopy=on,redirect_dir=on" "$d/m"
	run -0 image "$d/m"
	[ "${#lines[@]}" = 1 ]
	same "${lines[0]#* }" "$d/m"
	chown 12:34 "$d/m/big"
	mv "$d/m/moved/sub" "$d/m/again"
	echo engine >"$d/m/again/engine"
	run -0 image "$d/m"
	# All layers together: those of the engine alone would have files without content.
	[ "${#lines[@]}" = 1 ]
	same "${lines[0]#* }" "$d/m"
	umount "$d/m"
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

# mounts SOURCE:DESTINATION[:ro]…: of the bundle's container.
mounts()
{
	python3 - "$bundle/config.json" "$@" <<-'E'
		import json, sys
		spec = json.load(open(sys.argv[1]))
		for m in sys.argv[2:]:
		    source, destination, *options = m.split(":")
		    spec["mounts"].append({"type": "bind", "source": source, "destination": destination,
		                           "options": ["rbind"] + options})
		json.dump(spec, open(sys.argv[1], "w"))
	E
}

@test "volumes without shared files: copied in, kept fresh where Kubernetes changes them" {
	local v=$BATS_TEST_TMPDIR/volumes/kubernetes.io~secret/s e=$BATS_TEST_TMPDIR/volumes/kubernetes.io~empty-dir/e

	mkdir -p "$v/..1" "$e" "$BATS_TEST_TMPDIR/dir/sub"
	chmod 711 "$e"
	echo one >"$v/..1/password"
	ln -s ..1 "$v/..data"
	ln -s ..data/password "$v/password"
	echo name >"$BATS_TEST_TMPDIR/hostname"
	head -c 3000000 /dev/urandom >"$BATS_TEST_TMPDIR/dir/sub/large"
	chmod 604 "$BATS_TEST_TMPDIR/dir/sub/large"
	chown 12:34 "$BATS_TEST_TMPDIR/dir/sub/large" "$BATS_TEST_TMPDIR/dir/sub"
	config
	container_bundle "$bundle" -- sh -c 'cat /etc/hostname /s/password; stat -c "%a %u %g" /d /d/sub /d/sub/large /e
		md5sum </d/sub/large; echo x 2>&1 >/d/new; echo changed >/etc/hostname; echo x >/e/x
		until grep -q two /s/password; do sleep 0.2; done; cat /s/password; cat /s/..1/password'
	mounts "$BATS_TEST_TMPDIR/hostname:/etc/hostname" "$v:/s" "$BATS_TEST_TMPDIR/dir:/d:ro" "$e:/e"
	kata create --bundle "$bundle" "$id" </dev/null >>"$bundle.out" 2>&1
	kata start "$id"
	wait_for 30 grep -q one "$bundle.out"
	# As the kubelet does it.
	mkdir "$v/..2"
	echo two >"$v/..2/password"
	ln -s ..2 "$v/..tmp"
	mv -T "$v/..tmp" "$v/..data"
	rm -r "$v/..1"
	wait_for 30 status_is "$id" stopped
	cat "$bundle.out"
	[ "$(sed -n '1,6p' "$bundle.out")" = $'name\none\n755 0 0\n755 12 34\n604 12 34\n711 0 0' ]
	[ "$(sed -n 7p "$bundle.out")" = "$(md5sum <"$BATS_TEST_TMPDIR/dir/sub/large")" ]
	[[ $(sed -n 8p "$bundle.out") == *"Read-only file system"* ]]
	[ "$(sed -n '9,$p' "$bundle.out")" = two ]
	[ "$(<"$BATS_TEST_TMPDIR/hostname")" = name ]
	kata delete "$id"
}

@test "volumes that cannot reach the machine are named before it starts" {
	local what

	mkdir "$BATS_TEST_TMPDIR/dir"
	python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$BATS_TEST_TMPDIR/sock"
	truncate -s 40M "$BATS_TEST_TMPDIR/large"
	for what in "dir:/x|what is written to the directory $BATS_TEST_TMPDIR/dir would not reach the host" \
		"sock:/x|$BATS_TEST_TMPDIR/sock is a socket, which does not reach" \
		"large:/x:ro|too large to be copied" "nothing:/x|No such file"; do
		config
		container_bundle "$bundle" -- true
		mounts "$BATS_TEST_TMPDIR/${what%%|*}"
		: >"$KATA_LOG"
		run -1 kata run --bundle "$bundle" "$id"
		[[ $output == *"mount /x: "*"${what#*|}"* ]]
		run ! grep -q 'qemu: started' "$KATA_LOG"
	done
}

# overlay NAME: a bundle whose root is an overlay mount, all of the same two layers.
overlay()
{
	local d=$BATS_TEST_TMPDIR/o

	mkdir -p "$d/$1"/{rootfs,up,work}
	mount -t overlay o -o "lowerdir=$d/2:$d/1,upperdir=$d/$1/up,workdir=$d/$1/work" "$d/$1/rootfs"
}

@test "two containers of one image in a machine of PCI: one image, each its own changes" {
	local d=$BATS_TEST_TMPDIR/o images=/var/lib/kata-containers/images

	mkdir "$d"
	rm -rf "$images"
	mount -t tmpfs tmpfs "$d"
	config machine_type='"q35"' block_device_driver='"virtio-blk"'
	container_bundle "$bundle" -- true
	mv "$bundle/rootfs" "$d/1"
	mkdir -p "$d/2/etc"
	mknod "$d/2/etc/group" c 0 0
	overlay one
	overlay two
	echo engine >"$d/two/rootfs/etc/engine"
	container_bundle "$d/one" -- sh -c 'ls /etc; echo one >/mine; exec sleep 1000'
	container_bundle "$d/two" -- sh -c 'ls -a / /etc; touch /etc/engine; exit 7'
	python3 - "$d/two/config.json" "$id" <<-'E'
		import json, sys
		spec = json.load(open(sys.argv[1]))
		spec["annotations"] = {"io.kubernetes.cri-o.ContainerType": "container",
		                       "io.kubernetes.cri-o.SandboxID": sys.argv[2]}
		json.dump(spec, open(sys.argv[1], "w"))
	E
	kata create --bundle "$d/one" --pid-file "$d/pid" "$id" </dev/null >"$d/out" 2>&1
	kata start "$id"
	wait_for 30 grep -q passwd "$d/out"
	[ "$(<"$d/out")" = passwd ]
	run -7 kata run --bundle "$d/two" "$id-two"
	[[ $output != *mine* ]] && [[ $output != *.wh* ]] && [[ $output == *engine* ]] && [[ $output != *group* ]]
	# Their lower image, and what the engine wrote for the second.
	[ "$(find "$images" -name '*.erofs' | wc -l)" = 2 ]
	[ -e "$d/one/kata-c.img" ] && [ -e "$d/two/kata-c.img" ]
	[ "$(LC_ALL=C ls -A "$d/one/up")" = $'.wh..wh.kata-c\n.what-this-container-changed-is-not-in-this-layer' ]
	# What engines do to commit a container: an archive in the order of the names, unpacked
	# without those that stand for what was removed. It must not come to an image.
	tar -C "$d/one/up" --sort=name -cf "$d/one.tar" .
	mkdir "$d/committed"
	run ! tar -C "$d/committed" -xf "$d/one.tar" --exclude='.wh.*'
	[[ $output == *what-this-container-changed-is-not-in-this-layer* ]]
	# Nor do those find the image who look into the container by its process, to copy from it.
	[ "$(ls "/proc/$(cat "$d/pid")/root")" = $'proc\nwhat-this-container-has-is-in-its-machine' ]
	run ! touch "/proc/$(cat "$d/pid")/root/file"
	# A root in use is nobody else's.
	run -1 kata run --bundle "$d/one" "$id-three"
	[[ $output == *"another machine writes to it"* ]]
	kata delete --force "$id"
	umount "$d/one/rootfs" "$d/two/rootfs"
	umount "$d"
}
