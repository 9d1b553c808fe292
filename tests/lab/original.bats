#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The two halves of this project with the other half of the original, over
# vhost-vsock: this runtime drives Kata's own agent, Kata's own shim drives this
# agent. They are built elsewhere, from Kata's sources, and lie where the lab sees
# them (not below /tmp):
#
#	KATA_ORIGINAL_AGENT	its kata-agent, linked statically
#	KATA_ORIGINAL_SHIM	its containerd-shim-kata-v2, of Go

# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2153,SC2154 # for inner shells; shared with common.bash
KATA_TEST_HYPERVISOR=qemu
load ../integration/common
load ../integration/join

# shellcheck source=tests/lib/containerd.bash
source "$BATS_TEST_DIRNAME/../lib/containerd.bash"
# shellcheck source=tests/lib/original.bash
source "$BATS_TEST_DIRNAME/../lib/original.bash"

limit=300

setup_file()
{
	[ -n "${KATA_LAB:-}" ] && [ -n "${KATA_ORIGINAL_AGENT:-}${KATA_ORIGINAL_SHIM:-}" ] || return 0
	[ -n "${KATA_INITRD:-}" ] || container_prepare "$BATS_FILE_TMPDIR"
	if [ -n "${KATA_ORIGINAL_AGENT:-}" ]; then
		# It does not load the kernel's modules.
		"$kata_tree/guest/image/make-initrd" --init "$KATA_BUILD/guest/init/kata-init" \
			"$BATS_FILE_TMPDIR/original.img" "$KATA_ORIGINAL_AGENT" "$KATA_KERNEL_DIR"
	fi
}

# What the original's shim leaves, control groups and sockets, is its own and goes with the lab.
eval "common_$(declare -f teardown)"
teardown()
{
	[ -n "${original_shim:-}" ] || common_teardown
}

@test "original: this runtime and the original agent" {
	needs KATA_ORIGINAL_AGENT
	container_config "$KATA_CONFIG" qemu initrd="\"$BATS_FILE_TMPDIR/original.img\"" agent.dial_timeout=120
	patience=60
	original_first
	original_pod
	run ! pgrep qemu-system
}

# original_config FILE: what its shim wants to read.
original_config()
{
	local daemon

	# It speaks to the newer virtiofsd only; Debian 12's has other options.
	for daemon in /usr/libexec/virtiofsd /usr/lib/virtiofsd "$BATS_TEST_TMPDIR/virtiofsd"; do
		[ ! -x "$daemon" ] || break
	done
	cat >"$BATS_TEST_TMPDIR/virtiofsd" <<-'EOT'
		#!/bin/bash
		args=()
		for arg; do
			case $arg in
			--syslog | --thread-pool-size=* | --announce-submounts) ;;
			--cache=*) args+=(-o "${arg#--}") ;;
			--shared-dir=*) args+=(-o "source=${arg#*=}") ;;
			*) args+=("$arg") ;;
			esac
		done
		exec /usr/lib/qemu/virtiofsd "${args[@]}"
	EOT
	chmod 755 "$BATS_TEST_TMPDIR/virtiofsd"
	cat >"$1" <<-EOT
		[hypervisor.qemu]
		path = "/usr/bin/qemu-system-x86_64"
		valid_hypervisor_paths = ["/usr/bin/qemu-system-x86_64"]
		kernel = "$KATA_KERNEL"
		initrd = "$KATA_INITRD"
		machine_type = "q35"
		cpu_features = "pmu=off"
		default_vcpus = 1
		default_maxvcpus = 1
		default_memory = 256
		shared_fs = "virtio-fs"
		virtio_fs_daemon = "$daemon"
		valid_virtio_fs_daemon_paths = ["$daemon"]
		virtio_fs_cache = "auto"
		virtio_fs_extra_args = ["--thread-pool-size=1", "--announce-submounts"]
		block_device_driver = "virtio-scsi"
		disable_vhost_net = true
		disable_guest_selinux = true
		[agent.kata]
		dial_timeout = 240
		[runtime]
		internetworking_model = "tcfilter"
		disable_guest_seccomp = true
		create_container_timeout = 280
	EOT
}

# original_run OPTION… ID COMMAND…
original_run()
{
	timeout --foreground -k 5 "$limit" ctr --address "$containerd_dir/c.sock" run --snapshotter native \
		--runtime io.containerd.kata.v2 "$@"
}

