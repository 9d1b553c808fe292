#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The configuration as users meet it: where it is found, what a container may
# change of it, what is refused.

# shellcheck disable=SC2016,SC2034,SC2154 # for inner shells; shared with common.bash
KATA_TEST_HYPERVISOR=qemu
load common

# annotate NAME VALUE…: into the bundle's config.json, replacing those there.
annotate()
{
	python3 - "$bundle/config.json" "$@" <<-'EOT'
		import json, sys
		path, *words = sys.argv[1:]
		spec = json.load(open(path))
		prefix = "io.katacontainers.config."
		spec["annotations"] = {prefix + k: v for k, v in zip(words[::2], words[1::2])}
		json.dump(spec, open(path, "w"))
	EOT
}

# refused WORDS: the container is refused in one line that has them.
refused()
{
	run ! kata run --bundle "$bundle" "$id"
	echo "$output"
	[ "${#lines[@]}" = 1 ]
	[[ $output == *"$1"* ]]
}

@test "annotations change the machine of their container" {
	container_config "$KATA_CONFIG" qemu 'enable_annotations=["^default_", "kernel_params"]' \
		'kernel_params="one=file two=file"' 'runtime.enable_debug = true'
	container_bundle "$bundle" -- sh -c \
		'cat /proc/cmdline; nproc; awk "/MemTotal/ { print \$2 }" /proc/meminfo'
	annotate hypervisor.default_vcpus 2 hypervisor.default_memory 200 \
		hypervisor.kernel_params 'two=here three=here' runtime.nosuch x
	run -0 --separate-stderr kata run --bundle "$bundle" "$id"
	echo "$output"
	[[ " ${lines[0]} " == *" one=file two=here three=here "* ]]
	[[ ${lines[0]} != *two=file* ]]
	[ "${lines[1]}" = 2 ]
	[ "${lines[2]}" -gt 100000 ]
	[ "${lines[2]}" -lt 204800 ]
	grep 'annotation .*io.katacontainers.config.runtime.nosuch.* is not known' "$KATA_LOG"
	grep -i debug "$KATA_LOG"
}

@test "an annotation that is not allowed, or wrong, is named" {
	container_bundle "$bundle" -- true
	annotate hypervisor.kernel /vmlinux
	refused "annotation io.katacontainers.config.hypervisor.kernel is not enabled"
	container_config "$KATA_CONFIG" qemu 'enable_annotations=[".*"]' \
		'valid_hypervisor_paths=["/usr/bin/qemu-system-*"]'
	annotate hypervisor.path /tmp/qemu
	refused 'annotation io.katacontainers.config.hypervisor.path: "/tmp/qemu" is none of'
	annotate hypervisor.default_memory 2Gi
	refused 'annotation io.katacontainers.config.hypervisor.default_memory: must be an integer'
	annotate hypervisor.default_vcpus 100000
	refused 'annotation io.katacontainers.config.hypervisor.default_vcpus: 100000 processors'
	annotate runtime.disable_new_netns true
	refused "runtime.disable_new_netns: works with internetworking_model"
	annotate agent.policy cGFja2FnZQ==
	refused 'SetPolicy: the policy has no rule'
	annotate agent.policy '%%%'
	refused "annotation io.katacontainers.config.agent.policy: "
}

@test "what this version does not do is refused by the key's name" {
	container_bundle "$bundle" -- true
	for setting in 'runtime.enable_tracing = true' 'runtime.vfio_mode = "vfio"' \
		'agent.enable_tracing = true' 'runtime.experimental = ["x"]'; do
		container_config "$KATA_CONFIG" qemu "$setting"
		key=${setting%% *}
		refused "${key/agent./agent.kata.}: "
		# Showing what is configured is no harm.
		run -0 --separate-stderr kata kata-env
	done
	container_config "$KATA_CONFIG" qemu 'enable_annotations=["a(b"]'
	refused 'hypervisor.qemu.enable_annotations: "a(b" is no regular expression'
}

@test "where a configuration is looked for, and what lies beside it" {
	run -0 "$kata_runtime" --show-default-config-paths
	[ "$output" = $'/etc/kata-containers/configuration.toml\n/usr/share/defaults/kata-containers/configuration.toml' ]
	mkdir -p "$BATS_TEST_TMPDIR/etc/config.d"
	mv "$KATA_CONFIG" "$BATS_TEST_TMPDIR/etc/real.toml"
	ln -s etc/real.toml "$KATA_CONFIG"
	printf '[agent.kata]\nenable_debug = true\n' >"$BATS_TEST_TMPDIR/etc/config.d/b.toml"
	printf '[agent.kata]\nenable_debug = false\nenabledebug = 1\n' \
		>"$BATS_TEST_TMPDIR/etc/config.d/a.toml"
	# The environment's, with the drop-ins beside the file that the link leads to.
	KATA_CONF_FILE=$KATA_CONFIG run -0 --separate-stderr "$kata_runtime" kata-env
	[[ $output == *"Path = \"$BATS_TEST_TMPDIR/etc/real.toml\""* ]]
	[[ $output == *$'[Agent]\n  Debug = true'* ]]
	[[ $stderr == *'etc/config.d/a.toml:3:1: agent.kata: "enabledebug" is not known and ignored; did you mean enable_debug?'* ]]
	# The option wins.
	KATA_CONF_FILE=/nonexistent run -0 --separate-stderr kata kata-env
	KATA_CONF_FILE=/nonexistent run ! "$kata_runtime" kata-env
	[[ $output == */nonexistent* ]]
	ln -sf nowhere "$KATA_CONFIG"
	run ! kata kata-env
	[[ $output == *configuration.toml*"No such file"* ]]
}
