/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/kvm_stats.h"

#include <inttypes.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "base/cleanup.h"

#define NAMES_MAX 256 /* characters, with the NUL; KVM's have 48 */
#define MANY	  512 /* numbers; KVM has some 60 of each source */

static const struct {
	const char *name, *word;
} wanted[] = {
	{ "exits", "kvm-exits" },
	{ "halt_exits", "kvm-halts" },
	{ "irq_injections", "kvm-interrupts" },
	{ "pf_fixed", "kvm-faults" }, /* nested page faults that mapped something */
	{ "pages_4k", "kvm-pages-4k" },
	{ "pages_2m", "kvm-pages-2m" },
};

struct source {
	int fd;
	uint64_t at[ARRAY_SIZE(wanted)]; /* in the file; 0: it has no such number */
};

struct kvm_stats {
	unsigned n, max;
	bool looked;
	struct source source[];
};

struct kvm_stats *kvm_stats_new(unsigned n_sources)
{
	struct kvm_stats *s = xcalloc(1, sizeof(*s) + n_sources * sizeof(s->source[0]));

	s->max = n_sources;
	return s;
}

void kvm_stats_free(struct kvm_stats *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < s->n; i++)
		close_fd(&s->source[i].fd);
	free(s);
}

static bool read_at(int fd, uint64_t at, void *buf, size_t len)
{
	struct iovec v = { buf, len };

	/* As disks are read: no call more for the filter to let through. */
	return preadv(fd, &v, 1, (off_t)at) == (ssize_t)len;
}

/* Where in @names, the descriptors of @h, the wanted numbers are. */
static void find(struct source *s, const struct kvm_stats_header *h, uint8_t *names)
{
	size_t size = sizeof(struct kvm_stats_desc) + h->name_size;

	for (uint32_t i = 0; i < h->num_desc; i++) {
		const char *name = (const char *)names + i * size + sizeof(struct kvm_stats_desc);
		struct kvm_stats_desc d;

		memcpy(&d, names + i * size, sizeof(d));
		names[(i + 1) * size - 1] = '\0';
		for (size_t w = 0; w < ARRAY_SIZE(wanted); w++)
			if (d.size == 1 && !strcmp(name, wanted[w].name))
				s->at[w] = (uint64_t)h->data_offset + d.offset;
	}
}

static void look(struct source *s)
{
	auto_free uint8_t *names = NULL;
	struct kvm_stats_header h;
	size_t len;

	if (!read_at(s->fd, 0, &h, sizeof(h)) || h.name_size == 0 || h.name_size > NAMES_MAX ||
	    h.num_desc > MANY)
		return;
	len = h.num_desc * (sizeof(struct kvm_stats_desc) + h.name_size);
	names = malloc(len + 1);
	if (names && read_at(s->fd, h.desc_offset, names, len))
		find(s, &h, names);
}

void kvm_stats_add(struct kvm_stats *s, int fd)
{
	auto_close int own = fd;

	if (s && fd >= 0 && s->n < s->max)
		s->source[s->n++].fd = take_fd(&own);
}

/* At the first question: all processors count the same. */
static void look_at_all(struct kvm_stats *s)
{
	for (unsigned i = 0; i < s->n; i++) {
		if (i > 1)
			memcpy(s->source[i].at, s->source[1].at, sizeof(s->source[i].at));
		else
			look(&s->source[i]);
	}
	s->looked = true;
}

void kvm_stats_tell(struct kvm_stats *s, struct str *out)
{
	if (s && !s->looked)
		look_at_all(s);
	for (size_t w = 0; s && w < ARRAY_SIZE(wanted); w++) {
		uint64_t sum = 0, one;
		bool any = false;

		for (unsigned i = 0; i < s->n; i++) {
			const struct source *from = &s->source[i];

			if (!from->at[w] || !read_at(from->fd, from->at[w], &one, sizeof(one)))
				continue;
			sum += one;
			any = true;
		}
		if (any)
			str_printf(out, " %s=%" PRIu64, wanted[w].word, sum);
	}
}