@test "original: the original shim and this agent" {
	needs KATA_ORIGINAL_SHIM
	original_shim=yes
	mkdir -p /etc/kata-containers "$BATS_TEST_TMPDIR"/{shim,volume}
	original_config /etc/kata-containers/configuration.toml
	ln -s "$KATA_ORIGINAL_SHIM" "$BATS_TEST_TMPDIR/shim/containerd-shim-kata-v2"
	# It ends without a /dev/log.
	busybox syslogd -n -O "$BATS_TEST_TMPDIR/syslog" 3>&- &
	syslogd=$!
	mount --bind "$(mktemp -d)" /var/lib
	container_bundle "$bundle" -- true
	KATA_SHIM_DIR=$BATS_TEST_TMPDIR/shim containerd_start "$BATS_TEST_TMPDIR/c" ''
	containerd_image "$bundle"
	image=example.org/busybox:1
	ip netns add pod
	ip link add host type veth peer name eth0 netns pod
	ip addr add 10.77.0.1/24 dev host
	ip link set host up
	ip -n pod link set lo up
	ip -n pod addr add 10.77.0.2/24 dev eth0
	ip -n pod link set eth0 up mtu 1400
	ip -n pod route add default via 10.77.0.1
	echo from the host >"$BATS_TEST_TMPDIR/volume/in"

	cri=(--annotation io.kubernetes.cri.sandbox-id=pod1 --with-ns network:/var/run/netns/pod)
	original_run -d "${cri[@]}" --annotation io.kubernetes.cri.container-type=sandbox \
		--mount "type=bind,src=$BATS_TEST_TMPDIR/volume,dst=/volume,options=rbind:rw" --memory-limit 134217728 \
		"$image" pod1 sh -c 'trap "exit 9" TERM; while :; do sleep 0.1; done'
	run -4 ctr_ t exec --exec-id e1 pod1 sh -c 'cat /volume/in; echo from the guest >/volume/out; ip addr; ip route; exit 4' </dev/null
	[[ $output == *"from the host"*"mtu 1400"*"inet 10.77.0.2/24 scope global eth0"*"default via 10.77.0.1 dev eth0"* ]]
	[ "$(cat "$BATS_TEST_TMPDIR/volume/out")" = 'from the guest' ]
	busybox ping -c 1 -W 10 10.77.0.2
	[ "$(echo words | ctr_ t exec --exec-id e2 pod1 sh -c 'read -r x; echo "got $x"')" = 'got words' ]
	[ "$(ctr_ t exec --exec-id e3 pod1 head -c 3000000 /dev/zero </dev/null | md5sum)" = "$(head -c 3000000 /dev/zero | md5sum)" ]
	run -1 ctr_ t exec --exec-id e4 pod1 /nosuch </dev/null
	[[ $output == *'exec: "/nosuch": stat /nosuch: no such file or directory'* ]]
	run -3 script -qec "ctr --address $containerd_dir/c.sock t exec -t --exec-id e5 pod1 sh -c 'tty; exit 3'" /dev/null </dev/null
	[[ $output == */dev/pts/0* ]]
	[[ $(ctr_ t metrics pod1) == *"memory.usage_limit    134217728"* ]]
	ctr_ t pause pod1
	[[ $(ctr_ t ls) == *PAUSED* ]]
	ctr_ t resume pod1

	original_run -d "${cri[@]}" --annotation io.kubernetes.cri.container-type=container "$image" member1 sleep 1000
	# It tells of the end before it can delete; ctr may be too early, and says so.
	run original_run "${cri[@]}" --annotation io.kubernetes.cri.container-type=container "$image" member2 \
		sh -c 'ip addr show eth0; exit 6' </dev/null
	[[ $output == *10.77.0.2/24* ]]
	[ "$(pgrep -c qemu-system)" = 1 ]
	ctr_ t kill -s KILL member1
	wait_for 60 original_removed member1 137
	wait_for 60 original_removed member2 6
	ctr_ t kill -s TERM pod1
	wait_for 60 original_removed pod1 9
	run original_run --rm --memory-limit 20971520 "$image" oom1 sh -c 'dd if=/dev/zero of=/dev/null bs=200M count=1; echo "dd $?"' </dev/null
	[[ $output == *'dd 137'* ]]
	run -1 original_run --rm "$image" none1 /nosuch </dev/null
	[[ $output == *"/nosuch: no such file or directory"* ]]
	run ! pgrep 'qemu-system|virtiofsd'

	containerd_stop
	kill "$syslogd"
	umount /var/lib
	ip netns del pod
}

# original_removed ID STATUS: with the status that it tells of the end; or it is gone already.
original_removed()
{
	ctr_ t rm "$1" 2>&1 | grep -E "exit code $2|not found" && ctr_ c rm "$1"
}
