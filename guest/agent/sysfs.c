/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/sysfs.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"

#define ROOT_MIN     0x20 /* the first number of a root bus of its own (pxb-pcie) */
#define SLOT_MAX     0x1f
#define FUNCTION_MAX 7

/* Up to two hexadecimal digits; *@s moves behind them. */
static int parse_hex(const char **s, unsigned max, uint8_t *v)
{
	char *end;
	unsigned long n;

	if (!isxdigit((unsigned char)**s))
		return -EINVAL;
	n = strtoul(*s, &end, 16);
	if (end - *s > 2 || n > max)
		return -EINVAL;
	*s = end;
	*v = (uint8_t)n;
	return 0;
}

static int parse_element(const char **s, struct pci_path *p)
{
	uint8_t *slot = &p->slot[p->depth], *function = &p->function[p->depth];

	if (p->depth >= PCI_DEPTH_MAX || parse_hex(s, SLOT_MAX, slot) < 0)
		return -EINVAL;
	*function = 0;
	p->depth++;
	if (**s != '.')
		return 0;
	(*s)++;
	return parse_hex(s, FUNCTION_MAX, function);
}

static unsigned elements(const char *text)
{
	unsigned n = 1;

	for (; *text; text++)
		n += *text == '/';
	return n;
}

int pci_path_parse(const char *text, struct pci_path *p, struct err *err)
{
	const char *s = text, *behind = text;
	uint8_t root;

	*p = (struct pci_path){ .depth = 0 };
	if (elements(text) >= 3 && parse_hex(&behind, 0xff, &root) == 0 && root >= ROOT_MIN &&
	    *behind == '/') {
		p->root = root;
		s = behind + 1;
	}
	for (;;) {
		if (parse_element(&s, p) < 0 || (*s && *s != '/'))
			return err_set(err, EINVAL, "\"%s\" is no PCI path", text);
		if (!*s)
			return 0;
		s++;
	}
}

/* The first entry of @dir whose name begins with @prefix, without the way to it. */
static char *entry(const char *dir, const char *prefix)
{
	auto_closedir DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.' && str_starts(e->d_name, prefix))
			return xstrdup(e->d_name);
	return NULL;
}

/* x86 has the root buses in devices/, other machines below the bridge's own device. */
static char *root_bus(const char *sys, uint8_t root)
{
	auto_free char *platform = xasprintf("%s/devices/platform", sys);
	char *path = xasprintf("%s/devices/pci0000:%02x", sys, root);
	auto_closedir DIR *d = NULL;
	struct dirent *e;

	if (access(path, F_OK) == 0)
		return path;
	d = opendir(platform);
	while (d && (e = readdir(d))) {
		free(path);
		path = xasprintf("%s/%s/pci0000:%02x", platform, e->d_name, root);
		if (access(path, F_OK) == 0)
			return path;
	}
	free(path);
	return NULL;
}

/* "0000:01": the bus behind the bridge in @dir. */
static char *bus_behind(const char *dir)
{
	auto_free char *buses = xasprintf("%s/pci_bus", dir);

	return entry(buses, "");
}

char *sysfs_pci(const char *sys, const struct pci_path *p)
{
	char *dir = root_bus(sys, p->root);
	auto_free char *bus = xasprintf("0000:%02x", p->root);

	for (unsigned i = 0; dir && i < p->depth; i++) {
		auto_free char *above = dir;

		dir = xasprintf("%s/%s:%02x.%x", above, bus, p->slot[i], p->function[i]);
		free(bus);
		bus = i + 1 < p->depth ? bus_behind(dir) : NULL;
		if (access(dir, F_OK) == 0 && (bus || i + 1 == p->depth))
			continue;
		free(dir);
		dir = NULL;
	}
	return dir;
}

/* DIR/virtioN/KIND/NAME, or DIR/KIND/NAME of a driver that is no virtio. */
static char *child(const char *dir, const char *kind)
{
	auto_free char *virtio = entry(dir, "virtio");
	auto_free char *at =
		virtio ? xasprintf("%s/%s/%s", dir, virtio, kind) : xasprintf("%s/%s", dir, kind);

	return entry(at, "");
}

char *sysfs_disk_of(const char *dir)
{
	return child(dir, "block");
}

char *sysfs_link_of(const char *dir)
{
	return child(dir, "net");
}

static int parse_scsi(const char *address, int *id, int *lun)
{
	const char *colon = strchr(address, ':');
	auto_free char *first = colon ? xstrndup(address, (size_t)(colon - address)) : NULL;
	long long a, b;

	if (!colon || !isdigit((unsigned char)*first) || !isdigit((unsigned char)colon[1]) ||
	    str_to_ll(first, 0, 255, &a) < 0 || str_to_ll(colon + 1, 0, 16383, &b) < 0)
		return -EINVAL;
	*id = (int)a;
	*lun = (int)b;
	return 0;
}

/* The hosts of other controllers (AHCI) have disks with the same numbers. */
static bool is_virtio(const char *sys, const char *host)
{
	auto_free char *path = xasprintf("%s/class/scsi_host/%s/proc_name", sys, host);
	auto_str struct str name = STR_INIT;

	return file_read(path, 64, &name, NULL) == 0 && str_starts(str_text(&name), "virtio_scsi");
}

/* For each virtio SCSI host: what @fn makes of its number, until that is something. */
static char *each_host(const char *sys, char *(*fn)(const char *sys, const char *n, void *arg),
		       void *arg)
{
	auto_free char *dir = xasprintf("%s/class/scsi_host", sys);
	auto_closedir DIR *d = opendir(dir);
	char *found = NULL;
	struct dirent *e;

	while (!found && d && (e = readdir(d)))
		if (str_starts(e->d_name, "host") && is_virtio(sys, e->d_name))
			found = fn(sys, e->d_name + strlen("host"), arg);
	return found;
}

static char *disk_at(const char *sys, const char *n, void *arg)
{
	const int *address = arg;
	auto_free char *dir =
		xasprintf("%s/bus/scsi/devices/%s:0:%d:%d/block", sys, n, address[0], address[1]);

	return entry(dir, "");
}

char *sysfs_scsi_disk(const char *sys, const char *address)
{
	int a[2];

	return parse_scsi(address, &a[0], &a[1]) < 0 ? NULL : each_host(sys, disk_at, a);
}

struct scan {
	char *what;
	struct err *err;
};

static char *scan_host(const char *sys, const char *n, void *arg)
{
	auto_free char *path = xasprintf("%s/class/scsi_host/host%s/scan", sys, n);
	struct scan *s = arg;

	/* A controller that cannot is no reason not to ask the others. */
	(void)file_write_knob(path, s->what, strlen(s->what), s->err);
	return NULL;
}

int sysfs_scsi_scan(const char *sys, const char *address, struct err *err)
{
	auto_free char *what = NULL;
	struct scan s;
	int id, lun;

	if (parse_scsi(address, &id, &lun) < 0)
		return err_set(err, EINVAL, "\"%s\" is no SCSI address ID:LUN", address);
	what = xasprintf("0 %d %d", id, lun);
	s = (struct scan){ .what = what, .err = NULL };
	each_host(sys, scan_host, &s);
	return 0;
}
