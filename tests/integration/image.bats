# SPDX-License-Identifier: Apache-2.0
#
# The recipes of what the guest boots.

bats_require_minimum_version 1.5.0
image=$BATS_TEST_DIRNAME/../../guest/image
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/kata-c

setup()
{
	cd "$BATS_TEST_TMPDIR" || return
	mkdir bin
	PATH=$PWD/bin:$PATH
}

# program NAME: a script of that name which is found first.
program()
{
	{ echo '#!/bin/bash'; cat; } >"bin/$1"
	chmod +x "bin/$1"
}

# An agent that is a program of this machine.
agent()
{
	cp /bin/true agent
}

kernel()
{
	"$image/fetch-kernel" "$cache/kernel"
}

@test "image: the kernel has its modules in load order" {
	local module dep loaded=' ' found listed

	kernel
	found=("$cache/kernel/modules"/*)
	[ -s "$cache/kernel/vmlinux" ]
	mapfile -t listed <"$cache/kernel/modules.list"
	for module in "${listed[@]}"; do
		for dep in $(modinfo -F depends "$cache/kernel/modules/$module" | tr , ' '); do
			[[ $loaded == *" ${dep//-/_} "* ]]
		done
		module=${module%.ko}
		loaded+="${module//-/_} "
	done
	[[ $loaded == *" virtio_mmio "*" virtiofs "* ]]
	[ ${#found[@]} = ${#listed[@]} ]
}

@test "image: a kernel that is there is not fetched again" {
	kernel
	program apt-get <<<'touch fetched; exit 1'
	kernel
	[ ! -e fetched ]
}

@test "image: a download that fails leaves nothing" {
	program apt-get <<<'exit 100'
	run "$image/fetch-kernel" "$PWD/kernel"
	[ "$status" = 1 ]
	[[ $output == *"cannot download the package linux-image-"* ]]
	[ "$(ls -A)" = bin ]
}

@test "image: a damaged package leaves nothing" {
	program apt-get <<<'head -c 100000 /dev/urandom >x.deb'
	run "$image/fetch-kernel" "$PWD/kernel"
	[ "$status" = 1 ]
	[[ $output == *"x.deb: cannot be unpacked"* ]]
	[ "$(ls -A)" = bin ]
}

@test "image: an interrupted download leaves nothing" {
	program apt-get <<<"touch '$PWD/begun'; sleep 30"
	# As ./demo does: the signal reaches the recipe and what it waits for.
	timeout 60 "$image/fetch-kernel" "$PWD/kernel" 3>&- &
	for _ in {1..100}; do
		[ ! -e begun ] || break
		sleep 0.1
	done
	kill -TERM $!
	run ! wait $!
	rm begun
	[ "$(ls -A)" = bin ]
}

@test "image: a package index without the kernel is told" {
	program apt-cache <<<'exit 100'
	run "$image/fetch-kernel" "$PWD/kernel"
	[ "$status" = 1 ]
	[[ $output == *"apt-get update"* ]]
}

@test "image: the same input gives the same initrd" {
	kernel
	agent
	"$image/make-initrd" one agent "$cache/kernel"
	touch -d yesterday agent
	chmod 600 agent
	(umask 077 && "$image/make-initrd" two agent "$cache/kernel")
	cmp one two
	printf 'x' >>agent
	"$image/make-initrd" one agent "$cache/kernel"
}

@test "image: the initrd holds the agent, the modules and nothing else" {
	kernel
	agent
	"$image/make-initrd" initrd agent "$cache/kernel"
	{
		printf '%s\n' init lib lib/kata lib/kata/modules lib/kata/modules.list
		sed 's|^|lib/kata/modules/|' "$cache/kernel/modules.list"
	} | sort >wanted
	cpio -t --quiet <initrd | sort >found
	diff wanted found
	cpio -tv --quiet <initrd | awk '$3 != "root" || $4 != "root" { exit 1 }'
	mkdir root
	(cd root && cpio -id --quiet <../initrd)
	[ -x root/init ]
	diff <(sed 's|^|/lib/kata/modules/|' "$cache/kernel/modules.list") root/lib/kata/modules.list
	while read -r file; do
		[ -s "root$file" ]
	done <root/lib/kata/modules.list
}

@test "image: an agent that is no program is refused" {
	kernel
	echo text >agent
	run "$image/make-initrd" initrd agent "$cache/kernel"
	[ "$status" = 1 ]
	[[ $output == *"agent: is no program"* ]]
	[ ! -e initrd ]
	run "$image/make-initrd" initrd /nonexistent/agent "$cache/kernel"
	[ "$status" = 1 ]
	[[ $output == *"/nonexistent/agent"* ]]
}
