# SPDX-License-Identifier: Apache-2.0
#
# The build of the guest's own kernel, with a source that compiles in no time.
# The kernel itself is tested by tests/kernel.

bats_require_minimum_version 1.5.0
build=$BATS_TEST_DIRNAME/../../guest/kernel/build
fragments=$BATS_TEST_DIRNAME/../../guest/kernel/fragments

setup_file()
{
	local dir=$BATS_FILE_TMPDIR

	mkdir -p "$dir"/{linux-source-9.9,deb/DEBIAN,deb/usr/src}
	cat >"$dir/linux-source-9.9/Makefile" <<-'EOT'
		.RECIPEPREFIX = >
		allnoconfig:
		> grep -v -w -e '$(FAKE_DROP)' $(KCONFIG_ALLCONFIG) >.config
		bzImage: vmlinux
		> mkdir -p arch/x86/boot && cp vmlinux arch/x86/boot/bzImage
		vmlinux:
		> @seq -f '  CC      file%g.o' 450
		> $(FAKE_COMMAND)
		> gcc -nostdlib -static -no-pie $(FAKE_FLAGS) -o vmlinux note.S
	EOT
	# The note by which a kernel tells its PVH entry.
	cat >"$dir/linux-source-9.9/note.S" <<-'EOT'
		.globl _start
		_start: nop
		#ifdef FILLER
		mov $60, %eax /* exit */
		mov $1, %edi
		cmpl $1, first
		jne 1f
		cmpl $0, first + 100000
		jne 1f
		cmpl $2, last
		jne 1f
		cmpl $0, end
		jne 1f
		xor %edi, %edi
		1: syscall
		.data
		first: .long 1
		.fill 200000, 1, 0xcc
		.fill 200000, 1, 0
		last: .long 2
		.bss
		.skip 200000
		end: .long 0
		#endif
		#ifndef NO_NOTE
		.section .note.Xen, "a"
		.long 4, 8, 18
		.asciz "Xen"
		.quad 0x1000000
		#endif
	EOT
	tar -C "$dir" -cJf "$dir/deb/usr/src/linux-source-9.9.tar.xz" linux-source-9.9
	printf '%s\n' 'Package: linux-source-9.9' 'Version: 9.9-1' 'Architecture: all' \
		'Maintainer: nobody' 'Description: none' >"$dir/deb/DEBIAN/control"
	dpkg-deb -b "$dir/deb" "$dir/source.deb"
}

setup()
{
	cd "$BATS_TEST_TMPDIR" || return
	mkdir bin
	PATH=$PWD/bin:$PATH
	export XDG_CACHE_HOME=$PWD/cache FAKE_DROP=none FAKE_COMMAND=: FAKE_FLAGS=
	program apt-cache <<-'EOT'
		case $1 in
		depends) echo '  Depends: linux-source-9.9' ;;
		policy) echo '  Candidate: 9.9-1' ;;
		esac
	EOT
	program apt-get <<-EOT
		echo "\$@" >>'$PWD/downloads'
		cp '$BATS_FILE_TMPDIR/source.deb' .
	EOT
}

# program NAME: a script of that name which is found first.
program()
{
	{ echo '#!/bin/bash'; cat; } >"bin/$1"
	chmod +x "bin/$1"
}

# Only what may be left of a build that failed.
nothing_left()
{
	(cd cache/kata-c && find . -mindepth 1 ! -name '*.log' ! -name '*.lock' ! -path './kernel-source*') >left
	cat left
	[ ! -s left ]
}

@test "kernel-build: built once, found again, told in between" {
	local key

	run -0 "$build"
	[[ $output == *"compiled 450 files in "*"the kernel is $PWD/cache/kata-c/guest-kernel/vmlinux"* ]]
	cd cache/kata-c
	key=$(readlink guest-kernel)
	[[ $key =~ ^kernels/[0-9a-f]{16}$ ]]
	[ "$(cat guest-kernel/version)" = 'linux-source-9.9 9.9-1' ]
	[ ! -s guest-kernel/modules.list ]
	[ -d guest-kernel/modules ]
	grep -qx CONFIG_PVH=y guest-kernel/config
	[ -s guest-kernel/vmlinuz ]
	readelf -S guest-kernel/vmlinux >sections
	run ! grep symtab sections
	rm sections
	[ "$(ls)" = "$(printf '%s\n' guest-kernel kernel-build.{lock,log} kernel-source kernels)" ]
	cd ../..

	program make <<<'exit 1'
	run -0 "$build"
	[ "$(readlink cache/kata-c/guest-kernel)" = "$key" ]

	# Another option is another kernel, from the same source; the first comes back.
	rm bin/make
	echo CONFIG_FAKE=y >more.config
	run -0 "$build" more.config
	[ "$(readlink cache/kata-c/guest-kernel)" != "$key" ]
	grep -qx CONFIG_FAKE=y cache/kata-c/guest-kernel/config
	[ "$(wc -l <downloads)" = 1 ]
	run -0 "$build"
	[ "$(readlink cache/kata-c/guest-kernel)" = "$key" ]
}

