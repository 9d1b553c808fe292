# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154 # agent.bash and bats' run set them
#
# The agent as a local process: storages and devices. Disks are loop devices.

load agent

# disk NAME SIZE: a loop device in $disk that is gone after the test.
disk()
{
	truncate -s "$2" "$BATS_TEST_TMPDIR/$1"
	disk=$(losetup -f --show "$BATS_TEST_TMPDIR/$1")
	echo "$disk" >>"$BATS_TEST_TMPDIR/disks"
}

teardown()
{
	local status=0

	agent_teardown || status=1
	if [ -e "$BATS_TEST_TMPDIR/disks" ]; then
		xargs blockdev --setrw <"$BATS_TEST_TMPDIR/disks" # it would stay so
		xargs losetup -d <"$BATS_TEST_TMPDIR/disks"
	fi
	return "$status"
}

# in_agent COMMAND…: what the agent sees.
in_agent()
{
	nsenter -t "$agent" -m "$@"
}

# ext4 wants CAP_SYS_RESOURCE, which not every container with root has.
can_resize()
{
	((0x$(awk '$1 == "CapEff:" { print $2 }' /proc/self/status) >> 24 & 1))
}

@test "storage: a disk, its group and its size" {
	disk one 16M
	dir=$BATS_TEST_TMPDIR/vol
	call create-sandbox sb1 pod
	start_container st1 --storage "mmioblk:$disk:ext4:$dir" --mount "bind:$dir:/data:rbind" \
		--set storages.0.driver_options.0=create_filesystem \
		--set storages.0.fs_group.group_id=77 -- sleep 100
	run -0 call exec st1 e1 -- sh -c 'stat -c "%a %g" /data; echo x >/data/f'
	[ "$output" = "2775 77" ]
	run -0 call rpc GetVolumeStats "volume_guest_path=$dir"
	[[ $output == *"volume_condition.message=OK"* ]]
	refused ENOENT 'volume /no/such' call rpc GetVolumeStats volume_guest_path=/no/such
	before=$(in_agent stat -f -c %b "$dir")
	refused EINVAL 'fewer than it has' call rpc ResizeVolume "volume_guest_path=$dir" size=1000
	truncate -s 32M "$BATS_TEST_TMPDIR/one"
	losetup -c "$disk"
	if can_resize; then
		call rpc ResizeVolume "volume_guest_path=$dir" size=33554432
		[ "$(in_agent stat -f -c %b "$dir")" -gt $((before + before / 2)) ]
	else
		refused EACCES "volume $dir" call rpc ResizeVolume "volume_guest_path=$dir" \
			size=33554432
	fi
	refused ENOSPC 'its disk has 33554432 bytes' call rpc ResizeVolume \
		"volume_guest_path=$dir" size=99999999
	refused ENOSYS 'only ext4 and xfs' call rpc ResizeVolume volume_guest_path=/proc size=9
	refused ENOENT 'volume /no/such' call rpc ResizeVolume volume_guest_path=/no/such size=9
	# A read-only disk cannot be mounted to be written to, but to be read.
	call remove st1
	[ ! -e "$dir" ]
	blockdev --setro "$disk"
	[ "$(in_container --storage "blk:$disk:ext4:$dir:ro" --mount "bind:$dir:/data:rbind" -- \
		cat /data/f)" = x ]
}

