/* SPDX-License-Identifier: Apache-2.0 */
/* Which devices a group may use, in both dialects. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "cgroup/device_program.h"
#include "cgroup/internal.h"

#define RULES_MAX 4096 /* more are a mistake */

static int bpf(enum bpf_cmd cmd, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

/* A descriptor of the loaded program, or -errno. */
static int load(const struct bpf_insn *code, size_t n, struct err *err)
{
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
		.insn_cnt = (uint32_t)n,
		.insns = (uintptr_t)code,
		.license = (uintptr_t) "Apache-2.0",
	};
	int fd = bpf(BPF_PROG_LOAD, &attr);

	if (fd < 0)
		return err_sys(err, errno, "load the device rules");
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC); /* the kernel sets it already */
	return fd;
}

static int apply_v2(struct cgroup *cg, const char *dir, const struct cgroup_device_rule *rules,
		    size_t n, struct err *err)
{
	auto_close int group = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), program = -1;
	struct bpf_insn *code;
	size_t len;

	if (group < 0)
		return err_sys(err, errno, "%s", dir);
	len = device_program(rules, n, &code);
	program = load(code, len, err);
	free(code);
	if (program < 0)
		return program;
	/* Several may be attached: what runs inside may have rules of its own for its parts. */
	union bpf_attr attr = {
		.target_fd = (uint32_t)group,
		.attach_bpf_fd = (uint32_t)program,
		.attach_type = BPF_CGROUP_DEVICE,
		.attach_flags = BPF_F_ALLOW_MULTI,
	};
	if (cg->device_program >= 0) {
		attr.attach_flags |= BPF_F_REPLACE;
		attr.replace_bpf_fd = (uint32_t)cg->device_program;
	}
	if (bpf(BPF_PROG_ATTACH, &attr) < 0)
		return err_sys(err, errno, "attach the device rules to %s", dir);
	close_fd(&cg->device_program);
	cg->device_program = take_fd(&program);
	return 0;
}

static int apply_v1(struct cgroup *cg, const struct cgroup_device_rule *rules, size_t n,
		    struct err *err)
{
	bool v2, allow_all;
	auto_free char *allow = controller_file(cg, "devices", "devices.allow", &v2);
	auto_free char *deny = controller_file(cg, "devices", "devices.deny", &v2);
	auto_strv struct strv exceptions = { .n = 0 };
	int r = device_exceptions(rules, n, &allow_all, &exceptions, err);

	if (r == 0)
		r = file_write_knob(allow_all ? allow : deny, "a", 1, err);
	for (size_t i = 0; r == 0 && i < exceptions.n; i++) {
		const char *line = exceptions.v[i];

		r = file_write_knob(allow_all ? deny : allow, line, strlen(line), err);
		if (r < 0)
			err_wrap(err, "device rule \"%s\"", line);
	}
	return r;
}

int cgroup_devices(struct cgroup *cg, const struct cgroup_device_rule *rules, size_t n,
		   struct err *err)
{
	bool v2;
	auto_free char *v1 = controller_file(cg, "devices", "", &v2), *dir = NULL;
	size_t nh;
	const struct hierarchy *h = hierarchies(&nh);

	if (n > RULES_MAX)
		return err_set(err, E2BIG, "%zu device rules: %d are the most", n, RULES_MAX);
	if (v1)
		return apply_v1(cg, rules, n, err);
	for (size_t i = 0; i < nh && !dir; i++)
		if (h[i].v2)
			dir = group_dir(&h[i], cg);
	if (!dir)
		return err_set(err, ENOENT, "the host has no cgroup controller devices");
	return apply_v2(cg, dir, rules, n, err);
}
