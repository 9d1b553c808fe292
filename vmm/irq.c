/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/irq.h"

#include <errno.h>

int irq_take(struct irq_lines *lines, struct err *err)
{
	if (lines->next >= lines->end)
		return err_set(err, ENOSPC, "too many devices: no interrupt line is left");
	return (int)lines->next++;
}
