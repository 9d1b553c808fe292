/* SPDX-License-Identifier: Apache-2.0 */
/* Network cards that are plugged into a QEMU that answers from a script. */
#include <unistd.h>

#include "jobs_fixture.h"

static const struct vm_size fixed = { 1, 1, 256, 256 };

#define GETFD(NAME) "getfd {\"fdname\":\"" NAME "\"}\n"
#define NETDEV(ID)  "netdev_add {\"type\":\"tap\",\"id\":\"" ID "\",\"fds\":\"" ID "-tap0\"}\n"
#define CARD(ID, ADDR, MORE)                                                           \
	"device_add {\"driver\":\"virtio-net-pci\",\"id\":\"" ID "\",\"netdev\":\"" ID \
	"\",\"mac\":\"02:00:00:00:00:07\",\"bus\":\"pci-bridge-0\",\"addr\":\"" ADDR   \
	"\",\"romfile\":\"\"" MORE "}\n"

/* @queues of them, the descriptors being those of some file. */
static void plug_card_of(struct fixture *f, const char *id, size_t queues, bool vhost)
{
	const int fds[] = { f->peer, f->peer };
	struct vm_dev dev = { .type = VM_DEV_NET, .id = id };

	dev.net.fds = fds;
	dev.net.n_fds = queues;
	dev.net.vhost_fds = vhost ? fds : NULL;
	memcpy(dev.net.mac, (const uint8_t[]){ 2, 0, 0, 0, 0, 7 }, VM_MAC_LEN);
	jobs_plug_net(&f->jobs, &dev, on_plug, f);
}

static void cards_come_and_go_behind_a_bridge(void **state)
{
	struct fixture *f = make("", fixed);
	struct answer deleted[] = { { "device_del", OK, NULL, DELETED("a"), false }, { 0 } };

	(void)state;
	plug_card_of(f, "a", 1, false);
	plug(f, "d", false);
	plug_card_of(f, "b", 1, false);
	run(f, NULL, 3);
	/* From the end on; disks from the beginning. */
	assert_string_equal(str_text(&f->got), "plug 0 02/1e;plug 0 02/01;plug 0 02/1d;");
	assert_non_null(
		strstr(str_text(&f->said), GETFD("a-tap0") NETDEV("a") CARD("a", "1e", "")));
	f->said.len = f->got.len = 0;
	assert_false(jobs_unplug_net(&f->jobs, "d", on_unplug, f));
	assert_true(jobs_unplug_net(&f->jobs, "a", on_unplug, f));
	plug_card_of(f, "c", 1, false);
	run(f, deleted, 5);
	assert_string_equal(str_text(&f->got), "unplug;plug 0 02/1e;");
	assert_string_equal(str_text(&f->said),
			    "device_del {\"id\":\"a\"}\nnetdev_del {\"id\":\"a\"}\n" GETFD("c-tap0")
				    NETDEV("c") CARD("c", "1e", ""));
	drop(f);
}

static void queues_and_vhost_are_told(void **state)
{
	struct fixture *f = make("enable_iommu_platform = true\n", fixed);

	(void)state;
	plug_card_of(f, "a", 2, true);
	run(f, NULL, 1);
	assert_string_equal(
		str_text(&f->said),
		GETFD("a-tap0") GETFD("a-tap1") GETFD("a-vhost0") GETFD(
			"a-vhost1") "netdev_add {\"type\":\"tap\",\"id\":\"a\",\"fds\":\"a-tap0:a-tap1\","
				    "\"vhost\":true,\"vhostfds\":\"a-vhost0:a-vhost1\"}\n" CARD(
					    "a", "1e",
					    ",\"mq\":true,\"vectors\":6,\"disable-legacy\":\"on\",\"iommu_platform\":true"));
	drop(f);
}

static void what_fails_is_undone(void **state)
{
	struct fixture *f = make("", fixed);
	struct answer no_device[] = { { "device_add", ERROR("no room"), NULL, NULL, false },
				      { 0 } };
	struct answer no_netdev[] = { { "netdev_add", ERROR("no tap"), NULL, NULL, false }, { 0 } };

	(void)state;
	plug_card_of(f, "a", 1, false);
	run(f, no_device, 1);
	assert_string_equal(str_text(&f->got), "plug: network a: QMP: device_add: no room;");
	assert_non_null(strstr(str_text(&f->said), "netdev_del {\"id\":\"a\"}\n"));
	f->got.len = 0;
	plug_card_of(f, "a", 1, false);
	run(f, no_netdev, 2);
	assert_string_equal(str_text(&f->got), "plug: network a: QMP: netdev_add: no tap;");
	/* Its place and its name are free. */
	f->got.len = 0;
	plug_card_of(f, "a", 1, false);
	plug_card_of(f, "a", 1, false);
	run(f, NULL, 4);
	assert_string_equal(str_text(&f->got),
			    "plug 0 02/1e;plug: network a: there is one of that name;");
	drop(f);
}

static void without_a_bridge_there_is_no_place(void **state)
{
	struct fixture *f = make("default_bridges = 0\n", fixed);

	(void)state;
	plug_card_of(f, "a", 1, false);
	run(f, NULL, 1);
	assert_string_equal(str_text(&f->got),
			    "plug: network a: all 0 places behind bridges are taken;");
	drop(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cards_come_and_go_behind_a_bridge),
		cmocka_unit_test(queues_and_vhost_are_told),
		cmocka_unit_test(what_fails_is_undone),
		cmocka_unit_test(without_a_bridge_there_is_no_place),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("hypervisor/plug_net", tests, NULL, NULL);
}
