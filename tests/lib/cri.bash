# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2154 # of containerd.bash
#
# A containerd of one's own as Kubernetes uses it. After containerd.bash:
#
#	cri_start DIR CONFIGURATION		# the handler "kata" is the build's shim
#	cri_images BUNDLE			# example.org/busybox:1, and what a pod's first
#						# container is: example.org/pause:1
#	cri CODE				# Python with cri and $DIR as top; see cri.py
#	cri_stop

cri_start()
{
	mkdir -p "$1/net"
	cat >"$1/net/10-test.conflist" <<-EOT
		{
			"cniVersion": "0.4.0",
			"name": "kata-test",
			"plugins": [{
				"type": "bridge", "bridge": "kata-cri0", "isGateway": true,
				"ipam": {
					"type": "host-local", "dataDir": "$1/ipam",
					"ranges": [[{ "subnet": "10.88.0.0/24" }]],
					"routes": [{ "dst": "0.0.0.0/0" }]
				}
			}]
		}
	EOT
	containerd_dir=$1
	cat >"$1/config.toml" <<-EOT
		version = 2
		root = "$1/root"
		state = "$1/state"
		[grpc]
		address = "$1/c.sock"
		[ttrpc]
		address = "$1/c.sock.ttrpc"
		[plugins."io.containerd.internal.v1.opt"]
		path = "$1/opt"
		[plugins."io.containerd.grpc.v1.cri"]
		sandbox_image = "example.org/pause:1"
		restrict_oom_score_adj = true
		disable_apparmor = true
		stream_server_address = "127.0.0.1"
		stream_server_port = "0"
		netns_mounts_under_state_dir = true
		[plugins."io.containerd.grpc.v1.cri".cni]
		bin_dir = "/usr/lib/cni"
		conf_dir = "$1/net"
		[plugins."io.containerd.grpc.v1.cri".containerd]
		snapshotter = "native"
		default_runtime_name = "kata"
		[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.kata]
		runtime_type = "io.containerd.kata.v2"
		privileged_without_host_devices = true
		pod_annotations = ["io.katacontainers.*"]
		container_annotations = ["io.katacontainers.*"]
		[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.kata.options]
		ConfigPath = "$2"
	EOT
	# The configuration comes by ConfigPath alone.
	containerd_again /nowhere
}

# Its images are those of the namespace that Kubernetes has.
cri_images()
{
	local pause=$containerd_dir/pause

	CONTAINERD_NAMESPACE=k8s.io containerd_image "$1"
	mkdir -p "$pause/rootfs"
	cp "$(command -v busybox)" "$pause/rootfs/busybox"
	CONTAINERD_NAMESPACE=k8s.io containerd_image "$pause" example.org/pause:1 \
		'["/busybox", "sleep", "2147483647"]'
}

# What is left of pods when a test fails goes, too.
cri_stop()
{
	[ -e "${containerd_dir:-}/c.sock" ] || return 0
	cri "
for pod in cri('ListPodSandbox').items:
    print('left behind: pod', pod.metadata.name)
    cri('StopPodSandbox', pod_sandbox_id=pod.id)
    cri('RemovePodSandbox', pod_sandbox_id=pod.id)
" || tail -n 100 "$containerd_dir/log"
	containerd_stop
	ip link delete kata-cri0 2>/dev/null || :
	# The tests' volumes.
	awk -v dir="$containerd_dir/pods/" 'index($5, dir) == 1 { print $5 }' /proc/self/mountinfo |
		tac | xargs -r umount
}

# cri CODE: with cri, top (the containerd's directory) and what cri.py has.
cri()
{
	local code=$1

	shift
	PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$BATS_TEST_DIRNAME timeout --foreground 150 python3 -c \
		"from cri import *; top = '$containerd_dir'; cri = Cri(top + '/c.sock'); $code" "$@"
}

# cri_script FILE: one of the tests' directory, with the containerd's.
cri_script()
{
	PYTHONDONTWRITEBYTECODE=1 timeout --foreground 250 python3 "$BATS_TEST_DIRNAME/$1" "$containerd_dir"
}
