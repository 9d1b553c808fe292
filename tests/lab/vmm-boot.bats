#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The monitor as a machine: processors and memory as a Linux sees them, every way to end,
# every refusal. Most guests have no kernel (tests/guests) and take no time.

# shellcheck disable=SC2154,SC2317 # shared with vmm.bash
load ../lib/vmm

monitor()
{
	timeout -k 5 "$vmm_limit" "$KATA_BUILD/vmm/kata-vmm" "$@"
}

# end_guest WAY ARGUMENT…: the guest without a kernel, see its source.
end_guest()
{
	local way=$1

	shift
	run -"$expected" monitor --kernel "$KATA_BUILD/tests/guests/guest-end" --cmdline "$way" "$@"
}

@test "boot: every way to end has its status" {
	expected=0 end_guest o
	expected=3 end_guest r
	expected=3 end_guest k
	expected=4 end_guest p
	expected=5 end_guest t
	[[ $output == *"triple-fault: processor 0"* ]]
	expected=3 end_guest w
	expected=3 end_guest f
	expected=3 end_guest f --no-acpi
	# Ports and holes: nobody answers, nothing breaks.
	expected=0 end_guest i
	expected=0 end_guest m
	expected=0 end_guest o --cpus 8 --memory 4096 --no-acpi
	expected=0 end_guest o --memory $((2 * $(awk '/MemTotal/ { print int($2 / 1024) }' /proc/meminfo)))
	expected=0 end_guest o --cpus 254
}

