# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What the tests need to run containers: programs, a guest, a configuration,
# bundles. KATA_BUILD names the build directory (default: build in the tree).
#
#	container_prepare			# once: kernel, initrd; sets KATA_KERNEL, KATA_INITRD
#						# KATA_KERNEL_DIR: not the distribution's kernel
#	container_config FILE HYPERVISOR [KEY=VALUE…]	# a configuration for them
#	container_bundle DIR [SPEC-OPTION…] -- COMMAND…	# busybox and a config.json
#	kata ARGUMENT…				# kata-runtime with $KATA_CONFIG and $KATA_ROOT

kata_tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
KATA_BUILD=${KATA_BUILD:-$kata_tree/build}
export KATA_BUILD
kata_runtime=$KATA_BUILD/host/cli/kata-runtime
kata_shim=$KATA_BUILD/host/shim/containerd-shim-kata-v2
kata_agent=$KATA_BUILD/guest/agent/kata-agent

kata()
{
	"$kata_runtime" --config "$KATA_CONFIG" --root "$KATA_ROOT" --log "$KATA_LOG" "$@"
}

container_prepare()
{
	local cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/kata-c program

	for program in "$kata_runtime" "$kata_shim" "$kata_agent"; do
		[ -x "$program" ] || { echo "$program is not built" >&2; return 1; }
	done
	if [ -z "${KATA_KERNEL_DIR:-}" ]; then
		KATA_KERNEL_DIR=$cache/kernel
		"$kata_tree/guest/image/fetch-kernel" "$KATA_KERNEL_DIR" || return
	fi
	KATA_KERNEL=$KATA_KERNEL_DIR/vmlinux
	KATA_INITRD=$1/initrd.img
	"$kata_tree/guest/image/make-initrd" "$KATA_INITRD" "$kata_agent" "$KATA_KERNEL_DIR" &&
		export KATA_KERNEL_DIR KATA_KERNEL KATA_INITRD
}

# A hypervisor's own keys first, then those given, which must not repeat them.
container_config()
{
	local file=$1 hypervisor=$2 setting key value

	shift 2
	declare -A keys=()
	case $hypervisor in
	fake)
		keys[path]=\"$kata_agent\"
		;;
	dragonball)
		keys[kernel]=\"$KATA_KERNEL\"
		keys[initrd]=\"$KATA_INITRD\"
		keys[default_memory]=256
		;;
	clh | firecracker)
		# Only as programs of others: these have no place where a distribution puts them.
		keys[path]=\"${KATA_TEST_CLOUD_HYPERVISOR:-/usr/bin/cloud-hypervisor}\"
		[ "$hypervisor" = clh ] || keys[path]=\"${KATA_TEST_FIRECRACKER:-/usr/bin/firecracker}\"
		keys[kernel]=\"$KATA_KERNEL\"
		keys[initrd]=\"$KATA_INITRD\"
		keys[image]='""'
		keys[default_memory]=256
		;;
	acrn)
		keys[path]='"/usr/bin/acrn-dm"'
		keys[kernel]=\"$KATA_KERNEL\"
		keys[default_memory]=256
		;;
	*)
		keys[path]='"/usr/bin/qemu-system-x86_64"'
		keys[kernel]=\"$KATA_KERNEL\"
		keys[initrd]=\"$KATA_INITRD\"
		keys[image]='""'
		keys[machine_type]='"microvm"'
		keys[default_vcpus]=1
		keys[default_memory]=256
		keys[shared_fs]='"virtio-fs"'
		keys[virtio_fs_daemon]='"/usr/lib/qemu/virtiofsd"'
		keys[virtio_fs_extra_args]='[]'
		;;
	esac
	for setting in "$@"; do
		key=${setting%%=*} value=${setting#*=}
		[[ $key == *.* ]] || keys[$key]=$value
	done
	{
		echo "[hypervisor.$hypervisor]"
		for key in "${!keys[@]}"; do
			echo "$key = ${keys[$key]}"
		done
		echo "[agent.kata]"
		for setting in "$@"; do
			[[ $setting != agent.* ]] || echo "${setting#agent.}"
		done
		echo "[runtime]"
		for setting in "$@"; do
			[[ $setting != runtime.* ]] || echo "${setting#runtime.}"
		done
	} >"$file"
}

container_bundle()
{
	local dir=$1

	shift
	mkdir -p "$dir"/rootfs/{bin,dev,etc,proc,root,sys,tmp}
	if [ ! -e "$dir/rootfs/bin/busybox" ]; then
		cp "$(command -v busybox)" "$dir/rootfs/bin/busybox"
		# One process, not one for each: where processors are emulated it matters.
		chroot "$dir/rootfs" /bin/busybox --install -s /bin
		printf 'root:x:0:0:root:/root:/bin/sh\ndemo:x:1000:1000:demo:/tmp:/bin/sh\n' \
			>"$dir/rootfs/etc/passwd"
		printf 'root:x:0:\ndemo:x:1000:\n' >"$dir/rootfs/etc/group"
	fi
	rm -f "$dir/config.json"
	kata spec --bundle "$dir" "$@"
}