@test "storage: an xfs grows" {
	command -v mkfs.xfs >/dev/null && grep -qw xfs /proc/filesystems || skip "no xfs here"
	disk two 320M
	mkfs.xfs -q "$disk"
	dir=$BATS_TEST_TMPDIR/xfs
	start_container st1 --storage "mmioblk:$disk:xfs:$dir" --mount "bind:$dir:/data:rbind" -- sleep 100
	before=$(in_agent stat -f -c %b "$dir")
	truncate -s 640M "$BATS_TEST_TMPDIR/two"
	losetup -c "$disk"
	call rpc ResizeVolume "volume_guest_path=$dir" size=671088640
	[ "$(in_agent stat -f -c %b "$dir")" -gt $((before + before / 2)) ]
	# Once more is no mistake; what does not fit the disk is.
	call rpc ResizeVolume "volume_guest_path=$dir" size=671088640
	refused ENOSPC 'its disk has 671088640 bytes' call rpc ResizeVolume "volume_guest_path=$dir" size=771088640
	run -0 call rpc GetVolumeStats "volume_guest_path=$dir"
	[[ $output == *usage.0.total=6* ]]
	call remove st1
}

@test "storage: a shared one stays for the next container" {
	dir=$BATS_TEST_TMPDIR/vol
	call create-sandbox sb1 pod
	in_container --storage "ephemeral:tmpfs:tmpfs:$dir" --mount "bind:$dir:/data:rbind" \
		--set storages.0.shared=true -- sh -c 'echo x >/data/f'
	[ "$(in_container --storage "ephemeral:tmpfs:tmpfs:$dir" --mount "bind:$dir:/data:rbind" \
		-- cat /data/f)" = x ]
	agent_mounts | grep -qx "$dir"
}

@test "storage: layers of erofs" {
	layer=$BATS_TEST_TMPDIR/layer
	mkdir -p "$layer"/etc
	echo above >"$layer/etc/file"
	echo below >"$rootfs/etc/file"
	mkfs.erofs "$BATS_TEST_TMPDIR/above.img" "$layer" >/dev/null
	mkfs.erofs "$BATS_TEST_TMPDIR/below.img" "$rootfs" >/dev/null
	disk above.img +0
	above=$disk
	disk below.img +0
	below=$disk
	root=$BATS_TEST_TMPDIR/layers/rootfs
	run -0 call run st1 --rootfs "$root" --storage "blk:$above:erofs:$root:X-kata.multi-layer=true" \
		--storage "blk:$below:erofs:$root:X-kata.multi-layer=true" -- \
		sh -c 'cat /etc/file; echo new >/etc/file; cat /etc/file'
	[ "$output" = $'above\nnew' ]
	[ "$(agent_mounts)" = "$mounts" ]
	[ ! -e /run/kata-containers/st1 ]
	# And with a disk of their own to write to.
	disk upper 8M
	mkfs.ext4 -q "$disk"
	run -0 call run st1 --rootfs "$root" --storage "blk:$disk:ext4:$root:X-kata.multi-layer=true" \
		--storage "blk:$above:erofs:$root:X-kata.multi-layer=true" \
		--storage "blk:$below:erofs:$root:X-kata.multi-layer=true" -- true
	refused EINVAL 'none with erofs' call create st1 --rootfs "$root" \
		--storage "blk:$disk:ext4:$root:X-kata.multi-layer=true"
	[ "$(agent_mounts)" = "$mounts" ]
}

@test "storage: an overlay whose writable part is the agent's" {
	root=$BATS_TEST_TMPDIR/overlay
	rw=io.katacontainers.fs-opt.overlay-rw
	run -0 call run st1 --rootfs "$root" \
		--storage "overlayfs:overlay:overlay:$root:lowerdir=$rootfs,$rw" -- \
		sh -c 'echo x >/new; cat /new'
	[ "$output" = x ]
	[ ! -e "$rootfs/new" ]
	[ "$(agent_mounts)" = "$mounts" ]
	[ ! -e /run/kata-containers/st1 ]
}

