/* SPDX-License-Identifier: Apache-2.0 */
/* What the sandbox without a machine says of its guest. */
#include <string.h>

#include "fake.h"

const Grpc__Metrics fake_metrics = { .base = PROTOBUF_C_MESSAGE_INIT(&grpc__metrics__descriptor),
				     .metrics = (char *)"# TYPE kata_guest_load gauge\n"
							"kata_guest_load{item=\"load1\"} 1\n"
							"process_open_fds 9\n"
							"kata_shim_fds 666\n" };

const char *sandbox_guest_path(const struct sandbox *sb, const char *source)
{
	(void)sb;
	return strcmp(source, "/volume x") ? NULL : "/run/guest/volume";
}

void sandbox_metrics(const struct sandbox *sb, struct str *out)
{
	(void)sb;
	str_puts(out, "# TYPE kata_hypervisor_fds gauge\nkata_hypervisor_fds 5\n");
}

void sandbox_usage(const struct sandbox *sb, struct prom_usage *sum)
{
	(void)sb;
	sum->memory += 1 << 30;
}

bool sandbox_guest(const struct sandbox *sb, struct str *address)
{
	(void)sb;
	str_puts(address, fake.guest ? fake.guest : "vsock://7");
	return true;
}

/* The request, but for what is not of interest. */
static void write_down(const char *method, const ProtobufCMessage *req)
{
	str_printf(&fake.log, "ask:%s", method);
	if (req->descriptor == &grpc__set_iptables_request__descriptor) {
		const Grpc__SetIPTablesRequest *r = (const Grpc__SetIPTablesRequest *)req;

		str_printf(&fake.log, "/%d/%.*s", r->is_ipv6, (int)r->data.len, r->data.data);
	} else if (req->descriptor == &grpc__get_iptables_request__descriptor) {
		str_printf(&fake.log, "/%d", ((const Grpc__GetIPTablesRequest *)req)->is_ipv6);
	} else if (req->descriptor == &grpc__set_policy_request__descriptor) {
		str_printf(&fake.log, "/%s", ((const Grpc__SetPolicyRequest *)req)->policy);
	} else if (req->descriptor == &grpc__volume_stats_request__descriptor) {
		str_printf(&fake.log, "/%s",
			   ((const Grpc__VolumeStatsRequest *)req)->volume_guest_path);
	} else if (req->descriptor == &grpc__resize_volume_request__descriptor) {
		const Grpc__ResizeVolumeRequest *r = (const Grpc__ResizeVolumeRequest *)req;

		str_printf(&fake.log, "/%s/%llu", r->volume_guest_path,
			   (unsigned long long)r->size);
	}
	str_putc(&fake.log, ' ');
}

void sandbox_ask_agent(struct sandbox *sb, const char *method, const ProtobufCMessage *req,
		       sandbox_reply_cb cb, void *arg)
{
	(void)sb;
	write_down(method, req);
	fake_ask(cb, arg);
}
