/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What erofs looks like on a disk, as far as images here use it (Linux,
 * Documentation/filesystems/erofs.rst): everything little endian, blocks of 4096 bytes,
 * nothing compressed, inodes of the long kind. Kernels since 5.4 read it.
 */
#ifndef HOST_STORAGE_IMAGE_EROFS_FORMAT_H
#define HOST_STORAGE_IMAGE_EROFS_FORMAT_H

#include <stdint.h>

#define EROFS_MAGIC	  0xe0f5e1e2
#define EROFS_SUPER_AT	  1024
#define EROFS_BLOCK_BITS  12
#define EROFS_BLOCK	  (1U << EROFS_BLOCK_BITS)
#define EROFS_SLOT	  32 /* inodes are named by their place in these units */
#define EROFS_NAME_MAX	  255
#define EROFS_LONG_INODE  1			      /* bit 0 of a format */
#define EROFS_PLAIN	  (0 << 1 | EROFS_LONG_INODE) /* content in blocks of its own */
#define EROFS_INLINE	  (2 << 1 | EROFS_LONG_INODE) /* the last part behind the inode */
#define EROFS_XATTR_ALIGN 4
#define EROFS_XATTR_IBODY 12 /* in front of an inode's attributes */
#define EROFS_XATTR_MAX	  (EROFS_XATTR_IBODY + 4 * (UINT16_MAX - 1))

struct erofs_super {
	uint32_t magic, checksum, feature_compat;
	uint8_t block_bits, ext_slots;
	uint16_t root;
	uint64_t inodes, build_time;
	uint32_t build_time_nsec, blocks, meta_block, xattr_block;
	uint8_t uuid[16], volume_name[16];
	uint32_t feature_incompat;
	uint16_t compression, extra_devices, device_slot;
	uint8_t rest[38];
} __attribute__((packed));

struct erofs_inode {
	uint16_t format, xattr_count, mode, reserved;
	uint64_t size;
	uint32_t place; /* first block of the content, or the number of a device */
	uint32_t ino, uid, gid;
	uint64_t mtime;
	uint32_t mtime_nsec, links;
	uint8_t reserved2[16];
} __attribute__((packed));

/* The names follow all entries of a block, the first of which tells where they begin. */
struct erofs_dirent {
	uint64_t nid;
	uint16_t name_at;
	uint8_t type, reserved;
} __attribute__((packed));

struct erofs_xattr {
	uint8_t name_len, index;
	uint16_t value_len;
} __attribute__((packed));

_Static_assert(sizeof(struct erofs_super) == 128, "super block");
_Static_assert(sizeof(struct erofs_inode) == 64, "inode");
_Static_assert(sizeof(struct erofs_dirent) == 12, "entry");

#endif