@test "storage: a watched copy follows its source" {
	from=$BATS_TEST_TMPDIR/from
	to=$BATS_TEST_TMPDIR/watchable/map
	mkdir "$from"
	echo one >"$from/key"
	start_container st1 --storage "watchable-bind:$from::$to" \
		--mount "bind:$to:/map:rbind,ro" -- sleep 100
	[ "$(call exec st1 e1 -- cat /map/key)" = one ]
	echo two >"$from/key"
	eventually_says two call exec st1 e1 -- cat /map/key
	call remove st1
	[ "$(agent_mounts)" = "$mounts" ]
	[ ! -e "$BATS_TEST_TMPDIR/watchable" ]
	# What is too large is bound.
	head -c 2000000 /dev/zero >"$from/big"
	run -0 in_container --storage "watchable-bind:$from::$to" --mount "bind:$to:/map:rbind" -- \
		stat -c %s /map/big
	[ "$output" = 2000000 ]
	refused EINVAL 'copies lie in a directory watchable' in_container \
		--storage "watchable-bind:$from::$BATS_TEST_TMPDIR/x"
	refused ENOENT "$BATS_TEST_TMPDIR/nosuch" in_container \
		--storage "watchable-bind:$BATS_TEST_TMPDIR/nosuch::$to"
	[ "$(agent_mounts)" = "$mounts" ]
}

eventually_says()
{
	local deadline=$((SECONDS + 60))

	until [ "$("${@:2}")" = "$1" ]; do
		[ "$SECONDS" -lt "$deadline" ] || return 1
		sleep 0.3
	done
}

@test "storage: refusals name the storage and the device" {
	refused ETIMEDOUT 'storage /run/x (blk): disk at PCI path 02/00: not there after 300 ms' \
		in_container --storage blk:02/00:ext4:/run/x
	refused ETIMEDOUT 'disk at SCSI address 0:1: not there' \
		in_container --storage scsi:0:ext4:/run/x --set storages.0.source=0:1
	refused ETIMEDOUT 'disk /dev/nosuch: not there' in_container --storage nvdimm:/dev/nosuch:ext4:/run/x
	refused EINVAL '"/etc/passwd" is no path below /dev' in_container --storage mmioblk:/etc/passwd:ext4:/run/x
	refused EINVAL '"zz" is no PCI path' in_container --storage blk:zz:ext4:/run/x
	refused ENOSYS 's390x' in_container --storage blk-ccw:0.0.0001:ext4:/run/x
	refused ENOSYS 'pulling images' in_container --storage image_guest_pull:x:overlay:/run/x
	disk one 1M
	refused ENOSYS 'confidential data hub' in_container --storage "mmioblk:$disk:ext4:/run/x" \
		--set storages.0.driver_options.0=encryption_key=ephemeral
	refused EINVAL 'hugetlbfs wants' in_container --storage ephemeral:none:hugetlbfs:/run/x
	[ "$(agent_mounts)" = "$mounts" ]
}

@test "storage: a device gets the guest's numbers" {
	disk one 1M
	number=$(stat -c '%Hr:%Lr' "$disk")
	device=(--set devices.0.type=mmioblk --set "devices.0.vm_path=$disk" --set devices.0.container_path=/dev/xda)
	run -0 in_container --device b:/dev/xda:8:77 "${device[@]}" -- stat -c %t:%T /dev/xda
	[ "$output" = "$(printf '%x:%x' "${number%:*}" "${number#*:}")" ]
	refused EINVAL 'device /dev/xda is not among' in_container "${device[@]}"
	refused ETIMEDOUT 'device /dev/xda: disk at PCI path 05: not there' in_container \
		--set devices.0.type=blk --set devices.0.id=05 --set devices.0.container_path=/dev/xda
	refused EINVAL 'no type' in_container --set devices.0.container_path=/dev/xda
	refused EINVAL 'unknown type "x"' in_container --set devices.0.type=x --set devices.0.id=1 \
		--set devices.0.container_path=/dev/xda
	refused EINVAL 'not HOST-ADDRESS=PCI-PATH' in_container --set devices.0.type=vfio-pci \
		--set devices.0.id=1 --set devices.0.container_path=/dev/xda --set devices.0.options.0=x
	run -0 in_container -- true
}
