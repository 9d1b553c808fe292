/* SPDX-License-Identifier: Apache-2.0 */
/* A kernel that the monitor is to load: nothing of the file is trusted. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "vmm/boot/elf.h"

#define LOWEST (1 << 20)
#define MEMORY (4 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t none[LOWEST];
	struct elf_kernel kernel;
	struct err err = ERR_INIT;
	struct memory m;
	int fd = memfd_create("kernel", MFD_CLOEXEC);
	int r;

	must(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	must(memory_init(&m, MEMORY, 3ULL << 30, 4ULL << 30, false, NULL) == 0);
	r = elf_load(fd, &m, LOWEST, &kernel, &err);
	if (r == 0)
		must(kernel.start >= LOWEST && kernel.end <= MEMORY &&
		     kernel.entry >= kernel.start && kernel.entry < kernel.end);
	else
		must(r == err.code && err.msg[0]);
	/* What lies below the kernel is the machine's. */
	must(memcmp(memory_at(&m, 0, LOWEST), none, LOWEST) == 0);
	memory_done(&m);
	close(fd);
	return 0;
}
