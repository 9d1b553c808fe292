/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A card of the host that is given away, in a tree that looks like sysfs: another process is
 * the kernel, and does what is written into its files (they are pipes there).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "host/network/physical.h"

#define CARD  "0000:03:00.0"
#define OTHER "0000:03:00.1"
#define PORT  "0000:00:1c.0"

struct fixture {
	char dir[32];
	pid_t kernel;
};

static char *at(const struct fixture *f, const char *fmt, const char *what)
{
	auto_free char *rest = xasprintf("%s", fmt);
	char *mark = strchr(rest, '@');

	if (!mark)
		return xasprintf("%s/%s", f->dir, rest);
	*mark = '\0';
	return xasprintf("%s/%s%s%s", f->dir, rest, what, mark + 1);
}

static void make_dir(const struct fixture *f, const char *fmt, const char *what)
{
	auto_free char *path = at(f, fmt, what);

	assert_int_equal(dir_make(path, 0755, NULL), 0);
}

static void make_file(const struct fixture *f, const char *fmt, const char *what, const char *text)
{
	auto_free char *path = at(f, fmt, what);

	assert_int_equal(file_replace(path, text, strlen(text), 0644, NULL), 0);
}

static void make_link(const struct fixture *f, const char *fmt, const char *what, const char *to)
{
	auto_free char *path = at(f, fmt, what), *target = xasprintf("%s/%s", f->dir, to);

	assert_int_equal(symlink(target, path), 0);
}

static void make_pipe(const struct fixture *f, const char *fmt, const char *what)
{
	auto_free char *path = at(f, fmt, what);

	assert_int_equal(mkfifo(path, 0644), 0);
}

static void make_device(const struct fixture *f, const char *address, const char *class)
{
	make_dir(f, "devices/pci0/@", address);
	make_file(f, "devices/pci0/@/class", address, class);
	make_file(f, "devices/pci0/@/driver_override", address, "(null)\n");
	make_link(f, "devices/pci0/@/subsystem", address, "bus/pci");
	auto_free char *to = xasprintf("devices/pci0/%s", address);

	make_link(f, "bus/pci/devices/@", address, to);
}

static void make_driver(const struct fixture *f, const char *name)
{
	make_dir(f, "bus/pci/drivers/@", name);
	make_pipe(f, "bus/pci/drivers/@/unbind", name);
}

/* A port, a card behind it in a group of the IOMMU with the port, and a part of the card. */
static void begin(struct fixture *f)
{
	snprintf(f->dir, sizeof(f->dir), "/tmp/physical-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->kernel = 0;
	make_dir(f, "bus/pci/devices", NULL);
	make_dir(f, "bus/virtio/devices", NULL);
	make_dir(f, "group/devices", NULL);
	make_pipe(f, "bus/pci/drivers_probe", NULL);
	make_driver(f, "e1000e");
	make_driver(f, "vfio-pci");
	make_device(f, PORT, "0x060400\n");
	make_device(f, CARD, "0x020000\n");
	make_link(f, "devices/pci0/@/iommu_group", CARD, "group");
	make_link(f, "group/devices/@", CARD, "devices/pci0/" CARD);
	make_link(f, "group/devices/@", PORT, "devices/pci0/" PORT);
	make_link(f, "devices/pci0/@/driver", CARD, "bus/pci/drivers/e1000e");
	make_dir(f, "devices/pci0/@/virtio0", CARD);
	make_link(f, "devices/pci0/@/virtio0/subsystem", CARD, "bus/virtio");
	make_link(f, "bus/virtio/devices/virtio0", NULL, "devices/pci0/" CARD "/virtio0");
}

/* ---- the kernel --------------------------------------------------------------------------- */

static int open_pipe(const struct fixture *f, const char *fmt, const char *what)
{
	auto_free char *path = at(f, fmt, what);

	return open(path, O_RDWR | O_CLOEXEC);
}

static void bind_it(const struct fixture *f, const char *refuses)
{
	auto_free char *choice = at(f, "devices/pci0/@/driver_override", CARD);
	auto_str struct str text = STR_INIT;
	const char *driver = "e1000e";

	(void)file_read(choice, 64, &text, NULL);
	if (str_starts(str_text(&text), "vfio-pci"))
		driver = "vfio-pci";
	if (strcmp(driver, refuses) != 0) {
		auto_free char *to = xasprintf("bus/pci/drivers/%s", driver);

		make_link(f, "devices/pci0/@/driver", CARD, to);
	}
}

/* Its driver @refuses takes nothing. */
static void be_kernel(struct fixture *f, const char *refuses)
{
	struct pollfd fds[] = { { open_pipe(f, "bus/pci/drivers/@/unbind", "e1000e"), POLLIN, 0 },
				{ open_pipe(f, "bus/pci/drivers/@/unbind", "vfio-pci"), POLLIN, 0 },
				{ open_pipe(f, "bus/pci/drivers_probe", NULL), POLLIN, 0 } };

	f->kernel = fork();
	if (f->kernel != 0) {
		for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
			close(fds[i].fd);
		return;
	}
	alarm(60);
	for (;;) {
		auto_free char *driver = at(f, "devices/pci0/@/driver", CARD);
		char address[32];

		poll(fds, ARRAY_SIZE(fds), -1);
		for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
			if (!(fds[i].revents & POLLIN))
				continue;
			(void)!read(fds[i].fd, address, sizeof(address));
			if (i < 2)
				unlink(driver);
			else
				bind_it(f, refuses);
		}
	}
}

