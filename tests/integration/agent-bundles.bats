# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154,SC2016 # agent.bash and bats' run set them; sh expands
#
# The agent as a local process: bundles as engines make them, with their filter
# of system calls, capabilities and masks; a root of busybox and one of Debian.

load agent

profile=/usr/share/containers/seccomp.json

# as_engine JSON… -- COMMAND…
as_engine()
{
	oci_run "$(python3 "$BATS_TEST_DIRNAME/engine_profile.py" "$profile")" "$@"
}

# debian_root DIRECTORY: of the files of installed packages, with Debian's own accounts.
debian_root()
{
	local dir

	mkdir -p "$1"/usr/{bin,sbin,lib,lib64} "$1"/{dev,etc,proc,root,sys,tmp}
	for dir in bin sbin lib lib64; do
		ln -s "usr/$dir" "$1/$dir"
	done
	dpkg -L libc6 libc-bin bash dash coreutils util-linux libtinfo6 libselinux1 libacl1 libattr1 libpcre2-8-0 \
		libgmp10 libcap-ng0 libsmartcols1 libmount1 libblkid1 libuuid1 libcrypt1 perl-base grep sed hostname |
		while read -r file; do
			case $file in
			/usr/share/* | /etc/*) ;;
			/*) [ -d "$file" ] || echo "${file#/}" ;; # there are remarks, too
			esac
		done | tar -C / --no-recursion -c -T - | tar -C "$1" -x
	ln -sf dash "$1/usr/bin/sh"
	cp /usr/share/base-passwd/passwd.master "$1/etc/passwd"
	cp /usr/share/base-passwd/group.master "$1/etc/group"
}

confined='
	grep -E "^(CapEff|Seccomp|NoNewPrivs):" /proc/self/status
	for file in kcore keys timer_list; do
		head -c 1 /proc/$file 2>/dev/null
	done | wc -c
	for try in "mount -t tmpfs x /tmp" "unshare -m true" "echo 1 >/proc/sys/vm/overcommit_memory" \
		"hostname x" "ls /sys/firmware/*"; do
		eval "$try" 2>/dev/null && echo "done: $try"
	done'

@test "bundle: busybox, as an engine runs it" {
	for more in '{}' '{"process": {"noNewPrivileges": true}}'; do
		run -0 as_engine "$more" -- sh -c "$confined"'
			rm -rf /tmp/*
			mkdir /tmp/d && chown 7:8 /tmp/d && stat -c "%u %g" /tmp/d
			mknod /tmp/null c 1 3 && echo x >/tmp/null && echo node
			{ sh -c "kill -9 \$\$"; echo $?; } 2>/dev/null
			echo one two | tr " " "\n" | sort -r | head -n 1
			chroot / id -u; su u -c "id -u"'
		echo "$output"
		[[ $output == *$'CapEff:\t00000000a80425fb\nNoNewPrivs:\t'[01]$'\nSeccomp:\t2\n0\n7 8\nnode\n'* ]]
		[[ $output == *$'\n137\ntwo\n0\n1000' ]]
	done
}

@test "bundle: Debian, as an engine runs it" {
	rm -rf "$rootfs"
	debian_root "$rootfs"
	run -0 as_engine '{"process": {"env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]}}' -- bash -c "$confined"'
		id -un www-data; setpriv --reuid www-data --regid www-data --init-groups id -un
		cat <(echo substituted); seq 100000 | sort -rn --parallel=2 | head -n 1
		perl -e "pipe(R, W); if (!fork) { print W qq(child\n); exit 7 } print scalar <R>; wait; print \$? >> 8, qq(\n)"
		{ timeout -s KILL 0.1 sleep 10; echo $?; } 2>/dev/null
		install -o www-data -m 4750 /usr/bin/true /tmp/t; stat -c "%U %a" /tmp/t
		setarch linux32 uname -m; setarch -R true 2>/dev/null || echo randomized
		mkfifo /tmp/f; echo through >/tmp/f & cat /tmp/f'
	echo "$output"
	[[ $output == *$'CapEff:\t00000000a80425fb\nNoNewPrivs:\t0\nSeccomp:\t2\n0\nwww-data\nwww-data\nsubstituted\n100000\nchild\n7\n'* ]]
	[[ $output == *$'137\nwww-data 4750\ni686\nrandomized\nthrough' ]]
}
