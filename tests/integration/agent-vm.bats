# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # set by bats' run, or for the container
#
# The agent as the first process of a machine: what only a machine can show.
# One boot, in which the tests follow one another.

load machine

# What the guest has beside the agent: the programs of the packet filter, and its modules.
setup_file()
{
	cd "$BATS_FILE_TMPDIR" || return
	leftovers_snapshot before
	truncate -s 8M disk
	mkswap -q disk
	truncate -s 32M grow
	mkfs.ext4 -q grow
	kernel=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/kata-c/kernel-filter
	"$kata_tree/tests/lib/filter-kernel" "$kernel" || return
	machine_programs /usr/sbin/xtables-legacy-multi /usr/lib/*/xtables/libxt_{standard,tcp,comment}.so || return
	ln -s xtables-legacy-multi tree/usr/sbin/iptables-save
	ln -s xtables-legacy-multi tree/usr/sbin/iptables-restore
	ln -s xtables-legacy-multi tree/usr/sbin/ip6tables-save
	ln -s xtables-legacy-multi tree/usr/sbin/ip6tables-restore
	machine_boot "$kernel" "agent.debug_console agent.debug_console_vport=1026 security=selinux enforcing=0" \
		-chardev socket,id=c,path=console.sock,server=on,wait=off \
		-device virtserialport,chardev=c,name=org.kata-c.console.0 \
		-device pcie-root-port,id=rp0,bus=pcie.0,addr=5,chassis=1 \
		-device pcie-root-port,id=rp1,bus=pcie.0,addr=6,chassis=2 \
		-device virtio-scsi-pci,id=scsi0 \
		-drive if=none,id=late,file=disk,format=raw \
		-blockdev driver=file,node-name=grow,filename=grow
}

teardown_file()
{
	machine_end
}

teardown()
{
	[ -n "${BATS_TEST_COMPLETED:-}" ] || tail -n 20 "$BATS_FILE_TMPDIR/console" >&2
}

@test "vm: what it is told about the guest" {
	run -0 call rpc GetGuestDetails mem_block_size=true
	[[ $output == *"mem_block_size_bytes=134217728"*"init_daemon=true"* ]]
	run -0 call rpc ListInterfaces
	[[ $output == *"name=lo"*"address=127.0.0.1"* ]]
}

@test "vm: a root file system by CopyFile, and a container in it" {
	machine_root
	run -0 call run c1 --rootfs "$shared/root" --hostname h -- \
		/bin/busybox sh -c 'busybox hostname; busybox id -u; exit 0'
	[ "$output" = $'h\n0' ]
	call create c2 --rootfs "$shared/root" -- /bin/busybox sleep 1000
	call start c2
}

# in_guest COMMAND…: in the container that runs all the time.
in_guest()
{
	call exec c2 "e$RANDOM" -- /bin/busybox "$@"
}

@test "vm: the clock, random numbers" {
	call rpc SetGuestDateTime Sec=1000000000 Usec=1
	now=$(in_guest date +%s)
	[ "$now" -ge 1000000000 ]
	[ "$now" -lt 1000000600 ]
	call rpc ReseedRandomDev data=0123456789abcdef
	refused EINVAL 'set the time' call rpc SetGuestDateTime Sec=1 Usec=9000000
}

@test "vm: a processor that is plugged in comes online" {
	refused ETIMEDOUT '1 of 2 CPUs are online' call rpc OnlineCPUMem nb_cpus=2 cpu_only=true wait=true
	qmp device_add '"driver": "max-x86_64-cpu", "id": "cpu1", "socket-id": 1, "core-id": 0, "thread-id": 0' ||
		qmp device_add '"driver": "max-x86_64-cpu", "id": "cpu1", "socket-id": 0, "core-id": 1, "thread-id": 0'
	call rpc OnlineCPUMem nb_cpus=2 cpu_only=true wait=true
	[ "$(in_guest nproc)" = 2 ]
}

@test "vm: memory that is plugged in comes online" {
	before=$(in_guest awk '$1 == "MemTotal:" { print $2 }' /proc/meminfo)
	qmp object-add '"qom-type": "memory-backend-ram", "id": "m1", "size": 134217728'
	qmp device_add '"driver": "pc-dimm", "id": "d1", "memdev": "m1"'
	for _ in {1..50}; do
		call rpc OnlineCPUMem
		after=$(in_guest awk '$1 == "MemTotal:" { print $2 }' /proc/meminfo)
		[ "$after" -lt $((before + 100000)) ] || break
		sleep 0.2
	done
	[ "$after" -ge $((before + 100000)) ]
}

@test "vm: a disk that is plugged in is awaited, and named when it does not come" {
	device=(--set devices.0.type=blk --set devices.0.container_path=/dev/xda --device b:/dev/xda:8:1)
	refused ETIMEDOUT 'device /dev/xda: disk at PCI path 05/01: not there after 5000 ms' \
		call create c1 --rootfs "$shared/root" "${device[@]}" --set devices.0.id=05/01
	(sleep 0.7; qmp device_add '"driver": "virtio-blk-pci", "id": "b1", "drive": "late", "bus": "rp0"') 3>&- &
	plug=$!
	run -0 call run c1 --rootfs "$shared/root" "${device[@]}" --set devices.0.id=05/00 -- \
		/bin/busybox sh -c 'busybox stat -c "%t" /dev/xda; busybox dd if=/dev/xda bs=1 skip=4086 count=10 2>/dev/null'
	wait "$plug"
	[[ $output == fe$'\n'SWAPSPACE2 ]]
	refused ENOENT 'swap on /no/such' call rpc AddSwapPath path=/no/such
	refused ETIMEDOUT 'swap: disk at PCI path 07' call rpc AddSwap PCIPath.0=7
	call rpc AddSwap PCIPath.0=5 PCIPath.1=0
	[[ $(in_guest cat /proc/swaps) == *"/dev/vda"* ]]
}

@test "vm: a disk at a SCSI address" {
	truncate -s 1M "$BATS_FILE_TMPDIR/scsi"
	qmp blockdev-add "\"driver\": \"file\", \"node-name\": \"s1\", \"filename\": \"$BATS_FILE_TMPDIR/scsi\""
	qmp device_add '"driver": "scsi-hd", "id": "sd1", "drive": "s1", "bus": "scsi0.0", "scsi-id": 2, "lun": 1'
	run -0 call run c1 --rootfs "$shared/root" --set devices.0.type=scsi --set devices.0.id=2:1 \
		--set devices.0.container_path=/dev/xdb --device b:/dev/xdb:8:1 -- /bin/busybox stat -c %t:%T /dev/xdb
	[ "$output" = 8:0 ]
}

# lines TEXT…: each is a line of $output.
lines()
{
	local text

	for text; do
		grep -qxF -- "$text" <<<"$output" || { echo "no line: $text" >&2; return 1; }
	done
}

@test "vm: the packet filter is read and replaced, whole or not at all" {
	run -0 call rpc GetIPTables
	[ "$output" = data= ]
	for v6 in false true; do
		printf '%s\n' '*filter' ':INPUT ACCEPT [0:0]' ':FORWARD DROP [0:0]' ':OUTPUT ACCEPT [0:0]' \
			'-A INPUT -p tcp -m tcp --dport 81 -m comment --comment "of the test" -j DROP' COMMIT >rules
		call rpc SetIPTables is_ipv6="$v6" data=@rules
		run -0 call rpc GetIPTables is_ipv6="$v6"
		lines ':FORWARD DROP [0:0]' '-A INPUT -p tcp -m tcp --dport 81 -m comment --comment "of the test" -j DROP'
	done
	printf '%s\n' '*filter' ':FORWARD ACCEPT [0:0]' '-A FORWARD -j NOSUCH' COMMIT >rules
	refused EIO "NOSUCH" call rpc SetIPTables data=@rules
	run -0 call rpc GetIPTables
	lines ':FORWARD DROP [0:0]'
}

@test "vm: a file system grows with its disk" {
	volume=/run/kata-containers/volume
	refused ENOENT "volume $volume" call rpc ResizeVolume volume_guest_path="$volume" size=50331648
	qmp device_add '"driver": "virtio-blk-pci", "id": "b2", "drive": "grow", "bus": "rp1"'
	call create c1 --rootfs "$shared/root" --storage "blk:06/00:ext4:$volume" -- /bin/busybox true
	call rpc ResizeVolume volume_guest_path="$volume" size=33554432
	refused ENOSPC '33554432 bytes' call rpc ResizeVolume volume_guest_path="$volume" size=100663296
	qmp block_resize '"node-name": "grow", "size": 100663296'
	# The guest hears of it a moment later.
	for _ in {1..100}; do
		! call rpc ResizeVolume volume_guest_path="$volume" size=100663296 2>"$BATS_TEST_TMPDIR/said" || break
		grep -q '33554432 bytes' "$BATS_TEST_TMPDIR/said"
		sleep 0.2
	done
	run -0 call rpc GetVolumeStats volume_guest_path="$volume"
	total=$(sed -n 's/^usage.0.total=//p' <<<"$output")
	[ "$total" -gt 80000000 ]
	call remove c1
}

# A kernel that wants to be told of memory has a file which is not here; another takes its place.
@test "vm: memory is told of where the kernel wants to be told" {
	run -0 call rpc GetGuestDetails mem_hotplug_probe=true
	lines support_mem_hotplug_probe=false
	refused ENOENT probe call rpc MemHotplugByProbe memHotplugProbeAddr.0=0x100000000
	call rpc CopyFile path="$shared/memory/probe" file_mode=0100644 dir_mode=0755
	call create c1 --rootfs "$shared/root" --storage "bind:$shared/memory:bind:/sys/devices/system/memory" \
		--mount "bind:$shared/memory:/memory" -- /bin/busybox cat /memory/probe
	run -0 call rpc GetGuestDetails mem_hotplug_probe=true
	lines support_mem_hotplug_probe=true
	call rpc MemHotplugByProbe memHotplugProbeAddr.0=0x100000000 memHotplugProbeAddr.1=4429185024
	call start c1
	run -0 call pump c1
	[ "$output" = 0x108000000 ]
	call remove c1
}

@test "vm: labels of SELinux" {
	python3 "$BATS_TEST_DIRNAME/selinux_policy.py" >policy.conf
	checkpolicy -M -U allow -o policy policy.conf
	machine_put policy "$shared/root/policy" 0100644
	machine_config load.json '{"mounts": ["+", {"destination": "/se", "type": "selinuxfs", "source": "selinuxfs"}]}'
	call run c1 --config load.json -- /bin/busybox dd if=/policy of=/se/load bs=1M
	labels='"selinuxLabel": "system_u:system_r:container_t:s0:c0"'
	machine_config held.json "{\"process\": {$labels, \"noNewPrivileges\": true},
		\"linux\": {\"mountLabel\": \"system_u:object_r:container_file_t:s0:c0\"}}"
	run -0 call run c1 --config held.json -- /bin/busybox sh -c 'busybox cat /proc/self/attr/current; echo; busybox cat /proc/mounts'
	[[ $output == system_u:system_r:container_t:s0:c0* ]]
	for at in /dev /dev/shm /dev/pts; do
		grep -q " $at .*[ ,]context=system_u:object_r:container_file_t:s0:c0," <<<"$output"
	done
	[ "$(grep -c " /proc .*context=" <<<"$output")" = 0 ]
	printf '{"cwd": "/", "args": ["x"], "selinuxLabel": "system_u:system_r:container_t:s0:c1"}' >process.json
	run -0 call exec c2 e1 --process process.json -- /bin/busybox cat /proc/self/attr/current
	[[ $output == system_u:system_r:container_t:s0:c1* ]]
	machine_config wrong.json '{"process": {"selinuxLabel": "system_u:system_r:nosuch_t:s0"}}'
	refused EINVAL 'selinuxLabel "system_u:system_r:nosuch_t:s0"' call run c1 --config wrong.json -- /bin/busybox true
	call remove c1
}

@test "vm: kernel modules" {
	refused ENOENT 'kernel module nosuch' call rpc CreateSandbox kernel_modules.0.name=nosuch
	refused EINVAL 'no such name' call rpc CreateSandbox kernel_modules.0.name=../x
	call rpc CreateSandbox sandbox_id=sb1 hostname=pod kernel_modules.0.name=virtio_blk
}

@test "vm: the debug console says that there is no shell" {
	run -0 timeout 60 python3 - "$BATS_FILE_TMPDIR/console.sock" <<-'EOF'
		import socket, sys
		s = socket.socket(socket.AF_UNIX)
		s.connect(sys.argv[1])
		s.settimeout(50)
		print(s.recv(100).decode())
	EOF
	[[ $output == *"the guest has no shell"* ]]
}

@test "vm: it powers off when the sandbox is destroyed" {
	call destroy-sandbox
	for _ in {1..600}; do
		kill -0 "$(cat "$BATS_FILE_TMPDIR/pid")" 2>/dev/null || return 0
		sleep 0.1
	done
	return 1
}