static void end(struct fixture *f)
{
	if (f->kernel > 0) {
		kill(f->kernel, SIGKILL);
		waitpid(f->kernel, NULL, 0);
	}
	assert_int_equal(tree_remove(f->dir, NULL), 0);
}

static void assert_driver(const struct fixture *f, const char *name, const char *override)
{
	auto_free char *link = at(f, "devices/pci0/@/driver", CARD);
	auto_free char *choice = at(f, "devices/pci0/@/driver_override", CARD);
	auto_str struct str text = STR_INIT;
	char to[256] = "";

	assert_true(readlink(link, to, sizeof(to) - 1) > 0);
	assert_string_equal(strrchr(to, '/') + 1, name);
	assert_int_equal(file_read(choice, 64, &text, NULL), 0);
	assert_true(str_starts(str_text(&text), override));
}

/* ---- the tests ------------------------------------------------------------------------------ */

static void there_and_back(void **state)
{
	struct err err = ERR_INIT;
	struct physical p, again;
	struct fixture f;
	auto_free char *entry = NULL;

	(void)state;
	begin(&f);
	be_kernel(&f, "");
	assert_int_equal(physical_find(f.dir, "virtio", "virtio0", &p, &err), 0);
	assert_string_equal(p.address, CARD);
	assert_int_equal(physical_find(f.dir, "pci", CARD, &p, &err), 0);
	assert_string_equal(p.driver, "e1000e");
	assert_int_equal(physical_take(f.dir, &p, &err), 0);
	assert_driver(&f, "vfio-pci", "vfio-pci");
	/* Nobody gets it twice. */
	assert_int_equal(physical_find(f.dir, "pci", CARD, &again, &err), -EBUSY);
	/* Who finds the journal later gives it back, twice if need be. */
	entry = physical_entry(&p);
	assert_string_equal(entry, "device " CARD " e1000e");
	assert_true(physical_parse(entry, &again));
	assert_int_equal(physical_give_back(f.dir, &again, &err), 0);
	assert_driver(&f, "e1000e", "\n");
	assert_int_equal(physical_give_back(f.dir, &again, &err), 0);
	assert_driver(&f, "e1000e", "\n");
	assert_false(physical_parse("link tap0_kata", &again));
	end(&f);
}

static void a_driver_that_refuses(void **state)
{
	struct err err = ERR_INIT;
	struct physical p;
	struct fixture f;

	(void)state;
	begin(&f);
	be_kernel(&f, "vfio-pci");
	assert_int_equal(physical_find(f.dir, "pci", CARD, &p, &err), 0);
	assert_int_equal(physical_take(f.dir, &p, &err), -ENODEV);
	assert_string_equal(err_msg(&err), "device " CARD ": the driver vfio-pci does not take it");
	assert_driver(&f, "e1000e", "\n");
	end(&f);
}

static void one_that_has_gone(void **state)
{
	struct physical p = { .address = "0000:09:00.0", .driver = "e1000e" };
	struct err err = ERR_INIT;
	struct fixture f;

	(void)state;
	begin(&f);
	assert_int_equal(physical_give_back(f.dir, &p, &err), 0);
	end(&f);
}

static void refuses(struct fixture *f, const char *bus, const char *name, int code,
		    const char *words)
{
	struct err err = ERR_INIT;
	struct physical p;

	assert_int_equal(physical_find(f->dir, bus, name, &p, &err), code);
	if (!strstr(err_msg(&err), words))
		fail_msg("\"%s\" is not in \"%s\"", words, err_msg(&err));
}

static void what_cannot_be_given(void **state)
{
	auto_free char *vfio = NULL, *group = NULL;
	struct fixture f;

	(void)state;
	begin(&f);
	refuses(&f, "pci", "0000:09:00.0", -ENOENT, "0000:09:00.0");
	/* Of another bus. */
	make_dir(&f, "bus/usb/devices", NULL);
	make_dir(&f, "devices/usb1/1-1", NULL);
	make_link(&f, "devices/usb1/1-1/subsystem", NULL, "bus/usb");
	make_link(&f, "bus/usb/devices/1-1", NULL, "devices/usb1/1-1");
	refuses(&f, "usb", "1-1", -ENOTSUP, "it is no device of PCI, but of the bus \"usb\"");
	/* Something else is in its group. */
	make_device(&f, OTHER, "0x010000\n");
	make_link(&f, "group/devices/@", OTHER, "devices/pci0/" OTHER);
	refuses(&f, "pci", CARD, -ENOTSUP, "in one group of the IOMMU with " OTHER);
	/* Nobody to take it. */
	group = at(&f, "group/devices/@", OTHER);
	unlink(group);
	vfio = at(&f, "bus/pci/drivers/@", "vfio-pci");
	assert_int_equal(tree_remove(vfio, NULL), 0);
	refuses(&f, "pci", CARD, -ENOTSUP, "the host has no driver vfio-pci");
	/* The port has no group. */
	refuses(&f, "pci", PORT, -ENOTSUP, "no IOMMU guards the host from the device " PORT);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(a_driver_that_refuses),
		cmocka_unit_test(one_that_has_gone),
		cmocka_unit_test(what_cannot_be_given),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("physical", tests, NULL, NULL);
}
