/* SPDX-License-Identifier: Apache-2.0 */
#include "host/network/physical.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"

#define VFIO	 "vfio-pci"
#define BRIDGE	 "0x06" /* the class of bridges, which stay with the host */
#define CLASS	 16
#define LIMIT_MS 2000 /* a driver answers at once, or it hangs */
#define STEP_MS	 10

/* ---- what is there ---------------------------------------------------------------------- */

/* The last part of what the link @path leads to; false: there is none. */
static bool link_name(const char *path, char *name, size_t size)
{
	char to[PATH_MAX];
	ssize_t n = readlink(path, to, sizeof(to) - 1);
	const char *last;

	if (n < 0)
		return false;
	to[n] = '\0';
	last = strrchr(to, '/');
	return snprintf(name, size, "%s", last ? last + 1 : to) < (int)size;
}

static bool link_of(const char *sysfs, const char *address, const char *what, char *name,
		    size_t size)
{
	auto_free char *path = xasprintf("%s/bus/pci/devices/%s/%s", sysfs, address, what);

	return link_name(path, name, size);
}

static bool exists(const char *sysfs, const char *address)
{
	auto_free char *path = xasprintf("%s/bus/pci/devices/%s", sysfs, address);

	return access(path, F_OK) == 0;
}

/* The device itself, or the one of PCI that it is a part of. */
static int find_address(const char *sysfs, const char *bus, const char *name, struct physical *p,
			struct err *err)
{
	auto_free char *link = xasprintf("%s/bus/%s/devices/%s", sysfs, bus, name), *path = NULL;
	char kind[CLASS] = "";
	char *slash;

	path = path_real(link, err);
	if (!path)
		return err->code;
	do {
		auto_free char *subsystem = xasprintf("%s/subsystem", path);

		slash = strrchr(path, '/');
		if (link_name(subsystem, kind, sizeof(kind)) && !strcmp(kind, "pci") &&
		    snprintf(p->address, sizeof(p->address), "%s", slash + 1) <
			    (int)sizeof(p->address))
			return 0;
		*slash = '\0';
	} while (slash != path);
	return err_set(err, ENOTSUP, "it is no device of PCI, but of the bus \"%s\"", bus);
}

/* Bridges stay; all others of a group would be as near to the guest's device as it is. */
static bool may_stay(const char *dir, const char *name)
{
	auto_free char *path = xasprintf("%s/%s/class", dir, name);
	auto_str struct str class = STR_INIT;

	return file_read(path, CLASS, &class, NULL) == 0 && str_starts(str_text(&class), BRIDGE);
}

static int check_group(const char *sysfs, const struct physical *p, struct err *err)
{
	auto_free char *dir =
		xasprintf("%s/bus/pci/devices/%s/iommu_group/devices", sysfs, p->address);
	DIR *d = opendir(dir);
	struct dirent *e;
	int r = 0;

	if (!d)
		return err_set(err, ENOTSUP,
			       "no IOMMU guards the host from the device %s (intel_iommu=on, "
			       "amd_iommu=on)",
			       p->address);
	while (r == 0 && (e = readdir(d)) != NULL)
		if (*e->d_name != '.' && strcmp(e->d_name, p->address) != 0 &&
		    !may_stay(dir, e->d_name))
			r = err_set(err, ENOTSUP,
				    "the device %s is in one group of the IOMMU with %s",
				    p->address, e->d_name);
	closedir(d);
	return r;
}

int physical_find(const char *sysfs, const char *bus, const char *name, struct physical *p,
		  struct err *err)
{
	auto_free char *vfio = xasprintf("%s/bus/pci/drivers/" VFIO, sysfs);
	int r = find_address(sysfs, bus, name, p, err);

	if (r == 0)
		r = check_group(sysfs, p, err);
	if (r < 0)
		return r;
	if (!link_of(sysfs, p->address, "driver", p->driver, sizeof(p->driver)))
		return err_set(err, ENOTSUP, "the device %s has no driver", p->address);
	if (!strcmp(p->driver, VFIO))
		return err_set(err, EBUSY, "the device %s is given away already", p->address);
	if (access(vfio, F_OK) < 0)
		return err_set(err, ENOTSUP, "the host has no driver " VFIO " (modprobe " VFIO ")");
	return 0;
}

/* ---- from driver to driver --------------------------------------------------------------- */

static int put(const char *path, const char *text, struct err *err)
{
	return file_write_knob(path, text, strlen(text), err);
}

/* Whether its driver is @name now ("": none); it may need a moment. */
static bool has_driver(const char *sysfs, const char *address, const char *name)
{
	char now[PHYSICAL_DRIVER_MAX];

	for (int ms = 0; ms < LIMIT_MS; ms += STEP_MS) {
		if (!link_of(sysfs, address, "driver", now, sizeof(now)))
			*now = '\0';
		if (!strcmp(now, name))
			return true;
		usleep(STEP_MS * 1000);
	}
	return false;
}

/* From its driver, if it has one, to that which the kernel finds when @override says so. */
static int move(const char *sysfs, const char *address, const char *override, const char *to,
		struct err *err)
{
	auto_free char *device = xasprintf("%s/bus/pci/devices/%s", sysfs, address);
	auto_free char *choice = xasprintf("%s/driver_override", device);
	auto_free char *unbind = xasprintf("%s/driver/unbind", device);
	auto_free char *probe = xasprintf("%s/bus/pci/drivers_probe", sysfs);
	char now[PHYSICAL_DRIVER_MAX];
	int r = put(choice, override, err);

	if (r == 0 && link_of(sysfs, address, "driver", now, sizeof(now))) {
		r = put(unbind, address, err);
		if (r == 0 && !has_driver(sysfs, address, ""))
			r = err_set(err, ETIMEDOUT, "the driver %s does not let go of it", now);
	}
	if (r == 0)
		r = put(probe, address, err);
	if (r == 0 && !has_driver(sysfs, address, to))
		r = err_set(err, ENODEV, "the driver %s does not take it", to);
	return r;
}

int physical_take(const char *sysfs, const struct physical *p, struct err *err)
{
	int r = move(sysfs, p->address, VFIO, VFIO, err);

	if (r == 0)
		return 0;
	(void)physical_give_back(sysfs, p, NULL);
	return err_wrap(err, "device %s", p->address);
}

int physical_give_back(const char *sysfs, const struct physical *p, struct err *err)
{
	char now[PHYSICAL_DRIVER_MAX];
	int r;

	if (!exists(sysfs, p->address))
		return 0;
	/* It never went, but the next driver is not to be chosen for it any more. */
	if (link_of(sysfs, p->address, "driver", now, sizeof(now)) && !strcmp(now, p->driver)) {
		auto_free char *choice =
			xasprintf("%s/bus/pci/devices/%s/driver_override", sysfs, p->address);

		r = put(choice, "\n", err);
	} else {
		r = move(sysfs, p->address, "\n", p->driver, err);
	}
	return r < 0 ? err_wrap(err, "device %s", p->address) : 0;
}

/* ---- in a journal ------------------------------------------------------------------------- */

char *physical_entry(const struct physical *p)
{
	return xasprintf("device %s %s", p->address, p->driver);
}

bool physical_parse(const char *entry, struct physical *p)
{
	return sscanf(entry, "device %15s %63s", p->address, p->driver) == 2;
}
