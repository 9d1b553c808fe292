# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034 # for the tests
#
# A containerd of one's own that finds the shim of the build, or of $KATA_SHIM_DIR. It is the
# one of the machine, or with its ctr in the directory $KATA_TEST_CONTAINERD: 1.6 to 2.1 are known.
#
#	containerd_start DIR CONFIGURATION	# sets $containerd; its log is DIR/log
#	containerd_image BUNDLE [NAME COMMAND]	# example.org/busybox:1 from the bundle's root;
#						# or another one, and what it runs, as JSON
#						# $containerd_snapshotter: not native
#	ctr_ ARGUMENT…				# ctr that speaks to it
#	task_is ID STATUS
#	containerd_listen FILE			# sets $listener, who adds its events to FILE
#	containerd_stop				# it, and the listener
#	containerd_tests			# after common: each test's end stops it first

[ -z "${KATA_TEST_CONTAINERD:-}" ] || PATH=$KATA_TEST_CONTAINERD:$PATH

containerd_start()
{
	containerd_dir=$1
	mkdir -p "$1"
	cat >"$1/config.toml" <<-EOT
		version = 2
		root = "$1/root"
		state = "$1/state"
		disabled_plugins = ["io.containerd.grpc.v1.cri"]
		[grpc]
		address = "$1/c.sock"
		[ttrpc]
		address = "$1/c.sock.ttrpc"
	EOT
	containerd_again "$2"
}

# Start it, anew after containerd_stop: it finds what it had.
containerd_again()
{
	PATH=${KATA_SHIM_DIR:-$KATA_BUILD/host/shim}:$PATH KATA_CONF_FILE=$1 \
		containerd --config "$containerd_dir/config.toml" --log-level trace \
		>>"$containerd_dir/log" 2>&1 3>&- &
	containerd=$!
	for _ in {1..600}; do
		! ctr_ version >/dev/null 2>&1 || return 0
		kill -0 "$containerd" 2>/dev/null || break
		sleep 0.1
	done
	tail "$containerd_dir/log" >&2
	return 1
}

containerd_stop()
{
	[ -z "${listener:-}" ] || kill "$listener" 2>/dev/null || :
	kill "$containerd" 2>/dev/null && wait "$containerd" || :
}

containerd_tests()
{
	eval "common_$(declare -f teardown)"
	# shellcheck disable=SC2317 # bats calls it
	teardown()
	{
		containerd_stop
		common_teardown
	}
}

ctr_()
{
	timeout --foreground 120 ctr --address "$containerd_dir/c.sock" "$@"
}

task_is()
{
	[ "$(ctr_ tasks ls | awk -v id="$1" '$1 == id { print $3 }')" = "$2" ]
}

# It is heard only what is told after this: a listener takes a while to begin.
containerd_listen()
{
	local i

	ctr --address "$containerd_dir/c.sock" events >>"$1" 2>/dev/null 3>&- &
	listener=$!
	for ((i = 0; i < 300; i++)); do
		ctr_ namespaces create "hear-$listener-$i" || return
		sleep 0.1
		! grep -q "/namespaces/create .*hear-$listener-" "$1" || break
	done
	ctr_ namespaces ls -q | grep "^hear-$listener-" | while read -r i; do
		ctr_ namespaces rm "$i" >/dev/null
	done
	grep -q "/namespaces/create .*hear-$listener-" "$1"
}

containerd_image()
{
	local dir=$containerd_dir/image layer options=()

	rm -rf "$dir"
	mkdir -p "$dir/blobs/sha256"
	tar -C "$1/rootfs" --sort=name --owner=0 --group=0 -cf "$dir/layer" .
	layer=$(sha256sum <"$dir/layer" | cut -c1-64)
	mv "$dir/layer" "$dir/blobs/sha256/$layer"
	python3 - "$dir" "$layer" "${2:-example.org/busybox:1}" "${3:-[\"sh\"]}" <<-'EOT'
		import hashlib, json, os, sys
		top, layer, name, command = sys.argv[1:]
		def blob(value, kind):
		    data = json.dumps(value).encode()
		    name = hashlib.sha256(data).hexdigest()
		    open(f"{top}/blobs/sha256/{name}", "wb").write(data)
		    return {"mediaType": kind, "digest": "sha256:" + name, "size": len(data)}
		oci = "application/vnd.oci.image."
		config = blob({"architecture": "amd64", "os": "linux", "config": {"Cmd": json.loads(command),
		    "Env": ["PATH=/bin"]}, "rootfs": {"type": "layers", "diff_ids": ["sha256:" + layer]}},
		    oci + "config.v1+json")
		size = os.stat(f"{top}/blobs/sha256/{layer}").st_size
		manifest = blob({"schemaVersion": 2, "config": config, "layers": [{"mediaType":
		    oci + "layer.v1.tar", "digest": "sha256:" + layer, "size": size}]},
		    oci + "manifest.v1+json")
		manifest["annotations"] = {"io.containerd.image.name": name}
		json.dump({"schemaVersion": 2, "manifests": [manifest]}, open(f"{top}/index.json", "w"))
		json.dump({"imageLayoutVersion": "1.0.0"}, open(f"{top}/oci-layout", "w"))
	EOT
	tar -C "$dir" -cf "$dir.tar" .
	# From 2.0 on the daemon would unpack it, and for its own snapshotter alone.
	! ctr images import --help | grep -q -e --local || options=(--local)
	ctr_ images import "${options[@]}" --snapshotter "${containerd_snapshotter:-native}" \
		--all-platforms "$dir.tar" >/dev/null
}
