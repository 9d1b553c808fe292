# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2154 # for the container; set by bats' run
#
# A machine whose kernel has AppArmor; that of agent-vm.bats has SELinux, and a kernel
# has one of them at a time.

load machine

setup_file()
{
	cd "$BATS_FILE_TMPDIR" || return
	leftovers_snapshot before
	machine_boot "$KATA_KERNEL_DIR" security=apparmor
}

teardown_file()
{
	machine_end
}

teardown()
{
	[ -n "${BATS_TEST_COMPLETED:-}" ] || tail -n 20 "$BATS_FILE_TMPDIR/console" >&2
}

@test "labels: profiles of AppArmor" {
	machine_root
	cat >profile <<-'EOT'
		profile held {
			/ r,
			/** rix,
			/proc/** rw,
		}
	EOT
	apparmor_parser -S -K --features-file /etc/apparmor.d/abi/3.0 profile >policy
	machine_put policy "$shared/root/policy" 0100644
	caps='["CAP_MAC_ADMIN", "CAP_SYS_ADMIN"]'
	machine_config load.json '{"mounts": ["+", {"destination": "/se", "type": "securityfs", "source": "securityfs"}]}' \
		"{\"process\": {\"capabilities\": {\"bounding\": $caps, \"effective\": $caps, \"permitted\": $caps}}}"
	machine_config held.json '{"process": {"apparmorProfile": "held", "noNewPrivileges": true}}'
	refused ENOENT 'apparmorProfile "held" is not loaded' call run c1 --config held.json -- /bin/busybox true
	call remove c1
	call run c1 --config load.json -- /bin/busybox dd if=/policy of=/se/apparmor/.load bs=1M
	run -1 call run c1 --config held.json -- /bin/busybox sh -c 'busybox cat /proc/self/attr/current; echo x >/x'
	[[ $output == "held (enforce)"* ]] && [[ $output == *"/x: Permission denied"* ]]
	# A further process has its own.
	call create c2 --rootfs "$shared/root" -- /bin/busybox sleep 1000
	call start c2
	run -0 call exec c2 e1 -- /bin/busybox cat /proc/self/attr/current
	[ "$output" = unconfined ]
	printf '{"cwd": "/", "args": ["x"], "apparmorProfile": "held"}' >process.json
	run -0 call exec c2 e2 --process process.json -- /bin/busybox cat /proc/self/attr/current
	[ "$output" = "held (enforce)" ]
	machine_config both.json '{"process": {"selinuxLabel": "a:b:c:s0"}}'
	refused ENOSYS 'selinuxLabel "a:b:c:s0": this kernel has no SELinux' call run c1 --config both.json -- /bin/busybox true
}
