# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# For tests of the monitor alone, with Linux guests that are an initrd of the test's own
# on the kernel of the other tests. Each test has a directory, $dir, and leaves nothing.
#
#	vmm_initrd FILE [NAME=PATH]… -- MODULE…	# with the modules under /modules, in order in
#						# /modules.list
#	vmm_start ARGUMENT…			# in the background; sets $vmm, its process
#	vmm_end STATUS				# it ends by itself, with that status; or
#						# what it does instead is told
#	linux KERNEL STATUS WORDS ARGUMENT…	# boots $dir/initrd to its end
#	tells CPUS FROM TO			# what that Linux saw

bats_require_minimum_version 1.5.0

# shellcheck source=tests/lib/leftovers.bash
source "$BATS_TEST_DIRNAME/../lib/leftovers.bash"

vmm_tree=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
KATA_BUILD=${KATA_BUILD:-$vmm_tree/build}
vmm_kernel=${KATA_KERNEL_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/kata-c/kernel}
vmm_limit=120 # seconds for anything
vmm_silence=60 # until a Linux that says nothing is looked at

# shellcheck disable=SC2034 # for the tests
# What every Linux guest needs for a device.
vmm_modules=(virtio_ring virtio virtio_mmio virtio_console)

setup()
{
	dir=$BATS_TEST_TMPDIR
	vmm=
	leftovers_snapshot "$dir/before"
}

teardown()
{
	local status=0

	if [ -n "$vmm" ]; then # a test that failed
		kill -9 "$vmm" 2>/dev/null || :
		cat "$dir/vmm.log" "$dir/console" >&2 2>/dev/null || :
		wait "$vmm" 2>/dev/null || :
	fi
	leftovers_compare "$dir/before" || status=1
	return "$status"
}

vmm_initrd()
{
	local out=$1 root=$dir/root module

	shift
	mkdir -p "$root/modules"
	for (( ; $# > 0; )); do
		[ "$1" != -- ] || { shift; break; }
		mkdir -p "$root/$(dirname "${1%%=*}")"
		cp "${1#*=}" "$root/${1%%=*}"
		shift
	done
	for module in "$@"; do
		# Built into the project's own kernel.
		[ -e "$vmm_kernel/modules/$module.ko" ] || continue
		cp "$vmm_kernel/modules/$module.ko" "$root/modules/"
		echo "$module.ko"
	done >"$root/modules.list"
	(cd "$root" && find . | cpio -o -H newc --quiet) >"$out"
	rm -rf --one-file-system "$root"
}

vmm_start()
{
	"$KATA_BUILD/vmm/kata-vmm" --kernel "$vmm_kernel/vmlinux" --console "$dir/console" \
		--cmdline "console=hvc0 quiet loglevel=4 panic=-1" "$@" \
		</dev/null >"$dir/vmm.log" 2>&1 3>&- &
	vmm=$!
}

# vmm_over SECONDS: has it ended, at last?
vmm_over()
{
	timeout "$1" tail --pid="$vmm" -s 0.05 -f /dev/null
}

# vmm_tell SECONDS: what explains a guest that does not end, be it as rare as it may. Fails
# unless it cannot be the monitor that keeps the guest waiting.
vmm_tell()
{
	local status=0

	{
		echo "not done after $1 s; bytes on its console: $(wc -c 2>/dev/null <"$dir/console" || :)"
		"$vmm_tree/tests/tools/vmm-state.py" "$vmm" || status=$?
		cat "$dir/vmm.log"
	} >&2
	[ "$status" = 3 ]
}

vmm_end()
{
	local status=0

	vmm_over "$vmm_limit" || { vmm_tell "$vmm_limit" || :; return 1; }
	wait "$vmm" || status=$?
	vmm=
	[ "$status" = "$1" ] || { cat "$dir/vmm.log" "$dir/console" >&2; return 1; }
}

# vmm_wait COMMAND…: until it succeeds.
vmm_wait()
{
	local end=$((SECONDS + vmm_limit))

	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || { echo "never: $*" >&2; return 1; }
		sleep 0.1
	done
}

# vmm_shout WORDS: is read also of a test that succeeds
vmm_shout()
{
	echo "# $*" >&3
	echo "$*" >&2
}

# vmm_linux KERNEL WORDS ARGUMENT…: in the background
vmm_linux()
{
	local kernel=$1 words=$2

	shift 2
	rm -f "$dir/console"
	"$KATA_BUILD/vmm/kata-vmm" --kernel "$kernel" --initrd "$dir/initrd" --console "$dir/console" \
		--cmdline "console=hvc0 quiet loglevel=4 $words" "$@" </dev/null >"$dir/vmm.log" 2>&1 3>&- &
	vmm=$!
}

# A machine within an emulated one: very rarely its guest freezes before its first word
# (docs/lab.md). That must not hide a kick that the monitor lost: so it is another start's
# turn only if the monitor owes the guest nothing, and but once.
vmm_froze()
{
	! vmm_over "$vmm_silence" && [ ! -s "$dir/console" ] &&
		grep -qs QEMU /sys/class/dmi/id/sys_vendor && vmm_tell "$vmm_silence"
}

# linux KERNEL STATUS WORDS ARGUMENT…
linux()
{
	local kernel=$1 status=$2

	shift 2
	vmm_linux "$kernel" "$@"
	if vmm_froze; then
		vmm_shout "a Linux said nothing for $vmm_silence s and is started again, once: $*"
		kill -9 "$vmm"
		wait "$vmm" || :
		vmm_linux "$kernel" "$@"
	fi
	vmm_end "$status"
}

# tells CPUS FROM TO: so many processors are online, and so many MiB of memory there.
tells()
{
	local seen

	seen=$(sed -n "s/^cpus=$1 memory=\\([0-9]*\\) .*/\\1/p" "$dir/console")
	[ -n "$seen" ] && [ "$seen" -ge "$2" ] && [ "$seen" -le "$3" ] || { cat "$dir/console" >&2; return 1; }
}
