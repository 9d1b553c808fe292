# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash

setup_suite()
{
	# shellcheck source=tests/lib/container.bash
	source "$BATS_TEST_DIRNAME/../lib/container.bash"
	[ "$(id -u)" = 0 ] || { echo "these tests need root" >&2; return 1; }
	export KATA_KERNEL_DIR=${KATA_KERNEL_DIR:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/kata-c/guest-kernel}
	[ -e "$KATA_KERNEL_DIR/vmlinux" ] ||
		{ echo "$KATA_KERNEL_DIR: no kernel; guest/kernel/build makes it" >&2; return 1; }
	container_prepare "$BATS_SUITE_TMPDIR"
	KATA_IMAGE=$BATS_SUITE_TMPDIR/image
	KATA_IMAGE_INIT=$BATS_SUITE_TMPDIR/image-with-init
	"$kata_tree/guest/image/make-image" "$KATA_IMAGE" "$kata_agent" "$KATA_KERNEL_DIR" &&
		"$kata_tree/guest/image/make-image" --init "$KATA_BUILD/guest/init/kata-init" \
			"$KATA_IMAGE_INIT" "$kata_agent" "$KATA_KERNEL_DIR" &&
		export KATA_IMAGE KATA_IMAGE_INIT
}
