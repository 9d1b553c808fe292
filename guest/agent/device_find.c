/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/device_find.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "guest/agent/device_wait.h"

#define DEVICES_MAX 256

/* ---- one device, in the job ------------------------------------------------ */

static int take_numbers(const char *node, struct device_found *f, struct err *err)
{
	struct stat st;

	if (stat(node, &st) < 0)
		return err_sys(err, errno, "%s", node);
	if (!S_ISBLK(st.st_mode) && !S_ISCHR(st.st_mode))
		return err_set(err, EINVAL, "%s is no device", node);
	f->type = S_ISBLK(st.st_mode) ? 'b' : 'c';
	f->major = major(st.st_rdev);
	f->minor = minor(st.st_rdev);
	return 0;
}

static int find_pci_disk(const Grpc__Device *d, struct device_found *f, struct err *err)
{
	auto_free char *node = NULL;
	int r = device_wait_pci_disk(d->id, &node, err);

	return r < 0 ? r : take_numbers(node, f, err);
}

static int find_scsi_disk(const Grpc__Device *d, struct device_found *f, struct err *err)
{
	auto_free char *node = NULL;
	int r = device_wait_scsi_disk(d->id, &node, err);

	return r < 0 ? r : take_numbers(node, f, err);
}

static int find_node(const Grpc__Device *d, struct device_found *f, struct err *err)
{
	int r;

	if (!*d->vm_path)
		return err_set(err, EINVAL, "no vm_path");
	r = device_wait_node(d->vm_path, err);
	return r < 0 ? r : take_numbers(d->vm_path, f, err);
}

int vfio_take(const char *sys, const char *address, int *group, struct err *err)
{
	auto_free char *dir = xasprintf("%s/bus/pci/devices/%s", sys, address);
	auto_free char *override = xasprintf("%s/driver_override", dir);
	auto_free char *driver = xasprintf("%s/driver", dir);
	auto_free char *unbind = xasprintf("%s/unbind", driver);
	auto_free char *probe = xasprintf("%s/bus/pci/drivers_probe", sys);
	auto_free char *link = xasprintf("%s/iommu_group", dir);
	char to[PATH_MAX];
	const char *slash;
	long long number;
	ssize_t n;
	int r = file_write_knob(override, "vfio-pci", strlen("vfio-pci"), err);

	n = readlink(driver, to, sizeof(to) - 1);
	to[n > 0 ? n : 0] = '\0';
	if (r == 0 && !str_ends(to, "/vfio-pci")) {
		if (n > 0)
			r = file_write_knob(unbind, address, strlen(address), err);
		if (r == 0)
			r = file_write_knob(probe, address, strlen(address), err);
	}
	if (r < 0)
		return r;
	n = readlink(link, to, sizeof(to) - 1);
	to[n > 0 ? n : 0] = '\0';
	slash = strrchr(to, '/');
	if (!slash || str_to_ll(slash + 1, 0, INT_MAX, &number) < 0)
		return err_set(err, ENODEV, "%s has no IOMMU group", address);
	*group = (int)number;
	return 0;
}

/* "HOST-ADDRESS=PCI-PATH"; an empty path: the runtime could not tell it. */
static int take_option(const char *option, bool to_vfio, int *group, struct device_found *f,
		       struct err *err)
{
	const char *eq = strchr(option, '='), *address;
	auto_free char *dir = NULL;
	int r, of = -1;

	if (!eq || strchr(eq + 1, '=') || eq == option || eq - option >= DEVICE_ADDRESS_LEN)
		return err_set(err, EINVAL, "\"%s\" is not HOST-ADDRESS=PCI-PATH", option);
	if (!eq[1])
		return 0;
	if (f->addresses >= DEVICE_ADDRESSES_MAX)
		return err_set(err, E2BIG, "more than %d addresses", DEVICE_ADDRESSES_MAX);
	r = device_wait_pci(eq + 1, &dir, err);
	if (r < 0)
		return r;
	address = strrchr(dir, '/') + 1;
	if (to_vfio)
		r = vfio_take("/sys", address, &of, err);
	if (r == 0 && to_vfio && *group >= 0 && *group != of)
		r = err_set(err, EINVAL, "%s is not in the guest's IOMMU group %d", address,
			    *group);
	if (r < 0)
		return r;
	*group = of;
	memcpy(f->host[f->addresses], option, (size_t)(eq - option));
	strncpy(f->guest[f->addresses++], address, DEVICE_ADDRESS_LEN - 1);
	return 0;
}

