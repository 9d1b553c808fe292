# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2154 # set by bats' run, or for the container
#
# The agent as the first process of a machine: what only a machine can show.
# One boot, in which the tests follow one another.

bats_require_minimum_version 1.5.0

# shellcheck source=tests/lib/leftovers.bash
source "$BATS_TEST_DIRNAME/../lib/leftovers.bash"
# shellcheck source=tests/lib/container.bash
source "$BATS_TEST_DIRNAME/../lib/container.bash"

shared=/run/kata-containers/shared/containers

call()
{
	timeout 60 "$KATA_BUILD/tests/tools/agent-call" "serial:$BATS_FILE_TMPDIR/agent.sock" "$@"
}

# qmp COMMAND ARGUMENTS…
qmp()
{
	"$BATS_TEST_DIRNAME/qmp.py" "$BATS_FILE_TMPDIR/qmp.sock" \
		"{\"execute\": \"$1\", \"arguments\": {$2}}"
}

refused()
{
	run -125 --separate-stderr "${@:3}"
	echo "$stderr"
	[[ $stderr == "error $1: "*"$2"* ]]
}

setup_file()
{
	cd "$BATS_FILE_TMPDIR" || return
	leftovers_snapshot before
	truncate -s 8M disk
	mkswap -q disk
	qemu-system-x86_64 -M q35 -accel tcg -cpu max -m 256M,slots=2,maxmem=1G -smp 1,maxcpus=2 \
		-nodefaults -nographic -no-reboot -no-user-config -rtc base=utc \
		-kernel "$KATA_KERNEL" -initrd "$KATA_INITRD" \
		-append "quiet panic=1 reboot=t console=ttyS0 agent.log=debug agent.hotplug_timeout=2 agent.debug_console agent.debug_console_vport=1026" \
		-serial file:console -device virtio-serial-pci \
		-chardev socket,id=a,path=agent.sock,server=on,wait=off \
		-device virtserialport,chardev=a,name=org.kata-c.agent.0 \
		-chardev socket,id=c,path=console.sock,server=on,wait=off \
		-device virtserialport,chardev=c,name=org.kata-c.console.0 \
		-device pcie-root-port,id=rp0,bus=pcie.0,addr=5,chassis=1 \
		-device virtio-scsi-pci,id=scsi0 \
		-drive if=none,id=late,file=disk,format=raw \
		-qmp unix:qmp.sock,server=on,wait=off >qemu.log 2>&1 3>&- &
	echo $! >pid
	for _ in {1..200}; do
		! call check >/dev/null 2>&1 || return 0
		kill -0 "$(cat pid)" || break
		sleep 0.2
	done
	cat qemu.log console >&2
	return 1
}

teardown_file()
{
	kill -9 "$(cat "$BATS_FILE_TMPDIR/pid")" 2>/dev/null || true
	leftovers_compare "$BATS_FILE_TMPDIR/before"
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
	busybox=$(command -v busybox)
	size=$(stat -c %s "$busybox")
	part=1000000
	for ((at = 0; at < size; at += part)); do
		tail -c +$((at + 1)) "$busybox" | head -c "$part" >"$BATS_TEST_TMPDIR/part"
		call rpc CopyFile "path=$shared/root/bin/busybox" "file_size=$size" file_mode=0100755 \
			dir_mode=0755 "offset=$at" "data=@$BATS_TEST_TMPDIR/part"
	done
	call rpc CopyFile "path=$shared/root/bin/sh" file_mode=0120777 data=busybox
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
	refused ETIMEDOUT 'device /dev/xda: disk at PCI path 05/01: not there after 2000 ms' \
		call create c1 --rootfs "$shared/root" "${device[@]}" --set devices.0.id=05/01
	(sleep 0.7; qmp device_add '"driver": "virtio-blk-pci", "id": "b1", "drive": "late", "bus": "rp0"') 3>&- &
	plug=$!
	run -0 call run c1 --rootfs "$shared/root" "${device[@]}" --set devices.0.id=05/00 -- \
		/bin/busybox sh -c 'busybox stat -c "%t" /dev/xda; busybox dd if=/dev/xda bs=1 skip=4086 count=10 2>/dev/null'
	wait "$plug"
	[[ $output == fe$'\n'SWAPSPACE2 ]]
	refused ENOENT 'swap on /no/such' call rpc AddSwapPath path=/no/such
	refused ETIMEDOUT 'swap: disk at PCI path 06' call rpc AddSwap PCIPath.0=6
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

@test "vm: kernel modules" {
	refused ENOENT 'kernel module nosuch' call rpc CreateSandbox kernel_modules.0.name=nosuch
	refused EINVAL 'no such name' call rpc CreateSandbox kernel_modules.0.name=../x
	call rpc CreateSandbox sandbox_id=sb1 hostname=pod kernel_modules.0.name=virtio_blk
}

@test "vm: the debug console says that there is no shell" {
	run -0 timeout 10 python3 - "$BATS_FILE_TMPDIR/console.sock" <<-'EOF'
		import socket, sys
		s = socket.socket(socket.AF_UNIX)
		s.connect(sys.argv[1])
		s.settimeout(9)
		print(s.recv(100).decode())
	EOF
	[[ $output == *"the guest has no shell"* ]]
}

@test "vm: it powers off when the sandbox is destroyed" {
	call destroy-sandbox
	for _ in {1..100}; do
		kill -0 "$(cat "$BATS_FILE_TMPDIR/pid")" 2>/dev/null || return 0
		sleep 0.1
	done
	return 1
}
