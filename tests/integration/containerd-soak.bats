#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Pods under a real containerd, one after another and many at once: none fails, nothing is left,
# and containerd heard of each once. KATA_TEST_PODS (20) and KATA_TEST_AT_ONCE (8) say how many.

# shellcheck disable=SC2034,SC2046,SC2154 # shared with common.bash; names without spaces
KATA_TEST_HYPERVISOR=fake
load common
load ../lib/containerd

containerd_tests

# specs POD…: of its sandbox and of the container that joins it.
specs()
{
	python3 - "$bundle" "$BATS_TEST_TMPDIR" "$@" <<-'EOT'
		import json, sys
		bundle, to, *pods = sys.argv[1:]
		c = json.load(open(bundle + "/config.json"))
		c["root"]["path"] = bundle + "/rootfs"
		for pod in pods:
		    c["annotations"] = {"io.kubernetes.cri.container-type": "sandbox"}
		    c["process"]["args"] = ["sleep", "1000"]
		    json.dump(c, open(f"{to}/{pod}.sandbox", "w"))
		    c["annotations"] = {"io.kubernetes.cri.container-type": "container",
		        "io.kubernetes.cri.sandbox-id": pod}
		    c["process"]["args"] = ["sh", "-c", "exit 3"]
		    json.dump(c, open(f"{to}/{pod}.member", "w"))
	EOT
}

# pod NAME: its whole life.
pod()
{
	local status=0 run=(ctr_ run --null-io --runtime io.containerd.kata.v2 --config)

	"${run[@]}" "$BATS_TEST_TMPDIR/$1.sandbox" --detach "$1" || return
	"${run[@]}" "$BATS_TEST_TMPDIR/$1.member" --rm "$1-m" || status=$?
	[ "$status" = 3 ] || { echo "$1: status $status" >&2; return 1; }
	ctr_ tasks rm --force "$1" 2>/dev/null || :
	ctr_ containers rm "$1"
}

no_shim()
{
	! pgrep containerd-shim >/dev/null
}

@test "containerd: pods one after another, and many at once" {
	local i jobs=() job pods=${KATA_TEST_PODS:-20} many=${KATA_TEST_AT_ONCE:-8}
	container_bundle "$bundle" -- true
	containerd_start "$BATS_TEST_TMPDIR/c" "$KATA_CONFIG"
	containerd_listen "$BATS_TEST_TMPDIR/events"
	specs $(seq -f "$id-%.0f" 0 $((pods - 1))) $(seq -f "$id-at-once-%.0f" 0 $((many - 1)))
	for ((i = 0; i < pods; i++)); do
		pod "$id-$i"
	done
	for ((i = 0; i < many; i++)); do
		pod "$id-at-once-$i" 3>&- &
		jobs+=("$!")
	done
	for job in "${jobs[@]}"; do
		ends_with 0 "$job"
	done
	wait_for 10 no_shim
	run find /run/vc/sbs /run/vc/vm /run/kata-containers/shared/sandboxes -mindepth 1
	[ -z "$output" ]
	all_told() { [ "$(grep "/tasks/$1 " "$BATS_TEST_TMPDIR/events" | grep -cE "\"container_id\":\"$id-(at-once-)?[0-9]+$2\"")" = $((pods + many)) ]; }
	for topic in create start exit delete; do
		for kind in '' -m; do
			wait_for 10 all_told "$topic" "$kind"
		done
	done
}
