/* SPDX-License-Identifier: Apache-2.0 */
/* What CreateSandbox says of a pod, as the specification of a container that is not there. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "host/shim/pod_spec.h"
#include "oci/spec.h"
#include "proto/cri.pb-c.h"

typedef Containerd__Runtime__Sandbox__V1__CreateSandboxRequest Request;
typedef Containerd__Runtime__Sandbox__V1__CreateSandboxRequest__AnnotationsEntry Annotation;

#define RESOLV_CONF "/run/x/resolv.conf"

static const char *annotation(const Grpc__Spec *spec, const char *key)
{
	for (size_t i = 0; i < spec->n_annotations; i++)
		if (!strcmp(spec->annotations[i]->key, key))
			return spec->annotations[i]->value;
	return "";
}

/* Plan the pod that @config describes. */
static int plan(Runtime__V1__PodSandboxConfig *config, Request *req, struct pod_plan *out)
{
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	auto_free uint8_t *wire =
		xmalloc(runtime__v1__pod_sandbox_config__get_packed_size(config) + 1);

	any.type_url = (char *)"runtime.v1.PodSandboxConfig";
	any.value.len = runtime__v1__pod_sandbox_config__pack(config, wire);
	any.value.data = wire;
	req->sandbox_id = (char *)"cc";
	req->options = &any;
	return pod_plan(req, RESOLV_CONF, out, NULL);
}

static void takes_the_kubelets_words(void **state)
{
	Runtime__V1__PodSandboxConfig config = RUNTIME__V1__POD_SANDBOX_CONFIG__INIT;
	Runtime__V1__PodSandboxMetadata metadata = RUNTIME__V1__POD_SANDBOX_METADATA__INIT;
	Runtime__V1__DNSConfig dns = RUNTIME__V1__DNSCONFIG__INIT;
	Runtime__V1__LinuxPodSandboxConfig l = RUNTIME__V1__LINUX_POD_SANDBOX_CONFIG__INIT;
	Runtime__V1__LinuxContainerResources res = RUNTIME__V1__LINUX_CONTAINER_RESOURCES__INIT;
	Request req = CONTAINERD__RUNTIME__SANDBOX__V1__CREATE_SANDBOX_REQUEST__INIT;
	char *servers[] = { (char *)"192.0.2.1", (char *)"2001:db8::1" };
	char *searches[] = { (char *)"a.example", (char *)"b.example" };
	char *options[] = { (char *)"ndots:5" };
	Runtime__V1__PodSandboxConfig__AnnotationsEntry kata =
		RUNTIME__V1__POD_SANDBOX_CONFIG__ANNOTATIONS_ENTRY__INIT;
	Runtime__V1__PodSandboxConfig__AnnotationsEntry other = kata;
	Runtime__V1__PodSandboxConfig__AnnotationsEntry *notes[] = { &kata, &other };
	Annotation passed =
		CONTAINERD__RUNTIME__SANDBOX__V1__CREATE_SANDBOX_REQUEST__ANNOTATIONS_ENTRY__INIT;
	Annotation *all[] = { &passed };
	struct pod_plan p;

	(void)state;
	kata.key = (char *)"io.katacontainers.config.hypervisor.default_vcpus";
	kata.value = (char *)"2";
	other.key = (char *)"example.org/private";
	other.value = (char *)"x";
	passed.key = (char *)"example.org/passed";
	passed.value = (char *)"y";
	req.annotations = all;
	req.n_annotations = 1;
	req.netns_path = (char *)"/run/netns/n";
	metadata.name = (char *)"web";
	metadata.uid = (char *)"uid-1";
	metadata.namespace_ = (char *)"shop";
	dns.servers = servers;
	dns.n_servers = 2;
	dns.searches = searches;
	dns.n_searches = 2;
	dns.options = options;
	dns.n_options = 1;
	res.cpu_quota = 150000;
	res.cpu_period = 100000;
	res.memory_limit_in_bytes = 1 << 28;
	l.cgroup_parent = (char *)"/kubepods/pod1";
	l.resources = &res;
	config.metadata = &metadata;
	config.hostname = (char *)"host-of-pod";
	config.dns_config = &dns;
	config.annotations = notes;
	config.n_annotations = 2;
	config.linux = &l;
	assert_int_equal(plan(&config, &req, &p), 0);
	assert_string_equal(str_text(&p.resolv_conf),
			    "search a.example b.example\nnameserver 192.0.2.1\n"
			    "nameserver 2001:db8::1\noptions ndots:5\n");
	assert_string_equal(p.spec->hostname, "host-of-pod");
	assert_int_equal(p.spec->n_mounts, 2);
	assert_string_equal(p.spec->mounts[0]->destination, "/dev/shm");
	assert_string_equal(p.spec->mounts[1]->source, RESOLV_CONF);
	assert_string_equal(p.spec->linux->cgroupspath, "/kubepods/pod1/cc");
	assert_int_equal(p.spec->linux->n_namespaces, 1);
	assert_string_equal(p.spec->linux->namespaces[0]->path, "/run/netns/n");
	assert_string_equal(annotation(p.spec, "io.kubernetes.cri.sandbox-id"), "cc");
	assert_string_equal(annotation(p.spec, "io.kubernetes.cri.sandbox-name"), "web");
	assert_string_equal(annotation(p.spec, "io.kubernetes.cri.sandbox-cpu-quota"), "150000");
	assert_string_equal(annotation(p.spec, "io.kubernetes.cri.sandbox-memory"), "268435456");
	assert_string_equal(annotation(p.spec, "io.kubernetes.cri.sandbox-cpu-shares"), "");
	assert_string_equal(annotation(p.spec, kata.key), "2");
	/* A pod's owner has no say beyond that. */
	assert_string_equal(annotation(p.spec, other.key), "");
	assert_string_equal(annotation(p.spec, passed.key), "y");
	pod_plan_free(&p);
}

