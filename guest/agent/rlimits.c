/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/rlimits.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"

static const struct {
	const char *name;
	int resource;
} limits[] = {
	{ "RLIMIT_AS", RLIMIT_AS },
	{ "RLIMIT_CORE", RLIMIT_CORE },
	{ "RLIMIT_CPU", RLIMIT_CPU },
	{ "RLIMIT_DATA", RLIMIT_DATA },
	{ "RLIMIT_FSIZE", RLIMIT_FSIZE },
	{ "RLIMIT_LOCKS", RLIMIT_LOCKS },
	{ "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK },
	{ "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE },
	{ "RLIMIT_NICE", RLIMIT_NICE },
	{ "RLIMIT_NOFILE", RLIMIT_NOFILE },
	{ "RLIMIT_NPROC", RLIMIT_NPROC },
	{ "RLIMIT_RSS", RLIMIT_RSS },
	{ "RLIMIT_RTPRIO", RLIMIT_RTPRIO },
	{ "RLIMIT_RTTIME", RLIMIT_RTTIME },
	{ "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING },
	{ "RLIMIT_STACK", RLIMIT_STACK },
};

int rlimit_number(const char *type)
{
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
		if (!strcmp(type, limits[i].name))
			return limits[i].resource;
	return -EINVAL;
}

static int set_limit(pid_t pid, const Grpc__POSIXRlimit *l, bool strict, struct err *err)
{
	struct rlimit new = { .rlim_cur = l->soft, .rlim_max = l->hard };
	int resource = rlimit_number(l->type);

	if (resource < 0)
		return err_set(err, EINVAL, "unknown rlimit \"%s\"", l->type);
	if (prlimit(pid, (enum __rlimit_resource)resource, &new, NULL) == 0)
		return 0;
	if (errno != EPERM || strict)
		return err_sys(err, errno, "%s to %" PRIu64 ":%" PRIu64, l->type, l->soft, l->hard);
	log_warn("%s stays: this host forbids to raise it, ignoring", l->type);
	return 0;
}

int rlimits_apply(pid_t pid, const Grpc__Process *process, bool strict, struct err *err)
{
	auto_free char *path = xasprintf("/proc/%d/oom_score_adj", (int)pid);
	auto_free char *score = xasprintf("%" PRId64, process->oomscoreadj);
	int r;

	for (size_t i = 0; i < process->n_rlimits; i++) {
		for (size_t k = 0; k < i; k++)
			if (!strcmp(process->rlimits[i]->type, process->rlimits[k]->type))
				return err_set(err, EINVAL, "rlimit %s is there twice",
					       process->rlimits[i]->type);
		r = set_limit(pid, process->rlimits[i], strict, err);
		if (r < 0)
			return r;
	}
	if (process->oomscoreadj == 0)
		return 0;
	r = file_write_knob(path, score, strlen(score), err);
	if (r == -EACCES && !strict) {
		log_warn("oomScoreAdj %s: this host forbids it, ignoring", score);
		return 0;
	}
	return r < 0 ? err_set(err, r, "oomScoreAdj %s: %s", score, strerror(-r)) : 0;
}
