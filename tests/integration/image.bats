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
	# Those that wait come with all that they need.
	while read -r module dep; do
		listed+=("${module%:}")
		[ "$(modinfo -F depends "$cache/kernel/modules/${module%:}" | tr , ' ' | tr -d -)" = \
			"$(tr -d - <<<"${dep//.ko/}")" ]
		for dep in $dep; do
			listed+=("$dep")
		done
	done <"$cache/kernel/modules.later"
	[[ " ${listed[*]} " == *" erofs.ko "*" overlay.ko "* ]]
	[ ${#found[@]} = "$(printf '%s\n' "${listed[@]}" | sort -u | wc -l)" ]
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
	program apt-get <<<"touch '$PWD/begun'; sleep 300"
	# As ./demo does: the signal reaches the recipe and what it waits for.
	timeout 150 "$image/fetch-kernel" "$PWD/kernel" 3>&- &
	for _ in {1..1000}; do
		[ ! -e begun ] || break
		sleep 0.1
	done
	kill -TERM $!
	status=0
	wait $! || status=$?
	[ "$status" -gt 128 ]
	rm begun
	[ "$(ls -A)" = bin ]
}

@test "image: a package index without the kernel is told" {
	program apt-cache <<<'exit 100'
	run "$image/fetch-kernel" "$PWD/kernel"
	[ "$status" = 1 ]
	[[ $output == *"apt-get update"* ]]
}

# make KIND OUT: an initrd, an image, or an image with an init of its own.
make()
{
	case $1 in
	initrd) "$image/make-initrd" "$2" agent "$cache/kernel" ;;
	image) "$image/make-image" "$2" agent "$cache/kernel" ;;
	with-init) "$image/make-image" --init init "$2" agent "$cache/kernel" ;;
	esac
}

# content OUT DIR: unpacked.
content()
{
	mkdir "$2"
	case $1 in
	*.initrd) (cd "$2" && cpio -idm --quiet) <"$1" ;;
	*)
		tail -c +$((2 * 1024 * 1024 + 1)) "$1" >erofs
		fsck.erofs --extract="$2" --overwrite --preserve erofs
		;;
	esac
}

@test "image: the same input gives the same bytes" {
	local kind

	kernel
	agent
	cp /bin/false init
	for kind in initrd image with-init; do
		make "$kind" "one.$kind"
		touch -d yesterday agent init
		chmod 600 agent init
		mkdir -p elsewhere
		(umask 077 && make "$kind" "elsewhere/two.$kind")
		cmp "one.$kind" "elsewhere/two.$kind"
		# What is there is left alone, what has another agent is not.
		touch -d '2001-01-01' "one.$kind"
		make "$kind" "one.$kind"
		[ "$(stat -c %Y "one.$kind")" = "$(date -d 2001-01-01 +%s)" ]
		printf 'x' >>agent
		make "$kind" "one.$kind"
		[ "$(stat -c %Y "one.$kind")" != "$(date -d 2001-01-01 +%s)" ]
	done
	[ "$(ls -A elsewhere)" = "$(printf '%s\n' two.{image,initrd,with-init}{,.key})" ]
}

@test "image: the initrd holds the agent, the modules and nothing else" {
	kernel
	agent
	make initrd x.initrd
	{
		printf '%s\n' dev init lib lib/kata lib/kata/modules lib/kata/modules.later \
			lib/kata/modules.list proc run sbin sbin/init sys tmp usr usr/bin \
			usr/bin/kata-agent var var/run
		(cd "$cache/kernel" && printf 'lib/kata/%s\n' modules/*)
	} | sort >wanted
	cpio -t --quiet <x.initrd | sort >found
	diff wanted found
	cpio -tv --quiet <x.initrd | awk '$3 != "root" || $4 != "root" { exit 1 }'
	content x.initrd root
	[ -x root/usr/bin/kata-agent ]
	[ "$(realpath root/init)" = "$PWD/root/usr/bin/kata-agent" ]
	diff <(sed 's|^|/lib/kata/modules/|' "$cache/kernel/modules.list") root/lib/kata/modules.list
	while read -r file; do
		[ -s "root$file" ]
	done <root/lib/kata/modules.list
	[ "$(sed 's|/lib/kata/modules/||g' root/lib/kata/modules.later)" = "$(<"$cache/kernel/modules.later")" ]
}

@test "image: an image holds what the initrd holds" {
	local found

	kernel
	agent
	cp /bin/false init
	make initrd x.initrd
	make image x.image
	make with-init x.with-init
	for found in initrd image with-init; do
		content "x.$found" "$found"
	done
	diff -r --no-dereference initrd image
	# Modes, owners and links are the same, too.
	for found in initrd image; do
		(cd "$found" && find . -mindepth 1 -printf '%p %M %U:%G %l\n' | sort) >"$found.list"
	done
	diff initrd.list image.list

	[ ! -L with-init/sbin/init ]
	[ -x with-init/sbin/init ]
	run ! with-init/sbin/init
	"$image/make-initrd" --init init y.initrd agent "$cache/kernel"
	content y.initrd y
	diff -r --no-dereference y with-init
	cmp with-init/usr/bin/kata-agent image/usr/bin/kata-agent
	rm with-init/sbin/init image/sbin/init
	diff -r --no-dereference image with-init
}

@test "image: a disk of one partition, aligned for persistent memory" {
	kernel
	agent
	make image x.image
	[ $(($(stat -c %s x.image) % (2 * 1024 * 1024))) = 0 ]
	# Start and length in sectors: behind 2 MiB, up to the end.
	[ "$(PATH=$PATH:/sbin:/usr/sbin sfdisk -d x.image | sed -n 's/^x.image1 : //p' | tr -d ' ')" = \
		"start=4096,size=$(($(stat -c %s x.image) / 512 - 4096)),type=83" ]
	tail -c +$((2 * 1024 * 1024 + 1)) x.image >erofs
	fsck.erofs erofs
	# Mapped as it lies: neither compressed nor inline (layout 0 is plain).
	dump.erofs --path=/usr/bin/kata-agent erofs | grep -F 'Layout: 0'
}

@test "image: an agent that is no program is refused" {
	local kind

	kernel
	cp /bin/false init
	for kind in initrd image; do
		echo text >agent
		run make "$kind" out
		[ "$status" = 1 ]
		[[ $output == *"agent: is no program"* ]]
		rm agent
		run make "$kind" out
		[ "$status" = 1 ]
		[[ $output == *"agent: no such agent"* ]]
		[ "$(ls -A)" = "$(printf '%s\n' bin init)" ]
	done
	agent
	rm init
	run make with-init out
	[ "$status" = 1 ]
	[[ $output == *"init: no such program"* ]]
}
