/* SPDX-License-Identifier: Apache-2.0 */
/* The options of a mount, separated by commas. */
#include <string.h>

#include "base/cleanup.h"
#include "fuzz.h"
#include "guest/agent/mount_options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = xstrndup((const char *)data, size);
	auto_strv struct strv words = { NULL, 0 };
	struct mount_options o;
	unsigned long flag;
	bool recursive;
	char *save = NULL;

	for (char *w = strtok_r(text, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
		strv_add(&words, w);
		(void)propagation_parse(w, &flag, &recursive);
	}
	mount_options_parse(words.v, words.n, &o);
	must(!(o.set & o.clear & ~UINT64_C(0x70))); /* but for the three kinds of atime */
	must(o.data.n <= words.n && (o.idmap || !o.idmap_rec));
	mount_options_done(&o);
	return 0;
}
