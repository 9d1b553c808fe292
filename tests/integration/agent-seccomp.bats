# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154,SC2016 # agent.bash and bats' run set them; sh expands
#
# The agent as a local process: filters of system calls.

load agent

# What a shell and a few of its tools need.
usual='"access","arch_prctl","brk","chdir","clone","close","dup","dup2","dup3","execve","exit","exit_group",
	"faccessat","faccessat2","fcntl","fstat","fstatfs","futex","getcwd","getdents64","getegid","geteuid","getgid",
	"getpgrp","getpid","getppid","getrandom","getuid","ioctl","kill","lseek","lstat","mmap","mprotect","munmap",
	"newfstatat","open","openat","pipe","pipe2","poll","ppoll","prctl","pread64","prlimit64","read","readlink",
	"readlinkat","rseq","rt_sigaction","rt_sigprocmask","rt_sigreturn","rt_sigsuspend","sched_yield",
	"set_robust_list","set_tid_address","setgid","setgroups","setuid","stat","statx","uname","vfork","wait4",
	"write","writev","capset","sendfile","getpgid","setpgid","tgkill","sysinfo","nosuch_call_of_the_future"'

@test "seccomp: what it does to calls" {
	profile='{"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW",
		"architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_AARCH64"],
		"syscalls": [
			{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"},
			{"names": ["rmdir", "unlinkat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28},
			{"names": ["sethostname"], "action": "SCMP_ACT_KILL_PROCESS"},
			{"names": ["sync"], "action": "SCMP_ACT_TRAP"},
			{"names": ["mknod", "mknodat"], "action": "SCMP_ACT_TRACE", "errnoRet": 1},
			{"names": ["chroot"], "action": "SCMP_ACT_LOG"},
			{"names": ["kill"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13,
			 "args": [{"index": 1, "value": 10, "op": "SCMP_CMP_EQ"}]}]}}}'
	run -0 oci_run "$profile" -- sh -c 'mkdir /x; rmdir /tmp; hostname x; echo $?; sync; echo $?
		mknod /n p; kill -USR1 $$; kill -USR2 1; chroot / true; grep -E "^(Seccomp|NoNewPrivs)" /proc/self/status'
	echo "$output"
	[[ $output == *"can't create directory '/x': Operation not permitted"* ]]
	[[ $output == *"'/tmp': No space left on device"* ]]
	[ "$(grep -cx 159 <<<"$output")" = 2 ] # SIGSYS
	[[ $output == *'/n: Function not implemented'* ]] # TRACE without a tracer
	[[ $output == *'Permission denied'* ]]
	[[ $output == *$'NoNewPrivs:\t0\nSeccomp:\t2'* ]]
	# A further process is filtered as well, and another user too.
	oci_start "$profile" -- sleep 1000
	run -0 call exec c1 e1 --user 1000:1000 -- sh -c 'mkdir /tmp/x; grep -E "^(Seccomp|Cap(Eff|Prm))" /proc/self/status'
	echo "$output"
	[[ $output == *"Operation not permitted"* && $output == *$'CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nSeccomp:\t2'* ]]
	call remove c1
}

@test "seccomp: a list of what is allowed" {
	profile='{"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
		"syscalls": [{"names": ['"$usual"'], "action": "SCMP_ACT_ALLOW"}]}}}'
	for process in '{}' '{"process": {"noNewPrivileges": true}}' \
		'{"process": {"user": {"uid": 1000, "gid": 1000}, "capabilities": {"bounding": [], "effective": [], "permitted": []}}}' \
		'{"linux": {"seccomp": {"flags": ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_TSYNC"]}}}'; do
		run oci_run "$profile" "$process" -- sh -c 'mkdir /tmp/x; ls /bin/sh; echo fine | cat'
		echo "$output"
		[ "$status" = 0 ]
		# By two streams: in any order.
		[[ $output == *"Function not implemented"* && $output == */bin/sh* && $output == *fine* ]]
	done
	# The program that is not there is told of in spite of the filter.
	refused ENOENT 'exec: "nosuch"' oci_run "$profile" -- nosuch
}

@test "seccomp: refusals" {
	refused ENOSYS 'listener' oci_run '{"linux": {"seccomp": {"defaultAction": "SCMP_ACT_NOTIFY"}}}' -- true
	refused ENOSYS 'listenerPath' oci_run '{"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW",
		"listenerPath": "/x"}}}' -- true
	refused EINVAL 'unknown action "SCMP_ACT_X"' oci_run '{"linux": {"seccomp": {"defaultAction": "SCMP_ACT_X"}}}' -- true
	refused EINVAL 'unknown flag "X"' oci_run '{"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW",
		"flags": ["X"]}}}' -- true
}
