/* SPDX-License-Identifier: Apache-2.0 */
#include "host/hypervisor/firecracker/jail.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "host/hypervisor/firecracker/body.h"

/* "/run/vc/vm/ID" and 2 → "/run/vc" */
static char *above(const char *path, unsigned levels)
{
	char *copy = xstrdup(path);

	for (unsigned i = 0; i < levels; i++) {
		char *slash = strrchr(copy, '/');

		if (slash)
			*slash = '\0';
	}
	return copy;
}

char *jail_base(const struct vm_spec *spec)
{
	return above(spec->run_dir, 2);
}

char *jail_own_dir(const struct vm_spec *spec)
{
	auto_free char *base = jail_base(spec), *id = fc_jail_id(spec->id), *real = NULL;
	const char *program = FC_PROGRAM;

	/* The jailer goes by the program's name, behind all symbolic links. */
	if (fc_is_jailed(spec->config)) {
		real = path_real(spec->config->hypervisor.path, NULL);
		if (real && strrchr(real, '/'))
			program = strrchr(real, '/') + 1;
	}
	return xasprintf("%s/%s/%s", base, program, id);
}

char *jail_root(const struct vm_spec *spec)
{
	auto_free char *dir = jail_own_dir(spec);

	return path_join(dir, "root");
}

static int make_file(const char *path, struct err *err)
{
	auto_close int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	return fd < 0 ? err_sys(err, errno, "%s", path) : 0;
}

int jail_bring(const char *root, const char *path, const char *name, bool read_only,
	       struct err *err)
{
	auto_free char *place = path_join(root, name);
	unsigned long flags = MS_BIND | MS_REMOUNT | MS_NOSUID;

	if (mount(path, place, NULL, MS_BIND, NULL) < 0)
		return err_sys(err, errno, "%s: cannot bind it into the jail", path);
	if (!read_only || mount(NULL, place, NULL, flags | MS_RDONLY, NULL) == 0)
		return 0;
	err_sys(err, errno, "%s: cannot make it read-only in the jail", path);
	umount2(place, MNT_DETACH | UMOUNT_NOFOLLOW);
	return err ? err->code : -EIO;
}

int jail_take_away(const char *root, const char *name, struct err *err)
{
	auto_free char *place = path_join(root, name);

	if (umount2(place, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL && errno != ENOENT)
		return err_sys(err, errno, "%s", place);
	return 0;
}

/* Make a place and bind @path there; nothing for "". */
static int add(const char *root, const char *path, const char *name, bool read_only,
	       struct err *err)
{
	auto_free char *place = path_join(root, name);
	int r = *path ? make_file(place, err) : 0;

	return r == 0 && *path ? jail_bring(root, path, name, read_only, err) : r;
}

/*
 * A mount of its own, on which devices work and programs run whatever /run forbids. Only
 * the jail made from it sees what is bound there later.
 */
static int make_mount(const char *root, struct err *err)
{
	if (mount(root, root, NULL, MS_BIND, NULL) < 0 ||
	    mount(NULL, root, NULL, MS_BIND | MS_REMOUNT, NULL) < 0 ||
	    mount(NULL, root, NULL, MS_PRIVATE, NULL) < 0 ||
	    mount(NULL, root, NULL, MS_SHARED, NULL) < 0)
		return err_sys(err, errno, "%s: cannot make a jail of it", root);
	return 0;
}

static int fill(const struct vm_spec *spec, const char *root, struct err *err)
{
	const struct config_hypervisor *h = &spec->config->hypervisor;
	int r = add(root, h->kernel, FC_KERNEL, true, err);

	if (r == 0)
		r = add(root, h->initrd, FC_INITRD, true, err);
	if (r == 0)
		r = add(root, h->image, FC_IMAGE, true, err);
	for (size_t i = 0; r == 0 && i < spec->n_disks; i++) {
		const struct vm_dev *disk = &spec->disks[i];
		auto_free char *name = fc_disk_file(i);

		r = add(root, disk->disk.path, name, disk->disk.read_only, err);
	}
	for (unsigned i = 0; r == 0 && i < FC_DRIVES; i++) {
		auto_free char *name = fc_drive_file(i), *place = path_join(root, name);

		r = make_file(place, err);
	}
	return r;
}

/* Open for writing as well, so that it never ends. */
static int make_fifo(const char *root, const char *name, int *fd, struct err *err)
{
	auto_free char *path = path_join(root, name);

	if (mkfifo(path, 0600) < 0)
		return err_sys(err, errno, "%s", path);
	*fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	return *fd < 0 ? err_sys(err, errno, "%s", path) : 0;
}

static int write_config(const struct vm_spec *spec, const char *root, struct err *err)
{
	struct json_object *body = fc_body_config(spec);
	const char *text = json_object_to_json_string_ext(
		body,
		JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE);
	auto_free char *path = path_join(root, FC_CONFIG);
	int r = file_replace(path, text, strlen(text), 0600, err);

	json_object_put(body);
	return r;
}

bool jail_lacks_libraries(const char *program)
{
	auto_close int fd = open(program, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	Elf64_Ehdr eh;
	Elf64_Phdr ph;

	if (fd < 0 || pread(fd, &eh, sizeof(eh), 0) != (ssize_t)sizeof(eh) ||
	    memcmp(eh.e_ident, ELFMAG, SELFMAG) != 0 || eh.e_ident[EI_CLASS] != ELFCLASS64)
		return false;
	for (unsigned i = 0; i < eh.e_phnum; i++)
		if (pread(fd, &ph, sizeof(ph), (off_t)(eh.e_phoff + i * sizeof(ph))) ==
			    (ssize_t)sizeof(ph) &&
		    ph.p_type == PT_INTERP)
			return true;
	return false;
}

int jail_make(const struct vm_spec *spec, const char *root, int *logs, int *metrics,
	      struct err *err)
{
	auto_free char *run = path_join(root, "run"), *empty = path_join(root, FC_EMPTY);
	bool jailed = fc_is_jailed(spec->config);
	int r;

	*logs = *metrics = -1;
	if (jailed && geteuid() != 0)
		return err_set(err, EPERM,
			       "hypervisor.firecracker.jailer_path: the jailer needs root; \"\" "
			       "does without it");
	if (mkdir(root, 0700) < 0)
		return err_sys(err, errno, "%s", root);
	if (jailed)
		r = make_mount(root, err);
	else
		r = mkdir(run, 0700) < 0 ? err_sys(err, errno, "%s", run) : 0;
	if (r == 0)
		r = make_file(empty, err);
	if (r == 0 && jailed)
		r = fill(spec, root, err);
	if (r == 0)
		r = make_fifo(root, FC_LOGS, logs, err);
	if (r == 0)
		r = make_fifo(root, FC_METRICS, metrics, err);
	if (r == 0)
		r = write_config(spec, root, err);
	if (r < 0) {
		close_fd(logs);
		close_fd(metrics);
	}
	return r;
}
