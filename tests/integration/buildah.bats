#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The real Buildah: RUN steps and `buildah run` in machines. On the fake driver.

# shellcheck disable=SC2016,SC2034,SC2154 # for inner shells; shared with common.bash
KATA_TEST_HYPERVISOR=fake
load common
load engines

eval "common_$(declare -f teardown)"

teardown()
{
	[ -z "${engines_dir:-}" ] || buildah_ rm -a >/dev/null 2>&1 || :
	podman_stop
	common_teardown
}

buildah_()
{
	timeout --foreground -k 5 120 buildah --root "$engines_dir/root" --runroot "$engines_dir/run" "$@" 3>&-
}

@test "buildah: RUN steps and run, with runc or crun and with kata" {
	container_bundle "$bundle" -- true
	podman_start "$BATS_TEST_TMPDIR/p" "$bundle"
	export BUILDAH_ISOLATION=oci
	mkdir "$BATS_TEST_TMPDIR/context"
	echo copied >"$BATS_TEST_TMPDIR/context/file"
	cat >"$BATS_TEST_TMPDIR/context/Dockerfile" <<-'EOT'
		FROM box
		ARG word=none
		ENV A=b
		COPY file /file
		RUN echo $word >/built; id -u; cat /file; echo $A; cat /proc/1/comm
		USER demo
		WORKDIR /tmp
		RUN id -un; pwd; touch /tmp/who
		RUN ["stat", "-c", "%U %n", "/tmp/who", "/built"]
		CMD ["cat", "/built"]
	EOT
	for runtime in "$engines_peer" "$engines_dir/kata-runtime"; do
		buildah_ build --runtime "$runtime" --network none --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 \
			--build-arg word=said -t built-"${runtime##*/}" "$BATS_TEST_TMPDIR/context" \
			>"$BATS_TEST_TMPDIR/${runtime##*/}.out" 2>&1 || { cat "$BATS_TEST_TMPDIR/${runtime##*/}.out"; false; }
	done
	# Without what has the image's name, or a checksum of times.
	steps() { grep -vE '^[0-9a-f]{64}$|built-|^-->|^Copying' "$BATS_TEST_TMPDIR/$1.out"; }
	steps kata-runtime >"$BATS_TEST_TMPDIR/kata.steps"
	steps "${engines_peer##*/}" >"$BATS_TEST_TMPDIR/peer.steps"
	diff "$BATS_TEST_TMPDIR/peer.steps" "$BATS_TEST_TMPDIR/kata.steps"
	grep -q '^demo$' "$BATS_TEST_TMPDIR/kata.steps"
	[ "$(podman_ run --rm --network none built-kata-runtime)" = said ]

	printf 'FROM box\nRUN exit 7\n' >"$BATS_TEST_TMPDIR/context/Dockerfile"
	run ! buildah_ build --runtime "$engines_dir/kata-runtime" --network none --ulimit nofile=1024:1024 \
		--ulimit nproc=1024:1024 "$BATS_TEST_TMPDIR/context"
	[[ $output == *"exit status 7"* ]]

	work=$(buildah_ from --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 box)
	options=(--network none --user demo --workingdir /tmp --env X=y --cap-drop all -v "$BATS_TEST_TMPDIR/context:/c:ro")
	BUILDAH_RUNTIME=$engines_dir/kata-runtime buildah_ run "${options[@]}" "$work" touch /tmp/ran
	[ -e "$(buildah_ mount "$work")/tmp/ran" ]
	buildah_ umount "$work" >/dev/null
	for runtime in "$engines_peer" "$engines_dir/kata-runtime"; do
		run -3 buildah_ run --runtime "$runtime" "${options[@]}" "$work" sh -c 'id; pwd; echo $X; ls /c; grep CapEff /proc/self/status; exit 3'
		echo "${output//while running runtime*/}" >"$BATS_TEST_TMPDIR/${runtime##*/}.ran"
	done
	diff "$BATS_TEST_TMPDIR/${engines_peer##*/}.ran" "$BATS_TEST_TMPDIR/kata-runtime.ran"
	run ! buildah_ run --runtime "$engines_dir/kata-runtime" --network host "$work" true
	[[ $output == *"cannot live in the host's network (--network host)"* ]]
}
