/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "guest/agent/device_find.h"
#include "guest/agent/hugepages.h"
#include "guest/agent/sysfs.h"

static char sys[] = "/tmp/sysfs-XXXXXX";

static void put(const char *path, const char *text)
{
	auto_free char *full = xasprintf("%s/%s", sys, path);
	auto_free char *dir = xstrdup(full);

	*strrchr(dir, '/') = '\0';
	assert_int_equal(dir_make(dir, 0755, NULL), 0);
	assert_int_equal(file_replace(full, text, strlen(text), 0644, NULL), 0);
}

static void has(const char *path, const char *text)
{
	auto_free char *full = xasprintf("%s/%s", sys, path);
	auto_str struct str now = STR_INIT;

	assert_int_equal(file_read(full, 100, &now, NULL), 0);
	assert_string_equal(str_text(&now), text);
}

static int make(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(sys));
	return 0;
}

static int drop(void **state)
{
	(void)state;
	return tree_remove(sys, NULL);
}

static void test_pci_paths(void **state)
{
	static const char *const bad[] = { "",	   "/",	   "02/", "/02",     "zz",    "20",
					   "02.8", "2//0", "020", "02/x",    "02.",   "-1",
					   "0x1",  " 2",   "02 ", "1/2/3.9", "02.0.0" };
	struct pci_path p;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(pci_path_parse("02/00", &p, &err), 0);
	assert_true(p.depth == 2 && p.root == 0 && p.slot[0] == 2 && p.slot[1] == 0);
	assert_int_equal(pci_path_parse("1f.7", &p, &err), 0);
	assert_true(p.depth == 1 && p.slot[0] == 0x1f && p.function[0] == 7);
	assert_int_equal(pci_path_parse("02/00/01", &p, &err), 0);
	assert_true(p.depth == 3 && p.root == 0);
	assert_int_equal(pci_path_parse("20/00/02", &p, &err), 0);
	assert_true(p.depth == 2 && p.root == 0x20 && p.slot[1] == 2);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(pci_path_parse(bad[i], &p, &err), -EINVAL);
	assert_int_equal(
		pci_path_parse("0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/"
			       "0/0",
			       &p, &err),
		-EINVAL);
}

static char *disk_at(const char *path)
{
	struct pci_path p;
	auto_free char *dir = NULL;

	assert_int_equal(pci_path_parse(path, &p, NULL), 0);
	dir = sysfs_pci(sys, &p);
	return dir ? sysfs_disk_of(dir) : NULL;
}

#define ROOT   "devices/pci0000:00/"
#define BRIDGE ROOT "0000:00:02.0/"

static void test_pci_disks(void **state)
{
	auto_free char *one = NULL, *two = NULL, *link = NULL, *dir = NULL, *far = NULL;
	struct pci_path p;

	(void)state;
	assert_null(disk_at("03"));
	put(ROOT "0000:00:03.0/virtio1/block/vda/dev", "254:0");
	put(BRIDGE "pci_bus/0000:01/x", "");
	assert_null(disk_at("02/00"));
	put(BRIDGE "0000:01:00.0/virtio2/block/vdb/dev", "254:16");
	put(ROOT "0000:00:04.1/virtio3/net/eth0/mtu", "1500");
	put("devices/pci0000:20/0000:20:00.0/pci_bus/0000:21/x", "");
	put("devices/pci0000:20/0000:20:00.0/0000:21:01.0/virtio9/block/vdz/dev", "254:32");
	one = disk_at("03");
	two = disk_at("02/00");
	far = disk_at("20/00/01");
	assert_string_equal(one, "vda");
	assert_string_equal(two, "vdb");
	assert_string_equal(far, "vdz");
	assert_null(disk_at("02/01"));
	assert_null(disk_at("03/00"));
	assert_int_equal(pci_path_parse("04.1", &p, NULL), 0);
	dir = sysfs_pci(sys, &p);
	assert_non_null(dir);
	link = sysfs_link_of(dir);
	assert_string_equal(link, "eth0");
	assert_null(sysfs_disk_of(dir));
}

