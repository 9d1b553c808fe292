# SPDX-License-Identifier: Apache-2.0
#
# What `meson install` puts where, and that it works from there.

# shellcheck disable=SC2034,SC2154 # shared with common.bash
KATA_TEST_HYPERVISOR=qemu
load ../integration/common

setup_file()
{
	prefix=$(meson introspect --buildoptions "$KATA_BUILD" |
		python3 -c 'import json, sys; print(*[o["value"] for o in json.load(sys.stdin) if o["name"] == "prefix"])')
	dest=$BATS_FILE_TMPDIR/dest
	export prefix dest
	# The kernel that this build would install is the one in the cache.
	DESTDIR=$dest meson install -C "$KATA_BUILD" --no-rebuild
}

# installed COMMAND…: with the installed tree over what this machine has in
# the same place, and with nothing of its own configuration.
installed()
{
	timeout "$limit" unshare -m --propagation private bash -c '
		set -e
		mount -t overlay -o "lowerdir=$dest$prefix:$prefix" overlay "$prefix"
		[ ! -d /etc/kata-containers ] || mount -t tmpfs tmpfs /etc/kata-containers
		PATH=$prefix/bin:$PATH
		"$@"' installed "$@"
}

@test "install: everything is where Kata has it" {
	local defaults=$dest$prefix/share/defaults/kata-containers file

	for file in bin/kata-runtime bin/containerd-shim-kata-v2 bin/kata-agent \
		libexec/kata-containers/kata-{init,standin,vmm}; do
		[ -x "$dest$prefix/$file" ]
	done
	for file in vmlinux.container vmlinuz.container kata-containers.img kata-containers-initrd.img; do
		[ -s "$dest$prefix/share/kata-containers/$file" ]
	done
	cmp "$KATA_KERNEL" "$dest$prefix/share/kata-containers/vmlinux.container"
	cmp "$KATA_INITRD" "$dest$prefix/share/kata-containers/kata-containers-initrd.img"
	cmp "$KATA_IMAGE" "$dest$prefix/share/kata-containers/kata-containers.img"
	for file in acrn clh dragonball fc qemu stratovirt; do
		[ -s "$defaults/configuration-$file.toml" ]
	done
	[ "$(readlink "$defaults/configuration.toml")" = configuration-qemu.toml ]
	[ -s "$dest$prefix/share/man/man8/kata-vmm.8" ]
	# Nothing lies outside.
	[ "$(cd "$dest$prefix" && find . -mindepth 1 -maxdepth 1 | sort | xargs)" = './bin ./libexec ./share' ]
}

@test "install: each configuration names what is installed" {
	local file path paths

	for file in "$dest$prefix"/share/defaults/kata-containers/configuration-*.toml; do
		paths=$(sed -nE 's/^(kernel|image|initrd) = "(.+)"$/\2/p' "$file")
		[ -n "$paths" ]
		for path in $paths; do
			[[ $path == "$prefix"/share/kata-containers/* ]]
			[ -s "$dest$path" ]
		done
	done
}

@test "install: a container without a word of configuration" {
	container_bundle "$bundle" --no-terminal -- sh -c 'uname -r; exit 9'
	run -0 installed kata-runtime --show-default-config-paths
	[[ $output == *"$prefix/share/defaults/kata-containers/configuration.toml"* ]]
	# Without the overlay it is a tree that lies elsewhere: its own defaults count.
	run -0 "$dest$prefix/bin/kata-runtime" --show-default-config-paths
	[[ $output == *"$dest$prefix/share/defaults/kata-containers/configuration.toml"* ]]
	run -0 installed kata-runtime kata-env
	[[ $output == *"\"$prefix/share/kata-containers/vmlinux.container\""* ]]
	run -9 installed kata-runtime --log "$KATA_LOG" --root "$KATA_ROOT" run --bundle "$bundle" "$id"
	[[ $output == 6.*-kata-c ]]
}

@test "install: a guest that is not there is told" {
	mkdir empty
	export XDG_CACHE_HOME=$PWD/empty
	run -0 "$kata_tree/guest/image/install-guest" "$kata_agent" '' "$PWD/none"
	[[ $output == *"no kernel in $PWD/empty/kata-c"*"guest/kernel/build"* ]]
	[ ! -e none ]
	run -1 "$kata_tree/guest/image/install-guest" "$kata_agent" "$PWD/empty" "$PWD/none"
	[[ $output == *"$PWD/empty: holds no vmlinux"* ]]
	[ ! -e none ]
}
