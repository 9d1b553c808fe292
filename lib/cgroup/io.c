/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of block devices: "blkio" of version 1, "io" of version 2. */
#include <errno.h>
#include <inttypes.h>

#include "base/cleanup.h"
#include "cgroup/internal.h"

uint64_t blkio_to_io_weight(uint64_t weight)
{
	if (weight < 10)
		weight = 10;
	if (weight > 1000)
		weight = 1000;
	return 1 + (weight - 10) * 9999 / 990;
}

/* "MAJOR:MINOR [KEY=]VALUE" to @file, one write for each: that is what the kernel takes. */
static int set_each(struct cgroup *cg, const char *controller, const char *file, const char *key,
		    const struct cgroup_io_limits *limits, struct err *err)
{
	for (size_t i = 0; i < limits->n; i++) {
		const struct cgroup_io_limit *l = &limits->v[i];
		auto_free char *line = xasprintf("%" PRId64 ":%" PRId64 " %s%" PRIu64, l->major,
						 l->minor, key, l->value);
		int r = knob_set(cg, controller, file, line, err);

		if (r < 0)
			return err_wrap(err, "block device %" PRId64 ":%" PRId64, l->major,
					l->minor);
	}
	return 0;
}

/* The weights of devices are of the scale that the file for all of them has. */
static int set_weights(struct cgroup *cg, const char *file, bool bfq,
		       const struct cgroup_io_limits *weights, struct err *err)
{
	auto_free struct cgroup_io_limit *scaled = xcalloc(weights->n + 1, sizeof(*scaled));
	struct cgroup_io_limits list = { scaled, weights->n };

	for (size_t i = 0; i < weights->n; i++) {
		scaled[i] = weights->v[i];
		if (!bfq)
			scaled[i].value = blkio_to_io_weight(scaled[i].value);
	}
	return set_each(cg, "io", file, "", &list, err);
}

/* The weights are those of a scheduler: with BFQ the files have its name. */
static const char *weight_file(struct cgroup *cg, const char *plain, const char *bfq)
{
	return !knob_exists(cg, "blkio", plain) && knob_exists(cg, "blkio", bfq) ? bfq : plain;
}

static int limit_v1(struct cgroup *cg, const struct cgroup_limits *l, struct err *err)
{
	static const char c[] = "blkio";
	int r = 0;

	if (l->io_weight)
		r = knob_set_number(cg, c, weight_file(cg, "blkio.weight", "blkio.bfq.weight"),
				    l->io_weight, "", err);
	if (r == 0 && l->io_leaf_weight)
		r = knob_set_number(cg, c, "blkio.leaf_weight", l->io_leaf_weight, "", err);
	if (r == 0)
		r = set_each(cg, c,
			     weight_file(cg, "blkio.weight_device", "blkio.bfq.weight_device"), "",
			     &l->io_weights, err);
	if (r == 0)
		r = set_each(cg, c, "blkio.leaf_weight_device", "", &l->io_leaf_weights, err);
	if (r == 0)
		r = set_each(cg, c, "blkio.throttle.read_bps_device", "", &l->io_read_bps, err);
	if (r == 0)
		r = set_each(cg, c, "blkio.throttle.write_bps_device", "", &l->io_write_bps, err);
	if (r == 0)
		r = set_each(cg, c, "blkio.throttle.read_iops_device", "", &l->io_read_iops, err);
	if (r == 0)
		r = set_each(cg, c, "blkio.throttle.write_iops_device", "", &l->io_write_iops, err);
	return r;
}

static int limit_v2(struct cgroup *cg, const struct cgroup_limits *l, struct err *err)
{
	bool bfq = knob_exists(cg, "io", "io.bfq.weight");
	int r = 0;

	if (l->io_weight && bfq)
		r = knob_set_number(cg, "io", "io.bfq.weight", l->io_weight, "", err);
	else if (l->io_weight)
		r = knob_set_number(cg, "io", "io.weight",
				    (int64_t)blkio_to_io_weight(l->io_weight), "", err);
	if (r == 0)
		r = set_weights(cg, bfq ? "io.bfq.weight" : "io.weight", bfq, &l->io_weights, err);
	if (r == 0)
		r = set_each(cg, "io", "io.max", "rbps=", &l->io_read_bps, err);
	if (r == 0)
		r = set_each(cg, "io", "io.max", "wbps=", &l->io_write_bps, err);
	if (r == 0)
		r = set_each(cg, "io", "io.max", "riops=", &l->io_read_iops, err);
	if (r == 0)
		r = set_each(cg, "io", "io.max", "wiops=", &l->io_write_iops, err);
	return r;
}

int limit_io(struct cgroup *cg, const struct cgroup_limits *l, struct err *err)
{
	if (!l->io_weight && !l->io_leaf_weight && !l->io_weights.n && !l->io_leaf_weights.n &&
	    !l->io_read_bps.n && !l->io_write_bps.n && !l->io_read_iops.n && !l->io_write_iops.n)
		return 0;
	return controller_is_v2(cg, "io") ? limit_v2(cg, l, err) : limit_v1(cg, l, err);
}
