/* SPDX-License-Identifier: Apache-2.0 */
/* What attackers share: all devices that there are, and the proof that one still works. */
#ifndef TESTS_HOSTILE_ATTACK_H
#define TESTS_HOSTILE_ATTACK_H

#include "../guests/virtio.h"

struct victims {
	unsigned n;
	struct device device[VIRTIO_PAGES];
	uint32_t kind[VIRTIO_PAGES];
};

void find_victims(struct victims *v);
/* What the rings' ways of today need: all that a device offers of them. */
uint64_t ring_features(const struct device *d);
/* All devices can be reset and started; random bytes still come. fail() otherwise. */
void prove_alive(struct victims *v);

#endif