static int find_vfio(const Grpc__Device *d, struct device_found *f, struct err *err)
{
	bool to_vfio = !strcmp(d->type, "vfio-pci");
	int group = -1, r = 0;
	auto_free char *node = NULL;

	for (size_t i = 0; r == 0 && i < d->n_options; i++)
		r = take_option(d->options[i], to_vfio, &group, f, err);
	if (r < 0 || !to_vfio)
		return r;
	if (group < 0)
		return err_set(err, EINVAL, "no option tells where it is");
	node = xasprintf("/dev/vfio/%d", group);
	strncpy(f->path, node, sizeof(f->path) - 1);
	r = device_wait_path(node, err);
	return r < 0 ? r : take_numbers(node, f, err);
}

static int refuse(const Grpc__Device *d, struct device_found *f, struct err *err)
{
	(void)f;
	return err_set(err, EOPNOTSUPP, "devices of type %s are for s390x", d->type);
}

const char *const device_types[] = { "blk",	     "mmioblk",	    "scsi",    "nvdimm",
				     "vfio-pci",     "vfio-pci-gk", "blk-ccw", "vfio-ap",
				     "vfio-ap-cold", NULL };
static int (*const finders[])(const Grpc__Device *d, struct device_found *f,
			      struct err *err) = { find_pci_disk, find_node, find_scsi_disk,
						   find_node,	  find_vfio, find_vfio,
						   refuse,	  refuse,    refuse };

static int find_one(const Grpc__Device *d, struct device_found *f, struct err *err)
{
	size_t i = 0;
	int r;

	while (device_types[i] && strcmp(device_types[i], d->type))
		i++;
	if (device_types[i])
		r = finders[i](d, f, err);
	else
		r = err_set(err, EINVAL, "unknown type \"%s\"", d->type);
	return r < 0 ? err_wrap(err, "device %s", d->container_path) : 0;
}

/* ---- all of them ------------------------------------------------------------ */

struct search {
	Grpc__Device *const *devices;
	size_t n;
	Grpc__Spec *spec;
	struct device_found *found; /* shared with the job */
	job_cb done;
	void *arg;
	struct err err;
};

static int find_all(void *arg, struct err *err)
{
	struct search *s = arg;
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->n; i++)
		r = find_one(s->devices[i], &s->found[i], err);
	return r;
}

static void on_found(const struct err *err, void *arg)
{
	struct search *s = arg;

	if (err)
		s->err = *err;
	else
		device_spec_apply(s->spec, s->devices, s->n, s->found, &s->err);
	munmap(s->found, s->n * sizeof(*s->found));
	s->done(s->err.code ? &s->err : NULL, s->arg);
	free(s);
}

static void on_refused(void *arg)
{
	struct search *s = arg;

	s->done(&s->err, s->arg);
	free(s);
}

void devices_find(struct loop *loop, Grpc__Device *const *devices, size_t n, Grpc__Spec *spec,
		  job_cb done, void *arg)
{
	struct search *s = xcalloc(1, sizeof(*s));

	s->devices = devices;
	s->n = n;
	s->spec = spec;
	s->done = done;
	s->arg = arg;
	if (n > DEVICES_MAX)
		err_set(&s->err, E2BIG, "%zu devices, at most %d are taken", n, DEVICES_MAX);
	else if (device_spec_check(devices, n, &s->err) == 0) {
		s->found = mmap(NULL, n * sizeof(*s->found), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (s->found == MAP_FAILED)
			err_sys(&s->err, errno, "memory for %zu devices", n);
	}
	if (s->err.code)
		loop_defer(loop, on_refused, s);
	else
		job_run(loop, find_all, on_found, s);
}