@test "kernel-build: an option that does not arrive is named" {
	FAKE_DROP='CONFIG_VIRTIO_FS\|CONFIG_HZ_250' run -1 "$build"
	[[ $output == *"CONFIG_VIRTIO_FS=y"* && $output == *"CONFIG_HZ_250=y"* ]]
	[[ $output != *"CONFIG_VIRTIO_PCI=y"* ]]
	nothing_left
	printf '%s\n' '# CONFIG_OFF is not set' >more.config
	FAKE_DROP='none' run -0 "$build" more.config
	echo CONFIG_PVH=n >more.config
	run -1 "$build" more.config
	[[ $output == *"twice: CONFIG_PVH"* ]]
	run -1 "$build" /nonexistent.config
	[[ $output == *"/nonexistent.config: no such fragment"* ]]
	run -2 "$build" --nosuch
	[[ $output == *"unknown option: --nosuch"* ]]
}

@test "kernel-build: a failure names the log and leaves nothing" {
	FAKE_COMMAND='echo fake.c:1: error: no; exit 1' run -1 "$build"
	[[ $output == *"fake.c:1: error: no"*"$PWD/cache/kata-c/kernel-build.log"* ]]
	grep -q 'file450.o' cache/kata-c/kernel-build.log
	nothing_left
	FAKE_FLAGS=-DNO_NOTE run -1 "$build"
	[[ $output == *"no PVH entry"* ]]
	nothing_left
	program apt-get <<<'exit 100'
	rm -r cache
	run -1 "$build"
	[[ $output == *"downloading the kernel's source"* ]]
	nothing_left
	program apt-get <<<'head -c 1000 /dev/urandom >x.deb'
	run -1 "$build"
	[[ $output == *"x.deb: cannot be unpacked"* ]]
	nothing_left
	program apt-cache <<<'exit 100'
	run -1 "$build"
	[[ $output == *"apt-get update"* ]]
}

@test "kernel-build: an interrupted build leaves nothing, not even a compiler" {
	local signal pid

	for signal in TERM INT HUP; do
		rm -f begun
		FAKE_COMMAND="touch '$PWD/begun'; exec sleep 4242" \
			timeout --foreground 150 env --default-signal=INT,HUP "$build" 3>&- &
		for _ in {1..600}; do
			[ ! -e begun ] || break
			sleep 0.1
		done
		[ -e begun ]
		pid=$(pgrep -o -x -f "/bin/bash $build")
		kill "-$signal" "$pid"
		status=0
		wait $! || status=$?
		[ "$status" -gt 128 ]
		nothing_left
		for _ in {1..300}; do
			pgrep -x -f 'sleep 4242' >/dev/null || break
			sleep 0.1
		done
		run ! pgrep -x -f 'sleep 4242'
	done
	run -0 "$build"
}

@test "kernel-build: what a killed build left goes with the next" {
	mkdir -p cache/kata-c/kernel-build.Ab1dEf/source
	run -0 "$build"
	[ ! -e cache/kata-c/kernel-build.Ab1dEf ]
}

@test "kernel-build: of two at once one builds" {
	FAKE_COMMAND='echo x >>"$(CURDIR)/../../built"; sleep 1' "$build" >one 2>&1 3>&- &
	FAKE_COMMAND='echo x >>"$(CURDIR)/../../built"; sleep 1' run -0 "$build"
	wait $!
	[ "$(cat cache/kata-c/built)" = x ]
}

# It is a program of this machine, too, so what loads it here tells.
@test "kernel-build: filler is not in the file, and all else is where it was" {
	FAKE_FLAGS=-DFILLER run -0 "$build"
	cp cache/kata-c/guest-kernel/vmlinux kernel
	chmod +x kernel
	[ "$(stat -c %s kernel)" -lt 50000 ]
	run -0 ./kernel
}

@test "kernel-build: each option has its topic's reason" {
	local file

	for file in "$fragments"/*.config "$fragments"/*/*.config "$fragments"/../optional/*.config; do
		# Nothing but comments, options, empty lines; a comment comes first.
		run ! grep -nvE '^(#.*|CONFIG_[A-Z0-9_]+=.+|)$' "$file"
		[[ $(head -n 1 "$file") == '# '* ]]
	done
	[ -z "$(cat "$fragments"/*.config "$fragments"/x86_64/*.config | grep -o '^CONFIG_[A-Z0-9_]*' | sort | uniq -d)" ]
}