static void makes_do_with_nothing(void **state)
{
	Request req = CONTAINERD__RUNTIME__SANDBOX__V1__CREATE_SANDBOX_REQUEST__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	struct err err = ERR_INIT;
	struct pod_plan p;

	(void)state;
	req.sandbox_id = (char *)"cc";
	assert_int_equal(pod_plan(&req, RESOLV_CONF, &p, NULL), 0);
	assert_int_equal(p.resolv_conf.len, 0);
	assert_int_equal(p.spec->n_mounts, 1);
	assert_int_equal(p.spec->linux->n_namespaces, 0);
	assert_string_equal(p.spec->linux->cgroupspath, "");
	pod_plan_free(&p);
	/* Options of another kind are not for us; of this kind they have to be sound. */
	any.type_url = (char *)"example.org/Options";
	any.value.data = (uint8_t *)"\x0a\xff";
	any.value.len = 2;
	req.options = &any;
	assert_int_equal(pod_plan(&req, RESOLV_CONF, &p, NULL), 0);
	pod_plan_free(&p);
	any.type_url = (char *)"type.googleapis.com/runtime.v1.PodSandboxConfig";
	assert_int_equal(pod_plan(&req, RESOLV_CONF, &p, &err), -EINVAL);
	assert_string_equal(err_msg(&err), "the options are no PodSandboxConfig");
}

static void names_systemds_slices(void **state)
{
	Runtime__V1__PodSandboxConfig config = RUNTIME__V1__POD_SANDBOX_CONFIG__INIT;
	Runtime__V1__LinuxPodSandboxConfig l = RUNTIME__V1__LINUX_POD_SANDBOX_CONFIG__INIT;
	Request req = CONTAINERD__RUNTIME__SANDBOX__V1__CREATE_SANDBOX_REQUEST__INIT;
	struct pod_plan p;

	(void)state;
	l.cgroup_parent = (char *)"/kubepods.slice/kubepods-pod1.slice";
	config.linux = &l;
	assert_int_equal(plan(&config, &req, &p), 0);
	assert_string_equal(p.spec->linux->cgroupspath, "kubepods-pod1.slice:cri-containerd:cc");
	pod_plan_free(&p);
}

static void completes_members(void **state)
{
	static const char bare[] = "{\"ociVersion\":\"1.0.2\",\"linux\":{}}";
	static const char full[] =
		"{\"ociVersion\":\"1.0.2\",\"mounts\":[{\"destination\":\"/etc/resolv.conf\","
		"\"source\":\"/own\",\"type\":\"bind\"}],\"linux\":{\"sysctl\":{\"net.a\":\"7\"}}}";
	Runtime__V1__PodSandboxConfig config = RUNTIME__V1__POD_SANDBOX_CONFIG__INIT;
	Runtime__V1__LinuxPodSandboxConfig l = RUNTIME__V1__LINUX_POD_SANDBOX_CONFIG__INIT;
	Runtime__V1__LinuxPodSandboxConfig__SysctlsEntry sysctl =
		RUNTIME__V1__LINUX_POD_SANDBOX_CONFIG__SYSCTLS_ENTRY__INIT;
	Runtime__V1__LinuxPodSandboxConfig__SysctlsEntry *sysctls[] = { &sysctl };
	Runtime__V1__DNSConfig dns = RUNTIME__V1__DNSCONFIG__INIT;
	Request req = CONTAINERD__RUNTIME__SANDBOX__V1__CREATE_SANDBOX_REQUEST__INIT;
	char *servers[] = { (char *)"192.0.2.1" };
	Grpc__Spec *spec;
	struct pod_plan p;

	(void)state;
	sysctl.key = (char *)"net.a";
	sysctl.value = (char *)"1";
	l.sysctls = sysctls;
	l.n_sysctls = 1;
	dns.servers = servers;
	dns.n_servers = 1;
	config.linux = &l;
	config.dns_config = &dns;
	assert_int_equal(plan(&config, &req, &p), 0);
	assert_int_equal(oci_spec_parse(bare, strlen(bare), "bare", &spec, NULL), 0);
	pod_complete(&p, RESOLV_CONF, spec);
	assert_int_equal(spec->n_mounts, 1);
	assert_string_equal(spec->mounts[0]->source, RESOLV_CONF);
	assert_int_equal(spec->linux->n_sysctl, 1);
	assert_string_equal(spec->linux->sysctl[0]->value, "1");
	grpc__spec__free_unpacked(spec, NULL);
	/* What it has of its own stays. */
	assert_int_equal(oci_spec_parse(full, strlen(full), "full", &spec, NULL), 0);
	pod_complete(&p, RESOLV_CONF, spec);
	assert_int_equal(spec->n_mounts, 1);
	assert_string_equal(spec->mounts[0]->source, "/own");
	assert_string_equal(spec->linux->sysctl[0]->value, "7");
	grpc__spec__free_unpacked(spec, NULL);
	pod_plan_free(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_the_kubelets_words),
		cmocka_unit_test(makes_do_with_nothing),
		cmocka_unit_test(names_systemds_slices),
		cmocka_unit_test(completes_members),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
