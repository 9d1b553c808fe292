# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # for the tests; set by bats' run
#
# For tests of the agent as the first process of a machine that nobody else speaks
# to: one boot for each file, in $BATS_FILE_TMPDIR.

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

# machine_programs FILE…: into the guest, at their places, with the libraries they need.
machine_programs()
{
	local file

	for file in "$@" $(ldd "$@" | grep -o '/[^ ]*' | grep -v ':$'); do
		mkdir -p "tree${file%/*}" && cp -L "$file" "tree$file" || return
	done
}

# machine_boot KERNEL-DIR KERNEL-PARAMETERS QEMU-OPTION…: until the agent answers.
machine_boot()
{
	local kernel=$1 params=$2 end=$((SECONDS + 150))

	shift 2
	"$kata_tree/guest/image/make-initrd" initrd.img "$kata_agent" "$kernel" || return
	[ ! -d tree ] || (cd tree && find . -mindepth 1 | sort | cpio --quiet -o -H newc -R 0:0) >>initrd.img
	qemu-system-x86_64 -M q35 -accel tcg -cpu max -m 256M,slots=2,maxmem=1G -smp 1,maxcpus=2 \
		-nodefaults -nographic -no-reboot -no-user-config -rtc base=utc \
		-kernel "$kernel/vmlinux" -initrd initrd.img \
		-append "quiet panic=1 reboot=t console=ttyS0 agent.log=debug agent.hotplug_timeout=5 $params" \
		-serial file:console -device virtio-serial-pci \
		-chardev socket,id=a,path=agent.sock,server=on,wait=off \
		-device virtserialport,chardev=a,name=org.kata-c.agent.0 \
		-qmp unix:qmp.sock,server=on,wait=off "$@" >qemu.log 2>&1 3>&- &
	echo $! >pid
	while [ "$SECONDS" -lt "$end" ]; do
		! call check >/dev/null 2>&1 || return 0
		kill -0 "$(cat pid)" || break
		sleep 0.2
	done
	cat qemu.log console >&2
	return 1
}

machine_end()
{
	kill -9 "$(cat "$BATS_FILE_TMPDIR/pid")" 2>/dev/null || true
	leftovers_compare "$BATS_FILE_TMPDIR/before"
}

# machine_put FILE PATH MODE: a file of this machine into the guest.
machine_put()
{
	local size part=1000000 at

	size=$(stat -c %s "$1")
	for ((at = 0; at < size; at += part)); do
		tail -c +$((at + 1)) "$1" | head -c "$part" >"$BATS_TEST_TMPDIR/part"
		call rpc CopyFile "path=$2" "file_size=$size" "file_mode=$3" dir_mode=0755 "offset=$at" \
			"data=@$BATS_TEST_TMPDIR/part" || return
	done
}

# machine_root: $shared/root, with a busybox.
machine_root()
{
	machine_put "$(command -v busybox)" "$shared/root/bin/busybox" 0100755 &&
		call rpc CopyFile "path=$shared/root/bin/sh" file_mode=0120777 data=busybox
}

# machine_config FILE JSON…: a config.json for the guest's root file system.
machine_config()
{
	python3 "$BATS_TEST_DIRNAME/oci.py" "$shared/root" "${@:2}" >"$1"
}
