/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel modules by name. */
#ifndef AGENT_MODULE_LOAD_H
#define AGENT_MODULE_LOAD_H

#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

/*
 * Load the module @name and those that it needs: by modprobe(8) where the
 * guest has it, else by itself from the kernel's modules.dep or the image's
 * own list. One that is there already, or built in, is fine. Blocks: for jobs.
 */
int module_load(const char *name, char *const *parameters, size_t n, struct err *err);

/*
 * Have the kernel know the file system @fstype, if a module of that name does; a mount that
 * it does not know tells the rest. Blocks.
 */
void module_load_fs(const char *fstype);

/*
 * From the text of a modules.dep, the files for @name, those that it needs
 * first; lines hold "FILE: NEEDED…". Empty when it is not in there. Pure.
 */
void module_files(const char *text, const char *name, struct strv *files);

#endif