static void test_scsi(void **state)
{
	static const char *const bad[] = { "", "0", "0:", ":0", "0:0:0", "a:0", "256:0", "-1:0" };
	auto_free char *found = NULL;
	struct err err = ERR_INIT;

	(void)state;
	put("class/scsi_host/host0/proc_name", "ahci\n");
	put("class/scsi_host/host0/scan", "");
	put("class/scsi_host/host3/proc_name", "virtio_scsi\n");
	put("class/scsi_host/host3/scan", "");
	put("bus/scsi/devices/0:0:1:2/block/sda/dev", "8:0");
	assert_null(sysfs_scsi_disk(sys, "1:2"));
	put("bus/scsi/devices/3:0:1:2/block/sdb/dev", "8:16");
	found = sysfs_scsi_disk(sys, "1:2");
	assert_string_equal(found, "sdb");
	assert_int_equal(sysfs_scsi_scan(sys, "1:2", &err), 0);
	has("class/scsi_host/host3/scan", "0 1 2");
	has("class/scsi_host/host0/scan", "");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(sysfs_scsi_scan(sys, bad[i], &err), -EINVAL);
}

static void test_vfio(void **state)
{
	auto_free char *link = xasprintf("%s/bus/pci/devices/0000:01:00.0/iommu_group", sys);
	auto_free char *driver = xasprintf("%s/bus/pci/devices/0000:01:00.0/driver", sys);
	struct err err = ERR_INIT;
	int group = -1;

	(void)state;
	put("bus/pci/drivers_probe", "");
	put("bus/pci/devices/0000:01:00.0/driver_override", "");
	put("bus/pci/drivers/virtio-pci/unbind", "");
	assert_int_equal(symlink("../../drivers/virtio-pci", driver), 0);
	assert_int_equal(vfio_take(sys, "0000:01:00.0", &group, &err), -ENODEV);
	assert_non_null(strstr(err.msg, "0000:01:00.0"));
	assert_int_equal(symlink("../../../../kernel/iommu_groups/17", link), 0);
	assert_int_equal(vfio_take(sys, "0000:01:00.0", &group, &err), 0);
	assert_int_equal(group, 17);
	has("bus/pci/devices/0000:01:00.0/driver_override", "vfio-pci");
	has("bus/pci/drivers/virtio-pci/unbind", "0000:01:00.0");
	has("bus/pci/drivers_probe", "0000:01:00.0");
	assert_int_equal(vfio_take(sys, "0000:09:00.0", &group, &err), -ENOENT);
}

#define HUGE "kernel/mm/hugepages/hugepages-2048kB/"

static void test_hugepages(void **state)
{
	char *good[] = { (char *)"pagesize=2097152", (char *)"size=8388608" };
	char *lone[] = { (char *)"pagesize=2097152" };
	char *bad[] = { (char *)"pagesize=x", (char *)"size=8388608" };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(hugepages_reserve(sys, good, 2, &err), -EINVAL);
	put(HUGE "nr_hugepages", "5\n");
	put(HUGE "free_hugepages", "3\n");
	put(HUGE "resv_hugepages", "1\n");
	assert_int_equal(hugepages_reserve(sys, good, 2, &err), 0);
	has(HUGE "nr_hugepages", "7\n");
	put(HUGE "free_hugepages", "5\n");
	assert_int_equal(hugepages_reserve(sys, good, 2, &err), 0);
	assert_int_equal(hugepages_reserve(sys, lone, 1, &err), -EINVAL);
	assert_int_equal(hugepages_reserve(sys, bad, 2, &err), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pci_paths), cmocka_unit_test(test_pci_disks),
		cmocka_unit_test(test_scsi),	  cmocka_unit_test(test_vfio),
		cmocka_unit_test(test_hugepages),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make, drop);
}
