/* SPDX-License-Identifier: Apache-2.0 */
#include "host/sandbox/kind.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"

static const struct {
	const char *type, *sandbox_value, *container_value, *sandbox_id;
} engines[] = {
	{ "io.kubernetes.cri.container-type", "sandbox", "container",
	  "io.kubernetes.cri.sandbox-id" },
	{ "io.kubernetes.cri-o.ContainerType", "sandbox", "container",
	  "io.kubernetes.cri-o.SandboxID" },
	{ "io.kubernetes.docker.type", "podsandbox", "container", "io.kubernetes.sandbox.id" },
};

static const char *annotation(const Grpc__Spec *spec, const char *key)
{
	for (size_t i = 0; i < spec->n_annotations; i++)
		if (!strcmp(spec->annotations[i]->key, key))
			return spec->annotations[i]->value;
	return NULL;
}

int kind_of(const Grpc__Spec *spec, enum kind *kind, const char **sandbox, struct err *err)
{
	*kind = KIND_SINGLE;
	*sandbox = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(engines); i++) {
		const char *type = annotation(spec, engines[i].type);

		if (!type)
			continue;
		if (!strcmp(type, engines[i].sandbox_value)) {
			*kind = KIND_SANDBOX;
			return 0;
		}
		if (strcmp(type, engines[i].container_value))
			return err_set(err, EINVAL, "annotation %s: \"%s\" is no type of container",
				       engines[i].type, type);
		*sandbox = annotation(spec, engines[i].sandbox_id);
		if (!*sandbox || !**sandbox)
			return err_set(err, EINVAL,
				       "annotation %s is missing: the container's pod is unknown",
				       engines[i].sandbox_id);
		*kind = KIND_CONTAINER;
		return 0;
	}
	return 0;
}

bool kind_is_member(const struct strv *annotations, const char *sandbox)
{
	for (size_t i = 0; i + 1 < annotations->n; i += 2)
		for (size_t k = 0; k < ARRAY_SIZE(engines); k++)
			if (!strcmp(annotations->v[i], engines[k].sandbox_id) &&
			    !strcmp(annotations->v[i + 1], sandbox))
				return true;
	return false;
}
