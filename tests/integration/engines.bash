# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # for the tests; $kata_runtime is of container.bash
#
# Engines of the distribution, with all that they keep in a directory of one's own, and the
# command line of the build as their runtime "kata" ($KATA_CONFIG at the time of the call says
# on which hypervisor). Theirs is "peer": runc, and crun where control groups are of version 2
# alone, for it refuses others. The image "box" is busybox.
#
#	podman_start DIR BUNDLE		# BUNDLE: one of container_bundle's
#	podman_ ARGUMENT…		# podman, at most two minutes
#	podman_stop			# nothing of it is left
#	docker_start DIR BUNDLE [DOCKERD-OPTION…]
#	docker_again [DOCKERD-OPTION…]	# after docker_stop: it finds what it had
#	docker_ ARGUMENT…
#	docker_stop			# the daemon ends
#	docker_remove			# and nothing of it is left

engines_limits=(nofile=1024:1024 nproc=1024:1024)

# engines_prepare DIR BUNDLE: in memory, for engines wait for their disk at every step.
engines_prepare()
{
	engines_dir=$1
	mkdir -p "$1"
	mount -t tmpfs -o mode=755 engines "$1"
	printf '#!/bin/sh\nexec %q --config %q "$@"\n' "$kata_runtime" "$KATA_CONFIG" >"$1/kata-runtime"
	chmod +x "$1/kata-runtime"
	chmod 1777 "$2/rootfs/tmp"
	tar -C "$2/rootfs" --sort=name --owner=0 --group=0 -cf "$1/box.tar" .
	engines_peer=$(command -v runc)
	if [ -e /sys/fs/cgroup/cgroup.controllers ] && command -v crun >/dev/null; then
		engines_peer=$(command -v crun)
	fi
}

# ---- podman -----------------------------------------------------------------------------

podman_start()
{
	engines_prepare "$@"
	mkdir -p "$1/networks"
	cat >"$1/containers.conf" <<-EOT
		[containers]
		default_ulimits = [$(printf '"%s", ' "${engines_limits[@]}")]
		[engine]
		cgroup_manager = "cgroupfs"
		events_logger = "file"
		runtime = "kata"
		[engine.runtimes]
		kata = ["$1/kata-runtime"]
		peer = ["$engines_peer"]
		[network]
		network_backend = "netavark"
		network_config_dir = "$1/networks"
	EOT
	cat >"$1/storage.conf" <<-EOT
		[storage]
		driver = "overlay"
		graphroot = "$1/root"
		runroot = "$1/run"
	EOT
	export CONTAINERS_CONF=$1/containers.conf CONTAINERS_STORAGE_CONF=$1/storage.conf
	podman_ import -q "$1/box.tar" box >/dev/null
}

podman_()
{
	timeout --foreground -k 5 120 podman --root "$engines_dir/root" --runroot "$engines_dir/run" \
		--tmpdir "$engines_dir/tmp" "$@" 3>&-
}

podman_stop()
{
	[ -n "${engines_dir:-}" ] || return 0
	podman_ pod rm -fa -t 0
	podman_ rm -fa -t 0
	podman_ network prune -f
	engines_clear
} >/dev/null 2>&1

# ---- docker -----------------------------------------------------------------------------

docker_start()
{
	local dir=$1

	engines_prepare "$1" "$2"
	shift 2
	cat >"$dir/daemon.json" <<-EOT
		{ "runtimes": { "kata": { "path": "$dir/kata-runtime" }, "peer": { "path": "$engines_peer" } } }
	EOT
	docker_again "$@"
	docker_ import "$dir/box.tar" box >/dev/null
}

docker_again()
{
	local limit limits=()

	for limit in "${engines_limits[@]}"; do
		limits+=(--default-ulimit "$limit")
	done
	PATH=$KATA_BUILD/host/shim:$PATH dockerd --config-file "$engines_dir/daemon.json" \
		--host "unix://$engines_dir/docker.sock" --data-root "$engines_dir/data" \
		--exec-root "$engines_dir/exec" --pidfile "$engines_dir/docker.pid" \
		--exec-opt native.cgroupdriver=cgroupfs --storage-driver overlay2 \
		--bip 172.31.250.1/24 "${limits[@]}" "$@" >>"$engines_dir/docker.log" 2>&1 3>&- &
	dockerd=$!
	for _ in {1..900}; do
		! docker_ version >/dev/null 2>&1 || return 0
		kill -0 "$dockerd" 2>/dev/null || break
		sleep 0.1
	done
	tail "$engines_dir/docker.log" >&2
	return 1
}

# The distribution's client, of whatever version there is besides.
docker_()
{
	timeout --foreground -k 5 120 /usr/bin/docker --host "unix://$engines_dir/docker.sock" "$@" 3>&-
}

docker_stop()
{
	kill "$dockerd" 2>/dev/null && wait "$dockerd" || :
}

docker_remove()
{
	local all

	[ -n "${engines_dir:-}" ] || return 0
	[ -n "${dockerd:-}" ] || { engines_clear; return 0; }
	mapfile -t all < <(docker_ ps -aq)
	[ "${#all[@]}" = 0 ] || docker_ rm -f "${all[@]}"
	docker_ network prune -f
	docker_stop
	ip link del docker0
	engines_clear
} >/dev/null 2>&1

# ---- both -------------------------------------------------------------------------------

# What engines keep for the next time: locks, control groups, namespaces, their storage.
engines_clear()
{
	local dir

	[ -n "$engines_dir" ] || return 0
	rm -f /dev/shm/libpod_lock
	for dir in /sys/fs/cgroup/{,*/}{libpod_parent,docker}; do
		if [ "$(stat -f -c %T "$dir" 2>/dev/null)" = tmpfs ]; then
			# No hierarchy, but a directory of its name, which engines take for one.
			rm -rf --one-file-system "$dir"
		elif [ -d "$dir" ]; then
			find "$dir" -depth -type d -exec rmdir {} + || :
		fi
	done
	# All that is mounted in it, the innermost first.
	awk -v d="$engines_dir" 'index($5, d) == 1 { print $5 }' /proc/self/mountinfo | tac |
		while read -r dir; do
			umount "$dir" || umount -l "$dir"
		done
	rm -rf --one-file-system "$engines_dir"
	engines_dir=
}

# same_as_peer [OPTION…] IMAGE COMMAND…: what `$engine run --rm …` prints and ends with is the same with
# the peer and with us. Both streams in one: the container must not write to both at once.
same_as_peer()
{
	local runtime status out=()

	for runtime in peer kata; do
		status=0
		out+=("$("$engine" run --rm --runtime "$runtime" "$@" 2>&1 </dev/null || echo "status $?")")
	done
	[ "${out[0]}" = "${out[1]}" ] && return
	printf '%s run %s: with runc or crun, and with kata:\n' "$engine" "$*" >&2
	diff <(echo "${out[0]}") <(echo "${out[1]}") >&2
	return 1
}