@test "boot: signals end a guest that does not listen" {
	for way in l x; do
		"$KATA_BUILD/vmm/kata-vmm" --kernel "$KATA_BUILD/tests/guests/guest-end" \
			--cmdline "$way" --cpus 2 >"$dir/vmm.log" 2>&1 3>&- &
		vmm=$!
		in_guest() { grep -q vcpu1 "/proc/$vmm"/task/*/comm; }
		vmm_wait in_guest
		if [ "$way" = l ]; then kill -TERM "$vmm"; else kill -INT "$vmm"; fi
		vmm_end 6
	done
	"$KATA_BUILD/vmm/kata-vmm" --kernel "$KATA_BUILD/tests/guests/guest-end" \
		--cmdline l <&- >&- 2>&- 3>&- &
	vmm=$!
	sleep 0.5
	# What was closed is nothing, and no file of the monitor's.
	[ "$(readlink "/proc/$vmm/fd/0" "/proc/$vmm/fd/1" "/proc/$vmm/fd/2" | sort -u)" = /dev/null ]
	kill -KILL "$vmm"
	vmm_end 137
}

@test "boot: the terminal is as it was, whoever used it" {
	run -0 script -qec "$KATA_BUILD/vmm/kata-vmm --kernel $KATA_BUILD/tests/guests/guest-end \
		--console stdio --cmdline o; echo status \$?; stty -a" /dev/null </dev/null
	[[ $output == *"status 0"* && $output == *" icanon "* ]]
}

# Each of its exits is a line of the log: soon there is no room for more.
@test "boot: nobody reads the log; sockets that it made go with the monitor" {
	mkfifo "$dir/fifo"
	exec {reader}<>"$dir/fifo"
	"$KATA_BUILD/vmm/kata-vmm" --kernel "$KATA_BUILD/tests/guests/guest-end" --cmdline x --debug \
		--console "unix:$dir/console.socket" --control "$dir/control" 2>"$dir/fifo" 3>&- &
	vmm=$!
	vmm_wait test -S "$dir/console.socket"
	vmm_wait test -S "$dir/control"
	run -0 timeout 60 python3 - "$dir/control" <<-'EOT'
		import re, socket, sys, time
		s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
		s.connect(sys.argv[1])
		def exits():
		    s.send(b"stats")
		    while True:
		        answer = s.recv(4096).decode()
		        if not answer.startswith("event"):
		            return int(re.search(r" exits=(\d+)", answer)[1])
		while exits() < 1500:  # lines of 60 bytes and more; a pipe has 64 KiB
		    time.sleep(0.1)
		before = exits()
		time.sleep(0.5)
		assert exits() > before, "it waits for a reader"
		s.close()
	EOT
	kill -KILL "$vmm"
	vmm_end 137
	exec {reader}>&-
	gone() { [ ! -e "$dir/console.socket" ] && [ ! -e "$dir/control" ]; }
	vmm_wait gone
}

# The whole life of a Linux that tells every 100 ms that it lives.
@test "boot: the control socket pauses, resumes, counts and stops a Linux" {
	vmm_initrd "$dir/initrd" init="$KATA_BUILD/tests/tools/boot-guest" -- "${vmm_modules[@]}"
	"$KATA_BUILD/vmm/kata-vmm" --kernel "$vmm_kernel/vmlinux" --initrd "$dir/initrd" \
		--console "$dir/console" --memory 128 --cpus 2 --control "$dir/control" \
		--cmdline "console=hvc0 quiet do=beat" </dev/null >"$dir/vmm.log" 2>&1 3>&- &
	vmm=$!
	beats() { grep -q ^beat "$dir/console"; }
	vmm_wait beats
	run -0 timeout "$vmm_limit" python3 - "$dir/control" "$dir/console" <<-'EOT'
		import os, re, socket, sys, time
		s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
		s.connect(sys.argv[1])
		def ask(request):
		    s.send(request.encode())
		    while True:
		        answer = s.recv(1024).decode()
		        if not answer.startswith("event started"):
		            return answer
		def exits():
		    return int(re.search(r"exits=(\d+)", ask("stats"))[1])
		s.send(b"stats")
		while (answer := s.recv(1024).decode()).startswith("event"):
		    pass
		words = dict(word.split("=") for word in answer.split()[1:])
		assert words["cpus"] == "2" and words["memory"] == "128", words
		assert words["state"] == "running" and 20 < int(words["resident"]) < 140, words
		assert int(words["kvm-exits"]) > int(words["exits"]) > 0, words
		assert int(words["cpu0"]) + int(words["cpu1"]) <= int(words["exits"]), words
		def told():
		    return os.stat(sys.argv[2]).st_size
		for _ in range(2):
		    assert ask("pause") == "ok"
		    rested = exits(), told()
		    time.sleep(0.5)
		    assert (exits(), told()) == rested, "it runs on"
		    assert ask("resume") == "ok"
		    end = time.monotonic() + 20
		    while told() == rested[1]:
		        assert time.monotonic() < end, "it does not go on"
		        time.sleep(0.05)
		assert ask("pause") == ask("pause") == "ok"
		assert ask("dance").startswith("error")
		s.send(b"stop")
		words = [s.recv(1024).decode() for _ in range(2)]
		assert words[0] == "ok" and words[1].startswith("event ended stopped"), words
	EOT
	vmm_end 6
}

@test "boot: what cannot be is refused in one line" {
	guest=$KATA_BUILD/tests/guests/guest-end
	refused()
	{
		local status=$1 says=$2

		shift 2
		run -"$status" monitor "$@"
		[[ $output == *"$says"* ]] || { echo "$output" >&2; return 1; }
		[ "$(grep -cv 'jail without' <<<"$output")" = 1 ]
	}
	truncate -s 1G "$dir/large"
	# Its first segment at 1.75 GiB: the fourth byte of p_paddr.
	cp "$guest" "$dir/high"
	printf '\x70' | dd of="$dir/high" bs=1 seek=$((64 + 24 + 3)) conv=notrunc status=none
	refused 2 "--kernel is missing"
	refused 2 "unknown argument" --kernel "$guest" --frobnicate
	refused 1 "No such file" --kernel "$dir/none"
	refused 1 "not an ELF file" --kernel "$dir/large"
	refused 1 "no PVH entry" --kernel "$(command -v busybox)"
	refused 1 "outside of the guest's memory" --kernel "$dir/high" --memory 64
	refused 2 "not between 64" --kernel "$guest" --memory 63
	refused 1 "initrd: 1048576 KiB do not fit" --kernel "$guest" --initrd "$dir/large" --memory 256
	refused 1 "initrd: not a file with content" --kernel "$guest" --initrd /dev/null
	refused 1 "too long" --kernel "$guest" --cmdline "$(printf '%2100s' x)"
	refused 1 "No such file" --kernel "$guest" --kvm "$dir/none"
	refused 1 "not a KVM device" --kernel "$guest" --kvm /dev/null
	refused 1 "is no descriptor" --kernel "$guest" --kvm fd:x
	disks=()
	for ((i = 0; i < 20; i++)); do disks+=(--disk "$dir/large"); done
	refused 1 "too many devices" --kernel "$guest" "${disks[@]}"
}

@test "boot: ten starts and stops leave nothing" {
	truncate -s 1M "$dir/disk"
	# No counter by the name of i: run has one of its own, which is not local.
	for _ in {1..10}; do
		expected=0 end_guest o --rng --disk "$dir/disk"
	done
}

@test "boot: a distribution's Linux, on both sides of the hole; its resets and its panic are told" {
	vmm_initrd "$dir/initrd" init="$KATA_BUILD/tests/tools/boot-guest" -- \
		"${vmm_modules[@]}" pvpanic pvpanic-mmio
	linux "$vmm_kernel/vmlinux" 0 "" --memory 128
	tells 1 60 127
	grep -qE ' clock=(kvm-clock|tsc) line=pci=off noreplace-smp ([^ ]+ )?console=hvc0' "$dir/console"
	linux "$vmm_kernel/vmlinux" 0 "" --memory 4096 --cpus 2 --rng
	tells 2 3800 4095
	# It has support for EFI, and so restarts by the firmware that is not there.
	linux "$vmm_kernel/vmlinux" 3 "do=reset" --memory 128 --cpus 2
	linux "$vmm_kernel/vmlinux" 3 "do=reset reboot=k" --memory 128 --cpus 2
	linux "$vmm_kernel/vmlinux" 3 "do=reset reboot=t" --memory 128
	linux "$vmm_kernel/vmlinux" 4 "do=panic panic=-1" --memory 256
	tells 1 180 255
	grep -q 'Kernel panic' "$dir/console"
}
