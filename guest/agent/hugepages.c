/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/hugepages.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"

static long long number(char *const *options, size_t n, const char *key)
{
	long long v = 0;

	for (size_t i = 0; i < n; i++)
		if (str_starts(options[i], key) &&
		    str_to_ll(options[i] + strlen(key), 1, LLONG_MAX, &v) < 0)
			return 0;
	return v;
}

static long long read_count(const char *dir, const char *name)
{
	auto_free char *path = path_join(dir, name);
	auto_str struct str text = STR_INIT;

	return file_read(path, 64, &text, NULL) < 0 ? -1 : strtoll(str_text(&text), NULL, 10);
}

int hugepages_reserve(const char *sys, char *const *options, size_t n, struct err *err)
{
	long long page = number(options, n, "pagesize="), size = number(options, n, "size=");
	auto_free char *dir = NULL;
	auto_free char *knob = NULL;
	auto_free char *text = NULL;
	long long all, missing;

	if (page == 0 || size == 0)
		return err_set(err, EINVAL,
			       "hugetlbfs wants the options pagesize and size in bytes");
	dir = xasprintf("%s/kernel/mm/hugepages/hugepages-%lldkB", sys, page / 1024);
	knob = path_join(dir, "nr_hugepages");
	all = read_count(dir, "nr_hugepages");
	if (all < 0)
		return err_set(err, EINVAL, "the kernel has no huge pages of %lld bytes", page);
	/* Those of another volume that nobody has touched yet are spoken for. */
	missing = size / page -
		  (read_count(dir, "free_hugepages") - read_count(dir, "resv_hugepages"));
	if (missing <= 0)
		return 0;
	text = xasprintf("%lld", all + missing);
	if (file_write_knob(knob, text, strlen(text), err) < 0)
		return err->code;
	/* The kernel takes the number and gives what it has. */
	if (read_count(dir, "nr_hugepages") < all + missing)
		return err_set(err, ENOMEM, "no memory for %lld huge pages of %lld bytes",
			       size / page, page);
	return 0;
}
